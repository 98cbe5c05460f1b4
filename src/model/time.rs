//! Points and lengths of time: the service's timestamps with their text kept, and durations as users
//! write them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The texts that are read as a [`Timestamp`]: days that there are, in years that are leap years where the day is 29
/// February. The last hours of the year 9999, which are no instants here, are not left out.
pub const TIME_PATTERN: &str = concat!(
    "^([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))",
    "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)",
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,7})?Z$"
);

/// The texts that are read as a [`Span`]: 31,622,400 s, 527,040 m or 8,784 h at most, which is a leap year.
pub const SPAN_PATTERN: &str = concat!(
    "^0*(([0-9]{1,7}|[12][0-9]{7}|30[0-9]{6}|31[0-5][0-9]{5}|316[01][0-9]{4}|3162[01][0-9]{3}|31622[0-3][0-9]{2}",
    "|31622400)s|([0-9]{1,5}|[1-4][0-9]{5}|5[01][0-9]{4}|52[0-6][0-9]{3}|5270[0-3][0-9]|527040)m",
    "|([0-9]{1,3}|[1-7][0-9]{3}|8[0-6][0-9]{2}|87[0-7][0-9]|878[0-4])h)$"
);

/// A UTC timestamp of the service: 0 to 7 fractional digits, compared as an instant of 100 ns, the
/// text kept as it came.
///
/// The text matters: `eventTime` is part of an event's key, and a re-formatted one names no event.
/// .NET trims trailing zeros, so two texts may be one instant.
#[derive(Clone)]
pub struct Timestamp {
    /// Units of 100 ns since 1970.
    at: i64,
    form: Form,
}

/// What a text has besides its instant. There are several timestamps in each resource: a text is kept only where it
/// cannot be made anew.
#[derive(Clone)]
enum Form {
    /// `2018-08-03T16:45:21.7115183Z` with so many digits behind the point; without a point if there are none.
    Usual(u8),
    /// In one word, so that an optional timestamp takes no more room.
    Other(Arc<String>),
}

/// Why a text is no UTC timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Not of the form `2018-08-03T16:45:21.7115183Z`, or no such day or hour.
    #[error("not a timestamp of the form 2018-08-03T16:45:21.7115183Z")]
    Form,
    /// An offset, or no zone at all.
    #[error("not in UTC: it must end in Z")]
    NotUtc,
    /// More than seven digits behind the point.
    #[error("more than 7 digits behind the point: the service counts in 100 ns")]
    TooPrecise,
}

impl Timestamp {
    fn new(at: jiff::Timestamp, form: Form) -> Self {
        // Instants reach from the year -9999 to 9999: that many units fit.
        Timestamp { at: at.as_nanosecond().div_euclid(100) as i64, form }
    }

    /// The instant.
    pub fn instant(&self) -> jiff::Timestamp {
        // It was one.
        jiff::Timestamp::from_nanosecond(i128::from(self.at) * 100).unwrap_or_default()
    }

    /// Reads what the service sends: like [`FromStr`], but an offset other than `Z` is understood too.
    pub fn from_service(text: &str) -> Option<Self> {
        text.parse().ok().or_else(|| {
            let at = text.parse::<jiff::Timestamp>().ok()?;
            Some(Timestamp::new(at, Form::Other(Arc::new(text.to_owned()))))
        })
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let (seconds, rest) = text.as_bytes().split_at_checked(19).ok_or(TimestampError::Form)?;
        let (digits, zone) = behind_point(rest).ok_or(TimestampError::Form)?;
        if !has_form(seconds) {
            return Err(TimestampError::Form);
        }
        let precision =
            u8::try_from(digits.len()).ok().filter(|n| *n <= 7).ok_or(TimestampError::TooPrecise)?;
        if zone != b"Z" {
            let other = zone.first().is_none_or(|c| matches!(c, b'+' | b'-' | b'z'));
            return Err(if other { TimestampError::NotUtc } else { TimestampError::Form });
        }
        let at = text.parse().map_err(|_| TimestampError::Form)?;
        Ok(Timestamp::new(at, Form::Usual(precision)))
    }
}

/// Returns whether a text is like `2018-08-03T16:45:21`: jiff reads other forms of RFC 3339 and ISO 8601, too, and a
/// leap second as :59. The service has never sent one, so it is a misprint.
fn has_form(text: &[u8]) -> bool {
    let like = |(c, form): (&u8, &u8)| if *form == b'0' { c.is_ascii_digit() } else { c == form };
    text.iter().zip(b"0000-00-00T00:00:00").all(like) && text[17..] < b"60"[..]
}

