//! `-l incident=INC-2042,env!=lab`: which labels a resource must carry.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Requirements on labels, all of which must hold; as kubectl's equality-based selectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Is(String, String),
    IsNot(String, String),
    Exists(String),
    Missing(String),
}

/// A text that is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no label requirement: write key=value, key!=value, key or !key, joined by commas")]
pub struct SelectorError(String);

impl Selector {
    /// Whether these labels meet every requirement. As in kubectl, `key!=value` holds for a resource
    /// without the label.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|r| match r {
            Requirement::Is(k, v) => labels.get(k) == Some(v),
            Requirement::IsNot(k, v) => labels.get(k) != Some(v),
            Requirement::Exists(k) => labels.contains_key(k),
            Requirement::Missing(k) => !labels.contains_key(k),
        })
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        text.split(',').map(requirement).collect::<Result<_, _>>().map(Selector)
    }
}

fn requirement(text: &str) -> Result<Requirement, SelectorError> {
    let text = text.trim();
    let bad = || SelectorError(text.to_owned());
    let key = |k: &str| {
        let k = k.trim();
        let plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
        if !k.is_empty() && k.chars().all(plain) { Ok(k.to_owned()) } else { Err(bad()) }
    };
    let value = |v: &str| {
        let v = v.trim();
        if v.contains(['=', '!']) { Err(bad()) } else { Ok(v.to_owned()) }
    };
    if let Some((k, v)) = text.split_once("!=") {
        return Ok(Requirement::IsNot(key(k)?, value(v)?));
    }
    if let Some((k, v)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::Is(key(k)?, value(v)?));
    }
    match text.strip_prefix('!') {
        Some(k) => Ok(Requirement::Missing(key(k)?)),
        None => Ok(Requirement::Exists(key(text)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements() {
        let labels: BTreeMap<String, String> =
            [("incident", "INC-2042"), ("env", "prod")].map(|(k, v)| (k.into(), v.into())).into();
        for (text, fits) in [
            ("incident=INC-2042", true),
            ("incident==INC-2042, env!=lab", true),
            ("env=lab", false),
            ("team!=blue", true),
            ("team", false),
            ("!team,env", true),
            ("!env", false),
        ] {
            assert_eq!(text.parse::<Selector>().unwrap().matches(&labels), fits, "{text}");
        }
        for bad in ["", "=x", "a=b=c", "a b", "a,,b", "!"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }
}
