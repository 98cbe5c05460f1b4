//! Everything around a run: time, the network, the service, and what really happened there.
//!
//! The site knows more than the program under test ever can: which call made which object. It watches
//! every mutating call on its way out, and the service's own list of effects.

mod network;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use casefile::defender::{Clock, HttpAnswer, HttpCall, Reading};
use casefile::model::{Address, Dependency};
use casefile::plan::is_met;
use casefile::sandbox::{Effect, EffectKind, HttpRequest, HttpResponse, Origin, Scenario, World};
use casefile::state::memory::Trouble;
use casefile::state::{FileName, MemoryDisk, Record, State, journal};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub use network::Network;

use crate::fault::{Call, Deed, Fault, Point};
use crate::invariant::Invariant;
use crate::simulated_service::{answer, request};

/// How long the client waits for an answer.
pub const PATIENCE: u64 = 60;

/// Half the time that a call takes when nothing is wrong.
const HALF_WAY: Duration = Duration::from_millis(40);

/// The service's time, and ours.
pub struct Time {
    base: Timestamp,
    start: Instant,
    /// What timers missed, in milliseconds.
    stalled: AtomicI64,
    /// What the steady clock missed of it.
    frozen: AtomicI64,
    /// How far our wall clock is ahead of the service's, in milliseconds.
    pub skew: AtomicI64,
}

impl Time {
    pub fn new() -> Self {
        let base = "2026-03-01T08:00:00Z".parse().unwrap();
        Time {
            base,
            start: Instant::now(),
            stalled: AtomicI64::new(0),
            frozen: AtomicI64::new(0),
            skew: AtomicI64::new(0),
        }
    }

    /// By the service's clock.
    pub fn now(&self) -> Timestamp {
        let stalled = SignedDuration::from_millis(self.stalled.load(Ordering::Relaxed));
        self.base + self.start.elapsed() + stalled
    }

    /// By the runner's wall clock.
    pub fn wall(&self) -> Timestamp {
        self.now() + SignedDuration::from_millis(self.skew.load(Ordering::Relaxed))
    }

    /// The runner's clocks.
    pub fn read(&self) -> Reading {
        let missed = SignedDuration::from_millis(self.frozen.load(Ordering::Relaxed));
        let steady = self.now().duration_since(self.base) - missed;
        Reading { wall: self.wall(), steady: steady.unsigned_abs() }
    }

    fn step(&self, seconds: i64) {
        self.skew.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    fn stall(&self, seconds: u64) {
        self.stalled.fetch_add(seconds as i64 * 1000, Ordering::Relaxed);
    }

    fn freeze(&self, seconds: u64) {
        self.frozen.fetch_add(seconds as i64 * 1000, Ordering::Relaxed);
        self.stall(seconds);
    }

    /// Whatever a fault does to the time.
    fn disturb(&self, fault: Fault) {
        match fault {
            Fault::Stall(s) => self.stall(s),
            Fault::Frozen(s) => self.freeze(s),
            Fault::Step(s) => self.step(s),
            _ => {}
        }
    }
}

/// One attempt, as its synced intent names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub seq: u64,
    pub address: Address,
    pub revision: u32,
    /// What the manifest asks for, under whatever name it goes: see `resource_of`.
    pub resource: String,
    /// Path and body.
    pub request: String,
    /// How often a person asked for it anew by name.
    pub asked: u32,
}

impl Attempt {
    /// Returns whether another attempt asks for the very thing that this one asks for.
    fn asks_as(&self, other: &Attempt) -> bool {
        let wish = |a: &Attempt| (a.resource.clone(), a.revision, a.asked);
        // Another name with another text is another resource: no run lived long enough to see the one change
        // without the other.
        let same_manifest = self.address == other.address || self.request == other.request;
        self.seq != other.seq && wish(self) == wish(other) && same_manifest
    }
}

/// An object that one of our calls made, or was merged into.
#[derive(Clone, Debug)]
pub struct Made {
    pub id: String,
    pub attempt: Attempt,
    pub merged: bool,
    /// From when on lists show it.
    pub visible: Timestamp,
    /// It took effect, or became visible, after every moment that the runner assumes possible.
    pub beyond: bool,
}

