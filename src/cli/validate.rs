//! `validate`: everything that is wrong, without the network.

use std::collections::BTreeSet;
use std::path::Path;

use super::args::{FindingsFormat, ValidateArgs};
use super::context::Context;
use super::exit::{Code, Error};
use super::project;
use super::since::Changes;
use super::store::{self, Check};
use crate::manifest::{self, Diagnostic, Loaded, Project, Unruly};
use crate::model::{Address, Desired, Template};
use crate::platform;
use crate::render::annotations;
use crate::render::diagnostic::{self, Looked};
use crate::seal::{self, Seals, manifest_name, sealed_name};
use crate::session::{Paths, SealsAtNeed};
use crate::state::Resource;

/// Shows the findings; exits 1 if one is an error.
pub fn run(ctx: &Context, args: &ValidateArgs) -> Result<Code, Error> {
    let (problems, looked) = match project::read(ctx)? {
        Ok(project) => {
            let since = |revision| Changes::since(ctx, revision, "validate --sealed");
            let changed = args.since.as_deref().map(since).transpose()?;
            let paths = project::paths(ctx, &project, &args.paths, "validate")?;
            check(ctx, project, &paths, args.sealed, changed.as_ref())
        }
        Err(problems) => (problems, Looked { files: 1, resources: 0 }),
    };
    let text = text(ctx, args.format, &problems, looked)?;
    match args.format {
        FindingsFormat::Human => ctx.out(&text)?,
        FindingsFormat::Json | FindingsFormat::Github | FindingsFormat::Sarif => ctx.document(&text)?,
    }
    Ok(if project::errors(&problems) > 0 { Code::Failed } else { Code::Done })
}

/// `changed` tells what has changed since the revision that seals are compared with.
fn check(
    ctx: &Context,
    mut project: Project,
    paths: &Paths,
    sealed: bool,
    changed: Option<&Changes<'_>>,
) -> (Vec<Diagnostic>, Looked) {
    // A file that `spec.manifests` does not hold would otherwise pass unread.
    project.spec.manifests.extend(paths.0.iter().filter(|n| !n.is_empty()).cloned());
    let mut found = SealsAtNeed::new(&ctx.dir, &project);
    let (mut loaded, incidents) = found.load(&|_| false);
    let unruly = std::mem::take(&mut loaded.unruly);
    let unsent = unsent(ctx, &project, unruly, &loaded);
    if !unsent.is_empty() {
        loaded.diagnostics.extend(unsent);
        loaded.diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    }
    // With an error in a manifest there is nothing to compare its seal with.
    if sealed && !loaded.has_errors() {
        loaded.diagnostics.extend(match manifest::find_seals(&ctx.dir, &project) {
            Ok(files) => seal::check(&loaded, &Seals::new(files)),
            Err(problems) => problems,
        });
        let mut deviating = incidents.deviating;
        deviating.retain(|d| changed.is_none_or(|changed| changed.touch(&sealed_name(&d.file))));
        loaded.diagnostics.extend(seal::deviations(&deviating));
    } else if !sealed {
        found.tell(&mut loaded);
    }
    if paths.is_all() {
        let looked = Looked { files: loaded.files, resources: loaded.declared() };
        return (loaded.diagnostics, looked);
    }
    let problems: Vec<Diagnostic> = std::mem::take(&mut loaded.diagnostics)
        .into_iter()
        .filter(|d| {
            paths.covers(&d.file)
                || paths.covers(&manifest_name(&d.file))
                // A runbook's problem with an incident is the incident's too.
                || d.related.iter().any(|r| paths.covers(&r.file))
        })
        .collect();
    let sources: Vec<&str> = declared(&loaded).map(|r| &*r.source.file).filter(|f| paths.covers(f)).collect();
    let files: BTreeSet<&str> = sources.iter().copied().chain(problems.iter().map(|d| &*d.file)).collect();
    let looked = Looked { files: files.len(), resources: sources.len() };
    (problems, looked)
}

/// Every resource, those that name their machines otherwise than by an id once each.
fn declared(loaded: &Loaded) -> impl Iterator<Item = &Desired> {
    loaded.resources.iter().chain(loaded.templates.iter().map(Template::declared))
}

/// The texts against `requireComment` that a call could still carry. What is recorded as sent is history: a
/// rule that came later must not fail it for ever. A state that cannot be read makes warnings of them, and
/// `apply` decides.
fn unsent(ctx: &Context, project: &Project, unruly: Vec<Unruly>, loaded: &Loaded) -> Vec<Diagnostic> {
    if unruly.is_empty() {
        return Vec::new();
    }
    // A shared state is not asked for: to validate needs no network.
    let local = store::folder(ctx, project).is_ok();
    let Some(recorded) = local.then(|| store::read(ctx, project, Check::Tail).ok()).flatten() else {
        return unruly.into_iter().map(|u| u.diagnostic.as_warning()).collect();
    };
    let sent = |address: &Address| {
        let resources = &recorded.state.resources;
        if let Some(t) = loaded.templates.iter().find(|t| t.address() == address) {
            // Of its machines those that the state knows tell whether the text is history.
            let same = |r: &Resource| {
                r.sent.call().is_some_and(|call| t.as_sent(&call, None, None).digest == r.digest)
            };
            let group = |a: &Address| if t.target.is_group() { a.group() } else { Some(a.clone()) };
            let mut of_it = resources.iter().filter(|(a, _)| group(a).as_ref() == Some(address)).peekable();
            return of_it.peek().is_some() && of_it.all(|(_, r)| same(r));
        }
        let declared = &loaded.resources;
        let declared = declared.binary_search_by(|d| d.address.cmp(address)).ok().map(|i| &declared[i]);
        declared.zip(resources.get(address)).is_some_and(|(d, r)| d.digest == r.digest)
    };
    unruly.into_iter().filter(|u| !sent(&u.address)).map(|u| u.diagnostic).collect()
}

fn text(
    ctx: &Context,
    format: FindingsFormat,
    problems: &[Diagnostic],
    looked: Looked,
) -> Result<String, Error> {
    let written = match format {
        FindingsFormat::Human => Ok(diagnostic::human(problems, looked, project::style_out(ctx))),
        FindingsFormat::Json => diagnostic::json(problems, looked),
        FindingsFormat::Github => Ok(annotations::github(problems, &prefix(&ctx.dir))),
        FindingsFormat::Sarif => annotations::sarif(problems, &prefix(&ctx.dir), env!("CARGO_PKG_VERSION")),
    };
    written.map_err(|e| Error::Stdout(e.into()))
}

/// The project folder relative to the root of its git repository; empty where there is none.
fn prefix(dir: &Path) -> String {
    let Ok(full) = platform::real_path(dir) else { return String::new() };
    let root = full.ancestors().find(|a| a.join(".git").exists());
    let below = root.and_then(|root| full.strip_prefix(root).ok()).unwrap_or(Path::new(""));
    below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_relative_to_the_repository() {
        let root = tempfile::tempdir().unwrap();
        let project = root.path().join("ir/contoso");
        std::fs::create_dir_all(&project).unwrap();
        std::fs::create_dir(root.path().join(".git")).unwrap();
        assert_eq!(prefix(&project), "ir/contoso");
        assert_eq!(prefix(root.path()), "");
    }
}
