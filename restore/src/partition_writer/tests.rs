use std::fs;

use maxbrod_kafka::{
    AbortedTransaction, LeaderEpochEntry, OffsetIndexEntry, Outcome, PartitionId, ProducerEpoch, ProducerId,
    SegmentFile, TimeIndexEntry, TopicId, parse_leader_epochs, parse_partition_metadata, parse_producer_snapshot,
};
use maxbrod_repository::{BatchEnd, ContentId, PackName};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::disk::HostDisk;
use crate::endings::Marker;
use crate::error::Kind;
use crate::sample::{Log, LogBuilder, ORDERS};

const SMALL: SegmentSettings = SegmentSettings {
    limits: SegmentLimits {
        segment_bytes: 600,
        index_bytes: 10 << 20,
    },
    index_interval_bytes: 100,
};

/// A directory that a log was written into.
struct Written {
    folder: TempDir,
    finished: FinishedPartition,
}

fn chunk(log: &Log, body: &[u8]) -> ChunkRef {
    let batches: Vec<_> = Batches::new(body, 0).map(|batch| batch.unwrap()).collect();
    ChunkRef {
        id: ContentId(*blake3::hash(body).as_bytes()),
        base_offset: batches[0].base_offset(),
        next_offset: batches[batches.len() - 1].next_offset(),
        leader_epoch: LeaderEpoch(log.record.partition.0),
        pack: PackName {
            run: 1,
            epoch: 1,
            sequence: 0,
        },
        position: 0,
        length: 1,
        key: None,
        logical_length: body.len() as u64,
        closed: true,
    }
}

fn write(log: &Log, settings: SegmentSettings, producers: Option<(Offset, Vec<ProducerEntry>)>) -> Result<Written> {
    let folder = tempfile::tempdir().unwrap();
    let plan = LogPlan {
        name: "orders-0".to_owned(),
        record: log.record.clone(),
        settings,
        producers,
        ending: LogEnding::default(),
    };
    let mut writer = PartitionWriter::create(Arc::new(HostDisk), plan, &folder.path().join("orders-0"))?;
    for body in &log.chunks {
        writer.append(&chunk(log, body), body)?;
    }
    let finished = writer.finish()?;
    Ok(Written { folder, finished })
}

fn written(log: &Log) -> Written {
    write(log, SMALL, None).unwrap()
}

fn refusal(log: &Log) -> String {
    let error = write(log, SMALL, None).err().unwrap();
    assert_eq!((error.kind(), error.code()), (Kind::Integrity, "partition-damaged"));
    error.to_string()
}

impl Written {
    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join("orders-0").join(name)).unwrap()
    }

    /// Offsets in the names of the files of a kind, ascending.
    fn offsets(&self, kind: SegmentFile) -> Vec<i64> {
        let names = self.finished.files.keys();
        names
            .filter_map(|name| SegmentFile::parse(name))
            .filter(|(_, found)| *found == kind)
            .map(|(offset, _)| offset.0)
            .collect()
    }

    fn log(&self, base: i64) -> Vec<u8> {
        self.read(&SegmentFile::Log.name(Offset(base)))
    }

    fn logs(&self) -> Vec<u8> {
        self.offsets(SegmentFile::Log)
            .iter()
            .flat_map(|base| self.log(*base))
            .collect()
    }

    fn producers(&self, offset: i64) -> Vec<ProducerEntry> {
        parse_producer_snapshot(&self.read(&SegmentFile::Snapshot.name(Offset(offset)))).unwrap()
    }

    fn epochs(&self) -> Vec<(i32, i64)> {
        let entries = parse_leader_epochs(&self.read("leader-epoch-checkpoint")).unwrap();
        let pair = |entry: &LeaderEpochEntry| (entry.epoch.0, entry.start_offset.0);
        entries.iter().map(pair).collect()
    }
}

