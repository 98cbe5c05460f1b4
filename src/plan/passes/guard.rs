//! Guard rails: which creating calls the project forbids or wants approved. A function of values.
//!
//! They are warnings of rows, so that a plan shows them; whether a run may go on in spite of one is asked
//! with [`held`]. What is not known counts as protected.

use std::collections::BTreeSet;

use crate::model::{Address, Approval, IdKey, Kind};
use crate::plan::action::Action;
use crate::plan::change::{Change, Plan};
use crate::plan::machines::{Machines, Named};
use crate::plan::settings::{Guards, PlanLimits};
use crate::plan::warning::{LimitApproval, PlanWarning, Warning};
use crate::state::{Phase, State};

/// The warnings of rows that are made anew whenever a plan is carried out, by their names in documents.
pub const CODES: [&str; 5] = [PROTECTED, PROTECTED_APPROVED, NAME_UNKNOWN, NAME_UNKNOWN_APPROVED, COMMENT];
/// See [`Warning::Protected`].
pub const PROTECTED: &str = "protected-machine";
/// See [`Warning::Protected`].
pub const PROTECTED_APPROVED: &str = "protected-machine-approved";
/// See [`Warning::NameUnknown`].
pub const NAME_UNKNOWN: &str = "machine-name-unknown";
/// See [`Warning::NameUnknown`].
pub const NAME_UNKNOWN_APPROVED: &str = "machine-name-unknown-approved";
/// See [`Warning::CommentRule`].
pub const COMMENT: &str = "comment-rule";

/// The machines of creating calls whose names a look at the service could tell;
/// empty where no names are protected.
pub fn unnamed(changes: &[Change], guards: &Guards) -> BTreeSet<IdKey> {
    if !guards.need_names() {
        return BTreeSet::new();
    }
    let creating = changes.iter().filter_map(creating_machine);
    creating.filter(|machine| guards.by_id(machine).is_none()).map(IdKey::of).collect()
}

fn creating_machine(c: &Change) -> Option<&str> {
    let call = c.call.as_ref().filter(|_| c.action.creates())?;
    Some(call.machine.as_str())
}

/// Warns of each creating call that the project forbids or wants approved.
pub fn guard(changes: &mut [Change], guards: &Guards, machines: &Machines) {
    for c in changes {
        let Some(machine) = creating_machine(c) else { continue };
        let approved = c.approve.as_ref().filter(|a| a.protected).map(|a| a.reason.clone());
        let warning = match guards.by_id(machine) {
            Some(entry) => {
                let name = machines.named(machine).name().map(str::to_owned);
                Some(Warning::Protected { entry: entry.as_str().to_owned(), name, approved })
            }
            None if guards.need_names() => by_name(guards, machines.named(machine), approved),
            None => None,
        };
        let comment = guards.comment.as_ref().filter(|rule| {
            !c.call.as_ref().and_then(|call| call.sent.declared()).is_some_and(|d| rule.allows(&d))
        });
        let comment = comment.map(|rule| Warning::CommentRule { pattern: rule.pattern().to_owned() });
        c.warnings.extend(warning.into_iter().chain(comment));
    }
}

fn by_name(guards: &Guards, named: Named<'_>, approved: Option<String>) -> Option<Warning> {
    let why = match named {
        Named::As(name) => {
            let entry = guards.by_name(name)?.as_str().to_owned();
            return Some(Warning::Protected { entry, name: Some(name.to_owned()), approved });
        }
        Named::Not(why) => why,
    };
    Some(Warning::NameUnknown { why, approved })
}

/// Which limits a plan's creating calls exceed. `approving` are the rows whose approvals count: the
/// plan's own, or those of the saved plan of which it is the rest.
pub fn over_limits(changes: &[Change], limits: &PlanLimits, approving: &[Change]) -> Vec<PlanWarning> {
    fn creating(rows: &[Change], kind: Kind) -> impl Iterator<Item = &Change> {
        rows.iter().filter(move |c| c.action.creates() && c.address.kind() == kind)
    }
    let rows = [
        ("newCollections", Kind::InvestigationPackage, limits.new_collections),
        ("newAlerts", Kind::Alert, limits.new_alerts),
    ];
    let over = rows.into_iter().filter_map(|(limit, kind, allowed)| {
        let planned = creating(changes, kind).count();
        let approval = |c: &Change| {
            let Approval { over_limits, reason, .. } = c.approve.as_ref()?;
            Some(LimitApproval { by: c.address.clone(), up_to: (*over_limits)?, reason: reason.clone() })
        };
        let mut approvals: Vec<LimitApproval> = creating(approving, kind).filter_map(approval).collect();
        // Of equal ones the first by address.
        approvals.sort_by_key(|a| std::cmp::Reverse(a.up_to));
        let approved = approvals.into_iter().next();
        (planned > allowed as usize).then_some(PlanWarning::OverLimit { limit, planned, allowed, approved })
    });
    over.collect()
}

