//! `cancel`: a plan of what still runs, asked for by a person.

use std::collections::BTreeSet;

use super::apply;
use super::args::{CancelArgs, Format};
use super::context::{Context, runtime};
use super::engine;
use super::exit::{Code, Error};
use super::locked_run::LockedRun;
use super::patience::{READING, waiting};
use super::project;
use crate::engine::surgery::{Cancellation, PlannedCancel};
use crate::engine::{Lookups, Scope};
use crate::manifest::{Loaded, Project};
use crate::model::Advice;
use crate::plan::Plan;
use crate::render::surgery;
use crate::render::ways_out::shell;

/// Cancels. Without a terminal and without an approval nothing is looked at but the project file.
pub fn run(ctx: &Context, args: &CancelArgs) -> Result<Code, Error> {
    ctx.detach()?;
    let selector = engine::selector(args.selector.as_deref())?;
    // Where there is no project nothing else is worth saying.
    let project = project::load(ctx)?;
    if !ctx.interactive && !args.auto_approve {
        return Err(Error::Unapproved {
            next: Advice::say(format!("say yes on the command line: {} --auto-approve", again(args))),
        });
    }
    if let Some(rule) = project.spec.require_comment.as_ref().filter(|rule| !rule.allows_text(&args.comment))
    {
        let rule = rule.pattern();
        return Err(Error::Usage(format!(
            "--comment: the text does not match the project's requireComment: {rule}"
        )));
    }
    let scope = scope(ctx, &project)?;
    let (locking, format) = (args.locking, Format::Human);
    let mut alone =
        LockedRun { ctx, project, locking, format, command: "casefile cancel", through_outages: false };
    runtime()?.block_on(alone.with(scope, async |run, display, destination| {
        let asked =
            Cancellation { names: &args.addresses, labels: selector.as_ref(), comment: &args.comment };
        if let Some(labels) = &selector {
            // Labels that nothing carries are a typing mistake, and not a cancellation of nothing.
            engine::chosen(run.state(), &[], Some(labels))?;
        }
        let reading = waiting(ctx, READING);
        let planned = run.plan_cancel(&asked).await.map_err(engine::surgery_error);
        drop(reading);
        let PlannedCancel { plan, over, held } = match planned {
            Ok(planned) => planned,
            Err(e) => {
                let e = engine::with_meant(e, run.state());
                return Err(engine::named(ctx, e, |text| surgery::in_words(text, run.state())));
            }
        };
        if plan.changes.is_empty() && over.is_empty() && held.is_empty() {
            return Err(Error::NothingSelected {
                message: "no collection is selected, so nothing is cancelled".to_owned(),
                next: Advice::run("casefile status"),
            });
        }
        ctx.out(&surgery::left_out(run.state(), &over, &held, project::style_out(ctx)))?;
        let held = if held.is_empty() { Code::Done } else { Code::Failed };
        if plan.changes.is_empty() {
            return Ok(held);
        }
        let plan = Plan { destination: Some(destination.clone()), ..plan };
        display.plan(ctx, &plan, None, !args.auto_approve)?;
        if !args.auto_approve {
            let question = match plan.changes.len() {
                1 => "Send this call?".to_owned(),
                n => format!("Send these {n} calls?"),
            };
            engine::ask(&question, run.stopping()).await?;
        }
        match run.cancel(&plan).await {
            Ok(report) => {
                run.close(&report).await.map_err(project::store_error)?;
                if !report.interrupted
                    && let Some(lines) = surgery::still_running(run.state(), &plan, &report)
                {
                    lines.lines().for_each(|line| ctx.note(line));
                }
                let code = apply::code(&report);
                Ok(if code == Code::Done { held } else { code })
            }
            Err(e) => Err(apply::end_early(run, e).await),
        }
    }))
}

/// The command as it was typed, for those who can run it as it is.
fn again(args: &CancelArgs) -> String {
    let mut words = vec!["casefile cancel".to_owned()];
    words.extend(args.addresses.iter().map(|name| shell(&name.to_string()).into_owned()));
    words.extend(args.selector.iter().map(|labels| format!("-l {}", shell(labels))));
    words.push(format!("--comment {}", shell(&args.comment)));
    words.join(" ")
}

/// The whole project: what a refresh shows of other resources is judged by what they declare.
fn scope(ctx: &Context, project: &Project) -> Result<Scope, Error> {
    Ok(scope_of(ctx, project, project::manifests(ctx, project)?))
}

/// The same of manifests that were read already.
pub(super) fn scope_of(ctx: &Context, project: &Project, loaded: Loaded) -> Scope {
    let Loaded { resources: desired, templates, .. } = loaded;
    Scope {
        desired,
        selected: None,
        replace: BTreeSet::new(),
        settings: engine::settings(ctx, project, false),
        refresh: true,
        forecast: false,
        lookups: Lookups::new(templates),
    }
}
