//! Where the state of a project is kept, and how commands get at it: a folder on this machine, or a place that several
//! runs share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::args::Locking;
use super::context::{Context, reading_runtime};
use super::exit::Error;
use super::patience::{SHARED, waiting};
use super::{lock, objects, project};
use crate::defender::Clock;
use crate::engine::Run;
use crate::manifest::Project;
use crate::model::location::{Location, Repository, SharedPlace, is_loopback};
use crate::model::{Advice, Sha256Hex};
use crate::platform;
use crate::render::ways_out::shell;
use crate::state::shared::command::Git;
use crate::state::shared::git::{Author, BOUND, Configured, GitRemote, LOCAL, Place, configured, shown};
use crate::state::shared::objects::{BOUND as OBJECT_BOUND, ObjectRemote};
use crate::state::shared::{self, Cache, Now, Opening, Reading, Remote, SharedStore};
use crate::state::{Damage, Holder, Loaded, Opened, QuotaUsage, State, Store, StoreError, local};

/// A state that was read without a lock.
pub struct ReadState {
    /// The state.
    pub state: State,
    /// Where it comes from.
    pub source: StateSource,
}

/// The folder or the history that a state was read from.
pub enum StateSource {
    Folder(PathBuf),
    Shared(Box<Reading>),
}

impl StateSource {
    /// Returns what the calls since then cost the service's quotas.
    pub fn spent(&self, since: Timestamp) -> Result<Vec<QuotaUsage>, StoreError> {
        match self {
            StateSource::Folder(folder) => local::spent(folder, since),
            StateSource::Shared(reading) => Ok(reading.spent(since)),
        }
    }
}

/// How much of a state in a folder is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Enough to show it.
    Tail,
    /// The whole chain: something is planned on it.
    Whole,
}

/// Returns where the state is kept: CASEFILE_STATE_URL, or `state.url` of the project.
pub fn location(ctx: &Context, project: &Project) -> Result<Location, Error> {
    let url = ctx.env.get("CASEFILE_STATE_URL").unwrap_or(&project.spec.state.url);
    Location::parse(url, &project.name).map_err(|e| Error::State {
        message: e.to_string(),
        next: Advice::say(
            "write `state: { url: \"file:.casefile\" }` into casefile.yaml, or `git:refs/casefile/NAME`",
        ),
    })
}

/// Returns the folder of a state that is kept in one.
///
/// # Errors
/// The state is shared, or a link leads elsewhere.
pub fn folder(ctx: &Context, project: &Project) -> Result<PathBuf, Error> {
    match location(ctx, project)? {
        Location::Folder(path) => checked(ctx, &path),
        Location::Shared(_) => Err(Error::State {
            message: "this state is shared: nothing is written over there, so it is rebuilt at a new place"
                .into(),
            next: Advice::say(
                "name one: casefile state rebuild --to URL, with another ref or prefix; the state moves there",
            ),
        }),
    }
}

fn checked(ctx: &Context, path: &str) -> Result<PathBuf, Error> {
    let path = Path::new(path);
    // The state is kept where the project file says, not where a link in the repository leads.
    project::stays_inside(ctx, path).map_err(|why| Error::State {
        message: format!("the state cannot be kept in {}: {why}", path.display()),
        next: Advice::say("remove the link, or name the folder that it leads to in state.url"),
    })?;
    Ok(ctx.path(path))
}

/// Returns the file in which the built-in sandbox keeps its world: beside a state in a folder, otherwise in the
/// project's `.casefile`.
pub fn world(ctx: &Context, project: &Project) -> Result<PathBuf, Error> {
    let folder = match location(ctx, project)? {
        Location::Folder(path) => checked(ctx, &path)?,
        Location::Shared(_) => checked(ctx, ".casefile")?,
    };
    Ok(folder.join("sandbox.json"))
}

/// Reads the state without a lock; says what was noticed on the way.
pub fn read(ctx: &Context, project: &Project, check: Check) -> Result<ReadState, Error> {
    let read = read_anyway(ctx, project, check)?;
    is_here(&read.state)?;
    Ok(read)
}

