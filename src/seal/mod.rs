//! Seals: the reviewed calls as files beside their manifests.
//!
//! `x.sealed.yaml` holds every resource of `x.yaml` fully resolved, with the exact request. Reviewers approve the
//! calls in the difference of a pull request, `validate --sealed` tells a missing, an outdated and an edited
//! seal apart, and `apply --sealed` sends nothing else. Responsible for the format and for the comparison.
//! Pure: files are read and written by `cli`.

mod check;
mod difference;
mod format;
mod found;
mod freeze;

pub use check::{Unsealed, check, deviations, machines, unsealed};
pub use format::{
    Approve, MOST_LINES, Request, Seal, SealError, SealKind, Sealed, SealedIncident, SealedTarget, Spec,
    Text, Triage, is_short_enough, manifest_name, seal_schema, sealed_name,
};
pub use found::{Seals, seals};
pub use freeze::{Frozen, freeze};
