//! Every row of the decision table, reached the way it is reached in life.

use casefile::model::{OnInProgress, OnRemove};
use casefile::plan::{Action, Observed, OnUnknown, PlanWarning, Reason, Row, Warning};
use casefile::state::{Origin, Outcome, Phase, Refusal};

use crate::world::{World, alert, calls, machine, package};

const P: &str = "InvestigationPackage/p";
const A: &str = "Alert/a";

fn one() -> World {
    World::new(vec![package("p", 1, "why", 1)])
}

fn running() -> World {
    let mut w = one();
    w.apply();
    w
}

/// A call whose answer was lost; `effect`: whether the service took it.
fn lost(effect: bool) -> World {
    let mut w = one();
    let plan = w.plan();
    let address = P.parse().unwrap();
    let attempt = w.intend(&plan, &address);
    if effect {
        let request = w.state.resources[&address].sent.request.clone();
        w.take(&request);
    }
    w.answer(&address, attempt, Outcome::Unknown { why: "reset".into(), other: None });
    w
}

fn busy(foreign: bool) -> World {
    let mut w = one();
    let plan = w.plan();
    let address = P.parse().unwrap();
    if foreign {
        w.foreign(1, "an analyst's");
    }
    w.pass(5);
    let attempt = w.intend(&plan, &address);
    let error = Refusal { status: 400, code: "ActiveRequestAlreadyExists".into(), ..Refusal::default() };
    w.answer(&address, attempt, Outcome::Busy { error });
    w
}

fn rejected(code: &str, status: u16) -> World {
    let mut w = one();
    let plan = w.plan();
    let address = P.parse().unwrap();
    let attempt = w.intend(&plan, &address);
    let error = Refusal { status, code: code.into(), ..Refusal::default() };
    w.answer(&address, attempt, Outcome::Rejected { error });
    w
}

fn resource(w: &World) -> &casefile::state::Resource {
    &w.state.resources[&P.parse().unwrap()]
}

/// A row that no world reaches could decide anything.
#[test]
fn every_row_that_a_plan_shows_is_reached() {
    let tests = [include_str!("rows.rs"), include_str!("surgery.rs"), include_str!("triage.rs")].concat();
    let not_shown = [Row::MovedAway, Row::NotPlanned, Row::Forgotten];
    for row in (1..=u8::MAX).map_while(Row::from_number).filter(|row| !not_shown.contains(row)) {
        let name = format!("Row::{row:?}");
        let mut named = tests.split(&name).skip(1).map(|rest| !rest.starts_with(char::is_alphanumeric));
        assert!(named.any(|whole| whole), "no test here reaches row {row:?}");
    }
}

#[test]
fn replace_by_name_but_not_over_a_running_one() {
    let mut w = running();
    w.replace.insert(P.parse().unwrap());
    assert_eq!(w.row(P), Some((Row::StillRuns, Action::Wait)));
    w.set(1, "Succeeded");
    assert_eq!(w.row(P), Some((Row::AskedByName, Action::Replace)));
    w.apply();
    let r = resource(&w);
    assert_eq!((r.phase, r.past.len(), r.attempts), (Phase::InProgress, 1, 0));
}

#[test]
fn our_lost_call_is_found() {
    let mut w = lost(true);
    assert_eq!(w.row(P), Some((Row::OursFound, Action::Adopt)));
    w.apply();
    assert_eq!(resource(&w).origin, Some(Origin::Made));
    assert_eq!(w.actions.len(), 1);
}

#[test]
fn a_found_call_of_an_older_revision_shows_what_follows() {
    let mut w = lost(true);
    *w.declared(P) = package("p", 1, "why", 2);
    w.pass(60);
    w.set(1, "Succeeded");
    let plan = w.plan();
    assert_eq!(calls(&plan), [(P.to_owned(), Action::Replace)]);
    assert_eq!(plan.changes[0].reason, Reason::NewRevision { from: 1, to: 2 });
    w.apply();
    assert_eq!(resource(&w).past.len(), 1, "the lost call's object stays known");
}

