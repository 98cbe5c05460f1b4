//! An alert's triage: what of the declared one is to be set, and what stays as people left it.
//!
//! A declared value is set once. After that people may change it: an alert that a person has reopened is not resolved
//! again, and a verdict that a person has given is not replaced. `triage.mode: enforce` sets declared values again and
//! again. A comment is appended once in either mode.

use super::comparison::View;
use super::reason::TriageLeft;
use super::settings::Settings;
use crate::model::{
    Address, Alert, Desired, Request, Triage, TriageField, TriageMode, has_comment, text_digest,
};
use crate::state::{CallAction, PendingUpdate, Record, Resource, TriageChange, TriageRecord, TriageValues};

/// The outcome of a look at an alert's triage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TriageState {
    /// The fields that are to be set, each with the value that the alert shows, empty for none.
    pub due: Vec<(TriageField, String)>,
    /// The declared comment is to be appended.
    pub comment: bool,
    /// The fields that are not as declared, and stay so.
    pub left: Vec<TriageLeft>,
}

impl TriageState {
    /// Returns whether an update is to be sent.
    pub fn is_due(&self) -> bool {
        self.comment || !self.due.is_empty()
    }

    /// The update that sets what is due.
    pub fn update(&self, declared: &Triage) -> Triage {
        let fields: Vec<TriageField> = self.due.iter().map(|(field, _)| *field).collect();
        declared.update(&fields, self.comment)
    }

    /// The API's names of what is due.
    pub fn names(&self) -> Vec<&'static str> {
        let comment = self.comment.then_some("comment");
        self.due.iter().map(|(field, _)| field.as_str()).chain(comment).collect()
    }

    /// Returns what is due, for a reader: as the alert shows it, and as it will be.
    pub fn due_views(&self, declared: &Triage) -> (View, View) {
        let (mut before, mut after) = views(declared, self.due.iter().map(|(field, now)| (*field, now)));
        if let Some(text) = declared.comment.as_ref().filter(|_| self.comment) {
            before.push(("comment".to_owned(), String::new()));
            after.push(("comment".to_owned(), text.clone()));
        }
        (before, after)
    }

    /// Returns what stays, for a reader: as the alert shows it, and as it is declared.
    pub fn left_views(&self, declared: &Triage) -> (View, View) {
        views(declared, self.left.iter().map(|left| (left.field, &left.now)))
    }
}

fn views<'a>(declared: &Triage, fields: impl Iterator<Item = (TriageField, &'a String)>) -> (View, View) {
    let view = |(field, now): (TriageField, &String)| {
        let value = declared.get(field).unwrap_or_default().to_owned();
        ((field.as_str().to_owned(), now.clone()), (field.as_str().to_owned(), value))
    };
    fields.map(view).unzip()
}

/// Compares an alert with its declared triage.
pub fn compare(record: &TriageRecord, alert: &Alert, declared: &Triage) -> TriageState {
    let mut state = TriageState::default();
    let mut verdict_left = false;
    for (field, value) in declared.fields() {
        let shown = field.shown(alert);
        if field.same(shown, value) {
            continue;
        }
        // A detail of the declared verdict does not fit another one.
        let detail = field == TriageField::Determination && verdict_left;
        if declared.mode == TriageMode::Enforce || record.may_set(field, shown) && !detail {
            state.due.push((field, shown.to_owned()));
        } else {
            verdict_left |= field == TriageField::Classification;
            let set = record.set.contains_key(&field);
            state.left.push(TriageLeft { field, now: shown.to_owned(), set });
        }
    }
    if let Some(text) = &declared.comment {
        state.comment = !record.has_comment(text) && !has_comment(alert, text);
    }
    state
}

/// Returns whether a read may still show the alert as it was before our last change.
pub fn lags(r: &Resource, alert: &Alert, at: jiff::Timestamp, settings: &Settings) -> bool {
    let Some(TriageRecord { set, set_at: Some(set_at), changed_at, .. }) = &*r.triage else { return false };
    if set.iter().all(|(field, value)| field.same(field.shown(alert), value)) {
        return false;
    }
    match (&alert.last_update_time, changed_at) {
        (Some(shown), Some(known)) if shown.instant() != known.instant() => shown.instant() < known.instant(),
        // A clock that was set back since tells nothing.
        _ => *set_at <= at && at < *set_at + settings.recovery.settle.get(),
    }
}

/// Returns the record of what a look at an alert adds to what is known of its triage: the outcome of our unanswered
/// change, if the look settles it, and what somebody else did to the declared fields.
pub fn learn(
    address: &Address,
    r: &Resource,
    alert: &Alert,
    declared: Option<&Desired>,
    settled: Option<&PendingUpdate>,
) -> Option<Record> {
    let unknown = TriageRecord::default();
    let record = r.triage.as_ref().unwrap_or(&unknown);
    let mut ours = TriageChange::default();
    let mut given = TriageValues::new();
    if let Some((side, change)) = settled.and_then(|side| Some((side, side.triage.as_ref()?))) {
        for (field, value) in &change.set {
            let shown = field.shown(alert);
            if field.same(shown, value) {
                ours.set.insert(*field, value.clone());
            } else if !untouched(side, alert) {
                // Our change may have taken effect and been undone since: whoever did that has the last word.
                given.insert(*field, shown.to_owned());
            }
        }
        let shown =
            |digest: &_| alert.comments.iter().flat_map(|c| &c.comment).any(|c| text_digest(c) == *digest);
        ours.comments = change.comments.iter().filter(|digest| shown(digest)).copied().collect();
    }
    for (field, _) in declared.and_then(|d| d.triage.as_ref()).iter().flat_map(|t| t.fields()) {
        let shown = field.shown(alert);
        if !ours.set.contains_key(&field) && !given.contains_key(&field) && record.is_news(field, shown) {
            given.insert(field, shown.to_owned());
        }
    }
    let record = Record::Triaged { address: address.clone(), id: alert.id.clone(), ours, given };
    match &record {
        Record::Triaged { ours, given, .. } if ours.is_empty() && given.is_empty() => None,
        _ => Some(record),
    }
}

/// Returns whether nothing has changed the alert since it was seen before our unanswered change: that had no effect
/// then.
fn untouched(side: &PendingUpdate, alert: &Alert) -> bool {
    matches!((&alert.last_update_time, &side.updated_at), (Some(a), Some(b)) if a.instant() == b.instant())
}

/// Returns whether a call that changes an alert undoes nothing that somebody else did: what it sets is as it was when
/// the call was planned, by what a look right before it shows.
pub fn undoes_nothing(r: &Resource, alert: &Alert, action: CallAction, request: &Request) -> bool {
    if action == CallAction::Resolve {
        return may_resolve(r, alert);
    }
    let unknown = TriageRecord::default();
    let record = r.triage.as_ref().unwrap_or(&unknown);
    let Some(update) = Triage::sent(request.body.as_str()) else { return false };
    let ours = |(field, value): (TriageField, &str)| {
        let shown = field.shown(alert);
        field.same(shown, value) || record.may_set(field, shown)
    };
    update.fields().all(ours) && update.comment.as_ref().is_none_or(|text| !has_comment(alert, text))
}

/// Returns whether an alert may be resolved because its manifest is gone: nobody but us has judged it or worked on it.
pub fn may_resolve(r: &Resource, alert: &Alert) -> bool {
    let unknown = TriageRecord::default();
    let record = r.triage.as_ref().unwrap_or(&unknown);
    let judged = [TriageField::Status, TriageField::Classification, TriageField::Determination];
    judged.into_iter().all(|field| record.may_set(field, field.shown(alert)))
}
