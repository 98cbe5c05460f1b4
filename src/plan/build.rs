//! From values to a plan: gathers each resource's facts, asks the table, and writes the row down.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::SignedDuration;

use super::change::{Action, Change, Plan, PlanWarning, PlannedCall, Reason, Warning};
use super::decide::{Busy, Facts, Lookup, Removal, Rename, Running, decide};
use super::estimate::estimate;
use super::lookup::{Found, KnownIds, LookUp, look_alike};
use super::observed::Observed;
use super::refresh::answers_need;
use super::settings::Settings;
use super::{mark, view};
use crate::model::{
    ActionStatus, Address, Body, Call, Desired, Kind, MachineAction, Method, OnInProgress, OnRemove,
    PlanDigest, Request, RequestDigest, Timestamp,
};
use crate::state::{Object, Origin, Phase, Record, Resource, Sent, State};

/// Everything a plan is a function of.
pub struct Input<'a> {
    /// Every declared resource of the project, by address.
    pub desired: &'a [Desired],
    /// Which of them are shown; `None`: the whole project.
    pub selected: Option<&'a BTreeSet<Address>>,
    /// `--replace`.
    pub replace: &'a BTreeSet<Address>,
    /// The state, the refresh folded in already (see [`super::absorb`]).
    pub state: &'a State,
    /// The refresh.
    pub observed: &'a Observed,
    /// Settings and circumstances.
    pub settings: &'a Settings,
}

/// One row of the union of manifests and state.
type Pair<'a> = (&'a Address, Option<&'a Desired>, Option<&'a Resource>);

/// Makes the plan. A pure function: the same input gives the same plan.
pub fn plan(input: &Input<'_>) -> Plan {
    let planner = Planner::new(input);
    let mut taken = BTreeSet::new();
    let mut changes = Vec::with_capacity(input.desired.len());
    for (address, desired, resource) in pairs(input.desired, input.state) {
        let shown = match (input.selected, desired) {
            (None, _) => true,
            (Some(s), Some(_)) => s.contains(address),
            (Some(_), None) => false,
        };
        if shown {
            changes.extend(planner.row(address, desired, resource, &mut taken));
        }
    }
    // A move is written under its new address, so it can stand out of order.
    changes.sort_by(|a, b| a.address.cmp(&b.address));
    planner.warn_of_siblings(&mut changes);
    let calls = changes.iter().filter_map(|c| Some((&c.address, c.call.as_ref()?.request())));
    let digest = PlanDigest::of(calls);
    let estimate = estimate(&changes, &input.settings.quotas);
    let warnings = planner.plan_warnings(&changes);
    Plan {
        lineage: input.state.lineage.clone().unwrap_or_else(|| input.settings.new_lineage.clone()),
        digest,
        created_at: input.settings.now,
        changes,
        warnings,
        estimate,
    }
}

/// Walks two sorted lists at once.
fn pairs<'a>(desired: &'a [Desired], state: &'a State) -> impl Iterator<Item = Pair<'a>> {
    let mut d = desired.iter().peekable();
    let mut s = state.resources.iter().peekable();
    std::iter::from_fn(move || {
        let order = match (d.peek(), s.peek()) {
            (None, None) => return None,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(x), Some((address, _))) => x.address.cmp(address),
        };
        let left = if order.is_le() { d.next() } else { None };
        let right = if order.is_ge() { s.next() } else { None };
        let address = left.map(|x| &x.address).or(right.map(|(a, _)| a))?;
        Some((address, left, right.map(|(_, r)| r)))
    })
}

struct Planner<'a> {
    input: &'a Input<'a>,
    ids: KnownIds,
    /// New address -> old address, for renamed manifests.
    renames: BTreeMap<&'a Address, (&'a Address, &'a Resource)>,
    /// Old addresses that a move continues.
    moved: BTreeSet<&'a Address>,
    /// How many addresses hold an object.
    holders: HashMap<&'a str, u32>,
}

