//! The journal's format: one record a line, each line hashed together with the hash of the one before it.
//!
//! ```text
//! {"seq":1,"at":"2026-03-01T08:00:00Z","prev":"000…","hash":"5d1…","record":{"open":{…}}}
//! ```
//!
//! `hash` is SHA-256 over the line without it: exactly the bytes
//! `{"seq":N,"at":"…","prev":"…","record":<the record's bytes as they stand>}`. The first `prev` is 64
//! zeros. A record's number is also its line's number.
//!
//! Responsible for writing and checking lines. Not responsible for what records mean (`fold`) or for
//! files (`folder`, `local`). Pure: bytes in, records out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::custody::Custody;
use super::exchange::Seq;
use super::fold::State;
use super::record::Record;
use super::step::FoldError;
use crate::model::{Sha256, Sha256Hex};

/// A place between two records of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Mark")]
pub struct Checkpoint {
    /// The number of the last record before it; 0 at the start.
    #[schemars(example = 4)]
    pub seq: Seq,
    /// The hash of that record; 64 zeros at the start.
    #[schemars(example = &"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub head: Sha256Hex,
    /// How many bytes of the journal lie before it.
    #[schemars(example = 2731)]
    pub bytes: u64,
}

impl Checkpoint {
    /// Before the first record.
    pub const START: Checkpoint = Checkpoint { seq: 0, head: Sha256Hex::ZERO, bytes: 0 };
}

/// A record that cannot be written as a line.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Serde refused it.
    #[error("a record cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A body with line breaks between its tokens would end the line early.
    #[error("a record's body is not compact JSON: it holds a line break")]
    LineBreak,
}

/// Writes one line, newline included, and says its hash.
pub fn encode(
    seq: Seq,
    prev: Sha256Hex,
    at: jiff::Timestamp,
    record: &Record,
) -> Result<(String, Sha256Hex), EncodeError> {
    let record = serde_json::to_string(record)?;
    if record.bytes().any(|b| matches!(b, b'\n' | b'\r')) {
        return Err(EncodeError::LineBreak);
    }
    let at = at.to_string();
    let hash = hash_of(seq, &at, prev, &record);
    let line = format!(
        "{{\"seq\":{seq},\"at\":\"{at}\",\"prev\":\"{prev}\",\"hash\":\"{hash}\",\"record\":{record}}}\n"
    );
    Ok((line, hash))
}

fn hash_of(seq: Seq, at: &str, prev: Sha256Hex, record: &str) -> Sha256Hex {
    let mut h = Sha256::new();
    h.update(format!("{{\"seq\":{seq},\"at\":\"{at}\",\"prev\":\"{prev}\",\"record\":"));
    h.update(record);
    h.update(b"}");
    h.finish()
}

/// What is wrong with a journal, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("journal line {line}: {fault}")]
pub struct JournalError {
    /// The line, from 1.
    pub line: u64,
    /// The record that was expected there.
    pub seq: Seq,
    /// The fault that was found in its place.
    pub fault: Fault,
}

/// What can be wrong with a line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A file without one complete record. A journal is created together with its first record, so an
    /// interrupted run never leaves this behind.
    #[error("the file holds no complete record")]
    Empty,
    /// Bytes that are no text.
    #[error("not UTF-8 at byte {at} of the line")]
    NotUtf8 {
        /// Bytes before it in the line.
        at: usize,
    },
    /// No line of a journal.
    #[error("not a journal record: {why}")]
    Unreadable {
        /// The parser's words; never the line's content.
        why: String,
    },
    /// Git left its markers in the file.
    #[error("a merge conflict's marker: two histories of one state were merged as text")]
    MergeConflict,
    /// Something rewrote the line ends.
    #[error("the line ends with CRLF: something rewrote the line ends (git with autocrlf does)")]
    Crlf,
    /// The content does not give the hash in it.
    #[error("record {seq} was changed after it was written: its content does not match its hash")]
    Edited {
        /// The record, as it calls itself.
        seq: Seq,
    },
    /// The number fits and the record is intact, but it names another predecessor.
    #[error("record {seq} follows another record {} than the one before it", seq.saturating_sub(1))]
    Forked {
        /// The record.
        seq: Seq,
    },
    /// One or more records are not in the file.
    #[error("record {expected} is missing: record {found} follows record {}", expected.saturating_sub(1))]
    Missing {
        /// The first one missing.
        expected: Seq,
        /// The one in its place.
        found: Seq,
    },
    /// The expected record stands further down.
    #[error("records were re-ordered: record {found} stands where record {expected} belongs")]
    Reordered {
        /// The one that belongs here.
        expected: Seq,
        /// The one in its place.
        found: Seq,
    },
    /// A record for the second time.
    #[error("record {found} stands here again")]
    Repeated {
        /// The record.
        found: Seq,
    },
    /// The chain is intact, but this program does not know such records.
    #[error("record {seq} was written by a newer casefile: {what}")]
    Newer {
        /// The record.
        seq: Seq,
        /// What is not known here.
        what: String,
    },
    /// A chain that begins with something else than `open`.
    #[error("the first record is not `open`")]
    NoStart,
    /// The chain is intact, but a record contradicts those before it.
    #[error(transparent)]
    Contradiction(#[from] FoldError),
}

