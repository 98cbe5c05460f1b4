//! The ways out of what a reader is told: commands to run next.

use std::borrow::Cow;

use crate::engine::surgery::Forbidden;
use crate::model::{Address, Kind, RefusalCause};
use crate::plan::names::Misplaced;
use crate::plan::{Action, Change, ImportRefusal, PlanWarning, Reason};
use crate::state::{CallAction, Refusal};

/// A command to run next, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The command's words; those from outside are quoted for a shell.
    pub words: Vec<String>,
    /// The purpose, behind "to".
    pub what: &'static str,
}

impl Next {
    /// `command` is split at its spaces.
    pub fn new(what: &'static str, command: &str) -> Self {
        Next { words: command.split(' ').map(str::to_owned).collect(), what }
    }

    /// The same, with a word more.
    pub(super) fn with(mut self, word: &str) -> Self {
        self.words.push(shell(word).into_owned());
        self
    }

    /// As it is typed in the project's folder.
    pub fn command(&self) -> String {
        self.words.join(" ")
    }
}

const SEE_RECORD: &str = "see what it holds";
const SEE_CALLER: &str = "see what the caller may do";

fn matches_manifests() -> Next {
    Next::new("see what matches the manifests", "casefile import --discover")
}

/// Returns the ways out of a row that waits for a person; empty for all others.
pub fn of_row(change: &Change) -> Vec<Next> {
    let address = change.address.to_string();
    let again = Next::new("ask again", "casefile apply --replace").with(&address);
    match change.action {
        Action::Unresolved
            if matches!(change.reason, Reason::ImportRefused { .. } | Reason::MoveRefused { .. }) =>
        {
            // The manifest says what it wants; what it names cannot be had.
            let other = match &change.reason {
                Reason::ImportRefused { why: ImportRefusal::MadeBy { by }, .. } => by.to_string(),
                Reason::MoveRefused { .. } => address,
                _ => return vec![matches_manifests()],
            };
            vec![Next::new(SEE_RECORD, "casefile state show").with(&other)]
        }
        Action::Unresolved => {
            let id = match &change.reason {
                Reason::LookAlikes { ids } => ids.first().map(String::as_str),
                Reason::FailOnRunning { id, .. } | Reason::AlreadyThere { id, .. } => Some(id.as_str()),
                _ => None,
            };
            let import = Next::new("take it over", "casefile import").with(&address).with(id.unwrap_or("ID"));
            vec![import, again]
        }
        Action::Exhausted => match &change.reason {
            // What is left to do is said in the manifest. To ask again would make a second alert.
            Reason::ChangeRefused { action: CallAction::Update, .. } => Vec::new(),
            Reason::ChangeRefused { .. } => {
                vec![Next::new("let go of it", "casefile state rm").with(&address)]
            }
            Reason::RefusedForGood { error } if error.is_about_external_id() => vec![without_external_id()],
            _ => vec![again],
        },
        _ => Vec::new(),
    }
}

/// Returns the ways out of what a plan warning tells; empty where there is nothing to do.
pub fn of_warning(warning: &PlanWarning) -> Vec<Next> {
    match warning {
        over @ PlanWarning::OverLimit { .. } if over.is_over_limit() => {
            vec![Next::new("send them all", "casefile apply --allow-over-limits")]
        }
        PlanWarning::Removals { .. } => {
            vec![Next::new(
                "send them, if the manifests are gone for good",
                "casefile apply --allow-removals",
            )]
        }
        PlanWarning::LookAlikes { .. } => vec![
            Next::new("take them over", "casefile import --discover"),
            Next::new("ask for all of it again", "casefile apply --fresh"),
        ],
        PlanWarning::HeldBack { file, .. } => {
            vec![Next::new("take them in", "casefile seal").with(file)]
        }
        PlanWarning::Unresolved { .. } => vec![Next::new("see what each could mean", "casefile plan")],
        PlanWarning::SealDrift { .. } => vec![Next::new("seal today's machines", "casefile seal")],
        PlanWarning::NotCompared { .. } => vec![Next::new("look first", "casefile plan")],
        PlanWarning::OverLimit { .. }
        | PlanWarning::NotLooked { .. }
        | PlanWarning::Narrowed { .. }
        | PlanWarning::Beside { .. }
        | PlanWarning::Left { .. }
        | PlanWarning::EmptyGroup { .. }
        | PlanWarning::Skipped { .. } => Vec::new(),
    }
}

/// Returns what helps where surgery is forbidden.
pub fn of_forbidden(forbidden: &Forbidden) -> Next {
    let show = |address: &Address| Next::new(SEE_RECORD, "casefile state show").with(&address.to_string());
    match forbidden {
        Forbidden::CallOpen { .. } => Next::new("have its call looked up", "casefile apply"),
        Forbidden::ChangeOpen { .. } => Next::new("have it settled", "casefile apply"),
        Forbidden::NotInState(_) => Next::new("see what there is", "casefile state list"),
        Forbidden::NotDeclared(_) => Next::new("see what is declared", "casefile plan -v"),
        Forbidden::Alert(_) => Next::new("have it resolved by spec.triage.status", "casefile apply"),
        Forbidden::NotActive { address, .. }
        | Forbidden::Held { address, .. }
        | Forbidden::MadeBy { by: address, .. }
        | Forbidden::Taken(address)
        | Forbidden::OtherKind { from: address, .. }
        | Forbidden::Misplaced(Misplaced::OtherMachine { from: address, .. }) => show(address),
        Forbidden::Misplaced(Misplaced::NotDeclarable(_)) => {
            Next::new("see what is declared", "casefile plan -v")
        }
        Forbidden::StillRuns { address, .. } => cancel_again("end it first", &address.to_string()),
        Forbidden::NotFound { .. } | Forbidden::OtherType { .. } | Forbidden::OtherMachine { .. } => {
            matches_manifests()
        }
    }
}

