//! What the rounds of one run share: the calls that were approved, and what became of them.

use std::collections::{BTreeSet, HashMap};

use super::job::{End, Job};
use crate::model::{Address, Mutation, PlanDigest, Request};

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

/// The things that the rounds of one run share.
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
    /// Returns whether what is recorded of a job's dependencies can be trusted: no approved call of them is still to come.
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
