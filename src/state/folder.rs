//! A state in a folder: a journal that only grows, and a snapshot beside it.
//!
//! Responsible for the order of writes and syncs, for what is put right on the way and what is refused as
//! damage. Not responsible for the operating system (`local`) or for the formats (`journal`, `snapshot`).
//!
//! The journal comes into being together with its first records (written aside, synced, renamed), so a
//! journal without a complete record is always damage, never the trace of an interrupted run.

use std::io;
use std::ops::Range;
use std::sync::mpsc;
use std::thread;

use async_trait::async_trait;

use super::chain;
use super::disk::{Disk, FileName};
use super::exchange::Seq;
use super::fold::State;
use super::journal::{self, Checkpoint, Reader, Tail};
use super::quota_usage::{self, QuotaUsage};
use super::record::Record;
use super::rescue::{self, Rescued};
use super::snapshot::{self, Digesting, Pieces, Snapshot, SnapshotError};
use super::step::FoldError;
use super::store::{Admit, Damage, Group, Loaded, Notice, Store, StoreError};
use crate::THREAD_STACK;
use crate::model::Sha256Hex;

/// The length of a snapshot whose digest is computed in a thread of its own.
const WORTH_A_THREAD: u64 = 512 * 1024;

/// How many pieces that thread may be behind, so that the text is never in memory as a whole.
const PIECES_AHEAD: usize = 8;

/// A state in a folder, open for writing. The disk carries the lock.
#[derive(Debug)]
pub struct FolderStore<D> {
    disk: D,
    state: State,
    /// How long the journal is; none while there is none.
    length: Option<u64>,
    serial: u64,
    /// The last record in the snapshot on disk; 0 if it must be written anew.
    snapshot_seq: Seq,
    /// Bytes cut off the journal's end that no record tells of yet.
    cut: Option<u64>,
    /// Number and hash of the last durable record.
    durable: (Seq, Sha256Hex),
    poison: Option<String>,
}

/// What the files say, and what is not right about them.
struct Reading {
    state: State,
    serial: u64,
    /// Up to where the snapshot goes; none if it must be written anew.
    mark: Option<Checkpoint>,
    length: Option<u64>,
    tail: Tail,
    notices: Vec<Notice>,
}

/// How much of the journal is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// What the snapshot does not hold yet; enough to show something.
    Tail,
    /// The chain from its first record: before anything is planned or written.
    Whole,
}

/// Reads a state and writes nothing.
pub(super) fn read(disk: &mut impl Disk, depth: Depth) -> Result<Loaded, StoreError> {
    let reading = load(disk, depth)?;
    with_rescued(disk, reading)
}

/// Reads a state at [`Depth::Whole`], the chain checked beside the rest. `another` gives the folder's disk.
pub(super) fn read_beside<D: Disk>(another: impl Fn() -> D) -> Result<Loaded, StoreError> {
    let mut disk = another();
    // Whatever is not as it should be is found again, and told, by a reader of one thing after the other.
    let Some(mark) = snapshot_mark(&mut disk) else { return read(&mut disk, Depth::Whole) };
    let mut beside = another();
    let (reading, chained) = thread::scope(|scope| {
        let chain = thread::Builder::new()
            .stack_size(THREAD_STACK)
            .spawn_scoped(scope, move || reaches(&mut beside, mark));
        let reading = load(&mut disk, Depth::Tail);
        (reading, chain.is_ok_and(|chain| joined(chain.join()).is_ok_and(|reaches| reaches)))
    });
    match reading {
        // Without a mark the journal was read from its first record.
        Ok(reading) if reading.mark.map_or(reading.length.is_some(), |m| chained && m == mark) => {
            with_rescued(&mut disk, reading)
        }
        _ => read(&mut disk, Depth::Whole),
    }
}

