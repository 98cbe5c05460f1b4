//! Incident actions as code for Microsoft Defender for Endpoint.
#![warn(missing_docs)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests write their own files and read the clock")
)]

pub mod cli;
pub mod defender;
pub mod engine;
pub mod files;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod render;
pub mod sandbox;
pub mod seal;
pub mod state;

/// The stack of every thread that is started, in bytes: RUST_MIN_STACK could ask for one that is too small.
pub(crate) const THREAD_STACK: usize = 2 * 1024 * 1024;
