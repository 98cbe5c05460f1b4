//! A word to a person who waits: nothing is silent on a terminal for long.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use super::context::{Context, complain};
use crate::THREAD_STACK;

/// How long a person looks at a silent terminal.
const SILENCE: Duration = Duration::from_secs(2);

/// The name of the wait before a plan or a status is shown.
pub const READING: &str = "Reading what the service shows";

/// The name of the wait before a state elsewhere is known.
pub const SHARED: &str = "Reading the shared state";

/// The name of the wait for packages that are held in a folder or in object storage.
pub const EVIDENCE: &str = "Reading the evidence";

/// The name of the wait for a state that is written elsewhere.
pub const MOVING: &str = "Writing the state to its new place";

/// Something that may take long; dropped once it is over.
pub struct Waiting(#[expect(dead_code, reason = "its end is the sign")] Option<Sender<()>>);

/// Says what is waited for, if that takes longer than two seconds and a person watches.
pub fn waiting(ctx: &Context, what: &str) -> Waiting {
    let line = format!("{what} ...\n");
    Waiting((ctx.interactive && !ctx.quiet).then(|| after(SILENCE, move || complain(&line))).flatten())
}

/// Calls `tell` after a while, unless the sender is dropped before. None if there is no thread to be had: nothing depends
/// on the word.
fn after(pause: Duration, tell: impl FnOnce() + Send + 'static) -> Option<Sender<()>> {
    let (over, is_over) = mpsc::channel::<()>();
    let work = move || {
        if is_over.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            tell();
        }
    };
    std::thread::Builder::new().stack_size(THREAD_STACK).spawn(work).ok().map(|_| over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_long_is_told_and_who_does_not_is_not() {
        let (tell, told) = mpsc::channel();
        let slow = after(Duration::ZERO, {
            let tell = tell.clone();
            move || tell.send("slow").unwrap()
        });
        assert_eq!(told.recv(), Ok("slow"));
        drop(slow);
        let quick = after(Duration::MAX, move || tell.send("quick").unwrap());
        drop(quick);
        // The thread drops its sender without a word.
        assert!(told.recv().is_err());
    }
}
