//! Why a record does not fit the image.

use thiserror::Error;

use crate::ids::{BrokerEpoch, NodeId, Offset, PartitionId, TopicId, Uuid};

/// A record of the metadata log that does not fit what came before it. The image is unusable afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("replay {record} at metadata offset {offset}: {reason}")]
pub struct ReplayError {
    /// Where the record is.
    pub offset: Offset,
    /// Kafka's name of the record.
    pub record: &'static str,
    /// What is wrong.
    pub reason: ReplayReason,
}

/// What is wrong about a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplayReason {
    /// Offsets before it are missing.
    #[error("offset {expected} should come next")]
    Gap {
        /// The offset that should come next.
        expected: Offset,
    },
    /// The record's version is newer than this code, so what it means is not known.
    #[error("version {version} is newer than this software; update it to one that knows this Kafka release")]
    NewerVersion {
        /// The version.
        version: u32,
    },
    /// The broker is not registered.
    #[error("broker {0} is not registered")]
    NoBroker(NodeId),
    /// The broker is registered with another epoch.
    #[error("broker {node} has epoch {registered}, not {given}")]
    BrokerEpoch {
        /// The broker.
        node: NodeId,
        /// The epoch of its registration.
        registered: BrokerEpoch,
        /// The epoch in the record.
        given: BrokerEpoch,
    },
    /// The topic does not exist.
    #[error("topic id {0} does not exist")]
    NoTopic(TopicId),
    /// No topic has this name.
    #[error("topic {0} does not exist")]
    NoTopicNamed(String),
    /// The partition does not exist.
    #[error("partition {1} of topic id {0} does not exist")]
    NoPartition(TopicId, PartitionId),
    /// The ACL does not exist.
    #[error("ACL {0} does not exist")]
    NoAcl(Uuid),
    /// A field has a value that means nothing.
    #[error("{field} is {value}, which means nothing")]
    BadValue {
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// There are more or fewer directories than replicas.
    #[error("{replicas} replicas have {directories} directories")]
    Directories {
        /// How many replicas.
        replicas: usize,
        /// How many directories.
        directories: usize,
    },
    /// A metadata transaction begins inside another.
    #[error("a metadata transaction is open already")]
    TransactionOpen,
    /// A metadata transaction ends that did not begin.
    #[error("no metadata transaction is open")]
    NoTransaction,
}

impl ReplayError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self.reason {
            ReplayReason::Gap { .. } => "metadata-gap",
            ReplayReason::NewerVersion { .. } => "metadata-newer-version",
            ReplayReason::NoBroker(_) => "metadata-no-broker",
            ReplayReason::BrokerEpoch { .. } => "metadata-broker-epoch",
            ReplayReason::NoTopic(_) | ReplayReason::NoTopicNamed(_) => "metadata-no-topic",
            ReplayReason::NoPartition(..) => "metadata-no-partition",
            ReplayReason::NoAcl(_) => "metadata-no-acl",
            ReplayReason::BadValue { .. } => "metadata-bad-value",
            ReplayReason::Directories { .. } => "metadata-directories",
            ReplayReason::TransactionOpen => "metadata-transaction-open",
            ReplayReason::NoTransaction => "metadata-no-transaction",
        }
    }
}
