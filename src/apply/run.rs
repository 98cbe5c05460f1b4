//! One `apply` from the loaded state to the summary: refresh, plan, carry out, settle, follow.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::event::{Event, Progress};
use super::execute::{Again, End, Executed, Executor, Job};
use super::follow::within;
use super::held::{Approved, Round};
use super::ledger::Ledger;
use super::preview::{check_binding, foresee, know, make_plan, not_looked, words};
use super::tally::Tally;
use super::targets::{Depth, Lookups, Mistyped, resolve, unresolved};
use crate::defender::auth::AuthError;
use crate::defender::{Client, Clock, Endpoint, LONGEST_NAP, Quotas};
use crate::model::{Address, Desired, Kind};
use crate::observe::{observe, observe_machines};
use crate::plan::targets::TargetError;
use crate::plan::{
    self, Action, Change, Input, Machines, Need, Observed, Plan, PlanWarning, PlannedCall, SavedPlan,
    Settings, Stale, Unread,
};
use crate::state::{Binding, CallAction, Origin, Phase, Record, Resource, Spent, State, Store, StoreError};

/// Who is told what happens, while it happens.
pub type Sink = Arc<dyn Fn(Progress) + Send + Sync>;

/// What is planned: manifests, selection, settings.
pub struct Scope {
    /// Every declared resource of the project, by address.
    pub desired: Vec<Desired>,
    /// Which of them are planned; `None`: the whole project.
    pub selected: Option<BTreeSet<Address>>,
    /// `--replace`.
    pub replace: BTreeSet<Address>,
    /// Settings; `now` and `lock_at` are set anew for each plan.
    pub settings: Settings,
    /// Whether the service is asked before planning.
    pub refresh: bool,
    /// Whether a person reads the plan: what they want to know of its machines is listed then.
    pub forecast: bool,
    /// Resources whose machines are still to be found; they become part of the above before planning.
    pub lookups: Lookups,
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No token: nothing can be looked at or sent.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The journal cannot be written: nothing more is sent.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// The state belongs to another cloud or tenant.
    #[error("the state belongs to {state}, this run to {run}")]
    OtherTenant {
        /// Whose the state is.
        state: String,
        /// Whose the run is.
        run: String,
    },
    /// The state belongs to a project of another name.
    #[error("the state belongs to the project {state}, this run is of {project}")]
    OtherProject {
        /// The name that the state remembers.
        state: String,
        /// The name of the run's project.
        project: String,
    },
    /// An empty state, and the list that would show whether it was lost cannot be read.
    #[error("the state is empty, and what would show earlier actions cannot be read: {}", reasons(.0))]
    Blind(Vec<Unread>),
    /// The run has to see something that cannot be read.
    #[error("what has to be seen cannot be read: {}", reasons(.0))]
    Unread(Vec<Unread>),
    /// A refresh contradicted the state.
    #[error("the refresh does not fit the state: {0}")]
    Fold(#[from] crate::state::FoldError),
    /// A saved plan does not fit the state any more, or never did.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// A saved plan was made for another cloud or tenant.
    #[error("the plan was made for {plan}, this run is for {run}")]
    OtherPlace {
        /// What the plan looked at.
        plan: String,
        /// Whose the run is.
        run: String,
    },
    /// What manifests name machines by means none, several, or could not be looked up.
    #[error("{}", unresolved(.0))]
    Unresolved(Vec<TargetError>),
    /// What was typed means no resource.
    #[error(transparent)]
    Mistyped(#[from] Mistyped),
    /// A person asked the run to stop before anything was sent.
    #[error("interrupted")]
    Interrupted,
}

/// Reasons in one line.
fn reasons(unread: &[Unread]) -> String {
    let one = |u: &Unread| {
        let what: Vec<&str> = u.what.iter().copied().collect();
        format!("{}: {}", what.join(", "), u.why)
    };
    unread.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// How a run is carried out.
#[derive(Clone, Debug)]
pub struct Options {
    /// Calls at once.
    pub parallelism: usize,
    /// `--wait`: follow collections to their end, at most so long.
    pub wait: Option<Duration>,
    /// `--strict`: `exhausted` and `differs` rows fail the run.
    pub strict: bool,
    /// Who writes: unique per process.
    pub runner: String,
    /// Written into a new journal: `casefile/<version>`.
    pub tool: String,
    /// Whose run this is.
    pub binding: Binding,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Counts per outcome.
    pub counts: BTreeMap<String, usize>,
    /// Resources that need a person.
    pub attention: Vec<Address>,
    /// Approved calls that were not made.
    pub left: usize,
    /// What failed, as far as it fails the run.
    pub failed: bool,
    /// `--wait` ran out of time.
    pub timed_out: bool,
    /// A signal stopped the run.
    pub interrupted: bool,
}

impl Report {
    /// As in `docs/cli.md`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Report { interrupted: true, .. } => 130,
            Report { failed: true, .. } => 1,
            Report { timed_out: true, .. } => 3,
            _ => 0,
        }
    }
}

/// Counts the calls of earlier runs: they share the service's hour.
fn seed(quotas: &Quotas, spent: &[Spent]) {
    for s in spent {
        let endpoint = match (s.action, s.kind) {
            (CallAction::Cancel, _) => Endpoint::CancelAction,
            (CallAction::Update | CallAction::Resolve, _) => Endpoint::PatchAlert,
            (_, Kind::InvestigationPackage) => Endpoint::Collect,
            (_, Kind::Alert) => Endpoint::CreateAlert,
        };
        quotas.seed(endpoint, s.at, s.blocked_until);
    }
}

/// A run that holds the state's lock.
pub struct Run<'a> {
    pub(super) client: &'a Client,
    pub(super) clock: &'a Clock,
    pub(super) scope: Scope,
    pub(super) options: Options,
    ledger: Ledger,
    pub(super) sink: Sink,
    tally: Arc<Tally>,
    stop: watch::Receiver<bool>,
    lock_at: jiff::Timestamp,
    unreachable: Arc<AtomicBool>,
    /// When everything that is planned was looked at last.
    looked: Option<jiff::Timestamp>,
    /// Endpoints of which the run has told that they take no more calls.
    stopped: Mutex<BTreeSet<Endpoint>>,
    /// When `--wait` ends, once the calls are sent.
    pub(super) waits_until: Option<jiff::Timestamp>,
    /// Everything is sent, and collections are followed to their end.
    pub(super) following: bool,
}

