//! stdout and stderr: the one place that writes to them.
//!
//! **What is written.** Text for people goes through [`escape::lines`]: whatever it quotes, it cannot move the
//! cursor, hide itself or command the runner of a pipeline. Documents are safe by their own formats.
//!
//! **When.** At first whoever has something to write writes it, and waits for a reader that is slow; a signal
//! ends the process meanwhile. In a command that sends calls ([`detach`]), nobody waits any more: a thread per
//! stream writes what is queued, and a frozen terminal or a pipe that nobody reads holds up neither a call
//! nor a signal. The queues are bounded. Lines for people that do not fit are counted, and the count is told
//! in their place. Events are results and none of them is left out: if they cannot be written, the run is
//! asked to stop.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::THREAD_STACK;
use crate::platform;
use crate::render::escape;

/// Bytes that wait for the reader of stderr: some thousand lines.
const LINES: usize = 1024 * 1024;
/// Bytes of events that wait for the reader of stdout: more than an hour of calls at the service's quotas.
const EVENTS: usize = 16 * 1024 * 1024;
/// Bytes that are written at once; between two pieces it is noticed that the reader reads.
const PIECE: usize = 4096;
/// A reader that takes nothing for so long is not waited for when the process ends.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the order of two streams on one terminal is waited for.
const ORDER: Duration = Duration::from_millis(200);

static OUT: Stream = Stream::new(Target::Out, EVENTS);
static ERR: Stream = Stream::new(Target::Err, LINES);
/// Asks the run to stop when its events cannot be written.
static HALT: OnceLock<watch::Sender<bool>> = OnceLock::new();
/// Set by the first signal: from then on no reader is waited for that takes nothing.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Says whether text for people may hold colour.
pub fn paint(out: bool, err: bool) {
    OUT.painted.store(out, Ordering::Relaxed);
    ERR.painted.store(err, Ordering::Relaxed);
}

/// Writes a result for people to stdout; returns once it is written.
pub fn show(text: &str) -> io::Result<()> {
    document(&OUT.for_people(text))
}

/// Writes a result for programs to stdout as it is; returns once it is written.
pub fn document(text: &str) -> io::Result<()> {
    // Both may be one terminal.
    ERR.drain(Some(ORDER)).or_else(unread)?;
    if OUT.push(text, Full::Grow) { OUT.drain(None) } else { OUT.write_now(text) }
}

/// Writes an event to stdout. Never waits once calls can be under way.
pub fn event(line: &str) {
    if !OUT.push(line, Full::Fail) {
        let _ = OUT.write_now(line);
    }
}

/// Writes lines for people to stderr. There is nowhere to report that stderr itself is closed.
pub fn complain(text: &str) {
    let text = ERR.for_people(text);
    if !ERR.push(&text, Full::Drop) {
        let _ = ERR.write_now(&text);
    }
}

/// The text that is drawn below all lines of stderr, a terminal: whole lines, none wider than it. It is asked for anew each second.
pub type Live = Box<dyn Fn() -> String + Send>;

/// Shows lines below all others on stderr, a terminal, and draws them again in their place; none takes them away. Needs
/// [`detach`].
pub fn live(draw: Option<Live>) {
    if let Some(queue) = ERR.lock().as_mut() {
        queue.live = draw;
        queue.redraw = true;
    }
    ERR.changed.notify_all();
}

/// Returns whether anything is drawn below the lines.
pub fn is_live() -> bool {
    ERR.lock().as_ref().is_some_and(|queue| queue.live.is_some())
}

/// Draws what [`live`] shows now: it has changed.
pub fn redraw() {
    if let Some(queue) = ERR.lock().as_mut() {
        queue.redraw |= queue.live.is_some();
    }
    ERR.changed.notify_all();
}

/// From now on nobody waits for a reader.
pub fn detach() -> io::Result<()> {
    for stream in [&OUT, &ERR] {
        let mut queue = stream.lock();
        if queue.is_none() {
            std::thread::Builder::new().stack_size(THREAD_STACK).spawn(|| stream.work())?;
            *queue = Some(Queue::default());
        }
    }
    Ok(())
}

/// Sets `halt` to true if events cannot be written.
pub fn halt_by(halt: watch::Sender<bool>) {
    // A process has one run.
    let _ = HALT.set(halt);
}

/// A signal came: who waits for a reader looks whether it reads.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::Relaxed);
    for stream in [&OUT, &ERR] {
        // Who is about to wait holds the lock until it does.
        drop(stream.lock());
        stream.changed.notify_all();
    }
}

/// Why results could not be written, if that went wrong. A reader that went away is no fault.
pub fn failure() -> Option<io::Error> {
    let queue = OUT.lock();
    let failed = queue.as_ref()?.failed.as_ref()?;
    (failed.kind() != ErrorKind::BrokenPipe).then(|| again(failed))
}

