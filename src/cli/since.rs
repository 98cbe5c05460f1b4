//! `--since REF`: which files git says have changed. The one place that runs git.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use super::context::Context;
use super::exit::Error;
use crate::render::escape;

/// Files that differ from a revision, and new ones that git does not ignore: relative to the project folder,
/// with `/`.
pub fn changed(ctx: &Context, revision: &str) -> Result<BTreeSet<String>, Error> {
    let diff =
        ["diff", "--name-only", "--relative", "--no-ext-diff", "-z", "--end-of-options", revision, "--"];
    let mut files = names(ctx, &diff)?;
    files.extend(names(ctx, &["ls-files", "--others", "--exclude-standard", "-z"])?);
    Ok(files)
}

fn names(ctx: &Context, args: &[&str]) -> Result<BTreeSet<String>, Error> {
    let failed = |why: &str| Error::Git { why: escape::one_line(why.trim()).into_owned() };
    let git = Command::new("git").arg("-C").arg(&ctx.dir).args(args).stdin(Stdio::null()).output();
    let output = git.map_err(|e| failed(&e.to_string()))?;
    if !output.status.success() {
        return Err(failed(&String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}
