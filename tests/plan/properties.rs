//! Properties of plans over many small worlds.

use casefile::model::{Desired, Triage};
use casefile::plan::{Action, Plan};
use casefile::state::Phase;
use proptest::prelude::*;

use crate::world::{World, alert, calls, package};

prop_compose! {
    fn resource(n: usize)(
        is_alert in any::<bool>(),
        machine in 0_u8..3,
        text in prop::sample::select(vec!["one", "two", "three"]),
        revision in 1_u32..3,
        triage in prop::option::of(prop::sample::select(vec!["New", "Resolved"])),
        comment in prop::option::of(Just("seen".to_owned())),
    ) -> Desired {
        // Names tell the kinds apart, so that a renamed one is a new one.
        let mut d = if is_alert {
            alert(&format!("r{n}"), machine, text, revision)
        } else {
            package(&format!("r{n}"), machine, text, revision)
        };
        if is_alert && (triage.is_some() || comment.is_some()) {
            d.triage = Some(Triage { status: triage.map(Into::into), comment, ..Triage::default() }).into();
        }
        d
    }
}

fn manifests() -> impl Strategy<Value = Vec<Desired>> {
    (0_usize..7).prop_flat_map(|count| (0..count).map(resource).collect::<Vec<_>>())
}

/// What happens to the running collections between two runs.
fn fates() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(
        prop::sample::select(vec![
            "Pending",
            "InProgress",
            "Succeeded",
            "Failed",
            "TimeOut",
            "Cancelled",
            "Odd",
        ]),
        20,
    )
}

fn happen(w: &mut World, fates: &[&str]) {
    for (a, fate) in w.actions.iter_mut().zip(fates) {
        if a.status.is_active() {
            a.status = (*fate).into();
        }
    }
}

fn creating(plan: &Plan) -> Vec<(String, Action)> {
    calls(plan).into_iter().filter(|(_, a)| a.call().is_some_and(|c| c.creates())).collect()
}

proptest! {
    /// Planning right after an apply, the world being still, calls nothing but the update of an alert that
    /// the apply created.
    #[test]
    fn the_second_plan_is_quiet(desired in manifests()) {
        let mut w = World::new(desired);
        let first = w.apply();
        let second = w.plan();
        for (address, action) in calls(&second) {
            let created = first.changes.iter().any(|c| c.address.to_string() == address && c.action == Action::Create);
            prop_assert!(action == Action::Update && created, "{address} {action}");
        }
        w.apply();
        prop_assert_eq!(calls(&w.plan()), vec![]);
    }

    /// The same input gives the same plan.
    #[test]
    fn plans_are_deterministic(desired in manifests(), fates in fates()) {
        let mut w = World::new(desired);
        w.apply();
        happen(&mut w, &fates);
        let mut other = w.clone();
        prop_assert_eq!(format!("{:?}", w.plan()), format!("{:?}", other.plan()));
    }

    /// Whatever became of the collections, editing texts asks for nothing that would not be asked anyway.
    #[test]
    fn an_edited_text_never_becomes_a_call(desired in manifests(), fates in fates(), minutes in 0_u64..30) {
        let mut w = World::new(desired);
        w.apply();
        happen(&mut w, &fates);
        w.pass(minutes * 60);
        // Statuses are read first; failures are due some minutes later.
        w.plan();
        w.pass(minutes * 60);
        let before = creating(&w.plan());
        for d in &mut w.desired {
            let name = d.address.name().to_owned();
            let machine = u8::from_str_radix(&d.call.machine().as_str()[..2], 16).unwrap();
            let edited = match d.address.kind() {
                casefile::model::Kind::Alert => alert(&name, machine, "edited", d.revision),
                casefile::model::Kind::InvestigationPackage => package(&name, machine, "edited", d.revision),
            };
            d.call = edited.call;
            d.digest = edited.digest;
        }
        prop_assert_eq!(creating(&w.plan()), before);
    }

    /// Succeeded and cancelled resources are never asked again without a new target or a name.
    #[test]
    fn what_is_over_stays_over(desired in manifests(), fates in fates(), days in 0_u64..60) {
        let mut w = World::new(desired);
        w.apply();
        happen(&mut w, &fates);
        w.plan();
        w.pass(days * 86_400);
        let plan = w.plan();
        for c in &plan.changes {
            let phase = w.state.resources.get(&c.address).map(|r| r.phase);
            if matches!(phase, Some(Phase::Succeeded | Phase::Cancelled)) {
                prop_assert!(c.call.is_none() || c.action == Action::Update, "{} {}", c.address, c.action);
            }
        }
    }

    /// Removing all manifests and putting them back asks for nothing, but for retries of what had failed.
    #[test]
    fn away_and_back_asks_nothing(desired in manifests(), fates in fates()) {
        let mut w = World::new(desired);
        w.apply();
        happen(&mut w, &fates);
        w.plan();
        let all = std::mem::take(&mut w.desired);
        w.apply();
        prop_assert!(w.state.resources.values().all(|r| r.phase == Phase::Released));
        w.desired = all;
        let back = w.apply();
        prop_assert_eq!(creating(&back), vec![]);
        w.pass(3600);
        for (address, action) in creating(&w.plan()) {
            prop_assert_eq!(action, Action::Retry, "{}", address);
        }
    }

    /// Every declared resource has exactly one row, in address order, with a source.
    #[test]
    fn one_row_each(desired in manifests(), fates in fates()) {
        let mut w = World::new(desired);
        w.apply();
        happen(&mut w, &fates);
        let plan = w.plan();
        let rows: Vec<_> = plan.changes.iter().map(|c| c.address.clone()).collect();
        let declared: Vec<_> = w.desired.iter().map(|d| d.address.clone()).collect();
        prop_assert_eq!(rows, declared);
        prop_assert!(plan.changes.iter().all(|c| c.source.is_some()));
    }
}
