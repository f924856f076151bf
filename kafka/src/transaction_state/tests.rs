use proptest::prelude::*;

use super::*;
use crate::message::sample::{Dice, Sample, sample_message};
use crate::message::tests::kafkas_messages;

#[test]
fn every_value_that_kafka_writes_comes_back_byte_for_byte() {
    let mut seen = 0;
    for (_, version, how, bytes) in kafkas_messages().filter(|message| message.0 == "TransactionLogValue") {
        let value = TransactionLogValue::decode(version, &bytes).unwrap();
        assert_eq!(value.encode().unwrap(), bytes, "{version} {how}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn a_values_fields_are_where_kafka_put_them() {
    let partitions = |first| TransactionPartitions {
        topic: "topic".into(),
        partition_ids: vec![PartitionId(first), PartitionId(first + 1)],
        ..TransactionPartitions::default()
    };
    let expected = TransactionLogValue {
        producer_id: ProducerId(1),
        producer_epoch: ProducerEpoch(2),
        transaction_timeout_ms: 3,
        transaction_status: 4,
        transaction_partitions: Some(vec![partitions(5), partitions(7)]),
        transaction_last_update_timestamp_ms: 9,
        transaction_start_timestamp_ms: 10,
        previous_producer_id: ProducerId(11),
        next_producer_id: ProducerId(12),
        client_transaction_version: 13,
        next_producer_epoch: ProducerEpoch(14),
        ..TransactionLogValue::default()
    };
    let (.., bytes) = kafkas_messages()
        .find(|m| (m.0, m.1, m.2) == ("TransactionLogValue", 1, "filled"))
        .unwrap();
    let value = TransactionLogValue::decode(1, &bytes).unwrap();
    assert_eq!(value, expected);
    assert_eq!(value.status(), Some(TransactionStatus::CompleteCommit));
    assert!(value.writes_to("topic", PartitionId(8)));
    assert!(!value.writes_to("topic", PartitionId(9)));
}

#[test]
fn a_key_of_another_version_is_refused() {
    let error = TransactionRecord::decode(&[0, 1, 0, 1, b'a'], None).unwrap_err();
    assert_eq!(
        error,
        MessageError::UnsupportedVersion {
            message: "TransactionLogKey",
            version: 1
        }
    );
}

proptest! {
    #[test]
    fn every_record_comes_back(seed: u64) {
        let mut dice = Dice(seed);
        let layout = TransactionLogValue::layout(0).unwrap();
        let record = TransactionRecord {
            transactional_id: String::sample(&mut dice, layout),
            value: (dice.below(4) > 0).then(|| sample_message(&mut dice)),
        };
        let (key, value) = (record.encode_key().unwrap(), record.encode_value().unwrap());
        prop_assert_eq!(TransactionRecord::decode(&key, value.as_deref()).unwrap(), record);
    }

    #[test]
    fn garbage_never_panics(
        key in proptest::collection::vec(any::<u8>(), 0..40),
        mut value in proptest::collection::vec(any::<u8>(), 0..120),
        version in 0u8..3,
    ) {
        let _ = TransactionRecord::decode(&key, Some(&value));
        value.splice(0..0, [0, version]);
        let _ = TransactionRecord::decode(&[0, 0, 0, 1, b'a'], Some(&value));
    }
}
