//! A state that several runs share: one hash-chained sequence of records at a place with a compare-and-swap.
//!
//! Responsible for the protocol: what an append does when others were faster, when its answer is lost, when a read is
//! stale; what is refused and what is never dropped. Not responsible for where the bytes lie (`git`, and whatever else is
//! a [`Remote`]), for what records mean (`fold`) or for what may be sent (`engine`).
//!
//! **Appends.** Records go behind the head that was read, in one atomic step. If others were faster, their records are read
//! and folded in. An intent is then admitted anew: not if others have recorded something about its resource, nor if the
//! quota is theirs now. It stays out and is planned again. An outcome always goes in: it belongs to an attempt and not to a
//! place in the journal, so it follows a resource that was moved, and becomes [`Record::Answered`] where somebody has
//! settled the attempt.
//!
//! **Lost answers.** A batch is known by the hash of its last line. It is in if that hash is in the history. It is not in
//! once the head that it was to follow has another successor. Until one of the two is seen the same append is repeated
//! behind the same head, which can succeed only once.
//!
//! **What rides along.** What a look showed is worth no push of its own: it waits for the next intent or outcome, or for
//! the end of the run.

mod cache;
pub mod command;
pub mod git;

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

pub use cache::Cache;

use super::fold::{Running, State};
use super::journal::{self, Checkpoint, JournalError, Reader, Tail};
use super::quota_usage::{self, QuotaUsage};
use super::record::{Record, Seq};
use super::rescue;
use super::snapshot;
use super::store::{Admit, Damage, Group, Holder, Notice, Pace, Store, StoreError};
use crate::model::{Address, Sha256Hex};

/// What lies at a shared place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// `state.json`.
    pub snapshot: Option<Vec<u8>>,
    /// Whole lines of the journal: those behind the snapshot, and as many before it as are kept at hand.
    pub journal: Vec<u8>,
}

/// Records to append.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// The number of the first of them.
    pub first: Seq,
    /// Their lines.
    pub lines: &'a [u8],
    /// The lines that are to be at hand afterwards, these included.
    pub journal: &'a [u8],
    /// A new `state.json`.
    pub snapshot: Option<&'a [u8]>,
    /// What happens, in one line.
    pub message: &'a str,
}

/// How an append ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is in.
    Done,
    /// The head is not the expected one any more.
    Raced,
    /// No telling.
    Unknown(String),
}

/// A place with a compare-and-swap.
#[async_trait]
pub trait Remote: Send {
    /// The place in words, without anything secret.
    fn place(&self) -> String;

    /// Reads what is there, and takes it for the head that the next append follows; `None` if nothing is.
    async fn read(&mut self) -> Result<Option<Tip>, StoreError>;

    /// Reads what is there, with the journal from its first record on.
    async fn history(&mut self) -> Result<Option<Tip>, StoreError>;

    /// Appends behind the head that was read or appended last, in one step.
    async fn append(&mut self, segment: &Segment<'_>) -> Result<Put, StoreError>;

    /// Asks whether records may be written, without writing one.
    async fn probe(&mut self) -> Result<(), StoreError>;

    /// How fast it takes records.
    fn pace(&self) -> Pace;

    /// When the next append should be made at the earliest.
    fn next_append(&self) -> Option<Timestamp>;
}

/// A shared state that was read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The state.
    pub state: State,
    /// The snapshot's serial; 0 without one.
    pub serial: u64,
    /// The last record in the snapshot; 0 without one.
    pub snapshot_seq: Seq,
    /// How long the journal is from its first record on.
    pub bytes: u64,
    /// The lines at hand.
    pub journal: Vec<u8>,
}

