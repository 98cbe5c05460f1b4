//! The arguments of `export`, `fetch` and `report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Format, Locking};
use crate::cli::exec::UserCommand;
use crate::plan::names::Named;

/// `export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Export what is about these resources only
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<Named>,
    /// Export only what carries these labels, such as incident=INC-2042
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Write a BagIt bag into this folder, which must not exist yet, or be empty
    #[arg(long, value_name = "DIR", required = true)]
    pub bagit: PathBuf,
    /// Add every record of the journal, those of other resources too
    #[arg(long)]
    pub whole_journal: bool,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: Format,
}

/// `fetch`
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Fetch the packages of these resources only
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<Named>,
    /// Fetch only what carries these labels, such as incident=INC-2042
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// How many packages may be under way at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub parallelism: u16,
    /// Run a command for each package that is newly held
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<UserCommand>,
    /// The lock.
    #[command(flatten)]
    pub locking: Locking,
    /// How the run is told: text, or one JSON event a line
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: Format,
}

/// `report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Tell of these resources only
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<Named>,
    /// Tell only of what carries these labels, such as incident=INC-2042
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// The file to write, or `-` for stdout; without it, report.html for a page, and stdout for JSON
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Read the service first, and list how the machines are
    #[arg(long)]
    pub refresh: bool,
    /// Read each package that is held, and compare its SHA-256
    #[arg(long)]
    pub verify: bool,
    /// A page for people, or one document for programs
    #[arg(long, value_name = "FORMAT", default_value = "html")]
    pub format: ReportFormat,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One page.
    #[value(help = None)]
    Html,
    /// One document.
    #[value(help = None)]
    Json,
}
