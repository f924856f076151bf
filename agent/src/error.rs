//! Why the agent cannot go on.

use std::io;

use thiserror::Error;

use crate::config::ConfigError;
use crate::state::StateError;

/// Why the agent cannot start, or cannot go on. What can be waited out (no coordinator, no space) is not among it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The configuration, or the Kafka node that it points at.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The agent's own database.
    #[error(transparent)]
    State(#[from] StateError),
    /// The spool, or what else of the agent's own cannot be used.
    #[error("prepare {what}: {reason}")]
    Prepare {
        /// What.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// The pins of a log dir.
    #[error("drop the pins of {log_dir}: {reason}")]
    Pins {
        /// The log dir.
        log_dir: String,
        /// Why not.
        reason: io::Error,
    },
    /// The coordinator does not want this agent.
    #[error("open a session with {coordinator}: refused: {reason}{remedy}")]
    Refused {
        /// Its URL.
        coordinator: String,
        /// What it says.
        reason: String,
        /// What to do, if that is known.
        remedy: &'static str,
    },
    /// The coordinator says something that cannot be.
    #[error("open a session with {coordinator}: {reason}; use the same version of maxbrod on both sides")]
    Contract {
        /// Its URL.
        coordinator: String,
        /// What is wrong.
        reason: String,
    },
}

impl AgentError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::State(error) => error.code(),
            Self::Prepare { .. } => "prepare",
            Self::Pins { .. } => "pins",
            Self::Refused { .. } => "session-refused",
            Self::Contract { .. } => "session-contract",
        }
    }
}
