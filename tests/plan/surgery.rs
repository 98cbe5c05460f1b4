//! `import`, `moved` and `replace` of manifests: each does its work once, and nothing is sent because of it that no
//! person asked for.

use casefile::model::{Desired, Surgery, Triage};
use casefile::plan::{
    self, Action, ImportRefusal, MoveRefusal, Need, Observed, PlanWarning, Reason, Row, Warning,
};
use casefile::state::{Origin, Outcome, Phase, Record, Refusal};

use crate::world::{World, alert, calls, package};

const P: &str = "InvestigationPackage/p";
const Q: &str = "InvestigationPackage/q";
const A: &str = "Alert/a";

fn importing(mut d: Desired, id: &str) -> Desired {
    d.surgery = Some(Surgery { import: Some(id.into()), ..Surgery::default() }).into();
    d
}

fn moved(mut d: Desired, from: &str) -> Desired {
    d.surgery = Some(Surgery { moved_from: Some(from.parse().unwrap()), ..Surgery::default() }).into();
    d
}

fn replacing(mut d: Desired, id: &str) -> Desired {
    d.surgery = Some(Surgery { replace: Some(id.into()), ..Surgery::default() }).into();
    d
}

/// A state that knows a resource, so that it is not taken for a lost one.
fn begun(mut desired: Vec<Desired>) -> World {
    desired.push(package("other", 9, "other", 1));
    let mut w = World::new(vec![package("other", 9, "other", 1)]);
    w.apply();
    w.set(9, "Succeeded");
    w.desired = desired;
    w.sort();
    w
}

fn resource<'w>(w: &'w World, address: &str) -> &'w casefile::state::Resource {
    &w.state.resources[&address.parse().unwrap()]
}

fn warnings(w: &mut World, address: &str) -> Vec<Warning> {
    let plan = w.plan();
    plan.changes.iter().find(|c| c.address.to_string() == address).unwrap().warnings.to_vec()
}

fn reason(w: &mut World, address: &str) -> Reason {
    let plan = w.plan();
    plan.changes.iter().find(|c| c.address.to_string() == address).unwrap().reason.clone()
}

