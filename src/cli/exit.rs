//! One table from error to exit code, words and the next command to run.
//!
//! Commands return `Ok(Code)` when they have shown what there is to show, and an [`Error`] when they
//! could not do their work. The codes are those of `docs/cli.md`.

use std::path::PathBuf;

use crate::model::PlanDigest;
use crate::plan::{TargetError, Unresolved};
use crate::render::escape::one_line;

/// The advice for where signing in does not work.
pub const SIGN_IN: &str =
    "set one of the credentials above, or try the sandbox: defender: { cloud: sandbox }";

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
        /// What was probably meant, or what to look at.
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
    /// No way to sign in works.
    #[error("no credential works")]
    NoCredential {
        /// Why each does not.
        tried: Vec<String>,
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
    /// The table: exit code, and the next command to run.
    pub fn row(&self) -> (Code, Option<String>) {
        let next = |s: &str| Some(s.to_owned());
        match self {
            Error::Closed => (Code::Done, None),
            Error::Usage(_) => (Code::Usage, next("casefile --help")),
            Error::Environment { name, .. } => (Code::Failed, Some(format!("unset {name}"))),
            Error::NoProject { above: Some(above), .. } => {
                (Code::Failed, Some(format!("casefile -C {} plan: the project is there", above.display())))
            }
            Error::NoProject { .. } => {
                (Code::Failed, next("casefile init my-cases && casefile -C my-cases plan"))
            }
            Error::NothingSelected { next, .. } => (Code::Failed, next.clone()),
            Error::Io { .. } | Error::BadFile { .. } | Error::Stdout(_) => (Code::Failed, None),
            Error::Unread { .. } => (Code::Failed, next("casefile apply")),
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
                (Code::Failed, next(&format!("write one into {folder}/; casefile schema case describes it")))
            }
            Error::NoEvents { .. } => {
                (Code::Failed, next("end the query with | project Timestamp, DeviceId, ReportId"))
            }
            Error::InvalidManifests(_) => (Code::Failed, next("casefile validate")),
            Error::Unresolved(errors) if errors.iter().all(is_event) => (
                Code::Failed,
                next(
                    "casefile hunt QUERY, to see what the query finds; or go on without it: casefile plan \
                         --skip-unresolved",
                ),
            ),
            Error::Unresolved(_) => (
                Code::Failed,
                next("correct the names; or go on without these machines: casefile plan --skip-unresolved"),
            ),
            Error::NotInState(_) => (Code::Failed, next("casefile state list")),
            Error::NoApproval => (Code::Failed, next("casefile plan, then casefile apply --expect DIGEST")),
            Error::Unapproved { next } => (Code::Failed, Some(next.clone())),
            Error::Declined => (Code::Failed, None),
            Error::Locked(_) => (
                Code::Conflict,
                next("the same casefile command with --lock-timeout 5m, which waits for that run"),
            ),
            Error::OtherDigest { .. } => (Code::Conflict, next("casefile plan, and have it reviewed again")),
            Error::NotSealed(_) => {
                (Code::Conflict, next("casefile validate --sealed, then casefile seal, and have it reviewed"))
            }
            Error::StalePlan { next: fix, .. } => (Code::Conflict, next(fix)),
            Error::OverLimit { .. } => (
                Code::Conflict,
                next("casefile plan, then casefile apply --allow-over-limits; or spec.approve in a manifest"),
            ),
            Error::Protected(_) => (
                Code::Conflict,
                next("casefile plan, then casefile apply --allow-protected; or spec.approve in the manifest"),
            ),
            Error::CommentRule(_) => (Code::Conflict, next("casefile validate")),
            Error::Removals { .. } => (
                Code::Conflict,
                next("restore the manifests; or casefile plan, then casefile apply --allow-removals"),
            ),
            Error::OtherProject { project, .. } => (
                Code::Conflict,
                Some(format!(
                    "if this folder is a copy, take its state out of it (state.url says where) and casefile import \
                     --discover; if the project has a new name, casefile state rename-project {project}"
                )),
            ),
            Error::OtherTenant(_) => (Code::Conflict, next("casefile -C the-other-project plan")),
            Error::LookAlikes(_) => (
                Code::Conflict,
                next(
                    "restore .casefile from your repository, or casefile import --discover; \
                     if this project is new, casefile apply --fresh",
                ),
            ),
            Error::Interrupted => (Code::Interrupted, next("casefile apply")),
            Error::OtherState { next, .. } => (Code::Conflict, Some(next.clone())),
            Error::State { next, .. } | Error::Forbidden { next, .. } => (Code::Failed, Some(next.clone())),
            Error::NoCredential { .. } => (Code::Failed, next(SIGN_IN)),
            Error::Service { next, .. } => (Code::Failed, next.clone()),
        }
    }

    /// Returns the rows that stand below the message, in a line each.
    fn rows(&self) -> &[String] {
        match self {
            Error::Exists(rows)
            | Error::NotSealed(rows)
            | Error::Protected(rows)
            | Error::CommentRule(rows)
            | Error::OtherDigest { rows, .. }
            | Error::StalePlan { moved: rows, .. }
            | Error::LackingValues(rows)
            | Error::NoCredential { tried: rows } => rows,
            _ => &[],
        }
    }

    /// The whole of it for a person: the message, its rows, and what to run next. Each is one line, whatever
    /// it quotes.
    pub fn lines(&self) -> String {
        let rows = self.rows();
        let colon = if rows.is_empty() { "" } else { ":" };
        let mut out = format!("error: {}{colon}\n", one_line(&self.to_string()));
        for row in rows {
            out.push_str(&format!("  {}\n", one_line(row)));
        }
        if let Some(next) = self.row().1 {
            out.push_str(&format!("next: {}\n", one_line(&next)));
        }
        out
    }

    /// The exit code alone.
    pub fn code(&self) -> Code {
        self.row().0
    }
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

    #[test]
    fn what_another_run_can_resolve_is_a_conflict() {
        let digest = |b| PlanDigest(crate::model::Sha256Hex([b; 32]));
        for e in [
            Error::Locked("casefile on host".into()),
            Error::OtherDigest { expected: digest(1), rows: vec!["Alert/a: new".into()] },
            Error::OverLimit { limit: "newAlerts", planned: 30, allowed: 25 },
            Error::Protected(vec!["InvestigationPackage/a".into()]),
            Error::CommentRule(vec!["Alert/a".into()]),
            Error::NotSealed(vec!["Alert/a (create): its seal is outdated".into()]),
            Error::StalePlan {
                message: "the plan was carried out already".into(),
                moved: Vec::new(),
                next: "casefile plan".into(),
            },
            Error::OtherTenant("the state belongs to another tenant".into()),
            Error::OtherProject { state: "a".into(), project: "b".into() },
            Error::Removals { calls: 6, resources: 10 },
            Error::LookAlikes("Alert/a".into()),
        ] {
            let (code, next) = e.row();
            assert_eq!(code, Code::Conflict, "{e}");
            assert!(next.is_some_and(|n| n.contains("casefile")), "{e}");
        }
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(Error::InvalidManifests(1).to_string(), "the project has 1 error, nothing was sent");
        assert_eq!(Error::InvalidManifests(2).to_string(), "the project has 2 errors, nothing was sent");
    }
}
