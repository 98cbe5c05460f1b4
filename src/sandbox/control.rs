//! The control surface, `/sandbox/...`: for tests and scripts, no part of the simulated service.
//!
//! It needs no token, has no quotas and no faults.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::actions::{self, ActionBody, Status};
use super::alerts::{self, AlertBody};
use super::effect::{Effect, EffectKind, Origin};
use super::endpoint::Endpoint;
use super::machines::MachineBody;
use super::message::{HttpRequest, HttpResponse, Refusal};
use super::scenario::{Foreign, MachineSpec, Seconds, analyst, collect_type};
use super::world::World;
use super::{triage, wire};

/// `GET /sandbox/world`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'a> {
    now: Timestamp,
    machines: Vec<MachineBody>,
    machine_actions: Vec<ActionBody<'a>>,
    alerts: Vec<AlertBody<'a>>,
    requests: BTreeMap<Endpoint, Count<'a>>,
    effects: &'a [Effect],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Count<'a> {
    total: u64,
    by_answer: &'a BTreeMap<String, u64>,
}

/// `POST /sandbox/analyst`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Step {
    #[serde(rename = "do")]
    verb: Verb,
    machine: Option<String>,
    action: Option<String>,
    alert: Option<String>,
    comment: Option<String>,
    /// Fields of an alert's triage.
    #[serde(default)]
    set: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Verb {
    Start,
    Finish,
    Fail,
    TimeOut,
    Cancel,
    Resolve,
    Triage,
}

impl World {
    pub(super) fn control(&mut self, now: Timestamp, request: &HttpRequest) -> Result<HttpResponse, Refusal> {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/sandbox/world") => Ok(self.view(now)),
            ("POST", "/sandbox/analyst") => self.analyst(now, request),
            ("PUT", "/sandbox/machines") => self.change_machines(request),
            _ => Err(Refusal::new(
                404,
                "NotFound",
                "The control surface has GET /sandbox/world, POST /sandbox/analyst, PUT /sandbox/machines and, with a virtual clock, POST /sandbox/advance",
            )),
        }
    }

    fn view(&self, now: Timestamp) -> HttpResponse {
        let requests = self
            .requests
            .iter()
            .map(|(endpoint, by_answer)| (*endpoint, Count { total: by_answer.values().sum(), by_answer }));
        wire::json(
            200,
            &View {
                now,
                machines: self.machine_bodies(now),
                machine_actions: self.actions.all().iter().map(|a| actions::body(a, now)).collect(),
                alerts: self.alerts.all().iter().map(alerts::body).collect(),
                requests: requests.collect(),
                effects: &self.effects,
            },
        )
    }

    /// Devices come, go, and change their names, tags and health: the listed ones from now on.
    fn change_machines(&mut self, request: &HttpRequest) -> Result<HttpResponse, Refusal> {
        let bad = |why: String| Refusal::new(400, "BadRequest", why);
        let list: Vec<MachineSpec> = serde_json::from_slice(&request.body).map_err(|e| bad(e.to_string()))?;
        let mut scenario = self.scenario.clone();
        scenario.machines.list = list;
        scenario.check().map_err(|e| bad(e.to_string()))?;
        self.scenario = scenario;
        self.fleet.reindex(&self.scenario);
        Ok(wire::json(200, &serde_json::json!({ "machines": self.scenario.machines.list.len() })))
    }

    fn analyst(&mut self, now: Timestamp, request: &HttpRequest) -> Result<HttpResponse, Refusal> {
        let bad = |why: &str| Refusal::new(400, "BadRequest", why);
        let step: Step = serde_json::from_slice(&request.body).map_err(|e| bad(&e.to_string()))?;
        let done = |id: String| Ok(wire::json(200, &serde_json::json!({ "id": id })));
        let status = match step.verb {
            Verb::Resolve | Verb::Triage => {
                let id = step.alert.ok_or_else(|| bad("`alert` is missing"))?;
                let mut set = step.set;
                if matches!(step.verb, Verb::Resolve) {
                    set.insert("status".to_owned(), "Resolved".to_owned());
                }
                let known = |(name, value): (String, String)| {
                    Some((triage::TRIAGE.into_iter().find(|n| *n == name)?, value))
                };
                let fields = set.len();
                let changes: BTreeMap<_, _> = set.into_iter().filter_map(known).collect();
                if changes.is_empty() || changes.len() < fields {
                    return Err(bad("`set` holds fields of an alert's triage"));
                }
                return match self.triage_by_hand(now, &id, changes) {
                    true => done(id),
                    false => Err(Refusal::not_found(format!("Alert {id} not found"))),
                };
            }
            Verb::Start => None,
            Verb::Finish => Some(Status::Succeeded),
            Verb::Fail => Some(Status::Failed),
            Verb::TimeOut => Some(Status::TimeOut),
            Verb::Cancel => Some(Status::Cancelled),
        };
        let machine = step.machine.ok_or_else(|| bad("`machine` is missing"))?;
        let Some(status) = status else {
            let id = self.analyst_starts(now, machine, step.comment.unwrap_or_default())?;
            return done(id);
        };
        match self.stop_action(now, &machine, step.action.as_deref(), status) {
            Some(id) => done(id),
            None => Err(Refusal::not_found(format!("No active action on machine {machine}"))),
        }
    }

    fn analyst_starts(
        &mut self,
        now: Timestamp,
        machine: String,
        comment: String,
    ) -> Result<String, Refusal> {
        let id = self.machine(&machine)?.id;
        if self.actions.active(&id, now, actions::Action::is_collection).is_some() {
            return Err(Refusal::new(400, "ActiveRequestAlreadyExists", "Action is already in progress"));
        }
        let foreign = Foreign {
            machine,
            action_type: collect_type(),
            requestor: analyst(),
            comment,
            external_id: None,
            age: Seconds::default(),
            remaining: None,
        };
        let action = self.add_foreign(now, &foreign)?;
        self.note(now, EffectKind::Collect, Origin::Analyst, &action, &id, &foreign.comment);
        Ok(action)
    }
}
