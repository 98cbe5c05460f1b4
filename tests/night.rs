//! A long night: `apply --wait --fetch` of a thousand machines on a virtual clock, with tokens of five minutes, an answer in
//! a hundred a 5xx, two outages of ten minutes, and a sign-in that is down for five. Nothing that a retry could save is lost,
//! nothing is done twice, and memory stays flat.
//!
//! `cargo test --release --test night -- --ignored --nocapture` prints the figures.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the test reads what it uses of memory, and prints figures"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use casefile::defender::auth::{AccessToken, AuthError, AuthMethod, Token, TokenSource, Tokens};
use casefile::defender::{
    Client, Clock, Cloud, Download, Downloads, HttpAnswer, HttpCall, PackageLink, RateLimiter, Resume,
    Service, Transport, TransportError,
};
use casefile::engine::{Control, Event, Fetching, Locked, Options, Progress, Run};
use casefile::evidence::{Folder, HeldFolder, Limits};
use casefile::model::{Hindrance, Method};
use casefile::sandbox::{Scenario, World};
use casefile::state::{Binding, Holder, MemoryDisk, Operator, Origin};
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

#[path = "shared/declared.rs"]
mod declared;

#[allow(dead_code, reason = "the tokens of this night are not any")]
#[path = "shared/simulated_service.rs"]
mod simulated_service;

use declared::scope;
use simulated_service::{answer, request};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The troubles, in seconds of the night.
struct Night {
    machines: usize,
    /// Nobody can be reached: the service, the packages' host.
    outages: Vec<(u64, u64)>,
    /// No token can be had.
    no_sign_in: (u64, u64),
    /// One answer in so many is a 5xx.
    every: u64,
    seed: u64,
}

/// A generator that gives the same numbers for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[derive(Default)]
struct Seen {
    calls: u64,
    faulty: u64,
    not_reached: u64,
    unauthorized: u64,
    links: u64,
    asked: BTreeMap<&'static str, u64>,
    /// Bytes in use by the hour, of this process.
    memory: BTreeMap<u64, u64>,
}

struct Site {
    night: Night,
    world: Mutex<World>,
    random: Mutex<Random>,
    seen: Mutex<Seen>,
    start: Instant,
    tokens: AtomicUsize,
    sign_ins: AtomicUsize,
    /// The end of the token in use, by the number in it.
    ends: Mutex<BTreeMap<usize, Timestamp>>,
    zip: Vec<u8>,
}

/// Resident memory in KiB; 0 where the system does not tell.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

impl Site {
    fn seconds(&self) -> u64 {
        self.start.elapsed().as_secs()
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + self.start.elapsed()
    }

    fn is_down(&self) -> bool {
        let now = self.seconds();
        let mut seen = self.seen.lock().unwrap();
        seen.memory.entry(now / HOUR).or_insert_with(memory);
        let down = self.night.outages.iter().any(|(from, to)| (*from..*to).contains(&now));
        seen.not_reached += u64::from(down);
        down
    }
}

struct Way(Arc<Site>);

