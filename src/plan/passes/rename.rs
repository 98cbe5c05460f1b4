//! Renamed manifests: a new address that continues an undeclared resource.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{Address, Desired, Kind, MachineId, RequestDigest};
use crate::plan::comparison;
use crate::plan::identity::look_alike::is_unclaimed;
use crate::plan::input::{Input, pairs};
use crate::plan::surgery::DeclaredMove;
use crate::state::{Phase, Resource};

/// A new address and the one undeclared resource whose target and text it has, where both are alone.
pub type Renames<'a> = (BTreeMap<&'a Address, (&'a Address, &'a Resource)>, BTreeSet<&'a Address>);

/// Finds what was renamed: what manifests say of that, and then what is the same but for its name.
pub fn find_renames<'a>(
    input: &'a Input<'a>,
    moves: &BTreeMap<&'a Address, DeclaredMove<'a>>,
) -> Renames<'a> {
    let mut renames = BTreeMap::new();
    let mut moved = BTreeSet::new();
    for (to, m) in moves {
        if m.refused.is_none() {
            renames.insert(*to, (m.from, m.old));
        }
        // What a person has to decide about is not forgotten meanwhile.
        if m.refused.is_some() || m.old.phase != Phase::Requested {
            moved.insert(m.from);
        }
    }
    let sources: BTreeSet<&Address> = moves.values().map(|m| m.from).collect();
    let mut orphans: Orphans<'a> = HashMap::new();
    let undeclared = pairs(input.desired, input.state)
        .filter_map(|(a, declared, r)| declared.is_none().then_some((a, r?)))
        .filter(|(a, r)| r.phase != Phase::Released && !sources.contains(a))
        // Their manifest is there.
        .filter(|(a, _)| !input.settings.incidents.keep(a) && !input.observed.targets.left.contains_key(*a));
    for (a, r) in undeclared {
        orphans.entry((a.kind(), r.digest)).or_default().push((a, r));
    }
    if orphans.is_empty() {
        return (renames, moved);
    }
    let mut new: HashMap<(Kind, RequestDigest), Vec<&Address>> = HashMap::new();
    let mut machines = None;
    for d in input.desired {
        if !moves.contains_key(&d.address) && is_unclaimed(d, input.state.resources.get(&d.address)) {
            let digest = match d.call.references().is_empty() {
                true => None,
                false => by_text(d, machines.get_or_insert_with(|| by_machine(&orphans))),
            };
            let digest = digest.unwrap_or(d.digest);
            new.entry((d.address.kind(), digest)).or_default().push(&d.address);
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

/// Orphans by kind and digest.
type Orphans<'a> = HashMap<(Kind, RequestDigest), Vec<(&'a Address, &'a Resource)>>;

/// Orphans by machine, for resources whose text holds ids: that text names resources by address, and such an address
/// may have changed too, so the digest does not tell.
type ByMachine<'a> = HashMap<MachineId, Vec<(Kind, &'a Resource)>>;

fn by_machine<'a>(orphans: &Orphans<'a>) -> ByMachine<'a> {
    let mut all = ByMachine::new();
    for ((kind, _), rows) in orphans {
        for (_, r) in rows {
            if let Some(call) = r.sent.call() {
                all.entry(call.machine().clone()).or_default().push((*kind, *r));
            }
        }
    }
    all
}

/// The digest of the orphans that have the target of a resource, and its text with ids in it.
fn by_text(d: &Desired, orphans: &ByMachine<'_>) -> Option<RequestDigest> {
    let fits = |(kind, r): &&(Kind, &Resource)| {
        *kind == d.address.kind()
            && r.sent.revision == d.revision
            && r.sent.declared().is_some_and(|sent| {
                sent.same_target(&d.call) && comparison::edited(&sent, &d.call, &|_| Vec::new()).is_empty()
            })
    };
    let mut digests = orphans.get(d.call.machine())?.iter().filter(fits).map(|(_, r)| r.digest);
    let first = digests.next()?;
    digests.all(|other| other == first).then_some(first)
}
