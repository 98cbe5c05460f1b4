use casefile::sandbox::HttpRequest;
use serde_json::Value;

use super::{Lab, MACHINE, refusal};

#[test]
fn lists_of_actions() {
    let mut lab = Lab::new("");
    let machines: Vec<String> = ["a", "b", "c"].iter().map(|c| c.repeat(40)).collect();
    let mut ids = Vec::new();
    for (n, machine) in machines.iter().enumerate() {
        lab.at(n as f64);
        ids.push(lab.collected(machine));
    }
    let [a, b, c] = ids.as_slice() else { panic!() };
    lab.at(2.0);
    let list = |rest: &str| format!("/api/machineactions?{rest}");
    assert_eq!(lab.ids("/api/machineactions"), [&**c, b, a], "newest first");
    assert_eq!(lab.ids(&list("$top=2")), [&**c, b]);
    assert_eq!(lab.ids(&list("$top=2&$skip=2")), [&**a]);
    assert_eq!(lab.ids(&list("$orderby=creationDateTimeUtc")), [&**a, b, c]);
    assert_eq!(lab.ids(&list("$orderby=creationDateTimeUtc%20desc&$top=1")), [&**c]);
    assert_eq!(lab.ids(&list("$filter=status+eq+'InProgress'")), [&**b, a]);
    assert_eq!(lab.ids(&list(&format!("$filter=machineId eq '{}'", machines[0]))), [&**a]);
    let two = format!("$filter=machineId eq '{}' or machineId eq '{}'", machines[0], machines[2]);
    assert_eq!(lab.ids(&list(&two)), [&**c, a]);
    assert_eq!(lab.ids(&list(&format!("$filter=id eq {b}"))), [&**b]);
    assert_eq!(lab.ids(&list(&format!("$filter=id eq '{b}'"))), [&**b]);
    assert_eq!(lab.ids(&list("$filter=creationDateTimeUtc gt 2026-01-01T00:00:00Z")), [&**c, b]);
    let long =
        "$filter=type eq 'CollectInvestigationPackage' and (status eq 'Pending' or status eq 'InProgress')";
    assert_eq!(lab.ids(&list(long)).len(), 3);

    let stop = lab.get(&list("$stop=2"));
    assert_eq!(refusal(&stop).0, 400);
    assert_eq!(stop.1["error"]["code"], "");
    assert_eq!(stop.1["error"]["details"], serde_json::json!([]));
    assert_eq!(stop.1["error"].get("target"), None);
    for bad in ["$top=10001", "$filter=requestorComment eq 'x'", "$filter=externalId eq 'x'", "$filter=("] {
        assert_eq!(lab.get(&list(bad)).0, 400, "{bad}");
    }
}

