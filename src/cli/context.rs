//! Everything that touches the process: environment, terminal, current folder, clock, streams.
//!
//! Read once when a command starts; the library gets values. Results go to stdout, everything else
//! (progress, logs, questions, errors) to stderr.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use tokio::runtime::{Builder, Runtime};

use super::args::{Color, Global};
use super::exit::Error;

/// What a command knows of the process that it runs in.
#[derive(Debug)]
pub struct Context {
    /// The project folder: `-C DIR`, or the current one. Relative paths are relative to it.
    pub dir: PathBuf,
    /// The variables that the tool reads.
    pub env: Environment,
    /// Whether a person can be asked: stdin and stderr are terminals and `CI` is not set. Without it
    /// there are no prompts and no bars.
    pub interactive: bool,
    /// Whether results may hold colour.
    pub color_out: bool,
    /// Whether what goes to stderr may hold colour.
    pub color_err: bool,
    /// Columns that results are laid out for: the terminal's, or 80 where stdout is none.
    pub width: usize,
    /// Columns of what goes to stderr: the terminal's. In a log nothing is wrapped: one line an event.
    pub width_err: usize,
    /// How often `-v` was given.
    pub verbose: u8,
    /// `-q`
    pub quiet: bool,
}

impl Context {
    /// Looks around once.
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    pub fn new(global: &Global) -> Result<Self, Error> {
        let env = Environment::read(|name| std::env::var_os(name))?;
        let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Ok(Context {
            dir: global.project.clone().unwrap_or_else(|| PathBuf::from(".")),
            interactive: io::stdin().is_terminal() && stderr && !env.is_set("CI"),
            color_out: colored(global.color, stdout, &env),
            color_err: colored(global.color, stderr, &env),
            width: terminal_size::terminal_size_of(io::stdout()).map_or(80, |(w, _)| usize::from(w.0)),
            width_err: terminal_size::terminal_size_of(io::stderr())
                .map_or(usize::MAX, |(w, _)| usize::from(w.0)),
            verbose: global.verbose,
            quiet: global.quiet,
            env,
        })
    }

    /// A path as typed, relative to the project folder.
    pub fn path(&self, typed: &Path) -> PathBuf {
        if self.dir == Path::new(".") { typed.to_owned() } else { self.dir.join(typed) }
    }

