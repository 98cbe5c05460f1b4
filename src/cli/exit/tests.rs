//! Every error has a code, and a next command that works.

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
        Error::NoProject { dir: "x".into(), near: Nearby::Nothing },
        Error::NoProject { dir: "x".into(), near: Nearby::Above("../..".into()) },
        Error::NoProject { dir: "x".into(), near: Nearby::Below(vec!["x/a b".into(), "x/c".into()]) },
        Error::NoProject { dir: "x".into(), near: Nearby::NoFolder(Some("y".into())) },
        Error::NoProject { dir: "x/casefile.yaml".into(), near: Nearby::File(Some("x".into())) },
        Error::NoProject { dir: "x".into(), near: Nearby::File(None) },
        Error::Io { what: "read", path: "x".into(), source: io() },
        Error::NoFolder { path: "x/y".into(), folder: "x".into() },
        Error::BadFile { path: "x".into(), why: text() },
        Error::BadPlan { what: "show", path: "x".into(), why: text(), next: next() },
        Error::Git { why: text(), next: Some(next()) },
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
        Error::NotInState { typed: "Alert/a".parse().unwrap(), meant: "; did you mean Alert/b?".into() },
        Error::NoApproval,
        Error::Unapproved { next: next() },
        Error::Declined,
        Error::Locked(text()),
        Error::LockedOut { holder: text(), again: "casefile plan --lock-timeout 5m".into() },
        Error::OtherDigest { expected: digest(1), rows: rows() },
        Error::StalePlan { message: text(), moved: rows(), next: next() },
        Error::NotSealed { rows: rows(), next: next() },
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
            Error::InvalidManifests(_) | Error::Unresolved(_) | Error::NotInState { .. } => {}
            Error::NoFolder { .. } => {}
            Error::NoApproval | Error::Unapproved { .. } | Error::Declined | Error::Locked(_) => {}
            Error::LockedOut { .. } | Error::OtherDigest { .. } | Error::StalePlan { .. } => {}
            Error::NotSealed { .. } | Error::OverLimit { .. } | Error::Removals { .. } => {}
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
    let of_cause = |cause| Error::Service { message: "x".into(), next: crate::render::unread::remedy(cause) };
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
    for e in [
        Error::NoFolder { path: "x/y".into(), folder: "x".into() },
        Error::Declined,
        Error::InvalidManifests(1),
    ] {
        assert_ne!(e.code(), Code::Conflict);
    }
}

#[test]
fn counts_agree_with_their_noun() {
    assert_eq!(Error::InvalidManifests(1).to_string(), "the project has 1 error, nothing was sent");
    assert_eq!(Error::InvalidManifests(2).to_string(), "the project has 2 errors, nothing was sent");
}
