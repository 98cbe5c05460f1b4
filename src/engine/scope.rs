//! What a run is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{Address, Desired, Template};
use crate::plan::targets::{SealedMachine, Targets};
use crate::plan::{Machines, Settings};

/// The things that are planned: resources, selection, settings.
#[derive(Clone)]
pub struct Scope {
    /// Every declared resource of the project, by address.
    pub desired: Vec<Desired>,
    /// The addresses that are planned; `None`: the whole project.
    pub selected: Option<BTreeSet<Address>>,
    /// `--replace`.
    pub replace: BTreeSet<Address>,
    /// Settings; `now` and `lock_at` are set anew for each plan.
    pub settings: Settings,
    /// The service is asked before planning.
    pub refresh: bool,
    /// A person reads the plan: what they want to know of its machines is listed then.
    pub forecast: bool,
    /// Resources whose machines are still to be found; they become part of the above before planning.
    pub lookups: Lookups,
}

/// Resources that stand for machines which are still to be found, and what they were found to mean.
#[derive(Clone, Debug, Default)]
pub struct Lookups {
    /// Resources that cannot be resolved are left out, and told.
    pub skip_unresolved: bool,
    /// The templates, by address.
    pub(super) templates: Vec<Template>,
    /// Machines that seals hold, by the address of their manifest: they count in place of a list.
    pub(super) sealed: BTreeMap<Address, Vec<SealedMachine>>,
    /// The machines that they mean; empty until they are resolved.
    pub(super) targets: Arc<Targets>,
    /// The machines that were listed.
    pub(super) machines: Machines,
}

impl Lookups {
    /// Templates to be resolved by what is recorded and listed.
    pub fn new(templates: Vec<Template>) -> Self {
        Lookups { templates, ..Lookups::default() }
    }

    /// The templates, taken out.
    pub fn take(&mut self) -> Vec<Template> {
        std::mem::take(&mut self.templates)
    }

    /// Templates whose machines were reviewed, as far as they are given here.
    pub fn sealed(templates: Vec<Template>, sealed: BTreeMap<Address, Vec<SealedMachine>>) -> Self {
        Lookups { templates, sealed, ..Lookups::default() }
    }
}
