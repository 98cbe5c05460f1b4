//! A run as people watch it: where each resource of its plan stands, a line a resource, and what came of all of them at
//! the end. Events are folded into it; it knows no clock and no terminal.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::age::{ahead, duration};
use super::layout::{Paint, Paragraph, columns};
use super::{Style, brief, event, messages, rows, status, ways_out};
use crate::engine::{Event, Progress};
use crate::model::{Address, Kind, first_label};
use crate::plan::{Action, Change, Plan};
use crate::state::Object;

/// Where a resource stands in a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    Queued,
    Sending,
    Accepted,
    Running,
    Busy,
    /// After what it is sent.
    Held,
    Throttled(Timestamp),
    NoAnswer(Timestamp),
    Unsent,
    Refused(String),
    Failed(&'static str),
    Cancelled,
    /// How many seconds the collection took, as far as the service tells.
    Done(Option<u64>),
    Raised,
    /// A cancellation, or a change of an alert, was carried out.
    Changed(&'static str),
    Fetching,
    Fetched,
    NotFetched,
}

impl Stage {
    /// The stage of an object, as the service shows it.
    fn of(kind: Kind, object: &Object) -> Stage {
        match (kind, object.status.as_str()) {
            (Kind::Alert, _) => Stage::Raised,
            (_, "InProgress") => Stage::Running,
            (_, "Succeeded") => Stage::Done(took(object)),
            (_, "TimeOut") => Stage::Failed("timed out"),
            (_, "Failed") => Stage::Failed("failed"),
            (_, "Cancelled") => Stage::Cancelled,
            _ => Stage::Accepted,
        }
    }

    /// The word that resources are counted by.
    fn word(&self) -> &'static str {
        match self {
            Stage::Queued => "not sent yet",
            Stage::Sending => "under way",
            Stage::Accepted => "accepted",
            Stage::Running => "running",
            Stage::Busy => "waiting",
            Stage::Held => "held back",
            Stage::Throttled(_) => "throttled",
            Stage::NoAnswer(_) => "without an answer",
            Stage::Unsent => "not sent",
            Stage::Refused(_) => "refused",
            Stage::Failed(_) => "failed",
            Stage::Cancelled => "cancelled",
            Stage::Done(_) => "done",
            Stage::Raised => "raised",
            Stage::Changed(word) => word,
            Stage::Fetching => "fetching",
            Stage::Fetched => "fetched",
            Stage::NotFetched => "not fetched",
        }
    }

    fn paint(&self) -> Paint {
        match self {
            Stage::Refused(_) | Stage::Failed(_) | Stage::NotFetched => Paint::Bad,
            Stage::Done(_) | Stage::Raised | Stage::Changed(_) | Stage::Fetched => Paint::Good,
            Stage::Running | Stage::Accepted | Stage::Sending | Stage::Fetching => Paint::Info,
            Stage::Queued | Stage::Cancelled => Paint::Faint,
            _ => Paint::Notice,
        }
    }

    /// Smaller is more worth a line where there is no room for all.
    fn rank(&self) -> u8 {
        match self {
            Stage::Refused(_) | Stage::Failed(_) | Stage::NotFetched | Stage::Unsent => 0,
            Stage::NoAnswer(_) | Stage::Throttled(_) | Stage::Busy => 1,
            Stage::Running | Stage::Accepted | Stage::Sending | Stage::Fetching => 2,
            Stage::Held | Stage::Cancelled => 3,
            Stage::Queued => 4,
            _ => 5,
        }
    }

    fn still_runs(&self) -> bool {
        matches!(self, Stage::Accepted | Stage::Running | Stage::Busy)
    }
}

/// Returns how many seconds a collection took, by the service's clock.
pub(super) fn took(object: &Object) -> Option<u64> {
    let (from, to) = (object.created_at.as_ref()?.instant(), object.updated_at.as_ref()?.instant());
    u64::try_from(to.duration_since(from).as_secs()).ok()
}

/// A resource of the run.
#[derive(Clone, Debug)]
struct Row {
    address: Address,
    machine: String,
    what: String,
    group: String,
    /// How the machine stands, if it will not answer now.
    offline: Option<String>,
    stage: Stage,
    /// Since when, by our clock.
    since: Option<Timestamp>,
    /// It was there, and counts as this one.
    taken: bool,
    /// An alert that this run raised, whatever it changed of it then.
    raised: bool,
    /// A collection that was seen to succeed, whatever became of its package then.
    succeeded: bool,
}

