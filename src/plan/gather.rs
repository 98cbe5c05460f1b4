//! The facts of one resource: what manifest, state and refresh say of it, in the words of the table.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::calls::{self, MANIFEST_REMOVED};
use super::change::PlannedCall;
use super::comparison;
use super::facts::{Busy, Facts, Importing, Lookup, Moving, Removal, Rename, Running, TriageStanding};
use super::identity::look_alike::{asks_by_itself, has_other_target};
use super::identity::lookup::{Found, LookUp, answers_need};
use super::passes::references::ids_of;
use super::planner::Planner;
use super::surgery::{Import, Replace, to_import};
use super::triage::{self, TriageState};
use crate::model::{
    ActionStatus, Address, Desired, IdKey, Kind, MachineAction, OnRemove, Policy, RequestDigest, Timestamp,
    TriageField,
};
use crate::state::{Object, Origin, Phase, Resource, TriageRecord};

/// How long a new alert may be missing from the lists without being gone. Nothing says how fast they follow; an alert
/// that was deleted or has expired is older.
const NOT_SHOWN_YET: SignedDuration = SignedDuration::from_hours(24);

impl<'a> Planner<'a> {
    /// Gathers the facts of one resource.
    pub(super) fn gather_facts(
        &self,
        address: &Address,
        desired: Option<&'a Desired>,
        resource: Option<&Resource>,
        taken: &BTreeSet<IdKey>,
    ) -> Findings<'a> {
        let mut found = self.gather_recorded(address, desired, resource, taken);
        if let Some(d) = desired.filter(|d| d.surgery.is_some()) {
            self.gather_surgery(d, resource, &mut found);
        }
        found
    }

    /// Notes what `import`, `moved` and `replace` of a manifest still have to do.
    fn gather_surgery(&self, d: &Desired, resource: Option<&Resource>, found: &mut Findings<'a>) {
        if let Some(m) = self.moves.get(&d.address) {
            found.facts.moving = match m.refused {
                Some(_) => Moving::Refused,
                None if m.old.phase == Phase::Requested => Moving::WhileOpen,
                None => Moving::Yes,
            };
        }
        if let Some(id) = to_import(d, resource) {
            let import = Import::of(d, id, &self.ids, self.input.observed);
            found.facts.importing = match &import {
                Import::NotLooked => Importing::NotLooked,
                Import::Fits { .. } => Importing::Fits,
                Import::Refused(_) => Importing::Refused,
            };
            found.import = Some(import);
        }
        // What the resource holds is not known before these two are done, and neither is what it replaces.
        if found.facts.moving != Moving::No || found.facts.importing != Importing::No {
            return;
        }
        let Some(id) = d.replace() else { return };
        let other = || resource.and_then(|r| r.open.as_ref()?.attempt.other.as_ref());
        let unclear = match found.facts.lookup {
            Lookup::LookAlikes => found.lookup.ids.clone(),
            Lookup::Absent => other().into_iter().cloned().collect(),
            _ => Vec::new(),
        };
        match Replace::of(id, resource, &found.alike, &unclear) {
            Replace::Done => {}
            Replace::Counts(ids) => {
                found.facts.replace |= !found.facts.settles_first();
                found.replaces = ids;
            }
            Replace::Unknown => {
                let looked = match d.address.kind() {
                    Kind::InvestigationPackage => self.input.observed.actions.is_some(),
                    Kind::Alert => self.input.observed.recent_alerts.is_some(),
                };
                let compared = looked && self.look_alikes.is_some() || !asks_by_itself(d, resource);
                found.replace_unknown = compared && !found.facts.settles_first();
            }
        }
    }

    fn gather_recorded(
        &self,
        address: &Address,
        desired: Option<&'a Desired>,
        resource: Option<&Resource>,
        taken: &BTreeSet<IdKey>,
    ) -> Findings<'a> {
        let settings = self.settings();
        let mut facts = Facts::new(desired.is_some(), resource.map(|r| r.phase));
        // What its manifest does not ask for any more belongs to that manifest's plan.
        facts.whole = self.input.selected.is_none() || self.left(address).is_some();
        facts.on_unknown = settings.recovery.on_unknown;
        facts.replace = self.input.replace.contains(address);
        facts.taken_by_move = self.moved.contains(address);
        let mut found = Findings::new(facts);
        if let Some(d) = desired {
            found.facts.on_in_progress = d.policy.on_in_progress;
            if let Some((_, old)) = self.renames.get(address) {
                found.facts.rename =
                    if old.phase == Phase::Requested { Rename::WhileOpen } else { Rename::Yes };
            }
        }
        let Some(r) = resource else {
            self.gather_look_alikes(desired, None, &mut found);
            return found;
        };
        found.facts.holds_id = r.id.is_some();
        if let Some(d) = desired
            && d.digest != r.digest
        {
            let sent = r.sent.declared();
            found.facts.same_target = !has_other_target(d, r);
            let ids = |of: &Address| ids_of(self.input.state, of);
            found.edited = sent.map(|c| comparison::edited(&c, &d.call, &ids)).unwrap_or_default();
            found.facts.same_text = found.edited.is_empty();
        }
        self.gather_look_alikes(desired, resource, &mut found);
        self.gather_attempts(address, desired, r, taken, &mut found);
        let allowed = desired.is_some_and(|d| d.policy.allows(r.attempts, r.time_outs));
        let same_digest = found.facts.same_target && found.facts.same_text;
        found.facts.attempts_left = !same_digest || allowed;
        match r.phase {
            Phase::Rejected => {
                let permanent = r.error.as_ref().is_some_and(|e| {
                    // Without the field that was refused it is another request, whatever the code.
                    let is_same = r.sent.marked_by() == settings.recovery.marker;
                    if e.is_about_external_id() { is_same } else { e.is_permanent() }
                });
                found.facts.refused_for_good = permanent || !found.facts.attempts_left;
            }
            Phase::Pending => self.gather_busy(desired, r, &mut found),
            Phase::InProgress => self.gather_running(r, &mut found),
            Phase::Failed => {
                let looked = self.input.observed.actions.is_some();
                let wait = desired.map_or_else(Default::default, |d| d.policy.retry_after.get());
                let due = settings.later(r.since, r.updated_at.as_ref()) + wait;
                found.retry_at = looked.then_some(due);
                found.facts.retry_due = looked && settings.now >= due;
            }
            Phase::Succeeded if address.kind() == Kind::Alert => self.gather_triage(desired, r, &mut found),
            _ => {}
        }
        found.gone = r.phase == Phase::Succeeded && self.is_missing(r) && !self.is_young(r);
        if desired.is_none() {
            found.facts.removal = self.removal(address, r);
        }
        found
    }

    /// Looks for the objects of attempts without an answer: the open one, and those that were given up.
    fn gather_attempts(
        &self,
        address: &Address,
        desired: Option<&Desired>,
        r: &Resource,
        taken: &BTreeSet<IdKey>,
        found: &mut Findings<'_>,
    ) {
        let look_up = LookUp { observed: self.input.observed, ids: &self.ids, settings: self.settings() };
        if let (Phase::Requested, Some(open)) = (r.phase, &r.open) {
            found.lookup = look_up.open_attempt(address, &open.attempt, taken);
            found.facts.lookup = found.lookup.lookup;
            found.open_attempt = Some(open.attempt.attempt);
            found.facts.answered_otherwise = open.attempt.other.is_some();
        }
        if let Some(d) = desired
            && found.facts.lookup != Lookup::Ours
        {
            found.watched = r
                .watched
                .iter()
                .filter(|a| answers_need(d, r, a))
                .find_map(|a| Some((a.attempt, look_up.watched(a, taken)?)));
            found.facts.watched_found = found.watched.is_some();
        }
    }

    /// Notes what the service shows already of a resource that would be asked for. Of a state that knows nothing at all
    /// the plan says so as a whole, unless the manifest names what it has seen there.
    fn gather_look_alikes(
        &self,
        desired: Option<&Desired>,
        resource: Option<&Resource>,
        found: &mut Findings<'a>,
    ) {
        if let (Some(d), Some(look_alikes)) = (desired, &self.look_alikes)
            && (!self.input.state.resources.is_empty() || d.replace().is_some())
        {
            found.alike = look_alikes.unknown_to(d, resource);
            found.facts.look_alike = !found.alike.is_empty();
        }
    }

    fn gather_triage(&self, desired: Option<&Desired>, r: &Resource, found: &mut Findings<'a>) {
        let (Some(d), None) = (desired, &r.side) else { return };
        let Some(declared) = &*d.triage else { return };
        let unknown = TriageRecord::default();
        let record = r.triage.as_ref().unwrap_or(&unknown);
        let Some(alert) = r.id.as_ref().and_then(|id| self.input.observed.alerts.get(id)) else {
            if self.is_missing(r) && self.is_young(r) && !record.holds(declared) {
                found.facts.triage = TriageStanding::NotShown;
            }
            return;
        };
        if triage::lags(r, alert, self.input.observed.at, self.settings()) {
            return;
        }
        found.triage = triage::compare(record, alert, declared);
        found.facts.triage = match &found.triage {
            t if t.is_due() => {
                let update = calls::update(d, r, t);
                let refused = update.as_ref().is_some_and(|call| is_refused(r, call, d.policy.max_attempts));
                if refused { TriageStanding::Refused } else { TriageStanding::Due }
            }
            t if !t.left.is_empty() => TriageStanding::Left,
            _ => TriageStanding::AsDeclared,
        };
    }

    fn gather_busy(&self, desired: Option<&Desired>, r: &Resource, found: &mut Findings<'a>) {
        let (Some(actions), Some(d)) = (&self.input.observed.actions, desired) else { return };
        let of_machine = actions.of_machine(d.call.machine().as_str());
        let collections = || of_machine.iter().filter(|a| a.is_collection());
        let own =
            |a: &&MachineAction| r.past.iter().any(|p| p.origin == Origin::Made && same_id(&p.id, &a.id));
        let within = SignedDuration::try_from(d.policy.adopt_within.get()).unwrap_or(SignedDuration::MAX);
        let mut active = collections().filter(|a| a.status.is_active());
        if let Some(a) = active.clone().find(own) {
            found.facts.busy = Busy::Own;
            found.running = Some(a);
        } else if let Some(a) = active.next_back() {
            let age = created(a).map(|t| self.input.observed.server_at.duration_since(t));
            found.facts.busy = Busy::Other { recent: age.is_some_and(|age| age <= within) };
            found.running = Some(a);
        } else if let Some(a) = collections().filter(|a| !own(a)).rfind(|a| {
            let busy_at = r.busy_at.as_ref().map_or(r.since, Timestamp::instant);
            a.status == ActionStatus::Succeeded
                && created(a).is_some_and(|t| t <= busy_at && busy_at.duration_since(t) <= within)
                && a.last_update_date_time_utc.as_ref().is_none_or(|t| t.instant() >= busy_at)
        }) {
            found.facts.busy = Busy::SucceededSince;
            found.running = Some(a);
        } else {
            found.facts.busy = Busy::Free;
            found.other_type = of_machine
                .iter()
                .rfind(|a| !a.is_collection() && a.status.is_active())
                .map(|a| a.action_type.as_str());
        }
    }

    fn gather_running(&self, r: &Resource, found: &mut Findings<'a>) {
        let settle =
            SignedDuration::try_from(self.settings().recovery.settle.get()).unwrap_or(SignedDuration::MAX);
        let listed = r.id.as_ref().and_then(|id| self.input.observed.actions.as_ref()?.get(id));
        found.facts.running = match listed {
            Some(a) if a.status.is_active() => Running::Active,
            Some(_) => Running::UnknownStatus,
            None => {
                let created = r.created_at.as_ref().map(Timestamp::instant);
                let late_enough = created.map(|t| t + settle);
                // Our wall clock may have been set between the two; the service's was not.
                let old_enough = created.is_none_or(|t| self.input.observed.server_at >= t + settle + settle);
                let gone = match (*r.missing_since, *r.missing_last) {
                    (Some(first), Some(last)) => {
                        last.duration_since(first) >= settle
                            && late_enough.is_none_or(|t| first >= t)
                            && old_enough
                    }
                    _ => false,
                };
                if gone { Running::Gone } else { Running::NotLooked }
            }
        };
    }

    /// Returns whether the alert was asked for and is not there: gone, or not shown yet.
    fn is_missing(&self, r: &Resource) -> bool {
        let observed = self.input.observed;
        r.id.as_ref()
            .is_some_and(|id| observed.alerts_asked.contains(id) && !observed.alerts.contains_key(id))
    }

    /// Returns whether an alert is so new that a list need not show it yet.
    fn is_young(&self, r: &Resource) -> bool {
        let created = r.created_at.as_ref().map_or(r.since, Timestamp::instant);
        self.input.observed.server_at < created + NOT_SHOWN_YET
    }

    fn removal(&self, address: &Address, r: &Resource) -> Removal {
        let removal = self.wanted_removal(address, r);
        let call = match removal {
            Removal::Cancel | Removal::Resolve => calls::removal_call(r, MANIFEST_REMOVED),
            _ => None,
        };
        // Its manifest is gone, and with it the number of attempts that it allowed.
        let max = Policy::default().max_attempts;
        if call.is_some_and(|call| is_refused(r, &call, max)) { Removal::Refused } else { removal }
    }

    fn wanted_removal(&self, address: &Address, r: &Resource) -> Removal {
        if r.side.is_some() {
            return Removal::Wait;
        }
        // A call that was lost and is absent leaves nothing to keep.
        if self.left(address).is_some() && r.phase != Phase::Requested {
            return Removal::Keep;
        }
        let shared = r.id.as_deref().is_some_and(|id| self.holders.get(id).copied().unwrap_or(0) > 1);
        match (r.on_remove, address.kind()) {
            _ if !r.made() || shared => Removal::Forget,
            (OnRemove::Cancel, Kind::InvestigationPackage) if r.phase == Phase::InProgress => Removal::Cancel,
            (OnRemove::Resolve, Kind::Alert)
                if r.phase == Phase::Succeeded && !is_resolved(r.status.as_deref()) =>
            {
                match r.id.as_ref().and_then(|id| self.input.observed.alerts.get(id)) {
                    None if self.is_missing(r) && !self.is_young(r) => Removal::Forget,
                    // It may have been judged meanwhile.
                    None => Removal::WaitForLook,
                    Some(alert) if is_resolved(alert.status.as_deref()) => Removal::Forget,
                    Some(alert) if triage::lags(r, alert, self.input.observed.at, self.settings()) => {
                        Removal::WaitForLook
                    }
                    Some(alert) if triage::may_resolve(r, alert) => Removal::Resolve,
                    Some(_) => Removal::LeaveJudged,
                }
            }
            _ => Removal::Forget,
        }
    }
}

