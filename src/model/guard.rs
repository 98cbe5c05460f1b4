//! Guard rails: what the text of a call must say, which machines are protected, what a manifest approves.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Call, MachineId, TEXT_PATTERN};

/// A longer pattern is refused; nobody could review it.
const MOST_CHARACTERS: usize = 500;

/// How large an expression may grow when it is compiled: `(a{1000}){1000}` is short to write. At worst each byte of each
/// text is compared with all of it.
const MOST_BYTES: usize = 256 << 10;

/// How deep groups may stand in each other.
const DEEPEST: u32 = 50;

/// `requireComment`: the regular expression that a call's text must match.
///
/// Matching takes time linear in the text, whatever the pattern.
#[derive(Clone)]
pub struct CommentRule(regex::Regex);

/// A pattern that is no regular expression, or too large a one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommentRuleError(String);

impl CommentRule {
    /// The pattern as written.
    pub fn pattern(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is found in a text; `^` and `$` are the ends of the whole text.
    pub fn allows_text(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Whether a creating call may be sent: a collection by its comment, an alert by its title or its
    /// description, because the API knows no comment there.
    ///
    /// An id that is still to come counts neither for nor against: the text has to match without it, and with one.
    pub fn allows(&self, call: &Call) -> bool {
        let allows = |call: &Call| match call {
            Call::Collect { comment, .. } => self.allows_text(comment),
            Call::Alert(a) => self.allows_text(&a.title) || self.allows_text(&a.description),
        };
        if call.references().is_empty() {
            return allows(call);
        }
        let some_id = || Some("00000000-0000-0000-0000-000000000000".to_owned());
        allows(&call.without_references()) && allows(&call.with_references(|_| some_id()))
    }
}

impl FromStr for CommentRule {
    type Err = CommentRuleError;

    fn from_str(pattern: &str) -> Result<Self, CommentRuleError> {
        if pattern.is_empty() {
            return Err(CommentRuleError("it is empty, so that every text would match".into()));
        }
        if pattern.chars().count() > MOST_CHARACTERS {
            return Err(CommentRuleError(format!("it is longer than {MOST_CHARACTERS} characters")));
        }
        let built = regex::RegexBuilder::new(pattern).size_limit(MOST_BYTES).nest_limit(DEEPEST).build();
        built.map(CommentRule).map_err(|e| {
            CommentRuleError(match e {
                regex::Error::CompiledTooBig(_) => format!(
                    "it grows larger than {} KiB when it is compiled: repeat less in it, or write [0-9] for \\d and \
                     [A-Za-z0-9_] for \\w",
                    MOST_BYTES >> 10
                ),
                // The parser draws the pattern over several lines; its verdict is the last one.
                e => {
                    let text = e.to_string();
                    let last = text.lines().last().unwrap_or_default().trim();
                    last.strip_prefix("error: ").unwrap_or(last).to_owned()
                }
            })
        })
    }
}

impl PartialEq for CommentRule {
    fn eq(&self, other: &Self) -> bool {
        self.pattern() == other.pattern()
    }
}
impl Eq for CommentRule {}
impl fmt::Debug for CommentRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.pattern())
    }
}
impl Serialize for CommentRule {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.pattern())
    }
}
impl<'de> Deserialize<'de> for CommentRule {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl JsonSchema for CommentRule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CommentRule".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS })
    }
}

/// An entry of `protected`: a machine's id, or a pattern of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachinePattern {
    /// A device id.
    Id(MachineId),
    /// A name in which `*` stands for any characters and `?` for one.
    Name(NameGlob),
}

/// A pattern of machine names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameGlob(String);

/// A text that is neither a device id nor a pattern of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachinePatternError {
    /// Empty, or with blanks or signs that no name has.
    #[error("neither a device id nor a name; in a name only `*` and `?` stand for others")]
    Form,
    /// Only hex digits, but not as many as an id has: most likely a torn id, which would protect nothing.
    #[error("{0} hex digits are neither a device id, which has 40, nor a name")]
    TornId(usize),
}