impl<'a> Planner<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        // Ids matter only where something is matched or taken, holders only where something is removed.
        let matching = input
            .state
            .resources
            .values()
            .any(|r| matches!(r.phase, Phase::Requested | Phase::Pending) || !r.watched.is_empty());
        let ids = if matching { KnownIds::of(input.state) } else { KnownIds::default() };
        let (renames, moved) = find_renames(input);
        let mut holders = HashMap::new();
        let removals = input.state.resources.iter().any(|(a, r)| {
            r.phase != Phase::Released && r.on_remove != OnRemove::Retain && find(input.desired, a).is_none()
        });
        if removals {
            for id in input.state.resources.values().filter_map(|r| r.id.as_deref()) {
                *holders.entry(id).or_insert(0) += 1;
            }
        }
        Planner { input, ids, renames, moved, holders }
    }

    fn settings(&self) -> &Settings {
        self.input.settings
    }

    fn row(
        &self,
        address: &'a Address,
        desired: Option<&'a Desired>,
        resource: Option<&'a Resource>,
        taken: &mut BTreeSet<String>,
    ) -> Option<Change> {
        // The many that are done and unchanged: one comparison.
        if let (Some(d), Some(r)) = (desired, resource)
            && r.phase == Phase::Succeeded
            && r.digest == d.digest
            && d.triage.is_none()
            && r.watched.is_empty()
            && r.side.is_none()
            && !self.input.replace.contains(address)
        {
            let (row, _) = decide(&Facts::new(true, Some(Phase::Succeeded)));
            let mut change = blank(address, Action::None, row, Reason::Done, Some(d), Some(r));
            note(&mut change, d, r);
            return Some(change);
        }
        let seen = self.see(address, desired, resource, taken);
        let (row, action) = decide(&seen.facts);
        let action = action?;
        // An `adopt` of an open call is recorded at apply; what it leads to is shown already if that is a
        // call or `forget`.
        if action == Action::Adopt
            && matches!(seen.facts.phase, Some(Phase::Requested))
            && let Some(r) = resource
            && let Some(after) = self.after_adoption(address, r, &seen, row)
        {
            let second = self.see(address, desired, Some(&after), taken);
            let (row2, action2) = decide(&second.facts);
            if let Some(action2) = action2.filter(|a| a.call().is_some() || *a == Action::Forget) {
                let mut change = self.write(address, desired, Some(&after), &second, row2, action2);
                let mut records = self.adoption(address, &seen, row);
                records.append(&mut change.records);
                change.records = records;
                change.basis = r.changed;
                claim(taken, &seen.found.object);
                return Some(change);
            }
        }
        if action == Action::Adopt {
            claim(taken, &seen.found.object);
            claim(taken, &seen.watched.as_ref().map(|(_, o)| o.clone()));
        }
        Some(self.write(address, desired, resource, &seen, row, action))
    }

    /// The resource as it will be once the adoption of row 2 or 3 is recorded.
    fn after_adoption(&self, address: &Address, r: &Resource, seen: &Seen<'_>, row: u8) -> Option<Resource> {
        let mut state = State::default();
        state.resources.insert(address.clone(), r.clone());
        for record in self.adoption(address, seen, row) {
            state.apply(self.input.state.seq + 1, self.settings().now, &record).ok()?;
        }
        state.resources.remove(address)
    }

    fn adoption(&self, address: &Address, seen: &Seen<'_>, row: u8) -> Vec<Record> {
        let found = |attempt, origin, object: &Object| Record::Found {
            address: address.clone(),
            attempt,
            origin,
            object: object.clone(),
        };
        match row {
            2 => seen.found.object.iter().map(|o| found(seen.open_attempt, Origin::Made, o)).collect(),
            3 => seen.found.object.iter().map(|o| found(seen.open_attempt, Origin::Adopted, o)).collect(),
            6 => seen.watched.iter().map(|(a, o)| found(Some(*a), Origin::Made, o)).collect(),
            _ => seen.running.iter().map(|a| found(None, Origin::Adopted, &Object::from(*a))).collect(),
        }
    }

    /// Gathers the facts of one resource.
    fn see(
        &self,
        address: &Address,
        desired: Option<&'a Desired>,
        resource: Option<&Resource>,
        taken: &BTreeSet<String>,
    ) -> Seen<'a> {
        let settings = self.settings();
        let mut facts = Facts::new(desired.is_some(), resource.map(|r| r.phase));
        facts.whole = self.input.selected.is_none();
        facts.on_unknown = settings.recovery.on_unknown;
        facts.replace = self.input.replace.contains(address);
        facts.taken_by_move = self.moved.contains(address);
        let mut seen = Seen::new(facts);
        let look_up = LookUp { observed: self.input.observed, ids: &self.ids, settings };
        if let Some(d) = desired {
            seen.facts.on_in_progress = d.policy.on_in_progress;
            if let Some((_, old)) = self.renames.get(address) {
                seen.facts.rename =
                    if old.phase == Phase::Requested { Rename::WhileOpen } else { Rename::Yes };
            }
        }
        let Some(r) = resource else { return seen };
        seen.facts.holds_id = r.id.is_some();
        if let Some(d) = desired
            && d.digest != r.digest
        {
            let sent = view::unmarked(r);
            let same = sent.as_ref().is_some_and(|c| c.same_target(&d.call));
            seen.facts.same_target = same && r.sent.revision == d.revision;
            seen.edited = sent.map(|c| view::edited(&c, &d.call)).unwrap_or_default();
            seen.facts.same_text = seen.edited.is_empty();
        }
        if let (Phase::Requested, Some(open)) = (r.phase, &r.open) {
            seen.found = look_up.open_attempt(&open.attempt, taken);
            seen.facts.lookup = seen.found.lookup;
            seen.open_attempt = Some(open.attempt.attempt);
        }
        if let Some(d) = desired
            && seen.facts.lookup != Lookup::Ours
        {
            seen.watched = r
                .watched
                .iter()
                .filter(|a| answers_need(d, r, a))
                .find_map(|a| Some((a.attempt, look_up.watched(a, taken)?)));
            seen.facts.watched_found = seen.watched.is_some();
        }
        let max = desired.map_or(0, |d| d.policy.max_attempts);
        let same_digest = seen.facts.same_target && seen.facts.same_text;
        seen.facts.attempts_left = !same_digest || r.attempts < max;
        match r.phase {
            Phase::Rejected => {
                let permanent = r.error.as_ref().is_some_and(|e| e.is_permanent());
                seen.facts.refused_for_good = permanent || !seen.facts.attempts_left;
            }
            Phase::Pending => self.see_busy(desired, r, &mut seen),
            Phase::InProgress => self.see_running(r, &mut seen),
            Phase::Failed => {
                let looked = self.input.observed.actions.is_some();
                let wait = desired.map_or_else(Default::default, |d| d.policy.retry_after.get());
                let due = r.since + wait;
                seen.retry_at = looked.then_some(due);
                seen.facts.retry_due = looked && settings.now >= due;
            }
            Phase::Succeeded if address.kind() == Kind::Alert => {
                if let (Some(d), Some(alert)) =
                    (desired, r.id.as_ref().and_then(|id| self.input.observed.alerts.get(id)))
                    && let Some(triage) = &d.triage
                    && r.side.is_none()
                {
                    seen.triage = view::triage_changes(alert, triage);
                    seen.facts.triage_differs = !seen.triage.is_empty();
                }
            }
            _ => {}
        }
        seen.gone = r.phase == Phase::Succeeded
            && r.id.as_ref().is_some_and(|id| {
                self.input.observed.alerts_asked.contains(id) && !self.input.observed.alerts.contains_key(id)
            });
        if desired.is_none() {
            seen.facts.removal = self.removal(address, r);
        }
        seen
    }

    fn see_busy(&self, desired: Option<&Desired>, r: &Resource, seen: &mut Seen<'a>) {
        let (Some(actions), Some(d)) = (&self.input.observed.actions, desired) else { return };
        let of_machine = actions.of_machine(d.call.machine().as_str());
        let collections = || of_machine.iter().filter(|a| a.is_collection());
        let own =
            |a: &&MachineAction| r.past.iter().any(|p| p.origin == Origin::Made && same_id(&p.id, &a.id));
        let within = SignedDuration::try_from(d.policy.adopt_within.get()).unwrap_or(SignedDuration::MAX);
        let active = collections().filter(|a| a.status.is_active());
        if let Some(a) = active.clone().find(own) {
            seen.facts.busy = Busy::Own;
            seen.running = Some(a);
        } else if let Some(a) = active.last() {
            let age = created(a).map(|t| self.input.observed.server_at.duration_since(t));
            seen.facts.busy = Busy::Other { recent: age.is_some_and(|age| age <= within) };
            seen.running = Some(a);
        } else if let Some(a) = collections().filter(|a| !own(a)).rfind(|a| {
            let busy_at = r.busy_at.as_ref().map_or(r.since, Timestamp::instant);
            a.status == ActionStatus::Succeeded
                && created(a).is_some_and(|t| t <= busy_at && busy_at.duration_since(t) <= within)
                && a.last_update_date_time_utc.as_ref().is_none_or(|t| t.instant() >= busy_at)
        }) {
            seen.facts.busy = Busy::SucceededSince;
            seen.running = Some(a);
        } else {
            seen.facts.busy = Busy::Free;
            seen.other_type = of_machine
                .iter()
                .rfind(|a| !a.is_collection() && a.status.is_active())
                .map(|a| a.action_type.as_str());
        }
    }

    fn see_running(&self, r: &Resource, seen: &mut Seen<'a>) {
        let settle =
            SignedDuration::try_from(self.settings().recovery.settle.get()).unwrap_or(SignedDuration::MAX);
        let listed = r.id.as_ref().and_then(|id| self.input.observed.actions.as_ref()?.get(id));
        seen.facts.running = match listed {
            Some(a) if a.status.is_active() => Running::Active,
            Some(_) => Running::UnknownStatus,
            None => {
                let late_enough = r.created_at.as_ref().map(|t| t.instant() + settle);
                let gone = match (r.missing_since, r.missing_last) {
                    (Some(first), Some(last)) => {
                        last.duration_since(first) >= settle && late_enough.is_none_or(|t| first >= t)
                    }
                    _ => false,
                };
                if gone { Running::Gone } else { Running::NotLooked }
            }
        };
    }

    fn removal(&self, address: &Address, r: &Resource) -> Removal {
        if r.side.is_some() {
            return Removal::Wait;
        }
        let shared = r.id.as_deref().is_some_and(|id| self.holders.get(id).copied().unwrap_or(0) > 1);
        match (r.on_remove, address.kind()) {
            _ if !r.made() || shared => Removal::Forget,
            (OnRemove::Cancel, Kind::InvestigationPackage) if r.phase == Phase::InProgress => Removal::Cancel,
            (OnRemove::Resolve, Kind::Alert)
                if r.phase == Phase::Succeeded
                    && !r.status.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("Resolved")) =>
            {
                Removal::Resolve
            }
            _ => Removal::Forget,
        }
    }

    /// Writes a decided row down: its reason in data, its call, the records that carry it out.
    fn write(
        &self,
        address: &Address,
        desired: Option<&'a Desired>,
        resource: Option<&Resource>,
        seen: &Seen<'a>,
        row: u8,
        action: Action,
    ) -> Change {
        let reason = self.reason(address, desired, resource, seen, row, action);
        let mut change = blank(address, action, row, reason, desired, resource);
        if let (Some(d), Some(CallKind::Creating)) = (desired, call_kind(action)) {
            change.call = Some(self.creating_call(address, d, resource));
            change.after = Some(view::of_desired(d));
            self.warn(d, resource, &mut change);
        }
        match (action, resource) {
            (Action::Update, Some(r)) => self.update(desired, r, seen, &mut change),
            (Action::Cancel, Some(r)) => {
                change.call = removal_call(r, "Manifest removed");
                change.then = vec![Record::Released { address: address.clone() }];
            }
            (Action::Resolve, Some(r)) => {
                change.call = removal_call(r, "");
                change.then = vec![Record::Released { address: address.clone() }];
            }
            (Action::Forget, _) => change.records.push(Record::Released { address: address.clone() }),
            (Action::Adopt, _) => {
                change.records = self.adoption(address, seen, row);
                if row == 16 || row == 17 {
                    let a = seen.running;
                    change.warnings.push(Warning::AdoptsForeign {
                        requestor: a.and_then(|a| a.requestor.clone()),
                        created_at: a.and_then(|a| a.creation_date_time_utc.clone()),
                    });
                }
            }
            (Action::Move, _) => {
                if let Some((from, old)) = self.renames.get(address) {
                    change.records.push(Record::Moved { from: (*from).clone(), to: address.clone() });
                    change.before = Some(vec![("address".into(), from.to_string())]);
                    change.after = Some(vec![("address".into(), address.to_string())]);
                    change.basis = old.changed;
                }
            }
            (Action::None, Some(_)) if row == 9 => {
                change.records.push(Record::Restored { address: address.clone() });
            }
            (Action::Differs, _) => change.after = desired.map(view::of_desired),
            _ => {}
        }
        if let (Some(d), Some(r)) = (desired, resource)
            && change.call.is_none()
            && action != Action::Move
        {
            note(&mut change, d, r);
        }
        if let Some(r) = resource {
            for p in r.past.iter().filter(|p| p.late) {
                change.warnings.push(Warning::LateArrival { id: p.id.clone() });
            }
            if !r.watched.is_empty() {
                change.warnings.push(Warning::Watched { attempts: r.watched.len() });
            }
        }
        change
    }

    fn creating_call(&self, address: &Address, d: &Desired, r: Option<&Resource>) -> PlannedCall {
        let (request, marker) = if self.settings().recovery.marker {
            let lineage = self.input.state.lineage.as_deref().unwrap_or(self.settings().new_lineage.as_str());
            mark::marked(d, lineage, address, r.map_or(0, |r| r.changed))
        } else {
            (d.request.clone(), None)
        };
        PlannedCall {
            sent: Sent { request, revision: d.revision, digest: d.digest, marker },
            machine: d.call.machine().as_str().to_ascii_lowercase(),
            labels: d.labels.clone(),
            on_remove: d.on_remove,
            on_in_progress: d.policy.on_in_progress,
        }
    }

    fn update(&self, desired: Option<&Desired>, r: &Resource, seen: &Seen<'_>, change: &mut Change) {
        let (Some(id), Some(d)) = (&r.id, desired) else { return };
        let fields: serde_json::Map<String, serde_json::Value> =
            seen.triage.iter().map(|(name, _, to)| ((*name).to_owned(), to.clone().into())).collect();
        change.before = Some(
            seen.triage
                .iter()
                .map(|(n, now, _)| ((*n).to_owned(), now.clone().unwrap_or_default()))
                .collect(),
        );
        change.after = Some(seen.triage.iter().map(|(n, _, to)| ((*n).to_owned(), to.clone())).collect());
        let Ok(body) = Body::of(&fields) else { return };
        change.call = Some(PlannedCall {
            sent: Sent {
                request: Request { method: Method::Patch, path: alert_path(id), body },
                revision: r.sent.revision,
                digest: r.digest,
                marker: None,
            },
            machine: d.call.machine().as_str().to_ascii_lowercase(),
            labels: d.labels.clone(),
            on_remove: d.on_remove,
            on_in_progress: OnInProgress::default(),
        });
    }

    fn reason(
        &self,
        address: &Address,
        desired: Option<&Desired>,
        resource: Option<&Resource>,
        seen: &Seen<'_>,
        row: u8,
        action: Action,
    ) -> Reason {
        let policy = desired.map(|d| d.policy).unwrap_or_default();
        let id = || resource.and_then(|r| r.id.clone()).unwrap_or_default();
        let found_id = || seen.found.object.as_ref().map(|o| o.id.clone()).unwrap_or_default();
        let running_id = || seen.running.map(|a| a.id.clone()).unwrap_or_default();
        let requestor = || seen.running.and_then(|a| a.requestor.clone());
        let began = || seen.running.and_then(|a| a.creation_date_time_utc.clone());
        let error = || resource.and_then(|r| r.error.clone());
        let attempts = resource.map_or(0, |r| r.attempts);
        let same_digest = seen.facts.same_target && seen.facts.same_text;
        let next_attempt = if same_digest { attempts + 1 } else { 1 };
        let target = || match (desired, resource) {
            (Some(d), Some(r)) if d.revision != r.sent.revision => {
                Reason::NewRevision { from: r.sent.revision, to: d.revision }
            }
            _ => Reason::NewTarget,
        };
        match row {
            1 => Reason::AskedByName,
            2 => Reason::FoundOurs { id: found_id() },
            3 => Reason::AlertShowsEvent { id: found_id() },
            4 if seen.found.lookup == Lookup::TooOld => Reason::IntentTooOld,
            4 => Reason::LookAlikes { ids: seen.found.ids.clone() },
            5 => match seen.found.until {
                Some(until) => Reason::Settling { until },
                None => Reason::OutcomeNotLooked,
            },
            6 => Reason::FoundWatched {
                id: seen.watched.as_ref().map(|(_, o)| o.id.clone()).unwrap_or_default(),
            },
            7 => Reason::AskBeforeResend,
            8 => Reason::LostCall,
            9 => Reason::KnownFromBefore {
                phase: resource.and_then(|r| r.released_from).unwrap_or(Phase::Succeeded),
            },
            10 => match self.renames.get(address) {
                Some((from, _)) if action == Action::Move => Reason::RenamedFrom { from: (*from).clone() },
                Some((from, _)) => Reason::RenamedWhileOpen { from: (*from).clone() },
                None => Reason::New,
            },
            11 if resource.is_some() => Reason::DeclaredAgain,
            11 => Reason::New,
            12 if error().is_some_and(|e| e.is_permanent()) => {
                Reason::RefusedForGood { error: error().unwrap_or_default() }
            }
            12 => Reason::NoAttemptsLeft { attempts, max: policy.max_attempts, error: error() },
            13 => Reason::RefusedBefore {
                error: error().unwrap_or_default(),
                attempt: next_attempt,
                max: policy.max_attempts,
            },
            14 => target(),
            15 if seen.facts.busy == Busy::Own => Reason::BusyWithOwn { id: running_id() },
            15 => Reason::BusyNotLooked,
            16 => match (policy.on_in_progress, action) {
                (_, Action::Adopt) => {
                    Reason::AdoptRunning { id: running_id(), requestor: requestor(), created_at: began() }
                }
                (OnInProgress::Adopt, _) => Reason::RunningTooOld {
                    id: running_id(),
                    created_at: began(),
                    within: policy.adopt_within,
                },
                (OnInProgress::Wait, _) => {
                    Reason::WaitForRunning { id: running_id(), requestor: requestor() }
                }
                (OnInProgress::Fail, _) => Reason::FailOnRunning { id: running_id(), requestor: requestor() },
            },
            17 => Reason::AdoptFinished { id: running_id(), requestor: requestor() },
            18 => match seen.other_type {
                Some(t) => Reason::BusyWithOtherType { action_type: t.to_owned() },
                None => Reason::FreeNow,
            },
            19 => Reason::Gone { id: id() },
            20 => Reason::RunningTextDiffers { fields: seen.edited.clone() },
            21 if !seen.facts.same_target => Reason::OldStillRuns { id: id() },
            21 => Reason::Running {
                status: resource.and_then(|r| r.status.clone()).unwrap_or_default(),
                looked: seen.facts.running != Running::NotLooked,
            },
            22 => target(),
            23 => Reason::RetryLater { at: seen.retry_at },
            24 if action == Action::Exhausted => {
                Reason::NoAttemptsLeft { attempts, max: policy.max_attempts, error: error() }
            }
            24 => Reason::RetryNow {
                status: resource.and_then(|r| r.status.clone()).unwrap_or_default(),
                attempt: next_attempt,
                max: policy.max_attempts,
            },
            25 => Reason::Cancelled { by: resource.and_then(|r| r.cancelled_by.clone()) },
            26 => Reason::TriageDiffers { fields: seen.triage.iter().map(|(n, _, _)| *n).collect() },
            27 => Reason::TextDiffers { fields: seen.edited.clone() },
            31 => match (action, resource.and_then(|r| r.side.as_ref())) {
                (Action::Wait, Some(side)) => Reason::SideCallOpen { action: side.action },
                (Action::Cancel, _) => Reason::CancelOnRemove,
                (Action::Resolve, _) => Reason::ResolveOnRemove,
                _ => Reason::ManifestGone,
            },
            _ if seen.gone => Reason::DoneAndGone,
            _ => Reason::Done,
        }
    }

    /// What the refresh shows on the machine of a creating call.
    fn warn(&self, d: &Desired, resource: Option<&Resource>, change: &mut Change) {
        match &d.call {
            Call::Collect { machine_id, .. } => {
                let list = self
                    .input
                    .observed
                    .actions
                    .as_ref()
                    .map_or(&[][..], |l| l.of_machine(machine_id.as_str()));
                let held = resource.and_then(|r| r.id.as_deref());
                let active = list.iter().filter(|a| a.is_collection() && a.status.is_active());
                for a in active.filter(|a| Some(a.id.as_str()) != held) {
                    change.warnings.push(Warning::ActiveCollection {
                        id: a.id.clone(),
                        requestor: a.requestor.clone(),
                        created_at: a.creation_date_time_utc.clone(),
                    });
                }
            }
            Call::Alert(alert) => {
                change.warnings.push(Warning::AutomatedInvestigation);
                let machine = alert.machine_id.as_str().to_ascii_lowercase();
                let of_machine = self.input.observed.machine_alerts.get(&machine).into_iter().flatten();
                let recent = self
                    .input
                    .observed
                    .recent_alerts
                    .iter()
                    .flatten()
                    .filter(|a| a.machine_id.as_deref().is_some_and(|m| alert.machine_id.is(m)));
                let mut open = of_machine.chain(recent).filter(|a| a.is_open());
                if let Some(a) = open.find(|a| a.title.as_deref() == Some(alert.title.as_str())) {
                    change.warnings.push(Warning::MergesIntoOpenAlert { id: a.id.clone() });
                }
            }
        }
    }

    /// Two rows of one plan that meet at one machine.
    fn warn_of_siblings(&self, changes: &mut [Change]) {
        let mut first: HashMap<(String, String), Address> = HashMap::new();
        for c in changes.iter_mut() {
            let (Some(call), Some(CallKind::Creating)) = (&c.call, call_kind(c.action)) else { continue };
            let title = match Call::from_request(call.request()) {
                Some(Call::Alert(a)) => format!("alert {}", a.title),
                _ => String::new(),
            };
            match first.entry((call.machine.clone(), title)) {
                std::collections::hash_map::Entry::Vacant(e) => {
                    e.insert(c.address.clone());
                }
                std::collections::hash_map::Entry::Occupied(e) => {
                    let other = e.get().clone();
                    c.warnings.push(if c.address.kind() == Kind::Alert {
                        Warning::SameTitle { other }
                    } else {
                        Warning::SecondCollection { other }
                    });
                }
            }
        }
    }

    fn plan_warnings(&self, changes: &[Change]) -> Vec<PlanWarning> {
        let settings = self.settings();
        let mut warnings = Vec::new();
        if self.input.state.resources.is_empty() && !settings.fresh {
            let selected = |d: &&Desired| self.input.selected.is_none_or(|s| s.contains(&d.address));
            let found: Vec<_> = self
                .input
                .desired
                .iter()
                .filter(selected)
                .filter_map(|d| Some((d.address.clone(), look_alike(&d.call, self.input.observed)?)))
                .collect();
            if !found.is_empty() {
                warnings.push(PlanWarning::LookAlikes { found });
            }
        }
        let count = |kind| {
            let creating = changes.iter().filter(|c| call_kind(c.action) == Some(CallKind::Creating));
            creating.filter(|c| c.address.kind() == kind).count()
        };
        let limits = [
            ("newCollections", count(Kind::InvestigationPackage), settings.limits.new_collections),
            ("newAlerts", count(Kind::Alert), settings.limits.new_alerts),
        ];
        for (limit, planned, allowed) in limits {
            if planned > allowed as usize {
                warnings.push(PlanWarning::OverLimit { limit, planned, allowed });
            }
        }
        let failures = self.input.observed.failures.iter();
        warnings.extend(failures.map(|why| PlanWarning::NotLooked { why: why.clone() }));
        if self.input.selected.is_some() {
            let declared = self.input.desired.len();
            warnings.push(PlanWarning::Narrowed { shown: changes.len(), declared });
        }
        warnings
    }
}

