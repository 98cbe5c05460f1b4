//! What a refresh saw, as values. Filled by the engine, read by the planner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::machines::Machines;
use super::marker::has_external_id;
use super::targets::Targets;
use super::unread::Unread;
use crate::model::{Alert, IdKey, MachineAction};

/// The service as far as this run looked. The default is: not looked at all.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// When the refresh began, by our clock.
    pub at: jiff::Timestamp,
    /// The same moment by the service's clock.
    pub server_at: jiff::Timestamp,
    /// Machine actions; `None` if the list is missing or incomplete.
    pub actions: Option<Actions>,
    /// Alerts per machine, only for machines that were asked; each complete.
    pub machine_alerts: BTreeMap<IdKey, Vec<Alert>>,
    /// Alerts by id, from batched reads.
    pub alerts: BTreeMap<String, Alert>,
    /// Alert ids that were asked for, found or not.
    pub alerts_asked: BTreeSet<String>,
    /// Alerts by creation time, for new resources; `None` if not taken.
    pub recent_alerts: Option<Vec<Alert>>,
    /// Ids that a read by id answered with 404, just now.
    pub not_found: BTreeSet<String>,
    /// Machines, as far as their names were asked for.
    pub machines: Machines,
    /// What manifests that name no id were found to mean.
    pub targets: Arc<Targets>,
    /// The things that were needed and could not be read: they are missing above.
    pub unread: Vec<Unread>,
}

/// A complete list of machine actions that began at `since` or later, by the service's clock.
#[derive(Clone, Debug, Default)]
pub struct Actions {
    /// Nothing older is in the list.
    pub since: jiff::Timestamp,
    /// The list itself shows an id that a call of ours carried: so it gives them back.
    pub gives_external_ids: bool,
    by_machine: BTreeMap<IdKey, Vec<MachineAction>>,
    by_id: BTreeMap<IdKey, (IdKey, usize)>,
}

impl Actions {
    /// Orders a list by machine, oldest first. Entries seen twice (pages shift while they are read) are
    /// kept once, the later reading counts.
    pub fn new(since: jiff::Timestamp, list: impl IntoIterator<Item = MachineAction>) -> Self {
        let mut latest: BTreeMap<IdKey, MachineAction> = BTreeMap::new();
        let mut gives_external_ids = false;
        for a in list {
            gives_external_ids |= has_external_id(&a);
            latest.insert(IdKey::of(&a.id), a);
        }
        let mut by_machine: BTreeMap<IdKey, Vec<MachineAction>> = BTreeMap::new();
        for (_, a) in latest {
            let machine = IdKey::of(a.machine_id.as_deref().unwrap_or_default());
            by_machine.entry(machine).or_default().push(a);
        }
        let mut by_id = BTreeMap::new();
        for (machine, list) in &mut by_machine {
            list.sort_by(|a, b| (&a.creation_date_time_utc, &a.id).cmp(&(&b.creation_date_time_utc, &b.id)));
            for (i, a) in list.iter().enumerate() {
                by_id.insert(IdKey::of(&a.id), (machine.clone(), i));
            }
        }
        Actions { since, gives_external_ids, by_machine, by_id }
    }

    /// Adds an action that was read by itself: it says nothing of what the list gives back.
    pub fn insert(&mut self, action: MachineAction) {
        let gives_external_ids = self.gives_external_ids;
        let list = std::mem::take(&mut self.by_machine).into_values().flatten();
        let all = Actions::new(self.since, list.chain([action]).collect::<Vec<_>>());
        *self = Actions { gives_external_ids, ..all };
    }

    /// The actions of a machine, oldest first.
    pub fn of_machine(&self, machine: &str) -> &[MachineAction] {
        self.by_machine.get(&IdKey::of(machine)).map_or(&[], Vec::as_slice)
    }

    /// One action by id.
    pub fn get(&self, id: &str) -> Option<&MachineAction> {
        let (machine, i) = self.by_id.get(&IdKey::of(id))?;
        self.by_machine.get(machine)?.get(*i)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &MachineAction> {
        self.by_machine.values().flatten()
    }
}
