//! Files that list machines: one name or id a line, or a column of a CSV file. Pure.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Finding};
use super::syntax::shown;
use super::text::{SourceText, decode};
use super::wording::nearest;
use crate::model::{Entry, EntryMachine, MachineNameError};

/// How many problems of one file are told.
const MAX_FINDINGS: usize = 100;

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
    if !decoded.invalid.is_empty() {
        return Err(not_text("the file is no UTF-8 text"));
    }
    let source = SourceText::new(file.clone(), &decoded.text);
    let cells = match column {
        Some(column) => cells(&decoded.text, column).map_err(|f| vec![source.diagnose(*f)])?,
        None => lines(&decoded.text),
    };
    let mut problems = Vec::new();
    let mut entries = Vec::new();
    let mut first: BTreeMap<String, u32> = BTreeMap::new();
    for (text, span) in cells {
        let machine = match text.parse().map(EntryMachine::Id) {
            Ok(id) => id,
            Err(_) => match text.parse().map(EntryMachine::Name) {
                Ok(name) => name,
                Err(e) if problems.len() < MAX_FINDINGS => {
                    problems.push(source.diagnose(no_machine(&text, span, column, e)));
                    continue;
                }
                Err(_) => continue,
            },
        };
        let place = source.place(span).of(file.clone());
        if first.insert(text.to_ascii_lowercase(), place.line).is_none() {
            entries.push(Entry { machine, place });
        }
    }
    if problems.is_empty() { Ok(entries) } else { Err(problems) }
}

fn no_machine(text: &str, span: Range<usize>, column: Option<&str>, error: MachineNameError) -> Finding {
    let message = format!("`{}` is no device: {error}", shown(text));
    let finding = Finding::new("bad-machine-name", span, message);
    finding.help(match column {
        None if text.contains(',') => "if this is a CSV file, name the column to read beside `fromFile`",
        _ => "write a device's name, such as fin-ws-042, or its id of 40 hex digits",
    })
}

/// Each line that says something, without the blanks around it.
fn lines(text: &str) -> Vec<(String, Range<usize>)> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            let start = at + (line.len() - line.trim_start().len());
            found.push((trimmed.to_owned(), start..start + trimmed.len()));
        }
        at += line.len();
    }
    found
}

/// A field of a CSV file: its text, and where it stands.
type Cell = (String, Range<usize>);

/// The cells of a column below the header; empty ones are passed over.
fn cells(text: &str, column: &str) -> Result<Vec<Cell>, Box<Finding>> {
    let mut records = records(text)?.into_iter();
    let header = records.next().unwrap_or_default();
    let mut found = header.iter().enumerate().filter(|(_, (name, _))| name == column);
    let (Some((index, _)), None) = (found.next(), found.next()) else {
        let line = header
            .first()
            .map_or(0..0, |(_, first)| first.start..header.last().map_or(first.end, |(_, last)| last.end));
        if header.iter().any(|(name, _)| name == column) {
            let message = format!("two columns are called `{}`", shown(column));
            let finding = Finding::new("no-such-column", line, message);
            return Err(Box::new(finding.help("rename one of the two")));
        }
        let message = format!("there is no column `{}`", shown(column));
        let finding = Finding::new("no-such-column", line, message);
        return Err(Box::new(match nearest(column, header.iter().map(|(name, _)| name.as_str())) {
            Some(meant) => finding.help(format!("did you mean `{}`?", shown(meant))),
            None => {
                let names: Vec<String> = header.iter().take(10).map(|(name, _)| shown(name)).collect();
                finding.help(format!("columns of this file: {}", names.join(", ")))
            }
        }));
    };
    Ok(records.filter_map(|r| r.into_iter().nth(index)).filter(|(text, _)| !text.is_empty()).collect())
}

/// RFC 4180: fields between commas, quoted ones may hold commas, line breaks and doubled quotes. Blanks around
/// a field are no part of it. Empty lines are passed over.
fn records(text: &str) -> Result<Vec<Vec<Cell>>, Box<Finding>> {
    let mut records = Vec::new();
    let mut record: Vec<Cell> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (cell, end) = field(text, at)?;
        record.push(cell);
        let rest = text.get(end..).unwrap_or_default();
        if rest.starts_with(',') {
            at = end + 1;
            if at == text.len() {
                record.push((String::new(), at..at));
            }
            continue;
        }
        at = end + rest.find('\n').map_or(rest.len(), |i| i + 1);
        let whole = std::mem::take(&mut record);
        if whole.len() > 1 || whole.iter().any(|(text, _)| !text.is_empty()) {
            records.push(whole);
        }
    }
    if !record.is_empty() {
        records.push(record);
    }
    Ok(records)
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
        assert_eq!(entries(&"h".into(), b"\xff\xfea", None).unwrap_err()[0].code, "not-utf-8");
    }

    #[test]
    fn a_column_of_a_table() {
        let text = "user, host ,note\r\nann,fin-ws-1,\"a, b\"\n\nbob, \"fin-ws-2\" ,\"c\n\"\"d\"\"\"\neve,,\ncy,fin-ws-3";
        assert_eq!(
            read(text, Some("host")),
            [("fin-ws-1".into(), 2, 5), ("fin-ws-2".into(), 4, 6), ("fin-ws-3".into(), 7, 4)]
        );
        assert_eq!(refused("user,hosts\n", Some("host")), [("no-such-column", 1, 1)]);
        assert_eq!(refused("host,host\n", Some("host")), [("no-such-column", 1, 1)]);
        assert_eq!(refused("", Some("host")), [("no-such-column", 1, 1)]);
        assert_eq!(refused("host\n\"a\n", Some("host")), [("unclosed-quote", 2, 1)]);
        assert_eq!(refused("host\n\"a\"b\n", Some("host")), [("text-after-quote", 2, 4)]);
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
