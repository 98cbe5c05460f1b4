//! The tool is installed from an archive whose checksum was reviewed, or built; never from anything else.

use std::path::Path;
use std::process::Output;

use super::blocks::{applying_document, document};
use super::forge::Kind;
use super::{Case, KINDS, runnable};

/// Runs the script that installs, with these variables.
fn install(case: &Case, variables: &[(&str, &str)]) -> Output {
    let mut command = case.command("sh");
    command.arg("scripts/install-casefile.sh").envs(variables.iter().copied());
    command.output().unwrap()
}

#[test]
fn only_the_archive_that_was_reviewed_is_installed() {
    if !runnable() {
        return;
    }
    let case = Case::new(Kind::Github);
    let (archive, installed) = (case.archive(), case.path(".local/bin/casefile"));
    let other = "0".repeat(64);
    for (variables, why) in [
        (vec![("CASEFILE_ARCHIVE", &*archive), ("CASEFILE_SHA256", &other)], "it is not installed"),
        (vec![("CASEFILE_ARCHIVE", &archive)], "CASEFILE_SHA256 is not set"),
        (vec![("CASEFILE_ARCHIVE", "http://127.0.0.1:9/a.tar.gz"), ("CASEFILE_SHA256", &other)], "http"),
        (vec![("CASEFILE_ARCHIVE", "file:///nowhere"), ("CASEFILE_SHA256", &other)], "nowhere"),
        (vec![("CASEFILE_SOURCE", "https://example.org/casefile")], "CASEFILE_REV"),
        (vec![], "set CASEFILE_ARCHIVE"),
    ] {
        let output = install(&case, &variables);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(why), "{variables:?}: {told}");
        assert!(!installed.exists(), "{variables:?}");
    }
    let output = install(&case, &[("CASEFILE_ARCHIVE", &archive), ("CASEFILE_SHA256", &case.sha256)]);
    assert!(output.status.success() && installed.exists(), "{output:?}");
    assert!(!Path::new(&installed).with_file_name("README.md").exists(), "the program alone");
    let left = std::fs::read_dir(case.path("temp")).unwrap().count();
    assert_eq!(left, 0, "the script removes its folder");
}

#[test]
fn without_an_archive_the_commit_that_was_named_is_built() {
    if !runnable() {
        return;
    }
    let case = Case::new(Kind::Github);
    case.stub("cargo", "#!/bin/sh\necho cargo \"$@\"\n");
    let source = [("CASEFILE_SOURCE", "https://example.org/casefile"), ("CASEFILE_REV", "0123abcd")];
    let output = install(&case, &source);
    let root = case.path(".local");
    let built = format!(
        "cargo install --locked --git https://example.org/casefile --rev 0123abcd --root {} casefile\n",
        root.display()
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), built);
}

#[test]
fn actions_of_others_are_pinned_to_a_commit() {
    for document in [document(Kind::Github), applying_document(Kind::Github)] {
        let jobs = document["jobs"].as_object().unwrap();
        let uses: Vec<&str> = jobs
            .values()
            .flat_map(|job| job["steps"].as_array().unwrap())
            .filter_map(|step| step["uses"].as_str())
            .collect();
        assert!(uses.len() >= 2, "{uses:?}");
        for action in uses {
            let commit = action.split_once('@').unwrap().1;
            assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{action}");
        }
    }
}

#[test]
fn no_job_waits_for_a_build() {
    for kind in KINDS {
        for document in [document(kind), applying_document(kind)] {
            assert!(!document.to_string().contains("cargo "), "{kind:?}");
        }
    }
}
