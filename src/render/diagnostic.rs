//! Problems in manifests: for people, in the manner of the Rust compiler, and as JSON.
//!
//! The formats of code-scanning services are in [`annotations`](super::annotations).

use std::collections::BTreeSet;

use annotate_snippets::{AnnotationKind, Group, Level as Severity, Origin, Renderer, Snippet};
use serde::Serialize;

use super::layout::{Paint, Paragraph, columns};
use super::{Style, escape, plan_json, words};
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
        out.push_str(&one(d, style));
        out.push('\n');
    }
    closing(diagnostics, looked, style, &mut out);
    out
}

fn one(d: &Diagnostic, style: Style) -> String {
    let renderer = if style.color {
        Renderer::styled()
            .error(Paint::Bad.style().bold())
            .warning(Paint::Notice.style().bold())
            .note(Paint::Strong.style())
            .help(Paint::Info.style())
            .emphasis(Paint::Strong.style())
            .line_num(Paint::Faint.style())
            .context(Paint::Faint.style())
    } else {
        Renderer::plain()
    };
    let renderer = renderer.term_width(style.columns());
    let level = match d.severity {
        Level::Error => Severity::ERROR,
        Level::Warning => Severity::WARNING,
    };
    let label = match d.severity {
        Level::Error => format!("error[{}]: ", d.code),
        Level::Warning => format!("warning[{}]: ", d.code),
    };
    let message = wrapped(&d.message, style.columns().saturating_sub(columns(&label)));
    let gutter = d.line.to_string().len();
    let mut group =
        Group::with_title(level.primary_title(message).id(d.code)).element(origin(&d.file, d.line, d.column));
    if !d.source_line.is_empty() {
        let (line, span) = marked(d);
        let line_number = usize::try_from(d.line).unwrap_or(usize::MAX);
        group = group.element(
            Snippet::source(line).line_start(line_number).annotation(AnnotationKind::Primary.span(span)),
        );
    }
    // Behind `   = note: ` and `   = help: `.
    let room = style.columns().saturating_sub(gutter + 9);
    for r in &d.related {
        let place = format!("{}:{}:{}: {}", r.file, r.line, r.column, r.message);
        group = group.element(Severity::NOTE.message(wrapped(&place, room)));
    }
    if let Some(help) = &d.help {
        group = group.element(Severity::HELP.message(wrapped(help, room)));
    }
    let mut text = renderer.render(&[group]);
    text.push('\n');
    text
}

fn origin(file: &str, line: u32, column: u32) -> Origin<'static> {
    let number = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    Origin::path(escape::one_line(file).into_owned()).line(number(line)).char_column(number(column))
}

/// The source line, escaped, and the bytes of it that are marked.
fn marked(d: &Diagnostic) -> (String, std::ops::Range<usize>) {
    let index = |column: u32| {
        let skipped = column.saturating_sub(1).saturating_sub(d.source_offset);
        usize::try_from(skipped).unwrap_or(usize::MAX)
    };
    let byte =
        |chars: usize| d.source_line.char_indices().nth(chars).map_or(d.source_line.len(), |(at, _)| at);
    let start = byte(index(d.column));
    let end = byte(index(d.end_column)).max(start);
    let escaped =
        |r: std::ops::Range<usize>| escape::one_line(d.source_line.get(r).unwrap_or_default()).into_owned();
    let mut line = escaped(0..start);
    let from = line.len();
    line.push_str(&escaped(start..end));
    let to = line.len();
    line.push_str(&escaped(end..d.source_line.len()));
    (line, from..to)
}

/// Escaped and wrapped; the library indents the further lines.
fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    Paragraph::new(0, 0).text(text).write(Style { width, color: false, verbose: 0 }, &mut out);
    out.truncate(out.trim_end_matches('\n').len());
    out
}

fn closing(diagnostics: &[Diagnostic], looked: Looked, style: Style, out: &mut String) {
    let of = |level| diagnostics.iter().filter(move |d| d.severity == level);
    let (errors, warnings) = (of(Level::Error).count(), of(Level::Warning).count());
    let all = format!("{}, {}", words::plural(looked.files, "file"), words::resources(looked.resources));
    if diagnostics.is_empty() {
        Paragraph::new(0, 2).push(Paint::Good, "Valid").text(format!(": {all}.")).write(style, out);
        return;
    }
    let files: BTreeSet<&str> = diagnostics.iter().map(|d| &*d.file).collect();
    let mut parts = Vec::new();
    if errors > 0 {
        parts.push(words::plural(errors, "error"));
    }
    if warnings > 0 {
        parts.push(words::plural(warnings, "warning"));
    }
    let paint = if errors > 0 { Paint::Bad } else { Paint::Notice };
    Paragraph::new(0, 2)
        .push(paint, parts.join(", "))
        .text(format!(" in {} (of {all}).", words::plural(files.len(), "file")))
        .write(style, out);
}
