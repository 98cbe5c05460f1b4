//! What the journal says: one record per thing that was meant, answered, seen or decided.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::custody::Custody;
use super::resources::Resources;
use super::store::Holder;
use super::triage::{TriageChange, TriageValues};
use crate::model::{
    ActionStatus, Address, Alert, Call, MachineAction, OnRemove, PlanDigest, Request, RequestDigest,
    Sha256Hex, Sparse, Timestamp, Triage,
};

/// The number of a journal record: 1, 2, 3, ...
pub type Seq = u64;

/// An attempt is named by the number of its intent's record.
pub type AttemptId = Seq;

/// The payload of a journal line. Externally tagged, so that bodies keep their bytes.
///
/// Unknown fields are refused here and in everything below: a later version may mean something by them that
/// changes the fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Record {
    /// The first record: whose state this is.
    Open {
        /// Given once, never changed: a saved plan names it.
        lineage: String,
        /// The cloud or endpoint, the tenant and the project.
        binding: Binding,
        /// `casefile/<version>` that began the journal.
        tool: String,
    },
    /// The tenant or the project became known after the journal had begun, or the project got another name.
    Bound {
        /// The complete binding.
        binding: Binding,
    },
    /// A mutating call is about to leave; synced before it does.
    Intent(Box<Intent>),
    /// What became of an intent.
    Outcome {
        /// The intent's record number.
        attempt: AttemptId,
        /// Its resource.
        address: Address,
        /// What happened.
        result: Outcome,
        /// The service's time of the answer, as far as known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server_at: Option<Timestamp>,
    },
    /// The outcome of an intent, told when its attempt had been settled already: by another run's look-up, say. It adds
    /// what nobody knew, and takes nothing back.
    Answered {
        /// The intent's record number.
        attempt: AttemptId,
        /// Its resource.
        address: Address,
        /// What happened.
        result: Outcome,
        /// The service's time of the answer, as far as known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server_at: Option<Timestamp>,
    },
    /// A look-up found the object of an attempt, or one to adopt.
    Found {
        /// The resource that takes it.
        address: Address,
        /// The attempt that made it; none for a busy machine's collection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<AttemptId>,
        /// Whether our call created it.
        origin: Origin,
        /// The object.
        object: Object,
    },
    /// A given-up attempt turned up although its resource has another object by now.
    Late {
        /// The resource.
        address: Address,
        /// The attempt.
        attempt: AttemptId,
        /// What it made.
        object: Object,
    },
    /// A list or a read showed the resource's object.
    Observed {
        /// The resource.
        address: Address,
        /// The object as it is now.
        object: Object,
    },
    /// A read showed more of an alert's triage than is known: what an unanswered change of ours led to, and what
    /// somebody else gave.
    Triaged {
        /// The resource.
        address: Address,
        /// The alert's id.
        id: String,
        /// The change that we made.
        #[serde(default, skip_serializing_if = "TriageChange::is_empty")]
        ours: TriageChange,
        /// The values that somebody else gave.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        given: TriageValues,
    },
    /// A complete list and a read by id did not show the object.
    Missing {
        /// The resource.
        address: Address,
        /// The object's id.
        id: String,
    },
    /// The manifest was renamed.
    Moved {
        /// The old address.
        from: Address,
        /// The new address.
        to: Address,
    },
    /// The manifest is gone; id and body are remembered.
    Released {
        /// The resource.
        address: Address,
    },
    /// A released resource is declared again with the same target.
    Restored {
        /// The resource.
        address: Address,
    },
    /// Labels or lifecycle changed; no call follows from them.
    Noted {
        /// The resource.
        address: Address,
        /// `metadata.labels`.
        labels: BTreeMap<String, String>,
        /// `lifecycle.onRemove`.
        on_remove: OnRemove,
    },
    /// A person took over an existing object. An open creating call of the resource stays watched.
    Imported {
        /// The resource.
        address: Address,
        /// The object.
        object: Object,
        /// The manifest's body, taken as the body as sent.
        sent: Sent,
        /// `metadata.labels`.
        labels: BTreeMap<String, String>,
        /// `lifecycle.onRemove`.
        on_remove: OnRemove,
    },
    /// A link to the package of a collection is about to be asked for. It counts against the quota of links, whoever
    /// asks; what it leads to is no record, for the link is a secret.
    LinkRequested {
        /// The resource.
        address: Address,
        /// The collection's id.
        id: String,
    },
    /// The package of a collection is held.
    Fetched(Box<Custody>),
    /// A person removed the resource from the state.
    Removed {
        /// The resource.
        address: Address,
    },
    /// Stands where a damaged journal had a line that could not be kept, or none at all; the damaged journal
    /// itself is kept beside this one.
    Lost {
        /// SHA-256 of the line; none if the journal had no line there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<Sha256Hex>,
    },
    /// A person accepted that the journal was damaged, and that the state is what this record says.
    Recovered {
        /// What was wrong with it.
        damage: String,
        /// Who accepted it: user and machine.
        by: String,
        /// SHA-256 of the damaged journal as it was kept; none if there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        journal: Option<Sha256Hex>,
        /// SHA-256 of the snapshot that stood beside it; none if there was none. A recovery that was interrupted
        /// leaves it there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot: Option<Sha256Hex>,
        /// Every resource, as far as it could still be told.
        resources: Resources,
    },
    /// A run begins to make calls on a state that others share, or goes on.
    Begun {
        /// The run.
        by: Holder,
        /// When others need no longer reckon with it, by its clock.
        until: jiff::Timestamp,
    },
    /// That run has ended.
    Ended {
        /// The run.
        by: Holder,
    },
    /// The state is kept elsewhere from here on.
    Departed {
        /// Where.
        to: String,
    },
    /// The state is kept here from here on, with everything that was recorded before.
    Arrived,
    /// A torn last line was cut off before this record.
    Cut {
        /// How many bytes were dropped.
        bytes: u64,
    },
}

