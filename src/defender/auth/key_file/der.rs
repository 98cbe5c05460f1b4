//! A reader of DER: the types, lengths and values that files of keys are made of.

/// The types that occur.
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const OBJECT: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]` around another value, and in place of the type of one.
pub(super) const AROUND: u8 = 0xa0;
pub(super) const IN_PLACE: u8 = 0x80;

/// Values one behind the other. What is not as expected is none; BER's lengths without an end are none too.
#[derive(Clone, Copy)]
pub(super) struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Reads from these bytes on.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Der(bytes)
    }

    /// Returns whether there is nothing more.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the bytes of the next value, which has to be of this type.
    pub(super) fn value(&mut self, kind: u8) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (value, rest) = rest.split_at_checked(length)?;
        if *first != kind {
            return None;
        }
        self.0 = rest;
        Some(value)
    }

    /// Reads the values inside of the next one, which has to be of this type.
    pub(super) fn inside(&mut self, kind: u8) -> Option<Der<'a>> {
        self.value(kind).map(Der)
    }

    /// Reads a number that is not negative and not large.
    pub(super) fn number(&mut self) -> Option<u32> {
        let bytes = self.value(INTEGER)?;
        if bytes.is_empty() || bytes.len() > 5 || bytes[0] > 0x7f {
            return None;
        }
        let number = bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b));
        u32::try_from(number).ok()
    }
}

/// The length in front of a value, and what is behind it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match *first {
        short @ 0..=0x7f => Some((short.into(), rest)),
        many @ 0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(many - 0x80))?;
            Some((digits.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest))
        }
        _ => None,
    }
}

/// An object identifier as people write it: `1.2.840.113549.1.5.13`.
pub(super) fn dotted(object: &[u8]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut part: u64 = 0;
    for byte in object {
        part = part.saturating_mul(128).saturating_add(u64::from(byte & 0x7f));
        if byte & 0x80 == 0 {
            // The first two numbers are one.
            if parts.is_empty() {
                let first = (part / 40).min(2);
                parts.push(first.to_string());
                part -= first * 40;
            }
            parts.push(part.to_string());
            part = 0;
        }
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_order_and_nothing_beyond_the_end() {
        let bytes = [0x30, 0x09, 0x02, 0x02, 0x07, 0xd0, 0x04, 0x03, 1, 2, 3, 0x05, 0x00];
        let mut outer = Der::new(&bytes);
        let mut inner = outer.inside(SEQUENCE).unwrap();
        assert_eq!((inner.number(), inner.value(INTEGER)), (Some(2000), None));
        assert!(!inner.is_empty());
        assert_eq!(inner.value(OCTETS), Some(&[1, 2, 3][..]));
        assert!(inner.is_empty() && !outer.is_empty());
        for end in 0..11 {
            assert!(Der::new(&bytes[..end]).inside(SEQUENCE).is_none(), "{end}");
        }
    }

    #[test]
    fn lengths_of_every_form() {
        let long = |head: &[u8], n: usize| {
            let bytes = [&[OCTETS], head, &vec![7; n]].concat();
            Der::new(&bytes).value(OCTETS).map(<[u8]>::len)
        };
        assert_eq!(long(&[0x7f], 127), Some(127));
        assert_eq!(long(&[0x81, 0x80], 128), Some(128));
        assert_eq!(long(&[0x82, 0x01, 0x00], 256), Some(256));
        // Without an end, and longer than any file.
        assert_eq!((long(&[0x80], 4), long(&[0x84, 0, 0, 0, 1], 1)), (None, None));
        for number in [&[2, 0][..], &[2, 1, 0x80], &[2, 6, 1, 0, 0, 0, 0, 0], &[2, 5, 1, 0, 0, 0, 0]] {
            assert_eq!(Der::new(number).number(), None, "{number:?}");
        }
    }
}
