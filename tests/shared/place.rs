//! A simulated shared place: a compare-and-swap whose answers get lost, and which may show an older head.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use casefile::model::{Address, Call, Kind};
use casefile::state::shared::{Opening, Put, Reading, Remote, Segment, SharedStore, Tip};
use casefile::state::{
    Binding, CallAction, Holder, Intent, Object, Outcome, Pace, Record, Refusal, Sent, StoreError,
};
use jiff::Timestamp;

/// A clock.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What goes wrong with one use of the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The append is in, and its answer is lost.
    AnswerLost,
    /// The append does not arrive, and nobody says so.
    NeverArrives,
    /// The append arrives so many milliseconds after it was given up.
    ArrivesLate(u64),
    /// A read shows the head before the last one.
    Stale,
    /// The place cannot be reached.
    Down,
    /// The runner hears of it so many milliseconds later.
    Stalls(u64),
}

/// The source of the trouble of the next use, drawn when it comes.
pub type Weather = Box<dyn FnMut() -> Option<Trouble> + Send>;

/// A line of the journal.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Line {
    pub seq: u64,
    pub at: Timestamp,
    pub record: Record,
}

#[derive(Default)]
pub struct Inner {
    /// Every tip there ever was, in order.
    pub tips: Vec<Tip>,
    /// What was uploaded, append by append: the first record's number and how many bytes.
    pub puts: usize,
    pub reads: usize,
}

fn lines_of(tip: &Tip) -> impl Iterator<Item = Line> {
    let lines = tip.journal.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines.map(|l| serde_json::from_slice(l).unwrap())
}

/// The place; clones are the same one.
#[derive(Clone, Default)]
pub struct Place(Arc<Mutex<Inner>>);

impl Place {
    pub fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub fn remote(&self) -> Simulated {
        Simulated {
            place: self.clone(),
            head: 0,
            trouble: VecDeque::new(),
            weather: None,
            latency: Duration::ZERO,
            spaced: None,
            last: None,
        }
    }

    /// The state as a fresh runner reads it.
    pub fn reading(&self) -> Reading {
        let tip = self.inner().tips.last().cloned().unwrap();
        Reading::of(tip).unwrap()
    }

    /// The lines that are at hand.
    pub fn lines(&self) -> Vec<Line> {
        let tip = self.inner().tips.last().cloned().unwrap_or_default();
        lines_of(&tip).collect()
    }

    /// The lines of the whole journal: none leaves the tip before a snapshot holds it.
    pub fn all_lines(&self) -> Vec<Line> {
        let mut lines: std::collections::BTreeMap<u64, Line> = Default::default();
        for line in self.inner().tips.iter().flat_map(lines_of) {
            let (seq, record) = (line.seq, line.record.clone());
            if let Some(known) = lines.insert(seq, line) {
                assert_eq!(known.record, record, "record {seq} was rewritten");
            }
        }
        lines.into_values().collect()
    }

    /// The records of the whole journal.
    pub fn records(&self) -> Vec<Record> {
        self.all_lines().into_iter().map(|l| l.record).collect()
    }

    /// Appends if the head is the expected one: the one atomic step.
    fn swap(&self, head: usize, segment: &Owned) -> bool {
        let mut inner = self.inner();
        if inner.tips.len() != head {
            return false;
        }
        let before = inner.tips.last().and_then(|t| t.snapshot.clone());
        let snapshot = segment.snapshot.clone().or(before);
        inner.tips.push(Tip { snapshot, journal: segment.journal.clone() });
        inner.puts += 1;
        true
    }
}

#[derive(Clone)]
struct Owned {
    snapshot: Option<Vec<u8>>,
    journal: Vec<u8>,
}

/// One runner's way to the place.
pub struct Simulated {
    place: Place,
    /// How many tips there were when it was read.
    head: usize,
    /// What goes wrong with the next uses.
    pub trouble: VecDeque<Trouble>,
    /// The source of the troubles of later uses.
    pub weather: Option<Weather>,
    /// How long each use takes.
    pub latency: Duration,
    /// The least time between two appends, by a clock.
    pub spaced: Option<(Duration, Now)>,
    last: Option<Timestamp>,
}

impl Simulated {
    fn fate(&mut self, of: impl Fn(Trouble) -> bool) -> Option<Trouble> {
        if self.trouble.front().is_some_and(|t| of(*t)) {
            return self.trouble.pop_front();
        }
        self.weather.as_mut().and_then(|weather| weather()).filter(|t| of(*t))
    }

    fn down(&self) -> StoreError {
        StoreError::Unreachable { place: self.place(), why: "simulated".into() }
    }
}

#[async_trait]
impl Remote for Simulated {
    fn place(&self) -> String {
        "a simulated place".into()
    }

