//! Packages in a folder on this machine.
//!
//! A package is written beside its place, synced, made readable only, and put into its place by a step that never
//! replaces anything. What is there of an interrupted download is kept beside a note of how much of it is surely on the
//! disk, and with which validator it came.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::name::PackageName;
use crate::files::{self, Links};
use crate::model::{Sha256, Sha256Hex};
use crate::platform::{is_same_file, move_new, set_read_only, set_writable, sync_folder};

/// How much is written between two syncs: so much of a download is fetched twice at the most.
pub const SYNC_EVERY: u64 = 8 << 20;

/// The largest note or custody record that is read.
const LONGEST_NOTE: u64 = 64 << 20;

/// The text of a probe.
const PROBE: &[u8] = b"a probe of casefile";

/// A folder of packages.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    /// The files have to survive a loss of power.
    lasts: bool,
}

/// The note beside a package that is not whole yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Note {
    /// The validator of the bytes.
    etag: Option<String>,
    /// How many of them are on the disk.
    synced: u64,
}

/// The result of giving a package its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is there now.
    New,
    /// Something of that name was there, and is as it was.
    Taken,
}

impl Folder {
    /// The folder at a path. It is made when something is written.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Folder { root: root.into(), lasts: true }
    }

    /// The same for what is thrown away soon: nothing waits for the disk.
    pub fn scratch(root: impl Into<PathBuf>) -> Self {
        Folder { root: root.into(), lasts: false }
    }

    /// The path of something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes the folders of a package, for this user alone. None of them may be a link.
    fn make(&self, name: &PackageName) -> io::Result<PathBuf> {
        let mut path = self.root.clone();
        if let Some(above) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(above)?;
        }
        files::own_folder(&path)?;
        for part in name.folders() {
            path.push(part);
            if files::own_folder(&path)? && self.lasts {
                sync_folder(path.parent().unwrap_or(&self.root))?;
            }
        }
        Ok(path)
    }

    /// Opens what is there of a package, or begins one. What was not synced is fetched again.
    pub fn unfinished(&self, name: &PackageName) -> io::Result<Unfinished> {
        self.make(name)?;
        let (path, note_path) = (self.path(&name.unfinished()), self.path(&name.note()));
        if is_same(&path, &self.path(&name.file())) {
            // A run ended between giving the package its name and taking the other one away.
            fs::remove_file(&path)?;
        }
        writable(&path)?;
        let file = files::open_or_create(&path)?;
        own(&file, &path)?;
        let note = files::read(&note_path, Links::Refused, LONGEST_NOTE).ok();
        let note: Note = note.and_then(|n| serde_json::from_slice(&n).ok()).unwrap_or_default();
        let length = file.metadata()?.len();
        let mut unfinished = Unfinished {
            file,
            path,
            note_path,
            note,
            hash: Sha256::new(),
            length: 0,
            restarts: 0,
            lasts: self.lasts,
        };
        if unfinished.note.etag.is_none() || unfinished.note.synced == 0 || unfinished.note.synced > length {
            unfinished.restart(None)?;
            return Ok(unfinished);
        }
        unfinished.length = unfinished.note.synced;
        unfinished.file.set_len(unfinished.length)?;
        Ok(unfinished)
    }

    /// Gives a whole package its name. Whatever has the name stays as it is.
    pub fn place(&self, name: &PackageName, unfinished: &Unfinished) -> io::Result<Placed> {
        let to = self.path(&name.file());
        set_read_only(&unfinished.file)?;
        settle(self.lasts, &unfinished.file)?;
        match move_new(&unfinished.path, &to) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(Placed::Taken),
            Err(e) => return Err(e),
        }
        // A run that found it taken may have made it writable in the meantime.
        set_read_only(&unfinished.file)?;
        remove(&unfinished.note_path)?;
        if self.lasts {
            sync_folder(to.parent().unwrap_or(&self.root))?;
        }
        Ok(Placed::New)
    }

    /// Keeps a package that cannot be held beside its place, and returns its name.
    pub fn set_aside(&self, name: &PackageName, unfinished: &Unfinished) -> io::Result<String> {
        let aside = name.aside(unfinished.sha256());
        set_read_only(&unfinished.file)?;
        settle(self.lasts, &unfinished.file)?;
        match move_new(&unfinished.path, &self.path(&aside)) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            // The same bytes lie there already.
            Err(_) => fs::remove_file(&unfinished.path)?,
            Ok(()) => {}
        }
        remove(&unfinished.note_path)?;
        Ok(aside)
    }

    /// Writes a custody record beside its package; false if there is one that says something else, which stays.
    pub fn write_record(&self, name: &PackageName, json: &[u8]) -> io::Result<bool> {
        self.make(name)?;
        let to = self.path(&name.record());
        let from = self.path(&format!("{}.new", name.record()));
        remove(&from)?;
        let mut file = files::create_new(&from)?;
        file.write_all(json)?;
        set_read_only(&file)?;
        settle(self.lasts, &file)?;
        match move_new(&from, &to) {
            Ok(()) if !self.lasts => Ok(true),
            Ok(()) => sync_folder(to.parent().unwrap_or(&self.root)).map(|()| true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&from)?;
                Ok(files::read(&to, Links::Refused, LONGEST_NOTE)? == json)
            }
            Err(e) => Err(e),
        }
    }

    /// Reads the custody record beside a package; none if there is none.
    pub fn record(&self, name: &PackageName) -> io::Result<Option<Vec<u8>>> {
        match files::read(&self.path(&name.record()), Links::Refused, LONGEST_NOTE) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens a package, and returns its length with it; none if there is none.
    pub fn open(&self, name: &PackageName) -> io::Result<Option<(u64, File)>> {
        match files::open(&self.path(&name.file()), Links::Refused) {
            Ok(file) => Ok(Some((file.metadata()?.len(), file))),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Returns length and SHA-256 of a package; none if there is none.
    pub fn hash(&self, name: &PackageName) -> io::Result<Option<(u64, Sha256Hex)>> {
        let Some((_, mut file)) = self.open(name)? else { return Ok(None) };
        let mut hash = Sha256::new();
        let length = hash_on(&mut file, &mut hash, u64::MAX)?;
        Ok(Some((length, hash.finish())))
    }

    /// Returns whether there is a package of that name.
    pub fn has(&self, name: &PackageName) -> io::Result<bool> {
        Ok(files::length(&self.path(&name.file()))?.is_some())
    }

    /// Writes a file without a name and reads it again, in the nearest folder that is there.
    pub fn probe(&self) -> io::Result<()> {
        let there = self.root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
        let mut file = tempfile::tempfile_in(there)?;
        file.write_all(PROBE)?;
        file.seek(SeekFrom::Start(0))?;
        let mut read = Vec::new();
        file.read_to_end(&mut read)?;
        if read == PROBE {
            Ok(())
        } else {
            Err(io::Error::other("it gives back something else than was written"))
        }
    }

    /// Lists what lies in the folder, at most three levels deep, with `/` between the parts: the names of files.
    pub fn list(&self) -> io::Result<Vec<String>> {
        fn walk(path: &Path, name: &str, depth: usize, out: &mut Vec<String>) -> io::Result<()> {
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let part = entry.file_name().to_string_lossy().into_owned();
                let name = if name.is_empty() { part } else { format!("{name}/{part}") };
                if entry.file_type()?.is_dir() && depth < 3 {
                    walk(&entry.path(), &name, depth + 1, out)?;
                } else {
                    out.push(name);
                }
            }
            Ok(())
        }
        let mut out = Vec::new();
        if files::is_folder(&self.root)? {
            walk(&self.root, "", 1, &mut out)?;
        }
        out.sort();
        Ok(out)
    }
}

/// A package that is not whole yet.
#[derive(Debug)]
pub struct Unfinished {
    file: File,
    path: PathBuf,
    note_path: PathBuf,
    note: Note,
    hash: Sha256,
    length: u64,
    restarts: u16,
    lasts: bool,
}

impl Unfinished {
    /// How many bytes are there.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How often it was begun anew.
    pub fn restarts(&self) -> u32 {
        self.restarts.into()
    }

    /// The validator of what is there; none if nothing can go on with it.
    pub fn etag(&self) -> Option<&str> {
        self.note.etag.as_deref().filter(|_| self.length > 0)
    }

    /// Another way to the file, to read it.
    pub fn reader(&self) -> io::Result<File> {
        // The same open file: where locks hold for whoever opens it anew, they would keep us out too.
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }

    /// Hashes what an earlier run left. It takes a while: about a second for each GiB.
    pub fn hash_what_is_there(&mut self) -> io::Result<()> {
        let mut hash = Sha256::new();
        let read = hash_on(&mut self.reader()?, &mut hash, self.length)?;
        if read != self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hash = hash;
        Ok(())
    }

    /// Begins anew, with bytes of this validator.
    pub fn restart(&mut self, etag: Option<String>) -> io::Result<()> {
        self.restarts = self.restarts.saturating_add(u16::from(self.length > 0));
        self.file.set_len(0)?;
        (self.hash, self.length) = (Sha256::new(), 0);
        self.note = Note { etag, synced: 0 };
        self.write_note()
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let more = bytes.len() as u64;
        if self.length + more - self.note.synced > SYNC_EVERY {
            self.sync()?;
        }
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.length += more;
        Ok(())
    }

    /// Makes sure that what is there survives.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.length == self.note.synced {
            return Ok(());
        }
        settle(self.lasts, &self.file)?;
        self.note.synced = self.length;
        self.write_note()
    }

    /// The SHA-256 of what is there.
    pub fn sha256(&self) -> Sha256Hex {
        self.hash.clone().finish()
    }

    /// Throws it away.
    pub fn discard(self) -> io::Result<()> {
        remove(&self.path)?;
        remove(&self.note_path)
    }

    /// A note is worth something only whole: it is written beside the old one, which it replaces.
    fn write_note(&self) -> io::Result<()> {
        let new = self.note_path.with_extension("json.new");
        remove(&new)?;
        let mut file = files::create_new(&new)?;
        file.write_all(&serde_json::to_vec(&self.note)?)?;
        settle(self.lasts, &file)?;
        fs::rename(&new, &self.note_path)
    }
}

