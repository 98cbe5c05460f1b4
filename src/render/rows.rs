//! The rows of a plan as people read them, for the terminal and for the comment of a pull request: grouped by incident,
//! else by file, in the order of the files, with what many rows share said once.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::layout::Paint;
use super::{brief, messages, naming, status};
use crate::model::{Address, Call, Kind};
use crate::plan::{Action, Change, Plan, Reason, Warning};

/// How a row reads without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Sign {
    /// Its call is sent.
    Sent,
    /// Something that is there is changed or asked for anew.
    Changes,
    /// Recorded alone: taken over, moved or forgotten.
    Recorded,
    /// Something that was asked for is cancelled or resolved.
    Ends,
    /// A person has to decide.
    NeedsYou,
    /// Nothing yet.
    Waits,
    /// Nothing to do, or it runs.
    Nothing,
}

impl Sign {
    pub(super) fn of(action: Action) -> Sign {
        match action {
            Action::Create | Action::Retry => Sign::Sent,
            Action::Replace | Action::Update => Sign::Changes,
            Action::Cancel | Action::Resolve => Sign::Ends,
            Action::Adopt | Action::Move | Action::Forget => Sign::Recorded,
            Action::Wait => Sign::Waits,
            Action::Exhausted | Action::Unresolved => Sign::NeedsYou,
            Action::Differs | Action::NoOp => Sign::Nothing,
        }
    }

    /// Returns whether such rows stand behind those of which something comes in this run.
    fn comes_last(self) -> bool {
        matches!(self, Sign::NeedsYou | Sign::Waits | Sign::Nothing)
    }

    pub(super) fn shown(self) -> (&'static str, Paint) {
        match self {
            Sign::Sent => ("+", Paint::Good),
            Sign::Changes => ("~", Paint::Notice),
            Sign::Recorded => (">", Paint::Info),
            Sign::Ends => ("x", Paint::Bad),
            Sign::NeedsYou => ("?", Paint::Bad),
            Sign::Waits => (".", Paint::Faint),
            Sign::Nothing => ("=", Paint::Faint),
        }
    }
}

/// Returns whether a row waits for nothing but the end of what it asked for.
pub(super) fn is_running(change: &Change) -> bool {
    match &change.reason {
        Reason::Running { .. } => true,
        Reason::Saved { words } => change.action == Action::Wait && words.starts_with("still running"),
        _ => false,
    }
}

/// A row.
pub(super) struct Row<'a> {
    pub(super) change: &'a Change,
    pub(super) sign: Sign,
    /// Its kind, and its name too where the machine has several of the kind.
    pub(super) what: String,
    /// The name of its machine; its own where that is not known.
    pub(super) machine: String,
    /// The machine's operating system.
    pub(super) system: String,
    /// The presence of the machine; empty where nobody looked.
    pub(super) standing: String,
    /// The rest: words that make it stand out, what an alert says, why the row is what it is.
    pub(super) detail: String,
    /// The text that it has in common with its neighbours: a comment in quotes, or the triage that follows.
    pub(super) shared: String,
    /// The numbers of its notes.
    pub(super) marks: Vec<usize>,
}

/// Rows of one incident, or of one place.
pub(super) struct Group<'a> {
    /// Its incident; none for rows that belong to none.
    pub(super) incident: Option<&'a str>,
    /// Where it is declared.
    pub(super) place: String,
    pub(super) rows: Vec<Row<'a>>,
    /// How many rows are done.
    pub(super) done: usize,
    /// The machines whose collections run.
    pub(super) running: Vec<(String, &'a Change)>,
}

impl<'a> Group<'a> {
    fn new(key: Key<'a>, place: String, rows: Vec<Row<'a>>) -> Self {
        let incident = match key {
            Key::Incident(incident) => Some(incident),
            Key::Place(_) | Key::Undeclared => None,
        };
        Group { incident, place, rows, done: 0, running: Vec::new() }
    }
}