/// Returns what a thread gave. A panic in it goes on here.
fn joined<T>(ended: thread::Result<T>) -> T {
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Up to where the snapshot goes, as its beginning says.
fn snapshot_mark(disk: &mut impl Disk) -> Option<Checkpoint> {
    Pieces::mark(&disk.read(FileName::Snapshot, 0, 4096).ok()?)
}

/// Adds outcomes that the journal would not take.
fn with_rescued(disk: &mut impl Disk, mut r: Reading) -> Result<Loaded, StoreError> {
    if let Tail::Torn { bytes } = r.tail {
        r.notices.push(Notice::TornTailIgnored { bytes });
    }
    if let Some(Rescue { lines, mut unusable }) = rescued(disk, r.length)? {
        let mut records = 0;
        for line in lines {
            match r.state.apply(r.state.seq + 1, line.at, &line.record) {
                Ok(()) => records += 1,
                Err(FoldError::UnknownAttempt { .. }) => {}
                Err(_) => unusable += 1,
            }
        }
        tell_rescue(&mut r.notices, records, unusable);
    }
    Ok(Loaded { state: r.state, serial: r.serial, notices: r.notices })
}

impl<D: Disk> FolderStore<D> {
    /// Reads a state whose lock the disk already holds, and puts the journal's end right.
    pub(super) fn open(mut disk: D) -> Result<(Self, Vec<Notice>), StoreError> {
        let mut r = load(&mut disk, Depth::Whole)?;
        // What an interrupted run was about to rename.
        for name in [FileName::JournalNew, FileName::SnapshotNew] {
            disk.remove(name).map_err(|e| io_error(name, "remove", e))?;
        }
        // What was read may be in the kernel alone: a run died before its sync, or the sync failed. And a run
        // that died right after its rename left a journal whose name a power loss would take. Nothing is built
        // on either, least of all a snapshot that would then be ahead.
        if r.length.is_some() {
            disk.sync(FileName::Journal).map_err(|e| io_error(FileName::Journal, "sync", e))?;
            disk.sync_names().map_err(|e| io_error(FileName::Journal, "sync the folder of", e))?;
        }
        let mut cut = None;
        let name = FileName::Journal;
        match (r.tail, &mut r.length) {
            (Tail::Torn { bytes }, Some(length)) => {
                disk.truncate(name, *length).map_err(|e| io_error(name, "cut the torn end", e))?;
                disk.sync(name).map_err(|e| io_error(name, "sync", e))?;
                cut = Some(bytes);
                r.notices.push(Notice::TornTailCut { bytes });
            }
            (Tail::Unterminated, Some(length)) => {
                disk.append(name, *length, b"\n").map_err(|e| io_error(name, "write", e))?;
                disk.sync(name).map_err(|e| io_error(name, "sync", e))?;
                *length += 1;
                r.notices.push(Notice::NewlineRestored);
            }
            _ => {}
        }
        let mut store = FolderStore {
            disk,
            durable: (r.state.seq, r.state.head),
            state: r.state,
            length: r.length,
            serial: r.serial,
            snapshot_seq: r.mark.map_or(0, |mark| mark.seq),
            cut,
            poison: None,
        };
        store.take_rescued_in(&mut r.notices)?;
        Ok((store, r.notices))
    }

    /// Appends what an earlier run kept beside the journal, and removes that file.
    fn take_rescued_in(&mut self, notices: &mut Vec<Notice>) -> Result<(), StoreError> {
        let name = FileName::Rescue;
        let Some(Rescue { lines, mut unusable }) = rescued(&mut self.disk, self.length)? else {
            return Ok(());
        };
        let mut records = 0;
        for line in lines {
            match self.append(line.at, std::slice::from_ref(&line.record)) {
                Ok(_) => records += 1,
                // It is in the journal: the write had failed only by what the system said of it.
                Err(StoreError::Refused(FoldError::UnknownAttempt { .. })) => {}
                Err(StoreError::Refused(_)) => unusable += 1,
                Err(e) => return Err(e),
            }
        }
        if unusable == 0 {
            self.disk.remove(name).map_err(|e| io_error(name, "remove", e))?;
            self.disk.sync_names().map_err(|e| io_error(name, "sync the folder", e))?;
        }
        tell_rescue(notices, records, unusable);
        Ok(())
    }

    fn write_journal(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        match self.length {
            Some(length) => {
                let name = FileName::Journal;
                self.disk.append(name, length, bytes).map_err(|e| io_error(name, "write", e))?;
                self.disk.sync(name).map_err(|e| io_error(name, "sync", e))?;
                self.length = Some(length + bytes.len() as u64);
            }
            None => {
                self.replace(FileName::JournalNew, FileName::Journal, bytes)?;
                self.length = Some(bytes.len() as u64);
            }
        }
        Ok(())
    }

    /// Writes a file aside, and gives it its name once it is durable.
    fn replace(&mut self, aside: FileName, name: FileName, bytes: &[u8]) -> Result<(), StoreError> {
        self.disk.create(aside).map_err(|e| io_error(aside, "create", e))?;
        self.disk.append(aside, 0, bytes).map_err(|e| io_error(aside, "write", e))?;
        self.disk.sync(aside).map_err(|e| io_error(aside, "sync", e))?;
        self.disk.rename(aside, name).map_err(|e| io_error(name, "rename", e))?;
        self.disk.sync_names().map_err(|e| io_error(name, "sync the folder", e))
    }

    /// Folds first: what does not fit the state must not reach the journal, which could never be read again.
    fn fold(&mut self, at: jiff::Timestamp, seq: Seq, record: &Record) -> Result<(), StoreError> {
        if seq == 1 && !matches!(record, Record::Open { .. }) {
            return Err(StoreError::NotBegun);
        }
        Ok(self.state.apply(seq, at, record)?)
    }
}

impl<D: Disk> FolderStore<D> {
    /// Returns the fold of everything that was appended.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Appends records with one write and one sync, and folds them in; see [`Store::append`].
    pub fn append(&mut self, at: jiff::Timestamp, records: &[Record]) -> Result<Range<Seq>, StoreError> {
        if let Some(why) = &self.poison {
            return Err(StoreError::Poisoned { why: why.clone() });
        }
        let before = self.state.seq;
        if records.is_empty() {
            return Ok(before + 1..before + 1);
        }
        let cut = self.cut.map(|bytes| Record::Cut { bytes });
        let first = before + 1 + u64::from(cut.is_some());
        let mut lines = String::new();
        let mut head = self.state.head;
        for (seq, record) in (before + 1..).zip(cut.iter().chain(records)) {
            let (line, hash) = journal::encode(seq, head, at, record)?;
            lines.push_str(&line);
            head = hash;
        }
        for (seq, record) in (before + 1..).zip(cut.iter().chain(records)) {
            if let Err(e) = self.fold(at, seq, record) {
                if self.state.seq + 1 == first {
                    // At most `Cut` was folded in, which changes nothing but the number.
                    self.state.seq = before;
                } else {
                    self.poison = Some(e.to_string());
                }
                return Err(e);
            }
        }
        if let Err(e) = self.write_journal(lines.as_bytes()) {
            self.poison = Some(e.to_string());
            return Err(e);
        }
        self.state.head = head;
        self.durable = (self.state.seq, head);
        self.cut = None;
        Ok(first..self.state.seq + 1)
    }

    /// Keeps records beside the journal; see [`Store::rescue`].
    pub fn rescue(&mut self, at: jiff::Timestamp, records: &[Record]) -> Result<(), StoreError> {
        let name = FileName::Rescue;
        let (after, head) = self.durable;
        // Behind whatever an earlier try left there, in a line of its own.
        let mut lines = String::from("\n");
        for record in records {
            lines.push_str(&rescue::encode(after, head, at, record)?);
        }
        let length = match length(&mut self.disk, name)? {
            Some(length) => length,
            None => {
                self.disk.create(name).map_err(|e| io_error(name, "create", e))?;
                0
            }
        };
        self.disk.append(name, length, lines.as_bytes()).map_err(|e| io_error(name, "write", e))?;
        self.disk.sync(name).map_err(|e| io_error(name, "sync", e))?;
        self.disk.sync_names().map_err(|e| io_error(name, "sync the folder", e))
    }

    /// Replaces the snapshot; see [`Store::commit_snapshot`].
    pub fn commit_snapshot(&mut self) -> Result<u64, StoreError> {
        if let Some(why) = &self.poison {
            return Err(StoreError::Poisoned { why: why.clone() });
        }
        let Some(length) = self.length.filter(|_| self.snapshot_seq != self.state.seq) else {
            return Ok(self.serial);
        };
        let serial = self.serial.saturating_add(1);
        let bytes = snapshot::write(&self.state, serial, length)
            .map_err(|e| io_error(FileName::SnapshotNew, "write", e.into()))?;
        self.replace(FileName::SnapshotNew, FileName::Snapshot, &bytes)?;
        self.serial = serial;
        self.snapshot_seq = self.state.seq;
        Ok(serial)
    }

    /// Returns what the calls since then cost the service's quotas.
    pub fn spent(&mut self, since: jiff::Timestamp) -> Result<Vec<QuotaUsage>, StoreError> {
        spent(&mut self.disk, since)
    }

    /// Returns whether a head that somebody kept is the hash of a record.
    pub fn holds(&mut self, head: Sha256Hex) -> Result<bool, StoreError> {
        let Some(length) = self.length.filter(|_| head != self.state.head) else {
            return Ok(head == self.state.head);
        };
        let bytes = range(&mut self.disk, FileName::Journal, 0, length)?;
        Ok(journal::has_head(&bytes, Checkpoint::START, head))
    }
}

#[async_trait]
impl<D: Disk> Store for FolderStore<D> {
    fn state(&self) -> &State {
        self.state()
    }

    async fn append(
        &mut self,
        at: jiff::Timestamp,
        groups: Vec<Group>,
        _: &mut Admit<'_>,
    ) -> Result<Vec<Option<Range<Seq>>>, StoreError> {
        let lengths: Vec<Seq> = groups.iter().map(|g| g.len() as Seq).collect();
        let mut next = self.append(at, &groups.concat())?.start;
        let ranges = lengths.into_iter().map(|length| {
            let range = next..next + length;
            next = range.end;
            Some(range)
        });
        Ok(ranges.collect())
    }

    async fn rescue(&mut self, at: jiff::Timestamp, records: &[Record]) -> Result<(), StoreError> {
        self.rescue(at, records)
    }

    async fn commit_snapshot(&mut self, _: jiff::Timestamp) -> Result<u64, StoreError> {
        self.commit_snapshot()
    }

    fn spent(&mut self, since: jiff::Timestamp) -> Result<Vec<QuotaUsage>, StoreError> {
        self.spent(since)
    }

    async fn holds(&mut self, head: Sha256Hex) -> Result<bool, StoreError> {
        self.holds(head)
    }
}

/// What the calls since then cost the service's quotas.
pub(super) fn spent(disk: &mut impl Disk, since: jiff::Timestamp) -> Result<Vec<QuotaUsage>, StoreError> {
    quota_usage::read(disk, since).map_err(|e| io_error(FileName::Journal, "read", e))
}

/// What the file of rescued outcomes holds.
struct Rescue {
    /// Lines of this journal.
    lines: Vec<Rescued>,
    /// How many others.
    unusable: u64,
}

/// Reads the rescued outcomes and keeps those that belong to this journal; none if there is no such file.
fn rescued(disk: &mut impl Disk, journal: Option<u64>) -> Result<Option<Rescue>, StoreError> {
    let Some(len) = length(disk, FileName::Rescue)? else { return Ok(None) };
    let (all, mut unusable) = rescue::read(&range(disk, FileName::Rescue, 0, len)?);
    let bytes = match journal {
        Some(journal) if !all.is_empty() => range(disk, FileName::Journal, 0, journal)?,
        _ => Vec::new(),
    };
    let marks: std::collections::HashMap<Seq, Sha256Hex> =
        Reader::new(&bytes).map_while(Result::ok).map(|e| (e.seq, e.hash)).collect();
    let mut lines = all;
    let found = lines.len();
    lines.retain(|l| marks.get(&l.after) == Some(&l.head));
    unusable += (found - lines.len()) as u64;
    Ok(Some(Rescue { lines, unusable }))
}

fn tell_rescue(notices: &mut Vec<Notice>, records: u64, lines: u64) {
    if records > 0 {
        notices.push(Notice::Rescued { records });
    }
    if lines > 0 {
        notices.push(Notice::RescueUnusable { lines });
    }
}

fn load(disk: &mut impl Disk, depth: Depth) -> Result<Reading, StoreError> {
    // The snapshot first: a run that writes meanwhile only makes the journal longer than it says.
    let snapshot = match length(disk, FileName::Snapshot)? {
        Some(length) => Some(snapshot(disk, length)?),
        None => None,
    };
    let Some(journal) = length(disk, FileName::Journal)? else {
        return match snapshot {
            Some(_) => Err(Damage::JournalMissing.into()),
            None => Ok(Reading {
                state: State::default(),
                serial: 0,
                mark: None,
                length: None,
                tail: Tail::Clean,
                notices: Vec::new(),
            }),
        };
    };
    let why = match snapshot {
        None => None,
        Some(Ok(snapshot)) => return forward(disk, snapshot, journal, depth),
        Some(Err(SnapshotError::Newer { version })) => {
            return Err(StoreError::Newer { version, known: snapshot::FORMAT_VERSION });
        }
        Some(Err(why)) => Some(why),
    };
    let bytes = range(disk, FileName::Journal, 0, journal)?;
    let mut reading = fold(&bytes, Checkpoint::START, State::default())?;
    reading.notices.push(Notice::SnapshotRebuilt { why });
    Ok(reading)
}

/// Reads the snapshot: in pieces if it has the usual form, else as a whole.
fn snapshot(disk: &mut impl Disk, length: u64) -> Result<Result<Snapshot, SnapshotError>, StoreError> {
    let name = FileName::Snapshot;
    let mut pieces = Pieces::default();
    let mut usual = Ok(());
    let read = |also: &mut dyn FnMut(&[u8])| {
        disk.pieces(name, &mut |piece| {
            also(piece);
            usual = pieces.push(piece);
            usual.is_ok()
        })
    };
    let (read, digest) = if length < WORTH_A_THREAD { digested(read) } else { digested_beside(read) };
    read.map_err(|e| io_error(name, "read", e))?;
    if let Ok(snapshot) = usual.and_then(|()| pieces.finish(digest)) {
        return Ok(Ok(snapshot));
    }
    Ok(snapshot::read(&range(disk, name, 0, u64::MAX)?))
}

/// Returns what reading gives, and the digest of the pieces that were read.
fn digested<T>(read: impl FnOnce(&mut dyn FnMut(&[u8])) -> T) -> (T, Option<Sha256Hex>) {
    let mut digest = Digesting::default();
    let read = read(&mut |piece| digest.push(piece));
    (read, digest.finish())
}

/// Does what [`digested`] does, the digest computed in a thread of its own: it takes as long as to parse what is read.
fn digested_beside<T>(read: impl FnOnce(&mut dyn FnMut(&[u8])) -> T) -> (T, Option<Sha256Hex>) {
    let (send, pieces) = mpsc::sync_channel::<Vec<u8>>(PIECES_AHEAD);
    let beside = move || {
        let mut digest = Digesting::default();
        pieces.iter().for_each(|piece| digest.push(&piece));
        digest.finish()
    };
    match thread::Builder::new().stack_size(THREAD_STACK).spawn(beside) {
        Ok(beside) => {
            let read = read(&mut |piece| {
                // It takes all that comes, or has panicked, which is told below.
                let _ = send.send(piece.to_vec());
            });
            drop(send);
            (read, joined(beside.join()))
        }
        // The system gives no thread.
        Err(_) => digested(read),
    }
}

/// Whether the journal chains from its first record to a mark.
fn reaches(disk: &mut impl Disk, mark: Checkpoint) -> Result<bool, StoreError> {
    let name = FileName::Journal;
    chain::reaches(mark, |take| disk.pieces(name, take)).map_err(|e| io_error(name, "read", e))
}

/// Folds the journal's tail into a snapshot.
fn forward(
    disk: &mut impl Disk,
    snapshot: Snapshot,
    journal: u64,
    depth: Depth,
) -> Result<Reading, StoreError> {
    let doubt = snapshot.doubt();
    let fits = last_record_fits(disk, snapshot.mark, journal)?;
    if doubt.is_some() || !fits || depth == Depth::Whole && !reaches(disk, snapshot.mark)? {
        return without_snapshot(disk, snapshot, doubt.is_some() && fits, journal);
    }
    let Snapshot { serial, mark, state, .. } = snapshot;
    let tail = range(disk, FileName::Journal, mark.bytes, journal)?;
    let mut reading = fold(&tail, mark, state)?;
    if journal < mark.bytes {
        (reading.tail, reading.length) = (Tail::Unterminated, Some(journal));
    }
    reading.serial = serial;
    reading.mark = Some(mark);
    let records = reading.state.seq - mark.seq;
    if records > 0 {
        reading.notices.push(Notice::SnapshotBehind { records });
    }
    Ok(reading)
}

/// Reads the journal alone, which knows everything that its snapshot can say. `made_from_it`: the snapshot was, but
/// is not as it was written.
///
/// A snapshot of something else is damage, unless it was edited and names a record of this journal, or is left over from
/// a recovery that was interrupted.
fn without_snapshot(
    disk: &mut impl Disk,
    snapshot: Snapshot,
    made_from_it: bool,
    journal: u64,
) -> Result<Reading, StoreError> {
    let doubt = snapshot.doubt();
    let Snapshot { serial, mark, state, .. } = snapshot;
    let bytes = range(disk, FileName::Journal, 0, journal)?;
    if !made_from_it {
        let names_a_record = doubt.is_some() && journal::holds(&bytes, mark);
        let digest = Sha256Hex::of(&range(disk, FileName::Snapshot, 0, u64::MAX)?);
        if !names_a_record && !journal::is_left_over(&bytes, mark.seq, digest) {
            return Err(misfit(&bytes, mark, state.lineage.unwrap_or_default()).into());
        }
    }
    let mut reading = fold(&bytes, Checkpoint::START, State::default())?;
    reading.serial = serial;
    reading.notices.push(Notice::SnapshotRebuilt { why: doubt });
    Ok(reading)
}

fn fold(bytes: &[u8], mark: Checkpoint, mut state: State) -> Result<Reading, StoreError> {
    let mut reader = Reader::resume(bytes, mark);
    journal::fold(&mut reader, &mut state).map_err(Damage::from)?;
    Ok(Reading {
        state,
        serial: 0,
        mark: None,
        length: Some(reader.mark().bytes),
        tail: reader.tail(),
        notices: Vec::new(),
    })
}

/// Whether the record before the mark is the one that the snapshot was made from. Its newline may be gone:
/// editors take the last one of a file.
fn last_record_fits(disk: &mut impl Disk, mark: Checkpoint, journal: u64) -> Result<bool, StoreError> {
    if mark.bytes > journal + 1 {
        return Ok(false);
    }
    let mut window = 16 * 1024;
    loop {
        let from = mark.bytes.saturating_sub(window);
        let bytes = range(disk, FileName::Journal, from, mark.bytes)?;
        let body = match bytes.split_last() {
            Some((b'\n', body)) => body,
            _ if mark.bytes > journal => &bytes,
            _ => return Ok(false),
        };
        match memchr::memrchr(b'\n', body) {
            Some(i) => return Ok(journal::is_record_of(body.get(i + 1..).unwrap_or_default(), mark)),
            None if from == 0 => return Ok(journal::is_record_of(body, mark)),
            None => window *= 8,
        }
    }
}

/// Why a journal does not fit the snapshot beside it.
pub(super) fn misfit(bytes: &[u8], mark: Checkpoint, lineage: String) -> Damage {
    let mut state = State::default();
    let mut reader = Reader::new(bytes);
    if let Err(e) = journal::fold(&mut reader, &mut state) {
        return e.into();
    }
    match state.lineage {
        Some(journal) if journal != lineage => Damage::OtherLineage { snapshot: lineage, journal },
        _ if state.seq < mark.seq => Damage::SnapshotAhead { snapshot: mark.seq, journal: state.seq },
        _ => Damage::Diverged { seq: mark.seq },
    }
}

fn length(disk: &mut impl Disk, name: FileName) -> Result<Option<u64>, StoreError> {
    disk.len(name).map_err(|e| io_error(name, "read", e))
}

fn range(disk: &mut impl Disk, name: FileName, from: u64, to: u64) -> Result<Vec<u8>, StoreError> {
    disk.read(name, from, to).map_err(|e| io_error(name, "read", e))
}

fn io_error(name: FileName, doing: &'static str, source: io::Error) -> StoreError {
    StoreError::Io { path: name.as_str().into(), doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_made_beside_is_that_of_the_same_pieces() {
        let text = format!(
            "{{\n  \"digest\": \"{}\",\n  \"resources\": {{\n{}}}\n}}\n",
            Sha256Hex::ZERO,
            "x\n".repeat(9000)
        );
        let other_layout = text.replacen("\n  \"digest\"", "\n\"digest\"", 1);
        for (text, has_one) in [(text, true), (other_layout, false)] {
            for size in [1, 100, 4096, usize::MAX] {
                let read = |also: &mut dyn FnMut(&[u8])| text.as_bytes().chunks(size).map(also).count();
                let beside = digested_beside(read);
                assert_eq!(beside, digested(read), "{size}");
                assert_eq!(beside.1.is_some(), has_one, "{size}");
            }
        }
    }
}
