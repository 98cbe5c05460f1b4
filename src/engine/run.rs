//! One `apply` from the loaded state to the summary: refresh, plan, carry out, settle, follow.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::error::RunError;
use super::event::{Event, Progress};
use super::fetching::Fetching;
use super::job::Job;
use super::journal_writer::JournalWriter;
use super::preview::{attach_targets, check_binding, list_for_reader, make_plan, not_looked};
use super::quota;
use super::refresh::{observe, observe_machines};
use super::report::{Control, Locked, Options, Report, Sink};
use super::round::{Approved, Round};
use super::scope::Scope;
use super::tally::Tally;
use super::targets::{Depth, resolve};
use crate::defender::{Client, Clock, Endpoint, LONGEST_NAP};
use crate::evidence::Held;
use crate::model::{Address, Desired, Hindrance};
use crate::plan::{self, Action, Change, Machines, Observed, Plan, PlannedCall, Settings, Unread};
use crate::state::{Binding, Origin, QuotaUsage, Record, State, StoreError};

/// How long the last look may take that is made when `--wait` ends.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// The result of a future that ends within a limit.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}

/// A run that holds the state's lock.
pub struct Run<'a> {
    pub(super) client: &'a Client,
    pub(super) clock: &'a Clock,
    pub(super) scope: Scope,
    pub(super) options: Options,
    pub(super) journal: JournalWriter,
    pub(super) sink: Sink,
    pub(super) tally: Arc<Tally>,
    pub(super) stop: watch::Receiver<bool>,
    /// When the lock was taken; a shared store has none.
    pub(super) lock_at: Option<jiff::Timestamp>,
    pub(super) unreachable: Arc<AtomicBool>,
    /// A package came.
    pub(super) came: Arc<AtomicBool>,
    /// When everything that is planned was looked at last.
    pub(super) looked: Option<jiff::Timestamp>,
    /// Endpoints of which the run has told that they take no more calls.
    pub(super) stopped: Mutex<BTreeSet<Endpoint>>,
    /// When `--wait` ends, once the calls are sent.
    pub(super) waits_until: Option<jiff::Timestamp>,
    /// Everything is sent, and collections are followed to their end.
    pub(super) following: bool,
    /// How packages are fetched while other collections are followed, if they are.
    pub(super) meanwhile: Option<Arc<Fetching>>,
    /// The presence of packages that are recorded as held, by their place and name.
    pub(super) held: BTreeMap<(String, String), Held>,
    /// When the state was opened, by our clock.
    opened_at: jiff::Timestamp,
    /// The calls of earlier runs are counted against the quotas.
    counted: bool,
}

impl<'a> Run<'a> {
    /// Begins a run on a state that is open for writing.
    ///
    /// # Errors
    /// The state is that of another service, tenant or project, or cannot be read.
    pub fn new(
        client: &'a Client,
        clock: &'a Clock,
        mut scope: Scope,
        options: Options,
        locked: Locked,
        control: Control,
    ) -> Result<Self, RunError> {
        let Locked { mut store, opened_at } = locked;
        let lock_at = store.pace().is_none().then_some(opened_at);
        let Control { sink, stop } = control;
        check_binding(&store.state().binding, &options.binding)?;
        let spent = store.spent(QuotaUsage::since(opened_at)).map_err(Arc::new)?;
        scope.settings.spent = spent;
        let tally = Arc::new(Tally::default());
        let counting = tally.clone();
        let counted: Sink = Arc::new(move |p: Progress| {
            counting.count(&p);
            sink(p);
        });
        Ok(Run {
            client,
            clock,
            scope,
            options,
            journal: JournalWriter::new(store, clock.clone(), client.quotas().clone()),
            sink: counted,
            tally,
            stop,
            lock_at,
            unreachable: Arc::new(AtomicBool::new(false)),
            came: Arc::new(AtomicBool::new(false)),
            looked: None,
            stopped: Mutex::default(),
            waits_until: None,
            following: false,
            meanwhile: None,
            held: BTreeMap::new(),
            opened_at,
            counted: false,
        })
    }

    /// Fetches packages while other collections are followed.
    pub fn fetch_meanwhile(&mut self, fetching: Arc<Fetching>) {
        self.meanwhile = Some(fetching);
    }

    /// The state as of the last record.
    pub fn state(&self) -> &State {
        self.journal.state()
    }

    /// Returns whether others can record something at the same time.
    pub fn is_shared(&self) -> bool {
        self.journal.pace().is_some()
    }

