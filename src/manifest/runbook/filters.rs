//! The filters and tests of expressions: a short list, pure, and bounded like everything else.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

use super::typed::{MAX_TEXT, number};
use crate::model::Sha256Hex;

/// The longest slug: a part of a name between two dots holds 63 characters, and a template says some of them.
const SLUG: usize = 40;

/// A filter, as far as its use can be checked before there is a value.
pub(super) struct Known {
    pub name: &'static str,
    /// How many values it takes in parentheses.
    pub values: RangeInclusive<usize>,
    pub example: &'static str,
}

const fn known(name: &'static str, values: RangeInclusive<usize>, example: &'static str) -> Known {
    Known { name, values, example }
}

/// The filters.
pub(super) const FILTERS: [Known; 12] = [
    known("date", 0..=1, "with.at | date('%H:%M')"),
    known("default", 1..=1, "with.note | default('none')"),
    known("first", 0..=0, "with.machines | first"),
    known("join", 0..=1, "with.machines | join(', ')"),
    known("kql", 0..=0, "with.user | kql"),
    known("last", 0..=0, "with.machines | last"),
    known("length", 0..=0, "with.machines | length"),
    known("lower", 0..=0, "with.host | lower"),
    known("sha256", 0..=0, "with.text | sha256"),
    known("slug", 0..=0, "item | slug"),
    known("trim", 0..=0, "with.text | trim"),
    known("upper", 0..=0, "with.host | upper"),
];

/// The tests that can stand behind `is`.
pub(super) const TESTS: [&str; 2] = ["defined", "undefined"];

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_filter("slug", |text: &str| slug(bounded(text)?));
    env.add_filter("sha256", |text: &str| Ok(Sha256Hex::of(bounded(text)?.as_bytes()).to_string()));
    env.add_filter("date", date);
    env.add_filter("kql", |value: Value| kql(&value));
    env.add_filter("lower", |text: &str| Ok(bounded(text)?.to_lowercase()));
    env.add_filter("upper", |text: &str| Ok(bounded(text)?.to_uppercase()));
    env.add_filter("trim", |text: &str| Ok(bounded(text)?.trim().to_owned()));
    env.add_filter("length", length);
    env.add_filter("join", join);
    env.add_filter("first", |value: Value| value.get_item_by_index(0));
    env.add_filter("last", |value: Value| {
        let length = value.len().unwrap_or(0);
        value.get_item_by_index(length.saturating_sub(1))
    });
    env.add_filter("default", |value: Value, other: Value| if value.is_undefined() { other } else { value });
    env.add_test("defined", |value: Value| !value.is_undefined());
    env.add_test("undefined", |value: Value| value.is_undefined());
}

/// The longest format of a date, in bytes.
const MAX_DATE_FORMAT: usize = 256;

fn refused(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.into())
}

/// A text that is no longer than texts may be: what it becomes is bounded then too.
fn bounded(text: &str) -> Result<&str, Error> {
    if text.len() > MAX_TEXT { Err(refused("the text becomes too long")) } else { Ok(text) }
}

/// A part of a name: lower-case letters, digits and dashes. What is too long ends in a digest, so that two
/// long texts do not fall together.
pub(super) fn slug(text: &str) -> Result<String, Error> {
    let mut slug = String::with_capacity(text.len());
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    if slug.is_empty() {
        return Err(refused("no letter or digit is left of it for a name"));
    }
    if slug.len() > SLUG {
        let digest = Sha256Hex::of(text.as_bytes()).to_string();
        slug.truncate(SLUG - 9);
        slug.truncate(slug.trim_end_matches('-').len());
        slug.push('-');
        slug.push_str(digest.get(..8).unwrap_or_default());
    }
    Ok(slug)
}

/// A time in UTC, as a day or in a format of `strftime`.
fn date(text: &str, format: Option<&str>) -> Result<String, Error> {
    // Each directive is work that no budget sees.
    if format.is_some_and(|f| f.len() > MAX_DATE_FORMAT) {
        return Err(refused(format!("the format of the date is longer than {MAX_DATE_FORMAT} bytes")));
    }
    let at: jiff::Timestamp =
        bounded(text)?.parse().map_err(|_| refused("it is no time such as 2018-08-03T16:45:21Z"))?;
    jiff::fmt::strtime::format(format.unwrap_or("%Y-%m-%d"), &at.to_zoned(jiff::tz::TimeZone::UTC))
        .map_err(|_| refused("the format of the date cannot be read"))
}

/// A literal of the Kusto query language: text quoted so that none of it can end the literal, numbers and
/// booleans as they are, a list as `(a, b)`.
fn kql(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => Ok(quoted(bounded(value.as_str().unwrap_or_default())?)),
        ValueKind::Number => number(value).map_err(|e| refused(e.to_string())),
        ValueKind::Bool => Ok(value.is_true().to_string()),
        ValueKind::Seq | ValueKind::Iterable => {
            let (mut items, mut length) = (Vec::new(), 0);
            for item in value.try_iter()? {
                if matches!(item.kind(), ValueKind::Seq | ValueKind::Iterable) {
                    return Err(refused("a list inside a list has no place in a query"));
                }
                length += item.as_str().map_or(0, str::len);
                if length > MAX_TEXT {
                    return Err(refused("the text becomes too long"));
                }
                items.push(kql(&item)?);
            }
            Ok(format!("({})", items.join(", ")))
        }
        other => Err(refused(format!("{other} has no literal in a query"))),
    }
}

/// A text as a literal of the Kusto query language: none of it can end the literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            // Invisible characters and line ends of Unicode: spelled out.
            c => {
                let mut units = [0u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    // Writing into a `String` cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

fn length(value: Value) -> Result<usize, Error> {
    match value.as_str() {
        Some(text) => Ok(text.chars().count()),
        None => value.len().ok_or_else(|| refused("it has no length")),
    }
}

fn join(list: Value, between: Option<&str>) -> Result<String, Error> {
    let mut out = String::new();
    for (i, item) in list.try_iter()?.enumerate() {
        if i > 0 {
            out.push_str(between.unwrap_or(""));
        }
        match item.kind() {
            ValueKind::String => out.push_str(item.as_str().unwrap_or_default()),
            ValueKind::Number => out.push_str(&item.to_string()),
            ValueKind::Bool => out.push_str(if item.is_true() { "true" } else { "false" }),
            other => return Err(refused(format!("{other} cannot be joined to a text"))),
        }
        if out.len() > MAX_TEXT {
            return Err(refused("the text becomes too long"));
        }
    }
    Ok(out)
}
