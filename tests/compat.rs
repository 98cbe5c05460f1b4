//! What released versions left behind is still read: each folder of `tests/compat` is a version's project
//! with its record, a saved plan, seals and documents, written by `scripts/compat-fixture`. And what a later
//! version will leave behind is refused, not guessed at.
#![allow(clippy::disallowed_methods, reason = "tests copy and edit files of their own")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn versions() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(ROOT).join("tests/compat")).unwrap();
    let mut all: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { std::fs::copy(&path, target).map(drop).unwrap() }
    }
}

/// A copy of one project of one version.
struct Case {
    dir: tempfile::TempDir,
    from: PathBuf,
}

impl Case {
    fn new(version: &Path, project: &str) -> Case {
        let case = Case { dir: tempfile::tempdir().unwrap(), from: version.join(project) };
        copy(&case.from, case.dir.path());
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} holds no {from}");
        std::fs::write(self.path(name), text.replace(from, to)).unwrap();
    }

    /// Runs, expects an exit code, gives stdout and stderr.
    #[track_caller]
    fn exits(&self, code: i32, args: &[&str]) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_casefile"));
        command.arg("-C").arg(self.dir.path()).args(args).stdin(Stdio::null()).env("CI", "true");
        for name in ["CASEFILE_ENDPOINT", "CASEFILE_ACCESS_TOKEN", "CASEFILE_STATE_URL", "RUST_LOG"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{:?} {args:?}\n{out}\n{err}", self.from);
        (out, err)
    }
}

/// Whether all that `old` says is said by `new`. A later version may say more, never something else.
#[track_caller]
fn keeps(new: &Value, old: &Value, at: &str) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (key, value) in old {
                keeps(new.get(key).unwrap_or(&Value::Null), value, &format!("{at}.{key}"));
            }
        }
        (Value::Array(new), Value::Array(old)) => {
            assert_eq!(new.len(), old.len(), "{at}");
            for (i, (new, old)) in new.iter().zip(old).enumerate() {
                keeps(new, old, &format!("{at}[{i}]"));
            }
        }
        _ => assert_eq!(new, old, "{at}"),
    }
}

