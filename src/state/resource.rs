//! What the state holds of one resource.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::custody::HeldPackage;
use super::exchange::{AttemptId, CallAction, Object, Origin, Refusal, Sent, Seq};
use super::triage::{TriageChange, TriageRecord};
use crate::model::{
    ActionStatus, Kind, OnRemove, PlanDigest, RequestDigest, Sparse, Timestamp, known_or_owned, one_of,
};

/// Where a resource stands. See `docs/reconciliation.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// The intent of a creating call has no outcome.
    Requested,
    /// The machine was busy; no id yet.
    Pending,
    /// An id; the service says `Pending` or `InProgress`.
    InProgress,
    /// Done; an alert: created.
    Succeeded,
    /// `Failed` or `TimeOut`.
    Failed,
    /// Cancelled by a person or by us.
    Cancelled,
    /// A definite refusal.
    Rejected,
    /// The manifest is gone; id and body are remembered.
    Released,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 8] = [
        Phase::Requested,
        Phase::Pending,
        Phase::InProgress,
        Phase::Succeeded,
        Phase::Failed,
        Phase::Cancelled,
        Phase::Rejected,
        Phase::Released,
    ];

    /// The word in the state file.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Requested => "Requested",
            Phase::Pending => "Pending",
            Phase::InProgress => "InProgress",
            Phase::Succeeded => "Succeeded",
            Phase::Failed => "Failed",
            Phase::Cancelled => "Cancelled",
            Phase::Rejected => "Rejected",
            Phase::Released => "Released",
        }
    }

    /// The phase of a resource whose object has this status.
    pub fn of_object(kind: Kind, object: &Object) -> Phase {
        if kind == Kind::Alert {
            return Phase::Succeeded;
        }
        match object.action_status() {
            ActionStatus::Succeeded => Phase::Succeeded,
            ActionStatus::Failed | ActionStatus::TimeOut => Phase::Failed,
            ActionStatus::Cancelled => Phase::Cancelled,
            ActionStatus::Pending
            | ActionStatus::InProgress
            | ActionStatus::Unknown(_)
            | ActionStatus::Missing => Phase::InProgress,
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The service's words for where objects stand.
const STATUSES: [&str; 8] =
    ["New", "InProgress", "Resolved", "Pending", "Succeeded", "Failed", "TimeOut", "Cancelled"];

fn status<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Cow<'static, str>>, D::Error> {
    struct Word(Cow<'static, str>);

    impl<'de> Deserialize<'de> for Word {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            one_of(d, &STATUSES).map(Word)
        }
    }

    Ok(Option::deserialize(d)?.map(|Word(word)| word))
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

// There are many, so what few of them have is kept apart.
/// One resource of the state: the fold of its records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource {
    /// Where it stands.
    #[schemars(example = Phase::Succeeded)]
    pub phase: Phase,
    /// The id of the object that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5382f7ea-7557-4ab7-9782-d50480024a4e")]
    pub id: Option<String>,
    /// Whether our call created that object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = Origin::Made)]
    pub origin: Option<Origin>,
    /// Of the body as sent; kept beside it so that an unchanged resource is known by one comparison.
    #[schemars(example = DIGEST)]
    pub digest: RequestDigest,
    /// The service's word for where the object stands.
    #[serde(default, deserialize_with = "status", skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Succeeded")]
    pub status: Option<Cow<'static, str>>,
    /// Failed attempts of this digest that count against `spec.maxAttempts`.
    #[schemars(example = 0)]
    pub attempts: u32,
    /// How many of them are collections that the service ended as `TimeOut`; none in older records.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(example = 1)]
    pub time_outs: u32,
    /// The body as sent.
    #[schemars(example = sent_example())]
    pub sent: Sent,
    /// The number of the last record that changed this resource.
    #[schemars(example = 4)]
    pub changed: Seq,
    /// Who asked for the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"analyst@contoso.com")]
    pub requestor: Sparse<Option<String>>,
    /// The device's name as the service gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fin-ws-042.contoso.com")]
    pub computer_dns_name: Option<String>,
    /// When the object was made, by the service's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = SERVICE_TIME)]
    pub created_at: Option<Timestamp>,
    /// When it last changed, by the service's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = SERVICE_TIME)]
    pub updated_at: Option<Timestamp>,
    /// Who cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"analyst@contoso.com")]
    pub cancelled_by: Sparse<Option<String>>,
    /// When the phase was entered, by our clock.
    #[schemars(example = OUR_TIME)]
    pub since: jiff::Timestamp,
    /// When the busy answer came, by the service's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = SERVICE_TIME)]
    pub busy_at: Sparse<Option<Timestamp>>,
    /// The last refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = refusal_example())]
    pub error: Option<Box<Refusal>>,
    /// When the object was first missed, by our clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = OUR_TIME)]
    pub missing_since: Sparse<Option<jiff::Timestamp>>,
    /// When it was last missed, by our clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = OUR_TIME)]
    pub missing_last: Sparse<Option<jiff::Timestamp>>,
    /// The creating call without an outcome; `Requested` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({ "attempt": attempt_example() }))]
    pub open: Option<Box<Open>>,
    /// An update, cancel or resolve without an outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = side_example())]
    pub side: Option<Box<PendingUpdate>>,
    /// What is known of an alert's triage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({ "set": { "status": "InProgress" } }))]
    pub triage: Sparse<Option<TriageRecord>>,
    /// The last change of the object that the service refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = refused_example())]
    pub refused: Sparse<Option<RefusedChange>>,
    /// The last call about this resource, and the plan that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = asked_example())]
    pub asked: Option<LastCall>,
    /// Attempts given up without an answer; every look-up still searches for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([attempt_example()]))]
    pub watched: Sparse<Vec<Attempt>>,
    /// Objects that this resource held before, and late arrivals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = past_example())]
    pub past: Sparse<Vec<PastObject>>,
    /// Objects in spite of which it was asked for, because its manifest's `replace` named one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!(["5382f7ea-7557-4ab7-9782-d50480024a4e"]))]
    pub replaced: Sparse<Vec<String>>,
    /// Packages that are held for it, those of earlier collections too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = packages_example())]
    pub packages: Sparse<Vec<HeldPackage>>,
    /// `Released` only: the phase it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = Phase::Succeeded)]
    pub released_from: Option<Phase>,
    /// `metadata.labels` as last recorded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({ "incident": "INC-2042" }))]
    pub labels: Sparse<BTreeMap<String, String>>,
    /// `lifecycle.onRemove` as last recorded.
    #[serde(default)]
    #[schemars(example = OnRemove::Retain)]
    pub on_remove: OnRemove,
}

impl Resource {
    /// Takes the service's word for where the object stands.
    pub(super) fn set_status(&mut self, word: &str) {
        self.status = Some(known_or_owned(word, &STATUSES));
    }

    /// Returns whether this is an object that it holds, or once held. A late arrival was never held.
    pub fn has_held(&self, id: &str) -> bool {
        let past = || self.past.iter().any(|p| !p.late && p.id.eq_ignore_ascii_case(id));
        self.holds(id) || past()
    }

    /// Returns whether this is the object that it holds.
    pub fn holds(&self, id: &str) -> bool {
        self.id.as_deref().is_some_and(|held| held.eq_ignore_ascii_case(id))
    }

    /// Returns whether it was asked for in spite of this object.
    pub fn has_replaced(&self, id: &str) -> bool {
        self.replaced.iter().any(|known| known.eq_ignore_ascii_case(id))
    }

    /// Returns the package that is held of a collection.
    pub fn package(&self, id: &str) -> Option<&HeldPackage> {
        self.packages.iter().find(|p| p.id.eq_ignore_ascii_case(id))
    }

    /// Returns how many objects it has had at the service, made or adopted.
    pub fn objects(&self) -> u32 {
        u32::try_from(usize::from(self.id.is_some()) + self.past.len()).unwrap_or(u32::MAX)
    }

    /// Whether the object is ours: *made*, not adopted.
    pub fn made(&self) -> bool {
        self.origin == Some(Origin::Made)
    }
}

/// An attempt to create: when it can have left, and with which body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attempt {
    /// The number of its intent's record.
    #[schemars(example = 2)]
    pub attempt: AttemptId,
    /// The body as sent.
    #[schemars(example = sent_example())]
    pub sent: Sent,
    /// Which run wrote the intent.
    #[schemars(example = RUNNER)]
    pub runner: String,
    /// The intent's moment by our clock.
    #[schemars(example = OUR_TIME)]
    pub at: jiff::Timestamp,
    /// The intent's moment by the service's clock.
    #[schemars(example = SERVICE_TIME)]
    pub server_at: Timestamp,
    /// The last moment, by our clock, at which the call may have left.
    #[schemars(example = OUR_TIME)]
    pub send_by: jiff::Timestamp,
    /// How long the run listens for the answer; none in older records: a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 60)]
    pub timeout_seconds: Option<u32>,
    /// When the call ended without an answer, by our clock; none if the run died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = OUR_TIME)]
    pub failed_at: Option<jiff::Timestamp>,
    /// What was seen instead of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"no answer within 30 s")]
    pub why: Option<String>,
    /// The id of an object that a 2xx answer named, if it is not what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5382f7ea-7557-4ab7-9782-d50480024a4e")]
    pub other: Option<String>,
}

