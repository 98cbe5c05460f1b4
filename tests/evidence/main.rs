//! Packages from the simulated service to the folder of a project: what goes wrong on the way, what a person reads of it,
//! and what is there afterwards.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read their environment")]

mod lab;
#[path = "../cli/sandbox.rs"]
mod sandbox;
#[expect(dead_code, reason = "part of it is for states")]
#[path = "../objects/server.rs"]
mod server;

mod bucket;
mod docs;
mod exec;
mod export;
mod fetching;
mod interrupted;
mod leaks;
mod lost;
mod told;
mod trouble;
mod verify;
