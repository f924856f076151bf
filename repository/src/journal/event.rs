//! What journal entries say happened.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ContentId, Hash, KeyId};
use crate::name::{PackName, RootName, SnapshotId};

/// Something that happened to a cluster's backups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A coordinator took over: the entry's epoch is its own from now on, older epochs can write no more.
    Epoch {
        /// Who.
        holder: String,
    },
    /// A run began. Its number is the entry's.
    RunOpened {
        /// The entry's number.
        run: u64,
        /// The newest snapshot's run, whose chunks and nodes it may refer to; none: everything is stored anew.
        base: Option<u64>,
    },
    /// The open run ended without a snapshot; what it stored is garbage.
    RunClosed {
        /// The open run.
        run: u64,
        /// Why.
        reason: String,
    },
    /// The open run became a snapshot. This entry is the commit.
    Committed(Box<Committed>),
    /// A snapshot is given up.
    Deleted {
        /// Which.
        snapshot: SnapshotId,
        /// Why.
        reason: String,
    },
    /// A snapshot must not be deleted.
    Held {
        /// Which.
        snapshot: SnapshotId,
        /// Why.
        reason: String,
    },
    /// A held snapshot may be deleted again.
    Released {
        /// Which.
        snapshot: SnapshotId,
        /// Why.
        reason: String,
    },
    /// Packs that no snapshot needs. Irrevocable: no later run may refer to them.
    Marked {
        /// Which; at most 10,000 in one entry.
        packs: Vec<PackName>,
    },
    /// Marked packs were removed.
    Swept {
        /// The number of the entry that marked them.
        mark: u64,
        /// How many bytes it freed.
        freed_bytes: u64,
    },
    /// The cluster was restored from a snapshot.
    Restored {
        /// Which.
        snapshot: SnapshotId,
        /// The highest leader epoch in the restored cluster: no later restore may start at or below.
        highest_leader_epoch: i32,
        /// BLAKE3 of the plan.
        plan: Hash,
        /// By whom, and what of it.
        note: String,
    },
    /// A restore was rehearsed.
    Drilled {
        /// Which.
        snapshot: SnapshotId,
        /// Whether all was well.
        passed: bool,
        /// What was found.
        note: String,
    },
    /// Settings changed.
    Configured(Configured),
}

/// Settings that belong to the backups rather than to one coordinator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// New values; `null` takes a setting away.
    pub settings: BTreeMap<String, Option<String>>,
}

/// A committed snapshot, as its journal entry describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Committed {
    /// The open run.
    pub run: u64,
    /// Its name.
    pub snapshot: SnapshotId,
    /// What the operator called it; may be empty.
    pub label: String,
    /// The manifest's root.
    pub root: RootRef,
    /// How far it is one moment of the cluster.
    pub consistency: Consistency,
    /// When it was asked for.
    pub started: Timestamp,
    /// Phase M: everything acknowledged before is in it.
    pub cut: Timestamp,
    /// When this entry was written.
    pub committed: Timestamp,
    /// From phase M to the end of the last phase.
    pub freeze_ms: u64,
    /// Sums.
    pub totals: SnapshotTotals,
    /// The highest leader epoch in it; −1: none.
    pub highest_leader_epoch: i32,
    /// The format version of its manifest.
    pub format: u64,
}

/// Where a manifest's root lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootRef {
    /// Its object.
    pub name: RootName,
    /// Its content id: the commit vouches for the whole tree.
    pub id: ContentId,
    /// The object's length.
    pub length: u64,
    /// The manifest key; none: not encrypted.
    pub key: Option<KeyId>,
}

/// How far a snapshot is one moment of the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// What a crash of the whole cluster would leave.
    CrashConsistent,
    /// Transactional but for some, which the root names.
    BestEffort,
    /// Every transaction is in it entirely or not at all.
    Transactional,
}

impl Consistency {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CrashConsistent => "crash-consistent",
            Self::BestEffort => "best-effort",
            Self::Transactional => "transactional",
        }
    }
}

impl std::fmt::Display for Consistency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A snapshot's sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotTotals {
    /// Topics.
    pub topics: u64,
    /// Partitions.
    pub partitions: u64,
    /// Log bytes, one replica each.
    pub logical_bytes: u64,
    /// Read from the brokers' disks for it.
    pub read_bytes: u64,
    /// Added to the repository for it.
    pub new_bytes: u64,
    /// Things that are missing or not vouched for; the root names them.
    pub gaps: u64,
}

impl Event {
    /// The kinds that this build knows.
    pub(super) const KINDS: [&'static str; 12] = [
        "epoch",
        "run-opened",
        "run-closed",
        "committed",
        "deleted",
        "held",
        "released",
        "marked",
        "swept",
        "restored",
        "drilled",
        "configured",
    ];

    /// Its kind, as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Epoch { .. } => "epoch",
            Self::RunOpened { .. } => "run-opened",
            Self::RunClosed { .. } => "run-closed",
            Self::Committed(_) => "committed",
            Self::Deleted { .. } => "deleted",
            Self::Held { .. } => "held",
            Self::Released { .. } => "released",
            Self::Marked { .. } => "marked",
            Self::Swept { .. } => "swept",
            Self::Restored { .. } => "restored",
            Self::Drilled { .. } => "drilled",
            Self::Configured(_) => "configured",
        }
    }

    /// Whether only the holder of the newest epoch may write it. The rest is also written by operators' commands.
    pub fn needs_epoch(&self) -> bool {
        matches!(
            self,
            Self::RunOpened { .. }
                | Self::RunClosed { .. }
                | Self::Committed(_)
                | Self::Marked { .. }
                | Self::Swept { .. }
        )
    }
}
