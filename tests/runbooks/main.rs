//! Runbooks from outside: what incidents come to, what no value can do to them, and how they live on.
#![allow(clippy::disallowed_methods, reason = "tests write their own files")]

mod cases;
mod examples;
mod expansion;
mod hostile;
mod lifecycle;
mod misplaced;
mod references;
#[path = "../cli/sandbox.rs"]
mod sandbox;
mod types;