impl Reading {
    /// Reads what lies at a place. A snapshot that does not fit its journal is damage: nothing is put right by itself.
    ///
    /// # Errors
    /// Whatever is wrong with snapshot or journal.
    pub fn of(tip: Tip) -> Result<Reading, StoreError> {
        let Tip { snapshot, journal } = tip;
        let begin = first_mark(&journal)?;
        let Some(bytes) = snapshot else {
            let mut state = State::default();
            let mut reader = Reader::new(&journal);
            journal::fold(&mut reader, &mut state).map_err(Damage::from)?;
            whole(&reader)?;
            let bytes = reader.mark().bytes;
            return Ok(Reading { state, serial: 0, snapshot_seq: 0, bytes, journal });
        };
        let unusable = |why: String| Damage::SnapshotUnusable { why };
        let snapshot = snapshot::read(&bytes).map_err(|e| unusable(e.to_string()))?;
        if let Some(doubt) = snapshot.doubt() {
            return Err(unusable(doubt.to_string()).into());
        }
        let (mark, mut state) = (snapshot.mark, snapshot.state);
        if begin.seq > mark.seq {
            return Err(Damage::Gap { snapshot: mark.seq, journal: begin.seq + 1 }.into());
        }
        // The lines begin somewhere: where they are folded in, their place in the whole journal is known.
        let mut bytes = mark.bytes;
        let mut met = (begin.seq, begin.head) == (mark.seq, mark.head);
        let mut reader = Reader::resume(&journal, begin);
        let mut before = 0;
        while let Some(entry) = reader.next() {
            let entry = entry.map_err(Damage::from)?;
            if entry.seq <= mark.seq {
                met |= (entry.seq, entry.hash) == (mark.seq, mark.head);
                before = reader.mark().bytes;
                continue;
            }
            if !met {
                return Err(Damage::Diverged { seq: mark.seq }.into());
            }
            journal::fold_entry(&entry, &mut state).map_err(Damage::from)?;
        }
        whole(&reader)?;
        if !met {
            return Err(Damage::SnapshotAhead { snapshot: mark.seq, journal: reader.mark().seq }.into());
        }
        bytes += (journal.len() as u64).saturating_sub(before);
        Ok(Reading { state, serial: snapshot.serial, snapshot_seq: mark.seq, bytes, journal })
    }

    /// What the calls since then cost the service's quotas, as far as the lines at hand tell.
    pub fn spent(&self, since: Timestamp) -> Vec<QuotaUsage> {
        quota_usage::of_lines(&self.journal, since)
    }
}

/// Whole lines alone are ever written.
fn whole(reader: &Reader<'_>) -> Result<(), StoreError> {
    match reader.tail() {
        Tail::Clean => Ok(()),
        Tail::Unterminated | Tail::Torn { .. } => {
            let seq = reader.mark().seq + 1;
            let why = "the line is not whole".to_owned();
            let error = JournalError { line: seq, seq, fault: journal::Fault::Unreadable { why } };
            Err(Damage::from(error).into())
        }
    }
}

/// The place before the first line at hand.
fn first_mark(journal: &[u8]) -> Result<Checkpoint, StoreError> {
    #[derive(Deserialize)]
    struct First {
        seq: Seq,
        prev: Sha256Hex,
    }
    let Some(line) = journal.split(|b| *b == b'\n').next().filter(|l| !l.is_empty()) else {
        return Ok(Checkpoint::START);
    };
    let unreadable = |e: serde_json::Error| {
        let fault = journal::Fault::Unreadable { why: e.to_string() };
        Damage::from(JournalError { line: 1, seq: 1, fault })
    };
    let First { seq, prev } = serde_json::from_slice(line).map_err(unreadable)?;
    Ok(Checkpoint { seq: seq.saturating_sub(1), head: prev, bytes: 0 })
}

/// Appends the lines of a part of a journal that begin with the record `next`; returns the number behind the last one.
fn extend(journal: &mut Vec<u8>, part: &[u8], mut next: Seq) -> Seq {
    for line in part.split_inclusive(|b| *b == b'\n') {
        let begins = format!("{{\"seq\":{next},");
        if line.starts_with(begins.as_bytes()) {
            journal.extend_from_slice(line);
            next += 1;
        }
    }
    next
}

