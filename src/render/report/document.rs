//! The document of `report --format json`: the facts, and what needs a person in words.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::super::{plan_json, schema};
use super::words::{Told, tell};
use crate::model::Address;
use crate::report::Report;

/// A report as `report --format json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportDocument<'a> {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// The facts.
    #[serde(flatten)]
    pub report: &'a Report,
    /// The things that need a person.
    #[schemars(example = serde_json::json!([]))]
    pub problems: Vec<Problem<'a>>,
}

/// Something that needs a person.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem<'a> {
    /// The resource; left out where it is about the whole record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<&'a Address>,
    /// A stable name.
    #[schemars(example = &"failed")]
    pub code: &'static str,
    /// The trouble in a sentence.
    #[schemars(example = &"ended as Failed")]
    pub message: String,
    /// The step that helps and is no command.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"restore it from a backup, and find out who had access; its SHA-256 is in the journal")]
    pub hint: Option<&'static str>,
    /// Commands that help.
    #[schemars(example = serde_json::json!([{ "command": "casefile fetch", "purpose": "fetch what is done" }]))]
    pub next: Vec<Command>,
}

/// A command to run next.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// As it is typed.
    #[schemars(example = &"casefile fetch")]
    pub command: String,
    /// The purpose of the command.
    #[schemars(example = &"fetch what is done")]
    pub purpose: &'static str,
}

impl<'a> ReportDocument<'a> {
    /// The document of a report.
    pub fn new(report: &'a Report) -> Self {
        let problem = |(address, trouble): &'a (Option<Address>, _)| {
            let now: Timestamp = report.created_at;
            let Told { code, message, next, hint } = tell(trouble, address.as_ref(), now);
            let next = next.iter().map(|n| Command { command: n.command(), purpose: n.what }).collect();
            Problem { address: address.as_ref(), code, message, hint, next }
        };
        ReportDocument { format_version: 1, report, problems: report.troubles.iter().map(problem).collect() }
    }

    /// As indented text that ends with a line break; hidden characters inside strings are escaped.
    ///
    /// # Errors
    /// None that a report can cause: the keys of all maps are text.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        plan_json::pretty(self)
    }
}

/// The schema of the document.
pub fn report_schema() -> Value {
    schema::schema::<ReportDocument<'static>>("casefile report")
}
