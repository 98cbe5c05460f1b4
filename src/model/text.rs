//! Texts of a document as values of their types, without a copy in between.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Visitor};

/// Text that says something: not only blanks, and of control characters nothing but line breaks.
pub const TEXT_PATTERN: &str =
    r"^[^\x00-\x09\x0B-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x09\x0B-\x1F\x7F-\x9F]*$";

/// Reads a text of which nearly all are one of a few: these take no room of their own.
pub(crate) fn one_of<'de, D: Deserializer<'de>>(
    from: D,
    known: &'static [&'static str],
) -> Result<Cow<'static, str>, D::Error> {
    read_by(from, |text: &str| Ok::<_, Infallible>(known_or_owned(text, known)))
}

/// A text, borrowed if it is one of those.
pub(crate) fn known_or_owned(text: &str, known: &'static [&'static str]) -> Cow<'static, str> {
    match known.iter().find(|k| **k == text) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(text.to_owned()),
    }
}

/// Reads a text by its type's own rules.
pub(super) fn parsed<'de, D: Deserializer<'de>, T: FromStr>(from: D) -> Result<T, D::Error>
where
    T::Err: Display,
{
    read_by(from, str::parse)
}

/// Reads a text by a rule.
pub(super) fn read_by<'de, D, T, E, F>(from: D, rule: F) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: Display,
    F: FnOnce(&str) -> Result<T, E>,
{
    struct Text<T, F>(F, PhantomData<T>);

    impl<T, E: Display, F: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Text<T, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<X: Error>(self, text: &str) -> Result<T, X> {
            (self.0)(text).map_err(X::custom)
        }
    }

    from.deserialize_str(Text(rule, PhantomData))
}
