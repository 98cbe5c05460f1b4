//! Runs a schedule: the real engine, run after run, against one site; then judges what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use casefile::defender::auth::Tokens;
use casefile::defender::{Client, Cloud, RateLimiter, Service};
use casefile::engine::{Control, Locked, Lookups, Options, Report, Run, Scope};
use casefile::model::{
    Address, Call, CreateAlert, Dependency, Desired, Kind, Marker, OnInProgress, OnRemove, Source, Span,
    Triage, Until, reference,
};
use casefile::plan::{Action, Change, OnUnknown, Plan, PlanWarning, Recovery, Settings, is_met};
use casefile::sandbox::{Collection, ExternalIds, Scenario};
use casefile::state::memory::Unsynced;
use casefile::state::{self, Binding, FileName, Holder, MemoryDisk, Origin, Phase, Record, State, journal};

use crate::fault::{Deed, Fault};
use crate::invariant::Invariant;
use crate::simulated_service::AnyToken;
use crate::site::{self, Network, Planned, Site, resource_of};

/// What a manifest declares, in few words.
#[derive(Clone, Debug)]
pub struct Res {
    /// `r0a`: the resource, and which of its names.
    pub name: &'static str,
    pub machine: usize,
    /// `Some(n)`: an alert on event `n`.
    pub event: Option<u8>,
    pub text: &'static str,
    pub revision: u32,
    pub busy: OnInProgress,
    pub on_remove: OnRemove,
    pub triage: Option<&'static str>,
    pub after: &'static [(&'static str, Until)],
}

/// A collection.
pub fn package(name: &'static str, machine: usize, text: &'static str) -> Res {
    Res {
        name,
        machine,
        event: None,
        text,
        revision: 1,
        busy: OnInProgress::Adopt,
        on_remove: OnRemove::Retain,
        triage: None,
        after: &[],
    }
}

/// An alert.
pub fn alert(name: &'static str, machine: usize, title: &'static str, event: u8) -> Res {
    Res { event: Some(event), ..package(name, machine, title) }
}

impl Res {
    pub fn address(&self) -> Address {
        let kind = if self.event.is_some() { Kind::Alert } else { Kind::InvestigationPackage };
        Address::new(kind, self.name)
    }

    fn depends_on(&self) -> Vec<Dependency> {
        let on = |&(on, until): &(&str, Until)| Dependency { address: on.parse().unwrap(), until };
        self.after.iter().map(on).collect()
    }

    /// Holds the id of all that it depends on.
    fn description(&self) -> String {
        let ids: Vec<String> = self.after.iter().map(|(on, _)| reference(on)).collect();
        format!("d{}", ids.concat())
    }

    fn desired(&self) -> Desired {
        let machine_id = machine(self.machine).parse().unwrap();
        let call = match self.event {
            None => Call::collect(machine_id, self.text),
            Some(n) => Call::Alert(CreateAlert {
                machine_id,
                severity: "Low".into(),
                title: self.text.into(),
                description: self.description(),
                recommended_action: "r".into(),
                event_time: format!("2026-02-01T10:00:{n:02}Z").parse().unwrap(),
                report_id: casefile::model::ReportId(format!("{}", 1000 + u32::from(n)).into()),
                category: "Malware".into(),
            }),
        };
        let source = Source { file: "a.yaml".into(), line: 1 };
        let mut d = Desired::new(self.address(), source, call, self.revision);
        d.policy.on_in_progress = self.busy;
        d.on_remove = self.on_remove;
        d.depends_on = self.depends_on().into();
        let triage = |who: &str| Triage {
            assigned_to: Some(who.into()),
            classification: Some("FalsePositive".into()),
            comment: Some("INC-1".into()),
            ..Triage::default()
        };
        d.triage = self.triage.map(triage).into();
        d
    }
}

pub fn machine(n: usize) -> String {
    format!("{:040x}", 0xabc0 + n)
}

/// One run of a story.
#[derive(Clone, Debug)]
pub struct Step {
    /// Seconds between the end of the run before and the start of this one.
    pub after: u64,
    /// What the analysts do right before it.
    pub deeds: Vec<(Deed, usize)>,
    pub desired: Vec<Res>,
    pub replace: Vec<&'static str>,
    /// Only these are planned.
    pub only: Option<Vec<&'static str>>,
    /// `--wait`, in seconds.
    pub wait: Option<u64>,
    /// Seconds that a person thinks about the plan.
    pub approval: u64,
    /// How far the runner's wall clock is ahead, in milliseconds.
    pub skew: i64,
    /// What somebody does with the state's folder right before it.
    pub folder: Checkout,
}

