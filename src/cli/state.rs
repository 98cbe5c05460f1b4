//! `state`: what is recorded, without a look at the service, and the surgery that needs none.

use super::args::{
    Locking, StateMigrateArgs, StateMvArgs, StatePullArgs, StateRebuildArgs, StateRenameProjectArgs,
    StateRmArgs, StateShowArgs,
};
use super::context::{Context, runtime};
use super::engine;
use super::exit::{Code, Error};
use super::lock;
use super::output;
use super::patience::{MOVING, waiting};
use super::project;
use super::store::{self, Check, Destination};
use crate::defender::Clock;
use crate::engine::surgery::{self, SurgeryError};
use crate::manifest::{self, Project};
use crate::model::location::{Location, SharedPlace};
use crate::model::{Address, Advice, Template};
use crate::plan::names::Named;
use crate::render;
use crate::render::state::{StateDocument, show as show_resource, table};
use crate::render::surgery::in_words;
use crate::state::{Acceptance, Elsewhere, Record, State, Store, arrived, copy, local, rebuilt_elsewhere};

/// One line a resource.
pub fn list(ctx: &Context) -> Result<Code, Error> {
    let loaded = store::read(ctx, &project::load(ctx)?, Check::Tail)?;
    let document = StateDocument::new(&loaded.state, |_, _| true);
    ctx.out(&table(&document, project::style_out(ctx), ctx.now()))?;
    Ok(Code::Done)
}

/// Everything about one resource.
pub fn show(ctx: &Context, args: &StateShowArgs) -> Result<Code, Error> {
    let loaded = store::read(ctx, &project::load(ctx)?, Check::Tail)?;
    let address = engine::in_state(&loaded.state, &args.address)?;
    if let Some(resource) = loaded.state.resources.get(&address) {
        ctx.out(&show_resource(&address, resource, project::style_out(ctx), ctx.now()))?;
    }
    Ok(Code::Done)
}

/// Takes a resource out of the state.
pub fn rm(ctx: &Context, args: &StateRmArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let address = change(ctx, &project, args.locking, "casefile state rm", async |store| {
        surgery::remove(store, ctx.now(), &args.address).await
    })?;
    let declared = declares(ctx, &project, &address);
    ctx.out(&render::surgery::removed(&address, declared, project::style_out(ctx)))?;
    Ok(Code::Done)
}

/// Gives a resource another address.
pub fn mv(ctx: &Context, args: &StateMvArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    whole_group(ctx, &project, args)?;
    let (from, to) = change(ctx, &project, args.locking, "casefile state mv", async |store| {
        surgery::rename(store, ctx.now(), &args.from, &args.to).await
    })?;
    let declared = declares(ctx, &project, &to);
    ctx.out(&render::surgery::renamed(&from, &to, declared, project::style_out(ctx)))?;
    Ok(Code::Done)
}

/// Refuses the address of a manifest that stands for several machines: a resource of it is one of them.
fn whole_group(ctx: &Context, project: &Project, args: &StateMvArgs) -> Result<(), Error> {
    let loaded = manifest::load(&ctx.dir, project);
    let is_group = |t: &Template| t.target.is_group() && *t.address() == args.to;
    if !loaded.templates.iter().any(is_group) {
        return Ok(());
    }
    let machine = match &args.from {
        Named::Address(from) => from.parts().map_or("MACHINE", |(_, machine)| machine),
        Named::Bare(_) => "MACHINE",
    };
    Err(Error::Forbidden {
        message: format!(
            "{} stands for several machines: a resource of it has its machine in brackets behind the name",
            args.to
        ),
        next: Advice::run(format!("casefile state mv '{}' '{}[{machine}]'", args.from, args.to)),
    })
}

/// Records that the project has the name that `casefile.yaml` gives it.
pub fn rename_project(ctx: &Context, args: &StateRenameProjectArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let name = &project.name;
    if args.name != *name {
        return Err(Error::Forbidden {
            message: format!(
                "casefile.yaml names the project {name}, and not {}: nothing was recorded",
                args.name
            ),
            next: Advice::run(format!("casefile state rename-project {name}")),
        });
    }
    let (begun, old) = runtime()?.block_on(async {
        let command = "casefile state rename-project";
        let mut store = store::open(ctx, &project, args.locking, command, &engine::clock(ctx)).await?;
        if store.state().lineage.is_none() {
            return Ok((false, None));
        }
        let old =
            surgery::rename_project(&mut *store, ctx.now(), name).await.map_err(engine::surgery_error)?;
        Ok::<_, Error>((true, old))
    })?;
    let style = project::style_out(ctx);
    ctx.out(&render::surgery::project_renamed(begun, old.as_deref(), name, style))?;
    Ok(Code::Done)
}

