//! What can be wrong with the configuration, or with the Kafka node that it points at.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The configuration, or the Kafka node that it points at, is not usable. Each message names the file and the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("read {}: {reason}; check the path and that the agent runs as Kafka's user", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
    /// `agent.toml` is not what it should be.
    #[error("parse {}, line {line}: {reason}; correct it there, README.md shows a whole agent.toml", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A setting of `agent.toml` that cannot be used.
    #[error("use {setting} of {}: {reason}", path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// The setting.
        setting: &'static str,
        /// What is wrong with it, and what to write instead.
        reason: String,
    },
    /// Kafka's own configuration lacks something, or says something that the agent can't use.
    #[error("use {setting} of {}: {reason}", path.display())]
    ServerProperties {
        /// The file.
        path: PathBuf,
        /// The setting.
        setting: &'static str,
        /// What is wrong with it, and the remedy.
        reason: String,
    },
    /// A log dir cannot be listed.
    #[error("open log dir {}: {reason}; check log.dirs, and that the agent runs as Kafka's user", path.display())]
    LogDir {
        /// The directory.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
    /// A log dir was never formatted.
    #[error(
        "read {}: there is none; the directory was never formatted (kafka-storage.sh format), or it is not a log dir",
        path.display()
    )]
    NotFormatted {
        /// The missing `meta.properties`.
        path: PathBuf,
    },
    /// A `meta.properties` that cannot be used.
    #[error("parse {}: {reason}", path.display())]
    MetaProperties {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A log dir belongs to another node or cluster than the rest of the configuration.
    #[error("use {}: its {what} is {found}, but {expected_from} says {expected}; point the agent at the log dirs of one node", path.display())]
    Foreign {
        /// The `meta.properties`.
        path: PathBuf,
        /// `node.id`, `cluster.id` or `directory.id`.
        what: &'static str,
        /// What it says.
        found: String,
        /// What was expected.
        expected: String,
        /// What set the expectation.
        expected_from: String,
    },
    /// Two log dirs carry one directory id: one is a copy of the other.
    #[error("use {} and {}: both have directory.id {id}; one is a copy of the other, remove it from log.dirs", first.display(), second.display())]
    DuplicateDirectory {
        /// One `meta.properties`.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// The id.
        id: String,
    },
}

impl ConfigError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config-read",
            Self::Parse { .. } => "config-parse",
            Self::Setting { .. } => "config-setting",
            Self::ServerProperties { .. } => "server-properties",
            Self::LogDir { .. } => "log-dir-unreadable",
            Self::NotFormatted { .. } => "log-dir-not-formatted",
            Self::MetaProperties { .. } => "meta-properties",
            Self::Foreign { .. } => "log-dir-foreign",
            Self::DuplicateDirectory { .. } => "log-dir-duplicate",
        }
    }
}
