//! Saved plans: what of one is left to do on the state of now.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::RunError;
use super::preview::{attach_targets, check_binding, make_plan, words};
use super::refresh::observe;
use super::run::Run;
use crate::model::Address;
use crate::plan::{self, Machines, Plan, PlanWarning, SavedPlan, Stale};

impl Run<'_> {
    /// Takes a saved plan up: gives what of it is left to do on this state. The service is asked only
    /// where there is no state, whether that was lost.
    pub async fn resume(&mut self, saved: &SavedPlan) -> Result<Plan, RunError> {
        let (made_for, run) = (&saved.execution.binding, &self.options.binding);
        match check_binding(made_for, run) {
            Ok(()) => {}
            Err(RunError::OtherProject { state, project }) => {
                let [plan, run] = [state, project].map(|name| format!("the project {name}"));
                return Err(RunError::OtherPlace { plan, run });
            }
            Err(_) => return Err(RunError::OtherPlace { plan: words(made_for), run: words(run) }),
        }
        self.has_seen(saved).await?;
        let mut remaining = saved.remaining(self.journal.plan_anew())?;
        self.compare(&mut remaining).await?;
        let settings = &self.scope.settings;
        let over = plan::over_limits(&remaining.changes, &settings.limits, &saved.plan.changes);
        remaining.warnings.extend(over);
        let mut machines = Machines::default();
        self.resolve_names(&remaining, &mut machines).await?;
        plan::guard::guard(&mut remaining.changes, &settings.guards, &machines);
        Ok(remaining)
    }

    /// Refuses a saved plan that was made on records which this state does not hold.
    async fn has_seen(&mut self, saved: &SavedPlan) -> Result<(), RunError> {
        let Some(plan) = saved.execution.head else { return Ok(()) };
        let (lineage, state) = (self.state().lineage.as_ref(), self.state().head);
        // Of another lineage is said below that it is.
        if lineage == Some(&saved.plan.lineage) && !self.journal.holds(plan).await.map_err(Arc::new)? {
            return Err(Stale::OtherHistory { plan, state }.into());
        }
        Ok(())
    }

    /// Compares what a saved plan creates with what the service shows by now: something else may have made it since.
    async fn compare(&mut self, remaining: &mut Plan) -> Result<(), RunError> {
        let empty = self.state().resources.is_empty();
        let state = self.state();
        let asked = |a: &Address| remaining.changes.iter().any(|c| c.address == *a && c.call.is_some());
        let new = self.scope.desired.iter().filter(|d| asked(&d.address));
        let new = new.filter(|d| plan::asks_by_itself(d, state.resources.get(&d.address)));
        let new: BTreeSet<Address> = new.map(|d| d.address.clone()).collect();
        if new.is_empty() || empty && self.scope.settings.fresh {
            return Ok(());
        }
        let settings = self.settings();
        // Nothing of it is recorded: what the plan's own look saw is part of its rows.
        let need = plan::need(&self.scope.desired, state, &|a| new.contains(a), &settings);
        let mut stop = self.stop.clone();
        let mut observed = tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|s| *s) => return Err(RunError::Interrupted),
            observed = observe(self.client, self.clock, &need) => observed?,
        };
        attach_targets(&mut observed, &self.scope);
        if !observed.unread.is_empty() {
            let unread = observed.unread;
            return Err(if empty { RunError::Blind(unread) } else { RunError::Unread(unread) });
        }
        let now = make_plan(&self.scope, self.state(), &observed, &settings);
        let saved = |a: &Address| remaining.changes.iter().find(|c| c.address == *a);
        let since = now.changes.iter().filter(|c| new.contains(&c.address)).filter_map(|c| {
            let ids = plan::unexpected(&c.look_alikes, &saved(&c.address)?.look_alikes);
            let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
            (!ids.is_empty()).then(|| (c.address.clone(), ids))
        });
        let since: Vec<(Address, Vec<String>)> = since.collect();
        if !since.is_empty() {
            return Err(Stale::MadeSince(since).into());
        }
        let lost = now.warnings.into_iter().filter(|w| matches!(w, PlanWarning::LookAlikes { .. }));
        remaining.warnings.extend(lost);
        Ok(())
    }
}
