//! Differences of operating systems, each rule once: permissions, links, locks, processes, signals, clocks,
//! consoles and paths.
//!
//! Nothing outside of this module asks which system it runs on. Unix and Windows have a file each, with the same
//! functions; where a system cannot keep a promise, the doc comment of its function says what it does instead, and
//! `docs/platforms.md` says it to users.
//!
//! Not responsible for what the rules are used for: which file is private, which program has to end, and when.

#[cfg(test)]
pub mod testing;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

/// Returns the usual form of a path that Windows has written with `\\?\` in front, where there is one: other programs,
/// git among them, do not start in a folder of the long form. Shares and paths of more than 259 characters have none.
#[cfg(any(windows, test))]
fn usual(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(r"\\?\")?;
    let is_of_drive = matches!(rest.as_bytes(), [letter, b':', b'\\', ..] if letter.is_ascii_alphabetic());
    // A name that ends in a dot or a space, or that has a slash in it, is another one in the usual form.
    let is_plain = |part: &str| !part.ends_with(['.', ' ']) && !part.contains('/');
    let fits = rest.encode_utf16().count() < 260;
    (is_of_drive && fits && rest.split('\\').all(is_plain)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_path_of_a_drive_has_a_usual_form() {
        let long = format!(r"\\?\C:\{}", "a\\".repeat(200));
        for (path, plain) in [
            (r"\\?\C:\cases\inc-2042", Some(r"C:\cases\inc-2042")),
            (r"\\?\c:\", Some(r"c:\")),
            (r"\\?\UNC\server\share\cases", None),
            (r"\\?\Volume{6d7b}\cases", None),
            (r"\\?\C:\odd.\cases", None),
            (r"C:\cases", None),
            ("/cases", None),
            (&long, None),
        ] {
            assert_eq!(usual(path), plain, "{path}");
        }
    }

    #[test]
    fn a_real_path_names_what_is_there_in_one_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        let real = real_path(&dir.path().join("a/../a/.")).unwrap();
        assert_eq!(real, real_path(&dir.path().join("a")).unwrap());
        assert!(real.is_absolute() && !real.to_string_lossy().starts_with(r"\\?\"), "{}", real.display());
        assert!(real_path(&dir.path().join("b")).is_err());
    }

    #[test]
    fn a_name_that_is_taken_stays_with_what_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("new"), "new").unwrap();
        fs::write(at("there"), "there").unwrap();
        let refused = move_new(&at("new"), &at("there")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(
            (fs::read(at("new")).unwrap(), fs::read(at("there")).unwrap()),
            (b"new".into(), b"there".into())
        );
        set_read_only(&File::options().append(true).open(at("new")).unwrap()).unwrap();
        move_new(&at("new"), &at("free")).unwrap();
        assert!(!at("new").exists() && fs::metadata(at("free")).unwrap().permissions().readonly());
        assert_eq!(fs::read(at("free")).unwrap(), b"new");
    }

    #[test]
    fn a_file_that_took_the_place_of_another_is_told_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let meta = |path: &Path| fs::symlink_metadata(path).unwrap();
        fs::write(at("a"), "a").unwrap();
        let opened = File::open(at("a")).unwrap();
        assert!(is_same_file(&opened.metadata().unwrap(), &meta(&at("a"))));
        fs::write(at("b"), "another").unwrap();
        fs::rename(at("b"), at("a")).unwrap();
        assert!(!is_same_file(&opened.metadata().unwrap(), &meta(&at("a"))));
    }

    #[test]
    fn a_file_is_for_reading_until_it_is_for_writing_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let is_read_only = || fs::metadata(&path).unwrap().permissions().readonly();
        set_read_only(&File::create(&path).unwrap()).unwrap();
        assert!(is_read_only());
        set_writable(&File::open(&path).unwrap(), &path).unwrap();
        assert!(!is_read_only());
    }

    #[test]
    fn names_in_a_folder_are_made_to_last() {
        let dir = tempfile::tempdir().unwrap();
        sync_folder(dir.path()).unwrap();
        // The current folder, as the parent of a bare name is written.
        sync_folder(Path::new("")).unwrap();
    }

    #[test]
    fn a_file_system_without_locks_is_told_from_a_lock_that_is_held() {
        assert!(cannot_lock(&io::ErrorKind::Unsupported.into()));
        assert!(!cannot_lock(&io::ErrorKind::WouldBlock.into()));
        assert!(!cannot_lock(&io::ErrorKind::PermissionDenied.into()));
    }

    #[test]
    fn a_process_that_runs_is_never_taken_for_one_that_has_ended() {
        assert!(may_run(std::process::id()));
        let Some(unix) = testing::unix() else { return };
        assert!(!may_run(unix.ended_process()));
        // No process has that number, and none is asked: it would mean a group of them.
        assert!(may_run(0) && may_run(u32::MAX));
    }

    #[test]
    fn the_steady_clock_goes_on() {
        let first = steady();
        while steady() == first {}
        assert!(steady() > first);
    }

    #[tokio::test]
    async fn programs_end_when_they_are_made_to() {
        let Some(unix) = testing::unix() else { return };
        let (mut child, mut group) = Group::spawn(&mut unix.sleeper()).unwrap();
        assert!(group.ask_to_end());
        assert!(!child.wait().await.unwrap().success());
        // From here on the number may be that of somebody else's programs.
        group.ended();
        assert!(!group.ask_to_end());
        let (mut child, group) = Group::spawn(&mut unix.sleeper()).unwrap();
        drop(group);
        assert!(!child.wait().await.unwrap().success());
    }
}
