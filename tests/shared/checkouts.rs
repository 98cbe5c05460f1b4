//! Projects in the kinds of checkouts that people and pipelines have: the state works, and the repository stays as it is, to
//! the byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::lab::Lab;

/// Every file below a folder, work tree and repository alike.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    all
}

/// Applies in a project twice and plans in between; no file of these folders is another one afterwards.
fn works_and_changes_nothing(lab: &Lab, project: &Path, folders: &[&Path]) {
    let all = || folders.iter().map(|f| files(f)).collect::<Vec<_>>();
    let before = all();
    let made = lab.collections();
    let (code, _, stderr) = lab.run(project, &["apply", "--auto-approve"]);
    assert_eq!(code, 0, "{stderr}");
    for words in [&["plan", "--detailed-exitcode"][..], &["verify"], &["apply", "--auto-approve"]] {
        let (code, stdout, stderr) = lab.run(project, words);
        assert_eq!(code, 0, "{words:?}: {stdout}{stderr}");
    }
    assert_eq!(lab.collections(), made.max(1));
    for (before, after) in before.into_iter().zip(all()) {
        let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after));
        for (path, bytes) in before {
            assert!(after.get(&path) == Some(&bytes), "{} was changed", path.display());
        }
    }
}

#[test]
fn a_work_tree_beside_the_repository() {
    let lab = Lab::new(1);
    let first = lab.path("first");
    let side = lab.path("side");
    lab.git(&first, &["worktree", "add", "-q", "-b", "side", side.to_str().unwrap()]);
    lab.git(&first, &["fetch", "-q", "origin"]);
    works_and_changes_nothing(&lab, &side, &[&first, &side]);
}

#[test]
fn a_submodule() {
    let lab = Lab::new(1);
    lab.git(lab.dir.path(), &["init", "-q", "outer"]);
    let outer = lab.path("outer");
    let remote = lab.path("remote.git");
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "-b", "main"];
    lab.git(&outer, &[&add[..], &[remote.to_str().unwrap(), "cases"]].concat());
    lab.git(&outer, &["commit", "-q", "-m", "a submodule"]);
    works_and_changes_nothing(&lab, &outer.join("cases"), &[&outer]);
}

#[test]
fn a_shallow_clone_of_one_branch() {
    let lab = Lab::new(1);
    let first = lab.path("first");
    lab.git(&first, &["commit", "-q", "--allow-empty", "-m", "more"]);
    lab.git(&first, &["push", "-q", "origin", "HEAD:main"]);
    let address = format!("file://{}", lab.path("remote.git").display());
    lab.git(lab.dir.path(), &["clone", "-q", "--depth=1", "--single-branch", &address, "shallow"]);
    let shallow = lab.path("shallow");
    lab.git(&shallow, &["fetch", "-q", "--depth=1", "origin"]);
    assert!(shallow.join(".git/FETCH_HEAD").exists() && shallow.join(".git/shallow").exists());
    works_and_changes_nothing(&lab, &shallow, &[&shallow]);
}

/// The remote is named relative to the work tree's root, and the project lies in a folder below it.
#[test]
fn a_folder_of_a_repository_whose_remote_lies_beside_it() {
    let lab = Lab::new(1);
    let first = lab.path("first");
    lab.git(&first, &["remote", "set-url", "origin", "../remote.git"]);
    let below = first.join("below");
    std::fs::create_dir(&below).unwrap();
    for name in ["casefile.yaml", "manifests"] {
        std::fs::rename(first.join(name), below.join(name)).unwrap();
    }
    works_and_changes_nothing(&lab, &below, &[&first]);
}

#[test]
fn a_repository_that_git_does_not_trust_is_told_with_the_words_of_git() {
    let lab = Lab::new(1);
    let first = lab.path("first");
    let mut plan = lab.command(&first, &["plan"]);
    // git itself plays the owner that is somebody else.
    let output = plan.env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("dubious ownership") || stderr.contains("unsafe repository"), "{stderr}");
}

/// A program in the place of ssh, which writes down how it was called and does on this machine what it was asked for.
fn ssh(lab: &Lab, name: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = lab.path(name);
    let log = lab.path(&format!("{name}.log"));
    let text = format!(
        "#!/bin/sh\necho \"$@\" >> '{}'\nfor last; do :; done\nexec sh -c \"$last\"\n",
        log.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn the_program_for_ssh_is_that_of_gits_user_and_not_that_of_the_repository() {
    let lab = Lab::new(1);
    let first = lab.path("first");
    assert_eq!(lab.run(&first, &["apply", "--auto-approve"]).0, 0);
    let planted = ssh(&lab, "planted");
    lab.git(&first, &["config", "core.sshCommand", planted.to_str().unwrap()]);
    let url = format!("git:ssh://host.invalid{}?ref=refs/casefile/ir", lab.path("remote.git").display());
    for (name, asks_nothing) in [("ssh", true), ("wrapper", false)] {
        let own = ssh(&lab, name);
        let settings = lab.path(&format!("{name}.gitconfig"));
        std::fs::write(&settings, format!("[core]\n\tsshCommand = {} -F none\n", own.display())).unwrap();
        let mut command = lab.command(&first, &["plan", "--detailed-exitcode"]);
        command.env_remove("GIT_SSH_COMMAND").env_remove("GIT_SSH");
        command.env("GIT_CONFIG_GLOBAL", &settings).env("CASEFILE_STATE_URL", &url);
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {stderr}");
        let log = std::fs::read_to_string(lab.path(&format!("{name}.log"))).unwrap();
        assert!(log.starts_with("-F none"), "{name}: {log}");
        assert_eq!(log.contains("BatchMode=yes"), asks_nothing, "{name}: {log}");
    }
    assert!(!lab.path("planted.log").exists(), "an archive can bring settings");
}
