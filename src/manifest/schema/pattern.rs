//! `pattern` in our own schemas, without the cost of a regular expression where nearly every manifest would pay it.
//!
//! To compile the expressions of all fields takes longer than to read a hundred manifests. So one is compiled when
//! a text asks for it, and the few that every manifest asks for are told by hand for texts in ASCII. What counts is
//! the validator's own reading of the expression: a test compares the two.

use std::sync::OnceLock;

use jsonschema::paths::Location;
use jsonschema::{Keyword, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};

use crate::manifest::{kinds, project};
use crate::model::{Kind, Marker, SPAN_PATTERN, Span, TIME_PATTERN, WORD_PATTERN, is_ip_address};

/// A pattern and what tells it by hand, for texts in ASCII.
#[derive(Clone, Copy, Debug)]
pub(in crate::manifest) struct FastPattern {
    pattern: &'static str,
    fits: fn(&[u8]) -> bool,
}

impl FastPattern {
    /// Returns whether the pattern certainly matches. One visible character of ASCII is enough for a text that says
    /// something.
    pub fn certainly_fits(&self, text: &str) -> bool {
        match text.is_ascii() {
            true => (self.fits)(text.as_bytes()),
            false if text.chars().any(|c| c.is_control() && c != '\n') => false,
            false => {
                self.pattern == PLAIN.pattern
                    || self.pattern == TEXT.pattern && text.bytes().any(|b| b.is_ascii_graphic())
            }
        }
    }
}

impl FastPattern {
    /// Returns whether the pattern certainly does not match.
    pub fn certainly_misses(&self, text: &str) -> bool {
        text.is_ascii() && !(self.fits)(text.as_bytes())
    }
}

/// Finds the pattern among those that are told by hand.
pub(in crate::manifest) fn fast(pattern: &str) -> Option<FastPattern> {
    FAST.into_iter().find(|fast| fast.pattern == pattern)
}

const TEXT: FastPattern =
    FastPattern { pattern: kinds::TEXT, fits: |text| is_plain(text) && !text.iter().all(is_blank) };
const PLAIN: FastPattern = FastPattern { pattern: kinds::PLAIN, fits: is_plain };
const CONTROL: FastPattern = FastPattern { pattern: kinds::CONTROL, fits: |text| !is_plain(text) };
const NAME: FastPattern = FastPattern { pattern: kinds::NAME, fits: crate::model::is_name };
const MACHINE_NAME: FastPattern = FastPattern {
    pattern: r"^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$",
    fits: |text| is_labels(text, |b| b.is_ascii_alphanumeric() || b == b'_'),
};
const LABEL_KEY: FastPattern = FastPattern { pattern: kinds::LABEL_KEY, fits: is_label_key };
const MACHINE_ID: FastPattern = FastPattern {
    pattern: kinds::DEVICE_ID,
    fits: |text| matches!(text.len(), 32 | 40) && text.iter().all(u8::is_ascii_hexdigit),
};
const NO_NAME: FastPattern = FastPattern {
    pattern: kinds::NO_NAME,
    fits: |text| {
        (32..=64).contains(&text.len()) && text.iter().all(u8::is_ascii_hexdigit)
            || std::str::from_utf8(text).is_ok_and(is_ip_address)
    },
};
const TIME: FastPattern = FastPattern { pattern: TIME_PATTERN, fits: is_time };
const UNBROKEN: FastPattern = FastPattern {
    pattern: r"^[^\s\x00-\x1F\x7F-\x9F]+$",
    fits: |text| !text.is_empty() && text.iter().all(u8::is_ascii_graphic),
};
const DURATION: FastPattern = FastPattern {
    pattern: SPAN_PATTERN,
    fits: |text| std::str::from_utf8(text).is_ok_and(|text| text.parse::<Span>().is_ok()),
};
const GUID: FastPattern = FastPattern {
    pattern: project::GUID,
    fits: |text| fits_form(text, b"00000000-0000-0000-0000-000000000000", u8::is_ascii_hexdigit),
};
const WEB: FastPattern = FastPattern {
    pattern: "^https?://",
    fits: |text| text.starts_with(b"http://") || text.starts_with(b"https://"),
};
const STATE_URL: FastPattern =
    FastPattern { pattern: project::STATE_URL, fits: |text| text.starts_with(b"git:") || is_placed(text) };
const EVIDENCE_URL: FastPattern = FastPattern { pattern: project::EVIDENCE_URL, fits: is_placed };

/// Returns whether a text begins as the URL of a folder or of a place in object storage, and goes on.
fn is_placed(text: &[u8]) -> bool {
    let schemes: [&[u8]; 4] = [b"file:", b"az://", b"s3://", b"gs://"];
    schemes.iter().any(|s| text.strip_prefix(*s).and_then(<[u8]>::first).is_some_and(|b| !is_blank(b)))
}

const UNLIMITED: FastPattern = FastPattern { pattern: project::UNLIMITED, fits: |text| text == b"unlimited" };
const EXTERNAL_ID: FastPattern =
    FastPattern { pattern: Marker::PATTERN, fits: |text| text == Marker::EXTERNAL_ID.as_bytes() };