/// What was gathered about one resource.
struct Seen<'a> {
    facts: Facts,
    found: Found,
    open_attempt: Option<u64>,
    watched: Option<(u64, Object)>,
    running: Option<&'a MachineAction>,
    other_type: Option<&'a str>,
    edited: Vec<&'static str>,
    triage: Vec<(&'static str, Option<String>, String)>,
    retry_at: Option<jiff::Timestamp>,
    gone: bool,
}

impl Seen<'_> {
    fn new(facts: Facts) -> Self {
        Seen {
            facts,
            found: Found::nothing(),
            open_attempt: None,
            watched: None,
            running: None,
            other_type: None,
            edited: Vec::new(),
            triage: Vec::new(),
            retry_at: None,
            gone: false,
        }
    }
}

#[derive(PartialEq, Eq)]
enum CallKind {
    Creating,
    Other,
}

fn call_kind(action: Action) -> Option<CallKind> {
    action.call().map(|c| if c.creates() { CallKind::Creating } else { CallKind::Other })
}

fn blank(
    address: &Address,
    action: Action,
    row: u8,
    reason: Reason,
    desired: Option<&Desired>,
    resource: Option<&Resource>,
) -> Change {
    let before = match action {
        // Rows that a reader sees no fields of need none made.
        Action::None | Action::Wait | Action::Create | Action::Adopt => None,
        _ => resource.and_then(view::of_resource),
    };
    Change {
        address: address.clone(),
        action,
        row,
        reason,
        source: desired.map(|d| d.source.clone()),
        call: None,
        before,
        after: None,
        warnings: Vec::new(),
        records: Vec::new(),
        then: Vec::new(),
        basis: resource.map_or(0, |r| r.changed),
    }
}

