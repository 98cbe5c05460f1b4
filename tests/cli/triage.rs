//! The triage of alerts over the wire: one apply creates and sets it, and people have the last word.

use serde_json::{Value, json};

use crate::case::Case;

const ALERT: &str = "apiVersion: casefile/v1
kind: Alert
metadata: { name: a }
spec:
  machineId: fb9ab6be3965095a09c057be7c90f0a2
  severity: Low
  title: a title
  description: what happened
  recommendedAction: look
  eventTime: 2018-08-03T16:45:21.7115183Z
  reportId: \"20776\"
  category: Exploit
";

fn case(scenario: &str, triage: &str) -> Case {
    let case = Case::new(scenario, "{ recovery: { settle: 1s } }");
    declare(&case, triage);
    case
}

fn declare(case: &Case, triage: &str) {
    case.write("manifests/a.yaml", &format!("{ALERT}  triage: {triage}\n"));
}

fn alert(case: &Case) -> Value {
    case.world()["alerts"][0].clone()
}

/// Applies, and gives the events.
#[track_caller]
fn apply(case: &Case, code: i32, more: &[&str]) -> Vec<Value> {
    let (out, _) = case.exits(code, &[&["apply", "--auto-approve", "--format", "json"], more].concat());
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn judge(case: &Case, set: &Value) {
    let id = alert(case)["id"].clone();
    let body = json!({ "do": "triage", "alert": id, "set": set }).to_string();
    case.control("POST", "/sandbox/analyst", &body);
}

fn kinds(case: &Case) -> Vec<String> {
    case.effects().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect()
}

const VERDICT: &str =
    "{ status: Resolved, classification: FalsePositive, determination: Clean, comment: INC-1 }";

#[test]
fn one_apply_creates_an_alert_and_sets_its_triage() {
    let case = case("{}", VERDICT);
    let plan = case.plan(&[]);
    let row = &plan["changes"][0];
    assert_eq!((&row["action"], &row["request"]["method"]), (&json!("create"), &json!("POST")));
    assert_eq!(row["followUp"]["method"], "PATCH");
    assert_eq!(row["followUp"]["path"], "/api/alerts/${{ resources['Alert/a'].id }}");
    let body = json!({ "status": "Resolved", "classification": "FalsePositive", "determination": "Clean", "comment": "INC-1" });
    assert_eq!(row["followUp"]["body"], body);
    assert_eq!(plan["estimate"]["calls"], json!({ "alert": 1, "update": 1 }));
    let (markdown, _) = case.exits(0, &["plan", "--format", "markdown"]);
    assert!(markdown.contains("sends exactly these 2 calls"), "{markdown}");
    assert!(markdown.contains("PATCH /api/alerts/(id known after the call above)"), "{markdown}");
    let (human, _) = case.exits(0, &["plan"]);
    assert!(human.contains("then sets status: Resolved"), "{human}");

    // The digest covers both calls.
    declare(&case, "{ status: Resolved }");
    case.exits(4, &["apply", "--expect", plan["digest"].as_str().unwrap()]);
    assert!(kinds(&case).is_empty());
    declare(&case, VERDICT);
    let events = {
        let (out, _) =
            case.exits(0, &["apply", "--format", "json", "--expect", plan["digest"].as_str().unwrap()]);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let told: Vec<_> = events.iter().map(|e| (e["event"].as_str().unwrap(), e["action"].as_str())).collect();
    assert_eq!(
        told[1..5],
        [
            ("intent", Some("create")),
            ("accepted", Some("create")),
            ("intent", Some("update")),
            ("accepted", Some("update"))
        ]
    );
    assert_eq!(kinds(&case), ["createAlert", "updateAlert"]);
    assert_eq!(
        (&alert(&case)["status"], &alert(&case)["determination"]),
        (&json!("Resolved"), &json!("Clean"))
    );
    let events = apply(&case, 0, &[]);
    assert_eq!(events.len(), 2, "{events:?}");
}

#[test]
fn a_saved_plan_holds_both_calls() {
    let case = case("{}", VERDICT);
    case.exits(0, &["plan", "--out", "plan.json"]);
    let plan: Value = serde_json::from_str(&case.read("plan.json")).unwrap();
    let edited = case.read("plan.json").replace("INC-1", "INC-2");
    case.write("edited.json", &edited);
    let (_, errors) = case.exits(1, &["apply", "edited.json"]);
    assert!(errors.contains("damaged"), "{errors}");
    assert!(plan["changes"][0]["followUp"].is_object());
    case.exits(0, &["apply", "plan.json"]);
    assert_eq!(kinds(&case), ["createAlert", "updateAlert"]);
}

#[test]
fn an_alert_that_is_not_known_everywhere_yet_is_triaged_a_moment_later() {
    let case = case("delays: { listLag: 2 }", VERDICT);
    let events = apply(&case, 0, &[]);
    assert_eq!(kinds(&case), ["createAlert", "updateAlert"], "{events:?}");
}

#[test]
fn a_refused_triage_holds_back_no_other_call_to_the_machine() {
    let case = case("faults: [{ on: updateAlert, then: error, status: 400 }]", VERDICT);
    case.write(
        "manifests/z.yaml",
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: z }\n\
         spec: { machineId: fb9ab6be3965095a09c057be7c90f0a2, comment: c }\n",
    );
    let events = apply(&case, 1, &[]);
    assert_eq!(kinds(&case), ["createAlert", "collect"], "{events:?}");
}

#[test]
fn what_is_missing_of_the_two_calls_is_an_update() {
    let case = case("faults: [{ on: updateAlert, nth: [1], then: error, status: 403 }]", VERDICT);
    apply(&case, 1, &[]);
    assert_eq!(kinds(&case), ["createAlert"]);
    assert_eq!(case.plan(&[])["changes"][0]["action"], "update");
    apply(&case, 0, &[]);
    assert_eq!(kinds(&case), ["createAlert", "updateAlert"]);
}

#[test]
fn an_analyst_has_the_last_word() {
    let case = case("{}", VERDICT);
    apply(&case, 0, &[]);
    judge(
        &case,
        &json!({ "status": "InProgress", "classification": "TruePositive", "determination": "Malware" }),
    );
    for _ in 0..2 {
        let row = case.plan(&[])["changes"][0].clone();
        assert_eq!((&row["action"], &row["reasonCode"]), (&json!("differs"), &json!("triage-left")), "{row}");
        assert!(row["reason"].as_str().unwrap().contains("status was changed to InProgress since"), "{row}");
        apply(&case, 0, &[]);
    }
    assert_eq!(alert(&case)["status"], "InProgress");
    case.exits(1, &["apply", "--auto-approve", "--strict"]);
    declare(&case, &VERDICT.replace("status", "mode: enforce, status"));
    apply(&case, 0, &[]);
    assert_eq!(alert(&case)["status"], "Resolved");
    assert_eq!(alert(&case)["comments"].as_array().unwrap().len(), 1);
}

#[test]
fn a_plan_that_an_analyst_overtook_sends_nothing() {
    let case = case("{}", "{ assignedTo: ann }");
    apply(&case, 0, &[]);
    declare(&case, VERDICT);
    case.exits(0, &["plan", "--out", "plan.json"]);
    judge(&case, &json!({ "status": "Resolved", "classification": "TruePositive" }));
    let events = apply(&case, 0, &["plan.json"]);
    assert_eq!(events[1]["event"], "unsent", "{events:?}");
    assert_eq!(alert(&case)["classification"], "TruePositive");
    assert_eq!(kinds(&case), ["createAlert", "updateAlert"]);
}

#[test]
fn an_alert_that_absorbs_the_new_one_keeps_what_it_shows() {
    let case = case("{}", "{ assignedTo: ann }");
    let other = ALERT.replace("name: a", "name: b").replace("20776", "20777");
    apply(&case, 0, &[]);
    judge(&case, &json!({ "status": "InProgress", "classification": "TruePositive" }));
    case.write("manifests/b.yaml", &format!("{other}  triage: {VERDICT}\n"));
    apply(&case, 0, &[]);
    assert_eq!(kinds(&case), ["createAlert", "updateAlert", "mergeAlert"]);
    assert_eq!(
        (&alert(&case)["status"], &alert(&case)["classification"]),
        (&json!("InProgress"), &json!("TruePositive"))
    );
}

#[test]
fn every_word_of_the_service_converges() {
    let words = [
        "CompromisedUser",
        "CompromisedAccount",
        "InsufficientData",
        "NoEnoughDataToValidate",
        "ConfirmedUserActivity",
        "ConfirmedActivity",
        "Clean",
        "NotMalicious",
        "Malware",
    ];
    for word in words {
        let case = case("alerts: { words: metadata }", &format!("{{ determination: {word} }}"));
        let (_, told) = case.exits(0, &["validate"]);
        assert!(!told.contains("unknown-word"), "{told}");
        for _ in 0..3 {
            apply(&case, 0, &[]);
        }
        assert_eq!(kinds(&case), ["createAlert", "updateAlert"], "{word}");
    }
}

#[test]
fn an_unknown_word_is_a_warning_and_is_sent() {
    let case = case("{}", "{ status: InProgres, determination: SomethingNew }");
    let (out, err) = case.exits(0, &["validate"]);
    let told = format!("{out}{err}");
    assert!(told.contains("unknown-word") && told.contains("status: InProgress"), "{told}");
    let row = case.plan(&[])["changes"][0].clone();
    assert_eq!(row["followUp"]["body"], json!({ "status": "InProgres", "determination": "SomethingNew" }));
}

#[test]
fn a_comment_is_appended_once_however_lists_show_it() {
    for scenario in [
        "alerts: { comments: escaped }",
        "alerts: { comments: crlf }",
        "delays: { updateLag: 3600 }",
        "{ delays: { updateLag: 3600 }, alerts: { comments: escaped } }",
    ] {
        let case = case(scenario, "{ comment: \"R&D's <host>\\nsecond line\" }");
        for _ in 0..3 {
            apply(&case, 0, &[]);
        }
        assert_eq!(alert(&case)["comments"].as_array().unwrap().len(), 1, "{scenario}");
    }
}

#[test]
fn a_judged_alert_is_not_resolved_when_its_manifest_goes() {
    let case = case("{}", "{ assignedTo: ann }");
    let text = case.read("manifests/a.yaml").replace("spec:", "lifecycle: { onRemove: Resolve }\nspec:");
    case.write("manifests/a.yaml", &text);
    apply(&case, 0, &[]);
    judge(&case, &json!({ "classification": "TruePositive" }));
    std::fs::remove_file(case.path("manifests/a.yaml")).unwrap();
    let row = case.plan(&[])["changes"][0].clone();
    assert_eq!((&row["action"], &row["reasonCode"]), (&json!("forget"), &json!("judged-by-people")));
    apply(&case, 0, &[]);
    assert_eq!(alert(&case)["status"], "New");
}
