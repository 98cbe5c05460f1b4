//! Bags: what is in them, that they prove it, and what never looks like one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::lab::{Lab, Ran, edit, files};
use crate::server::Server;

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The lines of a manifest of a bag: hashes by path.
fn manifest(bag: &Path, name: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(bag.join(name)).unwrap();
    let lines = text.lines().map(|l| l.split_once("  ").unwrap());
    lines.map(|(hash, path)| (path.to_owned(), hash.to_owned())).collect()
}

/// Checks a bag by RFC 8493, and returns the paths of its payload.
#[track_caller]
fn is_whole(bag: &Path) -> Vec<String> {
    let declaration = std::fs::read_to_string(bag.join("bagit.txt")).unwrap();
    assert_eq!(declaration, "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    let payload = manifest(bag, "manifest-sha256.txt");
    for (path, hash) in payload.iter().chain(&manifest(bag, "tagmanifest-sha256.txt")) {
        assert_eq!(*hash, sha256(&std::fs::read(bag.join(path)).unwrap()), "{path}");
        assert!(path.chars().all(|c| c.is_ascii_alphanumeric() || "._-=/".contains(c)), "{path}");
    }
    let there = files(&bag.join("data"));
    let there: Vec<String> =
        there.iter().map(|p| p.strip_prefix(bag).unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(there, payload.keys().cloned().collect::<Vec<_>>(), "each file of the payload is named");
    let bytes: u64 = there.iter().map(|p| std::fs::metadata(bag.join(p)).unwrap().len()).sum();
    assert!(info(bag).contains(&format!("Payload-Oxum: {bytes}.{}\n", there.len())), "{}", info(bag));
    there
}

fn info(bag: &Path) -> String {
    std::fs::read_to_string(bag.join("bag-info.txt")).unwrap()
}

#[track_caller]
fn exports(lab: &Lab, code: i32, args: &[&str]) -> Ran {
    let ran = lab.run(&[&["export", "--bagit", "bag"], args].concat());
    assert_eq!(ran.code, Some(code), "{}", ran.text());
    ran
}

#[test]
fn a_bag_holds_packages_records_manifests_seals_and_the_journal() {
    let lab = Lab::applied(2, "");
    assert_eq!(lab.run(&["seal"]).code, Some(0));
    lab.fetch(0);
    let ran = exports(&lab, 0, &["--format", "json"]);
    let bag = lab.path("bag");
    let payload = is_whole(&bag);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (document["packages"].as_array().unwrap().len(), &document["notHeld"]),
        (2, &Value::Array(vec![]))
    );
    let records = lab.records("fetched");
    for package in document["packages"].as_array().unwrap() {
        let record = records.iter().find(|r| r["address"] == package["address"]).unwrap();
        let path = package["path"].as_str().unwrap();
        assert_eq!((&package["sha256"], &package["size"]), (&record["sha256"], &record["size"]));
        assert_eq!(manifest(&bag, "manifest-sha256.txt")[path], record["sha256"].as_str().unwrap());
        let json = std::fs::read(bag.join(path).with_extension("json")).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), *record);
    }
    for name in ["manifests/a.yaml", "manifests/a.sealed.yaml"] {
        let original = std::fs::read(lab.path(name)).unwrap();
        assert_eq!(std::fs::read(bag.join("data/project").join(name)).unwrap(), original);
    }
    let journal = std::fs::read(lab.path(".casefile/journal.jsonl")).unwrap();
    assert_eq!(std::fs::read(bag.join("data/journal.jsonl")).unwrap(), journal);
    // Two packages, two records, a manifest and its seal, the journal and its hashes.
    assert_eq!(payload.len(), 8, "{payload:?}");
    let verified = lab.run(&["verify"]).stdout;
    let head = verified.lines().find_map(|l| l.strip_prefix("head ")).unwrap();
    for line in
        ["Bag-Software-Agent: casefile/", "Exported-By: ann@", &format!("Journal-Head: sha256:{head}\n")]
    {
        assert!(info(&bag).contains(line), "{line} in {}", info(&bag));
    }
    // What is in the bag is no evidence and no manifest of the project.
    assert_eq!(lab.run(&["verify"]).code, Some(0));
    assert_eq!(lab.run(&["plan", "--detailed-exitcode"]).code, Some(0));
}

