//! Each rule of an append, by the trace that forces it.

use casefile::model::Sha256Hex;
use casefile::state::{Phase, Record, Store as _, StoreError};

use super::place::*;

/// Records one group; returns the number of its last record, or `None` if it was refused.
async fn append(store: &mut Store, second: i64, group: Vec<Record>) -> Result<Option<u64>, StoreError> {
    let numbers = store.append(at(second), vec![group], &mut |_, _, _| true).await?;
    Ok(numbers[0].clone().map(|range| range.end - 1))
}

/// Two runners whose marks do not see each other: the second begins when the first one's has run out.
async fn two(place: &Place) -> (Store, Store) {
    let mut one = open(place, "one", 0).await.unwrap();
    assert!(append(&mut one, 0, vec![begin()]).await.unwrap().is_some());
    assert!(append(&mut one, 0, vec![intent("zero", "one", 0)]).await.unwrap().is_some());
    let other = open(place, "other", 3600).await.unwrap();
    (one, other)
}

fn attempts(place: &Place, name: &str) -> usize {
    let of = |r: &Record| matches!(r, Record::Intent(i) if i.address == address(name));
    place.records().iter().filter(|r| of(r)).count()
}

#[tokio::test(start_paused = true)]
async fn what_a_look_showed_rides_along() {
    let place = Place::default();
    let mut store = open(&place, "one", 0).await.unwrap();
    append(&mut store, 0, vec![begin()]).await.unwrap();
    assert_eq!(place.inner().puts, 0, "nothing is worth an append of its own yet");
    append(&mut store, 0, vec![intent("a", "one", 0)]).await.unwrap();
    assert_eq!(place.inner().puts, 1);
    let words: Vec<bool> = place.records().iter().map(|r| matches!(r, Record::Intent(_))).collect();
    assert_eq!(words, [false, false, true], "the state's beginning, the mark of the run, the intent");
    store.commit_snapshot(at(1)).await.unwrap();
    assert_eq!(place.inner().puts, 2);
    assert!(place.reading().state.running.is_none(), "the run has ended");
    assert_eq!(place.reading().state, *store.state());
}

#[tokio::test(start_paused = true)]
async fn an_intent_is_refused_once_somebody_else_has_asked() {
    let place = Place::default();
    let (mut one, mut other) = two(&place).await;
    assert!(append(&mut other, 3600, vec![intent("a", "other", 3600)]).await.unwrap().is_some());
    assert_eq!(append(&mut one, 3600, vec![intent("a", "one", 3600)]).await.unwrap(), None);
    assert!(append(&mut one, 3600, vec![intent("b", "one", 3600)]).await.unwrap().is_some());
    assert_eq!((attempts(&place, "a"), attempts(&place, "b")), (1, 1));
    assert_eq!(
        one.state().resources.get(&address("a")).unwrap().phase,
        Phase::Requested,
        "it knows of it now"
    );
}

#[tokio::test(start_paused = true)]
async fn an_intent_is_refused_once_the_quota_is_others() {
    let place = Place::default();
    let (mut one, mut other) = two(&place).await;
    append(&mut other, 3600, vec![intent("a", "other", 3600)]).await.unwrap();
    let mut seen = 0;
    let groups = vec![vec![intent("b", "one", 3600)]];
    let mut admit = |_: &_, others: &[Record], _: &_| {
        seen = others.iter().filter(|r| matches!(r, Record::Intent(_))).count();
        false
    };
    let numbers = one.append(at(3600), groups, &mut admit).await.unwrap();
    assert_eq!((numbers, seen), (vec![None], 1));
}

