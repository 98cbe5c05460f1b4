//! Making a state usable again: the snapshot anew from a sound journal, or, where a person accepts damage,
//! a new journal from what can still be read.
//!
//! Pure: bytes in, bytes out. Damage is never passed over in silence: the new journal keeps every record
//! before the damage byte for byte, says `lost` for each line behind it, and ends with a record of what was
//! wrong, who accepted it and what the state was taken to be. The damaged files are kept beside it.
//!
//! What is behind the damage is not thrown away: a line that is intact by itself counts, in the order of the
//! numbers, and so does a snapshot that knows more. For what is forgotten may be asked for a second time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::exchange::Seq;
use super::fold::State;
use super::journal::{self, Checkpoint, Fault, JournalError, Reader, Tail};
use super::record::{Intent, Record};
use super::resource::Resource;
use super::snapshot::{self, FORMAT_VERSION, Integrity, Snapshot, SnapshotError};
use super::store::{Damage, StoreError};
use crate::model::Sha256Hex;

/// A person's word that a state may go on although it is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Who gives it: user and machine.
    pub by: String,
    /// When.
    pub at: jiff::Timestamp,
    /// Written where the journal's first record is lost: `casefile/<version>`.
    pub tool: String,
}

/// What to write.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rebuilt {
    /// The new journal; none if the present one stays.
    pub(super) journal: Option<Vec<u8>>,
    /// The new snapshot.
    pub(super) snapshot: Vec<u8>,
    /// For a person.
    pub(super) told: Rebuild,
}

/// What a rebuild did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// The last record.
    pub seq: Seq,
    /// How many resources the state has.
    pub resources: usize,
    /// What was accepted; none if the journal was sound.
    pub accepted: Option<Accepted>,
}

/// Damage that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What was wrong.
    pub damage: Damage,
    /// Records before the damage: all of them stay.
    pub before: Seq,
    /// Lines behind it that are not intact by themselves.
    pub lost: usize,
    /// Lines behind it that are, and count.
    pub salvaged: usize,
    /// The snapshot knew more than the records before the damage.
    pub snapshot: bool,
    /// The names under which the damaged files are kept.
    pub kept: Vec<String>,
}

/// Further than this, a number in a damaged file is part of the damage.
const FARTHEST: u64 = 1_000_000;

/// Decides. `None` for a folder without a state.
pub(super) fn rebuild(
    snapshot: Option<&[u8]>,
    journal: Option<&[u8]>,
    project: &str,
    acceptance: Option<&Acceptance>,
) -> Result<Option<Rebuilt>, StoreError> {
    let beside = snapshot.map(Sha256Hex::of);
    let snapshot = match snapshot.map(snapshot::read) {
        Some(Err(SnapshotError::Newer { version })) => {
            return Err(StoreError::Newer { version, known: FORMAT_VERSION });
        }
        Some(read) => read.ok(),
        None if journal.is_none() => return Ok(None),
        None => None,
    };
    let bytes = journal.unwrap_or_default();
    let walk = walk(bytes, snapshot.as_ref());
    of_project(&walk.state, snapshot.as_ref().map(|s| &s.state), project)?;
    let left_over = |s: &Snapshot| beside.is_some_and(|b| journal::is_left_over(bytes, s.mark.seq, b));
    let damage = match (&walk.fault, &snapshot) {
        _ if journal.is_none() => Some(Damage::JournalMissing),
        (Some(fault), _) => Some(fault.clone().into()),
        (None, Some(s)) if !walk.fits && !left_over(s) => {
            Some(super::folder::misfit(bytes, s.mark, s.state.lineage.clone().unwrap_or_default()))
        }
        (None, _) => None,
    };
    let serial = snapshot.as_ref().map_or(0, |s| s.serial).saturating_add(1);
    let Some(damage) = damage else {
        let told = Rebuild { seq: walk.state.seq, resources: walk.state.resources.len(), accepted: None };
        // Editors take the newline of a file's last line.
        let journal = (walk.tail == Tail::Unterminated).then(|| [bytes, b"\n"].concat());
        let length = walk.mark.bytes + u64::from(journal.is_some());
        let snapshot = write(&walk.state, serial, length)?;
        return Ok(Some(Rebuilt { journal, snapshot, told }));
    };
    let Some(acceptance) = acceptance.filter(|_| acceptable(&damage)) else { return Err(damage.into()) };
    recover(bytes, walk, snapshot.zip(beside), damage, serial, acceptance).map(Some)
}

/// Returns a snapshot that fits a whole journal as it stands, with the number of its last record and of its resources. The
/// given one keeps its serial.
///
/// # Errors
/// Whatever is wrong with the journal.
pub fn copy(snapshot: Option<Vec<u8>>, journal: &[u8]) -> Result<(Vec<u8>, Seq, usize), StoreError> {
    let (state, mark) = journal::folded(journal).sound().map_err(Damage::from)?;
    let serial = snapshot.and_then(|bytes| snapshot::read(&bytes).ok()).map_or(0, |s| s.serial);
    let written = write(&state, serial.saturating_add(1), mark.bytes)?;
    Ok((written, state.seq, state.resources.len()))
}

