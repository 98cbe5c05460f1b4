//! Signals: the first one asks the run to stop, the second one ends the process at once.

use std::io::IsTerminal as _;

use tokio::sync::watch;

use super::context::complain;
use super::exit::{Code, Error};

/// Becomes true at the first SIGINT, SIGTERM or SIGHUP. At the second one the process ends: the journal
/// has it all.
pub fn stop() -> Result<watch::Receiver<bool>, Error> {
    let (tell, told) = watch::channel(false);
    let mut signals = Signals::new()
        .map_err(|e| Error::Service { message: format!("cannot listen for signals: {e}"), next: None })?;
    tokio::spawn(async move {
        signals.next().await;
        // First, so that what is said is true. The run may have ended already.
        let _ = tell.send(true);
        // A terminal shows `^C` where the cursor was.
        let start = if std::io::stderr().is_terminal() { "\n" } else { "" };
        complain(&format!(
            "{start}stopping: no more calls are started; those under way are finished and recorded\n"
        ));
        signals.next().await;
        complain("stopped at once; what was sent is in the journal and looked up by the next run\n");
        exit_now(i32::from(Code::Interrupted.as_u8()));
    });
    Ok(told)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the second signal asks for just that; the kernel drops the lock"
)]
fn exit_now(code: i32) -> ! {
    std::process::exit(code)
}

/// What asks a process to end.
#[cfg(unix)]
pub struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    pub fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    pub async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// What asks a process to end.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub fn new() -> std::io::Result<Self> {
        Ok(Signals)
    }

    pub async fn next(&mut self) {
        // Without a console there is nothing to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
