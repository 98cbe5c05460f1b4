//! New manifests as text, for people to review: what a command was told, or what a query found.
//!
//! Nothing is checked here: whoever writes a manifest reads it back with `manifest` first.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::escape;
use super::manifests::{is_plain, quoted};
use crate::model::{CreateAlert, MachineId};

/// How a new package names its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine<'a> {
    /// `spec.machineId`
    Id(&'a MachineId),
    /// `spec.machineName`
    Name(&'a str),
}

/// The manifest of a package.
pub fn package(name: &str, labels: &Labels, machine: Machine<'_>, comment: &str) -> String {
    let machine = match machine {
        Machine::Id(id) => format!("machineId: {}", quoted(id.as_str())),
        Machine::Name(name) => format!("machineName: {}", scalar(name)),
    };
    let head = head("InvestigationPackage", name, labels);
    format!("{head}spec:\n  {machine}\n  comment: {}\n", quoted(comment))
}

/// The manifest of an alert; ids and times are quoted, so that every reader takes them for text.
pub fn alert(name: &str, labels: &Labels, alert: &CreateAlert) -> String {
    let mut out = format!("{}spec:\n", head("Alert", name, labels));
    for (field, value) in alert.fields() {
        // The API's own words need no quotes.
        let value = if matches!(field, "severity" | "category") { value } else { quoted(&value) };
        out.push_str(&format!("  {field}: {value}\n"));
    }
    out
}

/// The manifest of a package with the collection that it takes over.
pub fn taken_over(package: &str, id: &str) -> String {
    format!("{package}import:\n  id: {}\n", quoted(id))
}

/// An alert on an event that a query finds.
#[derive(Clone, Copy, Debug)]
pub struct HuntedAlert<'a> {
    /// Its severity.
    pub severity: &'a str,
    /// Its category.
    pub category: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its description.
    pub description: &'a str,
    /// The steps that it recommends.
    pub recommended_action: &'a str,
    /// The query: lines that end with a line break.
    pub query: &'a str,
}

/// The manifest of an alert on an event that a query finds. The query stands in lines of its own, unless something in it is
/// hidden.
pub fn hunted_alert(name: &str, labels: &Labels, alert: &HuntedAlert<'_>) -> String {
    let mut out = format!("{}spec:\n  event:\n    query:", head("Alert", name, labels));
    let is_hidden = |c: char| c != '\n' && escape::is_hidden(c);
    match alert.query.ends_with('\n')
        && !alert.query.starts_with([' ', '\n'])
        && !alert.query.contains(is_hidden)
    {
        true => {
            out.push_str(" |\n");
            for line in alert.query.lines() {
                out.push_str(&format!("      {line}\n"));
            }
        }
        false => out.push_str(&format!(" {}\n", quoted(alert.query))),
    }
    for (field, value) in [
        ("severity", alert.severity),
        ("title", alert.title),
        ("description", alert.description),
        ("recommendedAction", alert.recommended_action),
        ("category", alert.category),
    ] {
        out.push_str(&format!("  {field}: {}\n", quoted(value)));
    }
    out
}

/// The manifest of an incident.
pub fn incident(name: &str, labels: &Labels, runbook: &str, with: &Map<String, Value>) -> String {
    let mut out = format!("{}spec:\n  runbook: {}\n", head("Incident", name, labels), scalar(runbook));
    if !with.is_empty() {
        out.push_str("  with:\n");
        mapping(with, 4, &mut out);
    }
    out
}

/// The documents of a text, each with the line by which editors find its schema: one at the top of a file counts for the
/// first document alone.
pub fn with_schema(text: &str, schema: &str) -> String {
    let line = format!("# yaml-language-server: $schema={schema}\n");
    let of_document = |document: &str| format!("{line}{document}");
    text.split(SEPARATOR).map(of_document).collect::<Vec<_>>().join(SEPARATOR)
}

/// The line between two documents. Texts in drafts stand in quotes and hold no such line.
const SEPARATOR: &str = "---\n";

/// Several documents as one file.
pub fn documents(documents: &[String]) -> String {
    documents.join(SEPARATOR)
}

/// Labels of a manifest.
pub type Labels = BTreeMap<String, String>;

