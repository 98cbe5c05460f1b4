//! Where a project keeps its evidence, and what is written of who fetches it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::context::{Context, reading_runtime};
use super::exit::Error;
use super::patience::{EVIDENCE, waiting};
use super::{git, objects, project, store, trace};
use crate::defender::{Client, HttpDownloads};
use crate::engine::Fetching;
use crate::evidence::{
    self, EvidenceStore, Folder, Held, HeldBucket, HeldFolder, Limits, PackageName, record_text,
};
use crate::files::{self, Links};
use crate::manifest::{self, Project};
use crate::model::location::{Bucket, Location, SharedPlace};
use crate::model::{Address, Advice, Sha256Hex};
use crate::state::{HeldPackage, State, custody_records};

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
    match place(ctx, project)? {
        Place::Folder(path) => {
            let folder = Folder::new(ctx.path(Path::new(&path)));
            Ok(Arc::new(HeldFolder::new(folder, format!("file:{path}"))))
        }
        Place::Bucket(bucket) => in_bucket(ctx, project, &bucket),
    }
}

/// Returns a store in another folder, under the name of the project's place for evidence.
///
/// # Errors
/// Those of [`store`], as far as nothing has to be looked up for them.
pub fn stand_in(ctx: &Context, project: &Project, folder: &Path) -> Result<Arc<dyn EvidenceStore>, Error> {
    let name = match place(ctx, project)? {
        Place::Folder(path) => format!("file:{path}"),
        Place::Bucket(bucket) => bucket.to_string(),
    };
    Ok(Arc::new(HeldFolder::new(Folder::scratch(folder.to_owned()), name)))
}

/// The place that `spec.evidence` names.
enum Place {
    /// A folder, relative to the project folder.
    Folder(String),
    /// Object storage.
    Bucket(Box<Bucket>),
}

fn place(ctx: &Context, project: &Project) -> Result<Place, Error> {
    let evidence = &project.spec.evidence;
    let refused = |message: String| Error::Forbidden {
        message,
        next: Advice::say("write `evidence: { url: \"file:evidence\" }` into casefile.yaml"),
    };
    let path = match (&evidence.url, &evidence.dir) {
        (Some(_), Some(_)) => {
            return Err(refused("`evidence.url` and `evidence.dir` both say where evidence is kept".into()));
        }
        (None, dir) => dir.clone().unwrap_or_else(|| "evidence".to_owned()),
        (Some(url), None) => match Location::parse(url, &project.name) {
            Ok(Location::Folder(path)) => path,
            Ok(Location::Shared(SharedPlace::Objects(bucket))) if bucket.snapshot == bucket.prefix => {
                return Ok(Place::Bucket(Box::new(bucket)));
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
    Ok(Place::Folder(path))
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

/// Returns the packages that are there, by name: their lengths in a folder, and in object storage their names, if the network may
/// be used. Nothing is hashed here.
pub fn presence<'a>(
    ctx: &Context,
    project: &Project,
    packages: impl Iterator<Item = &'a HeldPackage>,
    network: bool,
) -> Result<BTreeMap<String, Held>, Error> {
    let packages: Vec<&HeldPackage> = packages.collect();
    if packages.is_empty() {
        return Ok(BTreeMap::new());
    }
    let store = match store(ctx, project) {
        Ok(store) => store,
        Err(e) => {
            tracing::warn!("whether packages are there is not known: {e}");
            return Ok(BTreeMap::new());
        }
    };
    if !network && !store.name().starts_with("file:") {
        return Ok(BTreeMap::new());
    }
    let _looking = waiting(ctx, EVIDENCE);
    let looked = reading_runtime()?.block_on(evidence::presence(&*store, packages.into_iter()));
    Ok(looked.unwrap_or_else(|e| {
        tracing::warn!("whether packages are there is not known: {e}");
        BTreeMap::new()
    }))
}

/// Writes the custody records that are missing beside packages that are held: a run was killed before it did, or the
/// package was fetched again.
pub async fn complete(
    ctx: &Context,
    project: &Project,
    state: &State,
    place: &dyn EvidenceStore,
) -> Result<(), Error> {
    let packages = state.resources.iter().flat_map(|(_, r)| r.packages.iter());
    let mut lacking = BTreeSet::new();
    for held in packages.filter(|p| p.store == place.name()) {
        if let Some(name) = PackageName::parse(&held.file)
            && matches!(place.record(&name).await, Ok(None))
            && matches!(place.has(&name).await, Ok(true))
        {
            lacking.insert(name);
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let (_, journal) = store::whole(ctx, project).await?;
    for (_, custody) in custody_records(&journal.unwrap_or_default()) {
        if custody.store == place.name()
            && let Some(name) = PackageName::parse(&custody.file).filter(|name| lacking.contains(name))
            && let Err(e) = place.write_record(&name, record_text(&custody).into_bytes()).await
        {
            tracing::warn!("{} was not written: {e}", name.record());
        }
    }
    Ok(())
}

/// Returns all that a fetch needs beside its run.
pub fn fetching(ctx: &Context, project: &Project, client: &Client) -> Result<Fetching, Error> {
    Ok(Fetching {
        store: self::store(ctx, project)?,
        downloads: trace::downloads(
            trace::sink(ctx, project)?.as_ref(),
            &ctx.clock(),
            Arc::new(HttpDownloads::new(client.service().is_loopback()).through(ctx.network(project)?)),
        ),
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
