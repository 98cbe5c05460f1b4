//! The main job through real HTTP: the binary, and the simulated service as a separate process or a server
//! that only writes down what it gets.
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read the clock")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::IntoResponse;
use casefile::sandbox::{Clock, Scenario, ServeOptions, serve};
use serde_json::{Value, json};

#[path = "cli/sandbox.rs"]
mod sandbox;

use sandbox::{BIN, Sandbox};

const MACHINE: &str = "fb9ab6be3965095a09c057be7c90f0a2";
const PACKAGE: &str = "InvestigationPackage/documented-collection";

impl Sandbox {
    fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.url);
        let body =
            runtime().block_on(async { client().get(url).send().await.unwrap().bytes().await.unwrap() });
        serde_json::from_slice(&body).unwrap()
    }

    /// Calls that took effect, by the API's clients.
    fn effects(&self) -> usize {
        let world = self.get("/sandbox/world");
        let effects = world["effects"].as_array().unwrap_or_else(|| panic!("{world}"));
        effects.iter().filter(|e| e["by"] == "api").count()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// For servers that answer while the test waits for the binary.
fn runtime_threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A project with one package, and an alert if asked for.
fn project(dir: &Path, spec: &str, alert: bool) {
    std::fs::create_dir_all(dir.join("manifests")).unwrap();
    let file =
        format!("apiVersion: casefile/v1\nkind: Project\nmetadata: {{ name: t }}\nspec: {{ {spec} }}\n");
    std::fs::write(dir.join("casefile.yaml"), file).unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/documented/manifests");
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if alert || !text.contains("kind: Alert") {
            std::fs::write(dir.join("manifests").join(path.file_name().unwrap()), text).unwrap();
        }
    }
}

fn casefile(dir: &Path, url: &str, args: &[&str]) -> Output {
    let mut command = Command::new(BIN);
    command.arg("-C").arg(dir).args(args).stdin(Stdio::null());
    for name in ["CASEFILE_STATE_URL", "AZURE_CLIENT_SECRET", "RUST_LOG", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.env("CASEFILE_ENDPOINT", url).env("CASEFILE_ACCESS_TOKEN", "a-token").output().unwrap()
}

#[track_caller]
fn apply(dir: &Path, url: &str, more: &[&str]) -> (i32, Vec<Value>) {
    let args = [&["apply", "--auto-approve", "--format", "json"], more].concat();
    let output = casefile(dir, url, &args);
    let text = String::from_utf8(output.stdout).unwrap();
    let events =
        text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{l}: {e}"))).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("a-token"), "{errors}");
    (output.status.code().unwrap_or_else(|| panic!("{errors}")), events)
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|e| e["event"].as_str().unwrap()).collect()
}

fn state(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join(".casefile/state.json")).unwrap()).unwrap()
}

type Call = (Method, Uri, HeaderMap, String);

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<Call>>>);

/// Writes mutating calls down and answers like the documentation.
async fn write_down(
    Shared(written): Shared<Written>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let read = method == Method::GET;
    let body = String::from_utf8(body.to_vec()).unwrap();
    let sent: Value = serde_json::from_str(&body).unwrap_or_default();
    if !read {
        written.0.lock().unwrap().push((method, uri.clone(), headers, body));
    }
    let answer = if read {
        json!({ "value": [] })
    } else if uri.path().ends_with("collectInvestigationPackage") {
        json!({
            "id": "c9042f9b-8483-4526-87b5-35e4c2532223", "type": "CollectInvestigationPackage",
            "requestorComment": format!(" {}", sent["Comment"].as_str().unwrap()), "status": "Pending",
            "machineId": uri.path().split('/').nth(3), "requestor": "Analyst@contoso.com"
        })
    } else {
        json!({
            "id": "da637472900382838869_1364969609", "status": "New", "title": sent["title"],
            "machineId": sent["machineId"], "severity": sent["severity"], "category": sent["category"]
        })
    };
    axum::Json(answer)
}

