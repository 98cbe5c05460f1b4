//! Renamed manifests: a new address that continues an undeclared resource.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::build::{Input, find};
use crate::model::{Address, Kind, RequestDigest};
use crate::state::{Phase, Resource};

/// A new address and the one undeclared resource whose target and text it has, where both are alone.
pub(super) type Renames<'a> = (BTreeMap<&'a Address, (&'a Address, &'a Resource)>, BTreeSet<&'a Address>);

pub(super) fn find_renames<'a>(input: &'a Input<'a>) -> Renames<'a> {
    let mut orphans: HashMap<(Kind, RequestDigest), Vec<(&Address, &Resource)>> = HashMap::new();
    let undeclared = input
        .state
        .resources
        .iter()
        .filter(|(a, r)| r.phase != Phase::Released && find(input.desired, a).is_none())
        // Their manifest is there.
        .filter(|(a, _)| !input.settings.incidents.keep(a) && !input.observed.targets.left.contains_key(*a));
    for (a, r) in undeclared {
        orphans.entry((a.kind(), r.digest)).or_default().push((a, r));
    }
    let mut renames = BTreeMap::new();
    let mut moved = BTreeSet::new();
    if orphans.is_empty() {
        return (renames, moved);
    }
    let mut new: HashMap<(Kind, RequestDigest), Vec<&Address>> = HashMap::new();
    for d in input.desired {
        let unclaimed = match input.state.resources.get(&d.address) {
            None => true,
            Some(r) => {
                let same_target =
                    r.sent.revision == d.revision && r.sent_call().is_some_and(|c| c.same_target(&d.call));
                r.phase == Phase::Released && !(r.id.is_some() && same_target)
            }
        };
        if unclaimed {
            new.entry((d.address.kind(), d.digest)).or_default().push(&d.address);
        }
    }
    for (key, addresses) in new {
        if let ([to], Some([(from, r)])) = (&addresses[..], orphans.get(&key).map(Vec::as_slice)) {
            renames.insert(*to, (*from, *r));
            if r.phase != Phase::Requested {
                moved.insert(*from);
            }
        }
    }
    (renames, moved)
}
