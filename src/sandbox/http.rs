//! The HTTP front: a world behind a loopback port.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures::StreamExt;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::gzip;
use super::message::{Delivery, HttpRequest, HttpResponse, Refusal};
use super::replay::Replay;
use super::scenario::{Scenario, Seconds};
use super::store::Keeper;

/// What [`serve`] needs to know.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the world is kept. `None`: in memory.
    pub world_file: Option<PathBuf>,
    /// The rules. `None`: those the world was made with, or the defaults for a new one.
    pub scenario: Option<Scenario>,
    /// A file that gets a line of JSON (an [`Effect`](super::Effect)) for each change that took place,
    /// before the answer leaves.
    pub effects: Option<PathBuf>,
    /// What time it is.
    pub clock: Clock,
}

/// What time it is in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The system's.
    #[default]
    System,
    /// It begins here, or where a kept world stands, and moves with `POST /sandbox/advance` only.
    Virtual(jiff::Timestamp),
}

/// A running sandbox. Dropped without [`Server::shutdown`] it goes on as long as the runtime does.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    service: JoinHandle<io::Result<()>>,
    ticker: JoinHandle<()>,
    shared: Shared,
}

#[derive(Clone, Debug)]
struct Shared {
    inner: Arc<Mutex<Inner>>,
    stop: watch::Receiver<bool>,
}

/// The part that answers.
#[derive(Debug)]
enum Inner {
    /// A simulated world.
    World { keeper: Box<Keeper>, clock: Clock },
    /// Answers that were recorded.
    Recording(Replay),
}

#[expect(clippy::disallowed_methods, reason = "a served world has the system's time, as the service has")]
fn system_now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

impl Clock {
    fn now(self) -> jiff::Timestamp {
        match self {
            Clock::System => system_now(),
            Clock::Virtual(now) => now,
        }
    }
}

impl Inner {
    fn tick(&mut self) -> io::Result<()> {
        match self {
            Inner::World { keeper, clock } => keeper.tick(clock.now()),
            Inner::Recording(_) => Ok(()),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        match self {
            Inner::World { keeper, .. } => keeper.close(),
            Inner::Recording(_) => Ok(()),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a world is looked at for late calls, and for quiet moments to take a snapshot in.
const TICK: Duration = Duration::from_millis(200);
/// How long open connections may take to end at a shutdown.
const GRACE: Duration = Duration::from_secs(2);
/// The largest body that is read.
const MAX_BODY: usize = 1 << 20;

/// Starts a sandbox; returns once it listens.
///
/// Fails if the address is no loopback address or is taken, if a file cannot be read or written, and if
/// another process serves the same world file.
pub async fn serve(options: ServeOptions) -> io::Result<Server> {
    let listener = bind(options.listen).await?;
    let start = match options.clock {
        Clock::System => system_now(),
        Clock::Virtual(start) => start,
    };
    let keeper =
        Keeper::open(options.world_file.as_deref(), options.scenario, options.effects.as_deref(), start)?;
    let clock = match options.clock {
        Clock::System => Clock::System,
        Clock::Virtual(start) => Clock::Virtual(keeper.clock().unwrap_or(start)),
    };
    start_on(listener, Inner::World { keeper: Box::new(keeper), clock })
}

/// Starts a service that answers from a recording; returns once it listens.
///
/// Fails if the address is no loopback address or is taken.
pub async fn serve_replay(listen: SocketAddr, replay: Replay) -> io::Result<Server> {
    start_on(bind(listen).await?, Inner::Recording(replay))
}

async fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let loopback = match listen.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    if !loopback {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the sandbox takes any token, so it listens on loopback addresses only (127.0.0.1, [::1]), not on {listen}"
            ),
        ));
    }
    TcpListener::bind(listen).await
}

fn start_on(listener: TcpListener, inner: Inner) -> io::Result<Server> {
    let addr = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let shared = Shared { inner: Arc::new(Mutex::new(inner)), stop: stopped.clone() };

    let app = axum::Router::new().fallback(answer).with_state(shared.clone());
    let make = app.into_make_service_with_connect_info::<Connection>();
    let server = axum::serve(Loopback(listener), make).with_graceful_shutdown(until(stopped.clone()));
    let service = tokio::spawn(async move { server.await });
    let ticker = tokio::spawn(tick(shared.clone()));
    Ok(Server { addr, stop, service, ticker, shared })
}

impl Server {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Lets open calls end, writes the world down and frees its files and the port.
    pub async fn shutdown(mut self) -> io::Result<()> {
        // The receivers live in `shared`, so this cannot fail.
        let _ = self.stop.send(true);
        self.ticker.abort();
        if tokio::time::timeout(GRACE, &mut self.service).await.is_err() {
            self.service.abort();
        }
        self.shared.lock().close()
    }
}

async fn until(mut stop: watch::Receiver<bool>) {
    // An error means that the server was dropped: it goes on until the process ends.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn tick(shared: Shared) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(e) = shared.lock().tick() {
            tracing::warn!("the sandbox cannot write its world: {e}");
        }
    }
}

