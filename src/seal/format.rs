//! What a seal file says, and how: stable, in short lines, without a hidden character.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::{self, ApiVersion, Defender};
use crate::model::{
    self, Address, Body, Call, CreateAlert, Dependency, Desired, HuntedEvent, Method, OnInProgress, OnRemove,
    RequestDigest, Sha256Hex, Span, Target, Template, TriageMode,
};
use crate::render::escape;

/// Characters of a text in one line; further ones follow in the next line.
const WIDTH: usize = 96;

/// How many lines a seal may have: those of more than 30,000 resources.
pub const MOST_LINES: usize = 1_000_000;

/// What every seal begins with.
const HEADER: &str = "# The calls of this manifest, as `casefile apply --sealed` sends them. Written by\n\
                      # `casefile seal`: review it, do not edit it.\n";

/// The reviewed calls of one manifest file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "casefile seal")]
pub struct Seal {
    /// The version of the format.
    #[schemars(example = ApiVersion::V1)]
    pub api_version: ApiVersion,
    /// Tells it from a manifest.
    #[schemars(example = SealKind::Seal)]
    pub kind: SealKind,
    /// The manifest file, relative to the project folder; hidden characters escaped.
    #[schemars(example = &"manifests/inc-2042.yaml")]
    pub manifest: String,
    /// `defender` of the project file, and the tenant that it names; left out where all of it is the default. These
    /// calls were reviewed for this service and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({ "cloud": "gcc-high" }))]
    pub service: Option<Defender>,
    /// Its incidents, by name: as long as an incident says the same, the resources below count for it, and
    /// not what its runbook has become.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([]))]
    pub incidents: Vec<SealedIncident>,
    /// What names machines otherwise than by an id, by address: the resources below hold the machines that were
    /// meant when this was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([]))]
    pub targets: Vec<SealedTarget>,
    /// Its resources, by address; one for each machine.
    #[schemars(example = serde_json::json!([]))]
    pub resources: Vec<Sealed>,
    /// SHA-256 of all of the above: shows that nobody edited the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub checksum: Option<String>,
}

/// The `kind` of a [`Seal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SealKind {
    /// `Seal`
    Seal,
}

/// An incident, as far as a seal depends on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedIncident {
    /// `metadata.name`.
    #[schemars(example = &"inc-2042")]
    pub name: String,
    /// SHA-256 of what the incident itself says: name, labels, runbook, `with`.
    #[schemars(example = &"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub inputs: String,
}

impl SealedIncident {
    pub(super) fn of(name: &str, inputs: &Sha256Hex) -> SealedIncident {
        SealedIncident { name: name.to_owned(), inputs: format!("sha256:{inputs}") }
    }
}

/// How a manifest names machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedTarget {
    /// `Kind/metadata.name`; resources of a group are `Kind/name[machine id]`.
    #[schemars(example = &"InvestigationPackage/sweep")]
    pub address: String,
    /// `spec.machineName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fin-ws-042")]
    pub machine_name: Option<String>,
    /// `spec.machineTag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"tier1")]
    pub machine_tag: Option<String>,
    /// `spec.machines.fromFile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"hosts.txt")]
    pub from_file: Option<String>,
    /// `spec.machines.column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"host")]
    pub column: Option<String>,
    /// `spec.event.query` of an alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"DeviceEvents | top 1 by Timestamp")]
    pub event_query: Option<Text>,
    /// `spec.event.timespan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"P7D")]
    pub event_timespan: Option<String>,
    /// Of the file's text, without its byte order mark and with line feeds for line ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub file_digest: Option<String>,
}

