//! The state: its fold, its formats, and what survives on disk.

#![allow(clippy::disallowed_methods, reason = "tests set up files of their own and read the clock")]

mod build;
mod files;
mod fold;
mod histories;
mod history;
mod journal;
mod power;
mod rebuild;
mod rescue;
mod snapshot;
