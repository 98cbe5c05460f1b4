//! The commands of `docs/evidence.md` that need nothing of ours.

use std::process::Command;

use crate::lab::{Lab, edit};

/// The shell blocks of the page.
fn scripts() -> Vec<&'static str> {
    let page = include_str!("../../docs/evidence.md");
    page.split("```sh\n").skip(1).map(|b| b.split("```").next().unwrap()).collect()
}

fn sh(lab: &Lab, script: &str) -> (bool, String) {
    let output = Command::new("sh").arg("-ec").arg(script).current_dir(lab.path("")).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn packages_and_journal_are_checked_without_casefile() {
    let lab = Lab::applied(2, "");
    lab.fetch(0);
    let [packages, journal] = scripts().try_into().unwrap();
    let (good, text) = sh(&lab, packages);
    assert!(good && text.matches(": OK").count() == 4, "{text}");
    let (good, text) = sh(&lab, journal);
    let head = lab.run(&["verify"]).stdout;
    let head = head.lines().find_map(|l| l.strip_prefix("head ")).unwrap();
    assert!(good && text.trim() == format!("head {head}"), "{text}");
    // Both find a change.
    let zip = lab.held(".zip").remove(0);
    edit(&zip, b"PK\x03\x04");
    assert!(!sh(&lab, packages).0);
    let path = lab.path(".casefile/journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap().replacen("INC-2042", "INC-2043", 1);
    std::fs::write(&path, text).unwrap();
    assert!(sh(&lab, journal).1.contains("altered: "));
}
