//! A fast way for the YAML that manifests nearly always are: block mappings of keys and one-line values, in
//! ASCII, without anchors, tags, escapes or blocks of text.
//!
//! [`documents`] reads a file document by document as long as they are like that. From the first one on that is not,
//! or that something is wrong with, the real reader (`reader`) goes on, so this one has no messages. What it reads it
//! must read exactly as the other one does: same nodes, same places. Tests and a fuzz target compare the two.

use std::borrow::Cow;

use super::reader::{Document, Id, MAX_NODES, Node, NodeKind, Reader};
use super::scalar::{self, Plain as Meaning};
use super::syntax::MAX_DEPTH;

/// More fields than this in one mapping are left to the real reader, which has a table for them.
const MAX_FIELDS: usize = 32;

/// What keys are made of, by byte.
const IN_KEYS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        byte += 1;
    }
    table
};

/// The text is not as plain as this reader needs it.
struct NotPlain;

type Read<T> = Result<T, NotPlain>;

/// The documents of a text.
pub(in crate::manifest) fn documents(text: &str) -> impl Iterator<Item = Document<'_>> {
    let mut plain = is_printable(text).then(|| Documents::new(text));
    let mut other: Option<Reader<'_>> = None;
    // How many documents were given.
    let mut given = 0;
    std::iter::from_fn(move || {
        if let Some(documents) = &mut plain {
            match documents.read() {
                Ok(true) => {
                    given += 1;
                    return Some(documents.finished());
                }
                Ok(false) => return None,
                Err(NotPlain) => plain = None,
            }
        }
        let rest = other.get_or_insert_with(|| {
            let mut reader = Reader::new(text);
            (0..given).for_each(|_| drop(reader.next()));
            reader
        });
        rest.next()
    })
}

/// ASCII without control characters other than the newline.
fn is_printable(text: &str) -> bool {
    let odd = |byte: u8| byte != b'\n' && !(b' '..=b'~').contains(&byte);
    // Whole chunks at once: that is done many bytes at a time.
    text.as_bytes().chunks(64).all(|chunk| !chunk.iter().fold(false, |any, &byte| any | odd(byte)))
}

/// The documents of a text, one by one.
struct Documents<'s> {
    text: &'s str,
    at: usize,
    first: bool,
    doc: Document<'s>,
    /// Children of collections that are still open.
    pending: Vec<Id>,
}

impl<'s> Documents<'s> {
    /// Begins at the start of a text.
    fn new(text: &'s str) -> Self {
        Documents { text, at: 0, first: true, doc: Document::default(), pending: Vec::new() }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Moves to the next line that says something and gives its indentation; `None` at the end of the text.
    fn next_line(&mut self) -> Option<usize> {
        loop {
            let begin = self.at;
            while self.byte(self.at) == Some(b' ') {
                self.at += 1;
            }
            match self.byte(self.at) {
                None => return None,
                Some(b'\n') => self.at += 1,
                Some(b'#') => self.end_of_line(),
                Some(_) => return Some(self.at - begin),
            }
        }
    }

    fn end_of_line(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
    }

    /// Nothing but spaces or a comment up to the end of the line.
    fn close_line(&mut self) -> Read<()> {
        let value_end = self.at;
        self.spaces();
        match self.byte(self.at) {
            None => Ok(()),
            Some(b'#') if self.at > value_end => {
                self.end_of_line();
                Ok(())
            }
            Some(b'\n') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(NotPlain),
        }
    }

    fn spaces(&mut self) {
        while self.byte(self.at) == Some(b' ') {
            self.at += 1;
        }
    }

    /// The document that was read.
    fn finished(&mut self) -> Document<'s> {
        let capacity = self.doc.len();
        std::mem::replace(&mut self.doc, Document::of("", capacity))
    }

    /// Reads one document into `self.doc`; `false` if there is none left.
    fn read(&mut self) -> Read<bool> {
        self.doc.clear();
        self.pending.clear();
        let Some(mut indent) = self.next_line() else { return Ok(false) };
        self.doc.text = self.text;
        self.doc.printable = true;
        self.doc.start = self.at;
        if self.at_separator(indent) {
            self.at += 3;
            self.close_line()?;
            indent = self.next_line().ok_or(NotPlain)?;
        } else if !self.first {
            return Err(NotPlain);
        }
        self.first = false;
        if indent > 0 || self.at_separator(0) {
            return Err(NotPlain);
        }
        let root = self.block(0, 1)?;
        self.doc.root = Some(root);
        Ok(true)
    }

