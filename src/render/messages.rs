//! Reasons, warnings and refusals as sentences of few words.
//!
//! The vocabulary is that of `docs/reconciliation.md`. Texts from outside are quoted raw: whoever shows
//! them escapes them (see [`escape`](super::escape)). Sentences begin in lower case and end without a
//! full stop, because they stand behind a colon.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::age::{ago, ahead, duration};
use super::refusals::refusal_explained;
use super::{rows, unread};
use crate::model::{Address, Dependency, Request, Target, Triage, Until};
use crate::plan::RECENT;
use crate::plan::{
    Action, Candidate, Change, Estimate, Forecast, Group, ImportRefusal, Left, MachineFacts, MoveRefusal,
    NameGap, Obstacle, Plan, PlanWarning, Reason, Share, TargetError, TriageLeft, Unresolved, Warning,
};
use crate::state::CallAction;

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
            all => Some(format!("sent after {} {several}", first(all, 3, String::clone))),
        }
    };
    let accepted = part(Until::Accepted, "is accepted", "are accepted");
    let later = ": with --wait, or by a later run";
    let over = part(Until::Succeeded, "has succeeded", "have succeeded").map(|p| p + later);
    accepted.into_iter().chain(over).collect::<Vec<_>>().join("; ")
}

/// How many of a list a warning names.
const NAMED: usize = 5;

/// Names the first of a list, and says how many more there are.
pub fn first<T>(list: &[T], most: usize, name: impl Fn(&T) -> String) -> String {
    let shown = list.iter().take(most).map(name).collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {} more", number(more)),
    }
}

