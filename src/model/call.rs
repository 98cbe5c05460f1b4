//! The two calls that a manifest can declare, with the API's own field names.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Body, Category, Kind, Method, Request, RequestDigest, Severity, Timestamp};

/// A Defender device id: hex digits, 40 in practice, 32 in one documented sample.
///
/// Sent as written; two spellings that differ in case are one machine.
#[derive(Clone)]
pub struct MachineId(Arc<str>);

/// A text that is no device id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a machine id is 32 to 64 hex digits (40 in practice)")]
pub struct MachineIdError;

impl MachineId {
    /// Stands where a machine has still to be looked up. Never sent.
    pub fn unknown() -> Self {
        MachineId("0".repeat(40).into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it has as many digits as the service's ids: 40, or the 32 of one documented sample. Another one in
    /// a manifest is torn or has a digit too many. Records keep whatever was asked for once.
    pub fn is_whole(&self) -> bool {
        matches!(self.0.len(), 32 | 40)
    }

    /// Whether this is the machine that the service names so.
    pub fn is(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl FromStr for MachineId {
    type Err = MachineIdError;

    fn from_str(text: &str) -> Result<Self, MachineIdError> {
        let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
        if hex && (32..=64).contains(&text.len()) { Ok(MachineId(text.into())) } else { Err(MachineIdError) }
    }
}

impl PartialEq for MachineId {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}
impl Eq for MachineId {}
impl Hash for MachineId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for b in self.0.bytes() {
            state.write_u8(b.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}
impl PartialOrd for MachineId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for MachineId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |m: &Self| m.0.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
        key(self).cmp(&key(other))
    }
}
impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Serialize for MachineId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for MachineId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        super::text::parsed(d)
    }
}
impl JsonSchema for MachineId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MachineId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "The Defender device id: hex digits, 40 in practice.",
            "pattern": "^[0-9A-Fa-f]{32,64}$",
            "examples": ["1e5bc9d7e413ddd7902c2932e418702b84d0cc07"]
        })
    }
}

/// The event's report id: the hunting column's number in decimal, as text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReportId(pub Arc<str>);

impl JsonSchema for ReportId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReportId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "The event's ReportId from advanced hunting, quoted: the API takes a string.",
            "pattern": "^[^\\s\\x00-\\x1F\\x7F-\\x9F]+$",
            "minLength": 1,
            "examples": ["20776"]
        })
    }
}

/// The body of `POST /api/alerts/CreateAlertByReference`, fields in the documented order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateAlert {
    /// The device of the event.
    pub machine_id: MachineId,
    /// How severe.
    pub severity: Severity,
    /// The title; with the device it is the key by which the service merges.
    pub title: String,
    /// What happened.
    pub description: String,
    /// What to do.
    pub recommended_action: String,
    /// The event's time, verbatim.
    pub event_time: Timestamp,
    /// The event's report id.
    pub report_id: ReportId,
    /// What it is about.
    pub category: Category,
}

impl CreateAlert {
    /// Returns the fields that are sent, in the order of the body, by the names that manifests and the API give them.
    /// Whatever shows a call field by field reads them here.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        // Without `..`: a field that is missing below does not compile.
        let CreateAlert {
            machine_id,
            severity,
            title,
            description,
            recommended_action,
            event_time,
            report_id,
            category,
        } = self;
        vec![
            ("machineId", machine_id.to_string()),
            ("severity", severity.to_string()),
            ("title", title.clone()),
            ("description", description.clone()),
            ("recommendedAction", recommended_action.clone()),
            ("eventTime", event_time.to_string()),
            ("reportId", report_id.0.to_string()),
            ("category", category.to_string()),
        ]
    }
}

/// A creating call: target and text of a resource, without its revision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// Collect a package from a machine.
    Collect {
        /// The machine.
        machine_id: MachineId,
        /// The comment, verbatim.
        comment: String,
        /// The id of ours that the service gives back with the action, where `recovery.marker` asks for one. No manifest
        /// declares it, and no request digest covers it.
        external_id: Option<Box<str>>,
    },
    /// Raise an alert on an event.
    Alert(CreateAlert),
}

