//! `state list`, `state show ADDRESS`: what is recorded, without a look at the service.

use super::args::StateShowArgs;
use super::context::Context;
use super::exit::{Code, Error};
use super::project;
use crate::render::state::{StateDocument, show as show_resource, table};

/// One line a resource.
pub fn list(ctx: &Context) -> Result<Code, Error> {
    let loaded = project::state(ctx, &project::load(ctx)?)?;
    let document = StateDocument::new(&loaded.state, |_, _| true);
    ctx.out(&table(&document, project::style_out(ctx), ctx.now()))?;
    Ok(Code::Done)
}

/// Everything about one resource.
pub fn show(ctx: &Context, args: &StateShowArgs) -> Result<Code, Error> {
    let loaded = project::state(ctx, &project::load(ctx)?)?;
    let resource =
        loaded.state.resources.get(&args.address).ok_or_else(|| Error::NotInState(args.address.clone()))?;
    ctx.out(&show_resource(&args.address, resource, project::style_out(ctx), ctx.now()))?;
    Ok(Code::Done)
}
