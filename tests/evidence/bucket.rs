//! Packages in object storage, over real HTTP: what lies there afterwards, whatever goes wrong on the way.

use std::process::Stdio;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::lab::{Lab, Ran, SECRET, files};
use crate::sandbox::BIN;
use crate::server::{Fate, Server};

/// A package that is sent in several pieces.
const LARGE: &str = "packages: { fillerKib: 20000 }";

/// Checks that so many packages are held, once, as their records say, and that nothing else is left anywhere.
#[track_caller]
fn holds(server: &Server, lab: &Lab, packages: usize) {
    let records = lab.records("fetched");
    let zips: Vec<String> = server.inner().names().into_iter().filter(|n| n.ends_with(".zip")).collect();
    assert_eq!((zips.len(), records.len()), (packages, packages), "{zips:?}");
    for record in records {
        assert_eq!(record["store"], "s3://bucket/case");
        let file = format!("case/{}", record["file"].as_str().unwrap());
        let bytes = server.inner().object(&file).unwrap();
        assert_eq!(record["sha256"], data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)));
        let json = server.inner().object(&file.replace(".zip", ".json")).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), record);
    }
    let mark = usize::from(packages > 0);
    assert_eq!(server.inner().names().len(), 2 * packages + mark, "{:?}", server.inner().names());
    assert!(server.inner().uploads.is_empty(), "pieces are left");
    let here: Vec<_> = files(&lab.path("cache")).into_iter().filter(|f| !f.ends_with("head")).collect();
    assert!(here.is_empty() && lab.evidence().is_empty(), "{here:?}");
    let ran = lab.run(&["verify"]);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
}

fn fetch(lab: &Lab) -> Ran {
    let ran = lab.run(&["fetch"]);
    assert!(!ran.text().contains(SECRET), "{}", ran.text());
    ran
}

#[test]
fn packages_are_held_there_small_and_large() {
    for scenario in ["", LARGE] {
        let server = Server::start();
        let lab = Lab::in_bucket(&server, 2, scenario);
        let ran = fetch(&lab);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        holds(&server, &lab, 2);
        let pieces = server.inner().requests.iter().filter(|r| r.contains("partNumber=")).count();
        // One more proves that pieces replace nothing.
        assert_eq!(pieces, if scenario.is_empty() { 1 } else { 7 });
        server.inner().requests.clear();
        let ran = fetch(&lab);
        assert!(ran.code == Some(0) && ran.text().contains("2 packages held already"), "{}", ran.text());
        assert!(server.inner().requests.iter().all(|r| r.starts_with("GET") || r.starts_with("HEAD")));
    }
}

#[test]
fn every_change_is_found() {
    let server = Server::start();
    let lab = Lab::in_bucket(&server, 2, LARGE);
    assert_eq!(fetch(&lab).code, Some(0));
    let names: Vec<String> = server.inner().names().into_iter().filter(|n| n.ends_with(".zip")).collect();
    let [first, second] = [0, 1].map(|i| server.inner().object(&names[i]).unwrap().to_vec());
    let mut altered = first.clone();
    *altered.last_mut().unwrap() ^= 1;
    for (bytes, code) in [
        (Some(altered), "package-altered"),
        (Some(first[..10_000_000].to_vec()), "package-truncated"),
        (Some(second), "package-swapped"),
        (None, "package-missing"),
    ] {
        server.inner().replace(&names[0], bytes);
        let ran = lab.run(&["verify", "--format", "json"]);
        assert!(ran.code == Some(1) && ran.text().contains(code), "{code}: {}", ran.text());
    }
    server.inner().replace(&names[0], Some(first));
    server.inner().replace(&names[0].replace("p0/", "more/"), Some(b"PK".to_vec()));
    let ran = lab.run(&["verify", "--format", "json"]);
    assert!(ran.code == Some(1) && ran.text().contains("package-extra"), "{}", ran.text());
    server.inner().requests.clear();
    assert_eq!(lab.run(&["verify", "--no-evidence"]).code, Some(0));
    assert_eq!(server.inner().requests, Vec::<String>::new());
}

#[test]
fn an_object_that_no_record_speaks_of_is_compared() {
    for scenario in ["", LARGE] {
        let server = Server::start();
        let lab = Lab::in_bucket(&server, 1, scenario);
        let before = lab.path("before");
        crate::lab::copy(&lab.path(".casefile"), &before);
        assert_eq!(fetch(&lab).code, Some(0));
        let zip = server.inner().names().into_iter().find(|n| n.ends_with(".zip")).unwrap();
        let restore = || {
            std::fs::remove_dir_all(lab.path(".casefile")).unwrap();
            crate::lab::copy(&before, &lab.path(".casefile"));
            server.inner().replace(&zip.replace(".zip", ".json"), None);
        };
        // As if the run had been killed before it recorded it.
        restore();
        assert_eq!(fetch(&lab).code, Some(0));
        holds(&server, &lab, 1);
        // Somebody has put another one there.
        restore();
        server.inner().replace(&zip, Some(b"PK another one".to_vec()));
        let ran = fetch(&lab);
        assert!(
            ran.code == Some(1) && ran.text().contains("is not what the service gives"),
            "{}",
            ran.text()
        );
        assert_eq!(server.inner().object(&zip).unwrap(), &b"PK another one"[..], "nothing is replaced");
        assert_eq!(server.inner().names().iter().filter(|n| n.ends_with(".aside")).count(), 1);
        assert!(lab.records("fetched").is_empty());
    }
}

