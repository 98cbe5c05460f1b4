//! Machines by name, by tag and from a file, through the binary and the simulated service.

use std::process::Command;

use serde_json::{Value, json};
use std::fmt::Write as _;

use crate::case::Case;

/// A service with these machines alone.
fn fleet_of(machines: &[Value]) -> Case {
    service(json!({ "machines": { "strict": true, "list": machines } }))
}

fn service(scenario: Value) -> Case {
    Case::new(&scenario.to_string(), "{}")
}

impl Case {
    /// The rows of a plan: address without its kind, action, machine of the call.
    #[track_caller]
    fn rows(&self, args: &[&str]) -> Vec<(String, String, String)> {
        rows(&self.plan(args))
    }

    /// How often the service was asked for machines: lists, lists by tag, single reads.
    fn machine_reads(&self) -> [u64; 3] {
        self.asked(["listMachines", "findByTag", "getMachine"])
    }

    fn collections(&self) -> Vec<String> {
        let world = self.world();
        let mut made: Vec<String> = world["machineActions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a["machineId"].as_str().unwrap().to_owned())
            .collect();
        made.sort();
        made
    }

    fn machines(&self, list: &[Value]) {
        self.control("PUT", "/sandbox/machines", &json!(list).to_string());
    }
}

/// Without the line breaks of an 80-column terminal.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn rows(plan: &Value) -> Vec<(String, String, String)> {
    let row = |row: &Value| {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let path = text(&row["request"]["path"]);
        let machine = path.split('/').nth(3).unwrap_or_default().to_owned();
        let address = text(&row["address"]);
        (address.split_once('/').unwrap().1.to_owned(), text(&row["action"]), machine)
    };
    plan["changes"].as_array().unwrap().iter().map(row).collect()
}

fn row(address: &str, action: &str, machine: &str) -> (String, String, String) {
    (address.to_owned(), action.to_owned(), machine.to_owned())
}

fn id(machine: u32) -> String {
    format!("a{machine:039x}")
}

fn machine(n: u32, name: &str) -> Value {
    json!({ "id": id(n), "name": name })
}

fn with(mut machine: Value, more: Value) -> Value {
    machine.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    machine
}

fn package(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec:\n  {spec}\n  \
         comment: INC-2042\n---\n"
    )
}

mod by_name {
    use super::*;

