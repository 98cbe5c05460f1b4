//! The words that people type: selections that fit nothing, names of machines and groups, folders inside a project, new manifests.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::case::Case;
use crate::sandbox::BIN;

const HEAD: &str = "apiVersion: casefile/v1\nkind: InvestigationPackage\n";

fn package(name: &str, spec: &str) -> String {
    format!(
        "{HEAD}metadata: {{ name: {name}, labels: {{ incident: INC-2042 }} }}\nspec: {{ {spec}, comment: c }}\n---\n"
    )
}

fn id(machine: u32) -> String {
    format!("a{machine:039x}")
}

/// A service with the machines ws-1 to ws-4, whose collections run until they are cancelled.
fn fleet() -> Case {
    fleet_with(json!({}))
}

fn fleet_with(more: Value) -> Case {
    let list: Vec<Value> =
        (1..=4).map(|n| json!({ "id": id(n), "name": format!("ws-{n}.contoso.com") })).collect();
    let mut scenario = json!({
        "machines": { "strict": true, "list": list },
        "delays": { "pending": 0, "running": 3000 },
    });
    scenario.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Case::new(&scenario.to_string(), "{ recovery: { settle: 0s } }")
}

impl Case {
    fn statuses(&self) -> Vec<String> {
        let world = self.world();
        let actions = world["machineActions"].as_array().unwrap();
        let mut all: Vec<String> = actions
            .iter()
            .map(|a| {
                format!(
                    "{} {}",
                    a["machineId"].as_str().unwrap().chars().last().unwrap(),
                    a["status"].as_str().unwrap()
                )
            })
            .collect();
        all.sort();
        all
    }

