//! Builds batches of magic 2: for KRaft checkpoints, transaction markers, and tests.

use super::attributes::{Attributes, Compression};
use super::header::{BatchHeader, HEADER_LENGTH, PREFIX_LENGTH};
use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use crate::record::Record;

/// A batch in the making. Records are numbered from the base offset on.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    body: Vec<u8>,
    next_delta: i32,
}

impl BatchBuilder {
    /// An uncompressed batch without producer, whose first record has this offset.
    pub fn new(base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        let header = BatchHeader {
            base_offset,
            batch_length: 0,
            leader_epoch,
            crc: 0,
            attributes: Attributes::PLAIN,
            last_offset_delta: 0,
            base_timestamp: -1,
            max_timestamp: -1,
            producer_id: ProducerId(-1),
            producer_epoch: ProducerEpoch(-1),
            base_sequence: -1,
            records_count: 0,
        };
        Self {
            header,
            body: Vec::new(),
            next_delta: 0,
        }
    }

    /// Sets the attribute bits. The records stay uncompressed, whatever codec the bits name: see [`Self::raw_body`].
    #[must_use]
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.header.attributes = attributes;
        self
    }

    /// Sets the producer.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> Self {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Appends a record with the next offset.
    #[must_use]
    pub fn record(mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        if self.header.records_count == 0 {
            self.header.base_timestamp = timestamp;
        }
        let record = Record {
            attributes: 0,
            timestamp_delta: timestamp.wrapping_sub(self.header.base_timestamp),
            offset_delta: self.next_delta,
            key,
            value,
            headers: Vec::new(),
        };
        self.push(&record)
    }

    /// Sets what the timestamps of the records that are pushed are relative to.
    #[must_use]
    pub fn base_timestamp(mut self, timestamp: i64) -> Self {
        self.header.base_timestamp = timestamp;
        self
    }

    /// Appends a record with headers, or with an offset of its own: its deltas are taken as they are.
    #[must_use]
    pub fn push(mut self, record: &Record<'_>) -> Self {
        record.write(&mut self.body);
        let timestamp = self.header.base_timestamp.saturating_add(record.timestamp_delta);
        self.header.max_timestamp = self.header.max_timestamp.max(timestamp);
        self.header.last_offset_delta = self.header.last_offset_delta.max(record.offset_delta);
        self.next_delta = self.header.last_offset_delta.saturating_add(1);
        self.header.records_count += 1;
        self
    }

    /// Takes the body as it is: `count` records, compressed with `codec`, up to `last_offset_delta`.
    #[must_use]
    pub fn raw_body(
        mut self,
        codec: Compression,
        body: &[u8],
        count: i32,
        last_offset_delta: i32,
        timestamp: i64,
    ) -> Self {
        self.header.attributes = self.header.attributes.with_compression(codec);
        self.header.records_count = count;
        self.header.last_offset_delta = last_offset_delta;
        self.header.base_timestamp = timestamp;
        self.header.max_timestamp = timestamp;
        self.body = body.to_vec();
        self
    }

    /// How many bytes the batch has so far.
    pub fn size_in_bytes(&self) -> usize {
        HEADER_LENGTH + self.body.len()
    }

    /// How many records it has so far.
    pub fn records_count(&self) -> i32 {
        self.header.records_count
    }

    /// The batch's bytes, with length and CRC.
    pub fn build(mut self) -> Vec<u8> {
        self.header.batch_length = i32::try_from(HEADER_LENGTH - PREFIX_LENGTH + self.body.len()).unwrap_or(i32::MAX);
        let mut bytes = Vec::with_capacity(self.size_in_bytes());
        self.header.write(&mut bytes);
        bytes.extend_from_slice(&self.body);
        let crc = bytes.get(21..).map_or(0, crc32c::crc32c);
        if let Some(field) = bytes.get_mut(17..21) {
            field.copy_from_slice(&crc.to_be_bytes());
        }
        bytes
    }
}
