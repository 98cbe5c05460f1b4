//! The arguments of `state`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Locking;
use crate::model::Address;
use crate::plan::names::Named;

/// `state`
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// List the recorded resources
    List(StateListArgs),
    /// Show all that is recorded of one resource
    Show(StateShowArgs),
    /// Take a resource out of the state; what it made stays at the service
    Rm(StateRmArgs),
    /// Give a resource another address, for a manifest that was renamed
    Mv(StateMvArgs),
    /// Say that the project of this state has another name now
    RenameProject(StateRenameProjectArgs),
    /// Move the state to another place, its history included
    Migrate(StateMigrateArgs),
    /// Copy the whole state, its history included, into a folder
    Pull(StatePullArgs),
    /// Write state.json anew from the journal
    Rebuild(StateRebuildArgs),
}

/// `state pull`
#[derive(Debug, Args)]
pub struct StatePullArgs {
    /// The folder to write; it must not exist yet, or be empty
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// `state migrate`
#[derive(Debug, Args)]
pub struct StateMigrateArgs {
    /// Where the state is kept from now on: file:FOLDER, git:refs/casefile/NAME, git:URL?ref=refs/casefile/NAME, or
    /// s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// The lock.
    #[command(flatten)]
    pub locking: Locking,
}

/// `state rm`
#[derive(Debug, Args)]
pub struct StateRmArgs {
    /// Kind/name, for example InvestigationPackage/fin-ws-042; or a machine's name
    #[arg(value_name = "ADDRESS")]
    pub address: Named,
    /// The lock.
    #[command(flatten)]
    pub locking: Locking,
}

/// `state mv`
#[derive(Debug, Args)]
pub struct StateMvArgs {
    /// The address in the state, or a machine's name
    #[arg(value_name = "FROM")]
    pub from: Named,
    /// The address that it gets
    #[arg(value_name = "TO")]
    pub to: Address,
    /// The lock.
    #[command(flatten)]
    pub locking: Locking,
}

/// `state rename-project`
#[derive(Debug, Args)]
pub struct StateRenameProjectArgs {
    /// The new name, as casefile.yaml has it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The lock.
    #[command(flatten)]
    pub locking: Locking,
}

/// `state rebuild`
#[derive(Debug, Args)]
pub struct StateRebuildArgs {
    /// Go on with what can still be read of a damaged state; the damaged files are kept
    #[arg(long)]
    pub accept_damage: bool,
    /// Where a shared state is written anew, and kept from now on: as for `state migrate`
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// The lock.
    #[command(flatten)]
    pub locking: Locking,
}

/// `state list`
#[derive(Debug, Args)]
pub struct StateListArgs {}

/// `state show`
#[derive(Debug, Args)]
pub struct StateShowArgs {
    /// Kind/name, for example InvestigationPackage/fin-ws-042; or a machine's name
    #[arg(value_name = "ADDRESS")]
    pub address: Named,
}
