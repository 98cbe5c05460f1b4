//! `import`: takes over what is at the service already. Nothing is sent.

use super::args::{Format, ImportArgs};
use super::cancel::scope_of;
use super::context::{Context, runtime};
use super::engine;
use super::exit::{Code, Error};
use super::locked_run::LockedRun;
use super::patience::{READING, waiting};
use super::project;
use crate::model::{Advice, Kind};
use crate::plan::names::Named;
use crate::render::surgery;

/// One object by its id, or what matches the manifests of a lost state.
pub fn run(ctx: &Context, args: &ImportArgs) -> Result<Code, Error> {
    ctx.detach()?;
    // Where there is no project nothing else is worth saying.
    let project = project::load(ctx)?;
    if args.discover && !ctx.interactive && !args.auto_approve {
        return Err(Error::Unapproved {
            next: Advice::then("take them over without a question, by --auto-approve", "casefile plan"),
        });
    }
    let loaded = project::manifests(ctx, &project)?;
    // The id of an action is a GUID, and that of an alert is none.
    let is_action = args.id.as_ref().is_some_and(|id| uuid::Uuid::try_parse(id).is_ok());
    let kind = if is_action { Kind::InvestigationPackage } else { Kind::Alert };
    let meant = |typed: &Named| match typed {
        Named::Address(address) => Ok(address.clone()),
        Named::Bare(_) => engine::declared_as("", typed, Some(kind), &loaded),
    };
    let address = args.address.as_ref().map(meant).transpose()?;
    let scope = scope_of(ctx, &project, loaded);
    let (locking, format) = (args.locking, Format::Human);
    let mut alone =
        LockedRun { ctx, project, locking, format, command: "casefile import", through_outages: false };
    runtime()?.block_on(alone.with(scope, async |run, _, _| {
        let style = project::style_out(ctx);
        if let (Some(address), Some(id)) = (&address, &args.id) {
            let reading = waiting(ctx, READING);
            let imported = run.import(address, id).await.map_err(engine::surgery_error);
            drop(reading);
            let names = |text: &str| surgery::in_words(text, run.state());
            let (address, object) = imported.map_err(|e| engine::named(ctx, e, names))?;
            ctx.out(&surgery::imported(&address, &object, style))?;
            return Ok(Code::Done);
        }
        let reading = waiting(ctx, READING);
        let discovered = run.discover().await.map_err(engine::surgery_error)?;
        drop(reading);
        ctx.out(&surgery::discovered(&discovered, style, ctx.now()))?;
        if !discovered.matches.is_empty() {
            if !args.auto_approve {
                engine::ask("Record these?", run.stopping()).await?;
            }
            run.take_over(&discovered).await.map_err(engine::surgery_error)?;
            ctx.out(&surgery::taken_over(&discovered, style))?;
        }
        // What is left would be asked for a second time by the next apply.
        Ok(if discovered.ambiguous.is_empty() { Code::Done } else { Code::Failed })
    }))
}
