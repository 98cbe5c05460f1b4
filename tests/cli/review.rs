//! What was reviewed is what is sent: saved plans and seals, through the binary, the simulated service
//! and a real git repository.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::case::Case;

fn machine(n: usize) -> String {
    format!("{n:040x}")
}

fn package(name: &str, n: usize, comment: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec:\n  \
         machineId: {}\n  comment: {}\n",
        json!(machine(n)),
        json!(comment)
    )
}

fn alert(title: &str, status: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: a }}\nspec:\n  machineId: {}\n  \
         severity: Low\n  title: {title}\n  description: d\n  recommendedAction: r\n  \
         eventTime: 2018-08-03T16:45:21.7115183Z\n  reportId: \"20776\"\n  category: Exploit\n  \
         triage: {{ status: {status} }}\n",
        json!("1e5bc9d7e413ddd7902c2932e418702b84d0cc07")
    )
}

/// A project without settings of its own.
fn plain(scenario: &str) -> Case {
    Case::new(scenario, "{}")
}

impl Case {
    fn run(&self, args: &[&str]) -> Output {
        self.command(&self.sandbox.url, args).output().unwrap()
    }

    fn state(&self) -> Value {
        serde_json::from_str(&self.read(".casefile/state.json")).unwrap()
    }
}

mod saved {
    use super::*;

