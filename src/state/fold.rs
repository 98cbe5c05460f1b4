//! State = fold(journal): one rule per record, no other way to change a state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::custody::HeldPackage;
use super::exchange::{AttemptId, Object, Origin, Seq};
use super::holder::Holder;
use super::record::{Binding, Intent, Outcome, Record};
use super::resource::{Attempt, LastCall, Open, PastObject, PendingUpdate, Phase, Resource};
use super::resources::Resources;
use super::step::{FoldError, Reverted, Step};
use crate::model::{Address, RequestDigest, Sha256Hex, Timestamp};

/// The fold of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Given once by the first record.
    pub lineage: Option<String>,
    /// Whose state this is.
    pub binding: Binding,
    /// The number of the last record folded in; 0 before the first.
    pub seq: Seq,
    /// The hash of that record.
    pub head: Sha256Hex,
    /// By address.
    pub resources: Resources,
    /// The run that makes calls just now, where several can.
    pub running: Option<Box<Running>>,
    /// Where the state is kept now, if it has moved.
    pub departed_to: Option<String>,
}

/// A run that makes calls on a state that others share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Running {
    /// The run.
    #[schemars(example = serde_json::json!({
        "user": "ann", "host": "laptop", "pid": 4711, "since": "2026-03-01T08:00:00Z", "command": "casefile apply"
    }))]
    pub by: Holder,
    /// When others need no longer reckon with it, by its clock.
    #[schemars(example = &"2026-03-01T08:10:00Z")]
    pub until: jiff::Timestamp,
}

impl Default for State {
    fn default() -> Self {
        State {
            lineage: None,
            binding: Binding::default(),
            seq: 0,
            head: Sha256Hex::ZERO,
            resources: Resources::default(),
            running: None,
            departed_to: None,
        }
    }
}

impl State {
    /// Folds one record in. `at` is the record's own time, by the clock of the run that wrote it.
    ///
    /// On an error the state is unchanged.
    pub fn apply(&mut self, seq: Seq, at: jiff::Timestamp, record: &Record) -> Result<(), FoldError> {
        let step = Step { seq, at };
        match record {
            Record::Open { lineage, binding, .. } => {
                if self.lineage.is_some() {
                    return Err(FoldError::SecondStart { seq });
                }
                self.lineage = Some(lineage.clone());
                self.binding = binding.clone();
            }
            Record::Bound { binding } => self.binding = binding.clone(),
            Record::Cut { .. } | Record::Lost { .. } => {}
            Record::Begun { by, until } => {
                self.running = Some(Box::new(Running { by: by.clone(), until: *until }));
            }
            Record::Departed { to } => self.departed_to = Some(to.clone()),
            Record::Arrived => self.departed_to = None,
            Record::Ended { by } => {
                if self.running.as_ref().is_some_and(|r| r.by == *by) {
                    self.running = None;
                }
            }
            Record::Recovered { resources, .. } => self.resources.clone_from(resources),
            Record::Intent(intent) => self.intent(step, intent)?,
            Record::Outcome { attempt, address, result, server_at } => {
                self.outcome(step, *attempt, address, result, server_at.as_ref())?;
            }
            Record::Answered { address, result, .. } => self.answered(step, address, result),
            Record::Found { address, attempt, origin, object } => {
                self.found(step, address, *attempt, *origin, object)?;
            }
            Record::Late { address, attempt, object } => self.late(step, address, *attempt, object)?,
            Record::Observed { address, object } => {
                let what = "observed: it holds another object";
                self.holder(step, address, &object.id, what)?.absorb(step, address, object);
            }
            Record::Triaged { address, id, ours, given } => {
                let r = self.holder(step, address, id, "triaged: it holds another object")?;
                let triage = r.triage.get_or_insert_default();
                triage.set(ours);
                triage.give(given);
                r.changed = seq;
            }
            Record::Missing { address, id } => {
                let r = self.get(step, address)?;
                if r.id.as_ref() == Some(id) {
                    r.missing_since.get_or_insert(at);
                    r.missing_last = Some(at).into();
                    r.changed = seq;
                }
            }
            Record::Moved { from, to } => self.moved(step, from, to)?,
            Record::Released { address } => {
                let r = self.get(step, address)?;
                if let Some(open) = r.open.take() {
                    r.watched.push(open.attempt);
                }
                if r.phase != Phase::Released {
                    r.released_from = Some(r.phase);
                    r.enter(step, Phase::Released);
                }
            }
            Record::Restored { address } => self.restored(step, address)?,
            Record::Noted { address, labels, on_remove } => {
                let r = self.get(step, address)?;
                r.each_layer(&mut |r| {
                    r.labels = labels.clone().into();
                    r.on_remove = *on_remove;
                });
                r.changed = seq;
            }
            Record::Imported { address, object, sent, labels, on_remove } => {
                // A call of it that is still open becomes watched, like one that was given up: it may yet arrive.
                let prior = self.resources.remove(address);
                let mut r = Resource::new(step, sent.clone());
                r.labels = labels.clone().into();
                r.on_remove = *on_remove;
                r.inherit(prior.as_ref());
                // What a person takes over counts as adopted, whoever made it.
                r.forget(&object.id);
                r.take(step, address, None, Origin::Adopted, object);
                self.resources.insert(address.clone(), r);
            }
            Record::LinkRequested { .. } => {}
            Record::Fetched(custody) => {
                // It may have been taken out of the state, or moved, while the package came: the record counts all the same.
                if let Some(r) = self.resources.get_mut(&custody.address) {
                    let held = HeldPackage::of(custody, seq);
                    r.each_layer(&mut |r| {
                        r.packages.retain(|p| (&p.store, &p.file) != (&held.store, &held.file));
                        r.packages.push(held.clone());
                    });
                    r.changed = seq;
                }
            }
            Record::Removed { address } => {
                if self.get(step, address)?.phase == Phase::Requested {
                    return Err(step.impossible(address, "removed: a call of it is open"));
                }
                self.resources.remove(address);
            }
        }
        self.seq = seq;
        Ok(())
    }

