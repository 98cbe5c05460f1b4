//! The examination of a project against its service: each thing that was seen becomes a verdict, and steps to take.
//!
//! Responsible for the rules. What is looked at, and in which order, is `cli::doctor`; words on a page are `render`.
//! Something that could not be seen is never fine: it is a warning at least.

mod network;
mod permission;
mod preflight;
mod sign_in;

pub use network::{proxy, region, tls};
pub use permission::{Needs, Probe, permission};
pub use preflight::{Hopeless, lacking, wrong_audience};
pub use sign_in::{audience, clock, token};

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, or could not be seen.
    Warning,
    /// Something that the project needs is missing.
    Failed,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name: stable, one for each kind of thing.
    pub name: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// The findings in words.
    pub seen: String,
    /// The steps to take, or commands; empty if there is nothing to do.
    pub fix: Vec<String>,
}

impl Check {
    /// Something that is as it should be.
    pub fn ok(name: &'static str, seen: impl Into<String>) -> Check {
        Check { name, verdict: Verdict::Ok, seen: seen.into(), fix: Vec::new() }
    }

    /// Something that works, or could not be seen.
    pub fn warning(name: &'static str, seen: impl Into<String>) -> Check {
        Check { verdict: Verdict::Warning, ..Check::ok(name, seen) }
    }

    /// Something that is missing.
    pub fn failed(name: &'static str, seen: impl Into<String>) -> Check {
        Check { verdict: Verdict::Failed, ..Check::ok(name, seen) }
    }

    /// Something that was not looked at, because of an earlier failure.
    pub fn not_seen(name: &'static str, why: &str) -> Check {
        Check::warning(name, format!("not looked at: {why}"))
    }

    /// The same with a step that helps.
    #[must_use]
    pub fn fix(mut self, step: impl Into<String>) -> Check {
        self.fix.push(step.into());
        self
    }
}
