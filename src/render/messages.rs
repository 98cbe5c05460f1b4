//! Reasons, warnings and refusals as sentences of few words, and the command to run next.
//!
//! The vocabulary is that of `docs/reconciliation.md`. Texts from outside are quoted raw: whoever shows
//! them escapes them (see [`escape`](super::escape)). Sentences begin in lower case and end without a
//! full stop, because they stand behind a colon.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::age::{ago, ahead, duration};
use super::unread;
use crate::engine::surgery::Forbidden;
use crate::model::{Address, Dependency, Kind, Request, Target, Triage, Until};
use crate::plan::RECENT;
use crate::plan::names::Misplaced;
use crate::plan::{
    Action, Candidate, Change, Estimate, Forecast, Group, Left, MachineFacts, NameGap, Obstacle, PlanWarning,
    Reason, TriageLeft, Warning,
};
use crate::state::{CallAction, Refusal};

/// Why a row is what it is, and what its call waits for.
pub fn why(change: &Change, now: Timestamp) -> String {
    let reason = reason(&change.reason, now);
    if change.waits_for.is_empty() { reason } else { format!("{reason}; {}", waits(&change.waits_for)) }
}

/// After what a call is sent.
pub fn waits(waits_for: &[Dependency]) -> String {
    let part = |until: Until, one: &str, several: &str| {
        let of = waits_for.iter().filter(|d| d.until == until);
        let of: Vec<String> = of.map(|d| d.address.to_string()).collect();
        match &*of {
            [] => None,
            [only] => Some(format!("sent after {only} {one}")),
            all => Some(format!("sent after {} {several}", some(all))),
        }
    };
    let accepted = part(Until::Accepted, "is accepted", "are accepted");
    let later = ": with --wait, or by a later run";
    let over = part(Until::Succeeded, "has succeeded", "have succeeded").map(|p| p + later);
    accepted.into_iter().chain(over).collect::<Vec<_>>().join("; ")
}

/// A few names, and how many more there are.
fn some(all: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = all.get(..SHOWN.min(all.len())).unwrap_or_default().join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {} more", number(more)),
    }
}

/// What a dependency is, if it is not there.
fn obstacle(why: Obstacle) -> &'static str {
    match why {
        Obstacle::Unknown => "is neither declared nor recorded",
        Obstacle::NotSelected => "this plan does not select, and which is not there yet",
        Obstacle::NoOutcome => "got no answer yet",
        Obstacle::Busy => "waits for a busy machine",
        Obstacle::OldStillRuns => "still runs with its old target",
        Obstacle::Refused => "the service refused",
        Obstacle::Failed => "failed",
        Obstacle::Cancelled => "was cancelled",
        Obstacle::Unresolved => "needs a person",
        Obstacle::Held => "is held back itself",
    }
}

