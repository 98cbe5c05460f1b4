//! A plan digest that is no longer that of today's plan: the rows that differ are named.

use casefile::model::{Address, PlanDigest, Sha256Hex};
use casefile::plan::{Difference, Plan, differing};

use crate::world::{World, package};

fn world(names: &[&str]) -> World {
    World::new(names.iter().zip(1..).map(|(name, n)| package(name, n, "c", 1)).collect())
}

fn told(w: &World, plan: &Plan, expected: PlanDigest) -> Vec<(String, Difference)> {
    let rows = differing(plan, expected, &w.desired, &w.state);
    rows.into_iter().map(|(a, d)| (a.name().to_owned(), d)).collect()
}

#[test]
fn a_row_that_was_added_or_is_gone_is_named() {
    let mut two = world(&["a", "b"]);
    let both = two.plan();
    let mut one = two.clone();
    one.desired.truncate(1);
    let first = one.plan();
    assert_eq!(told(&two, &both, first.digest), [("b".to_owned(), Difference::Added)]);
    one.desired.clone_from(&two.desired);
    one.selected = Some([two.desired[0].address.clone()].into());
    let narrowed = one.plan();
    assert_eq!(told(&one, &narrowed, both.digest), [("b".to_owned(), Difference::Gone)]);
}

#[test]
fn a_repetition_has_another_digest_than_the_call_that_it_repeats() {
    let mut w = world(&["a"]);
    let address: Address = "InvestigationPackage/a".parse().unwrap();
    let created = w.apply();
    w.pass(60);
    w.actions.iter_mut().for_each(|a| a.status = casefile::model::ActionStatus::Succeeded);
    w.plan();
    w.replace.insert(address.clone());
    let again = w.plan();
    let call = again.calls().next().unwrap().1;
    assert_eq!(call.request(), created.calls().next().unwrap().1.request());
    assert_eq!(call.objects, 1);
    assert_ne!(created.digest, again.digest);
    assert_eq!(told(&w, &again, created.digest), [("a".to_owned(), Difference::Sent)]);
    // Sent under another plan, the number of objects still tells.
    w.state.resources.get_mut(&address).unwrap().asked = None;
    assert_eq!(told(&w, &again, created.digest), [("a".to_owned(), Difference::AnotherObject)]);
}

#[test]
fn where_nothing_tells_every_call_is_named() {
    let mut w = world(&["a", "b"]);
    let plan = w.plan();
    let rows = told(&w, &plan, PlanDigest(Sha256Hex::ZERO));
    assert_eq!(rows, [("a".to_owned(), Difference::Unknown), ("b".to_owned(), Difference::Unknown)]);
}