/// Waits until the results are written: as long as it takes, but after a signal only as long as the reader
/// reads.
pub fn finish() -> Result<(), io::Error> {
    // After a signal the reader may be given up; that is no failure.
    let _ = OUT.drain(None);
    failure().map_or(Ok(()), Err)
}

/// Waits until stderr is written, unless nobody reads it.
pub fn finish_lines() {
    live(None);
    ERR.tell_dropped();
    let _ = ERR.drain(Some(PATIENCE));
}

/// The last line of a process that ends at once: written if that takes no time.
pub fn last_words(text: impl Into<Cow<'static, str>>) {
    let text = text.into();
    let (tell, told) = std::sync::mpsc::channel();
    let write = move || {
        complain(&text);
        let _ = ERR.drain(Some(ORDER));
        let _ = tell.send(());
    };
    if std::thread::Builder::new().stack_size(THREAD_STACK).spawn(write).is_ok() {
        let _ = told.recv_timeout(ORDER);
    }
}

/// Lines of the log: each write is one event, as text or as JSON.
pub struct LogLine {
    json: bool,
}

impl LogLine {
    /// For events in one of the two forms.
    pub fn new(json: bool) -> Self {
        LogLine { json }
    }
}

impl Write for LogLine {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.trim_end_matches('\n');
        if self.json {
            complain(&format!("{}\n", escape::json_in_a_log(line)));
        } else {
            // An event is one line: other line breaks came with what it quotes.
            complain(&format!("{}\n", line.replace('\n', "\\n")));
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a stream goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Out,
    Err,
}

struct Stream {
    target: Target,
    limit: usize,
    painted: AtomicBool,
    /// None: whoever has something to write writes it.
    queue: Mutex<Option<Queue>>,
    /// Something was queued, written, or interrupted.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<u8>,
    /// The thread is writing.
    busy: bool,
    /// Pieces that were written.
    written: u64,
    /// Lines that did not fit, since the last one that did.
    dropped: usize,
    failed: Option<io::Error>,
    live: Option<Live>,
    /// The text below has changed, or another second has gone by.
    redraw: bool,
}

/// The treatment of text that the queue has no room for.
#[derive(Clone, Copy)]
enum Full {
    /// It is queued all the same: its writer waits for it.
    Grow,
    /// It is counted.
    Drop,
    /// The stream counts as failed.
    Fail,
}

impl Stream {
    const fn new(target: Target, limit: usize) -> Self {
        Stream {
            target,
            limit,
            painted: AtomicBool::new(false),
            queue: Mutex::new(None),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Queue>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn for_people<'a>(&self, text: &'a str) -> Cow<'a, str> {
        escape::lines(text, self.painted.load(Ordering::Relaxed))
    }

    /// Queues a text; false if there is no queue.
    fn push(&self, text: &str, full: Full) -> bool {
        let mut queue = self.lock();
        let Some(queue) = queue.as_mut() else { return false };
        if queue.failed.is_some() {
            return true;
        }
        // A long text by itself fits: it is there already, and all of it or nothing is told.
        let fits = queue.pending.is_empty() || queue.pending.len() + text.len() <= self.limit;
        match full {
            Full::Drop if !fits => queue.dropped += text.lines().count(),
            Full::Fail if !fits => {
                queue.failed = Some(io::Error::other("nobody reads the events"));
                queue.pending.clear();
                halt();
            }
            _ => {
                queue.tell_dropped();
                queue.pending.extend(text.as_bytes());
            }
        }
        self.changed.notify_all();
        true
    }

    fn tell_dropped(&self) {
        if let Some(queue) = self.lock().as_mut() {
            queue.tell_dropped();
        }
        self.changed.notify_all();
    }

    /// Waits until everything is written; with a time, only as long as the reader takes something within it.
    fn drain(&self, patience: Option<Duration>) -> io::Result<()> {
        let mut guard = self.lock();
        loop {
            let Some(queue) = guard.as_ref() else { return Ok(()) };
            if let Some(e) = &queue.failed {
                return Err(again(e));
            }
            if queue.pending.is_empty() && !queue.busy {
                return Ok(());
            }
            let written = queue.written;
            let interrupted = INTERRUPTED.load(Ordering::Relaxed).then_some(PATIENCE);
            let Some(time) = patience.or(interrupted) else {
                guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let stuck =
                |q: &mut Option<Queue>| q.as_ref().is_some_and(|q| q.written == written && q.is_busy());
            let waited = self.changed.wait_timeout_while(guard, time, stuck);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                let given_up = if patience.is_some() { ErrorKind::TimedOut } else { ErrorKind::Interrupted };
                return Err(given_up.into());
            }
            guard = again;
        }
    }

