//! The planner as a function of values: a small world of plain structs stands in for the service.
#![expect(clippy::disallowed_methods, reason = "tests make their own files")]

mod properties;
mod rows;
mod world;
