//! Fetches packages: a link within its quota, the download, the look into it, its place, the record; several at once.
//!
//! The order is what a kill at any point is answered by. A link request is in the journal before it leaves, so that
//! all runs share the quota. A package takes its place before its record is written: one that lies there without a
//! record is compared with a fresh download, and recorded if they are equal. The file beside the package is written
//! last, from the record.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use jiff::SignedDuration;
use tokio::sync::{Mutex as Turn, watch};

use super::error::RunError;
use super::event::{Event, Progress};
use super::fetching::Fetching;
use super::journal_writer::{JournalHandle, JournalWriter, View};
use super::report::{Fetched, Sink};
use super::run::Run;
use crate::defender::{Client, Clock, Endpoint, LONGEST_NAP, Next, PackageLink, ReadError, RetryPolicy};
use crate::evidence::{
    Contents, DownloadError, EvidenceStore, Fault, Held, HeldError, Links, PackageName, Placement,
    Unfinished, blocking, download, look, presence, record_text,
};
use crate::model::{ActionStatus, Address, Call, Kind, Sha256Hex};
use crate::plan::Unread;
use crate::state::{Custody, HeldPackage, Phase, Record, Resource, State, StoreError};

/// A package to fetch.
#[derive(Clone)]
struct Wanted {
    address: Address,
    id: String,
    resource: Resource,
    /// The record of it, if it was held and is not where it was.
    lost: Option<HeldPackage>,
}

/// How long a link is waited for that the service does not have yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Not at all: it is asked for again at the end of the run, which tells of it.
    Now,
    /// As long as [`LINK_TRIES`] takes.
    UntilReady,
}

/// How often the service is asked for a link that it does not have yet, with pauses that double from five seconds up to
/// a minute: some ten minutes in all.
const LINK_TRIES: u32 = 14;
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often a link is asked for in vain for another reason, unless the client waits an outage out.
const FAILURES: u32 = 4;

/// A collection that has been done for longer than this has no package any more, if there is no link to it.
const READY_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// The longest wait for the quota of links: an hour's, and a little for the clocks.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(65);

/// How often something is recorded anew, if others were faster.
const RECORD_TRIES: u32 = 5;

/// How often the progress is told.
const TELL_EVERY: SignedDuration = SignedDuration::from_millis(250);

