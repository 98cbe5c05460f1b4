//! How a run fetches packages.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::defender::Downloads;
use crate::evidence::{EvidenceStore, Limits};
use crate::model::{Address, Sha256Hex};
use crate::state::Operator;

/// Where packages go, and what is written of who fetched them.
pub struct Fetching {
    /// The place where they are held.
    pub store: Arc<dyn EvidenceStore>,
    /// The way to the packages.
    pub downloads: Arc<dyn Downloads>,
    /// How patient a download is.
    pub limits: Limits,
    /// How many are fetched at once.
    pub parallelism: usize,
    /// The user, computer and job that fetch.
    pub by: Operator,
    /// SHA-256 of the manifest's file, by the address that it declares.
    pub manifests: BTreeMap<Address, Sha256Hex>,
    /// The git commit that is checked out.
    pub commit: Option<String>,
}
