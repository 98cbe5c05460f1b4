//! One exchange with the service, as records and resources hold it: what was asked and why, and the object or the
//! refusal that came of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    ActionStatus, Alert, Call, MachineAction, Marker, Meaning, RefusalCause, Request, RequestDigest,
    Sha256Hex, Sparse, Timestamp, meaning, refuses_external_id,
};

/// The number of a journal record: 1, 2, 3, ...
pub type Seq = u64;

/// An attempt is named by the number of its intent's record.
pub type AttemptId = Seq;

/// Why a mutating call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CallAction {
    /// A new resource.
    Create,
    /// After a failure of our own.
    Retry,
    /// A new revision or target, or asked for by name.
    Replace,
    /// A change of an alert's triage.
    Update,
    /// The manifest is gone: cancel the collection.
    Cancel,
    /// The manifest is gone: resolve the alert.
    Resolve,
}

impl CallAction {
    /// Returns whether the call makes an object.
    pub fn creates(self) -> bool {
        matches!(self, CallAction::Create | CallAction::Retry | CallAction::Replace)
    }
}

/// A request as sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sent {
    /// Method, path and body.
    #[schemars(example = request_example())]
    pub request: Request,
    /// `spec.revision`.
    #[schemars(example = 1)]
    pub revision: u32,
    /// The request digest, computed without the marker.
    #[schemars(example = RequestDigest(crate::model::Sha256Hex::of(b"test")))]
    pub digest: RequestDigest,
    /// The text that `recovery.marker` appended to the comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"[casefile 3f0c2b6c]")]
    pub marker: Sparse<Option<String>>,
    /// The name under which the machine was asked, where the manifest named no id. Under the same name and
    /// revision the machine stays the one of this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fin-ws-042")]
    pub machine_name: Sparse<Option<String>>,
    /// SHA-256 of the query that found the event, and of its time span, where the manifest named none. It tells an
    /// edited query; the event stays the one of this request. Without it, which query it was is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = crate::model::Sha256Hex::of(b"test"))]
    pub query_digest: Sparse<Option<Sha256Hex>>,
}

impl Sent {
    /// Returns a request whose manifest names a machine by its id and an event by its time, without a marker.
    pub fn new(request: Request, revision: u32, digest: RequestDigest) -> Self {
        Sent {
            request,
            revision,
            digest,
            marker: Sparse::default(),
            machine_name: Sparse::default(),
            query_digest: Sparse::default(),
        }
    }

    /// Returns the call as it was sent; none for one that creates nothing, or that a person edited beyond reading.
    pub fn call(&self) -> Option<Call> {
        Call::from_request(&self.request)
    }

    /// Returns what `recovery.marker` added to the call.
    pub fn marked_by(&self) -> Marker {
        if self.marker.is_some() {
            Marker::Comment
        } else if self.call().is_some_and(|call| call.external_id().is_some()) {
            Marker::ExternalId
        } else {
            Marker::Off
        }
    }

    /// Returns the call as its manifest declares it: without what `recovery.marker` added.
    pub fn declared(&self) -> Option<Call> {
        let mut call = self.call()?;
        if let Call::Collect { comment, external_id, .. } = &mut call {
            *external_id = None;
            if let Some(marker) = &*self.marker
                && let Some(text) = comment.strip_suffix(marker.as_str())
            {
                *comment = text.to_owned();
            }
        }
        Some(call)
    }
}

fn request_example() -> serde_json::Value {
    serde_json::json!({
        "method": "POST",
        "path": "/api/machines/fb9ab6be3965095a09c057be7c90f0a2/collectInvestigationPackage",
        "body": { "Comment": "Collect forensics due to alert 1234" }
    })
}

/// The service's words about a call that it did not carry out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refusal {
    /// The HTTP status.
    #[schemars(example = 403)]
    pub status: u16,
    /// `error.code`, possibly empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(example = &"Forbidden")]
    pub code: String,
    /// `error.message`: free text, bounded in length.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(example = &"Missing role Machine.CollectForensics")]
    pub message: String,
    /// `error.target`: the correlation id to quote to support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"4f2c3b1a-9a51-4a0d-9f4a-6f1f5d3b2c1e")]
    pub target: Option<String>,
}

impl Refusal {
    /// The codes that no repetition cures.
    pub fn is_permanent(&self) -> bool {
        meaning(&self.code) == Some(Meaning::Permanent)
    }

    /// The cause that a person can do something about.
    pub fn cause(&self) -> Option<RefusalCause> {
        RefusalCause::of(self.status, &self.code, &self.message)
    }

    /// Returns whether the service refused the id that `recovery.marker: external-id` adds, and so every call with one.
    pub fn is_about_external_id(&self) -> bool {
        refuses_external_id(self.status, &self.message)
    }

    /// Returns whether it uses up one of `spec.maxAttempts`: missing rights do not, nor does a field that is not taken.
    pub fn counts(&self) -> bool {
        !self.is_permanent() && !matches!(self.status, 401 | 403) && !self.is_about_external_id()
    }
}

/// The origin of an object: our call, or another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// Our call created it.
    Made,
    /// It was there, or another resource made it.
    Adopted,
}

/// The part of a service object that the journal keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Object {
    /// The action's GUID or the alert's id.
    pub id: String,
    /// The service's word, as documented where it is known.
    pub status: String,
    /// The requestor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestor: Option<String>,
    /// When it was made, by the service's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// The user or application that cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// The device's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer_dns_name: Option<String>,
}

impl From<&MachineAction> for Object {
    fn from(a: &MachineAction) -> Self {
        Object {
            id: a.id.clone(),
            status: a.status.as_str().to_owned(),
            requestor: a.requestor.clone(),
            created_at: a.creation_date_time_utc.clone(),
            updated_at: a.last_update_date_time_utc.clone(),
            cancelled_by: a.cancellation_requestor.clone(),
            computer_dns_name: a.computer_dns_name.clone(),
        }
    }
}

impl From<&Alert> for Object {
    fn from(a: &Alert) -> Self {
        Object {
            id: a.id.clone(),
            status: a.status.clone().unwrap_or_default(),
            requestor: None,
            created_at: a.alert_creation_time.clone(),
            updated_at: a.last_update_time.clone(),
            cancelled_by: None,
            computer_dns_name: a.computer_dns_name.clone(),
        }
    }
}

impl Object {
    /// As a machine action's status.
    pub fn action_status(&self) -> ActionStatus {
        ActionStatus::from(self.status.as_str())
    }
}
