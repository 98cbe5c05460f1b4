//! Looking up an unknown outcome: which object of the service, if any, a lost call made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::decide::Lookup;
use super::mark;
use super::observed::Observed;
use super::refresh::answers_need;
use super::settings::{CLOCK_TOLERANCE, LOOK_BACK, Settings};
use crate::model::{Address, Alert, Call, CreateAlert, Desired, MachineAction, Timestamp, gives};
use crate::state::{Attempt, Object, Origin, Resource, State};

/// Which objects the state knows, and who made them.
#[derive(Debug, Default)]
pub struct KnownIds {
    made_by: BTreeMap<String, Address>,
    known: BTreeSet<String>,
}

impl KnownIds {
    /// Reads every id, held and past, of every resource.
    pub fn of(state: &State) -> Self {
        let mut ids = KnownIds::default();
        for (address, r) in &state.resources {
            let held = r.id.iter().zip(r.origin);
            let past = r.past.iter().map(|p| (&p.id, p.origin));
            for (id, origin) in held.chain(past) {
                let id = id.to_ascii_lowercase();
                if origin == Origin::Made {
                    ids.made_by.insert(id.clone(), address.clone());
                }
                ids.known.insert(id);
            }
        }
        ids
    }

    /// Whether one of our calls made it.
    pub fn made(&self, id: &str) -> bool {
        self.made_by.contains_key(&id.to_ascii_lowercase())
    }

    /// Whether a call of this resource made it.
    pub fn made_by(&self, id: &str, address: &Address) -> bool {
        self.made_by.get(&id.to_ascii_lowercase()) == Some(address)
    }

    /// Whether any record holds it.
    pub fn contains(&self, id: &str) -> bool {
        self.known.contains(&id.to_ascii_lowercase())
    }
}

/// A candidate of either kind.
#[derive(Clone, Copy)]
enum Candidate<'a> {
    Action(&'a MachineAction),
    Alert(&'a Alert),
}

impl Candidate<'_> {
    fn id(&self) -> &str {
        match self {
            Candidate::Action(a) => &a.id,
            Candidate::Alert(a) => &a.id,
        }
    }

    fn created(&self) -> Option<jiff::Timestamp> {
        let at = match self {
            Candidate::Action(a) => &a.creation_date_time_utc,
            Candidate::Alert(a) => &a.alert_creation_time,
        };
        at.as_ref().map(Timestamp::instant)
    }

    fn updated(&self) -> Option<jiff::Timestamp> {
        let at = match self {
            Candidate::Action(a) => &a.last_update_date_time_utc,
            Candidate::Alert(a) => &a.last_update_time,
        };
        at.as_ref().map(Timestamp::instant)
    }

    fn is_open(&self) -> bool {
        matches!(self, Candidate::Alert(a) if a.is_open())
    }

    fn object(&self) -> Object {
        match self {
            Candidate::Action(a) => Object::from(*a),
            Candidate::Alert(a) => Object::from(*a),
        }
    }

    /// The body as sent, but for white space at the ends of a comment.
    fn equals(&self, call: &Call) -> bool {
        match (self, call) {
            (Candidate::Action(a), Call::Collect { comment, .. }) => {
                a.requestor_comment.as_deref().unwrap_or_default().trim() == comment.trim()
            }
            (Candidate::Alert(a), Call::Alert(c)) => {
                same_fields(a, c) && a.title.as_deref().unwrap_or_default().trim() == c.title.trim()
            }
            _ => false,
        }
    }

    /// As [`Candidate::equals`], whether the comment carries a mark or not: without a state nobody can say
    /// which one it was.
    fn equals_but_for_mark(&self, call: &Call) -> bool {
        match (self, call) {
            (Candidate::Action(a), Call::Collect { comment, .. }) => {
                let found = mark::unmarked(a.requestor_comment.as_deref().unwrap_or_default());
                // A declared comment may hold an id that was filled in.
                gives(comment.trim(), found.trim(), &|_| Vec::new())
            }
            _ => self.equals(call),
        }
    }

    /// So alike that a person has to look: equal but for case and white space.
    fn resembles(&self, call: &Call) -> bool {
        let fold = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        match (self, call) {
            (Candidate::Action(a), Call::Collect { comment, .. }) => {
                fold(a.requestor_comment.as_deref().unwrap_or_default()) == fold(comment)
            }
            (Candidate::Alert(a), Call::Alert(c)) => {
                shows_event(a, c) && fold(a.title.as_deref().unwrap_or_default()) == fold(&c.title)
            }
            _ => false,
        }
    }
}

/// Severity, category and event; the title is compared apart.
fn same_fields(alert: &Alert, sent: &CreateAlert) -> bool {
    alert.severity.as_deref().is_some_and(|s| sent.severity.means(s))
        && alert.category.as_deref().is_some_and(|c| sent.category.means(c))
        && shows_event(alert, sent)
}

