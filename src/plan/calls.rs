//! The calls of a plan, byte for byte.

use super::change::PlannedCall;
use super::marker;
use super::planner::Planner;
use super::triage::TriageState;
use crate::model::{
    Address, Desired, Kind, MachineId, Mutation, Request, Sparse, Triage, TriageField, TriageMode, reference,
};
use crate::state::{Resource, Sent};

impl Planner<'_> {
    pub(super) fn creating_call(&self, address: &Address, d: &Desired) -> Box<PlannedCall> {
        let objects = self.input.state.resources.get(address).map_or(0, Resource::objects);
        let lineage = self.input.state.lineage.as_deref().unwrap_or(self.settings().new_lineage.as_str());
        let (call, marker) = marker::marked(d, lineage, address, self.settings().recovery.marker);
        let sent = Sent {
            request: call.request(),
            revision: d.revision,
            digest: d.digest,
            marker: marker.into(),
            machine_name: d.machine_name.as_deref().map(str::to_owned).into(),
            query_digest: d.query.clone(),
        };
        Box::new(PlannedCall {
            labels: d.labels.to_inner(),
            on_remove: d.on_remove,
            on_in_progress: d.policy.on_in_progress,
            adopt_within: d.policy.adopt_within,
            objects,
            follow_up: follow_up(d).map(Box::new),
            ..PlannedCall::new(Mutation::Create(call), sent, d.call.machine().clone())
        })
    }
}

/// The update that sets what is due of an alert's triage.
pub(super) fn update(d: &Desired, r: &Resource, due: &TriageState) -> Option<PlannedCall> {
    let declared = d.triage.as_ref()?;
    let mutation = Mutation::Update { alert_id: r.id.clone()?, update: Box::new(due.update(declared)) };
    Some(PlannedCall {
        labels: d.labels.to_inner(),
        on_remove: d.on_remove,
        adopt_within: d.policy.adopt_within,
        enforce: declared.mode == TriageMode::Enforce,
        ..changing(r, d.call.machine(), mutation)
    })
}

/// A call that changes the object of a resource, as far as its record tells it.
fn changing(r: &Resource, machine: &MachineId, mutation: Mutation) -> PlannedCall {
    let sent = Sent {
        request: mutation.request(),
        revision: r.sent.revision,
        digest: r.digest,
        marker: Sparse::default(),
        machine_name: r.sent.machine_name.clone(),
        query_digest: r.sent.query_digest.clone(),
    };
    PlannedCall {
        labels: r.labels.to_inner(),
        on_remove: r.on_remove,
        ..PlannedCall::new(mutation, sent, machine.clone())
    }
}

/// The update that sets the triage of an alert that is still to be created; none if that begins as it is declared.
pub(super) fn follow_up(d: &Desired) -> Option<Request> {
    let triage = d.triage.as_ref()?;
    let chosen = triage.fields().filter(|(field, value)| !field.is_unset(value));
    let fields: Vec<TriageField> = chosen.map(|(field, _)| field).collect();
    if fields.is_empty() && triage.comment.is_none() {
        return None;
    }
    let update = Box::new(triage.update(&fields, true));
    Some(Mutation::Update { alert_id: reference(&d.address.to_string()), update }.request())
}

/// The comment of the cancel that follows from the removal of a manifest.
pub(super) const MANIFEST_REMOVED: &str = "Manifest removed";

/// Cancels a collection, or resolves an alert.
pub(super) fn removal_call(r: &Resource, comment: &str) -> Option<PlannedCall> {
    let id = r.id.clone()?;
    let call = r.sent.call()?;
    let mutation = match call.kind() {
        Kind::InvestigationPackage => Mutation::Cancel { action_id: id, comment: comment.to_owned() },
        Kind::Alert => {
            let update = Triage { status: Some("Resolved".into()), ..Triage::default() };
            Mutation::Update { alert_id: id, update: Box::new(update) }
        }
    };
    Some(changing(r, call.machine(), mutation))
}
