//! Two runs at once, and the lock of one that was killed.

use super::lab::Lab;
use super::process::{self, Through};
use super::sweep::can_trace;

#[test]
fn a_second_run_is_told_who_holds_the_lock() {
    let lab = Lab::new();
    lab.service.hold(true);
    let serving = lab.service.serve();
    let first = lab.start(&Through::Nothing, &[]);
    lab.service.wait_for_posts(1);
    let second = lab.start(&Through::Nothing, &[]).wait();
    assert_eq!(second.code(), Some(4), "{second:?}");
    let says = |part: &str| assert!(second.stderr.contains(part), "{part}: {second:?}");
    says("another run holds the lock: ann@");
    says(&format!("process {}", first.pid()));
    says("since 2");
    says("casefile apply");
    // Who only looks needs no lock.
    let plan = process::start(&Through::Nothing, &lab.path(), &lab.service.url(), &["plan"]).wait();
    assert_eq!(plan.code(), Some(0), "{plan:?}");
    lab.service.hold(false);
    assert_eq!(first.wait().code(), Some(0));
    lab.service.drain(serving);
    lab.all_is_well();
}

#[test]
fn a_second_run_waits_if_asked_to_and_finds_nothing_left() {
    let lab = Lab::new();
    lab.service.hold(true);
    let serving = lab.service.serve();
    let first = lab.start(&Through::Nothing, &[]);
    lab.service.wait_for_posts(1);
    let second = lab.start(&Through::Nothing, &["--lock-timeout", "2m"]);
    let waiting = second.wait_for_line("waiting for another run");
    assert!(waiting.contains(&format!("process {}", first.pid())), "{waiting}");
    lab.service.hold(false);
    assert_eq!(first.wait().code(), Some(0));
    let second = second.wait();
    lab.service.drain(serving);
    assert_eq!(second.code(), Some(0), "{second:?}");
    lab.all_is_well();
}

#[test]
fn a_wait_for_the_lock_ends() {
    let lab = Lab::new();
    lab.service.hold(true);
    let serving = lab.service.serve();
    let first = lab.start(&Through::Nothing, &[]);
    lab.service.wait_for_posts(1);
    let second = lab.start(&Through::Nothing, &["--lock-timeout", "1s"]).wait();
    assert_eq!(second.code(), Some(4), "{second:?}");
    lab.service.hold(false);
    assert_eq!(first.wait().code(), Some(0));
    lab.service.drain(serving);
}

#[test]
fn the_lock_goes_with_a_killed_process() {
    let lab = Lab::new();
    lab.service.hold(true);
    let serving = lab.service.serve();
    let first = lab.start(&Through::Nothing, &[]);
    lab.service.wait_for_posts(1);
    first.victim().kill();
    // Its file is still there and names it; nobody waits for it.
    assert!(lab.folder().join("lock").exists());
    assert_eq!(first.wait().signal(), Some(9));
    lab.service.drain(serving);
    lab.recover();
}

#[test]
fn a_file_system_without_locks_is_noticed() {
    if !can_trace() {
        return;
    }
    // No such call, no lock service, and a lock that keeps nobody out.
    for answer in ["error=EOPNOTSUPP", "error=ENOLCK", "error=ENOSYS", "retval=0"] {
        let lab = Lab::new();
        let inject = format!("inject=flock:{answer}");
        let args: Vec<String> =
            ["-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", &inject].map(str::to_owned).to_vec();
        let ended = lab.apply(&Through::Strace(&args), &[]);
        assert_eq!(ended.code(), Some(1), "{answer}: {ended:?}");
        assert!(ended.stderr.contains("does not support file locks"), "{answer}: {ended:?}");
        assert_eq!(lab.service.posts(), 0, "{answer}");
    }
}
