//! Kafka's on-disk formats as pure code: bytes in, values out, and back. No I/O, no async, no clock.

#![forbid(unsafe_code)]

mod ids;
#[macro_use]
pub mod message;
mod batch;
mod checkpoint;
pub mod consumer_offsets;
mod control;
mod coordinator_partition;
mod decompress;
mod index;
mod log_dir_entry;
pub mod metadata;
mod producer_snapshot;
mod properties;
mod quorum_state;
mod rebuild;
mod record;
mod segment;
pub mod share_group_state;
pub mod transaction_state;

pub use batch::{
    Attributes, Batch, BatchBuilder, BatchError, BatchHeader, Batches, Compression, HEADER_LENGTH, PREFIX_LENGTH,
    TimestampType, batch_length, check_crc,
};
pub use checkpoint::{
    CheckpointError, LeaderEpochEntry, OffsetEntry, clamp_leader_epochs, parse_clean_shutdown, parse_leader_epochs,
    parse_offset_checkpoint, parse_partition_metadata, write_clean_shutdown, write_leader_epochs,
    write_offset_checkpoint, write_partition_metadata,
};
pub use control::{
    ControlRecord, KRaftVersion, KRaftVersionRange, KRaftVoters, LeaderChange, LeaderChangeVoter, Outcome,
    SnapshotFooter, SnapshotHeader, Voter, VoterEndpoint,
};
pub use coordinator_partition::coordinator_partition;
pub use decompress::{DecompressError, decompress};
pub use ids::{
    BrokerEpoch, ClusterId, DirectoryId, InvalidUuid, LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch,
    ProducerId, TopicId, Uuid,
};
pub use index::{AbortedTransaction, OffsetIndexEntry, TimeIndexEntry};
pub use log_dir_entry::{LogDirEntry, TopicPartition};
pub use producer_snapshot::{ProducerEntry, ProducerSnapshotError, parse_producer_snapshot, write_producer_snapshot};
pub use properties::{MetaProperties, Properties, PropertiesError, Role, ServerProperties};
pub use quorum_state::{QuorumState, QuorumStateError};
pub use rebuild::{Rebuild, RebuildError, SegmentIndexes, SegmentLimits};
pub use record::{Record, RecordHeader, Records, records};
pub use segment::{CheckpointId, SegmentFile, Transit};
