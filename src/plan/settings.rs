//! What a plan depends on besides manifests, state and service: all of it values.

use std::time::Duration;

use jiff::SignedDuration;

use super::facts::OnUnknown;
use super::incidents::Incidents;
use crate::model::{CommentRule, MachinePattern, Marker, RateLimit, Span, Timestamp};
use crate::state::{Attempt, PendingUpdate, QuotaUsage};

/// Two minutes: how far apart the clocks of the service and of this machine may be when an object is
/// matched with an intent.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(120);

/// How far two readings of the service's clock may be apart: it tells whole seconds, and its answers take a while. No intent
/// is written by one that is less sure.
const READING_ERROR: Duration = Duration::from_secs(10);

/// How long a run listens for an answer whose record does not say so.
const USUAL_TIMEOUT: Duration = Duration::from_secs(60);

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
    /// How long this run listens for the answer to a call. Its intents carry it, for others count its calls as in flight
    /// for so long.
    pub request_timeout: Duration,
    /// When this run took the state's lock; `None` in a run without it, such as `plan`.
    pub lock_at: Option<jiff::Timestamp>,
    /// Who took it: attempts of this runner are told by the same clock.
    pub runner: Option<String>,
    /// How far the service's clock is ahead of ours, at the least; `None` if no answer has told yet.
    pub service_ahead: Option<SignedDuration>,
    /// `limits`.
    pub limits: PlanLimits,
    /// `requireComment` and `protected`.
    pub guards: Guards,
    /// `quotas`, for the estimate.
    pub quotas: RateLimits,
    /// What earlier runs have used of them, for the estimate.
    pub spent: Vec<QuotaUsage>,
    /// `--fresh`: an empty state is meant.
    pub fresh: bool,
    /// Closed incidents, and what seals hold back.
    pub incidents: Incidents,
    /// The entries of `spec.manifests` that lead out of the project folder.
    pub beside: Vec<String>,
}

/// `recovery` of the project file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// List lag plus delivery. Default 30 s.
    pub settle: Span,
    /// What absence after the settle time leads to.
    pub on_unknown: OnUnknown,
    /// The mark that each collection carries beside its comment.
    pub marker: Marker,
}

impl Default for Recovery {
    fn default() -> Self {
        Recovery { settle: Span::from_secs(30), on_unknown: OnUnknown::Resend, marker: Marker::Off }
    }
}

/// The project's rules about creating calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// `requireComment`.
    pub comment: Option<CommentRule>,
    /// `protected`.
    pub protected: Vec<MachinePattern>,
}

impl Guards {
    /// Returns whether machines are protected by their names, so that names have to be known.
    pub fn need_names(&self) -> bool {
        self.protected.iter().any(|p| matches!(p, MachinePattern::Name(_)))
    }

    pub(super) fn by_id(&self, machine: &str) -> Option<&MachinePattern> {
        self.protected.iter().find(|p| matches!(p, MachinePattern::Id(id) if id.is(machine)))
    }

    pub(super) fn by_name(&self, name: &str) -> Option<&MachinePattern> {
        self.protected.iter().find(|p| matches!(p, MachinePattern::Name(glob) if glob.matches(name)))
    }
}

/// `limits` of the project file: creating calls of one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// Default 50.
    pub new_collections: u32,
    /// Default 25.
    pub new_alerts: u32,
}

impl Default for PlanLimits {
    fn default() -> Self {
        PlanLimits { new_collections: 50, new_alerts: 25 }
    }
}

/// The quotas of the mutating calls, for the estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// `POST machines/{id}/collectInvestigationPackage`.
    pub collect: RateLimit,
    /// `POST alerts/CreateAlertByReference`.
    pub alert: RateLimit,
    /// `PATCH alerts/{id}`.
    pub update: RateLimit,
    /// `POST machineactions/{id}/cancel`.
    pub cancel: RateLimit,
}

impl Default for RateLimits {
    /// The throttling table of the API's documentation.
    fn default() -> Self {
        let usual = RateLimit { per_minute: Some(100), per_hour: Some(1500) };
        RateLimits {
            collect: usual,
            alert: RateLimit { per_minute: Some(15), per_hour: None },
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
            request_timeout: USUAL_TIMEOUT,
            lock_at: None,
            runner: None,
            service_ahead: None,
            limits: PlanLimits::default(),
            guards: Guards::default(),
            quotas: RateLimits::default(),
            spent: Vec::new(),
            fresh: false,
            incidents: Incidents::default(),
            beside: Vec::new(),
        }
    }