/// A run.
#[derive(Clone, Debug, Default)]
pub struct Board {
    rows: Vec<Row>,
    at: HashMap<Address, usize>,
    /// The names of all rows of the plan that something is to do about.
    named: HashMap<Address, (String, String)>,
    /// Rows whose machines have no name yet: the service tells it with the answer.
    nameless: HashSet<Address>,
    began: Option<Timestamp>,
    /// Seconds that collections took before.
    median: Option<u64>,
    /// When collections were asked for in this run, the last minute's.
    asked: VecDeque<Timestamp>,
    per_minute: Option<u32>,
    /// The present step of the run; none before its first call.
    step: Option<Progress>,
    /// Rows that are recorded without a call and without an event.
    recorded: BTreeMap<&'static str, usize>,
    needy: Vec<String>,
    /// The project's folder, if `-C` named it: commands that are told name it too.
    folder: Option<String>,
}

impl Board {
    /// A run that carries out a plan. `per_minute` is how many collections its project allows in a minute.
    pub fn new(plan: &Plan, per_minute: Option<u32>, now: Timestamp) -> Self {
        let label = rows::Labels::of(plan);
        let mut board = Board { per_minute, ..Board::default() };
        board.median = plan.forecast.as_ref().and_then(|f| f.typical).map(|t| t.seconds);
        for c in plan.changes.iter().filter(|c| c.action != Action::NoOp) {
            board.named.insert(c.address.clone(), (label.machine(c), label.what(c)));
            if !label.knows(c) {
                board.nameless.insert(c.address.clone());
            }
            match c.action {
                Action::Forget => *board.recorded.entry("forgotten").or_default() += 1,
                Action::Move => *board.recorded.entry("renamed").or_default() += 1,
                Action::Unresolved | Action::Exhausted => board.needy.push(label.machine(c)),
                _ => {}
            }
        }
        let (groups, _) = rows::groups(plan, false, now);
        for group in &groups {
            let title = group.incident.map_or_else(|| group.place.clone(), str::to_owned);
            let shown = group.rows.iter().map(|row| row.change);
            let running = group.running.iter().map(|(_, change)| *change);
            let has_part = |c: &&Change| c.call.is_some() || c.action == Action::Adopt;
            for c in shown.filter(has_part).chain(running) {
                let offline = c.facts.as_ref().filter(|f| !f.answers).map(|f| brief::standing(f, now));
                let stage = if rows::is_running(c) { Stage::Running } else { Stage::Queued };
                board.add(c.address.clone(), title.clone(), offline, stage);
            }
        }
        board
    }

    /// The same, told to a person who named the project's folder by `-C`.
    #[must_use]
    pub fn told_from(self, folder: Option<&str>) -> Self {
        Board { folder: folder.map(str::to_owned), ..self }
    }

    /// A command of ours as it is typed where the person is.
    pub(super) fn command(&self, command: &str) -> String {
        ways_out::from_folder(command, self.folder.as_deref())
    }

    fn add(&mut self, address: Address, group: String, offline: Option<String>, stage: Stage) -> usize {
        let (machine, what) = self.name(&address);
        self.at.insert(address.clone(), self.rows.len());
        self.rows.push(Row {
            address,
            machine,
            what,
            group,
            offline,
            stage,
            since: None,
            taken: false,
            raised: false,
            succeeded: false,
        });
        self.rows.len() - 1
    }

    /// The name of a resource's machine, and what the resource is.
    pub(super) fn name(&self, address: &Address) -> (String, String) {
        self.named.get(address).cloned().unwrap_or_else(|| {
            let name = address.parts().map_or_else(|| address.name(), |(_, inner)| inner);
            (name.to_owned(), status::word(address.kind()).to_owned())
        })
    }

    /// How a machine stands, if it will not answer now.
    pub(super) fn offline(&self, address: &Address) -> Option<&str> {
        self.at.get(address).and_then(|at| self.rows.get(*at))?.offline.as_deref()
    }

    /// Columns of the longest names of machines and resources.
    pub(super) fn widths(&self) -> (usize, usize) {
        const MOST: usize = 24;
        let rows = || self.rows.iter();
        let widest = |of: &dyn Fn(&Row) -> &str| {
            rows().map(|r| columns(of(r))).filter(|w| *w <= MOST).max().unwrap_or(0)
        };
        (widest(&|r| &r.machine), widest(&|r| &r.what))
    }

    /// Takes in what happened.
    pub fn note(&mut self, progress: &Progress) {
        match progress {
            Progress::Event(event) => self.happened(event),
            step => self.step = Some(step.clone()),
        }
    }

