//! Whose object is this: which objects of the service a state knows, and what others may be.

pub mod look_alike;
pub mod lookup;
pub mod recheck;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Address, Alert, Call, IdKey, Likeness, MachineAction, Timestamp};
use crate::plan::marker;
use crate::state::{Object, Origin, State};

/// The objects that the state knows, and their makers.
#[derive(Debug, Default)]
pub struct IdIndex {
    made_by: BTreeMap<IdKey, Address>,
    known: BTreeSet<IdKey>,
}

impl IdIndex {
    /// Reads every id, held and past, of every resource.
    pub fn of(state: &State) -> Self {
        let mut ids = IdIndex::default();
        for (address, r) in &state.resources {
            let held = r.id.iter().zip(r.origin);
            let past = r.past.iter().map(|p| (&p.id, p.origin));
            for (id, origin) in held.chain(past) {
                let id = IdKey::of(id);
                if origin == Origin::Made {
                    ids.made_by.insert(id.clone(), address.clone());
                }
                ids.known.insert(id);
            }
        }
        ids
    }

    /// Returns whether one of our calls made it.
    pub fn made(&self, id: &str) -> bool {
        self.made_by.contains_key(&IdKey::of(id))
    }

    /// Returns whether a call of this resource made it.
    pub fn made_by(&self, id: &str, address: &Address) -> bool {
        self.made_by.get(&IdKey::of(id)) == Some(address)
    }

    /// Returns the resource whose call made it.
    pub fn maker(&self, id: &str) -> Option<&Address> {
        self.made_by.get(&IdKey::of(id))
    }

    /// Returns whether any record holds it.
    pub fn contains(&self, id: &str) -> bool {
        self.known.contains(&IdKey::of(id))
    }
}

/// A candidate of either kind.
#[derive(Clone, Copy)]
pub(in crate::plan) enum Candidate<'a> {
    Action(&'a MachineAction),
    Alert(&'a Alert),
}

impl Candidate<'_> {
    pub(in crate::plan) fn id(&self) -> &str {
        match self {
            Candidate::Action(a) => &a.id,
            Candidate::Alert(a) => &a.id,
        }
    }

    pub(in crate::plan) fn created(&self) -> Option<jiff::Timestamp> {
        let at = match self {
            Candidate::Action(a) => &a.creation_date_time_utc,
            Candidate::Alert(a) => &a.alert_creation_time,
        };
        at.as_ref().map(Timestamp::instant)
    }

    /// The machine that it names.
    pub(in crate::plan) fn machine(&self) -> Option<&str> {
        let machine = match self {
            Candidate::Action(a) => &a.machine_id,
            Candidate::Alert(a) => &a.machine_id,
        };
        machine.as_deref().map(str::trim).filter(|m| !m.is_empty())
    }

    pub(super) fn updated(&self) -> Option<jiff::Timestamp> {
        let at = match self {
            Candidate::Action(a) => &a.last_update_date_time_utc,
            Candidate::Alert(a) => &a.last_update_time,
        };
        at.as_ref().map(Timestamp::instant)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Candidate::Alert(a) if a.is_open())
    }

    pub(in crate::plan) fn object(&self) -> Object {
        match self {
            Candidate::Action(a) => Object::from(*a),
            Candidate::Alert(a) => Object::from(*a),
        }
    }

    pub(in crate::plan) fn likeness(&self, call: &Call) -> Likeness {
        match self {
            Candidate::Action(a) => call.likeness_of_collection(a, a.requestor_comment.as_deref()),
            Candidate::Alert(a) => call.likeness_of_alert(a),
        }
    }

    /// Returns whether it shows the id of ours that a call carries; none if either has none.
    pub(super) fn shows_external_id(&self, call: &Call) -> Option<bool> {
        match self {
            Candidate::Action(a) => call.external_id_of(a),
            Candidate::Alert(_) => None,
        }
    }

    /// As [`Candidate::likeness`], whether the comment carries a mark or not: without a state nobody can say
    /// which one it was.
    pub(in crate::plan) fn likeness_but_for_mark(&self, call: &Call) -> Likeness {
        match self {
            Candidate::Action(a) => {
                let comment = a.requestor_comment.as_deref().map(|c| marker::unmarked(c.trim_end()));
                call.likeness_of_collection(a, comment)
            }
            Candidate::Alert(_) => self.likeness(call),
        }
    }
}
