//! One rule per record.

use casefile::model::{ActionStatus, OnRemove, Sha256Hex};
use casefile::state::{
    CallAction, FoldError, Origin, Outcome, PastObject, Phase, Record, Resource, State, TriageChange,
};

use crate::build::*;

const A: &str = "InvestigationPackage/a";
const B: &str = "InvestigationPackage/b";

fn of<'a>(state: &'a State, address: &str) -> &'a Resource {
    &state.resources[&addr(address)]
}

fn observed(id: &str, status: &str) -> Record {
    Record::Observed { address: addr(A), object: object(id, status) }
}

fn past(id: &str, late: bool) -> PastObject {
    PastObject { id: id.into(), origin: Origin::Made, late }
}

/// Folds what must fold, then applies one that must not, and checks that nothing changed.
fn refused(records: &[Record], last: Record) -> FoldError {
    let before = fold(records);
    let mut after = before.clone();
    let e = after.apply(before.seq + 1, at(99), &last).unwrap_err();
    assert_eq!(before, after, "a refused record changed the state");
    e
}

#[test]
fn an_answer_leads_to_its_phase() {
    let refused = |error| Outcome::Rejected { error };
    let table = [
        (made("x", "Pending"), Phase::InProgress),
        (made("x", "Succeeded"), Phase::Succeeded),
        (made("x", "Failed"), Phase::Failed),
        (made("x", "TimeOut"), Phase::Failed),
        (made("x", "Cancelled"), Phase::Cancelled),
        (made("x", "SomethingNew"), Phase::InProgress),
        (Outcome::Adopted { object: object("x", "InProgress") }, Phase::InProgress),
        (Outcome::Busy { error: refusal(400, "ActiveRequestAlreadyExists") }, Phase::Pending),
        (refused(refusal(403, "Forbidden")), Phase::Rejected),
        (unknown(), Phase::Requested),
    ];
    for (result, phase) in table {
        let words = format!("{result:?}");
        let state = fold(&[open(), intent(A, CallAction::Create), outcome(A, 2, result)]);
        let r = of(&state, A);
        assert_eq!(r.phase, phase, "{words}");
        assert_eq!(r.open.is_some(), phase == Phase::Requested, "{words}");
    }
    assert_eq!(ActionStatus::from("SomethingNew").as_str(), "SomethingNew");
}

#[test]
fn what_never_left_leaves_no_trace() {
    let new = fold(&[open(), intent(A, CallAction::Create), outcome(A, 2, unsent())]);
    assert!(new.resources.is_empty());

    let records = [open(), intent(A, CallAction::Create), outcome(A, 2, made("x", "Failed"))];
    let before = fold(&records);
    let mut after = before.clone();
    after.apply(4, at(4), &intent(A, CallAction::Retry)).unwrap();
    let throttled = Outcome::Throttled { error: refusal(429, ""), retry_after_seconds: 60 };
    after.apply(5, at(5), &outcome(A, 4, throttled)).unwrap();
    let asked = of(&before, A).asked.clone();
    assert_eq!(Resource { changed: 3, asked, ..of(&after, A).clone() }, *of(&before, A));
    assert_eq!(of(&after, A).changed, 5);
    let asked = of(&after, A).asked.clone().unwrap();
    assert_eq!((asked.intent, asked.unsent), (4, Some(5)));
}

#[test]
fn what_is_learned_beside_an_open_call_outlives_it() {
    let mut records = vec![
        open(),
        intent(A, CallAction::Create),
        outcome(A, 2, unknown()),
        intent(A, CallAction::Create),
        outcome(A, 4, made("x", "Failed")),
        intent(A, CallAction::Retry),
        Record::Late { address: addr(A), attempt: 2, object: object("late", "Succeeded") },
        Record::Noted {
            address: addr(A),
            labels: [("incident".to_owned(), "7".to_owned())].into(),
            on_remove: OnRemove::Cancel,
        },
        outcome(A, 6, unsent()),
    ];
    let state = fold(&records);
    let r = of(&state, A);
    assert_eq!((r.phase, r.id.as_deref()), (Phase::Failed, Some("x")));
    assert_eq!(*r.past, [past("late", true)]);
    assert_eq!(*r.watched, []);
    assert_eq!((r.labels.len(), r.on_remove), (1, OnRemove::Cancel));

    // Moved onto a released name that once made something, while the call is open.
    let seq = records.len() as u64;
    records.extend([
        intent(B, CallAction::Create),
        outcome(B, seq + 1, made("of-b", "Succeeded")),
        Record::Released { address: addr(B) },
        intent(A, CallAction::Retry),
        Record::Moved { from: addr(A), to: addr(B) },
        outcome(B, seq + 4, unsent()),
    ]);
    let state = fold(&records);
    assert!(!state.resources.contains_key(&addr(A)));
    assert_eq!(of(&state, B).id.as_deref(), Some("x"));
    assert_eq!(*of(&state, B).past, [past("late", true), past("of-b", false)]);
}

