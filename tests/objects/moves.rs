//! A state that moves from a ref into a bucket, killed at each write of the old place and of the new one: the same command
//! goes on.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::server::{Fate, Server};
use super::tool::Lab;

const TO: &str = "s3://bucket/ir";

/// A project whose state is in a ref of a bare repository, with two collections.
struct Moving {
    server: Server,
    lab: Lab,
    remote: PathBuf,
}

impl Moving {
    fn new() -> Moving {
        let server = Server::start();
        let lab = Lab::on(&server, 2);
        let remote = lab.project().join("remote.git");
        let made = Command::new("git").args(["init", "-q", "--bare"]).arg(&remote).status().unwrap();
        assert!(made.success());
        let moving = Moving { server, lab, remote };
        let (code, stderr) = moving.at_the_old_place(&["apply", "--auto-approve"]);
        assert_eq!((code, moving.lab.collections()), (Some(0), 2), "{stderr}");
        moving
    }

    fn old(&self, words: &[&str]) -> Command {
        let mut command = self.lab.command("one", words);
        let url = format!("git:{}?ref=refs/casefile/ir", self.remote.display());
        command.env("CASEFILE_STATE_URL", url);
        command
    }

    fn at_the_old_place(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.old(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Begins to move, and tells somebody whom to kill. Returns whether that happened.
    fn is_killed(&self, tell: impl FnOnce(u32)) -> bool {
        let mut command = self.old(&["state", "migrate", "--to", TO]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tell(child.id());
        let code = child.wait().unwrap().code();
        assert!(matches!(code, None | Some(0)), "{code:?}");
        code.is_none()
    }

    /// The command goes on, once more it changes nothing, the old place says where the state went, and the new one has all
    /// of it.
    fn goes_on(&self, case: &str) {
        for _ in 0..2 {
            let (code, stderr) = self.at_the_old_place(&["state", "migrate", "--to", TO]);
            assert_eq!(code, Some(0), "{case}: {stderr}");
        }
        for words in [&["apply", "--auto-approve"][..], &["plan"]] {
            let (code, stderr) = self.at_the_old_place(words);
            assert!(code == Some(4) && stderr.contains("has moved to s3://bucket/ir"), "{case}: {stderr}");
        }
        let (code, stdout, stderr) = self.lab.run("two", &["plan", "--detailed-exitcode"]);
        assert_eq!(code, 0, "{case}: {stdout}{stderr}");
        let (code, _, stderr) = self.lab.run("two", &["apply", "--auto-approve"]);
        assert_eq!((code, self.lab.collections()), (0, 2), "{case}: {stderr}");
        let (code, stdout, _) = self.lab.run("two", &["verify"]);
        assert_eq!(code, 0, "{case}: {stdout}");
    }
}

fn hook(remote: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = remote.join("hooks/pre-receive");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_move_that_is_killed_at_any_push_to_the_old_place_goes_on() {
    for taken in [true, false] {
        for nth in 1.. {
            let moving = Moving::new();
            hook(
                &moving.remote,
                &format!(
                    "n=$(cat count 2>/dev/null || echo 0); n=$((n + 1)); echo $n > count\n[ $n -eq {nth} ] || exit 0\n\
                     until [ -s victim ]; do sleep 0.01; done; kill -9 $(cat victim); exit {}",
                    u8::from(!taken)
                ),
            );
            let victim = moving.remote.join("victim");
            let killed = moving.is_killed(|pid| std::fs::write(victim, pid.to_string()).unwrap());
            std::fs::remove_file(moving.remote.join("hooks/pre-receive")).unwrap();
            moving.goes_on(&format!("push {nth}, taken: {taken}"));
            if !killed {
                assert!(nth > 1, "no push was killed");
                break;
            }
        }
    }
}

#[test]
fn a_move_that_is_killed_at_any_put_of_the_new_place_goes_on() {
    for fate in [Fate::NeverArrives, Fate::AnswerLost] {
        for nth in 1.. {
            let moving = Moving::new();
            let tell = moving.server.kill_at(nth, fate);
            let killed = moving.is_killed(|pid| tell.send(pid).unwrap());
            moving.server.rule(|_, _| Fate::Done);
            moving.goes_on(&format!("put {nth}, {fate:?}"));
            if !killed {
                assert!(nth > 4, "the probe, the journal, its proof and two shortcuts are put");
                break;
            }
        }
    }
}