#[test]
fn an_open_alert_shows_our_event() {
    let mut w = World::new(vec![alert("a", 1, "bad", 1)]);
    let plan = w.plan();
    let address = A.parse().unwrap();
    // An analyst's alert of long ago, into which the service merges ours.
    let call = w.desired[0].call.request();
    w.take(&call);
    w.pass(7200);
    let attempt = w.intend(&plan, &address);
    w.answer(&address, attempt, Outcome::Unknown { why: "time-out".into(), other: None });
    assert_eq!(w.row(A), Some((Row::AlertShowsEvent, Action::Adopt)));
    w.apply();
    assert_eq!(w.state.resources[&address].origin, Some(Origin::Adopted));
}

#[test]
fn what_only_looks_like_ours_stops_everything() {
    let mut w = lost(false);
    w.pass(600);
    w.foreign(1, "why");
    assert_eq!(w.row(P), Some((Row::OutcomeUnclear, Action::Unresolved)));
    let mut w = lost(true);
    w.foreign(1, "why");
    assert_eq!(w.row(P), Some((Row::OutcomeUnclear, Action::Unresolved)), "two candidates");
    let mut w = lost(false);
    w.pass(31 * 86_400);
    assert_eq!(w.row(P), Some((Row::OutcomeUnclear, Action::Unresolved)), "older than 30 days");
    let mut w = lost(false);
    w.pass(600);
    w.foreign(1, "  WHY ");
    assert_eq!(w.row(P), Some((Row::OutcomeUnclear, Action::Unresolved)), "nearly equal");
}

#[test]
fn nothing_is_concluded_too_early_or_unseen() {
    let mut w = lost(false);
    assert_eq!(w.row(P), Some((Row::OutcomeOpen, Action::Wait)));
    w.pass(29);
    assert_eq!(w.row(P), Some((Row::OutcomeOpen, Action::Wait)));
    w.pass(1);
    assert_eq!(w.row(P), Some((Row::LostCall, Action::Create)));
    let unseen = Observed { at: w.now, server_at: w.now, ..Observed::default() };
    let plan = w.plan_with(&unseen);
    assert_eq!(plan.changes[0].action, Action::Wait);
    // Without the lock the sender may be alive.
    let mut w = one();
    let plan = w.plan();
    w.intend(&plan, &P.parse().unwrap());
    w.settings.lock_at = None;
    w.pass(60);
    assert_eq!(w.row(P), Some((Row::OutcomeOpen, Action::Wait)));
}

#[test]
fn a_given_up_attempt_turns_up() {
    let mut w = lost(false);
    w.pass(30);
    let plan = w.plan();
    assert_eq!(calls(&plan).len(), 1);
    let address = P.parse().unwrap();
    let first = resource(&w).open.as_ref().unwrap().attempt.sent.request.clone();
    let attempt = w.intend(&plan, &address);
    let error = Refusal { status: 404, code: "ResourceNotFound".into(), ..Refusal::default() };
    w.answer(&address, attempt, Outcome::Rejected { error });
    w.pass(5);
    w.take(&first);
    assert_eq!(w.row(P), Some((Row::WatchedFound, Action::Adopt)));
    w.apply();
    assert_eq!(resource(&w).origin, Some(Origin::Made));
    assert!(resource(&w).watched.is_empty());
}

#[test]
fn a_late_arrival_beside_another_object_is_recorded() {
    let mut w = lost(false);
    w.pass(30);
    let first = resource(&w).open.as_ref().unwrap().attempt.sent.request.clone();
    w.apply();
    w.set(1, "Succeeded");
    w.pass(5);
    let late = w.take(&first).id;
    assert!(w.plan().calls().next().is_none());
    let past = &resource(&w).past;
    assert!(past.iter().any(|p| p.id == late && p.late), "{past:?}");
    // It stays in sight, though nothing is to be done.
    let plan = w.plan();
    assert_eq!(plan.changes[0].action, Action::NoOp);
    assert_eq!(*plan.changes[0].warnings, [Warning::LateArrival { id: late }]);
}

