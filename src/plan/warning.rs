//! What a reader of a plan should know besides its rows, as data.

use super::machines::NameGap;
use super::reason::TriageLeft;
use super::targets::{Candidate, Drift, Left, TargetError};
use super::unread::Unread;
use crate::model::{Address, Timestamp};

/// Something that a reader of one row should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// A collection is active on the machine.
    ActiveCollection {
        /// Its id.
        id: String,
        /// The account that asked for it.
        requestor: Option<String>,
        /// Since when.
        created_at: Option<Timestamp>,
    },
    /// An open alert with this title on this machine will absorb the new one.
    MergesIntoOpenAlert {
        /// Its id.
        id: String,
    },
    /// Another row of this plan raises an alert with the same title on the same machine.
    SameTitle {
        /// The other row.
        other: Address,
    },
    /// Another row of this plan collects from the same machine.
    SecondCollection {
        /// The other row.
        other: Address,
    },
    /// Its incident has other resources already: this one is new in its runbook, or by what the incident gives.
    AddedToRunningIncident {
        /// `metadata.name` of the incident.
        incident: String,
    },
    /// The service starts an automated investigation on the machine by itself.
    AutomatedInvestigation,
    /// Adopting somebody else's collection.
    AdoptsForeign {
        /// The account that asked for it.
        requestor: Option<String>,
        /// Since when.
        created_at: Option<Timestamp>,
    },
    /// Asks again although the service has it already, for a person named the resource.
    AlreadyThere {
        /// The ids of what there is.
        ids: Vec<String>,
    },
    /// The manifest's `import` is not done, because something of the resource comes first.
    ImportWaits {
        /// The id of the object that it names.
        id: String,
    },
    /// The service shows another text of the object that the manifest takes over.
    ImportOtherText,
    /// The manifest's `replace` counts once what runs is over.
    ReplaceWaits {
        /// The id of the object that it names.
        id: String,
    },
    /// The manifest's `replace` names an object that is neither the resource's nor in its way.
    ReplaceUnknown {
        /// Its id.
        id: String,
    },
    /// A given-up attempt is still watched for.
    Watched {
        /// How many.
        attempts: usize,
    },
    /// A lost call took effect late: the service has two objects.
    LateArrival {
        /// The second object's id.
        id: String,
    },
    /// The project protects the machine: `apply` refuses the call unless it is approved.
    Protected {
        /// The entry of `protected`.
        entry: String,
        /// The machine's name, if it is known.
        name: Option<String>,
        /// The reason of the manifest's approval.
        approved: Option<String>,
    },
    /// The project protects machines by name, and this one's is not known: it counts as protected.
    NameUnknown {
        /// Why it is not known.
        why: NameGap,
        /// The reason of the manifest's approval.
        approved: Option<String>,
    },
    /// The call's text does not match the project's `requireComment`: `apply` refuses it.
    CommentRule {
        /// The expression.
        pattern: String,
    },
    /// The machine's system is older than those that collections are documented for.
    TooOld {
        /// Platform and version.
        system: String,
    },
    /// No list of machines shows the id, and the service does not know it by itself: most likely a typing error.
    UnknownMachine {
        /// The machine's id, as declared.
        machine: String,
    },
    /// Other records have the name of the row's machine too, and did not count.
    OtherRecords {
        /// The name, as written.
        name: String,
        /// The other records.
        others: Vec<Candidate>,
    },
    /// The query that is declared is not the one that found the event. The event stays as sent.
    QueryChanged,
    /// Other fields of the alert's triage are not as declared either, and stay as people left them.
    TriageLeft {
        /// These fields.
        fields: Vec<TriageLeft>,
    },
    /// As a saved plan words it.
    Saved {
        /// The words.
        words: String,
    },
}

impl Warning {
    /// Returns whether `apply` refuses the call without `--allow-protected`.
    pub fn is_protected(&self) -> bool {
        matches!(
            self,
            Warning::Protected { approved: None, .. } | Warning::NameUnknown { approved: None, .. }
        )
    }
}

/// Something that a reader of the whole plan should know.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanWarning {
    /// More creating calls of a kind than `limits` allows: `apply` refuses, unless so many are approved.
    OverLimit {
        /// `newCollections` or `newAlerts`.
        limit: &'static str,
        /// How many the plan has.
        planned: usize,
        /// How many are allowed.
        allowed: u32,
        /// The largest approval of a manifest whose call the plan makes.
        approved: Option<LimitApproval>,
    },
    /// Most resources are declared no more, and calls would end what they asked for: `apply` refuses, unless somebody
    /// approves of so many.
    Removals {
        /// How many are cancelled or resolved.
        calls: usize,
        /// How many the state holds.
        resources: usize,
    },
    /// Rows need something that could not be read: `apply` refuses the plan.
    NotLooked {
        /// The things that could not be read, and the reason.
        unread: Unread,
    },
    /// The state is empty, yet the service has objects that look like declared ones: most likely the
    /// state was lost.
    LookAlikes {
        /// Resource and object id, by address.
        found: Vec<(Address, String)>,
    },
    /// Manifests are read outside of the project folder.
    Beside {
        /// The entries of `spec.manifests`.
        folders: Vec<String>,
    },
    /// Nobody looked whether the service has what new resources, targets and revisions ask for: `--no-refresh`.
    NotCompared {
        /// How many rows.
        new: usize,
    },
    /// A sealed incident's runbook has gained resources since: they are no part of it.
    HeldBack {
        /// `metadata.name` of the incident.
        incident: String,
        /// Its manifest.
        file: String,
        /// The resources that are held back.
        addresses: Vec<Address>,
    },
    /// Machines that a manifest does not ask for any more; their resources are kept as they are.
    Left {
        /// The manifest.
        address: Address,
        /// In which way the first of them left.
        left: Left,
        /// Their resources, as people see the addresses.
        rows: Vec<String>,
    },
    /// No machine carries the tag.
    EmptyGroup {
        /// The manifest.
        address: Address,
        /// The tag.
        tag: String,
    },
    /// Records that carry a tag are passed over: merged into others, or not onboarded.
    Skipped {
        /// The manifest.
        address: Address,
        /// The records.
        records: Vec<Candidate>,
    },
    /// Names, tags, files and queries that cannot be resolved are left out: `--skip-unresolved`.
    Unresolved {
        /// The errors by place.
        places: Vec<TargetError>,
    },
    /// The sealed machines of a manifest are not those that it means today, or that is not known.
    SealDrift {
        /// The manifest.
        address: Address,
        /// The difference.
        drift: Drift,
    },
    /// The plan is narrowed: it shows only what was selected.
    Narrowed {
        /// Rows shown.
        shown: usize,
        /// Declared resources.
        declared: usize,
    },
}

impl PlanWarning {
    /// Returns whether `apply` refuses the plan without `--allow-over-limits`.
    pub fn is_over_limit(&self) -> bool {
        match self {
            PlanWarning::OverLimit { planned, approved, .. } => {
                approved.as_ref().is_none_or(|a| *planned > a.up_to as usize)
            }
            _ => false,
        }
    }
}

/// An approval to exceed a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitApproval {
    /// The resource whose manifest approves it.
    pub by: Address,
    /// So many calls.
    pub up_to: u32,
    /// Why.
    pub reason: String,
}
