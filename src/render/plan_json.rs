//! A plan for programs: the document of `plan --format json`.
//!
//! Texts are the raw values. `formatVersion` changes when a field changes its meaning or goes away;
//! new fields may appear at any time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{codes, escape, words};
use crate::model::{Address, Dependency, PlanDigest, Request, Source};
use crate::plan::saved::{PlanExecution, RowExecution};
use crate::plan::{Action, Change, Plan, View};

/// A plan as `plan --format json` prints it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "casefile plan")]
pub struct PlanDocument {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// The lineage of the state that the plan was made from, or the one its apply gives to a new state.
    pub lineage: String,
    /// Of exactly the calls; `apply --expect` takes it.
    pub digest: PlanDigest,
    /// When the plan was made, by the clock of the machine that made it. Times in reasons and warnings
    /// are relative to it.
    pub created_at: jiff::Timestamp,
    /// One row per resource, by address; rows of action `none` are included.
    pub changes: Vec<ChangeDocument>,
    /// What concerns the plan as a whole.
    pub warnings: Vec<WarningDocument>,
    /// Rows per action; actions without rows are left out.
    pub summary: BTreeMap<Action, usize>,
    /// What the service's quotas make of the calls.
    pub estimate: EstimateDocument,
    /// Only in a file that `apply` takes: what concerns the plan as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = PlanExecution { binding: Default::default(), new_state: true, fresh: false })]
    pub execution: Option<PlanExecution>,
}

/// One row: what happens to one resource, and why.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeDocument {
    /// The resource.
    pub address: Address,
    /// What happens.
    pub action: Action,
    /// The row of the decision table in docs/reconciliation.md that fitted first.
    #[schemars(range(min = 1, max = 32))]
    pub row: u8,
    /// Why, in words for a person; they may change.
    pub reason: String,
    /// Why, as a stable name.
    #[schemars(schema_with = "reason_code_schema")]
    pub reason_code: &'static str,
    /// Where the resource is declared; null if its manifest is gone.
    pub source: Option<SourceDocument>,
    /// The runbook's template that the resource comes from; `source` is its incident then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({ "file": "runbooks/triage.yaml", "line": 12 }))]
    pub template: Option<SourceDocument>,
    /// The call exactly as it is sent; null for rows without a call.
    pub request: Option<Request>,
    /// What the call depends on: it is sent once these have come so far. Left out where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([{ "address": "InvestigationPackage/a", "until": "Accepted" }]))]
    pub depends_on: Vec<Dependency>,
    /// What the state says, in display order; null if the state has nothing to compare.
    pub before: Option<Fields>,
    /// What is declared, in display order; null if there is nothing to compare.
    pub after: Option<Fields>,
    /// What a reader of the row should know.
    pub warnings: Vec<WarningDocument>,
    /// The resource's revision in the state that the row was made from: the number of the journal record
    /// that changed it last; 0 for none.
    pub basis: u64,
    /// Only in a file that `apply` takes: what carrying the row out needs beside its request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = RowExecution::default())]
    pub execution: Option<RowExecution>,
}

/// A place in a manifest.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SourceDocument {
    /// Relative to the project folder, with `/`.
    pub file: String,
    /// Counted from 1.
    #[schemars(range(min = 1))]
    pub line: u32,
}

/// A warning of a row or of the plan.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WarningDocument {
    /// A stable name.
    #[schemars(example = &"second-collection")]
    pub code: &'static str,
    /// In words for a person; they may change.
    #[schemars(example = &"Alert/other has the same title on the same machine: the service merges the two")]
    pub message: String,
}

/// The least time that the quotas need.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct EstimateDocument {
    /// Whole seconds until the last call may leave, the service answering at once.
    pub seconds: u64,
    /// Calls per quota, by its name in the project file.
    pub calls: BTreeMap<String, u64>,
}

/// Field names and their values as text.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(transparent)]
pub struct Fields(#[schemars(with = "BTreeMap<String, String>")] View);

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (field, value) in &self.0 {
            map.serialize_entry(field, value)?;
        }
        map.end()
    }
}

fn reason_code_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": codes::REASONS })
}

impl From<&Plan> for PlanDocument {
    fn from(plan: &Plan) -> Self {
        let warnings = plan
            .warnings
            .iter()
            .map(|w| WarningDocument { code: codes::plan_warning(w), message: words::plan_warning(w) });
        PlanDocument {
            format_version: 1,
            lineage: plan.lineage.clone(),
            digest: plan.digest,
            created_at: plan.created_at,
            changes: plan.changes.iter().map(|c| ChangeDocument::new(c, plan.created_at)).collect(),
            warnings: warnings.collect(),
            summary: plan.summary(),
            estimate: EstimateDocument { seconds: plan.estimate.seconds, calls: plan.estimate.calls.clone() },
            execution: None,
        }
    }
}

impl ChangeDocument {
    fn new(change: &Change, now: jiff::Timestamp) -> Self {
        let warnings = change
            .warnings
            .iter()
            .map(|w| WarningDocument { code: codes::warning(w), message: words::warning(w, now) });
        ChangeDocument {
            address: change.address.clone(),
            action: change.action,
            row: change.row,
            reason: words::why(change, now),
            reason_code: codes::reason(&change.reason),
            source: change.source.as_ref().map(SourceDocument::from),
            template: change.template.as_ref().map(SourceDocument::from),
            request: change.call.as_ref().map(|c| c.request().clone()),
            depends_on: change.depends_on.clone(),
            before: change.before.clone().map(Fields),
            after: change.after.clone().map(Fields),
            warnings: warnings.collect(),
            basis: change.basis,
            execution: None,
        }
    }
}

impl From<&Source> for SourceDocument {
    fn from(source: &Source) -> Self {
        SourceDocument { file: source.file.to_string(), line: source.line }
    }
}

impl PlanDocument {
    /// A plan with all that `apply` needs to carry it out.
    pub fn to_apply(plan: &Plan, execution: PlanExecution) -> Self {
        let mut document = PlanDocument::from(plan);
        document.execution = Some(execution);
        for (row, change) in document.changes.iter_mut().zip(&plan.changes) {
            row.execution = RowExecution::of(change);
        }
        document
    }

    /// As indented text in which every body keeps its bytes, hidden characters and all: for a file that
    /// `apply` takes, not for a terminal.
    ///
    /// # Errors
    /// None that a plan can cause: the keys of all maps are text.
    pub fn to_file(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// As indented text that ends with a line break. Hidden characters inside strings are escaped: a body
    /// that holds one is spelled differently here than it is sent, the value is the same.
    ///
    /// # Errors
    /// None that a plan can cause: the keys of all maps are text.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        pretty(self)
    }
}

/// Indented JSON for a terminal or a file.
pub(super) fn pretty(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(escape::json(&text).into_owned())
}