/// A long log with transactions of two producers, one of them aborted, another left open.
fn bank() -> Log {
    LogBuilder::at(0)
        .transactional(7, 3)
        .plain(4)
        .transactional(8, 2)
        .marker(7, Outcome::Abort)
        .epoch(2)
        .idempotent(9, 5)
        .marker(8, Outcome::Commit)
        .plain(6)
        .transactional(7, 3)
        .plain(1)
        .log(ORDERS, 0, 2)
}

#[test]
fn segments_are_cut_at_the_topics_size_and_hold_the_log_unchanged() {
    let log = bank();
    let written = written(&log);
    let bases = written.offsets(SegmentFile::Log);
    assert!(bases.len() > 2, "{bases:?}");
    assert_eq!(written.logs(), log.bytes());
    for base in &bases {
        let bytes = written.log(*base);
        let batches: Vec<_> = Batches::new(&bytes, 0).map(|batch| batch.unwrap()).collect();
        assert_eq!(batches[0].base_offset().0, *base);
        assert!(bytes.len() <= 600 || batches.len() == 1);
    }
    let one = SegmentSettings {
        limits: SegmentLimits {
            segment_bytes: 1 << 30,
            ..SMALL.limits
        },
        ..SMALL
    };
    let whole = write(&log, one, None).unwrap();
    assert_eq!(whole.offsets(SegmentFile::Log), [0]);
}

#[test]
fn every_segment_has_its_indexes_even_if_they_are_empty() {
    let log = bank();
    let written = written(&log);
    let bases = written.offsets(SegmentFile::Log);
    assert_eq!(written.offsets(SegmentFile::Index), bases);
    assert_eq!(written.offsets(SegmentFile::TimeIndex), bases);
    let tiny = LogBuilder::at(0).plain(1).log(ORDERS, 0, 1);
    let written = self::written(&tiny);
    assert_eq!(written.read("00000000000000000000.index"), b"");
    assert_eq!(
        written.read("00000000000000000000.timeindex").len(),
        TimeIndexEntry::LENGTH
    );
}

#[test]
fn index_entries_lead_to_their_batches() {
    let log = bank();
    let written = written(&log);
    let mut entries = 0;
    for base in written.offsets(SegmentFile::Log) {
        let bytes = written.log(base);
        for entry in OffsetIndexEntry::parse_all(&written.read(&SegmentFile::Index.name(Offset(base)))) {
            let batch = Batches::new(&bytes[entry.position as usize..], 0)
                .next()
                .unwrap()
                .unwrap();
            assert_eq!(batch.next_offset().0 - 1, base + i64::from(entry.relative_offset));
            entries += 1;
        }
        let last_time = Batches::new(&bytes, 0)
            .map(|batch| batch.unwrap().header.unwrap().max_timestamp)
            .max();
        let times = TimeIndexEntry::parse_all(&written.read(&SegmentFile::TimeIndex.name(Offset(base))));
        assert_eq!(times.last().map(|entry| entry.timestamp), last_time);
    }
    assert!(entries > 0);
}

#[test]
fn aborted_transactions_are_indexed_only_where_there_are_any() {
    let written = written(&bank());
    let with_aborts = written.offsets(SegmentFile::TxnIndex);
    assert_eq!(with_aborts.len(), 1);
    let aborted =
        AbortedTransaction::parse_all(&written.read(&SegmentFile::TxnIndex.name(Offset(with_aborts[0])))).unwrap();
    assert_eq!(aborted.len(), 1);
    assert_eq!(
        (aborted[0].producer_id, aborted[0].first_offset, aborted[0].last_offset),
        (ProducerId(7), Offset(0), Offset(9))
    );
    assert_eq!(
        aborted[0].last_stable_offset,
        Offset(7),
        "the other transaction is still open"
    );
}

#[test]
fn producer_snapshots_stand_at_every_segments_base_and_at_the_end() {
    let log = bank();
    let written = written(&log);
    let mut expected = written.offsets(SegmentFile::Log);
    expected.remove(0);
    expected.push(log.end());
    assert_eq!(written.offsets(SegmentFile::Snapshot), expected);
    let at_end = written.producers(log.end());
    let seven = at_end.iter().find(|entry| entry.producer_id == ProducerId(7)).unwrap();
    assert_eq!(
        seven.current_txn_first_offset,
        Offset(22),
        "its second transaction is open at the cut"
    );
    assert_eq!(at_end.len(), 3);
}

