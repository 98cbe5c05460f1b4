//! A folder of this machine as the place where packages are held. Whatever waits for the disk runs on other threads.

use std::io::{self, Read as _};
use std::path::PathBuf;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;

use super::folder::{Folder, Placed, Unfinished};
use super::name::PackageName;
use super::store::{EvidenceStore, HeldError, Package, Placement, blocking};
use crate::model::Sha256Hex;

/// How much is read at once.
const PIECE: u64 = 1 << 20;

/// A folder, and its name in records.
#[derive(Clone, Debug)]
pub struct HeldFolder {
    folder: Folder,
    name: String,
}

impl HeldFolder {
    /// The folder under its name in records.
    pub fn new(folder: Folder, name: impl Into<String>) -> Self {
        HeldFolder { folder, name: name.into() }
    }

    /// Does something with the folder and a package's name, on another thread.
    async fn with<T: Send + 'static>(
        &self,
        name: &PackageName,
        work: impl FnOnce(&Folder, &PackageName) -> io::Result<T> + Send + 'static,
    ) -> Result<T, HeldError> {
        let (folder, name) = (self.folder.clone(), name.clone());
        Ok(blocking(move || work(&folder, &name)).await?)
    }
}

#[async_trait]
impl EvidenceStore for HeldFolder {
    fn name(&self) -> &str {
        &self.name
    }

    fn downloads(&self) -> &Folder {
        &self.folder
    }

    async fn probe(&self) -> Result<(), HeldError> {
        let folder = self.folder.clone();
        Ok(blocking(move || folder.probe()).await?)
    }

    async fn list(&self) -> Result<Vec<String>, HeldError> {
        let folder = self.folder.clone();
        Ok(blocking(move || folder.list()).await?)
    }

    async fn open(&self, name: &PackageName) -> Result<Option<Package>, HeldError> {
        let opened = self.with(name, |folder, name| folder.open(name)).await?;
        let Some((size, file)) = opened else { return Ok(None) };
        let pieces = stream::try_unfold(file, |file| async move {
            let read = blocking(move || {
                let mut piece = Vec::new();
                (&file).take(PIECE).read_to_end(&mut piece)?;
                Ok((!piece.is_empty()).then_some((piece, file)))
            });
            Ok(read.await?)
        });
        Ok(Some(Package { size, bytes: pieces.boxed() }))
    }

    async fn has(&self, name: &PackageName) -> Result<bool, HeldError> {
        self.with(name, |folder, name| folder.has(name)).await
    }

    async fn record(&self, name: &PackageName) -> Result<Option<Vec<u8>>, HeldError> {
        self.with(name, |folder, name| folder.record(name)).await
    }

    fn path(&self, name: &PackageName) -> Option<PathBuf> {
        Some(self.folder.path(&name.file()))
    }

    async fn write_record(&self, name: &PackageName, json: Vec<u8>) -> Result<bool, HeldError> {
        self.with(name, move |folder, name| folder.write_record(name, &json)).await
    }

    async fn place(&self, name: &PackageName, whole: Unfinished) -> Result<Placement, HeldError> {
        self.with(name, move |folder, name| {
            Ok(match folder.place(name, &whole)? {
                Placed::New => Placement::New,
                Placed::Taken => Placement::Taken(Box::new(whole)),
            })
        })
        .await
    }

    async fn set_aside(&self, name: &PackageName, whole: Unfinished) -> Result<String, HeldError> {
        self.with(name, move |folder, name| folder.set_aside(name, &whole)).await
    }

    async fn hash(&self, name: &PackageName) -> Result<Option<(u64, Sha256Hex)>, HeldError> {
        self.with(name, |folder, name| folder.hash(name)).await
    }
}
