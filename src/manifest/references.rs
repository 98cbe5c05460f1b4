//! `${{ resources.NAME.id }}` in the texts of manifests: the id of another resource, which is known once its call
//! is accepted.
//!
//! Here they are brought into the form that calls keep, and their names into addresses. Whoever refers to a
//! resource depends on it.

use std::collections::HashMap;

use super::depends::Wanted;
use super::diagnostic::Finding;
use super::runbook;
use super::yaml::reader::{Document, Id, NodeKind};
use super::yaml::syntax::shown;
use crate::model::{Address, Desired, REFERENCE_FIELDS, Until, reference, replaced};

/// Whether a text asks for the id of a resource, rightly or wrongly written.
fn asks(text: &str) -> bool {
    // Nearly no text has a `$`.
    if memchr::memchr(b'$', text.as_bytes()).is_none() {
        return false;
    }
    let mut rest = text;
    while let Some((_, inside)) = rest.split_once("${{") {
        if inside.trim_start().starts_with("resources") {
            return true;
        }
        rest = inside;
    }
    false
}

/// Brings the references of a resource's document into the form that calls keep.
pub(super) fn normalize(doc: &mut Document<'_>, root: Id, findings: &mut Vec<Finding>) {
    let Some((_, spec)) = doc.get(root, "spec") else { return };
    let texts = |doc: &Document<'_>, mapping| -> Vec<(bool, Id)> {
        let text =
            |&(_, value): &(Id, Id)| doc.node(value).kind == NodeKind::Text && asks(&doc.node(value).text);
        let fields = doc.fields(mapping).filter(text);
        fields.map(|(key, value)| (REFERENCE_FIELDS.contains(&&*doc.node(key).text), value)).collect()
    };
    let triage = doc.get(spec, "triage").map_or(Vec::new(), |(_, triage)| texts(doc, triage));
    for (_, id) in triage {
        findings.push(misplaced(doc.node(id).span()));
    }
    for (fits, id) in texts(doc, spec) {
        let node = doc.node(id);
        if !fits {
            findings.push(misplaced(node.span()));
        } else if asks(&replaced(&node.text, |_| Some(String::new()))) {
            match runbook::ids_in(&node.text, node.span()) {
                Ok(text) => doc.set_text(id, text),
                Err(problem) => findings.push(*problem),
            }
        }
    }
}

/// What a text that holds no id says.
pub(super) fn misplaced(span: std::ops::Range<usize>) -> Finding {
    Finding::new("misplaced-id", span, "the id of another resource cannot stand here")
        .help("it can stand in a comment, a description or a recommendedAction")
}

/// What the texts of a resource refer to.
pub(super) fn wanted(doc: &Document<'_>, spec: Id, desired: &Desired) -> Vec<Wanted> {
    let span = |name: &str| {
        let holds = |id: Id| doc.node(id).text.contains(&reference(name));
        let mut fields = REFERENCE_FIELDS.iter().filter_map(|f| doc.get(spec, f)).map(|(_, id)| id);
        let field = fields.find(|&id| holds(id));
        doc.node(field.unwrap_or(spec)).span()
    };
    let names = desired.call.references().into_iter();
    names
        .map(|name| Wanted { name: name.to_owned(), until: Until::Accepted, at: span(name), for_id: true })
        .collect()
}

/// Puts addresses in place of the names that a resource refers to.
pub(super) fn resolve(desired: &mut Desired, names: &HashMap<String, Address>) {
    if !names.is_empty() {
        desired.set_call(
            desired.call.with_references(|name| names.get(name).map(|a| reference(&a.to_string()))),
        );
    }
}

/// Several resources have no one id.
pub(super) fn several(span: std::ops::Range<usize>, name: &str, all: &[Address]) -> Finding {
    const SHOWN: usize = 3;
    let first: Vec<String> = all.iter().take(SHOWN).map(Address::to_string).collect();
    let more = all.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = match all.len() {
        0 => format!("`{}` makes nothing for this incident, so there is no id", shown(name)),
        1 => format!("{} stands for several devices, so it has no one id", first.join(", ")),
        _ => format!("`{}` names several resources: {}{more}", shown(name), first.join(", ")),
    };
    Finding::new("unknown-id", span, message).help(match all.len() {
        0 => "ask under the condition of its `when`: resources.NAME.id if with.collect else 'none'",
        1 => "name a resource of one device",
        _ => "name one of them: resources['NAME-' ~ (item | slug)].id",
    })
}
