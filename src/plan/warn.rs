//! What a reader should know beside the rows: what runs on a machine, rows that meet there, limits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::change::Change;
use super::passes::guard::{over_limits, removals};
use super::passes::incidents::held_back;
use super::planner::Planner;
use super::reason::Reason;
use super::table::Row;
use super::targets::{Drift, Group, Left};
use super::warning::{PlanWarning, Warning};
use crate::model::{Address, Alert, Call, Desired, IdKey, Kind, MachineId, Target, is_of_machine, same_text};
use crate::state::Resource;

impl Planner<'_> {
    /// What the refresh shows on the machine of a creating call.
    pub(super) fn warn(&self, d: &Desired, resource: Option<&Resource>, change: &mut Change) {
        if let Some(others) = self.input.observed.targets.others.get(&d.address) {
            let name = d.machine_name.as_deref().unwrap_or_default().to_owned();
            change.warnings.push(Warning::OtherRecords { name, others: others.clone() });
        }
        match &d.call {
            Call::Collect { machine_id, .. } => {
                let list = self
                    .input
                    .observed
                    .actions
                    .as_ref()
                    .map_or(&[][..], |l| l.of_machine(machine_id.as_str()));
                let held = resource.and_then(|r| r.id.as_deref());
                let active = list.iter().filter(|a| a.is_collection() && a.status.is_active());
                for a in active.filter(|a| Some(a.id.as_str()) != held) {
                    change.warnings.push(Warning::ActiveCollection {
                        id: a.id.clone(),
                        requestor: a.requestor.clone(),
                        created_at: a.creation_date_time_utc.clone(),
                    });
                }
            }
            Call::Alert(alert) => {
                change.warnings.push(Warning::AutomatedInvestigation);
                let machine = IdKey::of(alert.machine_id.as_str());
                let of_machine = self.input.observed.machine_alerts.get(&machine).into_iter().flatten();
                let recent = self
                    .input
                    .observed
                    .recent_alerts
                    .iter()
                    .flatten()
                    .filter(|a| is_of_machine(machine.as_str(), a.machine_id.as_deref()) == Some(true));
                let mut open = of_machine.chain(recent).filter(|a| a.is_open());
                let titled = |a: &&Alert| a.title.as_deref().is_some_and(|t| same_text(&alert.title, t));
                if let Some(a) = open.find(titled) {
                    change.warnings.push(Warning::MergesIntoOpenAlert { id: a.id.clone() });
                }
            }
        }
    }

    /// Two rows of one plan that meet at one machine.
    pub(super) fn warn_of_siblings(&self, changes: &mut [Change]) {
        // Machine, and title of an alert.
        let mut first: HashMap<(MachineId, Option<&str>), Address> = HashMap::new();
        // Both are sorted by address.
        let mut desired = self.input.desired.iter().peekable();
        for c in changes.iter_mut() {
            let (Some(call), true) = (&c.call, c.action.creates()) else { continue };
            while desired.next_if(|d| d.address < c.address).is_some() {}
            let title = match desired.peek().filter(|d| d.address == c.address).map(|d| &d.call) {
                Some(Call::Alert(a)) => Some(a.title.as_str()),
                _ => None,
            };
            match first.entry((call.machine.clone(), title)) {
                std::collections::hash_map::Entry::Vacant(e) => {
                    e.insert(c.address.clone());
                }
                std::collections::hash_map::Entry::Occupied(e) => {
                    let other = e.get().clone();
                    c.warnings.push(if c.address.kind() == Kind::Alert {
                        Warning::SameTitle { other }
                    } else {
                        Warning::SecondCollection { other }
                    });
                }
            }
        }
    }

    /// Rows that ask for something new and that nobody compared with what the service has. A list that could not be read
    /// is told by itself.
    fn not_compared(&self, changes: &[Change]) -> Option<PlanWarning> {
        let observed = self.input.observed;
        if self.look_alikes.is_none() || !observed.unread.is_empty() {
            return None;
        }
        let unseen = |c: &&Change| match c.address.kind() {
            Kind::InvestigationPackage => observed.actions.is_none(),
            Kind::Alert => observed.recent_alerts.is_none(),
        };
        let new = changes.iter().filter(|c| c.row.is_some_and(Row::asks_for_something_new));
        let new = new.filter(unseen).count();
        (new > 0).then_some(PlanWarning::NotCompared { new })
    }

    pub(super) fn plan_warnings(&self, changes: &[Change]) -> Vec<PlanWarning> {
        let settings = self.settings();
        let mut warnings = Vec::new();
        if self.input.state.resources.is_empty() && !settings.fresh {
            let selected = |d: &&Desired| self.input.selected.is_none_or(|s| s.contains(&d.address));
            // A manifest that names what is there has not lost it.
            let row = |d: &Desired| {
                changes.binary_search_by(|c| c.address.cmp(&d.address)).ok().map(|i| &changes[i])
            };
            let is_named = |d: &&Desired| {
                row(d).is_some_and(|c| {
                    c.row == Some(Row::ImportedByManifest)
                        || matches!(c.reason, Reason::ReplaceDeclared { .. })
                })
            };
            let found: Vec<_> = self
                .input
                .desired
                .iter()
                .filter(|d| selected(d) && !is_named(d))
                .filter_map(|d| Some((d.address.clone(), self.look_alikes.as_ref()?.any(&d.call)?)))
                .collect();
            if !found.is_empty() {
                warnings.push(PlanWarning::LookAlikes { found });
            }
        }
        warnings.extend(self.not_compared(changes));
        warnings.extend(over_limits(changes, &settings.limits, changes));
        warnings.extend(removals(changes, self.input.state));
        warnings.extend(held_back(&settings.incidents));
        if !settings.beside.is_empty() {
            warnings.push(PlanWarning::Beside { folders: settings.beside.clone() });
        }
        let unread = self.input.observed.unread.iter();
        warnings.extend(unread.map(|u| PlanWarning::NotLooked { unread: u.clone() }));
        let skipped = &self.input.observed.targets.skipped;
        if !skipped.is_empty() {
            warnings.push(PlanWarning::Unresolved { places: skipped.clone() });
        }
        for group in &self.input.observed.targets.groups {
            warnings.extend(of_group(group));
        }
        warnings.extend(left(changes));
        if self.input.selected.is_some() {
            let declared = self.input.desired.len();
            warnings.push(PlanWarning::Narrowed { shown: changes.len(), declared });
        }
        warnings
    }
}

