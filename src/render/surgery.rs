//! Surgery in words: what was found, taken over, removed or rebuilt, and the findings of `verify`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::age::ago;
use super::fetch::{self, EvidenceDocument};
use super::layout::{Paint, Paragraph};
use super::{Style, commands, escape, messages, plan_json, ways_out};
use crate::engine::Report;
use crate::engine::surgery::{Discovered, Forbidden, Over};
use crate::evidence::Checked;
use crate::model::{Address, Sha256Hex};
use crate::plan::Plan;
use crate::plan::names::shown_in;
use crate::state::snapshot::SnapshotError;
use crate::state::{Damage, Finding, Note, Object, Phase, Rebuild, Seq, State, Verified};

/// How many resources that stand alike have a line each, and how many are named where there are more.
const ALIKE: (usize, usize) = (10, 3);

/// Writes what `cancel` leaves out: what is over has what was wanted, and the rest needs another command first.
pub fn left_out(state: &State, over: &[Over], held: &[Forbidden], style: Style) -> String {
    let names = shown_in(state);
    let mut out = String::new();
    let mut alike: BTreeMap<(Phase, bool), Vec<String>> = BTreeMap::new();
    for over in over {
        let name = names.get(&over.address).cloned().unwrap_or_else(|| over.address.to_string());
        alike.entry((over.phase, over.meanwhile)).or_default().push(name);
    }
    for ((phase, meanwhile), names) in alike {
        let when = if meanwhile { " meanwhile" } else { "" };
        let lines = match names.len() > ALIKE.0 && style.verbose == 0 {
            true => vec![messages::first(&names, ALIKE.1, String::clone)],
            false => names,
        };
        for line in lines {
            Paragraph::new(0, 2)
                .push(Paint::Strong, line)
                .text(format!(": {phase}{when}, so there is nothing to cancel"))
                .write(style, &mut out);
        }
    }
    for forbidden in held {
        Paragraph::new(0, 2)
            .push(Paint::Bad, "not cancelled: ")
            .text(in_words(&forbidden.to_string(), state))
            .write(style, &mut out);
        commands::next(&[ways_out::of_forbidden(forbidden)], 2, style, &mut out);
    }
    out
}

/// A text with the addresses of groups as people see them: by the names of machines.
pub fn in_words(text: &str, state: &State) -> String {
    named(text, shown_in(state).iter().map(|(address, name)| (*address, name.as_str())))
}

/// A text with other names for the addresses in it.
pub fn named<'a>(text: &str, names: impl Iterator<Item = (&'a Address, &'a str)>) -> String {
    // No address of a group stands in a text without its bracket.
    if !text.contains('[') {
        return text.to_owned();
    }
    names.fold(text.to_owned(), |text, (address, name)| {
        let address = address.to_string();
        if text.contains(&address) { text.replace(&address, name) } else { text }
    })
}

