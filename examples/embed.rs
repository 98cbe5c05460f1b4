//! Plans and applies a project from a program: `cargo run --example embed -- examples/quickstart`.
//!
//! The service is a simulated one that begins anew, so give it a copy of a project if its state is to be kept.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program: it prints, and reads the clock"
)]

use std::path::Path;
use std::sync::Arc;

use casefile::defender::auth::{AccessToken, AuthMethod, Credential, Environment, Identity, Tokens};
use casefile::defender::{Client, Clock, Cloud, HttpOptions, HttpTransport, RateLimiter, Service};
use casefile::engine::{Control, Report};
use casefile::sandbox::{ServeOptions, serve};
use casefile::session::Session;
use casefile::state::{Binding, Holder};

/// Plans a project, prints its rows, and sends its calls.
pub async fn run(folder: &Path) -> Result<Report, Box<dyn std::error::Error>> {
    let sandbox = ServeOptions {
        listen: "127.0.0.1:0".parse()?,
        world_file: None,
        scenario: None,
        effects: None,
        clock: Default::default(),
    };
    let server = serve(sandbox).await?;
    let service = Service::new(Cloud::Sandbox, None, Some(&format!("http://{}", server.addr())))?;
    let token = Environment { access_token: Some(AccessToken::new("any").into()), ..Environment::default() };
    let credential = Credential::new(AuthMethod::Token, &Identity::default(), token, &service)?;
    let clock = Clock::new(jiff::Timestamp::now);
    let client = Client::new(
        service.clone(),
        Arc::new(HttpTransport::new(&service, HttpOptions::default())),
        Tokens::new(Arc::new(credential)),
        RateLimiter::new(clock.clone(), []),
        clock.clone(),
    );
    let binding = Binding { cloud: Some(Cloud::Sandbox.to_string()), ..Binding::default() };
    let session = Session::open(folder, client, clock.clone(), binding)?;

    let plan = session.plan().await?;
    for change in &plan.changes {
        println!("{} {}", change.action, change.address);
    }
    let holder = Holder {
        user: "embed".into(),
        host: "localhost".into(),
        pid: std::process::id(),
        since: clock.now(),
        command: "embed".into(),
        job: None,
    };
    let (_running, stop) = tokio::sync::watch::channel(false);
    let control = Control { sink: Arc::new(|_| ()), stop };
    let report = session.apply(plan.digest, &holder, control).await?;
    server.shutdown().await?;
    Ok(report)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder of a project")?;
    let report = run(Path::new(&folder)).await?;
    println!("{:?}", report.counts);
    Ok(())
}