#[test]
fn the_documented_requests_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), "", true);
    let written = Written::default();
    let server = runtime_threads();
    let listener = server.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(write_down).with_state(written.clone());
    server.spawn(async move { axum::serve(listener, app).await });
    let (code, events) = apply(dir.path(), &url, &[]);
    assert_eq!(code, 0, "{events:?}");

    let mut calls = written.0.lock().unwrap().clone();
    calls.sort_by_key(|(_, uri, _, _)| uri.path().to_owned());
    let [(alert, alert_uri, alert_headers, alert_body), (collect, uri, headers, body)] = &calls[..] else {
        panic!("{calls:?}")
    };
    assert_eq!(
        (collect.as_str(), uri.to_string()),
        ("POST", format!("/api/machines/{MACHINE}/collectInvestigationPackage"))
    );
    assert_eq!(body, r#"{"Comment":"Collect forensics due to alert 1234"}"#);
    assert_eq!(
        (alert.as_str(), alert_uri.to_string().as_str()),
        ("POST", "/api/alerts/CreateAlertByReference")
    );
    assert_eq!(
        alert_body,
        r#"{"machineId":"1e5bc9d7e413ddd7902c2932e418702b84d0cc07","severity":"Low","title":"example","description":"example alert","recommendedAction":"nothing","eventTime":"2018-08-03T16:45:21.7115183Z","reportId":"20776","category":"Exploit"}"#
    );
    for h in [headers, alert_headers] {
        assert_eq!(h["authorization"], "Bearer a-token");
        assert_eq!(h["content-type"], "application/json");
        assert_eq!(h["user-agent"], concat!("casefile/", env!("CARGO_PKG_VERSION")));
    }
    // The documentation's own sample, field for field.
    let documented: Value =
        serde_json::from_str(include_str!("responses/request-create-alert-docs.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(alert_body).unwrap(), documented);
}

#[test]
fn declare_plan_apply_apply_again() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start("delays: { pending: 0, running: 0 }");
    project(dir.path(), "", true);
    let plan = casefile(dir.path(), &sandbox.url, &["plan", "--format", "json", "--detailed-exitcode"]);
    assert_eq!(plan.status.code(), Some(2));
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(plan["summary"], json!({ "create": 2 }));
    assert!(!dir.path().join(".casefile").exists(), "plan writes nothing");

    // Another plan than the reviewed one is refused.
    let other = format!("sha256:{}", "0".repeat(64));
    let refused = casefile(dir.path(), &sandbox.url, &["apply", "--expect", &other]);
    assert_eq!(refused.status.code(), Some(4), "{}", String::from_utf8_lossy(&refused.stderr));
    assert_eq!(sandbox.effects(), 0);

    let digest = plan["digest"].as_str().unwrap();
    let applied = casefile(dir.path(), &sandbox.url, &["apply", "--expect", digest, "--wait"]);
    assert_eq!(applied.status.code(), Some(0), "{}", String::from_utf8_lossy(&applied.stderr));
    assert_eq!(sandbox.effects(), 2);

    let (code, events) = apply(dir.path(), &sandbox.url, &["--wait"]);
    assert_eq!((code, names(&events)), (0, vec!["planned", "summary"]));
    assert_eq!(sandbox.effects(), 2, "a second apply sends nothing");
    let status = casefile(dir.path(), &sandbox.url, &["status", "--format", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["resources"][PACKAGE]["phase"], "Succeeded");
}

#[test]
fn a_running_collection_is_adopted_in_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let scenario =
        format!("foreign: [{{ machine: {MACHINE}, comment: an analyst's, age: 60, remaining: 3600 }}]");
    let sandbox = Sandbox::start(&scenario);
    project(dir.path(), "", false);
    let (code, events) = apply(dir.path(), &sandbox.url, &[]);
    assert_eq!(code, 0, "{events:?}");
    assert_eq!(names(&events), ["planned", "intent", "busy", "adopted", "summary"]);
    let resource = &state(dir.path())["resources"][PACKAGE];
    assert_eq!((&resource["phase"], &resource["origin"]), (&json!("InProgress"), &json!("adopted")));
    let (code, events) = apply(dir.path(), &sandbox.url, &[]);
    assert_eq!((code, names(&events)), (0, vec!["planned", "summary"]));
}

#[test]
fn a_running_collection_that_no_list_shows_yet_is_adopted_later() {
    let server = runtime_threads();
    let sandbox = server
        .block_on(serve(ServeOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            world_file: None,
            scenario: Some(Scenario::from_yaml("delays: { listLag: 600, pending: 7200 }").unwrap()),
            effects: None,
            clock: Clock::Virtual(jiff::Timestamp::now()),
        }))
        .unwrap();
    let url = format!("http://{}", sandbox.addr());
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(first.path(), "", false);
    project(second.path(), "", false);
    let manifest = first.path().join("manifests/collect-investigation-package.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("due to alert 1234", "for somebody else")).unwrap();
    assert_eq!(apply(first.path(), &url, &[]).0, 0);
    // Somebody else's collection runs, and the list does not show it for ten minutes.
    let (code, events) = apply(second.path(), &url, &[]);
    assert_eq!((code, names(&events)), (0, vec!["planned", "intent", "busy", "summary"]));
    assert_eq!(state(second.path())["resources"][PACKAGE]["phase"], "Pending");
    server.block_on(async {
        let request =
            client().post(format!("{url}/sandbox/advance")).header("content-type", "application/json");
        assert!(request.body(r#"{"seconds":600}"#).send().await.unwrap().status().is_success());
    });
    let (code, events) = apply(second.path(), &url, &[]);
    assert_eq!((code, names(&events)), (0, vec!["planned", "adopted", "summary"]));
    assert_eq!(state(second.path())["resources"][PACKAGE]["origin"], "adopted");
    server.block_on(sandbox.shutdown()).unwrap();
}

#[test]
fn without_an_approval_nothing_is_even_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), "", true);
    // A port that nobody listens on: any call would fail loudly.
    let output = casefile(dir.path(), "http://127.0.0.1:9", &["apply"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("approval"));
    assert!(!dir.path().join(".casefile").exists());
}

#[test]
fn over_the_limits_is_planned_but_not_applied() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start("{}");
    project(dir.path(), "limits: { newAlerts: 0 }", true);
    let plan = casefile(dir.path(), &sandbox.url, &["plan"]);
    assert_eq!(plan.status.code(), Some(0));
    let (code, _) = apply(dir.path(), &sandbox.url, &[]);
    assert_eq!((code, sandbox.effects()), (4, 0));
    let (code, _) = apply(dir.path(), &sandbox.url, &["--allow-over-limits"]);
    assert_eq!((code, sandbox.effects()), (0, 2));
}