/// The creating call without an outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Open {
    /// The attempt.
    #[schemars(example = attempt_example())]
    pub attempt: Attempt,
    /// The resource as it was before the intent; it returns if the call turns out not to have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = prior_example())]
    pub prior: Option<Box<Resource>>,
}

/// An update, cancel or resolve without an outcome: settled by reading the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Side")]
pub struct PendingUpdate {
    /// The number of its intent's record.
    #[schemars(example = 6)]
    pub attempt: AttemptId,
    /// What was asked.
    #[schemars(example = CallAction::Cancel)]
    pub action: CallAction,
    /// The last moment, by our clock, at which the call may have left.
    #[schemars(example = OUR_TIME)]
    pub send_by: jiff::Timestamp,
    /// The same moment by the service's clock; none in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = OUR_TIME)]
    pub server_send_by: Option<jiff::Timestamp>,
    /// How long the run listens for the answer; none in older records: a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 60)]
    pub timeout_seconds: Option<u32>,
    /// Which run wrote the intent.
    #[schemars(example = RUNNER)]
    pub runner: String,
    /// The digest of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = DIGEST)]
    pub request: Option<RequestDigest>,
    /// What it changes of an alert's triage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({ "set": { "status": "InProgress" } }))]
    pub triage: Sparse<Option<TriageChange>>,
    /// When the object had changed last, as far as it was known before the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = SERVICE_TIME)]
    pub updated_at: Option<Timestamp>,
}

