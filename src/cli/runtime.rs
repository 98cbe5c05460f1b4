//! Runtimes that wait for the library's asynchronous work.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::Pin;

use tokio::runtime::Builder;

use super::exit::Error;
use crate::THREAD_STACK;

/// Threads, timers and sockets of one command.
pub struct Runtime(tokio::runtime::Runtime);

/// The runtime for commands that talk to something.
pub fn runtime() -> Result<Runtime, Error> {
    let mut builder = Builder::new_multi_thread();
    // Unless it is told, tokio asks TOKIO_WORKER_THREADS, and panics where that makes no sense.
    builder.worker_threads(std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
    started(builder.enable_all())
}

/// The runtime for commands that only look: a few calls, for which no threads are started.
pub fn reading_runtime() -> Result<Runtime, Error> {
    started(Builder::new_current_thread().enable_all())
}

/// The runtime of a clock that stands still until somebody waits, and then goes on to the end of the first wait. It
/// reaches no network.
pub fn virtual_runtime() -> Result<Runtime, Error> {
    started(Builder::new_current_thread().enable_time().start_paused(true))
}

fn started(builder: &mut Builder) -> Result<Runtime, Error> {
    builder.thread_stack_size(THREAD_STACK).build().map(Runtime).map_err(no_threads)
}

/// Where the system gives no more threads.
pub fn no_threads(source: io::Error) -> Error {
    Error::Io { what: "start threads in", path: PathBuf::from("this process"), source }
}

impl Runtime {
    /// Waits for the end of a piece of work.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        let mut out = None;
        // tokio's loop is compiled for this one type, and not for each command's work.
        let work: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(async { out = Some(work.await) });
        self.0.block_on(work);
        out.unwrap_or_else(|| unreachable!("the work has come to its end"))
    }
}