const OBJECT_ID: FastPattern = FastPattern {
    pattern: kinds::OBJECT_ID,
    fits: |text| {
        let inner = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
        text.split_first()
            .is_some_and(|(first, rest)| first.is_ascii_alphanumeric() && rest.iter().all(inner))
    },
};
const ADDRESS: FastPattern = FastPattern {
    pattern: kinds::ADDRESS,
    fits: |text| Kind::ALL.into_iter().any(|kind| is_address(text, kind)),
};
const ALERT_ADDRESS: FastPattern =
    FastPattern { pattern: kinds::ALERT_ADDRESS, fits: |text| is_address(text, Kind::Alert) };
const PACKAGE_ADDRESS: FastPattern = FastPattern {
    pattern: kinds::PACKAGE_ADDRESS,
    fits: |text| is_address(text, Kind::InvestigationPackage),
};

/// Returns whether a text is the address of a manifest of that kind.
fn is_address(text: &[u8], kind: Kind) -> bool {
    let name = text.strip_prefix(kind.as_str().as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
    name.is_some_and(crate::model::is_name)
}

const WORD: FastPattern = FastPattern {
    pattern: WORD_PATTERN,
    fits: |text| {
        let inner = |b: &u8| b.is_ascii_alphanumeric() || b" ,./_-".contains(b);
        text.split_first().is_some_and(|(first, rest)| first.is_ascii_alphabetic() && rest.iter().all(inner))
    },
};

/// Those that are told by hand.
const FAST: [FastPattern; 22] = [
    NO_NAME,
    TEXT,
    PLAIN,
    CONTROL,
    NAME,
    MACHINE_NAME,
    LABEL_KEY,
    MACHINE_ID,
    TIME,
    UNBROKEN,
    DURATION,
    GUID,
    WEB,
    STATE_URL,
    EVIDENCE_URL,
    UNLIMITED,
    EXTERNAL_ID,
    WORD,
    OBJECT_ID,
    ADDRESS,
    ALERT_ADDRESS,
    PACKAGE_ADDRESS,
];

/// The keyword `pattern`.
struct Pattern {
    text: String,
    fast: Option<fn(&[u8]) -> bool>,
    full: OnceLock<Validator>,
}

/// Makes the keyword; for `with_keyword`.
pub(in crate::manifest) fn keyword<'a>(
    _: &'a Map<String, Value>,
    value: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    let Some(text) = value.as_str() else { return Err(ValidationError::custom("a pattern is a text")) };
    let fast = fast(text).map(|fast| fast.fits);
    Ok(Box::new(Pattern { text: text.to_owned(), fast, full: OnceLock::new() }))
}

impl Pattern {
    fn full(&self) -> &Validator {
        self.full.get_or_init(|| compiled(&self.text))
    }
}

fn compiled(pattern: &str) -> Validator {
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(&json!({ "pattern": pattern }))
        // The schemas come from our own types and a test compiles every pattern.
        .unwrap_or_else(|e| unreachable!("the schemas' patterns are valid: {e}"))
}

impl<'i> Keyword<'i> for Pattern {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match self.is_valid(instance) {
            true => Ok(()),
            false => Err(ValidationError::custom("does not match its pattern")),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let Some(text) = instance.as_str() else { return true };
        match self.fast {
            Some(fits) if text.is_ascii() => fits(text.as_bytes()),
            _ => self.full().is_valid(instance),
        }
    }
}

/// Returns whether line breaks are the only control characters. All bytes are looked at together.
fn is_plain(text: &[u8]) -> bool {
    !text.iter().fold(false, |any, b| any | ((*b < 0x20) & (*b != b'\n')) | (*b == 0x7f))
}

/// `\s` of ASCII.
fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Labels of a DNS name; dashes stand only inside.
fn is_labels(text: &[u8], outer: fn(u8) -> bool) -> bool {
    text.split(|b| *b == b'.').all(|label| {
        label.len() <= 63
            && label.first().is_some_and(|b| outer(*b))
            && label.last().is_some_and(|b| outer(*b))
            && label.iter().all(|b| outer(*b) || *b == b'-')
    })
}

fn is_label_key(text: &[u8]) -> bool {
    let outer = u8::is_ascii_alphanumeric;
    text.first().is_some_and(outer)
        && text.last().is_some_and(outer)
        && text.iter().all(|b| outer(b) || matches!(b, b'.' | b'_' | b'/' | b'-'))
}