/// What git does to the state's folder between two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkout {
    /// Nothing.
    Stay,
    /// A branch begins here.
    Branch,
    /// The folder is what it was where the branch began.
    Back,
}

impl Step {
    pub fn new(desired: Vec<Res>) -> Step {
        Step {
            after: 5,
            deeds: Vec::new(),
            desired,
            replace: Vec::new(),
            only: None,
            wait: None,
            approval: 0,
            skew: 0,
            folder: Checkout::Stay,
        }
    }
}

/// What happens, were nothing to go wrong.
#[derive(Clone, Debug)]
pub struct Story {
    pub name: &'static str,
    /// The faults in it and what has to hold, in sentences: shown by a failure.
    pub about: &'static str,
    pub steps: Vec<Step>,
    /// Seconds until a new object is listed.
    pub lag: u64,
    /// Seconds that a collection runs.
    pub runs: u64,
    pub settle: u32,
    pub on_unknown: OnUnknown,
    /// A duplicate is answered with 201 and the running collection.
    pub existing: bool,
    /// How collections on machine 0 end.
    pub ends: Collection,
    pub marker: Marker,
    /// The service's way with the id that marks a call.
    pub external_ids: ExternalIds,
    /// Another project's collection elsewhere shows that lists give such ids back.
    pub shows_ids: bool,
    /// An analyst's collection with our comment can be told from ours: by its time, or by a mark.
    pub alike_is_plain: bool,
    /// Calls a minute that the service allows, where it is fewer than documented.
    pub quota: Option<u32>,
}

impl Story {
    pub fn new(name: &'static str, steps: Vec<Step>) -> Story {
        Story {
            name,
            about: "",
            steps,
            lag: 0,
            runs: 600,
            settle: 30,
            on_unknown: OnUnknown::Resend,
            existing: false,
            ends: Collection::Succeeds,
            marker: Marker::Off,
            external_ids: ExternalIds::Kept,
            shows_ids: false,
            alike_is_plain: false,
            quota: None,
        }
    }

    fn scenario(&self) -> Scenario {
        let existing = if self.existing { "faults: [{ on: collect, then: existing }]\n" } else { "" };
        let quota = match self.quota {
            Some(n) => format!("quotas: {{ limits: {{ collect: {{ perMinute: {n} }} }} }}\n"),
            None => String::new(),
        };
        let ids = serde_json::to_value(self.external_ids).unwrap();
        let ids = format!("actions: {{ externalId: {} }}\n", ids.as_str().unwrap());
        let shown = match self.shows_ids {
            true => format!("foreign: [{{ machine: {}, externalId: casefile-{:032x} }}]\n", machine(8), 7),
            false => String::new(),
        };
        let machine = machine(0);
        let ends = serde_json::to_value(self.ends).unwrap();
        let ends = ends.as_str().unwrap();
        let yaml = format!(
            "machines: {{ strict: false, list: [{{ id: {machine}, collection: {ends} }}] }}\n{existing}{quota}{ids}{shown}delays: {{ listLag: {}, updateLag: {}, pending: 2, running: {}, timeOut: 600 }}\n",
            self.lag,
            self.lag,
            self.runs.saturating_sub(2),
        );
        Scenario::from_yaml(&yaml).unwrap()
    }
}

/// What was played, and what was wrong with it.
#[derive(Debug)]
pub struct Played {
    pub wrong: Vec<String>,
    pub log: Vec<String>,
    /// The points of each step.
    pub points: Vec<Vec<crate::fault::Point>>,
    pub beyond: bool,
    pub ambiguous: bool,
    pub made: Vec<site::Made>,
    pub state: State,
    /// Planned faults that took place.
    pub fired: usize,
}

impl Played {
    /// Returns whether a line of what happened holds this.
    pub fn logged(&self, text: &str) -> bool {
        self.log.iter().any(|l| l.contains(text))
    }
}

