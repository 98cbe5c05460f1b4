//! Manifests where none is read: told by their place, and never passed over.

use std::path::Path;

use casefile::manifest::{CaseOutcome, Diagnostic, Project, load, run_cases};

use super::expansion::RUNBOOK;

const PACKAGE: &str = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: a }\nspec:\n  machineId: \
                       fb9ab6be3965095a09c057be7c90f0a2\n  comment: c\n";
const CASE: &str = "incident: { name: inc-1, labels: { kind: any }, with: { ticket: T, machines: [a] } }\nexpect: { \
                    errors: [x] }\n";

fn project(dir: &Path, files: &[(&str, &str)]) -> Project {
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut project = Project::new("test");
    project.spec.manifests = vec!["r".into()];
    project
}

fn told(problems: &[Diagnostic]) -> Vec<String> {
    problems.iter().map(|d| format!("{}:{}:{} {}", d.file, d.line, d.column, d.code)).collect()
}

#[test]
fn a_manifest_in_a_folder_of_cases_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let second = format!("# one more\n---\n{PACKAGE}");
    let project = project(
        dir.path(),
        &[
            ("r/cases/a.yaml", PACKAGE),
            ("r/cases/b.yml", &second),
            ("r/cases/deep/c.yaml", "apiVersion: casefile/v1\nmetadata: { name: c }\n"),
            ("r/cases/d.sealed.yaml", "apiVersion: casefile/v1\nkind: Seal\n"),
            ("r/cases/e.YAML", PACKAGE),
            ("r/cases/f.yaml", "kind: Alert\nspec: [\n"),
            ("r/cases/case.yaml", CASE),
        ],
    );
    // Without a runbook beside it the folder is one like any other.
    let loaded = load(dir.path(), &project);
    assert!(loaded.resources.len() == 1 && !told(&loaded.diagnostics).join(" ").contains("misplaced"));
    std::fs::write(dir.path().join("r/runbook.yaml"), RUNBOOK).unwrap();
    let loaded = load(dir.path(), &project);
    assert!(loaded.has_errors() && loaded.resources.is_empty());
    assert_eq!(
        told(&loaded.diagnostics),
        [
            "r/cases/a.yaml:2:7 misplaced-manifest",
            "r/cases/b.yml:4:7 misplaced-manifest",
            "r/cases/d.sealed.yaml:2:7 misplaced-manifest",
            "r/cases/deep/c.yaml:1:13 misplaced-manifest",
            "r/cases/e.YAML:1:1 bad-file-name",
            "r/cases/f.yaml:2:7 unclosed-bracket",
        ]
    );
    let help = loaded.diagnostics[0].help.as_deref().unwrap();
    assert!(help.contains("another folder") && help.contains("another name"), "{help}");
    // `casefile test` says the same of it.
    std::fs::remove_file(dir.path().join("r/cases/e.YAML")).unwrap();
    let runs = run_cases(dir.path(), &project, &|_, _| true, &|_| false).unwrap();
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    let Some((_, CaseOutcome::Broken(problems))) =
        run.cases.iter().find(|(name, _)| name == "r/cases/a.yaml")
    else {
        panic!("{run:?}")
    };
    assert_eq!(told(problems), ["r/cases/a.yaml:2:7 misplaced-manifest"]);
}

#[test]
fn a_manifest_that_is_named_like_a_seal_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let project = project(
        dir.path(),
        &[
            ("r/a.sealed.yaml", PACKAGE),
            ("r/b.sealed.yml", "apiVersion: casefile/v1\nkind: Seal\nresources: []\n"),
            ("r/c.sealed.yaml", "# Notes, no manifest: kind of.\n"),
        ],
    );
    let problems = load(dir.path(), &project).diagnostics;
    let problems: Vec<_> = problems.into_iter().filter(|d| d.code != "no-manifests").collect();
    assert_eq!(told(&problems), ["r/a.sealed.yaml:2:7 misplaced-manifest"]);
}
