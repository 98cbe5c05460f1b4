//! The arguments of `drill`.

use clap::Args;

use super::Format;
use crate::model::Span;

/// `drill`
#[derive(Debug, Args)]
pub struct DrillArgs {
    /// Try this runbook in place of what is declared, with the values of its cases, or with samples of its parameters
    #[arg(long, value_name = "RUNBOOK")]
    pub runbook: Option<String>,
    /// How many machines are made up for each tag, and for the lists of machines that the runbook takes
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub machines: u16,
    /// Let things go wrong: busy, offline and failing machines, throttling, 5xx, lost answers
    #[arg(long)]
    pub faults: bool,
    /// Which things go wrong, and when: the same number is the same drill
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// How long a run waits for its collections, as `apply --wait --timeout` does
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    pub timeout: Span,
    /// Allow more calls than the project's `limits`
    #[arg(long)]
    pub allow_over_limits: bool,
    /// Allow calls to the project's `protected` machines
    #[arg(long)]
    pub allow_protected: bool,
    /// How the drill is told: text, or one JSON document
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: Format,
}
