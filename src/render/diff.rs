//! Changed fields as a diff for people.

use std::collections::BTreeMap;

use super::layout::{Paint, Paragraph};
use super::text_diff::{self, Fate};
use super::{Style, escape, messages};
use crate::plan::View;

/// Lines of one field's diff that are shown without `-v`.
const LINES: usize = 12;

/// A field that differs: its name, the value that was sent, and the one that is declared.
pub(super) type Changed<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

/// Returns the fields that differ.
pub(super) fn changed<'a>(before: &'a View, after: &'a View) -> Vec<Changed<'a>> {
    let values = |view: &'a View| -> BTreeMap<&'a str, &'a str> {
        view.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
    };
    let (old, new) = (values(before), values(after));
    let gone = before.iter().map(|(k, _)| k.as_str()).filter(|k| !new.contains_key(k));
    let fields = after.iter().map(|(k, _)| k.as_str()).chain(gone);
    let fields = fields.map(|field| (field, old.get(field).copied(), new.get(field).copied()));
    fields.filter(|(_, old, new)| old != new).collect()
}

/// Writes each field that differs.
///
/// One-word values stand on one line, `revision: 1 -> 2`. Texts stand below each other behind `-` (as
/// sent) and `+` (as declared), so that no text can pose as the other one.
pub(super) fn fields(before: &View, after: &View, indent: usize, style: Style, out: &mut String) {
    for (field, old, new) in changed(before, after) {
        if [old, new].into_iter().flatten().all(is_word) {
            Paragraph::new(indent, indent + 4)
                .push(Paint::Faint, field)
                .push(Paint::Faint, ": ")
                .push(Paint::Bad, old.unwrap_or("(none)"))
                .push(Paint::Faint, " -> ")
                .push(Paint::Good, new.unwrap_or("(none)"))
                .write(style, out);
        } else {
            Paragraph::new(indent, indent)
                .push(Paint::Faint, field)
                .push(Paint::Faint, ":")
                .write(style, out);
            text(old, new, indent + 2, style, out);
        }
    }
}

fn is_word(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 64
        && value.chars().all(|c| !c.is_whitespace() && !escape::is_hidden(c))
}

fn text(old: Option<&str>, new: Option<&str>, indent: usize, style: Style, out: &mut String) {
    // A text without a last line break must not differ from one that goes on behind it.
    let ended = |t: Option<&str>| t.map(|t| format!("{t}\n")).unwrap_or_default();
    let (old, new) = (ended(old), ended(new));
    let mut lines = Vec::new();
    for (i, group) in text_diff::changes(&old, &new, 1).into_iter().enumerate() {
        if i > 0 {
            lines.push(Paragraph::new(indent, indent).push(Paint::Faint, "..."));
        }
        for text_diff::Line { fate, mut pieces } in group {
            let (sign, plain, strong) = match fate {
                Fate::Removed => ("- ", Paint::Bad, Paint::BadWord),
                Fate::Added => ("+ ", Paint::Good, Paint::GoodWord),
                Fate::Kept => ("  ", Paint::Faint, Paint::Faint),
            };
            let end = visible_end(&mut pieces);
            let mut line = Paragraph::new(indent, indent + 2).push(plain, sign);
            for (changed, piece) in pieces.into_iter().chain(end) {
                line = line.push(if changed { strong } else { plain }, piece);
            }
            lines.push(line);
        }
    }
    let shown = if style.verbose > 0 || lines.len() <= LINES { lines.len() } else { LINES };
    for line in &lines[..shown] {
        line.write(style, out);
    }
    if shown < lines.len() {
        let more = messages::plural(lines.len() - shown, "more line");
        Paragraph::new(indent, indent)
            .push(Paint::Faint, format!("... and {more} (-v shows them)"))
            .write(style, out);
    }
}

/// Takes the line break off, and a space in front of it, which would not be seen: returns what stands for it.
fn visible_end(pieces: &mut Vec<(bool, &str)>) -> Option<(bool, &'static str)> {
    if let Some((_, last)) = pieces.last_mut() {
        *last = last.strip_suffix('\n').unwrap_or(last);
    }
    pieces.retain(|(_, piece)| !piece.is_empty());
    let (changed, last) = pieces.last_mut()?;
    *last = last.strip_suffix(' ')?;
    Some((*changed, "\\u{20}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &[(&str, &str)], after: &[(&str, &str)]) -> String {
        let view =
            |v: &[(&str, &str)]| v.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<View>();
        let mut out = String::new();
        let style = Style { width: 60, color: false, verbose: 0 };
        fields(&view(before), &view(after), 2, style, &mut out);
        assert_eq!(changed(&view(before), &view(after)).is_empty(), out.is_empty());
        out
    }

    #[test]
    fn words_on_one_line_texts_below_each_other() {
        assert_eq!(
            shown(
                &[("a", "x"), ("rev", "1"), ("text", "one two")],
                &[("a", "x"), ("rev", "2"), ("text", "one 2")]
            ),
            "  rev: 1 -> 2\n  text:\n    - one two\n    + one 2\n"
        );
        assert_eq!(shown(&[("a", "x")], &[("a", "x")]), "");
        assert_eq!(shown(&[], &[("status", "New")]), "  status: (none) -> New\n");
        assert_eq!(shown(&[("note", "a b")], &[]), "  note:\n    - a b\n");
    }

    #[test]
    fn an_invisible_change_is_seen() {
        assert_eq!(shown(&[("t", "a b")], &[("t", "a b ")]), "  t:\n    - a b\n    + a b\\u{20}\n");
        assert_eq!(shown(&[("t", "a b")], &[("t", "a\u{a0}b")]), "  t:\n    - a b\n    + a\\u{a0}b\n");
        assert_eq!(shown(&[("t", "a b")], &[("t", "a b\n")]), "  t:\n      a b\n    +\n");
    }

    #[test]
    fn long_texts_are_folded() {
        let lines = |p: &str| (0..40).map(|i| format!("{p} line {i}\n")).collect::<String>();
        let out = shown(&[("t", &lines("old"))], &[("t", &lines("new"))]);
        assert!(out.lines().count() <= LINES + 2, "{out}");
        assert!(out.contains("more lines (-v shows them)"));
    }
}
