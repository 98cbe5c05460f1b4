//! Whether a journal, from its first byte to a mark, is the one that the mark was taken of: the chain of
//! hashes alone, without a look into the records.
//!
//! A run that loads trusts its snapshot for everything before the mark. Before it acts, this shows that
//! nothing there was edited, left out or moved. It says yes or no; `verify` and the reader say where.

use std::io::Write as _;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::journal::Mark;

/// How many hex digits a hash has.
const HEX: usize = 64;

/// How much is looked at at once: a journal is never in memory as a whole.
const CHUNK: u64 = 128 * 1024;

/// Whether a journal's first bytes are lines that chain from the first record to the mark's. `read` gives bytes
/// from one place to another, fewer only at the end.
pub(super) fn reaches<E>(
    mark: Mark,
    mut read: impl FnMut(u64, u64) -> Result<Vec<u8>, E>,
) -> Result<bool, E> {
    let mut prev = [b'0'; HEX];
    let mut opening = Vec::new();
    let (mut seq, mut at) = (0, 0);
    // What was read, from the beginning of a line on.
    let mut rest: Vec<u8> = Vec::new();
    let mut step = |line: &[u8]| {
        seq += 1;
        // What a line begins with.
        opening.clear();
        let _ = write!(opening, "{{\"seq\":{seq},\"at\":\"");
        match next(line, &opening, &prev) {
            Some(hash) => {
                prev = hash;
                true
            }
            None => false,
        }
    };
    while at < mark.bytes {
        let wanted = (mark.bytes - at).min(CHUNK);
        let chunk = read(at, at + wanted)?;
        at += chunk.len() as u64;
        let last = (chunk.len() as u64) < wanted;
        rest.extend_from_slice(&chunk);
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', rest.get(start..).unwrap_or_default()) {
            if !step(rest.get(start..start + length).unwrap_or_default()) {
                return Ok(false);
            }
            start += length + 1;
        }
        rest.drain(..start);
        if last {
            break;
        }
    }
    // Editors take the newline of a file's last line.
    let whole = match rest.is_empty() {
        true => at == mark.bytes,
        false => at + 1 == mark.bytes && step(&rest),
    };
    Ok(whole && seq == mark.seq && prev == mark.head.to_string().as_bytes())
}

/// The hash of a line, in hex, if it begins as its record does, follows `prev` and gives the hash that it names.
fn next(line: &[u8], opening: &[u8], prev: &[u8; HEX]) -> Option<[u8; HEX]> {
    let rest = line.strip_prefix(opening)?;
    let at_end = memchr::memchr(b'"', rest)?;
    let rest = rest.get(at_end..)?.strip_prefix(b"\",\"prev\":\"")?.strip_prefix(prev.as_slice())?;
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
    let mut hash = [0; HEX];
    HEXLOWER.encode_mut(&digest.finalize(), &mut hash);
    (hash == *named).then_some(hash)
}
