//! Paragraphs: painted words that wrap with a hanging indent and never leave the given width.
//!
//! Every text that is pushed is escaped here, so no renderer can forget it.

use anstyle::{AnsiColor, Effects};
use unicode_width::UnicodeWidthChar;

use super::{Style, escape};

/// What a stretch of text means; colours follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Notice,
    Info,
    /// A changed word inside a removed line.
    BadWord,
    /// A changed word inside an added line.
    GoodWord,
}

impl Paint {
    pub(super) fn style(self) -> anstyle::Style {
        let plain = anstyle::Style::new();
        let colour = |c: AnsiColor| plain.fg_color(Some(c.into()));
        match self {
            Paint::Plain => plain,
            Paint::Strong => plain.effects(Effects::BOLD),
            Paint::Faint => plain.effects(Effects::DIMMED),
            Paint::Good => colour(AnsiColor::Green),
            Paint::Bad => colour(AnsiColor::Red),
            Paint::Notice => colour(AnsiColor::Yellow),
            Paint::Info => colour(AnsiColor::Cyan),
            Paint::BadWord => colour(AnsiColor::Red).effects(Effects::BOLD.insert(Effects::UNDERLINE)),
            Paint::GoodWord => colour(AnsiColor::Green).effects(Effects::BOLD.insert(Effects::UNDERLINE)),
        }
    }
}

/// Columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

fn char_columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Cuts a text to `width` columns; what is left out is marked by `...`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut out = take_columns(text.chars(), width.saturating_sub(3));
    out.extend(std::iter::repeat_n('.', width.min(3)));
    out
}

/// Cuts the start off a text, the other way round than [`cut`].
pub(super) fn cut_start(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let tail: String = take_columns(text.chars().rev(), width.saturating_sub(3)).chars().rev().collect();
    format!("{}{tail}", ".".repeat(width.min(3)))
}

/// Cuts the middle out of a text: ids and addresses differ at both ends.
pub(super) fn cut_middle(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let keep = width.saturating_sub(2);
    let head = take_columns(text.chars(), keep.div_ceil(2));
    let tail: String = take_columns(text.chars().rev(), keep / 2).chars().rev().collect();
    format!("{head}..{tail}")
}

fn take_columns(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += char_columns(*c);
            used <= width
        })
        .collect()
}

/// A space at which no line is broken. As a character of a text it would have been escaped.
const TIE: &str = "\u{a0}";

/// Painted text of one paragraph.
pub(super) struct Paragraph {
    indent: usize,
    hang: usize,
    chars: Vec<(char, Paint)>,
}

impl Paragraph {
    /// Starts `indent` columns from the left; further lines start `hang` columns from the left.
    pub(super) fn new(indent: usize, hang: usize) -> Self {
        Paragraph { indent, hang, chars: Vec::new() }
    }

    /// Appends a text, escaped.
    pub(super) fn push(mut self, paint: Paint, text: impl AsRef<str>) -> Self {
        self.chars.extend(escape::one_line(text.as_ref()).chars().map(|c| (c, paint)));
        self
    }

    /// Appends plain text, escaped.
    pub(super) fn text(self, text: impl AsRef<str>) -> Self {
        self.push(Paint::Plain, text)
    }

    /// Columns that it takes on one line, the indent included.
    pub(super) fn columns(&self) -> usize {
        self.indent + self.chars.iter().map(|(c, _)| char_columns(*c)).sum::<usize>()
    }

    /// Writes the paragraph as one line, cut with `...` if it is too long.
    pub(super) fn write_cut(mut self, style: Style, out: &mut String) {
        let room = style.columns().saturating_sub(self.indent);
        if self.columns() > style.columns() {
            let mut used = 0;
            let keep = self
                .chars
                .iter()
                .take_while(|(c, _)| {
                    used += char_columns(*c);
                    used + 3 <= room
                })
                .count();
            self.chars.truncate(keep);
            self.chars.extend([('.', Paint::Plain); 3]);
        }
        write_line(self.indent, &self.chars, style, out);
    }

    /// Appends `a, b, c`; a line is never broken inside a part.
    pub(super) fn push_list(mut self, paint: Paint, parts: &[String]) -> Self {
        for (i, part) in parts.iter().enumerate() {
            let between = if i == 0 { "" } else { ", " };
            let part = escape::one_line(part).replace(' ', TIE);
            self.chars.extend(between.chars().chain(part.chars()).map(|c| (c, paint)));
        }
        self
    }

    /// As [`Self::write`], but at most `lines` lines: the last one is cut with `...` if there are more.
    pub(super) fn write_lines(&self, lines: usize, style: Style, out: &mut String) {
        let mut whole = String::new();
        self.write(Style { color: false, ..style }, &mut whole);
        if whole.lines().count() <= lines {
            return self.write(style, out);
        }
        // Shorter by a character at a time until the dots fit; what cannot be seen goes at once.
        let most = style.columns().saturating_mul(lines);
        let mut short = Paragraph { chars: self.chars.iter().copied().take(most).collect(), ..*self };
        while let Some((_, paint)) = short.chars.pop() {
            let end = short.chars.iter().rposition(|(c, _)| *c != ' ').map_or(0, |i| i + 1);
            short.chars.truncate(end);
            let length = short.chars.len();
            short.chars.extend([('.', paint); 3]);
            whole.clear();
            short.write(Style { color: false, ..style }, &mut whole);
            if whole.lines().count() <= lines {
                return short.write(style, out);
            }
            short.chars.truncate(length);
        }
    }

