//! What a manifest may hold: one type per kind, from which schema and values come.
//!
//! The documentation of these types is what an editor shows while a manifest is written, so it speaks to
//! responders. Fields of an alert's `spec` are the API's own and go out verbatim.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::depends::DependsOn;
use crate::model::{
    Address, AlertStatus, Approval, Call, Category, Classification, CreateAlert, Desired, Determination,
    HuntingQuery, Kind, MachineId, MachineName, OnInProgress, OnRemove, Policy, ReportId, Severity, Source,
    Span, Surgery, Timespan, Timestamp, Triage, TriageMode,
};

/// The value of `apiVersion`.
pub const API_VERSION: &str = "casefile/v1";

/// Text that says something.
pub(super) use crate::model::TEXT_PATTERN as TEXT;
/// Any text, with no control characters but line breaks.
pub(super) const PLAIN: &str = r"^[^\x00-\x09\x0B-\x1F\x7F-\x9F]*$";
/// A control character that is no line break.
pub(super) const CONTROL: &str = r"[\x00-\x09\x0B-\x1F\x7F-\x9F]";
/// `metadata.name`: labels of a DNS name.
pub(super) const NAME: &str = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$";
/// A device id: [`MachineId::is_whole`].
pub(super) const DEVICE_ID: &str = "^[0-9A-Fa-f]{32}([0-9A-Fa-f]{8})?$";
/// A device id, whole or torn, or an IPv4 address: no name, as [`MachineName`] says.
pub(super) const NO_NAME: &str = r"^([0-9A-Fa-f]{32,64}|[0-9]{1,3}(\.[0-9]{1,3}){3})$";
/// A label's key.
pub(super) const LABEL_KEY: &str = r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$";
/// The id of an object at the service.
pub(super) const OBJECT_ID: &str = r"^[A-Za-z0-9][A-Za-z0-9._-]*$";
/// `Kind/name`, of a manifest: the name as [`NAME`].
pub(super) const ADDRESS: &str = r"^(Alert|InvestigationPackage)/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$";
/// The same of an alert.
pub(super) const ALERT_ADDRESS: &str =
    r"^Alert/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$";
/// The same of a package.
pub(super) const PACKAGE_ADDRESS: &str =
    r"^InvestigationPackage/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$";

/// The version of the manifest format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// `casefile/v1`
    #[serde(rename = "casefile/v1")]
    V1,
}

/// The `kind` of an [`AlertManifest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AlertKind {
    /// `Alert`
    Alert,
}

/// The `kind` of a [`PackageManifest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PackageKind {
    /// `InvestigationPackage`
    InvestigationPackage,
}

/// An investigation package to be collected from a device.
pub type PackageManifest = Manifest<PackageKind, PackageSpec, PackageOnRemove>;

/// An alert to be raised on an event.
pub type AlertManifest = Manifest<AlertKind, AlertSpec, AlertOnRemove>;

/// The envelope that all kinds share.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest<K, S, R> {
    /// The version of the manifest format: always `casefile/v1`.
    #[schemars(example = &"casefile/v1")]
    pub api_version: ApiVersion,
    /// What this document declares. `InvestigationPackage` collects a forensic package from a device,
    /// `Alert` raises an alert on an event.
    pub kind: K,
    /// Name and labels of the resource.
    #[schemars(example = json!({"name": "fin-ws-042"}))]
    pub metadata: Metadata,
    /// What is asked of the service.
    #[schemars(extend("examples" = []))]
    pub spec: S,
    /// What happens at the service when this manifest is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!({"onRemove": "Retain"}))]
    pub lifecycle: Option<Lifecycle<R>>,
    /// Resources whose calls come first: `Kind/name`, or a name that only one resource has. This one is sent once
    /// they are accepted; with `{ name: NAME, until: Succeeded }` once they are done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = json!(["InvestigationPackage/fin-ws-042"]))]
    pub depends_on: Vec<DependsOn>,
    /// An object that is there already and becomes this resource's own: nothing is sent. Ignored once the resource
    /// holds it or has held it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!({"id": "5382f7ea-7557-4ab7-9782-d50480024a4e"}))]
    pub import: Option<Import>,
    /// The name that this resource had before, where target or text have changed with it. A resource that was only
    /// renamed is found without. Ignored once nothing is recorded under the old name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!({"from": "InvestigationPackage/fin-ws-042"}))]
    pub moved: Option<MovedFrom>,
    /// An object that is there already and is not enough: the resource is asked for once more. Counts once, for this
    /// object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!({"id": "5382f7ea-7557-4ab7-9782-d50480024a4e"}))]
    pub replace: Option<Replace>,
}

