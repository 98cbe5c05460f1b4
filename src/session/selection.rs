//! Selections of a project's resources: those of some files, with some labels, or with a change.

use std::collections::BTreeSet;

use crate::manifest::project::PROJECT_FILE;
use crate::model::{Address, Desired, Target, Template};
use crate::plan::{Incidents, Selector};
use crate::seal::sealed_name;

/// Files and folders of a project, relative to its folder with `/`; an empty name is that folder. None of them means
/// all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths(pub Vec<String>);

impl Paths {
    /// Returns whether nothing is left out.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a file, relative to the project folder with `/`, was meant.
    pub fn covers(&self, file: &str) -> bool {
        self.is_all() || self.0.iter().any(|name| under(name, file))
    }
}

/// Returns whether `file` is `name` or lies below it.
fn under(name: &str, file: &str) -> bool {
    name.is_empty() || file.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A selection; the default one is of everything.
#[derive(Default)]
pub struct Selection<'a> {
    /// The files that resources are declared in.
    pub paths: Paths,
    /// The labels that they carry.
    pub labels: Option<Selector>,
    /// Says whether a file of the project has changed, relative to its folder with `/`: what is made from none that has
    /// is left out.
    pub changed: Option<&'a dyn Fn(&str) -> bool>,
}

impl Selection<'_> {
    /// Returns whether a resource is meant by its file and its labels.
    pub fn names(&self, d: &Desired) -> bool {
        self.paths.covers(&d.source.file) && self.labels.as_ref().is_none_or(|s| s.matches(&d.labels))
    }

    /// The addresses that are meant; none for all. Incidents whose seal has not changed deviate no longer: their runbook
    /// has moved on.
    pub(super) fn of(
        &self,
        desired: &[Desired],
        templates: &[Template],
        incidents: &mut Incidents,
    ) -> Option<BTreeSet<Address>> {
        // The runbook of these has changed, and it may be gone.
        let moved_on: Vec<_> = incidents.deviating.iter().map(|d| d.incident.clone()).collect();
        if let Some(changed) = self.changed {
            incidents.deviating.retain(|d| changed(&sealed_name(&d.file)));
        }
        // The project file says which manifests there are and how their calls are made.
        let changed = self.changed.filter(|changed| !changed(PROJECT_FILE));
        if self.paths.is_all() && self.labels.is_none() && changed.is_none() {
            return None;
        }
        // All that a resource is made from: its manifest, the template in a runbook, the seal beside the manifest.
        let is_changed = |d: &Desired| {
            changed.is_none_or(|changed| {
                let template = d.expanded.as_ref().and_then(|t| t.source.as_ref());
                changed(&d.source.file)
                    || template.is_some_and(|t| changed(&t.file))
                    || changed(&sealed_name(&d.source.file))
                    || d.expanded.as_ref().is_some_and(|e| moved_on.contains(&e.incident))
            })
        };
        // A changed list of machines changes what its manifest stands for.
        let is_listed = |t: &Template| match &t.target {
            Target::File(file) => changed.is_some_and(|changed| changed(&file.file)),
            Target::Name(_) | Target::Tag(_) | Target::Event(_) => false,
        };
        let resources = desired.iter().filter(|d| self.names(d) && is_changed(d));
        let of_template =
            |t: &&Template| self.names(t.declared()) && (is_listed(t) || is_changed(t.declared()));
        let templates = templates.iter().filter(of_template).map(Template::declared);
        Some(resources.chain(templates).map(|d| d.address.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_covers_what_lies_in_it() {
        let paths = |names: &[&str]| Paths(names.iter().map(|n| n.to_string()).collect());
        assert!(paths(&["inc"]).covers("inc/a.yaml") && paths(&["inc/a.yaml"]).covers("inc/a.yaml"));
        assert!(!paths(&["inc"]).covers("incidents/a.yaml"));
        assert!(paths(&[]).covers("x.yaml") && paths(&[""]).covers("x.yaml"));
    }
}
