//! Producer snapshots: what a partition knows of its producers as of an offset (K§1.6, `ProducerStateManager`).

use thiserror::Error;

use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use crate::message::{MessageError, Reader, Writer};

#[cfg(test)]
mod tests;

/// What a partition knows of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProducerEntry {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// Sequence number of its last record, −1 when no batch is remembered.
    pub last_sequence: i32,
    /// Offset of its last record, −1 when no batch is remembered.
    pub last_offset: Offset,
    /// Last offset of its last batch less its first.
    pub offset_delta: i32,
    /// Milliseconds.
    pub timestamp: i64,
    /// Leader epoch of the coordinator that wrote its last marker, −1 for none.
    pub coordinator_epoch: LeaderEpoch,
    /// First offset of its open transaction, −1 for none.
    pub current_txn_first_offset: Offset,
}

/// Why a file is no producer snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProducerSnapshotError {
    /// Another version.
    #[error("read producer snapshot: its version is {0}, and only 1 is known")]
    Version(i16),
    /// Torn or damaged: Kafka writes it in place, so a reader can see half of it.
    #[error("read producer snapshot: its CRC does not match")]
    Crc,
    /// Shorter or longer than its entries.
    #[error("read producer snapshot: {0}")]
    Message(#[from] MessageError),
}

impl ProducerSnapshotError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Version(_) => "producer-snapshot-version",
            Self::Crc => "producer-snapshot-crc",
            Self::Message(_) => "producer-snapshot-torn",
        }
    }
}

/// Reads a producer snapshot and checks its CRC.
pub fn parse_producer_snapshot(bytes: &[u8]) -> Result<Vec<ProducerEntry>, ProducerSnapshotError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if version != 1 {
        return Err(ProducerSnapshotError::Version(version));
    }
    let crc = reader.i32()? as u32;
    if crc32c::crc32c(reader.rest()) != crc {
        return Err(ProducerSnapshotError::Crc);
    }
    let count = reader.i32()?;
    if count < 0 {
        let length = i64::from(count);
        return Err(MessageError::Length {
            what: "producer snapshot",
            length,
        }
        .into());
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(ProducerEntry {
            producer_id: ProducerId(reader.i64()?),
            epoch: ProducerEpoch(reader.i16()?),
            last_sequence: reader.i32()?,
            last_offset: Offset(reader.i64()?),
            offset_delta: reader.i32()?,
            timestamp: reader.i64()?,
            coordinator_epoch: LeaderEpoch(reader.i32()?),
            current_txn_first_offset: Offset(reader.i64()?),
        });
    }
    reader.finish("producer snapshot")?;
    Ok(entries)
}

/// Writes a producer snapshot.
pub fn write_producer_snapshot(entries: &[ProducerEntry]) -> Vec<u8> {
    let mut body = Writer::new();
    body.i32(entries.len() as i32);
    for entry in entries {
        body.i64(entry.producer_id.0);
        body.i16(entry.epoch.0);
        body.i32(entry.last_sequence);
        body.i64(entry.last_offset.0);
        body.i32(entry.offset_delta);
        body.i64(entry.timestamp);
        body.i32(entry.coordinator_epoch.0);
        body.i64(entry.current_txn_first_offset.0);
    }
    let body = body.finish();
    let mut bytes = Vec::with_capacity(body.len() + 6);
    bytes.extend_from_slice(&1i16.to_be_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes
}
