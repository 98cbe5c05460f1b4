//! One table from error to exit code, words and the next command to run.
//!
//! Commands return `Ok(Code)` when they have shown what there is to show, and an [`Error`] when they
//! could not do their work. The codes are those of `docs/cli.md`.

use std::path::PathBuf;

use crate::model::PlanDigest;
use crate::plan::{TargetError, Unresolved};
use crate::render::escape::one_line;
use crate::render::ways_out::shell;

/// The advice for where signing in does not work.
pub const SIGN_IN: &str = "put that right, or sign in as a person; then az login";

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
        next: Option<String>,
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
    /// A plan file that cannot be carried out.
    #[error("cannot apply {}: {why}", path.display())]
    BadPlan {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
        /// What to run.
        next: String,
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
        next: String,
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
        /// The command or the step that helps.
        next: String,
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
    /// By what the token says of itself, the run must fail.
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
        /// What to run.
        next: String,
    },
    /// A shared state that is not the one that is meant: it is gone, or another one.
    #[error("{message}")]
    OtherState {
        /// What is different.
        message: String,
        /// The command or the step that helps.
        next: String,
    },
    /// Surgery that the protocol forbids.
    #[error("{message}")]
    Forbidden {
        /// What is forbidden, and why.
        message: String,
        /// What to run.
        next: String,
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
        /// The command or the step that helps.
        next: Option<String>,
    },
}

