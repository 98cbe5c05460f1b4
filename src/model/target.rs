//! Machines that a manifest does not name by id: by name, by tag, from a file.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Address, Call, Desired, HuntedEvent, HuntingQuery, MachineId, Sha256Hex};

/// A device's name: its whole DNS name, or the first label of it. Compares in any case.
#[derive(Clone)]
pub struct MachineName(Arc<str>);

/// A text that is no device name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachineNameError {
    /// Characters that no name holds, or an empty or too long part.
    #[error("a name consists of letters, digits, dashes and underscores, with dots between its parts")]
    Form,
    /// Longer than a DNS name can be.
    #[error("a name has at most 253 characters")]
    Long,
    /// A device id.
    #[error("it is a device id, not a name")]
    Id,
    /// Hex digits, more than a name has and not as many as an id: most likely a torn id.
    #[error("{0} hex digits are neither a device id, which has 40, nor a name")]
    TornId(usize),
    /// An address of the network, which stands for another device tomorrow.
    #[error("it is an IP address, not a name")]
    Address,
}

impl MachineName {
    /// The form, as a regular expression. Brackets, slashes and blanks are missing: a name stands in addresses.
    pub const PATTERN: &str = r"^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$";

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: what two spellings of a name share.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Whether it is one label, which stands for every DNS name that begins with it.
    pub fn is_short(&self) -> bool {
        !self.0.contains('.')
    }

    /// Whether a device with this DNS name is meant.
    pub fn means(&self, dns_name: &str) -> bool {
        let dns_name = dns_name.trim_end_matches('.');
        dns_name.eq_ignore_ascii_case(&self.0)
            || self.is_short() && first_label(dns_name).eq_ignore_ascii_case(&self.0)
    }
}

/// Returns whether a text has the form of an IPv4 address, which is that of a DNS name too.
pub(crate) fn is_ip_address(text: &str) -> bool {
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').count() == 4 && text.split('.').all(number)
}

/// Returns whether a text can only be meant as an IPv6 address.
fn is_colons_and_digits(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_hexdigit() || b == b':' || b == b'.';
    text.bytes().filter(|b| *b == b':').count() > 1 && text.bytes().all(inner)
}

/// What stands before the first dot of a DNS name.
pub fn first_label(dns_name: &str) -> &str {
    dns_name.split('.').next().unwrap_or(dns_name)
}

impl FromStr for MachineName {
    type Err = MachineNameError;

    fn from_str(text: &str) -> Result<Self, MachineNameError> {
        if text.len() > 253 {
            return Err(MachineNameError::Long);
        }
        if let Ok(id) = text.parse::<MachineId>() {
            let torn = MachineNameError::TornId(text.len());
            return Err(if id.is_whole() { MachineNameError::Id } else { torn });
        }
        if is_ip_address(text) || is_colons_and_digits(text) {
            return Err(MachineNameError::Address);
        }
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let label = |l: &str| {
            (1..=63).contains(&l.len()) && l.bytes().all(inner) && !l.starts_with('-') && !l.ends_with('-')
        };
        if text.split('.').all(label) { Ok(MachineName(text.into())) } else { Err(MachineNameError::Form) }
    }
}

impl PartialEq for MachineName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl Eq for MachineName {}
impl fmt::Display for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Serialize for MachineName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for MachineName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl JsonSchema for MachineName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MachineName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A device's DNS name, or the first label of it.",
            "pattern": MachineName::PATTERN,
            "maxLength": 253,
            "examples": ["fin-ws-042"]
        })
    }
}

/// A stretch of a line of a file, with all that is needed to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Relative to the project folder, with `/`.
    pub file: Arc<str>,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// Where the stretch ends on that line, exclusive.
    pub end_column: u32,
    /// The line, or a window of a long one.
    pub source_line: Arc<str>,
    /// How many characters of the line are left out in front of the window.
    pub source_offset: u32,
}

/// How a manifest says which machines a resource is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `spec.machineName`: one machine.
    Name(MachineName),
    /// `spec.machineTag`: every machine that carries the tag.
    Tag(Arc<str>),
    /// `spec.machines.fromFile`: every machine that a file lists.
    File(MachineFile),
    /// `spec.event.query` of an alert: the one event that a query finds, its machine included.
    Event(HuntingQuery),
}

impl Target {
    /// Whether it stands for any number of machines, each a resource of its own.
    pub fn is_group(&self) -> bool {
        !matches!(self, Target::Name(_) | Target::Event(_))
    }
}

/// A file that lists machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineFile {
    /// Relative to the project folder, with `/`.
    pub file: Arc<str>,
    /// The column of a CSV file; none for one machine a line.
    pub column: Option<Arc<str>>,
    /// Of its bytes.
    pub digest: Sha256Hex,
    /// What it lists, in the order of the file.
    pub entries: Vec<Entry>,
}

/// One machine of a [`MachineFile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which one.
    pub machine: EntryMachine,
    /// Where it stands.
    pub place: Place,
}