/// Refuses a state that has moved.
fn is_here(state: &State) -> Result<(), Error> {
    match &state.departed_to {
        Some(to) => Err(Error::OtherState {
            message: format!("the state has moved to {to}"),
            next: Advice::say(format!("write `url: \"{to}\"` under `state` in casefile.yaml")),
        }),
        None => Ok(()),
    }
}

/// As [`read`], of a state that has moved too.
fn read_anyway(ctx: &Context, project: &Project, check: Check) -> Result<ReadState, Error> {
    match location(ctx, project)? {
        Location::Folder(path) => {
            let folder = checked(ctx, &path)?;
            let loaded = match check {
                Check::Tail => local::read(&folder),
                Check::Whole => local::read_whole(&folder),
            };
            let loaded: Loaded = loaded.map_err(project::store_error)?;
            project::notices(&folder, &loaded);
            Ok(ReadState { state: loaded.state, source: StateSource::Folder(folder) })
        }
        Location::Shared(place) => {
            let _waiting = waiting(ctx, SHARED);
            let mut reading = reading_runtime()?.block_on(async {
                let Reached { way, cache } = reach(ctx, project, &place).await?;
                let mut remote = way.remote();
                let lineage = project.spec.state.lineage.as_deref();
                shared::read(&mut remote, Some(&cache), lineage).await.map_err(project::store_error)
            })?;
            // What is left of it tells what was spent of the quotas.
            let state = std::mem::take(&mut reading.state);
            Ok(ReadState { state, source: StateSource::Shared(Box::new(reading)) })
        }
    }
}

/// The bytes of a file of the state, if there is one.
type Bytes = Option<Vec<u8>>;

/// Returns the bytes of `state.json` and of the journal from its first record on.
pub async fn whole(ctx: &Context, project: &Project) -> Result<(Bytes, Bytes), Error> {
    match location(ctx, project)? {
        Location::Folder(path) => local::files_of(&checked(ctx, &path)?).map_err(project::store_error),
        Location::Shared(place) => {
            let _waiting = waiting(ctx, SHARED);
            let mut remote = reach(ctx, project, &place).await?.way.remote();
            let lineage = project.spec.state.lineage.as_deref();
            let tip = shared::history(&mut remote, lineage).await.map_err(project::store_error)?;
            Ok(tip.map_or((None, None), |tip| (tip.snapshot, Some(tip.journal))))
        }
    }
}

/// Reads what a plan reads of a shared state. Its history is one thing, and the tip another: somebody may have changed the
/// tip alone. Of a folder there is nothing more to read.
pub async fn tip(ctx: &Context, project: &Project) -> Result<(), Error> {
    match location(ctx, project)? {
        Location::Folder(_) => Ok(()),
        Location::Shared(place) => {
            let _waiting = waiting(ctx, SHARED);
            let mut remote = reach(ctx, project, &place).await?.way.remote();
            reading(&mut *remote).await.map(drop)
        }
    }
}

/// Makes sure that a state can be kept where the project says, and that the one that is there is sound; returns the place, in
/// words. A shared place is written to, and what is written is removed where that is allowed.
pub async fn probe(ctx: &Context, project: &Project) -> Result<String, Error> {
    match location(ctx, project)? {
        Location::Folder(path) => {
            let loaded = local::read_whole(&checked(ctx, &path)?).map_err(project::store_error)?;
            Ok(format!("{path}: {}", records(loaded.state.seq)))
        }
        Location::Shared(place) => {
            let mut remote = reach(ctx, project, &place).await?.way.remote();
            remote.probe().await.map_err(project::store_error)?;
            let records = records(reading(&mut *remote).await?.map_or(0, |r| r.state.seq));
            Ok(format!("{}: {records}", remote.place()))
        }
    }
}

/// Reads what lies at a shared place; none if nothing does.
async fn reading(remote: &mut dyn Remote) -> Result<Option<Reading>, Error> {
    let tip = remote.read().await.map_err(project::store_error)?;
    tip.map(Reading::of).transpose().map_err(project::store_error)
}

