//! The service's objects as it returns them: every field may be missing, unknown ones are dropped,
//! unknown enum values are kept as text.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Timestamp;

/// An id of the service as a key: it tells ids apart without their case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdKey(Box<str>);

impl IdKey {
    /// Returns the key of an id.
    pub fn of(id: impl AsRef<str>) -> Self {
        IdKey(id.as_ref().to_ascii_lowercase().into())
    }

    /// Returns the id in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An entry of `/api/machineactions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineAction {
    /// A GUID.
    pub id: String,
    /// `CollectInvestigationPackage`, `Isolate`, ...; a free string here.
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub action_type: String,
    /// Where it stands.
    #[serde(default, deserialize_with = "or_default")]
    pub status: ActionStatus,
    /// A user name, an application's id or its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestor: Option<String>,
    /// The comment, sometimes with a space in front or behind: trim before comparing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestor_comment: Option<String>,
    /// `PublicApi` for API calls; other values are not documented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_source: Option<String>,
    /// Null on some actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    /// Null in several real replies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer_dns_name: Option<String>,
    /// The id that the caller gave it; null unless it gave one, or where the service does not give it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "lenient_time", skip_serializing_if = "Option::is_none")]
    pub creation_date_time_utc: Option<Timestamp>,
    /// `lastUpdateDateTimeUtc` on the wire, `lastUpdateTimeUtc` in older replies and list samples.
    #[serde(
        default,
        alias = "lastUpdateTimeUtc",
        deserialize_with = "lenient_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_update_date_time_utc: Option<Timestamp>,
    /// Who cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation_requestor: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation_comment: Option<String>,
    /// When.
    #[serde(default, deserialize_with = "lenient_time", skip_serializing_if = "Option::is_none")]
    pub cancellation_date_time_utc: Option<Timestamp>,
}

impl MachineAction {
    /// The `type` of a package collection.
    pub const COLLECT: &'static str = "CollectInvestigationPackage";

    /// Whether it collects a package.
    pub fn is_collection(&self) -> bool {
        self.action_type.eq_ignore_ascii_case(Self::COLLECT)
    }
}

/// Where a machine action stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ActionStatus {
    /// Not started.
    Pending,
    /// Running.
    InProgress,
    /// Done.
    Succeeded,
    /// Ended without result.
    Failed,
    /// The device never answered.
    TimeOut,
    /// Cancelled by a person or by us.
    Cancelled,
    /// A word of the service that is not documented, or none at all: neither active nor over.
    Unknown(String),
    /// No status in the reply.
    #[default]
    Missing,
}

impl ActionStatus {
    /// `Pending` or `InProgress`.
    pub fn is_active(&self) -> bool {
        matches!(self, ActionStatus::Pending | ActionStatus::InProgress)
    }

    /// `Succeeded`, `Failed`, `TimeOut` or `Cancelled`.
    pub fn is_over(&self) -> bool {
        !self.is_active() && !matches!(self, ActionStatus::Unknown(_) | ActionStatus::Missing)
    }

    /// The documented spelling, or the service's own word.
    pub fn as_str(&self) -> &str {
        match self {
            ActionStatus::Pending => "Pending",
            ActionStatus::InProgress => "InProgress",
            ActionStatus::Succeeded => "Succeeded",
            ActionStatus::Failed => "Failed",
            ActionStatus::TimeOut => "TimeOut",
            ActionStatus::Cancelled => "Cancelled",
            ActionStatus::Unknown(word) => word,
            ActionStatus::Missing => "",
        }
    }
}

impl From<&str> for ActionStatus {
    fn from(word: &str) -> Self {
        const KNOWN: [(&str, ActionStatus); 9] = [
            ("pending", ActionStatus::Pending),
            ("inprogress", ActionStatus::InProgress),
            ("succeeded", ActionStatus::Succeeded),
            ("failed", ActionStatus::Failed),
            ("timeout", ActionStatus::TimeOut),
            ("timedout", ActionStatus::TimeOut),
            ("cancelled", ActionStatus::Cancelled),
            ("canceled", ActionStatus::Cancelled),
            ("", ActionStatus::Missing),
        ];
        KNOWN
            .into_iter()
            .find(|(w, _)| word.eq_ignore_ascii_case(w))
            .map_or_else(|| ActionStatus::Unknown(word.to_owned()), |(_, s)| s)
    }
}
impl fmt::Display for ActionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
impl Serialize for ActionStatus {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}
impl<'de> Deserialize<'de> for ActionStatus {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(ActionStatus::from(&*std::borrow::Cow::<'de, str>::deserialize(d)?))
    }
}

/// An entry of `/api/alerts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Opaque: `da637472900382838869_1364969609` and other forms.
    pub id: String,
    /// `New`, `InProgress`, `Resolved`, ...; a free string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// A free string here: `UnSpecified` and `Informational` exist too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// A free string; has been seen as the text `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// The verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// The verdict in detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub determination: Option<String>,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    /// The device's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer_dns_name: Option<String>,
    /// `CustomerTI` for alerts made through the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection_source: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "lenient_time", skip_serializing_if = "Option::is_none")]
    pub alert_creation_time: Option<Timestamp>,
    /// The first event's time.
    #[serde(default, deserialize_with = "lenient_time", skip_serializing_if = "Option::is_none")]
    pub first_event_time: Option<Timestamp>,
    /// The last event's time.
    #[serde(default, deserialize_with = "lenient_time", skip_serializing_if = "Option::is_none")]
    pub last_event_time: Option<Timestamp>,
    /// When it last changed.
    #[serde(default, deserialize_with = "lenient_time", skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Timestamp>,
    /// Its comments.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<AlertComment>,
}

