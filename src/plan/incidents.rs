//! What a plan knows of incidents beside their resources: which are closed, and what their seals hold back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::{Action, Change, PlanWarning, Warning};
use crate::model::{Address, Desired};
use crate::state::State;

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

    /// [`keep`](Self::keep), for a resource that may be declared.
    pub(super) fn keep_undeclared(&self, desired: &[Desired], address: &Address) -> bool {
        self.keep(address) && super::build::find(desired, address).is_none()
    }

    /// What the plan says of them as a whole.
    pub(super) fn warnings(&self) -> impl Iterator<Item = PlanWarning> + '_ {
        self.held.iter().map(|h| PlanWarning::HeldBack {
            incident: h.incident.to_string(),
            file: h.file.to_string(),
            addresses: h.addresses.clone(),
        })
    }
}

/// Says it loudly where an incident that is under way gets a new resource.
pub(super) fn warn_of_late_resources(desired: &[Desired], state: &State, changes: &mut [Change]) {
    let mut of: BTreeMap<&Address, &Arc<str>> = BTreeMap::new();
    for c in changes.iter().filter(|c| c.action == Action::Create && c.template.is_some()) {
        if let Some(t) = super::build::find(desired, &c.address).and_then(|d| d.expanded.as_ref())
            && !state.resources.contains_key(&c.address)
        {
            of.insert(&c.address, &t.incident);
        }
    }
    let incidents: BTreeSet<&Arc<str>> = of.values().copied().collect();
    let under_way: BTreeSet<&Arc<str>> = incidents
        .into_iter()
        .filter(|incident| {
            crate::model::Kind::ALL.into_iter().any(|kind| {
                let from = Address::new(kind, format!("{incident}."));
                let mut later = state.resources.range(from..);
                later.next().is_some_and(|(a, _)| {
                    a.kind() == kind
                        && a.name().strip_prefix(&***incident).is_some_and(|rest| rest.starts_with('.'))
                })
            })
        })
        .collect();
    let late: Vec<(Address, String)> = of
        .into_iter()
        .filter(|(_, incident)| under_way.contains(incident))
        .map(|(address, incident)| (address.clone(), incident.to_string()))
        .collect();
    for (address, incident) in late {
        if let Ok(i) = changes.binary_search_by(|c| c.address.cmp(&address)) {
            changes[i].warnings.push(Warning::AddedToRunningIncident { incident });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_incident_keeps_what_stands_under_its_name() {
        let closed = ["inc-1".into(), "a.b".into()].into();
        let incidents = Incidents { closed, ..Incidents::default() };
        for (address, kept) in [
            ("Alert/inc-1.x", true),
            ("InvestigationPackage/inc-1.x.y", true),
            ("Alert/inc-1", false),
            ("Alert/inc-10.x", false),
            ("Alert/a.b.c", true),
            ("Alert/a.c", false),
        ] {
            assert_eq!(incidents.keep(&address.parse().unwrap()), kept, "{address}");
        }
        assert!(!Incidents::default().keep(&"Alert/inc-1.x".parse().unwrap()));
    }
}
