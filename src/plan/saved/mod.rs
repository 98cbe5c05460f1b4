//! A plan that was written to a file, and whether it may still be carried out.
//!
//! The file is the document of `plan --format json` with what execution needs beside it. Reading it gives
//! back a [`Plan`] whose calls are those that were reviewed, byte for byte. Pure: bytes in, values out.

mod error;
mod execution;
mod file;
mod stale;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use error::{FORMAT_VERSION, SavedError};
pub use execution::{CallExecution, PlanExecution, RowExecution};
pub use stale::{Moved, Stale};

use file::{File, desired};

use super::change::{Change, Estimate, Plan};
use super::names::shown_in;
use super::passes::references::id_of;
use crate::model::{Address, Desired, DigestedCall, Marker, PlanDigest};
use crate::state::{Record, Resource, Seq, State};

/// A plan read from a file.
#[derive(Clone, Debug)]
pub struct SavedPlan {
    /// Rows, calls, lineage and digest, as they were saved.
    pub plan: Plan,
    /// What concerns the plan as a whole.
    pub execution: PlanExecution,
}

impl SavedPlan {
    /// Reads a file and checks that its calls are those that its digest names.
    ///
    /// # Errors
    /// Everything that keeps the plan from being carried out, whatever the state.
    pub fn read(bytes: &[u8]) -> Result<SavedPlan, SavedError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            format_version: u64,
        }
        let newer = |version: u64| version > FORMAT_VERSION;
        let file: File = serde_json::from_slice(bytes).map_err(|e| {
            // A later format may be anything; only its version is promised.
            match serde_json::from_slice::<Version>(bytes) {
                Ok(v) if newer(v.format_version) => SavedError::Newer { version: v.format_version },
                _ => SavedError::Unreadable { why: e.to_string() },
            }
        })?;
        if newer(file.format_version) {
            return Err(SavedError::Newer { version: file.format_version });
        }
        let execution = file.execution.ok_or(SavedError::NotToApply)?;
        if execution.binding.cloud.is_none() && execution.binding.endpoint.is_none() {
            return Err(SavedError::NoService);
        }
        let calls = file.changes.iter().flat_map(|c| {
            let call = |request| DigestedCall {
                objects: c.objects,
                look_alikes: &c.look_alikes,
                ..DigestedCall::new(&c.address, request)
            };
            c.request.iter().chain(&c.follow_up).map(call)
        });
        let actual = PlanDigest::of(calls);
        if actual != file.digest {
            return Err(SavedError::OtherCalls { stated: file.digest, actual });
        }
        let mut changes = Vec::with_capacity(file.changes.len());
        let mut last: Option<Address> = None;
        for row in file.changes {
            if last.as_ref().is_some_and(|l| *l >= row.address) {
                return Err(SavedError::BadRow { address: row.address, why: "the rows are out of order" });
            }
            last = Some(row.address.clone());
            changes.push(file::change(row)?);
        }
        let plan = Plan {
            lineage: file.lineage,
            digest: file.digest,
            created_at: file.created_at,
            changes,
            warnings: Vec::new(),
            estimate: Estimate { seconds: file.estimate.seconds, calls: file.estimate.calls },
            groups: Vec::new(),
            forecast: None,
            destination: None,
        };
        Ok(SavedPlan { plan, execution })
    }

    /// The resources that the plan creates, as their calls declare them, by address: what looking up an
    /// unknown outcome needs. Nothing else of the manifests is needed to carry a plan out.
    pub fn desired(&self) -> Vec<Desired> {
        self.plan.changes.iter().filter_map(desired).collect()
    }

    /// Returns what `recovery.marker` added to its calls when the plan was made.
    pub fn marker(&self) -> Marker {
        let mut marked = self.plan.calls().map(|(_, c)| c.sent.marked_by());
        marked.find(|marker| *marker != Marker::Off).unwrap_or_default()
    }

    /// What is left to do on a state: the plan without the rows whose call was sent under it before, and
    /// without rows that have no call and have moved since, for the next plan decides those anew.
    ///
    /// # Errors
    /// The plan is refused as a whole.
    pub fn remaining(&self, state: &State) -> Result<Plan, Stale> {
        match &state.lineage {
            Some(lineage) if *lineage == self.plan.lineage => {}
            Some(_) if self.execution.new_state => return Err(Stale::StateAppeared),
            Some(lineage) => {
                return Err(Stale::OtherLineage { plan: self.plan.lineage.clone(), state: lineage.clone() });
            }
            None if self.execution.new_state => {}
            None => return Err(Stale::NoState { plan: self.plan.lineage.clone() }),
        }
        // What the rows record must fit; tried out before anything is written.
        let mut folded = state.clone();
        let mut fits = |records: &[Record]| {
            records.iter().all(|r| folded.apply(folded.seq + 1, self.plan.created_at, r).is_ok())
        };
        let mut plan = self.plan.clone();
        let (mut moved, mut sent) = (Vec::new(), 0);
        plan.changes.retain_mut(|c| {
            let now = state.resources.get(subject(c));
            let standing = Standing::of(c, now, self.plan.digest);
            if standing == Standing::Unsent {
                // They were appended with the intent of the call that did not leave, and what that led back to is what
                // the row stands on.
                c.records.clear();
                c.basis = now.map_or(0, |r| r.changed);
            }
            let unmoved = matches!(standing, Standing::Same | Standing::Unsent);
            match (c.call.is_some(), standing) {
                (true, Standing::Sent) => {
                    sent += 1;
                    false
                }
                (true, _) if unmoved && fits(&c.records) => true,
                (true, _) => {
                    moved.push(Moved {
                        address: c.address.clone(),
                        planned_from: c.basis,
                        now: now.map(|r| (r.changed, r.phase, r.since)),
                    });
                    true
                }
                (false, _) => unmoved && fits(&c.records),
            }
        });
        if !moved.is_empty() {
            return Err(Stale::Moved(moved));
        }
        let mut shown = shown_in(state);
        for c in &mut plan.changes {
            // Names come from the state: those in a file are the file's word.
            c.shown = shown.remove(&c.address).into();
            let Some(call) = c.call.as_ref().filter(|_| c.action.call().is_some_and(|a| !a.creates())) else {
                continue;
            };
            let id = folded.resources.get(&c.address).and_then(|r| r.id.as_deref());
            if id.is_none() || id != call.mutation.object_id() {
                return Err(Stale::OtherObject { address: c.address.clone() });
            }
        }
        // What was shown with an id is not sent with another one.
        for (c, call) in plan.calls() {
            for planned in call.ids.iter().filter(|p| p.id.is_some()) {
                let now = folded.resources.get(&planned.of).and_then(id_of);
                if now != planned.id.as_deref() {
                    return Err(Stale::OtherId {
                        address: c.address.clone(),
                        planned: planned.clone(),
                        now: now.map(str::to_owned),
                    });
                }
            }
        }
        if sent > 0 && plan.calls().next().is_none() {
            return Err(Stale::Finished { digest: self.plan.digest, calls: sent });
        }
        Ok(plan)
    }
}

