//! One document to what it declares, or to what is wrong with it.

use std::ops::Range;

use super::depends::{self, Wanted};
use super::diagnostic::{Finding, Level};
use super::kinds::{API_VERSION, AlertManifest, CaseFile, Named, PackageManifest};
use super::nearest::nearest;
use super::project::ProjectFile;
use super::references;
use super::runbook;
use super::schema::Target;
use super::schema::field::Field;
use super::schema::rules;
use super::schema::validate;
use super::surgery;
use super::value::{self, ValueError};
use super::yaml::reader::{Document, Id, NodeKind};
use super::yaml::syntax::shown;
use crate::model::{Desired, Kind, Source};

/// A resource and where its name stands.
#[derive(Debug)]
pub(super) struct Entry {
    pub desired: Desired,
    /// What names its machines if that is no id, and where.
    pub named: Option<(Named, Range<usize>)>,
    pub name: Range<usize>,
    /// The text that the project's `requireComment` is about.
    pub reason: Range<usize>,
    /// `dependsOn`, its names not resolved yet.
    pub wanted: Vec<Wanted>,
    /// Where `moved.from` stands.
    pub moved: Option<Range<usize>>,
}

/// What a document declares.
#[expect(
    clippy::large_enum_variant,
    reason = "one lives at a time; a box would cost each resource an allocation"
)]
#[derive(Debug)]
pub(super) enum Declared {
    Resource(Entry),
    /// The root of a runbook that its schema has accepted.
    Runbook(Id),
    /// The root of an incident that its schema has accepted.
    Incident(Id),
}

/// Reads a document. Findings are in order; with an error among them it declares nothing.
///
/// `source` is called with the place of a resource's name.
pub(super) fn declared(doc: &mut Document<'_>, source: impl FnOnce(usize) -> Source) -> Option<Declared> {
    let root = doc.root?;
    let mut findings = std::mem::take(&mut doc.findings);
    let declared = match choose_kind(doc, root, &mut findings) {
        Some((target, word)) => {
            check_document(doc, root, target, word, &mut findings);
            if matches!(target, Target::Resource(_)) && sound(&findings) {
                references::normalize(doc, root, &mut findings);
            }
            match target {
                _ if !sound(&findings) => None,
                Target::Resource(kind) => extract(doc, root, kind, source)
                    .map_err(|e| findings.push(refused(doc, root, e)))
                    .ok()
                    .filter(|entry| {
                        let several = matches!(entry.named, Some((Named::Tag(_) | Named::File(_), _)));
                        findings.extend(surgery::check(doc, root, &entry.desired, several));
                        sound(&findings)
                    })
                    .map(Declared::Resource),
                Target::Runbook => Some(Declared::Runbook(root)),
                Target::Incident => Some(Declared::Incident(root)),
                Target::Project | Target::Case => None,
            }
        }
        None => None,
    };
    doc.findings = findings;
    sort(doc);
    declared
}

/// Reads a case of a runbook.
pub(super) fn case(doc: &mut Document<'_>) -> Option<CaseFile> {
    let root = doc.root?;
    read(doc, root, |doc, findings| findings.extend(validate::validate(doc, root, Target::Case).findings))
}

/// What is wrong with a resource of which not every value is known: those are poisoned.
pub(super) fn shape(doc: &Document<'_>) -> Vec<Finding> {
    let Some(root) = doc.root else { return Vec::new() };
    let mut findings = Vec::new();
    if doc.get(root, "kind").is_none() {
        let finding =
            Finding::new("missing-field", validate::first_key(doc, root), "this template lacks `kind`");
        let all = Kind::ALL.map(|kind| format!("`kind: {kind}`")).join(" or ");
        return vec![finding.help(format!("add {all}"))];
    }
    match choose_kind(doc, root, &mut findings) {
        Some((target @ Target::Resource(_), word)) => check_document(doc, root, target, word, &mut findings),
        Some((other, _)) => {
            let at = path(doc, root, &["kind"]).unwrap_or(root);
            let message = format!("a runbook makes resources, not another {}", other.word());
            let all = Kind::ALL.map(|kind| format!("kind: {kind}")).join(" or ");
            findings.push(
                Finding::new("unknown-kind", doc.node(at).span(), message).help(format!("write {all}")),
            );
        }
        None => {}
    }
    findings
}

