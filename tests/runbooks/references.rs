//! Ids of other resources in texts, from the manifest to the service: through the binary and the simulated service.

use serde_json::Value;

use crate::lifecycle::Project;

const RUNBOOK: &str = "apiVersion: casefile/v1
kind: Runbook
metadata: { name: triage }
spec:
  parameters: { type: object, properties: { machines: { type: array, items: { type: string } } } }
  resources:
    - kind: InvestigationPackage
      metadata: { name: \"collect-${{ item }}\" }
      forEach: ${{ with.machines }}
      spec: { machineId: \"${{ item }}\", comment: why }
    - kind: Alert
      metadata: { name: notify }
      spec:
        machineId: fb9ab6be3965095a09c057be7c90f0a2
        severity: Low
        title: Collected
        description: The package is ${{ resources['collect-fb9ab6be3965095a09c057be7c90f0a2'].id }}.
        recommendedAction: Look.
        eventTime: 2026-03-03T16:45:21.7115183Z
        reportId: \"20776\"
        category: Exploit
";
const COLLECT: &str = "InvestigationPackage/inc-1.collect-fb9ab6be3965095a09c057be7c90f0a2";
const NOTIFY: &str = "Alert/inc-1.notify";

fn project() -> Project {
    let p = Project::new();
    p.write("m/runbook.yaml", RUNBOOK);
    p
}

fn plan(p: &Project) -> Value {
    serde_json::from_str(&p.run(0, &["plan", "--format", "json", "-q"])).unwrap()
}

fn row<'p>(plan: &'p Value, address: &str) -> &'p Value {
    plan["changes"].as_array().unwrap().iter().find(|c| c["address"] == address).unwrap()
}

fn id(p: &Project, address: &str) -> String {
    p.state()["resources"][address]["id"].as_str().unwrap().to_owned()
}

/// The descriptions of all intents, in order.
fn sent(p: &Project) -> Vec<String> {
    let journal = p.read(".casefile/journal.jsonl");
    let records = journal.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let intents = records.filter_map(|r| {
        let body = r["record"]["intent"]["sent"]["request"]["body"].clone();
        Some(body["description"].as_str()?.to_owned())
    });
    intents.collect()
}

#[test]
fn an_id_is_known_after_its_call_and_the_digest_holds_before_and_after() {
    let p = project();
    let first = plan(&p);
    let notify = row(&first, NOTIFY);
    assert_eq!(
        notify["after"]["description"],
        "The package is (known after collect-fb9ab6be3965095a09c057be7c90f0a2)."
    );
    assert_eq!(notify["ids"], serde_json::json!([{ "of": COLLECT }]));
    assert_eq!(notify["dependsOn"][0]["address"], COLLECT);
    let reference = format!("The package is ${{{{ resources['{COLLECT}'].id }}}}.");
    assert_eq!(notify["request"]["body"]["description"], reference);
    let text = p.run(0, &["plan"]);
    assert!(text.contains("(known after"), "{text}");
    p.run(0, &["apply", "--expect", first["digest"].as_str().unwrap(), "-q"]);
    assert_eq!(sent(&p), [format!("The package is {}.", id(&p, COLLECT))]);
    assert!(plan(&p)["changes"].as_array().unwrap().iter().all(|c| c["request"].is_null()));
    // LastCall for again, with the collection where it was: the id is known, the digest of the call is the same.
    let again = p.run(0, &["plan", "--replace", NOTIFY, "--format", "json", "-q"]);
    let again: Value = serde_json::from_str(&again).unwrap();
    let notify = row(&again, NOTIFY);
    assert_eq!(notify["ids"][0]["id"], id(&p, COLLECT));
    assert_eq!(notify["request"]["body"]["description"], reference);
    assert_eq!(notify["after"]["description"], format!("The package is {}.", id(&p, COLLECT)));
}

#[test]
fn what_was_sent_stays_while_the_other_resource_gets_a_new_id() {
    let p = project();
    p.run(0, &["apply", "--auto-approve", "--wait", "-q"]);
    let old = id(&p, COLLECT);
    p.write("m/runbook.yaml", &RUNBOOK.replace("comment: why", "comment: why, revision: 2"));
    let plan = plan(&p);
    assert_eq!(
        (&row(&plan, COLLECT)["action"], &row(&plan, NOTIFY)["action"]),
        (&"replace".into(), &"none".into())
    );
    p.run(0, &["apply", "--auto-approve", "--wait", "-q"]);
    assert_ne!(id(&p, COLLECT), old);
    assert_eq!(sent(&p).len(), 1, "an id that changed is no reason");
    // Edited, it differs in what was edited and nothing else.
    p.write("m/runbook.yaml", &RUNBOOK.replace("Look.", "Look twice."));
    let text = p.run(0, &["plan"]);
    assert!(text.contains("recommendedAction edited after it was sent"), "{text}");
    assert!(!text.contains("- The package is"), "{text}");
}

