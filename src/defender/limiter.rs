//! The quotas of a run: one window per endpoint, the waiting for a slot, and which endpoints are closed to the caller.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex as Turn, Notify, watch};

use super::answer::{ApiError, Period};
use super::endpoint::Endpoint;
use super::quota::{Next, Window};
use super::time::Clock;
use crate::model::RateLimit;

/// The quotas of a run; clones share them.
#[derive(Clone, Debug)]
pub struct RateLimiter {
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
    /// Denials in a row that may each have been about one device.
    denials: Mutex<u32>,
    stop: watch::Sender<Stop>,
}

/// The reasons that keep the calls of an endpoint back, beyond its quota.
#[derive(Clone, Debug, Default)]
struct Stop {
    /// The denial that closed it for the rest of the run.
    denial: Option<ApiError>,
    /// The end of the last block by the service that is longer than a pause.
    block: Option<Timestamp>,
}

/// So many denials in a row that name no reason are about the kind of call, not about a device.
const DENIALS: u32 = 3;

impl Lane {
    fn new(limits: RateLimit) -> Self {
        Lane {
            window: Mutex::new(Window::new(limits)),
            turn: Turn::new(()),
            changed: Notify::new(),
            denials: Mutex::new(0),
            stop: watch::Sender::default(),
        }
    }

    /// Changes the window, and tells those who wait for a slot.
    fn change(&self, now: Timestamp, change: impl FnOnce(&mut Window)) {
        let block = {
            let mut window = self.window();
            change(&mut window);
            window.long_block(now)
        };
        if block.is_some() {
            self.stop.send_modify(|stop| stop.block = block);
        }
        self.changed.notify_one();
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        // A window is changed in one step; one that a panic left behind is still whole.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RateLimiter {
    /// The documented limits, but for those that `limits` names.
    pub fn new(clock: Clock, limits: impl IntoIterator<Item = (Endpoint, RateLimit)>) -> Self {
        let mut all: BTreeMap<Endpoint, RateLimit> =
            Endpoint::ALL.into_iter().map(|e| (e, e.documented_limits())).collect();
        all.extend(limits);
        RateLimiter {
            clock,
            lanes: Arc::new(all.into_iter().map(|(e, limits)| (e, Lane::new(limits))).collect()),
        }
    }

    /// Counts a call of an earlier run that was answered at `at`, by our clock; without an answer the service
    /// may count it now. If it was refused, nothing leaves before `blocked_until`.
    pub fn seed(&self, endpoint: Endpoint, at: Option<Timestamp>, blocked_until: Option<Timestamp>) {
        let now = self.now();
        self.lane(endpoint).change(now, |window| {
            window.record(at.unwrap_or(now));
            if let Some(until) = blocked_until {
                window.block(until);
            }
        });
    }

    /// When the next call to an endpoint may leave, by our clock.
    pub fn next(&self, endpoint: Endpoint) -> Next {
        self.lane(endpoint).window().earliest(self.now())
    }

    /// Returns whether more calls will count, so long from now, than may be made: others have used slots that this run
    /// had taken.
    pub fn is_over(&self, endpoint: Endpoint, lead: Duration) -> bool {
        self.lane(endpoint).window().is_over(self.now().saturating_add(lead).unwrap_or(Timestamp::MAX))
    }

    /// The limits now in force.
    pub fn limits(&self, endpoint: Endpoint) -> RateLimit {
        self.lane(endpoint).window().limits()
    }

    /// Waits for a slot. Dropping the future gives up waiting and holds nothing.
    pub async fn take(&self, endpoint: Endpoint) -> Slot {
        self.take_ahead(endpoint, Duration::ZERO).await
    }

    /// As [`take`](Self::take), but up to `lead` before the slot falls free: the call may not leave before
    /// [`Slot::leaves_at`].
    pub async fn take_ahead(&self, endpoint: Endpoint, lead: Duration) -> Slot {
        let lane = self.lane(endpoint);
        let _turn = lane.turn.lock().await;
        loop {
            let now = self.now();
            let next = {
                let mut window = lane.window();
                let next = match window.earliest(now) {
                    Next::At(at) if at.saturating_sub(lead).is_ok_and(|t| t <= now) => Ok(at),
                    Next::Now => Ok(now),
                    later => Err(later),
                };
                if next.is_ok() {
                    window.take(now);
                }
                next
            };
            match next {
                Ok(leaves_at) => return Slot { quotas: self.clone(), endpoint, leaves_at, sent: false },
                Err(Next::Now | Next::AfterAnAnswer) => lane.changed.notified().await,
                Err(Next::At(at)) => {
                    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                    let wait = wait.saturating_sub(lead);
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
        hourly: bool,
    ) {
        let now = self.now();
        let throttled = |w: &mut Window| w.throttled(now, retry_after, period, maximum, hourly);
        self.lane(endpoint).change(now, throttled);
    }

    /// The service asks to send nothing to an endpoint for so long; not because of a quota.
    pub(super) fn pause(&self, endpoint: Endpoint, time: Duration) {
        let now = self.now();
        let until = now.saturating_add(time).unwrap_or(Timestamp::MAX);
        self.lane(endpoint).change(now, |window| window.pause(until));
    }

    /// Returns whether the next call to an endpoint waits for the end of a pause that the service asked for.
    pub(super) fn is_paused(&self, endpoint: Endpoint) -> bool {
        self.lane(endpoint).window().is_paused(self.now())
    }

    /// The end of a block by the service that is longer than a pause, by the clock given to [`RateLimiter::new`].
    pub fn long_block(&self, endpoint: Endpoint) -> Option<Timestamp> {
        self.lane(endpoint).window().long_block(self.now())
    }

    /// Takes in what an answer says about whether the caller may call an endpoint at all: a denial of the kind of
    /// call closes it for the rest of the run, and so do several denials in a row that give no reason.
    pub(super) fn note_denial(&self, endpoint: Endpoint, denial: Option<&ApiError>) {
        let lane = self.lane(endpoint);
        let mut denials = lane.denials.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(error) = denial else {
            *denials = 0;
            return;
        };
        *denials += 1;
        if error.denies_kind() || *denials >= DENIALS {
            // The first reason is the one that is told.
            lane.stop.send_modify(|stop| {
                stop.denial.get_or_insert_with(|| error.clone());
            });
        }
    }

    /// The denial that closed an endpoint.
    pub fn closed(&self, endpoint: Endpoint) -> Option<ApiError> {
        self.lane(endpoint).stop.borrow().denial.clone()
    }

    /// Returns once an endpoint is closed, or blocked for longer than `waits` goes along with.
    pub async fn until_stopped(&self, endpoint: Endpoint, waits: impl Fn(Timestamp) -> bool) {
        let mut stop = self.lane(endpoint).stop.subscribe();
        let stopped =
            |s: &Stop| s.denial.is_some() || s.block.is_some_and(|until| until > self.now() && !waits(until));
        // The sender lives as long as the lane.
        let _ = stop.wait_for(stopped).await;
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
    quotas: RateLimiter,
    endpoint: Endpoint,
    leaves_at: Timestamp,
    sent: bool,
}

impl Slot {
    /// The moment before which the call may not leave, by the limiter's clock.
    pub fn leaves_at(&self) -> Timestamp {
        self.leaves_at
    }

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
