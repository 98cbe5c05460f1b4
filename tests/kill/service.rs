//! The simulated service, with a hand on the process that calls it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::Response;
use casefile::sandbox::{Effect, HttpRequest, HttpResponse, Origin, Scenario, World};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::process::Victim;

/// Collections end at once, so that a second call would take effect and be seen; nothing is limited.
const SCENARIO: &str = "{ delays: { pending: 0, running: 0 }, quotas: { enabled: false } }";

/// A world behind a port that stays the same from run to run.
pub struct Service {
    runtime: Runtime,
    listener: TcpListener,
    shared: Arc<Shared>,
}

struct Shared {
    world: Mutex<World>,
    /// Kill this process right after so many effects.
    kill: Mutex<Option<(usize, Victim)>>,
    /// Calls that change something, as they came in.
    posts: watch::Sender<usize>,
    /// Whether their answers leave.
    answering: watch::Sender<bool>,
    /// All calls, as they came in.
    requests: watch::Sender<usize>,
    /// Whether calls of any kind hang, before anything is done.
    frozen: watch::Sender<bool>,
}

/// The port is served as long as this lives.
pub struct Serving {
    stop: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Service {
    pub fn new() -> Service {
        Service::with(SCENARIO)
    }

    pub fn with(scenario: &str) -> Service {
        let world = World::new(Scenario::from_yaml(scenario).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let shared = Shared {
            world: Mutex::new(world),
            kill: Mutex::new(None),
            posts: watch::Sender::new(0),
            answering: watch::Sender::new(true),
            requests: watch::Sender::new(0),
            frozen: watch::Sender::new(false),
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Service { runtime, listener, shared: Arc::new(shared) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Starts to answer.
    pub fn serve(&self) -> Serving {
        let _inside = self.runtime.enter();
        let listener = tokio::net::TcpListener::from_std(self.listener.try_clone().unwrap()).unwrap();
        let app = axum::Router::new().fallback(answer).with_state(self.shared.clone());
        let (stop, mut stopped) = watch::channel(false);
        let until = async move {
            let _ = stopped.wait_for(|s| *s).await;
        };
        let serve = axum::serve(listener, app).with_graceful_shutdown(until);
        Serving { stop, server: self.runtime.spawn(async move { serve.await }) }
    }

    /// Ends when all that came in has been worked on, also calls of a process that is dead by now: what
    /// takes effect later than that is another test's subject.
    pub fn drain(&self, serving: Serving) {
        self.hold(false);
        self.freeze(false);
        // Connections are accepted in their order, so this one comes after those of the dead.
        let mut last = std::net::TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        last.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        last.read_to_end(&mut Vec::new()).unwrap();
        let _ = serving.stop.send(true);
        self.runtime.block_on(serving.server).unwrap().unwrap();
    }

    /// Kills a process right after the `k`-th effect of this world, before its answer leaves.
    /// `spawn` starts it.
    pub fn kill_after<R>(&self, k: usize, spawn: impl FnOnce() -> (Victim, R)) -> R {
        // Held until the process is known: no effect can come in between.
        let mut kill = guard(&self.shared.kill);
        let (victim, rest) = spawn();
        *kill = Some((k, victim));
        rest
    }

    /// Keeps answers back, or lets them go.
    pub fn hold(&self, hold: bool) {
        self.shared.answering.send_replace(!hold);
    }

    /// Lets every call hang, or those that hang go on.
    pub fn freeze(&self, freeze: bool) {
        self.shared.frozen.send_replace(freeze);
    }

    /// Waits until so many calls that change something have come in.
    pub fn wait_for_posts(&self, n: usize) {
        self.wait_for(&self.shared.posts, n);
    }

    /// Waits for one more call of any kind than there were at some time.
    pub fn wait_for_a_request(&self, before: usize) {
        self.wait_for(&self.shared.requests, before + 1);
    }

    fn wait_for(&self, calls: &watch::Sender<usize>, n: usize) {
        let mut seen = calls.subscribe();
        let seen = async { tokio::time::timeout(super::process::PATIENCE, seen.wait_for(|p| *p >= n)).await };
        let came = self.runtime.block_on(seen).map(|r| *r.unwrap());
        assert!(came.is_ok(), "{n} calls did not come in time, but {}", *calls.borrow());
    }

    pub fn requests(&self) -> usize {
        *self.shared.requests.borrow()
    }

    pub fn posts(&self) -> usize {
        *self.shared.posts.borrow()
    }

    /// What calls of the API changed: the ground truth.
    pub fn effects(&self) -> Vec<Effect> {
        let world = guard(&self.shared.world);
        world.effects().iter().filter(|e| e.by == Origin::Api).cloned().collect()
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // A call whose body never arrived was not made.
    let Ok(body) = axum::body::to_bytes(body, 1 << 20).await else { return Response::default() };
    let text = |name| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let request = HttpRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        host: text(header::HOST),
        authorization: text(header::AUTHORIZATION),
        content_type: text(header::CONTENT_TYPE),
        body: body.into(),
        ..HttpRequest::default()
    };
    shared.requests.send_modify(|n| *n += 1);
    let _ = shared.frozen.subscribe().wait_for(|frozen| !frozen).await;
    let mutating = request.is_mutating();
    let response = shared.carry_out(&request);
    if mutating {
        shared.posts.send_modify(|n| *n += 1);
        let _ = shared.answering.subscribe().wait_for(|go| *go).await;
    }
    into_response(response)
}

impl Shared {
    fn carry_out(&self, request: &HttpRequest) -> HttpResponse {
        let mut world = guard(&self.world);
        let before = world.effects().len();
        let response = world.handle(jiff::Timestamp::now(), request);
        let effects = world.effects().len();
        // Under the world's lock: nothing else takes effect before the process is dead.
        let mut kill = guard(&self.kill);
        if effects > before
            && let Some((_, victim)) = kill.take_if(|(k, _)| effects >= *k)
        {
            victim.kill();
        }
        response
    }
}

fn into_response(response: HttpResponse) -> Response {
    let mut out = Response::builder().status(response.status);
    for (name, value) in response.headers {
        out = out.header(name, value);
    }
    out.body(Body::from(response.body)).unwrap()
}
