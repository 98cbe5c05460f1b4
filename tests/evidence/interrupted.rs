//! Runs that end in the middle.

use std::process::Stdio;
use std::time::{Duration, Instant};

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
