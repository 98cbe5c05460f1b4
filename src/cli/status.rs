//! `status`: where every resource stands, and what is declared and was never sent.

use std::collections::{BTreeMap, BTreeSet};

use super::args::{Format, StatusArgs};
use super::context::{Context, reading_runtime};
use super::engine;
use super::evidence;
use super::exit::{Code, Error};
use super::look::look;
use super::project;
use super::store::{self, Check};
use crate::evidence::Held;
use crate::manifest::{self, Loaded, Project};
use crate::model::{Address, Desired, Target, Template};
use crate::plan::Selector;
use crate::plan::names::Named;
use crate::render::messages::plural;
use crate::render::state::StateDocument;
use crate::render::status::{Unsent, rows, table};
use crate::state::{History, Resource, State, history};

/// Shows all resources, or the named ones, as the service shows them now. Writes nothing.
pub fn run(ctx: &Context, args: &StatusArgs) -> Result<Code, Error> {
    let selector = engine::selector(args.selector.as_deref())?;
    let project = project::load(ctx)?;
    let mut state = store::read(ctx, &project, Check::Tail)?.state;
    let declared = manifest::load(&ctx.dir, &project);
    let mut unread = Vec::new();
    if !args.no_refresh {
        unread = look(ctx, &project, &mut state, &declared, &BTreeSet::new())?.unread;
    }
    show(ctx, args, &project, &state, &declared, selector.as_ref())?;
    if unread.is_empty() {
        Ok(Code::Done)
    } else {
        Err(engine::unread_error("this is what is recorded", &unread))
    }
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
    let held = evidence::presence(ctx, project, all_held(), !args.no_refresh)?;
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
    match engine::chosen(state, &typed, selector) {
        // What they select was never sent.
        Err(Error::NothingSelected { .. }) if !unsent.is_empty() => Ok(BTreeSet::new()),
        chosen => chosen,
    }
}

/// Returns the declared resources that were never sent, of those that were asked for, by the address of their manifest.
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

/// Returns the machines that a manifest without one of its own stands for.
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

/// The stories of all resources.
fn told(ctx: &Context, project: &Project) -> Result<History, Error> {
    let (_, journal) = reading_runtime()?.block_on(store::whole(ctx, project))?;
    Ok(history(&journal.unwrap_or_default()))
}
