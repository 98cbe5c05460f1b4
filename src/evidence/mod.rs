//! Packages as evidence: their names, what is in them, where they are held, and how they get there.
//!
//! Responsible for bytes: from a link to a file that was hashed, looked into and put into its place once. Not responsible
//! for which packages are wanted, for links and their quota, or for the journal (`engine`). Nothing that plans uses this.

mod archive;
mod bag;
mod bucket;
mod check;
mod download;
mod folder;
mod handover;
mod held_folder;
mod name;
mod presence;
mod store;

pub use archive::{Contents, Fault, look};
pub use bag::{Bag, BagError, BagSize, PayloadFile, bag_name, project_name};
pub use bucket::{Completion, HeldBucket, Objects, PIECE};
pub use check::{Checked, Finding, Held, Wrong, check, check_behind_fault, record_text};
pub use download::{Asked, DownloadError, Limits, Links, download};
pub use folder::{Folder, Placed, SYNC_EVERY, Unfinished};
pub use handover::{Absent, Handover, WhyAbsent, handover};
pub use held_folder::HeldFolder;
pub use name::{NoGuid, PackageName};
pub use presence::presence;
pub(crate) use store::blocking;
pub use store::{EvidenceStore, HeldError, Package, Placement};
