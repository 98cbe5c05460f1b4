//! A row with a call, as it is carried out.

use crate::defender::Endpoint;
use crate::model::{Address, Alert, Dependency, Mutation, Sparse};
use crate::plan::{Action, Change, PlannedCall, Row, Warning};
use crate::state::{Record, Resource, Seq, State};

/// A row with a call, as it is carried out.
#[derive(Clone, Debug)]
pub struct Job {
    /// The resource.
    pub address: Address,
    /// The action of the row.
    pub action: Action,
    /// The call.
    pub call: PlannedCall,
    /// Records to append with the first intent.
    pub records: Vec<Record>,
    /// Records to append with the outcome of an accepted call.
    pub then: Vec<Record>,
    /// An earlier call of this resource has no answer, or a collection was active where a new one is asked for: the
    /// lists are read once more right before the intent.
    pub doubtful: bool,
    /// The resources that must be there before the call is made.
    pub depends_on: Vec<Dependency>,
    /// The resource's revision when the job was made; 0 for none.
    pub basis: Seq,
    /// The alert that the call changes, as it was seen last, and when.
    pub seen: Option<(jiff::Timestamp, Box<Alert>)>,
    /// The call changes an alert that this run has just created, which the service may not know everywhere yet.
    pub follows: bool,
}

impl Job {
    /// The job of a row, the state being what the row was planned on; `None` if it has no call.
    pub fn of(change: &Change, state: &State) -> Option<Job> {
        let open = |r: &Resource| r.open.is_some() || !r.watched.is_empty();
        // What was active when the plan was made may be done by now: then the service makes a second one.
        let contended = change.row.is_some_and(Row::asks_for_something_new)
            && change.warnings.iter().any(|w| matches!(w, Warning::ActiveCollection { .. }));
        // Who names a resource wants it asked for whatever an earlier call did.
        let repeats = matches!(change.action, Action::Create | Action::Retry);
        Some(Job {
            doubtful: repeats && state.resources.get(&change.address).is_some_and(open) || contended,
            address: change.address.clone(),
            action: change.action,
            call: change.call.as_deref()?.clone(),
            records: change.records.to_inner(),
            then: change.then.to_inner(),
            depends_on: change.depends_on.to_inner(),
            basis: state.resources.get(&change.address).map_or(0, |r| r.changed),
            seen: None,
            follows: false,
        })
    }

    /// The update that sets the triage of the alert that this job's call has created.
    pub fn follow_up(&self, alert: &Alert, at: jiff::Timestamp) -> Option<Job> {
        let request = Mutation::of_alert(self.call.follow_up.as_deref()?, &alert.id);
        let mut call = PlannedCall {
            mutation: Mutation::of(&request)?,
            ids: Vec::new(),
            objects: 0,
            follow_up: None,
            replaces: Vec::new(),
            ..self.call.clone()
        };
        call.sent.request = request;
        call.sent.marker = Sparse::default();
        Some(Job {
            address: self.address.clone(),
            action: Action::Update,
            call,
            records: Vec::new(),
            then: Vec::new(),
            doubtful: false,
            depends_on: Vec::new(),
            basis: 0,
            seen: Some((at, Box::new(alert.clone()))),
            follows: true,
        })
    }

    /// Returns whether the call changes an alert, and must not undo what somebody else did to it.
    pub fn respects_people(&self) -> bool {
        matches!(self.action, Action::Update | Action::Resolve) && !self.call.enforce
    }

    /// Returns the endpoint whose quota it is counted against.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::of(&self.call.mutation)
    }
}

/// How a call ended, for the rounds that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Carried out, or its object was there.
    Done,
    /// The machine is busy.
    Busy,
    /// Refused.
    Refused,
    /// Not known.
    Unknown,
    /// Not sent: an earlier call of it turned up after all, or could not be looked for.
    Stale,
    /// Not sent: somebody else has changed the alert since the call was planned.
    Overtaken,
    /// Not sent: no connection, no token, no time left, or the run is stopping.
    NotSent,
}
