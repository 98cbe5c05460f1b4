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
    let mut seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    seeds.sort();
    assert!(seeds.len() >= 2, "{target} has no seeds");
    check(b"");
    for seed in seeds {
        let bytes = std::fs::read(&seed).unwrap();
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

/// A check says of other files nothing that it says of files that are refused.
#[test]
fn the_seeds_reach_what_is_checked() {
    let seed = |name: &str| {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name)).unwrap()
    };
    let whole = casefile::state::verify(None, Some(&seed("journal/quickstart")), None);
    assert!(whole.findings.is_empty() && whole.records > 2, "{whole:?}");
    let edited = casefile::state::verify(None, Some(&seed("journal/edited")), None);
    assert!(!edited.findings.is_empty() && edited.records > 0, "{edited:?}");
    let snapshot = casefile::state::snapshot::read(&seed("snapshot/quickstart")).unwrap();
    assert!(!snapshot.state.resources.is_empty());
    let (resources, findings) = casefile::manifest::parse_manifests("a.yaml", &seed("manifest/quickstart"));
    assert!(!resources.is_empty() && findings.is_empty(), "{findings:?}");
    let (_, findings) = casefile::manifest::parse_manifests("a.yaml", &seed("manifest/mixed"));
    assert!(!findings.is_empty());
}

/// A finding at another place than it says does not pass.
#[test]
fn a_place_that_is_not_there_is_noticed() {
    let text = "kind: Alert\nwhat: 1\n";
    let (_, findings) = casefile::manifest::parse_manifests("a.yaml", text.as_bytes());
    let finding = findings.iter().find(|f| !f.source_line.is_empty()).unwrap();
    let lines = checks::lines(text.as_bytes());
    checks::has_a_place(finding, &lines);
    let mut wrong = [finding.clone(), finding.clone(), finding.clone()];
    wrong[0].line += 10;
    wrong[1].source_line.push('x');
    wrong[2].end_column += 100;
    for finding in wrong {
        let noticed = std::panic::catch_unwind(|| checks::has_a_place(&finding, &lines));
        assert!(noticed.is_err(), "{finding:?}");
    }
}
