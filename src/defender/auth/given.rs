//! A ready-made token, where a person put it.

use std::path::PathBuf;

use super::{AccessToken, AuthError};
use crate::files::{self, Links};

/// A ready-made token.
#[derive(Clone, Debug)]
pub enum GivenToken {
    /// The token itself.
    Text(AccessToken),
    /// A file that holds it. It is read for each new token: somebody else renews it.
    File(PathBuf),
}

/// The longest file with a token, in bytes.
const LONGEST: u64 = 1 << 20;

impl GivenToken {
    /// Reads the value of a variable: a token, or `@` and the path of its file.
    pub fn new(text: &str) -> Self {
        match text.trim().strip_prefix('@') {
            Some(path) => GivenToken::File(PathBuf::from(path)),
            None => GivenToken::Text(AccessToken::new(text)),
        }
    }

    /// Returns the token as it is now; `variable` is where it or its file is named, for messages.
    pub(super) fn read(&self, variable: &'static str) -> Result<AccessToken, AuthError> {
        let (token, place) = match self {
            GivenToken::Text(token) => (token.clone(), String::new()),
            GivenToken::File(path) => {
                let place = format!("names the file {}, which ", path.display());
                let text = files::read_text(path, Links::Followed, LONGEST).map_err(|e| {
                    AuthError::NoToken { variable, why: format!("{place}cannot be read: {e}") }
                })?;
                let text = zeroize::Zeroizing::new(text);
                (AccessToken::new(text.strip_prefix('\u{feff}').unwrap_or(&text)), place)
            }
        };
        match token.flaw() {
            Some(why) => Err(AuthError::NoToken { variable, why: format!("{place}{why}") }),
            None => Ok(token),
        }
    }

    /// Returns whether there can be another one later.
    pub(super) fn is_renewed(&self) -> bool {
        matches!(self, GivenToken::File(_))
    }
}

impl From<AccessToken> for GivenToken {
    fn from(token: AccessToken) -> Self {
        GivenToken::Text(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_anew_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let given = GivenToken::new(&format!("@{}\n", path.display()));
        let why = |given: &GivenToken| given.read("CASEFILE_ACCESS_TOKEN").unwrap_err().to_string();
        let missing = why(&given);
        assert!(missing.starts_with("CASEFILE_ACCESS_TOKEN names the file /"), "{missing}");
        assert!(missing.contains("token, which cannot be read: "), "{missing}");
        for token in ["one", "two"] {
            std::fs::write(&path, format!("\u{feff}{token}\r\n")).unwrap();
            assert_eq!(given.read("V").unwrap().expose(), token);
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(why(&given).ends_with("is empty: put a token in"), "{}", why(&given));
        std::fs::write(&path, "Bearer s3cret").unwrap();
        assert!(why(&given).contains("Bearer") && !why(&given).contains("s3cret"));
        assert!(given.is_renewed() && !GivenToken::new("one").is_renewed());
    }
}
