//! git as a program, for what a state needs of it: no shell, no hooks, no questions, and an end.

use std::ffi::{OsStr, OsString};
use std::path::Path;
pub use std::process::Output;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The settings that count before every other one.
const SETTINGS: [&str; 7] = [
    "safe.bareRepository=explicit",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.fsckObjects=true",
    "http.followRedirects=false",
];

/// The variables that are set for git.
const ENVIRONMENT: [(&str, &str); 4] =
    [("LC_MESSAGES", "C"), ("LANGUAGE", "C"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_NO_REPLACE_OBJECTS", "1")];

/// The variables that would lead git to another repository than the one that is named.
pub const ELSEWHERE: [&str; 12] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_TRACE",
    "GIT_TRACE_CURL",
];

/// The variable in which git takes settings: `GIT_CONFIG_COUNT` is newer than git 2.30.
pub const PARAMETERS: &str = "GIT_CONFIG_PARAMETERS";

/// Adds a setting to the value of [`PARAMETERS`]. The first equals sign ends the name, so a name that holds one cannot be
/// told.
pub fn add_parameter(list: &mut OsString, key: &str, value: &str) {
    let setting = format!("{key}={value}").replace('\'', r"'\''");
    list.push(format!("{}'{setting}'", if list.is_empty() { "" } else { " " }));
}

/// Why git gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("git cannot be started: {0}")]
    Start(std::io::Error),
    /// It did not end in time.
    #[error("git did not end within {} s", .0.as_secs())]
    Late(Duration),
}

/// How git is run.
#[derive(Clone, Debug)]
pub struct Git {
    environment: Vec<(OsString, OsString)>,
}

impl Git {
    /// Takes the environment that git finds itself, its user's settings and its credentials in; what would lead it
    /// elsewhere is left out. `protocols` are the ways that it may go.
    pub fn new(environment: impl IntoIterator<Item = (OsString, OsString)>, protocols: &str) -> Self {
        let lost = |name: &OsStr| ELSEWHERE.iter().any(|n| *n == name) || name == "LC_ALL";
        let mut environment: Vec<(OsString, OsString)> =
            environment.into_iter().filter(|(name, _)| !lost(name)).collect();
        environment.extend(ENVIRONMENT.map(|(k, v)| (k.into(), v.into())));
        environment.push(("GIT_ALLOW_PROTOCOL".into(), protocols.into()));
        if !environment.iter().any(|(name, _)| name == "GIT_SSH_COMMAND" || name == "GIT_SSH") {
            environment.push(("GIT_SSH_COMMAND".into(), "ssh -o BatchMode=yes".into()));
        }
        Git { environment }
    }

    /// Adds settings as if they stood in a file of git's own. They may hold secrets, so they are no arguments, which
    /// every program on the machine can read.
    pub fn add_settings(&mut self, settings: &[(String, String)]) {
        let known = self.environment.iter().rposition(|(name, _)| name == PARAMETERS);
        let mut list = known.map(|i| self.environment.remove(i).1).unwrap_or_default();
        for (key, value) in settings.iter().filter(|(key, _)| !key.contains('=')) {
            add_parameter(&mut list, key, value);
        }
        self.environment.push((PARAMETERS.into(), list));
    }

    /// Runs git in a folder, which it takes for the root of a repository, with `input` for it to read.
    ///
    /// # Errors
    /// It does not start, or does not end within `bound`.
    pub async fn run<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        words: &[S],
        input: &[u8],
        bound: Duration,
    ) -> Result<Output, CommandError> {
        let mut git = Command::new("git");
        for setting in SETTINGS {
            git.args(["-c", setting]);
        }
        git.args(words).current_dir(folder).env_clear().envs(self.environment.iter().map(|(k, v)| (k, v)));
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = git.spawn().map_err(CommandError::Start)?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // Whoever does not read to the end says why on stderr.
                let _ = stdin.write_all(input).await;
            }
        };
        let both = async { futures::future::join(feed, child.wait_with_output()).await.1 };
        match tokio::time::timeout(bound, both).await {
            Ok(output) => output.map_err(CommandError::Start),
            Err(_) => Err(CommandError::Late(bound)),
        }
    }
}
