//! Exact sliding windows: no window of the service's own clock ever holds more calls than allowed.
//!
//! The service counts a call somewhere between its sending and its answer. A slot is therefore taken
//! when the call is sent and frees one period after the *answer*; until the answer it is held. The first
//! full window goes out at once. The core is pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::answer::Period;
use crate::model::RateLimit;

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
    limits: RateLimit,
    /// Calls that were sent and not answered.
    in_flight: usize,
    /// When calls were answered, oldest first, back to the longest period that is limited.
    answered: VecDeque<Timestamp>,
    blocked_until: Option<Timestamp>,
    /// The service's words of that block name the quota of an hour.
    hourly: bool,
    /// That block is a pause that the service asked for, and no quota.
    paused: bool,
}

/// The longest block by the service that counts as a pause: a longer one is told, and not slept through unasked.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(120);

impl Window {
    /// An empty window.
    pub fn new(limits: RateLimit) -> Self {
        Window {
            limits,
            in_flight: 0,
            answered: VecDeque::new(),
            blocked_until: None,
            hourly: false,
            paused: false,
        }
    }

    /// The limits now in force: a 429 lowers them.
    pub fn limits(&self) -> RateLimit {
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

    /// Returns whether more calls will count at `then` than may be made.
    pub fn is_over(&self, then: Timestamp) -> bool {
        self.in_force().any(|(limit, period)| {
            let counts = |t: &&Timestamp| later(**t, period.length()) > then;
            self.answered.iter().rev().take_while(counts).count() + self.in_flight > limit.max(1) as usize
        })
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

    /// Nothing leaves before `until`, because a quota is used up.
    pub fn block(&mut self, until: Timestamp) {
        self.paused &= self.blocked_until >= Some(until);
        self.blocked_until = self.blocked_until.max(Some(until));
    }

    /// Nothing leaves before `until`, because the service asks for a pause.
    pub fn pause(&mut self, until: Timestamp) {
        self.paused |= self.blocked_until < Some(until);
        self.blocked_until = self.blocked_until.max(Some(until));
    }

    /// Returns whether the next call waits for the end of a pause that the service asked for, and not for a quota.
    pub fn is_paused(&self, now: Timestamp) -> bool {
        let until = self.blocked_until.filter(|until| self.paused && *until > now);
        until.is_some_and(|until| self.earliest(now) == Next::At(until))
    }

    /// The end of a block by the service that is more than a pause.
    pub fn long_block(&self, now: Timestamp) -> Option<Timestamp> {
        let long = |until: &Timestamp| self.hourly || *until > later(now, LONGEST_PAUSE);
        self.blocked_until.filter(|until| *until > now).filter(long)
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
        hourly: bool,
    ) {
        let same_burst = self.blocked_until.is_some_and(|until| now < until);
        self.hourly = hourly || same_burst && self.hourly;
        self.block(later(now, retry_after));
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    /// Sends as fast as the window allows; call `i` is seen and answered `delays[i]` after its sending.
    /// Returns when calls were sent and seen.
    fn run(limits: RateLimit, seeds: &[i64], delays: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let mut window = Window::new(limits);
        for s in seeds {
            window.record(at(*s));
        }
        let mut waiting: BinaryHeap<Reverse<i64>> = BinaryHeap::new();
        let (mut now, mut calls) = (0, Vec::new());
        for (until_seen, until_answered) in delays {
            loop {
                while waiting.peek().is_some_and(|Reverse(t)| *t <= now) {
                    waiting.pop();
                    window.answer(at(now));
                }
                let next_answer = waiting.peek().map(|Reverse(t)| *t);
                match window.earliest(at(now)) {
                    Next::Now => break,
                    Next::At(t) => {
                        let t = t.as_millisecond();
                        assert!(t > now, "waiting always moves on");
                        now = next_answer.map_or(t, |a| a.min(t));
                    }
                    Next::AfterAnAnswer => now = next_answer.expect("a call holds the slot"),
                }
            }
            window.take(at(now));
            calls.push((now, now + until_seen));
            waiting.push(Reverse(now + until_seen + until_answered));
        }
        calls
    }

    fn most_in_any(mut seen: Vec<i64>, length: i64) -> usize {
        seen.sort_unstable();
        (0..seen.len())
            .map(|i| seen[i..].iter().take_while(|t| **t < seen[i] + length).count())
            .max()
            .unwrap_or(0)
    }

    proptest! {
        #[test]
        fn no_window_of_the_service_holds_more_than_allowed(
            per_minute in 1_u32..8,
            per_hour in 5_u32..20,
            delays in prop::collection::vec((0_i64..40_000, 0_i64..40_000), 1..60),
            ages in prop::collection::vec(0_i64..4_000_000, 0..30),
        ) {
            let seeds: Vec<i64> = ages.iter().map(|a| -a).collect();
            let within = |length| most_in_any(seeds.clone(), length);
            // Earlier runs are not ours to answer for, only what we add.
            prop_assume!(within(60_000) <= per_minute as usize && within(3_600_000) <= per_hour as usize);
            let calls = run(RateLimit::new(per_minute, per_hour), &seeds, &delays);
            let seen: Vec<i64> = calls.iter().map(|(_, seen)| *seen).chain(seeds).collect();
            prop_assert!(most_in_any(seen.clone(), 60_000) <= per_minute as usize);
            prop_assert!(most_in_any(seen, 3_600_000) <= per_hour as usize);
        }
    }

    #[test]
    fn the_first_full_window_goes_out_at_once() {
        let calls = run(RateLimit::new(100, 1500), &[], &[(0, 0); 101]);
        assert!(calls[..100].iter().all(|(sent, _)| *sent == 0));
        assert_eq!(calls[100].0, 60_000);
    }

    #[test]
    fn a_slot_is_held_until_its_answer() {
        let mut w = Window::new(RateLimit::new(1, 10));
        w.take(at(0));
        assert_eq!(w.earliest(at(1_000_000)), Next::AfterAnAnswer);
        w.answer(at(1_000_000));
        assert_eq!(w.earliest(at(1_000_001)), Next::At(at(1_060_000)));
        assert_eq!(w.earliest(at(1_060_000)), Next::Now);
        w.take(at(1_060_000));
        w.give_back();
        assert_eq!(w.earliest(at(1_060_000)), Next::Now);
    }

    #[test]
    fn without_limits_nothing_waits_and_nothing_is_kept() {
        let mut w = Window::new(RateLimit::UNLIMITED);
        for _ in 0..10_000 {
            assert_eq!(w.earliest(at(0)), Next::Now);
            w.take(at(0));
            w.answer(at(0));
        }
        assert!(w.answered.is_empty());
    }

    #[test]
    fn an_old_call_is_forgotten() {
        let mut w = Window::new(RateLimit { per_minute: Some(5), per_hour: None });
        for s in 0..1000 {
            w.take(at(s * 60_000));
            w.answer(at(s * 60_000));
        }
        assert!(w.answered.len() <= 5);
    }

    #[test]
    fn a_refusal_blocks_and_lowers_once_a_burst() {
        let mut w = Window::new(RateLimit::new(100, 1500));
        let secs = Duration::from_secs;
        w.throttled(at(0), secs(30), Some(Period::Minute), Some(100), false);
        w.throttled(at(10), secs(29), Some(Period::Minute), Some(100), false);
        assert_eq!(w.limits(), RateLimit::new(50, 1500));
        assert_eq!(w.long_block(at(10)), None, "a pause");
        assert_eq!(w.earliest(at(20)), Next::At(at(30_000)));
        assert_eq!(w.earliest(at(30_000)), Next::Now);
        w.throttled(at(40_000), secs(900), Some(Period::Hour), Some(600), true);
        assert_eq!(w.limits(), RateLimit::new(50, 600), "the service named a lower one");
        assert_eq!(w.earliest(at(40_000)), Next::At(at(940_000)));
        assert_eq!(w.long_block(at(939_000)), Some(at(940_000)), "an hour's, to its end");
        assert_eq!(w.long_block(at(940_000)), None);
        for n in 1..20 {
            w.throttled(at(n * 1_000_000), secs(1), None, None, false);
        }
        assert_eq!(w.limits(), RateLimit::new(1, 600), "never down to nothing");
    }
}
