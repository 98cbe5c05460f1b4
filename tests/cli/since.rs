//! `--since` with real repositories: all that a resource is made from selects it, and nothing in a repository runs.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::ops::Deref;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::repository::{Folder, HEAD, by_id};
use crate::sandbox::BIN;

/// A repository with a project in the folder `ir`.
struct Lab {
    folder: Folder,
}

impl Deref for Lab {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Lab {
    fn new() -> Lab {
        let lab = Lab { folder: Folder::new() };
        lab.project("{ manifests: [manifests, ../shared] }");
        lab.write("ir/manifests/own.yaml", &by_id("own"));
        lab.write("shared/beside.yaml", &by_id("beside"));
        lab.git("", &["init", "-q"]);
        lab
    }

    fn project(&self, spec: &str) {
        let spec = spec.replacen('{', "{ defender: { cloud: sandbox },", 1);
        self.write("ir/casefile.yaml", &format!("{HEAD}spec: {spec}\n"));
    }

    fn append(&self, name: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        self.write(name, &format!("{text}# edited\n"));
    }

    #[track_caller]
    fn git(&self, folder: &str, args: &[&str]) {
        let fixed = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "commit.gpgsign=false",
            "-c",
            "protocol.file.allow=always",
            "-c",
            "init.defaultBranch=main",
        ];
        let done = Command::new("git")
            .current_dir(self.path(folder))
            .args(fixed)
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn commit(&self, folder: &str) {
        self.git(folder, &["add", "-A"]);
        self.git(folder, &["commit", "-qm", "c"]);
    }

    fn command(&self, since: &str) -> Command {
        let mut command = Command::new(BIN);
        command.arg("-C").arg(self.path("ir")).args([
            "plan",
            "--no-refresh",
            "--format",
            "json",
            "--since",
            since,
        ]);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env_remove("CASEFILE_ENDPOINT");
        command
    }