#[test]
fn a_released_name_comes_back_if_what_took_it_never_left() {
    let released = [
        open(),
        intent(B, CallAction::Create),
        outcome(B, 2, made("of-b", "Succeeded")),
        Record::Released { address: addr(B) },
    ];
    let taken = [
        intent(A, CallAction::Create),
        Record::Moved { from: addr(A), to: addr(B) },
        outcome(B, 5, unsent()),
    ];
    let (before, after) = (fold(&released), fold(&[&released[..], &taken].concat()));
    let asked = of(&before, B).asked.clone();
    assert_eq!(Resource { changed: 4, asked, ..of(&after, B).clone() }, *of(&before, B));
}

#[test]
fn a_late_object_answers_the_attempt_that_is_returned_to() {
    let state = fold(&[
        open(),
        intent(A, CallAction::Create),
        intent(A, CallAction::Create),
        Record::Late { address: addr(A), attempt: 2, object: object("x", "Succeeded") },
        outcome(A, 3, unsent()),
    ]);
    let r = of(&state, A);
    assert_eq!((r.phase, r.id.as_deref(), r.past.len()), (Phase::Succeeded, Some("x"), 0));
}

#[test]
fn an_answer_to_an_earlier_attempt_counts_below_the_open_one() {
    let state = fold(&[
        open(),
        intent(A, CallAction::Create),
        intent(A, CallAction::Create),
        outcome(A, 2, Outcome::Rejected { error: refusal(400, "Odd") }),
        outcome(A, 3, unsent()),
    ]);
    let r = of(&state, A);
    assert_eq!((r.phase, r.attempts), (Phase::Rejected, 1));
    assert_eq!((&r.open, r.watched.len()), (&None, 0));
}

#[test]
fn an_intent_over_an_open_attempt_names_it() {
    let over = |over: Option<u64>| {
        let Record::Intent(mut intent) = intent(A, CallAction::Create) else { unreachable!() };
        intent.over = over;
        Record::Intent(intent)
    };
    let with = |last: Record, settled: bool| {
        let mut records = vec![open(), over(Some(0))];
        records.extend(settled.then(|| outcome(A, 2, Outcome::Rejected { error: refusal(400, "Odd") })));
        records.push(last);
        let mut state = State::default();
        (1..).zip(&records).try_for_each(|(seq, r)| state.apply(seq, at(0), r))
    };
    assert!(matches!(with(over(Some(0)), false), Err(FoldError::Impossible { seq: 3, .. })));
    assert!(matches!(with(over(Some(1)), false), Err(FoldError::Impossible { seq: 3, .. })));
    assert_eq!(with(over(Some(2)), false), Ok(()));
    assert_eq!(with(over(None), false), Ok(()), "older than the rule");
    assert_eq!(with(over(Some(0)), true), Ok(()), "nothing is open");
}

#[test]
fn a_given_up_attempt_answers_the_need_or_is_late() {
    let start =
        [open(), intent(A, CallAction::Create), outcome(A, 2, unknown()), intent(A, CallAction::Create)];
    let with = |more: &[Record]| fold(&[&start, more].concat());

    let state = with(&[outcome(A, 2, made("first", "Pending"))]);
    let r = of(&state, A);
    assert_eq!((r.id.as_deref(), r.watched.len()), (Some("first"), 1));
    assert_eq!(r.watched[0].attempt, 4, "the second may still arrive");

    let state = with(&[outcome(A, 4, made("second", "Pending")), outcome(A, 2, made("first", "Pending"))]);
    let r = of(&state, A);
    assert_eq!((r.id.as_deref(), r.watched.len()), (Some("second"), 0));
    assert_eq!(*r.past, [past("first", true)]);
}

