//! A state folder on a real disk: what is refused, what is put right, what is left alone.

use std::fs;
use std::path::{Path, PathBuf};

use casefile::state::journal::Fault;
use casefile::state::snapshot::SnapshotError;
use casefile::state::{
    CallAction, Damage, Finding, Note, Notice, Record, State, StoreError, local, snapshot,
};

use crate::build::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }
    /// With a journal of these records and, up to `upto`, a snapshot.
    fn with(records: &[Record], upto: Option<usize>) -> Self {
        let folder = Folder::new();
        fs::create_dir(folder.path()).unwrap();
        folder.write("journal.jsonl", lines(records).concat());
        if let Some(n) = upto {
            folder.write("state.json", snapshot_of(&records[..n]));
        }
        folder
    }
    fn path(&self) -> PathBuf {
        self.0.path().join(".casefile")
    }
    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.file(name), bytes).unwrap();
    }
    fn get(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }
    fn read(&self) -> Result<(State, Vec<Notice>), StoreError> {
        local::read(&self.path()).map(|l| (l.state, l.notices))
    }
    fn open(&self) -> Result<(local::LocalStore, Vec<Notice>), StoreError> {
        local::open(&self.path(), &holder()).map(|o| (o.store, o.notices))
    }
    /// Both ways of opening refuse, for the same reason, and change nothing.
    fn damage(&self) -> Damage {
        let files = || -> Vec<_> {
            ["journal.jsonl", "state.json"].iter().map(|n| fs::read(self.file(n)).ok()).collect()
        };
        let before = files();
        let StoreError::Damaged(read) = self.read().unwrap_err() else { panic!("not damage") };
        let StoreError::Damaged(open) = self.open().map(|_| ()).unwrap_err() else { panic!("not damage") };
        assert_eq!((&read, before), (&open, files()));
        assert!(!read.advice().is_none());
        read
    }
}

