//! From values to a plan: gathers each resource's facts, asks the table, and writes the row down.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Action;
use super::calls::{self, MANIFEST_REMOVED, removal_call};
use super::change::{Change, Plan, digest_of};
use super::comparison;
use super::facts::{Facts, Lookup};
use super::gather::Findings;
use super::input::{Input, find, pairs};
use super::names::{recorded_name, shown};
use super::passes::estimate::estimate;
use super::passes::forecast::forecast;
use super::passes::guard::guard;
use super::passes::incidents::warn_of_late_resources;
use super::passes::order::order;
use super::passes::references::{show_as_sent, tell_ids};
use super::planner::Planner;
use super::reason::Reason;
use super::surgery::{Import, imported};
use super::table::{Row, decide};
use super::warn::warn_of_edited_queries;
use super::warning::Warning;
use crate::model::{Address, Desired, IdKey};
use crate::state::{Object, Origin, Phase, Record, Resource, State};

/// Makes the plan. A pure function: the same input gives the same plan.
pub fn plan(input: &Input<'_>) -> Plan {
    let planner = Planner::new(input);
    let mut changes = planner.rows();
    if !changes.is_empty() {
        tell_ids(input, &planner.renames, &mut changes);
        name_rows(&mut changes, input);
        planner.warn_of_siblings(&mut changes);
        guard(&mut changes, &input.settings.guards, &input.observed.machines);
        warn_of_late_resources(input.desired, input.state, &mut changes);
        warn_of_edited_queries(&input.observed.targets.edited, &mut changes);
    }
    let digest = digest_of(changes.iter());
    let estimate = estimate(&changes, input.settings);
    let forecast = forecast(&mut changes, input, &estimate);
    let warnings = planner.plan_warnings(&changes);
    Plan {
        lineage: input.state.lineage.clone().unwrap_or_else(|| input.settings.new_lineage.clone()),
        digest,
        created_at: input.settings.now,
        changes,
        warnings,
        estimate,
        groups: input.observed.targets.groups.clone(),
        forecast,
        destination: None,
    }
}

/// Says by which names people see the rows: those of their machines, and of their incidents. Rows that have nothing to do
/// are counted and not read, so only those of groups are named.
fn name_rows(changes: &mut [Change], input: &Input<'_>) {
    for c in changes.iter_mut().filter(|c| c.action != Action::NoOp || c.address.parts().is_some()) {
        let declared = find(input.desired, &c.address);
        let recorded = input.state.resources.get(&c.address);
        let listed = || input.observed.machines.named(c.machine.as_ref()?.as_str()).name();
        let name = declared.and_then(|d| d.machine_name.as_deref());
        let name = name.or_else(|| recorded.and_then(recorded_name)).or_else(listed);
        c.machine_name = name.map(str::to_owned).into();
        let label = |labels: &BTreeMap<String, String>| labels.get("incident").cloned();
        let expanded = |d: &Desired| Some(d.expanded.as_ref()?.incident.to_string());
        let incident = declared.and_then(|d| label(&d.labels).or_else(|| expanded(d)));
        c.incident = incident.or_else(|| recorded.and_then(|r| label(&r.labels))).into();
    }
    let members = changes.iter().filter(|c| c.address.parts().is_some());
    let named: Vec<(Address, Option<String>)> =
        members.map(|c| (c.address.clone(), c.machine_name.to_inner())).collect();
    let shown = shown(named.iter().map(|(a, name)| (a, name.as_deref())));
    for c in changes {
        c.shown = shown.get(&c.address).cloned().into();
    }
}

