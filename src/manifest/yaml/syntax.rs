//! The parser's errors in words that help: what is wrong, where it began, what to write.

use granit_parser::{ErrorKind, ScanError, Span};

use super::scalar;
use crate::manifest::diagnostic::Finding;

/// How deep values may be nested.
pub(in crate::manifest) const MAX_DEPTH: usize = 64;

/// The longest piece of a user's text that a message repeats, in characters.
const SHOWN: usize = 60;

/// A user's text, short enough for a message.
pub(in crate::manifest) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.by_ref().take(SHOWN).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

/// A tag such as `!x` or `!!str`.
pub(in crate::manifest) fn tag(text: &str, span: &Span, fallback: usize) -> Finding {
    let range = span.tag_span().and_then(|s| s.byte_range()).unwrap_or(fallback..fallback);
    let name = shown(text.get(range.clone()).unwrap_or("!"));
    Finding::new("tag", range, format!("the tag `{name}` is not supported"))
        .help("remove it; quote the text if it begins with an exclamation mark")
}

/// An alias without its anchor; most often text that begins with an asterisk.
pub(in crate::manifest) fn unknown_alias(text: &str, span: std::ops::Range<usize>, name: &str) -> Finding {
    let line = &text[span.start..line_end(text, span.start)];
    let value = line.split(" #").next().unwrap_or(line).trim_end();
    // Inside brackets the rest of the line is not all of this value.
    let value = if value.contains([',', ']', '}']) { &text[span.clone()] } else { value };
    let message = format!("no value named `&{}` stands before this alias", shown(name));
    let finding = Finding::new("unknown-alias", span, message);
    finding.help(format!("quote it if it is text: {}", scalar::quoted(&shown(value))))
}

/// An anchor that no alias uses; most often text that begins with an ampersand.
pub(in crate::manifest) fn unused_anchor(text: &str, at: usize) -> Finding {
    let span = at..word_end(text, at);
    let message = format!("`{}` names this value, but no alias uses the name", shown(&text[span.clone()]));
    Finding::new("unused-anchor", span, message)
        .help("remove it; quote the text if it begins with an ampersand")
}

/// Whether an error between documents says that the one before did not end.
pub(in crate::manifest) fn goes_on(error: &ScanError) -> bool {
    matches!(error.kind(), ErrorKind::ExpectedDocumentStart | ErrorKind::InvalidDocumentEnd)
}