#[test]
fn a_renamed_incident_moves_with_its_ids() {
    let p = project();
    p.run(0, &["apply", "--auto-approve", "-q"]);
    p.write("m/inc.yaml", &p.read("m/inc.yaml").replace("inc-1", "inc-9"));
    let (rows, _) = p.plan();
    assert!(rows.len() == 2 && rows.iter().all(|(_, action)| action == "move"), "{rows:?}");
    p.run(0, &["apply", "--auto-approve", "-q"]);
    let (rows, _) = p.plan();
    assert!(rows.iter().all(|(_, action)| action == "wait" || action == "none"), "{rows:?}");
    assert_eq!(sent(&p).len(), 1);
}

#[test]
fn a_lost_state_is_noticed_although_the_service_shows_an_id() {
    let p = project();
    // A comment that holds an id.
    let text = RUNBOOK.to_owned()
        + "    - kind: InvestigationPackage
      metadata: { name: second }
      spec: { machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, comment: \"Alert ${{ resources.notify.id }}\" }
";
    p.write("m/runbook.yaml", &text);
    p.run(0, &["apply", "--auto-approve", "-q"]);
    let known = id(&p, "InvestigationPackage/inc-1.second");
    std::fs::remove_dir_all(p.dir.path().join(".casefile")).unwrap();
    let text = p.run(4, &["apply", "--auto-approve", "-q"]);
    assert!(text.contains("InvestigationPackage/inc-1.second"), "{text}");
    p.run(0, &["import", "--discover", "--auto-approve", "-q"]);
    assert_eq!(id(&p, "InvestigationPackage/inc-1.second"), known);
    let (rows, _) = p.plan();
    assert!(rows.iter().all(|(_, action)| action == "wait" || action == "none"), "{rows:?}");
}

#[test]
fn a_saved_plan_is_not_sent_with_another_id_than_it_showed() {
    let p = project();
    p.run(0, &["apply", "--auto-approve", "--wait", "-q"]);
    p.run(0, &["plan", "--replace", NOTIFY, "--out", "plan.json", "-q"]);
    p.run(0, &["apply", "--replace", COLLECT, "--auto-approve", "--wait", "-q"]);
    let text = p.run(4, &["apply", "plan.json", "-q"]);
    assert!(text.contains("was planned with the id") && text.contains(&id(&p, COLLECT)), "{text}");
    assert_eq!(sent(&p).len(), 1);
    // Planned while the id was to come, it takes the one that comes.
    let p = project();
    p.run(0, &["plan", "--out", "plan.json", "-q"]);
    p.run(0, &["apply", "plan.json", "-q"]);
    assert_eq!(sent(&p), [format!("The package is {}.", id(&p, COLLECT))]);
}

#[test]
fn a_seal_holds_the_reference_and_is_current_when_the_id_is_known() {
    let p = project();
    p.run(0, &["seal", "-q"]);
    let seal = p.read("m/inc.sealed.yaml");
    assert!(seal.contains("resources["), "{seal}");
    p.run(0, &["validate", "--sealed", "-q"]);
    p.run(0, &["apply", "--sealed", "--wait", "-q"]);
    p.run(0, &["validate", "--sealed", "-q"]);
    let (rows, _) = p.plan();
    assert!(rows.iter().all(|(_, action)| action == "none"), "{rows:?}");
    p.run(0, &["apply", "--sealed", "--replace", NOTIFY, "-q"]);
    assert_eq!(sent(&p).len(), 2);
    p.run(0, &["seal", "-q"]);
    assert_eq!(p.read("m/inc.sealed.yaml"), seal);
}

#[test]
fn an_id_counts_neither_for_nor_against_a_rule() {
    let p = project();
    let rule = |rule: &str| {
        let text = format!(
            "apiVersion: casefile/v1\nkind: Project\nmetadata: {{ name: t }}\nspec: {{ manifests: [m], requireComment: '{rule}' }}\n"
        );
        p.write("casefile.yaml", &text);
    };
    for (pattern, code) in [
        ("(?i)inc-[0-9]|why", 1),
        ("Collected|why", 0),
        ("^The package is [.]$|why", 1),
        ("package is.*[.]$|why", 0),
    ] {
        rule(pattern);
        p.run(code, &["validate", "-q"]);
    }
}
