//! `plan`: what would be called, and why.

use super::args::{PlanArgs, PlanFormat};
use super::connect::{connect, offline};
use super::context::{Context, reading_runtime};
use super::engine;
use super::exit::{Code, Error};
use super::output;
use super::patience::{READING, waiting};
use super::project;
use super::saved;
use super::store::{self, ReadState};
use crate::engine::preview;
use crate::plan::saved::PlanExecution;
use crate::plan::{Action, Plan};
use crate::render::plan as human;
use crate::render::plan_json::PlanDocument;
use crate::render::plan_markdown::plan_markdown;

/// Plans and shows the plan. Writes nothing, takes no lock.
pub fn run(ctx: &Context, args: &PlanArgs) -> Result<Code, Error> {
    if args.out.as_ref().is_some_and(|f| !saved::is_plan_file(f)) {
        return Err(Error::Usage("--out: the name of a plan ends in .json".to_owned()));
    }
    let project = project::load(ctx)?;
    if let Some(file) = &args.out {
        output::refuse_kept(ctx, &project, "--out", file, "a plan")?;
    }
    let (mut scope, read) =
        project::beside_state(ctx, &project, || engine::scope(ctx, &project, &args.planning))?;
    scope.forecast = true;
    let ReadState { mut state, source } = read;
    let spent = |since| source.spent(since);
    let world = store::world(ctx, &project)?;
    let clock = engine::clock(ctx);
    let head = state.lineage.as_ref().map(|_| state.head);
    let (mut plan, binding, destination) = if scope.refresh {
        reading_runtime()?.block_on(async {
            // A world that no run has kept yet is not begun by a plan.
            let keep = world.exists().then_some(world.as_path());
            let connection = connect(ctx, &project, &clock, keep).await?;
            let reading = waiting(ctx, READING);
            let plan = preview(
                Some(&connection.client),
                &clock,
                &mut scope,
                &connection.binding,
                &mut state,
                &spent,
            )
            .await;
            drop(reading);
            let (binding, destination) = (connection.binding.clone(), connection.destination.clone());
            connection.close().await;
            Ok::<_, Error>((plan.map_err(engine::run_error)?, binding, destination))
        })?
    } else {
        let (binding, destination) = offline(ctx, &project)?;
        let plan = preview(None, &clock, &mut scope, &binding, &mut state, &spent);
        (futures::executor::block_on(plan).map_err(engine::run_error)?, binding, destination)
    };
    plan.destination = Some(destination);
    engine::refuse_blind(&plan, ctx.verbose)?;
    let complete = engine::refuse_unread(&plan);
    if let (Some(file), Ok(())) = (&args.out, &complete) {
        let execution =
            PlanExecution { binding, new_state: head.is_none(), fresh: args.planning.fresh, head };
        saved::write(ctx, file, &plan, execution)?;
    }
    show(ctx, &plan, args)?;
    complete?;
    let code = code(&plan, args);
    Ok(code)
}

fn show(ctx: &Context, plan: &Plan, args: &PlanArgs) -> Result<(), Error> {
    match args.format {
        PlanFormat::Human => {
            let style = project::style_out(ctx);
            let dir = ctx.typed_dir.as_deref();
            let words = match &args.out {
                Some(file) => vec![file.display().to_string()],
                None => args.planning.selection(),
            };
            ctx.out(&(human::plan(plan, style, ctx.now()) + &human::next_step(plan, dir, &words, style)))
        }
        PlanFormat::Json => {
            ctx.document(&PlanDocument::from(plan).to_text().map_err(|e| Error::Stdout(e.into()))?)
        }
        PlanFormat::Markdown => {
            ctx.out(&plan_markdown(plan, &args.planning.selection(), ctx.verbose, ctx.now()))
        }
    }
}

fn code(plan: &Plan, args: &PlanArgs) -> Code {
    let any = |wanted: &[Action]| plan.changes.iter().any(|c| wanted.contains(&c.action));
    if plan.skips_unresolved()
        || any(&[Action::Unresolved])
        || args.planning.strict && any(&[Action::Exhausted, Action::Differs])
    {
        Code::Failed
    } else if args.detailed_exitcode && plan.changes.iter().any(|c| c.action.is_change()) {
        Code::Changes
    } else {
        Code::Done
    }
}
