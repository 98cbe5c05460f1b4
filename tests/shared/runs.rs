//! Whole runs side by side: the real planner, executor and journal of two or three machines against the simulated service
//! and one simulated place, on a clock that stands still until somebody waits.
//!
//! Machines have clocks of their own, off by minutes and set in the middle of a run; they die, and they stall while their
//! records are on their way. The place loses races and answers, shows old heads and goes away. The service's lists lag, its
//! answers get lost, and calls arrive late, but no later than the settle time allows for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use casefile::defender::auth::Tokens;
use casefile::defender::{
    Client, Clock, Cloud, Endpoint, HttpAnswer, HttpCall, RateLimit, RateLimiter, Reading, Service,
    Transport, TransportError,
};
use casefile::engine::{Control, Event, Locked, Options, Progress, Run, RunError};
use casefile::model::{Address, Hindrance};
use casefile::sandbox::{EffectKind, Origin, Scenario, World};
use casefile::state::shared::{Cache, Opening, SharedStore};
use casefile::state::{Binding, Holder, Record, StoreError};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;

use super::declared::scope;
use super::place::{Place, Trouble};
use super::schedules::{Random, schedules};
use super::simulated_service::{AnyToken, answer, request};

/// Half the time that a call takes when nothing is wrong.
const HALF_WAY: Duration = Duration::from_millis(40);

/// How long a client listens.
const PATIENCE: u64 = 60;

const PACKAGES: usize = 5;
const ALERTS: usize = 2;

/// The service, the place, and what really happened.
struct Site {
    base: Timestamp,
    start: Instant,
    world: Mutex<World>,
    place: Place,
    /// How long calls may be on their way, in seconds: with the lag of lists it stays below the settle time.
    late: u64,
    /// The least time between two appends.
    interval: Option<Duration>,
    /// Calls a minute that the service takes.
    quota: u32,
    /// Marks of other runs keep nobody out.
    blind: bool,
    /// The clocks of all machines are right, and stay so.
    on_time: bool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// How often each attempt left.
    sent: BTreeMap<u64, u32>,
    /// Objects that a run has told to be recorded, by resource.
    told: Vec<(Address, String)>,
    refused_by_quota: usize,
    /// A call arrived after its sender had given it up.
    arrived_late: bool,
    overtaken: usize,
    wrong: Vec<String>,
    log: Vec<String>,
}

impl Site {
    fn now(&self) -> Timestamp {
        self.base + self.start.elapsed()
    }

    fn say(&self, line: String) {
        let at = self.now().strftime("%H:%M:%S%.3f").to_string();
        self.seen.lock().unwrap().log.push(format!("{at} {line}"));
    }

    fn wrong(&self, what: String) {
        self.say(format!("WRONG: {what}"));
        self.seen.lock().unwrap().wrong.push(what);
    }
}

/// A computer with clocks of its own, a cache, and bad luck.
struct Machine {
    name: String,
    /// How far its wall clock is ahead of the service's, in milliseconds.
    skew: AtomicI64,
    /// The time that its steady clock missed while it was suspended.
    frozen: AtomicI64,
    cache: TempDir,
    random: Mutex<Random>,
    /// Nothing goes wrong any more.
    at_ease: bool,
}

impl Machine {
    fn new(name: &str, random: Random, skew: i64, at_ease: bool) -> Arc<Machine> {
        Arc::new(Machine {
            name: name.to_owned(),
            skew: AtomicI64::new(skew),
            frozen: AtomicI64::new(0),
            cache: TempDir::new().unwrap(),
            random: Mutex::new(random),
            at_ease,
        })
    }

    fn below(&self, n: u64) -> u64 {
        self.random.lock().unwrap().below(n)
    }

    fn clock(self: &Arc<Self>, site: &Arc<Site>) -> Clock {
        let (machine, site) = (self.clone(), site.clone());
        Clock::new(move || {
            let steady = site.start.elapsed();
            let missed = Duration::from_millis(machine.frozen.load(Ordering::Relaxed).unsigned_abs());
            let skew = SignedDuration::from_millis(machine.skew.load(Ordering::Relaxed));
            Reading { wall: site.now() + skew, steady: steady.saturating_sub(missed) }
        })
    }

