//! Windows, with what its standard library offers: no file's id, no owner of a file, no signal to a group of programs.

use std::borrow::Cow;
use std::fs::{DirBuilder, File, FileType, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::windows::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempPath;
use tokio::process::{Child, Command};
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
};

/// Opens a link itself and not what it leads to.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// Has an open never follow a link unless it is meant to.
pub fn without_surprises(options: &mut OpenOptions, follow: bool) {
    if !follow {
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    }
}

/// Leaves a file that is made to the access list of its folder: a user's own folders are closed to others.
pub fn private_file(_: &mut OpenOptions) {}

/// Leaves a folder that is made to the access list of the one above it.
pub fn private_folder(_: &mut DirBuilder) {}

/// Leaves a temporary file to the access list of its folder.
pub fn ordinary_file(_: &mut tempfile::Builder<'_, '_>) {}

/// Marks a file as read-only.
pub fn set_read_only(file: &File) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions)
}

/// Leaves a file to the access list of its folder.
pub fn set_private(_: &File) -> io::Result<()> {
    Ok(())
}

/// Takes the mark of a read-only file back, by its path: a file that was opened to be read does not allow it.
pub fn set_writable(file: &File, path: &Path) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "on Windows the mark is nobody's right")]
    permissions.set_readonly(false);
    std::fs::set_permissions(path, permissions)
}

/// Returns what something is that is no file, folder or link, with its article.
pub fn special(_: FileType) -> &'static str {
    "something else"
}

/// Returns false: how many names a file has cannot be asked.
pub fn has_other_names(_: &Metadata) -> bool {
    false
}

/// Returns true: who a file belongs to cannot be asked.
pub fn is_ours(_: &Metadata) -> bool {
    true
}

/// Returns one number: everything that is there counts as one user's.
pub fn owner(_: &Metadata) -> u32 {
    0
}

/// Returns whether two looks saw files of one moment and length. A file that takes a name within 15 seconds of another
/// one gets the moment of that, so the length has to tell them apart.
pub fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    (a.creation_time(), a.file_size()) == (b.creation_time(), b.file_size())
}

/// Does nothing: folders cannot be synced, and NTFS keeps a journal of names.
pub fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Returns whether a file system has refused a lock because it has none.
pub fn cannot_lock(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::Unsupported
}

/// Moves a file to a name that nothing has, in one step.
pub fn move_new(from: &Path, to: &Path) -> io::Result<()> {
    let permissions = std::fs::metadata(from)?.permissions();
    match TempPath::try_from_path(from)?.persist_noclobber(to) {
        // The move has taken the mark of a read-only file.
        Ok(()) => std::fs::set_permissions(to, permissions),
        Err(e) => {
            // The file stays where it is, and is no temporary one.
            let _ = e.path.keep();
            Err(e.error)
        }
    }
}

/// Returns the path of something without links, `.` and `..`, in its usual form where it has one.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    let real = path.canonicalize()?;
    let usual = real.to_str().and_then(super::usual).map(PathBuf::from);
    Ok(usual.unwrap_or(real))
}

/// Returns the name by which an environment variable is compared with others: capitals make no difference.
pub fn variable(name: &str) -> Cow<'_, str> {
    Cow::Owned(name.to_ascii_uppercase())
}

/// Returns true: whether a process still runs cannot be asked, so its lock is left alone until it is too old.
pub fn may_run(_: u32) -> bool {
    true
}

/// Returns the time since the first call. The performance counter goes on while the computer sleeps.
pub fn steady() -> Duration {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}

/// Has the console show codes for colour, and says whether it does. Where one of stdout and stderr is no console, the
/// other one is not asked.
pub fn shows_colors() -> bool {
    anstyle_query::windows::enable_ansi_colors().unwrap_or(false)
}

/// Writes to stdout, and returns how many bytes got through. std makes of them what the console reads.
pub fn write_out(bytes: &[u8]) -> io::Result<usize> {
    let mut out = io::stdout().lock();
    let n = out.write(bytes)?;
    out.flush().map(|()| n)
}

/// Writes to stderr, and returns how many bytes got through.
pub fn write_err(bytes: &[u8]) -> io::Result<usize> {
    io::stderr().lock().write(bytes)
}

/// The events that ask a process to end: Ctrl-C, Ctrl-Break, a window that is closed, and the end of the session.
pub struct Signals {
    interrupt: CtrlC,
    stop: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system takes no more listeners.
    pub fn new() -> io::Result<Self> {
        Ok(Signals {
            interrupt: ctrl_c()?,
            stop: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// Waits for the next one. After a window is closed the process has five seconds.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.stop.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
        }
    }
}

/// A program of ours. It is ended with its handle; what it has started itself is not.
pub struct Group;

impl Group {
    /// Starts a program that ends with its handle.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<(Child, Group)> {
        Ok((command.kill_on_drop(true).spawn()?, Group))
    }

    /// Returns false: a program cannot be asked to end.
    pub fn ask_to_end(&self) -> bool {
        false
    }

    /// Does nothing: the program ends with its handle.
    pub fn end(&self) {}

    /// Does nothing: the program ends with its handle.
    pub fn ended(&mut self) {}
}
