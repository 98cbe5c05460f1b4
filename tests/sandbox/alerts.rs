use serde_json::{Value, json};

use super::{Lab, MACHINE, names, refusal};

#[test]
fn the_documented_example() {
    let mut lab = Lab::new("");
    let (status, alert) = lab.alert(|_| ());
    assert_eq!(status, 200);
    for (name, value) in [
        ("severity", "Low"),
        ("status", "New"),
        ("title", "example"),
        ("description", "example alert"),
        ("category", "Exploit"),
        ("detectionSource", "CustomerTI"),
        ("machineId", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"),
        ("firstEventTime", "2018-08-03T16:45:21.7115183Z"),
        ("lastEventTime", "2018-08-03T16:45:21.7115183Z"),
        ("alertCreationTime", "2026-01-01T00:00:00Z"),
    ] {
        assert_eq!(alert[name], value, "{name}");
    }
    let id = alert["id"].as_str().unwrap();
    let (ticks, suffix) = id.strip_prefix("da").unwrap().split_once('_').unwrap();
    assert_eq!(ticks, "639028224000000000", "2026-01-01 in .NET ticks");
    assert!(suffix.parse::<i32>().is_ok());
    let mut documented = vec![
        "@odata.context",
        "id",
        "incidentId",
        "investigationId",
        "assignedTo",
        "severity",
        "status",
        "classification",
        "determination",
        "investigationState",
        "detectionSource",
        "detectorId",
        "category",
        "threatFamilyName",
        "title",
        "description",
        "alertCreationTime",
        "firstEventTime",
        "lastEventTime",
        "lastUpdateTime",
        "resolvedTime",
        "machineId",
        "computerDnsName",
        "rbacGroupName",
        "aadTenantId",
        "threatName",
        "mitreTechniques",
        "relatedUser",
        "loggedOnUsers",
        "comments",
        "evidence",
        "domains",
    ];
    documented.sort_unstable();
    assert_eq!(names(&alert), documented);
    assert_eq!(lab.get(&format!("/api/alerts/{id}")), (200, alert));
}

#[test]
fn all_eight_fields_are_required() {
    let mut lab = Lab::new("");
    for name in super::documented_alert().as_object().unwrap().keys() {
        let answer = lab.alert(|body| {
            body.as_object_mut().unwrap().remove(name);
        });
        assert_eq!(refusal(&answer), (400, "BadRequest", format!("{name} argument is missing").as_str()));
        assert_eq!(answer.1["error"].get("target"), None);
    }
    for (name, value) in [
        ("severity", json!("Informational")),
        ("category", json!(7)),
        ("eventTime", json!("2018-08-03 16:45")),
        ("eventTime", json!("2018-08-03T16:45:21.71151834Z")),
        ("reportId", json!(20776)),
    ] {
        assert_eq!(lab.alert(|body| body[name] = value.clone()).0, 400, "{name} {value}");
    }
    assert_eq!(lab.call("POST", "/api/alerts/CreateAlertByReference", "{").0, 400);
    assert!(lab.effects().is_empty());
}

#[test]
fn events_that_are_not_known() {
    let mut lab = Lab::new("");
    assert_eq!(lab.alert(|b| b["reportId"] = "404".into()).0, 404);
    assert_eq!(lab.alert(|b| b["machineId"] = "nobody".into()).0, 404);

    let mut lab = Lab::new(
        "events:
  only:
    - machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
      reportId: '20776'
      eventTime: 2018-08-03T16:45:21.7115183Z
",
    );
    assert_eq!(lab.alert(|b| b["eventTime"] = "2018-08-03T16:45:21.711Z".into()).0, 404, "rounded");
    assert_eq!(lab.alert(|b| b["reportId"] = "20777".into()).0, 404);
    assert_eq!(lab.alert(|_| ()).0, 200);
}

#[test]
fn an_open_alert_absorbs_a_new_one() {
    let mut lab = Lab::new("");
    let (_, first) = lab.alert(|_| ());
    let (status, merged) = lab.at(1.0).alert(|b| b["eventTime"] = "2018-08-04T00:00:00Z".into());
    assert_eq!((status, &merged["id"]), (200, &first["id"]));
    assert_eq!(merged["lastEventTime"], "2018-08-04T00:00:00Z");
    assert_eq!(merged["firstEventTime"], first["firstEventTime"]);
    assert_ne!(lab.alert(|b| b["title"] = "other".into()).1["id"], first["id"]);
    assert_ne!(lab.alert(|b| b["machineId"] = MACHINE.into()).1["id"], first["id"]);

    let target = format!("/api/alerts/{}", first["id"].as_str().unwrap());
    lab.at(2.0).call("PATCH", &target, r#"{"status":"Resolved"}"#);
    assert_ne!(lab.alert(|_| ()).1["id"], first["id"], "a resolved one does not");
    assert_eq!(
        lab.effects(),
        ["CreateAlert", "MergeAlert", "CreateAlert", "CreateAlert", "UpdateAlert", "CreateAlert"]
    );
}

#[test]
fn triage() {
    let mut lab = Lab::new("");
    let (_, alert) = lab.alert(|_| ());
    let target = format!("/api/alerts/{}", alert["id"].as_str().unwrap());
    let body = json!({
        "status": "Resolved",
        "assignedTo": "secop2@contoso.com",
        "classification": "FalsePositive",
        "determination": "Malware",
        "comment": "Resolve my alert and assign to secop2"
    });
    let (status, changed) = lab.at(10.0).call("PATCH", &target, &body.to_string());
    assert_eq!(status, 200);
    assert_eq!(changed["status"], "Resolved");
    assert_eq!(changed["resolvedTime"], "2026-01-01T00:00:10Z");
    assert_eq!(changed["assignedTo"], "secop2@contoso.com");
    assert_eq!(changed["classification"], "FalsePositive");
    assert_eq!(changed["determination"], "Malware");
    assert_eq!(names(&changed["comments"][0]), ["comment", "createdBy", "createdTime"]);

    let (_, again) = lab.call("PATCH", &target, r#"{"comment":"and again","status":"InProgress"}"#);
    assert_eq!(again["comments"].as_array().map(Vec::len), Some(2), "comments append");
    assert_eq!(again["resolvedTime"], Value::Null);
    assert_eq!(again["classification"], "FalsePositive", "the rest stays");

    for bad in [r#"{"Status":"New"}"#, r#"{"status":"Closed"}"#, r#"{"classification":"Maybe"}"#, "{}"] {
        assert_eq!(lab.call("PATCH", &target, bad).0, 400, "{bad}");
    }
    let unknown = lab.call("PATCH", "/api/alerts/da1_2", r#"{"status":"New"}"#);
    assert_eq!(refusal(&unknown), (404, "ResourceNotFound", "Alert da1_2 not found"));
}

#[test]
fn words_and_texts_come_back_as_the_scenario_says() {
    let sent = json!({ "determination": "CompromisedUser", "comment": "R&D's <x>\nsecond" }).to_string();
    for (scenario, determination, comment) in [
        ("", "CompromisedUser", "R&D's <x>\nsecond"),
        (
            "alerts: { words: metadata, comments: escaped }",
            "CompromisedAccount",
            "R&amp;D&#39;s &lt;x&gt;\nsecond",
        ),
        ("alerts: { comments: crlf }", "CompromisedUser", "R&D's <x>\r\nsecond"),
    ] {
        let mut lab = Lab::new(scenario);
        let (_, alert) = lab.alert(|_| ());
        let target = format!("/api/alerts/{}", alert["id"].as_str().unwrap());
        let (status, changed) = lab.call("PATCH", &target, &sent);
        assert_eq!((status, &changed["determination"]), (200, &json!(determination)), "{scenario}");
        assert_eq!(changed["comments"][0]["comment"], comment, "{scenario}");
        for (bad, code) in [(r#"{"determination":"Nonsense"}"#, 400), (r#"{"determination":"clean"}"#, 200)] {
            assert_eq!(lab.call("PATCH", &target, bad).0, code, "{bad}");
        }
    }
}

#[test]
fn lists_lag_behind_a_change() {
    let mut lab = Lab::new("delays: { updateLag: 20 }");
    let (_, alert) = lab.alert(|_| ());
    let target = format!("/api/alerts/{}", alert["id"].as_str().unwrap());
    let (_, changed) = lab.at(10.0).call("PATCH", &target, r#"{"status":"InProgress"}"#);
    assert_eq!(changed["status"], "InProgress", "the answer is up to date");
    lab.at(15.0).call("PATCH", &target, r#"{"status":"Resolved"}"#);
    for (at, status) in [(29.0, "New"), (31.0, "InProgress"), (36.0, "Resolved")] {
        lab.at(at);
        assert_eq!(lab.get(&target).1["status"], status, "at {at}");
        assert_eq!(lab.get("/api/alerts").1["value"][0]["status"], status, "at {at}");
    }
}

#[test]
fn an_analyst_judges_an_alert() {
    let mut lab = Lab::new("");
    let (_, alert) = lab.alert(|_| ());
    let id = alert["id"].as_str().unwrap();
    let step = |set: Value| json!({ "do": "triage", "alert": id, "set": set }).to_string();
    let verdict =
        step(json!({ "status": "InProgress", "classification": "TruePositive", "comment": "mine" }));
    assert_eq!(lab.call("POST", "/sandbox/analyst", &verdict).0, 200);
    let shown = lab.get(&format!("/api/alerts/{id}")).1;
    assert_eq!((&shown["status"], &shown["classification"]), (&json!("InProgress"), &json!("TruePositive")));
    assert_eq!(shown["comments"][0]["createdBy"], "Analyst@contoso.com");
    for bad in [json!({}), json!({ "title": "x" })] {
        assert_eq!(lab.call("POST", "/sandbox/analyst", &step(bad)).0, 400);
    }
}

#[test]
fn lists_and_what_they_cannot_filter_on() {
    let mut lab = Lab::new("quotas: { enabled: false }");
    let mut ids = Vec::new();
    for n in 0..3 {
        let title = format!("alert {n}");
        let (_, alert) = lab.at(f64::from(n)).alert(|b| {
            b["title"] = title.into();
            b["severity"] = if n == 1 { "High".into() } else { "Low".into() };
        });
        ids.push(alert["id"].as_str().unwrap().to_owned());
    }
    let filter = |f: &str| format!("/api/alerts?$filter={f}&$expand=evidence");
    assert_eq!(lab.ids("/api/alerts"), [&*ids[2], &ids[1], &ids[0]]);
    assert_eq!(lab.ids(&filter("severity eq 'High'")), [&*ids[1]]);
    assert_eq!(lab.ids(&filter("alertCreationTime ge 2026-01-01T00:00:01Z")), [&*ids[2], &ids[1]]);
    let batch = format!("id eq '{}' or id eq '{}'", ids[0], ids[2]);
    assert_eq!(lab.ids(&filter(&batch)), [&*ids[2], &ids[0]]);
    assert_eq!(lab.ids(&filter("status ne 'Resolved' and category eq 'Malware'")), [""; 0]);
    for field in ["machineId", "title", "recommendedAction"] {
        let answer = lab.get(&filter(&format!("{field} eq 'x'")));
        assert_eq!((answer.0, refusal(&answer).1), (400, "ODataError"), "{field}");
    }
    let machine = "/api/machines/1e5bc9d7e413ddd7902c2932e418702b84d0cc07/alerts";
    assert_eq!(lab.ids(machine), [&*ids[2], &ids[1], &ids[0]]);
    assert_eq!(lab.ids(&format!("/api/machines/{MACHINE}/alerts")), [""; 0]);
    assert_eq!(lab.get("/api/machines/nobody/alerts").0, 404);

    let resolve = format!(r#"{{"do":"resolve","alert":"{}"}}"#, ids[0]);
    assert_eq!(lab.call("POST", "/sandbox/analyst", &resolve).0, 200);
    assert_eq!(lab.ids(&filter("status eq 'Resolved'")), [&*ids[0]]);
}