    /// Runs in a folder of the project, without `-C`.
    pub fn below(&self, folder: &str, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(BIN);
        command.args(args).current_dir(self.path(folder)).stdin(Stdio::null());
        command.env_remove("CASEFILE_STATE_URL").env_remove("RUST_LOG");
        command.env("CASEFILE_ENDPOINT", &self.sandbox.url).env("CASEFILE_ACCESS_TOKEN", "a-token");
        let output = command.output().unwrap();
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

mod selections {
    use super::*;

    #[test]
    fn a_selection_that_selects_nothing_is_an_error_with_what_was_meant() {
        let case = fleet();
        case.write("manifests/a.yaml", &package("one", "machineName: ws-1"));
        case.write("manifests/empty.yaml", "# nothing yet\n");
        case.write("notes.yaml", "# no manifest\n");
        for (args, message, next) in [
            (
                &["-l", "incidnet=INC-2042"][..],
                "has a label incidnet",
                "; did you mean -l incident=INC-2042?",
            ),
            (
                &["-l", "incident=INC-2024"],
                "has the label incident=INC-2024",
                "; did you mean -l incident=INC-2042?",
            ),
            (&["-l", "incident=ACME"], "has the label incident=ACME", "there is incident=INC-2042"),
            (&["-l", "!incident"], "fits -l !incident", " render"),
            (&["notes.yaml"], "notes.yaml is none of the project's manifests", "spec.manifests"),
            (&["manifests/empty.yaml"], "manifests/empty.yaml declares no resources", " render"),
            (&["manifests/a.yaml", "manifests/empty.yaml"], "manifests/empty.yaml declares no", "casefile"),
        ] {
            for command in ["plan", "apply", "render"] {
                let mut words = vec![command];
                words.extend(args);
                words.extend((command == "apply").then_some("--auto-approve"));
                let (_, err) = case.exits(1, &words);
                assert!(err.contains(message) && err.contains(next), "{words:?}: {err}");
            }
        }
        for (path, message) in [
            ("notes.yaml", "notes.yaml is none of the project's manifests"),
            ("manifests/empty.yaml", "manifests/empty.yaml declares no resources"),
        ] {
            let (out, err) = case.exits(1, &["seal", path]);
            assert!(err.contains(message) && out.is_empty(), "{out}{err}");
            let (out, _) = case.exits(1, &["seal", "manifests/a.yaml", path]);
            assert!(out.is_empty() && !case.path("manifests/a.sealed.yaml").exists(), "{out}");
        }
        let (_, err) = case.exits(1, &["plan", "manifests/b.yaml"]);
        assert!(err.contains("manifests/b.yaml"), "{err}");
        assert!(case.effects().is_empty());
        case.exits(0, &["plan", "-l", "incident=INC-2042", "manifests"]);
        case.exits(0, &["plan", "."]);
    }

    #[test]
    fn labels_that_nothing_recorded_carries_are_an_error_too() {
        let case = fleet();
        case.write("manifests/a.yaml", &package("one", "machineName: ws-1"));
        case.exits(0, &["apply", "--auto-approve"]);
        for args in [
            &["status"][..],
            &["log"],
            &["fetch"],
            &["report"],
            &["export", "--bagit", "bag"],
            &["cancel", "--comment", "x", "--auto-approve"],
        ] {
            let (_, err) = case.exits(1, &[args, &["-l", "incident=INC-2024"]].concat());
            assert!(err.contains("has the label incident=INC-2024"), "{args:?}: {err}");
            assert!(err.contains("; did you mean -l incident=INC-2042?"), "{args:?}: {err}");
        }
        assert_eq!(case.statuses(), ["1 InProgress"]);
    }

    #[test]
    fn labels_of_what_was_never_sent_have_a_status() {
        let case = fleet();
        case.write("manifests/a.yaml", &package("one", "machineName: ws-1"));
        let (out, _) = case.exits(0, &["status", "-l", "incident=INC-2042"]);
        assert!(out.contains("not sent yet"), "{out}");
    }
}

mod names {
    use super::*;

    #[test]
    fn a_bare_name_means_a_declared_machine_where_it_is_unique() {
        let case = fleet();
        case.write("hosts.txt", "ws-2\nws-3\n");
        let manifests =
            package("one", "machineName: ws-1") + &package("sweep", "machines: { fromFile: hosts.txt }");
        case.write("manifests/a.yaml", &manifests);
        case.exits(0, &["apply", "--auto-approve"]);
        for (name, address) in [
            ("ws-1", "InvestigationPackage/one"),
            ("one", "InvestigationPackage/one"),
            ("ws-2.contoso.com", "sweep["),
        ] {
            // What runs is left alone, and the row says that it was named.
            let plan = case.plan(&["--replace", name, "-v"]);
            let row = plan["changes"]
                .as_array()
                .unwrap()
                .iter()
                .find(|c| c["address"].as_str().unwrap().contains(address));
            assert!(row.is_some(), "{name}: {plan}");
        }
        let (_, err) = case.exits(64, &["plan", "--replace", "ws-11"]);
        assert!(err.contains("no manifest declares it; did you mean ws-1?"), "{err}");
        let (_, err) = case.exits(64, &["plan", "--replace", "sweep"]);
        assert!(err.contains("stands for several machines"), "{err}");
    }

    #[test]
    fn errors_show_machines_by_their_names() {
        let case = fleet();
        case.write("hosts.txt", "ws-2\nws-3\n");
        case.write("manifests/a.yaml", &package("sweep", "machines: { fromFile: hosts.txt }"));
        case.exits(0, &["apply", "--auto-approve"]);
        let (_, err) = case.exits(64, &["state", "show", "sweep"]);
        let fits = "it can be InvestigationPackage/sweep[ws-2] or InvestigationPackage/sweep[ws-3]";
        assert!(err.contains(fits), "{err}");
        let (out, _) = case.exits(0, &["status", "sweep"]);
        assert!(out.contains("ws-2") && out.contains("ws-3"), "{out}");
        let mut complete = Command::new(BIN);
        complete.args(["__complete", "casefile", "-C"]).arg(case.dir.path()).args(["status", ""]);
        let shown = String::from_utf8(complete.output().unwrap().stdout).unwrap();
        assert_eq!(shown, "InvestigationPackage/sweep[ws-2]\nInvestigationPackage/sweep[ws-3]\n");
    }

    #[test]
    fn import_takes_the_name_of_a_machine() {
        let case = fleet();
        case.control(
            "POST",
            "/sandbox/analyst",
            &json!({ "do": "start", "machine": id(1), "comment": "mine" }).to_string(),
        );
        let action = case.world()["machineActions"][0]["id"].as_str().unwrap().to_owned();
        case.write("manifests/a.yaml", &package("one", "machineName: ws-1"));
        let (out, _) = case.exits(0, &["import", "ws-1", &action]);
        assert!(out.contains("Imported InvestigationPackage/one"), "{out}");
        case.exits(64, &["import", "ws-9", &action]);
    }
}

mod unresolved {
    use super::*;

    #[test]
    fn one_host_that_does_not_resolve_stops_nobody_who_asks_for_the_rest() {
        let case = fleet();
        case.write("hosts.txt", "ws-2\nno-such-host\nws-3\n");
        let manifests = package("one", "machineName: ws-1")
            + &package("gone", "machineName: ws-99")
            + &package("sweep", "machines: { fromFile: hosts.txt }")
            + &format!(
                "{HEAD}metadata: {{ name: after }}\nspec: {{ machineName: ws-4, comment: c }}\n\
                 dependsOn: [InvestigationPackage/gone]\n"
            );
        case.write("manifests/a.yaml", &manifests);
        let (_, err) = case.exits(1, &["plan"]);
        assert!(err.contains("--skip-unresolved"), "{err}");
        let (out, _) = case.exits(1, &["plan", "--skip-unresolved"]);
        let flat = out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("skipped, because 2 places cannot be resolved"), "{out}");
        assert!(flat.contains("no machine is called ws-99") && flat.contains("hosts.txt:2"), "{out}");
        let (out, _) = case.exits(1, &["plan", "--skip-unresolved", "--format", "json"]);
        assert!(out.contains("\"skipped-unresolved\""), "{out}");
        case.exits(1, &["apply", "--auto-approve", "--skip-unresolved"]);
        // What depends on the one that was left out waits for it.
        assert_eq!(case.statuses(), ["1 InProgress", "2 InProgress", "3 InProgress"]);
    }

    #[test]
    fn what_was_asked_for_before_stays_while_its_machine_cannot_be_told() {
        let case = fleet();
        let text = package("one", "machineName: ws-1").replace("---\n", "lifecycle: { onRemove: Cancel }\n");
        case.write("manifests/a.yaml", &text);
        case.exits(0, &["apply", "--auto-approve"]);
        case.write(
            "manifests/a.yaml",
            &text.replace("comment: c", "comment: c, revision: 2").replace("ws-1", "ws-99"),
        );
        let (out, _) = case.exits(1, &["apply", "--auto-approve", "--skip-unresolved"]);
        assert!(out.contains("ws-99"), "{out}");
        assert_eq!(case.statuses(), ["1 InProgress"], "neither cancelled nor asked again");
        case.exits(0, &["status", "one"]);
    }
}

mod cancelling {
    use super::*;

