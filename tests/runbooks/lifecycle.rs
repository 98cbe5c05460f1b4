//! Runbooks that change while incidents are under way: open, sealed and closed ones, through the binary and
//! the simulated service.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sandbox::{BIN, Sandbox};

const RUNBOOK: &str = "apiVersion: casefile/v1
kind: Runbook
metadata: { name: triage }
spec:
  parameters:
    type: object
    properties:
      ticket: { type: string, default: none }
      machines: { type: array, items: { type: string } }
  resources:
    - kind: InvestigationPackage
      metadata: { name: \"collect-${{ item }}\" }
      forEach: ${{ with.machines }}
      spec:
        machineId: ${{ item }}
        comment: first words for ${{ with.ticket }}
";
const LATE: &str = "    - kind: InvestigationPackage
      metadata: { name: late }
      spec:
        machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
        comment: thought of later
";
const INCIDENT: &str = "apiVersion: casefile/v1
kind: Incident
metadata: { name: inc-1 }
spec:
  runbook: triage
  with: { machines: [fb9ab6be3965095a09c057be7c90f0a2] }
";
const FIRST: &str = "InvestigationPackage/inc-1.collect-fb9ab6be3965095a09c057be7c90f0a2";

pub struct Project {
    pub dir: tempfile::TempDir,
    sandbox: Sandbox,
}

impl Project {
    pub fn new() -> Project {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("m")).unwrap();
        let project = Project { dir, sandbox: Sandbox::start("{}") };
        project.write(
            "casefile.yaml",
            "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\nspec: { manifests: [m] }\n",
        );
        project.write("m/runbook.yaml", RUNBOOK);
        project.write("m/inc.yaml", INCIDENT);
        project
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    /// What is there now is what was reviewed.
    fn commit(&self) {
        self.write(".gitignore", ".casefile/\n");
        for args in
            [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "--allow-empty", "-m", "reviewed"]]
        {
            let who = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
            let git = Command::new("git").arg("-C").arg(self.dir.path()).args(who).args(args).status();
            assert!(git.unwrap().success(), "{args:?}");
        }
    }

    #[track_caller]
    pub fn run(&self, code: i32, args: &[&str]) -> String {
        let mut command = Command::new(BIN);
        command.arg("-C").arg(self.dir.path()).args(args).stdin(Stdio::null());
        for name in ["CASEFILE_STATE_URL", "AZURE_CLIENT_SECRET", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.env("CASEFILE_ENDPOINT", &self.sandbox.url).env("CASEFILE_ACCESS_TOKEN", "a-token");
        let output = command.output().unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{text}");
        text
    }

    /// Address and action of each row of the plan, and the names of all warnings.
    #[track_caller]
    pub fn plan(&self) -> (Vec<(String, String)>, Vec<String>) {
        let text = self.run(0, &["plan", "--format", "json", "-q"]);
        let plan: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let word = |v: &Value| v.as_str().unwrap().to_owned();
        let rows = plan["changes"].as_array().unwrap();
        let warnings = rows.iter().chain([&plan]).flat_map(|r| r["warnings"].as_array().unwrap());
        let warnings = warnings.map(|w| word(&w["code"])).collect();
        (rows.iter().map(|r| (word(&r["address"]), word(&r["action"]))).collect(), warnings)
    }

    pub fn state(&self) -> Value {
        serde_json::from_str(&self.read(".casefile/state.json")).unwrap()
    }
}

fn row(address: &str, action: &str) -> (String, String) {
    (address.to_owned(), action.to_owned())
}

#[test]
fn a_runbook_edited_later_changes_nothing_that_was_sent_and_adds_loudly() {
    let p = Project::new();
    let text = p.run(0, &["plan", "-v"]);
    assert!(text.contains("(m/inc.yaml:3, m/runbook.yaml:12)"), "{text}");
    p.run(0, &["apply", "--auto-approve", "-q"]);
    p.write("m/runbook.yaml", &RUNBOOK.replace("first words", "other words"));
    let (rows, _) = p.plan();
    assert_eq!(rows, [row(FIRST, "differs")]);
    p.write("m/runbook.yaml", &format!("{RUNBOOK}{LATE}"));
    let (rows, warnings) = p.plan();
    assert_eq!(rows.iter().map(|r| &*r.1).filter(|a| *a == "create").count(), 1, "{rows:?}");
    assert!(warnings.iter().any(|w| w == "added-to-running-incident"), "{warnings:?}");
    let text = p.run(0, &["plan"]);
    assert!(text.contains("inc-1 was already under way: this resource is new in it"), "{text}");
}

#[test]
fn a_closed_incident_keeps_its_resources_and_is_not_looked_at() {
    let p = Project::new();
    p.run(0, &["apply", "--auto-approve", "-q"]);
    p.write("m/inc.yaml", &format!("{INCIDENT}  closed: true\n"));
    p.write("m/runbook.yaml", &format!("{RUNBOOK}{LATE}"));
    assert_eq!(p.plan(), (Vec::new(), Vec::new()));
    let before = p.state();
    p.run(0, &["apply", "--auto-approve", "-q"]);
    assert_eq!(p.state()["resources"], before["resources"]);
    // Without the incident the resources are forgotten as any others.
    std::fs::remove_file(p.dir.path().join("m/inc.yaml")).unwrap();
    assert_eq!(p.plan().0, [row(FIRST, "forget")]);
    // Opened again, it goes on where it was.
    p.write("m/inc.yaml", INCIDENT);
    p.write("m/runbook.yaml", RUNBOOK);
    assert!(p.plan().0.iter().all(|(_, action)| action == "wait" || action == "none"), "{:?}", p.plan());
}

#[test]
fn a_sealed_incident_no_longer_changes_when_its_runbook_does() {
    let p = Project::new();
    p.run(0, &["seal"]);
    let seal = p.read("m/inc.sealed.yaml");
    p.commit();
    let first = p.plan().0;
    assert_eq!(first, [row(FIRST, "create")]);
    for edited in [
        RUNBOOK.replace("first words", "other words"),
        format!("{RUNBOOK}{LATE}"),
        RUNBOOK.replace("ticket: { type: string, default: none }", "ticket: { type: string }"),
        RUNBOOK.replace("    properties:", "    required: [ticket]\n    properties:"),
        RUNBOOK.replace("collect-${{ item }}", "take-${{ item }}"),
    ] {
        p.write("m/runbook.yaml", &edited);
        let (rows, warnings) = p.plan();
        assert_eq!(rows, first, "{edited}");
        let held = edited.contains("late") || edited.contains("take-");
        assert_eq!(warnings.iter().any(|w| w == "held-back"), held, "{edited}");
        // The seal alone cannot tell whether it or the runbook was edited.
        let text = p.run(1, &["validate", "--sealed"]);
        assert!(text.contains("seal-unproven") && text.contains("--since REF"), "{edited}: {text}");
        let text = p.run(4, &["apply", "--sealed"]);
        assert!(text.contains("not as the runbook makes it now"), "{edited}: {text}");
        p.run(0, &["validate", "--sealed", "--since", "HEAD"]);
        p.run(0, &["seal"]);
        assert_eq!(p.read("m/inc.sealed.yaml"), seal, "{edited}");
    }
    // Not even a runbook that is gone matters.
    std::fs::remove_file(p.dir.path().join("m/runbook.yaml")).unwrap();
    p.run(0, &["validate", "--sealed", "--since", "HEAD"]);
    p.run(0, &["apply", "--sealed", "--since", "HEAD", "-q"]);
    assert!(
        p.state()["resources"][FIRST]["sent"].to_string().contains("first words") || {
            p.read(".casefile/journal.jsonl").contains("first words for none")
        }
    );
    p.write("m/runbook.yaml", &format!("{}{LATE}", RUNBOOK.replace("first words", "other words")));
    let (rows, warnings) = p.plan();
    assert!(rows.len() == 1 && rows[0].1 != "differs" && rows[0].1 != "create", "{rows:?}");
    assert!(warnings.iter().any(|w| w == "held-back"));
    let text = p.run(0, &["plan"]);
    assert!(text.contains("casefile seal m/inc.yaml"), "{text}");
    // Who names the incident takes in what its runbook is now.
    p.run(0, &["seal", "m/inc.yaml"]);
    assert_ne!(p.read("m/inc.sealed.yaml"), seal);
    p.run(0, &["validate", "--sealed"]);
    let (rows, _) = p.plan();
    assert_eq!(rows.iter().map(|r| &*r.1).filter(|a| *a == "create").count(), 1, "{rows:?}");
}

/// A pull request edits a seal and computes its checksum anew.
#[test]
fn a_forged_seal_of_an_incident_is_refused() {
    let p = Project::new();
    p.run(0, &["seal"]);
    p.commit();
    let seal = p.read("m/inc.sealed.yaml");
    let other = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
    let machine = "fb9ab6be3965095a09c057be7c90f0a2";
    let forgeries = [
        (
            4,
            seal.replace(&format!("machineId: {machine}"), &format!("machineId: {other}"))
                .replace(&format!("/machines/{machine}/"), &format!("/machines/{other}/")),
        ),
        (4, seal.replace("first words", "no runbook says this")),
        // An address that is not the incident's is an error of every plan.
        (1, seal.replace("inc-1.collect-", "inc-9.collect-")),
        // A call that the runbook makes is left out.
        (0, seal.split("resources:").next().unwrap().to_owned() + "resources: []\n"),
    ];
    for (code, edited) in forgeries {
        assert_ne!(edited, seal);
        p.write("m/inc.sealed.yaml", &with_checksum(&edited));
        for since in [&[][..], &["--since", "HEAD"]] {
            let text = p.run(1, &[&["validate", "--sealed"], since].concat());
            assert!(text.contains("seal-unproven") || text.contains("seal-edited"), "{edited}\n{text}");
        }
        p.run(code, &["apply", "--sealed"]);
        let journal = std::fs::read_to_string(p.dir.path().join(".casefile/journal.jsonl"));
        assert!(!journal.unwrap_or_default().contains("\"intent\""), "{edited}");
    }
}

/// The text of a seal with the request digests and the checksum that fit it, as its forger computes them.
fn with_checksum(text: &str) -> String {
    use casefile::model::{Body, Request, RequestDigest, Sha256Hex};
    let mut seal: casefile::seal::Seal = serde_yaml::from_str(text).unwrap();
    for r in &mut seal.resources {
        let request = Request {
            method: r.request.method,
            path: r.request.path.clone().into(),
            body: Body::from_json(r.request.body.concat()).unwrap(),
        };
        r.digest = RequestDigest::of(&request, r.spec.revision);
    }
    seal.checksum = None;
    seal.checksum = Some(format!("sha256:{}", Sha256Hex::of(seal.to_text().as_bytes())));
    seal.to_text()
}

#[test]
fn a_seal_is_outdated_by_its_incident_and_worthless_once_edited() {
    let p = Project::new();
    p.run(0, &["seal"]);
    let seal = p.read("m/inc.sealed.yaml");
    p.write("m/inc.yaml", &INCIDENT.replace("with: {", "with: { ticket: INC-1,"));
    let text = p.run(1, &["validate", "--sealed"]);
    assert!(text.contains("seal-outdated"), "{text}");
    let text = p.run(4, &["apply", "--sealed"]);
    assert!(text.contains("outdated"), "{text}");
    assert_eq!(p.plan().0, [row(FIRST, "create")]);
    // A label alone changes no call, but what was reviewed.
    p.write("m/inc.yaml", &INCIDENT.replace("name: inc-1", "name: inc-1, labels: { a: b }"));
    p.run(1, &["validate", "--sealed"]);
    p.write("m/inc.yaml", INCIDENT);
    p.run(0, &["validate", "--sealed"]);
    p.write("m/inc.sealed.yaml", &seal.replace("first words", "other words"));
    let text = p.run(1, &["plan"]);
    assert!(text.contains("seal-edited"), "{text}");
    p.run(1, &["validate"]);
    p.run(1, &["apply", "--sealed"]);
}

#[test]
fn a_closed_incident_keeps_its_seal() {
    let p = Project::new();
    p.run(0, &["seal"]);
    let seal = p.read("m/inc.sealed.yaml");
    p.write("m/inc.yaml", &format!("{INCIDENT}  closed: true\n"));
    p.run(0, &["validate", "--sealed"]);
    p.run(0, &["seal"]);
    assert_eq!(p.read("m/inc.sealed.yaml"), seal);
    std::fs::remove_file(p.dir.path().join("m/inc.sealed.yaml")).unwrap();
    p.run(0, &["validate", "--sealed"]);
}
