//! The least time that the quotas leave a plan, the service answering at once.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::Kind;
use crate::model::RateLimit;
use crate::plan::change::{Change, Estimate};
use crate::plan::settings::Settings;
use crate::state::{CallAction, QuotaUsage};

/// Counts calls per quota; quotas do not wait for each other, so the slowest one tells.
pub fn estimate(changes: &[Change], settings: &Settings) -> Estimate {
    let mut calls: BTreeMap<&'static str, (u64, RateLimit)> = BTreeMap::new();
    for c in changes {
        let (Some(planned), Some(action)) = (&c.call, c.action.call()) else { continue };
        let follow_up = planned.follow_up.as_ref().map(|_| CallAction::Update);
        for action in std::iter::once(action).chain(follow_up) {
            let (name, quota) = settings.quotas.of(action, c.address.kind());
            calls.entry(name).or_insert((0, quota)).0 += 1;
        }
    }
    let seconds = |(name, (n, quota)): (&&str, &(u64, RateLimit))| {
        let spent =
            settings.spent.iter().filter(|s| !s.is_link && settings.quotas.of(s.action, s.kind).0 == *name);
        last_call(*n, *quota, settings.now, spent)
    };
    Estimate {
        seconds: calls.iter().map(seconds).max().unwrap_or(0),
        calls: calls.iter().map(|(name, (n, _))| ((*name).to_owned(), *n)).collect(),
    }
}

/// Whole seconds until the n-th call may leave: a call waits a minute for the one `per_minute` before it,
/// and an hour for the one `per_hour` before it, whichever run made that.
pub fn last_call<'a>(
    n: u64,
    quota: RateLimit,
    now: Timestamp,
    spent: impl Iterator<Item = &'a QuotaUsage>,
) -> u64 {
    // Milliseconds from now on.
    let since = |t: Timestamp| t.duration_since(now).as_millis();
    let mut last = 0;
    let mut sent: Vec<i128> = Vec::with_capacity(usize::try_from(n).unwrap_or(0));
    for s in spent {
        sent.push(s.at.map_or(0, since));
        last = last.max(s.blocked_until.map_or(0, since));
    }
    sent.sort_unstable();
    for _ in 0..n {
        for (limit, period) in [(quota.per_minute, 60_000), (quota.per_hour, 3_600_000)] {
            let back = limit.and_then(|limit| sent.len().checked_sub(limit.max(1) as usize));
            if let Some(earlier) = back.and_then(|i| sent.get(i)) {
                last = last.max(earlier + period);
            }
        }
        sent.push(last);
    }
    if n == 0 { 0 } else { u64::try_from((last + 999) / 1000).unwrap_or(0) }
}

impl crate::plan::settings::RateLimits {
    /// The quota that a call takes from, by its name in the project file.
    pub fn of(&self, call: CallAction, kind: Kind) -> (&'static str, RateLimit) {
        match (call, kind) {
            (CallAction::Cancel, _) => ("cancel", self.cancel),
            (CallAction::Update | CallAction::Resolve, _) => ("update", self.update),
            (_, Kind::InvestigationPackage) => ("collect", self.collect),
            (_, Kind::Alert) => ("alert", self.alert),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn spent(at: Option<Timestamp>, blocked_until: Option<Timestamp>) -> QuotaUsage {
        QuotaUsage {
            kind: Kind::Alert,
            action: CallAction::Create,
            is_link: false,
            at,
            server_at: None,
            blocked_until,
        }
    }

    #[test]
    fn full_windows() {
        let q = |m, h| RateLimit { per_minute: m, per_hour: h };
        let last = |n, q| last_call(n, q, at(0), [].iter());
        assert_eq!(last(0, q(Some(15), None)), 0);
        assert_eq!(last(15, q(Some(15), None)), 0);
        assert_eq!(last(32, q(Some(15), None)), 120);
        assert_eq!(last(1500, q(Some(100), Some(1500))), 14 * 60);
        assert_eq!(last(1501, q(Some(100), Some(1500))), 3600);
        assert_eq!(last(10_000, q(None, None)), 0);
    }

    #[test]
    fn what_earlier_runs_used_is_not_there_any_more() {
        let one = RateLimit { per_minute: Some(1), per_hour: Some(100) };
        let last = |spent: &[QuotaUsage]| last_call(1, one, at(0), spent.iter());
        assert_eq!(last(&[spent(Some(at(-20)), None)]), 40);
        assert_eq!(last(&[spent(Some(at(-7200)), None)]), 0);
        assert_eq!(last(&[spent(None, None)]), 60, "without an answer it may count now");
        assert_eq!(last(&[spent(Some(at(-20)), Some(at(300)))]), 300, "blocked after a 429");
    }
}
