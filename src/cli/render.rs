//! `render`: runbooks and incidents as the manifests that they come to.

use super::args::RenderArgs;
use super::context::Context;
use super::exit::{Code, Error};
use super::project::{self, Narrow};
use crate::plan::Selector;
use crate::render::manifests::manifests;

/// Prints every selected resource as a manifest: all of them plan to the digest of the project itself.
pub fn run(ctx: &Context, args: &RenderArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let narrow = Narrow::new(ctx, &args.paths)?;
    let selector = args.selector.as_deref().map(str::parse::<Selector>).transpose();
    let selector = selector.map_err(|e| Error::Usage(e.to_string()))?;
    let (loaded, _) = project::declared(ctx, &project)?;
    let mut selected = loaded
        .resources
        .iter()
        .filter(|d| narrow.covers(&d.source.file) && selector.as_ref().is_none_or(|s| s.matches(&d.labels)))
        .peekable();
    if selected.peek().is_none() {
        ctx.note("Nothing is declared or selected.\n");
    }
    ctx.out(&manifests(selected))?;
    Ok(Code::Done)
}