    /// Writes what is queued, for ever.
    fn work(&'static self) {
        let mut drawn = 0;
        loop {
            let Some(piece) = self.next(&mut drawn) else { return };
            let result = self.write_bytes(&piece);
            self.note(result);
        }
    }

    /// The next bytes to write, once there are some; none if the stream has failed.
    fn next(&self, drawn: &mut usize) -> Option<Vec<u8>> {
        const SECOND: Duration = Duration::from_secs(1);
        let mut guard = self.lock();
        loop {
            let queue = guard.as_mut()?;
            if queue.failed.is_some() {
                return None;
            }
            if !queue.pending.is_empty() || queue.redraw {
                let piece = queue.piece(drawn);
                queue.busy = true;
                queue.redraw = false;
                return Some(piece);
            }
            if queue.live.is_some() {
                let waited = self.changed.wait_timeout(guard, SECOND);
                let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                guard = again;
                if timeout.timed_out()
                    && let Some(queue) = guard.as_mut()
                {
                    queue.redraw = queue.live.is_some();
                }
            } else {
                guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Notes how a write ended.
    fn note(&self, result: io::Result<()>) {
        let mut guard = self.lock();
        if let Some(queue) = guard.as_mut() {
            queue.busy = false;
            queue.written += 1;
            if let Err(e) = result {
                // Where people read along, and where a reader has gone away, the run goes on.
                if self.target == Target::Out && e.kind() != ErrorKind::BrokenPipe {
                    halt();
                }
                queue.failed = Some(e);
                queue.pending.clear();
            }
        }
        self.changed.notify_all();
    }

    fn write_now(&self, text: &str) -> io::Result<()> {
        self.write_bytes(text.as_bytes())
    }

    fn write_bytes(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.target.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // Another process that shares the terminal or pipe has made it non-blocking.
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl Target {
    fn write(self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Out => platform::write_out(bytes),
            Target::Err => platform::write_err(bytes),
        }
    }
}

impl Queue {
    fn is_busy(&self) -> bool {
        self.failed.is_none() && (self.busy || !self.pending.is_empty())
    }

    fn tell_dropped(&mut self) {
        let lines = match std::mem::take(&mut self.dropped) {
            0 => return,
            1 => "1 line is".to_owned(),
            n => format!("{n} lines are"),
        };
        self.pending.extend(format!("({lines} missing here: nobody read them in time)\n").as_bytes());
    }

    /// Some of what is queued, and what is drawn below it, if all is written. `drawn` is how many lines stand there.
    fn piece(&mut self, drawn: &mut usize) -> Vec<u8> {
        let mut piece = match *drawn {
            0 => Vec::new(),
            // To the start of the first of them, and nothing is left below.
            lines => format!("\r\x1b[{lines}A\x1b[J").into_bytes(),
        };
        let end = self.pending.len().min(PIECE);
        let text: Vec<u8> = self.pending.drain(..end).collect();
        let line_ends = text.last().is_none_or(|b| *b == b'\n');
        piece.extend(text);
        *drawn = 0;
        if let Some(draw) = self.live.as_ref().filter(|_| self.pending.is_empty() && line_ends) {
            let lines = draw();
            *drawn = lines.matches('\n').count();
            piece.extend(lines.into_bytes());
        }
        piece
    }
}

fn halt() {
    if let Some(halt) = HALT.get() {
        // Nobody listens once the run is over.
        let _ = halt.send(true);
    }
}

/// Nobody reads: no fault of the other stream.
fn unread(_: io::Error) -> io::Result<()> {
    Ok(())
}

fn again(e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_in_its_place() {
        let mut queue = Queue::default();
        queue.pending.extend(b"one\n");
        queue.dropped = 2;
        queue.tell_dropped();
        queue.pending.extend(b"four\n");
        let text: Vec<u8> = queue.pending.iter().copied().collect();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "one\n(2 lines are missing here: nobody read them in time)\nfour\n"
        );
    }

    #[test]
    fn what_is_drawn_stays_below_the_lines() {
        let mut queue = Queue { live: Some(Box::new(|| "one\ntwo\n".into())), ..Queue::default() };
        let mut drawn = 0;
        let mut piece = |queue: &mut Queue| String::from_utf8(queue.piece(&mut drawn)).unwrap();
        assert_eq!(piece(&mut queue), "one\ntwo\n");
        queue.pending.extend(b"a line\n");
        assert_eq!(piece(&mut queue), "\r\u{1b}[2A\u{1b}[Ja line\none\ntwo\n");
        queue.live = None;
        assert_eq!(piece(&mut queue), "\r\u{1b}[2A\u{1b}[J");
        assert_eq!(piece(&mut queue), "");
    }
}
