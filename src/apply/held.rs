//! Calls that wait for what they depend on, over the rounds of one run.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::event::Event;
use super::execute::{End, Job};
use super::run::{Run, RunError};
use crate::model::{Address, Dependency, Mutation, PlanDigest, Request};
use crate::plan::{Plan, is_met};
use crate::state::Phase;

/// The calls of one row that a person approved.
pub(super) struct Approved {
    pub call: Request,
    /// The update that follows once the call has created an alert.
    pub follow_up: Option<Request>,
}

impl Approved {
    /// Returns whether a call is one of those; `id` is that of the alert that the first one created.
    pub fn allows(&self, call: &Request, id: Option<&str>) -> bool {
        let follows = |f: &Request| id.is_some_and(|id| Mutation::of_alert(f, id) == *call);
        self.call == *call || self.follow_up.as_ref().is_some_and(follows)
    }
}

/// What the rounds of one run share.
pub(super) struct Round<'a> {
    /// The calls that a person approved.
    pub approved: &'a HashMap<Address, Approved>,
    /// The plan.
    pub digest: PlanDigest,
    /// How calls ended.
    pub ends: HashMap<Address, End>,
    /// Lost calls that were repeated already.
    pub resent: BTreeSet<Address>,
    /// Calls that wait for what they depend on.
    pub held: Vec<Job>,
}

impl Round<'_> {
    /// Whether what is recorded of a job's dependencies can be trusted: no approved call of them is still to come.
    pub fn is_clear(&self, job: &Job) -> bool {
        let made = |a: &Address| {
            matches!(
                self.ends.get(a),
                Some(End::Done | End::Overtaken | End::Busy | End::Unknown | End::Refused)
            )
        };
        job.depends_on.iter().all(|d| !self.approved.contains_key(&d.address) || made(&d.address))
    }
}

impl Run<'_> {
    /// Looks at what held calls depend on, where the plan has no row for it: the rest of a saved plan.
    pub(super) async fn look_behind(&mut self, approved: &Plan, round: &Round<'_>) -> Result<(), RunError> {
        let row = |a: &Address| approved.changes.binary_search_by(|c| c.address.cmp(a)).is_ok();
        let behind = round.held.iter().flat_map(|j| &j.depends_on).map(|d| &d.address);
        let behind: BTreeSet<Address> = behind.filter(|a| !row(a) && self.is_running(a)).cloned().collect();
        if behind.is_empty() {
            return Ok(());
        }
        match self.look(Some(&behind)).await {
            Err(RunError::Interrupted) => Ok(()),
            looked => looked.map(drop),
        }
    }

    /// Whether something is under way, by what is recorded.
    pub(super) fn is_running(&self, address: &Address) -> bool {
        let phase = self.state().resources.get(address).map(|r| r.phase);
        matches!(phase, Some(Phase::InProgress | Phase::Pending))
    }

    /// Sends what waited for calls whose objects are there by now. Returns whether something was sent.
    pub(super) async fn release(&mut self, round: &mut Round<'_>) -> Result<bool, RunError> {
        if round.held.is_empty() {
            return Ok(false);
        }
        let state = self.state();
        let there = |d: &Dependency| is_met(state.resources.get(&d.address), d.until);
        let due = |j: &Job| round.is_clear(j) && j.depends_on.iter().all(there);
        let due: HashSet<Address> = round.held.iter().filter(|j| due(j)).map(|j| j.address.clone()).collect();
        // A resource that has moved meanwhile is planned anew by the next run.
        let unmoved = |j: &Job| state.resources.get(&j.address).map_or(0, |r| r.changed) == j.basis;
        let (jobs, held) =
            std::mem::take(&mut round.held).into_iter().partition(|j| due.contains(&j.address));
        let jobs: Vec<Job> = jobs;
        let jobs = jobs.into_iter().filter(unmoved).collect();
        round.held = held;
        self.execute(jobs, round).await
    }

    /// Tells what was held back, and counts what only waits for something that is under way: a collection that
    /// still runs fails no run, and neither does what comes after it.
    pub(super) fn patient(&self, round: &Round<'_>) -> usize {
        let phase = |a: &Address| self.state().resources.get(a).map(|r| r.phase);
        let there = |d: &Dependency| is_met(self.state().resources.get(&d.address), d.until);
        let at = self.clock.now();
        let mut patient: HashSet<&Address> = HashSet::new();
        for job in round.held.iter().filter(|j| !round.ends.contains_key(&j.address)) {
            patient.insert(&job.address);
            let waits_for = job.depends_on.iter().filter(|d| !there(d)).cloned().collect();
            self.emit(Event::Held { at, address: job.address.clone(), waits_for });
        }
        loop {
            let on_its_way = |d: &Dependency| {
                there(d)
                    || patient.contains(&d.address)
                    || matches!(phase(&d.address), Some(Phase::InProgress | Phase::Pending))
            };
            let lost = round.held.iter().filter(|j| patient.contains(&j.address));
            let lost: Vec<&Address> =
                lost.filter(|j| !j.depends_on.iter().all(on_its_way)).map(|j| &j.address).collect();
            if lost.is_empty() {
                return patient.len();
            }
            for a in lost {
                patient.remove(a);
            }
        }
    }
}
