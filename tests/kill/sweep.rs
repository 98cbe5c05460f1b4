//! A run of 40 resources, killed at every point where it matters.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::lab::{Lab, RESOURCES, each};
use super::process::Through;

const SIGKILL: i32 = 9;
const SIGXFSZ: i32 = 25;

/// One call after another, or eight at once: then up to seven more calls are under way when it happens.
const PARALLELISM: [&str; 2] = ["1", "8"];

/// SIGKILL right after the `k`-th effect, before its answer leaves.
fn after_effect(k: usize, parallelism: &str) {
    let lab = Lab::new();
    let ended = lab.apply_killed_after(k, &["--parallelism", parallelism]);
    assert_eq!(ended.signal(), Some(SIGKILL), "k = {k}: {ended:?}");
    let effects = lab.service.effects().len();
    let beside = parallelism.parse::<usize>().unwrap() - 1;
    assert!((k..=k + beside).contains(&effects), "k = {k}, {effects} effects");
    lab.nothing_left_unrecorded();
    lab.recover();
}

/// Where the journal of an undisturbed run has its records' ends.
fn ends_of_records(parallelism: &str) -> Vec<u64> {
    let lab = Lab::new();
    let ended = lab.apply(&Through::Nothing, &["--parallelism", parallelism]);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    lab.all_is_well();
    let journal = std::fs::read(lab.folder().join("journal.jsonl")).unwrap();
    let ends = journal.iter().zip(1..).filter(|(b, _)| **b == b'\n').map(|(_, i)| i);
    ends.collect()
}

/// One place in each record: in turns its first byte, its middle, and all of it but the line's end.
/// Records of two runs differ by some bytes, so these places are approximate.
fn places(ends: &[u64]) -> Vec<u64> {
    let starts = std::iter::once(&0).chain(ends);
    let records = starts.zip(ends).enumerate();
    records
        .map(|(i, (start, end))| match i % 3 {
            0 => start + 1,
            1 => start.midpoint(*end),
            _ => end - 1,
        })
        .collect()
}

/// The write that reaches `place` is torn there, and the process dies of it. False if none did: the last
/// record of this run may be some bytes shorter.
fn torn_at(place: u64, parallelism: &str) -> bool {
    let lab = Lab::new();
    let ended = lab.apply(&Through::FileSize(place), &["--parallelism", parallelism]);
    assert!(ended.signal() == Some(SIGXFSZ) || ended.code() == Some(0), "at {place}: {ended:?}");
    lab.nothing_left_unrecorded();
    lab.recover();
    ended.code().is_none()
}

/// SIGKILL at the `k`-th sync of the run: its records are written, and may or may not be durable.
/// False if the run was over before.
fn at_sync(k: usize, parallelism: &str) -> bool {
    let lab = Lab::new();
    let inject = format!("inject=fdatasync:signal=SIGKILL:when={k}");
    let args: Vec<String> =
        ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &inject].map(str::to_owned).to_vec();
    let ended = lab.apply(&Through::Strace(&args), &["--parallelism", parallelism]);
    lab.nothing_left_unrecorded();
    lab.recover();
    assert!(ended.signal() == Some(SIGKILL) || ended.code() == Some(0), "k = {k}: {ended:?}");
    ended.code().is_none()
}

/// Whether a process may be traced here.
pub fn can_trace() -> bool {
    let run = std::process::Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let can = run.is_ok_and(|s| s.success());
    if !can {
        println!("skipped: strace is not installed, or may not trace");
    }
    can
}

#[test]
fn killed_after_an_effect() {
    each(&[(1, "1"), (17, "1"), (1, "8"), (22, "8"), (RESOURCES, "8")], |(k, p)| after_effect(*k, p));
}

#[test]
#[ignore = "every k takes a minute"]
fn killed_after_every_effect() {
    let cases: Vec<_> = (1..=RESOURCES).flat_map(|k| PARALLELISM.map(|p| (k, p))).collect();
    each(&cases, |(k, p)| after_effect(*k, p));
}

