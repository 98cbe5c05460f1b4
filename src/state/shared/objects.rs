//! A state in object storage: one object an append, put under the number of its first record where no object is yet.
//!
//! `PREFIX/journal/<20 digits>.jsonl` are the journal, and never written again: buckets that forbid it are fine.
//! `PREFIX/state.json` and `PREFIX/recent.jsonl`, the snapshot and the lines of the hour before it, are replaced by their
//! ETags. They are shortcuts: without them the whole journal is read. Reading what has not changed takes four requests,
//! however long the history: these two, the list of what comes behind them, and the object that the snapshot ends with.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion,
};

use super::object_fault::{ANOTHER_STORE, Fault, fault, patiently};
use super::reading::first_mark;
use super::remote::{GATHER, Now, REPEATS, pause};
use super::{Pace, Put, Remote, Segment, StoreError, Tip};
use crate::model::location::Bucket;
use crate::state::exchange::Seq;
use crate::state::journal::Reader;

/// How long one request may take.
pub const BOUND: Duration = Duration::from_secs(20);

/// How many objects are read at once.
const AT_ONCE: usize = 16;

/// The longest object that is read.
const MAX_OBJECT: u64 = 256 << 20;

/// Where `state.json` says with which record its last segment begins.
const SEGMENT: &str = "segment";

/// Objects below a prefix.
#[derive(Clone)]
pub struct ObjectRemote {
    store: Arc<dyn ObjectStore>,
    place: String,
    prefix: String,
    state: Path,
    recent: Path,
    now: Now,
    known: Option<Known>,
    /// The versions of `state.json` and `recent.jsonl` that were read or written last.
    versions: (Option<UpdateVersion>, Option<UpdateVersion>),
    /// The store was seen to refuse an object that is there.
    proven: bool,
}

/// The place as it was read or appended to last.
#[derive(Clone)]
struct Known {
    tip: Tip,
    /// The first record of the last segment.
    last: Seq,
    /// The number behind the last record.
    next: Seq,
}

/// An object that was read.
struct Got {
    bytes: Vec<u8>,
    version: UpdateVersion,
    segment: Option<Seq>,
}

/// How a put of a new object ended.
enum Created {
    Done,
    Taken,
    Unknown(String),
}

impl ObjectRemote {
    /// Takes a bucket's prefix for a state. Nothing is asked yet. Repetitions of the store's client have to be off.
    pub fn new(store: Arc<dyn ObjectStore>, bucket: &Bucket, now: Now) -> Self {
        ObjectRemote {
            store,
            place: bucket.to_string(),
            prefix: bucket.prefix.clone(),
            state: below(&bucket.snapshot, "state.json"),
            recent: below(&bucket.snapshot, "recent.jsonl"),
            now,
            known: None,
            versions: (None, None),
            proven: false,
        }
    }

    fn folder(&self) -> Path {
        below(&self.prefix, "journal")
    }

    /// The object that begins with a record.
    fn segment(&self, first: Seq) -> Path {
        below(&self.prefix, &format!("journal/{first:020}.jsonl"))
    }

    fn unfit(&self, why: impl Into<String>, next: &'static str) -> StoreError {
        StoreError::Unfit { place: self.place.clone(), why: why.into(), next }
    }

    fn unreachable(&self, why: String) -> StoreError {
        StoreError::Unreachable { place: self.place.clone(), why }
    }

    /// The error of a request that needed something to be there.
    fn failed(&self, fault: Fault) -> StoreError {
        match fault {
            Fault::Absent(why) => {
                self.unfit(why, "create the bucket or container, or name another one in state.url")
            }
            Fault::Refused { why, next } => self.unfit(why, next),
            Fault::Taken => self.unreachable("somebody else changes it at this moment".to_owned()),
            Fault::Passing(why) => self.unreachable(why),
        }
    }

    /// Reads an object, if it is there.
    async fn get(&self, path: &Path) -> Result<Option<Got>, StoreError> {
        let once = async || {
            let result = self.store.get(path).await?;
            let version =
                UpdateVersion { e_tag: result.meta.e_tag.clone(), version: result.meta.version.clone() };
            let segment = result.attributes.get(&Attribute::Metadata(SEGMENT.into()));
            let segment = segment.and_then(|v| v.parse().ok());
            let size = result.meta.size;
            let bytes = if size > MAX_OBJECT { Vec::new() } else { result.bytes().await?.into() };
            Ok((Got { bytes, version, segment }, size))
        };
        match patiently(|| once().boxed()).await {
            Ok((_, size)) if size > MAX_OBJECT => Err(self.unfit(
                format!("{path} is longer than {} MiB: it is no part of a state", MAX_OBJECT >> 20),
                "name another prefix in state.url",
            )),
            Ok((got, _)) => Ok(Some(got)),
            Err(Fault::Absent(_)) => Ok(None),
            Err(fault) => Err(self.failed(fault)),
        }
    }