impl<'a> Planner<'a> {
    /// The rows, by address.
    fn rows(&self) -> Vec<Change> {
        let input = self.input;
        let mut taken = BTreeSet::new();
        let mut changes = Vec::with_capacity(input.desired.len());
        for (address, desired, resource) in pairs(input.desired, input.state) {
            let shown = match (input.selected, desired) {
                (_, None) if input.settings.incidents.keep(address) => false,
                (None, _) => true,
                (Some(s), Some(_)) => s.contains(address),
                (Some(s), None) => s.contains(address) && self.left(address).is_some(),
            };
            match (desired, resource) {
                _ if !shown => {}
                (Some(d), Some(r)) if is_up_to_date(input, d, r) => changes.push(up_to_date(d, r)),
                _ => changes.extend(self.row(address, desired, resource, &mut taken)),
            }
        }
        // A move is written under its new address, so it can stand out of order. To sort what is sorted takes room.
        if !changes.is_sorted_by(|a, b| a.address <= b.address) {
            changes.sort_by(|a, b| a.address.cmp(&b.address));
        }
        order(input, &self.renames, &mut changes);
        changes
    }

    fn row(
        &self,
        address: &'a Address,
        desired: Option<&'a Desired>,
        resource: Option<&'a Resource>,
        taken: &mut BTreeSet<IdKey>,
    ) -> Option<Change> {
        let found = self.gather_facts(address, desired, resource, taken);
        let (row, action) = decide(&found.facts);
        let action = action?;
        // An `adopt` of an open call is recorded at apply; what it leads to is shown already if that is a
        // call, `forget`, or something that a person has to decide.
        if action == Action::Adopt
            && matches!(found.facts.phase, Some(Phase::Requested))
            && row != Row::ImportedByManifest
            && !self.renamed_open(address)
            && let Some(r) = resource
            && let Some(after) = self.after_adoption(address, r, &found, row)
        {
            let second = self.gather_facts(address, desired, Some(&after), taken);
            let (row2, action2) = decide(&second.facts);
            let tells_more =
                |a: &Action| a.call().is_some() || matches!(a, Action::Forget | Action::Unresolved);
            if let Some(action2) = action2.filter(tells_more) {
                let mut change = self.write(address, desired, Some(&after), &second, row2, action2);
                let mut records = self.adoption(address, &found, row);
                records.append(&mut change.records);
                change.records = records.into();
                change.basis = r.changed;
                claim(taken, &found.lookup.object);
                return Some(change);
            }
        }
        if action == Action::Adopt {
            claim(taken, &found.lookup.object);
            claim(taken, &found.watched.as_ref().map(|(_, o)| o.clone()));
        }
        Some(self.write(address, desired, resource, &found, row, action))
    }

    /// The resource as it will be once the adoption of an unknown outcome is recorded.
    fn after_adoption(
        &self,
        address: &Address,
        r: &Resource,
        found: &Findings<'_>,
        row: Row,
    ) -> Option<Resource> {
        let mut state = State::default();
        state.resources.insert(address.clone(), r.clone());
        for record in self.adoption(address, found, row) {
            state.apply(self.input.state.seq + 1, self.settings().now, &record).ok()?;
        }
        state.resources.remove(address)
    }

    fn adoption(&self, address: &Address, found: &Findings<'_>, row: Row) -> Vec<Record> {
        let record = |attempt, origin, object: &Object| Record::Found {
            address: address.clone(),
            attempt,
            origin,
            object: object.clone(),
        };
        match row {
            Row::OursFound => {
                found.lookup.object.iter().map(|o| record(found.open_attempt, Origin::Made, o)).collect()
            }
            Row::AlertShowsEvent => {
                found.lookup.object.iter().map(|o| record(found.open_attempt, Origin::Adopted, o)).collect()
            }
            Row::WatchedFound => {
                found.watched.iter().map(|(a, o)| record(Some(*a), Origin::Made, o)).collect()
            }
            _ => found.running.iter().map(|a| record(None, Origin::Adopted, &Object::from(*a))).collect(),
        }
    }