/// A call that is on its way.
struct Flight {
    id: u64,
    due: Timestamp,
    request: HttpRequest,
    attempt: Option<Attempt>,
    left: Timestamp,
    gave_up: Option<Timestamp>,
    /// When alerts were read last before it left.
    looked: Option<Timestamp>,
    /// The same call came before: what it does is nobody's fault but the network's.
    copy: bool,
}

/// A fault, planned for a point of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    pub run: usize,
    pub point: usize,
    pub fault: Fault,
}

pub struct Inner {
    pub world: World,
    flights: Vec<Flight>,
    answers: BTreeMap<u64, HttpResponse>,
    next: u64,
    effects: usize,
    lag: SignedDuration,
    settle: SignedDuration,
    pub made: Vec<Made>,
    /// Attempts that were sent, and how often.
    sent: BTreeMap<u64, u32>,
    refused_token: bool,
    /// Resources that some run names with `--replace`.
    pub replace: Vec<Address>,
    /// What depends on what.
    pub depends: BTreeMap<Address, Vec<Dependency>>,
    /// The process's clock.
    clock: Option<Clock>,
    run: usize,
    pub point: usize,
    pub planned: Vec<Planned>,
    /// The points that were passed, by run.
    pub points: Vec<Vec<Point>>,
    /// Faults that really took place in this run.
    pub fired: usize,
    pub disturbed: bool,
    pub power: Option<Fault>,
    pub dead: bool,
    pub broken: bool,
    /// The file for rescued outcomes could not be written either.
    pub no_rescue: bool,
    /// Objects that the run was told of.
    pub told: Vec<String>,
    /// When this run has read alerts last.
    looked: Option<Timestamp>,
    /// Alert and field that an analyst has changed last, and when.
    judged: BTreeMap<(String, String), Timestamp>,
    /// Somebody else has changed alerts.
    pub hands: bool,
    /// Alert and text of the comments whose acceptance a run was told of.
    accepted: BTreeSet<(String, String)>,
    outage: Option<Timestamp>,
    throttled: Option<Timestamp>,
    /// An analyst used our own comment: nobody can tell whose is whose.
    pub ambiguous: bool,
    pub alike: bool,
    pub alike_is_plain: bool,
    pub mutating: usize,
    machines: Vec<String>,
    comment: String,
    pub wrong: Vec<String>,
    pub log: Vec<String>,
}

impl Inner {
    /// Something does not hold.
    pub fn violates(&mut self, rule: Invariant, what: impl std::fmt::Display) {
        self.wrong.push(format!("{rule}: {what}"));
    }
}

/// See the module's words.
pub struct Site {
    pub time: Time,
    inner: Mutex<Inner>,
    pub died: Notify,
    pub stop: watch::Sender<bool>,
    disk: Mutex<MemoryDisk>,
}

/// `r3b` is another name of what `r3a` was: the harness renames so.
pub fn resource_of(address: &Address) -> String {
    let name = address.name();
    name.trim_end_matches(|c: char| c.is_ascii_lowercase()).to_owned()
}

