//! `--trace-http` and `sandbox --replay`: a problem is recorded by one person and looked at by another.

use serde_json::Value;

use crate::case::Case;
use crate::sandbox::Sandbox;

const TOKEN: &str = "eyJ0eXAiOiJub25lIn0-a-secret-access-token";
const GRAPH_TOKEN: &str = "a-secret-token-for-graph";

const MANIFEST: &str = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: a }\nspec: { machineName: \
                        fin-ws-042, comment: INC-1 }\n";

/// A project whose tokens can be searched for, at a service of its own.
fn case() -> Case {
    let mut case = Case::new("delays: { pending: 0, running: 1 }", "{}");
    case.env =
        vec![("CASEFILE_ACCESS_TOKEN", TOKEN.to_owned()), ("CASEFILE_GRAPH_TOKEN", GRAPH_TOKEN.to_owned())];
    case.write("manifests/a.yaml", MANIFEST);
    case
}

const APPLY: [&str; 5] = ["apply", "--auto-approve", "--wait", "--timeout", "30s"];

fn id(case: &Case) -> Value {
    let state: Value = serde_json::from_str(&case.read(".casefile/state.json")).unwrap();
    state["resources"]["InvestigationPackage/a"]["id"].clone()
}

fn plan(case: &Case, args: &[&str]) -> (Value, Value, Value) {
    let plan = case.plan(args);
    let row = &plan["changes"][0];
    (plan["digest"].clone(), row["action"].clone(), row["request"].clone())
}

#[test]
fn a_recorded_run_is_replayed_with_another_state_to_the_same_end() {
    let here = case();
    let trace = here.path("trace.har");
    let file = trace.to_str().unwrap();
    let planned = plan(&here, &["--trace-http", file]);
    let apply = [&APPLY[..], &["--fetch", "--trace-http", file]].concat();
    here.exits(0, &apply);
    let query = "DeviceProcessEvents | where FileName == \"powershell.exe\"";
    here.exits(0, &["hunt", "--trace-http", file, query]);
    let text = here.read("trace.har");
    let har: Value = serde_json::from_str(&text).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    let asked =
        |part: &str| entries.iter().filter(|e| e["request"]["url"].as_str().unwrap().contains(part)).count();
    for part in ["collectInvestigationPackage", "getPackageUri", ".zip?redacted", "runHuntingQuery"] {
        assert!(asked(part) > 0, "{part}: {text}");
    }
    // Neither a token, nor the part of a link that lets somebody in, nor the bytes of a package.
    let action = id(&here);
    let link =
        here.control("GET", &format!("/api/machineactions/{}/getPackageUri", action.as_str().unwrap()), "");
    let secret =
        link["value"].as_str().unwrap().split_once("token=").unwrap().1.trim_end_matches('"').to_owned();
    let mark = secret.rsplit('.').next().unwrap();
    for secret in [TOKEN, GRAPH_TOKEN, "token=", mark, "PK\\u0003", "Bearer "] {
        assert!(!text.contains(secret), "{secret}");
    }

    // Somebody else: the same manifests, another folder, no state.
    let mut there = case();
    there.sandbox = Sandbox::replay(file);
    assert_eq!(plan(&there, &[]), planned);
    there.exits(0, &APPLY);
    assert_eq!(id(&there), action, "the same object came of it");
}

#[test]
fn what_is_not_in_the_recording_is_answered_with_words() {
    let here = case();
    let trace = here.path("trace.har");
    let file = trace.to_str().unwrap();
    here.exits(0, &["plan", "--trace-http", file]);
    let mut there = case();
    there.sandbox = Sandbox::replay(file);
    // Another call than was recorded.
    there.write("manifests/a.yaml", &MANIFEST.replace("fin-ws-042", "hq-dc-01"));
    let (out, err) = there.exits(1, &["plan"]);
    assert!(format!("{out}{err}").contains("the recording has no GET /api/machines"), "{out}\n{err}");
}

#[test]
fn a_trace_goes_to_a_private_file_of_its_own_and_nowhere_else() {
    let case = case();
    let plan = |file: &str| ["plan", "--trace-http", file].map(str::to_owned);
    let refused = |code: i32, file: &str, why: &str| {
        let args = plan(file);
        let (_, err) = case.exits(code, &args.each_ref().map(String::as_str));
        assert!(err.contains(why), "{file}: {err}");
    };
    case.exits(0, &["apply", "--auto-approve"]);
    std::fs::create_dir(case.path("evidence")).unwrap();
    refused(64, ".casefile/trace.har", "the state is kept there");
    refused(64, "evidence/trace.har", "evidence is kept there");
    refused(1, "casefile.yaml", "no trace of casefile");
    refused(1, "manifests", "it is a folder");
    refused(1, "no/such/folder/trace.har", "no/such/folder/trace.har");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(case.path("elsewhere.har"), case.path("link.har")).unwrap();
        refused(1, "link.har", "it is a link");
        assert!(!case.path("elsewhere.har").exists());
    }
    let asked = case.asked(["listActions"]);
    refused(64, ".casefile/x/../trace.har", "the state is kept there");
    assert_eq!(case.asked(["listActions"]), asked, "nothing is asked where no trace can be written");
    // By the environment too; relative to the project, and private.
    let mut command = case.command(&case.sandbox.url, &["plan"]);
    assert!(command.env("CASEFILE_TRACE_HTTP", "env.har").output().unwrap().status.success());
    let har: Value = serde_json::from_str(&case.read("env.har")).unwrap();
    assert!(!har["log"]["entries"].as_array().unwrap().is_empty());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(case.path("env.har")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
