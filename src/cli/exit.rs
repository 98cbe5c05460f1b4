//! One table from error to exit code, words and the next command to run.
//!
//! Commands return `Ok(Code)` when they have shown what there is to show, and an [`Error`] when they
//! could not do their work. The codes are those of `docs/cli.md`.

use std::path::PathBuf;

use super::nearby::Nearby;
use crate::model::{Advice, PlanDigest};
use crate::plan::names::Named;
use crate::plan::{TargetError, Unresolved};
use crate::render::escape::one_line;
use crate::render::ways_out::shell;

/// Returns the advice for where signing in does not work.
pub fn sign_in() -> Advice {
    Advice::then("put that right, or sign in as a person", "az login")
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// What was asked was done.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// `plan --detailed-exitcode`: there is something to do.
    Changes = 2,
    /// `--wait`: time ran out, nothing failed.
    TimedOut = 3,
    /// Another run, another plan, another tenant.
    Conflict = 4,
    /// Wrong usage.
    Usage = 64,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: [Code; 7] = [
        Code::Done,
        Code::Failed,
        Code::Changes,
        Code::TimedOut,
        Code::Conflict,
        Code::Usage,
        Code::Interrupted,
    ];

    /// What the process returns.
    pub fn as_u8(self) -> u8 {
        self as u8
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The reader of stdout went away: nothing is wrong, and nobody is left to tell.
    #[error("stdout was closed")]
    Closed,
    /// Wrong usage that clap cannot see.
    #[error("{0}")]
    Usage(String),
    /// Something in the environment is unusable.
    #[error("the environment variable {name} {why}")]
    Environment {
        /// Which.
        name: &'static str,
        /// What is wrong with it, without its value: it may be a secret.
        why: String,
    },
    /// No `casefile.yaml`.
    #[error("{}", near.told(dir))]
    NoProject {
        /// Where it was looked for.
        dir: PathBuf,
        /// The thing that is there instead, and what is near it.
        near: Nearby,
    },
    /// A selection that selects nothing.
    #[error("{message}")]
    NothingSelected {
        /// Why.
        message: String,
        /// The selection that was probably meant, or a command that shows more.
        next: Advice,
    },
    /// A file or folder could not be used.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// A verb: `read`, `write`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file was to be written into a folder that does not exist.
    #[error("cannot write {}: there is no folder {}", path.display(), folder.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
    },
    /// A file was read, but not understood.
    #[error("cannot use {}: {why}", path.display())]
    BadFile {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file that is no plan, or none that this version can carry out.
    #[error("cannot {what} {}: {why}", path.display())]
    BadPlan {
        /// A verb: `apply`, `show`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
        /// The advice to a person.
        next: Advice,
    },
    /// `--since` could not be answered.
    #[error("git cannot say what has changed: {why}")]
    Git {
        /// git's words.
        why: String,
        /// The command that git names, or the revision that was meant, if either is known.
        next: Option<Advice>,
    },
    /// stdout could not be written for another reason than a closed pipe.
    #[error("cannot write to stdout: {0}")]
    Stdout(std::io::Error),
    /// The events of a run could not be written: no more calls were started.
    #[error("cannot write to stdout: {source}; {} not started, and what was sent is recorded", were(*left))]
    Unread {
        /// Why.
        source: std::io::Error,
        /// Approved calls that were not made.
        left: usize,
    },
    /// `init` would overwrite.
    #[error("these files exist already, nothing was written")]
    Exists(Vec<String>),
    /// A new manifest would overwrite a file.
    #[error("{} exists already, nothing was written", path.display())]
    FileExists {
        /// Which.
        path: PathBuf,
    },
    /// A new manifest has errors; they were shown.
    #[error("the new manifest has {}, nothing was written", count(*.0, "error", "errors"))]
    InvalidDraft(usize),
    /// A new incident lacks values that its runbook needs.
    #[error("the runbook needs values that are not there, nothing was written")]
    LackingValues(Vec<String>),
    /// Values that a runbook's parameters do not take, in a line each.
    #[error("the runbook does not take these values, nothing was written")]
    WrongValues(Vec<String>),
    /// Questions that were ended.
    #[error("the questions were ended, nothing was written")]
    Unanswered,
    /// A runbook that was named has no cases.
    #[error("{runbook} has no cases, so nothing was tried")]
    NoCases {
        /// Its file.
        runbook: String,
    },
    /// The rows of a query name no events.
    #[error("{message}")]
    NoEvents {
        /// What is missing.
        message: String,
    },
    /// The manifests have errors; they were shown.
    #[error("the project has {}, nothing was sent", count(*.0, "error", "errors"))]
    InvalidManifests(usize),
    /// Names, tags and files whose machines cannot be told.
    #[error("{} cannot be resolved to {}, nothing was sent", count(.0.len(), "place", "places"), meant(.0))]
    Unresolved(Vec<TargetError>),
    /// The state holds no such resource.
    #[error("the state holds no {}{meant}", sought(typed))]
    NotInState {
        /// The name or address.
        typed: Named,
        /// The one that was most likely meant, as the end of the message; empty if none is near.
        meant: String,
    },
    /// A prompt was needed where there is none.
    #[error("this plan needs an approval, and there is no terminal to ask at")]
    NoApproval,
    /// The same, for surgery.
    #[error("this needs an approval, and there is no terminal to ask at")]
    Unapproved {
        /// What gives one.
        next: Advice,
    },
    /// A person said no.
    #[error("not approved, nothing was sent")]
    Declined,
    /// Another run holds the lock.
    #[error("another run holds the lock: {0}")]
    Locked(String),
    /// The same, with the command as it was typed.
    #[error("another run holds the lock: {holder}")]
    LockedOut {
        /// The description of the other run.
        holder: String,
        /// The command, to be typed again.
        again: String,
    },
    /// `--expect` names another plan.
    #[error("this is not the plan with the digest {expected}, nothing was sent")]
    OtherDigest {
        /// LastCall for.
        expected: PlanDigest,
        /// Rows on which the two differ, in words. No new digest: it would be pasted unread.
        rows: Vec<String>,
    },
    /// A saved plan that does not fit the state.
    #[error("{message}")]
    StalePlan {
        /// Why.
        message: String,
        /// The rows that have moved, if that is why.
        moved: Vec<String>,
        /// The advice to a person.
        next: Advice,
    },
    /// `--sealed`, and calls that no current seal covers.
    #[error("these calls were not reviewed as they are, nothing was sent")]
    NotSealed {
        /// The calls, each with the reason.
        rows: Vec<String>,
        /// The advice to a person.
        next: Advice,
    },
    /// More creating calls than `limits` allows.
    #[error("{planned} {limit} planned, {allowed} allowed by the project's limits")]
    OverLimit {
        /// `newCollections` or `newAlerts`.
        limit: &'static str,
        /// How many the plan has.
        planned: usize,
        /// How many are allowed.
        allowed: u32,
    },
    /// Calls that end what most resources asked for.
    #[error("this plan cancels or resolves {calls} of {resources} resources, nothing was sent")]
    Removals {
        /// How many are cancelled or resolved.
        calls: usize,
        /// How many the state holds.
        resources: usize,
    },
    /// Calls to protected machines, without an approval.
    #[error("these calls go to protected machines, nothing was sent")]
    Protected(Vec<String>),
    /// Calls whose text the project does not allow.
    #[error("the text of these calls does not match requireComment, nothing was sent")]
    CommentRule(Vec<String>),
    /// The run must fail, by the token's own words.
    #[error("this run must fail, nothing was sent")]
    Hopeless(Vec<String>),
    /// State, token and project do not name one tenant and cloud.
    #[error("{0}")]
    OtherTenant(String),
    /// The state is that of a project with another name.
    #[error("the state belongs to the project {}, casefile.yaml names it {project}", one_line(state))]
    OtherProject {
        /// The name that the state remembers.
        state: String,
        /// The name in `casefile.yaml`.
        project: String,
    },
    /// The state is empty, the service is not.
    #[error("the state is empty, but the service shows what the manifests ask for: {0}")]
    LookAlikes(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Damage, a newer format, a state that cannot be read or written.
    #[error("{message}")]
    State {
        /// What is wrong.
        message: String,
        /// The advice to a person.
        next: Advice,
    },
    /// A shared state that is not the one that is meant: it is gone, or another one.
    #[error("{message}")]
    OtherState {
        /// What is different.
        message: String,
        /// The advice to a person.
        next: Advice,
    },
    /// Surgery that the protocol forbids.
    #[error("{message}")]
    Forbidden {
        /// What is forbidden, and why.
        message: String,
        /// The advice to a person.
        next: Advice,
    },
    /// No way to sign in is there.
    #[error("nobody is signed in: no credential was found")]
    NoCredential {
        /// The ways to sign in, for persons and for services.
        ways: Vec<String>,
    },
    /// The service, a token, the network.
    #[error("{message}")]
    Service {
        /// What is wrong.
        message: String,
        /// The advice to a person.
        next: Advice,
    },
}

impl Error {
    /// The table: exit code, and what to do.
    pub fn row(&self) -> (Code, Advice) {
        let failed = |advice| (Code::Failed, advice);
        let conflict = |advice| (Code::Conflict, advice);
        match self {
            Error::Closed => (Code::Done, Advice::none()),
            Error::Usage(_) => (Code::Usage, Advice::run("casefile --help")),
            Error::Environment { name, .. } => failed(Advice::run(format!("unset {name}"))),
            Error::NoProject { near, .. } => failed(near.advice()),
            Error::Io { .. } | Error::BadFile { .. } | Error::Stdout(_) => failed(Advice::none()),
            Error::NoFolder { .. } => {
                failed(Advice::say("make the folder first, or name a file in another one"))
            }
            Error::Unread { .. } => failed(Advice::run("casefile status")),
            Error::Git { next, .. } => {
                failed(next.clone().unwrap_or_else(|| Advice::run("git log --oneline")))
            }
            Error::Exists(_) => failed(Advice::run("casefile init another-folder")),
            Error::FileExists { .. } => {
                failed(Advice::say("name another file: --out FILE, or --out - for stdout"))
            }
            Error::InvalidDraft(_) | Error::Declined => failed(Advice::none()),
            Error::LackingValues(_) => failed(Advice::say(
                "add them; without any --set they are asked for on a terminal, and elsewhere a manifest to be filled in \
                 is written",
            )),
            Error::WrongValues(_) => failed(Advice::say("correct them")),
            Error::NoCases { runbook } => {
                let words = format!("write one into {}/, by its schema", cases_of(runbook));
                failed(Advice::then(words, "casefile schema case"))
            }
            Error::NoEvents { .. } => {
                failed(Advice::say("end the query with | project Timestamp, DeviceId, ReportId"))
            }
            Error::InvalidManifests(_) => failed(Advice::run("casefile validate")),
            Error::Unresolved(errors) => {
                let words = match errors.iter().all(is_event) {
                    true => "see by casefile hunt what the query finds, or go on without it",
                    false => "correct the names, or go on without these machines",
                };
                failed(Advice::then(words, "casefile plan --skip-unresolved"))
            }
            Error::NotInState { .. } => failed(Advice::run("casefile state list")),
            Error::NoApproval => failed(Advice::then(
                "approve of what the plan shows, by apply --expect and its digest",
                "casefile plan",
            )),
            Error::Locked(_) => conflict(Advice::say("wait for it, with --lock-timeout 5m")),
            Error::LockedOut { again, .. } => conflict(Advice::then("wait for it", again.clone())),
            Error::OtherDigest { .. } => conflict(Advice::then("have it reviewed again", "casefile plan")),
            Error::OverLimit { .. } => conflict(Advice::then(
                "have it approved, by spec.approve or --allow-over-limits",
                "casefile plan",
            )),
            Error::Protected(_) => conflict(Advice::then(
                "have it approved, by spec.approve or --allow-protected",
                "casefile plan",
            )),
            Error::CommentRule(_) => conflict(Advice::run("casefile validate")),
            Error::Hopeless(_) => failed(Advice::then(
                "get a token that can do it; if the service takes this one, add --no-preflight",
                "casefile doctor",
            )),
            Error::Removals { .. } => conflict(Advice::then(
                "restore the manifests; if they are gone for good, add --allow-removals",
                "casefile plan",
            )),
            Error::OtherProject { project, .. } => conflict(Advice::then(
                format!(
                    "if this folder is a copy, take its state out of it (state.url says where) and casefile import \
                     --discover; if the project has a new name, casefile state rename-project {project}"
                ),
                "casefile state list",
            )),
            Error::OtherTenant(_) => conflict(Advice::say(
                "work in the project of this tenant, or sign in to the other one: az login --tenant",
            )),
            Error::LookAlikes(_) => conflict(Advice::then(
                "restore .casefile from your repository; if this project is new, casefile apply --fresh",
                "casefile import --discover",
            )),
            Error::Interrupted => (Code::Interrupted, Advice::run("casefile status")),
            Error::Unanswered => (Code::Interrupted, Advice::none()),
            Error::NoCredential { .. } => failed(Advice::run("az login")),
            Error::StalePlan { next, .. }
            | Error::OtherState { next, .. }
            | Error::NotSealed { next, .. } => conflict(next.clone()),
            Error::NothingSelected { next, .. }
            | Error::BadPlan { next, .. }
            | Error::Unapproved { next }
            | Error::State { next, .. }
            | Error::Forbidden { next, .. }
            | Error::Service { next, .. } => failed(next.clone()),
        }
    }

    /// Returns the rows that stand below the message, in a line each.
    pub fn rows(&self) -> &[String] {
        match self {
            Error::Exists(rows)
            | Error::NotSealed { rows, .. }
            | Error::Protected(rows)
            | Error::CommentRule(rows)
            | Error::Hopeless(rows)
            | Error::OtherDigest { rows, .. }
            | Error::StalePlan { moved: rows, .. }
            | Error::LackingValues(rows)
            | Error::WrongValues(rows)
            | Error::NoCredential { ways: rows } => rows,
            _ => &[],
        }
    }

    /// The whole of it for a person: the message, its rows, what to do in words, and the command to run next. Each is one
    /// line, whatever it quotes. `dir` is the project's folder as it was typed: commands name it too.
    pub fn lines(&self, dir: Option<&str>) -> String {
        let rows = self.rows();
        let colon = if rows.is_empty() { "" } else { ":" };
        let mut out = format!("error: {}{colon}\n", one_line(&self.to_string()));
        for row in rows {
            out.push_str(&format!("  {}\n", one_line(row)));
        }
        let (_, Advice { words, command }) = self.row();
        if let Some(words) = words {
            out.push_str(&format!("  {}\n", one_line(&from_here(&words, dir))));
        }
        if let Some(command) = command {
            out.push_str(&format!("next: {}\n", one_line(&from_here(&command, dir))));
        }
        out
    }

    /// The same with other words in what is told of resources: by the names of machines in place of their ids.
    #[must_use]
    pub fn with_names(self, names: impl Fn(&str) -> String) -> Self {
        let names = |text: &str| names(text);
        let all = |rows: Vec<String>| rows.iter().map(|row| names(row)).collect::<Vec<_>>();
        match self {
            Error::Forbidden { message, next } => {
                Error::Forbidden { message: names(&message), next: next.map(names) }
            }
            Error::StalePlan { message, moved, next } => {
                Error::StalePlan { message: names(&message), moved: all(moved), next: next.map(names) }
            }
            Error::OtherDigest { expected, rows } => Error::OtherDigest { expected, rows: all(rows) },
            Error::NotSealed { rows, next } => Error::NotSealed { rows: all(rows), next },
            Error::LookAlikes(list) => Error::LookAlikes(names(&list)),
            other => other,
        }
    }

    /// The exit code alone.
    pub fn code(&self) -> Code {
        self.row().0
    }
}

/// The folder that is searched for the cases of a runbook's file.
fn cases_of(runbook: &str) -> String {
    let stem = runbook.rsplit_once('.').map_or(runbook, |(stem, _)| stem);
    match stem.rsplit_once('/') {
        Some((folder, "runbook")) => format!("{folder}/cases"),
        _ if stem == "runbook" => "cases".to_owned(),
        _ => format!("{stem}/cases"),
    }
}

/// Returns a text whose commands are about the project in `dir`, wherever they are typed.
pub fn from_here(text: &str, dir: Option<&str>) -> String {
    let Some(dir) = dir else { return text.to_owned() };
    let commands = super::command();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("casefile ") {
        let (before, from) = rest.split_at(at + "casefile ".len());
        out.push_str(before);
        let word: &str = from.split([' ', ',', ';', '`']).next().unwrap_or_default();
        let is_about_one = commands.get_subcommands().any(|c| c.get_name() == word && word != "init");
        let starts = !before
            .trim_end_matches("casefile ")
            .ends_with(|c: char| c.is_alphanumeric() || "./-_".contains(c));
        if is_about_one && starts {
            out.push_str(&format!("-C {} ", shell(dir)));
        }
        rest = from;
    }
    out + rest
}

fn is_event(e: &TargetError) -> bool {
    matches!(e.why, Unresolved::NoEvent { .. } | Unresolved::NotRun { .. })
}

/// What a place should have meant.
fn meant(errors: &[TargetError]) -> &'static str {
    match (errors.iter().any(is_event), errors.iter().all(is_event)) {
        (false, _) => "machines",
        (true, false) => "machines or events",
        (true, true) => "an event",
    }
}

/// The name by which something was looked for in a state.
fn sought(typed: &Named) -> String {
    match typed {
        Named::Address(address) => address.to_string(),
        Named::Bare(word) => format!("machine and no resource of the name {word}"),
    }
}

fn were(left: usize) -> String {
    format!("{} {}", count(left, "call", "calls"), if left == 1 { "was" } else { "were" })
}

fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests;
