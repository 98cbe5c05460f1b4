//! Whether a journal, from its first byte to a mark, is the one that the mark was taken of: the chain of
//! hashes alone, without a look into the records.
//!
//! A run that loads trusts its snapshot for everything before the mark. Before it acts, this shows that
//! nothing there was edited, left out or moved. It says yes or no; `verify` and the reader say where.

use sha2::{Digest as _, Sha256};

use super::journal::Mark;
use crate::model::Sha256Hex;

/// How many hex digits a hash has.
const HEX: usize = 64;

/// Whether `bytes` are lines that chain from the first record to the mark's.
pub(super) fn reaches(bytes: &[u8], mark: Mark) -> bool {
    let Ok(length) = usize::try_from(mark.bytes) else { return false };
    // Editors take the newline of a file's last line.
    let body = match bytes.get(..length) {
        Some(whole) => whole.strip_suffix(b"\n"),
        None if bytes.len() + 1 == length => Some(bytes),
        None => None,
    };
    let Some(body) = body else { return false };
    let mut prev = Sha256Hex::ZERO.to_string().into_bytes();
    let mut seq = 0;
    let mut start = 0;
    while start <= body.len() {
        let rest = body.get(start..).unwrap_or_default();
        let line = rest.get(..memchr::memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default();
        seq += 1;
        match next(line, seq, &prev) {
            Some(hash) => prev = hash,
            None => return false,
        }
        start += line.len() + 1;
    }
    seq == mark.seq && prev == mark.head.to_string().as_bytes()
}

/// The hash of a line, in hex, if it is record `seq`, follows `prev` and gives the hash that it names.
fn next(line: &[u8], seq: u64, prev: &[u8]) -> Option<Vec<u8>> {
    let rest = line.strip_prefix(format!("{{\"seq\":{seq},\"at\":\"").as_bytes())?;
    let at_end = memchr::memchr(b'"', rest)?;
    let rest = rest.get(at_end..)?.strip_prefix(b"\",\"prev\":\"")?.strip_prefix(prev)?;
    let rest = rest.strip_prefix(b"\",")?;
    let covered = line.get(..line.len() - rest.len())?;
    let rest = rest.strip_prefix(b"\"hash\":\"")?;
    let (named, rest) = (rest.get(..HEX)?, rest.get(HEX..)?);
    let rest = rest.strip_prefix(b"\",")?;
    if !rest.starts_with(b"\"record\":") {
        return None;
    }
    let mut digest = Sha256::new();
    digest.update(covered);
    digest.update(rest);
    let hash = Sha256Hex(digest.finalize().into()).to_string().into_bytes();
    (hash == named).then_some(hash)
}
