//! From text to what is declared.

mod diagnostic;

pub use diagnostic::{Diagnostic, Level, Related};
