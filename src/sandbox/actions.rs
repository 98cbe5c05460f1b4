//! Machine actions: their course in time, cancelling, reading, packages. `respond` starts them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::effect::{EffectKind, Origin};
use super::message::{HttpRequest, HttpResponse, Refusal, wire_time};
use super::odata::{Field, FieldKind, Query, Row, Value};
use super::scenario::{Foreign, collect_type};
use super::wire;
use super::world::{World, request_body, text_field};

/// `status` of a machine action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    Pending,
    InProgress,
    Succeeded,
    Failed,
    TimeOut,
    Cancelled,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "Pending",
            Status::InProgress => "InProgress",
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::TimeOut => "TimeOut",
            Status::Cancelled => "Cancelled",
        }
    }

    pub fn is_active(self) -> bool {
        matches!(self, Status::Pending | Status::InProgress)
    }
}

/// A machine action. Its status is not kept but follows from the time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Action {
    pub id: String,
    pub action_type: String,
    pub requestor: String,
    pub comment: String,
    #[serde(default, skip_serializing_if = "Given::is_empty")]
    pub given: Given,
    pub source: String,
    pub machine: String,
    pub computer: String,
    pub created: Timestamp,
    /// From when on it can be read.
    pub visible: Timestamp,
    /// When it leaves `Pending`.
    pub starts: Option<Timestamp>,
    /// When it ends as `outcome`.
    pub ends: Option<Timestamp>,
    pub outcome: Status,
    /// When somebody ended it; that may lie ahead.
    pub stopped: Option<Stop>,
}

/// The fields of a call beside its comment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Given {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// How far an isolation or a scan goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The file that is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stop {
    at: Timestamp,
    status: Status,
    requestor: String,
    comment: String,
}

impl Action {
    /// Its status at a point in time, and since when.
    fn standing(&self, now: Timestamp) -> (Status, Timestamp) {
        if let Some(stop) = self.stop(now) {
            return (stop.status, stop.at);
        }
        let reached = |at: Option<Timestamp>| at.filter(|t| *t <= now);
        match (reached(self.ends), reached(self.starts)) {
            (Some(end), _) => (self.outcome, end),
            (None, Some(start)) => (Status::InProgress, start),
            (None, None) => (Status::Pending, self.created),
        }
    }

    pub fn status(&self, now: Timestamp) -> Status {
        self.standing(now).0
    }

    /// The end that somebody has put to it by then, unless it came to its own before.
    fn stop(&self, now: Timestamp) -> Option<&Stop> {
        self.stopped.as_ref().filter(|stop| stop.at <= now && self.ends.is_none_or(|end| stop.at < end))
    }

    pub fn is_collection(&self) -> bool {
        self.action_type == collect_type()
    }
}

impl Given {
    fn is_empty(&self) -> bool {
        *self == Given::default()
    }
}

/// All actions, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Actions {
    list: Vec<Action>,
    #[serde(skip)]
    by_id: HashMap<String, usize>,
    #[serde(skip)]
    by_machine: HashMap<String, Vec<usize>>,
    /// Those that may still be active; emptied as they are found to be over.
    #[serde(skip)]
    active: HashMap<String, Vec<usize>>,
}

impl Actions {
    pub fn reindex(&mut self) {
        let list = std::mem::take(&mut self.list);
        *self = Actions::default();
        for action in list {
            self.push(action);
        }
    }

    pub fn push(&mut self, action: Action) {
        let at = self.list.len();
        self.by_id.insert(action.id.clone(), at);
        self.by_machine.entry(action.machine.clone()).or_default().push(at);
        self.active.entry(action.machine.clone()).or_default().push(at);
        self.list.push(action);
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    fn get(&self, id: &str) -> Option<&Action> {
        self.by_id.get(id).and_then(|i| self.list.get(*i))
    }

    /// The device of an action.
    pub fn machine_of(&self, id: &str) -> Option<String> {
        self.get(&id.to_ascii_lowercase()).map(|a| a.machine.clone())
    }

    /// The oldest active action of a device that passes `which`.
    pub fn active(
        &mut self,
        machine: &str,
        now: Timestamp,
        which: impl Fn(&Action) -> bool,
    ) -> Option<&mut Action> {
        let list = &mut self.list;
        let indices = self.active.get_mut(machine)?;
        indices.retain(|i| list.get(*i).is_some_and(|a| a.status(now).is_active()));
        let found = indices.iter().copied().find(|i| list.get(*i).is_some_and(&which))?;
        list.get_mut(found)
    }

    pub fn all(&self) -> &[Action] {
        &self.list
    }

    fn places(&self, filter: &Query) -> Vec<usize> {
        let look_up = |field: &str| filter.filter.as_ref().and_then(|f| f.candidates(field));
        let mut places: Vec<usize> = if let Some(ids) = look_up("id") {
            ids.iter().filter_map(|id| self.by_id.get(*id).copied()).collect()
        } else if let Some(machines) = look_up("machineId") {
            machines.iter().filter_map(|m| self.by_machine.get(*m)).flatten().copied().collect()
        } else {
            return (0..self.list.len()).rev().collect();
        };
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.dedup();
        places
    }
}

static FIELDS: &[Field] = &[
    Field { name: "id", kind: FieldKind::Guid },
    Field { name: "status", kind: FieldKind::Text },
    Field { name: "machineId", kind: FieldKind::Text },
    Field { name: "type", kind: FieldKind::Text },
    Field { name: "requestor", kind: FieldKind::Text },
    Field { name: "creationDateTimeUtc", kind: FieldKind::Time },
];

struct ActionAt<'a> {
    action: &'a Action,
    now: Timestamp,
}

