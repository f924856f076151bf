use proptest::prelude::*;

use super::*;
use crate::ids::{LeaderEpoch, Offset, TopicId, Uuid};
use crate::message::sample::{Dice, Sample, sample_message};
use crate::message::tests::kafkas_messages;

#[test]
fn every_value_that_kafka_writes_comes_back_byte_for_byte() {
    let mut seen = 0;
    for (name, version, how, bytes) in kafkas_messages() {
        let again = match name {
            "OffsetCommitValue" => OffsetCommitValue::decode(version, &bytes).unwrap().encode().unwrap(),
            "GroupMetadataValue" => GroupMetadataValue::decode(version, &bytes).unwrap().encode().unwrap(),
            _ => continue,
        };
        assert_eq!(again, bytes, "{name} {version} {how}");
        seen += 1;
    }
    assert_eq!(seen, 20);
}

#[test]
fn a_commits_fields_are_where_kafka_put_them() {
    let (.., bytes) = kafkas_messages()
        .find(|m| (m.0, m.1, m.2) == ("OffsetCommitValue", 4, "filled"))
        .unwrap();
    let mut topic_id = [0; 16];
    (topic_id[7], topic_id[15]) = (4, 5);
    let expected = OffsetCommitValue {
        offset: Offset(1),
        leader_epoch: LeaderEpoch(2),
        metadata: "metadata".into(),
        commit_timestamp: 3,
        topic_id: TopicId(Uuid(topic_id)),
        ..OffsetCommitValue::default()
    };
    assert_eq!(OffsetCommitValue::decode(4, &bytes).unwrap(), expected);
}

#[test]
fn a_key_of_a_newer_kind_is_carried_with_its_group() {
    let key = [0, 8, 0, 2, b'g', b'1', 0, 1, b'm'];
    let record = GroupRecord::decode(&key, Some(&[9, 9])).unwrap();
    assert_eq!(
        (record.kind().name(), record.group()),
        (Some("ConsumerGroupCurrentMemberAssignment"), Some("g1"))
    );
    assert_eq!(record.encode_key().unwrap().as_ref(), key);
    assert_eq!(record.encode_value().unwrap().as_deref(), Some(&[9, 9][..]));
}

#[test]
fn a_key_of_an_unknown_kind_is_carried_without_a_group() {
    let record = GroupRecord::decode(&[0x7f, 0, 1, 2], None).unwrap();
    assert_eq!((record.kind().name(), record.group()), (None, None));
}

fn record(dice: &mut Dice) -> GroupRecord {
    let layout = OffsetCommitValue::layout(0).unwrap();
    let group = String::sample(dice, layout);
    match dice.below(2) {
        0 => GroupRecord::OffsetCommit {
            key: OffsetCommitKey {
                version: dice.below(2) as i16,
                group,
                topic: String::sample(dice, layout),
                partition: PartitionId::sample(dice, layout),
            },
            value: (dice.below(4) > 0).then(|| sample_message(dice)),
        },
        _ => GroupRecord::GroupMetadata {
            group,
            value: (dice.below(4) > 0).then(|| sample_message(dice)),
        },
    }
}

proptest! {
    #[test]
    fn every_record_comes_back(seed: u64) {
        let record = record(&mut Dice(seed));
        let (key, value) = (record.encode_key().unwrap(), record.encode_value().unwrap());
        prop_assert_eq!(GroupRecord::decode(&key, value.as_deref()).unwrap(), record);
    }

    #[test]
    fn garbage_never_panics(
        mut key in proptest::collection::vec(any::<u8>(), 0..60),
        mut value in proptest::collection::vec(any::<u8>(), 0..160),
        kind in 0u8..4,
        version in 0u8..6,
    ) {
        let _ = GroupRecord::decode(&key, Some(&value));
        key.splice(0..0, [0, kind]);
        value.splice(0..0, [0, version]);
        if let Ok(record) = GroupRecord::decode(&key, Some(&value)) {
            let _ = record.group();
        }
        let _ = GroupMetadataValue::decode_versioned(&value);
        let _ = OffsetCommitValue::decode_versioned(&value);
    }
}