    /// The trouble of the next use of the place.
    fn weather(&self, on_time: bool) -> Option<Trouble> {
        if self.at_ease {
            return None;
        }
        Some(match self.below(24) {
            0 => Trouble::AnswerLost,
            1 => Trouble::NeverArrives,
            2 => Trouble::ArrivesLate(20 + self.below(900)),
            3 => Trouble::Stale,
            4 => Trouble::Down,
            5 => Trouble::Stalls(1000 * (1 + self.below(300))),
            6 if !on_time => {
                // The computer is suspended: its steady clock does not notice.
                let ms = 1000 * (1 + self.below(300));
                self.frozen.fetch_add(ms.cast_signed(), Ordering::Relaxed);
                Trouble::Stalls(ms)
            }
            7 if !on_time => {
                let step = (self.below(1200).cast_signed() - 600) * 1000;
                self.skew.fetch_add(step, Ordering::Relaxed);
                return None;
            }
            _ => return None,
        })
    }
}

struct Way {
    site: Arc<Site>,
    machine: Arc<Machine>,
    clock: Clock,
    runner: String,
}

fn reset() -> TransportError {
    TransportError::after_send(Hindrance::Unavailable(None), "the connection was reset")
}

impl Way {
    /// The call has an intent that is in the place, has no outcome, and was not sent before; and the intent's two times are
    /// of one moment.
    fn check(&self, call: &HttpCall) {
        let body = call.body.as_deref().unwrap_or_default();
        let lines = self.site.place.lines();
        let fits = lines.iter().rev().find_map(|line| match &line.record {
            Record::Intent(i) => {
                let request = &i.sent.request;
                let same = i.runner == self.runner
                    && (request.method, &*request.path, request.body.as_str())
                        == (call.method, &*call.target, body);
                same.then_some((line, i))
            }
            _ => None,
        });
        let name = &self.machine.name;
        let Some((line, intent)) = fits else {
            return self.site.wrong(format!("{name} sends {} without an intent", call.target));
        };
        self.site.say(format!("{name} sends {} by intent {}", intent.address, line.seq));
        let closed = |r: &Record| matches!(r, Record::Outcome { attempt, .. } if *attempt == line.seq);
        if lines.iter().any(|l| closed(&l.record)) {
            self.site.wrong(format!("{name} sends intent {}, which has an outcome", line.seq));
        }
        let times = {
            let mut seen = self.site.seen.lock().unwrap();
            let times = seen.sent.entry(line.seq).or_default();
            *times += 1;
            *times
        };
        if times > 1 {
            self.site.wrong(format!("{name} sends intent {} again", line.seq));
        }
        if self.clock.now() > intent.send_by {
            self.site.wrong(format!("{name} sends intent {} after its sendBy", line.seq));
        }
        let by_service = self.site.now().duration_since(intent.server_at.instant());
        let by_us = self.clock.now().duration_since(line.at);
        let suspended = self.machine.frozen.load(Ordering::Relaxed) > 0;
        if (by_service - by_us).abs() > SignedDuration::from_secs(10) && !suspended {
            self.site.wrong(format!("intent {}: {by_service} and {by_us} are not one moment", line.seq));
        }
    }

    /// Brings a call to the service after a while, whether or not the sender lives, and gives the answer.
    fn deliver(&self, call: &HttpCall, after: Duration) -> tokio::task::JoinHandle<HttpAnswer> {
        let site = self.site.clone();
        let request = request(call);
        let target = call.target.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let response = site.world.lock().unwrap().handle(site.now(), &request);
            if request.method == "POST" {
                site.say(format!("the service answers {} to {target}", response.status));
            }
            if response.status == 429 {
                site.seen.lock().unwrap().refused_by_quota += 1;
            }
            tokio::time::sleep(HALF_WAY).await;
            answer(&response)
        })
    }
}