/// Reads a shared state whole: the bytes of `state.json` and of the journal from its first record on.
///
/// # Errors
/// A place that cannot be reached, or holds nothing although the project says otherwise.
pub async fn history<R: Remote>(remote: &mut R, lineage: Option<&str>) -> Result<Option<Tip>, StoreError> {
    match (remote.history().await?, lineage) {
        (None, Some(lineage)) => {
            Err(StoreError::Vanished { place: remote.place(), lineage: lineage.to_owned() })
        }
        (tip, _) => Ok(tip),
    }
}

/// Writes a whole state to a place that holds none.
///
/// # Errors
/// A place that cannot be reached, or that holds something by now.
pub async fn write_new<R: Remote>(remote: &mut R, snapshot: &[u8], journal: &[u8]) -> Result<(), StoreError> {
    let segment = Segment {
        first: 1,
        lines: journal,
        journal,
        snapshot: Some(snapshot),
        message: "the state moves here",
    };
    for n in 0..=REPEATS {
        match remote.read().await? {
            Some(tip) if tip.journal == journal => return Ok(()),
            Some(_) => break,
            None => {}
        }
        match remote.append(&segment).await? {
            Put::Done => return Ok(()),
            Put::Raced | Put::Unknown(_) => pause(n).await,
        }
    }
    let why = "something else is there, or it takes nothing".to_owned();
    Err(StoreError::Unreachable { place: remote.place(), why })
}

/// How a shared state is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Who opens it: what others read while calls are made.
    pub holder: Holder,
    /// `state.lineage` of the project file.
    pub lineage: Option<String>,
    /// Now, by our clock.
    pub now: Timestamp,
    /// Says whether a run that is shown as going on is known to have died: one of this machine, whose process is gone.
    pub is_gone: fn(&Holder) -> bool,
}

/// How long a run is reckoned with that writes nothing more: its mark is renewed by appends that are made anyway.
const MARK: SignedDuration = SignedDuration::from_mins(10);

/// How often an append whose answer is lost is repeated, and how often a read is, with pauses that double from half a
/// second: half a minute in all.
const REPEATS: u32 = 6;

/// How often others may be faster in a row.
const MOST_RACES: u32 = 100;

/// How long lines stay at hand: what was spent of the quotas of an hour is read from them.
const AT_HAND: SignedDuration = SignedDuration::from_mins(65);

/// A shared state that is open for writing.
pub struct SharedStore<R> {
    remote: R,
    cache: Option<Cache>,
    /// What is known to be in.
    base: State,
    /// The same, with what waits to ride along.
    state: State,
    waiting: Vec<(Timestamp, Group)>,
    serial: u64,
    bytes: u64,
    journal: Vec<u8>,
    holder: Holder,
    /// When our mark as a running run ends; none before the first intent.
    marked: Option<Timestamp>,
    /// This run has appended something.
    appended: bool,
    poison: Option<String>,
}

/// What is to be appended: a group, and its place among those that were given.
struct Batched {
    at: Timestamp,
    group: Group,
    /// The place among the caller's groups; none for what had waited, and for marks of the store.
    place: Option<usize>,
}

/// What others have recorded, and whether our own batch is among it.
struct News {
    others: Vec<Record>,
    ours: bool,
    /// More has been recorded than is at hand: whatever it was about.
    more: bool,
}

impl<R: Remote> SharedStore<R> {
    /// Opens a shared state for writing. It has no lock: a run that makes calls just now is told instead.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another run makes calls; a place that cannot be reached or holds something else.
    pub async fn open(
        mut remote: R,
        cache: Option<Cache>,
        opening: &Opening,
    ) -> Result<(Self, Vec<Notice>), StoreError> {
        let reading = read(&mut remote, cache.as_ref(), opening.lineage.as_deref()).await?;
        busy(&reading.state, opening)?;
        let mut store = SharedStore {
            remote,
            cache,
            base: reading.state.clone(),
            state: reading.state,
            waiting: Vec::new(),
            serial: reading.serial,
            bytes: reading.bytes,
            journal: reading.journal,
            holder: opening.holder.clone(),
            marked: None,
            appended: false,
            poison: None,
        };
        let notices = store.take_rescued_in(opening.now).await?;
        Ok((store, notices))
    }

