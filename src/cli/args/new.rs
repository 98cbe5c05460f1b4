//! The arguments of `new`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `new`
#[derive(Debug, Subcommand)]
pub enum NewCommand {
    /// Write a manifest that collects a package from a machine
    Package(NewPackageArgs),
    /// Write an incident for a runbook
    Incident(NewIncidentArgs),
}

/// Where a new manifest goes.
#[derive(Clone, Debug, Args)]
pub struct Placing {
    /// Write this file, or `-` for stdout; without it, a file in the first folder of `spec.manifests`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Show the manifest; write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `new package`
#[derive(Debug, Args)]
pub struct NewPackageArgs {
    /// The machine: its Defender device id, or its name
    #[arg(value_name = "HOST")]
    pub host: String,
    /// Why; sent verbatim
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub comment: String,
    /// The name of the manifest; made from HOST, if it is left out
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where it goes.
    #[command(flatten)]
    pub placing: Placing,
}

/// `new incident`
#[derive(Debug, Args)]
pub struct NewIncidentArgs {
    /// The name of the incident, such as inc-2042
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The runbook
    #[arg(long, value_name = "RUNBOOK")]
    pub runbook: String,
    /// A value of the runbook's parameters: KEY=VALUE, or KEY=@FILE for a list of lines; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where it goes.
    #[command(flatten)]
    pub placing: Placing,
}
