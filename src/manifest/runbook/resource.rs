//! One resource that an incident expands to.

use std::ops::Range;

use crate::manifest::depends::Wanted;
use crate::manifest::kinds::Named;
use crate::model::Desired;

/// A resource of an incident, with places in the runbook's file.
#[derive(Debug)]
pub(in crate::manifest) struct Resource {
    pub desired: Desired,
    /// The names of its machines, where they are no ids.
    pub named: Option<(Named, Range<usize>)>,
    /// `metadata.name`.
    pub name: Range<usize>,
    /// The text that says why.
    pub reason: Range<usize>,
    /// `dependsOn`, until it is resolved.
    pub wanted: Vec<Wanted>,
    /// The first entry of `dependsOn`.
    pub place: Option<Range<usize>>,
}
