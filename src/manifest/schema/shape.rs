//! The fields of a mapping beside its schema: those that are missing, and those that are not known there.

use std::collections::HashSet;

use serde_json::Value;

use crate::manifest::diagnostic::Finding;
use crate::manifest::yaml::reader::Id;

/// The objections of a schema to a document.
#[derive(Debug, Default)]
pub(in crate::manifest) struct Verdict {
    pub findings: Vec<Finding>,
    /// Keys and values of which enough is said.
    pub settled: HashSet<Id>,
}

/// A mapping that lacks fields or holds unknown ones.
pub(super) struct Shape<'s> {
    pub key: Option<Id>,
    pub schema: &'s Value,
    pub missing: Vec<String>,
    /// Keys and values of unknown fields.
    pub unknown: Vec<(Id, Id)>,
}

/// Returns the names of the fields that a schema knows.
pub(super) fn names(schema: &Value) -> impl Iterator<Item = &str> {
    properties(schema).map(|(name, _)| name.as_str())
}

/// Returns the fields that a schema knows, with their schemas.
pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// Returns what is wrong with a name that begins with a space other than U+0020.
pub(super) fn odd_indent(name: &str, span: std::ops::Range<usize>) -> Option<Finding> {
    let odd = name.chars().next().filter(|c| c.is_whitespace() && *c != ' ')?;
    let message = format!("the line begins with U+{:04X}, which is no ordinary space", u32::from(odd));
    Some(Finding::new("bad-indentation", span, message).help("indent with spaces"))
}

/// Joins words as a sentence does.
pub(super) fn joined(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}