    /// Takes the name of a machine from the service's answer, if it was not known.
    fn learn(&mut self, address: &Address, object: &Object) {
        let Some(name) = object.computer_dns_name.as_deref().filter(|name| !name.is_empty()) else { return };
        if self.nameless.remove(address) {
            let name = first_label(name).to_ascii_lowercase();
            if let Some(row) = self.at.get(address).and_then(|at| self.rows.get_mut(*at)) {
                row.machine.clone_from(&name);
            }
            if let Some((machine, _)) = self.named.get_mut(address) {
                *machine = name;
            }
        }
    }

    fn happened(&mut self, event: &Event) {
        if let Event::Accepted { address, object, .. }
        | Event::Adopted { address, object, .. }
        | Event::Observed { address, object, .. } = event
        {
            self.learn(address, object);
        }
        let (at, address, stage) = match event {
            Event::Planned { at, .. } => {
                self.began = Some(*at);
                return;
            }
            Event::Intent { at, address, action, .. } => {
                if action.creates() && address.kind() == Kind::InvestigationPackage {
                    self.asked.push_back(*at);
                }
                (at, address, Stage::Sending)
            }
            Event::Accepted { at, address, action, object } => {
                let stage = match action {
                    Action::Cancel if object.status == "Cancelled" => Stage::Changed("cancelled"),
                    Action::Cancel => Stage::Changed("cancel accepted"),
                    Action::Resolve => Stage::Changed("resolved"),
                    Action::Update => Stage::Changed("triage set"),
                    _ => Stage::of(address.kind(), object),
                };
                (at, address, stage)
            }
            Event::Busy { at, address, .. } => (at, address, Stage::Busy),
            Event::Adopted { at, address, object, .. } | Event::Observed { at, address, object } => {
                (at, address, Stage::of(address.kind(), object))
            }
            Event::Rejected { at, address, error, .. } => {
                (at, address, Stage::Refused(brief::refused(error)))
            }
            Event::Throttled { at, address, until, .. } => (at, address, Stage::Throttled(*until)),
            Event::Unsent { at, address, .. } => (at, address, Stage::Unsent),
            Event::Unknown { at, address, until, .. } => (at, address, Stage::NoAnswer(*until)),
            Event::Held { at, address, .. } => (at, address, Stage::Held),
            Event::Fetching { at, address, .. } => (at, address, Stage::Fetching),
            Event::Fetched { at, address, .. } => (at, address, Stage::Fetched),
            Event::FetchFailed { at, address, .. } => (at, address, Stage::NotFetched),
            Event::Stopped { .. } | Event::Late { .. } | Event::Executed { .. } | Event::Summary { .. } => {
                return;
            }
        };
        let known = self.at.get(address).copied();
        // What other runs began is looked at on the way, and no part of this one.
        if known.is_none() && matches!(event, Event::Observed { .. }) {
            return;
        }
        let row = known.unwrap_or_else(|| self.add(address.clone(), String::new(), None, Stage::Queued));
        if let Some(row) = self.rows.get_mut(row) {
            row.taken |= matches!(event, Event::Adopted { ours: false, .. });
            row.raised |= stage == Stage::Raised && matches!(event, Event::Accepted { .. });
            row.succeeded |= matches!(stage, Stage::Done(_));
            if row.stage != stage {
                (row.stage, row.since) = (stage, Some(*at));
            }
        }
    }

    /// The table of a run that goes on, at most so many lines, and what it does now below it.
    pub fn draw(&self, style: Style, height: usize, now: Timestamp) -> String {
        let mut out = self.table(style, height.saturating_sub(1), now);
        let footer = self.footer(now);
        if !footer.is_empty() {
            Paragraph::new(0, 0).push(Paint::Faint, footer).write_cut(style, &mut out);
        }
        out
    }