#[test]
fn a_lost_state_is_not_taken_for_a_new_project() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start("{}");
    project(dir.path(), "", true);
    assert_eq!(apply(dir.path(), &sandbox.url, &[]).0, 0);
    std::fs::remove_dir_all(dir.path().join(".casefile")).unwrap();
    let (code, _) = apply(dir.path(), &sandbox.url, &["--no-refresh"]);
    assert_eq!((code, sandbox.effects()), (4, 2));
}

#[test]
fn another_tenant_s_or_endpoint_s_state_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start("{}");
    project(dir.path(), "", false);
    assert_eq!(apply(dir.path(), &sandbox.url, &[]).0, 0);
    let second = Sandbox::start("{}");
    let (code, _) = apply(dir.path(), &second.url, &[]);
    assert_eq!((code, second.effects()), (4, 0));
}

#[test]
fn one_refusal_does_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = format!(
        "machines: {{ strict: false, list: [{{ id: {MACHINE}, name: old, collection: osNotSupported }}] }}"
    );
    let sandbox = Sandbox::start(&scenario);
    project(dir.path(), "", true);
    let (code, events) = apply(dir.path(), &sandbox.url, &[]);
    assert_eq!((code, sandbox.effects()), (1, 1));
    let rejected = events.iter().find(|e| e["event"] == "rejected").unwrap();
    assert_eq!(rejected["error"]["code"], "OsPlatformNotSupported");
    // It is known now: not asked again, and no failure of later runs.
    let (code, events) = apply(dir.path(), &sandbox.url, &[]);
    assert_eq!((code, names(&events)), (0, vec!["planned", "summary"]));
    assert_eq!(apply(dir.path(), &sandbox.url, &["--strict"]).0, 1);
}

