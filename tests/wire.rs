//! Every example of the service's answers goes through the wire types.

use std::collections::BTreeSet;
use std::path::Path;

use casefile::defender::{Answer, ApiError, HttpAnswer, PackageLink, Page, classify, object};
use casefile::model::{
    ActionStatus, Alert, Call, CreateAlert, Machine, MachineAction, Method, Mutation, RefusalCause, Request,
    Triage, required_permissions,
};

/// The files that a test below reads, so that none lies about unread.
const READ: [&str; 37] = [
    "alert-get-docs.json",
    "alert-patch-2018-docs.json",
    "alert-patched-rapid7.json",
    "alerts-list-docs.json",
    "error-400-active-request.json",
    "error-400-hunting-syntax.json",
    "error-400-invalid-request-body-docs.json",
    "error-400-machineaction-bad-guid.json",
    "error-401-account-mode.json",
    "error-401-expired.json",
    "error-401-no-tvm-license.json",
    "error-403-disabled-feature.json",
    "error-403-disallowed-operation.json",
    "error-403-missing-roles.json",
    "error-403-no-reason.json",
    "error-404-no-related-user.json",
    "error-404-resource-not-found-docs.json",
    "error-429-empty-target.json",
    "graph-hunting-docs.json",
    "hunting-empty-with-stats.json",
    "hunting-run-docs.json",
    "hunting-run-stats-rapid7.json",
    "machine-get-docs.json",
    "machine-get-undocumented-fields.json",
    "machineaction-collect-201-docs-2019.json",
    "machineaction-collect-rapid7-2021.json",
    "machineaction-get-isolate-docs.json",
    "machineaction-live-response-docs.json",
    "machineaction-quarantine-rapid7.json",
    "machineactions-list-docs.json",
    "machines-list-docs.json",
    "machines-list-rapid7.json",
    "package-uri-docs.json",
    "raw-405-collect-with-get.json",
    "request-create-alert-docs.json",
    "request-patch-alert-docs.json",
    "token-v2-docs.json",
];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/responses")
}

fn bytes(name: &str) -> Vec<u8> {
    assert!(READ.contains(&name), "{name} is not in the list");
    std::fs::read(folder().join(name)).unwrap()
}

fn action(name: &str) -> MachineAction {
    object(&bytes(name)).unwrap()
}

fn alert(name: &str) -> Alert {
    object(&bytes(name)).unwrap()
}

fn error(status: u16, name: &str) -> ApiError {
    ApiError::of(&HttpAnswer::new(status, bytes(name)))
}

fn time(t: &Option<casefile::model::Timestamp>) -> String {
    t.as_ref().map_or("-".into(), ToString::to_string)
}

fn collect(machine: &str, comment: &str) -> Request {
    Call::collect(machine.parse().unwrap(), comment).request()
}

#[test]
fn every_file_is_read_and_has_a_licence() {
    let there: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.ends_with(".json"))
        .collect();
    assert_eq!(there, READ.iter().map(|n| (*n).to_owned()).collect());
    let table = std::fs::read_to_string(folder().join("README.md")).unwrap();
    for name in READ {
        let row = table.lines().find(|l| l.starts_with(&format!("| `{name}` |"))).expect(name);
        let licence = row.split('|').nth(4).unwrap().trim();
        assert!(["MS docs", "MIT", "own"].contains(&licence), "{name}: {licence}");
    }
}

#[test]
fn collections() {
    let old = action("machineaction-collect-201-docs-2019.json");
    assert_eq!(old.id, "c9042f9b-8483-4526-87b5-35e4c2532223");
    assert!(old.is_collection());
    assert_eq!(old.status, ActionStatus::InProgress);
    assert_eq!(old.requestor_comment.as_deref(), Some(" Collect forensics due to alert 1234"));
    assert_eq!(time(&old.creation_date_time_utc), "2018-12-04T12:09:24.1785079Z");
    assert_eq!(time(&old.last_update_date_time_utc), "2018-12-04T12:09:24.1785079Z");
    assert_eq!(old.request_source, None);

    let new = action("machineaction-collect-rapid7-2021.json");
    assert_eq!(new.status, ActionStatus::Pending);
    assert_eq!(new.requestor.as_deref(), Some("b6e46392-61b9-48c0-ada3-63e3cd30d95b"));
    assert_eq!(new.request_source.as_deref(), Some("PublicApi"));
    assert_eq!(new.computer_dns_name.as_deref(), Some("msedgewin10"));
    assert_eq!(time(&new.last_update_date_time_utc), "2021-02-25T13:53:29.1889041Z");
    assert_eq!(new.cancellation_requestor, None);
}

