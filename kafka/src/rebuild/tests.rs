use proptest::prelude::*;

use super::*;
use crate::batch::{Attributes, BatchBuilder, Batches, Compression};
use crate::control::{ControlRecord, Outcome};
use crate::ids::{LeaderEpoch, ProducerEpoch, ProducerId};
use crate::index::AbortedTransaction;

const LIMITS: SegmentLimits = SegmentLimits {
    segment_bytes: 1_000,
    index_bytes: 10 << 20,
};

fn feed(rebuild: &mut Rebuild, bytes: &[u8]) {
    for batch in Batches::new(bytes, 0) {
        rebuild.append(&batch.unwrap()).unwrap();
    }
}

fn data(base: i64, epoch: i32, producer: i64, producer_epoch: i16, sequence: i32) -> Vec<u8> {
    BatchBuilder::new(Offset(base), LeaderEpoch(epoch))
        .attributes(Attributes::PLAIN.transactional())
        .producer(ProducerId(producer), ProducerEpoch(producer_epoch), sequence)
        .record(base * 10, None, Some(b"a"))
        .record(base * 10 + 1, None, Some(b"b"))
        .build()
}

fn marker(offset: i64, producer: i64, producer_epoch: i16, outcome: Outcome) -> Vec<u8> {
    let (key, value) = ControlRecord::EndTransaction {
        outcome,
        coordinator_epoch: LeaderEpoch(4),
    }
    .encode()
    .unwrap();
    BatchBuilder::new(Offset(offset), LeaderEpoch(1))
        .attributes(Attributes::MARKER)
        .producer(ProducerId(producer), ProducerEpoch(producer_epoch), -1)
        .record(offset * 10, Some(&key), Some(&value))
        .build()
}

#[test]
fn an_aborted_transaction_is_indexed_with_the_last_stable_offset_that_others_allow() {
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    feed(&mut rebuild, &data(0, 1, 7, 0, 0));
    feed(&mut rebuild, &data(2, 1, 8, 0, 0));
    assert_eq!(rebuild.first_unstable_offset(), Some(Offset(0)));
    feed(&mut rebuild, &marker(4, 7, 1, Outcome::Abort));
    feed(&mut rebuild, &marker(5, 8, 1, Outcome::Commit));
    assert_eq!(rebuild.first_unstable_offset(), None);
    let aborted = AbortedTransaction::parse_all(&rebuild.finish().txn_index).unwrap();
    let expected = AbortedTransaction {
        producer_id: ProducerId(7),
        first_offset: Offset(0),
        last_offset: Offset(4),
        last_stable_offset: Offset(2),
    };
    assert_eq!(aborted, [expected]);
}

#[test]
fn a_marker_with_a_raised_epoch_forgets_the_producers_batches() {
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    feed(&mut rebuild, &data(0, 1, 7, 3, 40));
    let before = rebuild.producers();
    assert_eq!(
        (before[0].last_sequence, before[0].last_offset, before[0].offset_delta),
        (41, Offset(1), 1)
    );
    feed(&mut rebuild, &marker(2, 7, 4, Outcome::Commit));
    let after = rebuild.producers();
    assert_eq!(
        (after[0].epoch, after[0].last_sequence, after[0].last_offset),
        (ProducerEpoch(4), -1, Offset(-1))
    );
    assert_eq!((after[0].coordinator_epoch, after[0].timestamp), (LeaderEpoch(4), 20));
}

#[test]
fn a_duplicate_marker_closes_nothing() {
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    feed(&mut rebuild, &data(0, 1, 7, 0, 0));
    feed(&mut rebuild, &marker(2, 7, 0, Outcome::Abort));
    feed(&mut rebuild, &marker(3, 7, 0, Outcome::Abort));
    assert_eq!(rebuild.finish().txn_index.len(), AbortedTransaction::LENGTH);
}

#[test]
fn leader_epochs_are_noted_where_they_start() {
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    for (base, epoch) in [(0, 2), (2, 2), (4, 5), (6, 9)] {
        feed(&mut rebuild, &data(base, epoch, 7, 0, base as i32));
    }
    let noted: Vec<(i32, i64)> = rebuild
        .leader_epochs()
        .iter()
        .map(|e| (e.epoch.0, e.start_offset.0))
        .collect();
    assert_eq!(noted, [(2, 0), (5, 4), (9, 6)]);
}