/// The words that many rows share.
#[derive(Default)]
pub(super) struct Notes {
    texts: Vec<(String, BTreeMap<Kind, usize>)>,
}

impl Notes {
    /// Returns the number of a note, from 1.
    fn number(&mut self, text: String, kind: Kind) -> usize {
        let at = self.texts.iter().position(|(known, _)| *known == text).unwrap_or_else(|| {
            self.texts.push((text, BTreeMap::new()));
            self.texts.len() - 1
        });
        if let Some((_, kinds)) = self.texts.get_mut(at) {
            *kinds.entry(kind).or_default() += 1;
        }
        at + 1
    }

    /// The texts in the order of their numbers; where a note holds for several rows, with their count.
    pub(super) fn told(&self) -> impl Iterator<Item = String> {
        self.texts.iter().map(|(text, kinds)| match kinds.values().sum() {
            1_usize => text.clone(),
            _ => format!("{}: {text}", kinds_of(kinds)),
        })
    }
}

/// `17 packages, 8 alerts`
pub(super) fn kinds_of(kinds: &BTreeMap<Kind, usize>) -> String {
    let part = |(kind, n): (&Kind, &usize)| messages::plural(*n, status::word(*kind));
    // Packages first: they are what most plans are about.
    kinds.iter().rev().map(part).collect::<Vec<_>>().join(", ")
}

/// The note of a machine that does not answer.
const OFFLINE: &str = "offline: the collection waits for the device, and may time out before it is back";

/// Returns the groups of a plan and the notes of their rows. `all` takes rows in that have nothing to do.
pub(super) fn groups(plan: &Plan, all: bool, now: Timestamp) -> (Vec<Group<'_>>, Notes) {
    // Most rows of most plans have nothing to do.
    if !all && plan.changes.iter().all(|c| c.action == Action::NoOp && c.warnings.is_empty()) {
        return (Vec::new(), Notes::default());
    }
    let label = Labels::of(plan);
    let counted = |c: &Change| c.warnings.is_empty() && (c.action == Action::NoOp || is_running(c));
    let (quiet, shown): (Vec<&Change>, Vec<&Change>) = plan.changes.iter().partition(|c| !all && counted(c));
    let folders = Folders::of(&shown);
    let mut order: Vec<Key<'_>> = Vec::new();
    let mut by_key: HashMap<Key<'_>, Vec<&Change>> = HashMap::new();
    for c in &shown {
        let key = folders.key(c);
        by_key.entry(key).or_insert_with(|| {
            order.push(key);
            Vec::new()
        });
        if let Some(rows) = by_key.get_mut(&key) {
            rows.push(*c);
        }
    }
    let first = |key: &Key<'_>| {
        let places = by_key.get(key).into_iter().flatten().map(|c| c.source.as_ref());
        // What no manifest declares any more comes last.
        places.map(|s| (s.is_none(), s)).min()
    };
    order.sort_by_key(first);
    let mut notes = Notes::default();
    let mut groups: Vec<Group<'_>> = order
        .iter()
        .map(|key| {
            let changes = by_key.get(key).map(Vec::as_slice).unwrap_or_default();
            group(*key, changes, &label, &mut notes, now)
        })
        .collect();
    let mut at: HashMap<Key<'_>, usize> = order.iter().enumerate().map(|(i, key)| (*key, i)).collect();
    // Rows that have nothing to do know no incident: they belong to the one of their place, or of their whole file.
    let mut of_place: HashMap<(&str, Option<u32>), Option<usize>> = HashMap::new();
    for c in &shown {
        let (Some(source), here) = (&c.source, at.get(&folders.key(c)).copied()) else { continue };
        for line in [Some(source.line), None] {
            let known = of_place.entry((&source.file, line)).or_insert(here);
            *known = known.filter(|known| Some(*known) == here);
        }
    }
    let by_place = |c: &Change| {
        let source = c.source.as_ref()?;
        let of = |line| of_place.get(&(&*source.file, line)).copied().flatten();
        of(Some(source.line)).or_else(|| of(None))
    };
    for c in quiet {
        let key = folders.key(c);
        let known = at.get(&key).copied().or_else(|| by_place(c));
        // What runs is never left out; what is done is counted at the end of the plan.
        if known.is_none() && !is_running(c) {
            continue;
        }
        let here = known.unwrap_or_else(|| {
            groups.push(Group::new(key, place(&[c]), Vec::new()));
            groups.len() - 1
        });
        at.insert(key, here);
        if let Some(group) = groups.get_mut(here) {
            match is_running(c) {
                true => group.running.push((label.machine(c), c)),
                false => group.done += 1,
            }
        }
    }
    (groups, notes)
}

