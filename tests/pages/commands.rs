//! The `console` blocks of all pages are run by a shell, in order and as they stand: a folder for each page, with a copy
//! of the examples, a home of its own and the sandbox for a service. A line without `$` is output that has to appear;
//! `[..]` in it stands for anything, and `...` alone for lines that are left out. What cannot run says why: by a mark of
//! the page, or in the list here. Where the tool would ask a person, the answer is yes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::error::ErrorKind;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::page::{Block, Mark, Page, ROOT, blocks, pages};

/// Programs that no page runs here, by how their lines begin, and why.
const NOT_RUN: [(&str, &str); 9] = [
    ("cargo build", "this test was built"),
    ("cargo test", "this is one, and the gate runs all of them"),
    ("cargo bench", "it measures"),
    ("cargo install", "it compiles for minutes"),
    ("cargo +nightly", "it needs another compiler"),
    ("FAULTS=whole cargo test", "it takes minutes"),
    ("scripts/", "they measure, or install what they need"),
    ("az ", "it needs an account"),
    ("conftest ", "it is to be installed; tests/policies.rs runs the policies without it"),
];

/// Programs that are run beside the tool.
const RUN: [&str; 15] = [
    "cat",
    "cd",
    "cp",
    "echo",
    "git",
    "grep",
    "head",
    "jq",
    "ls",
    "mkdir",
    "mv",
    "rm",
    "sed",
    "seq",
    "sha256sum",
];

/// A page whose commands another test runs.
const ELSEWHERE: [&str; 1] = ["CONTRIBUTING.md"];

/// A command line, and the output that the page shows below it.
#[derive(Debug, PartialEq)]
struct Step<'a> {
    line: &'a str,
    shown: Vec<&'a str>,
    exits: i32,
}

impl<'a> Step<'a> {
    fn new(line: &'a str) -> Step<'a> {
        Step { line, shown: Vec::new(), exits: 0 }
    }
}

fn steps<'a>(block: &Block<'a>) -> Vec<Step<'a>> {
    let mut out: Vec<Step<'a>> = Vec::new();
    for line in &block.lines {
        match line.strip_prefix("$ ") {
            Some(line) => out.push(Step::new(line)),
            None => out.last_mut().expect("output belongs to a command").shown.push(line),
        }
    }
    for mark in &block.marks {
        if let (Mark::Exits(code), Some(last)) = (mark, out.last_mut()) {
            last.exits = *code;
        }
    }
    out
}

/// Returns whether the parts of `pattern` around `[..]` stand in one line of `output`, in order.
fn appears(pattern: &str, output: &str) -> bool {
    output.lines().any(|line| {
        let mut rest = line;
        pattern.trim().split("[..]").all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    })
}

