//! Drafts through the binary: from an alert, and from collections that nobody declared.

use serde_json::Value;

use crate::case::Case;

const DEVICE: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";

/// A device with an event that the query of a draft finds, and collections of others.
fn case(spec: &str) -> Case {
    let scenario = format!(
        "strict: false
machines: {{ list: [{{ id: {DEVICE}, name: fin-ws-042.contoso.com }}] }}
delays: {{ pending: 0, running: 0 }}
hunting:
  - contains: 'where DeviceId =~ \"{DEVICE}\"'
    rows: [{{ Timestamp: '2026-03-01T09:15:42.1830907Z', DeviceId: {DEVICE}, ReportId: 20776 }}]
foreign:
  - {{ machine: {DEVICE}, comment: 'INC-2042: by hand', age: 7200, remaining: 0 }}
  - {{ machine: {DEVICE}, comment: \"odd ${{{{ resources.x.id }}}} \\\"text\\\"\", age: 3600, remaining: 0 }}
"
    );
    Case::new(&scenario, spec)
}

/// Raises an alert at the service, and gives its id.
fn alert(case: &Case, title: &str) -> String {
    let body = serde_json::json!({
        "machineId": DEVICE, "severity": "High", "title": title, "description": "d", "recommendedAction": "r",
        "eventTime": "2026-03-01T09:15:42.1830907Z", "reportId": "20776", "category": "Execution",
    });
    let made = case.control("POST", "/api/alerts/CreateAlertByReference", &body.to_string());
    made["id"].as_str().unwrap().to_owned()
}

fn kinds(plan: &Value) -> Vec<(String, String)> {
    let rows = plan["changes"].as_array().unwrap_or_else(|| panic!("{plan}"));
    let mut rows: Vec<(String, String)> = rows
        .iter()
        .map(|r| {
            let kind = r["address"].as_str().unwrap().split('/').next().unwrap();
            (kind.to_owned(), r["action"].as_str().unwrap().to_owned())
        })
        .collect();
    rows.sort();
    rows
}

fn pair(a: &str, b: &str) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

#[test]
fn collections_and_an_alert_become_manifests_that_plan_and_apply() {
    let case = case("{}");
    let (out, err) = case.exits(0, &["draft", "--since", "30d"]);
    assert_eq!(out, "Wrote manifests/drafted-inc-2042.yaml\nWrote manifests/drafted.yaml\n", "{err}");
    assert!(err.contains("Drafted: 2 packages, each with `import`"), "{err}");
    assert!(err.contains(" plan manifests/drafted-inc-2042.yaml manifests/drafted.yaml\n"), "{err}");
    let text = case.read("manifests/drafted.yaml");
    assert!(text.contains("  comment: \"odd $ {{ resources.x.id }} \\\"text\\\"\"\n"), "{text}");
    assert!(case.read("manifests/drafted-inc-2042.yaml").contains("    incident: INC-2042\n"));
    case.exits(0, &["validate"]);
    let package = ("InvestigationPackage", "adopt");
    assert_eq!(kinds(&case.plan(&[])), [pair(package.0, package.1), pair(package.0, package.1)]);

    // The ones that are declared or held are no news.
    let (out, err) = case.exits(0, &["draft", "--since", "30d"]);
    assert_eq!(out, "");
    assert!(err.contains("2 collections left out: this project has them already."), "{err}");
    case.exits(0, &["apply", "--auto-approve"]);
    let before = case.effects().len();

    let id = alert(&case, "Odd\u{1b}[2J \"thing\"\n---\nkind: Alert ${{ x }}");
    let (out, err) = case.exits(0, &["draft", "--alert", &id, "--label", "incident=INC-7"]);
    let told = format!("Drafted: a package of fin-ws-042.contoso.com, and an alert that follows {id} up.");
    assert!(err.contains(&told) && err.contains(" plan manifests/da"), "{err}");
    let file = out.trim().strip_prefix("Wrote ").unwrap().to_owned();
    assert!(file.starts_with("manifests/da") && file.ends_with(".yaml"), "{file}");
    let text = case.read(&file);
    assert!(!text.contains('\u{1b}') && !text.contains("\n---\nkind") && !text.contains("${{"), "{text}");
    for line in [
        "    incident: INC-7\n".to_owned(),
        format!("  machineId: \"{DEVICE}\"\n"),
        format!("      | where DeviceId =~ \"{DEVICE}\"\n"),
        "  severity: \"High\"\n".to_owned(),
        "  category: \"Execution\"\n".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    case.exits(0, &["validate"]);
    let plan = case.plan(&[&file]);
    assert_eq!(kinds(&plan), [pair("Alert", "create"), pair("InvestigationPackage", "create")]);
    case.exits(0, &["apply", "--auto-approve", &file]);
    let sent = &case.effects()[before + 1..];
    assert_eq!(sent.len(), 2, "the alert that was raised by hand comes before: {sent:?}");

    // No file is written over.
    let (_, err) = case.exits(1, &["draft", "--alert", &id, "--name", "x", "--out", &file]);
    assert!(err.contains("exists already, nothing was written"), "{err}");
}

#[test]
fn what_the_project_does_not_allow_is_left_out_and_said() {
    let case = case("{ requireComment: '^INC-[0-9]+: ' }");
    let (out, err) = case.exits(0, &["draft", "--since", "12h", "--dry-run"]);
    assert_eq!(out.matches("kind: InvestigationPackage").count(), 1, "{out}");
    assert!(err.contains("1 collection left out: requireComment does not allow their comments"), "{err}");
    let (out, _) = case.exits(
        0,
        &["draft", "--since", "12h", "--comment", "INC-9: taken over", "--out", "manifests/all.yaml"],
    );
    assert_eq!(out, "Wrote manifests/all.yaml\n");
    let text = case.read("manifests/all.yaml");
    assert!(text.contains("incident: INC-9\n") && text.contains("incident: INC-2042\n"), "{text}");
    case.exits(0, &["validate"]);
    // An older time, no time, a time that is none.
    let (out, _) = case.exits(0, &["draft", "--since", "1h", "--dry-run"]);
    assert_eq!(out, "");
    for args in [&["draft"][..], &["draft", "--since", "soon"], &["draft", "--since", "1d", "--alert", "da1"]]
    {
        case.exits(64, args);
    }
}

const RUNBOOK: &str = "apiVersion: casefile/v1
kind: Runbook
metadata: { name: triage }
spec:
  parameters:
    type: object
    required: [ticket, hosts]
    properties:
      ticket: { type: string, pattern: \"^INC-[0-9]+$\" }
      hosts: { type: array, items: { type: string } }
  resources:
    - kind: InvestigationPackage
      metadata: { name: \"collect-${{ item | slug }}\" }
      forEach: ${{ with.hosts }}
      spec: { machineName: \"${{ item }}\", comment: \"${{ with.ticket }}: triage\" }
";

#[test]
fn a_runbook_that_fits_gets_an_incident() {
    let case = case("{}");
    case.write("manifests/triage.yaml", RUNBOOK);
    let id = alert(&case, "t");
    let (out, err) = case.exits(0, &["draft", "--alert", &id]);
    assert!(err.contains("The runbook triage fits"), "{err}");
    let file = out.trim().strip_prefix("Wrote ").unwrap().to_owned();
    let text = case.read(&file);
    assert!(text.contains("kind: Incident") && text.contains("- fin-ws-042.contoso.com"), "{text}");
    assert_eq!(kinds(&case.plan(&[&file])), [pair("InvestigationPackage", "create")]);
    let (out, _) = case.exits(0, &["draft", "--alert", &id, "--plain", "--dry-run"]);
    assert!(out.contains("kind: Alert") && !out.contains("kind: Incident"), "{out}");

    // What the alert does not tell is asked for.
    let runbook = RUNBOOK
        .replace("[ticket, hosts]", "[ticket, hosts, lead]")
        .replace("      hosts:", "      lead: { type: string }\n      hosts:");
    case.write("manifests/triage.yaml", &runbook);
    case.write(&file, "");
    let args = ["draft", "--alert", &id, "--runbook", "triage", "--name", "inc-9"];
    let (_, err) = case.exits(1, &args);
    assert!(err.contains("--set lead=VALUE"), "{err}");
    case.exits(0, &[&args[..], &["--set", "lead=me"]].concat());
    assert!(case.read("manifests/inc-9.yaml").contains("lead: me"));
    let (_, err) = case.exits(64, &["draft", "--alert", &id, "--runbook", "triag"]);
    assert!(err.contains("did you mean triage?"), "{err}");
}

/// Nobody says what hunting finds: the event of the alert is one that the service must have.
#[test]
fn a_draft_of_an_alert_of_the_sandbox_can_be_planned() {
    let case = Case::new("", "{}");
    let id = alert(&case, "t");
    case.exits(0, &["draft", "--alert", &id, "--name", "follow-up"]);
    let plan = case.plan(&["manifests/follow-up.yaml"]);
    assert_eq!(kinds(&plan), [pair("Alert", "create"), pair("InvestigationPackage", "create")]);
    let query = case.read("manifests/follow-up.yaml");
    assert!(query.contains("datetime(2026-03-01T09:14:42.1830907Z)"), "{query}");
    case.write("manifests/follow-up.yaml", &query.replace("2026-03-01T09:", "2026-03-01T07:"));
    let (_, err) = case.exits(1, &["plan", "manifests/follow-up.yaml"]);
    assert!(err.contains("event-not-found"), "{err}");
}

#[test]
fn an_alert_that_nobody_knows_is_no_draft() {
    let case = case("{}");
    let (_, err) = case.exits(64, &["draft"]);
    assert!(err.contains("<--alert <ID>|--since <DURATION>>"), "{err}");
    let (_, err) = case.exits(1, &["draft", "--alert", "da1_2"]);
    assert!(err.contains("the service knows no alert da1_2"), "{err}");
    let (_, err) = case.exits(64, &["draft", "--alert", "../x"]);
    assert!(err.contains("the id of an alert"), "{err}");
}
