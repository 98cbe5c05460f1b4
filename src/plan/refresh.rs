//! Before the table: what a refresh has to look at, and what its answers change by themselves.

use std::collections::BTreeSet;

use super::identity::IdIndex;
use super::identity::look_alike::{has_other_target, is_unclaimed};
use super::identity::lookup::{LookUp, answers_need};
use super::input::{find, pairs};
use super::observed::Observed;
use super::settings::{CLOCK_TOLERANCE, LOOK_BACK, Settings};
use super::surgery::to_import;
use super::triage;
use crate::model::{Address, Call, Desired, IdKey, Kind, MachineAction, OnRemove};
use crate::state::{Attempt, Object, Origin, Outcome, Phase, Record, Resource, State};

/// How far back a list reaches that only warns of what runs on a machine.
const WARN_BACK: std::time::Duration = std::time::Duration::from_secs(86_400);

/// The things that the planner needs to see; the engine finds the fewest calls for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Machine actions created since then, by the service's clock.
    pub actions_since: Option<jiff::Timestamp>,
    /// Actions of every type, not collections alone: something else may keep a machine busy.
    pub all_types: bool,
    /// Actions of these machines (lower-case ids) are enough; `None`: of every machine.
    pub machines: Option<BTreeSet<IdKey>>,
    /// Alerts of these machines (lower-case ids), for look-ups.
    pub machine_alerts: BTreeSet<IdKey>,
    /// Alerts by id, for triage, unanswered updates, and those that manifests want taken over.
    pub alerts: BTreeSet<String>,
    /// Alerts created since then, for new resources.
    pub recent_alerts_since: Option<jiff::Timestamp>,
    /// Running objects, and those that manifests want taken over: an id that the list does not show is read once by
    /// itself.
    pub running: BTreeSet<String>,
}

impl Need {
    /// Whether nothing has to be asked.
    pub fn is_nothing(&self) -> bool {
        *self == Need::default()
    }

    /// Whether a listed action is worth keeping: the lists of a large tenant are long. Some actions name no
    /// machine.
    pub fn concerns(&self, action: &MachineAction) -> bool {
        let (Some(machines), Some(machine)) = (&self.machines, &action.machine_id) else { return true };
        machines.contains(&IdKey::of(machine)) || self.running.contains(&action.id)
    }

    fn actions_from(&mut self, since: jiff::Timestamp) {
        self.actions_since = Some(self.actions_since.map_or(since, |s| s.min(since)));
    }

    /// Adds the reads for a declared resource: objects that it may meet, and one to take over.
    fn of_declared(&mut self, d: &Desired, r: Option<&Resource>, meant: bool, settings: &Settings) {
        if is_unclaimed(d, r) || r.is_some_and(|r| has_other_target(d, r)) {
            match d.call {
                Call::Collect { .. } => {
                    self.actions_from(settings.now - if meant { WARN_BACK } else { LOOK_BACK });
                }
                Call::Alert(_) if !meant => self.recent_alerts_since = Some(settings.now - LOOK_BACK),
                Call::Alert(_) => {}
            }
        }
        if let Some(id) = to_import(d, r) {
            match d.address.kind() {
                Kind::InvestigationPackage => {
                    self.actions_from(settings.now - LOOK_BACK);
                    self.running.insert(id.to_owned());
                }
                Kind::Alert => drop(self.alerts.insert(id.to_owned())),
            }
        }
    }

