//! Lists that could not be read never look fine: exit 1, the reason once, nothing sent.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::case::{Case, service};

const MACHINE: &str = "fb9ab6be3965095a09c057be7c90f0a2";

fn package(name: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec: {{ machineId: \
         {MACHINE}, comment: INC-1 }}\n---\n"
    )
}

/// A service whose lists of machine actions and alerts fail like this.
fn failing(fault: &str) -> Case {
    let faults = ["listActions", "listAlerts"].map(|list| format!("{{ on: {list}, {fault} }}"));
    let case = Case::new(&format!("faults: [{}]", faults.join(", ")), "{}");
    case.write("manifests/a.yaml", &package("a"));
    case
}

fn lines_with<'a>(text: &'a str, part: &str) -> Vec<&'a str> {
    text.lines().filter(|l| l.contains(part)).collect()
}

/// What every refused read has in common; gives what is said on stderr.
#[track_caller]
fn refused(case: &Case, next: &str) -> String {
    let (out, err) = case.exits(1, &["plan"]);
    assert!(out.contains("This plan is not complete: 1 to create."), "{out}");
    assert!(out.contains("could not be read, so apply refuses: machine actions"), "{out}");
    assert!(!out.contains("Digest:"), "{out}");
    assert_eq!(lines_with(&err, "error: ").len(), 1, "{err}");
    let said = lines_with(&err, "next: ");
    assert!(said.len() == 1 && err.contains(next) && !err.contains("--fresh"), "{err}");
    // For programs and for pull requests as well.
    let (out, _) = case.exits(1, &["plan", "--format", "json", "--detailed-exitcode"]);
    let plan: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["unread"][0]["what"][0], "machine actions", "{plan}");
    assert_eq!(plan["warnings"][0]["code"], "not-looked");
    let (out, _) = case.exits(1, &["plan", "--format", "markdown"]);
    assert!(out.starts_with("### casefile plan, not complete: 1 to create\n"), "{out}");
    assert!(!out.contains("--expect"), "{out}");
    // A file that could be applied is not written.
    case.exits(1, &["plan", "--out", "plan.json"]);
    assert!(!case.path("plan.json").exists());
    for approval in [&["--auto-approve"][..], &["--expect", plan["digest"].as_str().unwrap()]] {
        let (_, err) = case.exits(1, &[&["apply"], approval].concat());
        assert!(err.contains(next) && !err.contains("--fresh"), "{err}");
    }
    let (_, err) = case.exits(1, &["apply", "--auto-approve", "--no-refresh"]);
    assert!(err.contains("the state is empty") && !err.contains("--fresh"), "{err}");
    assert!(case.effects().is_empty());
    err
}

#[test]
fn a_denial_names_its_cause_and_is_met_once() {
    for (status, next) in
        [(400, "plan -vv"), (401, "sign in anew"), (403, "Machine.Read.All"), (407, "HTTPS_PROXY")]
    {
        let case = failing(&format!("then: error, status: {status}"));
        let err = refused(&case, next);
        assert!(err.contains(&status.to_string()), "{err}");
    }
}

#[test]
fn with_a_state_too() {
    // The first look sees everything.
    let later: Vec<u32> = (2..60).collect();
    let denied = format!("{{ on: listActions, then: error, status: 403, nth: {later:?} }}");
    let case = Case::new(&format!("delays: {{ pending: 3600 }}\nfaults: [{denied}]"), "{}");
    case.write("manifests/a.yaml", &package("a"));
    case.exits(0, &["apply", "--auto-approve"]);
    case.write("manifests/b.yaml", &package("b").replace(MACHINE, &"ab".repeat(20)));
    let before = case.effects().len();
    case.exits(1, &["plan"]);
    case.exits(1, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), before);
    let (out, err) = case.exits(1, &["status"]);
    assert!(out.contains("not sent yet") && err.contains("Machine.Read.All"), "{out}{err}");
    case.exits(0, &["status", "--no-refresh"]);
    // Who says so sends without a look.
    case.exits(0, &["plan", "--no-refresh"]);
    case.exits(0, &["apply", "--auto-approve", "--no-refresh"]);
    assert_eq!(case.effects().len(), before + 1);
}

#[test]
fn a_service_that_says_when_is_asked_then() {
    let case = failing("then: error, status: 503, seconds: 7200");
    let err = refused(&case, "wait until 20");
    assert!(err.contains("503"), "{err}");
    let [actions] = case.asked(["listActions"]);
    let (_, err) = case.exits(1, &["plan"]);
    assert!(!err.contains("asks again"), "{err}");
    assert_eq!(case.asked(["listActions"]), [actions + 1], "a wait of hours is not slept through");
}

