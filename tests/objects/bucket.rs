//! A bucket in memory that counts, and that can be made to fail.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use casefile::model::location::{Bucket, Objects};
use casefile::state::shared::objects::ObjectRemote;
use casefile::state::shared::{Opening, Reading, Remote as _, SharedStore};
use casefile::state::{Record, State, Store as _, StoreError};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::place::{self, at, holder};
use crate::schedules::{Ground, Spoil, play_all};

/// A trouble that comes over one put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is in, and the answer is an error of the service.
    AnswerLost,
    /// It is not in, and the answer is an error of the service.
    NeverArrives,
    /// It is in so many milliseconds after the answer, which is an error of the service.
    ArrivesLate(u64),
    /// The answer is no.
    Refused,
    /// Nothing goes wrong.
    None,
}

#[derive(Default)]
pub struct Inner {
    pub puts: usize,
    pub gets: usize,
    pub lists: usize,
    pub bytes: u64,
    /// The troubles of the next puts.
    pub trouble: VecDeque<Trouble>,
    /// The number of reads to come that fail on the way.
    pub failing_reads: usize,
    /// A put of an object that is there replaces it.
    pub lies: bool,
    /// Answers to puts carry no ETag.
    pub no_etags: bool,
    /// How long each request takes.
    pub latency: Duration,
}

impl Inner {
    pub fn requests(&self) -> usize {
        self.puts + self.gets + self.lists
    }

    pub fn forget(&mut self) {
        (self.puts, self.gets, self.lists, self.bytes) = (0, 0, 0, 0);
    }
}

/// The bucket; clones are the same one.
#[derive(Clone, Default)]
pub struct Moody {
    pub store: Arc<InMemory>,
    inner: Arc<Mutex<Inner>>,
}

impl fmt::Debug for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moody")
    }
}

impl fmt::Display for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moody")
    }
}

fn trouble() -> Error {
    let words = "Server returned non-2xx status code: 500 Internal Server Error";
    Error::Generic { store: "Moody", source: words.into() }
}

impl Moody {
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// The same bucket, with troubles of its own.
    pub fn apart(&self) -> Moody {
        Moody { store: self.store.clone(), inner: Arc::default() }
    }

    pub fn remote(&self) -> ObjectRemote {
        self.remote_at("ir", "ir")
    }

    pub fn remote_at(&self, prefix: &str, snapshot: &str) -> ObjectRemote {
        let bucket = Bucket {
            service: Objects::S3,
            name: "bucket".into(),
            prefix: prefix.into(),
            snapshot: snapshot.into(),
        };
        ObjectRemote::new(Arc::new(self.clone()), &bucket, Arc::new(|| at(0)))
    }

    pub async fn open(
        &self,
        name: &str,
        second: i64,
    ) -> std::result::Result<SharedStore<ObjectRemote>, StoreError> {
        open(self.remote(), name, second).await
    }

    /// The state as a fresh runner reads it.
    pub async fn reading(&self) -> std::result::Result<Reading, StoreError> {
        self.remote().read().await?.map_or_else(|| Ok(Reading::default()), Reading::of)
    }

    pub async fn object(&self, name: &str) -> Option<Vec<u8>> {
        let got = self.store.get(&Path::from(name)).await.ok()?;
        Some(got.bytes().await.unwrap().to_vec())
    }

    pub async fn replace(&self, name: &str, bytes: Option<Vec<u8>>) {
        let path = Path::from(name);
        match bytes {
            Some(bytes) => drop(self.store.put(&path, bytes.into()).await.unwrap()),
            None => self.store.delete(&path).await.unwrap(),
        }
    }

    pub async fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.store.list(None).map(|o| o.unwrap().location.to_string()).collect().await;
        names.sort();
        names
    }

    fn read_fails(&self) -> bool {
        let mut inner = self.inner();
        let fails = inner.failing_reads > 0;
        inner.failing_reads -= usize::from(fails);
        fails
    }
}

