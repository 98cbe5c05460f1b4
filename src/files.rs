//! Files that somebody else may have put there: opened without surprises, read up to a bound.
//!
//! A project folder comes out of a repository or an archive, and whoever made it may have planted a link where a file
//! is expected, a FIFO that no writer ever opens, or a device without an end. Everything that is read from a project,
//! or written next to it, is opened here: a path is opened once, without waiting, and what was opened is asked whether
//! it is a regular file. Links are followed only where the caller says so.
//!
//! Not responsible for what a file holds, or for the words in which a refusal is told.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::platform;

/// The links that a path may lead through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// The file itself is none. Folders on the way to it may be.
    Refused,
    /// Any: the path is what a person typed.
    Followed,
}

/// The reason why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path ends in a link.
    #[error("it is a link, and links are not followed here")]
    Link,
    /// The path leads out of the folder that holds it.
    #[error("it leads out of {}", root.display())]
    Outside {
        /// The folder.
        root: PathBuf,
    },
    /// It is a folder, a FIFO, a socket or a device.
    #[error("it is {found}, not a regular file")]
    NotRegular {
        /// The kind of file that it is, with its article.
        found: &'static str,
    },
    /// The file has other names, so that writing to it changes what these show.
    #[error("it has other names (hard links), and what is written here would change those too")]
    OtherNames,
    /// The file is larger than its reader takes.
    #[error("it is larger than {} MiB", limit >> 20)]
    TooLarge {
        /// The bound in bytes.
        limit: u64,
    },
    /// The folder belongs to another user, who could exchange what is in it.
    #[error("it belongs to another user")]
    OtherOwner,
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileError {
    /// Returns whether there is nothing of that name.
    pub fn is_not_found(&self) -> bool {
        matches!(self, FileError::Io(e) if e.kind() == io::ErrorKind::NotFound)
    }
}

impl From<FileError> for io::Error {
    fn from(e: FileError) -> io::Error {
        match e {
            FileError::Io(e) => e,
            refused => io::Error::other(refused),
        }
    }
}

/// Opens a regular file for reading.
pub fn open(path: &Path, links: Links) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true);
    opened(path, &mut options, links == Links::Followed)
}

/// Reads a regular file of at most `limit` bytes.
pub fn read(path: &Path, links: Links, limit: u64) -> Result<Vec<u8>, FileError> {
    read_open(open(path, links)?, limit)
}

/// Reads a regular file of at most `limit` bytes that holds UTF-8.
pub fn read_text(path: &Path, links: Links, limit: u64) -> Result<String, FileError> {
    String::from_utf8(read(path, links, limit)?)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.utf8_error()).into())
}

