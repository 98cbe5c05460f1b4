//! Plan files: written by `plan --out`, taken by `apply`.

use std::path::{Path, PathBuf};

use super::args::{ApplyArgs, ShowArgs};
use super::context::Context;
use super::engine;
use super::exit::{Code, Error};
use super::meant::did_you_mean;
use super::output;
use super::project;
use crate::files::{self, Links};
use crate::manifest::nearest;
use crate::model::Advice;
use crate::plan::saved::PlanExecution;
use crate::plan::{self, Plan, SavedError, SavedPlan};
use crate::render::plan_json::PlanDocument;
use crate::render::ways_out::shell;
use crate::render::{self, age, escape};
use crate::state::State;

/// Larger files are refused; 50,000 rows are a third of it.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Whether a path names a plan: manifests never end so.
pub fn is_plan_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "json")
}

/// The plan file among `apply`'s paths.
pub fn typed(args: &ApplyArgs) -> Result<Option<&PathBuf>, Error> {
    let p = &args.planning;
    let Some(file) = p.paths.iter().find(|f| is_plan_file(f)) else { return Ok(None) };
    let narrowed = p.paths.len() > 1 || p.selector.is_some() || p.since.is_some() || !p.replace.is_empty();
    if narrowed || p.no_refresh || p.fresh || p.skip_unresolved || args.sealed {
        return Err(Error::Usage(format!(
            "{} is a saved plan: it is carried out as it is, so no other path and none of --selector, \
             --since, --replace, --no-refresh, --fresh, --skip-unresolved and --sealed can stand beside it",
            file.display()
        )));
    }
    Ok(Some(file))
}

/// Writes a plan, readable by its owner alone: whole or not at all.
pub fn write(ctx: &Context, file: &Path, plan: &Plan, execution: PlanExecution) -> Result<(), Error> {
    let text = PlanDocument::to_apply(plan, execution).to_file().map_err(|e| Error::Stdout(e.into()))?;
    let path = output::write_whole(ctx, file, &text)?;
    let apply = format!("casefile apply {}", shell(&file.to_string_lossy()));
    ctx.note(&format!("Saved to {}. To carry it out: {apply}", path.display()));
    Ok(())
}

/// Shows a plan as `plan` showed it when it was made. Reads nothing but the file.
pub fn show(ctx: &Context, args: &ShowArgs) -> Result<Code, Error> {
    let SavedPlan { plan, .. } = read_to(ctx, &args.file, "show")?;
    let (style, now) = (project::style_out(ctx), ctx.now());
    let made = format!("Made {}, {}.\n\n", age::ago(now, plan.created_at), age::clock(now, plan.created_at));
    let words = [args.file.display().to_string()];
    let next = render::plan::next_step(&plan, ctx.typed_dir.as_deref(), &words, style);
    ctx.out(&(made + &render::plan::plan(&plan, style, now) + &next))?;
    Ok(Code::Done)
}

/// Reads a plan that is to be applied.
pub fn read(ctx: &Context, file: &Path) -> Result<SavedPlan, Error> {
    read_to(ctx, file, "apply")
}

/// Reads a plan. `what` is what is to be done with it.
fn read_to(ctx: &Context, file: &Path, what: &'static str) -> Result<SavedPlan, Error> {
    let bytes = files::read(&ctx.path(&ctx.typed(file)), Links::Followed, MAX_BYTES).map_err(|e| {
        let is_absent = e.is_not_found();
        let error = Error::Io { what: "read", path: file.to_owned(), source: e.into() };
        if is_absent { no_such_plan(ctx, file, &error) } else { error }
    })?;
    SavedPlan::read(&bytes).map_err(|e| Error::BadPlan {
        what,
        path: file.to_owned(),
        next: match e {
            SavedError::Newer { .. } => Advice::say("use a newer casefile"),
            _ => Advice::run("casefile plan --out plan.json"),
        },
        why: escape::one_line(&e.to_string()).into_owned(),
    })
}

/// How many entries of a folder are looked at for a plan that was meant.
const ENTRIES: usize = 1_000;

/// The error of a plan file that does not exist: a plan beside it may have nearly its name, or none was saved yet.
pub fn no_such_plan(ctx: &Context, file: &Path, error: &Error) -> Error {
    let path = ctx.path(&ctx.typed(file));
    let folder = files::folder_of(&path);
    let entries = folder.read_dir().into_iter().flatten().take(ENTRIES).flatten();
    let beside: Vec<String> = entries
        .map(|entry| entry.file_name())
        .filter(|name| is_plan_file(Path::new(name)))
        .filter_map(|name| Some(file.with_file_name(name).to_str()?.to_owned()))
        .collect();
    let typed = file.to_string_lossy();
    let next = match nearest(&typed, beside.iter().map(String::as_str)) {
        Some(meant) => Advice::run(format!("casefile show {}", shell(meant))),
        None => {
            Advice::then("a plan is saved by plan --out", format!("casefile plan --out {}", shell(&typed)))
        }
    };
    let meant = did_you_mean(&typed, beside.iter().map(String::as_str));
    Error::NothingSelected { message: format!("{error}{meant}"), next }
}

/// `--expect` beside a plan file.
pub fn expected(ctx: &Context, args: &ApplyArgs, saved: &SavedPlan) -> Result<(), Error> {
    match args.expect {
        Some(expected) if expected != saved.plan.digest => {
            let rows = plan::differing(&saved.plan, expected, &[], &State::default());
            let other = Error::OtherDigest { expected, rows: engine::differing(&rows) };
            Err(engine::named(ctx, other, |text| engine::by_names(text, &saved.plan)))
        }
        _ => Ok(()),
    }
}
