//! `completions SHELL`, and the question that its scripts ask back: which words of the project could stand here?
//!
//! clap's script knows commands, flags and their values. Addresses, labels, runbooks and revisions are the project's, so
//! for bash, zsh and fish the script first runs `casefile __complete WORD...`, which says no (exit code 1) where none is
//! expected; then clap's own part answers. The question is answered from the state's folder, the manifests and git: it
//! writes nothing, asks no service, and on any trouble knows no word rather than fail.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;

use super::args::{Color, CompletionsArgs, Global, LogFormat};
use super::context::Context;
use super::exit::{Code, Error};
use super::git;
use super::project;
use super::store;
use super::topics::{LIST, TOPICS};
use crate::manifest;
use crate::model::{Address, Kind, Template};
use crate::plan::names::{Named, shown_in};
use crate::render::escape;
use crate::state::local;

/// The first argument of the question. It is no command: clap does not know it, no help shows it.
pub const QUESTION: &str = "__complete";

/// Prints the script; the shell's own documentation says where it goes.
pub fn run(ctx: &Context, args: &CompletionsArgs) -> Result<Code, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut with_topics(), "casefile", &mut script);
    ctx.document(&with_addresses(args.shell, &String::from_utf8_lossy(&script)))?;
    Ok(Code::Done)
}

/// The commands, with the topics of help among those that `help` takes.
fn with_topics() -> Command {
    let mut all = super::command();
    // Only then clap's own `help` is there.
    all.build();
    let topics = TOPICS.iter().map(|t| (t.name, t.about)).chain([(LIST, "What is told beside the commands")]);
    let topic = |(name, about): (&'static str, &'static str)| {
        Command::new(name).about(about).bin_name(format!("casefile help {name}")).disable_help_flag(true)
    };
    all.mut_subcommand("help", |help| help.subcommands(topics.map(topic)))
}

/// clap's script, asked second. Its function gets another name, so that however the shell loads the file
/// (sourced, from `fpath`), the one that is called is ours.
fn with_addresses(shell: Shell, script: &str) -> String {
    let wrapper = match shell {
        Shell::Bash => include_str!("template/complete.bash"),
        Shell::Zsh => include_str!("template/complete.zsh"),
        Shell::Fish => return format!("{script}\n{}", include_str!("template/complete.fish")),
        _ => return script.to_owned(),
    };
    let (theirs, ours) = ("\n_casefile() {\n", "\n_casefile_static() {\n");
    let script = format!("\n{script}");
    let Some((head, body)) = script.split_once(theirs) else { return script };
    format!("{head}\n{wrapper}{ours}{body}").trim_start_matches('\n').to_owned()
}

/// Answers `__complete WORD...`: the words up to the cursor, as the shell has them. One candidate a line.
pub fn answer(words: &[OsString]) -> Code {
    let words: Vec<String> = words.iter().map(|w| unquoted(&w.to_string_lossy())).collect();
    let Some(place) = Place::of(&super::command(), &words) else { return Code::Failed };
    let mut text = String::new();
    let mut found = candidates(&place).unwrap_or_default();
    found.retain(|word| word.starts_with(&place.begun));
    for word in found {
        text.push_str(&format!("{}{}\n", place.before, escape::one_line(&word)));
    }
    let global = global(None);
    // Nobody is there to be told.
    let _ = Context::new(&global).map(|ctx| ctx.out(&text));
    Code::Done
}

/// The words that can stand in a place; nothing where they cannot be read.
fn candidates(place: &Place) -> Option<BTreeSet<String>> {
    let global = global(place.project.clone());
    let ctx = Context::new(&global).ok()?.in_project_above(&global);
    let project = project::read(&ctx).ok()?.ok()?;
    // A state that is elsewhere is not asked for at every key.
    let state = || Some(local::read(&store::folder(&ctx, &project).ok()?).ok()?.state);
    let labels =
        |all: &BTreeMap<String, String>| all.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
    Some(match place.wanted {
        Wanted::Recorded { packages_only } => {
            let state = state()?;
            let names = shown_in(&state);
            let takes = |a: &&Address| !packages_only || a.kind() == Kind::InvestigationPackage;
            let shown = |a: &Address| names.get(a).cloned().unwrap_or_else(|| a.to_string());
            state.resources.keys().filter(takes).map(shown).collect()
        }
        Wanted::Declared => {
            let loaded = manifest::load(&ctx.dir, &project);
            let templates = loaded.templates.iter().map(Template::address);
            loaded.resources.iter().map(|d| &d.address).chain(templates).map(Address::to_string).collect()
        }
        Wanted::Runbooks => manifest::runbook_parameters(&ctx.dir, &project).into_keys().collect(),
        Wanted::Labels => {
            let loaded = manifest::load(&ctx.dir, &project);
            let declared = loaded.resources.iter().chain(loaded.templates.iter().map(Template::declared));
            let mut all: BTreeSet<String> = declared.flat_map(|d| labels(&d.labels)).collect();
            all.extend(state().iter().flat_map(|s| s.resources.values()).flat_map(|r| labels(&r.labels)));
            all
        }
        Wanted::Revisions => git::revisions(&ctx)?.into_iter().collect(),
    })
}