    fn get(&mut self, step: Step, address: &Address) -> Result<&mut Resource, FoldError> {
        self.resources
            .get_mut(address)
            .ok_or_else(|| FoldError::UnknownResource { seq: step.seq, address: address.clone() })
    }

    /// Returns the resource of an address that holds this object; `what` says what cannot be done to any other.
    fn holder(
        &mut self,
        step: Step,
        address: &Address,
        id: &str,
        what: &'static str,
    ) -> Result<&mut Resource, FoldError> {
        let r = self.get(step, address)?;
        if r.id.as_deref() != Some(id) {
            return Err(step.impossible(address, what));
        }
        Ok(r)
    }

    fn outcome(
        &mut self,
        step: Step,
        attempt: AttemptId,
        address: &Address,
        result: &Outcome,
        server_at: Option<&Timestamp>,
    ) -> Result<(), FoldError> {
        let r = self.get(step, address)?;
        let asked = r.asked.clone().filter(|a| a.intent == attempt);
        match r.outcome(step, address, attempt, result, server_at)? {
            Reverted::No => {}
            Reverted::To(prior) => {
                let mut prior = *prior;
                prior.changed = step.seq;
                if let Some(asked) = asked {
                    prior.asked = Some(LastCall { unsent: Some(step.seq), ..asked });
                }
                self.resources.insert(address.clone(), prior);
            }
            Reverted::Nothing => {
                self.resources.remove(address);
            }
        }
        Ok(())
    }

    /// An object that nobody knew becomes one of the past of its resource; everything else is known.
    fn answered(&mut self, step: Step, address: &Address, result: &Outcome) {
        let Outcome::Made { object } = result else { return };
        let holds =
            |r: &Resource| r.id.as_ref() == Some(&object.id) || r.past.iter().any(|p| p.id == object.id);
        if self.resources.values().any(holds) {
            return;
        }
        if let Some(r) = self.resources.get_mut(address) {
            let late = PastObject { id: object.id.clone(), origin: Origin::Made, late: true };
            r.each_layer(&mut |r| r.remember(late.clone()));
            r.changed = step.seq;
        }
    }

    /// Returns the resource that waits for the outcome of an attempt, wherever it was moved to.
    pub(super) fn awaiting(&self, attempt: AttemptId, address: &Address) -> Option<&Address> {
        let there = self.resources.range(address.clone()..=address.clone());
        let mut all = there.chain(&self.resources);
        all.find(|(_, r)| r.awaits(attempt)).map(|(address, _)| address)
    }

    fn found(
        &mut self,
        step: Step,
        address: &Address,
        attempt: Option<AttemptId>,
        origin: Origin,
        object: &Object,
    ) -> Result<(), FoldError> {
        let r = self.get(step, address)?;
        if let Some(attempt) = attempt
            && !r.is_open(attempt)
            && !r.watches(attempt)
        {
            return Err(step.unknown_attempt(address, attempt));
        }
        r.take(step, address, attempt, origin, object);
        Ok(())
    }

    fn late(
        &mut self,
        step: Step,
        address: &Address,
        attempt: AttemptId,
        object: &Object,
    ) -> Result<(), FoldError> {
        let r = self.get(step, address)?;
        if !r.watches(attempt) {
            return Err(step.unknown_attempt(address, attempt));
        }
        r.each_layer(&mut |r| {
            if r.is_open(attempt) {
                // Here it is not late: it is what this layer waits for.
                return r.take(step, address, Some(attempt), Origin::Made, object);
            }
            r.watched.retain(|w| w.attempt != attempt);
            r.remember(PastObject { id: object.id.clone(), origin: Origin::Made, late: true });
        });
        r.changed = step.seq;
        Ok(())
    }