impl<'a> Run<'a> {
    /// Takes a store that is open for writing, its lock taken at `lock_at` by `clock`.
    #[expect(clippy::too_many_arguments, reason = "the parts of a run, each of its own kind")]
    pub fn new(
        client: &'a Client,
        clock: &'a Clock,
        mut scope: Scope,
        options: Options,
        mut store: Box<dyn Store>,
        lock_at: jiff::Timestamp,
        sink: Sink,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, RunError> {
        check_binding(&store.state().binding, &options.binding)?;
        let spent = store.spent(Spent::since(lock_at)).map_err(Arc::new)?;
        scope.settings.spent = spent.into_iter().map(|s| s.by(lock_at)).collect();
        seed(client.quotas(), &scope.settings.spent);
        let tally = Arc::new(Tally::default());
        let counted = {
            let (tally, sink) = (tally.clone(), sink);
            Arc::new(move |p: Progress| {
                tally.count(&p);
                sink(p);
            }) as Sink
        };
        Ok(Run {
            client,
            clock,
            scope,
            options,
            ledger: Ledger::new(store, clock.clone()),
            sink: counted,
            tally,
            stop,
            lock_at,
            unreachable: Arc::new(AtomicBool::new(false)),
            looked: None,
            stopped: Mutex::default(),
            waits_until: None,
            following: false,
        })
    }

    /// The state as of the last record.
    pub fn state(&self) -> &State {
        self.ledger.state()
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            now: self.clock.now(),
            lock_at: Some(self.lock_at),
            runner: Some(self.options.runner.clone()),
            service_ahead: self.client.server_offset().map(|o| o.least()),
            ..self.scope.settings.clone()
        }
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

    /// Refreshes, records what was seen, waits open calls of earlier runs out, and plans.
    pub async fn prepare(&mut self) -> Result<Plan, RunError> {
        self.find_machines(Depth::Planned).await?;
        let mut observed = self.look(None).await?;
        let mut plan = make_plan(&self.scope, self.state(), &observed, &self.settings());
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
            .filter(|c| matches!(c.action, Action::Wait | Action::None) && unanswered(&c.address))
            .map(|c| &c.address)
            .collect();
        if let Some(until) = self.settling(&observed, |a| waiting.contains(a)) {
            (self.sink)(Progress::Settling { calls: waiting.len(), until });
            if !self.sleep_until(until).await {
                return Err(RunError::Interrupted);
            }
            observed = self.look(None).await?;
            plan = make_plan(&self.scope, self.state(), &observed, &self.settings());
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
                seen = self.in_time(foresee(self.client, &plan.changes, &mut observed, &settings)) => {
                    seen.unwrap_or(Ok(false))?
                }
            };
        }
        // What was listed just now is not asked for again.
        more |= self.name(&plan, &mut observed.machines).await?;
        if more {
            plan = make_plan(&self.scope, self.state(), &observed, &self.settings());
        }
        Ok(plan)
    }

