//! `-l incident=INC-2042,env!=lab`: which labels a resource must carry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
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

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Requirement::Is(key, value) => write!(f, "{key}={value}"),
            Requirement::IsNot(key, value) => write!(f, "{key}!={value}"),
            Requirement::Exists(key) => f.write_str(key),
            Requirement::Missing(key) => write!(f, "!{key}"),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

/// The reason why no resource meets a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// None has a label of this name.
    Key {
        /// As typed.
        key: String,
        /// The names that there are.
        there: BTreeSet<String>,
    },
    /// None has this value of a label that some have.
    Value {
        /// The label.
        key: String,
        /// As typed.
        value: String,
        /// The values that there are.
        there: BTreeSet<String>,
    },
    /// Each requirement is met by some, and all of them by none; or one of them asks for what a resource lacks.
    Together,
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

    /// Returns the same with the word in the place of the one that nothing fits.
    #[must_use]
    pub fn corrected(&self, miss: &Miss, word: &str) -> Selector {
        let corrected = |requirement: &Requirement| match (requirement, miss) {
            (Requirement::Is(typed, value), Miss::Key { key, .. }) if typed == key => {
                Requirement::Is(word.to_owned(), value.clone())
            }
            (Requirement::Exists(typed), Miss::Key { key, .. }) if typed == key => {
                Requirement::Exists(word.to_owned())
            }
            (Requirement::Is(typed, _), Miss::Value { key, .. }) if typed == key => {
                Requirement::Is(key.clone(), word.to_owned())
            }
            (other, _) => other.clone(),
        };
        Selector(self.0.iter().map(corrected).collect())
    }

    /// Returns why none of some resources meets the requirements, by the first of them that none meets.
    pub fn miss<'a>(&self, all: impl Iterator<Item = &'a BTreeMap<String, String>> + Clone) -> Miss {
        for requirement in &self.0 {
            let (key, value) = match requirement {
                Requirement::Is(key, value) => (key, Some(value)),
                Requirement::Exists(key) => (key, None),
                Requirement::IsNot(..) | Requirement::Missing(_) => continue,
            };
            let there: BTreeSet<String> = all.clone().filter_map(|labels| labels.get(key).cloned()).collect();
            match value {
                _ if there.is_empty() => {
                    return Miss::Key {
                        key: key.clone(),
                        there: all.flat_map(|l| l.keys().cloned()).collect(),
                    };
                }
                Some(value) if !there.contains(value) => {
                    return Miss::Value { key: key.clone(), value: value.clone(), there };
                }
                _ => {}
            }
        }
        Miss::Together
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
        let all = [labels];
        let miss = |text: &str| text.parse::<Selector>().unwrap().miss(all.iter());
        let set = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(
            miss("env,incidnet=a"),
            Miss::Key { key: "incidnet".into(), there: set(&["env", "incident"]) }
        );
        let value = Miss::Value { key: "env".into(), value: "lab".into(), there: set(&["prod"]) };
        assert_eq!(miss("env=lab"), value);
        let corrected = |text: &str, word: &str| {
            text.parse::<Selector>().unwrap().corrected(&miss(text), word).to_string()
        };
        assert_eq!(corrected("env!=x,incidnet=INC-2042", "incident"), "env!=x,incident=INC-2042");
        assert_eq!(corrected("incidnet", "incident"), "incident");
        assert_eq!(corrected("incident=INC-2024,env", "INC-2042"), "incident=INC-2042,env");
        assert_eq!(miss("env=prod,!incident"), Miss::Together);
        assert_eq!("a==b, !c,d!=e".parse::<Selector>().unwrap().to_string(), "a=b,!c,d!=e");
        for bad in ["", "=x", "a=b=c", "a b", "a,,b", "!"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }
}
