//! Carries a plan out: journal first, concurrent, interruptible.

mod event;
mod judge;

pub use event::{Event, Progress};