    /// Returns the place.
    pub fn remote(&mut self) -> &mut R {
        &mut self.remote
    }

    /// Appends what an earlier run kept beside the journal, and forgets it.
    async fn take_rescued_in(&mut self, now: Timestamp) -> Result<Vec<Notice>, StoreError> {
        let Some(bytes) = self.cache.as_ref().map(Cache::rescued).transpose()?.flatten() else {
            return Ok(Vec::new());
        };
        let (lines, unusable) = rescue::read(&bytes);
        let lineage = self.base.lineage.clone();
        let groups: Vec<Group> = match lineage {
            Some(_) => lines.into_iter().map(|l| vec![l.record]).collect(),
            None => Vec::new(),
        };
        let mut notices = Vec::new();
        if !groups.is_empty() {
            let records = groups.len() as u64;
            self.append(now, groups, &mut |_, _, _| true).await?;
            notices.push(Notice::Rescued { records });
        }
        if unusable > 0 {
            notices.push(Notice::RescueUnusable { lines: unusable });
        } else if let Some(cache) = &self.cache {
            cache.forget_rescued()?;
        }
        Ok(notices)
    }

    /// Appends what has waited and `batch`, again and again until it is in.
    async fn push(
        &mut self,
        mut batch: Vec<Batched>,
        end: Option<Timestamp>,
        admit: &mut Admit<'_>,
    ) -> Result<Vec<(usize, Range<Seq>)>, StoreError> {
        let (mut others, mut more) = (Vec::new(), false);
        for _ in 0..MOST_RACES {
            self.fit(&mut batch, &others, more, admit)?;
            if batch.is_empty() && end.is_none() {
                return Ok(Vec::new());
            }
            let mut lines = String::new();
            let (mut seq, mut head) = (self.base.seq, self.base.head);
            let mut numbers = Vec::new();
            for b in &batch {
                let first = seq + 1;
                for record in &b.group {
                    let (line, hash) = journal::encode(seq + 1, head, b.at, record)?;
                    lines.push_str(&line);
                    (seq, head) = (seq + 1, hash);
                }
                numbers.extend(b.place.map(|place| (place, first..seq + 1)));
            }
            self.state.head = head;
            let journal = self.at_hand(&lines, end);
            let bytes = self.bytes + lines.len() as u64;
            let unwritable = |e: serde_json::Error| StoreError::Unfit {
                place: self.remote.place(),
                why: format!("the snapshot cannot be written: {e}"),
                next: "report it with this line",
            };
            let snapshot = end
                .map(|_| snapshot::write(&self.state, self.serial + 1, bytes))
                .transpose()
                .map_err(unwritable)?;
            let segment = Segment {
                first: self.base.seq + 1,
                lines: lines.as_bytes(),
                journal: &journal,
                snapshot: snapshot.as_deref(),
                message: &message(&batch),
            };
            match put(&mut self.remote, &segment, &mut self.base, head).await? {
                Outcome::In => {
                    for b in &batch {
                        for record in &b.group {
                            let seq = self.base.seq + 1;
                            self.base.apply(seq, b.at, record)?;
                        }
                    }
                    self.base.head = head;
                    self.bytes = bytes;
                    self.journal = journal;
                    self.serial += u64::from(snapshot.is_some());
                }
                Outcome::InWithMore(reading) => {
                    (self.bytes, self.journal) = (reading.bytes, reading.journal);
                    self.serial = reading.serial;
                    self.state = self.base.clone();
                }
                Outcome::Overtaken(reading, news) => {
                    (self.bytes, self.journal) = (reading.bytes, reading.journal);
                    self.serial = reading.serial;
                    others.extend(news.others);
                    more |= news.more;
                    self.state = self.base.clone();
                    continue;
                }
            }
            self.appended = true;
            if let Some(cache) = &self.cache {
                cache.remember(self.base.seq, self.base.head)?;
            }
            return Ok(numbers);
        }
        Err(StoreError::Unreachable {
            place: self.remote.place(),
            why: format!("others were faster {MOST_RACES} times in a row"),
        })
    }