    /// The names of what `--since` selects, without their kind.
    #[track_caller]
    fn selects(&self, since: &str) -> BTreeSet<String> {
        rows(&mut self.command(since))
    }
}

#[track_caller]
fn rows(command: &mut Command) -> BTreeSet<String> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = plan["changes"].as_array().unwrap().iter();
    rows.map(|c| c["address"].as_str().unwrap().split_once('/').unwrap().1.to_owned()).collect()
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn files_beside_the_project_and_behind_links() {
    let lab = Lab::new();
    lab.write("lib/target.yaml", &by_id("target"));
    lab.write("lib/folder/inside.yaml", &by_id("inside"));
    lab.write("lib/one.yaml", &by_id("one"));
    lab.write("lib/two.yaml", &by_id("two"));
    lab.link("../../lib/target.yaml", "ir/manifests/target.yaml");
    lab.link("../../lib/folder", "ir/manifests/folder");
    lab.link("one.yaml", "lib/turn.yaml");
    lab.link("../../lib/turn.yaml", "ir/manifests/turn.yaml");
    lab.commit("");
    assert_eq!(lab.selects("HEAD"), names([]));

    lab.append("shared/beside.yaml");
    assert_eq!(lab.selects("HEAD"), names(["beside"]));
    lab.append("lib/target.yaml");
    assert_eq!(lab.selects("HEAD"), names(["beside", "target"]));
    lab.append("lib/folder/inside.yaml");
    assert_eq!(lab.selects("HEAD"), names(["beside", "target", "inside"]));
    // A link in the middle leads elsewhere now, to a file that is as it was.
    lab.link("two.yaml", "lib/turn.yaml");
    assert_eq!(lab.selects("HEAD"), names(["beside", "target", "inside", "two"]));
    lab.commit("");
    assert_eq!(lab.selects("HEAD"), names([]));
    // A folder is another one now, whose files are as they were.
    lab.write("lib/other/inside.yaml", &by_id("inside"));
    lab.commit("");
    lab.link("../../lib/other", "ir/manifests/folder");
    assert_eq!(lab.selects("HEAD"), names(["inside"]));
    assert_eq!(lab.selects("HEAD~2"), names(["beside", "target", "inside", "two"]));
    // New files count, here and there.
    lab.write("shared/new.yaml", &by_id("new"));
    assert_eq!(lab.selects("HEAD"), names(["inside", "new"]));
}

#[test]
fn lists_runbooks_seals_and_the_project_file() {
    let lab = Lab::new();
    lab.write("ir/hosts.txt", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07\n");
    let sweep = by_id("sweep")
        .replace("machineId: fb9ab6be3965095a09c057be7c90f0a2", "machines: { fromFile: hosts.txt }");
    lab.write("ir/manifests/sweep.yaml", &sweep);
    lab.write(
        "ir/manifests/runbook.yaml",
        "apiVersion: casefile/v1\nkind: Runbook\nmetadata: { name: r }\nspec:\n  resources:\n    - kind: \
         InvestigationPackage\n      metadata: { name: p }\n      spec: { machineId: \
         fb9ab6be3965095a09c057be7c90f0a2, comment: c }\n",
    );
    lab.write(
        "ir/manifests/inc.yaml",
        "apiVersion: casefile/v1\nkind: Incident\nmetadata: { name: inc }\nspec: { runbook: r }\n",
    );
    lab.commit("");
    lab.append("ir/hosts.txt");
    let member = "sweep[1e5bc9d7e413ddd7902c2932e418702b84d0cc07]";
    assert_eq!(lab.selects("HEAD"), names([member]));
    lab.append("ir/manifests/runbook.yaml");
    assert_eq!(lab.selects("HEAD"), names([member, "inc.p"]));
    lab.commit("");
    let sealed =
        Command::new(BIN).arg("-C").arg(lab.path("ir")).args(["seal", "manifests"]).output().unwrap();
    assert!(sealed.status.success(), "{}", String::from_utf8_lossy(&sealed.stderr));
    lab.commit("");
    lab.append("ir/manifests/own.sealed.yaml");
    assert_eq!(lab.selects("HEAD"), names(["own"]));
    lab.git("", &["checkout", "-q", "."]);
    lab.append("ir/casefile.yaml");
    assert_eq!(lab.selects("HEAD"), names([member, "inc.p", "own", "beside"]));
}

#[test]
fn submodules() {
    let lab = Lab::new();
    let other = Lab::new();
    other.write("deep/s.yaml", &by_id("s"));
    other.write("t.yaml", &by_id("t"));
    // No project of its own.
    std::fs::remove_dir_all(other.path("ir")).unwrap();
    std::fs::remove_dir_all(other.path("shared")).unwrap();
    other.commit("");
    lab.git("", &["submodule", "add", "-q", other.root().to_str().unwrap(), "ir/manifests/sub"]);
    lab.git("", &["config", "-f", ".gitmodules", "submodule.ir/manifests/sub.ignore", "all"]);
    lab.commit("");
    assert_eq!(lab.selects("HEAD"), names([]));
    // Edited in place; a new file in it; moved to another commit of its own.
    lab.append("ir/manifests/sub/t.yaml");
    assert_eq!(lab.selects("HEAD"), names(["t"]));
    lab.write("ir/manifests/sub/new.yaml", &by_id("new"));
    assert_eq!(lab.selects("HEAD"), names(["t", "new"]));
    lab.commit("ir/manifests/sub");
    assert_eq!(lab.selects("HEAD"), names(["t", "new"]));
    lab.git("", &["add", "-f", "ir/manifests/sub"]);
    lab.git("", &["commit", "-q", "--allow-empty", "-m", "moved"]);
    assert_eq!(lab.selects("HEAD"), names([]));
    assert_eq!(lab.selects("HEAD~1"), names(["t", "new"]));
    // Before there was a submodule everything in it is new.
    lab.git("", &["rm", "-q", "-f", "--cached", "ir/manifests/sub"]);
    lab.git("", &["commit", "-q", "--allow-empty", "-m", "none"]);
    assert_eq!(lab.selects("HEAD"), names(["s", "t", "new"]));
}

#[test]
fn files_that_git_was_told_to_overlook() {
    for way in ["--assume-unchanged", "--skip-worktree"] {
        let lab = Lab::new();
        lab.write("ir/manifests/other name.yaml", &by_id("other"));
        lab.commit("");
        lab.git("", &["update-index", way, "ir/manifests/own.yaml", "ir/manifests/other name.yaml"]);
        lab.append("ir/manifests/own.yaml");
        // git itself sees nothing, and so could not tell whether the other one has changed either.
        assert_eq!(lab.selects("HEAD"), names(["own", "other"]), "{way}");
        lab.git("", &["update-index", &way.replacen("--", "--no-", 1), "ir/manifests/other name.yaml"]);
        assert_eq!(lab.selects("HEAD"), names(["own"]), "{way}");
    }
}

#[test]
fn a_branch_and_what_is_not_committed_yet() {
    let lab = Lab::new();
    lab.commit("");
    lab.git("", &["checkout", "-q", "-b", "branch"]);
    lab.append("ir/manifests/own.yaml");
    lab.commit("");
    lab.git("", &["checkout", "-q", "main"]);
    lab.append("shared/beside.yaml");
    lab.commit("");
    lab.git("", &["checkout", "-q", "branch"]);
    assert_eq!(lab.selects("main"), names(["own", "beside"]));
    assert_eq!(lab.selects("main..."), names(["own"]));
    lab.write("ir/manifests/late.yaml", &by_id("late"));
    assert_eq!(lab.selects("main..."), names(["own", "late"]));
    for wrong in ["--output=x", "nowhere", "nowhere...", "-h", "", "main..branch..."] {
        let output = lab.command(&format!("x{wrong}")[1..]).output().unwrap();
        assert_ne!(output.status.code(), Some(0), "{wrong}");
        assert!(!lab.path("x").exists() && !lab.path("ir/x").exists());
    }
}

#[test]
fn what_a_hook_sets_changes_nothing() {
    let lab = Lab::new();
    lab.commit("");
    let elsewhere = Lab::new();
    lab.append("ir/manifests/own.yaml");
    for (name, value) in [
        ("GIT_DIR", elsewhere.path(".git")),
        ("GIT_WORK_TREE", elsewhere.path("")),
        ("GIT_INDEX_FILE", elsewhere.path("no-index")),
        ("GIT_OBJECT_DIRECTORY", elsewhere.path(".git/objects")),
        ("GIT_COMMON_DIR", elsewhere.path(".git")),
        ("GIT_PREFIX", PathBuf::from("shared/")),
        ("GIT_NAMESPACE", PathBuf::from("other")),
        ("GIT_CEILING_DIRECTORIES", lab.path("")),
        ("GIT_EXTERNAL_DIFF", elsewhere.path("no-such-program")),
    ] {
        assert_eq!(rows(lab.command("HEAD").env(name, &value)), names(["own"]), "{name}");
    }
}

/// A program that leaves a mark.
fn trap(lab: &Lab) -> (String, PathBuf) {
    let (program, mark) = (lab.path("trap.sh"), lab.path("sprung"));
    // As a filter it passes its input on.
    std::fs::write(&program, format!("#!/bin/sh\n: >'{}'\n[ $# -gt 0 ] || cat\n", mark.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    (program.display().to_string(), mark)
}

#[test]
fn a_planted_bare_repository_runs_nothing() {
    let lab = Lab::new();
    let (program, mark) = trap(&lab);
    lab.write("ir/HEAD", "ref: refs/heads/main\n");
    lab.write(
        "ir/config",
        &format!(
            "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = {program}\n"
        ),
    );
    lab.write("ir/objects/pack/.keep", "");
    lab.write("ir/refs/heads/.keep", "");
    lab.commit("");
    lab.append("ir/manifests/own.yaml");
    // git itself, called without care, springs the trap.
    let _ = Command::new("git").current_dir(lab.path("ir")).args(["status"]).output().unwrap();
    assert!(mark.exists(), "the trap works");
    std::fs::remove_file(&mark).unwrap();
    assert_eq!(lab.selects("HEAD"), names(["own"]));
    assert!(!mark.exists());
    // The same where there is no repository around it.
    std::fs::remove_dir_all(lab.path(".git")).unwrap();
    lab.project("{ manifests: [manifests] }");
    let output = lab.command("HEAD").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("in no git repository") && err.contains("leave --since out"), "{err}");
    assert!(!mark.exists());
}

#[test]
fn settings_of_a_repository_run_nothing() {
    for setting in [
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "filter.evil.clean",
        "filter.evil.process",
        "filter.evil.smudge",
        "core.sshCommand",
        "core.hooksPath",
    ] {
        let lab = Lab::new();
        let (program, mark) = trap(&lab);
        lab.write(".gitattributes", "*.yaml filter=evil diff=evil\n");
        lab.commit("");
        match setting {
            "core.hooksPath" => {
                for hook in
                    ["post-index-change", "fsmonitor-watchman", "post-checkout", "reference-transaction"]
                {
                    lab.write(&format!("hooks/{hook}"), &std::fs::read_to_string(&program).unwrap());
                    let mode = std::fs::Permissions::from_mode(0o755);
                    std::fs::set_permissions(lab.path(&format!("hooks/{hook}")), mode).unwrap();
                }
                lab.git("", &["config", setting, lab.path("hooks").to_str().unwrap()]);
            }
            // By way of a file that the settings include.
            "filter.evil.clean" => {
                lab.write("more", &format!("[filter \"evil\"]\n\tclean = {program}\n\trequired = true\n"));
                lab.git("", &["config", "include.path", lab.path("more").to_str().unwrap()]);
            }
            _ => lab.git("", &["config", setting, &program]),
        }
        lab.append("ir/manifests/own.yaml");
        let sprung = || mark.exists();
        let _ = std::fs::remove_file(&mark);
        if ["core.fsmonitor", "diff.external", "filter.evil.clean", "filter.evil.process"].contains(&setting)
        {
            let careless = Command::new("git").current_dir(lab.path("")).args(["diff", "HEAD"]).output();
            assert!(careless.is_ok() && sprung(), "{setting}: the trap works");
            std::fs::remove_file(&mark).unwrap();
        }
        let _ = lab.command("HEAD").env("PAGER", &program).env("GIT_PAGER", &program).output().unwrap();
        assert!(!sprung(), "{setting}");
        assert!(lab.selects("HEAD").contains("own"), "{setting}");
        assert!(!sprung(), "{setting}");
    }
}

#[test]
fn git_is_not_looked_for_in_the_folder() {
    let lab = Lab::new();
    lab.commit("");
    let (program, mark) = trap(&lab);
    symlink(program, lab.path("ir/git")).unwrap();
    let path = format!(".::{}", std::env::var("PATH").unwrap());
    let selected = rows(lab.command("HEAD").current_dir(lab.path("ir")).env("PATH", path));
    assert_eq!(selected, names([]));
    assert!(!mark.exists());
}

/// A refusal of git's is told in its own words, and a command that it names is the next one.
#[test]
fn git_s_own_words_are_told_when_it_refuses() {
    let lab = Lab::new();
    lab.commit("");
    let refused = |since: &str| {
        let output = lab.command(since).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let err = refused("no-such-branch");
    assert!(err.contains("git cannot say what has changed: fatal: Needed a single revision"), "{err}");
    assert!(err.contains("next: git log --oneline\n"), "{err}");
    lab.write(".git/config", "[core]\n\trepositoryformatversion = 99\n");
    let err = refused("HEAD");
    assert!(err.contains("git cannot say what has changed: fatal: ") && err.contains("99"), "{err}");
}

/// In a clone of one branch, as pipelines make it, the other branches are the remote's.
#[test]
fn a_branch_that_only_the_remote_has_is_named() {
    let lab = Lab::new();
    lab.commit("");
    lab.git("", &["checkout", "-q", "-b", "topic"]);
    lab.git("", &["update-ref", "refs/remotes/origin/release", "HEAD"]);
    let dir = lab.path("ir").display().to_string();
    let refused = |args: &[&str]| {
        let mut command = Command::new(BIN);
        command.arg("-C").arg(lab.path("ir")).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    for (args, next) in [
        (&["plan", "--since", "release"][..], "plan --since origin/release"),
        (&["plan", "--since", "release..."], "plan --since origin/release..."),
        (&["apply", "--auto-approve", "--since", "release"], "plan --since origin/release"),
        (&["validate", "--sealed", "--since", "release"], "validate --sealed --since origin/release"),
    ] {
        let err = refused(args);
        assert!(err.contains("there is no branch release here, but origin/release\n"), "{err}");
        assert!(err.ends_with(&format!("next: casefile -C {dir} {next}\n")), "{err}");
    }
    let err = refused(&["plan", "--since", "toppic"]);
    assert!(err.contains("fatal: Needed a single revision; did you mean topic?\n"), "{err}");
    assert!(err.ends_with(&format!("next: casefile -C {dir} plan --since topic\n")), "{err}");
}

/// A repository of somebody else: git names the command that trusts it. Only the superuser can make one.
#[test]
fn a_command_that_git_names_is_the_next_one() {
    let lab = Lab::new();
    lab.commit("");
    if std::os::unix::fs::chown(lab.root(), Some(12_345), None).is_err() {
        return;
    }
    // Whoever runs the tests may trust everything.
    let mut command = lab.command("HEAD");
    let output = command
        .env("HOME", lab.path("nowhere"))
        .env("XDG_CONFIG_HOME", lab.path("nowhere"))
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("detected dubious ownership in repository"), "{err}");
    assert!(err.contains("next: git config --global --add safe.directory "), "{err}");
}
