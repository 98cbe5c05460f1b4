//! `help TOPIC`: what is told beside the commands. The texts are sections of `docs/cli.md`, their one home.

use std::ffi::OsString;

use super::exit::Code;
use super::usage;
use crate::manifest::nearest;
use crate::render::{Style, page};

/// The page that the texts stand on.
const PAGE: &str = include_str!("../../docs/cli.md");

/// The word that lists the topics.
pub const LIST: &str = "topics";

/// A section of the documentation that help shows.
#[derive(Debug)]
pub struct Topic {
    /// The word that is typed. No command has it.
    pub name: &'static str,
    /// Its subject, for the list.
    pub about: &'static str,
    heading: &'static str,
}

const fn topic(name: &'static str, about: &'static str, heading: &'static str) -> Topic {
    Topic { name, about, heading }
}

/// The topics, in the order in which the list names them.
pub const TOPICS: [Topic; 12] = [
    topic("project", "casefile.yaml, and what stands in it", "Project"),
    topic("manifests", "Packages and alerts in YAML, and their fields", "Manifests"),
    topic("runbooks", "Templates, and the incidents that give their values", "Runbooks and incidents"),
    topic("machines", "Machines by name, tag and file", "Machines"),
    topic("order", "What is sent before what", "Order"),
    topic("hunting", "Events and machines that a query finds", "Hunting"),
    topic("guard-rails", "Limits, protected machines, required comments", "Guard rails"),
    topic("names", "How commands take the names of resources", "Names of resources"),
    topic("repository", "Pipelines, pull requests and hooks", "In a repository"),
    topic("damage", "A state or a journal that is not whole", "Damage"),
    topic("environment", "The variables that are read", "Environment"),
    topic("exit-codes", "What each exit code means", "Exit codes"),
];

impl Topic {
    /// Returns its text for a terminal.
    pub fn text(&self, style: Style) -> String {
        let others = TOPICS.map(|t| t.heading);
        page::text(page::section(PAGE, self.heading, &others).unwrap_or_default(), style)
    }
}

/// Answers `help WORD` for a topic, or for the list of them; none if the word means something else.
pub fn answer(args: &[OsString]) -> Option<Code> {
    let [_, help, word] = args else { return None };
    let word = word.to_str().filter(|_| help == "help")?;
    if word == LIST {
        return Some(usage::page(|_| list()));
    }
    let topic = TOPICS.iter().find(|t| t.name == word)?;
    Some(usage::page(|style| topic.text(style)))
}

/// Returns what to type in place of `help WORD`, where the word is no command and no topic.
pub fn meant(words: &[String]) -> Option<String> {
    let [help, word, ..] = words else { return None };
    if help != "help" {
        return None;
    }
    let known = TOPICS.iter().map(|t| t.name).chain([LIST]);
    Some(match nearest(word, known) {
        Some(name) => format!("casefile help {name}"),
        None => format!("casefile help {LIST}, which lists what is told beside the commands"),
    })
}

fn list() -> String {
    let rows = TOPICS.iter().map(|t| format!("  {:<13}{}\n", t.name, t.about));
    format!("Topics, for `casefile help TOPIC`:\n{}\nCommands: casefile help.\n", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_has_a_section_and_a_word_of_its_own() {
        let mut command = super::super::command();
        command.build();
        for topic in &TOPICS {
            let raw = page::section(PAGE, topic.heading, &[]).unwrap_or_default();
            assert!(raw.lines().count() > 5, "docs/cli.md has no section `{}`", topic.heading);
            assert!(command.find_subcommand(topic.name).is_none(), "{} is a command", topic.name);
            assert!(topic.name.len() < 13 && topic.about.len() < 60, "{topic:?}");
        }
        assert!(command.find_subcommand(LIST).is_none());
    }

    #[test]
    fn the_documentation_lists_the_topics() {
        let section = page::section(PAGE, "`casefile help`", &[]).unwrap();
        let cells = section.lines().filter_map(|l| l.strip_prefix("| `")?.split(" | ").next());
        let named: Vec<&str> =
            cells.flat_map(|cell| cell.split('`').filter(|w| !w.is_empty() && *w != ", ")).collect();
        assert_eq!(named, TOPICS.map(|t| t.name));
    }

    /// Blocks of code are shown as they are; every other line fits.
    #[test]
    fn a_topic_is_text_for_a_terminal() {
        for topic in &TOPICS {
            for width in [40, 80] {
                let text = topic.text(Style { width, color: false, verbose: 0 });
                let wide: Vec<&str> =
                    text.lines().filter(|l| l.chars().count() > width && !l.starts_with("    ")).collect();
                assert!(wide.is_empty(), "{}: {wide:#?}", topic.name);
                for mark in ["](", "**", "|---", "\\|"] {
                    let left: Vec<&str> =
                        text.lines().filter(|l| l.contains(mark) && !l.contains('`')).collect();
                    assert!(left.is_empty(), "{}: {left:#?}", topic.name);
                }
            }
        }
    }

    #[test]
    fn the_topic_of_exit_codes_tells_each_code() {
        let topic = TOPICS.iter().find(|t| t.name == "exit-codes").unwrap();
        let text = topic.text(Style { width: 80, color: false, verbose: 0 });
        let told: Vec<u8> = text.lines().filter_map(|l| l.split(' ').next()?.parse().ok()).collect();
        assert_eq!(told, Code::ALL.map(Code::as_u8));
    }

    #[test]
    fn a_word_that_is_no_topic_is_told_the_nearest() {
        let meant = |line: &str| meant(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(meant("help manifest").as_deref(), Some("casefile help manifests"));
        assert_eq!(meant("help exitcodes").as_deref(), Some("casefile help exit-codes"));
        assert!(meant("help kubernetes").unwrap().starts_with("casefile help topics"));
        assert_eq!(meant("plan manifest"), None);
    }
}
