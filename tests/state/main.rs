//! The state: its fold, its formats, and what survives on disk.

mod build;
mod files;
mod fold;
mod histories;
mod journal;
mod power;
mod rescue;
mod snapshot;
