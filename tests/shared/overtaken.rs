//! A run that has planned, and finds at its first push that another one makes calls by now.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::lab::{Lab, until};

/// Two clones of one project; the first declares one resource more.
fn two(lab: &Lab) -> (PathBuf, PathBuf) {
    let (one, other) = (lab.path("first"), lab.clone_as("other"));
    let manifest = std::fs::read_to_string(one.join("manifests/ws-00.yaml")).unwrap();
    let more = manifest.replace("ws-00", "ws-99").replace(&format!("a{:039x}", 0), &format!("a{:039x}", 99));
    std::fs::write(one.join("manifests/ws-99.yaml"), more).unwrap();
    (one, other)
}

/// Runs the command in the first clone. Before its first push goes in, the other one has marked itself, and it holds the
/// state for two seconds more.
fn overtaken(lab: &Lab, one: &Path, other: &Path, words: &[&str]) -> (Option<i32>, String) {
    lab.hook(
        "pre-receive",
        "read old new ref\n\
         if ! [ -e came ]; then touch came; until [ -e go ]; do sleep 0.02; done; exit 0; fi\n\
         case $(git log -1 --format=%s $new) in answered*) sleep 2 ;; esac",
    );
    let remote = lab.path("remote.git");
    let asks = || {
        let log = lab.git(&remote, &["log", "--all", "--format=%s"]);
        log.contains("asking InvestigationPackage/ws-00")
    };
    let spawn = |clone: &Path, words: &[&str]| -> Child {
        let mut command = lab.command(clone, words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let run = spawn(one, words);
    until("the first push", || remote.join("came").exists());
    let faster = spawn(other, &["apply", "--auto-approve"]);
    until("the other run's mark", asks);
    std::fs::write(remote.join("go"), "").unwrap();
    let faster = faster.wait_with_output().unwrap();
    assert!(faster.status.success(), "{}", String::from_utf8_lossy(&faster.stderr));
    let output = run.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_run_that_waits_plans_again_and_does_what_is_left() {
    let lab = Lab::new(2);
    let (one, other) = two(&lab);
    let (code, text) = overtaken(&lab, &one, &other, &["apply", "--auto-approve", "--lock-timeout", "1m"]);
    assert_eq!((code, lab.collections()), (Some(0), 3), "{text}");
    assert!(text.contains("this run plans again"), "{text}");
    let (code, stdout, _) = lab.run(&one, &["verify"]);
    assert_eq!(code, 0, "{stdout}");
}

#[test]
fn a_run_that_does_not_wait_names_the_other_one() {
    let lab = Lab::new(2);
    let (one, other) = two(&lab);
    let (code, text) = overtaken(&lab, &one, &other, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (Some(4), 2), "{text}");
    assert!(text.contains("casefile apply") && text.contains("--lock-timeout"), "{text}");
}

/// An approval is compared with the state as it is then: it was of another plan.
#[test]
fn an_approved_plan_is_not_stretched_over_what_another_run_did() {
    let lab = Lab::new(2);
    let (one, other) = two(&lab);
    let (_, stdout, _) = lab.run(&one, &["plan", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let digest = plan["digest"].as_str().unwrap();
    let (code, text) = overtaken(&lab, &one, &other, &["apply", "--expect", digest, "--lock-timeout", "1m"]);
    assert_eq!((code, lab.collections()), (Some(4), 2), "{text}");
    assert!(text.contains("this run plans again") && text.contains(digest), "{text}");
}

/// A saved plan names its calls one by one: what the other run has recorded of them is compared as at any start.
#[test]
fn a_saved_plan_is_compared_with_what_another_run_did() {
    let lab = Lab::new(2);
    let (one, other) = two(&lab);
    assert_eq!(lab.run(&one, &["apply", "--auto-approve", "manifests/ws-99.yaml"]).0, 0);
    assert_eq!(lab.run(&one, &["plan", "--out", "plan.json"]).0, 0);
    let (code, text) = overtaken(&lab, &one, &other, &["apply", "plan.json", "--lock-timeout", "1m"]);
    assert!(text.contains("this run plans again"), "{text}");
    let at_its_start = lab.run(&one, &["apply", "plan.json"]);
    assert_eq!((code, lab.collections()), (Some(at_its_start.0), 3), "{text}{at_its_start:?}");
}

/// The seals are compared with the plan of the second try: of what the other run did nothing is left, and what no seal covers
/// is not sent.
#[test]
fn a_sealed_run_waits_and_does_what_is_left_of_its_seals() {
    let lab = Lab::new(2);
    let (one, other) = two(&lab);
    assert_eq!(lab.run(&one, &["seal"]).0, 0);
    let (code, text) = overtaken(&lab, &one, &other, &["apply", "--sealed", "--lock-timeout", "1m"]);
    assert_eq!((code, lab.collections()), (Some(0), 3), "{text}");
    assert!(text.contains("this run plans again"), "{text}");
    let (code, stdout, _) = lab.run(&one, &["verify"]);
    assert_eq!(code, 0, "{stdout}");
}

#[test]
fn a_sealed_run_that_does_not_wait_sends_nothing() {
    let lab = Lab::new(2);
    let (one, other) = two(&lab);
    assert_eq!(lab.run(&one, &["seal"]).0, 0);
    let (code, text) = overtaken(&lab, &one, &other, &["apply", "--sealed"]);
    assert_eq!((code, lab.collections()), (Some(4), 2), "{text}");
    assert!(text.contains("casefile apply") && text.contains("--lock-timeout"), "{text}");
}
