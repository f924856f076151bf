//! Batches of made-up records: bytes that don't compress, or text that does.

use std::fmt::Write as _;
use std::io;

use maxbrod_kafka::{BatchBuilder, Compression, LeaderEpoch, Offset, Record};

/// What the values of the records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Random bytes in batches that their producer has compressed with zstd.
    Compressed,
    /// Random bytes in batches that are not compressed.
    Noise,
    /// JSON, not compressed.
    Text,
}

/// What a batch looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchShape {
    pub(crate) records: i32,
    pub(crate) value_bytes: usize,
    pub(crate) content: Content,
}

/// Builds a batch; the same seed gives the same bytes.
pub(crate) fn batch(shape: &BatchShape, base: Offset, epoch: LeaderEpoch, seed: u64) -> io::Result<Vec<u8>> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let timestamp = 1_700_000_000_000 + base.0;
    let builder = BatchBuilder::new(base, epoch);
    let mut value = Vec::new();
    if shape.content == Content::Compressed {
        let mut body = Vec::new();
        for offset_delta in 0..shape.records {
            random.noise(&mut value, shape.value_bytes);
            record(offset_delta, &value).write(&mut body);
        }
        let body = zstd::bulk::compress(&body, 1)?;
        let last = shape.records - 1;
        return Ok(builder
            .raw_body(Compression::Zstd, &body, shape.records, last, timestamp)
            .build());
    }
    let mut builder = builder.base_timestamp(timestamp);
    for offset_delta in 0..shape.records {
        match shape.content {
            Content::Text => random.text(&mut value, shape.value_bytes),
            Content::Compressed | Content::Noise => random.noise(&mut value, shape.value_bytes),
        }
        builder = builder.push(&record(offset_delta, &value));
    }
    Ok(builder.build())
}

fn record(offset_delta: i32, value: &[u8]) -> Record<'_> {
    Record {
        attributes: 0,
        timestamp_delta: 0,
        offset_delta,
        key: None,
        value: Some(value),
        headers: Vec::new(),
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn noise(&mut self, out: &mut Vec<u8>, length: usize) {
        out.clear();
        while out.len() < length {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(length);
    }

    /// Events as services log them: few names, many numbers.
    fn text(&mut self, out: &mut Vec<u8>, length: usize) {
        const ACTIONS: [&str; 8] = [
            "order-created",
            "order-paid",
            "item-added",
            "item-removed",
            "parcel-sent",
            "parcel-received",
            "customer-changed",
            "invoice-written",
        ];
        let mut text = String::with_capacity(length + 256);
        while text.len() < length {
            let (number, other) = (self.next(), self.next());
            let action = ACTIONS
                .get((number >> 60) as usize % ACTIONS.len())
                .copied()
                .unwrap_or_default();
            let _ = write!(
                text,
                "{{\"id\":\"{number:016x}\",\"action\":\"{action}\",\"customer\":{},\"amount\":{}.{:02},\"currency\":\"EUR\",\
                 \"shop\":\"shop-{}\",\"note\":\"\"}}",
                other % 100_000,
                (other >> 20) % 1_000,
                (other >> 40) % 100,
                (other >> 50) % 50,
            );
        }
        text.truncate(length);
        *out = text.into_bytes();
    }
}

#[cfg(test)]
mod tests {
    use maxbrod_kafka::{BatchHeader, LeaderEpoch, Offset, check_crc};

    use super::{BatchShape, Content, batch};

    #[test]
    fn batches_are_valid_and_the_same_each_time() {
        for content in [Content::Compressed, Content::Noise, Content::Text] {
            let shape = BatchShape {
                records: 16,
                value_bytes: 1000,
                content,
            };
            let bytes = batch(&shape, Offset(7), LeaderEpoch(1), 42).unwrap();
            let header = BatchHeader::parse(&bytes).unwrap();
            assert!(check_crc(&header, &bytes));
            assert_eq!(header.next_offset(), Offset(23));
            assert_eq!(bytes, batch(&shape, Offset(7), LeaderEpoch(1), 42).unwrap());
            assert_ne!(bytes, batch(&shape, Offset(7), LeaderEpoch(1), 43).unwrap());
            let packed = zstd::bulk::compress(&bytes, 3).unwrap().len() * 100 / bytes.len();
            assert_eq!(packed < 50, content == Content::Text, "{content:?}: {packed} %");
        }
    }
}