    fn at_separator(&self, indent: usize) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        indent == 0 && rest.starts_with(b"---") && matches!(rest.get(3), None | Some(b'\n'))
    }

    fn add(&mut self, node: Node<'s>) -> Read<Id> {
        if self.doc.len() as u64 >= MAX_NODES {
            return Err(NotPlain);
        }
        Ok(self.doc.add(node))
    }

    fn begin(&mut self, kind: NodeKind, start: usize, end: usize, depth: usize) -> Read<(Id, usize)> {
        // The real reader has its own words for what is nested too deeply.
        if depth >= MAX_DEPTH {
            return Err(NotPlain);
        }
        let node = Node::new(Cow::Borrowed(""), kind, true, start..end);
        Ok((self.add(node)?, self.pending.len()))
    }

    fn close(&mut self, id: Id, base: usize, end: usize) {
        let children = self.pending.get(base..).unwrap_or_default();
        self.doc.close(id, children, end);
        self.pending.truncate(base);
    }

    /// A block mapping whose first key is here.
    fn block(&mut self, indent: usize, depth: usize) -> Read<Id> {
        let (id, base) = self.begin(NodeKind::Mapping, self.at, self.at, depth)?;
        loop {
            let key = self.key(base)?;
            self.pending.push(key);
            let value = match self.byte(self.at) {
                Some(b' ') => {
                    self.spaces();
                    match self.byte(self.at) {
                        None | Some(b'\n' | b'#') => return Err(NotPlain),
                        Some(_) => {}
                    }
                    let value = self.value(false, depth)?;
                    self.close_line()?;
                    value
                }
                Some(b'\n') => {
                    self.at += 1;
                    match self.next_line() {
                        Some(deeper) if deeper > indent => self.block(deeper, depth + 1)?,
                        _ => return Err(NotPlain),
                    }
                }
                _ => return Err(NotPlain),
            };
            self.pending.push(value);
            let line = self.at;
            match self.next_line() {
                Some(next) if next == indent && !self.at_separator(next) => {}
                Some(next) if next > indent => return Err(NotPlain),
                // Whoever is outside looks at the line again.
                _ => {
                    self.at = line;
                    self.close(id, base, 0);
                    return Ok(id);
                }
            }
        }
    }

    /// A key and its colon. It differs from those that the mapping has already.
    fn key(&mut self, base: usize) -> Read<Id> {
        let start = self.at;
        if !self.byte(start).is_some_and(|b| b.is_ascii_alphabetic()) {
            return Err(NotPlain);
        }
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        self.at += rest.iter().position(|b| !IN_KEYS[usize::from(*b)]).unwrap_or(rest.len());
        if self.byte(self.at) != Some(b':') {
            return Err(NotPlain);
        }
        let text = self.slice(start, self.at);
        let before = self.pending.get(base..).unwrap_or_default().chunks_exact(2);
        if before.len() >= MAX_FIELDS || before.map(|pair| pair[0]).any(|k| self.doc.node(k).text == text) {
            return Err(NotPlain);
        }
        let key = self.scalar(text, true, start..self.at)?;
        self.at += 1;
        Ok(key)
    }

    fn slice(&self, start: usize, end: usize) -> &'s str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn scalar(&mut self, text: &'s str, plain: bool, span: std::ops::Range<usize>) -> Read<Id> {
        let kind = match plain.then(|| scalar::resolve(text)) {
            None | Some(Meaning::Text) => NodeKind::Text,
            Some(Meaning::Null) => NodeKind::Null,
            Some(Meaning::Bool) => NodeKind::Bool,
            Some(Meaning::Number) => NodeKind::Number,
        };
        self.add(Node::new(Cow::Borrowed(text), kind, plain, span))
    }

    /// A value that ends on its line; `flow`: within brackets or braces.
    fn value(&mut self, flow: bool, depth: usize) -> Read<Id> {
        match self.byte(self.at) {
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote),
            Some(b'{') => self.flow_mapping(depth + 1),
            Some(b'[') => self.flow_sequence(depth + 1),
            Some(b) if b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'(' | b'+' | b'$') => {
                self.plain(flow)
            }
            _ => Err(NotPlain),
        }
    }

    fn quoted(&mut self, quote: u8) -> Read<Id> {
        let start = self.at;
        let inner = self.text.as_bytes().get(start + 1..).unwrap_or_default();
        let length = memchr::memchr3(quote, b'\\', b'\n', inner).ok_or(NotPlain)?;
        let end = start + 1 + length;
        // An escape, a line break, or a doubled quote.
        if self.byte(end) != Some(quote) || self.byte(end + 1) == Some(quote) {
            return Err(NotPlain);
        }
        self.at = end + 1;
        // What follows must be told apart from it.
        if !matches!(self.byte(self.at), None | Some(b' ' | b'\n' | b',' | b'}' | b']')) {
            return Err(NotPlain);
        }
        self.scalar(self.slice(start + 1, end), false, start..end + 1)
    }

    fn plain(&mut self, flow: bool) -> Read<Id> {
        let start = self.at;
        if !flow {
            let rest = self.text.as_bytes().get(start..).unwrap_or_default();
            let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
            // Nothing in it can end it, or be taken for something else.
            if memchr::memchr2(b':', b'#', line).is_none() {
                let end = start + line.trim_ascii_end().len();
                self.at = start + line.len();
                return self.scalar(self.slice(start, end), true, start..end);
            }
        }
        let mut end = start;
        loop {
            let (here, next) = (self.byte(self.at), self.byte(self.at + 1));
            match here {
                None | Some(b'\n') => break,
                Some(b',' | b'}' | b']') if flow => break,
                Some(b':' | b'#' | b'{' | b'[' | b'?') if flow => return Err(NotPlain),
                Some(b':') if matches!(next, None | Some(b' ' | b'\n')) => return Err(NotPlain),
                Some(b' ') if next == Some(b'#') => break,
                Some(b' ') => {}
                Some(_) => end = self.at + 1,
            }
            self.at += 1;
        }
        self.scalar(self.slice(start, end), true, start..end)
    }

    fn flow_mapping(&mut self, depth: usize) -> Read<Id> {
        let (id, base) = self.begin(NodeKind::Mapping, self.at, self.at + 1, depth)?;
        self.at += 1;
        loop {
            self.spaces();
            let key = self.key(base)?;
            self.pending.push(key);
            if self.byte(self.at) != Some(b' ') {
                return Err(NotPlain);
            }
            self.spaces();
            let value = self.value(true, depth)?;
            self.pending.push(value);
            if self.item_ends(b'}')? {
                self.close(id, base, self.at);
                return Ok(id);
            }
        }
    }

    fn flow_sequence(&mut self, depth: usize) -> Read<Id> {
        let (id, base) = self.begin(NodeKind::Sequence, self.at, self.at + 1, depth)?;
        self.at += 1;
        loop {
            self.spaces();
            let value = self.value(true, depth)?;
            self.pending.push(value);
            if self.item_ends(b']')? {
                self.close(id, base, self.at);
                return Ok(id);
            }
        }
    }

    /// Whether the collection ends behind an item, or goes on.
    fn item_ends(&mut self, closing: u8) -> Read<bool> {
        self.spaces();
        let ends = match self.byte(self.at) {
            Some(b',') => false,
            Some(b) if b == closing => true,
            _ => return Err(NotPlain),
        };
        self.at += 1;
        Ok(ends)
    }
}

