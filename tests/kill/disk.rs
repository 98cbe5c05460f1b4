//! A disk that gives out: full, too small a limit, read-only. Where an intent cannot be written no call
//! leaves, and what was done before is not done again.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::lab::{Lab, RESOURCES, each};
use super::process::{Ended, Through};

/// The run stopped because of its journal, and everything that it sent is in there.
#[track_caller]
fn stopped_in_time(lab: &Lab, ended: &Ended, why: &str) {
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("error: "), "{ended:?}");
    assert!(ended.stderr.contains(why), "{ended:?}");
    lab.nothing_left_unrecorded();
    // With every intent on disk, no more calls can have left than the journal has intents.
    let journal = std::fs::read_to_string(lab.folder().join("journal.jsonl")).unwrap_or_default();
    let intents = journal.lines().filter(|l| l.contains(r#""record":{"intent":"#)).count();
    assert!(lab.service.posts() <= intents, "{} calls, {intents} intents", lab.service.posts());
    assert!(intents < RESOURCES, "{intents}");
}

#[test]
fn a_broken_off_run_tells_how_far_it_came() {
    let lab = Lab::new();
    let ended = lab.apply(&Through::FileSizeError(20_000), &["--parallelism", "1", "--format", "json"]);
    stopped_in_time(&lab, &ended, "nothing more is sent, because the state cannot be written");
    let last: serde_json::Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["exitCode"]), (&"summary".into(), &1.into()), "{last}");
    let (accepted, left) = (last["counts"]["accepted"].as_u64(), last["left"].as_u64());
    let sum = accepted.unwrap() + left.unwrap();
    // One call at a time: at most one is neither, because its outcome was the record that did not fit.
    assert!((RESOURCES as u64 - 1..=RESOURCES as u64).contains(&sum), "{last}");
    lab.recover();
}

#[test]
fn a_write_beyond_the_limit_fails() {
    // From "not even the lock's file" to "about half of the run".
    let limits = [1, 300, 700, 1500, 5_000, 20_000];
    let cases: Vec<_> = limits.into_iter().flat_map(|l| ["1", "8"].map(|p| (l, p))).collect();
    each(&cases, |(limit, parallelism)| {
        let lab = Lab::new();
        let through = Through::FileSizeError(*limit);
        let ended = lab.apply(&through, &["--parallelism", parallelism]);
        stopped_in_time(&lab, &ended, "File too large");
        // As long as nothing changes, nothing gets worse.
        let again = lab.apply(&through, &["--parallelism", parallelism]);
        stopped_in_time(&lab, &again, "File too large");
        lab.recover();
    });
}

/// A mount that ends with the value.
pub struct Mount(PathBuf);

impl Mount {
    /// None, and a printed reason, where this user may not mount.
    pub fn new(args: &[&str], at: &Path) -> Option<Mount> {
        let done = Command::new("mount").args(args).arg(at).output();
        match done {
            Ok(o) if o.status.success() => Some(Mount(at.to_owned())),
            Ok(o) => {
                println!("skipped: mount: {}", String::from_utf8_lossy(&o.stderr).trim());
                None
            }
            Err(e) => {
                println!("skipped: mount: {e}");
                None
            }
        }
    }

    fn again(&self, options: &str) {
        let done = Command::new("mount").args(["-o", options]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.0).status();
    }
}

#[test]
fn a_full_disk() {
    for size in ["8k", "16k", "40k"] {
        let lab = Lab::new();
        std::fs::create_dir(lab.folder()).unwrap();
        let options = format!("size={size},mode=700");
        let Some(disk) = Mount::new(&["-t", "tmpfs", "-o", &options, "tmpfs"], &lab.folder()) else { return };
        for _ in 0..2 {
            let ended = lab.apply(&Through::Nothing, &[]);
            stopped_in_time(&lab, &ended, "No space left on device");
        }
        disk.again("remount,size=4m");
        lab.recover();
    }
}

#[test]
fn a_read_only_state() {
    let lab = Lab::new();
    // A first run has written a part of it.
    let ended = lab.apply(&Through::FileSizeError(20_000), &[]);
    stopped_in_time(&lab, &ended, "File too large");
    let (before, folder) = (lab.service.posts(), lab.folder());
    let Some(disk) = Mount::new(&["--bind", &folder.display().to_string()], &folder) else { return };
    disk.again("remount,bind,ro");
    let ended = lab.apply(&Through::Nothing, &[]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("Read-only file system"), "{ended:?}");
    assert_eq!(lab.service.posts(), before, "no call leaves");
    drop(disk);
    lab.recover();
}

#[test]
fn a_read_only_project() {
    let lab = Lab::new();
    let path = lab.path();
    let Some(disk) = Mount::new(&["--bind", &path.display().to_string()], &path) else { return };
    disk.again("remount,bind,ro");
    let ended = lab.apply(&Through::Nothing, &[]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("Read-only file system"), "{ended:?}");
    assert_eq!(lab.service.posts(), 0, "no call leaves");
    drop(disk);
    lab.recover();
}

#[test]
fn a_folder_without_permission() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new();
    std::fs::create_dir(lab.folder()).unwrap();
    let mode = |m| std::fs::set_permissions(lab.folder(), std::fs::Permissions::from_mode(m)).unwrap();
    mode(0o500);
    if std::fs::File::create_new(lab.folder().join("probe")).is_ok() {
        println!("skipped: this user may write anywhere");
        return;
    }
    let ended = lab.apply(&Through::Nothing, &[]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("Permission denied"), "{ended:?}");
    assert_eq!(lab.service.posts(), 0, "no call leaves");
    mode(0o700);
    lab.recover();
}
