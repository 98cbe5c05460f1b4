//! Manifests: text to validated values, and everything that can be wrong on the way.
//!
//! ```text
//! bytes ─text─▶ str ─reader─▶ arena of nodes ─┬─ fast_validate, or validate by schema ─▶ findings
//!                                             ├─ rules ───────────────────────────────▶ findings
//!                                             ├─ value ─▶ kinds, project ─▶ Desired, Project
//!                                             └─ runbook: incidents expanded to arenas, and so on as above
//! ```
//!
//! Responsible for reading manifests and `casefile.yaml`, for their schemas, and for telling all problems
//! of all files at once: each with its place, a message and what to write instead. Not responsible for
//! what becomes of a resource, nor for how a problem is shown. Pure, but for the files that `discover`
//! finds and reads.

mod depends;
mod diagnostic;
mod discover;
mod document;
mod documents;
mod hosts;
mod kinds;
mod load;
mod nearest;
pub mod project;
mod references;
mod runbook;
mod schema;
mod surgery;
mod value;
mod written;
mod yaml;

#[cfg(test)]
mod tests;

#[cfg(fuzzing)]
pub use yaml::fast_reader::both_ways;

pub use depends::DependsOn;
pub use diagnostic::{Diagnostic, Level, Related};
pub use discover::{beside, find_seals, is_in_repository};
pub use kinds::{
    API_VERSION, AlertKind, AlertManifest, AlertOnRemove, AlertSpec, ApiVersion, CaseFile, CaseIncident,
    EventSpec, Expectation, ExpectedResource, Import, IncidentKind, IncidentManifest, IncidentSpec,
    Lifecycle, MachinesSpec, Manifest, Metadata, MovedFrom, PackageKind, PackageManifest, PackageOnRemove,
    PackageSpec, Replace, ResourceTemplate, RunbookKind, RunbookManifest, RunbookSpec, TriageSpec,
};
pub use load::{
    CaseRun, Declaration, IncidentState, Loaded, Unruly, case_incident, load, load_beside, load_draft,
    load_project, load_with, parse_manifests, parse_project, run_cases, runbook_parameters,
};
pub(crate) use nearest::nearest;
pub use project::{
    AlertQuota, Auth, CollectQuota, Defender, EndpointError, Evidence, HuntingQuota, Limits, OnUnknown,
    PROJECT_FILE, Project, ProjectFile, ProjectKind, ProjectMetadata, ProjectSpec, Quotas, Rate, Recovery,
    Sandbox, State, endpoint,
};
pub use runbook::CaseOutcome;
pub(crate) use runbook::kql_literal;
pub use schema::{SchemaKind, SchemaKindError, schema};
pub use written::{Written, WrittenField};
pub use yaml::reader::{Unreadable, look_through};
pub use yaml::scalar::is_ambiguous;
