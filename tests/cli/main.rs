//! The binary over projects, with the simulated service as a process of its own.
#![allow(
    clippy::disallowed_methods,
    reason = "tests write their own files, talk to their service and read the clock"
)]

mod case;
mod doctor;
mod draft;
mod drill;
mod event_query;
#[cfg(unix)]
mod examples;
mod external_id;
mod fields;
mod guards;
mod hostile;
mod hunt;
mod leaks;
mod names;
mod newcomer;
mod order;
mod preflight;
mod proxy;
mod refused;
mod replay;
#[cfg(unix)]
mod repository;
mod review;
mod run;
mod sandbox;
mod since;
mod state;
mod strangers;
mod streams;
mod strict;
mod surgery;
mod targets;
#[cfg(target_os = "linux")]
mod terminal;
mod triage;
mod typed;
mod unread;
mod wrong;
