//! What coordinators wrote with each codec (fixtures/coordinators.sh).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use maxbrod_kafka::consumer_offsets::GroupRecord;
use maxbrod_kafka::share_group_state::ShareRecord;
use maxbrod_kafka::transaction_state::TransactionRecord;
use maxbrod_kafka::{Batches, Compression, Records, decompress};

use crate::Tally;

const CODECS: [(&str, Compression); 5] = [
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

type KeyValue = (Vec<u8>, Option<Vec<u8>>);

/// The records of a topic, without markers; and how many batches have the codec.
fn read(name: &str, codec: Compression, topic: &str) -> (Vec<KeyValue>, usize) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/coordinators");
    let log = fs::read(fixtures.join(name).join(format!("{topic}.log"))).unwrap();
    let (mut records, mut compressed) = (Vec::new(), 0);
    for batch in Batches::new(&log, 0).map(Result::unwrap) {
        let header = batch.header.unwrap();
        compressed += usize::from(header.attributes.compression() == codec);
        if header.attributes.is_control() {
            continue;
        }
        let body = decompress(&batch, 1 << 20).unwrap();
        for record in Records::new(&header, &body).map(Result::unwrap) {
            records.push((record.key.unwrap().to_vec(), record.value.map(<[u8]>::to_vec)));
        }
    }
    (records, compressed)
}

#[test]
fn group_offsets_of_every_codec_are_read() {
    for (name, codec) in CODECS {
        let (records, compressed) = read(name, codec, "__consumer_offsets");
        assert!(compressed >= 8, "{name}: {compressed} batches");
        let mut committed: BTreeMap<(String, i32), i64> = BTreeMap::new();
        let mut tally = Tally::default();
        for (key, value) in &records {
            let record = GroupRecord::decode(key, value.as_deref()).unwrap();
            assert_eq!(record.encode_key().unwrap(), key.as_slice());
            assert_eq!(record.encode_value().unwrap().as_deref(), value.as_deref());
            assert!(record.kind().name().is_some());
            tally.count("records", 1);
            let GroupRecord::OffsetCommit { key, value } = record else {
                continue;
            };
            let key = (key.group, key.partition.0);
            match value {
                Some(value) => drop(committed.insert(key, value.offset.0)),
                None => drop(committed.remove(&key)),
            }
        }
        tally.at_least("records", 25);
        let of = |group: &str| {
            let offsets = committed.iter().filter(|((of, _), _)| of == group);
            offsets
                .map(|((_, partition), offset)| (*partition, *offset))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("by-hand"), [(1, 101), (2, 102)], "{name}");
        // Twenty records and two markers.
        for group in ["classic", "consumer"] {
            assert_eq!(of(group), [(0, 22), (1, 22), (2, 22)], "{name} {group}");
        }
    }
}

#[test]
fn share_group_states_of_every_codec_are_read() {
    for (name, codec) in CODECS {
        let (records, compressed) = read(name, codec, "__share_group_state");
        assert!(compressed >= 3, "{name}: {compressed} batches");
        let mut tally = Tally::default();
        for (key, value) in &records {
            let record = ShareRecord::decode(key, value.as_deref()).unwrap();
            assert_eq!(record.encode_key().unwrap(), key.as_slice());
            assert_eq!(record.encode_value().unwrap().as_deref(), value.as_deref());
            assert_eq!(record.key().unwrap().group, "sharers");
            let (start, batches) = match record {
                ShareRecord::Snapshot { value, .. } => {
                    tally.count("snapshots", 1);
                    let value = value.unwrap();
                    assert!(value.write_timestamp >= value.create_timestamp && value.unknown_tags.is_empty());
                    (value.start_offset.0, value.state_batches)
                }
                ShareRecord::Update { value, .. } => {
                    tally.count("updates", 1);
                    let value = value.unwrap();
                    (value.start_offset.0, value.state_batches)
                }
                ShareRecord::Other { kind, .. } => panic!("a record of kind {kind}"),
            };
            assert!((-1..=22).contains(&start), "{start}");
            for batch in batches {
                assert!(batch.first_offset <= batch.last_offset && batch.last_offset.0 < 22);
                assert!([0, 2, 4].contains(&batch.delivery_state));
                tally.count("state batches", 1);
            }
        }
        tally.at_least("snapshots", 3);
        tally.at_least("updates", 1);
        tally.at_least("state batches", 1);
    }
}

#[test]
fn transactions_are_never_compressed() {
    for (name, _) in CODECS {
        let (records, plain) = read(name, Compression::None, "__transaction_state");
        assert!(plain >= 6 && records.len() == plain);
        for (key, value) in records {
            let record = TransactionRecord::decode(&key, value.as_deref()).unwrap();
            assert_eq!(record.transactional_id, "mover");
        }
    }
}
