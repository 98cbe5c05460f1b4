//! Records of the journal as sentences: what happened, and who did it.
//!
//! Texts from outside are quoted raw: whoever shows them escapes them (see [`escape`](super::escape)). Sentences begin in
//! lower case and end without a full stop.

use super::age::duration;
use super::brief::refused;
use super::messages::{bytes, word};
use super::refusals::refusal;
use crate::state::{CallAction, Origin, Outcome, Record};

/// Says what happened.
pub fn happened(record: &Record) -> String {
    match record {
        Record::Open { tool, .. } => format!("the state was begun ({tool})"),
        Record::Bound { binding } => match &binding.project {
            Some(project) => format!("the state is that of the project {project}"),
            None => "the state is that of another tenant or endpoint".to_owned(),
        },
        Record::Intent(intent) => intended(intent.action).to_owned(),
        Record::Outcome { result, .. } => outcome(result),
        Record::Answered { result, .. } => format!("late answer: {}", outcome(result)),
        Record::Found { origin, object, .. } => match origin {
            Origin::Made => format!("found: our call had made {}", object.id),
            Origin::Adopted => format!("adopted {}, which was there", object.id),
        },
        Record::Late { object, .. } => format!("a call given up earlier made {}", object.id),
        Record::Observed { object, .. } => format!("the service says {}", word(&object.status)),
        Record::Triaged { given, .. } if given.is_empty() => "its triage is as it was set".to_owned(),
        Record::Triaged { given, .. } => {
            let given: Vec<String> = given.iter().map(|(field, value)| format!("{field} {value}")).collect();
            format!("somebody set its triage: {}", given.join(", "))
        }
        Record::Missing { id, .. } => format!("{id} is not listed any more"),
        Record::Moved { from, to } => format!("{from} became {to}"),
        Record::Released { .. } => "its manifest is gone; what it made is remembered".to_owned(),
        Record::Restored { .. } => "its manifest is back".to_owned(),
        Record::Noted { .. } => "its labels or what happens when it is removed were changed".to_owned(),
        Record::Imported { object, .. } => format!("a person took over {}", object.id),
        Record::LinkRequested { .. } => "asked for a link to its package".to_owned(),
        Record::Fetched(custody) => format!("its package is held, sha256:{}", custody.sha256),
        Record::Removed { .. } => "a person took it out of the state".to_owned(),
        Record::Lost { .. } => "a record is lost: the journal was damaged here".to_owned(),
        Record::Recovered { damage, .. } => format!("the state was made anew from a damaged one: {damage}"),
        Record::Begun { by, .. } => format!("a run began: {}", by.command),
        Record::Ended { by } => format!("a run ended: {}", by.command),
        Record::Departed { to } => format!("the state has moved to {to}"),
        Record::Arrived => "the state is kept here from now on".to_owned(),
        Record::Cut { bytes } => {
            format!("{bytes} bytes of a record that was never written whole were cut off")
        }
    }
}

/// Says what happened without the ids that [`happened`] names.
pub fn brief(record: &Record) -> String {
    match record {
        Record::Outcome { result, .. } => brief_outcome(result),
        Record::Answered { result, .. } => format!("late answer: {}", brief_outcome(result)),
        Record::Found { origin: Origin::Made, .. } => "found: our call had made it".to_owned(),
        Record::Found { origin: Origin::Adopted, .. } => "adopted, it was there".to_owned(),
        Record::Late { .. } => "a call given up earlier had made one".to_owned(),
        Record::Observed { object, .. } => match object.status.as_str() {
            "InProgress" => "running".to_owned(),
            status => word(status).to_ascii_lowercase(),
        },
        Record::Missing { .. } => "not listed any more".to_owned(),
        Record::Moved { from, .. } => format!("was named {} before", from.name()),
        Record::LinkRequested { .. } => "link asked for".to_owned(),
        Record::Imported { .. } => "a person took it over".to_owned(),
        Record::Fetched(custody) => format!("fetched, {}", bytes(custody.size)),
        record => happened(record),
    }
}

fn brief_outcome(result: &Outcome) -> String {
    match result {
        Outcome::Made { .. } => "accepted".to_owned(),
        Outcome::Adopted { .. } => "adopted, it was there".to_owned(),
        Outcome::Busy { .. } => "the machine is busy".to_owned(),
        Outcome::Rejected { error } => format!("refused: {}", refused(error)),
        Outcome::Throttled { .. } => "not taken now, a quota is used up".to_owned(),
        result => outcome(result),
    }
}

/// Says who did it, where the record knows: `user@host`, or the pipeline's job.
pub fn operator(record: &Record) -> Option<String> {
    match record {
        Record::Intent(intent) => intent.by.as_ref().map(ToString::to_string),
        Record::Fetched(custody) => Some(custody.by.to_string()),
        Record::Recovered { by, .. } => Some(by.clone()),
        Record::Begun { by, .. } | Record::Ended { by } => {
            Some(crate::state::Operator::from(by.clone()).to_string())
        }
        _ => None,
    }
}

/// Says what a call is for.
pub fn intended(action: CallAction) -> &'static str {
    match action {
        CallAction::Create => "asked for",
        CallAction::Retry => "asked for again, after a failure",
        CallAction::Replace => "asked for anew",
        CallAction::Update => "asked to change its triage",
        CallAction::Cancel => "asked to cancel it",
        CallAction::Resolve => "asked to resolve it",
    }
}

/// Says what became of a call.
pub fn outcome(result: &Outcome) -> String {
    match result {
        Outcome::Made { object } => format!("accepted: {}", object.id),
        Outcome::Adopted { object } => format!("the service answered with {}, which was there", object.id),
        Outcome::Done { object } => format!("done; the service says {}", word(&object.status)),
        Outcome::Busy { error } => format!("the machine is busy: {}", refusal(error)),
        Outcome::Rejected { error } => format!("refused: {}", refusal(error)),
        Outcome::Throttled { error, retry_after_seconds } => format!(
            "not taken now, a quota is used up: {}; wait {}",
            refusal(error),
            duration(*retry_after_seconds)
        ),
        Outcome::Unsent { why } => format!("not sent: {why}"),
        Outcome::Unknown { why, .. } => format!("no answer: {why}"),
        Outcome::Settled => "settled by a look".to_owned(),
    }
}
