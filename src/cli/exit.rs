//! One table from error to exit code, words and the next command to run.
//!
//! Commands return `Ok(Code)` when they have shown what there is to show, and an [`Error`] when they
//! could not do their work. The codes are those of `docs/cli.md`.

use std::path::PathBuf;

use crate::model::{Advice, PlanDigest};
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
    #[error("there is no casefile.yaml in {}", dir.display())]
    NoProject {
        /// Where it was looked for.
        dir: PathBuf,
        /// The folder above it that holds a project.
        above: Option<PathBuf>,
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
        /// The command that git names.
        next: Option<String>,
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
    #[error("the state holds no {0}")]
    NotInState(String),
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
    NotSealed(Vec<String>),
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
            Error::NoProject { above: Some(above), .. } => {
                let above = above.to_string_lossy();
                let command = format!("casefile -C {} plan", shell(&above));
                failed(Advice::then(format!("the project is the folder {above}"), command))
            }
            Error::NoProject { .. } => {
                failed(Advice::run("casefile init my-cases && casefile -C my-cases plan"))
            }
            Error::Io { .. } | Error::BadFile { .. } | Error::Stdout(_) => failed(Advice::none()),
            Error::Unread { .. } => failed(Advice::run("casefile status")),
            Error::Git { next: Some(named), .. } => failed(Advice::run(named.clone())),
            Error::Git { .. } => failed(Advice::run("git log --oneline")),
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
            Error::NotInState(_) => failed(Advice::run("casefile state list")),
            Error::NoApproval => failed(Advice::then(
                "approve of what the plan shows, by apply --expect and its digest",
                "casefile plan",
            )),
            Error::Locked(_) => conflict(Advice::say("wait for it, with --lock-timeout 5m")),
            Error::LockedOut { again, .. } => conflict(Advice::then("wait for it", again.clone())),
            Error::OtherDigest { .. } => conflict(Advice::then("have it reviewed again", "casefile plan")),
            Error::NotSealed(_) => conflict(Advice::then(
                "seal them with casefile seal, and have it reviewed",
                "casefile validate --sealed",
            )),
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
            Error::StalePlan { next, .. } | Error::OtherState { next, .. } => conflict(next.clone()),
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
            | Error::NotSealed(rows)
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
            Error::NotSealed(rows) => Error::NotSealed(all(rows)),
            Error::NotInState(what) => Error::NotInState(names(&what)),
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

fn were(left: usize) -> String {
    format!("{} {}", count(left, "call", "calls"), if left == 1 { "was" } else { "were" })
}

fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests {
    use super::super::{engine, project};
    use super::*;
    use crate::engine::surgery::Forbidden;
    use crate::files::FileError;
    use crate::model::Address;
    use crate::state::{CallAction, Damage, Phase, StoreError};

    #[test]
    fn codes_are_the_documented_numbers() {
        assert_eq!(Code::ALL.map(Code::as_u8), [0, 1, 2, 3, 4, 64, 130]);
    }

    /// One of every error.
    fn every() -> Vec<Error> {
        let digest = |b| PlanDigest(crate::model::Sha256Hex([b; 32]));
        let io = || std::io::Error::other("x");
        let (text, rows) = (|| "a; b, c".to_owned(), || vec!["Alert/a".to_owned()]);
        let next = || Advice::then("a; b: c", "casefile plan");
        let all = vec![
            Error::Closed,
            Error::Usage(text()),
            Error::Environment { name: "RUST_LOG", why: text() },
            Error::NoProject { dir: "x".into(), above: None },
            Error::NoProject { dir: "x".into(), above: Some("../..".into()) },
            Error::Io { what: "read", path: "x".into(), source: io() },
            Error::BadFile { path: "x".into(), why: text() },
            Error::BadPlan { what: "show", path: "x".into(), why: text(), next: next() },
            Error::Git { why: text(), next: None },
            Error::Stdout(io()),
            Error::Unread { source: io(), left: 1 },
            Error::Exists(rows()),
            Error::FileExists { path: "x".into() },
            Error::InvalidDraft(1),
            Error::NothingSelected { message: text(), next: next() },
            Error::LackingValues(rows()),
            Error::WrongValues(rows()),
            Error::Unanswered,
            Error::NoCases { runbook: "runbooks/a.yaml".into() },
            Error::NoEvents { message: text() },
            Error::InvalidManifests(1),
            Error::Unresolved(Vec::new()),
            Error::NotInState("Alert/a".into()),
            Error::NoApproval,
            Error::Unapproved { next: next() },
            Error::Declined,
            Error::Locked(text()),
            Error::LockedOut { holder: text(), again: "casefile plan --lock-timeout 5m".into() },
            Error::OtherDigest { expected: digest(1), rows: rows() },
            Error::StalePlan { message: text(), moved: rows(), next: next() },
            Error::NotSealed(rows()),
            Error::OverLimit { limit: "newAlerts", planned: 30, allowed: 25 },
            Error::Removals { calls: 6, resources: 10 },
            Error::Protected(rows()),
            Error::CommentRule(rows()),
            Error::Hopeless(rows()),
            Error::OtherTenant(text()),
            Error::OtherProject { state: "a".into(), project: "b".into() },
            Error::LookAlikes("Alert/a".into()),
            Error::Interrupted,
            Error::State { message: text(), next: next() },
            Error::OtherState { message: text(), next: next() },
            Error::Forbidden { message: text(), next: next() },
            Error::NoCredential { ways: rows() },
            Error::Service { message: text(), next: sign_in() },
        ];
        for e in &all {
            // A new error does not compile until it stands in the list above.
            match e {
                Error::Closed | Error::Usage(_) | Error::Environment { .. } | Error::NoProject { .. } => {}
                Error::Io { .. } | Error::BadFile { .. } | Error::BadPlan { .. } | Error::Git { .. } => {}
                Error::Stdout(_) | Error::Unread { .. } | Error::Exists(_) | Error::FileExists { .. } => {}
                Error::NothingSelected { .. } | Error::LackingValues(_) => {}
                Error::WrongValues(_) | Error::Unanswered => {}
                Error::InvalidDraft(_) | Error::NoCases { .. } | Error::NoEvents { .. } => {}
                Error::InvalidManifests(_) | Error::Unresolved(_) | Error::NotInState(_) => {}
                Error::NoApproval | Error::Unapproved { .. } | Error::Declined | Error::Locked(_) => {}
                Error::LockedOut { .. } | Error::OtherDigest { .. } | Error::StalePlan { .. } => {}
                Error::NotSealed(_) | Error::OverLimit { .. } | Error::Removals { .. } => {}
                Error::Protected(_) | Error::CommentRule(_) | Error::OtherTenant(_) => {}
                Error::Hopeless(_) => {}
                Error::OtherProject { .. } | Error::LookAlikes(_) | Error::Interrupted => {}
                Error::State { .. } | Error::OtherState { .. } | Error::Forbidden { .. } => {}
                Error::NoCredential { .. } | Error::Service { .. } => {}
            }
        }
        all
    }

    /// The errors of states that are damaged, gone, taken or out of reach.
    fn of_stores() -> Vec<Error> {
        use crate::state::journal::{Fault, JournalError};
        let journal = |fault| Damage::Journal(JournalError { line: 3, seq: 3, fault });
        let text = || "x".to_owned();
        let damages = vec![
            journal(Fault::Newer { seq: 3, what: text() }),
            journal(Fault::Crlf),
            journal(Fault::MergeConflict),
            journal(Fault::Edited { seq: 3 }),
            Damage::JournalMissing,
            Damage::SnapshotAhead { snapshot: 3, journal: 2 },
            Damage::Diverged { seq: 2 },
            Damage::SnapshotUnusable { why: text() },
            Damage::Gap { snapshot: 2, journal: 4 },
            Damage::OtherLineage { snapshot: text(), journal: text() },
        ];
        let others = vec![
            StoreError::LocksUnsupported { path: "x".into(), source: std::io::Error::other("x") },
            StoreError::Lost { damage: Damage::JournalMissing, why: "x" },
            StoreError::Newer { version: 9, known: 1 },
            StoreError::Poisoned { why: text() },
            StoreError::Unreachable { place: text(), why: text() },
            StoreError::Unfit { place: text(), why: text(), next: "name another ref in state.url" },
            StoreError::Rewritten { place: text(), why: text() },
            StoreError::Vanished { place: text(), lineage: text() },
            StoreError::Overtaken,
            StoreError::Io { path: "x".into(), doing: "read", source: FileError::Link.into() },
            StoreError::NotBegun,
        ];
        let damages = damages.into_iter().map(StoreError::Damaged);
        damages.chain(others).map(project::store_error).collect()
    }

    /// The errors of surgery that the protocol forbids.
    fn of_surgery() -> Vec<Error> {
        let a = || "InvestigationPackage/a".parse::<Address>().unwrap();
        let id = || "5382f7ea-7557-4ab7-9782-d50480024a4e".to_owned();
        let all = vec![
            Forbidden::NotInState(a()),
            Forbidden::NotDeclared(a()),
            Forbidden::CallOpen { address: a() },
            Forbidden::ChangeOpen { address: a(), action: CallAction::Cancel },
            Forbidden::Alert(a()),
            Forbidden::NotActive { address: a(), phase: Phase::Failed },
            Forbidden::NotFound { id: id() },
            Forbidden::OtherType { id: id(), found: "Isolate".into() },
            Forbidden::MadeBy { id: id(), by: a() },
            Forbidden::Held { address: a(), id: id() },
            Forbidden::StillRuns { address: a(), id: id() },
            Forbidden::Taken(a()),
        ];
        all.into_iter().map(|f| engine::surgery_error(f.into())).collect()
    }

    /// Checks that a command line of ours can be parsed, and is about the folder.
    fn check(command: &str, dir: &str) {
        const DANGEROUS: [&str; 10] = [
            " apply",
            " cancel",
            "--fresh",
            "--allow-",
            "--replace",
            "--accept-damage",
            "--auto-approve",
            " rm ",
            " rebuild",
            " migrate",
        ];
        for part in command.split(" && ") {
            assert!(!DANGEROUS.iter().any(|d| part.contains(d)), "{command}");
            if !part.starts_with("casefile ") {
                continue;
            }
            let words = super::super::exec::words(part).unwrap();
            let help = words.last().is_some_and(|w| w == "--help");
            let parsed = super::super::command().try_get_matches_from(&words);
            let fine = parsed.as_ref().map_or_else(|e| help && e.exit_code() == 0, |_| true);
            assert!(fine, "{command}: {:?}", parsed.err().map(|e| e.to_string()));
            let names = words.windows(2).any(|w| w[0] == "-C" && !w[1].is_empty());
            assert!(names || help || words[1] == "init", "{command} is not about {dir}");
        }
    }

    #[test]
    fn every_next_line_is_a_safe_command_that_works_from_where_the_user_stands() {
        use crate::model::Hindrance;
        let causes = [
            Hindrance::SignIn,
            Hindrance::Permission("Machine.Read.All"),
            Hindrance::Licence,
            Hindrance::Proxy,
            Hindrance::WebPage,
            Hindrance::Tls,
            Hindrance::UnknownHost,
            Hindrance::NoConnection,
            Hindrance::Quota(jiff::Timestamp::UNIX_EPOCH),
            Hindrance::Unavailable(None),
            Hindrance::NoAnswer,
            Hindrance::TimeLimit,
            Hindrance::Endless,
            Hindrance::Refused,
        ];
        let of_cause =
            |cause| Error::Service { message: "x".into(), next: crate::render::unread::remedy(cause) };
        let mut commands = 0;
        for e in every().into_iter().chain(causes.map(of_cause)).chain(of_stores()).chain(of_surgery()) {
            let text = e.lines(Some("my cases"));
            let next: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("next: ")).collect();
            assert!(next.len() <= 1, "{text}");
            // Words are words: a command that is named in passing is no second next line.
            let words = e.row().1.words.unwrap_or_default();
            assert!(!words.contains("; then casefile") && !words.starts_with("casefile "), "{words}");
            let again = matches!(e, Error::LockedOut { .. });
            for command in next.into_iter().filter(|_| !again) {
                check(command, "my cases");
                commands += 1;
            }
            // The message, what to do in words, and the rows that it is about.
            assert!(text.lines().count() <= 4, "{text}");
        }
        assert!(commands > 60, "{commands}");
    }

    #[test]
    fn commands_name_the_folder_that_was_typed() {
        let text =
            "seal them with casefile seal, restore casefile.yaml; a newer casefile plan-maker, casefile plan";
        assert_eq!(
            from_here(text, Some("a b")),
            "seal them with casefile -C 'a b' seal, restore casefile.yaml; a newer casefile plan-maker, casefile -C 'a b' plan"
        );
        assert_eq!(from_here(text, None), text);
        assert_eq!(
            from_here("casefile -C x plan && casefile init y", Some("z")),
            "casefile -C x plan && casefile init y"
        );
    }

    #[test]
    fn what_another_run_can_resolve_is_a_conflict() {
        let conflicts = every().into_iter().filter(|e| e.code() == Code::Conflict).collect::<Vec<_>>();
        assert_eq!(conflicts.len(), 13, "{conflicts:?}");
        assert!(conflicts.iter().all(|e| !e.row().1.is_none()));
        for e in [Error::NotInState("Alert/a".into()), Error::Declined, Error::InvalidManifests(1)] {
            assert_ne!(e.code(), Code::Conflict);
        }
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(Error::InvalidManifests(1).to_string(), "the project has 1 error, nothing was sent");
        assert_eq!(Error::InvalidManifests(2).to_string(), "the project has 2 errors, nothing was sent");
    }
}
