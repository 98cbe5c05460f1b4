//! Looks into a package without unpacking it. Whoever owns the machine may have made what is in it.
//!
//! The end of the file says where the list of entries is. That list is read first, by bounds of its own; only when the
//! bounds hold, each entry is read through once, with nothing kept of it, to compute its CRC-32. Memory is bounded by
//! the list, and time by the length of what is in it.

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::state::PackageEntry;

/// How many entries a package may have.
const MOST_ENTRIES: u64 = 20_000;
/// How long the list of them may be.
const LONGEST_LIST: u64 = 16 << 20;
/// The longest name of an entry.
const LONGEST_NAME: usize = 1024;
/// How much may be in a package, unpacked.
const MOST_UNPACKED: u64 = 64 << 30;
/// How many times as long as the package its contents may be, once they are longer than [`SMALL`].
const HIGHEST_RATIO: u64 = 200;
/// Contents of this length are never too much.
const SMALL: u64 = 1 << 30;
/// How long a comment at the end of a zip may be: its length is a number of 16 bits.
const LONGEST_COMMENT: u64 = u16::MAX as u64;

/// The contents of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The entries, in the order of the list.
    pub entries: Vec<PackageEntry>,
    /// How many of them could not be read back.
    pub unchecked: u64,
}

/// Why a file is no package that can be held.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It does not begin as a zip does.
    #[error("it is no zip")]
    NoZip,
    /// It begins as a zip does, and has no end.
    #[error("it is cut short: a zip without its end")]
    CutShort,
    /// The list of entries contradicts itself or the file.
    #[error("its list of entries cannot be right: {0}")]
    List(&'static str),
    /// It has more than a package has.
    #[error("it is not looked into: {0}")]
    TooMuch(&'static str),
    /// An entry holds something else than the list says.
    #[error("{count} of its entries are not what its list says, {first} first")]
    Differs {
        /// How many.
        count: usize,
        /// The name of the first one.
        first: String,
    },
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
    /// The file cannot be read.
    #[error("it cannot be read back: {0}")]
    Io(#[from] io::Error),
}

impl Fault {
    /// Returns whether the file is none that anybody would keep: no zip, or a part of one.
    pub fn is_worthless(&self) -> bool {
        matches!(self, Fault::NoZip | Fault::CutShort)
    }
}

/// An entry of the list.
struct Listed {
    name: Vec<u8>,
    crc32: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

/// Looks into a file of that length. Once `stop` is set it gives up.
///
/// # Errors
/// The file is no zip, is one that nothing should be read from, or holds something else than it says.
pub fn look<R: Read + Seek>(mut file: R, length: u64, stop: &AtomicBool) -> Result<Contents, Fault> {
    let mut begin = [0; 4];
    match file.read_exact(&mut begin) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(Fault::NoZip),
        Err(e) => return Err(e.into()),
    }
    if begin != *b"PK\x03\x04" {
        return Err(Fault::NoZip);
    }
    let listed = list(&mut file, length)?;
    bounds(&listed, length)?;
    let mut contents = Contents::default();
    for entry in &listed {
        contents.entries.push(PackageEntry {
            name: String::from_utf8_lossy(&entry.name).into_owned(),
            size: entry.size,
            crc32: format!("{:08x}", entry.crc32),
        });
    }
    contents.unchecked = read_back(file, &listed, stop)?;
    Ok(contents)
}

/// A number of the zip, which are all written with the lowest byte first; none behind the end.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let mut out = [0; 8];
    out[..N].copy_from_slice(bytes.get(at..at.checked_add(N)?)?);
    Some(u64::from_le_bytes(out))
}

/// Reads the list of entries.
fn list<R: Read + Seek>(file: &mut R, length: u64) -> Result<Vec<Listed>, Fault> {
    const END: usize = 22;
    let from = length.saturating_sub(END as u64 + LONGEST_COMMENT + 20);
    let tail = read_at(file, from, length - from)?;
    let whole = |i: &usize| {
        let comment = number::<2>(&tail, i + 20).and_then(|n| usize::try_from(n).ok());
        tail[*i..].starts_with(b"PK\x05\x06") && comment.is_some_and(|n| i + END + n == tail.len())
    };
    let last = tail.len().checked_sub(END).ok_or(Fault::CutShort)?;
    let end = (0..=last).rev().find(whole).ok_or(Fault::CutShort)?;
    let broken = || Fault::List("it ends too early");
    let field = |at: usize| number::<4>(&tail, end + at).ok_or_else(broken);
    let mut count = number::<2>(&tail, end + 10).ok_or_else(broken)?;
    let (mut size, mut offset) = (field(12)?, field(16)?);
    if count == u64::from(u16::MAX) || size == u64::from(u32::MAX) || offset == u64::from(u32::MAX) {
        // The larger form has a record of its own, and before the end stands where that is.
        let locator = end.checked_sub(20).filter(|i| tail[*i..].starts_with(b"PK\x06\x07"));
        if let Some(at) = locator.and_then(|i| number::<8>(&tail, i + 8)) {
            if at.checked_add(56).is_none_or(|e| e > length) {
                return Err(Fault::List("it lies outside of the file"));
            }
            let record = read_at(file, at, 56)?;
            if !record.starts_with(b"PK\x06\x06") {
                return Err(Fault::List("it is not where the end says"));
            }
            let field = |at: usize| number::<8>(&record, at).ok_or_else(broken);
            (count, size, offset) = (field(32)?, field(40)?, field(48)?);
        }
    }
    if count > MOST_ENTRIES || size > LONGEST_LIST {
        return Err(Fault::TooMuch("it has more than 20,000 entries, or a list of more than 16 MiB"));
    }
    if offset.checked_add(size).is_none_or(|end| end > length) {
        return Err(Fault::List("it lies outside of the file"));
    }
    let bytes = read_at(file, offset, size)?;
    let mut entries = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if !rest.starts_with(b"PK\x01\x02") {
            return Err(Fault::List("an entry does not begin as one"));
        }
        let field = |at: usize| number::<4>(rest, at).ok_or_else(broken);
        let short =
            |at: usize| number::<2>(rest, at).and_then(|n| usize::try_from(n).ok()).ok_or_else(broken);
        let (name, extra, comment) = (short(28)?, short(30)?, short(32)?);
        if name > LONGEST_NAME {
            return Err(Fault::TooMuch("the name of an entry is longer than 1,024 bytes"));
        }
        let (packed, size, offset) = (field(20)?, field(24)?, field(42)?);
        let crc32 = u32::try_from(field(16)?).unwrap_or_default();
        let name_bytes = rest.get(46..46 + name).ok_or_else(broken)?;
        let extra_bytes = rest.get(46 + name..46 + name + extra).ok_or_else(broken)?;
        let (size, packed, offset) = larger(extra_bytes, [size, packed, offset]).ok_or_else(broken)?;
        entries.push(Listed { name: name_bytes.to_vec(), crc32, packed, size, offset });
        at += 46 + name + extra + comment;
    }
    if entries.len() as u64 != count {
        return Err(Fault::List("it has another number of entries than the end says"));
    }
    Ok(entries)
}