/// `import`: an object that is taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Import {
    /// The id of the machine action or the alert, as the service names it.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = OBJECT_ID),
        example = &"5382f7ea-7557-4ab7-9782-d50480024a4e"
    )]
    pub id: String,
}

/// `moved`: an explicit rename.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MovedFrom {
    /// `Kind/name` under which the resource was declared before; of the same kind.
    #[schemars(
        length(min = 1, max = 300),
        regex(pattern = ADDRESS),
        example = &"InvestigationPackage/fin-ws-042"
    )]
    pub from: String,
}

/// `replace`: an object in spite of which the resource is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replace {
    /// The id of the machine action or the alert, as the plan names it.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = OBJECT_ID),
        example = &"5382f7ea-7557-4ab7-9782-d50480024a4e"
    )]
    pub id: String,
}

/// The fields `import`, `moved` and `replace` of a manifest together.
fn surgery(import: Option<Import>, moved: Option<MovedFrom>, replace: Option<Replace>) -> Option<Surgery> {
    let surgery = Surgery {
        import: import.map(|i| i.id),
        // What is no address is told before this.
        moved_from: moved.and_then(|m| m.from.parse().ok()),
        replace: replace.map(|r| r.id),
    };
    (surgery != Surgery::default()).then_some(surgery)
}

/// Name and labels of a resource.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name, unique per kind in a project: lower-case letters, digits, dashes and dots, at most 253
    /// characters. A renamed resource whose target and text are unchanged keeps what it has.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME), example = &"fin-ws-042")]
    pub name: String,
    /// Words to select by (`--selector incident=INC-2042`). Never sent to the service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        extend("propertyNames" = {"pattern": LABEL_KEY, "maxLength": 253}),
        example = json!({"incident": "INC-2042"})
    )]
    pub labels: BTreeMap<String, String>,
}

/// What happens at the service when a manifest is removed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lifecycle<R> {
    /// What happens at the service when this manifest is removed.
    pub on_remove: R,
}

/// `lifecycle.onRemove` of a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(example = &"Cancel")]
pub enum PackageOnRemove {
    /// nothing; the state remembers the collection. The default.
    #[default]
    Retain,
    /// a collection that is still running is cancelled.
    Cancel,
}

/// `lifecycle.onRemove` of an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(example = &"Resolve")]
pub enum AlertOnRemove {
    /// nothing; the state remembers the alert. The default.
    #[default]
    Retain,
    /// the alert is resolved.
    Resolve,
}

fn revision() -> u32 {
    1
}

fn max_attempts() -> u32 {
    Policy::default().max_attempts
}

fn retry_after() -> Span {
    Policy::default().retry_after
}

fn adopt_within() -> Span {
    Policy::default().adopt_within
}