impl Row for ActionAt<'_> {
    fn value(&self, field: &str) -> Value<'_> {
        match field {
            "id" => Value::Text(&self.action.id),
            "status" => Value::Text(self.action.status(self.now).as_str()),
            "machineId" => Value::Text(&self.action.machine),
            "type" => Value::Text(&self.action.action_type),
            "requestor" => Value::Text(&self.action.requestor),
            "creationDateTimeUtc" => Value::Time(self.action.created),
            _ => Value::Null,
        }
    }
}

/// An action on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActionBody<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    action_type: &'a str,
    title: Option<&'a str>,
    requestor: &'a str,
    requestor_comment: &'a str,
    status: &'static str,
    machine_id: &'a str,
    computer_dns_name: &'a str,
    creation_date_time_utc: String,
    last_update_date_time_utc: String,
    cancellation_requestor: Option<&'a str>,
    cancellation_comment: Option<&'a str>,
    cancellation_date_time_utc: Option<String>,
    error_h_result: i32,
    scope: Option<&'a str>,
    external_id: Option<&'a str>,
    request_source: &'a str,
    related_file_info: Option<RelatedFile<'a>>,
    commands: [(); 0],
    troubleshoot_info: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RelatedFile<'a> {
    file_identifier: &'a str,
    file_identifier_type: &'static str,
}

pub(super) fn body(action: &Action, now: Timestamp) -> ActionBody<'_> {
    let (status, since) = action.standing(now);
    let cancelled = action.stop(now).filter(|s| s.status == Status::Cancelled);
    ActionBody {
        id: &action.id,
        action_type: &action.action_type,
        title: action.given.title.as_deref(),
        requestor: &action.requestor,
        requestor_comment: &action.comment,
        status: status.as_str(),
        machine_id: &action.machine,
        computer_dns_name: &action.computer,
        creation_date_time_utc: wire_time(action.created),
        last_update_date_time_utc: wire_time(since),
        cancellation_requestor: cancelled.map(|c| c.requestor.as_str()),
        cancellation_comment: cancelled.map(|c| c.comment.as_str()),
        cancellation_date_time_utc: cancelled.map(|c| wire_time(c.at)),
        // E_FAIL, for want of a captured failure.
        error_h_result: if status == Status::Failed { -2_147_467_259 } else { 0 },
        scope: action.given.scope.as_deref(),
        external_id: action.given.external_id.as_deref(),
        request_source: &action.source,
        related_file_info: action
            .given
            .sha1
            .as_deref()
            .map(|sha1| RelatedFile { file_identifier: sha1, file_identifier_type: "Sha1" }),
        commands: [],
        troubleshoot_info: None,
    }
}

pub(super) const ENTITY: &str = "MachineActions/$entity";

impl World {
    /// An action that somebody else started.
    pub(super) fn add_foreign(&mut self, now: Timestamp, foreign: &Foreign) -> Result<String, Refusal> {
        let spec = self.machine(&foreign.machine)?;
        let created = foreign.age.before(now);
        let id = self.next_guid();
        self.fleet.touch(&spec.id);
        self.actions.push(Action {
            id: id.clone(),
            action_type: foreign.action_type.clone(),
            requestor: foreign.requestor.clone(),
            comment: foreign.comment.clone(),
            given: Given { external_id: foreign.external_id.clone(), ..Given::default() },
            // Not documented; it only differs from what API calls get.
            source: "Portal".into(),
            computer: spec.dns_name(),
            machine: spec.id,
            created,
            visible: created,
            starts: Some(created),
            ends: foreign.remaining.map(|r| r.after(now)),
            outcome: Status::Succeeded,
            stopped: None,
        });
        Ok(id)
    }

