//! `casefile.yaml`: where manifests are, which service they are for, how careful to be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::{Host, Url};

use super::diagnostic::Place;
use super::kinds::{ApiVersion, NAME, TEXT};
use crate::model::{
    AuthMethod, Cloud, CommentRule, HuntingApi, MachinePattern, Marker, RateLimit, Region, Span,
};

/// The project file's name.
pub const PROJECT_FILE: &str = "casefile.yaml";

/// A project: the file's `spec` with defaults filled in, and its name.
#[derive(Clone, Debug)]
pub struct Project {
    /// `metadata.name`.
    pub name: String,
    /// `spec`.
    pub spec: ProjectSpec,
    /// Where the entries of `spec.manifests` stand in the file, in order; empty if they are not written.
    pub(super) places: Vec<Place>,
}

impl Project {
    /// A project with that name and only defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Project { name: name.into(), spec: ProjectSpec::default(), places: Vec::new() }
    }

    /// Where the project's calls go; none if it leaves cloud, host and tenant at their defaults.
    pub fn service(&self) -> Option<Defender> {
        let mut service = self.spec.defender.clone();
        // What a simulated world plays is no other place, and neither is whom the computer trusts.
        service.sandbox = None;
        service.ca_file = None;
        service.tenant_id = service.tenant_id.or_else(|| self.spec.auth.tenant_id.clone());
        (service != Defender::default()).then_some(service)
    }
}

/// The `kind` of a [`ProjectFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProjectKind {
    /// `Project`
    Project,
}

/// `casefile.yaml` as it is written.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectFile {
    /// The version of the format: always `casefile/v1`.
    #[schemars(example = &"casefile/v1")]
    pub api_version: ApiVersion,
    /// Always `Project`.
    pub kind: ProjectKind,
    /// The project's name.
    #[schemars(example = json!({"name": "contoso-ir"}))]
    pub metadata: ProjectMetadata,
    /// Settings; everything in it is optional.
    #[serde(default)]
    #[schemars(example = json!({"manifests": ["incidents"]}))]
    pub spec: ProjectSpec,
}

/// `metadata` of a project.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectMetadata {
    /// The project's name: lower-case letters, digits, dashes and dots.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME), example = &"contoso-ir")]
    pub name: String,
}

/// `spec` of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProjectSpec {
    /// Files or folders with manifests (`*.yaml`, `*.yml`), relative to this file. Folders are searched
    /// with all below them; hidden ones and `*.sealed.yaml` files are left out.
    #[schemars(length(min = 1), inner(length(min = 1), regex(pattern = TEXT)), example = json!(["incidents", "runbooks"]))]
    pub manifests: Vec<String>,
    /// The service that is called.
    #[schemars(example = json!({"cloud": "public", "region": "eu"}))]
    pub defender: Defender,
    /// How a token is obtained. Secrets never stand here: they come from the environment.
    #[schemars(example = json!({"method": "azure-cli"}))]
    pub auth: Auth,
    /// Where state and journal are kept.
    #[schemars(example = json!({"url": "file:.casefile"}))]
    pub state: State,
    /// Where fetched packages are kept.
    #[schemars(example = json!({"url": "file:evidence"}))]
    pub evidence: Evidence,
    /// What to do about a call whose answer was lost.
    #[schemars(example = json!({"settle": "30s", "onUnknown": "ask"}))]
    pub recovery: Recovery,
    /// How many calls may be made in a time. The defaults are the documented quotas of the service.
    #[schemars(example = json!({"collect": {"perMinute": 50}}))]
    pub quotas: Quotas,
    /// How many new objects one plan may ask for without `--allow-over-limits`.
    #[schemars(example = json!({"newCollections": 50, "newAlerts": 25}))]
    pub limits: Limits,
    /// A regular expression that the comment of each collection must match, and title or description of
    /// each alert. Checked before a call is made; what was sent before stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"^INC-[0-9]+")]
    pub require_comment: Option<CommentRule>,
    /// Machines that no call collects from or raises an alert on without an approval: device ids, or names
    /// in which `*` stands for any characters and `?` for one, in any case. A name is compared with the
    /// whole name of a machine and with what stands before its first dot.
    #[schemars(inner(length(min = 1, max = 253)), example = json!(["*-dc-*", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"]))]
    pub protected: Vec<MachinePattern>,
}

