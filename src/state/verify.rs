//! `casefile verify`, the journal's part: the whole chain, record by record, and the snapshot against it.
//!
//! Pure: bytes in, findings out. A run that only loads trusts the snapshot for everything before its mark;
//! this does not.

use super::exchange::Seq;
use super::fold::State;
use super::folder::misfit;
use super::journal::{self, Checkpoint, Reader, Tail};
use super::resource::Resource;
use super::snapshot::{self, Snapshot, SnapshotError};
use super::store::Damage;
use crate::model::{Address, Sha256Hex};

/// What was walked, and what was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// How many good records.
    pub records: Seq,
    /// The hash of the last one: who keeps it elsewhere can tell later that nothing before it changed.
    pub head: Sha256Hex,
    /// Nothing, if all is well.
    pub findings: Vec<Finding>,
    /// The things that a run that is under way, or was interrupted, leaves: the next one puts them right.
    pub notes: Vec<Note>,
}

/// Something that the next run puts right, and no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// The end of the journal is not a whole record: it is being written, or its writing was interrupted.
    #[error(
        "the journal ends with {bytes} bytes of a record that is being written, or was never written completely"
    )]
    TornTail {
        /// How many bytes.
        bytes: u64,
    },
    /// The last record lacks its newline.
    #[error("the journal's last record lacks its newline")]
    Unterminated,
    /// A journal without a snapshot: a first run is under way, or was interrupted.
    #[error("state.json does not exist yet")]
    SnapshotMissing,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Journal, or journal and snapshot together, cannot be trusted.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The snapshot cannot be used, or was edited.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A head that somebody kept is the hash of no record.
    #[error("no record has the hash {head}: the history is another one than it was when that head was kept")]
    HeadMissing {
        /// The head.
        head: Sha256Hex,
    },
    /// The snapshot's lineage or binding is not the journal's.
    #[error("state.json names another tenant, endpoint or lineage than the journal")]
    Binding,
    /// The snapshot says something else of a resource than its records do.
    #[error("state.json and the journal disagree on {address}")]
    Differs {
        /// The resource.
        address: Address,
    },
}

/// Walks the whole journal and compares the snapshot with the fold of the records it was made from. `kept` is a head that
/// somebody kept: it has to be the hash of a record.
pub fn verify(snapshot: Option<&[u8]>, journal: Option<&[u8]>, kept: Option<Sha256Hex>) -> Verified {
    let mut v = Verified { records: 0, head: Sha256Hex::ZERO, findings: Vec::new(), notes: Vec::new() };
    let Some(bytes) = journal else {
        v.findings.extend(snapshot.map(|_| Damage::JournalMissing.into()));
        v.findings.extend(kept.map(|head| Finding::HeadMissing { head }));
        return v;
    };
    let snapshot = match snapshot.map(snapshot::read) {
        None => {
            v.notes.push(Note::SnapshotMissing);
            None
        }
        Some(Err(e)) => {
            v.findings.push(e.into());
            None
        }
        Some(Ok(s)) => {
            // One that never had a digest is compared like any other.
            let edited = s.doubt().filter(|e| *e == SnapshotError::Edited);
            v.findings.extend(edited.map(Finding::from));
            Some(s)
        }
    };
    let (mut met, mut found) = (false, kept.is_none());
    let mut state = State::default();
    let mut reader = Reader::new(bytes);
    for entry in reader.by_ref() {
        found |= entry.as_ref().is_ok_and(|e| Some(e.hash) == kept);
        let folded = entry.and_then(|e| journal::fold_entry(&e, &mut state));
        if let Err(e) = folded {
            v.findings.push(Damage::from(e).into());
            break;
        }
        if let Some(s) = snapshot.as_ref().filter(|s| (s.mark.seq, s.mark.head) == (state.seq, state.head)) {
            met = true;
            compare(s, &state, &mut v.findings);
        }
    }
    let Checkpoint { seq, head, .. } = reader.mark();
    (v.records, v.head) = (seq, head);
    match reader.tail() {
        Tail::Clean => {}
        Tail::Unterminated => v.notes.push(Note::Unterminated),
        Tail::Torn { bytes } => v.notes.push(Note::TornTail { bytes }),
    }
    if let Some(head) = kept.filter(|_| !found) {
        v.findings.push(Finding::HeadMissing { head });
    }
    if let Some(s) = snapshot.filter(|_| !met) {
        let damage = misfit(bytes, s.mark, s.state.lineage.unwrap_or_default());
        // A damaged journal was told of above.
        if !matches!(damage, Damage::Journal(_)) {
            v.findings.push(damage.into());
        }
    }
    v
}

fn compare(snapshot: &Snapshot, state: &State, findings: &mut Vec<Finding>) {
    // One without a digest is of a version that knew nothing of triage.
    let older = snapshot.doubt() == Some(SnapshotError::Undigested);
    let same = |a: Option<&Resource>, b: Option<&Resource>| match (a, b) {
        (Some(a), Some(b)) if older => means_same(a, &Resource { triage: a.triage.clone(), ..b.clone() }),
        (Some(a), Some(b)) => means_same(a, b),
        _ => a.is_none() && b.is_none(),
    };
    let (ours, theirs) = (&snapshot.state, state);
    if ours.lineage != theirs.lineage || ours.binding != theirs.binding {
        findings.push(Finding::Binding);
    }
    let addresses: std::collections::BTreeSet<&Address> =
        ours.resources.keys().chain(theirs.resources.keys()).collect();
    findings.extend(
        addresses
            .into_iter()
            .filter(|a| !same(ours.resources.get(a), theirs.resources.get(a)))
            .map(|a| Finding::Differs { address: a.clone() }),
    );
}

/// Returns whether two resources say the same, white space and the order of keys in their bodies aside: a program that
/// lays a document out anew changes these.
fn means_same(a: &Resource, b: &Resource) -> bool {
    let value = |r: &Resource| serde_json::to_value(r).ok();
    a == b || value(a).is_some_and(|a| value(b) == Some(a))
}
