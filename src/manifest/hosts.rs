//! Files that list machines: one name or id a line, or a column of a CSV file. Pure.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Finding, Place};
use super::nearest::nearest;
use super::yaml::syntax::shown;
use super::yaml::text::{SourceText, decode};
use crate::model::{Entry, EntryMachine, MachineId, MachineNameError};

/// How many problems of one file are told.
const MAX_FINDINGS: usize = 100;
/// How many devices a file may list.
const MAX_ENTRIES: usize = 100_000;
/// How many columns a file may have.
const MAX_COLUMNS: usize = 1_000;

/// Reads what a file lists, in its order; the first of equal lines counts.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn entries(
    file: &Arc<str>,
    bytes: &[u8],
    column: Option<&str>,
) -> Result<Vec<Entry>, Vec<Diagnostic>> {
    let not_text =
        |what: &str| vec![Diagnostic::of_file("not-utf-8", file.clone(), what).with_help("save it as UTF-8")];
    let decoded = decode(bytes).map_err(|_| not_text("the file is UTF-16"))?;
    let source = SourceText::new(file.clone(), &decoded.text);
    if let Some(&(at, byte)) = decoded.invalid.first() {
        let mut problem = not_text(&format!("the byte 0x{byte:02X} is no UTF-8 text"));
        (problem[0].line, problem[0].column) = source.line_column(at);
        problem[0].end_column = problem[0].column;
        return Err(problem);
    }
    let mut list = List { source, column, entries: Vec::new(), seen: BTreeSet::new(), problems: Vec::new() };
    match column {
        Some(column) => cells(&decoded.text, column, &mut list),
        None => lines(&decoded.text, &mut list),
    }
    if list.problems.is_empty() { Ok(list.entries) } else { Err(list.problems) }
}

/// The part of a file that was read so far.
struct List<'a> {
    source: SourceText<'a>,
    column: Option<&'a str>,
    entries: Vec<Entry>,
    /// Their texts in lower case.
    seen: BTreeSet<String>,
    problems: Vec<Diagnostic>,
}

impl List<'_> {
    fn problem(&mut self, finding: Finding) {
        self.problem_of(finding, "");
    }

    /// A problem of a text that is a cell or a line.
    fn problem_of(&mut self, finding: Finding, text: &str) {
        self.problems.push(unseen(self.source.diagnose(finding), text));
    }

    /// Takes a device; `false` if there is no use in going on.
    fn add(&mut self, text: &str, span: Range<usize>) -> bool {
        let machine = match text.parse().ok().filter(MachineId::is_whole) {
            Some(id) => EntryMachine::Id(id),
            None => match text.parse().map(EntryMachine::Name) {
                Ok(name) => name,
                Err(e) => {
                    self.problem_of(no_machine(text, span, self.column, e), text);
                    return self.problems.len() < MAX_FINDINGS;
                }
            },
        };
        let place = self.source.place(span.clone());
        // Its own text alone: the rest of a row is no matter of the device's.
        let (source_offset, source_line) = (place.column.saturating_sub(1), text.to_owned());
        let place = Place { source_offset, source_line, ..place }.of(self.source.file.clone());
        if self.seen.insert(text.to_ascii_lowercase()) {
            if self.entries.len() == MAX_ENTRIES {
                let message = format!("the file lists more than {MAX_ENTRIES} devices");
                self.problem(Finding::new("file-too-large", span, message).help("split it"));
                return false;
            }
            self.entries.push(Entry { machine, place });
        }
        true
    }
}

fn no_machine(text: &str, span: Range<usize>, column: Option<&str>, error: MachineNameError) -> Finding {
    let message = format!("`{}` is no device: {error}", beginning(text));
    let finding = Finding::new("bad-machine-name", span, message);
    finding.help(match column {
        None if text.contains(',') => "if this is a CSV file, name the column to read beside `fromFile`",
        _ => "write a device's name, such as fin-ws-042, or its id of 40 hex digits",
    })
}

/// How many characters of a line are quoted.
const QUOTED: usize = 20;

/// The beginning of a text that may be anything: a manifest can name a file that is no list of devices, and a log can
/// be public. Up to 20 characters, of those that names of devices consist of.
fn beginning(text: &str) -> String {
    let harmless = |c: &char| c.is_ascii_alphanumeric() || "-_. ".contains(*c);
    let start: String = text.chars().take_while(harmless).take(QUOTED).collect();
    if start.len() < text.len() { format!("{start}...") } else { start }
}

