//! A state folder on a local disk, and the lock of the one run that may write to it.
//!
//! Responsible for the operating system: files, permissions, syncs, the kernel's advisory lock. Not
//! responsible for what is written when (`folder`).
//!
//! The lock belongs to the open file `lock` and goes with the process, so there are no stale locks. Its
//! content only says who holds it, and stays behind when nobody does.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::disk::{Disk, FileName};
use super::folder::{self, Depth, FolderStore};
use super::holder::Holder;
use super::quota_usage::QuotaUsage;
use super::rebuild::{self, Acceptance, Rebuild};
use super::store::{Loaded, Opened, StoreError};
use super::verify::{self, Verified};
use crate::files::{self, FileError, Links};
use crate::model::Sha256Hex;
use crate::platform::{cannot_lock, is_same_file, sync_folder};

/// How much of a long file is read at once.
const PIECE: usize = 64 * 1024;

/// Larger files are refused: a journal of three million records is as long.
const MAX_BYTES: u64 = 2 << 30;

/// How much of the lock's file is read to say who holds it.
const MAX_HOLDER: u64 = 4096;

/// The lock's file in the folder.
pub const LOCK: &str = "lock";

/// A state in a folder, open for writing.
pub type LocalStore = FolderStore<LocalDisk>;

/// Reads the state of a folder. Takes no lock and writes nothing; a folder that does not exist is a state
/// that was never begun.
pub fn read(folder: &Path) -> Result<Loaded, StoreError> {
    exists(folder)?;
    folder::read(&mut LocalDisk::new(folder), Depth::Tail).map_err(|e| within(folder, e))
}

/// As [`read`], and checks the journal's chain from its first record: nothing is planned on a journal that
/// was edited. 50,000 records (27 MB) take about 40 ms.
pub fn read_whole(folder: &Path) -> Result<Loaded, StoreError> {
    exists(folder)?;
    folder::read_beside(|| LocalDisk::new(folder)).map_err(|e| within(folder, e))
}

/// What the calls since then cost the service's quotas, without the lock.
pub fn spent(folder: &Path, since: jiff::Timestamp) -> Result<Vec<QuotaUsage>, StoreError> {
    exists(folder)?;
    folder::spent(&mut LocalDisk::new(folder), since).map_err(|e| within(folder, e))
}

/// Makes the folder if need be, takes the lock, reads the state, checks the journal's whole chain and puts
/// its end right.
///
/// Fails at once with [`StoreError::Locked`] if another run has it; who wants to wait calls again. Windows
/// does not let others read a locked file, so the holder is unknown there.
pub fn open(folder: &Path, holder: &Holder) -> Result<Opened<LocalStore>, StoreError> {
    create_folder(folder)?;
    let mut disk = LocalDisk::new(folder);
    disk.lock = Some(lock(folder, holder)?);
    // Opened before it is read: what is appended goes to the file that was read, or nowhere.
    match disk.writable(FileName::Journal) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(failed(&disk.path(FileName::Journal), "open", e));
        }
        _ => {}
    }
    let (store, notices) = FolderStore::open(disk).map_err(|e| within(folder, e))?;
    Ok(Opened { store, notices })
}

/// Walks the whole journal and compares the snapshot with it. Takes no lock and writes nothing. `kept` is a head that
/// somebody kept.
pub fn verify(folder: &Path, kept: Option<Sha256Hex>) -> Result<Verified, StoreError> {
    let (snapshot, journal) = files_of(folder)?;
    Ok(verify::verify(snapshot.as_deref(), journal.as_deref(), kept))
}

/// The bytes of a file of the state, if there is one.
type Bytes = Option<Vec<u8>>;

/// Returns the bytes of snapshot and journal. Takes no lock and writes nothing.
pub fn files_of(folder: &Path) -> Result<(Bytes, Bytes), StoreError> {
    exists(folder)?;
    let mut disk = LocalDisk::new(folder);
    // The snapshot first: a run that writes meanwhile only makes the journal longer than it says.
    let snapshot = whole(&mut disk, FileName::Snapshot)?;
    Ok((snapshot, whole(&mut disk, FileName::Journal)?))
}

