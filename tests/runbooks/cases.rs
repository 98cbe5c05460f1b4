//! `casefile test`: cases that pass, that differ, and that cannot be read.

use casefile::manifest::{CaseOutcome, Project, run_cases};

use super::expansion::RUNBOOK;

fn run(case: &str) -> CaseOutcome {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("r/triage/cases")).unwrap();
    std::fs::write(dir.path().join("r/triage.yaml"), RUNBOOK).unwrap();
    std::fs::write(dir.path().join("r/triage/cases/a.yaml"), case).unwrap();
    let mut project = Project::new("test");
    project.spec.manifests = vec!["r".into()];
    let wanted = |file: &str, names: &[&str]| file == "r/triage.yaml" && names == ["triage"];
    let runs = run_cases(dir.path(), &project, &wanted, &|_| false).unwrap();
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    let [(name, outcome)] = run.cases.as_slice() else { panic!("{run:?}") };
    assert_eq!(name, "r/triage/cases/a.yaml");
    outcome.clone()
}

const INCIDENT: &str = "incident: { name: inc-1, with: { ticket: T, machines: [a, b] } }\n";

#[track_caller]
fn differs(case: &str) -> (Vec<String>, Vec<String>) {
    match run(case) {
        CaseOutcome::Differs { expected, actual } => (expected, actual),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_is_mentioned_is_compared_but_every_resource_is() {
    let resources = "expect:\n  resources:\n    - address: InvestigationPackage/inc-1.collect-b\n    - address: \
                     InvestigationPackage/inc-1.collect-a\n      spec: { revision: 1, retryAfter: 10m }\n      lifecycle: { \
                     onRemove: Retain }\n";
    assert_eq!(run(&format!("{INCIDENT}{resources}")), CaseOutcome::Passed);
    let (expected, actual) =
        differs(&format!("{INCIDENT}{}", resources.replace("revision: 1", "revision: 2")));
    assert_eq!(expected.len(), actual.len());
    assert_eq!((&*expected[1], &*actual[1]), ("  spec.retryAfter: \"10m\"", "  spec.retryAfter: \"10m\""));
    assert_eq!((&*expected[2], &*actual[2]), ("  spec.revision: 2", "  spec.revision: 1"));
    let (_, actual) = differs(&format!("{INCIDENT}expect: {{ resources: [] }}\n"));
    assert!(actual.iter().any(|l| l == "InvestigationPackage/inc-1.collect-b"), "{actual:?}");
    let (expected, actual) = differs(&format!(
        "{INCIDENT}{resources}    - address: Alert/inc-1.found\n      labels: {{ a: b }}\n"
    ));
    assert!(
        expected.iter().any(|l| l == "Alert/inc-1.found") && !actual.iter().any(|l| l == "Alert/inc-1.found")
    );
    // A field that no resource of the kind has is a difference, not silence.
    let (_, actual) = differs(&format!("{INCIDENT}{}", resources.replace("retryAfter", "retryafter")));
    assert!(!actual.iter().any(|l| l.contains("retryafter")), "{actual:?}");
}

#[test]
fn errors_are_expected_one_by_one() {
    let wrong = "incident: { name: inc-1, with: { machines: 1 } }\n";
    let both = "expect: { errors: [\"lacks `ticket`\", \"`machines` must be a list\"] }\n";
    assert_eq!(run(&format!("{wrong}{both}")), CaseOutcome::Passed);
    differs(&format!("{wrong}expect: {{ errors: [\"lacks `ticket`\"] }}\n"));
    differs(&format!("{wrong}expect: {{ errors: [\"lacks `ticket`\", must, something else] }}\n"));
    let (_, actual) = differs(&format!("{INCIDENT}{both}"));
    assert_eq!(actual, ["no error, 2 resources"]);
    let (_, actual) = differs(&format!("{wrong}expect: {{ resources: [] }}\n"));
    assert_eq!(actual.len(), 2);
}

#[test]
fn cases_that_cannot_be_read() {
    for (case, message) in [
        ("", "the file is empty"),
        ("incident: {}\n---\nexpect: {}\n", "a case is one document"),
        ("incident: { name: inc-1 }\n", "this case lacks `expect`"),
        ("incident: { name: Inc }\nexpect: { resources: [] }\n", "`Inc` is no name"),
        ("incident: { name: a }\nexpect: { resource: [] }\n", "unknown field `resource`"),
        (
            "incident: { name: a }\nexpect: { resources: [], errors: [x] }\n",
            "`expect` holds more than 1 fields",
        ),
        (
            "runbook: other\nincident: { name: a }\nexpect: { resources: [] }\n",
            "which runbook? Its file holds triage",
        ),
        (
            "incident: { name: a, with: { ticket: ${{ x }} } }\n",
            "an expression inside brackets or braces must be quoted",
        ),
    ] {
        let CaseOutcome::Broken(problems) = run(case) else { panic!("{case}: {:?}", run(case)) };
        assert!(problems.iter().any(|p| p.message == message), "{case}: {problems:?}");
    }
}

fn runs(files: &[(&str, &str)]) -> Vec<casefile::manifest::CaseRun> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut project = Project::new("test");
    project.spec.manifests = vec!["r".into()];
    run_cases(dir.path(), &project, &|_, _| true, &|_| false).unwrap()
}

#[test]
fn a_runbook_that_cannot_be_read_is_no_success() {
    let unread = |text: &str, names: &[&str], code: &str| {
        for cases in [&[][..], &[("r/triage/cases/a.yaml", INCIDENT)]] {
            let files: Vec<_> = [("r/triage.yaml", text)].into_iter().chain(cases.iter().copied()).collect();
            let runs = runs(&files);
            let [run] = runs.as_slice() else { panic!("{text}: {runs:?}") };
            assert_eq!(run.runbooks, names, "{text}");
            assert!(run.problems.iter().any(|p| p.code == code && p.line > 0), "{text}: {run:?}");
            assert_eq!((run.cases.len(), run.skipped.len()), (0, cases.len()));
        }
    };
    unread(&RUNBOOK.replace("spec:\n", "spec: [\n"), &[], "unclosed-bracket");
    unread(&RUNBOOK.replacen("resources:", "resource:", 1), &["triage"], "unknown-field");
    unread(&RUNBOOK.replace("| slug", "| slugg"), &["triage"], "unknown-filter");
    unread(&RUNBOOK.replace("name: triage", "name: Triage!"), &["Triage!"], "bad-name");
    unread("kind: Runbook", &[], "missing-field");
    // Cases stand beside it, so it should be one, whatever it has become.
    let runs = runs(&[("r/triage.yaml", "\t- x: {"), ("r/triage/cases/a.yaml", INCIDENT)]);
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0].skipped.len(), 1);
}

#[test]
fn a_runbook_without_cases_is_told_and_others_are_not() {
    let runs = runs(&[
        ("r/triage.yaml", RUNBOOK),
        (
            "r/notes.yaml",
            "# no Runbook\napiVersion: casefile/v1\nkind: Incident\nmetadata: { name: i }\nspec: { runbook: triage }\n",
        ),
    ]);
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    assert_eq!((&*run.file, run.problems.len(), run.cases.len()), ("r/triage.yaml", 0, 0));
}