/// `spec` of an `InvestigationPackage`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["machineId"]},
    {"required": ["machineName"]},
    {"required": ["machineTag"]},
    {"required": ["machines"]}
]))]
pub struct PackageSpec {
    /// The Defender device id: 40 hex digits, as in the device page's address or advanced hunting's
    /// `DeviceId`. One of `machineId`, `machineName`, `machineTag` and `machines` says what to collect from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DEVICE_ID), example = &"fb9ab6be3965095a09c057be7c90f0a2")]
    pub machine_id: Option<MachineId>,
    /// The device's DNS name, or the first part of it, in place of `machineId`: looked up when a plan is made. Once
    /// asked, the device stays the same until `revision` is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("not" = {"pattern": NO_NAME}), example = &"fin-ws-042")]
    pub machine_name: Option<MachineName>,
    /// A tag in place of `machineId`: one package from each device that carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), regex(pattern = TEXT), example = &"tier1")]
    pub machine_tag: Option<String>,
    /// A list of devices in place of `machineId`: one package from each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!({"fromFile": "hosts.txt"}))]
    pub machines: Option<MachinesSpec>,
    /// Why the package is collected. Sent verbatim, and shown in the portal's action center. Can hold the id of
    /// another resource: `${{ resources['Kind/name'].id }}`.
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"Collect forensics due to alert 1234")]
    pub comment: String,
    /// Raise it to ask for another package. Changing the comment alone never collects twice.
    #[serde(default = "revision")]
    #[schemars(range(min = 1), example = 2)]
    pub revision: u32,
    /// How many attempts may fail before a person has to look. Where it is left out, a collection that has timed out
    /// twice is not repeated either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1), extend("default" = max_attempts()), example = 3)]
    pub max_attempts: Option<u32>,
    /// How long to wait after a failed attempt before the next one: a whole number and `s`, `m` or `h`.
    #[serde(default = "retry_after")]
    #[schemars(example = &"10m")]
    pub retry_after: Span,
    /// What to do when a collection of somebody else is already running on the device.
    #[serde(default)]
    #[schemars(example = &"wait")]
    pub on_in_progress: OnInProgress,
    /// How long ago such a collection may have begun to be adopted: a whole number and `s`, `m` or `h`.
    #[serde(default = "adopt_within")]
    #[schemars(example = &"1h")]
    pub adopt_within: Span,
    /// What this manifest approves for the plan that makes its call: more calls than the project's `limits`,
    /// or a call to one of its `protected` machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        extend("anyOf" = [{"required": ["overLimits"]}, {"required": ["protected"]}]),
        example = json!({"overLimits": 60, "reason": "INC-2042: whole finance department"})
    )]
    pub approve: Option<Approval>,
}

/// `spec.machines`: the devices that a file lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachinesSpec {
    /// A text file, relative to the project folder: a device's name or id on each line. Blank lines and what
    /// begins with `#` are passed over.
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"hosts.txt")]
    pub from_file: String,
    /// The column to read, by its name in the first line: the file is a CSV file then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"host")]
    pub column: Option<String>,
}

/// What a manifest names machines by, if not by an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Name(MachineName),
    Tag(String),
    File(MachinesSpec),
    Event(HuntingQuery),
}

/// `spec` of an `Alert`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{"required": ["machineId"]}, {"required": ["machineName"]}, {"required": ["event"]}],
    "if" = {"required": ["event"]},
    "then" = {"properties": {"eventTime": false, "reportId": false}},
    "else" = {"required": ["eventTime", "reportId"]}
))]
pub struct AlertSpec {
    /// The Defender device id of the event: advanced hunting's `DeviceId`, 40 hex digits. One of `machineId`,
    /// `machineName` and `event` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DEVICE_ID), example = &"1e5bc9d7e413ddd7902c2932e418702b84d0cc07")]
    pub machine_id: Option<MachineId>,
    /// The device's DNS name, or the first part of it, in place of `machineId`: looked up when a plan is made. Once
    /// asked, the device stays the same until `revision` is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("not" = {"pattern": NO_NAME}), example = &"fin-ws-042")]
    pub machine_name: Option<MachineName>,
    /// The query that finds the event, in place of `machineId`, `eventTime` and `reportId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!({"query": EXAMPLE_QUERY}))]
    pub event: Option<EventSpec>,
    /// How severe the alert is.
    #[schemars(example = &"Low")]
    pub severity: Severity,
    /// The alert's title. An open alert with the same title on the same device absorbs a new one.
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"Suspicious sign-in tool on fin-ws-042")]
    pub title: String,
    /// What happened. Can hold the id of another resource: `${{ resources['Kind/name'].id }}`.
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"A credential dumper was started from a share.")]
    pub description: String,
    /// What to do about it. Can hold the id of another resource: `${{ resources['Kind/name'].id }}`.
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"Isolate the device and reset the user's password.")]
    pub recommended_action: String,
    /// The event's time in UTC: advanced hunting's `Timestamp`, copied with all its digits. Sent verbatim;
    /// together with `machineId` and `reportId` it names the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2018-08-03T16:45:21.7115183Z")]
    pub event_time: Option<Timestamp>,
    /// The event's `ReportId` of advanced hunting, in quotes: the API takes a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"20776")]
    pub report_id: Option<ReportId>,
    /// What the alert is about.
    #[schemars(example = &"Exploit")]
    pub category: Category,
    /// Raise it to ask for another alert. Changing texts alone never alerts twice.
    #[serde(default = "revision")]
    #[schemars(range(min = 1), example = 2)]
    pub revision: u32,
    /// How many attempts may fail before a person has to look.
    #[serde(default = "max_attempts")]
    #[schemars(range(min = 1), example = 3)]
    pub max_attempts: u32,
    /// The triage that the alert shall have. Each value is set once, and a comment appended once; what somebody
    /// changes afterwards stays, and what is not mentioned is left to the analysts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!({"status": "InProgress", "assignedTo": "secop@contoso.com"}))]
    pub triage: Option<TriageSpec>,
    /// What this manifest approves for the plan that makes its call: more calls than the project's `limits`,
    /// or a call to one of its `protected` machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        extend("anyOf" = [{"required": ["overLimits"]}, {"required": ["protected"]}]),
        example = json!({"overLimits": 60, "reason": "INC-2042: whole finance department"})
    )]
    pub approve: Option<Approval>,
}

