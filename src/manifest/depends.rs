//! `dependsOn`: as it is written, and which resources it names.
//!
//! Names are resolved once all resources of a project, or of an incident, are known. What is resolved is free of
//! circles.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::yaml::reader::{Document, Id, NodeKind};
use crate::model::{Address, Dependency, Kind, Until};

/// One entry of `dependsOn`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependsOn {
    /// A name, or `Kind/name`.
    pub name: String,
    /// How far it must have come.
    pub until: Until,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Name(String),
    Full {
        name: String,
        #[serde(default)]
        until: Until,
    },
}

impl<'de> Deserialize<'de> for DependsOn {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match Form::deserialize(d)? {
            Form::Name(name) => DependsOn { name, until: Until::default() },
            Form::Full { name, until } => DependsOn { name, until },
        })
    }
}

impl Serialize for DependsOn {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.until {
            Until::Accepted => s.serialize_str(&self.name),
            until => Form::Full { name: self.name.clone(), until }.serialize(s),
        }
    }
}

impl JsonSchema for DependsOn {
    fn schema_name() -> Cow<'static, str> {
        "DependsOn".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "object"],
            "minLength": 1,
            "maxLength": 300,
            "properties": {
                "name": {
                    "type": "string",
                    "description": "The resource: a name, or `Kind/name`.",
                    "minLength": 1,
                    "maxLength": 300,
                    "examples": ["collect"]
                },
                "until": {
                    "type": "string",
                    "description": "`Accepted`, the default: the service has taken its call. `Succeeded`: it is over, and well.",
                    "enum": ["Accepted", "Succeeded"],
                    "default": "Accepted"
                }
            },
            "required": ["name"],
            "additionalProperties": false,
            "examples": ["collect"]
        })
    }
}

impl From<&Dependency> for DependsOn {
    fn from(d: &Dependency) -> Self {
        DependsOn { name: d.address.to_string(), until: d.until }
    }
}

/// An entry whose name is not resolved yet, and its place.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub name: String,
    pub until: Until,
    pub at: Range<usize>,
    /// A text of the resource holds the id of this one, so that it has to be one alone.
    pub for_id: bool,
}

/// The entries of a document that its schema has accepted.
pub(super) fn wanted(doc: &Document<'_>, root: Id) -> Vec<Wanted> {
    let list = doc.get(root, "dependsOn").map(|(_, list)| doc.children(list)).unwrap_or_default();
    list.iter().filter_map(|&entry| entry_of(doc, entry)).collect()
}

fn entry_of(doc: &Document<'_>, entry: Id) -> Option<Wanted> {
    let (name, until) = match doc.node(entry).kind {
        NodeKind::Mapping => {
            let until = doc.get(entry, "until").is_some_and(|(_, u)| doc.node(u).text == "Succeeded");
            (doc.get(entry, "name")?.1, if until { Until::Succeeded } else { Until::Accepted })
        }
        _ => (entry, Until::Accepted),
    };
    let node = doc.node(name);
    Some(Wanted { name: node.text.to_string(), until, at: node.span(), for_id: false })
}

/// A name with the kind in front of it, if there is one. A word in front of the dash that is no kind is part of a
/// name that nothing has.
pub(super) fn split(name: &str) -> (Option<Kind>, &str) {
    let named = name.split_once('/');
    let kind = named.and_then(|(word, _)| Kind::ALL.into_iter().find(|k| k.as_str() == word));
    match (kind, named) {
        (Some(kind), Some((_, name))) => (Some(kind), name),
        _ => (None, name),
    }
}

/// Sorted, each address once; the stricter `until` counts.
pub(super) fn settled(mut dependencies: Vec<Dependency>) -> Vec<Dependency> {
    dependencies.sort_by(|a, b| (&a.address, b.until).cmp(&(&b.address, a.until)));
    dependencies.dedup_by(|later, first| later.address == first.address);
    dependencies
}

