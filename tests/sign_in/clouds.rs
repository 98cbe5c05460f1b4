//! Each cloud: where tokens are asked for, what they are asked for, and where they go.

use crate::document;
use crate::lab::{BY_SECRET, CLIENT, Lab, SECRET};
use crate::server::TENANT;

/// The clouds and their regions, in the order of the page.
const CLOUDS: [(&str, Option<&str>); 11] = [
    ("public", None),
    ("public", Some("us")),
    ("public", Some("eu")),
    ("public", Some("uk")),
    ("public", Some("au")),
    ("public", Some("swa")),
    ("public", Some("ina")),
    ("public", Some("aea")),
    ("gcc", None),
    ("gcc-high", None),
    ("dod", None),
];

fn spec(cloud: &str, region: Option<&str>) -> String {
    let region = region.map(|r| format!(", region: {r}")).unwrap_or_default();
    format!("{{ defender: {{ cloud: {cloud}{region} }}, auth: {{ method: client-secret }} }}")
}

#[test]
fn each_cloud_and_region_has_its_sign_in_its_audience_and_its_host() {
    let mut rows = String::new();
    for (cloud, region) in CLOUDS {
        let lab = Lab::new();
        lab.run(&spec(cloud, region), &["plan"], &BY_SECRET).succeeds();
        let seen = lab.server.seen();
        let (token, calls) = seen.split_first().unwrap();
        assert_eq!(token.line, format!("POST /{TENANT}/oauth2/v2.0/token HTTP/1.1"));
        assert_eq!(token.header("content-type"), "application/x-www-form-urlencoded");
        let (login, scope) = (token.header("host"), token.field("scope").unwrap());
        let written: String = url::form_urlencoded::byte_serialize(scope.as_bytes()).collect();
        assert_eq!(
            token.body,
            format!(
                "client_id={CLIENT}&client_secret={}&grant_type=client_credentials&scope={written}",
                SECRET.replace('~', "%7E")
            )
        );
        assert!(!calls.is_empty());
        let host = calls[0].header("host");
        for call in calls {
            assert_eq!(call.header("host"), host, "{call:?}");
            assert!(call.line.contains(" /api/"), "{call:?}");
            let bearer = call.header("authorization");
            assert!(bearer.starts_with("Bearer e30."), "the token that was asked for: {bearer}");
        }
        // The names of the hosts were never looked up here: the proxy was asked for them.
        assert_eq!(lab.proxy.places(), [format!("{login}:443"), format!("{host}:443")]);
        let name = region.map_or_else(|| format!("`{cloud}`"), |r| format!("`{cloud}`, `{r}`"));
        rows.push_str(&format!("| {name} | `{login}` | `{scope}` | `https://{host}` |\n"));
    }
    document::holds(&rows);
}

#[test]
fn microsoft_graph_of_each_cloud_has_a_token_of_its_own() {
    let mut rows = String::new();
    for (cloud, region) in CLOUDS.into_iter().filter(|(_, region)| region.is_none()) {
        let lab = Lab::new();
        lab.run(&spec(cloud, region), &["hunt", "DeviceInfo | take 1"], &BY_SECRET).succeeds();
        let [_, token] = lab.server.token_requests().try_into().unwrap();
        let seen = lab.server.seen();
        let call = seen.last().unwrap();
        let (login, scope, host) = (token.header("host"), token.field("scope").unwrap(), call.header("host"));
        assert_eq!(call.line, "POST /v1.0/security/runHuntingQuery HTTP/1.1");
        assert!(call.header("authorization").starts_with("Bearer e30."));
        rows.push_str(&format!("| `{cloud}` | `{login}` | `{scope}` | `https://{host}` |\n"));
    }
    document::holds(&rows);
}