    /// Writes the paragraph, wrapped at spaces; words longer than a line are broken.
    pub(super) fn write(&self, style: Style, out: &mut String) {
        let width = style.columns();
        let mut line: Vec<(char, Paint)> = Vec::new();
        let mut indent = self.indent;
        let mut at = indent;
        let mut rest = self.chars.as_slice();
        while !rest.is_empty() {
            let gap = rest.iter().take_while(|(c, _)| *c == ' ').count();
            let (spaces, after) = rest.split_at(gap);
            let length = after.iter().take_while(|(c, _)| *c != ' ').count();
            let (word, next) = after.split_at(length);
            rest = next;
            let wide: usize = word.iter().map(|(c, _)| char_columns(*c)).sum();
            if at + gap + wide <= width {
                line.extend_from_slice(spaces);
                line.extend_from_slice(word);
                at += gap + wide;
                continue;
            }
            let fits_a_line = self.hang + wide <= width;
            if !line.is_empty() && (fits_a_line || at + gap >= width) {
                write_line(indent, &line, style, out);
                line.clear();
                indent = self.hang;
                at = indent;
            } else {
                let spaces = &spaces[..gap.min(width.saturating_sub(at))];
                line.extend_from_slice(spaces);
                at += spaces.len();
            }
            for &(c, paint) in word {
                if at + char_columns(c) > width {
                    write_line(indent, &line, style, out);
                    line.clear();
                    indent = self.hang;
                    at = indent;
                }
                line.push((c, paint));
                at += char_columns(c);
            }
        }
        write_line(indent, &line, style, out);
    }
}

fn write_line(indent: usize, line: &[(char, Paint)], style: Style, out: &mut String) {
    let end = line.iter().rposition(|(c, _)| *c != ' ').map_or(0, |i| i + 1);
    let line = &line[..end];
    if !line.is_empty() {
        out.extend(std::iter::repeat_n(' ', indent));
    }
    for run in line.chunk_by(|a, b| a.1 == b.1) {
        let Some((_, paint)) = run.first() else { continue };
        let text = run.iter().map(|(c, _)| if TIE.contains(*c) { ' ' } else { *c });
        if style.color && *paint != Paint::Plain {
            let painted = paint.style();
            out.push_str(&painted.render().to_string());
            out.extend(text);
            out.push_str(&painted.render_reset().to_string());
        } else {
            out.extend(text);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(width: usize) -> Style {
        Style { width, color: false, verbose: 0 }
    }

    #[test]
    fn wraps_with_a_hanging_indent() {
        let mut out = String::new();
        Paragraph::new(2, 6)
            .text("+ a long reason that has to be wrapped because it is long")
            .write(plain(40), &mut out);
        assert_eq!(out, "  + a long reason that has to be wrapped\n      because it is long\n");
    }

    #[test]
    fn breaks_what_has_no_spaces() {
        let mut out = String::new();
        Paragraph::new(0, 4).text("x ").text("y".repeat(70)).write(plain(40), &mut out);
        assert_eq!(out, format!("x {}\n    {}\n", "y".repeat(38), "y".repeat(32)));
    }

    #[test]
    fn lists_break_between_their_parts() {
        let parts: Vec<String> = (1..7).map(|n| format!("{n} of a kind")).collect();
        let mut out = String::new();
        Paragraph::new(0, 2).push_list(Paint::Plain, &parts).write(plain(40), &mut out);
        assert_eq!(out, "1 of a kind, 2 of a kind, 3 of a kind,\n  4 of a kind, 5 of a kind, 6 of a kind\n");
    }

    #[test]
    fn as_many_lines_as_there_may_be() {
        let lines = |text: &str, most: usize| {
            let mut out = String::new();
            Paragraph::new(0, 2).text(text).write_lines(most, plain(40), &mut out);
            out
        };
        assert_eq!(lines("short", 2), "short\n");
        let words = "word ".repeat(40);
        let out = lines(&words, 2);
        assert_eq!(out.lines().count(), 2);
        assert!(out.ends_with(" word...\n") && out.lines().all(|l| columns(l) > 30 && columns(l) <= 40));
        let out = lines(&"x".repeat(500), 3);
        assert_eq!(out.lines().map(columns).collect::<Vec<_>>(), [40, 40, 40]);
        assert!(out.ends_with("xxx...\n"));
    }

    #[test]
    fn cuts() {
        assert_eq!(cut("abcdefgh", 8), "abcdefgh");
        assert_eq!(cut("abcdefghi", 8), "abcde...");
        assert_eq!(cut("東京都東京都", 8), "東京...");
        assert_eq!(cut_middle("5382f7ea-7557-4ab7-9782-d50480024a4e", 10), "5382..4a4e");
    }

    proptest! {
        #[test]
        fn never_wider_than_the_width(
            text in "([a-z]{1,60} {0,3}|東京[a-z]*|\\PC{0,20} ){0,12}", width in 40usize..130, hang in 0usize..12,
        ) {
            let (mut wrapped, mut one) = (String::new(), String::new());
            Paragraph::new(2, hang).text(&text).write(plain(width), &mut wrapped);
            Paragraph::new(2, hang).text(&text).write_cut(plain(width), &mut one);
            for line in wrapped.lines().chain(one.lines()) {
                prop_assert!(columns(line) <= width, "{line:?}");
            }
            prop_assert!(one.lines().count() <= 1);
            let bare = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(bare(&wrapped), bare(&escape::one_line(&text)));
        }
    }
}
