//! YAML text to an arena of nodes that keep their place, quoting style and raw text.
//!
//! Responsible for syntax, and for what no schema can see afterwards: duplicate keys, tags, aliases,
//! budgets. Not responsible for what the fields mean. A document that cannot be read is one finding;
//! the next document is read all the same.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Options, Parser, ScalarStyle, StrInput, options};

use super::scalar::{self, Plain};
use super::syntax::{self, MAX_DEPTH};
use super::text::SourceText;
use crate::manifest::diagnostic::Finding;

/// How many values a document may hold, those that aliases repeat included.
pub(in crate::manifest) const MAX_NODES: u64 = 20_000;
/// So many bytes of text that an alias repeats count as a value.
const TEXT_OF_VALUE: u64 = 256;

/// The index of a [`Node`] in its [`Document`].
pub(in crate::manifest) type Id = u32;

/// What a node is. `Poison` stands where a value could not be made out and a finding says so: nothing
/// more is to be said about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::manifest) enum NodeKind {
    Null,
    Bool,
    Number,
    Text,
    Sequence,
    Mapping,
    Poison,
}

/// One value or key.
#[derive(Debug)]
pub(in crate::manifest) struct Node<'s> {
    /// A scalar's text after unescaping; of a plain one, as it stands there. Empty for collections.
    pub text: Cow<'s, str>,
    pub kind: NodeKind,
    /// Whether it stands without quotes and is no block.
    pub plain: bool,
    /// Byte offsets in the file's text.
    pub start: u32,
    pub end: u32,
    first: u32,
    len: u32,
}

// Every rule asks for nodes one by one: what is so small is compiled into each unit that calls it, here and below.
impl<'s> Node<'s> {
    /// A node without children.
    #[inline]
    pub fn new(text: Cow<'s, str>, kind: NodeKind, plain: bool, span: std::ops::Range<usize>) -> Self {
        Node { text, kind, plain, start: offset(span.start), end: offset(span.end), first: 0, len: 0 }
    }

    /// Where it stands.
    #[inline]
    pub fn span(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// How many children are stored: two for each field of a mapping.
    pub fn child_count(&self) -> usize {
        self.len as usize
    }
}

/// One document. Nodes that aliases refer to are shared, so the tree is a graph without cycles.
#[derive(Debug, Default)]
pub(in crate::manifest) struct Document<'s> {
    nodes: Vec<Node<'s>>,
    /// Children of collections; of mappings key, value, key, value.
    children: Vec<Id>,
    /// `None` if there is nothing to look at: it is empty, or could not be read.
    pub root: Option<Id>,
    /// The file's text.
    pub text: &'s str,
    /// Where it begins.
    pub start: usize,
    /// Whether it is the rest of the document before it, which could not be read to its end.
    pub torn: bool,
    /// Whether its texts are known to be ASCII without control characters; not known if not.
    pub printable: bool,
    /// What is wrong with it so far.
    pub findings: Vec<Finding>,
}

impl<'s> Document<'s> {
    /// The node with an id that this document gave out.
    #[inline]
    pub fn node(&self, id: Id) -> &Node<'s> {
        &self.nodes[id as usize]
    }

    /// Children of a sequence; of a mapping, keys and values in turn.
    #[inline]
    pub fn children(&self, id: Id) -> &[Id] {
        let node = self.node(id);
        self.children.get(node.first as usize..(node.first + node.len) as usize).unwrap_or_default()
    }

    /// Keys and values of a mapping; nothing for all else.
    #[inline]
    pub fn fields(&self, id: Id) -> impl Iterator<Item = (Id, Id)> + '_ {
        let children = if self.node(id).kind == NodeKind::Mapping { self.children(id) } else { &[] };
        children.chunks_exact(2).map(|pair| (pair[0], pair[1]))
    }

    /// Key and value of the first field with that name.
    pub fn get(&self, mapping: Id, name: &str) -> Option<(Id, Id)> {
        self.fields(mapping).find(|&(key, _)| self.node(key).text == name)
    }
}

