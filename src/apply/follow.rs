//! `--wait`: collections are followed to their end, and nothing takes longer than the person allows.

use std::collections::BTreeSet;
use std::time::Duration;

use super::event::Progress;
use super::held::Round;
use super::run::{Run, RunError};
use crate::model::{Address, Hindrance};
use crate::plan::{Plan, Unread};

/// How soon `--wait` looks for the first time, and how seldom at the most.
const FIRST_POLL: Duration = Duration::from_secs(2);
const LONGEST_POLL: Duration = Duration::from_secs(60);

/// How long the last look may take that is made when `--wait` ends.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// The result of a future that ends within a limit.
pub(super) async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}

impl Run<'_> {
    /// How long a look may take at the most: `--wait` stays no longer.
    pub(super) fn look_limit(&self) -> Option<Duration> {
        let left = |until: jiff::Timestamp| {
            Duration::try_from(until.duration_since(self.clock.now())).unwrap_or_default()
        };
        match self.waits_until {
            Some(until) if self.following => Some(left(until).max(LAST_LOOK)),
            _ => self.options.wait,
        }
    }

    /// Reads within the limit that a person gave, if they gave one.
    pub(super) async fn in_time<T>(&self, read: impl Future<Output = T>) -> Option<T> {
        within(self.look_limit(), read).await
    }

    /// Nothing was read in time.
    pub(super) fn out_of_time(&self) -> Unread {
        let limit = self.options.wait.unwrap_or_default().as_secs();
        Unread::new(
            "lists",
            Hindrance::TimeLimit,
            format!("not read to their end within --timeout, {limit} s"),
        )
    }

    /// Follows the plan's collections to their end; false if time ran out.
    pub(super) async fn follow(
        &mut self,
        approved: &Plan,
        round: &mut Round<'_>,
        limit: Duration,
    ) -> Result<bool, RunError> {
        let deadline = self.clock.now() + limit;
        (self.waits_until, self.following) = (Some(deadline), true);
        let mut pause = FIRST_POLL;
        // What the last look that came to its end could not see; as long as none did, what the last one could not.
        let (mut unread, mut seen) = (Vec::new(), false);
        let late = |u: &Unread| u.cause == Hindrance::TimeLimit;
        loop {
            let behind = round.held.iter().flat_map(|j| &j.depends_on).map(|d| &d.address);
            let running: BTreeSet<Address> = approved
                .changes
                .iter()
                .map(|c| &c.address)
                .chain(behind)
                .filter(|a| self.is_running(a))
                .cloned()
                .collect();
            if running.is_empty() || self.stopped() {
                return Ok(true);
            }
            let now = self.clock.now();
            if now >= deadline {
                return if unread.is_empty() { Ok(false) } else { Err(RunError::Unread(unread)) };
            }
            let next = (now + pause).min(deadline);
            (self.sink)(Progress::Following { running: running.len(), next, until: deadline });
            if !self.sleep_until(next).await {
                return Ok(true);
            }
            pause = (pause * 3 / 2).min(LONGEST_POLL);
            let observed = match self.look(Some(&running)).await {
                Err(RunError::Interrupted) => return Ok(true),
                observed => observed?,
            };
            // What a later look cannot see either is not waited for.
            if observed.unread.iter().any(|u| u.cause.is_lasting()) {
                return Err(RunError::Unread(observed.unread));
            }
            seen |= observed.unread.is_empty();
            if !seen || !observed.unread.iter().any(late) {
                unread.clone_from(&observed.unread);
            }
            // A machine that was busy and is free now takes the approved call.
            let mut sent = self.go_on(&running, &observed, round, true).await?;
            sent |= self.release(round).await?;
            while sent {
                self.settle(round).await?;
                sent = self.release(round).await?;
            }
        }
    }
}