/// `last_end` is where the last event that was understood ended, `start` where the document begins.
pub(in crate::manifest) fn explain(text: &str, error: &ScanError, last_end: usize, start: usize) -> Finding {
    let at = error.marker().byte_offset().unwrap_or(text.len());
    let at = text.floor_char_boundary(at);
    if let Some(finding) = tab(text, at, start) {
        return finding;
    }
    if let Some(finding) = merge_conflict(text, start, at) {
        return finding;
    }
    let here = |code, message: &str| Finding::new(code, at..word_end(text, at), message);
    use ErrorKind as E;
    match error.kind() {
        E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar => unclosed_quote(text, at, None),
        E::InvalidTrailingDoubleQuotedScalar
        | E::InvalidTrailingSingleQuotedScalar
        | E::InvalidQuotedScalarIndent
        | E::MappingKeyNotAllowed
        | E::MappingValueNotAllowed
        | E::SimpleKeyExpected
        | E::InvalidSimpleKey
        | E::ExpectedBlockMappingKey
            if opening_quote(text, last_end, at).is_some() =>
        {
            let opening = opening_quote(text, last_end, at).unwrap_or(at);
            if line_of(text, opening) == line_of(text, at) {
                here("text-after-quote", "there is text behind the closing quote").help(
                    "quote the whole text, and write a quote inside double quotes as \\\" (inside single quotes as '')",
                )
            } else {
                unclosed_quote(text, opening, Some(at))
            }
        }
        E::InvalidTrailingDoubleQuotedScalar | E::InvalidTrailingSingleQuotedScalar => {
            here("text-after-quote", "there is text behind the closing quote")
                .help("quote the whole text, or none of it")
        }
        E::UnknownQuotedScalarEscape
        | E::InvalidQuotedScalarHexEscape
        | E::InvalidUnicodeEscape
        | E::InvalidLowSurrogateHexEscape
        | E::InvalidLowSurrogate
        | E::MissingLowSurrogate
        | E::UnpairedLowSurrogate => escape(text, at),
        E::RecursionLimitExceeded => {
            here("too-deep", &format!("values are nested more than {MAX_DEPTH} levels deep"))
        }
        E::DirectiveDisallowed => {
            here("directive", "YAML directives (a line that begins with %) are not supported")
                .help("remove the line")
        }
        E::UnclosedFlowCollection { open } => bracket(at, *open),
        E::UnexpectedEofFlowSequence => bracket(opening_bracket(text, start, at, '[').unwrap_or(at), '['),
        E::UnexpectedEofFlowMapping | E::UnexpectedEofImplicitFlowMapping => {
            bracket(opening_bracket(text, start, at, '{').unwrap_or(at), '{')
        }
        E::ExpectedFlowSequenceSeparator => flow_separator(text, start, at, '['),
        E::ExpectedFlowMappingSeparator => flow_separator(text, start, at, '{'),
        E::MismatchedFlowCollectionEnd { open, close } => {
            here("unclosed-bracket", &format!("`{open}` is closed by `{close}`"))
                .help(format!("close it with `{}`", closing(*open)))
        }
        E::MisplacedFlowCollectionEnd => here("unclosed-bracket", "this bracket closes nothing")
            .help("remove it, or quote the text that it belongs to"),
        E::MappingValueNotAllowed | E::InvalidColonPlacement => colon(text, at),
        E::SimpleKeyExpected | E::InvalidSimpleKey if text[at..word_end(text, at)].contains(':') => {
            let line = text[at..line_end(text, at)].trim_end();
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            here("missing-space", "a space is missing behind the colon").help(format!(
                "write {}: {}",
                shown(key),
                shown(value)
            ))
        }
        E::SimpleKeyExpected | E::InvalidSimpleKey => {
            here("missing-colon", "a `key: value` was expected, but there is no colon behind the key")
                .help("write `key: value`; text over several lines must be indented further than its key")
        }
        E::UnexpectedCharacter { character } => character_finding(at, *character),
        E::BomInsideDocument => character_finding(at, '\u{feff}'),
        E::UndeclaredTagHandle => here("tag", "tags (`!...`) are not supported").help("remove the tag"),
        E::ExpectedBlockMappingKey | E::InvalidIndentation | E::ExpectedBlockSequenceEntry => {
            here("bad-indentation", "this line does not line up with the lines before it")
                .help("indent fields of one mapping by the same number of spaces")
        }
        E::BlockSequenceEntryNotAllowed => here("bad-indentation", "a list item (`- `) cannot stand here")
            .help("put the list on the lines below its key; quote a text that begins with a dash"),
        E::InvalidBlockScalarIndent => {
            here("bad-indentation", "this line of the text block is indented less than its first line")
                .help("indent all lines of the block alike")
        }
        E::InvalidBlockScalarHeader | E::ZeroBlockScalarIndent => {
            here("yaml-syntax", "behind `|` or `>` only `+`, `-` or a digit may stand on the same line")
                .help("begin the text on the next line, indented")
        }
        E::ExpectedDocumentStart | E::InvalidDocumentEnd => here(
            "bad-indentation",
            "this line does not line up with the lines before it",
        )
        .help(
            "indent fields of one mapping by the same number of spaces; separate documents with a line `---`",
        ),
        E::MissingAnchorOrAliasName => {
            here("yaml-syntax", "`&` and `*` begin an anchor or alias, and need a name behind them")
                .help("quote the text if it begins with one of them")
        }
        E::CommentInterceptedScalar | E::CommentNotSeparated => {
            here("yaml-syntax", "a comment interrupts the text").help("quote the text, or move the comment")
        }
        E::MappingKeyNotAllowed => {
            here("yaml-syntax", "unquoted text cannot begin with a question mark and a space")
                .help("quote the text")
        }
        E::ExpectedNodeContent => here("yaml-syntax", "a value was expected here"),
        other => {
            let words = other.to_string();
            here(
                "yaml-syntax",
                &if words.is_empty() { "not valid YAML".into() } else { format!("not valid YAML: {words}") },
            )
        }
    }
}

