//! The example of a program that plans and applies a project by itself.

#[path = "../examples/embed.rs"]
#[expect(dead_code, reason = "its `main` is for the command line")]
mod embed;

use std::path::Path;

/// A copy of the quickstart's manifests: a run writes a state beside them.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let quickstart = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
    std::fs::create_dir(folder.path().join("manifests")).unwrap();
    for name in ["casefile.yaml", "manifests/incident.yaml"] {
        std::fs::copy(quickstart.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

#[tokio::test]
async fn what_is_planned_is_sent_and_recorded() {
    let folder = project();
    let report = embed::run(folder.path()).await.unwrap();
    assert_eq!((report.exit_code(), report.counts["accepted"]), (0, 2), "{report:?}");
    // The state is kept: nothing is asked for again, though the simulated service has forgotten.
    let report = embed::run(folder.path()).await.unwrap();
    assert_eq!((report.exit_code(), report.counts.get("accepted")), (0, None), "{report:?}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test writes its own files")]
async fn a_project_that_is_wrong_is_told() {
    let folder = project();
    std::fs::write(folder.path().join("manifests/incident.yaml"), "kind: Nothing\n").unwrap();
    let e = embed::run(folder.path()).await.unwrap_err().to_string();
    assert!(e.contains("problems in the project"), "{e}");
}