/// Why a row is what it is.
pub fn reason(reason: &Reason, now: Timestamp) -> String {
    match reason {
        Reason::New => "new".into(),
        Reason::DeclaredAgain => "declared again; nothing was made for this target before".into(),
        Reason::AskedByName => "asked for by --replace".into(),
        Reason::NewRevision { from, to } => format!("new revision: {to} (sent: {from})"),
        Reason::NewTarget => "new target: machine or event changed since it was sent".into(),
        Reason::FoundOurs { id } => format!("the call without an answer had made it: {id}"),
        Reason::AlertShowsEvent { id } => format!("open alert {id} already shows this event"),
        Reason::FoundWatched { id } => format!("a call given up earlier had made it after all: {id}"),
        Reason::LookAlikes { ids } => format!(
            "its call got no answer, and what looks like its object cannot be proved to be: {}",
            ids.join(", ")
        ),
        Reason::AlreadyThere { id, requestor, created_at, others } => {
            let made = created_at.as_ref().map(|t| format!(", made {}", ago(now, t.instant())));
            let more = match others {
                0 => String::new(),
                n => format!(", and {} more", number(*n)),
            };
            format!(
                "the service has it already: {id}{}{}{more}. No record knows it: the state may be an older one. \
                 Another comment or title would be another request",
                by(requestor),
                made.unwrap_or_default()
            )
        }
        Reason::IntentTooOld => "its call got no answer over 30 days ago: too old to look up".into(),
        Reason::OutcomeNotLooked => "its call got no answer and could not be looked up in this run".into(),
        Reason::Settling { until } => {
            format!("its call got no answer; it can be settled {}", ahead(now, *until))
        }
        Reason::AskBeforeResend => {
            "its call got no answer and made nothing; recovery.onUnknown is ask, so a person decides".into()
        }
        Reason::AnsweredOtherwise { why } => {
            format!("its call made nothing that is listed, and was answered with something else: {why}")
        }
        Reason::LostCall => "its call got no answer and made nothing: asking again".into(),
        Reason::KnownFromBefore { phase } => {
            format!("known from before ({phase}); a new revision asks again")
        }
        Reason::RenamedFrom { from } => format!("renamed from {from}"),
        Reason::RenamedWhileOpen { from } => format!("renamed from {from}, whose call is open"),
        Reason::RefusedForGood { error } => {
            format!("refused, and asking again cannot help: {}", refusal(error))
        }
        Reason::NoAttemptsLeft { attempts, max, error } => {
            let last = error.as_ref().map(|e| format!("; last refusal: {}", refusal(e)));
            format!("no attempts left: {attempts} of {max} failed{}", last.unwrap_or_default())
        }
        Reason::RefusedBefore { error, attempt, max } => {
            format!("attempt {attempt} of {max}; refused before: {}", refusal_words(error))
        }
        Reason::BusyNotLooked => "the machine was busy; not looked at since".into(),
        Reason::BusyWithOwn { id } => {
            format!("the machine is busy with our own earlier collection {id}; asks once it ends")
        }
        Reason::AdoptRunning { id, requestor, created_at } => format!(
            "a collection{} is running, {}; taken as this one: {id}",
            by(requestor),
            started(created_at, now)
        ),
        Reason::RunningTooOld { id, created_at, within } => format!(
            "collection {id} is running, {}: too old to be taken (adoptWithin {within}); asks once it ends",
            started(created_at, now)
        ),
        Reason::WaitForRunning { id, requestor } => {
            format!("collection {id}{} is running; asks once it ends (onInProgress: wait)", by(requestor))
        }
        Reason::FailOnRunning { id, requestor } => {
            format!("collection {id}{} is running (onInProgress: fail)", by(requestor))
        }
        Reason::AdoptFinished { id, requestor } => format!(
            "the collection{} that kept the machine busy has succeeded; taken as this one: {id}",
            by(requestor)
        ),
        Reason::FreeNow => "the machine was busy and is free now".into(),
        Reason::BusyWithOtherType { action_type } => {
            format!("no collection is running; {action_type} still is and may keep the machine busy")
        }
        Reason::Gone { id } => format!("{id} is gone from the service; gone never asks again by itself"),
        Reason::RunningTextDiffers { fields } => {
            format!("still running; {} edited after it was sent; a new revision asks again", list(fields))
        }
        Reason::Running { status, looked: true } => {
            format!("still running, the service says {}", word(status))
        }
        Reason::Running { status, looked: false } => {
            format!("not looked at in this run; last seen {}", word(status))
        }
        Reason::OldStillRuns { id } => {
            format!("new target, but the old one still runs: {id}; asks once it ends")
        }
        Reason::RetryLater { at: Some(at) } => format!("failed; may be asked again {}", ahead(now, *at)),
        Reason::RetryLater { at: None } => "failed; not looked at in this run, so not asked again".into(),
        Reason::RetryNow { status, attempt, max } => format!("{}; attempt {attempt} of {max}", ended(status)),
        Reason::Cancelled { by: Some(who) } => format!("cancelled by {who}; a new revision asks again"),
        Reason::Cancelled { by: None } => "cancelled; a new revision asks again".into(),
        Reason::TriageDiffers { fields } => format!("triage differs: {}", list(fields)),
        Reason::TriageLeft { fields } => {
            format!("{}; triage.mode: enforce sets what is declared", triage_left(fields))
        }
        Reason::TextDiffers { fields } => {
            format!("{} edited after it was sent; a new revision asks again", list(fields))
        }
        Reason::Done => "done".into(),
        Reason::AlertNotShown { id } => {
            format!("no list shows the new alert {id} yet; its triage is set once one does")
        }
        Reason::ChangeRefused { action, error } => {
            let what = match action {
                CallAction::Cancel => "manifest gone; its cancellation was refused and",
                CallAction::Resolve => "manifest gone; to resolve the alert was refused and",
                _ => "this triage was refused and",
            };
            let out = if *action == CallAction::Update { "; another value is sent" } else { "" };
            format!("{what} is not sent again: {}{out}", refusal(error))
        }
        Reason::DoneAndGone => "done; the service no longer lists it, which is no drift".into(),
        Reason::CancelAsked { comment } => format!("asked for by casefile cancel: {comment}"),
        Reason::ManifestGone => "manifest gone; nothing is undone, the id stays known".into(),
        Reason::LeftGroup { left } => format!("the machine is {}; kept as it is", left_words(left)),
        Reason::CancelOnRemove => "manifest gone; onRemove: Cancel cancels the collection".into(),
        Reason::ResolveOnRemove => "manifest gone; onRemove: Resolve resolves the alert".into(),
        Reason::ResolveNotLooked => {
            "manifest gone; the alert is resolved once a look shows that nobody has judged it".into()
        }
        Reason::JudgedByPeople => {
            "manifest gone; somebody has judged the alert or works on it, so it stays as it is".into()
        }
        Reason::Saved { words } => words.clone(),
        Reason::HeldBy { by, why } => format!("waits for {by}, which {}", obstacle(*why)),
        Reason::SideCallOpen { action } => {
            format!("an earlier {} got no answer and could not be looked up in this run", call(*action))
        }
    }
}

