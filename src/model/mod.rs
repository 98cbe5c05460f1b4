//! Nouns: the values that every other module speaks in.
//!
//! Responsible for what a thing *is* (an address, a machine id, a service timestamp, a request), how
//! it is written down and when two of them are equal. Not responsible for reading files, asking the
//! service or deciding anything: no I/O, no clock, nothing of ours is used here.

mod address;
mod advice;
mod call;
mod dependency;
mod desired;
mod digest;
mod echo;
mod entity;
mod guard;
mod hindrance;
mod hunting;
mod likeness;
pub mod location;
mod marker;
mod quota;
mod reference;
mod refused;
mod request;
mod service;
mod sparse;
mod target;
mod text;
mod time;
mod triage;
mod word;

pub use address::{Address, AddressError, Kind, is_name};
pub use advice::Advice;
pub use call::{Call, CreateAlert, MachineId, MachineIdError, ReportId, refuses_external_id};
pub use dependency::{Dependency, Until};
pub use desired::{Desired, Expansion, OnInProgress, OnRemove, Policy, Source, Surgery};
pub use digest::{DigestedCall, PlanDigest, RequestDigest, Sha256, Sha256Hex, plain_text};
pub use echo::{as_meant, same_text, text_digest};
pub use entity::{
    ActionStatus, Alert, AlertComment, AlertEvidence, AlertInFull, IdKey, Machine, MachineAction,
};
pub use guard::{Approval, CommentRule, CommentRuleError, MachinePattern, MachinePatternError, NameGlob};
pub use hindrance::Hindrance;
pub use hunting::{
    Cell, EVENT_COLUMNS, HuntedEvent, HuntingColumn, HuntingQuery, HuntingTable, NoEvent, Timespan,
    TimespanError,
};
pub use likeness::{Likeness, is_of_machine};
pub use marker::Marker;
pub use quota::{RateLimit, quota_calls};
pub use reference::{NoId, REFERENCE_FIELDS, can_be_named, filled, gives, is_reference, reference, replaced};
pub use refused::{ERROR_CODES, ErrorCode, Meaning, RefusalCause, meaning, required_permissions};
pub(crate) use request::segment;
pub use request::{Body, Method, Mutation, Request};
pub use service::{AuthMethod, Cloud, HuntingApi, Region};
pub use sparse::{Empty, Sparse};
pub(crate) use target::is_ip_address;
pub use target::{
    Entry, EntryMachine, MachineFile, MachineName, MachineNameError, Place, Target, Template, first_label,
};
pub use text::TEXT_PATTERN;
pub(crate) use text::{known_or_owned, one_of};
pub use time::{SPAN_PATTERN, Span, SpanError, TIME_PATTERN, Timestamp, TimestampError};
pub use triage::{Triage, TriageField, TriageMode, has_comment};
pub use word::{
    AlertStatus, AlertStatuses, Categories, Category, Classification, Classifications, Determination,
    Determinations, Severities, Severity, Vocabulary, WORD_PATTERN, Word, is_unset, same_word,
};
