//! `drill`: the project against made-up machines, in virtual time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::args::{DrillArgs, Format};
use super::connect;
use super::context::{Context, complain, virtual_runtime};
use super::engine;
use super::evidence;
use super::exit::{Code, Error};
use super::meant::no_runbook;
use super::project::{self, errors, style_err};
use super::signals;
use crate::drill::{Drill, Fleet, Played, course, fleet, multiplied, play, samples, without_takeovers};
use crate::evidence::Held;
use crate::manifest::{self, Loaded, Project};
use crate::model::{Address, Target};
use crate::plan::{Allowed, Incidents};
use crate::render::diagnostic::{Looked, human};
use crate::render::drafts;
use crate::render::drill::{self, Shown};
use crate::render::escape;
use crate::render::status::{Unsent, rows};
use crate::seal::Seals;
use crate::session::{self, Selection};

/// The name of the incident that is made up for a runbook, and of its file.
const INCIDENT: [&str; 2] = ["drill", "drill.yaml"];

/// Plays, and says what happened. Nothing is written, and nobody is asked.
pub fn run(ctx: &Context, args: &DrillArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let (mut loaded, incidents, values) = match &args.runbook {
        Some(runbook) => {
            let (loaded, values) = made_up(ctx, &project, runbook, usize::from(args.machines))?;
            (loaded, Incidents::default(), Some(values))
        }
        None => {
            let (loaded, incidents) = project::declared(ctx, &project)?;
            (loaded, incidents, None)
        }
    };
    let left_out = without_takeovers(&mut loaded.resources, &mut loaded.templates);
    let begun = ctx.now();
    let base = connect::scenario(ctx, &project)?;
    let machines = usize::from(args.machines);
    let Fleet { scenario, made_up } = fleet(base, &loaded.resources, &loaded.templates, machines, begun);
    let labels = incidents_of(&loaded);
    // What a seal holds of a query is an event of the real service.
    let seals = || Ok::<Seals, Error>(Seals::new(Vec::new()));
    let settings = session::settings(&project, begun);
    let scope = session::scope((loaded, incidents), &Selection::default(), &seals, settings)?;
    let folder = tempfile::tempdir().map_err(|source| Error::Io {
        what: "make a folder in",
        path: std::env::temp_dir(),
        source,
    })?;
    let allowed =
        Allowed { over_limits: args.allow_over_limits, protected: args.allow_protected, removals: true };
    let drill = Drill {
        scope,
        course: course(scenario, args.seed, args.faults),
        quotas: connect::limits(&project),
        hunting: project.spec.defender.hunting,
        project: project.name.clone(),
        wait: args.timeout.get(),
        allowed,
        evidence: evidence::stand_in(ctx, &project, folder.path())?,
        begun,
        runner: uuid::Uuid::new_v4().to_string(),
        stop: signals::stop("ending the drill: nothing is kept"),
    };
    let played = virtual_runtime()?.block_on(play(drill)).map_err(engine::run_error)?;
    let held = engine::refuse_held_unless(&played.plan, allowed).err().filter(|_| is_held(&played));
    let unsent = unsent(&played);
    let mut rows = rows(
        &played.state,
        &unsent,
        &|_, _| true,
        &|address| labels.get(&address.group().unwrap_or_else(|| address.clone())).map(String::as_str),
        &|_| Held::There,
    );
    let mut last: BTreeMap<&Address, std::time::Duration> = BTreeMap::new();
    for moment in &played.moments {
        last.extend(moment.address.as_ref().map(|address| (address, moment.at)));
    }
    for row in &mut rows {
        row.since = last.get(row.address).and_then(|at| begun.checked_add(*at).ok());
    }
    let shown = Shown {
        project: &project.name,
        runbook: args.runbook.as_deref().zip(values.as_deref()),
        played: &played,
        rows: &rows,
        begun,
        made_up,
        seed: args.seed,
        faults: args.faults,
        left_out: left_out.len(),
    };
    show(ctx, args, &shown, held.as_ref())
}

/// Returns whether a guard rail held the last plan back: it has calls, and they were not sent.
fn is_held(played: &Played) -> bool {
    played.plan.calls().next().is_some()
}

