//! Captures that make no sense.

use bytes::Bytes;
use maxbrod_kafka::consumer_offsets::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
use maxbrod_kafka::share_group_state::{ShareKey, ShareRecord, ShareSnapshotValue};
use maxbrod_kafka::transaction_state::{TransactionLogValue, TransactionPartitions, TransactionRecord};
use maxbrod_kafka::{LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId, Uuid};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::capture::{
    Absence, AbsentPartition, Capture, CapturedPartition, Cleaning, CoordinatorRecord, Cut, OpenTransaction,
    PartitionKey, PartitionKind, TransactionalRun, TransactionalRunKind,
};
use crate::prefix::BatchEnd;
use crate::solve::{solve, unanchored};

const TOPICS: [&str; 5] = [
    "__transaction_state",
    "__consumer_offsets",
    "__share_group_state",
    "a",
    "b",
];

fn offset() -> impl Strategy<Value = Offset> {
    prop_oneof![
        20 => (0i64..30).prop_map(Offset),
        1 => prop::sample::select(vec![i64::MIN, -1, i64::MAX - 1, i64::MAX]).prop_map(Offset),
    ]
}

fn producer() -> impl Strategy<Value = ProducerId> {
    prop_oneof![20 => 0i64..4, 1 => Just(-1), 1 => Just(i64::MAX)].prop_map(ProducerId)
}

fn epoch() -> impl Strategy<Value = ProducerEpoch> {
    prop_oneof![20 => 0i16..4, 1 => Just(-1), 1 => Just(i16::MIN), 1 => Just(i16::MAX)].prop_map(ProducerEpoch)
}

fn topic() -> impl Strategy<Value = &'static str> {
    prop::sample::select(TOPICS.to_vec())
}

fn topic_id(topic: &str) -> TopicId {
    TopicId(Uuid(
        [TOPICS.iter().position(|of| *of == topic).unwrap_or(9) as u8 + 1; 16],
    ))
}

fn batch_end() -> impl Strategy<Value = BatchEnd> {
    (offset(), 0i32..3).prop_map(|(end_offset, epoch)| BatchEnd {
        end_offset,
        leader_epoch: LeaderEpoch(epoch),
        crc: 0,
    })
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![batch_end().prop_map(Cut::After), offset().prop_map(Cut::Empty)]
}

fn run() -> impl Strategy<Value = TransactionalRun> {
    let coordinator_epoch = LeaderEpoch(0);
    let kind = prop::sample::select(vec![
        TransactionalRunKind::Data,
        TransactionalRunKind::Commit { coordinator_epoch },
        TransactionalRunKind::Abort { coordinator_epoch },
    ]);
    (offset(), offset(), producer(), epoch(), kind).prop_map(|(one, other, producer_id, producer_epoch, kind)| {
        TransactionalRun {
            base_offset: one,
            next_offset: other,
            producer_id,
            producer_epoch,
            kind,
        }
    })
}

fn state() -> impl Strategy<Value = (Bytes, Option<Bytes>)> {
    let ids = (producer(), producer(), producer(), epoch());
    let value = (ids, 0i8..9, vec((topic(), vec(0i32..3, 0..3)), 0..3), 0i16..3);
    ("[ab]", option::weighted(0.9, value)).prop_map(|(id, value)| {
        let value =
            value.map(
                |((producer_id, previous, next, epoch), status, partitions, version)| TransactionLogValue {
                    producer_id,
                    previous_producer_id: previous,
                    next_producer_id: next,
                    producer_epoch: epoch,
                    transaction_status: status,
                    transaction_partitions: Some(
                        partitions
                            .into_iter()
                            .map(|(topic, of)| TransactionPartitions {
                                topic: topic.to_owned(),
                                partition_ids: of.into_iter().map(PartitionId).collect(),
                                ..TransactionPartitions::default()
                            })
                            .collect(),
                    ),
                    client_transaction_version: version,
                    ..TransactionLogValue::default()
                },
            );
        let record = TransactionRecord {
            transactional_id: id,
            value,
        };
        (record.encode_key().unwrap(), record.encode_value().unwrap())
    })
}

fn commit() -> impl Strategy<Value = (Bytes, Option<Bytes>)> {
    ("[gh]", topic(), 0i32..3, offset(), any::<bool>()).prop_map(|(group, topic, partition, offset, has_id)| {
        let record = GroupRecord::OffsetCommit {
            key: OffsetCommitKey {
                version: 1,
                group,
                topic: topic.to_owned(),
                partition: PartitionId(partition),
            },
            value: Some(OffsetCommitValue {
                offset,
                topic_id: if has_id { topic_id(topic) } else { TopicId::default() },
                ..OffsetCommitValue::default()
            }),
        };
        (record.encode_key().unwrap(), record.encode_value().unwrap())
    })
}

fn share() -> impl Strategy<Value = (Bytes, Option<Bytes>)> {
    ("[st]", topic(), 0i32..3, offset()).prop_map(|(group, topic, partition, offset)| {
        let record = ShareRecord::Snapshot {
            key: ShareKey {
                group,
                topic_id: topic_id(topic),
                partition: PartitionId(partition),
            },
            value: Some(ShareSnapshotValue {
                start_offset: offset,
                ..ShareSnapshotValue::default()
            }),
        };
        (record.encode_key().unwrap(), record.encode_value().unwrap())
    })
}

