//! The simulated tenant of a drill: every device that the manifests name, some for each tag, and an event for each query.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::model::{Desired, EntryMachine, Sha256Hex, Target, Template, first_label};
use crate::sandbox::{CannedQuery, Delays, MachineSpec, Scenario, Seconds};

/// How long a collection is pending, and how long it runs then, in milliseconds: about what small packages take.
const COLLECTION: [u64; 2] = [20_000, 160_000];

/// After how many milliseconds the service gives a device up that does not answer.
const TIME_OUT: u64 = 3_600_000;

/// A simulated tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// The simulated world.
    pub scenario: Scenario,
    /// How many devices were made up.
    pub made_up: usize,
}

/// The id of the device that is made up for a name.
pub(super) fn id_of(name: &str) -> String {
    Sha256Hex::of(format!("drill/{}", name.to_ascii_lowercase()).as_bytes())
        .to_string()
        .chars()
        .take(40)
        .collect()
}

/// Returns a tenant in which everything exists that resources name: their devices by id and by name, `tagged` of them for
/// each tag, and one event for each query. `base` is the scenario of the project, if it has one: what it says stays.
pub fn fleet(
    base: Option<Scenario>,
    desired: &[Desired],
    templates: &[Template],
    tagged: usize,
    start: Timestamp,
) -> Fleet {
    let mut scenario = base.unwrap_or_else(|| Scenario {
        delays: Delays {
            pending: Seconds::from_millis(COLLECTION[0]),
            running: Seconds::from_millis(COLLECTION[1]),
            time_out: Seconds::from_millis(TIME_OUT),
            ..Delays::default()
        },
        ..Scenario::default()
    });
    // Events that manifests name by themselves exist too, unless the project's scenario says which ones there are.
    if scenario.strict.is_none() && scenario.hunting.is_empty() && scenario.events.only.is_empty() {
        scenario.strict = Some(false);
    }
    let there = scenario.machines.list.len();
    devices(&mut scenario, desired, templates);
    for template in templates {
        if let Target::Tag(tag) = &template.target {
            tag_some(&mut scenario, tag, tagged);
        }
    }
    events(&mut scenario, templates, start);
    let made_up = scenario.machines.list.len() - there;
    Fleet { scenario, made_up }
}

/// Adds the devices that are named by id or by name.
fn devices(scenario: &mut Scenario, desired: &[Desired], templates: &[Template]) {
    let mut ids: BTreeSet<String> = BTreeSet::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    ids.extend(desired.iter().map(|d| d.call.machine().as_str().to_ascii_lowercase()));
    for template in templates {
        match &template.target {
            Target::Name(name) => drop(names.insert(name.key())),
            Target::File(file) => {
                for entry in &file.entries {
                    match &entry.machine {
                        EntryMachine::Id(id) => drop(ids.insert(id.as_str().to_ascii_lowercase())),
                        EntryMachine::Name(name) => drop(names.insert(name.key())),
                    }
                }
            }
            Target::Tag(_) | Target::Event(_) => {}
        }
    }
    let list = &mut scenario.machines.list;
    let known: BTreeSet<String> = list.iter().map(|m| m.id.to_ascii_lowercase()).collect();
    list.extend(ids.difference(&known).map(|id| MachineSpec::derived(id)));
    // A short name means the device of a whole one that begins with it, so whole ones come first.
    let mut taken: BTreeSet<String> = list.iter().map(MachineSpec::dns_name).collect();
    let mut labels: BTreeSet<String> = taken.iter().map(|name| first_label(name).to_owned()).collect();
    let (whole, short): (Vec<String>, Vec<String>) = names.into_iter().partition(|name| name.contains('.'));
    for name in whole.into_iter().chain(short) {
        let is_there = if name.contains('.') { taken.contains(&name) } else { labels.contains(&name) };
        if !is_there {
            list.push(named(&name));
            labels.insert(first_label(&name).to_owned());
            taken.insert(name);
        }
    }
}

fn named(name: &str) -> MachineSpec {
    MachineSpec { name: Some(name.to_owned()), ..MachineSpec::derived(&id_of(name)) }
}

