//! `dependsOn`: which calls of a plan wait for others, and which have nothing to wait for in this run.
//!
//! The decision table comes first and is never taken back: a call that it gives is delayed, within the run or to a
//! later one. What holds a call back is told; resources that depend on nothing are not touched.

use std::collections::BTreeMap;

use crate::model::{Address, Dependency, Kind, Until};
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::input::{Input, find};
use crate::plan::reason::{Obstacle, Reason};
use crate::plan::targets::Group;
use crate::plan::warning::Warning;
use crate::state::{CallAction, Phase, Record, Resource};

/// Whether a dependency is there.
enum Standing {
    Met,
    /// It will be, in this run or a later one.
    Coming,
    Blocked(Obstacle),
}

/// Whether a resource has come so far. What was asked for anew has not: this looks at what is recorded.
pub fn is_met(resource: Option<&Resource>, until: Until) -> bool {
    match resource.map(|r| r.phase) {
        Some(Phase::Succeeded) => true,
        Some(Phase::InProgress) => until == Until::Accepted,
        _ => false,
    }
}

/// Tells the rows with a call that creates what they wait for, and takes the call from those that cannot be sent.
pub fn order(input: &Input<'_>, renames: &BTreeMap<&Address, (&Address, &Resource)>, changes: &mut [Change]) {
    if input.desired.iter().all(|d| d.depends_on.is_empty()) {
        return;
    }
    let mut ordered: Vec<usize> = Vec::new();
    for (i, c) in changes.iter_mut().enumerate() {
        if creates(c)
            && let Some(d) = find(input.desired, &c.address)
            && !d.depends_on.is_empty()
        {
            c.depends_on = d.depends_on.iter().flat_map(|d| members(input, d)).collect();
            ordered.push(i);
        }
    }
    // What is held back holds back what depends on it, until nothing changes. There are no circles.
    loop {
        let mut held = Vec::new();
        for &i in &ordered {
            let mut waits_for = Vec::new();
            let mut obstacle = None;
            for d in &changes[i].depends_on {
                match standing(input, renames, changes, d) {
                    Standing::Met => {}
                    Standing::Coming => waits_for.push(d.clone()),
                    Standing::Blocked(why) => {
                        obstacle = Some((d.address.clone(), why));
                        break;
                    }
                }
            }
            match obstacle {
                Some((by, why)) => held.push((i, by, why)),
                None => changes[i].waits_for = waits_for.into(),
            }
        }
        if held.is_empty() {
            return;
        }
        ordered.retain(|i| held.iter().all(|(h, ..)| h != i));
        for (i, by, why) in held {
            hold(&mut changes[i], by, why);
        }
    }
}

/// A manifest that stands for several machines is all of its resources; none of them keeps nothing waiting.
fn members(input: &Input<'_>, on: &Dependency) -> Vec<Dependency> {
    let group = |g: &Group| g.address == on.address;
    let from = Address::new(on.address.kind(), format!("{}[", on.address.name()));
    let is_member = |a: &&Address| a.group().as_ref() == Some(&on.address);
    let first = input.desired.partition_point(|d| d.address < from);
    let declared = input.desired.iter().skip(first).map(|d| &d.address).take_while(is_member);
    let all: Vec<Dependency> = declared.map(|a| Dependency { address: a.clone(), until: on.until }).collect();
    // Only the whole project shows that there is no machine; else what is not selected is not known.
    let none = input.selected.is_none() && input.observed.targets.groups.iter().any(group);
    if all.is_empty() && !none { vec![on.clone()] } else { all }
}

fn creates(c: &Change) -> bool {
    c.call.is_some() && c.action.call().is_some_and(CallAction::creates)
}

fn hold(c: &mut Change, by: Address, why: Obstacle) {
    c.action = Action::Wait;
    c.reason = Reason::HeldBy { by, why };
    c.call = None;
    (c.before, c.after, c.approve) = Default::default();
    (c.waits_for, c.then) = Default::default();
    c.warnings.retain(|w| matches!(w, Warning::LateArrival { .. } | Warning::Watched { .. }));
}

fn standing(
    input: &Input<'_>,
    renames: &BTreeMap<&Address, (&Address, &Resource)>,
    changes: &[Change],
    on: &Dependency,
) -> Standing {
    let address = &on.address;
    // What was asked before is not what is declared now: which machine that means is not known.
    let manifest = address.group().unwrap_or_else(|| address.clone());
    if input.observed.targets.skipped.iter().any(|e| e.address == manifest) {
        return Standing::Blocked(Obstacle::Unresolved);
    }
    let recorded = input.state.resources.get(address);
    let Ok(i) = changes.binary_search_by(|c| c.address.cmp(address)) else {
        return match (is_met(recorded, on.until), find(input.desired, address)) {
            (true, None) => Standing::Met,
            (true, Some(d)) if recorded.is_some_and(|r| r.sent.revision == d.revision) => Standing::Met,
            (_, Some(_)) => Standing::Blocked(Obstacle::NotSelected),
            (_, None) => Standing::Blocked(Obstacle::Unknown),
        };
    };
    let c = &changes[i];
    if creates(c) {
        return Standing::Coming;
    }
    let reached = |phase: Phase| match (phase, on.until) {
        (Phase::Succeeded, _) | (Phase::InProgress, Until::Accepted) => Standing::Met,
        (Phase::InProgress, Until::Succeeded) => Standing::Coming,
        (Phase::Failed, _) => Standing::Blocked(Obstacle::Failed),
        (Phase::Cancelled, _) => Standing::Blocked(Obstacle::Cancelled),
        (Phase::Rejected, _) => Standing::Blocked(Obstacle::Refused),
        (Phase::Pending, _) => Standing::Blocked(Obstacle::Busy),
        (Phase::Requested, _) => Standing::Blocked(Obstacle::NoOutcome),
        (Phase::Released, _) => Standing::Blocked(Obstacle::Unknown),
    };
    match (&c.reason, c.action) {
        (Reason::HeldBy { .. }, _) => Standing::Blocked(Obstacle::Held),
        (Reason::OldStillRuns { .. }, _) => Standing::Blocked(Obstacle::OldStillRuns),
        (_, Action::Unresolved) => Standing::Blocked(Obstacle::Unresolved),
        (Reason::KnownFromBefore { phase }, _) => reached(*phase),
        (_, Action::Adopt) => {
            let found = c.records.iter().find_map(|r| match r {
                Record::Found { object, .. } | Record::Imported { object, .. } => Some(object),
                _ => None,
            });
            let done = address.kind() == Kind::Alert || found.is_some_and(|o| o.status == "Succeeded");
            reached(if done { Phase::Succeeded } else { Phase::InProgress })
        }
        (_, Action::Move) => match renames.get(address) {
            Some((_, old)) => reached(old.phase),
            None => Standing::Blocked(Obstacle::Unknown),
        },
        _ => match recorded {
            Some(r) => reached(r.phase),
            None => Standing::Blocked(Obstacle::Unknown),
        },
    }
}
