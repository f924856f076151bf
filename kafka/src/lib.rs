//! Kafka's on-disk formats as pure code.

#![forbid(unsafe_code)]

mod ids;
#[macro_use]
pub mod message;

pub use ids::{
    BrokerEpoch, ClusterId, DirectoryId, InvalidUuid, LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch, ProducerId,
    TopicId, Uuid,
};