/// Returns a whole journal with the record that it is kept at a new place from here on, and a snapshot that fits it.
///
/// # Errors
/// Whatever is wrong with the journal.
pub fn arrived(journal: Vec<u8>, at: jiff::Timestamp) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
    let (state, _) = journal::folded(&journal).sound().map_err(Damage::from)?;
    let mut out = Journal { seq: state.seq, head: state.head, text: journal };
    out.push(at, &Record::Arrived)?;
    let (snapshot, ..) = copy(None, &out.text)?;
    Ok((out.text, snapshot))
}

/// A state as it is written to a new place.
#[derive(Clone, Debug, PartialEq)]
pub struct Elsewhere {
    /// The whole journal. It ends with the record that it is kept there.
    pub journal: Vec<u8>,
    /// The snapshot that fits it.
    pub snapshot: Vec<u8>,
    /// The lineage that is moved there.
    pub lineage: Option<String>,
    /// For a person.
    pub told: Rebuild,
}

/// Rebuilds a state for a new place, where nothing may be written over in the old one. `None` where there is no state.
///
/// # Errors
/// A state of another project, and damage that nobody accepts.
pub fn rebuilt_elsewhere(
    snapshot: Option<&[u8]>,
    journal: Option<&[u8]>,
    project: &str,
    acceptance: Option<&Acceptance>,
    at: jiff::Timestamp,
) -> Result<Option<Elsewhere>, StoreError> {
    let Some(rebuilt) = rebuild(snapshot, journal, project, acceptance)? else { return Ok(None) };
    let whole = rebuilt.journal.unwrap_or_else(|| journal.unwrap_or_default().to_vec());
    let (journal, snapshot) = arrived(whole, at)?;
    let lineage = snapshot::read(&snapshot).ok().and_then(|s| s.state.lineage);
    Ok(Some(Elsewhere { journal, snapshot, lineage, told: rebuilt.told }))
}

/// Refuses a state that is of other projects alone. Of two that are damaged one may know a later name than the other.
fn of_project(journal: &State, snapshot: Option<&State>, project: &str) -> Result<(), StoreError> {
    let states = [Some(journal), snapshot];
    let mut names = states.into_iter().flatten().filter_map(|s| s.binding.project.as_ref());
    match names.next() {
        Some(first) if first != project && names.all(|name| name != project) => {
            Err(StoreError::OtherProject { state: first.clone(), project: project.to_owned() })
        }
        _ => Ok(()),
    }
}

/// What has a better way out is not accepted.
fn acceptable(damage: &Damage) -> bool {
    match damage {
        Damage::Journal(JournalError { fault, .. }) => {
            !matches!(fault, Fault::Newer { .. } | Fault::Crlf | Fault::MergeConflict)
        }
        Damage::OtherLineage { .. } | Damage::SnapshotUnusable { .. } | Damage::Gap { .. } => false,
        Damage::JournalMissing | Damage::SnapshotAhead { .. } | Damage::Diverged { .. } => true,
    }
}

/// The records up to the first fault.
struct Walk {
    state: State,
    mark: Checkpoint,
    fault: Option<JournalError>,
    tail: Tail,
    /// Whether the snapshot was made from one of them.
    fits: bool,
}

fn walk(bytes: &[u8], snapshot: Option<&Snapshot>) -> Walk {
    let mut reader = Reader::new(bytes);
    let mut w = Walk {
        state: State::default(),
        mark: Checkpoint::START,
        fault: None,
        tail: Tail::Clean,
        fits: false,
    };
    while let Some(entry) = reader.next() {
        match entry.and_then(|e| journal::fold_entry(&e, &mut w.state)) {
            Ok(()) => {
                w.mark = reader.mark();
                w.fits |= snapshot.is_some_and(|s| (s.mark.seq, s.mark.head) == (w.mark.seq, w.mark.head));
            }
            Err(fault) => {
                w.fault = Some(fault);
                return w;
            }
        }
    }
    w.tail = reader.tail();
    w
}

/// Returns what the readable records and the snapshot know together, and whether the snapshot added to it. `fits` says
/// whether the snapshot was made of one of the records.
fn known_by_both(readable: &State, fits: bool, snapshot: Option<Snapshot>) -> (State, bool) {
    let same = |s: &Snapshot| readable.lineage.is_none() || readable.lineage == s.state.lineage;
    match snapshot.filter(same) {
        // A snapshot that was made behind the damage knows what the records in it did.
        Some(s) if s.mark.seq > readable.seq && s.integrity == Integrity::Edited => {
            // It is later, and somebody changed it: what it does not know may have been taken out of it.
            let mut base = s.state;
            add_missing(&mut base, readable);
            if readable.lineage.is_some() {
                base.binding.clone_from(&readable.binding);
            }
            (base, true)
        }
        Some(s) if s.mark.seq > readable.seq => (s.state, true),
        Some(s) if !fits => {
            // Of another history of this state: what only it knows is kept, lest it be asked for again.
            let mut base = readable.clone();
            let added = add_missing(&mut base, &s.state);
            (base, added)
        }
        _ => (readable.clone(), false),
    }
}

