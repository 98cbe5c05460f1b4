//! The description of the service: `GET /api/$metadata`, and the names of properties.
//!
//! The names and types are those of the service's own document, as far as they are simulated here.

use std::fmt::Write as _;

use super::message::HttpResponse;

/// The namespace of the service's types.
pub(super) const NAMESPACE: &str = "microsoft.windowsDefenderATP.api";

const TABLE: &str = include_str!("metadata.txt");

/// One entry of the table: its words, and the names and types below it.
struct Entry<'t> {
    words: Vec<&'t str>,
    members: Vec<(&'t str, &'t str)>,
}

fn entries() -> Vec<Entry<'static>> {
    let mut entries: Vec<Entry<'static>> = Vec::new();
    for line in TABLE.lines().filter(|l| !l.starts_with('#')) {
        match (line.strip_prefix("  ").and_then(|m| m.split_once(' ')), entries.last_mut()) {
            (Some(member), Some(entry)) => entry.members.push(member),
            _ => entries.push(Entry { words: line.split(' ').collect(), members: Vec::new() }),
        }
    }
    entries
}

/// Finds a property of an entity by its name, in any spelling.
pub(super) fn property(entity: &str, name: &str) -> Option<&'static str> {
    let entries = entries();
    let entry = entries.iter().find(|e| matches!(e.words.as_slice(), ["entity", n, ..] if *n == entity))?;
    entry.members.iter().map(|(n, _)| *n).find(|n| n.eq_ignore_ascii_case(name))
}

/// The answer of `GET /api/$metadata`.
pub(super) fn answer() -> HttpResponse {
    HttpResponse {
        body: document().into_bytes(),
        headers: vec![("Content-Type", "application/xml".into())],
        ..HttpResponse::empty(200)
    }
}

/// The name of a type, and whether it can be null.
fn typed(text: &str) -> (String, bool) {
    let name = text.trim_end_matches('!');
    let (before, inner, after) = match name.strip_prefix("Collection(").and_then(|n| n.strip_suffix(')')) {
        Some(inner) => ("Collection(", inner, ")"),
        None => ("", name, ""),
    };
    let space = if inner.starts_with("Edm.") { String::new() } else { format!("{NAMESPACE}.") };
    (format!("{before}{space}{inner}{after}"), !text.ends_with('!'))
}

/// The elements of the members of an entry.
fn members(out: &mut String, element: &str, entry: &Entry<'_>) {
    for (name, text) in &entry.members {
        let (kind, nullable) = typed(text);
        let required = if nullable { "" } else { " Nullable=\"false\"" };
        // Writing to a String does not fail.
        let _ = write!(out, "<{element} Name=\"{name}\" Type=\"{kind}\"{required} />");
    }
}

/// The document, in OData's schema language.
fn document() -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices><Schema Namespace=\"{NAMESPACE}\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">"
    );
    let mut sets = String::new();
    for entry in entries() {
        let _ = match entry.words.as_slice() {
            ["entity", name, key] => {
                let _ = write!(out, "<EntityType Name=\"{name}\"><Key><PropertyRef Name=\"{key}\" /></Key>");
                members(&mut out, "Property", &entry);
                write!(out, "</EntityType>")
            }
            ["complex", name] => {
                let _ = write!(out, "<ComplexType Name=\"{name}\">");
                members(&mut out, "Property", &entry);
                write!(out, "</ComplexType>")
            }
            ["enum", name, words @ ..] => {
                let _ = write!(out, "<EnumType Name=\"{name}\">");
                for (value, word) in words.iter().enumerate() {
                    let _ = write!(out, "<Member Name=\"{word}\" Value=\"{value}\" />");
                }
                write!(out, "</EnumType>")
            }
            [kind @ ("action" | "function"), name, bound, result] => {
                let element = if *kind == "action" { "Action" } else { "Function" };
                let (bound, _) = typed(bound);
                let _ = write!(
                    out,
                    "<{element} Name=\"{name}\" IsBound=\"true\"><Parameter Name=\"bindingParameter\" Type=\"{bound}\" />"
                );
                members(&mut out, "Parameter", &entry);
                if *result != "-" {
                    let _ = write!(out, "<ReturnType Type=\"{}\" />", typed(result).0);
                }
                write!(out, "</{element}>")
            }
            ["set", name, entity] => {
                write!(sets, "<EntitySet Name=\"{name}\" EntityType=\"{NAMESPACE}.{entity}\" />")
            }
            _ => Ok(()),
        };
    }
    let _ = write!(
        out,
        "<EntityContainer Name=\"Container\">{sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    );
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_type_that_is_named_is_described_once() {
        let entries = entries();
        let mut types = BTreeSet::new();
        for entry in &entries {
            if let ["entity" | "complex" | "enum", name, ..] = entry.words.as_slice() {
                assert!(types.insert(*name), "{name} twice");
            }
        }
        let inner = |text: &'static str| text.trim_end_matches(['!', ')']).trim_start_matches("Collection(");
        let named = entries.iter().flat_map(|e| {
            let operation = matches!(e.words.first(), Some(&("action" | "function")));
            let bound = e.words.iter().skip(2).filter(move |w| operation && **w != "-");
            e.members.iter().map(|(_, t)| *t).chain(bound.copied()).map(inner)
        });
        for name in named.filter(|n| !n.starts_with("Edm.")) {
            assert!(types.contains(name), "{name} is not described");
        }
        assert_eq!(property("Machine", "COMPUTERDNSNAME"), Some("computerDnsName"));
        assert_eq!(property("Machine", "requestor"), None);
    }
}
