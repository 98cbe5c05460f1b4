//! State = fold(journal): one rule per record, no other way to change a state.

use std::collections::BTreeMap;

use super::record::{AttemptId, Binding, Intent, Object, Origin, Outcome, Record, Seq};
use super::resource::{Attempt, Open, PastObject, Phase, Resource, Side};
use crate::model::{Address, Sha256Hex};

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
    pub resources: BTreeMap<Address, Resource>,
}

impl Default for State {
    fn default() -> Self {
        State {
            lineage: None,
            binding: Binding::default(),
            seq: 0,
            head: Sha256Hex::ZERO,
            resources: BTreeMap::new(),
        }
    }
}

/// A record that contradicts those before it: the journal was edited, or written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A record speaks of a resource that no record before it created.
    #[error("record {seq} speaks of {address}, which no record before it mentions")]
    UnknownResource {
        /// The record.
        seq: Seq,
        /// The resource.
        address: Address,
    },
    /// An outcome without its intent.
    #[error("record {seq} answers attempt {attempt} of {address}, which is not open")]
    UnknownAttempt {
        /// The record.
        seq: Seq,
        /// The attempt.
        attempt: AttemptId,
        /// The resource.
        address: Address,
    },
    /// A second first record, or none.
    #[error("record {seq} begins a journal in the middle of one")]
    SecondStart {
        /// The record.
        seq: Seq,
    },
    /// A record that cannot follow.
    #[error("record {seq}: {address} cannot be {what}")]
    Impossible {
        /// The record.
        seq: Seq,
        /// The resource.
        address: Address,
        /// What the record claims.
        what: &'static str,
    },
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
            Record::Cut { .. } => {}
            Record::Intent(intent) => self.intent(step, intent)?,
            Record::Outcome { attempt, address, result, server_at } => {
                let reverted = {
                    let r = self.get(step, address)?;
                    r.outcome(step, address, *attempt, result, server_at.as_ref())?
                };
                match reverted {
                    Reverted::No => {}
                    Reverted::To(prior) => {
                        let mut prior = *prior;
                        prior.changed = seq;
                        self.resources.insert(address.clone(), prior);
                    }
                    Reverted::Nothing => {
                        self.resources.remove(address);
                    }
                }
            }
            Record::Found { address, attempt, origin, object } => {
                let r = self.get(step, address)?;
                if let Some(attempt) = *attempt
                    && !r.is_open(attempt)
                    && !r.watches(attempt)
                {
                    return Err(FoldError::UnknownAttempt { seq, attempt, address: address.clone() });
                }
                r.take(step, address, *attempt, *origin, object);
            }
            Record::Late { address, attempt, object } => {
                let r = self.get(step, address)?;
                if !r.watches(*attempt) {
                    return Err(FoldError::UnknownAttempt {
                        seq,
                        attempt: *attempt,
                        address: address.clone(),
                    });
                }
                r.each_layer(&mut |r| {
                    if r.is_open(*attempt) {
                        // Here it is not late: it is what this layer waits for.
                        return r.take(step, address, Some(*attempt), Origin::Made, object);
                    }
                    r.watched.retain(|w| w.attempt != *attempt);
                    r.remember(PastObject { id: object.id.clone(), origin: Origin::Made, late: true });
                });
                r.changed = seq;
            }
            Record::Observed { address, object } => {
                let r = self.get(step, address)?;
                if r.id.as_deref() != Some(object.id.as_str()) {
                    return Err(FoldError::Impossible {
                        seq,
                        address: address.clone(),
                        what: "observed: it holds another object",
                    });
                }
                r.absorb(step, address, object);
            }
            Record::Missing { address, id } => {
                let r = self.get(step, address)?;
                if r.id.as_ref() == Some(id) {
                    r.missing_since.get_or_insert(at);
                    r.missing_last = Some(at);
                    r.changed = seq;
                }
            }
            Record::Moved { from, to } => {
                let impossible = |what| Err(FoldError::Impossible { seq, address: to.clone(), what });
                if self.resources.get(to).is_some_and(|r| r.phase != Phase::Released) {
                    return impossible("the target of a move: it exists");
                }
                if from.kind() != to.kind() {
                    return impossible("the target of a move: it is of another kind");
                }
                let mut r = self
                    .resources
                    .remove(from)
                    .ok_or_else(|| FoldError::UnknownResource { seq, address: from.clone() })?;
                r.changed = seq;
                if let Some(old) = self.resources.remove(to) {
                    // A released resource of that name gives way, but what it once made stays known.
                    let held = old.id.clone().zip(old.origin);
                    let held = held.map(|(id, origin)| PastObject { id, origin, late: false });
                    r.each_layer(&mut |r| {
                        for object in held.iter().chain(&old.past) {
                            r.remember(object.clone());
                        }
                        r.watched.extend(old.watched.iter().cloned());
                    });
                    r.put_beneath(old);
                }
                self.resources.insert(to.clone(), r);
            }
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
            Record::Restored { address } => {
                let r = self.get(step, address)?;
                let impossible = |what| Err(FoldError::Impossible { seq, address: address.clone(), what });
                // `Requested` without its attempt or `Pending` without its answer would be a phase that
                // nothing leads out of.
                if r.id.is_none() {
                    return impossible("restored: it holds no object");
                }
                let Some(phase) = r.released_from.take() else {
                    return impossible("restored: it is not released");
                };
                r.enter(step, phase);
            }
            Record::Noted { address, labels, on_remove } => {
                let r = self.get(step, address)?;
                r.each_layer(&mut |r| {
                    r.labels.clone_from(labels);
                    r.on_remove = *on_remove;
                });
                r.changed = seq;
            }
            Record::Imported { address, object, sent, labels, on_remove } => {
                let prior = self.resources.remove(address);
                if prior.as_ref().is_some_and(|p| p.phase == Phase::Requested) {
                    let err = FoldError::Impossible {
                        seq,
                        address: address.clone(),
                        what: "imported: a call of it is open",
                    };
                    self.resources.extend(prior.map(|p| (address.clone(), p)));
                    return Err(err);
                }
                let mut r = Resource::new(step, sent.clone());
                r.labels.clone_from(labels);
                r.on_remove = *on_remove;
                r.inherit(prior.as_ref());
                // What a person takes over counts as adopted, whoever made it.
                r.past.retain(|p| p.id != object.id);
                r.take(step, address, None, Origin::Adopted, object);
                self.resources.insert(address.clone(), r);
            }
            Record::Removed { address } => {
                if self.get(step, address)?.phase == Phase::Requested {
                    return Err(FoldError::Impossible {
                        seq,
                        address: address.clone(),
                        what: "removed: a call of it is open",
                    });
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

    fn intent(&mut self, step: Step, intent: &Intent) -> Result<(), FoldError> {
        if !intent.action.creates() {
            let r = self.get(step, &intent.address)?;
            let impossible =
                |what| Err(FoldError::Impossible { seq: step.seq, address: intent.address.clone(), what });
            if r.id.is_none() {
                return impossible("changed: it holds no object");
            }
            if r.side.is_some() {
                return impossible("changed: an earlier change has no outcome");
            }
            r.side = Some(Side {
                attempt: step.seq,
                action: intent.action,
                send_by: intent.send_by,
                runner: intent.runner.clone(),
            });
            r.changed = step.seq;
            return Ok(());
        }
        let prior = self.resources.remove(&intent.address);
        let mut r = Resource::new(step, intent.sent.clone());
        r.labels.clone_from(&intent.labels);
        r.on_remove = intent.on_remove;
        r.inherit(prior.as_ref());
        if intent.action != super::CallAction::Replace
            && let Some(p) = prior.as_ref().filter(|p| p.digest == r.digest)
        {
            r.attempts = p.attempts;
        }
        r.open = Some(Open {
            attempt: Attempt {
                attempt: step.seq,
                sent: intent.sent.clone(),
                runner: intent.runner.clone(),
                at: step.at,
                server_at: intent.server_at.clone(),
                send_by: intent.send_by,
                failed_at: None,
                why: None,
            },
            prior: prior.map(Box::new),
        });
        self.resources.insert(intent.address.clone(), r);
        Ok(())
    }
}

/// Where in the journal a rule is applied.
#[derive(Clone, Copy)]
struct Step {
    seq: Seq,
    at: jiff::Timestamp,
}

/// What a definite "it never left" leads back to.
enum Reverted {
    No,
    To(Box<Resource>),
    Nothing,
}

impl Resource {
    fn new(step: Step, sent: super::Sent) -> Resource {
        Resource {
            phase: Phase::Requested,
            id: None,
            origin: None,
            digest: sent.digest,
            status: None,
            attempts: 0,
            sent,
            changed: step.seq,
            requestor: None,
            computer_dns_name: None,
            created_at: None,
            updated_at: None,
            cancelled_by: None,
            since: step.at,
            busy_at: None,
            error: None,
            missing_since: None,
            missing_last: None,
            open: None,
            side: None,
            watched: Vec::new(),
            past: Vec::new(),
            released_from: None,
            labels: BTreeMap::new(),
            on_remove: Default::default(),
        }
    }

    /// What a new attempt must not forget of the one before it.
    fn inherit(&mut self, prior: Option<&Resource>) {
        let Some(p) = prior else { return };
        self.past = p.past.clone();
        if let Some((id, origin)) = p.id.clone().zip(p.origin) {
            self.remember(PastObject { id, origin, late: false });
        }
        self.watched = p.watched.clone();
        self.watched.extend(p.open.as_ref().map(|o| o.attempt.clone()));
        self.side.clone_from(&p.side);
    }

    fn is_open(&self, attempt: AttemptId) -> bool {
        self.open.as_ref().is_some_and(|o| o.attempt.attempt == attempt)
    }

    fn watches(&self, attempt: AttemptId) -> bool {
        self.watched.iter().any(|w| w.attempt == attempt)
    }

    /// Keeps an object that the resource does not hold (any more), once.
    fn remember(&mut self, object: PastObject) {
        if self.id.as_ref() == Some(&object.id) {
            return;
        }
        match self.past.iter_mut().find(|p| p.id == object.id) {
            Some(known) if object.origin == Origin::Made => known.origin = Origin::Made,
            Some(_) => {}
            None => self.past.push(object),
        }
    }

    /// What is there again if none of the open calls turns out to have left.
    fn put_beneath(&mut self, old: Resource) {
        match &mut self.open {
            Some(Open { prior: Some(prior), .. }) => prior.put_beneath(old),
            Some(open) => open.prior = Some(Box::new(old)),
            None => {}
        }
    }

    /// Changes the resource and what it returns to if its open call turns out not to have left: what is
    /// learned while a call is open must not be forgotten with it.
    fn each_layer(&mut self, change: &mut impl FnMut(&mut Resource)) {
        let mut layer = Some(self);
        while let Some(r) = layer {
            change(r);
            layer = r.open.as_mut().and_then(|o| o.prior.as_deref_mut());
        }
    }

    fn enter(&mut self, step: Step, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.since = step.at;
        }
        self.changed = step.seq;
    }

    fn outcome(
        &mut self,
        step: Step,
        address: &Address,
        attempt: AttemptId,
        result: &Outcome,
        server_at: Option<&crate::model::Timestamp>,
    ) -> Result<Reverted, FoldError> {
        if self.side.as_ref().is_some_and(|s| s.attempt == attempt) {
            match result {
                Outcome::Unknown { .. } => return Ok(Reverted::No),
                Outcome::Done { object } | Outcome::Made { object } | Outcome::Adopted { object } => {
                    // The call may have been about an object that the resource holds no more.
                    if self.id.as_ref() == Some(&object.id) {
                        self.error = None;
                        self.absorb(step, address, object);
                    }
                }
                Outcome::Rejected { error } | Outcome::Busy { error } => self.error = Some(error.clone()),
                Outcome::Throttled { .. } | Outcome::Unsent { .. } | Outcome::Settled => {}
            }
            self.side = None;
            self.changed = step.seq;
            self.prior_outcome(step, address, attempt, result, server_at);
            return Ok(Reverted::No);
        }
        if !self.is_open(attempt) {
            self.outcome_of_watched(step, address, attempt, result)?;
            self.prior_outcome(step, address, attempt, result, server_at);
            return Ok(Reverted::No);
        }
        match result {
            Outcome::Made { object } => self.take(step, address, Some(attempt), Origin::Made, object),
            Outcome::Adopted { object } => self.take(step, address, Some(attempt), Origin::Adopted, object),
            Outcome::Busy { error } => {
                self.open = None;
                self.error = Some(error.clone());
                self.busy_at = Some(server_at.cloned().unwrap_or_else(|| step.at.into()));
                self.enter(step, Phase::Pending);
            }
            Outcome::Rejected { error } => {
                self.open = None;
                self.attempts += u32::from(error.counts());
                self.error = Some(error.clone());
                self.enter(step, Phase::Rejected);
            }
            Outcome::Throttled { .. } | Outcome::Unsent { .. } => {
                return Ok(match self.open.take().and_then(|o| o.prior) {
                    Some(prior) => Reverted::To(prior),
                    None => Reverted::Nothing,
                });
            }
            Outcome::Unknown { why } => {
                if let Some(open) = &mut self.open {
                    open.attempt.failed_at = Some(step.at);
                    open.attempt.why = Some(why.clone());
                }
                self.changed = step.seq;
            }
            Outcome::Done { .. } | Outcome::Settled => {
                return Err(FoldError::Impossible {
                    seq: step.seq,
                    address: address.clone(),
                    what: "done: its open call creates",
                });
            }
        }
        Ok(Reverted::No)
    }

    /// An answer to an earlier call also counts for what the resource returns to.
    fn prior_outcome(
        &mut self,
        step: Step,
        address: &Address,
        attempt: AttemptId,
        result: &Outcome,
        server_at: Option<&crate::model::Timestamp>,
    ) {
        let Some(open) = &mut self.open else { return };
        let Some(prior) = &mut open.prior else { return };
        match prior.outcome(step, address, attempt, result, server_at) {
            Ok(Reverted::To(earlier)) => **prior = *earlier,
            Ok(Reverted::Nothing) => open.prior = None,
            // Settled for the present resource above; an earlier one may never have known it.
            Ok(Reverted::No) | Err(_) => {}
        }
    }

    /// The answer of an attempt that was given up came after all.
    fn outcome_of_watched(
        &mut self,
        step: Step,
        address: &Address,
        attempt: AttemptId,
        result: &Outcome,
    ) -> Result<(), FoldError> {
        let Some(watched) = self.watched.iter().find(|w| w.attempt == attempt) else {
            return Err(FoldError::UnknownAttempt { seq: step.seq, attempt, address: address.clone() });
        };
        match result {
            Outcome::Unknown { .. } => return Ok(()),
            Outcome::Made { object } | Outcome::Adopted { object } => {
                let origin =
                    if matches!(result, Outcome::Made { .. }) { Origin::Made } else { Origin::Adopted };
                if self.id.is_none() && self.phase != Phase::Released {
                    self.take(step, address, Some(attempt), origin, object);
                } else {
                    self.remember(PastObject { id: object.id.clone(), origin, late: true });
                }
            }
            Outcome::Rejected { error } if watched.sent.digest == self.digest => {
                self.attempts += u32::from(error.counts());
            }
            _ => {}
        }
        self.watched.retain(|w| w.attempt != attempt);
        self.changed = step.seq;
        Ok(())
    }

    /// The resource now holds `object`.
    fn take(
        &mut self,
        step: Step,
        address: &Address,
        attempt: Option<AttemptId>,
        origin: Origin,
        object: &Object,
    ) {
        if let Some(open) = self.open.take()
            && Some(open.attempt.attempt) != attempt
        {
            // Another attempt, or nobody's object, answers the need; the open call may still arrive.
            self.watched.push(open.attempt);
        }
        if let Some(w) = self.watched.iter().position(|w| Some(w.attempt) == attempt) {
            self.sent = self.watched.remove(w).sent;
            if self.digest != self.sent.digest {
                self.digest = self.sent.digest;
                self.attempts = 0;
            }
        }
        if self.id.as_ref() != Some(&object.id) {
            if let (Some(id), Some(old)) = (self.id.take(), self.origin) {
                self.past.push(PastObject { id, origin: old, late: false });
            }
            self.status = None;
            self.requestor = None;
            self.computer_dns_name = None;
            self.created_at = None;
            self.updated_at = None;
            self.cancelled_by = None;
            self.missing_since = None;
            self.missing_last = None;
            self.released_from = None;
            self.phase = Phase::Requested;
        }
        // The service merges alerts: a later call of ours can be answered with the object of an earlier one.
        let held = self.id.as_ref() == Some(&object.id) && self.made();
        let made_before = held || self.past.iter().any(|p| p.id == object.id && p.origin == Origin::Made);
        self.past.retain(|p| p.id != object.id);
        self.id = Some(object.id.clone());
        self.origin = Some(if made_before { Origin::Made } else { origin });
        self.error = None;
        self.busy_at = None;
        if let Some(phase) = self.released_from.take() {
            self.phase = phase;
        }
        self.absorb(step, address, object);
    }

    /// What the service shows of the object that the resource holds.
    fn absorb(&mut self, step: Step, address: &Address, object: &Object) {
        self.changed = step.seq;
        self.status = Some(object.status.clone());
        let keep = |old: &mut Option<_>, new: &Option<_>| {
            if new.is_some() {
                old.clone_from(new);
            }
        };
        keep(&mut self.requestor, &object.requestor);
        keep(&mut self.computer_dns_name, &object.computer_dns_name);
        keep(&mut self.cancelled_by, &object.cancelled_by);
        if object.created_at.is_some() {
            self.created_at.clone_from(&object.created_at);
        }
        if object.updated_at.is_some() {
            self.updated_at.clone_from(&object.updated_at);
        }
        self.missing_since = None;
        self.missing_last = None;
        let phase = Phase::of_object(address.kind(), object);
        let held = self.released_from.unwrap_or(self.phase);
        // Each object of ours counts once, and only while the service says that it failed: a read can also
        // move it from Failed to Succeeded.
        if self.made() && (held == Phase::Failed) != (phase == Phase::Failed) {
            self.attempts = match phase {
                Phase::Failed => self.attempts.saturating_add(1),
                _ => self.attempts.saturating_sub(1),
            };
        }
        match self.phase {
            Phase::Released => self.released_from = Some(phase),
            _ => self.enter(step, phase),
        }
    }
}
