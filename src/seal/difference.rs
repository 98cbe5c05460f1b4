//! How an intact seal differs from what the manifests say: in words, and where in the seal.

use std::collections::BTreeMap;

use serde_json::Value;

use super::format::{Seal, Sealed, SealedTarget};
use crate::model::Address;

/// How many differences are told of a seal, and how many fields of a resource.
const TOLD: usize = 3;

/// How many characters of a value are shown.
const SHOWN: usize = 48;

/// The differences of a seal in words, and the first one's place.
#[derive(Debug, Default)]
pub(super) struct Differences {
    parts: Vec<String>,
    /// Where the first difference is, as far as it is one of a resource.
    pub(super) first: Option<Place>,
}

/// A resource of a seal, and the field of it that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// As it is sealed.
    pub(super) address: Address,
    /// As the manifest declares it, if it does.
    pub(super) declared: Option<Address>,
    /// Its key and that of the mapping that holds it: `spec`, `comment`.
    field: Vec<String>,
}

/// A field that has another value.
struct Field {
    path: Vec<String>,
    sealed: Option<Value>,
    declared: Option<Value>,
}

/// Compares what the manifests say with what is sealed.
pub(super) fn differences(expected: &Seal, found: &Seal) -> Differences {
    let of = |seal: &Seal| -> BTreeMap<Address, Sealed> {
        seal.resources.iter().map(|s| (s.address.clone(), s.clone())).collect()
    };
    let (new, mut old) = (of(expected), of(found));
    let mut out = Differences::default();
    if expected.service != found.service {
        out.parts.push("the project calls another service".to_owned());
    }
    let otherwise = targets(expected, found, &mut out);
    // Whose machines have to be looked up anew is told with the targets.
    let told = |a: &Address| {
        let manifest = a.group().unwrap_or_else(|| a.clone()).to_string();
        otherwise.contains(&manifest)
    };
    let mut gone: Vec<Address> = old.keys().filter(|a| !new.contains_key(*a)).cloned().collect();
    for (address, sealed) in &new {
        let Some(s) = old.remove(address) else {
            let same = |a: &Address| old.get(a).is_some_and(|s| s.digest == sealed.digest);
            match gone.iter().position(same).map(|i| gone.remove(i)) {
                Some(from) => {
                    let words = format!("{from} is called {address} now, its call has not changed");
                    out.add(words, Some(Place::of(&from, Some(address), Vec::new())));
                }
                None => out.add(format!("{address} was added since"), None),
            }
            continue;
        };
        if s == *sealed {
            continue;
        }
        let fields = fields_between(&s, sealed);
        let path = fields.first().map(|f| f.path.clone()).unwrap_or_default();
        let words = match s.digest == sealed.digest {
            true => format!("{address} has changed, its call has not{}", in_words(&fields)),
            false => format!("the call of {address} has changed{}", in_words(&fields)),
        };
        out.add(words, Some(Place::of(address, Some(address), path)));
    }
    if out.parts.is_empty() {
        let changed = expected.incidents.iter().filter(|i| !found.incidents.contains(i));
        let words = changed.map(|i| format!("Incident/{} has changed, its calls have not", i.name));
        out.parts.extend(words);
    }
    for address in gone.iter().filter(|a| !told(a)) {
        out.add(format!("{address} was removed since"), Some(Place::of(address, None, Vec::new())));
    }
    out
}

/// Compares how machines are named, and returns the addresses where that differs.
fn targets(expected: &Seal, found: &Seal, out: &mut Differences) -> Vec<String> {
    let mut otherwise = Vec::new();
    for target in &expected.targets {
        out.parts.push(match found.targets.iter().find(|t| t.address == target.address) {
            Some(sealed) if sealed == target => continue,
            Some(SealedTarget { from_file: Some(file), column, .. })
                if target.from_file.as_ref() == Some(file) && target.column == *column =>
            {
                format!("{file}, which lists the machines of {}, has changed", target.address)
            }
            _ if target.event_query.is_some() => format!("{} has another query", target.address),
            _ => format!("{} names its machines otherwise", target.address),
        });
        otherwise.push(target.address.clone());
    }
    otherwise
}

impl Differences {
    fn add(&mut self, words: String, place: Option<Place>) {
        if self.parts.is_empty() {
            self.first = place;
        }
        self.parts.push(words);
    }

    /// All of them in a line; of many the first ones, and how many there are.
    pub(super) fn in_words(mut self) -> String {
        let more = self.parts.len().saturating_sub(TOLD);
        self.parts.truncate(TOLD);
        if more > 0 {
            self.parts.push(format!("{more} more"));
        }
        if self.parts.is_empty() {
            "the manifest's file has another name".to_owned()
        } else {
            self.parts.join(", ")
        }
    }
}