pub async fn open(
    remote: ObjectRemote,
    name: &str,
    second: i64,
) -> std::result::Result<SharedStore<ObjectRemote>, StoreError> {
    let opening = Opening { holder: holder(name), lineage: None, now: at(second), is_gone: |_| false };
    Ok(SharedStore::open(remote, None, &opening).await?.0)
}

/// A state of one record.
pub async fn begun(bucket: &Moody) {
    let mut store = bucket.open("first", 0).await.unwrap();
    store.append(at(0), vec![vec![crate::place::begin()]], &mut |_, _, _| true).await.unwrap();
    store.commit_snapshot(at(0)).await.unwrap();
}

impl Ground for Moody {
    type Remote = ObjectRemote;

    fn runner(&self, latency: Duration) -> (ObjectRemote, Spoil<ObjectRemote>) {
        let own = self.apart();
        own.inner().latency = latency;
        let spoilt = own.clone();
        let spoil = move |_: &mut ObjectRemote, trouble| {
            let mut inner = spoilt.inner();
            match trouble {
                place::Trouble::AnswerLost => inner.trouble.push_back(Trouble::AnswerLost),
                place::Trouble::NeverArrives => inner.trouble.push_back(Trouble::NeverArrives),
                place::Trouble::ArrivesLate(ms) => inner.trouble.push_back(Trouble::ArrivesLate(ms)),
                place::Trouble::Down => inner.failing_reads += 2,
                // Every look shows what is there, and shows it at once.
                place::Trouble::Stale | place::Trouble::Stalls(_) => {}
            }
        };
        (own.remote(), Box::new(spoil))
    }

    async fn end(&self) -> (State, Vec<Record>) {
        let tip = self.apart().remote().history().await.unwrap().unwrap();
        let lines = tip.journal.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        let records = lines.map(|l| serde_json::from_slice::<place::Line>(l).unwrap().record).collect();
        let state = self.apart().reading().await.unwrap().state;
        assert_eq!(Reading::of(tip).unwrap().state, state, "the shortcuts say what the journal says");
        (state, records)
    }
}

#[test]
fn runners_side_by_side() {
    play_all(150, Moody::default);
}

#[async_trait]
impl ObjectStore for Moody {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        let (fate, lies, no_etags, latency) = {
            let mut inner = self.inner();
            inner.puts += 1;
            (inner.trouble.pop_front().unwrap_or(Trouble::None), inner.lies, inner.no_etags, inner.latency)
        };
        tokio::time::sleep(latency).await;
        match fate {
            Trouble::ArrivesLate(ms) => {
                let (store, path) = (self.store.clone(), path.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    drop(store.put_opts(&path, payload, options).await);
                });
                return Err(trouble());
            }
            Trouble::NeverArrives => return Err(trouble()),
            Trouble::Refused => {
                let source = "Server returned non-2xx status code: 403 Forbidden: <Error><Code>AccessDenied</Code>\
                              <Message>not yours</Message></Error>";
                return Err(Error::PermissionDenied { path: path.to_string(), source: source.into() });
            }
            Trouble::AnswerLost | Trouble::None => {}
        }
        if lies && options.mode == PutMode::Create {
            options.mode = PutMode::Overwrite;
        }
        let result = self.store.put_opts(path, payload, options).await?;
        match fate {
            Trouble::AnswerLost => Err(trouble()),
            _ if no_etags => {
                Err(Error::Generic { store: "Moody", source: "ETag Header missing from response".into() })
            }
            _ => Ok(result),
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner().gets += 1;
        if self.read_fails() {
            return Err(trouble());
        }
        let latency = self.inner().latency;
        tokio::time::sleep(latency).await;
        let got = self.store.get_opts(path, options).await?;
        self.inner().bytes += got.meta.size;
        Ok(got)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner().lists += 1;
        match self.read_fails() {
            true => futures::stream::once(async { Err(trouble()) }).boxed(),
            false => self.store.list(prefix),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner().lists += 1;
        match self.read_fails() {
            true => futures::stream::once(async { Err(trouble()) }).boxed(),
            false => self.store.list_with_offset(prefix, offset),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
