//! Manifests: text to validated values, and everything that can be wrong on the way.
//!
//! ```text
//! bytes ─text─▶ str ─reader─▶ arena of nodes ─┬─ instance ─▶ schema ─▶ wording ─▶ findings
//!                                             ├─ rules ─────────────────────────▶ findings
//!                                             └─ value ─▶ kinds, project ─▶ Desired, Project
//! ```
//!
//! Responsible for reading manifests and `casefile.yaml`, for their schemas, and for telling all problems
//! of all files at once: each with its place, a message and what to write instead. Not responsible for
//! what becomes of a resource, nor for how a problem is shown. Pure, but for the files that `discover`
//! finds and reads.

mod diagnostic;
mod discover;
mod document;
mod hosts;
mod instance;
mod kinds;
mod load;
pub mod project;
mod reader;
mod rules;
mod scalar;
mod schema;
mod syntax;
mod text;
mod value;
mod wording;

#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostic, Level, Related};
pub use discover::find_seals;
pub use kinds::{
    API_VERSION, AlertKind, AlertManifest, AlertOnRemove, AlertSpec, ApiVersion, EventSpec, Lifecycle,
    MachinesSpec, Manifest, Metadata, PackageKind, PackageManifest, PackageOnRemove, PackageSpec, TriageSpec,
};
pub use load::{Loaded, Unruly, load, load_project, parse_manifests, parse_project};
pub use project::{
    AlertQuota, Auth, AuthMethod, Cloud, CollectQuota, Defender, EndpointError, Evidence, Hunting,
    HuntingQuota, Limits, OnUnknown, PROJECT_FILE, Project, ProjectFile, ProjectKind, ProjectMetadata,
    ProjectSpec, Quotas, Rate, Recovery, Region, State, endpoint,
};
pub use schema::{SchemaKind, SchemaKindError, schema};
