//! A state made usable again: what is refused, what a person may accept, and that nothing known is lost.

use std::fs;
use std::path::PathBuf;

use casefile::state::{
    Acceptance, CallAction, Damage, Outcome, Phase, Rebuild, Record, State, StoreError, local,
};

use crate::build::*;
use crate::files::snapshot_of;

const A: &str = "InvestigationPackage/a";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(journal: Option<&str>, snapshot: Option<&str>) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, text) in [("journal.jsonl", journal), ("state.json", snapshot)] {
            if let Some(text) = text {
                fs::write(folder.file(name), text).unwrap();
            }
        }
        folder
    }
    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn rebuild(&self, accept: bool) -> Result<Rebuild, StoreError> {
        let acceptance = Acceptance { by: "ann@host".into(), at: at(1_000), tool: "casefile/test".into() };
        local::rebuild(self.0.path(), "t", &holder(), accept.then_some(&acceptance)).map(Option::unwrap)
    }
    /// Refused without a word for it, and nothing is written then.
    fn refused(&self) -> Damage {
        let files = || ["journal.jsonl", "state.json"].map(|n| fs::read(self.file(n)).ok());
        let before = files();
        let Err(StoreError::Damaged(damage)) = self.rebuild(false) else { panic!("not refused") };
        assert_eq!(files(), before);
        damage
    }
    /// Sound from the first record to the last, and what a run reads.
    fn sound(&self) -> State {
        let verified = local::verify(self.0.path(), None).unwrap();
        assert_eq!(verified.findings, []);
        let mut opened = local::open(self.0.path(), &holder()).unwrap();
        assert_eq!(opened.notices, []);
        let state = opened.store.state().clone();
        // It goes on from here.
        opened.store.append(at(2_000), &[intent("InvestigationPackage/new", CallAction::Create)]).unwrap();
        opened.store.commit_snapshot().unwrap();
        drop(opened);
        assert_eq!(local::verify(self.0.path(), None).unwrap().findings, []);
        state
    }
}

/// `story` with an open call at its end.
fn records() -> Vec<Record> {
    let mut records = story();
    records.push(intent("InvestigationPackage/open", CallAction::Create));
    records
}

/// Each way to damage one line.
fn damages(lines: &[String]) -> Vec<(String, Vec<String>)> {
    let mut out = Vec::new();
    for i in 0..lines.len() {
        let mut edited = lines.to_vec();
        edited[i] = edited[i].replacen("\"record\":{", "\"record\":{ ", 1);
        out.push((format!("edited {i}"), edited));
        let mut torn = lines.to_vec();
        torn[i].truncate(20);
        torn[i].push('\n');
        out.push((format!("torn {i}"), torn));
        let mut twice = lines.to_vec();
        twice.insert(i, lines[i].clone());
        out.push((format!("twice {i}"), twice));
        if i + 1 < lines.len() {
            let mut missing = lines.to_vec();
            missing.remove(i);
            out.push((format!("missing {i}"), missing));
            let mut swapped = lines.to_vec();
            swapped.swap(i, i + 1);
            out.push((format!("swapped {i}"), swapped));
        }
    }
    out
}

#[test]
fn with_its_snapshot_nothing_is_forgotten_whatever_line_is_damaged() {
    let records = records();
    let (lines, whole) = (lines(&records), fold(&records));
    for (what, damaged) in damages(&lines) {
        let folder = Folder::new(Some(&damaged.concat()), Some(&snapshot_text(&records)));
        let told = folder.rebuild(false);
        assert!(matches!(told, Err(StoreError::Damaged(_))), "{what}: {told:?}");
        let accepted = folder.rebuild(true).unwrap_or_else(|e| panic!("{what}: {e}")).accepted.unwrap();
        assert_eq!(accepted.kept.len(), 2, "{what}");
        assert_eq!(fs::read_to_string(folder.file(&accepted.kept[0])).unwrap(), damaged.concat(), "{what}");
        let state = folder.sound();
        assert_eq!(state.resources, whole.resources, "{what}");
        assert_eq!((state.lineage, state.binding), (whole.lineage.clone(), whole.binding.clone()), "{what}");
    }
}

