//! Investigation packages: links to them, and the zip in the documented Windows layout.

use std::cell::Cell;
use std::io::{self, Seek, SeekFrom, Write};
use std::rc::Rc;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use zip::write::{SimpleFileOptions, ZipWriter};

use super::actions::Action;
use super::message::{Filling, HttpRequest, HttpResponse, Refusal, wire_time};
use super::route::DOWNLOAD;
use super::wire;
use super::world::World;

/// Folders and one file in each; a summary is added at the top.
const LAYOUT: [(&str, &str); 13] = [
    ("Autoruns", "Autoruns.csv"),
    ("Installed programs", "InstalledPrograms.csv"),
    ("Network connections", "ActiveNetConnections.txt"),
    ("Prefetch files", "PrefetchFilesList.txt"),
    ("Processes", "Processes.csv"),
    ("Scheduled tasks", "ScheduledTasks.csv"),
    ("Security event log", EVENT_LOG),
    ("Services", "Services.csv"),
    ("Windows Server Message Block (SMB) sessions", "SMBInboundSessions.txt"),
    ("System Information", "SystemInformation.txt"),
    ("Temp Directories", "TempDirectories.txt"),
    ("Users and Groups", "UsersAndGroups.txt"),
    ("WdSupportLogs", "MPSupportFiles.txt"),
];

/// The file that grows: a busy server's fills gigabytes.
const EVENT_LOG: &str = "Security.evtx";

/// The length of what repeats in it, in bytes.
const BLOCK: usize = 1 << 16;

impl World {
    /// `GET /api/machineactions/{id}/getPackageUri`.
    ///
    /// The link is a URL inside quotation marks inside the JSON text, as in the documentation.
    pub(super) fn package_uri(
        &self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let action = self.packaged(now, id)?;
        let until = self.scenario.packages.link.after(now).as_millisecond();
        let base = wire::base(request);
        let host = match self.scenario.packages.elsewhere {
            true => base.replace("127.0.0.1", "localhost"),
            false => base.clone(),
        };
        let token = format!("{}.{until}.{}", action.id, self.link_mark(&action.id, until));
        let body = serde_json::json!({
            "@odata.context": format!("{base}/api/$metadata#Edm.String"),
            "value": format!("\"{host}{DOWNLOAD}?token={token}\""),
        });
        Ok(wire::json(200, &body))
    }

    /// What makes a token one of ours. It keeps nobody out; it makes a mangled link fail.
    fn link_mark(&self, id: &str, until: i64) -> String {
        let digest = Sha256::digest(format!("{}/link/{id}/{until}", self.scenario.seed));
        HEXLOWER.encode(&digest).chars().take(32).collect()
    }

    /// The download itself: whole, or one range of it.
    pub(super) fn download(&self, now: Timestamp, request: &HttpRequest) -> Result<HttpResponse, Refusal> {
        let refused = || Refusal::empty(403);
        // A token has no business here: storage takes a link or a token, and refuses both at once.
        if request.authorization.is_some() {
            return Err(refused());
        }
        let (_, token) = url::form_urlencoded::parse(request.query.as_bytes())
            .find(|(name, _)| name == "token")
            .ok_or_else(refused)?;
        let mut parts = token.split('.');
        let (Some(id), Some(until), Some(mark), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refused());
        };
        let until: i64 = until.parse().map_err(|_| refused())?;
        if mark != self.link_mark(id, until) || now.as_millisecond() >= until {
            return Err(refused());
        }
        let action = self.packaged(now, id)?;
        let zip = build(action, &self.scenario.seed, self.scenario.packages.filler_kib)
            .map_err(|_| Refusal::new(500, "InternalServerError", ""))?;
        Ok(partial(&zip, request))
    }
}

fn partial(zip: &Package, request: &HttpRequest) -> HttpResponse {
    // The checksum of the filling is among them.
    let etag = format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(&zip.written)));
    let whole = zip.length();
    let mut response = HttpResponse::empty(200);
    response.headers = vec![
        ("Content-Type", "application/zip".into()),
        ("Content-Disposition", "attachment; filename=\"WDATP_Investigation_Package.zip\"".into()),
        ("Accept-Ranges", "bytes".into()),
        ("ETag", etag.clone()),
    ];
    let same = request.if_range.as_ref().is_none_or(|tag| *tag == etag);
    match request.range.as_deref().filter(|_| same).and_then(|r| range(r, whole)) {
        None => (response.body, response.filling) = zip.part(0, whole),
        Some(Ok((start, end))) => {
            response.status = 206;
            response.headers.push(("Content-Range", format!("bytes {start}-{}/{whole}", end - 1)));
            (response.body, response.filling) = zip.part(start, end);
        }
        Some(Err(Unsatisfiable)) => {
            response.status = 416;
            response.headers.push(("Content-Range", format!("bytes */{whole}")));
        }
    }
    response
}

#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// One range of bytes, half open. Anything else in the header is ignored, as RFC 9110 allows.
fn range(header: &str, whole: u64) -> Option<Result<(u64, u64), Unsatisfiable>> {
    let (first, last) = header.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let (start, end) = match (first, last) {
        ("", last) => (whole.saturating_sub(number(last)?), whole),
        (first, "") => (number(first)?, whole),
        (first, last) => (number(first)?, number(last)?.saturating_add(1).min(whole)),
    };
    if !first.is_empty() && !last.is_empty() && number(first)? > number(last)? {
        return None;
    }
    Some(if start < end { Ok((start, end)) } else { Err(Unsatisfiable) })
}

