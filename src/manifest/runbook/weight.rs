//! How much work a schema is: its rules, with what references repeat, and its patterns.
//!
//! A definition that refers twice to the next one doubles what is checked with each step, so forty short lines are a
//! billion of rules. Sizes are summed up without writing the schema out.

use std::collections::{BTreeMap, BTreeSet};

use regex::RegexBuilder;
use serde_json::{Map, Value as Json};

/// The text that begins a reference.
pub(super) const DEFS: &str = "#/$defs/";

/// How much a schema may come to.
pub(super) const MOST_RULES: u64 = 10_000;

/// How large a pattern may grow when it is compiled, in bytes.
pub(super) const LARGEST_PATTERN: usize = 1 << 20;

/// The weights that a pattern counts for, by the bytes that it is compiled to.
const PATTERNS: [(usize, u64); 4] =
    [(16 << 10, 40), (64 << 10, 160), (256 << 10, 640), (LARGEST_PATTERN, 2_560)];

/// How deep groups of a pattern may stand in each other.
const DEEPEST_PATTERN: u32 = 50;

/// How many definitions may refer to each other in a row: a validator follows them one inside the other.
const LONGEST_CHAIN: usize = 32;

/// Keywords that hold values, and no rules.
const VALUES: [&str; 4] = ["default", "const", "enum", "examples"];

/// The weight that a schema comes to, and why it may be more than can be said.
#[derive(Debug, Default)]
pub(super) struct Weight {
    /// Rules and patterns, what is repeated included; the largest number there is if it ends nowhere.
    pub rules: u64,
    /// Definitions that lead back to themselves.
    pub circles: BTreeSet<String>,
    /// Definitions that are referred to, and not there.
    pub missing: BTreeSet<String>,
    /// A pattern that grows too large.
    pub large_pattern: Option<String>,
}

impl Weight {
    pub fn of(schema: &Json) -> Weight {
        let none = Map::new();
        let defs = schema.get("$defs").and_then(Json::as_object).unwrap_or(&none);
        let mut sum = Sum {
            defs,
            known: BTreeMap::new(),
            open: Vec::new(),
            patterns: BTreeMap::new(),
            found: Weight::default(),
        };
        let rules = sum.rules(schema);
        Weight { rules, ..sum.found }
    }
}

/// How many values a value holds. A long text counts for several: rules look at each of its characters.
pub(super) fn of_value(value: &Json) -> u64 {
    let text = |text: &str| text.len() as u64 / 32;
    match value {
        Json::String(s) => 1 + text(s),
        Json::Array(items) => items.iter().map(of_value).fold(1, u64::saturating_add),
        Json::Object(fields) => {
            fields.iter().map(|(name, value)| 1 + text(name) + of_value(value)).fold(1, u64::saturating_add)
        }
        _ => 1,
    }
}

struct Sum<'s> {
    defs: &'s Map<String, Json>,
    /// The weights that definitions come to.
    known: BTreeMap<&'s str, u64>,
    /// The definitions that are being looked at.
    open: Vec<&'s str>,
    /// The weights that patterns count for.
    patterns: BTreeMap<&'s str, u64>,
    found: Weight,
}

impl<'s> Sum<'s> {
    fn rules(&mut self, schema: &'s Json) -> u64 {
        match schema {
            Json::Object(fields) => {
                let mut sum: u64 = 1;
                for (name, value) in fields {
                    let more = match (name.as_str(), value) {
                        ("$ref", Json::String(to)) => self.definition(to),
                        ("pattern", Json::String(pattern)) => self.pattern(pattern),
                        ("patternProperties", Json::Object(patterns)) => {
                            let patterns = patterns.keys().map(|pattern| self.pattern(pattern));
                            let patterns = patterns.fold(0, u64::saturating_add);
                            patterns.saturating_add(self.rules(value))
                        }
                        (name, value) if VALUES.contains(&name) => of_value(value),
                        (_, value) => self.rules(value),
                    };
                    sum = sum.saturating_add(more);
                }
                sum
            }
            Json::Array(items) => items.iter().map(|item| self.rules(item)).fold(1, u64::saturating_add),
            _ => 1,
        }
    }

