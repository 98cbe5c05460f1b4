use casefile::sandbox::{HttpRequest, HttpResponse, Origin};
use serde_json::{Value, json};

use super::strict::{DEFENDER, bearer};
use super::{Lab, MACHINE, names, refusal};

#[test]
fn the_documented_example_runs_its_course() {
    let mut lab = Lab::new("");
    let (status, action) = lab.collect(MACHINE);
    assert_eq!(status, 201);
    assert_eq!(action["@odata.context"], "http://127.0.0.1/api/$metadata#MachineActions/$entity");
    assert_eq!(action["type"], "CollectInvestigationPackage");
    assert_eq!(action["status"], "Pending");
    assert_eq!(action["requestorComment"], "Collect forensics due to alert 1234");
    assert_eq!(action["machineId"], MACHINE);
    assert_eq!(action["creationDateTimeUtc"], "2026-01-01T00:00:00Z");
    assert_eq!(action["errorHResult"], 0);
    assert_eq!(action["requestSource"], "PublicApi");
    assert_eq!(action["commands"], serde_json::json!([]));
    let mut expected = vec![
        "@odata.context",
        "cancellationComment",
        "cancellationDateTimeUtc",
        "cancellationRequestor",
        "commands",
        "computerDnsName",
        "creationDateTimeUtc",
        "errorHResult",
        "externalId",
        "id",
        "lastUpdateDateTimeUtc",
        "machineId",
        "relatedFileInfo",
        "requestSource",
        "requestor",
        "requestorComment",
        "scope",
        "status",
        "title",
        "troubleshootInfo",
        "type",
    ];
    expected.sort_unstable();
    assert_eq!(names(&action), expected);

    let read = format!("/api/machineactions/{}", action["id"].as_str().unwrap());
    for (seconds, status, since) in [
        (0.9, "Pending", "2026-01-01T00:00:00Z"),
        (1.0, "InProgress", "2026-01-01T00:00:01Z"),
        (2.9, "InProgress", "2026-01-01T00:00:01Z"),
        (3.0, "Succeeded", "2026-01-01T00:00:03Z"),
        (9999.0, "Succeeded", "2026-01-01T00:00:03Z"),
    ] {
        let (_, action) = lab.at(seconds).get(&read);
        assert_eq!(action["status"], status, "after {seconds} s");
        assert_eq!(action["lastUpdateDateTimeUtc"], since);
    }
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let run = |seed: &str| {
        let mut lab = Lab::new(seed);
        lab.alert(|_| ());
        lab.collect(MACHINE);
        lab.get("/api/machineactions").1
    };
    assert_eq!(run(""), run(""));
    assert_ne!(run("")["value"][0]["id"], run("seed: other")["value"][0]["id"]);
}

#[test]
fn a_machine_is_busy_until_its_collection_is_over() {
    let mut lab = Lab::new("");
    lab.collected(MACHINE);
    for seconds in [0.0, 2.9] {
        let answer = lab.at(seconds).collect(MACHINE);
        assert_eq!(refusal(&answer), (400, "ActiveRequestAlreadyExists", "Action is already in progress"));
        assert!(answer.1["error"]["target"].is_string());
    }
    lab.collected(&"a".repeat(40));
    lab.at(3.0).collected(&MACHINE.to_uppercase());
    assert_eq!(lab.effects(), ["Collect"; 3]);
}

