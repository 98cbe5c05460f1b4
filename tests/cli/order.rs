//! `dependsOn` from outside: the binary, and the simulated service as a process of its own.

use serde_json::Value;

use crate::case::Case;

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";
const OLD: &str = "3333333333333333333333333333333333333333";

/// A service whose collections take so many seconds, and refuses one on [`OLD`].
fn bench(running: u64, more: &str) -> Case {
    let scenario = format!(
        "delays: {{ pending: 0, running: {running} }}\nmachines: {{ strict: false, list: [{{ id: {OLD}, os: Windows7 }}] }}\n{more}"
    );
    let case = Case::new(&scenario, "{ manifests: [m] }");
    std::fs::create_dir(case.path("m")).unwrap();
    case
}

fn package(name: &str, machine: &str, more: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec: {{ machineId: \"{machine}\", comment: {name} }}\n{more}\n---\n"
    )
}

fn alert(name: &str, machine: &str, more: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: {name} }}\nspec: {{ machineId: \"{machine}\", severity: Low, title: {name}, description: d, recommendedAction: r, eventTime: 2018-08-03T16:45:21Z, reportId: \"20776\", category: Exploit }}\n{more}\n---\n"
    )
}

impl Case {
    /// What a run says: its result, or else its errors.
    #[track_caller]
    fn says(&self, code: i32, args: &[&str]) -> String {
        let (text, errors) = self.exits(code, args);
        if code == 1 && text.is_empty() { errors } else { text }
    }

    /// The events of an apply, in words: `intent Kind/name`.
    #[track_caller]
    fn apply(&self, code: i32, more: &[&str]) -> Vec<String> {
        let text = self.says(code, &[&["apply", "--format", "json"], more].concat());
        let events = text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{l}: {e}")));
        let word = |e: Value| Some(format!("{} {}", e["event"].as_str()?, e["address"].as_str()?));
        events.filter_map(word).collect()
    }

    /// Action, reason and code of a row.
    #[track_caller]
    fn row(&self, address: &str, more: &[&str]) -> (String, String, String) {
        let text = self.says(0, &[&["plan", "--format", "json", "-q"], more].concat());
        let plan: Value = serde_json::from_str(&text).unwrap();
        let row = plan["changes"].as_array().unwrap().iter().find(|r| r["address"] == address);
        let row = row.unwrap_or_else(|| panic!("{address}: {text}"));
        let word = |name: &str| row[name].as_str().unwrap().to_owned();
        (word("action"), word("reason"), word("reasonCode"))
    }
}

fn place(events: &[String], event: &str) -> usize {
    events.iter().position(|e| e == event).unwrap_or_else(|| panic!("{event}: {events:?}"))
}

#[test]
fn a_call_is_sent_once_what_it_depends_on_is_accepted() {
    let b = bench(600, "");
    // `Alert/a` stands before the package, in the same queue of one machine.
    let after = "dependsOn: [collect]";
    let text = [alert("a", ONE, after), package("collect", ONE, ""), package("other", TWO, "")].concat();
    b.write("m/a.yaml", &text);
    let (action, reason, code) = b.row("Alert/a", &[]);
    assert_eq!((&*action, &*code), ("create", "new"));
    assert_eq!(reason, "new; sent after InvestigationPackage/collect is accepted");
    let events = b.apply(0, &["--auto-approve"]);
    let accepted = place(&events, "accepted InvestigationPackage/collect");
    assert!(accepted < place(&events, "intent Alert/a"), "{events:?}");
    place(&events, "accepted InvestigationPackage/other");
    assert_eq!(b.row("Alert/a", &[]).0, "none");
}

#[test]
fn until_succeeded_waits_for_the_end_within_a_run_or_over_several() {
    let b = bench(3, "");
    let after = "dependsOn:\n  - { name: InvestigationPackage/collect, until: Succeeded }";
    b.write("m/a.yaml", &[package("collect", ONE, ""), package("later", TWO, after)].concat());
    let reason = b.row("InvestigationPackage/later", &[]).1;
    assert!(reason.contains("has succeeded: with --wait, or by a later run"), "{reason}");
    let events = b.apply(0, &["--auto-approve"]);
    place(&events, "held InvestigationPackage/later");
    assert!(!events.contains(&"intent InvestigationPackage/later".to_owned()), "{events:?}");
    // A later run follows what is under way, and sends what waited for it.
    let events = b.apply(0, &["--auto-approve", "--wait", "--timeout", "60s"]);
    place(&events, "accepted InvestigationPackage/later");
    assert_eq!(b.row("InvestigationPackage/later", &[]).0, "none");
}

