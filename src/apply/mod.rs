//! Carries a plan out: journal first, concurrent, interruptible.
//!
//! Responsible for the order of every mutating call, for looking this run's unknown outcomes up before it
//! ends, and for telling what happens as [`Event`]s. It decides nothing: rows come from `plan`, and a row
//! that was not approved is not sent. Not responsible for words and bars (`render`, `cli`).

mod event;
mod execute;
mod follow;
mod held;
mod judge;
mod ledger;
mod preview;
mod queues;
mod run;
pub mod surgery;
mod tally;
mod targets;

pub use event::{Event, Progress};
pub use execute::SEND_WITHIN;
pub use preview::{preview, refresh};
pub use run::{Options, Report, Run, RunError, Scope, Sink};
pub use targets::{Lookups, Mistyped};