    /// The table of all resources, at most so many lines: where there is no room for all, the rest is counted.
    pub fn table(&self, style: Style, height: usize, now: Timestamp) -> String {
        let shown = self.chosen(height);
        let (machine, what) = self.widths();
        let mut out = String::new();
        let mut group = "";
        for row in shown.iter().filter_map(|i| self.rows.get(*i)) {
            if row.group != group {
                group = &row.group;
                Paragraph::new(0, 0).push(Paint::Strong, group).write_cut(style, &mut out);
            }
            Paragraph::new(2, 2)
                .push(Paint::Strong, format!("{:machine$}  ", row.machine))
                .text(format!("{:what$}  ", row.what))
                .push(row.stage.paint(), self.told(row, now))
                .write_cut(style, &mut out);
        }
        if shown.len() < self.rows.len() {
            let rest = (0..self.rows.len()).filter(|i| shown.binary_search(i).is_err());
            let mut counts: BTreeMap<(u8, &str), usize> = BTreeMap::new();
            let mut all = 0_usize;
            for row in rest.filter_map(|i| self.rows.get(i)) {
                *counts.entry((row.stage.rank(), row.stage.word())).or_default() += 1;
                all += 1;
            }
            let counts: Vec<String> =
                counts.into_iter().map(|((_, word), n)| format!("{n} {word}")).collect();
            let text = format!("{all} more: {}", counts.join(", "));
            Paragraph::new(0, 0).push(Paint::Faint, text).write_cut(style, &mut out);
        }
        out
    }

