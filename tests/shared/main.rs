//! States that several runs share: the protocol against a simulated place that races, loses answers and shows old heads;
//! and the whole tool against git.
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read their environment")]

mod checkouts;
mod declared;
mod git;
mod heads;
mod hooks;
mod http;
mod lab;
mod moves;
mod overtaken;
mod place;
mod protocol;
mod runs;
mod schedules;
mod served;
mod server;
mod simulated_service;