#[test]
fn absent_after_the_settle_time() {
    let mut w = lost(false);
    w.pass(30);
    w.settings.recovery.on_unknown = OnUnknown::Ask;
    assert_eq!(w.row(P), Some((Row::AskBeforeResend, Action::Unresolved)));
    w.settings.recovery.on_unknown = OnUnknown::Resend;
    assert_eq!(w.row(P), Some((Row::LostCall, Action::Create)));
}

#[test]
fn a_removed_manifest_that_comes_back_asks_nothing() {
    let mut w = running();
    w.set(1, "Succeeded");
    w.plan();
    let d = w.forget_manifest(P);
    assert_eq!(w.row(P), Some((Row::Removed, Action::Forget)));
    w.apply();
    assert_eq!(w.row(P), None, "row 32");
    w.desired.push(d);
    assert_eq!(w.row(P), Some((Row::KnownFromBefore, Action::NoOp)));
    w.apply();
    assert_eq!(resource(&w).phase, Phase::Succeeded);
    assert_eq!(w.row(P), Some((Row::Done, Action::NoOp)));
}

#[test]
fn a_renamed_manifest_is_followed() {
    let mut w = running();
    w.forget_manifest(P);
    w.desired.push(package("q", 1, "why", 1));
    assert_eq!(w.row("InvestigationPackage/q"), Some((Row::Renamed, Action::Move)));
    assert_eq!(w.row(P), None, "row 29");
    w.apply();
    assert_eq!(w.row("InvestigationPackage/q"), Some((Row::StillRuns, Action::Wait)));
    // Two of the same text: no telling which one it is.
    let mut w = running();
    w.forget_manifest(P);
    w.desired.extend([package("q", 1, "why", 1), package("r", 1, "why", 1)]);
    assert_eq!(w.row("InvestigationPackage/q"), Some((Row::New, Action::Create)));
    // While the call is open it stays where it is.
    let mut w = lost(false);
    w.forget_manifest(P);
    w.desired.push(package("q", 1, "why", 1));
    assert_eq!(w.row("InvestigationPackage/q"), Some((Row::Renamed, Action::Wait)));
}

/// A state that knows another resource alone, and what another run made for `p` since.
fn older(status: &str) -> World {
    let mut w = World::new(vec![package("q", 2, "why", 1)]);
    w.apply();
    w.desired.push(package("p", 1, "why", 1));
    w.sort();
    w.foreign(1, " why ");
    w.set(1, status);
    w
}

const THERE: Option<(Row, Action)> = Some((Row::LookAlike, Action::Unresolved));
const NEW: Option<(Row, Action)> = Some((Row::New, Action::Create));

#[test]
fn a_state_that_is_older_than_the_service_asks_for_nothing_again() {
    let mut w = older("Succeeded");
    let plan = w.plan();
    let row = &plan.changes[0];
    assert_eq!((row.row, row.action), (Some(Row::LookAlike), Action::Unresolved));
    let id = "action-2".to_owned();
    assert_eq!(*row.look_alikes, std::slice::from_ref(&id));
    let (requestor, created_at) = (Some("app".to_owned()), w.actions[1].creation_date_time_utc.clone());
    assert_eq!(row.reason, Reason::AlreadyThere { id, requestor, created_at, others: 0 });

    // A revision is no way out, another comment is one.
    *w.declared(P) = package("p", 1, "why", 2);
    assert_eq!(w.row(P), THERE);
    *w.declared(P) = package("p", 1, "why indeed", 1);
    assert_eq!(w.row(P), NEW);
    // Two manifests, and one object.
    *w.declared(P) = package("p", 1, "why", 1);
    w.desired.push(package("r", 1, "why", 1));
    assert_eq!((w.row(P), w.row("InvestigationPackage/r")), (THERE, THERE));
    w.pass(31 * 86_400);
    assert_eq!(w.row(P), NEW, "too long ago");

    // What gave nobody what is asked for, and what the service answers with.
    for status in ["Pending", "InProgress", "Failed", "TimeOut", "Cancelled"] {
        assert_eq!(older(status).row(P), NEW, "{status}");
    }
    assert_eq!(older("Odd").row(P), THERE, "neither active nor over");
}