/// Makes sure that some devices carry a tag.
fn tag_some(scenario: &mut Scenario, tag: &str, wanted: usize) {
    let list = &mut scenario.machines.list;
    if list.iter().any(|m| m.tags.iter().any(|t| t == tag)) {
        return;
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = tag.chars().map(plain).take(40).collect();
    let slug = match slug.trim_matches('-') {
        "" => "tagged",
        slug => slug,
    };
    let taken: BTreeSet<String> = list.iter().map(|m| first_label(&m.dns_name()).to_owned()).collect();
    let names = (1..).map(|n| format!("{slug}-{n:03}")).filter(|name| !taken.contains(name)).take(wanted);
    list.extend(names.map(|name| MachineSpec { tags: vec![tag.to_owned()], ..named(&name) }));
}

/// Makes each query find one event, on a device that the query names, if it names one.
fn events(scenario: &mut Scenario, templates: &[Template], start: Timestamp) {
    let mut queries: BTreeSet<&str> = BTreeSet::new();
    for template in templates {
        if let Target::Event(query) = &template.target {
            queries.insert(&query.text);
        }
    }
    let start = Timestamp::from_second(start.as_second()).unwrap_or(start);
    for (n, query) in queries.into_iter().enumerate() {
        let list = &scenario.machines.list;
        let lower = query.to_ascii_lowercase();
        let is_named = |m: &&MachineSpec| {
            lower.contains(&*first_label(&m.dns_name()).to_ascii_lowercase())
                || lower.contains(&m.id.to_ascii_lowercase())
        };
        let longest = |m: &&MachineSpec| first_label(&m.dns_name()).len();
        let device = list.iter().filter(is_named).max_by_key(longest).map(|m| m.id.clone());
        let device = match device {
            Some(id) => id,
            None => {
                let made = named(&format!("hunted-{:03}", n + 1));
                let id = made.id.clone();
                if !list.iter().any(|m| m.id == id) {
                    scenario.machines.list.push(made);
                }
                id
            }
        };
        let minutes = i64::try_from(n).unwrap_or_default() % 1_000;
        let at = start.saturating_sub(SignedDuration::from_mins(60 + minutes)).unwrap_or(start);
        let row = json!({ "Timestamp": at.to_string(), "DeviceId": device, "ReportId": 1_000 + n });
        let rows: Vec<Map<String, Value>> = row.as_object().cloned().into_iter().collect();
        scenario.hunting.push(CannedQuery { query: Some(query.to_owned()), rows, ..CannedQuery::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, Call, HuntingQuery, Kind, MachineId, Place, Source};

    fn target(target: Target) -> Template {
        let call =
            Call::Collect { machine_id: MachineId::unknown(), comment: "c".to_owned(), external_id: None };
        let source = Source { file: "a.yaml".into(), line: 1 };
        let desired = Desired::new(Address::new(Kind::InvestigationPackage, "a"), source, call, 1);
        let source_line = "".into();
        let place =
            Place { file: "a.yaml".into(), line: 1, column: 1, end_column: 1, source_line, source_offset: 0 };
        Template::new(desired, target, place)
    }

    fn name(text: &str) -> Template {
        target(Target::Name(text.parse().unwrap()))
    }

    fn of(base: Option<Scenario>, templates: &[Template]) -> Fleet {
        let fleet = fleet(base, &[], templates, 2, "2026-01-05T08:00:00.5Z".parse().unwrap());
        assert!(fleet.scenario.check().is_ok(), "{fleet:?}");
        fleet
    }

    fn names(fleet: &Fleet) -> Vec<String> {
        fleet.scenario.machines.list.iter().map(MachineSpec::dns_name).collect()
    }

    #[test]
    fn a_short_name_and_a_whole_one_are_one_device() {
        let fleet = of(None, &[name("ws-1"), name("WS-1.corp.example"), name("ws-2"), name("ws-2")]);
        assert_eq!(names(&fleet), ["ws-1.corp.example", "ws-2"]);
        assert_eq!(fleet.made_up, 2);
    }

    #[test]
    fn the_projects_own_scenario_stays_and_gets_what_it_lacks() {
        let base =
            "machines: { list: [{ id: 00aa, name: ws-1.lab.example, tags: [t] }] }\ndelays: { running: 7 }";
        let base = Scenario::from_yaml(base).unwrap();
        let fleet = of(Some(base.clone()), &[name("ws-1"), target(Target::Tag("t".into())), name("ws-2")]);
        assert_eq!(names(&fleet), ["ws-1.lab.example", "ws-2"]);
        assert_eq!((fleet.made_up, fleet.scenario.delays), (1, base.delays));
    }

    #[test]
    fn each_tag_has_devices_and_each_query_an_event_on_the_device_that_it_names() {
        let query = |text: &str| target(Target::Event(HuntingQuery { text: text.into(), timespan: None }));
        let templates = [
            name("fin-ws-1"),
            name("fin-ws-042"),
            target(Target::Tag("Tier 1!".into())),
            query("T | where DeviceName startswith \"FIN-ws-042\""),
            query("T | where x"),
            query("T | where x"),
        ];
        let fleet = of(None, &templates);
        assert_eq!(names(&fleet), ["fin-ws-042", "fin-ws-1", "tier-1-001", "tier-1-002", "hunted-002"]);
        let found: Vec<&Value> = fleet.scenario.hunting.iter().map(|q| &q.rows[0]["DeviceId"]).collect();
        assert_eq!(found, [&json!(id_of("fin-ws-042")), &json!(id_of("hunted-002"))]);
        assert_eq!(fleet.scenario.hunting[0].rows[0]["Timestamp"], "2026-01-05T07:00:00Z");
    }
}
