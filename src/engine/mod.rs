//! Carries a plan out: journal first, concurrent, interruptible.
//!
//! Responsible for the order of every mutating call, for looking this run's unknown outcomes up before it
//! ends, and for telling what happens as [`Event`]s. It decides nothing: rows come from `plan`, and a row
//! that was not approved is not sent. Not responsible for words and bars (`render`, `cli`).

mod accepted;
mod error;
mod event;
mod execute;
mod fetch;
mod fetching;
mod follow;
mod job;
mod journal_writer;
mod preview;
mod queues;
mod quota;
mod refresh;
mod report;
mod resume;
mod round;
mod rounds;
mod run;
mod scope;
pub mod surgery;
mod tally;
mod targets;

pub use error::{Mistyped, RunError};
pub use event::{Event, Progress};
pub use execute::SEND_WITHIN;
pub use fetching::Fetching;
pub use preview::{preview, refresh};
pub use refresh::{observe_inventory, observe_listed};
pub use report::{Control, Fetched, Locked, Options, Report, Sink};
pub use run::Run;
pub use scope::{Lookups, Scope};
