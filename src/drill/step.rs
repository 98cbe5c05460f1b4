//! The moments of a drill: what happened, and how long after its beginning.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{Event, Progress};
use crate::model::{Address, Kind};
use crate::plan::Action;

/// Something that happened in a drill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// How long after the beginning.
    pub at: Duration,
    /// The number of the run that it happened in, from 1.
    pub run: usize,
    /// The resource; none for what is about a whole run.
    pub address: Option<Address>,
    /// The happening.
    pub step: Step,
}

/// A kind of thing that happens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A run begins that has so many calls to send.
    Begins {
        /// How many.
        calls: usize,
    },
    /// The service took the call of a collection.
    Accepted,
    /// An alert is there.
    Raised,
    /// A triage, a cancel or a resolve was carried out.
    Changed(Action),
    /// The machine is busy with something else.
    Busy,
    /// An object that was there was taken over.
    TakenOver,
    /// The service refused the call for good, with this code.
    Refused(String),
    /// The service asked for a pause.
    Throttled,
    /// The call never reached the service.
    Unsent,
    /// The call got no answer and is looked up.
    Unanswered,
    /// The collection runs.
    Running,
    /// The collection is done.
    Succeeded,
    /// The collection failed.
    Failed,
    /// The device never answered.
    TimedOut,
    /// Somebody ended the collection.
    Cancelled,
    /// A call that was given up took effect after all.
    Late,
    /// The package is held.
    Fetched,
    /// The package is not held.
    NotFetched,
    /// The call waits for what it depends on.
    HeldBack,
    /// Calls wait for their quota, or for a pause that the service asked for.
    Waits {
        /// The quota's name in the project file.
        quota: &'static str,
        /// Until when, after the beginning.
        until: Duration,
    },
    /// No more calls of a kind are made in this run.
    Stopped {
        /// The quota's name in the project file.
        quota: String,
    },
}

impl Step {
    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Step::Begins { .. } => "run",
            Step::Accepted => "accepted",
            Step::Raised => "raised",
            Step::Changed(_) => "changed",
            Step::Busy => "busy",
            Step::TakenOver => "taken-over",
            Step::Refused(_) => "refused",
            Step::Throttled => "throttled",
            Step::Unsent => "unsent",
            Step::Unanswered => "no-answer",
            Step::Running => "running",
            Step::Succeeded => "succeeded",
            Step::Failed => "failed",
            Step::TimedOut => "timed-out",
            Step::Cancelled => "cancelled",
            Step::Late => "late",
            Step::Fetched => "fetched",
            Step::NotFetched => "not-fetched",
            Step::HeldBack => "held-back",
            Step::Waits { .. } => "waits",
            Step::Stopped { .. } => "stopped",
        }
    }

    /// The step that a run tells, and the resource that it is about; none if it is of no interest afterwards.
    pub(super) fn of(progress: &Progress, begun: Timestamp) -> Option<(Option<Address>, Step)> {
        let event = match progress {
            Progress::Event(event) => event,
            Progress::WaitingForQuota { quota, until } => {
                let until = Duration::try_from(until.duration_since(begun)).unwrap_or_default();
                return Some((None, Step::Waits { quota, until }));
            }
            _ => return None,
        };
        let (address, step) = match event {
            Event::Accepted { address, action, .. } if !action.creates() => (address, Step::Changed(*action)),
            Event::Accepted { address, .. } if address.kind() == Kind::Alert => (address, Step::Raised),
            Event::Accepted { address, .. } => (address, Step::Accepted),
            Event::Busy { address, .. } => (address, Step::Busy),
            Event::Adopted { address, .. } => (address, Step::TakenOver),
            Event::Rejected { address, error, .. } => {
                let code = if error.code.is_empty() { error.status.to_string() } else { error.code.clone() };
                (address, Step::Refused(code))
            }
            Event::Throttled { address, .. } => (address, Step::Throttled),
            Event::Unsent { address, .. } => (address, Step::Unsent),
            Event::Unknown { address, .. } => (address, Step::Unanswered),
            Event::Late { address, .. } => (address, Step::Late),
            Event::Fetched { address, .. } => (address, Step::Fetched),
            Event::FetchFailed { address, .. } => (address, Step::NotFetched),
            Event::Held { address, .. } => (address, Step::HeldBack),
            Event::Stopped { quota, .. } => return Some((None, Step::Stopped { quota: quota.clone() })),
            Event::Observed { address, object, .. } if address.kind() != Kind::Alert => {
                let step = match object.status.as_str() {
                    "InProgress" => Step::Running,
                    "Succeeded" => Step::Succeeded,
                    "Failed" => Step::Failed,
                    "TimeOut" => Step::TimedOut,
                    "Cancelled" => Step::Cancelled,
                    _ => return None,
                };
                (address, step)
            }
            Event::Planned { .. }
            | Event::Intent { .. }
            | Event::Observed { .. }
            | Event::Fetching { .. }
            | Event::Executed { .. }
            | Event::Summary { .. } => return None,
        };
        Some((Some(address.clone()), step))
    }
}
