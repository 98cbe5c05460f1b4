//! `fetch --exec`: a command of the user for each package that is newly held.
//!
//! It is no shell: words are split, and what only a shell understands is refused instead of being passed on. It finds the
//! package by variables of its environment, in which none of our credentials are.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::str::FromStr;

use futures::StreamExt as _;
use tempfile::TempDir;

use super::context::Context;
use crate::engine::Event;
use crate::evidence::{EvidenceStore, PackageName};
use crate::model::{Address, Call, Sha256, Sha256Hex};
use crate::state::{HeldPackage, Resource, State};

/// A command with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCommand {
    program: String,
    arguments: Vec<String>,
}

impl FromStr for UserCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = words(text)?.into_iter();
        let program = words.next().filter(|p| !p.is_empty()).ok_or("there is no command in it")?;
        Ok(UserCommand { program, arguments: words.collect() })
    }
}

/// Splits a line into words at blanks. `'...'` is taken as it is; in `"..."` a backslash takes `"` and `\` as they are.
///
/// # Errors
/// A quote that is not closed, or something that only a shell understands.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(|| format!("{c} is opened and not closed"))? {
                        end if end == c => break,
                        '\\' if c == '"' && chars.peek().is_some_and(|n| matches!(n, '"' | '\\')) => {
                            word.extend(chars.next());
                        }
                        other => word.push(other),
                    }
                }
            }
            '$' | '`' | '|' | '&' | ';' | '<' | '>' => {
                return Err(format!(
                    "`{c}` means something to a shell alone, and no shell is used: write sh -c '...', or quote it"
                ));
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// A package for the command, and what is told of it.
pub struct Handed {
    address: Address,
    held: HeldPackage,
    variables: Vec<(&'static str, String)>,
}

/// The variables that a command finds.
pub const VARIABLES: [&str; 10] = [
    "CASEFILE_FILE",
    "CASEFILE_SHA256",
    "CASEFILE_SIZE",
    "CASEFILE_ADDRESS",
    "CASEFILE_ACTION_ID",
    "CASEFILE_DEVICE",
    "CASEFILE_MACHINE_ID",
    "CASEFILE_INCIDENT",
    "CASEFILE_STORE",
    "CASEFILE_OBJECT",
];

/// The label that names an incident.
const INCIDENT: &str = "incident";

/// Returns what commands are told of the packages of some resources.
pub fn handed(state: &State, addresses: &[Address]) -> Vec<Handed> {
    let one = |address: &Address| {
        let resource = state.resources.get(address)?;
        let held = resource.id.as_ref().and_then(|id| resource.package(id))?.clone();
        let variables = variables(address, resource, &held);
        Some(Handed { address: address.clone(), held, variables })
    };
    addresses.iter().filter_map(one).collect()
}

/// All variables but that of the file. Those that nothing is known of are empty, so that `sh -u` finds each.
fn variables(address: &Address, resource: &Resource, held: &HeldPackage) -> Vec<(&'static str, String)> {
    let machine = match resource.sent.call() {
        Some(Call::Collect { machine_id, .. }) => machine_id.to_string(),
        _ => String::new(),
    };
    let incident = resource.labels.get(INCIDENT).cloned().unwrap_or_default();
    let values = [
        held.sha256.to_string(),
        held.size.to_string(),
        address.to_string(),
        held.id.clone(),
        resource.computer_dns_name.as_deref().unwrap_or_default().to_owned(),
        machine,
        incident,
        held.store.clone(),
        held.file.clone(),
    ];
    // Names come from the device: nothing of theirs ends a line, or a variable.
    let plain = |text: String| text.replace(|c: char| c.is_control(), "_");
    VARIABLES[1..].iter().copied().zip(values.map(plain)).collect()
}

/// Runs the command for one package, and returns what is told of it; whether it went well is in the event.
pub async fn run(ctx: &Context, command: &UserCommand, store: &dyn EvidenceStore, package: &Handed) -> Event {
    let (exit_code, why) = match attempt(ctx, command, store, package).await {
        Ok(status) if status.success() => (Some(0), None),
        Ok(status) => (status.code(), Some(status.to_string())),
        Err(why) => (None, Some(why)),
    };
    Event::Executed {
        at: ctx.now(),
        address: package.address.clone(),
        id: package.held.id.clone(),
        file: package.held.file.clone(),
        exit_code,
        why,
    }
}

async fn attempt(
    ctx: &Context,
    command: &UserCommand,
    store: &dyn EvidenceStore,
    package: &Handed,
) -> Result<ExitStatus, String> {
    let name = PackageName::parse(&package.held.file).ok_or("the state names no package")?;
    // A copy is removed when it goes out of scope.
    let (file, _copy) = match store.path(&name) {
        Some(path) => (path, None),
        None => {
            let (path, copy) = copied(store, &name, package.held.sha256).await?;
            (path, Some(copy))
        }
    };
    let file = std::path::absolute(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let status = tokio::process::Command::new(&command.program)
        .args(&command.arguments)
        .current_dir(&ctx.dir)
        .env_clear()
        .envs(ctx.environment_of_others())
        .envs(package.variables.iter().map(|(name, value)| (*name, OsString::from(value))))
        .env(VARIABLES[0], &file)
        .stdin(Stdio::null())
        // Our own results go to stdout, and may be read by a program.
        .stdout(std::io::stderr())
        .status()
        .await;
    status.map_err(|e| format!("{} cannot be started: {e}", command.program))
}

/// Copies a package from object storage into a folder of its own, which nobody else can enter.
async fn copied(
    store: &dyn EvidenceStore,
    name: &PackageName,
    sha256: Sha256Hex,
) -> Result<(PathBuf, TempDir), String> {
    let failed = |e: &dyn std::fmt::Display| format!("the package cannot be copied for it: {e}");
    let folder = tempfile::tempdir().map_err(|e| failed(&e))?;
    let file = name.file();
    let path = folder.path().join(Path::new(&file).file_name().unwrap_or_default());
    let mut copy = crate::files::create_new(&path).map_err(|e| failed(&e))?;
    let opened = store.open(name).await.map_err(|e| failed(&e))?;
    let mut package = opened.ok_or_else(|| failed(&"it is not there any more"))?;
    let mut hash = Sha256::new();
    while let Some(piece) = package.bytes.next().await {
        let piece = piece.map_err(|e| failed(&e))?;
        hash.update(&piece);
        copy.write_all(&piece).map_err(|e| failed(&e))?;
    }
    if hash.finish() != sha256 {
        return Err(failed(&"what lies there is not what was fetched; casefile verify"));
    }
    Ok((path, folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        words(text).unwrap()
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        assert_eq!(split("  a  b\tc "), ["a", "b", "c"]);
        assert_eq!(
            split(r#"sh -c 'unzip -l "$CASEFILE_FILE" | wc'"#),
            ["sh", "-c", r#"unzip -l "$CASEFILE_FILE" | wc"#]
        );
        assert_eq!(split(r#"sh -c "cat \"\$F\" \\ 'x'""#), ["sh", "-c", r#"cat "\$F" \ 'x'"#]);
        assert_eq!(split(r#"a'b 'c"d"'' "" "#), ["ab cd", ""]);
        assert_eq!(split(r"C:\tools\parse.exe --in"), [r"C:\tools\parse.exe", "--in"]);
    }

    #[test]
    fn what_a_shell_alone_understands_is_refused() {
        for text in ["parse $CASEFILE_FILE", "a | b", "a; b", "a && b", "a > b", "a `b`", "a <b"] {
            assert!(words(text).unwrap_err().contains("sh -c"), "{text}");
        }
        for text in ["a 'b", "a \"b", r#"a "b\""#] {
            assert!(words(text).unwrap_err().contains("not closed"), "{text}");
        }
        for text in ["", "  ", "''"] {
            assert!(text.parse::<UserCommand>().is_err(), "{text:?}");
        }
    }
}
