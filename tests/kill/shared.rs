//! The same kills where the state is shared, and the machine is thrown away after each: its clone, its cache, its memory.
//! Another machine goes on, after what the dead one may have under way can no longer come.

use std::process::Command;

use super::bucket::Server;
use super::lab::{Lab, RESOURCES, at_once};
use super::process::{self, Ended, Through};

const SIGKILL: i32 = 9;

#[derive(Clone, Copy, Debug)]
enum Kept {
    Git,
    Objects,
}

/// A project whose state is shared.
struct Site {
    lab: Lab,
    environment: Vec<(&'static str, String)>,
}

impl Site {
    fn new(kept: Kept) -> Site {
        let lab = Lab::new();
        let environment = match kept {
            Kept::Git => {
                let remote = lab.path().join("remote.git");
                let made = Command::new("git").args(["init", "-q", "--bare"]).arg(&remote).status().unwrap();
                assert!(made.success());
                let url = format!("git:{}?ref=refs/casefile/t", remote.display());
                vec![("CASEFILE_STATE_URL", url)]
            }
            Kept::Objects => vec![
                ("CASEFILE_STATE_URL", "s3://bucket/t".into()),
                ("AWS_ENDPOINT_URL", Server::start().endpoint),
                ("AWS_ACCESS_KEY_ID", "key".into()),
                ("AWS_SECRET_ACCESS_KEY", "key".into()),
            ],
        };
        Site { lab, environment }
    }

    /// Does something as a machine that has seen nothing yet.
    fn on<T>(&self, machine: &str, work: impl FnOnce(&Through<'_>) -> T) -> T {
        let cache = self.lab.path().join(format!("{machine}.cache"));
        let cache = cache.to_str().unwrap();
        let mut variables: Vec<(&str, &str)> =
            self.environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
        variables.push(("CASEFILE_CACHE_DIR", cache));
        work(&Through::Env(&variables))
    }

    /// Looks at the state as it is now.
    fn pull(&self, machine: &str) {
        let copy = self.lab.path().join(format!("{machine}.copy"));
        let words = ["state", "pull", copy.to_str().unwrap()];
        let ended = self.on(machine, |through| {
            process::start(through, &self.lab.path(), &self.lab.service.url(), &words).wait()
        });
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        self.lab.look_at(copy);
    }
}

fn after_effect(k: usize, kept: Kept) {
    let site = Site::new(kept);
    let ended = site.on("first", |through| site.lab.killed_after(k, through, &[]));
    assert_eq!(ended.signal(), Some(SIGKILL), "{kept:?}, k = {k}: {ended:?}");
    site.pull("look");
    site.lab.nothing_left_unrecorded();
    let mut last = None;
    for machine in ["second", "third", "fourth"] {
        let ended = site.on(machine, |through| site.lab.apply(through, &[]));
        let done = ended.code() == Some(0);
        last = Some(ended);
        if done {
            break;
        }
    }
    assert_eq!(last.as_ref().and_then(Ended::code), Some(0), "{kept:?}, k = {k}: {last:?}");
    site.pull("end");
    site.lab.all_is_well();
}

/// Most of the time nothing happens, so many are done at once.
#[test]
#[ignore = "a call of another machine is waited for minutes"]
fn thrown_away_after_every_effect() {
    let cases: Vec<(usize, Kept)> =
        (1..=RESOURCES).flat_map(|k| [(k, Kept::Git), (k, Kept::Objects)]).collect();
    at_once(RESOURCES, &cases, |(k, kept)| after_effect(*k, *kept));
    println!("thrown away after each of {RESOURCES} effects, by git and by objects");
}