impl Run<'_> {
    /// Looks how collections stand that still run as far as it is recorded, of those that are asked for. What could not
    /// be read is returned.
    pub async fn look_at_running(
        &mut self,
        asked: &(dyn Fn(&Address, &Resource) -> bool + Sync),
    ) -> Result<Vec<Unread>, RunError> {
        let running = |(a, r): &(&Address, &Resource)| {
            a.kind() == Kind::InvestigationPackage && asked(a, r) && stands(r) == Phase::InProgress
        };
        let running: BTreeSet<Address> =
            self.state().resources.iter().filter(running).map(|(a, _)| a.clone()).collect();
        if running.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.refresh(Some(&running)).await?.unread)
    }

    /// Looks whether the packages that are recorded as held are there, of those that are asked for: this run fetches again
    /// what is gone. Where that cannot be seen, records count.
    pub async fn look_at_held(
        &mut self,
        store: &dyn EvidenceStore,
        asked: &(dyn Fn(&Address, &Resource) -> bool + Sync),
    ) {
        let chosen = self.state().resources.iter().filter(|(a, r)| asked(a, r));
        let packages: Vec<HeldPackage> = chosen.flat_map(|(_, r)| r.packages.iter().cloned()).collect();
        match presence(store, packages.iter()).await {
            Ok(held) => {
                self.held =
                    held.into_iter().map(|(file, held)| ((store.name().to_owned(), file), held)).collect()
            }
            Err(e) => tracing::warn!("whether packages are there is not known: {e}"),
        }
    }

    /// Fetches packages while other collections run: those that there are links to now, each tried once. What fails is
    /// told, and tried again at the end of the run.
    pub(super) async fn fetch_ready(
        &mut self,
        planned: &BTreeSet<Address>,
        tried: &mut BTreeSet<Address>,
    ) -> Result<(), RunError> {
        let Some(fetching) = self.meanwhile.clone() else { return Ok(()) };
        let quotas = self.client.quotas();
        if quotas.next(Endpoint::PackageUri) != Next::Now {
            return Ok(());
        }
        let links = quotas.limits(Endpoint::PackageUri).per_minute.map_or(usize::MAX, |n| n as usize);
        let asked = |a: &Address, _: &Resource| planned.contains(a) && !tried.contains(a);
        // What is gone is told at the end of the run.
        let mut wanted = wanted(self.state(), &asked, &BTreeMap::new(), &mut Sorted::default());
        wanted.truncate(links);
        let now: BTreeSet<Address> = wanted.into_iter().map(|w| w.address).collect();
        self.fetch_these(&fetching, &|address, _| now.contains(address), Patience::Now).await?;
        tried.extend(now);
        Ok(())
    }

    /// Fetches the packages of the collections that are done and asked for.
    ///
    /// # Errors
    /// The journal cannot be written, or no token can be had. What a single package lacks is in the result.
    pub async fn fetch(
        &mut self,
        fetching: &Fetching,
        asked: &(dyn Fn(&Address, &Resource) -> bool + Sync),
    ) -> Result<Fetched, RunError> {
        self.fetch_these(fetching, asked, Patience::UntilReady).await
    }

    async fn fetch_these(
        &mut self,
        fetching: &Fetching,
        asked: &(dyn Fn(&Address, &Resource) -> bool + Sync),
        patience: Patience,
    ) -> Result<Fetched, RunError> {
        let mut sorted = Sorted::default();
        let wanted = wanted(self.state(), asked, &self.held, &mut sorted);
        let mut result = Fetched { held: sorted.held, ..Fetched::default() };
        for (address, id) in sorted.altered {
            let why = "it is held, and its file has another length than was recorded; nothing is replaced: casefile verify \
                       says more";
            let (at, why) = (self.clock.now(), why.to_owned());
            self.emit(Event::FetchFailed { at, address: address.clone(), id, why, later: false });
            result.failed.push(address);
        }
        if wanted.is_empty() || self.stopped() {
            result.interrupted = self.stopped();
            return Ok(result);
        }
        self.begin().await?;
        self.count_spent().await;
        let (journal, service) = JournalWriter::handle();
        let no_retries = RetryPolicy { retries: 0, reconnects: 0, timeouts: 0, ..self.client.patience() };
        let giving_up = Arc::new(AtomicBool::new(false));
        let work = Work {
            client: self.client.clone(),
            links: self.client.clone().with_patience(no_retries),
            journal,
            clock: self.clock.clone(),
            sink: self.sink.clone(),
            tool: self.options.tool.clone(),
            fetching,
            patience,
            turn: Turn::new(()),
            giving_up: giving_up.clone(),
            came: self.came.clone(),
            told: Mutex::new(Told::new(wanted.len(), self.clock.now())),
        };
        let stop = self.stop.clone();
        let all = async move {
            let ended = work.all(wanted, &stop).await;
            // The handle goes with it, and the service ends.
            drop(work);
            ended
        };
        let halt = giving_up.clone();
        let serve = self.journal.serve(service, move || halt.store(true, Ordering::Relaxed));
        let (ended, ()) = futures::future::join(all, serve).await;
        giving_up.store(true, Ordering::Relaxed);
        for (address, end) in ended {
            match end {
                End::Held => result.fetched.push(address),
                End::HeldAgain => result.restored.push(address),
                End::HeldAlready => result.held += 1,
                End::Failed => result.failed.push(address),
                End::NotReady => result.not_ready.push(address),
                End::Stopped => result.interrupted = true,
            }
        }
        result.fetched.sort();
        result.restored.sort();
        result.failed.sort();
        result.not_ready.sort();
        match self.journal.failure() {
            Some(e) => Err(e.clone().into()),
            None => Ok(result),
        }
    }
}

/// The phase that a resource has or, once its manifest is gone, had.
fn stands(r: &Resource) -> Phase {
    r.released_from.unwrap_or(r.phase)
}