/// The first or the last event of the alert is the one that was sent.
fn shows_event(alert: &Alert, sent: &CreateAlert) -> bool {
    let of_machine = alert.machine_id.as_deref().is_none_or(|m| sent.machine_id.is(m));
    let at = Some(&sent.event_time);
    of_machine && (alert.first_event_time.as_ref() == at || alert.last_event_time.as_ref() == at)
}

/// What a look-up of an attempt found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// For the table.
    pub lookup: Lookup,
    /// `Ours`, `OpenAlert`: the object.
    pub object: Option<Object>,
    /// `LookAlikes`: the ids, oldest first, at most five.
    pub ids: Vec<String>,
    /// `Settling`, `InFlight`: until when, by our clock.
    pub until: Option<jiff::Timestamp>,
}

impl Found {
    /// Nothing was looked up.
    pub fn nothing() -> Self {
        Found::of(Lookup::NotLooked)
    }

    fn of(lookup: Lookup) -> Self {
        Found { lookup, object: None, ids: Vec::new(), until: None }
    }
}

/// Everything a look-up reads.
pub struct LookUp<'a> {
    /// The refresh.
    pub observed: &'a Observed,
    /// The state's ids.
    pub ids: &'a KnownIds,
    /// Times.
    pub settings: &'a Settings,
}

impl LookUp<'_> {
    /// The candidates on the attempt's machine, oldest first; `None`: not looked, or not far enough back.
    fn candidates<'o>(&'o self, attempt: &Attempt, call: &Call) -> Option<Vec<Candidate<'o>>> {
        let machine = call.machine().as_str();
        match call {
            Call::Collect { .. } => {
                let actions = self.observed.actions.as_ref()?;
                let from = attempt.server_at.instant() - CLOCK_TOLERANCE;
                if actions.since > from {
                    return None;
                }
                let of_machine = actions.of_machine(machine).iter();
                Some(of_machine.filter(|a| a.is_collection()).map(Candidate::Action).collect())
            }
            Call::Alert(_) => {
                let alerts = self.observed.machine_alerts.get(&machine.to_ascii_lowercase())?;
                let mut list: Vec<_> = alerts.iter().map(Candidate::Alert).collect();
                list.sort_by_key(|c| (c.created(), c.id().to_owned()));
                Some(list)
            }
        }
    }

    /// When the object of an attempt can have been made, by the service's clock.
    fn window(&self, attempt: &Attempt) -> (jiff::Timestamp, jiff::Timestamp) {
        let offset: SignedDuration = attempt.server_at.instant().duration_since(attempt.at);
        // All three by the clock of the run that wrote them.
        let last = attempt.failed_at.unwrap_or(attempt.send_by).max(attempt.at);
        let end = last + offset + self.settings.recovery.settle.get();
        (attempt.server_at.instant() - CLOCK_TOLERANCE, end)
    }

    /// The outcome of the open attempt of a `Requested` resource. `taken` holds what other resources of
    /// this plan were given already.
    pub fn open_attempt(&self, address: &Address, attempt: &Attempt, taken: &BTreeSet<String>) -> Found {
        let too_old = self.settings.now.duration_since(attempt.at)
            > SignedDuration::try_from(LOOK_BACK).unwrap_or(SignedDuration::MAX);
        let Some(call) = Call::from_request(&attempt.sent.request) else {
            return Found::of(Lookup::TooOld);
        };
        let Some(candidates) = self.candidates(attempt, &call) else {
            return Found::of(if too_old { Lookup::TooOld } else { Lookup::NotLooked });
        };
        let (from, to) = self.window(attempt);
        let free = |c: &&Candidate| !self.ids.made(c.id()) && !taken.contains(&c.id().to_ascii_lowercase());
        let mut ours = Vec::new();
        let mut alike = Vec::new();
        for c in candidates.iter().filter(free) {
            // Without a creation time nothing can be proved either way: a person looks.
            let created = c.created();
            if created.is_some_and(|t| t < from) {
                continue;
            }
            if c.equals(&call) && created.is_some_and(|t| t <= to) {
                ours.push(*c);
            } else if (c.equals(&call) || c.resembles(&call)) && !self.ids.contains(c.id()) {
                alike.push(*c);
            }
        }
        if let [one] = ours[..] {
            return Found { object: Some(one.object()), ..Found::of(Lookup::Ours) };
        }
        if let Call::Alert(sent) = &call {
            // The service merged our call into it. An alert that this resource made shows the event anyway.
            let shown = |c: &&Candidate<'_>| match c {
                Candidate::Alert(a) => {
                    !self.ids.made_by(&a.id, address)
                        && shows_event(a, sent)
                        && a.title.as_deref().is_some_and(|t| t.trim() == sent.title.trim())
                }
                Candidate::Action(_) => false,
            };
            let (open, closed): (Vec<&Candidate<'_>>, Vec<&Candidate<'_>>) =
                candidates.iter().filter(shown).partition(|c| c.is_open());
            if let Some(open) = open.first() {
                return Found { object: Some(open.object()), ..Found::of(Lookup::OpenAlert) };
            }
            // Closed since our call left: it may have been merged before, or have come too late for that.
            let since = closed.into_iter().filter(|c| c.updated().is_some_and(|t| t >= from));
            for c in since {
                if !ours.iter().chain(&alike).any(|o| o.id() == c.id()) {
                    alike.push(*c);
                }
            }
        }
        ours.extend(alike);
        if !ours.is_empty() {
            let ids = ours.iter().take(5).map(|c| c.id().to_owned()).collect();
            return Found { ids, ..Found::of(Lookup::LookAlikes) };
        }
        if too_old {
            return Found::of(Lookup::TooOld);
        }
        let settled_at = self.settings.settled_at(attempt);
        let wait = |lookup| Found { until: Some(settled_at), ..Found::of(lookup) };
        if self.settings.last_leave(attempt).is_err() {
            wait(Lookup::InFlight)
        } else if self.observed.at < settled_at {
            wait(Lookup::Settling)
        } else {
            Found::of(Lookup::Absent)
        }
    }

    /// The object of a watched attempt, the oldest if there are several.
    ///
    /// No upper bound in time: an attempt is watched just because it may arrive later than assumed, and
    /// taking its object is the way not to ask again.
    pub fn watched(&self, attempt: &Attempt, taken: &BTreeSet<String>) -> Option<Object> {
        let call = Call::from_request(&attempt.sent.request)?;
        let candidates = self.candidates(attempt, &call)?;
        let (from, _) = self.window(attempt);
        let ours = candidates.iter().find(|c| {
            !self.ids.made(c.id())
                && !taken.contains(&c.id().to_ascii_lowercase())
                && c.equals(&call)
                && c.created().is_some_and(|t| from <= t)
        });
        ours.map(Candidate::object)
    }

    /// The collection that made the machine busy, if it was the very call that was answered so: something on
    /// the way sent it twice, and the second answer came through.
    pub fn behind_busy(&self, r: &Resource, taken: &BTreeSet<String>) -> Option<Object> {
        let busy_at = r.busy_at.as_ref()?.instant();
        let call = Call::from_request(&r.sent.request)?;
        let actions = self.observed.actions.as_ref()?.of_machine(call.machine().as_str());
        let (from, to) = (busy_at - CLOCK_TOLERANCE, busy_at + CLOCK_TOLERANCE);
        let mut candidates = actions.iter().filter(|a| a.is_collection()).map(Candidate::Action);
        let ours = candidates.find(|c| {
            !self.ids.contains(c.id())
                && !taken.contains(&c.id().to_ascii_lowercase())
                && c.equals(&call)
                && c.created().is_some_and(|t| from <= t && t <= to)
        });
        ours.map(|c| c.object())
    }
}

