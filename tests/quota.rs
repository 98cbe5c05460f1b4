//! The whole quota and never over it, on a virtual clock: the real planner, executor and journal against the
//! simulated service, which counts for itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use casefile::defender::auth::Tokens;
use casefile::defender::{
    Client, Clock, Cloud, Download, Downloads, HttpAnswer, HttpCall, Hunter, Hunting, HuntingApi, Next,
    PackageLink, RateLimit, RateLimiter, Resume, Service, Transport, TransportError, Window,
};
use casefile::engine::{Control, Event, Fetching, Locked, Options, Progress, Report, Run, RunError};
use casefile::evidence::{Folder, HeldFolder, Limits};
use casefile::model::{HuntingQuery, Kind};
use casefile::plan::{Plan, last_call};
use casefile::sandbox::{Delivery, Scenario, World};
use casefile::state::shared::{Opening, SharedStore};
use casefile::state::{Binding, CallAction, Holder, MemoryDisk, Operator, QuotaUsage, Store};
use futures::StreamExt as _;
use jiff::Timestamp;
use proptest::prelude::*;
use tokio::sync::watch;
use tokio::time::Instant;

#[allow(dead_code, reason = "the tests of the protocol use the rest")]
#[path = "shared/place.rs"]
mod place;

#[path = "shared/declared.rs"]
mod declared;

#[path = "shared/simulated_service.rs"]
mod simulated_service;

use declared::scope;
use place::Place;
use simulated_service::{AnyToken, answer, request};

/// Between sending and the service, and between the service and the answer.
const HALF_WAY: Duration = Duration::from_millis(40);

/// A service, the way to it, and one state.
struct Site {
    world: Mutex<World>,
    start: Instant,
    disk: MemoryDisk,
    /// When mutating calls reached the service, and what it said.
    seen: Mutex<Vec<(Duration, String, u16)>>,
    events: Mutex<Vec<Event>>,
    /// How packages are fetched while collections run.
    meanwhile: Mutex<Option<Arc<Fetching>>>,
}

struct Way(Arc<Site>);

#[async_trait]
impl Transport for Way {
    async fn send(&self, call: HttpCall) -> Result<HttpAnswer, TransportError> {
        tokio::time::sleep(HALF_WAY).await;
        let request = request(&call);
        let response = self.0.world.lock().unwrap().handle(self.0.now(), &request);
        if request.method == "POST" || call.target.ends_with("/getPackageUri") {
            let seen = (self.0.start.elapsed(), call.target.clone(), response.status);
            self.0.seen.lock().unwrap().push(seen);
        }
        tokio::time::sleep(HALF_WAY).await;
        if let Delivery::Delayed(time) = response.delivery {
            tokio::time::sleep(time).await;
        }
        Ok(answer(&response))
    }
}

impl Site {
    fn new() -> Arc<Self> {
        Site::of("")
    }

