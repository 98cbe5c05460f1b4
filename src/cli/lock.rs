//! The state's lock, or another run's mark on a shared state: waited for if that was asked for.

use std::time::Duration;

use super::args::Locking;
use super::context::Context;
use super::exit::Error;
use super::project;
use crate::state::StoreError;

/// How often a taken lock is tried again: at once for a folder, and more and more seldom where each try is a call.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Does something that needs the state for itself, again and again while another run has it.
pub async fn patiently<T>(
    ctx: &Context,
    locking: Locking,
    mut attempt: impl AsyncFnMut() -> Result<T, StoreError>,
) -> Result<T, Error> {
    let deadline = tokio::time::Instant::now() + locking.lock_timeout.get();
    let (mut told, mut pause) = (false, PAUSES.0);
    loop {
        let began = tokio::time::Instant::now();
        match attempt().await {
            Err(e @ StoreError::Locked { .. }) if tokio::time::Instant::now() < deadline => {
                if !told {
                    told = true;
                    ctx.note(&format!("waiting for another run: {}", project::store_error(e)));
                }
                // A try that took long asked somebody else.
                if began.elapsed() > PAUSES.0 {
                    pause = (pause * 2).min(PAUSES.1);
                }
                tokio::time::sleep(pause.min(deadline - tokio::time::Instant::now())).await;
            }
            result => return result.map_err(project::store_error),
        }
    }
}