/// A problem that shows the beginning of what it is about in place of its whole line.
fn unseen(problem: Diagnostic, text: &str) -> Diagnostic {
    let shown = beginning(text);
    let width = u32::try_from(shown.chars().count()).unwrap_or_default();
    Diagnostic {
        source_offset: if shown.is_empty() { 0 } else { problem.column.saturating_sub(1) },
        end_column: problem.column + width,
        source_line: shown,
        ..problem
    }
}

/// Takes each line that says something, without the blanks around it.
fn lines(text: &str, list: &mut List<'_>) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            let start = at + (line.len() - line.trim_start().len());
            if !list.add(trimmed, start..start + trimmed.len()) {
                return;
            }
        }
        at += line.len();
    }
}

/// A field of a CSV file: its text, and where it stands.
type Cell = (String, Range<usize>);

/// Takes the cells of a column below the header. Every record has as many cells as the header and names a device: a
/// record that is cut off, or whose commas are not quoted, would name another device or none.
fn cells(text: &str, column: &str, list: &mut List<'_>) {
    let mut at = 0;
    let header = match next_record(text, &mut at) {
        Ok(header) => header.unwrap_or_default(),
        Err(finding) => return list.problem(*finding),
    };
    let index = match index_of(column, &header) {
        Ok(index) => index,
        Err(finding) => return list.problem(*finding),
    };
    loop {
        let record = match next_record(text, &mut at) {
            Ok(Some(record)) => record,
            Ok(None) => return,
            // Where the next record begins is not known.
            Err(finding) => return list.problem(*finding),
        };
        // Spreadsheets write such rows below their tables.
        if record.cells.iter().all(|(text, _)| text.is_empty()) {
            continue;
        }
        let wrong = match record.cells.into_iter().nth(index) {
            _ if record.count != header.count => {
                let has =
                    if record.count == 1 { "1 cell".to_owned() } else { format!("{} cells", record.count) };
                let message =
                    format!("this row has {has}, and the first line names {} columns", header.count);
                let finding = Finding::new("wrong-cells", record.span, message);
                finding.help("complete the row; a cell that holds a comma stands in quotes")
            }
            Some((text, span)) if !text.is_empty() => match list.add(&text, span) {
                true => continue,
                false => return,
            },
            _ => {
                let message = format!("this row names no device: its `{}` is empty", shown(column));
                let finding = Finding::new("no-machine", record.span, message);
                finding.help("fill the cell, or remove the row")
            }
        };
        list.problem(wrong);
        if list.problems.len() >= MAX_FINDINGS {
            return;
        }
    }
}

/// Returns the index of the column of a file that is meant.
fn index_of(column: &str, header: &Record) -> Result<usize, Box<Finding>> {
    let problem = |message: String| Finding::new("no-such-column", header.span.clone(), message);
    if header.count > MAX_COLUMNS {
        let message = format!("the file has more than {MAX_COLUMNS} columns");
        let finding = Finding::new("file-too-large", header.span.clone(), message);
        return Err(Box::new(finding.help("keep the columns that are needed")));
    }
    let names = || header.cells.iter().map(|(name, _)| name.as_str());
    let mut found = names().enumerate().filter(|(_, name)| *name == column);
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some(_), Some(_)) => {
            let finding = problem(format!("two columns are called `{}`", shown(column)));
            Err(Box::new(finding.help("rename one of the two")))
        }
        (None, _) => {
            let finding = problem(format!("there is no column `{}`", shown(column)));
            Err(Box::new(match nearest(column, names()) {
                Some(meant) => finding.help(format!("did you mean `{}`?", beginning(meant))),
                None => {
                    let names: Vec<String> = names().take(10).map(beginning).collect();
                    finding.help(format!("columns of this file: {}", names.join(", ")))
                }
            }))
        }
    }
}

/// A line of a CSV file, or several if a quoted field holds line breaks.
#[derive(Default)]
struct Record {
    /// Its first fields; what is behind the [`MAX_COLUMNS`]th is counted alone.
    cells: Vec<Cell>,
    count: usize,
    span: Range<usize>,
}

