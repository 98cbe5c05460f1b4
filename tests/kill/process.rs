//! Runs of the binary as processes: started, watched, killed, waited for.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

pub const BIN: &str = env!("CARGO_BIN_EXE_casefile");

/// How long anything here may take before it counts as hung: a call of another machine is waited for five minutes.
pub const PATIENCE: Duration = Duration::from_secs(480);

/// A process that somebody else may kill.
#[derive(Clone)]
pub struct Victim(Arc<Mutex<Child>>);

impl Victim {
    /// SIGKILL; the process is gone when this returns.
    pub fn kill(&self) {
        let mut child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A process that runs.
pub struct Process {
    victim: Victim,
    pid: u32,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    lines: mpsc::Receiver<String>,
    watchdog: mpsc::Sender<()>,
}

/// A process that ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The exit code; none if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

/// How the binary is started.
pub enum Through<'a> {
    Nothing,
    /// No file grows beyond so many bytes: the write that wants to is torn there, and SIGXFSZ kills.
    FileSize(u64),
    /// The same, but the signal is ignored: the write fails with EFBIG.
    FileSizeError(u64),
    /// With nobody reading stdout and stderr any more, as when a terminal is closed.
    NoTerminal,
    /// Under strace, with these arguments.
    Strace(&'a [String]),
    /// With these variables.
    Env(&'a [(&'a str, &'a str)]),
    /// With a pipe for stderr that is full, and that nobody reads.
    UnreadStderr(&'a Unread),
    /// With something else for stdout.
    Stdout(&'a dyn Fn() -> Stdio),
}

/// A pipe that another process keeps full.
pub struct Unread {
    filler: Child,
    end: std::io::PipeWriter,
    /// Nobody reads, but the pipe stays open.
    reader: std::io::PipeReader,
}

impl Unread {
    pub fn new() -> Unread {
        let (reader, end) = std::io::pipe().unwrap();
        let filler = Command::new("yes").stdout(end.try_clone().unwrap()).spawn().unwrap();
        let stat = format!("/proc/{}/stat", filler.id());
        // Once it sleeps, the pipe is full.
        while !std::fs::read_to_string(&stat).unwrap().contains(") S ") {
            std::thread::yield_now();
        }
        Unread { filler, end, reader }
    }

    /// Reads after all: waits for a line that contains a text, and goes on reading.
    pub fn read_until(&mut self, part: &str) {
        self.filler.kill().unwrap();
        let mut lines = BufReader::new(self.reader.try_clone().unwrap()).lines();
        assert!(lines.by_ref().any(|line| line.unwrap().contains(part)), "{part}");
        std::thread::spawn(move || lines.for_each(drop));
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.filler.kill();
        let _ = self.filler.wait();
    }
}

impl Through<'_> {
    fn command(&self) -> Command {
        let limited = |script: &str, bytes: u64| {
            let mut c = Command::new("sh");
            c.args(["-c", script, "sh", &format!("--fsize={bytes}"), "--core=0", BIN]);
            c
        };
        match self {
            Through::Nothing
            | Through::NoTerminal
            | Through::Env(_)
            | Through::UnreadStderr(_)
            | Through::Stdout(_) => Command::new(BIN),
            Through::FileSize(bytes) => limited(r#"exec prlimit "$@""#, *bytes),
            Through::FileSizeError(bytes) => limited(r#"trap "" XFSZ; exec prlimit "$@""#, *bytes),
            Through::Strace(args) => {
                let mut c = Command::new("strace");
                c.args(*args).arg(BIN);
                c
            }
        }
    }
}

/// Starts the binary in a project folder, against a service.
pub fn start(through: &Through<'_>, dir: &Path, url: &str, args: &[&str]) -> Process {
    let mut command = through.command();
    command.arg("-C").arg(dir).args(args);
    for name in ["CASEFILE_STATE_URL", "AZURE_CLIENT_SECRET", "RUST_LOG", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.env("CASEFILE_ENDPOINT", url).env("CASEFILE_ACCESS_TOKEN", "a-token").env("USER", "ann");
    command.env("CASEFILE_GRAPH_TOKEN", "a-token");
    if let Through::Env(variables) = through {
        command.envs(variables.iter().copied());
    }
    let (mut stdout, out) = std::io::pipe().unwrap();
    let (stderr, err) = std::io::pipe().unwrap();
    let mut stderr = BufReader::new(stderr);
    match through {
        Through::NoTerminal => {
            let (nobody, out) = std::io::pipe().unwrap();
            drop(nobody);
            command.stdout(out.try_clone().unwrap()).stderr(out);
        }
        Through::UnreadStderr(unread) => {
            command.stdout(out).stderr(unread.end.try_clone().unwrap());
        }
        Through::Stdout(other) => {
            command.stdout(other()).stderr(err);
        }
        _ => {
            command.stdout(out).stderr(err);
        }
    }
    let child = command.stdin(Stdio::null()).spawn().unwrap();
    // Its ends of the pipes are held by the child alone now.
    drop(command);
    let pid = child.id();
    let victim = Victim(Arc::new(Mutex::new(child)));
    let stdout = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text
    });
    let (tell, lines) = mpsc::channel();
    let stderr = std::thread::spawn(move || {
        let mut all = String::new();
        let mut line = String::new();
        while stderr.read_line(&mut line).unwrap() > 0 {
            all.push_str(&line);
            let _ = tell.send(std::mem::take(&mut line));
        }
        all
    });
    let (watchdog, over) = mpsc::channel();
    let hung = victim.clone();
    std::thread::spawn(move || {
        if over.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            hung.kill();
        }
    });
    Process { victim, pid, stdout, stderr, lines, watchdog }
}

impl Process {
    pub fn victim(&self) -> Victim {
        self.victim.clone()
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until it catches SIGTERM.
    pub fn wait_until_it_listens(&self) {
        let status = format!("/proc/{}/status", self.pid);
        let caught = || {
            let text = std::fs::read_to_string(&status).unwrap();
            let mask = text.lines().find_map(|l| l.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
            u64::from_str_radix(&mask, 16).unwrap() & 1 << 14 != 0
        };
        while !caught() {
            std::thread::yield_now();
        }
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let script = r#"kill -s "$0" "$1""#;
        let sent = Command::new("sh").args(["-c", script, name, &self.pid.to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for a line on stderr that contains a text.
    pub fn wait_for_line(&self, part: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(e) => panic!("no line with {part:?} on stderr: {e}"),
            }
        }
    }

    pub fn wait(self) -> Ended {
        // Both end with the process, if they belong to it.
        let stdout = self.stdout.join().unwrap();
        let stderr = self.stderr.join().unwrap();
        // Whoever wants to kill it until then gets the lock.
        let status = loop {
            let ended = self.victim.0.lock().unwrap_or_else(PoisonError::into_inner).try_wait().unwrap();
            match ended {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let _ = self.watchdog.send(());
        assert!(!stderr.contains("a-token") && !stdout.contains("a-token"), "{stderr}");
        Ended { status, stdout, stderr }
    }
}
