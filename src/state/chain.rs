//! Whether a journal, from its first byte to a mark, is the one that the mark was taken of: the chain of
//! hashes alone, without a look into the records.
//!
//! A run that loads trusts its snapshot for everything before the mark. Before it acts, this shows that
//! nothing there was edited, left out or moved. It says yes or no; `verify` and the reader say where.

use std::io::Write as _;

use data_encoding::HEXLOWER;

use super::journal::Checkpoint;
use crate::model::Sha256;

/// How many hex digits a hash has.
const HEX: usize = 64;

/// Whether a journal's first bytes are lines that chain from the first record to the mark's. `pieces` hands the
/// journal over, from its beginning, until it is told no: it is never in memory as a whole.
pub(super) fn reaches<E>(
    mark: Checkpoint,
    pieces: impl FnOnce(&mut dyn FnMut(&[u8]) -> bool) -> Result<(), E>,
) -> Result<bool, E> {
    let mut chain = Chain {
        mark,
        at: 0,
        seq: 0,
        prev: [b'0'; HEX],
        opening: Vec::new(),
        rest: Vec::new(),
        broken: false,
    };
    pieces(&mut |piece| chain.push(piece))?;
    Ok(chain.ends())
}

/// How many bytes the lines between two marks take, if they chain from the one to the other. `lines` are those behind the
/// first one.
pub(super) fn between(lines: &[u8], begin: Checkpoint, mark: Checkpoint) -> Option<usize> {
    let last = usize::try_from(mark.seq.checked_sub(begin.seq)?.checked_sub(1)?).ok()?;
    let length = memchr::memchr_iter(b'\n', lines).nth(last)? + 1;
    let mut prev = [b'0'; HEX];
    HEXLOWER.encode_mut(&begin.head.0, &mut prev);
    let mut chain = Chain {
        mark: Checkpoint { bytes: length as u64, ..mark },
        at: 0,
        seq: begin.seq,
        prev,
        opening: Vec::new(),
        rest: Vec::new(),
        broken: false,
    };
    chain.push(&lines[..length]);
    chain.ends().then_some(length)
}

/// A journal that is looked at.
struct Chain {
    mark: Checkpoint,
    /// How many bytes were looked at.
    at: u64,
    /// How many lines.
    seq: u64,
    /// The hash of the last one.
    prev: [u8; HEX],
    /// What the last line began with.
    opening: Vec<u8>,
    /// The beginning of a line whose end is in a later piece.
    rest: Vec<u8>,
    broken: bool,
}

impl Chain {
    /// Takes the next piece; false if no more is needed.
    fn push(&mut self, piece: &[u8]) -> bool {
        let wanted = usize::try_from(self.mark.bytes - self.at).unwrap_or(usize::MAX);
        let mut lines = piece.get(..wanted).unwrap_or(piece);
        self.at += lines.len() as u64;
        while let Some(end) = memchr::memchr(b'\n', lines).filter(|_| !self.broken) {
            let (line, later) = (&lines[..end], &lines[end + 1..]);
            if self.rest.is_empty() {
                self.line(line);
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(line);
                self.line(&whole);
                whole.clear();
                self.rest = whole;
            }
            lines = later;
        }
        self.rest.extend_from_slice(lines);
        !self.broken && self.at < self.mark.bytes
    }

    fn line(&mut self, line: &[u8]) {
        self.seq += 1;
        // What a line begins with.
        self.opening.clear();
        let _ = write!(self.opening, "{{\"seq\":{},\"at\":\"", self.seq);
        match next(line, &self.opening, &self.prev) {
            Some(hash) => self.prev = hash,
            None => self.broken = true,
        }
    }

    fn ends(mut self) -> bool {
        // Editors take the newline of a file's last line.
        let whole = match self.rest.is_empty() {
            true => self.at == self.mark.bytes,
            false => {
                let last = std::mem::take(&mut self.rest);
                self.line(&last);
                self.at + 1 == self.mark.bytes
            }
        };
        let head = self.mark.head.to_string();
        !self.broken && whole && self.seq == self.mark.seq && self.prev == head.as_bytes()
    }
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
    HEXLOWER.encode_mut(&digest.finish().0, &mut hash);
    (hash == *named).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sha256Hex;
    use crate::state::{Binding, Record, journal};

    /// A journal of so many records, and the mark of its end.
    fn journal(records: u64) -> (Vec<u8>, Checkpoint) {
        let (mut bytes, mut head) = (Vec::new(), Sha256Hex::ZERO);
        for seq in 1..=records {
            let lineage = "l".repeat(seq as usize * 10);
            let record = Record::Open { lineage, binding: Binding::default(), tool: "t".into() };
            let (line, hash) = journal::encode(seq, head, jiff::Timestamp::UNIX_EPOCH, &record).unwrap();
            bytes.extend_from_slice(line.as_bytes());
            head = hash;
        }
        let mark = Checkpoint { seq: records, head, bytes: bytes.len() as u64 };
        (bytes, mark)
    }

    fn in_pieces(bytes: &[u8], size: usize, mark: Checkpoint) -> bool {
        let pieces = |take: &mut dyn FnMut(&[u8]) -> bool| {
            let _ = bytes.chunks(size).all(take);
            Ok::<_, ()>(())
        };
        reaches(mark, pieces).unwrap()
    }

    #[test]
    fn pieces_of_any_size_say_the_same() {
        let (bytes, mark) = journal(6);
        let longer = journal(9).0;
        for size in [1, 7, 100, 300, usize::MAX] {
            assert!(in_pieces(&bytes, size, mark), "{size}");
            assert!(in_pieces(&longer, size, mark), "{size}: what follows is not looked at");
            assert!(in_pieces(&bytes[..bytes.len() - 1], size, mark), "{size}: the last newline is gone");
            assert!(!in_pieces(&bytes[..bytes.len() - 2], size, mark), "{size}");
            assert!(!in_pieces(&journal(5).0, size, mark), "{size}");
            assert!(!in_pieces(&bytes, size, Checkpoint { seq: 5, ..mark }), "{size}");
            assert!(!in_pieces(&bytes, size, Checkpoint { head: Sha256Hex::ZERO, ..mark }), "{size}");
        }
    }

    #[test]
    fn lines_between_two_marks_are_told_from_others() {
        let (bytes, mark) = journal(6);
        let (first, begin) = journal(2);
        let lines = &bytes[first.len()..];
        assert_eq!(between(lines, begin, mark), Some(lines.len()));
        let (longer, _) = journal(9);
        assert_eq!(between(&longer[first.len()..], begin, mark), Some(lines.len()));
        assert_eq!(between(lines, begin, begin), None, "there is no line between them");
        assert_eq!(between(lines, mark, begin), None);
        assert_eq!(between(lines, Checkpoint { head: Sha256Hex::ZERO, ..begin }, mark), None);
        assert_eq!(between(lines, begin, Checkpoint { head: Sha256Hex::ZERO, ..mark }), None);
        assert_eq!(between(&lines[..lines.len() - 1], begin, mark), None);
        for at in 0..lines.len() {
            let mut changed = lines.to_vec();
            changed[at] ^= 1;
            assert_eq!(between(&changed, begin, mark), None, "{at}");
        }
    }

    #[test]
    fn every_byte_counts() {
        let (bytes, mark) = journal(3);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!in_pieces(&changed, 64, mark), "{at}");
        }
    }
}
