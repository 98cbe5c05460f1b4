//! The runs of a drill: what `apply --wait --fetch` does, again and again, until nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::fault::Course;
use super::service::{AnyToken, HOST, Service};
use super::step::{Moment, Step};
use crate::defender::auth::Tokens;
use crate::defender::{self, Client, Clock, Cloud, Endpoint, Hunter, HuntingApi, RateLimit, RateLimiter};
use crate::engine::{Control, Fetching, Locked, Options, Progress, Run, RunError, Scope};
use crate::evidence::{EvidenceStore, Limits};
use crate::model::{Address, Desired, Kind, Template};
use crate::plan::{self, Action, Allowed, Plan};
use crate::state::{Binding, Holder, MemoryDisk, Phase, Resource, State};

/// How many runs a drill has at the most.
const RUNS: usize = 8;

/// How long after a run the next one begins, if something is left to do.
const PAUSE: Duration = Duration::from_secs(15 * 60);

/// Calls at once, as `apply` has them.
const CALLS: usize = 8;

/// Downloads at once. They are written by threads, of which nobody knows which one is first; and as links come two a minute,
/// one at once is as fast as several.
const DOWNLOADS: usize = 1;

/// All that is played with.
pub struct Drill {
    /// The declared resources, and the project's settings.
    pub scope: Scope,
    /// The simulated tenant.
    pub course: Course,
    /// The quotas of the project file.
    pub quotas: Vec<(Endpoint, RateLimit)>,
    /// The API that queries go to.
    pub hunting: HuntingApi,
    /// The name of the project.
    pub project: String,
    /// How long a run waits for its collections.
    pub wait: Duration,
    /// The guard rails that are lifted.
    pub allowed: Allowed,
    /// Where packages go. It is thrown away by whoever made it.
    pub evidence: Arc<dyn EvidenceStore>,
    /// The beginning, by the virtual clock.
    pub begun: Timestamp,
    /// The name of the writer, unique per process.
    pub runner: String,
    /// Becomes true when the drill shall end.
    pub stop: watch::Receiver<bool>,
}

/// The course of a drill.
#[derive(Debug)]
pub struct Played {
    /// The happenings, in the order of time.
    pub moments: Vec<Moment>,
    /// How many calls there were, by what they are.
    pub calls: BTreeMap<&'static str, usize>,
    /// How many runs there were.
    pub runs: usize,
    /// How long it took by the virtual clock.
    pub took: Duration,
    /// The state in the end.
    pub state: State,
    /// The last plan: if a guard rail holds it back, nothing of it was sent.
    pub plan: Plan,
}

/// Leaves out what an `import` takes over: an empty tenant has no such object. Returns the addresses. Other surgery says
/// something about a state that a drill does not have, and is passed over.
pub fn without_takeovers(desired: &mut Vec<Desired>, templates: &mut Vec<Template>) -> Vec<Address> {
    let mut left_out: BTreeSet<Address> = BTreeSet::new();
    let mut takes_over = |d: &Desired| d.import().is_some() && left_out.insert(d.address.clone());
    desired.retain(|d| !takes_over(d));
    templates.retain(|t| !takes_over(t.declared()));
    let plain = |d: &mut Desired| {
        d.surgery.take();
        let wanted =
            d.depends_on.iter().filter(|on| !left_out.contains(&on.address)).cloned().collect::<Vec<_>>();
        d.depends_on = wanted.into();
    };
    desired.iter_mut().for_each(plain);
    for template in templates {
        let mut declared = template.declared().clone();
        plain(&mut declared);
        *template = Template::new(declared, template.target.clone(), template.place.clone());
    }
    left_out.into_iter().collect()
}

/// Plays a drill on the clock of the present runtime, which has to be a paused one.
///
/// # Errors
/// What would end an `apply` before it sends anything: names that cannot be resolved, lists that cannot be read.
pub async fn play(drill: Drill) -> Result<Played, RunError> {
    let service = Arc::new(Service::new(drill.course.clone(), drill.begun));
    let clock = {
        let service = service.clone();
        Clock::new(move || service.now())
    };
    let client = client(&drill, &service, &clock);
    let record = Record::new(service.clone(), drill.begun);
    let (disk, mut runs) = (MemoryDisk::new(), 0);
    let fetching = Arc::new(fetching(&drill, &service));
    loop {
        let holder = holder(&clock);
        let store = Box::new(disk.open(&holder).map_err(Arc::new)?.store);
        let options = Options {
            parallelism: CALLS,
            wait: Some(drill.wait),
            ..Options::new(drill.runner.clone(), binding(&drill))
        };
        let control = Control { sink: record.sink(), stop: drill.stop.clone() };
        let locked = Locked { store, opened_at: clock.now() };
        let mut run = Run::new(&client, &clock, drill.scope.clone(), options, locked, control)?;
        run.fetch_meanwhile(fetching.clone());
        let plan = run.prepare().await?;
        if !plan.unread().is_empty() {
            return Err(RunError::Unread(plan.unread()));
        }
        let is_over = runs > 0 && !goes_on(&plan, run.state());
        if !is_over && plan::held(&plan, drill.allowed).is_none() {
            runs += 1;
            record.begins(runs, plan.requests().count());
            let mut report = run.carry_out(&plan).await?;
            if !report.interrupted {
                let fetched = run.fetch(&fetching, &|_, _| true).await?;
                report.add(&fetched, run.counts());
            }
            if report.interrupted {
                return Err(RunError::Interrupted);
            }
            run.close(&report).await.map_err(Arc::new)?;
            if runs < RUNS && !is_done(&plan, run.state()) {
                pause(&drill).await?;
                continue;
            }
        }
        return Ok(Played {
            moments: record.moments(),
            calls: service.calls(),
            runs,
            took: service.elapsed(),
            state: run.state().clone(),
            plan,
        });
    }
}

