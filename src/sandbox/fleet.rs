//! Which devices there are: those that the scenario lists, and those that somebody asked for by id or by name.

use std::collections::{BTreeMap, HashMap};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::hunting::demo_device;
use super::scenario::{MachineSpec, Scenario};
use crate::model::{MachineName, first_label};

/// The devices that came up in a call, and ways to find all of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Met>", into = "Vec<Met>")]
pub(super) struct Fleet {
    /// Devices that the scenario does not list: their name by their id in lower case; none if it follows from the id.
    met: BTreeMap<String, Option<String>>,
    /// From an id in lower case to the place in the scenario's list.
    listed: HashMap<String, usize>,
    /// From a name to an id; the first of equal names.
    names: HashMap<String, String>,
    /// The same from the first label of a name.
    labels: HashMap<String, String>,
}

/// A device in the file of a world.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Met {
    /// It was asked for by its id.
    Id(String),
    /// It was asked for by a name.
    Named { id: String, name: String },
}

impl From<Vec<Met>> for Fleet {
    fn from(met: Vec<Met>) -> Self {
        let pair = |met| match met {
            Met::Id(id) => (id, None),
            Met::Named { id, name } => (id, Some(name)),
        };
        Fleet { met: met.into_iter().map(pair).collect(), ..Fleet::default() }
    }
}

impl From<Fleet> for Vec<Met> {
    fn from(fleet: Fleet) -> Self {
        let one = |(id, name)| match name {
            None => Met::Id(id),
            Some(name) => Met::Named { id, name },
        };
        fleet.met.into_iter().map(one).collect()
    }
}

/// A device that no scenario describes.
fn plain(id: &str, name: Option<&String>) -> MachineSpec {
    MachineSpec { name: name.cloned(), ..MachineSpec::derived(id) }
}

/// The id of the device that is made up for a name.
fn id_of(name: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(format!("device/{name}"))).chars().take(40).collect()
}

/// Whether a name follows from an id: it belongs to that device, met or not.
fn follows_from_an_id(name: &str) -> bool {
    let digits = name.strip_prefix("desktop-").unwrap_or_default();
    digits.len() == 7 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

impl Fleet {
    /// Makes a fleet of devices that are there from the start, by id and name.
    pub fn of<'d>(devices: impl Iterator<Item = (&'d str, &'d str)>) -> Fleet {
        let met = devices.map(|(id, name)| (id.to_owned(), Some(name.to_owned()))).collect();
        Fleet { met, ..Fleet::default() }
    }

    /// Builds the ways to find devices; needed after a load and after a change of scenario.
    pub fn reindex(&mut self, scenario: &Scenario) {
        let list = &scenario.machines.list;
        self.listed = list.iter().enumerate().map(|(i, m)| (m.id.to_ascii_lowercase(), i)).collect();
        self.names.clear();
        self.labels.clear();
        let listed = list.iter().map(|m| (m.id.to_ascii_lowercase(), m.dns_name()));
        let met = self.met.iter().map(|(id, name)| (id.clone(), plain(id, name.as_ref()).dns_name()));
        for (id, name) in listed.chain(met).collect::<Vec<_>>() {
            self.index(id, name);
        }
    }

    fn index(&mut self, id: String, name: String) {
        self.labels.entry(first_label(&name).to_owned()).or_insert_with(|| id.clone());
        self.names.entry(name).or_insert(id);
    }

    /// The device with this id, if there is one.
    pub fn get(&self, scenario: &Scenario, id: &str) -> Option<MachineSpec> {
        let id = id.to_ascii_lowercase();
        if let Some(spec) = self.listed.get(&id).and_then(|i| scenario.machines.list.get(*i)) {
            return Some(spec.clone());
        }
        if let Some(name) = self.met.get(&id) {
            return Some(plain(&id, name.as_ref()));
        }
        let well_formed = matches!(id.len(), 32 | 40) && id.bytes().all(|b| b.is_ascii_hexdigit());
        (well_formed && !scenario.lists_all_machines()).then(|| MachineSpec::derived(&id))
    }

    /// Notes that a call took effect on a device, so that lists show it from now on.
    pub fn touch(&mut self, id: &str) {
        let id = id.to_ascii_lowercase();
        if !self.listed.contains_key(&id) && !self.met.contains_key(&id) {
            self.index(id.clone(), MachineSpec::derived(&id).dns_name());
            self.met.insert(id, None);
        }
    }

    /// Makes up devices for names that nobody has, unless the scenario says which ones there are. Says whether it did.
    pub fn make_up<'n>(&mut self, scenario: &Scenario, names: impl IntoIterator<Item = &'n str>) -> bool {
        if scenario.lists_all_machines() {
            return false;
        }
        let mut names: Vec<String> = names.into_iter().map(str::to_ascii_lowercase).collect();
        // Whole names first: a short one beside them means the same device.
        names.sort_by_key(|n| !n.contains('.'));
        let new = |name: &String| name.parse::<MachineName>().is_ok() && !follows_from_an_id(name);
        let mut made = false;
        for name in names.into_iter().filter(new) {
            if self.meant(&name).next().is_none() {
                self.christen(scenario, name);
                made = true;
            }
        }
        made
    }

    fn christen(&mut self, scenario: &Scenario, name: String) {
        let demo = demo_device(&scenario.hunting, &name).filter(|(id, _)| !self.listed.contains_key(*id));
        let (id, name) = match demo {
            Some((id, name)) => (id.to_owned(), name),
            None => (self.id_for(&name), name),
        };
        match self.met.insert(id.clone(), Some(name.clone())) {
            None => self.index(id, name),
            // Its earlier name means nothing any more.
            Some(_) => self.reindex(scenario),
        }
    }

    /// A short name and a whole one of it are one device, in whatever order they come up.
    fn id_for(&self, name: &str) -> String {
        let label = first_label(name);
        let id = id_of(label);
        match self.met.get(&id) {
            Some(Some(other)) if other != label => id_of(name),
            _ => id,
        }
    }

    /// Devices that a name means: by the whole name, and by the first label.
    fn meant(&self, name: &str) -> impl Iterator<Item = &str> {
        let short = self.labels.get(name).filter(|_| !name.contains('.'));
        self.names.get(name).into_iter().chain(short).map(String::as_str)
    }

    /// The device with this whole name.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.names.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// Every device. One that was made up for a name gives way to one that a later scenario lists under it.
    pub fn all(&self, scenario: &Scenario) -> Vec<MachineSpec> {
        let listed = scenario.machines.list.iter().cloned();
        let shown = |(id, name): &(&String, &Option<String>)| {
            let given_way = name.iter().flat_map(|n| self.meant(n)).any(|m| self.listed.contains_key(m));
            !self.listed.contains_key(*id) && !given_way
        };
        let met = self.met.iter().filter(shown);
        listed.chain(met.map(|(id, name)| plain(id, name.as_ref()))).collect()
    }
}
