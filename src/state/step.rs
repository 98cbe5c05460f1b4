//! How one resource changes: what an answer leads to, what it holds, and what it must not forget.
//!
//! Responsible for a single resource under `fold`'s rules. A resource with an open creating call keeps what it
//! was before (its *layers*), because a call that never left leads back there.

use super::exchange::{AttemptId, Object, Origin, Refusal, Seq};
use super::record::Outcome;
use super::resource::{Open, PastObject, Phase, RefusedChange, Resource};
use crate::model::{ActionStatus, Address, Sparse};

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
        /// The claim of the record.
        what: &'static str,
    },
}

/// Where in the journal a rule is applied.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) seq: Seq,
    pub(super) at: jiff::Timestamp,
}

impl Step {
    /// A record that cannot follow: `address` cannot be `what`.
    pub(super) fn impossible(self, address: &Address, what: &'static str) -> FoldError {
        FoldError::Impossible { seq: self.seq, address: address.clone(), what }
    }

    /// An answer to an attempt that is not open.
    pub(super) fn unknown_attempt(self, address: &Address, attempt: AttemptId) -> FoldError {
        FoldError::UnknownAttempt { seq: self.seq, attempt, address: address.clone() }
    }
}

/// What a definite "it never left" leads back to.
pub(super) enum Reverted {
    No,
    To(Box<Resource>),
    Nothing,
}

impl Resource {
    pub(super) fn new(step: Step, sent: super::Sent) -> Resource {
        Resource {
            phase: Phase::Requested,
            id: None,
            origin: None,
            digest: sent.digest,
            status: None,
            attempts: 0,
            time_outs: 0,
            sent,
            changed: step.seq,
            requestor: Sparse::default(),
            computer_dns_name: None,
            created_at: None,
            updated_at: None,
            cancelled_by: Sparse::default(),
            since: step.at,
            busy_at: Sparse::default(),
            error: None,
            missing_since: Sparse::default(),
            missing_last: Sparse::default(),
            open: None,
            side: None,
            triage: Sparse::default(),
            refused: Sparse::default(),
            asked: None,
            watched: Sparse::default(),
            past: Sparse::default(),
            replaced: Sparse::default(),
            packages: Sparse::default(),
            released_from: None,
            labels: Sparse::default(),
            on_remove: Default::default(),
        }
    }

    /// Holds an object no more among those of before.
    pub(super) fn forget(&mut self, id: &str) {
        if self.past.iter().any(|p| p.id == id) {
            self.past.retain(|p| p.id != id);
        }
    }

    /// What a new attempt must not forget of the one before it.
    pub(super) fn inherit(&mut self, prior: Option<&Resource>) {
        let Some(p) = prior else { return };
        self.past = p.past.clone();
        if let Some((id, origin)) = p.id.clone().zip(p.origin) {
            self.remember(PastObject { id, origin, late: false });
        }
        self.watched = p.watched.clone();
        self.watched.extend(p.open.as_ref().map(|o| o.attempt.clone()));
        self.side.clone_from(&p.side);
        self.replaced.clone_from(&p.replaced);
        self.packages.clone_from(&p.packages);
    }

    /// Returns the attempt that has no outcome yet.
    pub fn open_attempt(&self) -> Option<AttemptId> {
        self.open.as_ref().map(|o| o.attempt.attempt)
    }

    pub(super) fn is_open(&self, attempt: AttemptId) -> bool {
        self.open_attempt() == Some(attempt)
    }

    pub(super) fn watches(&self, attempt: AttemptId) -> bool {
        self.watched.iter().any(|w| w.attempt == attempt)
    }

    /// Returns whether an outcome of this attempt changes something here, or in what the resource returns to.
    pub(super) fn awaits(&self, attempt: AttemptId) -> bool {
        self.is_open(attempt)
            || self.watches(attempt)
            || self.side.as_ref().is_some_and(|s| s.attempt == attempt)
            || self.open.as_ref().and_then(|o| o.prior.as_ref()).is_some_and(|prior| prior.awaits(attempt))
    }