    /// Ends an active action by hand; `None` when there is no such one.
    pub(super) fn stop_action(
        &mut self,
        now: Timestamp,
        machine: &str,
        id: Option<&str>,
        status: Status,
    ) -> Option<String> {
        let machine = self.machine(machine).ok()?.id;
        let action = self.actions.active(&machine, now, |a| id.is_none_or(|id| a.id == id))?;
        action.stopped =
            Some(Stop { at: now, status, requestor: super::scenario::analyst(), comment: String::new() });
        let (id, text) = (action.id.clone(), action.comment.clone());
        let kind = if status == Status::Cancelled { EffectKind::Cancel } else { EffectKind::End };
        self.note(now, kind, Origin::Analyst, &id, &machine, &text);
        Some(id)
    }

    /// `POST /api/machineactions/{id}/cancel`.
    pub(super) fn cancel(
        &mut self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let id = self.visible_action(now, id)?.id.clone();
        let body_in = request_body(request)?;
        let comment = text_field(&body_in, "Comment")?.ok_or_else(|| Refusal::missing("Comment"))?;
        let text = |name: &str| text_field(&body_in, name).map(|t| t.map(str::to_owned));
        let (title, external_id) = (text("Title")?, text("ExternalId")?);
        let requestor = self.scenario.requestor.clone();
        let at = self.scenario.delays.cancel.after(now);
        let place = self.actions.by_id.get(&id).copied();
        let Some(action) = place.and_then(|i| self.actions.list.get_mut(i)) else {
            return Err(unknown_action(&id));
        };
        let status = action.status(now);
        if !status.is_active() {
            // The documentation only says that such an action cannot be cancelled.
            return Err(Refusal::new(400, "BadRequest", format!("Action is already {}", status.as_str())));
        }
        // What was accepted before comes first.
        let comment_in = comment.to_owned();
        action.stopped.get_or_insert(Stop { at, status: Status::Cancelled, requestor, comment: comment_in });
        action.given.title = title.or(action.given.title.take());
        action.given.external_id = external_id.or(action.given.external_id.take());
        let response = wire::entity(200, request, ENTITY, &body(action, now));
        let machine = action.machine.clone();
        self.note(now, EffectKind::Cancel, Origin::Api, &id, &machine, comment);
        Ok(response)
    }

    /// `GET /api/machineactions/{id}`.
    pub(super) fn get_action(
        &self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        wire::one(request, "MachineActions", "MachineAction", &body(self.visible_action(now, id)?, now))
    }

    /// `GET /api/machineactions`; newest first unless asked otherwise.
    pub(super) fn list_actions(
        &self,
        now: Timestamp,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let query = Query::of(request, FIELDS, "MachineAction")?;
        Ok(self.action_page(now, request, &query, self.actions.places(&query)))
    }

    /// `GET /api/machines/{id}/machineactions`.
    pub(super) fn machine_actions(
        &self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let spec = self.machine(id)?;
        let query = Query::of(request, FIELDS, "MachineAction")?;
        let places = self.actions.by_machine.get(&spec.id).into_iter().flatten().rev().copied();
        Ok(self.action_page(now, request, &query, places.collect()))
    }

    fn action_page(
        &self,
        now: Timestamp,
        request: &HttpRequest,
        query: &Query,
        places: Vec<usize>,
    ) -> HttpResponse {
        let rows = places
            .into_iter()
            .filter_map(|i| self.actions.list.get(i))
            .filter(|a| a.visible <= now)
            .map(|action| ActionAt { action, now });
        let page = self.scenario.lists.page_size;
        wire::list(request, "MachineActions", query, page, rows, |row| body(row.action, now))
    }

    /// The collection whose package a link is for, once there is one.
    pub(super) fn packaged(&self, now: Timestamp, id: &str) -> Result<&Action, Refusal> {
        let action = self.visible_action(now, id)?;
        if !action.is_collection() {
            return Err(Refusal::new(
                400,
                "InvalidInput",
                format!("Guid {id} is not a valid id for a CollectInvestigationPackage action"),
            ));
        }
        match action.status(now) {
            Status::Succeeded => Ok(action),
            _ => Err(Refusal::not_found(format!("Package for action {id} was not found"))),
        }
    }

    fn visible_action(&self, now: Timestamp, id: &str) -> Result<&Action, Refusal> {
        if id.len() != 36 || uuid::Uuid::try_parse(id).is_err() {
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!(
                    "The key value ({id}) from request is not valid. The key value should be format of type 'Edm.Guid'."
                ),
            ));
        }
        let action = self.actions.get(&id.to_ascii_lowercase()).filter(|a| a.visible <= now);
        action.ok_or_else(|| unknown_action(id))
    }
}

fn unknown_action(id: &str) -> Refusal {
    Refusal::not_found(format!("Machine action {id} was not found"))
}
