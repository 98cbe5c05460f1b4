//! Everything a plan is a function of.

use std::collections::BTreeSet;

use super::observed::Observed;
use super::settings::Settings;
use crate::model::{Address, Desired};
use crate::state::{Resource, State};

/// Everything a plan is a function of.
pub struct Input<'a> {
    /// Every declared resource of the project, by address.
    pub desired: &'a [Desired],
    /// The addresses that are shown; `None`: the whole project.
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
pub(super) type Pair<'a> = (&'a Address, Option<&'a Desired>, Option<&'a Resource>);

/// Walks two sorted lists at once.
pub(super) fn pairs<'a>(desired: &'a [Desired], state: &'a State) -> impl Iterator<Item = Pair<'a>> {
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

/// Returns the declared resource of an address.
pub(super) fn find<'a>(desired: &'a [Desired], address: &Address) -> Option<&'a Desired> {
    desired.binary_search_by(|d| d.address.cmp(address)).ok().map(|i| &desired[i])
}
