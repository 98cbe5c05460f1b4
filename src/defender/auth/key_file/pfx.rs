//! PFX files (PKCS#12, RFC 7292) that a password protects: the keys and certificates in them.
//!
//! The password is checked by the file's MAC before anything is decrypted, and where there is none by what decrypting gives.

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::der::{AROUND, Der, IN_PLACE, OBJECT, OCTETS, SEQUENCE, dotted};
use super::encryption::{Closed, Password, authenticate, decrypt};

const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const ENCRYPTED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06";
const KEY: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x01";
const ENCRYPTED_KEY: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02";
const CERTIFICATE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03";
const X509: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01";

/// The keys, as PKCS#8, and the certificates of a file, in its order.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) keys: Vec<Zeroizing<Vec<u8>>>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

/// Opens a file.
///
/// # Errors
/// It is no such file, the password is another one, or something in it is encrypted by what is not read.
pub(super) fn open(file: &[u8], password: Option<&str>) -> Result<Contents, Closed> {
    match password {
        Some(password) => open_by(file, &Password::new(password)),
        // Tools differ in how they write that there is none.
        None => match open_by(file, &Password::new("")) {
            Err(Closed::Password) => open_by(file, &Password::none()),
            other => other,
        },
    }
}

fn open_by(file: &[u8], password: &Password) -> Result<Contents, Closed> {
    let mut file = Der::new(file).inside(SEQUENCE).ok_or(Closed::Damaged)?;
    file.number().filter(|version| *version == 3).ok_or(Closed::Damaged)?;
    let mut content = file.inside(SEQUENCE).ok_or(Closed::Damaged)?;
    let bytes = data(&mut content)?;
    if let Some(mac) = file.inside(SEQUENCE) {
        authenticate(mac, bytes, password)?;
    }
    let mut parts = Der::new(bytes).inside(SEQUENCE).ok_or(Closed::Damaged)?;
    let mut contents = Contents::default();
    while !parts.is_empty() {
        let mut part = parts.inside(SEQUENCE).ok_or(Closed::Damaged)?;
        let mut kind = part;
        if kind.value(OBJECT) == Some(ENCRYPTED_DATA) {
            let mut data = kind.inside(AROUND).and_then(|mut d| d.inside(SEQUENCE)).ok_or(Closed::Damaged)?;
            data.number().ok_or(Closed::Damaged)?;
            let mut data = data.inside(SEQUENCE).ok_or(Closed::Damaged)?;
            data.value(OBJECT).ok_or(Closed::Damaged)?;
            let algorithm = data.inside(SEQUENCE).ok_or(Closed::Damaged)?;
            let encrypted = data.value(IN_PLACE).ok_or(Closed::Damaged)?;
            contents.take(&decrypt(algorithm, encrypted, password)?, password)?;
        } else {
            contents.take(data(&mut part)?, password)?;
        }
    }
    Ok(contents)
}

/// Reads the bytes of a content that is not encrypted.
fn data<'a>(content: &mut Der<'a>) -> Result<&'a [u8], Closed> {
    match content.value(OBJECT).ok_or(Closed::Damaged)? {
        DATA => content.inside(AROUND).and_then(|mut d| d.value(OCTETS)).ok_or(Closed::Damaged),
        other => Err(Closed::Algorithm(dotted(other))),
    }
}

/// Reads what is encrypted by itself, as a key is: how, and its bytes.
pub(super) fn encrypted_key(info: &mut Der<'_>, password: &Password) -> Result<Zeroizing<Vec<u8>>, Closed> {
    let algorithm = info.inside(SEQUENCE).ok_or(Closed::Damaged)?;
    let encrypted = info.value(OCTETS).ok_or(Closed::Damaged)?;
    decrypt(algorithm, encrypted, password)
}

impl Contents {
    /// Adds what is in some bags; those of other kinds are passed over.
    fn take(&mut self, bags: &[u8], password: &Password) -> Result<(), Closed> {
        let mut bags = Der::new(bags).inside(SEQUENCE).ok_or(Closed::Damaged)?;
        while !bags.is_empty() {
            let mut bag = bags.inside(SEQUENCE).ok_or(Closed::Damaged)?;
            let kind = bag.value(OBJECT).ok_or(Closed::Damaged)?;
            let value = bag.value(AROUND).ok_or(Closed::Damaged)?;
            match kind {
                KEY => self.keys.push(Zeroizing::new(value.to_vec())),
                ENCRYPTED_KEY => {
                    let mut info = Der::new(value).inside(SEQUENCE).ok_or(Closed::Damaged)?;
                    self.keys.push(encrypted_key(&mut info, password)?);
                }
                CERTIFICATE => {
                    let mut certificate = Der::new(value).inside(SEQUENCE).ok_or(Closed::Damaged)?;
                    if certificate.value(OBJECT) == Some(X509) {
                        let der = certificate.inside(AROUND).and_then(|mut c| c.value(OCTETS));
                        self.certificates.push(der.ok_or(Closed::Damaged)?.to_vec().into());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_made_of_has_the_numbers_of_its_standard() {
        for (object, numbers) in [
            (DATA, "1.2.840.113549.1.7.1"),
            (ENCRYPTED_DATA, "1.2.840.113549.1.7.6"),
            (KEY, "1.2.840.113549.1.12.10.1.1"),
            (ENCRYPTED_KEY, "1.2.840.113549.1.12.10.1.2"),
            (CERTIFICATE, "1.2.840.113549.1.12.10.1.3"),
            (X509, "1.2.840.113549.1.9.22.1"),
        ] {
            assert_eq!(dotted(object), numbers);
        }
    }
}
