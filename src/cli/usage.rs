//! The output of clap: help on stdout, wrong usage on stderr, with what was typed shown escaped.

use std::borrow::Cow;
use std::error::Error as _;
use std::io::IsTerminal as _;

use clap::builder::StyledStr;
use clap::error::ContextValue;

use super::args::Color;
use super::context::{colored, environment, unwritten};
use super::exit::Code;
use super::report;
use super::stream;
use crate::platform;
use crate::render::Style;
use crate::render::escape::one_line;

/// Shows it; gives the exit code.
pub fn show(e: &clap::Error) -> Code {
    // What was typed is not known yet, and neither is a variable that cannot be read.
    let env = environment().unwrap_or_default();
    let is_error = e.use_stderr();
    let terminal = if is_error { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
    let painted = colored(Color::Auto, terminal && platform::shows_colors(), &env);
    stream::paint(painted, painted);
    let text = escaped(e);
    let text = if painted { text.ansi().to_string() } else { text.to_string() };
    if is_error {
        stream::complain(&text);
        // clap's own code for wrong usage is 2, which is taken.
        return Code::Usage;
    }
    printed(&text)
}

/// Columns that pages of help are laid out for at the most, as clap lays out its own.
pub const WIDEST: usize = 100;

/// Shows a page of help; gives the exit code.
pub fn page(write: impl FnOnce(Style) -> String) -> Code {
    let env = environment().unwrap_or_default();
    let color = colored(Color::Auto, std::io::stdout().is_terminal() && platform::shows_colors(), &env);
    stream::paint(color, color);
    let width = terminal_size::terminal_size_of(std::io::stdout()).map_or(80, |(w, _)| usize::from(w.0));
    printed(&write(Style { width: width.min(WIDEST), color, verbose: 0 }))
}

fn printed(text: &str) -> Code {
    match stream::show(text).map_err(unwritten) {
        Ok(()) => Code::Done,
        Err(e) => report(&e, None),
    }
}

/// The message, with each text that was typed as one line, wherever clap quotes it.
fn escaped(e: &clap::Error) -> StyledStr {
    let mut quoted: Vec<String> = Vec::new();
    for (_, value) in e.context() {
        match value {
            ContextValue::String(text) => quoted.push(text.clone()),
            ContextValue::Strings(texts) => quoted.extend(texts.iter().cloned()),
            _ => {}
        }
    }
    // Why a value is not taken quotes it, too.
    quoted.extend(e.source().map(ToString::to_string));
    let mut text = e.render().ansi().to_string();
    for quoted in &quoted {
        if let Cow::Owned(safe) = one_line(quoted) {
            text = text.replace(quoted, &safe);
        }
    }
    StyledStr::from(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::Cli;
    use super::*;

    #[test]
    fn what_was_typed_stays_in_its_line() {
        let hostile = "x\u{1b}[2J\u{202e}\n::error::y";
        for words in [
            vec![hostile.to_owned()],
            vec![format!("--{hostile}")],
            vec!["plan".into(), format!("--{hostile}")],
            vec!["plan".into(), "--format".into(), hostile.into()],
            vec!["plan".into(), format!("--replace={hostile}")],
            vec!["state".into(), "show".into(), hostile.into()],
            vec!["apply".into(), "--expect".into(), hostile.into()],
            vec!["apply".into(), "--timeout".into(), hostile.into()],
            vec!["verify".into(), hostile.into()],
        ] {
            let e =
                Cli::try_parse_from(["casefile".to_owned()].into_iter().chain(words.clone())).unwrap_err();
            let text = escaped(&e).ansi().to_string();
            let plain = crate::render::escape::lines(&text, true);
            assert_eq!(plain, text, "{words:?}");
            assert!(text.contains("\\n::error::y"), "{words:?}: {text}");
        }
    }
}
