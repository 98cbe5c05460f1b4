//! `import`, `moved` and `replace`: what a manifest says about what is there already, and what cannot be said so.
//!
//! Whether such a field still has something to do is a matter of the state, and so of the plan. Here it is checked that
//! one manifest, and all of a project together, mean something by them.

use std::collections::HashMap;
use std::ops::Range;

use super::diagnostic::{Diagnostic, Finding, Related};
use super::yaml::reader::{Document, Id};
use super::yaml::syntax::shown;
use crate::model::{Address, Desired, Place};

/// The fields, which stand beside `spec`.
pub(super) const FIELDS: [&str; 3] = ["import", "moved", "replace"];

/// Refuses such a field in a template, where it says nothing.
pub(super) const NOT_IN_TEMPLATES: &str = "remove it: it is about one object, and a template makes resources of every \
                                           incident; it stands beside the spec of a manifest of its own";

/// Returns what is wrong with these fields in one manifest. `several` says that it stands for several machines.
pub(super) fn check(doc: &Document<'_>, root: Id, desired: &Desired, several: bool) -> Vec<Finding> {
    let there = FIELDS.iter().filter_map(|name| Some((*name, doc.get(root, name)?.0)));
    if several {
        let wrong = |(name, key): (&str, Id)| {
            let message =
                format!("`{name}` is about one resource, and this manifest stands for several devices");
            Finding::new("misplaced-field", doc.node(key).span(), message)
                .help("write it into a manifest that names one device, or remove it")
        };
        return there.map(wrong).collect();
    }
    let Some(from) = from_of(doc, root) else { return Vec::new() };
    let text = &doc.node(from).text;
    let finding = |message: String| vec![Finding::new("invalid-moved", doc.node(from).span(), message)];
    let own = &desired.address;
    let with_help =
        |findings: Vec<Finding>, help: String| findings.into_iter().map(|f| f.help(help.clone())).collect();
    match text.parse::<Address>() {
        Ok(from) if from == *own => with_help(
            finding(format!("{own} is moved onto itself")),
            "name the address that it had before, or remove `moved`".to_owned(),
        ),
        Ok(from) if from.kind() != own.kind() => with_help(
            finding(format!("{from} cannot become {own}: they are of different kinds")),
            format!("write {}/{}, or remove `moved`", own.kind(), from.name()),
        ),
        Ok(from) if from.is_declarable() && from.parts().is_none() => Vec::new(),
        _ => with_help(
            finding(format!("`{}` is not the address of a manifest", shown(text))),
            format!("write the address that it had before: {}/NAME", own.kind()),
        ),
    }
}

/// Returns where `moved.from` stands.
pub(super) fn place_of_move(doc: &Document<'_>, root: Id) -> Option<Range<usize>> {
    from_of(doc, root).map(|from| doc.node(from).span())
}

fn from_of(doc: &Document<'_>, root: Id) -> Option<Id> {
    let (_, moved) = doc.get(root, "moved")?;
    doc.get(moved, "from").map(|(_, from)| from)
}

/// A manifest that says where it was moved from.
#[derive(Clone, Debug)]
pub(super) struct Move {
    /// Its address.
    pub to: Address,
    /// The address that it had.
    pub from: Address,
    /// Where that stands.
    pub place: Place,
}

/// Returns what is wrong with the moves of a project: a resource that is still declared is not moved, and none is moved
/// to two places.
pub(super) fn check_moves<'a>(
    moves: &[Move],
    declared: impl Iterator<Item = &'a Desired>,
) -> Vec<Diagnostic> {
    if moves.is_empty() {
        return Vec::new();
    }
    let declared: HashMap<&Address, &Desired> = declared.map(|d| (&d.address, d)).collect();
    let mut first: HashMap<&Address, &Move> = HashMap::new();
    let mut problems = Vec::new();
    for m in moves {
        if let Some(d) = declared.get(&m.from) {
            let message = format!("{} is still declared, so it was not moved", m.from);
            let mut problem = Diagnostic::of_place("invalid-moved", &m.place, message)
                .with_help("remove its manifest, or remove `moved`");
            problem.related.push(Related {
                file: d.source.file.clone(),
                line: d.source.line,
                column: d.column,
                message: "declared here".into(),
            });
            problems.push(problem);
            continue;
        }
        match first.get(&m.from) {
            None => drop(first.insert(&m.from, m)),
            Some(other) => {
                let message = format!("{} is moved to {} already", m.from, other.to);
                let mut problem = Diagnostic::of_place("invalid-moved", &m.place, message)
                    .with_help("remove one of the two `moved`");
                problem.related.push(Related {
                    file: other.place.file.clone(),
                    line: other.place.line,
                    column: other.place.column,
                    message: "moved here".into(),
                });
                problems.push(problem);
            }
        }
    }
    problems
}