impl<'s> Document<'s> {
    /// An empty document to be built; offsets are those of `text`.
    pub fn of(text: &'s str, capacity: usize) -> Document<'s> {
        let (nodes, children) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
        Document { text, nodes, children, ..Document::default() }
    }

    /// Forgets everything, to be filled anew.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.children.clear();
        (self.root, self.text, self.start, self.torn, self.printable) = (None, "", 0, false, false);
        self.findings.clear();
    }

    /// Adds a node.
    #[inline]
    pub fn add(&mut self, node: Node<'s>) -> Id {
        let id = offset(self.nodes.len());
        self.nodes.push(node);
        id
    }

    /// Gives a collection its children. It ends where its last one does, or at `end` if that is later.
    pub fn close(&mut self, id: Id, children: &[Id], end: usize) {
        let (first, len) = (offset(self.children.len()), offset(children.len()));
        // A block ends where its last child does; the parser's own end lies behind the blank lines.
        let last = children.last().map_or(0, |&c| self.node(c).end);
        self.children.extend_from_slice(children);
        let node = &mut self.nodes[id as usize];
        (node.first, node.len) = (first, len);
        node.end = node.end.max(last).max(offset(end));
    }

    /// Puts another text in place of a scalar's own.
    pub fn set_text(&mut self, id: Id, text: String) {
        if let Some(node) = self.nodes.get_mut(id as usize) {
            node.text = Cow::Owned(text);
        }
    }

    /// How many nodes it holds; ids are below.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Adds a scalar that counts as quoted: it is what it is, whatever it looks like.
    pub fn add_scalar(&mut self, text: Cow<'s, str>, kind: NodeKind, span: std::ops::Range<usize>) -> Id {
        let (start, end) = (offset(span.start), offset(span.end));
        self.nodes.push(Node { text, kind, plain: false, start, end, first: 0, len: 0 });
        offset(self.nodes.len() - 1)
    }

    /// Adds a node as it stands in another document.
    pub fn add_copy(&mut self, other: &'s Node<'_>) -> Id {
        let text = Cow::Borrowed(&*other.text);
        self.nodes.push(Node { text, ..*other });
        offset(self.nodes.len() - 1)
    }

    /// The same, with its own copy of the text.
    pub fn add_owned(&mut self, other: &Node<'_>) -> Id {
        let text = Cow::Owned(other.text.clone().into_owned());
        self.nodes.push(Node { text, ..*other });
        offset(self.nodes.len() - 1)
    }

    /// Adds a mapping or sequence of nodes of this document.
    pub fn add_collection(&mut self, kind: NodeKind, children: &[Id], span: std::ops::Range<usize>) -> Id {
        let (first, len) = (offset(self.children.len()), offset(children.len()));
        self.children.extend_from_slice(children);
        let (start, end) = (offset(span.start), offset(span.end));
        self.nodes.push(Node { text: Cow::Borrowed(""), kind, plain: true, start, end, first, len });
        offset(self.nodes.len() - 1)
    }

    /// The same without its file's text, for what is looked at when that file is closed.
    pub fn detached(&self) -> Document<'static> {
        let node = |n: &Node<'_>| Node { text: Cow::Owned(n.text.clone().into_owned()), ..*n };
        Document {
            nodes: self.nodes.iter().map(node).collect(),
            children: self.children.clone(),
            root: self.root,
            start: self.start,
            ..Document::default()
        }
    }
}

/// A collection that is not closed yet.
struct Open {
    id: Id,
    /// Where its children begin in `pending`.
    base: usize,
    anchor: usize,
    weight: u64,
    /// Bytes of text.
    text: u64,
}

/// A value that aliases may repeat.
struct Anchor {
    /// `None` while the value is still open.
    id: Option<Id>,
    weight: u64,
    /// Bytes of text.
    text: u64,
    /// Where a scalar's anchor stands, until an alias uses it.
    unused: Option<usize>,
}