/// `spec.event` of an `Alert`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventSpec {
    /// A query of advanced hunting, run when a plan is made. It has to find exactly one row, with the columns
    /// `Timestamp`, `DeviceId` and `ReportId`. Once asked, the event stays the same until `revision` is raised.
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &EXAMPLE_QUERY)]
    pub query: String,
    /// How far the query looks back: an ISO 8601 duration. Microsoft Graph looks back 30 days without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"P7D")]
    pub timespan: Option<Timespan>,
}

const EXAMPLE_QUERY: &str = "DeviceProcessEvents | where FileName =~ \"powershell.exe\" | top 1 by Timestamp \
                             | project Timestamp, DeviceId, ReportId";

/// `spec.triage` of an `Alert`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "minProperties" = 1,
    "if" = {"required": ["mode"]},
    "then" = {"minProperties": 2}
))]
pub struct TriageSpec {
    /// What happens to a value that somebody else gave: with `once` it stays, with `enforce` the declared one is set
    /// again by each apply.
    #[serde(default, skip_serializing_if = "TriageMode::is_default")]
    #[schemars(example = &"enforce")]
    pub mode: TriageMode,
    /// The alert's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"InProgress")]
    pub status: Option<AlertStatus>,
    /// Who works on it: a user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"secop@contoso.com")]
    pub assigned_to: Option<String>,
    /// The verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"TruePositive")]
    pub classification: Option<Classification>,
    /// The verdict in detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Malware")]
    pub determination: Option<Determination>,
    /// A comment to append once; the service never removes comments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"Taken over by the night shift")]
    pub comment: Option<String>,
}

/// The `kind` of a [`RunbookManifest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunbookKind {
    /// `Runbook`
    Runbook,
}

/// Templates of resources, and the parameters that they take.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunbookManifest {
    /// The version of the manifest format: always `casefile/v1`.
    #[schemars(example = &"casefile/v1")]
    pub api_version: ApiVersion,
    /// What this document declares: a runbook.
    pub kind: RunbookKind,
    /// The name by which incidents call the runbook.
    #[schemars(example = json!({"name": "ransomware-triage"}))]
    pub metadata: Metadata,
    /// Parameters and templates.
    #[schemars(extend("examples" = []))]
    pub spec: RunbookSpec,
}

/// `spec` of a `Runbook`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunbookSpec {
    /// What the runbook is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"First look at devices with encrypted files.")]
    pub description: Option<String>,
    /// What an incident gives in `with`: a JSON Schema (draft 2020-12) of type `object`. Names that it does not
    /// declare are refused, unless it says `additionalProperties`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!({"type": "object", "properties": {"ticket": {"type": "string"}}, "required": ["ticket"]}))]
    pub parameters: Option<BTreeMap<String, serde_json::Value>>,
    /// The templates. Scalars may hold expressions: `${{ with.ticket }}`.
    #[schemars(length(min = 1), example = json!([{
        "kind": "InvestigationPackage",
        "metadata": {"name": "collect-${{ item | slug }}"},
        "forEach": "${{ with.machines }}",
        "spec": {"machineId": "${{ item }}", "comment": "Collect for ${{ with.ticket }}"}
    }]))]
    pub resources: Vec<ResourceTemplate>,
}

