//! From the record to the facts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::facts::{
    Attempt, Journal, Machine, Package, PlanFacts, Report, ResourceFacts, Selection, Service, Standing,
    Summary,
};
use super::trouble::{Found, Holding, Trouble};
use crate::defender::Portal;
use crate::evidence::Wrong;
use crate::model::{Address, Call, Kind, PlanDigest, RequestDigest};
use crate::plan::{Machines, names};
use crate::state::{Asked, Course, History, Outcome, Phase, Resource, State, Story};

/// The sources of a report.
pub struct Sources<'a> {
    /// When it is made.
    pub now: Timestamp,
    /// `metadata.name` of the project.
    pub project: &'a str,
    /// The service of the project.
    pub service: Service,
    /// The portal of its cloud, if it has one.
    pub portal: Option<Portal>,
    /// The selection, in words.
    pub selection: Selection,
    /// Tells whether a resource is selected.
    pub select: &'a dyn Fn(&Address, &Resource) -> bool,
    /// The state.
    pub state: &'a State,
    /// The history that the journal tells, as far as the state goes.
    pub history: &'a History,
    /// The machines, if the service was looked at.
    pub machines: Option<&'a Machines>,
    /// The findings about held packages, by file.
    pub held: &'a BTreeMap<String, Found>,
    /// The seal file that holds a request.
    pub seal_of: &'a dyn Fn(&Address, &RequestDigest) -> Option<String>,
}

/// Puts the facts together.
pub fn build(sources: &Sources<'_>) -> Report {
    let chosen: Vec<(&Address, &Resource)> =
        sources.state.resources.iter().filter(|(a, r)| (sources.select)(a, r)).collect();
    let shown = names::shown(chosen.iter().map(|(a, r)| (*a, names::recorded_name(r))));
    let untold = Story::default();
    let mut report = Report {
        created_at: sources.now,
        project: sources.project.to_owned(),
        incident: incident(&chosen),
        selection: sources.selection.clone(),
        service: sources.service.clone(),
        refreshed: sources.machines.is_some(),
        journal: Journal {
            lineage: sources.state.lineage.clone(),
            records: sources.history.seq,
            head: sources.history.head,
            damage: sources.history.damage.as_ref().map(ToString::to_string),
        },
        summary: Summary::default(),
        plans: Vec::new(),
        machines: Vec::new(),
        resources: Vec::new(),
        troubles: Vec::new(),
    };
    report.troubles.extend(report.journal.damage.clone().map(|why| (None, Trouble::Damage(why))));
    let mut asked: Vec<&Asked> = Vec::new();
    for (address, resource) in chosen {
        let story = sources.history.stories.get(address).unwrap_or(&untold);
        asked.extend(story.courses.iter().chain(&story.changes).filter_map(|c| c.asked.as_ref()));
        let mut facts = resource_facts(sources, address, resource, story);
        if let Some(shown) = shown.get(address) {
            facts.shown.clone_from(shown);
        }
        let found = troubles(sources, resource, story, &facts);
        report.troubles.extend(found.into_iter().map(|t| (Some(address.clone()), t)));
        report.resources.push(facts);
    }
    report.plans = plans(asked);
    report.machines = machines(&mut report.resources, sources.machines);
    report.summary = summary(&report);
    report
}

/// The incident's label, if all have the same one.
fn incident(chosen: &[(&Address, &Resource)]) -> Option<String> {
    let mut labels = chosen.iter().map(|(_, r)| r.labels.get("incident"));
    let first = labels.next()??;
    labels.all(|label| label == Some(first)).then(|| first.clone())
}

fn resource_facts(sources: &Sources<'_>, address: &Address, r: &Resource, story: &Story) -> ResourceFacts {
    let call = r.sent.call();
    let (text, severity) = match &call {
        Some(Call::Collect { comment, .. }) => (comment.clone(), None),
        Some(Call::Alert(a)) => (a.title.clone(), Some(a.severity.to_string())),
        None => (String::new(), None),
    };
    let portal = || sources.portal?.alert(r.id.as_deref()?, sources.service.tenant.as_deref());
    ResourceFacts {
        address: address.clone(),
        shown: address.to_string(),
        kind: address.kind(),
        standing: standing(sources, address, r),
        phase: r.phase,
        released: r.phase == Phase::Released,
        id: r.id.clone(),
        portal: if address.kind() == Kind::Alert { portal() } else { None },
        origin: r.origin,
        requestor: (*r.requestor).clone(),
        status: r.status.as_deref().map(str::to_owned),
        machine_id: call.map(|c| c.machine().to_string()),
        machine_name: names::recorded_name(r).map(str::to_owned),
        text,
        severity,
        revision: r.sent.revision,
        request: r.sent.digest,
        seal: (sources.seal_of)(address, &r.sent.digest),
        labels: r.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        attempts: story.courses.iter().map(attempt).collect(),
        packages: packages(sources, story),
    }
}