fn global(project: Option<PathBuf>) -> Global {
    Global {
        project,
        verbose: 0,
        quiet: true,
        color: Color::Never,
        log_format: LogFormat::Text,
        allow_host: Vec::new(),
        ca_file: None,
        trace_http: None,
    }
}

/// The kind of words that fit a place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    /// An address of the state. Of an alert there is nothing to cancel.
    Recorded { packages_only: bool },
    /// An address that a manifest declares.
    Declared,
    /// The name of a runbook.
    Runbooks,
    /// Labels that resources carry.
    Labels,
    /// A revision of git.
    Revisions,
}

/// Where a word of the project is expected.
#[derive(Debug, PartialEq)]
struct Place {
    /// `-C`
    project: Option<PathBuf>,
    /// The words that fit there.
    wanted: Wanted,
    /// What stands before the address in the same word: `--replace=`.
    before: String,
    /// The typed part of the address.
    begun: String,
}

impl Place {
    /// Reads the words as clap would. The last one is the one that is being typed.
    fn of(command: &Command, words: &[String]) -> Option<Place> {
        let mut root = command.clone();
        root.build();
        let mut at = &root;
        let mut project = None;
        let mut pending: Option<&Arg> = None;
        let mut positional = 0;
        let mut options_end = false;
        let (last, typed) = words.split_last()?;
        for word in typed.iter().skip(1) {
            if let Some(arg) = pending {
                // bash takes `--replace=x` for three words.
                if word != "=" {
                    set_project(&mut project, arg, word);
                    pending = None;
                }
            } else if options_end || !word.starts_with('-') || word == "-" {
                match at.has_subcommands() {
                    true => at = at.find_subcommand(word)?,
                    false => positional += 1,
                }
            } else if word == "--" {
                options_end = true;
            } else if let Some((arg, value)) = option(at, word) {
                match value {
                    Some(value) => set_project(&mut project, arg, value),
                    None => pending = Some(arg),
                }
            }
        }
        let (arg, before, begun) = match pending {
            Some(arg) if last == "=" => (arg, "", ""),
            Some(arg) => (arg, "", last.as_str()),
            None if last.starts_with("--") && !options_end => {
                let (arg, value) = option(at, last)?;
                let value = value?;
                (arg, &last[..last.len() - value.len()], value)
            }
            None if last.starts_with('-') && !options_end => return None,
            None => {
                let mut all = at.get_positionals();
                let arg = all.nth(positional).or_else(|| {
                    at.get_positionals().last().filter(|a| matches!(a.get_action(), ArgAction::Append))
                });
                (arg?, "", last.as_str())
            }
        };
        let wanted = wanted(at, arg)?;
        Some(Place { project, wanted, before: before.to_owned(), begun: begun.to_owned() })
    }
}

/// The kind of thing that the argument names: `import` names what is declared, and the new name of `state mv` nothing that is there.
fn wanted(command: &Command, arg: &Arg) -> Option<Wanted> {
    let types: [ValueParser; 2] = [clap::value_parser!(Address).into(), clap::value_parser!(Named).into()];
    match arg.get_id().as_str() {
        "selector" => Some(Wanted::Labels),
        "since" => Some(Wanted::Revisions),
        "runbook" | "runbooks" => Some(Wanted::Runbooks),
        "to" => None,
        _ if !types.iter().any(|of| of.type_id() == arg.get_value_parser().type_id()) => None,
        _ if command.get_name() == "import" => Some(Wanted::Declared),
        _ => Some(Wanted::Recorded { packages_only: command.get_name() == "cancel" }),
    }
}

