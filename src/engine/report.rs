//! How a run is carried out, and how it ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::event::Progress;
use crate::model::Address;
use crate::state::{Binding, Operator, Store};

/// The receiver of what happens, while it happens.
pub type Sink = Arc<dyn Fn(Progress) + Send + Sync>;

/// How a run is watched and stopped.
#[derive(Clone)]
pub struct Control {
    /// Told what happens.
    pub sink: Sink,
    /// Once it is true nothing more is sent, and what is under way is recorded.
    pub stop: watch::Receiver<bool>,
}

/// A state that is open for writing.
pub struct Locked {
    /// The state.
    pub store: Box<dyn Store>,
    /// When it was opened, its lock taken if it has one; by the run's clock.
    pub opened_at: jiff::Timestamp,
}

/// How a run is carried out.
#[derive(Clone, Debug)]
pub struct Options {
    /// Calls at once.
    pub parallelism: usize,
    /// `--wait`: follow collections to their end, at most so long.
    pub wait: Option<Duration>,
    /// `--strict`: `exhausted` and `differs` rows fail the run.
    pub strict: bool,
    /// The name of the writer: unique per process.
    pub runner: String,
    /// The person or job that sends calls: written into their records.
    pub by: Option<Operator>,
    /// The git commit that is checked out where the manifests are read: written into the records of calls.
    pub commit: Option<String>,
    /// Written into a new journal: `casefile/<version>`.
    pub tool: String,
    /// The service, tenant and project that the run is of.
    pub binding: Binding,
}

impl Options {
    /// One call at a time, and not followed. `runner` is unique per process.
    pub fn new(runner: String, binding: Binding) -> Self {
        let tool = concat!("casefile/", env!("CARGO_PKG_VERSION")).to_owned();
        Options { parallelism: 1, wait: None, strict: false, runner, by: None, commit: None, tool, binding }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Counts per outcome.
    pub counts: BTreeMap<String, usize>,
    /// Resources that need a person.
    pub attention: Vec<Address>,
    /// Approved calls that were not made.
    pub left: usize,
    /// Something failed that fails the run.
    pub failed: bool,
    /// `--wait` ran out of time.
    pub timed_out: bool,
    /// A signal stopped the run.
    pub interrupted: bool,
}

impl Report {
    /// Takes in what came of the packages of the run, and its counts since then.
    pub fn add(&mut self, fetched: &Fetched, counts: BTreeMap<String, usize>) {
        self.counts = counts;
        self.failed |= !fetched.failed.is_empty();
        self.timed_out |= !fetched.not_ready.is_empty();
        self.interrupted |= fetched.interrupted;
        for address in &fetched.failed {
            if !self.attention.contains(address) {
                self.attention.push(address.clone());
            }
        }
    }

    /// As in `docs/cli.md`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Report { interrupted: true, .. } => 130,
            Report { failed: true, .. } => 1,
            Report { timed_out: true, .. } => 3,
            _ => 0,
        }
    }
}

/// The result of a fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The packages that were fetched, by their resources.
    pub fetched: Vec<Address>,
    /// Those that were held, were not where they are held, and are there again.
    pub restored: Vec<Address>,
    /// How many of those that were asked for were held already.
    pub held: usize,
    /// Those that could not be fetched.
    pub failed: Vec<Address>,
    /// Those that the service does not have yet.
    pub not_ready: Vec<Address>,
    /// A person asked to stop.
    pub interrupted: bool,
}