fn standing(sources: &Sources<'_>, address: &Address, r: &Resource) -> Standing {
    let package = r.id.as_ref().and_then(|id| r.package(id));
    let found = package.and_then(|p| sources.held.get(&p.file));
    let damaged = found.is_some_and(|found| found.wrong.as_ref().is_some_and(Wrong::is_of_package));
    match r.released_from.unwrap_or(r.phase) {
        Phase::Requested => Standing::Unanswered,
        Phase::Pending => Standing::Waiting,
        Phase::InProgress => Standing::Running,
        Phase::Succeeded | Phase::Released if address.kind() == Kind::Alert => Standing::Raised,
        Phase::Succeeded | Phase::Released if damaged => Standing::Damaged,
        Phase::Succeeded | Phase::Released if package.is_some() => Standing::Held,
        Phase::Succeeded | Phase::Released => Standing::Done,
        Phase::Failed => Standing::Failed,
        Phase::Cancelled => Standing::Cancelled,
        Phase::Rejected => Standing::Refused,
    }
}

fn attempt(course: &Course) -> Attempt {
    let asked = course.asked.as_ref();
    // The run's clock may differ from the service's: lengths are the run's, the end is the service's.
    let waited = asked.and_then(|a| a.server_at.checked_sub(a.at.duration_since(a.run_began)).ok());
    let (ended, outcome) = course.ended.as_ref().map(|(at, outcome)| (*at, outcome)).unzip();
    let blocked = match outcome {
        Some(Outcome::Throttled { retry_after_seconds, .. }) => {
            let seconds = i64::try_from(*retry_after_seconds).unwrap_or(i64::MAX);
            ended.and_then(|at| at.checked_add(SignedDuration::from_secs(seconds)).ok())
        }
        _ => None,
    };
    Attempt {
        record: asked.map(|a| a.attempt),
        action: asked.map(|a| a.action),
        by: asked.and_then(|a| a.by.as_ref()).map(ToString::to_string),
        plan: asked.map(|a| a.plan),
        commit: asked.and_then(|a| a.commit.clone()),
        waited_since: waited.filter(|since| asked.is_some_and(|a| *since < a.server_at)),
        asked: asked.map(|a| a.server_at),
        accepted: course.accepted,
        running: course.running,
        finished: course.finished,
        fetched: course.fetched.iter().map(|(_, c)| c.download_ended).min(),
        ended,
        blocked_until: blocked,
        id: course.object.as_ref().map(|o| o.id.clone()),
        status: course.object.as_ref().map(|o| o.status.clone()),
    }
}

fn packages(sources: &Sources<'_>, story: &Story) -> Vec<Package> {
    let held = story.courses.iter().flat_map(|c| &c.fetched);
    held.map(|(seq, c)| {
        let found = sources.held.get(&c.file);
        Package {
            id: c.action_id.clone(),
            store: c.store.clone(),
            file: c.file.clone(),
            size: c.size,
            sha256: c.sha256,
            entries: c.entries.len(),
            fetched: c.download_ended,
            by: c.by.to_string(),
            record: *seq,
            holding: found.map_or(Holding::NotLooked, |found| found.holding),
            finding: found.and_then(|found| found.wrong.as_ref()).map(Wrong::code),
        }
    })
    .collect()
}

