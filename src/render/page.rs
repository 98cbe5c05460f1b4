//! Sections of the documentation as text for a terminal.
//!
//! The documentation is the home of its words: help shows them as they stand there. Understood is the Markdown that these
//! pages are written in: paragraphs, lists, tables, blocks of code, links, code and strong words inside of lines.

use super::Style;
use super::layout::{Paint, Paragraph, columns};

/// A column of a table that is not its last one takes no more than this.
const WIDEST: usize = 28;

/// Returns the text below a heading, up to the next heading of its own level or above, or one that is among `others`.
pub fn section<'a>(page: &'a str, heading: &str, others: &[&str]) -> Option<&'a str> {
    let level = |line: &str| line.bytes().take_while(|b| *b == b'#').count();
    let title = |line: &'a str| line.trim_start_matches('#').trim();
    let mut at = 0;
    let mut begun: Option<(usize, usize)> = None;
    let mut in_code = false;
    for line in page.split_inclusive('\n') {
        let start = at;
        at += line.len();
        in_code ^= line.starts_with("```");
        if in_code || !line.starts_with('#') {
            continue;
        }
        match begun {
            None if title(line) == heading => begun = Some((at, level(line))),
            Some((from, above)) if level(line) <= above || others.contains(&title(line)) => {
                return Some(page[from..start].trim_matches('\n'));
            }
            _ => {}
        }
    }
    begun.map(|(from, _)| page[from..].trim_matches('\n'))
}

/// Writes Markdown for people.
pub fn text(markdown: &str, style: Style) -> String {
    let mut out = String::new();
    let lines: Vec<&str> = markdown.lines().collect();
    let mut rest = lines.as_slice();
    while let [line, after @ ..] = rest {
        if line.trim().is_empty() {
            rest = after;
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        rest = match () {
            () if line.starts_with("```") => code(after, style, &mut out),
            () if line.starts_with('|') => {
                let (rows, after) = while_lines(rest, |l| l.starts_with('|'));
                table(rows, style, &mut out);
                after
            }
            () if line.starts_with('#') => {
                let title = line.trim_start_matches('#').trim();
                spans(Paragraph::new(0, 0), title, Paint::Strong).write(style, &mut out);
                after
            }
            () => {
                let ends = |l: &str| l.trim().is_empty() || l.starts_with(['|', '#']) || l.starts_with("```");
                let (block, after) = while_lines(rest, |l| !ends(l));
                paragraphs(block, style, &mut out);
                after
            }
        };
    }
    out
}

fn while_lines<'s, 'a>(lines: &'s [&'a str], holds: impl Fn(&str) -> bool) -> (&'s [&'a str], &'s [&'a str]) {
    lines.split_at(lines.iter().position(|l| !holds(l)).unwrap_or(lines.len()))
}

/// Writes a block of code, never broken, and returns what stands behind it.
fn code<'s, 'a>(lines: &'s [&'a str], style: Style, out: &mut String) -> &'s [&'a str] {
    let (block, after) = while_lines(lines, |l| !l.starts_with("```"));
    for line in block {
        Paragraph::new(4, 4).text(line).write(Style { width: usize::MAX, ..style }, out);
    }
    after.get(1..).unwrap_or_default()
}

/// Writes lines that belong together: one paragraph, or the items of a list.
fn paragraphs(lines: &[&str], style: Style, out: &mut String) {
    let mut items: Vec<(usize, String)> = Vec::new();
    for line in lines {
        let hang = marker(line);
        match items.last_mut() {
            Some((_, text)) if hang == 0 => {
                text.push(' ');
                text.push_str(line.trim());
            }
            _ => items.push((hang, line.trim().to_owned())),
        }
    }
    for (hang, text) in items {
        spans(Paragraph::new(0, hang), &text, Paint::Plain).write(style, out);
    }
}

/// Returns how many columns the mark of a list's item takes: `- `, `1. `; 0 where there is none.
fn marker(line: &str) -> usize {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match () {
        () if line.starts_with("- ") => 2,
        () if digits > 0 && line[digits..].starts_with(". ") => digits + 2,
        () => 0,
    }
}

/// Writes a table: its columns side by side, and the last one, which holds sentences, wrapped beside them, or below where
/// they leave it too little room.
fn table(rows: &[&str], style: Style, out: &mut String) {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row)).collect();
    let is_rule = |row: &[String]| row.iter().all(|c| c.starts_with("--"));
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0).saturating_sub(1))
        .map(|i| {
            rows.iter().filter_map(|r| r.get(i)).map(|c| columns(&plain(c))).max().unwrap_or(0).min(WIDEST)
        })
        .collect();
    let beside = widths.iter().map(|w| w + 2).sum::<usize>();
    for (i, row) in rows.iter().enumerate().filter(|(_, row)| !is_rule(row)) {
        if row.iter().all(String::is_empty) {
            continue;
        }
        let paint = if i == 0 { Paint::Strong } else { Paint::Plain };
        let fits = row.iter().zip(&widths).all(|(c, w)| columns(&plain(c)) <= *w);
        let Some((last, first)) = row.split_last() else { continue };
        let mut line = Paragraph::new(0, beside);
        for (cell, width) in first.iter().zip(&widths) {
            // A cell that is wider than its column still ends before the next one.
            let pad = (width + 2).saturating_sub(columns(&plain(cell))).max(2);
            line = spans(line, cell, paint).text(" ".repeat(pad));
        }
        if fits && beside * 2 <= style.columns() {
            spans(line, last, paint).write(style, out);
        } else {
            line.write(style, out);
            if !last.is_empty() {
                spans(Paragraph::new(4, 4), last, paint).write(style, out);
            }
        }
    }
}