#[derive(Serialize, Deserialize)]
struct CollectBody<'a> {
    /// Capital C: names in bodies are case-sensitive.
    #[serde(rename = "Comment")]
    comment: Cow<'a, str>,
    /// Not on the page of the call: the service's own metadata has it.
    #[serde(rename = "ExternalId", default, skip_serializing_if = "Option::is_none")]
    external_id: Option<Cow<'a, str>>,
}

const COLLECT_PREFIX: &str = "/api/machines/";
const COLLECT_SUFFIX: &str = "/collectInvestigationPackage";
pub(super) const CREATE_ALERT: &str = "/api/alerts/CreateAlertByReference";

/// Returns whether a refusal names the field that carries an id of ours: the service does not take it.
pub fn refuses_external_id(status: u16, message: &str) -> bool {
    status == 400 && message.to_ascii_lowercase().contains("externalid")
}

impl Call {
    /// Returns the collection of a package, as a manifest declares it.
    pub fn collect(machine_id: MachineId, comment: impl Into<String>) -> Call {
        Call::Collect { machine_id, comment: comment.into(), external_id: None }
    }

    /// The id of ours that it carries.
    pub fn external_id(&self) -> Option<&str> {
        match self {
            Call::Collect { external_id, .. } => external_id.as_deref(),
            Call::Alert(_) => None,
        }
    }

    /// Which kind of resource declares it.
    pub fn kind(&self) -> Kind {
        match self {
            Call::Collect { .. } => Kind::InvestigationPackage,
            Call::Alert(_) => Kind::Alert,
        }
    }