/// Says of rows that a query found their event, and that it is another query by now.
pub(super) fn warn_of_edited_queries(edited: &BTreeSet<Address>, changes: &mut [Change]) {
    if !edited.is_empty() {
        for c in changes.iter_mut().filter(|c| edited.contains(&c.address)) {
            c.warnings.push(Warning::QueryChanged);
        }
    }
}

/// One warning for each manifest that does not ask for some machines any more.
fn left(changes: &[Change]) -> Vec<PlanWarning> {
    let mut groups: BTreeMap<Address, (&Left, Vec<String>)> = BTreeMap::new();
    for c in changes {
        if let (Reason::LeftGroup { left }, Some(group)) = (&c.reason, c.address.group())
            // What could not be resolved is told by its place.
            && *left != Left::Unresolved
        {
            groups.entry(group).or_insert_with(|| (left, Vec::new())).1.push(c.shown());
        }
    }
    let warning = |(address, (left, rows)): (Address, (&Left, Vec<String>))| PlanWarning::Left {
        address,
        left: left.clone(),
        rows,
    };
    groups.into_iter().map(warning).collect()
}

/// What a reader should know of a manifest that stands for several machines.
fn of_group(group: &Group) -> Vec<PlanWarning> {
    let address = || group.address.clone();
    let mut warnings = Vec::new();
    if let (Target::Tag(tag), 0) = (&group.target, group.machines) {
        warnings.push(PlanWarning::EmptyGroup { address: address(), tag: tag.to_string() });
    }
    if !group.skipped.is_empty() {
        warnings.push(PlanWarning::Skipped { address: address(), records: group.skipped.clone() });
    }
    if let Some(drift) = group.sealed.as_ref().filter(|d| **d != Drift::default()) {
        warnings.push(PlanWarning::SealDrift { address: address(), drift: drift.clone() });
    }
    warnings
}
