//! The part beside a plan by which it can be carried out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Approval, MachineId, OnInProgress, OnRemove, RequestDigest, Sha256Hex, Span};
use crate::plan::change::{Change, PlannedId};
use crate::state::{Binding, Record};

/// The facts about the plan as a whole that carrying it out needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanExecution {
    /// The cloud or endpoint and the tenant that were looked at.
    #[schemars(example = Binding { cloud: Some("public".into()), ..Binding::default() })]
    pub binding: Binding,
    /// There was no state: the lineage is the one that a new state gets.
    #[schemars(example = false)]
    pub new_state: bool,
    /// `--fresh`: an empty state is meant, although the service shows look-alikes.
    #[schemars(example = false)]
    pub fresh: bool,
    /// The hash of the last record that the plan was made on: a state whose history does not hold it is another one. None
    /// without a state, and in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = Sha256Hex::of(b"test"))]
    pub head: Option<Sha256Hex>,
}

/// The part of a row beside its request that carrying it out needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RowExecution {
    /// The part of the intent besides the request; none for a row without a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = call_example())]
    pub call: Option<CallExecution>,
    /// The manifest's approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = Approval { over_limits: Some(60), protected: false, reason: "INC-2042".into() })]
    pub approve: Option<Approval>,
    /// Journal records to append before the call: what the plan's refresh saw, what the row records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<BTreeMap<String, serde_json::Value>>", example = records_example())]
    pub records: Vec<Record>,
    /// Journal records to append once the call was accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<BTreeMap<String, serde_json::Value>>", example = records_example())]
    pub then: Vec<Record>,
}

/// The part of an intent besides the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallExecution {
    /// `spec.revision`.
    #[schemars(example = 1)]
    pub revision: u32,
    /// The request digest, computed without the marker.
    #[schemars(example = RequestDigest(crate::model::Sha256Hex::of(b"test")))]
    pub digest: RequestDigest,
    /// The text that `recovery.marker` appended to the comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &" [casefile 3f0c2b6c00]")]
    pub marker: Option<String>,
    /// The machine that the call is about.
    pub machine: MachineId,
    /// The name under which it is asked, where the manifest names no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fin-ws-042")]
    pub machine_name: Option<String>,
    /// The digest of the query that found the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = crate::model::Sha256Hex::of(b"test"))]
    pub query_digest: Option<Sha256Hex>,
    /// `metadata.labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({ "incident": "INC-2042" }))]
    pub labels: BTreeMap<String, String>,
    /// `lifecycle.onRemove`.
    #[schemars(example = OnRemove::Retain)]
    pub on_remove: OnRemove,
    /// `spec.onInProgress`.
    #[schemars(example = OnInProgress::Adopt)]
    pub on_in_progress: OnInProgress,
    /// `spec.adoptWithin`.
    pub adopt_within: Span,
    /// The resources whose ids stand in the text, where the request has references.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([]))]
    pub ids: Vec<PlannedId>,
    /// The objects in spite of which the manifest asks, by `replace`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!(["5382f7ea-7557-4ab7-9782-d50480024a4e"]))]
    pub replaces: Vec<String>,
    /// `spec.triage.mode: enforce`: the update is sent whatever somebody else has done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub enforce: bool,
}

fn call_example() -> serde_json::Value {
    serde_json::json!({
        "revision": 1,
        "digest": RequestDigest(crate::model::Sha256Hex::of(b"test")),
        "machine": "fb9ab6be3965095a09c057be7c90f0a2",
        "onRemove": "Retain",
        "onInProgress": "adopt",
        "adoptWithin": "1h"
    })
}

fn records_example() -> serde_json::Value {
    serde_json::json!([{ "released": { "address": "InvestigationPackage/fin-ws-042" } }])
}

impl RowExecution {
    /// Returns the part of a row; none if there is nothing to carry out.
    pub fn of(change: &Change) -> Option<RowExecution> {
        if change.call.is_none() && change.records.is_empty() {
            return None;
        }
        let call = change.call.as_ref().map(|c| CallExecution {
            revision: c.sent.revision,
            digest: c.sent.digest,
            marker: c.sent.marker.to_inner(),
            machine: c.machine.clone(),
            machine_name: c.sent.machine_name.to_inner(),
            query_digest: *c.sent.query_digest,
            labels: c.labels.clone(),
            on_remove: c.on_remove,
            on_in_progress: c.on_in_progress,
            adopt_within: c.adopt_within,
            ids: c.ids.clone(),
            replaces: c.replaces.clone(),
            enforce: c.enforce,
        });
        Some(RowExecution {
            call,
            approve: change.approve.to_inner(),
            records: change.records.to_inner(),
            then: change.then.to_inner(),
        })
    }
}
