//! Surgery by hand, from the command line: the real binary, over HTTP against the simulated service.

#![allow(clippy::disallowed_methods, reason = "sets up folders of its own, and damages them")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use casefile::sandbox::{Clock, Scenario, ServeOptions, Server, serve};
use serde_json::{Value, json};

const WS: &str = "fb9ab6be3965095a09c057be7c90f0a2";
const DC: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
const PACKAGE: &str = "InvestigationPackage/ws";
const ALERT: &str = "Alert/dc-exploit";

/// A project beside a simulated service.
struct Bench {
    dir: tempfile::TempDir,
    server: Server,
}

/// What a command did.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
    #[track_caller]
    fn says(self, text: &str) -> Self {
        // Lines are wrapped at 80 columns, commands with a backslash.
        let said = format!("{} {}", self.out, self.err).replace(" \\\n", " ");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(text), "no `{text}` in:\n{}\n{}", self.out, self.err);
        self
    }
}

impl Bench {
    async fn new(faults: &str) -> Self {
        // What was started here runs until somebody ends it.
        let scenario = format!("delays: {{ pending: 86400 }}\n{faults}");
        let server = serve(ServeOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            world_file: None,
            scenario: Some(Scenario::from_yaml(&scenario).unwrap()),
            effects: None,
            clock: Clock::System,
        })
        .await
        .unwrap();
        let bench = Bench { dir: tempfile::tempdir().unwrap(), server };
        bench.project("settle: 1s");
        bench.manifest("ws.yaml", &package("ws", WS, "Collect forensics"));
        bench
    }

    fn project(&self, recovery: &str) {
        let text = format!(
            "apiVersion: casefile/v1\nkind: Project\nmetadata: {{ name: bench }}\nspec:\n  defender: {{ cloud: sandbox, \
             endpoint: \"http://{}\" }}\n  auth: {{ method: token }}\n  recovery: {{ {recovery} }}\n",
            self.server.addr()
        );
        fs::write(self.path("casefile.yaml"), text).unwrap();
    }

    fn manifest(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path("manifests")).unwrap();
        fs::write(self.path("manifests").join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_casefile"));
        command
            .current_dir(self.dir.path())
            .args(line)
            .env("CASEFILE_ACCESS_TOKEN", "any")
            .env("USER", "ann")
            .env_remove("CASEFILE_ENDPOINT")
            .env_remove("CASEFILE_STATE_URL")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &[&str]) -> Ran {
        let output = self.command(line).output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn apply(&self) -> Ran {
        self.run(&["apply", "--auto-approve"])
    }

    /// Nothing would be called or recorded.
    #[track_caller]
    fn is_settled(&self) {
        self.run(&["plan", "--detailed-exitcode"]).code(0);
    }

    fn start(&self, line: &[&str]) -> Child {
        self.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn control(&self, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(self.server.addr()).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    fn analyst(&self, step: Value) -> String {
        let done = self.control("POST", "/sandbox/analyst", &step.to_string());
        done["id"].as_str().unwrap_or_else(|| panic!("{done}")).to_owned()
    }

    fn world(&self) -> Value {
        self.control("GET", "/sandbox/world", "")
    }

    fn actions(&self) -> Vec<Value> {
        self.world()["machineActions"].as_array().unwrap().clone()
    }

    /// What changed at the service because this tool asked for it.
    fn effects(&self) -> usize {
        let effects = self.world()["effects"].as_array().unwrap().clone();
        effects.iter().filter(|e| e["by"] == "api").count()
    }

    fn journal(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path(".casefile/journal.jsonl")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn write_journal(&self, lines: &[String]) {
        fs::write(self.path(".casefile/journal.jsonl"), lines.join("\n") + "\n").unwrap();
    }

    fn lose_state(&self) {
        fs::remove_dir_all(self.path(".casefile")).unwrap();
    }

    fn resource(&self, address: &str) -> Value {
        let status = self.run(&["status", "--no-refresh", "--format", "json", address]).code(0);
        serde_json::from_str::<Value>(&status.out).unwrap()["resources"][address].clone()
    }
}

fn package(name: &str, machine: &str, comment: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec:\n  machineId: \
         {machine}\n  comment: {comment}\n"
    )
}

fn alert() -> String {
    format!(
        "apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: dc-exploit }}\nspec:\n  machineId: {DC}\n  \
         severity: Low\n  title: example\n  description: example alert\n  recommendedAction: nothing\n  \
         eventTime: 2018-08-03T16:45:21.7115183Z\n  reportId: \"20776\"\n  category: Exploit\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_ends_what_runs_and_is_journaled() {
    let bench = Bench::new("").await;
    bench.apply().code(0);
    let line = ["cancel", PACKAGE, "--comment", "wrong machine"];
    bench.run(&line).code(1).says("needs an approval");
    assert_eq!(bench.actions()[0]["status"], "Pending");

    let line = ["cancel", PACKAGE, "--comment", "wrong machine", "--auto-approve"];
    bench.run(&line).code(0).says("asked for by casefile cancel: wrong machine").says("Result: 1 cancelled");
    let action = &bench.actions()[0];
    assert_eq!(
        (&action["status"], &action["cancellationComment"]),
        (&json!("Cancelled"), &json!("wrong machine"))
    );
    let journal = bench.journal();
    let intent = journal.iter().position(|l| l.contains(r#""action":"cancel""#)).unwrap();
    assert!(journal[intent + 1].contains(r#""done""#), "{}", journal[intent + 1]);
    assert_eq!(bench.resource(PACKAGE)["phase"], "Cancelled");
    bench.is_settled();
    bench.run(&line).code(1).says("is Cancelled: no collection of it is running");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_asks_for_what_is_gone_from_the_manifests_too() {
    let bench = Bench::new("").await;
    bench.apply().code(0);
    bench.manifest("ws.yaml", &package("other", DC, "another case"));
    bench.apply().code(0);
    assert_eq!(bench.resource(PACKAGE)["phase"], "Released");
    bench.run(&["cancel", PACKAGE, "--comment", "no longer needed", "--auto-approve"]).code(0);
    assert_eq!(bench.resource(PACKAGE)["releasedFrom"], "Cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_without_an_answer_is_looked_up() {
    for (then, code, status) in [("lost", 0, "Cancelled"), ("reset", 1, "Pending")] {
        let bench = Bench::new(&format!("faults: [{{ on: cancelAction, nth: [1], then: {then} }}]")).await;
        bench.apply().code(0);
        bench.run(&["cancel", PACKAGE, "--comment", "why", "--auto-approve"]).code(code).says("no answer");
        assert_eq!(bench.actions()[0]["status"], status);
        assert_eq!(bench.resource(PACKAGE)["side"], Value::Null, "{then}: settled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_is_accepted_while_the_action_runs_on_is_told_so() {
    let server = serve(ServeOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        world_file: None,
        scenario: Some(Scenario::from_yaml("delays: { pending: 0, running: 86400, cancel: 3600 }").unwrap()),
        effects: None,
        clock: Clock::System,
    });
    let bench = Bench { dir: tempfile::tempdir().unwrap(), server: server.await.unwrap() };
    bench.project("settle: 0s");
    bench.manifest("ws.yaml", &package("ws", WS, "Collect forensics"));
    bench.apply().code(0);
    let ran = bench.run(&["cancel", PACKAGE, "--comment", "wrong machine", "--auto-approve"]).code(1);
    let ran = ran.says("cancel accepted, and it still runs").says("Result: 1 cancel accepted");
    ran.says("the service accepted the cancel, and the collection still runs; next: casefile status");
    assert_eq!(bench.actions()[0]["status"], "InProgress");
    // It is not asked again by itself, and what runs is not forgotten.
    assert_eq!(bench.effects(), 2);
    assert_eq!(bench.resource(PACKAGE)["phase"], "InProgress");
    bench.is_settled();
    assert_eq!(bench.effects(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_and_rm_refuse_what_is_forbidden() {
    let bench = Bench::new("faults: [{ on: collect, nth: [1], then: reset }]").await;
    bench.project("settle: 1s, onUnknown: ask");
    bench.manifest("dc.yaml", &alert());
    bench.apply().code(1);
    let cancel = |address| bench.run(&["cancel", address, "--comment", "x", "--auto-approve"]).code(1);
    assert_eq!(bench.resource(PACKAGE)["phase"], "Requested");
    cancel(PACKAGE).says("its call has no outcome yet");
    cancel(ALERT).says("an alert cannot be cancelled");
    cancel("InvestigationPackage/nobody").says("the state holds no InvestigationPackage/nobody");
    bench.run(&["state", "rm", PACKAGE]).code(1).says("its call has no outcome yet");
    assert_eq!(bench.world()["requests"]["cancelAction"], Value::Null, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn import_takes_over_what_fits_and_nothing_else() {
    let scenario = format!("foreign: [{{ machine: {DC}, type: RunAntiVirusScan }}]");
    let bench = Bench::new(&scenario).await;
    let theirs = bench.analyst(json!({ "do": "start", "machine": WS, "comment": "mine" }));
    let other =
        bench.actions().iter().find(|a| a["type"] != "CollectInvestigationPackage").unwrap()["id"].clone();
    bench.manifest("dc.yaml", &package("dc", DC, "the other one"));

    let import = |address: &str, id: &str| bench.run(&["import", address, id]);
    import("InvestigationPackage/nobody", &theirs).code(1).says("no manifest declares");
    import(PACKAGE, "00000000-0000-0000-0000-000000000000").code(1).says("the service does not know");
    import("InvestigationPackage/dc", other.as_str().unwrap()).code(1).says("is no package collection but");
    import("InvestigationPackage/dc", &theirs).code(1).says("is of machine");
    assert!(!bench.path(".casefile/journal.jsonl").exists(), "nothing was recorded");

    import(PACKAGE, &theirs).code(0).says("It counts as adopted");
    let r = bench.resource(PACKAGE);
    assert_eq!(
        (&r["phase"], &r["origin"], &r["id"]),
        (&json!("InProgress"), &json!("adopted"), &json!(theirs))
    );
    assert_eq!(r["sent"]["request"]["body"]["Comment"], "Collect forensics", "the manifest's body");
    import(PACKAGE, &theirs).code(1).says("holds").says("already");

    // What runs is not left alone for another object.
    bench.analyst(json!({ "do": "finish", "machine": WS }));
    let second = bench.analyst(json!({ "do": "start", "machine": WS, "comment": "again" }));
    import(PACKAGE, &second).code(0);
    bench.analyst(json!({ "do": "finish", "machine": WS }));
    let third = bench.analyst(json!({ "do": "start", "machine": WS, "comment": "and again" }));
    import(PACKAGE, &third).code(0);
    import(PACKAGE, &theirs).code(1).says("still runs");
    assert_eq!(bench.effects(), 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_made_is_not_imported_elsewhere() {
    let bench = Bench::new("").await;
    bench.apply().code(0);
    let id = bench.resource(PACKAGE)["id"].as_str().unwrap().to_owned();
    bench.manifest("more.yaml", &package("same-machine", WS, "another text"));
    bench.run(&["import", "InvestigationPackage/same-machine", &id]).code(1).says("was made by a call of");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_is_found_again() {
    let bench = Bench::new("").await;
    bench.manifest("dc.yaml", &alert());
    bench.apply().code(0);
    bench.lose_state();
    // A third one was never asked for.
    bench.manifest("new.yaml", &package("new", DC, "a new case"));
    bench.run(&["plan"]).code(4).says("the state is empty").says("import --discover");
    bench.apply().code(4);
    bench.run(&["import", "--discover"]).code(1).says("needs an approval");
    let found = bench.run(&["import", "--discover", "--auto-approve"]).code(0);
    found.says("2 with exactly one match").says("1 without a match").says("Imported 2 resources");

    let plan = bench.run(&["plan", "--format", "json"]).code(0);
    let summary = &serde_json::from_str::<Value>(&plan.out).unwrap()["summary"];
    assert_eq!((&summary["create"], &summary["none"], &summary["wait"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(bench.effects(), 2, "what was lost is not asked for again");
    bench.run(&["import", "--discover", "--auto-approve"]).code(0).says("1 without a match");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_does_not_hide_what_a_lost_state_asked_for() {
    let bench = Bench::new("").await;
    bench.project("settle: 1s, marker: true");
    bench.apply().code(0);
    bench.lose_state();
    bench.apply().code(4);
    bench.run(&["import", "--discover", "--auto-approve"]).code(0).says("Imported 1 resource");
    bench.is_settled();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_matches_none_is_taken() {
    let bench = Bench::new("").await;
    let first = bench.analyst(json!({ "do": "start", "machine": WS, "comment": " Collect forensics " }));
    bench.analyst(json!({ "do": "finish", "machine": WS }));
    let second = bench.analyst(json!({ "do": "start", "machine": WS, "comment": "Collect forensics" }));
    let found = bench.run(&["import", "--discover", "--auto-approve"]).code(1);
    found.says(&first).says(&second).says(&format!("casefile import {PACKAGE} ID"));
    assert!(!bench.path(".casefile/journal.jsonl").exists(), "nothing was recorded");
    bench.run(&["import", PACKAGE, &second]).code(0);
    bench.is_settled();
}

/// A call without an answer under `onUnknown: ask`, and an analyst's collection with nearly its text.
async fn unresolved() -> (Bench, String) {
    let bench = Bench::new("faults: [{ on: collect, nth: [1], then: reset }]").await;
    bench.project("settle: 1s, onUnknown: ask");
    bench.apply().code(1);
    let id = bench.analyst(json!({ "do": "start", "machine": WS, "comment": "COLLECT  forensics" }));
    let plan = bench.run(&["plan"]).code(1).says("one object may be its own");
    plan.says(&format!("casefile import {PACKAGE} {id}"))
        .says(&format!("casefile apply --replace {PACKAGE}"));
    (bench, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_alike_is_resolved_by_import() {
    let (bench, id) = unresolved().await;
    bench.run(&["import", PACKAGE, &id]).code(0);
    let r = bench.resource(PACKAGE);
    assert_eq!((&r["phase"], &r["id"]), (&json!("InProgress"), &json!(id)));
    assert_eq!(r["watched"].as_array().unwrap().len(), 1, "its call may still arrive");
    bench.is_settled();
    bench.apply().code(0);
    assert_eq!(bench.effects(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_imported_is_not_taken_for_a_late_arrival() {
    let bench = Bench::new("faults: [{ on: collect, nth: [1], then: reset }]").await;
    bench.project("settle: 1s, onUnknown: ask");
    bench.apply().code(1);
    // The service tells its time in whole seconds: later than the call can have taken effect, beyond doubt.
    let over = std::time::Instant::now() + std::time::Duration::from_secs(3);
    until(|| std::time::Instant::now() > over);
    let id = bench.analyst(json!({ "do": "start", "machine": WS, "comment": "Collect forensics" }));
    bench.run(&["plan"]).code(1).says("one object may be its own");
    bench.run(&["import", PACKAGE, &id]).code(0);
    bench.apply().code(0);
    let r = bench.resource(PACKAGE);
    assert_eq!((&r["id"], &r["origin"], &r["past"]), (&json!(id), &json!("adopted"), &Value::Null));
    assert_eq!(r["watched"].as_array().unwrap().len(), 1, "its call may still arrive");
    bench.is_settled();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_alike_is_resolved_by_asking_again() {
    let (bench, id) = unresolved().await;
    bench.analyst(json!({ "do": "finish", "machine": WS }));
    bench.run(&["apply", "--auto-approve", "--replace", PACKAGE]).code(0);
    let r = bench.resource(PACKAGE);
    assert_eq!((&r["phase"], &r["origin"]), (&json!("InProgress"), &json!("made")));
    assert_ne!(r["id"], json!(id));
    bench.is_settled();
    assert_eq!(bench.effects(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_under_ask_is_a_person_s_turn_and_a_late_arrival_is_still_found() {
    let bench = Bench::new("faults: [{ on: collect, nth: [1], then: late, seconds: 6 }]").await;
    bench.project("settle: 1s, onUnknown: ask");
    let theirs = bench.analyst(json!({ "do": "start", "machine": WS, "comment": "by hand" }));
    bench.analyst(json!({ "do": "finish", "machine": WS }));
    bench.apply().code(1);
    assert_eq!(bench.resource(PACKAGE)["phase"], "Requested");
    bench.run(&["import", PACKAGE, &theirs]).code(0);
    assert_eq!(bench.resource(PACKAGE)["phase"], "Succeeded");
    // The call takes effect after all.
    until(|| bench.effects() == 1);
    bench.run(&["apply", "--auto-approve"]).code(0).says("a second object");
    let r = bench.resource(PACKAGE);
    assert_eq!((&r["id"], &r["past"][0]["late"]), (&json!(theirs), &json!(true)));
    assert_eq!(bench.effects(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_still_be_found_is_no_person_s_turn() {
    let bench = Bench::new("faults: [{ on: collect, nth: [1], then: late, seconds: 3600 }]").await;
    bench.project("settle: 10m");
    let theirs = bench.analyst(json!({ "do": "start", "machine": WS, "comment": "x" }));
    bench.analyst(json!({ "do": "finish", "machine": WS }));
    let mut first = bench.start(&["apply", "--auto-approve"]);
    let journal = bench.path(".casefile/journal.jsonl");
    until(|| journal.exists() && bench.journal().iter().any(|l| l.contains("\"unknown\"")));
    first.kill().unwrap();
    first.wait().unwrap();
    bench.run(&["import", PACKAGE, &theirs]).code(1).says("may still be found").says("casefile apply");
    assert_eq!(bench.resource(PACKAGE)["phase"], "Requested");
}

fn until(done: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed().as_secs() < 60, "it never came");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_and_a_kill() {
    let bench = Bench::new("faults: [{ on: collect, nth: [1], then: delay, seconds: 300 }]").await;
    let mut first = bench.start(&["apply", "--auto-approve"]);
    until(|| bench.effects() == 1);
    let pid = format!("process {}", first.id());
    for line in [
        &["apply", "--auto-approve"][..],
        &["cancel", PACKAGE, "--comment", "x", "--auto-approve"],
        &["import", "--discover", "--auto-approve"],
        &["state", "rm", PACKAGE],
        &["state", "mv", PACKAGE, "InvestigationPackage/new"],
        &["state", "rebuild"],
    ] {
        bench.run(line).code(4).says("ann@").says(&pid).says("casefile apply").says("since 20");
    }
    // Who only reads is not kept out.
    bench.run(&["verify"]);
    bench.run(&["plan"]).code(0);
    // A run that waits gets its turn once the first is gone, and finds what that one asked for.
    let waiting = bench
        .command(&["apply", "--auto-approve", "--lock-timeout", "1m"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let r = bench.resource(PACKAGE);
    assert_eq!((&r["phase"], &r["origin"]), (&json!("InProgress"), &json!("made")));
    assert_eq!(bench.effects(), 1, "nothing was asked for twice");
    bench.run(&["verify"]).code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rm_and_mv() {
    let bench = Bench::new("").await;
    bench.apply().code(0);
    let new = "InvestigationPackage/new-name";
    bench.run(&["state", "mv", PACKAGE, ALERT]).code(1).says("different kinds");
    bench.run(&["state", "mv", PACKAGE, PACKAGE]).code(1).says("already");
    bench.run(&["state", "mv", "InvestigationPackage/nobody", new]).code(1).says("holds no");
    bench.run(&["state", "mv", PACKAGE, new]).code(0).says("No manifest declares it yet");
    bench.manifest("ws.yaml", &package("new-name", WS, "an edited text"));
    // Without the move this would be a new resource, for its text is another one.
    bench.run(&["plan", "--detailed-exitcode"]).code(0).says("edited after it was sent");
    bench.manifest("more.yaml", &package("ws", DC, "another"));
    bench.apply().code(0);
    bench.run(&["state", "mv", new, PACKAGE]).code(1).says("already");

    bench.run(&["state", "rm", new]).code(0).says("the next apply asks for it again");
    bench.run(&["state", "rm", new]).code(1).says("holds no");
    let journal = bench.journal().join("\n");
    assert!(journal.contains("\"moved\"") && journal.contains("\"removed\""));
    bench.run(&["verify"]).code(0).says("The journal is sound");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_call_moves_along() {
    let bench = Bench::new("faults: [{ on: collect, nth: [1], then: reset }]").await;
    bench.project("settle: 1s, onUnknown: ask");
    bench.apply().code(1);
    bench.run(&["state", "mv", PACKAGE, "InvestigationPackage/new"]).code(0);
    assert!(bench.resource("InvestigationPackage/new")["open"]["attempt"]["attempt"].is_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_planned_on_an_edited_journal() {
    let bench = Bench::new("").await;
    bench.manifest("dc.yaml", &alert());
    bench.apply().code(0);
    bench.apply().code(0);
    let sound = bench.journal();
    assert!(sound.len() >= 5, "{sound:?}");

    let mut edited = sound.clone();
    edited[2] = edited[2].replace("example", "something else").replace("Collect", "Gather");
    let mut shortened = sound.clone();
    shortened.remove(2);
    let mut swapped = sound.clone();
    swapped.swap(1, 2);
    for (lines, words) in [
        (&edited, "was changed after it was written"),
        (&shortened, "record 3 is missing"),
        (&swapped, "re-ordered"),
    ] {
        bench.write_journal(lines);
        let line = if words.contains("re-ordered") { "journal line 2" } else { "journal line 3" };
        for command in [
            &["plan"][..],
            &["plan", "--no-refresh"],
            &["apply", "--auto-approve"],
            &["verify"],
            &["state", "rebuild"],
            &["state", "rm", PACKAGE],
        ] {
            bench.run(command).code(1).says(line).says(words).says("--accept-damage");
        }
        let verified = bench.run(&["verify", "--format", "json"]).code(1);
        let finding = serde_json::from_str::<Value>(&verified.out).unwrap()["findings"][0].clone();
        assert_eq!(finding["code"], "journal");
        assert_eq!(format!("journal line {}", finding["line"]), line);
        assert_eq!(bench.journal(), *lines, "nothing was written");

        bench.run(&["state", "rebuild", "--accept-damage"]).code(0).says("Accepted: journal line");
        bench.is_settled();
        bench.apply().code(0);
        bench.run(&["verify"]).code(0);
        let journal = bench.journal().join("\n");
        assert!(journal.contains("\"recovered\"") && journal.contains("\"by\":\"ann@"), "{journal}");
        let kept = fs::read_dir(bench.path(".casefile")).unwrap().filter_map(|e| {
            e.unwrap().file_name().into_string().ok().filter(|n| n.starts_with("journal.damaged-"))
        });
        let kept: Vec<String> = kept.collect();
        assert_eq!(kept.len(), 1, "{kept:?}");
        let kept = bench.path(".casefile").join(&kept[0]);
        assert_eq!(fs::read_to_string(&kept).unwrap(), lines.join("\n") + "\n");
        fs::remove_file(kept).unwrap();
        for entry in fs::read_dir(bench.path(".casefile")).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("state.damaged-")) {
                fs::remove_file(path).unwrap();
            }
        }
    }
    assert_eq!(bench.effects(), 2, "nothing was asked for twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_made_anew() {
    let bench = Bench::new("").await;
    bench.run(&["state", "rebuild"]).code(0).says("no state yet");
    bench.run(&["verify"]).code(0).says("no state yet");
    assert!(!bench.path(".casefile").exists());
    bench.apply().code(0);
    let snapshot = bench.path(".casefile/state.json");
    let sound = fs::read_to_string(&snapshot).unwrap();
    for (bytes, words) in [
        (sound.replace("Collect forensics", "Gather"), "disagree on"),
        (String::new(), "is empty"),
        (sound[..sound.len() / 2].to_owned(), "cannot be read"),
    ] {
        fs::write(&snapshot, bytes).unwrap();
        bench.run(&["verify"]).code(1).says(words).says("casefile state rebuild");
        bench.run(&["state", "rebuild"]).code(0).says("1 resource of 3 records");
        bench.run(&["verify"]).code(0);
        let rebuilt: Value = serde_json::from_slice(&fs::read(&snapshot).unwrap()).unwrap();
        let first: Value = serde_json::from_str(&sound).unwrap();
        assert_eq!(rebuilt["resources"], first["resources"]);
    }
    let newer = sound.replace("\"formatVersion\": 1", "\"formatVersion\": 2");
    fs::write(&snapshot, newer).unwrap();
    for line in [&["state", "rebuild", "--accept-damage"][..], &["plan"]] {
        bench.run(line).code(1).says("newer casefile");
    }
}