    /// The first records of the segments that begin with `from` or later, in order.
    async fn list(&self, from: Seq) -> Result<Vec<Seq>, StoreError> {
        let folder = self.folder();
        let before = self.segment(from.saturating_sub(1));
        let once = async || {
            let names = match from {
                0 | 1 => self.store.list(Some(&folder)),
                _ => self.store.list_with_offset(Some(&folder), &before),
            };
            let first = |name: &str| {
                let digits = name.strip_suffix(".jsonl").filter(|d| d.len() == 20)?;
                digits.parse::<Seq>().ok()
            };
            let names = names.try_filter_map(async |o| Ok(o.location.filename().and_then(first)));
            names.try_collect::<Vec<Seq>>().await
        };
        let mut found = patiently(|| once().boxed()).await.map_err(|f| self.failed(f))?;
        found.sort_unstable();
        Ok(found)
    }

    /// Reads segments, and checks that each begins with the record that it is named by.
    async fn read_segments(&self, firsts: &[Seq]) -> Result<Vec<Vec<u8>>, StoreError> {
        let read = |first: Seq| async move {
            let path = self.segment(first);
            let got = self.get(&path).await?;
            let other = |why: String| StoreError::Rewritten { place: self.place.clone(), why };
            let got = got.ok_or_else(|| other(format!("{path} was listed, and is gone")))?;
            match first_mark(&got.bytes)?.seq + 1 {
                seq if seq == first => Ok(got.bytes),
                seq => Err(other(format!("{path} begins with record {seq}"))),
            }
        };
        futures::stream::iter(firsts.iter().copied().map(read)).buffered(AT_ONCE).try_collect().await
    }

    /// Reads what is there.
    async fn read_whole(&mut self) -> Result<Option<Known>, StoreError> {
        let (state, recent) = futures::try_join!(self.get(&self.state), self.get(&self.recent))?;
        self.versions =
            (state.as_ref().map(|g| g.version.clone()), recent.as_ref().map(|g| g.version.clone()));
        let from = state.as_ref().and_then(|g| g.segment).unwrap_or(1);
        let snapshot = state.map(|g| g.bytes);
        let recent = recent.map(|g| g.bytes).unwrap_or_default();
        let mut firsts = self.list(from).await?;
        let mut segments = self.read_segments(&firsts).await?;
        let mut journal = Vec::new();
        if from > 1 && firsts.first() == Some(&from) {
            match lines_before(&recent, from, &segments[0]) {
                Some(lines) => journal = lines,
                None => {
                    // They are of another time: what the hour has cost is in the journal alone.
                    firsts = self.list(1).await?;
                    segments = self.read_segments(&firsts).await?;
                }
            }
        }
        let last = firsts.last().copied().unwrap_or(from);
        let next = last + segments.last().map_or(0, |lines| count(lines));
        journal.extend(segments.into_iter().flatten());
        let nothing = snapshot.is_none() && journal.is_empty();
        Ok((!nothing).then_some(Known { tip: Tip { snapshot, journal }, last, next }))
    }

    /// Reads what has come behind what is known.
    async fn read_on(&self, mut known: Known) -> Result<Known, StoreError> {
        let firsts = self.list(known.next).await?;
        for (first, lines) in firsts.iter().zip(self.read_segments(&firsts).await?) {
            known.last = *first;
            known.next = first + count(&lines);
            known.tip.journal.extend(lines);
        }
        Ok(known)
    }

    /// Puts an object where none is.
    async fn create(&self, path: &Path, bytes: &[u8]) -> Result<Created, StoreError> {
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(path, bytes.to_vec().into(), options).await.map_err(|e| fault(&e)) {
            Ok(_) => Ok(Created::Done),
            Err(Fault::Taken) => Ok(Created::Taken),
            Err(Fault::Passing(why)) => Ok(Created::Unknown(why)),
            Err(fault) => Err(self.failed(fault)),
        }
    }

    /// Puts an object again that is there: a store that takes it would take two runs' records, too.
    async fn prove(&mut self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut last = String::new();
        for n in 0..=REPEATS {
            match self.create(path, bytes).await? {
                Created::Taken => {
                    self.proven = true;
                    return Ok(());
                }
                Created::Done => {
                    return Err(self.unfit(
                        format!(
                            "it took {path} twice: it does not hold to `If-None-Match: *`, so two runs could write at once"
                        ),
                        ANOTHER_STORE,
                    ));
                }
                Created::Unknown(why) => last = why,
            }
            pause(n).await;
        }
        Err(self.unreachable(last))
    }