    /// Adds the reads for the object of a recorded resource.
    fn of_recorded(&mut self, address: &Address, declared: bool, r: &Resource, settings: &Settings) {
        let created =
            r.created_at.as_ref().map_or(settings.now - LOOK_BACK, |t| t.instant() - CLOCK_TOLERANCE);
        match (address.kind(), r.phase, &r.id) {
            (Kind::InvestigationPackage, Phase::InProgress, Some(id)) => {
                self.actions_from(created);
                self.running.insert(id.clone());
            }
            // A failure may still turn into a success, or be retried: both need a look.
            (Kind::InvestigationPackage, Phase::Failed, Some(_)) => {
                self.actions_from(created.max(settings.now - LOOK_BACK));
            }
            (Kind::InvestigationPackage, Phase::Pending, _) => {
                let busy = r.busy_at.as_ref().map_or(r.since, |t| t.instant());
                self.actions_from(busy - WARN_BACK);
                self.all_types = true;
            }
            // Another run may have made since what was refused here.
            (Kind::InvestigationPackage, Phase::Rejected, _) if declared => {
                self.actions_from(settings.now - LOOK_BACK);
            }
            (Kind::Alert, Phase::Rejected, _) if declared => {
                self.recent_alerts_since = Some(settings.now - LOOK_BACK);
            }
            (Kind::InvestigationPackage, _, Some(_)) if r.side.is_some() => self.actions_from(created),
            (Kind::Alert, Phase::Succeeded, Some(id)) => {
                self.alerts.insert(id.clone());
            }
            _ => {}
        }
    }
}

/// Attempts whose objects may still turn up, and can still be listed.
fn attempts<'a>(r: &'a Resource, settings: &'a Settings) -> impl Iterator<Item = &'a Attempt> {
    let horizon = settings.now - LOOK_BACK;
    r.open.iter().map(|o| &o.attempt).chain(&r.watched).filter(move |a| a.at >= horizon)
}

/// Returns whether a recorded resource needs no look, as most: it has ended, and no call of it is without an answer.
fn is_settled(address: &Address, d: Option<&Desired>, r: &Resource) -> bool {
    let triage = match d {
        Some(d) => d.triage.is_some(),
        None => r.on_remove == OnRemove::Resolve && r.made(),
    };
    r.side.is_none()
        && r.watched.is_empty()
        && match (address.kind(), r.phase) {
            (Kind::Alert, Phase::Succeeded) => !triage,
            (Kind::InvestigationPackage, phase) => matches!(phase, Phase::Succeeded | Phase::Cancelled),
            _ => false,
        }
}

/// What a plan of these resources needs to see. `selected` tells which resources are looked at; a
/// resource that is not declared is always selected in a plan of the whole project.
pub fn need(
    desired: &[Desired],
    state: &State,
    selected: &dyn Fn(&Address) -> bool,
    settings: &Settings,
) -> Need {
    let mut need = Need::default();
    // Whatever an empty state is compared with, it is meant.
    let meant = state.resources.is_empty() && settings.fresh;
    let mut called = Vec::new();
    for (address, d, r) in pairs(desired, state).filter(|(a, ..)| selected(a)) {
        if let Some(d) = d {
            need.of_declared(d, r, meant, settings);
        }
        let Some(r) = r else { continue };
        if d.is_none() && settings.incidents.keep(address) {
            continue;
        }
        if is_settled(address, d, r) {
            continue;
        }
        if address.kind() == Kind::InvestigationPackage {
            called.extend(r.sent.call());
        }
        for a in attempts(r, settings) {
            match a.sent.call() {
                Some(call @ Call::Collect { .. }) => {
                    // What was active then may have been made long before.
                    need.actions_from(a.server_at.instant() - WARN_BACK);
                    called.push(call);
                }
                Some(Call::Alert(alert)) => {
                    need.machine_alerts.insert(IdKey::of(alert.machine_id.as_str()));
                }
                None => {}
            }
        }
        need.of_recorded(address, d.is_some(), r, settings);
    }
    if need.actions_since.is_some() {
        let declared = desired.iter().filter(|d| selected(&d.address)).map(|d| &d.call);
        let collected = declared.chain(&called).filter(|c| matches!(c, Call::Collect { .. }));
        need.machines = Some(collected.map(|c| IdKey::of(c.machine().as_str())).collect());
    }
    need
}

