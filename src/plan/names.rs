//! Resources as people see and type them: those of a group by the machine's name in place of its id, and any by the bare
//! name of its machine.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use crate::model::{
    Address, AddressError, Desired, Entry, EntryMachine, Kind, MachineId, MachineName, Target, Template,
    first_label,
};
use crate::state::{Resource, State};

/// The name of the machine that a resource is about, as far as the state knows it.
pub fn recorded_name(r: &Resource) -> Option<&str> {
    r.sent.machine_name.as_deref().or(r.computer_dns_name.as_deref()).filter(|n| !n.is_empty())
}

/// How the addresses of groups are shown: with the first label of the machine's name where that is unambiguous in
/// the group, else with the whole name, else as they are, which is the one way that is left out here.
pub fn shown<'a>(
    resources: impl IntoIterator<Item = (&'a Address, Option<&'a str>)>,
) -> BTreeMap<&'a Address, String> {
    let named: Vec<(&Address, Address, String)> = resources
        .into_iter()
        .filter_map(|(a, name)| Some((a, a.group()?, name?.trim_end_matches('.').to_ascii_lowercase())))
        .collect();
    let mut times: HashMap<(&Address, &str), usize> = HashMap::new();
    for (_, group, name) in &named {
        *times.entry((group, first_label(name))).or_default() += 1;
        if first_label(name) != name {
            *times.entry((group, name)).or_default() += 1;
        }
    }
    let alone = |group: &Address, text: &str| times.get(&(group, text)) == Some(&1);
    let label = |group: &Address, name: &str| {
        let text = [first_label(name), name].into_iter().find(|text| alone(group, text))?;
        // What could not be typed again is no name to show.
        text.parse::<MachineName>().is_ok().then(|| text.to_owned())
    };
    named.iter().filter_map(|(a, group, name)| Some((*a, a.shown_as(&label(group, name)?)))).collect()
}

/// How the resources of a state are shown.
pub fn shown_in(state: &State) -> BTreeMap<&Address, String> {
    shown(state.resources.iter().map(|(a, r)| (a, recorded_name(r))))
}

/// A typed address that fits several resources.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{typed} is ambiguous: it can be {}", list(.shown))]
pub struct Ambiguous {
    /// As typed.
    pub typed: String,
    /// What it fits.
    pub fits: Vec<Address>,
    /// The same as people see and type it.
    pub shown: Vec<String>,
}

/// How many of those that a typed name fits are named.
const NAMED: usize = 10;

fn list(shown: &[String]) -> String {
    let named = shown.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(" or ");
    match shown.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}, and {more} more"),
    }
}

impl Ambiguous {
    /// `names` says how addresses of groups are shown.
    fn new(typed: &str, fits: Vec<Address>, names: &BTreeMap<&Address, String>) -> Self {
        let shown = fits.iter().map(|a| names.get(a).cloned().unwrap_or_else(|| a.to_string())).collect();
        Ambiguous { typed: typed.to_owned(), fits, shown }
    }
}

/// The resource that a typed address means: the one with that address, or the only one of the group whose machine
/// has that name or id. An address that fits none is itself.
///
/// # Errors
/// It fits several.
pub fn meant<'a>(
    typed: &Address,
    resources: impl IntoIterator<Item = (&'a Address, Option<&'a str>)>,
) -> Result<Address, Ambiguous> {
    let (Some((_, inner)), Some(group)) = (typed.parts(), typed.group()) else { return Ok(typed.clone()) };
    let name = inner.parse::<MachineName>().ok();
    let (mut fits, mut members) = (Vec::new(), Vec::new());
    for (address, machine) in resources {
        if address == typed {
            return Ok(typed.clone());
        }
        let Some((_, key)) = address.parts().filter(|_| address.group().as_ref() == Some(&group)) else {
            continue;
        };
        members.push((address, machine));
        let named = |n: &MachineName| machine.is_some_and(|m| is_machine(n, m));
        if key.eq_ignore_ascii_case(inner) || name.as_ref().is_some_and(named) {
            fits.push(address.clone());
        }
    }
    match fits.len() {
        0 => Ok(typed.clone()),
        1 => Ok(fits.remove(0)),
        _ => Err(Ambiguous::new(&typed.to_string(), fits, &shown(members))),
    }
}

/// The name that a person types for a resource that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// Its address.
    Address(Address),
    /// A bare word: the name or the id of its machine, or its own name.
    Bare(String),
}

