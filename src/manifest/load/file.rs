//! One file, read by itself: what its documents declare, before it is known what other files declare.

use std::ops::Range;
use std::sync::Arc;

use crate::manifest::diagnostic::{Finding, Related};
use crate::manifest::document::{self, Declared, Entry};
use crate::manifest::documents::{column_of, documents, is_blank};
use crate::manifest::runbook::{Incident, Origin, Runbook};
use crate::manifest::yaml::reader::{Document, Id};
use crate::manifest::yaml::syntax::shown;
use crate::manifest::yaml::text::decode;
use crate::model::{CommentRule, Desired, Kind, Source};

/// A file and what it says.
pub(super) struct FileRead {
    pub file: Arc<str>,
    /// Its text, which problems quote.
    pub bytes: Vec<u8>,
    /// Its documents, blank ones left out.
    pub documents: Vec<Read>,
}

/// One document.
pub(super) struct Read {
    pub findings: Vec<Finding>,
    /// The violation of `requireComment`, if it is one.
    pub unruly: Option<Finding>,
    /// None if there is an error among the findings.
    pub content: Option<Content>,
    /// Returns the names that a document without content may have: its `metadata.name`, or all that looks like a name in it.
    pub names: Vec<String>,
}

/// The declarations of a document, with the name that has to be its own.
pub(super) enum Content {
    /// A resource; with its text where it waits for others.
    Resource(Entry, Option<Origin>),
    /// A runbook, none if something is wrong with it, and all findings of its document.
    Runbook(Name, Option<Runbook>, Vec<Finding>),
    /// An incident.
    Incident(Name, Option<Incident>),
}

/// The name of a runbook or an incident.
pub(super) struct Name {
    pub text: String,
    pub place: Related,
    at: Range<usize>,
}

impl Name {
    /// Returns what is to be told if another document took the name `first`.
    pub fn taken(&self, kind: &str, first: Option<&Related>) -> Option<Finding> {
        Some(twice(format!("{kind}/{}", shown(&self.text)), self.at.clone()).elsewhere(first?.clone()))
    }
}

/// A name that another document has as well.
pub(super) fn twice(what: String, at: Range<usize>) -> Finding {
    Finding::new("duplicate-address", at, format!("{what} is declared twice"))
        .help("give one of the two another metadata.name, or remove it")
}

impl FileRead {
    /// Reads a file; pure.
    pub fn of(file: &str, bytes: Vec<u8>, rule: Option<&CommentRule>) -> FileRead {
        let file: Arc<str> = file.into();
        let mut read = Vec::new();
        if let Ok(decoded) = decode(&bytes) {
            let text = &*decoded.text;
            let mut lines = Lines { text, at: 0, line: 1 };
            // Shared by all that is kept of this file.
            let mut kept: Option<Arc<str>> = None;
            let mut origin =
                || Origin { file: file.clone(), text: kept.get_or_insert_with(|| text.into()).clone() };
            for mut doc in documents(&decoded).filter(|doc| !is_blank(doc)) {
                let declared =
                    document::declared(&mut doc, |at| Source { file: file.clone(), line: lines.of(at) });
                let mut name = |root| Name::of(&doc, root, &file, |at| (lines.of(at), column_of(text, at)));
                let mut unruly = None;
                let names = if declared.is_none() { names_of(&doc, text) } else { Vec::new() };
                let content = match declared {
                    None => None,
                    Some(Declared::Resource(mut entry)) => {
                        unruly = rule.and_then(|rule| against(rule, &entry.desired, entry.reason.clone()));
                        entry.desired.column = column_of(text, entry.name.start);
                        let origin = (!entry.wanted.is_empty()).then(&mut origin);
                        Some(Content::Resource(entry, origin))
                    }
                    Some(Declared::Runbook(root)) => name(root).map(|name| {
                        let mut found = doc.findings.clone();
                        let compiled = Runbook::compile(&doc, root, origin(), name.place.line, &mut found);
                        found.sort_by_key(|f| f.start);
                        Content::Runbook(name, compiled, found)
                    }),
                    Some(Declared::Incident(root)) => name(root).map(|name| {
                        let place = (name.place.line, name.place.column);
                        let incident = Incident::read(&doc, root, origin(), place);
                        Content::Incident(name, incident)
                    }),
                };
                read.push(Read { findings: doc.findings, unruly, content, names });
            }
        }
        FileRead { file, bytes, documents: read }
    }
}

/// Returns what a document may call itself, whatever else is wrong with it.
fn names_of(doc: &Document<'_>, text: &str) -> Vec<String> {
    let name = || {
        let (_, metadata) = doc.get(doc.root?, "metadata")?;
        let (_, name) = doc.get(metadata, "name")?;
        Some(doc.node(name).text.to_string())
    };
    if let Some(name) = name() {
        return vec![name];
    }
    // Of one that is no YAML there is only the text.
    let rest = text.get(doc.start..).unwrap_or_default();
    let end = rest.find("\n---").unwrap_or(rest.len());
    let names = rest[..end].split("name:").skip(1).map(|behind| {
        let word = behind.trim_start_matches(' ').split([' ', ',', '}', '\n', '\r', '#']).next();
        word.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    });
    names.filter(|name| !name.is_empty()).collect()
}

impl Name {
    fn of(
        doc: &Document<'_>,
        root: Id,
        file: &Arc<str>,
        place: impl FnOnce(usize) -> (u32, u32),
    ) -> Option<Name> {
        let (_, metadata) = doc.get(root, "metadata")?;
        let (_, name) = doc.get(metadata, "name")?;
        let node = doc.node(name);
        let (line, column) = place(node.start as usize);
        let message = "first declared here".to_owned();
        let place = Related { file: file.clone(), line, column, message };
        Some(Name { text: node.text.to_string(), place, at: node.span() })
    }
}

/// Returns the violation of `requireComment` by a resource.
pub(super) fn against(rule: &CommentRule, desired: &Desired, at: Range<usize>) -> Option<Finding> {
    if rule.allows(&desired.call) {
        return None;
    }
    let pattern = rule.pattern();
    let (subject, field) = match desired.address.kind() {
        Kind::InvestigationPackage => ("`comment` does not match", "comment"),
        Kind::Alert => ("neither `title` nor `description` matches", "description or a title"),
    };
    let message = format!("{subject} the project's requireComment: {pattern}");
    let help = format!("write a {field} in which {pattern} is found");
    Some(Finding::new("comment-rule", at, message).help(help))
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