/// A record of any kind, cut short or with a byte changed now and then.
fn record() -> impl Strategy<Value = CoordinatorRecord> {
    let sensible = prop_oneof![4 => state(), 2 => commit(), 1 => share()];
    let noise = (vec(any::<u8>(), 0..12), option::of(vec(any::<u8>(), 0..40)))
        .prop_map(|(key, value)| (Bytes::from(key), value.map(Bytes::from)));
    let damage = option::weighted(0.1, (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()));
    (offset(), prop_oneof![12 => sensible, 1 => noise], damage).prop_map(|(offset, (key, value), damage)| {
        let damaged = |bytes: &Bytes| {
            let mut bytes = bytes.to_vec();
            if let (Some((at, byte, truncates)), false) = (&damage, bytes.is_empty()) {
                let at = at.index(bytes.len());
                match truncates {
                    true => bytes.truncate(at),
                    false => bytes[at] = *byte,
                }
            }
            Bytes::from(bytes)
        };
        CoordinatorRecord {
            offset,
            key: damaged(&key),
            value: value.as_ref().map(damaged),
        }
    })
}

fn partition() -> impl Strategy<Value = CapturedPartition> {
    let place = (
        topic(),
        0i32..3,
        option::weighted(0.9, cut()),
        cut(),
        vec(offset(), 0..4),
    );
    let seen = (
        vec(batch_end(), 0..12),
        vec(run(), 0..12),
        vec(record(), 0..4),
        vec(record(), 0..10),
    );
    let open =
        (producer(), epoch(), offset()).prop_map(|(producer_id, producer_epoch, first_offset)| OpenTransaction {
            producer_id,
            producer_epoch,
            first_offset,
        });
    let cleaning = prop_oneof![
        Just(Cleaning::Never),
        Just(Cleaning::Unknown),
        offset().prop_map(Cleaning::Below)
    ];
    let rest = (
        option::of(vec(open, 0..3)),
        cleaning,
        option::weighted(0.1, "unreadable"),
        any::<bool>(),
    );
    (place, seen, rest).prop_map(|((topic, number, start, end, sweeps), seen, rest)| {
        let (mut batches, mut tail, states, mut records) = seen;
        let (open_at_start, cleaning, unreadable, is_sorted) = rest;
        if is_sorted {
            batches.sort_by_key(|batch| batch.end_offset);
            tail.sort_by_key(|run| run.base_offset);
            records.sort_by_key(|record| record.offset);
        }
        CapturedPartition {
            key: PartitionKey {
                topic_id: topic_id(topic),
                partition: PartitionId(number),
            },
            topic: topic.to_owned(),
            kind: PartitionKind::of_topic(topic),
            start,
            sweeps,
            end,
            batches,
            tail,
            states,
            records,
            open_at_start,
            cleaning,
            unreadable,
        }
    })
}

fn capture() -> impl Strategy<Value = Capture> {
    let absent = (topic(), 0i32..3, any::<bool>()).prop_map(|(topic, partition, is_deleted)| AbsentPartition {
        topic: topic.to_owned(),
        partition: PartitionId(partition),
        reason: if is_deleted {
            Absence::Deleted
        } else {
            Absence::Unvouched
        },
    });
    (vec(partition(), 0..7), vec(absent, 0..2), any::<bool>()).prop_map(|(mut partitions, absent, read_again)| {
        partitions.sort_by_key(|of| of.key);
        partitions.dedup_by_key(|of| of.key);
        Capture {
            partitions,
            absent,
            read_again,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whatever_is_captured_is_cut_at_the_end_of_a_batch_between_its_start_and_its_end(capture in capture()) {
        let cuts = solve(&capture);
        prop_assert_eq!(cuts.cuts.len(), capture.partitions.len());
        for partition in &capture.partitions {
            let cut = cuts.cuts[&partition.key];
            let offset = cut.offset();
            prop_assert!(offset <= partition.end.offset());
            let start = partition.start.map_or(Offset(i64::MIN), |start| start.offset());
            prop_assert!(offset >= start.min(partition.end.offset()));
            let is_batch = partition.batches.iter().any(|batch| Cut::After(*batch) == cut);
            prop_assert!(is_batch || cut == partition.end || Some(cut) == partition.start);
        }
        for cut_back in &cuts.cut_back {
            prop_assert!(cut_back.to < cut_back.from);
            prop_assert!(!cut_back.cause.is_empty());
        }
        if cuts.level != crate::Level::Transactional {
            prop_assert!(!cuts.notes.is_empty(), "the level was lowered without a word");
        }
        let _ = unanchored(&capture);
    }

    #[test]
    fn the_same_capture_is_cut_the_same_way(capture in capture()) {
        let (one, other) = (solve(&capture), solve(&capture));
        prop_assert_eq!(one.cuts, other.cuts);
        prop_assert_eq!(one.notes, other.notes);
        prop_assert_eq!(one.cut_back, other.cut_back);
    }
}
