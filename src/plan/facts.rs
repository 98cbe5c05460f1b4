//! All that the decision table asks about one resource.

use crate::model::OnInProgress;
use crate::state::Phase;

/// All that the table asks about one resource. Facts that a phase has no use for keep their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// A manifest declares it.
    pub desired: bool,
    /// The plan is not narrowed.
    pub whole: bool,
    /// Its record is still under the address that the manifest's `moved` names.
    pub moving: Moving,
    /// The object of the manifest's `import`, which the resource never held.
    pub importing: Importing,
    /// Named by `--replace`, or by the manifest's `replace`, which was not done yet.
    pub replace: bool,
    /// The phase in the state; `None`: there is no record.
    pub phase: Option<Phase>,
    /// The state holds an object's id.
    pub holds_id: bool,
    /// Machine (and event) and revision are those sent.
    pub same_target: bool,
    /// The rest of the body is as sent.
    pub same_text: bool,
    /// `Requested`: what the look-up of its outcome found.
    pub lookup: Lookup,
    /// A given-up attempt of the declared target turned up.
    pub watched_found: bool,
    /// `recovery.onUnknown`.
    pub on_unknown: OnUnknown,
    /// `Requested`: the service answered the call with an object that is not what was asked for.
    pub answered_otherwise: bool,
    /// A resource that is no longer declared has this target and text.
    pub rename: Rename,
    /// Without an object of its own that did not fail: the service shows what it asks for, made since and finished
    /// well, and no record knows that object.
    pub look_alike: bool,
    /// `Rejected`: a permanent code, or no attempts left.
    pub refused_for_good: bool,
    /// `Pending`: what runs on the machine.
    pub busy: Busy,
    /// `spec.onInProgress`.
    pub on_in_progress: OnInProgress,
    /// `InProgress`: what the refresh showed.
    pub running: Running,
    /// `Failed`: looked at, and `spec.retryAfter` is over.
    pub retry_due: bool,
    /// `Failed`: `spec.maxAttempts` is not used up, and no time-outs say that another attempt is of no use.
    pub attempts_left: bool,
    /// How the triage of an alert that was looked at and is there stands to the declared one.
    pub triage: TriageStanding,
    /// A renamed resource continues it.
    pub taken_by_move: bool,
    /// The outcome of its removal.
    pub removal: Removal,
}

/// The standing of the manifest's `moved`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moving {
    /// There is none, or it is done.
    #[default]
    No,
    /// The record can be moved.
    Yes,
    /// The same, once the old one's call is not open any more.
    WhileOpen,
    /// The new address has a record of its own, or the old one is still declared.
    Refused,
}

/// The standing of the manifest's `import`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Importing {
    /// There is none, or it is done.
    #[default]
    No,
    /// Nobody looked at the object.
    NotLooked,
    /// The object can be taken over.
    Fits,
    /// It cannot.
    Refused,
}

/// The result of looking an unknown outcome up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// No list, or an incomplete one.
    #[default]
    NotLooked,
    /// The call may still be in flight at another runner.
    InFlight,
    /// Not found, and the settle time is not over.
    Settling,
    /// Exactly one object that is ours.
    Ours,
    /// An open alert, not made by us, shows our event.
    OpenAlert,
    /// Objects that only look like ours, or several that could be.
    LookAlikes,
    /// The intent is older than 30 days.
    TooOld,
    /// Not found after the settle time.
    Absent,
}

/// The collections on the machine of a `Pending` resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Busy {
    /// Nobody looked.
    #[default]
    NotLooked,
    /// Our own earlier attempt is active.
    Own,
    /// A collection of somebody else, or of another resource, is active.
    Other {
        /// It began at most `spec.adoptWithin` ago.
        recent: bool,
    },
    /// One that made the machine busy has succeeded since.
    SucceededSince,
    /// None of these.
    Free,
}

/// The standing of a running collection, as the refresh showed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Running {
    /// Nobody looked.
    #[default]
    NotLooked,
    /// `Pending` or `InProgress`.
    Active,
    /// A word that is not documented.
    UnknownStatus,
    /// Two reads, a settle time apart, did not find it.
    Gone,
}

/// The ways in which a new resource can be a renamed one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rename {
    /// No.
    #[default]
    No,
    /// Yes, and the old one's call is open.
    WhileOpen,
    /// Yes.
    Yes,
}

