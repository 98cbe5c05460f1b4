//! The names of packages: the same in a folder and in object storage, and nothing that the service says leads out of
//! there.
//!
//! `KIND/ADDRESS/MACHINE-START-ID.zip`. Every part consists of `[A-Za-z0-9._-]`, with everything else percent-encoded, so
//! that no part is `..`, holds a slash or begins with a dot. Two texts have different parts; of a text that is too long
//! the end is replaced by a part of its SHA-256.

use std::fmt::Write as _;

use crate::model::{Address, Sha256Hex, Timestamp};

/// The longest part in bytes, endings included.
pub const LONGEST_PART: usize = 120;

/// The longest machine's name in it: the times, the id and the endings of what lies beside a package take the rest.
const LONGEST_MACHINE: usize = 40;

/// How many hex digits of the SHA-256 stand for the end of a text that is too long.
const DIGITS: usize = 16;

/// The name of one package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName {
    folders: [String; 2],
    stem: String,
}

/// An id of a collection that is no GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of the collection is no GUID, so no file is named after it")]
pub struct NoGuid;

impl PackageName {
    /// Returns the name of the package of a collection: of the resource, the device's name, and when it was asked for.
    ///
    /// # Errors
    /// The id is no GUID.
    pub fn new(
        address: &Address,
        machine: &str,
        start: Option<&Timestamp>,
        action_id: &str,
    ) -> Result<Self, NoGuid> {
        if !is_guid(action_id) {
            return Err(NoGuid);
        }
        let start = match start {
            Some(start) => start.instant().strftime("%Y%m%dT%H%M%SZ").to_string(),
            None => "undated".to_owned(),
        };
        let machine = part(machine, LONGEST_MACHINE);
        Ok(PackageName {
            folders: [part(address.kind().as_str(), LONGEST_PART), part(address.name(), LONGEST_PART)],
            stem: format!("{machine}-{start}-{}", action_id.to_ascii_lowercase()),
        })
    }

    /// Reads the name of a package as [`PackageName::file`] writes it; none if the text is no such name.
    pub fn parse(file: &str) -> Option<Self> {
        let mut parts = file.strip_suffix(".zip")?.split('/');
        let (kind, address, stem) = (parts.next()?, parts.next()?, parts.next()?);
        let fine = [kind, address, stem].into_iter().all(is_part) && parts.next().is_none();
        fine.then(|| PackageName { folders: [kind.to_owned(), address.to_owned()], stem: stem.to_owned() })
    }

    /// The folders that it lies in, the outer one first.
    pub fn folders(&self) -> [&str; 2] {
        [&self.folders[0], &self.folders[1]]
    }

    /// The package's own name in its folder, with another ending.
    fn with(&self, ending: &str) -> String {
        format!("{}/{}/{}{ending}", self.folders[0], self.folders[1], self.stem)
    }

    /// The package.
    pub fn file(&self) -> String {
        self.with(".zip")
    }

    /// Its custody record.
    pub fn record(&self) -> String {
        self.with(".json")
    }

    /// A package that is not whole yet.
    pub fn unfinished(&self) -> String {
        self.with(".zip.part")
    }

    /// The note beside a package that is not whole yet.
    pub fn note(&self) -> String {
        self.with(".zip.part.json")
    }

    /// A package that was fetched and cannot be held under its name.
    pub fn aside(&self, sha256: Sha256Hex) -> String {
        self.with(&format!(".{}.aside", &sha256.to_string()[..DIGITS]))
    }
}

/// Returns whether a text is a GUID in its usual form.
fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => c == b'-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// Returns whether a text could have been written by [`part`], endings aside.
fn is_part(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-' | b'%');
    !text.is_empty() && text.len() <= LONGEST_PART && !text.starts_with('.') && text.bytes().all(plain)
}