/// What was gathered about one resource.
pub(super) struct Findings<'a> {
    pub(super) facts: Facts,
    pub(super) lookup: Found,
    pub(super) open_attempt: Option<u64>,
    pub(super) watched: Option<(u64, Object)>,
    pub(super) alike: Vec<Object>,
    pub(super) running: Option<&'a MachineAction>,
    pub(super) other_type: Option<&'a str>,
    pub(super) edited: Vec<&'static str>,
    pub(super) triage: TriageState,
    pub(super) retry_at: Option<jiff::Timestamp>,
    pub(super) gone: bool,
    /// The object that the manifest's `import` names, if that is not done.
    pub(super) import: Option<Import>,
    /// The objects that the manifest's `replace` counts for, if that is not done.
    pub(super) replaces: Vec<String>,
    /// It names none that the resource has anything to do with.
    pub(super) replace_unknown: bool,
}

impl Findings<'_> {
    fn new(facts: Facts) -> Self {
        Findings {
            facts,
            lookup: Found::nothing(),
            open_attempt: None,
            watched: None,
            alike: Vec::new(),
            running: None,
            other_type: None,
            edited: Vec::new(),
            triage: TriageState::default(),
            retry_at: None,
            gone: false,
            import: None,
            replaces: Vec::new(),
            replace_unknown: false,
        }
    }
}

/// Returns whether the service has refused this very change for good, or too often.
fn is_refused(r: &Resource, call: &PlannedCall, max: u32) -> bool {
    let request = RequestDigest::of(call.request(), r.sent.revision);
    r.refused.as_ref().is_some_and(|refused| {
        refused.request == request && (refused.error.is_permanent() || refused.attempts >= max)
    })
}

fn is_resolved(status: Option<&str>) -> bool {
    status.is_some_and(|s| TriageField::Status.same(s, "Resolved"))
}

fn same_id(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

fn created(a: &MachineAction) -> Option<jiff::Timestamp> {
    a.creation_date_time_utc.as_ref().map(Timestamp::instant)
}
