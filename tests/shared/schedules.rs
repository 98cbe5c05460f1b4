//! Runners side by side on one place, with troubles drawn at random: no effect twice, no effect without an intent, nothing
//! that was answered lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use casefile::state::shared::{Opening, Remote, SharedStore};
use casefile::state::{Phase, Record, State, Store as _, StoreError};

use super::place::*;

/// A small generator: schedules are told by their seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn trouble(&mut self) -> Option<Trouble> {
        Some(match self.below(12) {
            0 => Trouble::AnswerLost,
            1 => Trouble::NeverArrives,
            2 => Trouble::ArrivesLate(20 + self.below(900)),
            3 => Trouble::Stale,
            4 => Trouble::Down,
            _ => return None,
        })
    }
}

/// What the service did, by resource: the attempts that had an effect.
type Effects = Arc<Mutex<BTreeMap<String, Vec<u64>>>>;

/// What a runner was told is recorded: the outcomes.
type Told = Arc<Mutex<Vec<(String, String)>>>;

const RESOURCES: u64 = 5;

/// How a trouble comes over one runner's next use of the place.
pub type Spoil<R> = Box<dyn FnMut(&mut R, Trouble) + Send>;

/// A place that runners share.
pub trait Ground: Clone {
    type Remote: Remote;

    /// A runner's way to it, and how its uses go wrong.
    fn runner(&self, latency: Duration) -> (Self::Remote, Spoil<Self::Remote>);

    /// Returns what lies there at the end: the state as a fresh runner reads it, and every record.
    async fn end(&self) -> (State, Vec<Record>);
}

impl Ground for Place {
    type Remote = Simulated;

    fn runner(&self, latency: Duration) -> (Simulated, Spoil<Simulated>) {
        let mut remote = self.remote();
        remote.latency = latency;
        (remote, Box::new(|remote, trouble| remote.trouble.push_back(trouble)))
    }

    async fn end(&self) -> (State, Vec<Record>) {
        (self.reading().state, self.records())
    }
}

async fn open_at<R: Remote>(remote: R, name: &str, second: i64) -> Result<SharedStore<R>, StoreError> {
    let opening = Opening { holder: holder(name), lineage: None, now: at(second), is_gone: |_| false };
    Ok(SharedStore::open(remote, None, &opening).await?.0)
}

/// One runner: it asks for what nobody has asked for, answers, dies now and then, and comes back.
async fn runner(place: impl Ground, name: String, seed: u64, effects: Effects, told: Told) {
    let mut random = Random(seed);
    let mut second = random.below(600) as i64;
    for life in 0..3 {
        let (remote, mut spoil) = place.runner(Duration::from_millis(1 + random.below(40)));
        // Marks of runs are courtesy, and have run out here: the schedules are about what holds without them.
        second += 3600;
        let Ok(mut store) = open_at(remote, &format!("{name}{life}"), second).await else { continue };
        if store.state().seq == 0 {
            continue;
        }
        for _ in 0..random.below(6) + 2 {
            second += 3600;
            for trouble in (0..3).filter_map(|_| random.trouble()) {
                spoil(store.remote(), trouble);
            }
            let resource = format!("r{}", random.below(RESOURCES));
            let free = |phase: Option<Phase>| matches!(phase, None | Some(Phase::Rejected));
            let phase = store.state().resources.get(&address(&resource)).map(|r| r.phase);
            if !free(phase) {
                if random.below(3) == 0 && store.commit_snapshot(at(second)).await.is_err() {
                    break;
                }
                continue;
            }
            let group = vec![intent(&resource, &name, second)];
            let attempt = match store.append(at(second), vec![group], &mut |_, _, _| true).await {
                Ok(numbers) => match &numbers[0] {
                    Some(range) => range.end - 1,
                    None => continue,
                },
                Err(StoreError::Unreachable { .. } | StoreError::Locked { .. }) => break,
                Err(e) => panic!("{name}: {e}"),
            };
            // It dies before the call, or after it.
            if random.below(8) == 0 {
                break;
            }
            let refuse = random.below(4) == 0;
            if !refuse {
                effects.lock().unwrap().entry(resource.clone()).or_default().push(attempt);
            }
            if random.below(8) == 0 {
                break;
            }
            let id = format!("{resource}-{attempt}");
            let answer = if refuse { refused(&resource, attempt) } else { made(&resource, attempt, &id) };
            match store.append(at(second), vec![vec![answer]], &mut |_, _, _| true).await {
                Ok(numbers) => {
                    assert!(numbers[0].is_some(), "{name}: an outcome was refused");
                    if !refuse {
                        told.lock().unwrap().push((resource, id));
                    }
                }
                Err(StoreError::Unreachable { .. } | StoreError::Locked { .. }) => break,
                Err(e) => panic!("{name}: {e}"),
            }
        }
        if random.below(2) == 0 {
            let _ = store.commit_snapshot(at(second)).await;
        }
    }
}

/// Plays one schedule on a place that holds nothing yet.
pub async fn play(place: impl Ground, seed: u64) {
    let (remote, _) = place.runner(Duration::ZERO);
    let mut first = open_at(remote, "first", 0).await.unwrap();
    first.append(at(0), vec![vec![begin()]], &mut |_, _, _| true).await.unwrap();
    first.commit_snapshot(at(0)).await.unwrap();
    let (effects, told) = (Effects::default(), Told::default());
    let runners = (0..2 + seed % 2).map(|n| {
        let seed = seed.wrapping_mul(31).wrapping_add(n);
        runner(place.clone(), format!("runner{n}-"), seed, effects.clone(), told.clone())
    });
    futures::future::join_all(runners).await;
    // What was on its way has arrived, or never will.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (state, records) = place.end().await;
    for (resource, attempts) in effects.lock().unwrap().iter() {
        assert_eq!(attempts.len(), 1, "seed {seed}: {resource} was made {attempts:?}");
        let intents = |r: &&Record| matches!(r, Record::Intent(i) if i.address == address(resource));
        let recorded = records.iter().enumerate().filter(|(_, r)| intents(r)).map(|(i, _)| i as u64 + 1);
        let recorded: Vec<u64> = recorded.collect();
        assert!(recorded.contains(&attempts[0]), "seed {seed}: {resource} had no intent");
    }
    for (resource, id) in told.lock().unwrap().iter() {
        let r = state.resources.get(&address(resource));
        let knows = r.is_some_and(|r| r.id.as_ref() == Some(id) || r.past.iter().any(|p| p.id == *id));
        assert!(knows, "seed {seed}: {id} was recorded, and is not known");
    }
}

/// The usual tests play some schedules; SCHEDULES plays more, from SEED on. SEED alone plays that one.
pub fn schedules(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("a number"));
    let first = number("SEED");
    let count = number("SCHEDULES").unwrap_or(if first.is_some() { 1 } else { usual });
    let first = first.unwrap_or(0);
    first..first + count
}

/// Plays schedules, each on a place of its own, with a clock that moves when everybody waits.
pub fn play_all<G: Ground>(usual: u64, place: impl Fn() -> G) {
    for seed in schedules(usual) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(play(place(), seed));
    }
}

#[test]
fn runners_side_by_side() {
    play_all(300, Place::default);
}