#[test]
fn a_collection_is_accepted_for_its_own_machine_only() {
    let body = bytes("machineaction-collect-rapid7-2021.json");
    let answer = |machine: &str| classify(&collect(machine, "x"), &Ok(HttpAnswer::new(201, body.clone())));
    assert!(matches!(answer("8de370ca0e0e58ff2c2513bbc16f632ffa6e6024"), Answer::Accepted { .. }));
    assert!(matches!(answer("1111111111111111111111111111111111111111"), Answer::Unknown { .. }));
}

#[test]
fn other_actions() {
    let isolate = action("machineaction-get-isolate-docs.json");
    assert_eq!((isolate.action_type.as_str(), isolate.is_collection()), ("Isolate", false));
    assert_eq!(isolate.status, ActionStatus::Succeeded);
    assert_eq!(time(&isolate.last_update_date_time_utc), "2019-01-02T14:40:44.6596267Z");

    let live = action("machineaction-live-response-docs.json");
    assert_eq!(live.action_type, "LiveResponse");
    assert_eq!(live.machine_id.as_deref(), Some("{machine_id}"));
    assert_eq!(live.requestor_comment.as_deref(), Some("Testing Live Response API"));

    let quarantine = action("machineaction-quarantine-rapid7.json");
    assert_eq!(quarantine.id, "action-quarantine-123");
    assert_eq!(quarantine.machine_id.as_deref(), Some("1234"));
    assert_eq!(time(&quarantine.creation_date_time_utc), "2021-01-01T00:00:00Z");
}

#[test]
fn a_list_of_actions() {
    let page = Page::<MachineAction>::read(&bytes("machineactions-list-docs.json")).unwrap();
    assert_eq!((page.entries.len(), page.odd, page.next_link), (3, 0, None));
    let types: Vec<&str> = page.entries.iter().map(|a| a.action_type.as_str()).collect();
    assert_eq!(types, ["CollectInvestigationPackage", "RunAntiVirusScan", "StopAndQuarantineFile"]);
    let updated: Vec<String> = page.entries.iter().map(|a| time(&a.last_update_date_time_utc)).collect();
    assert_eq!(
        updated,
        ["2018-12-04T12:45:25.4049122Z", "2018-12-04T12:18:57.5511934Z", "2018-12-04T12:16:14.2899973Z"]
    );
    assert!(page.entries.iter().all(|a| a.status == ActionStatus::Succeeded));
}

#[test]
fn alerts() {
    let a = alert("alert-get-docs.json");
    assert_eq!(a.id, "da637472900382838869_1364969609");
    assert_eq!((a.status.as_deref(), a.severity.as_deref()), (Some("New"), Some("Low")));
    assert_eq!((&a.classification, &a.assigned_to), (&None, &None));
    assert_eq!(a.title.as_deref(), Some("Low-reputation arbitrary code executed by signed executable"));
    assert_eq!(time(&a.last_update_time), "2021-01-26T20:33:59.2Z");
    assert_eq!(time(&a.first_event_time), "2021-01-26T20:31:32.9562661Z");
    assert_eq!(a.comments.len(), 1);
    assert_eq!(a.comments[0].comment.as_deref(), Some("test comment for docs"));
    assert_eq!(a.comments[0].created_by.as_deref(), Some("secop123@contoso.com"));
    assert_eq!(time(&a.comments[0].created_time), "2021-01-26T01:00:37.8404534Z");
    assert!(a.is_open());

    let old = alert("alert-patch-2018-docs.json");
    assert_eq!(old.id, "121688558380765161_2136280442");
    assert_eq!(old.determination.as_deref(), Some("Malware"));
    assert_eq!(time(&old.last_event_time), "2018-11-26T16:18:01.809871Z");
    assert!(old.comments.is_empty());

    let patched = alert("alert-patched-rapid7.json");
    assert_eq!(patched.severity.as_deref(), Some("Informational"));
    assert_eq!(patched.classification.as_deref(), Some("FalsePositive"));
    assert_eq!(patched.machine_id.as_deref(), Some("2df36d707c1ee508xyFf77f3dbfc95db65bc4a73"));
    assert!(!patched.is_open());
}

