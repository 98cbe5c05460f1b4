//! The whole tool with its state in a bare repository, against the sandbox.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::lab::{LINEAGE, Lab};

#[test]
fn another_clone_goes_on_where_one_was_thrown_away() {
    let lab = Lab::new(40);
    let first = lab.path("first");
    let before = lab.git(&first, &["status", "--porcelain", "--ignored"]);
    let files = |clone: &Path| {
        let list = lab.git(clone, &["for-each-ref"]);
        (
            list,
            std::fs::read(clone.join(".git/config")).unwrap(),
            std::fs::read(clone.join(".git/index")).unwrap(),
        )
    };
    let untouched = files(&first);
    let (code, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("head sha256:") && stderr.contains(LINEAGE), "{stderr}");
    assert_eq!(lab.collections(), 40);
    assert!(lab.commits() <= 14, "{} commits", lab.commits());
    assert_eq!(lab.git(&first, &["status", "--porcelain", "--ignored"]), before);
    assert_eq!(files(&first), untouched);
    let commits = lab.commits();
    std::fs::remove_dir_all(&first).unwrap();
    let second = lab.clone_as("second");
    let (code, stdout, stderr) = lab.run(&second, &["plan", "--detailed-exitcode"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (code, ..) = lab.run(&second, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 40));
    assert!(lab.commits() <= commits + 1, "what the look showed is one commit, if there is something");
    let (code, stdout, _) = lab.run(&second, &["verify"]);
    assert_eq!(code, 0, "{stdout}");
    let head = stdout.split("sha256:").nth(1).map(|h| h.chars().take(64).collect::<String>());
    if let Some(head) = head {
        assert_eq!(lab.run(&second, &["verify", "--head", &format!("sha256:{head}")]).0, 0);
    }
    let other = format!("sha256:{}", "0".repeat(63) + "1");
    let (code, stdout, _) = lab.run(&second, &["verify", "--head", &other]);
    assert!(code == 1 && stdout.contains("no record has the hash"), "{stdout}");
    let copy = lab.path("copy");
    assert_eq!(lab.run(&second, &["state", "pull", copy.to_str().unwrap()]).0, 0);
    let mut verify = lab.command(&second, &["verify"]);
    let local = verify.env("CASEFILE_STATE_URL", format!("file:{}", copy.display())).output().unwrap();
    assert!(local.status.success(), "{}", String::from_utf8_lossy(&local.stdout));
}

#[test]
fn four_processes_at_once_do_everything_once() {
    let lab = Lab::new(6);
    let clones: Vec<PathBuf> = (0..4).map(|n| lab.clone_as(&format!("clone{n}"))).collect();
    let words = ["apply", "--auto-approve", "--lock-timeout", "2m"];
    let running: Vec<_> = clones
        .iter()
        .map(|c| lab.command(c, &words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let mut ends = Vec::new();
    for child in running {
        let output = child.wait_with_output().unwrap();
        ends.push((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    assert_eq!(lab.collections(), 6, "{ends:?}");
    // Whoever was overtaken before its first call says so, and has sent nothing.
    assert!(ends.iter().all(|(code, _)| matches!(code, Some(0 | 4))), "{ends:?}");
    assert!(ends.iter().any(|(code, _)| *code == Some(0)), "{ends:?}");
    let (code, stdout, _) = lab.run(&clones[0], &["verify"]);
    assert_eq!(code, 0, "{stdout}");
}

#[test]
fn a_push_that_is_refused_sends_nothing() {
    let lab = Lab::new(1);
    lab.hook("pre-receive", "echo protected by policy >&2; exit 1");
    let (code, _, stderr) = lab.run(&lab.path("first"), &["apply", "--auto-approve"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("pre-receive hook declined") && stderr.contains("protected by policy"),
        "{stderr}"
    );
    assert_eq!(lab.collections(), 0);
}

#[test]
fn an_outcome_that_cannot_be_pushed_is_kept_and_comes_back() {
    let lab = Lab::new(1);
    let first = lab.path("first");
    // The first push, the intent's, goes in; later ones do not.
    lab.hook("pre-receive", "[ -e seen ] && exit 1; touch seen");
    let (code, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert_eq!(code, 1, "{stderr}");
    assert_eq!(lab.collections(), 1);
    lab.unhook("pre-receive");
    let mut wait = lab.command(&first, &["apply", "--auto-approve"]);
    let again = wait.output().unwrap();
    let stderr = String::from_utf8_lossy(&again.stderr);
    assert_eq!(lab.collections(), 1, "{stderr}");
    assert!(stderr.contains("taken in"), "{stderr}");
    let (_, stdout, _) = lab.run(&first, &["state", "list"]);
    assert!(stdout.contains("InProgress"), "{stdout}");
}

#[test]
fn a_process_that_is_killed_at_any_push_loses_nothing() {
    for (push, accepted) in [(1, false), (1, true), (2, false), (2, true), (3, true)] {
        let lab = Lab::new(2);
        let first = lab.path("first");
        // The hook kills the pusher's parent, and takes the push or not.
        let verdict = if accepted { 0 } else { 1 };
        let hook = format!(
            "n=$(cat count 2>/dev/null || echo 0); n=$((n + 1)); echo $n > count\n\
             [ $n -eq {push} ] || exit 0\nuntil [ -s victim ]; do sleep 0.01; done; kill -9 $(cat victim); exit {verdict}"
        );
        lab.hook("pre-receive", &hook);
        let mut child = lab
            .command(&first, &["apply", "--auto-approve"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::fs::write(lab.path("remote.git").join("victim"), child.id().to_string()).unwrap();
        child.wait().unwrap();
        lab.unhook("pre-receive");
        std::fs::remove_dir_all(&first).unwrap();
        let made = lab.collections();
        assert_eq!(made, if push == 1 { 0 } else { 2 }, "push {push}, {accepted}");
        let second = lab.clone_as("second");
        let (_, stdout, stderr) = lab.run(&second, &["plan"]);
        let creates = stdout.matches("\n  + package").count();
        let expected = if push == 1 && !accepted { 2 } else { 0 };
        assert_eq!(creates, expected, "push {push}, {accepted}: {stdout}{stderr}");
        // What is not settled waits, or is found.
        assert_eq!(lab.collections(), made);
    }
}

#[test]
fn a_state_that_is_gone_or_rewritten_is_no_new_state() {
    let lab = Lab::new(1);
    let first = lab.path("first");
    let (_, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    let lineage = stderr.split(LINEAGE).nth(1).unwrap().split('`').next().unwrap().to_owned();
    let remote = lab.path("remote.git");
    let tip = lab.git(&remote, &["rev-parse", "refs/casefile/ir"]);
    lab.git(&remote, &["update-ref", "refs/casefile/ir", &format!("{tip}~1")]);
    let (code, _, stderr) = lab.run(&first, &["plan"]);
    assert!(code == 4 && stderr.contains("was there before"), "{code} {stderr}");
    lab.git(&remote, &["update-ref", "-d", "refs/casefile/ir"]);
    let (code, _, stderr) = lab.run(&first, &["plan"]);
    assert!(code == 4 && stderr.contains("it is gone"), "{code} {stderr}");
    // On a machine that has never seen it the lineage tells.
    let second = lab.clone_as("second");
    let project = std::fs::read_to_string(second.join("casefile.yaml")).unwrap();
    let named = project.replace("url: \"git:\"", &format!("url: \"git:\", lineage: {lineage}"));
    std::fs::write(second.join("casefile.yaml"), named).unwrap();
    let (code, _, stderr) = lab.run(&second, &["apply", "--auto-approve"]);
    assert!(code == 4 && stderr.contains(&lineage), "{code} {stderr}");
    assert_eq!(lab.collections(), 1);
}

#[test]
fn a_repository_that_the_project_alone_names_gets_no_credentials() {
    let lab = Lab::new(1);
    let first = lab.path("first");
    let project = std::fs::read_to_string(first.join("casefile.yaml")).unwrap();
    let elsewhere = project.replace("git:", "git:https://host.invalid/a.git?ref=refs/casefile/x");
    std::fs::write(first.join("casefile.yaml"), elsewhere).unwrap();
    let (code, _, stderr) = lab.run(&first, &["plan"]);
    assert!(code == 1 && stderr.contains("CASEFILE_ALLOW_STORE"), "{code} {stderr}");
    for url in ["git:refs/heads/main", "git:ext::sh -c touch% x", "git:https://u:secret@host.invalid/a.git"] {
        let mut command = lab.command(&first, &["plan"]);
        let output = command.env("CASEFILE_STATE_URL", url).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && !stderr.contains("secret"), "{url}: {stderr}");
    }
}

#[test]
fn a_sha256_repository_and_a_shallow_clone_work() {
    let lab = Lab::new(1);
    lab.git(lab.dir.path(), &["init", "-q", "--bare", "--object-format=sha256", "other.git"]);
    let first = lab.path("first");
    let url = format!("git:{}?ref=refs/casefile/ir", lab.path("other.git").display());
    let apply = |clone: &Path| {
        let mut command = lab.command(clone, &["apply", "--auto-approve"]);
        command.env("CASEFILE_STATE_URL", &url).output().unwrap()
    };
    let output = apply(&first);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let address = format!("file://{}", lab.path("remote.git").display());
    lab.git(lab.dir.path(), &["clone", "-q", "--depth=1", "--single-branch", &address, "shallow"]);
    let shallow = lab.path("shallow");
    let output = apply(&shallow);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lab.collections(), 1);
    let (code, _, stderr) = lab.run(&shallow, &["plan"]);
    assert_eq!(code, 4, "the other place knows nothing of it, and the service does: {stderr}");
}

#[test]
fn a_state_moves_and_the_old_place_says_where() {
    let lab = Lab::new(2);
    let first = lab.path("first");
    let project = std::fs::read_to_string(first.join("casefile.yaml")).unwrap();
    std::fs::write(first.join("casefile.yaml"), project.replace("git:", "file:.casefile")).unwrap();
    assert_eq!(lab.run(&first, &["apply", "--auto-approve"]).0, 0);
    let (code, stdout, stderr) = lab.run(&first, &["state", "migrate", "--to", "git:refs/casefile/moved"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (code, _, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert!(code == 4 && stderr.contains("has moved to git:refs/casefile/moved"), "{code} {stderr}");
    // Interrupted before the copy: the same command goes on; and once more it changes nothing.
    lab.git(&lab.path("remote.git"), &["update-ref", "-d", "refs/casefile/moved"]);
    for _ in 0..2 {
        let words = ["state", "migrate", "--to", "git:refs/casefile/moved"];
        let (code, _, stderr) = lab.run(&first, &words);
        assert_eq!(code, 0, "{stderr}");
    }
    let (code, ..) = lab.run(&first, &["state", "migrate", "--to", "file:elsewhere"]);
    assert_eq!(code, 1, "it has moved already");
    std::fs::write(first.join("casefile.yaml"), project.replace("git:", "git:refs/casefile/moved")).unwrap();
    let (code, stdout, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 2), "{stdout}{stderr}");
    let (code, stdout, _) = lab.run(&first, &["verify"]);
    assert_eq!(code, 0, "{stdout}");
    // And back into a folder.
    let (code, _, stderr) = lab.run(&first, &["state", "migrate", "--to", "file:back"]);
    assert_eq!(code, 0, "{stderr}");
    std::fs::write(first.join("casefile.yaml"), project.replace("git:", "file:back")).unwrap();
    let (code, stdout, stderr) = lab.run(&first, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 2), "{stdout}{stderr}");
}

#[test]
fn a_package_is_fetched_once_whoever_asks() {
    let lab = Lab::new(1);
    let (one, two) = (lab.path("first"), lab.clone_as("second"));
    let (code, _, stderr) = lab.run(&one, &["apply", "--auto-approve", "--wait", "--fetch"]);
    assert!(code == 0 && stderr.contains("fetched"), "{stderr}");
    let (code, stdout, stderr) = lab.run(&two, &["apply", "--auto-approve", "--wait", "--fetch"]);
    assert!(code == 0 && !stdout.contains("fetch") && !stderr.contains("fetched"), "{stdout}{stderr}");
    // It is held on the first one's machine: the other one cannot vouch for it, unless it asks for the same bytes.
    assert_eq!(lab.run(&one, &["verify"]).0, 0);
    let (code, stdout, _) = lab.run(&two, &["verify"]);
    assert!(code == 1 && stdout.contains("it is held, and not there"), "{stdout}");
    let (code, stdout, stderr) = lab.run(&two, &["fetch"]);
    assert!(code == 0 && stdout.contains("fetched again"), "{stdout}{stderr}");
    assert_eq!(lab.run(&two, &["verify"]).0, 0);
}
