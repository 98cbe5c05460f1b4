//! The manifest loader: no bytes make it panic, and every finding stands inside the text.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (resources, findings) = casefile::manifest::parse_manifests("a.yaml", bytes);
    for f in &findings {
        assert!(f.line >= 1 && f.column >= 1 && f.end_column >= f.column, "{f:?}");
    }
    for r in &resources {
        assert_eq!(casefile::model::Call::from_request(&r.request).as_ref(), Some(&r.call));
    }
});
