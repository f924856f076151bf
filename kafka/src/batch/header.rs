//! The 61-byte header of a batch of magic 2.

use super::attributes::Attributes;
use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Length of the header of a batch of magic 2, in bytes.
pub const HEADER_LENGTH: usize = 61;

/// Length of base offset and batch length, which precede every batch of any magic, in bytes.
pub const PREFIX_LENGTH: usize = 12;

/// The header of a batch of magic 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchHeader {
    /// Offset of the first record that the batch was written with.
    pub base_offset: Offset,
    /// Bytes after this field.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch.
    pub leader_epoch: LeaderEpoch,
    /// CRC-32C of the bytes from the attributes on.
    pub crc: u32,
    /// Codec and kind.
    pub attributes: Attributes,
    /// Last offset less the base offset. Compaction keeps it.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas are relative to, in milliseconds; or the delete horizon.
    pub base_timestamp: i64,
    /// The largest timestamp of the records, in milliseconds.
    pub max_timestamp: i64,
    /// The producer, −1 for none.
    pub producer_id: ProducerId,
    /// Its epoch, −1 for none.
    pub producer_epoch: ProducerEpoch,
    /// Sequence number of the first record, −1 for none.
    pub base_sequence: i32,
    /// How many records follow; compaction can leave none.
    pub records_count: i32,
}

impl BatchHeader {
    /// Reads a header; `None` when there are fewer than 61 bytes or the magic is not 2.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if *bytes.get(16)? != 2 {
            return None;
        }
        Some(Self {
            base_offset: Offset(i64_at(bytes, 0)?),
            batch_length: i32_at(bytes, 8)?,
            leader_epoch: LeaderEpoch(i32_at(bytes, 12)?),
            crc: i32_at(bytes, 17)? as u32,
            attributes: Attributes(i16_at(bytes, 21)?),
            last_offset_delta: i32_at(bytes, 23)?,
            base_timestamp: i64_at(bytes, 27)?,
            max_timestamp: i64_at(bytes, 35)?,
            producer_id: ProducerId(i64_at(bytes, 43)?),
            producer_epoch: ProducerEpoch(i16_at(bytes, 51)?),
            base_sequence: i32_at(bytes, 53)?,
            records_count: i32_at(bytes, 57)?,
        })
    }

    /// Appends the header's 61 bytes to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.base_offset.0.to_be_bytes());
        out.extend_from_slice(&self.batch_length.to_be_bytes());
        out.extend_from_slice(&self.leader_epoch.0.to_be_bytes());
        out.push(2);
        out.extend_from_slice(&self.crc.to_be_bytes());
        out.extend_from_slice(&self.attributes.0.to_be_bytes());
        out.extend_from_slice(&self.last_offset_delta.to_be_bytes());
        out.extend_from_slice(&self.base_timestamp.to_be_bytes());
        out.extend_from_slice(&self.max_timestamp.to_be_bytes());
        out.extend_from_slice(&self.producer_id.0.to_be_bytes());
        out.extend_from_slice(&self.producer_epoch.0.to_be_bytes());
        out.extend_from_slice(&self.base_sequence.to_be_bytes());
        out.extend_from_slice(&self.records_count.to_be_bytes());
    }

    /// The whole batch's size in bytes, header included.
    pub fn size_in_bytes(&self) -> u64 {
        PREFIX_LENGTH as u64 + u64::try_from(self.batch_length).unwrap_or(0)
    }

    /// Offset of the last record that the batch was written with.
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(self.last_offset_delta)))
    }

    /// The offset after the last one.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    /// Sequence number of the last record, −1 for none. Sequences wrap from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        let sum = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (sum % (i64::from(i32::MAX) + 1)) as i32
    }

    /// When the batch's tombstones and markers may be dropped, in milliseconds (KIP-534); it stands where the base timestamp does.
    pub fn delete_horizon(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// Whether a producer id is set.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id.0 >= 0
    }
}

pub(super) fn array_at<const N: usize>(bytes: &[u8], position: usize) -> Option<[u8; N]> {
    bytes.get(position..position.checked_add(N)?)?.try_into().ok()
}

pub(super) fn i64_at(bytes: &[u8], position: usize) -> Option<i64> {
    array_at(bytes, position).map(i64::from_be_bytes)
}

pub(super) fn i32_at(bytes: &[u8], position: usize) -> Option<i32> {
    array_at(bytes, position).map(i32::from_be_bytes)
}

fn i16_at(bytes: &[u8], position: usize) -> Option<i16> {
    array_at(bytes, position).map(i16::from_be_bytes)
}
