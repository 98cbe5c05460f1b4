//! A plan for programs: the document of `plan --format json`.
//!
//! Texts are the raw values. `formatVersion` changes when a field changes its meaning or goes away;
//! new fields may appear at any time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{codes, escape, messages};
use crate::model::{Address, Dependency, PlanDigest, Request, Source, Target, Timestamp, reference};
use crate::plan::saved::{PlanExecution, RowExecution};
use crate::plan::{
    Action, Change, Destination, Forecast, Group, MachineFacts, Plan, PlannedId, Row, Share, Unread, View,
};

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
    /// What rows need and what could not be read: `apply` refuses such a plan. Left out where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([]))]
    pub unread: Vec<UnreadDocument>,
    /// Rows per action; actions without rows are left out.
    pub summary: BTreeMap<Action, usize>,
    /// Manifests that stand for several machines, by address; left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([]))]
    pub groups: Vec<GroupDocument>,
    /// What the service's quotas make of the calls.
    pub estimate: EstimateDocument,
    /// The calls that create, seen as a whole; left out if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({ "machines": 40, "listed": 40, "answeringNow": 36, "shares": [] }))]
    pub outlook: Option<OutlookDocument>,
    /// The service that the calls go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({ "cloud": "public", "host": "api.security.microsoft.com" }))]
    pub service: Option<ServiceDocument>,
    /// Only in a file that `apply` takes: what concerns the plan as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = PlanExecution { binding: Default::default(), new_state: true, fresh: false, head: None })]
    pub execution: Option<PlanExecution>,
}

/// One row: what happens to one resource, and why.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeDocument {
    /// The resource.
    pub address: Address,
    /// The address as people see and may type it, for one machine of a group: with the machine's name in place of
    /// its id. Only where the name is unambiguous in the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"InvestigationPackage/sweep[fin-ws-042]")]
    pub shown_as: Option<String>,
    /// What happens.
    pub action: Action,
    /// The row of the decision table in docs/reconciliation.md that fitted first.
    #[schemars(range(min = 1, max = 36))]
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
    /// What the service says of the machine, in rows with a call that creates; left out where it was not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({ "id": "fb9ab6be3965095a09c057be7c90f0a2", "answersNow": true }))]
    pub machine: Option<MachineDocument>,
    /// The call exactly as it is sent; null for rows without a call. Where its text holds the id of another
    /// resource, a reference stands for it: `${{ resources['Kind/name'].id }}`.
    pub request: Option<Request>,
    /// How many objects the resource of a call that creates has had; part of the plan's digest. Left out where
    /// there was none.
    #[serde(skip_serializing_if = "is_none")]
    #[schemars(example = 1)]
    pub objects: u32,
    /// The call that sets the declared triage of an alert that the first call creates, once it is created. A reference
    /// stands in its path for the alert's id. Left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = follow_up_example())]
    pub follow_up: Option<Request>,
    /// What the references of the request stand for. Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([{ "of": "InvestigationPackage/inc-2042.collect" }]))]
    pub ids: Vec<PlannedId>,
    /// Objects at the service that are what the row asks for and that no record knows. A `replace` counts for these
    /// alone, and the digest covers them. Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!(["5382f7ea-7557-4ab7-9782-d50480024a4e"]))]
    pub look_alikes: Vec<String>,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(objects: &u32) -> bool {
    *objects == 0
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

/// What a plan needs and could not read, for one reason.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreadDocument {
    /// What it is.
    #[schemars(example = serde_json::json!(["machine actions"]))]
    pub what: Vec<&'static str>,
    /// The kind of reason, as a stable name.
    #[schemars(example = &"permission")]
    pub cause: &'static str,
    /// The reason in the service's words; they may change.
    #[schemars(example = &"403 Forbidden: Missing application roles")]
    pub message: String,
    /// The id to quote to the service's support.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"4f2c3b1a-9a51-4a0d-9f4a-6f1f5d3b2c1e")]
    pub correlation_id: Option<String>,
}

impl From<&Unread> for UnreadDocument {
    fn from(u: &Unread) -> Self {
        UnreadDocument {
            what: u.what.iter().copied().collect(),
            cause: u.cause.as_str(),
            message: u.why.clone(),
            correlation_id: u.support_id.clone(),
        }
    }
}