impl SealedTarget {
    /// What the seal of a template says of its machines.
    pub fn of(t: &Template) -> SealedTarget {
        let text = |s: &str| Some(escape::one_line(s).into_owned());
        let bare = SealedTarget { address: t.address().to_string(), ..SealedTarget::default() };
        match &t.target {
            Target::Name(name) => SealedTarget { machine_name: text(name.as_str()), ..bare },
            Target::Tag(tag) => SealedTarget { machine_tag: text(tag), ..bare },
            Target::Event(query) => SealedTarget {
                event_query: Some(Text::of(&query.text)),
                event_timespan: query.timespan.as_ref().map(ToString::to_string),
                ..bare
            },
            Target::File(file) => SealedTarget {
                from_file: text(&file.file),
                column: file.column.as_deref().and_then(text),
                file_digest: Some(format!("sha256:{}", file.digest)),
                ..bare
            },
        }
    }
}

/// One resource, fully resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sealed {
    /// `Kind/name`.
    pub address: Address,
    /// The incident that it is expanded for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"inc-2042")]
    pub incident: Option<String>,
    /// `metadata.labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({ "incident": "INC-2042" }))]
    pub labels: BTreeMap<String, Text>,
    /// `spec`, defaults included.
    pub spec: Spec,
    /// `spec.triage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triage: Option<Triage>,
    /// `spec.approve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({ "protected": true, "reason": "INC-2042" }))]
    pub approve: Option<Approve>,
    /// `lifecycle.onRemove`.
    #[schemars(example = OnRemove::Retain)]
    pub on_remove: OnRemove,
    /// `dependsOn`, by address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([{ "address": "InvestigationPackage/a", "until": "Accepted" }]))]
    pub depends_on: Vec<Dependency>,
    /// `replace.id`: the call is made in spite of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5382f7ea-7557-4ab7-9782-d50480024a4e")]
    pub replace: Option<String>,
    /// The call that creates it.
    pub request: Request,
    /// Of the exact request and the revision.
    pub digest: RequestDigest,
    /// Labels and triage as JSON, in pieces that follow each other directly: for a resource of an incident, if
    /// one of these texts is shown escaped above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!([r#"{"labels":{"note":"two\\nlines"},"triage":null}"#]))]
    pub exact: Option<Vec<String>>,
}

/// The fields of a resource, in the order of its manifest; those of the other kind are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(example = serde_json::json!({ "machineId": "fb9ab6be3965095a09c057be7c90f0a2", "revision": 1 }))]
#[expect(missing_docs, reason = "the fields of manifests, documented there")]
pub struct Spec {
    pub machine_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommended_action: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_id: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    pub revision: u32,
    pub max_attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_in_progress: Option<OnInProgress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopt_within: Option<Span>,
}

/// The triage of an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(example = serde_json::json!({ "status": "InProgress" }))]
#[expect(missing_docs, reason = "the fields of manifests, documented there")]
pub struct Triage {
    #[serde(skip_serializing_if = "TriageMode::is_default")]
    pub mode: TriageMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub determination: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text>,
}

/// What the manifest approves for the plan that makes the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of manifests, documented there")]
pub struct Approve {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_limits: Option<u32>,
    pub protected: bool,
    pub reason: Text,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// POST.
    #[schemars(example = Method::Post)]
    pub method: Method,
    /// Below the API's host.
    #[schemars(example = &"/api/machines/fb9ab6be3965095a09c057be7c90f0a2/collectInvestigationPackage")]
    pub path: String,
    /// The JSON body in pieces that follow each other directly. Hidden characters are spelled `\u202e`; the
    /// digest is that of the very bytes.
    #[schemars(example = serde_json::json!([r#"{"Comment":"Collect forensics due to alert 1234"}"#]))]
    pub body: Vec<String>,
}

/// A text for a reader, hidden characters escaped: one line, or pieces that follow each other directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Text {
    /// A short text.
    One(String),
    /// A long one, or one with line breaks, which end their piece as `\n`.
    Pieces(Vec<String>),
}

impl Text {
    /// As it is shown.
    pub(super) fn plain(&self) -> String {
        match self {
            Text::One(text) => text.clone(),
            Text::Pieces(pieces) => pieces.concat(),
        }
    }

