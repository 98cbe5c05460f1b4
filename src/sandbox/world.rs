//! The state machine: a world, and what becomes of it with each request.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::actions::Actions;
use super::alerts::Alerts;
use super::effect::{Effect, EffectKind, Origin};
use super::endpoint::Endpoint;
use super::faults::{self, FaultCounters};
use super::fleet::Fleet;
use super::hunting;
use super::message::{Delivery, HttpRequest, HttpResponse, Refusal};
use super::quota::Windows;
use super::route::{NoRoute, Route, route};
use super::scenario::{Scenario, Seconds, Then};
use super::{metadata, token, wire};

/// The version of the file format.
const FORMAT: u32 = 1;

/// A simulated tenant. No clock and no I/O: the time comes with each request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct World {
    format_version: u32,
    /// How many mutating requests were worked on: what a journal is numbered by.
    pub(super) seq: u64,
    pub(super) scenario: Scenario,
    /// Where time stands; it never goes back.
    clock: Option<Timestamp>,
    ids: u64,
    served: u64,
    pub(super) fleet: Fleet,
    pub(super) actions: Actions,
    pub(super) alerts: Alerts,
    /// Accepted calls that have not taken effect yet, the next one first.
    late: VecDeque<Late>,
    windows: Windows,
    faults: FaultCounters,
    /// Answers by status, per endpoint.
    pub(super) requests: BTreeMap<Endpoint, BTreeMap<String, u64>>,
    pub(super) effects: Vec<Effect>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Late {
    due: Timestamp,
    request: HttpRequest,
}

/// Why a text is no world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Not the JSON of a world.
    #[error("not a sandbox world: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a newer version.
    #[error("the sandbox world has format version {0}, this version knows {FORMAT}")]
    Version(u32),
}

impl World {
    /// A world before its first request. Time begins with it.
    pub fn new(scenario: Scenario) -> Self {
        // Who meets the service for the first time finds the devices that the made-up events are about.
        let untold = scenario == Scenario::default();
        let fleet = if untold { Fleet::of(hunting::demo_machines()) } else { Fleet::default() };
        let mut world = World {
            format_version: FORMAT,
            seq: 0,
            scenario: scenario.furnished(),
            clock: None,
            ids: 0,
            served: 0,
            fleet,
            actions: Actions::default(),
            alerts: Alerts::default(),
            late: VecDeque::new(),
            windows: Windows::default(),
            faults: FaultCounters::default(),
            requests: BTreeMap::new(),
            effects: Vec::new(),
        };
        world.fleet.reindex(&world.scenario);
        world
    }

