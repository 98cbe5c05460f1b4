//! Rows of hunting queries: a table for people, JSON and CSV for programs.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::layout::{Paint, Paragraph, columns, cut, cut_middle};
use super::{Style, escape, plan_json};
use crate::model::{Cell, HuntingColumn, HuntingTable, Timestamp};

/// The document of `hunt --format json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    format_version: u32,
    query: &'a str,
    schema: &'a [HuntingColumn],
    rows: Vec<Row<'a>>,
}

struct Row<'a>(&'a [HuntingColumn], &'a [Cell]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        // Of columns with one name the last counts, as it does for readers of JSON.
        let cells: BTreeMap<&str, usize> =
            self.0.iter().enumerate().map(|(i, c)| (c.name.as_str(), i)).collect();
        let mut map = s.serialize_map(Some(cells.len()))?;
        for (i, (column, cell)) in self.0.iter().zip(self.1).enumerate() {
            if cells.get(column.name.as_str()) != Some(&i) {
                continue;
            }
            match cell {
                Cell::Empty => map.serialize_entry(&column.name, &())?,
                Cell::Text(text) => map.serialize_entry(&column.name, text)?,
                Cell::Json(json) => {
                    let raw: &RawValue = serde_json::from_str(json).map_err(serde::ser::Error::custom)?;
                    map.serialize_entry(&column.name, raw)?;
                }
            }
        }
        map.end()
    }
}

/// Rows as one JSON document: every value as the service wrote it, hidden characters escaped.
///
/// # Errors
/// None that a table can cause: its values were read from JSON.
pub fn json(query: &str, table: &HuntingTable) -> Result<String, serde_json::Error> {
    let rows = table.rows.iter().map(|cells| Row(&table.columns, cells)).collect();
    plan_json::pretty(&Document { format_version: 1, query, schema: &table.columns, rows })
}

/// Rows as CSV with a line of names. Hidden characters other than line breaks and tabs are escaped, and so are
/// commands of pipelines' runners: no value can move a terminal's cursor or speak to who reads a log. What a spreadsheet
/// would run as a formula has an apostrophe in front, which makes it text there.
pub fn csv(table: &HuntingTable) -> String {
    let text = written(table, &|cell| {
        let safe = shown_lines(cell);
        if is_formula(&safe) { Cow::Owned(format!("'{safe}")) } else { Cow::Owned(safe) }
    });
    escape::commands(&text).into_owned()
}

/// The same with every value as the service wrote it.
pub fn raw_csv(table: &HuntingTable) -> String {
    written(table, &|cell| Cow::Borrowed(cell))
}

/// Returns whether a spreadsheet takes a value for a formula. A number with its sign is none.
fn is_formula(value: &str) -> bool {
    value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && value.parse::<f64>().is_err()
}

fn written(table: &HuntingTable, shown: &dyn for<'a> Fn(&'a str) -> Cow<'a, str>) -> String {
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        for (i, cell) in cells.enumerate() {
            if i > 0 {
                out.push(',');
            }
            let safe = shown(cell);
            if safe.contains(['"', ',', '\n', '\r']) {
                out.push_str(&format!("\"{}\"", safe.replace('"', "\"\"")));
            } else {
                out.push_str(&safe);
            }
        }
        out.push('\n');
    };
    line(&mut table.columns.iter().map(|c| c.name.as_str()));
    for cells in &table.rows {
        line(&mut cells.iter().map(Cell::as_str));
    }
    out
}

fn shown_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(['\n', '\r', '\t']) {
        let end = part.trim_end_matches(['\n', '\r', '\t']);
        out.push_str(&escape::one_line(end));
        out.push_str(part.get(end.len()..).unwrap_or_default());
    }
    out
}

const GAP: usize = 2;
/// A column is cut down to this before rows are written one below the other.
const LEAST: usize = 16;
/// The same for a time: to the second, and the dots.
const TIME: usize = 22;
/// No column is shown wider.
const MOST: usize = 1_000;

