//! The calls that start a machine action: a collection, an isolation and its siblings.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::actions::{self, Action, ENTITY, Given, Status};
use super::effect::{EffectKind, Origin};
use super::endpoint::Endpoint;
use super::message::{HttpRequest, HttpResponse, Refusal};
use super::scenario::{Collection, ExternalIds, MachineSpec, collect_type};
use super::wire;
use super::world::{World, request_body, text_field};

/// Platforms older than Windows 10, which the documentation rules out.
fn is_old_windows(os: &str) -> bool {
    ["Windows7", "Windows8", "WindowsXP", "WindowsVista", "WindowsServer2008", "WindowsServer2012"]
        .iter()
        .any(|old| os.starts_with(old))
}

/// `type` of the action that an endpoint starts.
fn action_type(endpoint: Endpoint) -> String {
    match endpoint {
        Endpoint::Isolate => "Isolate".to_owned(),
        Endpoint::Unisolate => "Unisolate".to_owned(),
        Endpoint::Restrict => "RestrictCodeExecution".to_owned(),
        Endpoint::Unrestrict => "UnrestrictCodeExecution".to_owned(),
        Endpoint::Scan => "RunAntiVirusScan".to_owned(),
        Endpoint::Quarantine => "StopAndQuarantineFile".to_owned(),
        Endpoint::Offboard => "Offboard".to_owned(),
        _ => collect_type(),
    }
}

/// Reads what a body says beside its comment.
fn given(endpoint: Endpoint, body: &Map<String, Value>, ids: ExternalIds) -> Result<Given, Refusal> {
    let text = |name: &str| text_field(body, name).map(|t| t.map(str::to_owned));
    let external_id = match (text("ExternalId")?, ids) {
        (Some(_), ExternalIds::Refused) => {
            let words = "The property 'ExternalId' does not exist on this type.";
            return Err(Refusal::new(400, "InvalidRequestBody", words));
        }
        (id, ExternalIds::Kept) => id,
        (_, ExternalIds::Dropped | ExternalIds::Refused) => None,
    };
    let scope = match endpoint {
        // The page does not call it required, and the first word of the type is its default.
        Endpoint::Isolate => {
            let scope = word(text("IsolationType")?, &["Full", "Selective", "UnManagedDevice"])?;
            Some(scope.unwrap_or("Full"))
        }
        Endpoint::Scan => {
            let scope = word(text("ScanType")?, &["Quick", "Full"])?;
            Some(scope.ok_or_else(|| Refusal::missing("ScanType"))?)
        }
        _ => None,
    };
    let sha1 = match endpoint {
        Endpoint::Quarantine => Some(text("Sha1")?.ok_or_else(|| Refusal::missing("Sha1"))?),
        _ => None,
    };
    if let Some(hash) = sha1.as_deref().filter(|h| h.len() != 40 || !h.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        return Err(Refusal::new(400, "InvalidHashValue", format!("Hash value {hash} is invalid.")));
    }
    Ok(Given { title: text("Title")?, external_id, scope: scope.map(str::to_owned), sha1 })
}

/// One of these words, in any spelling.
fn word(text: Option<String>, words: &[&'static str]) -> Result<Option<&'static str>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let found = words.iter().copied().find(|w| w.eq_ignore_ascii_case(&text));
    found.map(Some).ok_or_else(Refusal::bad_body)
}

/// How an action on a device ends, or the refusal of it.
fn course(endpoint: Endpoint, spec: &MachineSpec) -> Result<Collection, Refusal> {
    let told = spec.collection.filter(|_| endpoint == Endpoint::Collect);
    let how = told.unwrap_or(match spec.health.as_str() {
        "Inactive" => Collection::StaysPending,
        _ if is_old_windows(&spec.os) => Collection::OsNotSupported,
        _ => Collection::Succeeds,
    });
    let refuse = |code, message: String| Err(Refusal::new(400, code, message));
    match how {
        Collection::OsNotSupported => refuse(
            "OsPlatformNotSupported",
            format!("OS Platform {} isn't supported for this action.", spec.os),
        ),
        Collection::ClientVersionNotSupported => refuse(
            "ClientVersionNotSupported",
            // Windows 10, version 1703, as the page of a collection says.
            format!("{} is supported on client version 1703 and above.", action_type(endpoint)),
        ),
        how => Ok(how),
    }
}

impl World {
    /// `POST /api/machines/{id}/collectInvestigationPackage` and its siblings.
    ///
    /// `existing` answers a busy device with its active collection.
    pub(super) fn start_action(
        &mut self,
        now: Timestamp,
        endpoint: Endpoint,
        id: &str,
        request: &HttpRequest,
        existing: bool,
    ) -> Result<HttpResponse, Refusal> {
        let body = request_body(request)?;
        // Which of two documented codes a missing name gives is not known.
        let comment = text_field(&body, "Comment")?.ok_or_else(|| Refusal::missing("Comment"))?;
        let given = given(endpoint, &body, self.scenario.actions.external_id)?;
        let spec = self.machine(id)?;
        let how = course(endpoint, &spec)?;
        let action_type = action_type(endpoint);
        let across = self.scenario.busy_across_types;
        let same = |a: &Action| across || a.action_type == action_type;
        if let Some(active) = self.actions.active(&spec.id, now, same) {
            if existing && active.is_collection() {
                return Ok(wire::entity(201, request, ENTITY, &actions::body(active, now)));
            }
            return Err(Refusal::new(400, "ActiveRequestAlreadyExists", "Action is already in progress"));
        }
        let delays = self.scenario.delays;
        let starts = delays.pending.after(now);
        let (starts, ends, outcome) = match how {
            Collection::TimesOut => (None, Some(delays.time_out.after(now)), Status::TimeOut),
            Collection::StaysPending => (None, None, Status::Pending),
            Collection::Fails => (Some(starts), Some(delays.running.after(starts)), Status::Failed),
            _ => (Some(starts), Some(delays.running.after(starts)), Status::Succeeded),
        };
        let action = Action {
            id: self.next_guid(),
            action_type,
            requestor: self.scenario.requestor.clone(),
            comment: comment.to_owned(),
            given,
            source: "PublicApi".into(),
            computer: spec.dns_name(),
            machine: spec.id,
            created: now,
            visible: delays.list_lag.after(now),
            starts,
            ends,
            outcome,
            stopped: None,
        };
        let response = wire::entity(201, request, ENTITY, &actions::body(&action, now));
        self.fleet.touch(&action.machine);
        let kind = if action.is_collection() { EffectKind::Collect } else { EffectKind::Respond };
        self.note(now, kind, Origin::Api, &action.id, &action.machine, comment);
        self.actions.push(action);
        Ok(response)
    }
}
