//! The seam for the place where packages are held: a folder, or object storage. Names are the same in all of them.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use super::folder::{Folder, Unfinished};
use super::name::PackageName;
use crate::model::{Sha256, Sha256Hex};

/// Why packages cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum HeldError {
    /// The system refused.
    #[error("{0}")]
    Disk(#[from] io::Error),
    /// The place refused, or does not do what evidence needs. Asking again changes nothing.
    #[error("{place}: {why}")]
    Refused {
        /// The place, without anything secret.
        place: String,
        /// The thing that it refuses, or does wrong.
        why: String,
        /// The step that helps.
        next: &'static str,
    },
    /// The place is not reached, or in trouble.
    #[error("{place} cannot be reached: {why}")]
    Unreachable {
        /// The place, without anything secret.
        place: String,
        /// The failure in words.
        why: String,
    },
}

/// A package that is held, opened to be read once from its beginning.
pub struct Package {
    /// Its length in bytes.
    pub size: u64,
    /// Its bytes, in pieces of at most some MiB.
    pub bytes: BoxStream<'static, Result<Vec<u8>, HeldError>>,
}

/// The result of putting a package into its place.
#[derive(Debug)]
pub enum Placement {
    /// It is there now, and nothing is left of the download.
    New,
    /// Something of that name was there, and is as it was. The download is handed back.
    Taken(Box<Unfinished>),
}

/// A place where packages are held. What is there is never replaced.
#[async_trait]
pub trait EvidenceStore: Send + Sync {
    /// Returns its name in records: the URL of `evidence.url`.
    fn name(&self) -> &str;

    /// Returns the folder of this machine in which downloads lie until they are whole.
    fn downloads(&self) -> &Folder;

    /// Makes sure that something can be written there and read again, and that nothing is ever replaced.
    async fn probe(&self) -> Result<(), HeldError>;

    /// Lists the names of all that lies there, sorted, with `/` between the parts.
    async fn list(&self) -> Result<Vec<String>, HeldError>;

    /// Opens a package; none if there is none.
    async fn open(&self, name: &PackageName) -> Result<Option<Package>, HeldError>;

    /// Returns whether there is a package of that name.
    async fn has(&self, name: &PackageName) -> Result<bool, HeldError>;

    /// Reads the custody record beside a package; none if there is none.
    async fn record(&self, name: &PackageName) -> Result<Option<Vec<u8>>, HeldError>;

    /// Returns the path of a package on this machine; none if it is held elsewhere.
    fn path(&self, _name: &PackageName) -> Option<PathBuf> {
        None
    }

    /// Writes a custody record beside its package; false if there is one that says something else, which stays.
    async fn write_record(&self, name: &PackageName, json: Vec<u8>) -> Result<bool, HeldError>;

    /// Gives a whole package its name. Whatever has the name stays as it is.
    async fn place(&self, name: &PackageName, whole: Unfinished) -> Result<Placement, HeldError>;

    /// Keeps a package that cannot be held beside its place, and returns its name.
    async fn set_aside(&self, name: &PackageName, whole: Unfinished) -> Result<String, HeldError>;

    /// Returns length and SHA-256 of a package, by reading all of it; none if there is none.
    async fn hash(&self, name: &PackageName) -> Result<Option<(u64, Sha256Hex)>, HeldError> {
        let Some(mut package) = self.open(name).await? else { return Ok(None) };
        let (mut hash, mut size) = (Sha256::new(), 0);
        while let Some(piece) = package.bytes.next().await {
            let piece = piece?;
            size += piece.len() as u64;
            hash = blocking(move || {
                hash.update(&piece);
                Ok(hash)
            })
            .await?;
        }
        Ok(Some((size, hash.finish())))
    }
}

/// Does something on another thread that reads, writes or computes for long.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)))
}
