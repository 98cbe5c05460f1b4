//! The snapshot's format, `.casefile/state.json`: the fold of the journal for people, git and a quick start.
//!
//! Responsible for writing and reading it and for its JSON Schema. Not responsible for deciding whether it
//! fits its journal (`folder`). Pure: bytes in, values out.
//!
//! A snapshot is long: it is read in pieces (`pieces`), each turned into values before the next one comes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fold::State;
use super::journal::Mark;
use super::record::Binding;
use super::resources::Resources;

mod pieces;

pub(super) use pieces::Pieces;

/// The format that is written, and the latest one that is read.
pub const FORMAT_VERSION: u64 = 1;

/// A snapshot that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Grows by one with every snapshot written.
    pub serial: u64,
    /// The place in the journal up to which it is the fold.
    pub mark: Mark,
    /// The fold.
    pub state: State,
}

/// A file that is no usable snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Zero bytes.
    #[error("state.json is empty")]
    Empty,
    /// Cut short, edited beyond reading, or something else entirely.
    #[error("state.json cannot be read: {why}")]
    Unreadable {
        /// The parser's words.
        why: String,
    },
    /// Of a later format.
    #[error("state.json has format {version}; this casefile reads up to {FORMAT_VERSION}")]
    Newer {
        /// Its format.
        version: u64,
    },
}

/// The state of a casefile project: what was asked of the service, and what became of it. Written by
/// `casefile apply`; the journal beside it is the truth, and `casefile state rebuild` makes this file anew.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "State")]
struct Document {
    /// The format of this file.
    #[schemars(example = FORMAT_VERSION, range(min = 1, max = 1))]
    format_version: u64,
    /// Given to a state once and never changed; saved plans name it.
    #[schemars(example = &"0d3c5f0e-6a53-4c1e-9f0e-3f0c2b6c9a11")]
    lineage: String,
    /// Grows by one with every snapshot written.
    #[schemars(example = 7)]
    serial: u64,
    /// Whose state this is.
    #[schemars(example = Binding { cloud: Some("public".into()), ..Binding::default() })]
    binding: Binding,
    /// Up to which record of the journal this is the fold.
    #[schemars(example = Mark { seq: 4, bytes: 2731, ..Mark::START })]
    journal: Mark,
    /// Every resource by its address, in the order of the addresses.
    #[schemars(example = serde_json::json!({}))]
    resources: Resources,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    format_version: u64,
    lineage: &'a str,
    serial: u64,
    binding: &'a Binding,
    journal: Mark,
    resources: &'a Resources,
}

/// Writes a state whose journal is `bytes` long. Bodies keep their bytes and stay on one line.
pub fn write(state: &State, serial: u64, bytes: u64) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = serde_json::to_vec_pretty(&Written {
        format_version: FORMAT_VERSION,
        lineage: state.lineage.as_deref().unwrap_or_default(),
        serial,
        binding: &state.binding,
        journal: Mark { seq: state.seq, head: state.head, bytes },
        resources: &state.resources,
    })?;
    out.push(b'\n');
    Ok(out)
}

/// Reads a snapshot.
pub fn read(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        format_version: u64,
    }
    if bytes.is_empty() {
        return Err(SnapshotError::Empty);
    }
    let unreadable = |why: String| SnapshotError::Unreadable { why };
    let newer = |version: u64| version > FORMAT_VERSION;
    let d: Document = serde_json::from_slice(bytes).map_err(|e| {
        // A later format may be anything; only its version is promised.
        match serde_json::from_slice::<Version>(bytes) {
            Ok(v) if newer(v.format_version) => SnapshotError::Newer { version: v.format_version },
            _ => unreadable(e.to_string()),
        }
    })?;
    if newer(d.format_version) {
        return Err(SnapshotError::Newer { version: d.format_version });
    }
    d.settled().ok_or_else(|| unreadable("it names no format, no lineage or no record".into()))
}

impl Document {
    /// None if it lacks what every snapshot has.
    fn settled(self) -> Option<Snapshot> {
        let named = self.journal.seq != 0 && self.journal.bytes != 0 && !self.lineage.is_empty();
        (named && self.format_version != 0).then_some(Snapshot {
            serial: self.serial,
            mark: self.journal,
            state: State {
                lineage: Some(self.lineage),
                binding: self.binding,
                seq: self.journal.seq,
                head: self.journal.head,
                resources: self.resources,
            },
        })
    }
}

/// The JSON Schema (draft 2020-12) of the snapshot: `casefile schema state`.
pub fn state_schema() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Document>()
        .to_value()
}
