//! Files to resources: every problem of every file in one pass, in file order.

use std::borrow::Cow;
use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use super::depends::Wanted;
use super::diagnostic::{Diagnostic, Finding, Level, Related};
use super::discover::{self, Bounds};
use super::document::{self, Entry};
use super::documents::{documents, is_blank, utf16};
use super::hosts;
use super::kinds::{MachinesSpec, Named};
use super::project::{Defender, PROJECT_FILE, Project};
use super::runbook::{Incident, Origin, Runbook};
use super::surgery::Move;
use super::yaml::text::{SourceText, decode};
use crate::model::{
    Address, CommentRule, Desired, HuntingApi, MachineFile, Place, Sha256Hex, Source, Target, Template,
};

mod cases;
mod file;
mod incidents;
mod misplaced;
mod side_by_side;

use file::{Content, FileRead, against, twice};

pub use cases::{CaseRun, case_incident, run_cases};
pub use incidents::{Declaration, IncidentState};
pub(super) use misplaced::among_cases;

/// How many problems of one file are told; the rest is counted.
const MAX_FINDINGS: usize = 100;

/// More threads would wait for the disk and for each other.
const MAX_THREADS: usize = 8;

/// A project's manifests.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Sorted by address. A document with an error has none.
    pub resources: Vec<Desired>,
    /// Resources that name their machines otherwise than by an id, sorted by address.
    pub templates: Vec<Template>,
    /// In file order, then by position.
    pub diagnostics: Vec<Diagnostic>,
    /// Texts that do not match the project's `requireComment`, each as an error. No [`diagnostics`](Self::diagnostics)
    /// yet: whether one matters depends on what was sent before the rule.
    pub unruly: Vec<Unruly>,
    /// How many files were read.
    pub files: usize,
    /// By name.
    pub incidents: Vec<Declaration>,
    /// Where the project's calls go, if it does not leave that at the defaults.
    pub service: Option<Defender>,
}

/// A resource whose text does not match `requireComment`.
#[derive(Clone, Debug)]
pub struct Unruly {
    /// The resource.
    pub address: Address,
    /// Points at the text.
    pub diagnostic: Diagnostic,
}

impl Loaded {
    /// How many resources the manifests declare; one that stands for several machines counts once.
    pub fn declared(&self) -> usize {
        self.resources.len() + self.templates.len()
    }

    /// Whether something forbids to go on.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Level::Error)
    }
}

/// Reads all manifests of a project.
pub fn load(project_dir: &Path, project: &Project) -> Loaded {
    load_with(project_dir, project, &|_, _, _| false)
}

/// Reads all manifests of a project. `frozen` says, by file, name and inputs, which incidents have their
/// resources kept elsewhere.
pub fn load_with(
    project_dir: &Path,
    project: &Project,
    frozen: &dyn Fn(&str, &str, &Sha256Hex) -> bool,
) -> Loaded {
    let (reading, files) = Reading::of(project_dir, project);
    let mut loaded =
        Loaded { files, service: project.service(), ..reading.finish(Some(project_dir), frozen) };
    let queries = loaded.templates.iter().any(|t| matches!(t.target, Target::Event(_)));
    if queries && project.spec.defender.hunting == HuntingApi::Defender {
        let message =
            format!("`hunting: defender` gives no data any more from {} on", HuntingApi::OLDER_ENDS);
        let warning = Diagnostic::of_file("hunting-ends", PROJECT_FILE, message).as_warning();
        loaded.diagnostics.insert(0, warning.with_help("write `hunting: graph` under `spec.defender`"));
    }
    loaded
}

/// Reads a manifest that is not there yet, as one more file of its project: the problems that it has or makes.
pub fn load_draft(project_dir: &Path, project: &Project, file: &str, bytes: &[u8]) -> Vec<Diagnostic> {
    let loaded = load_beside(project_dir, project, file, bytes);
    let unruly = loaded.unruly.into_iter().map(|u| u.diagnostic);
    let concerns = |d: &Diagnostic| *d.file == *file || d.related.iter().any(|r| *r.file == *file);
    loaded.diagnostics.into_iter().chain(unruly).filter(concerns).collect()
}

/// Reads all manifests of a project as if it had one more file.
pub fn load_beside(project_dir: &Path, project: &Project, file: &str, bytes: &[u8]) -> Loaded {
    let (mut reading, files) = Reading::of(project_dir, project);
    reading.file(file, bytes.to_vec());
    Loaded {
        files: files + 1,
        service: project.service(),
        ..reading.finish(Some(project_dir), &|_, _, _| false)
    }
}

