//! The plan as an immutable value: execution only carries it out.

use std::collections::BTreeMap;

use super::decide::Row;
use super::destination::Destination;
use super::foresight::{MachineFacts, Outlook};
use super::guard::{LimitApproval, NameGap};
use super::observed::Unread;
use super::order::Obstacle;
use super::targets::{Candidate, Drift, Group, Left};
use crate::model::{
    Address, Approval, Call, Dependency, DigestedCall, MachineId, Mutation, OnInProgress, OnRemove,
    PlanDigest, Policy, Rare, Request, Source, Span, Timestamp, TriageField, reference,
};
use crate::state::{CallAction, Origin, Phase, Record, Refusal, Sent, Seq};

/// What a plan row does. The words are those of `docs/cli.md`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Asks for something new.
    Create,
    /// Asks again after a failure of ours.
    Retry,
    /// Asks again for a new revision or target, or because a person named it.
    Replace,
    /// Changes an alert's triage.
    Update,
    /// Cancels a collection whose manifest is gone.
    Cancel,
    /// Resolves an alert whose manifest is gone.
    Resolve,
    /// Records an object that is there.
    Adopt,
    /// Follows a renamed manifest.
    Move,
    /// Keeps id and body of a resource whose manifest is gone.
    Forget,
    /// Nothing yet: something is running or not known.
    Wait,
    /// Nothing: the text was edited after it was sent.
    Differs,
    /// Nothing: no attempts left.
    Exhausted,
    /// Nothing: a person has to decide.
    Unresolved,
    /// Nothing to do.
    None,
}

impl Action {
    /// In the order of a summary.
    pub const ALL: [Action; 14] = [
        Action::Create,
        Action::Retry,
        Action::Replace,
        Action::Update,
        Action::Cancel,
        Action::Resolve,
        Action::Adopt,
        Action::Move,
        Action::Forget,
        Action::Wait,
        Action::Differs,
        Action::Exhausted,
        Action::Unresolved,
        Action::None,
    ];

