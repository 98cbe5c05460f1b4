//! Decryption by a password: PBES2 of PKCS#5 (RFC 8018), as every tool writes it today, and the two schemes of PKCS#12
//! (RFC 7292) that Windows and Azure Key Vault have written for long. Digests and their derivations are ring's.

use std::num::NonZeroU32;

use aes::cipher::{Block, BlockCipherDecrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use des::TdesEde3;
use rc2::Rc2;
use ring::digest::{self, SHA1_FOR_LEGACY_USE_ONLY};
use ring::{hmac, pbkdf2};
use zeroize::{Zeroize as _, Zeroizing};

use super::der::{Der, OBJECT, OCTETS, SEQUENCE, dotted};

const PBES2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
const PBKDF2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const SHA1_3DES: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03";
const SHA1_RC2_40: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x06";
const HMAC_SHA1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02\x07";
const HMAC_SHA256: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02\x09";
const HMAC_SHA384: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02\x0a";
const HMAC_SHA512: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02\x0b";
const AES_128_CBC: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01\x02";
const AES_192_CBC: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01\x16";
const AES_256_CBC: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a";
const DES_EDE3_CBC: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x03\x07";
const SHA1: &[u8] = b"\x2b\x0e\x03\x02\x1a";
const SHA256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";
const SHA384: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x02";
const SHA512: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x03";

/// The most rounds of a derivation: a few seconds. Tools write thousands.
const MOST_ROUNDS: u32 = 10_000_000;

/// Why a file, or something in it, stays closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Closed {
    /// It is not in its format, or cut off.
    Damaged,
    /// It is encrypted or authenticated by something that is not read: its object identifier.
    Algorithm(String),
    /// The password is another one, or there is one.
    Password,
}

/// A password in the forms that files take it in.
pub(super) struct Password {
    text: Zeroizing<Vec<u8>>,
    /// UTF-16 with an end, as PKCS#12 has it.
    wide: Zeroizing<Vec<u8>>,
}

impl Password {
    /// A password, which may be empty.
    pub(super) fn new(text: &str) -> Self {
        // Made at once in its full length: what grows leaves copies behind.
        let mut wide = Zeroizing::new(Vec::with_capacity(2 * text.len() + 2));
        wide.extend(text.encode_utf16().chain([0]).flat_map(u16::to_be_bytes));
        Password { text: Zeroizing::new(text.as_bytes().to_vec()), wide }
    }

    /// None at all: some tools tell that from an empty one.
    pub(super) fn none() -> Self {
        Password { text: Zeroizing::default(), wide: Zeroizing::default() }
    }
}

/// A cipher in CBC mode.
#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
    Rc2With40Bits,
}

impl Cipher {
    /// The length of its key in bytes.
    fn key_length(self) -> usize {
        match self {
            Cipher::Rc2With40Bits => 5,
            Cipher::Aes128 => 16,
            Cipher::Aes192 | Cipher::TripleDes => 24,
            Cipher::Aes256 => 32,
        }
    }

