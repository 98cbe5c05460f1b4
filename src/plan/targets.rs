//! Machines by name, by tag and from a file: templates and machines as listed become resources with ids.
//!
//! A function of values, independent of the order of its inputs. What was asked under a name keeps the machine that
//! is recorded for it, until a new revision asks again; what is not known is an error with its place, never a
//! smaller set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{
    Address, Entry, EntryMachine, HuntedEvent, HuntingQuery, Kind, Machine, MachineId, MachineName, Place,
    Sha256Hex, Target, Template, first_label,
};
use crate::state::{Phase, Resource, State};

#[cfg(test)]
mod pinned;
mod values;

pub use values::{
    Candidate, Drift, EventGap, Group, Inventory, Left, Listed, NotListed, Resolved, SealedMachine,
    TargetError, Targets, Templates, Unresolved, Wanted,
};

/// What has to be listed: names that are not recorded under their revision, and tags.
pub fn wanted(input: &Templates<'_>) -> Wanted {
    let recorded = Recorded::of(input);
    let mut wanted = Wanted::default();
    let mut name = |n: &MachineName| drop(wanted.names.insert(n.key(), n.clone()));
    let (mut tags, mut queries) = (BTreeSet::new(), BTreeSet::new());
    for t in input.templates.iter().filter(|t| (input.selected)(t.address())) {
        match &t.target {
            Target::Name(n) => {
                if recorded.asked(t, n).is_none() && !input.sealed.contains_key(t.address()) {
                    name(n);
                }
            }
            // Where a seal says which machines are asked, the list says how they have changed since.
            Target::Tag(tag) => drop(tags.insert(tag.to_string())),
            Target::Event(query) => {
                if recorded.event(t).is_none() && sealed_event(input, t).is_none() {
                    queries.insert(query.clone());
                }
            }
            Target::File(_) if input.sealed.contains_key(t.address()) => {}
            Target::File(file) => {
                for e in &file.entries {
                    if let EntryMachine::Name(n) = &e.machine
                        && recorded.asked(t, n).is_none()
                    {
                        name(n);
                    }
                }
            }
        }
    }
    Wanted { tags, queries, ..wanted }
}

/// The event that a seal holds for a template.
fn sealed_event<'a>(input: &Templates<'a>, t: &Template) -> Option<&'a HuntedEvent> {
    match input.sealed.get(t.address()).map(Vec::as_slice) {
        Some([machine]) => machine.event.as_ref(),
        _ => None,
    }
}

/// Resolves every template.
pub fn resolve(input: &Templates<'_>, inventory: &Inventory) -> Resolved {
    let mut resolver = Resolver {
        input,
        recorded: Recorded::of(input),
        names: index(inventory),
        inventory,
        out: Resolved::default(),
    };
    for t in input.templates {
        if (input.selected)(t.address()) {
            let before = resolver.out.errors.len();
            resolver.template(t);
            if input.skip_unresolved && resolver.out.errors.len() > before {
                resolver.keep(t);
            }
        } else {
            resolver.unplanned(t);
        }
    }
    let mut out = resolver.out;
    out.desired.sort_by(|a, b| a.address.cmp(&b.address));
    out.targets.groups.sort_by(|a, b| a.address.cmp(&b.address));
    let place = |e: &TargetError| (e.place.file.clone(), e.place.line, e.place.column);
    out.errors.sort_by(|a, b| (place(a), &a.address).cmp(&(place(b), &b.address)));
    if input.skip_unresolved {
        out.targets.skipped = std::mem::take(&mut out.errors);
    }
    out.machines.sort_by(|a, b| a.id.cmp(&b.id));
    out.machines.dedup_by(|a, b| a.id.eq_ignore_ascii_case(&b.id));
    out
}

/// What the state says of templates.
struct Recorded<'a> {
    state: &'a State,
    /// Resources that no manifest declares, by kind, name and revision.
    orphans: HashMap<(Kind, String, u32), Vec<&'a Resource>>,
}

