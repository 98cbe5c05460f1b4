//! Files to resources: every problem of every file in one pass, in file order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Finding, Level, Related};
use super::discover;
use super::document::{self, Entry};
use super::hosts;
use super::kinds::{MachinesSpec, Named};
use super::project::{PROJECT_FILE, Project};
use super::reader::{Document, NodeKind, Reader};
use super::text::{Decoded, SourceText, decode};
use crate::model::{
    Address, CommentRule, Desired, Kind, MachineFile, Place, Sha256Hex, Source, Target, Template,
};

/// How many problems of one file are told; the rest is counted.
const MAX_FINDINGS: usize = 100;

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
    let (files, mut diagnostics) = discover::find(project_dir, project);
    let (mut resources, mut unruly, mut named) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = Seen::new();
    let rule = project.spec.require_comment.as_ref();
    for file in &files {
        match discover::read(&file.path, &file.name) {
            Ok(bytes) => {
                let mut declared = |source: &SourceText<'_>, entry: &Entry| {
                    unruly.extend(rule.and_then(|rule| against(rule, source, entry)));
                };
                let mut found = Found {
                    seen: &mut seen,
                    resources: &mut resources,
                    named: &mut named,
                    diagnostics: &mut diagnostics,
                };
                check_file(&file.name, &bytes, &mut found, &mut declared);
            }
            Err(problem) => diagnostics.push(*problem),
        }
    }
    resources.sort_by(|a: &Desired, b| a.address.cmp(&b.address));
    let told = diagnostics.len();
    let mut templates = templates(project_dir, named, &mut diagnostics);
    templates.sort_by(|a, b| a.address().cmp(b.address()));
    if told == diagnostics.len() {
        // Within a file they are in order already; `sort_by` is stable.
        diagnostics.sort_by(|a, b| a.file.cmp(&b.file));
    } else {
        diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    }
    Loaded { resources, templates, diagnostics, unruly, files: files.len() }
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
    let bytes = discover::read_named(dir, &name).map_err(|problem| {
        let help = "create it, or correct `fromFile`: it is relative to the project folder";
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
    Ok(MachineFile { file, column, digest: Sha256Hex::of(&bytes), entries })
}

/// What `requireComment` has against a resource.
fn against(rule: &CommentRule, source: &SourceText<'_>, entry: &Entry) -> Option<Unruly> {
    if rule.allows(&entry.desired.call) {
        return None;
    }
    let pattern = rule.pattern();
    let (subject, field) = match entry.desired.address.kind() {
        Kind::InvestigationPackage => ("`comment` does not match", "comment"),
        Kind::Alert => ("neither `title` nor `description` matches", "description or a title"),
    };
    let message = format!("{subject} the project's requireComment: {pattern}");
    let help = format!("write a {field} in which {pattern} is found");
    let finding = Finding::new("comment-rule", entry.reason.clone(), message).help(help);
    Some(Unruly { address: entry.desired.address.clone(), diagnostic: source.diagnose(finding) })
}

/// Reads the manifests of one file; pure. What names its machines otherwise than by an id is checked, and left
/// out of the resources.
pub fn parse_manifests(file: &str, bytes: &[u8]) -> (Vec<Desired>, Vec<Diagnostic>) {
    let (mut resources, mut diagnostics) = (Vec::new(), Vec::new());
    let mut found = Found {
        seen: &mut Seen::new(),
        resources: &mut resources,
        named: &mut Vec::new(),
        diagnostics: &mut diagnostics,
    };
    check_file(file, bytes, &mut found, &mut |_, _| {});
    resources.sort_by(|a: &Desired, b| a.address.cmp(&b.address));
    (resources, diagnostics)
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

fn utf16(file: &Arc<str>) -> Diagnostic {
    Diagnostic::of_file("not-utf-8", file.clone(), "the file is UTF-16").with_help("save it as UTF-8")
}

/// The documents of a text; those that hold bytes which are no text have no root.
fn documents<'d>(decoded: &'d Decoded<'_>) -> impl Iterator<Item = Document<'d>> {
    let text: &'d str = &decoded.text;
    let mut invalid = decoded.invalid.iter().copied().peekable();
    let mut reader = Reader::new(text).peekable();
    std::iter::from_fn(move || {
        let mut doc = reader.next()?;
        let end = reader.peek().map_or(usize::MAX, |next| next.start);
        if reader.peek().is_some_and(|next| next.torn) {
            // Half a document lacks fields that its other half may hold.
            doc.root = None;
        }
        // A comment before the next `---` belongs to this document.
        if let Some((at, byte)) = invalid.next_if(|&(at, _)| at < end) {
            while invalid.next_if(|&(at, _)| at < end).is_some() {}
            let message = format!("the byte 0x{byte:02X} is no UTF-8 text");
            let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
            doc.findings = vec![Finding::new("not-utf-8", span, message).help("save the file as UTF-8")];
            doc.root = None;
        }
        Some(doc)
    })
}

/// Nothing stands between two `---`.
fn is_blank(doc: &Document<'_>) -> bool {
    doc.findings.is_empty()
        && doc.root.is_none_or(|root| {
            let node = doc.node(root);
            node.kind == NodeKind::Null && node.text.is_empty()
        })
}

/// Counts lines forwards, so that a file's lines are counted once.
struct Lines<'s> {
    text: &'s str,
    at: usize,
    line: u32,
}

impl Lines<'_> {
    fn of(&mut self, at: usize) -> u32 {
        if at < self.at {
            // Only an alias leads back, at most to the start of its document.
            let between = self.text.as_bytes().get(at..self.at).unwrap_or_default();
            return self.line - breaks(between);
        }
        let between = self.text.as_bytes().get(self.at..at).unwrap_or_default();
        self.line += breaks(between);
        self.at = at;
        self.line
    }
}