/// What a reader of a row should know.
pub fn warning(warning: &Warning, now: Timestamp) -> String {
    match warning {
        Warning::ActiveCollection { id, requestor, created_at } => format!(
            "a collection{} is running on this machine, {}: {id}; the service will answer busy",
            by(requestor),
            started(created_at, now)
        ),
        Warning::MergesIntoOpenAlert { id } => {
            format!("open alert {id} has this title on this machine: the service merges the new one into it")
        }
        Warning::SameTitle { other } => {
            format!("{other} has the same title on the same machine: the service merges the two")
        }
        Warning::SecondCollection { other } => {
            format!("{other} collects from the same machine: one runs, the other will find it busy")
        }
        Warning::AddedToRunningIncident { incident } => {
            format!("{incident} was already under way: this resource is new in it")
        }
        Warning::AutomatedInvestigation => {
            "the service may start an automated investigation on the machine by itself".into()
        }
        Warning::AdoptsForeign { requestor, created_at } => format!(
            "not ours: somebody else's collection{}, {}; its comment is not the manifest's",
            by(requestor),
            started(created_at, now)
        ),
        Warning::AlreadyThere { ids } => {
            format!("the service has it already: {}; it is asked for again beside that", first(ids))
        }
        Warning::Watched { attempts: 1 } => {
            "an earlier call without an answer may still take effect; it is watched for".into()
        }
        Warning::Watched { attempts } => {
            format!("{attempts} earlier calls without an answer may still take effect; they are watched for")
        }
        Warning::Protected { entry, name, approved } => {
            let name = name.as_ref().map(|n| format!("{n}, ")).unwrap_or_default();
            format!("a protected machine ({name}protected: {entry}){}", protected(approved))
        }
        Warning::NameUnknown { why, approved } => {
            format!(
                "machines are protected by name, and {}, so this one counts as protected{}",
                name_gap(why),
                protected(approved)
            )
        }
        Warning::CommentRule { pattern } => {
            format!("its text does not match requireComment, {pattern}: apply refuses")
        }
        Warning::TooOld { system } => {
            format!(
                "{system}: collections are documented for Windows 10 1703 and later, the service may refuse"
            )
        }
        Warning::OtherRecords { name, others } => {
            format!("{name} is the name of other records too, passed over: {}", records(others, now))
        }
        Warning::QueryChanged => {
            "the query was edited after its event was asked for: the event stays as sent, a new \
                                  revision runs the query again"
                .to_owned()
        }
        Warning::TriageLeft { fields } => format!("not set: {}", triage_left(fields)),
        Warning::Saved { words } => words.clone(),
        Warning::LateArrival { id } => {
            format!("a call given up earlier took effect late: the service has a second object, {id}")
        }
    }
}

