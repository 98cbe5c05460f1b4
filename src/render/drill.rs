//! A drill for people and for programs: what happened when, where everything stands in the end, and what it took.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::layout::{Paint, Paragraph, columns};
use super::messages::{first, number, plural};
use super::status::{self, Row};
use super::{Style, age, brief, plan_json};
use crate::drill::{Moment, Played, Step};
use crate::model::{Address, Kind, quota_calls};
use crate::plan::Action;

/// A drill that is over, to be shown.
pub struct Shown<'a> {
    /// The name of the project.
    pub project: &'a str,
    /// The runbook that was tried, and where its values come from.
    pub runbook: Option<(&'a str, &'a str)>,
    /// The course of the drill.
    pub played: &'a Played,
    /// Where everything stands; `since` is the last moment of each.
    pub rows: &'a [Row<'a>],
    /// When it began, by the virtual clock.
    pub begun: Timestamp,
    /// How many machines were made up.
    pub made_up: usize,
    /// The seed, and whether things went wrong.
    pub seed: u64,
    /// Things went wrong on purpose.
    pub faults: bool,
    /// How many resources were left out, because an `import` takes them over.
    pub left_out: usize,
}

/// How many machines a line names.
const NAMED: usize = 3;

/// How many resources are named that are not there in the end.
const FAILED: usize = 10;

impl Shown<'_> {
    /// The rows of what is not there in the end.
    pub fn failed(&self) -> Vec<&Row<'_>> {
        self.rows.iter().filter(|row| !row.stage.is_well()).collect()
    }

    fn exit_code(&self, held: bool) -> u8 {
        u8::from(held || !self.failed().is_empty())
    }
}

/// The whole of it as text; with `-v` each moment has a line of its own.
pub fn human(shown: &Shown<'_>, style: Style) -> String {
    let mut out = String::new();
    head(shown, style, &mut out);
    if shown.rows.is_empty() {
        Paragraph::new(0, 2).text("Nothing is declared here: nothing would be sent.").write(style, &mut out);
        return out;
    }
    out.push('\n');
    let names: HashMap<&Address, &str> = shown.rows.iter().map(|r| (r.address, r.machine.as_str())).collect();
    let lines = match style.verbose {
        0 => folded(&shown.played.moments),
        _ => shown.played.moments.iter().map(Line::of).collect(),
    };
    lines.iter().for_each(|line| line.write(&names, style, &mut out));
    if !lines.is_empty() {
        out.push('\n');
    }
    let after = |[_, newest]: [Option<Timestamp>; 2]| newest.map(|at| at.duration_since(shown.begun));
    status::grid(shown.rows, None, ("AFTER", &after), style, &mut out);
    out.push('\n');
    end(shown, style, &mut out);
    out
}

fn head(shown: &Shown<'_>, style: Style, out: &mut String) {
    let faults = if shown.faults { ", with faults" } else { "" };
    let mut line = Paragraph::new(0, 2)
        .push(Paint::Strong, format!("Drill of {}", shown.project))
        .text(format!(": {} made up, seed {}{faults}. ", plural(shown.made_up, "machine"), shown.seed));
    if let Some((runbook, values)) = shown.runbook {
        line = line.text(format!("Runbook {runbook}, with the values of {values}. "));
    }
    line.text("It begins with an empty state; nothing is sent, and nothing is kept.").write(style, out);
    if shown.left_out > 0 {
        let left_out = plural(shown.left_out, "resource");
        Paragraph::new(0, 2)
            .text(format!("{left_out} with `import` left out: what they take over is not made up."))
            .write(style, out);
    }
}

/// Several moments that say the same, or one.
struct Line<'a> {
    from: Duration,
    to: Duration,
    times: usize,
    step: &'a Step,
    kind: Option<Kind>,
    run: usize,
    addresses: Vec<&'a Address>,
}

impl<'a> Line<'a> {
    fn of(moment: &'a Moment) -> Self {
        let to = match moment.step {
            Step::Waits { until, .. } => until,
            _ => moment.at,
        };
        Line {
            from: moment.at,
            to,
            times: 1,
            step: &moment.step,
            kind: moment.address.as_ref().map(Address::kind),
            run: moment.run,
            addresses: moment.address.iter().collect(),
        }
    }

