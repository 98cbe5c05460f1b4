//! Problems in manifests: for people, in the manner of the Rust compiler, and as JSON.
//!
//! The formats of code-scanning services are in [`annotations`](super::annotations).

use std::collections::BTreeSet;

use serde::Serialize;

use super::layout::{Paint, Paragraph, columns, cut, cut_start};
use super::{Style, escape, messages, plan_json};
use crate::manifest::{Diagnostic, Level};

/// What was looked at, for the closing line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Files read.
    pub files: usize,
    /// Resources declared in them.
    pub resources: usize,
}

/// The document of `validate --format json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticsDocument<'a> {
    /// The version of this format.
    pub format_version: u32,
    /// By file and place.
    pub diagnostics: &'a [Diagnostic],
    /// How many of them are errors.
    pub errors: usize,
    /// How many of them are warnings.
    pub warnings: usize,
    /// What was looked at.
    pub looked: Looked,
}

/// The document of `validate --format json` as indented text; hidden characters are escaped.
///
/// # Errors
/// None that a diagnostic can cause: the keys of all maps are text.
pub fn json(diagnostics: &[Diagnostic], looked: Looked) -> Result<String, serde_json::Error> {
    let count = |level| diagnostics.iter().filter(|d| d.severity == level).count();
    plan_json::pretty(&DiagnosticsDocument {
        format_version: 1,
        diagnostics,
        errors: count(Level::Error),
        warnings: count(Level::Warning),
        looked,
    })
}

/// Every problem with its source line, and a closing line that counts them.
pub fn human(diagnostics: &[Diagnostic], looked: Looked, style: Style) -> String {
    let mut out = String::new();
    for d in diagnostics {
        problem(d, style, &mut out);
        out.push('\n');
    }
    closing(diagnostics, looked, style, &mut out);
    out
}

/// One problem with its source line.
pub(super) fn problem(d: &Diagnostic, style: Style, out: &mut String) {
    let (word, paint) = match d.severity {
        Level::Error => ("error", Paint::Bad),
        Level::Warning => ("warning", Paint::Notice),
    };
    Paragraph::new(0, 4)
        .push(paint, format!("{word}[{}]", d.code))
        .push(Paint::Strong, format!(": {}", d.message))
        .write(style, out);
    let number = d.line.to_string();
    let gutter = number.len();
    place(gutter, "--> ", &d.file, d.line, d.column).write(style, out);
    if !d.source_line.is_empty() {
        let (before, marked, after) = window(d, style.columns().saturating_sub(gutter + 3));
        let carets = "^".repeat(columns(&marked).max(1));
        Paragraph::new(gutter + 1, 0).push(Paint::Faint, "|").write_cut(style, out);
        Paragraph::new(0, 0)
            .push(Paint::Faint, format!("{number} | "))
            .text(&before)
            .push(paint, marked)
            .text(after)
            .write_cut(style, out);
        Paragraph::new(gutter + 1, 0)
            .push(Paint::Faint, "| ")
            .text(" ".repeat(columns(&before)))
            .push(paint, carets)
            .write_cut(style, out);
    }
    for r in &d.related {
        place(gutter, "::: ", &r.file, r.line, r.column).text(format!(": {}", r.message)).write(style, out);
    }
    if let Some(help) = &d.help {
        Paragraph::new(gutter + 1, gutter + 9)
            .push(Paint::Faint, "= ")
            .push(Paint::Info, "help: ")
            .text(help)
            .write(style, out);
    }
}

fn place(gutter: usize, arrow: &str, file: &str, line: u32, column: u32) -> Paragraph {
    Paragraph::new(gutter, gutter + 4).push(Paint::Faint, arrow).text(format!("{file}:{line}:{column}"))
}

/// What stands before, in and behind the marked part of the source line: escaped, and cut so that the
/// mark can be seen in `room` columns.
fn window(d: &Diagnostic, room: usize) -> (String, String, String) {
    let chars: Vec<char> = d.source_line.chars().collect();
    let index = |column: u32| {
        let skipped = column.saturating_sub(1).saturating_sub(d.source_offset);
        usize::try_from(skipped).map_or(chars.len(), |i| i.min(chars.len()))
    };
    let start = index(d.column);
    let end = index(d.end_column).max(start);
    let text = |chars: &[char]| escape::one_line(&chars.iter().collect::<String>()).into_owned();
    let (before, marked, after) = (text(&chars[..start]), text(&chars[start..end]), text(&chars[end..]));
    // The reader left out what stands in front of a window into a very long line.
    let before = if d.source_offset > 0 { format!("...{before}") } else { before };
    let before = if columns(&before) + columns(&marked) <= room || columns(&before) <= room / 2 {
        before
    } else {
        cut_start(&before, room / 2)
    };
    let marked = cut(&marked, room - columns(&before));
    let after = cut(&after, room - columns(&before) - columns(&marked));
    (before, marked, after)
}

fn closing(diagnostics: &[Diagnostic], looked: Looked, style: Style, out: &mut String) {
    let of = |level| diagnostics.iter().filter(move |d| d.severity == level);
    let (errors, warnings) = (of(Level::Error).count(), of(Level::Warning).count());
    let all =
        format!("{}, {}", messages::plural(looked.files, "file"), messages::resources(looked.resources));
    if diagnostics.is_empty() {
        Paragraph::new(0, 2).push(Paint::Good, "Valid").text(format!(": {all}.")).write(style, out);
        return;
    }
    let files: BTreeSet<&str> = diagnostics.iter().map(|d| &*d.file).collect();
    let mut parts = Vec::new();
    if errors > 0 {
        parts.push(messages::plural(errors, "error"));
    }
    if warnings > 0 {
        parts.push(messages::plural(warnings, "warning"));
    }
    let paint = if errors > 0 { Paint::Bad } else { Paint::Notice };
    Paragraph::new(0, 2)
        .push(paint, parts.join(", "))
        .text(format!(" in {} (of {all}).", messages::plural(files.len(), "file")))
        .write(style, out);
}
