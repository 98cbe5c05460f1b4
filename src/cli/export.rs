//! `export`: packages, their records, the manifests and the journal's part of them, as a bag to be handed on.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;

use super::args::{ExportArgs, Format};
use super::context::{Context, reading_runtime};
use super::engine;
use super::evidence;
use super::exit::{Code, Error};
use super::git;
use super::output;
use super::patience::{EVIDENCE, waiting};
use super::project;
use super::store;
use crate::evidence::{
    Bag, BagError, EvidenceStore, PackageName, Wrong, handover, project_name, record_text,
};
use crate::manifest::{self, Project};
use crate::model::{Address, Advice, Desired, Sha256Hex, Target, Template};
use crate::render::bag::{Contents, ExportDocument, ProjectFile, exported, info, package_name};
use crate::render::escape;
use crate::seal::sealed_name;
use crate::state::{Custody, Extract, JournalError, Resource, State, extract, folded};

/// Writes a bag of what was asked for.
pub fn run(ctx: &Context, args: &ExportArgs) -> Result<Code, Error> {
    let selector = engine::selector(args.selector.as_deref())?;
    let project = project::load(ctx)?;
    let store = evidence::store(ctx, &project)?;
    let place = ctx.path(&ctx.typed(&args.bagit));
    output::refuse_kept_folder(ctx, &project, &args.bagit, "a bag")?;
    let runtime = reading_runtime()?;
    let (_, journal) = runtime.block_on(store::whole(ctx, &project))?;
    let journal = String::from_utf8(journal.unwrap_or_default()).map_err(|_| damaged("it is no text"))?;
    if journal.is_empty() {
        return Err(Error::State {
            message: "there is no state yet".into(),
            next: Advice::run("casefile plan"),
        });
    }
    let (state, _) = folded(journal.as_bytes()).sound().map_err(|e| damaged(&e.to_string()))?;
    let narrowed = !args.addresses.is_empty() || selector.is_some();
    let chosen = engine::chosen(&state, &args.addresses, selector.as_ref())?;
    let of_journal = |e: JournalError| damaged(&e.to_string());
    let part = extract(&journal, Some(&chosen).filter(|_| narrowed)).map_err(of_journal)?;
    let mut contents = contents(ctx, &project, &state, &chosen, part, store.name());
    let mut bag = Bag::begin(&place).map_err(unwritten)?;
    let copying = waiting(ctx, EVIDENCE);
    for (name, custody) in &contents.packages {
        runtime.block_on(copy(&mut bag, &*store, name, custody))?;
        let record = PackageName::parse(name).map_or_else(|| format!("{name}.json"), |n| n.record());
        bag.add(&package_name(&record), record_text(custody).as_bytes()).map_err(unwritten)?;
    }
    drop(copying);
    for (path, file) in &contents.files {
        if let Some(bytes) = evidence::project_file(ctx, path) {
            if Sha256Hex::of(&bytes) != file.sha256 {
                return Err(Error::Forbidden {
                    message: format!("{path} was changed while it was exported: no bag was written"),
                    next: Advice::say("export it again"),
                });
            }
            bag.add(&file.name, &bytes).map_err(unwritten)?;
        }
    }
    if args.whole_journal && !contents.journal.is_whole() {
        contents.journal = extract(&journal, None).map_err(of_journal)?;
    }
    bag.add("journal.jsonl", contents.journal.lines.as_bytes()).map_err(unwritten)?;
    bag.add("journal.hashes", contents.journal.hashes.as_bytes()).map_err(unwritten)?;
    let date = ctx.now().strftime("%Y-%m-%d").to_string();
    let size = bag.finish(&date, &info(&contents)).map_err(unwritten)?;
    let shown = args.bagit.display().to_string();
    match args.format {
        Format::Human => ctx.out(&exported(&shown, &contents, size, project::style_out(ctx)))?,
        Format::Json => {
            let document = ExportDocument::new(&shown, &contents, size);
            ctx.document(&document.to_text().map_err(|e| Error::Stdout(e.into()))?)?;
        }
    }
    if git::could_be_committed(ctx, &place) {
        ctx.note(&format!(
            "{shown} lies in a git repository that does not ignore it, and holds what the devices hold: move it out, or add it \
             to .gitignore before you commit."
        ));
    }
    Ok(if contents.absent.is_empty() { Code::Done } else { Code::TimedOut })
}

/// The contents that the bag is to have.
fn contents(
    ctx: &Context,
    project: &Project,
    state: &State,
    chosen: &BTreeSet<Address>,
    journal: Extract,
    store: &str,
) -> Contents {
    let resources: Vec<(&Address, &Resource)> =
        chosen.iter().filter_map(|a| Some((a, state.resources.get(a)?))).collect();
    let incidents = resources.iter().filter_map(|(_, r)| r.labels.get("incident").cloned()).collect();
    let handover = handover(resources.iter().copied(), &journal.custody, store);
    let (files, unread) = project_files(ctx, project, chosen, &journal.custody);
    Contents {
        project: project.name.clone(),
        lineage: state.lineage.clone(),
        resources: resources.len(),
        incidents,
        packages: handover.packages,
        absent: handover.absent,
        files,
        unread,
        journal,
        by: ctx.operator(),
    }
}

