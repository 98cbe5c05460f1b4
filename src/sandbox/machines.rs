//! Devices on the wire, and the endpoints that read them.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use url::Host;

use super::message::{HttpRequest, HttpResponse, Refusal, wire_time};
use super::odata::{Field, FieldKind, Query, Row, Value, instant};
use super::route::Route;
use super::scenario::MachineSpec;
use super::wire;
use super::world::World;

static FIELDS: &[Field] = &[
    Field { name: "id", kind: FieldKind::Text },
    Field { name: "computerDnsName", kind: FieldKind::Text },
    Field { name: "version", kind: FieldKind::Text },
    Field { name: "deviceValue", kind: FieldKind::Text },
    Field { name: "aadDeviceId", kind: FieldKind::Text },
    Field { name: "lastSeen", kind: FieldKind::Time },
    Field { name: "exposureLevel", kind: FieldKind::Text },
    Field { name: "onboardingStatus", kind: FieldKind::Text },
    Field { name: "lastIpAddress", kind: FieldKind::Text },
    Field { name: "healthStatus", kind: FieldKind::Text },
    Field { name: "osPlatform", kind: FieldKind::Text },
    Field { name: "riskScore", kind: FieldKind::Text },
    Field { name: "rbacGroupId", kind: FieldKind::Number },
    Field { name: "machineTags", kind: FieldKind::Texts },
];

/// The address of a device that the scenario gives none.
const ADDRESS: &str = "192.0.2.4";

/// A device on the wire: the fields of the service's metadata.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MachineBody {
    id: String,
    merged_into_machine_id: Option<String>,
    is_potential_duplication: bool,
    is_excluded: bool,
    exclusion_reason: Option<String>,
    computer_dns_name: String,
    first_seen: String,
    last_seen: String,
    os_platform: String,
    os_processor: &'static str,
    version: String,
    last_ip_address: String,
    last_external_ip_address: &'static str,
    agent_version: &'static str,
    os_build: Option<u32>,
    health_status: String,
    device_value: &'static str,
    rbac_group_id: i64,
    rbac_group_name: Option<String>,
    risk_score: &'static str,
    exposure_level: &'static str,
    is_aad_joined: bool,
    aad_device_id: Option<String>,
    machine_tags: Vec<String>,
    onboarding_status: String,
    os_architecture: &'static str,
    managed_by: &'static str,
    managed_by_status: &'static str,
    ip_addresses: Vec<IpAddress>,
    vm_metadata: Option<String>,
    #[serde(skip)]
    seen_at: Timestamp,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IpAddress {
    ip_address: String,
    mac_address: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    operational_status: &'static str,
}

impl Row for MachineBody {
    fn value(&self, field: &str) -> Value<'_> {
        match field {
            "id" => Value::Text(&self.id),
            "computerDnsName" => Value::Text(&self.computer_dns_name),
            "version" => Value::Text(&self.version),
            "deviceValue" => Value::Text(self.device_value),
            "lastSeen" => Value::Time(self.seen_at),
            "exposureLevel" => Value::Text(self.exposure_level),
            "onboardingStatus" => Value::Text(&self.onboarding_status),
            "lastIpAddress" => Value::Text(&self.last_ip_address),
            "healthStatus" => Value::Text(&self.health_status),
            "osPlatform" => Value::Text(&self.os_platform),
            "riskScore" => Value::Text(self.risk_score),
            "rbacGroupId" => Value::Number(self.rbac_group_id),
            "machineTags" => Value::Texts(&self.machine_tags),
            _ => Value::Null,
        }
    }
}

/// A device as it looks at `now`. It reports every half hour, unless it is inactive.
fn body(spec: &MachineSpec, now: Timestamp) -> MachineBody {
    const HALF_HOUR: SignedDuration = SignedDuration::from_mins(30);
    let silence = match (spec.silent, spec.health.as_str()) {
        (Some(silent), _) => SignedDuration::try_from(silent.get()).unwrap_or(SignedDuration::MAX),
        (None, "Active") => HALF_HOUR,
        (None, _) => SignedDuration::from_hours(10 * 24),
    };
    let seen_at = now.checked_sub(silence).unwrap_or(now);
    let first = now.checked_sub(SignedDuration::from_hours(90 * 24)).unwrap_or(now);
    let windows = spec.os.starts_with("Windows");
    let address = spec.ip.clone().unwrap_or_else(|| ADDRESS.to_owned());
    MachineBody {
        id: spec.id.clone(),
        merged_into_machine_id: spec.merged_into.clone(),
        is_potential_duplication: spec.merged_into.is_some(),
        is_excluded: false,
        exclusion_reason: None,
        computer_dns_name: spec.dns_name(),
        first_seen: wire_time(first),
        last_seen: wire_time(seen_at),
        os_platform: spec.os.clone(),
        os_processor: "x64",
        version: spec.version.clone().unwrap_or_else(|| if windows { "23H2" } else { "14" }.to_owned()),
        last_ip_address: address.clone(),
        last_external_ip_address: "203.0.113.25",
        agent_version: "10.8470.22631.3007",
        os_build: spec.build.or(windows.then_some(22631)),
        health_status: spec.health.clone(),
        device_value: "Normal",
        rbac_group_id: 0,
        rbac_group_name: None,
        risk_score: "None",
        exposure_level: "Medium",
        is_aad_joined: true,
        aad_device_id: None,
        machine_tags: spec.tags.clone(),
        onboarding_status: spec.onboarding.clone(),
        os_architecture: "64-bit",
        managed_by: "Intune",
        managed_by_status: "Unknown",
        ip_addresses: vec![IpAddress {
            ip_address: address,
            mac_address: None,
            kind: "Ethernet",
            operational_status: "Up",
        }],
        vm_metadata: None,
        seen_at,
    }
}