/// Rows for people: one line each; where that would cut too much, or with `-v`, one value a line.
pub fn table(table: &HuntingTable, style: Style) -> String {
    let mut out = String::new();
    let count = match table.rows.len() {
        0 => "No rows.".to_owned(),
        1 => "1 row.".to_owned(),
        n => format!("{n} rows."),
    };
    if !table.rows.is_empty() {
        let names: Vec<String> =
            table.columns.iter().map(|c| escape::one_line(&c.name).into_owned()).collect();
        let rows: Vec<Vec<String>> = table
            .rows
            .iter()
            .map(|cells| cells.iter().map(|c| escape::one_line(c.as_str()).into_owned()).collect())
            .collect();
        match widths(&names, &rows, style.columns()).filter(|_| style.verbose == 0) {
            Some((widths, whole)) => {
                write_row(&names, &widths, Paint::Faint, style, &mut out);
                for row in &rows {
                    write_row(row, &widths, Paint::Plain, style, &mut out);
                }
                out.push('\n');
                if !whole {
                    Paragraph::new(0, 2)
                        .push(Paint::Strong, &count)
                        .push(Paint::Faint, " What is cut here is whole with -v and with --format json.")
                        .write(style, &mut out);
                    return out;
                }
            }
            None => {
                for (i, row) in (1..).zip(&rows) {
                    Paragraph::new(0, 2).push(Paint::Strong, format!("Row {i}")).write(style, &mut out);
                    write_record(&names, row, style, &mut out);
                    out.push('\n');
                }
            }
        }
    }
    Paragraph::new(0, 2).push(Paint::Strong, count).write(style, &mut out);
    out
}

/// Columns of each cell, and whether nothing is cut; none if there is no room.
fn widths(names: &[String], rows: &[Vec<String>], room: usize) -> Option<(Vec<usize>, bool)> {
    let mut widths: Vec<usize> = names.iter().map(|n| columns(n)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell).min(MOST));
        }
    }
    let is_time =
        |i: usize| rows.iter().all(|row| row.get(i).is_some_and(|c| c.parse::<Timestamp>().is_ok()));
    let least: Vec<usize> =
        widths.iter().enumerate().map(|(i, w)| if is_time(i) { TIME } else { LEAST }.min(*w)).collect();
    let room = room.saturating_sub(GAP * widths.len().saturating_sub(1));
    let over = |widths: &[usize]| widths.iter().sum::<usize>().saturating_sub(room);
    let whole = over(&widths) == 0;
    while over(&widths) > 0 {
        // The widest that can still give way does, a column at a time: there are few, and they are narrow.
        let (_, width) = widths
            .iter_mut()
            .zip(&least)
            .filter(|(w, least)| **w > **least)
            .map(|(w, _)| (*w, w))
            .max_by_key(|(n, _)| *n)?;
        *width -= 1;
    }
    Some((widths, whole))
}

fn write_row(cells: &[String], widths: &[usize], paint: Paint, style: Style, out: &mut String) {
    let mut line = Paragraph::new(0, 0);
    for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // Ids differ at both ends.
        let id = cell.len() >= 32 && cell.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let cell = if id { cut_middle(cell, *width) } else { cut(cell, *width) };
        let pad = width.saturating_sub(columns(&cell));
        line = line.push(paint, cell);
        if i + 1 < cells.len() {
            line = line.text(" ".repeat(pad + GAP));
        }
    }
    line.write_cut(style, out);
}

