//! Power loss, full disks and failing syncs, at every step.

use casefile::state::memory::{MemoryDisk, Trouble, Unsynced};
use casefile::state::{FileName, Record, State, StoreError};

use crate::build::*;

/// A history in which no record names another by its number, so that it can go on after one more record.
fn tale() -> Vec<Record> {
    let import = |name: &str| Record::Imported {
        address: addr(name),
        object: object(&format!("id of {name}"), "Pending"),
        sent: sent("a comment", 1),
        labels: Default::default(),
        on_remove: Default::default(),
    };
    let (a, b) = ("InvestigationPackage/a", "InvestigationPackage/b");
    vec![
        open(),
        import(a),
        import(b),
        Record::Released { address: addr(a) },
        Record::Restored { address: addr(a) },
        Record::Observed { address: addr(b), object: object(&format!("id of {b}"), "Succeeded") },
    ]
}

/// What a run had been told was durable.
#[derive(Default)]
struct Told {
    seq: u64,
    serial: u64,
}

/// Appends the story in groups and commits in between, as far as the disk lets it.
fn run(disk: &MemoryDisk, told: &mut Told) -> Result<State, StoreError> {
    let mut store = disk.open(&holder())?.store;
    let tale = tale();
    for group in [&tale[..2], &tale[2..3], &tale[3..]] {
        told.seq = store.append(at(1), group)?.end - 1;
        if group.len() != 1 {
            told.serial = store.commit_snapshot()?;
        }
    }
    Ok(store.state().clone())
}

const BYTES: [Unsynced; 6] = [
    Unsynced::Lost,
    Unsynced::Kept,
    Unsynced::Bytes(1),
    Unsynced::Bytes(700),
    Unsynced::Zeros(0),
    Unsynced::Zeros(50),
];

/// The records of the journal on this disk, without those of cuts.
fn records(disk: &MemoryDisk) -> Vec<Record> {
    let bytes = disk.get(FileName::Journal).unwrap_or_default();
    let mut reader = casefile::state::journal::Reader::new(&bytes);
    let all: Vec<Record> = reader.by_ref().map_while(Result::ok).map(|e| e.record).collect();
    all.into_iter().filter(|r| !matches!(r, Record::Cut { .. })).collect()
}

#[test]
fn the_lock_is_given_back() {
    let disk = MemoryDisk::new();
    let first = disk.open(&holder()).unwrap();
    assert!(matches!(disk.open(&holder()), Err(StoreError::Locked { holder: Some(_) })));
    drop(first);
    disk.put(FileName::Journal, b"".to_vec());
    assert!(matches!(disk.open(&holder()), Err(StoreError::Damaged(_))));
    assert!(matches!(disk.open(&holder()), Err(StoreError::Damaged(_))), "a failed opening keeps no lock");
}

#[test]
fn nothing_that_was_durable_is_lost_whenever_the_power_goes() {
    let healthy = MemoryDisk::new();
    run(&healthy, &mut Told::default()).unwrap();
    let steps = healthy.operations();
    assert!(steps > 15);
    let mut torn = 0;
    for step in 0..steps {
        for trouble in [Trouble::Refused, Trouble::Partial(1), Trouble::Partial(300)] {
            let disk = MemoryDisk::new();
            let mut told = Told::default();
            disk.trouble(step, trouble);
            // Opening clears leftovers of an earlier run; its failure is a failure of the run.
            run(&disk, &mut told).unwrap_err();
            for bytes in BYTES {
                for names in [Unsynced::Lost, Unsynced::Kept] {
                    let context = format!("step {step}, {trouble:?}, {bytes:?}, names {names:?}");
                    let after = disk.after_power_loss(bytes, names);
                    let read = after.read_state().unwrap_or_else(|e| panic!("{context}: {e}"));
                    assert!(read.state.seq >= told.seq, "{context}");
                    assert!(read.serial >= told.serial, "{context}");
                    let kept = records(&after);
                    assert_eq!(kept, tale()[..kept.len()], "{context}");

                    // The next run goes on where this one ended.
                    let opened = after.open(&holder()).unwrap_or_else(|e| panic!("{context}: {e}"));
                    assert_eq!(opened.store.state(), &read.state, "{context}");
                    let mut store = opened.store;
                    torn += u32::from(!opened.notices.is_empty());
                    store.append(at(1), &tale()[kept.len()..]).unwrap();
                    store.commit_snapshot().unwrap();
                    let whole = store.state().clone();
                    drop(store);
                    let again = after.after_power_loss(Unsynced::Lost, Unsynced::Lost);
                    assert_eq!(records(&again), tale(), "{context}");
                    let read = again.read_state().unwrap();
                    assert_eq!((&read.state, read.notices), (&whole, vec![]), "{context}");
                }
            }
        }
    }
    assert!(torn > 50, "the steps never tore anything: {torn}");
}