    /// Folds a batch into the state, and takes out of it what does not fit any more.
    fn fit(
        &mut self,
        batch: &mut Vec<Batched>,
        others: &[Record],
        more: bool,
        admit: &mut Admit<'_>,
    ) -> Result<(), StoreError> {
        let overtaken = more || !others.is_empty();
        let touched: BTreeSet<&Address> = others.iter().flat_map(touches).collect();
        if overtaken {
            if let Some(running) = self.base.running.as_deref().filter(|r| r.by != self.holder)
                && self.marked.is_none()
                && batch.iter().any(|b| holds_intent(&b.group) && b.at < running.until)
            {
                return Err(StoreError::Locked { holder: Some(running.by.clone()) });
            }
            if batch.iter().flat_map(|b| &b.group).any(|r| matches!(r, Record::Open { .. })) {
                // Two runs began the state at once: what the other one says of it was planned for nowhere.
                let holder = self.base.running.as_ref().map(|r| r.by.clone());
                return Err(StoreError::Locked { holder });
            }
        }
        self.state = self.base.clone();
        let mut kept = Vec::with_capacity(batch.len());
        for mut b in batch.drain(..) {
            let answers =
                b.group.iter().any(|r| matches!(r, Record::Outcome { .. } | Record::Answered { .. }));
            let intent = b.group.iter().find_map(|r| match r {
                Record::Intent(intent) => Some(intent),
                _ => None,
            });
            let stale = b.group.iter().flat_map(touches).any(|a| touched.contains(a));
            let refused = match intent {
                Some(intent) if overtaken => more || stale || !admit(&self.base, others, intent),
                Some(_) => false,
                None => (more || stale) && !answers,
            };
            if refused {
                continue;
            }
            if answers {
                // What follows from the answer is left out where somebody has settled it: the next run plans it anew.
                b.group = b.group.drain(..).filter_map(|r| fitted(&self.state, r)).collect();
            }
            let before = (!answers && overtaken).then(|| self.state.clone());
            let mut seq = self.state.seq;
            let folded = b.group.iter().try_for_each(|record| {
                seq += 1;
                self.state.apply(seq, b.at, record)
            });
            match (folded, before) {
                (Ok(()), _) => kept.push(b),
                (Err(_), Some(before)) => self.state = before,
                (Err(e), None) => return Err(e.into()),
            }
        }
        *batch = kept;
        Ok(())
    }

    /// The lines that are at hand after an append: all, or once a snapshot holds the older ones, those of an hour.
    fn at_hand(&self, lines: &str, end: Option<Timestamp>) -> Vec<u8> {
        let mut journal = self.journal.clone();
        journal.extend_from_slice(lines.as_bytes());
        let Some(now) = end else { return journal };
        let oldest = now.saturating_sub(AT_HAND).unwrap_or(Timestamp::MIN);
        #[derive(Deserialize)]
        struct When {
            at: Timestamp,
        }
        let mut from = 0;
        for line in journal.split_inclusive(|b| *b == b'\n') {
            let last = from + line.len() == journal.len();
            let young = serde_json::from_slice::<When>(line).is_ok_and(|w| w.at >= oldest);
            if last || young {
                break;
            }
            from += line.len();
        }
        journal.split_off(from)
    }
}

/// How an append ended, for good.
enum Outcome {
    In,
    /// It is in, and others have built on it.
    InWithMore(Reading),
    /// Others were faster; their records are folded into the base.
    Overtaken(Reading, News),
}