#[test]
fn a_list_of_alerts() {
    let page = Page::<Alert>::read(&bytes("alerts-list-docs.json")).unwrap();
    let ids: Vec<&str> = page.entries.iter().map(|a| a.id.as_str()).collect();
    assert_eq!(ids, ["da637308392288907382_-880718168", "da637472900382838869_1364969609"]);
    assert_eq!(page.odd, 0);
    assert_eq!(page.entries[0].category.as_deref(), Some("SuspiciousActivity"));
    assert_eq!(page.entries[0].detection_source.as_deref(), Some("WindowsDefenderAv"));
    assert_eq!(time(&page.entries[0].last_update_time), "2020-07-20T10:53:50.19Z");
}

#[test]
fn machines() {
    let m: Machine = object(&bytes("machine-get-docs.json")).unwrap();
    assert_eq!(m.id, "1e5bc9d7e413ddd7902c2932e418702b84d0cc07");
    assert_eq!(m.computer_dns_name.as_deref(), Some("mymachine1.contoso.com"));
    assert_eq!(m.machine_tags, ["test tag 1", "test tag 2"]);
    assert_eq!(time(&m.last_seen), "2018-08-02T14:55:03.7791856Z");

    let m: Machine = object(&bytes("machine-get-undocumented-fields.json")).unwrap();
    assert_eq!(m.onboarding_status.as_deref(), Some("Onboarded"));
    assert_eq!(m.agent_version.as_deref(), Some("10.8470.22631.3007"));
    assert_eq!(time(&m.last_seen), "2024-05-04T17:40:05.684607Z");
    assert_eq!(m.merged_into_machine_id, None);

    let docs = Page::<Machine>::read(&bytes("machines-list-docs.json")).unwrap();
    assert_eq!(docs.entries[0].machine_tags, ["Tag1", "Tag2"]);
    assert_eq!(time(&docs.entries[0].last_seen), "2021-01-25T07:27:36.052313Z");
    let rapid7 = Page::<Machine>::read(&bytes("machines-list-rapid7.json")).unwrap();
    let names: Vec<_> = rapid7.entries.iter().filter_map(|m| m.computer_dns_name.as_deref()).collect();
    assert_eq!(names, ["desktop-win10", "laptop-win10"]);
}

#[test]
fn the_package_link_loses_its_quotes() {
    let link = PackageLink::read(&bytes("package-uri-docs.json")).unwrap();
    assert_eq!(link.url().host_str(), Some("userrequests-us.securitycenter.windows.com"));
    assert_eq!(link.url().path(), "/safedownload/WDATP_Investigation_Package.zip");
    assert!(link.url().query().unwrap().ends_with("%3d"));
    assert!(!format!("{link:?}").contains("token"));
}

#[test]
fn errors() {
    let busy = error(400, "error-400-active-request.json");
    assert!(busy.is_busy());
    assert_eq!(busy.code, "ActiveRequestAlreadyExists");

    let guid = error(400, "error-400-machineaction-bad-guid.json");
    assert_eq!(guid.code, "BadRequest");
    assert_eq!(guid.target.as_deref(), Some("|0a1b2c3d-4e5f60718293a4b5."));
    assert!(!guid.is_busy());

    let body = error(400, "error-400-invalid-request-body-docs.json");
    assert_eq!(body.to_string(), "400 InvalidRequestBody: Request body is incorrect");
    let syntax = error(400, "error-400-hunting-syntax.json");
    assert_eq!((syntax.code.as_str(), syntax.is_busy()), ("BadRequest", false));

    let machine = error(404, "error-404-resource-not-found-docs.json");
    assert_eq!(machine.message, "Machine 123123123 was not found");
    assert_eq!(machine.status, 404);
    let user = error(404, "error-404-no-related-user.json");
    assert_eq!(user.target.as_deref(), Some("|22334455-66778899aabbccdd."));

    let throttled = error(429, "error-429-empty-target.json");
    assert_eq!(throttled.status, 429);
    assert_eq!((throttled.code.as_str(), throttled.target), ("TooManyRequests", None));
}

