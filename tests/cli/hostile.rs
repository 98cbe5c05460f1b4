//! Texts of others in every place that a message quotes. Whatever they hold, people read lines of ours, and a
//! runner that reads the log finds no command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use casefile::render::escape::is_hidden;
use serde_json::json;

use crate::case::service;
use crate::sandbox::BIN;

fn texts() -> Vec<String> {
    serde_json::from_str(include_str!("../hostile/texts.json")).unwrap()
}

/// What GitHub's runner and that of Azure Pipelines take for a command.
fn is_command(line: &str) -> bool {
    let name = |from: &str| from.starts_with(|c: char| c.is_alphanumeric());
    line.trim_start().strip_prefix("::").is_some_and(name) || line.contains("##[") || line.contains("##vso[")
}

/// What one command wrote; `commands` are those that stdout is for.
#[track_caller]
fn check(what: &str, args: &[OsString], output: &std::process::Output, commands: &str) {
    for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let told = || format!("{what}: {args:?}: {stream}:\n{text}");
        if let Some(c) = text.chars().find(|c| is_hidden(*c) && *c != '\n') {
            panic!("{c:?} in {}", told());
        }
        for line in text.lines() {
            let ours = stream == "stdout" && !commands.is_empty() && line.starts_with(commands);
            assert!(ours || !is_command(line), "{line:?} in {}", told());
            let forged = ["error: forged", "next: forged"].iter().any(|f| line.starts_with(f));
            assert!(!forged, "{line:?} in {}", told());
        }
        assert!(!text.contains("panicked") && !text.contains("a fault in casefile itself"), "{}", told());
    }
}

/// A project with a text in some place.
struct Place {
    what: &'static str,
    dir: tempfile::TempDir,
}

impl Place {
    fn new(what: &'static str, spec: &str) -> Place {
        let place = Place { what, dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(place.path("manifests")).unwrap();
        std::fs::create_dir_all(place.path(".casefile")).unwrap();
        let head = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n";
        place.write("casefile.yaml", &format!("{head}spec: {spec}\n"));
        place.write("manifests/a.yaml", &package("c"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, args: &[&str]) {
        self.run_with(args, &[]);
    }

    /// Runs a command and checks what it wrote; how it ends is another test's subject.
    fn run_with(&self, args: &[&str], env: &[(&str, &str)]) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let mut command = Command::new(BIN);
        command.arg("-C").arg(self.dir.path()).args(&args).stdin(Stdio::null());
        for name in ["CASEFILE_STATE_URL", "CASEFILE_ENDPOINT", "AZURE_CLIENT_SECRET", "RUST_LOG", "CI"] {
            command.env_remove(name);
        }
        command.env("CASEFILE_ACCESS_TOKEN", "a-token").env("CASEFILE_GRAPH_TOKEN", "a-token");
        let output = command.envs(env.iter().copied()).output().unwrap();
        let commands = if args.iter().any(|a| a == "github") { "::" } else { "" };
        check(self.what, &args, &output, commands);
    }
}

const SANDBOX: &str = "{ defender: { cloud: sandbox } }";

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn package(comment: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: a }}\nspec: {{ machineId: \
         {}, comment: {} }}\n",
        "ab".repeat(20),
        quoted(comment)
    )
}

#[test]
fn what_is_typed() {
    let place = Place::new("argument", SANDBOX);
    for text in &texts() {
        let t = text.as_str();
        let file = format!("{t}.json");
        let set = format!("{t}=1");
        let option = format!("--{t}");
        for args in [
            vec![t],
            vec![&*option],
            vec!["plan", &*option],
            vec!["plan", "--format", t],
            vec!["plan", "--since", t],
            vec!["plan", "-l", t],
            vec!["plan", "--replace", t],
            vec!["plan", "--out", t],
            vec!["plan", t],
            vec!["apply", &*file],
            vec!["apply", "--auto-approve", "--lock-timeout", t],
            vec!["validate", t],
            vec!["test", t],
            vec!["status", t],
            vec!["state", "show", t],
            vec!["state", "mv", t, t],
            vec!["import", t, "id"],
            vec!["hunt", "--timespan", t, "x"],
            vec!["new", "package", t, "--comment", t, "--dry-run"],
            vec!["new", "package", t, "--comment", t, "--out", t],
            vec!["new", "incident", "x", "--runbook", t, "--set", &*set],
            vec!["new", "incident", "x", "--runbook", t, "--set", t],
            vec!["sandbox", "--scenario", t],
            vec!["sandbox", "--listen", t],
            vec!["completions", t],
            vec!["init", t],
        ] {
            place.run(&args);
        }
        let args: Vec<OsString> = ["-C".into(), t.into(), "plan".into()].into();
        let output = Command::new(BIN).args(&args).stdin(Stdio::null()).output().unwrap();
        check("no project", &args, &output, "");
    }
}

