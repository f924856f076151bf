use proptest::prelude::*;

use super::*;
use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

fn batch(base: i64, records: usize) -> Vec<u8> {
    (0..records)
        .fold(BatchBuilder::new(Offset(base), LeaderEpoch(5)), |builder, i| {
            builder.record(i as i64, None, Some(b"value"))
        })
        .build()
}

#[test]
fn a_flipped_bit_in_the_records_is_found() {
    let mut bytes = batch(40, 3);
    *bytes.last_mut().unwrap() ^= 1;
    let error = Batches::new(&bytes, 100).next().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the batch at byte 100 is damaged: its CRC does not match"
    );
}

#[test]
fn a_batch_that_is_still_being_written_is_truncated_and_not_damaged() {
    let bytes = batch(0, 3);
    for length in 1..bytes.len() {
        let error = Batches::new(&bytes[..length], 0).next().unwrap().unwrap_err();
        assert_eq!(error.code(), "batch-truncated", "{length}");
    }
}

#[test]
fn the_zeros_of_a_preallocated_file_are_padding() {
    let mut bytes = batch(0, 3);
    bytes.resize(bytes.len() + 4096, 0);
    let items: Vec<_> = Batches::new(&bytes, 0).collect();
    assert_eq!(items.len(), 2);
    assert_eq!(items[1].as_ref().unwrap_err().code(), "batch-padding");
}

#[test]
fn old_magics_are_carried_as_they_are() {
    // A message of magic 1: offset, size, CRC, magic, attributes, timestamp, key and value lengths.
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&77i64.to_be_bytes());
    bytes.extend_from_slice(&22i32.to_be_bytes());
    bytes.extend_from_slice(&[1, 2, 3, 4, 1, 0]);
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&batch(78, 1));
    let items: Vec<Batch<'_>> = Batches::new(&bytes, 0).map(Result::unwrap).collect();
    assert_eq!(
        (items[0].header, items[0].base_offset(), items[0].next_offset()),
        (None, Offset(77), Offset(78))
    );
    assert_eq!((items[0].last_offset(), items[0].max_timestamp()), (Offset(77), 0));
    assert_eq!(items[1].position, 34);
}

#[test]
fn sequences_wrap_behind_the_largest() {
    let bytes = BatchBuilder::new(Offset(0), LeaderEpoch(0))
        .producer(ProducerId(9), ProducerEpoch(1), i32::MAX - 1)
        .record(0, None, None)
        .record(0, None, None)
        .record(0, None, None)
        .build();
    assert_eq!(BatchHeader::parse(&bytes).unwrap().last_sequence(), 0);
}

#[test]
fn a_caller_knows_how_many_bytes_a_batch_needs_from_its_first_twelve() {
    let bytes = batch(7, 3);
    assert_eq!(batch_length(&bytes[..11], 0), None);
    assert_eq!(batch_length(&bytes[..12], 0), Some(Ok(bytes.len() as u64)));
    let error = |length: i32| {
        let mut prefix = bytes[..12].to_vec();
        prefix[8..].copy_from_slice(&length.to_be_bytes());
        batch_length(&prefix, 5).unwrap().unwrap_err().to_string()
    };
    assert_eq!(error(-1), "the batch at byte 5 is damaged: its length field says -1");
    assert_eq!(batch_length(&[0; 12], 5).unwrap().unwrap_err().code(), "batch-padding");
}

#[test]
fn what_no_batch_can_be_is_damaged() {
    let reason = |change: fn(&mut Vec<u8>)| {
        let mut bytes = batch(7, 3);
        change(&mut bytes);
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        Batches::new(&bytes, 0).next().unwrap().unwrap_err().to_string()
    };
    assert_eq!(
        reason(|bytes| bytes[16] = 3),
        "the batch at byte 0 is damaged: its magic is 3"
    );
    assert_eq!(
        reason(|bytes| bytes[0] = 0x80),
        "the batch at byte 0 is damaged: its offsets are negative"
    );
    assert_eq!(
        reason(|bytes| bytes[23] = 0xff),
        "the batch at byte 0 is damaged: its offsets are negative"
    );
    let short = reason(|bytes| bytes[8..12].copy_from_slice(&20i32.to_be_bytes()));
    assert_eq!(short, "the batch at byte 0 is damaged: it is shorter than a header");
}

#[test]
fn nothing_is_read_behind_damage() {
    let mut bytes = batch(0, 1);
    let length = bytes.len();
    bytes.extend(batch(1, 1));
    bytes[length + 30] ^= 1;
    bytes.extend(batch(2, 1));
    let items: Vec<bool> = Batches::new(&bytes, 0).map(|item| item.is_ok()).collect();
    assert_eq!(items, [true, false]);
}

#[test]
fn attributes_say_what_a_batch_is() {
    let bits = Attributes(0b111_1010);
    assert_eq!(
        (bits.compression(), bits.timestamp_type()),
        (Compression::Snappy, TimestampType::LogAppendTime)
    );
    assert!(bits.is_transactional() && bits.is_control() && bits.has_delete_horizon());
    for codec in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
        Compression::Unknown(6),
    ] {
        assert_eq!(bits.with_compression(codec).compression(), codec);
        assert_eq!(bits.with_compression(codec).0 & !7, bits.0 & !7);
    }
}

#[test]
fn a_delete_horizon_stands_where_the_base_timestamp_does() {
    let header = |attributes| {
        let bytes = BatchBuilder::new(Offset(0), LeaderEpoch(0))
            .attributes(attributes)
            .base_timestamp(77)
            .build();
        BatchHeader::parse(&bytes).unwrap()
    };
    assert_eq!(header(Attributes(1 << 6)).delete_horizon(), Some(77));
    assert_eq!(header(Attributes::PLAIN).delete_horizon(), None);
}

proptest! {
    #[test]
    fn headers_read_back_as_written(bytes in prop::collection::vec(any::<u8>(), 61)) {
        let mut bytes = bytes;
        bytes[16] = 2;
        let header = BatchHeader::parse(&bytes).unwrap();
        let mut out = Vec::new();
        header.write(&mut out);
        prop_assert_eq!(out, bytes);
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for _ in Batches::new(&bytes, 0) {}
    }

    #[test]
    fn a_stretch_of_log_is_walked_batch_by_batch(counts in prop::collection::vec(1usize..5, 0..10)) {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        let mut next = 0;
        for count in counts {
            bytes.extend(batch(next, count));
            next += count as i64;
            ends.push((Offset(next), bytes.len() as u64));
        }
        let walked: Vec<(Offset, u64)> = Batches::new(&bytes, 0)
            .map(|item| item.map(|b| (b.next_offset(), b.position + b.bytes.len() as u64)).unwrap())
            .collect();
        prop_assert_eq!(walked, ends);
    }
}