#[test]
fn failures_of_ours_count_once_each_and_only_while_they_are_failures() {
    let attempts = |more: &[Record]| {
        let start = [open(), intent(A, CallAction::Create), outcome(A, 2, made("x", "Pending"))];
        of(&fold(&[&start, more].concat()), A).attempts
    };
    assert_eq!(attempts(&[observed("x", "Failed")]), 1);
    assert_eq!(attempts(&[observed("x", "Failed"), observed("x", "TimeOut")]), 1);
    assert_eq!(attempts(&[observed("x", "Failed"), observed("x", "Succeeded")]), 0);
    assert_eq!(attempts(&[observed("x", "Failed"), observed("x", "Pending"), observed("x", "Failed")]), 1);
    let again = found(A, None, Origin::Made, "x");
    assert_eq!(attempts(&[observed("x", "Failed"), again, observed("x", "Failed")]), 1);
    let (gone, back) = (Record::Released { address: addr(A) }, Record::Restored { address: addr(A) });
    assert_eq!(attempts(&[gone, observed("x", "Failed"), back]), 1);
}

#[test]
fn time_outs_are_counted_beside_the_attempts_as_long_as_the_service_says_so() {
    let time_outs = |more: &[Record]| {
        let start = [open(), intent(A, CallAction::Create), outcome(A, 2, made("x", "Pending"))];
        of(&fold(&[&start, more].concat()), A).time_outs
    };
    assert_eq!(time_outs(&[observed("x", "Failed")]), 0);
    assert_eq!(time_outs(&[observed("x", "Timeout"), observed("x", "TimeOut")]), 1);
    assert_eq!(time_outs(&[observed("x", "TimeOut"), observed("x", "Failed")]), 0);
    assert_eq!(time_outs(&[observed("x", "TimeOut"), observed("x", "Succeeded")]), 0);
    let again = |action, attempt| [intent(A, action), outcome(A, attempt, made("y", "TimeOut"))];
    let twice = [&[observed("x", "TimeOut")], &again(CallAction::Retry, 5)[..]].concat();
    assert_eq!(time_outs(&twice), 2);
    let anew = [&[observed("x", "TimeOut")], &again(CallAction::Replace, 5)[..]].concat();
    assert_eq!(time_outs(&anew), 1);
    // A call that never left takes nothing back.
    let unsent = [observed("x", "TimeOut"), intent(A, CallAction::Retry), outcome(A, 5, unsent())];
    assert_eq!(time_outs(&unsent), 1);
    let adopted = Outcome::Adopted { object: object("y", "TimeOut") };
    let theirs = [observed("x", "Succeeded"), intent(A, CallAction::Replace), outcome(A, 5, adopted)];
    assert_eq!(time_outs(&theirs), 0, "somebody else's");
}

#[test]
fn attempts_are_of_one_digest_and_start_anew_with_replace() {
    let failed = [open(), intent(A, CallAction::Create), outcome(A, 2, made("x", "Failed"))];
    let next = |record| of(&fold(&[&failed[..], &[record]].concat()), A).attempts;
    assert_eq!(next(intent(A, CallAction::Retry)), 1);
    assert_eq!(next(intent(A, CallAction::Replace)), 0);
    assert_eq!(next(intent_of(&addr(A), CallAction::Retry, sent("another comment", 1))), 0);
    for (error, counted) in [
        (refusal(400, "Whatever"), 1),
        (refusal(401, ""), 0),
        (refusal(403, ""), 0),
        (refusal(400, "osplatformnotsupported"), 0),
    ] {
        let rejected = outcome(A, 2, Outcome::Rejected { error });
        assert_eq!(of(&fold(&[open(), intent(A, CallAction::Create), rejected]), A).attempts, counted);
    }
    let adopted = outcome(A, 2, Outcome::Adopted { object: object("x", "Failed") });
    assert_eq!(of(&fold(&[open(), intent(A, CallAction::Create), adopted]), A).attempts, 0);
}

#[test]
fn nothing_of_one_object_is_shown_of_the_next() {
    let mut cancelled = object("x", "Cancelled");
    cancelled.cancelled_by = Some("bob".into());
    let state = fold(&[
        open(),
        intent(A, CallAction::Create),
        outcome(A, 2, unknown()),
        intent(A, CallAction::Create),
        outcome(A, 4, Outcome::Made { object: cancelled }),
        found(A, Some(2), Origin::Made, "y"),
    ]);
    let r = of(&state, A);
    assert_eq!((r.id.as_deref(), r.phase, &*r.cancelled_by), (Some("y"), Phase::InProgress, &None));
    assert_eq!((r.since, r.past.as_slice()), (at(6), &[past("x", false)][..]));
}

