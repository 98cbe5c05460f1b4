//! The one writer of a run: everything that is recorded passes here, in order, in groups.
//!
//! Whoever records something waits until it is durable. While one group is being synced the next one
//! gathers, so that a sync, or a push, carries as many records as there are calls under way.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::accepted::{KnownIds, ids_of};
use super::quota;
use crate::defender::{Clock, Endpoint, RateLimiter};
use crate::model::{Address, IdKey, Sha256Hex};
use crate::state::{
    Group, Intent, News, Object, Outcome, Pace, Record, Resource, Seq, State, Store, StoreError,
};

/// What a record is made from: the state as it is when its turn comes.
pub struct View<'a> {
    state: &'a State,
    ids: &'a HashSet<IdKey>,
    overtaken: &'a Overtaken,
}

/// The resources about which others have recorded something since this run has planned.
#[derive(Default)]
struct Overtaken {
    addresses: HashSet<Address>,
    /// True if they have recorded more than is at hand.
    all: bool,
}

impl View<'_> {
    /// The state, not counting records of the same group.
    pub fn state(&self) -> &State {
        self.state
    }

    /// Returns whether others have recorded something about a resource since the run has planned: what was planned for
    /// it is not to be sent. An append that carried something else may have read it.
    pub fn is_overtaken(&self, address: &Address) -> bool {
        self.overtaken.all || self.overtaken.addresses.contains(address)
    }

    /// A resource, not counting records of the same group.
    pub fn resource(&self, address: &Address) -> Option<&Resource> {
        self.state.resources.get(address)
    }
}

impl KnownIds for View<'_> {
    fn has(&self, id: &str) -> bool {
        self.ids.contains(&IdKey::of(id))
    }
}

