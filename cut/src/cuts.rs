//! What the solver answers.

use std::collections::BTreeMap;
use std::fmt;

use maxbrod_kafka::Offset;

use crate::capture::{Cut, PartitionKey};

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
    /// What was cut back, in the order in which it was decided.
    pub cut_back: Vec<CutBack>,
    /// What could not be vouched for.
    pub notes: Vec<Note>,
}

/// A rule of the consistent cut (K§6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A record or marker whose registration or decision is not in the cut.
    R1,
    /// A commit decision some of whose records are not in the cut.
    R2,
    /// A completed transaction some of whose markers are not in the cut.
    R3,
    /// A group's offset past the end of its data.
    R4,
}

impl Rule {
    /// The name used in manifests and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::R1 => "R1",
            Self::R2 => "R2",
            Self::R3 => "R3",
            Self::R4 => "R4",
        }
    }
}

/// A partition that was cut below what its replicas hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutBack {
    /// The partition.
    pub partition: PartitionKey,
    /// The rule that asked for it.
    pub rule: Rule,
    /// Where it would have ended.
    pub from: Offset,
    /// Where it ends.
    pub to: Offset,
    /// Whose record was in the way, as a sentence: the transactional id or producer, or the group and partition.
    pub cause: String,
}
