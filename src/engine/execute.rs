//! Sends the calls of a plan: quota slot, intent, check, call, outcome; in this order, every time.
//!
//! Calls to one machine go one after another in address order, but for those that depend on something: they go
//! once it is there. Machines go side by side, at most `parallelism` calls at once, and an endpoint never waits for
//! the quota of another one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::accepted::{accepted, object_of};
use super::event::{Event, Progress};
use super::job::{End, Job};
use super::journal_writer::{JournalHandle, View};
use super::queues::Queues;
use super::refresh::observe;
use super::report::{Options, Sink};
use crate::defender::auth::AuthError;
use crate::defender::{
    Accepted, Answer, ApiError, Client, Clock, Endpoint, LONGEST_RETRY, Next, NotSent, Slot,
};
use crate::model::{Address, Alert, Dependency, Desired, PlanDigest, filled};
use crate::plan::{Need, Observed, PlannedId, Settings, id_of, is_met, still_absent, undoes_nothing};
use crate::state::{CallAction, Intent, Outcome, Pace, Record, Refusal, Seq, State, StoreError};

/// How long an intent may be sent after it was written: an older one is not sent any more.
pub const SEND_WITHIN: Duration = Duration::from_secs(10);

/// So many intents of one endpoint may be recorded ahead of their calls, where the journal is slower than the service.
const AHEAD: usize = 256;

/// How often a call that found no connection is tried before its resource is left to the next run, unless the client
/// waits an outage out.
const CONNECT_TRIES: u32 = 3;

/// How often the triage of a new alert is sent, with pauses that double from two seconds: half a minute in all.
const LOOKS_FOR_NEW: u32 = 5;

/// How often a call may meet a used-up quota or come too late for its `sendBy` in one run.
const MOST_TRIES: u32 = 100;

/// What became of jobs.
#[derive(Debug)]
pub struct Executed {
    /// How each call ended.
    pub ends: Vec<(Address, End)>,
    /// Jobs that depend on what is not there, and were not begun.
    pub held: Vec<Job>,
}

/// What the executor needs besides the jobs.
pub struct Executor<'a> {
    /// The service.
    pub client: &'a Client,
    /// The journal.
    pub journal: JournalHandle,
    /// Our clock.
    pub clock: &'a Clock,
    /// Who wants to know.
    pub sink: &'a Sink,
    /// Set when the run shall stop; wakes what waits.
    pub stop: watch::Receiver<bool>,
    /// Set when a person asks for that: counts at once, before it is passed on.
    pub asked: watch::Receiver<bool>,
    /// The plan that is carried out.
    pub plan: PlanDigest,
    /// How the run is carried out.
    pub options: &'a Options,
    /// `recovery.settle`.
    pub settle: Duration,
    /// For jobs whose earlier call has no answer.
    pub again: Again<'a>,
    /// The service cannot be reached, or no token can be had: nothing more is tried.
    pub unreachable: Arc<AtomicBool>,
    /// When all that the plan is about was looked at last.
    pub looked: Option<jiff::Timestamp>,
    /// Until when a block by the service is waited out, by our clock: the end of `--wait`.
    pub waits_until: Option<jiff::Timestamp>,
    /// Endpoints of which the run has told that they take no more calls.
    pub stopped: &'a Mutex<BTreeSet<Endpoint>>,
    /// How fast the journal takes records, if others share it.
    pub pace: Option<Pace>,
}

/// What is looked at once more before a call is made again.
pub struct Again<'a> {
    /// Every declared resource, by address.
    pub desired: &'a [Desired],
    /// What all doubtful jobs need to see.
    pub need: Need,
    /// The run's settings.
    pub settings: Settings,
    /// The last such look. One serves all jobs that come up while it is fresh.
    pub last: tokio::sync::Mutex<Option<Arc<Observed>>>,
}

