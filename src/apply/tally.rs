//! Counts events per outcome, for the summary.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::event::{Event, Progress};

/// Counts what it is shown.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<String, usize>>);

impl Tally {
    /// Counts an event; other progress does not count.
    pub fn count(&self, progress: &Progress) {
        let Progress::Event(event) = progress else { return };
        let name = match event {
            Event::Planned { .. } | Event::Intent { .. } | Event::Summary { .. } => return,
            Event::Accepted { .. } => "accepted",
            Event::Busy { .. } => "busy",
            Event::Adopted { .. } => "adopted",
            Event::Rejected { .. } => "rejected",
            Event::Throttled { .. } => "throttled",
            Event::Unsent { .. } => "unsent",
            Event::Unknown { .. } => "unknown",
            Event::Observed { .. } => "observed",
            Event::Late { .. } => "late",
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(name.to_owned()).or_default() += 1;
    }

    /// The counts so far.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
