//! A project folder and the service that it talks to.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::Value;

use crate::sandbox::{BIN, Sandbox};

pub struct Case {
    pub dir: tempfile::TempDir,
    pub sandbox: Sandbox,
    /// Besides the endpoint and the tokens.
    pub env: Vec<(&'static str, String)>,
}

impl Case {
    /// A service by its scenario, and `spec` of the project file.
    pub fn new(scenario: &str, spec: &str) -> Case {
        Case::of(Sandbox::start(scenario), spec)
    }

    /// A service that checks everything, and `spec` of the project file.
    pub fn strict(spec: &str) -> Case {
        Case::of(Sandbox::start_with("", &["--strict"]), spec)
    }

    fn of(sandbox: Sandbox, spec: &str) -> Case {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        let env = vec![("CASEFILE_GRAPH_TOKEN", "a-graph-token".to_owned())];
        let case = Case { dir, sandbox, env };
        case.project(spec);
        case
    }

    pub fn project(&self, spec: &str) {
        let head = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n";
        self.write("casefile.yaml", &format!("{head}spec: {spec}\n"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn command(&self, url: &str, args: &[&str]) -> Command {
        let mut command = Command::new(BIN);
        command.arg("-C").arg(self.dir.path()).args(args).stdin(Stdio::null());
        for name in ["CASEFILE_STATE_URL", "AZURE_CLIENT_SECRET", "RUST_LOG", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.env("CASEFILE_ENDPOINT", url).env("CASEFILE_ACCESS_TOKEN", "a-token");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs, expects an exit code, gives stdout and stderr.
    #[track_caller]
    pub fn exits(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.command(&self.sandbox.url, args).output().unwrap();
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
        (out, err)
    }

    /// The document of a plan.
    #[track_caller]
    pub fn plan(&self, args: &[&str]) -> Value {
        let (out, _) = self.exits(0, &[&["plan", "--format", "json"], args].concat());
        serde_json::from_str(&out).unwrap()
    }

    /// Asks the service, or its control surface.
    pub fn control(&self, method: &str, path: &str, body: &str) -> Value {
        let host = self.sandbox.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer a-token\r\nContent-Type: \
             application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    pub fn world(&self) -> Value {
        self.control("GET", "/sandbox/world", "")
    }

    /// The calls of the API's clients that took effect, in order.
    pub fn effects(&self) -> Vec<Value> {
        let world = self.world();
        let effects = world["effects"].as_array().unwrap_or_else(|| panic!("{world}"));
        effects.iter().filter(|e| e["by"] == "api").cloned().collect()
    }

    /// How often endpoints were asked.
    pub fn asked<const N: usize>(&self, endpoints: [&str; N]) -> [u64; N] {
        let requests = &self.world()["requests"];
        endpoints.map(|e| requests[e]["total"].as_u64().unwrap_or_default())
    }
}

/// A whole request, so that nothing of it is lost when the connection is closed.
fn request(stream: &mut TcpStream) -> Option<String> {
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut bytes).ok().filter(|n| *n > 0)?;
        text.push_str(&String::from_utf8_lossy(&bytes[..n]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(text);
        }
    }
}

/// Answers every request with one answer, until the process ends.
pub fn service(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> String {
    let answer = Arc::new(answer);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let answer = answer.clone();
            // A client may open connections that it does not use.
            std::thread::spawn(move || {
                let Some(request) = request(&mut stream) else { return };
                let (status, body) = answer(&request);
                // Who asks may have gone away.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: \
                     close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    url
}
