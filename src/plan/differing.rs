//! The rows on which today's plan differs from one of which only the digest is known.
//!
//! A digest cannot be read backwards, so single differences are tried out: a call that is new, one that is gone, one
//! whose resource has had another object since. Where none of them explains the digest, every call of today's plan
//! is named: one of them at least is another than the one that was reviewed.

use std::collections::BTreeSet;
use std::fmt;

use super::calls::follow_up;
use super::change::{Plan, digested};
use crate::model::{Address, Desired, DigestedCall, PlanDigest, Request};
use crate::state::State;

/// Larger plans are not searched: each trial costs a digest of the whole plan.
const SEARCHED: usize = 300;

/// How a row differs from the plan that was reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Its call was sent since, under the very plan that was reviewed.
    Sent,
    /// The plan that was reviewed had no call for it.
    Added,
    /// The plan that was reviewed had a call for it.
    Gone,
    /// The resource has had another object since.
    AnotherObject,
    /// Not told: its call may be the one that was reviewed, or another one.
    Unknown,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Difference::Sent => "its call was sent since, under this very digest",
            Difference::Added => "its call is new, the plan that was reviewed had none",
            Difference::Gone => "the plan that was reviewed had a call for it, this one has none",
            Difference::AnotherObject => "it has had an object since, so this call would repeat it",
            Difference::Unknown => "has a call",
        })
    }
}

/// Names the rows on which a plan differs from the one with the expected digest. Never empty, unless neither has a
/// call; `desired` are the declared resources by address.
pub fn differing(
    plan: &Plan,
    expected: PlanDigest,
    desired: &[Desired],
    state: &State,
) -> Vec<(Address, Difference)> {
    let sent = state.resources.iter().filter(|(_, r)| {
        r.asked.as_ref().is_some_and(|asked| asked.plan == expected && asked.unsent.is_none())
    });
    let mut rows: Vec<_> = sent.map(|(address, _)| (address.clone(), Difference::Sent)).collect();
    if rows.is_empty() {
        rows = single(plan, expected, desired, state);
    }
    if rows.is_empty() {
        rows = plan.calls().map(|(c, _)| (c.address.clone(), Difference::Unknown)).collect();
    }
    rows
}

/// Tries the differences of one row, and of all rows of one file.
fn single(
    plan: &Plan,
    expected: PlanDigest,
    desired: &[Desired],
    state: &State,
) -> Vec<(Address, Difference)> {
    let calls: Vec<DigestedCall<'_>> = digested(&plan.changes).collect();
    if calls.len() > SEARCHED {
        return Vec::new();
    }
    let without = |left_out: &dyn Fn(&Address) -> bool| {
        PlanDigest::of(calls.iter().copied().filter(|c| !left_out(c.address))) == expected
    };
    for call in &calls {
        if without(&|a| a == call.address) {
            return vec![(call.address.clone(), Difference::Added)];
        }
        let with = |objects, look_alikes| {
            let mut calls = calls.clone();
            for c in calls.iter_mut().filter(|c| c.address == call.address) {
                (c.objects, c.look_alikes) = (objects, look_alikes);
            }
            PlanDigest::of(calls) == expected
        };
        let fewer = (0..call.objects).any(|objects| with(objects, call.look_alikes));
        // The latest is the last one.
        let mut others = (0..call.look_alikes.len()).map(|n| &call.look_alikes[..n]);
        if fewer || others.any(|look_alikes| with(call.objects, look_alikes)) {
            return vec![(call.address.clone(), Difference::AnotherObject)];
        }
    }
    let file = |c: &super::Change| c.source.as_ref().map(|s| s.file.clone());
    let files: BTreeSet<_> = plan.calls().filter_map(|(c, _)| file(c)).collect();
    for name in files {
        let of_file: BTreeSet<&Address> =
            plan.calls().filter(|(c, _)| file(c).as_ref() == Some(&name)).map(|(c, _)| &c.address).collect();
        if without(&|a| of_file.contains(a)) {
            return of_file.into_iter().map(|a| (a.clone(), Difference::Added)).collect();
        }
    }
    gone(&calls, expected, desired, state)
}

/// Tries the call of each declared resource that has none in the plan.
fn gone(
    calls: &[DigestedCall<'_>],
    expected: PlanDigest,
    desired: &[Desired],
    state: &State,
) -> Vec<(Address, Difference)> {
    let idle = desired.iter().filter(|d| calls.binary_search_by(|c| c.address.cmp(&d.address)).is_err());
    for d in idle.take(SEARCHED) {
        let requests: Vec<Request> = std::iter::once(d.request()).chain(follow_up(d)).collect();
        let at = calls.partition_point(|c| *c.address < d.address);
        let had = state.resources.get(&d.address).map_or(0, |r| r.objects());
        for objects in 0..=had {
            let mut all = calls.to_vec();
            let of = |request| DigestedCall { objects, ..DigestedCall::new(&d.address, request) };
            all.splice(at..at, requests.iter().map(of));
            if PlanDigest::of(all) == expected {
                return vec![(d.address.clone(), Difference::Gone)];
            }
        }
    }
    Vec::new()
}