    /// The last moment, by our clock, at which a call can have left. `Err` holds it where the call may
    /// be in flight at another runner until then.
    ///
    /// A call that ended without an answer left before it ended. With the lock in hand the sender of an
    /// earlier run's call is dead since then; it may have left earlier than that only if our clock and the
    /// service's both say so, for our wall clock may have been set between the runs. Without the lock
    /// (`plan`, a shared state), another runner may still send until `sendBy`, and listen for its request's time-out and
    /// a clock error more. Its moments are told by the service's clock then, which both know; ours tells nothing of them.
    pub fn last_leave(&self, attempt: &Attempt) -> Result<jiff::Timestamp, jiff::Timestamp> {
        let last = attempt.failed_at.unwrap_or(attempt.send_by);
        if self.is_ours(&attempt.runner) {
            return Ok(last);
        }
        let by_service = attempt.server_at.instant().checked_add(last.duration_since(attempt.at)).ok();
        let told = self.told(by_service);
        if let Some(lock_at) = self.lock_at {
            let told = told.map(|t| t.max(last) + CLOCK_TOLERANCE);
            return Ok(told.map_or(lock_at, |t| t.min(lock_at)));
        }
        if attempt.failed_at.is_some() {
            // Who sends nothing need not be on the safe side: a plan tells what the next run finds.
            let error = if self.runner.is_some() { READING_ERROR } else { Duration::ZERO };
            return Ok(told.map_or(last, |t| t + error));
        }
        self.in_flight(told.unwrap_or(last), attempt.timeout_seconds)
    }

    /// The end of another runner's call that may leave until then: in flight before, and gone after it.
    fn in_flight(
        &self,
        last: jiff::Timestamp,
        timeout_seconds: Option<u32>,
    ) -> Result<jiff::Timestamp, jiff::Timestamp> {
        let timeout = timeout_seconds.map_or(USUAL_TIMEOUT, |s| Duration::from_secs(s.into()));
        let last = last + timeout + CLOCK_TOLERANCE;
        if last > self.now { Err(last) } else { Ok(last) }
    }

    /// A moment that another process knows by the service's clock, by ours: its own may have been wrong, or ours may
    /// have been set since. `None` where this run does not know how far the service's is ahead.
    fn told(&self, by_service: Option<jiff::Timestamp>) -> Option<jiff::Timestamp> {
        by_service?.checked_sub(self.service_ahead?).ok()
    }

    /// Something that an earlier run saw at `ours` and the service dates `theirs`, by our clock: the later of the two.
    /// What lies ahead of us was written by a clock that has been set since.
    pub fn later(&self, ours: jiff::Timestamp, theirs: Option<&Timestamp>) -> jiff::Timestamp {
        let theirs =
            self.service_ahead.zip(theirs).and_then(|(ahead, t)| t.instant().checked_sub(ahead).ok());
        match theirs {
            Some(theirs) if ours > self.now => theirs,
            Some(theirs) => ours.max(theirs),
            None => ours,
        }
    }

    fn is_ours(&self, runner: &str) -> bool {
        self.runner.as_deref() == Some(runner)
    }

    /// When the object of an attempt can have been made, by the service's clock.
    pub fn made_within(&self, attempt: &Attempt) -> (jiff::Timestamp, jiff::Timestamp) {
        let offset = attempt.server_at.instant().duration_since(attempt.at);
        // All three by the clock of the run that wrote them.
        let last = attempt.failed_at.unwrap_or(attempt.send_by).max(attempt.at);
        (attempt.server_at.instant() - CLOCK_TOLERANCE, last + offset + self.recovery.settle.get())
    }

    /// The moment, by our clock, from which a list proves that the call had no effect.
    pub fn settled_at(&self, attempt: &Attempt) -> jiff::Timestamp {
        let last = match self.last_leave(attempt) {
            Ok(t) | Err(t) => t,
        };
        last + self.recovery.settle.get()
    }

    /// The same for an update, cancel or resolve: from then on a read tells what became of it.
    pub fn side_settled_at(&self, side: &PendingUpdate) -> jiff::Timestamp {
        let last = match self.lock_at {
            _ if self.is_ours(&side.runner) => side.send_by,
            // The sender is dead since then.
            Some(lock_at) => lock_at,
            None => {
                let told = self.told(side.server_send_by).unwrap_or(side.send_by);
                let (Ok(last) | Err(last)) = self.in_flight(told, side.timeout_seconds);
                last
            }
        };
        last + self.recovery.settle.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, Method, Request, RequestDigest, Sha256Hex};
    use crate::state::{CallAction, Sent};

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// A call that failed in second 5 by the service's clock, written down by a clock that was `wrong` seconds
    /// ahead.
    fn attempt(wrong: i64) -> Attempt {
        let body = Body::from_json("{}".into()).unwrap();
        let request = Request { method: Method::Post, path: "/x".into(), body };
        Attempt {
            attempt: 1,
            sent: Sent::new(request, 1, RequestDigest(Sha256Hex::of(b"r"))),
            runner: "another".into(),
            at: at(wrong),
            server_at: at(0).into(),
            timeout_seconds: None,
            send_by: at(10 + wrong),
            failed_at: Some(at(5 + wrong)),
            why: None,
            other: None,
        }
    }

