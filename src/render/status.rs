//! Where every resource stands: the table of `status`, one line a resource, grouped by incident.
//!
//! A machine is its name; ids, addresses and digests are shown with `-v`, below each line the whole story. What is
//! declared and was never sent has a line too.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::layout::{Paint, Paragraph, columns, cut};
use super::story;
use super::{Style, age, brief, commands, escape, messages, naming};
use crate::evidence::Held;
use crate::model::{Address, Kind};
use crate::plan::names;
use crate::state::{HeldPackage, Phase, Resource, State, Story};

/// Where a resource stands, from when it is declared to when its package is held.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It is declared, and no call was made for it.
    NotSent,
    /// The creating call left, or may have left, and nothing is known of an answer.
    Asked,
    /// The machine is busy with something else.
    Waits,
    /// The service took the call.
    Accepted,
    /// The collection runs.
    Running,
    /// The collection is done, and its package is not held.
    Done,
    /// The package is held, as far as was looked.
    Fetched(Held),
    /// An alert is there, with its status at the service.
    Raised(Option<String>),
    /// The collection failed.
    Failed {
        /// It took too long.
        timed_out: bool,
    },
    /// A person or a manifest ended it.
    Cancelled,
    /// The service refused the call, with this code or HTTP status.
    Refused(String),
}

impl Stage {
    /// Returns the stage of a recorded resource. `held` says what is there of a package.
    fn of(kind: Kind, r: &Resource, held: &dyn Fn(&HeldPackage) -> Held) -> Stage {
        let status = r.status.as_deref();
        match r.released_from.unwrap_or(r.phase) {
            Phase::Requested => Stage::Asked,
            Phase::Pending => Stage::Waits,
            Phase::InProgress if status == Some("InProgress") => Stage::Running,
            Phase::InProgress => Stage::Accepted,
            Phase::Succeeded if kind == Kind::Alert => {
                Stage::Raised(status.filter(|s| *s != "New").map(str::to_owned))
            }
            Phase::Succeeded => match r.id.as_deref().and_then(|id| r.package(id)) {
                Some(package) => Stage::Fetched(held(package)),
                None => Stage::Done,
            },
            Phase::Failed => Stage::Failed { timed_out: status == Some("TimeOut") },
            Phase::Cancelled => Stage::Cancelled,
            Phase::Rejected => {
                let error = r.error.as_ref();
                let code = error.filter(|e| !e.code.is_empty()).map(|e| e.code.clone());
                Stage::Refused(
                    code.or_else(|| error.map(|e| e.status.to_string()))
                        .unwrap_or_else(|| "no reason".into()),
                )
            }
            // What it was released from is recorded with it.
            Phase::Released => Stage::Cancelled,
        }
    }

    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Stage::NotSent => "not-sent",
            Stage::Asked => "asked",
            Stage::Waits => "waits",
            Stage::Accepted => "accepted",
            Stage::Running => "running",
            Stage::Done => "done",
            Stage::Fetched(Held::There | Held::NotLooked) => "fetched",
            Stage::Fetched(Held::Missing) => "fetched-missing",
            Stage::Fetched(Held::OtherLength) => "fetched-other-length",
            Stage::Raised(_) => "raised",
            Stage::Failed { .. } => "failed",
            Stage::Cancelled => "cancelled",
            Stage::Refused(_) => "refused",
        }
    }

    /// Returns whether all is there that was asked for: an alert, or a package.
    pub fn is_well(&self) -> bool {
        matches!(self, Stage::Raised(_) | Stage::Fetched(Held::There | Held::NotLooked))
    }

    /// In words, short enough for a table.
    fn words(&self) -> String {
        match self {
            Stage::NotSent => "not sent yet".into(),
            Stage::Asked => "asked, no answer yet".into(),
            Stage::Waits => "waits, machine busy".into(),
            Stage::Done => "done, not fetched".into(),
            Stage::Fetched(Held::Missing) => "fetched, NOT THERE".into(),
            Stage::Fetched(Held::OtherLength) => "fetched, OTHER LENGTH".into(),
            Stage::Raised(Some(status)) => format!("raised, {status}"),
            Stage::Failed { timed_out: true } => "failed, timed out".into(),
            Stage::Refused(code) => format!("refused: {}", brief::refusal_code(code)),
            other => other.code().into(),
        }
    }

    /// The word that resources are counted by.
    pub(super) fn counted(&self) -> &'static str {
        match self {
            Stage::NotSent => "not sent yet",
            Stage::Waits => "waiting",
            Stage::Done => "not fetched",
            Stage::Fetched(Held::Missing | Held::OtherLength) => "not as fetched",
            other => other.code(),
        }
    }

    fn paint(&self) -> Paint {
        match self {
            Stage::Fetched(Held::Missing | Held::OtherLength) | Stage::Failed { .. } | Stage::Refused(_) => {
                Paint::Bad
            }
            Stage::Fetched(_) | Stage::Raised(_) => Paint::Good,
            Stage::Running | Stage::Accepted => Paint::Info,
            Stage::NotSent | Stage::Asked | Stage::Waits | Stage::Done => Paint::Notice,
            Stage::Cancelled => Paint::Faint,
        }
    }
}

