//! What was done: the journal, and the state as its fold.
//!
//! Responsible for the formats of `.casefile/journal.jsonl` and `.casefile/state.json`, for folding the
//! one into the other, and for keeping both on disk. Not responsible for what a record *leads to*
//! (`plan`) or for talking to the service.

mod chain;
mod custody;
mod disk;
mod exchange;
mod extract;
mod fold;
mod folder;
mod history;
mod holder;
pub mod journal;
pub mod local;
pub mod memory;
mod operator;
mod quota_usage;
mod rebuild;
mod record;
mod rescue;
mod resource;
mod resources;
pub mod shared;
pub mod snapshot;
mod step;
mod store;
mod triage;
mod verify;

pub use custody::{Custody, HeldPackage, PackageEntry};
pub use disk::{Disk, FileName};
pub use exchange::{AttemptId, CallAction, Object, Origin, Refusal, Sent, Seq};
pub use extract::{Extract, extract};
pub use fold::{Running, State};
pub use folder::FolderStore;
pub use history::{Asked, Course, History, Recorded, Story, history};
pub use holder::Holder;
pub use journal::{JournalError, custody_records, custody_records_behind_fault, folded};
pub use local::LocalStore;
pub use memory::{MemoryDisk, MemoryStore};
pub use operator::Operator;
pub use quota_usage::QuotaUsage;
pub use rebuild::{Acceptance, Accepted, Elsewhere, Rebuild, arrived, copy, rebuilt_elsewhere};
pub use record::{Binding, Intent, Outcome, Record};
pub use resource::{Attempt, LastCall, Open, PastObject, PendingUpdate, Phase, RefusedChange, Resource};
pub use resources::Resources;
pub use step::FoldError;
pub use store::{Admit, Damage, Group, Loaded, News, Notice, Opened, Pace, Store, StoreError};
pub use triage::{TriageChange, TriageRecord, TriageValues};
pub use verify::{Finding, Note, Verified, verify};
