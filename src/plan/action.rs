//! What the rows of a plan do.

use crate::state::CallAction;

/// What a plan row does. The words are those of `docs/cli.md`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Asks for something new.
    Create,
    /// Asks again after a failure of ours.
    Retry,
    /// Asks again for a new revision or target, or because a person named it.
    Replace,
    /// Changes an alert's triage.
    Update,
    /// Cancels a collection whose manifest is gone.
    Cancel,
    /// Resolves an alert whose manifest is gone.
    Resolve,
    /// Records an object that is there.
    Adopt,
    /// Follows a renamed manifest.
    Move,
    /// Keeps id and body of a resource whose manifest is gone.
    Forget,
    /// Nothing yet: something is running or not known.
    Wait,
    /// Nothing: the text was edited after it was sent.
    Differs,
    /// Nothing: no attempts left.
    Exhausted,
    /// Nothing: a person has to decide.
    Unresolved,
    /// Nothing to do.
    #[serde(rename = "none")]
    NoOp,
}

impl Action {
    /// In the order of a summary.
    pub const ALL: [Action; 14] = [
        Action::Create,
        Action::Retry,
        Action::Replace,
        Action::Update,
        Action::Cancel,
        Action::Resolve,
        Action::Adopt,
        Action::Move,
        Action::Forget,
        Action::Wait,
        Action::Differs,
        Action::Exhausted,
        Action::Unresolved,
        Action::NoOp,
    ];

    /// The word in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Retry => "retry",
            Action::Replace => "replace",
            Action::Update => "update",
            Action::Cancel => "cancel",
            Action::Resolve => "resolve",
            Action::Adopt => "adopt",
            Action::Move => "move",
            Action::Forget => "forget",
            Action::Wait => "wait",
            Action::Differs => "differs",
            Action::Exhausted => "exhausted",
            Action::Unresolved => "unresolved",
            Action::NoOp => "none",
        }
    }

    /// Why its call is made; `None` for rows without a call.
    pub fn call(self) -> Option<CallAction> {
        match self {
            Action::Create => Some(CallAction::Create),
            Action::Retry => Some(CallAction::Retry),
            Action::Replace => Some(CallAction::Replace),
            Action::Update => Some(CallAction::Update),
            Action::Cancel => Some(CallAction::Cancel),
            Action::Resolve => Some(CallAction::Resolve),
            _ => None,
        }
    }

    /// Returns whether its call creates an object.
    pub fn creates(self) -> bool {
        self.call().is_some_and(CallAction::creates)
    }

    /// Returns whether `plan --detailed-exitcode` counts it as a change.
    pub fn is_change(self) -> bool {
        self.call().is_some() || matches!(self, Action::Adopt | Action::Move | Action::Forget)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
