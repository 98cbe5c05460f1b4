//! Why the rows of a plan are what they are, as data; renderers make words of it.

use super::surgery::{ImportRefusal, MoveRefusal};
use super::targets::Left;
use crate::model::{Address, Span, Timestamp, TriageField};
use crate::state::{CallAction, Phase, Refusal};

/// Why a row is what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Not in the state.
    New,
    /// A released resource without an object, or of another target, is declared again.
    DeclaredAgain,
    /// Named by `--replace`.
    AskedByName,
    /// The manifest's `replace` names an object that is not enough.
    ReplaceDeclared {
        /// Its id.
        id: String,
    },
    /// The manifest's `import` names an object that it takes over.
    ImportDeclared {
        /// Its id.
        id: String,
        /// The service's word for where it stands.
        status: String,
        /// The requestor that the service names, if any.
        requestor: Option<String>,
        /// Since when.
        created_at: Option<Timestamp>,
    },
    /// The same, and nobody looked at the object.
    ImportNotLooked {
        /// Its id.
        id: String,
    },
    /// The same, and the object cannot be taken over.
    ImportRefused {
        /// Its id.
        id: String,
        /// Why not.
        why: ImportRefusal,
    },
    /// The manifest's `moved` names the address under which it is recorded.
    MoveDeclared {
        /// That address.
        from: Address,
    },
    /// The same, and it cannot be moved.
    MoveRefused {
        /// The address that the manifest names.
        from: Address,
        /// Why not.
        why: MoveRefusal,
    },
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
    /// The collection has timed out again and again, and the manifest does not say how often to ask.
    TimedOutAgain {
        /// How often.
        times: u32,
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
        /// The account that asked for it.
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
        /// The account that asked for it.
        requestor: Option<String>,
    },
    /// `spec.onInProgress: fail`.
    FailOnRunning {
        /// Its id.
        id: String,
        /// The account that asked for it.
        requestor: Option<String>,
    },
    /// A collection that made the machine busy has succeeded since.
    AdoptFinished {
        /// Its id.
        id: String,
        /// The account that asked for it.
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
        /// This run looked.
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
        /// The account that cancelled it.
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
        /// The comment that the person wrote.
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
        /// The change that was asked for.
        action: CallAction,
    },
    /// A resource that it depends on is not there, and will not be in this run.
    HeldBy {
        /// The resource that holds it back.
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

/// Why a call has nothing to wait for in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Nothing like it is declared or recorded.
    Unknown,
    /// It is not part of this plan, and not there.
    NotSelected,
    /// Its call has no outcome yet.
    NoOutcome,
    /// Its machine is busy.
    Busy,
    /// An earlier object of it still runs.
    OldStillRuns,
    /// The service refused it.
    Refused,
    /// It failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// A person has to decide about it.
    Unresolved,
    /// It waits for something itself.
    Held,
}
