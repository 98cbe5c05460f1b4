//! Outcomes that the journal would not take: `.casefile/rescue.jsonl`.
//!
//! ```text
//! {"after":41,"head":"5d1…","at":"2026-03-01T08:00:09Z","hash":"0c7…","record":{"outcome":{…}}}
//! ```
//!
//! When a write or sync of the journal fails, calls may be in flight, and what becomes of them must not be
//! lost. It is written here, each line bound to the last durable record of its journal by that record's
//! number and hash. The next run that writes takes the lines into the journal and removes the file; a run
//! that only reads folds them in. `hash` is SHA-256 over the line without it.
//!
//! Responsible for the lines. Not responsible for when they are written or taken in (`folder`). Pure.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::exchange::Seq;
use super::journal::EncodeError;
use super::record::Record;
use crate::model::{Sha256, Sha256Hex};

/// A line that is intact.
#[derive(Clone, Debug, PartialEq)]
pub struct Rescued {
    /// The last durable record of the journal when it was written.
    pub after: Seq,
    /// That record's hash.
    pub head: Sha256Hex,
    /// When it was written, by the clock of the run that wrote it.
    pub at: jiff::Timestamp,
    /// What the journal lacks.
    pub record: Record,
}

/// Writes one line, newline included.
pub fn encode(
    after: Seq,
    head: Sha256Hex,
    at: jiff::Timestamp,
    record: &Record,
) -> Result<String, EncodeError> {
    let record = serde_json::to_string(record)?;
    if record.bytes().any(|b| matches!(b, b'\n' | b'\r')) {
        return Err(EncodeError::LineBreak);
    }
    let at = at.to_string();
    let hash = hash_of(after, head, &at, &record);
    Ok(format!(
        "{{\"after\":{after},\"head\":\"{head}\",\"at\":\"{at}\",\"hash\":\"{hash}\",\"record\":{record}}}\n"
    ))
}

/// Reads the intact lines, and counts those that say something else. The beginning of a line is neither: its
/// write was cut short and failed, and what it said was told of elsewhere.
pub fn read(bytes: &[u8]) -> (Vec<Rescued>, u64) {
    let mut odd = 0;
    let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    let intact = lines.filter_map(|l| {
        let line = parse(l);
        let cut = l.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(l).is_err();
        odd += u64::from(line.is_none() && !cut);
        line
    });
    (intact.collect(), odd)
}

fn parse(line: &[u8]) -> Option<Rescued> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        after: Seq,
        head: &'a str,
        at: &'a str,
        hash: &'a str,
        #[serde(borrow)]
        record: &'a RawValue,
    }
    let raw: Raw<'_> = serde_json::from_slice(line).ok()?;
    let head: Sha256Hex = raw.head.parse().ok()?;
    let hash: Sha256Hex = raw.hash.parse().ok()?;
    if hash_of(raw.after, head, raw.at, raw.record.get()) != hash {
        return None;
    }
    let record = serde_json::from_str(raw.record.get()).ok()?;
    Some(Rescued { after: raw.after, head, at: raw.at.parse().ok()?, record })
}

fn hash_of(after: Seq, head: Sha256Hex, at: &str, record: &str) -> Sha256Hex {
    let mut h = Sha256::new();
    h.update(format!("{{\"after\":{after},\"head\":\"{head}\",\"at\":\"{at}\",\"record\":"));
    h.update(record);
    h.update(b"}");
    h.finish()
}