impl Again<'_> {
    async fn look(&self, client: &Client, clock: &Clock) -> Result<Arc<Observed>, AuthError> {
        let mut last = self.last.lock().await;
        if let Some(observed) = last.as_ref().filter(|o| clock.now() < o.at + SEND_WITHIN) {
            return Ok(observed.clone());
        }
        let observed = Arc::new(observe(client, clock, &self.need).await?);
        *last = Some(observed.clone());
        Ok(observed)
    }
}

impl Executor<'_> {
    /// Sends all jobs. The ends are in no particular order. Jobs that were held back have none; those of them
    /// that wait for what they depend on alone are given back.
    pub async fn execute(&self, jobs: Vec<Job>) -> Result<Executed, Arc<StoreError>> {
        let mut queues = Queues::new(jobs);
        let asked = queues.asked();
        queues.start(self.met(asked).await?);
        let permits = Semaphore::new(self.options.parallelism.max(1));
        let mut under_way: BTreeMap<Endpoint, usize> = BTreeMap::new();
        let mut running = FuturesUnordered::new();
        let mut ends = Vec::new();
        let mut failure = None;
        loop {
            let halted = self.halted() || failure.is_some() || self.unreachable.load(Ordering::Relaxed);
            if !halted {
                for endpoint in queues.endpoints() {
                    if queues.has_next(endpoint) && self.is_stopped(endpoint) {
                        continue;
                    }
                    let busy = under_way.entry(endpoint).or_default();
                    while *busy < self.begun_at_once()
                        && let Some((machine, job)) = queues.next(endpoint)
                    {
                        *busy += 1;
                        let permits = &permits;
                        running.push(async move {
                            let address = job.address.clone();
                            (endpoint, machine, address, self.carry_out(job, permits).await)
                        });
                    }
                }
            }
            let Some((endpoint, machine, address, end)) = running.next().await else { break };
            *under_way.entry(endpoint).or_default() -= 1;
            match end {
                Ok((end, Some(follow_up))) => {
                    let asked = queues.ended(&address);
                    match self.met(asked).await {
                        Ok(met) => queues.learn(met),
                        Err(e) => failure = Some(e),
                    }
                    // The machine's turn goes on. Until the second call has ended, it counts as not sent.
                    debug_assert_eq!(end, End::Done);
                    ends.push((address, End::NotSent));
                    queues.follow(machine, follow_up);
                }
                Ok((end, None)) => {
                    let asked = queues.ended(&address);
                    if matches!(end, End::Stale | End::NotSent | End::Overtaken) {
                        // What is recorded is what was there before.
                        queues.learn(asked.into_iter().map(|d| (d, false)).collect());
                    } else {
                        match self.met(asked).await {
                            Ok(met) => queues.learn(met),
                            Err(e) => failure = Some(e),
                        }
                    }
                    // If the first call to a machine is unknown or refused, the second one waits. An update of an
                    // alert tells nothing of the machine.
                    if matches!(end, End::Done | End::Busy | End::Overtaken)
                        || endpoint == Endpoint::PatchAlert
                    {
                        queues.free(machine);
                    }
                    ends.push((address, end));
                }
                Err(e) => failure = Some(e),
            }
        }
        match failure {
            Some(e) => Err(e),
            None => Ok(Executed { ends, held: queues.held() }),
        }
    }

    /// Returns how many calls of one endpoint are begun at once. A shared journal takes the intents of many together;
    /// no more than `parallelism` calls leave at once all the same.
    fn begun_at_once(&self) -> usize {
        self.pace.map_or(self.options.parallelism.max(1), |_| AHEAD)
    }

    /// How long after its intent a call may leave.
    fn send_within(&self) -> Duration {
        self.pace.map_or(SEND_WITHIN, |pace| pace.send_within().max(SEND_WITHIN))
    }

    fn halted(&self) -> bool {
        *self.stop.borrow() || *self.asked.borrow()
    }

    /// Returns whether no more calls of this kind are made: the service denies them, or takes none for longer than this
    /// run waits. Tells so once.
    fn is_stopped(&self, endpoint: Endpoint) -> bool {
        let quotas = self.client.quotas();
        let denial = quotas.closed(endpoint);
        let block = quotas.long_block(endpoint).filter(|until| !self.waits(*until));
        if denial.is_none() && block.is_none() {
            return false;
        }
        if self.stopped.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint) {
            self.emit(Event::Stopped {
                at: self.clock.now(),
                quota: endpoint.quota_name().to_owned(),
                permission: denial
                    .as_ref()
                    .map_or_else(|| endpoint.permission(), |e| e.permission(endpoint))
                    .to_owned(),
                error: denial.as_ref().map(refusal),
                until: block.filter(|_| denial.is_none()),
            });
        }
        true
    }

    /// Returns whether a block by the service that ends then is waited out.
    fn waits(&self, until: jiff::Timestamp) -> bool {
        self.waits_until.is_some_and(|end| until <= end)
    }

    /// Which of these are there, by what is recorded.
    async fn met(&self, asked: Vec<Dependency>) -> Result<Vec<(Dependency, bool)>, Arc<StoreError>> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.journal
            .record(move |view| {
                let met = |d: &Dependency| is_met(view.resource(&d.address), d.until);
                // Nobody waits only if the run has ended.
                let _ = reply.send(asked.into_iter().map(|d| (d.clone(), met(&d))).collect());
                Vec::new()
            })
            .await?;
        Ok(answer.await.unwrap_or_default())
    }

    /// Sends one call. With its end comes the call that follows from it.
    async fn carry_out(&self, job: Job, permits: &Semaphore) -> Result<(End, Option<Job>), Arc<StoreError>> {
        let mut created = None;
        let end = self.send(&job, permits, &mut created).await?;
        let follow_up =
            created.filter(|_| end == End::Done).and_then(|alert| job.follow_up(&alert, self.clock.now()));
        Ok((end, follow_up))
    }

    /// Sends one call; `created` is the alert that it creates.
    async fn send(
        &self,
        job: &Job,
        permits: &Semaphore,
        created: &mut Option<Box<Alert>>,
    ) -> Result<End, Arc<StoreError>> {
        let mut alert = job.seen.clone();
        let mut records = job.records.clone();
        let (mut connects, mut unknown_yet) = (0, 0);
        let mut lost_at = None;
        for _ in 0..MOST_TRIES {
            let Some(ready) = self.make_ready(job, &mut alert, permits).await else {
                return Ok(End::NotSent);
            };
            let Ready { slot, seen, server_at, permit } = ready;
            let shown = alert.as_ref().map(|(_, alert)| alert.clone());
            let intended = self.intend(job, std::mem::take(&mut records), seen, shown, server_at).await?;
            let intended = match intended {
                Ok(intended) => intended,
                Err(NotIntended::Seen) => return Ok(End::Stale),
                Err(NotIntended::Overtaken) => {
                    self.unsent(job, "somebody else has changed the alert since this was planned".to_owned());
                    return Ok(End::Overtaken);
                }
                Err(NotIntended::Id(why)) => {
                    self.unsent(job, why);
                    return Ok(End::NotSent);
                }
            };
            let Intended { job: sent, attempt, deadline, .. } = &intended;
            let (address, action, attempt) = (sent.address.clone(), sent.action, *attempt);
            self.emit(Event::Intent { at: self.clock.now(), address, action, attempt });
            let permit = match permit {
                Some(permit) => Some(permit),
                None => self.turn(&slot, permits).await,
            };
            let check = || self.may_leave(*deadline);
            let answer = self.client.mutate(sent.call.request(), slot, check).await;
            // A shared journal takes its time for the outcome; another call may leave meanwhile.
            let _permit = permit.filter(|_| self.pace.is_none());
            if let Answer::Accepted { object: Accepted::Alert(alert), .. } = &answer {
                *created = Some(alert.clone());
            }
            let early = is_early(job, &answer);
            match self.conclude(&intended, answer).await? {
                Follow::End(end) => return Ok(end),
                Follow::Again if early => {
                    unknown_yet += 1;
                    let pause = Duration::from_secs(1 << unknown_yet);
                    if unknown_yet == LOOKS_FOR_NEW || !self.pause(pause).await {
                        return Ok(End::NotSent);
                    }
                }
                Follow::Again => {}
                Follow::Reconnect { lasting } => {
                    connects += 1;
                    let since = *lost_at.get_or_insert(self.clock.now());
                    if lasting || connects >= CONNECT_TRIES && !self.client.outlasts(since) {
                        // Nobody else will get through either.
                        self.unreachable.store(true, Ordering::Relaxed);
                        return Ok(End::NotSent);
                    }
                    let pause = Duration::from_secs(1 << (connects - 1).min(6)).min(LONGEST_RETRY);
                    if !self.pause(pause).await {
                        return Ok(End::NotSent);
                    }
                }
            }
        }
        Ok(End::NotSent)
    }

    /// Asked when nothing but the connection stands between a call and the service: whether it may still leave, and if
    /// not, why. `deadline` is its intent's, by our clock and by the wall clock.
    fn may_leave(&self, deadline: (jiff::Timestamp, jiff::Timestamp)) -> Result<(), String> {
        let in_time = self.clock.now() <= deadline.0 && self.clock.wall() <= deadline.1;
        if !in_time {
            return Err(format!("its intent was older than {} s", self.send_within().as_secs()));
        }
        // Only a turn that was waited for can have been given up.
        if self.pace.is_some() && self.halted() { Err("the run is stopping".to_owned()) } else { Ok(()) }
    }

    /// Waits for all that a call needs before its intent is recorded. `None` if it is not to be sent: the run stops,
    /// or what is missing was told.
    async fn make_ready<'p>(
        &self,
        job: &Job,
        alert: &mut Option<(jiff::Timestamp, Box<Alert>)>,
        permits: &'p Semaphore,
    ) -> Option<Ready<'p>> {
        let endpoint = job.endpoint();
        let slot = self.slot(endpoint).await?;
        // The semaphore is never closed.
        let permit = match self.pace {
            None => Some(permits.acquire().await.ok()?),
            Some(_) => None,
        };
        let mut stop = self.stop.clone();
        let token = tokio::select! {
            biased;
            _ = stop.wait_for(|s| *s) => return None,
            token = self.client.token() => token,
        };
        if let Err(e) = token {
            self.unreachable.store(true, Ordering::Relaxed);
            self.unsent(job, e.to_string());
            return None;
        }
        let seen = match job.doubtful {
            true => Some(self.look_again().await?),
            false => None,
        };
        if let Err(why) = self.look_at_alert(job, alert).await {
            self.unsent(job, why);
            return None;
        }
        let Some(server_at) = self.server_time().await else {
            if !self.halted() {
                self.unreachable.store(true, Ordering::Relaxed);
                self.unsent(job, "no answer of the service has told its time".to_owned());
            }
            return None;
        };
        let goes = !self.halted() && !self.is_stopped(endpoint);
        goes.then_some(Ready { slot, seen, server_at, permit })
    }

    /// Waits until a call whose intent is recorded may leave: its slot has fallen free, and fewer calls than `parallelism`
    /// are under way. `None` when the run stops.
    async fn turn<'p>(&self, slot: &Slot, permits: &'p Semaphore) -> Option<SemaphorePermit<'p>> {
        let mut stop = self.stop.clone();
        let turn = async {
            let wait = Duration::try_from(slot.leaves_at().duration_since(self.clock.now()));
            tokio::time::sleep(wait.unwrap_or_default()).await;
            permits.acquire().await.ok()
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|s| *s) => None,
            permit = turn => permit,
        }
    }

    /// Waits for a quota slot; `None` when the run stops, or makes no more calls of this kind.
    async fn slot(&self, endpoint: Endpoint) -> Option<Slot> {
        if self.is_stopped(endpoint) {
            return None;
        }
        if let Next::At(until) = self.client.quotas().next(endpoint) {
            (self.sink)(Progress::WaitingForQuota { quota: endpoint.quota_name(), until });
        }
        let lead = self.pace.map_or(Duration::ZERO, Pace::lead);
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|s| *s) => None,
            () = self.client.quotas().until_stopped(endpoint, |until| self.waits(until)) => {
                self.is_stopped(endpoint);
                None
            }
            slot = self.client.quotas().take_ahead(endpoint, lead) => Some(slot),
        }
    }

    /// Looks for earlier calls of the doubtful; `None` when the run stops or has no token.
    async fn look_again(&self) -> Option<Arc<Observed>> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|s| *s) => None,
            seen = self.again.look(self.client, self.clock) => seen.ok(),
        }
    }

    /// The service's time, for an intent: the least that it can be. `None` if it is not known, or when the run
    /// stops.
    async fn server_time(&self) -> Option<jiff::Timestamp> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|s| *s) => None,
            () = self.client.learn_server_time() => self.client.earliest_server_time(),
        }
    }

    /// Looks at the alert that a call changes, unless that was done a moment ago.
    async fn look_at_alert(
        &self,
        job: &Job,
        seen: &mut Option<(jiff::Timestamp, Box<Alert>)>,
    ) -> Result<(), String> {
        let fresh = |at: jiff::Timestamp| self.clock.now() < at + SEND_WITHIN;
        let known = seen.as_ref().map(|(at, _)| *at).or(self.looked);
        if !job.respects_people() || known.is_some_and(fresh) {
            return Ok(());
        }
        let Some(id) = job.call.mutation.object_id() else { return Ok(()) };
        let at = self.clock.now();
        let mut stop = self.stop.clone();
        let alert = tokio::select! {
            biased;
            _ = stop.wait_for(|s| *s) => return Err("the run is stopping".to_owned()),
            alert = self.client.get_alert(id) => alert.map_err(|e| format!("the alert could not be read: {e}"))?,
        };
        let alert = alert.ok_or_else(|| "the alert is gone".to_owned())?;
        *seen = Some((at, Box::new(alert)));
        Ok(())
    }

    /// Waits; false when the run stops.
    async fn pause(&self, time: Duration) -> bool {
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|s| *s) => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Records the intent; returns once it is durable.
    async fn intend(
        &self,
        job: &Job,
        mut records: Vec<Record>,
        seen: Option<Arc<Observed>>,
        shown: Option<Box<Alert>>,
        server_at: jiff::Timestamp,
    ) -> Result<Result<Intended, NotIntended>, Arc<StoreError>> {
        let now = self.clock.now();
        let deadline = (now + self.send_within(), self.clock.wall() + self.send_within());
        let mut intent = Box::new(Intent {
            address: job.address.clone(),
            action: job.action.call().unwrap_or(CallAction::Create),
            sent: job.call.sent.clone(),
            ids: BTreeMap::new(),
            plan: self.plan,
            runner: self.options.runner.clone(),
            send_by: deadline.0,
            server_at: server_at.into(),
            timeout_seconds: u32::try_from(self.again.settings.request_timeout.as_secs()).ok(),
            labels: job.call.labels.clone(),
            on_remove: job.call.on_remove,
            replaces: job.call.replaces.clone(),
            over: job.over,
            by: self.options.by.clone(),
            commit: self.options.commit.clone(),
        });
        let address = job.address.clone();
        // Few calls look again, and every call comes by here.
        let check = seen.and_then(|seen| {
            let desired = self.again.desired.iter().find(|d| d.address == address)?.clone();
            let settings = Settings { now, ..self.again.settings.clone() };
            Some(move |state: &State| still_absent(&address, &desired, state, &seen, &settings))
        });
        // What is enforced is sent whatever the alert shows.
        let shown = shown.filter(|_| job.respects_people());
        let (tell, told) = tokio::sync::oneshot::channel();
        let planned = job.call.ids.clone();
        let clock = self.clock.clone();
        let written = self
            .journal
            .record(move |view| {
                let overtaken = shown.is_some_and(|alert| {
                    let holder = view.resource(&intent.address);
                    holder.is_none_or(|r| !undoes_nothing(r, &alert, intent.action, &intent.sent.request))
                });
                let made = match check {
                    _ if view.is_overtaken(&intent.address) => Err(NotIntended::Seen),
                    Some(absent) if !absent(view.state()) => Err(NotIntended::Seen),
                    _ if overtaken => Err(NotIntended::Overtaken),
                    _ => fill(&mut intent, &planned, view).map_err(NotIntended::Id),
                };
                if let Err(why) = made {
                    // Nobody waits only if the run has ended.
                    let _ = tell.send(why);
                    return Vec::new();
                }
                // A shared journal may have let it wait: the service's time is that of the record's moment.
                intent.server_at = (server_at + clock.now().duration_since(now)).into();
                records.push(Record::Intent(intent));
                records
            })
            .await?;
        Ok(match written.into_iter().next_back() {
            Some((attempt, Record::Intent(intent))) => {
                let mut job = job.clone();
                job.call.sent = intent.sent;
                Ok(Intended { job, attempt, server_at: intent.server_at.instant(), deadline })
            }
            _ => Err(told.await.unwrap_or(NotIntended::Seen)),
        })
    }

    /// Judges and records an answer.
    async fn conclude(&self, intended: &Intended, answer: Answer) -> Result<Follow, Arc<StoreError>> {
        let Intended { job, attempt, server_at, .. } = intended;
        let (job, attempt, server_at) = (job.clone(), *attempt, *server_at);
        let clock = self.clock.clone();
        let server_now = self.client.server_time(self.clock.now());
        let address = job.address.clone();
        let action = job.action;
        let connection = match &answer {
            Answer::NotExecuted(NotSent::Connection { cause, .. }) => Some(*cause),
            _ => None,
        };
        let no_token = matches!(answer, Answer::NotExecuted(NotSent::Token(_)));
        if no_token {
            self.unreachable.store(true, Ordering::Relaxed);
        }
        let written = self
            .journal
            .record(move |view| {
                let result = outcome(&job, &answer, server_at, server_now, view);
                let carried_out =
                    matches!(result, Outcome::Made { .. } | Outcome::Adopted { .. } | Outcome::Done { .. });
                let mut records = vec![Record::Outcome {
                    attempt,
                    address: job.address.clone(),
                    result,
                    server_at: Some(server_now.into()),
                }];
                if carried_out {
                    records.extend(job.then);
                }
                records
            })
            .await?;
        let Some((_, Record::Outcome { result, .. })) = written.into_iter().next() else {
            return Ok(Follow::End(End::NotSent));
        };
        let at = clock.now();
        let end = |end| Ok(Follow::End(end));
        match result {
            Outcome::Made { object } | Outcome::Done { object } => {
                self.emit(Event::Accepted { at, address, action, object });
                end(End::Done)
            }
            Outcome::Adopted { object } => {
                self.emit(Event::Adopted { at, address, object, ours: false });
                end(End::Done)
            }
            Outcome::Settled => end(End::Done),
            Outcome::Busy { error } => {
                self.emit(Event::Busy { at, address, error });
                end(End::Busy)
            }
            Outcome::Rejected { error } => {
                self.emit(Event::Rejected { at, address, action, error });
                end(End::Refused)
            }
            Outcome::Throttled { error, retry_after_seconds } => {
                let until = at + Duration::from_secs(retry_after_seconds);
                self.emit(Event::Throttled { at, address, until, error });
                Ok(Follow::Again)
            }
            Outcome::Unsent { why } => {
                self.emit(Event::Unsent { at, address, why });
                Ok(if let Some(cause) = connection {
                    Follow::Reconnect { lasting: cause.is_lasting() }
                } else if no_token {
                    Follow::End(End::NotSent)
                } else {
                    Follow::Again
                })
            }
            Outcome::Unknown { why, .. } => {
                self.emit(Event::Unknown { at, address, why, until: at + self.settle });
                end(End::Unknown)
            }
        }
    }

    fn unsent(&self, job: &Job, why: String) {
        self.emit(Event::Unsent { at: self.clock.now(), address: job.address.clone(), why });
    }

    fn emit(&self, event: Event) {
        (self.sink)(Progress::Event(event));
    }
}