    #[test]
    fn a_saved_plan_sends_its_calls_byte_for_byte_and_once() {
        let case = plain("{}");
        let comment = "bidi \u{202e}cba, zero\u{200b}width, \"quotes\", \\ and é";
        case.write("manifests/a.yaml", &package("a", 1, comment));
        let (_, told) = case.exits(0, &["plan", "--out", "plan.json"]);
        assert!(told.contains(" apply plan.json"), "{told}");
        assert!(!case.path(".casefile").exists(), "a plan writes no state");
        let text = case.read("plan.json");
        assert!(text.contains("\u{202e}") && !text.contains("a-token"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(case.path("plan.json")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let plan: Value = serde_json::from_str(&text).unwrap();
        // The manifests do not matter any more.
        case.write("manifests/a.yaml", &package("b", 2, "something else"));
        case.exits(0, &["apply", "plan.json"]);
        let effects = case.effects();
        assert_eq!(effects.len(), 1, "{effects:?}");
        let state = case.state();
        assert_eq!(state["lineage"], plan["lineage"]);
        assert_eq!(
            state["resources"]["InvestigationPackage/a"]["sent"]["request"]["body"]["Comment"],
            comment
        );
        assert_eq!(state["resources"]["InvestigationPackage/a"]["asked"]["plan"], plan["digest"]);

        let (_, why) = case.exits(4, &["apply", "plan.json"]);
        assert!(why.contains("was carried out already: 1 of 1 calls"), "{why}");
        assert_eq!(case.effects().len(), 1);
    }

    #[test]
    fn only_what_moved_and_has_a_call_refuses_a_plan() {
        let case = plain("delays: { pending: 0, running: 0 }");
        case.write("manifests/a.yaml", &package("a", 1, "first"));
        case.write("manifests/b.yaml", &package("b", 2, "second"));
        case.exits(0, &["apply", "--auto-approve", "manifests/a.yaml"]);
        case.exits(0, &["plan", "--out", "plan.json"]);
        // The other resource's status is recorded meanwhile; it has no call in the plan.
        case.exits(0, &["apply", "--auto-approve", "--wait", "manifests/a.yaml"]);
        let other = case.read("plan.json");
        case.exits(0, &["apply", "plan.json"]);
        assert_eq!(case.effects().len(), 2);

        // Now one of the rows with a call moves.
        case.write("manifests/c.yaml", &package("c", 3, "third"));
        case.write("manifests/d.yaml", &package("d", 4, "fourth"));
        case.exits(0, &["plan", "--out", "plan.json"]);
        assert_ne!(other, case.read("plan.json"));
        case.exits(0, &["apply", "--auto-approve", "manifests/c.yaml"]);
        let (_, why) = case.exits(4, &["apply", "plan.json"]);
        assert!(why.contains("InvestigationPackage/c: was not in the state, now "), "{why}");
        assert!(!why.contains("InvestigationPackage/d"), "{why}");
        assert_eq!(case.effects().len(), 3, "nothing of the plan was sent");
    }

    #[test]
    fn a_plan_for_another_state_is_refused() {
        let case = plain("{}");
        case.write("manifests/a.yaml", &package("a", 1, "first"));
        case.exits(0, &["plan", "--out", "plan.json"]);
        case.write("manifests/b.yaml", &package("b", 2, "second"));
        case.exits(0, &["apply", "--auto-approve", "manifests/b.yaml"]);
        let (_, why) = case.exits(4, &["apply", "plan.json"]);
        assert!(why.contains("one has been begun since"), "{why}");

        case.exits(0, &["plan", "--out", "with-state.json"]);
        std::fs::remove_dir_all(case.path(".casefile")).unwrap();
        let (_, why) = case.exits(4, &["apply", "with-state.json"]);
        assert!(why.contains("there is no state here"), "{why}");
        case.exits(0, &["apply", "--auto-approve", "--fresh", "manifests/b.yaml"]);
        let (_, why) = case.exits(4, &["apply", "with-state.json"]);
        assert!(why.contains("made from another state"), "{why}");
    }

    #[test]
    fn a_lost_state_is_not_taken_for_a_new_one() {
        let case = plain("{}");
        case.write("manifests/a.yaml", &package("a", 1, "first"));
        case.exits(0, &["apply", "--auto-approve"]);
        std::fs::remove_dir_all(case.path(".casefile")).unwrap();
        case.exits(0, &["plan", "--no-refresh", "--out", "plan.json"]);
        let (_, why) = case.exits(4, &["apply", "plan.json"]);
        assert!(why.contains("the state is empty, but"), "{why}");
        assert_eq!(case.effects().len(), 1);
    }

    #[test]
    fn files_that_hold_no_plan_to_apply() {
        let case = plain("{}");
        case.write("manifests/a.yaml", &package("a", 1, "first"));
        case.exits(0, &["plan", "--out", "plan.json"]);
        let good = case.read("plan.json");
        let (shown, _) = case.exits(0, &["plan", "--format", "json"]);
        for (text, says) in [
            (good.replace("first", "other"), "its calls have the digest sha256:"),
            (good[..good.len() / 2].to_owned(), "no saved plan"),
            (good.replace("\"formatVersion\": 1", "\"formatVersion\": 2"), "a newer casefile: format 2"),
            (shown, "a plan to read"),
            ("{}".into(), "no saved plan"),
        ] {
            case.write("bad.json", &text);
            let (_, why) = case.exits(1, &["apply", "bad.json"]);
            assert!(why.contains(says), "{says}: {why}");
        }
        // What an edit has changed outside of the calls is not believed either.
        let mut plan: Value = serde_json::from_str(&good).unwrap();
        plan["execution"]["binding"] = json!({});
        case.write("bad.json", &plan.to_string());
        let (_, why) = case.exits(1, &["apply", "bad.json"]);
        assert!(why.contains("does not say which service"), "{why}");
        let mut plan: Value = serde_json::from_str(&good).unwrap();
        let released = json!([{ "released": { "address": "InvestigationPackage/other" } }]);
        plan["changes"][0]["execution"]["records"] = released;
        case.write("bad.json", &plan.to_string());
        let (_, why) = case.exits(1, &["apply", "bad.json"]);
        assert!(why.contains("records something of another resource"), "{why}");
        let mut plan: Value = serde_json::from_str(&good).unwrap();
        plan["changes"][0]["shownAs"] = json!("InvestigationPackage/sweep[harmless]");
        case.write("shown.json", &plan.to_string());
        case.exits(64, &["apply", "plan.json", "--replace", "InvestigationPackage/a"]);
        case.exits(64, &["plan", "--out", "plan.yaml"]);
        case.exits(4, &["apply", "plan.json", "--expect", &format!("sha256:{}", "0".repeat(64))]);
        assert_eq!(case.effects().len(), 0);
        let (out, err) = case.exits(0, &["apply", "shown.json"]);
        assert!(!out.contains("harmless") && !err.contains("harmless"), "{out}{err}");
    }

    #[test]
    fn updates_and_cancels_are_saved_with_what_the_refresh_saw() {
        let case = plain("delays: { pending: 7200 }");
        // Who wants the declared value back says so.
        case.write("manifests/a.yaml", &alert("one", "InProgress, mode: enforce"));
        let package = package("b", 1, "first") + "lifecycle: { onRemove: Cancel }\n";
        case.write("manifests/b.yaml", &package);
        case.exits(0, &["apply", "--auto-approve"]);
        case.exits(0, &["apply", "--auto-approve"]);
        let id = case.state()["resources"]["Alert/a"]["id"].as_str().unwrap().to_owned();
        // An analyst resolves the alert: the state does not know it when the plan is made.
        let path = format!("/api/alerts/{id}");
        case.control("PATCH", &path, r#"{"status":"Resolved"}"#);
        std::fs::remove_file(case.path("manifests/b.yaml")).unwrap();
        case.exits(0, &["plan", "--out", "plan.json"]);
        let plan: Value = serde_json::from_str(&case.read("plan.json")).unwrap();
        assert_eq!(plan["summary"], json!({ "update": 1, "cancel": 1 }));
        let row = &plan["changes"][0];
        assert_eq!(row["basis"], case.state()["resources"]["Alert/a"]["changed"]);
        let records = row["execution"]["records"].as_array().unwrap();
        assert!(records.iter().any(|r| r["observed"]["object"]["status"] == "Resolved"), "{row}");
        case.exits(0, &["apply", "plan.json"]);
        let state = case.state();
        assert_eq!(state["resources"]["Alert/a"]["status"], "InProgress");
        assert_eq!(state["resources"]["InvestigationPackage/b"]["phase"], "Released");
        let (_, why) = case.exits(4, &["apply", "plan.json"]);
        assert!(why.contains("2 of 2 calls were sent"), "{why}");
    }

    /// Kills a run in the middle of its plan: a quota that is used up holds the second call back.
    #[cfg(unix)]
    #[test]
    fn an_interrupted_plan_sends_the_rest() {
        let case = plain("{}");
        let project = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n\
                       spec: { quotas: { collect: { perMinute: 1 } } }\n";
        case.write("casefile.yaml", project);
        case.write("manifests/a.yaml", &package("a", 1, "first"));
        case.write("manifests/b.yaml", &package("b", 2, "second"));
        case.exits(0, &["plan", "--out", "plan.json"]);
        let args = ["apply", "plan.json", "--format", "json"];
        let mut child = case.command(&case.sandbox.url, &args).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let accepted = lines.find(|l| l.as_ref().unwrap().contains("\"accepted\""));
        assert!(accepted.is_some());
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(case.effects().len(), 1);

        case.write("casefile.yaml", &project.replace("perMinute: 1", "perMinute: 100"));
        case.exits(0, &["apply", "plan.json"]);
        assert_eq!(case.effects().len(), 2, "each call once");
        case.exits(4, &["apply", "plan.json"]);
    }
}

mod sealed {
    use super::*;

    impl Case {
        #[track_caller]
        fn git(&self, args: &[&str]) {
            let identity =
                ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
            let output = Command::new("git")
                .current_dir(self.dir.path())
                .args(identity)
                .args(args)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .output()
                .unwrap();
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }

        fn commit(&self, message: &str) {
            self.git(&["add", "-A"]);
            self.git(&["commit", "-q", "-m", message]);
        }

        /// What `validate --sealed` says, by code.
        #[track_caller]
        fn problems(&self, args: &[&str]) -> Vec<(String, String, u64)> {
            let output = self.run(&[&["validate", "--sealed", "--format", "json"], args].concat());
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            let list = found["diagnostics"].as_array().unwrap_or_else(|| panic!("{found}"));
            assert_eq!(output.status.code(), Some(i32::from(!list.is_empty())), "{found}");
            let text = |d: &Value, k: &str| d[k].as_str().unwrap().to_owned();
            list.iter().map(|d| (text(d, "code"), text(d, "file"), d["line"].as_u64().unwrap())).collect()
        }

        fn codes(&self) -> Vec<String> {
            self.problems(&[]).into_iter().map(|(code, _, _)| code).collect()
        }
    }

    #[test]
    fn missing_outdated_edited_and_orphaned_are_told_apart() {
        let case = plain("{}");
        case.write("manifests/a.yaml", &package("a", 1, "first"));
        assert_eq!(case.problems(&[]), [("seal-missing".into(), "manifests/a.yaml".into(), 3)]);
        let (told, _) = case.exits(0, &["seal"]);
        assert_eq!(told, "wrote manifests/a.sealed.yaml\n");
        assert!(case.codes().is_empty());
        let (told, _) = case.exits(0, &["seal"]);
        assert_eq!(told, "1 seal was current\n");
        let good = case.read("manifests/a.sealed.yaml");

        case.write("manifests/a.yaml", &package("a", 1, "second"));
        let line = good.lines().position(|l| l.contains("first")).unwrap() as u64 + 1;
        let outdated = ("seal-outdated".to_owned(), "manifests/a.sealed.yaml".to_owned(), line);
        assert_eq!(case.problems(&[]), std::slice::from_ref(&outdated));
        assert_eq!(case.problems(&["manifests/a.yaml"]), [outdated]);
        case.write("manifests/a.yaml", &package("a", 1, "first"));

        for edited in [
            good.replace("first", "other"),
            good.replace("revision: 1", "revision: 2"),
            format!("{good}# approved\n"),
            good.replace("kind: Seal", "kind: Steal"),
            String::new(),
        ] {
            case.write("manifests/a.sealed.yaml", &edited);
            assert_eq!(case.codes(), ["seal-edited"], "{edited}");
        }
        // Git on Windows may rewrite line ends.
        case.write("manifests/a.sealed.yaml", &good.replace('\n', "\r\n"));
        assert!(case.codes().is_empty());

        case.write("manifests/b.yaml", &package("b", 2, "second"));
        std::fs::remove_file(case.path("manifests/a.yaml")).unwrap();
        let codes = case.codes();
        assert_eq!(codes, ["seal-orphaned", "seal-missing"]);
        let (told, _) = case.exits(0, &["seal"]);
        assert_eq!(told, "wrote manifests/b.sealed.yaml\nremoved manifests/a.sealed.yaml\n");
        assert!(case.codes().is_empty());
    }

    /// A branch is sealed and reviewed; meanwhile another incident is merged and the state moves on.
    #[test]
    fn the_rehearsal() {
        let case = plain("delays: { pending: 0, running: 0 }");
        case.git(&["init", "-q", "-b", "main"]);
        case.write(".gitignore", ".casefile/\n");
        case.write("manifests/old.yaml", &package("old", 1, "an older incident"));
        case.exits(0, &["seal"]);
        case.commit("older incident");
        case.exits(0, &["apply", "--sealed"]);

        case.git(&["switch", "-q", "-c", "inc-1"]);
        case.write("manifests/inc-1.yaml", &package("inc-1", 2, "reviewed \u{202e}comment"));
        case.exits(0, &["seal", "manifests/inc-1.yaml"]);
        case.commit("incident 1");
        // Another incident is merged meanwhile, and the older one ends.
        case.git(&["switch", "-q", "main"]);
        case.write("manifests/inc-2.yaml", &package("inc-2", 3, "another incident"));
        case.exits(0, &["seal"]);
        case.commit("incident 2");
        case.exits(0, &["apply", "--sealed", "--wait"]);
        assert_eq!(case.effects().len(), 2);
        case.git(&["merge", "-q", "--no-edit", "inc-1"]);
        assert!(case.codes().is_empty());

        // A manifest that changed after its review, a seal that changed without its manifest.
        let (manifest, seal) = (case.read("manifests/inc-1.yaml"), case.read("manifests/inc-1.sealed.yaml"));
        for (name, good, bad, why) in [
            ("manifests/inc-1.yaml", &manifest, manifest.replace("reviewed", "changed"), "is outdated"),
            ("manifests/inc-1.yaml", &manifest, manifest.replace("0002", "0004"), "is outdated"),
            ("manifests/inc-1.sealed.yaml", &seal, seal.replace("reviewed", "changed"), "edited by hand"),
        ] {
            assert_ne!(*good, bad);
            case.write(name, &bad);
            let (_, told) = case.exits(4, &["apply", "--sealed"]);
            assert!(told.contains("InvestigationPackage/inc-1 (create)") && told.contains(why), "{told}");
            case.write(name, good);
        }
        std::fs::remove_file(case.path("manifests/inc-1.sealed.yaml")).unwrap();
        let (_, told) = case.exits(4, &["apply", "--sealed"]);
        assert!(told.contains("manifests/inc-1.sealed.yaml does not exist"), "{told}");
        case.git(&["checkout", "-q", "manifests"]);
        // One call without a seal refuses the whole run.
        case.write("manifests/inc-3.yaml", &package("inc-3", 5, "not sealed"));
        case.exits(4, &["apply", "--sealed"]);
        assert_eq!(case.effects().len(), 2, "nothing was sent");
        std::fs::remove_file(case.path("manifests/inc-3.yaml")).unwrap();

        case.exits(0, &["apply", "--sealed"]);
        assert_eq!(case.effects().len(), 3, "exactly the sealed call");
        let sent = &case.state()["resources"]["InvestigationPackage/inc-1"]["sent"];
        assert_eq!(sent["request"]["body"]["Comment"], "reviewed \u{202e}comment");
        assert!(seal.contains(sent["digest"].as_str().unwrap()), "{seal}");
        assert!(seal.contains("reviewed \\u202ecomment") && !seal.contains('\u{202e}'), "{seal}");
        // What is done needs no seal: an edited comment is shown, and not sent.
        case.write("manifests/inc-1.yaml", &manifest.replace("reviewed", "edited"));
        case.exits(0, &["apply", "--sealed"]);
        assert_eq!(case.effects().len(), 3);
    }

    #[test]
    fn a_removal_needs_manifest_and_seal_gone() {
        let case = plain("delays: { pending: 7200 }");
        let manifest = package("a", 1, "first") + "lifecycle: { onRemove: Cancel }\n";
        case.write("manifests/a.yaml", &manifest);
        case.write("manifests/b.yaml", &package("b", 2, "second"));
        case.exits(0, &["seal"]);
        case.exits(0, &["apply", "--sealed"]);
        std::fs::remove_file(case.path("manifests/a.yaml")).unwrap();
        let (_, told) = case.exits(4, &["apply", "--sealed"]);
        assert!(told.contains("(cancel): manifests/a.sealed.yaml still seals it"), "{told}");
        case.exits(0, &["seal"]);
        case.exits(0, &["apply", "--sealed"]);
        let phase = &case.state()["resources"]["InvestigationPackage/a"]["phase"];
        assert_eq!(phase, "Released");
    }

    #[test]
    fn an_update_needs_a_current_triage() {
        let case = plain("{}");
        case.write("manifests/a.yaml", &alert("one", "New"));
        case.exits(0, &["seal"]);
        case.exits(0, &["apply", "--sealed"]);
        case.write("manifests/a.yaml", &alert("one", "InProgress"));
        let (_, told) = case.exits(4, &["apply", "--sealed"]);
        assert!(told.contains("Alert/a (update): manifests/a.sealed.yaml holds another triage"), "{told}");
        case.exits(0, &["seal"]);
        // An edited title is not sent; the triage alone counts for an update.
        case.write("manifests/a.yaml", &alert("two", "InProgress"));
        case.exits(0, &["apply", "--sealed"]);
        assert_eq!(case.state()["resources"]["Alert/a"]["status"], "InProgress");
    }

    #[test]
    fn a_mark_is_in_no_seal() {
        let case = plain("{}");
        let project = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n\
                       spec: { recovery: { marker: true } }\n";
        case.write("casefile.yaml", project);
        case.write("manifests/a.yaml", &package("a", 1, "first"));
        case.exits(0, &["seal"]);
        let (_, told) = case.exits(4, &["apply", "--sealed"]);
        assert!(told.contains("recovery.marker"), "{told}");
        // A saved plan holds the mark as it will be sent.
        case.exits(0, &["plan", "--out", "plan.json"]);
        case.exits(0, &["apply", "plan.json"]);
        assert_eq!(case.effects().len(), 1);
    }

    #[test]
    fn since_a_revision() {
        let case = plain("{}");
        case.git(&["init", "-q", "-b", "main"]);
        for (n, name) in ["same", "edited", "removed"].into_iter().enumerate() {
            case.write(&format!("manifests/{name}.yaml"), &package(name, n, "first"));
        }
        case.commit("base");
        case.write("manifests/edited.yaml", &package("edited", 1, "second"));
        case.write("manifests/new.yaml", &package("new", 7, "first"));
        std::fs::remove_file(case.path("manifests/removed.yaml")).unwrap();
        let rows = |args: &[&str]| -> Vec<String> {
            let (plan, _) = case.exits(0, &[&["plan", "--format", "json"], args].concat());
            let plan: Value = serde_json::from_str(&plan).unwrap();
            let address = |c: &Value| c["address"].as_str().unwrap().to_owned();
            plan["changes"].as_array().unwrap().iter().map(address).collect()
        };
        assert_eq!(rows(&["--since", "main"]), ["InvestigationPackage/edited", "InvestigationPackage/new"]);
        assert_eq!(rows(&["--since", "main", "manifests/new.yaml"]), ["InvestigationPackage/new"]);
        case.commit("branch");
        assert_eq!(rows(&["--since", "HEAD"]), Vec::<String>::new());
        for bad in ["nowhere", "--output=x"] {
            let (_, why) = case.exits(1, &["plan", &format!("--since={bad}")]);
            assert!(why.contains("git cannot say what has changed"), "{why}");
        }
        assert!(!case.path("x").exists());
    }
}
