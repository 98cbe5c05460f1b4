//! Outcomes that the journal would not take: kept beside it, and taken in by the next run.

use casefile::state::memory::{MemoryDisk, Trouble, Unsynced};
use casefile::state::{CallAction, FileName, Notice, Phase, Record, StoreError};

use crate::build::*;

const A: &str = "InvestigationPackage/a";
const B: &str = "InvestigationPackage/b";

/// A journal with two open calls, 2 and 3.
fn begun(lineage: &str) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut store = disk.open(&holder()).unwrap().store;
    let both = [intent(A, CallAction::Create), intent(B, CallAction::Create)];
    store.append(at(1), &[open_as(lineage)]).unwrap();
    store.append(at(1), &both).unwrap();
    disk
}

fn answer(address: &str, attempt: u64) -> Record {
    outcome(address, attempt, made(&format!("made by {attempt}"), "Pending"))
}

/// The run in whose middle the disk fails: how far it got in keeping two outcomes.
fn fails(disk: &MemoryDisk, step: u64, trouble: Trouble) -> (bool, bool) {
    let mut store = disk.open(&holder()).unwrap().store;
    disk.trouble(step, trouble);
    store.append(at(5), &[answer(A, 2)]).unwrap_err();
    let first = store.rescue(at(5), &[answer(A, 2)]).is_ok();
    assert!(matches!(store.append(at(6), &[answer(B, 3)]), Err(StoreError::Poisoned { .. })));
    (first, store.rescue(at(6), &[answer(B, 3)]).is_ok())
}

fn phases(disk: &MemoryDisk) -> Vec<Phase> {
    disk.read_state().unwrap().state.resources.values().map(|r| r.phase).collect()
}

#[test]
fn the_next_run_takes_them_into_the_journal() {
    for (step, partial) in [(0, 0), (0, 60), (1, 0)] {
        let disk = begun("l");
        assert_eq!(fails(&disk, step, Trouble::Partial(partial)), (true, true));

        // A run that only reads knows them too, and writes nothing.
        let before = disk.operations();
        let read = disk.read_state().unwrap();
        assert_eq!(disk.operations(), before);
        assert_eq!(phases(&disk), [Phase::InProgress, Phase::InProgress]);

        let opened = disk.open(&holder()).unwrap();
        // Where only the sync failed, the first one is in the journal already.
        let records = if step == 1 { 1 } else { 2 };
        assert!(opened.notices.contains(&Notice::Rescued { records }), "{:?}", opened.notices);
        assert!(read.notices.contains(&Notice::Rescued { records }), "{:?}", read.notices);
        assert_eq!(disk.get(FileName::Rescue), None);
        drop(opened);

        let again = disk.after_power_loss(Unsynced::Lost, Unsynced::Lost);
        let read = again.read_state().unwrap();
        assert!(!read.notices.iter().any(|n| matches!(n, Notice::Rescued { .. })));
        assert_eq!(phases(&again), [Phase::InProgress, Phase::InProgress]);
        assert_eq!(read.state.resources[&addr(A)].since, at(5), "the time is that of the answer");
    }
}

#[test]
fn nothing_that_was_kept_is_lost_whenever_the_power_goes() {
    for step in 0..16 {
        for trouble in [Trouble::Refused, Trouble::Partial(30)] {
            for (bytes, names) in [
                (Unsynced::Lost, Unsynced::Lost),
                (Unsynced::Kept, Unsynced::Kept),
                (Unsynced::Bytes(50), Unsynced::Lost),
            ] {
                let context = format!("step {step}, {trouble:?}, {bytes:?}, {names:?}");
                let disk = begun("l");
                assert_eq!(fails(&disk, 0, Trouble::Refused), (true, true));
                // The second failure is anywhere in taking them in.
                disk.trouble(step, trouble);
                let _ = disk.open(&holder());
                let after = disk.after_power_loss(bytes, names);
                let opened = after.open(&holder()).unwrap_or_else(|e| panic!("{context}: {e}"));
                let found: Vec<Phase> = opened.store.state().resources.values().map(|r| r.phase).collect();
                assert_eq!(found, [Phase::InProgress, Phase::InProgress], "{context}");
                assert_eq!(after.get(FileName::Rescue), None, "{context}");
            }
        }
    }
}

#[test]
fn a_write_that_fails_beside_the_journal_too_says_so() {
    // Append of the journal, then create, append, sync and the folder's sync of the file beside it.
    for step in 0..4 {
        let disk = begun("l");
        let mut store = disk.open(&holder()).unwrap().store;
        disk.trouble(0, Trouble::Refused);
        store.append(at(5), &[answer(A, 2)]).unwrap_err();
        disk.trouble(step, Trouble::Partial(20));
        assert!(matches!(store.rescue(at(5), &[answer(A, 2)]), Err(StoreError::Io { .. })), "{step}");
        // What comes after it is readable behind the torn line.
        store.rescue(at(6), &[answer(B, 3)]).unwrap();
        drop(store);
        let opened = disk.open(&holder()).unwrap();
        assert_eq!(opened.store.state().resources[&addr(B)].phase, Phase::InProgress, "{step}");
        assert!(!opened.notices.iter().any(|n| matches!(n, Notice::RescueUnusable { .. })), "{step}");
        assert_eq!(disk.get(FileName::Rescue), None, "{step}");
    }
}

#[test]
fn lines_of_another_journal_and_edited_ones_are_left_alone() {
    let other = begun("another");
    fails(&other, 0, Trouble::Refused);
    let foreign = other.get(FileName::Rescue).unwrap();

    let own = begun("l");
    fails(&own, 0, Trouble::Refused);
    let text = String::from_utf8(own.get(FileName::Rescue).unwrap()).unwrap();
    let edited = text.replacen("made by 2", "made by X", 1).into_bytes();

    for (bytes, lines, open) in [(foreign, 2, 2), (edited, 1, 1)] {
        let disk = begun("l");
        disk.put(FileName::Rescue, bytes.clone());
        for _ in 0..2 {
            let opened = disk.open(&holder()).unwrap();
            assert!(opened.notices.contains(&Notice::RescueUnusable { lines }), "{:?}", opened.notices);
            let requested =
                opened.store.state().resources.values().filter(|r| r.phase == Phase::Requested).count();
            assert_eq!(requested, open);
            assert_eq!(disk.get(FileName::Rescue), Some(bytes.clone()));
        }
    }
}