/// Reads an open file of at most `limit` bytes to its end.
pub fn read_open(file: File, limit: u64) -> Result<Vec<u8>, FileError> {
    let length = file.metadata()?.len();
    if length > limit {
        return Err(FileError::TooLarge { limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    // It may grow meanwhile.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(FileError::TooLarge { limit }) } else { Ok(bytes) }
}

/// Opens a regular file, no link, for reading and for writing at its end.
pub fn open_to_append(path: &Path) -> Result<File, FileError> {
    opened(path, OpenOptions::new().read(true).append(true), false)
}

/// Opens a regular file, no link, for reading and for writing at its end; makes it, readable by its owner alone, if
/// there is none.
///
/// What is there is not cut. A file with other names is refused: it may be somebody else's.
pub fn open_or_create(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    platform::private_file(&mut options);
    let file = opened(path, &mut options, false)?;
    if platform::has_other_names(&file.metadata()?) { Err(FileError::OtherNames) } else { Ok(file) }
}

/// Opens a regular file, no link, for reading and for writing at any place of it; makes it, readable by its owner alone,
/// if there is none. A file with other names is refused: it may be somebody else's.
pub fn open_to_rewrite(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    platform::private_file(&mut options);
    let file = opened(path, &mut options, false)?;
    if platform::has_other_names(&file.metadata()?) { Err(FileError::OtherNames) } else { Ok(file) }
}

/// Makes a new file for reading and writing at its end, readable by its owner alone. Whatever has the name already,
/// a link too, is an error.
pub fn create_new(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true);
    platform::private_file(&mut options);
    Ok(options.open(path)?)
}

/// Returns the length of a regular file, no link; none if there is none.
pub fn length(path: &Path) -> Result<Option<u64>, FileError> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) => regular(&meta).map(|()| Some(meta.len())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Returns the real path of something that lies in a folder, whatever links lead to it.
pub fn inside(root: &Path, path: &Path) -> Result<PathBuf, FileError> {
    let real = platform::real_path(path)?;
    if real.starts_with(platform::real_path(root)?) {
        Ok(real)
    } else {
        Err(FileError::Outside { root: root.to_owned() })
    }
}

/// Checks that what would be made at a path below a folder lies in it, whatever links lead there: the nearest folder
/// above it that exists does.
pub fn stays_inside(root: &Path, path: &Path) -> Result<(), FileError> {
    for above in path.ancestors().skip(1) {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        if above == root {
            break;
        }
        match std::fs::symlink_metadata(above) {
            // A link that leads to nothing is there: it must not be made real.
            Ok(_) => return inside(root, above).map(drop),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Returns the folder that a path lies in: the current one, where the path is a name alone.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Checks that a path is a folder, and no link to one. Says whether it exists.
pub fn is_folder(path: &Path) -> Result<bool, FileError> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(true),
        Ok(meta) if meta.is_symlink() => Err(FileError::Link),
        Ok(_) => Err(io::Error::from(io::ErrorKind::NotADirectory).into()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Makes a folder that only its owner can enter, if there is none, and says whether it did. One that is there must be
/// no link, and ours: it belongs to this user or to the superuser, or this user is the superuser.
pub fn own_folder(path: &Path) -> Result<bool, FileError> {
    let mut builder = std::fs::DirBuilder::new();
    platform::private_folder(&mut builder);
    let made = match builder.create(path) {
        Ok(()) => true,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
        Err(e) => return Err(e.into()),
    };
    if !is_folder(path)? {
        return Err(io::Error::from(io::ErrorKind::NotFound).into());
    }
    if platform::is_ours(&std::fs::symlink_metadata(path)?) { Ok(made) } else { Err(FileError::OtherOwner) }
}

/// Opens, and looks at what was opened: between two looks at a path it may be exchanged.
fn opened(path: &Path, options: &mut OpenOptions, follow: bool) -> Result<File, FileError> {
    platform::without_surprises(options, follow);
    match options.open(path) {
        Ok(file) => regular(&file.metadata()?).map(|()| file),
        // Why a link or a socket cannot be opened is told in other words by each system.
        Err(e) => match std::fs::symlink_metadata(path) {
            Ok(meta) if !follow || !meta.is_symlink() => {
                Err(regular(&meta).err().unwrap_or(FileError::Io(e)))
            }
            _ => Err(e.into()),
        },
    }
}

fn regular(meta: &Metadata) -> Result<(), FileError> {
    let kind = meta.file_type();
    match () {
        () if kind.is_file() => Ok(()),
        () if kind.is_symlink() => Err(FileError::Link),
        () if kind.is_dir() => Err(FileError::NotRegular { found: "a folder" }),
        () => Err(FileError::NotRegular { found: platform::special(kind) }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::platform::testing::unix;

    #[test]
    fn only_regular_files_are_opened_and_nothing_waits() {
        let Some(unix) = unix() else { return };
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::create_dir(at("folder")).unwrap();
        unix.fifo(&at("fifo"));
        let socket = unix.socket(&at("socket"));
        unix.link("/dev/zero", at("zero"));
        unix.link(at("fifo"), at("to-fifo"));
        unix.link(at("file"), at("to-file"));
        unix.link(at("nothing"), at("to-nothing"));
        let say = |name: &str, links| match open(&at(name), links) {
            Ok(_) => "opened".to_owned(),
            Err(e) => e.to_string(),
        };
        for (name, refused, followed) in [
            ("file", "opened", "opened"),
            ("folder", "it is a folder, not a regular file", "it is a folder, not a regular file"),
            ("fifo", "it is a FIFO, not a regular file", "it is a FIFO, not a regular file"),
            ("socket", "it is a socket, not a regular file", "it is a socket, not a regular file"),
            ("zero", "it is a link, and links are not followed here", "it is a device, not a regular file"),
            ("to-fifo", "it is a link, and links are not followed here", "it is a FIFO, not a regular file"),
            ("to-file", "it is a link, and links are not followed here", "opened"),
        ] {
            assert_eq!(say(name, Links::Refused), refused, "{name}");
            assert_eq!(say(name, Links::Followed), followed, "{name}");
            let written = open_to_append(&at(name)).map(drop).map_err(|e| e.to_string());
            assert_eq!(written.err().as_deref().unwrap_or("opened"), refused, "{name}");
            let made = open_or_create(&at(name)).map(drop).map_err(|e| e.to_string());
            assert_eq!(made.err().as_deref().unwrap_or("opened"), refused, "{name}");
            assert!(create_new(&at(name)).is_err(), "{name}");
        }
        assert!(matches!(open(&at("to-nothing"), Links::Refused), Err(FileError::Link)));
        assert!(matches!(open_or_create(&at("to-nothing")), Err(FileError::Link)));
        assert!(open(&at("to-nothing"), Links::Followed).unwrap_err().is_not_found());
        assert!(!at("nothing").exists());
        drop(socket);
    }

    #[test]
    fn what_is_written_stays_by_where_links_lead() {
        let Some(unix) = unix() else { return };
        let dir = tempfile::tempdir().unwrap();
        let (root, other) = (dir.path().join("root"), dir.path().join("other"));
        fs::create_dir_all(root.join("a")).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(root.join("a/file"), "inner").unwrap();
        fs::write(other.join("file"), "outer").unwrap();
        unix.link("a/file", root.join("in"));
        unix.link("a", root.join("b"));
        unix.link(&other, root.join("out"));
        let stays = |name: &str| stays_inside(&root, &root.join(name));
        for name in ["new", "a/new", "b/new", "x/y/z"] {
            stays(name).unwrap();
        }
        for name in ["out/new", "out/x/y", "../new"] {
            assert!(matches!(stays(name), Err(FileError::Outside { .. })), "{name}");
        }
        unix.link(dir.path().join("nothing"), root.join("dangling"));
        assert!(stays("dangling/new").is_err(), "nothing is made behind a link");
    }

    #[test]
    fn no_more_is_read_than_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, [7; 100]).unwrap();
        assert_eq!(read(&path, Links::Refused, 100).unwrap().len(), 100);
        let error = read(&path, Links::Refused, 99).unwrap_err();
        assert!(matches!(error, FileError::TooLarge { limit: 99 }));
        // A file without content on the disk: its length is enough to refuse it.
        fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(read(&path, Links::Refused, 1 << 30), Err(FileError::TooLarge { .. })));
    }

    #[test]
    fn a_file_that_is_written_is_ours_alone() {
        let Some(unix) = unix() else { return };
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, file) in [("a", open_or_create(&at("a"))), ("b", create_new(&at("b")))] {
            file.unwrap();
            assert_eq!(unix.mode(&at(name)), 0o600, "{name}");
        }
        fs::hard_link(at("a"), at("c")).unwrap();
        assert!(matches!(open_or_create(&at("a")), Err(FileError::OtherNames)));

        assert!(own_folder(&at("folder")).unwrap());
        assert!(!own_folder(&at("folder")).unwrap());
        assert_eq!(unix.mode(&at("folder")), 0o700);
        unix.link(at("folder"), at("link"));
        assert!(matches!(own_folder(&at("link")), Err(FileError::Link)));
        assert!(matches!(is_folder(&at("link")), Err(FileError::Link)));
        assert!(own_folder(&at("a")).is_err());
        assert!(!is_folder(&at("nothing")).unwrap());
    }
}