#[test]
fn an_unknown_outcome_is_looked_up_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start("faults: [{ on: collect, nth: [1], then: lost }]");
    project(dir.path(), "recovery: { settle: 1s }", false);
    let (code, events) = apply(dir.path(), &sandbox.url, &[]);
    assert_eq!(code, 0, "{events:?}");
    assert_eq!(names(&events), ["planned", "intent", "unknown", "adopted", "summary"]);
    assert_eq!(sandbox.effects(), 1);
    assert_eq!(state(dir.path())["resources"][PACKAGE]["origin"], "made");
}

#[test]
fn an_unknown_outcome_without_effect_is_sent_again_once() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start("faults: [{ on: collect, nth: [1], then: error, status: 503 }]");
    project(dir.path(), "recovery: { settle: 1s }", false);
    let (code, events) = apply(dir.path(), &sandbox.url, &[]);
    assert_eq!(code, 0, "{events:?}");
    assert_eq!(names(&events), ["planned", "intent", "unknown", "intent", "accepted", "summary"]);
    assert_eq!(sandbox.effects(), 1);
}

#[test]
fn a_throttled_call_waits_and_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start("faults: [{ on: collect, nth: [1], then: throttled, seconds: 1 }]");
    project(dir.path(), "", false);
    let (code, events) = apply(dir.path(), &sandbox.url, &[]);
    assert_eq!(code, 0, "{events:?}");
    assert_eq!(names(&events), ["planned", "intent", "throttled", "intent", "accepted", "summary"]);
    assert_eq!(sandbox.effects(), 1);
}

#[test]
fn triage_onremove_and_a_rename_through_the_wire() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start("delays: { pending: 3600 }");
    project(dir.path(), "", true);
    let manifests = dir.path().join("manifests");
    let edit = |from: &str, to: &str| {
        for entry in std::fs::read_dir(&manifests).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace(from, to)).unwrap();
        }
    };
    edit("  category: Exploit", "  category: Exploit\n  triage: { status: InProgress }");
    edit("spec:\n  machineId: fb9", "lifecycle: { onRemove: Cancel }\nspec:\n  machineId: fb9");
    let (code, events) = apply(dir.path(), &sandbox.url, &[]);
    let accepted = names(&events).into_iter().filter(|name| *name == "accepted").count();
    assert_eq!((code, accepted), (0, 3), "a package, an alert and its triage: {events:?}");
    assert_eq!(names(&apply(dir.path(), &sandbox.url, &[]).1), ["planned", "summary"]);
    edit("name: documented-collection\n", "name: renamed\n");
    let (code, events) = apply(dir.path(), &sandbox.url, &[]);
    assert_eq!((code, names(&events)), (0, vec!["planned", "summary"]), "{events:?}");
    assert_eq!(events[0]["summary"]["move"], 1);
    for entry in std::fs::read_dir(&manifests).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if text.contains("InvestigationPackage") {
            std::fs::remove_file(&path).unwrap();
        }
    }
    let (code, events) = apply(dir.path(), &sandbox.url, &[]);
    assert_eq!(code, 0);
    assert_eq!(events[0]["summary"]["cancel"], 1, "{events:?}");
    assert_eq!(state(dir.path())["resources"]["InvestigationPackage/renamed"]["phase"], "Released");
}

/// A package of the second documented machine.
const MORE: &str = "InvestigationPackage/more";

