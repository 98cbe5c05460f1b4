//! The holder of a state that is open for writing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The holder of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// The user's name.
    #[schemars(example = &"ann")]
    pub user: String,
    /// The machine's name.
    #[schemars(example = &"laptop")]
    pub host: String,
    /// The process.
    #[schemars(example = 4711)]
    pub pid: u32,
    /// Since when.
    #[schemars(example = &"2026-03-01T08:00:00Z")]
    pub since: jiff::Timestamp,
    /// The command, without anything secret.
    #[schemars(example = &"casefile apply")]
    pub command: String,
    /// The pipeline's job, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://github.com/contoso/cases/actions/runs/1")]
    pub job: Option<String>,
}
