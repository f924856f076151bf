//! Which coordinator a topic belongs to, and which of its records the cut depends on.

use maxbrod_kafka::consumer_offsets::GroupRecordKind;

/// A topic in which coordinators keep their state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoordinatorTopic {
    /// Of transactions.
    TransactionState,
    /// Of groups.
    ConsumerOffsets,
    /// Of share groups.
    ShareGroupState,
}

impl CoordinatorTopic {
    /// The name of the topic of transactions.
    pub(crate) const TRANSACTION_STATE: &str = "__transaction_state";

    /// By name.
    pub(crate) fn of(topic: &str) -> Option<Self> {
        Some(match topic {
            Self::TRANSACTION_STATE => Self::TransactionState,
            "__consumer_offsets" => Self::ConsumerOffsets,
            "__share_group_state" => Self::ShareGroupState,
            _ => return None,
        })
    }

    /// Whether a record with this key is reported. What groups know of their members says nothing about data; what is of an
    /// unknown kind may.
    pub(crate) fn wants(self, key: &[u8]) -> bool {
        match (self, key.first_chunk()) {
            (Self::ConsumerOffsets, Some(kind)) => match GroupRecordKind(i16::from_be_bytes(*kind)) {
                GroupRecordKind::OFFSET_COMMIT | GroupRecordKind::LEGACY_OFFSET_COMMIT => true,
                kind => kind.name().is_none(),
            },
            _ => true,
        }
    }
}
