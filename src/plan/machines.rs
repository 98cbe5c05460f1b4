//! Machines as a run saw them. Filled by the engine, read by the planner.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{IdKey, Machine};

/// The machines that a run asked for. The default is: not looked at all.
#[derive(Clone, Debug, Default)]
pub struct Machines {
    /// By id; `None` where the service shows no such machine.
    by_id: BTreeMap<IdKey, Option<Machine>>,
    /// Ids that a list left out.
    unlisted: BTreeSet<IdKey>,
    /// Those of them that the service does not know: each was asked for by itself.
    absent: BTreeSet<IdKey>,
    /// Why some that were asked for are missing here.
    failure: Option<String>,
}

/// Why a machine's name is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameGap {
    /// This run did not look.
    NotLooked,
    /// The list of machines could not be read.
    Failed {
        /// Why, in the service's words.
        why: String,
    },
    /// The service does not show the machine.
    NotFound,
    /// The service shows it without a name.
    Nameless,
}

/// A machine's name, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// Its `computerDnsName`.
    As(&'a str),
    /// It is not known.
    Not(NameGap),
}

impl<'a> Named<'a> {
    /// The name, if it is known.
    pub fn name(&self) -> Option<&'a str> {
        match self {
            Named::As(name) => Some(name),
            Named::Not(_) => None,
        }
    }
}

impl Machines {
    /// What the service answered about an id: a machine, or that there is none.
    pub fn insert(&mut self, id: &str, machine: Option<Machine>) {
        self.by_id.insert(IdKey::of(id), machine);
    }

    /// Notes the ids of machines that a list left out: it shows recent ones only.
    pub fn note_unlisted(&mut self, ids: Vec<IdKey>) {
        self.unlisted.extend(ids);
    }

    /// Whether another list would leave it out too.
    pub fn is_unlisted(&self, id: &str) -> bool {
        self.unlisted.contains(&IdKey::of(id))
    }

    /// Returns the ids that a list left out.
    pub fn unlisted(&self) -> impl Iterator<Item = &IdKey> {
        self.unlisted.iter()
    }

    /// Notes that the service does not know a machine.
    pub fn note_absent(&mut self, id: &IdKey) {
        self.absent.insert(id.clone());
    }

    /// Returns whether the service has said that it does not know this machine.
    pub fn is_absent(&self, id: &str) -> bool {
        self.absent.contains(&IdKey::of(id))
    }

    /// Notes why what was asked for is not here.
    pub fn fail(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// The machine with this id, if the service showed it.
    pub fn get(&self, id: &str) -> Option<&Machine> {
        self.by_id.get(&IdKey::of(id))?.as_ref()
    }

    /// The name of a machine.
    pub fn named(&self, id: &str) -> Named<'_> {
        let gap = match self.by_id.get(&IdKey::of(id)) {
            Some(Some(machine)) => match machine.computer_dns_name.as_deref() {
                Some(name) if !name.trim().is_empty() => return Named::As(name),
                _ => NameGap::Nameless,
            },
            Some(None) => NameGap::NotFound,
            None => match &self.failure {
                Some(why) => NameGap::Failed { why: why.clone() },
                None => NameGap::NotLooked,
            },
        };
        Named::Not(gap)
    }
}
