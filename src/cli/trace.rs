//! `--trace-http FILE`: exchanges with the service as a HAR 1.2 document.
//!
//! The document is closed behind every entry: each is written over the end of the document together with a new end, in one
//! write, and stands in a line of its own. So a run that is killed leaves a whole document; where even that write was cut,
//! what is missing is the end, and `sandbox --replay` and the next run go on behind the last whole line.
//!
//! A trace is for support and never stops a run: what cannot be written is told once.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::context::Context;
use super::exit::Error;
use super::{output, project};
use crate::defender::{Clock, Downloads, TraceSink, Traced, TracedDownloads, Transport};
use crate::files::{self, FileError};
use crate::manifest::Project;
use crate::platform;

/// The beginning of every trace of ours.
const HEAD: &str = concat!(
    r#"{"log":{"version":"1.2","creator":{"name":"casefile","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""},"comment":"Tokens and links to packages are left out. Names of devices and people, comments and answers are not.","entries":["#,
);

/// The part of it that other versions write too.
const CREATOR: &str = r#"{"log":{"version":"1.2","creator":{"name":"casefile","#;

/// The end of every trace.
const TAIL: &str = "\n]}}\n";

/// No more is written behind it: a run of hours asks much.
const LONGEST: u64 = 512 << 20;

/// The file that a command writes its exchanges to.
#[derive(Debug)]
pub struct Trace {
    path: PathBuf,
    document: Mutex<Document>,
}

#[derive(Debug)]
struct Document {
    file: File,
    /// Where the next entry goes: the end of the last one.
    end: u64,
    is_empty: bool,
    /// Nothing more is written.
    is_over: bool,
}

impl Trace {
    /// Opens the file, or makes it, readable by its owner alone. A trace of ours is gone on with.
    fn open(path: &Path) -> Result<Trace, Error> {
        let bad = |why: String| Error::BadFile { path: path.to_owned(), why };
        let file = files::open_to_rewrite(path).map_err(|e| match e {
            FileError::Io(source) => output::unwritten(path, source),
            refused => bad(format!("{refused}; name another file with --trace-http")),
        })?;
        if file.try_lock().is_err() {
            return Err(bad(
                "another run writes its trace there; name another file with --trace-http".to_owned()
            ));
        }
        let failed = |source| Error::Io { what: "write", path: path.to_owned(), source };
        let length = file.metadata().map_err(failed)?.len();
        let (end, is_empty) = if length == 0 {
            (HEAD.len() as u64, true)
        } else {
            let text = files::read_open(file.try_clone().map_err(failed)?, LONGEST + TAIL.len() as u64);
            let text = text.map_err(|e| bad(e.to_string()))?;
            let found = resumed(&text).ok_or_else(|| {
                bad("it is there and is no trace of casefile, so it is left as it is; name another file with \
                     --trace-http".to_owned())
            })?;
            platform::set_private(&file).map_err(failed)?;
            found
        };
        let mut document = Document { file, end, is_empty, is_over: false };
        if length == 0 {
            document.write_at(0, &[HEAD]).map_err(failed)?;
        }
        // What was cut goes, and the document is closed.
        document.file.set_len(end).map_err(failed)?;
        document.write_at(end, &[TAIL]).map_err(failed)?;
        Ok(Trace { path: path.to_owned(), document: Mutex::new(document) })
    }
}

impl Document {
    fn write_at(&mut self, at: u64, texts: &[&str]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(texts.concat().as_bytes())
    }

    fn put(&mut self, entry: &str) -> io::Result<()> {
        // A comma in front: what is torn is then the new line, and not the one before it.
        let lead = if self.is_empty { "\n" } else { "\n," };
        self.write_at(self.end, &[lead, entry, TAIL])?;
        self.end += (lead.len() + entry.len()) as u64;
        self.is_empty = false;
        Ok(())
    }
}

impl TraceSink for Trace {
    fn put(&self, entry: &str) {
        let mut document = self.document.lock().unwrap_or_else(PoisonError::into_inner);
        if document.is_over {
            return;
        }
        let path = self.path.display();
        if document.end + entry.len() as u64 > LONGEST {
            document.is_over = true;
            tracing::warn!("{path}: the trace ends here, at {} MiB", LONGEST >> 20);
        } else if let Err(e) = document.put(entry) {
            document.is_over = true;
            tracing::warn!("{path}: the trace ends here: {e}");
        }
    }
}

/// Where a trace goes on: the end of its last whole entry, and whether there is none. None if it is no trace of ours.
fn resumed(text: &[u8]) -> Option<(u64, bool)> {
    let text = text.strip_prefix(CREATOR.as_bytes()).map(|_| text)?;
    let head = text.iter().position(|b| *b == b'\n')?;
    let (mut end, mut is_empty, mut at) = (head, true, head + 1);
    for line in text.get(at..)?.split(|b| *b == b'\n') {
        let entry = line.strip_prefix(b",").unwrap_or(line);
        let is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(entry).is_ok();
        // What is torn may be closed by what stood there, as nothing at all.
        if !entry.starts_with(b"{\"") || !is_whole {
            break;
        }
        (end, is_empty) = (at + line.len(), false);
        at += line.len() + 1;
    }
    Some((end as u64, is_empty))
}

