//! The same against servers of other people: moto for S3, Azurite for Azure Blob Storage. `scripts/object-stores` starts
//! them and tells where they are.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use super::tool::Lab;

/// The address that `scripts/object-stores` tells.
fn server(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/object-stores"))
}

/// One PUT without a body; returns the status line.
fn put(endpoint: &str, path: &str, headers: &str) -> String {
    let host = endpoint.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let head = format!("Host: {host}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n");
    write!(stream, "PUT {path} HTTP/1.1\r\n{head}").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.lines().next().unwrap_or_default().to_owned()
}

/// A name that no earlier test has used.
fn fresh(kind: &str) -> String {
    format!("{kind}-{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond())
}

/// The URL of a place, and the environment that finds it.
type Found = (String, Vec<(&'static str, String)>);

/// A new bucket.
fn s3() -> Found {
    let endpoint = server("CASEFILE_TEST_S3");
    let bucket = fresh("s3");
    let status = put(&endpoint, &format!("/{bucket}"), "");
    assert!(status.contains(" 200 "), "{status}");
    let environment = vec![
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "key".into()),
        ("AWS_SECRET_ACCESS_KEY", "s3cret-key".into()),
    ];
    (format!("s3://{bucket}/ir"), environment)
}

const ACCOUNT: &str = "devstoreaccount1";

/// The key of every emulator, as its documentation prints it.
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// A new container.
fn azure() -> Found {
    let endpoint = server("CASEFILE_TEST_AZURITE");
    let container = fresh("az");
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let named = format!("x-ms-date:{date}\nx-ms-version:2021-08-06\n");
    let signed = format!("PUT{}{named}/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container", "\n".repeat(12));
    let base64 = base64::engine::general_purpose::STANDARD;
    // The key is as long as the hash function's block.
    let signature = base64.encode(hmac_sha256(&base64.decode(KEY).unwrap(), signed.as_bytes()));
    let headers = format!(
        "x-ms-date: {date}\r\nx-ms-version: 2021-08-06\r\nAuthorization: SharedKey {ACCOUNT}:{signature}\r\n"
    );
    let status = put(&endpoint, &format!("/{ACCOUNT}/{container}?restype=container"), &headers);
    assert!(status.contains(" 201 "), "{status}");
    let environment =
        vec![("AZURE_STORAGE_USE_EMULATOR", "true".into()), ("AZURITE_BLOB_STORAGE_URL", endpoint)];
    (format!("az://{container}/ir"), environment)
}

/// All that holds of every store; `place` makes a new one.
fn is_a_store(place: fn() -> Found) {
    let lab = |machines| {
        let (url, environment) = place();
        Lab::new(machines, &url, environment)
    };
    lab(40).goes_on(40);
    lab(6).at_once(8, 6);
    let (url, environment) = place();
    Lab::with_evidence(&url, environment).holds_evidence();
}

#[test]
#[ignore = "needs scripts/object-stores"]
fn real_s3() {
    is_a_store(s3);
}

#[test]
#[ignore = "needs scripts/object-stores"]
fn real_azure() {
    is_a_store(azure);
}