#[test]
fn what_we_made_stays_ours_when_a_later_call_is_merged_into_it() {
    let start = [open(), intent(A, CallAction::Create), outcome(A, 2, made("x", "Succeeded"))];
    let merged =
        [intent(A, CallAction::Replace), outcome(A, 4, Outcome::Adopted { object: object("x", "New") })];
    let state = fold(&[&start[..], &merged].concat());
    assert!(of(&state, A).made());
    assert_eq!(*of(&state, A).past, []);

    let import = Record::Imported {
        address: addr(A),
        object: object("x", "Succeeded"),
        sent: sent("a comment", 1),
        labels: Default::default(),
        on_remove: OnRemove::Cancel,
    };
    assert_eq!(of(&fold(&[&start[..], &[import]].concat()), A).origin, Some(Origin::Adopted));
}

#[test]
fn what_was_written_into_an_alert_is_known_when_a_later_call_is_merged_into_it() {
    let comment = Sha256Hex::of(b"seen by secops");
    let ours = TriageChange { comments: vec![comment], ..TriageChange::default() };
    let triaged = Record::Triaged { address: addr(A), id: "x".into(), ours, given: Default::default() };
    let start = [open(), intent(A, CallAction::Create), outcome(A, 2, made("x", "New")), triaged];
    let replaced = |id: &str| {
        let again = intent(A, CallAction::Replace);
        let merged = outcome(A, 5, Outcome::Adopted { object: object(id, "New") });
        of(&fold(&[&start[..], &[again, merged]].concat()), A).triage.clone()
    };
    assert_eq!(replaced("x").as_ref().map(|t| t.comments.clone()), Some(vec![comment]));
    assert_eq!(replaced("y").as_ref(), None, "another alert has no comment of ours");
}

#[test]
fn a_change_is_kept_beside_the_phase() {
    let start = [
        open(),
        intent(A, CallAction::Create),
        outcome(A, 2, made("x", "Pending")),
        intent(A, CallAction::Cancel),
    ];
    let after = |more: &[Record]| of(&fold(&[&start[..], more].concat()), A).clone();
    assert_eq!(after(&[]).phase, Phase::InProgress);
    assert!(after(&[outcome(A, 4, unknown())]).side.is_some());
    assert!(after(&[outcome(A, 4, Outcome::Settled)]).side.is_none());
    let done = after(&[outcome(A, 4, Outcome::Done { object: object("x", "Cancelled") })]);
    assert_eq!((done.phase, done.side), (Phase::Cancelled, None));

    // Its answer comes when the resource holds another object by now.
    let replaced = [
        intent(A, CallAction::Replace),
        outcome(A, 5, made("y", "Pending")),
        outcome(A, 4, Outcome::Done { object: object("x", "Cancelled") }),
    ];
    let r = after(&replaced);
    assert_eq!((r.id.as_deref(), r.phase, r.side), (Some("y"), Phase::InProgress, None));

    let e = refused(&start, intent(A, CallAction::Cancel));
    assert!(matches!(e, FoldError::Impossible { .. }), "{e}");
}

#[test]
fn missing_is_remembered_until_seen() {
    let start = [open(), intent(A, CallAction::Create), outcome(A, 2, made("x", "Pending"))];
    let miss = || Record::Missing { address: addr(A), id: "x".into() };
    let state = fold(&[&start[..], &[miss(), miss()]].concat());
    assert_eq!((*of(&state, A).missing_since, *of(&state, A).missing_last), (Some(at(4)), Some(at(5))));
    let state = fold(&[&start[..], &[miss(), observed("x", "Pending")]].concat());
    assert_eq!(of(&state, A).missing_since, Default::default());
}

#[test]
fn contradictions_are_refused_and_change_nothing() {
    let start = [open(), intent(A, CallAction::Create)];
    let held = [&start[..], &[outcome(A, 2, made("x", "Succeeded"))]].concat();
    let released_empty = [&start[..], &[Record::Released { address: addr(A) }]].concat();
    let cases = [
        (&start[..], open()),
        (&start, outcome(B, 2, unsent())),
        (&start, outcome(A, 1, unsent())),
        (&start, outcome(A, 2, Outcome::Settled)),
        (&start, Record::Removed { address: addr(A) }),
        (&start, intent(A, CallAction::Cancel)),
        (&start, found(A, Some(7), Origin::Made, "x")),
        (&start, observed("x", "Pending")),
        (&start, Record::Late { address: addr(A), attempt: 2, object: object("y", "Pending") }),
        (&start, Record::Moved { from: addr(B), to: addr(A) }),
        (&start, Record::Moved { from: addr(A), to: addr("Alert/a") }),
        (&held, Record::Moved { from: addr(A), to: addr(A) }),
        (&held, Record::Restored { address: addr(A) }),
        (&held, observed("y", "Pending")),
        (&released_empty, Record::Restored { address: addr(A) }),
    ];
    for (records, last) in cases {
        refused(records, last);
    }
}