    fn running() -> Case {
        let case = fleet();
        case.write("hosts.txt", "ws-2\nws-3\n");
        let manifests = package("one", "machineName: ws-1")
            + &package("sweep", "machines: { fromFile: hosts.txt }")
            + &package("four", "machineName: ws-4").replace("INC-2042", "INC-2071");
        case.write("manifests/a.yaml", &manifests);
        case.exits(0, &["apply", "--auto-approve"]);
        case
    }

    #[test]
    fn a_whole_group_several_names_and_labels_are_cancelled_in_one_plan() {
        let why = ["--comment", "INC-2042: enough", "--auto-approve"];
        for (what, left) in [
            (&["sweep"][..], "1 InProgress,2 Cancelled,3 Cancelled,4 InProgress"),
            (&["InvestigationPackage/sweep", "ws-1"], "1 Cancelled,2 Cancelled,3 Cancelled,4 InProgress"),
            (&["-l", "incident=INC-2042"], "1 Cancelled,2 Cancelled,3 Cancelled,4 InProgress"),
        ] {
            let case = running();
            case.exits(0, &[&["cancel"], what, &why].concat());
            assert_eq!(case.statuses().join(","), left, "{what:?}");
        }
    }

    #[test]
    fn of_several_those_that_are_over_are_told_and_no_failure() {
        let case = running();
        case.exits(0, &["cancel", "ws-1", "--comment", "x", "--auto-approve"]);
        let (out, _) = case.exits(0, &["cancel", "ws-1", "ws-4", "--comment", "x", "--auto-approve"]);
        assert!(out.contains("InvestigationPackage/one: Cancelled, so there is nothing to cancel"), "{out}");
        let (_, err) = case.exits(1, &["cancel", "ws-1", "--comment", "x", "--auto-approve"]);
        assert!(err.contains("is Cancelled: no collection of it is running"), "{err}");
    }

    #[test]
    fn what_ends_meanwhile_is_no_failure() {
        let case = running();
        let cancel = json!({ "do": "cancel", "machine": id(1), "comment": "mine" });
        case.control("POST", "/sandbox/analyst", &cancel.to_string());
        let (out, _) = case.exits(0, &["cancel", "ws-1", "--comment", "x", "--auto-approve"]);
        assert!(out.contains("Cancelled meanwhile, so there is nothing to cancel"), "{out}");
    }

