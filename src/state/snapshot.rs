//! The snapshot's format, `.casefile/state.json`: the fold of the journal for people, git and a quick start.
//!
//! Responsible for writing and reading it and for its JSON Schema. Not responsible for deciding whether it
//! fits its journal (`folder`). Pure: bytes in, values out.
//!
//! A snapshot is long: it is read in pieces (`pieces`), each turned into values before the next one comes.
//!
//! It carries a digest: SHA-256 over its own bytes without the line of the digest, and so over the hash of the journal's
//! last record too. A file that was edited by hand, merged as text or laid out anew does not fit it, and then the journal
//! counts. The digest is no signature: who means to deceive can compute it again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fold::{Running, State};
use super::journal::Checkpoint;
use super::record::Binding;
use super::resources::Resources;
use crate::model::Sha256Hex;

mod digest;
mod pieces;

pub(super) use digest::Digesting;
pub(super) use pieces::Pieces;

/// The format that is written, and the latest one that is read.
pub const FORMAT_VERSION: u64 = 1;

/// A snapshot that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Grows by one with every snapshot written.
    pub serial: u64,
    /// The place in the journal up to which it is the fold.
    pub mark: Checkpoint,
    /// The fold.
    pub state: State,
    /// The verdict of its digest: whether it is as it was written.
    pub integrity: Integrity,
}

/// The verdict of a snapshot's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// The file is as it was written.
    Intact,
    /// The file was changed after it was written.
    Edited,
    /// The file holds no digest: an earlier version wrote it, or somebody took it out.
    Unknown,
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
    /// It is another one than was written: a person edited it, or a merge put two of them together.
    #[error("state.json was changed after it was written: it does not fit its digest")]
    Edited,
    /// It does not say what it was when it was written.
    #[error("state.json holds no digest of itself")]
    Undigested,
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
    #[schemars(example = Checkpoint { seq: 4, bytes: 2731, ..Checkpoint::START })]
    journal: Checkpoint,
    /// SHA-256 over the bytes of this file without the line of the digest. Where it does not fit, the journal counts.
    #[serde(default)]
    #[schemars(example = Sha256Hex::of(b"test"))]
    digest: Option<Sha256Hex>,
    /// The run that makes calls just now, where several can.
    #[serde(default)]
    #[schemars(example = serde_json::Value::Null)]
    running: Option<Box<Running>>,
    /// Where the state is kept now, if it has moved.
    #[serde(default)]
    #[schemars(example = serde_json::Value::Null)]
    departed_to: Option<String>,
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
    journal: Checkpoint,
    digest: Sha256Hex,
    #[serde(skip_serializing_if = "Option::is_none")]
    running: &'a Option<Box<Running>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    departed_to: &'a Option<String>,
    resources: &'a Resources,
}

/// Returns the verdict of a digest: whether it is that of what was read.
fn integrity(digest: Option<Sha256Hex>, found: Option<Sha256Hex>) -> Integrity {
    let Some(digest) = digest else { return Integrity::Unknown };
    if found == Some(digest) { Integrity::Intact } else { Integrity::Edited }
}

/// Writes a state whose journal is `bytes` long. Bodies keep their bytes and stay on one line.
pub fn write(state: &State, serial: u64, bytes: u64) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = serde_json::to_vec_pretty(&Written {
        format_version: FORMAT_VERSION,
        lineage: state.lineage.as_deref().unwrap_or_default(),
        serial,
        binding: &state.binding,
        journal: Checkpoint { seq: state.seq, head: state.head, bytes },
        digest: Sha256Hex::ZERO,
        running: &state.running,
        departed_to: &state.departed_to,
        resources: &state.resources,
    })?;
    out.push(b'\n');
    digest::sign(&mut out);
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
    let integrity = integrity(d.digest, digest::of(bytes));
    d.settled(integrity).ok_or_else(|| unreadable("it names no format, no lineage or no record".into()))
}

impl Snapshot {
    /// The reason why the journal counts in its place; none if it is as it was written.
    pub fn doubt(&self) -> Option<SnapshotError> {
        match self.integrity {
            Integrity::Intact => None,
            Integrity::Edited => Some(SnapshotError::Edited),
            Integrity::Unknown => Some(SnapshotError::Undigested),
        }
    }
}

impl Document {
    /// None if it lacks what every snapshot has.
    fn settled(self, integrity: Integrity) -> Option<Snapshot> {
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
                running: self.running,
                departed_to: self.departed_to,
            },
            integrity,
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
