//! `state`: what is recorded, without a look at the service, and the surgery that needs none.

use super::args::{
    Locking, StateMigrateArgs, StateMvArgs, StatePullArgs, StateRebuildArgs, StateRenameProjectArgs,
    StateRmArgs, StateShowArgs,
};
use super::context::{Context, runtime};
use super::engine;
use super::exit::{Code, Error};
use super::lock;
use super::project;
use super::store::{self, Check, Destination};
use crate::engine::surgery::{self, SurgeryError};
use crate::manifest::{self, Project};
use crate::model::{Address, Template};
use crate::plan::names::Named;
use crate::render;
use crate::render::state::{StateDocument, show as show_resource, table};
use crate::state::{Acceptance, Record, State, Store, arrived, copy, local};

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
        next: format!("casefile state mv '{}' '{}[{machine}]'", args.from, args.to),
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
            next: format!("casefile state rename-project {name}"),
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
        may_move(store.state(), &args.to)?;
        match to.state().await? {
            Some(there) if there.lineage != store.state().lineage => {
                return Err(Error::OtherState {
                    message: format!("there is another state at {}", args.to),
                    next: "name an empty place".into(),
                });
            }
            Some(_) if store.state().departed_to.as_ref() != Some(&args.to) => {
                return Err(Error::OtherState {
                    message: format!("the state is at {} already", args.to),
                    next: "name another place".into(),
                });
            }
            Some(_) => {
                ctx.out(&render::surgery::migrated(&args.to, project::style_out(ctx)))?;
                return Ok(Code::Done);
            }
            None => {}
        }
        if store.state().departed_to.is_none() {
            let departed = vec![Record::Departed { to: args.to.clone() }];
            let numbers = store.append(clock.now(), vec![departed], &mut |_, _, _| true).await;
            numbers.map_err(project::store_error)?;
            store.commit_snapshot(clock.now()).await.map_err(project::store_error)?;
        }
        drop(store);
        let (_, journal) = store::whole(ctx, &project).await?;
        let (journal, snapshot) =
            arrived(journal.unwrap_or_default(), clock.now()).map_err(project::store_error)?;
        to.write(&snapshot, &journal).await?;
        ctx.out(&render::surgery::migrated(&args.to, project::style_out(ctx)))?;
        Ok(Code::Done)
    })
}

/// Refuses to move a state that is not there, has moved elsewhere, or holds calls without an outcome.
fn may_move(state: &State, to: &str) -> Result<(), Error> {
    let refused = |message: String, next: &str| Err(Error::Forbidden { message, next: next.to_owned() });
    if state.lineage.is_none() {
        return refused(
            "there is no state yet: nothing to move".into(),
            &format!("write `url: \"{to}\"` into casefile.yaml"),
        );
    }
    if let Some(there) = state.departed_to.as_ref().filter(|there| *there != to) {
        return refused(
            format!("the state has moved to {there}"),
            &format!("casefile state migrate --to {there}"),
        );
    }
    let open = state.resources.iter().find(|(_, r)| r.open.is_some() || r.side.is_some());
    match open {
        Some((address, _)) => refused(format!("a call of {address} has no outcome yet"), "casefile apply"),
        None => Ok(()),
    }
}

/// Copies the whole state into a folder, in the layout of a state that is kept in one.
pub fn pull(ctx: &Context, args: &StatePullArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let (snapshot, journal) = runtime()?.block_on(store::whole(ctx, &project))?;
    let Some(journal) = journal else {
        return Err(Error::State { message: "there is no state yet".into(), next: "casefile apply".into() });
    };
    let (snapshot, seq, resources) = copy(snapshot, &journal).map_err(project::store_error)?;
    let folder = ctx.path(&args.dir);
    local::write_new(&folder, &snapshot, &journal).map_err(project::store_error)?;
    ctx.out(&render::surgery::pulled(
        &args.dir.display().to_string(),
        seq,
        resources,
        project::style_out(ctx),
    ))?;
    Ok(Code::Done)
}

/// Writes the snapshot anew; a damaged state only if its damage is accepted.
pub fn rebuild(ctx: &Context, args: &StateRebuildArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let folder = store::folder(ctx, &project)?;
    let holder = ctx.holder("casefile state rebuild", ctx.now());
    let acceptance = args.accept_damage.then(|| Acceptance {
        by: format!("{}@{}", holder.user, holder.host),
        at: holder.since,
        tool: concat!("casefile/", env!("CARGO_PKG_VERSION")).to_owned(),
    });
    let rebuilt = runtime()?.block_on(lock::patiently(ctx, args.locking, async || {
        local::rebuild(&folder, &project.name, &holder, acceptance.as_ref())
    }))?;
    ctx.out(&render::surgery::rebuilt(rebuilt.as_ref(), project::style_out(ctx)))?;
    Ok(Code::Done)
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
        step(&mut *store).await.map_err(engine::surgery_error)
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
