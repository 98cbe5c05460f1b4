//! Reasons, warnings and refusals in the few words that a row has room for, without the ids that
//! [`messages`](super::messages) names. What stands in a command is whole, and not here.

use jiff::Timestamp;

use super::age::{ago, duration};
use super::messages::{self, number};
use crate::model::{Dependency, RefusalCause, Until, required_permissions};
use crate::plan::{Change, MachineFacts, RECENT, Reason, Warning};
use crate::state::{CallAction, Refusal};

/// Why a row is what it is, and what its call waits for; empty where a row needs no reason.
pub(super) fn why(change: &Change, now: Timestamp) -> String {
    let reason = reason(&change.reason, now);
    let waits = waits(&change.waits_for);
    [reason, waits].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// After what a call is sent: the one, or how many.
fn waits(waits_for: &[Dependency]) -> String {
    let part = |until: Until, one: &str, several: &str| {
        let mut of = waits_for.iter().filter(|d| d.until == until);
        let first = of.next()?;
        Some(match of.count() {
            0 => format!("after {} {one}", first.address.name()),
            more => format!("after {} others {several}", number(more + 1)),
        })
    };
    let accepted = part(Until::Accepted, "is accepted", "are accepted");
    let over = part(Until::Succeeded, "has succeeded", "have succeeded");
    accepted.into_iter().chain(over).collect::<Vec<_>>().join("; ")
}

fn reason(reason: &Reason, now: Timestamp) -> String {
    let by = messages::by;
    match reason {
        Reason::New => String::new(),
        Reason::Saved { words } if words == "new" => String::new(),
        Reason::ReplaceDeclared { .. } => "its manifest asks again (replace)".into(),
        Reason::ImportDeclared { status, requestor, created_at, .. } => {
            let made = created_at.as_ref().map(|t| format!(", made {}", ago(now, t.instant())));
            let made = made.unwrap_or_default();
            format!("taken over{}{made}: {} (import)", by(requestor), messages::word(status))
        }
        Reason::ImportNotLooked { .. } => "to be taken over (import), and not looked at in this run".into(),
        Reason::ImportRefused { why, .. } => {
            format!("cannot be taken over (import): {}", messages::import_refusal(why))
        }
        Reason::MoveDeclared { from } => format!("was {} (moved)", from.name()),
        Reason::MoveRefused { from, why } => {
            format!("was {} (moved), but {}", from.name(), messages::move_refusal(*why))
        }
        Reason::FoundOurs { .. } => "found: the call without an answer had made it".into(),
        Reason::AlertShowsEvent { .. } => "an open alert shows this event already".into(),
        Reason::FoundWatched { .. } => "found: a call given up earlier had made it after all".into(),
        Reason::LookAlikes { ids } => match ids.len() {
            1 => "one object may be its own: import it, or --replace".into(),
            n => format!("{} objects match: import one, or --replace", number(n)),
        },
        Reason::AlreadyThere { requestor, created_at, others, .. } => {
            let made = created_at.as_ref().map(|t| format!(", made {}", ago(now, t.instant())));
            let more = match others {
                0 => String::new(),
                n => format!(", and {} more", number(*n)),
            };
            let made = made.unwrap_or_default();
            format!("the service has it already{}{made}{more}: import it, or --replace", by(requestor))
        }
        Reason::RenamedFrom { from } => format!("renamed from {}", from.name()),
        Reason::RenamedWhileOpen { from } => {
            format!("renamed from {}, whose call is open", from.name())
        }
        Reason::RefusedForGood { error } => {
            format!("refused, and asking again cannot help: {}", refused(error))
        }
        Reason::NoAttemptsLeft { attempts, max, error } => {
            let last = error.as_ref().map(|e| format!("; last refusal: {}", refused(e)));
            format!("no attempts left: {attempts} of {max} failed{}", last.unwrap_or_default())
        }
        Reason::TimedOutAgain { times } => {
            format!("timed out {times} times: off, or its Security event log is very large (gigabytes)")
        }
        Reason::RefusedBefore { error, attempt, max } => {
            format!("attempt {attempt} of {max}; refused before: {}", refused(error))
        }
        Reason::BusyWithOwn { .. } => "busy with our own earlier collection; asks once it ends".into(),
        Reason::AdoptRunning { requestor, created_at, .. } => {
            let started = messages::started(created_at, now);
            format!("taken over: a collection{} is running, {started}", by(requestor))
        }
        Reason::RunningTooOld { created_at, within, .. } => format!(
            "a collection is running, {}: too old to be taken (adoptWithin {within}); asks once it ends",
            messages::started(created_at, now)
        ),
        Reason::WaitForRunning { requestor, .. } => {
            format!("a collection{} is running; asks once it ends (onInProgress: wait)", by(requestor))
        }
        Reason::FailOnRunning { requestor, .. } => {
            format!("a collection{} is running (onInProgress: fail)", by(requestor))
        }
        Reason::AdoptFinished { requestor, .. } => {
            format!("taken over: the collection{} that kept the machine busy is done", by(requestor))
        }
        Reason::Gone { .. } => "gone from the service; never asked again by itself".into(),
        Reason::OldStillRuns { .. } => {
            "new target, but its old collection still runs; asks once that ends".into()
        }
        Reason::AlertNotShown { .. } => {
            "no list shows the new alert yet; its triage is set once one does".into()
        }
        Reason::ChangeRefused { action, error } => {
            let what = match action {
                CallAction::Cancel => "its cancellation",
                CallAction::Resolve => "to resolve it",
                _ => "its triage",
            };
            format!("{what} was refused and is not sent again: {}", refused(error))
        }
        Reason::HeldBy { by, why } => format!("waits for {}, which {}", by.name(), messages::obstacle(*why)),
        other => messages::reason(other, now),
    }
}

/// The note to a row. Rows that say the same share one.
pub(super) fn warning(warning: &Warning, now: Timestamp) -> String {
    match warning {
        Warning::ActiveCollection { requestor, created_at, .. } => format!(
            "a collection{} is running there, {}: the service will answer busy",
            messages::by(requestor),
            messages::started(created_at, now)
        ),
        Warning::MergesIntoOpenAlert { .. } => {
            "an open alert has this title on this machine: the service merges the new one into it".into()
        }
        Warning::AlreadyThere { ids } => format!(
            "the service has it already ({}): it is asked for again beside that",
            messages::plural(ids.len(), "object")
        ),
        Warning::ImportWaits { .. } => {
            "not taken over yet (import): what the row is about comes first".into()
        }
        Warning::ReplaceWaits { .. } => {
            "not asked again yet (replace): what the row is about comes first".into()
        }
        Warning::ReplaceUnknown { .. } => {
            "replace names no object of this resource: it changes nothing".into()
        }
        Warning::LateArrival { .. } => {
            "a call given up earlier took effect late: the service has a second object".into()
        }
        Warning::Protected { entry, approved, .. } => {
            format!("protected machines ({entry}){}", messages::protected(approved))
        }
        other => messages::warning(other, now),
    }
}

/// The word by which an odd machine or text stands out in its row.
pub(super) fn odd(warning: &Warning) -> Option<&'static str> {
    match warning {
        Warning::Protected { .. } => Some("protected"),
        Warning::NameUnknown { .. } => Some("counts as protected"),
        Warning::TooOld { .. } => Some("too old"),
        Warning::CommentRule { .. } => Some("text refused"),
        Warning::ActiveCollection { .. } => Some("busy"),
        Warning::AdoptsForeign { .. } => Some("somebody else's"),
        Warning::LateArrival { .. } => Some("twice at the service"),
        _ => None,
    }
}

