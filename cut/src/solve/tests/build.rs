//! Captures, briefly.

use std::collections::BTreeMap;

use maxbrod_kafka::consumer_offsets::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
use maxbrod_kafka::transaction_state::{TransactionLogValue, TransactionPartitions, TransactionRecord};
use maxbrod_kafka::{LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId, Uuid};

use crate::capture::{
    Capture, CapturedPartition, Cleaning, CoordinatorRecord, Cut, PartitionKey, PartitionKind, TransactionalRun,
    TransactionalRunKind,
};
use crate::cuts::Cuts;
use crate::prefix::BatchEnd;

pub(super) use TransactionalRunKind::Data;

pub(super) const COMMIT: TransactionalRunKind = TransactionalRunKind::Commit {
    coordinator_epoch: LeaderEpoch(0),
};
pub(super) const ABORT: TransactionalRunKind = TransactionalRunKind::Abort {
    coordinator_epoch: LeaderEpoch(0),
};

/// States as Kafka numbers them.
pub(super) const EMPTY: i8 = 0;
pub(super) const ONGOING: i8 = 1;
pub(super) const PREPARE_COMMIT: i8 = 2;
pub(super) const PREPARE_ABORT: i8 = 3;
pub(super) const COMPLETE_COMMIT: i8 = 4;

pub(super) fn key(topic: &str, partition: i32) -> PartitionKey {
    let mut id = [0; 16];
    id.iter_mut().zip(topic.bytes()).for_each(|(to, from)| *to = from);
    PartitionKey {
        topic_id: TopicId(Uuid(id)),
        partition: PartitionId(partition),
    }
}

/// Where a partition named like `a-0` is cut.
pub(super) fn cut_of(cuts: &Cuts, name: &str) -> i64 {
    let (topic, partition) = name.rsplit_once('-').unwrap();
    cuts.cuts[&key(topic, partition.parse().unwrap())].offset().0
}

/// A partition with a batch per record from its start to its end.
pub(super) fn partition(name: &str, start: i64, end: i64) -> CapturedPartition {
    let (topic, number) = name.rsplit_once('-').unwrap();
    CapturedPartition {
        key: key(topic, number.parse().unwrap()),
        topic: topic.to_owned(),
        kind: PartitionKind::of_topic(topic),
        start: Some(Cut::After(batch(start))),
        sweeps: vec![Offset(start)],
        end: Cut::After(batch(end)),
        batches: (start..=end).map(batch).collect(),
        tail: Vec::new(),
        states: Vec::new(),
        records: Vec::new(),
        open_at_start: Some(Vec::new()),
        cleaning: Cleaning::Never,
        unreadable: None,
    }
}

pub(super) fn batch(end: i64) -> BatchEnd {
    BatchEnd {
        end_offset: Offset(end),
        leader_epoch: LeaderEpoch(0),
        crc: end as u32,
    }
}

/// A run of one record.
pub(super) fn run(offset: i64, producer: i64, epoch: i16, kind: TransactionalRunKind) -> TransactionalRun {
    TransactionalRun {
        base_offset: Offset(offset),
        next_offset: Offset(offset + 1),
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(epoch),
        kind,
    }
}

/// A state of a transactional id, with the partitions it has registered.
pub(super) fn state(
    id: &str,
    producer: i64,
    epoch: i16,
    status: i8,
    version: i16,
    partitions: &[&str],
) -> TransactionRecord {
    let mut topics: BTreeMap<&str, Vec<PartitionId>> = BTreeMap::new();
    for name in partitions {
        let (topic, number) = name.rsplit_once('-').unwrap();
        topics
            .entry(topic)
            .or_default()
            .push(PartitionId(number.parse().unwrap()));
    }
    let topics = topics.into_iter().map(|(topic, partition_ids)| TransactionPartitions {
        topic: topic.to_owned(),
        partition_ids,
        ..TransactionPartitions::default()
    });
    TransactionRecord {
        transactional_id: id.to_owned(),
        value: Some(TransactionLogValue {
            producer_id: ProducerId(producer),
            producer_epoch: ProducerEpoch(epoch),
            transaction_status: status,
            transaction_partitions: Some(topics.collect()),
            client_transaction_version: version,
            ..TransactionLogValue::default()
        }),
    }
}

pub(super) fn stored(offset: i64, record: &TransactionRecord) -> CoordinatorRecord {
    CoordinatorRecord {
        offset: Offset(offset),
        key: record.encode_key().unwrap(),
        value: record.encode_value().unwrap(),
    }
}

/// A partition of `__transaction_state`: what was there before, and the records since.
pub(super) fn home(
    number: i32,
    start: i64,
    states: &[TransactionRecord],
    records: &[TransactionRecord],
) -> CapturedPartition {
    let name = format!("__transaction_state-{number}");
    let mut home = partition(&name, start, start + records.len() as i64);
    home.states = states
        .iter()
        .enumerate()
        .map(|(at, of)| stored(at as i64, of))
        .collect();
    home.records = records
        .iter()
        .enumerate()
        .map(|(at, of)| stored(start + at as i64, of))
        .collect();
    home
}

/// A group's offset.
pub(super) fn committed(at: i64, group: &str, name: &str, offset: i64) -> CoordinatorRecord {
    let (topic, number) = name.rsplit_once('-').unwrap();
    let record = GroupRecord::OffsetCommit {
        key: OffsetCommitKey {
            version: 1,
            group: group.to_owned(),
            topic: topic.to_owned(),
            partition: PartitionId(number.parse().unwrap()),
        },
        value: Some(OffsetCommitValue {
            offset: Offset(offset),
            ..OffsetCommitValue::default()
        }),
    };
    CoordinatorRecord {
        offset: Offset(at),
        key: record.encode_key().unwrap(),
        value: record.encode_value().unwrap(),
    }
}

pub(super) fn capture(partitions: impl IntoIterator<Item = CapturedPartition>) -> Capture {
    Capture {
        partitions: partitions.into_iter().collect(),
        absent: Vec::new(),
        read_again: true,
    }
}

pub(super) fn with_tail(mut partition: CapturedPartition, tail: &[TransactionalRun]) -> CapturedPartition {
    partition.tail = tail.to_vec();
    partition
}
