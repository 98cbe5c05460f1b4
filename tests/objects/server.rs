//! A small server of S3's language, and of what Google Cloud Storage says otherwise, over real HTTP: one bucket, create-only
//! writes, ETags, generations, lists by page. It counts, it refuses, it loses answers, and it kills whoever sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// The fate of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done, and answered.
    Done,
    /// It is done, and the answer is an error of the service.
    AnswerLost,
    /// It is not done, and the answer is an error of the service.
    NeverArrives,
    /// The answer is this, and nothing is done.
    Refused(u16, &'static str),
}

struct Object {
    bytes: Bytes,
    etag: String,
    metadata: Vec<(String, String)>,
}

type Rule = Box<dyn FnMut(&Method, &str) -> Fate + Send>;

pub struct Inner {
    objects: BTreeMap<String, Object>,
    versions: usize,
    /// Method and path with query, of every request.
    pub requests: Vec<String>,
    pub rule: Rule,
    /// A put of an object that is there replaces it.
    pub lies: bool,
    /// An upload in pieces replaces it.
    pub lies_in_pieces: bool,
    /// Pieces that are no object yet, by the number of their upload.
    pub uploads: BTreeMap<usize, BTreeMap<u32, Bytes>>,
    pub no_etags: bool,
    pub page: usize,
}

impl Inner {
    /// The names of what is there.
    pub fn names(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    pub fn object(&self, name: &str) -> Option<Bytes> {
        self.objects.get(name).map(|o| o.bytes.clone())
    }

    /// Puts something there, or takes it away, as somebody with all rights does.
    pub fn replace(&mut self, name: &str, bytes: Option<Vec<u8>>) {
        self.objects.remove(name);
        if let Some(bytes) = bytes {
            self.put(name.to_owned(), &HeaderMap::new(), bytes.into());
        }
    }

    pub fn puts(&self) -> usize {
        self.requests.iter().filter(|r| r.starts_with("PUT") && r.contains("/journal/")).count()
    }
}

/// The server; it ends with the process.
#[derive(Clone)]
pub struct Server {
    pub endpoint: String,
    inner: Arc<Mutex<Inner>>,
}

impl Server {
    pub fn start() -> Server {
        let inner = Arc::new(Mutex::new(Inner {
            objects: BTreeMap::new(),
            versions: 0,
            requests: Vec::new(),
            rule: Box::new(|_, _| Fate::Done),
            lies: false,
            lies_in_pieces: false,
            uploads: BTreeMap::new(),
            no_etags: false,
            page: 1000,
        }));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(handle).layer(DefaultBodyLimit::disable()).with_state(inner.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, app).await.unwrap();
            });
        });
        Server { endpoint, inner }
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn rule(&self, rule: impl FnMut(&Method, &str) -> Fate + Send + 'static) {
        self.inner().rule = Box::new(rule);
    }

    /// Kills the process whose id is sent while its `nth` request that changes something is under way, of which `fate` says
    /// what becomes.
    pub fn kill_at(&self, nth: usize, fate: Fate) -> mpsc::Sender<u32> {
        let (tell, victim) = mpsc::channel::<u32>();
        let mut requests = 0;
        self.rule(move |method, _| {
            let changes = !matches!(method.as_str(), "GET" | "HEAD");
            requests += usize::from(changes);
            if !changes || requests != nth {
                return Fate::Done;
            }
            let pid = victim.recv().unwrap().to_string();
            assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
            fate
        });
        tell
    }
}

