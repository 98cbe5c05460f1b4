//! Words of other tools, and the ones for them here.
//!
//! Only what clap does not know is looked up: a word that is ours means what it says. A wrong guess of clap's own would be
//! worse than none: `--refresh-only` is no misspelt `--fresh`, which sends what a lost state has sent already.

use std::ffi::OsString;

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::topics;

/// Commands of other tools, and what to run here.
const COMMANDS: [(&[&str], &str); 12] = [
    (
        &["destroy", "delete", "rm"],
        "nothing at the service is deleted; casefile cancel NAME --comment TEXT ends a collection that runs, and \
         lifecycle.onRemove says what becomes of a manifest that is removed",
    ),
    (
        &["refresh", "sync"],
        "casefile status, which looks at the service and changes nothing; plan and apply look first",
    ),
    (&["get", "ls", "list", "ps"], "casefile status, or casefile state list"),
    (&["describe", "show", "output"], "casefile status NAME -v, or casefile state show NAME"),
    (&["logs", "history"], "casefile log"),
    (&["diff", "preview"], "casefile plan"),
    (&["create", "add"], "casefile new package HOST, or casefile new incident NAME"),
    (&["taint", "replace"], "casefile apply --replace NAME"),
    (&["collect", "run", "up", "deploy"], "casefile new package HOST, then casefile apply"),
    (&["lint", "check", "fmt"], "casefile validate"),
    (&["explain"], "casefile schema manifest"),
    (&["download", "pull"], "casefile fetch"),
];

/// Options of other tools, and what to write here.
const OPTIONS: [(&[&str], &str); 17] = [
    (&["-target", "--target"], "name files, or labels: casefile plan PATH, or casefile plan -l KEY=VALUE"),
    (&["-f", "--file", "--filename"], "files and folders stand by themselves: casefile plan PATH"),
    (&["-o", "--output"], "--format json; more for people with -v"),
    (&["-json", "--json", "-ojson", "-oyaml"], "--format json"),
    (&["-y", "--yes", "--assume-yes", "-auto-approve", "--approve", "--force"], "--auto-approve"),
    (&["-dry-run", "--dry-run", "--what-if"], "casefile plan, which shows the calls and sends none"),
    (
        &["-refresh-only", "--refresh-only"],
        "casefile status, which looks at the service and changes nothing; apply records what it sees even if there is \
         nothing to send",
    ),
    (&["-refresh", "--refresh"], "--no-refresh leaves the look out; without it each plan looks first"),
    (&["-destroy", "--destroy"], "casefile cancel NAME --comment TEXT"),
    (&["-w", "--watch", "--follow"], "casefile apply --wait, which stays until collections are over"),
    (
        &["-var", "--var", "-var-file", "--var-file"],
        "casefile new incident NAME --runbook RUNBOOK --set KEY=VALUE",
    ),
    (&["-n", "--namespace", "-chdir", "--chdir", "--project", "--dir"], "-C DIR names the project folder"),
    (&["-A", "--all", "--all-namespaces"], "nothing: without a selection all of the project is meant"),
    (&["--label", "--labels"], "-l KEY=VALUE"),
    (&["-no-color", "--no-color"], "--color never"),
    (&["-lock", "--lock", "--lock=false"], "--lock-timeout DURATION; no run goes without the lock"),
    (&["-a", "-m", "--message", "--reason"], "--comment TEXT"),
];

/// Puts the right word into an error of clap, in place of its own guess.
pub fn correct(e: &mut clap::Error, command: &Command, args: &[OsString]) {
    let words: Vec<String> = args.iter().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let hint = match e.kind() {
        ErrorKind::InvalidSubcommand => of_command(&words, command),
        ErrorKind::UnknownArgument => of_option(&words, command),
        _ => None,
    };
    let Some(hint) = hint else { return };
    // The usage shows the guess, too.
    let guesses = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::Suggested,
        ContextKind::Usage,
    ];
    for guess in guesses {
        e.remove(guess);
    }
    e.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(hint)]));
}

fn of_command(words: &[String], command: &Command) -> Option<String> {
    if let Some(meant) = topics::meant(words) {
        return Some(meant);
    }
    let typed = words.iter().find(|w| !w.starts_with('-') && command.find_subcommand(w).is_none())?;
    let known = COMMANDS.iter().find(|(names, _)| names.contains(&typed.as_str()))?;
    Some(known.1.to_owned())
}

fn of_option(words: &[String], command: &Command) -> Option<String> {
    let at = words.iter().find_map(|w| command.find_subcommand(w));
    let at = at.map_or(command, |sub| words.iter().find_map(|w| sub.find_subcommand(w)).unwrap_or(sub));
    let has =
        |long: &str| at.get_arguments().chain(command.get_arguments()).any(|a| a.get_long() == Some(long));
    let has_short = |letter: char| {
        at.get_arguments().chain(command.get_arguments()).any(|a| a.get_short() == Some(letter))
    };
    for word in words.iter().filter(|w| w.starts_with('-')) {
        let name = word.split('=').next().unwrap_or_default();
        let ours =
            match (name.strip_prefix("--"), name.strip_prefix('-').map(|n| n.chars().collect::<Vec<_>>())) {
                (Some(long), _) => has(long),
                (None, Some(letters)) => matches!(&*letters, [one] if has_short(*one)),
                (None, None) => true,
            };
        if ours {
            continue;
        }
        // One dash too few, as Terraform writes its options.
        if let Some(long) = name.strip_prefix('-').filter(|n| n.len() > 1 && !n.starts_with('-') && has(n)) {
            return Some(format!("--{long}"));
        }
        if let Some((_, hint)) = OPTIONS.iter().find(|(names, _)| names.contains(&name)) {
            return Some((*hint).to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let command = super::super::command();
        let mut e = command.clone().try_get_matches_from(&args).unwrap_err();
        correct(&mut e, &command, &args);
        e.to_string()
    }

    #[test]
    fn what_other_tools_call_it_gets_our_word() {
        for (line, word) in [
            ("casefile destroy", "casefile cancel NAME"),
            ("casefile refresh", "casefile status"),
            ("casefile get", "casefile status"),
            ("casefile apply -target=a", "casefile plan PATH"),
            ("casefile apply -f a.yaml", "stand by themselves"),
            ("casefile plan -o json", "--format json"),
            ("casefile -C x status --json", "--format json"),
            ("casefile apply -y", "--auto-approve"),
            ("casefile apply -auto-approve", "tip: --auto-approve"),
            ("casefile apply --dry-run", "casefile plan"),
            ("casefile plan -out=plan.json", "tip: --out"),
            ("casefile plan -refresh=false", "--no-refresh"),
        ] {
            assert!(told(line).contains(word), "{line}: {}", told(line));
        }
    }

    #[test]
    fn a_look_is_not_taken_for_a_fresh_start() {
        let told = told("casefile apply --refresh-only");
        assert!(told.contains("casefile status") && !told.contains("--fresh"), "{told}");
    }

    #[test]
    fn a_slip_of_the_finger_keeps_the_guess() {
        assert!(told("casefile plan --formt json").contains("--format"));
        assert!(told("casefile aply").contains("apply"));
    }
}
