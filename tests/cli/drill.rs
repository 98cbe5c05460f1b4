//! Drills through the binary: what is made up, what is told, what fails, and what is left alone.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sandbox::BIN;

/// A project without a service: an address where nobody listens, and no token.
struct Project(tempfile::TempDir);

impl Project {
    fn new(spec: &str, manifests: &str) -> Project {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        let head = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n";
        std::fs::write(dir.path().join("casefile.yaml"), format!("{head}spec: {spec}\n")).unwrap();
        std::fs::write(dir.path().join("manifests/a.yaml"), manifests).unwrap();
        Project(dir)
    }

    #[track_caller]
    fn exits(&self, code: i32, args: &[&str]) -> (String, String) {
        exits(self.0.path(), code, args)
    }

    #[track_caller]
    fn drill(&self, code: i32, args: &[&str]) -> Value {
        let (out, _) = self.exits(code, &[&["drill", "--format", "json"], args].concat());
        serde_json::from_str(&out).unwrap()
    }
}

#[track_caller]
fn exits(dir: &Path, code: i32, args: &[&str]) -> (String, String) {
    let mut command = Command::new(BIN);
    command.arg("-C").arg(dir).args(args).stdin(Stdio::null());
    // Neither host may be asked: a drill that asked would fail.
    command.env("CASEFILE_ENDPOINT", "http://127.0.0.1:1").env_remove("CASEFILE_ACCESS_TOKEN");
    command.env("CASEFILE_STATE_URL", "git:https://127.0.0.1:1/x?ref=refs/casefile/x");
    let output = command.output().unwrap();
    let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    (out, err)
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("---\napiVersion: casefile/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

fn package(name: &str, machine: &str) -> String {
    document("InvestigationPackage", name, &format!("{{ {machine}, comment: INC-1 }}"))
}

fn hunted(name: &str) -> String {
    let rest = "severity: Low, title: t, description: d, recommendedAction: r, category: Malware";
    document(
        "Alert",
        name,
        &format!("{{ event: {{ query: 'DeviceEvents | where DeviceName == \"ws-1\"' }}, {rest} }}"),
    )
}

fn files(dir: &Path) -> BTreeSet<std::path::PathBuf> {
    let mut out = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path));
        }
        out.insert(path);
    }
    out
}

fn stages(drill: &Value) -> Vec<&str> {
    drill["resources"].as_array().unwrap().iter().map(|r| r["stage"].as_str().unwrap()).collect()
}

#[test]
fn whatever_manifests_name_is_made_up_and_everything_is_there_in_the_end() {
    let manifests = [
        package("a", "machineName: ws-1"),
        package("b", "machineId: \"1e5bc9d7e413ddd7902c2932e418702b84d0cc07\""),
        package("c", "machineTag: tier 1"),
        package("d", "machines: { fromFile: hosts.txt }"),
        hunted("e"),
    ]
    .concat();
    // Signing in by a secret would need the environment.
    let project =
        Project::new("{ auth: { method: client-secret }, defender: { cloud: public } }", &manifests);
    std::fs::write(project.0.path().join("hosts.txt"), "ws-2.corp.example\nws-3\n").unwrap();
    let before = files(project.0.path());
    let drill = project.drill(0, &["--machines", "4"]);
    let mut stages = stages(&drill);
    stages.sort_unstable();
    assert_eq!(stages, [vec!["fetched"; 8], vec!["raised"]].concat());
    assert_eq!(
        (&drill["runs"], &drill["exitCode"], &drill["calls"]["collections"]),
        (&1.into(), &0.into(), &8.into())
    );
    assert_eq!((&drill["calls"]["alerts"], &drill["calls"]["links"]), (&1.into(), &8.into()));
    // Two links a minute: the last two of eight come after three.
    assert!(drill["seconds"].as_f64().unwrap() >= 180.0 + 180.0, "{drill}");
    assert_eq!(files(project.0.path()), before, "nothing is written");
    // The same seed is the same drill.
    assert_eq!(project.drill(0, &["--machines", "4"]), drill);
    let (out, err) = project.exits(0, &["drill", "--machines", "4"]);
    assert!(out.contains("8 packages accepted") && out.contains("MACHINE") && out.contains("AFTER"), "{out}");
    assert!(out.contains("Result: 1 alert raised, 8 packages fetched, in 1 run and "), "{out}");
    assert_eq!(err, "");
}