impl Default for ProjectSpec {
    fn default() -> Self {
        ProjectSpec {
            manifests: vec!["manifests".into()],
            defender: Defender::default(),
            auth: Auth::default(),
            state: State::default(),
            evidence: Evidence::default(),
            recovery: Recovery::default(),
            quotas: Quotas::default(),
            limits: Limits::default(),
            require_comment: None,
            protected: Vec::new(),
        }
    }
}

/// The service that is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Defender {
    /// The cloud of your tenant.
    #[schemars(example = &"public")]
    pub cloud: Cloud,
    /// The regional host, for shorter ways; only in the public cloud. Any tenant may leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"eu")]
    pub region: Option<Region>,
    /// Another address of the API, in place of the one that `cloud` and `region` name. Plain http is taken
    /// only for this computer itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^https?://"), example = &"https://api.security.microsoft.com")]
    pub endpoint: Option<String>,
    /// The audience of tokens for Defender, in place of the one that `cloud` names: sources disagree on that of government
    /// clouds. `casefile doctor` prints the one that a token is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^https?://"), example = &"https://api.securitycenter.microsoft.com")]
    pub audience: Option<String>,
    /// The API that runs hunting queries.
    #[serde(skip_serializing_if = "is_graph")]
    #[schemars(example = &"graph")]
    pub hunting: HuntingApi,
    /// Another address of Microsoft Graph, in place of the one that `cloud` names. Without it, an `endpoint`
    /// on this computer itself stands for Microsoft Graph too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^https?://"), example = &"https://graph.microsoft.com")]
    pub graph_endpoint: Option<String>,
    /// A file of certificate authorities in PEM that are trusted beside those of the computer, such as a proxy's own. It
    /// lies outside of the repository: who may change the project does not say whom the computer trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"/etc/ssl/corp-proxy.pem")]
    pub ca_file: Option<String>,
    /// The tenant that this project belongs to. A token or a state of another tenant is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = GUID), example = &"00000000-0000-0000-0000-000000000000")]
    pub tenant_id: Option<String>,
    /// The world of the simulated service, with `cloud: sandbox`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = json!({"scenario": "scenario.yaml"}))]
    pub sandbox: Option<Sandbox>,
}

/// The simulated service inside the tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sandbox {
    /// A file of the project with the devices, delays and faults of the simulated world, relative to this file;
    /// `casefile schema scenario` describes it.
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"scenario.yaml")]
    pub scenario: String,
}

fn is_graph(hunting: &HuntingApi) -> bool {
    *hunting == HuntingApi::Graph
}

/// A directory or application id.
pub(super) const GUID: &str = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$";

/// How a token is obtained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Auth {
    /// The way to a token.
    #[schemars(example = &"auto")]
    pub method: AuthMethod,
    /// The application's id; `AZURE_CLIENT_ID` takes its place if set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = GUID), example = &"00000000-0000-0000-0000-000000000000")]
    pub client_id: Option<String>,
    /// The tenant to sign in to; `AZURE_TENANT_ID` takes its place if set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = GUID), example = &"00000000-0000-0000-0000-000000000000")]
    pub tenant_id: Option<String>,
}

/// Where state and journal are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct State {
    /// A folder (`file:.casefile`), a git reference (`git:refs/casefile/state`) or object storage
    /// (`az://account/container/prefix`, `s3://bucket/prefix`, `gs://bucket/prefix`).
    #[schemars(regex(pattern = STATE_URL), example = &"file:.casefile")]
    pub url: String,
    /// The lineage of a shared state, as the first apply prints it. With it a state that is gone, or another one, is an
    /// error, and never "no state".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = GUID), example = &"0d3c5f0e-6a53-4c1e-9f0e-3f0c2b6c9a11")]
    pub lineage: Option<String>,
    /// The least time between two pushes to a git repository: 10 s over https and ssh, none on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"10s")]
    pub push_interval: Option<Span>,
}

/// The ways to name a state.
pub(super) const STATE_URL: &str = r"^(git:|(file:|az://|s3://|gs://)\S)";

impl Default for State {
    fn default() -> Self {
        State { url: "file:.casefile".into(), lineage: None, push_interval: None }
    }
}

/// Where fetched packages are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Evidence {
    /// A folder (`file:evidence`, the default), or a place in object storage (`s3://`, `az://` or `gs://`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = EVIDENCE_URL), example = &"file:evidence")]
    pub url: Option<String>,
    /// The same as a plain folder, relative to this file. One of the two may stand here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), regex(pattern = TEXT), example = &"evidence")]
    pub dir: Option<String>,
}

/// The ways to name a place for evidence.
pub(super) const EVIDENCE_URL: &str = r"^(file:|az://|s3://|gs://)\S";

