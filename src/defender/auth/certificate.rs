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
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Secret;
use super::key_file::{Closed, Form, KeyFile};
use crate::files::{self, Links};
use crate::model::Sha256Hex;

/// How long an assertion is good: one request is made with it.
const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The longest file, in bytes.
const LONGEST: u64 = 1 << 20;

/// The variable that names the file.
const PATH: &str = "AZURE_CLIENT_CERTIFICATE_PATH";

/// The variable that opens it.
pub(super) const PASSWORD: &str = "AZURE_CLIENT_CERTIFICATE_PASSWORD";

/// An application's certificate and key.
#[derive(Clone)]
pub(super) struct Certificate {
    key: Arc<dyn SigningKey>,
    /// SHA-256 of the certificate's DER, as a token names it.
    thumbprint: String,
}

impl Certificate {
    /// Reads a file, PEM or PFX, that holds a certificate and its key, in any order, and perhaps other certificates.
    ///
    /// # Errors
    /// In words, with what to do about it. They quote nothing of the file.
    pub(super) fn read(path: &Path, password: Option<&Secret>) -> Result<Self, String> {
        let told = |why: &str| format!("{PATH} names {}: {why}", path.display());
        let bytes = files::read(path, Links::Followed, LONGEST).map_err(|e| told(&e.to_string()))?;
        let bytes = Zeroizing::new(bytes);
        let file = KeyFile::read(&bytes, password.map(Secret::expose))
            .map_err(|why| told(&closed(&why, Form::of(&bytes), path, password.is_some())))?;
        Self::of(&file).map_err(told)
    }

    /// Takes the first key that can be used and has its certificate beside it.
    fn of(file: &KeyFile) -> Result<Self, &'static str> {
        let mut why = "it holds no private key beside the certificate";
        for key in &file.keys {
            let found = usable(key).and_then(|key| {
                let fits = |c: &&CertificateDer<'static>| {
                    CertifiedKey::new(vec![(*c).clone()], key.clone()).keys_match().is_ok()
                };
                let certificate =
                    file.certificates.iter().find(fits).ok_or(match file.certificates.len() {
                        0 => "it holds no certificate beside the key",
                        _ => "none of the certificates in it belongs to its key",
                    })?;
                let thumbprint = URL_SAFE_NO_PAD.encode(Sha256Hex::of(certificate).0);
                Ok(Certificate { key, thumbprint })
            });
            match found {
                Ok(certificate) => return Ok(certificate),
                Err(e) => why = e,
            }
        }
        Err(why)
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

/// A key as a signer, where Entra ID takes its kind.
fn usable(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, &'static str> {
    let key = rustls::crypto::ring::sign::any_supported_type(key)
        .map_err(|_| "its key cannot be used: RSA keys of 2048 to 8192 bits can")?;
    if key.algorithm() == SignatureAlgorithm::RSA {
        return Ok(key);
    }
    Err(
        "its key is not an RSA key, and Entra ID takes certificates with RSA keys only; make one: openssl req -x509 -newkey \
         rsa:2048 -noenc -days 365 -subj /CN=casefile -keyout app.pem -out app.pem",
    )
}

