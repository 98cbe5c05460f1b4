//! Investigation packages: links to them, and the zip in the documented Windows layout.

use std::io::{Cursor, Write};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use zip::write::{SimpleFileOptions, ZipWriter};

use super::actions::Action;
use super::message::{HttpRequest, HttpResponse, Refusal, wire_time};
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
    ("Security event log", "Security.evtx"),
    ("Services", "Services.csv"),
    ("Windows Server Message Block (SMB) sessions", "SMBInboundSessions.txt"),
    ("System Information", "SystemInformation.txt"),
    ("Temp Directories", "TempDirectories.txt"),
    ("Users and Groups", "UsersAndGroups.txt"),
    ("WdSupportLogs", "MPSupportFiles.txt"),
];

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
        Ok(partial(zip, request))
    }
}

fn partial(zip: Vec<u8>, request: &HttpRequest) -> HttpResponse {
    let etag = format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(&zip)));
    let whole = zip.len();
    let mut response = HttpResponse::empty(200);
    response.headers = vec![
        ("Content-Type", "application/zip".into()),
        ("Content-Disposition", "attachment; filename=\"WDATP_Investigation_Package.zip\"".into()),
        ("Accept-Ranges", "bytes".into()),
        ("ETag", etag.clone()),
    ];
    let same = request.if_range.as_ref().is_none_or(|tag| *tag == etag);
    match request.range.as_deref().filter(|_| same).and_then(|r| range(r, whole)) {
        None => response.body = zip,
        Some(Ok((start, end))) => {
            response.status = 206;
            response.headers.push(("Content-Range", format!("bytes {start}-{}/{whole}", end - 1)));
            response.body = zip.get(start..end).unwrap_or_default().to_vec();
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
fn range(header: &str, whole: usize) -> Option<Result<(usize, usize), Unsatisfiable>> {
    let (first, last) = header.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| text.parse::<usize>().ok();
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

/// The zip of an action: the same bytes each time.
fn build(action: &Action, seed: &str, filler_kib: u32) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default());
    let mut summary = String::from("Data point\tCommand\tStatus\tError code\r\n");
    for (folder, file) in LAYOUT {
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
        summary.push_str(&format!("{folder}\tsimulated\tSucceeded\t0\r\n"));
    }
    zip.start_file("CollectionSummaryReport.xls", options)?;
    zip.write_all(summary.as_bytes())?;
    if filler_kib > 0 {
        zip.start_file(
            "WdSupportLogs/filler.bin",
            options.compression_method(zip::CompressionMethod::Stored),
        )?;
        let mut block = Sha256::digest(format!("{seed}/filler/{}", action.id));
        for _ in 0..filler_kib {
            for _ in 0..32 {
                zip.write_all(&block)?;
                block = Sha256::digest(block);
            }
        }
    }
    Ok(zip.finish()?.into_inner())
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
