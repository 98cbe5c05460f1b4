//! A state folder in memory that tells written from synced bytes, so that a power loss, a full disk and a
//! failing sync can be acted out.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, FileName};
use super::folder::{self, FolderStore};
use super::holder::Holder;
use super::store::{Loaded, Opened, StoreError};

/// A state in memory, open for writing.
pub type MemoryStore = FolderStore<MemoryDisk>;

/// A disk in memory. Clones are the same disk, but do not share a lock that one of them holds.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    inner: Arc<Mutex<Inner>>,
    lock: Option<Lock>,
}

/// Gives the lock back when dropped.
#[derive(Debug)]
struct Lock(Arc<Mutex<Inner>>);

/// An operation that changes or syncs something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Disk::create`].
    Create,
    /// [`Disk::append`].
    Append,
    /// [`Disk::truncate`].
    Truncate,
    /// [`Disk::sync`].
    Sync,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::sync_names`].
    SyncNames,
}

/// Is asked before each operation, with the file that it changes, and says what goes wrong with it. It must
/// not use the disk itself.
pub type Watcher = Box<dyn FnMut(Operation, Option<FileName>) -> Option<Trouble> + Send>;

struct Watch(Watcher);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// What goes wrong at an operation that writes or syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It fails and has no effect.
    Refused,
    /// A write stops after so many bytes; any other operation has no effect. Both fail.
    Partial(usize),
}

/// What became of bytes and names that were not synced when the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// Lost.
    Lost,
    /// On the disk by chance.
    Kept,
    /// Up to so many of a file's appended bytes are on the disk.
    Bytes(usize),
    /// The file grew, but all but so many of the appended bytes are zeros.
    Zeros(usize),
}

#[derive(Debug, Default)]
struct Inner {
    files: Vec<File>,
    names: BTreeMap<FileName, usize>,
    synced_names: BTreeMap<FileName, usize>,
    operations: u64,
    syncs: u64,
    trouble: Option<(u64, Trouble)>,
    holder: Option<Holder>,
    watch: Option<Watch>,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        MemoryDisk::default()
    }

    /// Reads the state, without a lock.
    pub fn read_state(&self) -> Result<Loaded, StoreError> {
        folder::read(&mut self.clone(), folder::Depth::Tail)
    }

    /// Takes the lock and opens the state for writing.
    pub fn open(&self, holder: &Holder) -> Result<Opened<MemoryStore>, StoreError> {
        let mut disk = self.clone();
        {
            let mut inner = self.inner();
            if let Some(holder) = &inner.holder {
                return Err(StoreError::Locked { holder: Some(holder.clone()) });
            }
            inner.holder = Some(holder.clone());
        }
        disk.lock = Some(Lock(Arc::clone(&self.inner)));
        let (store, notices) = FolderStore::open(disk)?;
        Ok(Opened { store, notices })
    }

    /// The present bytes of a file.
    pub fn get(&self, name: FileName) -> Option<Vec<u8>> {
        self.inner().file(name).map(|f| f.bytes.clone())
    }

    /// The bytes of a file that a power loss would leave, if nothing unsynced survives it by chance.
    pub fn durable(&self, name: FileName) -> Option<Vec<u8>> {
        let inner = self.inner();
        let id = inner.synced_names.get(&name)?;
        Some(inner.files.get(*id)?.synced.clone())
    }

    /// Asks `watcher` before each operation from now on, in place of the one before.
    pub fn watch(&self, watcher: Option<Watcher>) {
        self.inner().watch = watcher.map(Watch);
    }

    /// Puts a file there, durable.
    pub fn put(&self, name: FileName, bytes: Vec<u8>) {
        let mut inner = self.inner();
        inner.files.push(File { synced: bytes.clone(), bytes });
        let id = inner.files.len() - 1;
        inner.names.insert(name, id);
        inner.synced_names.insert(name, id);
    }

    /// Lets the `n`th operation from now that changes or syncs something go wrong; 0 is the next.
    pub fn trouble(&self, n: u64, what: Trouble) {
        let mut inner = self.inner();
        inner.trouble = Some((inner.operations + n, what));
    }

    /// How many operations changed or synced something so far.
    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// How many of them were syncs.
    pub fn syncs(&self) -> u64 {
        self.inner().syncs
    }

    /// The disk as it may be found after a power loss now: what was synced, and of the rest what the
    /// arguments say, for bytes and for names. This disk goes on undisturbed.
    pub fn after_power_loss(&self, bytes: Unsynced, names: Unsynced) -> MemoryDisk {
        let inner = self.inner();
        let names = match names {
            Unsynced::Kept => inner.names.clone(),
            Unsynced::Lost | Unsynced::Bytes(_) | Unsynced::Zeros(_) => inner.synced_names.clone(),
        };
        let files = inner.files.iter().map(|f| f.survive(bytes)).collect();
        let survived = Inner { files, synced_names: names.clone(), names, ..Inner::default() };
        MemoryDisk { inner: Arc::new(Mutex::new(survived)), lock: None }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        enter(&self.inner)
    }
}

impl File {
    fn survive(&self, unsynced: Unsynced) -> File {
        let appended = self.bytes.strip_prefix(self.synced.as_slice());
        let bytes = match (unsynced, appended) {
            (Unsynced::Lost, _) => self.synced.clone(),
            (Unsynced::Kept, _) | (_, None) => self.bytes.clone(),
            (Unsynced::Bytes(n) | Unsynced::Zeros(n), Some(appended)) => {
                let kept = appended.get(..n).unwrap_or(appended);
                let mut bytes = [self.synced.as_slice(), kept].concat();
                if matches!(unsynced, Unsynced::Zeros(_)) {
                    bytes.resize(self.bytes.len(), 0);
                }
                bytes
            }
        };
        File { synced: bytes.clone(), bytes }
    }
}

impl Inner {
    fn file(&self, name: FileName) -> Option<&File> {
        self.files.get(*self.names.get(&name)?)
    }

    fn file_mut(&mut self, name: FileName) -> io::Result<&mut File> {
        let id = self.names.get(&name).copied();
        id.and_then(|id| self.files.get_mut(id)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Counts an operation; says what goes wrong with it.
    fn operation(&mut self, what: Operation, name: Option<FileName>) -> Option<Trouble> {
        let n = self.operations;
        self.operations += 1;
        let planned = self.trouble.take_if(|(at, _)| *at == n).map(|(_, what)| what);
        let watched = self.watch.as_mut().and_then(|w| (w.0)(what, name));
        planned.or(watched)
    }

    fn healthy(&mut self, what: Operation, name: Option<FileName>) -> io::Result<()> {
        self.operation(what, name).map_or(Ok(()), |_| Err(failure()))
    }
}

fn failure() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "no space left on device")
}

/// Nothing here is left half-changed by a panic, so a poisoned mutex is as good as another.
fn enter(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clone for MemoryDisk {
    fn clone(&self) -> Self {
        MemoryDisk { inner: Arc::clone(&self.inner), lock: None }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        enter(&self.0).holder = None;
    }
}

impl Disk for MemoryDisk {
    fn len(&mut self, name: FileName) -> io::Result<Option<u64>> {
        Ok(self.inner().file(name).map(|f| f.bytes.len() as u64))
    }

    fn read(&mut self, name: FileName, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let mut inner = self.inner();
        let bytes = &inner.file_mut(name)?.bytes;
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes.get(at(from)..at(to)).unwrap_or_default().to_vec())
    }

    fn pieces(&mut self, name: FileName, take: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<()> {
        let bytes = self.inner().file_mut(name)?.bytes.clone();
        // Short ones, so that a resource lies across several.
        bytes.chunks(100).all(take);
        Ok(())
    }

    fn create(&mut self, name: FileName) -> io::Result<()> {
        let mut inner = self.inner();
        inner.healthy(Operation::Create, Some(name))?;
        inner.files.push(File::default());
        let id = inner.files.len() - 1;
        inner.names.insert(name, id);
        Ok(())
    }

    fn append(&mut self, name: FileName, len: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        let trouble = inner.operation(Operation::Append, Some(name));
        let file = inner.file_mut(name)?;
        if file.bytes.len() as u64 != len {
            return Err(io::Error::other("the file changed meanwhile"));
        }
        match trouble {
            None => file.bytes.extend_from_slice(bytes),
            Some(Trouble::Refused) => return Err(failure()),
            Some(Trouble::Partial(n)) => {
                file.bytes.extend_from_slice(bytes.get(..n).unwrap_or(bytes));
                return Err(failure());
            }
        }
        Ok(())
    }

    fn truncate(&mut self, name: FileName, len: u64) -> io::Result<()> {
        let mut inner = self.inner();
        inner.healthy(Operation::Truncate, Some(name))?;
        inner.file_mut(name)?.bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&mut self, name: FileName) -> io::Result<()> {
        let mut inner = self.inner();
        inner.syncs += 1;
        inner.healthy(Operation::Sync, Some(name))?;
        let file = inner.file_mut(name)?;
        file.synced.clone_from(&file.bytes);
        Ok(())
    }

    fn rename(&mut self, from: FileName, to: FileName) -> io::Result<()> {
        let mut inner = self.inner();
        inner.healthy(Operation::Rename, Some(to))?;
        let id = inner.names.remove(&from).ok_or(io::ErrorKind::NotFound)?;
        inner.names.insert(to, id);
        Ok(())
    }

    fn remove(&mut self, name: FileName) -> io::Result<()> {
        let mut inner = self.inner();
        inner.healthy(Operation::Remove, Some(name))?;
        inner.names.remove(&name);
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        inner.syncs += 1;
        inner.healthy(Operation::SyncNames, None)?;
        inner.synced_names = inner.names.clone();
        Ok(())
    }
}
