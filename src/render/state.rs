//! The state for people and programs: the table of `state list`, all of one resource, the document of `status`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::age::{ago, short};
use super::layout::{Paint, Paragraph, columns, cut, cut_middle};
use super::status::{Row, RowDocument};
use super::story::{self, Step};
use super::{Style, escape, messages, plan_json, refusals};
use crate::model::{Address, OnRemove};
use crate::plan::names;
use crate::state::{Attempt, Binding, Origin, Phase, Resource, Sent, State, Story};

/// The document of `status --format json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateDocument<'a> {
    /// The version of this format.
    #[schemars(example = 1)]
    pub format_version: u32,
    /// Given once to a state; null before the first apply.
    #[schemars(example = &"0b7c2f5e-6a53-4c1e-9a2f-2f1d3c9f1b11")]
    pub lineage: Option<&'a str>,
    /// Whose state it is.
    #[schemars(example = serde_json::json!({ "cloud": "public", "project": "contoso-ir" }))]
    pub binding: &'a Binding,
    /// The number of the last journal record.
    #[schemars(example = 17)]
    pub seq: u64,
    /// The selected resources, by address, as in the state file.
    #[schemars(with = "BTreeMap<String, Resource>", example = serde_json::json!({}))]
    pub resources: BTreeMap<&'a Address, &'a Resource>,
    /// Where each of them stands, and what is declared and was never sent: `status` alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = row_example())]
    pub rows: Vec<RowDocument<'a>>,
    /// How many problems keep manifests from being read: more may be declared.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(example = 1)]
    pub unread: usize,
    /// The story of each of them, the oldest step first: `status -v` alone.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<Step>>", example = serde_json::json!({}))]
    pub stories: BTreeMap<&'a Address, Vec<Step>>,
}

fn row_example() -> serde_json::Value {
    serde_json::json!([{ "address": "InvestigationPackage/lt-007", "machine": "lt-007", "stage": "not-sent" }])
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl<'a> StateDocument<'a> {
    /// The resources that `select` takes.
    pub fn new(state: &'a State, select: impl Fn(&Address, &Resource) -> bool) -> Self {
        StateDocument {
            format_version: 1,
            lineage: state.lineage.as_deref(),
            binding: &state.binding,
            seq: state.seq,
            resources: state.resources.iter().filter(|(a, r)| select(a, r)).collect(),
            rows: Vec::new(),
            unread: 0,
            stories: BTreeMap::new(),
        }
    }

    /// The same with the lines of `status`, and with the stories of the resources if they were read.
    pub fn with_status(
        mut self,
        rows: &'a [Row<'a>],
        unread: usize,
        stories: Option<&'a BTreeMap<Address, Story>>,
    ) -> Self {
        self.rows = rows.iter().map(RowDocument::from).collect();
        self.unread = unread;
        let chosen = stories.into_iter().flatten().filter(|(a, _)| self.resources.contains_key(a));
        self.stories = chosen.map(|(address, story)| (address, story::steps(story))).collect();
        self
    }

    /// As indented text that ends with a line break; hidden characters inside strings are escaped.
    ///
    /// # Errors
    /// None that a state can cause: the keys of all maps are text.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        plan_json::pretty(self)
    }
}

const HEADER: [&str; 6] = ["ADDRESS", "PHASE", "STATUS", "ID", "AGE", "REQUESTOR"];
const ADDRESS: usize = 0;
const ID: usize = 3;
const REQUESTOR: usize = 5;
const GAP: usize = 2;