    fn of(text: &str) -> Text {
        let mut pieces: Vec<String> = Vec::new();
        for line in text.split_inclusive('\n') {
            pieces.extend(wrap(&escape::one_line(line)));
        }
        match pieces.len() {
            0 | 1 => Text::One(pieces.pop().unwrap_or_default()),
            _ => Text::Pieces(pieces),
        }
    }
}

/// A text in pieces of at most [`WIDTH`] characters, broken after spaces where there are some.
fn wrap(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((end, _)) = rest.char_indices().nth(WIDTH) {
        let at = rest.get(..end).and_then(|s| s.rfind(' ')).map_or(end, |space| space + 1);
        let (piece, after) = rest.split_at(at);
        pieces.push(piece.to_owned());
        rest = after;
    }
    pieces.push(rest.to_owned());
    pieces
}

/// A JSON object in pieces: a new one before each key, and where it grows too long.
fn body_pieces(body: &str) -> Vec<String> {
    let body = escape::json(body);
    let mut pieces = Vec::new();
    let mut rest: &str = &body;
    // Inside a text a quote is escaped, so a text can hold this pair only at its very end.
    while let Some(at) = rest.find(",\"") {
        let (field, next) = rest.split_at(at + 1);
        pieces.extend(wrap(field));
        rest = next;
    }
    pieces.extend(wrap(rest));
    pieces
}

/// Labels, triage and approval, where a reader's spelling does not give them back.
#[derive(Serialize, Deserialize)]
pub(super) struct Exact {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) triage: Option<model::Triage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) approve: Option<model::Approval>,
}

/// See [`Sealed::exact`].
fn exact(d: &Desired) -> Option<Vec<String>> {
    let triage = d.triage.iter().flat_map(|t| [&t.assigned_to, &t.comment]).flatten();
    let texts = d.labels.iter().flat_map(|(k, v)| [k, v]).chain(triage);
    let texts = texts.chain(d.approve.iter().map(|a| &a.reason));
    if !texts.into_iter().any(|text| text.chars().any(escape::is_hidden)) {
        return None;
    }
    let exact =
        Exact { labels: d.labels.to_inner(), triage: d.triage.to_inner(), approve: d.approve.to_inner() };
    let text = serde_json::to_string(&exact).ok()?;
    Some(wrap(&escape::json(&text)))
}

impl Sealed {
    /// What a resource's seal says.
    pub fn of(d: &Desired) -> Sealed {
        let mut spec = Spec {
            machine_id: d.call.machine().as_str().to_owned(),
            machine_name: d.machine_name.as_deref().map(|n| escape::one_line(n).into_owned()),
            revision: d.revision,
            max_attempts: d.policy.max_attempts,
            ..Spec::default()
        };
        match &d.call {
            Call::Collect { comment, .. } => {
                spec.comment = Some(Text::of(comment));
                spec.retry_after = Some(d.policy.retry_after);
                spec.on_in_progress = Some(d.policy.on_in_progress);
                spec.adopt_within = Some(d.policy.adopt_within);
            }
            Call::Alert(CreateAlert {
                machine_id: _,
                severity,
                title,
                description,
                recommended_action,
                event_time,
                report_id,
                category,
            }) => {
                spec.severity = Some(severity.to_string());
                spec.title = Some(Text::of(title));
                spec.description = Some(Text::of(description));
                spec.recommended_action = Some(Text::of(recommended_action));
                spec.event_time = Some(event_time.to_string());
                spec.report_id = Some(Text::of(&report_id.0));
                spec.category = Some(category.to_string());
            }
        }
        let triage = d.triage.as_ref().map(|t| Triage {
            mode: t.mode,
            status: t.status.as_ref().map(ToString::to_string),
            assigned_to: t.assigned_to.as_deref().map(Text::of),
            classification: t.classification.as_ref().map(ToString::to_string),
            determination: t.determination.as_ref().map(ToString::to_string),
            comment: t.comment.as_deref().map(Text::of),
        });
        let request = d.request();
        let label = |(k, v): (&String, &String)| (escape::one_line(k).into_owned(), Text::of(v));
        Sealed {
            address: d.address.clone(),
            incident: d.expanded.as_ref().map(|t| t.incident.to_string()),
            exact: d.expanded.as_ref().and_then(|_| exact(d)),
            labels: d.labels.iter().map(label).collect(),
            spec,
            triage,
            approve: d.approve.as_ref().map(|a| Approve {
                over_limits: a.over_limits,
                protected: a.protected,
                reason: Text::of(&a.reason),
            }),
            on_remove: d.on_remove,
            depends_on: d.depends_on.to_inner(),
            replace: d.replace().map(str::to_owned),
            request: Request {
                method: request.method,
                body: body_pieces(request.body.as_str()),
                path: request.path.into_owned(),
            },
            digest: d.digest,
        }
    }

