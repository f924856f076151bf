//! What a snapshot says of one partition, besides its chunks.

use bytes::Bytes;
use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, TopicId, Uuid};
use maxbrod_proto::manifest;

use super::chunk_ref::ChunkRef;
use super::table::{Tables, TablesRef};

/// One partition of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionRecord {
    /// Its topic.
    pub topic_id: TopicId,
    /// Its number.
    pub partition: PartitionId,
    /// What it is to a restore.
    pub kind: PartitionKind,
    /// The node whose replica was read.
    pub source: NodeId,
    /// The log dir that it was read from.
    pub source_directory: DirectoryId,
    /// The log's first offset.
    pub log_start: Offset,
    /// Where it ends.
    pub end: End,
    /// Leader epochs and the offsets that they start at, ascending, up to the end.
    pub leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// Whether it is a compacted log: offsets may be missing between and within chunks.
    pub compacted: bool,
    /// The newest valid producer snapshot at or below the end.
    pub producer_snapshot: Option<ProducerSnapshot>,
    /// Content of the file `partition.metadata`.
    pub partition_metadata: String,
    /// Whether every member of ISR ∪ ELR held the batch that ends at the end.
    pub vouched: bool,
}

/// What a partition is to a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartitionKind {
    /// Users' records, and internal topics that nothing treats specially.
    Data,
    /// Of `__transaction_state`.
    TransactionState,
    /// Of `__consumer_offsets`.
    ConsumerOffsets,
    /// Of `__share_group_state`.
    ShareGroupState,
}

/// Where a partition ends in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Right after this batch.
    After(BatchEnd),
    /// At the log's start: no record is kept.
    Empty(Offset),
}

/// A batch named by where it ends: two replicas that hold it hold the same log below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchEnd {
    /// Offset after its last record.
    pub end_offset: Offset,
    /// Of the batch.
    pub leader_epoch: LeaderEpoch,
    /// The batch's CRC-32C.
    pub crc: u32,
}

/// A broker's producer state at some offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSnapshot {
    /// The offset in the file's name.
    pub offset: Offset,
    /// The file.
    pub chunk: ChunkRef,
}

impl End {
    /// The offset at which a restored log ends.
    pub fn offset(&self) -> Offset {
        match self {
            Self::After(batch) => batch.end_offset,
            Self::Empty(offset) => *offset,
        }
    }
}

impl PartitionRecord {
    /// The highest leader epoch that it mentions.
    pub fn highest_leader_epoch(&self) -> Option<LeaderEpoch> {
        let of_end = match &self.end {
            End::After(batch) => Some(batch.leader_epoch),
            End::Empty(_) => None,
        };
        self.leader_epochs.iter().map(|(epoch, _)| *epoch).chain(of_end).max()
    }

    /// Without chunks, leaves and tables.
    pub(super) fn encode(&self, tables: &mut Tables) -> manifest::Partition {
        let cut = match &self.end {
            End::After(batch) => manifest::Cut {
                end_offset: batch.end_offset.0,
                leader_epoch: batch.leader_epoch.0,
                crc: batch.crc,
                empty: false,
            },
            End::Empty(offset) => manifest::Cut {
                end_offset: offset.0,
                empty: true,
                ..Default::default()
            },
        };
        let epoch = |(epoch, start): &(LeaderEpoch, Offset)| manifest::LeaderEpoch {
            epoch: epoch.0,
            start_offset: start.0,
        };
        manifest::Partition {
            topic_id: Bytes::copy_from_slice(&self.topic_id.0.0),
            partition: self.partition.0,
            kind: match self.kind {
                PartitionKind::Data => manifest::PartitionKind::Data,
                PartitionKind::TransactionState => manifest::PartitionKind::TransactionState,
                PartitionKind::ConsumerOffsets => manifest::PartitionKind::ConsumerOffsets,
                PartitionKind::ShareGroupState => manifest::PartitionKind::ShareGroupState,
            }
            .into(),
            source_node: self.source.0,
            source_directory: Bytes::copy_from_slice(&self.source_directory.0.0),
            log_start: self.log_start.0,
            cut: Some(cut),
            leader_epochs: self.leader_epochs.iter().map(epoch).collect(),
            compacted: self.compacted,
            producer_snapshot: self.producer_snapshot.map(|snapshot| manifest::ProducerSnapshot {
                offset: snapshot.offset.0,
                chunk: Some(snapshot.chunk.encode(tables)),
            }),
            partition_metadata: self.partition_metadata.clone(),
            vouched: self.vouched,
            ..Default::default()
        }
    }

    pub(super) fn decode(node: &manifest::Partition) -> Option<Self> {
        let tables = TablesRef {
            packs: &node.packs,
            keys: &node.keys,
        };
        let cut = node.cut.as_ref()?;
        let producer_snapshot = match &node.producer_snapshot {
            None => None,
            Some(snapshot) => Some(ProducerSnapshot {
                offset: Offset(snapshot.offset),
                chunk: ChunkRef::decode(snapshot.chunk.as_ref()?, tables)?,
            }),
        };
        Some(Self {
            topic_id: topic_id(&node.topic_id)?,
            partition: PartitionId(node.partition),
            kind: match node.kind() {
                manifest::PartitionKind::Unspecified => return None,
                manifest::PartitionKind::Data => PartitionKind::Data,
                manifest::PartitionKind::TransactionState => PartitionKind::TransactionState,
                manifest::PartitionKind::ConsumerOffsets => PartitionKind::ConsumerOffsets,
                manifest::PartitionKind::ShareGroupState => PartitionKind::ShareGroupState,
            },
            source: NodeId(node.source_node),
            source_directory: DirectoryId(uuid(&node.source_directory)?),
            log_start: Offset(node.log_start),
            end: if cut.empty {
                End::Empty(Offset(cut.end_offset))
            } else {
                End::After(BatchEnd {
                    end_offset: Offset(cut.end_offset),
                    leader_epoch: LeaderEpoch(cut.leader_epoch),
                    crc: cut.crc,
                })
            },
            leader_epochs: node
                .leader_epochs
                .iter()
                .map(|entry| (LeaderEpoch(entry.epoch), Offset(entry.start_offset)))
                .collect(),
            compacted: node.compacted,
            producer_snapshot,
            partition_metadata: node.partition_metadata.clone(),
            vouched: node.vouched,
        })
    }
}

fn uuid(bytes: &[u8]) -> Option<Uuid> {
    bytes.try_into().ok().map(Uuid)
}

pub(super) fn topic_id(bytes: &[u8]) -> Option<TopicId> {
    uuid(bytes).map(TopicId)
}
