//! `Kind/name`: the name of a declared resource, unique in a project. `Kind/name[machine]`: one resource of a group.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::MachineId;

/// What a manifest declares. The order is the alphabetical one, so that sorting by [`Address`] equals
/// sorting by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// An alert raised on an event: `POST /api/alerts/CreateAlertByReference`.
    Alert,
    /// A package collected from a device: `POST /api/machines/{id}/collectInvestigationPackage`.
    InvestigationPackage,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Kind; 2] = [Kind::Alert, Kind::InvestigationPackage];

    /// The word a manifest's `kind` holds.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Alert => "Alert",
            Kind::InvestigationPackage => "InvestigationPackage",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `Kind/name`, for example `InvestigationPackage/fin-ws-042`, or `Kind/name[machine id]` where one manifest
/// stands for many machines. A person may type a machine's name in the brackets; everything that is recorded or
/// written for programs holds its id, in lower case.
///
/// Cheap to clone: plans, states and events all carry it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    kind: Kind,
    name: Arc<str>,
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", told(.0))]
pub struct AddressError(pub String);

/// Says what is wrong with a text that is no address: most often the name of a resource stands alone.
fn told(text: &str) -> String {
    if Kind::ALL.iter().all(|kind| format!("{kind}/{text}").parse::<Address>().is_ok()) {
        let all = Kind::ALL.map(|kind| format!("{kind}/{text}")).join(" or ");
        format!("`{text}` is no address: its kind is missing; write {all}")
    } else {
        format!(
            "`{text}` is no address: write it as Kind/name, for example InvestigationPackage/fin-ws-042 or Alert/phish"
        )
    }
}

impl Address {
    /// Joins a kind and a name that was validated as `metadata.name`.
    pub fn new(kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Address { kind, name: name.into() }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The part behind the slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The resource of a group for one machine.
    pub fn member(&self, machine: &MachineId) -> Address {
        let machine = machine.as_str().to_ascii_lowercase();
        Address::new(self.kind, format!("{}[{machine}]", self.name))
    }

    /// Of a resource of a group: the group's name, and what stands in the brackets.
    pub fn parts(&self) -> Option<(&str, &str)> {
        self.name.strip_suffix(']')?.split_once('[')
    }

    /// Of a resource of a group: the address of the group, which is that of its manifest.
    pub fn group(&self) -> Option<Address> {
        self.parts().map(|(name, _)| Address::new(self.kind, name))
    }

    /// The same group with something else in the brackets, for a reader.
    pub fn shown_as(&self, machine: &str) -> String {
        match self.parts() {
            Some((name, _)) => format!("{}/{name}[{machine}]", self.kind),
            None => self.to_string(),
        }
    }
}

/// The longest name of a resource, in characters.
const MOST_CHARACTERS: usize = 253;

/// Returns whether a text can be a `metadata.name`: labels of lower-case letters, digits and dashes, with dots between
/// them.
pub fn is_name(text: &[u8]) -> bool {
    let outer = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |label: &[u8]| {
        label.len() <= 63
            && label.first().is_some_and(outer)
            && label.last().is_some_and(outer)
            && label.iter().all(|b| outer(b) || *b == b'-')
    };
    text.split(|b| *b == b'.').all(label)
}

impl Address {
    /// Returns whether a manifest could declare it. Brackets stand behind the name of a package, around the id of a
    /// machine in lower case.
    pub fn is_declarable(&self) -> bool {
        let (name, machine) = self.parts().map_or((&*self.name, None), |(name, m)| (name, Some(m)));
        let of_group = machine.is_none_or(|m| {
            self.kind == Kind::InvestigationPackage
                && m.parse::<MachineId>().is_ok()
                && !m.bytes().any(|b| b.is_ascii_uppercase())
        });
        name.len() <= MOST_CHARACTERS && is_name(name.as_bytes()) && of_group
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` so that a column can be aligned with the ordinary `{:<width}`.
        if f.width().is_some() {
            return f.pad(&format!("{}/{}", self.kind, self.name));
        }
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(text.to_owned());
        let (kind, name) = text.split_once('/').ok_or_else(bad)?;
        let kind = Kind::ALL.into_iter().find(|k| k.as_str() == kind).ok_or_else(bad)?;
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/') {
            return Err(bad());
        }
        // Brackets stand at the end, once, around something, behind something.
        let brackets = |s: &str| s.contains(['[', ']']);
        if brackets(name) {
            let parts = name.strip_suffix(']').and_then(|rest| rest.split_once('['));
            let sound = |part: &str| !part.is_empty() && !brackets(part);
            if !parts.is_some_and(|(group, machine)| sound(group) && sound(machine)) {
                return Err(bad());
            }
        }
        Ok(Address::new(kind, name))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        super::text::parsed(d)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Kind/name of a declared resource; Kind/name[machine id] for one machine of a group.",
            "pattern": "^(Alert|InvestigationPackage)/[^/\\s]+$",
            "examples": [
                "InvestigationPackage/fin-ws-042",
                "Alert/fin-ws-042-exploit",
                "InvestigationPackage/sweep[fb9ab6be3965095a09c057be7c90f0a2]"
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in
            ["Alert/a", "InvestigationPackage/inc-1.collect", "InvestigationPackage/sweep[fin-ws-042]"]
        {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn order_is_that_of_the_text() {
        let mut all: Vec<Address> =
            ["InvestigationPackage/a", "Alert/z", "Alert/b"].iter().map(|t| t.parse().unwrap()).collect();
        all.sort();
        let texts: Vec<String> = all.iter().map(Address::to_string).collect();
        let mut sorted = texts.clone();
        sorted.sort();
        assert_eq!(texts, sorted);
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "Alert",
            "Alert/",
            "alert/x",
            "Package/x",
            "Alert/a b",
            "Alert/a/b",
            "Alert/a\u{7}",
            "Alert/[a]",
            "Alert/a[]",
            "Alert/a[b",
            "Alert/a]b[",
            "Alert/a[b]c",
            "Alert/a[b][c]",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_a_manifest_could_declare() {
        let id = "fb9ab6be3965095a09c057be7c90f0a2";
        let declarable = |text: &str| text.parse::<Address>().unwrap().is_declarable();
        for text in
            ["Alert/a", "InvestigationPackage/inc-1.collect", &format!("InvestigationPackage/sweep[{id}]")]
        {
            assert!(declarable(text), "{text}");
        }
        for text in [
            "Alert/A",
            "Alert/a_b",
            "Alert/-a",
            "Alert/a-",
            "Alert/a..b",
            "Alert/ä",
            &format!("Alert/{}", "a".repeat(64)),
            &format!("Alert/{}a", "a.".repeat(127)),
            &format!("Alert/sweep[{id}]"),
            &format!("InvestigationPackage/Sweep[{id}]"),
            &format!("InvestigationPackage/sweep[{}]", id.to_uppercase()),
            "InvestigationPackage/sweep[h01]",
        ] {
            assert!(!declarable(text), "{text}");
        }
    }

    #[test]
    fn a_resource_of_a_group_knows_its_group() {
        let group: Address = "InvestigationPackage/sweep".parse().unwrap();
        let member = group.member(&"AB".repeat(20).parse().unwrap());
        assert_eq!(member.to_string(), format!("InvestigationPackage/sweep[{}]", "ab".repeat(20)));
        assert_eq!(member.to_string().parse::<Address>().unwrap(), member);
        assert_eq!(member.group(), Some(group.clone()));
        assert_eq!(member.shown_as("fin-ws-042"), "InvestigationPackage/sweep[fin-ws-042]");
        assert_eq!((group.group(), group.parts()), (None, None));
    }
}
