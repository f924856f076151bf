//! Batches, records and control records.

use maxbrod_kafka::{
    Attributes, BatchBuilder, BatchHeader, Batches, Compression, ControlRecord, Outcome, Record, Records, decompress,
    records,
};

use crate::{Partition, Tally};

/// The same batch, put together anew.
fn build(header: &BatchHeader, records: &[Record<'_>]) -> Vec<u8> {
    let builder = BatchBuilder::new(header.base_offset, header.leader_epoch)
        .attributes(header.attributes)
        .producer(header.producer_id, header.producer_epoch, header.base_sequence)
        .base_timestamp(header.base_timestamp);
    records
        .iter()
        .fold(builder, |builder, record| builder.push(record))
        .build()
}

#[test]
fn every_batch_is_read_and_every_uncompressed_one_is_built_byte_for_byte() {
    let mut tally = Tally::default();
    for partition in Partition::all() {
        for (base, log) in partition.segments() {
            let mut end = 0;
            for batch in Batches::new(&log, 0) {
                let batch = batch.unwrap();
                let header = batch.header.unwrap();
                end = batch.position + header.size_in_bytes();
                let codec = match header.attributes.compression() {
                    Compression::None => "uncompressed batches",
                    Compression::Gzip => "gzip batches",
                    Compression::Snappy => "snappy batches",
                    Compression::Lz4 => "lz4 batches",
                    Compression::Zstd => "zstd batches",
                    Compression::Unknown(_) => panic!("an unknown codec in {} at {base}", partition.name),
                };
                tally.count(codec, 1);
                let body = decompress(&batch, 1 << 20).unwrap();
                let offsets: Vec<i64> = Records::new(&header, &body)
                    .map(|record| record.unwrap().offset(&header).0)
                    .collect();
                assert_eq!(offsets.len(), header.records_count as usize);
                assert!(offsets.is_sorted() && offsets.iter().all(|offset| *offset <= header.last_offset().0));
                let Some(records) = records(&batch) else { continue };
                let records: Vec<Record<'_>> = records.map(Result::unwrap).collect();
                tally.count(
                    "record headers",
                    records.iter().map(|record| record.headers.len()).sum(),
                );
                // Compaction keeps the offsets and timestamps of what it removed, and the leader's time is in the header only.
                let plain = header.attributes.0 & !Attributes::MARKER.0 == 0 && partition.name != "compacted-0";
                if plain {
                    assert_eq!(
                        build(&header, &records),
                        batch.bytes,
                        "{} {}",
                        partition.name,
                        header.base_offset
                    );
                    tally.count("rebuilt batches", 1);
                }
                if let Some(horizon) = header.delete_horizon() {
                    assert!(horizon > header.max_timestamp);
                    tally.count("delete horizons", 1);
                }
            }
            assert_eq!(end, log.len() as u64, "{} {base}", partition.name);
        }
    }
    for codec in ["gzip batches", "snappy batches", "lz4 batches", "zstd batches"] {
        tally.at_least(codec, 10);
    }
    tally.at_least("uncompressed batches", 600);
    tally.at_least("rebuilt batches", 500);
    tally.at_least("record headers", 100);
    tally.at_least("delete horizons", 1);
}

#[test]
fn every_control_record_is_read_and_written_byte_for_byte() {
    let mut tally = Tally::default();
    for partition in Partition::all() {
        let checkpoints = crate::names(&partition.dir)
            .into_iter()
            .filter(|name| name.ends_with(".checkpoint"))
            .map(|name| std::fs::read(partition.dir.join(name)).unwrap());
        let segments = partition.segments().into_iter().map(|(_, log)| log);
        for bytes in segments.chain(checkpoints) {
            for batch in Batches::new(&bytes, 0).map(Result::unwrap) {
                if !batch.header.unwrap().attributes.is_control() {
                    continue;
                }
                for record in records(&batch).unwrap().map(Result::unwrap) {
                    let control = ControlRecord::decode(&record).unwrap();
                    let (key, value) = control.encode().unwrap();
                    assert_eq!(
                        (record.key, record.value),
                        (Some(key.as_ref()), Some(value.as_ref())),
                        "{control:?}"
                    );
                    tally.count(kind(&control), 1);
                }
            }
        }
    }
    for (kind, times) in [
        ("commits", 40),
        ("aborts", 20),
        ("leader changes", 2),
        ("snapshot headers", 3),
        ("snapshot footers", 3),
        ("kraft versions", 3),
        ("kraft voters", 3),
    ] {
        tally.at_least(kind, times);
    }
}

fn kind(control: &ControlRecord) -> &'static str {
    match control {
        ControlRecord::EndTransaction {
            outcome: Outcome::Commit,
            ..
        } => "commits",
        ControlRecord::EndTransaction {
            outcome: Outcome::Abort,
            ..
        } => "aborts",
        ControlRecord::LeaderChange(_) => "leader changes",
        ControlRecord::SnapshotHeader(_) => "snapshot headers",
        ControlRecord::SnapshotFooter(_) => "snapshot footers",
        ControlRecord::KRaftVersion(_) => "kraft versions",
        ControlRecord::KRaftVoters(_) => "kraft voters",
        ControlRecord::Unknown { kind, .. } => panic!("an unknown control record, {kind}"),
    }
}
