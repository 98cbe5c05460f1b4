//! Digests: what was reviewed, named in 64 hex digits.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use ring::digest::{Context, SHA256};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Address, Method, Request};

/// A SHA-256 value, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Hex(pub [u8; 32]);

impl Sha256Hex {
    /// What precedes the first record of a chain.
    pub const ZERO: Sha256Hex = Sha256Hex([0; 32]);

    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(bytes);
        hash.finish()
    }

    /// Returns the hash of a text file without its byte order mark, each line end as a line feed: what git or an
    /// editor makes of these on Windows is no edit.
    pub fn of_text(bytes: &[u8]) -> Self {
        let text = plain_text(bytes);
        // With the last line end, as most editors leave it.
        match text.last() {
            None | Some(b'\n') => Self::of(&text),
            Some(_) => Self::of(&[&*text, b"\n"].concat()),
        }
    }
}

/// A SHA-256 value in the making.
#[derive(Clone)]
pub struct Sha256(Context);

impl Sha256 {
    /// The hash of no bytes, to begin with.
    pub fn new() -> Self {
        Sha256(Context::new(&SHA256))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes.as_ref());
    }

    /// The value of all bytes that were taken.
    pub fn finish(self) -> Sha256Hex {
        let mut value = [0; 32];
        // It has as many bytes as the algorithm says.
        value.copy_from_slice(self.0.finish().as_ref());
        Sha256Hex(value)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sha256").finish_non_exhaustive()
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Sha256::new()
    }
}

/// Takes the byte order mark off a text, and the carriage returns off its line ends.
pub fn plain_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if !text.contains(&b'\r') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        if *byte != b'\r' || text.get(at + 1) != Some(&b'\n') {
            plain.push(*byte);
        }
    }
    Cow::Owned(plain)
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = [0; 64];
        f.write_str(HEXLOWER.encode_mut_str(&self.0, &mut out))
    }
}

impl FromStr for Sha256Hex {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let mut out = [0; 32];
        if text.len() != 2 * out.len() {
            return Err(DigestError);
        }
        HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut out).map_err(|_| DigestError)?;
        Ok(Sha256Hex(out))
    }
}

/// A text that is no digest of the expected form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: expected the text that `casefile plan` prints, with 64 hex digits")]
pub struct DigestError;

/// Names one creating call: method, path, body and revision. Labels, lifecycle, triage and the retry
/// settings are not part of it: changing them never asks again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestDigest(pub Sha256Hex);

impl RequestDigest {
    /// The tag says how it was computed; a later rule gets a later tag.
    const TAG: &'static str = "v1:sha256:";

    /// The digest of a request of a revision.
    pub fn of(request: &Request, revision: u32) -> Self {
        Self::of_parts(request.method, &request.path, request.body.as_str(), revision)
    }

    /// The digest of a request that is not put together.
    pub(super) fn of_parts(method: Method, path: &str, body: &str, revision: u32) -> Self {
        let mut h = Sha256::new();
        h.update(b"casefile request v1\n");
        h.update(method.as_str());
        h.update(b"\n");
        h.update(path);
        h.update(b"\n");
        h.update(body);
        h.update(b"\n");
        h.update(revision.to_string());
        RequestDigest(h.finish())
    }
}

/// A call as the digest of a plan names it.
#[derive(Clone, Copy, Debug)]
pub struct DigestedCall<'a> {
    /// Its resource.
    pub address: &'a Address,
    /// Method, path and body.
    pub request: &'a Request,
    /// How many objects its resource has had, so that an approval of a call is none of its repetition.
    pub objects: u32,
    /// The ids of objects at the service that a person knew of and asked again beside.
    pub look_alikes: &'a [String],
}

impl<'a> DigestedCall<'a> {
    /// Returns the call of a resource that nothing was made of.
    pub fn new(address: &'a Address, request: &'a Request) -> Self {
        DigestedCall { address, request, objects: 0, look_alikes: &[] }
    }
}

/// Names the calls of a plan, each as a [`DigestedCall`], by address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanDigest(pub Sha256Hex);

impl PlanDigest {
    const TAG: &'static str = "sha256:";

    /// Returns the digest of calls that are given in address order.
    pub fn of<'a>(calls: impl IntoIterator<Item = DigestedCall<'a>>) -> Self {
        let mut h = Sha256::new();
        h.update(b"casefile plan v1\n");
        for DigestedCall { address, request, objects, look_alikes } in calls {
            // No field can hold a newline (JSON escapes it), so the joined text is unambiguous.
            h.update(address.to_string());
            h.update(b"\n");
            h.update(request.method.as_str());
            h.update(b"\n");
            h.update(&*request.path);
            h.update(b"\n");
            h.update(request.body.as_str());
            h.update(b"\n");
            if objects > 0 {
                // An address has a slash, so this is none.
                h.update(format!("objects {objects}\n"));
            }
            for id in look_alikes {
                // An id comes from the service: as JSON it holds no newline, and no address begins with a quote.
                h.update(serde_json::Value::from(id.as_str()).to_string());
                h.update(b"\n");
            }
        }
        PlanDigest(h.finish())
    }
}

