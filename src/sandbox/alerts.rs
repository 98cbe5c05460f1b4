//! Alerts: creating them by reference to an event, and reading them. `triage` changes them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::effect::{EffectKind, Origin};
use super::hunting;
use super::message::{Envelope, HttpRequest, HttpResponse, Refusal, wire_time};
use super::odata::{Field, FieldKind, Query, Row, Value};
use super::wire;
use super::world::{World, request_body, text_field};
use crate::model;

/// `severity` of an alert that is created by reference.
const SEVERITIES: [&str; 3] = ["Low", "Medium", "High"];

/// `category` of an alert that is created by reference.
const CATEGORIES: [&str; 17] = [
    "General",
    "CommandAndControl",
    "Collection",
    "CredentialAccess",
    "DefenseEvasion",
    "Discovery",
    "Exfiltration",
    "Exploit",
    "Execution",
    "InitialAccess",
    "LateralMovement",
    "Malware",
    "Persistence",
    "PrivilegeEscalation",
    "Ransomware",
    "SuspiciousActivity",
    "Backdoor",
];

/// An alert as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    pub id: String,
    incident: i64,
    pub assigned_to: Option<String>,
    severity: String,
    pub status: String,
    pub classification: Option<String>,
    pub determination: Option<String>,
    category: String,
    pub title: String,
    description: String,
    /// Cannot be read back from the service.
    recommended_action: String,
    pub created: Timestamp,
    /// From when on it can be read.
    visible: Timestamp,
    pub first_event: model::Timestamp,
    last_event: model::Timestamp,
    /// The report id of the event that it was made for; none in a world of an older version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub report: String,
    pub updated: Timestamp,
    pub resolved: Option<Timestamp>,
    pub machine: String,
    computer: String,
    pub comments: Vec<Comment>,
    /// The versions that lists and reads showed before the last changes, and until when, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<(Timestamp, Alert)>,
}

impl Alert {
    /// The alert as it is now, without what it was before.
    pub fn version(&self) -> Alert {
        Alert { earlier: Vec::new(), ..self.clone() }
    }

    /// The alert as lists and reads show it at that moment.
    fn as_of(&self, now: Timestamp) -> &Alert {
        self.earlier.iter().find(|(until, _)| now < *until).map_or(self, |(_, alert)| alert)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comment {
    pub comment: String,
    pub created_by: String,
    pub created_at: Timestamp,
}

/// All alerts, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Alerts {
    pub list: Vec<Alert>,
    #[serde(skip)]
    pub by_id: HashMap<String, usize>,
    #[serde(skip)]
    by_machine: HashMap<String, Vec<usize>>,
    /// The newest alert of a device with a title.
    #[serde(skip)]
    latest: HashMap<(String, String), usize>,
}

impl Alerts {
    pub fn reindex(&mut self) {
        let list = std::mem::take(&mut self.list);
        *self = Alerts::default();
        for alert in list {
            self.push(alert);
        }
    }

    fn push(&mut self, alert: Alert) {
        let at = self.list.len();
        self.by_id.insert(alert.id.clone(), at);
        self.by_machine.entry(alert.machine.clone()).or_default().push(at);
        self.latest.insert((alert.machine.clone(), alert.title.clone()), at);
        self.list.push(alert);
    }

