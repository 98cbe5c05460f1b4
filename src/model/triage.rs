//! The triage of an alert: what a manifest declares, and what the service shows.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::word::{
    AlertStatus, AlertStatuses, Classification, Classifications, Determination, Determinations, Word,
    is_unset, same_word,
};
use super::{Alert, same_text};

/// The triage that an alert shall have, and the body of the update that sets it: only what is there is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Triage {
    /// What happens to a value that somebody else gave. Written where it is not the default, and never sent.
    #[serde(default, skip_serializing_if = "TriageMode::is_default")]
    pub mode: TriageMode,
    /// The alert's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<AlertStatus>,
    /// Who works on it: a user name such as `secop@contoso.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// The verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// The verdict in detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub determination: Option<Determination>,
    /// A comment to append, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl Triage {
    /// The fields of an update's body; none for a body of something else.
    pub fn sent(body: &str) -> Option<Triage> {
        serde_json::from_str(body).ok()
    }

    /// The declared value of a field.
    pub fn get(&self, field: TriageField) -> Option<&str> {
        match field {
            TriageField::Status => self.status.as_ref().map(Word::as_str),
            TriageField::AssignedTo => self.assigned_to.as_deref(),
            TriageField::Classification => self.classification.as_ref().map(Word::as_str),
            TriageField::Determination => self.determination.as_ref().map(Word::as_str),
        }
    }

    /// The update that sets these fields, and appends the comment if it is asked for.
    pub fn update(&self, fields: &[TriageField], comment: bool) -> Triage {
        let mut update = self.clone();
        update.mode = TriageMode::default();
        let keep = |field| fields.contains(&field);
        update.status.take_if(|_| !keep(TriageField::Status));
        update.assigned_to.take_if(|_| !keep(TriageField::AssignedTo));
        update.classification.take_if(|_| !keep(TriageField::Classification));
        update.determination.take_if(|_| !keep(TriageField::Determination));
        update.comment.take_if(|_| !comment);
        update
    }

    /// Every declared field and its value.
    pub fn fields(&self) -> impl Iterator<Item = (TriageField, &str)> {
        TriageField::ALL.into_iter().filter_map(|field| Some((field, self.get(field)?)))
    }
}

/// What happens to a value of an alert's triage that somebody else gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TriageMode {
    /// It stays: each declared value is set once, and people may change it.
    #[default]
    Once,
    /// The declared value is set again.
    Enforce,
}

impl TriageMode {
    /// Returns whether it is left out where it is written.
    pub fn is_default(&self) -> bool {
        *self == TriageMode::default()
    }
}

/// A field of an alert's triage that holds one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TriageField {
    /// `status`
    Status,
    /// `assignedTo`
    AssignedTo,
    /// `classification`
    Classification,
    /// `determination`
    Determination,
}

impl TriageField {
    /// Every field, in the order of the API's documentation.
    pub const ALL: [TriageField; 4] = [
        TriageField::Status,
        TriageField::AssignedTo,
        TriageField::Classification,
        TriageField::Determination,
    ];

    /// The API's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            TriageField::Status => "status",
            TriageField::AssignedTo => "assignedTo",
            TriageField::Classification => "classification",
            TriageField::Determination => "determination",
        }
    }

    /// Returns the value that an alert shows; empty for nothing.
    pub fn shown(self, alert: &Alert) -> &str {
        let value = match self {
            TriageField::Status => &alert.status,
            TriageField::AssignedTo => &alert.assigned_to,
            TriageField::Classification => &alert.classification,
            TriageField::Determination => &alert.determination,
        };
        value.as_deref().unwrap_or_default()
    }

    /// Returns whether two values are the same to the service.
    pub fn same(self, a: &str, b: &str) -> bool {
        match self {
            TriageField::Status => same_word::<AlertStatuses>(a, b),
            TriageField::AssignedTo => a.trim().eq_ignore_ascii_case(b.trim()),
            TriageField::Classification => same_word::<Classifications>(a, b),
            TriageField::Determination => same_word::<Determinations>(a, b),
        }
    }

    /// Returns whether the value is the service's own first one: nobody has chosen one yet.
    pub fn is_unset(self, value: &str) -> bool {
        match self {
            TriageField::Status => is_unset::<AlertStatuses>(value),
            TriageField::AssignedTo => value.trim().is_empty(),
            TriageField::Classification => is_unset::<Classifications>(value),
            TriageField::Determination => is_unset::<Determinations>(value),
        }
    }
}

impl fmt::Display for TriageField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Returns whether an alert has a comment of this text.
pub fn has_comment(alert: &Alert, text: &str) -> bool {
    alert.comments.iter().any(|c| c.comment.as_deref().is_some_and(|c| same_text(c, text)))
}