impl Record {
    /// The resource that it speaks of; for a move, the old address.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Record::Intent(intent) => Some(&intent.address),
            Record::Moved { from, .. } => Some(from),
            Record::Fetched(custody) => Some(&custody.address),
            Record::Outcome { address, .. }
            | Record::Answered { address, .. }
            | Record::Found { address, .. }
            | Record::Late { address, .. }
            | Record::Observed { address, .. }
            | Record::Triaged { address, .. }
            | Record::Missing { address, .. }
            | Record::Released { address }
            | Record::Restored { address }
            | Record::Noted { address, .. }
            | Record::Imported { address, .. }
            | Record::LinkRequested { address, .. }
            | Record::Removed { address } => Some(address),
            Record::Open { .. }
            | Record::Bound { .. }
            | Record::Begun { .. }
            | Record::Ended { .. }
            | Record::Departed { .. }
            | Record::Arrived
            | Record::Cut { .. }
            | Record::Lost { .. }
            | Record::Recovered { .. } => None,
        }
    }
}

/// Whose state this is: one cloud or endpoint, one tenant, one project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Binding {
    /// `public`, `gcc`, `gcc-high`, `dod` or `sandbox`; none with an endpoint of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"public")]
    pub cloud: Option<String>,
    /// The endpoint where one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://127.0.0.1:8400")]
    pub endpoint: Option<String>,
    /// The tenant of the token; none if it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"72f988bf-86f1-41af-91ab-2d7cd011db47")]
    pub tenant: Option<String>,
    /// `metadata.name` of the project; none in a state that no run has written to since it is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"contoso-ir")]
    pub project: Option<String>,
}

