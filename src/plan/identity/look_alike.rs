//! Look-alikes: what the service shows, no record knows, and a declared resource would ask for once more.
//!
//! A state can be older than the service: a branch applied and committed its `.casefile`, and another branch has the
//! manifest alone. The list of this very plan shows the finished collection with this machine and this comment then.
//! To ask again without a word would double it.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

use super::{Candidate, IdIndex};
use crate::model::{ActionStatus, Call, Desired, IdKey, Likeness, Timestamp, as_meant};
use crate::plan::marker;
use crate::plan::observed::Observed;
use crate::plan::settings::{CLOCK_TOLERANCE, LOOK_BACK, Settings};
use crate::state::{Attempt, Object, Phase, Resource, State};

/// An object that looks like what a manifest asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct LookAlike {
    /// The object.
    pub object: Object,
    /// Machine and event are told, and are the manifest's.
    pub placed: bool,
}

/// Returns whether the table asks for this resource as for one that nothing was ever made of: it has no record, or one
/// that is `Released` without an object or with another target.
pub(in crate::plan) fn is_unclaimed(d: &Desired, r: Option<&Resource>) -> bool {
    let Some(r) = r else { return true };
    r.phase == Phase::Released && (r.id.is_none() || has_other_target(d, r))
}

/// Returns whether a resource declares another target or revision than the one that was sent.
pub(in crate::plan) fn has_other_target(d: &Desired, r: &Resource) -> bool {
    d.digest != r.digest && (r.sent.revision != d.revision || !has_same_place(d, r))
}

/// Returns whether a resource declares the machine (and event) that was sent, whatever its revision.
fn has_same_place(d: &Desired, r: &Resource) -> bool {
    r.sent.call().is_some_and(|c| c.same_target(&d.call))
}

/// Returns whether a call for this resource could follow although nobody named it with `--replace`: what the service
/// has of it by now must be seen first.
pub fn asks_by_itself(d: &Desired, r: Option<&Resource>) -> bool {
    let phase = r.map(|r| r.phase);
    is_unclaimed(d, r)
        || matches!(phase, Some(Phase::Requested | Phase::Rejected | Phase::Pending | Phase::Failed))
        || r.is_some_and(|r| has_other_target(d, r))
}

/// Returns whether an object is later than what a record says of one that was made or asked for, by the service's
/// clock: only an older state does not know it. What is recorded of another machine says nothing of this one.
fn is_later(object: &Object, d: &Desired, r: &Resource) -> bool {
    let created = object.created_at.as_ref().map(Timestamp::instant);
    let ended = object.updated_at.as_ref().map(Timestamp::instant).or(created);
    match r.phase {
        _ if !has_same_place(d, r) => true,
        // What was active when we asked has ended since: it was in the way of our call, or would have been.
        Phase::Pending | Phase::Requested => {
            let asked = r.open.as_ref().map(|o| &o.attempt.server_at).or(r.busy_at.as_ref());
            ended.zip(asked).is_none_or(|(ended, asked)| ended >= asked.instant() - CLOCK_TOLERANCE)
        }
        Phase::Succeeded | Phase::Failed | Phase::Cancelled | Phase::InProgress => {
            let recorded = r.created_at.as_ref().map(Timestamp::instant);
            created.zip(recorded).is_none_or(|(created, recorded)| created >= recorded)
        }
        Phase::Rejected | Phase::Released => true,
    }
}

/// The objects of a refresh by what places them, so that thousands of new resources cost one walk over the list.
#[derive(Default)]
pub(in crate::plan) struct Shown<'a> {
    /// The objects that name a machine, by machine.
    placed: HashMap<IdKey, Vec<Candidate<'a>>>,
    /// Those that name no machine, by their text.
    unplaced: HashMap<String, Vec<Candidate<'a>>>,
}

impl<'a> Shown<'a> {
    pub(in crate::plan) fn of(observed: &'a Observed) -> Self {
        let mut shown = Shown::default();
        let actions = observed.actions.iter().flat_map(|list| list.iter()).filter(|a| a.is_collection());
        let alerts = observed.recent_alerts.iter().flatten();
        for c in actions.map(Candidate::Action).chain(alerts.map(Candidate::Alert)) {
            match c.machine() {
                Some(machine) => shown.placed.entry(IdKey::of(machine)).or_default().push(c),
                None => shown.unplaced.entry(text_of(&c)).or_default().push(c),
            }
        }
        for list in shown.placed.values_mut().chain(shown.unplaced.values_mut()) {
            list.sort_by(|a, b| (a.created(), a.id()).cmp(&(b.created(), b.id())));
        }
        shown
    }

    /// The objects that may look like what a call asks for.
    fn near(&self, call: &Call) -> impl Iterator<Item = &Candidate<'a>> {
        let text = match call {
            Call::Collect { comment, .. } => comment,
            Call::Alert(alert) => &alert.title,
        };
        let placed = self.placed.get(&IdKey::of(call.machine().as_str()));
        let unplaced = self.unplaced.get(&*as_meant(text));
        placed.into_iter().chain(unplaced).flatten()
    }

    /// Objects that look like what a manifest asks for, oldest first: its machine and its text, but for what the
    /// service gives back otherwise than it was sent, and the mark that `recovery.marker` appends to a comment.
    pub(in crate::plan) fn alike(&self, call: &Call) -> impl Iterator<Item = (&Candidate<'a>, bool)> {
        self.near(call).filter_map(move |c| match c.likeness_but_for_mark(call) {
            Likeness::Same => Some((c, true)),
            Likeness::Unplaced => Some((c, false)),
            Likeness::Near | Likeness::Bare | Likeness::Different => None,
        })
    }
}

