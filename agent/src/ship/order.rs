//! What the coordinator asks for.

use maxbrod_kafka::PartitionId;
use maxbrod_proto::agent as wire;
use maxbrod_repository::ContentId;

use super::epochs::Epochs;
use super::merge::TailPiece;
use crate::partition::{PartitionKey, directory_name};
use crate::replica::End;
use crate::state::EpochRun;

/// A partition that this agent is the source of.
#[derive(Clone, Debug)]
pub(crate) struct SourcePartition {
    pub(crate) key: PartitionKey,
    pub(crate) topic: String,
    pub(crate) compacted: bool,
    pub(crate) class: wire::RetentionClass,
    pub(crate) base: Option<Base>,
}

/// What the base holds of a partition.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) end: End,
    pub(crate) epochs: Epochs,
    pub(crate) tail: Vec<TailPiece>,
    pub(crate) match_by_id: bool,
    /// The chunk of its producer snapshot.
    pub(crate) producer_snapshot: Option<ContentId>,
}

/// Where a partition is to end.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) end: End,
    pub(crate) empty: bool,
    pub(crate) epochs: Epochs,
}

/// A partition to be shipped up to its cut.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) run: u64,
    pub(crate) attempt: u32,
    pub(crate) key: PartitionKey,
    pub(crate) cut: Cut,
}

impl SourcePartition {
    /// As people know it.
    pub(crate) fn name(&self) -> String {
        directory_name(&self.topic, PartitionId(self.key.partition.0))
    }

    /// `None`: malformed.
    pub(crate) fn from_wire(message: &wire::SourcePartition) -> Option<Self> {
        Some(Self {
            key: PartitionKey::from_wire(&message.topic_id, message.partition)?,
            topic: message.topic.clone(),
            compacted: message.compacted,
            class: message.retention_class(),
            base: message.base.as_ref().and_then(base_from_wire),
        })
    }
}

impl Order {
    /// `None`: malformed.
    pub(crate) fn from_wire(run: u64, attempt: u32, message: &wire::PartitionCut) -> Option<Self> {
        let cut = Cut {
            end: end_from_wire(message.cut.as_ref()?),
            empty: message.empty,
            epochs: epochs_from_wire(&message.leader_epochs),
        };
        Some(Self {
            run,
            attempt,
            key: PartitionKey::from_wire(&message.topic_id, message.partition)?,
            cut,
        })
    }
}

fn base_from_wire(message: &wire::BasePartition) -> Option<Base> {
    let tail = message.tail.iter().map(|piece| TailPiece {
        base: piece.base_offset,
        length: piece.length,
    });
    Some(Base {
        end: end_from_wire(message.end.as_ref()?),
        epochs: epochs_from_wire(&message.leader_epochs),
        tail: tail.collect(),
        match_by_id: message.match_by_id,
        producer_snapshot: ContentId::from_slice(&message.producer_snapshot),
    })
}

/// From a message.
pub(crate) fn end_from_wire(message: &wire::BatchEnd) -> End {
    End {
        next: message.end_offset,
        epoch: message.leader_epoch,
        crc: message.crc,
    }
}

fn epochs_from_wire(entries: &[wire::LeaderEpochEntry]) -> Epochs {
    Epochs::new(entries.iter().map(|entry| EpochRun {
        epoch: entry.epoch,
        start: entry.start_offset,
    }))
}