#[async_trait]
impl Transport for Way {
    async fn send(&self, call: HttpCall) -> Result<HttpAnswer, TransportError> {
        let machine = &self.machine;
        let creates = call.method.as_str() == "POST";
        if creates {
            self.check(&call);
        }
        let fate = if machine.at_ease { 99 } else { machine.below(if creates { 16 } else { 60 }) };
        match (fate, creates) {
            (0, _) => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Err(reset())
            }
            (1, true) => {
                // It took effect, and nobody says so.
                let _ = self.deliver(&call, HALF_WAY).await;
                Err(reset())
            }
            (2, true) => {
                // It takes effect after the client has given it up.
                self.site.seen.lock().unwrap().arrived_late = true;
                drop(self.deliver(&call, Duration::from_secs(1 + machine.below(self.site.late))));
                tokio::time::sleep(HALF_WAY).await;
                Err(reset())
            }
            (3, true) => {
                let answer = self.deliver(&call, HALF_WAY).await;
                tokio::time::sleep(Duration::from_secs(machine.below(PATIENCE))).await;
                answer.map_err(|_| reset())
            }
            (4, true) => {
                let answer = self.deliver(&call, HALF_WAY).await.map_err(|_| reset())?;
                Ok(HttpAnswer { status: 500, body: b"{}".to_vec(), ..answer })
            }
            _ => self.deliver(&call, HALF_WAY).await.map_err(|_| reset()),
        }
    }
}

fn manifests() -> String {
    let package = |n: usize| {
        format!(
            "---\napiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: p{n} }}\n\
             spec: {{ machineId: \"{n:040x}\", comment: why }}\n"
        )
    };
    let alert = |n: usize| {
        format!(
            "---\napiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: a{n} }}\nspec: {{ machineId: \
             \"{:040x}\", severity: Low, title: t{n}, description: d, recommendedAction: r, eventTime: \
             2026-02-01T10:00:00Z, reportId: \"1\", category: Malware }}\n",
            100 + n
        )
    };
    (0..PACKAGES).map(package).chain((0..ALERTS).map(alert)).collect()
}

impl Site {
    /// Notes what a machine tells of its run.
    fn hear(&self, name: &str, progress: Progress) {
        match progress {
            Progress::Event(Event::Accepted { address, object, .. }) => {
                self.say(format!("{name} has recorded {address}: {}", object.id));
                self.seen.lock().unwrap().told.push((address, object.id));
            }
            Progress::Event(event) => self.say(format!("{name}: {event:?}")),
            _ => {}
        }
    }
}

/// One `apply` of a machine, from the open store to the closed one. Returns why it ended early.
async fn apply(site: &Arc<Site>, machine: &Arc<Machine>, life: u32) -> Result<(), String> {
    let clock = machine.clock(site);
    let holder = Holder {
        user: machine.name.clone(),
        host: machine.name.clone(),
        pid: life,
        since: clock.now(),
        command: "casefile apply".into(),
        job: None,
    };
    let mut remote = site.place.remote();
    remote.latency = Duration::from_millis(1 + machine.below(1000));
    let (by, now, on_time) = (machine.clone(), clock.clone(), site.on_time);
    remote.weather = Some(Box::new(move || by.weather(on_time)));
    remote.spaced = site.interval.map(|interval| {
        let now = now.clone();
        (interval, Arc::new(move || now.now()) as super::place::Now)
    });
    let cache = Cache::new(machine.cache.path().join("state")).unwrap();
    let is_gone: fn(&Holder) -> bool = if site.blind { |_| true } else { |_| false };
    let opening = Opening { holder, lineage: None, now: clock.now(), is_gone };
    let (store, _) = SharedStore::open(remote, Some(cache), &opening).await.map_err(|e| e.to_string())?;
    let limits = [(Endpoint::Collect, RateLimit::new(site.quota, 1500))];
    let runner = format!("{}-{life}", machine.name);
    let way =
        Way { site: site.clone(), machine: machine.clone(), clock: clock.clone(), runner: runner.clone() };
    let client = Client::new(
        Service::new(Cloud::Public, None, None).unwrap(),
        Arc::new(way),
        Tokens::new(Arc::new(AnyToken)),
        RateLimiter::new(clock.clone(), limits),
        clock.clone(),
    );
    let scope = scope(&manifests(), clock.now());
    let binding = Binding { cloud: Some("public".into()), ..Binding::default() };
    let options = Options { parallelism: 4, ..Options::new(runner, binding) };
    let (_keep, stop) = watch::channel(false);
    let (telling, name) = (site.clone(), machine.name.clone());
    let sink = Arc::new(move |progress| telling.hear(&name, progress));
    let locked = Locked { store: Box::new(store), opened_at: clock.now() };
    let failed = |e: RunError| {
        if e.is_overtaken() {
            site.seen.lock().unwrap().overtaken += 1;
        }
        match &e {
            RunError::Store(s) if !harmless(s) => site.wrong(format!("{}: {e}", machine.name)),
            _ => {}
        }
        e.to_string()
    };
    let mut run =
        Run::new(&client, &clock, scope, options, locked, Control { sink, stop }).map_err(failed)?;
    let plan = match run.prepare().await {
        Ok(plan) => plan,
        Err(e) => {
            let _ = run.commit().await;
            return Err(failed(e));
        }
    };
    for c in plan.changes.iter().filter(|c| c.action != casefile::plan::Action::NoOp) {
        site.say(format!("{} plans {} {:?} {:?} {:?}", machine.name, c.address, c.action, c.row, c.reason));
    }
    if !machine.at_ease {
        // Somebody thinks about it.
        tokio::time::sleep(Duration::from_secs(machine.below(40))).await;
    }
    match run.carry_out(&plan).await {
        Ok(report) => run.close(&report).await.map_err(|e| e.to_string()),
        Err(e) => {
            let _ = run.commit().await;
            Err(failed(e))
        }
    }
}