/// An update, cancel or resolve that the service refused: the very same is not sent again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefusedChange {
    /// The digest of the request.
    #[schemars(example = DIGEST)]
    pub request: RequestDigest,
    /// How many of its refusals count against `spec.maxAttempts`.
    #[schemars(example = 0)]
    pub attempts: u32,
    /// The last one.
    #[schemars(example = refusal_example())]
    pub error: Refusal,
}

/// The last call about a resource, of whatever kind: a saved plan knows by it what it has done already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Asked")]
pub struct LastCall {
    /// The plan that asked for it.
    #[schemars(example = PlanDigest(crate::model::Sha256Hex::of(b"test")))]
    pub plan: PlanDigest,
    /// The number of its intent's record.
    #[schemars(example = 2)]
    pub intent: Seq,
    /// The number of the record that says that it never left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 3)]
    pub unsent: Option<Seq>,
}

/// An object that a resource once held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PastObject {
    /// Its id.
    #[schemars(example = &"5382f7ea-7557-4ab7-9782-d50480024a4e")]
    pub id: String,
    /// Whether our call created it.
    #[schemars(example = Origin::Made)]
    pub origin: Origin,
    /// A given-up attempt that turned up late.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub late: bool,
}

// Examples for the schema.
const DIGEST: &str = "v1:sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OUR_TIME: &str = "2026-03-01T08:00:10Z";
const SERVICE_TIME: &str = "2026-03-01T08:00:00.1234567Z";
const RUNNER: &str = "2f4be1c0-5f0a-4b52-8a39-0a4f6c2f7f10";

fn asked_example() -> serde_json::Value {
    serde_json::json!({ "plan": PlanDigest(crate::model::Sha256Hex::of(b"test")), "intent": 2 })
}

fn packages_example() -> serde_json::Value {
    serde_json::json!([{
        "id": "5382f7ea-7557-4ab7-9782-d50480024a4e",
        "store": "file:evidence",
        "file": "InvestigationPackage/fin-ws-042/fin-ws-042.contoso.com-20260301T080000Z-5382f7ea-7557-4ab7-9782-d50480024a4e.zip",
        "size": 1_048_576,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "record": 9
    }])
}

fn past_example() -> serde_json::Value {
    serde_json::json!([{ "id": "1e5bc9d7-7557-4ab7-9782-d50480024a4e", "origin": "made" }])
}

fn refusal_example() -> serde_json::Value {
    serde_json::json!({ "status": 403, "code": "Forbidden", "message": "Missing application roles" })
}

fn refused_example() -> serde_json::Value {
    serde_json::json!({ "request": DIGEST, "attempts": 0, "error": refusal_example() })
}

fn side_example() -> serde_json::Value {
    serde_json::json!({ "attempt": 6, "action": "cancel", "sendBy": OUR_TIME, "runner": RUNNER })
}

fn prior_example() -> serde_json::Value {
    serde_json::json!({
        "phase": "Rejected",
        "digest": DIGEST,
        "attempts": 1,
        "sent": sent_example(),
        "changed": 3,
        "since": OUR_TIME,
        "onRemove": "Retain"
    })
}

fn sent_example() -> serde_json::Value {
    serde_json::json!({
        "request": {
            "method": "POST",
            "path": "/api/machines/fb9ab6be3965095a09c057be7c90f0a2/collectInvestigationPackage",
            "body": { "Comment": "Collect forensics due to alert 1234" }
        },
        "revision": 1,
        "digest": DIGEST
    })
}

fn attempt_example() -> serde_json::Value {
    serde_json::json!({
        "attempt": 2,
        "sent": sent_example(),
        "runner": RUNNER,
        "at": OUR_TIME,
        "serverAt": SERVICE_TIME,
        "sendBy": OUR_TIME
    })
}
