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

/// A UTC timestamp of the service: 0 to 7 fractional digits, compared as an instant of 100 ns, the
/// text kept as it came.
///
/// The text matters: `eventTime` is part of an event's key, and a re-formatted one names no event.
/// .NET trims trailing zeros, so two texts may be one instant.
#[derive(Clone)]
pub struct Timestamp {
    text: Arc<str>,
    at: jiff::Timestamp,
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
    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The instant.
    pub fn instant(&self) -> jiff::Timestamp {
        self.at
    }

    /// Reads what the service sends: like [`FromStr`], but an offset other than `Z` is understood too.
    pub fn from_service(text: &str) -> Option<Self> {
        text.parse().ok().or_else(|| {
            let at = text.parse::<jiff::Timestamp>().ok()?;
            Some(Timestamp { text: text.into(), at })
        })
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let b = text.as_bytes();
        let shape = |i: usize| match i {
            4 | 7 => b[i] == b'-',
            10 => b[i] == b'T',
            13 | 16 => b[i] == b':',
            _ => b[i].is_ascii_digit(),
        };
        if b.len() < 19 || !(0..19).all(shape) {
            return Err(TimestampError::Form);
        }
        let mut end = 19;
        if b.get(end) == Some(&b'.') {
            let digits = b[end + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
            if digits == 0 {
                return Err(TimestampError::Form);
            }
            if digits > 7 {
                return Err(TimestampError::TooPrecise);
            }
            end += 1 + digits;
        }
        if &b[end..] != b"Z" {
            let zone = b.get(end).is_none_or(|c| matches!(c, b'+' | b'-' | b'z'));
            return Err(if zone { TimestampError::NotUtc } else { TimestampError::Form });
        }
        // jiff reads a leap second as :59; the service has never sent one, so it is a misprint here.
        if &b[17..19] == b"60" {
            return Err(TimestampError::Form);
        }
        let at = instant(&b[..end]).ok_or(TimestampError::Form)?;
        Ok(Timestamp { text: text.into(), at })
    }
}

/// The instant of a text whose form is known. There are several in each resource, and a reader of any form takes ten
/// times as long.
fn instant(b: &[u8]) -> Option<jiff::Timestamp> {
    let number = |range: std::ops::Range<usize>| {
        b.get(range)?.iter().try_fold(0_i16, |n, c| n.checked_mul(10)?.checked_add(i16::from(c - b'0')))
    };
    let small = |range| i8::try_from(number(range)?).ok();
    // Seven digits at most: what is missing of nine is zeros.
    let digits = b.get(20..).unwrap_or_default().iter().chain(std::iter::repeat(&b'0')).take(9);
    let nanos = digits.fold(0, |n, c| n * 10 + i32::from(c - b'0'));
    let at = jiff::civil::DateTime::new(
        number(0..4)?,
        small(5..7)?,
        small(8..10)?,
        small(11..13)?,
        small(14..16)?,
        small(17..19)?,
        nanos,
    );
    jiff::tz::Offset::UTC.to_timestamp(at.ok()?).ok()
}

impl From<jiff::Timestamp> for Timestamp {
    /// Writes an instant as the service would: seven digits.
    fn from(at: jiff::Timestamp) -> Self {
        Timestamp { text: format!("{at:.7}").into(), at }
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
        f.write_str(&self.text)
    }
}
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
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
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,7})?Z$",
            "examples": ["2018-08-03T16:45:21.7115183Z"]
        })
    }
}

/// A length of time as users write it: a whole number and one of `s`, `m`, `h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

/// A text that is no [`Span`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: write a whole number and s, m or h, for example 30s, 10m or 1h")]
pub struct SpanError;

impl Span {
    /// `secs` seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Span(Duration::from_secs(secs))
    }

    /// As the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(d: Duration) -> Self {
        Span(d)
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
        Ok(Span::from_secs(secs))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.0.as_secs();
        match s {
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
            "pattern": "^[0-9]{1,8}[smh]$",
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

    /// What a reader of any form makes of it.
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

    proptest::proptest! {
        #[test]
        fn instants_are_those_of_another_reader(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,7})?Z"
        ) {
            proptest::prop_assert_eq!(text.parse::<Timestamp>().ok().map(|t| t.instant()), other_reader(&text));
        }
    }
}
