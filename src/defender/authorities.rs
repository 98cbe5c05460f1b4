//! Certificate authorities that are trusted beside those of this computer.
//!
//! A proxy that opens TLS shows certificates of an authority of its own. Where that authority is not among the computer's,
//! a person names its file outside the project. Whoever could add one here, and stands on the way, reads every token.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Authorities as their certificates. None by default.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Authorities(Arc<[CertificateDer<'static>]>);

/// Why a file names no authorities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// There is no `-----BEGIN CERTIFICATE-----` in it.
    #[error(
        "it holds no certificate in PEM; to make one of a DER file: openssl x509 -inform der -in OLD -out NEW"
    )]
    None,
    /// A block is cut off or damaged.
    #[error("certificate {number} in it is cut off or damaged")]
    Broken {
        /// Its number, counted from 1.
        number: usize,
    },
}

impl Authorities {
    /// Reads certificates in PEM; what stands between them is passed over.
    ///
    /// # Errors
    /// There is none, or one of them cannot be an authority's.
    pub fn read(pem: &[u8]) -> Result<Self, AuthorityError> {
        let mut list = Vec::new();
        for (n, found) in CertificateDer::pem_slice_iter(pem).enumerate() {
            // The libraries' own words quote what stands in the file.
            let broken = AuthorityError::Broken { number: n + 1 };
            let Ok(certificate) = found else { return Err(broken) };
            // What cannot be used is told here, and not at the first call.
            RootCertStore::empty().add(certificate.clone()).map_err(|_| broken)?;
            list.push(certificate);
        }
        if list.is_empty() { Err(AuthorityError::None) } else { Ok(Authorities(list.into())) }
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The certificates for an HTTP client.
    pub(super) fn certificates(&self) -> Vec<reqwest::Certificate> {
        // Only a DER that cannot be read is an error, and those were read.
        self.0.iter().filter_map(|c| reqwest::Certificate::from_der(c).ok()).collect()
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = include_str!("../../tests/tls/ca.pem");

    #[test]
    fn certificates_of_a_bundle() {
        let bundle = format!("# the corporate proxy\n{CA}\nSubject: something\n{CA}");
        let two = Authorities::read(bundle.as_bytes()).unwrap();
        assert_eq!((format!("{two:?}"), two.certificates().len()), ("Authorities(2)".to_owned(), 2));
        assert!(Authorities::default().is_empty() && !two.is_empty());
    }

    #[test]
    fn what_is_no_authority_is_told() {
        assert_eq!(Authorities::read(b"\x30\x82\x01\x0a"), Err(AuthorityError::None));
        let (head, tail) = CA.split_at(CA.len() / 2);
        for damaged in [head.to_owned(), format!("{head}!{tail}"), CA.replacen("MII", "AII", 1)] {
            let read = Authorities::read(format!("{CA}{damaged}").as_bytes());
            assert_eq!(read, Err(AuthorityError::Broken { number: 2 }));
        }
    }
}