impl FromStr for Named {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = || Address::from_str(text).map(Named::Address);
        let is_name = |kind: Kind| format!("{kind}/{text}").parse::<Address>().is_ok();
        match text.contains(['/', '[', ']']) || !Kind::ALL.into_iter().all(is_name) {
            true => address(),
            false => Ok(Named::Bare(text.to_owned())),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::Address(address) => address.fmt(f),
            Named::Bare(word) => f.write_str(word),
        }
    }
}

/// A typed name that means no resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It fits several.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    /// No machine and no resource is called so.
    #[error("the state holds no machine and no resource of the name {0}")]
    Unknown(String),
}

/// The resource of a state that a person means, where one is asked for. An address that fits none is itself. `kind`
/// leaves others out of what a bare word means.
///
/// # Errors
/// It fits several, or a bare word fits none.
pub fn meant_in(state: &State, typed: &Named, kind: Option<Kind>) -> Result<Address, NameError> {
    match typed {
        Named::Address(typed) => Ok(address_in(state, typed)?),
        Named::Bare(word) => {
            let mut fits = called(state, word, kind);
            match (fits.pop(), fits.is_empty()) {
                (None, _) => Err(NameError::Unknown(word.clone())),
                (Some(one), true) => Ok(one.clone()),
                (Some(last), false) => Err(ambiguous(state, word, fits.into_iter().chain([last])).into()),
            }
        }
    }
}

/// The resources of a state that a person means to change: one, or all of a group that is named as a whole. An address
/// that fits none is itself. `kind` leaves others out of what a bare word means.
///
/// # Errors
/// It fits several that are no group, or a bare word fits none.
pub fn one_or_group_in(state: &State, typed: &Named, kind: Option<Kind>) -> Result<Vec<Address>, NameError> {
    match typed {
        Named::Address(typed) => Ok(address_or_group_in(state, typed)?),
        Named::Bare(word) => {
            let fits = called(state, word, kind);
            match is_group(&fits, word) {
                true => Ok(fits.into_iter().cloned().collect()),
                false => Ok(vec![meant_in(state, typed, kind)?]),
            }
        }
    }
}

/// The resource that a typed address means, or those of the group whose manifest has that address.
fn address_or_group_in(state: &State, typed: &Address) -> Result<Vec<Address>, Ambiguous> {
    let first = Address::new(typed.kind(), format!("{}[", typed.name()));
    let behind = state.resources.range(first..).map(|(a, _)| a);
    let members: Vec<Address> = behind.take_while(|a| a.group().as_ref() == Some(typed)).cloned().collect();
    match members.is_empty() || state.resources.contains_key(typed) {
        true => Ok(vec![address_in(state, typed)?]),
        false => Ok(members),
    }
}

/// Returns whether a bare word is the name of the group that all of these belong to.
fn is_group(fits: &[&Address], word: &str) -> bool {
    !fits.is_empty() && fits.iter().all(|a| a.parts().is_some_and(|(group, _)| group == word))
}

/// The resources of a state that a person means, where several may be shown: a bare word means all of one machine. An
/// address that fits none is itself. `kind` leaves others out of what a bare word means.
///
/// # Errors
/// It fits several machines, or a bare word fits none.
pub fn all_meant_in(state: &State, typed: &Named, kind: Option<Kind>) -> Result<Vec<Address>, NameError> {
    let word = match typed {
        Named::Address(typed) => return Ok(address_or_group_in(state, typed)?),
        Named::Bare(word) => word,
    };
    let fits = called(state, word, kind);
    if is_group(&fits, word) {
        return Ok(fits.into_iter().cloned().collect());
    }
    let machine = |a: &&Address| {
        let r = state.resources.get(a)?;
        Some(r.sent.call()?.machine().as_str().to_ascii_lowercase())
    };
    let machines: HashSet<Option<String>> = fits.iter().map(machine).collect();
    match machines.len() {
        0 => Err(NameError::Unknown(word.clone())),
        1 => Ok(fits.into_iter().cloned().collect()),
        _ => Err(ambiguous(state, word, fits.into_iter()).into()),
    }
}

/// The resource of a state that a typed address means.
///
/// # Errors
/// It fits several.
pub fn address_in(state: &State, typed: &Address) -> Result<Address, Ambiguous> {
    meant(typed, state.resources.iter().map(|(a, r)| (a, recorded_name(r))))
}

