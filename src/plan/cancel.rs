//! A plan that no manifest asks for: the cancel of one collection, as a person typed it.

use super::action::Action;
use super::calls::removal_call;
use super::change::{Change, Estimate, Plan};
use super::comparison;
use super::names::shown_in;
use super::reason::Reason;
use super::warning::Warning;
use crate::model::{Address, DigestedCall, PlanDigest};
use crate::state::State;

/// The one-row plan that cancels the collection which a resource holds; `None` if it holds none, or if
/// its body as sent cannot be read. It is carried out like any other plan.
pub fn cancel(state: &State, address: &Address, comment: &str, now: jiff::Timestamp) -> Option<Plan> {
    let r = state.resources.get(address)?;
    let call = removal_call(r, comment)?;
    let digest = PlanDigest::of([DigestedCall::new(address, call.request())]);
    let mut warnings = Vec::new();
    if !r.made() {
        warnings.push(Warning::AdoptsForeign {
            requestor: r.requestor.to_inner(),
            created_at: r.created_at.clone(),
        });
    }
    let reason = Reason::CancelAsked { comment: comment.to_owned() };
    let change = Change {
        shown: shown_in(state).remove(address).into(),
        machine: r.sent.call().map(|c| c.machine().clone()),
        call: Some(Box::new(call)),
        before: comparison::of_resource(r).into(),
        warnings: warnings.into(),
        basis: r.changed,
        ..Change::new(address.clone(), Action::Cancel, None, reason)
    };
    Some(Plan {
        lineage: state.lineage.clone().unwrap_or_default(),
        digest,
        created_at: now,
        changes: vec![change],
        warnings: Vec::new(),
        estimate: Estimate { seconds: 0, calls: [("cancel".to_owned(), 1)].into() },
        groups: Vec::new(),
        forecast: None,
        destination: None,
    })
}