/// How a file names a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryMachine {
    /// By device id.
    Id(MachineId),
    /// By name.
    Name(MachineName),
}

/// A declared resource whose machine is not known yet, or one that stands for several machines.
#[derive(Clone, Debug)]
pub struct Template {
    /// What names the machines.
    pub target: Target,
    /// Where that stands.
    pub place: Place,
    /// Its call goes to [`MachineId::unknown`]: it is only ever copied for a machine.
    on_none: Desired,
}

impl Template {
    /// A resource whose call goes to [`MachineId::unknown`], and what is there in place of the id.
    pub fn new(on_none: Desired, target: Target, place: Place) -> Self {
        Template { target, place, on_none }
    }

    /// `Kind/metadata.name`.
    pub fn address(&self) -> &Address {
        &self.on_none.address
    }

    /// Everything about it but its machine.
    pub fn declared(&self) -> &Desired {
        &self.on_none
    }

    /// The address of the resource for one machine: that of the template where it stands for one machine only.
    pub fn address_on(&self, machine: &MachineId) -> Address {
        match self.target.is_group() {
            true => self.address().member(machine),
            false => self.address().clone(),
        }
    }

    /// The resource for one machine, which is asked under this name.
    pub fn on(&self, machine: &MachineId, name: Option<&str>) -> Desired {
        self.with(self.address_on(machine), self.on_none.call.on(machine), name)
    }

    /// The alert on an event, and the digest of the query that found it.
    pub fn on_event(&self, event: &HuntedEvent, query: Option<Sha256Hex>) -> Desired {
        let mut call = self.on_none.call.on(&event.machine_id);
        if let Call::Alert(a) = &mut call {
            a.event_time = event.event_time.clone();
            a.report_id = event.report_id.clone();
        }
        let mut on = self.with(self.address().clone(), call, None);
        on.query = query.into();
        on
    }

    /// The resource with the target of a call that was sent for it, its machine asked under this name or its event
    /// found by this query.
    pub fn as_sent(&self, call: &Call, name: Option<&str>, query: Option<Sha256Hex>) -> Desired {
        match (&self.target, HuntedEvent::of(call)) {
            (Target::Event(_), Some(event)) => self.on_event(&event, query),
            _ => self.on(call.machine(), name),
        }
    }

    fn with(&self, address: Address, call: Call, name: Option<&str>) -> Desired {
        let d = &self.on_none;
        let mut on = Desired::new(address, d.source.clone(), call, d.revision);
        on.labels.clone_from(&d.labels);
        on.policy = d.policy;
        on.triage.clone_from(&d.triage);
        on.on_remove = d.on_remove;
        on.depends_on.clone_from(&d.depends_on);
        on.approve.clone_from(&d.approve);
        on.surgery.clone_from(&d.surgery);
        on.machine_name = name.map(Arc::from).into();
        on.expanded.clone_from(&d.expanded);
        on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_means_the_first_label() {
        let name = |s: &str| s.parse::<MachineName>().unwrap();
        assert!(name("FIN-ws-042").means("fin-ws-042.contoso.com"));
        assert!(name("fin-ws-042").means("FIN-WS-042"));
        assert!(name("fin-ws-042.contoso.com").means("fin-ws-042.Contoso.com."));
        assert!(!name("fin-ws-042.contoso.com").means("fin-ws-042"));
        assert!(!name("fin-ws-04").means("fin-ws-042"));
        assert!(!name("fin-ws-042").means("fin-ws-042-b.contoso.com"));
    }

    #[test]
    fn what_is_no_name() {
        let pattern = regex::Regex::new(MachineName::PATTERN).unwrap();
        for (text, error) in [
            ("", MachineNameError::Form),
            ("a b", MachineNameError::Form),
            ("a[b]", MachineNameError::Form),
            ("-a", MachineNameError::Form),
            ("a..b", MachineNameError::Form),
            ("a*", MachineNameError::Form),
            ("a/b", MachineNameError::Form),
            ("é", MachineNameError::Form),
        ] {
            assert_eq!(text.parse::<MachineName>().unwrap_err(), error, "{text}");
            assert!(!pattern.is_match(text), "{text}");
        }
        assert_eq!("ab".repeat(20).parse::<MachineName>().unwrap_err(), MachineNameError::Id);
        assert_eq!("a".repeat(39).parse::<MachineName>().unwrap_err(), MachineNameError::TornId(39));
        assert_eq!("a.".repeat(127).parse::<MachineName>().unwrap_err(), MachineNameError::Long);
        for address in ["10.0.0.7", "192.168.1.255", "010.001.000.007", "fe80::1", "::ffff:10.0.0.7"] {
            assert_eq!(address.parse::<MachineName>().unwrap_err(), MachineNameError::Address, "{address}");
        }
        for text in ["a", "fin_ws", "1-2", "a.b-c.d", "10.0.0", "10.0.0.7.lab", "ws-10.0.0.7", "10.0.0.7000"]
        {
            assert!(text.parse::<MachineName>().is_ok() && pattern.is_match(text), "{text}");
        }
    }
}
