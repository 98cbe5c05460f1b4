//! Ids of other resources in the texts of calls: which are known when a plan is made, and how a text compares with
//! one that was sent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::{Address, gives, replaced};
use crate::plan::action::Action;
use crate::plan::change::{Change, PlannedId};
use crate::plan::input::Input;
use crate::state::{Phase, Record, Resource, State};

/// Every id that a resource has had.
pub fn ids_of(state: &State, address: &Address) -> Vec<String> {
    let Some(r) = state.resources.get(address) else { return Vec::new() };
    r.id.iter().chain(r.past.iter().map(|p| &p.id)).cloned().collect()
}

/// The id that a text gets: that of the object which the resource has now.
pub fn id_of(resource: &Resource) -> Option<&str> {
    resource.id.as_deref().filter(|_| matches!(resource.phase, Phase::InProgress | Phase::Succeeded))
}

/// Tells the rows with a call whose text holds ids which of these are known, and shows them.
pub fn tell_ids(
    input: &Input<'_>,
    renames: &BTreeMap<&Address, (&Address, &Resource)>,
    changes: &mut [Change],
) {
    let mut told: Vec<(usize, Vec<PlannedId>)> = Vec::new();
    for (i, c) in changes.iter().enumerate() {
        // Who refers to a resource depends on it.
        let Some(call) = c.call.as_ref().filter(|_| !c.depends_on.is_empty()) else { continue };
        let Some(call) = call.created() else { continue };
        let of = call.references().into_iter().filter_map(|name| name.parse::<Address>().ok());
        let ids: Vec<PlannedId> =
            of.map(|of| PlannedId { id: known(input, renames, changes, &of), of }).collect();
        if !ids.is_empty() {
            told.push((i, ids));
        }
    }
    for (i, ids) in told {
        let c = &mut changes[i];
        let id = |name: &str| ids.iter().find(|p| p.of.to_string() == name);
        for (_, text) in c.after.iter_mut().flatten() {
            if let Cow::Owned(new) = replaced(text, |name| id(name).map(|p| p.shown(&c.address))) {
                *text = new;
            }
        }
        if let Some(call) = &mut c.call {
            call.ids = ids;
        }
    }
}

/// Shows the fields of a text that was edited: what was sent with an id is not edited by that.
pub fn show_as_sent(input: &Input<'_>, change: &mut Change) {
    let sent = change.before.iter().flatten();
    let sent: BTreeMap<&str, &str> = sent.map(|(name, text)| (name.as_str(), text.as_str())).collect();
    for (name, text) in change.after.iter_mut().flatten() {
        if let Some(before) = sent.get(name.as_str())
            && text.as_str() != *before
            && gives(text, before, &|of| ids_of(input.state, of))
        {
            *text = (*before).to_owned();
        }
    }
}

/// The id of a resource that is there and that this plan does not ask for anew.
fn known(
    input: &Input<'_>,
    renames: &BTreeMap<&Address, (&Address, &Resource)>,
    changes: &[Change],
    address: &Address,
) -> Option<String> {
    let recorded = || input.state.resources.get(address).and_then(id_of);
    let row = changes.binary_search_by(|c| c.address.cmp(address)).ok().map(|i| &changes[i]);
    let id = match row {
        Some(c) if c.action.creates() => None,
        Some(c) if c.action == Action::Adopt => c.records.iter().find_map(|r| match r {
            Record::Found { object, .. } | Record::Imported { object, .. } => Some(object.id.as_str()),
            _ => None,
        }),
        Some(c) if c.action == Action::Move => renames.get(&c.address).and_then(|(_, old)| id_of(old)),
        _ => recorded(),
    };
    id.map(str::to_owned)
}
