//! Machines by name, by tag and from a file, through the binary and the simulated service.
#![allow(clippy::disallowed_methods, reason = "tests write their own files")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

const BIN: &str = env!("CARGO_BIN_EXE_casefile");

/// A project folder and the service that it talks to; the service ends with the value.
struct Case {
    dir: tempfile::TempDir,
    service: Child,
    url: String,
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

impl Case {
    fn new(machines: &[Value]) -> Case {
        Case::of(json!({ "machines": { "strict": true, "list": machines } }))
    }

    fn of(scenario: Value) -> Case {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        let file = dir.path().join("scenario.txt");
        std::fs::write(&file, scenario.to_string()).unwrap();
        let mut service = Command::new(BIN)
            .args(["sandbox", "--listen", "127.0.0.1:0", "--scenario"])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("Listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        let case = Case { dir, service, url };
        case.project("{}");
        case
    }

    fn project(&self, spec: &str) {
        let head = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n";
        self.write("casefile.yaml", &format!("{head}spec: {spec}\n"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs, expects an exit code, gives stdout and stderr.
    #[track_caller]
    fn exits(&self, code: i32, args: &[&str]) -> (String, String) {
        let mut command = Command::new(BIN);
        command.arg("-C").arg(self.dir.path()).args(args).stdin(Stdio::null());
        for name in ["CASEFILE_STATE_URL", "AZURE_CLIENT_SECRET", "RUST_LOG", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.env("CASEFILE_ENDPOINT", &self.url).env("CASEFILE_ACCESS_TOKEN", "a-token");
        let output = command.output().unwrap();
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
        (out, err)
    }

    #[track_caller]
    fn plan(&self, args: &[&str]) -> Value {
        let (out, _) = self.exits(0, &[&["plan", "--format", "json"], args].concat());
        serde_json::from_str(&out).unwrap()
    }

    /// The rows of a plan: address without its kind, action, machine of the call.
    #[track_caller]
    fn rows(&self, args: &[&str]) -> Vec<(String, String, String)> {
        rows(&self.plan(args))
    }

    fn control(&self, method: &str, path: &str, body: &str) -> Value {
        let host = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// How often the service was asked for machines: lists, lists by tag, single reads.
    fn machine_reads(&self) -> [u64; 3] {
        let requests = &self.control("GET", "/sandbox/world", "")["requests"];
        ["listMachines", "findByTag", "getMachine"].map(|e| requests[e]["total"].as_u64().unwrap_or(0))
    }

    fn collections(&self) -> Vec<String> {
        let world = self.control("GET", "/sandbox/world", "");
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
    format!("{machine:040x}")
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
        let case = Case::new(&[
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
        let case = Case::new(&[machine(1, "ws")]);
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
        let case = Case::new(&[
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
        let case = Case::new(&[
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
        let case = Case::new(&[machine(1, "a"), machine(2, "b")]);
        case.write("manifests/a.yaml", &package("a", "machineName: a"));
        case.exits(0, &["apply", "--auto-approve"]);
        case.write("manifests/b.yaml", &package("b", "machineName: b"));
        let (_, err) = case.exits(1, &["plan", "--no-refresh"]);
        assert!(err.contains("manifests/b.yaml:5:16") && err.contains("--no-refresh"), "{err}");
        assert!(!err.contains("manifests/a.yaml"), "{err}");
    }

    #[test]
    fn a_list_that_cannot_be_read_names_its_reason() {
        let case = Case::of(json!({
            "machines": { "strict": true, "list": [machine(1, "a")] },
            "faults": [{ "on": "listMachines", "then": "error", "status": 403 }],
        }));
        case.write("manifests/a.yaml", &package("a", "machineName: a"));
        let (_, err) = case.exits(1, &["plan"]);
        assert!(err.contains("error[machines-not-listed]") && err.contains("403"), "{err}");
    }

    #[test]
    fn few_lists_for_many_names() {
        for (names, lists) in [(1_u32, 1), (40, 2), (1_000, 1)] {
            let fleet: Vec<Value> = (0..names).map(|n| machine(n + 1, &format!("ws-{n:04}"))).collect();
            let case = Case::new(&fleet);
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
        let case = Case::of(json!({
            "machines": { "strict": true, "list": fleet },
            "lists": { "pageSize": 7 },
        }));
        case.write("manifests/a.yaml", &package("a", "machineName: ws"));
        assert_eq!(case.rows(&[]), [row("a", "create", &id(1))]);
    }

    #[test]
    fn an_alert_too() {
        let case = Case::new(&[machine(1, "ws")]);
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
        let case = Case::new(&[machine(1, "hq-dc-01")]);
        case.project("{ protected: [\"*-dc-*\"] }");
        case.write("manifests/a.yaml", &package("a", "machineName: hq-dc-01"));
        let (_, err) = case.exits(4, &["apply", "--auto-approve"]);
        assert!(err.contains("hq-dc-01"), "{err}");
        assert_eq!(case.machine_reads(), [1, 0, 0]);
    }
}