#[test]
fn a_selection_shows_nothing_of_others_and_the_whole_journal_is_asked_for() {
    let lab = Lab::applied(3, "");
    lab.fetch(0);
    exports(&lab, 0, &["-l", "part=1"]);
    let bag = lab.path("bag");
    let payload = is_whole(&bag);
    assert!(payload.iter().all(|p| !p.contains("/p0/") && !p.contains("/p2/")), "{payload:?}");
    let part = std::fs::read_to_string(bag.join("data/journal.jsonl")).unwrap();
    assert!(part.contains("InvestigationPackage/p1") && !part.contains("InvestigationPackage/p0"), "{part}");
    let whole = std::fs::read_to_string(lab.path(".casefile/journal.jsonl")).unwrap();
    assert!(part.lines().all(|line| whole.lines().any(|of| of == line)), "byte for byte");
    let hashes = std::fs::read_to_string(bag.join("data/journal.hashes")).unwrap();
    assert_eq!(hashes.lines().count(), whole.lines().count());
    std::fs::remove_dir_all(&bag).unwrap();
    exports(&lab, 0, &["InvestigationPackage/p1", "--whole-journal"]);
    assert_eq!(std::fs::read_to_string(bag.join("data/journal.jsonl")).unwrap(), whole);
    assert_eq!(is_whole(&bag), payload);
    std::fs::remove_dir_all(&bag).unwrap();
    exports(&lab, 1, &["-l", "part=9"]);
    exports(&lab, 1, &["InvestigationPackage/none"]);
    exports(&lab, 1, &["no-such-machine"]);
    assert!(!bag.exists());
}