fn more(dir: &Path) {
    let text = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: more }\n\
                spec: { machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, comment: \"R&D \\\"one\\\"\" }\n";
    std::fs::write(dir.join("manifests/more.yaml"), text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn plan(dir: &Path, url: &str, more: &[&str]) -> (i32, Value) {
    let output = casefile(dir, url, &[&["plan", "--format", "json"], more].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let plan = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {text}"));
    (output.status.code().unwrap(), plan)
}

fn row<'p>(plan: &'p Value, address: &str) -> &'p Value {
    plan["changes"].as_array().unwrap().iter().find(|c| c["address"] == address).unwrap()
}

#[test]
fn a_state_that_is_older_than_the_service_sends_nothing_again() {
    let (dir, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (dir, older) = (dir.path(), older.path());
    let sandbox = Sandbox::start("delays: { pending: 0, running: 0 }");
    project(dir, "", false);
    assert_eq!(apply(dir, &sandbox.url, &["--wait"]).0, 0);
    let folder = dir.join(".casefile");
    copy(&folder, older);
    // On this branch a package and an alert are new, planned and saved.
    project(dir, "", true);
    more(dir);
    let saved = casefile(dir, &sandbox.url, &["plan", "--out", "plan.json"]);
    assert_eq!(saved.status.code(), Some(0));
    // Another branch applies them, and commits its state there.
    assert_eq!(apply(dir, &sandbox.url, &["--wait"]).0, 0);
    assert_eq!(sandbox.effects(), 3);
    let made = state(dir)["resources"][MORE]["id"].as_str().unwrap().to_owned();
    copy(older, &folder);

    let (code, planned) = plan(dir, &sandbox.url, &[]);
    assert_eq!((code, &planned["summary"]["unresolved"]), (1, &json!(2)), "{planned}");
    let there = row(&planned, MORE);
    assert_eq!(there["reasonCode"], "already-there");
    assert_eq!(there["lookAlikes"], json!([made]));
    let reason = there["reason"].as_str().unwrap();
    assert!(reason.contains(&made) && reason.contains(" by "), "{reason}");
    let (code, _) = apply(dir, &sandbox.url, &[]);
    assert_eq!((code, sandbox.effects()), (1, 3));
    let told = casefile(dir, &sandbox.url, &["plan"]);
    // Lines are wrapped at 80 columns, commands with a backslash.
    let told = String::from_utf8(told.stdout).unwrap().replace(" \\\n", " ");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&format!("casefile import {MORE} {made}")), "{told}");
    assert!(told.contains(&format!("casefile apply --replace {MORE}")), "{told}");

    // The saved plan knew nothing of them.
    copy(older, &folder);
    let refused = casefile(dir, &sandbox.url, &["apply", "plan.json"]);
    let why = String::from_utf8_lossy(&refused.stderr);
    assert_eq!((refused.status.code(), sandbox.effects()), (Some(4), 3), "{why}");
    assert!(why.contains(&made), "{why}");

    // Who does not look is told so, and nothing else.
    let (code, unlooked) = plan(dir, &sandbox.url, &["--no-refresh"]);
    assert_eq!((code, &unlooked["summary"]["create"]), (0, &json!(2)));
    assert_eq!(unlooked["warnings"][0]["code"], "not-compared", "{unlooked}");

    // An approval to ask again is one for what the plan names.
    let (code, again) = plan(dir, &sandbox.url, &["--replace", MORE]);
    assert_eq!((code, row(&again, MORE)["action"].as_str().unwrap()), (1, "replace"));
    assert_eq!(row(&again, MORE)["lookAlikes"], json!([made]));
    let digest = again["digest"].as_str().unwrap();
    let create = row(&unlooked, MORE)["request"].clone();
    assert_eq!(row(&again, MORE)["request"], create, "the same call");
    let applied = casefile(dir, &sandbox.url, &["apply", "--replace", MORE, "--expect", digest, "--wait"]);
    assert_eq!((applied.status.code(), sandbox.effects()), (Some(1), 4), "the alert still waits");
    copy(older, &folder);
    let applied = casefile(dir, &sandbox.url, &["apply", "--replace", MORE, "--expect", digest]);
    assert_eq!((applied.status.code(), sandbox.effects()), (Some(4), 4), "there is another one by now");

    // Taking them over ends it.
    let alert = row(&planned, "Alert/documented-alert");
    let id = alert["lookAlikes"][0].as_str().unwrap();
    assert_eq!(casefile(dir, &sandbox.url, &["import", MORE, &made]).status.code(), Some(0));
    assert_eq!(casefile(dir, &sandbox.url, &["import", "Alert/documented-alert", id]).status.code(), Some(0));
    let (code, events) = apply(dir, &sandbox.url, &[]);
    assert_eq!((code, names(&events), sandbox.effects()), (0, vec!["planned", "summary"], 4));
}