    fn moved(&mut self, step: Step, from: &Address, to: &Address) -> Result<(), FoldError> {
        if self.resources.get(to).is_some_and(|r| r.phase != Phase::Released) {
            return Err(step.impossible(to, "the target of a move: it exists"));
        }
        if from.kind() != to.kind() {
            return Err(step.impossible(to, "the target of a move: it is of another kind"));
        }
        let Some(mut r) = self.resources.remove(from) else {
            return Err(FoldError::UnknownResource { seq: step.seq, address: from.clone() });
        };
        r.changed = step.seq;
        if let Some(old) = self.resources.remove(to) {
            // A released resource of that name gives way, but what it once made stays known.
            let held = old.id.clone().zip(old.origin);
            let held = held.map(|(id, origin)| PastObject { id, origin, late: false });
            r.each_layer(&mut |r| {
                for object in held.iter().chain(&old.past) {
                    r.remember(object.clone());
                }
                r.watched.extend(old.watched.iter().cloned());
                r.replaced.extend(old.replaced.iter().cloned());
                r.packages.extend(old.packages.iter().cloned());
            });
            r.put_beneath(old);
        }
        self.resources.insert(to.clone(), r);
        Ok(())
    }

    fn restored(&mut self, step: Step, address: &Address) -> Result<(), FoldError> {
        let r = self.get(step, address)?;
        // `Requested` without its attempt or `Pending` without its answer would be a phase that nothing leads out of.
        if r.id.is_none() {
            return Err(step.impossible(address, "restored: it holds no object"));
        }
        let Some(phase) = r.released_from.take() else {
            return Err(step.impossible(address, "restored: it is not released"));
        };
        r.enter(step, phase);
        Ok(())
    }

    fn intent(&mut self, step: Step, intent: &Intent) -> Result<(), FoldError> {
        if !intent.action.creates() {
            return self.change_intent(step, intent);
        }
        if !self.takes_over(intent) {
            return Err(
                step.impossible(&intent.address, "asked for: it has an open attempt that is not named")
            );
        }
        let prior = self.resources.remove(&intent.address);
        let mut r = Resource::new(step, intent.sent.clone());
        r.labels = intent.labels.clone().into();
        r.on_remove = intent.on_remove;
        r.asked = Some(LastCall { plan: intent.plan, intent: step.seq, unsent: None });
        r.inherit(prior.as_ref());
        if intent.action != super::CallAction::Replace
            && let Some(p) = prior.as_ref().filter(|p| p.digest == r.digest)
        {
            (r.attempts, r.time_outs) = (p.attempts, p.time_outs);
        }
        for id in &intent.replaces {
            if !r.has_replaced(id) {
                r.replaced.push(id.clone());
            }
        }
        r.open = Some(Box::new(Open {
            attempt: Attempt {
                attempt: step.seq,
                sent: intent.sent.clone(),
                runner: intent.runner.clone(),
                at: step.at,
                server_at: intent.server_at.clone(),
                send_by: intent.send_by,
                timeout_seconds: intent.timeout_seconds,
                failed_at: None,
                why: None,
                other: None,
            },
            prior: prior.map(Box::new),
        }));
        self.resources.insert(intent.address.clone(), r);
        Ok(())
    }

    /// Returns whether an intent names the attempt of its resource that is open, if one is: else it was written without
    /// knowing of it. Records that name none, not even [`Intent::NOTHING_OPEN`], are older than this rule.
    pub(super) fn takes_over(&self, intent: &Intent) -> bool {
        if !intent.action.creates() || intent.over.is_none() {
            return true;
        }
        let open = self.resources.get(&intent.address).and_then(Resource::open_attempt);
        open.is_none() || intent.over == open
    }

    /// The intent of a call that changes an object that is there: a cancel, an update, a resolve.
    fn change_intent(&mut self, step: Step, intent: &Intent) -> Result<(), FoldError> {
        let address = &intent.address;
        let r = self.get(step, address)?;
        if r.id.is_none() {
            return Err(step.impossible(address, "changed: it holds no object"));
        }
        if r.side.is_some() {
            return Err(step.impossible(address, "changed: an earlier change has no outcome"));
        }
        r.side = Some(Box::new(PendingUpdate {
            attempt: step.seq,
            action: intent.action,
            send_by: intent.send_by,
            // Both came into records together: what an older version folded is folded the same.
            server_send_by: intent.timeout_seconds.and_then(|_| intent.send_by_service(step.at)),
            timeout_seconds: intent.timeout_seconds,
            runner: intent.runner.clone(),
            request: Some(RequestDigest::of(&intent.sent.request, intent.sent.revision)),
            triage: intent.triage_change().into(),
            updated_at: r.updated_at.clone(),
        }));
        r.asked = Some(LastCall { plan: intent.plan, intent: step.seq, unsent: None });
        r.changed = step.seq;
        Ok(())
    }
}
