//! Selections that select nothing: refused, with what was probably meant.
//!
//! A path or a label that fits nothing is a typing mistake far more often than a wish. "No calls to make" would look like
//! an incident that is under control.

use std::collections::BTreeMap;

use super::exit::Error;
use crate::manifest::{IncidentState, Loaded, Project, nearest};
use crate::model::{Advice, Desired, Template};
use crate::plan::{Miss, Selector};
use crate::render::messages::first;
use crate::render::ways_out::shell;
use crate::seal::manifest_name;
use crate::session::{Paths, Selection};

/// How many labels and folders are named.
const NAMED: usize = 5;

/// Refuses typed paths and labels by which nothing is selected of what is declared. Whether something has changed since a
/// revision is no typing mistake, and left out.
pub fn refuse_nothing(project: &Project, loaded: &Loaded, selection: &Selection<'_>) -> Result<(), Error> {
    for path in &selection.paths.0 {
        let only = Paths(vec![path.clone()]);
        // All of a project that declares nothing is no mistake.
        if !path.is_empty() && !declared(loaded).any(|d| only.covers(&d.source.file)) {
            return Err(nothing_in(path, project, loaded));
        }
    }
    let Some(labels) = &selection.labels else { return Ok(()) };
    if declared(loaded).any(|d| selection.names(d)) {
        return Ok(());
    }
    let within = || declared(loaded).filter(|d| selection.paths.covers(&d.source.file)).map(|d| &*d.labels);
    Err(no_labels(labels, within(), "declares", "casefile render"))
}

/// Refuses typed paths by which nothing is sealed and no seal is removed. `seals` are the names of both.
pub fn refuse_nothing_to_seal<'a>(
    project: &Project,
    loaded: &Loaded,
    paths: &Paths,
    seals: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Error> {
    for path in paths.0.iter().filter(|path| !path.is_empty()) {
        let only = Paths(vec![path.clone()]);
        let is_meant = |name: &str| only.covers(name) || only.covers(&manifest_name(name));
        if !seals.clone().any(is_meant) {
            return Err(nothing_in(path, project, loaded));
        }
    }
    Ok(())
}

/// The error of labels that nothing which is recorded carries.
pub fn not_recorded<'a>(
    labels: &Selector,
    all: impl Iterator<Item = &'a BTreeMap<String, String>> + Clone,
) -> Error {
    no_labels(labels, all, "records", "casefile status")
}

/// Every resource, those that name their machines otherwise than by an id once each.
fn declared(loaded: &Loaded) -> impl Iterator<Item = &Desired> + Clone {
    loaded.resources.iter().chain(loaded.templates.iter().map(Template::declared))
}

fn nothing_in(path: &str, project: &Project, loaded: &Loaded) -> Error {
    let only = Paths(vec![path.to_owned()]);
    let of_runbook = |d: &&Desired| {
        let template = d.expanded.as_ref().and_then(|e| e.source.as_ref());
        template.is_some_and(|source| only.covers(&source.file))
    };
    if let Some(made) = declared(loaded).find(of_runbook) {
        return Error::NothingSelected {
            message: format!("{path} holds a runbook, and declares no resources itself"),
            next: Advice::say(format!("name the file of an incident, such as {}", made.source.file)),
        };
    }
    let mut closed = loaded.incidents.iter().filter(|i| only.covers(&i.source.file));
    if let Some(incident) = closed.find(|i| i.state == IncidentState::Closed) {
        return Error::NothingSelected {
            message: format!("{path} declares no resources: the incident {} is closed", incident.name),
            next: Advice::run("casefile status"),
        };
    }
    let read = &project.spec.manifests;
    let is_read = |entry: &String| {
        let entry = Paths(vec![entry.trim_start_matches("./").trim_end_matches('/').to_owned()]);
        entry.covers(path) || entry.0.iter().any(|entry| entry.is_empty() || only.covers(entry))
    };
    if read.iter().any(is_read) {
        return Error::NothingSelected {
            message: format!("{path} declares no resources"),
            next: Advice::then("look at what is declared where", "casefile render"),
        };
    }
    let folders = first(read, NAMED, String::clone);
    Error::NothingSelected {
        message: format!("{path} is none of the project's manifests: spec.manifests names {folders}"),
        next: Advice::say("name one of these, or add it to spec.manifests in casefile.yaml"),
    }
}

/// `verb` says what of resources is meant; `look` shows them.
fn no_labels<'a>(
    labels: &Selector,
    all: impl Iterator<Item = &'a BTreeMap<String, String>> + Clone,
    verb: &str,
    look: &'static str,
) -> Error {
    let none = |message: String, next: Advice| Error::NothingSelected { message, next };
    if all.clone().next().is_none() {
        return none(format!("-l {labels}: the project {verb} no resources yet"), Advice::run(look));
    }
    let miss = labels.miss(all);
    let (message, typed, there, before) = match &miss {
        Miss::Key { key, there } => {
            (format!("no resource that the project {verb} has a label {key}"), key, there, String::new())
        }
        Miss::Value { key, value, there } => (
            format!("no resource that the project {verb} has the label {key}={value}"),
            value,
            there,
            format!("{key}="),
        ),
        Miss::Together => {
            return none(format!("no resource that the project {verb} fits -l {labels}"), Advice::run(look));
        }
    };
    let next = match nearest(typed, there.iter().map(String::as_str)) {
        Some(meant) => {
            let corrected = labels.corrected(&miss, meant).to_string();
            Advice::say(format!("write -l {}", shell(&corrected)))
        }
        None if there.is_empty() => Advice::run(look),
        None => {
            let there: Vec<String> = there.iter().map(|word| format!("{before}{word}")).collect();
            Advice::say(format!("there is {}", first(&there, NAMED, String::clone)))
        }
    };
    none(message, next)
}
