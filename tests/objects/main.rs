//! States in object storage: the rules of the journal's objects against a store in memory whose requests fail and whose
//! answers get lost; and the whole tool against a small server of S3's language, and against moto and Azurite.
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read their environment")]

mod bucket;
#[expect(dead_code, reason = "half of it is for the simulated place")]
#[path = "../shared/place.rs"]
mod place;
mod real;
mod rules;
#[path = "../shared/schedules.rs"]
mod schedules;
#[path = "../shared/served.rs"]
mod served;
#[expect(dead_code, reason = "part of it is for evidence")]
mod server;
mod tool;
