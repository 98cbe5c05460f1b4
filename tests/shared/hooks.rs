//! Repositories whose hooks stall, or die once the push is in.

use std::sync::Arc;
use std::time::Duration;

use casefile::state::Store as _;
use casefile::state::shared::command::Git;
use casefile::state::shared::git::{Author, BOUND, GitRemote, Place};
use casefile::state::shared::{Opening, Put, Remote as _, Segment, SharedStore};

use super::lab::{Lab, until};
use super::place::{at, begin, holder, intent};

/// A ref of the lab's repository, whose pushes may take so long.
fn remote(lab: &Lab, cache: &str, bound: Duration) -> GitRemote {
    let place = Place {
        url: lab.path("remote.git").to_string_lossy().into_owned(),
        push_url: None,
        reference: "refs/casefile/ir".into(),
        interval: Duration::ZERO,
        bound,
    };
    let cache = lab.path(cache);
    std::fs::create_dir(&cache).unwrap();
    let author = Author { name: "t".into(), email: "t@t".into() };
    let git = Git::new(std::env::vars_os(), "file");
    GitRemote::new(git, place, author, cache, Arc::new(jiff::Timestamp::now))
}

/// The hook takes the push after the pusher has given it up, or refuses it then, or never ends.
#[tokio::test]
async fn a_hook_that_stalls_longer_than_a_push_may_take_records_nothing_twice() {
    for (ends, taken) in [("exit 0", true), ("[ -e later ] && exit 0; touch later; exit 1", false)] {
        let lab = Lab::new(0);
        lab.hook("pre-receive", &format!("[ -e seen ] || {{ touch seen; sleep 2; {ends}; }}"));
        let opening = Opening { holder: holder("one"), lineage: None, now: at(0), is_gone: |_| false };
        let remote = remote(&lab, "cache", Duration::from_secs(1));
        let (mut store, _) = SharedStore::open(remote, None, &opening).await.unwrap();
        let groups = vec![vec![begin()], vec![intent("a", "one", 0)]];
        let numbers = store.append(at(0), groups, &mut |_, _, _| true).await.unwrap();
        assert!(numbers.iter().all(Option::is_some));
        let log = lab.git(&lab.path("remote.git"), &["log", "--format=%s", "refs/casefile/ir"]);
        assert_eq!(log.lines().count(), 1, "{taken}: {log}");
    }
}

#[tokio::test]
async fn a_hook_that_never_ends_is_an_error_that_names_the_time() {
    let lab = Lab::new(0);
    lab.hook("pre-receive", "sleep 60");
    let opening = Opening { holder: holder("one"), lineage: None, now: at(0), is_gone: |_| false };
    let bound = Duration::from_millis(300);
    let (mut store, _) = SharedStore::open(remote(&lab, "cache", bound), None, &opening).await.unwrap();
    tokio::time::pause();
    let groups = vec![vec![begin()], vec![intent("a", "one", 0)]];
    let lost = store.append(at(0), groups, &mut |_, _, _| true).await.unwrap_err();
    assert!(lost.to_string().contains("git did not end within"), "{lost}");
}

/// The programs that a push has started end with it, and leave no lock behind.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_push_that_is_given_up_leaves_no_program_behind() {
    let lab = Lab::new(0);
    lab.hook("pre-receive", "[ -e first ] && exit 0; echo $$ > first; sleep 600");
    let segment = Segment { first: 1, lines: b"", journal: b"x\n", snapshot: None, message: "a test" };
    let mut remote = remote(&lab, "cache", Duration::from_secs(3));
    assert_eq!(remote.read().await.unwrap(), None);
    let given_up = remote.append(&segment).await.unwrap();
    assert!(matches!(given_up, Put::Unknown(_)), "{given_up:?}");
    let hook = std::fs::read_to_string(lab.path("remote.git").join("first")).unwrap();
    let process = std::path::PathBuf::from("/proc").join(hook.trim());
    // Whoever has no parent any more is still to be reaped by somebody.
    let runs = || {
        let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
        status.lines().any(|l| l.starts_with("State:") && !l.contains('Z'))
    };
    until("the hook's end", || !runs());
    assert_eq!(remote.append(&segment).await.unwrap(), Put::Done);
}

/// The push is in, and its pusher is told otherwise, or nothing.
#[test]
fn hooks_that_die_once_the_push_is_in_lose_nothing() {
    for hook in ["exit 1", "kill -9 $PPID"] {
        let lab = Lab::new(2);
        let first = lab.path("first");
        lab.hook("post-receive", hook);
        let (code, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
        assert_eq!((code, lab.collections()), (0, 2), "{hook}: {stderr}");
        let (code, stdout, _) = lab.run(&first, &["verify"]);
        assert_eq!(code, 0, "{hook}: {stdout}");
        let second = lab.clone_as("second");
        assert_eq!(lab.run(&second, &["plan", "--detailed-exitcode"]).0, 0, "{hook}");
    }
}

#[test]
fn a_hook_that_stalls_for_a_while_is_waited_for() {
    let lab = Lab::new(1);
    lab.hook("pre-receive", "sleep 2");
    let (code, _, stderr) = lab.run(&lab.path("first"), &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 1), "{stderr}");
    assert!(Duration::from_secs(2) < BOUND);
}
