//! Checks as the service makes them: tokens, machines, events.

use casefile::sandbox::{HttpRequest, Scenario};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{Lab, MACHINE, refusal};

/// The audience that a token for the service is asked for.
pub const DEFENDER: &str = "https://api.securitycenter.microsoft.com";

/// A header with a token that has these claims.
pub fn bearer(claims: &Value) -> String {
    format!("Bearer e30.{}.x", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()))
}

impl Lab {
    fn with(&mut self, authorization: &str, method: &str, target: &str) -> (u16, Value) {
        let mut request = HttpRequest::new(method, target, "{}");
        request.authorization = Some(authorization.to_owned());
        let response = self.send(&request);
        (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
    }
}

/// Endpoints, the permission of an application that they need, and that of a user's session.
const NEEDED: [(&str, &str, &str, &str); 24] = [
    ("GET", "/api/machines", "Machine.Read.All", "Machine.Read"),
    ("GET", "/api/machines/ab", "Machine.ReadWrite.All", "Machine.ReadWrite"),
    ("GET", "/api/machines/findbytag?tag=x", "Machine.Read.All", "Machine.Read"),
    ("GET", "/api/machines/ab/logonusers", "User.Read.All", "User.Read.All"),
    ("GET", "/api/machines/ab/alerts", "Alert.Read.All", "Alert.Read"),
    ("GET", "/api/machineactions", "Machine.Read.All", "Machine.Read"),
    ("GET", "/api/machineactions/x/getPackageUri", "Machine.Read.All", "Machine.Read"),
    ("POST", "/api/machineactions/x/cancel", "Machine.CollectForensics", "Machine.CollectForensics"),
    (
        "POST",
        "/api/machines/ab/collectInvestigationPackage",
        "Machine.CollectForensics",
        "Machine.CollectForensics",
    ),
    ("POST", "/api/machines/ab/isolate", "Machine.Isolate", "Machine.Isolate"),
    ("POST", "/api/machines/ab/unisolate", "Machine.Isolate", "Machine.Isolate"),
    (
        "POST",
        "/api/machines/ab/restrictCodeExecution",
        "Machine.RestrictExecution",
        "Machine.RestrictExecution",
    ),
    ("POST", "/api/machines/ab/runAntiVirusScan", "Machine.Scan", "Machine.Scan"),
    (
        "POST",
        "/api/machines/ab/StopAndQuarantineFile",
        "Machine.StopAndQuarantine",
        "Machine.StopAndQuarantine",
    ),
    ("POST", "/api/machines/ab/offboard", "Machine.Offboard", "Machine.Offboard"),
    ("GET", "/api/alerts", "Alert.Read.All", "Alert.Read"),
    ("GET", "/api/alerts/x", "Alert.ReadWrite.All", "Alert.ReadWrite"),
    ("GET", "/api/alerts/x/files", "File.Read.All", "File.Read.All"),
    ("GET", "/api/alerts/x/domains", "URL.Read.All", "URL.Read.All"),
    ("GET", "/api/alerts/x/ips", "Ip.Read.All", "Ip.Read.All"),
    ("PATCH", "/api/alerts/x", "Alert.ReadWrite.All", "Alert.ReadWrite"),
    ("POST", "/api/alerts/batchUpdate", "Alert.ReadWrite.All", "Alert.ReadWrite"),
    ("POST", "/api/alerts/CreateAlertByReference", "Alert.ReadWrite.All", "Alert.ReadWrite"),
    ("POST", "/api/advancedqueries/run", "AdvancedQuery.Read.All", "AdvancedQuery.Read"),
];

#[test]
fn each_endpoint_needs_its_permission() {
    let mut lab = Lab::new("");
    for (method, target, role, scope) in NEEDED {
        let none = lab.with(&bearer(&json!({ "aud": DEFENDER, "roles": ["Other.Role"] })), method, target);
        let (status, code, message) = refusal(&none);
        assert_eq!((status, code), (403, "Forbidden"), "{target}");
        assert!(message.starts_with("Missing application roles. API required roles: "), "{message}");
        assert!(message.contains(role) && message.ends_with(", application roles: Other.Role."), "{message}");
        for claims in [
            json!({ "aud": DEFENDER, "roles": ["Other.Role", role] }),
            json!({ "aud": DEFENDER, "scp": format!("Other {scope}") }),
        ] {
            assert_ne!(lab.with(&bearer(&claims), method, target).0, 403, "{target} {claims}");
        }
        assert_eq!(lab.with(&bearer(&json!({ "aud": DEFENDER, "scp": "Other" })), method, target).0, 403);
        assert_ne!(
            lab.with("Bearer sandbox-token", method, target).0,
            403,
            "an opaque token has all of them"
        );
    }
    assert!(lab.effects().is_empty());
}

/// As reported in Azure-Sentinel 13457.
#[test]
fn a_missing_role_is_told_in_the_words_of_the_service() {
    let mut lab = Lab::new("");
    let token = bearer(&json!({ "aud": DEFENDER, "roles": ["Machine.Isolate"] }));
    assert_eq!(
        refusal(&lab.with(&token, "GET", "/api/machines")),
        (
            403,
            "Forbidden",
            "Missing application roles. API required roles: Machine.Read.All,Machine.ReadWrite.All, application roles: Machine.Isolate."
        )
    );
    let nobody = bearer(&json!({ "aud": DEFENDER }));
    let (_, answer) = lab.with(&nobody, "POST", &format!("/api/machines/{MACHINE}/isolate"));
    assert_eq!(
        answer["error"]["message"],
        "Missing application roles. API required roles: Machine.Isolate, application roles: ."
    );
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let roles = ["Machine.Read.All", "AdvancedHunting.Read.All", "ThreatHunting.Read.All"];
    let asked = |lab: &mut Lab, audience: &Value, method: &str, target: &str| {
        lab.with(&bearer(&json!({ "aud": audience, "roles": roles })), method, target).0
    };
    let mut lab = Lab::new("machines: { list: [{ id: ab }] }");
    for (audience, machines, graph, xdr) in [
        (json!(DEFENDER), 200, 403, 403),
        (json!("https://API.securitycenter.windows.com/"), 200, 403, 403),
        (json!(["other", "fc780465-2017-40d4-a0c5-307022471b92"]), 200, 403, 403),
        (json!("https://graph.microsoft.com"), 403, 400, 403),
        (json!("https://api.security.microsoft.com"), 200, 403, 400),
        (json!("https://userrequestsgraphapi-prd.trafficmanager.net"), 403, 403, 403),
        (json!([]), 403, 403, 403),
    ] {
        assert_eq!(asked(&mut lab, &audience, "GET", "/api/machines"), machines, "{audience}");
        // An empty body is none of a query: it got past the token.
        let hunt = "/v1.0/security/runHuntingQuery";
        assert_eq!(asked(&mut lab, &audience, "POST", hunt), graph, "{audience}");
        assert_eq!(asked(&mut lab, &audience, "POST", "/api/advancedhunting/run"), xdr, "{audience}");
    }
}

#[test]
fn claims_do_not_count_where_the_scenario_says_so() {
    let mut lab = Lab::new("{ strict: false, machines: { list: [{ id: ab }] } }");
    let other = bearer(&json!({ "aud": "other", "exp": 1_767_225_601 }));
    assert_eq!(lab.with(&other, "GET", "/api/machines").0, 200);
    assert_eq!(lab.at(1.0).with(&other, "GET", "/api/machines").0, 401, "but its expiry does");
    lab.at(0.0).collected(MACHINE);
}

#[test]
fn what_a_scenario_lists_is_all_there_is() {
    for (scenario, status) in [
        ("", 201),
        ("machines: { list: [{ id: ab }] }", 404),
        ("machines: { strict: false, list: [{ id: ab }] }", 201),
        ("{ strict: false, machines: { list: [{ id: ab }] } }", 201),
        ("strict: true", 404),
        ("{ strict: true, machines: { strict: false } }", 201),
    ] {
        assert_eq!(Lab::new(scenario).collect(MACHINE).0, status, "{scenario}");
    }
    let everything = Scenario::from_yaml("machines: { strict: false }").unwrap().checked();
    assert_eq!((everything.strict, everything.machines.strict), (Some(true), None));
}

#[test]
fn an_alert_needs_an_event_that_a_query_finds() {
    let found = "hunting: [{ query: q, rows: [{ Timestamp: '2018-08-03T16:45:21.7115183Z', DeviceId: 1E5BC9D7E413DDD7902C2932E418702B84D0CC07, ReportId: 20776 }] }]";
    let other = found.replace("20776", "20777");
    let bare = "hunting: [{ query: q, rows: [{ FileName: cmd.exe }] }]";
    for (scenario, status) in [
        ("", 200),
        (found, 200),
        (other.as_str(), 404),
        (bare, 200),
        (&format!("strict: false\n{other}"), 200),
        (&format!("strict: true\n{bare}"), 404),
        (&format!("events: {{ only: [] }}\n{other}"), 404),
    ] {
        let with_machine = format!("{scenario}\nmachines: {{ strict: false }}\n");
        assert_eq!(Lab::new(&with_machine).alert(|_| ()).0, status, "{scenario}");
    }
}

#[test]
fn a_strict_world_without_a_scenario_holds_the_made_up_events_and_their_devices() {
    let mut lab = Lab::new("strict: true");
    let machines = lab.ids("/api/machines");
    assert_eq!(machines.len(), 2);
    assert_eq!(lab.alert(|_| ()).0, 404, "an event of nobody");
    let query = json!({ "Query": "DeviceProcessEvents | where FileName =~ \"powershell.exe\"" });
    let (_, found) = lab.call("POST", "/v1.0/security/runHuntingQuery", &query.to_string());
    let row = found["results"][0].clone();
    let create = |change: Value| {
        let row = row.clone();
        move |body: &mut Value| {
            body["machineId"] = row["DeviceId"].clone();
            body["eventTime"] = row["Timestamp"].clone();
            body["reportId"] = row["ReportId"].to_string().into();
            for (name, value) in change.as_object().unwrap() {
                body[name] = value.clone();
            }
        }
    };
    assert_eq!(lab.alert(create(json!({ "eventTime": "2026-03-01T09:15:42.183Z" }))).0, 404, "rounded");
    assert_eq!(lab.alert(create(json!({}))).0, 200);
}