/// Writes a state into a folder that does not exist yet, or is empty: the journal first.
pub fn write_new(folder: &Path, snapshot: &[u8], journal: &[u8]) -> Result<(), StoreError> {
    create_folder(folder)?;
    let entries = std::fs::read_dir(folder).map_err(|e| failed(folder, "read", e))?;
    // What a copy that was killed leaves is replaced.
    let left = [FileName::Journal, FileName::Snapshot].map(|name| aside(Path::new(name.as_str())));
    let is_left = |name: &std::ffi::OsStr| left.iter().any(|left| left.as_os_str() == name);
    if entries.into_iter().any(|e| !e.is_ok_and(|e| is_left(&e.file_name()))) {
        return Err(failed(folder, "write a state into it", io::ErrorKind::DirectoryNotEmpty.into()));
    }
    for (name, bytes) in [(FileName::Journal, journal), (FileName::Snapshot, snapshot)] {
        let path = folder.join(name.as_str());
        write_copy(&path, bytes).map_err(|e| failed(&path, "write", e))?;
    }
    sync_folder(folder).map_err(|e| failed(folder, "sync", e))
}

/// Writes the snapshot anew from the journal; `None` for a folder without a state.
///
/// A state of a project with another name is refused. A damaged state is refused, unless a person accepts the damage: then the damaged files are kept under
/// other names, and a journal takes their place that says what was lost (see [`Rebuild`]).
pub fn rebuild(
    folder: &Path,
    project: &str,
    holder: &Holder,
    acceptance: Option<&Acceptance>,
) -> Result<Option<Rebuild>, StoreError> {
    if !exists(folder)? {
        return Ok(None);
    }
    create_folder(folder)?;
    let mut disk = LocalDisk::new(folder);
    disk.lock = Some(lock(folder, holder)?);
    let snapshot = whole(&mut disk, FileName::Snapshot)?;
    let journal = whole(&mut disk, FileName::Journal)?;
    let Some(mut rebuilt) = rebuild::rebuild(snapshot.as_deref(), journal.as_deref(), project, acceptance)?
    else {
        return Ok(None);
    };
    if let (Some(accepted), Some(acceptance)) = (&mut rebuilt.told.accepted, acceptance) {
        let when = acceptance.at.strftime("%Y%m%dT%H%M%SZ");
        for (stem, extension, bytes) in [("journal", "jsonl", &journal), ("state", "json", &snapshot)] {
            if let Some(bytes) = bytes {
                accepted.kept.push(keep(folder, &format!("{stem}.damaged-{when}"), extension, bytes)?);
            }
        }
        sync_folder(folder).map_err(|e| failed(folder, "sync", e))?;
    }
    // The journal first: a snapshot of before it is told apart and made anew, the other way round is damage.
    let files = [
        (FileName::JournalNew, FileName::Journal, rebuilt.journal),
        (FileName::SnapshotNew, FileName::Snapshot, Some(rebuilt.snapshot)),
    ];
    for (aside, name, bytes) in files {
        if let Some(bytes) = bytes {
            let write = |disk: &mut LocalDisk| {
                disk.create(aside)?;
                disk.append(aside, 0, &bytes)?;
                disk.sync(aside)?;
                disk.rename(aside, name)?;
                disk.sync_names()
            };
            write(&mut disk).map_err(|e| failed(&folder.join(name.as_str()), "write", e))?;
        }
    }
    Ok(Some(rebuilt.told))
}

fn whole(disk: &mut LocalDisk, name: FileName) -> Result<Option<Vec<u8>>, StoreError> {
    match disk.read(name, 0, u64::MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed(&disk.path(name), "read", e)),
    }
}

/// How many copies of one second are told apart.
const MOST_COPIES: u32 = 100;

