//! The networks that people have: proxies that ask who is there, that open TLS, that answer in the place of others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::version::{TLS12, TLS13};

use crate::bucket;
use crate::lab::{BY_SECRET, Lab};
use crate::proxy::{Proxy, Way};
use crate::sandbox::Sandbox;
use crate::server::{Reply, Server, everybody, tls};

const SPEC: &str = "{ auth: { method: client-secret } }";

/// The host that is signed in to.
const LOGIN: &str = "login.microsoftonline.com";

/// `BY_SECRET` and more.
fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    BY_SECRET.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn a_proxy_is_told_who_asks() {
    let expected = format!("Basic {}", STANDARD.encode("user:p@ss"));
    let server = Server::start("127.0.0.1:0", rustls::DEFAULT_VERSIONS, everybody);
    let (address, wanted) = (server.address, expected.clone());
    let proxy = Proxy::start("127.0.0.1:0", move |head| {
        let named = head.lines().any(|l| {
            l.split_once(": ")
                .is_some_and(|(n, v)| n.eq_ignore_ascii_case("proxy-authorization") && v == wanted)
        });
        if named {
            return Way::To(address);
        }
        Way::Answer(
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
        )
    });
    let lab = Lab::over(server);
    let url = format!("http://user:p%40ss@{}", proxy.address);
    lab.run(SPEC, &["plan"], &with(&[("HTTPS_PROXY", &url)])).succeeds();
    assert!(!lab.server.seen().is_empty());

    // The password never arrives behind the proxy.
    assert!(lab.server.seen().iter().all(|r| r.header("proxy-authorization").is_empty()));
    let before = lab.server.seen().len();
    lab.run(SPEC, &["plan"], &with(&[("HTTPS_PROXY", &proxy.url())])).fails_with(&[
        &format!("{LOGIN}, through the proxy {} of HTTPS_PROXY: ", proxy.address),
        "name user and password in HTTPS_PROXY",
    ]);
    let wrong = format!("http://user:p%40ssword@{}", proxy.address);
    lab.run(SPEC, &["plan"], &with(&[("HTTPS_PROXY", &wrong)])).fails_with(&["the proxy asks for a sign-in"]);
    assert_eq!(lab.server.seen().len(), before);
}

#[test]
fn an_authority_is_trusted_by_a_setting_alone() {
    let lab = Lab::new();
    let ca = tls("ca.pem");
    let none = ("CASEFILE_CA_FILE", "");
    // Interception, as far as anybody can tell.
    lab.run(SPEC, &["plan"], &with(&[none])).fails_with(&[
        &format!("{LOGIN}, through the proxy {} of HTTPS_PROXY: ", lab.proxy.address),
        "an authority that this computer does not trust has issued the certificate",
        "a proxy that opens TLS shows such a one",
        "name the CA's file by CASEFILE_CA_FILE or --ca-file",
    ]);
    assert!(lab.server.seen().is_empty(), "no secret was sent");
    assert_eq!(lab.proxy.heads().len(), 1, "it was not asked again");
    lab.run(SPEC, &["plan", "--ca-file", &ca], &with(&[none])).succeeds();
    lab.run(SPEC, &["--ca-file", &ca, "plan"], &with(&[("CASEFILE_CA_FILE", "/nowhere")])).succeeds();
    #[cfg(target_os = "linux")]
    lab.run(SPEC, &["plan"], &with(&[none, ("SSL_CERT_FILE", &ca)])).succeeds();
}

#[test]
fn an_authority_in_the_repository_is_not_trusted() {
    let lab = Lab::new();
    let spec =
        |file: &str| format!("{{ defender: {{ caFile: \"{file}\" }}, auth: {{ method: client-secret }} }}");
    let none = ("CASEFILE_CA_FILE", "");
    let (copy, link) = (lab.path("project/ca.pem"), lab.path("link.pem"));
    std::fs::copy(tls("ca.pem"), &copy).unwrap();
    std::os::unix::fs::symlink(&copy, &link).unwrap();
    for file in ["ca.pem", "../link.pem", copy.to_str().unwrap()] {
        lab.run(&spec(file), &["plan"], &with(&[none])).fails_with(&[
            "defender.caFile names ",
            "it lies in the repository",
            "CASEFILE_CA_FILE or --ca-file",
        ]);
    }
    assert!(lab.server.seen().is_empty(), "no secret was sent");
    lab.run(&spec(&tls("ca.pem")), &["plan"], &with(&[none])).succeeds();
}

