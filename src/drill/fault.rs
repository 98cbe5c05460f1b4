//! Faults of a drill, and when things are right again. All of it follows from a seed.

use std::time::Duration;

use super::sequence::Sequence;
use crate::sandbox::{Collection, Endpoint, FaultRule, Foreign, Scenario, Seconds, Then};

/// After how long offline devices are back, and those that failed work again.
const RECOVERY: Duration = Duration::from_secs(40 * 60);

/// How long ago an offline device was seen, in milliseconds.
const OFFLINE: u64 = 4 * 3_600_000;

/// How many devices have one kind of trouble: one in ten, and at least one.
const ONE_IN: usize = 10;

/// A simulated tenant over the time of a drill.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// The tenant in the beginning.
    pub begins: Scenario,
    /// After how long it becomes another one, if it does.
    pub recovers: Option<Recovery>,
}

/// A change for the better.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    /// How long after the beginning.
    pub after: Duration,
    /// The tenant from then on.
    pub scenario: Scenario,
    /// The devices that are back: what they were asked for is done then.
    pub back: Vec<String>,
}

/// Returns a course in which ids follow from the seed and, if `faults` are wanted, things go wrong: some devices are
/// busy with a collection that an analyst started, some are offline, on some a collection fails, until they recover; and
/// some calls are throttled, answered with a 5xx, or carried out without an answer.
pub fn course(calm: Scenario, seed: u64, faults: bool) -> Course {
    let mut calm = calm;
    calm.seed = format!("{} {seed}", calm.seed);
    if !faults {
        return Course { begins: calm, recovers: None };
    }
    let mut sequence = Sequence::of(seed);
    let count = calm.machines.list.len();
    calm.faults.extend(rules(&mut sequence, count));
    let mut order: Vec<usize> = (0..count).collect();
    sequence.shuffle(&mut order);
    let each = (count / ONE_IN).max(1);
    let mut begins = calm.clone();
    let mut back = Vec::new();
    for (place, at) in order.into_iter().enumerate() {
        let Some(machine) = begins.machines.list.get_mut(at) else { continue };
        match place / each {
            // Switched off since some hours: the service calls it active for days, so its name means it still.
            0 => {
                machine.collection = Some(Collection::StaysPending);
                machine.silent = Some(Seconds::from_millis(OFFLINE));
                back.push(machine.id.clone());
            }
            1 => begins.foreign.push(Foreign {
                machine: machine.id.clone(),
                action_type: "CollectInvestigationPackage".to_owned(),
                requestor: "analyst@contoso.com".to_owned(),
                comment: "by hand".to_owned(),
                external_id: None,
                age: Seconds::from_millis(60_000),
                remaining: Some(Seconds::from_millis(60_000 * (2 + sequence.below(8)))),
            }),
            2 => machine.collection = Some(Collection::Fails),
            _ => break,
        }
    }
    Course { begins, recovers: Some(Recovery { after: RECOVERY, scenario: calm, back }) }
}

/// Troubles of single calls. Each has a number of its own, so that one call has one trouble.
fn rules(sequence: &mut Sequence, machines: usize) -> Vec<FaultRule> {
    let rule = |on, nth, then| FaultRule {
        on,
        machine: None,
        nth: vec![nth],
        every: None,
        then,
        status: None,
        seconds: None,
        message: None,
    };
    let calls = (machines as u64).max(1);
    let mut nth = |of: u64| 1 + sequence.below(of);
    let unavailable = |on, nth| FaultRule { status: Some(503), ..rule(on, nth, Then::Error) };
    let throttled = |on, nth, seconds: u64| FaultRule {
        seconds: Some(Seconds::from_millis(seconds * 1_000)),
        ..rule(on, nth, Then::Throttled)
    };
    let first = nth(calls.div_ceil(3));
    vec![
        throttled(Endpoint::Collect, first, 20),
        rule(Endpoint::Collect, first + 1, Then::Lost),
        unavailable(Endpoint::Collect, first + 2),
        rule(Endpoint::CreateAlert, 1, Then::Lost),
        unavailable(Endpoint::CreateAlert, 2),
        unavailable(Endpoint::ListActions, 1 + nth(3)),
        unavailable(Endpoint::ListMachines, 1),
        throttled(Endpoint::PackageUri, 1 + nth(2), 40),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::MachineSpec;

    fn tenant(machines: usize) -> Scenario {
        let mut scenario = Scenario::default();
        scenario.machines.list = (0..machines).map(|n| MachineSpec::derived(&format!("{n:040x}"))).collect();
        scenario
    }

    #[test]
    fn a_seed_is_one_course_and_another_one_is_another() {
        assert_eq!(course(tenant(20), 7, true), course(tenant(20), 7, true));
        assert_ne!(course(tenant(20), 7, true).begins.foreign, course(tenant(20), 8, true).begins.foreign);
        let calm = course(tenant(20), 1, false);
        assert!(calm.recovers.is_none() && calm.begins.machines == tenant(20).machines);
        assert_ne!(calm.begins.seed, course(tenant(20), 2, false).begins.seed);
    }

    #[test]
    fn each_trouble_has_devices_of_its_own_and_ends() {
        for machines in [0, 1, 2, 3, 20, 57] {
            let course = course(tenant(machines), 3, true);
            let list = &course.begins.machines.list;
            let with = |how| list.iter().filter(|m| m.collection == Some(how)).count();
            let (offline, failing) = (with(Collection::StaysPending), with(Collection::Fails));
            let each = (machines / ONE_IN).max(1);
            let wanted = [0, 1, 2].map(|n| each.min(machines.saturating_sub(n * each)));
            assert_eq!([offline, course.begins.foreign.len(), failing], wanted, "{machines}");
            let recovery = course.recovers.unwrap();
            assert!(recovery.scenario.machines.list.iter().all(|m| m.collection.is_none()), "{machines}");
            assert!(recovery.scenario.check().is_ok() && course.begins.check().is_ok());
        }
    }
}
