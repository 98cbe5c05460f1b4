//! `recovery.marker`: what a collection carries so that a look-up cannot mistake it.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The mark that a call carries beside its comment, so that its object is told from every other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// Nothing: the comment goes out verbatim. Written `false`.
    #[default]
    Off,
    /// A short mark at the end of the comment. Written `true`.
    Comment,
    /// The field `ExternalId`, which the service's metadata has and its pages do not name; the comment goes out verbatim.
    /// Written `external-id`.
    ExternalId,
}

impl Marker {
    /// The word of [`Marker::ExternalId`] in a project file.
    pub const EXTERNAL_ID: &'static str = "external-id";
    /// The same as the pattern that a schema holds.
    pub const PATTERN: &'static str = "^external-id$";
}

impl Serialize for Marker {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Marker::Off => s.serialize_bool(false),
            Marker::Comment => s.serialize_bool(true),
            Marker::ExternalId => s.serialize_str(Marker::EXTERNAL_ID),
        }
    }
}

impl<'de> Deserialize<'de> for Marker {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Marker;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "true, false or `{}`", Marker::EXTERNAL_ID)
            }

            fn visit_bool<E>(self, is_on: bool) -> Result<Marker, E> {
                Ok(if is_on { Marker::Comment } else { Marker::Off })
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Marker, E> {
                match word {
                    Marker::EXTERNAL_ID => Ok(Marker::ExternalId),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
        }
        d.deserialize_any(Visitor)
    }
}

impl JsonSchema for Marker {
    fn schema_name() -> Cow<'static, str> {
        "Marker".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // A pattern concerns strings only, so one schema says both.
        schemars::json_schema!({ "type": ["boolean", "string"], "pattern": Marker::PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_values_are_written_and_read() {
        for (marker, text) in
            [(Marker::Off, "false"), (Marker::Comment, "true"), (Marker::ExternalId, "\"external-id\"")]
        {
            assert_eq!(serde_json::to_string(&marker).unwrap(), text);
            assert_eq!(serde_json::from_str::<Marker>(text).unwrap(), marker);
        }
        for bad in ["\"comment\"", "1", "null"] {
            assert!(serde_json::from_str::<Marker>(bad).is_err(), "{bad}");
        }
    }
}
