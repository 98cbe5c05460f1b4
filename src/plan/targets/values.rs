//! What resolution is a function of, and what it gives.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Address, Desired, HuntedEvent, HuntingQuery, HuntingTable, Machine, MachineId, MachineName, NoEvent,
    Place, Target, Template, Timestamp,
};
use crate::plan::unread::Unread;
use crate::state::State;

/// The things that have to be listed before the templates are resolved. The engine finds the fewest calls for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Machines with these names, by their lower-case spelling.
    pub names: BTreeMap<String, MachineName>,
    /// Machines with these tags.
    pub tags: BTreeSet<String>,
    /// Queries whose event is neither recorded nor sealed, each once.
    pub queries: BTreeSet<HuntingQuery>,
}

impl Wanted {
    /// Whether nothing has to be asked.
    pub fn is_nothing(&self) -> bool {
        self.names.is_empty() && self.tags.is_empty() && self.queries.is_empty()
    }
}

/// Machines as the service listed them, or why there is no list.
pub type Listed = Result<Vec<Machine>, NotListed>;

/// Why something was not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotListed {
    /// It was not asked for, for this reason.
    NotAsked(String),
    /// It cannot be used: what asks for it is wrong, or what was answered.
    Unusable(String),
    /// It could not be read, or not to its end.
    Unread(Unread),
}

impl std::fmt::Display for NotListed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotListed::NotAsked(why) | NotListed::Unusable(why) => f.write_str(why),
            NotListed::Unread(unread) => write!(f, "it could not be read: {}", unread.why),
        }
    }
}

/// What was listed.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// Every machine that has one of the wanted names, and any others.
    pub named: Listed,
    /// Per tag.
    pub tagged: BTreeMap<String, Listed>,
    /// Per query: what it found, or why it could not be run.
    pub hunted: BTreeMap<HuntingQuery, Result<HuntingTable, NotListed>>,
}

impl Inventory {
    /// Nothing was asked, for this reason.
    pub fn not_looked(why: &str) -> Self {
        let named = Err(NotListed::NotAsked(why.to_owned()));
        Inventory { named, tagged: BTreeMap::new(), hunted: BTreeMap::new() }
    }

    /// Why nothing was asked.
    pub(super) fn why_not(&self) -> NotListed {
        self.named.as_ref().err().cloned().unwrap_or_else(|| NotListed::NotAsked(String::new()))
    }
}

/// A machine that a seal holds for a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealedMachine {
    /// Its id.
    pub id: MachineId,
    /// Its name when the seal was written.
    pub name: Option<String>,
    /// For an alert on the event of a query: which one it was.
    pub event: Option<HuntedEvent>,
}

/// Everything that resolution is a function of.
pub struct Templates<'a> {
    /// Resources without an id, by address.
    pub templates: &'a [Template],
    /// Resources with one.
    pub declared: &'a [Desired],
    /// What is recorded.
    pub state: &'a State,
    /// Machines that were reviewed, by the address of their manifest; they count in place of a list.
    pub sealed: &'a BTreeMap<Address, Vec<SealedMachine>>,
    /// Which templates are planned. Of the others only what is recorded is told.
    pub selected: &'a dyn Fn(&Address) -> bool,
    /// Places that cannot be resolved are left out, and told: resources that they asked for before stay as they are.
    pub skip_unresolved: bool,
}

/// One device record, as far as it matters which of several is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// `healthStatus`.
    pub health: Option<String>,
    /// `onboardingStatus`.
    pub onboarding: Option<String>,
    /// When it reported last.
    pub last_seen: Option<Timestamp>,
    /// The record that took its place.
    pub merged_into: Option<String>,
}

impl From<&Machine> for Candidate {
    fn from(m: &Machine) -> Self {
        Candidate {
            id: m.id.to_ascii_lowercase(),
            name: m.computer_dns_name.clone(),
            health: m.health_status.clone(),
            onboarding: m.onboarding_status.clone(),
            last_seen: m.last_seen.clone(),
            merged_into: m.merged_into().map(str::to_owned),
        }
    }
}

/// Why a template could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// No machine has the name.
    NotFound {
        /// As written.
        name: String,
    },
    /// Machines have the name, but none that could answer.
    NoneActive {
        /// As written.
        name: String,
        /// The records, the latest first.
        candidates: Vec<Candidate>,
    },
    /// Several machines that could answer have the name.
    Several {
        /// As written.
        name: String,
        /// All records with the name, the latest first.
        candidates: Vec<Candidate>,
    },
    /// The query found not exactly one event.
    NoEvent {
        /// Why not.
        gap: EventGap,
        /// What it found.
        table: HuntingTable,
    },
    /// The query was not run, or not to its end.
    NotRun {
        /// Why.
        why: NotListed,
    },
    /// The list that would tell was not read, or not to its end.
    NotLooked {
        /// What is not known, in words.
        what: String,
        /// Why.
        why: NotListed,
    },
}

/// Why a query's result is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventGap {
    /// So many rows, other than one.
    Rows(usize),
    /// Columns are missing, or a value is of no use.
    Row(NoEvent),
}

/// A template that could not be resolved, or one machine of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError {
    /// The template.
    pub address: Address,
    /// What in which file could not be resolved.
    pub place: Place,
    /// Why.
    pub why: Unresolved,
}

/// Why the state holds a resource that its manifest, which is still there, does not ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// The machine does not carry the tag any more.
    Tag(String),
    /// The file does not list the machine any more.
    File(String),
    /// The seal does not hold the machine.
    Seal,
    /// This run did not look which machines are meant.
    NotLooked,
    /// Its name, tag or query cannot be resolved today, and the run goes on without it.
    Unresolved,
}

/// A manifest that stands for several machines, as it was resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The manifest's address.
    pub address: Address,
    /// What names the machines.
    pub target: Target,
    /// How many there are.
    pub machines: usize,
    /// How many more the state holds that it does not ask for any more.
    pub left: usize,
    /// Records that carry the tag and were passed over: merged into others, or not onboarded.
    pub skipped: Vec<Candidate>,
    /// The machines are those of a seal.
    pub sealed: Option<Drift>,
}

/// How the machines of a seal differ from those that the manifest means today.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Meant today, not sealed: they are not asked.
    pub joined: Vec<String>,
    /// Sealed, not meant today: they are asked all the same.
    pub gone: Vec<String>,
    /// Why today's machines are not known.
    pub unknown: Option<String>,
}

/// What a planner needs to know beside the resources.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Resources of the state that are declared and not asked for.
    pub left: BTreeMap<Address, Left>,
    /// Manifests that stand for several machines, by address.
    pub groups: Vec<Group>,
    /// By resource: records that have the name of its machine too, and did not count.
    pub others: BTreeMap<Address, Vec<Candidate>>,
    /// Alerts that keep the event of another query than the one that is declared.
    pub edited: BTreeSet<Address>,
    /// The errors of places that are left out.
    pub skipped: Vec<TargetError>,
}

/// The templates as resources.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// One resource per machine, by address.
    pub desired: Vec<Desired>,
    /// What else was learned.
    pub targets: Targets,
    /// The listed machines that resources are about.
    pub machines: Vec<Machine>,
    /// The errors by place. With one nothing may be planned, unless it is to be left out.
    pub errors: Vec<TargetError>,
    /// The things that could not be read, although templates need them. Nothing may be planned then either.
    pub unread: Vec<Unread>,
}