/// Adds the resources that only the other state knows; says whether there are some.
fn add_missing(state: &mut State, other: &State) -> bool {
    let known = state.resources.len();
    for (address, r) in &other.resources {
        if !state.resources.contains_key(address) {
            state.resources.insert(address.clone(), r.clone());
        }
    }
    state.resources.len() > known
}

fn recover(
    bytes: &[u8],
    walk: Walk,
    snapshot: Option<(Snapshot, Sha256Hex)>,
    damage: Damage,
    serial: u64,
    acceptance: &Acceptance,
) -> Result<Rebuilt, StoreError> {
    let Walk { state: readable, mark, tail, fits, .. } = walk;
    let prefix = bytes.get(..usize::try_from(mark.bytes).unwrap_or(usize::MAX)).unwrap_or_default();
    let rest = bytes.get(prefix.len()..).unwrap_or_default();
    let rest: Vec<&[u8]> = match tail {
        Tail::Torn { .. } => Vec::new(),
        _ => rest.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect(),
    };
    let beside = snapshot.as_ref().map(|(_, digest)| *digest);
    let (mut base, from_snapshot) = known_by_both(&readable, fits, snapshot.map(|(s, _)| s));
    if base.lineage.is_none() {
        return Err(StoreError::Lost {
            damage,
            why: "its first record is gone, and no state.json says whose state it was",
        });
    }
    let intact: BTreeMap<Seq, _> =
        rest.iter().filter_map(|l| journal::salvage(l)).map(|(n, at, r)| (n, (at, r))).collect();
    let lost = rest.iter().filter(|l| journal::salvage(l).is_none()).count();
    let mut salvaged = 0;
    for (seq, (at, record)) in intact.range(base.seq + 1..) {
        let mut record = Cow::Borrowed(record);
        if let Record::Intent(intent) = &*record
            && !base.takes_over(intent)
        {
            // The outcome of the attempt before it is lost. The call of this one may have left all the same.
            let over = base.resources.get(&intent.address).and_then(Resource::open_attempt);
            record = Cow::Owned(Record::Intent(Box::new(Intent { over, ..(**intent).clone() })));
        }
        // What contradicts what is known by now is part of what is lost.
        salvaged += usize::from(base.apply(*seq, *at, &record).is_ok());
    }
    let first = readable.seq + 1;
    let last = base.seq.max(readable.seq + rest.len() as u64);
    if last > readable.seq + rest.len() as u64 + FARTHEST {
        return Err(StoreError::Lost {
            damage,
            why: "state.json counts records that there cannot have been",
        });
    }
    let mut out = Journal { text: prefix.to_vec(), seq: readable.seq, head: mark.head };
    if out.text.last().is_some_and(|b| *b != b'\n') {
        out.text.push(b'\n');
    }
    let lineage = base.lineage.clone().unwrap_or_default();
    if out.seq == 0 {
        let (binding, tool) = (base.binding.clone(), acceptance.tool.clone());
        out.push(acceptance.at, &Record::Open { lineage, binding, tool })?;
    }
    for seq in out.seq + 1..=last {
        let line = usize::try_from(seq - first).ok().and_then(|i| rest.get(i));
        out.push(acceptance.at, &Record::Lost { line: line.map(|l| Sha256Hex::of(l)) })?;
    }
    out.push(
        acceptance.at,
        &Record::Recovered {
            damage: damage.to_string(),
            by: acceptance.by.clone(),
            journal: (!bytes.is_empty()).then(|| Sha256Hex::of(bytes)),
            snapshot: beside,
            resources: base.resources,
        },
    )?;
    // What was written must be what a later run reads.
    let mut state = State::default();
    journal::fold(&mut Reader::new(&out.text), &mut state).map_err(Damage::from)?;
    let accepted =
        Accepted { damage, before: readable.seq, lost, salvaged, snapshot: from_snapshot, kept: Vec::new() };
    let told = Rebuild { seq: state.seq, resources: state.resources.len(), accepted: Some(accepted) };
    let snapshot = write(&state, serial, out.text.len() as u64)?;
    Ok(Rebuilt { journal: Some(out.text), snapshot, told })
}

/// A journal that is being written.
struct Journal {
    text: Vec<u8>,
    seq: Seq,
    head: Sha256Hex,
}

impl Journal {
    fn push(&mut self, at: jiff::Timestamp, record: &Record) -> Result<(), StoreError> {
        let (line, hash) = journal::encode(self.seq + 1, self.head, at, record)?;
        self.text.extend_from_slice(line.as_bytes());
        (self.seq, self.head) = (self.seq + 1, hash);
        Ok(())
    }
}

fn write(state: &State, serial: u64, bytes: u64) -> Result<Vec<u8>, StoreError> {
    snapshot::write(state, serial, bytes).map_err(|e| StoreError::Encode(e.into()))
}
