//! Records of `__share_group_state`: how far each share group is in each partition, and what of it is in flight (KIP-932).
//!
//! The layout is that of Kafka 4.1 and later. The early access of 4.0 wrote another one under the same version; Kafka itself
//! cannot read that any more.

mod value;

use bytes::Bytes;

pub use value::{ShareSnapshotValue, ShareStateBatch, ShareUpdateValue};

use crate::ids::{PartitionId, TopicId, Uuid};
use crate::message::{Message, MessageError, Reader, Writer};

const SNAPSHOT: i16 = 0;
const UPDATE: i16 = 1;

/// A record of `__share_group_state`. A value of `None` is a tombstone.
#[derive(Debug, Clone, PartialEq)]
pub enum ShareRecord {
    /// The whole state of a group in a partition.
    Snapshot {
        /// Whose, and in which partition.
        key: ShareKey,
        /// The state.
        value: Option<ShareSnapshotValue>,
    },
    /// What changed since the snapshot, or the update, before.
    Update {
        /// Whose, and in which partition.
        key: ShareKey,
        /// The change.
        value: Option<ShareUpdateValue>,
    },
    /// A kind of a newer Kafka, carried as it is.
    Other {
        /// The int16 that the key begins with.
        kind: i16,
        /// The whole key.
        key: Bytes,
        /// The whole value.
        value: Option<Bytes>,
    },
}

/// A share group and a partition that it reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareKey {
    /// The group's id.
    pub group: String,
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionId,
}

impl ShareKey {
    fn read(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        Ok(Self {
            group: reader.string(false)?.to_owned(),
            topic_id: TopicId(Uuid(reader.uuid()?)),
            partition: PartitionId(reader.i32()?),
        })
    }

    fn write(&self, kind: i16) -> Result<Bytes, MessageError> {
        let mut writer = Writer::new();
        writer.i16(kind);
        writer.string(&self.group, false)?;
        writer.raw(&self.topic_id.0.0);
        writer.i32(self.partition.0);
        Ok(writer.finish())
    }
}

impl ShareRecord {
    /// Reads a record's key and value.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, MessageError> {
        let mut reader = Reader::new(key);
        let kind = reader.i16()?;
        Ok(match kind {
            SNAPSHOT => {
                let key = ShareKey::read(&mut reader)?;
                reader.finish("ShareSnapshotKey")?;
                let value = value.map(Message::decode_versioned).transpose()?;
                Self::Snapshot { key, value }
            }
            UPDATE => {
                let key = ShareKey::read(&mut reader)?;
                reader.finish("ShareUpdateKey")?;
                let value = value.map(Message::decode_versioned).transpose()?;
                Self::Update { key, value }
            }
            kind => Self::Other {
                kind,
                key: Bytes::copy_from_slice(key),
                value: value.map(Bytes::copy_from_slice),
            },
        })
    }

    /// The group and partition that it is about, unless it is of a newer kind.
    pub fn key(&self) -> Option<&ShareKey> {
        match self {
            Self::Snapshot { key, .. } | Self::Update { key, .. } => Some(key),
            Self::Other { .. } => None,
        }
    }

    /// The record's key.
    pub fn encode_key(&self) -> Result<Bytes, MessageError> {
        match self {
            Self::Snapshot { key, .. } => key.write(SNAPSHOT),
            Self::Update { key, .. } => key.write(UPDATE),
            Self::Other { key, .. } => Ok(key.clone()),
        }
    }

    /// The record's value, `None` for a tombstone.
    pub fn encode_value(&self) -> Result<Option<Bytes>, MessageError> {
        match self {
            Self::Snapshot { value, .. } => value.as_ref().map(Message::encode_versioned).transpose(),
            Self::Update { value, .. } => value.as_ref().map(Message::encode_versioned).transpose(),
            Self::Other { value, .. } => Ok(value.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
