//! Bytes to text, and byte offsets to lines and columns.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use crate::manifest::diagnostic::{Diagnostic, Finding, Place, Related};

/// The longest stretch of a line that a diagnostic quotes, in characters.
const LINE_LIMIT: usize = 200;
/// How much of a long line is shown before the marked text, in characters.
const LINE_LEAD: usize = 40;

/// A file's text. What is no UTF-8 has become U+FFFD, and is listed.
#[derive(Debug)]
pub(in crate::manifest) struct Decoded<'b> {
    pub text: Cow<'b, str>,
    /// Where in `text` a byte was replaced, and that byte; ascending.
    pub invalid: Vec<(usize, u8)>,
}

/// The file is in another encoding altogether.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::manifest) struct Utf16;

/// Decodes UTF-8, with or without a byte order mark. Each invalid sequence becomes one character, so
/// that columns stay those of an editor.
pub(in crate::manifest) fn decode(bytes: &[u8]) -> Result<Decoded<'_>, Utf16> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Utf16);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Decoded { text: Cow::Borrowed(text), invalid: Vec::new() });
    }
    let mut text = String::with_capacity(bytes.len());
    let mut invalid = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if let Some(&byte) = chunk.invalid().first() {
            invalid.push((text.len(), byte));
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Ok(Decoded { text: Cow::Owned(text), invalid })
}

/// A named text that can tell lines and columns. Lines are counted when the first one is asked for.
#[derive(Debug)]
pub(in crate::manifest) struct SourceText<'s> {
    pub file: Arc<str>,
    pub text: &'s str,
    starts: OnceCell<Vec<usize>>,
}

impl<'s> SourceText<'s> {
    pub fn new(file: Arc<str>, text: &'s str) -> Self {
        SourceText { file, text, starts: OnceCell::new() }
    }

    /// The largest character boundary that is not behind `at`.
    fn clamp(&self, at: usize) -> usize {
        self.text.floor_char_boundary(at)
    }

    fn line_range(&self, at: usize) -> (usize, Range<usize>) {
        let starts = self.starts.get_or_init(|| {
            std::iter::once(0)
                .chain(memchr::memchr_iter(b'\n', self.text.as_bytes()).map(|i| i + 1))
                .collect()
        });
        let index = starts.partition_point(|&start| start <= at).saturating_sub(1);
        let start = starts.get(index).copied().unwrap_or(0);
        let end = starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        (index, start..end)
    }

    /// 1-based line and column of a byte offset.
    pub fn line_column(&self, at: usize) -> (u32, u32) {
        let at = self.clamp(at);
        let (index, range) = self.line_range(at);
        (count(index + 1), count(self.text[range.start..at.max(range.start)].chars().count() + 1))
    }

    /// The line that a span begins on, with the part of the span that lies on it.
    pub fn place(&self, span: Range<usize>) -> Place {
        let start = self.clamp(span.start);
        let (index, range) = self.line_range(start);
        let line = self.text[range.clone()].trim_end_matches('\r');
        // An offset at the line break itself belongs behind the last character.
        let from = start.saturating_sub(range.start).min(line.len());
        let to = self.clamp(span.end).saturating_sub(range.start).clamp(from, line.len());
        let before = line[..from].chars().count();
        let marked = line[from..to].chars().count();
        let skip = if before + marked > LINE_LIMIT { before.saturating_sub(LINE_LEAD) } else { 0 };
        Place {
            line: count(index + 1),
            column: count(before + 1),
            end_column: count(before + marked + 1),
            source_line: line.chars().skip(skip).take(LINE_LIMIT).collect(),
            source_offset: count(skip),
        }
    }

    /// Counts lines and columns of a finding.
    pub fn diagnose(&self, finding: Finding) -> Diagnostic {
        let related = finding.related.into_iter().map(|(at, message)| {
            let (line, column) = self.line_column(at);
            Related { file: self.file.clone(), line, column, message }
        });
        let related = related.chain(finding.elsewhere).collect();
        let mut diagnostic = Diagnostic::of_file(finding.code, self.file.clone(), finding.message)
            .at(&self.place(finding.start..finding.end));
        diagnostic.severity = finding.level;
        diagnostic.help = finding.help;
        diagnostic.related = related;
        diagnostic
    }
}

/// Offsets fit: files are limited to far less than 4 GiB.
fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters() {
        let source = SourceText::new("x".into(), "a: é→b\r\nsecond\n");
        assert_eq!(source.line_column(0), (1, 1));
        let b = source.text.find('b').unwrap();
        assert_eq!(source.line_column(b), (1, 6));
        let place = source.place(b..b + 8);
        assert_eq!((place.column, place.end_column, place.source_line.as_str()), (6, 7, "a: é→b"));
        assert_eq!(source.line_column(usize::MAX), (3, 1));
        assert_eq!(source.place(usize::MAX..usize::MAX).source_line, "");
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let text = format!("{}X{}", "-".repeat(1000), "-".repeat(1000));
        let place = SourceText::new("x".into(), &text).place(1000..1001);
        assert_eq!((place.column, place.end_column), (1001, 1002));
        assert_eq!(place.source_line.chars().count(), LINE_LIMIT);
        let index = (place.column - 1 - place.source_offset) as usize;
        assert_eq!(place.source_line.chars().nth(index), Some('X'));
    }

    #[test]
    fn bytes_that_are_no_text() {
        let decoded = decode(b"\xef\xbb\xbfa\xffb\xe2\x82c").unwrap();
        assert_eq!(decoded.text, "a\u{fffd}b\u{fffd}c");
        assert_eq!(decoded.invalid, [(1, 0xff), (5, 0xe2)]);
        assert_eq!(decode(b"\xff\xfea\0").unwrap_err(), Utf16);
        assert_eq!(decode(b"\xef\xbb\xbfa").unwrap().text, "a");
    }
}
