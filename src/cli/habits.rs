//! Words of other tools, and the ones for them here.
//!
//! Only what clap does not know is looked up: a word that is ours means what it says. A wrong guess of clap's own would be
//! worse than none: `--refresh-only` is no misspelt `--fresh`, which sends what a lost state has sent already.

use std::ffi::OsString;

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::topics;
use crate::manifest::nearest;

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

/// The words that others have for the option that selects by labels.
const LABELS: [&str; 2] = ["--label", "--labels"];

/// How many commands are named that take an option.
const NAMED: usize = 4;

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
    (&LABELS, "-l KEY=VALUE"),
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
    if hint.is_none() && e.kind() == ErrorKind::UnknownArgument {
        // clap's guesses are far-fetched: an option that nobody knows is no path with a dash in front either.
        e.remove(ContextKind::SuggestedArg);
        e.remove(ContextKind::Suggested);
    }
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
    let at = Typed::of(words, command);
    for (n, word) in words.iter().enumerate().take_while(|(_, word)| *word != "--") {
        let name = word.split('=').next().unwrap_or_default();
        if !word.starts_with('-') || at.is_ours(name) {
            continue;
        }
        if name.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            return at.of_number(n.checked_sub(1).and_then(|n| words.get(n)), name);
        }
        // One dash too few, as Terraform writes its options.
        if let Some(long) = name.strip_prefix('-').filter(|n| n.len() > 1 && at.has(n)) {
            return Some(format!("--{long}"));
        }
        return at.of_known(name).or_else(|| at.of_slip(name));
    }
    None
}

/// The command that was typed, to look options up in.
struct Typed<'c> {
    all: &'c Command,
    at: &'c Command,
    /// As it is typed: `casefile new package`.
    line: String,
}

impl<'c> Typed<'c> {
    fn of(words: &[String], all: &'c Command) -> Self {
        let (mut at, mut line) = (all, "casefile".to_owned());
        for word in words {
            if let Some(sub) = at.find_subcommand(word) {
                (at, line) = (sub, format!("{line} {}", sub.get_name()));
            }
        }
        Typed { all, at, line }
    }

    /// The long names of a command's options, those of every command included.
    fn longs<'a>(&'a self, of: &'a Command) -> impl Iterator<Item = &'a str> {
        of.get_arguments().chain(self.all.get_arguments()).filter_map(clap::Arg::get_long)
    }

    fn has(&self, long: &str) -> bool {
        self.longs(self.at).any(|own| own == long)
    }

    fn has_short(&self, letter: char) -> bool {
        self.at.get_arguments().chain(self.all.get_arguments()).any(|a| a.get_short() == Some(letter))
    }

    fn is_ours(&self, name: &str) -> bool {
        if let Some(long) = name.strip_prefix("--") {
            return self.has(long);
        }
        let Some(letters) = name.strip_prefix('-') else { return true };
        let mut each = letters.chars();
        let Some(first) = each.next() else { return true };
        // Of several letters the first is an option, and the rest more of them or its value.
        let is_word = each.next().is_some() && (self.has(letters) || hint(name).is_some());
        !is_word && self.has_short(first)
    }

    /// A number with a dash in front: behind an option it is its value, and alone it is git's way to say how many.
    fn of_number(&self, before: Option<&String>, typed: &str) -> Option<String> {
        let number = typed.trim_start_matches('-');
        match before.filter(|word| word.starts_with('-') && self.is_ours(word)) {
            Some(option) => Some(format!("no value of {option} is below zero: {option} {number}")),
            None if self.has_short('n') => Some(format!("-n {number}")),
            None => None,
        }
    }

    /// An option of another tool, or of another command of ours.
    fn of_known(&self, name: &str) -> Option<String> {
        if LABELS.contains(&name) && !self.has_short('l') {
            return Some(self.without_labels());
        }
        if let Some(hint) = hint(name) {
            // A hint that is an option of ours helps where the command takes it.
            let long = hint.strip_prefix("--").and_then(|rest| rest.split([' ', ';', ',']).next());
            return match long.filter(|long| !self.has(long)) {
                Some(long) => self.elsewhere(long),
                None => Some(hint.to_owned()),
            };
        }
        self.elsewhere(name.strip_prefix("--")?)
    }

    /// The arguments that select in a command that takes no labels.
    fn without_labels(&self) -> String {
        match self.at.get_positionals().next().and_then(|p| p.get_value_names()?.first()) {
            Some(value) => format!("{} {value} selects; it takes no labels", self.line),
            None => format!("{} takes no labels", self.line),
        }
    }

    /// The commands that take an option which this one does not.
    fn elsewhere(&self, long: &str) -> Option<String> {
        let takes = |c: &&Command| c.get_arguments().any(|a| a.get_long() == Some(long));
        let names: Vec<&str> = self.all.get_subcommands().filter(takes).map(Command::get_name).collect();
        let line = &self.line;
        match &*names {
            [] => None,
            [one] => Some(format!("casefile {one} takes --{long}; {line} does not")),
            [most @ .., last] if most.len() < NAMED => {
                Some(format!("casefile {} and {last} take --{long}; {line} does not", most.join(", ")))
            }
            _ => Some(format!("{line} has no --{long}")),
        }
    }

    /// A slip of the finger in an option of ours, or in one of another tool.
    fn of_slip(&self, name: &str) -> Option<String> {
        let typed = name.strip_prefix("--").filter(|typed| typed.len() > 2)?;
        let known = OPTIONS.iter().flat_map(|(names, _)| *names).filter_map(|name| name.strip_prefix("--"));
        let others =
            || self.all.get_subcommands().flat_map(|c| c.get_arguments()).filter_map(clap::Arg::get_long);
        let meant = nearest(typed, self.longs(self.at).chain(known)).or_else(|| nearest(typed, others()))?;
        if self.has(meant) { Some(format!("--{meant}")) } else { self.of_known(&format!("--{meant}")) }
    }
}

/// The option to write here for that of another tool.
fn hint(name: &str) -> Option<&'static str> {
    OPTIONS.iter().find(|(names, _)| names.contains(&name)).map(|(_, hint)| *hint)
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
            ("casefile plan --label a=b", "tip: -l KEY=VALUE"),
            ("casefile plan --lable a=b", "tip: -l KEY=VALUE"),
            ("casefile validate --label a=b", "tip: casefile validate PATH selects; it takes no labels"),
            ("casefile verify --labels a=b", "tip: casefile verify takes no labels"),
            (
                "casefile plan --sealed",
                "tip: casefile validate and apply take --sealed; casefile plan does not",
            ),
            ("casefile log --auto-aprove", "auto-approve"),
            ("casefile seal -y", "take --auto-approve; casefile seal does not"),
            ("casefile log -n -3", "tip: no value of -n is below zero: -n 3"),
            ("casefile log -3", "tip: -n 3"),
            ("casefile apply --wait --timeout -5m", "tip: no value of --timeout is below zero: --timeout 5m"),
            ("casefile new package x --coment y", "tip: --comment"),
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
    fn what_nobody_knows_gets_no_tip() {
        for line in
            ["casefile plan --quux", "casefile plan -Z", "casefile validate -7", "casefile plan --fres-h=x"]
        {
            let told = told(line);
            assert!(!told.contains("-- -") && !told.contains("--selector"), "{told}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_keeps_the_guess() {
        assert!(told("casefile plan --formt json").contains("--format"));
        assert!(told("casefile aply").contains("apply"));
    }
}