/// Writes a text as a part of a name, of at most so many bytes.
pub(super) fn part(text: &str, most: usize) -> String {
    let mut out = String::new();
    let last = text.len().saturating_sub(1);
    for (i, byte) in text.bytes().enumerate() {
        // Some systems hide what begins with a dot, and others drop one at the end.
        let dot = byte == b'.' && (i == 0 || i == last);
        if (byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) && !dot {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.is_empty() {
        // No text is written like this: hex digits follow each percent sign.
        return "%none".to_owned();
    }
    if is_reserved(&out) {
        let first = out.remove(0);
        out.insert_str(0, &format!("%{:02X}", u32::from(first)));
    }
    if out.len() > most {
        out.truncate(most - DIGITS - 1);
        // Not in the middle of an encoded byte.
        while out.bytes().rev().take(2).any(|c| c == b'%') {
            out.pop();
        }
        let digest = Sha256Hex::of(text.as_bytes()).to_string();
        // No text is written like this either.
        let _ = write!(out, "%_{}", &digest[..DIGITS - 1]);
    }
    out
}

/// Returns whether a name means a device on Windows, whatever its ending.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |begin: &str| {
        stem.strip_prefix(begin).is_some_and(|n| n.len() == 1 && n.bytes().all(|c| c.is_ascii_digit()))
    };
    matches!(&*stem, "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    const ID: &str = "5382f7ea-7557-4ab7-9782-d50480024a4e";

    fn name(address: &str, machine: &str) -> PackageName {
        let start = "2026-03-01T08:00:00.1234567Z".parse().unwrap();
        PackageName::new(&address.parse().unwrap(), machine, Some(&start), ID).unwrap()
    }

    #[test]
    fn the_usual_ones_are_readable() {
        let name = name("InvestigationPackage/fin-ws-042", "fin-ws-042.contoso.com");
        let stem = "InvestigationPackage/fin-ws-042/fin-ws-042.contoso.com-20260301T080000Z-5382f7ea-7557-4ab7-9782-d50480024a4e";
        assert_eq!(name.file(), format!("{stem}.zip"));
        assert_eq!(name.record(), format!("{stem}.json"));
        assert_eq!(PackageName::parse(&name.file()), Some(name));
    }

    #[test]
    fn a_machine_of_a_group_has_a_folder_of_its_own() {
        let machine = "fb9ab6be3965095a09c057be7c90f0a2";
        let name = name(&format!("InvestigationPackage/sweep[{machine}]"), "a");
        assert_eq!(name.folders()[1], format!("sweep%5B{machine}%5D"));
    }

    #[test]
    fn an_id_that_is_no_guid_names_no_file() {
        let address = "InvestigationPackage/a".parse().unwrap();
        for id in ["", "..", "../../etc/passwd", "5382f7ea75574ab79782d50480024a4e", &format!("{{{ID}}}")] {
            assert_eq!(PackageName::new(&address, "m", None, id), Err(NoGuid), "{id}");
        }
        for file in
            ["a/b/../c.zip", "../a/b.zip", "a/b.zip", "/a/b/c.zip", "a/b/.c.zip", "a/b/c d.zip", "a//c.zip"]
        {
            assert_eq!(PackageName::parse(file), None, "{file}");
        }
    }

    #[test]
    fn devices_of_windows_are_no_folders() {
        for text in ["con", "NUL", "com1", "aux.x"] {
            assert!(part(text, 120).starts_with('%'), "{text}");
        }
        assert_eq!(part("console", 120), "console");
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_folder(machine in "\\PC*|[./\\\\%\\x00-\\x1f]{0,40}") {
            let name = name("InvestigationPackage/a", &machine);
            for file in [name.file(), name.record(), name.unfinished(), name.note(), name.aside(Sha256Hex::ZERO)] {
                let parts: Vec<Component<'_>> = Path::new(&file).components().collect();
                prop_assert_eq!(parts.len(), 3);
                for part in parts {
                    let Component::Normal(part) = part else { panic!("{file}") };
                    let part = part.to_str().unwrap();
                    prop_assert!(part.len() <= LONGEST_PART && is_part(part), "{}", part);
                }
            }
        }

        #[test]
        fn two_texts_have_two_parts(a in "\\PC{0,60}", b in "\\PC{0,60}") {
            prop_assert_eq!(part(&a, 60) == part(&b, 60), a == b);
        }
    }
}
