//! The runbooks of `examples/runbooks`: their cases pass, their incidents plan, and applied once they ask for
//! nothing a second time.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sandbox::{BIN, Sandbox};

const RUNBOOKS: [&str; 6] = [
    "lateral-movement-sweep",
    "legal-hold",
    "malware-outbreak",
    "phishing-follow-up",
    "ransomware-triage",
    "suspicious-sign-in",
];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[track_caller]
fn run(dir: &Path, url: Option<&str>, args: &[&str]) -> String {
    let mut command = Command::new(BIN);
    command.arg("-C").arg(dir).args(args).stdin(Stdio::null());
    for name in ["CASEFILE_STATE_URL", "CASEFILE_ENDPOINT", "CASEFILE_ACCESS_TOKEN", "RUST_LOG"] {
        command.env_remove(name);
    }
    if let Some(url) = url {
        command.env("CASEFILE_ENDPOINT", url).env("CASEFILE_ACCESS_TOKEN", "any");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Per incident: how many rows of each kind have this action.
fn rows(dir: &Path, url: Option<&str>, action: &str) -> BTreeMap<String, (usize, usize)> {
    let plan: Value = serde_json::from_str(&run(dir, url, &["plan", "--format", "json", "-q"])).unwrap();
    let mut found: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for row in plan["changes"].as_array().unwrap().iter().filter(|r| r["action"] == action) {
        let (kind, name) = row["address"].as_str().unwrap().split_once('/').unwrap();
        let counts = found.entry(name.split('.').next().unwrap().to_owned()).or_default();
        *(if kind == "Alert" { &mut counts.0 } else { &mut counts.1 }) += 1;
    }
    found
}

#[test]
fn the_example_runbooks_pass_their_cases_validate_plan_and_converge() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/runbooks"), dir);

    let cases = run(dir, None, &["test"]);
    for name in RUNBOOKS {
        let passed = cases.matches(&format!("pass runbooks/{name}/cases/")).count();
        assert!(passed >= 3, "{name}: {cases}");
    }
    assert!(cases.contains("/wrong-values.yaml"), "{cases}");
    let valid = run(dir, None, &["validate"]);
    assert!(valid.starts_with("Valid: "), "{valid}");
    // What the README tells of the service inside the tool, and of labels.
    let plan = run(dir, None, &["plan"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plan.contains("no machine carries the tag emotet sample"), "{plan}");
    let selected = run(dir, None, &["render", "-l", "incident=INC-2042,step=collect"]);
    assert_eq!(selected.matches("kind: InvestigationPackage").count(), 3, "{selected}");
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    for name in RUNBOOKS {
        assert!(readme.contains(&format!("(runbooks/{name}.yaml)")), "{name}");
    }

    let sandbox = Sandbox::start(&std::fs::read_to_string(dir.join("scenario.yaml")).unwrap());
    let url = Some(&*sandbox.url);
    let expected = [
        ("inc-2042", (1, 3)),
        ("inc-2057", (2, 1)),
        ("inc-2063", (1, 1)),
        ("inc-2071", (2, 3)),
        ("inc-2078", (1, 3)),
        ("inc-2080", (0, 3)),
    ];
    let expected: BTreeMap<String, (usize, usize)> =
        expected.into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect();
    assert_eq!(rows(dir, url, "create"), expected);
    // The sample of an outbreak waits for the package of patient zero; with --wait both are of one run.
    let events = run(dir, url, &["apply", "--auto-approve", "--wait", "--format", "json"]);
    let event = |what: &str| {
        let at = events.lines().position(|l| l.contains(what));
        at.unwrap_or_else(|| panic!("{what}: {events}"))
    };
    let pilot = "\"address\":\"InvestigationPackage/inc-2078.pilot\",\"object\":{";
    let pilot = events.lines().position(|l| l.contains(pilot) && l.contains("\"status\":\"Succeeded\""));
    assert!(pilot.is_some_and(|at| at < event("InvestigationPackage/inc-2078.sample[")), "{events}");
    assert_eq!(rows(dir, url, "create"), BTreeMap::new());
}
