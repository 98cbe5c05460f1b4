//! Properties of random valid histories.

use std::collections::{BTreeMap, BTreeSet};

use casefile::model::{Address, OnRemove};
use casefile::state::{CallAction, Origin, Outcome, Phase, Record, Resource, State, journal, snapshot};
use proptest::prelude::*;

use crate::build::*;

type Choice = (u8, u8, u8, u8);

const ADDRESSES: [&str; 4] =
    ["InvestigationPackage/a", "InvestigationPackage/b", "InvestigationPackage/c", "Alert/d"];
const STATUSES: [&str; 6] = ["Pending", "InProgress", "Succeeded", "Failed", "TimeOut", "Cancelled"];

fn pick<T: Clone>(from: &[T], n: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(n) % from.len()].clone())
}

/// What a run could write next.
fn next(state: &State, seq: u64, (op, who, x, y): Choice) -> Option<Record> {
    let text = pick(&ADDRESSES, who)?;
    let address = addr(text);
    let r = state.resources.get(&address);
    let status = pick(&STATUSES, y)?;
    // Mostly a new object, at times one that some resource holds already.
    let known: Vec<String> = state.resources.values().filter_map(|r| r.id.clone()).collect();
    let id = if y % 5 == 0 { pick(&known, x) } else { None }.unwrap_or_else(|| format!("object-{seq}"));
    let watched: Vec<u64> = r.iter().flat_map(|r| &r.watched).map(|w| w.attempt).collect();
    let created = |attempt: u64| {
        let result = match x % 9 {
            0 | 1 => Outcome::Made { object: object(&id, status) },
            2 => Outcome::Adopted { object: object(&id, status) },
            3 => Outcome::Busy { error: refusal(400, "ActiveRequestAlreadyExists") },
            4 => Outcome::Rejected { error: refusal(if y % 2 == 0 { 400 } else { 403 }, "Odd") },
            5 => Outcome::Throttled { error: refusal(429, ""), retry_after_seconds: 60 },
            6 => unsent(),
            _ => unknown(),
        };
        outcome(text, attempt, result)
    };
    let open = r.and_then(|r| r.open.as_ref()).map(|o| o.attempt.attempt);
    Some(match op % 18 {
        0..=2 => {
            let action = match r.map(|r| r.phase) {
                Some(Phase::Failed) => CallAction::Retry,
                Some(Phase::Succeeded | Phase::Cancelled | Phase::InProgress) => CallAction::Replace,
                _ => CallAction::Create,
            };
            intent_of(&address, action, sent("a comment", u32::from(x % 2)))
        }
        3..=6 => created(open?),
        7 => created(pick(&watched, y)?),
        8 => Record::Observed { address, object: object(r?.id.as_deref()?, status) },
        9 => Record::Missing { address, id: r?.id.clone()? },
        10 => {
            let attempts: Vec<u64> = watched.into_iter().chain(open).collect();
            let origin = if x % 3 == 0 { Origin::Adopted } else { Origin::Made };
            r?;
            Record::Found { address, attempt: pick(&attempts, x), origin, object: object(&id, status) }
        }
        11 => Record::Late { address, attempt: pick(&watched, x)?, object: object(&id, status) },
        12 => {
            r?;
            Record::Released { address }
        }
        13 => {
            r.filter(|r| r.phase == Phase::Released && r.id.is_some())?;
            Record::Restored { address }
        }
        14 => {
            let to = addr(pick(&ADDRESSES, x)?);
            let taken = |r: &Resource| r.phase != Phase::Released;
            r?;
            if to == address || to.kind() != address.kind() || state.resources.get(&to).is_some_and(taken) {
                return None;
            }
            Record::Moved { from: address, to }
        }
        15 => match x % 3 {
            0 => {
                r?;
                let labels = [("n".to_owned(), seq.to_string())].into();
                Record::Noted { address, labels, on_remove: OnRemove::Retain }
            }
            1 => Record::Imported {
                address,
                object: object(&id, status),
                sent: sent("imported", 1),
                labels: BTreeMap::new(),
                on_remove: OnRemove::Cancel,
            },
            2 if r?.phase != Phase::Requested => Record::Removed { address },
            _ => return None,
        },
        16 => {
            r.filter(|r| r.id.is_some() && r.side.is_none())?;
            intent_of(&address, CallAction::Cancel, sent("a comment", 1))
        }
        _ => {
            let result = match x % 5 {
                0 => Outcome::Settled,
                1 => Outcome::Rejected { error: refusal(404, "") },
                2 => unknown(),
                3 => unsent(),
                _ => Outcome::Done { object: object(r?.id.as_deref()?, "Cancelled") },
            };
            outcome(text, r?.side.as_ref()?.attempt, result)
        }
    })
}