/// One template: a manifest without `apiVersion`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceTemplate {
    /// What the template makes.
    pub kind: Kind,
    /// Name and labels. The name stands behind the incident's: `inc-2042.collect`.
    #[schemars(example = json!({"name": "collect-${{ item | slug }}"}))]
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// What is asked of the service.
    #[schemars(example = json!({"machineId": "${{ item }}", "comment": "Collect for ${{ with.ticket }}"}))]
    pub spec: BTreeMap<String, serde_json::Value>,
    /// What happens at the service when the resource is no longer declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!({"onRemove": "Retain"}))]
    pub lifecycle: Option<BTreeMap<String, serde_json::Value>>,
    /// Resources of the same incident whose calls come first: names of templates or of what they make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = json!(["collect"]))]
    pub depends_on: Vec<DependsOn>,
    /// One resource for each item of a list: `item` is the item, `index` its number from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"${{ with.machines }}")]
    pub for_each: Option<serde_json::Value>,
    /// Whether there is a resource at all: an expression that gives true or false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"${{ with.collect }}")]
    pub when: Option<serde_json::Value>,
}

/// The `kind` of an [`IncidentManifest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IncidentKind {
    /// `Incident`
    Incident,
}

/// An incident: a runbook, and the values of its parameters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncidentManifest {
    /// The version of the manifest format: always `casefile/v1`.
    #[schemars(example = &"casefile/v1")]
    pub api_version: ApiVersion,
    /// What this document declares: an incident.
    pub kind: IncidentKind,
    /// The incident's name, which begins the names of its resources, and labels for all of them.
    #[schemars(example = json!({"name": "inc-2042", "labels": {"severity": "high"}}))]
    pub metadata: Metadata,
    /// Which runbook, and with what.
    #[schemars(extend("examples" = []))]
    pub spec: IncidentSpec,
}

/// `spec` of an `Incident`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncidentSpec {
    /// The runbook's `metadata.name`.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME), example = &"ransomware-triage")]
    pub runbook: String,
    /// The values of the runbook's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = json!({"ticket": "INC-2042", "machines": ["fb9ab6be3965095a09c057be7c90f0a2"]}))]
    pub with: BTreeMap<String, serde_json::Value>,
    /// The incident is over: its resources are kept as they are, neither expanded nor looked at.
    #[serde(default)]
    #[schemars(example = true)]
    pub closed: bool,
}

/// A case of a runbook: `cases/*.yaml` beside it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseFile {
    /// The runbook's name; needed where its file holds several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME), example = &"ransomware-triage")]
    pub runbook: Option<String>,
    /// The incident to try it with.
    #[schemars(example = json!({"name": "inc-1", "with": {"ticket": "INC-1"}}))]
    pub incident: CaseIncident,
    /// What shall come of it.
    #[schemars(example = json!({"errors": ["`with` lacks `ticket`"]}))]
    pub expect: Expectation,
}

/// `incident` of a case.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseIncident {
    /// As `metadata.name` of an incident.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME), example = &"inc-1")]
    pub name: String,
    /// As `metadata.labels` of an incident.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        extend("propertyNames" = {"pattern": LABEL_KEY, "maxLength": 253}),
        example = json!({"severity": "high"})
    )]
    pub labels: BTreeMap<String, String>,
    /// As `spec.with` of an incident.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = json!({"ticket": "INC-1"}))]
    pub with: BTreeMap<String, serde_json::Value>,
}

/// `expect` of a case: all resources, or what is wrong.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Expectation {
    /// Every resource, in any order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!([{"address": "InvestigationPackage/inc-1.collect"}]))]
    pub resources: Option<Vec<ExpectedResource>>,
    /// Texts that the messages of the problems hold, one problem each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = json!(["`with` lacks `ticket`"]))]
    pub errors: Option<Vec<String>>,
}