/// One circle among resources and what they depend on, if there is one: each depends on the one behind it, and
/// the last one on the first.
pub(super) fn circle<'a>(
    edges: impl Iterator<Item = (&'a Address, &'a [Dependency])> + Clone,
) -> Option<Vec<&'a Address>> {
    // Those that wait for nothing are taken out, again and again; what is left waits in a circle.
    let mut open: HashMap<&Address, usize> = HashMap::new();
    let mut behind: HashMap<&Address, Vec<&Address>> = HashMap::new();
    let of: HashMap<&Address, &[Dependency]> = edges.clone().collect();
    for (from, to) in edges.clone() {
        let bound: Vec<&Address> = to.iter().map(|d| &d.address).filter(|a| of.contains_key(a)).collect();
        open.insert(from, bound.len());
        for to in bound {
            behind.entry(to).or_default().push(from);
        }
    }
    let mut free: Vec<&Address> = open.iter().filter(|(_, n)| **n == 0).map(|(a, _)| *a).collect();
    while let Some(address) = free.pop() {
        open.remove(address);
        for &next in behind.get(address).into_iter().flatten() {
            if let Some(n) = open.get_mut(next) {
                *n -= 1;
                if *n == 0 {
                    free.push(next);
                }
            }
        }
    }
    // From any that is left the way leads into a circle; the first address makes the answer stable.
    let mut at = *open.keys().min()?;
    let mut way: Vec<&Address> = Vec::new();
    let mut seen: HashMap<&Address, usize> = HashMap::new();
    loop {
        if let Some(&start) = seen.get(at) {
            way.drain(..start);
            let first = way.iter().enumerate().min_by_key(|(_, a)| **a).map_or(0, |(i, _)| i);
            way.rotate_left(first);
            return Some(way);
        }
        seen.insert(at, way.len());
        way.push(at);
        at = of.get(at)?.iter().map(|d| &d.address).find(|a| open.contains_key(a))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: usize) -> Address {
        Address::new(Kind::Alert, format!("a{n}"))
    }

    fn graph(edges: &[(usize, &[usize])]) -> Vec<(Address, Vec<Dependency>)> {
        let on = |n: &usize| Dependency { address: address(*n), until: Until::Accepted };
        edges.iter().map(|(from, to)| (address(*from), to.iter().map(on).collect())).collect()
    }

    fn found(edges: &[(usize, &[usize])]) -> Option<Vec<String>> {
        let graph = graph(edges);
        let circle = circle(graph.iter().map(|(a, d)| (a, &**d)));
        circle.map(|c| c.into_iter().map(|a| a.name().to_owned()).collect())
    }

    #[test]
    fn circles_are_found_and_nothing_else() {
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[(1, &[2, 3]), (2, &[3]), (4, &[1])]), None);
        assert_eq!(found(&[(1, &[1])]).unwrap(), ["a1"]);
        assert_eq!(found(&[(0, &[3]), (3, &[2]), (2, &[1]), (1, &[3])]).unwrap(), ["a1", "a3", "a2"]);
        // What only hangs on a circle is no part of it.
        assert_eq!(found(&[(9, &[5]), (5, &[6]), (6, &[5]), (7, &[9])]).unwrap(), ["a5", "a6"]);
    }

    #[test]
    fn a_chain_of_any_length_is_followed() {
        let ring: Vec<[usize; 1]> = (0..50_000).map(|n| [(n + 1) % 50_000]).collect();
        let edges: Vec<(usize, &[usize])> = ring.iter().enumerate().map(|(n, to)| (n, &to[..])).collect();
        assert_eq!(found(&edges).unwrap().len(), 50_000);
        assert_eq!(found(&edges[..49_999]), None);
    }

    #[test]
    fn the_stricter_until_counts() {
        let on = |n, until| Dependency { address: address(n), until };
        let both = vec![
            on(2, Until::Accepted),
            on(1, Until::Accepted),
            on(2, Until::Succeeded),
            on(1, Until::Accepted),
        ];
        assert_eq!(settled(both), [on(1, Until::Accepted), on(2, Until::Succeeded)]);
        assert_eq!(split("Alert/a"), (Some(Kind::Alert), "a"));
        assert_eq!(split("Other/a"), (None, "Other/a"));
    }

    #[test]
    fn an_entry_is_written_as_it_is_read() {
        let text = r#"["a",{"name":"Alert/b","until":"Succeeded"}]"#;
        let read: Vec<DependsOn> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
