//! The proxy that the environment names: every call goes through it, and none past it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use crate::case::Case;

/// A proxy on loopback that refuses every tunnel, and tells of each which host was asked for, and with which credentials.
fn refusing(status: &'static str) -> (u16, mpsc::Receiver<(String, bool)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let Some(first) = lines.next() else { continue };
            let signed_in = lines
                .take_while(|line| !line.is_empty())
                .any(|line| line.starts_with("proxy-authorization:"));
            // The test may have seen enough.
            let _ = tell.send((first, signed_in));
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (port, told)
}

/// A project of the public service, whose hosts are reached by nothing but a proxy here.
fn public(port: u16, user: &str) -> Case {
    let mut case = Case::new("", "{ defender: { hunting: defender } }");
    case.write(
        "manifests/a.yaml",
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: a }\nspec: { machineId: \
         fb9ab6be3965095a09c057be7c90f0a2, comment: INC-1 }\n",
    );
    case.env.push(("HTTPS_PROXY", format!("http://{user}127.0.0.1:{port}")));
    case.env.push(("CASEFILE_ENDPOINT", "https://api.security.microsoft.com".to_owned()));
    case.env.extend([
        ("NO_PROXY", String::new()),
        ("no_proxy", String::new()),
        ("https_proxy", String::new()),
    ]);
    case
}

#[test]
fn calls_go_through_the_proxy_of_the_environment() {
    let (port, told) = refusing("502 Bad Gateway");
    let case = public(port, "");
    let (out, err) = case.exits(1, &["plan"]);
    let place = format!("through the proxy 127.0.0.1:{port} of HTTPS_PROXY");
    assert!(out.contains("This plan is not complete") && err.contains(&place), "{out}{err}");
    let asked: Vec<(String, bool)> = told.try_iter().collect();
    assert!(!asked.is_empty());
    for (line, signed_in) in asked {
        assert_eq!((&*line, signed_in), ("CONNECT api.security.microsoft.com:443 HTTP/1.1", false));
    }
}

#[test]
fn a_proxy_that_asks_for_a_sign_in_is_told_by_its_variable_and_not_by_its_password() {
    let (port, told) = refusing("407 Proxy Authentication Required");
    let case = public(port, "ann:geheim@");
    let (out, err) = case.exits(1, &["plan"]);
    assert!(err.contains("name user and password in HTTPS_PROXY"), "{err}");
    assert!(!out.contains("geheim") && !err.contains("geheim"), "{out}{err}");
    let (_, signed_in) = told.try_iter().next().unwrap();
    assert!(signed_in, "the credentials of the variable are for the proxy");
}

#[test]
fn no_proxy_stands_before_this_machine() {
    let (port, told) = refusing("502 Bad Gateway");
    let mut case = Case::new("", "{}");
    case.env.push(("HTTPS_PROXY", format!("http://127.0.0.1:{port}")));
    case.env.push(("ALL_PROXY", format!("http://127.0.0.1:{port}")));
    case.exits(0, &["plan"]);
    assert_eq!(told.try_iter().count(), 0);
}
