//! Output that nobody reads, or that cannot be written: it holds up neither a call nor a signal, and what a
//! program asked for is never left out unnoticed.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use super::disk::Mount;
use super::lab::{Lab, RESOURCES};
use super::process::{self, BIN, Process, Through, Unread};
use super::service::Serving;

const JSON: [&str; 4] = ["--format", "json", "--parallelism", "4"];

#[test]
fn a_stderr_that_nobody_reads_does_not_hold_up_a_run() {
    let (lab, unread) = (Lab::new(), Unread::new());
    let ended = lab.apply(&Through::UnreadStderr(&unread), &["-vv"]);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("20 packages succeeded, 20 alerts raised"), "{ended:?}");
    lab.all_is_well();
}

/// A run with four calls under way and with nobody who reads its lines.
fn unread_run(lab: &Lab, unread: &Unread) -> (Serving, Process) {
    lab.service.hold(true);
    let serving = lab.service.serve();
    let process = lab.start(&Through::UnreadStderr(unread), &["-vv", "--parallelism", "4"]);
    lab.service.wait_for_posts(4);
    (serving, process)
}

#[test]
fn a_stderr_that_nobody_reads_does_not_hold_up_a_signal() {
    let (lab, mut unread) = (Lab::new(), Unread::new());
    let (serving, process) = unread_run(&lab, &unread);
    process.signal("INT");
    unread.read_until("stopping");
    lab.service.hold(false);
    let ended = process.wait();
    lab.service.drain(serving);
    assert_eq!(ended.code(), Some(130), "{ended:?}");
    assert_eq!(lab.service.effects().len(), 4, "{ended:?}");
    lab.verified();
    lab.recover();
}

#[test]
fn a_stderr_that_nobody_reads_does_not_hold_up_a_second_signal() {
    let (lab, unread) = (Lab::new(), Unread::new());
    let (serving, process) = unread_run(&lab, &unread);
    process.signal("INT");
    process.signal("TERM");
    let ended = process.wait();
    lab.service.drain(serving);
    assert_eq!(ended.code(), Some(130), "{ended:?}");
    lab.nothing_left_unrecorded();
    lab.recover();
}

#[test]
fn a_command_that_waits_for_a_reader_ends_at_a_signal() {
    let (lab, unread) = (Lab::new(), Unread::new());
    // What is wrong with the manifests is told first, and there is no room for it.
    std::fs::write(lab.path().join("manifests/broken.yaml"), "kind: [").unwrap();
    let through = Through::UnreadStderr(&unread);
    let process = process::start(&through, &lab.path(), &lab.service.url(), &["plan"]);
    process.wait_until_it_listens();
    process.signal("TERM");
    assert_eq!(process.wait().code(), Some(130));
}

#[test]
fn events_that_are_read_late_are_all_there() {
    let lab = Lab::new();
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // Room for the plan, and for little else.
    writer.write_all(&[b' '; 60 * 1024]).unwrap();
    let end = || Stdio::from(writer.try_clone().unwrap());
    let serving = lab.service.serve();
    let process = lab.start(&Through::Stdout(&end), &JSON);
    lab.service.wait_for_posts(RESOURCES);
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let ended = process.wait();
    lab.service.drain(serving);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let events: Vec<serde_json::Value> =
        text.trim_start().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let count = |name: &str| events.iter().filter(|e| e["event"] == name).count();
    assert_eq!((count("planned"), count("accepted"), count("summary")), (1, RESOURCES, 1));
    lab.all_is_well();
}

#[test]
fn events_that_cannot_be_written_stop_the_run_before_its_first_call() {
    let lab = Lab::new();
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let ended = lab.apply(&Through::Stdout(&full), &JSON);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cannot write to stdout: No space left on device"), "{ended:?}");
    assert!(ended.stderr.contains("40 calls were not started"), "{ended:?}");
    assert_eq!(lab.service.posts(), 0);
    lab.recover();
}

#[test]
fn events_that_cannot_be_written_any_more_stop_the_run() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let options = ["-t", "tmpfs", "-o", "size=8k,mode=700", "tmpfs"];
    let Some(_disk) = Mount::new(&options, folder.path()) else { return };
    let file = || Stdio::from(std::fs::File::create(folder.path().join("events")).unwrap());
    let ended = lab.apply(&Through::Stdout(&file), &["--format", "json", "--parallelism", "1"]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cannot write to stdout: No space left on device"), "{ended:?}");
    assert!((1..RESOURCES).contains(&lab.service.posts()), "{}", lab.service.posts());
    lab.nothing_left_unrecorded();
    lab.verified();
    lab.recover();
}

#[test]
fn a_summary_that_cannot_be_written_is_an_error() {
    let lab = Lab::new();
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    // The plan is shown before anything is sent.
    let ended = lab.apply(&Through::Stdout(&full), &[]);
    assert_eq!((ended.code(), lab.service.posts()), (Some(1), 0), "{ended:?}");
    assert!(ended.stderr.contains("cannot write to stdout"), "{ended:?}");
}

/// A reader such as `head` takes what it wants; the run was approved, and goes on.
#[test]
fn a_reader_of_events_that_goes_away_ends_nothing() {
    let lab = Lab::new();
    let gone = || {
        let (nobody, end) = std::io::pipe().unwrap();
        drop(nobody);
        Stdio::from(end)
    };
    let ended = lab.apply(&Through::Stdout(&gone), &JSON);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    lab.all_is_well();
}

#[test]
fn variables_of_the_runtime_and_of_std_change_nothing() {
    for variables in [
        &[("TOKIO_WORKER_THREADS", "0"), ("RUST_MIN_STACK", "1")][..],
        &[("TOKIO_WORKER_THREADS", "x"), ("RUST_MIN_STACK", "18446744073709551615")],
    ] {
        let lab = Lab::new();
        let ended = lab.apply(&Through::Env(variables), &[]);
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        lab.all_is_well();
    }
}

/// The terminal goes away while its question is open: nobody said no, and nothing is sent.
#[test]
fn a_question_whose_terminal_goes_away_is_interrupted() {
    let lab = Lab::new();
    let serving = lab.service.serve();
    let fifo = lab.path().join("code");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // The shell lives on, and tells how the run ended.
    let line = format!("trap '' HUP; {BIN} -C {} apply; echo $? > {}", lab.path().display(), fifo.display());
    let mut terminal = Command::new("script")
        .args(["-qefc", &line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("CASEFILE_ENDPOINT", lab.service.url())
        .env("CASEFILE_ACCESS_TOKEN", "a-token")
        .env_remove("CI")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut screen = terminal.stdout.take().unwrap();
    let (mut seen, mut bytes) = (String::new(), [0; 4096]);
    while !seen.contains("is taken as a yes") {
        let n = screen.read(&mut bytes).unwrap();
        assert!(n > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..n]));
    }
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    let code = std::fs::read_to_string(&fifo).unwrap();
    lab.service.drain(serving);
    assert_eq!(code.trim(), "130", "{seen}");
    assert_eq!(lab.service.posts(), 0);
}
