//! Calls of other people's programs, played over HTTP. `clients/*.json` says where each list was read.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Front, options, parse};

/// The machine of the lists, with what they look for.
const MACHINE: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
const OTHER: &str = "fb9ab6be3965095a09c057be7c90f0a2b84d0cc0";

/// A call that is not simulated: the last word of its path, which the documentation names too.
const NOT_SIMULATED: [&str; 20] = [
    "tags",
    "software",
    "vulnerabilities",
    "recommendations",
    "getmissingkbs",
    "machineReferences",
    "machines",
    "indicators",
    "startInvestigation",
    "runliveresponse",
    "investigations",
    "stats",
    "incidents",
    "user",
    "exposureScore",
    "GetLiveResponseResultDownloadLink(index=0)",
    "GetLiveResponseResultDownloadLink(index=1)",
    "libraryfiles",
    "remediationtasks",
    "SoftwareVulnerabilitiesByMachine",
];

#[derive(Deserialize)]
pub(super) struct List {
    pub(super) calls: Vec<Call>,
}

#[derive(Deserialize)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) target: String,
    #[serde(default)]
    pub(super) body: Option<Value>,
    pub(super) answer: u16,
}

impl List {
    pub(super) fn of(client: &str) -> List {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/clients").join(client);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }
}

/// A world with a machine, a finished collection and a running one, and an alert.
async fn world() -> (Front, [(&'static str, String); 4]) {
    let front = Front::start(options(&format!(
        "machines: {{ list: [{{ id: {MACHINE}, name: fin-ws-042.contoso.com, users: ['contoso\\user1'] }}, {{ id: {OTHER} }}] }}"
    )))
    .await;
    let id = |(status, object): (u16, Value)| {
        assert!(status < 300, "{object}");
        object["id"].as_str().unwrap().to_owned()
    };
    let action = id(front.json(front.collect(MACHINE)).await);
    front.advance(3.0).await;
    let running = id(front.json(front.collect(OTHER)).await);
    let create = front.post("/api/alerts/CreateAlertByReference", super::documented_alert());
    let alert = id(front.json(create).await);
    let names =
        [("{machine}", MACHINE.to_owned()), ("{action}", action), ("{running}", running), ("{alert}", alert)];
    (front, names)
}

async fn replay(client: &str) {
    let list = List::of(client);
    let (front, names) = world().await;
    let mut wrong = Vec::new();
    for call in &list.calls {
        let fill = |text: &str| names.iter().fold(text.to_owned(), |t, (name, id)| t.replace(name, id));
        let target = fill(&call.target);
        let mut request =
            front.client.request(call.method.parse().unwrap(), front.url(&target)).bearer_auth("t");
        if let Some(body) = &call.body {
            request = request.header("content-type", "application/json").body(fill(&body.to_string()));
        }
        let (status, body) = parse(request.send().await.unwrap()).await;
        if status != call.answer {
            wrong.push(format!("{} {target}: {status} {body}", call.method));
        }
        if call.answer == 404 {
            let path = target.split('?').next().unwrap();
            assert!(NOT_SIMULATED.iter().any(|n| path.ends_with(n)), "{target} is said to be simulated");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    front.server.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_calls_of_insightconnect() {
    replay("rapid7.json").await;
}

#[tokio::test]
async fn the_calls_of_cortex() {
    replay("cortex.json").await;
}

#[tokio::test]
async fn the_calls_of_sekoia() {
    replay("sekoia.json").await;
}

#[tokio::test]
async fn the_calls_of_splunk_soar() {
    replay("splunk.json").await;
}

#[tokio::test]
async fn the_calls_of_vmray() {
    replay("vmray.json").await;
}

#[tokio::test]
async fn the_calls_of_mde_lr() {
    replay("mde-lr.json").await;
}

#[tokio::test]
async fn the_calls_of_mde_client() {
    replay("mde-client.json").await;
}

#[tokio::test]
async fn the_calls_of_check_msdefender() {
    replay("check-msdefender.json").await;
}

#[test]
fn every_list_is_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/clients");
    let names: BTreeSet<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let played = include_str!("clients.rs");
    let left_out: Vec<&String> =
        names.iter().filter(|name| !played.contains(&format!("replay(\"{name}\")"))).collect();
    assert!(names.len() >= 8 && left_out.is_empty(), "{left_out:?}");
}

#[tokio::test]
async fn answers_are_compressed_for_whoever_takes_that() {
    let (front, _) = world().await;
    let plain = front.get("/api/machines").send().await.unwrap();
    assert_eq!(plain.headers().get("content-encoding"), None, "nobody asked for it");
    let plain = plain.bytes().await.unwrap();
    let packed = front.get("/api/machines").header("accept-encoding", "gzip, deflate").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed = packed.bytes().await.unwrap();
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < plain.len());
    // A client that asks by itself unpacks by itself.
    let client = reqwest::Client::builder().no_proxy().gzip(true).build().unwrap();
    let unpacked = client.get(front.url("/api/machines")).bearer_auth("t").send().await.unwrap();
    assert_eq!(unpacked.bytes().await.unwrap(), plain);
    front.server.shutdown().await.unwrap();
}

#[tokio::test]
async fn links_name_https_behind_a_proxy_that_speaks_it() {
    let (front, names) = world().await;
    let target = format!("/api/machineactions/{}/getPackageUri", names[1].1);
    for (header, scheme) in [("https", "https://"), ("http", "http://"), ("javascript", "http://")] {
        let request = front.get("/api/machines").header("x-forwarded-proto", header);
        let (_, list) = front.json(request).await;
        assert!(list["@odata.context"].as_str().unwrap().starts_with(scheme), "{header}");
    }
    let (_, link) = front.json(front.get(&target).header("x-forwarded-proto", "https")).await;
    assert!(link["value"].as_str().unwrap().trim_matches('"').starts_with("https://127.0.0.1:"), "{link}");
    let (_, hunted) =
        front.json(front.post("/api/advancedhunting/run", json!({ "Query": "DeviceInfo" }))).await;
    assert_eq!(hunted["Results"], json!([]));
    front.server.shutdown().await.unwrap();
}
