//! A code host on loopback with the comments of one pull request and the issues of GitLab: they are listed,
//! created and updated as GitHub, GitLab and Azure DevOps do it, and each request is checked for its token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

/// May comment; must turn up nowhere but in a header.
pub const TOKEN: &str = "forge-token-b7e1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Github,
    Gitlab,
    Azure,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Comment {
    pub id: u64,
    /// Written by the pipeline's own account.
    pub ours: bool,
    pub body: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    pub number: u64,
    pub author: u64,
    pub open: bool,
    pub body: String,
}

pub struct Forge {
    pub kind: Kind,
    pub url: String,
    comments: Arc<Mutex<Vec<Comment>>>,
    issues: Arc<Mutex<Vec<Issue>>>,
    _runtime: tokio::runtime::Runtime,
}

type Shared = (Kind, Arc<Mutex<Vec<Comment>>>, Arc<Mutex<Vec<Issue>>>);

impl Forge {
    pub fn start(kind: Kind) -> Forge {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let comments: Arc<Mutex<Vec<Comment>>> = Arc::default();
        let issues: Arc<Mutex<Vec<Issue>>> = Arc::default();
        let app = axum::Router::new().fallback(answer).with_state((kind, comments.clone(), issues.clone()));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Forge { kind, url, comments, issues, _runtime: runtime }
    }

    pub fn comments(&self) -> MutexGuard<'_, Vec<Comment>> {
        self.comments.lock().unwrap()
    }

    pub fn issues(&self) -> MutexGuard<'_, Vec<Issue>> {
        self.issues.lock().unwrap()
    }

    /// Somebody else writes a comment.
    pub fn other(&self, body: &str) {
        let mut all = self.comments();
        let id = all.len() as u64 + 1;
        all.push(Comment { id, ours: false, body: body.to_owned() });
    }

    /// The pipeline's own comments.
    pub fn ours(&self) -> Vec<Comment> {
        self.comments().iter().filter(|c| c.ours).cloned().collect()
    }
}

async fn answer(
    State((kind, comments, issues)): State<Shared>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let (header, value) = match kind {
        Kind::Gitlab => ("private-token", TOKEN.to_owned()),
        _ => ("authorization", format!("Bearer {TOKEN}")),
    };
    if headers.get(header).and_then(|v| v.to_str().ok()) != Some(&value) {
        return (StatusCode::UNAUTHORIZED, "{}".into());
    }
    let mut all = comments.lock().unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(path) = uri.path().strip_prefix("/projects/5/issues") {
        let (status, value) = gitlab_issues(&mut issues.lock().unwrap(), &method, path, &query, &body);
        return (status, value.to_string());
    }
    let (status, value) = match kind {
        Kind::Github => github(&mut all, &method, uri.path(), &query, &body),
        Kind::Gitlab => gitlab(&mut all, &method, uri.path(), &query, &body),
        Kind::Azure => azure(&mut all, &method, uri.path(), &query, &body),
    };
    (status, value.to_string())
}

const NOWHERE: (StatusCode, Value) = (StatusCode::NOT_FOUND, Value::Null);
const REFUSED: (StatusCode, Value) = (StatusCode::FORBIDDEN, Value::Null);

/// One page of a list.
fn page(all: &[Comment], query: &HashMap<String, String>, shown: impl Fn(&Comment) -> Value) -> Value {
    let number = |name: &str, default| query.get(name).map_or(default, |v| v.parse::<usize>().unwrap());
    let (page, size) = (number("page", 1), number("per_page", 30));
    all.iter().skip((page - 1) * size).take(size).map(shown).collect()
}

fn create(all: &mut Vec<Comment>, body: &Value) -> Option<u64> {
    let id = all.len() as u64 + 1;
    all.push(Comment { id, ours: true, body: body.as_str()?.to_owned() });
    Some(id)
}

/// A writer with rights on the repository can change comments of others: nothing protects them but the
/// script.
fn change(all: &mut [Comment], id: &str, body: &Value) -> Option<()> {
    let id: u64 = id.parse().ok()?;
    all.iter_mut().find(|c| c.id == id)?.body = body.as_str()?.to_owned();
    Some(())
}

fn done<T>(status: StatusCode, done: Option<T>) -> (StatusCode, Value) {
    if done.is_some() { (status, json!({})) } else { (StatusCode::UNPROCESSABLE_ENTITY, Value::Null) }
}