/// The packages that are asked for and not to be fetched.
#[derive(Default)]
struct Sorted {
    /// How many are held.
    held: usize,
    /// Those in whose place is something else.
    altered: Vec<(Address, String)>,
}

/// The packages that are asked for and not held. `looked` is what was seen of those that are recorded as held, by place and
/// name.
fn wanted(
    state: &State,
    asked: &(dyn Fn(&Address, &Resource) -> bool + Sync),
    looked: &BTreeMap<(String, String), Held>,
    sorted: &mut Sorted,
) -> Vec<Wanted> {
    let mut out = Vec::new();
    for (address, r) in state.resources.iter().filter(|(a, r)| asked(a, r)) {
        let Some(id) = r.id.as_ref().filter(|_| address.kind() == Kind::InvestigationPackage) else {
            continue;
        };
        if stands(r) != Phase::Succeeded {
            continue;
        }
        let held = r.package(id);
        match held.and_then(|p| looked.get(&(p.store.clone(), p.file.clone()))) {
            Some(Held::OtherLength) => sorted.altered.push((address.clone(), id.clone())),
            None | Some(Held::There | Held::NotLooked) if held.is_some() => sorted.held += 1,
            _ => {
                let lost = held.cloned();
                out.push(Wanted { address: address.clone(), id: id.clone(), resource: r.clone(), lost });
            }
        }
    }
    out
}

/// How one package ended.
enum End {
    Held,
    /// It was held before, and is back in its place.
    HeldAgain,
    /// Another run that shares the state was faster.
    HeldAlready,
    Failed,
    NotReady,
    Stopped,
}

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// In words for a person.
    #[error("{0}")]
    Final(String),
    /// The service does not have it yet.
    #[error("{0}")]
    Later(String),
    /// The journal cannot be written: nothing goes on.
    #[error("the journal cannot be written")]
    Journal,
}

/// The progress that is told while packages come.
struct Told {
    all: usize,
    done: usize,
    /// The bytes that are there of each package, and how many there will be.
    bytes: BTreeMap<Address, (u64, u64)>,
    /// Bytes that came in this run.
    came: u64,
    began: jiff::Timestamp,
    last: jiff::Timestamp,
    /// How many links are still needed.
    links: usize,
}

impl Told {
    fn new(all: usize, now: jiff::Timestamp) -> Self {
        Told { all, done: 0, bytes: BTreeMap::new(), came: 0, began: now, last: now, links: all }
    }
}

/// The parts that all packages of a run share.
struct Work<'a> {
    client: Client,
    /// Asks for each link once: every request for one is recorded first.
    links: Client,
    /// A package came in this run: if none does now, its host is down.
    came: Arc<AtomicBool>,
    journal: JournalHandle,
    clock: Clock,
    sink: Sink,
    tool: String,
    fetching: &'a Fetching,
    patience: Patience,
    /// Held by whoever asks for a link: two at once would take each other for somebody else's use of the quota.
    turn: Turn<()>,
    /// Ends the looks into packages that other threads make.
    giving_up: Arc<AtomicBool>,
    told: Mutex<Told>,
}

