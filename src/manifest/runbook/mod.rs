//! Runbooks and incidents: templates and the values that make resources of them.
//!
//! ```text
//! Runbook ─ parameters ─▶ schema ───────────┐ compiled once
//!         └ template ──▶ expressions ───────┤
//! Incident ─ with ─▶ checked ─▶ scope ──────┴─▶ expand ─▶ arena ─▶ document ─▶ Desired
//! ```
//!
//! Responsible for what an expression means, for the checks of parameters, and for expanding an incident into
//! the same resources that a manifest would declare: no YAML text is made on the way, so no value can change
//! the structure. Not responsible for files, nor for what a seal holds back.

mod analysis;
mod case;
mod expand;
mod expression;
mod filters;
mod ids;
mod in_manifest;
mod incident;
mod order;
mod parameters;
mod query;
mod resource;
mod scope;
mod template;
mod typed;
mod types;
mod weight;
mod work;

pub use case::CaseOutcome;
pub(super) use case::{read_case, run_case};
pub(super) use expand::{Budget, Runbook, expand};
pub(crate) use filters::quoted as kql_literal;
pub(super) use in_manifest::ids_in;
pub(super) use incident::{Incident, Origin, check};
pub(super) use order::{ambiguous, in_a_circle, unknown};
pub(super) use resource::Resource;