/// Appends a segment until it is known to be in, or never to come.
async fn put<R: Remote>(
    remote: &mut R,
    segment: &Segment<'_>,
    base: &mut State,
    head: Sha256Hex,
) -> Result<Outcome, StoreError> {
    let mut why = String::new();
    for n in 0..=REPEATS {
        match remote.append(segment).await? {
            Put::Done => return Ok(Outcome::In),
            Put::Raced => {}
            Put::Unknown(what) => {
                why = what;
                pause(n).await;
            }
        }
        let reading = look(remote).await?;
        let news = catch_up(base, &reading, head, &remote.place())?;
        if news.ours {
            return Ok(Outcome::InWithMore(reading));
        }
        if news.more || !news.others.is_empty() {
            return Ok(Outcome::Overtaken(reading, news));
        }
        // The head is the expected one still: the same append is repeated.
        if why.is_empty() {
            pause(n).await;
        }
    }
    if why.is_empty() {
        why = "it refuses every append, and shows nobody else's".to_owned();
    }
    Err(StoreError::Unreachable { place: remote.place(), why })
}

/// Reads a place after an append, again while it cannot be reached.
async fn look<R: Remote>(remote: &mut R) -> Result<Reading, StoreError> {
    let mut n = 0;
    loop {
        match remote.read().await {
            Ok(tip) => return tip.map_or_else(|| Ok(Reading::default()), Reading::of),
            Err(StoreError::Unreachable { .. }) if n < REPEATS => {
                pause(n).await;
                n += 1;
            }
            Err(e) => return Err(e),
        }
    }
}

async fn pause(n: u32) {
    tokio::time::sleep(Duration::from_millis(500 << n.min(5))).await;
}

/// Folds what others have recorded into what is known. A read that shows less than is known is stale, and no news.
fn catch_up(base: &mut State, reading: &Reading, ours: Sha256Hex, place: &str) -> Result<News, StoreError> {
    let mut news = News { others: Vec::new(), ours: false, more: false };
    if reading.state.seq < base.seq || reading.state.seq == 0 {
        return Ok(news);
    }
    let rewritten = |why: String| StoreError::Rewritten { place: place.to_owned(), why };
    if reading.state.lineage != base.lineage && base.lineage.is_some() {
        let found = reading.state.lineage.clone().unwrap_or_default();
        return Err(rewritten(format!("it is of lineage {found}")));
    }
    let begin = first_mark(&reading.journal)?;
    let known = (base.seq, base.head);
    if begin.seq > base.seq {
        // What lies between is not at hand: the snapshot knows what came of it.
        *base = reading.state.clone();
        return Ok(News { more: true, ..news });
    }
    let mut met = base.seq == 0 || (begin.seq, begin.head) == known;
    for entry in Reader::resume(&reading.journal, begin) {
        let entry = entry.map_err(Damage::from)?;
        met |= (entry.seq, entry.hash) == known;
        if entry.seq <= known.0 {
            continue;
        }
        if !met {
            break;
        }
        news.ours |= entry.hash == ours;
        journal::fold_entry(&entry, base).map_err(Damage::from)?;
        news.others.push(entry.record);
    }
    if !met {
        return Err(rewritten(format!("record {} is another one there", known.0)));
    }
    Ok(news)
}

