//! What can go wrong with a restore, and who has to act.

use std::io;
use std::path::{Path, PathBuf};

use maxbrod_repository::Hash;
use thiserror::Error;

/// A result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who has to act on an error; decides the exit code of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It did not work: exit code 1.
    Failed,
    /// It was asked for wrongly: exit code 2.
    Usage,
    /// Something is missing: exit code 3.
    Incomplete,
    /// Bytes are not what they should be: exit code 4.
    Integrity,
}

/// Why a restore cannot be planned or applied.
#[derive(Debug, Error)]
pub enum Error {
    /// The repository has it wrong, or not at all.
    #[error(transparent)]
    Repository(#[from] maxbrod_repository::Error),
    /// The snapshot has no metadata image.
    #[error("planning the restore of {snapshot}: it holds no KRaft metadata")]
    NoMetadata {
        /// The snapshot.
        snapshot: String,
    },
    /// The snapshot's metadata image cannot be read, or cannot be made into a checkpoint.
    #[error("rewriting the KRaft metadata of {snapshot}: {reason}")]
    Metadata {
        /// The snapshot.
        snapshot: String,
        /// What is wrong.
        reason: String,
    },
    /// A node that the snapshot does not know.
    #[error("planning for node {node}: the snapshot holds the nodes {known}")]
    UnknownNode {
        /// The node asked for.
        node: i32,
        /// Those that there are.
        known: String,
    },
    /// A `--map` that fits nothing, or fits twice.
    #[error("mapping directories by {map:?}: {reason}")]
    Map {
        /// As given.
        map: String,
        /// What is wrong.
        reason: String,
    },
    /// Nodes that don't make a quorum: what is restored could not elect a controller.
    #[error(
        "planning for the nodes asked for: of the quorum's voters {voters} only {restored} would be restored, which is no \
         majority"
    )]
    NoQuorum {
        /// The voters.
        voters: String,
        /// Those of them that the plan restores.
        restored: String,
    },
    /// Partitions that the metadata names and the snapshot does not hold.
    #[error(
        "planning the restore of {snapshot}: it does not hold {count} partitions that its metadata names ({partitions})"
    )]
    Gaps {
        /// The snapshot.
        snapshot: String,
        /// How many.
        count: usize,
        /// The first of them.
        partitions: String,
    },
    /// Partitions none of whose replicas would be restored.
    #[error(
        "planning for the nodes asked for: {count} partitions have no replica on them ({partitions}) and would have no \
         leader; the nodes {nodes} hold them"
    )]
    NoReplica {
        /// How many.
        count: usize,
        /// The first of them.
        partitions: String,
        /// Nodes that hold them.
        nodes: String,
    },
    /// Leader epochs, or producer ids, that cannot be raised any more.
    #[error("raising {what} above {highest}: there are no higher ones")]
    Exhausted {
        /// What.
        what: &'static str,
        /// The highest that was used.
        highest: i64,
    },
    /// A text that is no plan, or one of another version.
    #[error("reading the plan: {reason}")]
    Plan {
        /// What is wrong.
        reason: String,
    },
    /// A plan that is for something else.
    #[error("applying the plan {plan}: {reason}")]
    Foreign {
        /// The plan's name.
        plan: Hash,
        /// What it is for, and what is here.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Something is in the way.
    #[error("restoring into {path}: {reason}")]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// What is there.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The file system is too small.
    #[error("restoring into {path}: {needed} bytes are needed and {free} are free")]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// A chunk that cannot be read.
    #[error("restoring {partition}: its offsets {from} to {to} in the pack {pack}: {source}")]
    Chunk {
        /// The partition.
        partition: String,
        /// The chunk's first offset.
        from: i64,
        /// Its last one.
        to: i64,
        /// The pack that it lies in.
        pack: String,
        /// What is wrong.
        source: Box<maxbrod_repository::Error>,
    },
    /// Chunks that don't add up to the partition that the manifest describes.
    #[error("restoring {partition}: {reason}")]
    Partition {
        /// The partition.
        partition: String,
        /// What is wrong, with offsets.
        reason: String,
    },
    /// The file system refused.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A worker broke off.
    #[error("restoring: a worker broke off: {0}")]
    Worker(String),
}