/// A recorded collection that ended so, and one of the same text that another run has had made since.
fn overtaken(status: &str) -> World {
    let mut w = one();
    w.apply();
    w.set(1, status);
    w.pass(3600);
    w.plan();
    w.foreign(1, "why");
    w.set(1, "Succeeded");
    w
}

#[test]
fn a_revision_is_no_way_out_of_an_older_state() {
    const REPLACE: Option<(Row, Action)> = Some((Row::NewTarget, Action::Replace));
    for status in ["Succeeded", "Failed", "TimeOut", "Cancelled"] {
        let mut w = overtaken(status);
        *w.declared(P) = package("p", 1, "why", 2);
        assert_eq!(w.row(P), THERE, "{status}");
        // With another text it is nobody's.
        *w.declared(P) = package("p", 1, "why indeed", 2);
        assert_eq!(w.row(P), REPLACE, "{status}");
        // Made before what is recorded, or not over, or over without success: the record says all there is.
        *w.declared(P) = package("p", 1, "why", 2);
        for other in ["Pending", "Failed", "Cancelled"] {
            w.set(1, other);
            assert_eq!(w.row(P), REPLACE, "{status}, {other}");
        }
        w.set(1, "Succeeded");
        w.actions[1].creation_date_time_utc = Some((w.now - std::time::Duration::from_secs(7200)).into());
        assert_eq!(w.row(P), REPLACE, "{status}");
    }
    // What is recorded of one machine says nothing of another: however old, it is there.
    let mut w = overtaken("Succeeded");
    *w.declared(P) = package("p", 3, "why", 1);
    assert_eq!(w.row(P), REPLACE);
    w.foreign(3, "why");
    w.set(3, "Succeeded");
    w.actions[2].creation_date_time_utc = Some((w.now - std::time::Duration::from_secs(7200)).into());
    assert_eq!(w.row(P), THERE);
    // Busy, and another target is declared by now.
    let mut w = busy(false);
    *w.declared(P) = package("p", 1, "why", 2);
    assert_eq!(w.row(P), Some((Row::PendingElsewhere, Action::Create)));
    w.pass(600);
    w.foreign(1, "why");
    w.set(1, "Succeeded");
    assert_eq!(w.row(P), THERE);
    // An alert.
    let mut w = World::new(vec![alert("a", 1, "bad", 1)]);
    w.apply();
    w.pass(60);
    *w.declared(A) = alert("a", 1, "bad", 2);
    assert_eq!(w.row(A), REPLACE);
    let call = w.declared(A).call.request();
    w.take(&call);
    assert_eq!(w.row(A), THERE);
    // Nobody looked.
    let unseen = Observed { at: w.now, server_at: w.now, ..Observed::default() };
    let plan = w.plan_with(&unseen);
    assert_eq!(plan.changes[0].row, Some(Row::NewTarget));
    assert_eq!(plan.warnings, [PlanWarning::NotCompared { new: 1 }]);
}

#[test]
fn look_alikes_in_every_form_that_the_service_gives_them_back_in() {
    let with = |declared: &str, found: Option<&str>| {
        let mut w = older("Succeeded");
        *w.declared(P) = package("p", 1, declared, 1);
        w.actions[1].requestor_comment = found.map(str::to_owned);
        w
    };
    for (declared, found) in [
        ("why", "why [casefile 0123456789] "),
        ("a & b\nc", "a &amp; b\r\nc"),
        ("see ${{ resources['Alert/x'].id }}.", " see da637_1."),
    ] {
        assert_eq!(with(declared, Some(found)).row(P), THERE, "{declared}");
    }
    assert_eq!(with("why", Some("WHY")).row(P), NEW, "another text");
    assert_eq!(with("why", None).row(P), NEW, "no text proves nothing");
    let mut w = older("Succeeded");
    w.actions[1].machine_id = w.actions[1].machine_id.take().map(|m| m.to_uppercase());
    assert_eq!(w.row(P), THERE);
    w.actions[1].machine_id = None;
    assert_eq!(w.row(P), THERE, "unknown, not another one");
    w.actions[1].machine_id = Some("00".repeat(20));
    assert_eq!(w.row(P), NEW);
}

