//! States that several runs share: the protocol against a simulated place that races, loses answers and shows old heads;
//! and the whole tool against git.

mod git;
mod place;
mod protocol;
mod schedules;
