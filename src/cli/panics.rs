//! A panic is told like every other error: one line that cannot break out of the terminal, and what to do.
//!
//! It ends the process at once, whichever thread it is of: nothing is sent by a program that has a fault, and nothing
//! unwinds. The next run looks up what was sent, as after any other kill. A process that aborted would leave its memory
//! on disk where the system keeps such files, and with it a token.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use super::exit::Code;
use super::{signals, stream};
use crate::render::escape::one_line;

/// Takes std's own hook away, which writes raw, waits for its reader and lets other threads go on.
pub fn end_at_once() {
    std::panic::set_hook(Box::new(|panic| {
        let mut text = message(panic.payload_as_str(), &place(panic));
        // Only if RUST_BACKTRACE asks for it.
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            text.push_str(&format!("{trace}"));
        }
        stream::last_words(text);
        signals::exit_now(Code::Failed);
    }));
}

fn place(panic: &PanicHookInfo<'_>) -> String {
    panic.location().map(ToString::to_string).unwrap_or_default()
}

fn message(why: Option<&str>, place: &str) -> String {
    format!(
        "error: a fault in casefile itself, at {place}: {}\n  report it with this line; what was sent is in the journal, and \
         casefile apply looks it up\nnext: casefile status\n",
        one_line(why.unwrap_or("unknown"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_panic_quotes_stays_in_its_line() {
        let text = message(Some("index 3 of `\u{1b}[2J\n::error::x`"), "src/a.rs:1:2");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("`\\u{1b}[2J\\n::error::x`"), "{text}");
    }

    #[test]
    #[ignore = "another test runs it in a process of its own"]
    fn a_thread_panics() {
        end_at_once();
        let ended = std::thread::spawn(|| panic!("made for a test")).join();
        unreachable!("the process goes on: {}", ended.is_err());
    }

    #[test]
    fn a_panic_of_any_thread_ends_the_process_and_is_told() {
        let name = "cli::panics::tests::a_thread_panics";
        let test = std::env::current_exe().unwrap();
        let output = std::process::Command::new(test)
            .args([name, "--exact", "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(i32::from(Code::Failed.as_u8())), "{said}");
        assert!(said.starts_with("error: a fault in casefile itself, at src/cli/panics.rs:"), "{said}");
        assert!(said.contains(": made for a test\n") && !said.contains("goes on"), "{said}");
    }
}
