//! Manifests without a project folder, as what a run is about.

use casefile::engine::Scope;
use casefile::manifest::parse_manifests;
use casefile::plan::Settings;
use jiff::Timestamp;

/// Returns the scope of all resources of a text of manifests, with the settings of a new state.
pub fn scope(manifests: &str, now: Timestamp) -> Scope {
    let (mut desired, diagnostics) = parse_manifests("a.yaml", manifests.as_bytes());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    desired.sort_by(|a, b| a.address.cmp(&b.address));
    Scope {
        desired,
        selected: None,
        replace: Default::default(),
        settings: Settings { new_lineage: "a lineage".into(), ..Settings::at(now) },
        refresh: true,
        lookups: Default::default(),
        forecast: false,
    }
}