#[tokio::test(start_paused = true)]
async fn an_intent_over_an_attempt_that_it_does_not_name_stays_out() {
    let place = Place::default();
    let (mut one, mut other) = two(&place).await;
    let a = append(&mut one, 0, vec![intent("a", "one", 0)]).await.unwrap().unwrap();
    append(&mut other, 3600, vec![intent("b", "other", 3600)]).await.unwrap();
    // The outcome reads what the other run did; the intent behind it was made without knowing.
    append(&mut one, 3601, vec![made("a", a, "id-a")]).await.unwrap();
    assert!(append(&mut one, 3601, vec![intent("b", "one", 3601)]).await.unwrap().is_none());
    let numbers = append(&mut one, 3602, vec![intent("c", "one", 3602)]).await.unwrap();
    assert!(numbers.is_some(), "the run goes on");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_goes_in_whatever_others_did() {
    let place = Place::default();
    let (mut one, mut other) = two(&place).await;
    let a = append(&mut one, 0, vec![intent("a", "one", 0)]).await.unwrap().unwrap();
    let b = append(&mut one, 0, vec![intent("b", "one", 0)]).await.unwrap().unwrap();
    let mut other_again = open(&place, "other", 3600).await.unwrap();
    // Another run has looked `a` up, and taken `b` over under another name.
    let found = Record::Found {
        address: address("a"),
        attempt: Some(a),
        origin: casefile::state::Origin::Made,
        object: object("id-a"),
    };
    append(&mut other_again, 3600, vec![found]).await.unwrap();
    append(&mut other_again, 3600, vec![Record::Moved { from: address("b"), to: address("c") }])
        .await
        .unwrap();
    assert!(append(&mut one, 5, vec![made("a", a, "id-a")]).await.unwrap().is_some());
    assert!(append(&mut one, 5, vec![made("b", b, "id-b")]).await.unwrap().is_some());
    let state = place.reading().state;
    assert_eq!(state.resources.get(&address("a")).unwrap().id.as_deref(), Some("id-a"), "an echo");
    assert!(state.resources.get(&address("a")).unwrap().past.is_empty());
    assert_eq!(
        state.resources.get(&address("c")).unwrap().id.as_deref(),
        Some("id-b"),
        "it followed the move"
    );
    drop(other.commit_snapshot(at(3700)).await);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_nobody_knew_is_remembered() {
    let place = Place::default();
    let (mut one, _) = two(&place).await;
    let a = append(&mut one, 0, vec![intent("a", "one", 0)]).await.unwrap().unwrap();
    let mut other = open(&place, "other", 3600).await.unwrap();
    // Somebody has settled it as refused, and one more object turns up all the same.
    append(&mut other, 3600, vec![refused("a", a)]).await.unwrap();
    append(&mut one, 5, vec![made("a", a, "late")]).await.unwrap();
    let state = place.reading().state;
    let past: Vec<_> =
        state.resources.get(&address("a")).unwrap().past.iter().map(|p| (&*p.id, p.late)).collect();
    assert_eq!(past, [("late", true)]);
}

#[tokio::test(start_paused = true)]
async fn an_append_whose_answer_is_lost_is_made_once() {
    for trouble in [
        vec![Trouble::AnswerLost],
        vec![Trouble::AnswerLost, Trouble::Stale],
        vec![Trouble::NeverArrives],
        vec![Trouble::NeverArrives, Trouble::Down, Trouble::Down],
        vec![Trouble::ArrivesLate(100)],
        vec![Trouble::ArrivesLate(700)],
        vec![Trouble::ArrivesLate(700), Trouble::Stale, Trouble::Stale],
    ] {
        let place = Place::default();
        let mut store = open(&place, "one", 0).await.unwrap();
        append(&mut store, 0, vec![begin()]).await.unwrap();
        append(&mut store, 0, vec![intent("zero", "one", 0)]).await.unwrap();
        drop(store);
        let mut remote = place.remote();
        remote.latency = std::time::Duration::from_millis(50);
        let mut store = open_remote(remote, "two", 3600).await.unwrap();
        store.remote().trouble = trouble.iter().copied().collect();
        let attempt = append(&mut store, 3600, vec![intent("a", "two", 3600)]).await.unwrap().unwrap();
        append(&mut store, 3600, vec![made("a", attempt, "id")]).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        assert_eq!(attempts(&place, "a"), 1, "{trouble:?}");
        assert_eq!(place.reading().state.resources.get(&address("a")).unwrap().id.as_deref(), Some("id"));
        assert_eq!(place.reading().state, *store.state(), "{trouble:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_stays_away_is_an_error_and_nothing_more_is_recorded() {
    let place = Place::default();
    let mut store = open(&place, "one", 0).await.unwrap();
    append(&mut store, 0, vec![begin()]).await.unwrap();
    store.remote().trouble = vec![Trouble::Down; 100].into();
    let lost = append(&mut store, 0, vec![intent("a", "one", 0)]).await;
    assert!(matches!(lost, Err(StoreError::Unreachable { .. })), "{lost:?}");
    let after = append(&mut store, 0, vec![intent("b", "one", 0)]).await;
    assert!(matches!(after, Err(StoreError::Poisoned { .. })), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_in_progress_is_shown_until_it_ends_or_its_mark_does() {
    let place = Place::default();
    let mut one = open(&place, "one", 0).await.unwrap();
    // Both read the state before either of them made a call.
    let mut late = open(&place, "late", 0).await.unwrap();
    append(&mut one, 0, vec![begin()]).await.unwrap();
    append(&mut one, 0, vec![intent("a", "one", 0)]).await.unwrap();
    let Err(StoreError::Locked { holder: Some(who) }) = open(&place, "two", 60).await.map(drop) else {
        panic!("it is not told");
    };
    assert_eq!(who.user, "one");
    assert!(open(&place, "two", 3600).await.is_ok(), "whoever writes nothing for so long is gone");
    append(&mut late, 0, vec![begin()]).await.unwrap();
    let overtaken = append(&mut late, 1, vec![intent("b", "late", 1)]).await;
    assert!(matches!(overtaken, Err(StoreError::Locked { .. })), "{overtaken:?}");
    one.commit_snapshot(at(61)).await.unwrap();
    assert!(open(&place, "two", 62).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_rewritten_history_is_noticed() {
    let place = Place::default();
    let (mut one, mut other) = two(&place).await;
    append(&mut other, 3600, vec![intent("a", "other", 3600)]).await.unwrap();
    // Somebody goes back to an older tip, and goes on from there.
    place.inner().tips.truncate(1);
    let mut third = open(&place, "third", 7200).await.unwrap();
    append(&mut third, 7200, vec![intent("b", "third", 7200)]).await.unwrap();
    append(&mut third, 7200, vec![intent("c", "third", 7200)]).await.unwrap();
    let lost = append(&mut other, 7200, vec![intent("d", "other", 7200)]).await;
    assert!(matches!(lost, Err(StoreError::Rewritten { .. })), "{lost:?}");
    assert!(
        append(&mut one, 7200, vec![intent("e", "one", 7200)]).await.unwrap().is_some(),
        "its head is in it"
    );
}

/// Has another runner append and write the snapshot every two hours: what is older leaves the tip.
async fn hours_pass(place: &Place) {
    for hour in 1..4 {
        let mut other = open(place, "other", hour * 7200).await.unwrap();
        append(&mut other, hour * 7200, vec![intent(&format!("b{hour}"), "other", hour * 7200)])
            .await
            .unwrap();
        other.commit_snapshot(at(hour * 7200 + 60)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_stalls_for_hours_goes_on_from_the_snapshot() {
    let place = Place::default();
    let (mut one, _) = two(&place).await;
    let a = append(&mut one, 0, vec![intent("a", "one", 0)]).await.unwrap().unwrap();
    hours_pass(&place).await;
    let journal = place.reading().journal;
    assert!(!journal.starts_with(b"{\"seq\":1,"), "old lines are out of the tip");
    append(&mut one, 40_000, vec![made("a", a, "id-a")]).await.unwrap();
    let state = place.reading().state;
    assert_eq!(state.resources.get(&address("a")).unwrap().id.as_deref(), Some("id-a"));
    assert_eq!(place.records().iter().filter(|r| matches!(r, Record::Outcome { .. })).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_somebody_kept_is_found_however_old_it_is() {
    let place = Place::default();
    let (one, _) = two(&place).await;
    let kept = one.state().head;
    hours_pass(&place).await;
    let mut late = open(&place, "late", 40_000).await.unwrap();
    assert!(!place.reading().journal.starts_with(b"{\"seq\":1,"), "old lines are out of the tip");
    let mut faster = open(&place, "faster", 40_000).await.unwrap();
    append(&mut faster, 40_000, vec![intent("c", "faster", 40_000)]).await.unwrap();
    faster.commit_snapshot(at(40_001)).await.unwrap();
    assert!(late.holds(kept).await.unwrap());
    assert!(!late.holds(Sha256Hex::of(b"another")).await.unwrap());
    // The look at the whole history is none at what the next append follows.
    assert!(append(&mut late, 40_002, vec![intent("c", "late", 40_002)]).await.unwrap().is_none());
    assert!(append(&mut late, 40_003, vec![intent("d", "late", 40_003)]).await.unwrap().is_some());
}