#[test]
fn five_hundred_machines_take_their_quotas_time() {
    let project = Project::new("{ limits: { newCollections: 500 } }", &package("a", "machineTag: t"));
    let drill = project.drill(0, &["--machines", "500"]);
    assert_eq!(stages(&drill), vec!["fetched"; 500]);
    let timeline = drill["timeline"].as_array().unwrap();
    let last = |step: &str| timeline.iter().rfind(|m| m["step"] == step).unwrap()["at"].as_f64().unwrap();
    // A hundred collections a minute, and two links.
    assert!((240.0..260.0).contains(&last("accepted")), "{}", last("accepted"));
    assert!((249.0 * 60.0..300.0 * 60.0).contains(&last("fetched")), "{}", last("fetched"));
    assert!(timeline.iter().any(|m| m["step"] == "waits" && m["quota"] == "collect"));
    let (out, _) = project.exits(0, &["drill", "--machines", "101"]);
    assert!(out.lines().count() < 40, "{out}");
    assert!(out.contains("0:00:00 - 0:01:0") && out.contains("101 packages accepted"), "{out}");
}

#[test]
fn what_goes_wrong_is_put_right_by_later_runs() {
    let manifests = [package("a", "machineTag: t"), hunted("b")].concat();
    let project = Project::new("{}", &manifests);
    let mut seen = BTreeSet::new();
    for seed in ["1", "2", "3"] {
        let drill = project.drill(0, &["--machines", "12", "--faults", "--seed", seed]);
        assert!(drill["runs"].as_u64().unwrap() > 1, "{drill}");
        assert!(stages(&drill).iter().all(|s| ["fetched", "raised"].contains(s)), "{drill}");
        let timeline = drill["timeline"].as_array().unwrap();
        seen.extend(timeline.iter().map(|m| m["step"].as_str().unwrap().to_owned()));
    }
    for step in ["taken-over", "failed", "throttled", "no-answer"] {
        assert!(seen.contains(step), "{step} is not in {seen:?}");
    }
    // One attempt is not enough where collections fail.
    let spec = "{ machineTag: t, comment: INC-1, maxAttempts: 1 }";
    let project = Project::new("{}", &document("InvestigationPackage", "a", spec));
    let (out, _) = project.exits(1, &["drill", "--machines", "12", "--faults"]);
    assert!(out.contains("Exit code 1: 1 of 12 would not be there in the end: t-0"), "{out}");
}

#[test]
fn guard_rails_and_refusals_fail_a_drill() {
    let project = Project::new("{ limits: { newCollections: 3 } }", &package("a", "machineTag: t"));
    let (out, err) = project.exits(1, &["drill"]);
    assert!(err.contains("5 newCollections planned, 3 allowed"), "{err}");
    assert!(out.contains("not sent yet"), "{out}");
    let held = project.drill(1, &[]);
    assert!(held["held"].as_str().unwrap().contains("3 allowed") && held["runs"] == 0, "{held}");
    project.exits(0, &["drill", "--allow-over-limits"]);

    let project = Project::new("{ protected: ['hq-dc-*'] }", &package("a", "machineName: hq-dc-01"));
    let (_, err) = project.exits(1, &["drill"]);
    assert!(err.contains("these calls go to protected machines"), "{err}");
    project.exits(0, &["drill", "--allow-protected"]);

    let project = Project::new("{ requireComment: '^INC-9' }", &package("a", "machineName: ws-1"));
    let (_, err) = project.exits(1, &["drill"]);
    assert!(err.contains("requireComment"), "{err}");

    let scenario =
        "machines: { list: [{ id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, name: old, os: Windows7 }] }";
    let manifests = [package("a", "machineName: old"), package("b", "machineName: new")].concat();
    let project = Project::new("{ defender: { cloud: sandbox, sandbox: { scenario: s.yaml } } }", &manifests);
    std::fs::write(project.0.path().join("s.yaml"), scenario).unwrap();
    let drill = project.drill(1, &[]);
    assert_eq!(stages(&drill), ["fetched", "refused"]);
    assert!(
        drill["timeline"].as_array().unwrap().iter().any(|m| m["code"] == "OsPlatformNotSupported"),
        "{drill}"
    );
}