fn records(n: u64) -> String {
    if n == 0 { "there is none yet".to_owned() } else { format!("sound, {n} records") }
}

/// A place that a state moves to.
pub enum Destination {
    /// A folder.
    Folder(PathBuf),
    /// A shared place.
    Shared(Box<dyn Remote>),
}

impl Destination {
    /// Finds the way there, and asks whether something can be written.
    pub async fn new(ctx: &Context, project: &Project, url: &str) -> Result<Self, Error> {
        let bad = |e: crate::model::location::LocationError| Error::Usage(format!("--to: {e}"));
        match Location::parse(url, &project.name).map_err(bad)? {
            Location::Folder(path) => Ok(Destination::Folder(checked(ctx, &path)?)),
            Location::Shared(place) => {
                let _waiting = waiting(ctx, "Asking whether the state can be kept there");
                let mut remote = reach(ctx, project, &place).await?.way.remote();
                remote.probe().await.map_err(project::store_error)?;
                Ok(Destination::Shared(remote))
            }
        }
    }

    /// Returns the state that is there, if there is one.
    pub async fn state(&mut self) -> Result<Option<State>, Error> {
        match self {
            Destination::Folder(folder) => {
                let loaded = local::read_whole(folder).map_err(project::store_error)?;
                Ok(loaded.state.lineage.is_some().then_some(loaded.state))
            }
            Destination::Shared(remote) => Ok(reading(&mut **remote).await?.map(|r| r.state)),
        }
    }

    /// Writes a whole state there.
    pub async fn write(&mut self, snapshot: &[u8], journal: &[u8]) -> Result<(), Error> {
        let written = match self {
            Destination::Folder(folder) => local::write_new(folder, snapshot, journal),
            Destination::Shared(remote) => shared::write_new(remote, snapshot, journal).await,
        };
        written.map_err(project::store_error)
    }
}

/// Opens the state for writing, and waits as long as was asked for while another run has it; says what was put right on
/// the way. `command` is what others read who find it taken.
pub async fn open(
    ctx: &Context,
    project: &Project,
    locking: Locking,
    command: &str,
    clock: &Clock,
) -> Result<Box<dyn Store>, Error> {
    let store = open_anyway(ctx, project, locking, command, clock).await?;
    is_here(store.state())?;
    Ok(store)
}

/// As [`open`], of a state that has moved too.
pub async fn open_anyway(
    ctx: &Context,
    project: &Project,
    locking: Locking,
    command: &str,
    clock: &Clock,
) -> Result<Box<dyn Store>, Error> {
    match location(ctx, project)? {
        Location::Folder(path) => {
            let folder = checked(ctx, &path)?;
            let open = async || local::open(&folder, &ctx.holder(command, clock.now()));
            let Opened { store, notices } = lock::patiently(ctx, locking, open).await?;
            for notice in &notices {
                tracing::warn!("{}: {}", folder.display(), project::notice(notice));
            }
            Ok(Box::new(store))
        }
        Location::Shared(place) => open_shared(ctx, project, &place, locking, command, clock)
            .await?
            .map_err(|damage| project::store_error(damage.into())),
    }
}

/// As [`open_anyway`], of a shared state; or what is wrong with it, if it is damaged.
pub async fn open_shared(
    ctx: &Context,
    project: &Project,
    place: &SharedPlace,
    locking: Locking,
    command: &str,
    clock: &Clock,
) -> Result<Result<Box<dyn Store>, Damage>, Error> {
    let _waiting = waiting(ctx, SHARED);
    let holder = ctx.holder(command, clock.now());
    let opening = || Opening {
        holder: holder.clone(),
        lineage: project.spec.state.lineage.clone(),
        now: clock.now(),
        is_gone,
    };
    let Reached { way, cache } = reach(ctx, project, place).await?;
    let open = async || match SharedStore::open(way.remote(), Some(cache.clone()), &opening()).await {
        Err(StoreError::Damaged(damage)) => Ok(Err(damage)),
        opened => opened.map(Ok),
    };
    Ok(lock::patiently(ctx, locking, open).await?.map(|(store, notices)| {
        for notice in &notices {
            tracing::warn!("{}: {}", way.remote().place(), project::notice(notice));
        }
        Box::new(store) as Box<dyn Store>
    }))
}

