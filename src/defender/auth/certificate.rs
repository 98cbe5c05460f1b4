//! The assertion that an application signs with the key of its certificate, in place of a secret.
//!
//! Its form is that of Entra ID's page on certificate credentials: PS256, and the certificate named by `x5t#S256`. Entra ID
//! takes certificates with RSA keys only: an assertion signed with an elliptic curve is refused there (AADSTS5002738), so
//! such a certificate is refused here, before anything is sent.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::files::{self, Links};

/// How long an assertion is good: one request is made with it.
const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The longest file, in bytes.
const LONGEST: u64 = 1 << 20;

/// An application's certificate and key.
#[derive(Clone)]
pub(super) struct Certificate {
    key: Arc<dyn SigningKey>,
    /// SHA-256 of the certificate's DER, as a token names it.
    thumbprint: String,
}

impl Certificate {
    /// Reads a PEM file that holds a certificate and its key, in any order, and perhaps other certificates.
    ///
    /// # Errors
    /// In words, with what to do about it. They quote nothing of the file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let told = |why: &str| format!("AZURE_CLIENT_CERTIFICATE_PATH names {}: {why}", path.display());
        let bytes = files::read(path, Links::Followed, LONGEST).map_err(|e| told(&e.to_string()))?;
        let bytes = Zeroizing::new(bytes);
        let has = |text: &[u8]| memchr::memmem::find(&bytes, text).is_some();
        if !has(b"-----BEGIN ") {
            let name = path.display();
            return Err(told(&format!(
                "it is no PEM file; if it is a PFX (PKCS#12), write it as PEM: openssl pkcs12 -in {name} -noenc -out app.pem"
            )));
        }
        if has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED") {
            return Err(told(
                "its key has a password; write it without one, into a file that only you can read: openssl pkey -in OLD \
                 -out NEW, with the certificate behind it",
            ));
        }
        let key = PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|_| told("it holds no private key in PEM beside the certificate"))?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key)
            .map_err(|_| told("its key cannot be used: RSA keys of 2048 to 8192 bits can"))?;
        if key.algorithm() != SignatureAlgorithm::RSA {
            return Err(told(
                "its key is not an RSA key, and Entra ID takes certificates with RSA keys only; make one: openssl req -x509 \
                 -newkey rsa:2048 -noenc -days 365 -subj /CN=casefile -keyout app.pem -out app.pem",
            ));
        }
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok).collect();
        if certificates.is_empty() {
            return Err(told("it holds no certificate in PEM beside the key"));
        }
        let fits = |c: &&CertificateDer<'static>| {
            CertifiedKey::new(vec![(*c).clone()], key.clone()).keys_match().is_ok()
        };
        let certificate = certificates
            .iter()
            .find(fits)
            .ok_or_else(|| told("none of the certificates in it belongs to its key"))?;
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(certificate));
        Ok(Certificate { key, thumbprint })
    }

    /// Signs an assertion: that `client` asks the token endpoint `audience` for a token at `now`. `id` is one that no other
    /// assertion has.
    fn sign(&self, client: &str, audience: &str, now: Timestamp, id: &str) -> Result<String, rustls::Error> {
        let from = now.as_second();
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": audience,
            "exp": from + LIFE.as_secs(),
            "iat": from,
            "iss": client,
            "jti": id,
            "nbf": from,
            "sub": client,
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let signer = self
            .key
            .choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])
            .ok_or_else(|| rustls::Error::General("the key signs no PS256".to_owned()))?;
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(text.as_bytes())?);
        Ok(format!("{text}.{signature}"))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.thumbprint)
    }
}

/// The assertions of one application for one token endpoint.
#[derive(Debug)]
pub(super) struct CertificateAssertion {
    pub(super) certificate: Certificate,
    pub(super) client: String,
    /// The URL that the assertion is sent to.
    pub(super) audience: String,
    pub(super) now: Timestamp,
}

#[async_trait]
impl ClientAssertion for CertificateAssertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let id = Uuid::new_v4().to_string();
        self.certificate
            .sign(&self.client, &self.audience, self.now, &id)
            .map_err(|_| Error::with_message(ErrorKind::Credential, "the certificate's key signs nothing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn file(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
    }

    #[test]
    fn an_assertion_as_entra_documents_it() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut names = Vec::new();
        for name in ["client-rsa.pem", "client-chain.pem"] {
            let certificate = Certificate::read(&file(name)).unwrap();
            let jwt = certificate.sign("c-1", "https://h/t/oauth2/v2.0/token", now, "id-1").unwrap();
            let parts: Vec<&str> = jwt.split('.').collect();
            let json = |part: &str| -> Value {
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
            };
            let header = json(parts[0]);
            assert_eq!((&header["alg"], &header["typ"]), (&json!("PS256"), &json!("JWT")));
            names.push(header["x5t#S256"].as_str().unwrap().to_owned());
            let claims = json!({
                "aud": "https://h/t/oauth2/v2.0/token", "iss": "c-1", "sub": "c-1", "jti": "id-1",
                "iat": 1_800_000_000, "nbf": 1_800_000_000, "exp": 1_800_000_600,
            });
            assert_eq!((json(parts[1]), parts.len()), (claims, 3));
            let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
            let signed = jwt.rsplit_once('.').unwrap().0;
            assert!(is_signed(&certificate, signed, &signature));
            assert!(!is_signed(&certificate, &signed.replace('.', ","), &signature));
        }
        assert_eq!(names[0], names[1], "the certificate of the key, whatever else stands in the file");
        assert_eq!(names[0], THUMBPRINT);
    }

    /// Checks a PS256 signature with the public key.
    fn is_signed(certificate: &Certificate, text: &str, signature: &[u8]) -> bool {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let (_, found) =
            algorithms.mapping.iter().find(|(s, _)| *s == SignatureScheme::RSA_PSS_SHA256).unwrap();
        // The key stands behind the 24 bytes that say which kind of key it is.
        let key = certificate.key.public_key().unwrap();
        found.iter().any(|a| a.verify_signature(&key[24..], text.as_bytes(), signature).is_ok())
    }

    /// `openssl x509 -in tests/tls/client-rsa.pem -outform der | openssl sha256 -binary | basenc --base64url`, without its `=`
    const THUMBPRINT: &str = "KAfh5TjJQigM9u8mFRYDFtsCykCyoTs-0aNH47EI_bg";

    #[test]
    fn what_a_file_lacks_is_told_with_the_command_that_helps() {
        let why = |name: &str| Certificate::read(&file(name)).unwrap_err();
        for (name, part) in [
            ("client.pfx", "client.pfx -noenc -out app.pem"),
            ("client-locked.pem", "its key has a password"),
            ("client-ec.pem", "Entra ID takes certificates with RSA keys only"),
            ("ca.pem", "no private key"),
            ("server.key", "no certificate"),
            ("nothing.pem", "No such file"),
        ] {
            let why = why(name);
            assert!(why.contains(part) && why.contains(name), "{name}: {why}");
        }
        let other = tempfile::NamedTempFile::new().unwrap();
        let text = |name| std::fs::read_to_string(file(name)).unwrap();
        std::fs::write(other.path(), text("server.key") + &text("ca.pem")).unwrap();
        let why = Certificate::read(other.path()).unwrap_err();
        assert!(why.contains("none of the certificates in it belongs to its key"), "{why}");
        assert!(!why.contains("BEGIN") && !why.contains("MII"), "{why}");
    }
}