fn refused(w: &mut World, address: &str) -> ImportRefusal {
    assert_eq!(w.row(address), Some((Row::ImportedByManifest, Action::Unresolved)));
    match reason(w, address) {
        Reason::ImportRefused { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_imported_is_taken_over_once_and_never_asked_for() {
    let mut w = begun(Vec::new());
    let id = w.foreign(1, "an analyst's");
    w.set(1, "Succeeded");
    w.desired.push(importing(package("p", 1, "why", 1), &id.to_uppercase()));
    w.sort();
    let plan = w.plan();
    assert!(plan.calls().next().is_none());
    assert_eq!(w.row(P), Some((Row::ImportedByManifest, Action::Adopt)));
    assert!(warnings(&mut w, P).contains(&Warning::ImportOtherText));
    w.apply();
    let r = resource(&w, P);
    assert_eq!((r.id.as_deref(), r.origin, r.phase), (Some(&*id), Some(Origin::Adopted), Phase::Succeeded));
    assert_eq!(w.row(P), Some((Row::Done, Action::NoOp)), "the field still stands there");
    // Another revision asks anew, and what was imported once stays done.
    w.declared(P).revision = 2;
    let asked = importing(package("p", 1, "why", 2), &id);
    *w.declared(P) = asked;
    assert_eq!(w.row(P), Some((Row::NewTarget, Action::Replace)));
    w.apply();
    w.set(1, "Succeeded");
    assert_eq!(w.row(P), Some((Row::Done, Action::NoOp)));
    // So does an edited text: it differs from what was taken as sent.
    *w.declared(P) = importing(package("p", 1, "another why", 2), &id);
    assert_eq!(w.row(P), Some((Row::TextDiffers, Action::Differs)));
}

#[test]
fn an_alert_is_imported_with_the_triage_that_it_shows() {
    let mut w = begun(Vec::new());
    let id = w.take(&alert("a", 1, "bad", 1).call.request()).id;
    w.triage(0, &[("status", "InProgress")]);
    let mut d = importing(alert("a", 1, "bad", 1), &id);
    d.triage = Some(Triage { status: Some("Resolved".into()), ..Triage::default() }).into();
    w.desired.push(d);
    w.sort();
    assert_eq!(w.row(A), Some((Row::ImportedByManifest, Action::Adopt)));
    assert!(!warnings(&mut w, A).contains(&Warning::ImportOtherText));
    w.apply();
    assert_eq!(w.row(A), Some((Row::TriageLeft, Action::Differs)));
}

#[test]
fn what_cannot_be_imported_needs_a_person() {
    let mut w = begun(Vec::new());
    let id = w.foreign(2, "why");
    w.desired.push(importing(package("p", 1, "why", 1), &id));
    w.desired.push(importing(package("q", 1, "why", 1), "nothing"));
    w.sort();
    assert!(matches!(refused(&mut w, P), ImportRefusal::OtherMachine { .. }));
    assert_eq!(refused(&mut w, Q), ImportRefusal::NotFound);
    assert!(w.plan().calls().next().is_none());
    w.actions.last_mut().unwrap().action_type = "Isolate".into();
    w.declared(P).call = package("p", 2, "why", 1).call;
    assert_eq!(refused(&mut w, P), ImportRefusal::OtherType { found: "Isolate".into() });
    // An object that a call of another resource made is that one's.
    let made = resource(&w, "InvestigationPackage/other").id.clone().unwrap();
    *w.declared(P) = importing(package("p", 9, "why", 1), &made);
    assert_eq!(
        refused(&mut w, P),
        ImportRefusal::MadeBy { by: "InvestigationPackage/other".parse().unwrap() }
    );
}

#[test]
fn what_was_not_looked_at_is_neither_imported_nor_asked_for() {
    let mut w =
        begun(vec![importing(package("p", 1, "why", 1), "x"), importing(alert("a", 1, "bad", 1), "y")]);
    let unseen = Observed { at: w.now, server_at: w.now, ..Observed::default() };
    let plan = w.plan_with(&unseen);
    assert!(plan.calls().next().is_none());
    for c in plan.changes.iter().filter(|c| c.row == Some(Row::ImportedByManifest)) {
        assert!(c.action == Action::Wait && matches!(c.reason, Reason::ImportNotLooked { .. }), "{c:?}");
    }
    let need = |w: &World| -> Need { plan::need(&w.desired, &w.state, &|_| true, &w.settings) };
    assert!(need(&w).running.contains("x") && need(&w).alerts.contains("y"), "{:?}", need(&w));
    // Once it is done nothing has to be read for it.
    let mut w = begun(Vec::new());
    let id = w.foreign(1, "an analyst's");
    w.set(1, "Succeeded");
    w.desired.push(importing(package("p", 1, "why", 1), &id));
    w.sort();
    w.apply();
    assert!(need(&w).is_nothing(), "{:?}", need(&w));
}

#[test]
fn what_is_under_way_comes_before_an_import() {
    let mut w = begun(vec![package("p", 1, "why", 1)]);
    w.apply();
    let id = w.foreign(1, "an analyst's");
    *w.declared(P) = importing(package("p", 1, "why", 1), &id);
    assert_eq!(w.row(P), Some((Row::StillRuns, Action::Wait)));
    assert!(warnings(&mut w, P).contains(&Warning::ImportWaits { id: id.clone() }));
    for a in &mut w.actions {
        a.status = "Succeeded".into();
    }
    assert_eq!(w.row(P), Some((Row::ImportedByManifest, Action::Adopt)));
    w.apply();
    assert_eq!(resource(&w, P).id.as_deref(), Some(&*id));
    assert_eq!(w.row(P), Some((Row::Done, Action::NoOp)));
}

/// A call whose answer was lost and that had no effect.
fn lost() -> (World, u64) {
    let mut w = begun(vec![package("p", 1, "why", 1)]);
    let plan = w.plan();
    let address = P.parse().unwrap();
    let attempt = w.intend(&plan, &address);
    w.answer(&address, attempt, Outcome::Unknown { why: "reset".into(), other: None });
    (w, attempt)
}

#[test]
fn an_import_ends_a_look_up_and_never_hastens_it() {
    let (mut w, _) = lost();
    let id = w.foreign(1, "an analyst's");
    *w.declared(P) = importing(package("p", 1, "why", 1), &id);
    assert_eq!(w.row(P), Some((Row::OutcomeOpen, Action::Wait)));
    w.pass(60);
    // Without the field the lost call would be sent again.
    assert_eq!(w.row(P), Some((Row::ImportedByManifest, Action::Adopt)));
    w.apply();
    let r = resource(&w, P);
    assert_eq!((r.id.as_deref(), r.watched.len()), (Some(&*id), 1), "the lost call stays watched");
    assert!(w.plan().calls().next().is_none());
}

#[test]
fn a_move_follows_a_resource_whose_target_and_text_changed() {
    let mut w = begun(vec![package("p", 1, "why", 1)]);
    w.apply();
    w.set(1, "Succeeded");
    w.plan();
    w.forget_manifest(P);
    w.desired.push(moved(package("q", 1, "another why", 2), P));
    w.sort();
    assert_eq!(w.row(Q), Some((Row::MovedByManifest, Action::Move)));
    assert_eq!(w.row(P), None);
    assert!(w.plan().calls().next().is_none());
    w.apply();
    assert!(!w.state.resources.contains_key(&P.parse().unwrap()));
    // What the new revision asks for is a plan of its own.
    assert_eq!(calls(&w.plan()), [(Q.to_owned(), Action::Replace)]);
    w.apply();
    w.set(1, "Succeeded");
    assert_eq!(w.row(Q), Some((Row::Done, Action::NoOp)), "the field still stands there");
    assert_eq!(resource(&w, Q).past.len(), 1);
}

#[test]
fn a_move_waits_for_an_open_call() {
    let (mut w, attempt) = lost();
    w.forget_manifest(P);
    w.desired.push(moved(package("q", 1, "another why", 1), P));
    w.sort();
    assert_eq!(w.row(Q), Some((Row::MovedByManifest, Action::Wait)));
    assert_eq!(w.row(P), Some((Row::OutcomeOpen, Action::Wait)));
    let object = w.take(&package("p", 1, "why", 1).call.request());
    w.answer(&P.parse().unwrap(), attempt, Outcome::Made { object });
    assert_eq!(w.row(Q), Some((Row::MovedByManifest, Action::Move)));
}

#[test]
fn a_move_onto_a_record_needs_a_person_and_forgets_nothing() {
    let mut w = begun(vec![package("p", 1, "why", 1), package("q", 2, "why", 1)]);
    w.apply();
    w.forget_manifest(P);
    *w.declared(Q) = moved(package("q", 2, "why", 1), P);
    assert_eq!(w.row(Q), Some((Row::MovedByManifest, Action::Unresolved)));
    assert_eq!(reason(&mut w, Q), Reason::MoveRefused { from: P.parse().unwrap(), why: MoveRefusal::Taken });
    assert_eq!(w.row(P), None, "it is not forgotten before a person has decided");
    // A released record gives way, as by `state mv`.
    w.record(Record::Released { address: Q.parse().unwrap() });
    assert_eq!(w.row(Q), Some((Row::MovedByManifest, Action::Move)));
    // And a released old one is done with.
    w.record(Record::Released { address: P.parse().unwrap() });
    assert_eq!(w.row(Q), Some((Row::KnownFromBefore, Action::NoOp)));
}

#[test]
fn a_move_from_what_is_still_declared_is_refused() {
    let mut w = begun(vec![package("p", 1, "why", 1)]);
    w.apply();
    w.desired.push(moved(package("q", 1, "another why", 1), P));
    w.sort();
    assert_eq!(
        reason(&mut w, Q),
        Reason::MoveRefused { from: P.parse().unwrap(), why: MoveRefusal::StillDeclared }
    );
    assert_eq!(w.row(P), Some((Row::StillRuns, Action::Wait)));
}

#[test]
fn a_replace_of_what_is_held_counts_once() {
    for status in ["Succeeded", "Cancelled"] {
        let mut w = begun(vec![package("p", 1, "why", 1)]);
        w.apply();
        let id = resource(&w, P).id.clone().unwrap();
        *w.declared(P) = replacing(package("p", 1, "why", 1), &id);
        assert_eq!(w.row(P), Some((Row::StillRuns, Action::Wait)));
        assert!(warnings(&mut w, P).contains(&Warning::ReplaceWaits { id: id.clone() }));
        w.set(1, status);
        assert_eq!(w.row(P), Some((Row::AskedByName, Action::Replace)));
        assert_eq!(reason(&mut w, P), Reason::ReplaceDeclared { id: id.clone() });
        w.apply();
        assert_eq!(w.row(P), Some((Row::StillRuns, Action::Wait)));
        w.set(1, status);
        let done = if status == "Succeeded" { Row::Done } else { Row::Cancelled };
        assert_eq!(w.row(P), Some((done, Action::NoOp)));
        assert!(warnings(&mut w, P).is_empty());
    }
}

#[test]
fn a_replace_that_was_refused_or_lost_does_not_count_again() {
    let mut w = begun(vec![package("p", 1, "why", 1)]);
    w.apply();
    w.set(1, "Succeeded");
    let address = P.parse().unwrap();
    let id = resource(&w, P).id.clone().unwrap();
    *w.declared(P) = replacing(package("p", 1, "why", 1), &id);
    let plan = w.plan();
    let mut unsent = w.clone();
    let mut gone = w.clone();
    let attempt = w.intend(&plan, &address);
    let error = Refusal { status: 400, code: "OsPlatformNotSupported".into(), ..Refusal::default() };
    w.answer(&address, attempt, Outcome::Rejected { error });
    assert_eq!(w.row(P), Some((Row::RefusedForGood, Action::Exhausted)));
    // Killed before the answer: the look-up decides, not the field.
    let attempt = gone.intend(&plan, &address);
    assert_eq!(gone.row(P), Some((Row::OutcomeOpen, Action::Wait)));
    gone.answer(&address, attempt, Outcome::Unknown { why: "reset".into(), other: None });
    gone.pass(60);
    assert_eq!(gone.row(P), Some((Row::LostCall, Action::Create)));
    // One that never left is asked for again.
    let attempt = unsent.intend(&plan, &address);
    unsent.answer(&address, attempt, Outcome::Unsent { why: "no connection".into() });
    assert_eq!(unsent.row(P), Some((Row::AskedByName, Action::Replace)));
}

#[test]
fn a_replace_that_is_answered_with_the_same_alert_does_not_count_again() {
    let mut w = begun(vec![alert("a", 1, "bad", 1)]);
    w.apply();
    let address = A.parse().unwrap();
    let id = resource(&w, A).id.clone().unwrap();
    *w.declared(A) = replacing(alert("a", 1, "bad", 1), &id);
    let plan = w.plan();
    assert_eq!(calls(&plan), [(A.to_owned(), Action::Replace)]);
    let attempt = w.intend(&plan, &address);
    let object = casefile::state::Object::from(&w.alerts[0]);
    w.answer(&address, attempt, Outcome::Adopted { object });
    assert_eq!(resource(&w, A).id.as_deref(), Some(&*id));
    assert_eq!(w.row(A), Some((Row::Done, Action::NoOp)));
}

#[test]
fn a_replace_of_a_look_alike_counts_for_that_and_older_ones_alone() {
    let mut w = begun(vec![package("p", 1, "why", 1)]);
    let older = w.foreign(1, "why");
    w.pass(10);
    let id = w.foreign(1, "why");
    for a in &mut w.actions {
        a.status = "Succeeded".into();
    }
    assert_eq!(w.row(P), Some((Row::LookAlike, Action::Unresolved)));
    *w.declared(P) = replacing(package("p", 1, "why", 1), &older);
    assert_eq!(w.row(P), Some((Row::LookAlike, Action::Unresolved)), "a newer one was not named");
    *w.declared(P) = replacing(package("p", 1, "why", 1), &id);
    let plan = w.plan();
    let c = plan.changes.iter().find(|c| c.address.to_string() == P).unwrap();
    assert_eq!((c.row, c.action), (Some(Row::AskedByName), Action::Replace));
    assert_eq!(c.look_alikes.to_vec(), [older, id.clone()]);
    assert_eq!(c.reason, Reason::ReplaceDeclared { id: id.clone() });
    // Refused in a way that may pass: the attempts of the manifest count, and what was named is in nobody's way.
    let mut w2 = w.clone();
    let address = P.parse().unwrap();
    let attempt = w2.intend(&plan, &address);
    let error = Refusal { status: 404, code: "ResourceNotFound".into(), ..Refusal::default() };
    w2.answer(&address, attempt, Outcome::Rejected { error });
    assert_eq!(w2.row(P), Some((Row::RefusedBefore, Action::Create)));
    w.pass(10);
    w.apply();
    w.set(1, "Succeeded");
    assert_eq!(w.row(P), Some((Row::Done, Action::NoOp)));
    assert!(warnings(&mut w, P).is_empty());
}

#[test]
fn a_replace_of_an_unknown_object_changes_nothing_and_says_so() {
    let mut w = begun(vec![package("p", 1, "why", 1)]);
    w.apply();
    w.set(1, "Succeeded");
    *w.declared(P) = replacing(package("p", 1, "why", 1), "nothing");
    assert_eq!(w.row(P), Some((Row::Done, Action::NoOp)));
    assert_eq!(warnings(&mut w, P), [Warning::ReplaceUnknown { id: "nothing".into() }]);
}

#[test]
fn what_only_a_person_can_tell_of_a_lost_call_is_told_by_the_manifest() {
    let (w, _) = lost();
    for replace in [false, true] {
        let mut w = w.clone();
        w.pass(600);
        let id = w.foreign(1, "why");
        assert_eq!(w.row(P), Some((Row::OutcomeUnclear, Action::Unresolved)));
        let d = package("p", 1, "why", 1);
        *w.declared(P) = if replace { replacing(d, &id) } else { importing(d, &id) };
        let expected = match replace {
            true => (Row::AskedByName, Action::Replace),
            false => (Row::ImportedByManifest, Action::Adopt),
        };
        assert_eq!(w.row(P), Some(expected));
        w.apply();
        assert!(w.plan().calls().next().is_none(), "once");
    }
}

#[test]
fn a_state_is_not_lost_if_manifests_name_what_is_there() {
    for replace in [false, true] {
        let mut w = World::new(vec![package("p", 1, "why", 1)]);
        w.settings.fresh = false;
        let id = w.foreign(1, "why");
        w.set(1, "Succeeded");
        let lost =
            |w: &mut World| w.plan().warnings.iter().any(|w| matches!(w, PlanWarning::LookAlikes { .. }));
        assert!(lost(&mut w));
        let d = package("p", 1, "why", 1);
        *w.declared(P) = if replace { replacing(d, &id) } else { importing(d, &id) };
        assert!(!lost(&mut w));
        assert_eq!(w.plan().calls().count(), usize::from(replace));
    }
}

#[test]
fn no_digest_covers_these_fields() {
    let plain = package("p", 1, "why", 1);
    for d in [importing(plain.clone(), "x"), moved(plain.clone(), Q), replacing(plain.clone(), "x")] {
        assert_eq!((d.digest, d.request()), (plain.digest, plain.request()));
    }
}
