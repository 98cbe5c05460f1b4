//! Looking up an unknown outcome: which object of the service, if any, a lost call made.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{Candidate, IdIndex};
use crate::model::{Address, Call, Desired, IdKey, Likeness};
use crate::plan::facts::Lookup;
use crate::plan::observed::Observed;
use crate::plan::settings::{CLOCK_TOLERANCE, LOOK_BACK, Settings};
use crate::state::{Attempt, Object, Phase, Resource};

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
    pub ids: &'a IdIndex,
    /// Times.
    pub settings: &'a Settings,
}

impl LookUp<'_> {
    /// The candidates on the attempt's machine, oldest first; `None`: not looked, or not far enough back.
    pub(super) fn candidates<'o>(&'o self, attempt: &Attempt, call: &Call) -> Option<Vec<Candidate<'o>>> {
        let machine = call.machine().as_str();
        match call {
            Call::Collect { .. } => {
                let actions = self.observed.actions.as_ref()?;
                let from = attempt.server_at.instant() - CLOCK_TOLERANCE;
                if actions.since > from {
                    return None;
                }
                // One that names no machine may be of this one.
                let listed = actions.of_machine(machine).iter().chain(actions.of_machine(""));
                let mut list: Vec<_> = listed.filter(|a| a.is_collection()).map(Candidate::Action).collect();
                list.sort_by(|a, b| (a.created(), a.id()).cmp(&(b.created(), b.id())));
                Some(list)
            }
            Call::Alert(_) => {
                let alerts = self.observed.machine_alerts.get(&IdKey::of(machine))?;
                let mut list: Vec<_> = alerts.iter().map(Candidate::Alert).collect();
                list.sort_by(|a, b| (a.created(), a.id()).cmp(&(b.created(), b.id())));
                Some(list)
            }
        }
    }

    /// Compares a candidate with a call that was sent. Where the list gives ids of ours back, one without any was made by
    /// somebody else, whatever its comment: only then is a missing id no missing answer.
    fn likeness(&self, c: &Candidate<'_>, call: &Call) -> Likeness {
        let gives = self.observed.actions.as_ref().is_some_and(|list| list.gives_external_ids);
        if gives && call.external_id().is_some() && c.shows_external_id(call).is_none() {
            return Likeness::Different;
        }
        c.likeness(call)
    }

    /// The outcome of the open attempt of a `Requested` resource. `taken` holds what other resources of
    /// this plan were given already.
    pub fn open_attempt(&self, address: &Address, attempt: &Attempt, taken: &BTreeSet<IdKey>) -> Found {
        let too_old = self.settings.now.duration_since(attempt.at)
            > SignedDuration::try_from(LOOK_BACK).unwrap_or(SignedDuration::MAX);
        let Some(call) = attempt.sent.call() else {
            return Found::of(Lookup::TooOld);
        };
        let Some(candidates) = self.candidates(attempt, &call) else {
            return Found::of(if too_old { Lookup::TooOld } else { Lookup::NotLooked });
        };
        let (from, to) = self.settings.made_within(attempt);
        let free = |c: &&Candidate| !self.ids.made(c.id()) && !taken.contains(&IdKey::of(c.id()));
        let mut ours = Vec::new();
        let mut alike: Vec<Candidate<'_>> = Vec::new();
        for c in candidates.iter().filter(free) {
            // Without a creation time nothing can be proved either way: a person looks.
            let created = c.created();
            if created.is_some_and(|t| t < from) {
                continue;
            }
            let alike_or_ours = match self.likeness(c, &call) {
                Likeness::Same if created.is_some_and(|t| t <= to) => &mut ours,
                // Late, and ours for sure.
                Likeness::Same if c.shows_external_id(&call) == Some(true) => &mut ours,
                Likeness::Same | Likeness::Near | Likeness::Unplaced => &mut alike,
                // Without a text it can only be ours if it was made in time.
                Likeness::Bare if created.is_none_or(|t| t <= to) => &mut alike,
                Likeness::Bare | Likeness::Different => continue,
            };
            alike_or_ours.push(*c);
        }
        alike.retain(|c| !self.ids.contains(c.id()));
        if let [one] = ours[..] {
            return Found { object: Some(one.object()), ..Found::of(Lookup::Ours) };
        }
        if let Call::Alert(sent) = &call {
            // The service merged our call into it. An alert that this resource made shows the event anyway.
            let shown = |c: &&Candidate<'_>| match c {
                Candidate::Alert(a) => !self.ids.made_by(&a.id, address) && sent.is_shown_by(a),
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
    pub fn watched(&self, attempt: &Attempt, taken: &BTreeSet<IdKey>) -> Option<Object> {
        let call = attempt.sent.call()?;
        let candidates = self.candidates(attempt, &call)?;
        let (from, _) = self.settings.made_within(attempt);
        let ours = candidates.iter().find(|c| {
            !self.ids.made(c.id())
                && !taken.contains(&IdKey::of(c.id()))
                && self.likeness(c, &call) == Likeness::Same
                && c.created().is_some_and(|t| from <= t)
        });
        ours.map(Candidate::object)
    }

    /// The collection that made the machine busy, if it was the very call that was answered so: something on
    /// the way sent it twice, and the second answer came through.
    pub fn behind_busy(&self, r: &Resource, taken: &BTreeSet<IdKey>) -> Option<Object> {
        let busy_at = r.busy_at.as_ref()?.instant();
        let call = r.sent.call()?;
        let actions = self.observed.actions.as_ref()?.of_machine(call.machine().as_str());
        let (from, to) = (busy_at - CLOCK_TOLERANCE, busy_at + CLOCK_TOLERANCE);
        let mut candidates = actions.iter().filter(|a| a.is_collection()).map(Candidate::Action);
        let ours = candidates.find(|c| {
            !self.ids.contains(c.id())
                && !taken.contains(&IdKey::of(c.id()))
                && self.likeness(c, &call) == Likeness::Same
                && c.created().is_some_and(|t| from <= t && t <= to)
        });
        ours.map(|c| c.object())
    }
}

/// Returns whether what this attempt made is what its resource asks for, and lacks: row 6 of the table takes it then, so it
/// is not late.
pub(in crate::plan) fn answers_need(d: &Desired, r: &Resource, attempt: &Attempt) -> bool {
    !matches!(r.phase, Phase::InProgress | Phase::Succeeded)
        && attempt.sent.revision == d.revision
        && attempt.sent.call().is_some_and(|c| c.same_target(&d.call))
}