impl Place {
    fn of(address: &Address, declared: Option<&Address>, field: Vec<String>) -> Self {
        Place { address: address.clone(), declared: declared.cloned(), field }
    }

    /// Returns the number of the line, from 0, where a seal's text has this field, or its resource.
    pub(super) fn line(&self, text: &str, address: &Address) -> Option<usize> {
        let head = format!("- address: {address}");
        let mut lines = text.lines().enumerate();
        let (mut at, _) = lines.find(|(_, line)| *line == head)?;
        let mut block = lines.take_while(|(_, line)| line.starts_with(' '));
        for (depth, key) in self.field.iter().enumerate() {
            let key = format!("{}{key}:", "  ".repeat(depth + 1));
            match block.find(|(_, line)| line.starts_with(&key)) {
                Some((found, _)) => at = found,
                None => break,
            }
        }
        Some(at)
    }
}

/// The fields of two seals of a resource that differ: what manifests say, and not what follows from it.
fn fields_between(sealed: &Sealed, declared: &Sealed) -> Vec<Field> {
    let fields = |s: &Sealed| {
        let mut out = BTreeMap::new();
        if let Ok(Value::Object(all)) = serde_json::to_value(s) {
            let derived = ["address", "incident", "request", "digest", "exact"];
            for (name, value) in all.into_iter().filter(|(name, _)| !derived.contains(&name.as_str())) {
                match value {
                    Value::Object(inner) => {
                        out.extend(inner.into_iter().map(|(key, value)| (vec![name.clone(), key], value)));
                    }
                    value => drop(out.insert(vec![name], value)),
                }
            }
        }
        out
    };
    let (sealed, declared) = (fields(sealed), fields(declared));
    let paths: std::collections::BTreeSet<&Vec<String>> = sealed.keys().chain(declared.keys()).collect();
    let differing = paths.into_iter().filter(|path| sealed.get(*path) != declared.get(*path));
    let field = |path: &Vec<String>| Field {
        path: path.clone(),
        sealed: sealed.get(path).cloned(),
        declared: declared.get(path).cloned(),
    };
    differing.map(field).collect()
}

/// Old and new values of fields, behind what they are about.
fn in_words(fields: &[Field]) -> String {
    let words = |f: &Field| {
        let name = match f.path.as_slice() {
            [section, field] if section == "spec" => field.clone(),
            path => path.join("."),
        };
        match (&f.sealed, &f.declared) {
            (Some(sealed), Some(declared)) => {
                let (sealed, declared) = both(&plain(sealed), &plain(declared));
                format!("{name} was {sealed}, is {declared}")
            }
            (Some(sealed), None) => format!("{name} was {}, is not set", cut(&plain(sealed), 0)),
            (None, Some(declared)) => format!("{name} was not set, is {}", cut(&plain(declared), 0)),
            (None, None) => name,
        }
    };
    let mut all: Vec<String> = fields.iter().take(TOLD).map(words).collect();
    if fields.len() > TOLD {
        all.push(format!("{} more fields", fields.len() - TOLD));
    }
    if all.is_empty() { String::new() } else { format!(": {}", all.join("; ")) }
}

/// A value in one line: a text in quotes, its pieces joined.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{text}\""),
        Value::Array(pieces) if pieces.iter().all(Value::is_string) => {
            format!("\"{}\"", pieces.iter().filter_map(Value::as_str).collect::<String>())
        }
        other => other.to_string(),
    }
}

/// Two values, cut so that the first difference can be seen in both.
fn both(sealed: &str, declared: &str) -> (String, String) {
    let same = sealed.chars().zip(declared.chars()).take_while(|(a, b)| a == b).count();
    let from = if same < SHOWN / 2 { 0 } else { same - SHOWN / 4 };
    (cut(sealed, from), cut(declared, from))
}

fn cut(text: &str, from: usize) -> String {
    let all = text.chars().count();
    if all <= SHOWN {
        return text.to_owned();
    }
    let shown: String = text.chars().skip(from).take(SHOWN).collect();
    let before = if from > 0 { "..." } else { "" };
    let behind = if from + SHOWN < all { "..." } else { "" };
    format!("{before}{shown}{behind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_show_where_they_differ() {
        let long = "Collect forensics due to the alert on the finance server, as agreed in the morning";
        let (a, b) = both(&format!("\"{long} 1\""), &format!("\"{long} 2\""));
        assert_eq!((a.as_str(), b.as_str()), ("...the morning 1\"", "...the morning 2\""));
        assert_eq!(both("1", "2"), ("1".into(), "2".into()));
    }
}