/// Moves the state to another place. The old one is closed first, and the copy is made of what it holds then: whatever
/// interrupts this, the same command goes on with it.
pub fn migrate(ctx: &Context, args: &StateMigrateArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    runtime()?.block_on(async {
        let clock = engine::clock(ctx);
        let mut to = Destination::new(ctx, &project, &args.to).await?;
        let mut store =
            store::open_anyway(ctx, &project, args.locking, "casefile state migrate", &clock).await?;
        if close(&mut *store, &mut to, &args.to, &clock).await? == Moving::Copies {
            drop(store);
            let (_, journal) = store::whole(ctx, &project).await?;
            let (journal, snapshot) =
                arrived(journal.unwrap_or_default(), clock.now()).map_err(project::store_error)?;
            let _moving = waiting(ctx, MOVING);
            to.write(&snapshot, &journal).await?;
        }
        ctx.out(&render::surgery::migrated(&args.to, project::style_out(ctx)))?;
        Ok(Code::Done)
    })
}

/// How far a state is on its way to another place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moving {
    /// The old place is closed, and the copy is still to be made.
    Copies,
    /// The copy was made before.
    Arrived,
}

/// Closes the place of a state that moves to `url`, unless it is closed: every later run there says where the state went.
async fn close(
    store: &mut dyn Store,
    to: &mut Destination,
    url: &str,
    clock: &Clock,
) -> Result<Moving, Error> {
    may_move(store.state(), url)?;
    let departed = store.state().departed_to.is_some();
    if is_there(to, url, store.state().lineage.as_ref()).await? {
        return match departed {
            true => Ok(Moving::Arrived),
            false => Err(Error::OtherState {
                message: format!("the state is at {url} already"),
                next: Advice::say("name another place"),
            }),
        };
    }
    if !departed {
        let departed = vec![Record::Departed { to: url.to_owned() }];
        let numbers = store.append(clock.now(), vec![departed], &mut |_, _, _| true).await;
        numbers.map_err(project::store_error)?;
        store.commit_snapshot(clock.now()).await.map_err(project::store_error)?;
    }
    Ok(Moving::Copies)
}

/// Returns whether the state of that lineage is at a place. One of another lineage is in the way.
async fn is_there(to: &mut Destination, url: &str, lineage: Option<&String>) -> Result<bool, Error> {
    match to.state().await? {
        Some(there) if there.lineage.as_ref() != lineage => Err(Error::OtherState {
            message: format!("there is another state at {url}"),
            next: Advice::say("name an empty place"),
        }),
        there => Ok(there.is_some()),
    }
}

/// Refuses to move a state that is not there, has moved elsewhere, or holds calls without an outcome.
fn may_move(state: &State, to: &str) -> Result<(), Error> {
    let refused = |message: String, next: Advice| Err(Error::Forbidden { message, next });
    if state.lineage.is_none() {
        return refused(
            "there is no state yet: nothing to move".into(),
            Advice::say(format!("write `url: \"{to}\"` into casefile.yaml")),
        );
    }
    if let Some(there) = state.departed_to.as_ref().filter(|there| *there != to) {
        return refused(
            format!("the state has moved to {there}"),
            Advice::say(format!("go on with casefile state migrate --to {there}")),
        );
    }
    let open = state.resources.iter().find(|(_, r)| r.open.is_some() || r.side.is_some());
    match open {
        Some((address, _)) => refused(
            in_words(&format!("a call of {address} has no outcome yet"), state),
            Advice::then("have it looked up, by casefile apply", "casefile plan"),
        ),
        None => Ok(()),
    }
}

/// Copies the whole state into a folder, in the layout of a state that is kept in one.
pub fn pull(ctx: &Context, args: &StatePullArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    output::refuse_kept_folder(ctx, &project, &args.dir, "a copy of the state")?;
    let (snapshot, journal) = runtime()?.block_on(store::whole(ctx, &project))?;
    let Some(journal) = journal else {
        return Err(Error::State {
            message: "there is no state yet".into(),
            next: Advice::run("casefile plan"),
        });
    };
    let (snapshot, seq, resources) = copy(snapshot, &journal).map_err(project::store_error)?;
    let folder = ctx.path(&ctx.typed(&args.dir));
    local::write_new(&folder, &snapshot, &journal).map_err(project::store_error)?;
    ctx.out(&render::surgery::pulled(
        &args.dir.display().to_string(),
        seq,
        resources,
        project::style_out(ctx),
    ))?;
    Ok(Code::Done)
}

