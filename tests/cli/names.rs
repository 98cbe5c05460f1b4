//! Machines of a group in errors: by their names, and by their ids with `-v`.

use serde_json::{Value, json};

use crate::case::Case;

fn id(machine: u32) -> String {
    format!("a{machine:039x}")
}

/// Two machines with a tag, and a manifest that stands for both.
fn fleet(delays: &str) -> Case {
    let list: Vec<Value> = (1..=2)
        .map(|n| json!({ "id": id(n), "name": format!("ws-{n}.contoso.com"), "tags": ["tier1"] }))
        .collect();
    let list = [list, vec![json!({ "id": id(9), "name": "ws-9.contoso.com" })]].concat();
    let case = Case::new(&format!("machines: {{ list: {} }}\n{delays}", json!(list)), "{}");
    case.write("manifests/sweep.yaml", &sweep("INC-1"));
    case
}

fn sweep(comment: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: sweep }}\nspec: {{ machineTag: tier1, \
         comment: {comment} }}\n"
    )
}

/// The error of a command names machines, and with `-v` ids.
#[track_caller]
fn names(case: &Case, code: i32, args: &[&str], name: &str) {
    let (_, err) = case.exits(code, args);
    let error = &err[err.find("error: ").unwrap()..];
    assert!(error.contains(name) && !error.contains(&id(1)) && !error.contains(&id(2)), "{args:?}: {error}");
    let (_, err) = case.exits(code, &[args, &["-v"]].concat());
    let error = &err[err.find("error: ").unwrap()..];
    assert!(error.contains(&id(1)) || error.contains(&id(2)), "{args:?}: {error}");
}

#[test]
fn look_alikes_of_a_lost_state_are_machines_by_name() {
    let case = fleet("");
    case.exits(0, &["apply", "--auto-approve"]);
    std::fs::remove_dir_all(case.path(".casefile")).unwrap();
    names(&case, 4, &["apply", "--auto-approve"], "sweep[ws-1], InvestigationPackage/sweep[ws-2]");
    names(&case, 4, &["plan"], "sweep[ws-1]");
}

#[test]
fn rows_that_differ_from_what_was_reviewed_are_machines_by_name() {
    let case = fleet("delays: { pending: 0, running: 3000 }");
    // A state is there already.
    let other = sweep("INC-0")
        .replace("name: sweep", "name: other")
        .replace("machineTag: tier1", "machineName: ws-9");
    case.write("manifests/other.yaml", &other);
    case.exits(0, &["apply", "--auto-approve", "manifests/other.yaml"]);
    let digest = case.plan(&[])["digest"].as_str().unwrap().to_owned();
    case.exits(0, &["seal"]);
    case.write("manifests/sweep.yaml", &sweep("INC-2"));
    names(&case, 4, &["apply", "--expect", &digest], "  InvestigationPackage/sweep[ws-1]: has a call");
    names(&case, 4, &["apply", "--sealed"], "  InvestigationPackage/sweep[ws-1] (create): ");
    case.exits(0, &["plan", "--out", "plan.json"]);
    case.write("manifests/sweep.yaml", &sweep("INC-3"));
    case.exits(0, &["apply", "--auto-approve"]);
    names(&case, 4, &["apply", "plan.json"], "sweep[ws-1]: was not in the state, now InProgress");
}

#[test]
fn a_saved_plan_that_was_not_expected_names_machines() {
    let case = fleet("");
    case.exits(0, &["plan", "--out", "plan.json"]);
    let other = format!("sha256:{}", "0".repeat(64));
    names(&case, 4, &["apply", "plan.json", "--expect", &other], "sweep[ws-1]: has a call");
}

#[test]
fn surgery_that_is_refused_names_machines() {
    let case = fleet("faults: [{ on: collect, nth: [1, 2], then: reset }]");
    case.project("{ recovery: { settle: 0s, onUnknown: ask } }");
    case.exits(1, &["apply", "--auto-approve"]);
    names(&case, 1, &["state", "rm", &id(1)], "sweep[ws-1]: its call has no outcome yet");
    let to = "InvestigationPackage/other[ws-2]";
    names(&case, 1, &["state", "mv", &id(1), to], "InvestigationPackage/sweep[ws-1]");
    names(&case, 1, &["state", "mv", &id(1), "InvestigationPackage/sweep[ws-1]"], "sweep[ws-1]");
}