/// A mutating call, as it is about to leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Intent {
    /// The resource.
    pub address: Address,
    /// Why the call is made.
    pub action: CallAction,
    /// The body as sent, with digest and revision. For `update`, `cancel` and `resolve` the digest and
    /// revision are those of the resource.
    pub sent: Sent,
    /// The plan that asked for it.
    pub plan: PlanDigest,
    /// Which run: unique per process.
    pub runner: String,
    /// The last moment, by our clock, at which the call may leave.
    pub send_by: jiff::Timestamp,
    /// The intent's moment by the service's clock.
    pub server_at: Timestamp,
    /// `metadata.labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `lifecycle.onRemove`.
    #[serde(default)]
    pub on_remove: OnRemove,
    /// The ids that stand in the text, by the resource that has them. The digest is that of the request with
    /// references in their place: `${{ resources['Kind/name'].id }}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<Address, String>,
    /// The objects in spite of which the manifest asked for the call, by `replace`: that counts once for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
}

impl Intent {
    /// Returns what the call changes of an alert's triage; none if it does something else.
    pub fn triage_change(&self) -> Option<TriageChange> {
        match self.action {
            CallAction::Update | CallAction::Resolve => {
                Some(TriageChange::of(&Triage::sent(self.sent.request.body.as_str())?))
            }
            CallAction::Create | CallAction::Retry | CallAction::Replace | CallAction::Cancel => None,
        }
    }
}

/// Why a mutating call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CallAction {
    /// A new resource.
    Create,
    /// After a failure of our own.
    Retry,
    /// A new revision or target, or asked for by name.
    Replace,
    /// A change of an alert's triage.
    Update,
    /// The manifest is gone: cancel the collection.
    Cancel,
    /// The manifest is gone: resolve the alert.
    Resolve,
}

impl CallAction {
    /// Whether the call makes an object.
    pub fn creates(self) -> bool {
        matches!(self, CallAction::Create | CallAction::Retry | CallAction::Replace)
    }
}

/// A request as sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sent {
    /// Method, path and body.
    #[schemars(example = request_example())]
    pub request: Request,
    /// `spec.revision`.
    #[schemars(example = 1)]
    pub revision: u32,
    /// The request digest, computed without the marker.
    #[schemars(example = RequestDigest(crate::model::Sha256Hex::of(b"test")))]
    pub digest: RequestDigest,
    /// The text that `recovery.marker` appended to the comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"[casefile 3f0c2b6c]")]
    pub marker: Sparse<Option<String>>,
    /// The name under which the machine was asked, where the manifest named no id. Under the same name and
    /// revision the machine stays the one of this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fin-ws-042")]
    pub machine_name: Sparse<Option<String>>,
    /// SHA-256 of the query that found the event, and of its time span, where the manifest named none. It tells an
    /// edited query; the event stays the one of this request. Without it, which query it was is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = crate::model::Sha256Hex::of(b"test"))]
    pub query_digest: Sparse<Option<Sha256Hex>>,
}

impl Sent {
    /// Returns a request whose manifest names a machine by its id and an event by its time, without a marker.
    pub fn new(request: Request, revision: u32, digest: RequestDigest) -> Self {
        Sent {
            request,
            revision,
            digest,
            marker: Sparse::default(),
            machine_name: Sparse::default(),
            query_digest: Sparse::default(),
        }
    }

    /// Returns the call as it was sent; none for one that creates nothing, or that a person edited beyond reading.
    pub fn call(&self) -> Option<Call> {
        Call::from_request(&self.request)
    }

    /// Returns the call as its manifest declares it: without the text that `recovery.marker` appended.
    pub fn declared(&self) -> Option<Call> {
        let mut call = self.call()?;
        if let (Call::Collect { comment, .. }, Some(marker)) = (&mut call, &*self.marker)
            && let Some(text) = comment.strip_suffix(marker.as_str())
        {
            *comment = text.to_owned();
        }
        Some(call)
    }
}

fn request_example() -> serde_json::Value {
    serde_json::json!({
        "method": "POST",
        "path": "/api/machines/fb9ab6be3965095a09c057be7c90f0a2/collectInvestigationPackage",
        "body": { "Comment": "Collect forensics due to alert 1234" }
    })
}

