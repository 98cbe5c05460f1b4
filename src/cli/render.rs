//! `render`: runbooks and incidents as the manifests that they come to.

use super::args::RenderArgs;
use super::context::Context;
use super::engine;
use super::exit::{Code, Error};
use super::project;
use super::selected;
use crate::render::manifests::manifests;
use crate::session::Selection;

/// Prints every selected resource as a manifest: all of them plan to the digest of the project itself.
pub fn run(ctx: &Context, args: &RenderArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let paths = project::paths(ctx, &project, &args.paths, "render")?;
    let labels = engine::selector(args.selector.as_deref())?;
    let selection = Selection { paths, labels, changed: None };
    let (loaded, _) = project::declared(ctx, &project)?;
    selected::refuse_nothing(&project, &loaded, &selection)?;
    let resources = loaded.resources.iter().filter(|d| selection.names(d));
    let templates = loaded.templates.iter().filter(|t| selection.names(t.declared()));
    let text = manifests(resources, templates);
    if text.is_empty() {
        ctx.note("Nothing is declared.");
    }
    ctx.document(&text)?;
    Ok(Code::Done)
}