    fn of(scenario: &str) -> Arc<Self> {
        Arc::new(Site {
            world: Mutex::new(World::new(Scenario::from_yaml(scenario).unwrap())),
            events: Mutex::default(),
            meanwhile: Mutex::default(),
            start: Instant::now(),
            disk: MemoryDisk::new(),
            seen: Mutex::default(),
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + self.start.elapsed()
    }

    /// One `apply` by a process of its own.
    async fn apply(self: &Arc<Self>, manifests: &str) -> (Plan, Report, Duration) {
        let (plan, report, took) = self.run(manifests, 64, None).await;
        (plan, report.unwrap(), took)
    }

    /// One `apply` with so many calls at once, and with `--wait`.
    async fn run(
        self: &Arc<Self>,
        manifests: &str,
        parallelism: usize,
        wait: Option<Duration>,
    ) -> (Plan, Result<Report, RunError>, Duration) {
        let holder = Holder {
            user: "u".into(),
            host: "h".into(),
            pid: 1,
            since: self.now(),
            command: "apply".into(),
            job: None,
        };
        let store = Box::new(self.disk.open(&holder).unwrap().store);
        self.run_on(store, manifests, parallelism, wait).await
    }

    /// The same on any store.
    async fn run_on(
        self: &Arc<Self>,
        store: Box<dyn Store>,
        manifests: &str,
        parallelism: usize,
        wait: Option<Duration>,
    ) -> (Plan, Result<Report, RunError>, Duration) {
        self.run_and(store, manifests, parallelism, wait, async |_| {}).await
    }

    /// The same, and then something else with the same run.
    async fn run_and(
        self: &Arc<Self>,
        store: Box<dyn Store>,
        manifests: &str,
        parallelism: usize,
        wait: Option<Duration>,
        then: impl AsyncFnOnce(&mut Run<'_>),
    ) -> (Plan, Result<Report, RunError>, Duration) {
        let site = self.clone();
        let clock = Clock::new(move || site.now());
        let client = Client::new(
            Service::new(Cloud::Public, None, None).unwrap(),
            Arc::new(Way(self.clone())),
            Tokens::new(Arc::new(AnyToken)),
            RateLimiter::new(clock.clone(), []),
            clock.clone(),
        );
        let scope = scope(manifests, clock.now());
        let options = Options {
            parallelism,
            wait,
            strict: false,
            by: None,
            commit: None,
            runner: "a runner".into(),
            tool: "casefile/0".into(),
            binding: Binding { cloud: Some("public".into()), ..Binding::default() },
        };
        let (_keep, stop) = watch::channel(false);
        let site = self.clone();
        let sink = Arc::new(move |progress: Progress| {
            if let Progress::Event(event) = progress {
                site.events.lock().unwrap().push(event);
            }
        });
        let locked = Locked { store, opened_at: clock.now() };
        let mut run = Run::new(&client, &clock, scope, options, locked, Control { sink, stop }).unwrap();
        let meanwhile = self.meanwhile.lock().unwrap().clone();
        if let Some(fetching) = meanwhile {
            run.fetch_meanwhile(fetching);
        }
        let plan = run.prepare().await.unwrap();
        let began = Instant::now();
        let report = run.carry_out(&plan).await;
        let took = began.elapsed();
        then(&mut run).await;
        match &report {
            Ok(report) => run.close(report).await.unwrap(),
            Err(_) => run.commit().await.unwrap(),
        }
        (plan, report, took)
    }

    /// Calls that create, by the end of their path.
    fn sent(&self, path: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|(_, target, _)| target.ends_with(path)).count()
    }

    /// What was told about kinds of calls that are not made any more: the quota, and until when.
    fn stopped(&self) -> Vec<(String, Option<Timestamp>)> {
        let events = self.events.lock().unwrap();
        let stopped = |e: &Event| match e {
            Event::Stopped { quota, until, .. } => Some((quota.clone(), *until)),
            _ => None,
        };
        events.iter().filter_map(stopped).collect()
    }

    fn refusals(&self) -> usize {
        self.seen.lock().unwrap().iter().filter(|(_, _, status)| *status == 429).count()
    }
}

fn packages(names: std::ops::Range<usize>) -> String {
    let one = |n| {
        format!(
            "---\napiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: p{n:05} }}\n\
             spec: {{ machineId: \"{n:040x}\", comment: why }}\n"
        )
    };
    names.map(one).collect()
}

fn alerts(names: std::ops::Range<usize>) -> String {
    let one = |n| {
        format!(
            "---\napiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: a{n:05} }}\nspec: {{ machineId: \
             \"{n:040x}\", severity: Low, title: t, description: d, recommendedAction: r, eventTime: \
             2027-01-01T00:00:00Z, reportId: \"1\", category: Malware }}\n"
        )
    };
    names.map(one).collect()
}

#[tokio::test(start_paused = true)]
async fn fifteen_hundred_collections_take_fourteen_windows() {
    let site = Site::new();
    let (plan, report, took) = site.apply(&packages(0..1500)).await;
    assert_eq!(report.counts["accepted"], 1500, "{report:?}");
    assert_eq!(site.refusals(), 0);
    assert_eq!(plan.estimate.seconds, 14 * 60);
    let least = Duration::from_secs(14 * 60);
    assert!(least <= took && took <= least + least / 100, "{took:?}");
}

/// A shared state at the pace of git, 2 s a push and one push in 10 s, and of a store that takes 20 ms a request.
#[tokio::test(start_paused = true)]
async fn a_shared_store_is_nearly_as_fast_as_the_quota() {
    for (latency, interval) in [(secs(1), Some(secs(10))), (Duration::from_millis(20), None)] {
        let (site, place) = (Site::new(), Place::default());
        let store = shared(&site, &place, latency, interval).await;
        let (_, report, took) = site.run_on(store, &packages(0..1500), 32, None).await;
        let report = report.unwrap();
        assert_eq!(report.counts["accepted"], 1500, "{report:?}");
        assert_eq!((site.refusals(), site.sent("collectInvestigationPackage")), (0, 1500));
        let least = secs(14 * 60);
        let puts = place.inner().puts;
        println!("{latency:?} a request, {interval:?} between appends: {took:?}, {puts} appends");
        assert!(least <= took && took <= least + least / 20, "{took:?}, {puts} appends");
    }
}

/// A state at a place that takes this long for a request, and bears appends no closer than this.
async fn shared(
    site: &Arc<Site>,
    place: &Place,
    latency: Duration,
    interval: Option<Duration>,
) -> Box<dyn Store> {
    let mut remote = place.remote();
    let by = site.clone();
    remote.latency = latency;
    remote.spaced = interval.map(|interval| (interval, Arc::new(move || by.now()) as place::Now));
    let opening =
        Opening { holder: place::holder("one"), lineage: None, now: site.now(), is_gone: |_| false };
    Box::new(SharedStore::open(remote, None, &opening).await.unwrap().0)
}

/// Gives the same zip by any link, at once.
struct OneZip(Vec<u8>);

#[async_trait]
impl Downloads for OneZip {
    async fn get(&self, _: &PackageLink, _: Option<Resume<'_>>) -> Result<Download, String> {
        let body = futures::stream::iter([Ok(self.0.clone())]).boxed();
        let total = Some(self.0.len() as u64);
        Ok(Download { status: 200, etag: None, total, from: 0, retry_after: None, body })
    }
}

fn one_zip() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("a.txt", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, b"something").unwrap();
    zip.finish().unwrap().into_inner()
}

/// Packages to a folder, four at once.
fn fetching(folder: &std::path::Path) -> Fetching {
    let place = HeldFolder::new(Folder::new(folder.join("evidence")), "file:evidence");
    Fetching {
        store: Arc::new(place),
        downloads: Arc::new(OneZip(one_zip())),
        limits: Limits::default(),
        parallelism: 4,
        by: Operator { user: "u".into(), host: "h".into(), job: None },
        manifests: Default::default(),
        commit: None,
    }
}

#[tokio::test(start_paused = true)]
async fn packages_are_fetched_while_other_collections_run() {
    let slow = format!("machines: {{ list: [{{ id: \"{:040x}\", collection: timesOut }}] }}", 20);
    let site =
        Site::of(&format!("strict: false\ndelays: {{ pending: 0, running: 0, timeOut: 2400 }}\n{slow}"));
    let folder = tempfile::tempdir().unwrap();
    *site.meanwhile.lock().unwrap() = Some(Arc::new(fetching(folder.path())));
    let store = Box::new(site.disk.open(&place::holder("one")).unwrap().store);
    let nothing = async |_: &mut Run<'_>| {};
    let (_, report, _) = site.run_and(store, &packages(0..21), 64, Some(secs(3600)), nothing).await;
    let report = report.unwrap();
    assert_eq!((report.counts["fetched"], report.counts.get("fetchFailed")), (20, None), "{report:?}");
    assert_eq!((site.sent("getPackageUri"), site.refusals()), (20, 0), "one link each");
}

#[tokio::test(start_paused = true)]
async fn two_hundred_packages_take_as_long_as_two_links_a_minute_do() {
    let site = Site::of("delays: { pending: 0, running: 0 }");
    let folder = tempfile::tempdir().unwrap();
    let fetching = fetching(folder.path());
    let mut ended = None;
    let store = Box::new(site.disk.open(&place::holder("one")).unwrap().store);
    let fetch = async |run: &mut Run<'_>| {
        let began = Instant::now();
        let fetched = run.fetch(&fetching, &|_, _| true).await.unwrap();
        ended = Some((fetched, began.elapsed()));
    };
    let (_, report, _) = site.run_and(store, &packages(0..200), 64, Some(secs(3600)), fetch).await;
    assert_eq!(report.unwrap().counts["accepted"], 200);
    let (fetched, took) = ended.unwrap();
    assert_eq!((fetched.fetched.len(), fetched.failed.len(), site.refusals()), (200, 0, 0));
    assert_eq!(site.sent("getPackageUri"), 200, "one link each");
    // Two at once, and two more each minute: the last two after 99 minutes.
    let least = secs(99 * 60);
    assert!(least <= took && took <= least + least / 100, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn two_hundred_collections_take_few_appends() {
    let (site, place) = (Site::new(), Place::default());
    let store = shared(&site, &place, Duration::from_millis(20), None).await;
    let (_, report, _) = site.run_on(store, &packages(0..200), 32, None).await;
    assert_eq!(report.unwrap().counts["accepted"], 200);
    let puts = place.inner().puts;
    assert!(puts <= 100, "{puts} appends");
}

#[tokio::test(start_paused = true)]
async fn runs_that_follow_each_other_share_the_quota() {
    let site = Site::new();
    let (_, _, took) = site.apply(&alerts(0..20)).await;
    assert!(took >= Duration::from_secs(60), "{took:?}");
    for end in [32, 33, 60] {
        let (plan, report, took) = site.apply(&alerts(0..end)).await;
        assert_eq!((report.exit_code(), site.refusals()), (0, 0), "{report:?}");
        let estimate = Duration::from_secs(plan.estimate.seconds);
        assert!(took + Duration::from_secs(1) >= estimate, "{took:?}, {estimate:?}");
        assert!(took <= estimate + Duration::from_secs(1), "{took:?}, {estimate:?}");
    }
    let seen = site.seen.lock().unwrap();
    assert_eq!(seen.len(), 60);
    // The service's own count: fifteen in any minute.
    for (n, (at, ..)) in seen.iter().enumerate() {
        let within = seen[n..].iter().take_while(|(t, ..)| *t < *at + Duration::from_secs(60)).count();
        assert!(within <= 15, "{within} from {at:?} on");
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_is_shared_as_well() {
    let site = Site::new();
    site.apply(&packages(0..1500)).await;
    let (plan, report, took) = site.apply(&packages(0..1501)).await;
    assert_eq!((report.exit_code(), site.refusals()), (0, 0), "{report:?}");
    assert!(took > Duration::from_secs(44 * 60) && took < Duration::from_secs(46 * 60 + 2), "{took:?}");
    assert!(plan.estimate.seconds.abs_diff(took.as_secs()) <= 1, "{} and {took:?}", plan.estimate.seconds);
}

#[tokio::test(start_paused = true)]
async fn endpoints_do_not_wait_for_each_other() {
    let site = Site::new();
    site.apply(&format!("{}{}", alerts(0..20), packages(100..200))).await;
    let seen = site.seen.lock().unwrap();
    let last = |part: &str| seen.iter().filter(|(_, target, _)| target.contains(part)).map(|s| s.0).max();
    assert!(last("collectInvestigationPackage").unwrap() < Duration::from_secs(10));
    assert!(last("CreateAlertByReference").unwrap() > Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn forty_five_queries_a_minute_at_either_api() {
    for api in [HuntingApi::Graph, HuntingApi::Defender] {
        let site = Site::new();
        let inner = site.clone();
        let clock = Clock::new(move || inner.now());
        let client = Client::new(
            Service::graph(Cloud::Public, None).unwrap(),
            Arc::new(Way(site.clone())),
            Tokens::new(Arc::new(AnyToken)),
            RateLimiter::new(clock.clone(), []),
            clock.clone(),
        );
        let hunter = Hunter::new(Ok(client), api, None);
        let query = |n| HuntingQuery { text: format!("DeviceEvents | take {n}").into(), timespan: None };
        for n in 0..100 {
            assert!(hunter.run(&query(n)).await.unwrap().rows.is_empty());
        }
        let took = site.start.elapsed();
        assert_eq!(site.refusals(), 0);
        let least = Duration::from_secs(2 * 60);
        assert!(least <= took && took < least + Duration::from_secs(20), "{took:?}");
        let seen = site.seen.lock().unwrap();
        for (n, (at, ..)) in seen.iter().enumerate() {
            let within = seen[n..].iter().take_while(|(t, ..)| *t < *at + Duration::from_secs(60)).count();
            assert!(within <= 45, "{within} from {at:?} on");
        }
    }
}

const COLLECT: &str = "collectInvestigationPackage";

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn a_denied_kind_of_call_is_not_made_again() {
    for fault in ["status: 401", "status: 403", "status: 403, message: No licence for this action"] {
        let site = Site::of(&format!("faults: [{{ on: collect, then: error, {fault} }}]"));
        let manifests = format!("{}{}", alerts(0..3), packages(0..120));
        let (_, report, _) = site.run(&manifests, 8, None).await;
        let report = report.unwrap();
        let sent = site.sent(COLLECT);
        assert!((1..=8).contains(&sent), "no more than were under way: {sent}");
        assert_eq!((report.exit_code(), report.left), (1, 120 - sent), "{report:?}");
        assert_eq!(report.counts["accepted"], 3, "other kinds go on");
        assert_eq!(site.stopped(), [("collect".to_owned(), None)]);
        // What was not sent is there to be sent once the cause is gone, and what was is not sent again.
        let (plan, ..) = site.run(&manifests, 8, None).await;
        let creates = plan.calls().count();
        assert_eq!(creates, 120);
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_without_a_reason_may_be_about_one_device() {
    let denied = |n: u64| format!("{{ on: collect, nth: [{n}], then: error, status: 403, message: no }}");
    let faults: Vec<String> = [1, 2, 4, 5, 7].map(denied).into();
    let site = Site::of(&format!("faults: [{}]", faults.join(", ")));
    let (_, report, _) = site.run(&packages(0..20), 1, None).await;
    let report = report.unwrap();
    assert_eq!((site.sent(COLLECT), report.counts["accepted"], report.left), (20, 15, 0), "{report:?}");
    assert!(site.stopped().is_empty());

    let site = Site::of("faults: [{ on: collect, then: error, status: 403, message: no }]");
    let (_, report, _) = site.run(&packages(0..20), 1, None).await;
    assert_eq!((site.sent(COLLECT), report.unwrap().left), (3, 17));
    assert_eq!(site.stopped().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_block_is_told_and_not_slept_through() {
    for (fault, ends_after) in [
        ("then: throttled, seconds: 3000", 3000),
        ("then: error, status: 429, message: maximum allowed 1500 per 01:00:00", 3600),
        ("then: throttled, seconds: 31536000", 86_400),
    ] {
        let site = Site::of(&format!("faults: [{{ on: collect, nth: [1], {fault} }}]"));
        let (_, report, took) = site.run(&packages(0..20), 1, None).await;
        let report = report.unwrap();
        assert_eq!((report.exit_code(), report.left, site.sent(COLLECT)), (1, 20, 1), "{report:?}");
        assert!(took < secs(1), "{took:?}");
        let stopped = site.stopped();
        let [(_, Some(until))] = &stopped[..] else { panic!("{stopped:?}") };
        let left = until.duration_since(site.now()).as_secs();
        assert!((ends_after - 2..=ends_after).contains(&left), "{left}");
        // The next run knows of it.
        let (_, report, took) = site.run(&packages(0..20), 1, None).await;
        assert_eq!((report.unwrap().left, site.sent(COLLECT)), (20, 1));
        assert!(took < secs(1), "{took:?}");
        assert_eq!(site.stopped().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn wait_waits_for_a_block_that_ends_in_its_time() {
    let scenario = "delays: { pending: 0, running: 0 }
faults: [{ on: collect, nth: [1], then: throttled, seconds: 3000 }]";
    let site = Site::of(scenario);
    let (_, report, took) = site.run(&packages(0..20), 1, Some(secs(3600))).await;
    assert_eq!(report.unwrap().counts["accepted"], 20);
    assert!(took >= secs(3000) && took < secs(3700), "{took:?}");
    assert!(site.stopped().is_empty());

    let site = Site::of(scenario);
    let (_, report, took) = site.run(&packages(0..20), 1, Some(secs(1800))).await;
    assert_eq!((report.unwrap().left, site.stopped().len()), (20, 1));
    assert!(took < secs(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_a_503_is_obeyed() {
    let site = Site::of("faults: [{ on: collect, nth: [1], then: error, status: 503, seconds: 100 }]");
    let (_, report, _) = site.run(&packages(0..1), 1, None).await;
    assert_eq!(report.unwrap().counts["accepted"], 1);
    let at: Vec<Duration> = site.seen.lock().unwrap().iter().map(|(at, ..)| *at).collect();
    assert!(at[1] - at[0] >= secs(100), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn following_ends_where_it_can_see_nothing_more() {
    let later: Vec<u32> = (2..1000).collect();
    let faulty = |fault: &str| Site::of(&format!("faults: [{{ on: listActions, nth: {later:?}, {fault} }}]"));
    // A token that cannot be renewed.
    let site = faulty("then: error, status: 401");
    let (_, report, took) = site.run(&packages(0..1), 1, Some(secs(1800))).await;
    assert!(matches!(report, Err(RunError::Unread(_))), "{report:?}");
    assert!(took < secs(60), "{took:?}");
    // A service that is down may come back.
    let site = faulty("then: error, status: 503");
    let (_, report, took) = site.run(&packages(0..1), 1, Some(secs(600))).await;
    assert!(matches!(report, Err(RunError::Unread(_))), "{report:?}");
    assert!(took >= secs(600) && took < secs(620), "{took:?}");
    // A list that hangs.
    let site = faulty("then: delay, seconds: 3600");
    let (_, report, took) = site.run(&packages(0..1), 1, Some(secs(10))).await;
    assert!(matches!(report, Err(RunError::Unread(_))), "{report:?}");
    assert!(took <= secs(13), "{took:?}");
}

proptest! {
    #[test]
    fn the_estimate_is_what_the_limiter_does(
        per_minute in 1_u32..8,
        per_hour in 1_u32..20,
        n in 1_u64..60,
        ages in prop::collection::vec(0_i64..3_600, 0..30),
    ) {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let at = |age: &i64| now - jiff::SignedDuration::from_secs(*age);
        let mut window = Window::new(RateLimit::new(per_minute, per_hour));
        ages.iter().for_each(|age| window.record(at(age)));
        let mut last = now;
        for _ in 0..n {
            if let Next::At(t) = window.earliest(last) {
                last = t;
            }
            window.take(last);
            window.answer(last);
        }
        let spent = |age| QuotaUsage {
            is_link: false,
            kind: Kind::Alert,
            action: CallAction::Create,
            at: Some(at(age)),
            server_at: None,
            blocked_until: None,
        };
        let spent: Vec<QuotaUsage> = ages.iter().map(spent).collect();
        let quota = RateLimit { per_minute: Some(per_minute), per_hour: Some(per_hour) };
        let estimate = last_call(n, quota, now, spent.iter());
        prop_assert_eq!(estimate, last.duration_since(now).as_secs() as u64);
    }
}
