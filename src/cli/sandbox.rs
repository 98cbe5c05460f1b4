//! `sandbox`: the simulated service, until Ctrl-C.

use std::path::Path;

use super::args::SandboxArgs;
use super::context::{Context, runtime};
use super::exit::{Code, Error};
use crate::sandbox::{Clock, Scenario, ServeOptions, serve};

/// Serves; prints the address once it listens.
pub fn run(ctx: &Context, args: &SandboxArgs) -> Result<Code, Error> {
    if !args.listen.ip().is_loopback() {
        return Err(Error::Usage(format!(
            "--listen {}: the sandbox takes any token, so it listens on loopback addresses only",
            args.listen
        )));
    }
    let options = ServeOptions {
        listen: args.listen,
        world_file: args.world.as_deref().map(|p| ctx.path(p)),
        scenario: args.scenario.as_deref().map(|p| scenario(&ctx.path(p))).transpose()?,
        effects: None,
        clock: Clock::System,
    };
    runtime()?.block_on(serve_until_stopped(ctx, options))
}

async fn serve_until_stopped(ctx: &Context, options: ServeOptions) -> Result<Code, Error> {
    let failed = |e: std::io::Error| Error::Service { message: format!("the sandbox: {e}"), next: None };
    let server = serve(options).await.map_err(failed)?;
    ctx.out(&format!("Listening on http://{}\n", server.addr()))?;
    ctx.note("Name it as defender.endpoint in casefile.yaml, or as CASEFILE_ENDPOINT. Ctrl-C ends it.\n");
    stopped().await.map_err(failed)?;
    server.shutdown().await.map_err(failed)?;
    Ok(Code::Done)
}

/// Ctrl-C, or the polite signal of service managers.
async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupt = tokio::signal::ctrl_c() => interrupt,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

fn scenario(path: &Path) -> Result<Scenario, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    Scenario::from_yaml(&text).map_err(|e| Error::BadFile { path: path.to_owned(), why: e.to_string() })
}
