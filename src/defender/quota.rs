//! Exact sliding windows: no window of the service's own clock ever holds more calls than allowed.
//!
//! The service counts a call somewhere between its sending and its answer. A slot is therefore taken
//! when the call is sent and frees one period after the *answer*; until the answer it is held. The first
//! full window goes out at once. The core is pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::answer::Period;
use super::endpoint::Limits;

impl Period {
    /// Its length.
    pub const fn length(self) -> SignedDuration {
        match self {
            Period::Minute => SignedDuration::from_secs(60),
            Period::Hour => SignedDuration::from_secs(3600),
        }
    }
}

/// When the next call may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At once.
    Now,
    /// Not before.
    At(Timestamp),
    /// Every slot is held by a call without an answer: ask again after one.
    AfterAnAnswer,
}

/// The calls of one endpoint that still count.
#[derive(Clone, Debug)]
pub struct Window {
    limits: Limits,
    /// Calls that were sent and not answered.
    in_flight: usize,
    /// When calls were answered, oldest first, back to the longest period that is limited.
    answered: VecDeque<Timestamp>,
    blocked_until: Option<Timestamp>,
}

impl Window {
    /// An empty window.
    pub fn new(limits: Limits) -> Self {
        Window { limits, in_flight: 0, answered: VecDeque::new(), blocked_until: None }
    }

    /// The limits now in force: a 429 lowers them.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// When the next call may leave.
    pub fn earliest(&self, now: Timestamp) -> Next {
        let mut earliest = self.blocked_until.unwrap_or(Timestamp::MIN);
        for (limit, period) in self.in_force() {
            // A limit of nothing would wait for ever; one call tells what the service thinks.
            let limit = limit.max(1) as usize;
            let Some(free) = limit.checked_sub(self.in_flight).filter(|n| *n > 0) else {
                return Next::AfterAnAnswer;
            };
            // The `free`-th youngest answered call has to be out of the window.
            if let Some(oldest) = self.answered.len().checked_sub(free).and_then(|i| self.answered.get(i)) {
                earliest = earliest.max(later(*oldest, period.length()));
            }
        }
        if earliest <= now { Next::Now } else { Next::At(earliest) }
    }

    /// Counts a call that leaves now.
    pub fn take(&mut self, now: Timestamp) {
        self.forget_before(now);
        self.in_flight += 1;
    }

    /// A call that was taken has been answered, or has failed, or was given up.
    pub fn answer(&mut self, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.record(now);
    }

    /// A call that was taken never left.
    pub fn give_back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Counts a call that was answered at `at`: one of an earlier run, or one that did not ask.
    pub fn record(&mut self, at: Timestamp) {
        if self.longest().is_none() {
            return;
        }
        let place = self.answered.partition_point(|t| *t <= at);
        self.answered.insert(place, at);
    }

    /// The service answered 429 at `now`: nothing leaves before `retry_after` is over, and the limit is
    /// lowered for the rest of the run: to `maximum` if the service named a lower one than ours, else by
    /// half, because somebody else uses the same quota.
    ///
    /// Several refusals of one burst lower it once.
    pub fn throttled(
        &mut self,
        now: Timestamp,
        retry_after: Duration,
        period: Option<Period>,
        maximum: Option<u32>,
    ) {
        let same_burst = self.blocked_until.is_some_and(|until| now < until);
        self.blocked_until = self.blocked_until.max(Some(later(now, retry_after)));
        if same_burst {
            return;
        }
        let limit = match period {
            Some(Period::Hour) => &mut self.limits.per_hour,
            Some(Period::Minute) | None => &mut self.limits.per_minute,
        };
        *limit = match (*limit, maximum) {
            (None, maximum) => maximum.map(|m| m.max(1)),
            (Some(ours), Some(named)) if named < ours => Some(named.max(1)),
            (Some(ours), _) => Some((ours / 2).max(1)),
        };
    }

    fn in_force(&self) -> impl Iterator<Item = (u32, Period)> {
        let minute = self.limits.per_minute.map(|n| (n, Period::Minute));
        minute.into_iter().chain(self.limits.per_hour.map(|n| (n, Period::Hour)))
    }

    fn longest(&self) -> Option<SignedDuration> {
        self.in_force().map(|(_, period)| period.length()).max()
    }

    fn forget_before(&mut self, now: Timestamp) {
        let Some(longest) = self.longest() else { return };
        while self.answered.front().is_some_and(|t| later(*t, longest) <= now) {
            self.answered.pop_front();
        }
    }
}

fn later(t: Timestamp, by: impl Into<jiff::TimestampArithmetic>) -> Timestamp {
    t.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The least time in which `calls` calls can leave, given how long ago earlier ones were answered.
///
/// Answers are taken to come at once, so a real run takes a little longer.
pub fn estimate(calls: usize, limits: Limits, ages: &[Duration]) -> Duration {
    let mut starts: Vec<f64> = ages.iter().map(|age| -age.as_secs_f64()).collect();
    starts.sort_by(f64::total_cmp);
    let mut last = 0.0_f64;
    for _ in 0..calls {
        for (limit, period) in [(limits.per_minute, 60.0), (limits.per_hour, 3600.0)] {
            let back = limit.map(|n| n.max(1) as usize).and_then(|n| starts.len().checked_sub(n));
            if let Some(start) = back.and_then(|i| starts.get(i)) {
                last = last.max(start + period);
            }
        }
        starts.push(last);
    }
    Duration::from_secs_f64(last.max(0.0))
}
