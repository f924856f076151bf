use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::batch::{Attributes, BatchBuilder, Batches};
use crate::ids::{LeaderEpoch, Offset};
use crate::record::{Record, Records};

const LIMIT: usize = 1 << 20;
const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// Blocks of snappy-java's size in its framing.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = [b"\x82SNAPPY\0".as_slice(), &1i32.to_be_bytes(), &1i32.to_be_bytes()].concat();
    for block in body.chunks(32 << 10) {
        let block = snap::raw::Encoder::new().compress_vec(block).unwrap();
        out.extend_from_slice(&(block.len() as i32).to_be_bytes());
        out.extend_from_slice(&block);
    }
    out
}

fn compress(codec: Compression, body: &[u8]) -> Vec<u8> {
    match codec {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Snappy => framed(body),
        Compression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(body, 3).unwrap(),
        _ => body.to_vec(),
    }
}

fn body(values: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (number, value) in values.iter().enumerate() {
        let record = Record {
            attributes: 0,
            timestamp_delta: 0,
            offset_delta: number as i32,
            key: Some(b"key"),
            value: Some(value),
            headers: Vec::new(),
        };
        record.write(&mut body);
    }
    body
}

fn batch(codec: Compression, raw: &[u8], count: usize) -> Vec<u8> {
    BatchBuilder::new(Offset(100), LeaderEpoch(1))
        .raw_body(codec, raw, count as i32, count as i32 - 1, 7)
        .build()
}

fn first(bytes: &[u8]) -> Batch<'_> {
    Batches::new(bytes, 0).next().unwrap().unwrap()
}

fn unfold(codec: Compression, raw: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    decompress(&first(&batch(codec, raw, 1)), limit).map(Cow::into_owned)
}

#[test]
fn snappy_without_framing_is_read_too() {
    let raw = snap::raw::Encoder::new().compress_vec(b"one block").unwrap();
    assert_eq!(unfold(Compression::Snappy, &raw, LIMIT).unwrap(), b"one block");
}

#[test]
fn snappy_streams_that_were_joined_are_one() {
    let joined = [framed(b"one, "), framed(b"two")].concat();
    assert_eq!(unfold(Compression::Snappy, &joined, LIMIT).unwrap(), b"one, two");
}

#[test]
fn a_bomb_is_refused_before_it_unfolds() {
    let zeros = vec![0; 4 << 20];
    for codec in CODECS {
        let error = unfold(codec, &compress(codec, &zeros), LIMIT).unwrap_err();
        assert_eq!(error, DecompressError::TooLarge { limit: LIMIT }, "{codec:?}");
    }
}

#[test]
fn a_claim_of_gigabytes_in_a_few_bytes_is_damage() {
    // A varint of 1 GiB, and nothing behind it.
    let error = unfold(Compression::Snappy, &[0x80, 0x80, 0x80, 0x80, 0x04], usize::MAX).unwrap_err();
    assert_eq!(error.code(), "batch-records-damaged");
}

#[test]
fn codecs_and_magics_that_are_not_known_are_named() {
    let error = unfold(Compression::Unknown(5), b"", LIMIT).unwrap_err();
    assert_eq!(error, DecompressError::UnknownCodec { codec: 5 });
    let mut old = batch(Compression::None, &body(&[b"v".to_vec()]), 1);
    old[16] = 1;
    let old = first(&old);
    assert_eq!(decompress(&old, LIMIT), Err(DecompressError::OldMagic { magic: 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_codec_writes_comes_back(
        values in proptest::collection::vec(proptest::collection::vec(97u8..101, 0..3000), 1..30),
        codec in proptest::sample::select(&CODECS[..]),
    ) {
        let body = body(&values);
        let bytes = batch(codec, &compress(codec, &body), values.len());
        let batch = first(&bytes);
        let records = decompress(&batch, body.len()).unwrap();
        let read: Vec<Vec<u8>> = Records::new(&batch.header.unwrap(), &records)
            .map(|record| record.unwrap().value.unwrap().to_vec())
            .collect();
        prop_assert_eq!(read, values);
        if !body.is_empty() {
            let limit = body.len() - 1;
            prop_assert_eq!(decompress(&batch, limit), Err(DecompressError::TooLarge { limit }));
        }
    }

}

proptest! {
    #[test]
    fn garbage_never_panics_and_stays_below_the_limit(
        mut raw in proptest::collection::vec(any::<u8>(), 0..300),
        codec in 0i16..8,
        valid in proptest::option::of((0usize..300, any::<u8>())),
    ) {
        let codec = Attributes(codec).compression();
        if let Some((place, byte)) = valid {
            // Nearly valid: one byte is another one.
            raw = compress(codec, &raw);
            if let Some(target) = raw.get_mut(place) {
                *target = byte;
            }
        }
        if let Ok(bytes) = unfold(codec, &raw, 1000) {
            prop_assert!(bytes.len() <= 1000);
        }
    }
}