/// The schema of the parameters of a project's runbooks, by name; of those without an error.
pub fn runbook_parameters(project_dir: &Path, project: &Project) -> BTreeMap<String, serde_json::Value> {
    let (reading, _) = Reading::of(project_dir, project);
    let sound = reading.runbooks.iter().flatten();
    sound.map(|r| (r.name.to_string(), r.parameters().clone())).collect()
}

/// Sorts resources. Each is moved once, however far from its place it is: they are large.
fn by_address(resources: &mut [Desired]) {
    let mut order: Vec<usize> = (0..resources.len()).collect();
    order.sort_by(|a, b| resources[*a].address.cmp(&resources[*b].address));
    for place in 0..order.len() {
        // What stood there may have been moved away already: it was put where its place was taken from.
        let mut from = order[place];
        while from < place {
            from = order[from];
        }
        resources.swap(place, from);
    }
}

/// Resources without an id, and where what they have instead stands.
type NamedResource = (Desired, Named, Place);

/// Reads the files that resources name their machines by, each once.
fn templates(
    project_dir: &Path,
    named: Vec<NamedResource>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Template> {
    let mut read: HashMap<MachinesSpec, Option<MachineFile>> = HashMap::new();
    let template = |(desired, named, place): NamedResource| {
        let target = match named {
            Named::Name(name) => Target::Name(name),
            Named::Tag(tag) => Target::Tag(tag.into()),
            Named::Event(query) => Target::Event(query),
            Named::File(spec) => {
                let file = read.entry(spec).or_insert_with_key(|spec| {
                    machine_file(project_dir, spec, &place).map_err(|mut p| diagnostics.append(&mut p)).ok()
                });
                Target::File(file.clone()?)
            }
        };
        Some(Template::new(desired, target, place))
    };
    named.into_iter().filter_map(template).collect()
}

fn machine_file(dir: &Path, spec: &MachinesSpec, place: &Place) -> Result<MachineFile, Vec<Diagnostic>> {
    let here =
        |code, message: String, help: &str| vec![Diagnostic::of_place(code, place, message).with_help(help)];
    let Some(name) = discover::inner_name(&spec.from_file) else {
        let message = format!("`{}` is not inside the project folder", spec.from_file);
        return Err(here("bad-path", message, "write it relative to the project folder, without `..`"));
    };
    let bytes = discover::read_named(&Bounds::of(dir), &name).map_err(|problem| {
        let help = match problem.code {
            "bad-path" => "name a file of this repository",
            _ => "create it, or correct `fromFile`: it is relative to the project folder",
        };
        here(problem.code, problem.message, help)
    })?;
    let file: Arc<str> = name.into();
    let entries = hosts::entries(&file, &bytes, spec.column.as_deref())?;
    if entries.is_empty() {
        return Err(here(
            "no-machines",
            format!("`{file}` lists no devices"),
            "fill it, or remove this manifest",
        ));
    }
    let column = spec.column.as_deref().map(Into::into);
    Ok(MachineFile { file, column, digest: Sha256Hex::of_text(&bytes), entries })
}

/// Reads the manifests of one file; pure. What names its machines otherwise than by an id is checked, and left
/// out of the resources.
pub fn parse_manifests(file: &str, bytes: &[u8]) -> (Vec<Desired>, Vec<Diagnostic>) {
    let mut reading = Reading::default();
    reading.file(file, bytes.to_vec());
    let loaded = reading.finish(None, &|_, _, _| false);
    (loaded.resources, loaded.diagnostics)
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    resources: Vec<Desired>,
    /// Where each address was declared first.
    seen: Seen,
    diagnostics: Vec<Diagnostic>,
    incidents: Vec<Incident>,
    /// `None`: something is wrong with it, and told.
    runbooks: Vec<Option<Runbook>>,
    runbook_names: HashMap<String, (usize, Related)>,
    incident_names: HashMap<String, Related>,
    /// `requireComment` of the project.
    rule: Option<CommentRule>,
    unruly: Vec<Unruly>,
    /// `dependsOn` of what stands in manifests of its own.
    wanted: Vec<(Address, Vec<Wanted>, Origin)>,
    named: Vec<NamedResource>,
    /// Manifests that say where they were moved from.
    moves: Vec<Move>,
    /// How many incidents name a runbook that is not there.
    unknown_runbooks: usize,
    unsound: Unsound,
}

/// Names of what is declared, but not read, because something is wrong with it: it is told there, and not once more where
/// somebody depends on it.
#[derive(Default)]
struct Unsound {
    /// The names of resources, runbooks and incidents.
    names: HashSet<String>,
}

impl Unsound {
    /// Returns whether a name may be that of something which is wrong, or of what an incident would have made.
    fn may_be(&self, name: &str) -> bool {
        let of_incident = || name.match_indices('.').any(|(at, _)| self.names.contains(&name[..at]));
        self.names.contains(name) || of_incident()
    }
}

impl Reading {
    /// Reads all files of a project, and says how many there are.
    fn of(project_dir: &Path, project: &Project) -> (Self, usize) {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::of_by(project_dir, project, threads.min(MAX_THREADS))
    }

    fn of_by(project_dir: &Path, project: &Project, threads: usize) -> (Self, usize) {
        let search = discover::find(project_dir, project);
        let (files, mut diagnostics) = (search.manifests, search.problems);
        diagnostics.extend(search.case_problems);
        diagnostics.extend(search.cases.iter().flat_map(misplaced::in_cases));
        diagnostics.extend(search.orphans.iter().flat_map(misplaced::in_orphan));
        let rule = project.spec.require_comment.clone();
        let mut reading = Reading { diagnostics, rule, ..Reading::default() };
        let rule = reading.rule.clone();
        side_by_side::read(&files, threads, rule.as_ref(), &mut |read| match read {
            Ok(read) => reading.add(read),
            Err(problem) => reading.diagnostics.push(*problem),
        });
        (reading, files.len())
    }
}

/// Reads `casefile.yaml` of a project folder.
///
/// # Errors
/// Everything that is wrong with it; one that names `casefile init` if there is none.
pub fn load_project(project_dir: &Path) -> Result<Project, Vec<Diagnostic>> {
    match discover::read_project(project_dir) {
        Ok(Some(bytes)) => parse_project(&bytes),
        Ok(None) => {
            let problem =
                Diagnostic::of_file("no-project", PROJECT_FILE, "there is no project in this folder");
            Err(vec![
                problem.with_help("run `casefile init` here, or name the project's folder with `-C DIR`"),
            ])
        }
        Err(problem) => Err(vec![*problem]),
    }
}

/// Reads a project file; pure.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_project(bytes: &[u8]) -> Result<Project, Vec<Diagnostic>> {
    let file: Arc<str> = PROJECT_FILE.into();
    let decoded = decode(bytes).map_err(|_| vec![utf16(&file)])?;
    let source = SourceText::new(file.clone(), &decoded.text);
    let mut findings = Findings::default();
    let mut documents = documents(&decoded).filter(|doc| !is_blank(doc));
    let Some(mut doc) = documents.next() else {
        let problem = Diagnostic::of_file("no-documents", file, "the project file is empty");
        return Err(vec![
            problem.with_help("run `casefile init` in another folder to see what belongs into it"),
        ]);
    };
    let project = document::project(&mut doc);
    findings.extend(doc.findings);
    if let Some(second) = documents.next() {
        let at = second.root.map_or(second.start, |root| second.node(root).span().start);
        let finding = Finding::new("second-document", at..at, "a project file holds one document");
        findings.extend([finding.help("remove this one, or move manifests into files of their own")]);
    }
    match project {
        Some((read, places)) if findings.is_sound() => {
            let places = places.into_iter().map(|span| source.place(span)).collect();
            Ok(Project { name: read.metadata.name, spec: read.spec, places })
        }
        _ => {
            let mut diagnostics = Vec::new();
            findings.tell(&source, &mut diagnostics);
            Err(diagnostics)
        }
    }
}

