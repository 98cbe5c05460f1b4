//! git as a program, for what a state needs of it: no shell, no hooks, no questions, and an end.

use std::ffi::{OsStr, OsString};
use std::path::Path;
pub use std::process::Output;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::platform::Group;

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

/// The variable that names the program which git reaches ssh with.
const SSH: &str = "GIT_SSH_COMMAND";

/// How long git has to end, once it is told to, before it is made to: it removes its lock files on the way out.
const GRACE: Duration = Duration::from_secs(2);

/// How git is run.
#[derive(Clone, Debug)]
pub struct Git {
    environment: Vec<(OsString, OsString)>,
    /// The environment names a program for ssh: that counts, whatever settings say.
    names_ssh: bool,
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
        let names_ssh = environment.iter().any(|(name, _)| name == SSH || name == "GIT_SSH");
        if !names_ssh {
            environment.push((SSH.into(), batch("ssh").into()));
        }
        Git { environment, names_ssh }
    }

    /// Reaches ssh with the program that git's user has set (`core.sshCommand`), if one is: its settings for a folder count
    /// too, but not those of the repository around it, which an archive can bring.
    ///
    /// # Errors
    /// git cannot be started.
    pub async fn take_ssh_command(&mut self, folder: &Path, bound: Duration) -> Result<(), CommandError> {
        if self.names_ssh {
            return Ok(());
        }
        let words = ["config", "--includes", "--show-scope", "-z", "--get-all", "core.sshCommand"];
        let output = self.run(folder, &words, b"", bound).await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let fields: Vec<&str> = text.split('\0').collect();
        let mut own =
            fields.as_chunks::<2>().0.iter().filter(|[scope, _]| !matches!(*scope, "local" | "worktree"));
        if let Some([_, command]) = own.next_back() {
            self.environment.retain(|(name, _)| name != SSH);
            self.environment.push((SSH.into(), batch(command).into()));
        }
        Ok(())
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
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, group) = Group::spawn(&mut git).map_err(CommandError::Start)?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // Whoever does not read to the end says why on stderr.
                let _ = stdin.write_all(input).await;
            }
        };
        let both = async { futures::future::join(feed, child.wait_with_output()).await.1 };
        let mut both = std::pin::pin!(both);
        // It is dropped before the child is.
        let mut group = group;
        if let Ok(output) = tokio::time::timeout(bound, &mut both).await {
            group.ended();
            return output.map_err(CommandError::Start);
        }
        if group.ask_to_end() {
            let _ = tokio::time::timeout(GRACE, &mut both).await;
        }
        group.end();
        Err(CommandError::Late(bound))
    }
}

/// Returns a command for ssh that asks no questions, if it is OpenSSH's: what another program understands is not known.
fn batch(command: &str) -> String {
    let program = command.split_whitespace().next().unwrap_or_default().trim_matches(['\'', '"']);
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    match name {
        "ssh" | "ssh.exe" => format!("{command} -o BatchMode=yes"),
        _ => command.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_told_to_ask_nothing_and_other_programs_are_left_as_they_are() {
        let with = |command: &str| batch(command).strip_prefix(command).map(str::to_owned);
        for command in ["ssh", "/usr/bin/ssh -i ~/.ssh/deploy", "\"C:\\Windows\\ssh.exe\" -F x"] {
            assert_eq!(with(command).as_deref(), Some(" -o BatchMode=yes"), "{command}");
        }
        for command in ["plink -batch", "./ssh-wrapper", "tsh ssh"] {
            assert_eq!(with(command).as_deref(), Some(""), "{command}");
        }
    }
}