/// Changed labels and lifecycle are recorded; they lead to no call.
fn note(change: &mut Change, d: &Desired, r: &Resource) {
    if r.labels != d.labels || r.on_remove != d.on_remove {
        change.records.push(Record::Noted {
            address: d.address.clone(),
            labels: d.labels.clone(),
            on_remove: d.on_remove,
        });
    }
}

fn claim(taken: &mut BTreeSet<String>, object: &Option<Object>) {
    taken.extend(object.iter().map(|o| o.id.to_ascii_lowercase()));
}

fn same_id(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

fn created(a: &MachineAction) -> Option<jiff::Timestamp> {
    a.creation_date_time_utc.as_ref().map(Timestamp::instant)
}

fn find<'a>(desired: &'a [Desired], address: &Address) -> Option<&'a Desired> {
    desired.binary_search_by(|d| d.address.cmp(address)).ok().map(|i| &desired[i])
}

/// Ids are opaque: percent-encoded in paths.
fn alert_path(id: &str) -> String {
    format!("/api/alerts/{}", encode(id))
}

fn encode(id: &str) -> impl std::fmt::Display + '_ {
    const KEEP: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(id, KEEP)
}

/// Cancels a collection, or resolves an alert.
fn removal_call(r: &Resource, comment: &str) -> Option<PlannedCall> {
    let id = r.id.as_deref()?;
    let call = r.sent_call()?;
    let (method, path, body) = match call.kind() {
        Kind::InvestigationPackage => {
            let body = serde_json::json!({ "Comment": comment });
            (Method::Post, format!("/api/machineactions/{}/cancel", encode(id)), body)
        }
        Kind::Alert => (Method::Patch, alert_path(id), serde_json::json!({ "status": "Resolved" })),
    };
    Some(PlannedCall {
        sent: Sent {
            request: Request { method, path, body: Body::of(&body).ok()? },
            revision: r.sent.revision,
            digest: r.digest,
            marker: None,
        },
        machine: call.machine().as_str().to_ascii_lowercase(),
        labels: r.labels.clone(),
        on_remove: r.on_remove,
        on_in_progress: OnInProgress::default(),
    })
}

