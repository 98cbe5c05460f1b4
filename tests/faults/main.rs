//! Nothing is done twice, nothing done is lost: the real planner, executor and journal against the
//! simulated service, on a clock that stands still until somebody waits, with a fault at every step.
//!
//! `cargo test --test faults` plays every scenario by name, every single fault of a few stories and a
//! thousand random schedules. `FAULTS=whole cargo test --test faults` plays all of them. A failure prints
//! the schedule; `FAULTS_SEED=n` plays one random schedule again, and `FAULTS_TELL=1` prints what it did.
#![allow(clippy::disallowed_methods, reason = "what to play is asked for in the environment")]

mod driver;
mod fault;
mod scenarios;
mod schedules;
mod site;
mod stories;
