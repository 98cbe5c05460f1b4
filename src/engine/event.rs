//! What an apply tells while it runs: renderers make lines, bars and a summary of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Address, Dependency, PlanDigest, Sha256Hex};
use crate::plan::Action;
use crate::state::{Object, Refusal, Seq};

/// One line of `apply --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// The plan that is about to be carried out.
    Planned {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// Of exactly the calls.
        digest: PlanDigest,
        /// Rows per action.
        summary: BTreeMap<Action, usize>,
    },
    /// The intent is in the journal; the call leaves now.
    Intent {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// Why the call is made.
        action: Action,
        /// The intent's record number.
        attempt: Seq,
    },
    /// The service carried the call out.
    Accepted {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// Why the call was made.
        action: Action,
        /// The object.
        object: Object,
    },
    /// The machine is busy: pending.
    Busy {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// The service's words.
        error: Refusal,
    },
    /// An object that is there was recorded.
    Adopted {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// The object.
        object: Object,
        /// Whether our own lost call had made it.
        ours: bool,
    },
    /// The service refused for good.
    Rejected {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// The kind of call that was refused.
        action: Action,
        /// The service's words.
        error: Refusal,
    },
    /// 429: the call was not carried out and waits.
    Throttled {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// Until when, by our clock.
        until: jiff::Timestamp,
        /// The service's words: they name the quota.
        error: Refusal,
    },
    /// The call never reached the service.
    Unsent {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// Why.
        why: String,
    },
    /// The call may or may not have taken effect; it is looked up, never blindly repeated.
    Unknown {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// What was seen instead of an answer.
        why: String,
        /// When absence can be concluded, by our clock.
        until: jiff::Timestamp,
    },
    /// No more calls of this kind are made in this run.
    Stopped {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The kind of call, by the name of its quota in the project file.
        #[schemars(example = &"collect")]
        quota: String,
        /// The permission of an application that it needs.
        #[schemars(example = &"Machine.CollectForensics")]
        permission: String,
        /// The service's words, if it denied the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Refusal>,
        /// Until when the service takes no such call, by our clock, if it said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<jiff::Timestamp>,
    },
    /// An object's status was recorded.
    Observed {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// The object.
        object: Object,
    },
    /// A given-up call took effect after all.
    Late {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// The object.
        object: Object,
    },
    /// A package is being fetched.
    Fetching {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// The collection.
        id: String,
        /// The package's name where evidence is kept.
        #[schemars(example = &FILE)]
        file: String,
        /// How many bytes an earlier run left, with which it goes on.
        #[serde(default, skip_serializing_if = "is_none")]
        #[schemars(example = 8_388_608)]
        resumed: u64,
    },
    /// A package is held: its custody record is in the journal.
    Fetched {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// The collection.
        id: String,
        /// Where the package is held.
        #[schemars(example = &"file:evidence")]
        store: String,
        /// Its name there.
        #[schemars(example = &FILE)]
        file: String,
        /// Its length in bytes.
        #[schemars(example = 1_048_576)]
        size: u64,
        /// SHA-256 of its bytes.
        sha256: Sha256Hex,
    },
    /// A package could not be fetched.
    #[serde(rename = "fetch_failed")]
    FetchFailed {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// The collection.
        id: String,
        /// Why, without the link.
        why: String,
        /// The service does not have it yet, and a later run may get it.
        #[schemars(example = false)]
        later: bool,
    },
    /// A command of the user ran for a package that is newly held.
    Executed {
        /// When it ended, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// The collection.
        id: String,
        /// The package's name where evidence is kept.
        #[schemars(example = &FILE)]
        file: String,
        /// Its exit code; none if it was not started, or ended by a signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(example = 0)]
        exit_code: Option<i32>,
        /// The reason, if it went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The call was not made in this run: what it depends on is not there yet.
    Held {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// The resource.
        address: Address,
        /// What is not there yet.
        #[schemars(example = waits_for_example())]
        waits_for: Vec<Dependency>,
    },
    /// Always the last line.
    Summary {
        /// When, by our clock.
        at: jiff::Timestamp,
        /// Counts per outcome; outcomes without an entry are zero.
        counts: BTreeMap<String, usize>,
        /// Rows that need a person: unresolved, exhausted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attention: Vec<Address>,
        /// Approved calls that this run did not make; the next one sends them.
        #[serde(default, skip_serializing_if = "is_zero")]
        left: usize,
        /// The exit code of the run.
        exit_code: u8,
    },
}

/// What happens inside a run and is shown, but is no line of `apply --format json`.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// An event.
    Event(Event),
    /// So many calls are to be sent.
    Started {
        /// Calls of the plan.
        calls: usize,
    },
    /// Calls of an endpoint wait for their quota.
    WaitingForQuota {
        /// The quota's name in the project file.
        quota: &'static str,
        /// Until when, by our clock.
        until: jiff::Timestamp,
    },
    /// Unknown outcomes are being waited out.
    Settling {
        /// How many.
        calls: usize,
        /// Until when, by our clock.
        until: jiff::Timestamp,
    },
    /// Packages are being fetched.
    Fetching {
        /// How many have come, or cannot come.
        done: usize,
        /// How many there are.
        all: usize,
        /// Bytes that are there.
        bytes: u64,
        /// How many there will be, as far as it is known: of packages whose download has begun.
        total: u64,
        /// Bytes a second, since the first one.
        speed: u64,
        /// When the quota gives the last link that is still needed, by our clock.
        links: Option<jiff::Timestamp>,
    },
    /// `--wait`: how many collections still run.
    Following {
        /// How many.
        running: usize,
        /// When the list is read next, by our clock.
        next: jiff::Timestamp,
        /// When following ends at the latest, by our clock.
        until: jiff::Timestamp,
    },
}

fn waits_for_example() -> serde_json::Value {
    serde_json::json!([{ "address": "InvestigationPackage/fin-ws-042", "until": "Succeeded" }])
}

const FILE: &str = "InvestigationPackage/fin-ws-042/fin-ws-042.contoso.com-20260301T080000Z-5382f7ea-7557-4ab7-9782-d50480024a4e.zip";

fn is_none(n: &u64) -> bool {
    *n == 0
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}