/// A new address and the one undeclared resource whose target and text it has, where both are alone.
type Renames<'a> = (BTreeMap<&'a Address, (&'a Address, &'a Resource)>, BTreeSet<&'a Address>);

fn find_renames<'a>(input: &'a Input<'a>) -> Renames<'a> {
    let mut orphans: HashMap<(Kind, RequestDigest), Vec<(&Address, &Resource)>> = HashMap::new();
    let undeclared = input
        .state
        .resources
        .iter()
        .filter(|(a, r)| r.phase != Phase::Released && find(input.desired, a).is_none());
    for (a, r) in undeclared {
        orphans.entry((a.kind(), r.digest)).or_default().push((a, r));
    }
    let mut renames = BTreeMap::new();
    let mut moved = BTreeSet::new();
    if orphans.is_empty() {
        return (renames, moved);
    }
    let mut new: HashMap<(Kind, RequestDigest), Vec<&Address>> = HashMap::new();
    for d in input.desired {
        let unclaimed = match input.state.resources.get(&d.address) {
            None => true,
            Some(r) => {
                let same_target =
                    r.sent.revision == d.revision && r.sent_call().is_some_and(|c| c.same_target(&d.call));
                r.phase == Phase::Released && !(r.id.is_some() && same_target)
            }
        };
        if unclaimed {
            new.entry((d.address.kind(), d.digest)).or_default().push(&d.address);
        }
    }
    for (key, addresses) in new {
        if let ([to], Some([(from, r)])) = (&addresses[..], orphans.get(&key).map(Vec::as_slice)) {
            renames.insert(*to, (*from, *r));
            if r.phase != Phase::Requested {
                moved.insert(*from);
            }
        }
    }
    (renames, moved)
}
