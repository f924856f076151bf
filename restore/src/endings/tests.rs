use maxbrod_kafka::TopicId;
use maxbrod_kafka::Uuid;
use maxbrod_kafka::transaction_state::{TransactionLogValue, TransactionPartitions};

use super::*;

const STATE: PartitionKey = (TopicId(Uuid([2; 16])), PartitionId(4));
const ORDERS: PartitionKey = (TopicId(Uuid([1; 16])), PartitionId(1));

fn state(id: &str, producer: i64, status: TransactionStatus) -> TransactionRecord {
    let value = TransactionLogValue {
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(7),
        transaction_status: status.code(),
        transaction_partitions: Some(vec![TransactionPartitions {
            topic: "orders".to_owned(),
            partition_ids: vec![PartitionId(0), PartitionId(1)],
            ..TransactionPartitions::default()
        }]),
        client_transaction_version: 2,
        ..TransactionLogValue::default()
    };
    TransactionRecord {
        transactional_id: id.to_owned(),
        value: Some(value),
    }
}

fn log(records: &[TransactionRecord]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (offset, record) in records.iter().enumerate() {
        let (key, value) = (record.encode_key().unwrap(), record.encode_value().unwrap());
        let batch = BatchBuilder::new(Offset(offset as i64), LeaderEpoch(3)).record(5, Some(&key), value.as_deref());
        bytes.extend(batch.build());
    }
    bytes
}

fn endings(records: &[TransactionRecord], cut: i64) -> Endings {
    let mut last = BTreeMap::new();
    fold(&log(records), Offset(cut), &mut last).unwrap();
    let mut endings = Endings::default();
    endings.add(STATE, last);
    endings
}

fn of(endings: &Endings, topic: &str, key: PartitionKey) -> LogEnding {
    endings.of(topic, key, LeaderEpoch(1_003), 99)
}

#[test]
fn a_decided_transaction_is_ended_in_each_of_its_partitions_and_completed() {
    let endings = endings(
        &[
            state("teller", 11, TransactionStatus::Ongoing),
            state("teller", 11, TransactionStatus::PrepareCommit),
            state("quitter", 12, TransactionStatus::PrepareAbort),
        ],
        3,
    );
    let ending = of(&endings, "orders", ORDERS);
    let outcomes: Vec<_> = ending.markers.iter().map(|it| (it.producer_id.0, it.outcome)).collect();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.contains(&(11, Outcome::Commit)) && outcomes.contains(&(12, Outcome::Abort)));
    let completed: Vec<_> = of(&endings, "__transaction_state", STATE)
        .completions
        .iter()
        .filter_map(|record| record.value.as_ref()?.status())
        .collect();
    assert_eq!(completed.len(), 2);
    assert!(completed.contains(&TransactionStatus::CompleteCommit));
    assert!(completed.contains(&TransactionStatus::CompleteAbort));
}

#[test]
fn what_is_not_decided_below_the_cut_is_aborted_and_its_producer_fenced() {
    let records = [
        state("teller", 11, TransactionStatus::Ongoing),
        state("teller", 11, TransactionStatus::PrepareCommit),
    ];
    let undecided = endings(&records, 1);
    let expected = Marker {
        producer_id: ProducerId(11),
        producer_epoch: ProducerEpoch(8),
        outcome: Outcome::Abort,
    };
    assert_eq!(of(&undecided, "orders", ORDERS).markers, [expected]);
    let completed = of(&undecided, "__transaction_state", STATE).completions;
    let value = completed[0].value.as_ref().unwrap();
    assert_eq!(
        (value.status(), value.producer_epoch),
        (Some(TransactionStatus::CompleteAbort), ProducerEpoch(8))
    );
}

#[test]
fn what_is_over_or_needs_another_producer_id_is_left_to_the_coordinator() {
    let ended = [
        state("teller", 11, TransactionStatus::PrepareCommit),
        state("teller", 11, TransactionStatus::CompleteCommit),
    ];
    assert_eq!(of(&endings(&ended, 2), "orders", ORDERS).markers.len(), 0);
    let mut rotating = state("old", 13, TransactionStatus::PrepareCommit);
    rotating.value.as_mut().unwrap().next_producer_id = ProducerId(2_000);
    assert_eq!(of(&endings(&[rotating], 1), "orders", ORDERS).markers.len(), 0);
}

#[test]
fn a_marker_is_only_written_where_its_transaction_is_open() {
    let endings = endings(
        &[
            state("teller", 11, TransactionStatus::PrepareCommit),
            state("quitter", 12, TransactionStatus::PrepareAbort),
        ],
        2,
    );
    let batches = of(&endings, "orders", ORDERS)
        .batches(Offset(40), &[ProducerId(12)])
        .unwrap();
    assert_eq!(batches.len(), 1);
    let batch = Batches::new(&batches[0], 0).next().unwrap().unwrap();
    let header = batch.header.unwrap();
    assert_eq!(
        (header.base_offset, header.leader_epoch),
        (Offset(40), LeaderEpoch(1_003))
    );
    assert_eq!(
        (header.producer_id, header.producer_epoch),
        (ProducerId(12), ProducerEpoch(7))
    );
    assert!(header.attributes.is_control() && header.attributes.is_transactional());
    let record = records(&batch).unwrap().next().unwrap().unwrap();
    let expected = ControlRecord::EndTransaction {
        outcome: Outcome::Abort,
        coordinator_epoch: LeaderEpoch(1_003),
    };
    assert_eq!(ControlRecord::decode(&record).unwrap(), expected);
    let nothing = of(&endings, "orders", ORDERS).batches(Offset(40), &[]).unwrap();
    assert!(nothing.is_empty());
}