/// The key that rows are grouped by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key<'a> {
    Incident(&'a str),
    /// A file, or a folder of files with a row each.
    Place(&'a str),
    Undeclared,
}

/// How many rows without an incident each file has.
struct Folders<'a>(HashMap<&'a str, usize>);

impl<'a> Folders<'a> {
    fn of(rows: &[&'a Change]) -> Self {
        let mut times = HashMap::new();
        for c in rows.iter().filter(|c| c.incident.is_none()) {
            if let Some(source) = &c.source {
                *times.entry(&*source.file).or_default() += 1;
            }
        }
        Folders(times)
    }

    fn key<'c>(&self, c: &'c Change) -> Key<'c> {
        match (c.incident.as_deref(), &c.source) {
            (Some(incident), _) => Key::Incident(incident),
            (None, None) => Key::Undeclared,
            (None, Some(source)) => {
                let several = self.0.get(&*source.file).is_some_and(|n| *n > 1);
                // A folder with a manifest for each host is one group.
                let folder = source.file.rsplit_once('/').map_or("", |(folder, _)| folder);
                Key::Place(if several { &source.file } else { folder })
            }
        }
    }
}

fn group<'a>(
    key: Key<'a>,
    changes: &[&'a Change],
    label: &Labels<'a>,
    notes: &mut Notes,
    now: Timestamp,
) -> Group<'a> {
    let mut rows: Vec<Row<'a>> = changes.iter().map(|c| row(c, label, now)).collect();
    // What is sent first, packages before alerts, and what shares a text together; else as the plan has them.
    let mut texts: Vec<&str> = Vec::new();
    for row in &rows {
        if !texts.contains(&&*row.shared) {
            texts.push(&row.shared);
        }
    }
    let rank: HashMap<String, usize> =
        texts.iter().enumerate().map(|(i, text)| ((*text).to_owned(), i)).collect();
    rows.sort_by_key(|r| {
        let is_alert = r.change.address.kind() == Kind::Alert;
        (r.sign.comes_last(), is_alert, rank.get(&r.shared).copied())
    });
    for row in &mut rows {
        let kind = row.change.address.kind();
        let offline = row.change.facts.as_ref().is_some_and(|f| !f.answers);
        let creates = row.change.action.creates() && kind == Kind::InvestigationPackage;
        let mut texts: Vec<String> = (offline && creates).then(|| OFFLINE.to_owned()).into_iter().collect();
        texts.extend(row.change.warnings.iter().map(|w| brief::warning(w, now)));
        row.marks = texts.into_iter().map(|text| notes.number(text, kind)).collect();
    }
    Group::new(key, place(changes), rows)
}

/// Where rows are declared: the place, the file or the number of files.
fn place(changes: &[&Change]) -> String {
    let mut places: Vec<_> = changes.iter().filter_map(|c| c.source.as_ref()).collect();
    places.sort();
    places.dedup();
    let Some(first) = places.first() else { return "no manifest declares these any more".into() };
    if places.len() == 1 {
        return format!("{}:{}", first.file, first.line);
    }
    let mut files: Vec<&str> = places.iter().map(|s| &*s.file).collect();
    files.dedup();
    match (files.as_slice(), first.file.rsplit_once('/')) {
        ([only], _) => (*only).to_owned(),
        (several, Some((folder, _))) if several.iter().all(|f| f.starts_with(&format!("{folder}/"))) => {
            format!("{folder}/ ({} files)", messages::number(several.len()))
        }
        (several, _) => format!("{} files", messages::number(several.len())),
    }
}

