//! Tokens: which credential is used, how long a token is kept, what it says about itself.
//!
//! The library never reads the environment: whoever calls it hands over [`Environment`].

mod certificate;
mod claims;
mod credential;
mod given;
mod key_file;
mod obstacle;
mod oidc;
mod sign_in_tool;
mod storage;
mod tokens;
mod words;

pub use crate::model::AuthMethod;
pub use claims::Claims;
pub use credential::{Credential, Environment, Identity};
pub use given::GivenToken;
pub use storage::StorageCredential;
pub use tokens::{Token, TokenSource, Tokens};

pub use super::secret::{AccessToken, Secret};
use crate::model::Hindrance;

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Values are missing.
    #[error("auth method `{method}` needs {}", missing.join(", "))]
    Missing {
        /// The method.
        method: AuthMethod,
        /// Names of settings or environment variables.
        missing: Vec<&'static str>,
    },
    /// A ready-made token that cannot be one. Nothing else is tried: somebody meant it.
    #[error("{variable} {why}")]
    NoToken {
        /// Where it stands.
        variable: &'static str,
        /// The thing that was copied with it, or why its file cannot be read, without any of the token.
        why: String,
    },
    /// The method was tried and failed.
    #[error("auth method `{method}` failed: {why}")]
    Failed {
        /// The method.
        method: AuthMethod,
        /// Why, in the identity service's words, bounded in length.
        why: String,
    },
    /// The method was tried, and the sign-in service not reached.
    #[error("auth method `{method}` failed: {why}")]
    Unreachable {
        /// The method.
        method: AuthMethod,
        /// The cause that a person can do something about.
        cause: Hindrance,
        /// Where it went, through which proxy, and why it did not get there.
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