    /// Returns the fields of its manifest that it carries, in the order of the API's documentation, and the id of ours
    /// behind them.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Call::Collect { machine_id, comment, external_id } => {
                let id = external_id.as_ref().map(|id| ("externalId", id.to_string()));
                [("machineId", machine_id.to_string()), ("comment", comment.clone())]
                    .into_iter()
                    .chain(id)
                    .collect()
            }
            Call::Alert(alert) => alert.fields(),
        }
    }

    /// The machine it acts on; calls to one machine go one after another.
    pub fn machine(&self) -> &MachineId {
        match self {
            Call::Collect { machine_id, .. } => machine_id,
            Call::Alert(a) => &a.machine_id,
        }
    }

    /// The same call to another machine.
    pub fn on(&self, machine: &MachineId) -> Call {
        let mut call = self.clone();
        match &mut call {
            Call::Collect { machine_id, .. } => *machine_id = machine.clone(),
            Call::Alert(a) => a.machine_id = machine.clone(),
        }
        call
    }

    /// The same target: what the call acts on, without its revision.
    pub fn same_target(&self, other: &Call) -> bool {
        match (self, other) {
            (Call::Collect { machine_id: a, .. }, Call::Collect { machine_id: b, .. }) => a == b,
            (Call::Alert(a), Call::Alert(b)) => {
                a.machine_id == b.machine_id && a.event_time == b.event_time && a.report_id == b.report_id
            }
            _ => false,
        }
    }

    /// The request, byte for byte.
    pub fn request(&self) -> Request {
        Request {
            method: Method::Post,
            path: self.path(),
            body: Body::written(self.body(self.external_id())),
        }
    }

    /// Returns the digest that names the request of a revision: of what is declared, so without the id of ours.
    pub fn digest(&self, revision: u32) -> RequestDigest {
        RequestDigest::of_parts(Method::Post, &self.path(), &self.body(None), revision)
    }

    fn path(&self) -> Cow<'static, str> {
        match self {
            Call::Collect { machine_id, .. } => {
                format!("{COLLECT_PREFIX}{machine_id}{COLLECT_SUFFIX}").into()
            }
            Call::Alert(_) => CREATE_ALERT.into(),
        }
    }

    fn body(&self, external_id: Option<&str>) -> String {
        // Most have room in this.
        let mut text = Vec::with_capacity(512);
        let written = match self {
            Call::Collect { comment, .. } => {
                let external_id = external_id.map(Cow::from);
                serde_json::to_writer(&mut text, &CollectBody { comment: comment.into(), external_id })
            }
            Call::Alert(alert) => serde_json::to_writer(&mut text, alert),
        };
        // Plain structs of strings cannot fail to serialise, and JSON is UTF-8.
        written.unwrap_or_else(|e| unreachable!("a plain struct is JSON: {e}"));
        String::from_utf8(text).unwrap_or_else(|e| unreachable!("JSON is UTF-8: {e}"))
    }

    /// Reads a request back; `None` for one that creates nothing.
    pub fn from_request(request: &Request) -> Option<Call> {
        if request.path == CREATE_ALERT {
            return serde_json::from_str(request.body.as_str()).ok().map(Call::Alert);
        }
        let machine = request.path.strip_prefix(COLLECT_PREFIX)?.strip_suffix(COLLECT_SUFFIX)?;
        let body: CollectBody<'_> = serde_json::from_str(request.body.as_str()).ok()?;
        Some(Call::Collect {
            machine_id: machine.parse().ok()?,
            comment: body.comment.into_owned(),
            external_id: body.external_id.map(|id| id.into_owned().into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_requests() {
        let machine: MachineId = "fb9ab6be3965095a09c057be7c90f0a2".parse().unwrap();
        let collect = Call::collect(machine, "Collect forensics due to alert 1234");
        let r = collect.request();
        assert_eq!(r.path, "/api/machines/fb9ab6be3965095a09c057be7c90f0a2/collectInvestigationPackage");
        assert_eq!(r.body.as_str(), r#"{"Comment":"Collect forensics due to alert 1234"}"#);
        assert_eq!(Call::from_request(&r), Some(collect));
    }

    #[test]
    fn an_id_of_ours_is_sent_and_read_back_and_is_no_part_of_the_digest() {
        let machine: MachineId = "ab".repeat(20).parse().unwrap();
        let plain = Call::collect(machine.clone(), "why");
        let marked = Call::Collect {
            machine_id: machine,
            comment: "why".into(),
            external_id: Some("casefile-1".into()),
        };
        let r = marked.request();
        assert_eq!(r.body.as_str(), r#"{"Comment":"why","ExternalId":"casefile-1"}"#);
        assert_eq!(Call::from_request(&r), Some(marked.clone()));
        assert_eq!(marked.digest(1), plain.digest(1));
        assert_eq!(plain.digest(1), RequestDigest::of(&plain.request(), 1));
    }

    #[test]
    fn an_alert_round_trips() {
        let text = r#"{"machineId":"1e5bc9d7e413ddd7902c2932e418702b84d0cc07","severity":"Low","title":"example","description":"example alert","recommendedAction":"nothing","eventTime":"2018-08-03T16:45:21.7115183Z","reportId":"20776","category":"Exploit"}"#;
        let call = Call::Alert(serde_json::from_str(text).unwrap());
        let r = call.request();
        assert_eq!(r.body.as_str(), text);
        assert_eq!(r.path, "/api/alerts/CreateAlertByReference");
        assert_eq!(Call::from_request(&r), Some(call));
    }

    #[test]
    fn an_alert_tells_every_field_of_its_body() {
        let text = r#"{"machineId":"1e5bc9d7e413ddd7902c2932e418702b84d0cc07","severity":"Low","title":"t","description":"d","recommendedAction":"r","eventTime":"2018-08-03T16:45:21.7115183Z","reportId":"20776","category":"Exploit"}"#;
        let alert: CreateAlert = serde_json::from_str(text).unwrap();
        let told = |(name, value)| format!("{name:?}:{value:?}");
        let fields: Vec<String> = alert.fields().into_iter().map(told).collect();
        assert_eq!(format!("{{{}}}", fields.join(",")), text);
    }

    #[test]
    fn case_does_not_make_another_machine() {
        let m = |s: &str| s.parse::<MachineId>().unwrap();
        assert_eq!(m(&"ab".repeat(20)), m(&"AB".repeat(20)));
        assert!("xyz".parse::<MachineId>().is_err());
        assert!("ab".parse::<MachineId>().is_err());
    }
}