/// Takes length, packed length and place from the field for large ones, where the usual fields say so.
fn larger(extra: &[u8], usual: [u64; 3]) -> Option<(u64, u64, u64)> {
    let [mut size, mut packed, mut offset] = usual;
    let full = u64::from(u32::MAX);
    let mut rest = extra;
    while rest.len() >= 4 {
        let (id, length) = (number::<2>(rest, 0)?, usize::try_from(number::<2>(rest, 2)?).ok()?);
        let field = rest.get(4..4 + length)?;
        if id == 1 {
            let mut at = 0;
            for value in [&mut size, &mut packed, &mut offset] {
                if *value == full {
                    *value = number::<8>(field, at)?;
                    at += 8;
                }
            }
        }
        rest = &rest[4 + length..];
    }
    Some((size, packed, offset))
}

/// Checks that entries lie in the file beside each other, and that they are no more than a package holds.
fn bounds(listed: &[Listed], length: u64) -> Result<(), Fault> {
    const HEADER: u64 = 30;
    let mut places: Vec<(u64, u64)> = Vec::with_capacity(listed.len());
    let mut unpacked: u64 = 0;
    for entry in listed {
        let end = entry.offset.checked_add(HEADER).and_then(|at| at.checked_add(entry.packed));
        let end = end.filter(|end| *end <= length).ok_or(Fault::List("an entry lies outside of the file"))?;
        places.push((entry.offset, end));
        unpacked = unpacked.saturating_add(entry.size);
    }
    places.sort_unstable();
    if places.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(Fault::List("entries share bytes of the file"));
    }
    if unpacked > MOST_UNPACKED {
        return Err(Fault::TooMuch("more than 64 GiB are in it, unpacked"));
    }
    if unpacked > SMALL && unpacked / length.max(1) > HIGHEST_RATIO {
        return Err(Fault::TooMuch("what is in it is more than 200 times as long, unpacked"));
    }
    Ok(())
}

/// Reads every entry through; returns how many cannot be read in the way that they are packed.
fn read_back<R: Read + Seek>(file: R, listed: &[Listed], stop: &AtomicBool) -> Result<u64, Fault> {
    let odd = |_| Fault::List("it cannot be read as a zip");
    let mut archive = zip::ZipArchive::new(io::BufReader::new(file)).map_err(odd)?;
    let mut buffer = vec![0; 64 << 10];
    // Of entries that share a name the reader knows the last one.
    let names: HashSet<&[u8]> = listed.iter().map(|e| &*e.name).collect();
    let mut unchecked = (listed.len() - names.len()) as u64;
    let mut differing: Vec<String> = Vec::new();
    for index in 0..archive.len() {
        let Ok(mut entry) = archive.by_index(index) else {
            unchecked += 1;
            continue;
        };
        let (size, mut read) = (entry.size(), 0);
        let fits = loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Fault::Stopped);
            }
            match entry.read(&mut buffer) {
                Ok(0) => break read == size,
                Ok(n) => read += n as u64,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The CRC-32 or the packed data are wrong.
                Err(_) => break false,
            }
            if read > size {
                break false;
            }
        };
        if !fits {
            differing.push(String::from_utf8_lossy(entry.name_raw()).into_owned());
        }
    }
    match differing.len() {
        0 => Ok(unchecked),
        count => Err(Fault::Differs { count, first: differing.swap_remove(0) }),
    }
}