#[test]
fn what_the_environment_holds() {
    let place = Place::new("environment", "{}");
    let url = service(|_| (403, String::new()));
    for text in &texts() {
        for name in [
            "CASEFILE_ENDPOINT",
            "CASEFILE_ACCESS_TOKEN",
            "CASEFILE_GRAPH_ENDPOINT",
            "CASEFILE_STATE_URL",
            "RUST_LOG",
            "USER",
        ] {
            place.run_with(&["hunt", "x"], &[("CASEFILE_ENDPOINT", &url), (name, text)]);
        }
        place.run_with(&["plan", "--no-refresh"], &[("CASEFILE_STATE_URL", text)]);
    }
}

/// The words typed beside `--format` for each command that has it; stdout in place of a file.
const WITH_FORMAT: [(&str, &[&str]); 12] = [
    ("validate", &[]),
    ("plan", &["-v"]),
    ("apply", &["--auto-approve"]),
    ("status", &[]),
    ("log", &[]),
    ("fetch", &[]),
    ("report", &["--out", "-"]),
    ("hunt", &["DeviceInfo"]),
    ("drill", &["--machines", "1"]),
    ("verify", &[]),
    ("doctor", &[]),
    ("export", &["--bagit"]),
];

/// Every word of every `--format`, as they can be typed: a format that is added is tried without being named here.
#[test]
fn what_a_manifest_holds_in_every_format() {
    let words = |command: &clap::Command| -> Vec<String> {
        let format = command.get_arguments().find(|a| a.get_long() == Some("format"));
        let words = format.map(clap::Arg::get_possible_values).unwrap_or_default();
        words.iter().map(|w| w.get_name().to_owned()).collect()
    };
    let commands: Vec<(String, Vec<String>)> = casefile::cli::command()
        .get_subcommands()
        .map(|command| (command.get_name().to_owned(), words(command)))
        .filter(|(_, words)| !words.is_empty())
        .collect();
    for text in &texts() {
        let place = Place::new("format", SANDBOX);
        place.write("manifests/a.yaml", &package(&text.replace(|c: char| c.is_control() && c != '\n', "")));
        for (name, words) in &commands {
            let beside = WITH_FORMAT.iter().find(|(command, _)| command == name);
            let (_, beside) = beside.unwrap_or_else(|| panic!("say in WITH_FORMAT how {name} is typed"));
            for word in words {
                let bag = place.path(&format!("bag-{word}")).display().to_string();
                let bag = (name == "export").then_some(&*bag);
                let args = [&**name].into_iter().chain(beside.iter().copied()).chain(bag);
                place.run(&args.chain(["--format", word]).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn what_files_hold() {
    for text in &texts() {
        let place = Place::new("file", SANDBOX);
        let t = quoted(text);
        // Control characters but line breaks are refused in manifests.
        place.write("manifests/a.yaml", &package(&text.replace(|c: char| c.is_control() && c != '\n', "")));
        for args in [
            &["validate"][..],
            &["validate", "--format", "github"],
            &["validate", "--format", "sarif"],
            &["validate", "--format", "json"],
            &["plan"],
            &["plan", "-v"],
            &["plan", "-v", "--format", "markdown"],
            &["plan", "--format", "json"],
            &["plan", "-vvv", "--log-format", "json"],
            &["render"],
            &["apply", "--auto-approve", "-v"],
            &["apply", "--auto-approve", "--format", "json"],
            &["status"],
            &["status", "--format", "json"],
            &["state", "show", "InvestigationPackage/a"],
            &["seal"],
            &["validate", "--sealed"],
        ] {
            place.run(args);
        }
        place.write("manifests/b.yaml", &package(text));
        place.run(&["validate"]);
        std::fs::remove_file(place.path("manifests/b.yaml")).unwrap();
        for (name, content) in [
            (
                "manifests/broken.yaml",
                format!(
                    "apiVersion: casefile/v1\nkind: Alert\n{t}: 1\nmetadata: {{ {t}: {t}, name: {t} }}\nspec: {{ machineId: {t} }}\n"
                ),
            ),
            ("manifests/raw.yaml", format!("# {text}\nkind: {text}\n")),
            (
                "casefile.yaml",
                format!(
                    "apiVersion: {t}\nkind: Project\nmetadata: {{ name: {t} }}\nspec: {{ {t}: 1, defender: {{ cloud: {t}, region: {t}, endpoint: {t} }}, requireComment: {t}, manifests: [{t}], state: {{ url: {t} }} }}\n"
                ),
            ),
            ("casefile.yaml", text.clone()),
        ] {
            let before = std::fs::read(place.path(name)).unwrap_or_default();
            place.write(name, &content);
            for args in [
                &["validate"][..],
                &["validate", "--format", "github"],
                &["validate", "--format", "sarif"],
                &["plan"],
                &["render"],
                &["status"],
            ] {
                place.run(args);
            }
            place.write(name, &String::from_utf8(before).unwrap());
        }
    }
}

#[test]
fn what_a_state_holds() {
    let record = |key: &str, at: &str| {
        format!(
            "{{\"seq\":1,\"at\":{},\"prev\":\"{}\",\"hash\":\"{}\",\"record\":{{{}:{{}}}}}}\n",
            quoted(at),
            "0".repeat(64),
            "0".repeat(64),
            quoted(key)
        )
    };
    for text in &texts() {
        let t = quoted(text);
        for (name, content) in [
            ("journal.jsonl", record(text, "2026-03-01T00:00:00Z")),
            ("journal.jsonl", record("open", text)),
            ("journal.jsonl", format!("{{{t}: {t}}}\n")),
            ("journal.jsonl", format!("{text}\n")),
            ("state.json", format!("{{{t}: {t}}}")),
            ("state.json", text.clone()),
            ("rescue.jsonl", format!("{{{t}: {t}}}\n")),
            ("sandbox.json", format!("{{{t}: {t}}}")),
        ] {
            let place = Place::new(name, SANDBOX);
            place.write(&format!(".casefile/{name}"), &content);
            for args in
                [&["plan"][..], &["status"], &["verify"], &["state", "rebuild"], &["apply", "--auto-approve"]]
            {
                place.run(args);
            }
        }
        // The tenant and place of another's state.
        let place = Place::new("binding", "{ defender: { cloud: sandbox } }");
        place.run(&["apply", "--auto-approve"]);
        let state = std::fs::read_to_string(place.path(".casefile/state.json")).unwrap();
        let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
        state["binding"] = json!({ "endpoint": text, "tenant": text });
        place.write(".casefile/state.json", &state.to_string());
        for args in
            [&["plan"][..], &["verify"], &["apply", "--auto-approve"], &["status", "--format", "json"]]
        {
            place.run(args);
        }
    }
}

#[test]
fn what_the_service_says() {
    for text in &texts() {
        let new = || Place::new("service", "{ recovery: { settle: 1s } }");
        let url = |status: u16| {
            let body = json!({ "error": { "code": text, "message": text, "target": text } }).to_string();
            service(move |_| (status, body.clone()))
        };
        for status in [400, 401, 403, 404] {
            let (place, url) = (new(), url(status));
            for args in [
                &["plan"][..],
                &["apply", "--auto-approve", "--fresh", "--no-refresh"],
                &["status"],
                &["hunt", "x"],
                &["import", "InvestigationPackage/a", "5382f7ea-7557-4ab7-9782-d50480024a4e"],
                &["import", "--discover", "--auto-approve"],
            ] {
                place.run_with(args, &[("CASEFILE_ENDPOINT", &url)]);
            }
        }
        // Ids, states and people in lists: those of a lost state, and those that are recorded.
        let place = new();
        let action = json!({
            "id": text, "type": "CollectInvestigationPackage", "status": "Succeeded", "requestor": text,
            "requestorComment": "c", "machineId": "ab".repeat(20), "title": text,
            "creationDateTimeUtc": "2026-03-01T00:00:00Z", "lastUpdateDateTimeUtc": "2026-03-01T00:00:00Z",
        });
        let url = service(move |request| match request.starts_with("GET ") {
            true => (200, json!({ "value": [action] }).to_string()),
            false => (201, action.to_string()),
        });
        for args in [
            &["plan"][..],
            &["import", "--discover", "--auto-approve"],
            &["apply", "--auto-approve", "--fresh"],
            &["plan", "-v"],
            &["status"],
            &["status", "--format", "json"],
        ] {
            place.run_with(args, &[("CASEFILE_ENDPOINT", &url)]);
        }
        let rows = json!({
            "schema": [{ "name": text, "type": "String" }], "results": [{ text.as_str(): text }],
        });
        let url = service(move |_| (200, rows.to_string()));
        for args in [
            &["hunt", "x"][..],
            &["hunt", "x", "-v"],
            &["hunt", "x", "--format", "json"],
            &["hunt", "x", "--as", "alert", "--name", "n", "--title", "t"],
        ] {
            place.run_with(args, &[("CASEFILE_ENDPOINT", &url)]);
        }
    }
}

/// The simulated service tells what it cannot read, and what its files hold.
#[test]
fn what_a_scenario_holds() {
    let dir = tempfile::tempdir().unwrap();
    for text in &texts() {
        for content in [text.clone(), format!("{}: 1\n", quoted(text))] {
            let file = dir.path().join("scenario.yaml");
            std::fs::write(&file, &content).unwrap();
            let args: Vec<OsString> = ["sandbox".into(), "--scenario".into(), file.into()].into();
            let output = Command::new(BIN).args(&args).stdin(Stdio::null()).output().unwrap();
            check("scenario", &args, &output, "");
        }
    }
}