    #[test]
    fn a_refused_cancel_names_itself_as_what_to_run_next() {
        let case = running();
        let (_, err) =
            case.exits(1, &["cancel", "sweep", "-l", "incident=INC-2042", "--comment", "it's over"]);
        let next = r" cancel sweep -l incident=INC-2042 --comment 'it'\''s over' --auto-approve";
        assert!(err.contains(next), "{err}");
        let refused = json!({ "faults": [{ "on": "cancelAction", "then": "error", "status": 403 }] });
        let case = fleet_with(refused);
        case.write("manifests/a.yaml", &package("one", "machineName: ws-1"));
        case.exits(0, &["apply", "--auto-approve"]);
        let (out, err) = case.exits(1, &["cancel", "ws-1", "--comment", "x", "--auto-approve"]);
        let told = format!("{out}{err}");
        let next = format!(
            "casefile -C {} cancel InvestigationPackage/one --comment TEXT",
            case.dir.path().display()
        );
        assert!(told.contains(&format!("granted: {next}")), "{told}");
    }
}

mod folders {
    use super::*;

    #[test]
    fn commands_find_the_project_above_and_say_so() {
        let case = fleet();
        case.write("manifests/a.yaml", &package("one", "machineName: ws-1"));
        std::fs::create_dir_all(case.path("manifests/deep")).unwrap();
        let (code, out, err) =
            case.below("manifests/deep", &["plan", "../a.yaml", "--out", "../../plan.json"]);
        assert_eq!(code, Some(0), "{out}{err}");
        assert!(out.contains("+ package  ws-1"), "{out}");
        assert!(err.contains("Project: ../../casefile.yaml"), "{err}");
        assert!(case.path("plan.json").exists());
        let (code, _, err) = case.below("manifests", &["apply", "../plan.json"]);
        assert_eq!(code, Some(0), "{err}");
        let (code, out, _) = case.below("manifests/deep", &["-q", "status"]);
        assert!(code == Some(0) && out.contains("ws-1"), "{out}");
        // The folder that is named is meant, and the hint leads to the project and to no new one.
        let (code, _, err) = case.below(".", &["-C", "manifests", "plan"]);
        assert!(code == Some(1) && err.contains("next: casefile -C manifests/.. plan"), "{err}");
    }

    #[test]
    fn no_project_begins_where_another_one_reads_its_manifests() {
        let case = fleet();
        for (folder, args) in
            [("manifests", &["init"][..]), ("manifests", &["init", "x"]), (".", &["init", "manifests/x"])]
        {
            let (code, _, err) = case.below(folder, args);
            assert!(code == Some(1) && err.contains("reads its manifests"), "{folder} {args:?}: {err}");
        }
        assert_eq!(std::fs::read_dir(case.path("manifests")).unwrap().count(), 0);
        assert_eq!(case.below(".", &["init", "beside"]).0, Some(0));
    }

    #[test]
    fn the_search_ends_with_the_repository() {
        let case = fleet();
        std::fs::create_dir_all(case.path("other/.git")).unwrap();
        std::fs::create_dir_all(case.path("other/ir")).unwrap();
        let (code, _, err) = case.below("other/ir", &["plan"]);
        assert!(code == Some(1) && err.contains("there is no casefile.yaml"), "{err}");
    }
}

mod manifests {
    use super::*;