/// Keeps a copy that replaces nothing, whole or not at all, and returns its name. A try that was killed before may have
/// kept the same one already.
fn keep(folder: &Path, stem: &str, extension: &str, bytes: &[u8]) -> Result<String, StoreError> {
    let mut taken = None;
    for n in 1..=MOST_COPIES {
        let name = if n == 1 { format!("{stem}.{extension}") } else { format!("{stem}-{n}.{extension}") };
        let path = folder.join(&name);
        match files::read(&path, Links::Refused, MAX_BYTES) {
            Ok(kept) if kept == bytes => return Ok(name),
            Err(e) if e.is_not_found() => {
                write_copy(&path, bytes).map_err(|e| failed(&path, "keep the damaged file", e))?;
                return Ok(name);
            }
            _ => taken = Some(path),
        }
    }
    let path = taken.unwrap_or_else(|| folder.to_owned());
    Err(failed(&path, "keep the damaged file", io::ErrorKind::AlreadyExists.into()))
}

/// The name under which a copy is written before it gets its own.
fn aside(path: &Path) -> PathBuf {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    PathBuf::from(aside)
}

/// Writes a copy aside and gives it its name once it is durable.
fn write_copy(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = aside(path);
    // Left behind by a try that was killed.
    match std::fs::remove_file(&aside) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = files::create_new(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&aside, path)
}

/// The files of a folder.
#[derive(Debug)]
pub struct LocalDisk {
    folder: PathBuf,
    /// Files that were written to stay open, so that a sync reports what their writes ran into.
    open: BTreeMap<FileName, File>,
    lock: Option<File>,
}

impl LocalDisk {
    fn new(folder: &Path) -> Self {
        LocalDisk { folder: folder.to_owned(), open: BTreeMap::new(), lock: None }
    }

    fn path(&self, name: FileName) -> PathBuf {
        self.folder.join(name.as_str())
    }

    /// Opens a file of the state to read it: a regular one, of a size that a state can have.
    fn readable(&self, name: FileName) -> io::Result<File> {
        let file = files::open(&self.path(name), Links::Refused)?;
        if file.metadata()?.len() > MAX_BYTES {
            return Err(FileError::TooLarge { limit: MAX_BYTES }.into());
        }
        Ok(file)
    }

    fn writable(&mut self, name: FileName) -> io::Result<&mut File> {
        // Without the lock nothing is written.
        if self.lock.is_none() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let path = self.path(name);
        match self.open.entry(name) {
            std::collections::btree_map::Entry::Occupied(e) => Ok(e.into_mut()),
            std::collections::btree_map::Entry::Vacant(e) => Ok(e.insert(files::open_to_append(&path)?)),
        }
    }
}

impl Disk for LocalDisk {
    fn len(&mut self, name: FileName) -> io::Result<Option<u64>> {
        Ok(files::length(&self.path(name))?)
    }