/// The things that a call needs before its intent is recorded.
struct Ready<'p> {
    slot: Slot,
    /// The traces of its earlier calls, if one of them has no answer.
    seen: Option<Arc<Observed>>,
    /// The service's time: the least that it can be.
    server_at: jiff::Timestamp,
    /// One of the calls at once; goes when the call has ended. Where the journal is shared it is taken once the intent
    /// is in it.
    permit: Option<SemaphorePermit<'p>>,
}

/// A call whose intent is on disk.
struct Intended {
    /// With the request as it is sent.
    job: Job,
    /// The intent's number.
    attempt: Seq,
    /// The intent's moment by the service's clock, or a little earlier.
    server_at: jiff::Timestamp,
    /// The last moment to send it, by our clock and by the wall clock.
    deadline: (jiff::Timestamp, jiff::Timestamp),
}

/// Why a call has no intent.
enum NotIntended {
    /// Somebody else has changed what it would change.
    Overtaken,
    /// What was seen shows that an earlier call took effect, or does not show that it did not.
    Seen,
    /// An id that its text holds is not known, or another one than was planned.
    Id(String),
}

/// Puts ids in place of the references of a request.
fn fill(intent: &mut Intent, planned: &[PlannedId], view: &View<'_>) -> Result<(), String> {
    let now = |of: &Address| view.resource(of).and_then(id_of).map(str::to_owned);
    let (request, ids) = filled(&intent.sent.request, now).map_err(|e| e.to_string())?;
    let shown = |p: &&PlannedId| p.id.as_ref().is_some_and(|id| ids.get(&p.of) != Some(id));
    if let Some(other) = planned.iter().find(shown) {
        return Err(format!("{} has another id than the plan showed", other.of));
    }
    (intent.sent.request, intent.ids) = (request, ids);
    Ok(())
}

