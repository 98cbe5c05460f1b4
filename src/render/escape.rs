//! Text from manifests and from the service cannot break out of the terminal.
//!
//! Control characters can move the cursor or start an escape sequence; bidirectional and invisible format
//! characters make a text look like another one. All of them are shown as `\n`, `\t` or `\u{202e}`.
//! A backslash stays as it is (Windows paths stay readable), so the functions here are idempotent.

use std::borrow::Cow;
use std::fmt::Write;

/// Characters that a terminal shows as nothing, or as something other than themselves.
///
/// Unicode's `Cc`, `Cf`, `Zl`, `Zp`, the default-ignorable letters and marks, and every space but the
/// two that people type: U+0020 and the ideographic U+3000.
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(c as u32,
        0x80..=0xa0 | 0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2
        | 0x115f..=0x1160 | 0x1680 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x2000..=0x200f
        | 0x2028..=0x202f | 0x205f..=0x206f | 0x2800 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
        | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3
        | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// For a place where one line is expected.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) => {
                // Writing into a `String` cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// For a JSON document: hidden characters inside its strings become `\uXXXX`, which reads back as the
/// same value. Line breaks between tokens stay.
pub fn json(document: &str) -> Cow<'_, str> {
    // A JSON writer has escaped everything below U+0020 inside strings already.
    let must = |c: char| is_hidden(c) && c != '\n';
    if !document.chars().any(must) {
        return Cow::Borrowed(document);
    }
    let mut out = String::with_capacity(document.len() + 16);
    let mut units = [0u16; 2];
    for c in document.chars() {
        if must(c) {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_what_would_be_hidden() {
        assert_eq!(one_line("plain, é, 東京, a\\b"), "plain, é, 東京, a\\b");
        assert_eq!(one_line("a\nb\tc\rd"), "a\\nb\\tc\\rd");
        assert_eq!(one_line("\u{1b}[31mred\u{9b}0m"), "\\u{1b}[31mred\\u{9b}0m");
        assert_eq!(one_line("abc\u{202e}cba"), "abc\\u{202e}cba");
        assert_eq!(one_line("a\u{200b}b\u{e0041}\u{a0}"), "a\\u{200b}b\\u{e0041}\\u{a0}");
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({ "a": "x\u{9b}\u{202e}\u{7f}\u{e0041}\n" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = json(&text);
        assert!(!safe.chars().any(|c| is_hidden(c) && c != '\n'), "{safe:?}");
        assert!(safe.contains("\\udb40\\udc41"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in ".*") {
            let shown = one_line(&text);
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert_eq!(one_line(&shown).into_owned(), shown.clone().into_owned());
            prop_assert_eq!(text.chars().any(is_hidden), *shown != *text);
        }

        #[test]
        fn every_control_character_is_hidden(c in any::<char>()) {
            prop_assert!(!c.is_control() || is_hidden(c));
        }
    }
}
