//! Counts events per outcome, for the summary.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::event::{Event, Progress};
use crate::model::Address;

/// Counts what it is shown.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    outcomes: BTreeMap<String, usize>,
    /// Resources whose call left, or was about to.
    begun: BTreeSet<Address>,
}

impl Tally {
    /// Counts an event; other progress does not count.
    pub fn count(&self, progress: &Progress) {
        let Progress::Event(event) = progress else { return };
        let mut counted = self.lock();
        let name = match event {
            Event::Planned { .. }
            | Event::Stopped { .. }
            | Event::Fetching { .. }
            // Commands run when the run is over.
            | Event::Executed { .. }
            | Event::Summary { .. } => return,
            Event::Intent { address, .. } => {
                counted.begun.insert(address.clone());
                return;
            }
            Event::Accepted { .. } => "accepted",
            Event::Busy { .. } => "busy",
            Event::Adopted { .. } => "adopted",
            Event::Rejected { .. } => "rejected",
            Event::Throttled { address, .. } => {
                counted.begun.remove(address);
                "throttled"
            }
            Event::Unsent { address, .. } => {
                counted.begun.remove(address);
                "unsent"
            }
            Event::Unknown { .. } => "unknown",
            Event::Observed { .. } => "observed",
            Event::Late { .. } => "late",
            Event::Fetched { .. } => "fetched",
            Event::FetchFailed { later: true, .. } => "notReady",
            Event::FetchFailed { later: false, .. } => "fetchFailed",
            Event::Held { .. } => "held",
        };
        *counted.outcomes.entry(name.to_owned()).or_default() += 1;
    }

    /// The counts so far.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.lock().outcomes.clone()
    }

    /// Resources whose call left, or may have left.
    pub fn begun(&self) -> BTreeSet<Address> {
        self.lock().begun.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
