//! Errors of the lab.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why something in the lab could not be done.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A program that the lab needs is not installed.
    #[error("running {program}: not found; {remedy}")]
    ProgramMissing {
        /// The program's name.
        program: String,
        /// What to install or set.
        remedy: String,
    },
    /// Java is too old for Kafka 4.
    #[error(
        "using {java}: it is Java {found}, Kafka 4 needs 17 or newer; install openjdk-17-jdk-headless or set JAVA_HOME"
    )]
    JavaTooOld {
        /// The executable.
        java: PathBuf,
        /// Its major version.
        found: u32,
    },
    /// A directory given as a Kafka installation holds no Kafka.
    #[error("reading Kafka installation {path}: no kafka_2.13-*.jar in it or in its libs directory")]
    NoDistribution {
        /// The directory.
        path: PathBuf,
    },
    /// A child process failed.
    #[error("{action}: {program} ended with {status}\n{output}")]
    ProcessFailed {
        /// What it was to do.
        action: String,
        /// The program's name.
        program: String,
        /// Its exit status.
        status: String,
        /// The end of what it printed on standard error.
        output: String,
    },
    /// Something did not happen in time.
    #[error("waiting for {what}: not there after {waited:?}\n{detail}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// For how long.
        waited: Duration,
        /// What was seen last.
        detail: String,
    },
    /// A node is not in the state that an operation needs.
    #[error("node {node}: {reason}")]
    NodeState {
        /// The node.
        node: i32,
        /// Which state it is in, and which it should be in.
        reason: String,
    },
    /// A cluster specification that no cluster can have.
    #[error("laying out the cluster: {reason}")]
    Specification {
        /// What is wrong with it.
        reason: String,
    },
    /// A file or answer has another shape than expected.
    #[error("reading {what}: {reason}")]
    Malformed {
        /// The file or answer.
        what: String,
        /// What is wrong, with the line number where there is one.
        reason: String,
    },
    /// The file system refused.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was being done, as a verb ("writing").
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl LabError {
    /// The stable code of this kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ProgramMissing { .. } => "program-missing",
            Self::JavaTooOld { .. } => "java-too-old",
            Self::NoDistribution { .. } => "no-distribution",
            Self::ProcessFailed { .. } => "process-failed",
            Self::TimedOut { .. } => "timed-out",
            Self::NodeState { .. } => "node-state",
            Self::Specification { .. } => "cluster-specification",
            Self::Malformed { .. } => "malformed",
            Self::Io { .. } => "io",
        }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }

    pub(crate) fn malformed(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed {
            what: what.into(),
            reason: reason.into(),
        }
    }
}

pub(crate) type Result<T, E = LabError> = std::result::Result<T, E>;
