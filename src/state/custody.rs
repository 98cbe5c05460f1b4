//! The custody record of a package: what was fetched, for what, by whom, and where it is held.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exchange::Seq;
use super::operator::Operator;
use crate::model::{Address, PlanDigest, RequestDigest, Sha256Hex, Timestamp};

/// A package that is held: the record `fetched`, and the `.json` beside the package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Custody {
    /// The resource.
    pub address: Address,
    /// The collection at the service.
    pub action_id: String,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    /// The device's name as the service gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_name: Option<String>,
    /// The requestor of the collection, in the service's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestor: Option<String>,
    /// The comment of the collection as it was sent, or as the manifest of an adopted one has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When the collection was asked for, by the service's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
    /// When it last changed, by the service's clock: when it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// When the download began, by our clock. One that was interrupted and went on began in the run that ended it.
    pub download_began: jiff::Timestamp,
    /// When the last byte was there, by our clock.
    pub download_ended: jiff::Timestamp,
    /// Where the package is held, without anything secret.
    pub store: String,
    /// Its name there.
    pub file: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, computed while they came in.
    pub sha256: Sha256Hex,
    /// The entries that the zip lists. It was never unpacked.
    pub entries: Vec<PackageEntry>,
    /// How many of these entries could not be read back, encrypted ones for example: their CRC-32 is the one that the
    /// zip names. That of every other entry was computed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unchecked: u64,
    /// `casefile/<version>` that fetched it.
    pub tool: String,
    /// The user, computer and job that fetched it.
    pub by: Operator,
    /// The digest of the request that asked for the collection.
    pub request: RequestDigest,
    /// The plan that asked for it, where a call of ours did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanDigest>,
    /// SHA-256 of the manifest's file as it was at the download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Sha256Hex>,
    /// The git commit that was checked out then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// An entry of a package's zip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PackageEntry {
    /// Its name; what is no UTF-8 in it is replaced.
    pub name: String,
    /// Its length in bytes, unpacked.
    pub size: u64,
    /// Its CRC-32: eight hex digits.
    pub crc32: String,
}

/// A package that is held for a resource. The whole custody record stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeldPackage {
    /// The collection.
    #[schemars(example = &"5382f7ea-7557-4ab7-9782-d50480024a4e")]
    pub id: String,
    /// Where it is held.
    #[schemars(example = &"file:evidence")]
    pub store: String,
    /// Its name there.
    #[schemars(example = FILE)]
    pub file: String,
    /// Its length in bytes.
    #[schemars(example = 1_048_576)]
    pub size: u64,
    /// SHA-256 of its bytes.
    #[schemars(example = Sha256Hex::of(b"test"))]
    pub sha256: Sha256Hex,
    /// The number of the custody record.
    #[schemars(example = 9)]
    pub record: Seq,
}

/// An example for the schema.
const FILE: &str = "InvestigationPackage/fin-ws-042/fin-ws-042.contoso.com-20260301T080000Z-5382f7ea-7557-4ab7-9782-d50480024a4e.zip";

impl HeldPackage {
    /// Returns what the state keeps of a custody record with this number.
    pub fn of(custody: &Custody, record: Seq) -> Self {
        HeldPackage {
            id: custody.action_id.clone(),
            store: custody.store.clone(),
            file: custody.file.clone(),
            size: custody.size,
            sha256: custody.sha256,
            record,
        }
    }
}
