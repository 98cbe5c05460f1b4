//! The person or job that worked with the tool.

use serde::{Deserialize, Serialize};

/// The user, computer and pipeline's job that a run was started by, as the environment tells them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operator {
    /// The user's name.
    pub user: String,
    /// The computer's name.
    pub host: String,
    /// The pipeline's job, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

impl From<super::Holder> for Operator {
    fn from(holder: super::Holder) -> Self {
        Operator { user: holder.user, host: holder.host, job: holder.job }
    }
}

/// The job, whose user and computer mean nothing to a reader, or `user@host`.
impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.job {
            Some(job) => f.write_str(job),
            None => write!(f, "{}@{}", self.user, self.host),
        }
    }
}
