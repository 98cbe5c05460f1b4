//! Neither the token nor a link is anywhere, whatever is logged.

use crate::lab::{BEARER, Lab, files};
use crate::sandbox::BIN;

#[test]
fn no_secret_is_written_or_printed() {
    let lab = Lab::applied(
        2,
        "packages: { elsewhere: true }\nfaults: [{ on: download, nth: [1], then: truncated }, \
         { on: download, nth: [2], then: reset }, { on: download, nth: [3], then: error, status: 403 }, \
         { on: download, nth: [5], then: webPage }]",
    );
    let mut printed = String::new();
    for args in [
        &["fetch"][..],
        &["fetch", "--format", "json"],
        &["verify"],
        &["state", "show", "InvestigationPackage/p0"],
    ] {
        let mut command = lab.command(BIN);
        command.arg("-C").arg(lab.path("")).args(args).env("RUST_LOG", "trace");
        let ran = Lab::ran(command);
        printed.push_str(&ran.stdout);
        printed.push_str(&ran.stderr);
    }
    assert!(printed.contains("getPackageUri"), "the log is there: {printed}");
    let mut all = vec![("what was printed".to_owned(), printed.into_bytes())];
    for path in files(&lab.path("")) {
        all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    assert_eq!(lab.held(".zip").len(), 2);
    for (place, bytes) in all {
        for secret in [BEARER, "token=", "safedownload"] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret} in {place}");
        }
    }
}