/// What to do when a call's outcome stays unknown after the look-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknown {
    /// send again, after the service was asked and the settle time is over. The default.
    #[default]
    Resend,
    /// never send again by itself: a person decides.
    Ask,
}

/// What to do about a call whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Recovery {
    /// How long a call may take to show in the service's lists: a whole number and `s`, `m` or `h`.
    #[schemars(example = &"30s")]
    pub settle: Span,
    /// What to do when the service does not show the call after that time.
    #[schemars(example = &"ask")]
    pub on_unknown: OnUnknown,
    /// The mark of each collection, so that a look-up cannot mistake it. `true`: a short unique mark at the end of
    /// its comment. `external-id`: the field `ExternalId`, which is in the service's metadata and on none of its pages;
    /// the comment goes out verbatim. `false`: nothing.
    #[schemars(example = true, example = &"external-id")]
    pub marker: Marker,
}

impl Default for Recovery {
    fn default() -> Self {
        Recovery { settle: Span::from_secs(30), on_unknown: OnUnknown::Resend, marker: Marker::Off }
    }
}

/// A number of calls, or no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// At most so many.
    AtMost(u32),
    /// As many as the service takes.
    Unlimited,
}

impl Rate {
    /// Returns the most calls; none if there is no limit.
    pub fn most(self) -> Option<u32> {
        match self {
            Rate::AtMost(n) => Some(n),
            Rate::Unlimited => None,
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Rate::AtMost(n) => s.serialize_u32(*n),
            Rate::Unlimited => s.serialize_str("unlimited"),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Rate;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number from 1, or `unlimited`")
            }

            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Rate, E> {
                u64::try_from(n)
                    .map_err(|_| E::custom("a rate is at least 1"))
                    .and_then(|n| self.visit_u64(n))
            }

            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Rate, E> {
                match u32::try_from(n) {
                    Ok(n) if n > 0 => Ok(Rate::AtMost(n)),
                    _ => Err(E::custom("a rate is at least 1 and fits 32 bits")),
                }
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Rate, E> {
                if word == "unlimited" { Ok(Rate::Unlimited) } else { Err(E::custom("write `unlimited`")) }
            }
        }
        d.deserialize_any(Visitor)
    }
}

/// The only word that a [`Rate`] takes.
pub(super) const UNLIMITED: &str = "^unlimited$";

impl JsonSchema for Rate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Bounds concern numbers only and patterns strings only, so one schema says both.
        schemars::json_schema!({
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": u32::MAX,
            "pattern": UNLIMITED
        })
    }
}

/// How many collecting calls may be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CollectQuota {
    /// Calls in any 60 seconds, or `unlimited`.
    #[schemars(example = 100)]
    pub per_minute: Rate,
    /// Calls in any 60 minutes, or `unlimited`.
    #[schemars(example = 1500)]
    pub per_hour: Rate,
}

impl Default for CollectQuota {
    fn default() -> Self {
        CollectQuota { per_minute: Rate::AtMost(100), per_hour: Rate::AtMost(1500) }
    }
}

/// How many alerting calls may be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AlertQuota {
    /// Calls in any 60 seconds, or `unlimited`.
    #[schemars(example = 15)]
    pub per_minute: Rate,
    /// Calls in any 60 minutes, or `unlimited`; the service documents no bound.
    #[schemars(example = &"unlimited")]
    pub per_hour: Rate,
}

impl Default for AlertQuota {
    fn default() -> Self {
        AlertQuota { per_minute: Rate::AtMost(15), per_hour: Rate::Unlimited }
    }
}

/// How many hunting queries may be run. The service counts per tenant, other users' queries too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HuntingQuota {
    /// Calls in any 60 seconds, or `unlimited`.
    #[schemars(example = 45)]
    pub per_minute: Rate,
    /// Calls in any 60 minutes, or `unlimited`.
    #[schemars(example = 1500)]
    pub per_hour: Rate,
}

impl Default for HuntingQuota {
    fn default() -> Self {
        HuntingQuota { per_minute: Rate::AtMost(45), per_hour: Rate::AtMost(1500) }
    }
}

/// How many links to packages may be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PackageQuota {
    /// Calls in any 60 seconds, or `unlimited`.
    #[schemars(example = 2)]
    pub per_minute: Rate,
    /// Calls in any 60 minutes, or `unlimited`.
    #[schemars(example = 120)]
    pub per_hour: Rate,
}