/// Returns what to do about the refusal of a call.
pub fn of_refusal(error: &Refusal, address: &Address, action: Action) -> Next {
    if action == Action::Cancel {
        // `apply` sends no cancel that a person asked for.
        return match error.cause() {
            Some(RefusalCause::SignIn) => {
                cancel_again("cancel it once the sign-in is right", &address.to_string())
            }
            Some(RefusalCause::Permission) => {
                cancel_again("cancel it once the role is granted", &address.to_string())
            }
            Some(RefusalCause::Licence | RefusalCause::FeatureOff) => {
                cancel_again("cancel it once licence and feature are there", &address.to_string())
            }
            Some(RefusalCause::Device) if error.status == 403 => Next::new(SEE_CALLER, "casefile doctor"),
            _ => Next::new("see how it stands", "casefile status").with(&address.to_string()),
        };
    }
    if error.is_about_external_id() {
        return without_external_id();
    }
    match error.cause() {
        Some(RefusalCause::SignIn) => Next::new("send it once the sign-in is right", "casefile apply"),
        Some(RefusalCause::Permission) => Next::new("send it once the role is granted", "casefile apply"),
        Some(RefusalCause::Licence | RefusalCause::FeatureOff) => {
            Next::new("send it once licence and feature are there", "casefile apply")
        }
        Some(RefusalCause::Device) if error.status == 403 => Next::new(SEE_CALLER, "casefile doctor"),
        // What was refused of an alert may be its triage, and to ask for the alert again would be the wrong way.
        cause
            if address.kind() == Kind::InvestigationPackage
                && (cause == Some(RefusalCause::NotFound) || error.is_permanent()) =>
        {
            Next::new("ask again once the cause is removed", "casefile apply --replace")
                .with(&address.to_string())
        }
        _ => Next::new("see whether it is asked again", "casefile plan"),
    }
}

/// The way out where the service does not take the id that marks calls.
fn without_external_id() -> Next {
    Next::new("send it once recovery.marker in casefile.yaml is `true` or `false`", "casefile apply")
}

/// Returns the command that asks for a cancel.
pub(super) fn cancel_again(what: &'static str, name: &str) -> Next {
    let mut next = Next::new(what, "casefile cancel").with(name);
    next.words.extend(["--comment", "TEXT"].map(str::to_owned));
    next
}

/// Returns a command of ours as it is typed from where the person is: with the folder that was named by `-C`.
pub fn from_folder(command: &str, dir: Option<&str>) -> String {
    match (command.strip_prefix("casefile "), dir) {
        (Some(rest), Some(dir)) => format!("casefile -C {} {rest}", shell(dir)),
        _ => command.to_owned(),
    }
}

/// Quotes a text from outside so that a shell takes it as one word: a copied command runs nothing else.
pub fn shell(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/:@%+=,-".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_command_runs_nothing_else() {
        assert_eq!(shell("InvestigationPackage/fin-ws-042"), "InvestigationPackage/fin-ws-042");
        assert_eq!(shell("Alert/sweep[a]"), "'Alert/sweep[a]'");
        assert_eq!(shell("x; rm -rf ~"), "'x; rm -rf ~'");
        assert_eq!(shell("a'b"), r"'a'\''b'");
        assert_eq!(shell("--replace"), "'--replace'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn a_command_names_the_folder_that_was_typed() {
        assert_eq!(from_folder("casefile plan", None), "casefile plan");
        assert_eq!(from_folder("casefile plan -v", Some("my cases")), "casefile -C 'my cases' plan -v");
        assert_eq!(from_folder("az login", Some("a")), "az login");
    }

    #[test]
    fn refusals_name_what_to_do() {
        let error = |status, code: &str| Refusal { status, code: code.into(), ..Refusal::default() };
        let address: Address = "Alert/a".parse().unwrap();
        let next = |e: &Refusal| of_refusal(e, &address, Action::Create).command();
        assert_eq!(next(&error(403, "DisabledFeature")), "casefile apply");
        assert_eq!(next(&error(403, "Forbidden")), "casefile doctor");
        assert_eq!(next(&error(400, "Whatever")), "casefile plan");
        // It may be the triage that was refused.
        assert_eq!(next(&error(404, "ResourceNotFound")), "casefile plan");
        let package: Address = "InvestigationPackage/a".parse().unwrap();
        let permanent = of_refusal(&error(400, "OsPlatformNotSupported"), &package, Action::Create);
        assert_eq!(permanent.command(), "casefile apply --replace InvestigationPackage/a");
        let message = "The property 'ExternalId' does not exist".to_owned();
        let unknown = Refusal { message, ..error(400, "InvalidRequestBody") };
        let way = of_refusal(&unknown, &package, Action::Create);
        assert!(way.what.contains("recovery.marker") && way.command() == "casefile apply", "{way:?}");
        let cancel = of_refusal(&error(401, "Unauthorized"), &package, Action::Cancel);
        assert_eq!(cancel.command(), "casefile cancel InvestigationPackage/a --comment TEXT");
    }
}
