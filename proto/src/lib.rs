//! The gRPC contract between coordinator, agents and operators, and the messages of the manifest tree.
//!
//! Everything here is generated from `proto/*.proto`, where each message and field is explained.

#![forbid(unsafe_code)]

/// The contract between coordinator and agents.
#[allow(missing_docs, unreachable_pub, clippy::all, rustdoc::all)]
pub mod agent {
    tonic::include_proto!("maxbrod.agent.v1");
}

/// The nodes of the manifest tree, as they are stored.
#[allow(missing_docs, unreachable_pub, clippy::all, rustdoc::all)]
pub mod manifest {
    tonic::include_proto!("maxbrod.manifest.v1");
}

/// What operators ask of a running coordinator.
#[allow(missing_docs, unreachable_pub, clippy::all, rustdoc::all)]
pub mod operator {
    tonic::include_proto!("maxbrod.operator.v1");
}

/// The version of the agent protocol that this build speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// The largest message of the agent protocol, in bytes. Pieces stay below 1 MiB, but a batch of the metadata log, which goes whole,
/// can have up to 8 MiB (`KafkaRaftClient.MAX_BATCH_SIZE_BYTES`).
pub const LARGEST_MESSAGE: usize = 16 << 20;
