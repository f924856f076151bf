//! Kafka's on-disk formats as pure code: bytes in, values out, and back. No I/O, no async, no clock.

#![forbid(unsafe_code)]

mod ids;
#[macro_use]
pub mod message;
mod batch;
pub mod consumer_offsets;
mod control;
mod coordinator_partition;
pub mod metadata;
mod quorum_state;
mod record;
pub mod transaction_state;

pub use batch::{
    Attributes, Batch, BatchBuilder, BatchError, BatchHeader, Batches, Compression, HEADER_LENGTH, PREFIX_LENGTH,
    TimestampType, batch_length, check_crc,
};
pub use control::{
    ControlRecord, KRaftVersion, KRaftVersionRange, KRaftVoters, LeaderChange, LeaderChangeVoter, Outcome, SnapshotFooter,
    SnapshotHeader, Voter, VoterEndpoint,
};
pub use coordinator_partition::coordinator_partition;
pub use ids::{
    BrokerEpoch, ClusterId, DirectoryId, InvalidUuid, LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch, ProducerId,
    TopicId, Uuid,
};
pub use quorum_state::{QuorumState, QuorumStateError};
pub use record::{Record, RecordHeader, Records, records};
