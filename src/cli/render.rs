//! `render`: runbooks and incidents as the manifests that they come to.

use super::args::RenderArgs;
use super::context::Context;
use super::exit::{Code, Error};
use super::project::{self, Narrow};
use crate::model::Desired;
use crate::plan::Selector;
use crate::render::manifests::manifests;

/// Prints every selected resource as a manifest: all of them plan to the digest of the project itself.
pub fn run(ctx: &Context, args: &RenderArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let narrow = Narrow::new(ctx, &args.paths)?;
    let selector = args.selector.as_deref().map(str::parse::<Selector>).transpose();
    let selector = selector.map_err(|e| Error::Usage(e.to_string()))?;
    let (loaded, _) = project::declared(ctx, &project)?;
    let chosen =
        |d: &Desired| narrow.covers(&d.source.file) && selector.as_ref().is_none_or(|s| s.matches(&d.labels));
    let resources = loaded.resources.iter().filter(|d| chosen(d));
    let templates = loaded.templates.iter().filter(|t| chosen(t.declared()));
    let text = manifests(resources, templates);
    if text.is_empty() {
        ctx.note("Nothing is declared or selected.");
    }
    ctx.document(&text)?;
    Ok(Code::Done)
}