    #[test]
    fn a_short_name_and_a_whole_one_in_any_case() {
        let case = fleet_of(&[
            machine(1, "fin-ws-042.contoso.com"),
            machine(2, "fin-ws-0421"),
            machine(3, "hr-ws-1.contoso.com"),
        ]);
        case.write(
            "manifests/a.yaml",
            &(package("a", "machineName: FIN-ws-042") + &package("b", "machineName: hr-WS-1.Contoso.com")),
        );
        assert_eq!(case.rows(&[]), [row("a", "create", &id(1)), row("b", "create", &id(3))]);
        assert_eq!(case.machine_reads()[2], 0, "no machine is read by itself");
        case.exits(0, &["apply", "--auto-approve"]);
        assert_eq!(case.collections(), [id(1), id(3)]);
        let journal = case.read(".casefile/journal.jsonl");
        assert!(journal.contains(r#""machineName":"FIN-ws-042""#), "{journal}");
    }

    #[test]
    fn what_was_asked_keeps_its_machine_until_a_new_revision() {
        let case = fleet_of(&[machine(1, "ws")]);
        case.write("manifests/a.yaml", &package("a", "machineName: ws"));
        case.exits(0, &["apply", "--auto-approve"]);
        let reads = case.machine_reads();
        // The host is set up anew: the old record falls silent.
        case.machines(&[with(machine(1, "ws"), json!({ "health": "Inactive" })), machine(2, "ws")]);
        assert_eq!(case.rows(&[]), [row("a", "wait", "")]);
        assert_eq!(case.rows(&["--no-refresh"]), [row("a", "wait", "")]);
        case.exits(0, &["apply", "--auto-approve"]);
        assert_eq!(case.machine_reads(), reads, "no machine was read again");
        // Renamed, it is still the machine that was asked.
        case.write("manifests/a.yaml", &package("b", "machineName: WS"));
        assert_eq!(case.rows(&["--no-refresh"]), [row("b", "move", "")]);
        case.write("manifests/a.yaml", &package("a", "machineName: ws\n  revision: 2"));
        case.control("POST", "/sandbox/analyst", &json!({ "do": "finish", "machine": id(1) }).to_string());
        assert_eq!(case.rows(&[]), [row("a", "replace", &id(2))]);
        let plan = case.plan(&[]);
        let warning = &plan["changes"][0]["warnings"][0];
        assert_eq!(warning["code"], "other-records");
        assert!(warning["message"].as_str().unwrap().contains(&id(1)), "{warning}");
        case.exits(0, &["apply", "--auto-approve"]);
        assert_eq!(case.collections(), [id(1), id(2)]);
    }

    #[test]
    fn the_active_record_wins() {
        let old = |n, more: Value| with(machine(n, "ws.contoso.com"), more);
        let case = fleet_of(&[
            old(1, json!({ "health": "Inactive" })),
            old(2, json!({ "mergedInto": id(3) })),
            old(3, json!({})),
            old(4, json!({ "onboarding": "CanBeOnboarded" })),
        ]);
        case.write("manifests/a.yaml", &package("a", "machineName: ws"));
        assert_eq!(case.rows(&[]), [row("a", "create", &id(3))]);
    }

    #[test]
    fn none_and_several_are_errors_at_their_place() {
        let case = fleet_of(&[
            machine(1, "twin.contoso.com"),
            machine(2, "twin.fabrikam.com"),
            with(machine(3, "asleep"), json!({ "health": "Inactive" })),
        ]);
        case.write(
            "manifests/a.yaml",
            &(package("a", "machineName: twin")
                + &package("b", "machineName: asleep")
                + &package("c", "machineName: nobody")
                + &package("d", "machineName: twin.fabrikam.com")),
        );
        for args in [&["plan"][..], &["apply", "--auto-approve"]] {
            let (_, err) = case.exits(1, args);
            for part in [
                "error[machine-ambiguous]",
                "manifests/a.yaml:5:16",
                &id(1),
                &id(2),
                "error[machine-not-active]",
                "manifests/a.yaml:12:16",
                &id(3),
                "error[machine-not-found]",
                "manifests/a.yaml:19:16",
            ] {
                assert!(err.contains(part), "{part}: {err}");
            }
        }
        assert!(case.collections().is_empty());
        // What is not planned need not resolve.
        case.write("manifests/d.yaml", &package("e", "machineName: twin.fabrikam.com"));
        assert_eq!(case.rows(&["manifests/d.yaml"]), [row("e", "create", &id(2))]);
    }

    #[test]
    fn without_a_look_only_the_record_counts() {
        let case = fleet_of(&[machine(1, "a"), machine(2, "b")]);
        case.write("manifests/a.yaml", &package("a", "machineName: a"));
        case.exits(0, &["apply", "--auto-approve"]);
        case.write("manifests/b.yaml", &package("b", "machineName: b"));
        let (_, err) = case.exits(1, &["plan", "--no-refresh"]);
        assert!(err.contains("manifests/b.yaml:5:16") && err.contains("--no-refresh"), "{err}");
        assert!(!err.contains("manifests/a.yaml"), "{err}");
    }

    #[test]
    fn a_list_that_cannot_be_read_names_its_reason() {
        let case = service(json!({
            "machines": { "strict": true, "list": [machine(1, "a")] },
            "faults": [{ "on": "listMachines", "then": "error", "status": 403 }],
        }));
        case.write("manifests/a.yaml", &package("a", "machineName: a"));
        let (_, err) = case.exits(1, &["plan"]);
        assert!(err.contains("machines: 403") && !err.contains("manifests/a.yaml"), "{err}");
    }

    #[test]
    fn few_lists_for_many_names() {
        for (names, lists) in [(1_u32, 1), (40, 2), (1_000, 1)] {
            let fleet: Vec<Value> = (0..names).map(|n| machine(n + 1, &format!("ws-{n:04}"))).collect();
            let case = fleet_of(&fleet);
            case.project("{ limits: { newCollections: 2000 } }");
            let mut text = String::new();
            for n in 0..names {
                write!(text, "{}", package(&format!("p{n:04}"), &format!("machineName: ws-{n:04}"))).unwrap();
            }
            case.write("manifests/a.yaml", &text);
            let rows = case.rows(&[]);
            assert_eq!(rows.len(), names as usize);
            assert!(rows.iter().all(|(_, action, _)| action == "create"));
            assert_eq!(case.machine_reads(), [lists, 0, 0], "{names} names");
        }
    }

    #[test]
    fn pages_and_names_that_begin_alike() {
        let mut fleet: Vec<Value> =
            (0..30).map(|n| machine(n + 10, &format!("ws-{n}.contoso.com"))).collect();
        fleet.push(machine(1, "ws.contoso.com"));
        let case = service(json!({
            "machines": { "strict": true, "list": fleet },
            "lists": { "pageSize": 7 },
        }));
        case.write("manifests/a.yaml", &package("a", "machineName: ws"));
        assert_eq!(case.rows(&[]), [row("a", "create", &id(1))]);
    }

    #[test]
    fn an_alert_too() {
        let case = fleet_of(&[machine(1, "ws")]);
        case.write(
            "manifests/a.yaml",
            "apiVersion: casefile/v1\nkind: Alert\nmetadata: { name: a }\nspec:\n  machineName: ws\n  \
             severity: Low\n  title: t\n  description: d\n  recommendedAction: r\n  \
             eventTime: 2026-08-03T16:45:21.7115183Z\n  reportId: \"1\"\n  category: Exploit\n",
        );
        let plan = case.plan(&[]);
        assert_eq!(plan["changes"][0]["request"]["body"]["machineId"], json!(id(1)));
    }

    #[test]
    fn protected_names_need_no_second_read() {
        let case = fleet_of(&[machine(1, "hq-dc-01")]);
        case.project("{ protected: [\"*-dc-*\"] }");
        case.write("manifests/a.yaml", &package("a", "machineName: hq-dc-01"));
        let (_, err) = case.exits(4, &["apply", "--auto-approve"]);
        assert!(err.contains("hq-dc-01"), "{err}");
        assert_eq!(case.machine_reads(), [1, 0, 0]);
    }
}

mod groups {
    use super::*;

    fn tagged(n: u32, name: &str, tags: &[&str]) -> Value {
        with(machine(n, name), json!({ "tags": tags }))
    }

    fn member(group: &str, n: u32) -> String {
        format!("{group}[{}]", id(n))
    }

    #[test]
    fn one_resource_for_each_machine_with_the_tag() {
        let case = fleet_of(&[
            tagged(1, "fin-ws-1.contoso.com", &["tier1", "finance"]),
            tagged(2, "fin-ws-2.contoso.com", &["tier10"]),
            tagged(3, "fin-ws-3.contoso.com", &["tier1"]),
            with(tagged(4, "old", &["tier1"]), json!({ "mergedInto": id(3) })),
        ]);
        case.write("manifests/a.yaml", &package("sweep", "machineTag: tier1"));
        let plan = case.plan(&[]);
        assert_eq!(
            rows(&plan),
            [row(&member("sweep", 1), "create", &id(1)), row(&member("sweep", 3), "create", &id(3))]
        );
        assert_eq!(plan["changes"][0]["shownAs"], "InvestigationPackage/sweep[fin-ws-1]");
        assert_eq!(
            plan["groups"],
            json!([{
                "address": "InvestigationPackage/sweep", "machineTag": "tier1", "machines": 2, "left": 0,
                "sealed": false,
            }])
        );
        assert_eq!(plan["warnings"][0]["code"], "skipped-records");
        let (out, _) = case.exits(0, &["plan"]);
        assert!(out.contains("+ package  fin-ws-1 "), "{out}");
        assert_eq!(case.machine_reads()[1], 2, "one list by tag for each plan");
        let (_, err) = case.exits(0, &["apply", "--auto-approve"]);
        assert!(err.contains("  fin-ws-3  package  accepted\n"), "{err}");
        assert_eq!(case.collections(), [id(1), id(3)]);
        let (out, _) = case.exits(0, &["status", "--no-refresh"]);
        assert!(out.contains("fin-ws-1  package ") && out.contains("fin-ws-3  package "), "{out}");
    }

    #[test]
    fn a_machine_that_leaves_is_reported_and_kept() {
        let fleet = |second: &[&str]| [tagged(1, "a", &["t"]), tagged(2, "b", second)];
        let case = fleet_of(&fleet(&["t"]));
        let manifest =
            package("sweep", "machineTag: t").replace("---\n", "lifecycle: { onRemove: Cancel }\n");
        case.write("manifests/a.yaml", &manifest);
        case.exits(0, &["apply", "--auto-approve"]);
        case.machines(&fleet(&[]));
        let plan = case.plan(&[]);
        assert_eq!(rows(&plan), [row(&member("sweep", 1), "wait", ""), row(&member("sweep", 2), "none", "")]);
        assert_eq!(plan["changes"][1]["reasonCode"], "left-group");
        assert_eq!(plan["warnings"][0]["code"], "left-group");
        let (out, _) = case.exits(0, &["plan"]);
        assert!(out.contains("sweep[b]"), "{out}");
        case.exits(0, &["apply", "--auto-approve"]);
        assert_eq!(case.rows(&["manifests/a.yaml"])[1].1, "none", "a narrowed plan shows it too");
        // It comes back: it was asked already.
        case.machines(&fleet(&["t"]));
        assert_eq!(case.rows(&[])[1], row(&member("sweep", 2), "wait", ""));
        // The manifest goes: now both are let go, as it said.
        case.write("manifests/a.yaml", "# nothing\n");
        let actions: Vec<String> = case.rows(&[]).into_iter().map(|r| r.1).collect();
        assert_eq!(actions, ["cancel", "cancel"]);
    }

    #[test]
    fn a_tag_that_cannot_be_read_is_an_error() {
        let case = service(json!({
            "machines": { "strict": true, "list": [tagged(1, "a", &["t"])] },
            "faults": [{ "on": "findByTag", "nth": [2, 3, 4, 5, 6, 7, 8], "then": "error", "status": 403 }],
        }));
        case.write("manifests/a.yaml", &package("sweep", "machineTag: t"));
        case.exits(0, &["apply", "--auto-approve"]);
        let (_, err) = case.exits(1, &["plan"]);
        assert!(err.contains("machines with a tag: 403") && !err.contains("manifests/a.yaml"), "{err}");
        let (_, err) = case.exits(1, &["plan", "--no-refresh"]);
        assert!(err.contains("--no-refresh"), "{err}");
        // What is recorded can still be looked at and cancelled.
        case.exits(0, &["cancel", "InvestigationPackage/sweep[A]", "--comment", "x", "--auto-approve"]);
    }

    #[test]
    fn an_empty_tag_warns() {
        let case = fleet_of(&[tagged(1, "a", &["t"])]);
        case.write("manifests/a.yaml", &package("sweep", "machineTag: tt"));
        let plan = case.plan(&[]);
        assert_eq!((rows(&plan).len(), &plan["warnings"][0]["code"]), (0, &json!("empty-group")));
    }

    #[test]
    fn limits_count_each_machine_and_pages_are_read_to_the_end() {
        let fleet: Vec<Value> = (1..=60).map(|n| tagged(n, &format!("ws-{n}"), &["t"])).collect();
        let case = service(json!({
            "machines": { "strict": true, "list": fleet }, "lists": { "pageSize": 25 },
        }));
        case.write("manifests/a.yaml", &package("sweep", "machineTag: t"));
        let (_, err) = case.exits(4, &["apply", "--auto-approve"]);
        assert!(err.contains("60") && err.contains("newCollections"), "{err}");
        assert_eq!(case.machine_reads(), [0, 3, 0]);
    }

    #[test]
    fn addresses_are_typed_by_name() {
        let list = [
            tagged(1, "ws-1.contoso.com", &["t"]),
            tagged(2, "ws-2.contoso.com", &["t"]),
            tagged(3, "ws-2.fabrikam.com", &["t"]),
        ];
        // What was asked for runs, however long the commands take.
        let machines = json!({ "strict": true, "list": list });
        let case = service(json!({ "machines": machines, "delays": { "pending": 3600 } }));
        case.write("manifests/a.yaml", &package("sweep", "machineTag: t"));
        case.exits(0, &["apply", "--auto-approve"]);
        let (out, _) = case.exits(0, &["status", "--no-refresh", "InvestigationPackage/sweep[ws-1]"]);
        assert!(out.contains("ws-1 ") && !out.contains("ws-2"), "{out}");
        let (_, err) = case.exits(64, &["status", "InvestigationPackage/sweep[ws-2]"]);
        let fits = "it can be InvestigationPackage/sweep[ws-2.contoso.com] or InvestigationPackage/sweep[ws-2.fabrikam.com]";
        assert!(err.contains(fits), "{err}");
        case.exits(
            0,
            &["cancel", "InvestigationPackage/sweep[ws-2.contoso.com]", "--comment", "x", "--auto-approve"],
        );
        let (out, _) =
            case.exits(0, &["state", "show", &format!("InvestigationPackage/{}", member("sweep", 2))]);
        assert!(out.contains("Cancelled"), "{out}");
        let rows = case.rows(&["--replace", "InvestigationPackage/sweep[WS-2.contoso.com]"]);
        assert_eq!(rows[1], row(&member("sweep", 2), "replace", &id(2)));
        let (_, err) = case.exits(64, &["plan", "--replace", "InvestigationPackage/sweep"]);
        assert!(err.contains("several machines"), "{err}");
        case.exits(64, &["plan", "--replace", "InvestigationPackage/sweep[nobody]"]);
        case.exits(0, &["state", "rm", "InvestigationPackage/sweep[ws-1]"]);
        assert_eq!(case.rows(&[])[0].1, "create");
    }

    #[test]
    fn line_ends_of_windows_outdate_no_seal_of_a_file() {
        let case = fleet_of(&[machine(1, "ws-1"), machine(2, "ws-2")]);
        let (hosts, csv) = ("# finance\nws-1\n\nws-2\n", "user,host\nann,ws-1\n");
        case.write("hosts.txt", hosts);
        case.write("hosts.csv", csv);
        case.write("manifests/a.yaml", &package("sweep", "machines: { fromFile: hosts.txt }"));
        case.write("manifests/b.yaml", &package("one", "machines: { fromFile: hosts.csv, column: host }"));
        case.exits(0, &["seal"]);
        let windows = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
        for name in ["hosts.txt", "hosts.csv", "manifests/a.yaml", "manifests/a.sealed.yaml", "casefile.yaml"]
        {
            case.write(name, &windows(&case.read(name)));
        }
        case.exits(0, &["validate", "--sealed"]);
        case.exits(0, &["apply", "--sealed"]);
        case.write("hosts.txt", &windows("ws-1\nws-2\n"));
        let (told, _) = case.exits(1, &["validate", "--sealed"]);
        assert!(told.contains("hosts.txt, which lists the machines of"), "{told}");
    }

    #[test]
    fn a_file_of_names_and_ids() {
        let case = fleet_of(&[machine(1, "ws-1.contoso.com"), machine(2, "ws-2"), machine(3, "ws-3")]);
        case.write("hosts.txt", &format!("# finance\n\nWS-1\n{}\nws-1\n", id(2)));
        case.write("manifests/a.yaml", &package("sweep", "machines: { fromFile: hosts.txt }"));
        let plan = case.plan(&[]);
        assert_eq!(
            rows(&plan),
            [row(&member("sweep", 1), "create", &id(1)), row(&member("sweep", 2), "create", &id(2))]
        );
        assert!(plan["groups"][0]["fileDigest"].as_str().unwrap().starts_with("sha256:"));
        case.exits(0, &["apply", "--auto-approve"]);
        let reads = case.machine_reads();
        assert_eq!(case.rows(&["--no-refresh"]).len(), 2, "what was asked needs no look");
        assert_eq!(case.machine_reads(), reads);
        case.write("hosts.txt", "ws-1\nws-1.contoso.com\nnobody\nws 2\n");
        let (_, err) = case.exits(1, &["plan"]);
        assert!(err.contains("hosts.txt:4:1") && err.contains("bad-machine-name"), "{err}");
        case.write("hosts.txt", "ws-1\nnobody\n");
        let (_, err) = case.exits(1, &["plan"]);
        assert!(err.contains("hosts.txt:2:1") && err.contains("machine-not-found"), "{err}");
        case.write("hosts.txt", "ws-1\n");
        assert_eq!(
            case.rows(&[]),
            [row(&member("sweep", 1), "wait", ""), row(&member("sweep", 2), "none", "")]
        );
        case.write("hosts.csv", "user,host\nann,ws-3\n");
        case.write("manifests/a.yaml", &package("sweep", "machines: { fromFile: hosts.csv, column: host }"));
        assert_eq!(case.rows(&[])[2], row(&member("sweep", 3), "create", &id(3)));
    }

    #[test]
    fn a_changed_file_selects_its_manifest() {
        let case = fleet_of(&[machine(1, "ws-1"), machine(2, "ws-2")]);
        let git = |args: &[&str]| {
            let fixed = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
            let done =
                Command::new("git").arg("-C").arg(case.dir.path()).args(fixed).args(args).output().unwrap();
            assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        };
        case.write("hosts.txt", "ws-1\n");
        case.write("manifests/a.yaml", &package("sweep", "machines: { fromFile: hosts.txt }"));
        case.write("manifests/b.yaml", &package("other", "machineName: ws-1"));
        git(&["init", "-q"]);
        git(&["add", "."]);
        git(&["commit", "-qm", "all"]);
        assert_eq!(case.rows(&["--since", "HEAD"]), []);
        case.write("hosts.txt", "ws-1\nws-2\n");
        let rows = case.rows(&["--since", "HEAD"]);
        assert_eq!(
            rows.iter().map(|r| r.0.clone()).collect::<Vec<_>>(),
            [member("sweep", 1), member("sweep", 2)]
        );
    }

    #[test]
    fn a_file_outside_of_the_project_is_refused() {
        let case = fleet_of(&[machine(1, "a")]);
        let other = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(other.path(), "a\n").unwrap();
        for name in ["../hosts.txt", "manifests/../../hosts.txt", other.path().to_str().unwrap()] {
            case.write("manifests/a.yaml", &package("sweep", &format!("machines: {{ fromFile: {name} }}")));
            let (out, _) = case.exits(1, &["validate"]);
            assert!(out.contains("bad-path") && out.contains("manifests/a.yaml:5:25"), "{out}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(other.path(), case.path("link.txt")).unwrap();
            case.write("manifests/a.yaml", &package("sweep", "machines: { fromFile: link.txt }"));
            let (out, _) = case.exits(1, &["validate"]);
            assert!(out.contains("bad-path"), "{out}");
        }
        case.write("manifests/a.yaml", &package("sweep", "machines: { fromFile: gone.txt }"));
        let (out, _) = case.exits(1, &["validate"]);
        assert!(out.contains("path-not-found") && out.contains("manifests/a.yaml:5:25"), "{out}");
    }

    #[test]
    fn a_saved_plan_keeps_its_machines() {
        let case = fleet_of(&[tagged(1, "a", &["t"]), tagged(2, "b", &["t"])]);
        case.write("manifests/a.yaml", &package("sweep", "machineTag: t"));
        case.exits(0, &["plan", "--out", "plan.json"]);
        case.machines(&[tagged(1, "a", &[]), tagged(3, "c", &["t"])]);
        let reads = case.machine_reads();
        // Machine 2 is gone from the service: its call is refused there, and the other one made.
        case.exits(1, &["apply", "plan.json"]);
        assert_eq!(case.collections(), [id(1)]);
        assert_eq!(case.machine_reads(), reads);
        assert!(case.read(".casefile/journal.jsonl").contains(r#""machineName":"a""#));
    }
}

mod sealed {
    use super::*;

    fn fleet(tags: [&[&str]; 3]) -> Vec<Value> {
        let one = |(n, tags): (u32, &&[&str])| with(machine(n, &format!("ws-{n}")), json!({ "tags": tags }));
        (1..).zip(&tags).map(one).collect()
    }

    #[test]
    fn a_seal_holds_every_machine_and_is_what_is_sent() {
        let case = fleet_of(&fleet([&["t"], &["t"], &[]]));
        case.write(
            "manifests/a.yaml",
            &(package("sweep", "machineTag: t") + &package("one", "machineName: WS-3")),
        );
        case.exits(0, &["seal"]);
        let seal = case.read("manifests/a.sealed.yaml");
        for part in ["machineTag: t", "machineName: WS-3", &id(1), &id(2), &id(3)] {
            assert!(seal.contains(part), "{part}: {seal}");
        }
        let reads = case.machine_reads();
        case.exits(0, &["validate", "--sealed"]);
        assert_eq!(case.machine_reads(), reads, "offline");
        let (out, _) = case.exits(0, &["seal"]);
        assert!(out.contains("current"), "{out}");
        // One machine left, another one joined, the name means another one: what was reviewed is sent.
        let mut now = fleet([&["t"], &[], &["t"]]);
        now[2]["health"] = json!("Inactive");
        now.push(machine(4, "ws-3"));
        case.machines(&now);
        let (out, _) = case.exits(0, &["apply", "--sealed"]);
        assert_eq!(case.collections(), [id(1), id(2), id(3)]);
        assert!(out.contains("not sealed and not asked: ws-3"), "{out}");
        assert!(out.contains("sealed, and meant no more: ws-2"), "{out}");
        case.exits(0, &["apply", "--sealed"]);
        assert_eq!(case.collections().len(), 3, "nothing is sent twice");
    }

    #[test]
    fn another_tag_name_or_file_makes_it_outdated() {
        let case = fleet_of(&fleet([&["t", "u"], &["t"], &[]]));
        case.write("hosts.txt", "ws-3\n");
        let text = package("sweep", "machineTag: t")
            + &package("one", "machineName: ws-1")
            + &package("list", "machines: { fromFile: hosts.txt }");
        case.write("manifests/a.yaml", &text);
        case.exits(0, &["seal"]);
        case.write("manifests/a.yaml", &text.replace("machineTag: t", "machineTag: u"));
        let (out, _) = case.exits(1, &["validate", "--sealed"]);
        assert!(unwrapped(&out).contains("sweep names its machines otherwise"), "{out}");
        // The call to machine 1 is the very same, but nobody reviewed it for this tag.
        let (_, err) = case.exits(4, &["apply", "--sealed"]);
        assert!(err.contains("named otherwise"), "{err}");
        case.write("manifests/a.yaml", &text.replace("ws-1", "ws-2"));
        let (out, _) = case.exits(1, &["validate", "--sealed"]);
        assert!(unwrapped(&out).contains("one names its machines otherwise"), "{out}");
        case.exits(4, &["apply", "--sealed"]);
        case.write("manifests/a.yaml", &text);
        case.exits(0, &["validate", "--sealed"]);
        case.write("hosts.txt", "ws-3\nws-2\n");
        let (out, _) = case.exits(1, &["validate", "--sealed"]);
        assert!(out.contains("hosts.txt") && out.contains("has changed"), "{out}");
        case.exits(4, &["apply", "--sealed"]);
        assert!(case.collections().is_empty());
    }

    #[test]
    fn a_name_that_means_nothing_cannot_be_sealed() {
        let case = fleet_of(&fleet([&[], &[], &[]]));
        case.write("manifests/a.yaml", &package("one", "machineName: nobody"));
        let (_, err) = case.exits(1, &["seal"]);
        assert!(err.contains("machine-not-found") && err.contains("manifests/a.yaml:5:16"), "{err}");
        assert!(!case.path("manifests/a.sealed.yaml").exists());
    }
}

mod foresight {
    use super::*;

    #[test]
    fn who_will_answer_and_what_is_too_old() {
        let case = fleet_of(&[
            machine(1, "ws-1"),
            with(machine(2, "ws-2"), json!({ "health": "Inactive" })),
            with(machine(3, "ws-3"), json!({ "silent": 200_000 })),
            with(machine(4, "ws-4"), json!({ "os": "Windows10", "version": "1607", "build": 14393 })),
        ]);
        let text: String =
            (1..=4).map(|n| package(&format!("p{n}"), &format!("machineId: {}", id(n)))).collect();
        case.write("manifests/a.yaml", &text);
        case.control("POST", "/sandbox/analyst", &json!({ "do": "start", "machine": id(1) }).to_string());
        let plan = case.plan(&[]);
        assert_eq!(case.machine_reads(), [1, 0, 0], "one list, no machine by itself");
        let machines: Vec<&Value> =
            plan["changes"].as_array().unwrap().iter().map(|c| &c["machine"]).collect();
        let answers: Vec<bool> = machines.iter().map(|m| m["answersNow"].as_bool().unwrap()).collect();
        assert_eq!(answers, [true, false, false, true]);
        assert_eq!(
            (&machines[0]["name"], &machines[1]["healthStatus"]),
            (&json!("ws-1"), &json!("Inactive"))
        );
        let codes = |n: usize| -> Vec<String> {
            let warnings = plan["changes"][n]["warnings"].as_array().unwrap();
            warnings.iter().map(|w| w["code"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(codes(0), ["active-collection"]);
        assert_eq!(codes(3), ["sensor-too-old"]);
        let outlook = &plan["outlook"];
        assert_eq!((&outlook["machines"], &outlook["answeringNow"]), (&json!(4), &json!(2)));
        assert_eq!(
            outlook["shares"],
            json!([{ "quota": "collect", "calls": 4, "made": 0, "perHour": 1500 }])
        );
        let (out, _) = case.exits(0, &["plan"]);
        assert!(unwrapped(&out).contains("To send: 4 packages. 2 of 4 machines answer now."), "{out}");
        let (out, _) = case.exits(0, &["plan", "--format", "markdown"]);
        assert!(out.contains("2 of 4 machines will answer now"), "{out}");
        let reads = case.machine_reads();
        case.exits(0, &["apply", "--auto-approve"]);
        assert_eq!(case.machine_reads(), reads, "nobody reads that plan");
    }

    #[test]
    fn an_id_that_nobody_has_is_a_warning_on_its_row() {
        let case = fleet_of(&[machine(1, "ws-1")]);
        let text: String =
            [1, 7].map(|n| package(&format!("p{n}"), &format!("machineId: {}", id(n)))).concat();
        case.write("manifests/a.yaml", &text);
        let plan = case.plan(&[]);
        let warnings = |n: usize| plan["changes"][n]["warnings"].as_array().unwrap().clone();
        assert!(warnings(0).is_empty(), "{plan}");
        assert_eq!(warnings(1)[0]["code"], "unknown-machine");
        let message = warnings(1)[0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(&id(7)), "{message}");
    }

    #[test]
    fn how_long_it_will_take_and_what_is_left_of_the_hour() {
        let case = fleet_of(&[machine(1, "ws-1"), machine(2, "ws-2")]);
        case.write("manifests/a.yaml", &package("a", &format!("machineId: {}", id(1))));
        case.exits(0, &["apply", "--auto-approve"]);
        case.control("POST", "/sandbox/analyst", &json!({ "do": "finish", "machine": id(1) }).to_string());
        case.write("manifests/b.yaml", &package("b", &format!("machineId: {}", id(2))));
        let plan = case.plan(&[]);
        let outlook = &plan["outlook"];
        assert_eq!(outlook["shares"][0]["made"], 1);
        assert!(outlook["typicalSeconds"].is_u64() && outlook["finishSeconds"].is_u64(), "{outlook}");
    }

    #[test]
    fn a_plan_without_machines_to_list_is_a_plan_all_the_same() {
        let case = service(json!({
            "machines": { "strict": true, "list": [machine(1, "a")] },
            "faults": [{ "on": "listMachines", "then": "error", "status": 403 }],
        }));
        case.write("manifests/a.yaml", &package("a", &format!("machineId: {}", id(1))));
        let plan = case.plan(&[]);
        assert_eq!(rows(&plan), [row("a", "create", &id(1))]);
        assert_eq!((&plan["outlook"]["listed"], &plan["changes"][0]["machine"]), (&json!(0), &Value::Null));
    }

    #[test]
    fn an_open_alert_that_will_absorb_the_new_one() {
        let case = fleet_of(&[machine(1, "ws")]);
        let alert = |name: &str, report: &str| {
            format!(
                "apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: {name} }}\nspec:\n  machineName: ws\n  \
                 severity: Low\n  title: t\n  description: d\n  recommendedAction: r\n  \
                 eventTime: 2026-08-03T16:45:21.7115183Z\n  reportId: \"{report}\"\n  category: Exploit\n"
            )
        };
        case.write("manifests/a.yaml", &alert("a", "1"));
        case.exits(0, &["apply", "--auto-approve"]);
        case.write("manifests/b.yaml", &alert("b", "2"));
        let plan = case.plan(&[]);
        let codes: Vec<&str> = plan["changes"][1]["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w["code"].as_str().unwrap())
            .collect();
        assert!(codes.contains(&"merges-into-open-alert"), "{codes:?}");
    }
}
