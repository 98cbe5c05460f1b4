//! Keeps a world in files, so that what took effect survives any end of the process.
//!
//! `sandbox.json` holds the whole world and is replaced as one. What came after it stands in
//! `sandbox.json.journal`, one mutating request a line (also a read that made a device up), written before the answer
//! leaves: the world is a deterministic machine, so its inputs are enough to bring it back. A snapshot is taken when things
//! are quiet and each time the journal has grown as long as the world, so a call costs one short
//! write however many objects there are. The journal is locked: one process serves a world at a time.
//! Other reads are in no journal: a killed server forgets those it counted since the last snapshot.
//! Files are not synced call by call: they survive the end of a process, not of the machine.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::message::{HttpRequest, HttpResponse};
use super::scenario::Scenario;
use super::world::World;
use crate::files::{self, FileError, Links};

/// A larger world, or journal of one, is refused.
const MAX_BYTES: u64 = 1 << 30;

/// Snapshots are not worth their while for fewer records than this.
const MIN_RECORDS: usize = 1000;

/// A world and its files.
#[derive(Debug)]
pub(super) struct Keeper {
    world: World,
    files: Option<Files>,
    effects: Option<File>,
    /// How many effects are in the file of effects.
    written: usize,
    closed: bool,
}

#[derive(Debug)]
struct Files {
    snapshot: PathBuf,
    journal: File,
    /// Journal records behind the snapshot.
    records: usize,
    /// How many there were at the last tick.
    at_tick: usize,
    /// The world's size at the last snapshot.
    size: usize,
    /// Whether something that is in no journal (reads, time) has happened since the snapshot.
    touched: bool,
}

/// A line of the journal.
#[derive(Serialize, Deserialize)]
struct Record<R> {
    seq: u64,
    at: Timestamp,
    request: R,
}

impl Keeper {
    /// Opens a world, or makes a new one. `scenario` replaces the rules of an existing world; without
    /// it they stay. Without `path` the world lives as long as the process.
    pub fn open(
        path: Option<&Path>,
        scenario: Option<Scenario>,
        effects: Option<&Path>,
        now: Timestamp,
    ) -> io::Result<Self> {
        let (mut world, files) = match path {
            None => (World::new(scenario.unwrap_or_default()), None),
            Some(path) => {
                let mut journal = lock(path)?;
                let world = match files::read(path, Links::Refused, MAX_BYTES) {
                    Ok(json) => {
                        let mut world = World::from_json(&json).map_err(|e| named(path, e))?;
                        replay(&mut world, &mut journal).map_err(|e| named(&journal_path(path), e))?;
                        if let Some(scenario) = scenario {
                            world.adopt(scenario);
                        }
                        world
                    }
                    Err(e) if e.is_not_found() => World::new(scenario.unwrap_or_default()),
                    Err(e) => return Err(named(path, e)),
                };
                let files = Files {
                    snapshot: path.to_owned(),
                    journal,
                    records: 0,
                    at_tick: 0,
                    size: 0,
                    touched: false,
                };
                (world, Some(files))
            }
        };
        world.advance(now);
        let (effects, written) = match effects {
            None => (None, 0),
            Some(path) => {
                let (file, last) = open_effects(path).map_err(|e| named(path, e))?;
                // A world that lives in memory, or a new one, has none of the effects in the file.
                let mine = if files.is_some() { last.min(world.effects().len()) } else { 0 };
                (Some(file), mine)
            }
        };
        let mut keeper = Keeper { world, files, effects, written, closed: false };
        keeper.write_effects()?;
        keeper.save()?;
        Ok(keeper)
    }

    /// Where time stands.
    pub fn clock(&self) -> Option<Timestamp> {
        self.world.clock()
    }

    /// Answers a request. When this returns, what it changed is in the files.
    pub fn handle(&mut self, now: Timestamp, request: &HttpRequest) -> io::Result<HttpResponse> {
        if self.closed {
            return Err(io::Error::other("the world is closed"));
        }
        let before = self.world.seq;
        let response = self.world.handle(now, request);
        if let Some(files) = &mut self.files {
            files.touched = true;
            if self.world.seq != before {
                let at = self.world.clock().unwrap_or(now);
                let mut line = serde_json::to_vec(&Record { seq: self.world.seq, at, request })?;
                line.push(b'\n');
                files.journal.write_all(&line)?;
                files.records += 1;
                if files.records >= MIN_RECORDS.max(files.size) {
                    self.save()?;
                }
            }
        }
        self.write_effects()?;
        Ok(response)
    }