/// The resources whose machine has this name or id, and those that are called so themselves or by their group.
fn called<'a>(state: &'a State, word: &str, kind: Option<Kind>) -> Vec<&'a Address> {
    let name = word.parse::<MachineName>().ok();
    let id = word.parse::<MachineId>().ok();
    let is = |address: &Address, r: &Resource| {
        address.name() == word
            || address.parts().is_some_and(|(group, _)| group == word)
            || name.as_ref().is_some_and(|n| recorded_name(r).is_some_and(|m| is_machine(n, m)))
            || id.as_ref().is_some_and(|id| r.sent.call().is_some_and(|c| c.machine().is(id.as_str())))
    };
    let fits = state.resources.iter().filter(|(a, r)| kind.is_none_or(|k| a.kind() == k) && is(a, r));
    fits.map(|(address, _)| address).collect()
}

fn ambiguous<'a>(state: &State, word: &str, fits: impl Iterator<Item = &'a Address>) -> Ambiguous {
    Ambiguous::new(word, fits.cloned().collect(), &shown_in(state))
}

/// The address of a declared resource that a person means; none if no manifest declares one. A bare word is the name or
/// the id of its machine, or its own name. What stands for the machines of a tag is known by its own name alone.
/// `kind` leaves others out of what a bare word means.
///
/// # Errors
/// A bare word fits several.
pub fn declared_as(
    typed: &Named,
    kind: Option<Kind>,
    resources: &[Desired],
    templates: &[Template],
) -> Result<Option<Address>, Ambiguous> {
    let word = match typed {
        Named::Address(address) => {
            let manifest = address.group().unwrap_or_else(|| address.clone());
            let declared = resources.iter().any(|d| d.address == *address)
                || templates.iter().any(|t| *t.address() == manifest);
            return Ok(declared.then(|| address.clone()));
        }
        Named::Bare(word) => word,
    };
    let name = word.parse::<MachineName>().ok();
    let is_named = |machine: &str| name.as_ref().is_some_and(|n| is_machine(n, machine));
    let of_resource = |d: &Desired| {
        let is_it = d.address.name() == word
            || d.machine_name.as_deref().is_some_and(is_named)
            || word.parse::<MachineId>().is_ok_and(|id| d.call.machine().is(id.as_str()));
        is_it.then(|| d.address.clone())
    };
    let of_template = |t: &Template| {
        let listed = |e: &Entry| match &e.machine {
            EntryMachine::Id(id) => id.is(word),
            EntryMachine::Name(listed) => is_named(listed.as_str()),
        };
        match &t.target {
            _ if t.address().name() == word => Some(t.address().clone()),
            Target::Name(machine) => is_named(machine.as_str()).then(|| t.address().clone()),
            Target::File(file) if file.entries.iter().any(listed) => {
                format!("{}[{word}]", t.address()).parse().ok()
            }
            Target::File(_) | Target::Tag(_) | Target::Event(_) => None,
        }
    };
    let found = resources.iter().filter_map(of_resource).chain(templates.iter().filter_map(of_template));
    let mut fits: Vec<Address> = found.filter(|a| kind.is_none_or(|k| a.kind() == k)).collect();
    match fits.len() {
        0 | 1 => Ok(fits.pop()),
        _ => Err(Ambiguous::new(word, fits, &BTreeMap::new())),
    }
}

/// Returns whether a typed name means a machine of a recorded one. A whole name means what is recorded under its first
/// label too.
fn is_machine(typed: &MachineName, recorded: &str) -> bool {
    let short = || recorded.parse::<MachineName>().is_ok_and(|m| m.is_short() && m.means(typed.as_str()));
    typed.means(recorded) || short()
}

/// An address that a resource cannot get.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// No manifest declares such an address.
    #[error("no manifest could declare {0}")]
    NotDeclarable(Address),
    /// It is the place of another machine.
    #[error("{from} is about the machine {machine}, which {to} does not name")]
    OtherMachine {
        /// The resource.
        from: Address,
        /// As typed.
        to: Address,
        /// The machine that the resource is about, by its name if it is known.
        machine: String,
    },
}

