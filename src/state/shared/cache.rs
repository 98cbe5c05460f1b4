//! The memory that a machine has of a shared state: the head that it saw last, and outcomes that the store would not take.
//!
//! It lies outside of the repository, so that no work tree changes. Without it everything still works: it only notices
//! more.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{self, Links};
use crate::model::Sha256Hex;
use crate::state::exchange::Seq;
use crate::state::store::StoreError;

/// The longest file of rescued outcomes that is read.
const MAX_RESCUE: u64 = 64 << 20;

/// The longest note of the head.
const MAX_HEAD: u64 = 4096;

/// A folder for one shared state.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Head {
    seq: Seq,
    head: Sha256Hex,
}

impl Cache {
    /// Makes the folder if need be.
    ///
    /// # Errors
    /// It cannot be made, or is not ours.
    pub fn new(folder: PathBuf) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder.parent().unwrap_or(&folder))
            .map_err(|e| failed(&folder, "make", e))?;
        files::own_folder(&folder).map_err(|e| failed(&folder, "use the folder", e.into()))?;
        Ok(Cache { folder })
    }

    /// Returns the path of something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the head that was seen last.
    pub(super) fn known(&self) -> Result<Option<(Seq, Sha256Hex)>, StoreError> {
        let path = self.path("head.json");
        match files::read(&path, Links::Refused, MAX_HEAD) {
            // A note that cannot be read is none.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok().map(|Head { seq, head }| (seq, head))),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(failed(&path, "read", e.into())),
        }
    }

    /// Notes the head that was seen.
    pub(super) fn remember(&self, seq: Seq, head: Sha256Hex) -> Result<(), StoreError> {
        let path = self.path("head.json");
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            serde_json::to_writer(&mut file, &Head { seq, head })?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|e| failed(&path, "write", e))
    }

    /// Keeps outcomes, behind those that are there.
    pub(super) fn rescue(&self, lines: &[u8]) -> Result<(), StoreError> {
        let path = self.path("rescue.jsonl");
        let write = || {
            let mut file = files::open_or_create(&path)?;
            file.write_all(lines)?;
            file.sync_all()
        };
        write().map_err(|e| failed(&path, "write", e))
    }

    /// Returns the outcomes that are kept.
    pub(super) fn rescued(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path("rescue.jsonl");
        match files::read(&path, Links::Refused, MAX_RESCUE) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(failed(&path, "read", e.into())),
        }
    }

    /// Forgets them: they are in the store.
    pub(super) fn forget_rescued(&self) -> Result<(), StoreError> {
        let path = self.path("rescue.jsonl");
        std::fs::remove_file(&path).map_err(|e| failed(&path, "remove", e))
    }
}

fn failed(path: &Path, doing: &'static str, source: std::io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), doing, source }
}