/// Something that is declared and of which nothing is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// Its address; that of the manifest where it stands for several machines.
    pub address: Address,
    /// Its machine by name, or what stands for its machines.
    pub machine: Option<String>,
    /// Its incident, by label or by name.
    pub incident: Option<String>,
    /// Where it is declared: `path:line`.
    pub place: String,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// The resource.
    pub address: &'a Address,
    /// Its machine, by the shortest name that means no other one here.
    pub machine: String,
    /// The value of its label `incident`, or the incident that it was expanded for.
    pub incident: Option<&'a str>,
    /// Where it stands.
    pub stage: Stage,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Its manifest is gone.
    pub released: bool,
    /// The service does not show its object any more.
    pub gone: bool,
    /// The record of it.
    pub resource: Option<&'a Resource>,
    /// Where it is declared, if nothing is recorded of it.
    pub place: Option<&'a str>,
}

/// Returns the lines of the resources that `select` takes and of what was never sent, by incident, machine and kind.
/// `incident` knows incidents that have no label.
pub fn rows<'a>(
    state: &'a State,
    unsent: &'a [Unsent],
    select: &dyn Fn(&Address, &Resource) -> bool,
    incident: &dyn Fn(&Address) -> Option<&'a str>,
    held: &dyn Fn(&HeldPackage) -> Held,
) -> Vec<Row<'a>> {
    let chosen = || state.resources.iter().filter(|(a, r)| select(a, r));
    let shown = machines(chosen());
    let mut rows: Vec<Row<'a>> = chosen()
        .map(|(address, r)| Row {
            address,
            machine: shown.get(address).cloned().unwrap_or_else(|| bare_name(address)),
            incident: r.labels.get("incident").map(String::as_str).or_else(|| incident(address)),
            stage: Stage::of(address.kind(), r, held),
            since: Some(since(r)),
            released: r.phase == Phase::Released,
            gone: r.missing_since.is_some(),
            resource: Some(r),
            place: None,
        })
        .collect();
    rows.extend(unsent.iter().map(|u| Row {
        address: &u.address,
        machine: u.machine.clone().unwrap_or_else(|| bare_name(&u.address)),
        incident: u.incident.as_deref(),
        stage: Stage::NotSent,
        since: None,
        released: false,
        gone: false,
        resource: None,
        place: Some(&u.place),
    }));
    let key = |row: &Row<'_>| {
        // What belongs to no incident comes last.
        (row.incident.is_none(), row.incident.map(str::to_owned), row.machine.clone(), row.address.clone())
    };
    rows.sort_by_cached_key(key);
    rows
}

