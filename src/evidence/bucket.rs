//! Object storage as the place where packages are held. Nothing there is ever replaced.
//!
//! A download lies in a folder of this machine until it is whole and looked into. Then it is sent: up to [`PIECE`] bytes in
//! one request that fails where something lies, and more than that in pieces, which nobody sees until they are put
//! together. They are put together once the SHA-256 of what was sent is that of the download, and thrown away otherwise.
//! The request that fails if something lies there depends on the service:
//!
//! | service | the last step |
//! |---|---|
//! | S3 | `CompleteMultipartUpload` with `If-None-Match: *` |
//! | Azure, Google | the pieces become an object of another name, which is copied where nothing lies and then deleted: these services, or our library for them, take no such condition when pieces are put together |
//!
//! A store that ignores such conditions is found out before the first package is sent: see [`HeldBucket::prove`].

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use async_trait::async_trait;
use futures::lock::Mutex;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode,
    PutOptions, PutPayload,
};

use super::folder::{Folder, Unfinished};
use super::name::PackageName;
use super::store::{EvidenceStore, HeldError, Package, Placement, blocking};
use crate::model::location::Bucket;
use crate::model::{Kind, Sha256};
use crate::state::shared::object_fault::{ANOTHER_STORE, Fault, patiently};

/// The largest piece that is sent or read at once, in bytes: so much memory a package takes.
pub const PIECE: u64 = 8 << 20;

/// How many pieces a service takes at the most, and a few less.
const MOST_PIECES: u64 = 9_000;

/// The longest custody record.
const LONGEST_RECORD: u64 = 64 << 20;

/// The object that shows that nothing is replaced, and what is in it.
const MARK: &str = "create-only.txt";
const MARK_TEXT: &[u8] =
    b"casefile writes this object before it sends packages, and expects to be refused.\n";

/// The way in which pieces become an object that replaces nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Putting them together fails if something lies there: the client sends `If-None-Match: *`.
    Conditional,
    /// A scratch object first, which is copied where nothing lies.
    Copied,
}

/// A way to a bucket. The library's own repetitions have to be off.
#[derive(Clone)]
pub struct Objects {
    /// Single requests.
    pub store: Arc<dyn ObjectStore>,
    /// Pieces.
    pub pieces: Arc<dyn MultipartStore>,
    /// How pieces are put together.
    pub completion: Completion,
}

/// Packages below a prefix of a bucket.
pub struct HeldBucket {
    objects: Objects,
    place: String,
    prefix: String,
    downloads: Folder,
    /// A word that no other run has, for names that are in nobody's way.
    run: String,
    /// The store was seen to refuse what would replace something.
    proven: Mutex<bool>,
}

impl HeldBucket {
    /// Takes a bucket's prefix for evidence. Nothing is asked yet. `downloads` is a folder for downloads that are not
    /// whole, and `run` a word that no other run has.
    pub fn new(objects: Objects, bucket: &Bucket, downloads: Folder, run: String) -> Self {
        HeldBucket {
            objects,
            place: bucket.to_string(),
            prefix: bucket.prefix.clone(),
            downloads,
            run,
            proven: Mutex::new(false),
        }
    }

    fn refused(&self, why: impl Into<String>, next: &'static str) -> HeldError {
        HeldError::Refused { place: self.place.clone(), why: why.into(), next }
    }

    fn failed(&self, fault: Fault) -> HeldError {
        let unreachable = |why| HeldError::Unreachable { place: self.place.clone(), why };
        match fault {
            Fault::Absent(why) => {
                self.refused(why, "create the bucket or container, or name another one in evidence.url")
            }
            Fault::Refused { why, next } => self.refused(why, next),
            Fault::Taken => unreachable("somebody else changes it at this moment".to_owned()),
            Fault::Passing(why) => unreachable(why),
        }
    }

