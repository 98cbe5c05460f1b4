//! Lines, chain, and what tells one kind of damage from another.

use casefile::model::Sha256Hex;
use casefile::state::journal::{self, Checkpoint, Fault, JournalError, Reader, Tail};

use crate::build::*;

/// Reads to the end: how many good records, how it ends, or what is wrong.
fn read(bytes: &[u8]) -> (u64, Result<Tail, JournalError>) {
    let mut reader = Reader::new(bytes);
    let error = reader.by_ref().find_map(Result::err);
    (reader.mark().seq, error.map_or(Ok(reader.tail()), Err))
}

fn fault(lines: &[String]) -> (u64, Fault) {
    let (_, end) = read(lines.concat().as_bytes());
    let e = end.unwrap_err();
    assert_eq!(e.line, e.seq);
    (e.line, e.fault)
}

/// A line with a correct hash around any record text.
fn line(seq: u64, prev: &str, record: &str) -> String {
    let hash = Sha256Hex::of(
        format!(r#"{{"seq":{seq},"at":"2026-03-01T08:00:00Z","prev":"{prev}","record":{record}}}"#)
            .as_bytes(),
    );
    format!(
        "{{\"seq\":{seq},\"at\":\"2026-03-01T08:00:00Z\",\"prev\":\"{prev}\",\"hash\":\"{hash}\",\"record\":{record}}}\n"
    )
}

#[test]
fn a_line_is_what_the_documentation_says() {
    let (text, hash) = journal::encode(1, Sha256Hex::ZERO, at(0), &open()).unwrap();
    let record = r#"{"open":{"lineage":"lineage-1","binding":{"cloud":"public","tenant":"t"},"tool":"casefile/0.1.0"}}"#;
    let zeros = "0".repeat(64);
    let covered = format!(r#"{{"seq":1,"at":"2023-11-14T22:13:20Z","prev":"{zeros}","record":{record}}}"#);
    assert_eq!(hash, Sha256Hex::of(covered.as_bytes()));
    let whole = format!(
        "{{\"seq\":1,\"at\":\"2023-11-14T22:13:20Z\",\"prev\":\"{zeros}\",\"hash\":\"{hash}\",\"record\":{record}}}\n"
    );
    assert_eq!(text, whole);
}

#[test]
fn records_and_their_bytes_come_back() {
    let story = story();
    let text = lines(&story).concat();
    let mut reader = Reader::new(text.as_bytes());
    let entries: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(entries.iter().map(|e| e.record.clone()).collect::<Vec<_>>(), story);
    assert!(entries.iter().all(|e| text.contains(e.raw)));
    assert_eq!((reader.mark().bytes, reader.mark().seq), (text.len() as u64, 6));
    // From any mark on.
    let first = text.find('\n').unwrap() + 1;
    let mark = Checkpoint { seq: 1, head: entries[0].hash, bytes: first as u64 };
    let mut rest = Reader::resume(&text.as_bytes()[first..], mark);
    assert_eq!(rest.by_ref().map(Result::unwrap).collect::<Vec<_>>(), entries[1..]);
    assert_eq!(rest.mark(), reader.mark());
}

#[test]
fn a_body_with_line_breaks_is_no_line() {
    let mut sent = sent("x", 1);
    sent.request.body = casefile::model::Body::from_json("{\n}".into()).unwrap();
    let record = intent_of(&addr("Alert/a"), casefile::state::CallAction::Create, sent);
    assert!(matches!(
        journal::encode(1, Sha256Hex::ZERO, at(0), &record),
        Err(journal::EncodeError::LineBreak)
    ));
}

#[test]
fn cut_at_every_byte_the_last_record_is_torn_and_no_other() {
    let lines = lines(&story());
    let before = lines[..5].concat();
    let last = &lines[5];
    for kept in 1..last.len() - 1 {
        let bytes = [before.as_bytes(), &last.as_bytes()[..kept]].concat();
        assert_eq!(read(&bytes), (5, Ok(Tail::Torn { bytes: kept as u64 })), "{kept}");
        let zeros = [before.as_bytes(), &last.as_bytes()[..kept], &vec![0; last.len() - kept]].concat();
        assert_eq!(read(&zeros), (5, Ok(Tail::Torn { bytes: last.len() as u64 })), "{kept}");
    }
    assert_eq!(read(before.as_bytes()), (5, Ok(Tail::Clean)));
    let all = lines.concat();
    assert_eq!(read(all.trim_end().as_bytes()), (6, Ok(Tail::Unterminated)));
    assert_eq!(read(all.as_bytes()), (6, Ok(Tail::Clean)));
}

#[test]
fn a_record_that_was_cut_in_the_middle_of_a_letter_is_torn() {
    let lines = lines(&story());
    let at = lines[3].find('ü').unwrap() + 1;
    let bytes = [lines[..3].concat().as_bytes(), &lines[3].as_bytes()[..at]].concat();
    assert_eq!(read(&bytes), (3, Ok(Tail::Torn { bytes: at as u64 })));
}

#[test]
fn any_changed_byte_is_noticed() {
    let lines = lines(&story());
    let text = lines.concat();
    let last = text.len() - lines[5].len();
    for i in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[i] = if bytes[i] == b'7' { b'8' } else { b'7' };
        let (records, end) = read(&bytes);
        assert!(records < 6, "byte {i}");
        // Only what can be a write that stopped midway may pass for one: the last newline.
        assert!(end.is_err() || i == text.len() - 1, "byte {i}: {end:?}");
        assert!(records >= 5 || i < last, "byte {i}");
    }
}

#[test]
fn each_damage_has_its_name() {
    let good = lines(&story());
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = good.clone();
        change(&mut lines);
        fault(&lines)
    };
    assert_eq!(with(&|l| l[2] = l[2].replace("id-a", "id-b")), (3, Fault::Edited { seq: 3 }));
    assert_eq!(with(&|l| l[2] = l[2].replace("{\"seq\":3,", "{ \"seq\":3,")), (3, Fault::Edited { seq: 3 }));
    assert_eq!(with(&|l| l[5] = l[5].replace("Succeeded", "Failed")), (6, Fault::Edited { seq: 6 }));
    assert_eq!(with(&|l| l.swap(2, 3)), (3, Fault::Reordered { expected: 3, found: 4 }));
    assert_eq!(with(&|l| drop(l.remove(2))), (3, Fault::Missing { expected: 3, found: 4 }));
    assert_eq!(with(&|l| drop(l.drain(..2))), (1, Fault::Missing { expected: 1, found: 3 }));
    assert_eq!(with(&|l| l.insert(3, l[2].clone())), (4, Fault::Repeated { found: 3 }));
    assert_eq!(with(&|l| l.insert(3, "<<<<<<< HEAD\n".into())), (4, Fault::MergeConflict));
    assert_eq!(with(&|l| l.push(">>>>>>> theirs".into())), (7, Fault::MergeConflict));
    assert!(matches!(with(&|l| l.push("x".into())), (7, Fault::Unreadable { .. })));
    assert_eq!(with(&|l| l[0] = l[0].replace('\n', "\r\n")), (1, Fault::Crlf));
    assert!(matches!(with(&|l| l[2].truncate(30)), (3, Fault::Unreadable { .. })));
    assert!(matches!(with(&|l| l.insert(2, "\n".into())), (3, Fault::Unreadable { .. })));
    assert!(matches!(with(&|l| l.push("\n".into())), (7, Fault::Unreadable { .. })));
    assert!(matches!(with(&|l| l[5].replace_range(9..10, "x")), (6, Fault::Unreadable { .. })));
    let other = lines(&[open_as("another"), story()[1].clone()]);
    assert_eq!(with(&|l| l[1] = other[1].clone()), (2, Fault::Forked { seq: 2 }));
}