/// Says which head a run has left in a shared state: who keeps it can tell later whether the history was rewritten.
pub fn tell_head(ctx: &Context, project: &Project, run: &Run<'_>) {
    let state = run.state();
    let Some(lineage) = state.lineage.as_ref().filter(|_| run.is_shared()) else { return };
    ctx.note(&format!("state: record {}, head sha256:{}", state.seq, state.head));
    if project.spec.state.lineage.is_none() {
        ctx.note(&format!(
            "note: commit `lineage: {lineage}` under `state` in casefile.yaml: a state that is gone is then an error, and \
             never taken for a new one"
        ));
    }
}

/// Says whether a run of this machine is over: its process is gone. What runs elsewhere cannot be seen from here.
fn is_gone(holder: &Holder) -> bool {
    holder.host == gethostname::gethostname().to_string_lossy() && !platform::may_run(holder.pid)
}

/// A shared place that can be asked, and this machine's memory of it.
struct Reached {
    way: Way,
    cache: Cache,
}

/// The way to a shared place; each remote of it reads anew.
enum Way {
    Git(Box<GitRemote>),
    Objects(Box<ObjectRemote>),
}

impl Way {
    fn remote(&self) -> Box<dyn Remote> {
        match self {
            Way::Git(remote) => remote.clone(),
            Way::Objects(remote) => remote.clone(),
        }
    }
}

/// Finds the way to a shared place.
async fn reach(ctx: &Context, project: &Project, place: &SharedPlace) -> Result<Reached, Error> {
    let clock = ctx.clock();
    let now: Now = Arc::new(move || clock.now());
    match place {
        SharedPlace::Git { repository, reference } => {
            reach_ref(ctx, project, repository, reference, now).await
        }
        SharedPlace::Objects(bucket) => {
            let connected = objects::connect(ctx, project, bucket, OBJECT_BOUND)?;
            if !connected.near {
                allowed(ctx, &bucket.to_string(), named_outside(ctx))?;
            }
            let cache = cache(ctx, &format!("{bucket}\0{}", connected.endpoint))?;
            let remote = ObjectRemote::new(connected.objects.store, bucket, now);
            Ok(Reached { way: Way::Objects(Box::new(remote)), cache })
        }
    }
}

/// This machine's memory of a shared place.
fn cache(ctx: &Context, place: &str) -> Result<Cache, Error> {
    Cache::new(cached(ctx, "state", place)).map_err(project::store_error)
}

/// The folder of this machine for what belongs to a place elsewhere.
pub fn cached(ctx: &Context, kind: &str, place: &str) -> PathBuf {
    let key = Sha256Hex::of(place.as_bytes()).to_string();
    cache_folder(ctx).join("casefile").join(kind).join(&key[..16])
}

/// Finds the way to a ref.
async fn reach_ref(
    ctx: &Context,
    project: &Project,
    repository: &Repository,
    reference: &str,
    now: Now,
) -> Result<Reached, Error> {
    let environment = || ctx.git_environment();
    let no_git = |e: &dyn std::fmt::Display| Error::State {
        message: e.to_string(),
        next: Advice::say("install git 2.30 or newer"),
    };
    let (url, push_url, settings) = match repository {
        Repository::Url(url) => {
            if !is_near(url) {
                allowed(ctx, url, named_outside(ctx))?;
            }
            (url.clone(), None, Vec::new())
        }
        Repository::Remote(name) => {
            let git = Git::new(environment(), "none");
            let found = configured(&git, &ctx.dir, name).await.map_err(|e| no_git(&e))?;
            let Some(url) = found.url.clone() else { return Err(no_remote(ctx, name, &found)) };
            (url, found.push_url, found.settings)
        }
    };
    let mut git = Git::new(environment(), protocols(&url));
    git.add_settings(&settings);
    if !is_near(push_url.as_ref().unwrap_or(&url)) || !is_near(&url) {
        let taken = git.take_ssh_command(&ctx.dir, LOCAL).await;
        taken.map_err(|e| no_git(&e))?;
    }
    let interval = match project.spec.state.push_interval {
        Some(interval) => interval.get(),
        None if is_near(&url) => Duration::ZERO,
        None => Duration::from_secs(10),
    };
    let cache = cache(ctx, &format!("{url}\0{reference}"))?;
    let bare = cache.path("git");
    std::fs::create_dir_all(&bare).map_err(|source| Error::Io {
        what: "make",
        path: bare.clone(),
        source,
    })?;
    let holder = ctx.holder("", ctx.now());
    let author = Author { name: holder.user.clone(), email: format!("{}@{}", holder.user, holder.host) };
    let place = Place { url, push_url, reference: reference.to_owned(), interval, bound: BOUND };
    let remote = GitRemote::new(git, place, author, bare, now);
    Ok(Reached { way: Way::Git(Box::new(remote)), cache })
}

