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
mod guards;
mod hostile;
mod hunt;
mod leaks;
mod order;
mod preflight;
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
mod surgery;
mod targets;
mod triage;
mod typed;
mod unread;
mod wrong;
