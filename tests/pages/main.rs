//! The pages that people read hold what they say: commands run, links and anchors lead somewhere, pictures are those of
//! today's output, the contract with the service is written from the code's tables, and tests that are named are there.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "reads pages, sets up folders of its own and runs a shell")]

#[path = "../sandbox/calls.rs"]
mod calls;
mod commands;
mod contract;
mod links;
mod named;
mod page;
mod pictures;