#[test]
fn every_segment_ends_with_its_largest_timestamp_in_the_time_index() {
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    feed(&mut rebuild, &data(0, 1, 7, 0, 0));
    let indexes = rebuild.roll(Offset(2));
    assert!(indexes.offset_index.is_empty());
    assert_eq!(
        TimeIndexEntry::parse_all(&indexes.time_index),
        [TimeIndexEntry {
            timestamp: 1,
            relative_offset: 1
        }]
    );
}

/// A control batch of a transaction from which compaction took the marker.
fn emptied_marker(offset: i64, producer: i64) -> Vec<u8> {
    BatchBuilder::new(Offset(offset), LeaderEpoch(1))
        .attributes(Attributes::MARKER)
        .producer(ProducerId(producer), ProducerEpoch(5), -1)
        .raw_body(Compression::None, &[], 0, 0, offset * 10)
        .build()
}

/// A message of magic 1: offset, size, CRC, magic, attributes, timestamp, lengths of key and value.
fn message_of_magic_1(offset: i64, timestamp: i64) -> Vec<u8> {
    let mut bytes = offset.to_be_bytes().to_vec();
    bytes.extend_from_slice(&22i32.to_be_bytes());
    bytes.extend_from_slice(&[1, 2, 3, 4, 1, 0]);
    bytes.extend_from_slice(&timestamp.to_be_bytes());
    bytes.extend_from_slice(&[0xff; 8]);
    bytes
}

fn error(rebuild: &mut Rebuild, bytes: &[u8]) -> &'static str {
    let batch = Batches::new(bytes, 0).next().unwrap().unwrap();
    rebuild.append(&batch).unwrap_err().code()
}

#[test]
fn sequences_go_on_from_zero_behind_the_largest() {
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    feed(&mut rebuild, &data(0, 1, 7, 0, i32::MAX));
    assert_eq!(rebuild.producers()[0].last_sequence, 0);
    feed(&mut rebuild, &data(2, 1, 7, 0, 1));
    assert_eq!(rebuild.producers()[0].last_sequence, 2);
}

#[test]
fn offset_commits_of_a_coordinator_have_no_sequence() {
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    feed(&mut rebuild, &data(0, 1, 7, 3, -1));
    let [entry] = rebuild.producers()[..] else {
        panic!("one producer")
    };
    assert_eq!(
        (entry.last_sequence, entry.last_offset, entry.offset_delta),
        (-1, Offset(1), 1)
    );
    assert_eq!(
        rebuild.open_transactions().collect::<Vec<_>>(),
        [(Offset(0), ProducerId(7))]
    );
}

#[test]
fn a_batch_of_an_older_epoch_counts_as_kafkas_recovery_counts_it() {
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    feed(&mut rebuild, &data(0, 1, 7, 3, 10));
    feed(&mut rebuild, &data(2, 1, 7, 2, 90));
    let [entry] = rebuild.producers()[..] else {
        panic!("one producer")
    };
    assert_eq!((entry.epoch, entry.last_sequence), (ProducerEpoch(2), 91));
    assert_eq!(entry.current_txn_first_offset, Offset(0));
}

#[test]
fn an_emptied_marker_changes_nothing_but_that_its_producer_is_known() {
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    feed(&mut rebuild, &data(0, 1, 7, 3, 10));
    let before = rebuild.producers();
    feed(&mut rebuild, &emptied_marker(2, 7));
    assert_eq!(rebuild.producers(), before);
    assert_eq!(rebuild.last_stable_offset(), Offset(0));
    feed(&mut rebuild, &emptied_marker(3, 8));
    assert_eq!(rebuild.producers()[1].epoch, ProducerEpoch(-1));
    assert_eq!(rebuild.log_end(), Offset(4));
}