/// An argument of a function, from its parentheses or from the query; none if it is empty.
fn argument(found: &Route, request: &HttpRequest, name: &str) -> Option<String> {
    let inside = found.arguments.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let query = || {
        let mut pairs = url::form_urlencoded::parse(request.query.as_bytes());
        pairs.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
    };
    inside.or_else(query).filter(|value| !value.is_empty())
}

/// Reads an IP address, so that two spellings of one are equal.
fn address(text: &str) -> Option<Host> {
    let bracketed = format!("[{text}]");
    let host = Host::parse(if text.contains(':') { &bracketed } else { text }).ok()?;
    match host {
        Host::Ipv6(_) => Some(host),
        // The reader of hosts takes shorter forms too.
        Host::Ipv4(_) if text.split('.').count() == 4 => Some(host),
        _ => None,
    }
}

/// The message of the documentation's example.
pub(super) fn unknown_machine(id: &str) -> Refusal {
    Refusal::not_found(format!("Machine {id} was not found"))
}

impl World {
    /// The device, or the 404 that says that there is none.
    pub(super) fn machine(&self, id: &str) -> Result<MachineSpec, Refusal> {
        self.fleet.get(&self.scenario, id).ok_or_else(|| unknown_machine(id))
    }

    /// `GET /api/machines/{id}`: by id or by name.
    pub(super) fn get_machine(
        &self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let spec = match self.fleet.get(&self.scenario, id) {
            Some(spec) => spec,
            None => self.machine(self.fleet.named(id).unwrap_or(id))?,
        };
        wire::one(request, "Machines", "Machine", &body(&spec, now))
    }

    /// `GET /api/alerts/{id}/machine`.
    pub(super) fn alert_machine(
        &self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let spec = self.machine(&self.alert_machine_id(now, id)?)?;
        wire::one(request, "Machines", "Machine", &body(&spec, now))
    }

    /// `GET /api/machines`. A name that the filter looks for may be the first that is heard of its device.
    pub(super) fn list_machines(
        &mut self,
        now: Timestamp,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let query = Query::of(request, FIELDS, "Machine")?;
        let names = query.filter.iter().flat_map(|f| f.looked_for("computerDnsName"));
        if self.fleet.make_up(&self.scenario, names) {
            // A new device is for the journal, as if it were made by a call that changes something.
            self.seq += 1;
        }
        let all = self.fleet.all(&self.scenario);
        if all.is_empty() {
            return Err(Refusal::not_found("No machines were found"));
        }
        let rows = all.iter().map(|spec| body(spec, now));
        Ok(wire::list(request, "Machines", &query, self.scenario.lists.page_size, rows, Clone::clone))
    }

    /// `GET /api/machines/findbytag?tag=...`, also written as `findbytag(tag='...')`.
    pub(super) fn find_by_tag(
        &self,
        now: Timestamp,
        found: &Route,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let query = Query::of(request, FIELDS, "Machine")?;
        let tag = argument(found, request, "tag").ok_or_else(|| Refusal::missing("tag"))?;
        let prefix = argument(found, request, "usestartswithfilter");
        let prefix = prefix.is_some_and(|p| p.eq_ignore_ascii_case("true"));
        let fits = |t: &String| if prefix { t.starts_with(&tag) } else { *t == tag };
        let all = self.fleet.all(&self.scenario);
        let rows = all.iter().filter(|m| m.tags.iter().any(fits)).map(|spec| body(spec, now));
        Ok(wire::list(request, "Machines", &query, self.scenario.lists.page_size, rows, Clone::clone))
    }

    /// `GET /api/machines/findbyip(ip='...',timestamp=...)`: those seen with the address from 15 minutes before to 15
    /// minutes after it. Here a device has one address all its life.
    pub(super) fn find_by_ip(
        &self,
        now: Timestamp,
        found: &Route,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        const AROUND: SignedDuration = SignedDuration::from_mins(15);
        const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
        let query = Query::of(request, FIELDS, "Machine")?;
        let given = |name: &str| argument(found, request, name).ok_or_else(|| Refusal::missing(name));
        let ip = given("ip")?;
        let Some(wanted) = address(&ip) else {
            return Err(Refusal::new(400, "InvalidIpAddress", format!("IP address {ip} is invalid.")));
        };
        let timestamp = given("timestamp")?;
        let at = instant(&timestamp).ok_or_else(|| Refusal::invalid(&timestamp))?;
        if now.duration_since(at) > KEPT || at > now {
            return Err(Refusal::invalid(&timestamp));
        }
        let all: Vec<_> = self.fleet.all(&self.scenario).iter().map(|spec| body(spec, now)).collect();
        let rows = all.iter().filter(|m| {
            let seen = at.duration_since(m.seen_at) <= AROUND;
            seen && address(&m.last_ip_address).as_ref() == Some(&wanted)
        });
        let page = self.scenario.lists.page_size;
        Ok(wire::list(request, "Machines", &query, page, rows.cloned(), Clone::clone))
    }

    /// All devices as they look at `now`.
    pub(super) fn machine_bodies(&self, now: Timestamp) -> Vec<MachineBody> {
        self.fleet.all(&self.scenario).iter().map(|spec| body(spec, now)).collect()
    }
}
