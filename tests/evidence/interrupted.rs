//! Runs that end in the middle.

use std::process::Stdio;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::lab::Lab;
use crate::sandbox::BIN;

/// A run whose download stands still in the middle, killed by this signal; returns how many bytes lay there.
fn interrupted(lab: &Lab, signal: &str) -> u64 {
    let mut child = lab
        .command(BIN)
        .arg("-C")
        .arg(lab.path(""))
        .arg("fetch")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let half = 20_000 * 1024 / 2;
    let (began, mut length) = (Instant::now(), 0);
    while length < half {
        assert!(began.elapsed() < Duration::from_secs(50), "{length}");
        std::thread::sleep(Duration::from_millis(20));
        length = lab.held(".part").first().and_then(|p| p.metadata().ok()).map_or(0, |m| m.len());
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    child.wait().unwrap();
    length
}

#[test]
fn the_next_run_goes_on() {
    for signal in ["-KILL", "-INT"] {
        let scenario = "packages: { fillerKib: 20000 }\nfaults: [{ on: download, nth: [1], then: stalled }]";
        let lab = Lab::applied(1, scenario);
        let there = interrupted(&lab, signal);
        assert!(lab.held(".zip").is_empty());
        let ran = lab.fetch(0);
        let resumed = ran.events("fetching")[0]["resumed"].as_u64().unwrap();
        assert!(resumed + (8 << 20) + 65_536 >= there && resumed <= there, "{resumed} of {there}");
        lab.holds(1);
    }
}

#[test]
fn a_custody_record_that_was_not_written_is_made_from_the_journal() {
    let lab = Lab::applied(1, "");
    lab.fetch(0);
    let json = lab.held(".json").remove(0);
    std::fs::remove_file(&json).unwrap();
    let ran = lab.run(&["verify", "--format", "json"]);
    assert!(ran.code == Some(1) && ran.text().contains("custody-missing"), "{}", ran.text());
    lab.fetch(0);
    lab.holds(1);
}

/// The run is killed as it is about to do its `nth` write, sync, rename, change of length or rights, or removal of a file;
/// returns false if there were not so many. Each thread counts for itself.
fn killed_at(call: &str, nth: usize) -> bool {
    let lab = Lab::applied(1, "packages: { fillerKib: 9000 }");
    let mut command = lab.command("strace");
    command.args(["--quiet=all", "-f", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
    command.arg("-e").arg(format!("inject={call}:signal=SIGKILL:when={nth}"));
    command.arg(BIN).arg("-C").arg(lab.path("")).arg("fetch");
    let ended = command.stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    // Nothing that is recorded as held is missing or altered, and nothing has a name that is not whole.
    for record in lab.records("fetched") {
        let bytes = std::fs::read(lab.path("evidence").join(record["file"].as_str().unwrap())).unwrap();
        assert_eq!(record["sha256"], data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)), "{call} {nth}");
    }
    for zip in lab.held(".zip") {
        assert!(std::fs::read(&zip).unwrap().windows(4).any(|w| w == b"PK\x05\x06"), "{call} {nth}");
    }
    lab.fetch(0);
    lab.holds(1);
    !ended.status.success()
}

#[test]
#[ignore = "needs strace, and takes some minutes"]
fn a_kill_at_any_write_loses_nothing_and_replaces_nothing() {
    let mut kills = 0;
    for call in ["write", "fsync", "fdatasync", "rename", "renameat2", "ftruncate", "fchmod", "unlink"] {
        let mut nth = 1;
        while killed_at(call, nth) {
            (nth, kills) = (nth + 1, kills + 1);
            // Of the many writes of a download every one is as good as any other.
            if nth > 12 {
                break;
            }
        }
    }
    assert!(kills > 20, "{kills} kills");
}
