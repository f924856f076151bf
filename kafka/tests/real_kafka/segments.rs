//! The cut into segments, and leader epochs.

use std::fs;

use maxbrod_kafka::{
    Batches, LeaderEpochEntry, Offset, Rebuild, SegmentFile, SegmentLimits, clamp_leader_epochs, parse_leader_epochs,
    parse_offset_checkpoint,
};

use crate::{Partition, Tally, log_dirs};

/// The base offsets of the segments that the whole log is cut into.
fn cut(partition: &Partition, limits: SegmentLimits) -> Vec<Offset> {
    let segments = partition.segments();
    let mut bases = vec![segments[0].0];
    let mut rebuild = Rebuild::new(segments[0].0, partition.index_interval_bytes());
    for (_, log) in &segments {
        for batch in Batches::new(log, 0).map(Result::unwrap) {
            if rebuild.should_roll(limits, &batch) {
                rebuild.roll(batch.base_offset());
                bases.push(batch.base_offset());
            }
            rebuild.append(&batch).unwrap();
        }
    }
    bases
}

#[test]
fn a_log_is_cut_into_segments_where_kafka_cut_it() {
    let by_size = SegmentLimits {
        segment_bytes: 6_000,
        index_bytes: 10 << 20,
    };
    for partition in ["plain-0", "bank-0", "stamped-0"].map(Partition::named) {
        assert_eq!(
            cut(&partition, by_size),
            partition.offsets(SegmentFile::Log),
            "{}",
            partition.name
        );
    }
}

#[test]
fn a_segment_whose_index_is_full_ends_where_kafka_ended_it() {
    let by_index = SegmentLimits {
        segment_bytes: 1 << 30,
        index_bytes: 60,
    };
    let partition = Partition::named("indexed-0");
    assert_eq!(cut(&partition, by_index), partition.offsets(SegmentFile::Log));
}

#[test]
fn leader_epochs_are_those_of_the_batches() {
    let starts: Vec<_> = log_dirs()
        .iter()
        .flat_map(|dir| parse_offset_checkpoint(&fs::read(dir.join("log-start-offset-checkpoint")).unwrap()).unwrap())
        .collect();
    let mut tally = Tally::default();
    for partition in Partition::all() {
        let mut rebuild = Rebuild::new(Offset(0), 4_096);
        for (base, log) in partition.segments() {
            rebuild.roll(base);
            for batch in Batches::new(&log, 0) {
                rebuild.append(&batch.unwrap()).unwrap();
            }
        }
        let theirs = parse_leader_epochs(&fs::read(partition.dir.join("leader-epoch-checkpoint")).unwrap()).unwrap();
        if ["empty-0", "compacted-0"].contains(&partition.name.as_str()) {
            // Kafka also knows epochs that have no batch, or none any more.
            let known = |entry: &LeaderEpochEntry| {
                theirs
                    .iter()
                    .any(|their| their.epoch == entry.epoch && their.start_offset <= entry.start_offset)
            };
            assert!(rebuild.leader_epochs().iter().all(known), "{}", partition.name);
            continue;
        }
        let log_start = starts
            .iter()
            .find(|start| format!("{}-{}", start.topic, start.partition) == partition.name)
            .map_or(Offset(0), |start| start.offset);
        let ours = clamp_leader_epochs(rebuild.leader_epochs(), log_start, rebuild.log_end());
        assert_eq!(ours, theirs, "{}", partition.name);
        tally.count("leader epochs", ours.len());
    }
    tally.at_least("leader epochs", 16);
}
