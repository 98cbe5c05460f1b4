//! Files of keys and certificates: PEM, with or without a password on the key, and PFX (PKCS#12).
//!
//! It is not asked here whether a key can be used, nor which certificate belongs to it.

mod der;
mod encryption;
mod pfx;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::{Zeroize as _, Zeroizing};

use der::{Der, SEQUENCE};
pub(super) use encryption::Closed;
use encryption::Password;

const ENCRYPTED: [&str; 2] = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "-----END ENCRYPTED PRIVATE KEY-----"];

/// The mark of a key that OpenSSL has encrypted in its own way, by MD5: no standard says how.
const BY_OPENSSL: &[u8] = b"Proc-Type: 4,ENCRYPTED";

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Pem,
    Pfx,
}

impl Form {
    /// Returns the form of these bytes; a damaged file of either counts as PFX where it holds no line of PEM.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match memchr::memmem::find(bytes, b"-----BEGIN ") {
            Some(_) => Form::Pem,
            None => Form::Pfx,
        }
    }
}

/// The keys and certificates of a file, in its order. Keys are overwritten when it goes.
#[derive(Default)]
pub(super) struct KeyFile {
    pub(super) keys: Vec<PrivateKeyDer<'static>>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.keys.iter_mut().for_each(PrivateKeyDer::zeroize);
    }
}

impl KeyFile {
    /// Reads a file of either form.
    ///
    /// # Errors
    /// Something in it stays closed, or it is no such file.
    pub(super) fn read(bytes: &[u8], password: Option<&str>) -> Result<Self, Closed> {
        match Form::of(bytes) {
            Form::Pem => Self::pem(bytes, password),
            Form::Pfx => {
                let pfx::Contents { keys, certificates } = pfx::open(bytes, password)?;
                Ok(KeyFile { keys: keys.into_iter().map(pkcs8).collect(), certificates })
            }
        }
    }

    fn pem(bytes: &[u8], password: Option<&str>) -> Result<Self, Closed> {
        if memchr::memmem::find(bytes, BY_OPENSSL).is_some() {
            return Err(Closed::Algorithm("MD5 (Proc-Type: 4,ENCRYPTED)".to_owned()));
        }
        let mut file = KeyFile {
            keys: PrivateKeyDer::pem_slice_iter(bytes).filter_map(Result::ok).collect(),
            certificates: CertificateDer::pem_slice_iter(bytes).filter_map(Result::ok).collect(),
        };
        let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
        let [begin, end] = ENCRYPTED;
        for block in text.split(begin).skip(1) {
            let (block, _) = block.split_once(end).ok_or(Closed::Damaged)?;
            let block: String = block.split_whitespace().collect();
            let info = STANDARD.decode(block).map_err(|_| Closed::Damaged)?;
            let mut info = Der::new(&info).inside(SEQUENCE).ok_or(Closed::Damaged)?;
            let password = Password::new(password.ok_or(Closed::Password)?);
            file.keys.push(pkcs8(pfx::encrypted_key(&mut info, &password)?));
        }
        Ok(file)
    }
}

/// The key, which its buffer gives away.
fn pkcs8(mut key: Zeroizing<Vec<u8>>) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(std::mem::take(&mut *key)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(name: &str, password: Option<&str>) -> Result<(usize, usize), Closed> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name);
        KeyFile::read(&std::fs::read(path).unwrap(), password).map(|f| (f.keys.len(), f.certificates.len()))
    }

    #[test]
    fn what_tools_write_is_read_by_its_password() {
        for (name, password, found) in [
            ("client.pfx", Some("geheim"), (1, 1)),
            ("client-windows.pfx", Some("geheim"), (1, 1)),
            ("client-chain.pfx", Some("gehéim€"), (1, 2)),
            ("client-open.pfx", None, (1, 1)),
            ("client-open-windows.pfx", None, (1, 1)),
            ("client-no-mac.pfx", Some("geheim"), (1, 1)),
            ("client-plain.pfx", None, (1, 1)),
            ("client-aes128.pfx", Some("geheim"), (1, 1)),
            ("certificates.pfx", Some("geheim"), (0, 1)),
            ("client-locked.pem", Some("geheim"), (1, 1)),
            ("client-locked-3des.pem", Some("geheim"), (1, 1)),
            // The password is that of other files then.
            ("client-rsa.pem", Some("geheim"), (1, 1)),
        ] {
            assert_eq!(read(name, password), Ok(found), "{name}");
        }
    }

    #[test]
    fn why_a_file_stays_closed() {
        for name in
            ["client.pfx", "client-windows.pfx", "client-chain.pfx", "certificates.pfx", "client-locked.pem"]
        {
            for password in [None, Some("Geheim"), Some("geheim ")] {
                assert_eq!(read(name, password), Err(Closed::Password), "{name} {password:?}");
            }
        }
        let by = |name: &str| Err(Closed::Algorithm(name.to_owned()));
        assert_eq!(read("client-camellia.pfx", Some("geheim")), by("1.2.392.200011.61.1.1.1.4"));
        assert_eq!(read("client-rc4.pfx", Some("geheim")), by("1.2.840.113549.1.12.1.1"));
        assert_eq!(read("client-locked-old.pem", Some("geheim")), by("MD5 (Proc-Type: 4,ENCRYPTED)"));
        assert_eq!(read("make", Some("geheim")), Err(Closed::Damaged));
    }

    /// There is an answer whatever is cut off or changed, and never a key that was not in the file.
    #[test]
    fn damaged_files_are_told_and_never_a_panic() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/client-plain.pfx");
        let bytes = std::fs::read(path).unwrap();
        for end in 0..bytes.len() {
            assert!(KeyFile::read(&bytes[..end], None).is_err(), "cut off at {end}");
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x81;
            if let Ok(file) = KeyFile::read(&bytes, None) {
                assert!(file.keys.len() <= 1 && file.certificates.len() <= 1, "changed at {at}");
            }
        }
    }
}
