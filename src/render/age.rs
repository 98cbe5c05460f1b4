//! Points and lengths of time as people say them.

use jiff::Timestamp;

/// `8 s`, `12 min`, `3 h 20 min`, `5 days`; never more than two units.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => match seconds % 3_600 / 60 {
            0 => format!("{} h", seconds / 3_600),
            minutes => format!("{} h {minutes} min", seconds / 3_600),
        },
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long ago `at` was: `just now`, `12 min ago`. A moment ahead of `now`, as another clock may write
/// it, is `just now` within a minute and `in ...` beyond.
pub fn ago(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    match seconds {
        -60..=4 => "just now".into(),
        s if s < 0 => format!("in {}", duration(s.unsigned_abs())),
        s => format!("{} ago", duration(s.unsigned_abs())),
    }
}

/// When `at` will be: `in 8 s`, or `now` once it is over.
pub fn ahead(now: Timestamp, at: Timestamp) -> String {
    let left = at.duration_since(now);
    // A part of a second is rounded up: "in 0 s" reads like a fault.
    let seconds = left.as_secs() + i64::from(left.subsec_nanos() > 0);
    if seconds <= 0 { "now".into() } else { format!("in {}", duration(seconds.unsigned_abs())) }
}

/// A time of day in UTC, with its day where that is not today's: `14:57:06Z`, `2026-11-27 14:57:06Z`.
pub fn clock(now: Timestamp, at: Timestamp) -> String {
    let day = |t: Timestamp| t.to_zoned(jiff::tz::TimeZone::UTC).date();
    let format = if day(at) == day(now) { "%H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%SZ" };
    at.strftime(format).to_string()
}

/// An age as a table shows it: `8s`, `12m`, `3h`, `5d`.
pub fn short(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn lengths() {
        let shown = [0, 8, 119, 120, 721, 7_199, 7_200, 12_000, 172_800, 500_000].map(duration);
        let want =
            ["0 s", "8 s", "119 s", "2 min", "12 min", "119 min", "2 h", "3 h 20 min", "2 days", "5 days"];
        assert_eq!(shown, want);
    }

    #[test]
    fn moments() {
        assert_eq!(ago(at(0), at(-721)), "12 min ago");
        assert_eq!(ago(at(0), at(-3)), "just now");
        assert_eq!(ago(at(0), at(30)), "just now");
        assert_eq!(ago(at(0), at(600)), "in 10 min");
        assert_eq!(ahead(at(0), at(8)), "in 8 s");
        assert_eq!(ahead(at(0), at(7) + jiff::SignedDuration::from_millis(1)), "in 8 s");
        assert_eq!(ahead(at(0), at(-8)), "now");
        assert_eq!(short(at(0), at(-90_000)), "25h");
        assert_eq!(short(at(0), at(9)), "0s");
    }

    #[test]
    fn a_time_of_day_has_its_day_where_that_is_not_todays() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-26T14:57:06Z");
        assert_eq!(clock(now, at("2026-11-26T23:59:59.9Z")), "23:59:59Z");
        assert_eq!(clock(now, at("2026-11-26T00:00:00Z")), "00:00:00Z");
        assert_eq!(clock(now, at("2026-11-27T14:57:06Z")), "2026-11-27 14:57:06Z");
        assert_eq!(clock(now, at("2026-11-25T14:57:06Z")), "2026-11-25 14:57:06Z");
    }

    #[test]
    fn the_ends_of_time_are_no_panic() {
        for (a, b) in [(Timestamp::MIN, Timestamp::MAX), (Timestamp::MAX, Timestamp::MIN)] {
            assert!(!clock(a, b).is_empty());
            assert!(!ago(a, b).is_empty() && !ahead(a, b).is_empty() && !short(a, b).is_empty());
        }
    }
}
