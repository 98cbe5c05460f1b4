//! What a dependency that stands so far means for the call behind it.

use casefile::model::{Call, Dependency, Until, reference};
use casefile::plan::{Action, Change, Obstacle, Reason, Row};
use casefile::state::{Outcome, Refusal};

use crate::world::{World, alert, package};

const P: &str = "InvestigationPackage/p";
const A: &str = "Alert/a";

/// What comes of the alert behind the package.
#[derive(Debug, PartialEq)]
enum Comes {
    /// It is sent.
    Now,
    /// It is sent after the package.
    After,
    Held(Obstacle),
}
use Comes::{After, Held, Now};

fn behind(w: &mut World, until: Until) -> Comes {
    let mut a = alert("a", 2, "t", 1);
    a.depends_on = vec![Dependency { address: P.parse().unwrap(), until }].into();
    w.desired.retain(|d| d.address != a.address);
    w.desired.push(a);
    w.sort();
    let plan = w.plan();
    let c: &Change = plan.changes.iter().find(|c| c.address.to_string() == A).unwrap();
    match &c.reason {
        Reason::HeldBy { by, why } => {
            assert_eq!((by.to_string().as_str(), c.action, c.call.is_some()), (P, Action::Wait, false));
            Held(*why)
        }
        _ => {
            assert_eq!((c.action, c.call.is_some()), (Action::Create, true));
            if c.waits_for.is_empty() { Now } else { After }
        }
    }
}

/// Both: for `Accepted` and for `Succeeded`.
fn both(w: &mut World) -> (Comes, Comes) {
    (behind(w, Until::Accepted), behind(w, Until::Succeeded))
}

fn one() -> World {
    World::new(vec![package("p", 1, "why", 1)])
}

fn running() -> World {
    let mut w = one();
    w.apply();
    w
}

fn answered(result: Outcome) -> World {
    let mut w = one();
    let plan = w.plan();
    let address = P.parse().unwrap();
    let attempt = w.intend(&plan, &address);
    w.answer(&address, attempt, result);
    w
}

fn ended(status: &str) -> World {
    let mut w = running();
    w.pass(60);
    w.set(1, status);
    w
}

#[test]
fn a_new_or_repeated_dependency_comes_first() {
    assert_eq!(both(&mut one()), (After, After));
    let mut failed = ended("Failed");
    assert_eq!(both(&mut failed), (Held(Obstacle::Failed), Held(Obstacle::Failed)), "not due yet");
    failed.pass(3600);
    assert_eq!(both(&mut failed), (After, After), "is asked again");
    let mut revised = ended("Succeeded");
    revised.desired = vec![package("p", 1, "why", 2)];
    assert_eq!(both(&mut revised), (After, After), "the old object is not the one that is asked for");
}

#[test]
fn what_is_there_keeps_nothing_waiting() {
    assert_eq!(both(&mut running()), (Now, After));
    assert_eq!(both(&mut ended("Succeeded")), (Now, Now));
    let mut edited = ended("Succeeded");
    edited.desired = vec![package("p", 1, "why indeed", 1)];
    assert_eq!(both(&mut edited), (Now, Now), "differs");
    let mut renamed = running();
    renamed.desired = vec![package("q", 1, "why", 1)];
    let mut a = alert("a", 2, "t", 1);
    a.depends_on =
        vec![Dependency { address: "InvestigationPackage/q".parse().unwrap(), until: Until::Accepted }]
            .into();
    renamed.desired.push(a);
    renamed.sort();
    let plan = renamed.plan();
    let c = plan.changes.iter().find(|c| c.address.to_string() == A).unwrap();
    assert_eq!((c.action, c.waits_for.len()), (Action::Create, 0), "under its old name");
}

