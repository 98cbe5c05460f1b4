//! What a reader wants to know before the calls of a plan are sent: which machines will answer, how long it takes, how
//! much of the hour's quota it uses. From lists alone, and a function of values.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::build::{CallKind, Input, call_kind};
use super::change::{Change, Estimate, Warning};
use super::settings::{Quota, Quotas};
use crate::model::{ActionStatus, Kind, Machine, Timestamp};
use crate::state::State;

/// A machine reports about once a day; one that was silent for longer than two days is not counted on.
pub const RECENT: SignedDuration = SignedDuration::from_hours(48);

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What the service says of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineFacts {
    /// `computerDnsName`
    pub name: Option<String>,
    /// `osPlatform`
    pub os: Option<String>,
    /// `version`
    pub version: Option<String>,
    /// `healthStatus`
    pub health: Option<String>,
    /// `lastSeen`
    pub last_seen: Option<Timestamp>,
    /// `agentVersion`
    pub agent: Option<String>,
    /// Whether it will answer now: `Active`, onboarded, not merged, and seen within [`RECENT`].
    pub answers: bool,
}

impl MachineFacts {
    fn of(m: &Machine, now: jiff::Timestamp) -> Self {
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
}

/// The calls that create, seen as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Machines that they go to.
    pub machines: usize,
    /// Of these: listed by the service.
    pub listed: usize,
    /// Of these: will answer now.
    pub answering: usize,
    /// How long collections took that the refresh showed, if it showed any that has ended.
    pub typical: Option<Typical>,
    /// Seconds until the last collection should be over: what the quotas need and what collections take.
    pub finish_seconds: Option<u64>,
    /// Of quotas with an hourly limit.
    pub shares: Vec<Share>,
}

/// How long collections take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typical {
    /// The median.
    pub seconds: u64,
    /// Of so many.
    pub of: usize,
}

/// What the plan uses of an hour's quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The quota's name in the project file.
    pub quota: &'static str,
    /// Calls of the plan.
    pub calls: u64,
    /// Calls that the state knows of the last hour.
    pub made: u64,
    /// The limit.
    pub per_hour: u32,
}

/// The machines (lower-case ids) of a plan's creating calls.
pub fn machines(changes: &[Change]) -> BTreeSet<String> {
    let creating = changes.iter().filter(|c| call_kind(c.action) == Some(CallKind::Creating));
    creating.filter_map(|c| Some(c.call.as_ref()?.machine.as_str().to_ascii_lowercase())).collect()
}

/// Adds what is known of the machines to rows with a call that creates, and warns where one is too old.
pub(super) fn foresee(changes: &mut [Change], input: &Input<'_>, estimate: &Estimate) -> Option<Outlook> {
    for c in changes.iter_mut().filter(|c| call_kind(c.action) == Some(CallKind::Creating)) {
        let Some(call) = &c.call else { continue };
        let Some(machine) = input.observed.machines.get(call.machine.as_str()) else { continue };
        c.facts = Some(Box::new(MachineFacts::of(machine, input.observed.server_at)));
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
    Some(Outlook {
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

fn shares(estimate: &Estimate, quotas: &Quotas, state: &State, now: jiff::Timestamp) -> Vec<Share> {
    let made = |kind| {
        let recent = state.resources.iter().filter(|(a, r)| {
            let at = r.created_at.as_ref().map(Timestamp::instant);
            a.kind() == kind && r.made() && at.is_some_and(|t| now.duration_since(t) < HOUR)
        });
        recent.count() as u64
    };
    let share = |quota: &'static str, limit: Quota, kind| {
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
        let answers = |fields| MachineFacts::of(&machine(fields), now).answers;
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
