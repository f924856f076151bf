//! Records of `__consumer_offsets` (K§5.3): committed offsets and classic groups in full, the newer kinds of groups by kind and
//! group id.

mod kind;
mod value;

use bytes::Bytes;

pub use kind::GroupRecordKind;
pub use value::{GroupMember, GroupMetadataValue, OffsetCommitValue};

use crate::ids::PartitionId;
use crate::message::{Message, MessageError, Reader, Writer};

/// A record of `__consumer_offsets`. A value of `None` is a tombstone.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRecord {
    /// A group's committed offset.
    OffsetCommit {
        /// Which partition, and whose.
        key: OffsetCommitKey,
        /// What was committed.
        value: Option<OffsetCommitValue>,
    },
    /// A group of the classic protocol.
    GroupMetadata {
        /// The group's id.
        group: String,
        /// Its members and generation.
        value: Option<GroupMetadataValue>,
    },
    /// Any other kind, carried as it is.
    Other {
        /// The kind.
        kind: GroupRecordKind,
        /// The whole key.
        key: Bytes,
        /// The whole value.
        value: Option<Bytes>,
    },
}

/// Whose committed offset it is, in which partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetCommitKey {
    /// 1, or 0 in records of old brokers.
    pub version: i16,
    /// The group's id.
    pub group: String,
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: PartitionId,
}

impl GroupRecord {
    /// Reads a record's key and value.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, MessageError> {
        let mut reader = Reader::new(key);
        let code = reader.i16()?;
        Ok(match GroupRecordKind(code) {
            GroupRecordKind::OFFSET_COMMIT | GroupRecordKind::LEGACY_OFFSET_COMMIT => {
                let key = OffsetCommitKey {
                    version: code,
                    group: reader.string(false)?.to_owned(),
                    topic: reader.string(false)?.to_owned(),
                    partition: PartitionId(reader.i32()?),
                };
                reader.finish("OffsetCommitKey")?;
                Self::OffsetCommit {
                    key,
                    value: value.map(Message::decode_versioned).transpose()?,
                }
            }
            GroupRecordKind::GROUP_METADATA => {
                let group = reader.string(false)?.to_owned();
                reader.finish("GroupMetadataKey")?;
                Self::GroupMetadata {
                    group,
                    value: value.map(Message::decode_versioned).transpose()?,
                }
            }
            kind => Self::Other {
                kind,
                key: Bytes::copy_from_slice(key),
                value: value.map(Bytes::copy_from_slice),
            },
        })
    }

    /// The kind of the record.
    pub fn kind(&self) -> GroupRecordKind {
        match self {
            Self::OffsetCommit { key, .. } => GroupRecordKind(key.version),
            Self::GroupMetadata { .. } => GroupRecordKind::GROUP_METADATA,
            Self::Other { kind, .. } => *kind,
        }
    }

    /// The group that the record is about: the first field of the key in all kinds that Kafka has so far.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::OffsetCommit { key, .. } => Some(&key.group),
            Self::GroupMetadata { group, .. } => Some(group),
            Self::Other { kind, key, .. } if kind.name().is_some() => {
                let mut reader = Reader::new(key);
                reader.i16().ok()?;
                reader.string(false).ok()
            }
            Self::Other { .. } => None,
        }
    }

    /// The record's key.
    pub fn encode_key(&self) -> Result<Bytes, MessageError> {
        let mut writer = Writer::new();
        match self {
            Self::OffsetCommit { key, .. } => {
                writer.i16(key.version);
                writer.string(&key.group, false)?;
                writer.string(&key.topic, false)?;
                writer.i32(key.partition.0);
            }
            Self::GroupMetadata { group, .. } => {
                writer.i16(GroupRecordKind::GROUP_METADATA.0);
                writer.string(group, false)?;
            }
            Self::Other { key, .. } => return Ok(key.clone()),
        }
        Ok(writer.finish())
    }

    /// The record's value, `None` for a tombstone.
    pub fn encode_value(&self) -> Result<Option<Bytes>, MessageError> {
        match self {
            Self::OffsetCommit { value, .. } => value.as_ref().map(Message::encode_versioned).transpose(),
            Self::GroupMetadata { value, .. } => value.as_ref().map(Message::encode_versioned).transpose(),
            Self::Other { value, .. } => Ok(value.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