/// What a reader of the whole plan should know.
pub fn plan_warning(warning: &PlanWarning) -> String {
    match warning {
        over @ PlanWarning::OverLimit { limit, planned, allowed, approved } => {
            let over_approval = over.is_over_limit();
            let verdict = match approved {
                None => "apply refuses without --allow-over-limits".to_owned(),
                Some(a) if over_approval => format!(
                    "{} approves {} only, so apply refuses without --allow-over-limits",
                    a.by,
                    number(a.up_to as usize)
                ),
                Some(a) => format!("up to {} approved by {}: {}", number(a.up_to as usize), a.by, a.reason),
            };
            format!("{planned} calls are planned where limits.{limit} allows {allowed}: {verdict}")
        }
        PlanWarning::Removals { calls, resources } => {
            let calls = plural(*calls, "resource");
            format!(
                "no manifest declares {calls} of {} any more, and what they asked for would be cancelled or resolved: \
                 apply refuses without --allow-removals or an approval of this plan",
                number(*resources)
            )
        }
        PlanWarning::NotLooked { unread } => {
            format!("what rows need could not be read, so apply refuses: {}", unread::unread(unread))
        }
        PlanWarning::LookAlikes { found } => {
            let shown: Vec<String> = found.iter().take(5).map(|(a, id)| format!("{a} ({id})")).collect();
            let more = found.len().saturating_sub(shown.len());
            let more = if more > 0 { format!(" and {} more", number(more)) } else { String::new() };
            format!(
                "the state is empty, yet the service has what looks like {}{more}: most likely the state was \
                 lost, so apply refuses",
                shown.join(", ")
            )
        }
        PlanWarning::Beside { folders } => {
            format!("manifests are read outside of the project folder too: {}", folders.join(", "))
        }
        PlanWarning::NotCompared { new } => format!(
            "--no-refresh: whether the service has what {} for already was not looked at",
            match new {
                1 => "1 row asks".to_owned(),
                n => format!("{} rows ask", number(*n)),
            }
        ),
        PlanWarning::HeldBack { incident, addresses, .. } => {
            let shown: Vec<String> = addresses.iter().take(5).map(Address::to_string).collect();
            let more = addresses.len().saturating_sub(shown.len());
            let more = if more > 0 { format!(" and {} more", number(more)) } else { String::new() };
            format!(
                "{incident} is sealed, and its runbook has gained resources since; they are held back: {}{more}",
                shown.join(", ")
            )
        }
        PlanWarning::Left { address, left, rows } => {
            let first: Vec<&str> = rows.iter().take(5).map(String::as_str).collect();
            let more = rows.len().saturating_sub(first.len());
            let more = if more > 0 { format!(" and {} more", number(more)) } else { String::new() };
            format!(
                "{address}: {} {}, kept as it is: {}{more}",
                plural(rows.len(), "machine"),
                left_words(left),
                first.join(", ")
            )
        }
        PlanWarning::EmptyGroup { address, tag } => {
            format!("{address}: no machine carries the tag {tag}, so nothing is asked for it")
        }
        PlanWarning::Skipped { address, records } => {
            let listed: Vec<String> = records.iter().take(5).map(record_name).collect();
            let more = records.len().saturating_sub(listed.len());
            let more = if more > 0 { format!(" and {} more", number(more)) } else { String::new() };
            format!(
                "{address}: {} merged into others or not onboarded, passed over: {}{more}",
                plural(records.len(), "record"),
                listed.join(", ")
            )
        }
        PlanWarning::SealDrift { address, drift } => match &drift.unknown {
            Some(why) => format!("{address}: the sealed machines are asked; today's are not known: {why}"),
            None => {
                let first = |list: &[String]| {
                    let shown: Vec<&str> = list.iter().take(5).map(String::as_str).collect();
                    let more = list.len().saturating_sub(shown.len());
                    let more = if more > 0 { format!(" and {} more", number(more)) } else { String::new() };
                    format!("{}{more}", shown.join(", "))
                };
                let mut parts = Vec::new();
                if !drift.joined.is_empty() {
                    parts.push(format!("not sealed and not asked: {}", first(&drift.joined)));
                }
                if !drift.gone.is_empty() {
                    parts.push(format!("sealed, and meant no more: {}", first(&drift.gone)));
                }
                format!("{address}: the machines have changed since it was sealed: {}", parts.join("; "))
            }
        },
        PlanWarning::Narrowed { shown, declared } => format!(
            "narrowed to {} of {}; nothing outside it is looked at or forgotten",
            number(*shown),
            resources(*declared)
        ),
    }
}