#[test]
fn a_run_that_goes_on_after_a_failed_write_writes_nothing() {
    for (step, partial) in [(0, 40), (0, 0), (1, 0)] {
        let disk = MemoryDisk::new();
        run(&disk, &mut Told::default()).unwrap();
        let mut store = disk.open(&holder()).unwrap().store;
        disk.trouble(step, Trouble::Partial(partial));
        let record = || [Record::Released { address: addr("InvestigationPackage/a") }];
        assert!(matches!(store.append(at(9), &record()), Err(StoreError::Io { .. })));
        let before = disk.operations();
        for _ in 0..2 {
            assert!(matches!(store.append(at(9), &record()), Err(StoreError::Poisoned { .. })));
            assert!(matches!(store.commit_snapshot(), Err(StoreError::Poisoned { .. })));
        }
        assert_eq!(disk.operations(), before);
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_stops_nothing() {
    let disk = MemoryDisk::new();
    let mut store = disk.open(&holder()).unwrap().store;
    store.append(at(1), &tale()).unwrap();
    disk.trouble(1, Trouble::Partial(20));
    assert!(matches!(store.commit_snapshot(), Err(StoreError::Io { .. })));
    store.append(at(9), &[Record::Released { address: addr("InvestigationPackage/a") }]).unwrap();
    assert_eq!(store.commit_snapshot().unwrap(), 1);
}

#[test]
fn a_group_costs_one_write_and_one_sync() {
    let disk = MemoryDisk::new();
    let mut store = disk.open(&holder()).unwrap().store;
    store.append(at(1), &tale()[..1]).unwrap();
    let before = (disk.operations(), disk.syncs());
    store.append(at(1), &tale()[1..]).unwrap();
    assert_eq!((disk.operations() - before.0, disk.syncs() - before.1), (2, 1));
}

/// A sync fails, the next run reads the record from the kernel and writes a snapshot that holds it, and then
/// the power goes: the snapshot must not know more than the journal.
#[test]
fn what_a_run_found_unsynced_is_synced_before_anything_is_built_on_it() {
    let tale = tale();
    let disk = MemoryDisk::new();
    let mut store = disk.open(&holder()).unwrap().store;
    store.append(at(1), &tale[..2]).unwrap();
    let written = disk.operations();
    store.append(at(1), &tale[2..3]).unwrap();
    let each = disk.operations() - written;
    // The last operation of an append is its sync.
    disk.trouble(each - 1, Trouble::Refused);
    assert!(store.append(at(2), &tale[3..4]).is_err());
    drop(store);
    let mut next = disk.open(&holder()).unwrap().store;
    assert_eq!(next.state().seq, 4, "the kernel still shows the record");
    next.commit_snapshot().unwrap();
    drop(next);
    let after = disk.after_power_loss(Unsynced::Lost, Unsynced::Lost);
    assert_eq!(after.read_state().unwrap().state.seq, 4);
}
