//! Packages as evidence: their names, what is in them, where they are held, and how they get there.
//!
//! Responsible for bytes: from a link to a file that was hashed, looked into and put into its place once. Not responsible
//! for which packages are wanted, for links and their quota, or for the journal (`engine`). Nothing that plans uses this.

mod archive;
mod check;
mod download;
mod folder;
mod held_folder;
mod name;
mod store;

pub use archive::{Contents, Fault, look};
pub use check::{Checked, Finding, Wrong, check, record_text};
pub use download::{Asked, DownloadError, Limits, Links, download};
pub use folder::{Folder, Placed, SYNC_EVERY, Unfinished};
pub use held_folder::HeldFolder;
pub use name::{NoGuid, PackageName};
pub(crate) use store::blocking;
pub use store::{EvidenceStore, HeldError, Package, Placement};
