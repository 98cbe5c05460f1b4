//! The arguments of `new`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

/// `new`
#[derive(Debug, Subcommand)]
pub enum NewCommand {
    /// Write a manifest that collects a package from a machine
    Package(NewPackageArgs),
    /// Write an incident for a runbook
    Incident(NewIncidentArgs),
}

/// `--label KEY=VALUE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok(Label { key: key.to_owned(), value: value.to_owned() })
            }
            _ => Err("write KEY=VALUE, such as incident=INC-2042".to_owned()),
        }
    }
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
    /// The machines: their Defender device ids, or their names
    #[arg(value_name = "HOST", required_unless_present = "from_file")]
    pub hosts: Vec<String>,
    /// Read more machines from this file: one a line, without blank lines and those that begin with `#`
    #[arg(long, value_name = "FILE")]
    pub from_file: Option<PathBuf>,
    /// Why; sent verbatim
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub comment: String,
    /// The name of the manifest; made from HOST, if it is left out. Of several machines, what stands before each HOST
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A label of the manifest; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<Label>,
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
    /// A value of the runbook's parameters: KEY=VALUE, KEY=A,B for a list, or KEY=@FILE for a list of lines; repeatable.
    /// Without any, they are asked for on a terminal; elsewhere a manifest to be filled in is written
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where it goes.
    #[command(flatten)]
    pub placing: Placing,
}
