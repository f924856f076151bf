//! How a snapshot goes and how it ended, as operators are told.

use std::time::Duration;

use maxbrod_cut::{CutBack, Level};

use crate::harvest::HookResult;

/// How far a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// The run.
    pub run: u64,
    /// The attempt within the run.
    pub attempt: u32,
    /// Partitions that the stage is done with.
    pub partitions_done: u64,
    /// Partitions that it is about.
    pub partitions_total: u64,
    /// Bytes that it is done with.
    pub bytes_done: u64,
    /// Bytes that it is about.
    pub bytes_total: u64,
}

/// The stages of a snapshot, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named as operators see them")]
pub enum Stage {
    WaitingForAgents,
    Seeding,
    Hooks,
    PhaseA,
    PhaseM,
    PhaseQ,
    PhaseG,
    PhaseP,
    PhaseC,
    PhaseZ,
    Metadata,
    Shipping,
    Committing,
    Done,
    Failed,
}

impl Stage {
    /// The name in the operators' contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::WaitingForAgents => "waiting-for-agents",
            Self::Seeding => "seeding",
            Self::Hooks => "hooks",
            Self::PhaseA => "phase-a",
            Self::PhaseM => "phase-m",
            Self::PhaseQ => "phase-q",
            Self::PhaseG => "phase-g",
            Self::PhaseP => "phase-p",
            Self::PhaseC => "phase-c",
            Self::PhaseZ => "phase-z",
            Self::Metadata => "metadata",
            Self::Shipping => "shipping",
            Self::Committing => "committing",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Something that a snapshot does not hold, or could not vouch for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What: "partition orders-3", "node 2".
    pub what: String,
    /// Why.
    pub why: String,
    /// What helps.
    pub remedy: String,
}

/// Why there is no snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Stable, kebab-case.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What helps.
    pub remedy: String,
}

impl Failure {
    /// Makes a failure.
    pub fn new(code: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

/// How a snapshot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The run that it was of.
    pub run: u64,
    /// Its last attempt within the run.
    pub attempt: u32,
    /// What the operator called it.
    pub label: String,
    /// From the request to the end.
    pub duration: Duration,
    /// From the first question of phase M to the last metadata; zero when it did not get that far.
    pub freeze: Duration,
    /// What is missing.
    pub gaps: Vec<Gap>,
    /// Partitions that were cut below what their replicas hold, by name.
    pub cut_back: Vec<(String, CutBack)>,
    /// What could not be vouched for.
    pub notes: Vec<String>,
    /// What the applications' commands said.
    pub hooks: Vec<HookResult>,
    /// The snapshot, or why there is none.
    pub result: Result<CommitResult, Failure>,
}

/// A committed snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitResult {
    /// The snapshot's id.
    pub id: String,
    /// The level reached.
    pub consistency: Level,
    /// Sealed bytes stored for it.
    pub new_bytes: u64,
    /// Bytes read from the brokers' disks for it.
    pub read_bytes: u64,
    /// Bytes of log that it holds, one replica each.
    pub logical_bytes: u64,
    /// Partitions in it.
    pub partitions: u64,
}