fn head(kind: &str, name: &str, labels: &Labels) -> String {
    let mut out = format!("apiVersion: casefile/v1\nkind: {kind}\nmetadata:\n  name: {}\n", scalar(name));
    if !labels.is_empty() {
        out.push_str("  labels:\n");
        for (key, value) in labels {
            out.push_str(&format!("    {}: {}\n", scalar(key), scalar(value)));
        }
    }
    out
}

/// A parameter of a runbook, as somebody who fills it in reads of it.
pub struct Blank<'a> {
    /// Its name.
    pub key: &'a str,
    /// Its purpose, and the values that it takes.
    pub about: String,
    /// Set if a value has to be given.
    pub required: bool,
    /// The value that counts if none is given.
    pub default: Option<&'a Value>,
}

/// The manifest of an incident whose values are still to be filled in: what has to be given stands there without a value,
/// and the rest as comments.
pub fn blank_incident(name: &str, runbook: &str, blanks: &[Blank<'_>]) -> String {
    let mut out = incident(name, &Labels::new(), runbook, &Map::new());
    out.push_str("  with:\n");
    for blank in blanks {
        if !blank.about.is_empty() {
            out.push_str(&format!("    # {}\n", escape::one_line(&blank.about)));
        }
        let key = scalar(blank.key);
        match (blank.required, blank.default) {
            (true, _) => out.push_str(&format!("    {key}:\n")),
            (false, Some(default)) => {
                out.push_str(&format!("    # {key}: {}\n", escape::one_line(&default.to_string())))
            }
            (false, None) => out.push_str(&format!("    # {key}:\n")),
        }
    }
    out
}

fn mapping(map: &Map<String, Value>, indent: usize, out: &mut String) {
    for (key, value) in map {
        out.push_str(&format!("{}{}:", " ".repeat(indent), scalar(key)));
        behind(value, indent, out);
    }
}

/// A value behind its key or dash.
fn behind(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            mapping(map, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                out.push_str(&format!("{}-", " ".repeat(indent + 2)));
                behind(item, indent + 2, out);
            }
        }
        Value::String(text) => out.push_str(&format!(" {}\n", scalar(text))),
        // Numbers, booleans, null and what is empty stand as in JSON.
        other => out.push_str(&format!(" {other}\n")),
    }
}

/// A text that needs no quotes without them; always on one line.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::parse_manifests;
    use crate::model::{Call, ReportId};
    use proptest::prelude::*;

    fn sample(title: &str) -> CreateAlert {
        CreateAlert {
            machine_id: format!("{}1", "1e5".repeat(13)).parse().unwrap(),
            severity: "High".into(),
            title: title.to_owned(),
            description: "two\nlines".into(),
            recommended_action: "a: b # c".into(),
            event_time: "2018-08-03T16:45:21.7115180Z".parse().unwrap(),
            report_id: ReportId("20776".into()),
            category: "Execution".into(),
        }
    }

    #[test]
    fn an_alert_reads_like_this() {
        insta::assert_snapshot!("a_new_alert", alert("fin-ws-042", &Labels::new(), &sample("Odd \"thing\"")));
    }

    #[test]
    fn an_incident_reads_like_this() {
        let with = serde_json::json!({
            "machines": ["fin-ws-042", "1e5"], "count": 3, "deep": { "on": true, "list": [], "no": [{ "a": null }] },
        });
        let text = incident("inc-2042", &Labels::new(), "ransomware", with.as_object().unwrap());
        insta::assert_snapshot!("a_new_incident", text);
        let read: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(read["spec"]["with"], with);
    }

    proptest! {
        #[test]
        fn any_text_survives(text in "([ \\PC\n:#'\"{}\\[\\],&*!|>%@`\\\\-]){0,80}x") {
            let manifest = documents(&[
                alert("a", &Labels::new(), &sample(&text)),
                package("a", &[("k".to_owned(), "v 1".to_owned())].into(), Machine::Id(&"ab".repeat(20).parse().unwrap()), &text),
            ]);
            let (resources, problems) = parse_manifests("a.yaml", manifest.as_bytes());
            prop_assert!(problems.is_empty(), "{problems:?}");
            for r in resources {
                match r.call {
                    Call::Collect { comment, .. } => prop_assert_eq!(comment, text.clone()),
                    Call::Alert(a) => prop_assert_eq!(a, sample(&text)),
                }
            }
        }
    }
}
