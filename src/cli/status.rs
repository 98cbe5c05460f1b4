//! `status`: every resource of the state.

use std::collections::BTreeSet;

use super::args::{Format, StatusArgs};
use super::context::Context;
use super::engine;
use super::exit::{Code, Error};
use super::look::look;
use super::project;
use super::store::{self, Check};
use crate::render::state::{StateDocument, table};
use crate::state::State;

/// Shows all resources of the state, or the named ones, as the service shows them now. Writes nothing.
pub fn run(ctx: &Context, args: &StatusArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let mut state = store::read(ctx, &project, Check::Tail)?.state;
    let mut unread = Vec::new();
    if !args.no_refresh {
        unread = look(ctx, &project, &mut state, &BTreeSet::new())?.unread;
    }
    let code = show(ctx, args, &state)?;
    if unread.is_empty() { Ok(code) } else { Err(engine::unread_error("this is what is recorded", &unread)) }
}

/// Writes the selected part of a state.
fn show(ctx: &Context, args: &StatusArgs, state: &State) -> Result<Code, Error> {
    let chosen = engine::named(state, &args.addresses)?;
    let document =
        StateDocument::new(state, |address, _| args.addresses.is_empty() || chosen.contains(address));
    match args.format {
        Format::Human => ctx.out(&table(&document, project::style_out(ctx), ctx.now()))?,
        Format::Json => ctx.document(&document.to_text().map_err(|e| Error::Stdout(e.into()))?)?,
    }
    Ok(Code::Done)
}
