//! `status`: every resource of the state.

use super::args::{Format, StatusArgs};
use super::context::Context;
use super::exit::{Code, Error};
use super::project;
use crate::render::state::{StateDocument, table};
use crate::state::State;

/// Shows the recorded state of all resources, or of the named ones.
pub fn run(ctx: &Context, args: &StatusArgs) -> Result<Code, Error> {
    if !args.no_refresh {
        return Err(Error::NotBuilt("status without --no-refresh"));
    }
    let loaded = project::state(ctx, &project::load(ctx)?)?;
    show(ctx, args, &loaded.state)
}

/// Writes the selected part of a state.
fn show(ctx: &Context, args: &StatusArgs, state: &State) -> Result<Code, Error> {
    if let Some(missing) = args.addresses.iter().find(|a| !state.resources.contains_key(*a)) {
        return Err(Error::NotInState(missing.clone()));
    }
    let document =
        StateDocument::new(state, |address, _| args.addresses.is_empty() || args.addresses.contains(address));
    let text = match args.format {
        Format::Human => table(&document, project::style_out(ctx), ctx.now()),
        Format::Json => document.to_text().map_err(|e| Error::Stdout(e.into()))?,
    };
    ctx.out(&text)?;
    Ok(Code::Done)
}