/// Describes in a few words whether a machine answers: `seen 30 min ago`, `offline 10 days`.
pub(super) fn standing(facts: &MachineFacts, now: Timestamp) -> String {
    let seen = facts.last_seen.as_ref().map(crate::model::Timestamp::instant);
    match (seen, facts.answers) {
        (Some(seen), true) => format!("seen {}", ago(now, seen)),
        (Some(seen), false) if now.duration_since(seen) > RECENT => {
            let silent = now.duration_since(seen).as_secs().unsigned_abs();
            format!("offline {}", duration(silent))
        }
        (Some(seen), false) => format!("offline, seen {}", ago(now, seen)),
        (None, true) => "answers now".into(),
        (None, false) => "offline, never seen".into(),
    }
}

/// Why the service refuses a call: its cause, the words for a code that is known, else the code, else the status.
pub(super) fn refused(error: &Refusal) -> String {
    match error.cause() {
        Some(RefusalCause::Permission) => {
            if let [first, ..] = &*required_permissions(&error.message) {
                return format!("needs {first}");
            }
        }
        Some(RefusalCause::Licence) => return "no licence".into(),
        Some(RefusalCause::FeatureOff) => return "feature off".into(),
        _ => {}
    }
    match error.code.as_str() {
        "" => format!("HTTP {}", error.status),
        code => refusal_code(code).to_owned(),
    }
}

/// The words for a code of a refusal.
pub(super) fn refusal_code(code: &str) -> &str {
    match code {
        "OsPlatformNotSupported" => "OS not supported",
        "ClientVersionNotSupported" => "sensor too old",
        "ResourceNotFound" => "not found",
        "MissingRequiredParameter" | "InvalidRequestBody" | "InvalidInput" => "invalid call",
        "TooManyRequests" => "too many calls",
        code => code,
    }
}