    /// Writes a decided row down: its reason in data, its call, the records that carry it out.
    fn write(
        &self,
        address: &Address,
        desired: Option<&'a Desired>,
        resource: Option<&Resource>,
        found: &Findings<'a>,
        row: Row,
        action: Action,
    ) -> Change {
        let reason = self.reason(address, desired, resource, found, row, action);
        let look_alikes =
            matches!(row, Row::LookAlike | Row::AskBeforeResend | Row::AskedByName).then(|| &found.alike);
        let look_alikes: Vec<String> = look_alikes.into_iter().flatten().map(|o| o.id.clone()).collect();
        let mut change = blank(address, action, row, reason, desired, resource);
        if action == Action::Replace && !look_alikes.is_empty() {
            change.warnings.push(Warning::AlreadyThere { ids: look_alikes.clone() });
        }
        change.look_alikes = look_alikes.into();
        if let (Some(d), true) = (desired, action.creates()) {
            let mut call = self.creating_call(address, d);
            if row == Row::AskedByName {
                call.replaces.clone_from(&found.replaces);
            }
            change.after = Some(comparison::of_creating(d, call.created())).into();
            change.call = Some(call);
            change.approve.clone_from(&d.approve);
            self.warn(d, resource, &mut change);
        }
        if action == Action::Replace && found.facts.lookup == Lookup::Ours {
            // What the open call made is recorded before something else takes its place.
            change.records = self.adoption(address, found, Row::OursFound).into();
        }
        self.write_action(desired, resource, found, row, &mut change);
        if let (Some(d), Some(r)) = (desired, resource)
            && change.call.is_none()
            && action != Action::Move
            && row != Row::ImportedByManifest
        {
            note(&mut change, d, r);
        }
        if let Some(d) = desired {
            warn_of_surgery(d, found, row, &mut change);
        }
        if let Some(r) = resource {
            for p in r.past.iter().filter(|p| p.late) {
                change.warnings.push(Warning::LateArrival { id: p.id.clone() });
            }
            if !r.watched.is_empty() {
                change.warnings.push(Warning::Watched { attempts: r.watched.len() });
            }
        }
        change
    }

    /// Writes down what the action does: its call if it creates nothing, the records, what is shown of it.
    fn write_action(
        &self,
        desired: Option<&Desired>,
        resource: Option<&Resource>,
        found: &Findings<'_>,
        row: Row,
        change: &mut Change,
    ) {
        match (change.action, resource) {
            (Action::Update, Some(r)) => write_update(desired, r, found, change),
            (Action::Cancel, Some(r)) => {
                change.call = removal_call(r, MANIFEST_REMOVED).map(Box::new);
                change.then = vec![Record::Released { address: change.address.clone() }].into();
            }
            (Action::Resolve, Some(r)) => {
                change.call = removal_call(r, "").map(Box::new);
                change.then = vec![Record::Released { address: change.address.clone() }].into();
            }
            (Action::Forget, _) => change.records.push(Record::Released { address: change.address.clone() }),
            (Action::Adopt, _) if row == Row::ImportedByManifest => {
                if let (Some(d), Some(Import::Fits { object, other_text })) = (desired, &found.import) {
                    change.records.push(imported(d, object));
                    if *other_text {
                        change.warnings.push(Warning::ImportOtherText);
                    }
                }
            }
            (Action::Adopt, _) => {
                change.records = self.adoption(&change.address, found, row).into();
                if matches!(row, Row::BusyWithOther | Row::OtherSucceeded) {
                    let a = found.running;
                    change.warnings.push(Warning::AdoptsForeign {
                        requestor: a.and_then(|a| a.requestor.clone()),
                        created_at: a.and_then(|a| a.creation_date_time_utc.clone()),
                    });
                }
            }
            (Action::Move, _) => {
                if let Some((from, old)) = self.renames.get(&change.address) {
                    change.records.push(Record::Moved { from: (*from).clone(), to: change.address.clone() });
                    change.before = Some(vec![("address".into(), from.to_string())]).into();
                    change.after = Some(vec![("address".into(), change.address.to_string())]).into();
                    change.basis = old.changed;
                }
            }
            (Action::NoOp, Some(_)) if row == Row::KnownFromBefore => {
                change.records.push(Record::Restored { address: change.address.clone() });
            }
            (Action::Differs, _) if row == Row::TriageLeft => {
                if let Some(declared) = desired.and_then(|d| d.triage.as_ref()) {
                    let (before, after) = found.triage.left_views(declared);
                    (change.before, change.after) = (Some(before).into(), Some(after).into());
                }
            }
            (Action::Differs, _) => {
                change.after = desired.map(comparison::of_desired).into();
                show_as_sent(self.input, change);
            }
            _ => {}
        }
    }
}

