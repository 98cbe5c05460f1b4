//! The transport against a tiny server on loopback: what left, what came back, what is never shown.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use casefile::defender::auth::{AccessToken, AuthMethod, Credential, Environment, Identity, Tokens};
use casefile::defender::{
    Answer, Client, Clock, Cloud, Endpoint, HttpCall, HttpOptions, HttpTransport, RateLimiter, Service,
    Stage, Transport, TransportError,
};
use casefile::model::{Call, Method};

const TOKEN: &str = "eyJhbGciOiJub25lIn0.GEHEIM-GEHEIM-GEHEIM.sig";

/// Reads one request: its head, and as much body as it announces.
fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        text.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&text).into_owned();
    let length = head
        .lines()
        .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8_lossy(&body)
}

/// Serves so many connections, each with one request; tells what came.
fn serve(
    connections: usize,
    answer: impl Fn(&mut TcpStream, &str) + Send + 'static,
) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for _ in 0..connections {
            let Ok((mut stream, _)) = listener.accept() else { return };
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let text = request(&mut stream);
            answer(&mut stream, &text);
            if tell.send(text).is_err() {
                return;
            }
        }
    });
    (address, told)
}

fn reply(head: &'static str, body: &'static str) -> impl Fn(&mut TcpStream, &str) + Send {
    move |stream, _| {
        let length = body.len();
        write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .unwrap();
    }
}

fn transport(address: SocketAddr, timeout: Duration) -> HttpTransport {
    let service = Service::new(Cloud::Public, None, Some(&format!("http://{address}"))).unwrap();
    HttpTransport::new(&service, HttpOptions { timeout, ..HttpOptions::default() })
}

fn call(target: &str) -> HttpCall {
    HttpCall {
        method: Method::Post,
        target: target.into(),
        body: Some(r#"{"Comment":"c"}"#.into()),
        bearer: AccessToken::new(TOKEN),
        limit: 1 << 20,
    }
}

const PATIENT: Duration = Duration::from_secs(20);

async fn failure(address: SocketAddr, timeout: Duration) -> TransportError {
    let failed = transport(address, timeout).send(call("/api/x?secret=q")).await.unwrap_err();
    assert!(!failed.why.contains("secret") && !failed.why.contains("GEHEIM"), "{failed}");
    failed
}

#[tokio::test]
async fn a_call_as_the_service_sees_it() {
    let head =
        "201 Created\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: 7\r\nmise-correlation-id: c-1";
    let (address, told) = serve(1, reply(head, "{}"));
    let answer = transport(address, PATIENT).send(call("/api/alerts/x%2Fy?$top=1")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), answer.cut), (201, b"{}".as_slice(), false));
    assert_eq!(answer.date.as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(answer.retry_after.as_deref(), Some("7"));
    assert_eq!(answer.correlation.as_deref(), Some("c-1"));
    let seen = told.recv().unwrap();
    assert!(seen.starts_with("POST /api/alerts/x%2Fy?$top=1 HTTP/1.1\r\n"), "{seen}");
    let lower = seen.to_ascii_lowercase();
    assert!(lower.contains(&format!("authorization: bearer {}", TOKEN.to_ascii_lowercase())));
    assert!(lower.contains("content-type: application/json\r\n"));
    assert!(lower.contains(&format!("user-agent: casefile/{}\r\n", env!("CARGO_PKG_VERSION"))));
    assert!(seen.ends_with("\r\n\r\n{\"Comment\":\"c\"}"));
}

#[tokio::test]
async fn redirects_are_answers() {
    let (elsewhere, visited) = serve(1, reply("200 OK", "{}"));
    let (address, _told) = serve(1, move |stream, _| {
        let head = "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\nConnection: close";
        write!(stream, "{head}\r\nLocation: http://{elsewhere}/api/x\r\n\r\n").unwrap();
    });
    let answer = transport(address, PATIENT).send(call("/api/x")).await.unwrap();
    assert_eq!(answer.status, 307);
    // The only visitor the other server ever has is this one.
    let mut visitor = TcpStream::connect(elsewhere).unwrap();
    visitor.write_all(b"GET /mine HTTP/1.1\r\n\r\n").unwrap();
    assert!(visited.recv_timeout(PATIENT).unwrap().starts_with("GET /mine"));
}

