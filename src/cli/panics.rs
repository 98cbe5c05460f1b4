//! A panic is told like every other error: one line that cannot break out of the terminal, and what to do.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use super::stream;
use crate::render::escape::one_line;

/// Takes std's own hook away, which writes raw and waits for its reader.
pub fn tell() {
    std::panic::set_hook(Box::new(|panic| {
        let mut text = message(panic.payload_as_str(), &place(panic));
        // Only if RUST_BACKTRACE asks for it.
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            text.push_str(&format!("{trace}"));
        }
        stream::complain(&text);
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
}