/// When a resource came where it stands: by the service's clock as far as it tells.
fn since(r: &Resource) -> Timestamp {
    let at = match r.released_from.unwrap_or(r.phase) {
        Phase::InProgress => r.created_at.as_ref(),
        Phase::Succeeded | Phase::Failed | Phase::Cancelled => {
            r.updated_at.as_ref().or(r.created_at.as_ref())
        }
        Phase::Requested | Phase::Pending | Phase::Rejected | Phase::Released => None,
    };
    at.map_or(r.since, |t| t.instant())
}

/// A resource's own name, where that of its machine is not known.
fn bare_name(address: &Address) -> String {
    address.name().to_owned()
}

/// The names of the machines of resources.
fn machines<'a>(
    resources: impl Iterator<Item = (&'a Address, &'a Resource)>,
) -> HashMap<&'a Address, String> {
    naming::shortest(resources.filter_map(|(a, r)| Some((a, names::recorded_name(r)?))))
}

/// How many lines that say the same stay lines of their own.
const ALIKE: usize = 10;

/// How wide a machine's name, an incident and a state may be.
const WIDEST: [usize; 4] = [24, 26, 14, 26];

const HEADER: [&str; 4] = ["MACHINE", "WHAT", "INCIDENT", "STATE"];

/// The title of the column behind these.
const SINCE: &str = "SINCE";

/// The table. `stories` are told below each line, if they are there.
pub fn table(
    rows: &[Row<'_>],
    stories: Option<&BTreeMap<Address, Story>>,
    style: Style,
    now: Timestamp,
) -> String {
    let mut out = String::new();
    if rows.is_empty() {
        Paragraph::new(0, 2)
            .text("Nothing is declared here, and nothing recorded. ")
            .push(Paint::Strong, "casefile new package HOST")
            .text(" writes a manifest.")
            .write(style, &mut out);
        return out;
    }
    let since = |[oldest, _]: [Option<Timestamp>; 2]| oldest.map(|at| now.duration_since(at));
    grid(rows, stories.map(|stories| (stories, now)), (SINCE, &since), style, &mut out);
    out.push('\n');
    summary(rows, style, &mut out);
    out
}

/// The title of the last column, and how long it says, by the earliest and the latest moment of a line.
pub(super) type LastColumn<'l> = (&'static str, &'l dyn Fn([Option<Timestamp>; 2]) -> Option<SignedDuration>);

/// Writes the lines of a table below their titles.
pub(super) fn grid(
    rows: &[Row<'_>],
    stories: Option<(&BTreeMap<Address, Story>, Timestamp)>,
    (title, last): LastColumn<'_>,
    style: Style,
    out: &mut String,
) {
    let lines = folded(rows, stories.is_some());
    let what = kinds(rows);
    let cells: Vec<[String; 5]> =
        lines.iter().map(|line| cells(line, &what, last([line.oldest, line.newest]))).collect();
    let widths = widths(&cells, style);
    let [machine, kind, incident, state] = HEADER;
    let header = [machine, kind, incident, state, title].map(String::from);
    write_row(&header, [Paint::Faint; 5], &widths, style, out);
    for (line, cells) in lines.iter().zip(&cells) {
        let mut paints = [Paint::Plain; 5];
        paints[3] = line.first.stage.paint();
        write_row(cells, paints, &widths, style, out);
        if let Some((stories, now)) = stories {
            story::details(line.first.address, line.first.resource, line.first.place, style, out);
            if let Some(story) = stories.get(line.first.address) {
                story::write(story, style, now, out);
            }
        }
    }
}

/// Returns whether anything goes on that another look may show further.
pub fn moves(rows: &[Row<'_>]) -> bool {
    let moves = |s: &Stage| matches!(s, Stage::Asked | Stage::Waits | Stage::Accepted | Stage::Running);
    rows.iter().any(|r| !r.released && !r.gone && moves(&r.stage))
}

/// Where each row stands, for [`changes`].
pub fn standing(rows: &[Row<'_>]) -> BTreeMap<Address, Stage> {
    rows.iter().map(|r| (r.address.clone(), r.stage.clone())).collect()
}

/// A line for each row that stands elsewhere than before: when that was seen, the machine, what it is, and where it stands.
pub fn changes(before: &BTreeMap<Address, Stage>, rows: &[Row<'_>], style: Style, now: Timestamp) -> String {
    let what = kinds(rows);
    let mut out = String::new();
    for row in rows.iter().filter(|r| before.get(r.address) != Some(&r.stage)) {
        let kind = what.get(row.address).map(String::as_str).unwrap_or_default();
        Paragraph::new(0, 2)
            .push(Paint::Faint, age::clock(now, now))
            .push(Paint::Strong, format!("  {}", row.machine))
            .text(format!("  {kind}  "))
            .push(row.stage.paint(), row.stage.words())
            .write(style, &mut out);
    }
    out
}

/// A line of the table: a row, or several that say the same.
struct Line<'r, 'a> {
    first: &'r Row<'a>,
    more: usize,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
}

/// Puts rows that say the same into one line, where there are many.
fn folded<'r, 'a>(rows: &'r [Row<'a>], all: bool) -> Vec<Line<'r, 'a>> {
    let key = |r: &Row<'a>| (r.address.kind(), r.incident, r.stage.clone(), r.released, r.gone);
    let mut times: HashMap<_, usize> = HashMap::new();
    for row in rows {
        *times.entry(key(row)).or_default() += 1;
    }
    let mut out: Vec<Line<'r, 'a>> = Vec::new();
    let mut at: HashMap<_, usize> = HashMap::new();
    for row in rows {
        let many = !all && times.get(&key(row)).is_some_and(|n| *n > ALIKE);
        if let Some(line) = at.get(&key(row)).filter(|_| many).and_then(|i| out.get_mut(*i)) {
            line.more += 1;
            line.oldest = line.oldest.min(row.since);
            line.newest = line.newest.max(row.since);
            continue;
        }
        at.insert(key(row), out.len());
        out.push(Line { first: row, more: 0, oldest: row.since, newest: row.since });
    }
    out
}

/// Names each row: by its kind, and by its name too where the machine has several of the kind.
fn kinds<'a>(rows: &[Row<'a>]) -> HashMap<&'a Address, String> {
    let mut times: HashMap<(&str, Kind), usize> = HashMap::new();
    for row in rows {
        *times.entry((&row.machine, row.address.kind())).or_default() += 1;
    }
    let one = |row: &Row<'a>| {
        let word = word(row.address.kind());
        let alone = times.get(&(row.machine.as_str(), row.address.kind())) == Some(&1);
        (row.address, if alone { word.to_owned() } else { format!("{word} {}", row.address.name()) })
    };
    rows.iter().map(one).collect()
}