/// Fewer resources are removed without a question.
const MANY: usize = 10;

/// Warns if a plan ends what most resources of a state asked for, because no manifest declares them any more. A folder
/// of manifests that is suddenly empty looks like that, and so does a copy of the state beside other manifests.
pub fn removals(changes: &[Change], state: &State) -> Option<PlanWarning> {
    let calls = changes.iter().filter(|c| matches!(c.action, Action::Cancel | Action::Resolve)).count();
    if calls == 0 {
        return None;
    }
    let resources = state.resources.values().filter(|r| r.phase != Phase::Released).count();
    (resources >= MANY && 2 * calls > resources).then_some(PlanWarning::Removals { calls, resources })
}

/// What a person who starts a run may allow on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// `--allow-over-limits`
    pub over_limits: bool,
    /// `--allow-protected`
    pub protected: bool,
    /// `--allow-removals`, or a plan that was approved as it is.
    pub removals: bool,
}

/// A guard rail that keeps a plan from being carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Held<'a> {
    /// Too many creating calls of a kind, and no approval for so many.
    Limit {
        /// `newCollections` or `newAlerts`.
        limit: &'static str,
        /// How many the plan has.
        planned: usize,
        /// How many are allowed.
        allowed: u32,
    },
    /// Calls that end what most resources asked for.
    Removals {
        /// How many are cancelled or resolved.
        calls: usize,
        /// How many the state holds.
        resources: usize,
    },
    /// Calls to protected machines, without an approval.
    Protected(Vec<(&'a Address, &'a Warning)>),
    /// Texts that the project does not allow. Nothing allows them but another text.
    Comment(Vec<(&'a Address, &'a Warning)>),
}