fn set_project(project: &mut Option<PathBuf>, arg: &Arg, value: &str) {
    if arg.get_id() == "project" {
        *project = Some(PathBuf::from(value));
    }
}

/// The option of a word that takes a value, and the value if it is in the same word.
fn option<'a, 'w>(command: &'a Command, word: &'w str) -> Option<(&'a Arg, Option<&'w str>)> {
    let takes = |arg: &&Arg| arg.get_action().takes_values();
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
        let arg = command.get_arguments().find(|a| a.get_long() == Some(name)).filter(takes)?;
        return Some((arg, value));
    }
    let mut letters = word.strip_prefix('-')?.chars();
    while let Some(letter) = letters.next() {
        let arg = command.get_arguments().find(|a| a.get_short() == Some(letter))?;
        if takes(&arg) {
            let rest = letters.as_str();
            return Some((arg, Some(rest.strip_prefix('=').unwrap_or(rest)).filter(|v| !v.is_empty())));
        }
    }
    None
}

/// A word without the quotes and backslashes that shells leave in it. Nothing is evaluated.
fn unquoted(word: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut letters = word.chars();
    while let Some(c) = letters.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => out.extend(letters.next()),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: &str) -> Option<Place> {
        let words: Vec<String> = line.split(' ').map(unquoted).collect();
        Place::of(&super::super::command(), &words)
    }

    #[test]
    fn where_an_address_is_expected() {
        for line in [
            "casefile plan --replace ",
            "casefile plan --replace Al",
            "casefile plan --replace=Al",
            "casefile plan --replace = Al",
            "casefile plan --replace =",
            "casefile plan -l a=b manifests --replace Alert/a --replace ",
            "casefile apply --auto-approve --replace ",
            "casefile -C dir -vv status ",
            "casefile status Alert/a --format json ",
            "casefile cancel ",
            "casefile cancel --comment why ",
            "casefile cancel -- ",
            "casefile --color never state show ",
            "casefile state rm --lock-timeout=5m ",
            "casefile state mv ",
            "casefile import ",
            "casefile import Al",
            "casefile plan -l ",
            "casefile status --selector=inc",
            "casefile plan --since ",
            "casefile new incident inc-1 --runbook ",
            "casefile test ",
        ] {
            assert!(place(line).is_some(), "{line}");
        }
        for line in [
            "casefile",
            "casefile ",
            "casefile pl",
            "casefile plan ",
            "casefile plan --repl",
            "casefile plan --replace Alert/a ",
            "casefile plan --replace Alert/a -",
            "casefile -C ",
            "casefile status --format ",
            "casefile cancel --comment ",
            "casefile import Alert/a ",
            "casefile state ",
            "casefile state mv Alert/a ",
            "casefile sandbox --listen ",
            "casefile nothing ",
        ] {
            assert_eq!(place(line), None, "{line}");
        }
    }

    #[test]
    fn what_was_typed_narrows_it() {
        let found = place("casefile -vC 'dir' cancel Inv").unwrap();
        assert_eq!(found.project, Some("dir".into()));
        assert_eq!(found.wanted, Wanted::Recorded { packages_only: true });
        assert_eq!((found.before.as_str(), found.begun.as_str()), ("", "Inv"));
        let found = place("casefile plan -Cx/y --replace=Alert/").unwrap();
        assert_eq!(found.project, Some("x/y".into()));
        assert_eq!((found.before.as_str(), found.begun.as_str()), ("--replace=", "Alert/"));
    }

    #[test]
    fn words_lose_their_quotes() {
        for (word, plain) in [
            ("my\\ cases", "my cases"),
            ("'a b'", "a b"),
            ("\"a'b\\\"\"", "a'b\""),
            ("$(x)", "$(x)"),
            ("\\", ""),
        ] {
            assert_eq!(unquoted(word), plain);
        }
    }

    /// clap's scripts could change; then the addresses must not get lost unnoticed.
    #[test]
    fn the_scripts_ask() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut with_topics(), "casefile", &mut script);
            let script = format!("\n{}", with_addresses(shell, &String::from_utf8(script).unwrap()));
            assert!(script.contains(QUESTION), "{shell}");
            for topic in &TOPICS {
                assert!(script.contains(topic.name), "{shell}: {}", topic.name);
            }
            if shell != Shell::Fish {
                assert_eq!(script.matches("\n_casefile() {").count(), 1, "{shell}");
                assert_eq!(script.matches("\n_casefile_static() {").count(), 1, "{shell}");
            }
        }
    }
}