    /// Lets time pass; takes a snapshot when nothing has changed since the last tick.
    pub fn tick(&mut self, now: Timestamp) -> io::Result<()> {
        self.world.advance(now);
        self.write_effects()?;
        if let Some(files) = &mut self.files {
            let quiet = files.records > 0 && files.records == files.at_tick;
            files.at_tick = files.records;
            if quiet {
                self.save()?;
            }
        }
        Ok(())
    }

    /// Takes the last snapshot, frees the files and answers nothing any more.
    pub fn close(&mut self) -> io::Result<()> {
        self.closed = true;
        let saved = match &self.files {
            Some(files) if files.touched => self.save(),
            _ => Ok(()),
        };
        self.files = None;
        saved
    }

    /// Takes a snapshot.
    pub fn save(&mut self) -> io::Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        let json = self.world.to_json().map_err(io::Error::other)?;
        let mut temp = tempfile::NamedTempFile::new_in(files::folder_of(&files.snapshot))?;
        temp.write_all(&json)?;
        temp.as_file().sync_data()?;
        temp.persist(&files.snapshot).map_err(|e| e.error)?;
        // Records up to the snapshot's number are skipped by a reader, so a stop here does no harm.
        files.journal.set_len(0)?;
        files.records = 0;
        files.at_tick = 0;
        files.size = self.world.size();
        files.touched = false;
        Ok(())
    }

    fn write_effects(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.effects else { return Ok(()) };
        let Some(new) = self.world.effects().get(self.written..).filter(|n| !n.is_empty()) else {
            return Ok(());
        };
        let mut lines = Vec::new();
        for effect in new {
            serde_json::to_writer(&mut lines, effect)?;
            lines.push(b'\n');
        }
        file.write_all(&lines)?;
        self.written = self.world.effects().len();
        Ok(())
    }
}

fn named(path: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

fn journal_path(snapshot: &Path) -> PathBuf {
    let mut name = snapshot.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

/// Opens the journal and locks it until the process ends.
fn lock(snapshot: &Path) -> io::Result<File> {
    std::fs::create_dir_all(files::folder_of(snapshot))?;
    let path = journal_path(snapshot);
    let journal = files::open_or_create(&path).map_err(|e| named(&path, e))?;
    match journal.try_lock() {
        Ok(()) => Ok(journal),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            format!("{}: another process serves this world", snapshot.display()),
        )),
        Err(TryLockError::Error(e)) => Err(named(&path, e)),
    }
}

/// Works on the requests that came after the snapshot. A last line without its end was never answered.
fn replay(world: &mut World, journal: &mut File) -> io::Result<()> {
    let mut text = Vec::new();
    journal.seek(SeekFrom::Start(0))?;
    if journal.metadata()?.len() > MAX_BYTES {
        return Err(FileError::TooLarge { limit: MAX_BYTES }.into());
    }
    journal.read_to_end(&mut text)?;
    for line in text.split_inclusive(|b| *b == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let record: Record<HttpRequest> = serde_json::from_slice(line)?;
        if record.seq > world.seq {
            world.replay(record.at, &record.request);
        }
    }
    Ok(())
}

