//! `status`: where every resource stands, and what is declared and was never sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::args::{Format, StatusArgs};
use super::connect::connect;
use super::context::{Context, reading_runtime};
use super::engine;
use super::evidence;
use super::exit::{Code, Error};
use super::project;
use super::store::{self, Check};
use crate::engine::{Lookups, Scope, refresh};
use crate::evidence::{EvidenceStore, PackageName};
use crate::manifest::{self, IncidentState, Loaded, Project};
use crate::model::{Address, Desired, Target, Template};
use crate::plan::names::Named;
use crate::plan::{Incidents, Selector, Settings};
use crate::render::messages::plural;
use crate::render::state::StateDocument;
use crate::render::status::{Held, Unsent, rows, table};
use crate::state::{HeldPackage, History, Resource, State, history};

/// Shows all resources, or the named ones, as the service shows them now. Writes nothing.
pub fn run(ctx: &Context, args: &StatusArgs) -> Result<Code, Error> {
    let selector = engine::selector(args.selector.as_deref())?;
    let project = project::load(ctx)?;
    let mut state = store::read(ctx, &project, Check::Tail)?.state;
    let declared = manifest::load(&ctx.dir, &project);
    let mut unread = Vec::new();
    if !args.no_refresh {
        let scope = Scope {
            desired: Vec::new(),
            selected: None,
            replace: BTreeSet::new(),
            // Nothing is planned, so an empty state is no reason to look far back.
            settings: Settings {
                incidents: Incidents { closed: closed(&declared), ..Incidents::default() },
                ..engine::settings(ctx, &project, true)
            },
            refresh: true,
            forecast: false,
            lookups: Lookups::default(),
        };
        let clock = ctx.clock();
        reading_runtime()?.block_on(async {
            let world = store::world(ctx, &project)?;
            let keep = world.exists().then_some(world.as_path());
            let connection = connect(ctx, &project, &clock, keep).await?;
            let client = Some(&connection.client);
            let seen = refresh(client, &clock, &scope, &connection.binding, &mut state).await;
            connection.close().await;
            let (observed, _) = seen.map_err(engine::run_error)?;
            unread = observed.unread;
            Ok::<_, Error>(())
        })?;
    }
    show(ctx, args, &project, &state, &declared, selector.as_ref())?;
    if unread.is_empty() {
        Ok(Code::Done)
    } else {
        Err(engine::unread_error("this is what is recorded", &unread))
    }
}

/// The closed incidents, which are not looked at. What is wrong with a manifest is no matter here.
fn closed(declared: &Loaded) -> BTreeSet<Arc<str>> {
    let incidents = declared.incidents.iter();
    incidents.filter(|i| i.state == IncidentState::Closed).map(|i| i.name.clone()).collect()
}

/// Writes what was asked for.
fn show(
    ctx: &Context,
    args: &StatusArgs,
    project: &Project,
    state: &State,
    declared: &Loaded,
    selector: Option<&Selector>,
) -> Result<(), Error> {
    let unsent = unsent(state, declared, args, selector);
    let chosen = chosen(state, args, selector, &unsent)?;
    let select = |address: &Address, _: &Resource| chosen.contains(address);
    let all_held = || chosen.iter().filter_map(|a| state.resources.get(a)).flat_map(|r| r.packages.iter());
    let held = held(ctx, project, all_held(), !args.no_refresh)?;
    let incidents = incidents(declared);
    let unsent: Vec<Unsent> = unsent.into_iter().map(|(_, unsent)| unsent).collect();
    let rows = rows(
        state,
        &unsent,
        &select,
        &|address| incidents.get(&address.group().unwrap_or_else(|| address.clone())).copied(),
        &|package| held.get(&package.file).copied().unwrap_or(Held::NotLooked),
    );
    let told = match ctx.verbose > 0 {
        true => Some(told(ctx, project)?),
        false => None,
    };
    let stories = told.as_ref().map(|t| &t.stories);
    let problems = project::errors(&declared.diagnostics);
    match args.format {
        Format::Human => ctx.out(&table(&rows, stories, project::style_out(ctx), ctx.now()))?,
        Format::Json => {
            let document = StateDocument::new(state, select).with_status(&rows, problems, stories);
            ctx.document(&document.to_text().map_err(|e| Error::Stdout(e.into()))?)?;
        }
    }
    if problems > 0 {
        let problems = plural(problems, "error");
        ctx.note(&format!(
            "the manifests have {problems}: what cannot be read and was not sent is not shown; next: casefile validate"
        ));
    }
    if let Some(damage) = told.and_then(|t| t.damage) {
        ctx.note(&format!("the stories end where the journal is damaged: {damage}; next: casefile verify"));
    }
    Ok(())
}

/// The resources of the state that were asked for. A name of something that was never sent means none of them.
fn chosen(
    state: &State,
    args: &StatusArgs,
    selector: Option<&Selector>,
    unsent: &[(Address, Unsent)],
) -> Result<BTreeSet<Address>, Error> {
    let of_unsent = |typed: &&Named| !unsent.iter().any(|(address, u)| is_named(typed, address, u));
    let typed: Vec<Named> = args.addresses.iter().filter(of_unsent).cloned().collect();
    if typed.is_empty() && !args.addresses.is_empty() {
        return Ok(BTreeSet::new());
    }
    engine::chosen(state, &typed, selector)
}

