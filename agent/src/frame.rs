//! Where a batch lies and what its header says: all that tails, boundaries and verdicts need.

use maxbrod_kafka::{BatchError, BatchHeader, Compression, HEADER_LENGTH, PREFIX_LENGTH, batch_length};

/// A batch at a place in a segment. Works for every magic; those below 2 are carried as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where it starts in the segment.
    pub(crate) position: u64,
    /// All its bytes.
    pub(crate) length: u64,
    /// Its first offset.
    pub(crate) base: i64,
    /// The offset after its last.
    pub(crate) next: i64,
    /// Its leader epoch; −1 below magic 2.
    pub(crate) epoch: i32,
    /// Its CRC.
    pub(crate) crc: u32,
    /// Its header; `None` below magic 2.
    pub(crate) header: Option<BatchHeader>,
}

impl Frame {
    /// Where the next batch starts.
    pub(crate) fn end(&self) -> u64 {
        self.position + self.length
    }

    /// Whether its records are compressed. Of old magics it is not known: no.
    pub(crate) fn is_compressed(&self) -> bool {
        self.header
            .is_some_and(|header| header.attributes.compression() != Compression::None)
    }

    /// Reads a header. `Ok(None)`: more bytes are needed, [`HEADER_LENGTH`] are always enough.
    pub(crate) fn parse(bytes: &[u8], position: u64) -> Result<Option<Self>, BatchError> {
        let Some(length) = batch_length(bytes, position) else {
            return Ok(None);
        };
        let length = length?;
        let corrupt = |reason: String| BatchError::Corrupt { position, reason };
        let Some(magic) = bytes.get(16) else { return Ok(None) };
        let base = i64_at(bytes, 0).unwrap_or(-1);
        match magic {
            2 => {
                if length < HEADER_LENGTH as u64 {
                    return Err(corrupt("it is shorter than a header".to_owned()));
                }
                let Some(header) = BatchHeader::parse(bytes) else {
                    return Ok(None);
                };
                if base < 0 || header.last_offset_delta < 0 {
                    return Err(corrupt("its offsets are negative".to_owned()));
                }
                let (epoch, crc, next) = (header.leader_epoch.0, header.crc, header.next_offset().0);
                Ok(Some(Self {
                    position,
                    length,
                    base,
                    next,
                    epoch,
                    crc,
                    header: Some(header),
                }))
            }
            0 | 1 => {
                let crc = bytes
                    .get(PREFIX_LENGTH..)
                    .and_then(|rest| rest.first_chunk())
                    .map_or(0, |crc| u32::from_be_bytes(*crc));
                // In front of a compressed old message stands its last offset; the first is inside, and is not needed.
                Ok(Some(Self {
                    position,
                    length,
                    base,
                    next: base.saturating_add(1),
                    epoch: -1,
                    crc,
                    header: None,
                }))
            }
            other => Err(corrupt(format!("its magic is {other}"))),
        }
    }
}

fn i64_at(bytes: &[u8], position: usize) -> Option<i64> {
    bytes
        .get(position..)?
        .first_chunk()
        .map(|bytes| i64::from_be_bytes(*bytes))
}