impl Error {
    /// The table: exit code, and what to do: in words, or a command, or words and behind `; then ` a command.
    ///
    /// A command works as it stands, and is the safe one: what sends more, forgets or takes over stands in the words.
    pub fn row(&self) -> (Code, Option<String>) {
        let next = |s: &str| Some(s.to_owned());
        match self {
            Error::Closed => (Code::Done, None),
            Error::Usage(_) => (Code::Usage, next("casefile --help")),
            Error::Environment { name, .. } => (Code::Failed, Some(format!("unset {name}"))),
            Error::NoProject { above: Some(above), .. } => {
                let above = above.to_string_lossy();
                let words =
                    format!("the project is the folder {above}; then casefile -C {} plan", shell(&above));
                (Code::Failed, Some(words))
            }
            Error::NoProject { .. } => {
                (Code::Failed, next("casefile init my-cases && casefile -C my-cases plan"))
            }
            Error::NothingSelected { next, .. } => (Code::Failed, next.clone()),
            Error::Io { .. } | Error::BadFile { .. } | Error::Stdout(_) => (Code::Failed, None),
            Error::Unread { .. } => (Code::Failed, next("casefile status")),
            Error::BadPlan { next, .. } => (Code::Failed, Some(next.clone())),
            Error::Git { next: Some(named), .. } => (Code::Failed, Some(named.clone())),
            Error::Git { .. } => (Code::Failed, next("git log --oneline")),
            Error::Exists(_) => (Code::Failed, next("casefile init another-folder")),
            Error::FileExists { .. } => {
                (Code::Failed, next("name another file: --out FILE, or --out - for stdout"))
            }
            Error::InvalidDraft(_) => (Code::Failed, None),
            Error::LackingValues(_) => {
                (Code::Failed, next("add them; without any --set a manifest to be filled in is written"))
            }
            Error::NoCases { runbook } => {
                let stem = runbook.rsplit_once('.').map_or(&**runbook, |(stem, _)| stem);
                let folder = match stem.rsplit_once('/') {
                    Some((folder, "runbook")) => format!("{folder}/cases"),
                    _ if stem == "runbook" => "cases".to_owned(),
                    _ => format!("{stem}/cases"),
                };
                (
                    Code::Failed,
                    next(&format!("write one into {folder}/, by its schema; then casefile schema case")),
                )
            }
            Error::NoEvents { .. } => {
                (Code::Failed, next("end the query with | project Timestamp, DeviceId, ReportId"))
            }
            Error::InvalidManifests(_) => (Code::Failed, next("casefile validate")),
            Error::Unresolved(errors) if errors.iter().all(is_event) => (
                Code::Failed,
                next(
                    "see by casefile hunt what the query finds, or go on without it; then casefile plan --skip-unresolved",
                ),
            ),
            Error::Unresolved(_) => (
                Code::Failed,
                next(
                    "correct the names, or go on without these machines; then casefile plan --skip-unresolved",
                ),
            ),
            Error::NotInState(_) => (Code::Failed, next("casefile state list")),
            Error::NoApproval => (
                Code::Failed,
                next("approve of what the plan shows, by apply --expect and its digest; then casefile plan"),
            ),
            Error::Unapproved { next } => (Code::Failed, Some(next.clone())),
            Error::Declined => (Code::Failed, None),
            Error::Locked(_) => (Code::Conflict, next("wait for it, with --lock-timeout 5m")),
            Error::LockedOut { again, .. } => (Code::Conflict, Some(format!("wait for it; then {again}"))),
            Error::OtherDigest { .. } => (Code::Conflict, next("have it reviewed again; then casefile plan")),
            Error::NotSealed(_) => (
                Code::Conflict,
                next("seal them with casefile seal, and have it reviewed; then casefile validate --sealed"),
            ),
            Error::StalePlan { next: fix, .. } => (Code::Conflict, next(fix)),
            Error::OverLimit { .. } => (
                Code::Conflict,
                next("have it approved, by spec.approve or --allow-over-limits; then casefile plan"),
            ),
            Error::Protected(_) => (
                Code::Conflict,
                next("have it approved, by spec.approve or --allow-protected; then casefile plan"),
            ),
            Error::CommentRule(_) => (Code::Conflict, next("casefile validate")),
            Error::Hopeless(_) => (
                Code::Failed,
                next(
                    "get a token that can do it; if the service takes this one, add --no-preflight; then casefile doctor",
                ),
            ),
            Error::Removals { .. } => (
                Code::Conflict,
                next(
                    "restore the manifests; if they are gone for good, add --allow-removals; then casefile plan",
                ),
            ),
            Error::OtherProject { project, .. } => (
                Code::Conflict,
                Some(format!(
                    "if this folder is a copy, take its state out of it (state.url says where) and casefile import \
                     --discover; if the project has a new name, casefile state rename-project {project}; then \
                     casefile state list"
                )),
            ),
            Error::OtherTenant(_) => (
                Code::Conflict,
                next("work in the project of this tenant, or sign in to the other one: az login --tenant"),
            ),
            Error::LookAlikes(_) => (
                Code::Conflict,
                next(
                    "restore .casefile from your repository; if this project is new, casefile apply --fresh; then \
                     casefile import --discover",
                ),
            ),
            Error::Interrupted => (Code::Interrupted, next("casefile status")),
            Error::OtherState { next, .. } => (Code::Conflict, Some(next.clone())),
            Error::State { next, .. } | Error::Forbidden { next, .. } => (Code::Failed, Some(next.clone())),
            Error::NoCredential { .. } => (Code::Failed, next("az login")),
            Error::Service { next, .. } => (Code::Failed, next.clone()),
        }
    }

