//! Why a partition could not be shipped.

use std::io;

use thiserror::Error;

use crate::log_dir::ReplicaError;
use crate::pack::PackError;
use crate::state::StateError;

/// A partition could not be shipped.
#[derive(Debug, Error)]
pub(crate) enum ShipError {
    /// A file is gone: compacted, deleted by retention, or the replica moved. Looking again may find it.
    #[error("read {segment} of {partition}: it is gone")]
    Vanished { partition: String, segment: String },
    /// What was read is not what it must be; a new capture may do better.
    #[error("read {segment} of {partition}: {reason}; if it stays so, let Kafka replace this replica from another one")]
    Different {
        partition: String,
        segment: String,
        reason: String,
    },
    /// Bytes that Kafka would not take either.
    #[error("read {segment} of {partition}: {reason}; let Kafka replace this replica from another one")]
    Damaged {
        partition: String,
        segment: String,
        reason: String,
    },
    /// The operating system refuses.
    #[error("read {segment} of {partition}: {reason}")]
    Unreadable {
        partition: String,
        segment: String,
        reason: io::Error,
    },
    /// The replica is not here, or not whole.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// Its pins were dropped.
    #[error(
        "ship {partition}: its pins were dropped because {log_dir} is nearly full; make room there and take the snapshot again"
    )]
    DiskSpace { partition: String, log_dir: String },
    /// Packing failed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The database failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The repository's code refused.
    #[error(transparent)]
    Repository(#[from] maxbrod_repository::Error),
    /// The coordinator could not be asked what the base holds.
    #[error("ask which chunks the base holds of {partition}: {reason}")]
    BaseChunks { partition: String, reason: String },
    /// There is no session, or the work was called off.
    #[error("ship {partition}: the work was called off")]
    CalledOff { partition: String },
    /// An order for a partition that was never assigned.
    #[error("ship {partition}: this agent was not told of it")]
    NotAssigned { partition: String },
}

impl ShipError {
    /// Stable, kebab-case.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Vanished { .. } => "segment-vanished",
            Self::Different { .. } => "log-differs",
            Self::Damaged { .. } => "log-damaged",
            Self::Unreadable { .. } => "log-unreadable",
            Self::Replica(ReplicaError::Missing { .. }) => "no-replica",
            Self::Replica(ReplicaError::Unreadable { .. }) => "log-unreadable",
            Self::Replica(ReplicaError::Corrupt { .. }) => "log-damaged",
            Self::DiskSpace { .. } => "disk-space",
            Self::Pack(PackError::Spool { .. }) => "spool",
            Self::Pack(PackError::Lost { .. }) => "pack-lost",
            Self::Pack(PackError::Stopping) | Self::CalledOff { .. } => "called-off",
            Self::Pack(PackError::State(_)) | Self::State(_) => "state",
            Self::Pack(PackError::Repository(_)) => "sealing",
            Self::Repository(error) => error.code(),
            Self::BaseChunks { .. } => "base-chunks",
            Self::NotAssigned { .. } => "not-assigned",
        }
    }

    /// Whether another replica may do better.
    pub(crate) fn try_elsewhere(&self) -> bool {
        match self {
            Self::Vanished { .. }
            | Self::Different { .. }
            | Self::Damaged { .. }
            | Self::Unreadable { .. }
            | Self::Replica(_)
            | Self::DiskSpace { .. }
            | Self::NotAssigned { .. } => true,
            Self::Pack(_) | Self::State(_) | Self::Repository(_) | Self::BaseChunks { .. } | Self::CalledOff { .. } => {
                false
            }
        }
    }

    /// Whether capturing the partition again may help.
    pub(crate) fn try_again(&self) -> bool {
        matches!(
            self,
            Self::Vanished { .. } | Self::Different { .. } | Self::Damaged { .. } | Self::Pack(PackError::Lost { .. })
        )
    }

    /// Whether nobody waits for an answer any more.
    pub(crate) fn is_called_off(&self) -> bool {
        matches!(self, Self::CalledOff { .. } | Self::Pack(PackError::Stopping))
    }
}
