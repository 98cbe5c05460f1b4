//! A value of a document with its name: where a message points, and what it says to write there.

use jsonschema::paths::{Location, LocationSegment};

use crate::manifest::yaml::reader::{Document, Id, Node, NodeKind};
use crate::manifest::yaml::syntax::shown;

/// A value with the key that it stands behind.
#[derive(Clone, Copy)]
pub(in crate::manifest) struct Field<'a> {
    pub doc: &'a Document<'a>,
    pub key: Option<Id>,
    pub value: Id,
}

impl<'a> Field<'a> {
    #[inline]
    pub fn node(self) -> &'a Node<'a> {
        self.doc.node(self.value)
    }

    /// The field's name; empty for the document itself.
    pub fn name(self) -> &'a str {
        self.key.map_or("", |key| &self.doc.node(key).text)
    }

    /// The value if it is one line of text or more, else its key.
    pub fn span(self) -> std::ops::Range<usize> {
        let node = self.node();
        let value = node.span();
        match (node.kind, self.key) {
            (NodeKind::Mapping | NodeKind::Sequence | NodeKind::Null, Some(key)) => self.doc.node(key).span(),
            _ if value.is_empty() => self.key.map_or(value, |key| self.doc.node(key).span()),
            _ => value,
        }
    }

    /// `name: text`, of the kind that is to be written.
    pub fn such_as(self, text: &str) -> String {
        self.written(text).replacen("write ", "write, for example, ", 1)
    }

    /// `name: text`, to be written in place of what is there.
    pub fn written(self, text: &str) -> String {
        match self.key {
            Some(key) => format!("write {}: {text}", shown(&self.doc.node(key).text)),
            None => format!("write {text}"),
        }
    }
}

/// The value below `at` that a schema's path names.
pub(in crate::manifest) fn locate<'a>(at: Field<'a>, path: &Location) -> Option<Field<'a>> {
    let doc = at.doc;
    let mut field = at;
    for segment in path {
        match segment {
            LocationSegment::Property(name) => {
                let (key, value) = doc.get(field.value, &name)?;
                field = Field { doc, key: Some(key), value };
            }
            // A name of digits looks like an index in a path.
            LocationSegment::Index(index) if field.node().kind == NodeKind::Mapping => {
                let named = |key| doc.node(key).text.parse() == Ok(index);
                let (key, value) = doc.fields(field.value).find(|&(key, _)| named(key))?;
                field = Field { doc, key: Some(key), value };
            }
            LocationSegment::Index(index) => {
                let value = *doc.children(field.value).get(index)?;
                field = Field { doc, key: field.key, value };
            }
        }
    }
    Some(field)
}
