//! Log lines on stderr.
//!
//! Other crates' events below `info` never pass, whatever RUST_LOG says: their debug output holds
//! headers, and headers hold tokens.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::args::{Global, LogFormat};
use super::context::Context;
use super::exit::Error;
use super::stream::LogLine;

/// Starts logging. RUST_LOG wins over `-v` and `-q`.
pub fn start(global: &Global, ctx: &Context) -> Result<(), Error> {
    let filter: Box<dyn Filter<_> + Send + Sync> = match ctx.env.get("RUST_LOG") {
        Some(text) => {
            let bad = |e| Error::Environment { name: "RUST_LOG", why: format!("is no filter: {e}") };
            Box::new(EnvFilter::try_new(text).map_err(bad)?)
        }
        None => Box::new(usual(global.verbose, global.quiet)),
    };
    let json = global.log_format == LogFormat::Json;
    let lines = fmt::layer().with_writer(move || LogLine::new(json)).with_ansi(ctx.color_err);
    let layer = match global.log_format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    // Only a second start in one process can fail, and then there is a subscriber.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter_fn(may_show)).with_filter(filter))
        .try_init();
    Ok(())
}

fn usual(verbose: u8, quiet: bool) -> Targets {
    let (all, ours) = match verbose {
        _ if quiet => (Level::ERROR, Level::ERROR),
        0 => (Level::WARN, Level::WARN),
        1 => (Level::WARN, Level::INFO),
        2 => (Level::INFO, Level::DEBUG),
        _ => (Level::INFO, Level::TRACE),
    };
    Targets::new().with_default(all).with_target("casefile", ours)
}

fn may_show(event: &Metadata<'_>) -> bool {
    let ours = event.target() == "casefile" || event.target().starts_with("casefile::");
    ours || *event.level() <= Level::INFO
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl Write for Sink {
        fn write(&mut self, b: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(b);
            Ok(b.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn headers_of_other_crates_never_show() {
        let sink = Sink::default();
        let make = sink.clone();
        let layer = fmt::layer().with_writer(move || make.clone());
        let all = EnvFilter::new("trace");
        let subscriber =
            tracing_subscriber::registry().with(layer.with_filter(filter_fn(may_show)).with_filter(all));
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "h2::codec", "authorization: Bearer abc");
            tracing::info!(target: "hyper", "connected");
            tracing::trace!(target: "casefile::plan", "row 11");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("Bearer"), "{text}");
        assert!(text.contains("connected") && text.contains("row 11"), "{text}");
    }

    #[test]
    fn more_is_told_with_each_v() {
        let shows = |verbose, quiet, level| {
            let filter = usual(verbose, quiet);
            (filter.would_enable("casefile::plan", &level), filter.would_enable("hyper::client", &level))
        };
        assert_eq!(shows(0, false, Level::WARN), (true, true));
        assert_eq!(shows(0, false, Level::INFO), (false, false));
        assert_eq!(shows(1, false, Level::INFO), (true, false));
        assert_eq!(shows(2, false, Level::DEBUG), (true, false));
        assert_eq!(shows(3, false, Level::TRACE), (true, false));
        assert_eq!(shows(3, true, Level::WARN), (false, false));
    }
}
