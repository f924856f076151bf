//! Producer snapshots and open transactions, regenerated.

use std::collections::BTreeMap;

use maxbrod_kafka::{
    Batches, Offset, ProducerEntry, ProducerId, Rebuild, SegmentFile, parse_producer_snapshot, write_producer_snapshot,
};

use crate::{Partition, Tally};

/// Feeds a partition's log from the end of `rebuild` on, and yields the producers' state at every batch's end.
fn states(rebuild: &mut Rebuild, partition: &Partition) -> BTreeMap<Offset, Vec<ProducerEntry>> {
    let mut states = BTreeMap::from([(rebuild.log_end(), rebuild.producers())]);
    for (base, log) in partition.segments() {
        if base < rebuild.log_end() {
            continue;
        }
        if rebuild.segment_size() > 0 {
            rebuild.roll(base);
        }
        for batch in Batches::new(&log, 0) {
            rebuild.append(&batch.unwrap()).unwrap();
            states.insert(rebuild.log_end(), rebuild.producers());
        }
    }
    states
}

/// Kafka writes producers in the order of its hash map: here all ids are small and ascend.
#[test]
fn producer_snapshots_are_regenerated_byte_for_byte() {
    let mut tally = Tally::default();
    for partition in Partition::all() {
        let mut rebuild = Rebuild::new(partition.offsets(SegmentFile::Log)[0], 4_096);
        let states = states(&mut rebuild, &partition);
        for offset in partition.offsets(SegmentFile::Snapshot) {
            let theirs = partition.read(SegmentFile::Snapshot, offset).unwrap();
            assert_eq!(
                write_producer_snapshot(&parse_producer_snapshot(&theirs).unwrap()),
                theirs
            );
            let Some(ours) = states.get(&offset) else {
                // Compaction has merged the batches around the offset.
                assert_eq!(partition.name, "compacted-0");
                continue;
            };
            let mut ours = ours.clone();
            if partition.name == "indexed-0" && offset > partition.restart() {
                // Its records are old, so the broker had forgotten its producers when it came back.
                ours.retain(|entry| entry.last_offset >= partition.restart());
                tally.count("snapshots after producers expired", 1);
            }
            assert_eq!(
                write_producer_snapshot(&ours),
                theirs,
                "{} {offset}.snapshot",
                partition.name
            );
            tally.count("snapshots", 1);
            tally.count("producers", ours.len());
            tally.count("open transactions", rebuild_open(&ours));
        }
    }
    tally.at_least("snapshots", 40);
    tally.at_least("producers", 70);
    tally.at_least("open transactions", 10);
    tally.at_least("snapshots after producers expired", 3);
}

fn rebuild_open(entries: &[ProducerEntry]) -> usize {
    entries
        .iter()
        .filter(|entry| entry.current_txn_first_offset != Offset(-1))
        .count()
}

#[test]
fn the_state_at_the_end_is_the_same_from_any_of_kafkas_snapshots_on() {
    let mut tally = Tally::default();
    for partition in ["bank-0", "plain-0", "stamped-0"].map(Partition::named) {
        let bases = partition.offsets(SegmentFile::Log);
        let snapshots = partition.offsets(SegmentFile::Snapshot);
        let end = *snapshots.last().unwrap();
        let theirs = partition.read(SegmentFile::Snapshot, end).unwrap();
        for base in bases.iter().filter(|base| snapshots.contains(base)) {
            let snapshot = partition.read(SegmentFile::Snapshot, *base).unwrap();
            let mut rebuild = Rebuild::new(*base, 4_096);
            rebuild.load_producers(parse_producer_snapshot(&snapshot).unwrap());
            states(&mut rebuild, &partition);
            assert_eq!(rebuild.log_end(), end);
            assert_eq!(
                write_producer_snapshot(&rebuild.producers()),
                theirs,
                "{} from {base}",
                partition.name
            );
            tally.count("snapshots", 1);
        }
    }
    tally.at_least("snapshots", 8);
}

#[test]
fn the_transaction_that_was_left_open_holds_the_last_stable_offset_back() {
    let partition = Partition::named("bank-0");
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    states(&mut rebuild, &partition);
    let open: Vec<(Offset, ProducerId)> = rebuild.open_transactions().collect();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(rebuild.last_stable_offset(), open[0].0);
    assert!(rebuild.last_stable_offset() < rebuild.log_end());

    let partition = Partition::named("plain-0");
    let mut rebuild = Rebuild::new(Offset(0), 4_096);
    states(&mut rebuild, &partition);
    assert_eq!(rebuild.last_stable_offset(), rebuild.log_end());
}
