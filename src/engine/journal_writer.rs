//! The one writer of a run: everything that is recorded passes here, in order, in groups.
//!
//! Whoever records something waits until it is durable. While one group is being synced the next one
//! gathers, so that a sync carries as many records as there are calls under way.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::accepted::{KnownIds, ids_of};
use crate::model::IdKey;
use crate::state::{Object, Outcome, Record, Resource, Seq, State, Store, StoreError};

/// What a record is made from: the state as it is when its turn comes.
pub struct View<'a> {
    state: &'a State,
    ids: &'a HashSet<IdKey>,
}

impl View<'_> {
    /// The state, not counting records of the same group.
    pub fn state(&self) -> &State {
        self.state
    }

    /// A resource, not counting records of the same group.
    pub fn resource(&self, address: &crate::model::Address) -> Option<&Resource> {
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
    clock: crate::defender::Clock,
    failed: Option<Arc<StoreError>>,
}

/// How many entries one sync carries at the most.
const GROUP: usize = 256;

impl JournalWriter {
    /// Takes a store that is open for writing.
    pub fn new(store: Box<dyn Store>, clock: crate::defender::Clock) -> Self {
        let ids = ids_of(store.state()).map(IdKey::of).collect();
        JournalWriter { store, ids, clock, failed: None }
    }

    /// The state as of the last durable record.
    pub fn state(&self) -> &State {
        self.store.state()
    }

    /// The first failure to record something; nothing is sent after it.
    pub fn failure(&self) -> Option<&Arc<StoreError>> {
        self.failed.as_ref()
    }

    /// Appends records and returns once they are durable. Nothing to append is no write.
    pub fn append(&mut self, records: &[Record]) -> Result<Range<Seq>, Arc<StoreError>> {
        if records.is_empty() {
            return Ok(0..0);
        }
        if let Some(e) = self.failed.clone() {
            self.rescue(records);
            return Err(e);
        }
        match self.store.append(self.clock.now(), records) {
            Ok(range) => {
                for r in records {
                    learn(&mut self.ids, r);
                }
                Ok(range)
            }
            Err(e) => {
                let e = Arc::new(e);
                self.failed = Some(e.clone());
                self.rescue(records);
                Err(e)
            }
        }
    }

    /// Keeps the outcomes among records that the journal does not take: beside it, or else in the log. What
    /// else was seen will be seen again.
    fn rescue(&mut self, records: &[Record]) {
        let outcomes: Vec<Record> =
            records.iter().filter(|r| matches!(r, Record::Outcome { .. })).cloned().collect();
        if outcomes.is_empty() {
            return;
        }
        if let Err(e) = self.store.rescue(self.clock.now(), &outcomes) {
            for outcome in &outcomes {
                let line = serde_json::to_string(outcome).unwrap_or_default();
                tracing::error!("neither the journal nor a file beside it takes this outcome ({e}): {line}");
            }
        }
    }

    /// Writes the snapshot.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.store.commit_snapshot().map(|_| ())
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
            let was_well = self.failed.is_none();
            self.serve_group(&mut group);
            if was_well && self.failed.is_some() {
                failed();
            }
        }
    }

    fn serve_group(&mut self, group: &mut Vec<Entry>) {
        let mut records = Vec::new();
        let mut replies = Vec::new();
        for entry in group.drain(..) {
            let made = (entry.make)(&View { state: self.store.state(), ids: &self.ids });
            // Known at once: a second answer in this group must see the id of the first.
            for r in &made {
                learn(&mut self.ids, r);
            }
            replies.push((entry.reply, made.len()));
            records.extend(made);
        }
        let result = self.append(&records);
        let mut numbered = records.into_iter();
        // A store may put records of its own in front, so the numbers are counted from the end.
        let mut seq = result.as_ref().map_or(0, |r| r.end.saturating_sub(numbered.len() as Seq));
        for (reply, count) in replies {
            let own: Vec<_> = numbered
                .by_ref()
                .take(count)
                .map(|r| {
                    let n = seq;
                    seq += 1;
                    (n, r)
                })
                .collect();
            // Nobody waits any more: the record is durable all the same.
            let _ = reply.send(result.as_ref().map(|_| own).map_err(Arc::clone));
        }
    }
}

/// The other end of a [`JournalHandle`].
pub struct Service {
    waiting: mpsc::UnboundedReceiver<Entry>,
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
