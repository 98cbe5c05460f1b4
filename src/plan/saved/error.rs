//! Why a file is no plan that can be carried out.

use crate::model::{Address, PlanDigest};

/// The format that is written, and the latest one that is read.
pub const FORMAT_VERSION: u64 = 1;

/// A file that holds no plan that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// Cut short, edited beyond reading, or something else entirely.
    #[error("the file is no saved plan: {why}")]
    Unreadable {
        /// The parser's words.
        why: String,
    },
    /// The output of `plan --format json`: it lacks what execution needs.
    #[error("the file is a plan to read; only `casefile plan --out FILE` writes one to apply")]
    NotToApply,
    /// A file of a later format.
    #[error(
        "the plan was saved by a newer casefile: format {version}, this one reads up to {FORMAT_VERSION}"
    )]
    Newer {
        /// Its format.
        version: u64,
    },
    /// The calls are not those that the digest names.
    #[error("the file is damaged: its calls have the digest {actual}, the plan says {stated}")]
    OtherCalls {
        /// As written in the file.
        stated: PlanDigest,
        /// The digest of the calls in it.
        actual: PlanDigest,
    },
    /// It does not say which service it was made for.
    #[error("the file is damaged: it does not say which service it was made for")]
    NoService,
    /// A row contradicts itself.
    #[error("the file is damaged: {address}: {why}")]
    BadRow {
        /// The row.
        address: Address,
        /// The fault in it.
        why: &'static str,
    },
}