#[test]
fn an_alert_is_a_look_alike_open_or_not() {
    let mut w = World::new(vec![package("q", 2, "why", 1)]);
    w.apply();
    w.desired.push(alert("a", 1, "bad", 1));
    w.sort();
    let call = w.declared(A).call.request();
    w.take(&call);
    assert_eq!(w.row(A), THERE);
    w.alerts[0].status = Some("Resolved".into());
    assert_eq!(w.row(A), THERE);
    for word in [Some("null"), Some("None"), None] {
        w.alerts[0].category = word.map(str::to_owned);
        assert_eq!(w.row(A), THERE, "{word:?}");
    }
    w.alerts[0].severity = Some("High".into());
    assert_eq!(w.row(A), NEW, "another text");
    // Nobody looked.
    let unseen = Observed { at: w.now, server_at: w.now, ..Observed::default() };
    let plan = w.plan_with(&unseen);
    assert_eq!(plan.changes[0].row, Some(Row::New));
    assert_eq!(plan.warnings, [PlanWarning::NotCompared { new: 1 }]);
}

#[test]
fn what_a_record_knows_is_no_look_alike() {
    // Released, and asked for under another name.
    let mut w = running();
    w.set(1, "Succeeded");
    w.plan();
    w.forget_manifest(P);
    w.apply();
    w.desired.push(package("q", 1, "why", 1));
    assert_eq!(w.row("InvestigationPackage/q"), NEW);
    // A call without an answer explains it, whichever comes first.
    let mut w = lost(true);
    w.set(1, "Succeeded");
    w.desired.push(package("a", 1, "why", 1));
    w.sort();
    assert_eq!(w.row("InvestigationPackage/a"), NEW);
    assert_eq!(w.row(P), Some((Row::OursFound, Action::Adopt)));
    // A state that knows nothing at all is refused as a whole.
    let mut w = one();
    w.foreign(1, "why");
    w.set(1, "Succeeded");
    assert_eq!(w.row(P), NEW, "an empty state is meant");
    w.settings.fresh = false;
    let plan = w.plan();
    assert_eq!(plan.changes[0].row, Some(Row::New));
    assert!(matches!(&plan.warnings[..], [PlanWarning::LookAlikes { .. }]));
}

#[test]
fn asking_again_counts_for_the_look_alikes_that_the_plan_names() {
    let mut w = older("Succeeded");
    w.replace.insert(P.parse().unwrap());
    let plan = w.plan();
    let row = &plan.changes[0];
    assert_eq!((row.row, row.action), (Some(Row::AskedByName), Action::Replace));
    assert_eq!(*row.warnings, [Warning::AlreadyThere { ids: vec!["action-2".into()] }]);
    w.foreign(1, "why");
    w.set(1, "Succeeded");
    let other = w.plan();
    assert_eq!(other.changes[0].call, plan.changes[0].call);
    assert_ne!(other.digest, plan.digest, "the approval was for one of them");
    w.apply();
    w.replace.clear();
    w.set(1, "Succeeded");
    assert_eq!(w.row(P), Some((Row::Done, Action::NoOp)));
}

#[test]
fn an_answer_that_names_another_object_is_never_repeated() {
    let mut w = one();
    let plan = w.plan();
    let address = P.parse().unwrap();
    let attempt = w.intend(&plan, &address);
    let why = "201, but it names x, which is of machine 00".to_owned();
    w.answer(&address, attempt, Outcome::Unknown { why: why.clone(), other: Some("x".into()) });
    w.pass(30);
    let plan = w.plan();
    let row = &plan.changes[0];
    assert_eq!((row.row, row.action), (Some(Row::AskBeforeResend), Action::Unresolved));
    assert_eq!(row.reason, Reason::AnsweredOtherwise { why });
    // A late arrival is still ours.
    let request = resource(&w).sent.request.clone();
    w.take(&request);
    assert_eq!(w.row(P), Some((Row::OursFound, Action::Adopt)));
}

