//! The service's clock, as far as its `Date` headers tell.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How far the service's clock is ahead of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// The service's time minus ours: the middle of what is possible.
    pub offset: SignedDuration,
    /// At most so far off in either direction.
    pub error: SignedDuration,
}

impl ClockOffset {
    /// The least that the service can be ahead.
    pub fn least(self) -> SignedDuration {
        self.offset.saturating_sub(self.error)
    }
}

/// Learns the offset from answers: a `Date` of whole second `d` means that the service's clock stood at
/// `d` or less than a second later, at some moment between sending and answer.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// Lowest and highest offset that all recent answers allow.
    range: (SignedDuration, SignedDuration),
    /// How far our wall clock was set when the last of them was asked for.
    stepped: SignedDuration,
}

impl Known {
    fn offset(self) -> ClockOffset {
        let (low, high) = self.range;
        let error = high.saturating_sub(low) / 2;
        ClockOffset { offset: low.saturating_add(error), error }
    }

    /// How far the wall clock has been set since; nothing, if that is no more than reading two clocks takes.
    fn doubt(self, stepped: SignedDuration) -> SignedDuration {
        let set = stepped.saturating_sub(self.stepped);
        if set.abs() > DISAGREE { set } else { SignedDuration::ZERO }
    }
}

/// Wall clock and steady clock disagree beyond this.
const DISAGREE: SignedDuration = SignedDuration::from_secs(1);

/// An offset that is less sure than this is worth another read before an intent.
const SURE: SignedDuration = SignedDuration::from_secs(5);

impl ServerClock {
    /// Takes an answer in. `sent` and `answered` are by our steady clock, `stepped` is how far the wall clock was
    /// ahead of it when the call was sent.
    pub(super) fn learn(&self, date: &str, sent: Timestamp, answered: Timestamp, stepped: SignedDuration) {
        let Some(date) = http_date(date) else { return };
        let low = date.duration_since(answered);
        let high = date.duration_since(sent).saturating_add(SignedDuration::from_secs(1));
        if low > high {
            return;
        }
        let mut known = self.known();
        let range = match *known {
            // Where the two disagree a clock has been set: only the newer answer counts.
            Some(k) if k.doubt(stepped).is_zero() && k.range.0.max(low) <= k.range.1.min(high) => {
                (k.range.0.max(low), k.range.1.min(high))
            }
            _ => (low, high),
        };
        *known = Some(Known { range, stepped });
    }

    pub(super) fn offset(&self) -> Option<ClockOffset> {
        self.known().map(Known::offset)
    }

    /// Returns whether the offset is known closely, and no clock has been set since.
    pub(super) fn is_sure(&self, stepped: SignedDuration) -> bool {
        self.known().is_some_and(|k| k.doubt(stepped).is_zero() && k.offset().error <= SURE)
    }

    /// The least that the service's time can be when our steady clock says `now`. Where the wall clock was set
    /// since the last answer, nobody can tell which of our clocks is wrong: the earlier one counts.
    pub(super) fn earliest(&self, now: Timestamp, stepped: SignedDuration) -> Option<Timestamp> {
        let known = (*self.known())?;
        let least = known.offset().least().saturating_add(known.doubt(stepped).min(SignedDuration::ZERO));
        Some(now.saturating_add(least).unwrap_or(now))
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The date form of HTTP headers.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    #[test]
    fn header_dates() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap().as_second(), 784_111_777);
        assert_eq!(http_date("soon"), None);
    }

    #[test]
    fn nothing_is_known_before_the_first_date() {
        let clock = ServerClock::default();
        clock.learn("nonsense", at(0), at(1), SignedDuration::ZERO);
        assert_eq!(clock.offset(), None);
    }

    #[test]
    fn a_clock_that_was_set_starts_over() {
        let clock = ServerClock::default();
        clock.learn("Thu, 01 Jan 1970 00:01:00 GMT", at(60_000), at(60_100), SignedDuration::ZERO);
        clock.learn("Thu, 01 Jan 1970 01:00:00 GMT", at(61_000), at(61_100), SignedDuration::ZERO);
        let o = clock.offset().unwrap();
        assert!((o.offset - SignedDuration::from_secs(3539)).abs() <= o.error);
    }

    #[test]
    fn a_wall_clock_that_was_set_is_a_reason_to_ask_again() {
        let clock = ServerClock::default();
        let seconds = SignedDuration::from_secs;
        let learn = |stepped| clock.learn("Thu, 01 Jan 1970 00:01:00 GMT", at(60_000), at(60_100), stepped);
        assert!(!clock.is_sure(seconds(0)));
        learn(seconds(0));
        for set in [150, 86_400, -600, -86_400] {
            assert!(clock.is_sure(seconds(0)) && !clock.is_sure(seconds(set)));
            let earliest = clock.earliest(at(60_000), seconds(set)).unwrap();
            assert_eq!(earliest, at(59_900) + seconds(set.min(0)), "the earlier of the two");
        }
        learn(seconds(-600));
        assert!(clock.is_sure(seconds(-600)) && !clock.is_sure(seconds(0)));
        assert_eq!(clock.earliest(at(60_000), seconds(-600)), Some(at(59_900)));
    }

    #[test]
    fn a_slow_answer_tells_little() {
        let clock = ServerClock::default();
        clock.learn("Thu, 01 Jan 1970 00:01:00 GMT", at(10_000), at(60_000), SignedDuration::ZERO);
        assert!(!clock.is_sure(SignedDuration::ZERO));
        assert_eq!(clock.earliest(at(60_000), SignedDuration::ZERO), Some(at(60_000)));
    }

    proptest! {
        #[test]
        fn the_true_offset_is_always_inside(
            offset in -7_200_000_i64..7_200_000,
            calls in prop::collection::vec((0_i64..100_000, 0_i64..3_000, 0_i64..3_000), 1..20),
        ) {
            let clock = ServerClock::default();
            for (gap, there, back) in calls {
                let sent = 1_000_000_000 + gap;
                let seen = (sent + there + offset).div_euclid(1000);
                let date = jiff::fmt::rfc2822::DateTimePrinter::new()
                    .timestamp_to_rfc9110_string(&Timestamp::from_second(seen).unwrap())
                    .unwrap();
                clock.learn(&date, at(sent), at(sent + there + back), SignedDuration::ZERO);
                let earliest = clock.earliest(at(sent), SignedDuration::ZERO).unwrap();
                prop_assert!(earliest <= at(sent + offset));
                let o = clock.offset().unwrap();
                prop_assert!((o.offset - SignedDuration::from_millis(offset)).abs() <= o.error);
            }
        }
    }
}