#[test]
fn bodies() {
    let mut lab = Lab::new("");
    let target = format!("/api/machines/{MACHINE}/collectInvestigationPackage");
    for (body, code) in [
        ("{}", "MissingRequiredParameter"),
        (r#"{"comment":"lower case"}"#, "MissingRequiredParameter"),
        (r#"{"Comment":""}"#, "MissingRequiredParameter"),
        (r#"{"Comment":1}"#, "InvalidRequestBody"),
        (r#"["Comment"]"#, "InvalidRequestBody"),
        (r#"{"Comment":"#, "InvalidRequestBody"),
        ("", "InvalidRequestBody"),
    ] {
        let answer = lab.call("POST", &target, body);
        assert_eq!((answer.0, refusal(&answer).1), (400, code), "{body}");
    }
    let mut plain = HttpRequest::new("POST", &target, r#"{"Comment":"c"}"#);
    plain.content_type = Some("text/plain".into());
    assert_eq!(lab.send(&plain).status, 400);
    plain.content_type = Some("application/json; charset=utf-8".into());
    assert_eq!(lab.send(&plain).status, 201);
}

#[test]
fn machines_that_refuse_or_never_answer() {
    let mut lab = Lab::new(
        "machines:
  list:
    - { id: old, os: Windows7 }
    - { id: mac, os: macOS }
    - { id: sensor, collection: clientVersionNotSupported }
    - { id: os, collection: osNotSupported }
    - { id: fails, collection: fails }
    - { id: silent, collection: timesOut }
    - { id: away, health: Inactive }
",
    );
    assert_eq!(refusal(&lab.collect("old")).1, "OsPlatformNotSupported");
    assert_eq!(refusal(&lab.collect("os")).1, "OsPlatformNotSupported");
    assert_eq!(refusal(&lab.collect("sensor")).1, "ClientVersionNotSupported");
    lab.collected("mac");
    let mut ends = Vec::new();
    for machine in ["fails", "silent", "away"] {
        ends.push(lab.collected(machine));
    }
    let mut standing = |seconds: f64, id: &str| {
        let (_, action) = lab.at(seconds).get(&format!("/api/machineactions/{id}"));
        (action["status"].as_str().unwrap().to_owned(), action["errorHResult"].clone())
    };
    assert_eq!(standing(5.0, &ends[1]).0, "Pending");
    let (status, error) = standing(5.0, &ends[0]);
    assert_eq!(status, "Failed");
    assert_ne!(error, 0);
    assert_eq!(standing(10.0, &ends[1]), ("TimeOut".into(), 0.into()));
    assert_eq!(standing(1e6, &ends[2]).0, "Pending");
}

#[test]
fn unknown_machines() {
    let mut lab = Lab::new("");
    assert_eq!(
        refusal(&lab.collect("123123123")),
        (404, "ResourceNotFound", "Machine 123123123 was not found")
    );
    let mut lab = Lab::new("machines: { strict: true }");
    assert_eq!(refusal(&lab.collect(MACHINE)).0, 404);
    assert!(lab.effects().is_empty());
}

#[test]
fn tokens() {
    let mut lab = Lab::new("");
    let mut request = HttpRequest::new("GET", "/api/machineactions", "");
    // One second after the clock's start.
    let jwt =
        bearer(&serde_json::json!({ "exp": 1_767_225_601, "aud": DEFENDER, "roles": ["Machine.Read.All"] }));
    let jwt = jwt.as_str();
    for (authorization, seconds, status) in [
        (None, 0.0, 401),
        (Some("Bearer "), 0.0, 401),
        (Some("Basic abc"), 0.0, 401),
        (Some("Bearer anything"), 0.0, 200),
        (Some("bearer a.b.c"), 0.0, 200),
        (Some(jwt), 0.0, 200),
        (Some(jwt), 1.0, 401),
    ] {
        request.authorization = authorization.map(str::to_owned);
        let response = lab.at(seconds).send(&request);
        assert_eq!(response.status, status, "{authorization:?}");
        if status == 401 {
            let body: Value = serde_json::from_slice(&response.body).unwrap();
            assert_eq!(body["error"]["code"], "Unauthorized");
        }
    }
}

#[test]
fn cancelling() {
    let mut lab = Lab::new("");
    let id = lab.collected(MACHINE);
    let target = format!("/api/machineactions/{id}/cancel");
    assert_eq!(lab.call("POST", &target, "{}").0, 400);
    let (status, action) = lab.at(0.5).call("POST", &target, r#"{"Comment":"not needed"}"#);
    assert_eq!(status, 200);
    assert_eq!(action["id"], id.as_str());
    assert_eq!(action["status"], "Cancelled");
    assert_eq!(action["cancellationComment"], "not needed");
    assert_eq!(action["cancellationDateTimeUtc"], "2026-01-01T00:00:00.5Z");
    assert_eq!(lab.call("POST", &target, r#"{"Comment":"again"}"#).0, 400);
    let unknown = "/api/machineactions/5382f7ea-7557-4ab7-9782-d50480024a4e/cancel";
    assert_eq!(lab.call("POST", unknown, r#"{"Comment":"x"}"#).0, 404);
    assert_eq!(lab.effects(), ["Collect", "Cancel"]);
    lab.collected(MACHINE);
}

#[test]
fn what_a_cancel_names_is_kept() {
    let mut lab = Lab::new("");
    let id = lab.collected(MACHINE);
    let target = format!("/api/machineactions/{id}/cancel");
    let body = r#"{"Comment":"not needed","ExternalId":"INC-2042/7","Title":"over"}"#;
    let (status, action) = lab.call("POST", &target, body);
    assert_eq!(
        (status, &action["externalId"], &action["title"]),
        (200, &json!("INC-2042/7"), &json!("over"))
    );
    let (_, read) = lab.get(&format!("/api/machineactions/{id}"));
    assert_eq!((&read["externalId"], &read["title"]), (&json!("INC-2042/7"), &json!("over")));
    // What the action was begun with stays where the cancel names nothing.
    let collect = format!("/api/machines/{MACHINE}/collectInvestigationPackage");
    let (_, action) = lab.call("POST", &collect, r#"{"Comment":"c","ExternalId":"begun"}"#);
    let target = format!("/api/machineactions/{}/cancel", action["id"].as_str().unwrap());
    assert_eq!(lab.call("POST", &target, r#"{"Comment":"c","Title":7}"#).0, 400);
    let (status, action) = lab.call("POST", &target, r#"{"Comment":"c"}"#);
    assert_eq!((status, &action["externalId"]), (200, &json!("begun")));
}

#[test]
fn a_cancel_may_take_its_time() {
    let mut lab = Lab::new("delays: { pending: 0, running: 100, cancel: 10 }");
    let (first, other) = (lab.collected(MACHINE), lab.collected(&"ab".repeat(20)));
    let cancel = |lab: &mut Lab, id: &str, comment: &str| {
        lab.call(
            "POST",
            &format!("/api/machineactions/{id}/cancel"),
            &json!({ "Comment": comment }).to_string(),
        )
    };
    let (status, action) = cancel(lab.at(1.0), &first, "not needed");
    assert_eq!(
        (status, &action["status"], &action["cancellationComment"]),
        (200, &json!("InProgress"), &json!(null))
    );
    assert_eq!(lab.at(10.0).collect(MACHINE).0, 400, "it runs still");
    assert_eq!(cancel(&mut lab, &first, "again").0, 200);
    let read = format!("/api/machineactions/{first}");
    let (_, action) = lab.at(11.0).get(&read);
    assert_eq!(
        (&action["status"], &action["cancellationComment"]),
        (&json!("Cancelled"), &json!("not needed"))
    );
    // An action that ends by itself before that has ended.
    assert_eq!(cancel(lab.at(95.0), &other, "late").1["status"], "InProgress");
    let (_, action) = lab.at(200.0).get(&format!("/api/machineactions/{other}"));
    assert_eq!((&action["status"], &action["cancellationComment"]), (&json!("Succeeded"), &json!(null)));
}

#[test]
fn actions_of_others() {
    let mut lab = Lab::new(
        "foreign:
  - { machine: fb9ab6be3965095a09c057be7c90f0a2, comment: theirs, age: 60, remaining: 5 }
  - { machine: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, type: Isolate }
",
    );
    assert_eq!(refusal(&lab.collect(MACHINE)).1, "ActiveRequestAlreadyExists");
    let (_, list) = lab.get(&format!("/api/machineactions?$filter=machineId eq '{MACHINE}'"));
    assert_eq!(list["value"][0]["requestorComment"], "theirs");
    assert_eq!(list["value"][0]["creationDateTimeUtc"], "2025-12-31T23:59:00Z");
    assert_ne!(list["value"][0]["requestSource"], "PublicApi");
    lab.at(5.0).collected(MACHINE);
    lab.collected(&"a".repeat(32));
    assert_eq!(lab.effects(), ["Collect", "Collect"], "what was there before is no effect");

    let mut lab = Lab::new(
        "busyAcrossTypes: true\nforeign: [{ machine: ab, type: Isolate }]\nmachines: { list: [{ id: ab }] }",
    );
    assert_eq!(refusal(&lab.collect("ab")).1, "ActiveRequestAlreadyExists");
}

#[test]
fn an_analyst_at_work() {
    let mut lab = Lab::new("");
    let step = |lab: &mut Lab, body: &str| lab.call("POST", "/sandbox/analyst", body);
    let (status, started) = step(&mut lab, &format!(r#"{{"do":"start","machine":"{MACHINE}"}}"#));
    assert_eq!(status, 200);
    assert_eq!(lab.collect(MACHINE).0, 400);
    let read = format!("/api/machineactions/{}", started["id"].as_str().unwrap());
    assert_eq!(lab.at(1e5).get(&read).1["status"], "InProgress", "it runs until they end it");
    for (verb, status) in
        [("finish", "Succeeded"), ("fail", "Failed"), ("timeOut", "TimeOut"), ("cancel", "Cancelled")]
    {
        let (_, ended) = step(&mut lab, &format!(r#"{{"do":"{verb}","machine":"{MACHINE}"}}"#));
        let read = format!("/api/machineactions/{}", ended["id"].as_str().unwrap());
        assert_eq!(lab.get(&read).1["status"], status);
        lab.collected(MACHINE);
    }
    let by_api = lab.world.effects().iter().filter(|e| e.by == Origin::Api).count();
    assert_eq!((by_api, lab.effects().len()), (4, 9));
    assert_eq!(step(&mut lab, r#"{"do":"explode"}"#).0, 400);
    assert_eq!(step(&mut lab, r#"{"do":"finish","machine":"ab"}"#).0, 404);
}

#[test]
fn a_long_event_log_is_made_while_it_is_sent_and_has_the_same_bytes_in_each_range() {
    let bytes = |response: HttpResponse| {
        let length = response.length();
        let mut all = response.body;
        response.filling.into_iter().flatten().for_each(|piece| all.extend(piece));
        assert_eq!(all.len() as u64, length);
        all
    };
    let mut lab = Lab::new("quotas: { enabled: false }\npackages: { fillerKib: 300 }");
    let id = lab.collected(MACHINE);
    let (_, link) = lab.at(3.0).get(&format!("/api/machineactions/{id}/getPackageUri"));
    let url = link["value"].as_str().unwrap().trim_matches('"').strip_prefix("http://127.0.0.1").unwrap();
    let mut download = HttpRequest::new("GET", url, "");
    download.authorization = None;
    let response = lab.send(&download);
    assert!(response.body.len() < 8 << 10, "{} bytes are held", response.body.len());
    let whole = bytes(response);
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&whole)).unwrap();
    let mut log = zip.by_name("Security event log/Security.evtx").unwrap();
    assert!(log.size() > 300 << 10);
    // Its checksum is compared on the way.
    std::io::copy(&mut log, &mut std::io::sink()).unwrap();

    let length = whole.len();
    for (start, end) in [(0, 1), (100, 200_000), (70_000, 140_000), (150_000, length), (length - 9, length)] {
        download.range = Some(format!("bytes={start}-{}", end - 1));
        let part = lab.send(&download);
        assert_eq!(part.status, 206);
        assert!(bytes(part) == whole[start..end], "{start} to {end}");
    }
}

#[test]
fn package_links() {
    let mut lab = Lab::new(
        "quotas: { enabled: false }\npackages: { link: 60 }\nforeign: [{ machine: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, type: Isolate }]",
    );
    let id = lab.collected(MACHINE);
    let target = format!("/api/machineactions/{id}/getPackageUri");
    assert_eq!(lab.at(2.0).get(&target).0, 404, "not finished");
    let (status, link) = lab.at(3.0).get(&target);
    assert_eq!(status, 200);
    assert_eq!(link["@odata.context"], "http://127.0.0.1/api/$metadata#Edm.String");
    let quoted = link["value"].as_str().unwrap();
    let url = quoted.strip_prefix("\"http://127.0.0.1").unwrap().strip_suffix('"').unwrap().to_owned();

    let mut download = HttpRequest::new("GET", &url, "");
    download.authorization = None;
    let whole = lab.send(&download);
    assert_eq!(whole.status, 200);
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&whole.body)).unwrap();
    assert!(zip.by_name("CollectionSummaryReport.xls").is_ok());
    assert!(zip.by_name("Processes/Processes.csv").is_ok());
    assert_eq!(lab.send(&download).body, whole.body, "the same bytes each time");

    download.range = Some("bytes=10-19".into());
    download.if_range = whole.header("ETag").map(str::to_owned);
    let part = lab.send(&download);
    assert_eq!((part.status, part.body.as_slice()), (206, &whole.body[10..20]));
    assert_eq!(part.header("Content-Range").unwrap(), format!("bytes 10-19/{}", whole.body.len()));
    download.if_range = Some("\"other\"".into());
    assert_eq!(lab.send(&download).status, 200);
    download.if_range = None;
    download.range = Some("bytes=9999999-".into());
    assert_eq!(lab.send(&download).status, 416);

    download.range = None;
    assert_eq!(lab.at(63.0).send(&download).status, 403, "links expire");
    let mangled = HttpRequest::new("GET", &url.replace("token=", "token=0"), "");
    assert_eq!(lab.at(3.0).send(&mangled).status, 403);
    let other = lab.ids("/api/machineactions?$filter=type eq 'Isolate'").remove(0);
    let answer = lab.get(&format!("/api/machineactions/{other}/getPackageUri"));
    assert_eq!((answer.0, refusal(&answer).1), (400, "InvalidInput"));
}
