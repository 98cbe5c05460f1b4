//! Sealed incidents: their resources come from the seal, whatever their runbook has become.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::format::{Exact, Sealed, SealedTarget, Text, sealed_name};
use super::found::Seals;
use crate::manifest::{Declaration, Diagnostic, IncidentState, Loaded};
use crate::model::{self, Address, Approval, Desired, Policy, Target, Template, Triage};
use crate::plan::{Deviating, HeldBack};

/// The outcome of [`freeze`].
#[derive(Debug, Default)]
pub struct Frozen {
    /// The resources that runbooks make and seals do not hold: they are no part of these incidents.
    pub held: Vec<HeldBack>,
    /// Where seals hold something else than runbooks make, one entry an incident.
    pub deviating: Vec<Deviating>,
}

/// Replaces what frozen incidents expand to by what their seals hold. What cannot be taken from a seal is told in
/// `loaded`.
pub fn freeze(loaded: &mut Loaded, found: &Seals) -> Frozen {
    let frozen: Vec<Declaration> =
        loaded.incidents.iter().filter(|i| i.state == IncidentState::Frozen).cloned().collect();
    if frozen.is_empty() {
        return Frozen::default();
    }
    let mut thawed = Thawed::new(loaded, &frozen);
    let others: Vec<Vec<Address>> = frozen.iter().map(|i| thawed.take_in(i, found)).collect();
    let mut held = thawed.not_sealed();
    thawed.give_back(loaded);
    let mut outcome = Frozen::default();
    for (i, mut addresses) in frozen.into_iter().zip(others) {
        let (incident, file) = (i.name, i.source.file);
        let gained = held.remove(&*incident).unwrap_or_default();
        addresses.extend(gained.iter().cloned());
        addresses.sort();
        if !gained.is_empty() {
            let (incident, file) = (incident.clone(), file.clone());
            outcome.held.push(HeldBack { incident, file, addresses: gained });
        }
        if !addresses.is_empty() {
            outcome.deviating.push(Deviating { incident, file, addresses });
        }
    }
    outcome
}

/// The resources that runbooks make of the frozen incidents, and those that are taken of their seals instead.
struct Thawed {
    /// The resources of runbooks; what a seal holds as well is taken out.
    expanded: BTreeMap<Address, Desired>,
    /// Those that stand for machines by name or tag, which are sealed as the machines that were meant; the same.
    meant: BTreeMap<Address, Template>,
    /// All other resources of the project, by address.
    rest: Vec<Desired>,
    /// The resources of seals.
    taken_in: Vec<Desired>,
    problems: Vec<Diagnostic>,
}

impl Thawed {
    /// Takes the resources of the frozen incidents out of `loaded`.
    fn new(loaded: &mut Loaded, frozen: &[Declaration]) -> Self {
        let names: BTreeSet<&str> = frozen.iter().map(|i| &*i.name).collect();
        let is_frozen = |d: &Desired| d.expanded.as_ref().is_some_and(|e| names.contains(&*e.incident));
        let (expanded, rest): (Vec<_>, _) = loaded.resources.drain(..).partition(&is_frozen);
        let expanded = expanded.into_iter().map(|d| (d.address.clone(), d)).collect();
        let templates = std::mem::take(&mut loaded.templates);
        let (meant, templates): (Vec<_>, _) = templates.into_iter().partition(|t| is_frozen(t.declared()));
        let meant = meant.into_iter().map(|t| (t.address().clone(), t)).collect();
        loaded.templates = templates;
        Thawed { expanded, meant, rest, taken_in: Vec::new(), problems: Vec::new() }
    }

