//! The journal as people read it: a record a line, the newest first.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::layout::{Paint, Paragraph, columns, cut};
use super::{Style, escape, plan_json, records, status};
use crate::model::{Address, Sha256Hex};
use crate::state::{Record, Recorded, Seq};

/// A record, and what it is about.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The record.
    pub recorded: &'a Recorded,
    /// The resource, by the address that it has now.
    pub address: Option<&'a Address>,
    /// The name of its machine, as far as it is known.
    pub machine: Option<&'a str>,
}

/// How wide a machine's name may be.
const MACHINE: usize = 24;

/// Digits of a hash that tell records of one journal apart.
const SHORT: usize = 8;

/// A line a record; with `-v` several, with whole ids.
pub fn log(entries: &[Entry<'_>], style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    if entries.is_empty() {
        Paragraph::new(0, 2).text("Nothing is recorded of that.").write(style, &mut out);
    }
    if style.verbose > 0 {
        entries.iter().for_each(|e| whole(e, style, &mut out));
        return out;
    }
    let cells: Vec<[String; 4]> = entries.iter().map(|e| cells(e, now)).collect();
    let mut widths = [0; 4];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    widths[2] = widths[2].min(MACHINE);
    let paints = [Paint::Faint, Paint::Plain, Paint::Strong, Paint::Plain];
    for (entry, row) in entries.iter().zip(&cells) {
        let mut line = Paragraph::new(0, 0);
        // What is about no resource has no machine and no kind.
        let there = if entry.address.is_some() { row.len() } else { 2 };
        for ((cell, width), paint) in row.iter().zip(widths).zip(paints).take(there) {
            let shown = cut(cell, width);
            let fill = width + 2 - columns(&shown).min(width);
            line = line.push(paint, shown).text(" ".repeat(fill));
        }
        line = line.text(records::brief(&entry.recorded.record));
        if let Some(who) = who(&entry.recorded.record, SHORT) {
            line = line.text("  ").push(Paint::Faint, who);
        }
        line.write_cut(style, &mut out);
    }
    out
}

/// Hash, time, machine and kind.
fn cells(entry: &Entry<'_>, now: Timestamp) -> [String; 4] {
    let text = |t: &str| escape::one_line(t).into_owned();
    let hash = entry.recorded.hash.to_string();
    [
        hash.get(..SHORT).unwrap_or_default().to_owned(),
        moment(now, entry.recorded.at),
        text(entry.machine.or(entry.address.map(Address::name)).unwrap_or_default()),
        entry.address.map_or("", |a| status::word(a.kind())).to_owned(),
    ]
}

/// A time of day in UTC, with its day where that is not today, and with its year where that is not this year.
fn moment(now: Timestamp, at: Timestamp) -> String {
    let (now, at) = (now.to_zoned(TimeZone::UTC), at.to_zoned(TimeZone::UTC));
    let format = match (now.date() == at.date(), now.year() == at.year()) {
        (true, _) => "%H:%MZ",
        (false, true) => "%d %b %H:%MZ",
        (false, false) => "%d %b %Y",
    };
    at.strftime(format).to_string()
}

/// Returns who did it and by which plan, of whose digest so many digits are shown.
fn who(record: &Record, digits: usize) -> Option<String> {
    let by = records::operator(record);
    let plan = match record {
        Record::Intent(intent) => {
            let digest = intent.plan.0.to_string();
            Some(format!("plan {}", digest.get(..digits).unwrap_or(&digest)))
        }
        _ => None,
    };
    let parts: Vec<String> = by.into_iter().chain(plan).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// All that a record says of itself.
fn whole(entry: &Entry<'_>, style: Style, out: &mut String) {
    let Recorded { seq, at, hash, record } = entry.recorded;
    Paragraph::new(0, 2)
        .push(Paint::Strong, format!("record {seq}"))
        .push(Paint::Faint, format!("  sha256:{hash}"))
        .write(style, out);
    let mut say = |name: &str, text: String| {
        Paragraph::new(4, 12).push(Paint::Faint, format!("{name:<8}")).text(text).write(style, out);
    };
    say("at", at.to_string());
    if let Some(address) = entry.address {
        say("of", address.to_string());
    }
    say("what", records::happened(record));
    if let Some(by) = records::operator(record) {
        say("by", by);
    }
    if let Record::Intent(intent) = record {
        say("plan", intent.plan.to_string());
        say("request", intent.sent.digest.to_string());
    }
    if let Some(commit) = commit(record) {
        say("commit", commit.to_owned());
    }
}

fn commit(record: &Record) -> Option<&str> {
    match record {
        Record::Intent(intent) => intent.commit.as_deref(),
        Record::Fetched(custody) => custody.commit.as_deref(),
        _ => None,
    }
}

/// The document of `log --format json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogDocument<'a> {
    format_version: u32,
    /// The number of the journal's last sound record.
    seq: Seq,
    /// Its hash.
    head: String,
    records: Vec<LogRecord<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord<'a> {
    seq: Seq,
    at: Timestamp,
    hash: String,
    /// The record's name in the journal.
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<&'a str>,
    /// The same for people.
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'a str>,
}

impl<'a> LogDocument<'a> {
    /// The document of some records of a journal that ends so.
    pub fn new(seq: Seq, head: Sha256Hex, entries: &[Entry<'a>]) -> Self {
        let record = |e: &Entry<'a>| LogRecord {
            seq: e.recorded.seq,
            at: e.recorded.at,
            hash: format!("sha256:{}", e.recorded.hash),
            kind: kind(&e.recorded.record),
            address: e.address,
            machine: e.machine,
            what: records::happened(&e.recorded.record),
            by: records::operator(&e.recorded.record),
            plan: match &e.recorded.record {
                Record::Intent(intent) => Some(intent.plan.to_string()),
                _ => None,
            },
            commit: commit(&e.recorded.record),
        };
        LogDocument {
            format_version: 1,
            seq,
            head: format!("sha256:{head}"),
            records: entries.iter().map(record).collect(),
        }
    }

    /// As indented text that ends with a line break; hidden characters inside strings are escaped.
    ///
    /// # Errors
    /// None that a journal can cause.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        plan_json::pretty(self)
    }
}

/// The name that a record has in the journal.
fn kind(record: &Record) -> String {
    match serde_json::to_value(record) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(serde_json::Value::Object(fields)) => {
            fields.into_iter().next().map_or_else(String::new, |(n, _)| n)
        }
        _ => String::new(),
    }
}