/// By the parser's number.
type Anchors = HashMap<usize, Anchor>;

fn options() -> Options {
    options! {
        emit_comments: false,
        strict_indentation: false,
        disallow_directives: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    }
}

/// A text that is no YAML, or nested deeper than documents may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// 1-based.
    pub line: u32,
    /// 1-based.
    pub column: u32,
    /// The description of what is wrong.
    pub why: String,
    /// A key is set twice: every other reader would take the text, and one of its values.
    pub is_duplicate: bool,
}

/// How many keys and values a text may hold that another reader is to read.
const MAX_LOOKED_THROUGH: usize = 2_000_000;

/// Looks through a text that another reader is to read: one for which depth and length have no bound, which takes a
/// time that grows with the square of the depth, and which passes over keys that are set twice.
///
/// # Errors
/// What is wrong first.
pub fn look_through(text: &str) -> Result<(), Unreadable> {
    look_through_to(text, MAX_LOOKED_THROUGH)
}

fn look_through_to(text: &str, most: usize) -> Result<(), Unreadable> {
    let unreadable = |at: usize, why: String, is_duplicate: bool| {
        let (line, column) = SourceText::new("".into(), text).line_column(at);
        Unreadable { line, column, why, is_duplicate }
    };
    let (mut last, mut values) = (0, 0);
    // The keys of the mappings that are open, and whether a key comes next; none for a list.
    let mut open: Vec<Option<(HashSet<Cow<'_, str>>, bool)>> = Vec::new();
    for event in Parser::new_from_str_with_options(text, options()) {
        let (event, span) = event.map_err(|error| {
            let finding = syntax::explain(text, &error, last, 0);
            unreadable(finding.start, finding.message, false)
        })?;
        let range = span.byte_range().unwrap_or(last..last);
        last = range.end.max(last);
        if matches!(event, Event::SequenceEnd | Event::MappingEnd) {
            open.pop();
        }
        let (key, inside) = match event {
            Event::Scalar(key, ..) => (Some(key), None),
            Event::Alias(_) | Event::UnresolvedAlias(_) => (None, None),
            Event::SequenceStart(..) => (None, Some(None)),
            Event::MappingStart(..) => (None, Some(Some((HashSet::new(), true)))),
            _ => continue,
        };
        values += 1;
        if values > most {
            let why = format!("the file holds more than {most} keys and values");
            return Err(unreadable(range.start, why, false));
        }
        if let Some(Some((keys, is_key))) = open.last_mut() {
            let twice = key.filter(|_| *is_key).and_then(|key| keys.replace(key));
            *is_key = !*is_key;
            if let Some(key) = twice {
                return Err(unreadable(range.start, format!("`{}` is set twice", syntax::shown(&key)), true));
            }
        }
        open.extend(inside);
    }
    Ok(())
}

/// Reads a text document by document.
pub(in crate::manifest) struct Reader<'s> {
    text: &'s str,
    parser: Parser<'s, StrInput<'s>>,
    open: Vec<Open>,
    pending: Vec<Id>,
    anchors: Anchors,
    total: u64,
    /// The end of the last event: where to look for the opening of what went wrong.
    last_end: usize,
    done: bool,
    capacity: usize,
}

impl<'s> Reader<'s> {
    /// Begins at the start of `text`, which must be shorter than 4 GiB.
    pub fn new(text: &'s str) -> Self {
        Reader {
            text,
            parser: Parser::new_from_str_with_options(text, options()),
            open: Vec::new(),
            pending: Vec::new(),
            anchors: HashMap::new(),
            total: 0,
            last_end: 0,
            done: false,
            capacity: 32,
        }
    }

    /// Puts a finished node where it belongs. `false` once the document is over its budget.
    fn place(&mut self, doc: &mut Document<'s>, id: Id, weight: u64, text: u64) -> bool {
        self.total += weight;
        match self.open.last_mut() {
            Some(open) => {
                open.weight += weight;
                open.text += text;
                self.pending.push(id);
            }
            None => doc.root = Some(id),
        }
        self.total <= MAX_NODES
    }