/// The journal's last hash and the snapshot of some records.
pub fn snapshot_of(records: &[Record]) -> Vec<u8> {
    let text = lines(records).concat();
    let mut state = fold(records);
    let mut reader = casefile::state::journal::Reader::new(text.as_bytes());
    assert!(reader.by_ref().all(|e| e.is_ok()));
    state.head = reader.mark().head;
    snapshot::write(&state, 3, text.len() as u64).unwrap()
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn fault(damage: Damage) -> Fault {
    let Damage::Journal(e) = damage else { panic!("{damage}") };
    e.fault
}

#[test]
fn a_new_state_is_begun_kept_and_found_again() {
    let folder = Folder::new();
    assert_eq!(folder.read().unwrap(), (State::default(), vec![]));
    assert!(!folder.path().exists(), "reading makes no folder");

    let (mut store, notices) = folder.open().unwrap();
    assert_eq!(notices, []);
    assert_eq!(names(&folder.path()), ["lock"]);
    assert!(matches!(store.append(at(1), &story()[1..]), Err(StoreError::NotBegun)));
    assert_eq!(store.commit_snapshot().unwrap(), 0, "there is nothing to commit yet");
    assert_eq!(names(&folder.path()), ["lock"]);
    assert_eq!(store.append(at(1), &story()[..1]).unwrap(), 1..2);
    assert_eq!(store.append(at(2), &story()[1..]).unwrap(), 2..7);
    assert_eq!(store.append(at(2), &[]).unwrap(), 7..7);
    assert_eq!(store.commit_snapshot().unwrap(), 1);
    assert_eq!(store.commit_snapshot().unwrap(), 1, "nothing new");
    let state = store.state().clone();
    drop(store);

    assert_eq!(names(&folder.path()), ["journal.jsonl", "lock", "state.json"]);
    assert_eq!(folder.read().unwrap(), (state.clone(), vec![]));
    let (mut store, notices) = folder.open().unwrap();
    assert_eq!((store.state(), notices), (&state, vec![]));
    store.append(at(9), &[Record::Released { address: addr("InvestigationPackage/a") }]).unwrap();
    assert_eq!(store.commit_snapshot().unwrap(), 2);
    drop(store);
    assert_eq!(local::verify(&folder.path(), None).unwrap().findings, []);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let (mut store, _) = folder.open().unwrap();
    store.append(at(1), &story()).unwrap();
    store.commit_snapshot().unwrap();
    let mode = |p: PathBuf| fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    for name in ["journal.jsonl", "state.json", "lock"] {
        assert_eq!(mode(folder.file(name)), 0o600, "{name}");
    }
}

#[test]
fn one_writer_at_a_time_and_readers_beside_it() {
    let folder = Folder::with(&story(), None);
    let (mut first, _) = folder.open().unwrap();
    let Err(StoreError::Locked { holder: Some(who) }) = folder.open() else { panic!("not locked") };
    assert_eq!(who, holder());
    first.append(at(9), &[Record::Released { address: addr("InvestigationPackage/a") }]).unwrap();
    assert_eq!(folder.read().unwrap().0, *first.state());
    drop(first);
    // What is left in the lock's file locks nothing.
    assert!(folder.get("lock").contains("soc-1"));
    folder.open().unwrap();
}

#[test]
fn another_handle_on_the_lock_keeps_us_out() {
    let folder = Folder::with(&story(), None);
    folder.write("lock", "not a holder");
    let other = fs::File::options().read(true).write(true).open(folder.file("lock")).unwrap();
    other.try_lock().unwrap();
    assert!(matches!(folder.open(), Err(StoreError::Locked { holder: None })));
    drop(other);
    folder.open().unwrap();
}

const FOLDER: &str = "CASEFILE_TEST_STATE_FOLDER";

#[test]
fn the_lock_goes_with_its_process() {
    use std::io::BufRead as _;
    use std::process::{Command, Stdio};
    let folder = Folder::with(&story(), None);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "files::child_that_holds_the_lock", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let held = lines.any(|l| l.unwrap().contains("held"));
    let open = folder.open().map(|_| ());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(held);
    assert!(matches!(open, Err(StoreError::Locked { holder: Some(_) })), "{open:?}");
    folder.open().unwrap();
}

#[test]
#[ignore = "run by the_lock_goes_with_its_process"]
fn child_that_holds_the_lock() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let _opened = local::open(Path::new(&folder), &holder()).unwrap();
    println!("held");
    // Until killed, or until the parent is gone.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn cut_at_every_byte_of_the_last_record() {
    let records = story();
    let all = lines(&records);
    let (before, last) = (all[..5].concat(), &all[5]);
    for kept in 1..last.len() - 1 {
        for upto in [None, Some(3), Some(5)] {
            let folder = Folder::with(&records, upto);
            folder.write("journal.jsonl", format!("{before}{}", &last[..kept]));
            let bytes = kept as u64;
            let (state, notices) = folder.read().unwrap();
            assert_eq!(state.resources, fold(&records[..5]).resources);
            assert!(notices.contains(&Notice::TornTailIgnored { bytes }), "{notices:?}");

            let (mut store, notices) = folder.open().unwrap();
            assert!(notices.contains(&Notice::TornTailCut { bytes }), "{notices:?}");
            assert_eq!(folder.get("journal.jsonl"), before);
            assert_eq!(store.append(at(9), &records[5..]).unwrap(), 7..8, "after the record of the cut");
            drop(store);
            let text = folder.get("journal.jsonl");
            assert!(
                text.lines()
                    .nth(5)
                    .unwrap()
                    .ends_with(&format!("\"record\":{{\"cut\":{{\"bytes\":{kept}}}}}}}"))
            );
            assert_eq!(folder.read().unwrap().0.seq, 7);
        }
    }
}

#[test]
fn a_missing_last_newline_loses_nothing() {
    for upto in [None, Some(5), Some(6)] {
        let folder = Folder::with(&story(), upto);
        let whole = folder.get("journal.jsonl");
        folder.write("journal.jsonl", whole.trim_end());
        assert_eq!(folder.read().unwrap().0.seq, 6);
        let verified = local::verify(&folder.path(), None).unwrap();
        assert_eq!(verified.findings, []);
        assert!(verified.notes.contains(&Note::Unterminated), "{:?}", verified.notes);
        let (_, notices) = folder.open().unwrap();
        assert!(notices.contains(&Notice::NewlineRestored), "{upto:?} {notices:?}");
        assert_eq!(folder.get("journal.jsonl"), whole);
        assert_eq!(folder.read().unwrap().0.seq, 6);
    }
}

