//! Where a project keeps its evidence, and what is written of who fetches it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::exit::Error;
use super::{git, objects, project, store};
use crate::defender::{Client, HttpDownloads};
use crate::engine::Fetching;
use crate::evidence::{EvidenceStore, Folder, HeldBucket, HeldFolder, Limits};
use crate::files::{self, Links};
use crate::manifest::{self, Project};
use crate::model::location::{Bucket, Location, SharedPlace};
use crate::model::{Address, Sha256Hex};

/// The largest manifest.
const LONGEST_MANIFEST: u64 = 64 << 20;

/// How many packages `apply --fetch` fetches at once.
const AT_ONCE: usize = 4;

/// How long one request for a piece of a package may take.
const BOUND: Duration = Duration::from_secs(300);

/// Returns the place of `spec.evidence`. Nothing is asked yet.
///
/// # Errors
/// The project names it twice, names no place for evidence, or a link in the project leads elsewhere; no way to the
/// object storage can be found, or the project alone names it.
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
            Ok(Location::Shared(SharedPlace::Objects(bucket))) if bucket.snapshot == bucket.prefix => {
                return in_bucket(ctx, project, &bucket);
            }
            Ok(Location::Shared(_)) => {
                let why = "`evidence.url` names no place for evidence: write file:FOLDER, s3://BUCKET/PREFIX, \
                           az://CONTAINER/PREFIX or gs://BUCKET/PREFIX";
                return Err(refused(why.to_owned()));
            }
            Err(e) => return Err(refused(format!("`evidence.url`: {e}"))),
        },
    };
    let typed = Path::new(&path);
    project::stays_inside(ctx, typed)
        .map_err(|why| refused(format!("evidence cannot be kept in {}: {why}", typed.display())))?;
    Ok(Arc::new(HeldFolder::new(Folder::new(ctx.path(typed)), format!("file:{path}"))))
}

/// Finds the way to evidence in object storage. Downloads lie in this machine's cache until they are whole.
fn in_bucket(ctx: &Context, project: &Project, bucket: &Bucket) -> Result<Arc<dyn EvidenceStore>, Error> {
    let connected = objects::connect(ctx, project, bucket, BOUND)?;
    if !connected.near {
        store::allowed(ctx, &bucket.to_string(), false)?;
    }
    let downloads = store::cached(ctx, "evidence", &format!("{bucket}\0{}", connected.endpoint));
    let run = uuid::Uuid::new_v4().simple().to_string();
    Ok(Arc::new(HeldBucket::new(connected.objects, bucket, Folder::new(downloads), run)))
}

/// Returns all that a fetch needs beside its run.
pub fn fetching(ctx: &Context, project: &Project, client: &Client) -> Result<Fetching, Error> {
    Ok(Fetching {
        store: self::store(ctx, project)?,
        downloads: Arc::new(HttpDownloads::new(client.service().is_loopback())),
        limits: Limits::default(),
        parallelism: AT_ONCE,
        by: ctx.operator(),
        manifests: manifests(ctx, project),
        commit: git::checked_out(ctx),
    })
}

/// Reads a file of the project that manifests were read from.
pub fn project_file(ctx: &Context, name: &str) -> Option<Vec<u8>> {
    files::read(&ctx.dir.join(name), Links::Followed, LONGEST_MANIFEST).ok()
}

/// The SHA-256 of the file that declares each resource, as far as the manifests can be read.
fn manifests(ctx: &Context, project: &Project) -> BTreeMap<Address, Sha256Hex> {
    let loaded = manifest::load(&ctx.dir, project);
    let mut files: BTreeMap<String, Option<Sha256Hex>> = BTreeMap::new();
    let declared = loaded.resources.iter().chain(loaded.templates.iter().map(|t| t.declared()));
    let mut out = BTreeMap::new();
    for d in declared {
        let hash = files
            .entry(d.source.file.to_string())
            .or_insert_with(|| project_file(ctx, &d.source.file).map(|bytes| Sha256Hex::of(&bytes)));
        if let Some(hash) = *hash {
            out.insert(d.address.clone(), hash);
        }
    }
    out
}