/// Opens the file of effects and gives the number of its last whole line.
fn open_effects(path: &Path) -> io::Result<(File, usize)> {
    #[derive(Deserialize)]
    struct Seq {
        seq: usize,
    }
    std::fs::create_dir_all(files::folder_of(path))?;
    let mut file = files::open_or_create(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    if whole < text.len() {
        file.set_len(whole as u64)?;
    }
    let last = text.get(..whole).unwrap_or_default().split(|b| *b == b'\n').rfind(|l| !l.is_empty());
    let last = last.map(serde_json::from_slice::<Seq>).transpose()?;
    Ok((file, last.map_or(0, |s| s.seq)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use std::fs::OpenOptions;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn collect(n: u64) -> HttpRequest {
        HttpRequest::new(
            "POST",
            &format!("/api/machines/{n:040x}/collectInvestigationPackage"),
            r#"{"Comment":"c"}"#,
        )
    }

    fn unlimited() -> Option<Scenario> {
        Some(Scenario::from_yaml("quotas: { enabled: false }").unwrap())
    }

    #[test]
    fn what_was_answered_survives_without_a_goodbye() {
        let dir = tempfile::tempdir().unwrap();
        let (path, effects) = (dir.path().join("w/sandbox.json"), dir.path().join("effects"));
        let mut keeper = Keeper::open(Some(&path), unlimited(), Some(&effects), at(0)).unwrap();
        let answers: Vec<_> = (0..5).map(|n| keeper.handle(at(1), &collect(n)).unwrap().body).collect();
        assert!(Keeper::open(Some(&path), None, None, at(1)).unwrap_err().to_string().contains("another"));
        let alive = keeper.world.to_json().unwrap();
        drop(keeper);

        // A torn line at the end is what a stop in the middle of a write leaves.
        let mut journal = OpenOptions::new().append(true).open(journal_path(&path)).unwrap();
        journal.write_all(br#"{"seq":6,"at":"20"#).unwrap();
        drop(journal);
        let mut keeper = Keeper::open(Some(&path), None, Some(&effects), at(1)).unwrap();
        assert_eq!(keeper.world.to_json().unwrap(), alive);
        assert_eq!(std::fs::read_to_string(&effects).unwrap().lines().count(), 5);

        // Elapsed time keeps counting, and the same world goes on.
        let id = serde_json::from_slice::<serde_json::Value>(&answers[0]).unwrap()["id"].clone();
        let read = HttpRequest::new("GET", &format!("/api/machineactions/{}", id.as_str().unwrap()), "");
        let body = keeper.handle(at(60), &read).unwrap().body;
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["status"], "Succeeded");
        keeper.close().unwrap();
        assert!(keeper.handle(at(60), &read).is_err());
        assert_eq!(std::fs::metadata(journal_path(&path)).unwrap().len(), 0);
    }

    #[test]
    fn a_journal_older_than_its_snapshot_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sandbox.json");
        let mut keeper = Keeper::open(Some(&path), None, None, at(0)).unwrap();
        keeper.handle(at(1), &collect(1)).unwrap();
        let journal = std::fs::read(journal_path(&path)).unwrap();
        assert!(!journal.is_empty());
        keeper.close().unwrap();
        drop(keeper);
        std::fs::write(journal_path(&path), journal).unwrap();
        let keeper = Keeper::open(Some(&path), None, None, at(1)).unwrap();
        assert_eq!(keeper.world.size(), 1);
    }

    #[test]
    fn effects_that_a_stop_kept_from_the_file_are_added() {
        let dir = tempfile::tempdir().unwrap();
        let (path, effects) = (dir.path().join("sandbox.json"), dir.path().join("effects"));
        let mut keeper = Keeper::open(Some(&path), unlimited(), Some(&effects), at(0)).unwrap();
        for n in 0..3 {
            keeper.handle(at(1), &collect(n)).unwrap();
        }
        drop(keeper);
        let text = std::fs::read_to_string(&effects).unwrap();
        let first: String = text.split_inclusive('\n').take(1).collect();
        std::fs::write(&effects, format!("{first}{{\"seq\":2,")).unwrap();
        drop(Keeper::open(Some(&path), None, Some(&effects), at(1)).unwrap());
        assert_eq!(std::fs::read_to_string(&effects).unwrap(), text);
    }

    #[test]
    fn snapshots_come_when_it_is_quiet_and_when_the_journal_is_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sandbox.json");
        let mut keeper = Keeper::open(Some(&path), unlimited(), None, at(0)).unwrap();
        let records = |k: &Keeper| k.files.as_ref().unwrap().records;
        keeper.handle(at(1), &collect(0)).unwrap();
        keeper.tick(at(1)).unwrap();
        assert_eq!(records(&keeper), 1, "it may go on");
        keeper.tick(at(1)).unwrap();
        assert_eq!(records(&keeper), 0);
        for n in 1..=MIN_RECORDS as u64 {
            keeper.handle(at(2), &collect(n)).unwrap();
        }
        assert_eq!(records(&keeper), 0);
        assert_eq!(World::from_json(&std::fs::read(&path).unwrap()).unwrap().size(), MIN_RECORDS + 1);
    }

    #[test]
    fn a_new_scenario_changes_the_rules_and_keeps_the_objects() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sandbox.json");
        let mut keeper = Keeper::open(Some(&path), None, None, at(0)).unwrap();
        keeper.handle(at(1), &collect(1)).unwrap();
        drop(keeper);
        let strict = Scenario::from_yaml("machines: { strict: true }").unwrap();
        let mut keeper = Keeper::open(Some(&path), Some(strict), None, at(60)).unwrap();
        assert_eq!(keeper.handle(at(60), &collect(1)).unwrap().status, 201, "met before");
        assert_eq!(keeper.handle(at(60), &collect(2)).unwrap().status, 404);
    }

    #[test]
    fn a_device_that_a_read_made_up_survives_without_a_goodbye() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sandbox.json");
        let list = HttpRequest::new("GET", "/api/machines?$filter=startswith(computerDnsName,'ws-1')", "");
        let mut keeper = Keeper::open(Some(&path), None, None, at(0)).unwrap();
        let first = keeper.handle(at(1), &list).unwrap().body;
        let journal = || std::fs::metadata(journal_path(&path)).unwrap().len();
        let written = journal();
        assert!(written > 0);
        keeper.handle(at(2), &list).unwrap();
        assert_eq!(journal(), written, "it is known by now");
        drop(keeper);
        let mut keeper = Keeper::open(Some(&path), None, None, at(3)).unwrap();
        let all = HttpRequest::new("GET", "/api/machines", "");
        let ids = |body: &[u8]| {
            let list: serde_json::Value = serde_json::from_slice(body).unwrap();
            list["value"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect::<Vec<_>>()
        };
        assert!(ids(&keeper.handle(at(3), &all).unwrap().body).contains(&ids(&first)[0]));
    }

    /// Requests of all kinds on few machines, so that they meet.
    fn any_request() -> impl Strategy<Value = HttpRequest> {
        (0u64..3, 0u8..5).prop_map(|(n, kind)| match kind {
            0 | 1 => collect(n),
            2 => HttpRequest::new(
                "POST",
                "/sandbox/analyst",
                format!(r#"{{"do":"cancel","machine":"{n:040x}"}}"#),
            ),
            3 => HttpRequest::new("POST", "/api/alerts/CreateAlertByReference", vec![b'{', 0xff]),
            _ => HttpRequest::new(
                "POST",
                "/api/alerts/CreateAlertByReference",
                format!(
                    r#"{{"machineId":"{n:040x}","severity":"Low","title":"t","description":"d","recommendedAction":"r","eventTime":"2018-08-03T16:45:21Z","reportId":"1","category":"Malware"}}"#
                ),
            ),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn snapshot_and_journal_make_the_living_world(
            requests in prop::collection::vec((any_request(), 0i64..3), 1..40),
            snapshot in 0usize..40,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("sandbox.json");
            let scenario = Scenario::from_yaml(
                "quotas: { limits: { collect: { perMinute: 12 } } }
faults:
  - { on: collect, every: 4, then: late, seconds: 3 }
  - { on: createAlert, every: 3, then: error }
  - { on: collect, every: 5, then: lost }
",
            )
            .unwrap();
            let mut keeper = Keeper::open(Some(&path), Some(scenario), None, at(0)).unwrap();
            let mut now = 0;
            for (i, (request, gap)) in requests.iter().enumerate() {
                now += gap;
                keeper.handle(at(now), request).unwrap();
                if i == snapshot {
                    keeper.save().unwrap();
                }
            }
            let alive = keeper.world.to_json().unwrap();
            drop(keeper);
            let back = Keeper::open(Some(&path), None, None, at(now)).unwrap();
            prop_assert_eq!(String::from_utf8(back.world.to_json().unwrap()), String::from_utf8(alive));
        }
    }
}
