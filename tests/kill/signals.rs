//! SIGINT, SIGTERM and SIGHUP: the first one lets calls end that are under way, the second one does not
//! wait.

use super::lab::{Lab, RESOURCES, each};
use super::process::{self, Process, Through};
use super::service::Serving;

const SIGNALS: [&str; 3] = ["INT", "TERM", "HUP"];

/// A run with four calls under way, none of them answered.
fn in_flight(lab: &Lab) -> (Serving, Process) {
    lab.service.hold(true);
    let serving = lab.service.serve();
    let process = lab.start(&Through::Nothing, &["--parallelism", "4"]);
    lab.service.wait_for_posts(4);
    (serving, process)
}

/// How many calls the last sentence of a run tells of.
fn told(stdout: &str) -> usize {
    let line = stdout.lines().find_map(|l| l.strip_prefix("Result: ")).expect("a result");
    let parts = line.split(", ").filter(|part| part.contains(" succeeded") || part.contains(" raised"));
    parts.map(|part| part.split(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

/// Resources in the state that have an id.
fn recorded(lab: &Lab) -> usize {
    lab.state().resources.values().filter(|r| r.id.is_some()).count()
}

#[test]
fn one_signal_records_what_is_under_way_and_starts_nothing_more() {
    each(&SIGNALS, |name| {
        let lab = Lab::new();
        let (serving, process) = in_flight(&lab);
        process.signal(name);
        process.wait_for_line("stopping");
        lab.service.hold(false);
        let ended = process.wait();
        lab.service.drain(serving);
        assert_eq!(ended.code(), Some(130), "SIG{name}: {ended:?}");
        assert_eq!((lab.service.effects().len(), recorded(&lab)), (4, 4), "SIG{name}: {ended:?}");
        assert_eq!(told(&ended.stdout), 4, "{ended:?}");
        assert!(ended.stdout.contains(&format!("{} calls were not started", RESOURCES - 4)), "{ended:?}");
        // The snapshot is written: nothing is left to put right.
        lab.verified();
        lab.recover();
    });
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    each(&SIGNALS, |name| {
        let lab = Lab::new();
        let (serving, process) = in_flight(&lab);
        process.signal(name);
        process.wait_for_line("stopping");
        process.signal(name);
        // The answers are still held back.
        let ended = process.wait();
        assert_eq!(ended.code(), Some(130), "SIG{name}: {ended:?}");
        lab.service.drain(serving);
        assert_eq!((lab.service.effects().len(), recorded(&lab)), (4, 0), "SIG{name}: {ended:?}");
        lab.nothing_left_unrecorded();
        lab.recover();
    });
}

/// A call is given up after a minute without an answer, and is looked up by the next run.
#[test]
#[ignore = "waits a minute for an answer that never comes"]
fn the_wait_for_calls_under_way_ends() {
    let lab = Lab::new();
    let (serving, process) = in_flight(&lab);
    process.signal("INT");
    let ended = process.wait();
    assert_eq!(ended.code(), Some(130), "{ended:?}");
    assert!(ended.stdout.contains("4 without an answer"), "{ended:?}");
    lab.service.drain(serving);
    assert_eq!((lab.service.effects().len(), recorded(&lab)), (4, 0), "{ended:?}");
    lab.recover();
}

#[test]
fn a_signal_while_an_earlier_run_s_calls_settle() {
    // Whether a call was about to leave when the run died is chance; one that never did is what is waited for.
    let lab = (0..50).find_map(|_| {
        let lab = Lab::with_settle("1h");
        assert_eq!(lab.apply_killed_after(2, &[]).code(), None);
        lab.has_call_that_never_left().then_some(lab)
    });
    let lab = lab.unwrap();
    let serving = lab.service.serve();
    let process = lab.start(&Through::Nothing, &["-v"]);
    process.wait_for_line("can be settled");
    process.signal("INT");
    let ended = process.wait();
    lab.service.drain(serving);
    assert_eq!(ended.code(), Some(130), "{ended:?}");
    lab.nothing_left_unrecorded();
    lab.settle("1s");
    lab.recover();
}

#[test]
fn a_closed_terminal_stops_no_recording() {
    let lab = Lab::new();
    lab.service.hold(true);
    let serving = lab.service.serve();
    let process = lab.start(&Through::NoTerminal, &["--parallelism", "4"]);
    lab.service.wait_for_posts(4);
    process.signal("HUP");
    lab.service.hold(false);
    let ended = process.wait();
    lab.service.drain(serving);
    // Nobody can be told when the signal has arrived; the run may even be over by then.
    assert!(matches!(ended.code(), Some(130 | 0)), "{ended:?}");
    assert_eq!(lab.service.effects().len(), recorded(&lab), "{ended:?}");
    lab.verified();
    lab.recover();
}

/// A project whose state holds collections that run, and whose manifests name a machine by its name.
fn waiting_lab() -> Lab {
    let lab = Lab::new();
    assert_eq!(lab.apply(&Through::Nothing, &[]).code(), Some(0));
    let text = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: by-name }\n\
                spec: { machineName: fin-ws-1, comment: INC-2042 }\n";
    std::fs::write(lab.path().join("manifests/name.yaml"), text).unwrap();
    lab
}

/// The command ends at the signal although the service has not answered its first call.
#[track_caller]
fn ends_while_a_call_hangs(lab: &Lab, args: &[&str], name: &str) {
    lab.service.freeze(true);
    let before = lab.service.requests();
    let serving = lab.service.serve();
    let process = process::start(&Through::Nothing, &lab.path(), &lab.service.url(), args);
    lab.service.wait_for_a_request(before);
    process.signal(name);
    let ended = process.wait();
    assert_eq!(ended.code(), Some(130), "{args:?} SIG{name}: {ended:?}");
    lab.service.drain(serving);
}

#[test]
fn every_command_that_waits_for_the_service_ends_at_a_signal() {
    let lab = waiting_lab();
    let id = "5382f7ea-7557-4ab7-9782-d50480024a4e";
    let commands: &[&[&str]] = &[
        &["plan"],
        &["apply", "--auto-approve"],
        &["apply", "--auto-approve", "--format", "json"],
        &["hunt", "DeviceEvents"],
        &["seal"],
        &["import", "--discover", "--auto-approve"],
        &["import", "InvestigationPackage/by-name", id],
    ];
    for (i, args) in commands.iter().enumerate() {
        for name in [SIGNALS[i % 3], SIGNALS[(i + 1) % 3]] {
            ends_while_a_call_hangs(&lab, args, name);
        }
    }
    lab.verified();
}

#[test]
fn a_look_at_what_runs_ends_at_a_signal() {
    let lab = Lab::running();
    assert_eq!(lab.apply(&Through::Nothing, &[]).code(), Some(0));
    let cancel = ["cancel", "InvestigationPackage/p00", "--comment", "INC-2042", "--auto-approve"];
    for (args, name) in [(&["status"][..], "INT"), (&["status"], "TERM"), (&cancel, "INT"), (&cancel, "HUP")]
    {
        ends_while_a_call_hangs(&lab, args, name);
    }
    lab.verified();
}

#[test]
fn a_signal_while_collections_are_followed_says_that_they_go_on() {
    let lab = Lab::running();
    let serving = lab.service.serve();
    let process = lab.start(&Through::Nothing, &["--wait"]);
    process.wait_for_line("looks again");
    process.signal("INT");
    process.wait_for_line("stopping: collections go on at the service");
    let ended = process.wait();
    lab.service.drain(serving);
    assert_eq!(ended.code(), Some(130), "{ended:?}");
    assert!(
        ended.stdout.contains("next: casefile -C ") && ended.stdout.ends_with(" status -w\n"),
        "{ended:?}"
    );
}

#[test]
fn waiting_for_the_lock_ends_at_a_signal() {
    let lab = Lab::new();
    let (serving, first) = in_flight(&lab);
    for name in SIGNALS {
        let second = lab.start(&Through::Nothing, &["--lock-timeout", "10m"]);
        second.wait_for_line("waiting for another run");
        second.signal(name);
        let ended = second.wait();
        assert_eq!(ended.code(), Some(130), "SIG{name}: {ended:?}");
        assert!(ended.stderr.contains("interrupted, nothing was sent"), "{ended:?}");
    }
    lab.service.hold(false);
    assert_eq!(first.wait().code(), Some(0));
    lab.service.drain(serving);
    lab.all_is_well();
}

#[test]
fn the_simulated_service_ends_at_a_signal() {
    for name in SIGNALS {
        let dir = tempfile::tempdir().unwrap();
        let args = ["sandbox", "--listen", "127.0.0.1:0"];
        let process = process::start(&Through::Nothing, dir.path(), "http://127.0.0.1:1", &args);
        process.wait_for_line("Ctrl-C ends it");
        process.signal(name);
        let ended = process.wait();
        assert_eq!(ended.code(), Some(0), "SIG{name}: {ended:?}");
    }
}