/// Reads a shared state, and checks that it is the one that is meant.
///
/// # Errors
/// A place that cannot be reached, or holds nothing, or something else.
pub async fn read<R: Remote>(
    remote: &mut R,
    cache: Option<&Cache>,
    lineage: Option<&str>,
) -> Result<Reading, StoreError> {
    let place = remote.place();
    let known = cache.map(Cache::known).transpose()?.flatten();
    let Some(tip) = remote.read().await? else {
        return match lineage {
            Some(lineage) => Err(StoreError::Vanished { place, lineage: lineage.to_owned() }),
            None if known.is_some() => {
                Err(StoreError::Rewritten { place, why: "it is gone, and was there before".to_owned() })
            }
            None => Ok(Reading::default()),
        };
    };
    let reading = Reading::of(tip)?;
    if let (Some(declared), Some(found)) = (lineage, &reading.state.lineage)
        && declared != found
    {
        let why = format!("casefile.yaml names the lineage {declared}, and it is of lineage {found}");
        return Err(StoreError::Rewritten { place, why });
    }
    if let Some((seq, head)) = known {
        if reading.state.seq < seq {
            let why = format!("it ends with record {}, and record {seq} was there before", reading.state.seq);
            return Err(StoreError::Rewritten { place, why });
        }
        let begin = first_mark(&reading.journal)?;
        let lines = Reader::resume(&reading.journal, begin).map_while(Result::ok);
        let other =
            lines.filter(|e| e.seq == seq).any(|e| e.hash != head) || begin.seq == seq && begin.head != head;
        if other {
            return Err(StoreError::Rewritten { place, why: format!("record {seq} is another one there") });
        }
    }
    if let Some(cache) = cache {
        cache.remember(reading.state.seq, reading.state.head)?;
    }
    Ok(reading)
}

/// Refuses a state on which another run makes calls.
fn busy(state: &State, opening: &Opening) -> Result<(), StoreError> {
    match state.running.as_deref() {
        Some(Running { by, until })
            if *by != opening.holder && *until > opening.now && !(opening.is_gone)(by) =>
        {
            Err(StoreError::Locked { holder: Some(by.clone()) })
        }
        _ => Ok(()),
    }
}

/// The resources that a record says something about.
fn touches(record: &Record) -> impl Iterator<Item = &Address> {
    let to = match record {
        Record::Moved { to, .. } => Some(to),
        _ => None,
    };
    record.address().into_iter().chain(to)
}

fn holds_intent(group: &[Record]) -> bool {
    group.iter().any(|r| matches!(r, Record::Intent(_)))
}

/// Returns an answer as it fits the state, and of what follows from one only what still does.
fn fitted(state: &State, record: Record) -> Option<Record> {
    match record {
        Record::Outcome { attempt, address, result, server_at } => {
            Some(match state.awaiting(attempt, &address) {
                Some(there) => Record::Outcome { attempt, address: there.clone(), result, server_at },
                None => Record::Answered { attempt, address, result, server_at },
            })
        }
        Record::Released { ref address } => state.resources.contains_key(address).then_some(record),
        other => Some(other),
    }
}

/// What a batch says, in one line.
fn message(batch: &[Batched]) -> String {
    let records = || batch.iter().flat_map(|b| &b.group);
    let intents: Vec<&Address> = records()
        .filter_map(|r| match r {
            Record::Intent(i) => Some(&i.address),
            _ => None,
        })
        .collect();
    let answers: Vec<&Address> = records()
        .filter_map(|r| match r {
            Record::Outcome { address, .. } | Record::Answered { address, .. } => Some(address),
            _ => None,
        })
        .collect();
    let some = |word: &str, of: &[&Address]| match of {
        [] => None,
        [one] => Some(format!("{word} {one}")),
        [first, rest @ ..] => Some(format!("{word} {first} and {} more", rest.len())),
    };
    let parts: Vec<String> =
        [some("answered", &answers), some("asking", &intents)].into_iter().flatten().collect();
    match parts.is_empty() {
        true => records().next().map_or_else(|| "end of a run".to_owned(), |r| word(r).to_owned()),
        false => parts.join("; "),
    }
}

fn word(record: &Record) -> &'static str {
    match record {
        Record::Open { .. } => "begin the state",
        Record::Imported { .. } => "import",
        Record::Moved { .. } => "rename",
        Record::Removed { .. } => "remove",
        Record::Bound { .. } => "bind the state",
        Record::Ended { .. } => "end of a run",
        _ => "what a look showed",
    }
}

#[async_trait]
impl<R: Remote> Store for SharedStore<R> {
    fn state(&self) -> &State {
        &self.state
    }