#[tokio::test]
async fn a_refused_connection_is_before_sending() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failed = failure(address, PATIENT).await;
    assert_eq!(failed.stage, Stage::BeforeSend);
    assert!(failed.why.starts_with(&format!("{address}: no connection: ")), "{failed}");
    let behind = transport(address, PATIENT).through(Some("the proxy p:1 of HTTPS_PROXY".into()));
    let failed = behind.send(call("/api/x")).await.unwrap_err();
    assert!(
        failed.why.starts_with(&format!("{address}, through the proxy p:1 of HTTPS_PROXY: ")),
        "{failed}"
    );
}

#[tokio::test]
async fn a_path_that_would_lead_elsewhere_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/mde", listener.local_addr().unwrap());
    let service = Service::new(Cloud::Public, None, Some(&base)).unwrap();
    let transport = HttpTransport::new(&service, HttpOptions::default());
    for target in [
        "/api/machineactions/../cancel",
        "/api/machineactions/%2E%2e/cancel",
        "/api/a b",
        "api",
        ".evil.example/api",
    ] {
        let failed = transport.send(call(target)).await.unwrap_err();
        assert_eq!(failed.stage, Stage::BeforeSend, "{target}");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn the_base_may_have_a_path() {
    let (address, told) = serve(1, reply("200 OK", "{}"));
    let service = Service::new(Cloud::Public, None, Some(&format!("http://{address}/mde/"))).unwrap();
    let transport = HttpTransport::new(&service, HttpOptions::default());
    transport.send(call("/api/alerts/da1_-2?$filter=a%20eq%20%27b%27")).await.unwrap();
    assert!(
        told.recv().unwrap().starts_with("POST /mde/api/alerts/da1_-2?$filter=a%20eq%20%27b%27 HTTP/1.1")
    );
}

#[tokio::test]
async fn failed_tls_is_before_sending() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 This is no TLS\r\n\r\n").unwrap();
        // Open until the other side has had enough: a reset could overtake the bytes.
        while stream.read(&mut [0; 512]).is_ok_and(|n| n > 0) {}
    });
    let service = Service::new(Cloud::Public, None, Some(&format!("https://{address}"))).unwrap();
    let transport = HttpTransport::new(&service, HttpOptions::default());
    let failed = transport.send(call("/api/x")).await.unwrap_err();
    assert_eq!(failed.stage, Stage::BeforeSend, "{failed}");
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_after_sending() {
    let (address, told) = serve(1, |_, _| {});
    assert_eq!(failure(address, PATIENT).await.stage, Stage::AfterSend);
    assert!(told.recv().unwrap().contains("Comment"), "it had been carried over");
}

#[tokio::test]
async fn an_answer_cut_short_is_after_sending() {
    let (address, _told) = serve(1, |stream, _| {
        write!(stream, "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{{\"id\":").unwrap();
    });
    assert_eq!(failure(address, PATIENT).await.stage, Stage::AfterSend);
}

#[tokio::test]
async fn no_answer_in_time_is_after_sending() {
    let (release, held) = channel::<()>();
    let held = Mutex::new(held);
    let (address, _told) = serve(1, move |_, _| assert!(held.lock().unwrap().recv().is_err()));
    assert_eq!(failure(address, Duration::from_millis(200)).await.stage, Stage::AfterSend);
    drop(release);
}

#[tokio::test]
async fn garbage_is_after_sending() {
    let (address, _told) = serve(1, |stream, _| stream.write_all(b"\x00\xff not http\r\n\r\n").unwrap());
    assert_eq!(failure(address, PATIENT).await.stage, Stage::AfterSend);
}

