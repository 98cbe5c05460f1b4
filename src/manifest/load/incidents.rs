//! What incidents come to: each expanded by its runbook, once all files are read, and everything put in order.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{FirstPlace, Loaded, Reading, Seen, Unruly, against, by_address, templates};
use crate::manifest::depends::{self, Wanted};
use crate::manifest::diagnostic::{Diagnostic, Finding, Level};
use crate::manifest::kinds::Named;
use crate::manifest::nearest::nearest;
use crate::manifest::references;
use crate::manifest::runbook::{self, Budget, Incident, Origin, Resource, expand};
use crate::manifest::surgery;
use crate::manifest::yaml::syntax::shown;
use crate::model::{Address, Dependency, Kind, Sha256Hex, Source};

/// An incident as it is declared, apart from what it expands to.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// Where its name stands.
    pub source: Source,
    /// Of all that the incident itself says: name, labels, runbook, `with`. Its runbook is not part of it,
    /// nor whether it is closed.
    pub inputs: Sha256Hex,
    /// What was done with it.
    pub state: IncidentState,
}

/// What is done with an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentState {
    /// Expanded by its runbook.
    Open,
    /// Expanded too, for comparison alone: what counts is kept elsewhere, in a seal. No problem of its
    /// expansion is told.
    Frozen,
    /// `spec.closed`: not expanded.
    Closed,
}

impl Reading {
    /// Expands the incidents, and puts everything in order.
    ///
    /// Files that name machines are read in `project_dir`; without one, resources that name them otherwise than by
    /// an id are checked and left out.
    pub(super) fn finish(
        mut self,
        project_dir: Option<&Path>,
        frozen: &dyn Fn(&str, &str, &Sha256Hex) -> bool,
    ) -> Loaded {
        let incidents = std::mem::take(&mut self.incidents);
        let mut seen = std::mem::take(&mut self.seen);
        let (told, mut expanded, mut budget) = (self.diagnostics.len(), 0, Budget::default());
        let mut declarations = Vec::with_capacity(incidents.len());
        // Of equal problems at one place of a runbook the first is told in full.
        let mut known = Known::new();
        for incident in &incidents {
            let state = if incident.closed {
                IncidentState::Closed
            } else if frozen(&incident.origin.file, &incident.name, &incident.inputs) {
                IncidentState::Frozen
            } else {
                IncidentState::Open
            };
            if state != IncidentState::Closed {
                self.expand(incident, state, (&mut expanded, &mut budget), &mut known, &mut seen);
            }
            declarations.push(Declaration {
                name: incident.name.clone(),
                source: incident.source.clone(),
                inputs: incident.inputs,
                state,
            });
        }
        declarations.sort_by(|a, b| a.name.cmp(&b.name));
        self.order();
        let declared = self.resources.iter().chain(self.named.iter().map(|(d, ..)| d));
        let wrong = surgery::check_moves(&self.moves, declared);
        self.diagnostics.extend(wrong);
        let named = std::mem::take(&mut self.named);
        let mut templates = match project_dir {
            Some(dir) => templates(dir, named, &mut self.diagnostics),
            None => Vec::new(),
        };
        templates.sort_by(|a, b| a.address().cmp(b.address()));
        by_address(&mut self.resources);
        if self.diagnostics.len() == told {
            // Within a file they are in order already; `sort_by` is stable.
            self.diagnostics.sort_by(|a, b| a.file.cmp(&b.file));
        } else {
            self.diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        }
        let Reading { resources, diagnostics, unruly, .. } = self;
        Loaded { resources, templates, diagnostics, unruly, files: 0, incidents: declarations, service: None }
    }