    /// The object of a name. Names hold nothing that the library would write in another way.
    fn object(&self, name: &str) -> Result<Path, HeldError> {
        let whole = if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) };
        Path::parse(whole).map_err(|e| self.refused(e.to_string(), "name another prefix in evidence.url"))
    }

    /// Asks for length and validator of an object; none if there is none.
    async fn head(&self, path: &Path) -> Result<Option<ObjectMeta>, HeldError> {
        match patiently(|| self.objects.store.head(path).boxed()).await {
            Ok(meta) => Ok(Some(meta)),
            Err(Fault::Absent(_)) => Ok(None),
            Err(fault) => Err(self.failed(fault)),
        }
    }

    /// Puts an object where none is; false if there is one. It may be ours: an answer can be lost.
    async fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<bool, HeldError> {
        let payload = PutPayload::from(bytes);
        let put =
            || self.objects.store.put_opts(path, payload.clone(), PutOptions::from(PutMode::Create)).boxed();
        self.made(path, patiently(put).await.map(drop)).await
    }

    /// Tells apart what is there now from what was there before.
    async fn made(&self, path: &Path, result: Result<(), Fault>) -> Result<bool, HeldError> {
        match result {
            Ok(()) => Ok(true),
            // "Somebody else does it at this moment" is told in the same way.
            Err(Fault::Taken) if self.head(path).await?.is_some() => Ok(false),
            Err(fault) => Err(self.failed(fault)),
        }
    }

    /// Makes sure that nothing is ever replaced: one object is written again and again, once a run by each way that the
    /// run needs, and the store has to refuse it. The object is never deleted, so that no right to do so is needed.
    async fn prove(&self) -> Result<(), HeldError> {
        let mut proven = self.proven.lock().await;
        if *proven {
            return Ok(());
        }
        let path = self.object(MARK)?;
        // The first one may find nothing.
        let made = self.create(&path, MARK_TEXT.to_vec()).await?;
        let again = made && self.create(&path, MARK_TEXT.to_vec()).await?;
        let pieced = !again && self.objects.completion == Completion::Conditional && {
            let id = self.begin(&path).await?;
            let sent = self.piece(&path, &id, 0, PutPayload::from(MARK_TEXT.to_vec())).await?;
            self.finish(&path, &id, vec![sent]).await?
        };
        if again || pieced {
            let how = if again { "`If-None-Match: *`" } else { "`If-None-Match: *` for uploads in pieces" };
            let why =
                format!("it took {path} twice: it does not hold to {how}, so evidence could be replaced");
            return Err(self.refused(why, ANOTHER_STORE));
        }
        *proven = true;
        Ok(())
    }

    async fn begin(&self, path: &Path) -> Result<String, HeldError> {
        let begun = patiently(|| self.objects.pieces.create_multipart(path).boxed()).await;
        begun.map_err(|fault| self.failed(fault))
    }

    async fn piece(
        &self,
        path: &Path,
        id: &String,
        index: usize,
        bytes: PutPayload,
    ) -> Result<PartId, HeldError> {
        let put = || self.objects.pieces.put_part(path, id, index, bytes.clone()).boxed();
        patiently(put).await.map_err(|fault| self.failed(fault))
    }

    /// Puts pieces together; false if something lies there. Whatever does not become an object is thrown away.
    async fn finish(&self, path: &Path, id: &String, sent: Vec<PartId>) -> Result<bool, HeldError> {
        let complete = || self.objects.pieces.complete_multipart(path, id, sent.clone()).boxed();
        let completed = match patiently(complete).await.map(drop) {
            // An earlier try was heard, and its answer lost.
            Err(Fault::Absent(why)) => match self.head(path).await? {
                Some(_) => Err(Fault::Taken),
                None => Err(Fault::Absent(why)),
            },
            completed => completed,
        };
        if completed.is_err() {
            self.throw_away(path, id).await;
        }
        self.made(path, completed).await
    }

    /// Throws pieces away. Nobody sees them: that they stay costs money, and nothing else.
    async fn throw_away(&self, path: &Path, id: &String) {
        if let Err(e) = self.objects.pieces.abort_multipart(path, id).await {
            tracing::debug!("{}: pieces of {path} were left: {}", self.place, self.failed(as_fault(&e)));
        }
    }

    /// Sends a whole download under a name; false if something has that name.
    async fn send(&self, name: &str, whole: &Unfinished) -> Result<bool, HeldError> {
        self.prove().await?;
        let path = self.object(name)?;
        if whole.length() <= PIECE {
            let source = Source { file: whole.reader()?, hash: Sha256::new() };
            let (source, bytes) = source.read(PIECE).await?;
            self.is_whole(source.hash, whole)?;
            return self.create(&path, bytes).await;
        }
        if self.head(&path).await?.is_some() {
            return Ok(false);
        }
        match self.objects.completion {
            Completion::Conditional => self.send_pieces(&path, whole).await,
            Completion::Copied => {
                let beside = self.object(&format!("{name}.{}.part", self.run))?;
                if !self.send_pieces(&beside, whole).await? {
                    return Err(self.refused(format!("{beside} is there already"), "casefile fetch"));
                }
                self.copy_new(&beside, &path).await
            }
        }
    }

    /// Copies an object to a name that nothing has, and deletes it; false if something has that name.
    async fn copy_new(&self, beside: &Path, path: &Path) -> Result<bool, HeldError> {
        let options = || CopyOptions { mode: CopyMode::Create, ..CopyOptions::default() };
        let copy = || self.objects.store.copy_opts(beside, path, options()).boxed();
        let copied = self.made(path, patiently(copy).await).await;
        if let Err(e) = self.objects.store.delete(beside).await {
            let e = self.failed(as_fault(&e));
            tracing::warn!("{beside} is not needed any more, and was not deleted: {e}");
        }
        copied
    }

    /// Sends a download in pieces that become one object at the end.
    async fn send_pieces(&self, path: &Path, whole: &Unfinished) -> Result<bool, HeldError> {
        let id = self.begin(path).await?;
        match self.pieces_of(path, &id, whole).await {
            Ok(sent) => self.finish(path, &id, sent).await,
            Err(e) => {
                self.throw_away(path, &id).await;
                Err(e)
            }
        }
    }

    async fn pieces_of(
        &self,
        path: &Path,
        id: &String,
        whole: &Unfinished,
    ) -> Result<Vec<PartId>, HeldError> {
        let length = PIECE.max(whole.length().div_ceil(MOST_PIECES));
        let mut source = Source { file: whole.reader()?, hash: Sha256::new() };
        let mut sent = Vec::new();
        loop {
            let bytes;
            (source, bytes) = source.read(length).await?;
            if bytes.is_empty() {
                break;
            }
            sent.push(self.piece(path, id, sent.len(), PutPayload::from(bytes)).await?);
        }
        self.is_whole(source.hash, whole)?;
        Ok(sent)
    }

    /// Refuses to go on if what was read of a download is not what came.
    fn is_whole(&self, sent: Sha256, whole: &Unfinished) -> Result<(), HeldError> {
        if sent.finish() == whole.sha256() {
            return Ok(());
        }
        Err(HeldError::Disk(std::io::Error::other("the download was changed on the disk")))
    }
}

