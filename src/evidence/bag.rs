//! A BagIt bag (RFC 8493, version 1.0) that is written into a folder of its own.
//!
//! All of it is written beside its place, under a name that ends in `.partial`, and gets its own name in one step when every
//! byte is on the disk: a bag that was interrupted never looks like one. A note in that folder says that it is ours, so
//! that the next export may begin anew there.
//!
//! Names in a bag hold no percent sign: RFC 8493 has them encoded in manifests, and readers of bags disagree on it.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::name::{LONGEST_PART, part};
use crate::files::{self, FileError, Links};
use crate::model::{Sha256, Sha256Hex};
use crate::platform::sync_folder;

/// The declaration that makes a folder a bag.
const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// The note in a bag that is not whole yet.
const UNFINISHED: &str = "UNFINISHED.txt";

/// The text of the note.
const NOTE: &str =
    "casefile export is writing here, or was interrupted. This is no bag, and can be removed.\n";

/// Why a bag cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum BagError {
    /// There is something at its place.
    #[error("{} exists already and is not empty: a bag is a folder of its own", .0.display())]
    Taken(PathBuf),
    /// There is something where it is built.
    #[error("{} exists already and was left by no export", .0.display())]
    PartialTaken(PathBuf),
    /// Another export is building it.
    #[error("{} is being written by another export", .0.display())]
    Building(PathBuf),
    /// Something else is wrong.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How much a bag holds, its own manifests left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BagSize {
    /// Bytes.
    pub bytes: u64,
    /// Files.
    pub files: usize,
}

/// A bag that is being written. Unless it is finished, nothing is left of it.
#[derive(Debug)]
pub struct Bag {
    place: PathBuf,
    partial: PathBuf,
    payload: BTreeMap<String, (u64, Sha256Hex)>,
    finished: bool,
    /// The note, locked as long as this export lives: the next one tells by that whether to begin anew.
    _note: File,
    /// The note of an export that was interrupted, locked too: whoever opened it before it was removed finds that.
    _old: Option<File>,
}

impl Bag {
    /// Begins a bag that will be at a path, which holds nothing yet.
    ///
    /// # Errors
    /// Something is there, or the folder cannot be written.
    pub fn begin(place: &Path) -> Result<Bag, BagError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| BagError::Io { path, source }
        };
        if !is_free(place).map_err(at(place))? {
            return Err(BagError::Taken(place.to_owned()));
        }
        let Some(name) = place.file_name() else { return Err(BagError::Taken(place.to_owned())) };
        let mut beside = name.to_owned();
        beside.push(".partial");
        let partial = place.with_file_name(beside);
        if let Some(above) = place.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(above).map_err(at(above))?;
        }
        let old = match is_free(&partial).map_err(at(&partial))? {
            true => None,
            false => Some(abandoned(&partial)?),
        };
        if old.is_some() {
            fs::remove_dir_all(&partial).map_err(at(&partial))?;
        }
        files::own_folder(&partial).map_err(|e| at(&partial)(e.into()))?;
        let note = begin_note(&partial)?;
        files::own_folder(&partial.join("data")).map_err(|e| at(&partial)(e.into()))?;
        let payload = BTreeMap::new();
        Ok(Bag { place: place.to_owned(), partial, payload, finished: false, _note: note, _old: old })
    }

    /// Adds a file to the payload.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), BagError> {
        let mut file = self.file(name)?;
        file.add(bytes)?;
        self.keep(file)
    }

    /// Begins a file of the payload; [`Bag::keep`] makes it part of the bag.
    pub fn file(&mut self, name: &str) -> Result<PayloadFile, BagError> {
        let name = format!("data/{}", bag_name(name));
        let path = self.partial.join(&name);
        let failed = |source: io::Error| BagError::Io { path: path.clone(), source };
        let mut folder = self.partial.clone();
        for part in name.rsplit_once('/').map_or("", |(folders, _)| folders).split('/') {
            folder.push(part);
            files::own_folder(&folder).map_err(|e| failed(e.into()))?;
        }
        let file = files::create_new(&path).map_err(|e| failed(e.into()))?;
        Ok(PayloadFile { file, path, name, hash: Sha256::new(), length: 0 })
    }

    /// Makes a file part of the bag.
    pub fn keep(&mut self, file: PayloadFile) -> Result<(), BagError> {
        let (length, sha256) = file.sum();
        file.file.sync_all().map_err(|source| BagError::Io { path: file.path, source })?;
        self.payload.insert(file.name, (length, sha256));
        Ok(())
    }

    /// Writes what makes it a bag, and gives it its name. `info` are the lines of `bag-info.txt` beside those that follow
    /// from the payload.
    pub fn finish(mut self, bagging_date: &str, info: &str) -> Result<BagSize, BagError> {
        let size = BagSize { bytes: self.payload.values().map(|(n, _)| n).sum(), files: self.payload.len() };
        let info =
            format!("Bagging-Date: {bagging_date}\nPayload-Oxum: {}.{}\n{info}", size.bytes, size.files);
        let line = |(name, sha256): (&str, Sha256Hex)| format!("{sha256}  {name}\n");
        let manifest: String = self.payload.iter().map(|(name, (_, sha256))| line((name, *sha256))).collect();
        let tags =
            [("bag-info.txt", &*info), ("bagit.txt", DECLARATION), ("manifest-sha256.txt", &*manifest)];
        let of_tags: String =
            tags.iter().map(|(name, text)| line((name, Sha256Hex::of(text.as_bytes())))).collect();
        for (name, text) in tags.into_iter().chain([("tagmanifest-sha256.txt", &*of_tags)]) {
            self.write(name, text.as_bytes())?;
        }
        let failed = |path: &Path, source: io::Error| BagError::Io { path: path.to_owned(), source };
        let note = self.partial.join(UNFINISHED);
        fs::remove_file(&note).map_err(|e| failed(&note, e))?;
        sync_folders(&self.partial).map_err(|e| failed(&self.partial, e))?;
        // An empty folder was there; some systems rename nothing over it.
        if self.place.is_dir() {
            fs::remove_dir(&self.place).map_err(|e| failed(&self.place, e))?;
        }
        fs::rename(&self.partial, &self.place).map_err(|e| failed(&self.place, e))?;
        self.finished = true;
        let above = self.place.parent().unwrap_or(Path::new(""));
        sync_folder(above).map_err(|e| failed(above, e))?;
        Ok(size)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BagError> {
        let path = self.partial.join(name);
        let written = files::create_new(&path).map_err(io::Error::from);
        let written = written.and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|source| BagError::Io { path, source })
    }
}