    fn reset(&mut self) {
        self.open.clear();
        self.pending.clear();
        self.anchors.clear();
        self.total = 0;
    }

    /// Closes the innermost collection.
    fn close(&mut self, doc: &mut Document<'s>, end: usize) -> bool {
        let Some(open) = self.open.pop() else { return true };
        if doc.node(open.id).kind == NodeKind::Mapping {
            self.check_keys(doc, open.base);
            // A template's braces: what it would have become is not known.
            let start = doc.node(open.id).start as usize;
            if self.text.get(start..).is_some_and(|rest| rest.starts_with("{{")) {
                doc.nodes[open.id as usize].kind = NodeKind::Poison;
            }
        }
        let opening = self.text.as_bytes().get(doc.node(open.id).start as usize);
        let is_flow = matches!(opening, Some(b'{' | b'['));
        let children = self.pending.get(open.base..).unwrap_or_default();
        doc.close(open.id, children, if is_flow { end } else { 0 });
        self.pending.truncate(open.base);
        let weight = open.weight + 1;
        if open.anchor != 0 {
            let anchor = Anchor { id: Some(open.id), weight, text: open.text, unused: None };
            self.anchors.insert(open.anchor, anchor);
        }
        // The children were counted when they were placed.
        self.total -= open.weight;
        self.place(doc, open.id, weight, open.text)
    }

    /// Reports equal keys and keys that are no text, and takes their fields out.
    fn check_keys(&mut self, doc: &mut Document<'s>, base: usize) {
        let mut seen: HashMap<Cow<'s, str>, Id> = HashMap::new();
        let pairs = self.pending.len().saturating_sub(base) / 2;
        let mut keep = base;
        for i in 0..pairs {
            let (key, value) = (self.pending[base + 2 * i], self.pending[base + 2 * i + 1]);
            let node = doc.node(key);
            let span = node.span();
            let mut drop = true;
            if matches!(node.kind, NodeKind::Mapping | NodeKind::Sequence) {
                let is_template = self.text.as_bytes().get(node.start as usize) == Some(&b'{');
                doc.findings.push(if is_template {
                    Finding::new("unquoted-braces", span, "text that begins with braces must be quoted")
                        .help("quote the whole text: \"{{ ... }}\"")
                } else {
                    Finding::new("key-not-text", span, "a key must be a word, not a list or mapping")
                        .help("write `key: value`; a text that begins with a bracket must be quoted")
                });
            } else if node.kind != NodeKind::Poison {
                // Few keys are compared one by one; that is cheaper than a table.
                let first = if pairs <= 16 {
                    let before = self.pending[base..keep].chunks_exact(2);
                    before.map(|pair| pair[0]).find(|&k| doc.node(k).text == node.text)
                } else {
                    match seen.entry(node.text.clone()) {
                        std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
                        std::collections::hash_map::Entry::Vacant(free) => {
                            free.insert(key);
                            None
                        }
                    }
                };
                let at_root = self.open.is_empty();
                if first.is_some() && at_root && matches!(&*node.text, "apiVersion" | "kind") {
                    // The fields behind it belong to a second manifest, not to this one.
                    let message = "a second manifest begins here, but no `---` separates it from the first";
                    let finding = Finding::new("missing-separator", span, message);
                    doc.findings.push(finding.help("write a line `---` before it"));
                    break;
                }
                if let Some(first) = first {
                    let message = format!("`{}` is set twice", syntax::shown(&node.text));
                    let at = doc.node(first).start as usize;
                    let finding = Finding::new("duplicate-key", span, message)
                        .help("keep one of the two")
                        .related(at, "first set here");
                    doc.findings.push(finding);
                } else {
                    drop = false;
                }
            }
            if !drop {
                self.pending[keep] = key;
                self.pending[keep + 1] = value;
                keep += 2;
            }
        }
        self.pending.truncate(keep);
    }

