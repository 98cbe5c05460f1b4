//! What a plan depends on besides manifests, state and service: all of it values.

use std::time::Duration;

use super::decide::OnUnknown;
use super::guard::Guards;
use super::incidents::Incidents;
use crate::model::Span;
use crate::state::{Attempt, Side, Spent};

/// Two minutes: how far apart the clocks of the service and of this machine may be when an object is
/// matched with an intent.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(120);

/// How long an unanswered intent is looked up by itself: the service's lists reach no further.
pub const LOOK_BACK: Duration = Duration::from_secs(30 * 86_400);

/// The project's settings and the run's circumstances.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Now, by our clock.
    pub now: jiff::Timestamp,
    /// The lineage that a new state gets.
    pub new_lineage: String,
    /// `recovery`.
    pub recovery: Recovery,
    /// How long one call may take: part of how long another runner's call counts as in flight.
    pub request_timeout: Duration,
    /// When this run took the state's lock; `None` in a run without it, such as `plan`.
    pub lock_at: Option<jiff::Timestamp>,
    /// Who took it: attempts of this runner are told by the same clock.
    pub runner: Option<String>,
    /// `limits`.
    pub limits: Limits,
    /// `requireComment` and `protected`.
    pub guards: Guards,
    /// `quotas`, for the estimate.
    pub quotas: Quotas,
    /// What earlier runs have used of them, for the estimate.
    pub spent: Vec<Spent>,
    /// `--fresh`: an empty state is meant.
    pub fresh: bool,
    /// Closed incidents, and what seals hold back.
    pub incidents: Incidents,
    /// The entries of `spec.manifests` that lead out of the project folder.
    pub beside: Vec<String>,
    /// For a reader who sees rows with something to say alone: a resource that is up to date is counted, if its row
    /// would say no more, and a row that creates has no [`after`](super::Change::after).
    pub brief: bool,
}

/// `recovery` of the project file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// List lag plus delivery. Default 30 s.
    pub settle: Span,
    /// What absence after the settle time leads to.
    pub on_unknown: OnUnknown,
    /// A short unique mark is appended to each comment.
    pub marker: bool,
}

impl Default for Recovery {
    fn default() -> Self {
        Recovery { settle: Span::from_secs(30), on_unknown: OnUnknown::Resend, marker: false }
    }
}

/// `limits` of the project file: creating calls of one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Default 50.
    pub new_collections: u32,
    /// Default 25.
    pub new_alerts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { new_collections: 50, new_alerts: 25 }
    }
}

/// Calls allowed per minute and per hour; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In any 60 seconds.
    pub per_minute: Option<u32>,
    /// In any 3,600 seconds.
    pub per_hour: Option<u32>,
}

/// The quotas of the mutating calls, for the estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// `POST machines/{id}/collectInvestigationPackage`.
    pub collect: Quota,
    /// `POST alerts/CreateAlertByReference`.
    pub alert: Quota,
    /// `PATCH alerts/{id}`.
    pub update: Quota,
    /// `POST machineactions/{id}/cancel`.
    pub cancel: Quota,
}

impl Default for Quotas {
    /// The throttling table of the API's documentation.
    fn default() -> Self {
        let usual = Quota { per_minute: Some(100), per_hour: Some(1500) };
        Quotas {
            collect: usual,
            alert: Quota { per_minute: Some(15), per_hour: None },
            update: usual,
            cancel: usual,
        }
    }
}

impl Settings {
    /// Defaults for everything but the time.
    pub fn at(now: jiff::Timestamp) -> Self {
        Settings {
            now,
            new_lineage: String::new(),
            recovery: Recovery::default(),
            request_timeout: Duration::from_secs(60),
            lock_at: None,
            runner: None,
            limits: Limits::default(),
            guards: Guards::default(),
            quotas: Quotas::default(),
            spent: Vec::new(),
            fresh: false,
            incidents: Incidents::default(),
            beside: Vec::new(),
            brief: false,
        }
    }

    /// The last moment, by our clock, at which a call can have left. `Err` holds it where the call may
    /// be in flight at another runner until then.
    ///
    /// A call that ended without an answer left before it ended. With the lock in hand the sender of an
    /// earlier run's call is dead since then. Without it (`plan`), another runner may still send until
    /// `sendBy`, and listen for a request time-out and a clock error more.
    pub fn last_leave(&self, attempt: &Attempt) -> Result<jiff::Timestamp, jiff::Timestamp> {
        match (self.lock_at, attempt.failed_at) {
            (Some(lock_at), failed_at) => {
                Ok(self.last_leave_of(&attempt.runner, failed_at.unwrap_or(attempt.send_by), lock_at))
            }
            (None, Some(failed_at)) => Ok(failed_at),
            (None, None) => {
                let last = attempt.send_by + self.request_timeout + CLOCK_TOLERANCE;
                if last > self.now { Err(last) } else { Ok(last) }
            }
        }
    }

    /// With the lock in hand: the last moment, by our clock, at which a call can have left that its runner
    /// says left at `last` at the latest. What another process wrote down is by another clock, or by one that
    /// was set since; only the lock's moment is by ours.
    pub fn last_leave_of(
        &self,
        runner: &str,
        last: jiff::Timestamp,
        lock_at: jiff::Timestamp,
    ) -> jiff::Timestamp {
        if self.runner.as_deref() == Some(runner) { last } else { lock_at.min(last + CLOCK_TOLERANCE) }
    }

    /// The moment, by our clock, from which a list proves that the call had no effect.
    pub fn settled_at(&self, attempt: &Attempt) -> jiff::Timestamp {
        let last = match self.last_leave(attempt) {
            Ok(t) | Err(t) => t,
        };
        last + self.recovery.settle.get()
    }

    /// The same for an update, cancel or resolve: from then on a read tells what became of it.
    pub fn side_settled_at(&self, side: &Side) -> jiff::Timestamp {
        let last = match self.lock_at {
            Some(lock_at) => self.last_leave_of(&side.runner, side.send_by, lock_at),
            None => side.send_by + self.request_timeout + CLOCK_TOLERANCE,
        };
        last + self.recovery.settle.get()
    }
}