#[test]
fn a_file_that_names_no_authority_is_told() {
    let lab = Lab::new();
    for (file, part) in [("/nowhere", "No such file"), (&tls("server.key"), "it holds no certificate in PEM")]
    {
        let env = with(&[("CASEFILE_CA_FILE", file)]);
        lab.run(SPEC, &["plan"], &env).fails_with(&[&format!("CASEFILE_CA_FILE names {file}: "), part]);
        lab.run(SPEC, &["plan", "--ca-file", file], &BY_SECRET).fails_with(&["--ca-file names ", part]);
        // Who calls nobody needs none.
        lab.run(SPEC, &["validate"], &env).succeeds();
    }
    assert!(lab.proxy.heads().is_empty());
}

#[test]
fn both_versions_of_tls_are_spoken() {
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let lab = Lab::over(Server::start("127.0.0.1:0", versions, everybody));
        lab.run(SPEC, &["plan"], &BY_SECRET).succeeds();
        assert!(lab.server.seen().len() > 1);
    }
}

#[test]
fn proxies_and_services_have_addresses_of_ipv6_too() {
    let lab = Lab::over(Server::start("[::1]:0", rustls::DEFAULT_VERSIONS, everybody));
    let address = lab.server.address;
    let proxy = Proxy::start("[::1]:0", move |_| Way::To(address));
    lab.run(SPEC, &["plan"], &with(&[("HTTPS_PROXY", &proxy.url())])).succeeds();
    assert!(lab.server.seen().len() > 1);
    // A service on this machine is never looked for behind a proxy.
    let before = (lab.server.seen().len(), proxy.heads().len());
    let endpoint = format!("https://{address}");
    let env = [
        ("CASEFILE_ENDPOINT", endpoint.as_str()),
        ("CASEFILE_ACCESS_TOKEN", "t"),
        ("HTTPS_PROXY", &proxy.url()),
    ];
    lab.run("{}", &["plan"], &env).succeeds();
    assert!(lab.server.seen().len() > before.0);
    assert_eq!(proxy.heads().len(), before.1);
}

#[test]
fn what_no_proxy_names_is_asked_directly() {
    let lab = Lab::new();
    let address = lab.server.address.to_string();
    let url = format!("https://{address}/idtoken");
    let spec = "{ auth: { method: github-oidc } }";
    let env = with(&[
        ("AZURE_CLIENT_SECRET", ""),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", &url),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x"),
        ("CASEFILE_ALLOW_HOST", &address),
    ]);
    let place = |n: usize| lab.proxy.places().get(n).cloned();
    // What it answers is no assertion: where it was asked is what counts.
    lab.run(spec, &["plan"], &env).fails_with(&["GitHub's answer holds no OIDC token"]);
    assert_eq!(place(0).as_deref(), Some(address.as_str()));
    let heads = lab.proxy.heads().len();
    for direct in ["127.0.0.1", "corp.example, 127.0.0.0/8", "*", "corp.example,*"] {
        let before = lab.server.seen().len();
        let env: Vec<_> = env.iter().copied().chain([("NO_PROXY", direct)]).collect();
        lab.run(spec, &["plan"], &env).fails_with(&["GitHub's answer holds no OIDC token"]);
        assert_eq!((lab.server.seen().len(), lab.proxy.heads().len()), (before + 1, heads), "{direct}");
    }
}

#[test]
fn what_answers_in_the_place_of_a_sign_in_service_is_told_and_asked_once() {
    let redirect = || Reply("302 Found", "text/html", String::new());
    for (page, part) in [
        (Reply::page as fn() -> Reply, "a web page (status 200) where a sign-in service answers in JSON"),
        (redirect, "status 302 leads elsewhere"),
        (|| Reply("403 Forbidden", "text/html", "<html>blocked</html>".into()), "a web page (status 403)"),
    ] {
        let lab = Lab::over(Server::start("127.0.0.1:0", rustls::DEFAULT_VERSIONS, move |_, _| page()));
        lab.run(SPEC, &["plan"], &BY_SECRET).fails_with(&[
            &format!("{LOGIN}, through the proxy {} of HTTPS_PROXY: {part}", lab.proxy.address),
            "sign in there with a browser, or name the service's host in NO_PROXY",
        ]);
        assert_eq!(lab.server.seen().len(), 1);
    }
    // Of the API too, once there is a token.
    let lab = Lab::over(Server::start("127.0.0.1:0", rustls::DEFAULT_VERSIONS, |n, request| {
        if request.is_for_token() { everybody(n, request) } else { Reply::page() }
    }));
    let run = lab.run(SPEC, &["plan"], &BY_SECRET);
    assert!(run.err.contains("web page") || run.out.contains("web page"), "{run:#?}");
    let portal = Proxy::start("127.0.0.1:0", |_| Way::Answer("HTTP/1.1 200 OK\r\n\r\n<html>Sign in</html>"));
    lab.run(SPEC, &["plan"], &with(&[("HTTPS_PROXY", &portal.url())])).fails_with(&[&format!(
        "{LOGIN}, through the proxy {} of HTTPS_PROXY: no connection",
        portal.address
    )]);
}

