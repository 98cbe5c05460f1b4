//! Selections that select nothing: refused, with what was probably meant.
//!
//! A path or a label that fits nothing is a typing mistake far more often than a wish. "No calls to make" would look like
//! an incident that is under control.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::context::Context;
use super::exit::Error;
use super::meant::did_you_mean;
use super::saved;
use crate::manifest::{IncidentState, Loaded, Project, nearest};
use crate::model::{Advice, Desired, Target, Template, first_label};
use crate::plan::names;
use crate::plan::{Miss, Selector};
use crate::render::messages::first;
use crate::render::ways_out::shell;
use crate::seal::manifest_name;
use crate::session::{self, Paths, Selection};

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

/// A selection that a typed word stands for, and what the word is, behind "it is".
struct Meant {
    file: Option<String>,
    /// A label, as `-l` takes it.
    label: Option<String>,
    what: String,
}

impl Meant {
    fn file(file: &str, what: String) -> Self {
        Meant { file: Some(file.to_owned()), label: None, what }
    }
}

/// The error of a path that does not exist: people type the names of resources, machines and incidents there. `command` is
/// the safe one that shows what was meant.
pub fn no_such_path(
    ctx: &Context,
    project: &Project,
    path: &Path,
    source: io::Error,
    command: &str,
) -> Error {
    let is_absent = matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    let error = Error::Io { what: "read", path: path.to_owned(), source };
    if !is_absent {
        return error;
    }
    if saved::is_plan_file(path) {
        return saved::no_such_plan(ctx, path, &error);
    }
    let takes_labels = matches!(command, "plan" | "render");
    let typed = path.to_string_lossy();
    let (loaded, _) = session::declared(&ctx.dir, project);
    let known = words(&loaded, &typed);
    let exact = known.iter().find(|(word, _)| word.eq_ignore_ascii_case(&typed));
    let near = || nearest(&typed, known.iter().map(|(word, _)| word.as_str()));
    let (message, meant) = match (exact, near()) {
        (Some((_, meant)), _) => (format!("{error}; it is {}", meant.what), meant),
        (None, Some(word)) => {
            let Some((_, meant)) = known.iter().find(|(known, _)| known == word) else { return error };
            (format!("{error}{}", did_you_mean(&typed, [word].into_iter())), meant)
        }
        (None, None) => {
            let folders = first(&project.spec.manifests, NAMED, String::clone);
            let labels = if takes_labels { "; what carries a label is selected by -l KEY=VALUE" } else { "" };
            let words = format!("name a file or folder of {folders}{labels}");
            let next = Advice::then(words, "casefile status");
            return Error::NothingSelected { message: error.to_string(), next };
        }
    };
    let files = || match (&meant.file, &meant.label) {
        (Some(file), _) => BTreeSet::from([file.clone()]),
        (None, label) => {
            let selector: Option<Selector> = label.as_deref().and_then(|label| label.parse().ok());
            let carries = |d: &&Desired| selector.as_ref().is_some_and(|s| s.matches(&d.labels));
            declared(&loaded).filter(carries).map(|d| d.source.file.to_string()).collect()
        }
    };
    let selection = match &meant.label {
        Some(label) if takes_labels => format!("-l {}", shell(label)),
        _ => {
            let files = files().into_iter().map(|file| shell(&as_typed(ctx, &file)).into_owned());
            files.collect::<Vec<_>>().join(" ")
        }
    };
    Error::NothingSelected { message, next: Advice::run(format!("casefile {command} {selection}")) }
}

/// The words that people type for what is declared, the most particular first.
fn words(loaded: &Loaded, typed: &str) -> Vec<(String, Meant)> {
    let mut out: Vec<(String, Meant)> = Vec::new();
    let is = |d: &Desired| format!("{}, which {} declares", d.address, d.source.file);
    let named = typed
        .parse()
        .ok()
        .map(|typed| names::declared_as(&typed, None, &loaded.resources, &loaded.templates));
    if let Some(Ok(Some(address))) = named {
        let manifest = address.group().unwrap_or_else(|| address.clone());
        let of = |d: &&Desired| d.address == address || d.address == manifest;
        out.extend(declared(loaded).find(of).map(|d| (typed.to_owned(), Meant::file(&d.source.file, is(d)))));
    }
    for incident in &loaded.incidents {
        let what = format!("an incident, which {} declares", incident.source.file);
        out.push((incident.name.to_string(), Meant::file(&incident.source.file, what)));
    }
    let mut labels: BTreeSet<(&str, &str)> = BTreeSet::new();
    for d in declared(loaded) {
        labels.extend(d.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    }
    for (key, value) in labels {
        let label = format!("{key}={value}");
        for word in [value.to_owned(), label.clone()] {
            let what = format!("the label {label}, and labels are selected by -l");
            out.push((word, Meant { file: None, label: Some(label.clone()), what }));
        }
    }
    let machines = loaded.templates.iter().filter_map(|t| match &t.target {
        Target::Name(name) => Some((t.declared(), name.as_str())),
        Target::Tag(_) | Target::File(_) | Target::Event(_) => None,
    });
    let machines =
        machines.chain(loaded.resources.iter().filter_map(|d| Some((d, d.machine_name.as_deref()?))));
    for (d, machine) in machines {
        out.push((first_label(machine).to_owned(), Meant::file(&d.source.file, is(d))));
    }
    for d in declared(loaded) {
        let file = &*d.source.file;
        for word in
            [d.address.to_string(), d.address.name().to_owned(), file.to_owned(), last(file).to_owned()]
        {
            out.push((word, Meant::file(file, is(d))));
        }
    }
    out
}

/// The last part of a name with `/`.
fn last(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// A file of the project as it is typed where the command was: the project may have been found above.
pub fn as_typed(ctx: &Context, file: &str) -> String {
    match ctx.typed_dir {
        Some(_) => file.to_owned(),
        None => ctx.path(Path::new(file)).to_string_lossy().into_owned(),
    }
}

/// The error of labels that nothing which is declared or recorded carries.
pub fn neither_declared_nor_recorded<'a>(
    labels: &Selector,
    loaded: &'a Loaded,
    recorded: impl Iterator<Item = &'a BTreeMap<String, String>> + Clone,
) -> Error {
    let all = recorded.chain(declared(loaded).map(|d| &*d.labels));
    no_labels(labels, all, "declares or records", "casefile render")
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
    if saved::is_plan_file(Path::new(path)) {
        return Error::NothingSelected {
            message: format!("{path} is no manifest: these end in .yaml or .yml"),
            next: Advice::then("a saved plan is shown by its name", format!("casefile show {}", shell(path))),
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
    match nearest(typed, there.iter().map(String::as_str)) {
        Some(meant) => {
            let corrected = labels.corrected(&miss, meant).to_string();
            none(format!("{message}; did you mean -l {}?", shell(&corrected)), Advice::run(look))
        }
        None if there.is_empty() => none(message, Advice::run(look)),
        None => {
            let there: Vec<String> = there.iter().map(|word| format!("{before}{word}")).collect();
            none(message, Advice::then(format!("there is {}", first(&there, NAMED, String::clone)), look))
        }
    }
}
