//! A file's documents, before it is told what each of them declares.

use std::sync::Arc;

use super::diagnostic::{Diagnostic, Finding};
use super::schema::Target;
use super::yaml::fast_reader;
use super::yaml::reader::{Document, NodeKind};
use super::yaml::text::{Decoded, decode};

/// A file in another encoding.
pub(super) fn utf16(file: &Arc<str>) -> Diagnostic {
    Diagnostic::of_file("not-utf-8", file.clone(), "the file is UTF-16").with_help("save it as UTF-8")
}

/// The documents of a text; those that hold bytes which are no text have no root.
pub(super) fn documents<'d>(decoded: &'d Decoded<'_>) -> impl Iterator<Item = Document<'d>> {
    let text: &'d str = &decoded.text;
    let mut invalid = decoded.invalid.iter().copied().peekable();
    let mut reader = fast_reader::documents(text).peekable();
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
pub(super) fn is_blank(doc: &Document<'_>) -> bool {
    doc.findings.is_empty()
        && doc.root.is_none_or(|root| {
            let node = doc.node(root);
            node.kind == NodeKind::Null && node.text.is_empty()
        })
}

/// Returns whether a file can hold a runbook, by a look at its words before it is read in full.
pub(super) fn may_hold_runbook(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"Runbook").is_some()
}

/// The names of the runbooks that a file declares, whether or not anything is wrong with them.
pub(super) fn runbooks_in(bytes: &[u8]) -> Vec<String> {
    let Ok(decoded) = decode(bytes) else { return Vec::new() };
    let names = documents(&decoded).filter_map(|doc| {
        let root = doc.root?;
        let (_, kind) = doc.get(root, "kind")?;
        let (_, metadata) = doc.get(root, "metadata")?;
        let (_, name) = doc.get(metadata, "name")?;
        (doc.node(kind).text == Target::Runbook.word()).then(|| doc.node(name).text.to_string())
    });
    names.collect()
}

/// Returns whether a file declares a runbook, or could: one that cannot be read may.
pub(super) fn declares_runbook(bytes: &[u8]) -> bool {
    if !may_hold_runbook(bytes) {
        return false;
    }
    let Ok(decoded) = decode(bytes) else { return true };
    let mut documents = documents(&decoded);
    documents.any(|doc| {
        let kind = |root| doc.get(root, "kind").map(|(_, kind)| &*doc.node(kind).text);
        doc.root.map_or(!doc.findings.is_empty(), |root| kind(root) == Some(Target::Runbook.word()))
    })
}

/// The column of a byte, 1-based, in characters.
pub(super) fn column_of(text: &str, at: usize) -> u32 {
    let start = memchr::memrchr(b'\n', text.as_bytes().get(..at).unwrap_or_default()).map_or(0, |i| i + 1);
    u32::try_from(text.get(start..at).map_or(0, |line| line.chars().count()))
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}