#[async_trait]
impl Transport for Way {
    async fn send(&self, call: HttpCall) -> Result<HttpAnswer, TransportError> {
        let site = &self.0;
        tokio::time::sleep(Duration::from_millis(40)).await;
        if site.is_down() {
            return Err(TransportError::before_send(Hindrance::NoConnection, "connection refused"));
        }
        let kind = match (call.method, call.target.as_str()) {
            (Method::Post, t) if t.ends_with("/collectInvestigationPackage") => "collections",
            (_, t) if t.ends_with("/getPackageUri") => "links",
            (_, t) if t.starts_with("/api/machineactions?") => "lists",
            _ => "others",
        };
        {
            let mut seen = site.seen.lock().unwrap();
            seen.calls += 1;
            *seen.asked.entry(kind).or_default() += 1;
            seen.links += u64::from(kind == "links");
        }
        // Tokens are told apart by their numbers, which the transport alone may see: the clock tells what has ended.
        if site.ends.lock().unwrap().values().max().is_none_or(|end| *end <= site.now()) {
            site.seen.lock().unwrap().unauthorized += 1;
            return Ok(HttpAnswer::new(401, r#"{"error":{"code":"Unauthorized","message":"expired"}}"#));
        }
        let fault = {
            let mut random = site.random.lock().unwrap();
            (random.below(site.night.every) == 0).then(|| random.below(2) == 0)
        };
        let failed =
            |status| HttpAnswer::new(status, r#"{"error":{"code":"InternalServerError","message":""}}"#);
        if fault == Some(false) {
            site.seen.lock().unwrap().faulty += 1;
            return Ok(failed(503));
        }
        let response = site.world.lock().unwrap().handle(site.now(), &request(&call));
        tokio::time::sleep(Duration::from_millis(40)).await;
        if fault == Some(true) {
            // It took effect, and nobody is told.
            site.seen.lock().unwrap().faulty += 1;
            return Ok(failed(500));
        }
        Ok(answer(&response))
    }
}

/// Tokens of five minutes.
struct SignIn(Arc<Site>);

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignIn")
    }
}

#[async_trait]
impl TokenSource for SignIn {
    async fn fetch(&self, _: Timestamp) -> Result<Token, AuthError> {
        let site = &self.0;
        tokio::time::sleep(Duration::from_millis(200)).await;
        site.sign_ins.fetch_add(1, Ordering::Relaxed);
        let (from, to) = site.night.no_sign_in;
        if (from..to).contains(&site.seconds()) {
            let why = "login.microsoftonline.com: connection refused".to_owned();
            let cause = Hindrance::NoConnection;
            return Err(AuthError::Unreachable { method: AuthMethod::ClientSecret, cause, why });
        }
        let n = site.tokens.fetch_add(1, Ordering::Relaxed);
        let ends = site.now() + SignedDuration::from_mins(5);
        site.ends.lock().unwrap().insert(n, ends);
        Ok(Token { access: AccessToken::new(&format!("token-{n}")), expires: Some(ends) })
    }
}

/// The packages' host.
struct Blobs(Arc<Site>);

#[async_trait]
impl Downloads for Blobs {
    async fn get(&self, _: &PackageLink, _: Option<Resume<'_>>) -> Result<Download, String> {
        if self.0.is_down() {
            return Err("connection refused".to_owned());
        }
        let faulty = self.0.random.lock().unwrap().below(self.0.night.every) == 0;
        let (status, bytes) = if faulty { (503, Vec::new()) } else { (200, self.0.zip.clone()) };
        self.0.seen.lock().unwrap().faulty += u64::from(faulty);
        let total = Some(bytes.len() as u64);
        let body = futures::stream::iter([Ok(bytes)]).boxed();
        Ok(Download { status, etag: None, total, from: 0, retry_after: None, body })
    }
}

fn one_zip() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("a.txt", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, b"something").unwrap();
    zip.finish().unwrap().into_inner()
}

fn manifests(machines: usize) -> String {
    let one = |n| {
        format!(
            "---\napiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: p{n:05} }}\n\
             spec: {{ machineId: \"{n:040x}\", comment: why }}\n"
        )
    };
    (0..machines).map(one).collect()
}

/// How often each event was told that says how a call or a package ended.
type Told = Arc<Mutex<BTreeMap<&'static str, u64>>>;

fn hear(told: &Told, progress: Progress) {
    let Progress::Event(event) = progress else { return };
    let kind = match &event {
        Event::Unsent { .. } => "unsent",
        Event::Unknown { .. } => "unknown",
        Event::Rejected { .. } => "rejected",
        Event::Stopped { .. } => "stopped",
        Event::FetchFailed { why, .. } => {
            println!("a package did not come: {why}");
            "fetch failed"
        }
        Event::Fetched { .. } => "fetched",
        _ => return,
    };
    *told.lock().unwrap().entry(kind).or_default() += 1;
}

impl Site {
    fn of(night: Night) -> Arc<Site> {
        let scenario = "strict: false\ndelays: { pending: 600, running: 900 }\n";
        Arc::new(Site {
            random: Mutex::new(Random(night.seed)),
            night,
            world: Mutex::new(World::new(Scenario::from_yaml(scenario).unwrap())),
            seen: Mutex::default(),
            start: Instant::now(),
            tokens: AtomicUsize::new(0),
            sign_ins: AtomicUsize::new(0),
            ends: Mutex::default(),
            zip: one_zip(),
        })
    }

    /// Prints the figures of a night.
    fn print(&self, told: &Told) {
        let seen = self.seen.lock().unwrap();
        println!(
            "{} machines in {} min: {} calls ({:?}), {} of them 5xx, {} not reached, {} with a token that was over; {} \
             tokens of {} sign-ins; {:?}; resident KiB by the hour: {:?}",
            self.night.machines,
            self.seconds() / MINUTE,
            seen.calls,
            seen.asked,
            seen.faulty,
            seen.not_reached,
            seen.unauthorized,
            self.tokens.load(Ordering::Relaxed),
            self.sign_ins.load(Ordering::Relaxed),
            told.lock().unwrap(),
            seen.memory,
        );
    }

    /// No double: one effect a machine.
    fn took_effect_once(&self) {
        let world = self.world.lock().unwrap();
        let mut effects: BTreeMap<String, usize> = BTreeMap::new();
        for effect in world.effects() {
            *effects.entry(effect.machine.clone()).or_default() += 1;
        }
        assert!(effects.len() == self.night.machines && effects.values().all(|n| *n == 1), "{effects:?}");
    }
}