/// The text by which an object that names no machine is found.
fn text_of(c: &Candidate<'_>) -> String {
    let text = match c {
        Candidate::Action(a) => {
            marker::unmarked(a.requestor_comment.as_deref().unwrap_or_default().trim_end())
        }
        Candidate::Alert(a) => a.title.as_deref().unwrap_or_default(),
    };
    as_meant(text).into_owned()
}

/// The knowledge that a state has of objects: the ids in its records, and the calls that may have made one that is in
/// none.
#[derive(Default)]
struct Known {
    ids: IdIndex,
    /// The calls by machine (lower case), and when each can have made something.
    calls: HashMap<IdKey, Vec<(Call, RangeInclusive<jiff::Timestamp>)>>,
}

impl Known {
    fn of(state: &State, settings: &Settings) -> Self {
        let mut calls: HashMap<IdKey, Vec<_>> = HashMap::new();
        let mut explain = |attempt: &Attempt, until: jiff::Timestamp| {
            if let Some(call) = attempt.sent.call() {
                let within = settings.made_within(attempt).0..=until;
                calls.entry(IdKey::of(call.machine().as_str())).or_default().push((call, within));
            }
        };
        for (_, r) in &state.resources {
            for open in r.open.iter().map(|o| &o.attempt) {
                explain(open, settings.made_within(open).1);
            }
            // One that was given up is looked for however late it comes.
            for watched in r.watched.iter() {
                explain(watched, jiff::Timestamp::MAX);
            }
        }
        Known { ids: IdIndex::of(state), calls }
    }

    /// Returns whether a record holds it, or a call of ours without an answer explains it.
    fn has(&self, c: &Candidate<'_>, machine: &IdKey) -> bool {
        let explained = |(call, within): &(Call, RangeInclusive<jiff::Timestamp>)| {
            c.created().is_none_or(|t| within.contains(&t))
                && matches!(c.likeness(call), Likeness::Same | Likeness::Unplaced)
        };
        self.ids.contains(c.id()) || self.calls.get(machine).is_some_and(|calls| calls.iter().any(explained))
    }
}

/// The look-alikes that a plan's rows depend on.
#[derive(Default)]
pub(in crate::plan) struct LookAlikes<'a> {
    shown: Shown<'a>,
    known: Known,
    horizon: jiff::Timestamp,
}

impl<'a> LookAlikes<'a> {
    pub(in crate::plan) fn new(state: &State, observed: &'a Observed, settings: &Settings) -> Self {
        let horizon = observed.server_at - LOOK_BACK;
        LookAlikes { shown: Shown::of(observed), known: Known::of(state, settings), horizon }
    }

    /// Returns the objects that were made for this call in the last 30 days and finished well, by anybody, and are
    /// known to no record; oldest first. An active collection is none: the service answers with it. One that failed or
    /// was cancelled is none either, for it gave nobody what is asked for.
    fn of(&self, call: &Call) -> Vec<Object> {
        let machine = IdKey::of(call.machine().as_str());
        let counts = |c: &Candidate<'_>| {
            let done = match c {
                // A word that is not documented is neither active nor over: a person looks.
                Candidate::Action(a) => match a.status {
                    ActionStatus::Succeeded | ActionStatus::Unknown(_) | ActionStatus::Missing => true,
                    ActionStatus::Pending
                    | ActionStatus::InProgress
                    | ActionStatus::Failed
                    | ActionStatus::TimeOut
                    | ActionStatus::Cancelled => false,
                },
                Candidate::Alert(_) => true,
            };
            done && c.created().is_none_or(|t| t >= self.horizon) && !self.known.has(c, &machine)
        };
        self.shown.alike(call).filter(|(c, _)| counts(c)).map(|(c, _)| c.object()).collect()
    }

    /// Returns the look-alikes that keep a resource from being asked for by itself: those that its record would know
    /// if it were not older than they are.
    pub(in crate::plan) fn unknown_to(&self, d: &Desired, r: Option<&Resource>) -> Vec<Object> {
        if !asks_by_itself(d, r) {
            return Vec::new();
        }
        let mut found = self.of(&d.call);
        // In spite of what its manifest named it was asked for already: that is no reason to wait any more.
        found.retain(|object| r.is_none_or(|r| is_later(object, d, r) && !r.has_replaced(&object.id)));
        found
    }

    /// The first object that looks like what a call asks for, whatever became of it: for a state that knows nothing.
    pub(in crate::plan) fn any(&self, call: &Call) -> Option<String> {
        self.shown.alike(call).next().map(|(c, _)| c.id().to_owned())
    }
}

/// For each of these calls the objects that look like what it asks for, whatever became of them; oldest first. Objects
/// that a call of ours made are left out.
pub fn look_alikes(calls: &[&Call], state: &State, observed: &Observed) -> Vec<Vec<LookAlike>> {
    let (shown, ids) = (Shown::of(observed), IdIndex::of(state));
    let alike = |call: &&Call| {
        let found = shown.alike(call).filter(|(c, _)| !ids.made(c.id()));
        found.map(|(c, placed)| LookAlike { object: c.object(), placed }).collect()
    };
    calls.iter().map(alike).collect()
}

/// The ids of objects that a plan made now would name and a saved row does not: it was made before them.
pub fn unexpected<'c>(now: &'c [String], saved: &[String]) -> Vec<&'c str> {
    let saved: BTreeSet<IdKey> = saved.iter().map(IdKey::of).collect();
    now.iter().filter(|id| !saved.contains(&IdKey::of(id))).map(String::as_str).collect()
}