impl Work<'_> {
    async fn all(&self, wanted: Vec<Wanted>, stop: &watch::Receiver<bool>) -> Vec<(Address, End)> {
        let one = |wanted: Wanted| async move {
            let mut stop = stop.clone();
            let end = tokio::select! {
                biased;
                _ = stop.wait_for(|s| *s) => {
                    self.giving_up.store(true, Ordering::Relaxed);
                    End::Stopped
                }
                end = self.one(&wanted) => end,
            };
            self.told(|told| told.done += 1);
            (wanted.address, end)
        };
        let at_once = self.fetching.parallelism.max(1);
        futures::stream::iter(wanted).map(one).buffer_unordered(at_once).collect().await
    }

    fn emit(&self, event: Event) {
        (self.sink)(Progress::Event(event));
    }

    /// Changes what is told, and tells it now and then.
    fn told(&self, change: impl FnOnce(&mut Told)) {
        let now = self.clock.now();
        let progress = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut told);
            if now.duration_since(told.last) < TELL_EVERY && told.done < told.all {
                return;
            }
            told.last = now;
            let millis = now.duration_since(told.began).as_millis();
            let per_second = u128::from(told.came) * 1000 / u128::try_from(millis.max(1)).unwrap_or(1);
            Progress::Fetching {
                done: told.done,
                all: told.all,
                bytes: told.bytes.values().map(|b| b.0).sum(),
                total: told.bytes.values().map(|b| b.1).sum(),
                speed: u64::try_from(per_second).unwrap_or(u64::MAX),
                links: self.last_link(told.links, now),
            }
        };
        (self.sink)(progress);
    }

    /// When the last of so many links can be had, if that is not now.
    fn last_link(&self, links: usize, now: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let quotas = self.client.quotas();
        let a_minute = i64::from(quotas.limits(Endpoint::PackageUri).per_minute?.max(1));
        let first = match quotas.next(Endpoint::PackageUri) {
            Next::At(at) => at,
            Next::Now | Next::AfterAnAnswer => now,
        };
        let minutes = (i64::try_from(links).ok()? - 1).max(0) / a_minute;
        let last = first.saturating_add(SignedDuration::from_mins(minutes)).ok()?;
        (links > 0 && last > now).then_some(last)
    }

    async fn one(&self, wanted: &Wanted) -> End {
        let Wanted { address, id, .. } = wanted;
        let (why, later) = match self.fetch(wanted).await {
            Ok(end) => return end,
            Err(Trouble::Journal) => return End::Failed,
            Err(Trouble::Final(why)) => (why, false),
            Err(Trouble::Later(why)) => (why, true),
        };
        let why = match &wanted.lost {
            Some(lost) => format!("{} is held, and not there; it cannot be fetched again: {why}", lost.file),
            None => why,
        };
        if later && self.patience == Patience::Now {
            return End::NotReady;
        }
        let (address, id) = (address.clone(), id.clone());
        self.emit(Event::FetchFailed { at: self.clock.now(), address, id, why, later });
        if later { End::NotReady } else { End::Failed }
    }

    /// The name that a package gets, or that it had.
    fn name(wanted: &Wanted) -> Result<PackageName, Trouble> {
        let Wanted { address, id, resource, lost } = wanted;
        if let Some(name) = lost.as_ref().and_then(|lost| PackageName::parse(&lost.file)) {
            return Ok(name);
        }
        let machine = resource.computer_dns_name.as_deref().unwrap_or_default();
        PackageName::new(address, machine, resource.created_at.as_ref(), id)
            .map_err(|e| Trouble::Final(e.to_string()))
    }

    /// Fetches one package, unless another run has recorded it meanwhile.
    async fn fetch(&self, wanted: &Wanted) -> Result<End, Trouble> {
        let Wanted { address, id, .. } = wanted;
        let store = &self.fetching.store;
        let name = Self::name(wanted)?;
        let unfinished = self.unfinished(&name).await?;
        let began = self.clock.now();
        self.emit(Event::Fetching {
            at: began,
            address: address.clone(),
            id: id.clone(),
            file: name.file(),
            resumed: unfinished.length(),
        });
        let unfinished = self.complete(wanted, unfinished).await?;
        let ended = self.clock.now();
        let (unfinished, contents) = self.accept(&name, unfinished).await?;
        let (size, sha256) = (unfinished.length(), unfinished.sha256());
        // Its record stays that of the first download, so what takes its place has to be what that record says.
        if let Some(lost) = wanted.lost.as_ref().filter(|lost| lost.sha256 != sha256) {
            let aside = store.set_aside(&name, unfinished).await.map_err(unwritable)?;
            let recorded = lost.sha256;
            return Err(Trouble::Final(format!(
                "the service gives another package than the one with the SHA-256 {recorded}: that is kept as {aside}"
            )));
        }
        if let Placement::Taken(unfinished) = store.place(&name, unfinished).await.map_err(unwritable)? {
            self.compare(&name, *unfinished).await?;
        }
        if wanted.lost.is_some() {
            self.tell_held(wanted, &name, size, sha256);
            return Ok(End::HeldAgain);
        }
        let custody = self.custody(wanted, &name, size, sha256, contents, (began, ended));
        if !self.record_held(&custody).await? {
            // The file beside the package is that run's, too: it is written from the record.
            return Ok(End::HeldAlready);
        }
        let json = record_text(&custody);
        match store.write_record(&name, json.into_bytes()).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("{address}: {} says something else than the journal", name.record()),
            Err(e) => tracing::warn!("{address}: the custody record was not written beside the package: {e}"),
        }
        self.tell_held(wanted, &name, size, sha256);
        Ok(End::Held)
    }

    fn tell_held(&self, wanted: &Wanted, name: &PackageName, size: u64, sha256: Sha256Hex) {
        self.emit(Event::Fetched {
            at: self.clock.now(),
            address: wanted.address.clone(),
            id: wanted.id.clone(),
            store: self.fetching.store.name().to_owned(),
            file: name.file(),
            size,
            sha256,
        });
    }

    /// Opens what is there of a package.
    async fn unfinished(&self, name: &PackageName) -> Result<Unfinished, Trouble> {
        let (folder, of) = (self.fetching.store.downloads().clone(), name.clone());
        let opened = blocking(move || folder.unfinished(&of)).await;
        opened.map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => Trouble::Later(e.to_string()),
            _ => unwritable(e),
        })
    }

    /// Downloads what is missing of a package, and tells how far it is.
    async fn complete(&self, wanted: &Wanted, mut unfinished: Unfinished) -> Result<Unfinished, Trouble> {
        if unfinished.length() > 0 {
            unfinished = blocking(move || {
                unfinished.hash_what_is_there()?;
                Ok(unfinished)
            })
            .await
            .map_err(unwritable)?;
        }
        let seen = Mutex::new(unfinished.length());
        let tell = |asked: crate::evidence::Asked| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let came = asked.done.saturating_sub(*seen);
            *seen = asked.done;
            self.told(|told| {
                told.came += came;
                let total = asked.total.unwrap_or(asked.done);
                told.bytes.insert(wanted.address.clone(), (asked.done, total));
            });
        };
        let links = LinkSource { work: self, wanted, asked: AtomicBool::new(false) };
        let downloads = &*self.fetching.downloads;
        let down = self.came.load(Ordering::Relaxed) && self.client.patience().outage > Duration::ZERO;
        let limits = self.fetching.limits;
        let limits = if down { limits.through_outages() } else { limits };
        match download(&mut unfinished, &links, downloads, limits, &tell).await {
            Ok(()) => {
                self.came.store(true, Ordering::Relaxed);
                Ok(unfinished)
            }
            Err(DownloadError::Link(trouble)) => Err(trouble),
            Err(e @ DownloadError::NoPackage(_)) => {
                let _ = unfinished.discard();
                Err(Trouble::Final(e.to_string()))
            }
            Err(e) => Err(Trouble::Final(e.to_string())),
        }
    }

    /// Looks into what came. What is no package is thrown away, and what cannot be held as evidence is set aside.
    async fn accept(
        &self,
        name: &PackageName,
        unfinished: Unfinished,
    ) -> Result<(Unfinished, Contents), Trouble> {
        let (unfinished, contents) = self.look_into(unfinished).await?;
        let why = match contents {
            Ok(contents) => return Ok((unfinished, contents)),
            Err(fault) if fault.is_worthless() => {
                let _ = unfinished.discard();
                format!("what came is no package: {fault}")
            }
            Err(fault @ (Fault::Io(_) | Fault::Stopped)) => fault.to_string(),
            Err(fault) => {
                let aside = self.fetching.store.set_aside(name, unfinished).await.map_err(unwritable)?;
                format!("what came is not held as evidence: {fault}; kept as {aside}")
            }
        };
        Err(Trouble::Final(why))
    }

    /// Looks into a package on another thread: it takes as long as reading it does.
    async fn look_into(
        &self,
        unfinished: Unfinished,
    ) -> Result<(Unfinished, Result<Contents, Fault>), Trouble> {
        let stop = self.giving_up.clone();
        blocking(move || {
            let contents = match unfinished.reader() {
                Ok(file) => look(file, unfinished.length(), &stop),
                Err(e) => Err(e.into()),
            };
            Ok((unfinished, contents))
        })
        .await
        .map_err(unwritable)
    }

    /// A file has the package's name, and no record speaks of it: a run was killed between the two, or somebody put it
    /// there. Only what is equal to the download is recorded.
    async fn compare(&self, name: &PackageName, unfinished: Unfinished) -> Result<(), Trouble> {
        let store = &self.fetching.store;
        let there = store.hash(name).await.map_err(unwritable)?;
        if there.is_some_and(|(_, there)| there == unfinished.sha256()) {
            return unfinished.discard().map_err(unwritable);
        }
        let aside = store.set_aside(name, unfinished).await.map_err(unwritable)?;
        Err(Trouble::Final(format!(
            "{} is there already, is in no record, and is not what the service gives: that is kept as {aside}",
            name.file()
        )))
    }

    fn custody(
        &self,
        wanted: &Wanted,
        name: &PackageName,
        size: u64,
        sha256: Sha256Hex,
        contents: Contents,
        (began, ended): (jiff::Timestamp, jiff::Timestamp),
    ) -> Custody {
        let Wanted { address, id, resource: r, .. } = wanted;
        let (machine_id, comment) = match r.sent.call() {
            Some(Call::Collect { machine_id, comment, .. }) => (Some(machine_id.to_string()), Some(comment)),
            _ => (None, None),
        };
        let manifest = address.group().unwrap_or_else(|| address.clone());
        let manifests = &self.fetching.manifests;
        Custody {
            address: address.clone(),
            action_id: id.clone(),
            machine_id,
            machine_name: r.computer_dns_name.clone(),
            requestor: r.requestor.clone().into_inner(),
            comment,
            requested_at: r.created_at.clone(),
            finished_at: r.updated_at.clone(),
            download_began: began,
            download_ended: ended,
            store: self.fetching.store.name().to_owned(),
            file: name.file(),
            size,
            sha256,
            entries: contents.entries,
            unchecked: contents.unchecked,
            tool: self.tool.clone(),
            by: self.fetching.by.clone(),
            request: r.digest,
            plan: r.asked.as_ref().map(|a| a.plan),
            manifest: manifests.get(address).or_else(|| manifests.get(&manifest)).copied(),
            commit: self.fetching.commit.clone(),
        }
    }

    /// Records something, again if others were faster.
    async fn record(&self, record: Record) -> Result<(), Trouble> {
        for _ in 0..RECORD_TRIES {
            let record = record.clone();
            let written = self.journal.record(move |_| vec![record]).await;
            if !written.map_err(|_: Arc<StoreError>| Trouble::Journal)?.is_empty() {
                return Ok(());
            }
        }
        Err(overtaken())
    }

    /// Records that a package is held; false if another run that shares the state has recorded it meanwhile.
    async fn record_held(&self, custody: &Custody) -> Result<bool, Trouble> {
        let is_held = Arc::new(AtomicBool::new(false));
        let make = || {
            let (custody, is_held) = (custody.clone(), is_held.clone());
            move |view: &View<'_>| {
                let held = view.resource(&custody.address).and_then(|r| r.package(&custody.action_id));
                is_held.store(held.is_some(), Ordering::Relaxed);
                if held.is_some() { Vec::new() } else { vec![Record::Fetched(Box::new(custody))] }
            }
        };
        for _ in 0..RECORD_TRIES {
            let written = self.journal.record(make()).await.map_err(|_| Trouble::Journal)?;
            if !written.is_empty() {
                return Ok(true);
            }
            if is_held.load(Ordering::Relaxed) {
                return Ok(false);
            }
        }
        Err(overtaken())
    }

    /// Waits until the quota has a link.
    async fn wait_for_quota(&self) -> Result<(), Trouble> {
        loop {
            let now = self.clock.now();
            let wait = match self.client.quotas().next(Endpoint::PackageUri) {
                Next::Now => return Ok(()),
                Next::AfterAnAnswer => Duration::from_secs(1),
                Next::At(until) => {
                    if until.duration_since(now) > LONGEST_WAIT {
                        let why = format!("the service gives no link before {until}");
                        return Err(Trouble::Later(why));
                    }
                    let quota = Endpoint::PackageUri.quota_name();
                    (self.sink)(Progress::WaitingForQuota { quota, until });
                    Duration::try_from(until.duration_since(now)).unwrap_or_default()
                }
            };
            tokio::time::sleep(wait.min(LONGEST_NAP)).await;
        }
    }

    /// Asks for a link once, within the quota and the journal.
    async fn ask(&self, wanted: &Wanted) -> Result<Result<Option<PackageLink>, ReadError>, Trouble> {
        let _turn = self.turn.lock().await;
        if self.giving_up.load(Ordering::Relaxed) {
            return Err(Trouble::Journal);
        }
        self.wait_for_quota().await?;
        let (address, id) = (wanted.address.clone(), wanted.id.clone());
        self.record(Record::LinkRequested { address, id }).await?;
        Ok(self.links.package_link(&wanted.id).await)
    }

    /// There is no link to a package: whether there will be one.
    async fn without_link(&self, wanted: &Wanted) -> Trouble {
        let action = match self.client.get_action(&wanted.id).await {
            Ok(action) => action,
            Err(e) => {
                return Trouble::Final(format!("the service has no link to it, and does not say why: {e}"));
            }
        };
        let Some(action) = action else {
            return Trouble::Final(
                "the service knows neither the package nor the collection any more: it has kept them for as long as it does"
                    .to_owned(),
            );
        };
        if action.status != ActionStatus::Succeeded {
            return Trouble::Final(format!("the collection is {} by now", action.status));
        }
        let done = action.last_update_date_time_utc.or(action.creation_date_time_utc);
        let age = done.map(|done| self.clock.now().duration_since(done.instant()));
        match age.filter(|age| *age > READY_WITHIN) {
            Some(age) => Trouble::Final(format!(
                "the service has no package of it any more: the collection was done {} days ago, and packages are kept for a time only",
                age.as_hours() / 24
            )),
            None => Trouble::Later(
                "the service has no link to it yet, although the collection is done".to_owned(),
            ),
        }
    }
}