/// Returns the cells of a row. `\|` is no end of one.
fn cells(row: &str) -> Vec<String> {
    const BAR: &str = "\u{0}";
    let row = row.trim().trim_start_matches('|').replace("\\|", BAR);
    let row = row.trim_end().trim_end_matches('|');
    row.split('|').map(|cell| cell.trim().replace(BAR, "|")).collect()
}

/// Returns a text without the marks of its links and strong words.
fn plain(text: &str) -> String {
    pieces(text).into_iter().map(|(_, piece)| piece).collect()
}

/// Appends a text; its strong words are painted, of its links the words are left.
fn spans(paragraph: Paragraph, text: &str, paint: Paint) -> Paragraph {
    pieces(text).into_iter().fold(paragraph, |paragraph, (strong, piece)| {
        paragraph.push(if strong { Paint::Strong } else { paint }, piece)
    })
}

/// Splits a text into pieces that are strong or not. Code keeps its marks, and nothing in it is read.
fn pieces(text: &str) -> Vec<(bool, String)> {
    let mut out: Vec<(bool, String)> = vec![(false, String::new())];
    let mut strong = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '`' => {
                let closed = rest[1..].find('`').map_or(rest.len(), |n| n + 2);
                add(&mut out, strong, &rest[..closed]);
                closed
            }
            '*' if rest.starts_with("**") => {
                strong = !strong;
                2
            }
            '[' => match link(rest) {
                Some((words, length)) => {
                    pieces(words).iter().for_each(|(s, piece)| add(&mut out, strong || *s, piece));
                    length
                }
                None => {
                    add(&mut out, strong, "[");
                    1
                }
            },
            c => {
                add(&mut out, strong, c.encode_utf8(&mut [0; 4]));
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    out
}

fn add(out: &mut Vec<(bool, String)>, strong: bool, text: &str) {
    match out.last_mut() {
        Some((same, last)) if *same == strong => last.push_str(text),
        _ => out.push((strong, text.to_owned())),
    }
}

/// Returns the words of the link that a text begins with, and how long it is as it is written.
fn link(text: &str) -> Option<(&str, usize)> {
    let (words, rest) = text[1..].split_once("](")?;
    let target = rest.split(')').next()?;
    let is_one = !words.contains(['[', ']']) && rest.len() > target.len();
    is_one.then(|| (words, words.len() + target.len() + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(markdown: &str, width: usize) -> String {
        text(markdown, Style { width, color: false, verbose: 0 })
    }

    #[test]
    fn a_section_ends_with_the_next_one() {
        let page = "# P\n\n## A\n\none\n\n```\n# no heading\n```\n\n### In A\n\ntwo\n\n### Of its own\n\nthree\n\n## B\n\nfour\n";
        let others = ["A", "Of its own", "B"];
        let of = |heading| section(page, heading, &others);
        assert_eq!(of("A"), Some("one\n\n```\n# no heading\n```\n\n### In A\n\ntwo"));
        assert_eq!(of("Of its own"), Some("three"));
        assert_eq!(of("B"), Some("four"));
        assert_eq!(of("no heading"), None);
    }

    #[test]
    fn paragraphs_and_lists_are_wrapped() {
        let markdown = "A **strong** word, [a link](other.md#x) and `code [x](y) **z**`\nin [brackets] of two lines.\n\n- one item that is\n  longer than that\n- `two`\n\n1. first\n";
        assert_eq!(
            shown(markdown, 40),
            "A strong word, a link and `code [x](y)\n**z**` in [brackets] of two lines.\n\n- one item that is longer than that\n- \
             `two`\n\n1. first\n"
        );
    }

    #[test]
    fn code_is_left_as_it_is() {
        let long = "x".repeat(90);
        assert_eq!(
            shown(&format!("```yaml\na:\n  b: 1\n\n{long}\n```\ntext\n"), 40),
            format!("    a:\n      b: 1\n\n    {long}\n\ntext\n")
        );
    }

    #[test]
    fn a_table_keeps_its_columns_while_there_is_room() {
        let markdown = "| code | meaning |\n|---|---|\n| 0 | done, with `a\\|b` and a sentence that is long |\n| 130 | over |\n";
        assert_eq!(
            shown(markdown, 40),
            "code  meaning\n0     done, with `a|b` and a sentence\n      that is long\n130   over\n"
        );
        let wide =
            "| a | b | c |\n|---|---|---|\n| `a-long-name-of-something` | optional | what it means |\n";
        let row = |a: &str, b: &str, c: &str| format!("{a:<28}{b}\n    {c}\n");
        let name = "`a-long-name-of-something`";
        assert_eq!(shown(wide, 40), row("a", "b", "c") + &row(name, "optional", "what it means"));
        let wider =
            "| a | b | c |\n|---|---|---|\n| `machines: { fromFile: hosts.txt }` | package | each device |\n";
        assert!(
            shown(wider, 80).contains("hosts.txt }`  package\n    each device\n"),
            "{}",
            shown(wider, 80)
        );
    }
}