    /// The words about what to do, and the command to run next.
    fn ways(&self) -> (Option<String>, Option<String>) {
        if let Error::LockedOut { again, .. } = self {
            return (Some("wait for it".to_owned()), Some(again.clone()));
        }
        let Some(text) = self.row().1 else { return (None, None) };
        if is_command(&text) {
            return (None, Some(text));
        }
        match text.rsplit_once("; then ") {
            Some((words, command)) if is_command(command) => {
                (Some(words.to_owned()), Some(command.to_owned()))
            }
            _ => (Some(text), None),
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
        let (words, command) = self.ways();
        if let Some(words) = words {
            out.push_str(&format!("  {}\n", one_line(&from_here(&words, dir))));
        }
        if let Some(command) = command {
            out.push_str(&format!("next: {}\n", one_line(&from_here(&command, dir))));
        }
        out
    }

    /// The exit code alone.
    pub fn code(&self) -> Code {
        self.row().0
    }
}

/// Returns whether a text can be typed as it stands.
fn is_command(text: &str) -> bool {
    let words = text.split(' ').find(|word| !word.contains('='));
    matches!(words, Some("casefile" | "az" | "git" | "unset"))
        && !["; ", ", ", ": "].iter().any(|sign| text.contains(sign))
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
    use super::*;

    #[test]
    fn codes_are_the_documented_numbers() {
        let all = [
            Code::Done,
            Code::Failed,
            Code::Changes,
            Code::TimedOut,
            Code::Conflict,
            Code::Usage,
            Code::Interrupted,
        ];
        assert_eq!(all.map(Code::as_u8), [0, 1, 2, 3, 4, 64, 130]);
    }

    /// One of every error.
    fn every() -> Vec<Error> {
        let digest = |b| PlanDigest(crate::model::Sha256Hex([b; 32]));
        let io = || std::io::Error::other("x");
        let (text, rows) = (|| "a; b, c".to_owned(), || vec!["Alert/a".to_owned()]);
        let all = vec![
            Error::Closed,
            Error::Usage(text()),
            Error::Environment { name: "RUST_LOG", why: text() },
            Error::NoProject { dir: "x".into(), above: None },
            Error::NoProject { dir: "x".into(), above: Some("../..".into()) },
            Error::Io { what: "read", path: "x".into(), source: io() },
            Error::BadFile { path: "x".into(), why: text() },
            Error::BadPlan { path: "x".into(), why: text(), next: "casefile plan --out plan.json".into() },
            Error::Git { why: text(), next: None },
            Error::Stdout(io()),
            Error::Unread { source: io(), left: 1 },
            Error::Exists(rows()),
            Error::FileExists { path: "x".into() },
            Error::InvalidDraft(1),
            Error::NothingSelected { message: text(), next: Some("casefile status".into()) },
            Error::LackingValues(rows()),
            Error::NoCases { runbook: "runbooks/a.yaml".into() },
            Error::NoEvents { message: text() },
            Error::InvalidManifests(1),
            Error::Unresolved(Vec::new()),
            Error::NotInState("Alert/a".into()),
            Error::NoApproval,
            Error::Unapproved {
                next: "say yes on the command line, by --auto-approve; then casefile status".to_owned(),
            },
            Error::Declined,
            Error::Locked(text()),
            Error::LockedOut { holder: text(), again: "casefile plan --lock-timeout 5m".into() },
            Error::OtherDigest { expected: digest(1), rows: rows() },
            Error::StalePlan {
                message: text(),
                moved: rows(),
                next: "have a new plan reviewed; then casefile plan --out plan.json".into(),
            },
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
            Error::State { message: text(), next: "casefile state list".into() },
            Error::OtherState { message: text(), next: text() },
            Error::Forbidden { message: text(), next: "casefile state show Alert/a".into() },
            Error::NoCredential { ways: rows() },
            Error::Service { message: text(), next: Some(SIGN_IN.into()) },
        ];
        for e in &all {
            // A new error does not compile until it stands in the list above.
            match e {
                Error::Closed | Error::Usage(_) | Error::Environment { .. } | Error::NoProject { .. } => {}
                Error::Io { .. } | Error::BadFile { .. } | Error::BadPlan { .. } | Error::Git { .. } => {}
                Error::Stdout(_) | Error::Unread { .. } | Error::Exists(_) | Error::FileExists { .. } => {}
                Error::NothingSelected { .. } | Error::LackingValues(_) => {}
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
            |cause| Error::Service { message: "x".into(), next: Some(crate::render::unread::remedy(cause)) };
        let mut commands = 0;
        for e in every().into_iter().chain(causes.map(of_cause)) {
            let text = e.lines(Some("my cases"));
            let next: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("next: ")).collect();
            assert!(next.len() <= 1, "{text}");
            let again = matches!(e, Error::LockedOut { .. });
            for command in next.into_iter().filter(|_| !again) {
                check(command, "my cases");
                commands += 1;
            }
            // The message, what to do in words, and the rows that it is about.
            assert!(text.lines().count() <= 4, "{text}");
        }
        assert!(commands > 35, "{commands}");
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
        assert!(conflicts.iter().all(|e| e.row().1.is_some()));
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