/// Splits the digits behind a point from what follows them; no point is no digits. None if a point has none.
fn behind_point(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((&[], text)) };
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// An instant with so many digits behind the point, what is finer cut off.
fn written(at: jiff::Timestamp, digits: u8, to: &mut [u8; 28]) -> &str {
    let at = jiff::tz::Offset::UTC.to_datetime(at);
    // Of four digits, and not negative.
    let year = at.year().unsigned_abs();
    *to = *b"0000-00-00T00:00:00.0000000Z";
    let parts = [
        (0, (year / 100) as u8),
        (2, (year % 100) as u8),
        (5, at.month() as u8),
        (8, at.day() as u8),
        (11, at.hour() as u8),
        (14, at.minute() as u8),
        (17, at.second() as u8),
    ];
    for (place, number) in parts {
        to[place] += number / 10;
        to[place + 1] += number % 10;
    }
    let mut behind = at.subsec_nanosecond().unsigned_abs() / 100;
    for place in (20..27).rev() {
        to[place] += (behind % 10) as u8;
        behind /= 10;
    }
    let end = if digits == 0 { 19 } else { 20 + usize::from(digits.min(7)) };
    to[end] = b'Z';
    std::str::from_utf8(&to[..=end]).unwrap_or_default()
}

impl From<jiff::Timestamp> for Timestamp {
    /// Writes an instant as the service would: seven digits.
    fn from(at: jiff::Timestamp) -> Self {
        let usual = (0..=9999).contains(&jiff::tz::Offset::UTC.to_datetime(at).year());
        let form = if usual { Form::Usual(7) } else { Form::Other(Arc::new(format!("{at:.7}"))) };
        Timestamp::new(at, form)
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Timestamp {}
impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}
impl Hash for Timestamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.at.hash(state);
    }
}
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            Form::Usual(digits) => f.write_str(written(self.instant(), *digits, &mut [0; 28])),
            Form::Other(text) => f.write_str(text),
        }
    }
}
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match &self.form {
            Form::Usual(digits) => s.serialize_str(written(self.instant(), *digits, &mut [0; 28])),
            Form::Other(text) => s.serialize_str(text),
        }
    }
}
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        super::text::read_by(d, |text| Timestamp::from_service(text).ok_or(TimestampError::Form))
    }
}
impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A UTC timestamp of the service, 0 to 7 digits behind the point, kept as written.",
            "pattern": TIME_PATTERN,
            "examples": ["2018-08-03T16:45:21.7115183Z"]
        })
    }
}

/// A length of time as users write it: a whole number and one of `s`, `m`, `h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u32);

/// A text that is no [`Span`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: write a whole number and s, m or h, for example 30s, 10m or 1h")]
pub struct SpanError;

impl Span {
    /// `secs` seconds.
    pub const fn from_secs(secs: u32) -> Self {
        Span(secs)
    }