#[test]
fn what_will_not_be_there_holds_back() {
    let held = |why| (Held(why), Held(why));
    let refusal = |code: &str, status| Refusal { status, code: code.into(), ..Refusal::default() };
    let refused = Outcome::Rejected { error: refusal("OsPlatformNotSupported", 400) };
    assert_eq!(both(&mut answered(refused)), held(Obstacle::Refused));
    assert_eq!(both(&mut ended("Cancelled")), held(Obstacle::Cancelled));
    let lost = Outcome::Unknown { why: "reset".into(), other: None };
    assert_eq!(both(&mut answered(lost)), held(Obstacle::NoOutcome));
    let mut busy = one();
    busy.foreign(1, "an analyst's");
    let plan = busy.plan();
    let address = P.parse().unwrap();
    let attempt = busy.intend(&plan, &address);
    let error = refusal("ActiveRequestAlreadyExists", 400);
    busy.answer(&address, attempt, Outcome::Busy { error });
    busy.policy(P, casefile::model::OnInProgress::Wait);
    assert_eq!(both(&mut busy), held(Obstacle::Busy));
    busy.policy(P, casefile::model::OnInProgress::Fail);
    assert_eq!(both(&mut busy), held(Obstacle::Unresolved));
    busy.policy(P, casefile::model::OnInProgress::Adopt);
    assert_eq!(both(&mut busy), (Now, After), "the running one is taken");
    let mut moved = running();
    moved.desired = vec![package("p", 3, "why", 1)];
    assert_eq!(both(&mut moved), held(Obstacle::OldStillRuns));
    let mut alone = one();
    alone.selected = Some([A.parse().unwrap()].into());
    assert_eq!(both(&mut alone), held(Obstacle::NotSelected));
    let mut gone = one();
    gone.desired.clear();
    assert_eq!(both(&mut gone), held(Obstacle::Unknown));
}

#[test]
fn only_calls_that_create_are_held_back() {
    let mut w = World::new(vec![alert("a", 2, "t", 1), package("p", 1, "why", 1)]);
    w.apply();
    w.pass(60);
    w.set(1, "Failed");
    let a = w.declared(A);
    a.depends_on = vec![Dependency { address: P.parse().unwrap(), until: Until::Succeeded }].into();
    a.triage =
        Some(casefile::model::Triage { assigned_to: Some("secop@contoso.com".into()), ..Default::default() })
            .into();
    assert_eq!(w.row(A), Some((Row::TriageDiffers, Action::Update)));
    w.forget_manifest(A);
    assert_eq!(w.row(A), Some((Row::Removed, Action::Forget)));
}

/// The id of the package that the plan shows in the text of the alert behind it; `None`: no call.
fn id_in(w: &mut World) -> Option<Option<String>> {
    let mut a = alert("a", 2, "t", 1);
    let Call::Alert(mut call) = a.call.clone() else { unreachable!() };
    call.description = format!("see {}", reference(P));
    a.set_call(Call::Alert(call));
    a.depends_on = vec![Dependency { address: P.parse().unwrap(), until: Until::Accepted }].into();
    w.desired.retain(|d| d.address != a.address);
    w.desired.push(a.clone());
    w.sort();
    let plan = w.plan();
    let c = plan.changes.iter().find(|c| c.address == a.address).unwrap();
    let call = c.call.as_ref()?;
    assert_eq!(*call.request(), a.request(), "the call names the resource, not the id");
    let [planned] = call.ids.as_slice() else { panic!("{:?}", call.ids) };
    let shown = planned.id.clone().unwrap_or_else(|| format!("(known after {P})"));
    let after = c.after.as_ref().unwrap().iter().find(|(name, _)| name == "description");
    assert_eq!(after.unwrap().1, format!("see {shown}"));
    Some(planned.id.clone())
}

#[test]
fn an_id_is_known_where_the_plan_does_not_ask_for_it_anew() {
    let known = |id: &str| Some(Some(id.to_owned()));
    assert_eq!(id_in(&mut one()), Some(None));
    assert_eq!(id_in(&mut running()), known("action-1"));
    assert_eq!(id_in(&mut ended("Succeeded")), known("action-1"));
    assert_eq!(id_in(&mut ended("Cancelled")), None);
    let mut revised = ended("Succeeded");
    revised.desired = vec![package("p", 1, "why", 2)];
    assert_eq!(id_in(&mut revised), Some(None));
    let mut failed = ended("Failed");
    assert_eq!(id_in(&mut failed), None, "not due yet");
    failed.pass(3600);
    assert_eq!(id_in(&mut failed), Some(None));
    let mut adopted = one();
    adopted.foreign(1, "an analyst's");
    let plan = adopted.plan();
    let address = P.parse().unwrap();
    let attempt = adopted.intend(&plan, &address);
    let error = Refusal { status: 400, code: "ActiveRequestAlreadyExists".into(), ..Refusal::default() };
    adopted.answer(&address, attempt, Outcome::Busy { error });
    let theirs = adopted.actions[0].id.clone();
    assert_eq!(id_in(&mut adopted), known(&theirs));
    let mut alone = running();
    alone.selected = Some([A.parse().unwrap()].into());
    assert_eq!(id_in(&mut alone), known("action-1"), "it is recorded");
}