    fn expand(
        &mut self,
        incident: &Incident,
        state: IncidentState,
        (expanded, budget): (&mut usize, &mut Budget),
        known: &mut Known,
        seen: &mut Seen,
    ) {
        let open = state == IncidentState::Open;
        let name = &*incident.doc.node(incident.runbook).text;
        let found = self.runbook_names.get(name).map(|(index, _)| self.runbooks[*index].as_ref());
        let Some(Some(runbook)) = found else {
            self.unsound.names.insert(incident.name.to_string());
            // What is wrong with a runbook is told there.
            if found.is_none() && open && !self.unsound.may_be(name) {
                self.unknown_runbook(incident, name);
            }
            return;
        };
        let made = expand(incident, runbook, *budget);
        budget.less(&made.spent);
        if made.problems.iter().any(|p| p.severity == Level::Error) {
            self.unsound.names.insert(incident.name.to_string());
        }
        if open {
            for problem in made.problems {
                tell(&mut self.diagnostics, known, problem);
            }
        }
        *expanded += made.resources.len();
        if *expanded > budget.project {
            let message =
                format!("the incidents of this project expand to more than {} resources", budget.project);
            let finding = Finding::new("expansion-too-large", incident.at.clone(), message)
                .help("close incidents that are over: spec.closed: true");
            self.diagnostics.extend(incident.origin.diagnose([finding]));
            return;
        }
        for Resource { desired, named, name: place, reason, .. } in made.resources {
            if let Some(rule) = self.rule.as_ref().filter(|_| open)
                && let Some(finding) = against(rule, &desired, reason)
            {
                let told = runbook.origin.diagnose([finding.elsewhere(incident.related())]);
                let address = &desired.address;
                let unruly = |diagnostic| Unruly { address: address.clone(), diagnostic };
                self.unruly.extend(told.into_iter().map(unruly));
            }
            match seen.entry(desired.address.clone()) {
                Slot::Vacant(slot) => {
                    slot.insert(FirstPlace {
                        file: incident.source.file.clone(),
                        line: incident.source.line,
                        column: incident.column,
                    });
                    match named {
                        None => self.resources.push(desired),
                        Some((by, at)) => self.named.push((desired, by, runbook.origin.place(at))),
                    }
                }
                Slot::Occupied(first) => {
                    let message = format!("{} is declared twice", desired.address);
                    let finding = Finding::new("duplicate-address", place, message)
                        .help("make the names of the templates differ for each item")
                        .elsewhere(incident.related())
                        .elsewhere(first.get().related());
                    if open {
                        for problem in runbook.origin.diagnose([finding]) {
                            tell(&mut self.diagnostics, known, problem);
                        }
                    }
                }
            }
        }
    }