/// The error of a remote that there is none of. Where there is no repository either, that is what is missing first; one that
/// git does not trust is there, and git names the command that trusts it.
fn no_remote(ctx: &Context, name: &str, found: &Configured) -> Error {
    let elsewhere = "or name another place in state.url";
    if let Some(root) = &found.root {
        return Error::State {
            message: format!("the repository {} has no remote `{name}`", root.display()),
            next: Advice::say(format!("add it, by git remote add {name} URL, {elsewhere}")),
        };
    }
    let refusal = &found.refusal;
    let here = ctx.named().map_or_else(String::new, |dir| format!(" -C {}", shell(&dir)));
    let trust = refusal.split("; ").find(|words| words.starts_with("git config "));
    let (why, next) = match trust {
        Some(command) => ("git does not trust the repository", Advice::then("if you do", command.to_owned())),
        None => (
            "the project lies in no git repository",
            Advice::then(
                format!("make it one, and give it a remote, by git remote add {name} URL; {elsewhere}"),
                format!("git{here} init"),
            ),
        ),
    };
    Error::State { message: format!("the state is kept in a git remote, but {why}: {refusal}"), next }
}

/// Returns whether somebody outside of the project names the place of the state.
fn named_outside(ctx: &Context) -> bool {
    ctx.env.get("CASEFILE_STATE_URL").is_some()
}

/// A place elsewhere that the project file alone names gets no credentials, unless somebody outside of it says so.
pub fn allowed(ctx: &Context, place: &str, outside: bool) -> Result<(), Error> {
    const NAME: &str = "CASEFILE_ALLOW_STORE";
    let list = ctx.env.get(NAME).unwrap_or_default();
    let listed = list.split(',').map(str::trim).filter(|p| !p.is_empty()).any(|prefix| {
        place
            .strip_prefix(prefix)
            .is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
    });
    if outside || listed {
        return Ok(());
    }
    Err(Error::State {
        message: format!("casefile.yaml alone names {}: no credentials go there", shown(place)),
        next: Advice::say(format!("if that place is yours: {NAME}={} casefile plan", shown(place))),
    })
}

/// Says whether a repository is on this machine.
fn is_near(url: &str) -> bool {
    match url.split_once("://") {
        Some(("file", _)) => true,
        Some((_, rest)) => is_loopback(rest.split('/').next().unwrap_or_default()),
        None => Path::new(url).is_absolute(),
    }
}

/// The ways that git may go to a repository: never `ext::`, and plain http on this machine alone.
fn protocols(url: &str) -> &'static str {
    if url.starts_with("http://") && is_near(url) { "https:ssh:file:http" } else { "https:ssh:file" }
}

/// The folder for what can be made again.
fn cache_folder(ctx: &Context) -> PathBuf {
    let of = |name: &str| ctx.env.get(name).filter(|v| Path::new(v).is_absolute()).map(PathBuf::from);
    of("CASEFILE_CACHE_DIR")
        .or_else(|| of("XDG_CACHE_HOME"))
        .or_else(|| of("LOCALAPPDATA"))
        .or_else(|| of("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
}
