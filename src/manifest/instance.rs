//! The arena as an instance of JSON Schema: validation without a second tree of values.

use std::borrow::Cow;
use std::slice;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, JsonNumber, Node, NodeIdentity, Object};
use serde_json::{Number, Value};

use super::reader::{Document, Id, NodeKind};

/// The representation's name for `jsonschema`.
#[derive(Debug)]
pub(super) struct Arena;

/// A value of a document, or a property name on its own.
#[derive(Clone, Copy)]
pub(super) enum Instance<'a> {
    At(&'a Document<'a>, Id),
    Name(&'a str),
}

impl Json for Arena {
    type Node<'a> = Instance<'a>;
    type PreparedKey = String;
    type StringBuffer = String;
    // Fields are found by walking over them, so one pass over a small object beats many look-ups.
    const KEYS_PER_LOOKUP: usize = 4;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut String, text: &str, f: impl FnOnce(Instance<'_>) -> T) -> T {
        buffer.clear();
        buffer.push_str(text);
        f(Instance::Name(buffer))
    }
}

/// A plain decimal number, as written.
pub(super) struct Decimal<'a>(&'a str);

/// The nearest JSON number; exact for integers of 64 bits.
fn number(text: &str) -> Number {
    if let Ok(n) = text.parse::<i64>() {
        return n.into();
    }
    // A decimal of limited length is finite.
    text.parse::<f64>().ok().and_then(Number::from_f64).unwrap_or_else(|| 0.into())
}

impl JsonNumber for Decimal<'_> {
    fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok()
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }

    fn to_number(&self) -> Cow<'_, Number> {
        Cow::Owned(number(self.0))
    }

    fn is_integer(&self) -> bool {
        !self.0.contains('.')
    }
}

pub(super) struct Mapping<'a>(&'a Document<'a>, Id);
pub(super) struct Sequence<'a>(&'a Document<'a>, Id);
pub(super) struct Members<'a>(&'a Document<'a>, slice::ChunksExact<'a, Id>);
pub(super) struct Elements<'a>(&'a Document<'a>, slice::Iter<'a, Id>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Instance<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let pair = self.1.next()?;
        Some((&self.0.node(pair[0]).text, Instance::At(self.0, pair[1])))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Instance<'a>;

    fn next(&mut self) -> Option<Instance<'a>> {
        self.1.next().map(|&id| Instance::At(self.0, id))
    }
}

impl<'a> Object<'a, Arena> for Mapping<'a> {
    type Node = Instance<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        self.0.node(self.1).child_count() / 2
    }

    fn get(&self, name: &String) -> Option<Instance<'a>> {
        self.0.get(self.1, name).map(|(_, value)| Instance::At(self.0, value))
    }

    fn members(&self) -> Members<'a> {
        Members(self.0, self.0.children(self.1).chunks_exact(2))
    }
}

impl<'a> Array<'a, Arena> for Sequence<'a> {
    type Node = Instance<'a>;
    type ElementsIter = Elements<'a>;

    fn len(&self) -> usize {
        self.0.node(self.1).child_count()
    }

    fn elements(&self) -> Elements<'a> {
        Elements(self.0, self.0.children(self.1).iter())
    }
}

impl<'a> Instance<'a> {
    fn kind(self) -> NodeKind {
        match self {
            Instance::At(doc, id) => doc.node(id).kind,
            Instance::Name(_) => NodeKind::Text,
        }
    }

    fn text(self) -> &'a str {
        match self {
            Instance::At(doc, id) => &doc.node(id).text,
            Instance::Name(name) => name,
        }
    }

    /// The value as JSON: what lists of a parameter are compared by. No message of ours shows it.
    pub fn value(self) -> Value {
        match self {
            Instance::Name(name) => Value::String(name.to_owned()),
            Instance::At(doc, id) => match self.kind() {
                NodeKind::Bool => Value::Bool(self.text() == "true"),
                NodeKind::Number => Value::Number(number(self.text())),
                NodeKind::Text => Value::String(self.text().to_owned()),
                NodeKind::Null | NodeKind::Poison => Value::Null,
                NodeKind::Sequence => {
                    doc.children(id).iter().map(|&item| Instance::At(doc, item).value()).collect()
                }
                NodeKind::Mapping => {
                    let name = |key| doc.node(key).text.clone().into_owned();
                    let fields = doc.fields(id).map(|(k, v)| (name(k), Instance::At(doc, v).value()));
                    Value::Object(fields.collect())
                }
            },
        }
    }
}

impl<'a> Node<'a, Arena> for Instance<'a> {
    type Object = Mapping<'a>;
    type Array = Sequence<'a>;
    type Number = Decimal<'a>;

    fn as_object(&self) -> Option<Mapping<'a>> {
        match *self {
            Instance::At(doc, id) if doc.node(id).kind == NodeKind::Mapping => Some(Mapping(doc, id)),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<Sequence<'a>> {
        match *self {
            Instance::At(doc, id) if doc.node(id).kind == NodeKind::Sequence => Some(Sequence(doc, id)),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        self.is_string().then(|| Cow::Borrowed(self.text()))
    }

    fn as_number(&self) -> Option<Decimal<'a>> {
        self.is_number().then(|| Decimal(self.text()))
    }

    fn as_boolean(&self) -> Option<bool> {
        (self.kind() == NodeKind::Bool).then(|| self.text() == "true")
    }

    fn is_null(&self) -> bool {
        self.json_type() == JsonType::Null
    }

    fn is_number(&self) -> bool {
        self.kind() == NodeKind::Number
    }

    fn is_string(&self) -> bool {
        self.kind() == NodeKind::Text
    }

    fn json_type(&self) -> JsonType {
        match self.kind() {
            NodeKind::Null | NodeKind::Poison => JsonType::Null,
            NodeKind::Bool => JsonType::Boolean,
            NodeKind::Number => JsonType::Number,
            NodeKind::Text => JsonType::String,
            NodeKind::Sequence => JsonType::Array,
            NodeKind::Mapping => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match expected {
            // The only constants in the schemas are words.
            Value::String(word) => self.is_string() && self.text() == word,
            other => self.value() == *other,
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(self.value())
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(match *self {
            Instance::At(doc, id) => NodeIdentity::tagged(std::ptr::from_ref(doc).addr(), id),
            Instance::Name(name) => NodeIdentity::new(name.as_ptr().addr()),
        })
    }
}
