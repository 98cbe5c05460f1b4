//! A run of one command: it holds the state, talks to the service, and writes the snapshot however it ended.

use std::sync::Arc;

use super::args::{Format, Locking};
use super::connect::{Connection, connect};
use super::context::Context;
use super::engine;
use super::exit::{Code, Error};
use super::git;
use super::progress::Display;
use super::project;
use super::signals;
use super::store;
use crate::defender::Clock;
use crate::engine::{Control, Locked, Options, Run, Scope};
use crate::manifest::Project;
use crate::plan::Destination;

/// A run that holds the lock and talks to the service, for one command.
pub struct LockedRun<'a> {
    pub ctx: &'a Context,
    pub project: Project,
    pub locking: Locking,
    /// How the run is told.
    pub format: Format,
    /// The command as it is shown to others who find the lock taken.
    pub command: &'static str,
    /// A service that is down is waited for, once it has answered.
    pub through_outages: bool,
}

impl LockedRun<'_> {
    /// Locks, connects, does the work and writes the snapshot, however it ended.
    pub async fn with(
        &mut self,
        scope: Scope,
        work: impl AsyncFnOnce(&mut Run<'_>, &Display, &Destination) -> Result<Code, Error>,
    ) -> Result<Code, Error> {
        let ctx = self.ctx;
        let clock: Clock = engine::clock(ctx);
        let world = store::world(ctx, &self.project)?;
        let store = store::open(ctx, &self.project, self.locking, self.command, &clock).await?;
        let opened_at = clock.now();
        let connection: Connection = connect(ctx, &self.project, &clock, Some(&world)).await?;
        let client = match self.through_outages {
            true => connection.client.through_outages(),
            false => connection.client.clone(),
        };
        let options = Options {
            by: Some(ctx.operator()),
            commit: git::checked_out(ctx),
            ..Options::new(uuid::Uuid::new_v4().to_string(), connection.binding.clone())
        };
        let display = Arc::new(Display::new(ctx, self.format));
        let sink = {
            let display = display.clone();
            Arc::new(move |p| display.show(&p))
        };
        let stop = signals::stop(signals::RUN);
        let ended = {
            let locked = Locked { store, opened_at };
            let control = Control { sink, stop };
            let mut run =
                Run::new(&client, &clock, scope, options, locked, control).map_err(engine::run_error)?;
            let ended = work(&mut run, &display, &connection.destination).await;
            // What was observed is recorded even when nothing else is.
            let committed = run.commit().await.map_err(project::store_error);
            match (committed, ended) {
                (Err(e), Ok(_)) => Err(e),
                (_, ended) => ended,
            }
        };
        display.finish();
        connection.close().await;
        ended
    }
}
