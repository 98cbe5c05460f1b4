//! The runbooks of `examples/runbooks`: their cases pass, their incidents plan, and applied once they ask for nothing a
//! second time.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize as _;
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
        // What commands of the README have left behind.
        if entry.file_name() == ".casefile" {
            continue;
        }
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

/// A copy of the folder, where a stranger has it.
fn project() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/runbooks"),
        &root.path().join("examples/runbooks"),
    );
    root
}

/// The tenant of the incidents.
fn tenant(dir: &Path) -> Sandbox {
    Sandbox::start(&std::fs::read_to_string(dir.join("scenario.yaml")).unwrap())
}

#[test]
fn the_cases_pass_and_what_the_readme_tells_without_a_tenant_holds() {
    let root = project();
    let dir = &root.path().join("examples/runbooks");
    let cases = run(dir, None, &["test"]);
    for name in RUNBOOKS {
        let passed = cases.matches(&format!("pass runbooks/{name}/cases/")).count();
        assert!(passed >= 3, "{name}: {cases}");
        let refused = std::fs::read_dir(dir.join(format!("runbooks/{name}/cases")))
            .unwrap()
            .any(|case| std::fs::read_to_string(case.unwrap().path()).unwrap().contains("\n  errors:"));
        assert!(refused, "{name} has no case of values that are refused");
    }
    let valid = run(dir, None, &["validate"]);
    assert!(valid.starts_with("Valid: "), "{valid}");
    let selected = run(dir, None, &["render", "-l", "incident=INC-2042,step=collect"]);
    assert_eq!(selected.matches("kind: InvestigationPackage").count(), 3, "{selected}");
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    for name in RUNBOOKS {
        assert!(readme.contains(&format!("(runbooks/{name}.yaml)")), "{name}");
    }
    // Packages need no tenant: the service inside the tool knows every host, and no query is run.
    let plan = run(dir, None, &["plan", "-l", "incident=INC-2042,step=collect"]);
    assert!(plan.contains("To send: 3 packages."), "{plan}");
}

/// No device by its id, and each event by a query that names it by the three columns.
#[test]
fn hosts_are_named_and_events_are_hunted() {
    let root = project();
    let dir = &root.path().join("examples/runbooks");
    let rendered = run(dir, None, &["render"]);
    let mut queries = 0;
    for d in serde_yaml::Deserializer::from_str(&rendered) {
        let d = Value::deserialize(d).unwrap();
        let spec = &d["spec"];
        assert_eq!(spec.get("machineId"), None, "{d}");
        if d["kind"] == "Alert" {
            let query = spec["event"]["query"].as_str().unwrap_or_else(|| panic!("{d}"));
            assert!(query.starts_with("Device"), "{query}");
            let end = "\n| top 1 by Timestamp asc\n| project Timestamp, DeviceId, ReportId\n";
            assert!(query.ends_with(end), "{query}");
            queries += 1;
        }
    }
    assert_eq!(queries, 8);
}

#[test]
fn the_incidents_plan_apply_and_converge() {
    let root = project();
    let dir = &root.path().join("examples/runbooks");
    let sandbox = tenant(dir);
    let url = Some(&*sandbox.url);
    let expected = [
        ("inc-2042", (1, 3)),
        ("inc-2057", (3, 1)),
        ("inc-2063", (1, 1)),
        ("inc-2071", (2, 6)),
        ("inc-2078", (1, 3)),
        ("inc-2080", (0, 3)),
    ];
    let expected: BTreeMap<String, (usize, usize)> =
        expected.into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect();
    assert_eq!(rows(dir, url, "create"), expected);
    // The laptop that was replaced under its name.
    let plan = run(dir, url, &["plan", "incidents/inc-2080-legal-hold.yaml", "--format", "json"]);
    assert!(
        plan.contains("\"other-records\"") && plan.contains("c0d1e2f3a4b5968778695a4b3c2d1e0f9a8b7c6d"),
        "{plan}"
    );
    // The sample of an outbreak waits for the package of patient zero; with --wait both are of one run.
    let events = run(dir, url, &["apply", "--auto-approve", "--wait", "--format", "json"]);
    let at = |what: &str, also: &str| {
        let at = events.lines().position(|l| l.contains(what) && l.contains(also));
        at.unwrap_or_else(|| panic!("{what}: {events}"))
    };
    let pilot =
        at("\"address\":\"InvestigationPackage/inc-2078.pilot\",\"object\":{", "\"status\":\"Succeeded\"");
    assert!(pilot < at("InvestigationPackage/inc-2078.sample[", "\"intent\""), "{events}");
    let opened = at("InvestigationPackage/inc-2057.opened-sales-lt-103", "\"accepted\"");
    assert!(opened < at("Alert/inc-2057.ran-sales-lt-103", "\"intent\""), "{events}");
    assert_eq!(rows(dir, url, "create"), BTreeMap::new());
    // Nor after an edit of a runbook: what was sent stays.
    let runbook = dir.join("runbooks/ransomware-triage.yaml");
    let text = std::fs::read_to_string(&runbook).unwrap();
    std::fs::write(
        &runbook,
        text.replace("endswith ${{ with.extension | kql }}", "has ${{ with.extension | kql }}"),
    )
    .unwrap();
    let plan = run(dir, url, &["plan", "-l", "incident=INC-2042,step=alert"]);
    assert!(plan.contains("the query was edited after its event was asked for"), "{plan}");
    assert_eq!(rows(dir, url, "create"), BTreeMap::new());
}

/// The file of hosts of the sweep is what the query that the README shows finds.
#[test]
fn the_file_of_the_sweep_is_what_the_hunt_of_the_readme_prints() {
    let root = project();
    let dir = &root.path().join("examples/runbooks");
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    let query = readme.split(" hunt '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    let printed = run(dir, None, &["hunt", query, "--format", "csv"]);
    assert_eq!(printed, std::fs::read_to_string(dir.join("hosts/inc-2071.csv")).unwrap());
}
