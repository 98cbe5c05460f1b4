//! Tokens: which credential is used, how long a token is kept, what it says about itself.
//!
//! The library never reads the environment: whoever calls it hands over [`Environment`].

mod claims;
mod credential;
mod oidc;
mod tokens;

pub use claims::Claims;
pub use credential::{AuthMethod, Credential, Environment, Identity};
pub use tokens::{Token, TokenSource, Tokens};

use std::fmt;
use std::sync::Arc;

/// A text that appears in no Debug, Display, log or file.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Secret(text.into())
    }

    /// The text, for the one place that sends it.
    pub(super) fn expose(&self) -> &str {
        &self.0
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

    /// The text, for the `Authorization` header.
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What the token says about itself, if it is a readable JWT. Nothing is validated.
    pub fn claims(&self) -> Option<Claims> {
        Claims::read(self.expose())
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(secret)")
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not a method of `auth.method`.
    #[error("unknown auth method `{name}`")]
    UnknownMethod {
        /// What was written.
        name: String,
    },
    /// The method is known, but this build cannot do it.
    #[error("auth method `{method}` is not supported: {instead}")]
    Unsupported {
        /// The method.
        method: AuthMethod,
        /// What to use in its place.
        instead: &'static str,
    },
    /// Values are missing.
    #[error("auth method `{method}` needs {}", missing.join(", "))]
    Missing {
        /// The method.
        method: AuthMethod,
        /// Names of settings or environment variables.
        missing: Vec<&'static str>,
    },
    /// The method was tried and failed.
    #[error("auth method `{method}` failed: {why}")]
    Failed {
        /// The method.
        method: AuthMethod,
        /// Why, in the identity service's words, bounded in length.
        why: String,
    },
    /// What it shows would be somebody else's.
    #[error("the token for hunting belongs to tenant {got}, not to {wanted}")]
    OtherTenant {
        /// Of the token.
        got: String,
        /// Of the project, or of the token for Defender.
        wanted: String,
    },
    /// `auto`: none worked.
    #[error("no credential works: {}", tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoneWorked {
        /// One error per method, in the order of trying.
        tried: Vec<AuthError>,
    },
}