/// A zip without the filling of its event log, which is made while it is sent.
struct Package {
    /// All other bytes.
    written: Vec<u8>,
    gap: Gap,
    block: Arc<[u8]>,
}

impl Package {
    fn length(&self) -> u64 {
        self.written.len() as u64 + self.gap.length
    }

    /// Returns the bytes of a half open range: those in front of the filling, and the rest if it reaches that far.
    fn part(&self, start: u64, end: u64) -> (Vec<u8>, Option<Filling>) {
        let Gap { at, length, .. } = self.gap;
        let written = |from: u64, to: u64| {
            let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            self.written.get(place(from)..place(to)).unwrap_or_default().to_vec()
        };
        if length == 0 {
            return (written(start, end), None);
        }
        let front = written(start.min(at), end.min(at));
        let filled = |n: u64| n.clamp(at, at + length) - at;
        let behind = |n: u64| n.max(at + length) - length;
        let filling = Filling {
            block: Arc::clone(&self.block),
            from: filled(start),
            length: filled(end) - filled(start),
            behind: written(behind(start), behind(end)),
        };
        (front, Some(filling))
    }
}

/// Where bytes are counted, and not kept.
#[derive(Clone, Copy, Default)]
struct Gap {
    at: u64,
    length: u64,
    open: bool,
}

/// The place that a zip is written into: it keeps all but the bytes of the gap.
struct Outline {
    written: Vec<u8>,
    at: u64,
    gap: Rc<Cell<Gap>>,
}

impl Write for Outline {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut gap = self.gap.get();
        let length = bytes.len() as u64;
        if gap.open {
            if gap.length == 0 {
                gap.at = self.at;
            }
            gap.length += length;
            self.gap.set(gap);
        } else {
            let behind = gap.length > 0 && self.at >= gap.at;
            let place = usize::try_from(if behind { self.at - gap.length } else { self.at });
            let place = place.map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            self.written.resize(self.written.len().max(place + bytes.len()), 0);
            self.written[place..place + bytes.len()].copy_from_slice(bytes);
        }
        self.at += length;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Outline {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = self.written.len() as u64 + self.gap.get().length;
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// The zip of an action: the same bytes each time.
fn build(action: &Action, seed: &str, filler_kib: u32) -> zip::result::ZipResult<Package> {
    let gap = Rc::new(Cell::new(Gap::default()));
    let block = block(&format!("{seed}/filler/{}", action.id));
    let mut zip = ZipWriter::new(Outline { written: Vec::new(), at: 0, gap: Rc::clone(&gap) });
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default());
    let mut summary = String::from("Data point\tCommand\tStatus\tError code\r\n");
    for (folder, file) in LAYOUT {
        let grows = file == EVENT_LOG && filler_kib > 0;
        let options = match grows {
            true => options.compression_method(zip::CompressionMethod::Stored).large_file(true),
            false => options,
        };
        zip.start_file(format!("{folder}/{file}"), options)?;
        if file.ends_with(".csv") {
            // As those of the service have been seen to begin.
            zip.write_all(b"\xef\xbb\xbf")?;
        }
        write!(
            zip,
            "Simulated {folder} of {}\r\naction {}\r\ncollected {}\r\n",
            action.machine,
            action.id,
            wire_time(action.created)
        )?;
        if grows {
            gap.set(Gap { open: true, ..gap.get() });
            let mut left = u64::from(filler_kib) * 1024;
            while left > 0 {
                let length = left.min(BLOCK as u64);
                zip.write_all(block.get(..length as usize).unwrap_or_default())?;
                left -= length;
            }
            gap.set(Gap { open: false, ..gap.get() });
        }
        summary.push_str(&format!("{folder}\tsimulated\tSucceeded\t0\r\n"));
    }
    zip.start_file("CollectionSummaryReport.xls", options)?;
    zip.write_all(summary.as_bytes())?;
    let written = zip.finish()?.written;
    Ok(Package { written, gap: gap.get(), block })
}

/// Returns the bytes that repeat in an event log: nothing that could be compressed.
fn block(seed: &str) -> Arc<[u8]> {
    let mut bytes = Vec::with_capacity(BLOCK);
    let mut link = Sha256::digest(seed);
    while bytes.len() < BLOCK {
        bytes.extend_from_slice(&link);
        link = Sha256::digest(link);
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range("bytes=0-", 10), Some(Ok((0, 10))));
        assert_eq!(range("bytes=4-", 10), Some(Ok((4, 10))));
        assert_eq!(range("bytes=4-5", 10), Some(Ok((4, 6))));
        assert_eq!(range("bytes=4-99", 10), Some(Ok((4, 10))));
        assert_eq!(range("bytes=-3", 10), Some(Ok((7, 10))));
        assert_eq!(range("bytes=-30", 10), Some(Ok((0, 10))));
        assert_eq!(range("bytes=10-", 10), Some(Err(Unsatisfiable)));
        assert_eq!(range("bytes=5-4", 10), None);
        assert_eq!(range("lines=5-6", 10), None);
        assert_eq!(range("bytes=0-1,4-5", 10), None);
    }
}
