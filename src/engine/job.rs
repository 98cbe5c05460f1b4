//! A row with a call, as it is carried out.

use crate::defender::Endpoint;
use crate::model::{Address, Alert, Dependency, Mutation, Sparse};
use crate::plan::{Action, Change, PlannedCall, Row, Warning, saved};
use crate::state::{AttemptId, Intent, Record, Resource, Seq, State};

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
    /// The attempt without an outcome that the row was decided over, or that there was none: the intent names it, and none
    /// that has come since. None for calls that create nothing.
    pub over: Option<AttemptId>,
    /// The alert that the call changes, as it was seen last, and when.
    pub seen: Option<(jiff::Timestamp, Box<Alert>)>,
    /// The call changes an alert that this run has just created, which the service may not know everywhere yet.
    pub follows: bool,
}

impl Job {
    /// The job of a row; `None` if it has no call. The state is what the row was planned on, and maybe what others have
    /// recorded since.
    pub fn of(change: &Change, state: &State) -> Option<Job> {
        let open = |r: &Resource| r.open.is_some() || !r.watched.is_empty();
        // What was active when the plan was made may be done by now: then the service makes a second one.
        let contended = change.row.is_some_and(Row::asks_for_something_new)
            && change.warnings.iter().any(|w| matches!(w, Warning::ActiveCollection { .. }));
        // Who names a resource wants it asked for whatever an earlier call did.
        let repeats = matches!(change.action, Action::Create | Action::Retry);
        let decided_on = state.resources.get(saved::subject(change)).filter(|r| r.changed == change.basis);
        let creates = change.action.creates();
        Some(Job {
            over: creates
                .then(|| decided_on.and_then(Resource::open_attempt).unwrap_or(Intent::NOTHING_OPEN)),
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
            over: None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Call, Desired, DigestedCall, OnRemove, PlanDigest, Source};
    use crate::plan::Reason;
    use crate::state::{CallAction, Sent};

    fn declared() -> Desired {
        let call = Call::collect("ab".repeat(20).parse().unwrap(), "c");
        let source = Source { file: "a.yaml".into(), line: 1 };
        Desired::new("InvestigationPackage/a".parse().unwrap(), source, call, 1)
    }

    fn row(basis: Seq) -> Change {
        let d = declared();
        let sent = Sent::new(d.request(), 1, d.digest);
        let reason = Reason::Saved { words: String::new() };
        Change {
            call: Some(Box::new(PlannedCall::new(
                Mutation::Create(d.call.clone()),
                sent,
                d.call.machine().clone(),
            ))),
            basis,
            ..Change::new(d.address, Action::Create, Some(Row::LostCall), reason)
        }
    }

    /// A state of these attempts, each over the one before it; the first one is record 1.
    fn asked(attempts: Seq) -> State {
        let d = declared();
        let mut state = State::default();
        for seq in 1..=attempts {
            let intent = Intent {
                address: d.address.clone(),
                action: CallAction::Create,
                sent: Sent::new(d.request(), 1, d.digest),
                plan: PlanDigest::of([DigestedCall::new(&d.address, &d.request())]),
                runner: "r".into(),
                send_by: jiff::Timestamp::UNIX_EPOCH,
                server_at: jiff::Timestamp::UNIX_EPOCH.into(),
                timeout_seconds: Some(60),
                labels: Default::default(),
                on_remove: OnRemove::default(),
                ids: Default::default(),
                replaces: Vec::new(),
                over: Some(seq - 1),
                by: None,
                commit: None,
            };
            state.apply(seq, jiff::Timestamp::UNIX_EPOCH, &Record::Intent(Box::new(intent))).unwrap();
        }
        state
    }

    #[test]
    fn a_call_goes_over_the_attempt_that_its_row_was_decided_over_and_over_no_later_one() {
        let over = |basis: Seq, attempts: Seq| Job::of(&row(basis), &asked(attempts)).unwrap().over;
        assert_eq!(over(1, 1), Some(1));
        let nothing = Some(Intent::NOTHING_OPEN);
        assert_eq!(over(0, 0), nothing);
        assert_eq!(over(1, 2), nothing, "another run has asked since");
        assert_eq!(over(0, 1), nothing, "another run has asked since");
        // A renamed resource is recorded under its old address yet.
        let from = declared().address;
        let mut renamed = row(1);
        renamed.address = "InvestigationPackage/b".parse().unwrap();
        renamed.records = vec![Record::Moved { from, to: renamed.address.clone() }].into();
        assert_eq!(Job::of(&renamed, &asked(1)).unwrap().over, Some(1));
    }
}