/// What became of an intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Outcome {
    /// Our call created the object.
    Made {
        /// The object.
        object: Object,
    },
    /// The service answered with an object that was there before, or that another resource made.
    Adopted {
        /// The object.
        object: Object,
    },
    /// An update, cancel or resolve was carried out.
    Done {
        /// The object after it.
        object: Object,
    },
    /// The machine is busy with another action.
    Busy {
        /// The service's words.
        error: Refusal,
    },
    /// A definite refusal.
    Rejected {
        /// The service's words.
        error: Refusal,
    },
    /// 429: not executed.
    Throttled {
        /// The service's words: they name the quota.
        error: Refusal,
        /// How long to wait.
        retry_after_seconds: u64,
    },
    /// The call never left, or never reached the service.
    Unsent {
        /// Why.
        why: String,
    },
    /// The call may or may not have taken effect.
    Unknown {
        /// What was seen instead of an answer.
        why: String,
        /// The id of an object that a 2xx named, if it is not what was asked for. A call that was answered so is
        /// never sent again by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<String>,
    },
    /// An update, cancel or resolve without an answer was settled by reading the object.
    Settled,
}

/// The service's words about a call that it did not carry out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refusal {
    /// The HTTP status.
    #[schemars(example = 403)]
    pub status: u16,
    /// `error.code`, possibly empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(example = &"Forbidden")]
    pub code: String,
    /// `error.message`: free text, bounded in length.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(example = &"Missing role Machine.CollectForensics")]
    pub message: String,
    /// `error.target`: the correlation id to quote to support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"4f2c3b1a-9a51-4a0d-9f4a-6f1f5d3b2c1e")]
    pub target: Option<String>,
}

impl Refusal {
    /// The codes that no repetition cures.
    pub fn is_permanent(&self) -> bool {
        const PERMANENT: [&str; 5] = [
            "OsPlatformNotSupported",
            "ClientVersionNotSupported",
            "MissingRequiredParameter",
            "InvalidRequestBody",
            "InvalidInput",
        ];
        PERMANENT.iter().any(|c| c.eq_ignore_ascii_case(&self.code))
    }

    /// Whether it uses up one of `spec.maxAttempts`: missing rights do not.
    pub fn counts(&self) -> bool {
        !self.is_permanent() && !matches!(self.status, 401 | 403)
    }
}

/// Whether our call created an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// Our call created it.
    Made,
    /// It was there, or another resource made it.
    Adopted,
}

/// What the journal keeps of a service object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Object {
    /// The action's GUID or the alert's id.
    pub id: String,
    /// The service's word, as documented where it is known.
    pub status: String,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestor: Option<String>,
    /// When it was made, by the service's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Who cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// The device's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer_dns_name: Option<String>,
}

impl From<&MachineAction> for Object {
    fn from(a: &MachineAction) -> Self {
        Object {
            id: a.id.clone(),
            status: a.status.as_str().to_owned(),
            requestor: a.requestor.clone(),
            created_at: a.creation_date_time_utc.clone(),
            updated_at: a.last_update_date_time_utc.clone(),
            cancelled_by: a.cancellation_requestor.clone(),
            computer_dns_name: a.computer_dns_name.clone(),
        }
    }
}

impl From<&Alert> for Object {
    fn from(a: &Alert) -> Self {
        Object {
            id: a.id.clone(),
            status: a.status.clone().unwrap_or_default(),
            requestor: None,
            created_at: a.alert_creation_time.clone(),
            updated_at: a.last_update_time.clone(),
            cancelled_by: None,
            computer_dns_name: a.computer_dns_name.clone(),
        }
    }
}

impl Object {
    /// As a machine action's status.
    pub fn action_status(&self) -> ActionStatus {
        ActionStatus::from(self.status.as_str())
    }
}
