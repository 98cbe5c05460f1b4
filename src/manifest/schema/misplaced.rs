//! Fields that stand in another mapping than their own: one finding for all that share a cause.
//!
//! Most of them are a matter of indentation. Lines that are not indented below `spec:` are fields of the document to
//! YAML, and each of them would be a mistake of its own. What is said here is said of none of them again, and nothing is
//! told to be missing that only stands elsewhere.

use std::collections::BTreeMap;

use serde_json::Value;

use super::shape::{Shape, Verdict, joined, names, odd_indent, properties};
use crate::manifest::diagnostic::Finding;
use crate::manifest::nearest::nearest;
use crate::manifest::yaml::reader::{Document, Id, NodeKind};

/// How far below the document the places of fields are looked for: `spec.triage`.
const DEPTH: usize = 2;

/// How many fields are named.
const NAMED: usize = 4;

/// Takes the fields that belong elsewhere out of the shapes of a document, and what is missing because of them; `empty` are
/// findings about single values, by value, of which those about a section without fields are taken.
pub(super) fn report<'s>(
    doc: &Document<'_>,
    root: Id,
    schema: &'s Value,
    shapes: &mut BTreeMap<Id, Shape<'s>>,
    empty: &mut BTreeMap<Id, (u8, Finding)>,
    verdict: &mut Verdict,
) {
    let mut found: Vec<String> = Vec::new();
    for (&mapping, shape) in shapes.iter_mut() {
        let groups = not_indented(doc, mapping, shape);
        for Unindented { section: (key, value), fields } in groups {
            empty.remove(&value);
            verdict.findings.push(indent(doc, key, &fields, mapping == root));
            settle(doc, shape, &fields, verdict, &mut found);
        }
        let mut by_home: BTreeMap<String, Vec<Id>> = BTreeMap::new();
        for &(key, _) in &shape.unknown {
            // A space that is none to YAML puts a field beside its mapping instead of into it.
            let name = doc.node(key).text.trim_start();
            if let Some(home) = home(schema, shape.schema, name) {
                by_home.entry(home).or_default().push(key);
            }
        }
        for (home, fields) in by_home {
            let odd = fields.iter().find_map(|&key| odd_indent(&doc.node(key).text, doc.node(key).span()));
            verdict.findings.extend(odd.or_else(|| elsewhere(doc, &fields, &home)));
            settle(doc, shape, &fields, verdict, &mut found);
        }
    }
    if found.is_empty() {
        return;
    }
    for (value, shape) in shapes.iter_mut() {
        shape.missing.retain(|name| {
            let section = schema.get("properties").and_then(|p| p.get(name));
            let emptied =
                *value == root && section.is_some_and(|s| names(s).any(|n| found.iter().any(|f| f == n)));
            !emptied && !found.contains(name)
        });
    }
}

/// Notes that enough is said of these fields.
fn settle(
    doc: &Document<'_>,
    shape: &mut Shape<'_>,
    fields: &[Id],
    verdict: &mut Verdict,
    found: &mut Vec<String>,
) {
    shape.unknown.retain(|(key, _)| !fields.contains(key));
    verdict.settled.extend(fields);
    found.extend(fields.iter().map(|&key| doc.node(key).text.trim_start().to_owned()));
}

/// A section without a value, and the fields below it that stand beside it.
struct Unindented {
    section: (Id, Id),
    fields: Vec<Id>,
}

/// Finds the sections of a mapping that have no value, while unknown fields of the mapping that follow them are theirs.
fn not_indented(doc: &Document<'_>, mapping: Id, shape: &Shape<'_>) -> Vec<Unindented> {
    let mut groups: Vec<Unindented> = Vec::new();
    let mut open: Option<((Id, Id), &Value)> = None;
    for (key, value) in doc.fields(mapping) {
        let name = &*doc.node(key).text;
        if !shape.unknown.iter().any(|(unknown, _)| *unknown == key) {
            let node = doc.node(value);
            let inner = properties(shape.schema).find(|(known, _)| *known == name).map(|(_, inner)| inner);
            let is_empty = node.kind == NodeKind::Null && node.text.is_empty();
            open = inner.filter(|inner| is_empty && names(inner).next().is_some()).map(|i| ((key, value), i));
            continue;
        }
        let Some((section, inner)) = open else { continue };
        let last = groups.last_mut().filter(|group| group.section == section);
        let known = names(inner).any(|n| n == name);
        // A misspelt field among others is one of them: it is told once it stands where it belongs.
        match last {
            Some(group) if known || nearest(name, names(inner)).is_some() => group.fields.push(key),
            None if known => groups.push(Unindented { section, fields: vec![key] }),
            _ => {}
        }
    }
    groups
}

