//! Surgery that is killed: whatever file-system call was its last one, the same command ends the work.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use casefile::state::{Damage, StoreError, local};

use super::lab::{Lab, each};
use super::process::{self, Ended, Through};
use super::sweep::can_trace;

/// The calls that change something on the disk, or make it durable. A kernel that lacks one has another for it.
const CALLS: [&str; 13] = [
    "open",
    "openat",
    "write",
    "ftruncate",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
];

/// A command of surgery, what is done to the files before it, and what must hold once it is through.
struct Operation {
    args: &'static [&'static str],
    damage: fn(&Path),
    /// The resources that are left.
    resources: usize,
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{}: no {from}", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// An edited record in the middle of the journal.
fn edited(folder: &Path) {
    edit(&folder.join("journal.jsonl"), "INC-2042 package 7", "INC-2042 package 8");
}

/// The journal is gone.
fn without_journal(folder: &Path) {
    std::fs::remove_file(folder.join("journal.jsonl")).unwrap();
}

/// The journal ends before its snapshot.
fn short(folder: &Path) {
    let path = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text.split_inclusive('\n').take(60).collect();
    std::fs::write(path, kept.concat()).unwrap();
}

/// An edited record, and a snapshot of another state beside it, which knows more records.
fn other_snapshot(folder: &Path) {
    edited(folder);
    edit(&folder.join("state.json"), "\"lineage\": \"", "\"lineage\": \"0");
    edit(&folder.join("state.json"), "\"seq\": ", "\"seq\": 9");
}

const OPERATIONS: [Operation; 8] = [
    Operation { args: &["state", "rm", "Alert/a03"], damage: |_| (), resources: 39 },
    Operation { args: &["state", "mv", "Alert/a03", "Alert/b03"], damage: |_| (), resources: 40 },
    Operation {
        args: &["state", "rebuild"],
        damage: |folder| std::fs::remove_file(folder.join("state.json")).unwrap(),
        resources: 40,
    },
    Operation { args: &["state", "rebuild", "--accept-damage"], damage: edited, resources: 40 },
    Operation { args: &["state", "rebuild", "--accept-damage"], damage: without_journal, resources: 40 },
    Operation { args: &["state", "rebuild", "--accept-damage"], damage: short, resources: 40 },
    Operation { args: &["state", "rebuild", "--accept-damage"], damage: other_snapshot, resources: 0 },
    Operation { args: &["import", "--discover", "--auto-approve"], damage: |_| (), resources: 40 },
];

/// Forty resources that were applied; made once, copied for each case.
struct Applied(Lab);

impl Applied {
    fn new() -> Applied {
        let lab = Lab::new();
        assert_eq!(lab.apply(&Through::Nothing, &[]).code(), Some(0));
        Applied(lab)
    }

