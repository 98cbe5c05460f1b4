//! Keeping a state: what every store promises, whatever it keeps the bytes in.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use super::exchange::Seq;
use super::fold::State;
use super::holder::Holder;
use super::journal::{EncodeError, JournalError};
use super::quota_usage::QuotaUsage;
use super::record::{Intent, Record};
use super::snapshot::SnapshotError;
use super::step::FoldError;
use crate::files::FileError;
use crate::model::{Advice, Sha256Hex};

/// Records that stand or fall together: an intent and what its row records, an answer and what follows from it, what one
/// look showed.
pub type Group = Vec<Record>;

/// Says whether an intent may still be recorded, although others have recorded something since it was meant: the state
/// with their records in it, and these records.
pub type Admit<'a> = dyn FnMut(&State, &[Record], &Intent) -> bool + Send + 'a;

/// The records of others.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Their records, in order.
    pub records: Vec<Record>,
    /// There are more, about anything, that are not at hand any more.
    pub more: bool,
}

/// How fast a store takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The least time between two appends.
    pub interval: Duration,
    /// The longest time that one append may take.
    pub bound: Duration,
}

impl Pace {
    /// How long before its quota slot falls free a call's intent is recorded: an append carries the intents of the next
    /// interval, and takes a while.
    pub fn lead(self) -> Duration {
        self.interval + self.bound / 3
    }

    /// How long after it was meant a call may leave: its append may wait for an interval and take as long as one may, and
    /// then its slot has still to fall free.
    pub fn send_within(self) -> Duration {
        (self.interval + self.bound) * 2
    }
}

/// A state that is open for writing.
///
/// With a folder's store in hand a run is the only one who has it: the lock is taken before the state is read and goes when the
/// value is dropped, or with the process. A shared store has no lock: others may record something at any time, and every
/// append is one atomic step behind the records that are known.
#[async_trait]
pub trait Store: Send {
    /// The fold of everything that was appended.
    fn state(&self) -> &State;

    /// Appends groups of records, and folds them in. Durable when it returns, but for groups of a shared store without an
    /// intent or an outcome: these ride along with the next append, or with the snapshot.
    ///
    /// Returns the numbers of each group's records; an intent's number is its attempt's id. They need not follow the last
    /// known number: the store may put records of its own before them. `None` for a group that was refused: others were
    /// faster, and `admit` says no, or its records do not fit any more. What holds an outcome is never refused.
    ///
    /// After a failed write or sync nothing is known about what reached the disk, so every later append
    /// fails with [`StoreError::Poisoned`], and [`Store::state`] may be ahead of the journal.
    async fn append(
        &mut self,
        at: jiff::Timestamp,
        groups: Vec<Group>,
        admit: &mut Admit<'_>,
    ) -> Result<Vec<Option<Range<Seq>>>, StoreError>;

    /// Returns what others have recorded, as far as appends have read it since this was asked last. Whoever plans or counts
    /// has to know of it: an append may have read it that carried no intent.
    fn take_news(&mut self) -> News {
        News::default()
    }

    /// Keeps records beside the journal after an append failed: outcomes of calls that were in flight. The next
    /// run that opens the state takes into the journal what is not there yet. Works although later appends fail.
    async fn rescue(&mut self, at: jiff::Timestamp, records: &[Record]) -> Result<(), StoreError>;

    /// Replaces the snapshot by the present state and returns its serial, which grows by one each time.
    /// Does nothing if it is up to date. A failure harms nothing: the snapshot is then behind the journal.
    async fn commit_snapshot(&mut self, at: jiff::Timestamp) -> Result<u64, StoreError>;

    /// What the calls since then cost the service's quotas, whoever made them.
    fn spent(&mut self, since: jiff::Timestamp) -> Result<Vec<QuotaUsage>, StoreError>;

    /// Returns whether a head that somebody kept is the hash of a record of this state.
    async fn holds(&mut self, head: Sha256Hex) -> Result<bool, StoreError>;

    /// How fast a shared store takes records; `None` for a folder, which one run has for itself.
    fn pace(&self) -> Option<Pace> {
        None
    }

    /// When the next append should be made at the earliest.
    fn next_append(&self) -> Option<jiff::Timestamp> {
        None
    }
}

/// A store that was opened, and what was noticed on the way.
#[derive(Debug)]
pub struct Opened<S> {
    /// The store.
    pub store: S,
    /// What a person may want to know.
    pub notices: Vec<Notice>,
}