/// A file that is read in pieces, and hashed on the way.
struct Source {
    file: File,
    hash: Sha256,
}

impl Source {
    /// Reads at most so many bytes; none at the end.
    async fn read(mut self, most: u64) -> Result<(Self, Vec<u8>), HeldError> {
        Ok(blocking(move || {
            let mut bytes = Vec::new();
            (&self.file).take(most).read_to_end(&mut bytes)?;
            self.hash.update(&bytes);
            Ok((self, bytes))
        })
        .await?)
    }
}

fn as_fault(e: &object_store::Error) -> Fault {
    crate::state::shared::object_fault::fault(e)
}

#[async_trait]
impl EvidenceStore for HeldBucket {
    fn name(&self) -> &str {
        &self.place
    }

    fn downloads(&self) -> &Folder {
        &self.downloads
    }

    /// Lists packages alone: a state may be kept below the same prefix.
    async fn probe(&self) -> Result<(), HeldError> {
        self.prove().await?;
        match self.head(&self.object(MARK)?).await? {
            Some(_) => Ok(()),
            None => Err(self.refused("what was written there is not there", ANOTHER_STORE)),
        }
    }

    async fn list(&self) -> Result<Vec<String>, HeldError> {
        let folder = self.object(Kind::InvestigationPackage.as_str())?;
        let begin = folder.as_ref().len() - Kind::InvestigationPackage.as_str().len();
        let once = || self.objects.store.list(Some(&folder)).try_collect::<Vec<ObjectMeta>>().boxed();
        let found = patiently(once).await.map_err(|fault| self.failed(fault))?;
        let name = |meta: ObjectMeta| meta.location.as_ref().get(begin..).map(str::to_owned);
        let mut names: Vec<String> = found.into_iter().filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    async fn open(&self, name: &PackageName) -> Result<Option<Package>, HeldError> {
        let path = self.object(&name.file())?;
        let Some(meta) = self.head(&path).await? else { return Ok(None) };
        let (store, place, size) = (self.objects.store.clone(), self.place.clone(), meta.size);
        let pieces = stream::try_unfold(0, move |at| {
            let (store, place, path, etag) = (store.clone(), place.clone(), path.clone(), meta.e_tag.clone());
            async move {
                if at >= size {
                    return Ok(None);
                }
                let end = size.min(at + PIECE);
                let options = || GetOptions {
                    range: Some(GetRange::Bounded(at..end)),
                    if_match: etag.clone(),
                    ..GetOptions::default()
                };
                let get = || {
                    let got = store.get_opts(&path, options());
                    async { got.await?.bytes().await }.boxed()
                };
                match patiently(get).await {
                    Ok(bytes) if bytes.len() as u64 == end - at => Ok(Some((bytes.into(), end))),
                    Ok(_) => Err(HeldError::Unreachable { place, why: "a part of it is short".to_owned() }),
                    Err(Fault::Passing(why)) => Err(HeldError::Unreachable { place, why }),
                    Err(Fault::Refused { why, next }) => Err(HeldError::Refused { place, why, next }),
                    Err(Fault::Taken | Fault::Absent(_)) => {
                        let why = "it was replaced or deleted while it was read".to_owned();
                        Err(HeldError::Unreachable { place, why })
                    }
                }
            }
        });
        Ok(Some(Package { size, bytes: pieces.boxed() }))
    }

    async fn has(&self, name: &PackageName) -> Result<bool, HeldError> {
        Ok(self.head(&self.object(&name.file())?).await?.is_some())
    }

    async fn record(&self, name: &PackageName) -> Result<Option<Vec<u8>>, HeldError> {
        let path = self.object(&name.record())?;
        let get = || {
            let got = self.objects.store.get(&path);
            async {
                let got = got.await?;
                let short = got.meta.size <= LONGEST_RECORD;
                Ok(if short { Some(got.bytes().await?) } else { None })
            }
            .boxed()
        };
        match patiently(get).await {
            Ok(Some(bytes)) => Ok(Some(bytes.into())),
            Ok(None) => Err(self.refused("the custody record is longer than any", "casefile verify")),
            Err(Fault::Absent(_)) => Ok(None),
            Err(fault) => Err(self.failed(fault)),
        }
    }

    async fn write_record(&self, name: &PackageName, json: Vec<u8>) -> Result<bool, HeldError> {
        if self.create(&self.object(&name.record())?, json.clone()).await? {
            return Ok(true);
        }
        Ok(self.record(name).await?.is_none_or(|there| there == json))
    }

    async fn place(&self, name: &PackageName, whole: Unfinished) -> Result<Placement, HeldError> {
        if !self.send(&name.file(), &whole).await? {
            return Ok(Placement::Taken(Box::new(whole)));
        }
        blocking(move || whole.discard()).await?;
        Ok(Placement::New)
    }

    async fn set_aside(&self, name: &PackageName, whole: Unfinished) -> Result<String, HeldError> {
        let aside = name.aside(whole.sha256());
        // If something lies there it is the same: the name says so.
        self.send(&aside, &whole).await?;
        blocking(move || whole.discard()).await?;
        Ok(aside)
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::model::Sha256Hex;
    use crate::model::location::Objects as Service;

    fn name(id: u8) -> PackageName {
        let id = format!("5382f7ea-7557-4ab7-9782-d50480024a{id:02x}");
        PackageName::new(&"InvestigationPackage/a[b]".parse().unwrap(), "m", None, &id).unwrap()
    }

    fn held(store: &Arc<InMemory>, prefix: &str, downloads: &std::path::Path) -> HeldBucket {
        let objects = Objects { store: store.clone(), pieces: store.clone(), completion: Completion::Copied };
        let of = |text: &str| text.to_owned();
        let bucket =
            Bucket { service: Service::Azure, name: of("b"), prefix: of(prefix), snapshot: of(prefix) };
        HeldBucket::new(objects, &bucket, Folder::new(downloads), of("run"))
    }

    fn download(held: &HeldBucket, name: &PackageName, bytes: &[u8]) -> Unfinished {
        let mut whole = held.downloads().unfinished(name).unwrap();
        whole.restart(None).unwrap();
        whole.add(bytes).unwrap();
        whole
    }

    /// As Azure and Google are asked.
    #[tokio::test]
    async fn pieces_that_are_copied_replace_nothing_and_leave_nothing() {
        let bytes: Vec<u8> = (0..2 * PIECE + 5).map(|n| n as u8).collect();
        for prefix in ["", "case"] {
            let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
            let held = held(&store, prefix, folder.path());
            for (id, bytes) in [(1, &bytes[..]), (2, b"small")] {
                let name = name(id);
                assert!(matches!(held.place(&name, download(&held, &name, bytes)).await, Ok(Placement::New)));
                let whole = Some((bytes.len() as u64, Sha256Hex::of(bytes)));
                assert_eq!(held.hash(&name).await.unwrap(), whole);
                let other = download(&held, &name, &vec![7; bytes.len()]);
                let Ok(Placement::Taken(other)) = held.place(&name, other).await else { panic!("{id}") };
                let aside = held.set_aside(&name, *other).await.unwrap();
                assert_eq!(held.hash(&name).await.unwrap(), whole, "nothing is replaced");
                assert_eq!(aside, name.aside(Sha256Hex::of(&vec![7; bytes.len()])));
            }
            let names = [1, 2].map(|id| name(id).file());
            let listed = held.list().await.unwrap();
            assert!(listed.len() == 4 && names.iter().all(|n| listed.contains(n)), "{listed:?}");
            assert!(held.write_record(&name(1), b"{}".to_vec()).await.unwrap());
            assert!(held.write_record(&name(1), b"{}".to_vec()).await.unwrap(), "the same once more");
            assert!(!held.write_record(&name(1), b"[]".to_vec()).await.unwrap());
            assert_eq!(held.record(&name(1)).await.unwrap().unwrap(), b"{}");
        }
    }

    #[tokio::test]
    async fn a_name_that_is_taken_between_the_look_and_the_copy_is_not_replaced() {
        let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
        let held = held(&store, "case", folder.path());
        let path = held.object("InvestigationPackage/x.zip").unwrap();
        store.put(&path, PutPayload::from_static(b"another one")).await.unwrap();
        let beside = held.object("InvestigationPackage/x.zip.run.part").unwrap();
        store.put(&beside, PutPayload::from_static(b"ours")).await.unwrap();
        assert!(!held.copy_new(&beside, &path).await.unwrap());
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), &b"another one"[..]);
        assert!(held.head(&beside).await.unwrap().is_none());
    }
}
