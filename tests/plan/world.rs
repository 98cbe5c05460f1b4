//! Manifests, a state and a service in memory, and an apply without network or time of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use casefile::model::{
    ActionStatus, Address, Alert, Call, CreateAlert, Desired, IdKey, Kind, MachineAction, OnInProgress,
    Request, Source, Timestamp,
};
use casefile::plan::{self, Action, Actions, Input, Observed, Plan, Row, Settings};
use casefile::state::{Binding, Intent, Object, Outcome, Record, State};

pub fn t0() -> jiff::Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

pub fn machine(n: u8) -> String {
    format!("{n:02x}").repeat(20)
}

fn source() -> Source {
    Source { file: "manifests/a.yaml".into(), line: 1 }
}

pub fn package(name: &str, machine_no: u8, comment: &str, revision: u32) -> Desired {
    let call = Call::collect(machine(machine_no).parse().unwrap(), comment);
    Desired::new(Address::new(Kind::InvestigationPackage, name), source(), call, revision)
}

pub fn alert(name: &str, machine_no: u8, title: &str, revision: u32) -> Desired {
    let call = Call::Alert(CreateAlert {
        machine_id: machine(machine_no).parse().unwrap(),
        severity: "Low".into(),
        title: title.into(),
        description: "what happened".into(),
        recommended_action: "look".into(),
        event_time: "2026-02-28T10:00:00.1234567Z".parse().unwrap(),
        report_id: serde_json::from_str("\"77\"").unwrap(),
        category: "Exploit".into(),
    });
    Desired::new(Address::new(Kind::Alert, name), source(), call, revision)
}

/// Everything that a plan depends on, and the clock.
#[derive(Clone)]
pub struct World {
    pub now: jiff::Timestamp,
    pub desired: Vec<Desired>,
    pub state: State,
    pub actions: Vec<MachineAction>,
    pub alerts: Vec<Alert>,
    pub settings: Settings,
    pub selected: Option<BTreeSet<Address>>,
    pub replace: BTreeSet<Address>,
    made: u32,
}

impl World {
    pub fn new(desired: Vec<Desired>) -> Self {
        let mut settings = Settings::at(t0());
        settings.fresh = true;
        settings.lock_at = Some(t0());
        settings.service_ahead = Some(jiff::SignedDuration::ZERO);
        let mut w = World {
            now: t0(),
            desired,
            state: State::default(),
            actions: Vec::new(),
            alerts: Vec::new(),
            settings,
            selected: None,
            replace: BTreeSet::new(),
            made: 0,
        };
        w.record(Record::Open { lineage: "l".into(), binding: Binding::default(), tool: "test".into() });
        w.sort();
        w
    }

