//! A bare repository, a sandbox, and clones of a project: where the whole tool is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::served::{Served, write_project};

/// A bare repository, a sandbox, and clones of a project.
pub struct Lab {
    pub dir: TempDir,
    served: Served,
}

pub const LINEAGE: &str = "lineage: ";

impl Lab {
    pub fn new(machines: usize) -> Lab {
        let dir = TempDir::new().unwrap();
        let served = Served::start(dir.path());
        let lab = Lab { dir, served };
        lab.git(lab.dir.path(), &["init", "-q", "--bare", "remote.git"]);
        let first = lab.clone_as("first");
        write_project(&first, "git:", machines);
        lab.git(&first, &["add", "."]);
        lab.git(&first, &["commit", "-q", "-m", "a project"]);
        lab.git(&first, &["push", "-q", "origin", "HEAD:main"]);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn git(&self, folder: &Path, words: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"])
            .args(words)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub fn clone_as(&self, name: &str) -> PathBuf {
        self.git(self.dir.path(), &["clone", "-q", "remote.git", name]);
        self.path(name)
    }

    /// The cache folder of a clone's runs: as on a machine of its own.
    pub fn cache(&self, clone: &Path) -> PathBuf {
        let name = clone.strip_prefix(self.dir.path()).unwrap().to_string_lossy().replace('/', "-");
        self.dir.path().join("caches").join(name)
    }

    /// The tool in a clone, with a cache of its own: as on a fresh machine.
    pub fn command(&self, clone: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_casefile"));
        command.arg("-C").arg(clone).args(words).stdin(Stdio::null());
        for name in ["CASEFILE_STATE_URL", "CASEFILE_ALLOW_STORE", "RUST_LOG", "CI_JOB_URL"] {
            command.env_remove(name);
        }
        command.env("CASEFILE_ENDPOINT", &self.served.endpoint).env("CASEFILE_ACCESS_TOKEN", "t");
        command.env("CASEFILE_CACHE_DIR", self.cache(clone));
        command
    }

    pub fn run(&self, clone: &Path, words: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(clone, words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// How many collections the service has begun.
    pub fn collections(&self) -> usize {
        self.served.collections()
    }

    pub fn commits(&self) -> usize {
        self.git(&self.path("remote.git"), &["rev-list", "--count", "refs/casefile/ir"]).parse().unwrap()
    }

    pub fn hook(&self, name: &str, text: &str) {
        let path = self.path("remote.git").join("hooks").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn unhook(&self, name: &str) {
        std::fs::remove_file(self.path("remote.git").join("hooks").join(name)).unwrap();
    }
}

/// Waits until something is there.
pub fn until(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}