/// What a manifest that stands for several machines was found to mean.
pub fn group(group: &Group) -> String {
    let by = match &group.target {
        Target::Name(name) => format!("called {name}"),
        Target::Tag(tag) => format!("tagged {tag}"),
        Target::Event(_) => "of the event that its query finds".to_owned(),
        Target::File(file) => {
            let column = file.column.as_ref().map(|c| format!("column {c} of ")).unwrap_or_default();
            format!("of {column}{} (sha256:{})", file.file, file.digest)
        }
    };
    let left = match group.left {
        0 => String::new(),
        n => format!("; {} more in the state", number(n)),
    };
    let sealed = if group.sealed.is_some() { ", as sealed" } else { "" };
    format!("{} stands for {} {by}{sealed}{left}", group.address, plural(group.machines, "machine"))
}

fn left_words(left: &Left) -> String {
    match left {
        Left::Tag(tag) => format!("not tagged {tag} any more"),
        Left::File(file) => format!("not listed in {file} any more"),
        Left::Seal => "not in the seal".into(),
        Left::NotLooked => "not looked up".into(),
    }
}

/// The first of some ids, and how many more there are.
fn first(ids: &[String]) -> String {
    const LISTED: usize = 5;
    let more = ids.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {} more", number(more)) } else { String::new() };
    format!("{}{more}", ids[..ids.len().min(LISTED)].join(", "))
}

/// A device record in a few words.
fn record_name(c: &Candidate) -> String {
    c.name.as_ref().map_or_else(|| c.id.clone(), |name| format!("{name} ({})", c.id))
}

/// Device records, each with what tells it from the others.
pub fn records(records: &[Candidate], now: Timestamp) -> String {
    const LISTED: usize = 5;
    let shown: Vec<String> = records.iter().take(LISTED).map(|c| record(c, now)).collect();
    let more = records.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {} more", number(more)) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// `ID (NAME, Inactive, seen 3 days ago)`
pub fn record(c: &Candidate, now: Timestamp) -> String {
    let mut parts: Vec<String> = c.name.iter().cloned().collect();
    if let Some(into) = &c.merged_into {
        parts.push(format!("merged into {into}"));
    }
    parts.extend(c.health.clone());
    parts.extend(c.onboarding.clone().filter(|o| !o.eq_ignore_ascii_case("Onboarded")));
    parts.extend(c.last_seen.as_ref().map(|t| format!("seen {}", ago(now, t.instant()))));
    if parts.is_empty() { c.id.clone() } else { format!("{} ({})", c.id, parts.join(", ")) }
}

fn protected(approved: &Option<String>) -> String {
    match approved {
        Some(reason) => format!("; approved by its manifest: {reason}"),
        None => ": apply refuses without --allow-protected".into(),
    }
}

fn name_gap(gap: &NameGap) -> String {
    match gap {
        NameGap::NotLooked => "names were not looked up in this run".into(),
        NameGap::Failed { why } => format!("names could not be looked up ({why})"),
        NameGap::NotFound => "the service does not show the machine".into(),
        NameGap::Nameless => "the service gives it no name".into(),
    }
}

/// A command to run next, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The command's words; those from outside are quoted for a shell.
    pub words: Vec<String>,
    /// What it is for, behind "to".
    pub what: &'static str,
}

impl Next {
    /// `command` is split at its spaces.
    pub fn new(what: &'static str, command: &str) -> Self {
        Next { words: command.split(' ').map(str::to_owned).collect(), what }
    }

    /// The same, with a word more.
    pub(super) fn with(mut self, word: &str) -> Self {
        self.words.push(shell(word).into_owned());
        self
    }

    /// As it is typed.
    pub fn command(&self) -> String {
        self.words.join(" ")
    }
}