type Make = Box<dyn FnOnce(&View<'_>) -> Vec<Record> + Send>;

/// Durable records with their numbers.
type Written = Result<Vec<(Seq, Record)>, Arc<StoreError>>;

struct Entry {
    make: Make,
    reply: oneshot::Sender<Written>,
}

/// A way to the journal of a run; clones lead to the same one.
#[derive(Clone)]
pub struct JournalHandle {
    entries: mpsc::UnboundedSender<Entry>,
}

impl JournalHandle {
    /// Records what `make` makes of the state; returns once it is durable, with the records and their
    /// numbers.
    pub async fn record(&self, make: impl FnOnce(&View<'_>) -> Vec<Record> + Send + 'static) -> Written {
        let (reply, answer) = oneshot::channel();
        let closed = || Arc::new(StoreError::Poisoned { why: "the journal was closed".to_owned() });
        self.entries.send(Entry { make: Box::new(make), reply }).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// State and journal of a run.
pub struct JournalWriter {
    store: Box<dyn Store>,
    ids: HashSet<IdKey>,
    clock: Clock,
    limiter: RateLimiter,
    overtaken: Overtaken,
    failed: Option<Arc<StoreError>>,
}

/// How many entries one append carries at the most.
const GROUP: usize = 256;

/// The numbers of each group's records; none for a group that was refused.
type Numbers = Vec<Option<Range<Seq>>>;

impl JournalWriter {
    /// Takes a store that is open for writing. Calls of others count against the limits, too.
    pub fn new(mut store: Box<dyn Store>, clock: Clock, limiter: RateLimiter) -> Self {
        let ids = ids_of(store.state()).map(IdKey::of).collect();
        // What was read while it was opened is in the state that is planned on.
        drop(store.take_news());
        JournalWriter { store, ids, clock, limiter, overtaken: Overtaken::default(), failed: None }
    }

    /// Takes the present state for the one that is planned on from here.
    pub fn plan_anew(&mut self) -> &State {
        self.overtaken = Overtaken::default();
        self.store.state()
    }

    /// The state as of the last durable record.
    pub fn state(&self) -> &State {
        self.store.state()
    }

    /// How fast the store takes records, if others share it.
    pub fn pace(&self) -> Option<Pace> {
        self.store.pace()
    }

    /// The first failure to record something; nothing is sent after it.
    pub fn failure(&self) -> Option<&Arc<StoreError>> {
        self.failed.as_ref()
    }

    /// Appends records that stand or fall together, and returns once they are durable, or known to ride along with the
    /// next ones; false if others were faster and they do not fit any more. Nothing to append is no write.
    pub async fn append(&mut self, records: &[Record]) -> Result<bool, Arc<StoreError>> {
        if records.is_empty() {
            return Ok(true);
        }
        let numbers = self.append_groups(vec![records.to_vec()]).await?;
        Ok(numbers.iter().all(Option::is_some))
    }

    async fn append_groups(&mut self, groups: Vec<Group>) -> Result<Numbers, Arc<StoreError>> {
        if let Some(e) = self.failed.clone() {
            self.rescue(&groups).await;
            return Err(e);
        }
        let lead = self.store.pace().map_or(Duration::ZERO, Pace::lead);
        let (ids, limiter) = (&mut self.ids, &self.limiter);
        // Others may be read several times before this append is in; each of their records counts once.
        let mut counted = 0;
        let mut admit = |_: &State, others: &[Record], intent: &Intent| {
            count(others.get(counted..).unwrap_or_default(), ids, limiter);
            counted = counted.max(others.len());
            !limiter.is_over(quota::endpoint_of(intent.action, intent.address.kind()), lead)
        };
        let appended = self.store.append(self.clock.now(), groups.clone(), &mut admit).await;
        let News { records, more } = self.store.take_news();
        count(records.get(counted..).unwrap_or_default(), &mut self.ids, &self.limiter);
        self.overtaken.addresses.extend(records.iter().flat_map(Record::addresses).cloned());
        self.overtaken.all |= more;
        match appended {
            Ok(numbers) => {
                for record in groups.iter().zip(&numbers).filter(|(_, n)| n.is_some()).flat_map(|(g, _)| g) {
                    learn(&mut self.ids, record);
                }
                Ok(numbers)
            }
            Err(e) => {
                let e = Arc::new(e);
                self.failed = Some(e.clone());
                self.rescue(&groups).await;
                Err(e)
            }
        }
    }

    /// Keeps the outcomes among records that the journal does not take: beside it, or else in the log. What
    /// else was seen will be seen again.
    async fn rescue(&mut self, groups: &[Group]) {
        let outcomes: Vec<Record> =
            groups.iter().flatten().filter(|r| matches!(r, Record::Outcome { .. })).cloned().collect();
        if outcomes.is_empty() {
            return;
        }
        if let Err(e) = self.store.rescue(self.clock.now(), &outcomes).await {
            for outcome in &outcomes {
                let line = serde_json::to_string(outcome).unwrap_or_default();
                tracing::error!("neither the journal nor a file beside it takes this outcome ({e}): {line}");
            }
        }
    }

    /// Returns whether a head that somebody kept is the hash of a record of the state.
    pub async fn holds(&mut self, head: Sha256Hex) -> Result<bool, StoreError> {
        self.store.holds(head).await
    }

    /// Writes the snapshot.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        self.store.commit_snapshot(self.clock.now()).await.map(|_| ())
    }

    /// Returns a handle, and its other end for [`JournalWriter::serve`].
    pub fn handle() -> (JournalHandle, Service) {
        let (entries, waiting) = mpsc::unbounded_channel();
        (JournalHandle { entries }, Service { waiting })
    }

    /// Serves until every handle is gone. `failed` is called once, at the first failure.
    pub async fn serve(&mut self, mut service: Service, failed: impl Fn()) {
        let mut group = Vec::new();
        while service.waiting.recv_many(&mut group, GROUP).await > 0 {
            self.gather(&mut service, &mut group).await;
            let was_well = self.failed.is_none();
            self.serve_group(&mut group).await;
            if was_well && self.failed.is_some() {
                failed();
            }
        }
    }

    /// Waits until a shared store may be appended to, and takes in what comes meanwhile.
    async fn gather(&mut self, service: &mut Service, group: &mut Vec<Entry>) {
        let Some(at) = self.store.next_append() else { return };
        let wait = Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default();
        let end = tokio::time::sleep(wait);
        tokio::pin!(end);
        while group.len() < GROUP {
            tokio::select! {
                biased;
                () = &mut end => return,
                entry = service.waiting.recv() => match entry {
                    Some(entry) => group.push(entry),
                    None => return,
                }
            }
        }
    }

    async fn serve_group(&mut self, entries: &mut Vec<Entry>) {
        let mut groups = Vec::new();
        let mut replies = Vec::new();
        for entry in entries.drain(..) {
            let made =
                (entry.make)(&View { state: self.store.state(), ids: &self.ids, overtaken: &self.overtaken });
            // Known at once: a second answer in this batch must see the id of the first.
            for r in &made {
                learn(&mut self.ids, r);
            }
            groups.push(made);
            replies.push(entry.reply);
        }
        let result = match groups.iter().all(Vec::is_empty) {
            true => Ok(groups.iter().map(|_| Some(0..0)).collect()),
            false => self.append_groups(groups.clone()).await,
        };
        for (i, (reply, group)) in replies.into_iter().zip(groups).enumerate() {
            let own = result.as_ref().map_err(Arc::clone).map(|numbers| {
                let range = numbers.get(i).cloned().flatten();
                range.map_or_else(Vec::new, |range| range.zip(group).collect())
            });
            // Nobody waits any more: the records are durable all the same.
            let _ = reply.send(own);
        }
    }
}

/// The other end of a [`JournalHandle`].
pub struct Service {
    waiting: mpsc::UnboundedReceiver<Entry>,
}

/// Takes in what others have recorded: ids that are theirs, and calls that use the service's quotas.
fn count(others: &[Record], ids: &mut HashSet<IdKey>, limiter: &RateLimiter) {
    for record in others {
        learn(ids, record);
        match record {
            Record::Intent(other) => {
                limiter.seed(quota::endpoint_of(other.action, other.address.kind()), None, None);
            }
            Record::LinkRequested { .. } => limiter.seed(Endpoint::PackageUri, None, None),
            _ => {}
        }
    }
}

/// The ids that a record adds to what is known.
fn learn(ids: &mut HashSet<IdKey>, record: &Record) {
    let object: Option<&Object> = match record {
        Record::Outcome {
            result: Outcome::Made { object } | Outcome::Adopted { object } | Outcome::Done { object },
            ..
        } => Some(object),
        Record::Found { object, .. } | Record::Late { object, .. } | Record::Imported { object, .. } => {
            Some(object)
        }
        _ => None,
    };
    ids.extend(object.map(|o| IdKey::of(&o.id)));
}