#[test]
fn a_saved_plan_keeps_the_order_and_sends_the_rest_later() {
    let b = bench(2, "");
    let after = "dependsOn: [{ name: collect, until: Succeeded }]";
    b.write("m/a.yaml", &[package("collect", ONE, ""), package("later", TWO, after)].concat());
    b.says(0, &["plan", "--out", "p.json"]);
    b.write("m/a.yaml", "");
    let events = b.apply(0, &["p.json"]);
    place(&events, "held InvestigationPackage/later");
    assert!(!events.iter().any(|e| e == "intent InvestigationPackage/later"), "{events:?}");
    let events = b.apply(0, &["p.json", "--wait", "--timeout", "60s"]);
    place(&events, "accepted InvestigationPackage/later");
    b.says(4, &["apply", "p.json"]);
}

#[test]
fn a_refused_dependency_holds_back_and_independent_calls_go() {
    let b = bench(600, "");
    let text = [
        package("old", OLD, ""),
        alert("a", ONE, "dependsOn: [old]"),
        alert("b", ONE, "dependsOn: [a]"),
        package("free", TWO, ""),
    ];
    b.write("m/a.yaml", &text.concat());
    let events = b.apply(1, &["--auto-approve"]);
    place(&events, "rejected InvestigationPackage/old");
    place(&events, "accepted InvestigationPackage/free");
    for held in ["Alert/a", "Alert/b"] {
        place(&events, &format!("held {held}"));
        assert!(!events.contains(&format!("intent {held}")), "{events:?}");
    }
    // The next plan knows it, and says why.
    let (action, reason, code) = b.row("Alert/a", &[]);
    assert_eq!((&*action, &*code), ("wait", "held-by"));
    assert_eq!(reason, "waits for InvestigationPackage/old, which the service refused");
    assert!(b.row("Alert/b", &[]).1.ends_with("Alert/a, which is held back itself"));
    let events = b.apply(0, &["--auto-approve"]);
    assert!(!events.iter().any(|e| e.starts_with("intent ")), "{events:?}");
}

#[test]
fn a_lost_answer_is_settled_before_what_depends_on_it() {
    let b = bench(600, "faults: [{ on: collect, nth: [1], then: lost }]\n");
    b.write("m/a.yaml", &[package("collect", ONE, ""), alert("a", TWO, "dependsOn: [collect]")].concat());
    let project = b.read("casefile.yaml");
    b.write("casefile.yaml", &project.replace("[m] }", "[m], recovery: { settle: 1s } }"));
    let events = b.apply(0, &["--auto-approve"]);
    let found = place(&events, "adopted InvestigationPackage/collect");
    assert!(place(&events, "unknown InvestigationPackage/collect") < found, "{events:?}");
    assert!(found < place(&events, "intent Alert/a"), "{events:?}");
}

#[test]
fn a_narrowed_plan_holds_back_what_depends_on_the_rest() {
    let b = bench(600, "");
    b.write("m/a.yaml", &package("collect", ONE, ""));
    b.write("m/b.yaml", &alert("a", TWO, "dependsOn: [collect]"));
    let (action, reason, _) = b.row("Alert/a", &["m/b.yaml"]);
    assert_eq!(action, "wait");
    assert!(reason.contains("this plan does not select"), "{reason}");
    b.apply(0, &["--auto-approve", "m/a.yaml"]);
    assert_eq!(b.row("Alert/a", &["m/b.yaml"]).0, "create");
}

const RUNBOOK: &str = r#"apiVersion: casefile/v1
kind: Runbook
metadata: { name: sweep }
spec:
  parameters:
    type: object
    properties: { machines: { type: array, items: { type: string } } }
  resources:
    - kind: InvestigationPackage
      metadata: { name: "collect-${{ item | slug }}" }
      forEach: ${{ with.machines }}
      spec: { machineId: "${{ item }}", comment: c }
    - kind: Alert
      metadata: { name: "each-${{ item | slug }}" }
      forEach: ${{ with.machines }}
      dependsOn: ["collect-${{ item | slug }}"]
      spec:
        { machineId: "${{ item }}", severity: Low, title: "t ${{ index }}", description: d, recommendedAction: r,
          eventTime: 2018-08-03T16:45:21Z, reportId: "1", category: Exploit }
    - kind: Alert
      metadata: { name: all }
      dependsOn: [collect, { name: each, until: Succeeded }]
      spec: { machineId: "1111111111111111111111111111111111111111", severity: Low, title: all, description: d,
              recommendedAction: r, eventTime: 2018-08-03T16:45:21Z, reportId: "1", category: Exploit }
"#;