/// The marks that an unfinished merge leaves behind.
fn merge_conflict(text: &str, start: usize, at: usize) -> Option<Finding> {
    let start = line_start(text, start.min(at));
    let part = &text[start..line_end(text, at)];
    let mark = ["<<<<<<< ", ">>>>>>> "].into_iter().find_map(|mark| {
        let found = part.match_indices(mark).map(|(i, _)| start + i).find(|i| line_start(text, *i) == *i)?;
        Some(found..found + mark.trim_end().len())
    })?;
    Some(Finding::new("merge-conflict", mark, "a merge conflict is left in this file").help("resolve it"))
}

/// The first escape behind `at` that YAML does not know; of the known ones, the first that takes digits.
fn escape(text: &str, at: usize) -> Finding {
    let mut chars = text[at..].char_indices();
    let mut numbered = None;
    let mut found = None;
    while let Some((i, c)) = chars.next() {
        if c != '\\' {
            continue;
        }
        match chars.next() {
            Some((j, c)) if !"0abt\tnvfre \"/\\N_LPxuU\r\n".contains(c) => {
                found = Some(at + i..at + j + c.len_utf8());
                break;
            }
            Some((j, 'x' | 'u' | 'U')) => numbered = numbered.or(Some(at + i..at + j + 1)),
            _ => {}
        }
    }
    let complaint =
        if found.is_none() { "needs more hex digits, or others" } else { "is no escape sequence of YAML" };
    let span = found.or(numbered).unwrap_or(at..word_end(text, at));
    let message = format!("`{}` {complaint}", shown(&text[span.clone()]));
    Finding::new("unknown-escape", span, message)
        .help("write a backslash as \\\\ inside double quotes, or use single quotes, where it is an ordinary character")
}

fn character_finding(at: usize, c: char) -> Finding {
    let span = at..at + c.len_utf8();
    if matches!(c, '@' | '`' | '%') {
        return Finding::new("yaml-syntax", span, format!("unquoted text cannot begin with `{c}`"))
            .help("quote the text");
    }
    let message = format!("the character U+{:04X} cannot stand here", u32::from(c));
    Finding::new("control-character", span, message).help("remove it")
}

fn bracket(at: usize, open: char) -> Finding {
    Finding::new("unclosed-bracket", at..at + 1, format!("this `{open}` is never closed"))
        .help(format!("close it with `{}`, or quote the text that it belongs to", closing(open)))
}

fn flow_separator(text: &str, start: usize, at: usize, open: char) -> Finding {
    let bare = text[..at].trim_end_matches('{');
    if bare.ends_with('$') && text[bare.len()..].starts_with("{{") {
        let begin = bare.len() - 1;
        let end = text[begin..line_end(text, begin)].find("}}").map_or(at, |i| begin + i + 2);
        let message = "an expression inside brackets or braces must be quoted";
        let finding = Finding::new("unquoted-expression", begin..end.max(begin + 1), message);
        return finding.help(format!("write {}", scalar::quoted(&shown(&text[begin..end]))));
    }
    let finding = match opening_bracket(text, start, at, open) {
        // The error is often noticed only at the next key, lines later.
        Some(opening) if line_of(text, opening) != line_of(text, at) => bracket(opening, open),
        _ => Finding::new(
            "unclosed-bracket",
            at..word_end(text, at),
            format!("`,` or `{}` was expected here", closing(open)),
        )
        .help("separate items by commas; quote a text that holds brackets, braces or commas"),
    };
    if finding.start == at { finding } else { finding.related(at, "noticed here") }
}

fn closing(open: char) -> char {
    if open == '[' { ']' } else { '}' }
}