#[test]
fn a_sign_in_service_that_is_down_is_told_with_its_host_and_the_proxy() {
    let lab = Lab::over(Server::start("127.0.0.1:0", rustls::DEFAULT_VERSIONS, |_, _| {
        Reply("503 Service Unavailable", "text/html", "<html>Service Unavailable</html>".into())
    }));
    lab.run(SPEC, &["plan"], &BY_SECRET).fails_with(&[
        &format!("{LOGIN}, through the proxy {} of HTTPS_PROXY: status 503, and no JSON", lab.proxy.address),
        "ask it again later",
    ]);
    assert_eq!(lab.server.seen().len(), 3, "and it was asked again before");
    // Nobody listens there any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    lab.run(SPEC, &["plan"], &with(&[("HTTPS_PROXY", &format!("http://{closed}"))])).fails_with(&[
        &format!("{LOGIN}, through the proxy {closed} of HTTPS_PROXY: no connection"),
        "check endpoint, network and proxy",
    ]);
}

#[test]
fn a_whole_run_goes_through_a_proxy_that_opens_tls_its_download_too() {
    let service = Sandbox::start("delays: { pending: 0, running: 1 }");
    let lab = Lab::over(Server::in_front_of(service.url.strip_prefix("http://").unwrap().parse().unwrap()));
    let run = ["apply", "--auto-approve", "--wait", "--fetch", "--timeout", "120s"];
    let told = lab.run(SPEC, &run, &BY_SECRET).succeeds();
    assert!(told.out.contains("1 package fetched"), "{told:#?}");
    // The link leads to the name of the real host, and is no secret's way: the bearer stays at home.
    let seen = lab.server.seen();
    let download = seen.iter().find(|r| r.line.contains("?token=")).unwrap();
    assert!(download.header("authorization").is_empty(), "{download:?}");
    assert_eq!(lab.server.token_requests().len(), 1);
    assert!(
        lab.proxy
            .places()
            .iter()
            .all(|place| place.ends_with(".microsoft.com:443") || place.ends_with("online.com:443"))
    );
    lab.run(SPEC, &["verify"], &[]).succeeds();
}

#[test]
fn object_storage_may_show_a_certificate_of_an_authority_that_is_named() {
    let at = |url: &str| url.strip_prefix("http://").unwrap().parse().unwrap();
    let service = Sandbox::start("{}");
    let lab = Lab::over(Server::in_front_of(at(&service.url)));
    let bucket = bucket::Server::start();
    let front = Server::in_front_of(at(&bucket.endpoint));
    let (endpoint, cache) = (format!("https://{}", front.address), lab.path("cache").display().to_string());
    let store = with(&[
        ("CASEFILE_STATE_URL", "s3://bucket/ir"),
        ("CASEFILE_CACHE_DIR", &cache),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret-key"),
        ("NO_PROXY", "127.0.0.1"),
    ]);
    let untrusted: Vec<_> = store.iter().copied().chain([("CASEFILE_CA_FILE", "")]).collect();
    let run = ["apply", "--auto-approve"];
    lab.run(SPEC, &run, &untrusted).fails_with(&["UnknownIssuer"]);
    assert!(front.seen().is_empty(), "nothing was sent to who cannot be trusted");
    let (ca, trusting) = (tls("ca.pem"), [&run[..], &["--ca-file"]].concat());
    lab.run(SPEC, &[&trusting[..], &[&ca]].concat(), &untrusted).succeeds();
    assert!(bucket.inner().puts() > 0 && front.seen().len() > 1, "{:?}", bucket.inner().requests);
    lab.run(SPEC, &["verify"], &store).succeeds();
}
