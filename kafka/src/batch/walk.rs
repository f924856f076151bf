//! The walk over a stretch of log, batch by batch.

use thiserror::Error;

use super::header::{BatchHeader, HEADER_LENGTH, PREFIX_LENGTH, i32_at, i64_at};
use crate::ids::Offset;

/// Why the bytes at a position are no batch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    /// The bytes end inside the batch: normal at the end of a growing file.
    #[error("the batch at byte {position} is not complete: {needed} bytes are needed, {available} are there")]
    Truncated {
        /// Where the batch starts.
        position: u64,
        /// How many bytes it has, as far as known.
        needed: u64,
        /// How many there are.
        available: u64,
    },
    /// Zero bytes: the rest of a preallocated file.
    #[error("there are zeros at byte {position} where a batch should start")]
    Padding {
        /// Where the zeros start.
        position: u64,
    },
    /// Not a batch, or a damaged one.
    #[error("the batch at byte {position} is damaged: {reason}")]
    Corrupt {
        /// Where the batch starts.
        position: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl BatchError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "batch-truncated",
            Self::Padding { .. } => "batch-padding",
            Self::Corrupt { .. } => "batch-corrupt",
        }
    }
}

/// How long the batch that starts with these bytes is, in bytes with its header; `None` when fewer than 12 are there.
///
/// Works for every magic. Lengths that no batch can have are an error.
pub fn batch_length(bytes: &[u8], position: u64) -> Option<Result<u64, BatchError>> {
    let length = i32_at(bytes, 8)?;
    // Magic 0 and 1 need 14 bytes for CRC, magic, attributes and the lengths of key and value; magic 2 needs its header.
    if length < 14 {
        let zeros = bytes.iter().take(HEADER_LENGTH).all(|byte| *byte == 0);
        return Some(Err(if zeros {
            BatchError::Padding { position }
        } else {
            BatchError::Corrupt {
                position,
                reason: format!("its length field says {length}"),
            }
        }));
    }
    Some(Ok(PREFIX_LENGTH as u64 + length as u64))
}

/// Checks a whole batch of magic 2 against the CRC in its header.
pub fn check_crc(header: &BatchHeader, batch: &[u8]) -> bool {
    batch.get(21..).is_some_and(|body| crc32c::crc32c(body) == header.crc)
}

/// One batch of a stretch of log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Where it starts.
    pub position: u64,
    /// All its bytes.
    pub bytes: &'a [u8],
    /// Its header; `None` for magic 0 and 1, which are carried as they are.
    pub header: Option<BatchHeader>,
}

impl Batch<'_> {
    /// The first offset. For magic 0 and 1: the offset in front of the message, which for a compressed one is its last.
    pub fn base_offset(&self) -> Offset {
        self.header
            .map_or(Offset(i64_at(self.bytes, 0).unwrap_or(-1)), |header| header.base_offset)
    }

    /// The last offset. For magic 0 and 1: the offset in front of the message.
    pub fn last_offset(&self) -> Offset {
        self.header
            .map_or_else(|| self.base_offset(), |header| header.last_offset())
    }

    /// The offset after the last one.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    /// The largest timestamp of the records in milliseconds, −1 for none. A message of magic 1 has its own, one of magic 0 none.
    pub fn max_timestamp(&self) -> i64 {
        let of_message = || {
            (self.bytes.get(16) == Some(&1))
                .then(|| i64_at(self.bytes, 18))
                .flatten()
        };
        self.header
            .map_or_else(|| of_message().unwrap_or(-1), |header| header.max_timestamp)
    }
}

/// Walks over the batches of a stretch of log and checks each one's CRC. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: u64,
    done: bool,
}

impl<'a> Batches<'a> {
    /// Walks over `bytes`; `position` is where they start in their file and is only used in what is yielded.
    pub fn new(bytes: &'a [u8], position: u64) -> Self {
        Self {
            bytes,
            position,
            done: false,
        }
    }

    fn next_batch(&mut self) -> Result<Batch<'a>, BatchError> {
        let position = self.position;
        let available = self.bytes.len() as u64;
        let truncated = |needed| BatchError::Truncated {
            position,
            needed,
            available,
        };
        let corrupt = |reason: &str| BatchError::Corrupt {
            position,
            reason: reason.to_owned(),
        };
        let length = batch_length(self.bytes, position).unwrap_or_else(|| Err(truncated(HEADER_LENGTH as u64)))?;
        let magic = *self.bytes.get(16).ok_or_else(|| truncated(length))?;
        if magic > 2 {
            return Err(corrupt(&format!("its magic is {magic}")));
        }
        if magic == 2 && length < HEADER_LENGTH as u64 {
            return Err(corrupt("it is shorter than a header"));
        }
        if length > available {
            return Err(truncated(length));
        }
        let (batch, rest) = self
            .bytes
            .split_at_checked(length as usize)
            .ok_or_else(|| truncated(length))?;
        let header = BatchHeader::parse(batch);
        if let Some(header) = &header {
            if !check_crc(header, batch) {
                return Err(corrupt("its CRC does not match"));
            }
            if header.last_offset_delta < 0 || header.base_offset.0 < 0 {
                return Err(corrupt("its offsets are negative"));
            }
        }
        self.bytes = rest;
        self.position += length;
        Ok(Batch {
            position,
            bytes: batch,
            header,
        })
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done || self.bytes.is_empty() {
            return None;
        }
        let item = self.next_batch();
        self.done = item.is_err();
        Some(item)
    }
}
