//! The simulated service, from outside: its rules with a clock of our own, and its HTTP.

#![allow(clippy::disallowed_methods, reason = "tests set up files of their own and read the clock")]

mod alerts;
mod calls;
mod clients;
mod collections;
mod faults;
mod http;
mod metadata;
mod reads;
mod requests;
mod shapes;
mod strict;

use casefile::sandbox::{HttpRequest, HttpResponse, Scenario, World};
use serde_json::Value;

/// The machine of the documented collect example.
const MACHINE: &str = "fb9ab6be3965095a09c057be7c90f0a2";

/// A world and a clock in seconds.
struct Lab {
    world: World,
    now: f64,
}

impl Lab {
    fn new(scenario: &str) -> Self {
        Lab { world: World::new(Scenario::from_yaml(scenario).unwrap()), now: 0.0 }
    }

    fn at(&mut self, seconds: f64) -> &mut Self {
        self.now = seconds;
        self
    }

    fn send(&mut self, request: &HttpRequest) -> HttpResponse {
        let start = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
        let now = start + std::time::Duration::from_secs_f64(self.now);
        self.world.handle(now, request)
    }

    fn get(&mut self, target: &str) -> (u16, Value) {
        self.call("GET", target, "")
    }

    fn call(&mut self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let response = self.send(&HttpRequest::new(method, target, body));
        (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null))
    }

    fn collect(&mut self, machine: &str) -> (u16, Value) {
        let target = format!("/api/machines/{machine}/collectInvestigationPackage");
        self.call("POST", &target, r#"{"Comment":"Collect forensics due to alert 1234"}"#)
    }

    /// Collects where this must succeed, and gives the action's id.
    fn collected(&mut self, machine: &str) -> String {
        let (status, action) = self.collect(machine);
        assert_eq!(status, 201, "{action}");
        action["id"].as_str().unwrap().to_owned()
    }

    fn alert(&mut self, change: impl FnOnce(&mut Value)) -> (u16, Value) {
        let mut body = documented_alert();
        change(&mut body);
        self.call("POST", "/api/alerts/CreateAlertByReference", &body.to_string())
    }

    /// The ids in a list.
    fn ids(&mut self, target: &str) -> Vec<String> {
        let (status, list) = self.get(target);
        assert_eq!(status, 200, "{target}: {list}");
        let rows = list["value"].as_array().unwrap().iter();
        rows.map(|r| r["id"].as_str().unwrap().to_owned()).collect()
    }

    fn effects(&self) -> Vec<String> {
        self.world.effects().iter().map(|e| format!("{:?}", e.kind)).collect()
    }
}

/// The body of the documented create-alert example.
fn documented_alert() -> Value {
    serde_json::json!({
        "machineId": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
        "severity": "Low",
        "title": "example",
        "description": "example alert",
        "recommendedAction": "nothing",
        "eventTime": "2018-08-03T16:45:21.7115183Z",
        "reportId": "20776",
        "category": "Exploit"
    })
}

/// Status, code and message of a refusal.
fn refusal(answer: &(u16, Value)) -> (u16, &str, &str) {
    let error = &answer.1["error"];
    (answer.0, error["code"].as_str().unwrap_or("none"), error["message"].as_str().unwrap_or("none"))
}

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
