//! Packages in words: what a fetch came to, and what `verify` found of those that are held.

use serde::Serialize;

use super::layout::{Paint, Paragraph};
use super::ways_out::Next;
use super::{Style, commands, messages};
use crate::engine::Fetched;
use crate::evidence::{Checked, Finding, Wrong};
use crate::model::Address;

/// How a fetch ended. `running` collections were asked for and are not done; of those of `failed` the package is held, and
/// the user's command failed.
pub fn fetched(fetched: &Fetched, running: usize, failed: &[Address], style: Style) -> String {
    let mut out = String::new();
    let mut parts = Vec::new();
    let mut say = |n: usize, what: &str| {
        if n > 0 {
            parts.push(format!("{} {what}", messages::plural(n, "package")));
        }
    };
    say(fetched.fetched.len(), "fetched");
    say(fetched.restored.len(), "fetched again");
    say(fetched.held, "held already");
    say(fetched.failed.len(), "not fetched");
    say(fetched.not_ready.len(), "not ready");
    if parts.is_empty() {
        parts.push("no collection is done: nothing to fetch".to_owned());
    }
    Paragraph::new(0, 2)
        .push(Paint::Strong, "Result: ")
        .push_list(Paint::Strong, &parts)
        .push(Paint::Strong, ".")
        .write(style, &mut out);
    for (list, paint, mark) in
        [(&fetched.failed, Paint::Bad, "! "), (&fetched.not_ready, Paint::Notice, "~ ")]
    {
        for address in list {
            Paragraph::new(2, 6)
                .push(paint, mark)
                .push(Paint::Strong, address.to_string())
                .write(style, &mut out);
        }
    }
    if !failed.is_empty() {
        let text = format!("{} failed; the packages are held:", messages::plural(failed.len(), "command"));
        Paragraph::new(0, 2).push(Paint::Bad, text).write(style, &mut out);
    }
    for address in failed {
        Paragraph::new(2, 6)
            .push(Paint::Bad, "! ")
            .push(Paint::Strong, address.to_string())
            .write(style, &mut out);
    }
    if running > 0 {
        let verb = if running == 1 { "runs" } else { "run" };
        let text = format!("{} still {verb}.", messages::plural(running, "collection"));
        Paragraph::new(0, 2).text(text).write(style, &mut out);
    }
    if running > 0 || !fetched.failed.is_empty() || !fetched.not_ready.is_empty() || fetched.interrupted {
        let next = Next::new("fetch what is missing, from where it was left", "casefile fetch");
        commands::next(&[next], 0, style, &mut out);
    }
    out
}

/// The packages that `verify` looked at.
pub fn checked(checked: &Checked, style: Style) -> String {
    let mut out = String::new();
    for finding in &checked.findings {
        Paragraph::new(0, 2).push(Paint::Bad, "! ").text(words(finding)).write(style, &mut out);
        Paragraph::new(2, 4).push(Paint::Faint, "next: ").text(next(&finding.what)).write(style, &mut out);
    }
    for file in &checked.left {
        Paragraph::new(0, 2)
            .push(Paint::Faint, "  ")
            .text(format!(
                "{file}: left by a download that is not over, or could not be held; it is no evidence"
            ))
            .write(style, &mut out);
    }
    let packages = messages::plural(checked.packages, "package");
    if checked.packages > 0 && checked.findings.is_empty() {
        let verb = if checked.packages == 1 { "is as it was" } else { "are as they were" };
        let text = format!("{packages} {verb} when it was recorded.");
        let text =
            if checked.packages == 1 { text } else { text.replace("it was recorded", "they were recorded") };
        Paragraph::new(0, 2).push(Paint::Strong, text).write(style, &mut out);
    } else if !checked.findings.is_empty() {
        let text =
            format!("{packages} read, {} of evidence.", messages::plural(checked.findings.len(), "finding"));
        Paragraph::new(0, 2).push(Paint::Strong, text).write(style, &mut out);
    }
    if checked.elsewhere > 0 {
        let text =
            format!("{} held elsewhere, not looked at.", messages::plural(checked.elsewhere, "package"));
        Paragraph::new(0, 2).text(text).write(style, &mut out);
    }
    out
}

/// A finding in words.
pub fn words(finding: &Finding) -> String {
    match &finding.address {
        Some(address) => format!("{address}: {}: {}", finding.file, finding.what),
        None => format!("{}: {}", finding.file, finding.what),
    }
}

/// Returns a hint for the reader.
pub fn next(what: &Wrong) -> &'static str {
    match what {
        Wrong::Missing => {
            "restore it from a backup, or casefile fetch, while the service has it; and find out who had access: its SHA-256 \
             is in the journal"
        }
        Wrong::Truncated(..) | Wrong::OtherLength | Wrong::Altered(_) | Wrong::Swapped(_) => {
            "restore it from a backup, and find out who had access; its SHA-256 is in the journal"
        }
        Wrong::Extra => "move it elsewhere: only what was fetched is evidence",
        Wrong::Unproven => "put the journal right first: casefile state rebuild",
        Wrong::RecordMissing => "casefile fetch",
        Wrong::RecordAltered => "move it elsewhere, then casefile fetch, which writes it from the journal",
        Wrong::Unreadable(_) => "put the cause right, then casefile verify",
    }
}

/// The packages in `verify --format json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceDocument {
    /// How many packages were read and hashed.
    pub packages: usize,
    /// How many are held in another place.
    pub elsewhere: usize,
    /// Files that are no evidence, and left by downloads.
    pub left: Vec<String>,
}

impl From<&Checked> for EvidenceDocument {
    fn from(checked: &Checked) -> Self {
        EvidenceDocument {
            packages: checked.packages,
            elsewhere: checked.elsewhere,
            left: checked.left.clone(),
        }
    }
}
