//! `seal`: the reviewed calls as files beside their manifests.

use std::path::Path;

use super::args::SealArgs;
use super::connect::{auth_error, connect};
use super::context::{Context, runtime};
use super::engine;
use super::exit::{Code, Error};
use super::output;
use super::patience::{READING, waiting};
use super::project;
use super::selected;
use super::store::{self, Check};
use crate::engine::observe_inventory;
use crate::files;
use crate::manifest::Project;
use crate::model::{Advice, Desired, Template};
use crate::plan::targets::{self, Inventory, Templates};
use crate::platform;
use crate::render::escape;
use crate::render::messages::plural;
use crate::seal::{self, Seals, manifest_name, sealed_name, seals};
use crate::session::{self, Paths};

/// Writes the seals that are missing or not as they should be, and removes those of manifests that are gone. Outside
/// of the project folder nothing is written and nothing removed: what lies there is another project's.
pub fn run(ctx: &Context, args: &SealArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let paths = project::paths(ctx, &project, &args.paths, "seal")?;
    let found = project::seals(ctx, &project)?;
    let meant = |name: &str| paths.covers(&manifest_name(name)) || paths.covers(name);
    // Who names a sealed incident wants it sealed again, as its runbook is now.
    let anew = |file: &str| !paths.is_all() && meant(&sealed_name(file));
    let (mut loaded, incidents) = project::to_seal(ctx, &project, &anew)?;
    let members = resolved(ctx, &project, &paths, &loaded.resources, &loaded.templates, &found)?;
    loaded.resources.extend(members);
    loaded.resources.sort_by(|a, b| a.address.cmp(&b.address));
    let (mut told, mut current) = (String::new(), 0);
    let needed = seals(&loaded, &found);
    // An older format in its place would drop what the newer one says.
    let newer = needed.keys().filter(|n| meant(n)).find_map(|n| Some((n, found.newer(n)?)));
    if let Some((name, version)) = newer {
        return Err(Error::State {
            message: format!(
                "{} was written by a newer casefile: its format is `{version}`; nothing was sealed",
                escape::one_line(name)
            ),
            next: Advice::say("use a newer casefile"),
        });
    }
    let orphans = found.orphans(&needed);
    let both = needed.keys().map(String::as_str).chain(orphans.iter().map(|(name, _)| *name));
    selected::refuse_nothing_to_seal(&project, &loaded, &paths, both)?;
    for (name, seal) in &needed {
        if !meant(name) {
            continue;
        }
        if !is_ours(ctx, name) {
            let manifest = manifest_name(name);
            told.push_str(&format!(
                "left {}: it is outside of the project folder; seal it in its own project\n",
                escape::one_line(&manifest)
            ));
            continue;
        }
        let text = seal.to_text();
        if !seal::is_short_enough(&text) {
            return Err(Error::BadFile {
                path: manifest_name(name).into(),
                why: format!("its seal would hold more than {} lines: split it", seal::MOST_LINES),
            });
        }
        if found.is_current(name, seal) {
            current += 1;
            continue;
        }
        let change = if found.text(name).is_some() { "updated" } else { "wrote" };
        replace(&ctx.path(Path::new(name)), &text)?;
        told.push_str(&format!("{change} {}\n", escape::one_line(name)));
    }
    // What is no seal is left where it is: `validate --sealed` tells.
    for (name, _) in orphans.into_iter().filter(|(n, seal)| *seal && paths.covers(n) && is_ours(ctx, n)) {
        let path = ctx.path(Path::new(name));
        std::fs::remove_file(&path).map_err(|source| Error::Io { what: "remove", path, source })?;
        told.push_str(&format!("removed {}\n", escape::one_line(name)));
    }
    if current > 0 {
        let what = if current == 1 { "seal was" } else { "seals were" };
        told.push_str(&format!("{current} {what} current\n"));
    }
    for held in &incidents.held {
        told.push_str(&format!(
            "Incident/{} stays as it is sealed, without {} that its runbook has gained; to take them in: casefile \
             seal {}\n",
            held.incident,
            plural(held.addresses.len(), "resource"),
            escape::one_line(&held.file)
        ));
    }
    if told.is_empty() {
        told.push_str("Nothing to seal.\n");
    }
    ctx.out(&told)?;
    Ok(Code::Done)
}

/// The resources of what names machines otherwise than by an id. The service is asked only for what the state does
/// not tell.
fn resolved(
    ctx: &Context,
    project: &Project,
    paths: &Paths,
    declared: &[Desired],
    templates: &[Template],
    found: &Seals,
) -> Result<Vec<Desired>, Error> {
    if templates.is_empty() {
        return Ok(Vec::new());
    }
    let state = store::read(ctx, project, Check::Tail)?.state;
    let events = session::sealed_events(templates, found);
    let sealed = |t: &Template| paths.covers(&t.declared().source.file);
    let input = Templates {
        templates,
        declared,
        state: &state,
        // An event that was reviewed stays the one that is meant.
        sealed: &events,
        selected: &|a| templates.iter().any(|t| t.address() == a && sealed(t)),
        skip_unresolved: false,
    };
    let wanted = targets::wanted(&input);
    let inventory = if wanted.is_nothing() {
        Inventory::not_looked("nothing had to be asked")
    } else {
        runtime()?.block_on(async {
            let world = store::world(ctx, project)?;
            let keep = world.exists().then_some(world.as_path());
            let connection = connect(ctx, project, &ctx.clock(), keep).await?;
            let reading = waiting(ctx, READING);
            let listed = observe_inventory(&connection.client, &ctx.clock(), &wanted).await;
            drop(reading);
            connection.close().await;
            listed.map_err(auth_error)
        })?
    };
    let found = targets::resolve(&input, &inventory);
    if !found.unread.is_empty() {
        return Err(engine::unread_error("the machines are not known, nothing was sealed", &found.unread));
    }
    if found.errors.is_empty() { Ok(found.desired) } else { Err(Error::Unresolved(found.errors)) }
}

/// Returns whether a file's folder really lies in the project folder, whatever links lead there.
fn is_ours(ctx: &Context, name: &str) -> bool {
    let path = ctx.path(Path::new(name));
    let folder = files::folder_of(&path);
    match (platform::real_path(&ctx.dir), platform::real_path(folder)) {
        (Ok(project), Ok(folder)) => folder.starts_with(project),
        _ => false,
    }
}

/// Replaces a file whole, with the permissions of a file that anybody made.
fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let mut builder = tempfile::Builder::new();
    platform::ordinary_file(&mut builder);
    output::replace(path, text, &builder)
}