#[test]
fn not_text_and_nothing_at_all() {
    let mut bytes = lines(&story()).concat().into_bytes();
    bytes[20] = 0xff;
    assert_eq!(read(&bytes).1.unwrap_err().fault, Fault::NotUtf8 { at: 20 });
    for empty in [&b""[..], b"{\"seq\":1,", b"\0\0\0\0", b"\0\n"] {
        assert_eq!(read(empty).1.unwrap_err().fault, Fault::Empty, "{empty:?}");
    }
    assert!(matches!(read(b"hello\n").1.unwrap_err().fault, Fault::Unreadable { .. }));
}

#[test]
fn what_a_newer_casefile_wrote_is_refused_not_cut() {
    let first = &lines(&story())[0];
    let (_, hash) = journal::encode(1, Sha256Hex::ZERO, at(1), &open()).unwrap();
    let hash = hash.to_string();
    let unknown = [
        line(2, &hash, r#"{"teleported":{"address":"Alert/a"}}"#),
        line(2, &hash, r#"{"released":{"address":"Alert/a","reason":"x"}}"#),
        line(2, &hash, r#"{"released":{"address":"Workspace/a"}}"#),
        line(2, &hash, r#"{"cut":{"bytes":1}}"#).replace("{\"seq\":2,", "{\"v\":2,\"seq\":2,"),
    ];
    for next in unknown {
        // Also as an unterminated last line: it is complete, so it is not torn.
        for text in [format!("{first}{next}"), format!("{first}{}", next.trim_end())] {
            let e = read(text.as_bytes()).1.unwrap_err();
            assert!(matches!(e.fault, Fault::Newer { seq: 2, .. }), "{e} {next}");
        }
    }
}

#[test]
fn words_for_people() {
    let mut all = lines(&story());
    all.remove(2);
    let e = read(all.concat().as_bytes()).1.unwrap_err();
    assert_eq!(e.to_string(), "journal line 3: record 3 is missing: record 4 follows record 2");
}
