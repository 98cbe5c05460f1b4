use std::path::Path;

use casefile::sandbox::{Clock, Scenario, ServeOptions, Server, serve};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::MACHINE;

pub fn options(scenario: &str) -> ServeOptions {
    ServeOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        world_file: None,
        scenario: Some(Scenario::from_yaml(scenario).unwrap()),
        effects: None,
        clock: Clock::Virtual("2026-01-01T00:00:00Z".parse().unwrap()),
    }
}

pub struct Front {
    pub server: Server,
    pub client: Client,
}

impl Front {
    pub async fn start(options: ServeOptions) -> Self {
        // The second test to get here finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().gzip(false).build().unwrap();
        Front { server: serve(options).await.unwrap(), client }
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.server.addr())
    }

    pub fn get(&self, target: &str) -> RequestBuilder {
        self.client.get(self.url(target)).bearer_auth("t")
    }

    pub fn post(&self, target: &str, body: Value) -> RequestBuilder {
        let request = self.client.post(self.url(target)).bearer_auth("t");
        request.header("content-type", "application/json").body(body.to_string())
    }

    pub fn collect(&self, machine: &str) -> RequestBuilder {
        self.post(&format!("/api/machines/{machine}/collectInvestigationPackage"), json!({"Comment": "c"}))
    }

    pub async fn json(&self, request: RequestBuilder) -> (u16, Value) {
        parse(request.send().await.unwrap()).await
    }

    pub async fn advance(&self, seconds: f64) {
        let request = self.client.post(self.url("/sandbox/advance"));
        let response = request.body(json!({ "seconds": seconds }).to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

pub async fn parse(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
}

#[tokio::test]
async fn collect_wait_download() {
    let front = Front::start(options("packages: { fillerKib: 64 }")).await;
    assert_eq!(front.client.get(front.url("/api/machineactions")).send().await.unwrap().status(), 401);
    let (status, action) = front.json(front.collect(MACHINE)).await;
    assert_eq!((status, &action["status"]), (201, &json!("Pending")));
    let base = front.url("/api/$metadata#MachineActions/$entity");
    assert_eq!(action["@odata.context"], base.as_str());

    front.advance(3.0).await;
    let target = format!("/api/machineactions/{}/getPackageUri", action["id"].as_str().unwrap());
    let (_, link) = front.json(front.get(&target)).await;
    let url = link["value"].as_str().unwrap().trim_matches('"');
    let response = front.client.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["date"], "Thu, 01 Jan 2026 00:00:03 GMT");
    let whole = response.bytes().await.unwrap();
    assert!(zip::ZipArchive::new(std::io::Cursor::new(&whole)).unwrap().len() > 13);
    let head = front.client.head(url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], whole.len().to_string().as_str());
    let rest = front.client.get(url).header("range", "bytes=1000-").send().await.unwrap();
    assert_eq!(rest.status(), 206);
    assert_eq!(rest.bytes().await.unwrap(), whole.slice(1000..));

    assert_eq!(front.json(front.get(&target)).await.0, 200);
    let third = front.get(&target).send().await.unwrap();
    assert_eq!((third.status().as_u16(), &third.headers()["retry-after"]), (429, &"60".parse().unwrap()));
    assert_eq!(parse(third).await.1["error"]["code"], "TooManyRequests");

    let wrong = front.client.delete(front.url("/api/machines")).bearer_auth("t").send().await.unwrap();
    assert_eq!((wrong.status().as_u16(), &wrong.headers()["allow"]), (405, &"GET".parse().unwrap()));
    assert_eq!(wrong.headers()["content-length"], "0");
    front.server.shutdown().await.unwrap();
}

#[tokio::test]
async fn answers_that_do_not_arrive() {
    let front = Front::start(options(
        "faults:
  - { on: collect, nth: [1], then: reset }
  - { on: collect, nth: [2], then: lost }
  - { on: createAlert, nth: [1], then: truncated }
  - { on: listAlerts, nth: [1], then: garbled }
",
    ))
    .await;
    assert!(front.collect(MACHINE).send().await.unwrap_err().is_request());
    assert!(front.collect(MACHINE).send().await.unwrap_err().is_request());
    assert_eq!(front.json(front.collect(MACHINE)).await.0, 400, "the second call took effect");
    let create = || front.post("/api/alerts/CreateAlertByReference", super::documented_alert());
    let cut = create().send().await.unwrap();
    assert_eq!(cut.status(), 200);
    assert!(cut.bytes().await.is_err());
    assert_eq!(front.json(front.get("/api/alerts")).await, (200, Value::Null));
    let (_, alerts) = front.json(front.get("/api/alerts")).await;
    assert_eq!(alerts["value"].as_array().map(Vec::len), Some(1));

    let (_, world) = front.json(front.get("/sandbox/world")).await;
    assert_eq!(world["requests"]["collect"]["byAnswer"], json!({"400": 1, "closed": 1, "reset": 1}));
    front.server.shutdown().await.unwrap();
}

fn kept(dir: &Path, scenario: Option<Scenario>) -> ServeOptions {
    ServeOptions {
        world_file: Some(dir.join("sandbox.json")),
        effects: Some(dir.join("effects.jsonl")),
        scenario,
        ..options("")
    }
}

#[tokio::test]
async fn a_world_survives_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = Scenario::from_yaml("delays: { pending: 100 }").unwrap();
    let front = Front::start(kept(dir.path(), Some(scenario))).await;
    let (_, action) = front.json(front.collect(MACHINE)).await;
    let line = std::fs::read_to_string(dir.path().join("effects.jsonl")).unwrap();
    assert!(line.contains(action["id"].as_str().unwrap()), "{line}");
    let taken = serve(kept(dir.path(), None)).await.unwrap_err();
    assert!(taken.to_string().contains("another process"), "{taken}");
    front.server.shutdown().await.unwrap();

    let front = Front::start(kept(dir.path(), None)).await;
    let target = format!("/api/machineactions/{}", action["id"].as_str().unwrap());
    assert_eq!(front.json(front.get(&target)).await.1["status"], "Pending");
    front.advance(100.0).await;
    assert_eq!(front.json(front.get(&target)).await.1["status"], "InProgress");
    front.server.shutdown().await.unwrap();
    let world = std::fs::read_to_string(dir.path().join("sandbox.json")).unwrap();
    assert!(world.contains(action["id"].as_str().unwrap()));
    assert!(!world.contains("Bearer"));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_delayed_answers() {
    let front = Front::start(options("faults: [{ on: listAlerts, then: delay, seconds: 3600 }]")).await;
    let waiting = tokio::spawn(front.get("/api/alerts").send());
    // The call is being delayed as soon as it is counted.
    while front.json(front.get("/sandbox/world")).await.1["requests"].get("listAlerts").is_none() {
        tokio::task::yield_now().await;
    }
    front.server.shutdown().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn other_addresses_are_refused() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let error = serve(ServeOptions { listen: listen.parse().unwrap(), ..options("") }).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("loopback"), "{error}");
    }
}

#[tokio::test]
async fn many_calls_at_once_are_each_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let quick = Scenario::from_yaml("quotas: { enabled: false }").unwrap();
    let front = Front::start(kept(dir.path(), Some(quick))).await;
    let calls = (0..200).map(|n: u32| front.collect(&format!("{n:040x}")).send());
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap().status(), 201);
    }
    front.server.shutdown().await.unwrap();
    let effects = std::fs::read_to_string(dir.path().join("effects.jsonl")).unwrap();
    assert_eq!(effects.lines().count(), 200);
}