#[test]
fn a_snapshot_of_the_middle_and_intact_lines_behind_it_give_the_whole() {
    let records = records();
    let (lines, whole) = (lines(&records), fold(&records));
    for upto in 2..records.len() {
        // Damage before the snapshot's place: what it did is in the snapshot.
        for i in 1..upto {
            let mut damaged = lines.clone();
            damaged[i] = damaged[i].replacen("\"record\":{", "\"record\":{ ", 1);
            let folder = Folder::new(Some(&damaged.concat()), Some(&snapshot_text(&records[..upto])));
            folder.rebuild(true).unwrap();
            assert_eq!(folder.sound().resources, whole.resources, "line {i}, snapshot of {upto}");
        }
    }
}

#[test]
fn records_in_another_order_are_put_back() {
    let records = records();
    let (lines, whole) = (lines(&records), fold(&records));
    for i in 1..lines.len() - 1 {
        let mut swapped = lines.clone();
        swapped.swap(i, i + 1);
        let folder = Folder::new(Some(&swapped.concat()), None);
        let accepted = folder.rebuild(true).unwrap().accepted.unwrap();
        assert_eq!((accepted.before, accepted.lost), (i as u64, 0));
        assert_eq!(folder.sound().resources, whole.resources);
    }
}

#[test]
fn an_intent_whose_outcome_is_lost_is_open_again() {
    let records = [open(), intent(A, CallAction::Create), outcome(A, 2, made("x", "Pending"))];
    let mut damaged = lines(&records);
    damaged[2] = damaged[2].replace("\"x\"", "\"y\"");
    // Without a newline at its end a last line could be torn; this one is damage.
    let folder = Folder::new(Some(&damaged.concat()), None);
    assert!(matches!(folder.refused(), Damage::Journal(e) if e.line == 3));
    folder.rebuild(true).unwrap();
    let state = folder.sound();
    let r = &state.resources[&addr(A)];
    // It is looked up before it is asked again.
    assert_eq!((r.phase, r.open.as_ref().unwrap().attempt.attempt), (Phase::Requested, 2));
}

#[test]
fn a_journal_that_ends_before_its_snapshot() {
    let records = records();
    let (lines, whole) = (lines(&records), fold(&records));
    for keep in 1..lines.len() {
        let folder = Folder::new(Some(&lines[..keep].concat()), Some(&snapshot_text(&records)));
        assert!(matches!(folder.refused(), Damage::SnapshotAhead { .. }));
        folder.rebuild(true).unwrap();
        assert_eq!(folder.sound().resources, whole.resources);
    }
    let folder = Folder::new(None, Some(&snapshot_text(&records)));
    assert_eq!(folder.refused(), Damage::JournalMissing);
    folder.rebuild(true).unwrap();
    assert_eq!(folder.sound().resources, whole.resources);
}

#[test]
fn of_two_histories_the_journal_counts_and_nothing_is_dropped() {
    let common = [open(), intent(A, CallAction::Create), outcome(A, 2, made("x", "Pending"))];
    let with = |address: &str, id: &str| {
        let attempt = common.len() as u64 + 1;
        let more = [intent(address, CallAction::Create), outcome(address, attempt, made(id, "Pending"))];
        [&common[..], &more].concat()
    };
    let (ours, theirs) = (with("InvestigationPackage/ours", "o"), with("InvestigationPackage/theirs", "t"));
    let folder = Folder::new(Some(&lines(&ours).concat()), Some(&snapshot_text(&theirs)));
    assert!(matches!(folder.refused(), Damage::Diverged { .. }));
    assert!(folder.rebuild(true).unwrap().accepted.unwrap().snapshot, "it knew more");
    let state = folder.sound();
    let held: Vec<_> = state.resources.values().filter_map(|r| r.id.as_deref()).collect();
    assert_eq!(held, ["x", "o", "t"]);
}