    /// The rows that are shown in so many lines, in their order: first what went wrong, then what moves.
    fn chosen(&self, height: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.rows.len()).collect();
        let titles = self.rows.chunk_by(|a, b| a.group == b.group).count();
        if self.rows.len() + titles <= height {
            return all;
        }
        all.sort_by_key(|i| self.rows.get(*i).map(|r| r.stage.rank()));
        all.truncate(height.saturating_sub(titles + 1).max(1));
        all.sort_unstable();
        all
    }

    fn told(&self, row: &Row, now: Timestamp) -> String {
        let elapsed = row.since.map(|at| {
            let seconds = now.duration_since(at).as_secs().max(0);
            duration(seconds.unsigned_abs())
        });
        let elapsed = elapsed.map(|t| format!(" {t}")).unwrap_or_default();
        match (&row.stage, &row.offline) {
            (Stage::Queued, Some(offline)) => format!("not sent yet, {offline}"),
            (Stage::Sending, _) => "sending".into(),
            (Stage::Accepted, Some(offline)) => format!("asked{elapsed} ago, {offline}"),
            (Stage::Accepted, None) => format!("accepted{elapsed}"),
            (Stage::Running, _) => match self.median {
                Some(median) => format!("running{elapsed}, median {}", duration(median)),
                None => format!("running{elapsed}"),
            },
            (Stage::Busy, _) => "waits, machine busy".into(),
            (Stage::Throttled(until), _) => format!("throttled, goes on {}", ahead(now, *until)),
            (Stage::NoAnswer(until), _) => format!("no answer, looked up {}", ahead(now, *until)),
            (Stage::Refused(why), _) => format!("refused: {why}"),
            (Stage::Failed(how), _) if *how != "failed" => format!("failed, {how}"),
            (Stage::Done(Some(seconds)), _) => format!("done, {}", duration(*seconds)),
            (stage, _) => stage.word().into(),
        }
    }

    /// The present step of the run, and what a signal would stop.
    fn footer(&self, now: Timestamp) -> String {
        let mut parts: Vec<String> = Vec::new();
        let recent = |at: &&Timestamp| now.duration_since(**at) < SignedDuration::from_mins(1);
        let asked = self.asked.iter().filter(recent).count();
        if let Some(limit) = self.per_minute.filter(|_| asked > 0) {
            parts.push(format!("quota {asked} of {limit} this minute"));
        }
        let hint = match &self.step {
            None => return String::new(),
            Some(Progress::Following { next, .. }) => {
                parts.push(format!("next look {}", ahead(now, *next)));
                "Ctrl-C stops watching"
            }
            Some(Progress::Started { .. }) => "Ctrl-C stops sending",
            Some(Progress::Fetching { .. }) => {
                parts.push(self.waits(now));
                "Ctrl-C stops fetching"
            }
            Some(_) => {
                parts.push(self.waits(now));
                "Ctrl-C stops sending"
            }
        };
        format!("{}   {hint}", parts.join(", ")).trim_start().to_owned()
    }

    fn waits(&self, now: Timestamp) -> String {
        match &self.step {
            None => String::new(),
            Some(progress) => {
                let plain = Style { width: usize::MAX, color: false, verbose: 0 };
                event::progress(progress, plain, now)
            }
        }
    }

    /// Writes the results of the run in one sentence: `16 packages succeeded, 1 refused (hr-ws-019: OS not supported)`.
    pub(super) fn outcome(&self, at: Timestamp) -> Vec<String> {
        let mut parts: Vec<String> = Vec::new();
        let of = |is: &dyn Fn(&Row) -> bool| self.rows.iter().filter(|r| is(r)).collect::<Vec<_>>();
        let package = |r: &Row| r.address.kind() == Kind::InvestigationPackage;
        let mut count = |rows: Vec<&Row>, one: &str, many: &str, name: Option<&dyn Fn(&Row) -> String>| {
            let word = if rows.len() == 1 { one } else { many };
            let named = match name {
                Some(name) => format!(" ({})", messages::first(&rows, NAMED, |r| name(r))),
                None => String::new(),
            };
            if !rows.is_empty() {
                parts.push(format!("{} {word}{named}", messages::number(rows.len())));
            }
        };
        let machine = |r: &Row| r.machine.clone();
        let why = |r: &Row| match &r.stage {
            Stage::Refused(why) => format!("{}: {why}", r.machine),
            Stage::Failed(how) if *how != "failed" => format!("{}: {how}", r.machine),
            _ => r.machine.clone(),
        };
        let done = of(&|r| package(r) && r.succeeded);
        count(done, "package succeeded", "packages succeeded", None);
        let fetched = of(&|r| r.stage == Stage::Fetched);
        count(fetched, "package fetched", "packages fetched", None);
        let moves = |r: &Row| matches!(r.stage, Stage::Accepted | Stage::Running) && r.since.is_some();
        let accepted = of(&|r| package(r) && moves(r) && !r.taken);
        count(accepted, "package accepted", "packages accepted", None);
        count(of(&|r| r.raised), "alert raised", "alerts raised", None);
        let taken = of(&|r| r.taken && (moves(r) || r.stage == Stage::Raised));
        count(taken, "taken over", "taken over", Some(&machine));
        for (word, one, many) in [
            ("cancelled", "cancelled", "cancelled"),
            ("cancel accepted", "cancel accepted", "cancels accepted"),
            ("resolved", "alert resolved", "alerts resolved"),
            ("triage set", "triage set", "triages set"),
        ] {
            count(of(&|r| r.stage == Stage::Changed(word)), one, many, None);
        }
        count(of(&|r| matches!(r.stage, Stage::Failed(_))), "failed", "failed", Some(&why));
        count(of(&|r| matches!(r.stage, Stage::Refused(_))), "refused", "refused", Some(&why));
        count(
            of(&|r| r.stage == Stage::Cancelled),
            "cancelled by somebody",
            "cancelled by somebody",
            Some(&machine),
        );
        count(of(&|r| r.stage == Stage::Busy), "busy", "busy", Some(&machine));
        let unknown = of(&|r| matches!(r.stage, Stage::NoAnswer(_)));
        count(unknown, "without an answer", "without an answer", Some(&machine));
        let unsent = of(&|r| matches!(r.stage, Stage::Throttled(_) | Stage::Unsent));
        count(unsent, "not sent", "not sent", Some(&machine));
        count(of(&|r| r.stage == Stage::Held), "held back", "held back", Some(&machine));
        count(of(&|r| r.stage == Stage::NotFetched), "not fetched", "not fetched", Some(&machine));
        parts.extend(self.recorded.iter().map(|(word, n)| format!("{} {word}", messages::number(*n))));
        if parts.is_empty() {
            parts.push("nothing was sent".into());
        } else if let Some(began) = self.began {
            let seconds = at.duration_since(began).as_secs().max(0).unsigned_abs();
            parts.push(format!("in {}", duration(seconds)));
        }
        parts
    }

    /// The machines of what still runs.
    pub(super) fn still_running(&self) -> Vec<String> {
        let runs = self.rows.iter().filter(|r| r.stage.still_runs() && r.address.kind() != Kind::Alert);
        runs.map(|r| match &r.offline {
            Some(offline) => format!("{} ({offline})", r.machine),
            None => r.machine.clone(),
        })
        .collect()
    }

    /// The machines of rows that wait for a person.
    pub(super) fn needy(&self) -> &[String] {
        &self.needy
    }

    /// Returns whether anything is done whose package is not held.
    pub(super) fn is_to_fetch(&self) -> bool {
        self.rows.iter().any(|r| matches!(r.stage, Stage::Done(_)))
    }

    /// Returns whether a call failed or was refused in this run.
    pub(super) fn failed(&self) -> bool {
        let bad = |s: &Stage| matches!(s, Stage::Failed(_) | Stage::Refused(_) | Stage::NotFetched);
        self.rows.iter().any(|r| bad(&r.stage))
    }
}

/// Machines that a part of the last sentence names.
const NAMED: usize = 3;
