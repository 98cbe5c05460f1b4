//! The Azure CLI: whether somebody has signed in by it, and how it is run.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};

use async_trait::async_trait;
use azure_identity::Executor;
use serde::Deserialize;
use tokio::process::Command;

use crate::files::{self, Links};
use crate::platform::Group;

/// The file in which the Azure CLI keeps the accounts that are signed in, in the folder of its settings.
const PROFILE: &str = "azureProfile.json";

/// The longest such file, in bytes.
const LONGEST: u64 = 1 << 22;

/// Runs a program, and ends it with those that it has started when nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Programs;

#[async_trait]
impl Executor for Programs {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (child, mut group) = Group::spawn(&mut command)?;
        let output = child.wait_with_output().await;
        group.ended();
        output
    }
}

#[derive(Deserialize)]
struct Profile {
    subscriptions: Vec<serde::de::IgnoredAny>,
}

/// Returns whether the Azure CLI whose settings are in this folder has an account. Signing out leaves an empty list.
pub(super) fn has_account(settings: &Path) -> bool {
    let Ok(text) = files::read_text(&settings.join(PROFILE), Links::Followed, LONGEST) else { return false };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    serde_json::from_str(text).is_ok_and(|profile: Profile| !profile.subscriptions.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_one_that_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!has_account(dir.path()));
        for (text, expected) in [
            ("\u{feff}{\"installationId\":\"i\",\"subscriptions\":[{\"id\":\"s\"}]}", true),
            ("{\"subscriptions\":[]}", false),
            ("{}", false),
            ("", false),
        ] {
            std::fs::write(dir.path().join(PROFILE), text).unwrap();
            assert_eq!(has_account(dir.path()), expected, "{text}");
        }
    }
}
