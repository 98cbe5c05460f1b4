//! `casefile report` as it is typed, on a project with the simulated service.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::sandbox::{BIN, Sandbox};

struct Project {
    dir: tempfile::TempDir,
    sandbox: Sandbox,
}

const FILE: &str = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: lab }\nspec:\n  auth: { method: token }\n  \
                    quotas: { package: { perMinute: unlimited, perHour: unlimited } }\n";

impl Project {
    /// Two collections of an incident and an alert of another one, asked for and done; nothing is fetched.
    fn applied() -> Project {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        std::fs::write(dir.path().join("casefile.yaml"), FILE).unwrap();
        let manifests = "apiVersion: casefile/v1\nkind: InvestigationPackage\n\
             metadata: { name: a, labels: { incident: INC-1 } }\n\
             spec: { machineId: fb9ab6be3965095a09c057be7c90f0a2, comment: INC-1 }\n---\n\
             apiVersion: casefile/v1\nkind: InvestigationPackage\n\
             metadata: { name: b, labels: { incident: INC-1 } }\n\
             spec: { machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, comment: INC-1 }\n---\n\
             apiVersion: casefile/v1\nkind: Alert\nmetadata: { name: c, labels: { incident: INC-2 } }\n\
             spec: { machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, severity: Low, title: t, description: d, \
             recommendedAction: r, eventTime: 2026-02-01T00:00:00Z, reportId: \"1\", category: Malware }\n";
        std::fs::write(dir.path().join("manifests/a.yaml"), manifests).unwrap();
        let scenario = "quotas: { enabled: false }\ndelays: { pending: 0, running: 0 }\n";
        let project = Project { dir, sandbox: Sandbox::start(scenario) };
        assert_eq!(project.run(&["seal"]).status.code(), Some(0));
        assert_eq!(project.run(&["apply", "--auto-approve", "--wait"]).status.code(), Some(0));
        project
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(BIN);
        for name in
            ["CASEFILE_STATE_URL", "AZURE_CLIENT_SECRET", "RUST_LOG", "CI_JOB_URL", "GITHUB_SERVER_URL"]
        {
            command.env_remove(name);
        }
        command.env("CASEFILE_ENDPOINT", &self.sandbox.url).env("CASEFILE_ACCESS_TOKEN", "a-token");
        command.env("USER", "ann").stdin(Stdio::null());
        command.arg("-C").arg(self.dir.path()).args(args).output().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[&["report", "--format", "json"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_report_goes_from_what_was_asked_to_what_is_held() {
    let project = Project::applied();
    let before = project.json(&["-l", "incident=INC-1"]);
    assert_eq!((&before["incident"], &before["summary"]["collections"]), (&"INC-1".into(), &2.into()));
    assert_eq!(before["problems"][0]["code"], "not-fetched");
    assert_eq!(before["problems"][0]["next"][0]["command"], "casefile fetch");
    assert_eq!(project.run(&["fetch"]).status.code(), Some(0));

    let after = project.json(&["-l", "incident=INC-1", "--verify"]);
    assert_eq!(after["problems"], serde_json::json!([]));
    let resource = &after["resources"][0];
    assert_eq!(
        (&resource["standing"], &resource["seal"]),
        (&"held".into(), &"manifests/a.sealed.yaml".into())
    );
    let attempt = &resource["attempts"][0];
    for moment in ["asked", "accepted", "finished", "fetched"] {
        assert!(attempt[moment].is_string(), "{moment}: {attempt}");
    }
    assert!(attempt["by"].as_str().unwrap().starts_with("ann@"), "{attempt}");
    assert_eq!(resource["packages"][0]["holding"], "verified");
    assert_eq!(after["plans"][0]["digest"], attempt["plan"]);
    // The head is the one that verify takes.
    let head = format!("sha256:{}", after["journal"]["head"].as_str().unwrap());
    assert_eq!(project.run(&["verify", "--head", &head]).status.code(), Some(0));
    // A link into a portal would lead a reader of a simulated alert to a real one.
    let alerts = project.json(&["Alert/c"]);
    assert_eq!((alerts["summary"]["alerts"].clone(), alerts["resources"][0].get("portal")), (1.into(), None));
}

#[test]
fn a_look_tells_how_the_machines_are_and_writes_nothing() {
    let project = Project::applied();
    let journal = std::fs::read(project.path(".casefile/journal.jsonl")).unwrap();
    let recorded = project.json(&[]);
    assert_eq!((&recorded["refreshed"], recorded["machines"][0].get("health")), (&false.into(), None));
    let looked = project.json(&["--refresh"]);
    assert_eq!((&looked["refreshed"], &looked["machines"][0]["health"]), (&true.into(), &"Active".into()));
    assert_eq!(std::fs::read(project.path(".casefile/journal.jsonl")).unwrap(), journal);
}

#[test]
fn a_package_that_was_changed_or_is_gone_is_a_problem() {
    let project = Project::applied();
    assert_eq!(project.run(&["fetch"]).status.code(), Some(0));
    let document = project.json(&["InvestigationPackage/a"]);
    let file = document["resources"][0]["packages"][0]["file"].as_str().unwrap();
    let path = project.path("evidence").join(file);
    std::fs::remove_file(&path).unwrap();
    let code = |args: &[&str]| project.json(args)["problems"][0]["code"].clone();
    assert_eq!(code(&["InvestigationPackage/a"]), "package-missing");
    std::fs::write(&path, "not what it was").unwrap();
    assert_eq!(code(&["InvestigationPackage/a"]), "package-other-length");
    assert_eq!(code(&["InvestigationPackage/a", "--verify"]), "package-truncated");
}

#[test]
fn a_page_replaces_a_report_and_nothing_else() {
    let project = Project::applied();
    for _ in 0..2 {
        let output = project.run(&["report"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert!(
            text(&output).starts_with("Wrote report.html: 3 resources, 0 of 2 packages held"),
            "{}",
            text(&output)
        );
    }
    let page = std::fs::read_to_string(project.path("report.html")).unwrap();
    assert!(page.contains("<h1>lab</h1>") && !page.contains("nothing here has happened"));
    std::fs::write(project.path("notes.html"), "<p>mine").unwrap();
    let output = project.run(&["report", "--out", "notes.html"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("notes.html is there and is no report of this tool"), "{}", text(&output));
    assert_eq!(std::fs::read(project.path("notes.html")).unwrap(), b"<p>mine");
    let output = project.run(&["report", "--out", "-"]);
    assert!(output.stdout.starts_with(b"<!DOCTYPE html>"), "{}", text(&output));
    for _ in 0..2 {
        let output = project.run(&["report", "--format", "json", "--out", "report.json"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    assert_eq!(project.run(&["report", "InvestigationPackage/none"]).status.code(), Some(1));
    assert_eq!(project.run(&["report", "-l", "a=b=c"]).status.code(), Some(64));
}