/// A resource that a case expects, and those of its fields that matter.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedResource {
    /// `Kind/name`.
    pub address: Address,
    /// Labels; those that are not mentioned may be anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = json!({"severity": "high"}))]
    pub labels: BTreeMap<String, String>,
    /// Fields of `spec`; those that are not mentioned may be anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = json!({"comment": "Collect for INC-1"}))]
    pub spec: BTreeMap<String, serde_json::Value>,
    /// `lifecycle`; not mentioned, it may be anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = json!({"onRemove": "Cancel"}))]
    pub lifecycle: BTreeMap<String, serde_json::Value>,
    /// What it depends on, in full: addresses. Not mentioned, it may be anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!(["InvestigationPackage/inc-1.collect"]))]
    pub depends_on: Option<Vec<DependsOn>>,
}

impl From<TriageSpec> for Triage {
    fn from(t: TriageSpec) -> Self {
        Triage {
            mode: t.mode,
            status: t.status,
            assigned_to: t.assigned_to,
            classification: t.classification,
            determination: t.determination,
            comment: t.comment,
        }
    }
}

impl PackageManifest {
    /// The resource that it declares, and what names its machines if that is no id; its call goes to
    /// [`MachineId::unknown`] then.
    pub(super) fn into_desired(self, source: Source) -> (Desired, Option<Named>) {
        let spec = self.spec;
        let address = Address::new(Kind::InvestigationPackage, self.metadata.name);
        let named = (spec.machine_name.map(Named::Name))
            .or(spec.machine_tag.map(Named::Tag))
            .or(spec.machines.map(Named::File));
        let machine_id = spec.machine_id.unwrap_or_else(MachineId::unknown);
        let call = Call::collect(machine_id, spec.comment);
        let mut desired = Desired::new(address, source, call, spec.revision);
        desired.labels = self.metadata.labels.into();
        desired.approve = spec.approve.into();
        desired.surgery = surgery(self.import, self.moved, self.replace).into();
        desired.policy = Policy {
            max_attempts: spec.max_attempts.unwrap_or_else(max_attempts),
            attempts_written: spec.max_attempts.is_some(),
            retry_after: spec.retry_after,
            on_in_progress: spec.on_in_progress,
            adopt_within: spec.adopt_within,
        };
        desired.on_remove = match self.lifecycle.map(|l| l.on_remove) {
            None | Some(PackageOnRemove::Retain) => OnRemove::Retain,
            Some(PackageOnRemove::Cancel) => OnRemove::Cancel,
        };
        (desired, named)
    }
}

impl AlertManifest {
    /// The resource that it declares, and what names its machine if that is no id; its call goes to
    /// [`MachineId::unknown`] then.
    pub(super) fn into_desired(self, source: Source) -> (Desired, Option<Named>) {
        let spec = self.spec;
        let address = Address::new(Kind::Alert, self.metadata.name);
        let call = Call::Alert(CreateAlert {
            machine_id: spec.machine_id.unwrap_or_else(MachineId::unknown),
            severity: spec.severity,
            title: spec.title,
            description: spec.description,
            recommended_action: spec.recommended_action,
            // Both are there where there is no query, says the schema.
            event_time: spec.event_time.unwrap_or_else(|| jiff::Timestamp::UNIX_EPOCH.into()),
            report_id: spec.report_id.unwrap_or_else(|| ReportId("unknown".into())),
            category: spec.category,
        });
        let mut desired = Desired::new(address, source, call, spec.revision);
        desired.labels = self.metadata.labels.into();
        desired.approve = spec.approve.into();
        desired.surgery = surgery(self.import, self.moved, self.replace).into();
        desired.policy.max_attempts = spec.max_attempts;
        desired.triage = spec.triage.map(Triage::from).into();
        desired.on_remove = match self.lifecycle.map(|l| l.on_remove) {
            None | Some(AlertOnRemove::Retain) => OnRemove::Retain,
            Some(AlertOnRemove::Resolve) => OnRemove::Resolve,
        };
        let query = |e: EventSpec| Named::Event(HuntingQuery { text: e.query.into(), timespan: e.timespan });
        (desired, spec.machine_name.map(Named::Name).or(spec.event.map(query)))
    }
}
