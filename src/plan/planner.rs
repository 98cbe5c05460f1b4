//! What the planning of one row looks up: the input, and what is known of the plan as a whole before the first row.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::identity::IdIndex;
use super::identity::look_alike::{LookAlikes, asks_by_itself};
use super::input::{Input, find, pairs};
use super::passes::rename::find_renames;
use super::settings::Settings;
use super::surgery::{DeclaredMove, to_import};
use super::targets::Left;
use crate::model::{Address, OnRemove};
use crate::state::{Phase, Resource};

/// The input of a plan, with what is looked up in it again and again.
pub(super) struct Planner<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) ids: IdIndex,
    /// None if no resource may be asked for by itself, or an empty state is meant.
    pub(super) look_alikes: Option<LookAlikes<'a>>,
    /// New address -> old address, for renamed manifests.
    pub(super) renames: BTreeMap<&'a Address, (&'a Address, &'a Resource)>,
    /// Resources whose manifest says from where they were moved, as long as that is not done.
    pub(super) moves: BTreeMap<&'a Address, DeclaredMove<'a>>,
    /// Old addresses that a move continues.
    pub(super) moved: BTreeSet<&'a Address>,
    /// How many addresses hold an object.
    pub(super) holders: HashMap<&'a str, u32>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(input: &'a Input<'a>) -> Self {
        // Ids matter only where something is matched or taken, holders only where something is removed.
        let matching = input
            .state
            .resources
            .values()
            .any(|r| matches!(r.phase, Phase::Requested | Phase::Pending) || !r.watched.is_empty());
        let importing =
            pairs(input.desired, input.state).any(|(_, d, r)| d.is_some_and(|d| to_import(d, r).is_some()));
        let ids = if matching || importing { IdIndex::of(input.state) } else { IdIndex::default() };
        let meant = input.state.resources.is_empty() && input.settings.fresh;
        let new =
            || pairs(input.desired, input.state).any(|(_, d, r)| d.is_some_and(|d| asks_by_itself(d, r)));
        let look_alikes =
            (!meant && new()).then(|| LookAlikes::new(input.state, input.observed, input.settings));
        let moves = input.desired.iter().filter_map(|d| Some((&d.address, DeclaredMove::of(input, d)?)));
        let moves = moves.collect();
        let (renames, moved) = find_renames(input, &moves);
        let mut holders = HashMap::new();
        let removals = input.state.resources.iter().any(|(a, r)| {
            r.phase != Phase::Released && r.on_remove != OnRemove::Retain && find(input.desired, a).is_none()
        });
        if removals {
            for id in input.state.resources.values().filter_map(|r| r.id.as_deref()) {
                *holders.entry(id).or_insert(0) += 1;
            }
        }
        Planner { input, ids, look_alikes, renames, moves, moved, holders }
    }

    pub(super) fn settings(&self) -> &Settings {
        self.input.settings
    }

    /// Returns whether a new address waits for the open call of this one. What that call made must not be forgotten
    /// before the move.
    pub(super) fn renamed_open(&self, address: &Address) -> bool {
        self.renames.values().any(|(from, _)| *from == address)
    }

    /// Returns why the manifest of this resource, which is there, does not ask for it.
    pub(super) fn left(&self, address: &Address) -> Option<&Left> {
        self.input.observed.targets.left.get(address)
    }
}
