//! Before a plan: resources that name no machine id get one. Reads only.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::{Mistyped, RunError};
use super::refresh::observe_inventory;
use super::scope::Scope;
use crate::defender::{Client, Clock};
use crate::model::{Address, Desired, Template};
use crate::plan::names;
use crate::plan::targets::{self, Inventory, Resolved};
use crate::state::State;

/// How much of the templates is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Everything that is planned.
    Planned,
    /// What is recorded; nothing is asked, and what is not recorded is left out.
    Recorded,
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
        skip_unresolved: scope.lookups.skip_unresolved,
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