    fn scalar(
        &mut self,
        doc: &mut Document<'s>,
        text: Cow<'s, str>,
        style: ScalarStyle,
        start: usize,
        end: usize,
    ) -> Id {
        let kind = match style {
            ScalarStyle::Plain => match scalar::resolve(&text) {
                Plain::Null => NodeKind::Null,
                Plain::Bool => NodeKind::Bool,
                Plain::Number => NodeKind::Number,
                Plain::Text => NodeKind::Text,
            },
            _ => NodeKind::Text,
        };
        let plain = style == ScalarStyle::Plain;
        // The parser writes `~` for a value that is not there.
        let text = if plain && start == end { Cow::Borrowed("") } else { text };
        doc.add(Node::new(text, kind, plain, start..end))
    }

    fn poison(&mut self, doc: &mut Document<'s>, start: usize, end: usize) -> Id {
        doc.add(Node::new(Cow::Borrowed(""), NodeKind::Poison, true, start..end))
    }

    /// Reads events up to the end of a document that has begun; the document's root is `None` if it
    /// could not be read.
    fn read_document(&mut self, start: usize) -> Document<'s> {
        let mut doc = Document { start, text: self.text, ..Document::default() };
        doc.nodes.reserve(self.capacity);
        doc.children.reserve(self.capacity);
        let mut over = false;
        loop {
            let (event, span) = match self.parser.next() {
                None => {
                    self.done = true;
                    break;
                }
                Some(Ok(next)) => next,
                Some(Err(error)) => {
                    let finding = syntax::explain(self.text, &error, self.last_end, start);
                    // What is told about that line already is most likely the cause.
                    let line = syntax::line_start(self.text, finding.start);
                    if !doc.findings.iter().any(|f| syntax::line_start(self.text, f.start) == line) {
                        doc.findings.push(finding);
                    }
                    doc.root = None;
                    self.recover();
                    break;
                }
            };
            let range = span.byte_range().unwrap_or(self.last_end..self.last_end);
            let (start, end) = (range.start, range.end);
            self.last_end = self.last_end.max(end);
            self.done = matches!(event, Event::StreamEnd);
            if self.done || matches!(event, Event::DocumentEnd) {
                break;
            }
            if !over && !self.event(&mut doc, event, &span, range) {
                over = true;
                let message =
                    format!("the document holds more than {MAX_NODES} values, repeated ones included");
                let finding = Finding::new("document-too-large", start..end, message)
                    .help("split it into several documents, and write aliases (`*name`) out");
                doc.findings.push(finding);
            }
        }
        if over {
            doc.root = None;
        }
        if doc.root.is_some() {
            // `comment: &look here` is the text `here`: a word would vanish without a trace.
            for at in self.anchors.values().filter_map(|anchor| anchor.unused) {
                doc.findings.push(syntax::unused_anchor(self.text, at));
            }
        }
        self.capacity = doc.nodes.len().clamp(8, 1024);
        self.reset();
        doc
    }

    /// Takes one event of a document in. Returns whether the document is still within its bounds.
    fn event(
        &mut self,
        doc: &mut Document<'s>,
        event: Event<'s>,
        span: &granit_parser::Span,
        range: std::ops::Range<usize>,
    ) -> bool {
        let (start, end) = (range.start, range.end);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let id = if tag.is_some() {
                    doc.findings.push(syntax::tag(self.text, span, start));
                    self.poison(doc, start, end)
                } else {
                    self.scalar(doc, text, style, start, end)
                };
                let text = doc.node(id).text.len() as u64;
                if anchor != 0 {
                    let before = self.text.get(..start).and_then(|text| text.rfind('&'));
                    self.anchors.insert(anchor, Anchor { id: Some(id), weight: 1, text, unused: before });
                }
                self.place(doc, id, 1, text)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(doc, NodeKind::Sequence, span, range, anchor, tag.is_some());
                true
            }
            Event::MappingStart(_, anchor, tag) => {
                self.begin(doc, NodeKind::Mapping, span, range, anchor, tag.is_some());
                true
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(doc, end),
            Event::Alias(anchor) => match self.anchors.get_mut(&anchor) {
                Some(&mut Anchor { id: Some(id), weight, text, ref mut unused }) => {
                    *unused = None;
                    // A long text counts for several values: whoever looks at them looks at all of it again.
                    self.place(doc, id, weight + text / TEXT_OF_VALUE, text)
                }
                _ => {
                    let message = "this alias stands inside the very value that it repeats";
                    doc.findings
                        .push(Finding::new("alias-cycle", range, message).help("write the value out"));
                    let id = self.poison(doc, start, end);
                    self.place(doc, id, 1, 0)
                }
            },
            Event::UnresolvedAlias(name) => {
                doc.findings.push(syntax::unknown_alias(self.text, range, &name));
                let id = self.poison(doc, start, end);
                self.place(doc, id, 1, 0)
            }
            _ => true,
        }
    }

    fn begin(
        &mut self,
        doc: &mut Document<'s>,
        kind: NodeKind,
        span: &granit_parser::Span,
        range: std::ops::Range<usize>,
        anchor: usize,
        tagged: bool,
    ) {
        if tagged {
            doc.findings.push(syntax::tag(self.text, span, range.start));
        }
        // A block's start event is empty or marks its first indicator; only flow brackets are text.
        let id = doc.add(Node::new(Cow::Borrowed(""), kind, true, range));
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { id: None, weight: 0, text: 0, unused: None });
        }
        self.open.push(Open { id, base: self.pending.len(), anchor, weight: 0, text: 0 });
    }

    fn recover(&mut self) {
        match self.parser.proceed_next_document() {
            Ok(true) => {}
            Ok(false) | Err(_) => self.done = true,
        }
    }
}