/// What a dependency is, if it is not there.
pub(super) fn obstacle(why: Obstacle) -> &'static str {
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
        Reason::ReplaceDeclared { id } => format!("its manifest asks again, in spite of {id} (replace)"),
        Reason::ImportDeclared { id, status, requestor, created_at } => {
            let made = created_at.as_ref().map(|t| format!(", made {}", ago(now, t.instant())));
            format!(
                "its manifest takes over {id}{}{}, which the service calls {} (import)",
                by(requestor),
                made.unwrap_or_default(),
                word(status)
            )
        }
        Reason::ImportNotLooked { id } => {
            format!("its manifest takes over {id} (import), which was not looked at in this run")
        }
        Reason::ImportRefused { id, why } => {
            format!("its manifest cannot take over {id} (import): {}", import_refusal(why))
        }
        Reason::MoveDeclared { from } => format!("its manifest says that it was {from} (moved)"),
        Reason::MoveRefused { from, why } => {
            format!("its manifest says that it was {from} (moved), but {}", move_refusal(*why))
        }
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
            format!("refused, and asking again cannot help: {}", refusal_explained(error))
        }
        Reason::NoAttemptsLeft { attempts, max, error } => {
            let last = error.as_ref().map(|e| format!("; last refusal: {}", refusal_explained(e)));
            format!("no attempts left: {attempts} of {max} failed{}", last.unwrap_or_default())
        }
        Reason::TimedOutAgain { times } => format!(
            "the device never answered, {times} times (TimeOut): it is off, or its Security event log is very large: with \
             gigabytes of it collections time out. maxAttempts in the manifest asks more often"
        ),
        Reason::RefusedBefore { error, attempt, max } => {
            format!("attempt {attempt} of {max}; refused before: {}", refusal_explained(error))
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
            format!("{what} is not sent again: {}{out}", refusal_explained(error))
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

/// Why an object is not taken over.
pub(super) fn import_refusal(why: &ImportRefusal) -> String {
    match why {
        ImportRefusal::NotFound => "the service does not know it".into(),
        ImportRefusal::OtherType { found } => format!("it is no package collection but {found}"),
        ImportRefusal::OtherMachine { found, declared } => {
            format!("it is of machine {found}, the manifest says {declared}")
        }
        ImportRefusal::MadeBy { by } => format!("a call of {by} made it"),
    }
}

/// Why a record is not moved.
pub(super) fn move_refusal(why: MoveRefusal) -> &'static str {
    match why {
        MoveRefusal::Taken => "this address has a record of its own; a person has to say which one counts",
        MoveRefusal::StillDeclared => "a manifest still declares that",
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
            format!(
                "the service has it already: {}; it is asked for again beside that",
                first(ids, NAMED, String::clone)
            )
        }
        Warning::ImportWaits { id } => {
            format!("{id} is not taken over yet (import): what this row is about comes first")
        }
        Warning::ImportOtherText => "the service shows another text of it, which stays as it is".into(),
        Warning::ReplaceWaits { id } => {
            format!("not asked again yet in spite of {id} (replace): what this row is about comes first")
        }
        Warning::ReplaceUnknown { id } => {
            format!(
                "replace names {id}, which is no object of this resource and not in its way: it changes nothing"
            )
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
        Warning::UnknownMachine { machine } => {
            format!(
                "the service knows no machine {machine}: compare the id with the portal, the call would be refused"
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
            format!(
                "the state is empty, yet the service has what looks like {}: most likely the state was lost, so \
                 apply refuses",
                first(found, NAMED, |(address, id)| format!("{address} ({id})"))
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
            format!(
                "{incident} is sealed, and its runbook has gained resources since; they are held back: {}",
                first(addresses, NAMED, Address::to_string)
            )
        }
        PlanWarning::Left { address, left, rows } => {
            format!(
                "{address}: {} {}, kept as it is: {}",
                plural(rows.len(), "machine"),
                left_words(left),
                first(rows, NAMED, String::clone)
            )
        }
        PlanWarning::EmptyGroup { address, tag } => {
            format!("{address}: no machine carries the tag {tag}, so nothing is asked for it")
        }
        PlanWarning::Skipped { address, records } => {
            format!(
                "{address}: {} merged into others or not onboarded, passed over: {}",
                plural(records.len(), "record"),
                first(records, NAMED, record_name)
            )
        }
        PlanWarning::Unresolved { places } => format!(
            "skipped, because {} cannot be resolved: {}",
            plural(places.len(), "place"),
            first(places, NAMED, unresolved)
        ),
        PlanWarning::SealDrift { address, drift } => match &drift.unknown {
            Some(why) => format!("{address}: the sealed machines are asked; today's are not known: {why}"),
            None => {
                let first = |list: &[String]| first(list, NAMED, String::clone);
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

/// `manifests/a.yaml:9: no machine is called fin-ws-99`
fn unresolved(e: &TargetError) -> String {
    let why = match &e.why {
        Unresolved::NotFound { name } => format!("no machine is called {name}"),
        Unresolved::NoneActive { name, .. } => format!("no active machine is called {name}"),
        Unresolved::Several { name, .. } => format!("several active machines are called {name}"),
        Unresolved::NoEvent { .. } => "the query names no single event".to_owned(),
        Unresolved::NotRun { why } => format!("the query was not run: {why}"),
        Unresolved::NotLooked { what, why } => format!("{what}: {why}"),
    };
    format!("{}:{}: {why}", e.place.file, e.place.line)
}

fn left_words(left: &Left) -> String {
    match left {
        Left::Tag(tag) => format!("not tagged {tag} any more"),
        Left::File(file) => format!("not listed in {file} any more"),
        Left::Seal => "not in the seal".into(),
        Left::NotLooked => "not looked up".into(),
        Left::Unresolved => "not resolved today".into(),
    }
}

/// A device record in a few words.
fn record_name(c: &Candidate) -> String {
    c.name.as_ref().map_or_else(|| c.id.clone(), |name| format!("{name} ({})", c.id))
}

/// Device records, each with what tells it from the others.
pub fn records(records: &[Candidate], now: Timestamp) -> String {
    first(records, NAMED, |c| record(c, now))
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

pub(super) fn protected(approved: &Option<String>) -> String {
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

/// The name of a call, as a noun: `an earlier cancel got no answer`.
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

/// Rows by what becomes of them, in the order of a summary: what runs is no row that waits.
pub(super) fn tallied(plan: &Plan, counts: impl Fn(&Change) -> bool) -> Vec<(&'static str, usize)> {
    let mut times: BTreeMap<(Action, bool), usize> = BTreeMap::new();
    for c in plan.changes.iter().filter(|c| counts(c)) {
        *times.entry((c.action, rows::is_running(c))).or_default() += 1;
    }
    let word = |(action, running)| if running { "running" } else { counted(action) };
    times.into_iter().map(|(key, n)| (word(key), n)).collect()
}

/// `2 to create, 1 running, 40 unchanged`; empty for no rows.
pub(super) fn tally(plan: &Plan) -> String {
    let part = |(word, n): (&str, usize)| format!("{} {word}", number(n));
    tallied(plan, |_| true).into_iter().map(part).collect::<Vec<_>>().join(", ")
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
pub fn forecast(forecast: &Forecast) -> Vec<String> {
    let mut lines = Vec::new();
    if forecast.listed > 0 {
        let missing = forecast.machines - forecast.listed;
        let missing = match missing {
            0 => String::new(),
            n => format!("; {} not listed by the service", number(n)),
        };
        lines.push(format!(
            "{} of {} will answer now: Active, and seen within {} hours{missing}.",
            number(forecast.answering),
            plural(forecast.machines, "machine"),
            RECENT.as_hours()
        ));
    }
    if let (Some(finish), Some(typical)) = (forecast.finish_seconds, forecast.typical) {
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
    lines.extend(forecast.shares.iter().map(share));
    lines
}

/// The hour's quotas that the calls use more than half of, one sentence each.
pub(super) fn scarce(forecast: &Forecast) -> Vec<String> {
    let scarce = |s: &&Share| (s.calls + s.made) * 2 > u64::from(s.per_hour);
    forecast.shares.iter().filter(scarce).map(share).collect()
}

fn share(share: &Share) -> String {
    let made = match share.made {
        0 => String::new(),
        n => format!(", after {} in the last", grouped(n)),
    };
    let (calls, limit) = (grouped(share.calls), grouped(share.per_hour.into()));
    format!("{}: {calls} of {limit} calls an hour{made}.", share.quota)
}

/// A number with thousands marked: `4,990`.
pub fn number(n: usize) -> String {
    grouped(u64::try_from(n).unwrap_or(u64::MAX))
}

/// `1 resource`, `240 resources`.
pub fn resources(n: usize) -> String {
    plural(n, "resource")
}

/// `17 bytes`, `3.4 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return plural(usize::try_from(n).unwrap_or(usize::MAX), "byte");
    }
    let (mut tenths, mut unit) = (n.saturating_mul(10) / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
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

pub(super) fn by(requestor: &Option<String>) -> String {
    requestor.as_ref().map(|r| format!(" by {r}")).unwrap_or_default()
}

pub(super) fn started(created_at: &Option<crate::model::Timestamp>, now: Timestamp) -> String {
    match created_at {
        Some(t) => format!("started {}", ago(now, t.instant())),
        None => "start unknown".into(),
    }
}

pub(super) fn word(status: &str) -> &str {
    if status.is_empty() { "nothing of its status" } else { status }
}

pub(super) fn ended(status: &str) -> String {
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
}