impl<'a> Recorded<'a> {
    fn of(input: &Templates<'a>) -> Self {
        let mut declared: BTreeSet<&Address> = input.declared.iter().map(|d| &d.address).collect();
        declared.extend(input.templates.iter().map(Template::address));
        let mut orphans: HashMap<_, Vec<&Resource>> = HashMap::new();
        for (address, r) in &input.state.resources {
            if let Some(name) = &*r.sent.machine_name
                && address.parts().is_none()
                && r.phase != Phase::Released
                && !declared.contains(address)
            {
                let key = (address.kind(), name.to_ascii_lowercase(), r.sent.revision);
                orphans.entry(key).or_default().push(r);
            }
        }
        Recorded { state: input.state, orphans }
    }

    /// The resources of a group.
    fn members(&self, t: &Template) -> impl Iterator<Item = (&'a Address, &'a Resource)> + use<'a> {
        let group = t.address().clone();
        // The first text that can be one of the group.
        let first = Address::new(group.kind(), format!("{}[", group.name()));
        let behind = self.state.resources.range(first..);
        behind.take_while(move |(a, _)| a.group().as_ref() == Some(&group))
    }

    /// The event that this revision of the resource was asked about, and which query found it: the query is never run
    /// again, whatever has become of its text. Of what was released only the id counts, so that a name can be used
    /// anew.
    fn event(&self, t: &Template) -> Option<(HuntedEvent, Option<Sha256Hex>)> {
        let own = self.state.resources.get(t.address()).filter(|r| r.phase != Phase::Released);
        let r = own.or_else(|| self.moved(t))?;
        let same = r.sent.revision == t.declared().revision;
        let event = HuntedEvent::of(&r.sent.call()?).filter(|_| same)?;
        Some((event, *r.sent.query_digest))
    }

    /// The record that a manifest's `moved` names, as long as it is under its old address.
    fn moved(&self, t: &Template) -> Option<&'a Resource> {
        self.state.resources.get(t.declared().moved_from()?).filter(|r| r.phase != Phase::Released)
    }

    /// The machine that was asked under this name and revision. A renamed manifest's is that of the only resource
    /// that nobody declares any more and that sent the very same request.
    fn asked(&self, t: &Template, name: &MachineName) -> Option<MachineId> {
        let revision = t.declared().revision;
        let same = |r: &Resource| {
            r.sent.revision == revision
                && r.sent.machine_name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name.as_str()))
        };
        let machine = |r: &Resource| r.sent.call().map(|c| c.machine().clone());
        if t.target.is_group() {
            let latest = self.members(t).filter(|(_, r)| same(r)).max_by_key(|(_, r)| r.changed);
            return machine(latest?.1);
        }
        if let Some(r) = self.state.resources.get(t.address()).filter(|r| same(r)) {
            return machine(r);
        }
        if let Some(r) = self.moved(t).filter(|r| same(r)) {
            return machine(r);
        }
        if self.state.resources.contains_key(t.address()) {
            return None;
        }
        let renamed = self.orphans.get(&(t.address().kind(), name.key(), revision))?;
        let sent = |r: &&&Resource| machine(r).is_some_and(|m| t.on(&m, None).digest == r.digest);
        let mut same_request = renamed.iter().filter(sent);
        match (same_request.next(), same_request.next()) {
            (Some(r), None) => machine(r),
            _ => None,
        }
    }
}

struct Resolver<'a> {
    input: &'a Templates<'a>,
    recorded: Recorded<'a>,
    inventory: &'a Inventory,
    /// Listed machines by what a name can mean: whole names and first labels, in lower case.
    names: HashMap<String, Vec<&'a Machine>>,
    out: Resolved,
}

fn index(inventory: &Inventory) -> HashMap<String, Vec<&Machine>> {
    let mut names: HashMap<String, Vec<&Machine>> = HashMap::new();
    for m in inventory.named.iter().flatten() {
        let Some(name) = &m.computer_dns_name else { continue };
        let whole = name.trim_end_matches('.').to_ascii_lowercase();
        let label = first_label(&whole).to_owned();
        if label != whole {
            names.entry(label).or_default().push(m);
        }
        names.entry(whole).or_default().push(m);
    }
    names
}