/// The finding about fields that are not indented below their section.
fn indent(doc: &Document<'_>, section: Id, fields: &[Id], is_root: bool) -> Finding {
    let section = doc.node(section);
    let span = fields.first().map_or(section.span(), |&key| doc.node(key).span());
    let message = match fields {
        [_] => format!("this line belongs into `{}`, but is not indented", section.text),
        _ => format!("these lines belong into `{}`, but are not indented", section.text),
    };
    let more = if is_root { "" } else { " more" };
    Finding::new("bad-indentation", span, message)
        .help(format!("put two{more} spaces before {}", named(doc, fields)))
        .related(section.start as usize, format!("`{}` has no fields", section.text))
}

/// The finding about fields that all belong to another mapping.
fn elsewhere(doc: &Document<'_>, fields: &[Id], home: &str) -> Option<Finding> {
    let span = doc.node(*fields.first()?).span();
    let (does, it) = if fields.len() == 1 { ("does", "it") } else { ("do", "them") };
    let message = format!("{} {does} not belong here", named(doc, fields));
    Some(Finding::new("misplaced-field", span, message).help(format!("move {it} {home}")))
}

/// Names fields, the first ones if there are many.
fn named(doc: &Document<'_>, fields: &[Id]) -> String {
    let mut all: Vec<String> =
        fields.iter().take(NAMED).map(|&key| format!("`{}`", doc.node(key).text.trim_start())).collect();
    match fields.len().saturating_sub(NAMED) {
        0 => {}
        // To name the last one takes no more room than its number.
        1 => all.extend(fields.last().map(|&key| format!("`{}`", doc.node(key).text))),
        more => all.push(format!("{more} more")),
    }
    joined(&all)
}

/// Returns where a field belongs that is unknown `here`, in words behind "move it": into a mapping of this one, beside the
/// sections of the document, or into another mapping.
fn home(root: &Value, here: &Value, name: &str) -> Option<String> {
    let mut sections: Vec<(String, &Value, usize)> = vec![(String::new(), root, 0)];
    let mut next = 0;
    while let Some((path, schema, depth)) = sections.get(next).cloned() {
        next += 1;
        if depth < DEPTH {
            let below = properties(schema).filter(|(_, inner)| names(inner).next().is_some());
            let dot = if path.is_empty() { "" } else { "." };
            sections.extend(below.map(|(name, inner)| (format!("{path}{dot}{name}"), inner, depth + 1)));
        }
    }
    let of_here = sections.iter().find(|(_, schema, _)| std::ptr::eq(*schema, here));
    let own = of_here.map_or("", |(path, ..)| path.as_str());
    let inside = |path: &str| {
        let rest = path.strip_prefix(own)?;
        let rest = if own.is_empty() { rest } else { rest.strip_prefix('.')? };
        (!rest.is_empty() && !rest.contains('.')).then(|| rest.to_owned())
    };
    let homes = sections.iter().filter(|(_, s, _)| !std::ptr::eq(*s, here) && names(s).any(|n| n == name));
    let rank = |path: &str, depth: usize| if inside(path).is_some() { 0 } else { depth + 1 };
    let homes: Vec<(&str, usize)> =
        homes.map(|(path, _, depth)| (path.as_str(), rank(path, *depth))).collect();
    let nearest = homes.iter().map(|(_, rank)| *rank).min()?;
    let best: Vec<&str> = homes.iter().filter(|(_, rank)| *rank == nearest).map(|(path, _)| *path).collect();
    if let [""] = best.as_slice() {
        let section = own.split('.').next().unwrap_or(own);
        return Some(format!("beside `{section}`, with as many spaces before it"));
    }
    let best: Vec<String> = best
        .into_iter()
        .map(|path| format!("`{}`", inside(path).unwrap_or_else(|| path.to_owned())))
        .collect();
    Some(format!("into {}", best.join(" or ")))
}
