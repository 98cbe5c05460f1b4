//! The reader of `.casefile/state.json`: what it accepts is written again and read as the same.
#![no_main]

use casefile::state::snapshot;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = snapshot::read(bytes) {
        let text = snapshot::write(&read.state, read.serial, read.mark.bytes).expect("what was read can be written");
        let again = snapshot::read(&text).expect("what was written can be read");
        assert_eq!(again.state, read.state);
    }
});