/// Writes the snapshot anew; a damaged state only if its damage is accepted. A shared state is written to a new place, as
/// nothing in a shared place is written over.
pub fn rebuild(ctx: &Context, args: &StateRebuildArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let holder = ctx.holder("casefile state rebuild", ctx.now());
    let acceptance = args.accept_damage.then(|| Acceptance {
        by: format!("{}@{}", holder.user, holder.host),
        at: holder.since,
        tool: concat!("casefile/", env!("CARGO_PKG_VERSION")).to_owned(),
    });
    let rebuilt = match (&args.to, store::location(ctx, &project)?) {
        (Some(to), Location::Shared(place)) => {
            let elsewhere = Rebuilding { ctx, project: &project, place: &place, to, acceptance };
            return runtime()?.block_on(elsewhere.run(args.locking));
        }
        (Some(_), Location::Folder(_)) => {
            return Err(Error::Usage("--to: a state in a folder is rebuilt in its place".to_owned()));
        }
        (None, _) => {
            let folder = store::folder(ctx, &project)?;
            runtime()?.block_on(lock::patiently(ctx, args.locking, async || {
                local::rebuild(&folder, &project.name, &holder, acceptance.as_ref())
            }))?
        }
    };
    ctx.out(&render::surgery::rebuilt(rebuilt.as_ref(), project::style_out(ctx)))?;
    Ok(Code::Done)
}

/// A shared state that is written anew at another place, and moves there.
struct Rebuilding<'a> {
    ctx: &'a Context,
    project: &'a Project,
    place: &'a SharedPlace,
    to: &'a str,
    acceptance: Option<Acceptance>,
}

impl Rebuilding<'_> {
    /// Closes the old place if it can be read, and writes the new one. Interrupted anywhere, the same command goes on.
    async fn run(&self, locking: Locking) -> Result<Code, Error> {
        let Rebuilding { ctx, project, place, to: url, .. } = *self;
        let clock = engine::clock(ctx);
        let mut to = Destination::new(ctx, project, url).await?;
        // Refused before the old place is closed.
        let Some(first) = self.rebuilt(&clock).await? else {
            ctx.out(&render::surgery::rebuilt(None, project::style_out(ctx)))?;
            return Ok(Code::Done);
        };
        let opened =
            store::open_shared(ctx, project, place, locking, "casefile state rebuild", &clock).await?;
        let closed = opened.is_ok();
        let (moving, rebuilt) = match opened {
            Ok(mut store) => {
                let moving = close(&mut *store, &mut to, url, &clock).await?;
                drop(store);
                (moving, self.rebuilt(&clock).await?.unwrap_or(first))
            }
            // No run can read it, so none can go on there.
            Err(_) if is_there(&mut to, url, first.lineage.as_ref()).await? => (Moving::Arrived, first),
            Err(_) => (Moving::Copies, first),
        };
        if moving == Moving::Copies {
            let _moving = waiting(ctx, MOVING);
            to.write(&rebuilt.snapshot, &rebuilt.journal).await?;
            ctx.out(&render::surgery::rebuilt(Some(&rebuilt.told), project::style_out(ctx)))?;
        }
        ctx.out(&render::surgery::migrated(url, project::style_out(ctx)))?;
        if !closed {
            ctx.out(&render::surgery::left_open(project::style_out(ctx)))?;
        }
        Ok(Code::Done)
    }

    /// Reads the whole state, and returns it as it is to be at the new place.
    async fn rebuilt(&self, clock: &Clock) -> Result<Option<Elsewhere>, Error> {
        let (snapshot, journal) = store::whole(self.ctx, self.project).await?;
        let (snapshot, journal) = (snapshot.as_deref(), journal.as_deref());
        let (name, acceptance) = (&self.project.name, self.acceptance.as_ref());
        rebuilt_elsewhere(snapshot, journal, name, acceptance, clock.now()).map_err(project::store_error)
    }
}

/// Opens a state of this project for writing, and changes something.
fn change<T>(
    ctx: &Context,
    project: &Project,
    locking: Locking,
    command: &str,
    step: impl AsyncFnOnce(&mut dyn Store) -> Result<T, SurgeryError>,
) -> Result<T, Error> {
    runtime()?.block_on(async {
        let mut store = store::open(ctx, project, locking, command, &engine::clock(ctx)).await?;
        if let Some(state) = store.state().binding.project.clone()
            && state != project.name
        {
            return Err(Error::OtherProject { state, project: project.name.clone() });
        }
        let done = step(&mut *store).await.map_err(engine::surgery_error);
        done.map_err(|e| {
            let e = engine::with_meant(e, store.state());
            engine::named(ctx, e, |text| in_words(text, store.state()))
        })
    })
}

/// Whether a manifest declares it. Manifests with errors declare what can be read of them: this is for a
/// hint only.
fn declares(ctx: &Context, project: &Project, address: &Address) -> bool {
    let loaded = manifest::load(&ctx.dir, project);
    let manifest = address.group().unwrap_or_else(|| address.clone());
    let template = |t: &Template| *t.address() == manifest && t.target.is_group() == (manifest != *address);
    loaded.resources.iter().any(|d| d.address == *address) || loaded.templates.iter().any(template)
}
