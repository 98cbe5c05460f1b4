//! Things that only tests of Unix need: links, FIFOs, sockets, modes and names that are no text.

use std::any::Any;
use std::ffi::OsString;
use std::path::Path;

use tokio::process::Command;

/// A maker of things that Unix has. Elsewhere there is none of it, and a test that needs it ends.
#[cfg(unix)]
#[derive(Clone, Copy)]
pub struct Unix;

/// A maker of things that Unix has: here there is none.
#[cfg(not(unix))]
#[derive(Clone, Copy)]
pub enum Unix {}

/// Returns what can be made on a Unix system; none on another one.
#[cfg(unix)]
pub fn unix() -> Option<Unix> {
    Some(Unix)
}

/// Returns nothing: this is no Unix system.
#[cfg(not(unix))]
pub fn unix() -> Option<Unix> {
    None
}

#[cfg(unix)]
impl Unix {
    /// Makes a link that leads to a target, whether that is there or not.
    pub fn link(self, target: impl AsRef<Path>, at: impl AsRef<Path>) {
        std::os::unix::fs::symlink(target, at).unwrap();
    }

    /// Makes a FIFO.
    pub fn fifo(self, at: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(at).status().unwrap().success());
    }

    /// Makes a socket that is listened at until the value is dropped. Its name stays.
    pub fn socket(self, at: &Path) -> Box<dyn Any> {
        Box::new(std::os::unix::net::UnixListener::bind(at).unwrap())
    }

    /// Returns the permissions of something, as `chmod` writes them.
    pub fn mode(self, path: &Path) -> u32 {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
    }

    /// Sets the permissions of something.
    pub fn set_mode(self, path: &Path, mode: u32) {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, permissions).unwrap();
    }

    /// Returns whether file systems take names of any bytes. Those of macOS take text alone.
    pub fn takes_any_name(self) -> bool {
        cfg!(target_os = "linux")
    }

    /// Returns a name of any bytes.
    pub fn name(self, bytes: &[u8]) -> OsString {
        std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
    }

    /// Returns the number of a process that has ended.
    pub fn ended_process(self) -> u32 {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    /// Returns a program that does nothing for an hour.
    pub fn sleeper(self) -> Command {
        let mut command = Command::new("sleep");
        command.arg("3600");
        command
    }
}

#[cfg(not(unix))]
impl Unix {
    pub fn link(self, _: impl AsRef<Path>, _: impl AsRef<Path>) {
        match self {}
    }

    pub fn fifo(self, _: &Path) {
        match self {}
    }

    pub fn socket(self, _: &Path) -> Box<dyn Any> {
        match self {}
    }

    pub fn mode(self, _: &Path) -> u32 {
        match self {}
    }

    pub fn set_mode(self, _: &Path, _: u32) {
        match self {}
    }

    pub fn takes_any_name(self) -> bool {
        match self {}
    }

    pub fn name(self, _: &[u8]) -> OsString {
        match self {}
    }

    pub fn ended_process(self) -> u32 {
        match self {}
    }

    pub fn sleeper(self) -> Command {
        match self {}
    }
}
