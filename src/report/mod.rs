//! The facts to show for an incident: what was asked, by whom, what became of it, and what needs a person.
//!
//! A [`Report`] is made of values alone: the state, the [`History`](crate::state::History) that the journal tells, what is
//! known of held packages and of machines. Responsible for which facts belong together. Not responsible for sentences, for
//! JSON's sentences or for the page (`render`), nor for reading anything. Pure.

mod build;
mod facts;
mod trouble;

pub use crate::defender::PortalLink;
pub use build::{Sources, build};
pub use facts::{
    Attempt, Journal, Machine, Package, PlanFacts, Report, ResourceFacts, Selection, Service, Standing,
    Summary,
};
pub use trouble::{Found, Holding, Trouble, held_by_hash, held_by_look};
