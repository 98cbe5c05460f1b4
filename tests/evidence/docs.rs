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
    let [packages, journal, _, _] = scripts().try_into().unwrap();
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

#[test]
fn a_bag_is_checked_without_casefile() {
    let lab = Lab::applied(3, "");
    lab.fetch(0);
    let [_, _, bag, compare] = scripts().try_into().unwrap();
    let export = |args: &[&str]| {
        let _ = std::fs::remove_dir_all(lab.path("bag"));
        assert_eq!(lab.run(&[&["export", "--bagit", "bag"], args].concat()).code, Some(0));
    };
    let head = lab.run(&["verify"]).stdout;
    let head = head.lines().find_map(|l| l.strip_prefix("head ")).unwrap();
    let records = std::fs::read_to_string(lab.path(".casefile/journal.jsonl")).unwrap().lines().count();
    for (args, proven) in
        [(&["-l", "part=1"][..], false), (&["-l", "part=1", "--whole-journal"], true), (&[], true)]
    {
        export(args);
        let (good, text) = sh(&lab, bag);
        assert!(good && text.contains(".zip: OK"), "{text}");
        assert!(text.trim_end().ends_with(&format!("of {records} records, head {head}")), "{text}");
        assert_eq!(text.contains(&format!("{records} of {records} ")), proven, "{text}");
        assert!(sh(&lab, compare).0);
    }
    // Each check finds a change; the manifest is made to fit it.
    export(&["-l", "part=1"]);
    let rewrite = |name: &str, from: &str, to: &str| {
        let path = lab.path("bag/data").join(name);
        let text = std::fs::read_to_string(&path).unwrap().replacen(from, to, 1);
        std::fs::write(&path, text).unwrap();
        let fit = "cd bag && sha256sum $(cut -d' ' -f3 manifest-sha256.txt) >m && mv m manifest-sha256.txt && \
                   sha256sum bag-info.txt bagit.txt manifest-sha256.txt >tagmanifest-sha256.txt";
        assert!(sh(&lab, fit).0);
    };
    let (good, text) = {
        rewrite("journal.jsonl", "INC-2042", "INC-2043");
        sh(&lab, bag)
    };
    assert!(!good && text.contains("altered: "), "{text}");
    export(&["-l", "part=1"]);
    let line = std::fs::read_to_string(lab.path("bag/data/journal.jsonl")).unwrap();
    let hash = line.lines().last().unwrap().split("\"hash\":\"").nth(1).unwrap()[..64].to_owned();
    rewrite("journal.hashes", &hash, &"0".repeat(64));
    let (good, text) = sh(&lab, bag);
    assert!(!good && text.contains("out of place: "), "{text}");
    assert!(!sh(&lab, compare).0);
    export(&["-l", "part=1"]);
    let json = crate::lab::files(&lab.path("bag/data/packages")).remove(0);
    let name = json.strip_prefix(lab.path("bag/data")).unwrap().to_str().unwrap().to_owned();
    rewrite(&name, "\"user\": \"ann\"", "\"user\": \"bob\"");
    let (good, text) = sh(&lab, bag);
    assert!(!good && text.contains("not in the journal: "), "{text}");
    export(&["-l", "part=1"]);
    let zip = crate::lab::files(&lab.path("bag/data/packages"))
        .into_iter()
        .find(|p| p.extension().unwrap() == "zip");
    edit(&zip.unwrap(), b"PK\x03\x04");
    assert!(!sh(&lab, bag).0);
}
