//! `test`: the cases of runbooks.

use std::path::Path;

use super::args::TestArgs;
use super::context::{Context, complain};
use super::exit::{Code, Error};
use super::meant::did_you_mean;
use super::project;
use crate::manifest::{self, CaseOutcome, CaseRun, Project, run_cases};
use crate::render::cases;
use crate::render::diagnostic::{Looked, human};
use crate::session::Paths;

/// The choice that was typed: a file or folder, or the name of a runbook.
enum Choice<'a> {
    Path(&'a str, Paths),
    Name(&'a str),
}

impl Choice<'_> {
    fn new<'a>(ctx: &Context, project: &Project, typed: &'a str) -> Result<Choice<'a>, Error> {
        match ctx.path(&ctx.typed(Path::new(typed))).exists() {
            true => Ok(Choice::Path(typed, project::paths(ctx, project, &[typed.into()], "test")?)),
            false => Ok(Choice::Name(typed)),
        }
    }

    fn covers(&self, file: &str) -> bool {
        matches!(self, Choice::Path(_, paths) if paths.covers(file))
    }

    fn names(&self, runbook: &str) -> bool {
        matches!(self, Choice::Name(name) if *name == runbook)
    }

    /// Returns whether it selects something of what was found.
    fn selects(&self, run: &CaseRun) -> bool {
        self.covers(&run.file)
            || run.runbooks.iter().any(|name| self.names(name))
            || run.cases.iter().map(|(case, _)| case).chain(&run.skipped).any(|case| self.covers(case))
    }
}

/// Runs the cases and shows a line for each; exits 1 if one does not give what it expects, if a runbook cannot be
/// read, or if a runbook that was named has none.
pub fn run(ctx: &Context, args: &TestArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let choices =
        args.runbooks.iter().map(|typed| Choice::new(ctx, &project, typed)).collect::<Result<Vec<_>, _>>()?;
    let by_name = choices.iter().any(|choice| matches!(choice, Choice::Name(_)));
    let runbook = |file: &str, names: &[&str]| {
        choices.is_empty()
            || choices.iter().any(|choice| choice.covers(file) || names.iter().any(|name| choice.names(name)))
            // It may declare the one that was named.
            || (names.is_empty() && by_name)
    };
    let case = |file: &str| choices.iter().any(|choice| choice.covers(file));
    let mut runs = run_cases(&ctx.dir, &project, &runbook, &case).map_err(|problems| {
        complain(&human(&problems, Looked { files: 0, resources: 0 }, project::style_err(ctx)));
        Error::InvalidManifests(problems.len())
    })?;
    let mut missing = choices.iter().filter(|choice| !runs.iter().any(|run| choice.selects(run)));
    match missing.next() {
        Some(Choice::Path(typed, _)) => {
            return Err(Error::Usage(format!(
                "{typed} holds no runbook of this project, and no case of one"
            )));
        }
        Some(Choice::Name(typed)) if !runs.iter().any(|run| run.runbooks.is_empty()) => {
            let known = manifest::runbook_parameters(&ctx.dir, &project);
            let meant = did_you_mean(typed, known.keys().map(String::as_str));
            return Err(Error::Usage(format!("no runbook and no file is named {typed}{meant}")));
        }
        Some(Choice::Name(_)) => {}
        // All that was named is known, so the files without names are others.
        None => runs.retain(|run| choices.is_empty() || choices.iter().any(|choice| choice.selects(run))),
    }
    ctx.out(&cases::cases(&runs, project::style_out(ctx)))?;
    let failed = runs.iter().any(|run| {
        !run.problems.is_empty() || run.cases.iter().any(|(_, outcome)| *outcome != CaseOutcome::Passed)
    });
    if failed {
        return Ok(Code::Failed);
    }
    match runs.into_iter().find(|run| run.cases.is_empty()) {
        Some(run) if !choices.is_empty() => Err(Error::NoCases { runbook: run.file }),
        _ => Ok(Code::Done),
    }
}