fn write_record(names: &[String], row: &[String], style: Style, out: &mut String) {
    let longest = names.iter().map(|n| columns(n)).max().unwrap_or(0).min(style.columns() / 3);
    for (name, cell) in names.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
        let pad = longest.saturating_sub(columns(name));
        Paragraph::new(2, 2 + longest + GAP)
            .push(Paint::Faint, name)
            .text(" ".repeat(pad + GAP))
            .text(cell)
            .write(style, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(width: usize) -> Style {
        Style { width, color: false, verbose: 0 }
    }

    fn sample(names: &[&str], rows: &[&[&str]]) -> HuntingTable {
        HuntingTable {
            columns: names
                .iter()
                .map(|n| HuntingColumn { name: (*n).into(), kind: "String".into() })
                .collect(),
            rows: rows.iter().map(|r| r.iter().map(|c| Cell::Text((*c).into())).collect()).collect(),
        }
    }

    fn events() -> HuntingTable {
        sample(
            &["Timestamp", "DeviceId", "ReportId", "FileName"],
            &[
                &["2026-03-01T09:15:42.1830907Z", &"1e".repeat(20), "20776", "powershell.exe"],
                &["2026-03-01T09:17:03.4471125Z", &"1e".repeat(20), "20791", "cmd\u{1b}[31m.exe"],
            ],
        )
    }

    #[test]
    fn rows_at_80_and_120() {
        insta::assert_snapshot!("hunted_rows_at_80", table(&events(), plain(80)));
        insta::assert_snapshot!("hunted_rows_at_120", table(&events(), plain(120)));
        insta::assert_snapshot!("hunted_rows_verbose", table(&events(), Style { verbose: 1, ..plain(80) }));
    }

    #[test]
    fn none() {
        assert_eq!(table(&sample(&["A"], &[]), plain(80)), "No rows.\n");
    }

    #[test]
    fn documents_keep_values() {
        let mut t = sample(&["A", "B"], &[&["x, \"y\"\nz\u{1b}", "2"]]);
        t.rows.push(vec![Cell::Json("9007199254740993.10".into()), Cell::Empty]);
        assert_eq!(csv(&t), "A,B\n\"x, \"\"y\"\"\nz\\u{1b}\",2\n9007199254740993.10,\n");
        let commands = sample(&["A"], &[&["::error::x"], &["a\n ::error::y ##[z]"]]);
        let formulas = sample(&["A"], &[&["=1+2"], &["-4.5"], &["-cmd"], &["@x"], &["a=b"], &["\u{202e}"]]);
        assert_eq!(csv(&formulas), "A\n'=1+2\n-4.5\n'-cmd\n'@x\na=b\n\\u{202e}\n");
        assert_eq!(raw_csv(&formulas), "A\n=1+2\n-4.5\n-cmd\n@x\na=b\n\u{202e}\n");
        assert_eq!(csv(&commands), "A\n\\u{3a}:error::x\n\"a\n \\u{3a}:error::y \\u{23}#[z]\"\n");
        let text = json("q", &t).unwrap();
        assert!(text.contains("9007199254740993.10") && !text.contains('\u{1b}'), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["rows"][0]["A"], "x, \"y\"\nz\u{1b}");
        assert_eq!(value["rows"][1]["B"], serde_json::Value::Null);
    }

    proptest! {
        #[test]
        fn never_wider_than_the_terminal(
            rows in prop::collection::vec(prop::collection::vec("\\PC{0,60}|[\u{0}-\u{ff}]{0,20}", 1..9), 0..5),
            width in 40usize..130,
            verbose in 0u8..2,
        ) {
            let names = ["A", "Bb", "Timestamp", "DeviceId", "e", "f", "g", "h", "i"];
            let t = HuntingTable {
                columns: names.map(|n| HuntingColumn { name: n.into(), kind: String::new() }).into(),
                rows: rows
                    .iter()
                    .map(|r| {
                        let cell = |i: usize| r.get(i).map_or(Cell::Empty, |t| Cell::Text(t.clone()));
                        (0..names.len()).map(cell).collect()
                    })
                    .collect(),
            };
            for line in table(&t, Style { verbose, ..plain(width) }).lines() {
                prop_assert!(columns(line) <= width, "{line:?}");
                prop_assert!(!line.chars().any(escape::is_hidden));
            }
        }
    }
}