    fn decrypt(self, key: &[u8], iv: &[u8], bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Closed> {
        fn by<C: BlockCipherDecrypt + KeyInit>(
            key: &[u8],
            iv: &[u8],
            bytes: &[u8],
        ) -> Result<Zeroizing<Vec<u8>>, Closed> {
            cbc(&C::new_from_slice(key).map_err(|_| Closed::Damaged)?, iv, bytes)
        }
        match self {
            Cipher::Aes128 => by::<Aes128>(key, iv, bytes),
            Cipher::Aes192 => by::<Aes192>(key, iv, bytes),
            Cipher::Aes256 => by::<Aes256>(key, iv, bytes),
            Cipher::TripleDes => by::<TdesEde3>(key, iv, bytes),
            Cipher::Rc2With40Bits => cbc(&Rc2::new_with_eff_key_len(key, 40), iv, bytes),
        }
    }
}

/// Takes cipher block chaining and its padding back. Wrong padding is a wrong key.
fn cbc<C: BlockCipherDecrypt>(cipher: &C, iv: &[u8], bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Closed> {
    let size = C::block_size();
    if iv.len() != size || bytes.is_empty() || !bytes.len().is_multiple_of(size) {
        return Err(Closed::Damaged);
    }
    let mut out = Zeroizing::new(bytes.to_vec());
    let before = iv.chunks(size).chain(bytes.chunks(size));
    for (block, before) in out.chunks_mut(size).zip(before) {
        cipher.decrypt_block(<&mut Block<C>>::try_from(&mut *block).map_err(|_| Closed::Damaged)?);
        for (byte, before) in block.iter_mut().zip(before) {
            *byte ^= before;
        }
    }
    let padding = out.last().map_or(0, |last| usize::from(*last));
    let end = out.len().checked_sub(padding).filter(|_| (1..=size).contains(&padding));
    let end = end.filter(|end| out[*end..].iter().all(|b| usize::from(*b) == padding));
    let end = end.ok_or(Closed::Password)?;
    out[end..].zeroize();
    out.truncate(end);
    Ok(out)
}

/// Decrypts by what an algorithm identifier says.
///
/// # Errors
/// The algorithm is not one of those above, the password is another one, or nothing of it can be read.
pub(super) fn decrypt(
    mut algorithm: Der<'_>,
    encrypted: &[u8],
    password: &Password,
) -> Result<Zeroizing<Vec<u8>>, Closed> {
    let object = algorithm.value(OBJECT).ok_or(Closed::Damaged)?;
    let cipher = match object {
        PBES2 => return pbes2(algorithm, encrypted, password),
        SHA1_3DES => Cipher::TripleDes,
        SHA1_RC2_40 => Cipher::Rc2With40Bits,
        other => return Err(Closed::Algorithm(dotted(other))),
    };
    let mut parameters = algorithm.inside(SEQUENCE).ok_or(Closed::Damaged)?;
    let salt = parameters.value(OCTETS).ok_or(Closed::Damaged)?;
    let rounds = rounds(&mut parameters)?;
    let derived =
        |purpose, length| derive(&SHA1_FOR_LEGACY_USE_ONLY, &password.wide, (salt, rounds), purpose, length);
    cipher.decrypt(&derived(Purpose::Key, cipher.key_length()), &derived(Purpose::Iv, 8), encrypted)
}

fn pbes2(
    mut algorithm: Der<'_>,
    encrypted: &[u8],
    password: &Password,
) -> Result<Zeroizing<Vec<u8>>, Closed> {
    let mut parameters = algorithm.inside(SEQUENCE).ok_or(Closed::Damaged)?;
    let mut derivation = parameters.inside(SEQUENCE).ok_or(Closed::Damaged)?;
    let mut encryption = parameters.inside(SEQUENCE).ok_or(Closed::Damaged)?;
    let cipher = match encryption.value(OBJECT).ok_or(Closed::Damaged)? {
        AES_128_CBC => Cipher::Aes128,
        AES_192_CBC => Cipher::Aes192,
        AES_256_CBC => Cipher::Aes256,
        DES_EDE3_CBC => Cipher::TripleDes,
        other => return Err(Closed::Algorithm(dotted(other))),
    };
    let iv = encryption.value(OCTETS).ok_or(Closed::Damaged)?;
    match derivation.value(OBJECT).ok_or(Closed::Damaged)? {
        PBKDF2 => {}
        other => return Err(Closed::Algorithm(dotted(other))),
    }
    let mut derivation = derivation.inside(SEQUENCE).ok_or(Closed::Damaged)?;
    let salt = derivation.value(OCTETS).ok_or(Closed::Damaged)?;
    let rounds = rounds(&mut derivation)?;
    // The length of the key, which the cipher says too.
    let _ = derivation.number();
    let digest = match derivation.inside(SEQUENCE).map(|mut d| d.value(OBJECT)) {
        None | Some(Some(HMAC_SHA1)) => pbkdf2::PBKDF2_HMAC_SHA1,
        Some(Some(HMAC_SHA256)) => pbkdf2::PBKDF2_HMAC_SHA256,
        Some(Some(HMAC_SHA384)) => pbkdf2::PBKDF2_HMAC_SHA384,
        Some(Some(HMAC_SHA512)) => pbkdf2::PBKDF2_HMAC_SHA512,
        Some(Some(other)) => return Err(Closed::Algorithm(dotted(other))),
        Some(None) => return Err(Closed::Damaged),
    };
    let mut key = Zeroizing::new(vec![0; cipher.key_length()]);
    pbkdf2::derive(digest, rounds, salt, &password.text, &mut key);
    cipher.decrypt(&key, iv, encrypted)
}

/// Reads the number of rounds.
fn rounds(parameters: &mut Der<'_>) -> Result<NonZeroU32, Closed> {
    parameters.number().filter(|n| *n <= MOST_ROUNDS).and_then(NonZeroU32::new).ok_or(Closed::Damaged)
}

/// Checks the MAC of a PKCS#12 file: `mac` is what its `MacData` holds.
///
/// # Errors
/// It is not of this password and these bytes, or of a kind that is not read.
pub(super) fn authenticate(mut mac: Der<'_>, bytes: &[u8], password: &Password) -> Result<(), Closed> {
    let mut parts = || {
        let mut info = mac.inside(SEQUENCE)?;
        let object = info.inside(SEQUENCE)?.value(OBJECT)?;
        Some((object, info.value(OCTETS)?, mac.value(OCTETS)?))
    };
    let (object, expected, salt) = parts().ok_or(Closed::Damaged)?;
    let rounds = if mac.is_empty() { NonZeroU32::MIN } else { rounds(&mut mac)? };
    let algorithm = match object {
        SHA1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        SHA256 => hmac::HMAC_SHA256,
        SHA384 => hmac::HMAC_SHA384,
        SHA512 => hmac::HMAC_SHA512,
        other => return Err(Closed::Algorithm(dotted(other))),
    };
    let digest = algorithm.digest_algorithm();
    let key = derive(digest, &password.wide, (salt, rounds), Purpose::Mac, digest.output_len());
    hmac::verify(&hmac::Key::new(algorithm, &key), bytes, expected).map_err(|_| Closed::Password)
}

/// The use of derived bytes: the number that RFC 7292 gives it.
#[derive(Clone, Copy)]
enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// Derives `length` bytes of a password as RFC 7292, B.2, says.
fn derive(
    digest: &'static digest::Algorithm,
    password: &[u8],
    (salt, rounds): (&[u8], NonZeroU32),
    purpose: Purpose,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let block = digest.block_len();
    // Repeated to whole blocks. None of an empty one.
    let filled = |bytes: &[u8]| -> Zeroizing<Vec<u8>> {
        let length = bytes.len().div_ceil(block) * block;
        Zeroizing::new(bytes.iter().copied().cycle().take(length).collect())
    };
    let diversifier = vec![purpose as u8; block];
    let mut input = Zeroizing::new([&**filled(salt), &**filled(password)].concat());
    let mut out = Zeroizing::new(Vec::with_capacity(length + digest.output_len()));
    while out.len() < length {
        let mut round = digest::Context::new(digest);
        round.update(&diversifier);
        round.update(&input);
        let mut hash = round.finish();
        for _ in 1..rounds.get() {
            hash = digest::digest(digest, hash.as_ref());
        }
        out.extend_from_slice(hash.as_ref());
        // Each block plus the hash, repeated to a block, plus one.
        for part in input.chunks_mut(block) {
            let mut carry = 1;
            for (n, byte) in part.iter_mut().enumerate().rev() {
                let hash = hash.as_ref();
                let sum = u16::from(*byte) + u16::from(hash[n % hash.len()]) + carry;
                (*byte, carry) = (sum.to_be_bytes()[1], sum >> 8);
            }
        }
    }
    out.truncate(length);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_have_the_numbers_of_their_standards() {
        for (object, numbers) in [
            (PBES2, "1.2.840.113549.1.5.13"),
            (PBKDF2, "1.2.840.113549.1.5.12"),
            (SHA1_3DES, "1.2.840.113549.1.12.1.3"),
            (SHA1_RC2_40, "1.2.840.113549.1.12.1.6"),
            (HMAC_SHA1, "1.2.840.113549.2.7"),
            (HMAC_SHA256, "1.2.840.113549.2.9"),
            (HMAC_SHA384, "1.2.840.113549.2.10"),
            (HMAC_SHA512, "1.2.840.113549.2.11"),
            (AES_128_CBC, "2.16.840.1.101.3.4.1.2"),
            (AES_192_CBC, "2.16.840.1.101.3.4.1.22"),
            (AES_256_CBC, "2.16.840.1.101.3.4.1.42"),
            (DES_EDE3_CBC, "1.2.840.113549.3.7"),
            (SHA1, "1.3.14.3.2.26"),
            (SHA256, "2.16.840.1.101.3.4.2.1"),
            (SHA384, "2.16.840.1.101.3.4.2.2"),
            (SHA512, "2.16.840.1.101.3.4.2.3"),
        ] {
            assert_eq!(dotted(object), numbers);
        }
    }

    #[test]
    fn what_is_no_whole_number_of_blocks_is_damaged_and_wrong_padding_is_a_wrong_key() {
        let decrypt = |key: u8, bytes: &[u8]| Cipher::Aes128.decrypt(&[key; 16], &[0; 16], bytes);
        assert_eq!(decrypt(1, &[]), Err(Closed::Damaged));
        assert_eq!(decrypt(1, &[0; 17]), Err(Closed::Damaged));
        assert_eq!(Cipher::Aes128.decrypt(&[1; 16], &[0; 8], &[0; 16]), Err(Closed::Damaged));
        assert_eq!(decrypt(1, &[0; 32]), Err(Closed::Password));
    }

    #[test]
    fn rounds_have_bounds() {
        let read = |bytes: &[u8]| rounds(&mut Der::new(bytes)).map(NonZeroU32::get);
        assert_eq!(read(&[2, 2, 0x07, 0xd0]), Ok(2000));
        assert_eq!(read(&[2, 1, 0]), Err(Closed::Damaged));
        assert_eq!(read(&[2, 4, 0x7f, 0xff, 0xff, 0xff]), Err(Closed::Damaged));
    }
}