/// The ways out of a row that waits for a person; empty for all others.
pub fn next(change: &Change) -> Vec<Next> {
    let address = change.address.to_string();
    let again = Next::new("ask again", "casefile apply --replace").with(&address);
    match change.action {
        Action::Unresolved => {
            let id = match &change.reason {
                Reason::LookAlikes { ids } => ids.first().map(String::as_str),
                Reason::FailOnRunning { id, .. } | Reason::AlreadyThere { id, .. } => Some(id.as_str()),
                _ => None,
            };
            let import = Next::new("take it over", "casefile import").with(&address).with(id.unwrap_or("ID"));
            vec![import, again]
        }
        Action::Exhausted => match &change.reason {
            // What is left to do is said in the manifest. To ask again would make a second alert.
            Reason::ChangeRefused { action: CallAction::Update, .. } => Vec::new(),
            Reason::ChangeRefused { .. } => {
                vec![Next::new("let go of it", "casefile state rm").with(&address)]
            }
            _ => vec![again],
        },
        _ => Vec::new(),
    }
}

/// The ways out of what a plan warning tells; empty where there is nothing to do.
pub fn plan_next(warning: &PlanWarning) -> Vec<Next> {
    match warning {
        over @ PlanWarning::OverLimit { .. } if over.is_over_limit() => {
            vec![Next::new("send them all", "casefile apply --allow-over-limits")]
        }
        PlanWarning::Removals { .. } => {
            vec![Next::new(
                "send them, if the manifests are gone for good",
                "casefile apply --allow-removals",
            )]
        }
        PlanWarning::LookAlikes { .. } => vec![
            Next::new("take them over", "casefile import --discover"),
            Next::new("ask for all of it again", "casefile apply --fresh"),
        ],
        PlanWarning::HeldBack { file, .. } => {
            vec![Next::new("take them in", "casefile seal").with(file)]
        }
        PlanWarning::SealDrift { .. } => vec![Next::new("seal today's machines", "casefile seal")],
        PlanWarning::NotCompared { .. } => vec![Next::new("look first", "casefile plan")],
        PlanWarning::OverLimit { .. }
        | PlanWarning::NotLooked { .. }
        | PlanWarning::Narrowed { .. }
        | PlanWarning::Beside { .. }
        | PlanWarning::Left { .. }
        | PlanWarning::EmptyGroup { .. }
        | PlanWarning::Skipped { .. } => Vec::new(),
    }
}

/// What helps where surgery is forbidden.
pub fn forbidden_next(forbidden: &Forbidden) -> Next {
    let show =
        |address: &Address| Next::new("see what it holds", "casefile state show").with(&address.to_string());
    match forbidden {
        Forbidden::CallOpen { .. } => Next::new("have its call looked up", "casefile apply"),
        Forbidden::ChangeOpen { .. } => Next::new("have it settled", "casefile apply"),
        Forbidden::NotInState(_) => Next::new("see what there is", "casefile state list"),
        Forbidden::NotDeclared(_) => Next::new("see what is declared", "casefile plan -v"),
        Forbidden::Alert(_) => Next::new("have it resolved by spec.triage.status", "casefile apply"),
        Forbidden::NotActive { address, .. }
        | Forbidden::Held { address, .. }
        | Forbidden::MadeBy { by: address, .. }
        | Forbidden::Taken(address)
        | Forbidden::OtherKind { from: address, .. }
        | Forbidden::Misplaced(Misplaced::OtherMachine { from: address, .. }) => show(address),
        Forbidden::Misplaced(Misplaced::NotDeclarable(_)) => {
            Next::new("see what is declared", "casefile plan -v")
        }
        Forbidden::StillRuns { address, .. } => {
            Next::new("end it first", "casefile cancel --comment TEXT").with(&address.to_string())
        }
        Forbidden::NotFound { .. } | Forbidden::OtherType { .. } | Forbidden::OtherMachine { .. } => {
            Next::new("see what matches the manifests", "casefile import --discover")
        }
    }
}

/// The service's words about a call that it did not carry out, with the id to quote to its support.
pub fn refusal(error: &Refusal) -> String {
    match &error.target {
        Some(target) => format!("{} (correlation id {target})", refusal_words(error)),
        None => refusal_words(error),
    }
}

