//! `cancel`: a plan of one row, asked for by a person.

use std::collections::BTreeSet;

use super::apply;
use super::args::{CancelArgs, Format};
use super::context::{Context, runtime};
use super::engine;
use super::exit::{Code, Error};
use super::locked_run::LockedRun;
use super::project;
use crate::engine::{Lookups, Scope};
use crate::manifest::{Loaded, Project};
use crate::plan::Plan;

/// Cancels. Without a terminal and without an approval nothing is even looked at.
pub fn run(ctx: &Context, args: &CancelArgs) -> Result<Code, Error> {
    ctx.detach()?;
    if !ctx.interactive && !args.auto_approve {
        return Err(Error::Unapproved { next: "casefile cancel --auto-approve" });
    }
    let project = project::load(ctx)?;
    if let Some(rule) = project.spec.require_comment.as_ref().filter(|rule| !rule.allows_text(&args.comment))
    {
        let rule = rule.pattern();
        return Err(Error::Usage(format!(
            "--comment: the text does not match the project's requireComment: {rule}"
        )));
    }
    let scope = scope(ctx, &project)?;
    let (locking, format) = (args.locking, Format::Human);
    let mut alone = LockedRun { ctx, project, locking, format, command: "casefile cancel" };
    runtime()?.block_on(alone.with(scope, async |run, display, destination| {
        let plan = run.plan_cancel(&args.address, &args.comment).await.map_err(engine::surgery_error)?;
        let plan = Plan { destination: Some(destination.clone()), ..plan };
        display.plan(ctx, &plan, None, !args.auto_approve)?;
        if !args.auto_approve {
            engine::ask("Send this call?", run.stopping()).await?;
        }
        match run.cancel(&plan).await {
            Ok(report) => {
                run.close(&report).await.map_err(project::store_error)?;
                Ok(apply::code(&report))
            }
            Err(e) => Err(apply::end_early(run, e).await),
        }
    }))
}

/// The whole project: what a refresh shows of other resources is judged by what they declare.
pub(super) fn scope(ctx: &Context, project: &Project) -> Result<Scope, Error> {
    let Loaded { resources: desired, templates, .. } = project::manifests(ctx, project)?;
    Ok(Scope {
        desired,
        selected: None,
        replace: BTreeSet::new(),
        settings: engine::settings(ctx, project, false),
        refresh: true,
        forecast: false,
        lookups: Lookups::new(templates),
    })
}