#[track_caller]
fn fits(kind: &str, document: &Value) {
    let path = Path::new(ROOT).join(format!("schemas/{kind}.schema.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{kind}: {wrong:#?}");
}

/// What a row does, by address: the call and its bytes with it.
fn rows(plan: &Value) -> BTreeMap<String, (Value, Value)> {
    let row =
        |c: &Value| (c["address"].as_str().unwrap().to_owned(), (c["action"].clone(), c["request"].clone()));
    plan["changes"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn the_record_is_read_as_it_was_meant() {
    for version in versions() {
        let case = Case::new(&version, "project");
        case.exits(0, &["verify"]);
        let old = case.json("status.json");
        assert!(old["resources"].as_object().unwrap().len() > 10);
        let (new, _) = case.exits(0, &["status", "--no-refresh", "--format", "json"]);
        keeps(&serde_json::from_str(&new).unwrap(), &old, "status");
        let (list, _) = case.exits(0, &["state", "list"]);
        for (address, resource) in old["resources"].as_object().unwrap() {
            let phase = resource["phase"].as_str().unwrap();
            assert!(list.lines().any(|l| l.starts_with(address.as_str()) && l.contains(phase)), "{list}");
            case.exits(0, &["state", "show", address]);
        }
        fits("state", &case.json(".casefile/state.json"));

        // The snapshot is what the records say, also when there is none.
        let mut snapshot = case.json(".casefile/state.json");
        // Counts how often the file was written.
        snapshot.as_object_mut().unwrap().remove("serial");
        case.exits(0, &["state", "rebuild"]);
        keeps(&case.json(".casefile/state.json"), &snapshot, "rebuilt");
        std::fs::remove_file(case.path(".casefile/state.json")).unwrap();
        case.exits(0, &["state", "rebuild"]);
        keeps(&case.json(".casefile/state.json"), &snapshot, "rebuilt from nothing");
        case.exits(0, &["verify"]);
    }
}

#[test]
fn a_package_that_was_fetched_is_held_still() {
    for version in versions() {
        let case = Case::new(&version, "fetched");
        let journal = case.read(".casefile/journal.jsonl");
        assert!(journal.contains("{\"linkRequested\":") && journal.contains("{\"fetched\":"));
        fits("state", &case.json(".casefile/state.json"));
        let held = |case: &Case| {
            let (shown, _) = case.exits(0, &["verify"]);
            assert!(shown.contains("1 package is as it was when it was recorded"), "{shown}");
            case.json(".casefile/state.json")["resources"]["InvestigationPackage/held"]["packages"].clone()
        };
        let before = held(&case);
        std::fs::remove_file(case.path(".casefile/state.json")).unwrap();
        case.exits(0, &["state", "rebuild"]);
        assert_eq!(held(&case), before);
    }
}

#[test]
fn a_plan_decides_as_it_did() {
    for version in versions() {
        let case = Case::new(&version, "project");
        let old = case.json("plan-shown.json");
        let (new, _) = case.exits(0, &["plan", "--no-refresh", "--format", "json"]);
        let new: Value = serde_json::from_str(&new).unwrap();
        assert_eq!(rows(&new), rows(&old));
        assert_eq!(new["digest"], old["digest"], "a reviewed digest stays the digest of its calls");
        for plan in [&old, &new, &case.json("plan.json")] {
            fits("plan", plan);
        }
    }
}

#[test]
fn a_saved_plan_is_carried_out_once() {
    for version in versions() {
        let case = Case::new(&version, "project");
        let plan = case.json("plan.json");
        let planned: Vec<(&str, &Value)> = plan["changes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|c| !c["request"].is_null())
            .map(|c| (c["address"].as_str().unwrap(), &c["request"]))
            .collect();
        assert!(planned.len() > 1);
        let digest = plan["digest"].as_str().unwrap();
        // A digest of another plan is refused before anything is sent.
        let other = format!("sha256:{}", "0".repeat(64));
        case.exits(4, &["apply", "plan.json", "--expect", &other]);
        // The simulated service begins anew, so old collections are missing there; the plan has no call
        // for them. One resource of the fixture waits for a person, hence the exit code.
        let (_, told) = case.exits(1, &["apply", "plan.json", "--expect", digest]);
        let state = case.json(".casefile/state.json");
        for (address, request) in planned {
            let made = &state["resources"][address];
            assert!(made["id"].is_string(), "{address}: {told}");
            assert_eq!(made["sent"]["request"], *request);
            assert_eq!(made["asked"]["plan"], digest);
        }
        let (_, why) = case.exits(4, &["apply", "plan.json"]);
        assert!(why.contains("was carried out already"), "{why}");
        case.exits(0, &["verify"]);
    }
}

#[test]
fn seals_are_current() {
    for version in versions() {
        let case = Case::new(&version, "project");
        case.exits(0, &["validate", "--sealed"]);
        let mut sealed = 0;
        for entry in std::fs::read_dir(case.path("manifests")).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().ends_with(".sealed.yaml") {
                fits("seal", &serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap());
                sealed += 1;
            }
        }
        assert!(sealed > 5);
        let (told, _) = case.exits(0, &["seal"]);
        assert_eq!(told, format!("{sealed} seals were current\n"));
    }
}

#[test]
fn rescued_outcomes_are_taken_in() {
    for version in versions() {
        let case = Case::new(&version, "rescued");
        let old = case.json("status.json");
        let (new, _) = case.exits(0, &["status", "--no-refresh", "--format", "json"]);
        keeps(&serde_json::from_str(&new).unwrap(), &old, "status");
        let second = "InvestigationPackage/second";
        let id = old["resources"][second]["id"].to_string();
        assert!(case.read(".casefile/rescue.jsonl").contains(&id));
        // The next command that writes puts them into the journal.
        case.exits(0, &["state", "rm", "InvestigationPackage/first"]);
        assert!(!case.path(".casefile/rescue.jsonl").exists());
        assert_eq!(
            case.json(".casefile/state.json")["resources"][second]["id"],
            old["resources"][second]["id"]
        );
        case.exits(0, &["verify"]);
    }
}

/// A record of a kind that only a later version knows, in a chain that holds.
fn later_record(journal: &str) -> String {
    let last: Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
    let seq = last["seq"].as_u64().unwrap() + 1;
    let head = format!("{{\"seq\":{seq},\"at\":\"2030-01-01T00:00:00Z\",\"prev\":{},", last["hash"]);
    let rest = "\"record\":{\"isolated\":{\"address\":\"Alert/plain\"}}}";
    let hash = casefile::model::Sha256Hex::of(format!("{head}{rest}").as_bytes());
    format!("{journal}{head}\"hash\":\"{hash}\",{rest}\n")
}

#[test]
fn what_a_later_version_wrote_is_refused_with_the_way_out() {
    let version = versions().pop().unwrap();
    let way_out = "use a newer casefile";
    let refused = |case: &Case, commands: &[&[&str]]| {
        let before = case.read(".casefile/journal.jsonl");
        for command in commands {
            let (out, err) = case.exits(1, command);
            assert!(format!("{out}{err}").contains(way_out), "{command:?}\n{out}\n{err}");
        }
        assert_eq!(case.read(".casefile/journal.jsonl"), before, "nothing is cut, nothing written");
    };
    let runs: [&[&str]; 4] = [
        &["plan", "--no-refresh"],
        &["apply", "--auto-approve"],
        &["state", "list"],
        &["state", "rebuild", "--accept-damage"],
    ];

    let case = Case::new(&version, "project");
    let journal = later_record(&case.read(".casefile/journal.jsonl"));
    std::fs::write(case.path(".casefile/journal.jsonl"), journal).unwrap();
    refused(&case, &runs);

    let case = Case::new(&version, "project");
    case.edit(".casefile/state.json", "\"formatVersion\": 1", "\"formatVersion\": 2");
    refused(&case, &runs);

    let case = Case::new(&version, "project");
    case.edit("plan.json", "\"formatVersion\": 1", "\"formatVersion\": 2");
    refused(&case, &[&["apply", "plan.json"]]);

    let case = Case::new(&version, "project");
    case.edit(
        "manifests/new.sealed.yaml",
        "apiVersion: casefile/v1",
        "apiVersion: casefile/v2\nsigned: true",
    );
    let seal = case.read("manifests/new.sealed.yaml");
    refused(&case, &[&["validate", "--sealed"], &["seal"]]);
    assert_eq!(case.read("manifests/new.sealed.yaml"), seal, "a newer seal is not overwritten");
    let (found, _) = case.exits(1, &["validate", "--sealed", "--format", "json"]);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["diagnostics"][0]["code"], "seal-newer");
    let (_, told) = case.exits(4, &["apply", "--sealed"]);
    assert!(told.contains("manifests/new.sealed.yaml was written by a newer casefile"), "{told}");
}

#[test]
fn what_counts_as_kept() {
    keeps(&json!({ "a": [1, { "b": 2, "c": 3 }] }), &json!({ "a": [1, { "b": 2 }] }), "");
    for lost in [json!({ "a": 2 }), json!({ "b": 1 }), json!({ "a": [] })] {
        let kept = std::panic::catch_unwind(|| keeps(&lost, &json!({ "a": 1 }), ""));
        assert!(kept.is_err(), "{lost}");
    }
}