#[test]
fn a_brokers_own_producer_state_is_taken_over_at_its_offset() {
    let gone = ProducerEntry {
        producer_id: ProducerId(3),
        epoch: ProducerEpoch(1),
        last_sequence: 41,
        last_offset: Offset(2),
        offset_delta: 0,
        timestamp: 77,
        coordinator_epoch: LeaderEpoch(-1),
        current_txn_first_offset: Offset(-1),
    };
    let log = LogBuilder::at(10)
        .idempotent(4, 2)
        .idempotent(5, 2)
        .idempotent(6, 2)
        .log(ORDERS, 0, 1);
    let ids = |at: i64| {
        let written = write(&log, SMALL, Some((Offset(at), vec![gone]))).unwrap();
        let ids: Vec<i64> = written.producers(16).iter().map(|entry| entry.producer_id.0).collect();
        ids
    };
    assert_eq!(
        ids(12),
        [3, 5, 6],
        "what came before is in the broker's state, or has expired there"
    );
    assert_eq!(ids(16), [3]);
    assert_eq!(ids(10), [3, 4, 5, 6]);
}

#[test]
fn leader_epochs_are_those_of_the_batches() {
    assert_eq!(written(&bank()).epochs(), [(1, 0), (2, 10)]);
}

#[test]
fn the_topic_id_is_in_the_directory() {
    let written = written(&bank());
    assert_eq!(
        parse_partition_metadata(&written.read("partition.metadata")),
        Some(ORDERS)
    );
}

#[test]
fn a_log_whose_last_records_were_compacted_away_still_ends_at_the_cut() {
    let mut log = LogBuilder::at(0).plain(2).skip(3).plain(2).log(ORDERS, 0, 1);
    log.record.compacted = true;
    log.record.end = End::After(BatchEnd {
        end_offset: Offset(30),
        leader_epoch: LeaderEpoch(1),
        crc: 0,
    });
    let written = written(&log);
    assert_eq!(written.offsets(SegmentFile::Log).last(), Some(&30));
    assert_eq!(written.log(30), b"");
    assert_eq!(written.logs(), log.bytes());
    assert_eq!(written.offsets(SegmentFile::Snapshot).last(), Some(&30));
    assert_eq!(written.finished.end, 30);
}

#[test]
fn an_empty_partition_is_an_empty_segment_at_its_start() {
    for start in [0, 42] {
        let log = LogBuilder::at(start).log(ORDERS, 0, 1);
        let written = written(&log);
        assert_eq!(written.offsets(SegmentFile::Log), [start]);
        assert_eq!(written.log(start), b"");
        assert_eq!(written.offsets(SegmentFile::Index), [start]);
        assert_eq!(written.offsets(SegmentFile::TimeIndex), [start]);
        assert!(
            written.offsets(SegmentFile::Snapshot).is_empty(),
            "Kafka would delete one at the log start"
        );
        assert_eq!((written.finished.first_base, written.finished.end), (start, start));
    }
}

#[test]
fn a_log_that_starts_inside_its_first_batch_begins_with_that_batch() {
    let mut log = LogBuilder::at(10).plain(5).plain(5).log(ORDERS, 0, 1);
    log.record.log_start = Offset(13);
    let written = written(&log);
    assert_eq!(written.offsets(SegmentFile::Log)[0], 10);
    assert_eq!((written.finished.first_base, written.finished.log_start), (10, 13));
    assert_eq!(written.logs(), log.bytes());
}

#[test]
fn a_compacted_log_keeps_its_start_below_its_first_batch() {
    let mut log = LogBuilder::at(20).plain(2).log(ORDERS, 0, 1);
    log.record.log_start = Offset(5);
    log.record.compacted = true;
    let written = written(&log);
    assert_eq!(written.offsets(SegmentFile::Log), [5]);
    assert_eq!(written.finished.first_base, 5);
}