/// Serves empty lists and one answer to every call that creates; counts the calls.
fn answering(answer: Value) -> (tokio::runtime::Runtime, String, Arc<Mutex<usize>>) {
    let calls = Arc::new(Mutex::new(0));
    let server = runtime_threads();
    let listener = server.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counted = calls.clone();
    let app = Router::new().fallback(move |method: Method, uri: Uri| {
        let (answer, counted) = (answer.clone(), counted.clone());
        async move {
            if method == Method::GET && uri.path().contains("/machineactions/") {
                return (axum::http::StatusCode::OK, axum::Json(answer));
            }
            if method == Method::GET {
                return (axum::http::StatusCode::OK, axum::Json(json!({ "value": [] })));
            }
            *counted.lock().unwrap() += 1;
            (axum::http::StatusCode::CREATED, axum::Json(answer))
        }
    });
    server.spawn(async move { axum::serve(listener, app).await });
    (server, url, calls)
}

#[test]
fn a_201_that_names_another_object_is_recorded_and_not_repeated() {
    let of = |machine: Value, more: Value| {
        let mut answer = json!({
            "id": "c9042f9b", "type": "CollectInvestigationPackage", "status": "Pending", "machineId": machine,
            "requestorComment": "another's", "requestor": "ann@contoso.com"
        });
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer
    };
    let old = json!({ "creationDateTimeUtc": "2020-01-01T00:00:00Z" });
    let done = json!({ "creationDateTimeUtc": "2020-01-01T00:00:00Z", "status": "Succeeded" });
    let comment = json!({ "requestorComment": "Collect forensics due to alert 1234" });
    for (answer, code, ends, calls) in [
        (of(json!("0".repeat(40)), json!({})), 1, "unknown", 1),
        (of(json!(MACHINE), json!({ "type": "Isolate" })), 1, "unknown", 1),
        (of(json!(MACHINE), done), 1, "unknown", 1),
        // Still runs: asked for again once by the next run, as with any busy machine.
        (of(json!(MACHINE), old), 0, "busy", 2),
        // No machine is an unknown one, not another.
        (of(Value::Null, comment), 0, "accepted", 1),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (_server, url, counted) = answering(answer.clone());
        project(dir.path(), "recovery: { settle: 1s }", false);
        let (first, events) = apply(dir.path(), &url, &[]);
        assert_eq!((first, names(&events)), (code, vec!["planned", "intent", ends, "summary"]), "{answer}");
        let (second, _) = apply(dir.path(), &url, &[]);
        assert_eq!((second, *counted.lock().unwrap()), (code, calls), "{answer}");
        // What was answered, and nothing that was not.
        let journal = std::fs::read_to_string(dir.path().join(".casefile/journal.jsonl")).unwrap();
        assert!(journal.contains("c9042f9b") && !journal.contains("ActiveRequestAlreadyExists"), "{journal}");
        assert!(ends == "accepted" || journal.contains("201"), "{journal}");
        if ends == "unknown" {
            let (code, planned) = plan(dir.path(), &url, &[]);
            let row = row(&planned, PACKAGE);
            assert_eq!(
                (code, &row["action"], &row["reasonCode"]),
                (1, &json!("unresolved"), &json!("answered-otherwise"))
            );
            assert!(row["reason"].as_str().unwrap().contains("c9042f9b"), "{row}");
        }
    }
}