/// What the service says of a machine.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineDocument {
    /// Its id.
    #[schemars(example = &"fb9ab6be3965095a09c057be7c90f0a2")]
    pub id: String,
    /// `computerDnsName`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fin-ws-042.contoso.com")]
    pub name: Option<String>,
    /// `osPlatform`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Windows11")]
    pub os_platform: Option<String>,
    /// `version`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"23H2")]
    pub version: Option<String>,
    /// `healthStatus`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Active")]
    pub health_status: Option<String>,
    /// `lastSeen`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2026-03-01T08:00:00.1234567Z")]
    pub last_seen: Option<Timestamp>,
    /// `agentVersion`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"10.8470.22631.3007")]
    pub agent_version: Option<String>,
    /// Whether it will answer now: `Active`, onboarded, not merged into another record, and seen within 48 hours.
    #[schemars(example = true)]
    pub answers_now: bool,
}

impl MachineDocument {
    fn new(change: &Change, facts: &MachineFacts) -> Self {
        MachineDocument {
            id: change.call.as_ref().map(|c| c.machine.as_str().to_ascii_lowercase()).unwrap_or_default(),
            name: facts.name.clone(),
            os_platform: facts.os.clone(),
            version: facts.version.clone(),
            health_status: facts.health.clone(),
            last_seen: facts.last_seen.clone(),
            agent_version: facts.agent.clone(),
            answers_now: facts.answers,
        }
    }
}

/// The calls that create, seen as a whole.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutlookDocument {
    /// Machines that they go to.
    #[schemars(example = 40)]
    pub machines: usize,
    /// Of these: listed by the service.
    #[schemars(example = 40)]
    pub listed: usize,
    /// Of these: will answer now.
    #[schemars(example = 36)]
    pub answering_now: usize,
    /// The median of what collections took that the refresh showed, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 600)]
    pub typical_seconds: Option<u64>,
    /// Whole seconds until the last collection should be over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1800)]
    pub finish_seconds: Option<u64>,
    /// What the calls use of quotas that have an hourly limit.
    #[schemars(example = serde_json::json!([]))]
    pub shares: Vec<ShareDocument>,
}

/// What the plan uses of an hour's quota.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareDocument {
    /// The quota's name in the project file.
    #[schemars(example = &"collect")]
    pub quota: String,
    /// Calls of the plan.
    #[schemars(example = 40)]
    pub calls: u64,
    /// Calls that the state knows of the last hour.
    #[schemars(example = 12)]
    pub made: u64,
    /// The limit.
    #[schemars(example = 1500)]
    pub per_hour: u32,
}

impl From<&Forecast> for OutlookDocument {
    fn from(o: &Forecast) -> Self {
        let share = |s: &Share| ShareDocument {
            quota: s.quota.to_owned(),
            calls: s.calls,
            made: s.made,
            per_hour: s.per_hour,
        };
        OutlookDocument {
            machines: o.machines,
            listed: o.listed,
            answering_now: o.answering,
            typical_seconds: o.typical.map(|t| t.seconds),
            finish_seconds: o.finish_seconds,
            shares: o.shares.iter().map(share).collect(),
        }
    }
}

/// A manifest that stands for several machines, as it was resolved.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupDocument {
    /// The manifest's address; its resources are `ADDRESS[machine id]`.
    #[schemars(example = &"InvestigationPackage/sweep")]
    pub address: Address,
    /// `spec.machineTag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"tier1")]
    pub machine_tag: Option<String>,
    /// `spec.machines.fromFile`, relative to the project folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"hosts.txt")]
    pub from_file: Option<String>,
    /// `spec.machines.column`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"host")]
    pub column: Option<String>,
    /// Of the file's text, without its byte order mark and with line feeds for line ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub file_digest: Option<String>,
    /// How many machines it stands for.
    #[schemars(example = 40)]
    pub machines: usize,
    /// How many more are in the state that it stands for no more.
    #[schemars(example = 0)]
    pub left: usize,
    /// The machines are those of its seal.
    #[schemars(example = false)]
    pub sealed: bool,
}