#[test]
fn templates_name_templates_and_single_instances() {
    let b = bench(600, "");
    b.write("m/r.yaml", RUNBOOK);
    let incident = format!(
        "apiVersion: casefile/v1\nkind: Incident\nmetadata: {{ name: inc-1 }}\nspec: {{ runbook: sweep, with: {{ machines: [\"{ONE}\", \"{TWO}\"] }} }}\n"
    );
    b.write("m/i.yaml", &incident);
    let rendered = b.says(0, &["render"]);
    let each = format!("dependsOn:\n  - InvestigationPackage/inc-1.collect-{ONE}\n");
    assert!(rendered.contains(&each), "{rendered}");
    let all = format!(
        "dependsOn:\n  - name: Alert/inc-1.each-{ONE}\n    until: Succeeded\n  - name: Alert/inc-1.each-{TWO}\n    until: Succeeded\n  - InvestigationPackage/inc-1.collect-{ONE}\n  - InvestigationPackage/inc-1.collect-{TWO}\n"
    );
    assert!(rendered.contains(&all), "{rendered}");
    b.says(0, &["seal"]);
    let seal = b.read("m/i.sealed.yaml");
    assert!(seal.contains("dependsOn:") && seal.contains("until: Succeeded"), "{seal}");
    // What is printed declares the same, order and all.
    let digest = |b: &Case| {
        let plan = b.says(0, &["plan"]);
        plan.lines().find(|l| l.starts_with("Digest: ")).unwrap().to_owned()
    };
    let first = digest(&b);
    b.write("printed.yaml", &rendered);
    let other = bench(600, "");
    other.write("m/printed.yaml", &rendered);
    assert_eq!(digest(&other), first);
    assert_eq!(other.says(0, &["render"]).matches("dependsOn:").count(), 3);
    let events = b.apply(0, &["--sealed"]);
    let last = place(&events, "intent Alert/inc-1.all");
    for machine in [ONE, TWO] {
        let collected = place(&events, &format!("accepted InvestigationPackage/inc-1.collect-{machine}"));
        let each = place(&events, &format!("intent Alert/inc-1.each-{machine}"));
        let accepted = place(&events, &format!("accepted Alert/inc-1.each-{machine}"));
        assert!(collected < each && accepted < last, "{events:?}");
    }
    // No machine: nothing to wait for.
    let empty = bench(600, "");
    empty.write("m/r.yaml", RUNBOOK);
    empty.write("m/i.yaml", &incident.replace(&format!("\"{ONE}\", \"{TWO}\""), ""));
    assert_eq!(empty.row("Alert/inc-1.all", &[]).1, "new");
}

#[test]
fn circles_and_unknown_names_are_told_at_their_place() {
    let b = bench(600, "");
    for (text, code, words) in [
        (package("a", ONE, "dependsOn: [b]"), "unknown-dependency", "nothing here is named `b`"),
        (
            package("a", ONE, "dependsOn: [a]"),
            "dependency-circle",
            "InvestigationPackage/a depends on itself",
        ),
        (
            [package("a", ONE, "dependsOn: [b]"), alert("b", ONE, "dependsOn: [InvestigationPackage/a]")]
                .concat(),
            "dependency-circle",
            "these wait for each other: Alert/b ->",
        ),
        (
            [package("a", ONE, ""), alert("a", ONE, ""), alert("c", ONE, "dependsOn: [a]")].concat(),
            "ambiguous-dependency",
            "`a` names resources of both kinds",
        ),
        (package("a", ONE, "dependsOn: a"), "wrong-type", "dependsOn: [\"a\"]"),
        (package("a", ONE, "dependsOn: [{ name: a, until: Done }]"), "wrong-value", "Accepted"),
        (package("a", ONE, "dependsOn: [{ until: Accepted }]"), "missing-field", "name"),
        (package("a", ONE, "dependsOn: [7]"), "wrong-type", "a name, or a mapping"),
    ] {
        b.write("m/a.yaml", &text);
        let told = b.says(1, &["validate"]);
        assert!(told.contains(code) && told.contains(words), "{words}\n{told}");
        assert!(told.contains("m/a.yaml:"), "{told}");
    }
    // The same of templates, without an incident.
    b.write("m/a.yaml", "");
    let runbook = RUNBOOK;
    for (from, to, code, words) in [
        ("[collect, {", "[colect, {", "unknown-dependency", "did you mean `collect`?"),
        ("dependsOn: [\"collect-${{ item | slug }}\"]", "dependsOn: [all]", "dependency-circle", "all -> "),
    ] {
        b.write("m/a.yaml", &runbook.replace(from, to));
        let told = b.says(1, &["validate"]);
        assert!(told.contains(code) && told.contains(words), "{words}\n{told}");
    }
    // Only the incident shows what an expression names.
    b.write("m/a.yaml", &runbook.replace("[\"collect-${{ item | slug }}\"]", "[\"${{ item }}\"]"));
    b.write(
        "m/i.yaml",
        &format!("apiVersion: casefile/v1\nkind: Incident\nmetadata: {{ name: inc-1 }}\nspec: {{ runbook: sweep, with: {{ machines: [\"{ONE}\"] }} }}\n"),
    );
    let told = b.says(1, &["validate"]);
    assert!(told.contains("unknown-dependency") && told.contains("inc-1"), "{told}");
}
