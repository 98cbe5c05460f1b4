//! The patience of reads: how often they are repeated, and for how long.

use std::time::Duration;

use super::quota::LONGEST_PAUSE;
use crate::model::Hindrance;

/// How reads are repeated, and how much a list may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a failed read is asked again.
    pub retries: usize,
    /// How often, if there was no connection: mostly there will be none a second later either.
    pub reconnects: usize,
    /// How often, if there was no answer in time: each try takes as long as the transport waits.
    pub timeouts: usize,
    /// The first wait; each further one is twice as long.
    pub first: Duration,
    /// The longest `Retry-After` that is waited out.
    pub throttled: Duration,
    /// How long what has worked before may fail, and is asked for again all the while: a service or a sign-in that is down
    /// comes back. Nothing by default; a read that is not repeated at all is not repeated for this either.
    pub outage: Duration,
    /// How many rows a list may have.
    pub rows: usize,
    /// How many bytes its pages may have.
    pub bytes: usize,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            retries: 4,
            reconnects: 2,
            timeouts: 1,
            first: Duration::from_secs(1),
            throttled: LONGEST_PAUSE,
            outage: Duration::ZERO,
            // More than the lists of the largest tenants. A service that goes on behind it would fill the memory.
            rows: 500_000,
            bytes: 512 << 20,
        }
    }
}

/// The longest outage that a run which waits anyway goes along with.
const LONGEST_OUTAGE: Duration = Duration::from_secs(15 * 60);

/// The longest pause between two tries in an outage.
pub const LONGEST_RETRY: Duration = Duration::from_secs(60);

impl RetryPolicy {
    /// The patience of a run that waits anyway: an outage is waited out.
    #[must_use]
    pub fn through_outages(self) -> Self {
        RetryPolicy { outage: LONGEST_OUTAGE, ..self }
    }

    /// How often a read that failed for this reason is asked again.
    pub(super) fn retries_after(&self, cause: Hindrance) -> usize {
        match cause {
            _ if cause.is_lasting() => 0,
            Hindrance::NoConnection => self.reconnects,
            Hindrance::NoAnswer => self.timeouts,
            _ => self.retries,
        }
    }
}