/// One line a resource. Too wide for the terminal, it shortens requestor and id, then leaves the requestor
/// out and says so. Addresses are never shortened, they are what commands take: one that does not fit has
/// a line of its own above the other cells. JSON has everything in full.
pub fn table(document: &StateDocument<'_>, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    if document.resources.is_empty() {
        Paragraph::new(0, 2)
            .text("No resources in the state. ")
            .push(Paint::Strong, "casefile plan")
            .text(" shows what is declared.")
            .write(style, &mut out);
        return out;
    }
    let shown = names::shown(document.resources.iter().map(|(a, r)| (*a, names::recorded_name(r))));
    let mut rows: Vec<(Phase, [String; 6])> =
        document.resources.iter().map(|(a, r)| (r.phase, cells(shown.get(a), a, r, now))).collect();
    // The machines of a group stand in the order of their names, not of their ids.
    rows.sort_by(|(_, a), (_, b)| a[ADDRESS].cmp(&b[ADDRESS]));
    let widths = widths(rows.iter().map(|(_, cells)| cells), style);
    write_row(&HEADER.map(String::from), [Paint::Faint; 6], &widths, style, &mut out);
    for (phase, cells) in &rows {
        let mut paints = [Paint::Plain; 6];
        paints[1] = paint(*phase);
        write_row(cells, paints, &widths, style, &mut out);
    }
    out.push('\n');
    let mut phases: BTreeMap<Phase, usize> = BTreeMap::new();
    for (phase, _) in &rows {
        *phases.entry(*phase).or_default() += 1;
    }
    let counts: Vec<String> = phases.iter().map(|(p, n)| format!("{} {p}", messages::number(*n))).collect();
    Paragraph::new(0, 2)
        .push(Paint::Strong, format!("{}: ", messages::resources(rows.len())))
        .push_list(Paint::Strong, &counts)
        .push(Paint::Strong, ".")
        .write(style, &mut out);
    if widths[REQUESTOR] == 0 {
        Paragraph::new(0, 2)
            .push(Paint::Faint, "No room for requestors here; ")
            .push(Paint::Strong, "casefile state show ADDRESS")
            .push(Paint::Faint, " has them.")
            .write(style, &mut out);
    }
    out
}

/// Columns of each cell; 0 leaves the requestors out.
fn widths<'a>(rows: impl Iterator<Item = &'a [String; 6]>, style: Style) -> [usize; 6] {
    let mut full = HEADER.map(columns);
    for cells in rows {
        for (width, cell) in full.iter_mut().zip(cells) {
            *width = (*width).max(columns(cell));
        }
    }
    let over = |widths: &[usize; 6]| {
        let shown = widths.iter().filter(|w| **w > 0).count();
        (widths.iter().sum::<usize>() + GAP * (shown - 1)).saturating_sub(style.columns())
    };
    let shrink = |mut widths: [usize; 6], steps: &[(usize, usize)]| {
        for &(column, least) in steps {
            widths[column] = widths[column].saturating_sub(over(&widths)).max(least.min(widths[column]));
        }
        widths
    };
    let whole = shrink(full, &[(REQUESTOR, 12), (ID, 10), (REQUESTOR, 9), (ID, 8)]);
    if over(&whole) == 0 {
        return whole;
    }
    full[REQUESTOR] = 0;
    shrink(full, &[(ID, 8), (ADDRESS, 12)])
}

fn cells(shown: Option<&String>, address: &Address, r: &Resource, now: Timestamp) -> [String; 6] {
    let since = r.created_at.as_ref().map_or(r.since, |t| t.instant());
    // The same word twice in a row hides the rows where they differ.
    let says_more = r.status.as_deref() != Some(r.phase.as_str());
    let or_dash = |t: Option<&str>| match t {
        None | Some("") => "-".to_owned(),
        Some(t) => escape::one_line(t).into_owned(),
    };
    [
        escape::one_line(&shown.cloned().unwrap_or_else(|| address.to_string())).into_owned(),
        r.phase.to_string(),
        if says_more { or_dash(r.status.as_deref()) } else { String::new() },
        or_dash(r.id.as_deref()),
        short(now, since),
        or_dash(r.requestor.as_deref()),
    ]
}

fn write_row(cells: &[String; 6], paints: [Paint; 6], widths: &[usize; 6], style: Style, out: &mut String) {
    let mut line = Paragraph::new(0, 0);
    for (i, cell) in cells.iter().enumerate() {
        let width = widths[i];
        if i == ADDRESS && columns(cell) > width {
            Paragraph::new(0, 2).push(paints[i], cell).write(style, out);
            line = line.text(" ".repeat(width + GAP));
            continue;
        }
        // The name in front of a user's domain says enough; ids differ at both ends.
        let shown = if i == REQUESTOR { cut(cell, width) } else { cut_middle(cell, width) };
        let last = widths.iter().skip(i + 1).all(|w| *w == 0);
        let fill = if last { 0 } else { width + GAP - columns(&shown).min(width) };
        line = line.push(paints[i], shown).text(" ".repeat(fill));
    }
    line.write_cut(style, out);
}

fn paint(phase: Phase) -> Paint {
    match phase {
        Phase::Succeeded => Paint::Good,
        Phase::Failed | Phase::Rejected => Paint::Bad,
        Phase::Requested | Phase::Pending => Paint::Notice,
        Phase::InProgress => Paint::Info,
        Phase::Cancelled | Phase::Released => Paint::Faint,
    }
}