/// The first guard rail that a plan does not pass.
pub fn held(plan: &Plan, allowed: Allowed) -> Option<Held<'_>> {
    let over = plan.warnings.iter().filter(|w| w.is_over_limit() && !allowed.over_limits);
    let limit = over.filter_map(|w| match *w {
        PlanWarning::OverLimit { limit, planned, allowed, .. } => {
            Some(Held::Limit { limit, planned, allowed })
        }
        _ => None,
    });
    if let Some(held) = limit.into_iter().next() {
        return Some(held);
    }
    if let Some((calls, resources)) = plan.removals().filter(|_| !allowed.removals) {
        return Some(Held::Removals { calls, resources });
    }
    let rows = |which: fn(&Warning) -> bool| -> Vec<(&Address, &Warning)> {
        let all = plan.changes.iter().flat_map(|c| c.warnings.iter().map(move |w| (&c.address, w)));
        all.filter(|(_, w)| which(w)).collect()
    };
    let protected = rows(Warning::is_protected);
    if !protected.is_empty() && !allowed.protected {
        return Some(Held::Protected(protected));
    }
    let comment = rows(|w| matches!(w, Warning::CommentRule { .. }));
    (!comment.is_empty()).then_some(Held::Comment(comment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Call, Desired, Machine, Source};
    use crate::plan::machines::NameGap;
    use crate::plan::{Input, Observed, Settings, plan};

    fn package(name: &str, approve: Option<Approval>) -> Desired {
        let call = Call::collect("ab".repeat(20).parse().unwrap(), "c");
        let source = Source { file: "a.yaml".into(), line: 1 };
        let mut d = Desired::new(Address::new(Kind::InvestigationPackage, name), source, call, 1);
        d.approve = approve.into();
        d
    }

    fn up_to(n: u32) -> Option<Approval> {
        Some(Approval { over_limits: Some(n), protected: false, reason: n.to_string() })
    }

    fn planned(desired: &[Desired], settings: &Settings, observed: &Observed) -> Plan {
        let (state, replace) = (State::default(), BTreeSet::new());
        plan(&Input { desired, selected: None, replace: &replace, state: &state, observed, settings })
    }

    fn settings(protected: &[&str]) -> Settings {
        let mut settings = Settings::at(jiff::Timestamp::UNIX_EPOCH);
        settings.fresh = true;
        settings.guards.protected = protected.iter().map(|p| p.parse().unwrap()).collect();
        settings
    }

    #[test]
    fn the_largest_approval_counts() {
        let rows = [package("a", up_to(2)), package("b", up_to(3)), package("c", up_to(3))];
        let plan = planned(&rows, &settings(&[]), &Observed::default());
        let limits = PlanLimits { new_collections: 1, new_alerts: 0 };
        let over = over_limits(&plan.changes, &limits, &plan.changes);
        let [PlanWarning::OverLimit { planned: 3, allowed: 1, approved: Some(by), .. }] = over.as_slice()
        else {
            panic!("{over:?}")
        };
        assert_eq!((by.by.name(), by.up_to, by.reason.as_str()), ("b", 3, "3"));
        assert!(!over[0].is_over_limit());
        // The rest of a saved plan has the approvals of the whole.
        let rest: Vec<Change> =
            plan.changes.iter().filter(|c| c.approve != up_to(3).into()).cloned().collect();
        let none = PlanLimits { new_collections: 0, new_alerts: 0 };
        assert!(!over_limits(&rest, &none, &plan.changes)[0].is_over_limit());
        assert!(over_limits(&rest, &limits, &[]).is_empty(), "one call is within the limit");
        assert!(over_limits(&rest, &none, &[])[0].is_over_limit());
    }

    #[test]
    fn names_are_asked_for_only_where_they_matter() {
        let rows = [package("a", None)];
        let asked = |protected: &[&str]| {
            let settings = settings(protected);
            unnamed(&planned(&rows, &settings, &Observed::default()).changes, &settings.guards).len()
        };
        let id = "AB".repeat(20);
        assert_eq!(asked(&[]), 0);
        assert_eq!(asked(&[&id]), 0, "an id needs no name");
        assert_eq!(asked(&[&id, "*-dc-*"]), 0, "it is protected already");
        assert_eq!(asked(&["*-dc-*"]), 1);
    }

    #[test]
    fn what_is_not_known_is_protected() {
        let rows = [package("a", None)];
        let settings = settings(&["*-dc-*"]);
        let id = "ab".repeat(20);
        let with = |fill: &dyn Fn(&mut Machines)| {
            let mut observed = Observed::default();
            fill(&mut observed.machines);
            let plan = planned(&rows, &settings, &observed);
            ((*plan.changes[0].warnings).clone(), held(&plan, Allowed::default()).is_some())
        };
        let named = |name: Option<&str>| {
            let machine: Machine = serde_json::from_value(serde_json::json!({ "id": id })).unwrap();
            Some(Machine { computer_dns_name: name.map(str::to_owned), ..machine })
        };
        let unknown = |why| (vec![Warning::NameUnknown { why, approved: None }], true);
        assert_eq!(with(&|_| ()), unknown(NameGap::NotLooked));
        assert_eq!(with(&|m| m.fail("403".into())), unknown(NameGap::Failed { why: "403".into() }));
        assert_eq!(with(&|m| m.insert(&id, None)), unknown(NameGap::NotFound));
        assert_eq!(with(&|m| m.insert(&id, named(None))), unknown(NameGap::Nameless));
        assert_eq!(with(&|m| m.insert(&id, named(Some(" ")))), unknown(NameGap::Nameless));
        assert_eq!(with(&|m| m.insert(&id, named(Some("fin-ws-042")))), (vec![], false));
        assert!(with(&|m| m.insert(&id.to_uppercase(), named(Some("HQ-DC-01")))).1);
    }

    #[test]
    fn a_flag_allows_what_it_names_alone() {
        let mut settings = settings(&["*"]);
        settings.limits.new_collections = 0;
        settings.guards.comment = "^INC".parse().ok();
        let plan = planned(&[package("a", None)], &settings, &Observed::default());
        let with = |over_limits, protected| held(&plan, Allowed { over_limits, protected, removals: false });
        assert!(matches!(with(false, true), Some(Held::Limit { planned: 1, allowed: 0, .. })));
        assert!(matches!(with(true, false), Some(Held::Protected(rows)) if rows.len() == 1));
        assert!(
            matches!(with(true, true), Some(Held::Comment(rows)) if rows.len() == 1),
            "no flag allows a text"
        );
    }
}
