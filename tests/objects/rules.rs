//! The rules of the objects of a journal.

use casefile::state::shared::Remote as _;
use casefile::state::{Phase, Record, Store as _, StoreError};

use super::bucket::*;
use super::place::{address, at, intent, made};

const FIRST: &str = "ir/journal/00000000000000000001.jsonl";

type Opened = casefile::state::shared::SharedStore<casefile::state::shared::objects::ObjectRemote>;

async fn append(store: &mut Opened, second: i64, group: Vec<Record>) -> Result<Option<u64>, StoreError> {
    let numbers = store.append(at(second), vec![group], &mut |_, _, _| true).await?;
    Ok(numbers[0].as_ref().map(|range| range.end - 1))
}

/// Asks for a resource, and is answered.
async fn ask(store: &mut Opened, name: &str, second: i64) -> Result<(), StoreError> {
    let attempt = append(store, second, vec![intent(name, "one", second)]).await?.unwrap();
    append(store, second, vec![made(name, attempt, &format!("id-{name}"))]).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_append_is_one_object_named_by_its_first_record() {
    let bucket = Moody::default();
    let mut store = bucket.open("one", 0).await.unwrap();
    append(&mut store, 0, vec![super::place::begin()]).await.unwrap();
    ask(&mut store, "a", 1).await.unwrap();
    store.commit_snapshot(at(2)).await.unwrap();
    let names = bucket.names().await;
    let (journal, others): (Vec<&String>, Vec<&String>) = names.iter().partition(|n| n.contains("/journal/"));
    assert_eq!(others, ["ir/recent.jsonl", "ir/state.json"]);
    assert_eq!(journal[0], FIRST);
    let mut next = 1;
    for name in journal {
        assert_eq!(*name, format!("ir/journal/{next:020}.jsonl"));
        let lines = bucket.object(name).await.unwrap();
        next += lines.iter().filter(|b| **b == b'\n').count();
    }
    let reading = bucket.reading().await.unwrap();
    assert_eq!(reading.state, *store.state());
    assert_eq!(reading.state.resources[&address("a")].id.as_deref(), Some("id-a"));
    let whole = bucket.remote().history().await.unwrap().unwrap();
    assert_eq!(casefile::state::shared::Reading::of(whole).unwrap().state, *store.state());
}

#[tokio::test(start_paused = true)]
async fn what_has_not_changed_takes_four_requests_however_long_the_history() {
    let bucket = Moody::default();
    begun(&bucket).await;
    let mut read = Vec::new();
    let mut appends = 0;
    for goal in [100, 1_000, 10_000] {
        while appends < goal {
            // Runs of a hundred appends, two hours apart.
            let second = 7_200 * (1 + i64::from(appends) / 100);
            let mut store = bucket.open("one", second).await.unwrap();
            for n in 0..50 {
                ask(&mut store, &format!("r{}", n % 7), second + n).await.ok();
                appends += 2;
                let name = format!("r{}", n % 7);
                append(&mut store, second + n, vec![Record::Released { address: address(&name) }]).await.ok();
            }
            store.commit_snapshot(at(second + 60)).await.unwrap();
        }
        bucket.inner().forget();
        let reading = bucket.reading().await.unwrap();
        assert!(bucket.inner().requests() <= 4, "{} requests", bucket.inner().requests());
        read.push((reading.state.seq, bucket.inner().bytes));
    }
    println!("records and bytes that a look reads: {read:?}");
    // What is read grows with what is declared, and not with what was done.
    assert!(read[2].1 < read[0].1 * 2, "{read:?}");
    assert!(read[2].0 > 10_000, "{read:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_asked_for_again_and_counts_once() {
    for trouble in [Trouble::AnswerLost, Trouble::NeverArrives] {
        let bucket = Moody::default();
        begun(&bucket).await;
        let mut store = bucket.open("one", 10).await.unwrap();
        bucket.inner().trouble.extend([trouble; 3]);
        let attempt = append(&mut store, 10, vec![intent("a", "one", 10)]).await.unwrap();
        let reading = bucket.reading().await.unwrap();
        assert_eq!(reading.state.resources[&address("a")].phase, Phase::Requested, "{trouble:?}");
        assert_eq!(attempt, Some(reading.state.seq), "{trouble:?}: the mark, then the intent, once");
        assert_eq!(reading.state, *store.state());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_slower_reads_what_was_written_and_goes_behind_it() {
    let bucket = Moody::default();
    begun(&bucket).await;
    let mut one = bucket.open("one", 10).await.unwrap();
    let mut two = bucket.open("two", 10).await.unwrap();
    let first = append(&mut one, 10, vec![intent("a", "one", 10)]).await.unwrap();
    assert!(first.is_some());
    append(&mut one, 11, vec![made("a", first.unwrap(), "id-a")]).await.unwrap();
    one.commit_snapshot(at(12)).await.unwrap();
    bucket.inner().forget();
    assert_eq!(append(&mut two, 700, vec![intent("a", "two", 700)]).await.unwrap(), None);
    // The list of what is new, and the three segments; nothing is read again.
    assert!(bucket.inner().gets <= 3 && bucket.inner().lists == 1, "{} gets", bucket.inner().gets);
    assert!(append(&mut two, 700, vec![intent("b", "two", 700)]).await.unwrap().is_some());
    assert_eq!(two.state().resources[&address("a")].id.as_deref(), Some("id-a"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lies_or_refuses_is_told_before_the_first_call() {
    type Make = fn(&mut Inner);
    let cases: [(Make, &str); 3] = [
        (|i| i.lies = true, "twice"),
        (|i| i.no_etags = true, "without an ETag"),
        (|i| i.trouble.push_back(Trouble::Refused), "AccessDenied: not yours"),
    ];
    for (make, words) in cases {
        let bucket = Moody::default();
        make(&mut bucket.inner());
        let mut store = bucket.open("one", 0).await.unwrap();
        append(&mut store, 0, vec![super::place::begin()]).await.unwrap();
        let e = append(&mut store, 0, vec![intent("a", "one", 0)]).await.unwrap_err();
        assert!(matches!(&e, StoreError::Unfit { why, .. } if why.contains(words)), "{words}: {e}");
        assert!(matches!(
            append(&mut store, 0, vec![intent("b", "one", 0)]).await,
            Err(StoreError::Poisoned { .. })
        ));
    }
    let bucket = Moody::default();
    bucket.inner().lies = true;
    let e = bucket.remote().probe().await.unwrap_err();
    assert!(matches!(e, StoreError::Unfit { .. }), "{e}");
    bucket.inner().lies = false;
    bucket.remote().probe().await.unwrap();
    assert_eq!(bucket.names().await, Vec::<String>::new(), "nothing is left of a probe");
}

#[tokio::test(start_paused = true)]
async fn reads_are_tried_again_and_then_told() {
    let bucket = Moody::default();
    begun(&bucket).await;
    bucket.inner().failing_reads = 2;
    bucket.reading().await.unwrap();
    bucket.inner().failing_reads = 100;
    assert!(matches!(bucket.reading().await, Err(StoreError::Unreachable { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_shortcuts_may_be_missing_old_or_of_two_runs() {
    let bucket = Moody::default();
    begun(&bucket).await;
    let mut store = bucket.open("one", 10).await.unwrap();
    ask(&mut store, "a", 10).await.unwrap();
    store.commit_snapshot(at(20)).await.unwrap();
    let old = bucket.object("ir/recent.jsonl").await.unwrap();
    let mut store = bucket.open("one", 100).await.unwrap();
    ask(&mut store, "b", 100).await.unwrap();
    store.commit_snapshot(at(110)).await.unwrap();
    let expected = bucket.reading().await.unwrap();
    let spent = |r: &casefile::state::shared::Reading| r.spent(at(-1)).len();
    assert_eq!(spent(&expected), 2);
    for recent in [None, Some(old), Some(b"no journal\n".to_vec()), Some(Vec::new())] {
        bucket.replace("ir/recent.jsonl", recent.clone()).await;
        match bucket.reading().await {
            Ok(reading) => {
                assert_eq!(reading.state, expected.state, "{recent:?}");
                assert_eq!(spent(&reading), 2, "{recent:?}: what the hour cost is known");
            }
            Err(e) => panic!("{recent:?}: {e}"),
        }
    }
    bucket.replace("ir/state.json", None).await;
    assert_eq!(bucket.reading().await.unwrap().state, expected.state);
    // Somebody has copied it without what stands beside it.
    let mut store = bucket.open("one", 200).await.unwrap();
    ask(&mut store, "c", 200).await.unwrap();
    store.commit_snapshot(at(210)).await.unwrap();
    let copy = bucket.object("ir/state.json").await;
    bucket.replace("ir/state.json", copy).await;
    assert_eq!(bucket.reading().await.unwrap().state, *store.state());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_another_run_has_replaced_is_left_alone() {
    let bucket = Moody::default();
    begun(&bucket).await;
    let mut one = bucket.open("one", 10).await.unwrap();
    let mut two = bucket.open("two", 10).await.unwrap();
    ask(&mut one, "a", 10).await.unwrap();
    one.commit_snapshot(at(20)).await.unwrap();
    ask(&mut two, "b", 700).await.unwrap();
    let theirs = bucket.object("ir/state.json").await;
    two.commit_snapshot(at(710)).await.unwrap();
    assert_eq!(bucket.object("ir/state.json").await, theirs);
    let reading = bucket.reading().await.unwrap();
    assert_eq!(reading.state, *two.state());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_can_lie_elsewhere() {
    let bucket = Moody::default();
    let mut store = open(bucket.remote_at("kept", "fresh"), "one", 0).await.unwrap();
    append(&mut store, 0, vec![super::place::begin()]).await.unwrap();
    ask(&mut store, "a", 1).await.unwrap();
    store.commit_snapshot(at(2)).await.unwrap();
    let others: Vec<String> =
        bucket.names().await.into_iter().filter(|n| !n.starts_with("kept/journal/")).collect();
    assert_eq!(others, ["fresh/recent.jsonl", "fresh/state.json"]);
    let again = open(bucket.remote_at("kept", "fresh"), "one", 5).await.unwrap();
    assert_eq!(again.state(), store.state());
}

#[tokio::test(start_paused = true)]
async fn a_journal_with_a_gap_or_an_overlap_is_damage() {
    let bucket = Moody::default();
    begun(&bucket).await;
    for n in 0..3 {
        let mut store = bucket.open("one", 10 + n).await.unwrap();
        ask(&mut store, &format!("r{n}"), 10 + n).await.unwrap();
        store.commit_snapshot(at(11 + n)).await.unwrap();
    }
    let journal: Vec<String> = bucket.names().await.into_iter().filter(|n| n.contains("/journal/")).collect();
    let last = journal.last().unwrap();
    let kept = bucket.object(last).await;
    // What the snapshot ends with is gone.
    bucket.replace(last, None).await;
    let gone = bucket.reading().await.unwrap_err();
    assert!(matches!(gone, StoreError::Damaged(_)), "{gone}");
    // It is there under another number.
    bucket.replace("ir/journal/00000000000000009999.jsonl", kept.clone()).await;
    let other = bucket.reading().await.unwrap_err();
    assert!(
        matches!(&other, StoreError::Rewritten { why, .. } if why.contains("begins with record")),
        "{other}"
    );
    bucket.replace("ir/journal/00000000000000009999.jsonl", None).await;
    // It holds something else.
    let mut changed = kept.clone().unwrap();
    let at = changed.len() - 20;
    changed[at] ^= 1;
    bucket.replace(last, Some(changed)).await;
    assert!(matches!(bucket.reading().await, Err(StoreError::Damaged(_))));
    bucket.replace(last, kept).await;
    bucket.reading().await.unwrap();
    // A hole in the middle harms no look, and is found by whoever reads all.
    bucket.replace(&journal[2], None).await;
    bucket.reading().await.unwrap();
    let whole = bucket.remote().history().await.unwrap().unwrap();
    assert!(casefile::state::shared::Reading::of(whole).is_err());
}
