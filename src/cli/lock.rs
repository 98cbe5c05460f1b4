//! The state's lock: taken by every command that writes, and waited for if that was asked for.

use std::time::Duration;

use super::args::Locking;
use super::context::Context;
use super::exit::Error;
use super::project;
use crate::defender::Clock;
use crate::manifest::Project;
use crate::state::{LocalStore, Opened, StoreError, local};

/// How often a taken lock is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Opens the state for writing; says what was put right on the way. `command` is what others read who find
/// the lock taken.
pub async fn take(
    ctx: &Context,
    project: &Project,
    locking: Locking,
    command: &str,
    clock: &Clock,
) -> Result<Opened<LocalStore>, Error> {
    let folder = project::state_folder(ctx, project)?;
    let opened = patiently(ctx, locking, || local::open(&folder, &ctx.holder(command, clock.now()))).await?;
    for notice in &opened.notices {
        tracing::warn!("{}: {}", folder.display(), project::notice(notice));
    }
    Ok(opened)
}

/// Does something that needs the lock, again and again while another run has it.
pub async fn patiently<T>(
    ctx: &Context,
    locking: Locking,
    attempt: impl Fn() -> Result<T, StoreError>,
) -> Result<T, Error> {
    let deadline = tokio::time::Instant::now() + locking.lock_timeout.get();
    let mut told = false;
    loop {
        match attempt() {
            Err(e @ StoreError::Locked { .. }) if tokio::time::Instant::now() < deadline => {
                if !told {
                    told = true;
                    ctx.note(&format!("waiting for another run: {}", project::store_error(e)));
                }
                tokio::time::sleep(PAUSE).await;
            }
            result => return result.map_err(project::store_error),
        }
    }
}