#[test]
fn the_reason_of_a_list_of_machines_is_told_once_and_at_no_manifest() {
    let case = Case::new("faults: [{ on: listMachines, then: error, status: 403 }]", "{}");
    let names: String = (0..40)
        .map(|n| {
            package(&format!("p{n}"))
                .replace(&format!("machineId: {MACHINE}"), &format!("machineName: ws-{n}"))
        })
        .collect();
    case.write("manifests/a.yaml", &names);
    for args in [&["plan"][..], &["apply", "--auto-approve"], &["seal"]] {
        let (out, err) = case.exits(1, args);
        assert!(!out.contains("a.yaml") && !err.contains("a.yaml"), "{out}{err}");
        assert_eq!(lines_with(&err, "403").len(), 1, "{err}");
        assert!(err.contains("Machine.Read.All"), "{err}");
    }
    assert_eq!(case.asked(["listMachines"]), [3], "once a command");
    assert!(case.effects().is_empty());
}

#[test]
fn a_wait_that_saw_nothing_is_no_wait_in_vain() {
    let later: Vec<u32> = (2..60).collect();
    for fault in [
        format!("{{ on: listActions, then: error, status: 503, nth: {later:?} }}"),
        format!("{{ on: listActions, then: delay, seconds: 60, nth: {later:?} }}"),
    ] {
        let case = Case::new(&format!("delays: {{ pending: 3600 }}\nfaults: [{fault}]"), "{}");
        case.write("manifests/a.yaml", &package("a"));
        let (_, err) = case.exits(1, &["apply", "--auto-approve", "--wait", "--timeout", "4s"]);
        assert!(err.contains("--timeout, 4 s"), "{err}");
        assert_eq!(case.effects().len(), 1);
    }
    // One that saw that it still runs says so.
    let case = Case::new("delays: { pending: 3600 }", "{}");
    case.write("manifests/a.yaml", &package("a"));
    case.exits(3, &["apply", "--auto-approve", "--wait", "--timeout", "4s"]);
}

#[test]
fn lists_for_a_reader_stay_optional() {
    let case = Case::new(
        "faults: [{ on: listMachines, then: error, status: 403 }, { on: findByTag, then: error, status: 403 }]",
        "{}",
    );
    case.write("manifests/a.yaml", &package("a"));
    case.exits(0, &["plan"]);
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 1);
}

/// An intent holds the service's time, and only answers tell it.
#[test]
fn a_service_that_never_tells_its_time_gets_no_call() {
    let case = Case::new("", "{}");
    case.write("manifests/a.yaml", &package("a"));
    let calls = Arc::new(AtomicU32::new(0));
    let called = calls.clone();
    // Its answers have no `Date`.
    let url = service(move |request| {
        if !request.starts_with("GET ") {
            called.fetch_add(1, Ordering::Relaxed);
        }
        (200, r#"{"value":[]}"#.to_owned())
    });
    let output = case.command(&url, &["apply", "--auto-approve", "--no-refresh"]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), calls.load(Ordering::Relaxed)), (Some(1), 0), "{err}");
    assert!(err.contains("no answer of the service has told its time"), "{err}");
    assert!(!case.read(".casefile/journal.jsonl").contains("\"intent\":"), "{err}");
}

#[test]
fn a_host_that_refuses_connections_is_told_soon() {
    let case = failing("then: error");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = case.command(&format!("http://{free}"), &["plan"]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert_eq!(lines_with(&err, "asks again").len(), 2, "each repetition is told: {err}");
    assert!(err.contains("check endpoint, network and proxy"), "{err}");
}

#[test]
fn what_cannot_get_better_is_not_asked_again() {
    let case = failing("then: error");
    // A port that speaks no TLS, and a token that no header can carry.
    let plain = case.sandbox.url.replace("http://", "https://");
    let mut bad_token = case.command(&case.sandbox.url, &["plan"]);
    bad_token.env("CASEFILE_ACCESS_TOKEN", "a\u{7f}token");
    for (mut command, next) in
        [(case.command(&plain, &["plan"]), "issuer (CA)"), (bad_token, "copy it again")]
    {
        let output = command.output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(!err.contains("asks again") && err.contains(next), "{err}");
    }
}

#[test]
fn a_list_without_end_is_an_error() {
    let case = failing("then: endless");
    let (_, err) = case.exits(1, &["plan"]);
    assert!(err.contains("a page that brings nothing new"), "{err}");
    assert!(case.asked(["listActions"])[0] <= 2);
}