fn is_time(text: &[u8]) -> bool {
    let Some((whole, rest)) = text.split_at_checked(19) else { return false };
    fits_form(whole, b"0000-00-00T00:00:00", u8::is_ascii_digit)
        && is_moment(whole)
        && match rest {
            [b'Z'] => true,
            [b'.', digits @ .., b'Z'] => {
                (1..=7).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        }
}

/// Returns whether there is such a day and time of day; the text has the form of both.
fn is_moment(text: &[u8]) -> bool {
    let number = |from: usize, to: usize| {
        text.get(from..to).unwrap_or_default().iter().fold(0_u16, |n, b| n * 10 + u16::from(b - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let days = match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && number(11, 13) < 24 && number(14, 16) < 60 && number(17, 19) < 60
}

/// Whether a text is like another, digits in the place of each `0`.
fn fits_form(text: &[u8], form: &[u8], digit: fn(&u8) -> bool) -> bool {
    let fits = |(b, form): (&u8, &u8)| if *form == b'0' { digit(b) } else { b == form };
    text.len() == form.len() && text.iter().zip(form).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::schema::{SchemaKind, Target, compiled as compiled_schema, schema};
    use proptest::prelude::*;

    /// All patterns of a schema.
    fn patterns(schema: &Value, out: &mut std::collections::BTreeSet<String>) {
        match schema {
            Value::Object(fields) => {
                out.extend(fields.get("pattern").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|v| patterns(v, out));
            }
            Value::Array(items) => items.iter().for_each(|v| patterns(v, out)),
            _ => {}
        }
    }

    #[test]
    fn every_pattern_of_the_schemas_can_be_compiled_and_the_fast_ones_are_theirs() {
        let mut all = std::collections::BTreeSet::new();
        SchemaKind::ALL.iter().for_each(|kind| patterns(&schema(*kind), &mut all));
        let targets = Target::MANIFESTS.into_iter().chain([Target::Project, Target::Case]);
        targets.for_each(|target| patterns(&compiled_schema(target).schema, &mut all));
        all.iter().for_each(|pattern| drop(compiled(pattern)));
        for FastPattern { pattern, .. } in FAST {
            assert!(all.contains(pattern), "{pattern}");
        }
    }

    fn agree(text: &str) {
        static FULL: OnceLock<Vec<Validator>> = OnceLock::new();
        let full = FULL.get_or_init(|| FAST.iter().map(|fast| compiled(fast.pattern)).collect());
        for (FastPattern { pattern, .. }, full) in FAST.iter().zip(full) {
            let (fields, value) = (Map::new(), Value::from(*pattern));
            let fast = keyword(&fields, &value, Location::new()).unwrap();
            let instance = &Value::from(text);
            assert_eq!(fast.is_valid(instance), full.is_valid(instance), "{pattern}: {text:?}");
            assert_eq!(fast.validate(instance).is_ok(), fast.is_valid(instance));
        }
    }

    #[test]
    fn both_ways_agree_at_the_edges() {
        for n in [0, 1, 2, 31, 32, 40, 61, 62, 63, 64, 65, 253, 254] {
            for c in ["a", "0", "-", ".", "F", " ", "a.", "a-", "é"] {
                agree(&c.repeat(n));
                agree(&format!("a{}b", c.repeat(n)));
            }
        }
        for byte in 0..=127u8 {
            let c = char::from(byte);
            for text in
                [format!("{c}"), format!("a{c}"), format!("{c}a"), format!("a{c}a"), format!("{c} {c}")]
            {
                agree(&text);
            }
        }
        for text in [
            "2026-03-03T16:45:21Z",
            "2026-03-03T16:45:21.7115183Z",
            "2026-03-03T16:45:21.71151830Z",
            "2026-03-03T16:45:21.Z",
            "2026-03-03T16:45:21",
            "2026-03-03t16:45:21Z",
            "2026-03-03T16:45:21Z\n",
            "2026-02-29T16:45:21Z",
            "2024-02-29T16:45:21Z",
            "1900-02-29T16:45:21Z",
            "2026-04-31T16:45:21Z",
            "2026-13-01T16:45:21Z",
            "2026-03-03T24:45:21Z",
            "2026-03-03T16:45:60Z",
            "a\tb",
            "a\nb",
            "a\u{85}b",
            "é\u{7f}",
            "8784h",
            "8785h",
            "Alert/a.b",
            "Alert/a..b",
            "Alert/A",
            "\u{feff}",
            "\u{a0}\u{2003}",
            "\u{85}",
            "\u{180e}",
            "10m",
            "123456789m",
            "0d3c5f0e-6a53-4c1e-9f0e-3f0c2b6c9a11",
            "0d3c5f0e-6a53-4c1e-9f0e-3f0c2b6c9a1",
            "http://a",
            "https:/",
            "file: ",
            "file:x",
            "git:refs/x",
            "git:",
            "s3://",
            "10.0.0.7",
            "10.0.0.",
            "10.0.0.7.8",
            "10.0.0.0007",
            "10.0.0.a",
            "az://\u{a0}",
        ] {
            agree(text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn both_ways_agree(text in "[ -~\\n\\té]{0,80}") {
            agree(&text);
        }

        #[test]
        fn both_ways_agree_on_what_is_nearly_right(
            text in "([a-zA-Z0-9]{1,3}[-._/]?){0,24}|[0-9]{0,9}[smhd]?|(file:|git:refs/|https?://|az://)[ -~]{0,3}|[0-9a-fA-F]{30,66}[g]?|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{7,9}[.0-9]{0,9}Z?"
        ) {
            agree(&text);
        }
    }
}