/// Reads the manifest of a resource. Findings are in order; with an error among them there is no resource.
///
/// `source` is called with the place of the resource's name.
pub(super) fn manifest(doc: &mut Document<'_>, source: impl FnOnce(usize) -> Source) -> Option<Entry> {
    let root = doc.root?;
    let mut findings = std::mem::take(&mut doc.findings);
    let entry = match choose_kind(doc, root, &mut findings) {
        Some((Target::Resource(kind), word)) => {
            check_document(doc, root, Target::Resource(kind), word, &mut findings);
            if sound(&findings) {
                references::normalize(doc, root, &mut findings);
            }
            if sound(&findings) {
                extract(doc, root, kind, source).map_err(|e| findings.push(refused(doc, root, e))).ok()
            } else {
                None
            }
        }
        _ => None,
    };
    doc.findings = findings;
    sort(doc);
    entry
}

/// Reads `casefile.yaml`. Gives the project and the nodes of `spec.manifests`.
pub(super) fn project(doc: &mut Document<'_>) -> Option<(ProjectFile, Vec<Range<usize>>)> {
    let root = doc.root?;
    let file = read(doc, root, |doc, findings| {
        check_document(doc, root, Target::Project, None, findings);
        region_fits(doc, root, findings);
    });
    let manifests = path(doc, root, &["spec", "manifests"]).map(|id| doc.children(id)).unwrap_or_default();
    let places = manifests.iter().map(|&id| doc.node(id).span()).collect();
    Some((file?, places))
}

