//! Texts are read with the fast reader of YAML as they are with the real one alone. Begins with the seeds of
//! `manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (read, real) = casefile::manifest::both_ways(text);
    assert_eq!(read, real);
});