    async fn append(
        &mut self,
        at: Timestamp,
        groups: Vec<Group>,
        admit: &mut Admit<'_>,
    ) -> Result<Vec<Option<Range<Seq>>>, StoreError> {
        if let Some(why) = &self.poison {
            return Err(StoreError::Poisoned { why: why.clone() });
        }
        if self.state.seq == 0 && !matches!(groups.first().and_then(|g| g.first()), Some(Record::Open { .. }))
        {
            return Err(StoreError::NotBegun);
        }
        let waits = |r: &Record| {
            matches!(
                r,
                Record::Open { .. }
                    | Record::Bound { .. }
                    | Record::Found { .. }
                    | Record::Late { .. }
                    | Record::Observed { .. }
                    | Record::Triaged { .. }
                    | Record::Missing { .. }
                    | Record::Noted { .. }
                    | Record::Restored { .. }
            )
        };
        if groups.iter().flatten().all(waits) {
            let mut numbers = Vec::with_capacity(groups.len());
            for group in groups {
                let first = self.state.seq + 1;
                for record in &group {
                    self.state.apply(self.state.seq + 1, at, record)?;
                }
                numbers.push(Some(first..self.state.seq + 1));
                self.waiting.push((at, group));
            }
            return Ok(numbers);
        }
        let count = groups.len();
        let mut batch: Vec<Batched> = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(at, group)| Batched { at, group, place: None })
            .collect();
        // The mark goes in with the first intents, and is renewed by appends that are made anyway.
        let until = at.saturating_add(MARK).unwrap_or(Timestamp::MAX);
        let renew = self.marked.is_some_and(|end| end.duration_since(at) < MARK / 2);
        let marks = renew || self.marked.is_none() && groups.iter().any(|g| holds_intent(g));
        if marks {
            let group = vec![Record::Begun { by: self.holder.clone(), until }];
            batch.push(Batched { at, group, place: None });
        }
        batch.extend(groups.into_iter().enumerate().map(|(i, group)| Batched { at, group, place: Some(i) }));
        match self.push(batch, None, admit).await {
            Ok(found) => {
                if marks {
                    self.marked = Some(until);
                }
                let mut numbers = vec![None; count];
                for (place, range) in found {
                    numbers[place] = Some(range);
                }
                Ok(numbers)
            }
            // Nothing was recorded, and nothing more will be.
            Err(e @ StoreError::Locked { .. }) => Err(e),
            Err(e) => {
                self.poison = Some(e.to_string());
                Err(e)
            }
        }
    }

    async fn rescue(&mut self, at: Timestamp, records: &[Record]) -> Result<(), StoreError> {
        let mut lines = String::from("\n");
        for record in records {
            lines.push_str(&rescue::encode(self.base.seq, self.base.head, at, record)?);
        }
        match &self.cache {
            Some(cache) => cache.rescue(lines.as_bytes()),
            None => Err(StoreError::Poisoned { why: "there is no folder to keep outcomes in".to_owned() }),
        }
    }

    async fn commit_snapshot(&mut self, at: Timestamp) -> Result<u64, StoreError> {
        if let Some(why) = &self.poison {
            return Err(StoreError::Poisoned { why: why.clone() });
        }
        if !self.appended && self.waiting.is_empty() {
            return Ok(self.serial);
        }
        let waiting = std::mem::take(&mut self.waiting);
        let mut batch: Vec<Batched> =
            waiting.into_iter().map(|(at, group)| Batched { at, group, place: None }).collect();
        if self.marked.take().is_some() {
            let group = vec![Record::Ended { by: self.holder.clone() }];
            batch.push(Batched { at, group, place: None });
        }
        self.push(batch, Some(at), &mut |_, _, _| true).await?;
        self.appended = false;
        Ok(self.serial)
    }

    fn spent(&mut self, since: Timestamp) -> Result<Vec<QuotaUsage>, StoreError> {
        Ok(quota_usage::of_lines(&self.journal, since))
    }

    fn pace(&self) -> Option<Pace> {
        Some(self.remote.pace())
    }

    fn next_append(&self) -> Option<Timestamp> {
        self.remote.next_append()
    }
}