/// Reads a text as files are read, and with the real reader alone, as `Debug` text. For tests and for fuzzing.
#[cfg(any(test, fuzzing))]
pub fn both_ways(text: &str) -> (String, String) {
    let read: Vec<Document<'_>> = documents(text).collect();
    let mut real: Vec<Document<'_>> = Reader::new(text).collect();
    for (doc, read) in real.iter_mut().zip(&read).filter(|(_, read)| read.printable) {
        // What the one says, the other shows.
        let printable = |c: char| c == '\n' || (' '..='~').contains(&c);
        doc.printable = (0..doc.len()).all(|id| doc.node(id as Id).text.chars().all(printable));
        assert!(read.findings.is_empty());
    }
    (format!("{read:#?}"), format!("{real:#?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many documents are read the fast way; none if the real reader is needed at all.
    fn fast(text: &str) -> Option<usize> {
        if !is_printable(text) {
            return None;
        }
        let mut documents = Documents::new(text);
        let mut read = 0;
        loop {
            match documents.read() {
                Ok(true) => read += 1,
                Ok(false) => return Some(read),
                Err(NotPlain) => return None,
            }
        }
    }

    fn same(text: &str) {
        let (read, real) = both_ways(text);
        assert_eq!(read, real, "{text}");
    }

    #[test]
    fn what_manifests_look_like_is_read_the_fast_way() {
        for text in [
            "",
            "# nothing\n\n",
            "a: b\n",
            "a: b",
            "---\na: b\n",
            "\n# x\n---\n# y\na: b\n\n# z\n---\nc: d\n",
            "a:\n  b: c\n  d:\n    e: f\n# back\ng: h\n",
            "a:\n  b: { c: d, e: \"f\", g: [h, 'i', [j]] }\nk: l\n",
            "a: 'x y'  \nb: \"z: # {}\"\nc: 1:2 #\n".trim_end_matches(" #\n"),
            "a: b # c\nd: \"e\"  # f\ng: { h: i } # j",
            "a: true\nb: 12\nc: null\nd: 1.5\ne: 0x12\nnull: a\ntrue: b\n",
            "metadata: { name: a-1, labels: { incident: INC-2042 } }\nspec:\n  eventTime: 2018-08-03T16:45:21.7115183Z\n  reportId: \"20776\"\n\n\n",
            "a:\n\n    b: c\n\n# x\n    d: e\n\n---\nf: g\n",
            "a:\n  b: c\n# x]",
        ] {
            assert!(fast(text).is_some(), "{text}");
            same(text);
        }
        for file in
            ["quickstart/manifests/incident.yaml", "documented/manifests/create-alert-by-reference.yaml"]
        {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file);
            let text = std::fs::read_to_string(path).unwrap();
            assert!(fast(&text).is_some(), "{file}");
            same(&text);
        }
    }

    #[test]
    fn the_real_reader_goes_on_where_a_text_is_not_plain() {
        let plain = "---\na: b\nc: d\n";
        for rest in [
            "---\n- e\n",
            "---\n---\ne: f\n",
            "---\ne: \"f\n",
            "---\ne: f: g\n---\nh: i\n",
            "...\n",
            "e: |\n  f\n",
        ] {
            for times in 0..4 {
                same(&format!("{}{rest}{}", plain.repeat(times), plain.repeat(2)));
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_real_reader() {
        for text in [
            "a",
            "- a\n",
            "a: |\n  b\n",
            "a: >-\n  b\n",
            "a: &x b\n",
            "a: *x\n",
            "a: !t b\n",
            "a: b\n  c\n",
            "a: b: c\n",
            "a: # b\n  c: d\n",
            "a:\n",
            "a:\nb: c\n",
            "a: \"b\\n\"\n",
            "a: 'it''s'\n",
            "a: \"b\n",
            "a: {}\n",
            "a: [b,]\n",
            "a: { b }\n",
            "a: { b: c\n",
            "a: b\na: c\n",
            "a: b\n c: d\n",
            "a:\n  b: c\n d: e\n",
            "---\n---\na: b\n",
            "--- a\n",
            "a: b\n...\n",
            "%YAML 1.2\n---\na: b\n",
            "a: \u{e9}\n",
            "a: b\r\n",
            "a:\tb\n",
            "a: @b\n",
            "a: -b\n",
            "? a\n",
            "a : b\n",
            "a:b\n",
            " a: b\n",
            "a: {{ b }}\n",
            "a: { b: c:d }\n",
            "a: \"b\"c\n",
            "a: b:\n",
        ] {
            assert!(fast(text).is_none(), "{text:?}");
            same(text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn both_readers_agree(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "b", "cd", "1", "null", "true", ":", ": ", ":\n", "\n", "\n  ", "\n    ", " ", "  ", "#", " # x",
                    "\n---\n", "---", "{", "}", "{ ", " }", "[", "]", ", ", ",", "'", "\"", "x y", "-", ".", "2018-08-03T16:45:21Z",
                    "a: b\n", "  c: d\n", "e:\n", "{ f: g }", "\"h\"", "(", "/", "$", "?",
                ]),
                0..24,
            )
        ) {
            same(&parts.concat());
        }
    }
}
