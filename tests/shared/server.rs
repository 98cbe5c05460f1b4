//! git's own `git http-backend` behind a small server on the loopback address: smart HTTP as a forge speaks it, with what
//! goes wrong on the way.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest body that is taken.
const MOST_BYTES: u64 = 32 << 20;

/// The server's behaviour besides serving.
#[derive(Default)]
pub struct Ways {
    /// Without this `Authorization` header nothing is answered but 401.
    pub asks_for: Option<String>,
    /// Everything is elsewhere.
    pub redirects_to: Option<String>,
    /// How many pushes are carried out before one is answered with 500, although it was carried out too.
    pub loses: Option<usize>,
}

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub authorization: Option<String>,
    pub chunked: bool,
    pub gzip: bool,
}

/// A server for all repositories of a folder. It ends with the process.
pub struct Server {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    pub ways: Arc<Mutex<Ways>>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn new(root: &Path) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (ways, seen) = (Arc::<Mutex<Ways>>::default(), Arc::<Mutex<Vec<Request>>>::default());
        let (root, to_ways, to_seen) = (root.to_owned(), ways.clone(), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (root, ways, seen) = (root.clone(), to_ways.clone(), to_seen.clone());
                // Whoever goes away in the middle is served no further.
                std::thread::spawn(move || serve(stream, root, &ways, &seen));
            }
        });
        Server { url, ways, seen }
    }

    /// The requests that came.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

/// A request with all that a gateway is told of it.
struct Received {
    request: Request,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Reads one request; none if nobody asks.
fn receive(stream: TcpStream) -> std::io::Result<Option<Received>> {
    let mut answers = stream.try_clone()?;
    let mut reader = BufReader::new(stream.take(MOST_BYTES));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    if header("expect").is_some() {
        answers.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let chunked = header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    let mut body = Vec::new();
    if chunked {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
            (&mut reader).take(size).read_to_end(&mut body)?;
            reader.read_line(&mut line)?;
            if size == 0 {
                break;
            }
        }
    } else {
        let length = header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        (&mut reader).take(length).read_to_end(&mut body)?;
    }
    let request = Request {
        method,
        target,
        authorization: header("authorization"),
        chunked,
        gzip: header("content-encoding").is_some_and(|v| v == "gzip"),
    };
    Ok(Some(Received { request, headers, body }))
}

fn serve(
    stream: TcpStream,
    root: PathBuf,
    ways: &Mutex<Ways>,
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut answers = stream.try_clone()?;
    let Some(Received { request, headers, body }) = receive(stream)? else { return Ok(()) };
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    seen.lock().unwrap().push(request.clone());
    let (asks_for, redirects_to) = {
        let ways = ways.lock().unwrap();
        (ways.asks_for.clone(), ways.redirects_to.clone())
    };
    if let Some(to) = redirects_to {
        return write!(
            answers,
            "HTTP/1.1 302 Found\r\nLocation: {to}{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            request.target
        );
    }
    if asks_for.is_some() && asks_for != request.authorization {
        return answers.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let answer = backend(&root, &request, (path, query), &header, &body)?;
    let is_push = request.method == "POST" && path.ends_with("/git-receive-pack");
    let mut ways = ways.lock().unwrap();
    match &mut ways.loses {
        Some(0) if is_push => {
            ways.loses = None;
            return answers.write_all(
                b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
        Some(n) if is_push => *n -= 1,
        _ => {}
    }
    drop(ways);
    answers.write_all(&answer)
}

/// Runs git as the gateway that it is, and returns its answer as HTTP.
fn backend(
    root: &Path,
    request: &Request,
    (path, query): (&str, &str),
    header: &dyn Fn(&str) -> Option<String>,
    body: &[u8],
) -> std::io::Result<Vec<u8>> {
    let mut git = Command::new("git");
    git.arg("http-backend").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    git.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    git.env("REQUEST_METHOD", &request.method).env("PATH_INFO", path).env("QUERY_STRING", query);
    git.env("REMOTE_USER", "somebody").env("CONTENT_LENGTH", body.len().to_string());
    for (variable, name) in [
        ("CONTENT_TYPE", "content-type"),
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("GIT_PROTOCOL", "git-protocol"),
    ] {
        if let Some(value) = header(name) {
            git.env(variable, value);
        }
    }
    let mut child = git.spawn()?;
    let mut stdin = child.stdin.take().unwrap();
    let body = body.to_vec();
    let feed = std::thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output()?.stdout;
    let _ = feed.join();
    let end = output.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(output.len());
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = head.lines().find_map(|l| l.strip_prefix("Status: ")).unwrap_or("200 OK");
    let mut answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for line in head.lines().filter(|l| !l.starts_with("Status: ")) {
        answer.push_str(&format!("{line}\r\n"));
    }
    let mut answer = answer.into_bytes();
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(output.get(end + 4..).unwrap_or_default());
    Ok(answer)
}