    const RUNBOOK: &str = "apiVersion: casefile/v1
kind: Runbook
metadata: { name: triage }
spec:
  parameters:
    type: object
    required: [ticket, hosts]
    properties:
      ticket: { type: string, description: The ticket of the incident. }
      hosts: { type: array, items: { type: string }, description: The devices. }
      collect: { type: boolean, default: true }
  resources:
    - kind: InvestigationPackage
      metadata: { name: \"c-${{ item }}\" }
      forEach: ${{ with.hosts }}
      spec: { machineName: \"${{ item }}\", comment: \"${{ with.ticket }}\" }
";

    #[test]
    fn several_machines_get_a_file_each_or_one_for_all() {
        let case = fleet();
        std::fs::create_dir(case.path("schemas")).unwrap();
        case.write("schemas/manifest.schema.json", "{}");
        let why = ["--comment", "INC-2042: sweep", "--label", "incident=INC-2042"];
        let (out, _) = case.exits(0, &[&["new", "package", "WS-1", "ws-2", "ws-1"][..], &why].concat());
        assert_eq!(out, "Wrote manifests/ws-1.yaml\nWrote manifests/ws-2.yaml\n");
        let text = case.read("manifests/ws-2.yaml");
        assert!(
            text.starts_with("# yaml-language-server: $schema=../schemas/manifest.schema.json\n"),
            "{text}"
        );
        assert!(text.contains("  labels:\n    incident: INC-2042\n"), "{text}");
        case.write("hosts.txt", "\u{feff}# finance\nws-3\n\nws-4\n");
        let from_file = ["new", "package", "--from-file", "hosts.txt", "--name", "inc-2042"];
        let (out, _) = case.exits(0, &[&from_file[..], &why].concat());
        assert_eq!(out, "Wrote manifests/inc-2042.yaml\n");
        case.exits(0, &["validate"]);
        let rows = case.plan(&["-l", "incident=INC-2042"]);
        assert_eq!(rows["changes"].as_array().unwrap().len(), 4);
        assert!(rows.to_string().contains("InvestigationPackage/inc-2042-ws-3"), "{rows}");
        // One that is there already keeps all of them from being written.
        case.exits(1, &[&["new", "package", "ws-5", "ws-1"][..], &why].concat());
        assert!(!case.path("manifests/ws-5.yaml").exists());
    }

    #[test]
    fn an_incident_without_values_is_written_to_be_filled_in() {
        let case = fleet();
        case.write("manifests/triage.yaml", RUNBOOK);
        let (out, _) = case.exits(0, &["new", "incident", "inc-1", "--runbook", "triage"]);
        assert!(
            out.contains("Fill in hosts, ticket there, then: casefile validate manifests/inc-1.yaml"),
            "{out}"
        );
        let text = case.read("manifests/inc-1.yaml");
        let blanks = "  with:\n    # The devices (a list)\n    hosts:\n    # The ticket of the incident.\n    ticket:\n    # true or false\n    # collect: true\n";
        assert!(text.ends_with(blanks), "{text}");
        let (out, _) = case.exits(1, &["validate"]);
        assert!(out.contains("manifests/inc-1.yaml"), "{out}");
    }

    #[test]
    fn what_a_runbook_lacks_is_named_as_it_is_typed() {
        let case = fleet();
        case.write("manifests/triage.yaml", RUNBOOK);
        let new = ["new", "incident", "inc-1", "--runbook", "triage"];
        let (_, err) = case.exits(1, &[&new[..], &["--set", "ticket=INC-1"]].concat());
        assert!(err.contains("--set hosts=VALUE") && err.contains("The devices (a list)"), "{err}");
        let (_, err) = case.exits(64, &[&new[..], &["--set", "tickt=INC-1"]].concat());
        assert!(
            err.contains("--set tickt: the runbook has no such parameter; did you mean ticket?"),
            "{err}"
        );
        assert!(!case.path("manifests/inc-1.yaml").exists());
        let lists = ["--set", "ticket=INC-1", "--set", "hosts=ws-1, ws-2", "--set", "hosts=ws-3"];
        case.exits(0, &[&new[..], &lists].concat());
        let text = case.read("manifests/inc-1.yaml");
        assert!(text.contains("    hosts:\n      - ws-1\n      - ws-2\n      - ws-3\n"), "{text}");
    }

    #[test]
    fn the_scenario_of_a_project_is_played_without_a_server() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        let project = |scenario: &str| {
            format!(
                "apiVersion: casefile/v1\nkind: Project\nmetadata: {{ name: t }}\n\
                 spec: {{ defender: {{ cloud: sandbox, sandbox: {{ scenario: {scenario} }} }} }}\n"
            )
        };
        write("casefile.yaml", &project("world.yaml"));
        write(
            "world.yaml",
            &format!("machines: {{ strict: true, list: [{{ id: {}, name: ws-1 }}] }}\n", id(1)),
        );
        write(
            "manifests/a.yaml",
            &(package("one", "machineName: ws-1") + &package("two", "machineName: ws-2")),
        );
        let run = |args: &[&str]| {
            let mut command = Command::new(BIN);
            command.arg("-C").arg(dir.path()).args(args).stdin(Stdio::null());
            command.env_remove("CASEFILE_ENDPOINT").env_remove("CASEFILE_STATE_URL");
            let output = command.output().unwrap();
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
        };
        let told = run(&["plan"]);
        assert!(told.contains("no machine is called ws-2") && !told.contains("ws-1:"), "{told}");
        write("casefile.yaml", &project("../world.yaml"));
        assert!(run(&["plan"]).contains("leads out of the project folder"));
        write("casefile.yaml", &project("missing.yaml"));
        assert!(run(&["plan"]).contains("missing.yaml"));
        write("casefile.yaml", &project("world.yaml"));
        write("world.yaml", "machine: {}\n");
        assert!(run(&["plan"]).contains("unknown field `machine`"));
    }
}