    /// The word in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Retry => "retry",
            Action::Replace => "replace",
            Action::Update => "update",
            Action::Cancel => "cancel",
            Action::Resolve => "resolve",
            Action::Adopt => "adopt",
            Action::Move => "move",
            Action::Forget => "forget",
            Action::Wait => "wait",
            Action::Differs => "differs",
            Action::Exhausted => "exhausted",
            Action::Unresolved => "unresolved",
            Action::None => "none",
        }
    }

    /// Why its call is made; `None` for rows without a call.
    pub fn call(self) -> Option<CallAction> {
        match self {
            Action::Create => Some(CallAction::Create),
            Action::Retry => Some(CallAction::Retry),
            Action::Replace => Some(CallAction::Replace),
            Action::Update => Some(CallAction::Update),
            Action::Cancel => Some(CallAction::Cancel),
            Action::Resolve => Some(CallAction::Resolve),
            _ => None,
        }
    }

    /// Whether `plan --detailed-exitcode` counts it as a change.
    pub fn is_change(self) -> bool {
        self.call().is_some() || matches!(self, Action::Adopt | Action::Move | Action::Forget)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One row of a plan. Most rows of most plans have nothing to do, so what these lack is kept apart.
#[derive(Clone, Debug)]
pub struct Change {
    /// The resource.
    pub address: Address,
    /// The address as people see it, where that is another: `Kind/group[name]` for `Kind/group[machine id]`.
    pub shown: Rare<Option<String>>,
    /// What happens.
    pub action: Action,
    /// The row of the decision table that fitted first; none for a call that a command asked for by itself.
    pub row: Option<Row>,
    /// Why, as typed data; renderers make words of it.
    pub reason: Reason,
    /// Where it is declared; none for resources whose manifest is gone.
    pub source: Option<Source>,
    /// The template that it comes from, if it is expanded from a runbook.
    pub template: Rare<Option<Source>>,
    /// The machine that the resource is about; none if a person edited the state beyond reading.
    pub machine: Option<MachineId>,
    /// What the service says of that machine, in rows with a call that creates; none if it was not looked up.
    pub facts: Option<Box<MachineFacts>>,
    /// The call, if the row has one.
    pub call: Option<Box<PlannedCall>>,
    /// What the state says, for a reader: flat, by field name.
    pub before: Rare<Option<View>>,
    /// What it will be, for a reader.
    pub after: Rare<Option<View>>,
    /// What the call depends on; none in rows without a call that creates.
    pub depends_on: Rare<Vec<Dependency>>,
    /// What of it is not there yet: the call is sent after these.
    pub waits_for: Rare<Vec<Dependency>>,
    /// What a reader should know.
    pub warnings: Rare<Vec<Warning>>,
    /// Objects at the service that are what the row asks for and that no record knows: in a row that waits for a
    /// person because of them, and in a `replace`, which counts for these alone.
    pub look_alikes: Rare<Vec<String>>,
    /// What the manifest approves; none in rows without a call that creates.
    pub approve: Rare<Option<Approval>>,
    /// Journal records that carry the row out as far as it needs no call; appended before the call.
    pub records: Rare<Vec<Record>>,
    /// Journal records to append once the call was accepted.
    pub then: Rare<Vec<Record>>,
    /// The resource's revision in the state that the row was made from; 0 for none.
    pub basis: Seq,
}

impl Change {
    /// A row that nothing more is known of.
    pub fn new(address: Address, action: Action, row: Option<Row>, reason: Reason) -> Self {
        Change {
            address,
            shown: Rare::default(),
            action,
            row,
            reason,
            source: None,
            template: Rare::default(),
            machine: None,
            facts: None,
            call: None,
            before: Rare::default(),
            after: Rare::default(),
            depends_on: Rare::default(),
            waits_for: Rare::default(),
            warnings: Rare::default(),
            look_alikes: Rare::default(),
            approve: Rare::default(),
            records: Rare::default(),
            then: Rare::default(),
            basis: 0,
        }
    }

    /// The address as people see it.
    pub fn shown(&self) -> String {
        self.shown.as_ref().map_or_else(|| self.address.to_string(), String::clone)
    }
}

/// A call with all that its intent needs.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCall {
    /// The request and, for creating calls, its revision and digest.
    pub sent: Sent,
    /// The call that the request is.
    pub mutation: Mutation,
    /// The machine it goes to; calls to one machine go one after another.
    pub machine: MachineId,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `lifecycle.onRemove`.
    pub on_remove: OnRemove,
    /// What a busy machine's or another's object means for this resource.
    pub on_in_progress: OnInProgress,
    /// How old another's collection may be to be taken.
    pub adopt_within: Span,
    /// Whose ids stand in its text. The request names them as references.
    pub ids: Vec<PlannedId>,
    /// How many objects the resource has had; 0 for a call that creates none.
    pub objects: u32,
    /// The update that sets the triage of the alert that the call creates, sent once it is created. Its path holds a
    /// reference in place of the alert's id.
    pub follow_up: Option<Box<Request>>,
    /// An update that sets what is declared, whatever somebody else has done.
    pub enforce: bool,
}

impl PlannedCall {
    /// Returns a call that is sent as a request says; what follows from manifest and state has its defaults.
    pub fn new(mutation: Mutation, sent: Sent, machine: MachineId) -> Self {
        PlannedCall {
            sent,
            mutation,
            machine,
            labels: BTreeMap::new(),
            on_remove: OnRemove::default(),
            on_in_progress: OnInProgress::default(),
            adopt_within: Policy::default().adopt_within,
            ids: Vec::new(),
            objects: 0,
            follow_up: None,
            enforce: false,
        }
    }

    /// Method, path and body. Where the text holds ids of other resources, these are references: what is sent
    /// holds the ids.
    pub fn request(&self) -> &Request {
        &self.sent.request
    }

    /// Every request that it sends, in order.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        std::iter::once(self.request()).chain(self.follow_up.as_deref())
    }

    /// Returns what a creating call makes, as its request says it.
    pub fn created(&self) -> Option<&Call> {
        match &self.mutation {
            Mutation::Create(call) => Some(call),
            Mutation::Cancel { .. } | Mutation::Update { .. } => None,
        }
    }

    /// What a creating call does, for a reader: ids that are known, and words for others.
    pub fn shown(&self, by: &Address) -> Option<Call> {
        let call = self.created()?;
        let id = |name: &str| self.ids.iter().find(|p| p.of.to_string() == name);
        Some(call.with_references(|name| id(name).map(|p| p.shown(by))))
    }
}

/// Returns the calls among rows as a digest names them.
pub(super) fn digested<'a>(
    rows: impl IntoIterator<Item = &'a Change>,
) -> impl Iterator<Item = DigestedCall<'a>> {
    let calls = rows.into_iter().filter_map(|c| Some((c, c.call.as_deref()?)));
    calls.flat_map(|(c, planned)| {
        planned.requests().map(|request| DigestedCall {
            objects: planned.objects,
            look_alikes: &c.look_alikes,
            ..DigestedCall::new(&c.address, request)
        })
    })
}

