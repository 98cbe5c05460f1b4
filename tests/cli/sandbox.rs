//! The simulated service as a process of its own; it ends with the value. Used by other tests, too.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

pub const BIN: &str = env!("CARGO_BIN_EXE_casefile");

pub struct Sandbox {
    child: Child,
    pub url: String,
}

impl Sandbox {
    /// Returns once it listens.
    pub fn start(scenario: &str) -> Sandbox {
        Sandbox::start_with(scenario, &[])
    }

    /// As [`Sandbox::start`], with more arguments.
    pub fn start_with(scenario: &str, args: &[&str]) -> Sandbox {
        Sandbox::at("127.0.0.1:0", scenario, args)
    }

    /// Ends, and listens again at the same address: a state is of one service.
    #[allow(dead_code, reason = "other tests have one service from beginning to end")]
    pub fn restart(&mut self, scenario: &str, args: &[&str]) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let address = self.url.trim_start_matches("http://").to_owned();
        *self = Sandbox::at(&address, scenario, args);
    }

    fn at(listen: &str, scenario: &str, args: &[&str]) -> Sandbox {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("scenario.yaml");
        std::fs::write(&file, scenario).unwrap();
        let mut all = vec!["--scenario", file.to_str().unwrap()];
        all.extend(args);
        Sandbox::with(listen, &all)
    }

    /// Answers from a recording.
    #[allow(dead_code, reason = "other tests serve worlds alone")]
    pub fn replay(file: &str) -> Sandbox {
        Sandbox::with("127.0.0.1:0", &["--replay", file])
    }

    fn with(listen: &str, args: &[&str]) -> Sandbox {
        let mut child = Command::new(BIN)
            .args(["sandbox", "--listen", listen])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("Listening on ").unwrap_or_else(|| panic!("{line:?}"));
        Sandbox { url: url.to_owned(), child }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
