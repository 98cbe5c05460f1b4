//! Fields that most values do not have, kept apart from them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A list, map or option that is nearly always empty: one word while it is.
///
/// Tens of thousands of resources, rows and states are in memory at once, each with a dozen of such fields.
/// Reads as what it holds; a change makes room for it.
pub struct Sparse<T>(Option<Box<T>>);

/// What can be empty.
pub trait Empty: Sized + 'static {
    /// The empty one.
    const EMPTY: &'static Self;

    /// Whether this is it.
    fn is_empty(&self) -> bool;
}

impl<T: 'static> Empty for Option<T> {
    const EMPTY: &'static Self = &None;

    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

impl<T: 'static> Empty for Vec<T> {
    const EMPTY: &'static Self = &Vec::new();

    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }
}

impl<K: 'static, V: 'static> Empty for BTreeMap<K, V> {
    const EMPTY: &'static Self = &BTreeMap::new();

    fn is_empty(&self) -> bool {
        BTreeMap::is_empty(self)
    }
}

impl<T: Empty + Default> Sparse<T> {
    /// Takes the value out, and leaves an empty one.
    pub fn take(&mut self) -> T {
        self.0.take().map_or_else(T::default, |held| *held)
    }

    /// What it holds.
    pub fn into_inner(mut self) -> T {
        self.take()
    }

    /// A copy of what it holds.
    pub fn to_inner(&self) -> T
    where
        T: Clone,
    {
        T::clone(self)
    }
}

impl<A: 'static> Sparse<Vec<A>> {
    /// Adds to a list that seldom gets a second item: it has no room for one.
    pub fn push(&mut self, item: A) {
        let list = self.0.get_or_insert_default();
        if list.is_empty() {
            list.reserve_exact(1);
        }
        list.push(item);
    }
}

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Sparse(None)
    }
}

impl<T: Empty> From<T> for Sparse<T> {
    fn from(value: T) -> Self {
        Sparse((!value.is_empty()).then(|| Box::new(value)))
    }
}

impl<T: Empty> Deref for Sparse<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::EMPTY)
    }
}

impl<T: Empty + Default> DerefMut for Sparse<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<A, T: Empty + FromIterator<A>> FromIterator<A> for Sparse<T> {
    fn from_iter<I: IntoIterator<Item = A>>(items: I) -> Self {
        T::from_iter(items).into()
    }
}

impl<'a, T: Empty> IntoIterator for &'a Sparse<T>
where
    &'a T: IntoIterator,
{
    type Item = <&'a T as IntoIterator>::Item;
    type IntoIter = <&'a T as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&**self).into_iter()
    }
}

impl<T: Clone> Clone for Sparse<T> {
    fn clone(&self) -> Self {
        Sparse(self.0.clone())
    }
}

impl<T: Empty + PartialEq> PartialEq for Sparse<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Empty + Eq> Eq for Sparse<T> {}

impl<T: Empty + fmt::Debug> fmt::Debug for Sparse<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Empty + Serialize> Serialize for Sparse<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(s)
    }
}

impl<'de, T: Empty + Deserialize<'de>> Deserialize<'de> for Sparse<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        T::deserialize(d).map(Sparse::from)
    }
}

impl<T: JsonSchema> JsonSchema for Sparse<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_emptied_is_what_never_was_filled() {
        let mut list: Sparse<Vec<u8>> = Sparse::default();
        assert!(list.is_empty() && size_of_val(&list) == size_of::<usize>());
        list.push(1);
        list.extend([2]);
        assert_eq!(*list, [1, 2]);
        list.clear();
        assert_eq!(list, Sparse::default());
        assert_eq!(Sparse::from(vec![3]).take(), [3]);
        assert_eq!(Sparse::from(None::<u8>), Sparse::default());
    }

    #[test]
    fn documents_hold_the_value_alone() {
        #[derive(Deserialize, Serialize)]
        struct Held {
            #[serde(default, skip_serializing_if = "Option::is_none")]
            a: Sparse<Option<u8>>,
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            b: Sparse<BTreeMap<String, u8>>,
        }
        for text in ["{}", r#"{"a":1}"#, r#"{"b":{"k":1}}"#] {
            let held: Held = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&held).unwrap(), text);
        }
        assert!(serde_json::from_str::<Held>(r#"{"a":null}"#).unwrap().a.is_none());
    }
}
