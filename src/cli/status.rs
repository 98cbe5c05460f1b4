//! `status`: every resource of the state.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::args::{Format, StatusArgs};
use super::connect::connect;
use super::context::{Context, reading_runtime};
use super::engine;
use super::exit::{Code, Error};
use super::project;
use super::store::{self, Check};
use crate::engine::{Lookups, Scope, refresh};
use crate::manifest::{self, IncidentState, Project};
use crate::plan::{Incidents, Settings};
use crate::render::state::{StateDocument, table};
use crate::state::State;

/// Shows all resources of the state, or the named ones, as the service shows them now. Writes nothing.
pub fn run(ctx: &Context, args: &StatusArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let mut state = store::read(ctx, &project, Check::Tail)?.state;
    let mut unread = Vec::new();
    if !args.no_refresh {
        let scope = Scope {
            desired: Vec::new(),
            selected: None,
            replace: BTreeSet::new(),
            // Nothing is planned, so an empty state is no reason to look far back.
            settings: Settings {
                incidents: Incidents { closed: closed(ctx, &project), ..Incidents::default() },
                ..engine::settings(ctx, &project, true)
            },
            refresh: true,
            forecast: false,
            lookups: Lookups::default(),
        };
        let clock = ctx.clock();
        reading_runtime()?.block_on(async {
            let world = store::world(ctx, &project)?;
            let keep = world.exists().then_some(world.as_path());
            let connection = connect(ctx, &project, &clock, keep).await?;
            let client = Some(&connection.client);
            let seen = refresh(client, &clock, &scope, &connection.binding, &mut state).await;
            connection.close().await;
            let (observed, _) = seen.map_err(engine::run_error)?;
            unread = observed.unread;
            Ok::<_, Error>(())
        })?;
    }
    let code = show(ctx, args, &state)?;
    if unread.is_empty() { Ok(code) } else { Err(engine::unread_error("this is what is recorded", &unread)) }
}

/// The closed incidents, which are not looked at. What is wrong with a manifest is no matter here.
fn closed(ctx: &Context, project: &Project) -> BTreeSet<Arc<str>> {
    let incidents = manifest::load(&ctx.dir, project).incidents;
    incidents.into_iter().filter(|i| i.state == IncidentState::Closed).map(|i| i.name).collect()
}

/// Writes the selected part of a state.
fn show(ctx: &Context, args: &StatusArgs, state: &State) -> Result<Code, Error> {
    let mut chosen = BTreeSet::new();
    for typed in &args.addresses {
        let address = engine::in_state(state, typed)?;
        if !state.resources.contains_key(&address) {
            return Err(Error::NotInState(address));
        }
        chosen.insert(address);
    }
    let document =
        StateDocument::new(state, |address, _| args.addresses.is_empty() || chosen.contains(address));
    match args.format {
        Format::Human => ctx.out(&table(&document, project::style_out(ctx), ctx.now()))?,
        Format::Json => ctx.document(&document.to_text().map_err(|e| Error::Stdout(e.into()))?)?,
    }
    Ok(Code::Done)
}
