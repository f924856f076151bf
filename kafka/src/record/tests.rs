use proptest::prelude::*;

use super::*;
use crate::batch::{Attributes, BatchBuilder, Batches};
use crate::ids::{LeaderEpoch, Offset};

type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

fn batch_of_two(attributes: Attributes) -> Vec<u8> {
    BatchBuilder::new(Offset(100), LeaderEpoch(3))
        .attributes(attributes)
        .record(5_000, Some(b"k"), None)
        .record(4_000, None, Some(b"v"))
        .build()
}

#[test]
fn records_have_the_offsets_and_timestamps_that_were_given() {
    let bytes = batch_of_two(Attributes::PLAIN);
    let batch = Batches::new(&bytes, 0).next().unwrap().unwrap();
    let header = batch.header.unwrap();
    let of = |record: Result<Record<'_>, MessageError>| {
        let record = record.unwrap();
        (record.offset(&header), record.timestamp(&header))
    };
    let seen: Vec<_> = records(&batch).unwrap().map(of).collect();
    assert_eq!(seen, [(Offset(100), 5_000), (Offset(101), 4_000)]);
}

#[test]
fn the_leaders_time_holds_for_all_records_of_a_batch() {
    let bytes = batch_of_two(Attributes(1 << 3));
    let batch = Batches::new(&bytes, 0).next().unwrap().unwrap();
    let header = batch.header.unwrap();
    assert!(
        records(&batch)
            .unwrap()
            .all(|record| record.unwrap().timestamp(&header) == 5_000)
    );
}

#[test]
fn compressed_records_are_left_alone() {
    let bytes = batch_of_two(Attributes::PLAIN.with_compression(Compression::Zstd));
    let batch = Batches::new(&bytes, 0).next().unwrap().unwrap();
    assert!(records(&batch).is_none());
}

#[test]
fn a_batch_with_more_bytes_than_records_is_refused() {
    let bytes = BatchBuilder::new(Offset(0), LeaderEpoch(0))
        .raw_body(Compression::None, &[2, 0], 0, 0, 0)
        .build();
    let batch = Batches::new(&bytes, 0).next().unwrap().unwrap();
    let read: Vec<_> = records(&batch).unwrap().collect();
    assert!(matches!(
        read.as_slice(),
        [Err(MessageError::TrailingBytes { left: 2, .. })]
    ));
}

proptest! {
    #[test]
    fn records_read_back_as_written(pairs in prop::collection::vec(any::<Pair>(), 1..20), base in 0i64..1 << 40) {
        let mut builder = BatchBuilder::new(Offset(base), LeaderEpoch(3));
        for (i, (key, value)) in pairs.iter().enumerate() {
            builder = builder.record(1_000 + i as i64 * 7, key.as_deref(), value.as_deref());
        }
        let bytes = builder.build();
        let batch = Batches::new(&bytes, 0).next().unwrap().unwrap();
        let read: Vec<Pair> = records(&batch).unwrap().map(|record| {
            let record = record.unwrap();
            (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec))
        }).collect();
        prop_assert_eq!(read, pairs);
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let _ = Record::read(&mut Reader::new(&bytes));
    }

    #[test]
    fn headers_read_back_as_written(names in prop::collection::vec(any::<(Vec<u8>, Option<Vec<u8>>)>(), 0..9)) {
        let record = Record {
            attributes: 0, timestamp_delta: -4, offset_delta: 3, key: None, value: Some(b"v"),
            headers: names.iter().map(|(key, value)| RecordHeader { key, value: value.as_deref() }).collect(),
        };
        let mut out = Vec::new();
        record.write(&mut out);
        prop_assert_eq!(Record::read(&mut Reader::new(&out)).unwrap(), record);
    }
}
