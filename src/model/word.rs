//! Words of enumerations that the service owns, such as an alert's determination.
//!
//! The list of such words is the service's, and it changes: pages, metadata and live answers disagree already. So a
//! word is a text, sent as it is written. The words that are known complete in editors and tell a typing mistake.
//! Two words are compared by what they mean: case, blanks and punctuation do not count, and some words have
//! synonyms.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::{known_or_owned, one_of};

/// An enumeration of the service.
pub trait Vocabulary: 'static {
    /// The words of the documentation and of the service's metadata, those that are usual first.
    const KNOWN: &'static [&'static str];
    /// Words that mean the same, each list spelled as `fold` spells it.
    const SYNONYMS: &'static [&'static [&'static str]] = &[];
    /// The words that mean that nobody has chosen one yet, besides none at all; spelled as `fold` spells them.
    const UNSET: &'static [&'static str] = &[];
}

/// The pattern of a word: letters and digits, and what stands between them in a display text.
pub const WORD_PATTERN: &str = "^[A-Za-z][A-Za-z0-9 ,./_-]*$";

/// A word of such an enumeration, as it was written.
pub struct Word<V>(Cow<'static, str>, PhantomData<fn() -> V>);

impl<V: Vocabulary> Word<V> {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the service's word means the same.
    pub fn means(&self, other: &str) -> bool {
        same_word::<V>(&self.0, other)
    }

    /// Returns whether it is written as the service is known to write one of its words.
    pub fn is_known(&self) -> bool {
        V::KNOWN.contains(&&*self.0)
    }
}

/// Returns whether two words of an enumeration mean the same.
pub fn same_word<V: Vocabulary>(a: &str, b: &str) -> bool {
    let (a, b) = (fold(a), fold(b));
    let both = |list: &&[&str]| list.contains(&a.as_str()) && list.contains(&b.as_str());
    a == b || V::SYNONYMS.iter().any(both)
}

/// Returns whether a word of the service means that nobody has chosen one yet.
pub fn is_unset<V: Vocabulary>(word: &str) -> bool {
    let word = fold(word);
    word.is_empty() || V::UNSET.contains(&word.as_str())
}

/// Letters and digits in lower case: `Informational, expected activity` is `InformationalExpectedActivity`.
fn fold(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl<V: Vocabulary> From<&str> for Word<V> {
    fn from(text: &str) -> Self {
        Word(known_or_owned(text, V::KNOWN), PhantomData)
    }
}
impl<V> Clone for Word<V> {
    fn clone(&self) -> Self {
        Word(self.0.clone(), PhantomData)
    }
}
impl<V> PartialEq for Word<V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<V> Eq for Word<V> {}
impl<V> fmt::Debug for Word<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
impl<V> fmt::Display for Word<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl<V> Serialize for Word<V> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}
impl<'de, V: Vocabulary> Deserialize<'de> for Word<V> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Word(one_of(d, V::KNOWN)?, PhantomData))
    }
}
impl<V: Vocabulary> JsonSchema for Word<V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Editors complete the known words, and take every other text too.
        schemars::json_schema!({
            "type": "string",
            "pattern": WORD_PATTERN,
            "maxLength": 100,
            "anyOf": [{ "enum": V::KNOWN }, { "type": "string" }]
        })
    }
}

/// The vocabulary of [`Severity`].
#[derive(Clone, Copy, Debug)]
pub enum Severities {}

/// How severe an alert is raised. The service has more words for alerts, but these are documented for new ones.
pub type Severity = Word<Severities>;

impl Vocabulary for Severities {
    const KNOWN: &'static [&'static str] = &["Low", "Medium", "High"];
    const UNSET: &'static [&'static str] = &["unspecified", "unknown", "null", "none"];
}

/// The vocabulary of [`Category`].
#[derive(Clone, Copy, Debug)]
pub enum Categories {}

/// The subject of an alert: the words of `CreateAlertByReference`, and one that was once accepted. A free text in the
/// service's metadata.
pub type Category = Word<Categories>;

impl Vocabulary for Categories {
    const KNOWN: &'static [&'static str] = &[
        "General",
        "CommandAndControl",
        "Collection",
        "CredentialAccess",
        "DefenseEvasion",
        "Discovery",
        "Exfiltration",
        "Exploit",
        "Execution",
        "InitialAccess",
        "LateralMovement",
        "Malware",
        "Persistence",
        "PrivilegeEscalation",
        "Ransomware",
        "SuspiciousActivity",
        "Backdoor",
    ];
    // The first has been seen, as a text.
    const UNSET: &'static [&'static str] = &["null", "none", "unknown", "unspecified"];
}

/// The vocabulary of [`AlertStatus`].
#[derive(Clone, Copy, Debug)]
pub enum AlertStatuses {}

/// An alert's status.
pub type AlertStatus = Word<AlertStatuses>;