    fn write(&self, names: &HashMap<&Address, &str>, style: Style, out: &mut String) {
        let same = time(self.from) == time(self.to);
        let span = if same { time(self.from) } else { format!("{} - {}", time(self.from), time(self.to)) };
        let fill = " ".repeat(19_usize.saturating_sub(columns(&span)));
        let mut line = Paragraph::new(2, 23)
            .push(Paint::Faint, format!("{span}{fill}  "))
            .push(paint(self.step), words(self));
        let machines: BTreeSet<&str> = self.addresses.iter().filter_map(|a| names.get(*a).copied()).collect();
        if !machines.is_empty() {
            let machines: Vec<&str> = machines.into_iter().collect();
            line = line.text(format!("  {}", first(&machines, NAMED, |m| (*m).to_owned())));
        }
        if style.verbose > 0 {
            if let [address] = *self.addresses {
                line = line.push(Paint::Faint, format!("  {address}"));
            }
            line.write(style, out);
        } else {
            line.write_cut(style, out);
        }
    }
}

/// One line for all moments of a run that say the same.
fn folded(moments: &[Moment]) -> Vec<Line<'_>> {
    let mut out: Vec<Line<'_>> = Vec::new();
    let mut at: BTreeMap<(usize, &'static str, Step, Option<Kind>), usize> = BTreeMap::new();
    for moment in moments {
        let alike = match &moment.step {
            Step::Waits { quota, .. } => Step::Waits { quota, until: Duration::ZERO },
            step => step.clone(),
        };
        let kind = moment.address.as_ref().map(Address::kind);
        let key = (moment.run, moment.step.code(), alike, kind);
        let line = Line::of(moment);
        if let Some(known) = at.get(&key).and_then(|i| out.get_mut(*i)) {
            known.to = known.to.max(line.to);
            known.times += 1;
            known.addresses.extend(line.addresses);
            continue;
        }
        at.insert(key, out.len());
        out.push(line);
    }
    out
}

/// Hours, minutes and seconds since the beginning.
fn time(at: Duration) -> String {
    let seconds = at.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn paint(step: &Step) -> Paint {
    match step {
        Step::Begins { .. } => Paint::Strong,
        Step::Raised | Step::Fetched | Step::Succeeded => Paint::Good,
        Step::Refused(_) | Step::Failed | Step::TimedOut | Step::NotFetched | Step::Stopped { .. } => {
            Paint::Bad
        }
        Step::Accepted | Step::Running | Step::TakenOver | Step::Changed(_) => Paint::Plain,
        Step::Busy
        | Step::Throttled
        | Step::Unsent
        | Step::Unanswered
        | Step::Cancelled
        | Step::Late
        | Step::HeldBack
        | Step::Waits { .. } => Paint::Notice,
    }
}

fn words(line: &Line<'_>) -> String {
    let noun = line.kind.map(status::word).unwrap_or_default();
    let many = |what: &str| format!("{} {what}", plural(line.times, noun));
    match line.step {
        Step::Begins { calls } => format!("run {}: {} to send", line.run, plural(*calls, "call")),
        Step::Accepted => many("accepted"),
        Step::Raised => many("raised"),
        Step::Changed(Action::Update) => many("with their triage set"),
        Step::Changed(action) => many(&format!("changed: {action}")),
        Step::Busy => many("wait for a busy machine"),
        Step::TakenOver => many("taken over: it was there"),
        Step::Refused(code) => many(&format!("refused: {}", brief::refusal_code(code))),
        Step::Throttled => many("throttled"),
        Step::Unsent => many("not sent: the service was not reached"),
        Step::Unanswered => many("without an answer, looked up"),
        Step::Running => many("running"),
        Step::Succeeded => many("done"),
        Step::Failed => many("failed"),
        Step::TimedOut => many("failed: the device never answered"),
        Step::Cancelled => many("cancelled by somebody"),
        Step::Late => many("made twice: a call that was given up took effect"),
        Step::Fetched => many("fetched"),
        Step::NotFetched => many("not fetched"),
        Step::HeldBack => many("held back: what they depend on is not there"),
        Step::Waits { quota, .. } => {
            let times =
                if line.times > 1 { format!(", {} times", number(line.times)) } else { String::new() };
            format!("{} wait for a quota or a pause{times}", quota_calls(quota))
        }
        Step::Stopped { quota } => format!("no more {} in this run", quota_calls(quota)),
    }
}

/// Writes the totals, and what is missing.
fn end(shown: &Shown<'_>, style: Style, out: &mut String) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in shown.rows {
        *counts.entry((status::word(row.address.kind()), row.stage.counted())).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|((noun, stands), n)| format!("{} {stands}", plural(*n, noun))).collect();
    let took = age::duration(shown.played.took.as_secs());
    let runs = plural(shown.played.runs, "run");
    Paragraph::new(0, 2)
        .push(Paint::Strong, "Result: ")
        .text(format!("{}, in {runs} and {took} of virtual time.", counts.join(", ")))
        .write(style, out);
    if !shown.played.calls.is_empty() {
        let calls: Vec<String> = shown.played.calls.iter().map(|(what, n)| counted(what, *n)).collect();
        Paragraph::new(0, 2)
            .push(Paint::Strong, "Calls: ")
            .text(format!("{}.", calls.join(", ")))
            .write(style, out);
    }
    let failed = shown.failed();
    if !failed.is_empty() {
        let machines: BTreeSet<&str> = failed.iter().map(|row| row.machine.as_str()).collect();
        let machines: Vec<&str> = machines.into_iter().collect();
        let named = first(&machines, FAILED, |machine| (*machine).to_owned());
        let text = match shown.played.runs {
            0 => "nothing would be sent.".to_owned(),
            _ => format!("{} of {} would not be there in the end: {named}.", failed.len(), shown.rows.len()),
        };
        Paragraph::new(0, 2).push(Paint::Bad, "Exit code 1: ").text(text).write(style, out);
    }
}

