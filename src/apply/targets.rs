//! Before a plan: resources that name no machine id get one. Reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::run::{RunError, Scope};
use crate::defender::{Client, Clock};
use crate::model::{Address, Desired, Template};
use crate::observe::observe_inventory;
use crate::plan::targets::{self, Inventory, Resolved, SealedMachine, TargetError, Targets};
use crate::plan::{Machines, names};
use crate::state::State;

/// Resources that stand for machines which are still to be found, and what they were found to mean.
#[derive(Clone, Debug, Default)]
pub struct Lookups {
    /// By address.
    pub(super) templates: Vec<Template>,
    /// Machines that seals hold, by the address of their manifest: they count in place of a list.
    pub(super) sealed: BTreeMap<Address, Vec<SealedMachine>>,
    /// What was learned; empty until they are resolved.
    pub(super) targets: Arc<Targets>,
    /// The machines that were listed.
    pub(super) machines: Machines,
}

impl Lookups {
    /// Templates to be resolved by what is recorded and listed.
    pub fn new(templates: Vec<Template>) -> Self {
        Lookups { templates, ..Lookups::default() }
    }

    /// The templates, taken out.
    pub fn take(&mut self) -> Vec<Template> {
        std::mem::take(&mut self.templates)
    }

    /// Templates whose machines were reviewed, as far as they are given here.
    pub fn sealed(templates: Vec<Template>, sealed: BTreeMap<Address, Vec<SealedMachine>>) -> Self {
        Lookups { templates, sealed, ..Lookups::default() }
    }
}

/// How much of the templates is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Everything that is planned.
    Planned,
    /// What is recorded; nothing is asked, and what is not recorded is left out.
    Recorded,
}

/// Why what a person typed means no resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistyped {
    /// It fits several.
    #[error(transparent)]
    Ambiguous(#[from] names::Ambiguous),
    /// The manifest stands for several machines.
    #[error("{0} stands for several machines: name one of them as {0}[NAME]")]
    Group(Address),
    /// No machine of the group has this name or id.
    #[error("no manifest declares {0}")]
    NotDeclared(Address),
}

/// Gives every template of a scope its machines; once.
///
/// # Errors
/// What cannot be resolved: nothing may be planned.
pub(super) async fn resolve(
    client: Option<&Client>,
    clock: &Clock,
    scope: &mut Scope,
    state: &State,
    depth: Depth,
) -> Result<(), RunError> {
    let templates = scope.lookups.take();
    if templates.is_empty() {
        return typed(scope, &templates);
    }
    let selected =
        |a: &Address| depth == Depth::Planned && scope.selected.as_ref().is_none_or(|s| s.contains(a));
    let input = targets::Templates {
        templates: &templates,
        declared: &scope.desired,
        state,
        sealed: &scope.lookups.sealed,
        selected: &selected,
    };
    let wanted = targets::wanted(&input);
    let inventory = match client {
        _ if wanted.is_nothing() => Inventory::not_looked("nothing had to be asked"),
        Some(client) if scope.refresh => observe_inventory(client, clock, &wanted).await?,
        _ => Inventory::not_looked("--no-refresh forbids to ask the service"),
    };
    let Resolved { desired, targets, machines, errors, unread } = targets::resolve(&input, &inventory);
    if !unread.is_empty() {
        return Err(RunError::Unread(unread));
    }
    if !errors.is_empty() {
        return Err(RunError::Unresolved(errors));
    }
    if let Some(selected) = &mut scope.selected {
        let chosen: BTreeSet<&Address> =
            templates.iter().map(Template::address).filter(|a| selected.contains(*a)).collect();
        let owner = |a: &Address| a.group().unwrap_or_else(|| a.clone());
        let members: Vec<Address> = desired
            .iter()
            .map(|d: &Desired| &d.address)
            .chain(targets.left.keys())
            .filter(|a| chosen.contains(&owner(a)))
            .cloned()
            .collect();
        for t in templates.iter().filter(|t| t.target.is_group()) {
            selected.remove(t.address());
        }
        selected.extend(members);
    }
    scope.desired.extend(desired);
    scope.desired.sort_by(|a, b| a.address.cmp(&b.address));
    for machine in machines {
        scope.lookups.machines.insert(&machine.id.clone(), Some(machine));
    }
    scope.lookups.targets = Arc::new(targets);
    typed(scope, &templates)
}

/// The resources that `--replace` means.
fn typed(scope: &mut Scope, templates: &[Template]) -> Result<(), RunError> {
    let known = || {
        scope.desired.iter().map(|d| {
            let listed = scope.lookups.machines.get(d.call.machine().as_str());
            (&d.address, d.machine_name.as_deref().or(listed.and_then(|m| m.computer_dns_name.as_deref())))
        })
    };
    let mut meant = BTreeSet::new();
    for address in &scope.replace {
        let address = names::meant(address, known()).map_err(Mistyped::from)?;
        if templates.iter().any(|t| t.target.is_group() && *t.address() == address) {
            return Err(Mistyped::Group(address).into());
        }
        if address.parts().is_some() && !scope.desired.iter().any(|d| d.address == address) {
            return Err(Mistyped::NotDeclared(address).into());
        }
        meant.insert(address);
    }
    scope.replace = meant;
    Ok(())
}

/// The sentence that a run ends with when names cannot be resolved.
pub(super) fn unresolved(errors: &[TargetError]) -> String {
    match errors.len() {
        1 => "the machine of 1 place cannot be told".to_owned(),
        n => format!("the machines of {n} places cannot be told"),
    }
}
