//! What must hold for any bytes. Used by the fuzz targets, and by `tests/seeds.rs`, which replays the seeds.

use std::collections::BTreeSet;

use casefile::manifest::{Diagnostic, parse_manifests};
use casefile::model::{Call, Sha256Hex};
use casefile::state::journal::{Reader, Tail, encode};
use casefile::state::{Damage, Finding, snapshot, verify};

/// Without a snapshot all that can be wrong is the journal: one finding, at a line that is there. What is accepted is
/// a chain, and each record of it, written again, is the very line that was read. What is behind the last whole
/// record of a good journal can be cut off without a loss.
pub fn journal(bytes: &[u8]) {
    let verified = verify(None, Some(bytes), None);
    let lines = 1 + bytes.iter().filter(|b| **b == b'\n').count() as u64;
    for finding in &verified.findings {
        let Finding::Damage(Damage::Journal(e)) = finding else {
            panic!("no snapshot was given: {finding:?}")
        };
        assert!((1..=lines).contains(&e.line), "{e:?} of {lines} lines");
    }
    assert!(verified.findings.len() <= 1, "{:?}", verified.findings);
    assert!(verified.records > 0 || !verified.findings.is_empty(), "a journal without a record is none");

    let mut reader = Reader::new(bytes);
    let (mut seq, mut head, mut length) = (0, Sha256Hex::ZERO, 0);
    for entry in reader.by_ref().map_while(Result::ok) {
        let (line, hash) =
            encode(entry.seq, head, entry.at, &entry.record).expect("what was read can be written");
        assert_eq!((entry.seq, entry.hash), (seq + 1, hash), "{line}");
        let read = &bytes[length..bytes.len().min(length + line.len())];
        assert_eq!(String::from_utf8_lossy(read).trim_end_matches('\n'), line.trim_end_matches('\n'));
        (seq, head, length) = (entry.seq, hash, length + line.len());
    }
    if verified.findings.is_empty() {
        assert_eq!((verified.records, verified.head), (seq, head));
        if let Tail::Torn { bytes: torn } = reader.tail() {
            let whole = &bytes[..length];
            assert_eq!(length as u64 + torn, bytes.len() as u64);
            let again = verify(None, Some(whole), None);
            assert_eq!((again.records, again.head, again.findings), (seq, head, Vec::new()));
        }
    }
}

/// A snapshot that is accepted is written again and read as the same, and what was written fits its own digest.
pub fn snapshot(bytes: &[u8]) {
    let Ok(read) = snapshot::read(bytes) else { return };
    let text =
        snapshot::write(&read.state, read.serial, read.mark.bytes).expect("what was read can be written");
    let again = snapshot::read(&text).expect("what was written can be read");
    assert_eq!((again.serial, again.mark), (read.serial, read.mark));
    assert_eq!(again.state, read.state);
    assert_eq!(again.doubt(), None);
}

/// The manifest loader: every finding has a place in the file, no two resources have one address, and the request of
/// each says what its call says.
pub fn manifest(bytes: &[u8]) {
    let (resources, findings) = parse_manifests("a.yaml", bytes);
    let lines = lines(bytes);
    findings.iter().for_each(|f| has_a_place(f, &lines));
    let mut addresses = BTreeSet::new();
    for r in &resources {
        assert_eq!(Call::from_request(&r.request()).as_ref(), Some(&r.call));
        assert_eq!(r.digest, r.call.digest(r.revision));
        assert!((1..=lines.len() as u32).contains(&r.source.line), "{:?}", r.source);
        assert!(addresses.insert(&r.address), "{} twice", r.address);
    }
    if !findings.iter().any(|f| f.severity == casefile::manifest::Level::Error) {
        assert!(std::str::from_utf8(bytes).is_ok(), "bytes that are no text, and no finding");
    }
}

/// The lines of a file as editors number them, the last one too where no line break follows it.
pub fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.trim_start_matches('\u{feff}').split('\n').map(|l| l.trim_end_matches('\r').to_owned()).collect()
}

/// The line is there and is the one that is shown, and the marked text begins and ends on it.
pub fn has_a_place(f: &Diagnostic, lines: &[String]) {
    assert_eq!(&*f.file, "a.yaml");
    assert!(f.line >= 1 && f.column >= 1 && f.end_column >= f.column, "{f:?}");
    assert!(f.line as usize <= lines.len(), "{f:?} of {} lines", lines.len());
    let line: Vec<char> = lines[f.line as usize - 1].chars().collect();
    if f.source_line.is_empty() {
        return;
    }
    let shown: String =
        line.iter().skip(f.source_offset as usize).take(f.source_line.chars().count()).collect();
    assert_eq!(shown, f.source_line, "{f:?}");
    // A place right behind the end of a line may be marked.
    assert!(f.end_column as usize <= line.len() + 2, "{f:?}");
    for r in &f.related {
        assert!(r.line >= 1 && r.column >= 1 && r.line as usize <= lines.len(), "{r:?}");
    }
}