#[test]
fn what_is_not_held_is_told_and_the_bag_is_one_all_the_same() {
    let lab = Lab::applied(2, "");
    assert_eq!(lab.run(&["fetch", "InvestigationPackage/p0"]).code, Some(0));
    let ran = exports(&lab, 3, &[]);
    assert!(ran.text().contains("InvestigationPackage/p1: not fetched"), "{}", ran.text());
    let payload = is_whole(&lab.path("bag"));
    assert!(payload.iter().any(|p| p.contains("/p0/")) && !payload.iter().any(|p| p.contains("/p1/")));
    assert!(info(&lab.path("bag")).contains("Package-Not-Held: InvestigationPackage/p1: not fetched\n"));
    // What still runs, and what is held where the project kept evidence before.
    let lab = Lab::with(1, "delays: { pending: 1000, running: 1000 }", "recovery: { settle: 1s }");
    lab.apply();
    let ran = exports(&lab, 3, &[]);
    assert!(
        ran.text().contains("InvestigationPackage/p0: not done when it was looked at last"),
        "{}",
        ran.text()
    );
    let lab = Lab::applied(1, "");
    lab.fetch(0);
    let project = std::fs::read_to_string(lab.path("casefile.yaml")).unwrap();
    std::fs::write(lab.path("casefile.yaml"), format!("{project}  evidence: {{ url: \"file:other\" }}\n"))
        .unwrap();
    let ran = exports(&lab, 3, &["--format", "json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["notHeld"][0]["code"], "elsewhere", "{document}");
}

#[test]
fn a_package_that_is_not_as_it_was_makes_no_bag() {
    let lab = Lab::applied(2, "");
    lab.fetch(0);
    let zip = lab.held(".zip").remove(1);
    let good = std::fs::read(&zip).unwrap();
    let mut altered = good.clone();
    altered[50] ^= 1;
    for (bytes, told) in [(altered, "it was altered"), (good[..40].to_vec(), "it is cut short: 40 of")] {
        edit(&zip, &bytes);
        let ran = exports(&lab, 1, &[]);
        assert!(ran.text().contains(told) && ran.text().contains("no bag was written"), "{}", ran.text());
        assert!(!lab.path("bag").exists() && !lab.path("bag.partial").exists());
    }
    std::fs::remove_file(&zip).unwrap();
    assert!(exports(&lab, 1, &[]).text().contains("it is held, and not there"));
    // Of the others there is one.
    exports(&lab, 0, &["InvestigationPackage/p0"]);
    is_whole(&lab.path("bag"));
}

#[test]
fn nothing_is_overwritten_and_a_bag_lies_apart() {
    let lab = Lab::applied(1, "");
    lab.fetch(0);
    std::fs::create_dir(lab.path("bag")).unwrap();
    exports(&lab, 0, &[]);
    let ran = exports(&lab, 1, &[]);
    assert!(ran.text().contains("bag exists already and is not empty"), "{}", ran.text());
    is_whole(&lab.path("bag"));
    for inside in ["manifests/bag", "evidence/bag", "./evidence"] {
        let ran = lab.run(&["export", "--bagit", inside]);
        assert!(ran.code == Some(1) && ran.text().contains("lies where"), "{}", ran.text());
    }
    // What is left of an export that was killed says so, and is begun anew.
    std::fs::remove_dir_all(lab.path("bag")).unwrap();
    std::fs::create_dir_all(lab.path("bag.partial/data")).unwrap();
    assert!(exports(&lab, 1, &[]).text().contains("left by no export"));
    std::fs::write(lab.path("bag.partial/UNFINISHED.txt"), "This is no bag.").unwrap();
    std::fs::write(lab.path("bag.partial/data/old.zip"), "old").unwrap();
    exports(&lab, 0, &[]);
    assert!(is_whole(&lab.path("bag")).iter().all(|p| !p.contains("old")));
}

#[test]
fn a_bag_that_could_be_committed_is_told() {
    let lab = Lab::applied(1, "");
    lab.fetch(0);
    let export = |place: &str| {
        let ran = lab.run(&["export", "--bagit", place]);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        ran.stderr.contains("lies in a git repository that does not ignore it")
    };
    assert!(!export("bag"), "there is no repository");
    let made = Command::new("git").args(["init", "-q"]).arg(lab.path("")).status().unwrap();
    assert!(made.success());
    assert!(export("bag-2"));
    let gitignore = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/template/gitignore-written");
    std::fs::copy(gitignore, lab.path(".gitignore")).unwrap();
    assert!(!export("bag-3") && !export("bags/inc-2042") && export("inc-2042"));
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(!export(elsewhere.path().join("bag").to_str().unwrap()));
}

#[test]
fn a_manifest_that_was_changed_since_is_told() {
    let lab = Lab::applied(1, "");
    lab.fetch(0);
    let path = lab.path("manifests/a.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("# another one\n{text}")).unwrap();
    let ran = exports(&lab, 0, &[]);
    assert!(
        ran.text().contains("manifests/a.yaml: another one than when its package was fetched"),
        "{}",
        ran.text()
    );
    let line =
        "Manifest-Changed: manifests/a.yaml: another one than when InvestigationPackage/p0 was fetched";
    assert!(info(&lab.path("bag")).contains(line));
}

#[test]
fn a_damaged_journal_proves_nothing() {
    let lab = Lab::applied(1, "");
    lab.fetch(0);
    let path = lab.path(".casefile/journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap().replacen("INC-2042", "INC-2043", 1);
    std::fs::write(&path, text).unwrap();
    let ran = exports(&lab, 1, &[]);
    assert!(
        ran.text().contains("the journal is damaged") && ran.text().ends_with(" verify"),
        "{}",
        ran.text()
    );
    assert!(!lab.path("bag").exists());
}

#[test]
fn packages_of_a_bucket_are_handed_on_as_they_were() {
    let server = Server::start();
    let lab = Lab::in_bucket(&server, 2, "packages: { fillerKib: 20000 }");
    lab.fetch(0);
    exports(&lab, 0, &[]);
    let payload = is_whole(&lab.path("bag"));
    assert_eq!(payload.iter().filter(|p| p.ends_with(".zip")).count(), 2, "{payload:?}");
    std::fs::remove_dir_all(lab.path("bag")).unwrap();
    let zip = server.inner().names().into_iter().find(|n| n.ends_with(".zip")).unwrap();
    let mut bytes = server.inner().object(&zip).unwrap().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    server.inner().replace(&zip, Some(bytes));
    let ran = exports(&lab, 1, &[]);
    assert!(ran.text().contains("no bag was written"), "{}", ran.text());
    assert!(!lab.path("bag").exists() && !lab.path("bag.partial").exists());
}

/// The bag is one for a validator of other people: `scripts/bagit` runs this where there is one.
#[test]
#[ignore = "needs the program that CASEFILE_TEST_BAGIT names"]
fn real_bagit_takes_it() {
    let python = std::env::var("CASEFILE_TEST_BAGIT").unwrap();
    let long = "a".repeat(200);
    let lab = Lab::applied(
        2,
        &format!(
            "machines: {{ strict: false, list: [{{ id: \"{}\", name: \"{long}/%..%41\" }}] }}",
            crate::lab::machine(0)
        ),
    );
    lab.fetch(0);
    exports(&lab, 0, &[]);
    let validate = || {
        let mut command = lab.command(&python);
        command.args(["-m", "bagit", "--validate"]).arg(lab.path("bag"));
        Lab::ran(command)
    };
    let ran = validate();
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    let zip =
        files(&lab.path("bag/data/packages")).into_iter().find(|p| p.extension().unwrap() == "zip").unwrap();
    edit(&zip, b"PK");
    assert_eq!(validate().code, Some(1), "it finds a change");
}