/// Returns whether an error may end a run in this weather: every other one says that the protocol contradicts itself.
fn harmless(e: &StoreError) -> bool {
    matches!(e, StoreError::Unreachable { .. } | StoreError::Locked { .. } | StoreError::Poisoned { .. })
}

/// A machine's runs, some of which are killed.
async fn live(site: Arc<Site>, machine: Arc<Machine>) {
    for life in 0..4 {
        tokio::time::sleep(Duration::from_secs(machine.below(90))).await;
        let dies = match machine.below(3) {
            0 => Duration::from_millis(machine.below(150_000)),
            _ => Duration::from_secs(86_400),
        };
        let ended = tokio::time::timeout(dies, apply(&site, &machine, life)).await;
        site.say(format!("{} {life} ends: {ended:?}", machine.name));
    }
}

async fn play(seed: u64) -> Arc<Site> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let lag = random.below(12);
    let quota = [3, 100][random.below(2) as usize];
    let scenario = format!(
        "quotas: {{ limits: {{ collect: {{ perMinute: {quota} }} }} }}\n\
         delays: {{ listLag: {lag}, updateLag: {lag}, pending: 0, running: 1 }}\n"
    );
    let site = Arc::new(Site {
        base: "2026-03-01T08:00:00Z".parse().unwrap(),
        start: Instant::now(),
        world: Mutex::new(World::new(Scenario::from_yaml(&scenario).unwrap())),
        place: Place::default(),
        late: 25 - lag,
        interval: [None, Some(10), Some(60)][random.below(3) as usize].map(Duration::from_secs),
        quota,
        blind: random.below(2) == 0,
        on_time: random.below(2) == 0,
        seen: Mutex::default(),
    });
    let machines = (0..2 + random.below(2)).map(|n| {
        let skew = (random.below(1200).cast_signed() - 600) * 1000;
        let skew = if site.on_time { 0 } else { skew };
        Machine::new(&format!("m{n}"), Random(random.next()), skew, false)
    });
    let machines: Vec<_> = machines.collect();
    futures::future::join_all(machines.iter().map(|m| live(site.clone(), m.clone()))).await;
    // What was on its way has arrived, or never will; marks and doubts have run out.
    for (life, after) in [1500, 10, 1500, 10].into_iter().enumerate() {
        tokio::time::sleep(Duration::from_secs(after)).await;
        let machine = Machine::new("last", Random(seed), 0, true);
        let ended = apply(&site, &machine, life as u32).await;
        site.say(format!("at rest: {ended:?}"));
        if let Err(e) = ended {
            site.wrong(format!("at rest: {e}"));
        }
    }
    judge(&site);
    site
}

