//! Where a project keeps its evidence, and what is written of who fetches it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::context::Context;
use super::exit::Error;
use super::git;
use super::project;
use crate::defender::{Client, HttpDownloads};
use crate::engine::Fetching;
use crate::evidence::{EvidenceStore, Folder, HeldFolder, Limits};
use crate::files::{self, Links};
use crate::manifest::{self, Project};
use crate::model::location::Location;
use crate::model::{Address, Sha256Hex};

/// The largest manifest.
const LONGEST_MANIFEST: u64 = 64 << 20;

/// How many packages `apply --fetch` fetches at once.
const AT_ONCE: usize = 4;

/// Returns the place of `spec.evidence`.
///
/// # Errors
/// The project names it twice, names no folder, or a link in the project leads elsewhere.
pub fn store(ctx: &Context, project: &Project) -> Result<Arc<dyn EvidenceStore>, Error> {
    let evidence = &project.spec.evidence;
    let refused = |message: String| Error::Forbidden {
        message,
        next: "write `evidence: { url: \"file:evidence\" }` into casefile.yaml".to_owned(),
    };
    let path = match (&evidence.url, &evidence.dir) {
        (Some(_), Some(_)) => {
            return Err(refused("`evidence.url` and `evidence.dir` both say where evidence is kept".into()));
        }
        (None, dir) => dir.clone().unwrap_or_else(|| "evidence".to_owned()),
        (Some(url), None) => match Location::parse(url, &project.name) {
            Ok(Location::Folder(path)) => path,
            _ => {
                let why = "`evidence.url` names no folder: evidence is kept in a folder of this machine";
                return Err(refused(why.to_owned()));
            }
        },
    };
    let typed = Path::new(&path);
    project::stays_inside(ctx, typed)
        .map_err(|why| refused(format!("evidence cannot be kept in {}: {why}", typed.display())))?;
    Ok(Arc::new(HeldFolder::new(Folder::new(ctx.path(typed)), format!("file:{path}"))))
}

/// Returns all that a fetch needs beside its run.
pub fn fetching(ctx: &Context, project: &Project, client: &Client) -> Result<Fetching, Error> {
    Ok(Fetching {
        store: store(ctx, project)?,
        downloads: Arc::new(HttpDownloads::new(client.service().is_loopback())),
        limits: Limits::default(),
        parallelism: AT_ONCE,
        by: ctx.operator(),
        manifests: manifests(ctx, project),
        commit: git::checked_out(ctx),
    })
}

/// The SHA-256 of the file that declares each resource, as far as the manifests can be read.
fn manifests(ctx: &Context, project: &Project) -> BTreeMap<Address, Sha256Hex> {
    let loaded = manifest::load(&ctx.dir, project);
    let mut files: BTreeMap<String, Option<Sha256Hex>> = BTreeMap::new();
    let declared = loaded.resources.iter().chain(loaded.templates.iter().map(|t| t.declared()));
    let mut out = BTreeMap::new();
    for d in declared {
        let hash = files.entry(d.source.file.to_string()).or_insert_with(|| {
            let bytes = files::read(&ctx.dir.join(&*d.source.file), Links::Followed, LONGEST_MANIFEST);
            bytes.ok().map(|bytes| Sha256Hex::of(&bytes))
        });
        if let Some(hash) = *hash {
            out.insert(d.address.clone(), hash);
        }
    }
    out
}