#[test]
fn pages_link_to_the_next_one() {
    let mut lab = Lab::new("lists: { pageSize: 2 }");
    for c in ["a", "b", "c", "d", "e"] {
        lab.collected(&c.repeat(40));
    }
    let mut target =
        "/api/machineactions?$filter=type eq 'CollectInvestigationPackage'&$top=10000".to_owned();
    let mut sizes = Vec::new();
    let mut seen = std::collections::HashSet::new();
    loop {
        let (_, page) = lab.get(&target);
        let rows = page["value"].as_array().unwrap();
        sizes.push(rows.len());
        seen.extend(rows.iter().map(|r| r["id"].as_str().unwrap().to_owned()));
        match page["@odata.nextLink"].as_str() {
            Some(link) => target = link.strip_prefix("http://127.0.0.1").unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!((sizes, seen.len()), (vec![2, 2, 1], 5));
    assert_eq!(lab.get("/api/machineactions?$top=2").1.get("@odata.nextLink"), None);
}

#[test]
fn new_objects_are_not_readable_at_once() {
    let mut lab = Lab::new("delays: { listLag: 5 }");
    let id = lab.collected(MACHINE);
    let read = format!("/api/machineactions/{id}");
    lab.alert(|_| ());
    assert_eq!(lab.at(4.9).get(&read).0, 404);
    assert!(lab.ids("/api/machineactions").is_empty());
    assert!(lab.ids("/api/alerts").is_empty());
    assert_eq!(lab.at(5.0).get(&read).0, 200);
    assert_eq!(lab.ids("/api/machineactions"), [id]);
    assert_eq!(lab.ids("/api/alerts").len(), 1);
}

#[test]
fn one_action_by_its_key() {
    let mut lab = Lab::new("");
    let key = "0123456789abcdef0123456789abcdef01234567";
    let answer = lab.get(&format!("/api/machineactions/{key}"));
    assert_eq!(
        refusal(&answer),
        (
            400,
            "BadRequest",
            "The key value (0123456789abcdef0123456789abcdef01234567) from request is not valid. The key value should be format of type 'Edm.Guid'."
        )
    );
    assert_eq!(lab.get("/api/machineactions/5382f7ea-7557-4ab7-9782-d50480024a4e").0, 404);
    let id = lab.collected(MACHINE);
    assert_eq!(lab.get(&format!("/api/v1.0/MachineActions/{}", id.to_uppercase())).0, 200);
}

#[test]
fn machines() {
    let mut lab = Lab::new("delays: {}\nseed: other");
    assert_eq!(lab.get("/api/machines").0, 404, "no machine at all");
    let (_, machine) = lab.get(&format!("/api/machines/{MACHINE}"));
    assert_eq!(machine["computerDnsName"], "desktop-fb9ab6b");
    assert_eq!(machine["onboardingStatus"], "Onboarded");
    for name in [
        "id",
        "computerDnsName",
        "firstSeen",
        "lastSeen",
        "osPlatform",
        "version",
        "osProcessor",
        "lastIpAddress",
        "lastExternalIpAddress",
        "osBuild",
        "healthStatus",
        "rbacGroupId",
        "rbacGroupName",
        "riskScore",
        "exposureLevel",
        "isAadJoined",
        "aadDeviceId",
        "machineTags",
        "mergedIntoMachineId",
        "isPotentialDuplication",
        "isExcluded",
        "exclusionReason",
        "agentVersion",
        "deviceValue",
        "osArchitecture",
        "managedBy",
        "managedByStatus",
        "ipAddresses",
        "vmMetadata",
    ] {
        assert!(machine.get(name).is_some(), "{name}");
    }
    assert_eq!(lab.get("/api/machines").0, 404, "reading makes no machine");
    lab.collected(MACHINE);
    assert_eq!(lab.ids("/api/machines"), [MACHINE]);
    assert_eq!(lab.get("/api/machines/DESKTOP-fb9ab6b").1["id"], MACHINE);

    // A world of which nothing is said has the devices of its events, and gives their ids to whoever looks.
    let mut lab = Lab::new("");
    let there = named(&mut lab, "healthStatus eq 'Active'");
    let names: Vec<&str> = there.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["fin-ws-042.contoso.com", "hr-ws-007.contoso.com"]);
    assert_eq!(named(&mut lab, "startswith(computerDnsName,'fin-ws-042')"), there[..1]);
    assert_eq!(lab.get("/api/machines/fin-ws-042.contoso.com").1["id"], *there[0].0);

    let mut lab = Lab::new(
        "machines:
  strict: true
  list:
    - { id: a1, name: FIN-1.contoso.com, tags: [tier1, eu], health: Inactive }
    - { id: b2, name: fin-2.contoso.com, tags: [tier10], os: macOS }
",
    );
    assert_eq!(lab.get("/api/machines/fin-1.contoso.com").1["id"], "a1");
    assert_eq!(lab.get("/api/machines/c3").0, 404);
    let ids = |lab: &mut Lab, rest: &str| lab.ids(&format!("/api/machines{rest}"));
    assert_eq!(ids(&mut lab, "?$filter=healthStatus eq 'Active'"), ["b2"]);
    assert_eq!(ids(&mut lab, "?$filter=startswith(computerDnsName,'fin-')"), ["a1", "b2"]);
    assert_eq!(ids(&mut lab, "?$filter=lastSeen lt 2025-12-31T00:00:00Z"), ["a1"]);
    assert_eq!(ids(&mut lab, "/findbytag?tag=tier1"), ["a1"]);
    assert_eq!(ids(&mut lab, "/findbytag?tag=tier1&useStartsWithFilter=true"), ["a1", "b2"]);
    assert_eq!(ids(&mut lab, "/FindByTag?tag=none"), [""; 0]);
    assert_eq!(lab.get("/api/machines/findbytag").0, 400);
}

/// Ids and names of the devices that a filter lets through.
fn named(lab: &mut Lab, filter: &str) -> Vec<(String, String)> {
    let (status, list) = lab.get(&format!("/api/machines?$filter={filter}"));
    if status == 404 {
        return Vec::new();
    }
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let rows = list["value"].as_array().unwrap().iter();
    rows.map(|r| (text(&r["id"]), text(&r["computerDnsName"]))).collect()
}

#[test]
fn a_name_that_a_list_is_filtered_by_is_that_of_a_device() {
    let mut lab = Lab::new("");
    assert_eq!(lab.get("/api/machines/ops-1").0, 404, "a read by name makes none");
    let found = named(&mut lab, "startswith(computerDnsName,'ops-1')");
    let [(id, name)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((id.len(), name.as_str()), (40, "ops-1"));
    assert_eq!(named(&mut lab, &format!("id eq '{id}'")), found);
    let (_, machine) = lab.get("/api/machines/OPS-1");
    assert_eq!(machine["id"], **id);
    assert_eq!(machine["healthStatus"], "Active");
    assert_eq!(machine["onboardingStatus"], "Onboarded");
    assert_eq!(machine["osPlatform"], "Windows11");
    assert_eq!(machine["lastSeen"], "2025-12-31T23:30:00Z");
    let action = lab.collected(id);
    let (_, action) = lab.get(&format!("/api/machineactions/{action}"));
    assert_eq!(action["computerDnsName"], "ops-1");

    // The same device in another world, wherever else it is asked for, and in any order.
    let mut other = Lab::new("");
    let both = "computerDnsName eq 'ops-2.contoso.com' or startswith(computerDnsName,'ops-1')";
    let two = named(&mut other, both);
    assert_eq!(two.len(), 2);
    assert!(two.contains(&found[0]), "{two:?}");
    assert_eq!(named(&mut lab, "computerDnsName eq 'ops-2.contoso.com'").len(), 1);
    // A short name and a whole one of it are one device, which is called by the longer.
    assert_eq!(named(&mut lab, "startswith(computerDnsName,'ops-2')").len(), 1);
    let whole = named(&mut lab, "computerDnsName eq 'ops-1.contoso.com'");
    assert_eq!(whole, [(id.clone(), "ops-1.contoso.com".to_owned())]);
    assert_eq!(named(&mut lab, "startswith(computerDnsName,'ops-1')"), whole);
    let mut again = Lab::new("");
    let together = "startswith(computerDnsName,'ops-3') or computerDnsName eq 'ops-3.contoso.com'";
    assert_eq!(named(&mut again, together).len(), 1);

    // Two domains are two devices.
    let two = named(&mut again, "computerDnsName eq 'ops-3.fabrikam.com'");
    assert_ne!(two[0].0, named(&mut again, "computerDnsName eq 'ops-3.contoso.com'")[0].0);
    let third = named(&mut Lab::new(""), "startswith(computerDnsName,'ops-3')");
    assert_eq!(third[0].0, named(&mut again, "computerDnsName eq 'ops-3.contoso.com'")[0].0);

    // A device that hunting shows.
    let demo = named(&mut again, "startswith(computerDnsName,'fin-ws-042')");
    assert_eq!(
        demo,
        [("1e5bc9d7e413ddd7902c2932e418702b84d0cc07".to_owned(), "fin-ws-042.contoso.com".to_owned())]
    );
}

#[test]
fn a_written_world_knows_the_names() {
    let mut lab = Lab::new("");
    let found = named(&mut lab, "startswith(computerDnsName,'ops-1')");
    lab.collected(MACHINE);
    let json = lab.world.to_json().unwrap();
    let mut copy = Lab { world: casefile::sandbox::World::from_json(&json).unwrap(), now: lab.now };
    assert_eq!(copy.world.to_json().unwrap(), json);
    assert_eq!(named(&mut copy, &format!("id eq '{}'", found[0].0)), found);
    assert_eq!(named(&mut copy, "startswith(computerDnsName,'ops-1')"), found);
    let fleet = serde_json::from_slice::<Value>(&json).unwrap()["fleet"].clone();
    assert!(fleet.as_array().unwrap().contains(&serde_json::json!({ "id": found[0].0, "name": "ops-1" })));
}

#[test]
fn names_that_no_device_gets() {
    for (scenario, filter) in [
        ("machines: { strict: true }", "startswith(computerDnsName,'ops-1')"),
        ("seed: other", "startswith(computerDnsName,'ops-')"),
        ("seed: other", "computerDnsName eq 'a b'"),
        ("seed: other", "computerDnsName ne 'ops-1'"),
        ("seed: other", "startswith(computerDnsName,'desktop-fb9ab6b')"),
        ("seed: other", "computerDnsName eq 'fb9ab6be3965095a09c057be7c90f0a2'"),
        ("seed: other", "healthStatus eq 'ops-1'"),
    ] {
        let mut lab = Lab::new(scenario);
        assert_eq!(named(&mut lab, filter), [], "{scenario} {filter}");
        assert_eq!(lab.get("/api/machines").0, 404, "{scenario} {filter}");
    }
    let listed =
        "machines: { strict: false, list: [{ id: a1, name: ops-1.contoso.com }, { id: a2, name: ops-2 }] }";
    let mut lab = Lab::new(listed);
    let ids = |found: Vec<(String, String)>| found.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids(named(&mut lab, "startswith(computerDnsName,'ops-1')")), ["a1"]);
    assert_eq!(ids(named(&mut lab, "computerDnsName eq 'ops-1.contoso.com'")), ["a1"]);
    assert_eq!(ids(named(&mut lab, "startswith(computerDnsName,'ops-2')")), ["a2"]);
    assert_eq!(lab.ids("/api/machines"), ["a1", "a2"]);
    // Who was made up gives way to a device that is listed under the name later.
    let made = ids(named(&mut lab, "startswith(computerDnsName,'ops-3')"));
    let list = serde_json::json!([{ "id": "a3", "name": "ops-3.contoso.com" }]).to_string();
    assert_eq!(lab.call("PUT", "/sandbox/machines", &list).0, 200);
    assert_eq!(ids(named(&mut lab, "startswith(computerDnsName,'ops-3')")), ["a3"]);
    assert_eq!(lab.get(&format!("/api/machines/{}", made[0])).1["computerDnsName"], "ops-3");
}

#[test]
fn headers_methods_and_paths() {
    let mut lab = Lab::new("");
    let get = |lab: &mut Lab, path: &str| lab.send(&HttpRequest::new("GET", path, ""));
    let response = get(&mut lab, "/api/machineactions");
    assert_eq!(response.header("date"), Some("Thu, 01 Jan 2026 00:00:00 GMT"));
    assert_eq!(response.header("odata-version"), Some("4.0"));
    assert!(response.header("content-type").unwrap().starts_with("application/json; odata.metadata=minimal"));

    let wrong = get(&mut lab, &format!("/api/machines/{MACHINE}/collectInvestigationPackage"));
    assert_eq!((wrong.status, wrong.header("allow"), wrong.body.len()), (405, Some("POST"), 0));
    assert!(wrong.header("date").is_some());
    let nowhere = get(&mut lab, "/api/machines/x/software");
    assert_eq!((nowhere.status, nowhere.body.len()), (404, 0));
}

#[test]
fn the_world_as_json() {
    let mut lab = Lab::new("");
    lab.collected(MACHINE);
    lab.collect(MACHINE);
    lab.alert(|_| ());
    let (status, world) = lab.get("/sandbox/world");
    assert_eq!(status, 200);
    assert_eq!(world["machineActions"].as_array().map(Vec::len), Some(1));
    assert_eq!(world["alerts"].as_array().map(Vec::len), Some(1));
    // One of the three has an alert, and one has a collection.
    assert_eq!(world["machines"].as_array().map(Vec::len), Some(3));
    assert_eq!(world["requests"]["collect"]["total"], 2);
    assert_eq!(world["requests"]["collect"]["byAnswer"], serde_json::json!({"201": 1, "400": 1}));
    let effects = world["effects"].as_array().unwrap();
    assert_eq!(effects.len(), 2);
    assert_eq!(effects[0]["kind"], "collect");
    assert_eq!(effects[0]["text"], "Collect forensics due to alert 1234");
    assert_eq!(effects[0]["at"], "2026-01-01T00:00:00Z");
    assert_eq!(effects[1]["machine"], "1e5bc9d7e413ddd7902c2932e418702b84d0cc07");
    assert_eq!(lab.get("/sandbox/nothing").0, 404);
    assert_eq!(lab.call("POST", "/sandbox/advance", r#"{"seconds":1}"#).0, 404, "needs a virtual clock");
}

#[test]
fn a_written_world_goes_on_where_it_stood() {
    let scenario = "quotas: { limits: { collect: { perMinute: 2 } } }\nfaults: [{ on: createAlert, nth: [2], then: error }]";
    let mut lab = Lab::new(scenario);
    lab.collected(MACHINE);
    lab.alert(|_| ());
    let copy = casefile::sandbox::World::from_json(&lab.world.to_json().unwrap()).unwrap();
    let mut copy = Lab { world: copy, now: lab.now };
    for lab in [&mut lab, &mut copy] {
        assert_eq!(lab.collect(MACHINE).0, 400, "still busy");
        assert_eq!(lab.collect(&"a".repeat(40)).0, 429, "the quota was kept");
        assert_eq!(lab.alert(|_| ()).0, 500, "the count of faults was kept");
        assert_eq!(lab.effects().len(), 2);
    }
    assert_eq!(lab.world.to_json().unwrap(), copy.world.to_json().unwrap());
    let mut json: Value = serde_json::from_slice(&lab.world.to_json().unwrap()).unwrap();
    let met = serde_json::json!(["1e5bc9d7e413ddd7902c2932e418702b84d0cc07", MACHINE]);
    assert_eq!(json["fleet"], met, "as before devices were met by name");
    json["formatVersion"] = 2.into();
    let error = casefile::sandbox::World::from_json(json.to_string().as_bytes()).unwrap_err();
    assert!(error.to_string().contains("format version 2"), "{error}");
}
