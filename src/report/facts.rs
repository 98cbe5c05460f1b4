//! The facts of a report: plain types, and the document of `report --format json`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::trouble::{Holding, Trouble};
use crate::defender::PortalLink;
use crate::model::{Address, Kind, PlanDigest, RequestDigest, Sha256Hex};
use crate::state::{CallAction, Origin, Phase};

/// All that a report tells.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When the report was made, by the clock of the computer that made it.
    #[schemars(example = NOW)]
    pub created_at: Timestamp,
    /// `metadata.name` of the project.
    #[schemars(example = &"contoso-ir")]
    pub project: String,
    /// The label `incident` of all that it tells of, if they have the same one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"INC-2042")]
    pub incident: Option<String>,
    /// The part of the state that was selected.
    #[schemars(example = Selection::default())]
    pub selection: Selection,
    /// The service that the state belongs to.
    #[schemars(example = Service::default())]
    pub service: Service,
    /// True if the service was looked at for this report; else it tells what was recorded.
    #[schemars(example = false)]
    pub refreshed: bool,
    /// The journal that it is made from.
    #[schemars(example = Journal::default())]
    pub journal: Journal,
    /// How many there are of what.
    #[schemars(example = Summary::default())]
    pub summary: Summary,
    /// The plans that asked for it, the first one first.
    #[schemars(example = serde_json::json!([]))]
    pub plans: Vec<PlanFacts>,
    /// The machines that it is about, by their names.
    #[schemars(example = serde_json::json!([]))]
    pub machines: Vec<Machine>,
    /// Each resource, by address.
    #[schemars(example = serde_json::json!([]))]
    pub resources: Vec<ResourceFacts>,
    /// The things that need a person; told in words beside it.
    #[serde(skip)]
    pub troubles: Vec<(Option<Address>, Trouble)>,
}

/// The selection.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// The addresses that were named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!(["InvestigationPackage/fin-ws-042"]))]
    pub addresses: Vec<Address>,
    /// The selector, as it was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"incident=INC-2042")]
    pub selector: Option<String>,
}

/// A service.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// The cloud that the project names.
    #[schemars(example = &"public")]
    pub cloud: String,
    /// The endpoint, where the state was recorded at one of the user's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://127.0.0.1:8400")]
    pub endpoint: Option<String>,
    /// The tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"72f988bf-86f1-41af-91ab-2d7cd011db47")]
    pub tenant: Option<String>,
}

/// A journal, as far as it is sound.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Journal {
    /// The lineage of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"0b7c2f5e-6a53-4c1e-9a2f-2f1d3c9f1b11")]
    pub lineage: Option<String>,
    /// How many records there are.
    #[schemars(example = 42)]
    pub records: u64,
    /// The hash of the last one, for `verify --head`.
    #[schemars(example = Sha256Hex::of(b"test"))]
    pub head: Sha256Hex,
    /// The fault of the record behind it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"journal line 43: record 43 was changed after it was written: its content does not match its hash")]
    pub damage: Option<String>,
}

impl Default for Journal {
    fn default() -> Self {
        Journal { lineage: None, records: 0, head: Sha256Hex::ZERO, damage: None }
    }
}

/// How many there are of what.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Collections.
    #[schemars(example = 14)]
    pub collections: usize,
    /// Collections whose package is held.
    #[schemars(example = 12)]
    pub held: usize,
    /// Packages that are held, those of earlier attempts too; those that a look found damaged are not counted.
    #[schemars(example = 12)]
    pub packages: usize,
    /// Their length together, in bytes.
    #[schemars(example = 1_048_576)]
    pub bytes: u64,
    /// Alerts.
    #[schemars(example = 3)]
    pub alerts: usize,
    /// Alerts that the service has.
    #[schemars(example = 3)]
    pub raised: usize,
    /// Machines.
    #[schemars(example = 14)]
    pub machines: usize,
    /// Resources by how they stand.
    #[schemars(example = serde_json::json!({ "held": 12 }))]
    pub standing: BTreeMap<Standing, usize>,
}