/// The record that begins at `at`, which is moved behind it; `None` at the end of the text. RFC 4180: fields between
/// commas, quoted ones may hold commas, line breaks and doubled quotes. Blanks around a field are no part of it. Empty
/// lines are passed over.
fn next_record(text: &str, at: &mut usize) -> Result<Option<Record>, Box<Finding>> {
    while *at < text.len() {
        let mut record = Record::default();
        loop {
            let (cell, end) = field(text, *at)?;
            if record.count == 0 {
                record.span = cell.1.clone();
            }
            record.count += 1;
            record.span.end = cell.1.end;
            if record.cells.len() <= MAX_COLUMNS {
                record.cells.push(cell);
            }
            let rest = text.get(end..).unwrap_or_default();
            if rest.starts_with(',') {
                *at = end + 1;
                continue;
            }
            *at = end + rest.find('\n').map_or(rest.len(), |i| i + 1);
            break;
        }
        if record.count > 1 || record.cells.iter().any(|(text, _)| !text.is_empty()) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// The field that begins at `at`, and where it ends: at a comma, a line break or the end of the text.
fn field(text: &str, at: usize) -> Result<(Cell, usize), Box<Finding>> {
    let rest = text.get(at..).unwrap_or_default();
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let start = at + blanks;
    let rest = rest.get(blanks..).unwrap_or_default();
    let end_of = |s: &str| s.find([',', '\n']).unwrap_or(s.len());
    let Some(quoted) = rest.strip_prefix('"') else {
        let raw = rest.get(..end_of(rest)).unwrap_or_default();
        let value = raw.trim();
        return Ok(((value.to_owned(), start..start + value.len()), start + raw.len()));
    };
    let unclosed = || {
        Finding::new("unclosed-quote", start..start + 1, "this quote is not closed").help("close it with \"")
    };
    let mut value = String::new();
    let mut inside = 0;
    loop {
        let tail = quoted.get(inside..).unwrap_or_default();
        let close = tail.find('"').ok_or_else(unclosed)?;
        value.push_str(tail.get(..close).unwrap_or_default());
        inside += close + 1;
        match quoted.get(inside..).is_some_and(|t| t.starts_with('"')) {
            true => {
                value.push('"');
                inside += 1;
            }
            false => break,
        }
    }
    let behind = quoted.get(inside..).unwrap_or_default();
    let gap = end_of(behind);
    if !behind.get(..gap).unwrap_or_default().trim().is_empty() {
        let span = start + 1 + inside..start + 1 + inside + gap;
        let finding = Finding::new("text-after-quote", span, "text stands behind a closing quote");
        return Err(Box::new(finding.help("put the whole field in quotes, and double those inside")));
    }
    let end = start + 1 + inside;
    Ok(((value.trim().to_owned(), start..end), end + gap))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, column: Option<&str>) -> Vec<(String, u32, u32)> {
        let entries = entries(&"hosts".into(), text.as_bytes(), column).unwrap();
        let name = |m: &EntryMachine| match m {
            EntryMachine::Id(id) => format!("#{id}"),
            EntryMachine::Name(name) => name.to_string(),
        };
        entries.iter().map(|e| (name(&e.machine), e.place.line, e.place.column)).collect()
    }

    fn refused(text: &str, column: Option<&str>) -> Vec<(&'static str, u32, u32)> {
        let problems = entries(&"hosts".into(), text.as_bytes(), column).unwrap_err();
        problems.iter().map(|d| (d.code, d.line, d.column)).collect()
    }

    #[test]
    fn a_machine_a_line() {
        let id = "ab".repeat(20);
        let text = format!("# all of finance\n\nfin-ws-1\r\n  fin-ws-2.contoso.com  \n{id}\n#x\nFIN-WS-1\n");
        assert_eq!(
            read(&text, None),
            [("fin-ws-1".into(), 3, 1), ("fin-ws-2.contoso.com".into(), 4, 3), (format!("#{id}"), 5, 1)]
        );
        assert_eq!(read("", None), []);
        assert_eq!(read("\u{feff}a", None), [("a".into(), 1, 1)]);
        assert_eq!(refused("a\nb c\nd,e\n", None), [("bad-machine-name", 2, 1), ("bad-machine-name", 3, 1)]);
        assert_eq!(
            refused("a\n10.0.0.7\nfe80::1\n", None),
            [("bad-machine-name", 2, 1), ("bad-machine-name", 3, 1)]
        );
        assert_eq!(entries(&"h".into(), b"\xff\xfea", None).unwrap_err()[0].code, "not-utf-8");
    }

    #[test]
    fn a_column_of_a_table() {
        let text = "user, host ,note\r\nann,fin-ws-1,\"a, b\"\n\nbob, \"fin-ws-2\" ,\"c\n\"\"d\"\"\"\n,,\ncy,fin-ws-3,";
        assert_eq!(
            read(text, Some("host")),
            [("fin-ws-1".into(), 2, 5), ("fin-ws-2".into(), 4, 6), ("fin-ws-3".into(), 7, 4)]
        );
        assert_eq!(refused("user,hosts\n", Some("host")), [("no-such-column", 1, 1)]);
        assert_eq!(refused("host,host\n", Some("host")), [("no-such-column", 1, 1)]);
        assert_eq!(refused("", Some("host")), [("no-such-column", 1, 1)]);
        assert_eq!(
            refused("host\nb c\n\"a\n", Some("host")),
            [("bad-machine-name", 2, 1), ("unclosed-quote", 3, 1)]
        );
        assert_eq!(refused("host\n\"a\"b\n", Some("host")), [("text-after-quote", 2, 4)]);
    }

    #[test]
    fn no_row_is_left_out() {
        for (rows, code, column) in [
            ("fin-ws-1\n", "wrong-cells", 1),
            ("ann\n", "wrong-cells", 1),
            ("ann,fin-ws-1\n", "wrong-cells", 1),
            ("ann,fin-ws-1,a,b\n", "wrong-cells", 1),
            ("ann, ,note\n", "no-machine", 1),
            ("ann,\"\",note\n", "no-machine", 1),
            (" # ann,x y,note\n", "bad-machine-name", 8),
        ] {
            let text = format!("user,host,note\nbob,fin-ws-2,\n{rows}cy,fin-ws-3,\n");
            assert_eq!(refused(&text, Some("host")), [(code, 3, column)], "{rows:?}");
        }
        // One column needs no comma, and a blank line names nobody.
        assert_eq!(read("host\n\na\n  \nb", Some("host")).len(), 2);
        assert_eq!(refused("host\na,\n", Some("host")), [("wrong-cells", 2, 1)]);
        assert_eq!(refused("a,host\n1,", Some("host")), [("no-machine", 2, 1)]);
        let bytes = entries(&"h".into(), b"a\nb\xffc\n", None).unwrap_err();
        assert_eq!((bytes[0].code, bytes[0].line, bytes[0].column), ("not-utf-8", 2, 2));
    }

    #[test]
    fn many_devices_columns_and_cells_are_refused() {
        let most: String = (0..=MAX_ENTRIES).map(|n| format!("ws-{n}\n")).collect();
        assert_eq!(refused(&most, None), [("file-too-large", 100_001, 1)]);
        assert_eq!(refused(&",".repeat(1 << 20), Some("host")), [("file-too-large", 1, 1)]);
        let wide = format!("host\n{}\nx\n", "a,".repeat(1 << 20));
        assert_eq!(refused(&wide, Some("host")), [("wrong-cells", 2, 1)]);
        assert_eq!(refused(&"a b\n".repeat(1_000), None).len(), MAX_FINDINGS);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_panics(text in "[a-z,\"\n\r é#]{0,60}", column in prop::option::of("[a-c]")) {
            let _ = entries(&"hosts".into(), text.as_bytes(), column.as_deref());
        }

        #[test]
        fn what_is_written_is_read(names in prop::collection::btree_set("[a-z][a-z0-9]{0,8}", 0..20)) {
            let quoted: String = names.iter().map(|n| format!("x,\"{n}\"\n")).collect();
            let want: Vec<String> = names.iter().cloned().collect();
            let got: Vec<String> =
                read(&format!("a,host\n{quoted}"), Some("host")).into_iter().map(|r| r.0).collect();
            prop_assert_eq!(&got, &want);
            let got: Vec<String> =
                read(&want.join("\r\n"), None).into_iter().map(|r| r.0).collect();
            prop_assert_eq!(&got, &want);
        }
    }
}