#[test]
fn what_the_bucket_refuses_is_told_and_nothing_half_is_left() {
    type Make = fn(&Server);
    let denied = |s: &Server| {
        s.rule(|m, uri| match uri.contains("/p0/") && m != "GET" && m != "HEAD" {
            true => Fate::Refused(403, "AccessDenied"),
            false => Fate::Done,
        });
    };
    let third_piece = |s: &Server| {
        s.rule(|_, uri| match uri.contains("/p0/") && uri.contains("partNumber=3") {
            true => Fate::NeverArrives,
            false => Fate::Done,
        });
    };
    let cases: [(Make, usize, &[&str]); 6] = [
        (denied, 1, &["it cannot be held: s3://bucket/case", "AccessDenied", "docs/shared-state.md"]),
        (third_piece, 1, &["s3://bucket/case cannot be reached"]),
        (|s| s.rule(|_, _| Fate::Refused(404, "NoSuchBucket")), 0, &["NoSuchBucket", "create the bucket"]),
        (|s| s.rule(|_, _| Fate::NeverArrives), 0, &["cannot be reached", "InternalError"]),
        (|s| s.inner().lies = true, 0, &["took case/create-only.txt twice", "name another store"]),
        (|s| s.inner().lies_in_pieces = true, 0, &["twice", "for uploads in pieces"]),
    ];
    for (make, held, words) in cases {
        let server = Server::start();
        let lab = Lab::in_bucket(&server, 2, LARGE);
        make(&server);
        let ran = fetch(&lab);
        assert_eq!(ran.code, Some(1), "{}", ran.text());
        for word in words {
            assert!(ran.text().contains(word), "`{word}` is missing: {}", ran.text());
        }
        let zips = server.inner().names().iter().filter(|n| n.contains(".zip")).count();
        assert_eq!((zips, lab.records("fetched").len()), (held, held), "{words:?}");
        assert!(server.inner().uploads.is_empty(), "{words:?}: pieces are left");
        // Once it is put right, nothing is fetched from the service again.
        server.rule(|_, _| Fate::Done);
        (server.inner().lies, server.inner().lies_in_pieces) = (false, false);
        let ran = fetch(&lab);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        holds(&server, &lab, 2);
    }
}

#[test]
fn a_lost_answer_changes_nothing() {
    for scenario in ["", LARGE] {
        let server = Server::start();
        let lab = Lab::in_bucket(&server, 1, scenario);
        // Every request that changes something is answered by an error at its first time, although it was done.
        let mut seen = std::collections::BTreeSet::new();
        server.rule(move |method, uri| {
            let first = !matches!(method.as_str(), "GET" | "HEAD") && seen.insert(format!("{method} {uri}"));
            if first { Fate::AnswerLost } else { Fate::Done }
        });
        let ran = fetch(&lab);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        // Uploads whose beginning was not heard of are left to the bucket's rule for them.
        server.inner().uploads.clear();
        holds(&server, &lab, 1);
    }
}

/// The tool is killed while the `nth` request that changes something in the bucket is under way, which was done or was not.
#[test]
#[ignore = "every request takes a minute"]
fn a_kill_at_any_request_loses_nothing_and_replaces_nothing() {
    for nth in 1.. {
        let mut reached = true;
        for fate in [Fate::NeverArrives, Fate::AnswerLost] {
            let server = Server::start();
            let lab = Lab::in_bucket(&server, 1, "packages: { fillerKib: 9000 }");
            let tell = server.kill_at(nth, fate);
            let mut command = lab.command(BIN);
            command.arg("-C").arg(lab.path("")).arg("fetch").stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            let _ = tell.send(child.id());
            reached = child.wait().unwrap().code().is_none();
            server.rule(|_, _| Fate::Done);
            // What is recorded as held is there, whole.
            for record in lab.records("fetched") {
                let file = format!("case/{}", record["file"].as_str().unwrap());
                let bytes = server.inner().object(&file).unwrap();
                assert_eq!(
                    record["sha256"],
                    data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)),
                    "{nth}"
                );
            }
            let ran = fetch(&lab);
            assert_eq!(ran.code, Some(0), "{nth} {fate:?}: {}", ran.text());
            server.inner().uploads.clear();
            holds(&server, &lab, 1);
        }
        if !reached {
            assert!(nth > 9, "{nth} requests were there to be killed at");
            break;
        }
    }
}

#[test]
fn a_bucket_that_the_project_alone_names_gets_no_credentials() {
    let server = Server::start();
    let lab = Lab::in_bucket(&server, 1, "");
    let run = |names: &[(&str, &str)]| {
        let mut command = lab.command(BIN);
        command.env_remove("AWS_ENDPOINT_URL").envs(names.iter().copied());
        command.arg("-C").arg(lab.path("")).arg("fetch");
        Lab::ran(command)
    };
    // That somebody names the place of the state says nothing of evidence.
    for names in [&[][..], &[("CASEFILE_STATE_URL", "file:.casefile")]] {
        let ran = run(names);
        assert!(
            ran.code == Some(1) && ran.text().contains("CASEFILE_ALLOW_STORE=s3://bucket/case"),
            "{}",
            ran.text()
        );
    }
    assert_eq!(server.inner().requests, Vec::<String>::new());
}