/// So many hex digits are no name any more: NetBIOS names end at 15 characters.
const LONGEST_HEX_NAME: usize = 15;

/// The longest DNS name.
const LONGEST_NAME: usize = 253;

impl NameGlob {
    /// Whether a machine's name fits, in any case: the whole name, or what stands before its first dot.
    ///
    /// A name longer than any DNS name is none, so that nobody can tell: it fits.
    pub fn matches(&self, name: &str) -> bool {
        if name.len() > LONGEST_NAME {
            return true;
        }
        let (glob, name) = (self.0.to_lowercase(), name.to_lowercase());
        let host = name.split('.').next().unwrap_or_default();
        fits(&glob, &name) || fits(&glob, host)
    }

    /// Returns whether it can fit several names.
    pub fn is_wild(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `*` is any text, `?` one character. Goes back to the last `*` only, so the time is at most the product
/// of both lengths.
fn fits(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(n) {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(p) if *p == '?' || p == c => {
                g += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (g, n) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    glob.iter().skip(g).all(|c| *c == '*')
}

impl MachinePattern {
    /// As written.
    pub fn as_str(&self) -> &str {
        match self {
            MachinePattern::Id(id) => id.as_str(),
            MachinePattern::Name(glob) => glob.as_str(),
        }
    }
}

impl FromStr for MachinePattern {
    type Err = MachinePatternError;

    fn from_str(text: &str) -> Result<Self, MachinePatternError> {
        if let Some(id) = text.parse().ok().filter(MachineId::is_whole) {
            return Ok(MachinePattern::Id(id));
        }
        if text.len() > LONGEST_HEX_NAME && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(MachinePatternError::TornId(text.len()));
        }
        let sign = |c: char| c.is_whitespace() || c.is_control() || "[]{}()\\/|!,;:'\"".contains(c);
        if text.is_empty() || text.len() > LONGEST_NAME || text.contains(sign) {
            return Err(MachinePatternError::Form);
        }
        Ok(MachinePattern::Name(NameGlob(text.to_owned())))
    }
}

impl Serialize for MachinePattern {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}
impl<'de> Deserialize<'de> for MachinePattern {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl JsonSchema for MachinePattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MachinePattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A machine id, or a name with * and ?.",
            "minLength": 1,
            "maxLength": LONGEST_NAME,
            "examples": ["*-dc-*"]
        })
    }
}

/// What a manifest approves for the plan that makes its call. It is reviewed with the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// So many new calls of this kind one plan may have, whatever `limits` says, if it makes this resource's
    /// call too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), example = 60)]
    pub over_limits: Option<u32>,
    /// Whether this resource's call may go to a machine that the project protects.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schemars(example = true)]
    pub protected: bool,
    /// Why; shown with the plan.
    #[schemars(length(min = 1), regex(pattern = TEXT_PATTERN), example = &"INC-2042: whole finance department")]
    pub reason: String,
}

