//! Indexes, regenerated.

use maxbrod_kafka::{
    AbortedTransaction, Batches, ControlRecord, Offset, OffsetIndexEntry, Outcome, Rebuild, SegmentFile,
    SegmentIndexes, TimeIndexEntry, records,
};

use crate::{Partition, Tally};

/// The indexes of each segment, as far as its batches are below `until`.
fn regenerate(partition: &Partition, until: Offset) -> Vec<(Offset, SegmentIndexes)> {
    let segments = partition.segments();
    let mut rebuild = Rebuild::new(segments[0].0, partition.index_interval_bytes());
    let mut indexes = Vec::new();
    for (number, (base, log)) in segments.iter().enumerate() {
        if number > 0 {
            indexes.push((segments[number - 1].0, rebuild.roll(*base)));
        }
        for batch in Batches::new(log, 0).map(Result::unwrap) {
            if batch.base_offset() < until {
                rebuild.append(&batch).unwrap();
            }
        }
    }
    indexes.push((segments[segments.len() - 1].0, rebuild.finish()));
    indexes
}

/// A live broker counts the bytes since the last index entry from zero when it opens a segment, and a recovered segment has a
/// final time index entry where it ended. So the indexes of the segments that were active when the broker was killed are
/// compared up to there, which is what Kafka's own recovery wrote; all others are compared whole.
#[test]
fn indexes_are_regenerated_byte_for_byte() {
    let mut tally = Tally::default();
    for partition in Partition::all() {
        let restart = partition.restart();
        let whole = regenerate(&partition, Offset(i64::MAX));
        let recovered = regenerate(&partition, restart);
        for (number, ((base, whole), (_, recovered))) in whole.iter().zip(&recovered).enumerate() {
            let next = partition.offsets(SegmentFile::Log).get(number + 1).copied();
            let at = format!("{} {base}", partition.name);
            let index = partition.read(SegmentFile::Index, *base).unwrap();
            let times = partition.read(SegmentFile::TimeIndex, *base).unwrap();
            if *base < restart && next.is_none_or(|next| restart < next) {
                assert!(index.starts_with(&recovered.offset_index), "{at}.index");
                assert!(times.starts_with(&recovered.time_index), "{at}.timeindex");
                let last = |bytes: &[u8]| TimeIndexEntry::parse_all(bytes).last().copied();
                assert_eq!(last(&times), last(&whole.time_index), "{at}.timeindex");
                tally.count("recovered segments", 1);
            } else {
                assert_eq!(index, whole.offset_index, "{at}.index");
                assert_eq!(times, whole.time_index, "{at}.timeindex");
                tally.count(
                    "offset index entries",
                    whole.offset_index.len() / OffsetIndexEntry::LENGTH,
                );
                tally.count("time index entries", whole.time_index.len() / TimeIndexEntry::LENGTH);
            }
            let aborted = partition.read(SegmentFile::TxnIndex, *base).unwrap_or_default();
            assert_eq!(aborted, whole.txn_index, "{at}.txnindex");
            tally.count("aborted transactions", aborted.len() / AbortedTransaction::LENGTH);
        }
    }
    tally.at_least("recovered segments", 8);
    tally.at_least("offset index entries", 80);
    tally.at_least("time index entries", 80);
    tally.at_least("aborted transactions", 25);
}

#[test]
fn every_index_entry_of_kafkas_leads_to_its_batch() {
    let mut tally = Tally::default();
    for partition in Partition::all() {
        for (base, log) in partition.segments() {
            let entries = OffsetIndexEntry::parse_all(&partition.read(SegmentFile::Index, base).unwrap());
            for entry in &entries {
                let position = usize::try_from(entry.position).unwrap();
                let batch = Batches::new(&log[position..], 0).next().unwrap().unwrap();
                assert_eq!(batch.last_offset().0 - base.0, i64::from(entry.relative_offset));
                assert_eq!(OffsetIndexEntry::lookup(&entries, entry.relative_offset), Some(*entry));
                tally.count("offset index entries", 1);
            }
            for entry in TimeIndexEntry::parse_all(&partition.read(SegmentFile::TimeIndex, base).unwrap()) {
                let covered = |offset: Offset| offset.0 - base.0 <= i64::from(entry.relative_offset);
                let newest = Batches::new(&log, 0)
                    .map(Result::unwrap)
                    .filter(|batch| covered(batch.last_offset()))
                    .map(|batch| batch.max_timestamp())
                    .max();
                assert_eq!(newest, Some(entry.timestamp), "{} {base}", partition.name);
                tally.count("time index entries", 1);
            }
        }
    }
    tally.at_least("offset index entries", 100);
    tally.at_least("time index entries", 100);
}

#[test]
fn every_aborted_transaction_of_kafkas_has_its_marker() {
    let mut tally = Tally::default();
    for partition in Partition::all() {
        for (base, log) in partition.segments() {
            let Some(bytes) = partition.read(SegmentFile::TxnIndex, base) else {
                continue;
            };
            for aborted in AbortedTransaction::parse_all(&bytes).unwrap() {
                let at_marker = |batch: &maxbrod_kafka::Batch<'_>| batch.base_offset() == aborted.last_offset;
                let marker = Batches::new(&log, 0).map(Result::unwrap).find(at_marker).unwrap();
                assert_eq!(marker.header.unwrap().producer_id, aborted.producer_id);
                let record = records(&marker).unwrap().next().unwrap().unwrap();
                assert!(matches!(
                    ControlRecord::decode(&record).unwrap(),
                    ControlRecord::EndTransaction {
                        outcome: Outcome::Abort,
                        ..
                    }
                ));
                tally.count("aborted transactions", 1);
            }
        }
    }
    tally.at_least("aborted transactions", 25);
}