fn row<'a>(change: &'a Change, label: &Labels<'a>, now: Timestamp) -> Row<'a> {
    // An alert is raised whether its machine answers or not.
    let facts = change.facts.as_deref().filter(|_| change.address.kind() == Kind::InvestigationPackage);
    let system = facts.and_then(|f| f.os.as_deref()).map(naming::system).unwrap_or_default();
    let standing = facts.map(|f| brief::standing(f, now)).unwrap_or_default();
    let mut odd: Vec<&str> = change.warnings.iter().filter_map(brief::odd).collect();
    odd.dedup();
    let mut details: Vec<String> = (!odd.is_empty()).then(|| odd.join(", ")).into_iter().collect();
    let call = change.call.as_ref().and_then(|planned| planned.shown(&change.address));
    let mut shared = String::new();
    match &call {
        Some(Call::Collect { comment, .. }) => shared = format!("\"{comment}\""),
        Some(Call::Alert(alert)) => details.push(format!("{}  {}", alert.severity, alert.title)),
        None => {}
    }
    if let Some(follow_up) = change.call.as_ref().and_then(|call| call.follow_up.as_deref()) {
        shared = format!("then sets {}", messages::follow_up(follow_up));
    }
    details.extend(Some(brief::why(change, now)).filter(|why| !why.is_empty()));
    let detail = match is_running(change) {
        true => "running".to_owned(),
        false => details.join("; "),
    };
    Row {
        change,
        sign: if is_running(change) { Sign::Nothing } else { Sign::of(change.action) },
        what: label.what(change),
        machine: label.machine(change),
        system,
        standing,
        detail,
        shared,
        marks: Vec::new(),
    }
}

/// The names by which people know the rows of a plan.
pub(super) struct Labels<'a> {
    machines: HashMap<&'a Address, String>,
    times: HashMap<(String, Kind), usize>,
}

impl<'a> Labels<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let name = |c: &'a Change| {
            let listed = c.facts.as_ref().and_then(|f| f.name.as_deref());
            c.machine_name.as_deref().or(listed).filter(|name| !name.is_empty())
        };
        let machines = naming::shortest(plan.changes.iter().filter_map(|c| Some((&c.address, name(c)?))));
        let mut label = Labels { machines, times: HashMap::new() };
        for c in plan.changes.iter().filter(|c| c.action != Action::NoOp) {
            let key = (label.machine(c), c.address.kind());
            *label.times.entry(key).or_default() += 1;
        }
        label
    }

    /// The machine of a row, by the shortest name that means no other one; the name of the resource where that is not
    /// known.
    pub(super) fn machine(&self, c: &Change) -> String {
        self.machines.get(&c.address).cloned().unwrap_or_else(|| {
            let shown = c.shown.as_ref().and_then(|s| s.parse::<Address>().ok());
            let address = shown.unwrap_or_else(|| c.address.clone());
            address.parts().map_or_else(|| address.name(), |(_, inner)| inner).to_owned()
        })
    }

    /// Returns whether the name of a row's machine is known.
    pub(super) fn knows(&self, c: &Change) -> bool {
        self.machines.contains_key(&c.address)
    }

    /// Describes a row, its machine left out.
    pub(super) fn what(&self, c: &Change) -> String {
        let word = status::word(c.address.kind());
        let several = self.times.get(&(self.machine(c), c.address.kind())).is_some_and(|n| *n > 1);
        if several { format!("{word} {}", c.address.name()) } else { word.to_owned() }
    }
}

/// Returns whether words of a row make it stand out: they are painted.
pub(super) fn is_odd(change: &Change) -> bool {
    let offline = change.facts.as_ref().is_some_and(|f| !f.answers);
    offline && change.address.kind() == Kind::InvestigationPackage
        || change.warnings.iter().any(|w: &Warning| brief::odd(w).is_some())
}
