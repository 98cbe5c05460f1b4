//! The digest that a snapshot carries: what it covers, and its value for a text that comes whole or in pieces.

use crate::model::{Sha256, Sha256Hex};

/// The beginning of the digest's line, its end, and the number of hex digits between them.
const LINE: &[u8] = b"\n  \"digest\": \"";
const LINE_END: &[u8] = b"\",";
const HEX: usize = 64;

/// The beginning of the line that ends what stands before the resources. Behind it there is no line of the document itself.
const RESOURCES: &[u8] = b"\n  \"resources\": ";

/// The most that stands before the resources.
pub(super) const HEAD: usize = 64 * 1024;

/// Returns what a digest covers: the text before its line, and the text behind it. None without such a line.
fn covered(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = memchr::memmem::find(text, RESOURCES)?;
    let line = memchr::memmem::find(text.get(..head)?, LINE)?;
    let (before, line) = text.split_at_checked(line)?;
    Some((before, line.get(LINE.len() + HEX..)?.strip_prefix(LINE_END)?))
}

/// Puts its digest into a text that was written with another one in its place.
pub(super) fn sign(text: &mut [u8]) {
    if let Some((before, after)) = covered(text) {
        let place = before.len() + LINE.len();
        let digest = of_parts(before, after).finish().to_string();
        text[place..place + HEX].copy_from_slice(digest.as_bytes());
    }
}

/// Returns the digest of a whole text.
pub(super) fn of(text: &[u8]) -> Option<Sha256Hex> {
    covered(text).map(|(before, after)| of_parts(before, after).finish())
}

fn of_parts(before: &[u8], after: &[u8]) -> Sha256 {
    let mut digest = Sha256::new();
    digest.update(before);
    digest.update(after);
    digest
}

/// The digest of a text that comes in pieces.
pub enum Digesting {
    /// The text so far, as long as it does not reach to the resources.
    Head(Vec<u8>),
    /// The digest so far, once its line is behind.
    Begun(Sha256),
    /// Nothing: the text holds no digest to compare with.
    Absent,
}

impl Default for Digesting {
    fn default() -> Self {
        Digesting::Head(Vec::new())
    }
}

impl Digesting {
    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        match self {
            Digesting::Begun(digest) => digest.update(piece),
            Digesting::Head(head) => {
                head.extend_from_slice(piece);
                if let Some((before, after)) = covered(head) {
                    *self = Digesting::Begun(of_parts(before, after));
                } else if head.len() >= HEAD || memchr::memmem::find(head, RESOURCES).is_some() {
                    *self = Digesting::Absent;
                }
            }
            Digesting::Absent => {}
        }
    }

    /// Returns the digest of all that was read, if the text holds one to compare it with.
    pub fn finish(self) -> Option<Sha256Hex> {
        match self {
            Digesting::Begun(digest) => Some(digest.finish()),
            Digesting::Head(_) | Digesting::Absent => None,
        }
    }
}
