//! A state that moves from a folder into a ref, interrupted at each write: the same command goes on.

use std::path::Path;
use std::process::Stdio;

use super::lab::Lab;

const TO: &str = "git:refs/casefile/moved";
const MIGRATE: [&str; 4] = ["state", "migrate", "--to", TO];

/// A project whose state is in a folder, with two collections.
fn in_a_folder() -> Lab {
    let lab = Lab::new(2);
    at(&lab, "file:.casefile");
    assert_eq!(lab.run(&lab.path("first"), &["apply", "--auto-approve"]).0, 0);
    lab
}

fn at(lab: &Lab, url: &str) {
    let file = lab.path("first").join("casefile.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("url: \"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    std::fs::write(&file, format!("{before}url: \"{url}\"{after}")).unwrap();
}

/// The command goes on, once more it changes nothing, the old place says where the state went, and the new one has all of it.
fn goes_on(lab: &Lab, case: &str) {
    let first = lab.path("first");
    for _ in 0..2 {
        let (code, _, stderr) = lab.run(&first, &MIGRATE);
        assert_eq!(code, 0, "{case}: {stderr}");
    }
    for words in [&["apply", "--auto-approve"][..], &["plan"], &["state", "list"]] {
        let (code, _, stderr) = lab.run(&first, words);
        assert!(code == 4 && stderr.contains("has moved to git:refs/casefile/moved"), "{case}: {stderr}");
    }
    at(lab, TO);
    let (code, stdout, stderr) = lab.run(&first, &["plan", "--detailed-exitcode"]);
    assert_eq!(code, 0, "{case}: {stdout}{stderr}");
    let (code, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 2), "{case}: {stderr}");
    let (code, stdout, _) = lab.run(&first, &["verify"]);
    assert_eq!(code, 0, "{case}: {stdout}");
}

#[test]
fn a_move_that_is_interrupted_in_the_old_folder_goes_on() {
    let lab = in_a_folder();
    let folder = lab.path("first").join(".casefile");
    let files =
        |folder: &Path| ["journal.jsonl", "state.json"].map(|name| std::fs::read(folder.join(name)).unwrap());
    let [journal, snapshot] = files(&folder);
    assert_eq!(lab.run(&lab.path("first"), &MIGRATE).0, 0);
    let [closed, last] = files(&folder);
    assert!(closed.starts_with(&journal) && closed.len() > journal.len());
    let torn = closed[..(journal.len() + closed.len()) / 2].to_vec();
    let unterminated = closed[..closed.len() - 1].to_vec();
    for (case, journal, snapshot, copied) in [
        ("nothing is written", &journal, &snapshot, false),
        ("half of the record is", &torn, &snapshot, false),
        ("the record is, without its newline", &unterminated, &snapshot, false),
        ("the record is, and the snapshot is not", &closed, &snapshot, false),
        ("the old place is closed", &closed, &last, false),
        ("the copy is made, and nobody was told", &closed, &last, true),
    ] {
        at(&lab, "file:.casefile");
        std::fs::write(folder.join("journal.jsonl"), journal).unwrap();
        std::fs::write(folder.join("state.json"), snapshot).unwrap();
        if !copied {
            lab.git(&lab.path("remote.git"), &["update-ref", "-d", "refs/casefile/moved"]);
            // The machine remembers the head that it has seen there.
            drop(std::fs::remove_dir_all(lab.cache(&lab.path("first"))));
        }
        goes_on(&lab, case);
    }
}

#[test]
fn a_move_that_is_killed_or_refused_at_the_push_goes_on() {
    for (kills, taken) in [(true, false), (true, true), (false, false)] {
        let case = format!("killed: {kills}, taken: {taken}");
        let lab = in_a_folder();
        let kill = "until [ -s victim ]; do sleep 0.01; done; kill -9 $(cat victim)";
        let verdict = if taken { 0 } else { 1 };
        lab.hook("pre-receive", &format!("{}; exit {verdict}", if kills { kill } else { "true" }));
        let mut command = lab.command(&lab.path("first"), &MIGRATE);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::fs::write(lab.path("remote.git").join("victim"), child.id().to_string()).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), if kills { None } else { Some(1) }, "{case}");
        lab.unhook("pre-receive");
        goes_on(&lab, &case);
    }
}

#[test]
fn a_move_into_a_folder_that_is_killed_there_goes_on() {
    let lab = Lab::new(2);
    let first = lab.path("first");
    assert_eq!(lab.run(&first, &["apply", "--auto-approve"]).0, 0);
    let migrate = ["state", "migrate", "--to", "file:back"];
    let back = first.join("back");
    std::fs::create_dir(&back).unwrap();
    std::fs::write(back.join("notes.txt"), "mine").unwrap();
    let (code, _, stderr) = lab.run(&first, &migrate);
    assert!(code == 1 && stderr.contains("back"), "a folder of something else: {stderr}");
    std::fs::remove_file(back.join("notes.txt")).unwrap();
    // Killed in the middle of the journal; and then behind it.
    std::fs::write(back.join("journal.jsonl.new"), "{\"seq\":1,").unwrap();
    assert_eq!(lab.run(&first, &migrate).0, 0);
    std::fs::remove_file(back.join("state.json")).unwrap();
    std::fs::write(back.join("state.json.new"), "{").unwrap();
    assert_eq!(lab.run(&first, &migrate).0, 0);
    let (code, _, stderr) = lab.run(&first, &["plan"]);
    assert!(code == 4 && stderr.contains("has moved to file:back"), "{stderr}");
    at(&lab, "file:back");
    let (code, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 2), "{stderr}");
    let (code, stdout, _) = lab.run(&first, &["verify"]);
    assert_eq!(code, 0, "{stdout}");
}