/// Returns the file that the exchanges of this command are written to, opened at the first question; none without
/// `--trace-http`.
///
/// # Errors
/// It cannot be written, it is something else, or it lies among manifests, state or evidence.
pub fn sink(ctx: &Context, project: &Project) -> Result<Option<Arc<Trace>>, Error> {
    let Some(typed) = &ctx.trace_http else { return Ok(None) };
    if let Some(open) = ctx.trace.get() {
        return Ok(Some(open.clone()));
    }
    let path = ctx.path(&ctx.typed(typed));
    output::refuse_kept(ctx, project, "--trace-http", typed, "a trace")?;
    project::stays_inside(ctx, &ctx.typed(typed))
        .map_err(|e| Error::BadFile { path: path.clone(), why: e.to_string() })?;
    let trace = Arc::new(Trace::open(&path)?);
    Ok(Some(ctx.trace.get_or_init(|| trace).clone()))
}

/// A transport, recorded where a trace is asked for.
pub fn transport(
    sink: Option<&Arc<Trace>>,
    clock: &Clock,
    base: &str,
    inner: Arc<dyn Transport>,
) -> Arc<dyn Transport> {
    match sink {
        Some(sink) => Arc::new(Traced::new(inner, base, sink.clone(), clock.clone())),
        None => inner,
    }
}

/// Downloads, recorded where a trace is asked for.
pub fn downloads(sink: Option<&Arc<Trace>>, clock: &Clock, inner: Arc<dyn Downloads>) -> Arc<dyn Downloads> {
    match sink {
        Some(sink) => Arc::new(TracedDownloads::new(inner, sink.clone(), clock.clone())),
        None => inner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        let har: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(har["log"]["version"], "1.2");
        har["log"]["entries"].as_array().unwrap().clone()
    }

    #[test]
    fn the_document_is_whole_behind_every_entry_and_the_next_run_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace.har");
        let trace = Trace::open(&path).unwrap();
        assert_eq!(entries(&path).len(), 0);
        for n in 1..=3 {
            trace.put(&format!("{{\"n\":{n}}}"));
            assert_eq!(entries(&path).len(), n);
        }
        assert!(Trace::open(&path).is_err(), "two runs do not write one file");
        drop(trace);
        Trace::open(&path).unwrap().put("{\"n\":4}");
        let all: Vec<i64> = entries(&path).iter().map(|e| e["n"].as_i64().unwrap()).collect();
        assert_eq!(all, [1, 2, 3, 4]);
    }

    #[test]
    fn a_write_that_was_cut_anywhere_costs_its_own_entry_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace.har");
        let trace = Trace::open(&path).unwrap();
        trace.put("{\"n\":1}");
        let before = std::fs::read(&path).unwrap();
        trace.put("{\"n\":\"two\"}");
        drop(trace);
        let after = std::fs::read(&path).unwrap();
        let from = before.len() - TAIL.len();
        for length in from..after.len() {
            // The bytes that were written, and what stood behind them.
            let mut torn = after[..length].to_vec();
            torn.extend(before.get(length..).unwrap_or_default());
            std::fs::write(&path, &torn).unwrap();
            Trace::open(&path).unwrap().put("{\"n\":3}");
            let all: Vec<String> = entries(&path).iter().map(|e| e["n"].to_string()).collect();
            assert!(all == ["1", "3"] || all == ["1", "\"two\"", "3"], "{length}: {all:?}");
        }
    }

    #[test]
    fn only_its_owner_reads_it_and_nothing_else_is_overwritten() {
        let Some(unix) = platform::testing::unix() else { return };
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        drop(Trace::open(&at("new.har")).unwrap());
        assert_eq!(unix.mode(&at("new.har")), 0o600);
        unix.set_mode(&at("new.har"), 0o644);
        drop(Trace::open(&at("new.har")).unwrap());
        assert_eq!(unix.mode(&at("new.har")), 0o600);
        for (name, text) in
            [("notes.txt", "notes"), ("other.har", r#"{"log":{"version":"1.2","creator":{"name":"x"}}}"#)]
        {
            std::fs::write(at(name), text).unwrap();
            assert!(Trace::open(&at(name)).is_err(), "{name}");
            assert_eq!(std::fs::read_to_string(at(name)).unwrap(), text, "{name}");
        }
        unix.link(at("new.har"), at("link"));
        unix.link(at("nothing"), at("dangling"));
        std::fs::hard_link(at("notes.txt"), at("hard")).unwrap();
        for name in ["link", "dangling", "hard", "."] {
            assert!(Trace::open(&at(name)).is_err(), "{name}");
        }
        assert!(!at("nothing").exists());
    }
}
