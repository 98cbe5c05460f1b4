//! What a plan says of the incidents that its rows belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{Address, Desired};
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::incidents::Incidents;
use crate::plan::warning::{PlanWarning, Warning};
use crate::state::State;

/// Returns what a plan says of what seals hold back.
pub fn held_back(incidents: &Incidents) -> impl Iterator<Item = PlanWarning> + '_ {
    incidents.held.iter().map(|h| PlanWarning::HeldBack {
        incident: h.incident.to_string(),
        file: h.file.to_string(),
        addresses: h.addresses.clone(),
    })
}

/// Says it loudly where an incident that is under way gets a new resource.
pub fn warn_of_late_resources(desired: &[Desired], state: &State, changes: &mut [Change]) {
    let mut of: BTreeMap<&Address, &Arc<str>> = BTreeMap::new();
    for c in changes.iter().filter(|c| c.action == Action::Create && c.template.is_some()) {
        if let Some(t) = crate::plan::input::find(desired, &c.address).and_then(|d| d.expanded.as_ref())
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