/// What follows an answer.
enum Follow {
    End(End),
    /// A new intent, when the quota allows.
    Again,
    /// A new intent, after a pause, unless that cannot help.
    Reconnect {
        lasting: bool,
    },
}

/// Returns whether a call was refused only because the service does not know the new alert everywhere yet.
fn is_early(job: &Job, answer: &Answer) -> bool {
    job.follows && matches!(answer, Answer::Rejected(e) if e.status == 404)
}

/// What an answer means for the journal.
fn outcome(
    job: &Job,
    answer: &Answer,
    server_at: jiff::Timestamp,
    server_now: jiff::Timestamp,
    view: &View<'_>,
) -> Outcome {
    let creates = job.action.call().is_some_and(CallAction::creates);
    match answer {
        Answer::Accepted { status, object } => {
            if creates {
                let before = view.resource(&job.address);
                accepted(&job.call, (*status, object), server_at, server_now, before, view)
            } else {
                Outcome::Done { object: object_of(object) }
            }
        }
        Answer::Rejected(e) if is_early(job, answer) => {
            Outcome::Unsent { why: format!("the service does not know the new alert yet: {e}") }
        }
        Answer::Busy(e) if creates => Outcome::Busy { error: refusal(e) },
        Answer::Busy(e) | Answer::Unauthorized(e) | Answer::Rejected(e) => {
            Outcome::Rejected { error: refusal(e) }
        }
        Answer::Throttled { error, retry_after, .. } => {
            Outcome::Throttled { error: refusal(error), retry_after_seconds: retry_after.as_secs() }
        }
        Answer::NotExecuted(why) => Outcome::Unsent { why: why.to_string() },
        Answer::Unknown { why, other, .. } => Outcome::Unknown { why: why.clone(), other: other.clone() },
    }
}

/// The service's words, as the journal keeps them.
fn refusal(e: &ApiError) -> Refusal {
    Refusal {
        status: e.status,
        code: e.code.clone(),
        message: e.message.clone(),
        target: e.support_id().map(str::to_owned),
    }
}