/// How an alert's triage stands to the declared one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TriageStanding {
    /// As declared, or not looked at.
    #[default]
    AsDeclared,
    /// Something is to be set.
    Due,
    /// Something is to be set, and the alert is so new that no list shows it yet.
    NotShown,
    /// Something is to be set, and the service has refused that for good, or too often.
    Refused,
    /// All that differs stays as people left it.
    Left,
}

/// The outcome of the removal of a manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removal {
    /// Id and body are remembered.
    #[default]
    Forget,
    /// The active collection is cancelled.
    Cancel,
    /// The alert is resolved.
    Resolve,
    /// It is not known yet whether somebody has judged the alert.
    WaitForLook,
    /// Somebody has judged the alert or works on it: it is left as it is, and remembered.
    LeaveJudged,
    /// An earlier cancel or update of it may still be in flight.
    Wait,
    /// The service has refused to cancel or resolve it for good, or too often.
    Refused,
    /// The manifest is there, and stands for other machines only.
    Keep,
}

/// `recovery.onUnknown`: what absence after the settle time leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// The call is sent again.
    #[default]
    Resend,
    /// A person decides.
    Ask,
}

impl Facts {
    /// A resource that nothing is known of.
    pub fn new(desired: bool, phase: Option<Phase>) -> Self {
        Facts {
            desired,
            whole: true,
            moving: Moving::default(),
            importing: Importing::default(),
            replace: false,
            phase,
            holds_id: false,
            same_target: true,
            same_text: true,
            lookup: Lookup::default(),
            watched_found: false,
            on_unknown: OnUnknown::default(),
            answered_otherwise: false,
            rename: Rename::default(),
            look_alike: false,
            refused_for_good: false,
            busy: Busy::default(),
            on_in_progress: OnInProgress::default(),
            running: Running::default(),
            retry_due: false,
            attempts_left: true,
            triage: TriageStanding::default(),
            taken_by_move: false,
            removal: Removal::default(),
        }
    }

    pub(super) fn is(&self, phase: Phase) -> bool {
        self.phase == Some(phase)
    }

    pub(super) fn same_digest(&self) -> bool {
        self.same_target && self.same_text
    }

    /// State `none`, or `Released` with no id or another target.
    pub(super) fn unclaimed(&self) -> bool {
        self.phase.is_none() || self.is(Phase::Released) && !(self.holds_id && self.same_target)
    }

    /// Another target or revision is declared than the one that was sent, and what was made of that is over.
    pub(super) fn asks_anew(&self) -> bool {
        let over = matches!(self.phase, Some(Phase::Succeeded | Phase::Failed | Phase::Cancelled));
        !self.same_target && (over || self.running_is(&[Running::Gone]))
    }

    /// A call that creates would follow although nobody named the resource with `--replace`.
    pub(super) fn asks_by_itself(&self) -> bool {
        let free = match self.busy {
            Busy::Free => true,
            Busy::SucceededSince => self.on_in_progress != OnInProgress::Adopt,
            Busy::NotLooked | Busy::Own | Busy::Other { .. } => false,
        };
        self.unclaimed()
            || self.is(Phase::Rejected) && !(self.same_digest() && self.refused_for_good)
            || self.is(Phase::Pending) && (!self.same_target || free)
            || self.asks_anew()
            || self.is(Phase::Failed) && self.same_target && self.retry_due && self.attempts_left
    }

    /// The object of its open call is found first, or can still be.
    pub(super) fn settles_first(&self) -> bool {
        self.is(Phase::Requested)
            && match self.lookup {
                Lookup::NotLooked
                | Lookup::InFlight
                | Lookup::Settling
                | Lookup::Ours
                | Lookup::OpenAlert => true,
                Lookup::LookAlikes | Lookup::TooOld | Lookup::Absent => false,
            }
    }

    /// A call that was given up has turned up, and the resource needs its object.
    pub(super) fn takes_watched(&self) -> bool {
        self.watched_found && self.phase.is_some_and(|p| !matches!(p, Phase::InProgress | Phase::Succeeded))
    }

    pub(super) fn running_is(&self, any: &[Running]) -> bool {
        self.is(Phase::InProgress) && any.contains(&self.running)
    }
}
