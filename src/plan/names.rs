//! The addresses of a group as people see and type them: by the machine's name in place of its id.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Address, MachineId, MachineName, first_label};
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
#[error("{typed} is ambiguous: it can be {}", list(.fits))]
pub struct Ambiguous {
    /// As typed.
    pub typed: Address,
    /// What it fits.
    pub fits: Vec<Address>,
}

fn list(addresses: &[Address]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(" or ")
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
    let mut fits = Vec::new();
    for (address, machine) in resources {
        if address == typed {
            return Ok(typed.clone());
        }
        let Some((_, key)) = address.parts().filter(|_| address.group().as_ref() == Some(&group)) else {
            continue;
        };
        // A whole name means what is recorded under its first label too.
        let named = |n: &MachineName| {
            machine.is_some_and(|m| {
                n.means(m) || m.parse::<MachineName>().is_ok_and(|m| m.is_short() && m.means(n.as_str()))
            })
        };
        if key.eq_ignore_ascii_case(inner) || name.as_ref().is_some_and(named) {
            fits.push(address.clone());
        }
    }
    match fits.len() {
        0 => Ok(typed.clone()),
        1 => Ok(fits.remove(0)),
        _ => Err(Ambiguous { typed: typed.clone(), fits }),
    }
}

/// The resource of a state that a typed address means.
///
/// # Errors
/// It fits several.
pub fn meant_in(state: &State, typed: &Address) -> Result<Address, Ambiguous> {
    meant(typed, state.resources.iter().map(|(a, r)| (a, recorded_name(r))))
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