/// The records that follow from a refresh alone: changed statuses, objects that were missed, unanswered
/// updates and cancels that a read has settled, given-up attempts that turned up beside another object, and
/// what a call made whose second copy was answered with busy.
/// They are folded in before the table is asked.
pub fn absorb(desired: &[Desired], state: &State, observed: &Observed, settings: &Settings) -> Vec<Record> {
    let mut records = Vec::new();
    let mut ids: Option<IdIndex> = None;
    let mut taken = BTreeSet::new();
    for (address, r) in &state.resources {
        if settings.incidents.keep(address) && find(desired, address).is_none() {
            continue;
        }
        if let Some(id) = &r.id {
            records.extend(of_object(address, r, id, desired, observed, settings));
        }
        let busy = r.phase == Phase::Pending && observed.actions.is_some();
        if r.watched.is_empty() && !busy {
            continue;
        }
        let ids = ids.get_or_insert_with(|| IdIndex::of(state));
        let look_up = LookUp { observed, ids, settings };
        if busy
            && !contested(state, address, r)
            && let Some(object) = look_up.behind_busy(r, &taken)
        {
            taken.insert(IdKey::of(&object.id));
            records.push(Record::Found {
                address: address.clone(),
                attempt: None,
                origin: Origin::Made,
                object,
            });
        }
        // The open attempt has the first claim.
        if let Some(open) = &r.open
            && let Some(object) = look_up.open_attempt(address, &open.attempt, &taken).object
        {
            taken.insert(IdKey::of(&object.id));
        }
        let declared = find(desired, address);
        for attempt in attempts(r, settings).filter(|a| r.watched.contains(a)) {
            if declared.is_some_and(|d| answers_need(d, r, attempt)) {
                continue;
            }
            // What a person took over is looked at already: a second object may still arrive.
            let mut passed_over = taken.clone();
            passed_over.extend(r.id.iter().map(IdKey::of));
            if let Some(object) = look_up.watched(attempt, &passed_over) {
                taken.insert(IdKey::of(&object.id));
                records.push(Record::Late { address: address.clone(), attempt: attempt.attempt, object });
            }
        }
    }
    records
}

/// Returns the records of what an object shows: that an update was carried out, what somebody else gave, its status.
fn of_object(
    address: &Address,
    r: &Resource,
    id: &String,
    desired: &[Desired],
    observed: &Observed,
    settings: &Settings,
) -> Vec<Record> {
    let mut records = Vec::new();
    // An alert as it was before our last change tells nothing.
    let alert = observed.alerts.get(id).filter(|alert| !triage::lags(r, alert, observed.at, settings));
    let seen: Option<Object> = match address.kind() {
        Kind::InvestigationPackage => observed.actions.as_ref().and_then(|l| l.get(id)).map(Object::from),
        Kind::Alert => alert.map(Object::from),
    };
    let settled =
        r.side.as_ref().filter(|side| seen.is_some() && observed.at >= settings.side_settled_at(side));
    if let Some(side) = settled {
        records.push(Record::Outcome {
            attempt: side.attempt,
            address: address.clone(),
            result: Outcome::Settled,
            server_at: None,
        });
    }
    if let Some(alert) = alert.filter(|_| settled.is_some() || r.side.is_none()) {
        records.extend(triage::learn(address, r, alert, find(desired, address), settled.map(|side| &**side)));
    }
    match seen {
        Some(object) if differs(r, &object) => {
            records.push(Record::Observed { address: address.clone(), object });
        }
        Some(_) => {}
        None if r.phase == Phase::InProgress && observed.not_found.contains(id) => {
            records.push(Record::Missing { address: address.clone(), id: id.clone() });
        }
        None => {}
    }
    records
}

/// Whether an unanswered call of another resource can have made whatever this one's call would make.
fn contested(state: &State, address: &Address, r: &Resource) -> bool {
    state.resources.iter().filter(|(a, _)| *a != address).any(|(_, other)| {
        let unanswered = other.open.iter().map(|o| &o.attempt).chain(&other.watched);
        unanswered.into_iter().any(|a| a.sent.request == r.sent.request)
    })
}

/// Whether the service shows something that the state does not say yet.
fn differs(r: &Resource, object: &Object) -> bool {
    r.status.as_deref() != Some(object.status.as_str())
        || object.updated_at.is_some() && r.updated_at != object.updated_at
        || object.cancelled_by.is_some() && *r.cancelled_by != object.cancelled_by
        || object.computer_dns_name.is_some() && r.computer_dns_name.is_none()
        || r.missing_since.is_some()
}
