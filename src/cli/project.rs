//! What several commands do first: read the project, narrow it to what was typed, find its state.

use std::path::{Component, Path, PathBuf};

use super::context::{Context, complain};
use super::exit::Error;
use super::nearby::Nearby;
use super::selected;
use super::store::{self, Check, ReadState};
use crate::files::{self, FileError};
use crate::manifest::{self, Diagnostic, Level, Project};
use crate::model::Advice;
use crate::plan::Incidents;
use crate::platform;
use crate::render::diagnostic::{Looked, human};
use crate::render::{Style, diagnostic};
use crate::seal::Seals;
use crate::session::{self, Paths, SealsAtNeed};
use crate::state::snapshot::SnapshotError;
use crate::state::{Damage, Loaded, Notice, StoreError};

/// Reads `casefile.yaml`; shows on stderr what is wrong with it.
pub fn load(ctx: &Context) -> Result<Project, Error> {
    read(ctx)?.map_err(|problems| refused(ctx, &problems))
}

/// Shows on stderr what is wrong with a `casefile.yaml`.
pub fn refused(ctx: &Context, problems: &[Diagnostic]) -> Error {
    complain(&human(problems, Looked { files: 1, resources: 0 }, style_err(ctx)));
    Error::InvalidManifests(errors(problems))
}

/// Reads `casefile.yaml`; what is wrong with it is for the caller to show.
pub fn read(ctx: &Context) -> Result<Result<Project, Vec<Diagnostic>>, Error> {
    let is_file = || ctx.dir.metadata().is_ok_and(|meta| meta.is_file());
    match manifest::load_project(&ctx.dir) {
        Err(problems) if problems.iter().any(|d| d.code == "no-project") || is_file() => {
            Err(Error::NoProject { dir: ctx.dir.clone(), near: Nearby::look(&ctx.dir) })
        }
        read => Ok(read),
    }
}

/// Reads all manifests; shows on stderr what is wrong with them, warnings too.
pub fn manifests(ctx: &Context, project: &Project) -> Result<manifest::Loaded, Error> {
    Ok(declared(ctx, project)?.0)
}

/// As [`manifests`], with what is known of incidents besides.
pub fn declared(ctx: &Context, project: &Project) -> Result<(manifest::Loaded, Incidents), Error> {
    let (loaded, incidents) = session::declared(&ctx.dir, project);
    Ok((told(ctx, loaded)?, incidents))
}

/// As [`declared`], to be sealed: a seal that was edited by hand is no obstacle, it is written anew.
pub fn to_seal(
    ctx: &Context,
    project: &Project,
    anew: &dyn Fn(&str) -> bool,
) -> Result<(manifest::Loaded, Incidents), Error> {
    let (loaded, incidents) = SealsAtNeed::new(&ctx.dir, project).load(anew);
    Ok((told(ctx, loaded)?, incidents))
}

/// Shows what is wrong on stderr; an error if something forbids to go on.
fn told(ctx: &Context, loaded: manifest::Loaded) -> Result<manifest::Loaded, Error> {
    if !loaded.diagnostics.is_empty() {
        let looked = Looked { files: loaded.files, resources: loaded.declared() };
        complain(&diagnostic::human(&loaded.diagnostics, looked, style_err(ctx)));
    }
    if loaded.has_errors() { Err(Error::InvalidManifests(errors(&loaded.diagnostics))) } else { Ok(loaded) }
}

/// Reads the seals beside the manifests; shows on stderr which of them cannot be read.
pub fn seals(ctx: &Context, project: &Project) -> Result<Seals, Error> {
    manifest::find_seals(&ctx.dir, project).map(Seals::new).map_err(|problems| {
        let looked = Looked { files: problems.len(), resources: 0 };
        complain(&human(&problems, looked, style_err(ctx)));
        Error::InvalidManifests(problems.len())
    })
}

/// How results are written for people.
pub fn style_out(ctx: &Context) -> Style {
    Style { width: ctx.width, color: ctx.color_out, verbose: ctx.verbose }
}

/// How everything else is written for people.
pub fn style_err(ctx: &Context) -> Style {
    Style { width: ctx.width_err, color: ctx.color_err, verbose: ctx.verbose }
}

/// How many of them are errors.
pub fn errors(problems: &[Diagnostic]) -> usize {
    problems.iter().filter(|d| d.severity == Level::Error).count()
}

/// Returns the files and folders that were typed, which have to be in the project folder. `command` is the safe one that
/// is told with what was meant, where there is no such file.
pub fn paths(ctx: &Context, project: &Project, typed: &[PathBuf], command: &str) -> Result<Paths, Error> {
    let names = typed.iter().map(|path| {
        let name = ctx.typed(path);
        ctx.path(&name).metadata().map_err(|e| selected::no_such_path(ctx, project, path, e, command))?;
        inside(&ctx.dir, &name)
            .ok_or_else(|| Error::Usage(format!("{} is outside of the project folder", path.display())))
    });
    Ok(Paths(names.collect::<Result<_, _>>()?))
}

