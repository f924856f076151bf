//! Records of `__transaction_state`: the last state of every transactional id (K§5.4).

use bytes::Bytes;

use crate::ids::{PartitionId, ProducerEpoch, ProducerId};
use crate::message::{Message, MessageError, Reader, Writer};

/// What a transaction is at, as the coordinator stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// The id is known and no transaction was begun.
    Empty,
    /// Begun, and undecided.
    Ongoing,
    /// Decided: commit markers are being written.
    PrepareCommit,
    /// Decided: abort markers are being written.
    PrepareAbort,
    /// All commit markers are written.
    CompleteCommit,
    /// All abort markers are written.
    CompleteAbort,
    /// The id expired. Kafka never stores it.
    Dead,
    /// A fencing abort is about to be decided. Kafka never stores it.
    PrepareEpochFence,
}

impl TransactionStatus {
    /// The status that Kafka's code for it means.
    pub fn of(code: i8) -> Option<Self> {
        Some(match code {
            0 => Self::Empty,
            1 => Self::Ongoing,
            2 => Self::PrepareCommit,
            3 => Self::PrepareAbort,
            4 => Self::CompleteCommit,
            5 => Self::CompleteAbort,
            6 => Self::Dead,
            7 => Self::PrepareEpochFence,
            _ => return None,
        })
    }

    /// Kafka's code for it.
    pub fn code(self) -> i8 {
        match self {
            Self::Empty => 0,
            Self::Ongoing => 1,
            Self::PrepareCommit => 2,
            Self::PrepareAbort => 3,
            Self::CompleteCommit => 4,
            Self::CompleteAbort => 5,
            Self::Dead => 6,
            Self::PrepareEpochFence => 7,
        }
    }

    /// Whether the outcome is decided.
    pub fn is_decided(self) -> bool {
        matches!(
            self,
            Self::PrepareCommit | Self::PrepareAbort | Self::CompleteCommit | Self::CompleteAbort
        )
    }
}

message! {
    /// The partitions of one topic that a transaction writes to.
    pub struct TransactionPartitions {
        /// The topic's name.
        topic: String;
        /// Its partitions.
        partition_ids: Vec<PartitionId>;
    }

    /// The state of a transactional id, the value of a record. Version 1 comes with `transaction.version` 1.
    pub struct TransactionLogValue: versions 0..=1, flexible 1 {
        /// The producer id in use.
        producer_id: ProducerId;
        /// The producer id of the last committed transaction, -1 none.
        previous_producer_id: ProducerId [since 1, tag 0] = ProducerId(-1);
        /// The producer id that the next transaction will have when epochs are used up, -1 none.
        next_producer_id: ProducerId [since 1, tag 1] = ProducerId(-1);
        /// The epoch in use.
        producer_epoch: ProducerEpoch;
        /// The epoch that comes with `next_producer_id`, -1 none (Kafka 4.3).
        next_producer_epoch: ProducerEpoch [since 1, tag 3] = ProducerEpoch(-1);
        /// Milliseconds after which the coordinator aborts.
        transaction_timeout_ms: i32;
        /// The code of its [`TransactionStatus`].
        transaction_status: i8;
        /// Whereto it writes; null when empty.
        transaction_partitions: Option<Vec<TransactionPartitions>>;
        /// Milliseconds since the epoch.
        transaction_last_update_timestamp_ms: i64;
        /// Milliseconds since the epoch.
        transaction_start_timestamp_ms: i64;
        /// 2 for clients of TV2, where each transaction has an epoch of its own; 0 for older ones (K§6.1).
        client_transaction_version: i16 [since 1, tag 2];
    }
}

impl TransactionLogValue {
    /// What the transaction is at, unless a newer Kafka has further states.
    pub fn status(&self) -> Option<TransactionStatus> {
        TransactionStatus::of(self.transaction_status)
    }

    /// Whether the partition is one of the transaction's.
    pub fn writes_to(&self, topic: &str, partition: PartitionId) -> bool {
        let topics = self.transaction_partitions.iter().flatten();
        topics
            .filter(|of| of.topic == topic)
            .any(|of| of.partition_ids.contains(&partition))
    }
}

/// A record of `__transaction_state`.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionRecord {
    /// The transactional id.
    pub transactional_id: String,
    /// Its state; `None` is a tombstone: the id expired.
    pub value: Option<TransactionLogValue>,
}

impl TransactionRecord {
    /// Reads a record's key and value.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, MessageError> {
        let mut reader = Reader::new(key);
        let version = reader.i16()?;
        if version != 0 {
            return Err(MessageError::UnsupportedVersion {
                message: "TransactionLogKey",
                version,
            });
        }
        let transactional_id = reader.string(false)?.to_owned();
        reader.finish("TransactionLogKey")?;
        Ok(Self {
            transactional_id,
            value: value.map(TransactionLogValue::decode_versioned).transpose()?,
        })
    }

    /// The record's key.
    pub fn encode_key(&self) -> Result<Bytes, MessageError> {
        let mut writer = Writer::new();
        writer.i16(0);
        writer.string(&self.transactional_id, false)?;
        Ok(writer.finish())
    }

    /// The record's value, `None` for a tombstone.
    pub fn encode_value(&self) -> Result<Option<Bytes>, MessageError> {
        self.value.as_ref().map(Message::encode_versioned).transpose()
    }
}

#[cfg(test)]
mod tests;
