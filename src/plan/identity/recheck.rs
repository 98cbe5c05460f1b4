//! The look that is taken right before a call is made: what was not there when the plan was made may be there by now.

use std::collections::BTreeSet;

use super::IdIndex;
use super::look_alike::LookAlikes;
use super::lookup::{LookUp, answers_need};
use crate::model::{Address, Desired, Kind};
use crate::plan::facts::Lookup;
use crate::plan::observed::Observed;
use crate::plan::settings::{LOOK_BACK, Settings};
use crate::state::{Attempt, State};

/// Returns whether a refresh still shows nothing of a resource's unanswered calls, and no look-alike that would keep it from being made: what
/// is looked at once more right before the call is made. A list that is missing shows nothing.
pub fn still_absent(
    address: &Address,
    desired: &Desired,
    state: &State,
    observed: &Observed,
    settings: &Settings,
) -> bool {
    let recorded = state.resources.get(address);
    if !state.resources.is_empty() {
        let looked = desired.call.kind() != Kind::InvestigationPackage || observed.actions.is_some();
        if !looked || !LookAlikes::new(state, observed, settings).unknown_to(desired, recorded).is_empty() {
            return false;
        }
    }
    let Some(r) = recorded else { return true };
    let ids = IdIndex::of(state);
    let look_up = LookUp { observed, ids: &ids, settings };
    let none = BTreeSet::new();
    let open = r.open.as_ref().map(|o| look_up.open_attempt(address, &o.attempt, &none).lookup);
    let gone = |a: &Attempt| match a.sent.call() {
        Some(call) => look_up.candidates(a, &call).is_some() && look_up.watched(a, &none).is_none(),
        None => true,
    };
    let horizon = settings.now - LOOK_BACK;
    let mut watched = r.watched.iter().filter(|a| a.at >= horizon && answers_need(desired, r, a));
    open.is_none_or(|l| l == Lookup::Absent) && watched.all(gone)
}
