//! Kafka's on-disk formats as pure code.

#![forbid(unsafe_code)]

mod ids;
#[macro_use]
pub mod message;
pub mod consumer_offsets;
mod coordinator_partition;
pub mod metadata;
mod quorum_state;
pub mod transaction_state;

pub use coordinator_partition::coordinator_partition;
pub use ids::{
    BrokerEpoch, ClusterId, DirectoryId, InvalidUuid, LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch, ProducerId,
    TopicId, Uuid,
};
pub use quorum_state::{QuorumState, QuorumStateError};