/// `1 alert`, `30 links`: what is counted is named in the plural.
fn counted(what: &str, n: usize) -> String {
    match (n, what) {
        (1, "queries") => "1 query".to_owned(),
        (1, what) => format!("1 {}", what.trim_end_matches('s')),
        (n, what) => format!("{} {what}", number(n)),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    project: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    runbook: Option<&'a str>,
    seed: u64,
    faults: bool,
    machines: usize,
    left_out: usize,
    runs: usize,
    seconds: f64,
    calls: &'a BTreeMap<&'static str, usize>,
    timeline: Vec<MomentDocument<'a>>,
    resources: Vec<ResourceDocument<'a>>,
    /// The guard rail that held the plan back, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<&'a str>,
    exit_code: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MomentDocument<'a> {
    at: f64,
    run: usize,
    step: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceDocument<'a> {
    address: &'a Address,
    machine: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<&'a str>,
    stage: &'static str,
    /// Seconds from the beginning to its last moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<f64>,
}

/// Seconds, to the millisecond.
fn seconds(time: Duration) -> f64 {
    let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    f64::from(millis) / 1_000.0
}

/// One document. `held` is the guard rail that held the plan back, in words.
///
/// # Errors
/// None that a drill can cause: the keys of all maps are text.
pub fn json(shown: &Shown<'_>, held: Option<&str>) -> Result<String, serde_json::Error> {
    let Shown { played, rows, .. } = shown;
    let timeline = played.moments.iter().map(|moment| {
        let (calls, quota, until, code) = match &moment.step {
            Step::Begins { calls } => (Some(*calls), None, None, None),
            Step::Waits { quota, until } => (None, Some(*quota), Some(seconds(*until)), None),
            Step::Stopped { quota } => (None, Some(quota.as_str()), None, None),
            Step::Refused(code) => (None, None, None, Some(code.as_str())),
            _ => (None, None, None, None),
        };
        MomentDocument {
            at: seconds(moment.at),
            run: moment.run,
            step: moment.step.code(),
            address: moment.address.as_ref(),
            calls,
            quota,
            until,
            code,
        }
    });
    let after = |at: Timestamp| {
        let since: SignedDuration = at.duration_since(shown.begun);
        seconds(Duration::try_from(since).unwrap_or_default())
    };
    let resources = rows.iter().map(|row| ResourceDocument {
        address: row.address,
        machine: &row.machine,
        incident: row.incident,
        stage: row.stage.code(),
        after: row.since.map(after),
    });
    let text = plan_json::pretty(&Document {
        project: shown.project,
        runbook: shown.runbook.map(|(runbook, _)| runbook),
        seed: shown.seed,
        faults: shown.faults,
        machines: shown.made_up,
        left_out: shown.left_out,
        runs: played.runs,
        seconds: seconds(played.took),
        calls: &played.calls,
        timeline: timeline.collect(),
        resources: resources.collect(),
        held,
        exit_code: shown.exit_code(held.is_some()),
    })?;
    Ok(text)
}
