//! Answers in gzip, as the service gives them to clients that take it.

use std::io::{self, Cursor, Read, Write};

use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, ZipArchive};

/// The header before the compressed bytes: the magic number, deflate, no flags, no time, unknown system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Returns whether an `Accept-Encoding` takes gzip.
pub(super) fn is_accepted(header: &str) -> bool {
    header.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        matches!(name.trim().to_ascii_lowercase().as_str(), "gzip" | "x-gzip" | "*") && !refused
    })
}

/// Compresses bytes. The deflate is that of the zip library, which packages are made with.
pub(super) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1));
    zip.start_file("body", options)?;
    zip.write_all(bytes)?;
    let mut archive = ZipArchive::new(zip.finish()?)?;
    let mut entry = archive.by_index_raw(0)?;
    let mut out = HEAD.to_vec();
    let checksum = entry.crc32();
    entry.read_to_end(&mut out)?;
    out.extend_from_slice(&checksum.to_le_bytes());
    // Bodies are far below 4 GiB, and the format wants the rest of that division.
    out.extend_from_slice(&((bytes.len() as u64 & 0xffff_ffff) as u32).to_le_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_gzip() {
        for yes in ["gzip", "gzip, deflate, br", "deflate;q=0.5, GZIP;q=1.0", "*"] {
            assert!(is_accepted(yes), "{yes}");
        }
        for no in ["", "identity", "br", "gzip;q=0", "deflate"] {
            assert!(!is_accepted(no), "{no}");
        }
    }
}
