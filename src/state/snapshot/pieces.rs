//! A snapshot read in pieces of its text, so that the text is never in memory beside the values.
//!
//! Understands the very form that `write` gives a snapshot, where a resource ends with a line of its own. Any other
//! form, and everything that is wrong, is left to [`read`](super::read), which has the words for it. What is
//! accepted here is one JSON document, and has the same values: each piece is parsed as an object of its own, and
//! only where commas and braces between them are those of one object. Whether the text is as it was written is asked
//! of its digest, which takes as long to compute as the text to parse, and can be computed beside it.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};

use super::digest::HEAD;
use super::{Document, FORMAT_VERSION, Snapshot, integrity};
use crate::model::{Address, Sha256Hex};
use crate::state::journal::Checkpoint;
use crate::state::resource::Resource;

/// The line before the first resource, and the ends of the last one, of them all and of the document. A text has no
/// line breaks in JSON, so these are no part of one.
const FIRST: &[u8] = b"\n  \"resources\": {\n";
const NEXT: &[u8] = b"\n    },\n";
const LAST: &[u8] = b"\n    }\n  }\n}\n";

/// The text is of another form.
#[derive(Debug)]
pub struct OtherForm;

/// A snapshot of which a part has been read.
#[derive(Default)]
pub struct Pieces {
    /// Everything but the resources.
    head: Option<Document>,
    /// What is not parsed yet; once the head is known, behind an opening brace.
    rest: Vec<u8>,
    resources: Vec<(Address, Box<Resource>)>,
}

/// Behind the brace that opens the resources.
fn head_end(text: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, FIRST).map(|at| at + FIRST.len() - 1)
}

/// What stands before the resources.
fn head(text: &[u8]) -> Result<Document, OtherForm> {
    let head: Document = serde_json::from_slice(&[text, b"}}"].concat()).map_err(|_| OtherForm)?;
    if head.format_version == FORMAT_VERSION { Ok(head) } else { Err(OtherForm) }
}

impl Pieces {
    /// The mark of a snapshot of the usual form, from its beginning.
    pub fn mark(text: &[u8]) -> Option<Checkpoint> {
        Some(head(text.get(..head_end(text)?)?).ok()?.journal)
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), OtherForm> {
        self.rest.extend_from_slice(piece);
        if self.head.is_none() {
            let Some(end) = head_end(&self.rest) else {
                return if self.rest.len() < HEAD { Ok(()) } else { Err(OtherForm) };
            };
            self.head = Some(head(&self.rest[..end])?);
            self.rest.drain(..end - 1);
        }
        if let Some(at) = memchr::memmem::rfind(&self.rest, NEXT) {
            // The comma behind the last whole resource becomes the end of an object.
            let comma = at + NEXT.len() - 2;
            self.rest[comma] = b'}';
            parse(&self.rest[..=comma], &mut self.resources)?;
            self.rest[comma] = b'{';
            self.rest.drain(..comma);
        }
        Ok(())
    }

    /// Returns what was read, if that was all. `digest` is that of the same pieces.
    pub fn finish(mut self, digest: Option<Sha256Hex>) -> Result<Snapshot, OtherForm> {
        let head = self.head.ok_or(OtherForm)?;
        let Some(start) = self.rest.strip_suffix(LAST) else { return Err(OtherForm) };
        let end = start.len() + b"\n    }\n  }".len();
        parse(&self.rest[..end], &mut self.resources)?;
        drop(self.rest);
        let integrity = integrity(head.digest, digest);
        Document { resources: self.resources.into_iter().collect(), ..head }
            .settled(integrity)
            .ok_or(OtherForm)
    }
}