/// How a resource stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Refused for now or for good.
    Refused,
    /// Ended without a package.
    Failed,
    /// Its call got no answer.
    Unanswered,
    /// Cancelled.
    Cancelled,
    /// The machine is busy with something else.
    Waiting,
    /// At the service, and not over.
    Running,
    /// Done, and what is held is not what was fetched: gone, cut short or altered.
    Damaged,
    /// Done; the package is not held.
    Done,
    /// Done, and the package is held.
    Held,
    /// The alert is there.
    Raised,
}

/// A plan that asked for something here.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanFacts {
    /// Its digest: what was approved.
    #[schemars(example = PlanDigest(Sha256Hex::of(b"test")))]
    pub digest: PlanDigest,
    /// When its first call here was recorded, by the clock of the run.
    #[schemars(example = NOW)]
    pub began: Timestamp,
    /// How many of its calls are told of here.
    #[schemars(example = 12)]
    pub calls: usize,
    /// The senders: user@host, or the pipeline's job. None for older records.
    #[schemars(example = serde_json::json!(["ann@soc-1"]))]
    pub by: Vec<String>,
    /// The git commits that were checked out.
    #[schemars(example = serde_json::json!(["1f2e3d4c5b6a79880716253443526170f1e2d3c4"]))]
    pub commits: Vec<String>,
}

/// A machine.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Its id.
    #[schemars(example = &"fb9ab6be3965095a09c057be7c90f0a2")]
    pub id: String,
    /// Its name, as far as the record or the service tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fin-ws-042.contoso.com")]
    pub name: Option<String>,
    /// `healthStatus`; none where the service was not looked at, or its list does not show the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Active")]
    pub health: Option<String>,
    /// `osPlatform` and `version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Windows11 23H2")]
    pub system: Option<String>,
    /// `lastSeen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = NOW)]
    pub last_seen: Option<Timestamp>,
    /// How many resources are about it here.
    #[schemars(example = 2)]
    pub resources: usize,
}

/// A resource.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceFacts {
    /// Its address.
    #[schemars(example = &"InvestigationPackage/fin-ws-042")]
    pub address: Address,
    /// The address as people see it.
    #[schemars(example = &"InvestigationPackage/fin-ws-042")]
    pub shown: String,
    /// Its kind.
    #[schemars(example = &"InvestigationPackage")]
    pub kind: Kind,
    /// How it stands.
    #[schemars(example = Standing::Held)]
    pub standing: Standing,
    /// Its phase in the state.
    #[schemars(example = Phase::Succeeded)]
    pub phase: Phase,
    /// True if its manifest is gone.
    #[schemars(example = false)]
    pub released: bool,
    /// The id of the object at the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5382f7ea-7557-4ab7-9782-d50480024a4e")]
    pub id: Option<String>,
    /// The page of an alert in the portal of its cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://security.microsoft.com/alerts/da637551227677560813_-961444813")]
    pub portal: Option<PortalLink>,
    /// True if a call of ours made the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = Origin::Made)]
    pub origin: Option<Origin>,
    /// The requestor, in the service's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"analyst@contoso.com")]
    pub requestor: Option<String>,
    /// The service's word for where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Succeeded")]
    pub status: Option<String>,
    /// The machine's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fb9ab6be3965095a09c057be7c90f0a2")]
    pub machine_id: Option<String>,
    /// The machine's name, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fin-ws-042.contoso.com")]
    pub machine_name: Option<String>,
    /// The comment of a collection, the title of an alert, as sent.
    #[schemars(example = &"INC-2042 collects forensics")]
    pub text: String,
    /// An alert's severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"High")]
    pub severity: Option<String>,
    /// `spec.revision`
    #[schemars(example = 1)]
    pub revision: u32,
    /// The digest of the request.
    #[schemars(example = RequestDigest(Sha256Hex::of(b"test")))]
    pub request: RequestDigest,
    /// The seal file that holds exactly this request today.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"manifests/inc-2042.sealed.yaml")]
    pub seal: Option<String>,
    /// `metadata.labels`
    #[schemars(example = serde_json::json!({ "incident": "INC-2042" }))]
    pub labels: BTreeMap<String, String>,
    /// Each attempt, and each object that was there already, one after the other.
    #[schemars(example = serde_json::json!([]))]
    pub attempts: Vec<Attempt>,
    /// The packages that are held for it.
    #[schemars(example = serde_json::json!([]))]
    pub packages: Vec<Package>,
}

