//! `fetch`: the packages of collections that are done, from the service to where the project keeps its evidence.

use std::collections::BTreeSet;

use super::args::{FetchArgs, Format};
use super::context::{Context, runtime};
use super::engine;
use super::evidence;
use super::exit::{Code, Error};
use super::locked_run::LockedRun;
use super::project;
use super::store;
use super::stream;
use crate::engine::{Event, Fetched, Lookups, Progress, Run, Scope};
use crate::evidence::{EvidenceStore, PackageName, record_text};
use crate::manifest::Project;
use crate::model::{Address, Kind};
use crate::plan::{Selector, Unread};
use crate::render;
use crate::state::{Phase, Resource, State, custody_records};

/// Fetches what is done, asked for and not held.
pub fn run(ctx: &Context, args: &FetchArgs) -> Result<Code, Error> {
    let selector = args.selector.as_deref().map(str::parse::<Selector>).transpose();
    let selector = selector.map_err(|e| Error::Usage(e.to_string()))?;
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
    let mut alone = LockedRun { ctx, project: own, locking, format, command: "casefile fetch" };
    runtime()?.block_on(alone.with(scope, async |run, display, _| {
        let named = named(run.state(), &args.addresses)?;
        let asked = |address: &Address, r: &Resource| {
            (named.is_empty() || named.contains(address))
                && selector.as_ref().is_none_or(|s| s.matches(&r.labels))
        };
        let unread = run.look_at_running(&asked).await.map_err(engine::run_error)?;
        let mut fetching = evidence::fetching(ctx, &project, run.client())?;
        fetching.parallelism = usize::from(args.parallelism);
        complete(ctx, &project, run.state(), &*fetching.store).await?;
        let mut fetched = run.fetch(&fetching, &asked).await.map_err(engine::run_error)?;
        let running = unfinished(run, &named, &asked, &mut fetched);
        display.finish();
        let code = code(&fetched, &unread);
        match format {
            Format::Human => {
                ctx.out(&render::fetch::fetched(&fetched, running, project::style_out(ctx)))?;
            }
            Format::Json => display.show(&Progress::Event(summary(ctx, run, &fetched, code))),
        }
        if let Some(source) = stream::failure() {
            return Err(Error::Unread { source, left: 0 });
        }
        if !unread.is_empty() && !fetched.interrupted {
            return Err(engine::unread_error("this is what was recorded as done", &unread));
        }
        Ok(code)
    }))
}

/// The resources that typed addresses mean.
fn named(state: &State, typed: &[Address]) -> Result<BTreeSet<Address>, Error> {
    if let Some(alert) = typed.iter().find(|a| a.kind() != Kind::InvestigationPackage) {
        return Err(Error::Usage(format!("{alert}: only collections have packages")));
    }
    engine::named(state, typed)
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

/// Writes the custody records that are missing beside packages that are held: a run was killed before it did.
async fn complete(
    ctx: &Context,
    project: &Project,
    state: &State,
    place: &dyn EvidenceStore,
) -> Result<(), Error> {
    let packages = state.resources.iter().flat_map(|(_, r)| r.packages.iter());
    let mut lacking = BTreeSet::new();
    for held in packages.filter(|p| p.store == place.name()) {
        if let Some(name) = PackageName::parse(&held.file)
            && matches!(place.record(&name).await, Ok(None))
            && matches!(place.has(&name).await, Ok(true))
        {
            lacking.insert(name);
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let (_, journal) = store::whole(ctx, project).await?;
    for (_, custody) in custody_records(&journal.unwrap_or_default()) {
        if custody.store == place.name()
            && let Some(name) = PackageName::parse(&custody.file).filter(|name| lacking.contains(name))
            && let Err(e) = place.write_record(&name, record_text(&custody).into_bytes()).await
        {
            tracing::warn!("{} was not written: {e}", name.record());
        }
    }
    Ok(())
}

fn code(fetched: &Fetched, unread: &[Unread]) -> Code {
    match fetched {
        Fetched { interrupted: true, .. } => Code::Interrupted,
        Fetched { failed, .. } if !failed.is_empty() || !unread.is_empty() => Code::Failed,
        Fetched { not_ready, .. } if !not_ready.is_empty() => Code::TimedOut,
        _ => Code::Done,
    }
}

fn summary(ctx: &Context, run: &Run<'_>, fetched: &Fetched, code: Code) -> Event {
    let mut counts = run.counts();
    if fetched.held > 0 {
        counts.insert("alreadyHeld".to_owned(), fetched.held);
    }
    Event::Summary {
        at: ctx.now(),
        counts,
        attention: fetched.failed.clone(),
        left: 0,
        exit_code: code.as_u8(),
    }
}
