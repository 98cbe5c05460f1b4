//! Both readers of YAML agree on whatever the fast one accepts. Begins with the seeds of `manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Some((fast, real)) = casefile::manifest::both_ways(text) {
        assert_eq!(fast, real);
    }
});
