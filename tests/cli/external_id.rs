//! `recovery.marker: external-id`: against a service that keeps the id, one that drops it, and one that refuses it.

use serde_json::Value;

use crate::case::Case;

const RECOVERY: &str = "{ recovery: { marker: external-id, settle: 1s } }";

fn id(n: usize) -> String {
    format!("{n:040x}")
}

fn package(name: &str, n: usize) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec: {{ machineId: \"{}\", \
         comment: INC-1 }}\n---\n",
        id(n)
    )
}

/// Collections as the service lists them.
fn listed(case: &Case) -> Vec<Value> {
    case.control("GET", "/api/machineactions", "")["value"].as_array().unwrap().clone()
}

fn body(plan: &Value) -> Value {
    plan["changes"][0]["request"]["body"].clone()
}

#[test]
fn a_lost_call_is_found_by_its_id_and_the_comment_goes_out_verbatim() {
    let case = Case::new("faults: [{ on: collect, nth: [1], then: lost }]", RECOVERY);
    case.write("manifests/a.yaml", &package("a", 1));
    case.exits(0, &["plan", "--out", "plan.json"]);
    let saved: Value = serde_json::from_str(&case.read("plan.json")).unwrap();
    let reviewed = body(&saved);
    assert_eq!(reviewed["Comment"], "INC-1");
    let mark = reviewed["ExternalId"].as_str().unwrap();
    assert!(mark.starts_with("casefile-"), "{mark}");
    let (shown, _) = case.exits(0, &["show", "plan.json", "-v"]);
    assert!(shown.contains(mark), "a person sees what is sent: {shown}");
    // What was reviewed is what is sent, and the one that got no answer is recorded as made by us.
    case.exits(0, &["apply", "plan.json"]);
    let actions = listed(&case);
    assert_eq!(actions.len(), 1, "{actions:?}");
    assert_eq!((&actions[0]["externalId"], &actions[0]["requestorComment"]), (&mark.into(), &"INC-1".into()));
    let state: Value = serde_json::from_str(&case.read(".casefile/state.json")).unwrap();
    let resource = &state["resources"]["InvestigationPackage/a"];
    assert_eq!((&resource["origin"], &resource["id"]), (&"made".into(), &actions[0]["id"]), "{resource}");
    let (shown, _) = case.exits(0, &["state", "show", "InvestigationPackage/a"]);
    assert!(shown.contains(mark), "{shown}");
    // Neither with the marker nor without it does anything differ.
    for spec in [RECOVERY, "{ recovery: { marker: true } }", "{}"] {
        case.project(spec);
        assert_eq!(case.plan(&[])["changes"][0]["action"], "wait", "{spec}");
    }
    case.exits(0, &["state", "rm", "InvestigationPackage/a"]);
    let (_, told) = case.exits(4, &["apply", "--auto-approve"]);
    assert!(told.contains("import --discover"), "an id does not hide a look-alike: {told}");
}

#[test]
fn a_service_that_never_gives_the_id_back_is_asked_once() {
    let scenario = "actions: { externalId: dropped }\nfaults: [{ on: collect, nth: [1, 2], then: lost }]";
    let case = Case::new(scenario, RECOVERY);
    case.write("manifests/a.yaml", &[package("a", 1), package("b", 2)].concat());
    case.exits(0, &["apply", "--auto-approve"]);
    case.exits(0, &["apply", "--auto-approve"]);
    let actions = listed(&case);
    assert_eq!(actions.len(), 2, "{actions:?}");
    assert!(actions.iter().all(|a| a["externalId"].is_null()), "{actions:?}");
    let state: Value = serde_json::from_str(&case.read(".casefile/state.json")).unwrap();
    for name in ["a", "b"] {
        assert_eq!(state["resources"][format!("InvestigationPackage/{name}")]["origin"], "made", "{state}");
    }
}

#[test]
fn a_service_that_refuses_the_field_is_told_as_such_and_asked_no_more() {
    let case = Case::new("actions: { externalId: refused }", RECOVERY);
    case.write("manifests/a.yaml", &(1..=5).map(|n| package(&format!("a{n}"), n)).collect::<String>());
    let (out, err) = case.exits(1, &["apply", "--auto-approve", "--parallelism", "1"]);
    assert!(err.contains("ExternalId") && err.contains("recovery.marker"), "{out}\n{err}");
    assert_eq!(case.asked(["collect"]), [1], "the kind of call is stopped by the first refusal");
    // The refused one waits for the setting; the others never left.
    let (plan, _) = case.exits(0, &["plan", "-v"]);
    assert!(plan.contains("recovery.marker in casefile.yaml"), "{plan}");
    let row = |plan: &Value, n: usize| plan["changes"][n]["action"].clone();
    assert_eq!(row(&case.plan(&[]), 0), "exhausted");
    // Without it the request is another one, whatever the code of the refusal.
    case.project("{}");
    assert_eq!(row(&case.plan(&[]), 0), "create");
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 5);
}

#[test]
fn an_id_is_in_no_seal() {
    let case = Case::new("{}", RECOVERY);
    case.write("manifests/a.yaml", &package("a", 1));
    case.exits(0, &["seal"]);
    let (_, told) = case.exits(4, &["apply", "--sealed"]);
    assert!(told.contains("recovery.marker adds an ExternalId that no seal holds"), "{told}");
    assert!(case.effects().is_empty());
}