/// Adds the resources of a JSON object.
fn parse(text: &[u8], to: &mut Vec<(Address, Box<Resource>)>) -> Result<(), OtherForm> {
    struct Add<'v>(&'v mut Vec<(Address, Box<Resource>)>);

    impl<'de> Visitor<'de> for Add<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("resources by address")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(entry) = map.next_entry()? {
                self.0.push(entry);
            }
            Ok(())
        }
    }

    // Whether it is text is asked once, and not for each string.
    let text = std::str::from_utf8(text).map_err(|_| OtherForm)?;
    let mut json = serde_json::Deserializer::from_str(text);
    (&mut json).deserialize_map(Add(to)).and_then(|()| json.end()).map_err(|_| OtherForm)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;

    use super::super::{Digesting, read, write};
    use super::*;
    use crate::state::State;

    /// A state of so many resources, as bytes.
    fn snapshot(resources: usize) -> Vec<u8> {
        let text = serde_json::json!({
            "phase": "Succeeded",
            "digest": "v1:sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "attempts": 0,
            "sent": {
                "request": { "method": "POST", "path": "/x", "body": { "a": "}\n    },\n" } },
                "revision": 1,
                "digest": "v1:sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
            },
            "changed": 1,
            "since": "2026-03-01T08:00:10Z",
            "labels": { "k": "{" }
        });
        let resource = Resource::deserialize(text).unwrap();
        let state = State {
            lineage: Some("l".into()),
            seq: 2,
            resources: (0..resources)
                .map(|i| (format!("Alert/a-{i:03}").parse().unwrap(), resource.clone()))
                .collect(),
            ..State::default()
        };
        write(&state, 7, 99).unwrap()
    }

    fn in_pieces(bytes: &[u8], size: usize) -> Option<Snapshot> {
        let (mut pieces, mut digest) = (Pieces::default(), Digesting::default());
        for piece in bytes.chunks(size) {
            digest.push(piece);
            pieces.push(piece).ok()?;
        }
        pieces.finish(digest.finish()).ok()
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        for resources in [1, 2, 40] {
            let bytes = snapshot(resources);
            let whole = read(&bytes).unwrap();
            for size in [1, 7, 100, 1000, 4096, usize::MAX] {
                assert!(in_pieces(&bytes, size).as_ref() == Some(&whole), "{resources} by {size}");
            }
        }
    }

    #[test]
    fn every_byte_counts() {
        use super::super::Integrity;
        let bytes = snapshot(2);
        assert_eq!(read(&bytes).unwrap().integrity, Integrity::Intact);
        for at in 0..bytes.len() {
            for bit in [1, 2, 4] {
                let mut bytes = bytes.clone();
                bytes[at] ^= bit;
                for read in [read(&bytes).ok(), in_pieces(&bytes, 1024)].into_iter().flatten() {
                    assert_ne!(read.integrity, Integrity::Intact, "{at}");
                }
            }
        }
        let text = String::from_utf8(bytes).unwrap();
        let line = text.lines().find(|l| l.contains("\"digest\": \"") && l.starts_with("  \"")).unwrap();
        let without = text.replacen(&format!("{line}\n"), "", 1);
        assert_eq!(read(without.as_bytes()).unwrap().integrity, Integrity::Unknown);
        assert_eq!(in_pieces(without.as_bytes(), 1024).unwrap().integrity, Integrity::Unknown);
        // What says the same in another layout was not written by us.
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for other in [text.replace('\n', "\r\n"), format!("{text}\n"), value.to_string()] {
            assert_eq!(read(other.as_bytes()).unwrap().integrity, Integrity::Edited);
        }
    }

    #[test]
    fn other_forms_are_left_alone() {
        let bytes = snapshot(3);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let last = text.trim_end();
        for other in [
            String::new(),
            String::from_utf8(snapshot(0)).unwrap(),
            last.to_owned(),
            format!("{text}\n"),
            format!("{text}{text}"),
            text.replace("\"formatVersion\": 1", "\"formatVersion\": 2"),
            text.replace("\"lineage\": \"l\"", "\"lineage\": \"\""),
            text.replace("\"serial\"", "\"cereal\""),
            text.replace("\n    },\n", "\n    }\n"),
            text.replace("\n    },\n", "\n    },,\n"),
            text.replace("\n    }\n", "\n    },\n"),
            text.replace("\n    },\n", "\n    },\n    },\n"),
            text.replace("  ", " "),
            text.replace("\n", "\r\n"),
            text.replace("\"phase\"", "\"face\""),
            text.replacen("\"binding\": {", "\"binding\": {\n  \"resources\": {\n", 1),
        ] {
            assert_ne!(other, text);
            for size in [100, 4096] {
                assert!(in_pieces(other.as_bytes(), size).is_none(), "{other}");
            }
        }
    }

    #[test]
    fn what_is_cut_or_changed_anywhere_is_read_as_a_whole_or_the_same() {
        let bytes = snapshot(2);
        for at in 0..bytes.len() {
            assert!(in_pieces(&bytes[..at], 1024).is_none(), "{at}");
            for byte in *b"},\"\n" {
                let mut bytes = bytes.clone();
                bytes[at] = byte;
                if let Some(read_so) = in_pieces(&bytes, 1024) {
                    assert!(read(&bytes).as_ref() == Ok(&read_so), "{at}");
                }
            }
        }
    }
}
