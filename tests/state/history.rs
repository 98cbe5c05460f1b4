//! The story of each resource, as the journal tells it.

use casefile::model::Address;
use casefile::state::{CallAction, Object, Operator, Origin, Outcome, Record, Story, history};

use super::build::*;

const A: &str = "InvestigationPackage/a";
const ID: &str = "5382f7ea-7557-4ab7-9782-d50480024a4e";

fn told(records: &[Record]) -> casefile::state::History {
    history(lines(records).concat().as_bytes())
}

fn story(records: &[Record], address: &str) -> Story {
    told(records).stories.remove(&addr(address)).unwrap_or_default()
}

fn asked_by(address: &str, user: &str) -> Record {
    let Record::Intent(mut intent) = intent(address, CallAction::Create) else { unreachable!() };
    intent.by = Some(Operator { user: user.into(), host: "soc-1".into(), job: None });
    intent.commit = Some("c0ffee".into());
    Record::Intent(intent)
}

fn shown(status: &str, second: u64) -> Object {
    Object { updated_at: Some(at(second).into()), ..object(ID, status) }
}

fn observed(address: &str, object: Object) -> Record {
    Record::Observed { address: addr(address), object }
}

#[test]
fn a_collection_is_told_from_the_call_to_its_end_with_who_and_when() {
    let records = [
        open(),
        asked_by(A, "ana"),
        outcome(A, 2, made(ID, "Pending")),
        observed(A, shown("InProgress", 40)),
        observed(A, shown("Succeeded", 90)),
        observed(A, shown("Succeeded", 95)),
        Record::LinkRequested { address: addr(A), id: ID.into() },
    ];
    let told = story(&records, A);
    assert_eq!(told.records.iter().map(|r| r.seq).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7]);
    let [course] = &*told.courses else { panic!("{:?}", told.courses) };
    let asked = course.asked.as_ref().unwrap();
    assert_eq!((asked.attempt, asked.at, asked.server_at), (2, at(2), at(1)));
    assert_eq!(asked.by.as_ref().unwrap().to_string(), "ana@soc-1");
    assert_eq!(asked.commit.as_deref(), Some("c0ffee"));
    assert_eq!(course.origin, Some(Origin::Made));
    assert_eq!((course.accepted, course.running, course.finished), (Some(at(3)), Some(at(40)), Some(at(90))));
    assert_eq!(course.links, [at(7)]);
    assert_eq!(course.ended, None);
}

#[test]
fn each_attempt_has_a_course_of_its_own_and_a_later_look_up_gives_it_its_object() {
    let records = [
        open(),
        intent(A, CallAction::Create),
        outcome(A, 2, Outcome::Busy { error: refusal(400, "ActiveRequestAlreadyExists") }),
        intent(A, CallAction::Create),
        outcome(A, 4, unknown()),
        found(A, Some(4), Origin::Made, ID),
    ];
    let told = story(&records, A);
    let [busy, found] = &*told.courses else { panic!("{:?}", told.courses) };
    assert!(matches!(busy.ended, Some((t, Outcome::Busy { .. })) if t == at(3)));
    assert!(found.ended.is_none());
    assert_eq!(found.asked.as_ref().unwrap().run_began, at(2), "the run's first call");
    assert!(found.holds(&ID.to_uppercase()) && !busy.holds(ID));
}

#[test]
fn a_cancel_is_a_change_and_what_it_led_to_is_seen_in_the_collection() {
    let cancelled = Object { cancelled_by: Some("ana".into()), ..shown("Cancelled", 50) };
    let records = [
        open(),
        intent(A, CallAction::Create),
        outcome(A, 2, made(ID, "Pending")),
        intent(A, CallAction::Cancel),
        outcome(A, 4, Outcome::Done { object: cancelled }),
    ];
    let told = story(&records, A);
    assert_eq!(told.courses.len(), 1);
    assert_eq!(told.courses[0].finished, Some(at(50)));
    assert_eq!(told.courses[0].object.as_ref().unwrap().cancelled_by.as_deref(), Some("ana"));
    assert_eq!(told.changes.len(), 1);
}

#[test]
fn a_story_follows_its_resource_to_another_address() {
    let b = "InvestigationPackage/b";
    let records = [
        open(),
        intent(A, CallAction::Create),
        outcome(A, 2, made(ID, "Pending")),
        Record::Moved { from: addr(A), to: addr(b) },
        observed(b, shown("Succeeded", 60)),
    ];
    let told = told(&records);
    assert_eq!(told.stories.keys().collect::<Vec<&Address>>(), [&addr(b)]);
    let story = &told.stories[&addr(b)];
    assert_eq!(story.records.iter().map(|r| r.seq).collect::<Vec<_>>(), [2, 3, 4, 5]);
    assert_eq!(story.courses[0].finished, Some(at(60)));
}

#[test]
fn a_journal_that_was_not_begun_tells_nothing() {
    let told = history(b"");
    assert_eq!((told.seq, told.stories.len(), told.damage), (0, 0, None));
}

#[test]
fn a_damaged_journal_is_told_up_to_the_damage_which_is_named() {
    let mut text = lines(&[open(), intent(A, CallAction::Create), outcome(A, 2, made(ID, "Pending"))]);
    text[2] = text[2].replace("Pending", "Revised");
    let told = history(text.concat().as_bytes());
    assert_eq!((told.seq, told.damage.map(|d| d.line)), (2, Some(3)));
    assert_eq!(told.stories[&addr(A)].records.len(), 1);
}
