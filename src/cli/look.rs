//! A look at the service for commands that show what there is and write nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::connect::connect;
use super::context::{Context, reading_runtime};
use super::engine;
use super::exit::Error;
use super::patience::{READING, waiting};
use super::store;
use crate::engine::{Lookups, RunError, Scope, observe_listed, refresh};
use crate::manifest::{IncidentState, Loaded, Project};
use crate::model::IdKey;
use crate::plan::{Incidents, Machines, Settings, Unread};
use crate::state::State;

/// The findings of a look, beside what it changed in the state.
pub struct Looked {
    /// The parts that could not be read.
    pub unread: Vec<Unread>,
    /// The machines that were asked for, as far as they are listed.
    pub machines: Machines,
}

/// Folds what the service shows into a state in memory, and lists some machines.
pub fn look(
    ctx: &Context,
    project: &Project,
    state: &mut State,
    declared: &Loaded,
    machines: &BTreeSet<IdKey>,
) -> Result<Looked, Error> {
    let scope = Scope {
        desired: Vec::new(),
        selected: None,
        replace: BTreeSet::new(),
        // Nothing is planned, so an empty state is no reason to look far back.
        settings: Settings {
            incidents: Incidents { closed: closed(declared), ..Incidents::default() },
            ..engine::settings(ctx, project, true)
        },
        refresh: true,
        forecast: false,
        lookups: Lookups::default(),
    };
    let clock = ctx.clock();
    reading_runtime()?.block_on(async {
        let world = store::world(ctx, project)?;
        let keep = world.exists().then_some(world.as_path());
        let connection = connect(ctx, project, &clock, keep).await?;
        let client = Some(&connection.client);
        let _reading = waiting(ctx, READING);
        let seen = refresh(client, &clock, &scope, &connection.binding, state).await;
        let mut listed = Machines::default();
        let names = match &seen {
            Ok(_) => observe_listed(&connection.client, machines, &mut listed).await,
            Err(_) => Ok(()),
        };
        connection.close().await;
        let (observed, _) = seen.map_err(engine::run_error)?;
        names.map_err(|e| engine::run_error(RunError::from(e)))?;
        Ok(Looked { unread: observed.unread, machines: listed })
    })
}

/// The closed incidents, which are not looked at. What is wrong with a manifest is no matter here.
fn closed(declared: &Loaded) -> BTreeSet<Arc<str>> {
    let incidents = declared.incidents.iter();
    incidents.filter(|i| i.state == IncidentState::Closed).map(|i| i.name.clone()).collect()
}
