//! The page and the document that show an incident.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read their environment")]

#[path = "../cli/sandbox.rs"]
mod sandbox;

mod command;
mod incident;
mod page;