    fn read(&mut self, name: FileName, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let mut file = self.readable(name)?;
        let to = to.min(MAX_BYTES);
        let end = file.metadata()?.len().min(to);
        let mut bytes = Vec::with_capacity(usize::try_from(end.saturating_sub(from)).unwrap_or(0));
        file.seek(SeekFrom::Start(from))?;
        file.take(to.saturating_sub(from)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn pieces(&mut self, name: FileName, take: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<()> {
        let mut file = self.readable(name)?;
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) if !take(&piece[..length]) => return Ok(()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn create(&mut self, name: FileName) -> io::Result<()> {
        self.remove(name)?;
        let file = files::create_new(&self.path(name))?;
        self.open.insert(name, file);
        Ok(())
    }

    fn append(&mut self, name: FileName, len: u64, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        let file = self.writable(name)?;
        // A `git checkout` beside a running apply puts another file in this place; what would be appended
        // to the old one is lost.
        let (ours, named) = (file.metadata()?, std::fs::symlink_metadata(path)?);
        if ours.len() != len || !is_same_file(&ours, &named) {
            return Err(io::Error::other("something else changed or replaced the file meanwhile"));
        }
        file.write_all(bytes)
    }

    fn truncate(&mut self, name: FileName, len: u64) -> io::Result<()> {
        self.writable(name)?.set_len(len)
    }

    fn sync(&mut self, name: FileName) -> io::Result<()> {
        self.writable(name)?.sync_data()
    }

    fn rename(&mut self, from: FileName, to: FileName) -> io::Result<()> {
        // Windows renames no file onto an open one.
        let file = self.open.remove(&from);
        self.open.remove(&to);
        std::fs::rename(self.path(from), self.path(to))?;
        if to == FileName::Journal
            && let Some(file) = file
        {
            self.open.insert(to, file);
        }
        Ok(())
    }

    fn remove(&mut self, name: FileName) -> io::Result<()> {
        self.open.remove(&name);
        match std::fs::remove_file(self.path(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        sync_folder(&self.folder)
    }
}

/// Says whether there is a folder; what is no folder, or a link to one, holds no state.
fn exists(folder: &Path) -> Result<bool, StoreError> {
    files::is_folder(folder).map_err(|e| failed(folder, "open", e.into()))
}

fn create_folder(folder: &Path) -> Result<(), StoreError> {
    let made = files::own_folder(folder).map_err(|e| failed(folder, "use the folder", e.into()))?;
    if made {
        let parent = files::folder_of(folder);
        sync_folder(parent).map_err(|e| failed(parent, "sync", e))?;
    }
    Ok(())
}

fn lock(folder: &Path, holder: &Holder) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    loop {
        let mut file = files::open_or_create(&path).map_err(|e| failed(&path, "open", e.into()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The holder writes right after locking; what cannot be read is only less helpful.
                let _ = file.take(MAX_HOLDER).read_to_string(&mut text);
                return Err(StoreError::Locked { holder: serde_json::from_str(&text).ok() });
            }
            Err(TryLockError::Error(e)) if cannot_lock(&e) => {
                return Err(StoreError::LocksUnsupported { path, source: e });
            }
            Err(TryLockError::Error(e)) => return Err(failed(&path, "lock", e)),
        }
        let ours = file.metadata().map_err(|e| failed(&path, "read", e))?;
        exclusive(&path, &ours)?;
        // Somebody may have removed the file between open and lock; then a third could lock a new one.
        if !std::fs::symlink_metadata(&path).is_ok_and(|named| is_same_file(&ours, &named)) {
            continue;
        }
        let mut text = serde_json::to_vec(holder).map_err(|e| failed(&path, "write", e.into()))?;
        text.push(b'\n');
        file.set_len(0).and_then(|()| file.write_all(&text)).map_err(|e| failed(&path, "write", e))?;
        return Ok(file);
    }
}

/// Some network and user-space file systems grant every lock, so that it keeps nobody out.
fn exclusive(path: &Path, ours: &std::fs::Metadata) -> Result<(), StoreError> {
    let second = match files::open_to_append(path) {
        Ok(second) => second,
        // Removed meanwhile: for the caller to notice.
        Err(e) if e.is_not_found() => return Ok(()),
        Err(e) => return Err(failed(path, "open", e.into())),
    };
    if !second.metadata().is_ok_and(|m| is_same_file(&m, ours)) {
        return Ok(());
    }
    match second.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(e)) => Err(failed(path, "lock", e)),
        Ok(()) => {
            let why = io::Error::other("a second lock was granted beside the first");
            Err(StoreError::LocksUnsupported { path: path.to_owned(), source: why })
        }
    }
}

fn failed(path: &Path, doing: &'static str, source: io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), doing, source }
}

/// File names become paths.
fn within(folder: &Path, e: StoreError) -> StoreError {
    match e {
        StoreError::Io { path, doing, source } => StoreError::Io { path: folder.join(path), doing, source },
        other => other,
    }
}
