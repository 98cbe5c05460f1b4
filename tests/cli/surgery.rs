//! `import`, `moved` and `replace` of manifests, from the file to the service and back: planned, applied once, and
//! planned again.

use serde_json::{Value, json};

use crate::case::Case;

const P: &str = "InvestigationPackage/p";
const A: &str = "Alert/a";

fn machine(n: usize) -> String {
    format!("{n:040x}")
}

fn package(name: &str, n: usize, comment: &str, more: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec:\n  machineId: \
         {}\n  comment: {comment}\n{more}",
        json!(machine(n)),
    )
}

fn alert(name: &str, title: &str, more: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: {name} }}\nspec:\n  machineId: {}\n  severity: \
         Low\n  title: {title}\n  description: d\n  recommendedAction: r\n  eventTime: \
         2018-08-03T16:45:21.7115183Z\n  reportId: \"20776\"\n  category: Exploit\n{more}",
        json!(machine(1)),
    )
}

impl Case {
    /// Gives the only manifest of the project another text.
    fn manifest(&self, text: &str) {
        self.write("manifests/a.yaml", text);
    }

    fn analyst(&self, what: &str, n: usize) {
        self.control("POST", "/sandbox/analyst", &json!({ "do": what, "machine": machine(n) }).to_string());
    }

    /// The rows of a plan with something to do: action, row, code. A row that waits for a person makes it exit 1.
    #[track_caller]
    fn to_do(&self) -> Vec<(String, u64, String)> {
        let output = self.command(&self.sandbox.url, &["plan", "--format", "json"]).output().unwrap();
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let rows = plan["changes"].as_array().unwrap().iter().filter(|c| c["action"] != "none");
        rows.map(|c| (text(&c["action"]), c["row"].as_u64().unwrap(), text(&c["reasonCode"]))).collect()
    }

    /// The id that the state holds of a resource.
    fn held(&self, address: &str) -> String {
        let state: Value = serde_json::from_str(&self.read(".casefile/state.json")).unwrap();
        state["resources"][address]["id"].as_str().unwrap().to_owned()
    }

    /// The id of the latest action of the service.
    fn latest(&self) -> String {
        let world = self.world();
        world["machineActions"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
    }
}

fn row(action: &str, number: u64, code: &str) -> [(String, u64, String); 1] {
    [(action.to_owned(), number, code.to_owned())]
}

fn quiet() -> Case {
    Case::new("delays: { pending: 86400 }", "{ recovery: { settle: 1s } }")
}

#[test]
fn an_import_of_a_manifest_takes_over_what_an_analyst_started() {
    let case = quiet();
    case.analyst("start", 1);
    let id = case.latest();
    case.manifest(&package("p", 1, "why", &format!("import: {{ id: {id} }}\n")));
    // An object that its manifest names is no sign that an empty state was lost.
    assert_eq!(case.to_do(), row("adopt", 36, "import-declared"));
    let (out, _) = case.exits(0, &["apply", "--auto-approve", "--format", "json"]);
    assert!(out.contains("\"event\":\"adopted\"") && out.contains(&id), "{out}");
    assert!(case.effects().is_empty());
    assert_eq!(case.held(P), id);
    assert_eq!(case.to_do(), row("wait", 22, "running"));
    case.analyst("finish", 1);
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.to_do(), []);
    // The field goes as it came: with no call and no row.
    case.manifest(&package("p", 1, "why", ""));
    assert_eq!(case.to_do(), []);
    assert!(case.effects().is_empty());
    case.exits(0, &["verify"]);
}

#[test]
fn an_import_that_is_refused_fails_apply_and_sends_nothing() {
    let case = quiet();
    case.analyst("start", 2);
    let id = case.latest();
    case.manifest(&package("p", 1, "why", &format!("import: {{ id: {id} }}\n")));
    assert_eq!(case.to_do(), row("unresolved", 36, "import-refused"));
    case.exits(1, &["apply", "--auto-approve"]);
    case.manifest(&alert("a", "t", "import: { id: nothing }\n"));
    assert_eq!(case.to_do(), row("unresolved", 36, "import-refused"));
    case.exits(1, &["apply", "--auto-approve"]);
    // Nobody looked: it is neither taken nor asked for.
    let plan = case.plan(&["--no-refresh"]);
    assert_eq!(plan["changes"][0]["reasonCode"], "import-not-looked");
    assert!(case.effects().is_empty());
}

#[test]
fn an_import_of_an_alert_is_read_in_the_batch_of_ids_and_carried_out_by_a_saved_plan() {
    let case = quiet();
    case.manifest(&alert("a", "t", ""));
    case.exits(0, &["apply", "--auto-approve"]);
    let id = case.held(A);
    case.exits(0, &["state", "rm", A]);
    case.manifest(&alert("a", "t", &format!("import: {{ id: {id} }}\n")));
    assert_eq!(case.to_do(), row("adopt", 36, "import-declared"));
    let saved = case.path("plan.json");
    case.exits(0, &["plan", "--out", saved.to_str().unwrap()]);
    case.exits(0, &["apply", saved.to_str().unwrap()]);
    assert_eq!(case.held(A), id);
    assert_eq!((case.to_do().len(), case.effects().len()), (0, 1));
}

