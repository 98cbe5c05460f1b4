//! Drafts of manifests: what would have to be declared for what the service shows already.
//!
//! ```text
//! an alert, its device, its evidence ── alert ──▶ package and follow-up alert, or values for a runbook
//! collections that nobody declared ── collections ──▶ packages with `import`, by the ticket in their comments
//! ```
//!
//! Responsible for what goes into a draft and what is left out. Texts of the service are hostile: they are shortened, hold
//! no control characters and no expressions, and stand in queries as literals alone. Not responsible for YAML (`render`),
//! for reading the service and for files (`cli`).

mod alert;
mod collections;
mod text;
mod values;

pub use alert::{FollowUp, NoDraft, follow_up};
pub use collections::{Drafted, DraftedFile, DraftedPackage, Known, collections};
pub use values::{Facts, filled};
