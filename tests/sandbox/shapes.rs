//! Shapes of requests that clients send, each with the answer that the documentation gives, or that was seen.

use casefile::sandbox::HttpRequest;
use serde_json::{Value, json};

use super::{Lab, MACHINE, names, refusal};

const ALERTED: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";

const FLEET: &str = "
quotas: { enabled: false }
machines:
  list:
    - { id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, name: mymachine1.contoso.com, tags: [ExampleTag, EU], ip: 10.248.240.38, users: ['contoso\\user1'] }
    - { id: fb9ab6be3965095a09c057be7c90f0a2, name: Other-2.contoso.com, health: Inactive, os: Linux }
    - { id: bb, name: third.contoso.com, tags: [tier1] }
";

/// Machines that a query finds, by the first letters of their ids.
fn found(lab: &mut Lab, rest: &str) -> Vec<String> {
    lab.ids(&format!("/api/machines{rest}")).iter().map(|id| id[..2].to_owned()).collect()
}

#[test]
fn filters_of_machines() {
    let mut lab = Lab::new(FLEET);
    for (filter, ids) in [
        ("", &["1e", "fb", "bb"][..]),
        ("ComputerDnsName eq 'third.contoso.com'", &["bb"]),
        ("HEALTHSTATUS ne 'Active'", &["fb"]),
        ("osPlatform in ('Linux','macOS')", &["fb"]),
        ("not (healthStatus eq 'Active')", &["fb"]),
        ("not startswith(computerDnsName,'mymachine')", &["fb", "bb"]),
        ("contains(computerDnsName,'other')", &["fb"]),
        ("contains(tolower(computerDnsName),tolower('THIRD'))", &["bb"]),
        ("endswith(ComputerDnsName,'2.contoso.com')", &["fb"]),
        ("tolower(osPlatform) eq 'linux'", &["fb"]),
        ("machineTags/any(tag: tag eq 'ExampleTag')", &["1e"]),
        ("machineTags/any(t:t eq 'tier1' or t eq 'EU')", &["1e", "bb"]),
        ("machineTags/any()", &["1e", "bb"]),
        ("not machineTags/any()", &["fb"]),
        ("lastSeen gt 2025-12-31", &["1e", "bb"]),
        ("lastSeen gt 2018-08-01Z", &["1e", "fb", "bb"]),
        ("(machineTags/any(t: startswith(t,'tier'))) and osPlatform ne 'Linux'", &["bb"]),
    ] {
        assert_eq!(found(&mut lab, &format!("?$filter={filter}")), ids, "{filter}");
    }
    for bad in ["machineTags eq 'x'", "osPlatform in ('Linux'", "not osPlatform eq 'x'", "title eq 'x'"] {
        let answer = lab.get(&format!("/api/machines?$filter={bad}"));
        assert_eq!((answer.0, refusal(&answer).1), (400, "ODataError"), "{bad}");
    }
}