    /// Keeps an object that the resource does not hold (any more), once.
    pub(super) fn remember(&mut self, object: PastObject) {
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
    pub(super) fn put_beneath(&mut self, old: Resource) {
        match self.open.as_deref_mut() {
            Some(Open { prior: Some(prior), .. }) => prior.put_beneath(old),
            Some(open) => open.prior = Some(Box::new(old)),
            None => {}
        }
    }

    /// Changes the resource and what it returns to if its open call turns out not to have left: what is
    /// learned while a call is open must not be forgotten with it.
    pub(super) fn each_layer(&mut self, change: &mut impl FnMut(&mut Resource)) {
        let mut layer = Some(self);
        while let Some(r) = layer {
            change(r);
            layer = r.open.as_mut().and_then(|o| o.prior.as_deref_mut());
        }
    }

    pub(super) fn enter(&mut self, step: Step, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.since = step.at;
        }
        self.changed = step.seq;
    }

    pub(super) fn outcome(
        &mut self,
        step: Step,
        address: &Address,
        attempt: AttemptId,
        result: &Outcome,
        server_at: Option<&crate::model::Timestamp>,
    ) -> Result<Reverted, FoldError> {
        if self.side.as_ref().is_some_and(|s| s.attempt == attempt) {
            if matches!(result, Outcome::Unknown { .. }) {
                return Ok(Reverted::No);
            }
            self.change_outcome(step, address, attempt, result);
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
                self.error = Some(Box::new(error.clone()));
                self.busy_at = Some(server_at.cloned().unwrap_or_else(|| step.at.into())).into();
                self.enter(step, Phase::Pending);
            }
            Outcome::Rejected { error } => {
                self.open = None;
                self.attempts += u32::from(error.counts());
                self.error = Some(Box::new(error.clone()));
                self.enter(step, Phase::Rejected);
            }
            Outcome::Throttled { .. } | Outcome::Unsent { .. } => {
                return Ok(match self.open.take().and_then(|o| o.prior) {
                    Some(prior) => Reverted::To(prior),
                    None => Reverted::Nothing,
                });
            }
            Outcome::Unknown { why, other } => {
                if let Some(open) = &mut self.open {
                    open.attempt.failed_at = Some(step.at);
                    open.attempt.why = Some(why.clone());
                    open.attempt.other.clone_from(other);
                }
                self.changed = step.seq;
            }
            Outcome::Done { .. } | Outcome::Settled => {
                return Err(step.impossible(address, "done: its open call creates"));
            }
        }
        Ok(Reverted::No)
    }

    /// The open change of the object was answered: it is open no more.
    fn change_outcome(&mut self, step: Step, address: &Address, attempt: AttemptId, result: &Outcome) {
        match result {
            Outcome::Done { object } | Outcome::Made { object } | Outcome::Adopted { object } => {
                // The call may have been about an object that the resource holds no more.
                if self.id.as_ref() == Some(&object.id) {
                    self.error = None;
                    self.refused = Sparse::default();
                    if let Some(change) = self.side.as_ref().and_then(|s| s.triage.as_ref()) {
                        let triage = self.triage.get_or_insert_default();
                        triage.set(change);
                        triage.set_at = Some(step.at);
                        triage.changed_at.clone_from(&object.updated_at);
                    }
                    self.absorb(step, address, object);
                }
            }
            Outcome::Rejected { error } => self.refuse(error),
            Outcome::Busy { error } => self.error = Some(Box::new(error.clone())),
            Outcome::Throttled { .. } | Outcome::Unsent { .. } => {
                if let Some(asked) = self.asked.as_mut().filter(|a| a.intent == attempt) {
                    asked.unsent = Some(step.seq);
                }
            }
            Outcome::Settled | Outcome::Unknown { .. } => {}
        }
        self.side = None;
        self.changed = step.seq;
    }

    /// The open change of the object was refused.
    fn refuse(&mut self, error: &Refusal) {
        self.error = Some(Box::new(error.clone()));
        let Some(request) = self.side.as_ref().and_then(|s| s.request) else { return };
        let before = self.refused.as_ref().filter(|r| r.request == request).map_or(0, |r| r.attempts);
        let attempts = before + u32::from(error.counts());
        self.refused = Some(RefusedChange { request, attempts, error: error.clone() }).into();
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
            return Err(step.unknown_attempt(address, attempt));
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
    pub(super) fn take(
        &mut self,
        step: Step,
        address: &Address,
        attempt: Option<AttemptId>,
        origin: Origin,
        object: &Object,
    ) {
        // A call that replaces an alert can be merged into that very alert: what was set and written there still is.
        let prior = self.open.as_deref().and_then(|open| open.prior.as_deref());
        let triage = prior.filter(|p| p.id.as_ref() == Some(&object.id)).map(|p| p.triage.clone());
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
                (self.attempts, self.time_outs) = (0, 0);
            }
        }
        if self.id.as_ref() != Some(&object.id) {
            if let (Some(id), Some(old)) = (self.id.take(), self.origin) {
                self.past.push(PastObject { id, origin: old, late: false });
            }
            self.status = None;
            self.triage = triage.unwrap_or_default();
            self.refused = Sparse::default();
            self.requestor = Sparse::default();
            self.computer_dns_name = None;
            self.created_at = None;
            self.updated_at = None;
            self.cancelled_by = Sparse::default();
            self.missing_since = Sparse::default();
            self.missing_last = Sparse::default();
            self.released_from = None;
            self.phase = Phase::Requested;
        }
        // The service merges alerts: a later call of ours can be answered with the object of an earlier one.
        let held = self.id.as_ref() == Some(&object.id) && self.made();
        let made_before = held || self.past.iter().any(|p| p.id == object.id && p.origin == Origin::Made);
        self.forget(&object.id);
        self.id = Some(object.id.clone());
        self.origin = Some(if made_before { Origin::Made } else { origin });
        self.error = None;
        self.busy_at = Sparse::default();
        if let Some(phase) = self.released_from.take() {
            self.phase = phase;
        }
        self.absorb(step, address, object);
    }

    /// What the service shows of the object that the resource holds.
    pub(super) fn absorb(&mut self, step: Step, address: &Address, object: &Object) {
        self.changed = step.seq;
        let (held, phase) =
            (self.released_from.unwrap_or(self.phase), Phase::of_object(address.kind(), object));
        let timed_out = self.status.as_deref().is_some_and(is_time_out);
        self.set_status(&object.status);
        if object.requestor.is_some() {
            self.requestor = object.requestor.clone().into();
        }
        if object.computer_dns_name.is_some() {
            self.computer_dns_name.clone_from(&object.computer_dns_name);
        }
        if object.cancelled_by.is_some() {
            self.cancelled_by = object.cancelled_by.clone().into();
        }
        if object.created_at.is_some() {
            self.created_at.clone_from(&object.created_at);
        }
        if object.updated_at.is_some() {
            self.updated_at.clone_from(&object.updated_at);
        }
        self.missing_since = Sparse::default();
        self.missing_last = Sparse::default();
        // Each object of ours counts once, and only while the service says that it failed: a read can also
        // move it from Failed to Succeeded.
        if self.made() && (held == Phase::Failed) != (phase == Phase::Failed) {
            self.attempts = match phase {
                Phase::Failed => self.attempts.saturating_add(1),
                _ => self.attempts.saturating_sub(1),
            };
        }
        if self.made() {
            let before = held == Phase::Failed && timed_out;
            let now = phase == Phase::Failed && is_time_out(&object.status);
            self.time_outs = self.time_outs.saturating_add(now.into()).saturating_sub(before.into());
        }
        match self.phase {
            Phase::Released => self.released_from = Some(phase),
            _ => self.enter(step, phase),
        }
    }
}

/// Returns whether it is the service's word for a device that never answered.
fn is_time_out(status: &str) -> bool {
    ActionStatus::from(status) == ActionStatus::TimeOut
}