/// An attempt, or an object that was there already.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The number of the intent's record; none for an object that was there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 2)]
    pub record: Option<u64>,
    /// Why the call was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = CallAction::Create)]
    pub action: Option<CallAction>,
    /// The sender: user@host, or the pipeline's job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"ann@soc-1")]
    pub by: Option<String>,
    /// The plan that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = PlanDigest(Sha256Hex::of(b"test")))]
    pub plan: Option<PlanDigest>,
    /// The git commit that was checked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1f2e3d4c5b6a79880716253443526170f1e2d3c4")]
    pub commit: Option<String>,
    /// Since when it waited for quotas and for its turn in the run, by the service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = NOW)]
    pub waited_since: Option<Timestamp>,
    /// When it was asked for, by the service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = NOW)]
    pub asked: Option<Timestamp>,
    /// When the service accepted it, by its clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = NOW)]
    pub accepted: Option<Timestamp>,
    /// When it was first seen to run, by the service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = NOW)]
    pub running: Option<Timestamp>,
    /// When it was over, by the service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = NOW)]
    pub finished: Option<Timestamp>,
    /// When its package was held, by the clock of the computer that fetched it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = NOW)]
    pub fetched: Option<Timestamp>,
    /// When the call ended without an object, by the clock of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = NOW)]
    pub ended: Option<Timestamp>,
    /// Until when a used-up quota kept it waiting, by the clock of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = NOW)]
    pub blocked_until: Option<Timestamp>,
    /// The id of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5382f7ea-7557-4ab7-9782-d50480024a4e")]
    pub id: Option<String>,
    /// The service's last word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Succeeded")]
    pub status: Option<String>,
}

/// A package that is held.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// The collection.
    #[schemars(example = &"5382f7ea-7557-4ab7-9782-d50480024a4e")]
    pub id: String,
    /// Where it is held.
    #[schemars(example = &"file:evidence")]
    pub store: String,
    /// Its name there.
    #[schemars(example = &"InvestigationPackage/fin-ws-042/fin-ws-042-20260301T080000Z-5382f7ea-7557-4ab7-9782-d50480024a4e.zip")]
    pub file: String,
    /// Its length in bytes.
    #[schemars(example = 1_048_576)]
    pub size: u64,
    /// SHA-256 of its bytes, computed while they came in.
    #[schemars(example = Sha256Hex::of(b"test"))]
    pub sha256: Sha256Hex,
    /// How many entries the zip lists.
    #[schemars(example = 7)]
    pub entries: usize,
    /// When its last byte was there, by the clock of the computer that fetched it.
    #[schemars(example = NOW)]
    pub fetched: Timestamp,
    /// The person or job that fetched it: user@host, or the pipeline's job.
    #[schemars(example = &"ann@soc-1")]
    pub by: String,
    /// The number of the custody record.
    #[schemars(example = 9)]
    pub record: u64,
    /// The finding of a look at where it is held.
    #[schemars(example = Holding::There)]
    pub holding: Holding,
    /// The fault that was found: a code of `verify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"package-missing")]
    pub finding: Option<&'static str>,
}

/// An example for the schema.
const NOW: &str = "2026-03-01T09:30:00Z";
