//! The calls of a plan, byte for byte.

use super::build::Planner;
use super::change::{Change, PlannedCall, Warning};
use super::mark;
use super::see::Seen;
use super::triage::TriageState;
use crate::model::{
    Address, Body, Desired, Kind, MachineId, Method, OnInProgress, Policy, Rare, Request, TriageField,
    TriageMode, reference,
};
use crate::state::{Resource, Sent};

impl Planner<'_> {
    pub(super) fn creating_call(&self, address: &Address, d: &Desired) -> Box<PlannedCall> {
        let objects = self.input.state.resources.get(address).map_or(0, Resource::objects);
        let (request, marker) = if self.settings().recovery.marker {
            let lineage = self.input.state.lineage.as_deref().unwrap_or(self.settings().new_lineage.as_str());
            mark::marked(d, lineage, address)
        } else {
            (d.request(), None)
        };
        let mut call = creating(d, request, marker, objects);
        call.follow_up = follow_up(d).map(Box::new);
        call
    }

    pub(super) fn update(
        &self,
        desired: Option<&Desired>,
        r: &Resource,
        seen: &Seen<'_>,
        change: &mut Change,
    ) {
        let Some(d) = desired else { return };
        let Some(declared) = &*d.triage else { return };
        let (before, after) = seen.triage.due_views(declared);
        (change.before, change.after) = (Some(before).into(), Some(after).into());
        if !seen.triage.left.is_empty() {
            change.warnings.push(Warning::TriageLeft { fields: seen.triage.left.clone() });
        }
        change.call = update(d, r, &seen.triage).map(Box::new);
    }
}

/// The update that sets what is due of an alert's triage.
pub(super) fn update(d: &Desired, r: &Resource, due: &TriageState) -> Option<PlannedCall> {
    let declared = d.triage.as_ref()?;
    let request = Request {
        method: Method::Patch,
        path: alert_path(r.id.as_deref()?).into(),
        body: Body::of(&due.update(declared)).ok()?,
    };
    Some(PlannedCall {
        labels: (*d.labels).clone(),
        on_remove: d.on_remove,
        adopt_within: d.policy.adopt_within,
        enforce: declared.mode == TriageMode::Enforce,
        ..changing(r, d.call.machine(), request)
    })
}

/// A call that changes the object of a resource, as far as its record tells it.
fn changing(r: &Resource, machine: &MachineId, request: Request) -> PlannedCall {
    PlannedCall {
        sent: Sent {
            request,
            revision: r.sent.revision,
            digest: r.digest,
            marker: Rare::default(),
            machine_name: r.sent.machine_name.clone(),
            query_digest: r.sent.query_digest.clone(),
        },
        machine: machine.as_str().to_ascii_lowercase(),
        labels: (*r.labels).clone(),
        on_remove: r.on_remove,
        on_in_progress: OnInProgress::default(),
        adopt_within: Policy::default().adopt_within,
        ids: Vec::new(),
        objects: 0,
        follow_up: None,
        enforce: false,
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
    let body = Body::of(&triage.update(&fields, true)).ok()?;
    Some(Request { method: Method::Patch, path: follow_up_path(&d.address).into(), body })
}

/// The path of the update of an alert that is still to be created.
pub(super) fn follow_up_path(address: &Address) -> String {
    format!("{ALERTS}{}", reference(&address.to_string()))
}

/// The update of an alert that was created by now.
pub fn followed_up(follow_up: &Request, id: &str) -> Request {
    Request { path: alert_path(id).into(), ..follow_up.clone() }
}

/// The alert that a request changes.
pub fn changed_alert(request: &Request) -> Option<String> {
    let id = request.path.strip_prefix(ALERTS)?;
    Some(percent_encoding::percent_decode_str(id).decode_utf8().ok()?.into_owned())
}

const ALERTS: &str = "/api/alerts/";

/// The creating call of a resource.
fn creating(d: &Desired, request: Request, marker: Option<String>, objects: u32) -> Box<PlannedCall> {
    Box::new(PlannedCall {
        sent: Sent {
            request,
            revision: d.revision,
            digest: d.digest,
            marker: marker.into(),
            machine_name: d.machine_name.as_deref().map(str::to_owned).into(),
            query_digest: d.query.clone(),
        },
        machine: d.call.machine().as_str().to_ascii_lowercase(),
        labels: (*d.labels).clone(),
        on_remove: d.on_remove,
        on_in_progress: d.policy.on_in_progress,
        adopt_within: d.policy.adopt_within,
        ids: Vec::new(),
        objects,
        follow_up: None,
        enforce: false,
    })
}

/// The creating call of a resource, its request left empty: for a look at the machines alone.
pub(super) fn without_request(d: &Desired) -> Box<PlannedCall> {
    let request = Request { method: Method::Post, path: "".into(), body: Body::default() };
    creating(d, request, None, 0)
}

/// The path of a call that changes an object which is there.
pub(super) fn path_of_change(kind: Kind, id: &str) -> String {
    match kind {
        Kind::InvestigationPackage => cancel_path(id),
        Kind::Alert => alert_path(id),
    }
}

fn cancel_path(id: &str) -> String {
    format!("/api/machineactions/{}/cancel", encode(id))
}

/// Ids are opaque: percent-encoded in paths.
fn alert_path(id: &str) -> String {
    format!("{ALERTS}{}", encode(id))
}

fn encode(id: &str) -> impl std::fmt::Display + '_ {
    const KEEP: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(id, KEEP)
}

/// The comment of the cancel that follows from the removal of a manifest.
pub(super) const MANIFEST_REMOVED: &str = "Manifest removed";

/// Cancels a collection, or resolves an alert.
pub(super) fn removal_call(r: &Resource, comment: &str) -> Option<PlannedCall> {
    let id = r.id.as_deref()?;
    let call = r.sent_call()?;
    let (method, path, body) = match call.kind() {
        Kind::InvestigationPackage => {
            let body = serde_json::json!({ "Comment": comment });
            (Method::Post, cancel_path(id), body)
        }
        Kind::Alert => (Method::Patch, alert_path(id), serde_json::json!({ "status": "Resolved" })),
    };
    let request = Request { method, path: path.into(), body: Body::of(&body).ok()? };
    Some(changing(r, call.machine(), request))
}
