//! The planner as a function of values: a small world of plain structs stands in for the service.

mod differing;
mod order;
mod properties;
mod rows;
mod surgery;
mod triage;
mod world;
