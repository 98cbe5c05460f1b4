//! Carries a plan out: journal first, concurrent, interruptible.

mod event;

pub use event::{Event, Progress};