impl From<&Group> for GroupDocument {
    fn from(group: &Group) -> Self {
        let file = match &group.target {
            Target::File(file) => Some(file),
            _ => None,
        };
        GroupDocument {
            address: group.address.clone(),
            machine_tag: match &group.target {
                Target::Tag(tag) => Some(tag.to_string()),
                _ => None,
            },
            from_file: file.map(|f| f.file.to_string()),
            column: file.and_then(|f| f.column.as_deref().map(str::to_owned)),
            file_digest: file.map(|f| format!("sha256:{}", f.digest)),
            machines: group.machines,
            left: group.left,
            sealed: group.sealed.is_some(),
        }
    }
}

/// The service that a plan was made for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceDocument {
    /// `defender.cloud` of the project.
    #[schemars(example = &"public")]
    pub cloud: String,
    /// The host, and its port if that is not the usual one; left out for the service that is simulated in the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"api.security.microsoft.com")]
    pub host: Option<String>,
    /// The host of Microsoft Graph, where it is not the cloud's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"graph.microsoft.com")]
    pub graph_host: Option<String>,
    /// The tenant: the token's, as far as that is known, or the one that the project names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"00000000-0000-0000-0000-000000000000")]
    pub tenant: Option<String>,
}

impl From<&Destination> for ServiceDocument {
    fn from(to: &Destination) -> Self {
        ServiceDocument {
            cloud: to.cloud.clone(),
            host: to.host.clone(),
            graph_host: to.graph_host.clone(),
            tenant: to.tenant.clone(),
        }
    }
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

fn follow_up_example() -> serde_json::Value {
    serde_json::json!({
        "method": "PATCH",
        "path": format!("/api/alerts/{}", reference("Alert/fin-ws-042")),
        "body": { "status": "InProgress" }
    })
}

fn reason_code_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": codes::REASONS })
}

impl From<&Plan> for PlanDocument {
    fn from(plan: &Plan) -> Self {
        let warnings = plan
            .warnings
            .iter()
            .map(|w| WarningDocument { code: codes::plan_warning(w), message: messages::plan_warning(w) });
        PlanDocument {
            format_version: 1,
            lineage: plan.lineage.clone(),
            digest: plan.digest,
            created_at: plan.created_at,
            changes: plan.changes.iter().map(|c| ChangeDocument::new(c, plan.created_at)).collect(),
            warnings: warnings.collect(),
            unread: plan.unread().iter().map(UnreadDocument::from).collect(),
            summary: plan.summary(),
            groups: plan.groups.iter().map(GroupDocument::from).collect(),
            estimate: EstimateDocument { seconds: plan.estimate.seconds, calls: plan.estimate.calls.clone() },
            outlook: plan.forecast.as_ref().map(OutlookDocument::from),
            service: plan.destination.as_ref().map(ServiceDocument::from),
            execution: None,
        }
    }
}

impl ChangeDocument {
    fn new(change: &Change, now: jiff::Timestamp) -> Self {
        let warnings = change
            .warnings
            .iter()
            .map(|w| WarningDocument { code: codes::warning(w), message: messages::warning(w, now) });
        ChangeDocument {
            address: change.address.clone(),
            shown_as: change.shown.to_inner(),
            action: change.action,
            row: change.row.map_or(0, Row::number),
            reason: messages::why(change, now),
            reason_code: codes::reason(&change.reason),
            source: change.source.as_ref().map(SourceDocument::from),
            template: change.template.as_ref().map(SourceDocument::from),
            machine: change.facts.as_ref().map(|facts| MachineDocument::new(change, facts)),
            request: change.call.as_ref().map(|c| c.request().clone()),
            objects: change.call.as_ref().map_or(0, |c| c.objects),
            follow_up: change.call.as_ref().and_then(|c| c.follow_up.as_deref().cloned()),
            ids: change.call.as_ref().map(|c| c.ids.clone()).unwrap_or_default(),
            look_alikes: change.look_alikes.to_inner(),
            depends_on: change.depends_on.to_inner(),
            before: change.before.to_inner().map(Fields),
            after: change.after.to_inner().map(Fields),
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
    Ok(escape::json_in_a_log(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_every_row_of_the_table() {
        let schema = schemars::schema_for!(ChangeDocument).to_value();
        let row = &schema["properties"]["row"];
        let last = row["maximum"].as_u64().and_then(|last| u8::try_from(last).ok()).unwrap();
        assert!(Row::from_number(last).is_some() && Row::from_number(last + 1).is_none(), "{row}");
    }
}
