//! What a folder of files must be able to do, so that the same code can run on a real disk and on one
//! that loses power.

use std::io;

/// The files of a state folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// The truth.
    Journal,
    /// The journal while its first records are written.
    JournalNew,
    /// The fold of the journal, readable.
    Snapshot,
    /// The next snapshot while it is written.
    SnapshotNew,
    /// Outcomes that the journal would not take.
    Rescue,
}

impl FileName {
    /// The name in the folder.
    pub fn as_str(self) -> &'static str {
        match self {
            FileName::Journal => "journal.jsonl",
            FileName::JournalNew => "journal.jsonl.new",
            FileName::Snapshot => "state.json",
            FileName::SnapshotNew => "state.json.new",
            FileName::Rescue => "rescue.jsonl",
        }
    }
}

/// The few file operations that a state needs. Nothing is durable before the matching `sync` returned.
pub trait Disk: Send {
    /// How long a file is; none if there is none.
    fn len(&mut self, name: FileName) -> io::Result<Option<u64>>;
    /// The bytes of a file from `from` to `to`, or to its end if it is shorter.
    fn read(&mut self, name: FileName, from: u64, to: u64) -> io::Result<Vec<u8>>;
    /// Hands over the bytes of one file, whatever else gets its name meanwhile, in pieces; until `take` says no.
    fn pieces(&mut self, name: FileName, take: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<()>;
    /// Makes an empty file that only its owner can read; an old one of that name goes.
    fn create(&mut self, name: FileName) -> io::Result<()>;
    /// Writes at the end of a file that is `len` bytes long. Fails, and writes nothing, if it is not, or if
    /// the name meanwhile belongs to another file.
    fn append(&mut self, name: FileName, len: u64, bytes: &[u8]) -> io::Result<()>;
    /// Shortens a file.
    fn truncate(&mut self, name: FileName, len: u64) -> io::Result<()>;
    /// Makes a file's content durable.
    fn sync(&mut self, name: FileName) -> io::Result<()>;
    /// Gives a file another name, in place of the file that had it.
    fn rename(&mut self, from: FileName, to: FileName) -> io::Result<()>;
    /// Removes a file; none is fine.
    fn remove(&mut self, name: FileName) -> io::Result<()>;
    /// Makes names durable.
    fn sync_names(&mut self) -> io::Result<()>;
}
