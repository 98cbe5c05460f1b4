//! Looks whether packages are where they are held. Nothing is hashed here.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Held;
use super::name::PackageName;
use super::store::{EvidenceStore, HeldError};
use crate::state::HeldPackage;

/// Returns the presence of those packages that are held in a place, by their names: by their lengths in a folder, and in
/// object storage by one list of all names.
///
/// # Errors
/// The names in object storage cannot be listed.
pub async fn presence<'a>(
    store: &dyn EvidenceStore,
    packages: impl Iterator<Item = &'a HeldPackage>,
) -> Result<BTreeMap<String, Held>, HeldError> {
    let here = packages.filter(|p| p.store == store.name());
    let here: Vec<(&HeldPackage, PackageName)> =
        here.filter_map(|p| Some((p, PackageName::parse(&p.file)?))).collect();
    let mut out = BTreeMap::new();
    if here.is_empty() {
        return Ok(out);
    }
    if !store.name().starts_with("file:") {
        let names: BTreeSet<String> = store.list().await?.into_iter().collect();
        for (package, name) in here {
            let held = if names.contains(&name.file()) { Held::There } else { Held::Missing };
            out.insert(package.file.clone(), held);
        }
        return Ok(out);
    }
    for (package, name) in here {
        let held = match store.open(&name).await {
            Ok(Some(found)) if found.size == package.size => Held::There,
            Ok(Some(_)) => Held::OtherLength,
            Ok(None) | Err(_) => Held::Missing,
        };
        out.insert(package.file.clone(), held);
    }
    Ok(out)
}
