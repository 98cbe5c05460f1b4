//! The findings of `verify` about packages.

use std::path::Path;

use serde_json::Value;

use crate::lab::{Lab, edit};

/// The codes that `verify` tells, and the files that it names.
fn found(lab: &Lab) -> (Option<i32>, Vec<String>, String) {
    let ran = lab.run(&["verify", "--format", "json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let codes =
        document["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned());
    (ran.code, codes.collect(), ran.text())
}

#[test]
fn every_change_is_found() {
    let lab = Lab::applied(2, "");
    lab.fetch(0);
    assert_eq!(found(&lab).0, Some(0));
    let zips = lab.held(".zip");
    let read = |path: &Path| std::fs::read(path).unwrap();
    let (first, second) = (read(&zips[0]), read(&zips[1]));
    let mut altered = first.clone();
    altered[50] ^= 1;
    for (bytes, code) in [
        (altered, "package-altered"),
        (first[..100].to_vec(), "package-truncated"),
        (second, "package-swapped"),
    ] {
        edit(&zips[0], &bytes);
        let (exit, codes, text) = found(&lab);
        assert_eq!((exit, codes), (Some(1), vec![code.to_owned()]), "{text}");
        let ran = lab.run(&["verify"]);
        assert!(ran.code == Some(1) && ran.text().contains("InvestigationPackage/p0"), "{}", ran.text());
        assert_eq!(lab.run(&["verify", "--no-evidence"]).code, Some(0));
    }
    edit(&zips[0], &first);
    std::fs::remove_file(&zips[1]).unwrap();
    assert_eq!(found(&lab).1, ["package-missing"]);
    std::fs::copy(&zips[0], lab.path("evidence/InvestigationPackage/extra.zip")).unwrap();
    assert_eq!(found(&lab).1, ["package-missing", "package-extra"]);
    let json = lab.held(".json").remove(0);
    edit(&json, b"{}");
    assert_eq!(found(&lab).1, ["custody-altered", "package-missing", "package-extra"]);
}

#[test]
fn a_link_in_the_place_of_a_package_is_not_followed() {
    let lab = Lab::applied(1, "");
    lab.fetch(0);
    let zip = lab.held(".zip").remove(0);
    let elsewhere = lab.path("elsewhere.zip");
    std::fs::rename(&zip, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &zip).unwrap();
    assert_eq!(found(&lab).1, ["package-unreadable"]);
}

#[test]
fn packages_behind_a_fault_of_the_journal_are_told() {
    let lab = Lab::applied(2, "");
    lab.fetch(0);
    let path = lab.path(".casefile/journal.jsonl");
    let journal = std::fs::read_to_string(&path).unwrap().replacen("INC-2042", "INC-2043", 1);
    std::fs::write(&path, journal).unwrap();
    let (exit, codes, text) = found(&lab);
    assert_eq!(exit, Some(1), "{text}");
    assert_eq!(codes.iter().filter(|c| *c == "package-unproven").count(), 2, "{codes:?}");
    assert!(!codes.iter().any(|c| c == "package-extra"), "{codes:?}");
    let zip = lab.held(".zip").remove(0);
    edit(&zip, b"PK\x03\x04");
    let (_, codes, _) = found(&lab);
    assert!(
        codes.contains(&"package-truncated".to_owned()) && codes.contains(&"package-unproven".to_owned()),
        "{codes:?}"
    );
}
