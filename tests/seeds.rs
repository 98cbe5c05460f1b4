//! The fuzz targets' seeds, replayed: as they are, cut off anywhere, and with bytes changed.

#[path = "../fuzz/checks.rs"]
mod checks;

use std::path::Path;

/// Splitmix64: the same bytes change in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut random = Random(1);
    let mut seeds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        seeds += 1;
        check(&bytes);
        for _ in 0..300 {
            check(&bytes[..random.below(bytes.len())]);
            let mut changed = bytes.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(changed.len());
                changed[at] = random.below(256) as u8;
            }
            check(&changed);
        }
    }
    assert!(seeds >= 2, "{target} has no seeds");
}

#[test]
fn journals() {
    replay("journal", checks::journal);
}

#[test]
fn snapshots() {
    replay("snapshot", checks::snapshot);
}

#[test]
fn manifests() {
    replay("manifest", checks::manifest);
}
