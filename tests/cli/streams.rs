//! What is read from stdin has a bound, and what cannot be written to stdout is a failure of every command.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::case::Case;
use crate::sandbox::BIN;

/// Help and version are results like any other.
#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for args in [&["--help"][..], &["-h"], &["--version"], &["help", "plan"], &["plan", "--help"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(BIN).args(args).stdout(full).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        assert!(err.contains("error: cannot write to stdout"), "{args:?}: {err}");
    }
    // A reader that has gone away is a quiet end.
    let mut child =
        Command::new(BIN).arg("--help").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
}

/// Editors on Windows put a byte order mark in front, which is no part of the query.
#[test]
fn a_byte_order_mark_before_a_query_is_dropped() {
    let case = Case::new("", "{}");
    case.write("query.kql", "\u{feff}DeviceProcessEvents\n| where FileName =~ \"powershell.exe\"\n");
    let query = std::fs::File::open(case.path("query.kql")).unwrap();
    let output =
        case.command(&case.sandbox.url, &["hunt", "-", "--format", "csv"]).stdin(query).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    // A query that begins otherwise finds nothing there.
    assert_eq!(out.lines().count(), 4, "{out}");
}

#[test]
fn a_query_on_stdin_has_a_bound() {
    let case = Case::new("machines: {}\n", "{}");
    let hunt = |text: &[u8]| {
        let mut child = case
            .command(&case.sandbox.url, &["hunt", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end before all of it is read.
        let _ = child.stdin.take().unwrap().write_all(text);
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for long in ["a".repeat((1 << 20) + 1), "a".repeat(8 << 20), "é".repeat(1 << 20)] {
        let (code, err) = hunt(long.as_bytes());
        assert!(code == Some(1) && err.contains("the query is larger than 1 MiB"), "{code:?} {err}");
    }
    let (code, err) = hunt(b"  \n");
    assert!(code == Some(64) && err.contains("there is no query on stdin"), "{code:?} {err}");
}