/// The line as it is run: the built tool in place of `cargo run`, and a yes where a person would be asked.
fn runnable(line: &str) -> String {
    let line = match line.strip_prefix("cargo run -- ") {
        Some(rest) => format!("casefile {rest}"),
        None => line.to_owned(),
    };
    let command = line.split(" # ").next().unwrap_or_default().trim_end();
    let words: Vec<&str> = command.split(' ').collect();
    let asks = words[0] == "casefile"
        && (words.contains(&"apply") || words.contains(&"cancel") || words.contains(&"--discover"));
    let answered = |w: &&str| ["--auto-approve", "--expect", "--sealed"].contains(w) || w.ends_with(".json");
    match asks && !words.iter().any(answered) {
        true => format!("{command} --auto-approve"),
        false => line,
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        // What an earlier run by hand has left behind.
        if entry.file_name() == ".casefile" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

/// The folders of a page that is played.
struct Player {
    root: tempfile::TempDir,
    /// Where the reader is.
    dir: PathBuf,
    ran: usize,
}

impl Player {
    fn new() -> Player {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("work");
        copy(&Path::new(ROOT).join("examples"), &dir.join("examples"));
        std::fs::create_dir(root.path().join("home")).unwrap();
        let settings = "[user]\n\tname = Ann\n\temail = ann@example.org\n[init]\n\tdefaultBranch = main\n";
        std::fs::write(root.path().join("home/.gitconfig"), settings).unwrap();
        Player { root, dir, ran: 0 }
    }

    fn shell(&self, line: &str) -> Command {
        let tool = Path::new(env!("CARGO_BIN_EXE_casefile")).parent().unwrap();
        let path = format!("{}:{}", tool.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(line).current_dir(&self.dir).stdin(Stdio::null());
        shell.env_clear().env("PATH", path).env("HOME", self.root.path().join("home")).env("CI", "true");
        shell
    }

    fn write(&self, path: &str, lines: &[&str]) {
        let path = self.dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }

    /// Runs a line; the error says what is wrong with it.
    fn run(&mut self, step: &Step<'_>) -> Result<(), String> {
        if let Some(to) = step.line.strip_prefix("cd ") {
            self.dir.push(to);
            return match self.dir.is_dir() {
                true => Ok(()),
                false => Err(format!("there is no folder {to}")),
            };
        }
        let out = self.shell(&runnable(step.line)).output().unwrap();
        let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        if out.status.code() != Some(step.exits) {
            return Err(format!("{}, not {}\n{text}", out.status, step.exits));
        }
        self.ran += 1;
        match step.shown.iter().find(|shown| shown.trim() != "..." && !appears(shown, &text)) {
            Some(shown) => Err(format!("no line like `{shown}` in\n{text}")),
            None => Ok(()),
        }
    }
}

/// Why a line is not run, if it is not; an error if nobody says so.
fn not_run(line: &str) -> Result<bool, String> {
    let program = line.split(' ').next().unwrap_or_default();
    if line.starts_with("cargo run -- ") || program == "casefile" || RUN.contains(&program) {
        return Ok(false);
    }
    if !NOT_RUN.iter().any(|(begin, _)| line.starts_with(begin)) {
        return Err("a program that no test runs: mark the block, `<!-- not run: WHY -->`".into());
    }
    for word in line.split(' ').filter(|w| w.starts_with("scripts/")) {
        if !Path::new(ROOT).join(word).exists() {
            return Err(format!("{word} is not there"));
        }
    }
    Ok(true)
}

/// Commands of the tool that cannot run are typed right all the same.
fn parses(line: &str) -> Result<(), String> {
    let line = line.split(" # ").next().unwrap_or_default();
    let Some(line) = line.strip_prefix("casefile ") else { return Ok(()) };
    let words = casefile::cli::exec::words(&format!("casefile {line}")).map_err(|e| e.to_string())?;
    match casefile::cli::command().try_get_matches_from(words) {
        Err(e) if e.exit_code() != 0 => Err(e.to_string()),
        _ => Ok(()),
    }
}

/// Plays a page until something goes wrong: what follows is built on it. Returns how many lines were run, and the fault.
fn play(page: &Page) -> (usize, Option<String>) {
    let mut player = Player::new();
    for block in blocks(&page.text) {
        if let Err(why) = play_block(&mut player, &block) {
            return (player.ran, Some(format!("{}:{}: {why}", page.path, block.line)));
        }
    }
    (player.ran, None)
}

fn play_block(player: &mut Player, block: &Block<'_>) -> Result<(), String> {
    let mut skipped = false;
    for mark in &block.marks {
        match mark {
            Mark::Before(line) => {
                player.run(&Step::new(line)).map_err(|why| format!("before: {line}\n{why}"))?
            }
            Mark::File(path) => player.write(path, &block.lines),
            Mark::NotRun(_) => skipped = true,
            Mark::Exits(_) => {}
        }
    }
    if block.language != "console" {
        return Ok(());
    }
    for step in steps(block) {
        let done = match skipped || not_run(step.line).map_err(|why| format!("$ {}\n{why}", step.line))? {
            true => parses(step.line),
            false => player.run(&step),
        };
        done.map_err(|why| format!("$ {}\n{why}", step.line))?;
    }
    Ok(())
}

/// `PAGE=docs/quick-start.md` plays that one alone.
#[test]
fn every_command_of_every_page_works() {
    let one = std::env::var("PAGE").ok();
    let pages: Vec<Page> = pages()
        .into_iter()
        .filter(|page| !ELSEWHERE.contains(&&*page.path) && one.as_ref().is_none_or(|one| *one == page.path))
        .collect();
    let played: Vec<(usize, Option<String>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = pages.iter().map(|page| scope.spawn(|| play(page))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let wrong: Vec<&str> = played.iter().filter_map(|(_, wrong)| wrong.as_deref()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let ran: usize = played.iter().map(|(ran, _)| ran).sum();
    assert!(ran >= 60 || one.is_some(), "only {ran} commands were found");
}

/// Commands in the text, and in blocks that are no sessions: often with a word in place of a value, so that commands and
/// options are compared alone.
fn mentioned(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => inside = &*language != "console",
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(text) if inside => found.extend(text.lines().map(str::to_owned)),
            Event::Code(code) => found.push(code.replace('\n', " ")),
            _ => {}
        }
    }
    found.retain(|line| line.starts_with("casefile "));
    found
}

/// The error of a command or an option that there is not.
fn unknown(line: &str) -> Option<String> {
    // What only a shell understands is no word of ours.
    let words = casefile::cli::exec::words(line).ok()?;
    // `COMMAND` stands for one, and what scripts of completion ask is hidden from people. Topics of `help` are read before
    // the commands are.
    let is_topic = words.get(1).is_some_and(|w| w == "help");
    if is_topic || words.iter().any(|w| w == "COMMAND" || w == "__complete") {
        return None;
    }
    let e = casefile::cli::command().try_get_matches_from(words).err()?;
    matches!(e.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand).then(|| e.to_string())
}

#[test]
fn every_command_in_the_text_is_one() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for page in pages() {
        for line in mentioned(&page.text) {
            seen += 1;
            wrong.extend(unknown(&line).map(|why| format!("{}: {line}: {why}", page.path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 80, "only {seen} were found");
    assert_eq!(mentioned("a `casefile plan` b\n```\ncasefile x\nno\n```\n"), ["casefile plan", "casefile x"]);
    assert!(unknown("casefile plam").is_some() && unknown("casefile plan --fast").is_some());
    assert!(unknown("casefile import NAME").is_none());
}

#[test]
fn a_page_that_is_wrong_is_found() {
    let page = |text: &str| Page { path: "page.md".into(), text: text.into() };
    let block = |lines: &str| page(&format!("```console\n{lines}\n```\n"));
    for (lines, what) in [
        ("$ casefile plam", "exit status: 64"),
        (
            "$ casefile -C examples/quickstart plan\nTo send: 7 packages.",
            "no line like `To send: 7 packages.`",
        ),
        ("$ terraform plan", "a program that no test runs"),
        ("$ scripts/not-there", "scripts/not-there is not there"),
        ("$ cd nowhere", "there is no folder nowhere"),
    ] {
        let (_, wrong) = play(&block(lines));
        assert!(wrong.as_ref().is_some_and(|wrong| wrong.contains(what)), "{lines}: {wrong:?}");
    }
    let marked =
        page("<!-- not run: it needs a tenant -->\n```console\n$ casefile doctor --cluod public\n```\n");
    assert!(play(&marked).1.unwrap().contains("--cluod"));
    let good = block("$ casefile -C examples/quickstart plan\nTo send: 1 package,[..]\n...\n$ cargo test");
    assert_eq!(play(&good), (1, None));
}

#[test]
fn a_person_would_say_yes() {
    assert_eq!(runnable("cargo run -- -C x plan"), "casefile -C x plan");
    assert_eq!(runnable("casefile apply --wait   # asks"), "casefile apply --wait --auto-approve");
    assert_eq!(runnable("casefile apply plan.json"), "casefile apply plan.json");
    assert_eq!(runnable("casefile apply --sealed"), "casefile apply --sealed");
    assert_eq!(runnable("casefile import --discover"), "casefile import --discover --auto-approve");
    assert!(appears("a [..] c", "x\n a b c\n") && !appears("a [..] c", "a\nc\n"));
}
