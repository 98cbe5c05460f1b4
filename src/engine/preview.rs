//! A look at the service and the plan that comes of it, without writing anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::RunError;
use super::refresh::{observe, observe_absent, observe_listed, observe_machines, observe_open_alerts};
use super::scope::Scope;
use super::targets::{Depth, resolve};
use crate::defender::{Client, Clock};
use crate::model::{Address, Kind};
use crate::plan::{self, Change, Input, Need, Observed, Plan, Settings};
use crate::state::{Binding, QuotaUsage, Record, Seq, State, StoreError};

/// Makes a plan without writing anything: `casefile plan`. What the refresh saw is part of the rows, so
/// that the plan can be saved and carried out on the state as it is recorded. `spent` tells what the calls since then
/// cost the quotas; it is asked if the plan has calls.
pub async fn preview(
    client: Option<&Client>,
    clock: &Clock,
    scope: &mut Scope,
    binding: &Binding,
    state: &mut State,
    spent: &dyn Fn(Timestamp) -> Result<Vec<QuotaUsage>, StoreError>,
) -> Result<Plan, RunError> {
    check_binding(&state.binding, binding)?;
    resolve(client, clock, scope, state, Depth::Planned).await?;
    let scope = &*scope;
    let (mut observed, mut settings, records) = look_at(client, clock, scope, binding, state).await?;
    let touched = records.iter().filter_map(|r| Some((r.address()?, state.resources.get(r.address()?)?)));
    let recorded: BTreeMap<Address, Seq> = touched.map(|(a, r)| (a.clone(), r.changed)).collect();
    fold(state, clock.now(), &records)?;
    let mut plan = make_plan(scope, state, &observed, &settings);
    if plan.calls().next().is_some() {
        let calls = spent(QuotaUsage::since(settings.now)).map_err(Arc::new)?;
        settings.spent = calls.into_iter().map(|s| s.by(settings.now, settings.service_ahead)).collect();
        let mut more = !settings.spent.is_empty();
        // Of a plan that could not see what it needs nobody asks for more.
        if let Some(client) = client.filter(|_| observed.unread.is_empty()) {
            if scope.forecast {
                more |= list_for_reader(client, &plan.changes, &mut observed, &settings).await?;
            }
            // What was listed just now is not asked for again.
            let unnamed = plan::unnamed(&plan.changes, &settings.guards);
            if !unnamed.is_empty() {
                observe_machines(client, &unnamed, &mut observed.machines).await?;
                more = true;
            }
        }
        // What was seen and spent is told in the rows, and decides none.
        if more {
            plan = make_plan(scope, state, &observed, &settings);
        }
    }
    plan::saved::rebase(&mut plan.changes, &recorded, &records);
    Ok(plan)
}

/// Lists what a reader wants to know about the calls of a plan; false if none of its rows has one that creates.
pub(super) async fn list_for_reader(
    client: &Client,
    changes: &[Change],
    observed: &mut Observed,
    settings: &Settings,
) -> Result<bool, RunError> {
    let machines = plan::machines_of_calls(changes);
    if machines.is_empty() {
        return Ok(false);
    }
    observe_listed(client, &machines, &mut observed.machines).await?;
    observe_absent(client, &machines, &mut observed.machines).await?;
    let alerts = changes.iter().any(|c| c.address.kind() == Kind::Alert && c.action.creates());
    if alerts && observed.recent_alerts.is_none() {
        observed.recent_alerts = observe_open_alerts(client, settings.now - plan::LOOK_BACK).await?;
    }
    Ok(true)
}

/// Folds what the service shows into a state in memory, without writing anything: `casefile status`.
/// Without a client nothing is looked at.
pub async fn refresh(
    client: Option<&Client>,
    clock: &Clock,
    scope: &Scope,
    binding: &Binding,
    state: &mut State,
) -> Result<(Observed, Settings), RunError> {
    let (observed, settings, records) = look_at(client, clock, scope, binding, state).await?;
    fold(state, clock.now(), &records)?;
    Ok((observed, settings))
}

async fn look_at(
    client: Option<&Client>,
    clock: &Clock,
    scope: &Scope,
    binding: &Binding,
    state: &State,
) -> Result<(Observed, Settings, Vec<Record>), RunError> {
    check_binding(&state.binding, binding)?;
    let mut settings = Settings { now: clock.now(), ..scope.settings.clone() };
    let need = needed(scope, state, &settings);
    let mut observed = match client {
        Some(client) => observe(client, clock, &need).await?,
        None => not_looked(clock.now()),
    };
    attach_targets(&mut observed, scope);
    settings.service_ahead = client.and_then(Client::server_offset).map(|o| o.least());
    let records = plan::absorb(&scope.desired, state, &observed, &settings);
    Ok((observed, settings, records))
}

/// Adds what finding the machines has told already.
pub(super) fn attach_targets(observed: &mut Observed, scope: &Scope) {
    observed.targets = scope.lookups.targets.clone();
    observed.machines = scope.lookups.machines.clone();
}

pub(super) fn not_looked(at: jiff::Timestamp) -> Observed {
    Observed { at, server_at: at, ..Observed::default() }
}

fn needed(scope: &Scope, state: &State, settings: &Settings) -> Need {
    let selected = |a: &Address| scope.selected.as_ref().is_none_or(|s| s.contains(a));
    plan::need(&scope.desired, state, &selected, settings)
}

fn fold(state: &mut State, at: jiff::Timestamp, records: &[Record]) -> Result<(), RunError> {
    for r in records {
        state.apply(state.seq + 1, at, r)?;
    }
    Ok(())
}

pub(super) fn make_plan(scope: &Scope, state: &State, observed: &Observed, settings: &Settings) -> Plan {
    plan::plan(&input(scope, state, observed, settings))
}

fn input<'a>(
    scope: &'a Scope,
    state: &'a State,
    observed: &'a Observed,
    settings: &'a Settings,
) -> Input<'a> {
    Input {
        desired: &scope.desired,
        selected: scope.selected.as_ref(),
        replace: &scope.replace,
        state,
        observed,
        settings,
    }
}

/// A state belongs to one cloud or endpoint, one tenant and one project. What is not known on either side is no
/// conflict.
pub(super) fn check_binding(state: &Binding, run: &Binding) -> Result<(), RunError> {
    let begun = state.cloud.is_some() || state.endpoint.is_some();
    let other_place = begun && (&state.cloud, &state.endpoint) != (&run.cloud, &run.endpoint);
    let other_tenant =
        matches!((&state.tenant, &run.tenant), (Some(a), Some(b)) if !a.eq_ignore_ascii_case(b));
    if other_place || other_tenant {
        return Err(RunError::OtherTenant { state: words(state), run: words(run) });
    }
    if let (Some(state), Some(project)) = (&state.project, &run.project)
        && state != project
    {
        return Err(RunError::OtherProject { state: state.clone(), project: project.clone() });
    }
    Ok(())
}

pub(super) fn words(b: &Binding) -> String {
    let place = b.endpoint.clone().or_else(|| b.cloud.as_ref().map(|c| format!("cloud {c}")));
    let tenant = b.tenant.as_ref().map(|t| format!("tenant {t}"));
    let parts: Vec<String> = place.into_iter().chain(tenant).collect();
    if parts.is_empty() { "no service yet".to_owned() } else { parts.join(", ") }
}
