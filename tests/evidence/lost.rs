//! Packages that are recorded as held and are not where they were: fetched again by the record of the first download.

use std::fs::remove_file;

use crate::lab::{Lab, edit};
use crate::server::Server;

#[test]
fn a_package_that_is_gone_is_fetched_again_and_its_record_stays() {
    let lab = Lab::applied(2, "");
    lab.fetch(0);
    let (records, zip, json) =
        (lab.records("fetched"), lab.held(".zip").remove(0), lab.held(".json").remove(0));
    let bytes = std::fs::read(&zip).unwrap();
    for (n, with_record, args) in [(1, false, &["fetch"][..]), (2, true, &["fetch", "p0"])] {
        remove_file(&zip).unwrap();
        if with_record {
            remove_file(&json).unwrap();
        }
        let ran = lab.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.text());
        assert!(ran.text().contains("1 package fetched again"), "{}", ran.text());
        assert_eq!(std::fs::read(&zip).unwrap(), bytes);
        assert_eq!(lab.records("fetched"), records, "what was downloaded first is what the record is about");
        // The journal has who asked for it again, and when.
        assert_eq!(lab.records("linkRequested").len(), 2 + n);
        lab.holds(2);
    }
    // A run that fetches what is new leaves it, and does not speak of it as held.
    remove_file(&zip).unwrap();
    let ran = lab.run(&["apply", "--auto-approve", "--wait", "--fetch"]);
    assert!(ran.code == Some(0) && !ran.text().contains("held") && !zip.exists(), "{}", ran.text());
    // It is no new package, so it is handed on to nobody.
    let ran = lab.run(&["fetch", "--format", "json", "--exec", "sh -c 'exit 1'"]);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert_eq!((ran.events("fetched").len(), ran.events("executed").len()), (1, 0));
    assert_eq!(lab.fetch(0).events("summary")[0]["counts"]["alreadyHeld"], 2);
}

#[test]
fn one_that_is_gone_everywhere_is_told_as_missing() {
    let lab = Lab::applied(1, "faults: [{ on: download, nth: [2], then: webPage }]");
    lab.fetch(0);
    remove_file(lab.held(".zip").remove(0)).unwrap();
    let ran = lab.run(&["fetch"]);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    let told = ".zip is held, and not there; it cannot be fetched again: what came is no package: a web page";
    assert!(ran.text().contains(told), "{}", ran.text());
    lab.fetch(0);
    lab.holds(1);
}

#[test]
fn another_length_is_told_and_nothing_is_replaced() {
    let lab = Lab::applied(1, "");
    lab.fetch(0);
    let zip = lab.held(".zip").remove(0);
    edit(&zip, b"PK");
    let ran = lab.run(&["fetch"]);
    assert!(ran.code == Some(1) && ran.text().contains("another length than was recorded"), "{}", ran.text());
    assert_eq!(std::fs::read(&zip).unwrap(), b"PK");
    assert_eq!(lab.records("linkRequested").len(), 1, "no link is asked for");
}

#[test]
fn another_package_never_takes_its_place() {
    let mut lab = Lab::new(1, "");
    lab.go_on_with("packages: { fillerKib: 1 }");
    lab.apply();
    lab.fetch(0);
    let zip = lab.held(".zip").remove(0);
    remove_file(&zip).unwrap();
    // The service gives another one by now.
    lab.go_on_with("packages: { fillerKib: 64 }");
    let ran = lab.run(&["fetch"]);
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert!(
        ran.text().contains("the service gives another package than the one with the SHA-256"),
        "{}",
        ran.text()
    );
    assert!(!zip.exists() && lab.held(".aside").len() == 1 && lab.records("fetched").len() == 1);
    let ran = lab.run(&["verify"]);
    assert!(
        ran.code == Some(1) && ran.text().contains("casefile fetch, while the service has it"),
        "{}",
        ran.text()
    );
    // The first one is taken again.
    lab.go_on_with("packages: { fillerKib: 1 }");
    lab.fetch(0);
    assert!(zip.exists());
    assert_eq!(lab.run(&["verify"]).code, Some(0));
}

#[test]
fn in_object_storage_too() {
    let server = Server::start();
    let lab = Lab::in_bucket(&server, 2, "");
    lab.fetch(0);
    let name = server.inner().names().into_iter().find(|n| n.ends_with(".zip")).unwrap();
    let bytes = server.inner().object(&name).unwrap();
    for with_record in [false, true] {
        server.inner().replace(&name, None);
        if with_record {
            server.inner().replace(&name.replace(".zip", ".json"), None);
        }
        let ran = lab.run(&["fetch"]);
        assert!(ran.code == Some(0) && ran.text().contains("1 package fetched again"), "{}", ran.text());
        assert_eq!(server.inner().object(&name), Some(bytes.clone()));
        let ran = lab.run(&["verify"]);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
    }
    assert_eq!(lab.records("fetched").len(), 2);
}
