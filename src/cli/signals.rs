//! Signals: SIGINT, SIGTERM and SIGHUP, or what Windows has for them, end every command with exit code 130.
//!
//! A thread of its own listens, so that nothing that hangs or blocks can keep a signal away: not the network,
//! not a lock, not a terminal that takes no more output. Before a run begins a signal ends the process at
//! once: nothing can have been sent. In a run the first one asks it to stop, and the second one ends the
//! process at once: the journal has it all.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::exit::Code;
use super::stream;
use crate::THREAD_STACK;
use crate::platform::Signals;

/// The message that says what a run that sends calls does at the first signal.
pub const RUN: &str = "stopping: no more calls are started; those under way are finished and recorded";

/// The same before its first call.
pub const PLANNING: &str = "stopping: nothing was sent yet";
/// The same while it only looks how collections go on.
pub const FOLLOWING: &str = "stopping: collections go on at the service, and what is known of them is recorded; casefile status -w follows them";
/// The same while it fetches packages.
pub const FETCHING: &str =
    "stopping: no more packages are begun; what has come of them is kept for casefile fetch";

/// The effect of the next signal.
enum Next {
    /// Ends the process: nothing was sent.
    End,
    /// Asks the run to stop, and says so.
    Stop { tell: watch::Sender<bool>, words: &'static str },
    /// Ends the process in the middle of a run.
    EndRun,
    /// Ends a process whose work is done.
    EndQuietly,
}

static NEXT: Mutex<Next> = Mutex::new(Next::End);

fn set(next: Next) -> Next {
    std::mem::replace(&mut NEXT.lock().unwrap_or_else(PoisonError::into_inner), next)
}

/// Listens from now on. Where no thread can be had, a signal kills the process as it does any other.
pub fn listen() {
    let (ready, listening) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().stack_size(THREAD_STACK).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Ok(mut signals) = Signals::new() else { return };
            let _ = ready.send(());
            loop {
                signals.next().await;
                came();
            }
        });
    });
    if thread.is_ok() {
        // An error means that the thread gave up.
        let _ = listening.recv();
    }
}

fn came() {
    match set(Next::EndRun) {
        Next::Stop { tell, words } => {
            // First, so that what is said is true. The run may have ended already.
            let _ = tell.send(true);
            stream::interrupt();
            // A terminal shows `^C` where the cursor was.
            let start = if std::io::stderr().is_terminal() { "\n" } else { "" };
            stream::complain(&format!("{start}{words}\n"));
            return;
        }
        Next::End => stream::last_words("error: interrupted, nothing was sent\n"),
        Next::EndRun => stream::last_words(
            "stopped at once; what was sent is in the journal and looked up by the next run\n",
        ),
        Next::EndQuietly => {}
    }
    exit_now(Code::Interrupted);
}

/// Begins a run: gives what becomes true when it shall stop, at the first signal or when its results cannot
/// be written. `words` say what the run does then.
pub fn stop(words: &'static str) -> watch::Receiver<bool> {
    let (tell, told) = watch::channel(false);
    stream::halt_by(tell.clone());
    set(Next::Stop { tell, words });
    told
}

/// Says what a run does at the first signal from now on.
pub fn say(now: &'static str) {
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Next::Stop { words, .. } = &mut *next {
        *words = now;
    }
}

/// Ends a run: nothing is left that a signal could interrupt but the wait for a reader.
pub fn over() {
    set(Next::EndQuietly);
}

/// Ends the process whatever other threads do.
#[expect(
    clippy::disallowed_methods,
    reason = "a signal or a fault asks for just that; the kernel drops the lock, and the journal has it all"
)]
pub fn exit_now(code: Code) -> ! {
    std::process::exit(i32::from(code.as_u8()))
}
