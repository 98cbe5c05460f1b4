//! `verify`: the journal's whole chain, the snapshot and the packages that are held, without the lock. Of the service nothing is asked.

use super::args::{Format, VerifyArgs};
use super::context::{Context, reading_runtime};
use super::evidence;
use super::exit::{Code, Error};
use super::patience::{EVIDENCE, waiting};
use super::project;
use super::store;
use crate::evidence::{check, check_behind_fault};
use crate::render::fetch;
use crate::render::surgery::{self, VerifyDocument};
use crate::state::{custody_records, custody_records_behind_fault, verify};

/// Shows the findings; exits 1 if there is one.
pub fn run(ctx: &Context, args: &VerifyArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let runtime = reading_runtime()?;
    let (snapshot, journal) = runtime.block_on(store::whole(ctx, &project))?;
    let tip = runtime.block_on(store::tip(ctx, &project));
    let verified = verify(snapshot.as_deref(), journal.as_deref(), args.head);
    let checked = match args.no_evidence {
        true => None,
        false => {
            let journal = journal.as_deref().unwrap_or_default();
            let (held, behind) = (custody_records(journal), custody_records_behind_fault(journal));
            let store = evidence::store(ctx, &project)?;
            let _looking = waiting(ctx, EVIDENCE);
            Some(runtime.block_on(async {
                let mut checked = check(&held, &*store).await;
                check_behind_fault(&mut checked, &behind, &*store).await;
                checked
            }))
        }
    };
    match args.format {
        Format::Human => {
            let style = project::style_out(ctx);
            let packages = checked.as_ref().map(|c| fetch::checked(c, style)).unwrap_or_default();
            ctx.out(&(surgery::verified(&verified, style) + &packages))?;
        }
        Format::Json => {
            let mut document = VerifyDocument::from(&verified);
            if let Some(checked) = &checked {
                document = document.with_evidence(checked);
            }
            ctx.document(&document.to_text().map_err(|e| Error::Stdout(e.into()))?)?;
        }
    }
    tip?;
    let sound = verified.findings.is_empty() && checked.is_none_or(|c| c.findings.is_empty());
    Ok(if sound { Code::Done } else { Code::Failed })
}
