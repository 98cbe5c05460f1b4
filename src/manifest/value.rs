//! The arena as a serde data source: typed values of a document that a schema has accepted.

use std::borrow::Cow;
use std::slice;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::yaml::reader::{Document, Id, NodeKind};

/// A value that its type refuses although the schema accepted it.
#[derive(Debug)]
pub(super) struct ValueError {
    pub message: String,
    /// The value that was refused.
    pub at: Option<Id>,
}

impl std::fmt::Display for ValueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValueError {}

impl de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        ValueError { message: message.to_string(), at: None }
    }
}

/// Reads a typed value.
pub(super) fn read<'d, T: Deserialize<'d>>(doc: &'d Document<'d>, id: Id) -> Result<T, ValueError> {
    T::deserialize(Value { doc, id })
}

#[derive(Clone, Copy)]
struct Value<'d> {
    doc: &'d Document<'d>,
    id: Id,
}

impl<'d> Value<'d> {
    fn located<T>(self, result: Result<T, ValueError>) -> Result<T, ValueError> {
        result.map_err(|e| ValueError { at: e.at.or(Some(self.id)), ..e })
    }

    fn text<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match &self.doc.node(self.id).text {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_borrowed_str(text),
        }
    }
}

impl<'d> Deserializer<'d> for Value<'d> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let node = self.doc.node(self.id);
        let result = match node.kind {
            NodeKind::Null | NodeKind::Poison => visitor.visit_unit(),
            NodeKind::Bool => visitor.visit_bool(node.text == "true"),
            NodeKind::Number => match (node.text.parse::<i64>(), node.text.parse::<f64>()) {
                (Ok(n), _) => visitor.visit_i64(n),
                (_, Ok(n)) => visitor.visit_f64(n),
                _ => self.text(visitor),
            },
            NodeKind::Text => self.text(visitor),
            NodeKind::Sequence => {
                visitor.visit_seq(Items { doc: self.doc, ids: self.doc.children(self.id).iter() })
            }
            NodeKind::Mapping => {
                let pairs = self.doc.children(self.id).chunks_exact(2);
                visitor.visit_map(Fields { doc: self.doc, pairs, value: None })
            }
        };
        self.located(result)
    }

    // `null` is no way to leave a field out, so whatever is there is a value.
    fn deserialize_option<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'d>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'d>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.located(visitor.visit_enum((&*self.doc.node(self.id).text).into_deserializer()))
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'d>>
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Items<'d> {
    doc: &'d Document<'d>,
    ids: slice::Iter<'d, Id>,
}

impl<'d> SeqAccess<'d> for Items<'d> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'d>>(&mut self, seed: T) -> Result<Option<T::Value>, ValueError> {
        self.ids.next().map(|&id| seed.deserialize(Value { doc: self.doc, id })).transpose()
    }
}

struct Fields<'d> {
    doc: &'d Document<'d>,
    pairs: slice::ChunksExact<'d, Id>,
    value: Option<Id>,
}

impl<'d> MapAccess<'d> for Fields<'d> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'d>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        let Some(pair) = self.pairs.next() else { return Ok(None) };
        self.value = Some(pair[1]);
        let key = Value { doc: self.doc, id: pair[0] };
        key.located(seed.deserialize(de::value::BorrowedStrDeserializer::new(&self.doc.node(pair[0]).text)))
            .map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'d>>(&mut self, seed: T) -> Result<T::Value, ValueError> {
        let id = self.value.take().ok_or_else(|| de::Error::custom("a value without a key"))?;
        let value = Value { doc: self.doc, id };
        value.located(seed.deserialize(value))
    }
}