    fn definition(&mut self, to: &'s str) -> u64 {
        let Some(name) = to.strip_prefix(DEFS) else { return 1 };
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        let Some((name, schema)) = self.defs.get_key_value(name) else {
            self.found.missing.insert(name.to_owned());
            return 1;
        };
        if let Some(first) = self.open.iter().position(|open| open == name) {
            self.found.circles.extend(self.open.iter().skip(first).map(|name| (*name).to_owned()));
            return u64::MAX;
        }
        if self.open.len() >= LONGEST_CHAIN {
            return u64::MAX;
        }
        self.open.push(name);
        let rules = self.rules(schema);
        self.open.pop();
        self.known.insert(name, rules);
        rules
    }

    /// Returns what a pattern counts for. One that is no regular expression is told by the validator.
    fn pattern(&mut self, pattern: &'s str) -> u64 {
        if let Some(known) = self.patterns.get(pattern) {
            return *known;
        }
        // What is too much already need not be compiled.
        if self.patterns.values().fold(0, |sum: u64, weight| sum.saturating_add(*weight)) > MOST_RULES {
            return MOST_RULES;
        }
        let compiles = |limit: usize| {
            let built = RegexBuilder::new(pattern).size_limit(limit).nest_limit(DEEPEST_PATTERN).build();
            !matches!(built, Err(regex::Error::CompiledTooBig(_)))
        };
        let weight = PATTERNS.iter().find(|(limit, _)| compiles(*limit)).map(|(_, weight)| *weight);
        if weight.is_none() {
            self.found.large_pattern.get_or_insert_with(|| pattern.to_owned());
        }
        let weight = weight.unwrap_or(u64::MAX);
        self.patterns.insert(pattern, weight);
        weight
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Definitions that each refer to the one before by a keyword, so many times.
    fn doubling(keyword: &str, depth: usize, times: usize) -> Json {
        let mut defs = Map::new();
        defs.insert("d0".to_owned(), json!({ "type": "string" }));
        for n in 1..=depth {
            let reference = json!({ "$ref": format!("#/$defs/d{}", n - 1) });
            defs.insert(format!("d{n}"), json!({ keyword: vec![reference; times] }));
        }
        json!({ "type": "object", "properties": { "a": { "$ref": format!("#/$defs/d{depth}") } }, "$defs": defs })
    }

    #[test]
    fn what_references_repeat_is_counted() {
        assert!(Weight::of(&doubling("anyOf", 5, 2)).rules < 1_000);
        for keyword in ["anyOf", "allOf", "oneOf", "prefixItems"] {
            assert!(Weight::of(&doubling(keyword, 30, 2)).rules > 1 << 30, "{keyword}");
        }
        let chain = Weight::of(&doubling("allOf", 5_000, 1));
        assert!(chain.rules > MOST_RULES && chain.circles.is_empty());
        let circle = json!({ "$defs": {
            "a": { "items": { "$ref": "#/$defs/b" } }, "b": { "not": { "$ref": "#/$defs/c" } },
            "c": { "anyOf": [{ "$ref": "#/$defs/b" }, { "$ref": "#/$defs/x" }] }
        } });
        let circle = Weight::of(&circle);
        assert_eq!(circle.circles.into_iter().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(circle.missing.into_iter().collect::<Vec<_>>(), ["x"]);
        // A value that looks like a reference is none.
        assert_eq!(Weight::of(&json!({ "const": { "$ref": "#/$defs/x" } })).missing.len(), 0);
    }

    #[test]
    fn patterns_are_counted_by_what_they_are_compiled_to() {
        let schema = |patterns: &[String]| {
            let fields = patterns.iter().enumerate().map(|(n, p)| (format!("p{n}"), json!({ "pattern": p })));
            json!({ "properties": Json::Object(fields.collect()) })
        };
        assert!(Weight::of(&schema(&["^INC-[0-9]+$".to_owned()])).rules < 60);
        assert!(Weight::of(&schema(&[r"^\w{1,20}$".to_owned()])).rules < MOST_RULES);
        let large = Weight::of(&schema(&["((a{100}){100}){100}".to_owned()]));
        assert_eq!(large.large_pattern.as_deref(), Some("((a{100}){100}){100}"));
        let many: Vec<String> =
            (0..3_000).map(|n| format!("^(a{{1,{}}}b{{1,9}}){{1,9}}{n}$", n % 50 + 1)).collect();
        let many = Weight::of(&schema(&many));
        assert!(many.rules > MOST_RULES && many.large_pattern.is_none());
        let names: Map<String, Json> = (0..400).map(|n| (format!("^x{n}"), json!({}))).collect();
        assert!(Weight::of(&json!({ "patternProperties": names })).rules > MOST_RULES);
    }
}
