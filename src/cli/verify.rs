//! `verify`: the journal's whole chain and the snapshot, without the lock. Of the service nothing is asked.

use super::args::{Format, VerifyArgs};
use super::context::{Context, reading_runtime};
use super::exit::{Code, Error};
use super::project;
use super::store;
use crate::render::surgery::{self, VerifyDocument};
use crate::state::verify;

/// Shows the findings; exits 1 if there is one.
pub fn run(ctx: &Context, args: &VerifyArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let (snapshot, journal) = reading_runtime()?.block_on(store::whole(ctx, &project))?;
    let verified = verify(snapshot.as_deref(), journal.as_deref(), args.head);
    match args.format {
        Format::Human => ctx.out(&surgery::verified(&verified, project::style_out(ctx)))?,
        Format::Json => {
            let text = VerifyDocument::from(&verified).to_text().map_err(|e| Error::Stdout(e.into()))?;
            ctx.document(&text)?;
        }
    }
    Ok(if verified.findings.is_empty() { Code::Done } else { Code::Failed })
}