    #[test]
    fn what_another_run_wrote_is_believed_as_far_as_both_clocks_say_so() {
        let set = [0, 150, 600, -600, 3600, 3 * 86_400, -3 * 86_400];
        for (wrote, reads) in set.iter().flat_map(|w| set.map(|r| (*w, r))) {
            for locked in [5, 6, 30, 200, 7200] {
                let settings = Settings {
                    lock_at: Some(at(locked + reads)),
                    runner: Some("this".into()),
                    service_ahead: Some(SignedDuration::from_secs(-reads)),
                    ..Settings::at(at(locked + reads))
                };
                let left = settings.last_leave(&attempt(wrote)).unwrap();
                // By the service's clock: never before the call had failed, never after its sender was dead.
                let left = left - SignedDuration::from_secs(reads);
                assert!(at(5) <= left && left <= at(locked), "{wrote} {reads} {locked}: {left}");
                if wrote == reads {
                    assert_eq!(left, at(locked.min(125)), "long ago is long ago");
                }
                let unknown = Settings { service_ahead: None, ..settings };
                assert_eq!(unknown.last_leave(&attempt(wrote)), Ok(at(locked + reads)));
            }
        }
    }

    /// A run on a shared state, or `plan`, whose clock is `reads` seconds ahead of the service's, at this second of it.
    fn unlocked(reads: i64, second: i64) -> Settings {
        Settings {
            runner: Some("this".into()),
            service_ahead: Some(SignedDuration::from_secs(-reads)),
            ..Settings::at(at(second + reads))
        }
    }

    #[test]
    fn without_a_lock_calls_of_others_are_in_flight_by_the_service_s_clock() {
        for (wrote, reads) in [0, 600, -600, 86_400].into_iter().flat_map(|w| [0, 300, -300].map(|r| (w, r)))
        {
            for (timeout, ends) in [(None, 190), (Some(60), 190), (Some(300), 430)] {
                let call = Attempt { failed_at: None, timeout_seconds: timeout, ..attempt(wrote) };
                assert_eq!(unlocked(reads, ends - 1).last_leave(&call), Err(at(ends + reads)));
                assert_eq!(unlocked(reads, ends).last_leave(&call), Ok(at(ends + reads)));
            }
            let failed = unlocked(reads, 6).last_leave(&attempt(wrote)).unwrap();
            assert_eq!(failed, at(15 + reads), "what it cost to read the service's clock is added");
        }
    }

    #[test]
    fn what_this_run_wrote_itself_is_told_by_its_own_clock() {
        let call = Attempt { failed_at: None, runner: "this".into(), ..attempt(600) };
        assert_eq!(unlocked(600, 3).last_leave(&call), Ok(at(610)));
        assert_eq!(unlocked(600, 3).last_leave(&Attempt { failed_at: Some(at(605)), ..call }), Ok(at(605)));
    }

    #[test]
    fn an_update_of_another_run_is_in_flight_by_the_service_s_clock() {
        let side = |wrote: i64, server: bool| PendingUpdate {
            attempt: 1,
            action: CallAction::Cancel,
            send_by: at(10 + wrote),
            server_send_by: server.then(|| at(10)),
            timeout_seconds: server.then_some(100),
            runner: "another".into(),
            request: None,
            triage: Default::default(),
            updated_at: None,
        };
        let settle = 30;
        assert_eq!(unlocked(300, 0).side_settled_at(&side(-600, true)), at(10 + 100 + 120 + settle + 300));
        // Older records tell no more than the other clock.
        assert_eq!(unlocked(300, 0).side_settled_at(&side(0, false)), at(10 + 60 + 120 + settle));
    }

    #[test]
    fn a_pause_is_over_when_it_is_by_both_clocks() {
        let seen = |reads: i64| {
            let settings = Settings {
                service_ahead: Some(SignedDuration::from_secs(-reads)),
                ..Settings::at(at(60 + reads))
            };
            settings.later(at(10), Some(&at(3).into())) - SignedDuration::from_secs(reads)
        };
        assert_eq!(seen(0), at(10));
        assert_eq!(
            seen(3600),
            at(3),
            "our clock was set forward since: the service's says how long ago it was"
        );
        assert_eq!(seen(-3600), at(3), "our clock was set back since: what it said then lies ahead");
    }
}