fn judge(site: &Site) {
    let effects = site.world.lock().unwrap().effects().to_vec();
    let mut made: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for e in effects.iter().filter(|e| e.by == Origin::Api) {
        match e.kind {
            EffectKind::Collect | EffectKind::CreateAlert | EffectKind::MergeAlert => {
                made.entry(e.machine.clone()).or_default().push(e.id.clone());
            }
            _ => {}
        }
    }
    if made.len() != PACKAGES + ALERTS {
        site.wrong(format!("{} of {} were made", made.len(), PACKAGES + ALERTS));
    }
    for (machine, ids) in &made {
        if ids.len() > 1 {
            site.wrong(format!("{machine} was asked for {} times: {ids:?}", ids.len()));
        }
    }
    let state = site.place.reading().state;
    let told = site.seen.lock().unwrap().told.clone();
    for (address, id) in told {
        let knows = state
            .resources
            .get(&address)
            .is_some_and(|r| r.id.as_ref() == Some(&id) || r.past.iter().any(|p| p.id == id));
        if !knows {
            site.wrong(format!("{address} was told to be {id}, and that is not known"));
        }
    }
    let made: Vec<&String> = made.values().flatten().collect();
    for (address, r) in state.resources.iter() {
        // A computer that was suspended writes down wrong times of the service: then a person decides whose object it is.
        if r.open.is_some() && !site.on_time {
            continue;
        }
        if !r.id.as_ref().is_some_and(|id| made.contains(&id)) || r.open.is_some() {
            site.wrong(format!("{address} is {:?} {:?} at rest", r.phase, r.id));
            let about = |l: &super::place::Line| l.record.addresses().any(|a| a == address);
            for line in site.place.all_lines().iter().filter(|l| about(l)) {
                site.say(format!("{line:?}"));
            }
        }
    }
    let (refused, late) = {
        let seen = site.seen.lock().unwrap();
        (seen.refused_by_quota, seen.arrived_late)
    };
    // Who is suspended, or whose clock is set in the middle of a run, writes down wrong times of the service: then a call may
    // be refused, and is made later. So it may after one that arrived late: the service counts it later than its outcome says.
    if refused > 0 && site.on_time && !late {
        site.wrong(format!("the quota was exceeded {refused} times"));
    }
}

#[test]
fn whole_runs_side_by_side() {
    let mut wrong = Vec::new();
    let (mut overtaken, mut intents) = (0, 0);
    let seeds = schedules(100);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let site = runtime.block_on(play(seed));
        let seen = site.seen.lock().unwrap();
        overtaken += seen.overtaken;
        intents += seen.sent.len();
        if !seen.wrong.is_empty() || count == 1 {
            if wrong.is_empty() || count == 1 {
                println!("{}", seen.log.join("\n"));
            }
            wrong.extend(seen.wrong.iter().map(|w| format!("SEED={seed}: {w}")));
        }
    }
    println!("{intents} calls, {overtaken} runs overtaken before their first");
    assert!(wrong.is_empty(), "{} schedules:\n{}", wrong.len(), wrong.join("\n"));
}

/// A machine is thrown away right after it has used up a quota, and another one goes on at once. Whichever of the two has a
/// clock that is ten minutes slow or fast: the service's time tells when the quota was used.
#[test]
fn a_quota_that_another_machine_has_used_is_told_by_the_services_time() {
    for (first, second) in [(-600, 0), (600, 0), (0, -600), (0, 600), (-600, 600)] {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let site = site(
                "quotas: { limits: { collect: { perMinute: 3 } } }\ndelays: { pending: 0, running: 1 }\n",
                3,
            );
            let machine = |name, skew: i64| Machine::new(name, Random(1), skew * 1000, true);
            let (one, other) = (machine("one", first), machine("other", second));
            let thrown_away = tokio::time::timeout(Duration::from_secs(20), apply(&site, &one, 0)).await;
            assert!(thrown_away.is_err(), "{first}, {second}: {thrown_away:?}");
            assert_eq!(site.seen.lock().unwrap().told.len(), 3 + ALERTS, "{first}, {second}");
            apply(&site, &other, 0).await.unwrap();
            judge(&site);
            let seen = site.seen.lock().unwrap();
            let wrong = (&seen.wrong, seen.refused_by_quota);
            assert_eq!(wrong, (&vec![], 0), "{first}, {second}:\n{}", seen.log.join("\n"));
        });
    }
}

/// A site where nothing goes wrong, but for clocks.
fn site(scenario: &str, quota: u32) -> Arc<Site> {
    Arc::new(Site {
        base: "2026-03-01T08:00:00Z".parse().unwrap(),
        start: Instant::now(),
        world: Mutex::new(World::new(Scenario::from_yaml(scenario).unwrap())),
        place: Place::default(),
        late: 1,
        interval: None,
        quota,
        blind: true,
        on_time: false,
        seen: Mutex::default(),
    })
}