    async fn read(&mut self) -> Result<Option<Tip>, StoreError> {
        tokio::time::sleep(self.latency).await;
        let fate = self.fate(|t| matches!(t, Trouble::Stale | Trouble::Down | Trouble::Stalls(_)));
        if let Some(Trouble::Stalls(ms)) = fate {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        let mut inner = self.place.inner();
        inner.reads += 1;
        if fate == Some(Trouble::Down) {
            drop(inner);
            return Err(self.down());
        }
        let stale = usize::from(fate == Some(Trouble::Stale) && inner.tips.len() > 1);
        let head = inner.tips.len() - stale;
        let tip = head.checked_sub(1).and_then(|i| inner.tips.get(i)).cloned();
        drop(inner);
        self.head = head;
        Ok(tip)
    }

    async fn history(&mut self) -> Result<Option<Tip>, StoreError> {
        let head = self.head;
        let tip = self.read().await?;
        let read = std::mem::replace(&mut self.head, head);
        let inner = self.place.inner();
        let mut lines = std::collections::BTreeMap::new();
        for line in inner.tips[..read].iter().flat_map(|t| t.journal.split_inclusive(|b| *b == b'\n')) {
            lines.insert(serde_json::from_slice::<Line>(line).unwrap().seq, line);
        }
        let journal = lines.into_values().flatten().copied().collect();
        Ok(tip.map(|tip| Tip { journal, ..tip }))
    }

    async fn append(&mut self, segment: &Segment<'_>) -> Result<Put, StoreError> {
        tokio::time::sleep(self.latency).await;
        let owned =
            Owned { snapshot: segment.snapshot.map(<[u8]>::to_vec), journal: segment.journal.to_vec() };
        let fate = self.fate(|t| !matches!(t, Trouble::Stale));
        let lost = Put::Unknown("the connection was reset".into());
        match fate {
            Some(Trouble::NeverArrives | Trouble::Down) => return Ok(lost),
            Some(Trouble::ArrivesLate(ms)) => {
                let (place, head) = (self.place.clone(), self.head);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    place.swap(head, &owned);
                });
                return Ok(lost);
            }
            _ => {}
        }
        let done = self.place.swap(self.head, &owned);
        if done {
            self.head += 1;
            self.last = self.spaced.as_ref().map(|(_, now)| now());
        }
        tokio::time::sleep(self.latency).await;
        if let Some(Trouble::Stalls(ms)) = fate {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        Ok(match (fate, done) {
            (Some(Trouble::AnswerLost), _) => lost,
            (_, true) => Put::Done,
            (_, false) => Put::Raced,
        })
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn pace(&self) -> Pace {
        let interval = self.spaced.as_ref().map_or(Duration::ZERO, |(interval, _)| *interval);
        Pace { interval, bound: Duration::from_secs(30) }
    }

    fn next_append(&self) -> Option<Timestamp> {
        Some(self.last? + self.spaced.as_ref()?.0)
    }
}

pub type Store = SharedStore<Simulated>;

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub fn holder(name: &str) -> Holder {
    Holder {
        user: name.into(),
        host: "h".into(),
        pid: 1,
        since: at(0),
        command: "casefile apply".into(),
        job: None,
    }
}

/// Opens the place for a runner, `second` seconds after the beginning.
pub async fn open(place: &Place, name: &str, second: i64) -> Result<Store, StoreError> {
    open_remote(place.remote(), name, second).await
}

pub async fn open_remote(remote: Simulated, name: &str, second: i64) -> Result<Store, StoreError> {
    let opening = Opening { holder: holder(name), lineage: None, now: at(second), is_gone: |_| false };
    Ok(SharedStore::open(remote, None, &opening).await?.0)
}

pub fn begin() -> Record {
    Record::Open { lineage: "a lineage".into(), binding: Binding::default(), tool: "casefile/0".into() }
}

pub fn address(name: &str) -> Address {
    Address::new(Kind::InvestigationPackage, name)
}

pub fn intent(name: &str, runner: &str, second: i64) -> Record {
    let call = Call::collect("ab".repeat(20).parse().unwrap(), name);
    let request = call.request();
    let digest = casefile::model::RequestDigest::of(&request, 1);
    Record::Intent(Box::new(Intent {
        address: address(name),
        action: CallAction::Create,
        sent: Sent::new(request, 1, digest),
        plan: casefile::model::PlanDigest(casefile::model::Sha256Hex::of(b"plan")),
        runner: runner.into(),
        send_by: at(second + 30),
        server_at: at(second).into(),
        timeout_seconds: Some(60),
        labels: Default::default(),
        on_remove: Default::default(),
        ids: Default::default(),
        replaces: Default::default(),
        over: Some(Intent::NOTHING_OPEN),
        by: None,
        commit: None,
    }))
}

pub fn object(id: &str) -> Object {
    Object {
        id: id.into(),
        status: "Pending".into(),
        requestor: None,
        created_at: None,
        updated_at: None,
        cancelled_by: None,
        computer_dns_name: None,
    }
}

pub fn made(name: &str, attempt: u64, id: &str) -> Record {
    outcome(name, attempt, Outcome::Made { object: object(id) })
}

pub fn refused(name: &str, attempt: u64) -> Record {
    outcome(name, attempt, Outcome::Rejected { error: Refusal { status: 400, ..Refusal::default() } })
}

fn outcome(name: &str, attempt: u64, result: Outcome) -> Record {
    Record::Outcome { attempt, address: address(name), result, server_at: None }
}