/// Returns the digest of the calls among rows that stand in the order of their addresses.
pub fn digest_of<'a>(rows: impl Iterator<Item = &'a Change>) -> PlanDigest {
    PlanDigest::of(digested(rows))
}

/// The id of another resource in the text of a call.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedId {
    /// The resource.
    pub of: Address,
    /// Its id, if that was known when the plan was made; else it is known after the resource's own call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2e9da30d-27f6-4208-81f2-9cd3d67893ba")]
    pub id: Option<String>,
}

impl PlannedId {
    /// What a reader sees in a text of `by` in place of the reference.
    pub fn shown(&self, by: &Address) -> String {
        match &self.id {
            Some(id) => id.clone(),
            None => format!("(known after {})", self.called(by)),
        }
    }

    /// The reference that stands for it in the request, and what it is, for a reader.
    pub fn told(&self, by: &Address) -> String {
        let what = match &self.id {
            Some(id) => id.clone(),
            None => format!("known after {}", self.called(by)),
        };
        format!("{}: {what}", reference(&self.of.to_string()))
    }

    /// The name of the resource; without that of the incident that the two have in common.
    fn called(&self, by: &Address) -> String {
        let same = self.of.name().bytes().zip(by.name().bytes()).take_while(|(a, b)| a == b).count();
        match self.of.name().get(..same).and_then(|common| common.rfind('.')) {
            Some(dot) => self.of.name()[dot + 1..].to_owned(),
            None => self.of.to_string(),
        }
    }
}

/// Fields for a reader, in display order.
pub type View = Vec<(String, String)>;

/// The plan of a project or of a selection of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The state's lineage, or the one that the apply of this plan will give it.
    pub lineage: String,
    /// Of exactly the calls.
    pub digest: PlanDigest,
    /// When it was made, by our clock.
    pub created_at: jiff::Timestamp,
    /// One row per resource, by address. Rows of action `none` are included.
    pub changes: Vec<Change>,
    /// What concerns the plan as a whole.
    pub warnings: Vec<PlanWarning>,
    /// What the quotas will make of it.
    pub estimate: Estimate,
    /// Manifests that stand for several machines, by address.
    pub groups: Vec<Group>,
    /// The calls that create, seen as a whole; none if there are none.
    pub outlook: Option<Outlook>,
    /// Where it leads, if that was told to whoever is going to show it.
    pub destination: Option<Destination>,
}

impl Plan {
    /// How many rows of each action there are; actions without rows are left out.
    pub fn summary(&self) -> BTreeMap<Action, usize> {
        let mut counts = BTreeMap::new();
        for c in &self.changes {
            *counts.entry(c.action).or_default() += 1;
        }
        counts
    }

    /// How many resources it is about.
    pub fn resources(&self) -> usize {
        self.changes.len()
    }

    /// Every request that is sent, by resource; an alert that is created and triaged has two.
    pub fn requests(&self) -> impl Iterator<Item = (&Address, &Request)> {
        self.calls().flat_map(|(c, call)| call.requests().map(move |r| (&c.address, r)))
    }

    /// Returns what the plan needed to see and could not read. What it shows is not to be relied upon then.
    pub fn unread(&self) -> Vec<Unread> {
        let unread = |w: &PlanWarning| match w {
            PlanWarning::NotLooked { unread } => Some(unread.clone()),
            _ => None,
        };
        self.warnings.iter().filter_map(unread).collect()
    }

    /// Rows with a call.
    pub fn calls(&self) -> impl Iterator<Item = (&Change, &PlannedCall)> {
        self.changes.iter().filter_map(|c| Some((c, c.call.as_deref()?)))
    }
}

/// The least time the quotas need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Whole seconds until the last call may leave, the service answering at once.
    pub seconds: u64,
    /// Calls per endpoint, by the quota's name in the project file.
    pub calls: BTreeMap<String, u64>,
}