impl Drop for Bag {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed says itself that it is no bag.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// A file of the payload that is being written, and hashed on the way.
#[derive(Debug)]
pub struct PayloadFile {
    file: File,
    path: PathBuf,
    name: String,
    hash: Sha256,
    length: u64,
}

impl PayloadFile {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), BagError> {
        self.file.write_all(bytes).map_err(|source| BagError::Io { path: self.path.clone(), source })?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Returns length and SHA-256 of what is there.
    pub fn sum(&self) -> (u64, Sha256Hex) {
        (self.length, self.hash.clone().finish())
    }
}

/// Writes the note into a folder that is new, its lock taken before it has a text.
fn begin_note(partial: &Path) -> Result<File, BagError> {
    let path = partial.join(UNFINISHED);
    let failed = |source: io::Error| BagError::Io { path: path.clone(), source };
    let mut note = match files::create_new(&path) {
        Ok(note) => note,
        Err(FileError::Io(e)) if e.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BagError::Building(partial.to_owned()));
        }
        Err(e) => return Err(failed(e.into())),
    };
    lock(&note, partial)?;
    note.write_all(NOTE.as_bytes()).and_then(|()| note.sync_all()).map_err(failed)?;
    Ok(note)
}

/// The note, locked, of an export that left a folder when it was interrupted.
fn abandoned(partial: &Path) -> Result<File, BagError> {
    let path = partial.join(UNFINISHED);
    let failed = |e: FileError| BagError::Io { path: path.clone(), source: e.into() };
    match files::length(&path).map_err(failed)? {
        None => return Err(BagError::PartialTaken(partial.to_owned())),
        // It is made, and is about to be locked.
        Some(0) => return Err(BagError::Building(partial.to_owned())),
        Some(_) => {}
    }
    let note = files::open(&path, Links::Refused).map_err(failed)?;
    lock(&note, partial)?;
    Ok(note)
}