/// What is declared and was never sent, of what was asked for; by the address of its manifest.
fn unsent(
    state: &State,
    declared: &Loaded,
    args: &StatusArgs,
    selector: Option<&Selector>,
) -> Vec<(Address, Unsent)> {
    let groups: BTreeSet<Address> = state.resources.iter().filter_map(|(a, _)| a.group()).collect();
    let all: BTreeSet<&Address> = declared.resources.iter().map(|d| &d.address).collect();
    let undeclared = |(a, _): &(&Address, &Resource)| !all.contains(a);
    // What a manifest of another name asked for is moved, and not sent again.
    let renamed: BTreeSet<_> =
        state.resources.iter().filter(undeclared).map(|(a, r)| (a.kind(), r.digest)).collect();
    let was_sent = |d: &Desired| {
        state.resources.contains_key(&d.address)
            || d.moved_from().is_some_and(|from| state.resources.contains_key(from))
            || renamed.contains(&(d.address.kind(), d.digest))
    };
    let of = |d: &Desired, machine: Option<String>| {
        let expanded = d.expanded.as_ref().map(|e| e.incident.to_string());
        let unsent = Unsent {
            address: d.address.clone(),
            machine: machine.or_else(|| d.machine_name.as_ref().map(ToString::to_string)),
            incident: d.labels.get("incident").cloned().or(expanded),
            place: format!("{}:{}", d.source.file, d.source.line),
        };
        (d.address.clone(), unsent)
    };
    let wanted = |d: &Desired| selector.is_none_or(|s| s.matches(&d.labels));
    let resources = declared.resources.iter().filter(|d| !was_sent(d) && wanted(d)).map(|d| of(d, None));
    let templates = declared.templates.iter().filter(|t| {
        let d = t.declared();
        !groups.contains(&d.address) && !state.resources.contains_key(&d.address) && wanted(d)
    });
    let templates = templates.map(|t| of(t.declared(), stands_for(t)));
    let named = |(address, unsent): &(Address, Unsent)| {
        args.addresses.is_empty() || args.addresses.iter().any(|typed| is_named(typed, address, unsent))
    };
    resources.chain(templates).filter(named).collect()
}

/// What a manifest without a machine of its own stands for.
fn stands_for(template: &Template) -> Option<String> {
    match &template.target {
        Target::Name(name) => Some(name.to_string()),
        Target::Tag(tag) => Some(format!("tag {tag}")),
        Target::File(file) => Some(format!("those of {}", file.file)),
        Target::Event(_) => None,
    }
}

fn is_named(typed: &Named, address: &Address, unsent: &Unsent) -> bool {
    match typed {
        Named::Address(typed) => typed == address,
        Named::Bare(word) => address.name() == word || unsent.machine.as_deref() == Some(word),
    }
}

/// The incident that each declared resource was expanded for.
fn incidents(declared: &Loaded) -> BTreeMap<Address, &str> {
    let templates = declared.templates.iter().map(Template::declared);
    let all = declared.resources.iter().chain(templates);
    all.filter_map(|d| Some((d.address.clone(), &*d.expanded.as_ref()?.incident))).collect()
}

/// What is there of packages, by name: their lengths in a folder, and in object storage their names, if the network may
/// be used. Nothing is hashed here.
fn held<'a>(
    ctx: &Context,
    project: &Project,
    packages: impl Iterator<Item = &'a HeldPackage>,
    network: bool,
) -> Result<BTreeMap<String, Held>, Error> {
    let packages: Vec<&HeldPackage> = packages.collect();
    if packages.is_empty() {
        return Ok(BTreeMap::new());
    }
    let store = match evidence::store(ctx, project) {
        Ok(store) => store,
        Err(e) => {
            tracing::warn!("whether packages are there is not known: {e}");
            return Ok(BTreeMap::new());
        }
    };
    let here = packages.into_iter().filter(|p| p.store == store.name());
    let here: Vec<(&HeldPackage, PackageName)> =
        here.filter_map(|p| Some((p, PackageName::parse(&p.file)?))).collect();
    reading_runtime()?.block_on(async {
        let mut out = BTreeMap::new();
        if !store.name().starts_with("file:") {
            if network {
                listed(&*store, &here, &mut out).await;
            }
            return Ok(out);
        }
        for (package, name) in here {
            let held = match store.open(&name).await {
                Ok(Some(found)) if found.size == package.size => Held::There,
                Ok(Some(_)) => Held::OtherLength,
                Ok(None) | Err(_) => Held::Missing,
            };
            out.insert(package.file.clone(), held);
        }
        Ok(out)
    })
}

/// Looks for packages in one list of all names.
async fn listed(
    store: &dyn EvidenceStore,
    here: &[(&HeldPackage, PackageName)],
    out: &mut BTreeMap<String, Held>,
) {
    match store.list().await {
        Ok(names) => {
            let names: BTreeSet<String> = names.into_iter().collect();
            for (package, name) in here {
                let held = if names.contains(&name.file()) { Held::There } else { Held::Missing };
                out.insert(package.file.clone(), held);
            }
        }
        Err(e) => tracing::warn!("whether packages are there is not known: {e}"),
    }
}

/// The stories of all resources.
fn told(ctx: &Context, project: &Project) -> Result<History, Error> {
    let (_, journal) = reading_runtime()?.block_on(store::whole(ctx, project))?;
    Ok(history(&journal.unwrap_or_default()))
}
