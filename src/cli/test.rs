//! `test`: the cases of runbooks.

use std::path::Path;

use super::args::TestArgs;
use super::context::{Context, complain};
use super::exit::{Code, Error};
use super::project::{self, Narrow};
use crate::manifest::{CaseOutcome, run_cases};
use crate::render::cases;
use crate::render::diagnostic::{Looked, human};

/// Runs the cases and shows a line for each; exits 1 if one does not give what it expects.
pub fn run(ctx: &Context, args: &TestArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let paths: Vec<_> =
        args.runbooks.iter().filter(|r| ctx.path(Path::new(r)).exists()).map(Into::into).collect();
    let narrow = Narrow::new(ctx, &paths)?;
    let all = args.runbooks.is_empty();
    let wanted = |file: &str, names: &[&str]| {
        all || (!paths.is_empty() && narrow.covers(file))
            || names.iter().any(|name| args.runbooks.iter().any(|r| r == name))
    };
    let runs = run_cases(&ctx.dir, &project, &wanted).map_err(|problems| {
        complain(&human(&problems, Looked { files: 0, resources: 0 }, project::style_err(ctx)));
        Error::InvalidManifests(problems.len())
    })?;
    let known = |r: &str| {
        ctx.path(Path::new(r)).exists() || runs.iter().any(|run| run.runbooks.iter().any(|name| name == r))
    };
    if let Some(unknown) = args.runbooks.iter().find(|r| !known(r)) {
        return Err(Error::Usage(format!("no runbook and no file is named {unknown}")));
    }
    ctx.out(&cases::cases(&runs, project::style_out(ctx)))?;
    let failed =
        runs.iter().flat_map(|r| &r.cases).any(|(_, outcome)| !matches!(outcome, CaseOutcome::Passed));
    Ok(if failed { Code::Failed } else { Code::Done })
}
