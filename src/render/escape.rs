//! Text from manifests and from the service cannot break out of the terminal, nor command what reads a log.
//!
//! Control characters can move the cursor or start an escape sequence; bidirectional and invisible format
//! characters make a text look like another one. All of them are shown as `\n`, `\t` or `\u{202e}`.
//! A backslash stays as it is (Windows paths stay readable), so the functions here are idempotent.
//!
//! Runners of pipelines read what a step writes, line by line, and obey what looks like a command: GitHub
//! takes `::name` at the start of a line, behind any blanks, and `##[name]` anywhere in it; Azure Pipelines
//! takes `##vso[name]` anywhere. The first character of such a command is shown as `\u{3a}` or `\u{23}`.
//!
//! Texts are escaped where they are put into a line ([`one_line`]), because only there their line breaks can
//! be told from ours. [`lines`] is the last gate, through which everything for people passes.

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

/// A finished text for people, as it is written to a stream: what no line of ours holds is escaped.
///
/// Lines end in `\n`. Colours of ours pass if the text is `painted`; no other control character does, and no
/// command of a pipeline's runner.
pub fn lines(text: &str, painted: bool) -> Cow<'_, str> {
    guard(text, Hidden::Shown { painted }, true)
}

/// A finished text for programs that a log may hold: line breaks and other characters stay as they are, and
/// commands of a pipeline's runner are escaped.
pub fn commands(text: &str) -> Cow<'_, str> {
    guard(text, Hidden::Kept, true)
}

/// For a place inside a line that a log may hold: as [`one_line`], and commands of a pipeline's runner are
/// escaped too.
pub fn inside(text: &str) -> String {
    guard(&one_line(text), Hidden::Kept, false).into_owned()
}

/// The treatment of hidden characters.
#[derive(Clone, Copy)]
enum Hidden {
    Kept,
    Shown { painted: bool },
}

fn guard(text: &str, hidden: Hidden, mut at_start: bool) -> Cow<'_, str> {
    let bad = |c: char| matches!(hidden, Hidden::Shown { .. }) && is_hidden(c) && c != '\n';
    if !text.contains("::") && !text.contains("##") && !text.chars().any(bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        if let Hidden::Shown { painted: true } = hidden
            && let Some(colour) = colour(rest)
        {
            length = colour;
            out.push_str(&rest[..length]);
        } else if bad(c) {
            out.push_str(&one_line(&rest[..length]));
            at_start = false;
        } else if at_start && is_command(rest) || is_bracketed_command(rest) {
            // Writing into a `String` cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
            at_start = false;
        } else {
            out.push(c);
            at_start = matches!(c, '\n' | '\r') || at_start && c.is_whitespace();
        }
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

/// Returns whether a line that begins so is a command of GitHub. `:::` is none, and points at places in diagnostics.
fn is_command(line: &str) -> bool {
    line.starts_with("::") && !line.starts_with(":::")
}

/// Returns whether a command in brackets begins here: `##[error]`, `##vso[task.complete]`.
pub(super) fn is_bracketed_command(text: &str) -> bool {
    let name = text.strip_prefix("##");
    name.is_some_and(|n| n.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with('['))
}

/// The length of a colour sequence, if one of ours or of clap begins here. Sequences that hide text or paint
/// its background are none of ours.
fn colour(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("\u{1b}[")?;
    let end = inside.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    let ours = |code: &str| matches!(code, "" | "0" | "1" | "2" | "3" | "4") || foreground(code);
    let is_colour = inside[end..].starts_with('m') && inside[..end].split(';').all(ours);
    is_colour.then_some("\u{1b}[".len() + end + 1)
}

fn foreground(code: &str) -> bool {
    code.parse::<u8>().is_ok_and(|n| matches!(n, 30..=37 | 90..=97))
}

/// A JSON document that a log may hold: as [`json`], and commands of a pipeline's runner are escaped too. No
/// line of JSON begins with a colon.
pub fn json_in_a_log(document: &str) -> Cow<'_, str> {
    let document = json(document);
    if !document.contains("##") {
        return document;
    }
    let mut out = String::with_capacity(document.len() + 16);
    for (i, c) in document.char_indices() {
        if is_bracketed_command(&document[i..]) {
            out.push_str("\\u0023");
        } else {
            out.push(c);
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

    #[test]
    fn commands_of_runners_are_none() {
        for (text, shown) in [
            ("::error::x", "\\u{3a}:error::x"),
            ("a\n \t::set-output name=x::y", "a\n \t\\u{3a}:set-output name=x::y"),
            ("a\r::error::x", "a\r\\u{3a}:error::x"),
            ("\u{3000}::error::x", "\u{3000}\\u{3a}:error::x"),
            ("x ::error::", "x ::error::"),
            ("std::fs", "std::fs"),
            ("  ::: a.yaml:1:2", "  ::: a.yaml:1:2"),
            ("see ##[error]x", "see \\u{23}#[error]x"),
            ("##vso[task.setvariable]x", "\\u{23}#vso[task.setvariable]x"),
            ("###[x]", "#\\u{23}#[x]"),
            ("## heading [x]", "## heading [x]"),
        ] {
            assert_eq!(commands(text), shown, "{text:?}");
            assert_eq!(commands(shown), shown, "{text:?}");
        }
    }

    #[test]
    fn people_see_lines_and_our_colours_alone() {
        let painted = "\u{1b}[1m\u{1b}[31merror\u{1b}[0m: x\n";
        assert_eq!(lines(painted, true), painted);
        assert_eq!(lines("\u{1b}[2m::error::\n", true), "\u{1b}[2m\\u{3a}:error::\n");
        assert_eq!(lines("\u{1b}[31mx\n", false), "\\u{1b}[31mx\n");
        for foreign in
            ["\u{1b}[8m", "\u{1b}[41m", "\u{1b}[2J", "\u{1b}]0;t\u{7}", "\u{1b}[", "\u{1b}[31", "\u{9b}0m"]
        {
            assert!(!lines(foreign, true).chars().any(is_hidden), "{foreign:?}");
        }
        assert_eq!(lines("a\r\nb\tc", false), "a\\r\nb\\tc");
    }

    #[test]
    fn json_in_a_log_keeps_its_value() {
        let value = serde_json::json!({ "##[a]": "x ##vso[b]\u{202e} ##", "c": "::d" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = json_in_a_log(&text);
        assert!(!safe.contains("##[") && !safe.contains("##vso["), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    /// Returns whether a runner takes a line for a command, by the rules of GitHub's and of Azure Pipelines'.
    fn obeyed(line: &str) -> bool {
        let name = |from: &str| from.starts_with(|c: char| c.is_alphanumeric());
        line.trim_start().strip_prefix("::").is_some_and(name)
            || line.contains("##[")
            || line.contains("##vso[")
    }

    proptest! {
        #[test]
        fn no_text_commands_a_runner(text in "([:#\\[ \t\r\n\u{1b}m0-9;]|##vso\\[|::error|\\PC){0,30}") {
            for painted in [false, true] {
                let shown = lines(&text, painted);
                prop_assert!(!shown.split('\n').any(obeyed), "{shown:?}");
                prop_assert!(painted || !shown.chars().any(|c| is_hidden(c) && c != '\n'));
                prop_assert_eq!(lines(&shown, painted).into_owned(), shown.clone().into_owned());
            }
            prop_assert!(!commands(&text).split(['\n', '\r']).any(obeyed));
        }

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
