//! Machines that cannot be told: each as a problem at its place.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::diagnostic::{Looked, human as human_diagnostics};
use super::{Style, messages};
use crate::manifest::Diagnostic;
use crate::model::{Address, Cell, HuntingTable, NoEvent};
use crate::plan::{EventGap, TargetError, Unresolved};

/// How much is shown of what a query found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// The columns' names and the number of rows. A query can read every table of a tenant, and a log or a comment
    /// can be public.
    Counted,
    /// The values too.
    Shown,
}

/// What to show of names, tags and files that could not be resolved.
pub fn diagnostics(errors: &[TargetError], rows: Rows, now: Timestamp) -> Vec<Diagnostic> {
    errors.iter().map(|e| diagnostic(e, rows, now)).collect()
}

/// The same for people.
pub fn human(errors: &[TargetError], rows: Rows, style: Style, now: Timestamp) -> String {
    let problems = diagnostics(errors, rows, now);
    let files: BTreeSet<&str> = errors.iter().map(|e| &*e.place.file).collect();
    let resources: BTreeSet<&Address> = errors.iter().map(|e| &e.address).collect();
    human_diagnostics(&problems, Looked { files: files.len(), resources: resources.len() }, style)
}

fn diagnostic(e: &TargetError, rows: Rows, now: Timestamp) -> Diagnostic {
    let new = |code, message: String| Diagnostic::of_place(code, &e.place, message);
    match &e.why {
        Unresolved::NotFound { name } => {
            new("machine-not-found", format!("{}: no machine is called {name}", e.address)).with_help(
                "correct the name, or write machineId; the service forgets machines that are silent for long",
            )
        }
        Unresolved::NoneActive { name, candidates } => {
            let found = messages::records(candidates, now);
            let message = format!("{}: no active machine is called {name}: {found}", e.address);
            new("machine-not-active", message)
                .with_help("to ask one of them all the same, write its machineId")
        }
        Unresolved::Several { name, candidates } => {
            let found = messages::records(candidates, now);
            let message = format!("{}: several active machines are called {name}: {found}", e.address);
            new("machine-ambiguous", message).with_help("write the whole DNS name, or machineId")
        }
        Unresolved::NoEvent { gap, table } => no_event(e, gap, table, rows),
        Unresolved::NotRun { why } => {
            new("query-not-run", format!("{}: the query was not run: {why}", e.address))
                .with_help("try it alone with casefile hunt, or write machineId, eventTime and reportId")
        }
        Unresolved::NotLooked { what, why } => {
            new("machines-not-listed", format!("{}: {what}: {why}", e.address))
                .with_help("write machineId, or try again when the service can be asked")
        }
    }
}

/// How many rows are shown.
const ROWS: usize = 5;
/// How many characters of a value are shown.
const VALUE: usize = 80;
/// How many columns are named, and how many characters of a name: a query can turn values into columns.
const COLUMNS: usize = 20;
const NAME: usize = 40;

fn no_event(e: &TargetError, gap: &EventGap, table: &HuntingTable, shown: Rows) -> Diagnostic {
    let new = |code, message: String| Diagnostic::of_place(code, &e.place, message);
    let found = found(table, shown);
    match gap {
        EventGap::Rows(0) => new("event-not-found", format!("{}: the query found {found}", e.address))
            .with_help("hunting reaches 30 days back; try the query alone with casefile hunt"),
        EventGap::Rows(_) => {
            new("event-ambiguous", format!("{}: the query found {found}, not one", e.address)).with_help(
                "narrow it down, or end it with | top 1 by Timestamp asc; --show-rows shows the rows",
            )
        }
        EventGap::Row(why @ NoEvent::Missing(_)) => {
            new("event-columns", format!("{}: {why}; the query found {found}", e.address))
                .with_help("end the query with | project Timestamp, DeviceId, ReportId")
        }
        EventGap::Row(why @ NoEvent::Value { .. }) => {
            new("event-value", format!("{}: {why}; the query found {found}", e.address)).with_help(
                "project Timestamp, DeviceId and ReportId as the table has them; --show-rows shows the rows",
            )
        }
    }
}

/// `2 rows (Timestamp, FileName)`, and the rows behind that where they are shown.
fn found(table: &HuntingTable, shown: Rows) -> String {
    let rows = match table.rows.len() {
        0 => "no rows".to_owned(),
        1 => "1 row".to_owned(),
        n => format!("{} rows", messages::number(n)),
    };
    let name = |name: &str| -> String {
        let start: String = name.chars().take(NAME).collect();
        if start.len() < name.len() { format!("{start}...") } else { start }
    };
    let mut columns: Vec<String> = table.columns.iter().take(COLUMNS).map(|c| name(&c.name)).collect();
    if table.columns.len() > COLUMNS {
        columns.push(format!("{} more", table.columns.len() - COLUMNS));
    }
    let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    match shown {
        Rows::Shown if !table.rows.is_empty() => format!("{rows}{columns}: {}", shown_rows(table)),
        _ => format!("{rows}{columns}"),
    }
}

/// `{Timestamp: 2026-03-01T09:15:42.1830907Z, FileName: cmd.exe}, {...} and 3 more`
fn shown_rows(table: &HuntingTable) -> String {
    let value = |cell: &Cell| {
        let text: String = cell.as_str().chars().take(VALUE).collect();
        if text.len() < cell.as_str().len() { format!("{text}...") } else { text }
    };
    let row = |cells: &Vec<Cell>| {
        let fields: Vec<String> =
            table.columns.iter().zip(cells).map(|(c, cell)| format!("{}: {}", c.name, value(cell))).collect();
        format!("{{{}}}", fields.join(", "))
    };
    messages::first(&table.rows, ROWS, row)
}