#[test]
fn the_snapshot_is_used_folded_forward_or_made_anew() {
    let whole = Folder::with(&story(), None).read().unwrap().0;
    for upto in 1..=6u64 {
        let folder = Folder::with(&story(), Some(upto as usize));
        // What lies before the mark is not read again.
        let mut bytes = folder.get("journal.jsonl").into_bytes();
        if upto > 1 {
            bytes[200] ^= 1;
        }
        folder.write("journal.jsonl", bytes);
        let (state, notices) = folder.read().unwrap();
        assert_eq!(state, whole);
        let behind = Notice::SnapshotBehind { records: 6 - upto };
        assert_eq!(notices, if upto == 6 { vec![] } else { vec![behind] });
    }
    let good = snapshot_of(&story());
    for bad in [&b""[..], b"\0\0\0", b"{\"kind\":\"something else\"}", &good[..good.len() / 2]] {
        let folder = Folder::with(&story(), None);
        folder.write("state.json", bad);
        let (state, notices) = folder.read().unwrap();
        assert_eq!(state, whole);
        assert!(matches!(&notices[..], [Notice::SnapshotRebuilt { why: Some(_) }]), "{notices:?}");
        let (mut store, _) = folder.open().unwrap();
        assert_eq!(store.commit_snapshot().unwrap(), 1);
        assert_eq!(folder.read().unwrap(), (whole.clone(), vec![]));
    }
}

/// A snapshot as versions wrote it that knew no digest.
fn without_digest(text: &str) -> String {
    text.split_inclusive('\n').filter(|l| !l.starts_with("  \"digest\":")).collect()
}

#[test]
fn a_snapshot_that_does_not_fit_its_digest_is_not_believed() {
    let whole = Folder::with(&story(), None).read().unwrap().0;
    let good = String::from_utf8(snapshot_of(&story())).unwrap();
    assert_ne!(without_digest(&good), good);
    let none = "{}".to_owned();
    let mut emptied: serde_json::Value = serde_json::from_str(&good).unwrap();
    emptied["resources"] = serde_json::from_str(&none).unwrap();
    for (text, why) in [
        (good.replace("id-a", "id-b"), SnapshotError::Edited),
        (good.replace("\"t\"", "\"u\""), SnapshotError::Edited),
        (good.replace("\"serial\": 3", "\"serial\": 18446744073709551615"), SnapshotError::Edited),
        (good.replace('\n', "\r\n"), SnapshotError::Edited),
        (good.replace("\"bytes\": ", "\"bytes\": 1"), SnapshotError::Edited),
        (serde_json::to_string_pretty(&emptied).unwrap(), SnapshotError::Edited),
        (without_digest(&good), SnapshotError::Undigested),
        (without_digest(&good.replace("id-a", "id-b")), SnapshotError::Undigested),
    ] {
        let folder = Folder::with(&story(), None);
        folder.write("state.json", &text);
        let notices = vec![Notice::SnapshotRebuilt { why: Some(why) }];
        assert_eq!(folder.read().unwrap(), (whole.clone(), notices.clone()), "{text}");
        let loaded = local::read_whole(&folder.path()).unwrap();
        assert_eq!((&loaded.state, &loaded.notices), (&whole, &notices), "{text}");
        let (mut store, told) = folder.open().unwrap();
        assert_eq!((store.state(), told), (&whole, notices));
        store.commit_snapshot().unwrap();
        drop(store);
        assert_eq!(folder.read().unwrap(), (whole.clone(), vec![]));
        assert_eq!(local::verify(&folder.path(), None).unwrap().findings, []);
    }
    // An edit does not hide that the journal lacks records.
    let folder = Folder::with(&story()[..4], None);
    folder.write("state.json", good.replace("id-a", "id-b"));
    assert_eq!(folder.damage(), Damage::SnapshotAhead { snapshot: 6, journal: 4 });
    folder.write("state.json", without_digest(&good));
    assert_eq!(folder.damage(), Damage::SnapshotAhead { snapshot: 6, journal: 4 });
    fs::remove_file(folder.file("journal.jsonl")).unwrap();
    assert_eq!(folder.damage(), Damage::JournalMissing);
}

