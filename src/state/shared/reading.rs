//! A shared state as it is read: snapshot and lines put together, and whether it is the one that is meant.

use jiff::Timestamp;
use serde::Deserialize;

use super::cache::Cache;
use super::remote::{Put, REPEATS, Remote, Segment, Tip, pause};
use crate::model::Sha256Hex;
use crate::state::chain;
use crate::state::exchange::Seq;
use crate::state::fold::State;
use crate::state::journal::{self, Checkpoint, JournalError, Reader, Tail, is_record_of};
use crate::state::quota_usage::{self, QuotaUsage};
use crate::state::snapshot;
use crate::state::store::{Damage, StoreError};

/// A shared state that was read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The state.
    pub state: State,
    /// The snapshot's serial; 0 without one.
    pub serial: u64,
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
            return Ok(Reading { state, serial: 0, bytes, journal });
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
        // Of what the snapshot holds the chain alone is looked at. If that is broken the reader says where.
        let covered = chain::between(&journal, begin, mark);
        let mut met = covered.is_some() || (begin.seq, begin.head) == (mark.seq, mark.head);
        let mut before = covered.unwrap_or(0) as u64;
        let from = if covered.is_some() { Checkpoint { bytes: before, ..mark } } else { begin };
        let mut reader = Reader::resume(&journal[covered.unwrap_or(0)..], from);
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
        Ok(Reading { state, serial: snapshot.serial, bytes, journal })
    }

    /// Returns what the calls since then cost the service's quotas, as far as the lines at hand tell.
    pub fn spent(&self, since: Timestamp) -> Vec<QuotaUsage> {
        quota_usage::of_lines(&self.journal, since)
    }
}

/// Returns a line, the first one being 1, without its newline.
fn nth_line(journal: &[u8], n: u64) -> Option<&[u8]> {
    journal.split(|b| *b == b'\n').nth(usize::try_from(n).ok()?.checked_sub(1)?)
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
pub(super) fn first_mark(journal: &[u8]) -> Result<Checkpoint, StoreError> {
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
pub(super) fn extend(journal: &mut Vec<u8>, part: &[u8], mut next: Seq) -> Seq {
    for line in part.split_inclusive(|b| *b == b'\n') {
        let begins = format!("{{\"seq\":{next},");
        if line.starts_with(begins.as_bytes()) {
            journal.extend_from_slice(line);
            next += 1;
        }
    }
    next
}

/// Appends the lines of a part of a journal behind a record that is missing. The chain tells that it is.
pub(super) fn extend_over_gap(journal: &mut Vec<u8>, part: &[u8], next: Seq) {
    #[derive(Deserialize)]
    struct Number {
        seq: Seq,
    }
    let behind = |line: &&[u8]| serde_json::from_slice::<Number>(line).is_ok_and(|n| n.seq >= next);
    part.split_inclusive(|b| *b == b'\n').filter(behind).for_each(|line| journal.extend_from_slice(line));
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
    let message = "the state moves here";
    let segment = Segment { first: 1, lines: journal, journal, snapshot: Some(snapshot), message };
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
        let known = Checkpoint { seq, head, bytes: 0 };
        let other = match seq.checked_sub(begin.seq) {
            // It is in the snapshot alone.
            None => false,
            Some(0) => begin.head != head,
            Some(n) => nth_line(&reading.journal, n).is_some_and(|line| !is_record_of(line, known)),
        };
        if other {
            return Err(StoreError::Rewritten { place, why: format!("record {seq} is another one there") });
        }
    }
    if let Some(cache) = cache
        && known != Some((reading.state.seq, reading.state.head))
    {
        cache.remember(reading.state.seq, reading.state.head)?;
    }
    Ok(reading)
}
