use casefile::sandbox::{Delivery, HttpRequest, HttpResponse};

use super::{Lab, MACHINE, refusal};

fn post(lab: &mut Lab) -> HttpResponse {
    let target = format!("/api/machines/{MACHINE}/collectInvestigationPackage");
    lab.send(&HttpRequest::new("POST", &target, r#"{"Comment":"c"}"#))
}

#[test]
fn without_effect() {
    let mut lab = Lab::new(
        "faults:
  - { on: collect, nth: [1], then: error }
  - { on: collect, nth: [2], then: error, status: 503 }
  - { on: collect, nth: [3], then: reset }
  - { on: collect, nth: [4], then: throttled, seconds: 7 }
",
    );
    let answer = post(&mut lab);
    assert_eq!(answer.status, 500);
    assert!(String::from_utf8_lossy(&answer.body).contains("InternalServerError"));
    assert_eq!(post(&mut lab).status, 503);
    assert_eq!(post(&mut lab).delivery, Delivery::Reset);
    let throttled = post(&mut lab);
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("7")));
    assert!(lab.effects().is_empty());
    assert_eq!(post(&mut lab).status, 201);
}

#[test]
fn a_refusal_in_other_words() {
    let mut lab = Lab::new(
        "faults:
  - { on: collect, nth: [1], then: error, status: 503, seconds: 30 }
  - { on: collect, nth: [2], then: error, status: 403, message: not this device }
  - { on: collect, nth: [3], then: error, status: 429, message: 1500 per 01:00:00 }
",
    );
    let busy = post(&mut lab);
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("30")));
    let denied = post(&mut lab);
    assert_eq!(denied.status, 403);
    assert!(String::from_utf8_lossy(&denied.body).contains("not this device"));
    let throttled = post(&mut lab);
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, None));
}

#[test]
fn a_list_without_end_links_to_itself() {
    let mut lab = Lab::new("faults: [{ on: listActions, then: endless }]");
    for _ in 0..3 {
        let (_, list) = lab.get("/api/machineactions?$top=10000&$skip=0");
        assert!(
            list["@odata.nextLink"].as_str().unwrap().contains("/api/machineactions?$skiptoken="),
            "{list}"
        );
    }
}

#[test]
fn with_effect() {
    for (fault, delivery) in [
        ("then: lost", Delivery::Closed),
        ("then: truncated", Delivery::Truncated),
        ("then: delay, seconds: 2.5", Delivery::Delayed(std::time::Duration::from_millis(2500))),
    ] {
        let mut lab = Lab::new(&format!("faults: [{{ on: collect, {fault} }}]"));
        assert_eq!(post(&mut lab).delivery, delivery);
        assert_eq!(lab.effects(), ["Collect"], "{fault}");
    }
    let mut lab = Lab::new("faults: [{ on: collect, then: garbled }]");
    let garbled = post(&mut lab);
    assert_eq!((garbled.status, garbled.delivery), (201, Delivery::Normal));
    assert!(serde_json::from_slice::<serde_json::Value>(&garbled.body).is_err());
    assert_eq!(lab.effects(), ["Collect"]);
}

#[test]
fn late_calls_take_effect_at_their_time() {
    let mut lab = Lab::new("faults: [{ on: collect, nth: [1, 2], then: late, seconds: 10 }]");
    assert_eq!(post(&mut lab).delivery, Delivery::Closed);
    assert_eq!(lab.at(1.0).get("/api/machineactions").1["value"], serde_json::json!([]));
    post(&mut lab);
    let (_, list) = lab.at(10.5).get("/api/machineactions");
    assert_eq!(list["value"][0]["creationDateTimeUtc"], "2026-01-01T00:00:10Z");
    assert_eq!(lab.at(60.0).ids("/api/machineactions").len(), 1, "the second one met a busy machine");
    assert_eq!(lab.world.effects()[0].at.to_string(), "2026-01-01T00:00:10Z");

    let mut lab = Lab::new("faults: [{ on: collect, nth: [1], then: late, seconds: 10 }]");
    post(&mut lab);
    let copy = casefile::sandbox::World::from_json(&lab.world.to_json().unwrap()).unwrap();
    let mut copy = Lab { world: copy, now: 11.0 };
    assert_eq!(copy.ids("/api/machineactions").len(), 1, "it is in the written world");
}

#[test]
fn a_busy_machine_may_answer_with_its_action() {
    let mut lab = Lab::new("faults: [{ on: collect, nth: [2, 4], then: existing }]");
    let id = lab.collected(MACHINE);
    assert_eq!(lab.collected(MACHINE), id);
    assert_eq!(refusal(&lab.collect(MACHINE)).1, "ActiveRequestAlreadyExists");
    assert_ne!(lab.at(10.0).collected(MACHINE), id, "no active action: a new one");
    assert_eq!(lab.effects(), ["Collect", "Collect"]);
}

#[test]
fn reads_fail_too_and_faults_can_be_about_one_machine() {
    let mut lab = Lab::new(
        "faults:
  - { on: listActions, nth: [1], then: error, status: 502 }
  - { on: createAlert, machine: fb9ab6be3965095a09c057be7c90f0a2, then: error, status: 403 }
  - { on: getMachine, nth: [1], then: error, status: 404 }
",
    );
    assert_eq!(lab.get("/api/machineactions").0, 502);
    assert_eq!(lab.get("/api/machineactions").0, 200);
    assert_eq!(lab.alert(|_| ()).0, 200);
    assert_eq!(refusal(&lab.alert(|b| b["machineId"] = MACHINE.into())).1, "Forbidden");
    assert_eq!(lab.get(&format!("/api/machines/{MACHINE}")).0, 404, "a transient one");
    assert_eq!(lab.get(&format!("/api/machines/{MACHINE}")).0, 200);
}

#[test]
fn quotas() {
    let mut lab = Lab::new("");
    for n in 0..15 {
        let title = format!("alert {n}");
        assert_eq!(lab.at(f64::from(n)).alert(|b| b["title"] = title.into()).0, 200);
    }
    let target = "/api/alerts/CreateAlertByReference";
    let body = super::documented_alert().to_string();
    let answer = lab.at(20.5).send(&HttpRequest::new("POST", target, body.clone()));
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("40")));
    let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(error["error"]["code"], "TooManyRequests");
    assert_eq!(error["error"]["message"], "API calls quota exceeded! maximum allowed 15 per 00:01:00");
    assert_eq!(lab.at(60.0).send(&HttpRequest::new("POST", target, body)).status, 200);
}