/// Says what a manifest asks for besides, and why this plan does not do it.
fn warn_of_surgery(d: &Desired, found: &Findings<'_>, row: Row, change: &mut Change) {
    if let Some(id) = d.import().filter(|_| found.import.is_some() && row != Row::ImportedByManifest) {
        change.warnings.push(Warning::ImportWaits { id: id.to_owned() });
    }
    if let Some(id) = d.replace() {
        if !found.replaces.is_empty() && row != Row::AskedByName {
            change.warnings.push(Warning::ReplaceWaits { id: id.to_owned() });
        } else if found.replace_unknown {
            change.warnings.push(Warning::ReplaceUnknown { id: id.to_owned() });
        }
    }
}

/// Writes the update of an alert's triage down.
fn write_update(desired: Option<&Desired>, r: &Resource, found: &Findings<'_>, change: &mut Change) {
    let Some(d) = desired else { return };
    let Some(declared) = &*d.triage else { return };
    let (before, after) = found.triage.due_views(declared);
    (change.before, change.after) = (Some(before).into(), Some(after).into());
    if !found.triage.left.is_empty() {
        change.warnings.push(Warning::TriageLeft { fields: found.triage.left.clone() });
    }
    change.call = calls::update(d, r, &found.triage).map(Box::new);
}

fn blank(
    address: &Address,
    action: Action,
    row: Row,
    reason: Reason,
    desired: Option<&Desired>,
    resource: Option<&Resource>,
) -> Change {
    let before = match action {
        // Rows that a reader sees no fields of need none made.
        Action::NoOp | Action::Wait | Action::Create | Action::Adopt => None,
        _ => resource.and_then(comparison::of_resource),
    };
    Change {
        source: desired.map(|d| d.source.clone()),
        template: desired.and_then(|d| d.expanded.as_ref()?.source.clone()).into(),
        machine: match desired {
            Some(d) => Some(d.call.machine().clone()),
            None => resource.and_then(|r| r.sent.call()).map(|c| c.machine().clone()),
        },
        before: before.into(),
        basis: resource.map_or(0, |r| r.changed),
        ..Change::new(address.clone(), action, Some(row), reason)
    }
}

/// The many that are done and unchanged: one comparison.
fn is_up_to_date(input: &Input<'_>, d: &Desired, r: &Resource) -> bool {
    r.phase == Phase::Succeeded
        && r.digest == d.digest
        && d.triage.is_none()
        && d.surgery.is_none()
        && r.watched.is_empty()
        && r.side.is_none()
        && !r.past.iter().any(|p| p.late)
        && !input.replace.contains(&d.address)
}

/// The row of a resource that is up to date.
fn up_to_date(d: &Desired, r: &Resource) -> Change {
    let (row, _) = decide(&Facts::new(true, Some(Phase::Succeeded)));
    let mut change = blank(&d.address, Action::NoOp, row, Reason::Done, Some(d), Some(r));
    note(&mut change, d, r);
    change
}

/// Whether labels or lifecycle are others than those that are recorded.
fn is_noted(d: &Desired, r: &Resource) -> bool {
    r.labels != d.labels || r.on_remove != d.on_remove
}

/// Changed labels and lifecycle are recorded; they lead to no call.
fn note(change: &mut Change, d: &Desired, r: &Resource) {
    if is_noted(d, r) {
        change.records.push(Record::Noted {
            address: d.address.clone(),
            labels: d.labels.to_inner(),
            on_remove: d.on_remove,
        });
    }
}

fn claim(taken: &mut BTreeSet<IdKey>, object: &Option<Object>) {
    taken.extend(object.iter().map(|o| IdKey::of(&o.id)));
}