    /// Writes a result to stdout. A reader that has gone away is [`Error::Closed`], a quiet end.
    pub fn out(&self, text: &str) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| match e.kind() {
            ErrorKind::BrokenPipe => Error::Closed,
            _ => Error::Stdout(e),
        })
    }

    /// Tells something by the way, on stderr; `-q` silences it.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            complain(text);
        }
    }

    /// The wall clock, for the library.
    #[expect(clippy::disallowed_methods, reason = "the one place; everybody else is handed the value")]
    pub fn clock(&self) -> crate::defender::Clock {
        std::sync::Arc::new(jiff::Timestamp::now)
    }

    /// What the lock's file says of this process.
    pub fn holder(&self, command: &str, since: jiff::Timestamp) -> crate::state::Holder {
        crate::state::Holder {
            user: self.env.get("USER").or(self.env.get("USERNAME")).unwrap_or("unknown").to_owned(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pid: std::process::id(),
            since,
            command: command.to_owned(),
        }
    }

    /// The wall clock: the one place where a command reads it.
    #[expect(clippy::disallowed_methods, reason = "the one place; everybody else is handed the value")]
    pub fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// Writes to stderr, `-q` or not. There is nowhere to report that stderr itself is closed.
pub fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The runtime for commands that talk to something.
pub fn runtime() -> Result<Runtime, Error> {
    started(Builder::new_multi_thread())
}

/// The runtime for commands that only look: a few calls, for which no threads are started.
pub fn reading_runtime() -> Result<Runtime, Error> {
    started(Builder::new_current_thread())
}

fn started(mut builder: Builder) -> Result<Runtime, Error> {
    builder.enable_all().build().map_err(|source| Error::Io {
        what: "start threads in",
        path: PathBuf::from("this process"),
        source,
    })
}

fn colored(when: Color, terminal: bool, env: &Environment) -> bool {
    match when {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !env.is_set("NO_COLOR") && env.get("TERM") != Some("dumb"),
    }
}

/// The environment variables that the tool reads, taken once. An empty one counts as not set.
///
/// Values may be secrets: `Debug` shows names alone.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<&'static str, String>);

impl Environment {
    /// Every name that is read, here or by a credential that is handed the value.
    pub const NAMES: [&'static str; 20] = [
        "CASEFILE_ENDPOINT",
        "CASEFILE_ACCESS_TOKEN",
        "CASEFILE_GRAPH_ENDPOINT",
        "CASEFILE_GRAPH_TOKEN",
        "CASEFILE_STATE_URL",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_TENANT_ID",
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "SYSTEM_ACCESSTOKEN",
        "CI",
        "NO_COLOR",
        "RUST_LOG",
        "TERM",
        "USER",
        "USERNAME",
    ];

    /// Takes the known names from `get`. A value that is no UTF-8 is an error that names the variable.
    pub fn read(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let mut vars = BTreeMap::new();
        for name in Self::NAMES {
            let Some(value) = get(name) else { continue };
            let value = value
                .into_string()
                .map_err(|_| Error::Environment { name, why: "is not valid UTF-8".into() })?;
            if !value.trim().is_empty() {
                vars.insert(name, value);
            }
        }
        Ok(Environment(vars))
    }

    /// One value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether it has a value.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Environment {
        Environment::read(|n| pairs.iter().find(|(k, _)| *k == n).map(|(_, v)| v.into())).unwrap()
    }

    #[test]
    fn debug_shows_no_value() {
        let e = env(&[("CASEFILE_ACCESS_TOKEN", "s3cret"), ("AZURE_CLIENT_SECRET", "s3cret")]);
        let shown = format!("{e:?}");
        assert!(shown.contains("CASEFILE_ACCESS_TOKEN") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_signs_in_gets_its_values() {
        let all: Vec<(&str, &str)> = Environment::NAMES.map(|n| (n, "s3cret")).to_vec();
        let e = env(&all);
        let c = crate::defender::auth::Environment::read(|name| e.get(name).map(str::to_owned));
        assert!(c.access_token.is_some() && c.graph_token.is_some());
        assert!(c.tenant_id.is_some() && c.client_id.is_some());
        assert!(c.client_secret.is_some() && c.client_certificate.is_some());
        assert!(c.federated_token_file.is_some() && c.pipelines_connection.is_some());
        assert!(c.github_request_url.is_some() && c.github_request_token.is_some());
        assert!(c.pipelines_token.is_some());
    }

    #[test]
    fn empty_is_not_set_and_other_names_are_not_read() {
        let e = env(&[("CI", " "), ("HOME", "/root")]);
        assert!(!e.is_set("CI") && !e.is_set("HOME"));
    }

    #[cfg(unix)]
    #[test]
    fn an_unreadable_value_names_its_variable_only() {
        use std::os::unix::ffi::OsStringExt;
        let bad = || OsString::from_vec(vec![b's', 0xff]);
        let e = Environment::read(|n| (n == "AZURE_CLIENT_SECRET").then(bad)).unwrap_err();
        assert_eq!(e.to_string(), "the environment variable AZURE_CLIENT_SECRET is not valid UTF-8");
    }

    #[test]
    fn who_decides_on_colour() {
        let plain = env(&[]);
        let no = env(&[("NO_COLOR", "1")]);
        assert!(colored(Color::Auto, true, &plain) && !colored(Color::Auto, false, &plain));
        assert!(!colored(Color::Auto, true, &no) && colored(Color::Always, false, &no));
        assert!(!colored(Color::Auto, true, &env(&[("TERM", "dumb")])));
    }
}