/// Why a row is what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Not in the state.
    New,
    /// A released resource without an object, or of another target, is declared again.
    DeclaredAgain,
    /// Named by `--replace`.
    AskedByName,
    /// `spec.revision` is another than the one sent.
    NewRevision {
        /// Sent.
        from: u32,
        /// Declared.
        to: u32,
    },
    /// Machine or event is another than the one sent.
    NewTarget,
    /// The lost call's object was found.
    FoundOurs {
        /// Its id.
        id: String,
    },
    /// An open alert shows our event.
    AlertShowsEvent {
        /// Its id.
        id: String,
    },
    /// A given-up attempt's object was found.
    FoundWatched {
        /// Its id.
        id: String,
    },
    /// Objects that look like the lost call's but cannot be proved to be.
    LookAlikes {
        /// Their ids, oldest first, at most five.
        ids: Vec<String>,
    },
    /// The service has what a resource without a record asks for, and no record knows it.
    AlreadyThere {
        /// The id of the latest such object.
        id: String,
        /// The requestor that the service names, if any.
        requestor: Option<String>,
        /// Since when.
        created_at: Option<Timestamp>,
        /// How many more there are.
        others: usize,
    },
    /// The unanswered intent is older than 30 days.
    IntentTooOld,
    /// The outcome is unknown and was not looked up.
    OutcomeNotLooked,
    /// The outcome is unknown; absence cannot be concluded yet.
    Settling {
        /// When it can, by our clock.
        until: jiff::Timestamp,
    },
    /// Absent, but `recovery.onUnknown: ask`.
    AskBeforeResend,
    /// Absent, but the service had answered with an object that is not what was asked for.
    AnsweredOtherwise {
        /// The answer: its status, the object's id, what is wrong with it.
        why: String,
    },
    /// Absent after the settle time.
    LostCall,
    /// A released resource of the same target came back.
    KnownFromBefore {
        /// The phase that it returns to.
        phase: Phase,
    },
    /// The only unclaimed resource with this target and text.
    RenamedFrom {
        /// Its address in the state.
        from: Address,
    },
    /// Renamed while a call is open.
    RenamedWhileOpen {
        /// Its address in the state.
        from: Address,
    },
    /// The service refused and no repetition helps.
    RefusedForGood {
        /// The service's words.
        error: Refusal,
    },
    /// `spec.maxAttempts` is used up.
    NoAttemptsLeft {
        /// Attempts that counted.
        attempts: u32,
        /// `spec.maxAttempts`.
        max: u32,
        /// The last refusal, if the service refused.
        error: Option<Refusal>,
    },
    /// Refused before; declared anew or attempts left.
    RefusedBefore {
        /// The service's words.
        error: Refusal,
        /// The attempt about to be made, from 1.
        attempt: u32,
        /// `spec.maxAttempts`.
        max: u32,
    },
    /// The machine was busy and nobody looked since.
    BusyNotLooked,
    /// Our own earlier collection still runs on the machine.
    BusyWithOwn {
        /// Its id.
        id: String,
    },
    /// Somebody's collection runs on the machine and is taken as this one.
    AdoptRunning {
        /// Its id.
        id: String,
        /// By whom.
        requestor: Option<String>,
        /// Since when.
        created_at: Option<Timestamp>,
    },
    /// It runs, but began too long ago to be taken.
    RunningTooOld {
        /// Its id.
        id: String,
        /// Since when.
        created_at: Option<Timestamp>,
        /// `spec.adoptWithin`.
        within: Span,
    },
    /// `spec.onInProgress: wait`.
    WaitForRunning {
        /// Its id.
        id: String,
        /// By whom.
        requestor: Option<String>,
    },
    /// `spec.onInProgress: fail`.
    FailOnRunning {
        /// Its id.
        id: String,
        /// By whom.
        requestor: Option<String>,
    },
    /// A collection that made the machine busy has succeeded since.
    AdoptFinished {
        /// Its id.
        id: String,
        /// By whom.
        requestor: Option<String>,
    },
    /// The machine was busy and is free now.
    FreeNow,
    /// The machine was busy with another action type, which still runs.
    BusyWithOtherType {
        /// The action type.
        action_type: String,
    },
    /// The object is gone: two reads, a settle time apart, did not find it.
    Gone {
        /// Its id.
        id: String,
    },
    /// Still running; the text was edited since.
    RunningTextDiffers {
        /// Edited fields.
        fields: Vec<&'static str>,
    },
    /// Still running.
    Running {
        /// The service's word.
        status: String,
        /// Whether this run looked.
        looked: bool,
    },
    /// Another target is declared while the old one's collection still runs.
    OldStillRuns {
        /// Its id.
        id: String,
    },
    /// Failed; `spec.retryAfter` is not over, or nobody looked.
    RetryLater {
        /// When it may be repeated, by our clock; none if not looked.
        at: Option<jiff::Timestamp>,
    },
    /// Failed; attempts left.
    RetryNow {
        /// The service's word: `Failed` or `TimeOut`.
        status: String,
        /// The attempt about to be made, from 1.
        attempt: u32,
        /// `spec.maxAttempts`.
        max: u32,
    },
    /// Cancelled by a person.
    Cancelled {
        /// By whom.
        by: Option<String>,
    },
    /// Declared triage differs from the alert's.
    TriageDiffers {
        /// The API's field names.
        fields: Vec<&'static str>,
    },
    /// An alert's triage is not as declared, and stays as people left it.
    TriageLeft {
        /// The fields that are not as declared.
        fields: Vec<TriageLeft>,
    },
    /// Done; the text was edited since.
    TextDiffers {
        /// Edited fields.
        fields: Vec<&'static str>,
    },
    /// Done.
    Done,
    /// Its triage is to be set, and no list shows the alert yet.
    AlertNotShown {
        /// Its id.
        id: String,
    },
    /// A change of its object was refused for good, or too often.
    ChangeRefused {
        /// The change.
        action: CallAction,
        /// The last refusal.
        error: Refusal,
    },
    /// Done and gone from the service's lists: retention, not drift.
    DoneAndGone,
    /// A person asked for it: `casefile cancel`.
    CancelAsked {
        /// What the person wrote.
        comment: String,
    },
    /// The manifest is there, and does not ask for this machine any more.
    LeftGroup {
        /// In which way.
        left: Left,
    },
    /// The manifest is gone.
    ManifestGone,
    /// The manifest is gone and says `onRemove: Cancel`.
    CancelOnRemove,
    /// The manifest is gone and says `onRemove: Resolve`.
    ResolveOnRemove,
    /// The same, and whether somebody has judged the alert is not known yet.
    ResolveNotLooked,
    /// The same, and somebody has judged the alert or works on it: it stays as it is.
    JudgedByPeople,
    /// An earlier cancel or update has no answer yet and nobody looked.
    SideCallOpen {
        /// What was asked.
        action: CallAction,
    },
    /// A resource that it depends on is not there, and will not be in this run.
    HeldBy {
        /// Which one.
        by: Address,
        /// Why it is not there.
        why: Obstacle,
    },
    /// As a saved plan words it.
    Saved {
        /// The words.
        words: String,
    },
}