/// A mapping that `check` finds nothing against.
fn read<T: serde::de::DeserializeOwned>(
    doc: &mut Document<'_>,
    root: Id,
    check: impl FnOnce(&Document<'_>, &mut Vec<Finding>),
) -> Option<T> {
    let mut findings = std::mem::take(&mut doc.findings);
    let mut read = None;
    if doc.node(root).kind == NodeKind::Mapping {
        check(doc, &mut findings);
        if sound(&findings) {
            read = value::read(doc, root).map_err(|e| findings.push(refused(doc, root, e))).ok();
        }
    } else {
        findings.push(not_a_mapping(doc, root));
    }
    doc.findings = findings;
    sort(doc);
    read
}

/// Warnings stop nothing.
fn sound(findings: &[Finding]) -> bool {
    findings.iter().all(|f| f.level == Level::Warning)
}

fn sort(doc: &mut Document<'_>) {
    doc.findings.sort_by_key(|f| f.start);
    // A value that aliases repeat is judged at each of its places, but stands at one.
    doc.findings.dedup_by(|a, b| a.start == b.start && a.code == b.code && a.message == b.message);
}

fn check_document(
    doc: &Document<'_>,
    root: Id,
    target: Target,
    settled: Option<Id>,
    findings: &mut Vec<Finding>,
) {
    let mut verdict = validate::validate(doc, root, target);
    if let Some(id) = settled {
        // The kind is misspelt and told so; the rest is judged as what was meant.
        let span = doc.node(id).span();
        verdict.findings.retain(|f| f.start != span.start);
        verdict.settled.insert(id);
    }
    findings.append(&mut verdict.findings);
    // What users name themselves, and what is checked where it is compiled.
    let own = match target {
        Target::Runbook => &["parameters", "resources"][..],
        Target::Incident => &["with"][..],
        Target::Resource(_) | Target::Project | Target::Case => &[],
    };
    verdict.settled.extend(own.iter().filter_map(|name| path(doc, root, &["spec", name])));
    rules::check(doc, root, &verdict.settled, findings);
    if target == Target::Incident {
        let labels = path(doc, root, &["metadata", "labels"]);
        runbook::check(doc, path(doc, root, &["spec", "with"]), labels, findings);
    }
}

fn not_a_mapping(doc: &Document<'_>, root: Id) -> Finding {
    let node = doc.node(root);
    let what = match node.kind {
        NodeKind::Sequence => "a list",
        NodeKind::Null => "nothing",
        _ => "a single value",
    };
    Finding::new("not-a-mapping", node.span(), format!("this document is {what}, not a mapping"))
        .help(format!("begin it with `apiVersion: {API_VERSION}` and `kind:`; separate documents with `---`"))
}

/// The kind to judge a document as. With the second value the kind was misspelt, and a finding says so:
/// it is the node of which enough is said.
fn choose_kind(doc: &Document<'_>, root: Id, findings: &mut Vec<Finding>) -> Option<(Target, Option<Id>)> {
    match doc.node(root).kind {
        NodeKind::Mapping => {}
        // A poisoned document has its finding already.
        NodeKind::Poison => return None,
        _ => {
            findings.push(not_a_mapping(doc, root));
            return None;
        }
    }
    let words = || Target::MANIFESTS.into_iter().map(Target::word);
    let all = "`kind: Alert`, `kind: InvestigationPackage`, `kind: Incident` or `kind: Runbook`";
    let Some((_, value)) = doc.get(root, "kind") else {
        let misspelt =
            doc.fields(root).find(|&(key, _)| nearest(&doc.node(key).text, ["kind"].into_iter()).is_some());
        findings.push(match misspelt {
            Some((key, _)) => {
                let node = doc.node(key);
                let message = format!("unknown field `{}`", shown(&node.text));
                Finding::new("unknown-field", node.span(), message).help("did you mean `kind`?")
            }
            None => {
                let version = doc.get(root, "apiVersion").is_none();
                let lacks = if version { "`apiVersion` and `kind`" } else { "`kind`" };
                let message = format!("this document lacks {lacks}");
                let version =
                    if version { format!("`apiVersion: {API_VERSION}` and ") } else { String::new() };
                Finding::new("missing-field", validate::first_key(doc, root), message)
                    .help(format!("add {version}{all}"))
            }
        });
        return None;
    };
    let node = doc.node(value);
    let named = |word: &str| Target::MANIFESTS.into_iter().find(|t| t.word() == word);
    if let Some(target) = named(&node.text).filter(|_| node.kind == NodeKind::Text) {
        return Some((target, None));
    }
    let new = |message: String| Finding::new("unknown-kind", node.span(), message);
    match node.kind {
        NodeKind::Poison => None,
        NodeKind::Null => {
            findings.push(
                Finding::new(
                    "missing-value",
                    Field { doc, key: doc.get(root, "kind").map(|f| f.0), value }.span(),
                    "`kind` has no value",
                )
                .help(format!("write {all}")),
            );
            None
        }
        NodeKind::Text if node.text == "Project" => {
            findings.push(
                new("a Project is no manifest".into())
                    .help("its place is casefile.yaml in the project's folder"),
            );
            None
        }
        NodeKind::Text => {
            let meant = nearest(&node.text, words()).and_then(named);
            let finding = new(format!("unknown kind `{}`", shown(&node.text)));
            findings.push(match meant {
                Some(target) => finding.help(format!("write kind: {}", target.word())),
                None => finding.help(format!("write {all}")),
            });
            meant.map(|target| (target, Some(value)))
        }
        _ => {
            findings.push(new("`kind` must be a word".into()).help(format!("write {all}")));
            None
        }
    }
}

fn path(doc: &Document<'_>, root: Id, names: &[&str]) -> Option<Id> {
    names.iter().try_fold(root, |id, name| doc.get(id, name).map(|(_, value)| value))
}

fn extract(
    doc: &Document<'_>,
    root: Id,
    kind: Kind,
    source: impl FnOnce(usize) -> Source,
) -> Result<Entry, ValueError> {
    let name = path(doc, root, &["metadata", "name"]).unwrap_or(root);
    let name = doc.node(name).span();
    let source = source(name.start);
    let (desired, named) = match kind {
        Kind::Alert => value::read::<AlertManifest>(doc, root)?.into_desired(source),
        Kind::InvestigationPackage => value::read::<PackageManifest>(doc, root)?.into_desired(source),
    };
    let spec = doc.get(root, "spec").map_or(root, |(_, spec)| spec);
    let named = named.map(|named| {
        let fields: &[&str] = match &named {
            Named::Name(_) => &["machineName"],
            Named::Tag(_) => &["machineTag"],
            Named::File(_) => &["machines", "fromFile"],
            Named::Event(_) => &["event", "query"],
        };
        let at = path(doc, spec, fields).map_or(name.clone(), |id| doc.node(id).span());
        (named, at)
    });
    let text = match kind {
        Kind::Alert => "description",
        Kind::InvestigationPackage => "comment",
    };
    let reason =
        doc.get(spec, text).map_or(name.clone(), |(key, value)| Field { doc, key: Some(key), value }.span());
    let mut wanted = depends::wanted(doc, root);
    wanted.extend(references::wanted(doc, spec, &desired));
    Ok(Entry { desired, named, name, reason, wanted, moved: surgery::place_of_move(doc, root) })
}

/// A type that is stricter than its schema: reported, so that no mistake of ours lets a resource vanish.
fn refused(doc: &Document<'_>, root: Id, error: ValueError) -> Finding {
    Finding::new("invalid-value", doc.node(error.at.unwrap_or(root)).span(), error.message)
}

/// Only the public cloud has regions.
fn region_fits(doc: &Document<'_>, root: Id, findings: &mut Vec<Finding>) {
    let text = |name| path(doc, root, &["spec", "defender", name]).map(|id| doc.node(id));
    let (Some(region), Some(cloud)) = (text("region"), text("cloud")) else { return };
    if cloud.text == "public"
        || findings.iter().any(|f| f.start == region.start as usize || f.start == cloud.start as usize)
    {
        return;
    }
    let message = format!("the cloud `{}` has no regions", shown(&cloud.text));
    let finding = Finding::new("misplaced-field", region.span(), message).help("remove region");
    findings.push(finding.related(cloud.start as usize, "the cloud is named here"));
}