/// One record as it stands in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// Its number.
    pub seq: Seq,
    /// When it was written, by the clock of the run that wrote it.
    pub at: jiff::Timestamp,
    /// Its hash.
    pub hash: Sha256Hex,
    /// What it says.
    pub record: Record,
    /// Its bytes.
    pub raw: &'a str,
}

/// How a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a newline.
    Clean,
    /// With a complete record that only lacks its newline: an editor took it, or a write stopped right
    /// before it. Nothing is lost.
    Unterminated,
    /// With the beginning of a line, or blocks that were never written. A synced append never looks like
    /// this, so no call can have left because of it.
    Torn {
        /// How many bytes.
        bytes: u64,
    },
}

/// Walks the bytes of a journal and checks number, predecessor and hash of every record.
///
/// Ends after the first error. [`Reader::mark`] and [`Reader::tail`] speak of what was read so far.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
    mark: Checkpoint,
    tail: Tail,
    done: bool,
}

impl<'a> Reader<'a> {
    /// Reads a whole journal.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader::resume(bytes, Checkpoint::START)
    }

    /// Reads on from a mark; `bytes` are those behind it.
    pub fn resume(bytes: &'a [u8], mark: Checkpoint) -> Self {
        Reader { bytes, pos: 0, mark, tail: Tail::Clean, done: false }
    }

    /// The place behind the last good record.
    pub fn mark(&self) -> Checkpoint {
        self.mark
    }

    /// How the journal ends; meaningful once the iterator is finished.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    fn error(&self, fault: Fault) -> JournalError {
        // Numbers start at 1 and never skip, so a good record's number is its line's.
        JournalError { line: self.mark.seq + 1, seq: self.mark.seq + 1, fault }
    }

    fn step(&mut self) -> Result<Option<Entry<'a>>, JournalError> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        if rest.is_empty() {
            return if self.mark.seq == 0 { Err(self.error(Fault::Empty)) } else { Ok(None) };
        }
        let end = memchr::memchr(b'\n', rest);
        let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let last = end.is_none_or(|e| e + 1 == rest.len());
        let entry = match Line::parse(line) {
            Ok(parsed) => self.check(&parsed, rest)?,
            Err(Fault::Unreadable { .. } | Fault::NotUtf8 { .. })
                if last && is_partial(line, end.is_some()) =>
            {
                if self.mark.seq == 0 {
                    return Err(self.error(Fault::Empty));
                }
                self.tail = Tail::Torn { bytes: rest.len() as u64 };
                return Ok(None);
            }
            Err(fault) => return Err(self.error(fault)),
        };
        let length = line.len() + usize::from(end.is_some());
        if end.is_none() {
            self.tail = Tail::Unterminated;
        }
        self.pos += length;
        self.mark = Checkpoint { seq: entry.seq, head: entry.hash, bytes: self.mark.bytes + length as u64 };
        Ok(Some(entry))
    }

    fn check(&self, line: &Line<'a>, rest: &[u8]) -> Result<Entry<'a>, JournalError> {
        let expected = self.mark.seq + 1;
        let found = line.seq;
        let fault = |fault| Err(self.error(fault));
        if hash_of(found, line.at, line.prev, line.record.get()) != line.hash {
            return fault(Fault::Edited { seq: found });
        }
        if found > expected {
            let later = format!("{{\"seq\":{expected},");
            let moved = rest.split(|b| *b == b'\n').any(|l| l.starts_with(later.as_bytes()));
            return fault(if moved {
                Fault::Reordered { expected, found }
            } else {
                Fault::Missing { expected, found }
            });
        }
        if found < expected {
            return fault(Fault::Repeated { found });
        }
        if line.prev != self.mark.head {
            return fault(Fault::Forked { seq: found });
        }
        let raw = line.record.get();
        // The hash fits, so whoever wrote this meant it.
        let newer = |what: String| self.error(Fault::Newer { seq: found, what });
        let record = serde_json::from_str(raw).map_err(|e| newer(parser_words(&e)))?;
        let at = line.at.parse().map_err(|_| newer("its time is not of a known form".into()))?;
        Ok(Entry { seq: found, at, hash: line.hash, record, raw })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Entry<'a>, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.step().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Folds what a reader yields into a state, and moves the state's head along.
pub(super) fn fold(reader: &mut Reader<'_>, state: &mut State) -> Result<(), JournalError> {
    for entry in reader.by_ref() {
        let entry = entry?;
        fold_entry(&entry, state)?;
    }
    Ok(())
}

/// A journal that was folded, as far as it is sound.
#[derive(Debug)]
pub struct Folded {
    /// The state that its sound records come to.
    pub state: State,
    /// The place behind the last of them.
    pub mark: Checkpoint,
    /// The first thing that is wrong with it.
    pub damage: Option<JournalError>,
}

impl Folded {
    /// Returns state and place of a journal that is sound to its end.
    ///
    /// # Errors
    /// The first record that is not sound.
    pub fn sound(self) -> Result<(State, Checkpoint), JournalError> {
        self.damage.map_or(Ok((self.state, self.mark)), Err)
    }
}

/// Folds a whole journal.
pub fn folded(journal: &[u8]) -> Folded {
    let mut state = State::default();
    let mut reader = Reader::new(journal);
    let damage = fold(&mut reader, &mut state).err();
    Folded { state, mark: reader.mark(), damage }
}

/// Returns whether a journal holds the record of a mark, wherever the mark says that it ends.
pub(super) fn holds(bytes: &[u8], mark: Checkpoint) -> bool {
    Reader::new(bytes).map_while(Result::ok).any(|e| (e.seq, e.hash) == (mark.seq, mark.head))
}

/// Returns whether a hash is that of one of these lines, or of the record before them.
pub(super) fn has_head(lines: &[u8], from: Checkpoint, head: Sha256Hex) -> bool {
    let before = from.seq > 0 && from.head == head;
    before || Reader::resume(lines, from).map_while(Result::ok).any(|e| e.hash == head)
}

/// Returns whether a snapshot of this digest, made at that record, was there when a person accepted damage: the
/// recovery was interrupted after it wrote the journal, and before it replaced the snapshot.
pub(super) fn is_left_over(bytes: &[u8], snapshot_seq: Seq, snapshot: Sha256Hex) -> bool {
    let recoveries = Reader::new(bytes).map_while(Result::ok).filter_map(|e| match e.record {
        Record::Recovered { snapshot, .. } => Some((e.seq, snapshot)),
        _ => None,
    });
    // An older one says nothing that the recovery does not know, whichever it is.
    recoveries.last().is_some_and(|(seq, named)| snapshot_seq < seq || named == Some(snapshot))
}

/// Folds one entry.
pub(super) fn fold_entry(entry: &Entry<'_>, state: &mut State) -> Result<(), JournalError> {
    let at = |fault| JournalError { line: entry.seq, seq: entry.seq, fault };
    if entry.seq == 1 && !matches!(entry.record, Record::Open { .. }) {
        return Err(at(Fault::NoStart));
    }
    state.apply(entry.seq, entry.at, &entry.record).map_err(|e| at(e.into()))?;
    state.head = entry.hash;
    Ok(())
}

/// Whether a last line can be an append that stopped midway. A prefix of an object is never an object, so
/// such a line does not parse; blocks that never reached the disk read as NULs, and only with them can the
/// newline be there. Anything else is damage.
fn is_partial(line: &[u8], terminated: bool) -> bool {
    let begins = line.iter().zip(b"{\"seq\":").all(|(found, meant)| found == meant || *found == 0);
    begins && (!terminated || line.contains(&0))
}

/// A line that is intact by itself, wherever it stands: its number, its time, its record. What it follows is
/// not looked at.
pub(super) fn salvage(line: &[u8]) -> Option<(Seq, jiff::Timestamp, Record)> {
    let l = Line::parse(line).ok()?;
    if hash_of(l.seq, l.at, l.prev, l.record.get()) != l.hash {
        return None;
    }
    Some((l.seq, l.at.parse().ok()?, serde_json::from_str(l.record.get()).ok()?))
}

/// Whether a line, without its newline, is intact and is the record that a mark names.
pub(super) fn is_record_of(line: &[u8], mark: Checkpoint) -> bool {
    Line::parse(line).is_ok_and(|l| {
        l.seq == mark.seq && l.hash == mark.head && hash_of(l.seq, l.at, l.prev, l.record.get()) == l.hash
    })
}

/// A line taken apart, its form checked and its hash not.
struct Line<'a> {
    seq: Seq,
    at: &'a str,
    prev: Sha256Hex,
    hash: Sha256Hex,
    record: &'a RawValue,
}

impl<'a> Line<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            seq: Seq,
            at: &'a str,
            prev: &'a str,
            hash: &'a str,
            #[serde(borrow)]
            record: &'a RawValue,
        }
        let text = std::str::from_utf8(line).map_err(|e| Fault::NotUtf8 { at: e.valid_up_to() })?;
        if text.ends_with('\r') {
            return Err(Fault::Crlf);
        }
        let unreadable = |why: &str| Fault::Unreadable { why: why.to_owned() };
        let raw: Raw<'a> = serde_json::from_str(text).map_err(|e| match text.get(..7) {
            Some("<<<<<<<" | "=======" | ">>>>>>>" | "|||||||") => Fault::MergeConflict,
            _ => unknown_field(text).unwrap_or_else(|| unreadable(&parser_words(&e))),
        })?;
        let digest = |text: &str| text.parse::<Sha256Hex>().map_err(|_| unreadable("a hash is not hex"));
        let parsed = Line {
            seq: raw.seq,
            at: raw.at,
            prev: digest(raw.prev)?,
            hash: digest(raw.hash)?,
            record: raw.record,
        };
        if !parsed.is_canonical(text) {
            return Err(unknown_field(text).unwrap_or(Fault::Edited { seq: raw.seq }));
        }
        Ok(parsed)
    }

    /// The hash covers a form without blanks and with its fields in order; so must the line be.
    fn is_canonical(&self, text: &str) -> bool {
        let Line { seq, at, prev, hash, record } = self;
        let head =
            format!("{{\"seq\":{seq},\"at\":\"{at}\",\"prev\":\"{prev}\",\"hash\":\"{hash}\",\"record\":");
        text.strip_prefix(&head).and_then(|t| t.strip_suffix('}')) == Some(record.get())
    }
}