/// Hashes at most so many bytes, and returns how many there were.
fn hash_on(file: &mut File, hash: &mut Sha256, most: u64) -> io::Result<u64> {
    let (mut buffer, mut read) = (vec![0; 256 << 10], 0);
    let mut rest = file.take(most);
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(read),
            Ok(n) => {
                hash.update(&buffer[..n]);
                read += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Takes back that nobody writes to a file: a run ended before it gave the file its name.
fn writable(path: &Path) -> io::Result<()> {
    let file = match files::open(path, Links::Refused) {
        Ok(file) => file,
        Err(e) if e.is_not_found() => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    if file.metadata()?.permissions().readonly() { set_writable(&file, path) } else { Ok(()) }
}

/// Makes sure that no other run writes to a file until this one closes it. Where files cannot be locked nothing is
/// noticed.
fn own(file: &File, path: &Path) -> io::Result<()> {
    let busy = || io::Error::new(io::ErrorKind::WouldBlock, "another run is fetching it");
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(busy());
    }
    // The other run can have given the file its name between our opening it and its closing it.
    if is_opened(file, path)? { Ok(()) } else { Err(busy()) }
}

/// Returns whether a name is still that of a file that was opened by it.
fn is_opened(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    Ok(fs::symlink_metadata(path).is_ok_and(|named| is_same_file(&opened, &named)))
}

/// Returns whether two names are those of one file.
fn is_same(a: &Path, b: &Path) -> bool {
    match (fs::symlink_metadata(a), fs::symlink_metadata(b)) {
        (Ok(a), Ok(b)) => is_same_file(&a, &b),
        _ => false,
    }
}

/// Makes sure that the bytes of a file survive a loss of power, where that matters.
fn settle(lasts: bool, file: &File) -> io::Result<()> {
    if lasts { file.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::testing::unix;

    fn name() -> PackageName {
        let id = "5382f7ea-7557-4ab7-9782-d50480024a4e";
        PackageName::new(&"InvestigationPackage/a".parse().unwrap(), "m", None, id).unwrap()
    }

    #[test]
    fn a_package_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("evidence"));
        for (bytes, placed) in [("first", Placed::New), ("second", Placed::Taken)] {
            let mut part = folder.unfinished(&name()).unwrap();
            part.restart(None).unwrap();
            part.add(bytes.as_bytes()).unwrap();
            assert_eq!(part.sha256(), Sha256Hex::of(bytes.as_bytes()));
            assert_eq!(folder.place(&name(), &part).unwrap(), placed);
        }
        assert_eq!(folder.hash(&name()).unwrap(), Some((5, Sha256Hex::of(b"first"))));
        assert!(folder.write_record(&name(), b"{}").unwrap());
        assert!(folder.write_record(&name(), b"{}").unwrap(), "the same once more");
        assert!(!folder.write_record(&name(), b"[]").unwrap());
        assert_eq!(folder.record(&name()).unwrap().unwrap(), b"{}");
        if let Some(unix) = unix() {
            let mode = |path: PathBuf| unix.mode(&path);
            assert_eq!(mode(folder.path(&name().file())), 0o400);
            assert_eq!(mode(folder.path(&name().record())), 0o400);
            assert_eq!(mode(folder.root.clone()), 0o700);
            assert_eq!(mode(folder.path("InvestigationPackage/a")), 0o700);
        }
    }

    #[test]
    fn an_interrupted_download_goes_on_from_what_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let bytes: Vec<u8> = (0..(SYNC_EVERY + 5)).map(|n| n as u8).collect();
        let mut part = folder.unfinished(&name()).unwrap();
        part.restart(Some("\"e\"".into())).unwrap();
        bytes.chunks(100_000).for_each(|chunk| part.add(chunk).unwrap());
        let synced = part.note.synced;
        assert!(synced > SYNC_EVERY - 100_000 && part.length() - synced <= SYNC_EVERY, "{synced}");
        drop(part);
        let mut part = folder.unfinished(&name()).unwrap();
        assert_eq!((part.length(), part.etag()), (synced, Some("\"e\"")));
        part.hash_what_is_there().unwrap();
        part.add(&bytes[synced as usize..]).unwrap();
        assert_eq!(part.sha256(), Sha256Hex::of(&bytes));
    }

    #[test]
    fn a_note_that_says_too_much_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let mut part = folder.unfinished(&name()).unwrap();
        part.restart(Some("\"e\"".into())).unwrap();
        part.add(b"abc").unwrap();
        part.sync().unwrap();
        part.file.set_len(2).unwrap();
        drop(part);
        let part = folder.unfinished(&name()).unwrap();
        assert_eq!((part.length(), part.etag()), (0, None));
    }

    #[test]
    fn links_lead_nowhere() {
        let Some(unix) = unix() else { return };
        let dir = tempfile::tempdir().unwrap();
        let (folder, outside) = (Folder::new(dir.path().join("e")), dir.path().join("o"));
        fs::create_dir(&outside).unwrap();
        fs::create_dir(&folder.root).unwrap();
        unix.link(&outside, folder.path("InvestigationPackage"));
        assert!(folder.unfinished(&name()).is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
}