#[test]
fn what_has_a_better_way_out_is_not_accepted() {
    let records = records();
    let whole = lines(&records).concat();
    let other = lines(&[open_as("another")]).concat();
    for (journal, snapshot) in [
        (whole.replace('\n', "\r\n"), None),
        (whole.replacen('\n', "\n<<<<<<< HEAD\n", 1), Some(snapshot_text(&records))),
        (other, Some(snapshot_text(&records))),
    ] {
        let folder = Folder::new(Some(&journal), snapshot.as_deref());
        folder.refused();
        assert!(matches!(folder.rebuild(true), Err(StoreError::Damaged(_))), "{}", &journal[..80]);
    }
    // Nobody can say whose state it was.
    let headless = whole.replacen("\"seq\":1,", "\"seq\":1, ", 1);
    let folder = Folder::new(Some(&headless), None);
    folder.refused();
    assert!(matches!(folder.rebuild(true), Err(StoreError::Lost { .. })));
}

#[test]
fn a_rebuild_that_was_interrupted_between_its_two_files_is_finished() {
    let records = records();
    let mut damaged = lines(&records);
    damaged.remove(2);
    let snapshot = snapshot_text(&records);
    let folder = Folder::new(Some(&damaged.concat()), Some(&snapshot));
    folder.rebuild(true).unwrap();
    let new = fs::read_to_string(folder.file("state.json")).unwrap();
    let left_over = snapshot.clone();
    fs::write(folder.file("state.json"), snapshot).unwrap();
    assert_eq!(folder.rebuild(false).unwrap().accepted, None);
    assert_eq!(fs::read_to_string(folder.file("state.json")).unwrap(), new);
    folder.sound();
    // A run does not wait for that: the record of the acceptance names the snapshot that is left over.
    fs::write(folder.file("state.json"), left_over).unwrap();
    assert!(local::open(folder.0.path(), &holder()).is_ok());
}

#[test]
fn a_sound_journal_needs_no_word() {
    let records = records();
    let whole = lines(&records).concat();
    for journal in [whole.clone(), whole.trim_end().to_owned()] {
        for snapshot in [None, Some(""), Some("{\"formatVersion\": 1"), Some("no JSON")] {
            let folder = Folder::new(Some(&journal), snapshot);
            let told = folder.rebuild(false).unwrap();
            assert_eq!((told.seq, told.accepted), (records.len() as u64, None));
            assert_eq!(fs::read_to_string(folder.file("journal.jsonl")).unwrap(), whole);
            assert_eq!(folder.sound().resources, fold(&records).resources);
        }
    }
    let folder = Folder(tempfile::tempdir().unwrap());
    assert!(local::rebuild(folder.0.path(), "t", &holder(), None).unwrap().is_none());
    assert!(local::rebuild(&folder.file("none"), "t", &holder(), None).unwrap().is_none());
}

#[test]
fn what_a_person_accepted_stands_in_the_journal() {
    let records = records();
    let mut damaged = lines(&records);
    damaged[2].insert(30, 'x');
    let folder = Folder::new(Some(&damaged.concat()), Some(&snapshot_text(&records)));
    folder.rebuild(true).unwrap();
    let journal = fs::read_to_string(folder.file("journal.jsonl")).unwrap();
    assert!(journal.starts_with(&lines(&records)[..2].concat()), "what was sound stays as it was");
    assert_eq!(journal.matches("{\"lost\":{\"line\":").count(), records.len() - 2);
    let last = journal.lines().last().unwrap();
    assert!(last.contains("\"recovered\"") && last.contains("\"by\":\"ann@host\""), "{last}");
    assert!(last.contains("journal line 3"), "{last}");
}

fn snapshot_text(records: &[Record]) -> String {
    String::from_utf8(snapshot_of(records)).unwrap()
}