impl Resolver<'_> {
    /// Notes what a template lacks. What could not be read is no fault of the place that needs it.
    fn error(&mut self, t: &Template, place: &Place, why: Unresolved) {
        if let Unresolved::NotLooked { why: NotListed::Unread(unread), .. }
        | Unresolved::NotRun { why: NotListed::Unread(unread) } = why
        {
            unread.add_to(&mut self.out.unread);
            return;
        }
        self.out.errors.push(TargetError { address: t.address().clone(), place: place.clone(), why });
    }

    fn template(&mut self, t: &Template) {
        let sealed = self.input.sealed.get(t.address());
        match (&t.target, sealed) {
            (Target::Name(name), sealed) => {
                if let Some(id) = self.recorded.asked(t, name) {
                    self.out.desired.push(t.on(&id, Some(name.as_str())));
                } else if let Some([machine]) = sealed.map(Vec::as_slice) {
                    self.out.desired.push(t.on(&machine.id, Some(name.as_str())));
                } else {
                    match self.one(name) {
                        Ok((id, others)) => {
                            let d = t.on(&id, Some(name.as_str()));
                            if !others.is_empty() {
                                self.out.targets.others.insert(d.address.clone(), others);
                            }
                            self.out.desired.push(d);
                        }
                        Err(why) => self.error(t, &t.place, why),
                    }
                }
            }
            (Target::Event(query), _) => {
                if let Some((event, ran)) = self.recorded.event(t) {
                    if ran.is_some_and(|ran| ran != query.digest()) {
                        self.out.targets.edited.insert(t.address().clone());
                    }
                    self.out.desired.push(t.on_event(&event, ran));
                    return;
                }
                // A seal that counts holds this very query.
                let event = match sealed_event(self.input, t) {
                    Some(event) => Ok(event.clone()),
                    None => self.hunted(query),
                };
                match event {
                    Ok(event) => self.out.desired.push(t.on_event(&event, Some(query.digest()))),
                    Err(why) => self.error(t, &t.place, why),
                }
            }
            (Target::Tag(tag), None) => match self.tagged(tag) {
                Ok((members, skipped)) => self.group(t, members, skipped, None),
                Err(why) => {
                    let what = format!("which machines carry the tag {tag} is not known");
                    self.error(t, &t.place, Unresolved::NotLooked { what, why });
                }
            },
            (Target::Tag(tag), Some(sealed)) => {
                let now = self.tagged(tag).map(|(members, _)| members);
                self.sealed(t, sealed, now);
            }
            (Target::File(file), None) => {
                if let Some(members) = self.listed(t, &file.entries) {
                    self.group(t, members, Vec::new(), None);
                }
            }
            // Its digest is the sealed one, so it lists the same machines.
            (Target::File(_), Some(sealed)) => {
                let now = sealed.iter().map(|m| (m.id.clone(), m.name.clone())).collect();
                self.sealed(t, sealed, Ok(now));
            }
        }
    }

    /// Keeps resources of earlier plans declared while their machines cannot be told.
    fn keep(&mut self, t: &Template) {
        let made: BTreeSet<Address> = self.out.desired.iter().map(|d| d.address.clone()).collect();
        let resources = &self.recorded.state.resources;
        let moved = t.declared().moved_from();
        let own = [Some(t.address()), moved].into_iter().flatten().filter(|a| resources.contains_key(a));
        let kept: Vec<Address> =
            self.recorded.members(t).map(|(a, _)| a.clone()).chain(own.cloned()).collect();
        for address in kept.into_iter().filter(|a| !made.contains(a)) {
            self.out.targets.left.insert(address, Left::Unresolved);
        }
    }

    /// Of what is not planned only the record counts: it is declared, whatever became of its machines.
    fn unplanned(&mut self, t: &Template) {
        if t.target.is_group() {
            for (address, r) in self.recorded.members(t) {
                self.as_recorded(t, address, r);
            }
        } else if let Some(r) = self.recorded.state.resources.get(t.address()) {
            self.as_recorded(t, t.address(), r);
        } else if let Target::Name(name) = &t.target
            && let Some(id) = self.recorded.asked(t, name)
        {
            self.out.desired.push(t.on(&id, Some(name.as_str())));
        }
    }

    fn as_recorded(&mut self, t: &Template, address: &Address, r: &Resource) {
        match r.sent.call() {
            Some(call) if t.address_on(call.machine()) == *address => {
                let d = t.as_sent(&call, r.sent.machine_name.as_deref(), *r.sent.query_digest);
                self.out.desired.push(d);
            }
            _ => drop(self.out.targets.left.insert(address.clone(), Left::NotLooked)),
        }
    }

    /// The one event that a query finds.
    fn hunted(&self, query: &HuntingQuery) -> Result<HuntedEvent, Unresolved> {
        let table = match self.inventory.hunted.get(query) {
            Some(Ok(table)) => table,
            Some(Err(why)) => return Err(Unresolved::NotRun { why: why.clone() }),
            None => return Err(Unresolved::NotRun { why: self.inventory.why_not() }),
        };
        let gap = |gap| Unresolved::NoEvent { gap, table: table.clone() };
        if table.rows.is_empty() {
            return Err(gap(EventGap::Rows(0)));
        }
        let events = table.events().map_err(|e| gap(EventGap::Row(e)))?;
        <[HuntedEvent; 1]>::try_from(events).map(|[event]| event).map_err(|e| gap(EventGap::Rows(e.len())))
    }

    /// The one machine that a name means, and the records that have the name too.
    fn one(&mut self, name: &MachineName) -> Result<(MachineId, Vec<Candidate>), Unresolved> {
        let written = name.to_string();
        if let Err(why) = &self.inventory.named {
            let what = format!("which machine is called {written} is not known");
            return Err(Unresolved::NotLooked { what, why: why.clone() });
        }
        let mut found: Vec<&Machine> = self.names.get(&name.key()).cloned().unwrap_or_default();
        latest_first(&mut found);
        let candidates = || found.iter().map(|m| Candidate::from(*m)).collect::<Vec<_>>();
        let mut answering = found.iter().filter(|m| m.may_answer());
        let (Some(machine), None) = (answering.next(), answering.next()) else {
            return Err(match found.iter().any(|m| m.may_answer()) {
                true => Unresolved::Several { name: written, candidates: candidates() },
                false if found.is_empty() => Unresolved::NotFound { name: written },
                false => Unresolved::NoneActive { name: written, candidates: candidates() },
            });
        };
        let id = machine.id.parse().map_err(|_| Unresolved::NotLooked {
            what: format!("which machine is called {written} is not known"),
            why: bad_id(machine),
        })?;
        let others = candidates().into_iter().filter(|c| !machine.id.eq_ignore_ascii_case(&c.id)).collect();
        self.out.machines.push((**machine).clone());
        Ok((id, others))
    }

    /// The machines with a tag, and the records that carry it and stand for none.
    fn tagged(&mut self, tag: &str) -> Result<(Members, Vec<Candidate>), NotListed> {
        let listed = match self.inventory.tagged.get(tag) {
            Some(Ok(listed)) => listed,
            Some(Err(why)) => return Err(why.clone()),
            None => return Err(self.inventory.why_not()),
        };
        let (mut members, mut skipped) = (Members::new(), BTreeSet::new());
        // A record that shows its tags and not this one was not asked for.
        let carries = |m: &&Machine| {
            m.machine_tags.is_empty() || m.machine_tags.iter().any(|t| t.eq_ignore_ascii_case(tag))
        };
        for m in listed.iter().filter(carries) {
            if m.merged_into().is_some() || !m.is_onboarded() {
                skipped.insert(Candidate::from(m));
                continue;
            }
            let id: MachineId = m.id.to_ascii_lowercase().parse().map_err(|_| bad_id(m))?;
            self.out.machines.push(m.clone());
            members.insert(id, m.computer_dns_name.clone().filter(|n| !n.trim().is_empty()));
        }
        Ok((members, skipped.into_iter().collect()))
    }

    /// The machines of a file; none if one of them is not known.
    fn listed(&mut self, t: &Template, entries: &[Entry]) -> Option<Members> {
        let lacking = |out: &Resolved| (out.errors.len(), out.unread.len());
        let before = lacking(&self.out);
        let mut members = Members::new();
        let mut add = |id: MachineId, name: Option<String>| {
            let id = id.as_str().to_ascii_lowercase().parse().unwrap_or(id);
            let known: &mut Option<String> = members.entry(id).or_default();
            // Of several names for one machine the first by alphabet: the order of lines means nothing.
            *known = known.take().into_iter().chain(name).min();
        };
        for e in entries {
            match &e.machine {
                EntryMachine::Id(id) => add(id.clone(), None),
                EntryMachine::Name(name) => {
                    let id = match self.recorded.asked(t, name) {
                        Some(id) => Ok(id),
                        None => self.one(name).map(|(id, others)| {
                            if !others.is_empty() {
                                self.out.targets.others.insert(t.address_on(&id), others);
                            }
                            id
                        }),
                    };
                    match id {
                        Ok(id) => add(id, Some(name.to_string())),
                        Err(why) => self.error(t, &e.place, why),
                    }
                }
            }
        }
        // One machine that is not known is no reason to leave the others out, if that is wanted.
        let unread = self.out.unread.len() > before.1;
        (lacking(&self.out) == before || self.input.skip_unresolved && !unread).then_some(members)
    }

    fn group(&mut self, t: &Template, members: Members, skipped: Vec<Candidate>, sealed: Option<Drift>) {
        let mut left = 0;
        for (address, r) in self.recorded.members(t) {
            let asked = |id: &MachineId| address.parts().is_some_and(|(_, key)| id.is(key));
            if r.phase != Phase::Released && !members.keys().any(asked) {
                left += 1;
                let why = match &t.target {
                    _ if sealed.is_some() => Left::Seal,
                    Target::Tag(tag) => Left::Tag(tag.to_string()),
                    Target::File(file) => Left::File(file.file.to_string()),
                    Target::Name(_) | Target::Event(_) => Left::NotLooked,
                };
                self.out.targets.left.insert(address.clone(), why);
            }
        }
        self.out.targets.groups.push(Group {
            address: t.address().clone(),
            target: t.target.clone(),
            machines: members.len(),
            left,
            skipped,
            sealed,
        });
        self.out.desired.extend(members.iter().map(|(id, name)| t.on(id, name.as_deref())));
    }

    fn sealed(&mut self, t: &Template, sealed: &[SealedMachine], now: Result<Members, NotListed>) {
        let members: Members = sealed.iter().map(|m| (m.id.clone(), m.name.clone())).collect();
        let shown = |(id, name): (&MachineId, &Option<String>)| match name {
            Some(name) => format!("{name} ({id})"),
            None => id.to_string(),
        };
        let drift = match now {
            Ok(now) => Drift {
                joined: now.iter().filter(|(id, _)| !members.contains_key(*id)).map(shown).collect(),
                gone: members.iter().filter(|(id, _)| !now.contains_key(*id)).map(shown).collect(),
                unknown: None,
            },
            Err(why) => Drift { unknown: Some(why.to_string()), ..Drift::default() },
        };
        self.group(t, members, Vec::new(), Some(drift));
    }
}

