//! How a command ends: the exit code, and an error that says what to do.

use std::process::ExitCode;

/// What a failed command tells its caller. The numbers are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1: it did not work.
    Failed,
    /// 2: it was asked for wrongly.
    Usage,
    /// 3: something is missing, and it is said what.
    Incomplete,
    /// 4: bytes are not what they should be.
    Integrity,
}

impl Kind {
    pub fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Integrity => 4,
        })
    }
}

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    /// Stable, kebab-case.
    pub code: String,
    pub message: String,
    /// What to do about it, as a sentence; empty only where nobody knows.
    pub remedy: String,
}

impl Failure {
    pub fn new(kind: Kind, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            message: message.into(),
            remedy: String::new(),
        }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, "usage", message)
    }

    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

pub type Result<T> = std::result::Result<T, Failure>;
