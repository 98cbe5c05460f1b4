//! Advice to a person about something that went wrong.

use std::borrow::Cow;
use std::fmt;

/// The advice about something that went wrong: words for what comes first, and the command that is next. Either may be
/// missing.
///
/// A command works as it stands, and is the safe one. What sends more, forgets or takes over is named in the words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// The first step, or one that no command does.
    pub words: Option<Cow<'static, str>>,
    /// The command to type then.
    pub command: Option<Cow<'static, str>>,
}

impl Advice {
    /// Returns the advice that nothing can be done.
    pub fn none() -> Self {
        Advice::default()
    }

    /// Returns advice in words alone.
    pub fn say(words: impl Into<Cow<'static, str>>) -> Self {
        Advice { words: Some(words.into()), command: None }
    }

    /// Returns the advice to run a command.
    pub fn run(command: impl Into<Cow<'static, str>>) -> Self {
        Advice { words: None, command: Some(command.into()) }
    }

    /// Returns the advice to do what the words say, and to run a command then.
    pub fn then(words: impl Into<Cow<'static, str>>, command: impl Into<Cow<'static, str>>) -> Self {
        Advice { words: Some(words.into()), command: Some(command.into()) }
    }

    /// Returns whether there is nothing to do.
    pub fn is_none(&self) -> bool {
        *self == Advice::default()
    }

    /// Returns the same with other texts.
    #[must_use]
    pub fn map(&self, of: impl Fn(&str) -> String) -> Self {
        let other = |text: &Option<Cow<'static, str>>| text.as_deref().map(|text| Cow::Owned(of(text)));
        Advice { words: other(&self.words), command: other(&self.command) }
    }
}

impl fmt::Display for Advice {
    /// Writes all of it in one line, for where there is no room for two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.words, &self.command) {
            (Some(words), Some(command)) => write!(f, "{words}; then {command}"),
            (Some(one), None) | (None, Some(one)) => f.write_str(one),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_in_one_line_names_the_command_last() {
        assert_eq!(Advice::then("wait", "casefile plan").to_string(), "wait; then casefile plan");
        assert_eq!(Advice::say("wait").to_string(), "wait");
        assert_eq!(Advice::run("casefile plan").to_string(), "casefile plan");
        assert!(Advice::none().is_none() && Advice::none().to_string().is_empty());
    }
}