/// The address that a resource of a state gets if a person types this one: the id of its machine stands in the brackets,
/// where its name was typed.
///
/// # Errors
/// No manifest could declare it for this resource.
pub fn renamed(from: &Address, r: &Resource, typed: &Address) -> Result<Address, Misplaced> {
    let declarable =
        |to: Address| if to.is_declarable() { Ok(to) } else { Err(Misplaced::NotDeclarable(typed.clone())) };
    let (Some((_, inner)), Some(group)) = (typed.parts(), typed.group()) else {
        return declarable(typed.clone());
    };
    let Some(machine) = r.sent.call().map(|c| c.machine().clone()) else {
        return declarable(typed.clone());
    };
    let to = declarable(group.member(&machine))?;
    let name = recorded_name(r);
    let by_id = inner.parse::<MachineId>().is_ok_and(|id| machine.is(id.as_str()));
    let by_name = inner.parse::<MachineName>().is_ok_and(|n| name.is_some_and(|m| n.means(m)));
    if by_id || by_name {
        return Ok(to);
    }
    let machine = name.unwrap_or(machine.as_str()).to_owned();
    Err(Misplaced::OtherMachine { from: from.clone(), to: typed.clone(), machine })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(machine: u8) -> Address {
        format!("InvestigationPackage/sweep[{}]", format!("{machine:02x}").repeat(20)).parse().unwrap()
    }

    #[test]
    fn a_name_is_shown_where_it_is_unambiguous() {
        let a: Vec<Address> = (0..6).map(member).collect();
        let plain: Address = "InvestigationPackage/one".parse().unwrap();
        let names = [
            (&a[0], Some("fin-ws-1.contoso.com")),
            (&a[1], Some("FIN-WS-2")),
            (&a[2], Some("hr-1.contoso.com")),
            (&a[3], Some("hr-1.fabrikam.com")),
            (&a[4], Some("odd name")),
            (&a[5], None),
            (&plain, Some("fin-ws-1")),
        ];
        let shown = shown(names);
        let texts: Vec<Option<&str>> = a.iter().map(|a| shown.get(a).map(String::as_str)).collect();
        assert_eq!(
            texts,
            [
                Some("InvestigationPackage/sweep[fin-ws-1]"),
                Some("InvestigationPackage/sweep[fin-ws-2]"),
                Some("InvestigationPackage/sweep[hr-1.contoso.com]"),
                Some("InvestigationPackage/sweep[hr-1.fabrikam.com]"),
                None,
                None,
            ]
        );
        assert!(!shown.contains_key(&plain));
        for (address, text) in &shown {
            assert_eq!(meant(&text.parse().unwrap(), names).as_ref(), Ok(*address));
        }
    }

    #[test]
    fn a_bare_word_is_a_machine_or_a_resource() {
        for word in ["fin-ws-042", "fin-ws-042.contoso.com", "Web1", "fb9ab6be3965095a09c057be7c90f0a2"] {
            assert_eq!(word.parse::<Named>().unwrap(), Named::Bare(word.into()));
        }
        let address = "InvestigationPackage/sweep[fin-ws-042]";
        assert_eq!(address.parse::<Named>().unwrap(), Named::Address(address.parse().unwrap()));
        for text in ["", "a b", "sweep[a]", "Package/a", "a/b/c", "x\u{7}"] {
            assert!(text.parse::<Named>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_typed_is_found_or_ambiguous() {
        let a: Vec<Address> = (0..3).map(member).collect();
        let names =
            [(&a[0], Some("hr-1.contoso.com")), (&a[1], Some("hr-1.fabrikam.com")), (&a[2], Some("hr-2"))];
        let typed = |text: &str| meant(&format!("InvestigationPackage/{text}").parse().unwrap(), names);
        assert_eq!(typed("sweep[HR-2]").as_ref(), Ok(&a[2]));
        assert_eq!(typed("sweep[hr-2.contoso.com]").as_ref(), Ok(&a[2]));
        assert_eq!(typed("sweep[hr-1.contoso.com]").as_ref(), Ok(&a[0]));
        assert_eq!(typed(&format!("sweep[{}]", "00".repeat(20))).as_ref(), Ok(&a[0]));
        assert_eq!(typed("sweep[hr-1]").unwrap_err().fits, a[..2]);
        assert_eq!(typed("sweep[nobody]").unwrap().name(), "sweep[nobody]");
        assert_eq!(typed("sweep").unwrap().name(), "sweep");
        assert_eq!(typed("other[hr-2]").unwrap().name(), "other[hr-2]");
    }
}