/// Plays a story with faults. `at_ease` runs follow, undisturbed, until everything must be well.
pub fn play(story: &Story, faults: &[Planned]) -> Played {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let first = &story.steps[0].desired;
        let machines = first.iter().map(|r| machine(r.machine)).collect();
        let site = Site::new(
            story.scenario(),
            Duration::from_secs(story.settle.into()),
            machines,
            first.first().map_or_else(String::new, |r| r.text.to_owned()),
        );
        site.inner().planned = faults.to_vec();
        site.inner().alike_is_plain = story.alike_is_plain;
        let named = story.steps.iter().flat_map(|s| s.desired.iter().filter(|r| s.replace.contains(&r.name)));
        site.inner().replace = named.map(Res::address).collect();
        let ordered = story.steps.iter().flat_map(|s| &s.desired).filter(|r| !r.after.is_empty());
        site.inner().depends = ordered.map(|r| (r.address(), r.depends_on())).collect();
        let mut actor =
            Actor { site: site.clone(), story, fired: 0, last: None, began: site.time.now(), branch: None };
        for (n, step) in story.steps.iter().enumerate() {
            actor.step(n, step).await;
        }
        let last = story.steps.last().unwrap();
        for (n, after) in [1, 150, 1000, 10_000].into_iter().enumerate() {
            let step = Step {
                after,
                wait: None,
                approval: 0,
                replace: vec![],
                only: None,
                deeds: vec![],
                folder: Checkout::Stay,
                ..last.clone()
            };
            actor.step(story.steps.len() + n, &step).await;
        }
        actor.at_rest();
        let state = actor.load().unwrap_or_default();
        let mut inner = site.inner();
        Played {
            wrong: std::mem::take(&mut inner.wrong),
            log: std::mem::take(&mut inner.log),
            points: std::mem::take(&mut inner.points),
            beyond: inner.made.iter().any(|m| m.beyond),
            ambiguous: inner.ambiguous,
            made: inner.made.clone(),
            state,
            fired: actor.fired,
        }
    })
}

struct Actor<'a> {
    site: Arc<Site>,
    story: &'a Story,
    fired: usize,
    last: Option<(Plan, Report)>,
    began: jiff::Timestamp,
    /// The state's folder where the branch began.
    branch: Option<MemoryDisk>,
}

enum End {
    Died,
    Failed(String),
    /// The plan was not approved, because an empty state met look-alikes.
    Blind,
    Done(Box<Plan>, Box<Report>),
}