    /// Reads what [`World::to_json`] wrote.
    pub fn from_json(json: &[u8]) -> Result<Self, WorldError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            format_version: u32,
        }
        let Version { format_version } = serde_json::from_slice(json)?;
        if format_version != FORMAT {
            return Err(WorldError::Version(format_version));
        }
        let mut world: World = serde_json::from_slice(json)?;
        world.fleet.reindex(&world.scenario);
        world.actions.reindex();
        world.alerts.reindex();
        Ok(world)
    }

    /// The whole world as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, WorldError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Changes the rules of a world and keeps its objects. Foreign actions are not started again.
    pub fn adopt(&mut self, scenario: Scenario) {
        if scenario.faults != self.scenario.faults {
            self.faults = FaultCounters::default();
        }
        self.scenario = scenario.furnished();
        self.fleet.reindex(&self.scenario);
    }

    /// What took place so far.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// Where time stands; `None` before the first request.
    pub fn clock(&self) -> Option<Timestamp> {
        self.clock
    }

    /// Answers a request that comes in at `now`. A `now` before an earlier one counts as that one.
    pub fn handle(&mut self, now: Timestamp, request: &HttpRequest) -> HttpResponse {
        let now = self.advance(now);
        self.respond(now, request, true)
    }

    /// Like [`World::handle`] for a request whose token was accepted when it first came.
    pub(super) fn replay(&mut self, at: Timestamp, request: &HttpRequest) {
        let now = self.advance(at);
        self.respond(now, request, false);
    }

    /// Lets time pass: late calls take effect at their time. Returns where time stands then.
    pub fn advance(&mut self, now: Timestamp) -> Timestamp {
        // The service counts in 100 ns.
        let nanos = now.as_nanosecond();
        let now = Timestamp::from_nanosecond(nanos - nanos.rem_euclid(100)).unwrap_or(now);
        let begun = self.clock.is_some();
        let now = self.clock.map_or(now, |c| c.max(now));
        self.clock = Some(now);
        if !begun {
            let mut foreign = self.scenario.foreign.clone();
            foreign.sort_by_key(|f| std::cmp::Reverse(f.age));
            for action in &foreign {
                // The reader of scenarios refuses those on devices that do not exist.
                let _ = self.add_foreign(now, action);
            }
        }
        while self.late.front().is_some_and(|l| l.due <= now) {
            let Some(late) = self.late.pop_front() else { break };
            if let Ok(found) = route(&late.request.method, &late.request.path) {
                // Nobody is there to hear the answer.
                let _ = self.dispatch(late.due, &found, &late.request, false);
            }
        }
        now
    }

    /// Answers. `guarded` says whether the token is checked.
    fn respond(&mut self, now: Timestamp, request: &HttpRequest, guarded: bool) -> HttpResponse {
        self.served += 1;
        let mut response = if request.path.starts_with("/sandbox/") {
            self.seq += u64::from(request.is_mutating());
            self.control(now, request).unwrap_or_else(|r| r.into_response(self.served))
        } else {
            let mut response = self.simulate(now, request, guarded);
            response.headers.push(("mise-correlation-id", self.correlation()));
            response
        };
        response.headers.push(("Date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        if response.header("Content-Type").is_some_and(|t| t.starts_with("application/json")) {
            response.headers.push(("OData-Version", "4.0".into()));
        }
        response
    }

    fn simulate(&mut self, now: Timestamp, request: &HttpRequest, guarded: bool) -> HttpResponse {
        let serial = self.served;
        let found = match route(&request.method, &request.path) {
            Ok(found) => found,
            Err(NoRoute::Path) => return Refusal::empty(404).into_response(serial),
            Err(NoRoute::Method(allow)) => {
                return Refusal { allow: Some(allow), ..Refusal::empty(405) }.into_response(serial);
            }
            Err(NoRoute::Function) => {
                let uri = format!("{}{}", wire::base(request), request.path);
                let message = format!("No HTTP resource was found that matches the request URI '{uri}'.");
                return Refusal::new(404, "NotFound", message).into_response(serial);
            }
        };
        let checked = match found.endpoint {
            Endpoint::Download => Ok(()),
            _ if !guarded => Ok(()),
            endpoint => {
                let claims = self.scenario.reads_claims();
                token::check(now, endpoint, request.authorization.as_deref(), claims)
            }
        };
        let response = match checked {
            Err(refusal) => refusal.into_response(serial),
            Ok(()) => {
                self.seq += u64::from(request.is_mutating());
                self.admit(now, &found, request).unwrap_or_else(|r| r.into_response(serial))
            }
        };
        let answer = match response.delivery {
            Delivery::Closed => "closed".to_owned(),
            Delivery::Reset => "reset".to_owned(),
            _ => response.status.to_string(),
        };
        *self.requests.entry(found.endpoint).or_default().entry(answer).or_default() += 1;
        response
    }

    /// Quota, then faults, then the call itself.
    fn admit(
        &mut self,
        now: Timestamp,
        found: &Route,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        self.windows.take(&self.scenario.quotas, found.endpoint, now)?;
        let machine = self.machine_of(found, request);
        let rule = self.faults.pick(&self.scenario.faults, found.endpoint, machine.as_deref()).cloned();
        let Some(rule) = rule else { return self.dispatch(now, found, request, false) };
        let answer = match rule.then {
            Then::Error | Then::Throttled => Err(faults::refusal(&rule)),
            Then::Reset => Ok(HttpResponse::empty(500)),
            Then::Late => {
                let due = rule.seconds.unwrap_or(Seconds::default()).after(now);
                let request = HttpRequest { authorization: None, ..request.clone() };
                let place = self.late.partition_point(|l| l.due <= due);
                self.late.insert(place, Late { due, request });
                Ok(HttpResponse::empty(500))
            }
            Then::Endless => {
                let base = wire::base(request);
                let link = format!("{base}{}?$skiptoken={}", request.path, self.served);
                self.dispatch(now, found, request, false).map(|list| faults::linked(list, link))
            }
            Then::Whole | Then::OtherTag => {
                let request = HttpRequest { range: None, if_range: None, ..request.clone() };
                self.dispatch(now, found, &request, false)
            }
            then => self.dispatch(now, found, request, then == Then::Existing),
        };
        // A refusal travels the same way as an answer does.
        let response = answer.unwrap_or_else(|r| r.into_response(self.served));
        Ok(faults::disturb(&rule, response))
    }

    /// The device a call is about, as far as the call says so.
    fn machine_of(&self, found: &Route, request: &HttpRequest) -> Option<String> {
        use Endpoint::*;
        match found.endpoint {
            Collect | MachineAlerts | MachineActions | LogOnUsers | GetMachine => Some(found.id.clone()),
            endpoint if endpoint.is_response() => Some(found.id.clone()),
            CreateAlert => {
                let body: serde_json::Value = serde_json::from_slice(&request.body).ok()?;
                Some(body.get("machineId")?.as_str()?.to_owned())
            }
            GetAction | CancelAction | PackageUri => self.actions.machine_of(&found.id),
            GetAlert | UpdateAlert | AlertMachine | AlertUser | AlertFiles | AlertDomains | AlertIps => {
                self.alerts.machine_of(&found.id)
            }
            _ => None,
        }
    }

    fn dispatch(
        &mut self,
        now: Timestamp,
        found: &Route,
        request: &HttpRequest,
        existing: bool,
    ) -> Result<HttpResponse, Refusal> {
        let id = &found.id;
        match found.endpoint {
            Endpoint::ListActions => self.list_actions(now, request),
            Endpoint::GetAction => self.get_action(now, id, request),
            Endpoint::CancelAction => self.cancel(now, id, request),
            Endpoint::PackageUri => self.package_uri(now, id, request),
            Endpoint::Download => self.download(now, request),
            Endpoint::CreateAlert => self.create_alert(now, request),
            Endpoint::ListAlerts => self.list_alerts(now, request),
            Endpoint::GetAlert => self.get_alert(now, id, request),
            Endpoint::UpdateAlert => self.update_alert(now, id, request),
            Endpoint::MachineAlerts => self.machine_alerts(now, id, request),
            Endpoint::ListMachines => self.list_machines(now, request),
            Endpoint::GetMachine => self.get_machine(now, id, request),
            Endpoint::FindByTag => self.find_by_tag(now, found, request),
            Endpoint::FindByIp => self.find_by_ip(now, found, request),
            Endpoint::BatchUpdate => self.update_alerts(now, request),
            Endpoint::AlertMachine => self.alert_machine(now, id, request),
            Endpoint::AlertUser => self.alert_user(now, id),
            Endpoint::AlertFiles => self.alert_relations(now, id, request, ("Files", "File")),
            Endpoint::AlertDomains => self.alert_relations(now, id, request, ("Domains", "Domain")),
            Endpoint::AlertIps => self.alert_relations(now, id, request, ("Ips", "Ip")),
            Endpoint::LogOnUsers => self.log_on_users(now, id, request),
            Endpoint::MachineActions => self.machine_actions(now, id, request),
            Endpoint::Metadata => Ok(metadata::answer()),
            endpoint @ (Endpoint::Hunt | Endpoint::GraphHunt | Endpoint::XdrHunt) => {
                self.hunt(endpoint, request)
            }
            Endpoint::Collect
            | Endpoint::Isolate
            | Endpoint::Unisolate
            | Endpoint::Restrict
            | Endpoint::Unrestrict
            | Endpoint::Scan
            | Endpoint::Quarantine
            | Endpoint::Offboard => self.start_action(now, found.endpoint, id, request, existing),
        }
    }

    /// Notes that something took place.
    pub(super) fn note(
        &mut self,
        at: Timestamp,
        kind: EffectKind,
        by: Origin,
        id: &str,
        machine: &str,
        text: &str,
    ) {
        let seq = self.effects.len() as u64 + 1;
        self.effects.push(Effect {
            seq,
            at,
            kind,
            by,
            id: id.to_owned(),
            machine: machine.to_owned(),
            text: text.to_owned(),
        });
    }

    /// Bytes that look random and follow from the seed and how many were drawn before.
    pub(super) fn next_bytes(&mut self) -> [u8; 16] {
        self.ids += 1;
        let digest = Sha256::digest(format!("{}/id/{}", self.scenario.seed, self.ids));
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        bytes
    }

    pub(super) fn next_guid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.next_bytes()).into_uuid().to_string()
    }

    /// The id of an answer, for whoever asks support about it.
    fn correlation(&self) -> String {
        let digest = Sha256::digest(format!("{}/answer/{}", self.scenario.seed, self.served));
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// How many objects there are.
    pub(super) fn size(&self) -> usize {
        self.actions.len() + self.alerts.len()
    }
}

/// A text property of a body: `None` when missing, null or empty; names are case-sensitive.
pub(super) fn text_field<'b>(
    body: &'b serde_json::Map<String, serde_json::Value>,
    name: &str,
) -> Result<Option<&'b str>, Refusal> {
    match body.get(name) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(text)) => Ok(Some(text.as_str()).filter(|t| !t.is_empty())),
        Some(_) => Err(Refusal::bad_body()),
    }
}

/// The JSON object of a body, which must say that it is JSON.
pub(super) fn request_body(
    request: &HttpRequest,
) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
    let kind = request.content_type.as_deref().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::bad_body());
    }
    serde_json::from_slice(&request.body).map_err(|_| Refusal::bad_body())
}
