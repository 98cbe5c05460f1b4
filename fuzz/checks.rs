//! What must hold for any bytes. Used by the fuzz targets, and by `tests/seeds.rs`, which replays the seeds.

use casefile::manifest::parse_manifests;
use casefile::model::Call;
use casefile::state::{snapshot, verify};

/// The journal's reader, and the fold of whatever it accepts: no panic, and findings name a line.
pub fn journal(bytes: &[u8]) {
    let verified = verify(None, Some(bytes));
    assert!(!verified.findings.is_empty() || !bytes.is_empty());
}

/// A snapshot that is accepted is written again and read as the same.
pub fn snapshot(bytes: &[u8]) {
    if let Ok(read) = snapshot::read(bytes) {
        let text =
            snapshot::write(&read.state, read.serial, read.mark.bytes).expect("what was read can be written");
        let again = snapshot::read(&text).expect("what was written can be read");
        assert_eq!(again.state, read.state);
    }
}

/// The manifest loader: every finding has a place, and every resource's request says what its call says.
pub fn manifest(bytes: &[u8]) {
    let (resources, findings) = parse_manifests("a.yaml", bytes);
    for f in &findings {
        assert!(f.line >= 1 && f.column >= 1 && f.end_column >= f.column, "{f:?}");
    }
    for r in &resources {
        assert_eq!(Call::from_request(&r.request()).as_ref(), Some(&r.call));
    }
}
