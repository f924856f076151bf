//! What a snapshot brought in: everything that the commit needs.

use std::collections::BTreeSet;
use std::time::Duration;

use maxbrod_cut::{Cut, CutBack, Level, Note, PartitionKey};
use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId, Offset};

use crate::config::HookMoment;
use crate::sequencer::{Gap, Moment, Phase, SourceOrder, View};

/// A snapshot, ready to be committed.
#[derive(Clone, Debug)]
pub struct Harvest {
    /// The run that it is of.
    pub run: u64,
    /// The attempt within the run.
    pub attempt: u32,
    /// What the operator called it.
    pub label: String,
    /// When what happened.
    pub times: Times,
    /// The level reached.
    pub level: Level,
    /// The metadata after the last phase.
    pub view: View,
    /// The partitions, in order of their keys.
    pub partitions: Vec<HarvestedPartition>,
    /// Partitions that belong to the snapshot and that nothing was shipped of; the gaps say why.
    pub missing: BTreeSet<PartitionKey>,
    /// What is missing.
    pub gaps: Vec<Gap>,
    /// What could not be vouched for.
    pub notes: Vec<Note>,
    /// Partitions that were cut below what their replicas hold, by their topics' names.
    pub cut_back: Vec<(String, CutBack)>,
    /// What the applications' commands said.
    pub hooks: Vec<HookResult>,
}

/// What an application's command said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookResult {
    /// Its name in `coordinator.toml`.
    pub name: String,
    /// When it was run.
    pub moment: HookMoment,
    /// Its exit code; `None`: it did not end by itself.
    pub exit_code: Option<i32>,
    /// How long it took.
    pub duration: Duration,
    /// The beginning of what it printed.
    pub output: String,
    /// Why it counts as failed, if it does.
    pub error: Option<String>,
    /// Whether the snapshot may go on without it.
    pub may_fail: bool,
}

/// The course of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// It was asked for.
    pub started: Moment,
    /// The first question of the first phase was asked.
    pub began: Moment,
    /// Phase M began: everything acknowledged before is in it.
    pub phase_m: Moment,
    /// `__transaction_state` was asked for, or would have been.
    pub phase_q: Moment,
    /// `__consumer_offsets`.
    pub phase_g: Moment,
    /// The rest.
    pub phase_p: Moment,
    /// The metadata after the last phase was there.
    pub metadata: Moment,
    /// The last partition was shipped.
    pub shipped: Moment,
}

impl Times {
    /// A phase begins. M and q may come again: the snapshot is of the first M.
    pub(crate) fn enter(&mut self, phase: Phase, now: Moment) {
        match phase {
            Phase::A | Phase::C | Phase::Z => {}
            Phase::M if self.phase_m >= self.began && self.phase_m > Moment::default() => {}
            Phase::M => self.phase_m = now,
            Phase::Q => self.phase_q = now,
            Phase::G => self.phase_g = now,
            Phase::P => self.phase_p = now,
        }
    }

    /// How long all phases took, from the first question to the metadata; zero when it did not get that far.
    pub fn freeze(&self) -> Duration {
        self.metadata.since(self.began)
    }
}

/// One partition of a snapshot.
#[derive(Clone, Debug)]
pub struct HarvestedPartition {
    /// What it is.
    pub order: SourceOrder,
    /// The node that was read.
    pub source: NodeId,
    /// Where it is cut.
    pub cut: Cut,
    /// Leader epochs up to the cut, ascending.
    pub leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// Whether every in-sync replica holds it up to the cut.
    pub vouched: bool,
    /// What its source shipped.
    pub shipped: Shipped,
}

impl HarvestedPartition {
    /// Whether offsets may be missing between its chunks: it is compacted, or was once.
    pub(crate) fn has_gaps(&self) -> bool {
        self.order.compacted || self.shipped.gaps
    }
}

/// A part of what an agent says about a shipped partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippedPiece {
    /// The run.
    pub run: u64,
    /// The attempt.
    pub attempt: u32,
    /// The partition.
    pub key: PartitionKey,
    /// What the piece says.
    pub shipped: Shipped,
    /// Whether further pieces follow.
    pub more: bool,
}

/// Of what a partition consists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shipped {
    /// The log's first offset.
    pub log_start: Offset,
    /// The base's chunks up to here stay.
    pub inherited_to: Offset,
    /// The chunks after them, ascending.
    pub chunks: Vec<ShippedChunk>,
    /// The producer state at or below the cut.
    pub producer_snapshot: Option<ShippedChunk>,
    /// The content of `partition.metadata`.
    pub partition_metadata: String,
    /// The log dir that it was read from.
    pub directory: DirectoryId,
    /// Bytes read from the broker's disk.
    pub read_bytes: u64,
    /// Sealed bytes uploaded.
    pub stored_bytes: u64,
    /// Whether its agent saw that the log was compacted once: offsets are missing.
    pub gaps: bool,
}

/// A chunk as its agent names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippedChunk {
    /// Its id.
    pub id: [u8; 32],
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset after its last.
    pub next_offset: Offset,
    /// Leader epoch of its last batch.
    pub leader_epoch: LeaderEpoch,
    /// Length of the batches.
    pub logical_length: u64,
    /// Where it lies; `None`: where the base's chunk of this id lies.
    pub place: Option<Place>,
    /// Whether it ends at a content-defined boundary.
    pub closed: bool,
}

/// Where a sealed chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The pack's run.
    pub run: u64,
    /// The pack's epoch.
    pub epoch: u64,
    /// The pack's sequence.
    pub sequence: u64,
    /// Where in the pack.
    pub position: u64,
    /// Sealed length.
    pub length: u64,
    /// The data key; `None`: not encrypted.
    pub key_id: Option<[u8; 16]>,
}

impl Shipped {
    /// Adds a later piece; a repeated one changes nothing. The pieces' headers agree; where only one says something, that counts.
    pub fn extend(&mut self, piece: Self) {
        for chunk in piece.chunks {
            if self
                .chunks
                .last()
                .is_none_or(|last| last.base_offset < chunk.base_offset)
            {
                self.chunks.push(chunk);
            }
        }
        self.gaps |= piece.gaps;
        self.producer_snapshot = piece.producer_snapshot.or(self.producer_snapshot.take());
        if !piece.partition_metadata.is_empty() {
            self.partition_metadata = piece.partition_metadata;
        }
        self.read_bytes = self.read_bytes.max(piece.read_bytes);
        self.stored_bytes = self.stored_bytes.max(piece.stored_bytes);
    }

    /// The offset after the last chunk.
    pub fn reaches(&self) -> Offset {
        self.chunks.last().map_or(self.inherited_to, |chunk| chunk.next_offset)
    }
}