#[test]
fn damage_is_never_an_empty_state() {
    let folder = Folder::with(&story(), None);
    folder.write("journal.jsonl", "");
    assert_eq!(fault(folder.damage()), Fault::Empty);
    let folder = Folder::with(&story(), Some(6));
    folder.write("journal.jsonl", "");
    assert_eq!(fault(folder.damage()), Fault::Empty);
    fs::remove_file(folder.file("journal.jsonl")).unwrap();
    assert_eq!(folder.damage(), Damage::JournalMissing);
    folder.write("state.json", "");
    assert_eq!(folder.damage(), Damage::JournalMissing);
}

#[test]
fn a_changed_journal_is_refused() {
    let change = |edit: &dyn Fn(&mut Vec<String>)| {
        let folder = Folder::with(&story(), None);
        let mut all = lines(&story());
        edit(&mut all);
        folder.write("journal.jsonl", all.concat());
        fault(folder.damage())
    };
    assert_eq!(change(&|l| l[2] = l[2].replace("id-a", "id-b")), Fault::Edited { seq: 3 });
    assert_eq!(change(&|l| l.swap(3, 4)), Fault::Reordered { expected: 4, found: 5 });
    assert_eq!(change(&|l| drop(l.remove(4))), Fault::Missing { expected: 5, found: 6 });
    assert_eq!(change(&|l| drop(l.remove(0))), Fault::Missing { expected: 1, found: 2 });
    let orphan = [story()[1].clone()];
    let folder = Folder::with(&orphan, None);
    assert_eq!(fault(folder.damage()), Fault::NoStart);
    let folder = Folder::with(&[open(), Record::Removed { address: addr("Alert/x") }], None);
    assert!(matches!(fault(folder.damage()), Fault::Contradiction(_)));
}

#[test]
fn a_snapshot_that_is_not_of_this_journal_is_refused() {
    let folder = Folder::with(&story()[..4], None);
    folder.write("state.json", snapshot_of(&story()));
    assert_eq!(folder.damage(), Damage::SnapshotAhead { snapshot: 6, journal: 4 });

    let mut other = story();
    other[0] = open_as("lineage-2");
    let folder = Folder::with(&story(), None);
    folder.write("state.json", snapshot_of(&other));
    let lineages = Damage::OtherLineage { snapshot: "lineage-2".into(), journal: "lineage-1".into() };
    assert_eq!(folder.damage(), lineages);

    let mut other = story();
    other[2] = outcome("InvestigationPackage/a", 2, made("id-z", "Pending"));
    other[5] = Record::Released { address: addr("InvestigationPackage/a") };
    let folder = Folder::with(&story(), None);
    folder.write("state.json", snapshot_of(&other));
    assert_eq!(folder.damage(), Damage::Diverged { seq: 6 });

    let newer = String::from_utf8(snapshot_of(&story())).unwrap().replace("sion\": 1", "sion\": 9");
    folder.write("state.json", newer);
    assert!(matches!(folder.read(), Err(StoreError::Newer { version: 9, known: 1 })));
    assert!(matches!(folder.open(), Err(StoreError::Newer { version: 9, known: 1 })));
}