    /// A copy of the project.
    fn copy(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["manifests", ".casefile"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let files =
            ["casefile.yaml", "manifests/all.yaml", ".casefile/journal.jsonl", ".casefile/state.json"];
        for file in files {
            std::fs::copy(self.0.path().join(file), dir.path().join(file)).unwrap();
        }
        dir
    }

    fn run(&self, dir: &Path, through: &Through<'_>, args: &[&str]) -> Ended {
        process::start(through, dir, &self.0.service.url(), args).wait()
    }

    /// Killed at the `k`-th call of that name, then run again. False if the command was over before.
    fn killed_at(&self, call: &str, k: usize, operation: &Operation) -> bool {
        let dir = self.copy();
        let folder = dir.path().join(".casefile");
        (operation.damage)(&folder);
        let inject = format!("inject=?{call}:signal=SIGKILL:when={k}");
        let trace = format!("trace=?{call}");
        let strace = ["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject].map(str::to_owned);
        let ended = self.run(dir.path(), &Through::Strace(&strace), operation.args);
        let what = format!("{:?}, {call} {k}", operation.args);
        if ended.code().is_some() {
            assert_eq!(ended.code(), Some(0), "{what}: {ended:?}");
        }
        // The second try is within the same second. What was done already is told, and is no fault of the files.
        let again = self.run(dir.path(), &Through::Nothing, operation.args);
        let done_before = ["the state holds no ", "holds a "].iter().any(|w| again.stderr.contains(w));
        assert!(again.code() == Some(0) || done_before, "{what}: {again:?}");
        let verified = local::verify(&folder, None).unwrap();
        assert_eq!(verified.findings, [], "{what}");
        let state = local::read(&folder).unwrap().state;
        if operation.resources > 0 {
            assert_eq!(state.resources.len(), operation.resources, "{what}");
        }
        // Whoever comes next finds a state that can be used, and nothing to send.
        let plan = self.run(dir.path(), &Through::Nothing, &["plan", "--no-refresh"]);
        assert_eq!(plan.code(), Some(0), "{what}: {plan:?}");
        ended.code().is_none()
    }
}

fn sweep(operations: &[&Operation], calls: &[&str]) {
    if !can_trace() {
        return;
    }
    let applied = Applied::new();
    let serving = applied.0.service.serve();
    let cases: Vec<(&Operation, &str)> =
        operations.iter().flat_map(|operation| calls.iter().map(|call| (*operation, *call))).collect();
    let kills = AtomicUsize::new(0);
    each(&cases, |(operation, call)| {
        for k in 1.. {
            if !applied.killed_at(call, k, operation) {
                break;
            }
            kills.fetch_add(1, Ordering::Relaxed);
        }
    });
    applied.0.service.drain(serving);
    let kills = kills.into_inner();
    println!("killed at {kills} calls");
    assert!(kills >= operations.len(), "{kills}");
}

#[test]
fn surgery_killed_around_a_rename_is_done_by_repeating_it() {
    sweep(&[&OPERATIONS[1], &OPERATIONS[3], &OPERATIONS[6]], &["rename"]);
}

#[test]
#[ignore = "every call takes minutes"]
fn surgery_killed_at_every_call_is_done_by_repeating_it() {
    let operations: Vec<&Operation> = OPERATIONS.iter().collect();
    sweep(&operations, &CALLS);
}

/// `verify` looks at what a killed first run left, or at one that is under way, and finds nothing wrong.
#[test]
fn a_killed_first_run_is_no_finding() {
    let lab = Lab::new();
    let ended = lab.apply_killed_after(3, &["--parallelism", "1"]);
    assert_eq!(ended.signal(), Some(9), "{ended:?}");
    assert!(!lab.folder().join("state.json").exists());
    // The beginning of a record that was being written.
    let mut journal = std::fs::read(lab.folder().join("journal.jsonl")).unwrap();
    journal.extend_from_slice(b"{\"seq\":");
    std::fs::write(lab.folder().join("journal.jsonl"), journal).unwrap();
    let told = process::start(&Through::Nothing, &lab.path(), &lab.service.url(), &["verify"]).wait();
    assert_eq!(told.code(), Some(0), "{told:?}");
    assert!(told.stdout.contains("state.json does not exist yet"), "{told:?}");
    lab.recover();
}

/// Of a file that is no journal nothing can be taken: the advice is not the command that failed.
#[test]
fn what_is_no_journal_is_not_accepted_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("journal.jsonl"), "this is a letter\n").unwrap();
    std::fs::write(dir.path().join("lock"), "").unwrap();
    let acceptance = casefile::state::Acceptance {
        by: "ann@soc-1".into(),
        at: jiff::Timestamp::UNIX_EPOCH,
        tool: "casefile/test".into(),
    };
    let holder = casefile::state::Holder {
        user: "ann".into(),
        host: "soc-1".into(),
        pid: 1,
        since: jiff::Timestamp::UNIX_EPOCH,
        command: "test".into(),
        job: None,
    };
    let refused = local::rebuild(dir.path(), "t", &holder, None).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged(Damage::Journal(_))), "{refused}");
    assert!(refused.advice().to_string().contains("--accept-damage"));
    let refused = local::rebuild(dir.path(), "t", &holder, Some(&acceptance)).unwrap_err();
    assert!(matches!(refused, StoreError::Lost { .. }), "{refused}");
    let hint = refused.advice().to_string();
    assert!(!hint.contains("--accept-damage") && hint.contains("import --discover"), "{hint}");
    let names: BTreeSet<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing was written: {names:?}");
}