    /// As the standard library's type.
    pub const fn get(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let unit = match text.as_bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3600,
            _ => return Err(SpanError),
        };
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SpanError);
        }
        let n: u64 = digits.parse().map_err(|_| SpanError)?;
        // A year is longer than anything here can mean, and keeps all sums far from overflow.
        let secs = n.checked_mul(unit).filter(|s| *s <= 366 * 86_400).ok_or(SpanError)?;
        Ok(Span(u32::try_from(secs).map_err(|_| SpanError)?))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            s if s % 3600 == 0 => write!(f, "{}h", s / 3600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        super::text::parsed(d)
    }
}
impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A duration: a whole number and s, m or h.",
            "pattern": SPAN_PATTERN,
            "examples": ["30s", "10m", "1h"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_to_seven_digits_compare_as_instants() {
        let t = |s: &str| s.parse::<Timestamp>().unwrap();
        assert_eq!(t("2021-01-26T20:33:59.2Z"), t("2021-01-26T20:33:59.2000000Z"));
        assert_eq!(t("2021-01-26T20:33:59Z"), t("2021-01-26T20:33:59.0Z"));
        assert!(t("2018-08-03T16:45:21.7115183Z") < t("2018-08-03T16:45:21.7115184Z"));
        assert_eq!(t("2018-08-03T16:45:21.7115183Z").to_string(), "2018-08-03T16:45:21.7115183Z");
    }

    #[test]
    fn says_what_is_wrong() {
        let e = |s: &str| s.parse::<Timestamp>().unwrap_err();
        assert_eq!(e("2018-08-03T16:45:21.7115183"), TimestampError::NotUtc);
        assert_eq!(e("2018-08-03T16:45:21+02:00"), TimestampError::NotUtc);
        assert_eq!(e("2018-08-03T16:45:21.71151834Z"), TimestampError::TooPrecise);
        for bad in [
            "",
            "2018-08-03",
            "2018-08-03 16:45:21Z",
            "2018-13-03T16:45:21Z",
            "2018-08-03T16:45:60Z",
            "2018-08-03T16:45:21.Z",
            "2018-08-03T16:45:21ZZ",
        ] {
            assert_eq!(e(bad), TimestampError::Form, "{bad}");
        }
    }

    #[test]
    fn the_service_may_send_an_offset() {
        assert_eq!(Timestamp::from_service("2018-08-03T16:45:21+00:00"), "2018-08-03T16:45:21Z".parse().ok());
        assert_eq!(Timestamp::from_service("yesterday"), None);
    }

    #[test]
    fn spans() {
        assert_eq!("90s".parse::<Span>().unwrap().to_string(), "90s");
        assert_eq!("120m".parse::<Span>().unwrap().to_string(), "2h");
        for bad in ["", "s", "1", "1d", "-1s", "1.5h", "+1s", "99999999999999999999h", "9999999h"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_patterns_are_what_the_readers_read() {
        let fits = |pattern: &str, text: &str| regex::Regex::new(pattern).unwrap().is_match(text);
        for seconds in
            [0, 1, 59, 9_999_999, 10_000_000, 31_599_999, 31_622_399, 31_622_400, 31_622_401, 99_999_999_u64]
        {
            for (unit, of) in [("s", 1), ("m", 60), ("h", 3600)] {
                for n in [seconds / of, seconds / of + 1] {
                    for text in [format!("{n}{unit}"), format!("00{n}{unit}")] {
                        assert_eq!(fits(SPAN_PATTERN, &text), text.parse::<Span>().is_ok(), "{text}");
                    }
                }
            }
        }
        for text in ["", "s", "10", "1d", "-1s", "+1s", "1.5h", " 1s", "1s\n"] {
            assert!(!fits(SPAN_PATTERN, text) && text.parse::<Span>().is_err(), "{text}");
        }
        for year in ["0000", "1900", "2000", "2023", "2024", "2100", "2400", "9996"] {
            for month in 0..=13 {
                for day in [0, 1, 9, 10, 19, 20, 28, 29, 30, 31, 32] {
                    let text = format!("{year}-{month:02}-{day:02}T00:00:00Z");
                    assert_eq!(fits(TIME_PATTERN, &text), text.parse::<Timestamp>().is_ok(), "{text}");
                }
            }
        }
        for time in ["00:00:00", "19:59:59", "23:59:59", "24:00:00", "23:60:00", "23:59:60", "3:00:00"] {
            let text = format!("2024-02-29T{time}.7Z");
            assert_eq!(fits(TIME_PATTERN, &text), text.parse::<Timestamp>().is_ok(), "{text}");
        }
    }

    /// Reads the text as jiff does.
    fn other_reader(text: &str) -> Option<jiff::Timestamp> {
        text.parse().ok()
    }

    #[test]
    fn instants_at_the_edges_are_those_of_another_reader() {
        for text in [
            "0000-01-01T00:00:00Z",
            "0000-02-29T00:00:00.0000001Z",
            "1899-12-31T23:59:59.9999999Z",
            "1969-12-31T23:59:59.9Z",
            "1970-01-01T00:00:00Z",
            "2000-02-29T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-02-30T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T23:60:00Z",
            "2024-01-01T23:59:61Z",
            "9999-12-30T22:00:00.9999999Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(text.parse::<Timestamp>().ok().map(|t| t.instant()), other_reader(text), "{text}");
        }
    }

    #[test]
    fn instants_are_written_as_another_writer_does() {
        for text in [
            "-000001-12-31T23:59:59.123456789Z",
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999999999Z",
            "2026-11-25T19:15:33.588979185Z",
            "9999-12-30T22:00:00.9999999Z",
        ] {
            let at: jiff::Timestamp = text.parse().unwrap();
            let written = Timestamp::from(at).to_string();
            assert_eq!(written, format!("{at:.7}"));
        }
    }

    proptest::proptest! {
        #[test]
        fn texts_are_kept(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,7})?(Z|\\+00:00|-02:00)"
        ) {
            if let Some(read) = Timestamp::from_service(&text) {
                proptest::prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