fn is_false(b: &bool) -> bool {
    !*b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pattern: &str) -> CommentRule {
        pattern.parse().unwrap()
    }

    #[test]
    fn a_rule_is_found_in_the_text() {
        let inc = rule("^INC-[0-9]+");
        assert!(inc.allows_text("INC-2042: forensics") && inc.allows_text("INC-1\nsecond line"));
        assert!(!inc.allows_text("see INC-2042") && !inc.allows_text("x\nINC-2042") && !inc.allows_text(""));
        assert!(rule("INC-[0-9]+").allows_text("see INC-2042"));
    }

    #[test]
    fn an_alert_by_title_or_description() {
        let inc = rule("^INC-[0-9]+");
        let alert = |title: &str, description: &str, action: &str| {
            let text = format!(
                r#"{{"machineId":"1e5bc9d7e413ddd7902c2932e418702b84d0cc07","severity":"Low","title":"{title}","description":"{description}","recommendedAction":"{action}","eventTime":"2018-08-03T16:45:21.7115183Z","reportId":"20776","category":"Exploit"}}"#
            );
            Call::Alert(serde_json::from_str(&text).unwrap())
        };
        assert!(inc.allows(&alert("INC-1 x", "d", "a")) && inc.allows(&alert("t", "INC-1", "a")));
        assert!(!inc.allows(&alert("t", "d", "INC-1")));
    }

    #[test]
    fn patterns_that_are_refused() {
        for (pattern, why) in [
            ("", "empty"),
            ("(INC", "unclosed group"),
            ("[0-9", "unclosed character class"),
            ("(?=INC)", "look-around"),
            (r"(a)\1", "backreferences"),
            ("(((a{100}){100}){100})", "larger than 256 KiB"),
        ] {
            let e = pattern.parse::<CommentRule>().unwrap_err().to_string();
            assert!(e.contains(why) && !e.contains('\n'), "{pattern}: {e}");
        }
        let e = "(".repeat(60) + &")".repeat(60);
        assert!(e.parse::<CommentRule>().is_err());
        assert!("a".repeat(501).parse::<CommentRule>().unwrap_err().to_string().contains("500"));
    }

    fn glob(text: &str) -> NameGlob {
        match text.parse().unwrap() {
            MachinePattern::Name(glob) => glob,
            MachinePattern::Id(_) => panic!("{text} is an id"),
        }
    }

    #[test]
    fn names_by_pattern() {
        for (pattern, name, fits) in [
            ("hq-dc-01", "hq-dc-01", true),
            ("HQ-dc-01", "hq-DC-01.contoso.com", true),
            ("hq-dc-01", "hq-dc-012.contoso.com", false),
            ("*-dc-*", "hq-dc-01.contoso.com", true),
            ("*-dc-*", "fin-ws-042.contoso.com", false),
            ("hq-dc-??", "hq-dc-01.contoso.com", true),
            ("hq-dc-??", "hq-dc-1.contoso.com", false),
            ("*.contoso.com", "a.contoso.com", true),
            ("*.contoso.com", "contoso.com", false),
            ("*", "anything", true),
            ("**a*b?c", "xxaxxbyc", true),
            ("**a*b?c", "xxaxxbc", false),
            ("srv", "", false),
            ("MÜNCHEN-*", "münchen-01", true),
            ("hq", &"a".repeat(100_000), true),
            ("hq-*", &"a".repeat(254), true),
            ("hq-*", &"a".repeat(253), false),
        ] {
            assert_eq!(glob(pattern).matches(name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn entries_of_the_list() {
        assert!(matches!("FB9AB6BE3965095A09C057BE7C90F0A2".parse(), Ok(MachinePattern::Id(_))));
        assert!(matches!("feed".parse(), Ok(MachinePattern::Name(_))));
        let torn = "fb9ab6be3965095a09c057be7c90f0";
        assert_eq!(torn.parse::<MachinePattern>(), Err(MachinePatternError::TornId(30)));
        for bad in ["", " ", "a b", "dc[0-9]", "{a,b}", "a/b", "a\tb"] {
            assert_eq!(bad.parse::<MachinePattern>(), Err(MachinePatternError::Form), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn globs_agree_with_expressions(glob in "[ab*?.]{0,8}", name in "[ab.]{0,10}") {
            let expression: String = glob
                .chars()
                .map(|c| match c {
                    '*' => ".*".to_owned(),
                    '?' => ".".to_owned(),
                    c => regex::escape(&c.to_string()),
                })
                .collect();
            let expected = regex::Regex::new(&format!("^(?:{expression})$")).unwrap().is_match(&name);
            proptest::prop_assert_eq!(fits(&glob, &name), expected);
        }
    }
}
