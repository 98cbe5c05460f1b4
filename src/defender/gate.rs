//! The quotas of a run: one window per endpoint, and the waiting for a slot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex as Turn, Notify};

use super::answer::Period;
use super::endpoint::{Endpoint, Limits};
use super::quota::{Next, Window};
use super::time::Clock;

/// The quotas of a run; clones share them.
#[derive(Clone, Debug)]
pub struct Quotas {
    clock: Clock,
    lanes: Arc<BTreeMap<Endpoint, Lane>>,
}

/// Timers stand still while the computer sleeps, so a long wait looks at the clock now and then.
pub const LONGEST_NAP: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Lane {
    window: Mutex<Window>,
    /// First come, first served: whoever waits for a slot holds the turn.
    turn: Turn<()>,
    changed: Notify,
}

impl Lane {
    fn window(&self) -> MutexGuard<'_, Window> {
        // A window is changed in one step; one that a panic left behind is still whole.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quotas {
    /// The documented limits, but for those that `limits` names.
    pub fn new(clock: Clock, limits: impl IntoIterator<Item = (Endpoint, Limits)>) -> Self {
        let mut all: BTreeMap<Endpoint, Limits> =
            Endpoint::ALL.into_iter().map(|e| (e, e.documented_limits())).collect();
        all.extend(limits);
        let lane =
            |l| Lane { window: Mutex::new(Window::new(l)), turn: Turn::new(()), changed: Notify::new() };
        Quotas { clock, lanes: Arc::new(all.into_iter().map(|(e, l)| (e, lane(l))).collect()) }
    }

    /// Counts a call of an earlier run that was answered at `at`, by our clock; without an answer the service
    /// may count it now. If it was refused, nothing leaves before `blocked_until`.
    pub fn seed(&self, endpoint: Endpoint, at: Option<Timestamp>, blocked_until: Option<Timestamp>) {
        let mut window = self.lane(endpoint).window();
        window.record(at.unwrap_or_else(|| self.now()));
        if let Some(until) = blocked_until {
            window.block(until);
        }
    }

    /// When the next call to an endpoint may leave, by our clock.
    pub fn next(&self, endpoint: Endpoint) -> Next {
        self.lane(endpoint).window().earliest(self.now())
    }

    /// The limits now in force.
    pub fn limits(&self, endpoint: Endpoint) -> Limits {
        self.lane(endpoint).window().limits()
    }

    /// Waits for a slot. Dropping the future gives up waiting and holds nothing.
    pub async fn take(&self, endpoint: Endpoint) -> Slot {
        let lane = self.lane(endpoint);
        let _turn = lane.turn.lock().await;
        loop {
            let next = {
                let mut window = lane.window();
                let next = window.earliest(self.now());
                if next == Next::Now {
                    window.take(self.now());
                }
                next
            };
            match next {
                Next::Now => return Slot { quotas: self.clone(), endpoint, sent: false },
                Next::AfterAnAnswer => lane.changed.notified().await,
                Next::At(at) => {
                    let wait = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
                    let wait = wait.min(LONGEST_NAP);
                    // A block may be put on, or a slot given back, meanwhile.
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = lane.changed.notified() => {}
                    }
                }
            }
        }
    }

    /// The service answered 429; see [`Window::throttled`].
    pub fn throttled(
        &self,
        endpoint: Endpoint,
        retry_after: Duration,
        period: Option<Period>,
        maximum: Option<u32>,
    ) {
        let lane = self.lane(endpoint);
        lane.window().throttled(self.now(), retry_after, period, maximum);
        lane.changed.notify_one();
    }

    /// Counts a call that left without a slot of its own.
    pub(super) fn record(&self, endpoint: Endpoint) {
        self.lane(endpoint).window().record(self.now());
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn lane(&self, endpoint: Endpoint) -> &Lane {
        // `new` puts every endpoint in.
        &self.lanes[&endpoint]
    }
}

/// Leave for one call. Dropped unused it is given back; dropped after sending it counts from then on.
#[derive(Debug)]
#[must_use = "a dropped slot is given back"]
pub struct Slot {
    quotas: Quotas,
    endpoint: Endpoint,
    sent: bool,
}

impl Slot {
    /// Which endpoint it is for.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The call leaves now.
    pub(super) fn sending(&mut self) {
        self.sent = true;
    }

    /// The call did not leave after all.
    pub(super) fn not_sent(&mut self) {
        self.sent = false;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = self.quotas.now();
        let lane = self.quotas.lane(self.endpoint);
        {
            let mut window = lane.window();
            if self.sent { window.answer(now) } else { window.give_back() }
        }
        lane.changed.notify_one();
    }
}
