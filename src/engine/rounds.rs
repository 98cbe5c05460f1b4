//! The rounds of a run: calls are sent, what is unknown is looked up, and what waited for it is sent.

use std::collections::{BTreeSet, HashSet};

use tokio::sync::watch;

use super::error::RunError;
use super::event::{Event, Progress};
use super::execute::{Again, Executed, Executor};
use super::job::{End, Job};
use super::journal_writer::JournalWriter;
use super::report::Report;
use super::round::Round;
use super::run::Run;
use crate::model::{Address, Dependency};
use crate::plan::{self, Action, Input, Need, Observed, Plan, is_met};
use crate::state::{Phase, Resource};

impl Run<'_> {
    pub(super) async fn execute(&mut self, jobs: Vec<Job>, round: &mut Round<'_>) -> Result<bool, RunError> {
        if jobs.is_empty() || self.stopped() {
            return Ok(false);
        }
        self.begin().await?;
        self.count_spent().await;
        let again = Again {
            desired: &self.scope.desired,
            need: self.need_of_doubtful(&jobs),
            settings: self.settings(),
            last: tokio::sync::Mutex::new(None),
        };
        let (journal, service) = JournalWriter::handle();
        let (halt, halted) = watch::channel(self.stopped());
        let executor = Executor {
            client: self.client,
            journal,
            clock: self.clock,
            sink: &self.sink,
            stop: halted,
            asked: self.stop.clone(),
            plan: round.digest,
            options: &self.options,
            settle: self.scope.settings.recovery.settle.get(),
            again,
            unreachable: self.unreachable.clone(),
            looked: self.looked,
            waits_until: self.waits_until,
            stopped: &self.stopped,
            pace: self.journal.pace(),
        };
        let mut stop = self.stop.clone();
        let relay = async {
            // Ends with the executor; a stop is passed on, and so is a failed write.
            let _ = stop.wait_for(|s| *s).await;
            let _ = halt.send(true);
            std::future::pending::<()>().await;
        };
        let work = async move {
            // The handle goes with the executor, and the service ends.
            let ends = executor.execute(jobs).await;
            drop(executor);
            ends
        };
        let serve = self.journal.serve(service, || {
            let _ = halt.send(true);
        });
        let (ends, ()) = tokio::select! {
            both = futures::future::join(work, serve) => both,
            () = relay => return Ok(false),
        };
        let Executed { ends, held } = ends?;
        let begun = !ends.is_empty();
        round.ends.extend(ends);
        for job in held {
            round.held.retain(|h| h.address != job.address);
            round.held.push(job);
        }
        Ok(begun)
    }

    /// Returns the need of the jobs that look once more before they are sent.
    fn need_of_doubtful(&self, jobs: &[Job]) -> Need {
        let doubtful: BTreeSet<&Address> = jobs.iter().filter(|j| j.doubtful).map(|j| &j.address).collect();
        if doubtful.is_empty() {
            return Need::default();
        }
        plan::need(&self.scope.desired, self.state(), &|a| doubtful.contains(a), &self.settings())
    }

    /// Looks this run's unknown and busy calls up until each is known: at once, after the settle time,
    /// and after the one repetition that `recovery.onUnknown: resend` allows.
    pub(super) async fn look_up_unknown(&mut self, round: &mut Round<'_>) -> Result<(), RunError> {
        for pass in 0.. {
            let mut doubtful: BTreeSet<Address> = round
                .ends
                .iter()
                .filter(|(_, end)| {
                    matches!(end, End::Unknown | End::Stale) || pass == 0 && **end == End::Busy
                })
                .map(|(a, _)| a.clone())
                .collect();
            doubtful.retain(|a| {
                let unknown =
                    |r: &Resource| matches!(r.phase, Phase::Requested | Phase::Pending) || r.side.is_some();
                self.state().resources.get(a).is_some_and(unknown) || round.ends.get(a) == Some(&End::Stale)
            });
            if doubtful.is_empty() || self.stopped() {
                return Ok(());
            }
            let observed = match self.refresh(Some(&doubtful)).await {
                Err(RunError::Interrupted) => return Ok(()),
                observed => observed?,
            };
            let open_before = self.settling(&observed, |a| doubtful.contains(a));
            let stale: Vec<Address> =
                doubtful.iter().filter(|a| round.ends.get(*a) == Some(&End::Stale)).cloned().collect();
            for a in &stale {
                round.ends.remove(a);
            }
            let sent = self.replan(&doubtful, &observed, round, false).await?;
            for a in stale {
                let held = self.state().resources.get(&a).is_some_and(|r| r.id.is_some() && r.open.is_none());
                round.ends.entry(a).or_insert(if held { End::Done } else { End::NotSent });
            }
            if sent {
                continue;
            }
            match open_before.filter(|_| self.any_open(&doubtful)) {
                Some(until) => {
                    (self.sink)(Progress::Settling { calls: doubtful.len(), until });
                    if !self.sleep_until(until).await {
                        return Ok(());
                    }
                }
                // Known, or a person has to decide.
                None if pass > 0 || !self.any_open(&doubtful) => return Ok(()),
                None => {}
            }
            if pass > 8 {
                return Ok(());
            }
        }
        Ok(())
    }

    fn any_open(&self, among: &BTreeSet<Address>) -> bool {
        self.open_calls(&self.settings()).any(|(a, _)| among.contains(a))
    }

    /// Plans a selection anew and carries out what needs no new approval: records, and the very calls
    /// that were approved. A lost call is repeated once, and one that met a busy machine if `busy_too`.
    /// Returns whether something was sent.
    pub(super) async fn replan(
        &mut self,
        only: &BTreeSet<Address>,
        observed: &Observed,
        round: &mut Round<'_>,
        busy_too: bool,
    ) -> Result<bool, RunError> {
        let settings = self.settings();
        let plan = plan::plan(&Input {
            desired: &self.scope.desired,
            selected: Some(only),
            replace: &BTreeSet::new(),
            state: self.journal.plan_anew(),
            observed,
            settings: &settings,
        });
        self.record_rows(&plan).await?;
        let mut jobs = Vec::new();
        for change in &plan.changes {
            let Some(job) = Job::of(change, self.state()) else { continue };
            let a = &change.address;
            let due = match round.ends.get(a) {
                None => true,
                Some(End::Busy) => busy_too,
                Some(End::Unknown) => round.resent.insert(a.clone()),
                Some(_) => false,
            };
            let id = self.state().resources.get(a).and_then(|r| r.id.as_deref());
            let allowed = round.approved.get(a).is_some_and(|known| known.allows(job.call.request(), id));
            if due && allowed && round.is_clear(&job) {
                jobs.push(job);
            }
        }
        self.execute(jobs, round).await
    }

    pub(super) fn report(&self, approved: &Plan, round: &Round<'_>, timed_out: bool) -> Report {
        let state = self.state();
        let phase = |a: &Address| state.resources.get(a).map(|r| r.phase);
        let mut attention = Vec::new();
        let mut failed = false;
        for c in &approved.changes {
            let side = |r: &Resource| r.side.is_some();
            let still_open = phase(&c.address) == Some(Phase::Requested)
                || state.resources.get(&c.address).is_some_and(side);
            let refused = round.ends.get(&c.address) == Some(&End::Refused);
            let ended_badly = self.options.wait.is_some() && phase(&c.address) == Some(Phase::Failed);
            let overtaken = round.ends.get(&c.address) == Some(&End::Overtaken);
            let strict =
                self.options.strict && (overtaken || matches!(c.action, Action::Exhausted | Action::Differs));
            let unresolved = c.action == Action::Unresolved;
            if still_open || refused || unresolved || ended_badly || strict {
                failed = true;
                attention.push(c.address.clone());
            } else if c.action == Action::Exhausted || overtaken {
                attention.push(c.address.clone());
            }
        }
        let begun = |a: &Address| !matches!(round.ends.get(a), None | Some(End::NotSent));
        let left = round.approved.keys().filter(|a| !begun(a)).count();
        failed |= left > self.still_waiting(round) || self.journal.failure().is_some();
        failed |= approved.skips_unresolved();
        Report {
            counts: self.tally.counts(),
            attention,
            left,
            failed,
            timed_out,
            interrupted: self.stopped(),
        }
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
        match self.refresh(Some(&behind)).await {
            Err(RunError::Interrupted) => Ok(()),
            looked => looked.map(drop),
        }
    }

    /// Returns whether something is under way, by what is recorded.
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
    pub(super) fn still_waiting(&self, round: &Round<'_>) -> usize {
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
