//! The commands of `docs/evidence.md`.

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

/// The programs that the page names, each one that writes down how it was called.
const NAMED: [&str; 5] = ["aws", "bsdtar", "log2timeline.py", "parse", "timesketch_importer"];

#[test]
fn the_commands_to_hand_packages_on_run_as_they_stand() {
    use std::os::unix::fs::PermissionsExt as _;

    let page = include_str!("../../docs/evidence.md");
    let block = page.split("## Handing on").nth(1).unwrap().split("```").nth(1).unwrap();
    let commands: Vec<&str> = block.split("\n# ").filter(|c| !c.is_empty()).collect();
    assert_eq!(commands.len(), 3, "{block}");
    let mut called = String::new();
    for command in commands {
        let lab = Lab::new(1, "");
        let manifest = lab.path("manifests/a.yaml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        std::fs::write(manifest, text.replace("labels: {", "labels: { incident: INC-2042,")).unwrap();
        lab.apply();
        std::fs::create_dir(lab.path("programs")).unwrap();
        for name in NAMED {
            let path = lab.path("programs").join(name);
            let program = format!("#!/bin/sh\necho {name} \"$@\" >>'{}'\n", lab.path("called").display());
            std::fs::write(&path, program).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let tool = std::path::Path::new(crate::sandbox::BIN).parent().unwrap().display();
        let mut shell = lab.command("sh");
        let path = std::env::var("PATH").unwrap();
        shell.env("PATH", format!("{}:{tool}:{path}", lab.path("programs").display()));
        // The first line is a comment.
        let script = command.split_once('\n').unwrap().1;
        let script = script.replace("/cases", lab.path("cases").to_str().unwrap());
        shell.arg("-euc").arg(&script).current_dir(lab.path(""));
        let ran = Lab::ran(shell);
        assert_eq!(ran.code, Some(0), "{script}: {}", ran.text());
        lab.holds(1);
        called += &std::fs::read_to_string(lab.path("called")).unwrap();
    }
    let called: Vec<&str> = called.lines().collect();
    assert_eq!(called.len(), NAMED.len(), "{called:?}");
    assert!(NAMED.iter().all(|n| called.iter().any(|c| c.starts_with(n))), "{called:?}");
    assert!(called[0].contains(".zip -C ") && called[0].contains("/cases/INC-2042/"), "{called:?}");
    assert!(called[4].contains(" s3://archive/") && called[4].ends_with(".zip"), "{called:?}");
}
