//! `--wait`: collections are followed to their end, and nothing takes longer than the person allows.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::RunError;
use super::event::Progress;
use super::round::Round;
use super::run::Run;
use crate::model::{Address, Hindrance};
use crate::plan::{Plan, Unread};

/// How soon `--wait` looks for the first time, and how seldom at the most.
const FIRST_POLL: Duration = Duration::from_secs(2);
const LONGEST_POLL: Duration = Duration::from_secs(60);

impl Run<'_> {
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
        let planned: BTreeSet<Address> = approved.changes.iter().map(|c| c.address.clone()).collect();
        let mut tried = BTreeSet::new();
        loop {
            let behind = round.held.iter().flat_map(|j| &j.depends_on).map(|d| &d.address);
            let running: BTreeSet<Address> =
                planned.iter().chain(behind).filter(|a| self.is_running(a)).cloned().collect();
            if running.is_empty() || self.stopped() {
                return Ok(true);
            }
            self.fetch_ready(&planned, &mut tried).await?;
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
            let observed = match self.refresh(Some(&running)).await {
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
            let mut sent = self.replan(&running, &observed, round, true).await?;
            sent |= self.release(round).await?;
            while sent {
                self.look_up_unknown(round).await?;
                sent = self.release(round).await?;
            }
        }
    }
}