impl Vocabulary for AlertStatuses {
    const KNOWN: &'static [&'static str] =
        &["New", "InProgress", "Resolved", "Unknown", "Unspecified", "Hidden"];
    const UNSET: &'static [&'static str] = &["new", "unknown", "unspecified"];
}

/// The vocabulary of [`Classification`].
#[derive(Clone, Copy, Debug)]
pub enum Classifications {}

/// The verdict on an alert. Two pages show the display text of one of them.
pub type Classification = Word<Classifications>;

impl Vocabulary for Classifications {
    const KNOWN: &'static [&'static str] = &[
        "TruePositive",
        "InformationalExpectedActivity",
        "FalsePositive",
        "Informational, expected activity",
        "Unknown",
    ];
    const UNSET: &'static [&'static str] = &["unknown"];
}

/// The vocabulary of [`Determination`].
#[derive(Clone, Copy, Debug)]
pub enum Determinations {}

/// The verdict on an alert in detail. Pages and metadata have different words for some of them.
pub type Determination = Word<Determinations>;

impl Vocabulary for Determinations {
    const KNOWN: &'static [&'static str] = &[
        "MultiStagedAttack",
        "MaliciousUserActivity",
        "CompromisedUser",
        "CompromisedAccount",
        "Malware",
        "Phishing",
        "UnwantedSoftware",
        "SecurityTesting",
        "LineOfBusinessApplication",
        "ConfirmedUserActivity",
        "ConfirmedActivity",
        "Clean",
        "NotMalicious",
        "InsufficientData",
        "NoEnoughDataToValidate",
        "NotEnoughDataToValidate",
        "Other",
        "NotAvailable",
        "Apt",
        "SecurityPersonnel",
    ];
    const SYNONYMS: &'static [&'static [&'static str]] = &[
        &["compromiseduser", "compromisedaccount"],
        &["confirmeduseractivity", "confirmedactivity"],
        &["clean", "notmalicious"],
        &["insufficientdata", "noenoughdatatovalidate", "notenoughdatatovalidate"],
    ];
    const UNSET: &'static [&'static str] = &["notavailable"];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(a: &str, b: &str) -> bool {
        let there = Determination::from(a).means(b);
        assert_eq!(Determination::from(b).means(a), there, "{a}, {b}");
        there
    }

    #[test]
    fn synonyms_and_other_spellings_mean_the_same() {
        for (a, b) in [
            ("CompromisedUser", "CompromisedAccount"),
            ("InsufficientData", "NoEnoughDataToValidate"),
            ("InsufficientData", "NotEnoughDataToValidate"),
            ("NotEnoughDataToValidate", "NoEnoughDataToValidate"),
            ("ConfirmedUserActivity", "ConfirmedActivity"),
            ("Clean", "NotMalicious"),
            ("Clean", "Not malicious"),
            ("multiStagedAttack", "Multi-staged attack"),
            ("Apt", "APT"),
            ("SomethingNew", "somethingNew"),
        ] {
            assert!(means(a, b), "{a}, {b}");
        }
        for (a, b) in [
            ("Clean", "Malware"),
            ("CompromisedUser", "ConfirmedUserActivity"),
            ("Other", "NotAvailable"),
            ("Clean", ""),
        ] {
            assert!(!means(a, b), "{a}, {b}");
        }
        assert!(
            Classification::from("InformationalExpectedActivity").means("Informational, expected activity")
        );
        assert!(Severity::from("High").means("high"));
        assert!(!Severity::from("High").means("Medium"));
    }

    #[test]
    fn a_word_is_kept_as_it_was_written() {
        let written = |text: &str| {
            let word: Determination = serde_json::from_value(serde_json::json!(text)).unwrap();
            assert_eq!(serde_json::to_value(&word).unwrap(), text);
            word
        };
        assert!(written("CompromisedAccount").is_known());
        assert!(matches!(written("Malware").0, Cow::Borrowed(_)));
        assert!(!written("malware").is_known());
        assert!(!written("Compromised").is_known());
    }

    #[test]
    fn synonyms_are_spelled_as_words_are_compared() {
        fn check<V: Vocabulary>() {
            // The service says some words for "none" that nobody can set.
            for word in V::UNSET {
                assert_eq!(fold(word), **word);
            }
            for word in V::SYNONYMS.iter().copied().flatten() {
                assert_eq!(fold(word), **word);
                assert!(V::KNOWN.iter().any(|known| fold(known) == **word), "{word}");
            }
        }
        check::<Severities>();
        check::<Categories>();
        check::<AlertStatuses>();
        check::<Classifications>();
        check::<Determinations>();
    }

    #[test]
    fn nobody_has_chosen_yet() {
        assert!(is_unset::<AlertStatuses>("New"));
        assert!(is_unset::<Classifications>("") && is_unset::<Classifications>("Unknown"));
        assert!(is_unset::<Determinations>("NotAvailable"));
        assert!(!is_unset::<Determinations>("Other") && !is_unset::<AlertStatuses>("InProgress"));
    }
}
