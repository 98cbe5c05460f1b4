//! The knowledge of an alert's triage: which values we set, and which ones somebody else gave.
//!
//! The rule that comes of it: a value may be set as long as the alert shows what we set last, or, if nobody has set
//! anything, the service's own first value. Everything else is the work of people, and stays.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Sha256Hex, Timestamp, Triage, TriageField, text_digest};

/// Values of an alert's triage, by field; an empty text for none.
pub type TriageValues = BTreeMap<TriageField, String>;

/// What is known of an alert's triage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TriageRecord {
    /// The values that we set last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({ "status": "InProgress" }))]
    pub set: TriageValues,
    /// The values that somebody else gave, as they were seen last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({ "classification": "TruePositive" }))]
    pub given: TriageValues,
    /// The comments that the service has accepted: SHA-256 of each text, without what the service may add to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([Sha256Hex::of(b"test")]))]
    pub comments: Vec<Sha256Hex>,
    /// When the service accepted our last change, by our clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2026-03-01T08:00:10Z")]
    pub set_at: Option<jiff::Timestamp>,
    /// When the alert changed last, as the answer to that change says, by the service's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2026-03-01T08:00:00.1234567Z")]
    pub changed_at: Option<Timestamp>,
}

impl TriageRecord {
    /// Returns whether a field that shows this value may be set without undoing what somebody else did.
    pub fn may_set(&self, field: TriageField, shown: &str) -> bool {
        let ours = match self.set.get(&field) {
            Some(set) => field.same(set, shown),
            None => field.is_unset(shown),
        };
        ours && !self.given.contains_key(&field)
    }

    /// Returns whether the value that a field shows is not known yet, and somebody else's.
    pub fn is_news(&self, field: TriageField, shown: &str) -> bool {
        match self.given.get(&field).or(self.set.get(&field)) {
            Some(known) => !field.same(known, shown),
            None => !field.is_unset(shown),
        }
    }

    /// Returns whether the service has accepted a comment of this text.
    pub fn has_comment(&self, text: &str) -> bool {
        !self.comments.is_empty() && self.comments.contains(&text_digest(text))
    }

    /// Returns whether nothing of a declared triage is left to be set, as far as it is known without a look.
    pub fn holds(&self, declared: &Triage) -> bool {
        let known = |(field, value): (TriageField, &str)| {
            let set = self.set.get(&field).map_or(field.is_unset(value), |set| field.same(set, value));
            set || self.given.contains_key(&field)
        };
        declared.fields().all(known) && declared.comment.as_ref().is_none_or(|text| self.has_comment(text))
    }

    /// Takes in what we set.
    pub(super) fn set(&mut self, change: &TriageChange) {
        for (field, value) in &change.set {
            self.given.remove(field);
            self.set.insert(*field, value.clone());
        }
        for comment in &change.comments {
            if !self.comments.contains(comment) {
                self.comments.push(*comment);
            }
        }
    }

    /// Takes in what somebody else gave.
    pub(super) fn give(&mut self, values: &TriageValues) {
        self.given.extend(values.iter().map(|(field, value)| (*field, value.clone())));
    }
}

/// What a call changes of an alert's triage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TriageChange {
    /// The values that it sets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({ "status": "InProgress" }))]
    pub set: TriageValues,
    /// SHA-256 of the comments that it appends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([Sha256Hex::of(b"test")]))]
    pub comments: Vec<Sha256Hex>,
}

impl TriageChange {
    /// Returns what the body of an update changes.
    pub fn of(update: &Triage) -> TriageChange {
        TriageChange {
            set: update.fields().map(|(field, value)| (field, value.to_owned())).collect(),
            comments: update.comment.iter().map(|text| text_digest(text)).collect(),
        }
    }

    /// Returns whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.comments.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(field: TriageField, value: &str) -> TriageValues {
        [(field, value.to_owned())].into()
    }

    fn set(record: &mut TriageRecord, field: TriageField, value: &str) {
        record.set(&TriageChange { set: values(field, value), comments: Vec::new() });
    }

    #[test]
    fn what_people_do_stays() {
        const STATUS: TriageField = TriageField::Status;
        let mut record = TriageRecord::default();
        assert!(record.may_set(STATUS, "New") && record.may_set(STATUS, ""));
        assert!(!record.may_set(STATUS, "InProgress") && record.is_news(STATUS, "InProgress"));

        set(&mut record, STATUS, "Resolved");
        assert!(record.may_set(STATUS, "resolved"), "what we set is ours to change");
        assert!(!record.may_set(STATUS, "New") && record.is_news(STATUS, "New"), "reopened");
        record.give(&values(STATUS, "New"));
        assert!(!record.is_news(STATUS, "New"));
        assert!(!record.may_set(STATUS, "New"));
        // Somebody resolved it again: theirs, although we once set the same.
        assert!(record.is_news(STATUS, "Resolved") && !record.may_set(STATUS, "Resolved"));

        set(&mut record, STATUS, "InProgress");
        assert!(record.may_set(STATUS, "InProgress") && record.given.is_empty());
        assert!(record.may_set(TriageField::Classification, ""), "field by field");
    }

    #[test]
    fn a_value_of_somebody_else_that_is_taken_back_is_theirs_too() {
        const WHO: TriageField = TriageField::AssignedTo;
        let mut record = TriageRecord::default();
        record.give(&values(WHO, "secop@contoso.com"));
        assert!(record.is_news(WHO, "") && !record.may_set(WHO, ""));
        record.give(&values(WHO, ""));
        assert!(!record.is_news(WHO, "") && !record.may_set(WHO, ""));
    }

    #[test]
    fn synonyms_are_the_value_that_was_set() {
        const WHY: TriageField = TriageField::Determination;
        let mut record = TriageRecord::default();
        set(&mut record, WHY, "CompromisedUser");
        assert!(record.may_set(WHY, "CompromisedAccount") && !record.is_news(WHY, "CompromisedAccount"));
    }

    #[test]
    fn a_comment_is_known_however_it_comes_back() {
        let update = Triage { comment: Some("a & b\nc".into()), ..Triage::default() };
        let mut record = TriageRecord::default();
        for _ in 0..2 {
            record.set(&TriageChange::of(&update));
        }
        assert_eq!(record.comments.len(), 1);
        assert!(record.has_comment("a &amp; b\r\nc ") && !record.has_comment("a"));
    }
}