fn history(choices: &[Choice]) -> (Vec<Record>, State) {
    let mut records = vec![open()];
    let mut state = fold(&records);
    for choice in choices {
        let seq = state.seq + 1;
        if let Some(record) = next(&state, seq, *choice) {
            state.apply(seq, at(seq), &record).unwrap_or_else(|e| panic!("{e}: {record:?}"));
            records.push(record);
        }
    }
    (records, state)
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec(any::<Choice>(), 0..60)
}

/// Which objects the records gave to each address, by the records alone.
fn given(records: &[Record]) -> BTreeMap<Address, BTreeSet<String>> {
    let mut all: BTreeMap<Address, BTreeSet<String>> = BTreeMap::new();
    for record in records {
        let (address, object) = match record {
            Record::Outcome {
                address,
                result: Outcome::Made { object } | Outcome::Adopted { object },
                ..
            } => (address, object),
            Record::Found { address, object, .. }
            | Record::Late { address, object, .. }
            | Record::Imported { address, object, .. } => (address, object),
            Record::Moved { from, to } => {
                let moved = all.remove(from).unwrap_or_default();
                all.entry(to.clone()).or_default().extend(moved);
                continue;
            }
            Record::Removed { address } => {
                all.remove(address);
                continue;
            }
            _ => continue,
        };
        all.entry(address.clone()).or_default().insert(object.id.clone());
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn folding_again_gives_the_same_state(choices in choices()) {
        let (records, state) = history(&choices);
        prop_assert_eq!(&fold(&records), &state);
        // Through the file format too.
        let text = lines(&records).concat();
        let mut read = State::default();
        for entry in journal::Reader::new(text.as_bytes()) {
            let entry = entry.unwrap();
            read.apply(entry.seq, entry.at, &entry.record).unwrap();
        }
        prop_assert_eq!(&read, &state);
    }

    #[test]
    fn a_snapshot_and_the_tail_give_the_whole(choices in choices()) {
        let (records, state) = history(&choices);
        for split in 1..=records.len() {
            let part = fold(&records[..split]);
            let bytes = snapshot::write(&part, 3, 100).unwrap();
            let mut read = snapshot::read(&bytes).unwrap().state;
            prop_assert_eq!(&read, &part);
            for (seq, record) in (1..).zip(&records).skip(split) {
                read.apply(seq, at(seq), record).unwrap();
            }
            prop_assert_eq!(&read, &state, "split after {}", split);
        }
    }

    #[test]
    fn what_did_not_leave_changes_nothing(choices in choices(), who: u8, throttled: bool, revision in 0u32..2) {
        let (_, before) = history(&choices);
        let text = pick(&ADDRESSES, who).unwrap();
        let action = if revision == 0 { CallAction::Retry } else { CallAction::Replace };
        let mut after = before.clone();
        let seq = before.seq + 1;
        after.apply(seq, at(seq), &intent_of(&addr(text), action, sent("a comment", revision))).unwrap();
        prop_assert_eq!(after.resources[&addr(text)].phase, Phase::Requested);
        let result = if throttled {
            Outcome::Throttled { error: refusal(429, ""), retry_after_seconds: 1 }
        } else {
            unsent()
        };
        after.apply(seq + 1, at(seq + 1), &outcome(text, seq, result)).unwrap();
        after.seq = before.seq;
        if let (Some(a), Some(b)) =
            (after.resources.get_mut(&addr(text)), before.resources.get(&addr(text)))
        {
            a.changed = b.changed;
            a.asked.clone_from(&b.asked);
        }
        prop_assert_eq!(after, before);
    }

    #[test]
    fn no_object_is_ever_forgotten(choices in choices()) {
        let (records, state) = history(&choices);
        for (address, ids) in given(&records) {
            // An outcome that never left may take its resource along, but not one with objects.
            let r = state.resources.get(&address);
            let known: BTreeSet<String> =
                r.iter().flat_map(|r| r.id.iter().chain(r.past.iter().map(|p| &p.id))).cloned().collect();
            prop_assert!(known.is_superset(&ids), "{address} was given {ids:?} and knows {known:?}: {records:#?}");
        }
    }

    #[test]
    fn phases_keep_what_they_promise(choices in choices()) {
        let (_, state) = history(&choices);
        for (address, r) in &state.resources {
            let holds = matches!(
                r.phase,
                Phase::InProgress | Phase::Succeeded | Phase::Failed | Phase::Cancelled
            );
            prop_assert_eq!(r.open.is_some(), r.phase == Phase::Requested, "{}", address);
            prop_assert!(!holds || r.id.is_some(), "{address} is {} without an object", r.phase);
            prop_assert!(holds || r.phase == Phase::Released || r.id.is_none(), "{address}");
            prop_assert_eq!(r.released_from.is_some(), r.phase == Phase::Released, "{}", address);
            prop_assert_eq!(r.id.is_some(), r.origin.is_some());
            prop_assert_eq!(r.digest, r.sent.digest);
            let mut attempts: Vec<u64> = r.watched.iter().map(|w| w.attempt).collect();
            attempts.extend(r.open.as_ref().map(|o| o.attempt.attempt));
            let distinct: BTreeSet<u64> = attempts.iter().copied().collect();
            prop_assert_eq!(distinct.len(), attempts.len(), "{} watches an attempt twice", address);
            let ids: BTreeSet<&String> = r.past.iter().map(|p| &p.id).chain(&r.id).collect();
            prop_assert_eq!(ids.len(), r.past.len() + usize::from(r.id.is_some()), "{}", address);
        }
    }

    /// Attempts by the words of docs/reconciliation.md: objects of ours that are Failed or TimeOut, and
    /// refusals that are neither permanent nor 401 or 403.
    #[test]
    fn attempts_are_counted_as_documented(
        rounds in prop::collection::vec((0u8..8, prop::collection::vec(0usize..6, 0..4)), 0..12)
    ) {
        let a = ADDRESSES[0];
        let mut records = vec![open()];
        let mut expected = 0;
        for (what, seen) in rounds {
            let attempt = records.len() as u64 + 1;
            let id = format!("object-{attempt}");
            records.push(intent(a, CallAction::Retry));
            let (result, ours) = match what {
                0..=2 => (made(&id, "Pending"), true),
                3 => (Outcome::Adopted { object: object(&id, "Pending") }, false),
                4 => (Outcome::Rejected { error: refusal(400, "Odd") }, false),
                5 => (Outcome::Rejected { error: refusal(403, "Odd") }, false),
                6 => (Outcome::Rejected { error: refusal(400, "InvalidInput") }, false),
                _ => (Outcome::Busy { error: refusal(400, "") }, false),
            };
            expected += u32::from(what == 4);
            records.push(outcome(a, attempt, result));
            if what <= 3 {
                let status = seen.iter().map(|s| STATUSES[*s]);
                records.extend(
                    status.map(|s| Record::Observed { address: addr(a), object: object(&id, s) }),
                );
                let failed = matches!(seen.last().map(|s| STATUSES[*s]), Some("Failed" | "TimeOut"));
                expected += u32::from(ours && failed);
            }
        }
        let counted = fold(&records).resources.get(&addr(a)).map_or(0, |r| r.attempts);
        prop_assert_eq!(counted, expected);
    }
}