/// Run after run is killed after its first effect, until there are no more.
fn again_and_again(kills: usize, parallelism: &str) {
    let lab = Lab::new();
    let mut killed = 0;
    while killed < kills {
        let k = lab.service.effects().len() + 1;
        if k > RESOURCES {
            break;
        }
        let ended = lab.apply_killed_after(k, &["--parallelism", parallelism]);
        assert_eq!(ended.signal(), Some(SIGKILL), "k = {k}: {ended:?}");
        lab.nothing_left_unrecorded();
        killed += 1;
    }
    println!("killed {killed} times in a row, parallelism {parallelism}");
    lab.recover();
}

#[test]
fn killed_again_while_recovering() {
    each(&PARALLELISM, |p| again_and_again(3, p));
}

#[test]
#[ignore = "forty kills in a row take a minute"]
fn killed_again_and_again() {
    each(&PARALLELISM, |p| again_and_again(RESOURCES, p));
}

#[test]
fn killed_while_a_record_is_written() {
    let places = places(&ends_of_records("1"));
    let some: Vec<u64> = [0, 1, 2, 40, places.len() - 1].iter().map(|i| places[*i]).collect();
    each(&some, |place| {
        torn_at(*place, "1");
    });
}

#[test]
#[ignore = "every record takes minutes"]
fn killed_while_every_record_is_written() {
    for p in PARALLELISM {
        let places = places(&ends_of_records(p));
        assert!(places.len() > 2 * RESOURCES, "an intent and an outcome each");
        let torn = AtomicUsize::new(0);
        each(&places, |place| {
            torn.fetch_add(usize::from(torn_at(*place, p)), Ordering::Relaxed);
        });
        let torn = torn.into_inner();
        println!("killed in {torn} of {} records, parallelism {p}", places.len());
        assert!(torn + 2 >= places.len(), "{torn} of {}", places.len());
    }
}

#[test]
fn killed_at_a_sync() {
    if can_trace() {
        each(&[1, 2, 30], |k| assert!(at_sync(*k, "1"), "k = {k}"));
    }
}

#[test]
#[ignore = "every k takes minutes"]
fn killed_at_every_sync() {
    if !can_trace() {
        return;
    }
    for p in PARALLELISM {
        let over = AtomicUsize::new(usize::MAX);
        let cases: Vec<usize> = (1..=2 * RESOURCES + 10).collect();
        each(&cases, |k| {
            if *k < over.load(Ordering::Relaxed) && !at_sync(*k, p) {
                over.fetch_min(*k, Ordering::Relaxed);
            }
        });
        let syncs = over.into_inner() - 1;
        println!("killed at each of {syncs} syncs, parallelism {p}");
        assert!(syncs > 2, "{syncs}");
    }
}

/// A snapshot that is only half written is no snapshot.
#[test]
fn killed_while_the_snapshot_is_written() {
    let lab = Lab::new();
    assert_eq!(lab.apply(&Through::Nothing, &[]).code(), Some(0));
    let len = |name: &str| std::fs::metadata(lab.folder().join(name)).unwrap().len();
    let (journal, snapshot) = (len("journal.jsonl"), len("state.json"));
    // The journal grows by nothing in a run that changes nothing, so only a rebuilt snapshot is torn.
    std::fs::remove_file(lab.folder().join("state.json")).unwrap();
    let limit = snapshot / 2;
    let ended = lab.apply(&Through::FileSize(limit), &[]);
    assert_eq!(ended.signal(), Some(SIGXFSZ), "{journal} {snapshot}: {ended:?}");
    assert!(lab.folder().join("state.json.new").exists());
    lab.recover();
}

/// What `recover` compares with is able to tell: a state that is thrown away costs second calls.
#[test]
#[should_panic(expected = "sent twice")]
fn a_second_call_is_seen() {
    let lab = Lab::new();
    assert_eq!(lab.apply(&Through::Nothing, &[]).code(), Some(0));
    lab.all_is_well();
    std::fs::remove_dir_all(lab.folder()).unwrap();
    assert_eq!(lab.apply(&Through::Nothing, &["--fresh"]).code(), Some(0));
    lab.all_is_well();
}