impl<'s> Iterator for Reader<'s> {
    type Item = Document<'s>;

    fn next(&mut self) -> Option<Document<'s>> {
        while !self.done {
            match self.parser.next() {
                None | Some(Ok((Event::StreamEnd, _))) => self.done = true,
                Some(Ok((Event::DocumentStart(..), span))) => {
                    let start = span.byte_range().map_or(self.last_end, |r| r.start);
                    self.last_end = self.last_end.max(start);
                    return Some(self.read_document(start));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    let finding = syntax::explain(self.text, &error, self.last_end, self.last_end);
                    let (start, torn) = (finding.start, syntax::goes_on(&error));
                    self.recover();
                    let findings = vec![finding];
                    return Some(Document { start, torn, text: self.text, findings, ..Document::default() });
                }
            }
        }
        None
    }
}

/// Files are limited to far less than 4 GiB, and a document to [`MAX_NODES`].
fn offset(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<Vec<&'static str>> {
        Reader::new(text).map(|doc| doc.findings.iter().map(|f| f.code).collect()).collect()
    }

    #[test]
    fn what_another_reader_reads_is_bounded_and_sets_no_key_twice() {
        let why =
            |text: &str| look_through_to(text, 6).map_err(|e| (e.line, e.column, e.why, e.is_duplicate));
        let long = "the file holds more than 6 keys and values";
        assert_eq!(why("[a, b, c, d, e]"), Ok(()));
        assert_eq!(why("[a, b, c, d, e,\n f]"), Err((2, 2, long.into(), false)));
        assert_eq!(why("{ a: 1, b: 2 }\n---\n{ }"), Ok(()));
        assert_eq!(why("a: &x 1\nb: *x\nc: *x"), Err((3, 4, long.into(), false)));
        for (twice, line, column) in [
            ("a: 1\nb: 1\na: 1", 3, 1),
            ("\"a\": 1\na: 2", 2, 1),
            ("[{ a: 1, 'a': 2 }]", 1, 10),
            ("x: { a: b, a: c }", 1, 12),
        ] {
            assert_eq!(why(twice), Err((line, column, "`a` is set twice".into(), true)), "{twice}");
        }
        for fine in ["a: a\nb: a", "[a, a, a]", "a: { a: 1 }", "[{ a: 1 }, { a: 1 }]", "a: 1\n---\na: 1"] {
            assert!(look_through(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn nodes_know_their_place_and_style() {
        let text = "a: 20776\nb: \"20776\"\nc: [x, {y: 'z'}]\n";
        let doc = Reader::new(text).next().unwrap();
        let root = doc.root.unwrap();
        let (key, a) = doc.get(root, "a").unwrap();
        assert_eq!(&text[doc.node(key).span()], "a");
        assert_eq!((doc.node(a).kind, doc.node(a).plain), (NodeKind::Number, true));
        let (_, b) = doc.get(root, "b").unwrap();
        assert_eq!((doc.node(b).kind, doc.node(b).plain), (NodeKind::Text, false));
        assert_eq!(&text[doc.node(b).span()], "\"20776\"");
        let (_, c) = doc.get(root, "c").unwrap();
        assert_eq!(&text[doc.node(c).span()], "[x, {y: 'z'}]");
        assert_eq!(doc.children(c).len(), 2);
    }

    #[test]
    fn a_broken_document_does_not_hide_the_next() {
        let found = codes("a: 1\n---\nb: [1\n---\nc: 1\n---\nd: \"x\n---\ne: 1\n");
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found[0].is_empty() && found[2].is_empty() && found[4].is_empty(), "{found:?}");
        assert_eq!((found[1].len(), found[3].len()), (1, 1));
    }

    #[test]
    fn equal_keys_in_small_and_large_mappings() {
        assert_eq!(codes("a: 1\nb: 2\na: 3\n"), [["duplicate-key"]]);
        let large: String = (0..40).map(|i| format!("k{i}: 1\n")).chain(["k7: 2\n".into()]).collect();
        assert_eq!(codes(&large), [["duplicate-key"]]);
        assert_eq!(codes("\"a\": 1\na: 2\n"), [["duplicate-key"]]);
    }

    #[test]
    fn aliases_are_shared_and_have_a_budget() {
        let doc = Reader::new("a: &x [1, 2]\nb: *x\n").next().unwrap();
        let root = doc.root.unwrap();
        assert_eq!(doc.get(root, "a").unwrap().1, doc.get(root, "b").unwrap().1);
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..10 {
            let all = vec![format!("*a{}", i - 1); 9].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{all}]\n"));
        }
        bomb.push_str("---\nfine: 1\n");
        assert_eq!(codes(&bomb), [vec!["document-too-large"], vec![]]);
        let texts = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(1_000));
        assert_eq!(codes(&texts), [["document-too-large"]]);
        let lists = format!("a: &a [{}]\nb: &b [*a, *a]\nc: [{}]\n", "x".repeat(1 << 20), "*b, ".repeat(500));
        assert_eq!(codes(&lists), [["document-too-large"]]);
        assert_eq!(codes("a: &x [*x]\n"), [["alias-cycle"]]);
        assert_eq!(codes("a: *nowhere\n"), [["unknown-alias"]]);
    }

    #[test]
    fn a_large_document_stops_at_its_first_budget_error() {
        let text = format!("a: [{}]\n", "1, ".repeat(30_000));
        assert_eq!(codes(&text), [["document-too-large"]]);
        // Below the budget nesting does not count twice.
        let text = format!("a: [{}]\n", "[[1]], ".repeat(6_000));
        assert_eq!(codes(&text), [Vec::<&str>::new()]);
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("a: {}{}\n---\nb: 1\n", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(codes(&deep), [vec!["too-deep"], vec![]]);
    }

    #[test]
    fn tags_are_refused_and_poison_their_value() {
        let doc = Reader::new("a: !!str 1\n").next().unwrap();
        assert_eq!(doc.findings[0].code, "tag");
        let (_, a) = doc.get(doc.root.unwrap(), "a").unwrap();
        assert_eq!(doc.node(a).kind, NodeKind::Poison);
    }
}
