//! A server on loopback that keeps every byte that it is sent, and plays sign-in services and APIs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use serde_json::json;

pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// A file under `tests/tls`.
pub fn tls(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Host and path, without the query.
    pub fn place(&self) -> String {
        let target = self.line.split(' ').nth(1).unwrap();
        format!("{}{}", self.header("host"), target.split('?').next().unwrap())
    }

    /// A field of the form in the body.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut fields = url::form_urlencoded::parse(self.body.as_bytes());
        fields.find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
    }

    /// The answer of another service, byte for byte.
    fn sent_on_to(&self, service: SocketAddr) -> Vec<u8> {
        let mut stream = TcpStream::connect(service).unwrap();
        let mut text = format!("{}\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n", self.line);
        for (name, value) in self.headers.iter().filter(|(n, _)| n != "connection") {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{text}\r\n{}", self.body).as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    pub fn is_for_token(&self) -> bool {
        self.line.starts_with("POST ") && self.place().ends_with("/oauth2/v2.0/token")
    }
}

/// An answer: status line, type and body.
pub struct Reply(pub &'static str, pub &'static str, pub String);

impl Reply {
    pub fn json(value: &serde_json::Value) -> Reply {
        Reply("200 OK", "application/json", value.to_string())
    }

    pub fn page() -> Reply {
        Reply("200 OK", "text/html", "<!DOCTYPE html><title>Sign in to Contoso Guest</title>".to_owned())
    }
}

impl Reply {
    fn bytes(self) -> Vec<u8> {
        let Reply(status, kind, body) = self;
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n");
        format!("{head}Location: https://portal.example/\r\nConnection: close\r\n\r\n{body}").into_bytes()
    }
}

/// From the number of a request and the request to the bytes of an answer.
type Answer = dyn Fn(usize, &Request) -> Vec<u8> + Send + Sync;

/// A server; it goes on until the tests end.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Speaks TLS in these versions, by the certificate of the tests.
    pub fn start(
        at: &str,
        versions: &[&'static SupportedProtocolVersion],
        answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        Self::secure(at, versions, Arc::new(move |n, request: &Request| answer(n, request).bytes()))
    }

    /// Plays the sign-in services, and sends everything else on to a simulated service, as a front end does.
    pub fn in_front_of(service: SocketAddr) -> Server {
        let answer = move |n, request: &Request| match request.is_for_token() {
            true => everybody(n, request).bytes(),
            false => request.sent_on_to(service),
        };
        Self::secure("127.0.0.1:0", rustls::DEFAULT_VERSIONS, Arc::new(answer))
    }

    fn secure(at: &str, versions: &[&'static SupportedProtocolVersion], answer: Arc<Answer>) -> Server {
        let certificate = CertificateDer::from_pem_file(tls("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(tls("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Self::serve(at, Some(Arc::new(config)), answer)
    }

    /// Speaks plain http, as metadata services do.
    pub fn plain(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Server {
        Self::serve("127.0.0.1:0", None, Arc::new(move |n, request| answer(n, request).bytes()))
    }

    fn serve(at: &str, tls: Option<Arc<ServerConfig>>, answer: Arc<Answer>) -> Server {
        let listener = TcpListener::bind(at).unwrap();
        let server = Server { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = server.seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, answer, seen) = (tls.clone(), answer.clone(), seen.clone());
                std::thread::spawn(move || match tls {
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        let mut stream = StreamOwned::new(connection, stream);
                        converse(&mut stream, &*answer, &seen);
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                    }
                    None => converse(&mut { stream }, &*answer, &seen),
                });
            }
        });
        server
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests for tokens.
    pub fn token_requests(&self) -> Vec<Request> {
        self.seen().into_iter().filter(Request::is_for_token).collect()
    }
}

/// Takes one request and answers it. Who does not trust the certificate sends none.
fn converse(stream: &mut (impl Read + Write), answer: &Answer, seen: &Mutex<Vec<Request>>) {
    let Some(request) = request(stream) else { return };
    let n = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let _ = stream.write_all(&answer(n, &request)).and_then(|()| stream.flush());
}

fn request(stream: &mut impl Read) -> Option<Request> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Request { line, headers, body: String::from_utf8(body).unwrap() })
}

/// A token that says what the service's own tokens say, unsigned. `name` makes it another one.
pub fn token(name: &str, audience: &str) -> String {
    let payload = json!({
        "tid": TENANT, "aud": audience, "exp": 4_000_000_000_u64, "appid": name,
        "roles": ["Machine.Read.All", "Machine.CollectForensics", "Alert.ReadWrite.All"],
    });
    format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload.to_string()))
}

/// The audience of a scope.
fn audience(scope: &str) -> String {
    scope.trim_end_matches("/.default").to_owned()
}

/// Plays everybody: sign-in services, those that exchange the tokens of pipelines, Defender and Microsoft Graph. The number
/// of the request is in each assertion and each token.
pub fn everybody(n: usize, request: &Request) -> Reply {
    let place = request.place();
    if request.is_for_token() {
        let scope = request.field("scope").unwrap_or_default();
        return Reply::json(&json!({
            "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599,
            "access_token": token(&format!("token-{n}"), &audience(&scope)),
        }));
    }
    match () {
        () if place.starts_with("pipelines.actions.githubusercontent.com/") => {
            Reply::json(&json!({ "value": format!("assertion-{n}") }))
        }
        () if place.starts_with("dev.azure.com/") => {
            Reply::json(&json!({ "oidcToken": format!("assertion-{n}") }))
        }
        () if place.ends_with("/runHuntingQuery") => Reply::json(&json!({
            "schema": [{ "name": "DeviceId", "type": "String" }], "results": [],
        })),
        () => match place.split_once("/api/machines/") {
            Some((_, id)) => Reply::json(&json!({ "id": id, "computerDnsName": "a.contoso.com" })),
            None => Reply::json(&json!({ "value": [] })),
        },
    }
}
