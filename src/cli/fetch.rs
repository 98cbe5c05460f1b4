//! `fetch`: the packages of collections that are done, from the service to where the project keeps its evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::args::{FetchArgs, Format};
use super::context::{Context, runtime};
use super::engine;
use super::evidence;
use super::exec::{self, Handed, UserCommand};
use super::exit::{Code, Error};
use super::locked_run::LockedRun;
use super::patience::{EVIDENCE, READING, waiting};
use super::progress::Display;
use super::project;
use super::stream;
use crate::engine::{Event, Fetched, Lookups, Progress, Run, Scope};
use crate::evidence::EvidenceStore;
use crate::model::{Address, Kind};
use crate::plan::Unread;
use crate::plan::names::Named;
use crate::render;
use crate::state::{Phase, Resource, State};

/// Fetches what is done, asked for and not held.
pub fn run(ctx: &Context, args: &FetchArgs) -> Result<Code, Error> {
    let selector = engine::selector(args.selector.as_deref())?;
    ctx.detach()?;
    let project = project::load(ctx)?;
    evidence::store(ctx, &project)?;
    let scope = Scope {
        desired: Vec::new(),
        selected: None,
        replace: BTreeSet::new(),
        settings: engine::settings(ctx, &project, true),
        refresh: true,
        forecast: false,
        lookups: Lookups::default(),
    };
    let (locking, format) = (args.locking, args.format);
    let own = project.clone();
    let mut alone =
        LockedRun { ctx, project: own, locking, format, command: "casefile fetch", through_outages: true };
    runtime()?.block_on(async {
        let mut ended = None;
        let code = alone.with(scope, async |run, _, _| {
            let named = named(run.state(), &args.addresses)?;
            let asked = |address: &Address, r: &Resource| {
                (named.is_empty() || named.contains(address))
                    && selector.as_ref().is_none_or(|s| s.matches(&r.labels))
            };
            if let Some(selector) = &selector
                && !run.state().resources.iter().any(|(a, r)| asked(a, r))
            {
                return Err(engine::nothing_recorded(run.state(), &named, selector));
            }
            let reading = waiting(ctx, READING);
            let unread = run.look_at_running(&asked).await.map_err(engine::run_error)?;
            drop(reading);
            let mut fetching = evidence::fetching(ctx, &project, run.client())?;
            fetching.parallelism = usize::from(args.parallelism);
            let looking = waiting(ctx, EVIDENCE);
            evidence::complete(ctx, &project, run.state(), &*fetching.store).await?;
            run.look_at_held(&*fetching.store, &asked).await;
            drop(looking);
            let mut fetched = run.fetch(&fetching, &asked).await.map_err(engine::run_error)?;
            if !fetched.restored.is_empty() {
                evidence::complete(ctx, &project, run.state(), &*fetching.store).await?;
            }
            let running = unfinished(run, &named, &asked, &mut fetched);
            let mut counts = run.counts();
            if fetched.held > 0 {
                counts.insert("alreadyHeld".to_owned(), fetched.held);
            }
            let packages = exec::handed(run.state(), &fetched.fetched);
            let (store, stop) = (fetching.store, run.stopping());
            ended =
                Some(Ended { fetched, running, unread, counts, packages, store, stop, failed: Vec::new() });
            Ok(Code::Done)
        });
        let code = code.await?;
        // The state is free again: commands may take their time.
        let Some(mut ended) = ended else { return Ok(code) };
        let display = Display::new(ctx, format);
        if let Some(command) = &args.exec {
            ended.hand_on(ctx, command, &display).await;
        }
        ended.tell(ctx, format, &display)
    })
}

/// A fetch that is over.
struct Ended {
    fetched: Fetched,
    /// How many collections still run.
    running: usize,
    unread: Vec<Unread>,
    counts: BTreeMap<String, usize>,
    packages: Vec<Handed>,
    store: Arc<dyn EvidenceStore>,
    stop: watch::Receiver<bool>,
    /// Those whose command failed.
    failed: Vec<Address>,
}

impl Ended {
    /// Runs a command for each package, one after another. A stop lets the one that runs end.
    async fn hand_on(&mut self, ctx: &Context, command: &UserCommand, display: &Display) {
        for package in &self.packages {
            if *self.stop.borrow() {
                self.fetched.interrupted = true;
                return;
            }
            let event = exec::run(ctx, command, &*self.store, package).await;
            if let Event::Executed { address, why, .. } = &event {
                let outcome = if why.is_none() { "executed" } else { "executeFailed" };
                *self.counts.entry(outcome.to_owned()).or_default() += 1;
                self.failed.extend(why.as_ref().map(|_| address.clone()));
            }
            display.show(&Progress::Event(event));
        }
    }

    /// Tells how it ended.
    fn tell(self, ctx: &Context, format: Format, display: &Display) -> Result<Code, Error> {
        let code = self.code();
        let Ended { fetched, running, unread, counts, failed, .. } = self;
        match format {
            Format::Human => {
                let style = project::style_out(ctx);
                ctx.out(&render::fetch::fetched(&fetched, running, &failed, style))?;
            }
            Format::Json => {
                let mut attention = fetched.failed.clone();
                attention.extend(failed);
                let (at, exit_code) = (ctx.now(), code.as_u8());
                display.show(&Progress::Event(Event::Summary { at, counts, attention, left: 0, exit_code }));
            }
        }
        if let Some(source) = stream::failure() {
            return Err(Error::Unread { source, left: 0 });
        }
        if !unread.is_empty() && !fetched.interrupted {
            return Err(engine::unread_error("this is what was recorded as done", &unread));
        }
        Ok(code)
    }

    fn code(&self) -> Code {
        let Ended { fetched, unread, failed, .. } = self;
        if fetched.interrupted {
            return Code::Interrupted;
        }
        if !fetched.failed.is_empty() || !unread.is_empty() || !failed.is_empty() {
            return Code::Failed;
        }
        if fetched.not_ready.is_empty() { Code::Done } else { Code::TimedOut }
    }
}

/// The resources that typed addresses mean.
fn named(state: &State, typed: &[Named]) -> Result<BTreeSet<Address>, Error> {
    let kind = Kind::InvestigationPackage;
    let other = typed.iter().find(|t| matches!(t, Named::Address(a) if a.kind() != kind));
    match other {
        Some(other) => Err(Error::Usage(format!("{other}: only collections have packages"))),
        None => engine::all_in_state(state, typed, Some(kind)),
    }
}

/// Collections that are not done: how many run. Those that were named count as not ready, or as failed.
fn unfinished(
    run: &Run<'_>,
    named: &BTreeSet<Address>,
    asked: &dyn Fn(&Address, &Resource) -> bool,
    fetched: &mut Fetched,
) -> usize {
    let mut running = 0;
    let of_kind = |(a, r): &(&Address, &Resource)| a.kind() == Kind::InvestigationPackage && asked(a, r);
    for (address, r) in run.state().resources.iter().filter(of_kind) {
        let list = match r.released_from.unwrap_or(r.phase) {
            Phase::Succeeded => continue,
            Phase::InProgress | Phase::Requested | Phase::Pending => {
                running += 1;
                &mut fetched.not_ready
            }
            _ => &mut fetched.failed,
        };
        if named.contains(address) {
            list.push(address.clone());
        }
    }
    running
}
