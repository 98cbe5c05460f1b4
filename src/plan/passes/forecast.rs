//! What a reader wants to know before the calls of a plan are sent: which machines will answer, how long it takes, how
//! much of the hour's quota it uses. From lists alone, and a function of values.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::model::RateLimit;
use crate::model::{ActionStatus, IdKey, Kind, Machine, Timestamp};
use crate::plan::change::{Change, Estimate};
use crate::plan::forecast::{Forecast, MachineFacts, RECENT, Share, Typical};
use crate::plan::input::Input;
use crate::plan::settings::RateLimits;
use crate::plan::warning::Warning;
use crate::state::State;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Returns what a reader wants to know of a machine.
fn facts_of(m: &Machine, now: jiff::Timestamp) -> MachineFacts {
    let recent = m.last_seen.as_ref().is_some_and(|t| now.duration_since(t.instant()) <= RECENT);
    MachineFacts {
        name: m.computer_dns_name.clone(),
        os: m.os_platform.clone(),
        version: m.version.clone(),
        health: m.health_status.clone(),
        last_seen: m.last_seen.clone(),
        agent: m.agent_version.clone(),
        answers: m.may_answer() && recent,
    }
}

/// The machines (lower-case ids) of a plan's creating calls.
pub fn machines(changes: &[Change]) -> BTreeSet<IdKey> {
    let creating = changes.iter().filter(|c| c.action.creates());
    creating.filter_map(|c| Some(IdKey::of(c.call.as_ref()?.machine.as_str()))).collect()
}

/// Adds what is known of the machines to rows with a call that creates, and warns where one is too old or not known.
pub fn forecast(changes: &mut [Change], input: &Input<'_>, estimate: &Estimate) -> Option<Forecast> {
    for c in changes.iter_mut().filter(|c| c.action.creates()) {
        let Some(call) = &c.call else { continue };
        let id = call.machine.as_str();
        let Some(machine) = input.observed.machines.get(id) else {
            if input.observed.machines.is_absent(id) {
                c.warnings.push(Warning::UnknownMachine { machine: id.to_owned() });
            }
            continue;
        };
        c.facts = Some(Box::new(facts_of(machine, input.observed.server_at)));
        if c.address.kind() == Kind::InvestigationPackage
            && let Some(system) = too_old(machine)
        {
            c.warnings.push(Warning::TooOld { system });
        }
    }
    let machines = machines(changes);
    if machines.is_empty() {
        return None;
    }
    let facts: BTreeMap<&str, &MachineFacts> = changes
        .iter()
        .filter_map(|c| Some((c.call.as_ref()?.machine.as_str(), c.facts.as_deref()?)))
        .collect();
    let typical = typical(input);
    let collects = estimate.calls.contains_key("collect");
    Some(Forecast {
        machines: machines.len(),
        listed: facts.len(),
        answering: facts.values().filter(|f| f.answers).count(),
        typical,
        finish_seconds: typical.filter(|_| collects).map(|t| estimate.seconds + t.seconds),
        shares: shares(estimate, &input.settings.quotas, input.state, input.observed.server_at),
    })
}

/// The system, if it is older than Windows 10 1703: the documentation of collections begins there. Of other systems it
/// says nothing, so they are left to the service.
fn too_old(m: &Machine) -> Option<String> {
    const FIRST_BUILD: i64 = 15_063;
    let os = m.os_platform.as_deref()?;
    let rest = os.strip_prefix("Windows")?;
    let server = rest.strip_prefix("Server").unwrap_or_default();
    let old_name = ["7", "8", "XP", "Vista"].iter().any(|w| rest.starts_with(w))
        || server.starts_with("2008")
        || server.starts_with("2012");
    let version = m.version.as_deref().and_then(|v| v.trim().parse::<u32>().ok());
    let old_ten = rest == "10"
        && (m.os_build.is_some_and(|b| b < FIRST_BUILD)
            || version.is_some_and(|v| (1500..1703).contains(&v)));
    let version = m.version.as_deref().filter(|_| old_ten).map(|v| format!(" {v}")).unwrap_or_default();
    (old_name || old_ten).then(|| format!("{os}{version}"))
}

fn typical(input: &Input<'_>) -> Option<Typical> {
    let actions = input.observed.actions.as_ref()?;
    let took =
        actions.iter().filter(|a| a.is_collection() && a.status == ActionStatus::Succeeded).filter_map(|a| {
            let from = a.creation_date_time_utc.as_ref()?.instant();
            let to = a.last_update_date_time_utc.as_ref()?.instant();
            u64::try_from(to.duration_since(from).as_secs()).ok()
        });
    let mut took: Vec<u64> = took.collect();
    took.sort_unstable();
    Some(Typical { seconds: *took.get(took.len() / 2)?, of: took.len() })
}

fn shares(estimate: &Estimate, quotas: &RateLimits, state: &State, now: jiff::Timestamp) -> Vec<Share> {
    let made = |kind| {
        let recent = state.resources.iter().filter(|(a, r)| {
            let at = r.created_at.as_ref().map(Timestamp::instant);
            a.kind() == kind && r.made() && at.is_some_and(|t| now.duration_since(t) < HOUR)
        });
        recent.count() as u64
    };
    let share = |quota: &'static str, limit: RateLimit, kind| {
        let calls = *estimate.calls.get(quota)?;
        Some(Share { quota, calls, made: made(kind), per_hour: limit.per_hour? })
    };
    let collect = share("collect", quotas.collect, Kind::InvestigationPackage);
    collect.into_iter().chain(share("alert", quotas.alert, Kind::Alert)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(fields: serde_json::Value) -> Machine {
        let mut all = serde_json::json!({ "id": "ab".repeat(20), "healthStatus": "Active" });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn who_answers_now() {
        let now = "2026-03-03T12:00:00Z".parse().unwrap();
        let answers = |fields| facts_of(&machine(fields), now).answers;
        assert!(answers(serde_json::json!({ "lastSeen": "2026-03-01T12:00:00Z" })));
        assert!(!answers(serde_json::json!({ "lastSeen": "2026-03-01T11:59:59Z" })));
        assert!(!answers(serde_json::json!({})));
        let inactive = serde_json::json!({ "lastSeen": "2026-03-03T11:00:00Z", "healthStatus": "Inactive" });
        assert!(!answers(inactive));
    }

    #[test]
    fn systems_that_are_too_old() {
        let old = |os: &str, version: &str, build: Option<i64>| {
            too_old(&machine(serde_json::json!({ "osPlatform": os, "version": version, "osBuild": build })))
        };
        for (os, version, build) in [
            ("Windows7", "", None),
            ("WindowsServer2012R2", "", None),
            ("Windows10", "1607", None),
            ("Windows10", "", Some(14_393)),
        ] {
            assert!(old(os, version, build).is_some(), "{os} {version}");
        }
        for (os, version, build) in [
            ("Windows10", "1703", Some(15_063)),
            ("Windows10", "21H2", None),
            ("Windows11", "21H2", Some(22_000)),
            ("WindowsServer2019", "1809", Some(17_763)),
            ("WindowsServer2016", "1607", Some(14_393)),
            ("macOS", "14", None),
            ("Ubuntu", "", None),
        ] {
            assert_eq!(old(os, version, build), None, "{os} {version}");
        }
    }
}