    /// Resolves `dependsOn` of manifests: incidents have done so for what they expand to.
    fn order(&mut self) {
        if self.wanted.is_empty() {
            return;
        }
        let named = self.named.iter().map(|(d, ..)| &d.address);
        let several = |n: &Named| matches!(n, Named::Tag(_) | Named::File(_));
        let groups = self.named.iter().filter(|(_, by, _)| several(by)).map(|(d, ..)| d.address.clone());
        let groups: HashSet<Address> = groups.collect();
        let known: HashSet<Address> =
            self.resources.iter().map(|d| &d.address).chain(named).cloned().collect();
        let mut resolved: HashMap<Address, (Vec<Dependency>, HashMap<String, Address>)> = HashMap::new();
        let mut ordered: Vec<(Address, Vec<Dependency>, Range<usize>, Origin)> = Vec::new();
        let mut unknown = 0;
        for (address, wanted, origin) in std::mem::take(&mut self.wanted) {
            let mut to = Vec::new();
            let mut ids = HashMap::new();
            let mut findings = Vec::new();
            let place = wanted.first().map_or(0..0, |w| w.at.clone());
            for Wanted { name: text, until, at, for_id } in wanted {
                let (kind, name) = depends::split(&text);
                let all = Kind::ALL.into_iter().filter(|k| kind.is_none_or(|kind| kind == *k));
                let mut found: Vec<Address> = all.map(|kind| Address::new(kind, name)).collect();
                found.retain(|a| known.contains(a));
                if found.len() > 1 {
                    // `Alert/x` that waits for `x` means the package of that name.
                    found.retain(|a| *a != address);
                }
                match (found.pop(), found.is_empty()) {
                    (Some(group), true) if for_id && groups.contains(&group) => {
                        findings.push(references::several(at, &text, &[group]));
                    }
                    (Some(address), true) => {
                        if for_id {
                            ids.insert(text, address.clone());
                        }
                        to.push(Dependency { address, until });
                    }
                    (Some(_), false) => findings.push(runbook::ambiguous(at, &text)),
                    (None, _) if self.unsound.may_be(name) => {}
                    (None, _) => {
                        unknown += 1;
                        if unknown <= MAX_UNKNOWN {
                            let looked_for = if unknown <= MAX_SUGGESTED { usize::MAX } else { 0 };
                            let names = known.iter().map(Address::name).take(looked_for);
                            findings.push(runbook::unknown(at, &text, names));
                        }
                    }
                }
            }
            self.diagnostics.extend(origin.diagnose(findings));
            let to = depends::settled(to);
            resolved.insert(address.clone(), (to.clone(), ids));
            ordered.push((address, to, place, origin));
        }
        for d in self.resources.iter_mut().chain(self.named.iter_mut().map(|(d, ..)| d)) {
            if let Some((to, ids)) = resolved.remove(&d.address) {
                d.depends_on = to.into();
                references::resolve(d, &ids);
            }
        }
        let Some(circle) = depends::circle(ordered.iter().map(|(from, to, ..)| (from, &**to))) else {
            return;
        };
        let names: Vec<String> = circle.iter().map(|a| a.to_string()).collect();
        let first = circle.first().and_then(|first| ordered.iter().find(|(a, ..)| a == *first));
        if let Some((_, _, place, origin)) = first {
            self.diagnostics.extend(origin.diagnose([runbook::in_a_circle(place.clone(), &names)]));
        }
    }

    fn unknown_runbook(&mut self, incident: &Incident, name: &str) {
        self.unknown_runbooks += 1;
        if self.unknown_runbooks > MAX_UNKNOWN {
            return;
        }
        let span = incident.doc.node(incident.runbook).span();
        let message = format!("there is no runbook `{}`", shown(name));
        let finding = Finding::new("unknown-runbook", span, message);
        let mut names: Vec<&str> = self.runbook_names.keys().map(String::as_str).collect();
        names.sort_unstable();
        let finding = match nearest(name, names.iter().copied()) {
            Some(meant) => finding.help(format!("did you mean `{meant}`?")),
            None if names.is_empty() => {
                finding.help("write one: kind: Runbook, in any folder of spec.manifests")
            }
            None => {
                let more = names.len().saturating_sub(10);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                finding.help(format!("there are {}{more}", names[..names.len().min(10)].join(", ")))
            }
        };
        self.diagnostics.extend(incident.origin.diagnose([finding]));
    }
}

/// Problems by place and message, as indices of what was told.
type Known = HashMap<(Arc<str>, u32, u32, String), usize>;

/// Tells a problem, or adds its places to the equal one that was told before.
fn tell(diagnostics: &mut Vec<Diagnostic>, known: &mut Known, problem: Diagnostic) {
    let key = (problem.file.clone(), problem.line, problem.column, problem.message.clone());
    match known.entry(key) {
        Slot::Vacant(slot) => {
            slot.insert(diagnostics.len());
            diagnostics.push(problem);
        }
        Slot::Occupied(first) => {
            let Some(first) = diagnostics.get_mut(*first.get()) else { return };
            for place in problem.related {
                if first.related.len() < MAX_RELATED && !first.related.contains(&place) {
                    first.related.push(place);
                }
            }
        }
    }
}

/// How many unknown names of a project are told.
const MAX_UNKNOWN: usize = 100;
/// For how many of them the nearest one is looked for, among all that there are.
const MAX_SUGGESTED: usize = 10;

/// How many places of incidents one problem of a runbook names.
const MAX_RELATED: usize = 5;
