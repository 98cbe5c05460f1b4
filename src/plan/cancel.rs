//! A plan that no manifest asks for: the cancel of collections, as a person typed it.

use std::collections::BTreeSet;

use super::action::Action;
use super::calls::removal_call;
use super::change::{Change, Estimate, Plan, digest_of};
use super::comparison;
use super::names::shown_in;
use super::reason::Reason;
use super::warning::Warning;
use crate::model::Address;
use crate::state::State;

/// The plan that cancels the collections which resources hold: a row for each that holds one whose body as sent can be
/// read. It is carried out like any other plan.
pub fn cancel(state: &State, addresses: &BTreeSet<Address>, comment: &str, now: jiff::Timestamp) -> Plan {
    let mut names = shown_in(state);
    let mut row = |address: &Address| {
        let r = state.resources.get(address)?;
        let call = removal_call(r, comment)?;
        let mut warnings = Vec::new();
        if !r.made() {
            warnings.push(Warning::AdoptsForeign {
                requestor: r.requestor.to_inner(),
                created_at: r.created_at.clone(),
            });
        }
        let reason = Reason::CancelAsked { comment: comment.to_owned() };
        Some(Change {
            shown: names.remove(address).into(),
            machine: r.sent.call().map(|c| c.machine().clone()),
            call: Some(Box::new(call)),
            before: comparison::of_resource(r).into(),
            warnings: warnings.into(),
            basis: r.changed,
            ..Change::new(address.clone(), Action::Cancel, None, reason)
        })
    };
    let changes: Vec<Change> = addresses.iter().filter_map(&mut row).collect();
    let calls = changes.len() as u64;
    let estimate = if calls == 0 { [].into() } else { [("cancel".to_owned(), calls)].into() };
    Plan {
        lineage: state.lineage.clone().unwrap_or_default(),
        digest: digest_of(changes.iter()),
        created_at: now,
        changes,
        warnings: Vec::new(),
        estimate: Estimate { seconds: 0, calls: estimate },
        groups: Vec::new(),
        forecast: None,
        destination: None,
    }
}