/// A state that was read without a lock.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The state.
    pub state: State,
    /// The snapshot's serial; 0 without one.
    pub serial: u64,
    /// What a person may want to know.
    pub notices: Vec<Notice>,
}

/// Something that was put right, or will be by the next run that writes. Nothing was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A torn last line was cut off.
    TornTailCut {
        /// How many bytes.
        bytes: u64,
    },
    /// A torn last line was left where it is: nothing is written by a run that only reads. It may also be
    /// the line that another run is just writing.
    TornTailIgnored {
        /// How many bytes.
        bytes: u64,
    },
    /// The last record lacked its newline.
    NewlineRestored,
    /// An earlier run could not write its journal and kept outcomes beside it; they are part of the state now.
    Rescued {
        /// How many records the journal lacked.
        records: u64,
    },
    /// The file with rescued outcomes holds lines that were edited or belong to another journal. It was left
    /// where it is.
    RescueUnusable {
        /// How many lines.
        lines: u64,
    },
    /// There was no usable snapshot; the whole journal was read.
    SnapshotRebuilt {
        /// Why not; none if there was no file.
        why: Option<SnapshotError>,
    },
    /// An earlier run ended before it wrote the snapshot.
    SnapshotBehind {
        /// How many records it lacks.
        records: u64,
    },
}

/// Why a state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another run has it open for writing.
    #[error("the state is locked by another run")]
    Locked {
        /// Who, if the lock's file says so.
        holder: Option<Holder>,
    },
    /// The file system cannot lock files, so two runs could write at once.
    #[error("{path}: this file system does not support file locks: {source}")]
    LocksUnsupported {
        /// The lock's file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The system refused.
    #[error("{path}: {doing}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
    /// The files contradict each other or themselves.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Damage that cannot be accepted, because nothing is left to go on with.
    #[error("{damage}; {why}")]
    Lost {
        /// The damage.
        damage: Damage,
        /// The thing that is missing to go on.
        why: &'static str,
    },
    /// The snapshot is of a later format.
    #[error("state.json was written by a newer casefile: format {version}, this one reads up to {known}")]
    Newer {
        /// Its format.
        version: u64,
        /// The latest format known here.
        known: u64,
    },
    /// The state is that of a project with another name.
    #[error("the state belongs to the project {state}, and not to {project}")]
    OtherProject {
        /// The name that the state remembers.
        state: String,
        /// The name of the project that it was taken for.
        project: String,
    },
    /// A record that does not fit the state; nothing was written.
    #[error("refused to record what does not fit the state: {0}")]
    Refused(#[from] FoldError),
    /// The first record of a state must be [`Record::Open`].
    #[error("refused to record anything before the state was begun")]
    NotBegun,
    /// A record that cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A shared store cannot be reached. Nothing is sent without it.
    #[error("the state cannot be reached at {place}: {why}")]
    Unreachable {
        /// The store, without anything secret.
        place: String,
        /// What happened.
        why: String,
    },
    /// A shared store refuses what a state needs.
    #[error("{place} does not take the state: {why}")]
    Unfit {
        /// The store, without anything secret.
        place: String,
        /// What it refuses, or does wrong.
        why: String,
        /// What to do.
        next: &'static str,
    },
    /// A shared store holds another history than the one that is known here.
    #[error("the state at {place} is not the one that is known here: {why}")]
    Rewritten {
        /// The store, without anything secret.
        place: String,
        /// What is different.
        why: String,
    },
    /// A shared store holds no state, although the project says that there is one.
    #[error("there is no state at {place}, but casefile.yaml names one of lineage {lineage}")]
    Vanished {
        /// The store, without anything secret.
        place: String,
        /// `state.lineage` of the project file.
        lineage: String,
    },
    /// Others recorded something about the same resource first; nothing was recorded.
    #[error("another run has recorded something about this just now; nothing was changed")]
    Overtaken,
    /// An earlier write failed.
    #[error("nothing more is recorded in this run, because an earlier write failed: {why}")]
    Poisoned {
        /// The first failure.
        why: String,
    },
}

/// Files that cannot be trusted. Never taken for "no state": what is not known to be done would be done
/// again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The journal itself.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A snapshot without its journal.
    #[error("state.json exists, but journal.jsonl does not")]
    JournalMissing,
    /// The journal ends before the snapshot does.
    #[error("state.json knows record {snapshot}, but the journal ends with record {journal}")]
    SnapshotAhead {
        /// The last record in the snapshot.
        snapshot: Seq,
        /// The last record in the journal.
        journal: Seq,
    },
    /// A snapshot of a shared state that cannot be used: nothing is made anew there by itself.
    #[error("state.json cannot be used: {why}")]
    SnapshotUnusable {
        /// The reason.
        why: String,
    },
    /// The journal of a shared state begins behind its snapshot.
    #[error("state.json knows record {snapshot}, and the journal begins with record {journal}")]
    Gap {
        /// The last record in the snapshot.
        snapshot: Seq,
        /// The first record in the journal.
        journal: Seq,
    },
    /// The journal has another record in the place of the snapshot's last one.
    #[error("state.json was made from another record {seq} than the journal holds")]
    Diverged {
        /// The snapshot's last record.
        seq: Seq,
    },
    /// Snapshot and journal belong to two states; there is no telling which of them is in the wrong place.
    #[error("state.json is of lineage {snapshot}, the journal of lineage {journal}")]
    OtherLineage {
        /// The snapshot's.
        snapshot: String,
        /// The journal's.
        journal: String,
    },
}