#[test]
fn a_move_of_a_manifest_keeps_what_was_made_under_the_old_name() {
    let case = quiet();
    case.manifest(&package("p", 1, "why", ""));
    case.exits(0, &["apply", "--auto-approve"]);
    case.analyst("finish", 1);
    let id = case.held(P);
    case.manifest(&package("q", 1, "another why", &format!("moved: {{ from: {P} }}\n")));
    assert_eq!(case.to_do(), row("move", 35, "move-declared"));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.held("InvestigationPackage/q"), id);
    assert_eq!(case.to_do(), row("differs", 29, "text-differs"));
    // Without the field the plan is the same, and an edited text asks for nothing.
    case.manifest(&package("q", 1, "another why", ""));
    assert_eq!(case.to_do(), row("differs", 29, "text-differs"));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 1);
}

#[test]
fn a_move_of_a_manifest_whose_target_changed_asks_in_the_next_plan() {
    let case = quiet();
    case.manifest(&package("p", 1, "why", ""));
    case.exits(0, &["apply", "--auto-approve"]);
    case.analyst("finish", 1);
    case.manifest(&package("q", 2, "why", &format!("moved: {{ from: {P} }}\n")));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 1);
    assert_eq!(case.to_do(), row("replace", 23, "new-target"));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 2);
    assert_eq!(case.to_do(), row("wait", 22, "running"));
}

#[test]
fn a_replace_of_a_manifest_asks_once_more_and_once_only() {
    let case = quiet();
    case.manifest(&package("p", 1, "why", ""));
    case.exits(0, &["apply", "--auto-approve"]);
    case.analyst("finish", 1);
    let id = case.held(P);
    case.manifest(&package("p", 1, "why", &format!("replace: {{ id: {id} }}\n")));
    assert_eq!(case.to_do(), row("replace", 1, "replace-declared"));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 2);
    assert_ne!(case.held(P), id);
    case.analyst("finish", 1);
    for _ in 0..2 {
        case.exits(0, &["apply", "--auto-approve"]);
        assert_eq!(case.to_do(), []);
    }
    case.manifest(&package("p", 1, "why", ""));
    assert_eq!((case.to_do().len(), case.effects().len()), (0, 2));
    case.exits(0, &["verify"]);
    case.exits(0, &["state", "rebuild"]);
    assert_eq!(case.to_do(), []);
}

#[test]
fn a_replace_of_a_look_alike_counts_on_an_empty_state_and_in_a_saved_plan() {
    let case = quiet();
    case.manifest(&package("p", 1, "why", ""));
    case.exits(0, &["apply", "--auto-approve"]);
    case.analyst("finish", 1);
    let id = case.held(P);
    std::fs::remove_dir_all(case.path(".casefile")).unwrap();
    // A branch with the manifest alone: the state knows nothing, and the service has it.
    case.exits(4, &["apply", "--auto-approve"]);
    case.manifest(&package("p", 1, "why", &format!("replace: {{ id: {id} }}\n")));
    assert_eq!(case.to_do(), row("replace", 1, "replace-declared"));
    let saved = case.path("plan.json");
    case.exits(0, &["plan", "--out", saved.to_str().unwrap()]);
    case.exits(0, &["apply", saved.to_str().unwrap()]);
    assert_eq!(case.effects().len(), 2);
    case.analyst("finish", 1);
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!((case.to_do().len(), case.effects().len()), (0, 2));
}

#[test]
fn a_seal_covers_a_replace_and_neither_of_the_others() {
    let case = quiet();
    case.manifest(&package("p", 1, "why", ""));
    case.exits(0, &["seal"]);
    case.exits(0, &["apply", "--sealed"]);
    case.analyst("finish", 1);
    let id = case.held(P);
    case.manifest(&package("p", 1, "why", &format!("import: {{ id: {id} }}\nmoved: {{ from: {P}-old }}\n")));
    case.exits(0, &["validate", "--sealed"]);
    case.manifest(&package("p", 1, "why", &format!("replace: {{ id: {id} }}\n")));
    case.exits(1, &["validate", "--sealed"]);
    case.exits(4, &["apply", "--sealed"]);
    assert_eq!(case.effects().len(), 1);
    case.exits(0, &["seal"]);
    case.exits(0, &["apply", "--sealed"]);
    case.exits(0, &["apply", "--sealed"]);
    assert_eq!(case.effects().len(), 2);
}

#[test]
fn manifests_are_rendered_with_these_fields() {
    let case = quiet();
    let fields = "import:\n  id: x\nmoved:\n  from: InvestigationPackage/old\nreplace:\n  id: z\n";
    case.manifest(&package("p", 1, "why", fields));
    let (out, _) = case.exits(0, &["render"]);
    assert!(out.contains(fields), "{out}");
}