impl Site {
    pub fn new(scenario: Scenario, settle: Duration, machines: Vec<String>, comment: String) -> Arc<Site> {
        let lag = SignedDuration::try_from(scenario.delays.list_lag.get()).unwrap();
        let inner = Inner {
            world: World::new(scenario),
            flights: Vec::new(),
            answers: BTreeMap::new(),
            next: 0,
            effects: 0,
            lag,
            settle: SignedDuration::try_from(settle).unwrap(),
            made: Vec::new(),
            sent: BTreeMap::new(),
            refused_token: false,
            replace: Vec::new(),
            depends: BTreeMap::new(),
            clock: None,
            run: 0,
            point: 0,
            planned: Vec::new(),
            points: Vec::new(),
            fired: 0,
            disturbed: false,
            power: None,
            dead: false,
            broken: false,
            no_rescue: false,
            told: Vec::new(),
            looked: None,
            judged: BTreeMap::new(),
            hands: false,
            accepted: BTreeSet::new(),
            outage: None,
            throttled: None,
            ambiguous: false,
            alike: false,
            alike_is_plain: false,
            mutating: 0,
            machines,
            comment,
            wrong: Vec::new(),
            log: Vec::new(),
        };
        Arc::new(Site {
            time: Time::new(),
            inner: Mutex::new(inner),
            died: Notify::new(),
            stop: watch::channel(false).0,
            disk: Mutex::new(MemoryDisk::new()),
        })
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn disk(&self) -> MemoryDisk {
        self.disk.lock().unwrap().clone()
    }

    pub fn replace_disk(&self, disk: MemoryDisk) {
        *self.disk.lock().unwrap() = disk;
    }

    /// The state's folder is an older one. Attempts are numbered anew from there.
    pub fn go_back_to(&self, disk: MemoryDisk) {
        self.replace_disk(disk);
        self.inner().sent.clear();
    }

    /// A new process begins.
    pub fn begin(self: &Arc<Self>, run: usize, skew: i64) {
        self.time.skew.store(skew, Ordering::Relaxed);
        self.stop.send_replace(false);
        {
            let mut inner = self.inner();
            inner.run = run;
            inner.point = 0;
            inner.fired = 0;
            inner.disturbed = !inner.flights.is_empty();
            inner.dead = false;
            inner.broken = false;
            inner.no_rescue = false;
            inner.told.clear();
            inner.looked = None;
            inner.power = None;
            inner.outage = None;
            inner.throttled = None;
            inner.mutating = 0;
            inner.points.resize(run + 1, Vec::new());
        }
        let site = Arc::downgrade(self);
        self.disk().watch(Some(Box::new(move |operation, name| {
            let site = site.upgrade()?;
            site.at_disk(Point::Disk(operation, name))
        })));
    }

    /// The clock of a process that begins now.
    pub fn clock(self: &Arc<Self>) -> Clock {
        let site = self.clone();
        let clock = Clock::new(move || site.time.read());
        self.inner().clock = Some(clock.clone());
        clock
    }

    pub fn end(&self) {
        self.inner().clock = None;
        self.disk().watch(None);
    }

    /// Whether nothing is on its way.
    pub fn quiet(&self) -> bool {
        self.inner().flights.is_empty()
    }

    /// Counts a point; the fault that is planned for it, if it can happen there.
    fn reach(&self, point: Point) -> Option<Fault> {
        let mut inner = self.inner();
        let (run, n) = (inner.run, inner.point);
        inner.point += 1;
        if let Some(points) = inner.points.get_mut(run) {
            points.push(point);
        }
        let at = |p: &&Planned| p.run == run && p.point == n && point.faults().contains(&p.fault);
        let fault = inner.planned.iter().find(at).map(|p| p.fault)?;
        inner.fired += 1;
        inner.disturbed = true;
        let line = format!("run {run}: {fault:?} at point {n}, {point:?}");
        self.note(&mut inner, line);
        Some(fault)
    }

    fn note(&self, inner: &mut Inner, line: String) {
        let at = self.time.now();
        inner.log.push(format!("{} {line}", at.strftime("%H:%M:%S%.3f")));
    }

    pub fn say(&self, line: String) {
        self.note(&mut self.inner(), line);
    }

    fn at_disk(&self, point: Point) -> Option<Trouble> {
        {
            let inner = self.inner();
            if inner.dead || inner.broken {
                return Some(Trouble::Refused);
            }
        }
        let fault = self.reach(point)?;
        if let (Point::Disk(_, Some(FileName::Rescue)), Fault::Refused | Fault::Partial(_)) = (point, fault) {
            self.inner().no_rescue = true;
        }
        match fault {
            Fault::Refused => Some(Trouble::Refused),
            Fault::Broken => {
                self.inner().broken = true;
                Some(Trouble::Refused)
            }
            Fault::Partial(n) => Some(Trouble::Partial(n)),
            Fault::Stall(_) | Fault::Frozen(_) | Fault::Step(_) => {
                self.time.disturb(fault);
                None
            }
            Fault::Stop => {
                self.stop.send_replace(true);
                None
            }
            fault => {
                self.die(fault);
                Some(Trouble::Refused)
            }
        }
    }

    fn die(&self, fault: Fault) {
        let mut inner = self.inner();
        inner.dead = true;
        inner.power = matches!(fault, Fault::PowerLoss(..)).then_some(fault);
        self.died.notify_one();
    }

    /// Somebody at the portal.
    pub fn deed(&self, deed: Deed, machine: usize) {
        let now = self.time.now();
        let mut inner = self.inner();
        self.deliver(&mut inner, now);
        inner.hands |= matches!(deed, Deed::Judge | Deed::Resolve | Deed::Raise);
        let machine = inner.machines[machine % inner.machines.len()].clone();
        let verb = match deed {
            Deed::Start | Deed::StartAlike => "start",
            Deed::Finish => "finish",
            Deed::Fail => "fail",
            Deed::TimeOut => "timeOut",
            Deed::Cancel => "cancel",
            Deed::Raise => {
                let body = serde_json::json!({
                    "machineId": machine, "severity": "High", "title": "a title", "description": "theirs",
                    "recommendedAction": "theirs", "eventTime": "2026-02-01T10:00:01Z", "reportId": "1001",
                    "category": "Malware"
                });
                let path = "/api/alerts/CreateAlertByReference";
                let answer = inner.world.handle(now, &HttpRequest::new("POST", path, body.to_string()));
                inner.effects = inner.world.effects().len();
                self.note(&mut inner, format!("another program: {deed:?} -> {}", answer.status));
                return;
            }
            Deed::Judge => {
                let verdict = serde_json::json!({
                    "status": "InProgress", "assignedTo": "ann@contoso.com", "classification": "TruePositive"
                });
                let ids: Vec<String> = view(&mut inner.world, now)["alerts"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|a| a["machineId"] == machine.as_str())
                    .map(|a| a["id"].as_str().unwrap().to_owned())
                    .collect();
                for id in ids {
                    let body = serde_json::json!({ "do": "triage", "alert": id, "set": verdict }).to_string();
                    let answer = inner.world.handle(now, &HttpRequest::new("POST", "/sandbox/analyst", body));
                    assert_eq!(answer.status, 200);
                    for field in verdict.as_object().unwrap().keys() {
                        inner.judged.insert((id.clone(), field.clone()), now);
                    }
                    self.note(&mut inner, format!("an analyst judges {id}"));
                }
                inner.effects = inner.world.effects().len();
                return;
            }
            Deed::Resolve => {
                let open = open_alerts(&mut inner.world, now);
                for alert in open {
                    let body = serde_json::json!({ "do": "resolve", "alert": alert }).to_string();
                    inner.world.handle(now, &HttpRequest::new("POST", "/sandbox/analyst", body));
                }
                inner.effects = inner.world.effects().len();
                return;
            }
        };
        let alike = deed == Deed::StartAlike;
        let comment = if alike { inner.comment.clone() } else { "an analyst's own reasons".to_owned() };
        let body = serde_json::json!({ "do": verb, "machine": machine, "comment": comment }).to_string();
        let answer = inner.world.handle(now, &HttpRequest::new("POST", "/sandbox/analyst", body));
        inner.alike |= alike && answer.status == 200;
        inner.ambiguous |= alike && answer.status == 200 && !inner.alike_is_plain;
        inner.effects = inner.world.effects().len();
        self.note(&mut inner, format!("an analyst: {deed:?} -> {}", answer.status));
    }

    /// Calls that are due reach the service.
    pub fn deliver(&self, inner: &mut Inner, now: Timestamp) {
        loop {
            let due = inner.flights.iter().enumerate().filter(|(_, f)| f.due <= now);
            let Some((place, _)) = due.min_by_key(|(_, f)| (f.due, f.id)) else { return };
            let flight = inner.flights.remove(place);
            let answer = inner.world.handle(flight.due, &flight.request);
            let effects: Vec<Effect> = inner.world.effects()[inner.effects..].to_vec();
            inner.effects += effects.len();
            for effect in effects {
                self.note(
                    inner,
                    format!(
                        "the service: {:?} {} by {:?}{}",
                        effect.kind,
                        effect.id,
                        flight.attempt.as_ref().map(|a| (a.seq, a.address.to_string())),
                        if flight.copy { ", a copy" } else { "" }
                    ),
                );
                if let Some(attempt) = &flight.attempt
                    && effect.by == Origin::Api
                    && matches!(
                        effect.kind,
                        EffectKind::Collect | EffectKind::CreateAlert | EffectKind::MergeAlert
                    )
                {
                    self.took_effect(inner, &flight, attempt.clone(), &effect);
                }
                if effect.by == Origin::Api && effect.kind == EffectKind::UpdateAlert {
                    self.updated(inner, &flight, &effect);
                }
            }
            inner.answers.insert(flight.id, answer);
        }
    }

    /// [`Invariant::PeopleStand`] and [`Invariant::CommentOnce`].
    fn updated(&self, inner: &mut Inner, flight: &Flight, effect: &Effect) {
        let body: BTreeMap<String, String> = serde_json::from_slice(&flight.request.body).unwrap();
        for (field, value) in body {
            if field == "comment" {
                if inner.accepted.contains(&(effect.id.clone(), value)) && !flight.copy {
                    inner.violates(Invariant::CommentOnce, format!("on {}", effect.id));
                }
                continue;
            }
            // What was done after the run had looked cannot be known to it.
            let judged = inner.judged.remove(&(effect.id.clone(), field.clone()));
            if judged.is_some_and(|at| flight.looked.is_some_and(|looked| at + inner.lag < looked)) {
                inner.violates(Invariant::PeopleStand, format!("{field} of {}", effect.id));
            }
        }
    }

    /// A call of ours made an object, or was merged into one: [`Invariant::OneEffect`].
    fn took_effect(&self, inner: &mut Inner, flight: &Flight, attempt: Attempt, effect: &Effect) {
        let visible = effect.at + inner.lag;
        let last = flight.gave_up.unwrap_or(flight.left).max(flight.left) + inner.settle;
        let merged = effect.kind == EffectKind::MergeAlert;
        let made = Made { id: effect.id.clone(), attempt, merged, visible, beyond: visible >= last };
        let earlier: Vec<Made> =
            inner.made.iter().filter(|m| m.attempt.asks_as(&made.attempt)).cloned().collect();
        // A lost call that was merged into an alert of our own left nothing to find: row 3 takes nothing that we
        // made for a sign of it.
        let is_ours = |id: &str| inner.made.iter().any(|m| m.id == id && !m.merged);
        let earlier: Vec<Made> = earlier.into_iter().filter(|m| !(m.merged && is_ours(&m.id))).collect();
        // The one case that nothing rules out: one of them came later than a look-up has to allow for.
        let beyond = made.beyond || earlier.iter().any(|m| m.beyond);
        if !earlier.is_empty() && !beyond && !flight.copy && !inner.ambiguous {
            let status = statuses(&mut inner.world, effect.at);
            let failed =
                |m: &&Made| matches!(status.get(&m.id).map(String::as_str), Some("Failed" | "TimeOut"));
            if let Some(m) = earlier.iter().find(|m| !failed(m)) {
                let (first, second) = (&m.attempt, &made.attempt);
                inner.violates(
                    Invariant::OneEffect,
                    format!(
                        "{} revision {}, attempts {} and {}",
                        second.resource, second.revision, first.seq, second.seq
                    ),
                );
            }
        }
        inner.made.push(made);
    }

    /// [`Invariant::YoungIntent`], and what has to be there before a call that depends on something.
    fn check_intent(&self, inner: &mut Inner, call: &HttpCall) -> Option<Attempt> {
        #[derive(serde::Deserialize)]
        struct Line {
            seq: u64,
            record: Record,
        }
        let journal = self.disk().durable(FileName::Journal).unwrap_or_default();
        let text = String::from_utf8_lossy(&journal);
        let body = call.body.as_deref().unwrap_or_default();
        let mut closed = Vec::new();
        for line in text.lines().rev() {
            if line.contains("\"record\":{\"outcome\":") {
                if let Ok(Line { record: Record::Outcome { attempt, .. }, .. }) = serde_json::from_str(line) {
                    closed.push(attempt);
                }
                continue;
            }
            if !line.contains("\"record\":{\"intent\":") {
                continue;
            }
            let Ok(Line { seq, record: Record::Intent(intent) }) = serde_json::from_str(line) else {
                continue;
            };
            let request = &intent.sent.request;
            if (request.method, &*request.path, request.body.as_str()) != (call.method, &call.target, body) {
                continue;
            }
            if closed.contains(&seq) {
                inner.violates(Invariant::YoungIntent, format!("intent {seq} has an outcome"));
            }
            if inner.clock.as_ref().is_some_and(|c| c.now() > intent.send_by) {
                inner.violates(Invariant::YoungIntent, format!("intent {seq} was sent after its sendBy"));
            }
            let times = inner.sent.entry(seq).or_default();
            *times += 1;
            if *times > 1 && !std::mem::take(&mut inner.refused_token) {
                inner.violates(Invariant::YoungIntent, format!("intent {seq} was sent twice"));
            }
            if let Some(on) = inner.depends.get(&intent.address).cloned() {
                let mut state = State::default();
                for entry in journal::Reader::new(&journal).flatten() {
                    let _ = state.apply(entry.seq, entry.at, &entry.record);
                }
                // What is recorded has happened: its effect comes before the one that now begins.
                for d in on.iter().filter(|d| !is_met(state.resources.get(&d.address), d.until)) {
                    let (address, on) = (&intent.address, &d.address);
                    inner.violates(Invariant::InOrder, format!("{address} before {on}"));
                }
                if call.target.ends_with("CreateAlertByReference") {
                    let has = |d: &Dependency| {
                        let id = state.resources.get(&d.address).and_then(|r| r.id.as_deref());
                        id.is_some_and(|id| body.contains(id))
                    };
                    if body.contains("${{") || !on.iter().all(has) {
                        inner.violates(Invariant::IdsInTexts, &intent.address);
                    }
                }
            }
            let asked = if inner.replace.contains(&intent.address) {
                let named = |l: &&str| {
                    l.contains("\"action\":\"replace\"") && l.contains(&intent.address.to_string())
                };
                text.lines().filter(named).count() as u32
            } else {
                0
            };
            return Some(Attempt {
                seq,
                asked,
                request: format!("{}{body}", call.target),
                resource: resource_of(&intent.address),
                address: intent.address,
                revision: intent.sent.revision,
            });
        }
        inner.violates(Invariant::YoungIntent, format!("{} was sent without one", call.target));
        None
    }

    fn launch(&self, call: &HttpCall, attempt: Option<Attempt>, after: Duration, copy: bool) -> u64 {
        let now = self.time.now();
        let mut inner = self.inner();
        inner.next += 1;
        let id = inner.next;
        let request = request(call);
        let (due, looked) = (now + after, inner.looked);
        inner.flights.push(Flight { id, due, request, attempt, left: now, gave_up: None, looked, copy });
        id
    }

    fn give_up(&self, id: u64) {
        let now = self.time.now();
        let mut inner = self.inner();
        if let Some(flight) = inner.flights.iter_mut().find(|f| f.id == id) {
            flight.gave_up = Some(now);
        }
    }

    fn date(&self) -> String {
        self.time.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    fn status(&self, status: u16) -> HttpAnswer {
        let body = r#"{"error":{"code":"Whatever","message":"It did not work."}}"#;
        HttpAnswer { date: Some(self.date()), ..HttpAnswer::new(status, body) }
    }

    fn too_many(&self) -> HttpAnswer {
        HttpAnswer { retry_after: Some("30".into()), ..self.status(429) }
    }

    /// Waits for the service's answer.
    async fn answer(&self, id: u64, kind: Call, after: Duration) -> HttpAnswer {
        tokio::time::sleep(after).await;
        let found = {
            let now = self.time.now();
            let mut inner = self.inner();
            self.deliver(&mut inner, now);
            inner.answers.remove(&id)
        };
        let response = match found {
            Some(response) => response,
            None => return std::future::pending().await,
        };
        match self.reach(Point::Answer(kind)) {
            Some(fault @ (Fault::Crash | Fault::PowerLoss(..))) => {
                self.die(fault);
                std::future::pending().await
            }
            Some(fault @ (Fault::Stall(_) | Fault::Frozen(_) | Fault::Step(_))) => self.time.disturb(fault),
            Some(Fault::Stop) => drop(self.stop.send_replace(true)),
            Some(Fault::Analyst(deed)) => self.deed(deed, 0),
            _ => {}
        }
        tokio::time::sleep(HALF_WAY).await;
        answer(&response)
    }
}

/// The control surface's view of the service.
pub fn view(world: &mut World, now: Timestamp) -> serde_json::Value {
    let response = world.handle(now, &HttpRequest::new("GET", "/sandbox/world", ""));
    serde_json::from_slice(&response.body).unwrap()
}

/// Every object's status.
pub fn statuses(world: &mut World, now: Timestamp) -> BTreeMap<String, String> {
    let view = view(world, now);
    let lists = [&view["machineActions"], &view["alerts"]];
    let entries = lists.into_iter().flat_map(|l| l.as_array().into_iter().flatten());
    entries
        .map(|e| (e["id"].as_str().unwrap().to_owned(), e["status"].as_str().unwrap().to_owned()))
        .collect()
}

fn open_alerts(world: &mut World, now: Timestamp) -> Vec<String> {
    let view = view(world, now);
    let open = view["alerts"].as_array().into_iter().flatten().filter(|a| a["status"] != "Resolved");
    open.map(|a| a["id"].as_str().unwrap().to_owned()).collect()
}