/// A field that no line of this format has.
fn unknown_field(text: &str) -> Option<Fault> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let field = fields.keys().find(|k| !matches!(k.as_str(), "seq" | "at" | "prev" | "hash" | "record"))?;
    let seq = fields.get("seq").and_then(|s| s.get().parse().ok()).unwrap_or_default();
    Some(Fault::Newer { seq, what: format!("field `{field}` is not known here") })
}

/// The parser's message without its position, which counts within one line.
fn parser_words(e: &serde_json::Error) -> String {
    let text = e.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(words, _)| words.to_owned())
}

/// Returns the custody records behind the first fault of a journal that are intact by themselves, with their numbers. The
/// chain does not vouch for them.
pub fn custody_records_behind_fault(journal: &[u8]) -> Vec<(Seq, Custody)> {
    let mut reader = Reader::new(journal);
    if !reader.by_ref().any(|entry| entry.is_err()) {
        return Vec::new();
    }
    let rest = usize::try_from(reader.mark().bytes).ok().and_then(|at| journal.get(at..)).unwrap_or_default();
    let lines = rest.split(|b| *b == b'\n').filter_map(salvage);
    let custody = lines.filter_map(|(seq, _, record)| match record {
        Record::Fetched(custody) => Some((seq, *custody)),
        _ => None,
    });
    custody.collect()
}

/// Returns the custody records of a journal, with their numbers, up to its first fault.
pub fn custody_records(journal: &[u8]) -> Vec<(Seq, Custody)> {
    let mut out = Vec::new();
    for entry in Reader::new(journal).map_while(Result::ok) {
        if let Record::Fetched(custody) = entry.record {
            out.push((entry.seq, *custody));
        }
    }
    out
}