/// A typed path relative to the project folder, with `/`; none if it leads out of it.
pub fn inside(dir: &Path, typed: &Path) -> Option<String> {
    let relative = if typed.is_absolute() {
        let root = platform::real_path(dir).ok()?;
        // The name as typed counts where it can: a link inside the project is a place of its own.
        typed
            .strip_prefix(&root)
            .map(Path::to_owned)
            .ok()
            .or_else(|| Some(platform::real_path(typed).ok()?.strip_prefix(&root).ok()?.to_owned()))?
    } else {
        typed.to_owned()
    };
    let mut parts: Vec<String> = Vec::new();
    for part in relative.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// Checks that what is written to a typed path of the project lands in the project, whatever links a repository holds.
/// A path that leads elsewhere by its own words is what the person meant.
pub fn stays_inside(ctx: &Context, typed: &Path) -> Result<(), FileError> {
    match inside(&ctx.dir, typed) {
        Some(name) => files::stays_inside(&ctx.dir, &ctx.path(Path::new(&name))),
        None => Ok(()),
    }
}

/// Does something else while the state is read, which needs nothing of it: the journal's whole chain is checked, for
/// nothing is planned on a damaged one. What is wrong with the other is told first, as if it had been done first.
pub fn beside_state<T: Send>(
    ctx: &Context,
    project: &Project,
    other: impl FnOnce() -> Result<T, Error> + Copy + Send,
) -> Result<(T, ReadState), Error> {
    if let Err(e) = store::location(ctx, project) {
        other()?;
        return Err(e);
    }
    let whole = || store::read(ctx, project, Check::Whole);
    // The state is read here: it is large, and the memory of the first thread grows at the least cost.
    let (other, loaded) = std::thread::scope(|scope| {
        match std::thread::Builder::new().stack_size(crate::THREAD_STACK).spawn_scoped(scope, other) {
            Ok(other) => {
                let loaded = whole();
                (other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), loaded)
            }
            // The system gives no thread.
            Err(_) => (other(), whole()),
        }
    });
    Ok((other?, loaded?))
}

/// Says what was noticed while a state was read.
pub fn notices(folder: &Path, loaded: &Loaded) {
    for notice in &loaded.notices {
        if matches!(notice, Notice::SnapshotRebuilt { why: Some(SnapshotError::Edited) }) {
            tracing::warn!("{}: {}", folder.display(), self::notice(notice));
            continue;
        }
        tracing::info!("{}: {}", folder.display(), self::notice(notice));
    }
}

/// What was put right, in words.
pub fn notice(notice: &Notice) -> String {
    match notice {
        Notice::TornTailCut { bytes } => {
            format!("the last record was torn off while it was written; {bytes} bytes were cut")
        }
        Notice::TornTailIgnored { bytes } => {
            format!("the last record is torn ({bytes} bytes); the next apply cuts it")
        }
        Notice::Rescued { records } => {
            format!("{records} outcomes that an earlier run could not write into the journal were taken in")
        }
        Notice::RescueUnusable { lines } => {
            format!("{lines} lines of rescue.jsonl do not belong to this journal; they were left there")
        }
        Notice::NewlineRestored => "the last record lacked its line end".to_owned(),
        Notice::SnapshotRebuilt { why: None } => "the snapshot was rebuilt from the journal".to_owned(),
        Notice::SnapshotRebuilt { why: Some(why) } => {
            format!("the snapshot was rebuilt from the journal: {why}")
        }
        Notice::SnapshotBehind { records } => {
            format!("an earlier run ended before its snapshot; {records} records were read from the journal")
        }
    }
}

/// A store's error as an exit code, words and what to do.
pub fn store_error(e: StoreError) -> Error {
    store_words(&e)
}

/// The same of an error that others have, too.
pub fn store_words(e: &StoreError) -> Error {
    let (message, advice) = (e.to_string(), e.advice());
    let next = if advice.is_none() { Advice::run("casefile state list") } else { advice.clone() };
    match e {
        StoreError::Locked { holder } => Error::Locked(holder.as_ref().map_or_else(
            || "it does not say which".into(),
            |h| {
                let job = h.job.as_ref().map_or_else(String::new, |job| format!(", {job}"));
                format!("{}@{}, process {}, since {}: {}{job}", h.user, h.host, h.pid, h.since, h.command)
            },
        )),
        StoreError::OtherProject { state, project } => {
            Error::OtherProject { state: state.clone(), project: project.clone() }
        }
        StoreError::Unreachable { .. } | StoreError::Unfit { .. } | StoreError::Overtaken => {
            Error::Service { next: advice, message }
        }
        StoreError::Rewritten { .. }
        | StoreError::Vanished { .. }
        | StoreError::Damaged(Damage::Gap { .. } | Damage::SnapshotUnusable { .. }) => {
            Error::OtherState { message, next }
        }
        _ => Error::State { message, next },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_project() {
        let dir = Path::new("/project");
        for (typed, name) in [
            ("manifests", Some("manifests")),
            ("./manifests//a.yaml", Some("manifests/a.yaml")),
            ("manifests/../other", Some("other")),
            (".", Some("")),
            ("../elsewhere", None),
            ("a/../../elsewhere", None),
        ] {
            assert_eq!(inside(dir, Path::new(typed)).as_deref(), name, "{typed}");
        }
    }
}