    /// Takes what the seal holds of one incident. Returns the addresses that the runbook makes otherwise today.
    fn take_in(&mut self, i: &Declaration, found: &Seals) -> Vec<Address> {
        let of_incident =
            |t: &&Template| t.declared().expanded.as_ref().is_some_and(|e| e.incident == i.name);
        let templates: Vec<Template> = self.meant.values().filter(of_incident).cloned().collect();
        let mut queries = BTreeMap::new();
        for target in found.targets(&i.source.file, &i.name) {
            self.meant.retain(|address, t| {
                let sealed = address.to_string() == target.address;
                // A seal shows its query escaped: which one it was is known as long as the runbook has the same.
                if let (true, Target::Event(query)) = (sealed && SealedTarget::of(t) == *target, &t.target) {
                    queries.insert(address.clone(), query.digest());
                }
                !sealed
            });
        }
        let mut others = Vec::new();
        for sealed in found.incident(&i.source.file, &i.name, &i.inputs).into_iter().flatten() {
            let made = self.expanded.remove(&sealed.address);
            let today = made.as_ref().map(Sealed::of).or_else(|| on_sealed_machine(&templates, sealed));
            if today.as_ref() != Some(sealed) {
                others.push(sealed.address.clone());
            }
            let taken = match made {
                // The very same: as it was expanded.
                Some(d) if Sealed::of(&d) == *sealed => Some(d),
                made => thaw(sealed, i, made.and_then(|d| d.expanded.into_inner()?.source)),
            };
            let taken = taken.map(|d| Desired { query: queries.get(&d.address).copied().into(), ..d });
            match self.checked(i, sealed, taken) {
                Ok(d) => self.taken_in.push(d),
                Err(problem) => self.problems.push(*problem),
            }
        }
        others
    }

    /// Returns a resource of a seal if it may stand beside all others.
    fn checked(
        &self,
        i: &Declaration,
        sealed: &Sealed,
        taken: Option<Desired>,
    ) -> Result<Desired, Box<Diagnostic>> {
        let problem = |code, message: String, help: String| {
            Box::new(Diagnostic::of_file(code, sealed_name(&i.source.file), message).with_help(help))
        };
        let seal_again = format!("run `casefile seal {}`", i.source.file);
        let review = format!("{seal_again} and review the difference");
        let Some(d) = taken else {
            let message = format!("the call of {} does not fit its digest", sealed.address);
            return Err(problem("seal-edited", message, review));
        };
        if !d.address.name().starts_with(&format!("{}.", i.name)) {
            let message = format!("{} is no address of Incident/{}", d.address, i.name);
            return Err(problem("seal-edited", message, review));
        }
        if self.rest.binary_search_by(|r| r.address.cmp(&d.address)).is_ok() {
            let message = format!("{} is sealed for Incident/{} and declared besides", d.address, i.name);
            return Err(problem(
                "duplicate-address",
                message,
                format!("rename the other one, or {seal_again}"),
            ));
        }
        Ok(d)
    }

    /// Returns what runbooks make and seals do not hold, by incident.
    fn not_sealed(&self) -> BTreeMap<String, Vec<Address>> {
        let mut held: BTreeMap<String, Vec<Address>> = BTreeMap::new();
        for d in self.expanded.values().chain(self.meant.values().map(Template::declared)) {
            if let Some(e) = &*d.expanded {
                held.entry(e.incident.to_string()).or_default().push(d.address.clone());
            }
        }
        held
    }

    /// Puts the resources of seals among the others, in order.
    fn give_back(mut self, loaded: &mut Loaded) {
        self.rest.append(&mut self.taken_in);
        self.rest.sort_by(|a, b| a.address.cmp(&b.address));
        // Two incidents with equal prefixes can seal one address: the first to be read keeps it, as elsewhere.
        self.rest.dedup_by(|later, first| {
            let twice = later.address == first.address;
            if twice {
                let message = format!("{} is sealed twice", later.address);
                let file = sealed_name(&later.source.file);
                self.problems.push(Diagnostic::of_file("duplicate-address", file, message));
            }
            twice
        });
        loaded.resources = self.rest;
        loaded.diagnostics.extend(self.problems);
    }
}

