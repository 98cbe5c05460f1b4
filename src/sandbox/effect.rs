//! Effects: what calls changed, as opposed to what was asked for or answered.

use serde::{Deserialize, Serialize};

/// A change of the service's objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// 1, 2, 3, ...
    pub seq: u64,
    /// When it took place, which is later than the call for a late one.
    pub at: jiff::Timestamp,
    /// What happened.
    pub kind: EffectKind,
    /// Through the API, or by an analyst.
    pub by: Origin,
    /// The id of the action or alert.
    pub id: String,
    /// The device.
    pub machine: String,
    /// The comment of a collection or a cancel, the title of an alert.
    pub text: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EffectKind {
    /// A new collection.
    Collect,
    /// A new action that is no collection.
    Respond,
    /// An action was cancelled.
    Cancel,
    /// A new alert.
    CreateAlert,
    /// An alert was absorbed by an open one, whose id this names.
    MergeAlert,
    /// An alert was changed.
    UpdateAlert,
    /// An action was brought to its end by hand.
    End,
}

/// Where an effect came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// A call of the simulated API.
    Api,
    /// A person, through the control surface.
    Analyst,
}