/// Returns the word by which people call a resource of a kind.
pub fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::InvestigationPackage => "package",
        Kind::Alert => "alert",
    }
}

fn cells(line: &Line<'_, '_>, what: &HashMap<&Address, String>, last: Option<SignedDuration>) -> [String; 5] {
    let row = line.first;
    let mut state = row.stage.words();
    if row.gone {
        state.push_str(", GONE");
    }
    if row.released {
        state.push_str(", not declared");
    }
    let (machine, kind) = match line.more {
        0 => (row.machine.clone(), what.get(row.address).cloned().unwrap_or_default()),
        more => (
            format!("{} and {} more", row.machine, messages::number(more)),
            format!("{}s", word(row.address.kind())),
        ),
    };
    let last = last.map(|time| age::duration(time.as_secs().max(0).unsigned_abs()));
    let text = |t: &str| escape::one_line(t).into_owned();
    [
        text(&machine),
        text(&kind),
        text(row.incident.unwrap_or("-")),
        text(&state),
        last.unwrap_or_else(|| "-".into()),
    ]
}

/// Columns of each cell: those of the longest, as far as the style has room, and no more than makes the table readable.
fn widths(cells: &[[String; 5]], style: Style) -> [usize; 5] {
    let [machine, kind, incident, state] = HEADER.map(columns);
    let mut widths = [machine, kind, incident, state, columns(SINCE)];
    for row in cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    if style.verbose > 0 {
        // Nothing is cut.
        return widths;
    }
    let over = |widths: &[usize; 5]| {
        (widths.iter().sum::<usize>() + 2 * (widths.len() - 1)).saturating_sub(style.columns())
    };
    // What the kind says besides is the first to go, then incidents, then names and states.
    for column in [1, 2, 0, 3] {
        let least = widths[column].min(WIDEST[column]);
        widths[column] = widths[column].saturating_sub(over(&widths)).max(least);
    }
    for (column, least) in [(1, 8), (2, 8), (0, 12), (3, 12)] {
        widths[column] = widths[column].saturating_sub(over(&widths)).max(least.min(widths[column]));
    }
    widths
}