/// Machines of a group, and their names.
type Members = BTreeMap<MachineId, Option<String>>;

fn bad_id(m: &Machine) -> NotListed {
    NotListed::Unusable(format!("the service lists a machine with the id {}, which is none", m.id))
}

/// By when they reported last; of equal ones by id.
fn latest_first(machines: &mut Vec<&Machine>) {
    machines.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.id.cmp(&b.id)));
    machines.dedup_by(|a, b| a.id.eq_ignore_ascii_case(&b.id));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Call, Desired, Hindrance, MachineFile, Source};
    use crate::plan::Unread;

    fn place(line: u32) -> Place {
        let file = "a.yaml".into();
        Place { file, line, column: 1, end_column: 2, source_line: "".into(), source_offset: 0 }
    }

    fn template(name: &str, target: Target) -> Template {
        let call = Call::collect(MachineId::unknown(), "c");
        let address = Address::new(Kind::InvestigationPackage, name);
        let source = Source { file: "a.yaml".into(), line: 1 };
        Template::new(Desired::new(address, source, call, 1), target, place(1))
    }

    fn named(name: &str) -> Target {
        Target::Name(name.parse().unwrap())
    }

    fn file(names: &[String]) -> Target {
        let entry = |(i, name): (usize, &String)| Entry {
            machine: match name.parse() {
                Ok(id) => EntryMachine::Id(id),
                Err(_) => EntryMachine::Name(name.parse().unwrap()),
            },
            place: place(u32::try_from(i).unwrap()),
        };
        let entries = names.iter().enumerate().map(entry).collect();
        Target::File(MachineFile { file: "hosts".into(), column: None, digest: Sha256Hex::ZERO, entries })
    }

    fn machine(n: u8, name: &str, health: &str, seen: u8) -> Machine {
        serde_json::from_value(serde_json::json!({
            "id": format!("{n:02x}").repeat(20), "computerDnsName": name, "healthStatus": health,
            "lastSeen": format!("2026-03-01T{:02}:00:00Z", seen % 24),
        }))
        .unwrap()
    }

    fn all(templates: &[Template], named: Listed, tagged: &[(&str, Listed)]) -> Resolved {
        let tagged = tagged.iter().map(|(tag, list)| ((*tag).to_owned(), list.clone())).collect();
        let input = Templates {
            templates,
            declared: &[],
            state: &State::default(),
            sealed: &BTreeMap::new(),
            selected: &|_| true,
            skip_unresolved: false,
        };
        resolve(&input, &Inventory { named, tagged, hunted: BTreeMap::new() })
    }

    /// Everything of it that a plan can show.
    fn told(r: &Resolved) -> String {
        let rows: Vec<String> = r
            .desired
            .iter()
            .map(|d| format!("{} {} {:?}", d.address, d.call.machine(), d.machine_name))
            .collect();
        let ids: Vec<&str> = r.machines.iter().map(|m| m.id.as_str()).collect();
        format!("{rows:?} {:?} {:?} {:?} {ids:?}", r.targets.groups, r.targets.others, r.errors)
    }

    #[test]
    fn the_only_active_record_wins_and_the_others_are_told() {
        let fleet = vec![
            machine(1, "ws.contoso.com", "Inactive", 9),
            machine(2, "WS", "Active", 3),
            machine(3, "ws-2", "Active", 5),
        ];
        let r = all(&[template("a", named("ws"))], Ok(fleet), &[]);
        assert_eq!(r.desired[0].call.machine().as_str(), "02".repeat(20));
        let others: Vec<&str> = r.targets.others.values().flatten().map(|c| c.id.as_str()).collect();
        assert_eq!(others, ["01".repeat(20)]);
    }

    fn not_asked() -> NotListed {
        NotListed::NotAsked("--no-refresh".into())
    }

    #[test]
    fn a_list_that_is_missing_is_never_a_smaller_set() {
        let (tag, name) = (Target::Tag("t".into()), named("ws"));
        for (target, named, tagged) in [
            (&tag, Ok(vec![]), Err(not_asked())),
            (&name, Err(not_asked()), Ok(vec![])),
            (&file(&["ws".to_owned()]), Err(not_asked()), Ok(vec![])),
        ] {
            let r = all(&[template("a", target.clone())], named, &[("t", tagged)]);
            assert!(r.desired.is_empty() && r.unread.is_empty());
            let [TargetError { why: Unresolved::NotLooked { why, .. }, .. }] = r.errors.as_slice() else {
                panic!("{:?}", r.errors)
            };
            assert_eq!(*why, not_asked());
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_is_no_fault_of_the_places_that_need_it() {
        let unread = || Unread::new("machines", Hindrance::Unavailable(None), "503");
        let names: Vec<String> = (0..120).map(|n| format!("ws-{n}")).collect();
        let templates = [template("a", named("ws")), template("b", file(&names))];
        let r = all(&templates, Err(NotListed::Unread(unread())), &[]);
        assert!(r.desired.is_empty() && r.errors.is_empty());
        assert_eq!(r.unread, [unread()]);
    }

    #[test]
    fn merged_records_and_those_without_a_sensor_carry_no_tag() {
        let mut merged = machine(1, "a", "Active", 1);
        merged.merged_into_machine_id = Some("02".repeat(20));
        let mut bare = machine(3, "b", "Active", 1);
        bare.onboarding_status = Some("CanBeOnboarded".into());
        let mut other = machine(4, "c", "Active", 1);
        other.machine_tags = vec!["tier10".into()];
        let fleet = vec![merged, machine(2, "a", "Inactive", 1), bare, other];
        let r = all(&[template("s", Target::Tag("tier1".into()))], Ok(vec![]), &[("tier1", Ok(fleet))]);
        let addresses: Vec<&str> = r.desired.iter().map(|d| d.address.name()).collect();
        assert_eq!(addresses, [format!("s[{}]", "02".repeat(20))]);
        assert_eq!(r.targets.groups[0].skipped.len(), 2);
    }

    #[test]
    fn one_machine_that_a_file_names_twice_is_one_resource() {
        let names = ["ws".to_owned(), "ws.contoso.com".to_owned(), "AA".repeat(20)];
        let fleet = vec![machine(0xaa, "ws.contoso.com", "Active", 1)];
        let r = all(&[template("s", file(&names))], Ok(fleet), &[]);
        assert_eq!(r.desired.len(), 1);
        assert_eq!(r.desired[0].machine_name.as_deref(), Some("ws"));
    }

    fn fleets() -> impl Strategy<Value = (Vec<Machine>, Vec<Machine>)> {
        let health = prop::sample::select(vec!["Active", "Inactive", "Unknown"]);
        let name = prop::sample::select(vec!["a", "b", "a.x", "A.y", "c.x"]);
        let one =
            (0u8..12, name, health, 0u8..4).prop_map(|(n, name, health, s)| machine(n, name, health, s));
        prop::collection::vec(one, 0..12)
            .prop_map(|mut list| {
                list.sort_by(|a, b| a.id.cmp(&b.id));
                list.dedup_by(|a, b| a.id == b.id);
                list
            })
            .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_order_of_lists_and_templates_means_nothing(
            (fleet, shuffled) in fleets(),
            names in Just(vec!["a", "b", "a.x", "c"]).prop_shuffle(),
        ) {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            let templates = |names: &[String]| {
                let mut list: Vec<Template> =
                    names.iter().map(|n| template(&format!("one-{n}"), named(n))).collect();
                list.push(template("tag", Target::Tag("t".into())));
                list
            };
            let mut sorted = names.clone();
            sorted.sort();
            let one = all(&templates(&names), Ok(fleet.clone()), &[("t", Ok(fleet.clone()))]);
            let other = all(&templates(&sorted), Ok(shuffled.clone()), &[("t", Ok(shuffled.clone()))]);
            prop_assert_eq!(told(&one), told(&other));
            // The lines of a file, errors apart, which stand at their lines.
            let one = all(&[template("file", file(&names))], Ok(fleet), &[]);
            let other = all(&[template("file", file(&sorted))], Ok(shuffled), &[]);
            let addresses = |r: &Resolved| r.desired.iter().map(|d| (d.address.clone(), d.machine_name.clone())).collect::<Vec<_>>();
            prop_assert_eq!(addresses(&one), addresses(&other));
            prop_assert_eq!(one.errors.len(), other.errors.len());
        }
    }
}