/// Writes what was cancelled and runs on: what to do about each, by whether the service has accepted the cancel. Empty if there
/// is none.
pub fn still_running(state: &State, plan: &Plan, report: &Report) -> Option<String> {
    let rows = plan.changes.iter().filter(|c| report.attention.contains(&c.address));
    let lines = rows.filter_map(|c| {
        let r = state.resources.get(&c.address)?;
        let accepted = r.side.is_none() && r.error.is_none();
        Some(match accepted {
            true => format!(
                "{}: the service accepted the cancel, and the collection still runs; next: casefile status {} shows \
                 what becomes of it",
                c.shown(),
                ways_out::shell(&c.shown())
            ),
            false => format!(
                "{}: the collection still runs; next: {}",
                c.shown(),
                ways_out::cancel_again("ask once more", &c.shown()).command()
            ),
        })
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// `import ADDRESS ID` is done.
pub fn imported(address: &Address, object: &Object, style: Style) -> String {
    let mut out = String::new();
    Paragraph::new(0, 2)
        .text("Imported ")
        .push(Paint::Strong, address.to_string())
        .text(format!(": {}. It counts as adopted, with the manifest's text.", of(object)))
        .write(style, &mut out);
    out
}

/// What `import --discover` found: one line for each manifest that the state does not know.
pub fn discovered(found: &Discovered, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    let total = found.matches.len() + found.ambiguous.len() + found.unmatched.len();
    if total == 0 {
        Paragraph::new(0, 2)
            .text("The state knows every declared resource: nothing to search for.")
            .write(style, &mut out);
        return out;
    }
    let head = |n: usize, text: &str, out: &mut String| {
        if n > 0 {
            Paragraph::new(0, 2)
                .push(Paint::Strong, format!("{} {text}", messages::number(n)))
                .write(style, out);
        }
    };
    head(found.matches.len(), "with exactly one match at the service", &mut out);
    for (address, object) in &found.matches {
        line("=", Paint::Info, address, &described(object, now), style, &mut out);
    }
    // One alone is only in doubt because the service does not tell its machine.
    let (untold, several): (Vec<_>, Vec<_>) =
        found.ambiguous.iter().partition(|(_, objects)| objects.len() == 1);
    for (doubts, told, question) in [
        (several, "with several matches: none of them is taken", "which of these is it?"),
        (untold, "with a match whose machine is not told: none of them is taken", "is it this one?"),
    ] {
        head(doubts.len(), told, &mut out);
        for (address, objects) in doubts {
            line("!", Paint::Bad, address, question, style, &mut out);
            for object in objects {
                Paragraph::new(6, 8).text(described(object, now)).write(style, &mut out);
            }
            let next = ways_out::Next::new("take the right one over", "casefile import");
            commands::next(&[next.with(&address.to_string()).with("ID")], 6, style, &mut out);
        }
    }
    head(found.unmatched.len(), "without a match: apply would ask for them", &mut out);
    for address in &found.unmatched {
        line(" ", Paint::Faint, address, "", style, &mut out);
    }
    out
}

/// `import --discover` has recorded its matches.
pub fn taken_over(found: &Discovered, style: Style) -> String {
    let mut out = String::new();
    let taken = messages::resources(found.matches.len());
    Paragraph::new(0, 2).push(Paint::Strong, format!("Imported {taken}.")).write(style, &mut out);
    if !found.ambiguous.is_empty() {
        let left = messages::resources(found.ambiguous.len());
        Paragraph::new(0, 2)
            .push(
                Paint::Bad,
                format!("{left} left: the next apply asks for them again unless they are imported."),
            )
            .write(style, &mut out);
    }
    out
}

/// `state rm` is done.
pub fn removed(address: &Address, declared: bool, style: Style) -> String {
    let after = if declared {
        "A manifest still declares it: the next apply asks for it again, unless the service shows that it is done."
    } else {
        "What it made stays at the service."
    };
    said("Removed ", address, &format!(" from the state. {after}"), style)
}

/// `state mv` is done.
pub fn renamed(from: &Address, to: &Address, declared: bool, style: Style) -> String {
    let after = if declared { "" } else { " No manifest declares it yet: the next apply forgets it." };
    said("Moved ", from, &format!(" to {to}.{after}"), style)
}

/// `state rename-project` is done. `begun`: there is a state.
pub fn project_renamed(begun: bool, old: Option<&str>, new: &str, style: Style) -> String {
    let mut out = String::new();
    let text = match old {
        _ if !begun => "There is no state yet: nothing to rename.".to_owned(),
        Some(old) if old == new => format!("The state belongs to the project {new} already."),
        Some(old) => format!("The state belongs to the project {new} now; it was {}.", escape::one_line(old)),
        None => format!("The state belongs to the project {new} now."),
    };
    Paragraph::new(0, 2).text(text).write(style, &mut out);
    out
}

fn said(verb: &str, address: &Address, rest: &str, style: Style) -> String {
    let mut out = String::new();
    Paragraph::new(0, 2)
        .text(verb)
        .push(Paint::Strong, address.to_string())
        .text(rest)
        .write(style, &mut out);
    out
}

/// Says that `state migrate` has moved a state.
pub fn migrated(to: &str, style: Style) -> String {
    let mut out = String::new();
    let text =
        format!("The state is kept at {to} now. Write `url: \"{to}\"` under `state` in casefile.yaml.");
    Paragraph::new(0, 2).text(text).write(style, &mut out);
    out
}

/// Says that the old place of a state that moved cannot say so.
pub fn left_open(style: Style) -> String {
    let mut out = String::new();
    let text = "The old place cannot be read, so nothing could be recorded there: whoever restores it would go on without \
                what is recorded from now on. Remove it, or let nobody write there.";
    Paragraph::new(0, 2).text(text).write(style, &mut out);
    out
}

/// Says that `state pull` has copied a state.
pub fn pulled(folder: &str, seq: Seq, resources: usize, style: Style) -> String {
    let mut out = String::new();
    let size = format!("{} of {} records", messages::resources(resources), grouped(seq));
    Paragraph::new(0, 2).text(format!("The state was copied into {folder}: {size}.")).write(style, &mut out);
    out
}

/// What `state rebuild` did.
pub fn rebuilt(rebuilt: Option<&Rebuild>, style: Style) -> String {
    let mut out = String::new();
    let mut say = |text: String| Paragraph::new(0, 2).text(text).write(style, &mut out);
    let Some(rebuilt) = rebuilt else {
        say("There is no state yet: nothing to rebuild.".into());
        return out;
    };
    let size = format!("{} of {} records", messages::resources(rebuilt.resources), grouped(rebuilt.seq));
    let Some(accepted) = &rebuilt.accepted else {
        say(format!("state.json was made anew from the journal: {size}."));
        return out;
    };
    say(format!("Accepted: {}.", accepted.damage));
    let before = usize::try_from(accepted.before).unwrap_or(usize::MAX);
    let mut from = vec![messages::plural(before, "record") + " before it"];
    if accepted.snapshot {
        from.push("a newer state.json".into());
    }
    if accepted.salvaged > 0 {
        from.push(messages::plural(accepted.salvaged, "intact line") + " behind it");
    }
    say(format!("The state was taken from {}: {size}.", from.join(", ")));
    if accepted.lost > 0 {
        let lost = messages::plural(accepted.lost, "line");
        say(format!(
            "{lost} could not be read: what nothing else tells is forgotten, and may be asked for again."
        ));
    }
    for name in &accepted.kept {
        say(format!("Kept as it was: {name}"));
    }
    let next = ways_out::Next::new("see what the state leads to", "casefile plan");
    commands::next(&[next], 0, style, &mut out);
    out
}

/// The findings of `verify`.
pub fn verified(verified: &Verified, style: Style) -> String {
    let mut out = String::new();
    for finding in &verified.findings {
        Paragraph::new(0, 2).push(Paint::Bad, "! ").text(format!("{finding}")).write(style, &mut out);
        Paragraph::new(2, 4).push(Paint::Faint, "next: ").text(next(finding)).write(style, &mut out);
    }
    for note in &verified.notes {
        Paragraph::new(0, 2)
            .push(Paint::Faint, "  ")
            .text(format!("{note}: the next casefile apply puts it right"))
            .write(style, &mut out);
    }
    let records = messages::plural(usize::try_from(verified.records).unwrap_or(usize::MAX), "record");
    let text = match (verified.findings.is_empty(), verified.records) {
        (true, 0) => "There is no state yet: nothing to verify.".to_owned(),
        (true, _) if verified.notes.contains(&Note::SnapshotMissing) => {
            format!("The journal is sound: {records}.")
        }
        (true, _) => format!("The journal is sound: {records}, and state.json is what they say."),
        (false, _) => format!("{} sound before the first fault.", records),
    };
    Paragraph::new(0, 2).push(Paint::Strong, text).write(style, &mut out);
    if verified.records > 0 {
        Paragraph::new(0, 2).push(Paint::Faint, format!("head {}", verified.head)).write(style, &mut out);
    }
    out
}

/// `verify --format json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyDocument {
    /// The version of this format.
    pub format_version: u32,
    /// How many good records there are before the first fault.
    pub records: Seq,
    /// The hash of the last of them. Kept elsewhere, it shows later that nothing before it changed.
    pub head: Sha256Hex,
    /// What is not as it should be.
    pub findings: Vec<FindingDocument>,
    /// The things that the next `apply` puts right; no faults.
    pub notes: Vec<NoteDocument>,
    /// The packages that are held, if they were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceDocument>,
}

/// One note.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoteDocument {
    /// A stable name.
    pub code: &'static str,
    /// In words for a person; they may change.
    pub message: String,
}

/// One finding.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingDocument {
    /// A stable name.
    pub code: &'static str,
    /// In words for a person; they may change.
    pub message: String,
    /// The line of the journal, from 1; null if the finding is no line's.
    pub line: Option<u64>,
    /// The record that was expected there, or the one that speaks of the package.
    pub seq: Option<Seq>,
    /// What to do.
    pub next: String,
}