    /// Returns the sealed call; none if its parts do not fit together.
    pub fn call(&self) -> Option<Call> {
        let body = Body::from_json(self.request.body.concat()).ok()?;
        let request =
            model::Request { method: self.request.method, path: self.request.path.clone().into(), body };
        Call::from_request(&request)
    }

    /// The event that a sealed alert is raised on, from its request.
    pub fn event(&self) -> Option<HuntedEvent> {
        HuntedEvent::of(&self.call()?)
    }
}

/// A file that is no seal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct SealError {
    /// 1-based.
    pub line: u32,
    /// 1-based.
    pub column: u32,
    /// The parser's words.
    pub why: String,
    /// The `apiVersion`, if it is a later one than ours: nothing is wrong with the file then.
    pub newer: Option<String>,
}

/// The `apiVersion` of a seal whose format came after ours.
fn newer(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Versioned {
        api_version: String,
        #[serde(rename = "kind")]
        _kind: SealKind,
    }
    let v: Versioned = serde_yaml::from_str(text).ok()?;
    let number: u64 = v.api_version.strip_prefix("casefile/v")?.parse().ok()?;
    (number > 1).then_some(v.api_version)
}

impl Seal {
    pub(super) fn new(
        manifest: &str,
        service: Option<&Defender>,
        incidents: Vec<SealedIncident>,
        targets: Vec<SealedTarget>,
        resources: Vec<Sealed>,
    ) -> Seal {
        let mut seal = Seal {
            api_version: ApiVersion::V1,
            kind: SealKind::Seal,
            manifest: escape::one_line(manifest).into_owned(),
            service: service.map(shown),
            incidents,
            targets,
            resources,
            checksum: None,
        };
        seal.checksum = Some(seal.sum());
        seal
    }

    /// Reads a seal; whether it is intact is another question.
    pub fn read(text: &str) -> Result<Seal, SealError> {
        if !is_short_enough(text) {
            let line = u32::try_from(MOST_LINES + 1).unwrap_or(u32::MAX);
            let why = format!("the file holds more than {MOST_LINES} lines");
            return Err(SealError { line, column: 1, why, newer: None });
        }
        manifest::look_through(text).map_err(|e| {
            let manifest::Unreadable { line, column, why, .. } = e;
            SealError { line, column, why, newer: None }
        })?;
        serde_yaml::from_str(text).map_err(|e| {
            let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).max(1);
            let (line, column) = e.location().map_or((1, 1), |l| (place(l.line()), place(l.column())));
            SealError { line, column, why: e.to_string(), newer: newer(text) }
        })
    }

    /// As it is written to its file.
    pub fn to_text(&self) -> String {
        // Structs of texts, numbers and lists are always YAML.
        format!("{HEADER}{}", serde_yaml::to_string(self).unwrap_or_default())
    }

    /// Whether the content is what the tool wrote.
    pub fn is_intact(&self) -> bool {
        self.checksum.as_ref() == Some(&self.sum())
    }

    fn sum(&self) -> String {
        let bare = Seal { checksum: None, ..self.clone() };
        format!("sha256:{}", Sha256Hex::of(bare.to_text().as_bytes()))
    }

    /// Returns it as versions wrote it that named no service.
    pub(super) fn of_older_version(&self) -> Seal {
        let mut seal = Seal { service: None, checksum: None, ..self.clone() };
        seal.checksum = Some(seal.sum());
        seal
    }

    /// One resource of it.
    pub fn get(&self, address: &Address) -> Option<&Sealed> {
        self.resources.iter().find(|s| s.address == *address)
    }
}