#[test]
fn names_that_mean_several_machines_are_told_as_apply_tells_them() {
    let manifests = [
        package("a", "machineName: ws-1.corp.example"),
        package("b", "machineName: ws-1.lab.example"),
        package("c", "machineName: ws-1"),
    ];
    let (_, err) = Project::new("{}", &manifests.concat()).exits(1, &["drill"]);
    assert!(err.contains("manifests/a.yaml") && err.contains("ws-1.lab.example"), "{err}");
}

#[test]
fn a_runbook_is_tried_with_the_values_of_its_cases() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/runbooks");
    let (out, _) = exits(
        &examples,
        0,
        &["drill", "--runbook", "ransomware-triage", "--machines", "7", "--format", "json"],
    );
    let drill: Value = serde_json::from_str(&out).unwrap();
    let stages = stages(&drill);
    let count = |stage: &str| stages.iter().filter(|s| **s == stage).count();
    assert_eq!((count("fetched"), count("raised"), stages.len()), (7, 1, 8), "{drill}");
    let (out, _) = exits(&examples, 0, &["drill", "--runbook", "lateral-movement-sweep", "--machines", "3"]);
    assert!(out.contains("runbooks/lateral-movement-sweep/cases/two-hops.yaml"), "{out}");
    let (_, err) = exits(&examples, 64, &["drill", "--runbook", "ransomware-triag"]);
    assert!(err.contains("did you mean ransomware-triage?"), "{err}");
}

#[test]
fn a_runbook_without_cases_is_tried_with_samples() {
    let runbook = "apiVersion: casefile/v1\nkind: Runbook\nmetadata: { name: r }\nspec:\n  parameters:\n    type: object\n    \
                   required: [ticket, hosts]\n    properties:\n      ticket: { type: string, pattern: \"^INC-[0-9]+$\" }\n      \
                   hosts: { type: array, items: { type: string } }\n  resources:\n    - kind: InvestigationPackage\n      \
                   metadata: { name: \"c-${{ item | slug }}\" }\n      forEach: ${{ with.hosts }}\n      spec: { machineName: \
                   \"${{ item }}\", comment: \"${{ with.ticket }}\" }\n";
    let project = Project::new("{}", runbook);
    assert_eq!(project.drill(0, &["--runbook", "r", "--machines", "3"])["calls"]["collections"], 3);
    let odd = runbook.replace("^INC-[0-9]+$", "^never$");
    let (_, err) = Project::new("{}", &odd).exits(64, &["drill", "--runbook", "r"]);
    assert!(err.contains("no value can be made up for the parameter ticket"), "{err}");
}

#[test]
fn what_an_import_takes_over_is_left_out() {
    let import = package("a", "machineName: ws-1") + "import: { id: 5382f7ea-7557-4ab7-9782-d50480024a4e }\n";
    let project = Project::new("{}", &[import, package("b", "machineName: ws-1")].concat());
    let drill = project.drill(0, &[]);
    assert_eq!((&drill["leftOut"], &drill["calls"]["collections"]), (&1.into(), &1.into()));
}

#[test]
fn a_project_that_declares_nothing_has_an_empty_drill() {
    let (out, _) = Project::new("{}", "").exits(0, &["drill"]);
    assert!(out.contains("Nothing is declared here"), "{out}");
}