/// The service's words alone, where nothing has failed for good.
pub fn refusal_words(error: &Refusal) -> String {
    let mut out = error.status.to_string();
    if !error.code.is_empty() {
        out.push(' ');
        out.push_str(&error.code);
    }
    if !error.message.is_empty() {
        out.push_str(": ");
        out.push_str(error.message.trim_end_matches('.'));
    }
    out
}

/// What to do about a refusal.
pub fn refusal_next(error: &Refusal, address: &Address) -> Next {
    match error.status {
        401 => Next::new("send it once the sign-in is right", "casefile apply"),
        403 => Next::new("send it once the role is granted", "casefile apply"),
        // What was refused of an alert may be its triage, and to ask for the alert again would be the wrong way.
        status if address.kind() == Kind::InvestigationPackage && (status == 404 || error.is_permanent()) => {
            Next::new("ask again once the cause is removed", "casefile apply --replace")
                .with(&address.to_string())
        }
        _ => Next::new("see whether it is asked again", "casefile plan"),
    }
}

/// Why a call is made, as a noun: `an earlier cancel got no answer`.
pub fn call(action: CallAction) -> &'static str {
    match action {
        CallAction::Create => "create",
        CallAction::Retry => "retry",
        CallAction::Replace => "replace",
        CallAction::Update => "update",
        CallAction::Cancel => "cancel",
        CallAction::Resolve => "resolve",
    }
}

/// What the rows of an action have in common, behind their number: `2 to create`, `3 waiting`.
pub fn counted(action: Action) -> &'static str {
    match action {
        Action::Create => "to create",
        Action::Retry => "to retry",
        Action::Replace => "to replace",
        Action::Update => "to update",
        Action::Cancel => "to cancel",
        Action::Resolve => "to resolve",
        Action::Adopt => "to adopt",
        Action::Move => "to move",
        Action::Forget => "to forget",
        Action::Wait => "waiting",
        Action::Differs => "left as they are",
        Action::Exhausted => "exhausted",
        Action::Unresolved => "unresolved",
        Action::NoOp => "unchanged",
    }
}

/// `2 to create, 1 to adopt, 40 unchanged`; empty for no rows.
pub fn counts(summary: &BTreeMap<Action, usize>) -> String {
    let part = |a: Action| summary.get(&a).map(|n| format!("{} {}", number(*n), counted(a)));
    Action::ALL.into_iter().filter_map(part).collect::<Vec<_>>().join(", ")
}

/// What the quotas make of a plan; none if it is over within a few seconds.
pub fn estimate(estimate: &Estimate) -> Option<String> {
    const WORTH_SAYING: u64 = 5;
    if estimate.seconds <= WORTH_SAYING {
        return None;
    }
    let calls: Vec<String> =
        estimate.calls.iter().map(|(quota, n)| format!("{quota}: {}", grouped(*n))).collect();
    let calls = if calls.is_empty() { String::new() } else { format!(" ({})", calls.join(", ")) };
    Some(format!("The quotas need at least {} for these calls{calls}.", duration(estimate.seconds)))
}

/// What the service says of a machine: `fin-ws-042, Windows11 23H2, Active, seen 30 min ago`.
pub fn facts(facts: &MachineFacts, now: Timestamp) -> String {
    let system = match (&facts.os, &facts.version) {
        (Some(os), Some(version)) => Some(format!("{os} {version}")),
        (os, _) => os.clone(),
    };
    let seen = facts.last_seen.as_ref().map(|t| format!("seen {}", ago(now, t.instant())));
    let parts: Vec<String> =
        [facts.name.clone(), system, facts.health.clone(), seen].into_iter().flatten().collect();
    parts.join(", ")
}

/// The calls that create as a whole, one sentence each.
pub fn outlook(outlook: &Forecast) -> Vec<String> {
    let mut lines = Vec::new();
    if outlook.listed > 0 {
        let missing = outlook.machines - outlook.listed;
        let missing = match missing {
            0 => String::new(),
            n => format!("; {} not listed by the service", number(n)),
        };
        lines.push(format!(
            "{} of {} will answer now: Active, and seen within {} hours{missing}.",
            number(outlook.answering),
            plural(outlook.machines, "machine"),
            RECENT.as_hours()
        ));
    }
    if let (Some(finish), Some(typical)) = (outlook.finish_seconds, outlook.typical) {
        let of = match typical.of {
            1 => "the last one".to_owned(),
            n => format!("the median of {}", number(n)),
        };
        lines.push(format!(
            "Collections should be over in about {}: {of} took {}.",
            duration(finish),
            duration(typical.seconds)
        ));
    }
    for share in &outlook.shares {
        let made = if share.made == 0 {
            String::new()
        } else {
            format!(", after {} in the last", grouped(share.made))
        };
        lines.push(format!(
            "{}: {} of {} calls an hour{made}.",
            share.quota,
            grouped(share.calls),
            grouped(share.per_hour.into())
        ));
    }
    lines
}