impl StoreError {
    /// What to do about it, if there is something.
    pub fn advice(&self) -> Advice {
        match self {
            StoreError::Locked { .. } => Advice::say("wait for that run to end, or give --lock-timeout 5m"),
            StoreError::LocksUnsupported { .. } => {
                Advice::say("keep the state on a local disk, or set spec.state.url to a shared store")
            }
            StoreError::Damaged(d) => d.advice(),
            StoreError::Lost { .. } => Advice::then(
                "restore .casefile from git or a backup; if there is none, move it away, and casefile import --discover \
                 finds what the service still shows",
                VERIFY,
            ),
            StoreError::Newer { .. } => Advice::say("use a newer casefile"),
            StoreError::Poisoned { .. } => Advice::then("put the cause right", "casefile plan"),
            StoreError::Unreachable { .. } => {
                Advice::then("check the network and the credentials of the store", "casefile plan")
            }
            StoreError::Unfit { next, .. } => Advice::say(*next),
            StoreError::Rewritten { .. } => Advice::then(
                "find out who rewrote it; casefile verify --head HASH says whether a head that somebody kept is in it",
                VERIFY,
            ),
            StoreError::Vanished { .. } => Advice::say(
                "restore it from a clone or a backup; if this project shall begin a new state, take state.lineage out \
                 of casefile.yaml",
            ),
            StoreError::Overtaken => {
                Advice::then("run the command again, if it still fits what is there", "casefile state list")
            }
            StoreError::Io { source, .. } if is_planted(source) => Advice::say(
                "keep the state in a folder of your own with regular files in it: replace what stands there, \
                 or name another folder in spec.state.url",
            ),
            StoreError::OtherProject { .. }
            | StoreError::Io { .. }
            | StoreError::Refused(_)
            | StoreError::NotBegun
            | StoreError::Encode(_) => Advice::none(),
        }
    }
}

/// The command that says whether a state is sound again.
const VERIFY: &str = "casefile verify";

/// Returns whether a file was refused for what it is, and not by the system.
fn is_planted(source: &std::io::Error) -> bool {
    source.get_ref().is_some_and(|e| e.is::<FileError>())
}

impl Damage {
    /// Returns the advice about it. Whether it is done, `verify` says.
    pub fn advice(&self) -> Advice {
        use super::journal::Fault;
        let words = match self {
            Damage::Journal(e) => match e.fault {
                Fault::Newer { .. } => return Advice::say("use a newer casefile"),
                Fault::Crlf => "restore the line ends, and write `.casefile/* -text` into .gitattributes",
                Fault::MergeConflict => {
                    "take one side's journal.jsonl and state.json whole; import what the other side made"
                }
                _ => {
                    "restore the .casefile folder from git or a backup, do not delete it; \
                     if there is none, casefile state rebuild --accept-damage"
                }
            },
            Damage::JournalMissing => {
                "restore journal.jsonl from git or a backup; \
                 if there is none, casefile state rebuild --accept-damage"
            }
            Damage::SnapshotAhead { .. } | Damage::Diverged { .. } => {
                "restore the journal that belongs to state.json; \
                 if there is none, casefile state rebuild --accept-damage"
            }
            Damage::SnapshotUnusable { .. } | Damage::Gap { .. } => {
                "find out who changed the state where it is kept; an earlier commit or a backup of it has it whole"
            }
            Damage::OtherLineage { .. } => {
                "move the file that belongs to another state away, and casefile state rebuild"
            }
        };
        Advice::then(words, VERIFY)
    }
}