impl Alert {
    /// Open means: not `Resolved`. The service merges a new alert into an open one with the same title
    /// and device.
    pub fn is_open(&self) -> bool {
        !self.status.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("Resolved"))
    }
}

/// An alert with what only somebody who works on it needs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertInFull {
    /// The fields that every alert is read with.
    #[serde(flatten)]
    pub alert: Alert,
    /// The number of its incident.
    #[serde(default, deserialize_with = "lenient_int")]
    pub incident_id: Option<i64>,
    /// The entities that it is about.
    #[serde(default, deserialize_with = "or_default")]
    pub evidence: Vec<AlertEvidence>,
}

/// A piece of evidence of an alert. All its texts may come from whoever attacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AlertEvidence {
    /// `Process`, `File`, `User`, `Ip`, `Url` and others.
    #[serde(deserialize_with = "lenient_text")]
    pub entity_type: Option<String>,
    /// The name of a file, or of the file that a process was started from.
    #[serde(deserialize_with = "lenient_text")]
    pub file_name: Option<String>,
    /// SHA-1 of a file.
    #[serde(deserialize_with = "lenient_text")]
    pub sha1: Option<String>,
    /// SHA-256 of a file.
    #[serde(deserialize_with = "lenient_text")]
    pub sha256: Option<String>,
    /// An address.
    #[serde(deserialize_with = "lenient_text")]
    pub ip_address: Option<String>,
    /// A URL.
    #[serde(deserialize_with = "lenient_text")]
    pub url: Option<String>,
    /// The name of an account, without its domain.
    #[serde(deserialize_with = "lenient_text")]
    pub account_name: Option<String>,
    /// The name of an account as it is signed in with.
    #[serde(deserialize_with = "lenient_text")]
    pub user_principal_name: Option<String>,
}

/// A comment of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertComment {
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When: `createdTime` on the wire, `createTime` in one table.
    #[serde(
        default,
        alias = "createTime",
        deserialize_with = "lenient_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub created_time: Option<Timestamp>,
}

/// An entry of `/api/machines`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Hex digits.
    pub id: String,
    /// Lower case in captures; can repeat across ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer_dns_name: Option<String>,
    /// `Active`, `Inactive`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_status: Option<String>,
    /// `Onboarded`; compare ignoring case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onboarding_status: Option<String>,
    /// The last full report, roughly daily.
    #[serde(default, deserialize_with = "lenient_time", skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// A free string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_platform: Option<String>,
    /// Marketing version such as `21H2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The system's build, such as 19044.
    #[serde(default, deserialize_with = "lenient_int", skip_serializing_if = "Option::is_none")]
    pub os_build: Option<i64>,
    /// The sensor's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// Tags.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub machine_tags: Vec<String>,
    /// Not documented, seen: the record that took this one's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into_machine_id: Option<String>,
}

impl Machine {
    /// The record that took this one's place.
    pub fn merged_into(&self) -> Option<&str> {
        self.merged_into_machine_id.as_deref().filter(|id| !id.trim().is_empty())
    }

    /// Whether its sensor is set up. A record that does not say is taken to be.
    pub fn is_onboarded(&self) -> bool {
        self.onboarding_status.as_deref().is_none_or(|s| s.eq_ignore_ascii_case("Onboarded"))
    }

    /// Whether the service calls it `Active`.
    pub fn is_active(&self) -> bool {
        self.health_status.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("Active"))
    }

    /// Active, onboarded, and not merged into another record: the one that a name means.
    pub fn may_answer(&self) -> bool {
        self.is_active() && self.is_onboarded() && self.merged_into().is_none()
    }
}

/// `null` where a value is expected is the default.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

/// A timestamp that cannot be read is no reason to lose the object that carries it.
fn lenient_time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<std::borrow::Cow<'de, str>>::deserialize(d)?;
    Ok(text.and_then(|t| Timestamp::from_service(&t)))
}

/// The same for a text.
fn lenient_text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(d)?;
    Ok(value.and_then(|v| v.as_str().map(str::to_owned)))
}

/// The same for a number.
fn lenient_int<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(d)?;
    Ok(value.and_then(|v| v.as_i64().or_else(|| v.as_str()?.trim().parse().ok())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_in_every_spelling() {
        for (word, status) in [
            ("TimeOut", ActionStatus::TimeOut),
            ("Timeout", ActionStatus::TimeOut),
            ("TimedOut", ActionStatus::TimeOut),
            ("Canceled", ActionStatus::Cancelled),
            ("inprogress", ActionStatus::InProgress),
            ("Queued", ActionStatus::Unknown("Queued".into())),
        ] {
            assert_eq!(ActionStatus::from(word), status);
        }
        assert!(!ActionStatus::Unknown("x".into()).is_active());
        assert!(!ActionStatus::Unknown("x".into()).is_over());
    }

    #[test]
    fn nulls_and_unknown_fields_are_fine() {
        let a: MachineAction =
            serde_json::from_str(r#"{"id":"x","status":null,"type":null,"lastUpdateTimeUtc":"2018-12-04T12:09:24Z","new":{"a":[1]},"creationDateTimeUtc":"soon"}"#)
                .unwrap();
        assert_eq!(a.status, ActionStatus::Missing);
        assert!(a.last_update_date_time_utc.is_some());
        assert_eq!(a.creation_date_time_utc, None);
    }
}