    pub fn all(&self) -> &[Alert] {
        &self.list
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The device of an alert.
    pub fn machine_of(&self, id: &str) -> Option<String> {
        self.by_id.get(id).and_then(|i| self.list.get(*i)).map(|a| a.machine.clone())
    }

    fn places(&self, filter: &Query) -> Vec<usize> {
        match filter.filter.as_ref().and_then(|f| f.candidates("id")) {
            Some(ids) => {
                let mut places: Vec<_> = ids.iter().filter_map(|id| self.by_id.get(*id).copied()).collect();
                places.sort_unstable_by(|a, b| b.cmp(a));
                places.dedup();
                places
            }
            None => (0..self.list.len()).rev().collect(),
        }
    }
}

/// The documented table; neither the device nor the title is in it.
static FIELDS: &[Field] = &[
    Field { name: "alertCreationTime", kind: FieldKind::Time },
    Field { name: "lastUpdateTime", kind: FieldKind::Time },
    Field { name: "incidentId", kind: FieldKind::Number },
    Field { name: "investigationId", kind: FieldKind::Number },
    Field { name: "id", kind: FieldKind::Text },
    Field { name: "assignedTo", kind: FieldKind::Text },
    Field { name: "detectionSource", kind: FieldKind::Text },
    Field { name: "lastEventTime", kind: FieldKind::Time },
    Field { name: "status", kind: FieldKind::Text },
    Field { name: "severity", kind: FieldKind::Text },
    Field { name: "category", kind: FieldKind::Text },
];

/// `detectionSource` of alerts made through the API.
const SOURCE: &str = "CustomerTI";

impl Row for &Alert {
    fn value(&self, field: &str) -> Value<'_> {
        match field {
            "alertCreationTime" => Value::Time(self.created),
            "lastUpdateTime" => Value::Time(self.updated),
            "incidentId" => Value::Number(self.incident),
            "id" => Value::Text(&self.id),
            "assignedTo" => self.assigned_to.as_deref().map_or(Value::Null, Value::Text),
            "detectionSource" => Value::Text(SOURCE),
            "lastEventTime" => Value::Time(self.last_event.instant()),
            "status" => Value::Text(&self.status),
            "severity" => Value::Text(&self.severity),
            "category" => Value::Text(&self.category),
            _ => Value::Null,
        }
    }
}

/// An alert on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlertBody<'a> {
    id: &'a str,
    incident_id: i64,
    investigation_id: Option<i64>,
    assigned_to: Option<&'a str>,
    severity: &'a str,
    status: &'a str,
    classification: Option<&'a str>,
    determination: Option<&'a str>,
    investigation_state: &'static str,
    detection_source: &'static str,
    detector_id: Option<&'a str>,
    category: &'a str,
    threat_family_name: Option<&'a str>,
    title: &'a str,
    description: &'a str,
    alert_creation_time: String,
    first_event_time: &'a model::Timestamp,
    last_event_time: &'a model::Timestamp,
    last_update_time: String,
    resolved_time: Option<String>,
    machine_id: &'a str,
    computer_dns_name: &'a str,
    rbac_group_name: Option<&'a str>,
    aad_tenant_id: &'static str,
    threat_name: Option<&'a str>,
    mitre_techniques: [(); 0],
    related_user: Option<&'a str>,
    logged_on_users: [(); 0],
    comments: Vec<CommentBody<'a>>,
    evidence: [(); 0],
    domains: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommentBody<'a> {
    comment: &'a str,
    created_by: &'a str,
    created_time: String,
}

pub(super) fn body(alert: &Alert) -> AlertBody<'_> {
    AlertBody {
        id: &alert.id,
        incident_id: alert.incident,
        investigation_id: None,
        assigned_to: alert.assigned_to.as_deref(),
        severity: &alert.severity,
        status: &alert.status,
        classification: alert.classification.as_deref(),
        determination: alert.determination.as_deref(),
        investigation_state: "UnsupportedAlertType",
        detection_source: SOURCE,
        detector_id: None,
        category: &alert.category,
        threat_family_name: None,
        title: &alert.title,
        description: &alert.description,
        alert_creation_time: wire_time(alert.created),
        first_event_time: &alert.first_event,
        last_event_time: &alert.last_event,
        last_update_time: wire_time(alert.updated),
        resolved_time: alert.resolved.map(wire_time),
        machine_id: &alert.machine,
        computer_dns_name: &alert.computer,
        rbac_group_name: None,
        aad_tenant_id: "a839b112-1253-6432-9bf6-94542403f21c",
        threat_name: None,
        mitre_techniques: [],
        related_user: None,
        logged_on_users: [],
        comments: alert
            .comments
            .iter()
            .map(|c| CommentBody {
                comment: &c.comment,
                created_by: &c.created_by,
                created_time: wire_time(c.created_at),
            })
            .collect(),
        evidence: [],
        domains: [],
    }
}

pub(super) const ENTITY: &str = "Alerts/$entity";

impl World {
    /// `POST /api/alerts/CreateAlertByReference`.
    pub(super) fn create_alert(
        &mut self,
        now: Timestamp,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let input = request_body(request)?;
        // As reported for recommendedAction: a 400 without `target`.
        let required = |name: &str| {
            text_field(&input, name)?.ok_or_else(|| Refusal {
                form: Envelope::NoTarget,
                ..Refusal::new(400, "BadRequest", format!("{name} argument is missing"))
            })
        };
        let machine_id = required("machineId")?;
        let severity = required("severity")?;
        let title = required("title")?;
        let description = required("description")?;
        let recommended_action = required("recommendedAction")?;
        let event_time = required("eventTime")?;
        let report_id = required("reportId")?;
        let category = required("category")?;
        if !is_one_of(severity, &SEVERITIES) {
            return Err(Refusal::invalid(severity));
        }
        if !is_one_of(category, &CATEGORIES) {
            return Err(Refusal::invalid(category));
        }
        let event: model::Timestamp = event_time.parse().map_err(|_| Refusal::invalid(event_time))?;

        let spec = self.machine(machine_id).ok().filter(|m| self.knows(&m.id, report_id, &event));
        let spec = spec.ok_or_else(|| {
            Refusal::not_found(format!(
                "Event with report id {report_id} and time {event_time} was not found on machine {machine_id}"
            ))
        })?;
        let key = (spec.id, title.to_owned());
        let open = self.alerts.latest.get(&key).and_then(|i| self.alerts.list.get_mut(*i));
        if let Some(alert) = open.filter(|a| a.status != "Resolved") {
            // Which fields a merge changes is not documented.
            if event > alert.last_event {
                alert.last_event = event.clone();
            }
            if event < alert.first_event {
                alert.first_event = event;
            }
            alert.updated = now;
            let response = wire::entity(200, request, ENTITY, &body(alert));
            let id = alert.id.clone();
            self.note(now, EffectKind::MergeAlert, Origin::Api, &id, &key.0, title);
            return Ok(response);
        }
        let alert = Alert {
            id: self.next_alert_id(now),
            incident: self.alerts.len() as i64 + 1,
            assigned_to: None,
            severity: severity.into(),
            status: "New".into(),
            classification: None,
            determination: None,
            category: category.into(),
            title: title.into(),
            description: description.into(),
            recommended_action: recommended_action.into(),
            created: now,
            visible: self.scenario.delays.list_lag.after(now),
            first_event: event.clone(),
            last_event: event,
            report: report_id.into(),
            updated: now,
            resolved: None,
            computer: self.machine(&key.0)?.dns_name(),
            machine: key.0,
            comments: Vec::new(),
            earlier: Vec::new(),
        };
        let response = wire::entity(200, request, ENTITY, &body(&alert));
        self.fleet.touch(&alert.machine);
        self.note(now, EffectKind::CreateAlert, Origin::Api, &alert.id, &alert.machine, title);
        self.alerts.push(alert);
        Ok(response)
    }

