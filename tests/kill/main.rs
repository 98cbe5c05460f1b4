//! What an `apply` leaves behind when its process is killed, its disk gives out, or a person stops it.
//!
//! Every run here is the real binary as a process of its own. The simulated service lives in the test
//! process, so that it can act exactly between an effect and its answer, and so that what really took
//! effect is known without asking the program under test.
//!
//! The sweeps over every point of a run are `#[ignore]`d for time; `cargo test --test kill -- --ignored`
//! runs them. Limits and signals are those of Linux.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read the clock")]
#![allow(
    clippy::print_stdout,
    reason = "a test that cannot run here says why; sweeps say how many cases they had"
)]

#[path = "../objects/server.rs"]
#[allow(dead_code, reason = "nothing is refused here")]
mod bucket;
mod disk;
mod lab;
mod lock;
mod output;
mod process;
mod service;
mod shared;
mod signals;
mod surgery;
mod sweep;