#[test]
fn long_records_are_found_from_behind() {
    let mut records = story();
    let long = "x".repeat(100_000);
    records.push(intent_of(&addr("Alert/long"), CallAction::Create, sent(&long, 1)));
    let folder = Folder::with(&records, Some(7));
    assert_eq!(folder.read().unwrap().1, []);
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_written() {
    let folder = Folder::with(&story(), None);
    let before = folder.get("journal.jsonl");
    let (mut store, _) = folder.open().unwrap();
    let stray = Record::Removed { address: addr("Alert/stray") };
    assert!(matches!(store.append(at(9), std::slice::from_ref(&stray)), Err(StoreError::Refused(_))));
    assert_eq!(folder.get("journal.jsonl"), before);
    let fits = Record::Released { address: addr("InvestigationPackage/a") };
    store.append(at(9), std::slice::from_ref(&fits)).unwrap();
    // Half a group cannot be taken back.
    assert!(matches!(store.append(at(9), &[fits, stray]), Err(StoreError::Refused(_))));
    assert!(matches!(store.append(at(9), &[]), Err(StoreError::Poisoned { .. })));
    assert!(matches!(store.commit_snapshot(), Err(StoreError::Poisoned { .. })));
    assert_eq!(folder.read().unwrap().0.seq, 7);
}

#[cfg(unix)]
#[test]
fn a_journal_that_is_replaced_under_us_stops_everything() {
    for swap in [true, false] {
        let folder = Folder::with(&story(), None);
        let (mut store, _) = folder.open().unwrap();
        if swap {
            // What git does to a file that it checks out.
            folder.write("other", folder.get("journal.jsonl"));
            fs::rename(folder.file("other"), folder.file("journal.jsonl")).unwrap();
        } else {
            folder.write("journal.jsonl", lines(&story())[..3].concat());
        }
        let record = || [Record::Released { address: addr("InvestigationPackage/a") }];
        assert!(matches!(store.append(at(9), &record()), Err(StoreError::Io { .. })));
        assert!(matches!(store.append(at(9), &record()), Err(StoreError::Poisoned { .. })));
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_still_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::with(&story(), Some(4));
    fs::write(folder.file("lock"), "").unwrap();
    let lock = |mode, file| {
        fs::set_permissions(folder.file("lock"), fs::Permissions::from_mode(file)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    lock(0o500, 0o400);
    let read = folder.read();
    let open = folder.open().map(|_| ());
    // The superuser may write anywhere.
    let privileged = fs::write(folder.file("probe"), "").is_ok();
    lock(0o700, 0o600);
    assert_eq!(read.unwrap().0.seq, 6);
    if !privileged {
        let Err(StoreError::Io { path, .. }) = open else { panic!("{open:?}") };
        assert_eq!(path, folder.file("lock"));
    }

    // No folder can be made below a file, not even by the superuser.
    let file = folder.file("journal.jsonl");
    let Err(StoreError::Io { path, .. }) = local::open(&file, &holder()) else { panic!("opened a file") };
    assert_eq!(path, file);
}

#[test]
fn leftovers_of_an_interrupted_run_are_cleared() {
    let folder = Folder::with(&story(), Some(6));
    folder.write("state.json.new", "half");
    folder.write("journal.jsonl.new", "half");
    folder.read().unwrap();
    assert_eq!(names(&folder.path()).len(), 4, "reading removes nothing");
    folder.open().unwrap();
    assert_eq!(names(&folder.path()), ["journal.jsonl", "lock", "state.json"]);
}

#[test]
fn verify_walks_what_loading_trusts() {
    let findings = |folder: &Folder| local::verify(&folder.path(), None).unwrap().findings;
    let folder = Folder::with(&story(), Some(6));
    let good = local::verify(&folder.path(), None).unwrap();
    assert_eq!((good.records, good.findings.len()), (6, 0));
    assert_eq!(folder.read().unwrap().0.head, good.head);

    let snapshot = folder.get("state.json");
    folder.write("state.json", snapshot.replace("id-a", "id-b"));
    let edited = Finding::Snapshot(SnapshotError::Edited);
    let differs = Finding::Differs { address: addr("InvestigationPackage/a") };
    assert_eq!(findings(&folder), [edited.clone(), differs.clone()]);
    folder.write("state.json", snapshot.replace("\"t\"", "\"u\""));
    assert_eq!(findings(&folder), [edited.clone(), Finding::Binding]);
    folder.write("state.json", snapshot.replace("\"serial\": 3", "\"serial\": 4"));
    assert_eq!(findings(&folder), [edited]);
    // What an earlier version wrote is judged by what it says.
    folder.write("state.json", without_digest(&snapshot));
    assert_eq!(findings(&folder), []);
    folder.write("state.json", without_digest(&snapshot).replace("id-a", "id-b"));
    assert_eq!(findings(&folder), [differs]);
    folder.write("state.json", &snapshot);

    let mut all = lines(&story());
    all[1] = all[1].replace("a comment", "b comment");
    folder.write("journal.jsonl", all.concat());
    folder.read().expect("loading trusts the snapshot for what lies before it");
    let [Finding::Damage(damage)] = &findings(&folder)[..] else { panic!("{:?}", findings(&folder)) };
    assert_eq!(fault(damage.clone()), Fault::Edited { seq: 2 });

    folder.write("journal.jsonl", lines(&story())[..4].concat());
    assert_eq!(findings(&folder), [Damage::SnapshotAhead { snapshot: 6, journal: 4 }.into()]);
    fs::remove_file(folder.file("journal.jsonl")).unwrap();
    assert_eq!(findings(&folder), [Damage::JournalMissing.into()]);
    assert_eq!(findings(&Folder::new()), []);

    let folder = Folder::with(&story(), None);
    folder.write("journal.jsonl", format!("{}{{\"seq\":7", folder.get("journal.jsonl")));
    let verified = local::verify(&folder.path(), None).unwrap();
    assert_eq!(verified.findings, []);
    assert_eq!(verified.notes, [Note::SnapshotMissing, Note::TornTail { bytes: 8 }]);
}

/// `cargo test --test state -- --ignored --nocapture numbers`
#[test]
#[ignore = "prints sizes and times"]
fn numbers() {
    let folder = Folder::new();
    let (mut store, _) = folder.open().unwrap();
    store.append(at(0), &[open()]).unwrap();
    let started = std::time::Instant::now();
    let calls = 200u64;
    for n in 0..calls {
        let address = format!("InvestigationPackage/host-{n:05}");
        let attempt = store.append(at(n), &[intent(&address, CallAction::Create)]).unwrap().start;
        store.append(at(n), &[outcome(&address, attempt, made(&format!("id-{n}"), "Pending"))]).unwrap();
    }
    let spent = started.elapsed();
    let bytes = fs::metadata(folder.file("journal.jsonl")).unwrap().len();
    println!(
        "{} bytes a record, {:?} an append with its sync",
        bytes / (2 * calls),
        spent / (2 * calls as u32)
    );

    let mut state = fold(&story());
    let template = state.resources[&addr("InvestigationPackage/a")].clone();
    state.resources =
        (0..50_000).map(|n| (addr(&format!("InvestigationPackage/host-{n:05}")), template.clone())).collect();
    let started = std::time::Instant::now();
    let bytes = snapshot::write(&state, 1, 1).unwrap();
    let wrote = started.elapsed();
    let started = std::time::Instant::now();
    let read = snapshot::read(&bytes).unwrap();
    println!(
        "{} resources, {} bytes: written in {wrote:?}, read in {:?}",
        read.state.resources.len(),
        bytes.len(),
        started.elapsed()
    );
}

/// Prints what `docs/architecture.md` says about the cost of a check:
/// `cargo test --release --test state -- --ignored --nocapture fifty`.
#[test]
#[ignore = "a measurement"]
fn fifty_thousand_records() {
    let mut records = vec![open()];
    for n in 0..24_999u64 {
        let address = format!("InvestigationPackage/host-{n:05}");
        let seq = records.len() as u64 + 1;
        records.push(intent(&address, CallAction::Create));
        records.push(outcome(&address, seq, made(&format!("5382f7ea-7557-4ab7-9782-{n:012}"), "Pending")));
    }
    let folder = Folder::with(&records, Some(records.len()));
    let size = fs::metadata(folder.file("journal.jsonl")).unwrap().len();
    for _ in 0..3 {
        let time = |what: &str, f: &dyn Fn()| {
            let start = std::time::Instant::now();
            f();
            println!("{what}: {:?}", start.elapsed());
        };
        println!("{} records, {size} bytes", records.len());
        time("tail", &|| drop(local::read(&folder.path()).unwrap()));
        time("whole", &|| drop(local::read_whole(&folder.path()).unwrap()));
        time("verify", &|| assert_eq!(local::verify(&folder.path(), None).unwrap().findings, []));
    }
}