impl Default for PackageQuota {
    fn default() -> Self {
        PackageQuota { per_minute: Rate::AtMost(2), per_hour: Rate::AtMost(120) }
    }
}

/// How many calls may be made in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Quotas {
    /// Calls that collect packages.
    #[schemars(example = json!({"perMinute": 100, "perHour": 1500}))]
    pub collect: CollectQuota,
    /// Calls that raise alerts.
    #[schemars(example = json!({"perMinute": 15}))]
    pub alert: AlertQuota,
    /// Hunting queries, by either API.
    #[schemars(example = json!({"perMinute": 45, "perHour": 1500}))]
    pub hunting: HuntingQuota,
    /// Links to packages.
    #[schemars(example = json!({"perMinute": 2, "perHour": 120}))]
    pub package: PackageQuota,
}

impl Quotas {
    /// Returns what may be asked of the calls that collect.
    pub fn of_collections(&self) -> RateLimit {
        RateLimit { per_minute: self.collect.per_minute.most(), per_hour: self.collect.per_hour.most() }
    }

    /// Returns what may be asked of the calls that raise alerts.
    pub fn of_alerts(&self) -> RateLimit {
        RateLimit { per_minute: self.alert.per_minute.most(), per_hour: self.alert.per_hour.most() }
    }

    /// Returns how many links to packages may be asked for.
    pub fn of_package_links(&self) -> RateLimit {
        RateLimit { per_minute: self.package.per_minute.most(), per_hour: self.package.per_hour.most() }
    }

    /// Returns what may be asked of hunting queries, by either API.
    pub fn of_hunting(&self) -> RateLimit {
        RateLimit { per_minute: self.hunting.per_minute.most(), per_hour: self.hunting.per_hour.most() }
    }
}

/// How many new objects one plan may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// New collections in one plan.
    #[schemars(example = 50)]
    pub new_collections: u32,
    /// New alerts in one plan.
    #[schemars(example = 25)]
    pub new_alerts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { new_collections: 50, new_alerts: 25 }
    }
}

/// Why a text is no address of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No URL, or one without a host.
    #[error("not an address such as https://api.security.microsoft.com")]
    Form,
    /// Tokens would be readable on the way.
    #[error("plain http is taken only for this computer itself (127.0.0.1, [::1], localhost)")]
    Plain,
    /// User, password, query or fragment.
    #[error("only scheme, host and port may stand in it")]
    Extra,
}

/// Reads `defender.endpoint` and `defender.graphEndpoint`: https, or http on loopback; host and port only.
pub fn endpoint(text: &str) -> Result<Url, EndpointError> {
    let url = Url::parse(text).map_err(|_| EndpointError::Form)?;
    let loopback = match url.host().ok_or(EndpointError::Form)? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err(EndpointError::Plain),
        _ => return Err(EndpointError::Form),
    }
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if bare && url.fragment().is_none() && url.path() == "/" { Ok(url) } else { Err(EndpointError::Extra) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        for good in [
            "https://api.security.microsoft.com",
            "http://127.0.0.1:8400",
            "http://[::1]:1/",
            "http://localhost",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://example.com", EndpointError::Plain),
            ("http://127.0.0.1.example.com", EndpointError::Plain),
            ("ftp://localhost", EndpointError::Form),
            ("api.security.microsoft.com", EndpointError::Form),
            ("https://u:p@host", EndpointError::Extra),
            ("https://host/api", EndpointError::Extra),
            ("https://host/?a", EndpointError::Extra),
        ] {
            assert_eq!(endpoint(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn the_documented_defaults() {
        let spec = ProjectSpec::default();
        let json = serde_json::to_value(&spec).unwrap();
        assert_eq!(
            json,
            json!({
                "manifests": ["manifests"],
                "defender": {"cloud": "public"},
                "auth": {"method": "auto"},
                "state": {"url": "file:.casefile"},
                "evidence": {},
                "recovery": {"settle": "30s", "onUnknown": "resend", "marker": false},
                "quotas": {
                    "collect": {"perMinute": 100, "perHour": 1500},
                    "alert": {"perMinute": 15, "perHour": "unlimited"},
                    "hunting": {"perMinute": 45, "perHour": 1500},
                    "package": {"perMinute": 2, "perHour": 120}
                },
                "limits": {"newCollections": 50, "newAlerts": 25},
                "protected": []
            })
        );
        assert_eq!(serde_json::from_value::<ProjectSpec>(json!({})).unwrap(), spec);
        assert_eq!(serde_json::from_value::<ProjectSpec>(json).unwrap(), spec);
    }
}