/// The files that declare resources, with their seals, as far as they can be read; and how many problems there are.
fn project_files(
    ctx: &Context,
    project: &Project,
    chosen: &BTreeSet<Address>,
    custody: &[(u64, Custody)],
) -> (BTreeMap<String, ProjectFile>, usize) {
    let loaded = manifest::load(&ctx.dir, project);
    let groups: BTreeSet<Address> = chosen.iter().filter_map(Address::group).collect();
    let is_chosen = |d: &&Desired| chosen.contains(&d.address) || groups.contains(&d.address);
    let listed =
        loaded.templates.iter().filter(|t| is_chosen(&t.declared())).filter_map(|t| match &t.target {
            Target::File(file) => Some(file.file.to_string()),
            Target::Name(_) | Target::Tag(_) | Target::Event(_) => None,
        });
    let templates = loaded.templates.iter().map(Template::declared);
    let declared: Vec<&Desired> = loaded.resources.iter().chain(templates).filter(is_chosen).collect();
    let mut names: BTreeSet<String> = listed.collect();
    for d in &declared {
        let runbook = d.expanded.as_ref().and_then(|e| e.source.as_ref()).map(|s| s.file.to_string());
        names.extend([d.source.file.to_string(), sealed_name(&d.source.file)].into_iter().chain(runbook));
    }
    // Of each resource the last record counts.
    let fetched: BTreeMap<&Address, Sha256Hex> =
        custody.iter().filter_map(|(_, c)| Some((&c.address, c.manifest?))).collect();
    let mut files = BTreeMap::new();
    for path in names {
        // Most files have no seal.
        let Some(bytes) = evidence::project_file(ctx, &path) else { continue };
        let sha256 = Sha256Hex::of(&bytes);
        let of_file = declared.iter().filter(|d| *d.source.file == *path).map(|d| &d.address);
        let members = |of: &Address| {
            let of = of.clone();
            chosen.iter().filter(move |a| **a == of || a.group().as_ref() == Some(&of))
        };
        let changed_since =
            of_file.flat_map(members).filter(|a| fetched.get(a).is_some_and(|then| *then != sha256)).cloned();
        let changed_since: BTreeSet<Address> = changed_since.collect();
        let file = ProjectFile {
            // Apart from packages and journal, whatever folders are called.
            name: format!("project/{}", project_name(&path)),
            sha256,
            changed_since: changed_since.into_iter().collect(),
        };
        files.insert(path, file);
    }
    (files, project::errors(&loaded.diagnostics))
}

/// Copies a package into a bag, and compares it with its record on the way.
async fn copy(bag: &mut Bag, store: &dyn EvidenceStore, name: &str, custody: &Custody) -> Result<(), Error> {
    let wrong = |what: Wrong| Error::Forbidden {
        message: format!("{}: {name}: {what}; no bag was written", custody.address),
        next: Advice::run("casefile verify"),
    };
    let unreadable = |why: String| wrong(Wrong::Unreadable(why));
    let parsed =
        PackageName::parse(name).ok_or_else(|| unreadable("this is no name of a package".to_owned()))?;
    let package = store.open(&parsed).await.map_err(|e| unreadable(e.to_string()))?;
    let mut package = package.ok_or_else(|| wrong(Wrong::Missing))?;
    let mut file = bag.file(&package_name(name)).map_err(unwritten)?;
    while let Some(piece) = package.bytes.next().await {
        file.add(&piece.map_err(|e| unreadable(e.to_string()))?).map_err(unwritten)?;
    }
    let (size, sha256) = file.sum();
    if sha256 != custody.sha256 {
        let cut = size < custody.size;
        return Err(wrong(if cut { Wrong::Truncated(size, custody.size) } else { Wrong::Altered(sha256) }));
    }
    bag.keep(file).map_err(unwritten)
}

fn damaged(why: &str) -> Error {
    Error::State {
        message: format!("the journal is damaged, and proves nothing: {why}"),
        next: Advice::run("casefile verify"),
    }
}

fn unwritten(e: BagError) -> Error {
    let next = match &e {
        BagError::Taken(_) => "name a folder that does not exist yet".to_owned(),
        BagError::Building(path) => format!(
            "wait for it, or name another folder; if no export is running, remove {}",
            escape::one_line(&path.display().to_string())
        ),
        BagError::PartialTaken(path) => {
            format!("remove {}, if it is of no use", escape::one_line(&path.display().to_string()))
        }
        BagError::Io { .. } => "put the cause right, and export again".to_owned(),
    };
    Error::Forbidden { message: e.to_string(), next: Advice::say(next) }
}