impl Actor<'_> {
    async fn step(&mut self, n: usize, step: &Step) {
        tokio::time::sleep(Duration::from_secs(step.after)).await;
        for (deed, machine) in &step.deeds {
            self.site.deed(*deed, *machine);
        }
        {
            let now = self.site.time.now();
            let mut inner = self.site.inner();
            self.site.deliver(&mut inner, now);
        }
        let copy = |disk: &MemoryDisk| disk.after_power_loss(Unsynced::Kept, Unsynced::Kept);
        match (step.folder, &self.branch) {
            (Checkout::Branch, _) => self.branch = Some(copy(&self.site.disk())),
            (Checkout::Back, Some(branch)) => self.site.go_back_to(copy(branch)),
            _ => {}
        }
        self.site.begin(n, step.skew);
        self.began = self.site.time.now();
        self.site.say(format!("run {n} begins"));
        let end = tokio::select! {
            biased;
            end = self.apply(n, step) => end,
            () = self.site.died.notified() => End::Died,
        };
        self.site.end();
        let (dead, power) = {
            let inner = self.site.inner();
            self.fired += inner.fired;
            (inner.dead, inner.power)
        };
        if dead {
            // The notice of a death in the very last poll is taken here.
            let _ = tokio::time::timeout(Duration::ZERO, self.site.died.notified()).await;
            self.last = None;
        }
        if let Some(Fault::PowerLoss(bytes, names)) = power {
            let disk = self.site.disk().after_power_loss(bytes, names);
            self.site.replace_disk(disk);
        }
        let said = match &end {
            _ if dead => "it died".to_owned(),
            End::Died => "it died".to_owned(),
            End::Failed(why) => format!("it failed: {why}"),
            End::Blind => "look-alikes of an empty state".to_owned(),
            End::Done(_, report) => format!("it ended with {}: {:?}", report.exit_code(), report.counts),
        };
        self.site.say(format!("run {n}: {said}"));
        let state = match self.load() {
            Some(state) => state,
            None => return,
        };
        self.ownership(&state);
        let (told, broken) = {
            let inner = self.site.inner();
            (inner.told.clone(), inner.broken || inner.no_rescue)
        };
        // What a living run was told is kept, whatever the journal says; only a disk that takes nothing is excused:
        // then the run can but tell it on stderr.
        if !dead && !broken {
            let known = known(&state);
            for id in told.iter().filter(|id| !known.contains(id.as_str()) && !self.story.existing) {
                self.wrong(Invariant::AnswerKept, format!("the id {id}"));
            }
        }
        let disturbed = self.site.inner().disturbed || !self.site.quiet() || dead;
        match end {
            End::Done(plan, report) if !dead => {
                if !disturbed {
                    self.clean(step, &plan, &report, &state);
                }
                self.last = Some((*plan, *report));
            }
            End::Failed(why) if !disturbed => self.wrong(Invariant::AtRest, format!("it failed, {why}")),
            _ => self.last = None,
        }
    }

    fn wrong(&self, rule: Invariant, what: impl std::fmt::Display) {
        self.site.inner().violates(rule, what);
    }

    /// The resources and the machines that the run of a step is about.
    fn scope(&self, step: &Step, now: jiff::Timestamp) -> Scope {
        let mut desired: Vec<Desired> = step.desired.iter().map(Res::desired).collect();
        desired.sort_by(|a, b| a.address.cmp(&b.address));
        let address =
            |name: &&str| desired.iter().find(|d| d.address.name() == *name).unwrap().address.clone();
        Scope {
            selected: step.only.as_ref().map(|names| names.iter().map(address).collect()),
            replace: step.replace.iter().map(address).collect(),
            desired,
            settings: Settings {
                new_lineage: "a lineage".into(),
                recovery: Recovery {
                    settle: Span::from_secs(self.story.settle),
                    on_unknown: self.story.on_unknown,
                    marker: self.story.marker,
                },
                ..Settings::at(now)
            },
            refresh: true,
            forecast: false,
            lookups: Lookups::default(),
        }
    }

    async fn apply(&self, n: usize, step: &Step) -> End {
        let site = &self.site;
        let clock = site.clock();
        let holder = Holder {
            user: "u".into(),
            host: "h".into(),
            pid: n as u32,
            since: clock.now(),
            command: "apply".into(),
            job: None,
        };
        let disk = site.disk();
        let store = match disk.open(&holder) {
            Ok(opened) => Box::new(opened.store),
            Err(e) => return End::Failed(e.to_string()),
        };
        let opened_at = clock.now();
        let client = Client::new(
            Service::new(Cloud::Public, None, None).unwrap(),
            Arc::new(Network(site.clone())),
            Tokens::new(Arc::new(AnyToken)),
            RateLimiter::new(clock.clone(), []),
            clock.clone(),
        );
        let scope = self.scope(step, clock.now());
        let binding = Binding { cloud: Some("public".into()), ..Binding::default() };
        let options = Options {
            parallelism: 4,
            wait: step.wait.map(Duration::from_secs),
            ..Options::new(format!("runner {n}"), binding)
        };
        let sink = {
            let site = site.clone();
            Arc::new(move |p: casefile::engine::Progress| {
                if std::env::var_os("FAULTS_TELL").is_some() {
                    site.say(format!("    {p:?}"));
                }
            })
        };
        let stop = site.stop.subscribe();
        let (locked, control) = (Locked { store, opened_at }, Control { sink, stop });
        let mut run = match Run::new(&client, &clock, scope, options, locked, control) {
            Ok(run) => run,
            Err(e) => return End::Failed(e.to_string()),
        };
        let plan = match run.prepare().await {
            Ok(plan) => plan,
            Err(e) => {
                let _ = run.commit().await;
                return End::Failed(e.to_string());
            }
        };
        site.say(format!("run {n} plans {}", words(&plan)));
        if plan.warnings.iter().any(|w| matches!(w, PlanWarning::LookAlikes { .. })) {
            let _ = run.commit().await;
            return End::Blind;
        }
        tokio::time::sleep(Duration::from_secs(step.approval)).await;
        match run.carry_out(&plan).await {
            Ok(report) => match run.close(&report).await {
                Ok(()) => End::Done(Box::new(plan), Box::new(report)),
                Err(e) => End::Failed(e.to_string()),
            },
            Err(e) => {
                let _ = run.commit().await;
                End::Failed(e.to_string())
            }
        }
    }

    /// The state as the next run will find it; it must always be readable, and be the fold of its journal.
    fn load(&self) -> Option<State> {
        let disk = self.site.disk();
        let loaded = match disk.read_state() {
            Ok(loaded) => loaded,
            Err(e) => {
                self.wrong(Invariant::Readable, format!("the state, {e}"));
                return None;
            }
        };
        // Without faults the snapshot is checked against the whole journal after the run.
        if self.site.inner().fired == 0 {
            return Some(loaded.state);
        }
        let Some(bytes) = disk.get(FileName::Journal) else { return Some(loaded.state) };
        let mut state = State::default();
        let mut reader = journal::Reader::new(&bytes);
        for entry in reader.by_ref() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => {
                    self.wrong(Invariant::Readable, format!("the journal is damaged, {e}"));
                    return None;
                }
            };
            if let Err(e) = state.apply(entry.seq, entry.at, &entry.record) {
                self.wrong(Invariant::Readable, format!("the journal does not fold, {e}"));
                return None;
            }
        }
        if disk.get(FileName::Rescue).is_none() && state.resources != loaded.state.resources {
            self.wrong(Invariant::Readable, "snapshot and journal disagree");
        }
        Some(loaded.state)
    }

    /// Whether `address` is `earlier`, or was moved from it. A new name together with a new revision is no
    /// move: it is another resource, and may hold what the first one asked for.
    fn was(&self, address: &Address, earlier: &Address) -> bool {
        let disk = self.site.disk();
        let journal = disk.get(FileName::Journal).unwrap_or_default();
        let mut names = vec![earlier.clone()];
        for entry in journal::Reader::new(&journal).flatten() {
            if let Record::Moved { from, to } = entry.record
                && names.contains(&from)
            {
                names.push(to);
            }
        }
        names.contains(address)
    }

    /// [`Invariant::NobodyElses`], [`Invariant::OneMaker`] and [`Invariant::OneRevision`], of all that a state holds.
    fn ownership(&self, state: &State) {
        let inner = self.site.inner();
        let mut wrong = Vec::new();
        let mut makers: BTreeMap<&str, &Address> = BTreeMap::new();
        for (address, r) in &state.resources {
            let recorded = format!("{}{}", r.sent.request.path, r.sent.request.body.as_str());
            let held = r.id.iter().zip(r.origin).map(|(id, o)| (id, o, true));
            for (id, origin, held) in held.chain(r.past.iter().map(|p| (&p.id, p.origin, false))) {
                let creator = inner.made.iter().find(|m| m.id == *id && !m.merged);
                let is_made = origin == Origin::Made;
                if is_made && let Some(other) = makers.insert(id, address) {
                    wrong.push((Invariant::OneMaker, format!("{other} and {address} both made {id}")));
                }
                let Some(m) = creator else {
                    // A late arrival is whatever looks like a given-up call's, however late it comes.
                    let may_look_so = inner.ambiguous || inner.alike && !held;
                    if is_made && !may_look_so {
                        wrong.push((Invariant::NobodyElses, format!("{id}, by {address}")));
                    }
                    continue;
                };
                // With one and the same body nobody can tell which of two calls made it.
                let same_body = m.attempt.request == recorded;
                let other_resource = m.attempt.resource != resource_of(address);
                let other_revision = m.attempt.revision != r.sent.revision;
                let text = format!(
                    "{id} of {} revision {} counts for {address} revision {}",
                    m.attempt.address, m.attempt.revision, r.sent.revision
                );
                if is_made && !same_body && other_resource && !inner.ambiguous {
                    wrong.push((Invariant::OneMaker, text));
                } else if is_made && !same_body && other_revision && held {
                    wrong.push((Invariant::OneRevision, text));
                } else if !is_made && other_revision && held {
                    // An open alert absorbs the call of a later revision too.
                    let is_package = address.kind() == Kind::InvestigationPackage;
                    if is_package && self.was(address, &m.attempt.address) {
                        wrong.push((Invariant::OneRevision, text));
                    }
                }
            }
        }
        drop(inner);
        wrong.into_iter().for_each(|(rule, what)| self.wrong(rule, what));
    }

    /// [`Invariant::Recorded`] and [`Invariant::Explained`], after a clean run.
    fn clean(&self, step: &Step, plan: &Plan, report: &Report, state: &State) {
        let known = known(state);
        let row = |a: &Address| plan.changes.iter().find(|c| c.address == *a);
        let stopped = plan.changes.iter().any(|c| c.action == Action::Unresolved);
        let mut wrong = Vec::new();
        let inner = self.site.inner();
        // An analyst's collection with our own comment may be taken for ours.
        let told_apart = !inner.ambiguous;
        for m in &inner.made {
            // What only looks like ours is named by an error row.
            let looked = step.only.is_none() && m.visible < self.began;
            if looked && told_apart && !known.contains(m.id.as_str()) && !stopped {
                wrong.push((Invariant::Recorded, format!("{} of attempt {}", m.id, m.attempt.seq)));
            }
        }
        drop(inner);
        for d in step.desired.iter().filter(|d| step.only.as_ref().is_none_or(|o| o.contains(&d.name))) {
            let address = d.address();
            let phase = state.resources.get(&address).map(|r| r.phase);
            let open = matches!(phase, None | Some(Phase::Requested));
            let waits =
                |c: &Change| c.waits_for.iter().any(|d| !is_met(state.resources.get(&d.address), d.until));
            let explained = report.attention.contains(&address)
                || row(&address).is_some_and(waits)
                || row(&address).is_some_and(|c| matches!(c.action, Action::Wait | Action::Unresolved));
            if open && !explained {
                wrong.push((Invariant::Explained, format!("{address} is {phase:?}, and no row says why")));
            }
        }
        let disk = self.site.disk();
        let verified = state::verify(
            disk.get(FileName::Snapshot).as_deref(),
            disk.get(FileName::Journal).as_deref(),
            None,
        );
        wrong.extend(verified.findings.iter().map(|f| (Invariant::Readable, f.to_string())));
        wrong.into_iter().for_each(|(rule, what)| self.wrong(rule, what));
    }

    /// Alerts that break [`Invariant::Triaged`].
    fn untriaged(&self, state: &State) -> Vec<String> {
        let mut inner = self.site.inner();
        let merged = inner.made.iter().any(|m| m.merged);
        if inner.hands || merged || inner.ambiguous {
            return Vec::new();
        }
        let now = self.site.time.now();
        let view = site::view(&mut inner.world, now);
        let shown =
            |id: &str| view["alerts"].as_array().into_iter().flatten().find(|a| a["id"] == id).cloned();
        let mut wrong = Vec::new();
        for d in self.story.steps.last().map(|s| s.desired.as_slice()).unwrap_or_default() {
            let held = state.resources.get(&d.address()).and_then(|r| r.id.clone());
            let (Some(who), Some(alert)) = (d.triage, held.and_then(|id| shown(&id))) else { continue };
            let comments = alert["comments"].as_array().map_or(0, Vec::len);
            if alert["assignedTo"] != who || alert["classification"] != "FalsePositive" || comments == 0 {
                wrong.push(format!("{} is {alert}", d.address()));
            }
        }
        wrong
    }

    /// [`Invariant::AtRest`] and [`Invariant::Triaged`], after the undisturbed runs at the end.
    fn at_rest(&self) {
        let Some((plan, report)) = &self.last else {
            if !self.site.inner().wrong.is_empty() {
                return;
            }
            // An empty state that met look-alikes waits for a person.
            let blind =
                self.site.inner().log.iter().rev().any(|l| l.contains("look-alikes of an empty state"));
            if !blind {
                self.wrong(Invariant::AtRest, "the last run came to no end");
            }
            return;
        };
        let Some(state) = self.load() else { return };
        let mut wrong = Vec::new();
        for (address, r) in &state.resources {
            let unresolved =
                plan.changes.iter().any(|c| c.address == *address && c.action == Action::Unresolved);
            if r.phase == Phase::Requested && !unresolved {
                wrong.push((Invariant::AtRest, format!("{address} is still Requested")));
            }
            if r.side.is_some() {
                wrong.push((Invariant::AtRest, format!("a change of {address} has no outcome")));
            }
        }
        wrong.extend(self.untriaged(&state).into_iter().map(|w| (Invariant::Triaged, w)));
        if report.interrupted {
            wrong.push((Invariant::AtRest, "an undisturbed run was interrupted".into()));
        }
        wrong.into_iter().for_each(|(rule, what)| self.wrong(rule, what));
    }
}

/// Every id that a state holds.
fn known(state: &State) -> BTreeSet<&str> {
    let ids = state.resources.values().flat_map(|r| r.id.iter().chain(r.past.iter().map(|p| &p.id)));
    ids.map(String::as_str).collect()
}

/// A plan in a line.
fn words(plan: &Plan) -> String {
    let rows = plan.changes.iter().map(|c| {
        let row = c.row.map(|row| format!("{row:?}")).unwrap_or_default();
        format!("{} {} ({row})", c.address.name(), c.action)
    });
    rows.collect::<Vec<_>>().join(", ")
}

/// What a power loss may leave.
pub const LOST: Fault = Fault::PowerLoss(Unsynced::Lost, Unsynced::Lost);
