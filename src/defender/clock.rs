//! The service's clock, as far as its `Date` headers tell.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How far the service's clock is ahead of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// The service's time minus ours: the middle of what is possible.
    pub offset: SignedDuration,
    /// At most so far off in either direction.
    pub error: SignedDuration,
}

/// Learns the offset from answers: a `Date` of whole second `d` means that the service's clock stood at
/// `d` or less than a second later, at some moment between sending and answer.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    /// Lowest and highest offset that all recent answers allow.
    range: Mutex<Option<(SignedDuration, SignedDuration)>>,
}

impl ServerClock {
    pub(super) fn learn(&self, date: &str, sent: Timestamp, answered: Timestamp) {
        let Some(date) = http_date(date) else { return };
        let low = date.duration_since(answered);
        let high = date.duration_since(sent).saturating_add(SignedDuration::from_secs(1));
        if low > high {
            return;
        }
        let mut range = self.range.lock().unwrap_or_else(PoisonError::into_inner);
        *range = Some(match *range {
            // Where the two disagree a clock has been set: only the newer answer counts.
            Some((l, h)) if l.max(low) <= h.min(high) => (l.max(low), h.min(high)),
            _ => (low, high),
        });
    }

    pub(super) fn offset(&self) -> Option<ClockOffset> {
        let (low, high) = (*self.range.lock().unwrap_or_else(PoisonError::into_inner))?;
        let error = high.saturating_sub(low) / 2;
        Some(ClockOffset { offset: low.saturating_add(error), error })
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
        clock.learn("nonsense", at(0), at(1));
        assert_eq!(clock.offset(), None);
    }

    #[test]
    fn a_clock_that_was_set_starts_over() {
        let clock = ServerClock::default();
        clock.learn("Thu, 01 Jan 1970 00:01:00 GMT", at(60_000), at(60_100));
        clock.learn("Thu, 01 Jan 1970 01:00:00 GMT", at(61_000), at(61_100));
        let o = clock.offset().unwrap();
        assert!((o.offset - SignedDuration::from_secs(3539)).abs() <= o.error);
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
                clock.learn(&date, at(sent), at(sent + there + back));
                let o = clock.offset().unwrap();
                prop_assert!((o.offset - SignedDuration::from_millis(offset)).abs() <= o.error);
            }
        }
    }
}
