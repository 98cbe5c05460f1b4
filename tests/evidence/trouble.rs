//! Downloads that go wrong on the way, by one rule of the simulated service each.

use crate::lab::{Lab, edit};

/// Fetches one package from a service with these faults, and returns what a person reads.
#[track_caller]
fn fetched(code: i32, faults: &str) -> String {
    let lab = Lab::applied(1, &format!("packages: {{ fillerKib: 64 }}\nfaults: [{faults}]"));
    let ran = lab.run(&["fetch"]);
    assert_eq!(ran.code, Some(code), "{faults}: {}", ran.text());
    if code == 0 {
        lab.holds(1);
    } else {
        assert!(lab.held(".zip").is_empty() && lab.records("fetched").is_empty(), "{faults}");
        let ran = lab.run(&["verify"]);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
    }
    ran.text()
}

#[test]
fn what_can_be_mended_is_mended() {
    for faults in [
        "{ on: download, nth: [1, 2], then: truncated }",
        "{ on: download, nth: [1], then: reset }",
        "{ on: download, nth: [1], then: lost }",
        "{ on: download, nth: [1], then: expiredToken }",
        "{ on: download, nth: [1], then: error, status: 401 }",
        "{ on: download, nth: [1], then: error, status: 403 }",
        "{ on: download, nth: [1], then: error, status: 404 }",
        "{ on: download, nth: [1], then: error, status: 410 }",
        "{ on: download, nth: [1], then: error, status: 503, seconds: 1 }",
        "{ on: download, nth: [1], then: throttled, seconds: 1 }",
        "{ on: download, nth: [1], then: truncated }, { on: download, nth: [2], then: error, status: 403 }",
        "{ on: download, nth: [1], then: truncated }, { on: download, nth: [2], then: otherTag }",
        "{ on: download, nth: [1], then: truncated }, { on: download, nth: [2], then: whole }",
        "{ on: packageUri, nth: [1], then: error, status: 503 }",
        "{ on: packageUri, nth: [1], then: error, status: 404 }",
    ] {
        fetched(0, faults);
    }
}

#[test]
fn what_cannot_is_told_apart_and_never_kept() {
    for (faults, said) in [
        ("{ on: download, then: webPage }", "what came is no package: a web page"),
        ("{ on: download, then: short }", "cut short: a zip without its end"),
        (
            "{ on: download, then: expiredToken }",
            "the service gave 4 links, and none of them works: Expired token",
        ),
        ("{ on: packageUri, then: error, status: 403 }", "no link: "),
        ("{ on: download, then: throttled, seconds: 900 }", "the server asks to come back in 900 s"),
    ] {
        let text = fetched(1, faults);
        assert!(text.contains(said), "{faults}: {text}");
    }
}

#[test]
#[ignore = "a download stalls for a minute"]
fn a_stalled_download_is_noticed() {
    fetched(0, "{ on: download, nth: [1], then: stalled }");
}

#[test]
fn one_that_fails_holds_up_no_other() {
    let lab = Lab::applied(3, "faults: [{ on: download, nth: [2], then: webPage }]");
    let ran = lab.fetch(1);
    assert_eq!((ran.events("fetched").len(), ran.events("fetch_failed").len()), (2, 1));
    assert_eq!(ran.events("summary")[0]["attention"].as_array().unwrap().len(), 1);
    lab.fetch(0);
    lab.holds(3);
}

#[test]
fn no_room_fails_the_package_and_leaves_nothing_half() {
    let lab = Lab::applied(1, "packages: { fillerKib: 20000 }");
    let mut command = lab.command("sh");
    let script = r#"trap "" XFSZ; ulimit -f 8000; exec "$@""#;
    command.args(["-c", script, "sh", crate::sandbox::BIN, "-C"]).arg(lab.path("")).arg("fetch");
    let ran = Lab::ran(command);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert!(ran.text().contains("it cannot be written: File too large"), "{}", ran.text());
    assert!(lab.held(".zip").is_empty());
    lab.fetch(0);
    lab.holds(1);
}

#[test]
fn a_file_that_no_record_speaks_of_is_compared() {
    let lab = Lab::applied(1, "");
    let before = lab.path("before");
    crate::lab::copy(&lab.path(".casefile"), &before);
    lab.fetch(0);
    let zip = lab.held(".zip").remove(0);
    let json = lab.held(".json").remove(0);
    let restore = || {
        std::fs::remove_dir_all(lab.path(".casefile")).unwrap();
        crate::lab::copy(&before, &lab.path(".casefile"));
        std::fs::remove_file(&json).unwrap();
    };
    // As if the run had been killed before it recorded it.
    restore();
    lab.fetch(0);
    lab.holds(1);
    // Somebody has put another one there.
    restore();
    edit(&zip, b"PK\x03\x04 another one");
    let ran = lab.run(&["fetch"]);
    assert!(ran.code == Some(1) && ran.text().contains("is not what the service gives"), "{}", ran.text());
    assert_eq!(std::fs::read(&zip).unwrap(), b"PK\x03\x04 another one", "nothing is replaced");
    assert_eq!(lab.held(".aside").len(), 1);
}

#[test]
fn a_hostile_zip_is_kept_aside_and_is_no_evidence() {
    let lab = Lab::applied(1, "faults: [{ on: download, nth: [1], then: bomb }]");
    let ran = lab.run(&["fetch"]);
    assert!(
        ran.code == Some(1) && ran.text().contains("is not held as evidence: it is not looked into"),
        "{}",
        ran.text()
    );
    assert!(lab.held(".zip").is_empty() && lab.records("fetched").is_empty());
    assert_eq!(lab.held(".aside").len(), 1);
    assert_eq!(lab.run(&["verify"]).code, Some(0));
    lab.fetch(0);
    assert_eq!((lab.held(".zip").len(), lab.records("fetched").len()), (1, 1));
}