#[test]
fn the_leaders_time_is_a_markers_time() {
    let (key, value) = ControlRecord::EndTransaction {
        outcome: Outcome::Commit,
        coordinator_epoch: LeaderEpoch(4),
    }
    .encode()
    .unwrap();
    let bytes = BatchBuilder::new(Offset(0), LeaderEpoch(1))
        .attributes(Attributes(Attributes::MARKER.0 | 1 << 3))
        .producer(ProducerId(7), ProducerEpoch(0), -1)
        .record(500, Some(&key), Some(&value))
        .record(900, Some(&key), Some(&value))
        .build();
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    feed(&mut rebuild, &bytes);
    assert_eq!(rebuild.producers()[0].timestamp, 900);
}

#[test]
fn a_broker_that_takes_over_a_snapshot_knows_its_open_transactions() {
    let mut first = Rebuild::new(Offset(0), 4_096);
    feed(&mut first, &data(0, 1, 7, 0, 0));
    feed(&mut first, &data(2, 1, 8, 0, 0));
    let mut second = Rebuild::new(Offset(4), 4_096);
    second.load_producers(first.producers());
    assert_eq!(second.last_stable_offset(), Offset(0));
    for rebuild in [&mut first, &mut second] {
        feed(rebuild, &marker(4, 7, 0, Outcome::Abort));
        assert_eq!(rebuild.last_stable_offset(), Offset(2));
    }
    assert_eq!(first.producers(), second.producers());
    assert_eq!(first.finish().txn_index, second.finish().txn_index);
}

#[test]
fn a_batch_that_goes_back_is_refused_and_nothing_of_it_taken() {
    let mut rebuild = Rebuild::new(Offset(0), 0);
    feed(&mut rebuild, &data(0, 1, 7, 0, 0));
    let before = format!("{rebuild:?}");
    assert_eq!(error(&mut rebuild, &data(1, 1, 7, 0, 2)), "batch-out-of-order");
    assert_eq!(format!("{rebuild:?}"), before);
}

#[test]
fn a_batch_that_no_index_can_point_at_is_refused() {
    let far = i64::from(i32::MAX);
    let mut rebuild = Rebuild::new(Offset(0), 0);
    feed(&mut rebuild, &data(0, 1, 7, 0, 0));
    let bytes = data(far, 1, 7, 0, 2);
    let batch = Batches::new(&bytes, 0).next().unwrap().unwrap();
    assert!(rebuild.should_roll(LIMITS, &batch));
    assert_eq!(error(&mut rebuild, &bytes), "segment-full");
    rebuild.roll(Offset(far));
    rebuild.append(&batch).unwrap();
}

#[test]
fn a_marker_that_cannot_be_read_is_no_marker() {
    let torn = |body: &[u8], count| {
        BatchBuilder::new(Offset(0), LeaderEpoch(1))
            .attributes(Attributes::MARKER)
            .producer(ProducerId(7), ProducerEpoch(0), -1)
            .raw_body(Compression::None, body, count, 0, 0)
    };
    let mut rebuild = Rebuild::new(Offset(0), 0);
    assert_eq!(error(&mut rebuild, &torn(&[9, 9], 1).build()), "marker-unreadable");
    assert_eq!(error(&mut rebuild, &torn(&[], -1).build()), "marker-hidden");
    let compressed = torn(&[9, 9], 1).raw_body(Compression::Zstd, &[9, 9], 1, 0, 0).build();
    assert_eq!(error(&mut rebuild, &compressed), "marker-hidden");
}

#[test]
fn messages_of_old_magics_are_indexed_by_their_own_timestamps() {
    let mut rebuild = Rebuild::new(Offset(0), 30);
    for (offset, timestamp) in [(0, 50), (1, 40), (2, 60)] {
        feed(&mut rebuild, &message_of_magic_1(offset, timestamp));
    }
    let indexes = rebuild.finish();
    let positions: Vec<i32> = OffsetIndexEntry::parse_all(&indexes.offset_index)
        .iter()
        .map(|entry| entry.position)
        .collect();
    assert_eq!(positions, [34, 68]);
    let times: Vec<(i64, i32)> = TimeIndexEntry::parse_all(&indexes.time_index)
        .iter()
        .map(|entry| (entry.timestamp, entry.relative_offset))
        .collect();
    assert_eq!(times, [(50, 0), (60, 2)]);
    assert!(rebuild.leader_epochs().is_empty() && rebuild.producers().is_empty());
}

