//! Translates between the agents' contract and the coordinator's own types, and cuts long messages into pieces.
//!
//! What comes from an agent is checked here: ids have their lengths, offsets ascend. Nothing behind this module sees raw bytes.

mod down;
mod up;

#[cfg(test)]
mod tests;

use maxbrod_cut::PartitionKey;
use maxbrod_kafka::{PartitionId, TopicId, Uuid};
use thiserror::Error;

pub(crate) use down::{assignment, base_partition, phase_query, ship_order};
pub(crate) use up::{reports, ship_failure, shipped_piece};

/// What an agent sent does not keep to the contract.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("read an agent's {message}: {why}")]
pub(crate) struct WireError {
    /// The message.
    pub(crate) message: &'static str,
    /// What is wrong.
    pub(crate) why: String,
}

impl WireError {
    fn new(message: &'static str, why: impl Into<String>) -> Self {
        Self {
            message,
            why: why.into(),
        }
    }

    /// A stable code.
    pub(crate) fn code(&self) -> &'static str {
        "agent-message-invalid"
    }
}

/// The key of a partition as messages name it.
pub(crate) fn partition_key(message: &'static str, topic_id: &[u8], partition: i32) -> Result<PartitionKey, WireError> {
    let topic_id = TopicId(uuid(message, topic_id)?);
    if partition < 0 {
        return Err(WireError::new(message, format!("partition {partition} cannot be")));
    }
    Ok(PartitionKey {
        topic_id,
        partition: PartitionId(partition),
    })
}

fn uuid(message: &'static str, bytes: &[u8]) -> Result<Uuid, WireError> {
    let bytes: [u8; 16] = bytes
        .try_into()
        .map_err(|_| WireError::new(message, format!("an id of {} bytes instead of 16", bytes.len())))?;
    Ok(Uuid(bytes))
}