fn read_at<R: Read + Seek>(file: &mut R, at: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn looked(bytes: &[u8]) -> Result<Contents, Fault> {
        look(Cursor::new(bytes), bytes.len() as u64, &AtomicBool::new(false))
    }

    #[test]
    fn entries_are_listed_with_their_checksums() {
        let contents = looked(&zip(&[("Autoruns/a.csv", b"123456789"), ("b", b"")])).unwrap();
        let entry =
            |name: &str, size, crc32: &str| PackageEntry { name: name.into(), size, crc32: crc32.into() };
        assert_eq!(contents.entries, [entry("Autoruns/a.csv", 9, "cbf43926"), entry("b", 0, "00000000")]);
        assert_eq!(contents.unchecked, 0);
    }

    #[test]
    fn what_is_no_zip_is_told_from_a_part_of_one() {
        for bytes in [&b""[..], b"PK", b"<html>", b"{\"error\":\"Expired token\"}", b"PK\x05\x06"] {
            assert!(matches!(looked(bytes), Err(Fault::NoZip)), "{bytes:?}");
        }
        let whole = zip(&[("a", &[7; 5000])]);
        for length in [4, 30, whole.len() / 2, whole.len() - 1] {
            let fault = looked(&whole[..length]).unwrap_err();
            assert!(matches!(fault, Fault::CutShort) && fault.is_worthless(), "{length} {fault}");
        }
        assert!(matches!(looked(&[&whole[..], b"more"].concat()), Err(Fault::CutShort)));
    }

    #[test]
    fn an_entry_that_is_not_what_the_list_says_is_found() {
        let text: Vec<u8> = (0..4000u32).flat_map(|n| n.to_le_bytes()).collect();
        let mut bytes = zip(&[("a", &text)]);
        bytes[200] ^= 1;
        assert!(matches!(looked(&bytes), Err(Fault::Differs { count: 1, .. })));
        // The checksum in the list.
        let mut bytes = zip(&[("a", b"123456789")]);
        let list = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
        bytes[list + 16] ^= 1;
        assert!(matches!(looked(&bytes), Err(Fault::Differs { .. })));
    }

    #[test]
    fn bombs_are_not_read() {
        // Entries that share their bytes, each of them large.
        let bytes = zip(&[("a", b"123456789")]);
        let list = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        let end = bytes.windows(4).position(|w| w == b"PK\x05\x06").unwrap();
        let entry = bytes[list..end].to_vec();
        let mut bomb = bytes[..list].to_vec();
        (0..100).for_each(|_| bomb.extend_from_slice(&entry));
        let mut tail = bytes[end..].to_vec();
        tail[8..10].copy_from_slice(&100u16.to_le_bytes());
        tail[10..12].copy_from_slice(&100u16.to_le_bytes());
        tail[12..16].copy_from_slice(&(100 * entry.len() as u32).to_le_bytes());
        bomb.extend_from_slice(&tail);
        assert!(matches!(looked(&bomb), Err(Fault::List("entries share bytes of the file"))));
        // A length that no such package has.
        let mut bytes = zip(&[("a", b"123456789")]);
        bytes[list + 24..list + 28].copy_from_slice(&0xffff_fffeu32.to_le_bytes());
        assert!(matches!(looked(&bytes), Err(Fault::TooMuch(_))));
        // A count and a list that would fill the memory.
        let mut bytes = zip(&[("a", b"123456789")]);
        bytes[end + 10..end + 12].copy_from_slice(&60_000u16.to_le_bytes());
        assert!(matches!(looked(&bytes), Err(Fault::TooMuch(_))));
        bytes[end + 10..end + 12].copy_from_slice(&2u16.to_le_bytes());
        assert!(matches!(looked(&bytes), Err(Fault::List(_))));
    }

    #[test]
    fn names_that_would_leave_a_folder_are_only_listed() {
        let contents = looked(&zip(&[("../../etc/passwd", b"x"), ("C:\\a", b"y")])).unwrap();
        assert_eq!(contents.entries[0].name, "../../etc/passwd");
    }

    #[test]
    fn it_can_be_stopped() {
        let bytes = zip(&[("a", b"123456789")]);
        let stopped = look(Cursor::new(&bytes), bytes.len() as u64, &AtomicBool::new(true));
        assert!(matches!(stopped, Err(Fault::Stopped)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(at in 0usize..600, byte: u8, cut in 0usize..600) {
            let mut bytes = zip(&[("a/b", b"123456789"), ("c", &[1; 300])]);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len().saturating_sub(cut % 64));
            drop(looked(&bytes));
        }
    }
}