/// Returns what today's templates say of the machine that a seal holds. Which machine a name or a tag means is not
/// looked up here.
fn on_sealed_machine(templates: &[Template], sealed: &Sealed) -> Option<Sealed> {
    let id: model::MachineId = sealed.spec.machine_id.parse().ok()?;
    let t = templates.iter().find(|t| t.address_on(&id) == sealed.address)?;
    Some(Sealed::of(&match &t.target {
        Target::Event(_) => t.on_event(&sealed.event()?, None),
        _ => t.on(&id, sealed.spec.machine_name.as_deref()),
    }))
}

/// The resource that a seal holds; `None` if its parts do not fit together.
fn thaw(sealed: &Sealed, incident: &Declaration, template: Option<model::Source>) -> Option<Desired> {
    let call = sealed.call()?;
    let mut d = Desired::new(sealed.address.clone(), incident.source.clone(), call, sealed.spec.revision);
    if d.digest != sealed.digest {
        return None;
    }
    let exact = match &sealed.exact {
        Some(pieces) => serde_json::from_str(&pieces.concat()).ok()?,
        None => Exact {
            labels: sealed.labels.iter().map(|(k, v)| (k.clone(), v.plain())).collect(),
            triage: sealed.triage.as_ref().map(|t| Triage {
                mode: t.mode,
                status: t.status.as_deref().map(Into::into),
                assigned_to: t.assigned_to.as_ref().map(Text::plain),
                classification: t.classification.as_deref().map(Into::into),
                determination: t.determination.as_deref().map(Into::into),
                comment: t.comment.as_ref().map(Text::plain),
            }),
            approve: sealed.approve.as_ref().map(|a| Approval {
                over_limits: a.over_limits,
                protected: a.protected,
                reason: a.reason.plain(),
            }),
        },
    };
    (d.labels, d.triage, d.approve) = (exact.labels.into(), exact.triage.into(), exact.approve.into());
    let usual = Policy::default();
    d.policy = Policy {
        max_attempts: sealed.spec.max_attempts,
        // A seal holds the number whether it is written or not. The usual one, written, counts as not written: at worst a
        // package that has timed out twice is left to a person, and nothing is sent that was not reviewed.
        attempts_written: sealed.spec.max_attempts != usual.max_attempts,
        retry_after: sealed.spec.retry_after.unwrap_or(usual.retry_after),
        on_in_progress: sealed.spec.on_in_progress.unwrap_or(usual.on_in_progress),
        adopt_within: sealed.spec.adopt_within.unwrap_or(usual.adopt_within),
    };
    d.on_remove = sealed.on_remove;
    d.depends_on = sealed.depends_on.clone().into();
    d.machine_name = sealed.spec.machine_name.as_deref().map(Arc::from).into();
    d.expanded = Some(model::Expansion { incident: incident.name.clone(), source: template }).into();
    (Sealed::of(&d) == *sealed).then_some(d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::parse_manifests;
    use crate::seal::seals;

    const INCIDENT: &str = "apiVersion: casefile/v1
kind: Incident
metadata: { name: inc-1, labels: { note: \"two\\nlines, C:\\\\new\" } }
spec: { runbook: triage }
---
apiVersion: casefile/v1
kind: Runbook
metadata: { name: triage }
spec:
  resources:
    - kind: Alert
      metadata: { name: a }
      spec:
        machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
        severity: Low
        title: \"t \\u202E\"
        description: d
        recommendedAction: r
        eventTime: 2018-08-03T16:45:21.7115183Z
        reportId: \"20776\"
        category: Exploit
        revision: 3
        triage: { status: InProgress, determination: Malware, comment: \"a\\nb\" }
      lifecycle: { onRemove: Resolve }
    - kind: InvestigationPackage
      metadata: { name: p, labels: { note: plain } }
      spec:
        machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
        comment: \"C:\\\\new\"
        retryAfter: 1h
        onInProgress: fail
      dependsOn: [{ name: a, until: Succeeded }]
";

    /// The project of [`INCIDENT`] with one edit, its incident frozen or not.
    fn loaded(from: &str, to: &str, state: IncidentState) -> Loaded {
        let (resources, diagnostics) = parse_manifests("x.yaml", INCIDENT.replace(from, to).as_bytes());
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let source = model::Source { file: "x.yaml".into(), line: 3 };
        let inputs = model::Sha256Hex::ZERO;
        let incidents = vec![Declaration { name: "inc-1".into(), source, inputs, state }];
        Loaded { resources, incidents, ..Loaded::default() }
    }

    #[test]
    fn what_was_sealed_comes_back_to_the_byte() {
        let first = loaded("", "", IncidentState::Open);
        let files = seals(&first, &Seals::default()).into_iter();
        let found = Seals::new(files.map(|(name, seal)| (name, seal.to_text().into_bytes())));
        for (from, to) in [
            ("", ""),
            ("revision: 3", "revision: 4"),
            ("title: ", "title: other "),
            ("comment: \"a", "comment: \"other"),
            ("onInProgress: fail", "onInProgress: wait"),
            ("onRemove: Resolve", "onRemove: Retain"),
            ("note: plain", "note: other"),
            ("name: p,", "name: q,"),
        ] {
            let mut now = loaded(from, to, IncidentState::Frozen);
            let Frozen { held, deviating } = freeze(&mut now, &found);
            assert_eq!(deviating.len(), usize::from(!from.is_empty()), "{to}");
            assert!(now.diagnostics.is_empty(), "{:?}", now.diagnostics);
            assert_eq!(held.len(), usize::from(to == "name: q,"), "{to}");
            for (a, b) in now.resources.iter().zip(&first.resources) {
                assert_eq!(
                    (&a.address, &a.request(), a.digest),
                    (&b.address, &b.request(), b.digest),
                    "{to}"
                );
                assert_eq!((&a.labels, &a.triage, a.policy), (&b.labels, &b.triage, b.policy), "{to}");
                assert_eq!((a.on_remove, a.revision), (b.on_remove, b.revision), "{to}");
                assert_eq!(a.depends_on, b.depends_on, "{to}");
            }
            assert_eq!(now.resources.len(), 2, "{to}");
            // Sealed again, nothing changes.
            let again = seals(&now, &found);
            assert_eq!(Some(again["x.sealed.yaml"].to_text().as_str()), found.text("x.sealed.yaml"), "{to}");
        }
    }

    #[test]
    fn a_written_number_of_attempts_that_is_the_usual_one_counts_as_not_written() {
        let edit = |number: u32| format!("retryAfter: 1h\n        maxAttempts: {number}");
        for (number, written) in [(2, true), (3, false), (4, true)] {
            let first = loaded("retryAfter: 1h", &edit(number), IncidentState::Open);
            let files = seals(&first, &Seals::default()).into_iter();
            let found = Seals::new(files.map(|(name, seal)| (name, seal.to_text().into_bytes())));
            // The runbook makes something else by now, so that the seal counts.
            let mut now = loaded("retryAfter: 1h", "retryAfter: 2h", IncidentState::Frozen);
            freeze(&mut now, &found);
            let policy = now.resources[1].policy;
            assert_eq!((policy.max_attempts, policy.attempts_written), (number, written));
            assert_eq!(policy.allows(2, 2), number == 4);
        }
    }

    #[test]
    fn a_resource_declared_beside_its_seal_is_told() {
        let first = loaded("", "", IncidentState::Open);
        let files = seals(&first, &Seals::default()).into_iter();
        let found = Seals::new(files.map(|(name, seal)| (name, seal.to_text().into_bytes())));
        let mut now = loaded("name: p,", "name: q,", IncidentState::Frozen);
        let mut by_hand = first.resources[1].clone();
        by_hand.expanded = Default::default();
        now.resources.push(by_hand);
        now.resources.sort_by(|a, b| a.address.cmp(&b.address));
        freeze(&mut now, &found);
        assert_eq!(now.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["duplicate-address"]);
    }
}