#[test]
fn a_lost_call_is_found_in_every_form_that_the_service_gives_it_back_in() {
    let with = |change: &dyn Fn(&mut casefile::model::MachineAction)| {
        let mut w = lost(true);
        change(&mut w.actions[0]);
        w.row(P)
    };
    let ours = Some((Row::OursFound, Action::Adopt));
    let unclear = Some((Row::OutcomeUnclear, Action::Unresolved));
    assert_eq!(with(&|a| a.requestor_comment = Some("&#119;hy\r\n".into())), ours);
    assert_eq!(with(&|a| a.machine_id = None), unclear, "of any machine");
    assert_eq!(with(&|a| a.requestor_comment = None), unclear);
    assert_eq!(with(&|a| a.creation_date_time_utc = None), unclear);
    let mut w = World::new(vec![alert("a", 1, "bad", 1)]);
    let plan = w.plan();
    let address = A.parse().unwrap();
    let attempt = w.intend(&plan, &address);
    let request = w.declared(A).call.request();
    w.take(&request);
    w.answer(&address, attempt, Outcome::Unknown { why: "reset".into(), other: None });
    w.alerts[0].category = Some("null".into());
    w.alerts[0].severity = Some("UnSpecified".into());
    assert_eq!(w.row(A), ours);
}

#[test]
fn refusals() {
    assert_eq!(
        rejected("OsPlatformNotSupported", 400).row(P),
        Some((Row::RefusedForGood, Action::Exhausted))
    );
    // Which of the two the service answers to a comment that is missing is not verified.
    for code in ["MissingRequiredParameter", "InvalidRequestBody"] {
        assert_eq!(rejected(code, 400).row(P), Some((Row::RefusedForGood, Action::Exhausted)), "{code}");
    }
    let mut w = rejected("ResourceNotFound", 404);
    assert_eq!(w.row(P), Some((Row::RefusedBefore, Action::Create)));
    w.declared(P).policy.max_attempts = 1;
    assert_eq!(w.row(P), Some((Row::RefusedForGood, Action::Exhausted)));
    // Missing rights use up nothing.
    let mut w = rejected("Forbidden", 403);
    w.declared(P).policy.max_attempts = 1;
    assert_eq!(w.row(P), Some((Row::RefusedBefore, Action::Create)));
    // Another text is another request.
    let mut w = rejected("InvalidInput", 400);
    *w.declared(P) = package("p", 1, "another", 1);
    assert_eq!(w.row(P), Some((Row::RefusedBefore, Action::Create)));
}

#[test]
fn a_busy_machine() {
    let mut w = busy(true);
    *w.declared(P) = package("p", 1, "why", 2);
    assert_eq!(w.row(P), Some((Row::PendingElsewhere, Action::Create)));

    let mut w = busy(true);
    let unseen = Observed { at: w.now, server_at: w.now, ..Observed::default() };
    assert_eq!(w.plan_with(&unseen).changes[0].row, Some(Row::BusyWithOwn));

    assert_eq!(w.row(P), Some((Row::BusyWithOther, Action::Adopt)));
    w.policy(P, OnInProgress::Wait);
    assert_eq!(w.row(P), Some((Row::BusyWithOther, Action::Wait)));
    w.policy(P, OnInProgress::Fail);
    assert_eq!(w.row(P), Some((Row::BusyWithOther, Action::Unresolved)));
    w.policy(P, OnInProgress::Adopt);
    w.pass(3600);
    assert_eq!(w.row(P), Some((Row::BusyWithOther, Action::Wait)), "began too long ago");

    let mut w = busy(true);
    w.pass(5);
    w.set(1, "Succeeded");
    assert_eq!(w.row(P), Some((Row::OtherSucceeded, Action::Adopt)));
    w.policy(P, OnInProgress::Wait);
    assert_eq!(w.row(P), Some((Row::FreeAgain, Action::Create)));
    assert_eq!(busy(false).row(P), Some((Row::FreeAgain, Action::Create)));
}