fn breaks(bytes: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u32::MAX)
}

/// What the files read so far hold.
struct Found<'f> {
    seen: &'f mut Seen,
    resources: &'f mut Vec<Desired>,
    named: &'f mut Vec<NamedResource>,
    diagnostics: &'f mut Vec<Diagnostic>,
}

fn check_file(
    file: &str,
    bytes: &[u8],
    found: &mut Found<'_>,
    declared: &mut dyn FnMut(&SourceText<'_>, &Entry),
) {
    let Found { seen, resources, named: without_id, diagnostics } = found;
    let file: Arc<str> = file.into();
    let Ok(decoded) = decode(bytes) else {
        diagnostics.push(utf16(&file));
        return;
    };
    let source = SourceText::new(file.clone(), &decoded.text);
    let mut lines = Lines { text: &decoded.text, at: 0, line: 1 };
    let mut findings = Findings::default();
    let mut empty = true;
    // Problems of two files name each other, so these are finished diagnostics, by position.
    let mut duplicates: Vec<Diagnostic> = Vec::new();
    for mut doc in documents(&decoded) {
        if is_blank(&doc) {
            continue;
        }
        empty = false;
        let entry = document::manifest(&mut doc, |at| Source { file: file.clone(), line: lines.of(at) });
        findings.extend(doc.findings);
        let Some(entry) = entry else { continue };
        declared(&source, &entry);
        let Entry { desired, named, name, .. } = entry;
        match seen.entry(desired.address.clone()) {
            Slot::Vacant(slot) => {
                let column = column_of(&decoded.text, name.start);
                slot.insert(FirstPlace { file: file.clone(), line: desired.source.line, column });
                match named {
                    None => resources.push(desired),
                    Some((by, at)) => without_id.push((desired, by, source.place(at).of(file.clone()))),
                }
            }
            Slot::Occupied(first) => {
                let first = first.get();
                let message = format!("{} is declared twice", desired.address);
                if duplicates.len() < MAX_FINDINGS {
                    let finding = Finding::new("duplicate-address", name, message)
                        .help("give one of the two another metadata.name, or remove it");
                    let mut problem = source.diagnose(finding);
                    problem.related.push(Related {
                        file: first.file.clone(),
                        line: first.line,
                        column: first.column,
                        message: "first declared here".into(),
                    });
                    duplicates.push(problem);
                } else {
                    findings.more += 1;
                }
            }
        }
    }
    if empty {
        let what = match decoded.text {
            Cow::Borrowed(text) if text.trim().is_empty() => "the file is empty",
            _ => "the file holds no document, only comments",
        };
        let problem = Diagnostic::of_file("no-documents", file, what).as_warning();
        diagnostics.push(problem.with_help("write a manifest into it, or remove it"));
        return;
    }
    let mut told = Vec::new();
    findings.tell(&source, &mut told);
    let rest = told.pop_if(|d| d.code == "too-many-problems");
    told.append(&mut duplicates);
    told.sort_by_key(|d| (d.line, d.column));
    diagnostics.extend(told);
    diagnostics.extend(rest);
}

fn column_of(text: &str, at: usize) -> u32 {
    let start = memchr::memrchr(b'\n', text.as_bytes().get(..at).unwrap_or_default()).map_or(0, |i| i + 1);
    u32::try_from(text.get(start..at).map_or(0, |line| line.chars().count()))
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}