/// Where an address was declared first.
struct FirstPlace {
    file: Arc<str>,
    line: u32,
    column: u32,
}

impl FirstPlace {
    fn of(desired: &Desired) -> Self {
        let Source { file, line } = desired.source.clone();
        FirstPlace { file, line, column: desired.column }
    }

    fn related(&self) -> Related {
        Related {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            message: "first declared here".into(),
        }
    }
}

type Seen = HashMap<Address, FirstPlace>;

/// The findings of a file: the first hundred, and how many more there are.
#[derive(Default)]
struct Findings {
    first: Vec<Finding>,
    more: usize,
}

impl Findings {
    fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if self.first.len() < MAX_FINDINGS {
                self.first.push(finding);
            } else {
                self.more += 1;
            }
        }
    }

    /// Warnings stop nothing.
    fn is_sound(&self) -> bool {
        self.first.iter().all(|f| f.level == Level::Warning)
    }

    fn tell(self, source: &SourceText<'_>, diagnostics: &mut Vec<Diagnostic>) {
        diagnostics.extend(self.first.into_iter().map(|finding| source.diagnose(finding)));
        if self.more > 0 {
            let last = diagnostics.last().cloned();
            let message = format!("{} more problems in this file", self.more);
            let mut problem = Diagnostic::of_file("too-many-problems", source.file.clone(), message)
                .with_help("repair the ones above first");
            if let Some(last) = last {
                problem.line = last.line;
                problem.column = last.column;
                problem.end_column = last.column;
            }
            diagnostics.push(problem);
        }
    }
}

