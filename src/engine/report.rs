//! How a run is carried out, and how it ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::Progress;
use crate::model::Address;
use crate::state::Binding;

/// The receiver of what happens, while it happens.
pub type Sink = Arc<dyn Fn(Progress) + Send + Sync>;

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
    /// Written into a new journal: `casefile/<version>`.
    pub tool: String,
    /// The service, tenant and project that the run is of.
    pub binding: Binding,
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