#[test]
fn what_keeps_a_machine_busy_may_be_an_action_of_another_type() {
    // Whether the service's guard is for each type or for each machine is not verified.
    let mut w = busy(false);
    assert_eq!(w.plan().changes[0].reason, Reason::FreeNow);
    let other = serde_json::json!({
        "id": "action-9", "type": "Isolate", "status": "InProgress", "machineId": machine(1),
    });
    w.actions.push(serde_json::from_value(other).unwrap());
    let plan = w.plan();
    assert_eq!(plan.changes[0].reason, Reason::BusyWithOtherType { action_type: "Isolate".into() });
    assert_eq!(w.row(P), Some((Row::FreeAgain, Action::Create)), "asked again, and refused again if it is");
}

#[test]
fn our_own_earlier_collection_is_waited_for() {
    let mut w = running();
    *w.declared(P) = package("p", 1, "why", 2);
    w.replace.insert(P.parse().unwrap());
    // The status word is not known: `--replace` may go on, and the machine turns out to be busy.
    w.set(1, "Odd");
    assert_eq!(w.row(P), Some((Row::AskedByName, Action::Replace)));
    let plan = w.plan();
    let address = P.parse().unwrap();
    let attempt = w.intend(&plan, &address);
    let error = Refusal { status: 400, code: "ActiveRequestAlreadyExists".into(), ..Refusal::default() };
    w.answer(&address, attempt, Outcome::Busy { error });
    w.replace.clear();
    w.set(1, "InProgress");
    assert_eq!(w.row(P), Some((Row::BusyWithOwn, Action::Wait)));
}

#[test]
fn running_and_edited() {
    let mut w = running();
    assert_eq!(w.row(P), Some((Row::StillRuns, Action::Wait)));
    *w.declared(P) = package("p", 1, "edited", 1);
    assert_eq!(w.row(P), Some((Row::RunningTextDiffers, Action::Differs)));
    *w.declared(P) = package("p", 2, "why", 1);
    assert_eq!(w.row(P), Some((Row::StillRuns, Action::Wait)), "the old one still runs");
    w.set(1, "Succeeded");
    assert_eq!(w.row(P), Some((Row::NewTarget, Action::Replace)));
}

#[test]
fn gone_takes_two_looks_a_settle_time_apart() {
    let mut w = running();
    let id = resource(&w).id.clone().unwrap();
    w.actions.clear();
    let missed = |w: &World| {
        let mut seen = w.look();
        seen.not_found.insert(id.clone());
        seen
    };
    w.pass(60);
    let seen = missed(&w);
    assert_eq!(w.plan_with(&seen).changes[0].row, Some(Row::StillRuns));
    w.pass(10);
    let seen = missed(&w);
    assert_eq!(w.plan_with(&seen).changes[0].row, Some(Row::StillRuns), "too soon after the first");
    w.pass(20);
    let seen = missed(&w);
    assert_eq!(w.plan_with(&seen).changes[0].row, Some(Row::Gone));
    *w.declared(P) = package("p", 1, "why", 2);
    assert_eq!(w.plan_with(&seen).changes[0].row, Some(Row::NewTarget));
}

#[test]
fn failures_are_repeated_slowly_and_not_for_ever() {
    let mut w = running();
    for attempt in 1..=3 {
        w.set(1, "Failed");
        assert_eq!(w.row(P), Some((Row::FailedLately, Action::Wait)), "attempt {attempt}");
        w.pass(600);
        if attempt < 3 {
            assert_eq!(w.row(P), Some((Row::Failed, Action::Retry)), "attempt {attempt}");
            w.apply();
        }
    }
    assert_eq!(w.row(P), Some((Row::Failed, Action::Exhausted)));
    // What failed may still succeed.
    w.set(1, "Succeeded");
    assert_eq!(w.row(P), Some((Row::Done, Action::NoOp)));
}