#[test]
fn a_refusal_names_its_cause() {
    use RefusalCause::*;
    for (status, file, cause) in [
        (401, "error-401-expired.json", Some(SignIn)),
        (401, "error-401-account-mode.json", Some(Licence)),
        (401, "error-401-no-tvm-license.json", Some(Licence)),
        (403, "error-403-missing-roles.json", Some(Permission)),
        (403, "error-403-disabled-feature.json", Some(FeatureOff)),
        (403, "error-403-disallowed-operation.json", Some(FeatureOff)),
        (403, "error-403-no-reason.json", Some(Device)),
        (404, "error-404-resource-not-found-docs.json", Some(NotFound)),
        (404, "error-404-no-related-user.json", Some(NotFound)),
        (400, "error-400-active-request.json", None),
        (400, "error-400-invalid-request-body-docs.json", None),
        (400, "error-400-machineaction-bad-guid.json", None),
        (429, "error-429-empty-target.json", None),
    ] {
        let error = error(status, file);
        assert_eq!(error.cause(), cause, "{file}");
        // Only a denial that is about the kind of call as a whole ends all such calls of a run.
        let ends = cause.is_some_and(RefusalCause::is_of_kind);
        assert_eq!(error.denies_kind(), ends, "{file}");
        assert_eq!(error.support_id().is_some(), status != 429, "{file}");
    }
    let missing = error(403, "error-403-missing-roles.json");
    assert_eq!(required_permissions(&missing.message), ["Machine.Isolate"]);
    // The code of a high-value device's refusal is not known: 403, or 400 with a code that is in no table.
    for (status, cause) in [(400, Some(Device)), (403, Some(Device)), (500, None)] {
        let body = r#"{"error":{"code":"SelectiveResponse","message":"m","target":"t"}}"#;
        let error = ApiError::of(&HttpAnswer::new(status, body));
        assert_eq!((error.cause(), error.denies_kind()), (cause, false), "{status}");
    }
}

#[test]
fn an_empty_405_is_a_refusal() {
    let raw: serde_json::Value = serde_json::from_slice(&bytes("raw-405-collect-with-get.json")).unwrap();
    let status = u16::try_from(raw["status_code"].as_u64().unwrap()).unwrap();
    let answer = HttpAnswer::new(status, raw["response_text"].as_str().unwrap());
    let request = collect("fb9ab6be3965095a09c057be7c90f0a2", "x");
    let Answer::Rejected(error) = classify(&request, &Ok(answer)) else { panic!("not a refusal") };
    assert_eq!((error.status, error.code.as_str(), error.message.as_str()), (405, "", ""));
}

#[test]
fn documented_requests_are_ours() {
    let alert: CreateAlert = serde_json::from_slice(&bytes("request-create-alert-docs.json")).unwrap();
    assert_eq!(alert.event_time.to_string(), "2018-08-03T16:45:21.7115183Z");
    let sent: serde_json::Value = serde_json::from_str(Call::Alert(alert).request().body.as_str()).unwrap();
    let documented: serde_json::Value =
        serde_json::from_slice(&bytes("request-create-alert-docs.json")).unwrap();
    assert_eq!(sent, documented);

    let triage = Triage {
        status: Some("Resolved".into()),
        assigned_to: Some("secop2@contoso.com".into()),
        classification: Some("FalsePositive".into()),
        determination: Some("Malware".into()),
        comment: Some("Resolve my alert and assign to secop2".into()),
        mode: Default::default(),
    };
    let sent = Mutation::Update { alert_id: "da1".into(), update: Box::new(triage) }.request();
    assert_eq!((sent.method, &*sent.path), (Method::Patch, "/api/alerts/da1"));
    let sent: serde_json::Value = serde_json::from_str(sent.body.as_str()).unwrap();
    let documented: serde_json::Value =
        serde_json::from_slice(&bytes("request-patch-alert-docs.json")).unwrap();
    assert_eq!(sent, documented);
}

#[test]
fn answers_of_other_endpoints_are_no_objects_of_ours() {
    for name in [
        "hunting-run-docs.json",
        "hunting-run-stats-rapid7.json",
        "hunting-empty-with-stats.json",
        "graph-hunting-docs.json",
        "token-v2-docs.json",
    ] {
        assert!(object::<MachineAction>(&bytes(name)).is_err(), "{name}");
        assert!(Page::<MachineAction>::read(&bytes(name)).is_err(), "{name}");
        let request = collect("fb9ab6be3965095a09c057be7c90f0a2", "x");
        let answer = classify(&request, &Ok(HttpAnswer::new(200, bytes(name))));
        assert!(matches!(answer, Answer::Unknown { .. }), "{name}");
    }
}