    /// Replaces the shortcuts. Somebody else may have done so meanwhile: then they are left as they are.
    async fn save(&mut self, snapshot: &[u8], recent: &[u8], last: Seq) {
        let mode = |version: &Option<UpdateVersion>| match version {
            Some(version) => PutMode::Update(version.clone()),
            None => PutMode::Create,
        };
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::Metadata(SEGMENT.into()), last.to_string().into());
        let put = async |path: &Path, bytes: &[u8], options: PutOptions| {
            let put = self.store.put_opts(path, bytes.to_vec().into(), options).await;
            put.map(|put| Some(UpdateVersion { e_tag: put.e_tag, version: put.version }))
        };
        let saved = async {
            let options = PutOptions::from(mode(&self.versions.1));
            let recent = put(&self.recent, recent, options).await?;
            let options = PutOptions { mode: mode(&self.versions.0), attributes, ..PutOptions::default() };
            Ok((put(&self.state, snapshot, options).await?, recent))
        };
        match saved.await.map_err(|e: object_store::Error| fault(&e)) {
            Ok(versions) => self.versions = versions,
            Err(Fault::Taken) => tracing::debug!("{}: another run has written the snapshot", self.place),
            Err(fault) => tracing::warn!(
                "the snapshot is not up to date, so that the next run reads more: {}",
                self.failed(fault)
            ),
        }
    }
}

/// A name below a prefix, which may be empty.
fn below(prefix: &str, name: &str) -> Path {
    Path::from(format!("{prefix}/{name}"))
}

fn count(lines: &[u8]) -> Seq {
    lines.iter().filter(|b| **b == b'\n').count() as Seq
}

/// Returns those lines of the last hour that stand before a segment; none if they do not lead to it.
fn lines_before(recent: &[u8], from: Seq, segment: &[u8]) -> Option<Vec<u8>> {
    let begin = first_mark(recent).ok()?;
    let mut reader = Reader::resume(recent, begin);
    while reader.mark().seq + 1 < from {
        reader.next()?.ok()?;
    }
    let mark = reader.mark();
    let lines = usize::try_from(mark.bytes - begin.bytes).ok()?;
    // Those that begin with the segment or later have nothing to add.
    let joins = mark.seq + 1 > from || mark.head == first_mark(segment).ok()?.head;
    joins.then(|| recent[..lines].to_vec())
}

#[async_trait]
impl Remote for ObjectRemote {
    fn place(&self) -> String {
        self.place.clone()
    }

    async fn read(&mut self) -> Result<Option<Tip>, StoreError> {
        self.known = match self.known.take() {
            Some(known) => Some(self.read_on(known).await?),
            None => self.read_whole().await?,
        };
        Ok(self.known.as_ref().map(|k| k.tip.clone()))
    }

    async fn history(&mut self) -> Result<Option<Tip>, StoreError> {
        let state = self.get(&self.state).await?;
        let firsts = self.list(1).await?;
        let journal = self.read_segments(&firsts).await?.concat();
        let snapshot = state.map(|g| g.bytes);
        let nothing = snapshot.is_none() && journal.is_empty();
        Ok((!nothing).then_some(Tip { snapshot, journal }))
    }

    async fn append(&mut self, segment: &Segment<'_>) -> Result<Put, StoreError> {
        let mut known = self.known.clone().unwrap_or(Known { tip: Tip::default(), last: 1, next: 1 });
        if !segment.lines.is_empty() {
            let path = self.segment(segment.first);
            match self.create(&path, segment.lines).await? {
                Created::Done => {}
                Created::Taken => {
                    self.proven = true;
                    return Ok(Put::Raced);
                }
                Created::Unknown(why) => return Ok(Put::Unknown(why)),
            }
            if !self.proven {
                self.prove(&path, segment.lines).await?;
            }
            known.last = segment.first;
            known.next = segment.first + count(segment.lines);
            known.tip.journal = segment.journal.to_vec();
        }
        if let Some(snapshot) = segment.snapshot {
            self.save(snapshot, segment.journal, known.last).await;
            // Whoever has written what lies there: the lines at hand go on from this one.
            known.tip.snapshot = Some(snapshot.to_vec());
            known.tip.journal = segment.journal.to_vec();
        }
        self.known = Some(known);
        Ok(Put::Done)
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        let path = below(&self.prefix, &format!("scratch/{}", (self.now)().as_nanosecond()));
        let made = self.create(&path, b"a probe\n").await?;
        if let Created::Unknown(why) = made {
            return Err(self.unreachable(why));
        }
        let proven = self.prove(&path, b"a probe\n").await;
        // Where nothing may be deleted it stays, and harms nothing.
        drop(self.store.delete(&path).await);
        proven
    }

    fn pace(&self) -> Pace {
        Pace { interval: Duration::ZERO, bound: BOUND }
    }

    fn next_append(&self) -> Option<Timestamp> {
        let now = (self.now)();
        Some(now.saturating_add(GATHER).unwrap_or(now))
    }
}
