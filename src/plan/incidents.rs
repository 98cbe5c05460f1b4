//! What a plan knows of incidents beside their resources: which are closed, and what their seals hold back.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::Address;

/// The incidents of a project, as far as their resources do not tell.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    /// Names of closed incidents: what the state holds under them stays as it is.
    pub closed: BTreeSet<Arc<str>>,
    /// What runbooks would make and seals do not hold.
    pub held: Vec<HeldBack>,
    /// Incidents whose seals hold something else than their runbooks make today.
    pub deviating: Vec<Deviating>,
}

/// A sealed incident whose seal holds something else than its runbook makes of it: the runbook was edited since, or the
/// seal was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviating {
    /// `metadata.name` of the incident.
    pub incident: Arc<str>,
    /// The incident's manifest.
    pub file: Arc<str>,
    /// The resources that are not the same, by address.
    pub addresses: Vec<Address>,
}

/// Resources that a sealed incident's runbook has gained since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// `metadata.name` of the incident.
    pub incident: Arc<str>,
    /// The incident's manifest.
    pub file: Arc<str>,
    /// By address.
    pub addresses: Vec<Address>,
}

impl Incidents {
    /// Whether a resource that no manifest declares is kept, because its name stands under a closed incident's.
    pub fn keep(&self, address: &Address) -> bool {
        let name = address.name();
        !self.closed.is_empty() && name.match_indices('.').any(|(dot, _)| self.closed.contains(&name[..dot]))
    }
}
