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
    /// The line after it if that belongs to it: mostly the exception.
    pub cause: Option<String>,
}

impl fmt::Display for LogProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.level, self.logger, self.message)?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, " ({cause})"))
    }
}

/// What healthy nodes of 4.3.1 log by themselves while others start and stop: part of the logger's name, part of the
/// message, part of the cause.
const ALLOWED: &[(&str, &str, &str)] = &[
    // Peers that are not up yet, or no longer.
    ("NetworkClient", "could not be established", ""),
    ("NetworkClient", "disconnected", ""),
    ("ReplicaFetcherThread", "Error in response for fetch request", ""),
    // Requests to a controller that has just learnt of another's election; they are repeated.
    (
        "ControllerApis",
        "Unexpected error handling request",
        "NotControllerException",
    ),
    // Elections are logged as warnings.
    ("QuorumController", "Performing controller activation", ""),
    ("QuorumController", "Renouncing the leadership", ""),
    // A broker that starts has told the controller where its replicas are, and closes that channel.
    (
        "NetworkClient",
        "Attempting to close NetworkClient that has already been closed",
        "",
    ),
    // New topics, known on one broker earlier than on another.
    ("ReplicaFetcherThread", "UNKNOWN_TOPIC_ID", ""),
    ("ReplicaFetcherThread", "UNKNOWN_TOPIC_OR_PARTITION", ""),
    ("AutoTopicCreationManager", "TOPIC_ALREADY_EXISTS", ""),
    // A busy machine.
    ("EventPerformanceMonitor", "Exceptionally slow controller event", ""),
    ("BrokerLifecycleManager", "Unable to send broker heartbeat", ""),
    ("BrokerLifecycleManager", "Unable to register broker", ""),
    ("AssignmentsManager", "Retrying", ""),
    // The last voter to stop finds nobody to hand over to.
    ("KafkaRaftClient", "Graceful shutdown timed out", ""),
    (
        "KafkaRaftClientDriver",
        "Graceful shutdown of RaftClient failed",
        "TimeoutException",
    ),
    // The first broker of a cluster that starts is alone in its ISRs for a moment; coordinators that owe markers to
    // transactions that were open try again until the others have joined.
    (
        "ReplicaManager",
        "Error processing append operation",
        "NotEnoughReplicasException",
    ),
    // Leaders move to the preferred replica while a group coordinator still loads what it just got.
    (
        "CoordinatorRuntime",
        "Failed to load metadata from __consumer_offsets",
        "Stopped loading records",
    ),
    // A leader knows a newer epoch of its own than a follower that fetches from it; the follower goes on when it hears of it.
    ("ReplicaFetcherThread", "marked as failed", ""),
    // A restored controller has a checkpoint and no quorum-state: it has voted for nobody yet, and says so once.
    ("QuorumState", "Epoch from quorum store file", ""),
];

/// Reads the lines from byte `mark` on.
pub(super) fn lines_since(path: &Path, mark: u64) -> Result<String> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(|error| LabError::io("opening", path, error))?;
    file.seek(SeekFrom::Start(mark))
        .and_then(|_| file.read_to_end(&mut bytes))
        .map_err(|error| LabError::io("reading", path, error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The problems in `text`, each line `[time] LEVEL logger - message` (lab/java/log4j2-node.xml).
pub(super) fn problems(text: &str) -> Vec<LogProblem> {
    let mut lines = text.lines().peekable();
    let mut problems = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(mut problem) = parse(line) {
            problem.cause = lines
                .peek()
                .filter(|next| !next.starts_with('['))
                .map(|&next| next.to_owned());
            if !is_allowed(&problem) {
                problems.push(problem);
            }
        }
    }
    problems
}

fn parse(line: &str) -> Option<LogProblem> {
    let (_, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let (level, rest) = rest.split_once(' ')?;
    if !matches!(level, "WARN" | "ERROR" | "FATAL") {
        return None;
    }
    let (logger, message) = rest.split_once(" - ")?;
    Some(LogProblem {
        level: level.into(),
        logger: logger.into(),
        message: message.into(),
        cause: None,
    })
}

fn is_allowed(problem: &LogProblem) -> bool {
    ALLOWED.iter().any(|(logger, message, cause)| {
        problem.logger.contains(logger)
            && problem.message.contains(message)
            && problem.cause.as_deref().unwrap_or_default().contains(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::problems;

    const LOG: &str = "[2026-01-01T00:00:00,000] INFO kafka.log.LogManager - Loading logs\n\
        [2026-01-01T00:00:00,001] ERROR kafka.server.ControllerApis - Unexpected error handling request X\n\
        java.util.concurrent.CompletionException: NotControllerException: it is node 2\n\
        [2026-01-01T00:00:00,002] ERROR kafka.server.ControllerApis - Unexpected error handling request Y\n\
        java.lang.NullPointerException\n\tat Somewhere\n\
        [2026-01-01T00:00:00,003] WARN org.apache.kafka.storage.internals.log.LogLoader - Corrupt index found\n\
        [2026-01-01T00:00:00,004] INFO kafka.log.LogManager - ERROR is only a word here\n";

    #[test]
    fn start_up_races_are_left_out_and_real_problems_keep_their_cause() {
        let found: Vec<_> = problems(LOG).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "ERROR kafka.server.ControllerApis: Unexpected error handling request Y (java.lang.NullPointerException)",
                "WARN org.apache.kafka.storage.internals.log.LogLoader: Corrupt index found",
            ]
        );
    }
}