fn write_row(cells: &[String; 5], paints: [Paint; 5], widths: &[usize; 5], style: Style, out: &mut String) {
    let mut line = Paragraph::new(0, 0);
    for (i, cell) in cells.iter().enumerate() {
        let shown = cut(cell, widths[i]);
        let fill = if i + 1 == cells.len() { 0 } else { widths[i] + 2 - columns(&shown).min(widths[i]) };
        line = line.push(paints[i], shown).text(" ".repeat(fill));
    }
    if style.verbose > 0 { line.write(style, out) } else { line.write_cut(style, out) }
}

/// How many stand where, and the one command that is next.
fn summary(rows: &[Row<'_>], style: Style, out: &mut String) {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        let word = row.stage.counted();
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, n)) => *n += 1,
            None => counts.push((word, 1)),
        }
    }
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let counts: Vec<String> = counts.iter().map(|(w, n)| format!("{} {w}", messages::number(*n))).collect();
    Paragraph::new(0, 2)
        .push(Paint::Strong, format!("{}: ", messages::resources(rows.len())))
        .push_list(Paint::Strong, &counts)
        .push(Paint::Strong, ".")
        .write(style, out);
    let any = |is: &dyn Fn(&Stage) -> bool| rows.iter().any(|r| !r.released && is(&r.stage));
    let next = if any(&|s| matches!(s, Stage::Fetched(Held::Missing | Held::OtherLength))) {
        "casefile verify"
    } else if any(&|s| *s == Stage::Done) {
        "casefile fetch"
    } else if any(&|s| matches!(s, Stage::NotSent | Stage::Asked | Stage::Waits | Stage::Refused(_))) {
        "casefile plan"
    } else if moves(rows) {
        "casefile status -w"
    } else {
        return;
    };
    commands::next_line(&next.split(' ').map(str::to_owned).collect::<Vec<_>>(), style, out);
}

/// A line of the table, for programs.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Row")]
pub struct RowDocument<'a> {
    /// The resource; a manifest that stands for several machines, if it was never sent.
    #[schemars(example = &"InvestigationPackage/fin-ws-042")]
    address: &'a Address,
    /// Its machine, by the shortest name that means no other one here; the resource's own name where that is not known.
    #[schemars(example = &"fin-ws-042")]
    machine: &'a str,
    /// The value of its label `incident`, or the incident that it was expanded for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"INC-2042")]
    incident: Option<&'a str>,
    /// Where it stands: `not-sent`, `asked`, `waits`, `accepted`, `running`, `done`, `fetched`, `fetched-missing`,
    /// `fetched-other-length`, `raised`, `failed`, `cancelled` or `refused`.
    #[schemars(example = &"fetched")]
    stage: &'static str,
    /// Since when, by the service's clock as far as it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2026-03-01T09:30:00Z")]
    since: Option<Timestamp>,
    /// Where it is declared, if it was never sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"manifests/inc-2042.yaml:3")]
    place: Option<&'a str>,
}

impl<'a> From<&'a Row<'a>> for RowDocument<'a> {
    fn from(row: &'a Row<'a>) -> Self {
        RowDocument {
            address: row.address,
            machine: &row.machine,
            incident: row.incident,
            stage: row.stage.code(),
            since: row.since,
            place: row.place,
        }
    }
}