/// Where a row's resource stands, compared with the plan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// As it was.
    Same,
    /// This plan's call was tried and did not leave; nothing else happened.
    Unsent,
    /// This plan's call was sent.
    Sent,
    /// Something else happened.
    Moved,
}

impl Standing {
    fn of(c: &Change, now: Option<&Resource>, digest: PlanDigest) -> Standing {
        // An earlier plan may have had the same calls: only what was asked after this one was made counts.
        let asked = now.and_then(|r| r.asked.as_ref());
        let asked = asked.filter(|a| a.plan == digest && a.intent > c.basis);
        match (asked, now) {
            (Some(a), _) if a.unsent.is_none() => Standing::Sent,
            (Some(a), Some(r)) if a.unsent == Some(r.changed) => Standing::Unsent,
            _ if now.map_or(0, |r| r.changed) == c.basis => Standing::Same,
            _ => Standing::Moved,
        }
    }
}

/// The resource whose revision a row was made from: a renamed one is still recorded under its old address.
pub fn subject(c: &Change) -> &Address {
    let from = c.records.iter().find_map(|r| match r {
        Record::Moved { from, .. } => Some(from),
        _ => None,
    });
    from.unwrap_or(&c.address)
}

/// Makes rows that a refresh in memory led to rows of the recorded state: their revision is the recorded
/// one, and what the refresh saw is recorded before the call. `recorded` holds the revisions, before the
/// refresh, of the resources that `seen` speaks of.
pub fn rebase(changes: &mut [Change], recorded: &BTreeMap<Address, Seq>, seen: &[Record]) {
    for c in changes {
        let subject = subject(c).clone();
        let Some(basis) = recorded.get(&subject) else { continue };
        c.basis = *basis;
        let own = seen.iter().filter(|r| r.address() == Some(&subject)).cloned();
        c.records = own.chain(c.records.take()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Call, Mutation, OnRemove, Source};
    use crate::plan::action::Action;
    use crate::plan::change::PlannedCall;
    use crate::plan::reason::Reason;
    use crate::plan::table::Row;
    use crate::state::{Binding, CallAction, Intent, Object, Outcome, Refusal, Sent};

    const A: &str = "InvestigationPackage/a";

    fn at(second: u64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_800_000_000 + second as i64).unwrap()
    }

    fn declared() -> Desired {
        let call = Call::collect("ab".repeat(20).parse().unwrap(), "c");
        Desired::new(A.parse().unwrap(), Source { file: "a.yaml".into(), line: 1 }, call, 1)
    }

    fn saved(basis: Seq, records: Vec<Record>) -> SavedPlan {
        let d = declared();
        let reason = Reason::Saved { words: String::new() };
        let row = Change {
            call: Some(Box::new(PlannedCall::new(
                Mutation::Create(d.call.clone()),
                Sent::new(d.request(), 1, d.digest),
                d.call.machine().clone(),
            ))),
            records: records.into(),
            basis,
            ..Change::new(d.address.clone(), Action::Retry, Some(Row::Failed), reason)
        };
        let plan = Plan {
            lineage: "l".into(),
            digest: PlanDigest::of([DigestedCall::new(&d.address, &d.request())]),
            created_at: at(0),
            changes: vec![row],
            warnings: Vec::new(),
            estimate: Estimate::default(),
            groups: Vec::new(),
            forecast: None,
            destination: None,
        };
        let execution =
            PlanExecution { binding: Binding::default(), new_state: false, fresh: false, head: None };
        SavedPlan { plan, execution }
    }

    fn fold(records: &[Record]) -> State {
        let mut state = State::default();
        let open =
            Record::Open { lineage: "l".into(), binding: Binding::default(), tool: "casefile/0".into() };
        for (n, r) in std::iter::once(&open).chain(records).enumerate() {
            let seq = n as u64 + 1;
            state.apply(seq, at(seq), r).unwrap();
        }
        state
    }

    fn intent() -> Record {
        let d = declared();
        Record::Intent(Box::new(Intent {
            plan: PlanDigest::of([DigestedCall::new(&d.address, &d.request())]),
            address: d.address.clone(),
            action: CallAction::Retry,
            sent: Sent::new(d.request(), 1, d.digest),
            runner: "r".into(),
            send_by: at(10),
            server_at: at(0).into(),
            timeout_seconds: None,
            labels: BTreeMap::new(),
            on_remove: OnRemove::Retain,
            ids: BTreeMap::new(),
            replaces: Vec::new(),
            over: None,
            by: None,
            commit: None,
        }))
    }

    fn object(status: &str) -> Object {
        Object {
            id: "x".into(),
            status: status.into(),
            requestor: None,
            created_at: None,
            updated_at: None,
            cancelled_by: None,
            computer_dns_name: None,
        }
    }

    fn outcome(attempt: Seq, result: Outcome) -> Record {
        Record::Outcome { attempt, address: A.parse().unwrap(), result, server_at: None }
    }

    fn observed(status: &str) -> Record {
        Record::Observed { address: A.parse().unwrap(), object: object(status) }
    }

    #[test]
    fn an_earlier_plan_with_the_same_calls_does_not_finish_a_later_one() {
        // Created by a plan of the very same call, failed, and planned anew: the digest is the same.
        let base = [intent(), outcome(2, Outcome::Made { object: object("Failed") })];
        let plan = saved(3, Vec::new());
        assert_eq!(plan.remaining(&fold(&base)).unwrap().calls().count(), 1);
        let sent = fold(&[&base[..], &[intent()]].concat());
        assert!(matches!(plan.remaining(&sent), Err(Stale::Finished { calls: 1, .. })));
    }

    #[test]
    fn a_call_that_did_not_leave_is_sent_by_the_same_plan() {
        let base = [intent(), outcome(2, Outcome::Made { object: object("InProgress") })];
        // The plan's refresh saw the failure; the state did not know it yet.
        let plan = saved(3, vec![observed("Failed")]);
        assert_eq!(plan.remaining(&fold(&base)).unwrap().changes[0].records.len(), 1);
        let throttled = Outcome::Throttled { error: Refusal::default(), retry_after_seconds: 60 };
        let tried = [&base[..], &[observed("Failed"), intent(), outcome(5, throttled)]].concat();
        let rest = plan.remaining(&fold(&tried)).unwrap();
        assert_eq!((rest.calls().count(), rest.changes[0].records.len()), (1, 0));
        // Something else happened after that.
        let moved = fold(&[&tried[..], &[observed("Cancelled")]].concat());
        assert!(matches!(plan.remaining(&moved), Err(Stale::Moved(rows)) if rows[0].planned_from == 3));
    }

    #[test]
    fn a_row_without_a_call_that_moved_is_left_to_the_next_plan() {
        let base = [intent(), outcome(2, Outcome::Made { object: object("Failed") })];
        let mut plan = saved(3, vec![Record::Released { address: A.parse().unwrap() }]);
        plan.plan.changes[0].call = None;
        assert_eq!(plan.remaining(&fold(&base)).unwrap().changes.len(), 1);
        let moved = fold(&[&base[..], &[observed("Succeeded")]].concat());
        assert_eq!(plan.remaining(&moved).unwrap().changes.len(), 0);
    }
}