    /// Gives resources that name no machine id theirs.
    pub(super) async fn find_machines(&mut self, depth: Depth) -> Result<(), RunError> {
        let mut stop = self.stop.clone();
        let (limit, late) = (self.look_limit(), self.out_of_time());
        let state = self.ledger.state();
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|s| *s) => Err(RunError::Interrupted),
            found = within(limit, resolve(Some(self.client), self.clock, &mut self.scope, state, depth)) => {
                found.unwrap_or_else(|| Err(RunError::Unread(vec![late])))
            }
        }
    }

    /// What is planned; complete once the plan was made.
    pub fn desired(&self) -> &[Desired] {
        &self.scope.desired
    }

    /// Looks up the names of machines that a plan's guard rails need; false if it needs none.
    async fn name(&self, plan: &Plan, machines: &mut Machines) -> Result<bool, RunError> {
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

    /// Takes a saved plan up: gives what of it is left to do on this state. The service is asked only
    /// where there is no state, whether that was lost.
    pub async fn take_up(&mut self, saved: &SavedPlan) -> Result<Plan, RunError> {
        let (made_for, run) = (&saved.execution.binding, &self.options.binding);
        match check_binding(made_for, run) {
            Ok(()) => {}
            Err(RunError::OtherProject { state, project }) => {
                let [plan, run] = [state, project].map(|name| format!("the project {name}"));
                return Err(RunError::OtherPlace { plan, run });
            }
            Err(_) => return Err(RunError::OtherPlace { plan: words(made_for), run: words(run) }),
        }
        let mut remaining = saved.remaining(self.state())?;
        self.compare(&mut remaining).await?;
        let settings = &self.scope.settings;
        let over = plan::over_limits(&remaining.changes, &settings.limits, &saved.plan.changes);
        remaining.warnings.extend(over);
        let mut machines = Machines::default();
        self.name(&remaining, &mut machines).await?;
        plan::guard::guard(&mut remaining.changes, &settings.guards, &machines);
        Ok(remaining)
    }

    /// Compares what a saved plan creates with what the service shows by now: something else may have made it since.
    async fn compare(&mut self, remaining: &mut Plan) -> Result<(), RunError> {
        let empty = self.state().resources.is_empty();
        let state = self.state();
        let asked = |a: &Address| remaining.changes.iter().any(|c| c.address == *a && c.call.is_some());
        let new = self.scope.desired.iter().filter(|d| asked(&d.address));
        let new = new.filter(|d| plan::asks_by_itself(d, state.resources.get(&d.address)));
        let new: BTreeSet<Address> = new.map(|d| d.address.clone()).collect();
        if new.is_empty() || empty && self.scope.settings.fresh {
            return Ok(());
        }
        let settings = self.settings();
        // Nothing of it is recorded: what the plan's own look saw is part of its rows.
        let need = plan::need(&self.scope.desired, state, &|a| new.contains(a), &settings);
        let mut stop = self.stop.clone();
        let mut observed = tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|s| *s) => return Err(RunError::Interrupted),
            observed = observe(self.client, self.clock, &need) => observed?,
        };
        know(&mut observed, &self.scope);
        if !observed.unread.is_empty() {
            let unread = observed.unread;
            return Err(if empty { RunError::Blind(unread) } else { RunError::Unread(unread) });
        }
        let now = make_plan(&self.scope, self.state(), &observed, &settings);
        let saved = |a: &Address| remaining.changes.iter().find(|c| c.address == *a);
        let since = now.changes.iter().filter(|c| new.contains(&c.address)).filter_map(|c| {
            let ids = plan::unexpected(&c.look_alikes, &saved(&c.address)?.look_alikes);
            let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
            (!ids.is_empty()).then(|| (c.address.clone(), ids))
        });
        let since: Vec<(Address, Vec<String>)> = since.collect();
        if !since.is_empty() {
            return Err(Stale::MadeSince(since).into());
        }
        let lost = now.warnings.into_iter().filter(|w| matches!(w, PlanWarning::LookAlikes { .. }));
        remaining.warnings.extend(lost);
        Ok(())
    }

    /// One refresh of a selection, its records appended.
    pub(super) async fn look(&mut self, only: Option<&BTreeSet<Address>>) -> Result<Observed, RunError> {
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
        know(&mut observed, &self.scope);
        // Who wants to look is shown the plan and what it lacks; the others have to look all the same.
        if empty && !self.scope.refresh && !observed.unread.is_empty() {
            return Err(RunError::Blind(observed.unread));
        }
        if only.is_none() && self.scope.refresh {
            self.looked = Some(at);
        }
        let records = plan::absorb(&self.scope.desired, self.state(), &observed, &settings);
        self.append(&records)?;
        Ok(observed)
    }

    /// Appends records and tells about them; begins the journal if this is its first record.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), RunError> {
        if records.is_empty() {
            return Ok(());
        }
        self.begin()?;
        self.ledger.append(records)?;
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

    fn begin(&mut self) -> Result<(), RunError> {
        let state = self.ledger.state();
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
        self.ledger.append(&[first])?;
        Ok(())
    }

    /// Calls without an outcome, and when a look at the service tells what became of them.
    fn open_calls(&self, settings: &Settings) -> impl Iterator<Item = (&Address, jiff::Timestamp)> {
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
        self.record_rows(approved)?;
        let jobs = approved.changes.iter().filter_map(|c| Job::of(c, self.state())).collect();
        let mut round = Round {
            approved: &calls,
            digest: approved.digest,
            ends: HashMap::new(),
            resent: BTreeSet::new(),
            held: Vec::new(),
        };
        self.execute(jobs, &mut round).await?;
        self.settle(&mut round).await?;
        self.look_behind(approved, &round).await?;
        while self.release(&mut round).await? {
            self.settle(&mut round).await?;
        }
        let timed_out = match self.options.wait {
            Some(limit) => !self.follow(approved, &mut round, limit).await?,
            None => false,
        };
        Ok(self.report(approved, &round, timed_out))
    }

    /// Appends what the rows without a call record.
    fn record_rows(&mut self, plan: &Plan) -> Result<(), RunError> {
        let rows = plan.changes.iter().filter(|c| c.call.is_none());
        let records: Vec<Record> = rows.flat_map(|c| c.records.iter().cloned()).collect();
        self.append(&records)
    }

    /// Returns whether a call was begun.
    pub(super) async fn execute(&mut self, jobs: Vec<Job>, round: &mut Round<'_>) -> Result<bool, RunError> {
        if jobs.is_empty() || self.stopped() {
            return Ok(false);
        }
        self.begin()?;
        let again = Again {
            desired: &self.scope.desired,
            need: self.need_of_doubtful(&jobs),
            settings: self.settings(),
            last: tokio::sync::Mutex::new(None),
        };
        let (desk, service) = Ledger::desk();
        let (halt, halted) = watch::channel(self.stopped());
        let executor = Executor {
            client: self.client,
            desk,
            clock: self.clock,
            sink: &self.sink,
            stop: halted,
            asked: self.stop.clone(),
            plan: round.digest,
            runner: &self.options.runner,
            settle: self.scope.settings.recovery.settle.get(),
            parallelism: self.options.parallelism,
            again,
            unreachable: self.unreachable.clone(),
            looked: self.looked,
            waits_until: self.waits_until,
            stopped: &self.stopped,
        };
        let mut stop = self.stop.clone();
        let relay = async {
            // Ends with the executor; a stop is passed on, and so is a failed write.
            let _ = stop.wait_for(|s| *s).await;
            let _ = halt.send(true);
            std::future::pending::<()>().await;
        };
        let work = async move {
            // The desk goes with the executor, and the service ends.
            let ends = executor.execute(jobs).await;
            drop(executor);
            ends
        };
        let serve = self.ledger.serve(service, || {
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

    /// What the jobs that repeat an unanswered call look at before they do.
    fn need_of_doubtful(&self, jobs: &[Job]) -> Need {
        let doubtful: BTreeSet<&Address> = jobs.iter().filter(|j| j.doubtful).map(|j| &j.address).collect();
        if doubtful.is_empty() {
            return Need::default();
        }
        plan::need(&self.scope.desired, self.state(), &|a| doubtful.contains(a), &self.settings())
    }

    /// Looks this run's unknown and busy calls up until each is known: at once, after the settle time,
    /// and after the one repetition that `recovery.onUnknown: resend` allows.
    pub(super) async fn settle(&mut self, round: &mut Round<'_>) -> Result<(), RunError> {
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
            let observed = match self.look(Some(&doubtful)).await {
                Err(RunError::Interrupted) => return Ok(()),
                observed => observed?,
            };
            let open_before = self.settling(&observed, |a| doubtful.contains(a));
            let stale: Vec<Address> =
                doubtful.iter().filter(|a| round.ends.get(*a) == Some(&End::Stale)).cloned().collect();
            for a in &stale {
                round.ends.remove(a);
            }
            let sent = self.go_on(&doubtful, &observed, round, false).await?;
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
    pub(super) async fn go_on(
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
            state: self.state(),
            observed,
            settings: &settings,
        });
        self.record_rows(&plan)?;
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

    fn report(&self, approved: &Plan, round: &Round<'_>, timed_out: bool) -> Report {
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
        failed |= left > self.patient(round) || self.ledger.failure().is_some();
        Report {
            counts: self.tally.counts(),
            attention,
            left,
            failed,
            timed_out,
            interrupted: self.stopped(),
        }
    }

    /// Writes the snapshot of a run that ends without a summary.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.ledger.commit()
    }

    /// Tells the summary of a run that an error broke off.
    pub fn break_off(&self, approved: &Plan, exit_code: u8) {
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
    pub fn close(&mut self, report: &Report) -> Result<(), StoreError> {
        let committed = self.ledger.commit();
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