/// A recovery that was killed right before it replaced the snapshot leaves the old one beside the new journal.
#[test]
fn an_interrupted_recovery_goes_on_wherever_it_was() {
    let records = records();
    let (lines, whole) = (lines(&records), fold(&records));
    let mut other = records.clone();
    other[0] = open_as("lineage-2");
    other.extend((0..20).map(|n| intent(&format!("InvestigationPackage/o{n}"), CallAction::Create)));
    let snapshots = [
        Some(snapshot_text(&records)),
        Some(snapshot_text(&records[..3])),
        Some(snapshot_text(&other)),
        Some(snapshot_text(&records).replace("\"serial\": 3", "\"serial\": 4")),
        Some("{".into()),
        None,
    ];
    for (what, damaged) in damages(&lines) {
        for snapshot in &snapshots {
            let folder = Folder::new(Some(&damaged.concat()), snapshot.as_deref());
            let Ok(told) = folder.rebuild(true) else {
                assert!(what.ends_with(" 0"), "{what}: only the first record is needed");
                continue;
            };
            let (state, accepted) = (folder.sound(), told.accepted.unwrap());
            for accept in [true, false] {
                let again = Folder::new(Some(&damaged.concat()), snapshot.as_deref());
                again.rebuild(true).unwrap();
                match snapshot {
                    Some(text) => fs::write(again.file("state.json"), text).unwrap(),
                    None => fs::remove_file(again.file("state.json")).unwrap(),
                }
                let read = local::read(again.0.path()).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(read.state.resources, state.resources, "{what}");
                let done = again.rebuild(accept).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(done.accepted, None, "{what}: it was accepted already");
                assert_eq!(again.sound().resources, state.resources, "{what}");
            }
            // Before the journal was replaced: the same copies are there already.
            let again = Folder::new(Some(&damaged.concat()), snapshot.as_deref());
            for name in &accepted.kept {
                fs::copy(folder.file(name), again.file(name)).unwrap();
            }
            assert_eq!(again.rebuild(true).unwrap().accepted.unwrap().kept, accepted.kept, "{what}");
        }
    }
    assert!(whole.resources.len() > 1);
}

#[test]
fn a_copy_never_takes_the_place_of_another() {
    let damaged = lines(&records())[1..].concat();
    let folder = Folder::new(Some(&damaged), Some(&snapshot_text(&records())));
    let name = format!("journal.damaged-{}.jsonl", at(1_000).strftime("%Y%m%dT%H%M%SZ"));
    fs::write(folder.file(&name), "another one").unwrap();
    let kept = folder.rebuild(true).unwrap().accepted.unwrap().kept;
    assert_eq!(kept[0], name.replace(".jsonl", "-2.jsonl"));
    assert_eq!(fs::read_to_string(folder.file(&name)).unwrap(), "another one");
    assert_eq!(fs::read_to_string(folder.file(&kept[0])).unwrap(), damaged);
}

#[test]
fn an_edited_snapshot_takes_nothing_away() {
    let records = records();
    let mut damaged = lines(&records);
    damaged.truncate(4);
    let mut snapshot: serde_json::Value = serde_json::from_str(&snapshot_text(&records)).unwrap();
    snapshot["resources"].as_object_mut().unwrap().remove(A).unwrap();
    let folder = Folder::new(Some(&damaged.concat()), Some(&serde_json::to_string(&snapshot).unwrap()));
    assert!(matches!(folder.refused(), Damage::SnapshotAhead { .. }));
    folder.rebuild(true).unwrap();
    let state = folder.sound();
    assert!(state.resources.contains_key(&addr(A)));
    assert!(state.resources.contains_key(&addr("InvestigationPackage/open")), "the later one knows it");
}

#[test]
fn an_import_of_an_open_call_keeps_it_watched() {
    let state = fold(&[
        open(),
        intent(A, CallAction::Create),
        outcome(A, 2, unknown()),
        Record::Imported {
            address: addr(A),
            object: object("theirs", "Succeeded"),
            sent: sent("a comment", 1),
            labels: Default::default(),
            on_remove: Default::default(),
        },
    ]);
    let r = &state.resources[&addr(A)];
    assert_eq!((r.phase, r.id.as_deref(), r.open.is_none()), (Phase::Succeeded, Some("theirs"), true));
    assert_eq!(r.watched.iter().map(|w| w.attempt).collect::<Vec<_>>(), [2]);
    // Its answer comes after all: a second object, kept beside the first.
    let mut late = state.clone();
    late.apply(5, at(5), &outcome(A, 2, Outcome::Made { object: object("ours", "Pending") })).unwrap();
    let r = &late.resources[&addr(A)];
    assert_eq!((r.id.as_deref(), r.past[0].id.as_str(), r.past[0].late), (Some("theirs"), "ours", true));
}