/// A field of an alert's triage that is not as declared, and stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriageLeft {
    /// The field.
    pub field: TriageField,
    /// The value that the alert shows; empty for nothing.
    pub now: String,
    /// We set another value before.
    pub set: bool,
}

/// What a reader of one row should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// A collection is active on the machine.
    ActiveCollection {
        /// Its id.
        id: String,
        /// By whom.
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
        /// By whom.
        requestor: Option<String>,
        /// Since when.
        created_at: Option<Timestamp>,
    },
    /// Asks again although the service has it already, for a person named the resource.
    AlreadyThere {
        /// The ids of what there is.
        ids: Vec<String>,
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
    /// Other records have the name of the row's machine too, and did not count.
    OtherRecords {
        /// The name, as written.
        name: String,
        /// They.
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
    /// Whether `apply` refuses the call without `--allow-protected`.
    pub fn is_protected(&self) -> bool {
        matches!(
            self,
            Warning::Protected { approved: None, .. } | Warning::NameUnknown { approved: None, .. }
        )
    }
}

/// What a reader of the whole plan should know.
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
        /// What is held back.
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
        /// They.
        records: Vec<Candidate>,
    },
    /// The sealed machines of a manifest are not those that it means today, or that is not known.
    SealDrift {
        /// The manifest.
        address: Address,
        /// What differs.
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

impl Plan {
    /// Returns how many calls end what resources asked for, and how many resources there are, if these are most of them.
    pub fn removals(&self) -> Option<(usize, usize)> {
        self.warnings.iter().find_map(|w| match w {
            PlanWarning::Removals { calls, resources } => Some((*calls, *resources)),
            _ => None,
        })
    }
}

impl PlanWarning {
    /// Whether `apply` refuses the plan without `--allow-over-limits`.
    pub fn is_over_limit(&self) -> bool {
        match self {
            PlanWarning::OverLimit { planned, approved, .. } => {
                approved.as_ref().is_none_or(|a| *planned > a.up_to as usize)
            }
            _ => false,
        }
    }
}

/// How an object was taken, for renderers of `adopt` rows.
pub fn origin_of(records: &[Record]) -> Option<Origin> {
    records.iter().find_map(|r| match r {
        Record::Found { origin, .. } => Some(*origin),
        _ => None,
    })
}