/// The links to one package.
struct LinkSource<'a> {
    work: &'a Work<'a>,
    wanted: &'a Wanted,
    /// The first one was asked for.
    asked: AtomicBool,
}

#[async_trait]
impl Links<Trouble> for LinkSource<'_> {
    async fn link(&self) -> Result<PackageLink, Trouble> {
        let (mut pause, mut failures, mut failing) = (FIRST_PAUSE, 0, None);
        let mut last = Trouble::Later("the service gives no link to it".to_owned());
        for _ in 0..LINK_TRIES {
            let answer = self.work.ask(self.wanted).await?;
            if !self.asked.swap(true, Ordering::Relaxed) {
                self.work.told(|told| told.links = told.links.saturating_sub(1));
            }
            last = match answer {
                Ok(Some(link)) => return Ok(link),
                Ok(None) => match self.work.without_link(self.wanted).await {
                    later @ Trouble::Later(_) if self.work.patience == Patience::UntilReady => later,
                    other => return Err(other),
                },
                Err(e @ (ReadError::Auth(_) | ReadError::Refused(_))) => {
                    return Err(Trouble::Final(format!("no link: {}", e.in_full())));
                }
                Err(e) => {
                    failures += 1;
                    let now = self.work.clock.now();
                    let since = *failing.get_or_insert(now);
                    let lasting = e.cause(Endpoint::PackageUri, now).is_lasting();
                    let trouble = Trouble::Final(format!("no link: {e}"));
                    if lasting || failures >= FAILURES && !self.work.client.outlasts(since) {
                        return Err(trouble);
                    }
                    trouble
                }
            };
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(last)
    }
}

fn overtaken() -> Trouble {
    Trouble::Final("others write to the state all the time; it was not recorded".to_owned())
}

fn unwritable(e: impl Into<HeldError>) -> Trouble {
    match e.into() {
        HeldError::Disk(e) => Trouble::Final(DownloadError::<String>::Disk(e).to_string()),
        e @ HeldError::Refused { next, .. } => Trouble::Final(format!("it cannot be held: {e}; {next}")),
        e @ HeldError::Unreachable { .. } => Trouble::Final(format!("it cannot be held: {e}")),
    }
}
