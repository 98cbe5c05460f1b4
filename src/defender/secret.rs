//! What must appear nowhere but in the header that carries it.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A text that appears in no Debug, Display, log or file. Its memory is overwritten when the last clone goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Arc::new(Zeroizing::new(text.into())))
    }

    /// The text, for the one place that sends it.
    pub(super) fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A bearer token.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Secret);

impl AccessToken {
    /// Takes the token's text; surrounding white space, a copying accident, is dropped.
    pub fn new(text: &str) -> Self {
        AccessToken(Secret::new(text.trim()))
    }

    /// Returns why the text is no bearer token, if it can be told, without any part of it: what was copied with it.
    pub(super) fn flaw(&self) -> Option<&'static str> {
        let text = self.expose();
        let begins = |with: &str| text.get(..with.len()).is_some_and(|t| t.eq_ignore_ascii_case(with));
        let quote = |c: char| matches!(c, '"' | '\'' | '`');
        if text.is_empty() {
            Some("is empty: put a token in")
        } else if begins("bearer ") || begins("authorization:") {
            Some("begins with the word of the header: set what stands behind `Bearer ` alone")
        } else if begins("{") {
            Some("is a JSON document: set its accessToken alone")
        } else if text.starts_with(quote) || text.ends_with(quote) {
            Some("stands in quotes: set it without them")
        } else if text.contains(['\n', '\r']) {
            Some("holds a line break: set it as one line")
        } else if !text.bytes().all(|b| b.is_ascii_graphic()) {
            Some("holds a blank or another character that no token has: copy it again, as a whole")
        } else {
            None
        }
    }

    /// The text, for the `Authorization` header.
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_copied_with_a_token_is_told_without_it() {
        for (text, word) in [
            ("Bearer s3cret", "Bearer"),
            ("bearer s3cret", "Bearer"),
            ("Authorization: Bearer s3cret", "Bearer"),
            ("\"s3cret\"", "quotes"),
            ("'s3cret", "quotes"),
            ("s3\ncret", "line break"),
            ("s3 cret", "blank"),
            ("s3\u{200b}cret", "blank"),
            ("{ \"accessToken\": \"s3cret\" }", "accessToken"),
        ] {
            let flaw = AccessToken::new(text).flaw().unwrap();
            assert!(flaw.contains(word) && !flaw.contains("s3"), "{text}: {flaw}");
        }
        assert_eq!(AccessToken::new(" eyJ0.eyJh-_.s~3+/= \n").flaw(), None);
    }
}