/// Whether a refresh still shows nothing of a resource's unanswered calls: what is looked at once more right
/// before the call is made again. A list that is missing shows nothing.
pub fn still_absent(
    address: &Address,
    desired: &Desired,
    state: &State,
    observed: &Observed,
    settings: &Settings,
) -> bool {
    let Some(r) = state.resources.get(address) else { return true };
    let ids = KnownIds::of(state);
    let look_up = LookUp { observed, ids: &ids, settings };
    let none = BTreeSet::new();
    let open = r.open.as_ref().map(|o| look_up.open_attempt(address, &o.attempt, &none).lookup);
    let gone = |a: &Attempt| match Call::from_request(&a.sent.request) {
        Some(call) => look_up.candidates(a, &call).is_some() && look_up.watched(a, &none).is_none(),
        None => true,
    };
    let horizon = settings.now - LOOK_BACK;
    let mut watched = r.watched.iter().filter(|a| a.at >= horizon && answers_need(desired, r, a));
    open.is_none_or(|l| l == Lookup::Absent) && watched.all(gone)
}

/// Objects that look like what a manifest asks for, oldest first: its machine and its text, but for white
/// space at the ends of a comment and the mark that `recovery.marker` appends to it.
pub fn look_alikes(call: &Call, observed: &Observed) -> Vec<Object> {
    let of_machine: Vec<Candidate<'_>> = match call {
        Call::Collect { machine_id, .. } => {
            let list = observed.actions.as_ref().map_or(&[][..], |l| l.of_machine(machine_id.as_str()));
            list.iter().filter(|a| a.is_collection()).map(Candidate::Action).collect()
        }
        Call::Alert(sent) => {
            let list = observed.recent_alerts.iter().flatten();
            list.filter(|a| a.machine_id.as_deref().is_some_and(|m| sent.machine_id.is(m)))
                .map(Candidate::Alert)
                .collect()
        }
    };
    of_machine.into_iter().filter(|c| c.equals_but_for_mark(call)).map(|c| c.object()).collect()
}

/// The id of the first of them, for a state that knows nothing: most likely it was lost.
pub fn look_alike(call: &Call, observed: &Observed) -> Option<String> {
    look_alikes(call, observed).into_iter().next().map(|o| o.id)
}
