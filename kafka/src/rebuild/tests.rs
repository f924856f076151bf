use proptest::prelude::*;

use super::*;
use crate::batch::{Attributes, BatchBuilder, Batches};
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

proptest! {
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