#[test]
fn a_chunk_that_reaches_behind_the_cut_is_written_up_to_it() {
    let mut log = LogBuilder::at(0).plain(2).plain(2).log(ORDERS, 0, 1);
    let kept = log.clone();
    let behind = LogBuilder::at(4).plain(3).plain(1).log(ORDERS, 0, 9);
    log.chunks[1].extend_from_slice(&behind.bytes());
    let written = written(&log);
    assert_eq!(written.logs(), kept.bytes());
    assert_eq!(written.finished.end, 4);
}

#[test]
fn a_gap_within_a_chunk_is_what_a_topic_looks_like_that_was_compacted_once() {
    let mut log = LogBuilder::at(0).plain(2).skip(3).plain(2).log(ORDERS, 0, 1);
    let second = log.chunks.remove(1);
    log.chunks[0].extend_from_slice(&second);
    let written = written(&log);
    assert_eq!(written.logs(), log.bytes());
    assert_eq!(written.finished.end, 7);
}

#[test]
fn a_decided_transaction_that_is_open_at_the_cut_ends_behind_it() {
    let log = LogBuilder::at(0).plain(2).transactional(5, 3).log(ORDERS, 0, 1);
    let folder = tempfile::tempdir().unwrap();
    let plan = LogPlan {
        name: "orders-0".to_owned(),
        record: log.record.clone(),
        settings: SMALL,
        producers: None,
        ending: LogEnding {
            markers: vec![Marker {
                producer_id: ProducerId(5),
                producer_epoch: ProducerEpoch(1),
                outcome: Outcome::Commit,
            }],
            completions: Vec::new(),
            leader_epoch: LeaderEpoch(1_001),
            timestamp: 7,
        },
    };
    let mut writer = PartitionWriter::create(Arc::new(HostDisk), plan, &folder.path().join("orders-0")).unwrap();
    for body in &log.chunks {
        writer.append(&chunk(&log, body), body).unwrap();
    }
    let finished = writer.finish().unwrap();
    let written = Written { folder, finished };
    assert_eq!(written.finished.end, 6);
    let open = written
        .producers(6)
        .iter()
        .filter(|entry| entry.current_txn_first_offset.0 >= 0)
        .count();
    assert_eq!(open, 0, "the transaction has ended");
    assert_eq!(
        written.epochs().last(),
        Some(&(1_001, 5)),
        "no batch of the lost cluster has this epoch"
    );
    assert!(written.logs().len() > log.bytes().len());
}

#[test]
fn what_does_not_add_up_is_refused() {
    let bank = bank();
    let mut missing = bank.clone();
    missing.chunks.remove(1);
    assert!(refusal(&missing).contains("where 7 should"));

    let mut twice = bank.clone();
    twice.chunks.insert(1, twice.chunks[0].clone());
    assert!(refusal(&twice).contains("a batch starts at offset 0 where 7 should"));

    let mut short = bank.clone();
    short.chunks.pop();
    assert!(refusal(&short).contains("when the snapshot was taken, it ended at offset 26"));

    let mut other = bank.clone();
    other.record.end = End::After(BatchEnd {
        end_offset: Offset(26),
        leader_epoch: LeaderEpoch(2),
        crc: 1,
    });
    assert!(refusal(&other).contains("CRC 00000001"));

    let mut within = bank.clone();
    within.record.end = End::After(BatchEnd {
        end_offset: Offset(5),
        leader_epoch: LeaderEpoch(1),
        crc: 0,
    });
    assert!(refusal(&within).contains("a batch ends at offset 7, behind the cut at 5"));

    let mut unexpected = LogBuilder::at(0).plain(1).log(ORDERS, 0, 1);
    unexpected.record.end = End::Empty(Offset(9));
    assert!(refusal(&unexpected).contains("it should be empty"));

    let mut nothing = bank;
    nothing.chunks.clear();
    assert!(refusal(&nothing).contains("no batch is there"));
}