/// Takes the lock of a note. Where a file system has none, exports into one folder are not kept apart.
fn lock(note: &File, partial: &Path) -> Result<(), BagError> {
    match note.try_lock() {
        Err(TryLockError::WouldBlock) => Err(BagError::Building(partial.to_owned())),
        Err(TryLockError::Error(e)) => {
            tracing::debug!("{}: cannot be locked: {e}", partial.display());
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Returns the name in a bag of something that has a name where evidence is held.
pub fn bag_name(name: &str) -> String {
    name.replace('%', "=")
}

/// Returns the name in a bag of a file of the project, wherever it lies.
pub fn project_name(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(|p| part(p, LONGEST_PART)).collect();
    bag_name(&parts.join("/"))
}

/// Returns whether nothing is at a path but an empty folder.
fn is_free(path: &Path) -> io::Result<bool> {
    match files::is_folder(path) {
        Ok(false) => Ok(true),
        Ok(true) => Ok(fs::read_dir(path)?.next().is_none()),
        Err(FileError::Io(e)) if e.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(FileError::Link) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Makes sure that all names in a folder survive.
fn sync_folders(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_bag_has_all_that_rfc_8493_asks_for() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("new/bag");
        let mut bag = Bag::begin(&place).unwrap();
        bag.add("packages/sweep%5Bx%5D/a.zip", b"zip").unwrap();
        let mut file = bag.file("b.json").unwrap();
        file.add(b"{").unwrap();
        file.add(b"}").unwrap();
        assert_eq!(file.sum(), (2, Sha256Hex::of(b"{}")));
        bag.keep(file).unwrap();
        assert!(!place.exists(), "until it is whole");
        assert_eq!(bag.finish("2026-03-01", "Exported-By: ann\n").unwrap(), BagSize { bytes: 5, files: 2 });
        assert_eq!(read(&place.join("bagit.txt")), DECLARATION);
        assert_eq!(
            read(&place.join("bag-info.txt")),
            "Bagging-Date: 2026-03-01\nPayload-Oxum: 5.2\nExported-By: ann\n"
        );
        let manifest = read(&place.join("manifest-sha256.txt"));
        let (json, zip) = (Sha256Hex::of(b"{}"), Sha256Hex::of(b"zip"));
        assert_eq!(manifest, format!("{json}  data/b.json\n{zip}  data/packages/sweep=5Bx=5D/a.zip\n"));
        assert_eq!(fs::read(place.join("data/packages/sweep=5Bx=5D/a.zip")).unwrap(), b"zip");
        for line in read(&place.join("tagmanifest-sha256.txt")).lines() {
            let (sha256, name) = line.split_once("  ").unwrap();
            assert_eq!(sha256, Sha256Hex::of(&fs::read(place.join(name)).unwrap()).to_string());
        }
        let mut names: Vec<_> =
            fs::read_dir(&place).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let whole = ["bag-info.txt", "bagit.txt", "data", "manifest-sha256.txt", "tagmanifest-sha256.txt"];
        assert_eq!(names, whole);
        assert!(!dir.path().join("new/bag.partial").exists());
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("full/data")).unwrap();
        assert!(matches!(Bag::begin(&at("full")), Err(BagError::Taken(_))));
        files::create_new(&at("file")).unwrap();
        assert!(matches!(Bag::begin(&at("file")), Err(BagError::Taken(_))));
        fs::create_dir_all(at("a.partial/mine")).unwrap();
        assert!(matches!(Bag::begin(&at("a")), Err(BagError::PartialTaken(_))));
        assert!(at("a.partial/mine").exists());
        fs::create_dir(at("empty")).unwrap();
        Bag::begin(&at("empty")).unwrap().finish("2026-03-01", "").unwrap();
        assert!(matches!(Bag::begin(&at("empty")), Err(BagError::Taken(_))));
    }

    #[test]
    fn what_was_interrupted_is_no_bag_and_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("bag");
        // As a kill leaves it: with the note, which nobody locks any more.
        let partial = dir.path().join("bag.partial");
        fs::create_dir_all(partial.join("data")).unwrap();
        fs::write(partial.join(UNFINISHED), NOTE).unwrap();
        fs::write(partial.join("data/old.zip"), "old").unwrap();
        let bag = Bag::begin(&place).unwrap();
        assert!(!dir.path().join("bag.partial/data/old.zip").exists());
        drop(bag);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_exports_at_once_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("bag");
        let mut first = Bag::begin(&place).unwrap();
        first.add("a.zip", b"a").unwrap();
        assert!(matches!(Bag::begin(&place), Err(BagError::Building(_))));
        first.finish("2026-03-01", "").unwrap();
        assert!(place.join("data/a.zip").exists());
        // Its note is made, and not locked yet.
        let other = dir.path().join("other.partial");
        fs::create_dir(&other).unwrap();
        files::create_new(&other.join(UNFINISHED)).unwrap();
        assert!(matches!(Bag::begin(&dir.path().join("other")), Err(BagError::Building(_))));
    }

    #[test]
    fn files_of_the_project_stay_in_the_bag() {
        assert_eq!(project_name("manifests/a.yaml"), "manifests/a.yaml");
        assert_eq!(project_name("../shared/a b.yaml"), "=2E=2E/shared/a=20b.yaml");
        assert_eq!(project_name("/etc/passwd"), "=none/etc/passwd");
    }
}
