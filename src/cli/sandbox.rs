//! `sandbox`: the simulated service, until Ctrl-C.

use std::io;
use std::path::Path;

use super::args::SandboxArgs;
use super::context::{Context, runtime};
use super::exit::{Code, Error};
use super::signals;
use crate::files::{self, Links};
use crate::model::Advice;
use crate::sandbox::{Clock, Replay, Scenario, ServeOptions, Server, serve, serve_replay};

/// A larger scenario is refused.
const MAX_SCENARIO: u64 = 64 << 20;

/// A larger recording is refused: it is held in memory.
const MAX_RECORDING: u64 = 1 << 30;

/// Serves; prints the address once it listens.
pub fn run(ctx: &Context, args: &SandboxArgs) -> Result<Code, Error> {
    if !args.listen.ip().is_loopback() {
        return Err(Error::Usage(format!(
            "--listen {}: the sandbox takes any token, so it listens on loopback addresses only",
            args.listen
        )));
    }
    if let Some(file) = &args.replay {
        let replay = recording(&ctx.path(file))?;
        return runtime()?.block_on(serve_until_stopped(ctx, serve_replay(args.listen, replay)));
    }
    let given = args.scenario.as_deref().map(|p| scenario(&ctx.path(p))).transpose()?;
    let scenario = match args.strict {
        true => Some(given.unwrap_or_default().checked()),
        false => given,
    };
    let options = ServeOptions {
        listen: args.listen,
        world_file: args.world.as_deref().map(|p| ctx.path(p)),
        scenario,
        effects: None,
        clock: Clock::System,
    };
    runtime()?.block_on(serve_until_stopped(ctx, serve(options)))
}

async fn serve_until_stopped(
    ctx: &Context,
    starts: impl Future<Output = io::Result<Server>>,
) -> Result<Code, Error> {
    let failed =
        |e: std::io::Error| Error::Service { message: format!("the sandbox: {e}"), next: Advice::none() };
    ctx.detach()?;
    let mut stop = signals::stop("stopping: the world is written");
    let server = starts.await.map_err(failed)?;
    ctx.out(&format!("Listening on http://{}\n", server.addr()))?;
    ctx.note("Name it as defender.endpoint in casefile.yaml, or as CASEFILE_ENDPOINT. Ctrl-C ends it.");
    // The sender lives as long as the process.
    let _ = stop.wait_for(|s| *s).await;
    server.shutdown().await.map_err(failed)?;
    Ok(Code::Done)
}

/// Reads a recording.
fn recording(path: &Path) -> Result<Replay, Error> {
    let text = files::read_text(path, Links::Followed, MAX_RECORDING).map_err(|e| Error::Io {
        what: "read",
        path: path.to_owned(),
        source: e.into(),
    })?;
    Replay::from_har(&text).map_err(|e| Error::BadFile { path: path.to_owned(), why: e.to_string() })
}

/// Reads a scenario.
pub(super) fn scenario(path: &Path) -> Result<Scenario, Error> {
    let text = files::read_text(path, Links::Followed, MAX_SCENARIO).map_err(|e| Error::Io {
        what: "read",
        path: path.to_owned(),
        source: e.into(),
    })?;
    Scenario::from_yaml(&text).map_err(|e| Error::BadFile { path: path.to_owned(), why: e.to_string() })
}