/// The examples of "OData queries with Microsoft Defender for Endpoint", in their order.
#[test]
fn the_documented_samples() {
    let mut lab = Lab::new(FLEET);
    lab.alert(|_| ());
    let scan = format!("/api/machines/{MACHINE}/runAntiVirusScan");
    assert_eq!(lab.call("POST", &scan, r#"{"Comment":"c","ScanType":"Full"}"#).0, 201);
    let requestor = lab.get("/api/machineactions").1["value"][0]["requestor"].as_str().unwrap().to_owned();
    for (target, rows) in [
        ("/api/alerts?$top=10&$expand=evidence", 1),
        ("/api/alerts?$filter=lastUpdateTime+ge+2019-11-22T00:00:00Z", 1),
        ("/api/machines?$filter=riskScore+eq+'High'", 0),
        ("/api/machines?$filter=healthStatus+ne+'Active'&$top=100 ", 1),
        ("/api/machines?$filter=lastSeen gt 2018-08-01Z", 3),
        ("/api/machineactions?$filter=requestor eq 'Analyst@contoso.com' and type eq 'RunAntiVirusScan'", 0),
        ("/api/machines?$filter=startswith(computerDnsName,'mymachine')", 1),
    ] {
        let (status, list) = lab.get(target);
        assert_eq!((status, list["value"].as_array().map(Vec::len)), (200, Some(rows)), "{target}: {list}");
    }
    let ours =
        format!("/api/machineactions?$filter=requestor eq '{requestor}' and type eq 'RunAntiVirusScan'");
    assert_eq!(lab.ids(&ours).len(), 1);
    let count = format!("/api/machines/{ALERTED}/alerts/$count?$filter=status ne 'Resolved'");
    assert_eq!(lab.get(&count), (200, json!(1)), "Example 7 answers with a number alone");
    assert_eq!(lab.get("/api/machines/%24count?$top=1"), (200, json!(3)));
    let response = lab.send(&HttpRequest::new("GET", "/api/machineactions/$count", ""));
    assert_eq!((response.header("content-type"), response.body.as_slice()), (Some("text/plain"), &b"1"[..]));
    let counted = lab.get("/api/machines?$count=true&$top=1").1;
    assert_eq!(counted["@odata.count"], 3);
}

#[test]
fn some_properties_alone() {
    let mut lab = Lab::new(FLEET);
    let (_, list) = lab.get("/api/machines?$select=ID, computerDnsName&$filter=osPlatform eq 'Linux'");
    assert_eq!(list["value"], json!([{ "id": MACHINE, "computerDnsName": "other-2.contoso.com" }]));
    assert_eq!(list["@odata.context"], "http://127.0.0.1/api/$metadata#Machines(id,computerDnsName)");
    let (_, machine) = lab.get(&format!("/api/machines/{MACHINE}?$select=healthStatus"));
    assert_eq!(names(&machine), ["@odata.context", "healthStatus"]);
    for everything in ["", "*", "id,*"] {
        let (_, list) = lab.get(&format!("/api/machines?$select={everything}"));
        assert!(names(&list["value"][0]).len() > 20, "{everything}");
    }
    let answer = lab.get("/api/machines?$select=id,nonsense");
    let (status, code, message) = refusal(&answer);
    assert_eq!((status, code), (400, "ODataError"));
    assert!(
        message.contains(
            "Could not find a property named 'nonsense' on type 'microsoft.windowsDefenderATP.api.Machine'"
        ),
        "{message}"
    );
}

#[test]
fn other_ways_to_the_same_place() {
    let mut lab = Lab::new(FLEET);
    let tagged = ["1e"];
    for rest in [
        "/findbytag?tag=ExampleTag",
        "/findbytag()?tag=ExampleTag",
        "/findbytag(tag='ExampleTag')",
        "/FindByTag(tag='Example',useStartsWithFilter=true)",
        "/findbytag?tag=Example&useStartsWithFilter=true",
        "/findbyip(ip='10.248.240.38',timestamp=2025-12-31T12:00:00Z)",
        "/findbyip?ip=10.248.240.38&timestamp=2025-12-31T12:00:00Z",
    ] {
        assert_eq!(found(&mut lab, rest), tagged, "{rest}");
    }
    assert_eq!(lab.get("/api/v1/machines").1["value"].as_array().map(Vec::len), Some(3));
    assert_eq!(lab.get("/api/v1.0/machines").1["value"].as_array().map(Vec::len), Some(3));
    let (_, hunted) = lab.call("POST", "/api/advancedhunting/run", r#"{"Query":"DeviceInfo"}"#);
    assert_eq!(names(&hunted), ["Results", "Schema", "Stats"]);
    let posted =
        lab.call("POST", "/api/machineactions/5382f7ea-7557-4ab7-9782-d50480024a4e/getPackageUri", "{}");
    let (status, code, message) = refusal(&posted);
    assert_eq!((status, code), (404, "NotFound"));
    assert!(
        message.starts_with("No HTTP resource was found that matches the request URI 'http://"),
        "{message}"
    );
}

#[test]
fn an_address_at_a_time() {
    let mut lab = Lab::new(FLEET);
    let asked = |lab: &mut Lab, ip: &str, at: &str| {
        lab.get(&format!("/api/machines/findbyip(ip='{ip}',timestamp={at})"))
    };
    let (_, list) = asked(&mut lab, "192.0.2.4", "2025-12-31T12:00:00Z");
    assert_eq!(list["value"][0]["lastIpAddress"], "192.0.2.4");
    assert_eq!(list["value"].as_array().map(Vec::len), Some(1), "the other one was silent by then: {list}");
    for (ip, at, code) in [
        ("10.0.0.x", "2025-12-31T12:00:00Z", "InvalidIpAddress"),
        ("192.0.2.4", "2025-11-01T00:00:00Z", "InvalidInput"),
        ("192.0.2.4", "2026-01-01T00:00:01Z", "InvalidInput"),
        ("192.0.2.4", "yesterday", "InvalidInput"),
        ("", "2025-12-31T12:00:00Z", "MissingRequiredParameter"),
    ] {
        let answer = asked(&mut lab, ip, at);
        assert_eq!((answer.0, refusal(&answer).1), (400, code), "{ip} {at}");
    }
}

#[test]
fn what_belongs_to_an_alert_or_a_machine() {
    let mut lab = Lab::new(FLEET);
    let (_, alert) = lab.alert(|_| ());
    let id = alert["id"].as_str().unwrap().to_owned();
    let of = |what: &str| format!("/api/alerts/{id}/{what}");
    assert_eq!(lab.get(&of("machine")).1["id"], ALERTED);
    for (what, set) in [("files", "Files"), ("domains", "Domains"), ("ips", "Ips")] {
        let (status, list) = lab.get(&of(what));
        assert_eq!((status, &list["value"]), (200, &json!([])));
        assert_eq!(list["@odata.context"], format!("http://127.0.0.1/api/$metadata#{set}"));
        assert_eq!(lab.get(&format!("/api/alerts/da1_2/{what}")).0, 404);
    }
    let message = format!("There is no User related to alert {id}");
    assert_eq!(refusal(&lab.get(&of("user"))), (404, "ResourceNotFound", message.as_str()));
    assert_eq!(lab.get("/api/alerts/da1_2/machine").0, 404);

    let (_, users) = lab.get(&format!("/api/machines/{ALERTED}/logonusers"));
    assert_eq!(users["value"][0]["id"], "contoso\\user1");
    assert_eq!(users["value"][0]["accountName"], "user1");
    assert_eq!(users["value"][0]["accountDomain"], "contoso");
    assert_eq!(lab.get("/api/machines/bb/logonusers").1["value"], json!([]));
    assert_eq!(lab.get("/api/machines/none/logonusers").0, 404);
}

#[test]
fn many_alerts_at_once() {
    let mut lab = Lab::new("quotas: { enabled: false }");
    let mut ids = Vec::new();
    for title in ["a", "b", "c"] {
        let (_, alert) = lab.alert(|b| b["title"] = title.into());
        ids.push(alert["id"].as_str().unwrap().to_owned());
    }
    let batch = |ids: &[&str], more: Value| {
        let mut body = more;
        body["alertIds"] = json!(ids);
        body.to_string()
    };
    let target = "/api/alerts/batchUpdate";
    let change = json!({
        "status": "Resolved",
        "assignedTo": "secop2@contoso.com",
        "classification": "FalsePositive",
        "determination": "Malware",
        "comment": "Resolve my alert and assign to secop2"
    });
    let two = batch(&[&ids[0], &ids[1], &ids[0]], change.clone());
    let response = lab.send(&HttpRequest::new("POST", target, two));
    assert_eq!((response.status, response.body.len()), (200, 0), "an empty body");
    for (id, status) in [(&ids[0], "Resolved"), (&ids[1], "Resolved"), (&ids[2], "New")] {
        let (_, alert) = lab.get(&format!("/api/alerts/{id}"));
        assert_eq!(alert["status"], status);
        assert_eq!(alert["comments"].as_array().map(Vec::len), Some(usize::from(status == "Resolved")));
    }
    assert_eq!(lab.effects(), ["CreateAlert", "CreateAlert", "CreateAlert", "UpdateAlert", "UpdateAlert"]);
    for (body, status) in [
        (change.to_string(), 400),
        (batch(&[], change.clone()), 400),
        (batch(&[&ids[2]], json!({})), 400),
        (batch(&[&ids[2]], json!({ "determination": "Nonsense" })), 400),
        (batch(&[&ids[2]], json!({ "Status": "New" })), 400),
        (json!({ "alertIds": "x", "status": "New" }).to_string(), 400),
        (batch(&[&ids[2], "da1_2"], change), 404),
    ] {
        assert_eq!(lab.call("POST", target, &body).0, status, "{body}");
    }
    assert_eq!(lab.get(&format!("/api/alerts/{}", ids[2])).1["status"], "New", "all of them or none");
    assert_eq!(lab.effects().len(), 5);

    let mut lab = Lab::new("");
    let (_, alert) = lab.alert(|_| ());
    let body = batch(&[alert["id"].as_str().unwrap()], json!({ "status": "InProgress" }));
    for _ in 0..10 {
        assert_eq!(lab.call("POST", target, &body).0, 200);
    }
    assert_eq!(lab.call("POST", target, &body).0, 429, "ten a minute");
}

/// The siblings of a collection: path, body, what they are called in the answer.
#[test]
fn isolation_and_its_siblings() {
    let sha1 = "ff836cfb1af40252bd2a2ea843032e99a5b262ed";
    for (call, body, kind, scope) in [
        ("isolate", json!({ "IsolationType": "Full" }), "Isolate", json!("Full")),
        ("isolate", json!({ "IsolationType": "selective" }), "Isolate", json!("Selective")),
        ("isolate", json!({}), "Isolate", json!("Full")),
        ("unisolate", json!({}), "Unisolate", Value::Null),
        ("restrictCodeExecution", json!({}), "RestrictCodeExecution", Value::Null),
        ("unrestrictCodeExecution", json!({}), "UnrestrictCodeExecution", Value::Null),
        ("runAntiVirusScan", json!({ "ScanType": "Quick" }), "RunAntiVirusScan", json!("Quick")),
        ("StopAndQuarantineFile", json!({ "Sha1": sha1 }), "StopAndQuarantineFile", Value::Null),
        ("offboard", json!({}), "Offboard", Value::Null),
        ("collectInvestigationPackage", json!({}), "CollectInvestigationPackage", Value::Null),
    ] {
        let mut lab = Lab::new("");
        let target = format!("/api/machines/{MACHINE}/{call}");
        assert_eq!(
            refusal(&lab.call("POST", &target, &body.to_string())),
            (400, "MissingRequiredParameter", "Parameter Comment is missing.")
        );
        let mut body = body;
        body["Comment"] = "due to alert 1234".into();
        body["ExternalId"] = "case-7".into();
        body["Title"] = "a title".into();
        let (status, action) = lab.call("POST", &target, &body.to_string());
        assert_eq!((status, &action["type"]), (201, &json!(kind)), "{action}");
        assert_eq!((&action["scope"], &action["status"]), (&scope, &json!("Pending")), "{call}");
        assert_eq!(
            (&action["externalId"], &action["title"]),
            (&json!("case-7"), &json!("a title")),
            "{call}"
        );
        let file = json!({ "fileIdentifier": sha1, "fileIdentifierType": "Sha1" });
        assert_eq!(
            action["relatedFileInfo"],
            if call == "StopAndQuarantineFile" { file } else { Value::Null }
        );
        let busy = lab.call("POST", &target, &body.to_string());
        assert_eq!(refusal(&busy), (400, "ActiveRequestAlreadyExists", "Action is already in progress"));
        let read = format!("/api/machineactions/{}", action["id"].as_str().unwrap());
        assert_eq!(lab.at(3.0).get(&read).1["status"], "Succeeded");
        assert_eq!(lab.get(&read).1["externalId"], "case-7", "it is kept");
        let listed = lab.ids(&format!("/api/machines/{MACHINE}/machineactions?$filter=type eq '{kind}'"));
        assert_eq!(listed.len(), 1);
    }
    let mut lab = Lab::new("machines: { strict: false, list: [{ id: old, os: Windows7 }] }");
    for (machine, call, body, code) in [
        (MACHINE, "isolate", json!({ "Comment": "c", "IsolationType": "Half" }), "InvalidRequestBody"),
        (MACHINE, "runAntiVirusScan", json!({ "Comment": "c" }), "MissingRequiredParameter"),
        (MACHINE, "StopAndQuarantineFile", json!({ "Comment": "c" }), "MissingRequiredParameter"),
        (MACHINE, "StopAndQuarantineFile", json!({ "Comment": "c", "Sha1": "x" }), "InvalidHashValue"),
        ("old", "isolate", json!({ "Comment": "c" }), "OsPlatformNotSupported"),
    ] {
        let answer = lab.call("POST", &format!("/api/machines/{machine}/{call}"), &body.to_string());
        assert_eq!((answer.0, refusal(&answer).1), (400, code), "{call} {body}");
    }
    assert!(lab.effects().is_empty());
    let target = format!("/api/machines/{MACHINE}/isolate");
    let isolation = lab.call("POST", &target, r#"{"Comment":"c"}"#).1;
    lab.collected(MACHINE);
    let cancel = format!("/api/machineactions/{}/cancel", isolation["id"].as_str().unwrap());
    assert_eq!(lab.call("POST", &cancel, r#"{"Comment":"c"}"#).1["status"], "Cancelled");
    assert_eq!(lab.effects(), ["Respond", "Collect", "Cancel"]);
}

/// The words of "Handling REST API errors".
#[test]
fn refusals_are_worded_as_documented() {
    let mut lab = Lab::new(
        "machines: { strict: false, list: [{ id: old, os: Windows7 }, { id: sensor, collection: clientVersionNotSupported }] }",
    );
    for (answer, words) in [
        (lab.collect("123123123"), (404, "ResourceNotFound", "Machine 123123123 was not found")),
        (
            lab.collect("old"),
            (400, "OsPlatformNotSupported", "OS Platform Windows7 isn't supported for this action."),
        ),
        (
            lab.collect("sensor"),
            (
                400,
                "ClientVersionNotSupported",
                "CollectInvestigationPackage is supported on client version 1703 and above.",
            ),
        ),
        (lab.alert(|b| b["severity"] = "Huge".into()), (400, "InvalidInput", "Invalid input Huge.")),
        (
            lab.call("POST", "/api/alerts/batchUpdate", "{}"),
            (400, "MissingRequiredParameter", "Parameter alertIds is missing."),
        ),
        (
            lab.call("POST", "/api/alerts/batchUpdate", "{"),
            (400, "InvalidRequestBody", "Request body is incorrect"),
        ),
    ] {
        assert_eq!(refusal(&answer), words);
    }
    let mut request = HttpRequest::new("GET", "/api/machines", "");
    request.authorization = None;
    let response = lab.send(&request);
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(
        refusal(&(response.status, body)),
        (401, "Unauthorized", "Unauthorized (invalid or expired authorization header).")
    );
}

#[test]
fn every_answer_has_an_id_for_support() {
    let mut lab = Lab::new("");
    let mut seen = std::collections::BTreeSet::new();
    for target in ["/api/alerts", "/api/alerts", "/api/alerts/none", "/api/nothing", "/api/$metadata"] {
        let response = lab.send(&HttpRequest::new("GET", target, ""));
        let id = response.header("mise-correlation-id").unwrap_or_else(|| panic!("{target}")).to_owned();
        assert_eq!(id.len(), 36);
        assert!(seen.insert(id), "{target}");
    }
    let own = lab.send(&HttpRequest::new("GET", "/sandbox/world", ""));
    assert_eq!(own.header("mise-correlation-id"), None, "the control surface is none of the service's");
}
