//! What the journal says: one record per thing that was meant, answered, seen or decided.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::custody::Custody;
use super::exchange::{AttemptId, CallAction, Object, Origin, Refusal, Sent};
use super::holder::Holder;
use super::operator::Operator;
use super::resources::Resources;
use super::triage::{TriageChange, TriageValues};
use crate::model::{Address, OnRemove, PlanDigest, Sha256Hex, Timestamp, Triage};

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

impl Record {
    /// The resources that it says something about: of a move, both names.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        let to = match self {
            Record::Moved { to, .. } => Some(to),
            _ => None,
        };
        self.address().into_iter().chain(to)
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
    /// How long the run listens for the answer; none in older records: a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
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
    /// The attempt of the resource that has no outcome yet, over which the call is made all the same;
    /// [`NOTHING_OPEN`](Intent::NOTHING_OPEN) if there is none. A record that names another one than is open was written
    /// without knowing of it. None in older records, and for calls that create nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<AttemptId>,
    /// The sender; none in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Operator>,
    /// The git commit that is checked out where the manifests are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Intent {
    /// Stands in `over` where no attempt of the resource is open: no record has that number.
    pub const NOTHING_OPEN: AttemptId = 0;

    /// Returns the last moment at which the call may leave, by the service's clock; `None` beyond all times.
    pub fn send_by_service(&self, at: jiff::Timestamp) -> Option<jiff::Timestamp> {
        self.server_at.instant().checked_add(self.send_by.duration_since(at)).ok()
    }

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