impl Reading {
    /// Adds one more file.
    fn file(&mut self, file: &str, bytes: Vec<u8>) {
        let read = FileRead::of(file, bytes, self.rule.as_ref());
        self.add(read);
    }

    /// Keeps a runbook or an incident whose name is not taken; a resource is given back. With the findings of the
    /// document as they are then.
    fn keep(
        &mut self,
        mut found: Vec<Finding>,
        content: Option<Content>,
    ) -> (Vec<Finding>, Option<(Entry, Option<Origin>)>) {
        let resource = match content {
            None => None,
            Some(Content::Resource(entry, origin)) => Some((entry, origin)),
            Some(Content::Runbook(name, runbook, all)) => {
                let first = self.runbook_names.get(&name.text).map(|(_, first)| first);
                if let Some(twice) = name.taken("Runbook", first) {
                    found.push(twice);
                } else {
                    self.runbook_names.insert(name.text, (self.runbooks.len(), name.place));
                    self.runbooks.push(runbook);
                    found = all;
                }
                None
            }
            Some(Content::Incident(name, incident)) => {
                if incident.is_none() {
                    self.unsound.names.insert(name.text.clone());
                }
                if let Some(twice) = name.taken("Incident", self.incident_names.get(&name.text)) {
                    found.push(twice);
                } else {
                    self.incident_names.insert(name.text, name.place);
                    self.incidents.extend(incident);
                }
                None
            }
        };
        (found, resource)
    }

    /// Adds what a file declares, as far as no name in it is taken.
    fn add(&mut self, read: FileRead) {
        let FileRead { file, bytes, documents } = read;
        let Ok(decoded) = decode(&bytes) else {
            self.diagnostics.push(utf16(&file));
            return;
        };
        if documents.is_empty() {
            let what = match decoded.text {
                Cow::Borrowed(text) if text.trim().is_empty() => "the file is empty",
                _ => "the file holds no document, only comments",
            };
            let problem = Diagnostic::of_file("no-documents", file, what).as_warning();
            self.diagnostics.push(problem.with_help("write a manifest into it, or remove it"));
            return;
        }
        let source = SourceText::new(file.clone(), &decoded.text);
        let mut findings = Findings::default();
        // Problems of two files name each other, so these are finished diagnostics, by position.
        let mut duplicates: Vec<Diagnostic> = Vec::new();
        for document in documents {
            self.unsound.names.extend(document.names);
            let (found, resource) = self.keep(document.findings, document.content);
            findings.extend(found);
            let Some((Entry { desired, named, name, wanted, moved, .. }, origin)) = resource else {
                continue;
            };
            if let Some(finding) = document.unruly {
                let address = desired.address.clone();
                self.unruly.push(Unruly { address, diagnostic: source.diagnose(finding) });
            }
            match self.seen.entry(desired.address.clone()) {
                Slot::Vacant(slot) => drop(slot.insert(FirstPlace::of(&desired))),
                Slot::Occupied(_) if duplicates.len() == MAX_FINDINGS => {
                    findings.more += 1;
                    continue;
                }
                Slot::Occupied(first) => {
                    let finding = twice(desired.address.to_string(), name).elsewhere(first.get().related());
                    duplicates.push(source.diagnose(finding));
                    continue;
                }
            }
            if let Some(origin) = origin {
                self.wanted.push((desired.address.clone(), wanted, origin));
            }
            if let (Some(at), Some(from)) = (moved, desired.moved_from()) {
                let (to, from) = (desired.address.clone(), from.clone());
                self.moves.push(Move { to, from, place: source.place(at).of(file.clone()) });
            }
            match named {
                None => self.resources.push(desired),
                Some((by, at)) => self.named.push((desired, by, source.place(at).of(file.clone()))),
            }
        }
        let mut told = Vec::new();
        findings.tell(&source, &mut told);
        let rest = told.pop_if(|d| d.code == "too-many-problems");
        told.append(&mut duplicates);
        told.sort_by_key(|d| (d.line, d.column));
        self.diagnostics.extend(told);
        self.diagnostics.extend(rest);
    }
}
