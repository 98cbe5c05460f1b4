//! `cancel`: a plan of one row, asked for by a person.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply;
use super::args::{CancelArgs, Format, Locking};
use super::connect::{Connection, connect};
use super::context::{Context, runtime};
use super::engine;
use super::exit::{Code, Error};
use super::progress::Display;
use super::project;
use super::signals;
use super::store;
use crate::defender::Clock;
use crate::engine::{Control, Locked, Lookups, Options, Run, Scope};
use crate::manifest::{Loaded, Project};
use crate::plan::{Destination, Plan};

/// Cancels. Without a terminal and without an approval nothing is even looked at.
pub fn run(ctx: &Context, args: &CancelArgs) -> Result<Code, Error> {
    ctx.detach()?;
    if !ctx.interactive && !args.auto_approve {
        return Err(Error::Unapproved { next: "casefile cancel --auto-approve" });
    }
    let project = project::load(ctx)?;
    if let Some(rule) = project.spec.require_comment.as_ref().filter(|rule| !rule.allows_text(&args.comment))
    {
        let rule = rule.pattern();
        return Err(Error::Usage(format!(
            "--comment: the text does not match the project's requireComment: {rule}"
        )));
    }
    let scope = scope(ctx, &project)?;
    let (locking, format) = (args.locking, Format::Human);
    let mut session = Session { ctx, project, locking, format, command: "casefile cancel" };
    runtime()?.block_on(session.with(scope, async |run, display, destination| {
        let plan = run.plan_cancel(&args.address, &args.comment).await.map_err(engine::surgery_error)?;
        let plan = Plan { destination: Some(destination.clone()), ..plan };
        display.plan(ctx, &plan, !args.auto_approve)?;
        if !args.auto_approve {
            engine::ask("Send this call?", run.stopping()).await?;
        }
        match run.cancel(&plan).await {
            Ok(report) => {
                run.close(&report).await.map_err(project::store_error)?;
                Ok(apply::code(&report))
            }
            Err(e) => Err(apply::end_early(run, e).await),
        }
    }))
}

/// The whole project: what a refresh shows of other resources is judged by what they declare.
pub(super) fn scope(ctx: &Context, project: &Project) -> Result<Scope, Error> {
    let Loaded { resources: desired, templates, .. } = project::manifests(ctx, project)?;
    Ok(Scope {
        desired,
        selected: None,
        replace: BTreeSet::new(),
        settings: engine::settings(ctx, project, false),
        refresh: true,
        forecast: false,
        lookups: Lookups::new(templates),
    })
}

/// A run that holds the lock and talks to the service, for one command.
pub(super) struct Session<'a> {
    pub(super) ctx: &'a Context,
    pub(super) project: Project,
    pub(super) locking: Locking,
    /// How the run is told.
    pub(super) format: Format,
    /// What others read who find the lock taken.
    pub(super) command: &'static str,
}

impl Session<'_> {
    /// Locks, connects, does the work and writes the snapshot, however it ended.
    pub(super) async fn with(
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
        let options = Options::new(uuid::Uuid::new_v4().to_string(), connection.binding.clone());
        let display = Arc::new(Display::new(ctx, self.format));
        let sink = {
            let display = display.clone();
            Arc::new(move |p| display.show(&p))
        };
        let stop = signals::stop(signals::RUN);
        let ended = {
            let locked = Locked { store, opened_at };
            let control = Control { sink, stop };
            let mut run = Run::new(&connection.client, &clock, scope, options, locked, control)
                .map_err(engine::run_error)?;
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