/// Says why a file stays closed, and what opens it.
fn closed(why: &Closed, form: Form, path: &Path, has_password: bool) -> String {
    let path = path.display();
    let as_pem = match form {
        Form::Pfx => format!(
            "write it as PEM, into a file that only you can read: openssl pkcs12 -legacy -in {path} -noenc -out app.pem"
        ),
        Form::Pem => format!(
            "write its key anew, with the certificate behind it: openssl pkcs8 -topk8 -in {path} -out app.pem"
        ),
    };
    match (why, form) {
        (Closed::Password, _) if has_password => format!("{PASSWORD} is not its password"),
        (Closed::Password, Form::Pem) => format!("its key has a password, and {PASSWORD} is not set"),
        (Closed::Password, Form::Pfx) => format!("it has a password, and {PASSWORD} is not set"),
        (Closed::Algorithm(name), _) => format!("it is encrypted by {name}, which is not read; {as_pem}"),
        (Closed::Damaged, Form::Pem) => format!("its key is cut off or damaged; {as_pem}"),
        (Closed::Damaged, Form::Pfx) => {
            format!("it is neither PEM nor a PFX (PKCS#12) that can be read; if it is a PFX, {as_pem}")
        }
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

    fn read(name: &str, password: &str) -> Result<Certificate, String> {
        let password = (!password.is_empty()).then(|| Secret::new(password));
        Certificate::read(&file(name), password.as_ref())
    }

    #[test]
    fn an_assertion_as_entra_documents_it() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for (name, password) in [
            ("client-rsa.pem", ""),
            ("client-chain.pem", ""),
            ("client-locked.pem", "geheim"),
            ("client.pfx", "geheim"),
            ("client-windows.pfx", "geheim"),
            ("client-chain.pfx", "gehéim€"),
            ("client-open.pfx", ""),
        ] {
            let certificate = read(name, password).unwrap();
            assert_eq!(certificate.thumbprint, THUMBPRINT, "{name}: that of the key, whatever else is there");
            let jwt = certificate.sign("c-1", "https://h/t/oauth2/v2.0/token", now, "id-1").unwrap();
            let parts: Vec<&str> = jwt.split('.').collect();
            let json = |part: &str| -> Value {
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
            };
            let header = json(parts[0]);
            assert_eq!((&header["alg"], &header["typ"]), (&json!("PS256"), &json!("JWT")));
            assert_eq!(header["x5t#S256"], THUMBPRINT);
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
    fn what_a_file_lacks_is_told_with_what_helps() {
        for (name, password, part) in [
            ("client.pfx", "", "it has a password, and AZURE_CLIENT_CERTIFICATE_PASSWORD is not set"),
            ("client.pfx", "s3cret", "AZURE_CLIENT_CERTIFICATE_PASSWORD is not its password"),
            (
                "client-locked.pem",
                "",
                "its key has a password, and AZURE_CLIENT_CERTIFICATE_PASSWORD is not set",
            ),
            ("client-locked.pem", "s3cret", "AZURE_CLIENT_CERTIFICATE_PASSWORD is not its password"),
            ("client-locked-old.pem", "geheim", "openssl pkcs8 -topk8 -in "),
            ("client-rc4.pfx", "geheim", "encrypted by 1.2.840.113549.1.12.1.1, which is not read"),
            ("client-rc4.pfx", "geheim", "client-rc4.pfx -noenc -out app.pem"),
            ("certificates.pfx", "geheim", "no private key"),
            ("client-ec.pem", "", "Entra ID takes certificates with RSA keys only"),
            ("client-ec.pem", "", "openssl req -x509 -newkey rsa:2048 "),
            ("make", "", "neither PEM nor a PFX"),
            ("ca.pem", "", "no private key"),
            ("server.key", "", "no certificate"),
            ("nothing.pem", "", "No such file"),
        ] {
            let why = read(name, password).unwrap_err();
            assert!(why.contains(part) && why.contains(name), "{name}: {why}");
            assert!(!why.contains("s3cret") && !why.contains("geheim"), "{why}");
        }
        let other = tempfile::NamedTempFile::new().unwrap();
        let text = |name| std::fs::read_to_string(file(name)).unwrap();
        std::fs::write(other.path(), text("server.key") + &text("ca.pem")).unwrap();
        let why = Certificate::read(other.path(), None).unwrap_err();
        assert!(why.contains("none of the certificates in it belongs to its key"), "{why}");
        assert!(!why.contains("BEGIN") && !why.contains("MII"), "{why}");
    }

    #[test]
    fn of_several_keys_the_one_with_its_certificate_is_taken() {
        let both = tempfile::NamedTempFile::new().unwrap();
        let text = |name| std::fs::read_to_string(file(name)).unwrap();
        let keys = text("server.key") + &text("client-ec.pem") + &text("ca.pem") + &text("client-rsa.pem");
        std::fs::write(both.path(), keys).unwrap();
        assert_eq!(Certificate::read(both.path(), None).unwrap().thumbprint, THUMBPRINT);
    }
}