impl Error {
    /// Stable, kebab-case, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Repository(error) => error.code(),
            Self::NoMetadata { .. } => "no-metadata",
            Self::Metadata { .. } => "metadata-unusable",
            Self::UnknownNode { .. } => "unknown-node",
            Self::Map { .. } => "directory-map",
            Self::NoQuorum { .. } => "no-quorum",
            Self::Gaps { .. } => "snapshot-gaps",
            Self::NoReplica { .. } => "no-replica",
            Self::Exhausted { .. } => "epochs-exhausted",
            Self::Plan { .. } => "plan-unusable",
            Self::Foreign { .. } => "plan-foreign",
            Self::Occupied { .. } => "directory-occupied",
            Self::NoSpace { .. } => "no-space",
            Self::Chunk { source, .. } => source.code(),
            Self::Partition { .. } => "partition-damaged",
            Self::Io { .. } => "io",
            Self::Worker(_) => "worker",
        }
    }

    /// Who has to act.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Repository(error) => kind_of(error),
            Self::Chunk { source, .. } => kind_of(source),
            Self::NoMetadata { .. } | Self::Gaps { .. } => Kind::Incomplete,
            Self::UnknownNode { .. }
            | Self::Map { .. }
            | Self::NoQuorum { .. }
            | Self::NoReplica { .. }
            | Self::Plan { .. } => Kind::Usage,
            Self::Metadata { .. } | Self::Partition { .. } => Kind::Integrity,
            Self::Exhausted { .. }
            | Self::Foreign { .. }
            | Self::Occupied { .. }
            | Self::NoSpace { .. }
            | Self::Io { .. }
            | Self::Worker(_) => Kind::Failed,
        }
    }

    /// What helps, as a sentence for operators; empty where that is not known.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Repository(error) => error.remedy(),
            Self::NoMetadata { .. } => "take a snapshot with the controllers' agents running",
            Self::Metadata { .. } | Self::Exhausted { .. } => "restore another snapshot",
            Self::UnknownNode { .. } => "choose among these with --node",
            Self::Map { .. } => {
                "write it as 1:/old/dir=/new/dir, with a directory of the node as the snapshot knows it (`maxbrod snapshot \
                 show`) and an absolute new one"
            }
            Self::NoQuorum { .. } | Self::NoReplica { .. } => "add nodes with --node, or plan for all of them",
            Self::Gaps { .. } => "choose another snapshot, or accept that they are restored empty (--accept-gaps)",
            Self::Plan { .. } => "make a plan with `maxbrod restore plan --out`, by this version of maxbrod",
            Self::Foreign { remedy, .. } | Self::Occupied { remedy, .. } => remedy,
            Self::NoSpace { .. } => "make room, or map the directory elsewhere (--map)",
            Self::Chunk { .. } => {
                "bring the pack back from a copy of the repository and apply again, or restore another snapshot (`maxbrod \
                 snapshot verify --level full` tells what else is affected)"
            }
            Self::Partition { .. } => {
                "restore another snapshot; `maxbrod snapshot verify --level full` tells what else is affected"
            }
            Self::Io { .. } => {
                "check that the file system is mounted and writable for this user, then run the same command again: it goes \
                 on where it stopped"
            }
            Self::Worker(_) => "run the same command again: it goes on where it stopped",
        }
    }

    /// An I/O error as [`Result::map_err`] takes it.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn kind_of(error: &maxbrod_repository::Error) -> Kind {
    match error.kind() {
        maxbrod_repository::ErrorKind::Usage => Kind::Usage,
        maxbrod_repository::ErrorKind::Missing => Kind::Incomplete,
        maxbrod_repository::ErrorKind::Integrity => Kind::Integrity,
        maxbrod_repository::ErrorKind::Failed => Kind::Failed,
    }
}