/// A number with thousands marked: `4,990`.
pub fn number(n: usize) -> String {
    grouped(u64::try_from(n).unwrap_or(u64::MAX))
}

/// `1 resource`, `240 resources`.
pub fn resources(n: usize) -> String {
    plural(n, "resource")
}

/// `1 file`, `17 files`.
pub fn plural(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(n), if n == 1 { "" } else { "s" })
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// Quotes a text from outside so that a shell takes it as one word: a copied command runs nothing else.
pub fn shell(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/:@%+=,-".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

fn by(requestor: &Option<String>) -> String {
    requestor.as_ref().map(|r| format!(" by {r}")).unwrap_or_default()
}

fn started(created_at: &Option<crate::model::Timestamp>, now: Timestamp) -> String {
    match created_at {
        Some(t) => format!("started {}", ago(now, t.instant())),
        None => "start unknown".into(),
    }
}

fn word(status: &str) -> &str {
    if status.is_empty() { "nothing of its status" } else { status }
}

fn ended(status: &str) -> String {
    if status.eq_ignore_ascii_case("TimeOut") {
        "the device never answered (TimeOut)".into()
    } else {
        format!("ended as {status}")
    }
}

/// The path of a call to an alert that is still to be created.
pub fn follow_up_path() -> &'static str {
    "/api/alerts/(id known after the call above)"
}

/// Says what a call to an alert that is still to be created sets.
pub fn follow_up(request: &Request) -> String {
    let triage = Triage::sent(request.body.as_str()).unwrap_or_default();
    let comment = triage.comment.as_deref().map(|text| ("comment", text));
    let fields = triage.fields().map(|(field, value)| (field.as_str(), value)).chain(comment);
    fields.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
}

/// Says what of an alert's triage stays as people left it.
fn triage_left(fields: &[TriageLeft]) -> String {
    let words = |left: &TriageLeft| {
        let now = if left.now.is_empty() { "nothing" } else { &left.now };
        match left.set {
            true => format!("{} was changed to {now} since", left.field),
            false => format!("{} is {now}, by somebody else", left.field),
        }
    };
    fields.iter().map(words).collect::<Vec<_>>().join(", ")
}

fn list(fields: &[&'static str]) -> String {
    fields.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([resources(1), resources(2)], ["1 resource", "2 resources"]);
    }

    #[test]
    fn a_copied_command_runs_nothing_else() {
        assert_eq!(shell("InvestigationPackage/fin-ws-042"), "InvestigationPackage/fin-ws-042");
        assert_eq!(shell("Alert/sweep[a]"), "'Alert/sweep[a]'");
        assert_eq!(shell("x; rm -rf ~"), "'x; rm -rf ~'");
        assert_eq!(shell("a'b"), r"'a'\''b'");
        assert_eq!(shell("--replace"), "'--replace'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn refusals_name_what_to_do() {
        let error = |status, code: &str| Refusal { status, code: code.into(), ..Refusal::default() };
        let address: Address = "Alert/a".parse().unwrap();
        let next = |e: &Refusal| refusal_next(e, &address).command();
        assert_eq!(next(&error(403, "Forbidden")), "casefile apply");
        assert_eq!(next(&error(400, "Whatever")), "casefile plan");
        // It may be the triage that was refused.
        assert_eq!(next(&error(404, "ResourceNotFound")), "casefile plan");
        let package: Address = "InvestigationPackage/a".parse().unwrap();
        let permanent = refusal_next(&error(400, "OsPlatformNotSupported"), &package);
        assert_eq!(permanent.command(), "casefile apply --replace InvestigationPackage/a");
        assert_eq!(refusal(&error(400, "")), "400");
    }
}