fn fetching(site: &Arc<Site>, folder: &std::path::Path) -> Arc<Fetching> {
    Arc::new(Fetching {
        store: Arc::new(HeldFolder::new(Folder::new(folder.join("evidence")), "file:evidence")),
        downloads: Arc::new(Blobs(site.clone())),
        limits: Limits::default(),
        parallelism: 4,
        by: Operator { user: "u".into(), host: "h".into(), job: None },
        manifests: Default::default(),
        commit: None,
    })
}

/// Plays a night, prints its figures, and checks what became of it.
async fn play(night: Night) -> Arc<Site> {
    let machines = night.machines;
    let site = Site::of(night);
    let folder = tempfile::tempdir().unwrap();
    let of = site.clone();
    let clock = Clock::new(move || of.now());
    let client = Client::new(
        Service::new(Cloud::Public, None, None).unwrap(),
        Arc::new(Way(site.clone())),
        Tokens::new(Arc::new(SignIn(site.clone()))),
        RateLimiter::new(clock.clone(), []),
        clock.clone(),
    )
    .through_outages();
    let scope = scope(&manifests(machines), clock.now());
    let binding = Binding { cloud: Some("public".into()), ..Binding::default() };
    let options = Options {
        parallelism: 8,
        wait: Some(Duration::from_secs(12 * HOUR)),
        ..Options::new("a runner".into(), binding)
    };
    let holder = Holder {
        user: "u".into(),
        host: "h".into(),
        pid: 1,
        since: clock.now(),
        command: "apply".into(),
        job: None,
    };
    let fetching = fetching(&site, folder.path());
    let told = Told::default();
    let sink = {
        let told = told.clone();
        Arc::new(move |progress| hear(&told, progress))
    };
    let disk = MemoryDisk::new();
    let store = Box::new(disk.open(&holder).unwrap().store);
    let (_keep, stop) = watch::channel(false);
    let locked = Locked { store, opened_at: clock.now() };
    let mut run = Run::new(&client, &clock, scope, options, locked, Control { sink, stop }).unwrap();
    run.fetch_meanwhile(fetching.clone());
    let plan = run.prepare().await.unwrap();
    assert_eq!(plan.calls().count(), machines);
    let report = run.carry_out(&plan).await.unwrap();
    let fetched = run.fetch(&fetching, &|_, _| true).await.unwrap();
    let state = run.state().clone();
    run.close(&report).await.unwrap();

    site.print(&told);
    // No failed call that a retry could save.
    assert_eq!((report.exit_code(), report.left), (0, 0), "{report:?}");
    assert!(
        fetched.failed.is_empty() && fetched.not_ready.is_empty(),
        "{:?} {:?}",
        fetched.failed,
        fetched.not_ready
    );
    assert!(state.resources.iter().all(|(_, r)| r.origin == Some(Origin::Made) && r.packages.len() == 1));
    site.took_effect_once();
    site
}

/// An hour and a half of a night: the same troubles, closer together.
#[tokio::test(start_paused = true)]
async fn an_outage_and_a_sign_in_that_is_down_cost_nothing_but_time() {
    let site = play(Night {
        machines: 120,
        outages: vec![(30, 30 + 10 * MINUTE), (40 * MINUTE, 50 * MINUTE)],
        no_sign_in: (20 * MINUTE, 25 * MINUTE),
        every: 25,
        seed: 7,
    })
    .await;
    let seen = site.seen.lock().unwrap();
    assert!(seen.not_reached > 0 && seen.faulty > 0, "the night was a quiet one");
    assert_eq!(seen.unauthorized, 0, "a token is renewed before it is over");
}

#[tokio::test(start_paused = true)]
#[ignore = "eight hours of a thousand machines take minutes in a debug build: the gate runs it"]
async fn a_thousand_machines_in_eight_hours() {
    let site = play(Night {
        machines: 1000,
        outages: vec![(4 * MINUTE, 14 * MINUTE), (4 * HOUR, 4 * HOUR + 10 * MINUTE)],
        no_sign_in: (6 * HOUR, 6 * HOUR + 5 * MINUTE),
        every: 100,
        seed: 1,
    })
    .await;
    let seen = site.seen.lock().unwrap();
    assert!(site.seconds() >= 8 * HOUR, "two links a minute");
    let (first, last) = (seen.memory[&1], seen.memory[&7]);
    // The simulated service and the journal of the test are in memory, too.
    assert!(first > 0 && last <= first + (8 << 10), "{:?}", seen.memory);
}