    /// Returns the settings that it plans by, as of now.
    pub fn settings(&self) -> Settings {
        let service_ahead = self.client.server_offset().map(|o| o.least());
        let mut settings = Settings {
            now: self.clock.now(),
            lock_at: self.lock_at,
            runner: Some(self.options.runner.clone()),
            service_ahead,
            ..self.scope.settings.clone()
        };
        for spent in &mut settings.spent {
            *spent = spent.by(self.opened_at, service_ahead);
        }
        settings
    }

    /// Counts the calls of earlier runs against the quotas, once, before this one makes any. The service's time tells when
    /// it counted them: it is asked for before each intent anyway.
    pub(super) async fn count_spent(&mut self) {
        if self.counted || self.scope.settings.spent.is_empty() {
            return;
        }
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|s| *s) => return,
            () = self.client.learn_server_time() => {}
        }
        self.counted = true;
        quota::seed(self.client.quotas(), &self.settings().spent);
    }

    /// The client that the run talks to the service with.
    pub fn client(&self) -> &Client {
        self.client
    }

    /// The counts of what has happened so far, per outcome.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.tally.counts()
    }

    /// Becomes true when a person asks the run to stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    pub(super) fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    pub(super) fn emit(&self, event: Event) {
        (self.sink)(Progress::Event(event));
    }

    /// Sleeps; false when the run shall stop.
    pub(super) async fn sleep_until(&mut self, at: jiff::Timestamp) -> bool {
        loop {
            let left = Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default();
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|s| *s) => return false,
                () = tokio::time::sleep(left.min(LONGEST_NAP)) => {}
            }
            if self.clock.now() >= at {
                return true;
            }
        }
    }

    /// How long a look may take at the most: `--wait` stays no longer.
    pub(super) fn look_limit(&self) -> Option<Duration> {
        let left = |until: jiff::Timestamp| {
            Duration::try_from(until.duration_since(self.clock.now())).unwrap_or_default()
        };
        match self.waits_until {
            Some(until) if self.following => Some(left(until).max(LAST_LOOK)),
            _ => self.options.wait,
        }
    }

    /// Reads within the limit that a person gave, if they gave one.
    pub(super) async fn in_time<T>(&self, read: impl Future<Output = T>) -> Option<T> {
        within(self.look_limit(), read).await
    }

    /// Nothing was read in time.
    pub(super) fn out_of_time(&self) -> Unread {
        let limit = self.options.wait.unwrap_or_default().as_secs();
        Unread::new(
            "lists",
            Hindrance::TimeLimit,
            format!("not read to their end within --timeout, {limit} s"),
        )
    }

    /// Refreshes, records what was seen, waits open calls of earlier runs out, and plans.
    pub async fn prepare(&mut self) -> Result<Plan, RunError> {
        self.find_machines(Depth::Planned).await?;
        let mut observed = self.refresh(None).await?;
        let mut plan = self.plan_on(&observed);
        // Nothing is sent on top of it, so nothing more is waited or asked for.
        if !observed.unread.is_empty() {
            return Ok(plan);
        }
        // What the look found needs no waiting, and neither does what the plan does not show.
        let unanswered =
            |a: &Address| self.state().resources.get(a).is_some_and(|r| r.open.is_some() || r.side.is_some());
        let waiting: BTreeSet<&Address> = plan
            .changes
            .iter()
            .filter(|c| matches!(c.action, Action::Wait | Action::NoOp) && unanswered(&c.address))
            .map(|c| &c.address)
            .collect();
        if let Some(until) = self.settling(&observed, |a| waiting.contains(a)) {
            (self.sink)(Progress::Settling { calls: waiting.len(), until });
            if !self.sleep_until(until).await {
                return Err(RunError::Interrupted);
            }
            observed = self.refresh(None).await?;
            plan = self.plan_on(&observed);
        }
        if !observed.unread.is_empty() {
            return Ok(plan);
        }
        let mut more = false;
        if self.scope.forecast && self.scope.refresh {
            let mut stop = self.stop.clone();
            let settings = self.settings();
            more = tokio::select! {
                biased;
                Ok(_) = stop.wait_for(|s| *s) => return Err(RunError::Interrupted),
                seen = self.in_time(list_for_reader(self.client, &plan.changes, &mut observed, &settings)) => {
                    seen.unwrap_or(Ok(false))?
                }
            };
        }
        // What was listed just now is not asked for again.
        more |= self.resolve_names(&plan, &mut observed.machines).await?;
        if more {
            plan = self.plan_on(&observed);
        }
        Ok(plan)
    }

    /// Plans on the present state.
    fn plan_on(&mut self, observed: &Observed) -> Plan {
        let settings = self.settings();
        make_plan(&self.scope, self.journal.plan_anew(), observed, &settings)
    }

    /// Gives resources that name no machine id theirs.
    pub(super) async fn find_machines(&mut self, depth: Depth) -> Result<(), RunError> {
        let mut stop = self.stop.clone();
        let (limit, late) = (self.look_limit(), self.out_of_time());
        let state = self.journal.state();
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|s| *s) => Err(RunError::Interrupted),
            found = within(limit, resolve(Some(self.client), self.clock, &mut self.scope, state, depth)) => {
                found.unwrap_or_else(|| Err(RunError::Unread(vec![late])))
            }
        }
    }

    /// Returns the resources that are planned; complete once the plan was made.
    pub fn desired(&self) -> &[Desired] {
        &self.scope.desired
    }

    /// Looks up the names of machines that a plan's guard rails need; false if it needs none.
    pub(super) async fn resolve_names(&self, plan: &Plan, machines: &mut Machines) -> Result<bool, RunError> {
        let unnamed = plan::unnamed(&plan.changes, &self.scope.settings.guards);
        if unnamed.is_empty() || !self.scope.refresh {
            return Ok(false);
        }
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|s| *s) => Err(RunError::Interrupted),
            named = self.in_time(observe_machines(self.client, &unnamed, machines)) => {
                Ok(named.unwrap_or(Ok(())).map(|()| true)?)
            }
        }
    }

    /// One refresh of a selection, its records appended.
    pub(super) async fn refresh(&mut self, only: Option<&BTreeSet<Address>>) -> Result<Observed, RunError> {
        let settings = self.settings();
        let empty = self.state().resources.is_empty() && !settings.fresh;
        let chosen = |a: &Address| match only {
            Some(only) => only.contains(a),
            None => self.scope.selected.as_ref().is_none_or(|s| s.contains(a)),
        };
        let need = plan::need(&self.scope.desired, self.state(), &chosen, &settings);
        // Whatever the flags: without a state only the service can tell what was asked before.
        let at = self.clock.now();
        let mut observed = if self.scope.refresh || empty || only.is_some() {
            let mut stop = self.stop.clone();
            tokio::select! {
                biased;
                // A read can be given up anywhere, and may be waiting for its quota.
                Ok(_) = stop.wait_for(|s| *s) => return Err(RunError::Interrupted),
                observed = self.in_time(observe(self.client, self.clock, &need)) => match observed {
                    Some(observed) => observed?,
                    None => Observed { unread: vec![self.out_of_time()], ..not_looked(settings.now) },
                },
            }
        } else {
            not_looked(settings.now)
        };
        attach_targets(&mut observed, &self.scope);
        // Who wants to look is shown the plan and what it lacks; the others have to look all the same.
        if empty && !self.scope.refresh && !observed.unread.is_empty() {
            return Err(RunError::Blind(observed.unread));
        }
        if only.is_none() && self.scope.refresh {
            self.looked = Some(at);
        }
        let records = plan::absorb(&self.scope.desired, self.state(), &observed, &settings);
        self.append(&records).await?;
        Ok(observed)
    }

    /// Appends records and tells about them; begins the journal if this is its first record.
    pub(super) async fn append(&mut self, records: &[Record]) -> Result<(), RunError> {
        if records.is_empty() {
            return Ok(());
        }
        self.begin().await?;
        if !self.journal.append(records).await? {
            // Others have recorded something about it: the next look shows it again.
            return Ok(());
        }
        let at = self.clock.now();
        for record in records {
            match record {
                Record::Observed { address, object } => {
                    self.emit(Event::Observed { at, address: address.clone(), object: object.clone() });
                }
                Record::Late { address, object, .. } => {
                    self.emit(Event::Late { at, address: address.clone(), object: object.clone() });
                }
                Record::Found { address, object, origin, .. } => {
                    let ours = *origin == Origin::Made;
                    self.emit(Event::Adopted { at, address: address.clone(), object: object.clone(), ours });
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) async fn begin(&mut self) -> Result<(), RunError> {
        let state = self.journal.state();
        let binding = &self.options.binding;
        let first = if state.lineage.is_none() {
            Record::Open {
                lineage: self.scope.settings.new_lineage.clone(),
                binding: binding.clone(),
                tool: self.options.tool.clone(),
            }
        } else {
            // What is not known of the state yet is known by now: its tenant, its project.
            let complete = Binding {
                tenant: state.binding.tenant.clone().or_else(|| binding.tenant.clone()),
                project: state.binding.project.clone().or_else(|| binding.project.clone()),
                ..state.binding.clone()
            };
            if complete == state.binding {
                return Ok(());
            }
            Record::Bound { binding: complete }
        };
        self.journal.append(&[first]).await?;
        Ok(())
    }

    /// Calls without an outcome, and when a look at the service tells what became of them.
    pub(super) fn open_calls(
        &self,
        settings: &Settings,
    ) -> impl Iterator<Item = (&Address, jiff::Timestamp)> {
        self.state().resources.iter().filter_map(|(a, r)| {
            let open = r.open.as_ref().map(|o| settings.settled_at(&o.attempt));
            let side = r.side.as_ref().map(|s| settings.side_settled_at(s));
            Some((a, open.max(side)?))
        })
    }

    /// When every open call of the chosen ones can be called absent, if this refresh came too early for
    /// that; `None` if there is nothing to wait for.
    pub(super) fn settling(
        &self,
        observed: &Observed,
        chosen: impl Fn(&Address) -> bool,
    ) -> Option<jiff::Timestamp> {
        let settings = self.settings();
        let open = self.open_calls(&settings).filter(|(a, _)| chosen(a));
        open.map(|(_, settled_at)| settled_at).filter(|t| observed.at < *t).max()
    }

    /// Carries an approved plan out. Execution makes no choices: what is not in the plan is not sent.
    pub async fn carry_out(&mut self, approved: &Plan) -> Result<Report, RunError> {
        let approve = |(c, call): (&Change, &PlannedCall)| {
            let follow_up = call.follow_up.as_deref().cloned();
            (c.address.clone(), Approved { call: call.request().clone(), follow_up })
        };
        let calls: HashMap<Address, Approved> = approved.calls().map(approve).collect();
        self.emit(Event::Planned {
            at: self.clock.now(),
            digest: approved.digest,
            summary: approved.summary(),
        });
        (self.sink)(Progress::Started { calls: approved.requests().count() });
        self.waits_until = self.options.wait.map(|limit| self.clock.now() + limit);
        self.record_rows(approved).await?;
        let jobs = approved.changes.iter().filter_map(|c| Job::of(c, self.state())).collect();
        let mut round = Round {
            approved: &calls,
            digest: approved.digest,
            ends: HashMap::new(),
            resent: BTreeSet::new(),
            held: Vec::new(),
        };
        self.execute(jobs, &mut round).await?;
        self.look_up_unknown(&mut round).await?;
        self.look_behind(approved, &round).await?;
        while self.release(&mut round).await? {
            self.look_up_unknown(&mut round).await?;
        }
        let timed_out = match self.options.wait {
            Some(limit) => !self.follow(approved, &mut round, limit).await?,
            None => false,
        };
        Ok(self.report(approved, &round, timed_out))
    }

    /// Appends what the rows without a call record.
    pub(super) async fn record_rows(&mut self, plan: &Plan) -> Result<(), RunError> {
        let rows = plan.changes.iter().filter(|c| c.call.is_none());
        let records: Vec<Record> = rows.flat_map(|c| c.records.iter().cloned()).collect();
        self.append(&records).await?;
        // `casefile import` says by itself what it took over.
        for record in records {
            if let Record::Imported { address, object, .. } = record {
                self.emit(Event::Adopted { at: self.clock.now(), address, object, ours: false });
            }
        }
        Ok(())
    }

    /// Writes the snapshot of a run that ends without a summary.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        self.journal.commit().await
    }

    /// Tells the summary of a run that an error broke off.
    pub fn abort(&self, approved: &Plan, exit_code: u8) {
        let begun = self.tally.begun();
        self.emit(Event::Summary {
            at: self.clock.now(),
            counts: self.tally.counts(),
            attention: Vec::new(),
            left: approved.calls().filter(|(c, _)| !begun.contains(&c.address)).count(),
            exit_code,
        });
    }

    /// Writes the snapshot and tells the summary. Call it however the run ended.
    pub async fn close(&mut self, report: &Report) -> Result<(), StoreError> {
        let committed = self.journal.commit().await;
        self.emit(Event::Summary {
            at: self.clock.now(),
            counts: report.counts.clone(),
            attention: report.attention.clone(),
            left: report.left,
            exit_code: report.exit_code(),
        });
        committed
    }
}
