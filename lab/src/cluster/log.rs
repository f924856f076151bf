//! Warnings and errors in a node's log.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{LabError, Result};

/// A WARN or ERROR line that is not one of Kafka's own start-up races.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProblem {
    /// `WARN`, `ERROR` or `FATAL`.
    pub level: String,
    /// The class that logged it.
    pub logger: String,
    /// The message, first line.
    pub message: String,
}

impl fmt::Display for LogProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.level, self.logger, self.message)
    }
}

/// What a healthy Kafka 4.3.1 logs by itself, by parts of logger and message.
pub(super) const ALLOWED: &[(&str, &str)] = &[];

/// Reads the lines from byte `mark` on.
pub(super) fn lines_since(path: &Path, mark: u64) -> Result<String> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(|error| LabError::io("opening", path, error))?;
    file.seek(SeekFrom::Start(mark))
        .and_then(|_| file.read_to_end(&mut bytes))
        .map_err(|error| LabError::io("reading", path, error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The problems in `text`, each line `[time] LEVEL logger - message` (lab/java/log4j2.xml).
pub(super) fn problems(text: &str) -> Vec<LogProblem> {
    text.lines()
        .filter_map(parse)
        .filter(|problem| !is_allowed(problem))
        .collect()
}

fn parse(line: &str) -> Option<LogProblem> {
    let (_, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let (level, rest) = rest.split_once(' ')?;
    if !matches!(level, "WARN" | "ERROR" | "FATAL") {
        return None;
    }
    let (logger, message) = rest.split_once(" - ")?;
    Some(LogProblem {
        level: level.to_owned(),
        logger: logger.trim().to_owned(),
        message: message.to_owned(),
    })
}

fn is_allowed(problem: &LogProblem) -> bool {
    ALLOWED
        .iter()
        .any(|(logger, message)| problem.logger.contains(logger) && problem.message.contains(message))
}
