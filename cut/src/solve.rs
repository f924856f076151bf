//! From captured phases to cuts.

use std::collections::BTreeMap;
use std::fmt;

use crate::capture::{Capture, Cut, PartitionKey};

#[cfg(test)]
mod tests;

/// How consistent the partitions of a snapshot are with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Each partition is a prefix of what all its in-sync replicas held; transactions and group offsets may be torn between
    /// partitions.
    CrashConsistent,
    /// Transactional, but for the transactional ids that the report names.
    BestEffort,
    /// Every transaction is in it entirely or not at all, no group offset points past its data.
    Transactional,
}

impl Level {
    /// The name used in manifests, JSON and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrashConsistent => "crash-consistent",
            Self::BestEffort => "best-effort",
            Self::Transactional => "transactional",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that an operator should know about a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The partition concerned, or `None` for the snapshot as a whole.
    pub partition: Option<PartitionKey>,
    /// What was found, as a sentence.
    pub text: String,
}

/// Where to cut, and how consistent that is.
#[derive(Clone, Debug)]
pub struct Cuts {
    /// The level reached.
    pub level: Level,
    /// A cut for every partition captured.
    pub cuts: BTreeMap<PartitionKey, Cut>,
    /// What was cut back or could not be vouched for.
    pub notes: Vec<Note>,
}

/// Chooses the cut of every captured partition.
///
/// Each is cut at its replicated prefix. The rules R1–R4 (K§6.5), which make the cuts agree about transactions and group
/// offsets, are not applied yet, so the level is always [`Level::CrashConsistent`].
pub fn solve(capture: &Capture) -> Cuts {
    let cuts = capture
        .partitions
        .iter()
        .map(|partition| (partition.key, partition.end))
        .collect();
    Cuts {
        level: Level::CrashConsistent,
        cuts,
        notes: Vec::new(),
    }
}
