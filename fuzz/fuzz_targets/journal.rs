//! The journal's reader, and the fold of whatever it accepts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let verified = casefile::state::verify(None, Some(bytes));
    std::hint::black_box(verified);
});
