//! The cases of a project's runbooks: found, selected and run.

use std::path::Path;

use super::Reading;
use crate::manifest::diagnostic::{Diagnostic, Level};
use crate::manifest::discover::{self, Bounds};
use crate::manifest::documents::{may_hold_runbook, runbooks_in};
use crate::manifest::kinds::CaseIncident;
use crate::manifest::project::Project;
use crate::manifest::runbook::{CaseOutcome, Runbook, read_case, run_case};

/// The outcome of the cases of one runbook's file.
#[derive(Clone, Debug)]
pub struct CaseRun {
    /// The runbook's file, relative to the project folder, with `/`.
    pub file: String,
    /// The names of its runbooks, as far as they can be read.
    pub runbooks: Vec<String>,
    /// The errors of the file, of what it declares and of the folder of its cases. With one no case is run.
    pub problems: Vec<Diagnostic>,
    /// Its cases, by file.
    pub cases: Vec<(String, CaseOutcome)>,
    /// The files of the cases that were not run because of the problems.
    pub skipped: Vec<String>,
}

/// Returns the incident of one of a runbook's cases, and the case's file: that which expects the most resources. None if
/// the runbook has no case that expects any.
pub fn case_incident(project_dir: &Path, project: &Project, runbook: &str) -> Option<(String, CaseIncident)> {
    let bounds = Bounds::of(project_dir);
    let mut best: Option<(usize, String, CaseIncident)> = None;
    for file in discover::find(project_dir, project).manifests {
        let Ok(bytes) = discover::read(&file.path, &file.name) else { continue };
        let names = runbooks_in(&bytes);
        if !names.iter().any(|name| name == runbook) {
            continue;
        }
        for found in discover::cases(&file, &bounds).0 {
            let read = discover::read(&found.path, &found.name).ok().and_then(|bytes| read_case(&bytes));
            let Some(case) = read else { continue };
            let is_meant = case.runbook.as_deref().map_or(names.len() == 1, |name| name == runbook);
            let expected = case.expect.resources.as_ref().map_or(0, Vec::len);
            if is_meant && expected > best.as_ref().map_or(0, |(most, ..)| *most) {
                best = Some((expected, found.name, case.incident));
            }
        }
    }
    best.map(|(_, file, incident)| (file, incident))
}

/// Runs cases of the runbooks of a project: all cases of the files that `runbook` selects, by file and names of the
/// runbooks in it, and of the others those whose own file `case` selects.
///
/// A file that cannot be read as YAML has no names.
///
/// # Errors
/// What is wrong with the files and folders themselves. What is wrong with a runbook stands in its [`CaseRun`].
pub fn run_cases(
    project_dir: &Path,
    project: &Project,
    runbook: &dyn Fn(&str, &[&str]) -> bool,
    case: &dyn Fn(&str) -> bool,
) -> Result<Vec<CaseRun>, Vec<Diagnostic>> {
    let bounds = Bounds::of(project_dir);
    let discover::Search { manifests: files, mut problems, .. } = discover::find(project_dir, project);
    problems.retain(|d| d.severity == Level::Error);
    let mut runs = Vec::new();
    for file in files {
        let bytes = match discover::read(&file.path, &file.name) {
            Ok(bytes) => bytes,
            Err(problem) => {
                problems.push(*problem);
                continue;
            }
        };
        let (mut found, mut wrong) = discover::cases(&file, &bounds);
        if found.is_empty() && wrong.is_empty() && !may_hold_runbook(&bytes) {
            continue;
        }
        let mut names = runbooks_in(&bytes);
        let mut reading = Reading::default();
        reading.file(&file.name, bytes);
        wrong.extend(reading.diagnostics.into_iter().filter(|d| d.severity == Level::Error));
        names.extend(reading.runbook_names.into_keys());
        names.sort_unstable();
        names.dedup();
        // A sound file that holds none only mentions them.
        if names.is_empty() && wrong.is_empty() {
            continue;
        }
        let all = runbook(&file.name, &names.iter().map(String::as_str).collect::<Vec<_>>());
        if !all {
            found.retain(|found| case(&found.name));
            if found.is_empty() {
                continue;
            }
        }
        let mut run = CaseRun {
            file: file.name,
            runbooks: names,
            problems: wrong,
            cases: Vec::new(),
            skipped: Vec::new(),
        };
        if run.problems.is_empty() {
            let runbooks: Vec<Runbook> = reading.runbooks.into_iter().flatten().collect();
            let outcome = |bytes: Result<Vec<u8>, Box<Diagnostic>>, name: &str| match bytes {
                Err(problem) => CaseOutcome::Broken(vec![*problem]),
                Ok(bytes) => run_case(name, &bytes, &runbooks),
            };
            let outcomes = found.into_iter().map(|found| {
                let outcome = outcome(discover::read(&found.path, &found.name), &found.name);
                (found.name, outcome)
            });
            run.cases = outcomes.collect();
        } else {
            run.skipped = found.into_iter().map(|found| found.name).collect();
        }
        runs.push(run);
    }
    if problems.is_empty() { Ok(runs) } else { Err(problems) }
}
