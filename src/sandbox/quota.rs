//! Quotas: sliding windows of a minute and an hour per endpoint.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::message::Refusal;

/// Whether calls are limited, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Throttling {
    /// `false` answers everything.
    pub enabled: bool,
    /// Takes the place of the documented limits, endpoint by endpoint.
    pub limits: BTreeMap<Endpoint, Limit>,
}

impl Default for Throttling {
    fn default() -> Self {
        Throttling { enabled: true, limits: BTreeMap::new() }
    }
}

/// How many calls are answered; a missing figure does not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limit {
    /// In any 60 seconds.
    pub per_minute: Option<u32>,
    /// In any 3600 seconds.
    pub per_hour: Option<u32>,
}

impl Throttling {
    /// The scenario's figures, or the documented ones.
    fn limit(&self, endpoint: Endpoint) -> Limit {
        if !self.enabled {
            return Limit::default();
        }
        self.limits.get(&endpoint).copied().unwrap_or_else(|| documented(endpoint))
    }
}

/// The figures of the endpoints' documentation pages. Links are not limited.
fn documented(endpoint: Endpoint) -> Limit {
    match endpoint {
        Endpoint::PackageUri => Limit { per_minute: Some(2), per_hour: Some(120) },
        Endpoint::CreateAlert => Limit { per_minute: Some(15), per_hour: None },
        Endpoint::BatchUpdate => Limit { per_minute: Some(10), per_hour: Some(500) },
        Endpoint::Download | Endpoint::Metadata => Limit::default(),
        Endpoint::Hunt | Endpoint::GraphHunt | Endpoint::XdrHunt => {
            Limit { per_minute: Some(45), per_hour: Some(1500) }
        }
        _ => Limit { per_minute: Some(100), per_hour: Some(1500) },
    }
}

/// When the answered calls of the last hour came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Windows {
    calls: BTreeMap<Endpoint, VecDeque<Timestamp>>,
}

impl Windows {
    /// Takes one call out of the quota, or refuses it. Refused calls do not count.
    pub fn take(&mut self, quotas: &Throttling, endpoint: Endpoint, now: Timestamp) -> Result<(), Refusal> {
        let limit = quotas.limit(endpoint);
        if limit == Limit::default() {
            return Ok(());
        }
        let calls = self.calls.entry(endpoint).or_default();
        while calls.front().is_some_and(|t| now.duration_since(*t) >= HOUR) {
            calls.pop_front();
        }
        // The hour first: its wait is the longer one.
        for (allowed, window, period) in
            [(limit.per_hour, HOUR, "01:00:00"), (limit.per_minute, MINUTE, "00:01:00")]
        {
            let Some(allowed) = allowed else { continue };
            let wait = match allowed.checked_sub(1) {
                None => window,
                // The call that must leave the window before there is room.
                Some(back) => match calls.iter().rev().nth(back as usize) {
                    Some(t) => window - now.duration_since(*t),
                    None => continue,
                },
            };
            if wait > SignedDuration::ZERO {
                let seconds = wait.as_secs() + i64::from(wait.subsec_nanos() > 0);
                return Err(Refusal::throttled(
                    format!("API calls quota exceeded! maximum allowed {allowed} per {period}"),
                    seconds.unsigned_abs(),
                ));
            }
        }
        calls.push_back(now);
        Ok(())
    }
}

const MINUTE: SignedDuration = SignedDuration::from_secs(60);
const HOUR: SignedDuration = SignedDuration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn take(w: &mut Windows, q: &Throttling, e: Endpoint, seconds: i64) -> Result<(), (String, Option<u64>)> {
        w.take(q, e, at(seconds)).map_err(|r| (r.message, r.retry_after))
    }

    #[test]
    fn two_package_links_a_minute() {
        let (mut w, q) = (Windows::default(), Throttling::default());
        assert_eq!(take(&mut w, &q, Endpoint::PackageUri, 0), Ok(()));
        assert_eq!(take(&mut w, &q, Endpoint::PackageUri, 20), Ok(()));
        let message = "API calls quota exceeded! maximum allowed 2 per 00:01:00".to_owned();
        assert_eq!(take(&mut w, &q, Endpoint::PackageUri, 59), Err((message, Some(1))));
        assert_eq!(take(&mut w, &q, Endpoint::PackageUri, 60), Ok(()), "the first call left the window");
        assert!(take(&mut w, &q, Endpoint::PackageUri, 79).is_err(), "the window slides");
        assert_eq!(take(&mut w, &q, Endpoint::PackageUri, 80), Ok(()));
        assert_eq!(take(&mut w, &q, Endpoint::CreateAlert, 80), Ok(()), "endpoints do not share");
    }

    #[test]
    fn the_hour_outlasts_the_minute() {
        let mut q = Throttling::default();
        q.limits.insert(Endpoint::Collect, Limit { per_minute: Some(2), per_hour: Some(3) });
        let mut w = Windows::default();
        for s in [0, 100, 200] {
            assert_eq!(take(&mut w, &q, Endpoint::Collect, s), Ok(()));
        }
        let message = "API calls quota exceeded! maximum allowed 3 per 01:00:00".to_owned();
        assert_eq!(take(&mut w, &q, Endpoint::Collect, 300), Err((message, Some(3300))));
        assert_eq!(take(&mut w, &q, Endpoint::Collect, 3600), Ok(()));
    }

    #[test]
    fn off_and_none() {
        let mut w = Windows::default();
        let off = Throttling { enabled: false, ..Throttling::default() };
        for _ in 0..200 {
            assert_eq!(take(&mut w, &off, Endpoint::Collect, 0), Ok(()));
        }
        let none = Throttling {
            enabled: true,
            limits: [(Endpoint::Collect, Limit { per_minute: Some(0), per_hour: None })].into(),
        };
        assert!(take(&mut w, &none, Endpoint::Collect, 0).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_window_ever_holds_more(gaps in proptest::collection::vec(0i64..40, 1..200), limit in 1u32..6) {
            let mut q = Throttling::default();
            q.limits.insert(Endpoint::Collect, Limit { per_minute: Some(limit), per_hour: None });
            let (mut w, mut now, mut answered) = (Windows::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                let in_window = answered.iter().filter(|t| now - **t < 60).count();
                let ok = take(&mut w, &q, Endpoint::Collect, now).is_ok();
                proptest::prop_assert_eq!(ok, in_window < limit as usize);
                if ok { answered.push(now); }
            }
        }
    }
}
