//! The least time that the quotas leave a plan, the service answering at once.

use std::collections::BTreeMap;

use super::change::{Action, Change, Estimate};
use super::settings::{Quota, Quotas};
use crate::model::Kind;

/// Counts calls per quota; quotas do not wait for each other, so the slowest one tells.
pub fn estimate(changes: &[Change], quotas: &Quotas) -> Estimate {
    let mut calls: BTreeMap<&'static str, (u64, Quota)> = BTreeMap::new();
    for c in changes.iter().filter(|c| c.call.is_some()) {
        let (name, quota) = match (c.action, c.address.kind()) {
            (Action::Cancel, _) => ("cancel", quotas.cancel),
            (Action::Update | Action::Resolve, _) => ("update", quotas.update),
            (_, Kind::InvestigationPackage) => ("collect", quotas.collect),
            (_, Kind::Alert) => ("alert", quotas.alert),
        };
        calls.entry(name).or_insert((0, quota)).0 += 1;
    }
    Estimate {
        seconds: calls.values().map(|(n, q)| last_call(*n, *q)).max().unwrap_or(0),
        calls: calls.into_iter().map(|(name, (n, _))| (name.to_owned(), n)).collect(),
    }
}

/// Seconds until the n-th call may leave: a call waits a minute for the one `per_minute` before it, and
/// an hour for the one `per_hour` before it.
fn last_call(n: u64, quota: Quota) -> u64 {
    let mut sent: Vec<u64> = Vec::with_capacity(usize::try_from(n).unwrap_or(0));
    let after = |sent: &[u64], window: Option<u32>, seconds: u64| {
        let window = window? as usize;
        sent.len().checked_sub(window.max(1)).map(|i| sent[i] + seconds)
    };
    for _ in 0..n {
        let minute = after(&sent, quota.per_minute, 60).unwrap_or(0);
        let hour = after(&sent, quota.per_hour, 3600).unwrap_or(0);
        let previous = sent.last().copied().unwrap_or(0);
        sent.push(minute.max(hour).max(previous));
    }
    sent.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_windows() {
        let q = |m, h| Quota { per_minute: m, per_hour: h };
        assert_eq!(last_call(0, q(Some(15), None)), 0);
        assert_eq!(last_call(15, q(Some(15), None)), 0);
        assert_eq!(last_call(32, q(Some(15), None)), 120);
        assert_eq!(last_call(1500, q(Some(100), Some(1500))), 14 * 60);
        assert_eq!(last_call(1501, q(Some(100), Some(1500))), 3600);
        assert_eq!(last_call(10_000, q(None, None)), 0);
    }
}
