//! Passes over the rows of a plan: each is a function from rows to rows, or to what is said of them as a whole.

pub mod estimate;
pub mod forecast;
pub mod guard;
pub mod incidents;
pub mod order;
pub mod references;
pub mod rename;
