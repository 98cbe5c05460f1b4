//! The example policies judge plans as conftest does: `deny` of package `main`, over the plan's JSON.
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read the examples")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_casefile");

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies")
}

fn policies() -> Vec<PathBuf> {
    let files = std::fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|f| f.extension().is_some_and(|e| e == "rego")).collect();
    files.sort();
    files
}

/// What some policies together have against a plan, sorted.
#[track_caller]
fn denied(policies: &[PathBuf], plan: &str) -> Vec<String> {
    let mut engine = regorus::Engine::new();
    for policy in policies {
        let text = std::fs::read_to_string(policy).unwrap();
        engine.add_policy(policy.display().to_string(), text).unwrap();
    }
    engine.set_input_json(plan).unwrap();
    let found = engine.eval_rule("data.main.deny".to_owned()).unwrap();
    let found = found.as_set().unwrap_or_else(|e| panic!("deny is no set: {e}"));
    found.iter().map(|msg| msg.as_string().unwrap().to_string()).collect()
}

#[test]
fn each_policy_passes_one_plan_and_refuses_another() {
    let schema = include_str!("../schemas/plan.schema.json");
    let schema = jsonschema::draft202012::new(&serde_json::from_str(schema).unwrap()).unwrap();
    let expected = [
        (
            "call_budget",
            vec![
                "6 machines in one plan, where 5 are allowed",
                "InvestigationPackage/fin-ws-001: asked again without a ticket",
            ],
        ),
        (
            "domain_controllers",
            vec![
                "InvestigationPackage/branch-server: no collection from a domain controller (a protected machine (hq-dc-02.contoso.com, protected: *-dc-*): apply refuses without --allow-protected)",
                "InvestigationPackage/hq-dc-01: no collection from a domain controller (by its name)",
            ],
        ),
        (
            "severe_alerts",
            vec!["Alert/fin-ws-042-exploit: severity High without an incident number in its description"],
        ),
    ];
    let names: Vec<String> =
        policies().iter().map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (policy, (name, refused)) in policies().into_iter().zip(expected) {
        let plan = |which: &str| {
            let text = std::fs::read_to_string(examples().join(name).join(which)).unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            let errors: Vec<String> = schema.iter_errors(&document).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{name}/{which} is no plan: {errors:?}");
            text
        };
        let policy = std::slice::from_ref(&policy);
        assert_eq!(denied(policy, &plan("passes.json")), Vec::<String>::new(), "{name}");
        assert_eq!(denied(policy, &plan("refused.json")), refused, "{name}");
    }
}

const PROJECT: &str = "apiVersion: casefile/v1
kind: Project
metadata: { name: t }
spec:
  defender: { cloud: sandbox }
  protected: [1e5bc9d7e413ddd7902c2932e418702b84d0cc07]
";

fn package(name: &str, machine: &str, comment: &str, labels: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name}, labels: {labels} }}\nspec:\n  machineId: \"{machine}\"\n  comment: \"{comment}\"\n---\n"
    )
}

fn alert(description: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: a }}\nspec:\n  machineId: fb9ab6be3965095a09c057be7c90f0a2\n  severity: High\n  title: t\n  description: \"{description}\"\n  recommendedAction: r\n  eventTime: 2018-08-03T16:45:21.7115183Z\n  reportId: \"20776\"\n  category: Exploit\n"
    )
}

#[test]
fn they_judge_the_plans_that_the_tool_writes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("manifests")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(BIN);
        command.arg("-C").arg(dir.path()).args(args).stdin(Stdio::null()).env_remove("CASEFILE_STATE_URL");
        let output = command.env("CASEFILE_ENDPOINT", "").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    write("casefile.yaml", PROJECT);
    let (ws, dc) = ("fb9ab6be3965095a09c057be7c90f0a2", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07");
    let other = "0000000000000000000000000000000000000001";
    write(
        "manifests/packages.yaml",
        &(package("fin-ws-042", ws, "look at it", "{}")
            + &package("mail", dc, "look at it", "{}")
            + &package("branch", other, "look at it", "{ role: domain-controller }")),
    );
    write("manifests/alert.yaml", &alert("seen on a share"));
    let all = policies();
    let shown = run(&["plan", "--format", "json"]);
    let found = denied(&all, &shown);
    let [alert_denied, by_warning] = found.as_slice() else { panic!("{found:?}") };
    assert!(alert_denied.starts_with("Alert/a: severity High"), "{alert_denied}");
    assert!(by_warning.starts_with("InvestigationPackage/mail: no collection"), "{by_warning}");
    // The file that `apply` takes holds more: labels.
    run(&["plan", "--out", "plan.json"]);
    let saved = std::fs::read_to_string(dir.path().join("plan.json")).unwrap();
    let found = denied(&all, &saved);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[1]
            .ends_with("InvestigationPackage/branch: no collection from a domain controller (by its label)")
    );

    write("manifests/packages.yaml", &package("fin-ws-042", ws, "look at it", "{}"));
    write("manifests/alert.yaml", &alert("INC-2042: seen on a share"));
    assert_eq!(denied(&all, &run(&["plan", "--format", "json"])), Vec::<String>::new());

    // What is done is asked for again.
    run(&["apply", "--auto-approve", "--wait"]);
    let again =
        |comment| package("fin-ws-042", ws, comment, "{}").replace("spec:\n", "spec:\n  revision: 2\n");
    write("manifests/packages.yaml", &again("look again"));
    let found = denied(&all, &run(&["plan", "--format", "json"]));
    assert_eq!(found, ["InvestigationPackage/fin-ws-042: asked again without a ticket"]);
    write("manifests/packages.yaml", &again("INC-2042: look again"));
    assert_eq!(denied(&all, &run(&["plan", "--format", "json"])), Vec::<String>::new());
}
