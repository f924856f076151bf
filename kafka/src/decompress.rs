//! Decompression of a batch's records, bounded: what a batch unfolds to is never larger than the caller allows (K§5.2,
//! `org.apache.kafka.common.compress`).

mod xerial;

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use thiserror::Error;

use crate::batch::{Batch, Compression, HEADER_LENGTH};

#[cfg(test)]
mod tests;

/// Why a batch's records can't be had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecompressError {
    /// A message of an old Kafka, which is carried as it is.
    #[error("decompress the records of the batch: its magic is {magic}, only 2 is known")]
    OldMagic {
        /// The batch's magic.
        magic: u8,
    },
    /// A codec of a newer Kafka.
    #[error("decompress the records of the batch: its codec {codec} is not known")]
    UnknownCodec {
        /// The codec's number.
        codec: u8,
    },
    /// The records are larger than allowed.
    #[error("decompress the records of the batch: they are larger than {limit} bytes")]
    TooLarge {
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// Not what the codec writes.
    #[error("decompress the records of the batch: the {codec} data is damaged: {reason}")]
    Damaged {
        /// The codec.
        codec: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl DecompressError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OldMagic { .. } => "batch-magic-old",
            Self::UnknownCodec { .. } => "batch-codec-unknown",
            Self::TooLarge { .. } => "batch-records-too-large",
            Self::Damaged { .. } => "batch-records-damaged",
        }
    }
}

/// The bytes of a batch's records, decompressed if need be; at most `limit` bytes. [`Records::new`](crate::Records::new) walks
/// over them.
pub fn decompress<'a>(batch: &Batch<'a>, limit: usize) -> Result<Cow<'a, [u8]>, DecompressError> {
    let Some(header) = &batch.header else {
        let magic = batch.bytes.get(16).copied().unwrap_or_default();
        return Err(DecompressError::OldMagic { magic });
    };
    let body = batch.bytes.get(HEADER_LENGTH..).unwrap_or_default();
    let too_large = DecompressError::TooLarge { limit };
    let records = match header.attributes.compression() {
        Compression::None if body.len() > limit => return Err(too_large),
        Compression::None => return Ok(Cow::Borrowed(body)),
        Compression::Gzip => at_most(MultiGzDecoder::new(body), limit).map_err(|error| damaged("gzip", &error))?,
        Compression::Snappy => xerial::decompress(body, limit).map_err(|error| damaged("snappy", &error))?,
        Compression::Lz4 => at_most(FrameDecoder::new(body), limit).map_err(|error| damaged("lz4", &error))?,
        Compression::Zstd => {
            // The decoder refuses windows above 128 MiB, which is also the largest that Kafka's levels have.
            let decoder = zstd::stream::read::Decoder::with_buffer(body);
            decoder
                .and_then(|decoder| at_most(decoder, limit))
                .map_err(|error| damaged("zstd", &error))?
        }
        Compression::Unknown(codec) => return Err(DecompressError::UnknownCodec { codec }),
    };
    records.map(Cow::Owned).ok_or(too_large)
}

fn damaged(codec: &'static str, reason: &dyn std::fmt::Display) -> DecompressError {
    DecompressError::Damaged {
        codec,
        reason: reason.to_string(),
    }
}

/// All that a reader gives; `None` if that is more than `limit` bytes.
fn at_most(reader: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}