proptest! {
    /// Whatever a batch says of itself, it is taken or refused.
    #[test]
    fn batches_with_any_header_never_panic(
        headers in prop::collection::vec(prop::collection::vec(any::<u8>(), 61), 1..6),
        body: Vec<u8>,
        interval in 0u64..200,
    ) {
        let mut rebuild = Rebuild::new(Offset(0), interval);
        for mut bytes in headers {
            // A whole batch with the right CRC, at a small offset.
            bytes[16] = 2;
            bytes.extend_from_slice(&body);
            bytes[..6].fill(0);
            bytes[23] &= 0x7f;
            let length = (bytes.len() - 12) as i32;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            let crc = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
            let batch = Batches::new(&bytes, 0).next().unwrap().unwrap();
            if rebuild.should_roll(LIMITS, &batch) {
                rebuild.roll(batch.base_offset());
            }
            let _ = rebuild.append(&batch);
        }
        let indexes = rebuild.finish();
        prop_assert_eq!(indexes.txn_index.len() % AbortedTransaction::LENGTH, 0);
    }

    /// The last stable offset never lies behind an open transaction, whatever the order of what producers do.
    #[test]
    fn open_transactions_hold_the_last_stable_offset_back(steps in prop::collection::vec((0i64..4, 0u8..3), 1..80)) {
        let mut rebuild = Rebuild::new(Offset(0), 4_096);
        let mut open: std::collections::BTreeMap<i64, i64> = std::collections::BTreeMap::new();
        let mut aborted = 0;
        for (producer, what) in steps {
            let at = rebuild.log_end().0;
            match what {
                0 => {
                    open.entry(producer).or_insert(at);
                    feed(&mut rebuild, &data(at, 1, producer, 0, 0));
                }
                1 => {
                    open.remove(&producer);
                    feed(&mut rebuild, &marker(at, producer, 0, Outcome::Commit));
                }
                _ => {
                    aborted += usize::from(open.remove(&producer).is_some());
                    feed(&mut rebuild, &marker(at, producer, 0, Outcome::Abort));
                }
            }
            let expected = open.values().min().copied().unwrap_or(rebuild.log_end().0);
            prop_assert_eq!(rebuild.last_stable_offset(), Offset(expected));
        }
        let entries = AbortedTransaction::parse_all(&rebuild.finish().txn_index).unwrap();
        prop_assert_eq!(entries.len(), aborted);
        prop_assert!(entries.windows(2).all(|pair| pair[0].last_offset < pair[1].last_offset));
    }

    /// Whatever the sizes, every indexed batch is found at the position that its entry says.
    #[test]
    fn index_entries_point_at_batches(sizes in prop::collection::vec(1usize..700, 1..60), interval in 0u64..900) {
        let mut rebuild = Rebuild::new(Offset(0), interval);
        let mut segment = Vec::new();
        let mut base = Offset(0);
        let mut next = 0;
        let check = |indexes: SegmentIndexes, segment: &[u8], base: Offset| -> Result<(), TestCaseError> {
            for entry in OffsetIndexEntry::parse_all(&indexes.offset_index) {
                let batch = Batches::new(&segment[entry.position as usize..], 0).next().unwrap().unwrap();
                prop_assert_eq!(batch.next_offset().0 - 1, base.0 + i64::from(entry.relative_offset));
            }
            Ok(())
        };
        for size in sizes {
            let bytes = BatchBuilder::new(Offset(next), LeaderEpoch(0)).record(next, None, Some(&vec![7; size])).build();
            let batch = Batches::new(&bytes, 0).next().unwrap().unwrap();
            if rebuild.should_roll(LIMITS, &batch) {
                check(rebuild.roll(Offset(next)), &segment, base)?;
                segment.clear();
                base = Offset(next);
            }
            rebuild.append(&batch).unwrap();
            segment.extend_from_slice(&bytes);
            prop_assert!(segment.len() <= 1_000 || segment.len() == bytes.len());
            next += 1;
        }
        check(rebuild.finish(), &segment, base)?;
    }
}
