//! What a call waits for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Address;

/// Another resource whose call comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// Its address.
    #[schemars(example = &"InvestigationPackage/fin-ws-042")]
    pub address: Address,
    /// How far it must have come.
    #[schemars(example = Until::Accepted)]
    pub until: Until,
}

/// How far a dependency must have come.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Until {
    /// The service has accepted its call, or it was there.
    #[default]
    Accepted,
    /// It is over, and well: a collection has succeeded, an alert is created.
    Succeeded,
}

impl Until {
    /// The word in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Until::Accepted => "Accepted",
            Until::Succeeded => "Succeeded",
        }
    }
}