fn github(
    all: &mut Vec<Comment>,
    method: &Method,
    path: &str,
    query: &HashMap<String, String>,
    body: &Value,
) -> (StatusCode, Value) {
    let Some(path) = path.strip_prefix("/repos/contoso/cases/issues/") else { return NOWHERE };
    match (method.as_str(), path, path.strip_prefix("comments/")) {
        ("GET", "7/comments", _) => (
            StatusCode::OK,
            page(all, query, |c| {
                let login = if c.ours { "github-actions[bot]" } else { "mallory" };
                json!({ "id": c.id, "user": { "login": login }, "body": c.body })
            }),
        ),
        ("POST", "7/comments", _) => done(StatusCode::CREATED, create(all, &body["body"])),
        ("PATCH", _, Some(id)) => done(StatusCode::OK, change(all, id, &body["body"])),
        _ => NOWHERE,
    }
}

fn gitlab(
    all: &mut Vec<Comment>,
    method: &Method,
    path: &str,
    query: &HashMap<String, String>,
    body: &Value,
) -> (StatusCode, Value) {
    if path == "/user" {
        return (StatusCode::OK, json!({ "id": 99 }));
    }
    let Some(path) = path.strip_prefix("/projects/5/merge_requests/7/notes") else { return NOWHERE };
    match (method.as_str(), path, path.strip_prefix('/')) {
        ("GET", "", _) => (
            StatusCode::OK,
            page(all, query, |c| {
                let author = if c.ours { 99 } else { 13 };
                json!({ "id": c.id, "author": { "id": author }, "body": c.body })
            }),
        ),
        ("POST", "", _) => done(StatusCode::CREATED, create(all, &body["body"])),
        ("PUT", _, Some(id)) => done(StatusCode::OK, change(all, id, &body["body"])),
        _ => NOWHERE,
    }
}

fn gitlab_issues(
    all: &mut Vec<Issue>,
    method: &Method,
    path: &str,
    query: &HashMap<String, String>,
    body: &Value,
) -> (StatusCode, Value) {
    match (method.as_str(), path.strip_prefix('/')) {
        ("GET", None) => {
            assert_eq!(query["state"], "opened");
            let asked = |i: &&Issue| i.open && i.author.to_string() == query["author_id"];
            let shown = |i: &Issue| json!({ "iid": i.number, "description": i.body });
            (StatusCode::OK, all.iter().filter(asked).map(shown).collect())
        }
        ("POST", None) => {
            assert!(body["title"].as_str().is_some_and(|t| !t.is_empty()));
            let (number, text) = (all.len() as u64 + 1, body["description"].as_str().unwrap().to_owned());
            all.push(Issue { number, author: 99, open: true, body: text });
            (StatusCode::CREATED, json!({ "iid": number }))
        }
        ("PUT", Some(number)) => {
            let Some(issue) = all.iter_mut().find(|i| i.number.to_string() == number) else { return NOWHERE };
            if body["state_event"] == "close" {
                issue.open = false;
            }
            if let Some(text) = body["description"].as_str() {
                issue.body = text.to_owned();
            }
            (StatusCode::OK, json!({}))
        }
        _ => NOWHERE,
    }
}

/// A comment is the first one of a thread, and nobody but its author may change it.
fn azure(
    all: &mut Vec<Comment>,
    method: &Method,
    path: &str,
    query: &HashMap<String, String>,
    body: &Value,
) -> (StatusCode, Value) {
    assert_eq!(query.get("api-version").map(String::as_str), Some("7.1"));
    let base = "/contoso/project-id/_apis/git/repositories/repository-id/pullRequests/7/threads";
    let Some(path) = path.strip_prefix(base) else { return NOWHERE };
    let changed = path.strip_prefix('/').and_then(|p| p.strip_suffix("/comments/1"));
    match (method.as_str(), path, changed) {
        ("GET", "", _) => {
            let thread = |c: &Comment| json!({ "id": c.id, "isDeleted": false, "comments": [{ "id": 1, "content": c.body }] });
            // Threads of the service itself hold comments without a text.
            let mut threads: Vec<Value> = vec![json!({ "id": 0, "comments": [{ "id": 1 }] })];
            threads.extend(all.iter().map(thread));
            (StatusCode::OK, json!({ "value": threads, "count": threads.len() }))
        }
        ("POST", "", _) => {
            assert_eq!(body["status"], "closed", "an open thread blocks the merge");
            done(StatusCode::OK, create(all, &body["comments"][0]["content"]))
        }
        ("PATCH", _, Some(id)) if all.iter().any(|c| !c.ours && c.id.to_string() == id) => REFUSED,
        ("PATCH", _, Some(id)) => done(StatusCode::OK, change(all, id, &body["content"])),
        _ => NOWHERE,
    }
}