    fn knows(&self, machine: &str, report_id: &str, event_time: &model::Timestamp) -> bool {
        let events = &self.scenario.events;
        if events.unknown_report_ids.iter().any(|id| id == report_id) {
            return false;
        }
        let is_it = |device: &str, report: &str, at: &str| {
            device.eq_ignore_ascii_case(machine)
                && report == report_id
                && at.parse().as_ref() == Ok(event_time)
        };
        if !events.only.is_empty() {
            return events.only.iter().any(|e| is_it(&e.machine_id, &e.report_id, &e.event_time));
        }
        !self.scenario.shows_all_events() || hunting::shows(&self.scenario.hunting, is_it)
    }

    /// `da`, 18 digits of .NET ticks, and a signed number.
    fn next_alert_id(&mut self, now: Timestamp) -> String {
        // From 0001-01-01 to 1970-01-01 in units of 100 ns.
        const EPOCH: i128 = 621_355_968_000_000_000;
        let ticks = EPOCH + now.as_nanosecond() / 100;
        let [a, b, c, d, ..] = self.next_bytes();
        let mut suffix = i32::from_be_bytes([a, b, c, d]);
        loop {
            let id = format!("da{ticks}_{suffix}");
            if !self.alerts.by_id.contains_key(&id) {
                return id;
            }
            suffix = suffix.wrapping_add(1);
        }
    }

    /// `GET /api/alerts/{id}`.
    pub(super) fn get_alert(
        &self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let place = self.visible_alert(now, id)?;
        let alert = self.alerts.list.get(place).ok_or_else(|| unknown_alert(id))?;
        wire::one(request, "Alerts", "Alert", &body(alert.as_of(now)))
    }

    /// `GET /api/alerts`; newest first unless asked otherwise.
    pub(super) fn list_alerts(&self, now: Timestamp, request: &HttpRequest) -> Result<HttpResponse, Refusal> {
        let query = Query::of(request, FIELDS, "Alert")?;
        Ok(self.alert_page(now, request, &query, self.alerts.places(&query)))
    }

    /// `GET /api/machines/{id}/alerts`.
    pub(super) fn machine_alerts(
        &self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let spec = self.machine(id)?;
        let query = Query::of(request, FIELDS, "Alert")?;
        let places = self.alerts.by_machine.get(&spec.id).cloned().unwrap_or_default();
        Ok(self.alert_page(now, request, &query, places.into_iter().rev().collect()))
    }

    fn alert_page(
        &self,
        now: Timestamp,
        request: &HttpRequest,
        query: &Query,
        places: Vec<usize>,
    ) -> HttpResponse {
        let rows = places
            .into_iter()
            .filter_map(|i| self.alerts.list.get(i))
            .filter(|a| a.visible <= now)
            .map(|a| a.as_of(now));
        wire::list(request, "Alerts", query, self.scenario.lists.page_size, rows, |a| body(a))
    }

    /// The device of an alert that can be read.
    pub(super) fn alert_machine_id(&self, now: Timestamp, id: &str) -> Result<String, Refusal> {
        let place = self.visible_alert(now, id)?;
        self.alerts.list.get(place).map(|a| a.machine.clone()).ok_or_else(|| unknown_alert(id))
    }

    pub(super) fn visible_alert(&self, now: Timestamp, id: &str) -> Result<usize, Refusal> {
        let place = self.alerts.by_id.get(id).copied();
        let visible = |i: &usize| self.alerts.list.get(*i).is_some_and(|a| a.visible <= now);
        place.filter(visible).ok_or_else(|| unknown_alert(id))
    }
}

pub(super) fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

pub(super) fn unknown_alert(id: &str) -> Refusal {
    Refusal::not_found(format!("Alert {id} not found"))
}
