//! What programs read, over many situations: plans, events, states and seals fit the committed schemas. The
//! situations are those of the newest project under `tests/compat`, which has most phases.
#![allow(clippy::disallowed_methods, reason = "tests copy files")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn schema(kind: &str) -> jsonschema::Validator {
    let path = Path::new(ROOT).join(format!("schemas/{kind}.schema.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

#[track_caller]
fn fits(schema: &jsonschema::Validator, document: &Value) {
    let wrong: Vec<String> =
        schema.iter_errors(document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{document}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { std::fs::copy(&path, target).map(drop).unwrap() }
    }
}

struct Case(tempfile::TempDir);

impl Case {
    fn new() -> Case {
        let versions = std::fs::read_dir(Path::new(ROOT).join("tests/compat")).unwrap();
        let newest: PathBuf = versions.map(|e| e.unwrap().path()).max().unwrap();
        let case = Case(tempfile::tempdir().unwrap());
        copy(&newest.join("project"), case.0.path());
        case
    }

    /// Runs, expects one of the documented codes, gives stdout.
    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_casefile"));
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null()).env("CI", "true");
        for name in ["CASEFILE_ENDPOINT", "CASEFILE_ACCESS_TOKEN", "CASEFILE_STATE_URL", "RUST_LOG"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0..=2)), "{args:?} {:?} {err}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    fn state(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.0.path().join(".casefile/state.json")).unwrap()).unwrap()
    }

    /// The lines of an apply, each of which is an event; the names of the events.
    fn events(&self, args: &[&str]) -> BTreeSet<String> {
        let event = schema("event");
        let text = self.run(&[&["apply", "--format", "json"], args].concat());
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        for line in &lines {
            fits(&event, line);
        }
        let names: Vec<&str> = lines.iter().map(|l| l["event"].as_str().unwrap()).collect();
        // What a refresh observes is told before the plan that it leads to.
        assert!(names.contains(&"planned") && names.last() == Some(&"summary"), "{text}");
        names.into_iter().map(str::to_owned).collect()
    }
}

#[test]
fn plans() {
    let case = Case::new();
    let plan = schema("plan");
    let mut actions = BTreeSet::new();
    for args in [
        &[][..],
        &["--no-refresh"],
        &["--no-refresh", "--replace", "InvestigationPackage/finished"],
        &["-l", "incident=INC-2042"],
        &["manifests/new.yaml", "--detailed-exitcode"],
        &["--fresh", "--strict"],
        &["--out", "saved.json"],
    ] {
        let shown: Value =
            serde_json::from_str(&case.run(&[&["plan", "--format", "json"], args].concat())).unwrap();
        fits(&plan, &shown);
        let rows = shown["changes"].as_array().unwrap().iter();
        actions.extend(rows.map(|c| c["action"].as_str().unwrap().to_owned()));
    }
    let saved = std::fs::read(case.0.path().join("saved.json")).unwrap();
    fits(&plan, &serde_json::from_slice(&saved).unwrap());
    for action in ["create", "replace", "differs", "wait", "exhausted", "none"] {
        assert!(actions.contains(action), "{action} is not among {actions:?}");
    }
    // An empty project has a plan too.
    std::fs::remove_dir_all(case.0.path().join("manifests")).unwrap();
    std::fs::create_dir(case.0.path().join("manifests")).unwrap();
    let shown = case.run(&["plan", "--format", "json", "--no-refresh"]);
    fits(&plan, &serde_json::from_str(&shown).unwrap());
}

#[test]
fn events_and_states() {
    let case = Case::new();
    let state = schema("state");
    let mut seen = BTreeSet::new();
    for args in [
        &["plan.json"][..],
        &["--auto-approve"],
        &["--auto-approve", "--no-refresh", "--replace", "InvestigationPackage/finished"],
        &["--auto-approve", "-l", "incident=INC-2042"],
        &["--sealed"],
    ] {
        seen.extend(case.events(args));
        fits(&state, &case.state());
    }
    for args in [&[][..], &["-v"]] {
        let status = case.run(&[&["status", "--no-refresh", "--format", "json"], args].concat());
        fits(&schema("status"), &serde_json::from_str(&status).unwrap());
    }
    for event in ["planned", "intent", "accepted", "summary"] {
        assert!(seen.contains(event), "{event} is not among {seen:?}");
    }
    case.run(&["cancel", "InvestigationPackage/new", "--comment", "over", "--auto-approve"]);
    case.run(&["state", "rm", "InvestigationPackage/finished"]);
    case.run(&["state", "rebuild"]);
    fits(&state, &case.state());
}

#[test]
fn seals() {
    let case = Case::new();
    let seal = schema("seal");
    let manifest = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata:\n  name: long\n  labels: \
                    { a: b }\nspec:\n  machineId: \"0000000000000000000000000000000000000031\"\n  comment: \
                    \"hidden \\u202e, and long: LONG\"\n  revision: 3\n  onInProgress: fail\nlifecycle: { \
                    onRemove: Cancel }\n";
    let long = manifest.replace("LONG", &"text ".repeat(200));
    std::fs::write(case.0.path().join("manifests/long.yaml"), long).unwrap();
    case.run(&["seal"]);
    let mut checked = 0;
    for entry in std::fs::read_dir(case.0.path().join("manifests")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".sealed.yaml") {
            fits(&seal, &serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap());
            checked += 1;
        }
    }
    assert!(checked > 10);
}