fn show(ctx: &Context, args: &DrillArgs, shown: &Shown<'_>, held: Option<&Error>) -> Result<Code, Error> {
    match args.format {
        Format::Human => ctx.out(&drill::human(shown, project::style_out(ctx)))?,
        Format::Json => {
            let words = held.map(|e| escape::one_line(&e.to_string()).into_owned());
            let text = drill::json(shown, words.as_deref()).map_err(|e| Error::Stdout(e.into()))?;
            ctx.document(&text)?;
        }
    }
    if let Some(e) = held {
        complain(&e.lines(ctx.named().as_deref()));
    }
    Ok(if held.is_some() || !shown.failed().is_empty() { Code::Failed } else { Code::Done })
}

/// The rows of the plan of which nothing was ever recorded.
fn unsent(played: &Played) -> Vec<Unsent> {
    let is_unsent = |address: &Address| !played.state.resources.contains_key(address);
    let rows = played.plan.changes.iter().filter(|c| is_unsent(&c.address));
    let unsent = rows.map(|c| Unsent {
        address: c.address.clone(),
        machine: c.machine_name.as_ref().cloned(),
        incident: c.incident.as_ref().cloned(),
        place: c.source.as_ref().map(|s| format!("{}:{}", s.file, s.line)).unwrap_or_default(),
    });
    unsent.collect()
}

/// The incident that each declared resource was expanded for.
fn incidents_of(loaded: &Loaded) -> BTreeMap<Address, String> {
    let all = loaded.resources.iter().chain(loaded.templates.iter().map(|t| t.declared()));
    all.filter_map(|d| Some((d.address.clone(), d.expanded.as_ref()?.incident.to_string()))).collect()
}

/// Makes an incident up for a runbook. Returns what it expands to, and where its values come from.
fn made_up(
    ctx: &Context,
    project: &Project,
    runbook: &str,
    machines: usize,
) -> Result<(Loaded, String), Error> {
    let parameters = manifest::runbook_parameters(&ctx.dir, project);
    let Some(schema) = parameters.get(runbook) else {
        return Err(no_runbook(runbook, parameters.keys().map(String::as_str)));
    };
    let (with, labels, values) = match manifest::case_incident(&ctx.dir, project, runbook) {
        Some((file, case)) => (case.with.into_iter().collect(), case.labels, file),
        None => {
            let with = samples(schema).map_err(|e| {
                Error::Usage(format!(
                    "--runbook {runbook}: {e}: give it `examples` in the schema, or write a case for the runbook"
                ))
            })?;
            (with, BTreeMap::new(), "samples of its parameters".to_owned())
        }
    };
    let expand = |with: &Map<String, Value>| {
        let text = drafts::incident(INCIDENT[0], &labels, runbook, with);
        manifest::load_beside(&ctx.dir, project, INCIDENT[1], text.as_bytes())
    };
    let first = expand(&with);
    let loaded = match multiplied(&with, &machines_of(&first), machines) {
        Some(more) => expand(&more),
        None => first,
    };
    Ok((of_incident(ctx, loaded)?, values))
}

/// The names and ids of the machines of the incident, in lower case.
fn machines_of(loaded: &Loaded) -> BTreeSet<String> {
    let ids = loaded.resources.iter().map(|d| d.call.machine().as_str().to_ascii_lowercase());
    let names = loaded.templates.iter().filter_map(|t| match &t.target {
        Target::Name(name) => Some(name.key()),
        Target::Tag(_) | Target::File(_) | Target::Event(_) => None,
    });
    ids.chain(names).collect()
}

/// Keeps what the incident expands to. Shows what is wrong with the project on stderr.
fn of_incident(ctx: &Context, mut loaded: Loaded) -> Result<Loaded, Error> {
    if loaded.has_errors() {
        let looked = Looked { files: loaded.files, resources: loaded.declared() };
        complain(&human(&loaded.diagnostics, looked, style_err(ctx)));
        return Err(Error::InvalidManifests(errors(&loaded.diagnostics)));
    }
    let is_of = |d: &crate::model::Desired| d.expanded.as_ref().is_some_and(|e| &*e.incident == INCIDENT[0]);
    loaded.resources.retain(is_of);
    loaded.templates.retain(|t| is_of(t.declared()));
    Ok(loaded)
}