#[tokio::test]
async fn a_stale_pooled_connection_repeats_nothing_by_itself() {
    // The first connection answers once, stays open, takes the second call and dies without an answer.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        tell.send(request(&mut stream)).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        tell.send(request(&mut stream)).unwrap();
        drop(stream);
        // Whoever connects now is either a hidden repetition or the end of the test.
        let (mut last, _) = listener.accept().unwrap();
        tell.send(request(&mut last)).unwrap();
    });
    let transport = transport(address, PATIENT);
    transport.send(call("/api/1")).await.unwrap();
    let failed = transport.send(call("/api/2")).await.unwrap_err();
    assert_eq!(failed.stage, Stage::AfterSend);
    TcpStream::connect(address).unwrap().write_all(b"GET /end HTTP/1.1\r\n\r\n").unwrap();
    let paths: Vec<String> =
        told.iter().map(|t| t.split(' ').nth(1).unwrap_or_default().to_owned()).collect();
    assert_eq!(paths, ["/api/1", "/api/2", "/end"]);
}

#[tokio::test]
async fn bodies_are_read_to_a_limit() {
    let (address, _told) = serve(1, reply("200 OK", "0123456789"));
    let short = HttpCall { limit: 4, ..call("/api/x") };
    let answer = transport(address, PATIENT).send(short).await.unwrap();
    assert_eq!((answer.body.as_slice(), answer.cut), (b"0123".as_slice(), true));

    let (address, _told) = serve(1, reply("200 OK", "0123"));
    let exact = HttpCall { limit: 4, ..call("/api/x") };
    let answer = transport(address, PATIENT).send(exact).await.unwrap();
    assert_eq!((answer.body.as_slice(), answer.cut), (b"0123".as_slice(), false));
}

/// Everything that is logged in this process, at every level, from every crate.
fn log() -> &'static Arc<Mutex<Vec<u8>>> {
    #[derive(Clone)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    LOG.get_or_init(|| {
        let sink = Sink(Arc::default());
        let writer = sink.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        sink.0
    })
}

#[tokio::test]
async fn the_token_is_in_no_log_and_no_debug() {
    let log = log();
    let (address, told) = serve(2, |stream, request| {
        let body = if request.starts_with("GET") {
            r#"{"value":"https://h.example/p.zip?token=GEHEIM"}"#
        } else {
            ""
        };
        reply_with(stream, if body.is_empty() { "500 Oops" } else { "200 OK" }, body);
    });
    let service = Service::new(Cloud::Public, None, Some(&format!("http://{address}"))).unwrap();
    let transport = HttpTransport::new(&service, HttpOptions::default());
    let environment = Environment::read(|name| (name == "CASEFILE_ACCESS_TOKEN").then(|| TOKEN.to_owned()));
    let credential = Credential::new(AuthMethod::Token, &Identity::default(), environment, &service).unwrap();
    let mut shown = format!("{credential:?} {transport:?} {:?}", call("/api/x"));
    let tokens = Tokens::new(Arc::new(credential));
    let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = Clock::new(move || start);
    let quotas = RateLimiter::new(clock.clone(), []);
    let client = Client::new(service, Arc::new(transport), tokens, quotas, clock);

    let link = client.package_link("a-1").await.unwrap();
    let machine_id = "fb9ab6be3965095a09c057be7c90f0a2".parse().unwrap();
    let collect = Call::collect(machine_id, "c").request();
    let slot = client.quotas().take(Endpoint::Collect).await;
    let answer = client.mutate(&collect, slot, || Ok(())).await;
    assert!(matches!(answer, Answer::Unknown { .. }));
    shown.push_str(&format!("{link:?} {answer:?} {:?}", client.token().await));
    assert!(told.recv().unwrap().contains("GEHEIM"), "the service got it");

    let logged = String::from_utf8_lossy(&log.lock().unwrap()).into_owned();
    assert!(logged.contains("/getPackageUri") && logged.contains("status=500"), "the log is on: {logged}");
    for text in [&logged, &shown] {
        assert!(!text.contains("GEHEIM"), "{text}");
    }
}

fn reply_with(stream: &mut TcpStream, head: &str, body: &str) {
    let length = body.len();
    write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
}
