//! A state that several runs share: one hash-chained sequence of records at a place with a compare-and-swap.
//!
//! Responsible for the protocol: what an append does when others were faster, when its answer is lost, when a read is
//! stale; what is refused and what is never dropped. Not responsible for where the bytes lie (`git`, `objects`, and whatever
//! else is a [`Remote`]), for what records mean (`fold`) or for what may be sent (`engine`).
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

mod append;
mod cache;
pub mod command;
pub mod git;
mod message;
pub(crate) mod object_fault;
pub mod objects;
mod reading;
mod remote;

use std::collections::BTreeSet;
use std::ops::Range;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

pub use cache::Cache;
pub use reading::{Reading, history, read, write_new};
pub use remote::{Now, Put, Remote, Segment, Tip};

use append::{Outcome, put};
use message::message;
use reading::first_mark;

use super::exchange::Seq;
use super::fold::{Running, State};
use super::holder::Holder;
use super::journal::{self, Checkpoint};
use super::quota_usage::{self, QuotaUsage};
use super::record::Record;
use super::rescue;
use super::snapshot;
use super::store::{Admit, Group, News, Notice, Pace, Store, StoreError};
use crate::model::{Address, Sha256Hex};

/// How a shared state is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The run that opens it, as others read it while calls are made.
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

/// How often others may be faster in a row.
const MOST_RACES: u32 = 100;

/// How long lines stay at hand: what was spent of the quotas of an hour is read from them, whatever clocks
/// wrote them.
const AT_HAND: SignedDuration = SignedDuration::from_mins(80);

/// A shared state that is open for writing.
pub struct SharedStore<R> {
    remote: R,
    cache: Option<Cache>,
    /// The state as far as it is known to be in.
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
    /// The records of others that nobody has asked for yet.
    news: News,
    poison: Option<String>,
}

/// A group to append, and its place among those that were given.
struct Batched {
    at: Timestamp,
    group: Group,
    /// The place among the caller's groups; none for what had waited, and for marks of the store.
    place: Option<usize>,
}

/// A batch as lines of the journal.
struct Encoded {
    lines: String,
    /// The hash of the last line.
    head: Sha256Hex,
    /// The numbers of the records of each group that a caller has given, and the group's place.
    numbers: Vec<(usize, Range<Seq>)>,
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
            news: News::default(),
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
            let Encoded { lines, head, numbers } = self.encode(&batch)?;
            self.state.head = head;
            let journal = self.at_hand(&lines, end);
            let bytes = self.bytes + lines.len() as u64;
            let snapshot = end.map(|_| self.snapshot(bytes)).transpose()?;
            let segment = Segment {
                first: self.base.seq + 1,
                lines: lines.as_bytes(),
                journal: &journal,
                snapshot: snapshot.as_deref(),
                message: &message(|| batch.iter().flat_map(|b| &b.group)),
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
                Outcome::InWithMore(reading, news) => {
                    // Ours come first: they are behind the head that they were to follow.
                    let ours = batch.iter().map(|b| b.group.len()).sum();
                    self.news.records.extend(news.records.into_iter().skip(ours));
                    (self.bytes, self.journal) = (reading.bytes, reading.journal);
                    self.serial = reading.serial;
                    self.state = self.base.clone();
                }
                Outcome::Overtaken(reading, news) => {
                    (self.bytes, self.journal) = (reading.bytes, reading.journal);
                    self.serial = reading.serial;
                    self.news.records.extend(news.records.iter().cloned());
                    self.news.more |= news.more;
                    others.extend(news.records);
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

    /// Writes a batch as it follows the head.
    fn encode(&self, batch: &[Batched]) -> Result<Encoded, StoreError> {
        let mut lines = String::new();
        let (mut seq, mut head) = (self.base.seq, self.base.head);
        let mut numbers = Vec::new();
        for b in batch {
            let first = seq + 1;
            for record in &b.group {
                let (line, hash) = journal::encode(seq + 1, head, b.at, record)?;
                lines.push_str(&line);
                (seq, head) = (seq + 1, hash);
            }
            numbers.extend(b.place.map(|place| (place, first..seq + 1)));
        }
        Ok(Encoded { lines, head, numbers })
    }

    /// Writes the snapshot that goes with the state as it will be; `bytes` is the length of its journal.
    fn snapshot(&self, bytes: u64) -> Result<Vec<u8>, StoreError> {
        snapshot::write(&self.state, self.serial + 1, bytes).map_err(|e| StoreError::Unfit {
            place: self.remote.place(),
            why: format!("the snapshot cannot be written: {e}"),
            next: "report it with this line",
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
        let touched: BTreeSet<&Address> = others.iter().flat_map(Record::addresses).collect();
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
            let stale = b.group.iter().flat_map(Record::addresses).any(|a| touched.contains(a));
            let refused = match intent {
                Some(intent) if overtaken => more || stale || !admit(&self.base, others, intent),
                // What an earlier append has read may be news to whoever made it.
                Some(intent) => !self.state.takes_over(intent),
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

fn holds_intent(group: &[Record]) -> bool {
    // Others have to see at once that a link was asked for, and what is held.
    let now = |r: &Record| matches!(r, Record::Intent(_) | Record::LinkRequested { .. } | Record::Fetched(_));
    group.iter().any(now)
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

    fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
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

    async fn holds(&mut self, head: Sha256Hex) -> Result<bool, StoreError> {
        if head == self.base.head || journal::has_head(&self.journal, first_mark(&self.journal)?, head) {
            return Ok(true);
        }
        // Older lines are not at hand.
        let whole = self.remote.history().await?;
        Ok(whole.is_some_and(|tip| journal::has_head(&tip.journal, Checkpoint::START, head)))
    }

    fn pace(&self) -> Option<Pace> {
        Some(self.remote.pace())
    }

    fn next_append(&self) -> Option<Timestamp> {
        self.remote.next_append()
    }
}