/// Puts other bytes in the place of a file of the state's tip; as a commit behind it, or as one without a history.
fn damage(lab: &Lab, name: &str, keeps_history: bool, change: impl Fn(String) -> String) {
    let remote = lab.path("remote.git");
    let tip = "refs/casefile/ir";
    let text = change(lab.git(&remote, &["show", &format!("{tip}:{name}")]));
    let file = lab.path("changed");
    std::fs::write(&file, format!("{text}\n")).unwrap();
    let blob = lab.git(&remote, &["hash-object", "-w", file.to_str().unwrap()]);
    let index = lab.path("an-index");
    let git = |words: &[&str]| {
        let mut command = std::process::Command::new("git");
        let output = command.args(words).current_dir(&remote).env("GIT_INDEX_FILE", &index).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["read-tree", tip]);
    git(&["update-index", "--cacheinfo", &format!("100644,{blob},{name}")]);
    let tree = git(&["write-tree"]);
    let parent = lab.git(&remote, &["rev-parse", tip]);
    let mut words = vec!["-c", "user.name=t", "-c", "user.email=t@t", "commit-tree", &tree, "-m", "x"];
    if keeps_history {
        words.extend(["-p", &parent]);
    }
    let commit = git(&words);
    git(&["update-ref", tip, &commit]);
}

#[test]
fn a_shared_state_is_rebuilt_at_a_new_place_and_moves_there() {
    let lab = Lab::new(2);
    let first = lab.path("first");
    assert_eq!(lab.run(&first, &["apply", "--auto-approve"]).0, 0);
    let (code, _, stderr) = lab.run(&first, &["state", "rebuild"]);
    assert!(code == 1 && stderr.contains("state rebuild --to URL"), "{stderr}");
    // Sound: it moves as `state migrate` moves it, and the old place says where.
    let rebuild = ["state", "rebuild", "--to", TO];
    let (code, stdout, stderr) = lab.run(&first, &rebuild);
    assert!(code == 0 && stdout.contains("is kept at git:refs/casefile/moved"), "{stdout}{stderr}");
    assert_eq!(lab.run(&first, &rebuild).0, 0, "once more it changes nothing");
    let (code, _, stderr) = lab.run(&first, &["plan"]);
    assert!(code == 4 && stderr.contains("has moved to git:refs/casefile/moved"), "{stderr}");
    at(&lab, TO);
    let (code, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 2), "{stderr}");
    // A folder is rebuilt in its place.
    at(&lab, "file:.casefile");
    assert_eq!(lab.run(&first, &["state", "rebuild", "--to", TO]).0, 64);
}

#[test]
fn a_shared_state_whose_snapshot_cannot_be_used_is_rebuilt_from_its_journal() {
    let lab = Lab::new(2);
    let first = lab.path("first");
    assert_eq!(lab.run(&first, &["apply", "--auto-approve"]).0, 0);
    damage(&lab, "state.json", true, |text| text.replace("InProgress", "Succeeded"));
    let tip = lab.git(&lab.path("remote.git"), &["rev-parse", "refs/casefile/ir"]);
    assert_eq!(lab.run(&first, &["plan"]).0, 4);
    for _ in 0..2 {
        let (code, stdout, stderr) = lab.run(&first, &["state", "rebuild", "--to", TO]);
        assert!(code == 0 && stdout.contains("The old place cannot be read"), "{stdout}{stderr}");
    }
    assert_eq!(
        lab.git(&lab.path("remote.git"), &["rev-parse", "refs/casefile/ir"]),
        tip,
        "nothing is forced"
    );
    at(&lab, TO);
    let (code, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 2), "{stderr}");
    assert_eq!(lab.run(&first, &["verify"]).0, 0);
}

/// A line of an intent is another one.
fn edited(journal: String) -> String {
    journal.replacen("\"revision\":1", "\"revision\":2", 1)
}

#[test]
fn a_shared_state_whose_tip_alone_is_damaged_is_rebuilt_from_its_history() {
    let lab = Lab::new(2);
    let first = lab.path("first");
    assert_eq!(lab.run(&first, &["apply", "--auto-approve"]).0, 0);
    damage(&lab, "journal.jsonl", true, edited);
    assert_ne!(lab.run(&first, &["plan"]).0, 0);
    let (code, _, stderr) = lab.run(&first, &["verify"]);
    assert!(code != 0 && stderr.contains("was changed after it was written"), "{code}: {stderr}");
    let (code, stdout, stderr) = lab.run(&first, &["state", "rebuild", "--to", TO]);
    assert!(code == 0 && stdout.contains("made anew from the journal"), "{stdout}{stderr}");
    at(&lab, TO);
    let (code, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 2), "{stderr}");
}

#[test]
fn a_shared_state_with_a_damaged_journal_is_rebuilt_if_a_person_accepts_that() {
    let lab = Lab::new(2);
    let first = lab.path("first");
    assert_eq!(lab.run(&first, &["apply", "--auto-approve"]).0, 0);
    damage(&lab, "journal.jsonl", false, edited);
    assert_eq!(lab.run(&first, &["verify"]).0, 1);
    let (code, _, stderr) = lab.run(&first, &["state", "rebuild", "--to", TO]);
    assert_eq!(code, 1, "{stderr}");
    assert_eq!(lab.git(&lab.path("remote.git"), &["for-each-ref", "refs/casefile/moved"]), "");
    let accept = ["state", "rebuild", "--to", TO, "--accept-damage"];
    let (code, stdout, stderr) = lab.run(&first, &accept);
    assert!(code == 0 && stdout.contains("Accepted:"), "{stdout}{stderr}");
    at(&lab, TO);
    let (code, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 2), "{stderr}");
    assert_eq!(lab.run(&first, &["verify"]).0, 0);
}
