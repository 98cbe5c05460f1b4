//! Manifests where none is read: in a folder of a runbook's cases, or under the name of a seal.
//!
//! A folder `cases` holds manifests until a runbook is put beside it, and a manifest can be given any name. What was
//! declared before must not vanish from the plan without a word: nobody would see that a call is never sent.

use std::ops::Range;
use std::sync::Arc;

use crate::manifest::diagnostic::{Diagnostic, Finding};
use crate::manifest::discover::{self, Found};
use crate::manifest::documents::{documents, is_blank, utf16};
use crate::manifest::schema::Target;
use crate::manifest::yaml::reader::{Document, NodeKind};
use crate::manifest::yaml::syntax::shown;
use crate::manifest::yaml::text::{SourceText, decode};

/// The code of a manifest where none is read.
const CODE: &str = "misplaced-manifest";

/// The beginning of every `apiVersion`.
const API: &str = "casefile/";

/// Returns an error for each manifest in a file in a folder of cases. A document that cannot be read may be one.
pub(super) fn in_cases(found: &Found) -> Vec<Diagnostic> {
    look(found, |doc| match doc.root {
        None => std::mem::take(&mut doc.findings).into_iter().next(),
        Some(_) => among_cases(doc),
    })
}

/// Returns an error for each manifest in a file that is named like a seal. What is wrong with a seal is told where
/// seals are read.
pub(super) fn in_orphan(found: &Found) -> Vec<Diagnostic> {
    look(found, |doc| {
        let (at, what) = declared(doc).filter(|_| !is_seal(doc))?;
        let message = format!("{what} is not read: the name of this file is that of a seal");
        Some(
            Finding::new(CODE, at, message)
                .help("rename it to one that does not end in .sealed.yaml, or remove it"),
        )
    })
}

/// Reads a file that is no manifest by its place or its name. What speaks of neither `kind` nor `apiVersion` is passed
/// over.
fn look(found: &Found, finding: impl Fn(&mut Document<'_>) -> Option<Finding>) -> Vec<Diagnostic> {
    let file: Arc<str> = found.name.as_str().into();
    let bytes = match discover::read(&found.path, &found.name) {
        Ok(bytes) => bytes,
        Err(problem) => return vec![*problem],
    };
    let Ok(decoded) = decode(&bytes) else { return vec![utf16(&file)] };
    if !["kind", "apiVersion"].iter().any(|word| decoded.text.contains(word)) {
        return Vec::new();
    }
    let source = SourceText::new(file.clone(), &decoded.text);
    let findings = documents(&decoded).filter(|doc| !is_blank(doc)).filter_map(|mut doc| finding(&mut doc));
    findings.map(|finding| source.diagnose(finding)).collect()
}

/// Returns what is wrong with a document in a folder of cases that is a manifest and no case.
pub(in crate::manifest) fn among_cases(doc: &Document<'_>) -> Option<Finding> {
    let (at, what) = declared(doc)?;
    let message = format!("{what} is not read here: this folder holds the cases of the runbook beside it");
    let help = "move it to another folder of spec.manifests, or give the folder `cases` another name; a case is \
                `incident` and `expect`";
    Some(Finding::new(CODE, at, message).help(help))
}

/// Returns whether a document is a seal by its kind.
fn is_seal(doc: &Document<'_>) -> bool {
    doc.root.and_then(|root| doc.get(root, "kind")).is_some_and(|(_, kind)| doc.node(kind).text == "Seal")
}

/// Returns where a document says that it is a manifest, and of what kind.
fn declared(doc: &Document<'_>) -> Option<(Range<usize>, String)> {
    let root = doc.root?;
    let text = |name| {
        let (_, value) = doc.get(root, name)?;
        let node = doc.node(value);
        (node.kind == NodeKind::Text).then(|| (node.span(), &*node.text))
    };
    let known = |word: &str| {
        Target::MANIFESTS.into_iter().any(|target| target.word() == word) || word == Target::Project.word()
    };
    match (text("kind"), text("apiVersion")) {
        (Some((at, kind)), version)
            if known(kind) || version.as_ref().is_some_and(|(_, v)| v.starts_with(API)) =>
        {
            Some((at, format!("kind `{}`", shown(kind))))
        }
        (None, Some((at, version))) if version.starts_with(API) => Some((at, "a manifest".to_owned())),
        _ => None,
    }
}
