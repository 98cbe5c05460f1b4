//! The resources of a state, by address.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::{Index, RangeBounds};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::resource::Resource;
use crate::model::Address;

/// A map of resources, in the order of their addresses.
///
/// Each resource has room of its own: they are large, and a map that holds them in itself has room for half as many
/// again, and moves them about.
#[derive(Clone, Default, PartialEq)]
pub struct Resources(BTreeMap<Address, Box<Resource>>);

impl Resources {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of them.
    pub fn get(&self, address: &Address) -> Option<&Resource> {
        self.0.get(address).map(Box::as_ref)
    }

    /// One of them, to be changed.
    pub fn get_mut(&mut self, address: &Address) -> Option<&mut Resource> {
        self.0.get_mut(address).map(Box::as_mut)
    }

    /// Whether there is one of that address.
    pub fn contains_key(&self, address: &Address) -> bool {
        self.0.contains_key(address)
    }

    /// Puts one in; gives the one whose place it takes.
    pub fn insert(&mut self, address: Address, resource: Resource) -> Option<Resource> {
        self.0.insert(address, Box::new(resource)).map(|old| *old)
    }

    /// Takes one out.
    pub fn remove(&mut self, address: &Address) -> Option<Resource> {
        self.0.remove(address).map(|old| *old)
    }

    /// All of them.
    pub fn iter(&self) -> Iter<'_> {
        self.0.iter().map(|(address, resource)| (address, &**resource))
    }

    /// All addresses.
    pub fn keys(&self) -> btree_map::Keys<'_, Address, Box<Resource>> {
        self.0.keys()
    }

    /// All resources without their addresses.
    pub fn values(&self) -> impl Iterator<Item = &Resource> {
        self.0.values().map(Box::as_ref)
    }

    /// Those with addresses in a range.
    pub fn range(&self, range: impl RangeBounds<Address>) -> impl Iterator<Item = (&Address, &Resource)> {
        self.0.range(range).map(|(address, resource)| (address, &**resource))
    }
}

/// See [`Resources::iter`].
pub type Iter<'a> = std::iter::Map<
    btree_map::Iter<'a, Address, Box<Resource>>,
    fn((&'a Address, &'a Box<Resource>)) -> (&'a Address, &'a Resource),
>;

impl<'a> IntoIterator for &'a Resources {
    type Item = (&'a Address, &'a Resource);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl FromIterator<(Address, Resource)> for Resources {
    fn from_iter<I: IntoIterator<Item = (Address, Resource)>>(resources: I) -> Self {
        resources.into_iter().map(|(address, resource)| (address, Box::new(resource))).collect()
    }
}

impl FromIterator<(Address, Box<Resource>)> for Resources {
    fn from_iter<I: IntoIterator<Item = (Address, Box<Resource>)>>(resources: I) -> Self {
        Resources(resources.into_iter().collect())
    }
}

impl Extend<(Address, Resource)> for Resources {
    fn extend<I: IntoIterator<Item = (Address, Resource)>>(&mut self, resources: I) {
        for (address, resource) in resources {
            self.insert(address, resource);
        }
    }
}

impl Index<&Address> for Resources {
    type Output = Resource;

    fn index(&self, address: &Address) -> &Resource {
        &self.0[address]
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Resources {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Resources {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(d).map(Resources)
    }
}

impl JsonSchema for Resources {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Resources".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<Address, Resource>::json_schema(generator)
    }
}
