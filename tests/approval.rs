//! Who says yes: a person at a terminal, or the command line. A selection is approved by its own digest.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read the environment")]

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const BIN: &str = env!("CARGO_BIN_EXE_casefile");

/// A project that keeps its simulated service to itself.
struct Case(tempfile::TempDir);

fn package(name: &str, n: usize, labels: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata:\n  name: {name}\n  labels: {labels}\n\
         spec: {{ machineId: \"{n:040x}\", comment: collect {name} }}\n"
    )
}

impl Case {
    fn new() -> Case {
        let case = Case(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(case.path("manifests/other")).unwrap();
        case.write(
            "casefile.yaml",
            "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n\
             spec: { defender: { cloud: sandbox } }\n",
        );
        for (n, (file, labels)) in [
            ("prod-1", "{ incident: INC-2042, env: prod }"),
            ("prod-2", "{ incident: INC-2042 }"),
            ("lab", "{ incident: INC-2042, env: lab }"),
            ("other/older", "{ incident: INC-1, env: prod }"),
        ]
        .into_iter()
        .enumerate()
        {
            let name = file.rsplit('/').next().unwrap();
            case.write(&format!("manifests/{file}.yaml"), &package(name, n + 1, labels));
        }
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["CI", "CASEFILE_ENDPOINT", "CASEFILE_ACCESS_TOKEN", "CASEFILE_STATE_URL", "RUST_LOG"] {
            command.env_remove(name);
        }
        command
    }

    #[track_caller]
    fn exits(&self, code: i32, args: &[&str]) -> (String, String) {
        let Output { status, stdout, stderr } = self.command(BIN).args(args).output().unwrap();
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{args:?}\n{out}\n{err}");
        (out, err)
    }

    fn plan(&self, args: &[&str]) -> Value {
        let (plan, _) = self.exits(0, &[&["plan", "--format", "json"], args].concat());
        serde_json::from_str(&plan).unwrap()
    }

    /// Names of the state's resources, with their phase.
    fn state(&self) -> Value {
        let Ok(text) = std::fs::read_to_string(self.path(".casefile/state.json")) else { return json!({}) };
        let state: Value = serde_json::from_str(&text).unwrap();
        let resources = state["resources"].as_object().unwrap().iter();
        resources.map(|(a, r)| (a.rsplit('/').next().unwrap().to_owned(), r["phase"].clone())).collect()
    }
}

fn names(plan: &Value) -> Vec<&str> {
    let rows = plan["changes"].as_array().unwrap().iter();
    rows.map(|c| c["address"].as_str().unwrap().rsplit('/').next().unwrap()).collect()
}

#[test]
fn selections() {
    let case = Case::new();
    let chosen = |args: &[&str]| {
        let plan = case.plan(args);
        names(&plan).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&["-l", "incident=INC-2042,env!=lab"]), ["prod-1", "prod-2"]);
    assert_eq!(chosen(&["-l", "incident=INC-2042,env"]), ["lab", "prod-1"]);
    assert_eq!(chosen(&["-l", "!env"]), ["prod-2"]);
    assert_eq!(chosen(&["manifests/other", "manifests/lab.yaml"]), ["lab", "older"]);
    assert_eq!(chosen(&["-l", "env=prod", "manifests/other"]), ["older"]);
    let (_, why) = case.exits(1, &["plan", "-l", "incident=INC-9"]);
    assert!(why.contains("has the label incident=INC-9"), "{why}");
    assert_eq!(chosen(&[]).len(), 4);
    for bad in ["incident>INC", "=x", ""] {
        let (_, why) = case.exits(64, &["plan", "-l", bad]);
        assert!(why.contains("is no label requirement"), "{why}");
    }
}

#[test]
fn a_digest_approves_its_selection_and_no_other() {
    let case = Case::new();
    let selection = ["-l", "incident=INC-2042,env!=lab"];
    let digest = |args: &[&str]| case.plan(args)["digest"].as_str().unwrap().to_owned();
    let (mine, whole, other) = (digest(&selection), digest(&[]), digest(&["manifests/other"]));
    assert!(mine != whole && mine != other);
    for wrong in [&whole, &other] {
        let (_, why) = case.exits(4, &[&["apply", "--expect", wrong.as_str()], &selection[..]].concat());
        assert!(why.contains("prod-1: has a call") && why.contains("prod-2: has a call"), "{why}");
        assert!(!why.contains(&mine), "a digest to paste unread: {why}");
        assert_eq!(case.state(), json!({}), "nothing was sent");
    }
    // The digest of the selection does not approve more than it.
    case.exits(4, &["apply", "--expect", &mine]);
    assert_eq!(case.state(), json!({}));
    case.exits(0, &[&["apply", "--expect", &mine], &selection[..]].concat());
    let state = case.state();
    assert_eq!(state.as_object().unwrap().keys().collect::<Vec<_>>(), ["prod-1", "prod-2"]);
}

#[test]
fn the_comment_repeats_the_selection_for_the_shell() {
    let case = Case::new();
    let selection = ["-l", "incident=INC-2042,env!=lab"];
    let (text, _) = case.exits(0, &[&["plan", "--format", "markdown"], &selection[..]].concat());
    let command = text.split('`').find(|part| part.starts_with("casefile apply --expect")).unwrap();
    assert!(command.ends_with(" '--selector=incident=INC-2042,env!=lab'"), "{command}");
    // The line is pasted as it stands.
    let mut shell = case.command("sh");
    let line = command.replacen("casefile", BIN, 1);
    let out = shell.args(["-c", &line]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(case.state().as_object().unwrap().keys().collect::<Vec<_>>(), ["prod-1", "prod-2"]);
}

#[test]
fn what_was_reviewed_once_is_no_approval_of_its_repetition() {
    let case = Case::new();
    let digest = |args: &[&str]| case.plan(args)["digest"].as_str().unwrap().to_owned();
    let create = digest(&["manifests/other"]);
    case.exits(0, &["apply", "--expect", &create, "manifests/other"]);
    let address = "InvestigationPackage/older";
    // What still runs is not asked for again.
    case.exits(0, &["cancel", address, "--comment", "done", "--auto-approve"]);
    let replace = ["--replace", address, "manifests/other"];
    let again = case.plan(&replace);
    assert_eq!(again["changes"][0]["objects"], 1, "{again}");
    assert_ne!(again["digest"], create.as_str());
    let (_, why) = case.exits(4, &[&["apply", "--expect", &create], &replace[..]].concat());
    assert!(why.contains(&format!("{address}: it has had an object since")), "{why}");
    // Another call beside a reviewed one is named.
    let lab = digest(&["manifests/lab.yaml"]);
    let (_, why) = case.exits(
        4,
        &["apply", "--expect", &lab, "manifests/lab.yaml", "manifests/other", "--replace", address],
    );
    assert!(why.contains(&format!("{address}: its call is new")), "{why}");
}

#[test]
fn a_narrowed_plan_forgets_nothing() {
    let case = Case::new();
    case.exits(0, &["apply", "--auto-approve"]);
    std::fs::remove_file(case.path("manifests/other/older.yaml")).unwrap();
    for narrow in [&["-l", "incident=INC-2042"][..], &["manifests/lab.yaml"], &["-l", "incident!=INC-9"]] {
        let plan = case.plan(narrow);
        let forgets = plan["changes"].as_array().unwrap().iter().any(|c| c["action"] == "forget");
        assert!(!forgets, "{narrow:?}: {plan}");
        case.exits(0, &[&["apply", "--auto-approve"], narrow].concat());
        assert_ne!(case.state()["older"], "Released");
    }
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.state()["older"], "Released");
}

#[test]
fn without_a_terminal_nothing_is_even_looked_at() {
    let case = Case::new();
    // Not even the manifests: they are broken, and another reason is given.
    case.write("manifests/lab.yaml", "kind: [");
    let (out, why) = case.exits(1, &["apply"]);
    assert_eq!(out, "");
    assert!(why.contains("needs an approval, and there is no terminal to ask at"), "{why}");
    assert!(why.contains("by apply --expect") && why.ends_with("next: casefile plan\n"), "{why}");
    assert!(!case.path(".casefile").exists());
}

/// Runs on a terminal of its own, answers the question, and gives the exit code and what was on the screen.
fn at_a_terminal(case: &Case, line: &str, columns: u16, answer: &str) -> (Option<i32>, String) {
    let shell = format!("stty rows 24 cols {columns}; exec {BIN} {line}");
    let mut child = case
        .command("script")
        .args(["-qefc", &shell, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
    let mut answered = false;
    // Ends with the terminal; the keyboard stays until then, or the question would see its end.
    while let Ok(n @ 1..) = screen.read(&mut bytes) {
        seen.extend_from_slice(&bytes[..n]);
        if !answered && String::from_utf8_lossy(&seen).contains("is taken as a yes") {
            keys.write_all(answer.as_bytes()).unwrap();
            answered = true;
        }
    }
    let code = child.wait().unwrap().code();
    assert!(answered || answer.is_empty(), "{}", String::from_utf8_lossy(&seen));
    (code, String::from_utf8_lossy(&seen).into_owned())
}

/// Whether there is a `script` that runs a command on a terminal, as that of util-linux.
#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn terminals() -> bool {
    let found = Command::new("script").args(["-qefc", "exit 7", "/dev/null"]).output();
    let found = found.is_ok_and(|o| o.status.code() == Some(7));
    assert!(found || std::env::var_os("CI").is_none(), "`script` of util-linux is missing");
    if !found {
        eprintln!("not run: there is no `script` of util-linux");
    }
    found
}

#[test]
fn a_person_is_shown_the_plan_and_asked() {
    if !terminals() {
        return;
    }
    let case = Case::new();
    for no in ["no\r", "\r", "y\r", "YES\r", "yes please\r", "\u{3}"] {
        let (code, screen) = at_a_terminal(&case, "apply", 80, no);
        let expected = if no == "\u{3}" { 130 } else { 1 };
        assert_eq!(code, Some(expected), "{no:?}: {screen}");
        assert!(
            screen.contains("To send: 4 packages.") && screen.contains("Send these 4 calls?"),
            "{screen}"
        );
        assert_eq!(case.state(), json!({}), "nothing was sent after {no:?}");
    }
    let (code, screen) = at_a_terminal(&case, "apply -l env=prod", 80, "yes\r");
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(case.state().as_object().unwrap().keys().collect::<Vec<_>>(), ["older", "prod-1"]);
    // Nothing to do is no question.
    let (code, screen) = at_a_terminal(&case, "apply -l env=prod", 80, "");
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("is taken as a yes"), "{screen}");
}

/// `CI` takes the person away, terminal or not.
#[test]
fn a_runner_with_a_terminal_is_not_asked() {
    if !terminals() {
        return;
    }
    let case = Case::new();
    let line = format!("CI=true {BIN} apply");
    let output = case.command("script").args(["-qefc", &line, "/dev/null"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no terminal to ask at"));
}

#[test]
fn the_terminal_s_width_is_used() {
    if !terminals() {
        return;
    }
    let case = Case::new();
    for columns in [60_u16, 80, 120] {
        let (code, screen) = at_a_terminal(&case, "plan --color never", columns, "");
        assert_eq!(code, Some(0), "{screen}");
        let widest = screen.lines().map(|l| l.trim_end().chars().count()).max().unwrap();
        assert!(widest <= usize::from(columns), "{columns}: {screen}");
        assert!(screen.lines().any(|l| l.trim_end() == "  + package  prod-1"), "{screen}");
    }
}