macro_rules! tagged_text {
    ($type:ident, $name:literal, $about:literal, $pattern:literal, $example:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::TAG, self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
        impl FromStr for $type {
            type Err = DigestError;
            fn from_str(text: &str) -> Result<Self, DigestError> {
                Ok($type(text.strip_prefix(Self::TAG).ok_or(DigestError)?.parse()?))
            }
        }
        text_serde!($type, $name, $about, $pattern, $example);
    };
}
macro_rules! text_serde {
    ($type:ident, $name:literal, $about:literal, $pattern:literal, $example:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                super::text::parsed(d)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "description": $about, "pattern": $pattern, "examples": [$example]
                })
            }
        }
    };
}
tagged_text!(
    RequestDigest,
    "RequestDigest",
    "Version tag and SHA-256 of a creating call's method, path, body and revision.",
    "^v1:sha256:[0-9a-f]{64}$",
    "v1:sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
);
tagged_text!(
    PlanDigest,
    "PlanDigest",
    "SHA-256 of exactly the calls of a plan: address, method, path and body of each, and how many objects its resource has had.",
    "^sha256:[0-9a-f]{64}$",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
);
impl fmt::Debug for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
text_serde!(
    Sha256Hex,
    "Sha256",
    "A SHA-256 value in lower-case hex.",
    "^[0-9a-f]{64}$",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, Method};

    fn request(path: &str) -> Request {
        Request {
            method: Method::Post,
            path: path.to_owned().into(),
            body: Body::from_json("{}".into()).unwrap(),
        }
    }

    #[test]
    fn another_implementation_gives_the_same() {
        use sha2::Digest as _;
        let bytes: Vec<u8> = (0..=255).cycle().take(700).collect();
        for length in 0..bytes.len() {
            let whole = &bytes[..length];
            let expected = Sha256Hex(sha2::Sha256::digest(whole).into());
            assert_eq!(Sha256Hex::of(whole), expected, "{length}");
            for piece in [1, 63, 64, 65] {
                let mut hash = Sha256::new();
                whole.chunks(piece).for_each(|piece| hash.update(piece));
                assert_eq!(hash.finish(), expected, "{length} by {piece}");
            }
        }
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256Hex::of(b"abc").to_string(), abc);
    }

    #[test]
    fn text_round_trips() {
        let d = RequestDigest::of(&request("/a"), 1);
        assert_eq!(d.to_string().parse::<RequestDigest>(), Ok(d));
        assert!(d.to_string().parse::<PlanDigest>().is_err());
        assert!("sha256:00".parse::<PlanDigest>().is_err());
    }

    #[test]
    fn line_ends_and_byte_order_marks_are_no_part_of_a_text() {
        let plain = Sha256Hex::of_text(b"a\n\nb\rc");
        assert_eq!(plain, Sha256Hex::of(b"a\n\nb\rc\n"));
        assert_eq!(plain, Sha256Hex::of_text(b"\xef\xbb\xbfa\r\n\r\nb\rc"));
        assert_ne!(plain, Sha256Hex::of_text(b"a\nb\rc"));
        assert_eq!(Sha256Hex::of_text(b"a"), Sha256Hex::of_text(b"a\r\n"));
        assert_ne!(Sha256Hex::of_text(b"a"), Sha256Hex::of_text(b"a\n\n"));
        assert_eq!(Sha256Hex::of_text(b""), Sha256Hex::of(b""));
        // What seals hold of files that end in a line end stays as it is.
        assert_eq!(Sha256Hex::of_text(b"a"), Sha256Hex::of(b"a\n"));
    }

    #[test]
    fn every_part_counts() {
        let one = RequestDigest::of(&request("/a"), 1);
        assert_ne!(one, RequestDigest::of(&request("/b"), 1));
        assert_ne!(one, RequestDigest::of(&request("/a"), 2));
        let (a, b): (Address, Address) = ("Alert/a".parse().unwrap(), "Alert/b".parse().unwrap());
        let (call, other) = (request("/a"), ["x".to_owned()]);
        let of = |address, objects, look_alikes| {
            PlanDigest::of([DigestedCall { objects, look_alikes, ..DigestedCall::new(address, &call) }])
        };
        let one = of(&a, 0, &[]);
        assert_eq!(one, PlanDigest::of([DigestedCall::new(&a, &call)]));
        for another in [PlanDigest::of([]), of(&b, 0, &[]), of(&a, 1, &[]), of(&a, 0, &other)] {
            assert_ne!(one, another);
        }
    }
}
