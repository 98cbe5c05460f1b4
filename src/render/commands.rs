//! Commands that a reader copies: laid out so that each is whole, and no part of it runs by itself.

use super::layout::{Paint, Paragraph, columns};
use super::{Style, escape, ways_out};

/// `next: COMMAND`, over as many lines as it needs.
pub(super) fn next_line(words: &[String], style: Style, out: &mut String) {
    let line = Paragraph::new(0, 2).push(Paint::Info, "next: ").push(Paint::Strong, words.join(" "));
    if line.columns() <= style.columns() {
        return line.write(style, out);
    }
    Paragraph::new(0, 2).push(Paint::Info, "next:").write(style, out);
    command(words, 2, style, out);
}

/// `to WHAT: COMMAND`, the commands below each other.
pub(super) fn next(ways: &[ways_out::Next], indent: usize, style: Style, out: &mut String) {
    let labels: Vec<String> = ways.iter().map(|way| format!("to {}: ", way.what)).collect();
    let widest = labels.iter().map(|l| columns(l)).max().unwrap_or(0);
    for (way, label) in ways.iter().zip(labels) {
        let line = Paragraph::new(indent, indent + 2)
            .push(Paint::Info, format!("{label:<widest$}"))
            .push(Paint::Strong, way.command());
        if line.columns() <= style.columns() {
            line.write(style, out);
        } else {
            Paragraph::new(indent, indent + 2).push(Paint::Info, label.trim_end()).write(style, out);
            command(&way.words, indent + 2, style, out);
        }
    }
}

/// A command over as many lines as it needs, each but the last ending in `\`: a copied part of it must
/// not run by itself.
fn command(words: &[String], indent: usize, style: Style, out: &mut String) {
    // Further lines are indented by 2 more and end in two columns of ` \`.
    let room = style.columns().saturating_sub(indent + 4);
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        let shown = escape::one_line(word);
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(&shown) <= room => {
                line.push(' ');
                line.push_str(&shown);
            }
            _ => lines.push(shown.into_owned()),
        }
    }
    let last = lines.len().saturating_sub(1);
    for (i, line) in lines.iter().enumerate() {
        let indent = if i == 0 { indent } else { indent + 2 };
        let end = if i == last { "" } else { " \\" };
        if columns(line) > room && !line.contains(['\'', '"', '\\']) {
            broken_word(line, end, indent, style, out);
            continue;
        }
        Paragraph::new(indent, indent).push(Paint::Strong, format!("{line}{end}")).write(style, out);
    }
}

/// A word that no line has room for: a shell puts it together again, if the further lines are not indented.
fn broken_word(word: &str, end: &str, indent: usize, style: Style, out: &mut String) {
    let room = style.columns().saturating_sub(end.len() + 1);
    let (mut rest, mut indent) = (word, indent);
    while !rest.is_empty() {
        let mut used = indent;
        let cut = rest.char_indices().find(|(_, c)| {
            used += columns(c.encode_utf8(&mut [0; 4]));
            used > room
        });
        let (part, next) = rest.split_at(cut.map_or(rest.len(), |(at, _)| at));
        let end = if next.is_empty() { end } else { "\\" };
        Paragraph::new(indent, 0).push(Paint::Strong, format!("{part}{end}")).write(style, out);
        (rest, indent) = (next, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell's reading: a line's end behind a backslash is nothing.
    #[test]
    fn a_long_word_of_a_command_stays_one_word() {
        let address = format!("InvestigationPackage/{}", "long-".repeat(30));
        let words: Vec<String> = ["casefile", "import", &address, "some-id"].map(String::from).into();
        for width in [40, 80, 120] {
            let mut out = String::new();
            command(&words, 8, Style { width, color: false, verbose: 0 }, &mut out);
            assert!(out.lines().all(|l| columns(l) <= width), "{out}");
            assert!(out.lines().rev().skip(1).all(|l| l.ends_with('\\')), "{out}");
            let joined = out.replace("\\\n", "");
            assert_eq!(joined.split_whitespace().collect::<Vec<_>>(), words, "{out}");
        }
    }

    #[test]
    fn a_part_of_a_command_does_not_run() {
        let words: Vec<String> =
            ["casefile", "import", "InvestigationPackage/fin-ws-042", "'x; reboot'"].map(String::from).into();
        let mut out = String::new();
        command(&words, 8, Style { width: 50, color: false, verbose: 0 }, &mut out);
        assert_eq!(
            out,
            "        casefile import \\\n          InvestigationPackage/fin-ws-042 \\\n          'x; reboot'\n"
        );
    }
}