/// Returns whether a text has no more lines than a seal may have.
pub fn is_short_enough(text: &str) -> bool {
    memchr::memchr_iter(b'\n', text.as_bytes()).nth(MOST_LINES).is_none()
}

/// A service as a seal says it, hidden characters escaped.
pub(super) fn shown(service: &Defender) -> Defender {
    let text = |url: &Option<String>| url.as_deref().map(|url| escape::one_line(url).into_owned());
    Defender {
        endpoint: text(&service.endpoint),
        audience: text(&service.audience),
        graph_endpoint: text(&service.graph_endpoint),
        ..service.clone()
    }
}

/// The seal's file of a manifest file: `a/x.sealed.yaml` of `a/x.yaml`.
pub fn sealed_name(manifest: &str) -> String {
    match manifest.rsplit_once('.') {
        Some((stem, end)) => format!("{stem}.sealed.{end}"),
        None => format!("{manifest}.sealed"),
    }
}

/// The manifest file of a seal's file.
pub fn manifest_name(sealed: &str) -> String {
    match sealed.rsplit_once(".sealed.") {
        Some((stem, end)) => format!("{stem}.{end}"),
        None => sealed.to_owned(),
    }
}

/// The JSON Schema (draft 2020-12) of a seal: `casefile schema seal`.
pub fn seal_schema() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Seal>()
        .to_value()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::Loaded;
    use crate::model::{ReportId, Source};
    use crate::seal::{Seals, seals};

    fn of(resources: &[Desired]) -> BTreeMap<String, Seal> {
        seals(&Loaded { resources: resources.to_vec(), ..Loaded::default() }, &Seals::default())
    }

    fn alert(text: &str) -> Desired {
        let call = Call::Alert(CreateAlert {
            machine_id: "ab".repeat(20).parse().unwrap(),
            severity: "Low".into(),
            title: text.into(),
            description: text.repeat(3),
            recommended_action: text.into(),
            event_time: "2018-08-03T16:45:21.7115183Z".parse().unwrap(),
            report_id: ReportId("20776".into()),
            category: "Exploit".into(),
        });
        let source = Source { file: format!("manifests/{text}.yaml").into(), line: 3 };
        let mut d = Desired::new("Alert/a".parse().unwrap(), source, call, 1);
        d.labels.insert("incident".into(), text.into());
        d.triage = Some(crate::model::Triage { comment: Some(text.into()), ..Default::default() }).into();
        d
    }

    fn check(text: &str) {
        let d = alert(text);
        let (_, seal) = of(std::slice::from_ref(&d)).pop_first().unwrap();
        let written = seal.to_text();
        assert!(!written.chars().any(|c| escape::is_hidden(c) && c != '\n'), "{written:?}");
        // Quotes may double inside a piece, and the file's name is as long as it is.
        let long = written.lines().find(|l| !l.contains("manifest:") && l.chars().count() > 12 * WIDTH / 5);
        assert_eq!(long, None);
        let read = Seal::read(&written).unwrap();
        assert_eq!(read, seal);
        assert!(read.is_intact());
        let body: serde_json::Value = serde_json::from_str(&read.resources[0].request.body.concat()).unwrap();
        assert_eq!(body, serde_json::from_str::<serde_json::Value>(d.request().body.as_str()).unwrap());
        let mut edited = read.clone();
        edited.resources[0].spec.revision += 1;
        assert!(!edited.is_intact());
    }

    #[test]
    fn texts_that_yaml_or_a_reader_could_misread() {
        for text in [
            "",
            " ",
            "yes",
            "1e3",
            "null",
            "- x",
            "a: b # c",
            "'",
            "\"",
            "{\"a\",\"b\"}",
            "\\u202e",
            "%TAG",
            "---",
            "...",
            "|",
            ">",
            "&a *a !a",
            "\u{202e}cba\u{2066}",
            "line\nline\n",
            "\r\n\t\u{85}\u{2028}",
            "\u{1f600}\u{e0041}",
            "a trailing space \n second",
        ] {
            check(text);
            check(&format!("{text} {}", "word ".repeat(60)));
            check(&"x".repeat(500));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_text_survives(text in "([ \\PC\n:#'\"{}\\[\\],&*!|>%@`-]|[\u{0}-\u{ff}]){0,200}") {
            check(&text);
        }
    }

    #[test]
    fn a_seal_reads_like_this() {
        let mut d = alert(
            "Exploit of a print spooler,\u{202e} seen on a device of the finance department: \
                           look at the event, isolate the device and collect a package\nsecond line",
        );
        d.source.file = "manifests/inc.yaml".into();
        d.labels = [("incident".to_owned(), "INC-2042".to_owned())].into_iter().collect();
        insta::assert_snapshot!(of(&[d])["manifests/inc.sealed.yaml"].to_text());
    }

    #[test]
    fn the_schema_is_committed_and_fits() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/seal.schema.json");
        let committed: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert!(committed == seal_schema(), "regenerate it: casefile schema seal > schemas/seal.schema.json");
        let (_, seal) = of(&[alert("line\nbreaks")]).pop_first().unwrap();
        let document: serde_json::Value = serde_yaml::from_str(&seal.to_text()).unwrap();
        let validator = jsonschema::draft202012::new(&committed).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }

    #[test]
    fn deep_texts_end_where_they_are_too_deep() {
        for deep in [
            "[".repeat(100_000),
            "{".repeat(1 << 20),
            "{ a: ".repeat(100_000),
            "- ".repeat(100_000),
            "? ".repeat(100_000),
            format!("kind: Seal\nmanifest: {}{}", "[".repeat(50_000), "]".repeat(50_000)),
        ] {
            let error = Seal::read(&deep).unwrap_err();
            assert!(error.line <= 2 && error.column < 1_000 && error.newer.is_none(), "{error:?}");
        }
    }

    #[test]
    fn long_seals_end_at_a_bound() {
        let error = Seal::read(&"\n".repeat(MOST_LINES + 1)).unwrap_err();
        assert_eq!((error.line, &*error.why), (1_000_001, "the file holds more than 1000000 lines"));
    }

    #[test]
    fn a_key_that_is_set_twice_is_named() {
        let mut d = alert("twice");
        d.labels.insert("severity".into(), "high".into());
        let text = of(&[d])["manifests/twice.sealed.yaml"].to_text();
        let twice = text.replace("severity: high\n", "severity: high\n    severity: low\n");
        assert_ne!(twice, text);
        let error = Seal::read(&twice).unwrap_err();
        assert_eq!((error.column, &*error.why), (5, "`severity` is set twice"));
        assert!(Seal::read(&text).is_ok());
    }

    #[test]
    fn names() {
        for (manifest, sealed) in [("a/x.yaml", "a/x.sealed.yaml"), ("a.b/x.yml", "a.b/x.sealed.yml")] {
            assert_eq!(sealed_name(manifest), sealed);
            assert_eq!(manifest_name(sealed), manifest);
        }
    }
}