/// Lets time pass until the next run.
async fn pause(drill: &Drill) -> Result<(), RunError> {
    let mut stop = drill.stop.clone();
    tokio::select! {
        biased;
        Ok(_) = stop.wait_for(|s| *s) => Err(RunError::Interrupted),
        () = tokio::time::sleep(PAUSE) => Ok(()),
    }
}

/// Returns whether everything that was planned is there, packages included.
fn is_done(plan: &Plan, state: &State) -> bool {
    plan.changes.iter().all(|c| state.resources.get(&c.address).is_some_and(|r| is_whole(&c.address, r)))
}

fn is_whole(address: &Address, r: &Resource) -> bool {
    let is_held = || r.id.as_deref().and_then(|id| r.package(id)).is_some();
    r.phase == Phase::Succeeded && (address.kind() == Kind::Alert || is_held())
}

/// Returns whether another run could change anything.
fn goes_on(plan: &Plan, state: &State) -> bool {
    let moves = |r: &Resource| matches!(r.phase, Phase::Requested | Phase::Pending | Phase::InProgress);
    let is_open = |(a, r): (&Address, &Resource)| moves(r) || r.phase == Phase::Succeeded && !is_whole(a, r);
    plan.requests().next().is_some()
        || plan.changes.iter().any(|c| c.action == Action::Wait)
        || state.resources.iter().any(is_open)
}

fn client(drill: &Drill, service: &Arc<Service>, clock: &Clock) -> Client {
    let host = format!("http://{HOST}");
    let at = defender::Service::new(Cloud::Sandbox, None, Some(&host))
        .unwrap_or_else(|e| unreachable!("this machine is a host of the sandbox: {e}"));
    let quotas = RateLimiter::new(clock.clone(), drill.quotas.iter().copied());
    let client = Client::new(at, service.clone(), Tokens::new(Arc::new(AnyToken)), quotas, clock.clone());
    let hunter = Hunter::new(Ok(client.clone()), drill.hunting, None);
    client.with_hunter(hunter)
}

fn fetching(drill: &Drill, service: &Arc<Service>) -> Fetching {
    Fetching {
        store: drill.evidence.clone(),
        downloads: service.clone(),
        limits: Limits::default(),
        parallelism: DOWNLOADS,
        by: holder_words().into(),
        manifests: BTreeMap::new(),
        commit: None,
    }
}

fn binding(drill: &Drill) -> Binding {
    Binding {
        cloud: Some(Cloud::Sandbox.to_string()),
        project: Some(drill.project.clone()),
        ..Binding::default()
    }
}

fn holder(clock: &Clock) -> Holder {
    Holder { since: clock.now(), ..holder_words() }
}

fn holder_words() -> Holder {
    Holder {
        user: "drill".to_owned(),
        host: "localhost".to_owned(),
        pid: 0,
        since: Timestamp::UNIX_EPOCH,
        command: "casefile drill".to_owned(),
        job: None,
    }
}

/// The happenings, kept as they come.
struct Record {
    service: Arc<Service>,
    begun: Timestamp,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    run: usize,
    moments: Vec<Moment>,
    /// The ends of pauses that are in the list, by quota.
    pauses: BTreeMap<&'static str, Duration>,
}

/// Many calls wait for the same end, which moves a little with each answer.
const SAME_PAUSE: Duration = Duration::from_secs(30);

impl Told {
    fn add(&mut self, at: Duration, address: Option<Address>, step: Step) {
        if let Step::Waits { quota, until } = step {
            if self.pauses.get(quota).is_some_and(|last| until <= *last + SAME_PAUSE) {
                return;
            }
            self.pauses.insert(quota, until);
        }
        self.moments.push(Moment { at, run: self.run, address, step });
    }
}

impl Record {
    fn new(service: Arc<Service>, begun: Timestamp) -> Self {
        Record { service, begun, told: Arc::default() }
    }

    fn sink(&self) -> crate::engine::Sink {
        let (service, begun, told) = (self.service.clone(), self.begun, self.told.clone());
        Arc::new(move |progress: Progress| {
            if let Some((address, step)) = Step::of(&progress, begun) {
                let at = service.elapsed();
                told.lock().unwrap_or_else(PoisonError::into_inner).add(at, address, step);
            }
        })
    }

    fn begins(&self, run: usize, calls: usize) {
        let at = self.service.elapsed();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.run = run;
        told.add(at, None, Step::Begins { calls });
    }

    /// All moments: those of one time by their resources.
    fn moments(&self) -> Vec<Moment> {
        let mut moments = self.told.lock().unwrap_or_else(PoisonError::into_inner).moments.clone();
        moments.sort_by(|a, b| (a.at, a.run, &a.address, &a.step).cmp(&(b.at, b.run, &b.address, &b.step)));
        moments
    }
}