/// Returns the things about one resource that need a person.
fn troubles(sources: &Sources<'_>, r: &Resource, story: &Story, facts: &ResourceFacts) -> Vec<Trouble> {
    let mut out = Vec::new();
    let ended = || story.courses.last().and_then(|c| c.ended.as_ref()).map(|(_, outcome)| outcome.clone());
    let refused = || r.error.as_ref().map(|error| Outcome::Rejected { error: (**error).clone() });
    match facts.standing {
        Standing::Unanswered => out.push(ended().map_or(Trouble::Unanswered, Trouble::Call)),
        Standing::Refused => out.extend(refused().or_else(ended).map(Trouble::Call)),
        Standing::Waiting => out.extend(ended().map(Trouble::Call)),
        Standing::Failed => out.push(Trouble::Failed(facts.status.clone().unwrap_or_default())),
        Standing::Cancelled => out.push(Trouble::Cancelled((*r.cancelled_by).clone())),
        Standing::Done => out.push(Trouble::NotFetched),
        Standing::Running | Standing::Held | Standing::Damaged | Standing::Raised => {}
    }
    if let (Some(id), true) = (&r.id, r.missing_since.is_some() && facts.standing == Standing::Running) {
        out.push(Trouble::Gone(id.clone()));
    }
    if let Some(refused) = &*r.refused {
        let action = story.changes.last().and_then(|c| c.asked.as_ref()).map(|a| a.action);
        let action = action.unwrap_or(crate::state::CallAction::Update);
        out.push(Trouble::ChangeRefused(action, refused.error.clone()));
    }
    out.extend(r.side.as_ref().map(|side| Trouble::ChangeUnanswered(side.action)));
    if !r.watched.is_empty() {
        out.push(Trouble::Watched(r.watched.len()));
    }
    for package in &facts.packages {
        let wrong = sources.held.get(&package.file).and_then(|found| found.wrong.clone());
        out.extend(wrong.map(|wrong| Trouble::Package(package.file.clone(), wrong)));
    }
    out
}

/// The plans that asked, by their first call.
fn plans(asked: Vec<&Asked>) -> Vec<PlanFacts> {
    let mut by_digest: BTreeMap<PlanDigest, PlanFacts> = BTreeMap::new();
    for a in asked {
        let plan = by_digest.entry(a.plan).or_insert_with(|| PlanFacts {
            digest: a.plan,
            began: a.at,
            calls: 0,
            by: Vec::new(),
            commits: Vec::new(),
        });
        plan.began = plan.began.min(a.at);
        plan.calls += 1;
        add(&mut plan.by, a.by.as_ref().map(ToString::to_string));
        add(&mut plan.commits, a.commit.clone());
    }
    let mut plans: Vec<PlanFacts> = by_digest.into_values().collect();
    plans.sort_by_key(|p| (p.began, p.digest));
    plans
}

fn add(list: &mut Vec<String>, text: Option<String>) {
    list.extend(text.filter(|t| !list.contains(t)));
}

/// The machines of the resources, which get the names that were seen.
fn machines(resources: &mut [ResourceFacts], seen: Option<&Machines>) -> Vec<Machine> {
    let mut by_id: BTreeMap<String, Machine> = BTreeMap::new();
    for r in resources {
        let Some(id) = r.machine_id.clone() else { continue };
        let listed = seen.and_then(|machines| machines.get(&id));
        let system = listed.and_then(|m| {
            let parts: Vec<&str> = m.os_platform.as_deref().into_iter().chain(m.version.as_deref()).collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        });
        let machine = by_id.entry(id.clone()).or_insert_with(|| Machine {
            id,
            name: listed.and_then(|m| m.computer_dns_name.clone()).filter(|n| !n.is_empty()),
            health: listed.and_then(|m| m.health_status.clone()),
            system,
            last_seen: listed.and_then(|m| m.last_seen.as_ref()).map(|t| t.instant()),
            resources: 0,
        });
        machine.resources += 1;
        machine.name = machine.name.take().or_else(|| r.machine_name.clone());
        r.machine_name = r.machine_name.take().or_else(|| machine.name.clone());
    }
    let mut machines: Vec<Machine> = by_id.into_values().collect();
    machines.sort_by(|a, b| (a.name.is_none(), &a.name, &a.id).cmp(&(b.name.is_none(), &b.name, &b.id)));
    machines
}

fn summary(report: &Report) -> Summary {
    let mut s = Summary { machines: report.machines.len(), ..Summary::default() };
    let mut files = BTreeSet::new();
    for r in &report.resources {
        *s.standing.entry(r.standing).or_default() += 1;
        match r.kind {
            Kind::InvestigationPackage => s.collections += 1,
            Kind::Alert => s.alerts += 1,
        }
        s.held += usize::from(r.standing == Standing::Held);
        s.raised += usize::from(r.standing == Standing::Raised);
        for p in r.packages.iter().filter(|p| p.holding != Holding::Wrong) {
            if files.insert((&p.store, &p.file)) {
                s.packages += 1;
                s.bytes = s.bytes.saturating_add(p.size);
            }
        }
    }
    s
}