#[test]
fn a_collection_that_timed_out_twice_is_left_to_a_person_unless_its_manifest_says_how_often() {
    let end = |w: &mut World, status: &str| {
        w.set(1, status);
        w.row(P);
        w.pass(600);
        w.row(P)
    };
    let (retry, exhausted) = (Some((Row::Failed, Action::Retry)), Some((Row::Failed, Action::Exhausted)));
    let mut w = running();
    assert_eq!(end(&mut w, "TimeOut"), retry);
    w.apply();
    assert_eq!(end(&mut w, "TimedOut"), exhausted, "in any spelling");
    assert_eq!(w.plan().changes[0].reason, Reason::TimedOutAgain { times: 2 });
    w.declared(P).policy.attempts_written = true;
    assert_eq!(end(&mut w, "TimeOut"), retry, "a person has said: three");
    w.declared(P).policy.max_attempts = 2;
    assert_eq!(end(&mut w, "TimeOut"), exhausted);
    w.declared(P).policy = Default::default();
    // What timed out may still end otherwise, and a new revision begins anew.
    assert_eq!(end(&mut w, "Failed"), retry, "one time-out, one failure");
    w.apply();
    assert_eq!(end(&mut w, "Failed"), exhausted, "three attempts");
    let revised = package("p", 1, "why", 2);
    *w.declared(P) = revised;
    assert_eq!(w.row(P), Some((Row::NewTarget, Action::Replace)));
    w.apply();
    assert_eq!(end(&mut w, "TimeOut"), retry);
}

#[test]
fn cancelled_by_a_person_stays_cancelled() {
    let mut w = running();
    w.set(1, "Cancelled");
    assert_eq!(w.row(P), Some((Row::Cancelled, Action::NoOp)));
    *w.declared(P) = package("p", 1, "edited", 1);
    assert_eq!(w.row(P), Some((Row::Cancelled, Action::NoOp)));
    *w.declared(P) = package("p", 1, "edited", 2);
    assert_eq!(w.row(P), Some((Row::NewTarget, Action::Replace)));
}

#[test]
fn done_is_done() {
    let mut w = running();
    w.set(1, "Succeeded");
    assert_eq!(w.row(P), Some((Row::Done, Action::NoOp)));
    *w.declared(P) = package("p", 1, "edited", 1);
    assert_eq!(w.row(P), Some((Row::TextDiffers, Action::Differs)));
    *w.declared(P) = package("p", 1, "why", 1);
    w.actions.clear();
    assert_eq!(w.row(P), Some((Row::Done, Action::NoOp)), "retention is not drift");
}

#[test]
fn removal_acts_only_on_what_is_ours_and_nobody_else_holds() {
    let cancel = |w: &mut World| w.declared(P).on_remove = OnRemove::Cancel;
    let mut w = one();
    cancel(&mut w);
    w.apply();
    w.forget_manifest(P);
    let plan = w.plan();
    assert_eq!(calls(&plan), [(P.to_owned(), Action::Cancel)]);
    let (_, call) = plan.calls().next().unwrap();
    assert_eq!(call.request().path, "/api/machineactions/action-1/cancel");
    w.apply();
    assert_eq!(resource(&w).phase, Phase::Released);
    assert_eq!(w.row(P), None);

    // Adopted: not ours to cancel.
    let mut w = busy(true);
    cancel(&mut w);
    w.apply();
    assert_eq!(resource(&w).origin, Some(Origin::Adopted));
    w.apply();
    w.forget_manifest(P);
    assert_eq!(w.row(P), Some((Row::Removed, Action::Forget)));

    // Over: nothing to cancel.
    let mut w = one();
    cancel(&mut w);
    w.apply();
    w.set(1, "Succeeded");
    w.forget_manifest(P);
    assert_eq!(w.row(P), Some((Row::Removed, Action::Forget)));

    let mut w = World::new(vec![alert("a", 1, "bad", 1)]);
    w.declared(A).on_remove = OnRemove::Resolve;
    w.apply();
    w.forget_manifest(A);
    let plan = w.plan();
    assert_eq!(calls(&plan), [(A.to_owned(), Action::Resolve)]);
    assert_eq!(plan.changes[0].call.as_ref().unwrap().request().body.as_str(), r#"{"status":"Resolved"}"#);
}

#[test]
fn a_narrowed_plan_forgets_nothing() {
    let mut w = World::new(vec![package("p", 1, "why", 1), package("q", 2, "why", 1)]);
    w.apply();
    w.forget_manifest(P);
    w.selected = Some([("InvestigationPackage/q").parse().unwrap()].into());
    let plan = w.plan();
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(plan.changes[0].address.to_string(), "InvestigationPackage/q");
}
