//! Linux, macOS and other Unix systems.

use std::borrow::Cow;
use std::fs::{DirBuilder, File, FileType, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use rustix::time::{ClockId, clock_gettime};
use tokio::process::{Child, Command};
use tokio::signal::unix::SignalKind;

/// Has an open never wait for the other end of a FIFO, and never follow a link unless it is meant to.
pub fn without_surprises(options: &mut OpenOptions, follow: bool) {
    let links = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | links;
    // The bits are those of the C interface, whose type is signed.
    options.custom_flags(flags.bits().cast_signed());
}

/// Has a file that is made be its owner's alone.
pub fn private_file(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// Has a folder that is made be its owner's alone.
pub fn private_folder(builder: &mut DirBuilder) {
    builder.mode(0o700);
}

/// Has a temporary file be readable as one that anybody made: the process' mask takes its part of the permissions.
pub fn ordinary_file(builder: &mut tempfile::Builder<'_, '_>) {
    builder.permissions(Permissions::from_mode(0o666));
}

/// Takes the right to write to a file from everybody, and the right to read it from all but its owner.
pub fn set_read_only(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o400))
}

/// Makes a file readable and writable by its owner, and by nobody else.
pub fn set_private(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))
}

/// Gives the owner of an open file the right to write to it. The path is not asked: it may lead elsewhere by now.
pub fn set_writable(file: &File, _: &Path) -> io::Result<()> {
    set_private(file)
}

/// Returns what something is that is no file, folder or link, with its article.
pub fn special(kind: FileType) -> &'static str {
    match () {
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

/// Returns whether a file has other names (hard links).
pub fn has_other_names(meta: &Metadata) -> bool {
    meta.nlink() > 1
}

/// Returns whether something belongs to this user or to the superuser, or this user is the superuser.
pub fn is_ours(meta: &Metadata) -> bool {
    let us = rustix::process::geteuid();
    us.is_root() || meta.uid() == us.as_raw() || meta.uid() == 0
}

/// Returns the number of the user that something belongs to.
pub fn owner(meta: &Metadata) -> u32 {
    meta.uid()
}

/// Returns whether two looks saw one file.
pub fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Makes the names in a folder survive a loss of power. An empty path is the current folder.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// Returns whether a file system has refused a lock because it has none: `EOPNOTSUPP`, `ENOSYS`, and `ENOLCK` of a network
/// file system without its lock service.
pub fn cannot_lock(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::Unsupported || e.raw_os_error() == Some(Errno::NOLCK.raw_os_error())
}

/// Moves a file to a name that nothing has. Linux does it in one step; elsewhere the file has both names for a moment,
/// and keeps both if the process is killed then.
pub fn move_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            // File systems that cannot do that can mostly do the other.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            Err(e) => return Err(e.into()),
        }
    }
    std::fs::hard_link(from, to)?;
    std::fs::remove_file(from)
}

/// Returns the path of something without links, `.` and `..`.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// Returns the name by which an environment variable is compared with others.
pub fn variable(name: &str) -> Cow<'_, str> {
    Cow::Borrowed(name)
}

/// Returns whether a process of that number may still run. Whatever else is said of it, it is there.
pub fn may_run(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| rustix::process::test_kill_process(pid) != Err(Errno::SRCH))
}

/// Returns the time since some fixed moment. Nobody can set it, and it goes on while the computer sleeps.
pub fn steady() -> Duration {
    // The monotonic clock stands still while Linux sleeps; on macOS it goes on.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let id = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let id = ClockId::Monotonic;
    Duration::try_from(clock_gettime(id)).unwrap_or_default()
}

/// Returns whether consoles understand the codes for colour.
pub fn shows_colors() -> bool {
    true
}

/// Writes to stdout, and returns how many bytes got through: std's buffer would not tell that of a failed write.
pub fn write_out(bytes: &[u8]) -> io::Result<usize> {
    static OUT: OnceLock<Option<File>> = OnceLock::new();
    unbuffered(&OUT, &io::stdout(), bytes)
}

/// Writes to stderr, and returns how many bytes got through.
pub fn write_err(bytes: &[u8]) -> io::Result<usize> {
    static ERR: OnceLock<Option<File>> = OnceLock::new();
    unbuffered(&ERR, &io::stderr(), bytes)
}

fn unbuffered(file: &OnceLock<Option<File>>, stream: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let file = file.get_or_init(|| stream.as_fd().try_clone_to_owned().ok().map(File::from));
    // A stream that was closed before the start has no reader.
    file.as_ref().map_or(Ok(bytes.len()), |mut file| file.write(bytes))
}

/// The signals that ask a process to end: SIGINT, SIGTERM and SIGHUP.
pub struct Signals([tokio::signal::unix::Signal; 3]);

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system takes no more listeners.
    pub fn new() -> io::Result<Self> {
        let signal = tokio::signal::unix::signal;
        Ok(Signals([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A program of ours and the programs that it has started: a process group. They are asked to end when this is dropped.
pub struct Group(Option<Pid>);

impl Group {
    /// Starts a program in a group of its own, which no Ctrl-C of a terminal reaches.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<(Child, Group)> {
        let child = command.process_group(0).spawn()?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        Ok((child, group))
    }

    /// Asks the programs to end, and says whether they can: they remove what they have begun on the way out.
    pub fn ask_to_end(&self) -> bool {
        self.signal(Signal::TERM);
        self.0.is_some()
    }

    /// Ends the programs that have not heard.
    pub fn end(&self) {
        self.signal(Signal::KILL);
    }

    /// Notes that the programs have ended by themselves.
    pub fn ended(&mut self) {
        self.0 = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Nobody is left to hear it, then.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}
