use proptest::prelude::*;

use super::*;
use crate::ids::{LeaderEpoch, Offset};
use crate::message::sample::{Dice, Sample, sample_message};
use crate::message::tests::kafkas_messages;

#[test]
fn every_value_that_kafka_writes_comes_back_byte_for_byte() {
    let mut seen = 0;
    for (name, version, how, bytes) in kafkas_messages() {
        let again = match name {
            "ShareSnapshotValue" => ShareSnapshotValue::decode(version, &bytes).unwrap().encode().unwrap(),
            "ShareUpdateValue" => ShareUpdateValue::decode(version, &bytes).unwrap().encode().unwrap(),
            _ => continue,
        };
        assert_eq!(again, bytes, "{name} {version} {how}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn a_snapshots_fields_are_where_kafka_put_them() {
    let (.., bytes) = kafkas_messages()
        .find(|m| (m.0, m.1, m.2) == ("ShareSnapshotValue", 0, "filled"))
        .unwrap();
    let value = ShareSnapshotValue::decode(0, &bytes).unwrap();
    assert_eq!(
        (
            value.snapshot_epoch,
            value.state_epoch,
            value.leader_epoch,
            value.start_offset
        ),
        (1, 2, LeaderEpoch(3), Offset(4))
    );
    assert_eq!((value.create_timestamp, value.write_timestamp), (5, 6));
    assert_eq!(
        value.state_batches[1],
        ShareStateBatch {
            first_offset: Offset(11),
            last_offset: Offset(12),
            delivery_state: 13,
            delivery_count: 14,
            ..ShareStateBatch::default()
        }
    );
    assert_eq!(value.delivery_complete_count, 15);
}

#[test]
fn keys_are_laid_out_as_kafka_does() {
    let key = [[0, 1, 0, 2, b'g', b'1'].as_slice(), &[7; 16], &[0, 0, 0, 3]].concat();
    let record = ShareRecord::decode(&key, None).unwrap();
    let expected = ShareKey {
        group: "g1".into(),
        topic_id: TopicId(Uuid([7; 16])),
        partition: PartitionId(3),
    };
    assert_eq!(
        record,
        ShareRecord::Update {
            key: expected,
            value: None
        }
    );
    assert_eq!(record.encode_key().unwrap(), key);
}

#[test]
fn a_key_of_an_unknown_kind_is_carried() {
    let record = ShareRecord::decode(&[0, 2, 9], Some(&[1])).unwrap();
    assert_eq!(record.key(), None);
    assert_eq!(record.encode_key().unwrap().as_ref(), [0, 2, 9]);
    assert_eq!(record.encode_value().unwrap().as_deref(), Some(&[1][..]));
}

fn record(dice: &mut Dice) -> ShareRecord {
    let layout = ShareSnapshotValue::layout(0).unwrap();
    let key = ShareKey {
        group: String::sample(dice, layout),
        topic_id: TopicId::sample(dice, layout),
        partition: PartitionId::sample(dice, layout),
    };
    let is_there = dice.below(4) > 0;
    match dice.below(2) {
        0 => ShareRecord::Snapshot {
            key,
            value: is_there.then(|| sample_message(dice)),
        },
        _ => ShareRecord::Update {
            key,
            value: is_there.then(|| sample_message(dice)),
        },
    }
}

proptest! {
    #[test]
    fn every_record_comes_back(seed: u64) {
        let record = record(&mut Dice(seed));
        let (key, value) = (record.encode_key().unwrap(), record.encode_value().unwrap());
        prop_assert_eq!(ShareRecord::decode(&key, value.as_deref()).unwrap(), record);
    }

    #[test]
    fn garbage_never_panics(
        mut key in proptest::collection::vec(any::<u8>(), 0..60),
        mut value in proptest::collection::vec(any::<u8>(), 0..160),
        kind in 0u8..3,
        version in 0u8..2,
    ) {
        let _ = ShareRecord::decode(&key, Some(&value));
        key.splice(0..0, [0, kind]);
        value.splice(0..0, [0, version]);
        let _ = ShareRecord::decode(&key, Some(&value));
        let _ = ShareSnapshotValue::decode_versioned(&value);
        let _ = ShareUpdateValue::decode_versioned(&value);
    }
}