async fn answer(
    State(shared): State<Shared>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return into_response(Refusal::empty(413).into_response(0));
    };
    let text = |name: HeaderName| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
    let request = HttpRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        host: text(header::HOST),
        authorization: text(header::AUTHORIZATION),
        content_type: text(header::CONTENT_TYPE),
        forwarded_proto: text(HeaderName::from_static("x-forwarded-proto")),
        range: text(header::RANGE),
        if_range: text(header::IF_RANGE),
        body: body.into(),
    };
    let mut response = handle(&shared, &request).unwrap_or_else(|e| {
        tracing::warn!("the sandbox cannot write its world: {e}");
        Refusal::new(500, "InternalServerError", "").into_response(0)
    });
    if text(header::ACCEPT_ENCODING).is_some_and(|accepted| gzip::is_accepted(&accepted)) {
        compress(&mut response);
    }
    match response.delivery {
        Delivery::Normal | Delivery::Truncated | Delivery::Stalled => {}
        Delivery::Delayed(time) => {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = until(shared.stop.clone()) => {}
            }
        }
        Delivery::Closed => connection.0.store(CLOSE, Ordering::Release),
        Delivery::Reset => connection.0.store(RESET, Ordering::Release),
    }
    into_response(response)
}

/// Everything that changes the world goes through here, under the lock.
fn handle(shared: &Shared, request: &HttpRequest) -> io::Result<HttpResponse> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Advance {
        seconds: Seconds,
    }
    let mut inner = shared.lock();
    let (keeper, clock) = match &mut *inner {
        Inner::World { keeper, clock } => (keeper, clock),
        Inner::Recording(replay) => return Ok(replay.answer(request)),
    };
    if let (Clock::Virtual(now), "POST", "/sandbox/advance") =
        (*clock, request.method.as_str(), request.path.as_str())
    {
        let Ok(advance) = serde_json::from_slice::<Advance>(&request.body) else {
            return Ok(Refusal::new(400, "BadRequest", r#"expected {"seconds": 1.5}"#).into_response(0));
        };
        let now = advance.seconds.after(now);
        *clock = Clock::Virtual(now);
        keeper.tick(now)?;
        // Time that passed by command is in no journal.
        keeper.save()?;
        return Ok(super::wire::json(200, &serde_json::json!({ "now": now })));
    }
    keeper.handle(clock.now(), request)
}

/// Compresses a JSON answer. One that is cut on the way stays as it is, so that a client meets the same cut.
fn compress(response: &mut HttpResponse) {
    let json = response.header("Content-Type").is_some_and(|t| t.starts_with("application/json"));
    let whole = !matches!(response.delivery, Delivery::Truncated | Delivery::Stalled);
    if json && whole && response.filling.is_none() && !response.body.is_empty() {
        // Compression in memory does not fail; if it did, the body as it is would do as well.
        if let Ok(body) = gzip::compress(&response.body) {
            response.body = body;
            response.headers.push(("Content-Encoding", "gzip".to_owned()));
            response.headers.push(("Vary", "Accept-Encoding".to_owned()));
        }
    }
}

fn into_response(response: HttpResponse) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in &response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    let status = StatusCode::from_u16(response.status);
    let cut = matches!(response.delivery, Delivery::Stalled | Delivery::Truncated);
    let body = if cut || response.filling.is_some() {
        headers.insert(header::CONTENT_LENGTH, response.length().into());
        piecewise(response, cut)
    } else {
        Body::from(response.body)
    };
    let mut out = Response::new(body);
    // Statuses are 200 to 599 here; a scenario's are checked when it is read.
    *out.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *out.headers_mut() = headers;
    out
}

/// A body that is made while it is sent; of one that is cut the first half.
fn piecewise(response: HttpResponse, cut: bool) -> Body {
    let mut left = if cut { response.length() / 2 } else { response.length() };
    let pieces = std::iter::once(response.body).chain(response.filling.into_iter().flatten());
    let sent = pieces.filter(|piece| !piece.is_empty()).map_while(move |mut piece| {
        let kept = left.min(piece.len() as u64);
        left -= kept;
        piece.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        (kept > 0).then(|| Ok::<_, io::Error>(Bytes::from(piece)))
    });
    let sent = futures::stream::iter(sent);
    match response.delivery {
        Delivery::Stalled => Body::from_stream(sent.chain(futures::stream::pending())),
        Delivery::Truncated => {
            // The error follows once the first half is on its way.
            let error = futures::stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::from(io::ErrorKind::ConnectionAborted))
            });
            Body::from_stream(sent.chain(error))
        }
        _ => Body::from_stream(sent),
    }
}

/// What becomes of a connection at its next write: [`OPEN`], [`CLOSE`] or [`RESET`].
#[derive(Clone, Debug)]
struct Connection(Arc<AtomicU8>);

const OPEN: u8 = 0;
const CLOSE: u8 = 1;
const RESET: u8 = 2;

/// A listener whose connections can be cut in place of an answer.
struct Loopback(TcpListener);

impl Listener for Loopback {
    type Io = Cuttable;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Cuttable, SocketAddr) {
        let (stream, addr) = Listener::accept(&mut self.0).await;
        // Without it small answers wait for the client's acknowledgement; with a failure they just do.
        let _ = stream.set_nodelay(true);
        (Cuttable { stream, fate: Arc::new(AtomicU8::new(OPEN)) }, addr)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Loopback>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Loopback>) -> Self {
        Connection(stream.io().fate.clone())
    }
}

struct Cuttable {
    stream: TcpStream,
    fate: Arc<AtomicU8>,
}

impl Cuttable {
    fn check(&self) -> io::Result<()> {
        match self.fate.load(Ordering::Acquire) {
            OPEN => return Ok(()),
            RESET => self.stream.set_zero_linger()?,
            _ => {}
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fate.load(Ordering::Acquire) == RESET {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