fn colon(text: &str, at: usize) -> Finding {
    let line = line_start(text, at);
    let before = &text[line..at];
    // `key: some text: more`: the colon inside the text is taken for a second key.
    let (Some(first), end) = (before.find(": "), line_end(text, at)) else {
        let key = before.trim_start();
        let span = at - key.len()..at;
        let message = format!("`{}` cannot begin here: the line is indented too far", shown(key));
        return Finding::new("bad-indentation", span, message)
            .help("indent fields of one mapping by the same number of spaces");
    };
    let key = before[..first].trim_start().trim_start_matches("- ");
    let value = text[line + first + 2..end].trim();
    Finding::new("unquoted-colon", at..at + 1, "an unquoted text cannot hold a colon followed by a space")
        .help(if value.chars().count() <= SHOWN {
            format!("write {}: {}", shown(key), scalar::quoted(value))
        } else {
            format!("quote the text behind `{}:`", shown(key))
        })
}

/// A tab in the indentation of the line at `at` or of its neighbours: text without quotes runs on, so the
/// error may be told at its start or only behind it.
fn tab(text: &str, at: usize, document: usize) -> Option<Finding> {
    let this = line_start(text, at);
    let before = if this > document { line_start(text, this - 1) } else { this };
    let next = (line_end(text, at) + 1).min(text.len());
    let next = if text.is_char_boundary(next) { line_start(text, next) } else { this };
    [this, before, next].into_iter().find_map(|line| {
        let indent = text[line..].bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let tab = line + text[line..line + indent].find('\t')?;
        let rest = text[line + indent..].bytes().next();
        if matches!(rest, None | Some(b'\n' | b'\r' | b'#')) {
            return None;
        }
        let end = line + indent;
        Some(
            Finding::new("tab-indentation", tab..end, "a tab stands in the indentation")
                .help("indent with spaces"),
        )
    })
}

fn unclosed_quote(text: &str, opening: usize, noticed: Option<usize>) -> Finding {
    let quote = if text[opening..].starts_with('\'') { '\'' } else { '"' };
    let line = &text[opening..line_end(text, opening)];
    let finding = Finding::new("unclosed-quote", opening..opening + line.len(), "this quote is never closed");
    let whole = &text[line_start(text, opening)..opening + line.len()];
    let finding = if whole.chars().count() <= SHOWN {
        finding.help(format!("write {}{quote}", whole.trim()))
    } else {
        finding.help(format!("close it with {quote} at the end of the text"))
    };
    match noticed {
        Some(at) => finding.related(at, "noticed here"),
        None => finding,
    }
}

/// The quote that opened the text which ends near `at`: the first one behind what was understood.
fn opening_quote(text: &str, last_end: usize, at: usize) -> Option<usize> {
    let from = text.floor_char_boundary(last_end.min(at));
    let gap = &text[from..at];
    let quote = gap.find(['"', '\''])?;
    // Only the separators may stand before it, else it lies inside some other text.
    gap[..quote]
        .chars()
        .all(|c| c.is_whitespace() || matches!(c, ':' | '-' | ',' | '?'))
        .then_some(from + quote)
}

fn opening_bracket(text: &str, start: usize, at: usize, open: char) -> Option<usize> {
    let close = closing(open);
    let start = text.floor_char_boundary(start.min(at));
    let mut depth = 0usize;
    for (i, c) in text[start..at].char_indices().rev() {
        if c == close {
            depth += 1;
        } else if c == open {
            match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Some(start + i),
            }
        }
    }
    None
}

pub(in crate::manifest) fn line_start(text: &str, at: usize) -> usize {
    memchr::memrchr(b'\n', &text.as_bytes()[..at.min(text.len())]).map_or(0, |i| i + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    let end = memchr::memchr(b'\n', &text.as_bytes()[at.min(text.len())..]).map_or(text.len(), |i| at + i);
    if text[..end].ends_with('\r') && end > at { end - 1 } else { end }
}

fn line_of(text: &str, at: usize) -> usize {
    line_start(text, at)
}

/// The end of the word at `at`, for a mark that is wider than one character.
fn word_end(text: &str, at: usize) -> usize {
    let rest = &text[at.min(text.len())..];
    at + rest.find(|c: char| c.is_whitespace()).unwrap_or(rest.len())
}
