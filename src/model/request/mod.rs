//! A call as a value: what is reviewed, journaled and sent are the same bytes.

mod mutation;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub use mutation::Mutation;
pub(crate) use mutation::segment;

/// The HTTP methods that the tool uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads; may be repeated.
    Get,
    /// Creates, cancels, or runs a hunting query.
    Post,
    /// Changes an alert's triage.
    Patch,
}

impl Method {
    /// As it stands in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A mutating call: method, path below the API host (`/api/...`), body.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// POST or PATCH.
    #[schemars(example = Method::Post)]
    pub method: Method,
    /// Absolute path, percent-encoded, without host: `/api/machines/{id}/collectInvestigationPackage`.
    #[serde(deserialize_with = "path")]
    #[schemars(example = &"/api/machines/fb9ab6be3965095a09c057be7c90f0a2/collectInvestigationPackage")]
    pub path: Cow<'static, str>,
    /// The JSON body, byte for byte as sent.
    #[schemars(example = serde_json::json!({ "Comment": "Collect forensics due to alert 1234" }))]
    pub body: Body,
}

fn path<'de, D: Deserializer<'de>>(d: D) -> Result<Cow<'static, str>, D::Error> {
    super::text::one_of(d, &[super::call::CREATE_ALERT])
}

/// A compact JSON object whose bytes are kept.
///
/// It is written into journals and plans as JSON, not as a quoted string, and read back unchanged.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Body(Arc<str>);

impl Default for Body {
    /// An empty object.
    fn default() -> Self {
        Body("{}".into())
    }
}

impl Body {
    /// Takes a text that is one JSON value.
    pub fn from_json(text: String) -> Result<Self, serde_json::Error> {
        let raw = RawValue::from_string(text)?;
        Ok(Body(raw.get().into()))
    }

    /// Writes a value compactly, fields in the order of its type.
    ///
    /// Types whose maps have non-string keys cannot be written; ours are plain structs.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Body::written(serde_json::to_string(value)?))
    }

    /// Takes what was just written as JSON.
    pub(in crate::model) fn written(text: String) -> Self {
        Body(text.into())
    }

    /// The bytes that go out.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        // Borrowed from a text that was checked when it became a `Body`.
        serde_json::from_str::<&RawValue>(&self.0).map_err(serde::ser::Error::custom)?.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Body(Box::<RawValue>::deserialize(d)?.get().into()))
    }
}

impl JsonSchema for Body {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Body".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "The JSON body exactly as it is sent.",
            "examples": [{ "Comment": "Collect forensics due to alert 1234" }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_a_document() {
        let text = r#"{"Comment":"a é   \u0041 1e5"}"#;
        let r =
            Request { method: Method::Post, path: "/x".into(), body: Body::from_json(text.into()).unwrap() };
        let json = serde_json::to_string_pretty(&r).unwrap();
        let back: Request = serde_json::from_str(&json).unwrap();
        assert_eq!(back.body.as_str(), text);
        assert!(Body::from_json("{".into()).is_err());
    }
}