/// The calls of a resource that have no answer.
fn unanswered(r: &Resource, now: Timestamp) -> Vec<(&'static str, String)> {
    let when = |t: Timestamp| format!("{t} ({})", ago(now, t));
    let open = r.open.iter().map(|open| {
        let Attempt { why, attempt, at, .. } = &open.attempt;
        let seen = why.as_deref().unwrap_or("the run ended before an answer came");
        ("open call", format!("{seen}; record {attempt}, {}; the next plan looks it up", when(*at)))
    });
    let side = r.side.iter().map(|side| {
        let call = messages::call(side.action);
        ("open call", format!("the {call} of record {} got no answer", side.attempt))
    });
    let watched = r
        .watched
        .iter()
        .map(|w| ("watched", format!("the call of record {} got no answer; {}", w.attempt, when(w.at))));
    open.chain(side).chain(watched).collect()
}

/// Everything the state knows of one resource.
pub fn show(address: &Address, r: &Resource, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    Paragraph::new(0, 2).push(Paint::Strong, address.to_string()).write(style, &mut out);
    let mut field = |name: &str, paint: Paint, value: &str| {
        Paragraph::new(2, 16)
            .push(Paint::Faint, format!("{name:<14}"))
            .push(paint, value)
            .write(style, &mut out);
    };
    let when = |t: Timestamp| format!("{t} ({})", ago(now, t));
    let phase = match r.released_from {
        Some(from) => format!("{} (was {from})", r.phase),
        None => r.phase.to_string(),
    };
    field("phase", paint(r.phase), &phase);
    field("since", Paint::Plain, &when(r.since));
    let text = |name: &'static str, value: &Option<String>| value.as_ref().map(|v| (name, v.clone()));
    let time = |name: &'static str, value: &Option<crate::model::Timestamp>| {
        value.as_ref().map(|t| (name, format!("{t} ({})", ago(now, t.instant()))))
    };
    let origin = r.origin.map(|o| match o {
        Origin::Made => ("origin", "made by our call".to_owned()),
        Origin::Adopted => ("origin", "adopted: it was there".to_owned()),
    });
    let optional = [
        text("id", &r.id),
        origin,
        r.status.as_deref().map(|word| ("status", word.to_owned())),
        text("requestor", &r.requestor),
        text("device", &r.computer_dns_name),
        time("created", &r.created_at),
        time("updated", &r.updated_at),
        text("cancelled by", &r.cancelled_by),
        time("busy since", &r.busy_at),
        r.missing_since.map(|t| ("missing since", when(t))),
        r.error.as_ref().map(|e| ("last refusal", refusals::refusal(e))),
    ];
    for (name, value) in optional.into_iter().flatten() {
        field(name, Paint::Plain, &value);
    }
    if r.attempts > 0 {
        field("attempts", Paint::Plain, &format!("{} failed", r.attempts));
    }
    if !r.labels.is_empty() {
        let labels: Vec<String> = r.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        field("labels", Paint::Plain, &labels.join(", "));
    }
    if r.on_remove != OnRemove::Retain {
        field("on remove", Paint::Plain, &format!("{:?}", r.on_remove));
    }
    for (name, value) in unanswered(r, now) {
        field(name, Paint::Notice, &value);
    }
    for p in &r.past {
        let how = match (p.late, p.origin) {
            (true, _) => "arrived late: a second object",
            (false, Origin::Made) => "held before, made",
            (false, Origin::Adopted) => "held before, adopted",
        };
        field("past object", Paint::Plain, &format!("{} ({how})", p.id));
    }
    field("record", Paint::Plain, &r.changed.to_string());
    sent(&r.sent, style, &mut out);
    out
}

fn sent(sent: &Sent, style: Style, out: &mut String) {
    Paragraph::new(2, 4)
        .push(Paint::Faint, format!("as sent, revision {}, {}", sent.revision, sent.digest))
        .write(style, out);
    let request = &sent.request;
    Paragraph::new(4, 6).text(format!("{} {}", request.method, request.path)).write(style, out);
    let fields = match sent.call() {
        Some(call) => call.fields(),
        None => vec![("body", request.body.as_str().to_owned())],
    };
    for (name, value) in fields {
        // The one name that is wider than the column.
        let name = if name == "recommendedAction" { "action" } else { name };
        Paragraph::new(4, 18).push(Paint::Faint, format!("{name:<14}")).text(value).write(style, out);
    }
}