#[test]
fn the_crc_of_every_batch_is_checked_again() {
    let log = bank();
    let mut body = log.chunks[1].clone();
    let reference = chunk(&log, &body);
    let last = body.len() - 1;
    body[last] ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let plan = LogPlan {
        name: "orders-0".to_owned(),
        record: log.record.clone(),
        settings: SMALL,
        producers: None,
        ending: LogEnding::default(),
    };
    let mut writer = PartitionWriter::create(Arc::new(HostDisk), plan, &folder.path().join("orders-0")).unwrap();
    writer.append(&chunk(&log, &log.chunks[0]), &log.chunks[0]).unwrap();
    let error = writer.append(&reference, &body).unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity);
    assert!(
        error.to_string().contains("in the chunk at offset 7") && error.to_string().contains("CRC"),
        "{error}"
    );
}

fn any_log() -> impl Strategy<Value = (Log, SegmentSettings)> {
    let batch = (0..4_u8, 1..6_i64, 0..3_i64);
    (
        0..1_000_i64,
        proptest::collection::vec(batch, 0..40),
        1..5_usize,
        any::<bool>(),
        1..2_000_u64,
        0..300_u64,
    )
        .prop_map(|(start, batches, per_chunk, compacted, segment_bytes, interval)| {
            let mut log = LogBuilder::at(start);
            for (kind, size, gap) in batches {
                if compacted {
                    log = log.skip(gap);
                }
                log = match kind {
                    0 => log.plain(size),
                    1 => log.transactional(size, size),
                    2 => log.marker(size, if gap == 0 { Outcome::Abort } else { Outcome::Commit }),
                    _ => log.idempotent(size, size),
                };
            }
            let mut log = log.log(TopicId::default(), 0, per_chunk);
            log.record.partition = PartitionId(0);
            log.record.compacted = compacted;
            let limits = SegmentLimits {
                segment_bytes,
                index_bytes: 96,
            };
            let settings = SegmentSettings {
                limits,
                index_interval_bytes: interval,
            };
            (log, settings)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_segment_size_the_log_is_the_same((log, settings) in any_log()) {
        let written = write(&log, settings, None).unwrap();
        prop_assert_eq!(written.logs(), log.bytes());
        let bases = written.offsets(SegmentFile::Log);
        prop_assert_eq!(written.offsets(SegmentFile::Index), bases.clone());
        let last = *bases.last().unwrap();
        let bytes = written.log(last);
        let end = Batches::new(&bytes, 0).last().map_or(last, |batch| batch.unwrap().next_offset().0);
        prop_assert_eq!(end, log.end());
        // As a broker rebuilds it from the first byte on.
        let mut rebuild = Rebuild::new(Offset(bases[0]), settings.index_interval_bytes);
        for batch in Batches::new(&log.bytes(), 0) {
            rebuild.append(&batch.unwrap()).unwrap();
        }
        if log.end() > log.record.log_start.0 {
            prop_assert_eq!(written.producers(log.end()), rebuild.producers());
        }
        for base in bases {
            let entries = written.read(&SegmentFile::Index.name(Offset(base))).len() / OffsetIndexEntry::LENGTH;
            prop_assert!(entries <= 96 / OffsetIndexEntry::LENGTH);
        }
    }

    #[test]
    fn how_a_log_was_cut_into_chunks_makes_no_difference((log, settings) in any_log(), size in 1..7_usize) {
        let batches: Vec<Vec<u8>> = Batches::new(&log.bytes(), 0).map(|batch| batch.unwrap().bytes.to_vec()).collect();
        let other = Log { record: log.record.clone(), chunks: batches.chunks(size).map(<[_]>::concat).collect() };
        let one = write(&log, settings, None).unwrap();
        let two = write(&other, settings, None).unwrap();
        prop_assert_eq!(&one.finished.files, &two.finished.files);
        for name in one.finished.files.keys() {
            prop_assert_eq!(one.read(name), two.read(name), "{}", name);
        }
    }
}
