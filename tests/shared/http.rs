//! The whole tool with its state behind smart HTTP.

use std::path::Path;
use std::time::Duration;

use casefile::state::shared::command::Git;
use casefile::state::shared::git::{Author, BOUND, GitRemote, Place};
use casefile::state::shared::{Put, Remote as _, Segment};

use super::lab::Lab;
use super::server::Server;

/// A clone whose remote is the server.
fn clone_over_http(lab: &Lab, server: &Server, name: &str) -> std::path::PathBuf {
    let clone = lab.clone_as(name);
    lab.git(&clone, &["remote", "set-url", "origin", &format!("{}/remote.git", server.url)]);
    clone
}

fn holds(folder: &Path, secret: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, secret),
            false => {
                let bytes = std::fs::read(&path).unwrap();
                bytes.windows(secret.len()).any(|w| w == secret.as_bytes())
            }
        }
    })
}

#[test]
fn another_clone_goes_on_over_http() {
    let lab = Lab::new(8);
    let server = Server::new(lab.dir.path());
    let one = clone_over_http(&lab, &server, "one");
    let (code, _, stderr) = lab.run(&one, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (0, 8), "{stderr}");
    let two = clone_over_http(&lab, &server, "two");
    let (code, stdout, stderr) = lab.run(&two, &["plan", "--detailed-exitcode"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (code, stdout, _) = lab.run(&two, &["verify"]);
    assert_eq!(code, 0, "{stdout}");
}

#[test]
fn a_server_that_takes_no_pushes_is_told_at_once() {
    let lab = Lab::new(1);
    let server = Server::new(lab.dir.path());
    lab.git(&lab.path("remote.git"), &["config", "http.receivepack", "false"]);
    let one = clone_over_http(&lab, &server, "one");
    let began = std::time::Instant::now();
    let (code, _, stderr) = lab.run(&one, &["apply", "--auto-approve"]);
    assert_eq!((code, lab.collections()), (1, 0), "{stderr}");
    assert!(stderr.contains("the push is refused") && stderr.contains("403"), "{stderr}");
    assert!(stderr.contains("let this pipeline or user push to that ref"), "{stderr}");
    assert!(began.elapsed() < Duration::from_secs(15), "it is not tried again and again");
}

/// As checkouts of pipelines leave it: in the repository's settings, in those of a work tree, in a file of its own.
#[test]
fn the_header_that_a_checkout_leaves_is_carried_and_kept_nowhere() {
    const SECRET: &str = "Basic dG9rZW46c2VjcmV0";
    let lab = Lab::new(1);
    let server = Server::new(lab.dir.path());
    server.ways.lock().unwrap().asks_for = Some(SECRET.into());
    let key = format!("http.{}/.extraheader", server.url);
    let value = format!("AUTHORIZATION: {SECRET}");
    let nobody = clone_over_http(&lab, &server, "nobody");
    let (code, _, stderr) = lab.run(&nobody, &["plan"]);
    assert!(code == 1 && stderr.contains("could not read Username"), "{code} {stderr}");
    for (name, words) in [
        ("local", vec!["config", "--local"]),
        ("worktree", vec!["config", "--worktree"]),
        ("included", vec!["config", "--file", "credentials"]),
    ] {
        let clone = clone_over_http(&lab, &server, name);
        match name {
            "worktree" => drop(lab.git(&clone, &["config", "extensions.worktreeConfig", "true"])),
            "included" => {
                let when = format!("includeIf.gitdir:{}.path", clone.join(".git").display());
                let file = clone.join("credentials");
                lab.git(&clone, &["config", &when, file.to_str().unwrap()]);
            }
            _ => {}
        }
        lab.git(&clone, &[&words[..], &[&key, &value]].concat());
        let (code, stdout, stderr) = lab.run(&clone, &["apply", "--auto-approve"]);
        assert_eq!((code, lab.collections()), (0, 1), "{name}: {stdout}{stderr}");
        assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "{name}");
        assert!(!holds(&lab.cache(&clone), SECRET), "{name}: it lies in the cache");
    }
}

#[test]
fn redirects_are_not_followed_whatever_the_repository_says() {
    let lab = Lab::new(1);
    let elsewhere = Server::new(lab.dir.path());
    let server = Server::new(lab.dir.path());
    server.ways.lock().unwrap().redirects_to = Some(elsewhere.url.clone());
    let one = clone_over_http(&lab, &server, "one");
    lab.git(&one, &["config", "http.followRedirects", "true"]);
    lab.git(&one, &["config", &format!("http.{}/.followRedirects", server.url), "true"]);
    let (code, _, stderr) = lab.run(&one, &["apply", "--auto-approve"]);
    assert!(code == 1 && stderr.contains("302"), "{code} {stderr}");
    assert_eq!((elsewhere.seen().len(), lab.collections()), (0, 0));
}

#[test]
fn a_push_that_is_taken_and_answered_with_an_error_is_made_once() {
    for push in 0..3 {
        let lab = Lab::new(2);
        let server = Server::new(lab.dir.path());
        server.ways.lock().unwrap().loses = Some(push);
        let one = clone_over_http(&lab, &server, "one");
        let (code, stdout, stderr) = lab.run(&one, &["apply", "--auto-approve"]);
        assert_eq!((code, lab.collections()), (0, 2), "{push}: {stdout}{stderr}");
        assert!(server.ways.lock().unwrap().loses.is_none(), "push {push} was never made");
        let (code, stdout, _) = lab.run(&one, &["verify"]);
        assert_eq!(code, 0, "{push}: {stdout}");
        let log = lab.git(&lab.path("remote.git"), &["log", "--format=%s", "refs/casefile/ir"]);
        assert_eq!(log.matches("asking").count(), 1, "{push}: {log}");
    }
}

/// A segment of half a megabyte goes in parts, and what a long history asks for is compressed.
#[tokio::test]
async fn long_requests_come_in_parts_and_compressed() {
    let dir = tempfile::TempDir::new().unwrap();
    let bare = |name: &str| {
        let init = std::process::Command::new("git")
            .args(["init", "-q", "--bare", name])
            .current_dir(dir.path())
            .status();
        assert!(init.unwrap().success());
    };
    bare("remote.git");
    bare("other.git");
    let server = Server::new(dir.path());
    let remote = |repository: &str, cache: &str, settings: &[(String, String)]| {
        let mut git = Git::new(std::env::vars_os(), "http");
        git.add_settings(settings);
        let place = Place {
            url: format!("{}/{repository}", server.url),
            push_url: None,
            reference: "refs/casefile/x".into(),
            interval: Duration::ZERO,
            bound: BOUND,
        };
        let cache = dir.path().join(cache);
        std::fs::create_dir_all(&cache).unwrap();
        let author = Author { name: "t".into(), email: "t@t".into() };
        GitRemote::new(git, place, author, cache, std::sync::Arc::new(jiff::Timestamp::now))
    };
    // Lines that no compression makes short.
    let mut journal = String::new();
    for n in 0..4000 {
        journal.push_str(&format!("{}\n", casefile::model::Sha256Hex::of(format!("{n}").as_bytes())));
    }
    fn segment(journal: &[u8]) -> Segment<'_> {
        Segment { first: 1, lines: journal, journal, snapshot: None, message: "m" }
    }
    let in_parts = [("http.postBuffer".to_owned(), "65536".to_owned())];
    let (mut one, mut two) = (remote("remote.git", "one", &in_parts), remote("remote.git", "two", &[]));
    assert_eq!(one.read().await.unwrap(), None);
    assert_eq!(one.append(&segment(journal.as_bytes())).await.unwrap(), Put::Done);
    assert_eq!(two.read().await.unwrap().unwrap().journal, journal.as_bytes());
    for n in 0..40 {
        assert_eq!(two.append(&segment(format!("{n}\n").as_bytes())).await.unwrap(), Put::Done);
    }
    for remote in [&mut one, &mut two] {
        assert_eq!(remote.read().await.unwrap().unwrap().journal, b"39\n");
    }
    // Another history in the repository: all that is known here is named in vain.
    let (mut other, mut known) = (remote("other.git", "other", &[]), remote("other.git", "two", &[]));
    assert_eq!(other.read().await.unwrap(), None);
    assert_eq!(other.append(&segment(b"0\n")).await.unwrap(), Put::Done);
    assert_eq!(known.read().await.unwrap().unwrap().journal, b"0\n");
    let seen = server.seen();
    let pushes = |r: &&super::server::Request| r.target.ends_with("/git-receive-pack");
    assert!(seen.iter().filter(pushes).any(|r| r.chunked), "no push came in parts");
    assert!(seen.iter().any(|r| r.gzip), "no request was compressed");
}

#[tokio::test]
async fn settings_reach_git_as_they_are() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut git = Git::new(std::env::vars_os(), "http");
    let value = "it's = \"so\" \\ $HOME ! 'x'";
    git.add_settings(&[("http.a".into(), "1".into()), ("http.b".into(), value.into())]);
    git.add_settings(&[("http.c".into(), "3".into())]);
    for (name, value) in [("http.a", "1"), ("http.b", value), ("http.c", "3")] {
        let output = git.run(dir.path(), &["config", "--get", name], b"", BOUND).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), value);
    }
}