    pub fn sort(&mut self) {
        self.desired.sort_by(|a, b| a.address.cmp(&b.address));
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Folds a record in and gives its number.
    pub fn record(&mut self, record: Record) -> u64 {
        let seq = self.state.seq + 1;
        self.state.apply(seq, self.now, &record).unwrap_or_else(|e| panic!("{record:?}: {e}"));
        seq
    }

    /// The service as a complete refresh shows it.
    pub fn look(&self) -> Observed {
        let mut seen = Observed { at: self.now, server_at: self.now, ..Observed::default() };
        seen.actions = Some(Actions::new(t0() - Duration::from_secs(40 * 86_400), self.actions.clone()));
        for a in &self.alerts {
            let machine = IdKey::of(a.machine_id.as_deref().unwrap_or_default());
            seen.machine_alerts.entry(machine).or_default().push(a.clone());
            seen.alerts.insert(a.id.clone(), a.clone());
            seen.alerts_asked.insert(a.id.clone());
        }
        seen.recent_alerts = Some(self.alerts.clone());
        for id in self.desired.iter().filter_map(Desired::import) {
            seen.alerts_asked.insert(id.to_owned());
            if !self.actions.iter().any(|a| a.id.eq_ignore_ascii_case(id)) {
                seen.not_found.insert(id.to_owned());
            }
        }
        for d in &self.desired {
            seen.machine_alerts.entry(IdKey::of(d.call.machine().as_str())).or_default();
        }
        seen
    }

    /// Plans on top of what `seen` shows, which is folded in first.
    pub fn plan_with(&mut self, seen: &Observed) -> Plan {
        self.settings.now = self.now;
        for r in plan::absorb(&self.desired, &self.state, seen, &self.settings) {
            self.record(r);
        }
        plan::plan(&Input {
            desired: &self.desired,
            selected: self.selected.as_ref(),
            replace: &self.replace,
            state: &self.state,
            observed: seen,
            settings: &self.settings,
        })
    }

    pub fn plan(&mut self) -> Plan {
        let seen = self.look();
        self.plan_with(&seen)
    }

    /// The row of an address, and its action.
    pub fn row(&mut self, address: &str) -> Option<(Row, Action)> {
        let plan = self.plan();
        let address: Address = address.parse().unwrap();
        plan.changes.iter().find(|c| c.address == address).and_then(|c| Some((c.row?, c.action)))
    }

    /// Writes an intent; its call is not answered yet.
    pub fn intend(&mut self, plan: &Plan, address: &Address) -> u64 {
        let change = plan.changes.iter().find(|c| c.address == *address).unwrap();
        let call = change.call.clone().unwrap();
        for r in &change.records {
            self.record(r.clone());
        }
        let over = self.state.resources.get(address).and_then(|r| r.open_attempt());
        self.record(Record::Intent(Box::new(Intent {
            address: address.clone(),
            action: change.action.call().unwrap(),
            sent: call.sent,
            plan: plan.digest,
            runner: "r".into(),
            send_by: self.now + Duration::from_secs(10),
            server_at: self.now.into(),
            timeout_seconds: Some(60),
            labels: call.labels,
            on_remove: call.on_remove,
            ids: Default::default(),
            replaces: call.replaces,
            over: Some(over.unwrap_or(Intent::NOTHING_OPEN)),
            by: None,
            commit: None,
        })))
    }

    /// The service takes a request: a new object, always.
    pub fn take(&mut self, request: &Request) -> Object {
        self.made += 1;
        let at = Some(Timestamp::from(self.now));
        match Call::from_request(request).unwrap() {
            Call::Collect { machine_id, comment, external_id } => {
                let mut a: MachineAction = serde_json::from_value(serde_json::json!({
                    "id": format!("action-{}", self.made), "type": "CollectInvestigationPackage", "status": "Pending",
                    "requestor": "app", "requestorComment": comment, "machineId": machine_id,
                    "externalId": external_id,
                }))
                .unwrap();
                a.creation_date_time_utc = at.clone();
                a.last_update_date_time_utc = at;
                self.actions.push(a);
                Object::from(&self.actions[self.actions.len() - 1])
            }
            Call::Alert(c) => {
                let mut a: Alert = serde_json::from_value(serde_json::json!({
                    "id": format!("alert-{}", self.made), "status": "New", "severity": c.severity,
                    "category": c.category, "title": c.title, "machineId": c.machine_id,
                    "firstEventTime": c.event_time, "lastEventTime": c.event_time,
                }))
                .unwrap();
                a.alert_creation_time.clone_from(&at);
                a.last_update_time = at;
                self.alerts.push(a);
                Object::from(&self.alerts[self.alerts.len() - 1])
            }
        }
    }

    /// Carries a plan out, every call accepted at once.
    pub fn apply(&mut self) -> Plan {
        let plan = self.plan();
        for change in &plan.changes {
            let Some(call) = &change.call else {
                for r in &change.records {
                    self.record(r.clone());
                }
                continue;
            };
            let attempt = self.intend(&plan, &change.address);
            let result = if change.action.creates() {
                Outcome::Made { object: self.take(call.request()) }
            } else {
                Outcome::Done { object: self.change(&change.address, call.request()) }
            };
            self.answer(&change.address, attempt, result);
            for r in &change.then {
                self.record(r.clone());
            }
        }
        plan
    }

    pub fn answer(&mut self, address: &Address, attempt: u64, result: Outcome) {
        let server_at = Some(self.now.into());
        self.record(Record::Outcome { attempt, address: address.clone(), result, server_at });
    }

    /// The service carries an update or a cancel out.
    fn change(&mut self, address: &Address, request: &Request) -> Object {
        let id = self.state.resources[address].id.clone().unwrap();
        if let Some(a) = self.actions.iter_mut().find(|a| a.id == id) {
            a.status = ActionStatus::Cancelled;
            return Object::from(&*a);
        }
        let place = self.alerts.iter().position(|a| a.id == id).unwrap();
        let body: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(request.body.as_str()).unwrap();
        let texts: Vec<(&str, &str)> = body.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
        self.triage(place, &texts);
        Object::from(&self.alerts[place])
    }

    /// Somebody changes the triage of an alert; an empty text takes a value away.
    pub fn triage(&mut self, place: usize, texts: &[(&str, &str)]) {
        let a = &mut self.alerts[place];
        for (name, text) in texts {
            let value = Some((*text).to_owned()).filter(|t| !t.is_empty());
            match *name {
                "status" => a.status = value,
                "assignedTo" => a.assigned_to = value,
                "classification" => a.classification = value,
                "determination" => a.determination = value,
                "comment" => {
                    let comment = serde_json::json!({ "comment": text });
                    a.comments.push(serde_json::from_value(comment).unwrap());
                }
                other => panic!("{other} is no field of an update"),
            }
        }
        a.last_update_time = Some(self.now.into());
    }

    /// The service moves the newest action of a machine on.
    pub fn set(&mut self, machine_no: u8, status: &str) {
        let (machine, now) = (machine(machine_no), self.now);
        let a = self.actions.iter_mut().rfind(|a| a.machine_id.as_deref() == Some(&machine)).unwrap();
        a.status = ActionStatus::from(status);
        a.last_update_date_time_utc = Some(now.into());
    }

    /// Somebody else's collection.
    pub fn foreign(&mut self, machine_no: u8, comment: &str) -> String {
        let call = Call::collect(machine(machine_no).parse().unwrap(), comment);
        self.take(&call.request()).id
    }

    pub fn declared(&mut self, address: &str) -> &mut Desired {
        let address: Address = address.parse().unwrap();
        self.desired.iter_mut().find(|d| d.address == address).unwrap()
    }

    pub fn forget_manifest(&mut self, address: &str) -> Desired {
        let address: Address = address.parse().unwrap();
        let i = self.desired.iter().position(|d| d.address == address).unwrap();
        self.desired.remove(i)
    }

    pub fn policy(&mut self, address: &str, on_in_progress: OnInProgress) {
        self.declared(address).policy.on_in_progress = on_in_progress;
    }
}

/// The actions of a plan's calls, by address.
pub fn calls(plan: &Plan) -> Vec<(String, Action)> {
    plan.calls().map(|(c, _)| (c.address.to_string(), c.action)).collect()
}
