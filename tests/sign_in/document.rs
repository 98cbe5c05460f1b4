//! Compares what `docs/sign-in.md` shows with what was sent.

use casefile::defender::auth::AuthMethod;

use crate::lab::{CLIENT, SECRET};
use crate::server::{Request, TENANT};

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sign-in.md")).unwrap()
}

/// Checks that the page shows a text as it is.
#[track_caller]
pub fn holds(text: &str) {
    assert!(page().contains(text), "docs/sign-in.md does not show this:\n\n{text}");
}

/// A request as the page shows it: values by names, and a field of a form in a line.
pub fn shown(request: &Request, headers: &[&str], names: &[(&str, &str)]) -> String {
    let mut text = format!("{}\n", request.line);
    for name in ["host"].iter().chain(headers) {
        text.push_str(&format!("{name}: {}\n", request.header(name)));
    }
    if !request.body.is_empty() {
        text.push_str(&format!("\n{}\n", request.body.replace('&', "\n&")));
    }
    let written: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let own = [(TENANT, "TENANT"), (CLIENT, "CLIENT"), (written.as_str(), "SECRET")];
    for (value, name) in own.iter().chain(names) {
        text = text.replace(value, name);
    }
    text
}

#[test]
fn the_page_shows_each_method_of_the_project_file() {
    for method in AuthMethod::ALL {
        if method != AuthMethod::Auto {
            holds(&format!("\n## {method}\n"));
        }
    }
}
