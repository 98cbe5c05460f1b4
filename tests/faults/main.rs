//! Nothing is done twice, nothing done is lost: the real planner, executor and journal against the
//! simulated service, on a clock that stands still until somebody waits, with a fault at every step.
//!
//! `cargo test --test faults` plays every scenario by name, every single fault of a few stories and a
//! few hundred random schedules. `FAULTS=whole cargo test --test faults` plays all of them. A failure prints the
//! schedule, the invariant that does not hold (see `invariant`), and what the scenario is about.
//!
//! | variable | |
//! |---|---|
//! | `FAULTS=whole` | plays all schedules instead of a slice |
//! | `FAULTS_SEED=n` | plays one random schedule, and prints what it did |
//! | `FAULTS_SCENARIO=name` | plays one scenario of the protocol's model |
//! | `FAULTS_SHOW=n` | shows so many failures, not three |
//! | `FAULTS_TELL=1` | prints the events of each run too |
#![allow(clippy::disallowed_methods, reason = "what to play is asked for in the environment")]

mod driver;
mod fault;
mod invariant;
mod scenarios;
mod schedules;
#[path = "../shared/simulated_service.rs"]
mod simulated_service;
mod site;
mod stories;