impl From<&Verified> for VerifyDocument {
    fn from(verified: &Verified) -> Self {
        let finding = |f: &Finding| {
            let place = match f {
                Finding::Damage(Damage::Journal(e)) => Some((e.line, e.seq)),
                Finding::Damage(Damage::Diverged { seq }) => Some((*seq, *seq)),
                _ => None,
            };
            FindingDocument {
                code: code(f),
                message: f.to_string(),
                line: place.map(|p| p.0),
                seq: place.map(|p| p.1),
                next: next(f).into_owned(),
            }
        };
        VerifyDocument {
            format_version: 1,
            records: verified.records,
            head: verified.head,
            findings: verified.findings.iter().map(finding).collect(),
            notes: verified
                .notes
                .iter()
                .map(|n| NoteDocument { code: note_code(n), message: n.to_string() })
                .collect(),
            evidence: None,
        }
    }
}

impl VerifyDocument {
    /// Adds the packages that are held.
    #[must_use]
    pub fn with_evidence(mut self, checked: &Checked) -> Self {
        self.findings.extend(checked.findings.iter().map(|f| FindingDocument {
            code: f.what.code(),
            message: fetch::words(f),
            line: None,
            seq: f.record,
            next: fetch::next(&f.what).to_owned(),
        }));
        self.evidence = Some(checked.into());
        self
    }