fn answer(status: u16, code: &str) -> Response {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>by the server</Message></Error>");
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

async fn handle(
    State(inner): State<Arc<Mutex<Inner>>>,
    method: Method,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut inner = inner.lock().unwrap();
    // Google's client writes the name of an object as one part of a path.
    let path = decoded(uri.path());
    let target = uri.query().map_or_else(|| path.clone(), |q| format!("{path}?{}", decoded(q)));
    inner.requests.push(format!("{method} {target}"));
    let Some(key) = path.strip_prefix("/bucket") else { return answer(404, "NoSuchBucket") };
    let key = key.trim_start_matches('/').to_owned();
    let fate = (inner.rule)(&method, &uri.to_string());
    match fate {
        Fate::NeverArrives => return answer(500, "InternalError"),
        Fate::Refused(status, code) => return answer(status, code),
        Fate::Done | Fate::AnswerLost => {}
    }
    let upload = query.get("uploadId").map(|id| id.parse::<usize>().unwrap());
    let done = match method {
        Method::GET if key.is_empty() => inner.list(&query),
        Method::GET | Method::HEAD => inner.get(&key, &headers),
        Method::POST if query.contains_key("uploads") => inner.begin(),
        Method::POST if upload.is_some() => inner.complete(key, upload.unwrap(), &headers),
        Method::DELETE if upload.is_some() => {
            inner.uploads.remove(&upload.unwrap());
            StatusCode::NO_CONTENT.into_response()
        }
        Method::PUT if upload.is_some() => {
            inner.piece(upload.unwrap(), query["partNumber"].parse().unwrap(), body)
        }
        Method::PUT => match headers.get("x-goog-copy-source") {
            Some(source) => inner.copy(&decoded(source.to_str().unwrap()), key, &headers),
            None => inner.put(key, &headers, body),
        },
        Method::DELETE => {
            inner.objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => answer(405, "MethodNotAllowed"),
    };
    if fate == Fate::AnswerLost { answer(500, "InternalError") } else { done }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

/// The version of an object, as Google Cloud Storage names it.
const GENERATION: &str = "x-goog-generation";

const MODIFIED: &str = "Fri, 27 Nov 2026 00:00:00 GMT";

impl Inner {
    fn list(&self, query: &BTreeMap<String, String>) -> Response {
        let get = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let after = get("start-after").max(get("continuation-token"));
        let mut found = self
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(get("prefix")) && key.as_str() > after)
            .peekable();
        let mut contents = String::new();
        let mut last = "";
        for (key, object) in found.by_ref().take(self.page) {
            last = key;
            contents.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-27T00:00:00.000Z</LastModified>\
                 <ETag>{}</ETag><Size>{}</Size></Contents>",
                object.etag,
                object.bytes.len()
            ));
        }
        let more = match found.peek() {
            Some(_) => format!("<NextContinuationToken>{last}</NextContinuationToken>"),
            None => String::new(),
        };
        format!("<ListBucketResult>{contents}{more}</ListBucketResult>").into_response()
    }

    fn begin(&mut self) -> Response {
        self.versions += 1;
        self.uploads.insert(self.versions, BTreeMap::new());
        let id = self.versions;
        format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>")
            .into_response()
    }

    fn piece(&mut self, upload: usize, number: u32, bytes: Bytes) -> Response {
        let Some(pieces) = self.uploads.get_mut(&upload) else { return answer(404, "NoSuchUpload") };
        pieces.insert(number, bytes);
        ([("etag", format!("\"{upload}-{number}\""))], "").into_response()
    }

    fn complete(&mut self, key: String, upload: usize, headers: &HeaderMap) -> Response {
        let create = headers.get("if-none-match").is_some_and(|v| v == "*") && !self.lies_in_pieces;
        if create && self.objects.contains_key(&key) {
            return answer(412, "PreconditionFailed");
        }
        let Some(pieces) = self.uploads.remove(&upload) else { return answer(404, "NoSuchUpload") };
        let bytes = Bytes::from(pieces.into_values().collect::<Vec<_>>().concat());
        self.put(key, &HeaderMap::new(), bytes);
        let etag = self.versions;
        format!("<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>")
            .into_response()
    }

    fn get(&self, key: &str, headers: &HeaderMap) -> Response {
        let Some(object) = self.objects.get(key) else { return answer(404, "NoSuchKey") };
        let whole = object.bytes.len();
        let range = headers.get("range").and_then(|v| v.to_str().unwrap().strip_prefix("bytes="));
        let mut response = match range.and_then(|r| r.split_once('-')) {
            Some((first, last)) => {
                let (first, last) = (first.parse::<usize>().unwrap(), last.parse::<usize>().unwrap());
                let range = format!("bytes {first}-{last}/{whole}");
                let bytes = object.bytes.slice(first..=last);
                (StatusCode::PARTIAL_CONTENT, [("content-range", range)], bytes).into_response()
            }
            None => object.bytes.clone().into_response(),
        };
        let headers = response.headers_mut();
        headers.insert("etag", object.etag.parse().unwrap());
        headers.insert(GENERATION, object.etag.trim_matches('"').parse().unwrap());
        headers.insert("last-modified", MODIFIED.parse().unwrap());
        for (name, value) in &object.metadata {
            headers.insert(axum::http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        response
    }

    fn copy(&mut self, source: &str, key: String, headers: &HeaderMap) -> Response {
        let source = source.split_once("bucket/").map_or(source, |(_, name)| name);
        match self.objects.get(source).map(|o| o.bytes.clone()) {
            Some(bytes) => self.put(key, headers, bytes),
            None => answer(404, "NoSuchKey"),
        }
    }

    fn put(&mut self, key: String, headers: &HeaderMap, bytes: Bytes) -> Response {
        let header = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        let there = self.objects.get(&key);
        let create = header("if-none-match").is_some() && there.is_some() && !self.lies;
        let update = header("if-match").is_some_and(|etag| there.is_none_or(|o| o.etag != etag));
        let generation = there.map_or("0", |o| o.etag.trim_matches('"'));
        let other = header("x-goog-if-generation-match").is_some_and(|g| g != generation) && !self.lies;
        if create || update || other {
            return answer(412, "PreconditionFailed");
        }
        self.versions += 1;
        let etag = format!("\"{}\"", self.versions);
        let is_metadata = |name: &str| name.starts_with("x-amz-meta-") || name.starts_with("x-goog-meta-");
        let metadata = headers.iter().filter(|(name, _)| is_metadata(name.as_str()));
        let metadata = metadata.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
        self.objects.insert(key, Object { bytes, etag: etag.clone(), metadata });
        let mut response = StatusCode::OK.into_response();
        if !self.no_etags {
            response.headers_mut().insert("etag", etag.parse().unwrap());
            response.headers_mut().insert(GENERATION, etag.trim_matches('"').parse().unwrap());
        }
        response
    }
}
