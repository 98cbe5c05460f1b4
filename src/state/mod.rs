//! What was done: the journal, and the state as its fold.
//!
//! Responsible for the formats of `.casefile/journal.jsonl` and `.casefile/state.json`, for folding the
//! one into the other, and for keeping both on disk. Not responsible for what a record *leads to*
//! (`plan`) or for talking to the service.

mod fold;
mod record;
mod resource;

pub use fold::{FoldError, State};
pub use record::{
    AttemptId, Binding, CallAction, Intent, Object, Origin, Outcome, Record, Refusal, Sent, Seq,
};
pub use resource::{Attempt, Open, PastObject, Phase, Resource, Side};