    /// As indented text that ends with a line break; hidden characters inside strings are escaped.
    ///
    /// # Errors
    /// None that a finding can cause.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        plan_json::pretty(self)
    }
}

fn code(finding: &Finding) -> &'static str {
    match finding {
        Finding::Damage(Damage::Journal(_)) => "journal",
        Finding::Damage(Damage::JournalMissing) => "journal-missing",
        Finding::Damage(Damage::SnapshotAhead { .. }) => "snapshot-ahead",
        Finding::Damage(Damage::Diverged { .. }) => "snapshot-diverged",
        Finding::Damage(Damage::OtherLineage { .. }) => "other-lineage",
        Finding::Damage(Damage::SnapshotUnusable { .. }) => "snapshot-unusable",
        Finding::Damage(Damage::Gap { .. }) => "journal-gap",
        Finding::Snapshot(SnapshotError::Edited) => "snapshot-edited",
        Finding::Snapshot(_) => "snapshot-unreadable",
        Finding::HeadMissing { .. } => "head-missing",
        Finding::Binding => "snapshot-binding",
        Finding::Differs { .. } => "snapshot-differs",
    }
}

fn note_code(note: &Note) -> &'static str {
    match note {
        Note::TornTail { .. } => "torn-tail",
        Note::Unterminated => "unterminated",
        Note::SnapshotMissing => "snapshot-missing",
    }
}

/// The step about a finding. That `verify` says whether it is done need not be told here.
fn next(finding: &Finding) -> Cow<'static, str> {
    match finding {
        Finding::Damage(d) => d.advice().words.unwrap_or_default(),
        Finding::HeadMissing { .. } => {
            "find out who rewrote the state; a clone or a backup of it has the old history".into()
        }
        Finding::Snapshot(_) | Finding::Binding | Finding::Differs { .. } => "casefile state rebuild".into(),
    }
}

fn line(sign: &str, paint: Paint, address: &Address, rest: &str, style: Style, out: &mut String) {
    let gap = if rest.is_empty() { "" } else { "  " };
    Paragraph::new(2, 6)
        .push(paint, sign)
        .text(" ")
        .push(Paint::Strong, address.to_string())
        .text(gap)
        .text(rest)
        .write(style, out);
}

fn described(object: &Object, now: Timestamp) -> String {
    let made = object.created_at.as_ref().map(|t| format!(", made {}", ago(now, t.instant())));
    of(object) + &made.unwrap_or_default()
}

fn of(object: &Object) -> String {
    let mut text = object.id.clone();
    if !object.status.is_empty() {
        text.push_str(&format!(", {}", object.status));
    }
    if let Some(by) = &object.requestor {
        text.push_str(&format!(", by {by}"));
    }
    text
}

fn grouped(n: u64) -> String {
    messages::number(usize::try_from(n).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_that_are_over_are_one_line_and_each_has_one_with_v() {
        let over = |n| {
            let address = format!("InvestigationPackage/ws-{n:02}").parse().unwrap();
            Over { address, phase: Phase::Succeeded, meanwhile: false }
        };
        let told = |many: u8, verbose| {
            let over: Vec<Over> = (1..=many).map(over).collect();
            left_out(&State::default(), &over, &[], Style { width: 200, color: false, verbose })
        };
        assert_eq!((told(10, 0).lines().count(), told(11, 1).lines().count()), (10, 11));
        assert_eq!(
            told(11, 0),
            "InvestigationPackage/ws-01, InvestigationPackage/ws-02, InvestigationPackage/ws-03 and 8 more: Succeeded, \
             so there is nothing to cancel\n"
        );
    }

    #[test]
    fn one_match_is_not_told_as_several() {
        let object = |id: &str| {
            let json = serde_json::json!({ "id": id, "status": "Pending" });
            serde_json::from_value::<Object>(json).unwrap()
        };
        let address = |name: &str| format!("InvestigationPackage/{name}").parse::<Address>().unwrap();
        let found = Discovered {
            ambiguous: vec![
                (address("a"), vec![object("1")]),
                (address("b"), vec![object("2"), object("3")]),
                (address("c"), vec![object("4")]),
            ],
            ..Discovered::default()
        };
        let style = Style { width: 100, color: false, verbose: 0 };
        insta::assert_snapshot!(discovered(&found, style, Timestamp::UNIX_EPOCH));
    }
}
