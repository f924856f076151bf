use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use maxbrod_kafka::{LeaderEpoch, Offset, Outcome, PartitionId};
use proptest::prelude::*;

use super::{Ask, HighWatermarks, Observed, RunKind, observe};
use crate::disk::{Disk, Log, batch, directory_id, marker, topic_id, transactional_batch};
use crate::log_dir::{Catalog, LogDir, ReplicaError};
use crate::partition::PartitionKey;

const LAST: Ask = Ask {
    since: None,
    depth: 3,
    leader_epochs: true,
};

struct Node {
    disk: Disk,
    catalog: Catalog,
}

impl Node {
    fn new() -> Self {
        let disk = Disk::new(&["d1", "d2"]);
        let open = |number: usize, name| LogDir::open(&disk.path(name), directory_id(number)).unwrap();
        let catalog = Catalog::new(vec![open(0, "d1"), open(1, "d2")]);
        Self { disk, catalog }
    }

    fn log(&self) -> Log {
        self.disk.log("d1", "topic", 0)
    }

    fn look(&self, ask: &Ask) -> Result<Observed, ReplicaError> {
        let key = PartitionKey {
            topic_id: topic_id("topic"),
            partition: PartitionId(0),
        };
        let replica = self.catalog.open(key, Some("topic"))?;
        observe(&self.catalog, &replica, ask)
    }
}

fn nexts(observed: &Observed) -> Vec<i64> {
    observed.ends.iter().map(|end| end.next).collect()
}

#[test]
fn an_empty_log_is_seen_whole() {
    let node = Node::new();
    node.log();
    let seen = node.look(&LAST).unwrap();
    assert_eq!((seen.log_start, seen.log_end, seen.whole), (0, 0, true));
    assert!(seen.ends.is_empty());
}

#[test]
fn the_last_batches_are_found_through_the_index() {
    let node = Node::new();
    node.log().append(500, 700, 2).append(40, 700, 5);
    let seen = node.look(&LAST).unwrap();
    assert_eq!((seen.log_start, seen.log_end, seen.whole), (0, 540, false));
    assert_eq!(nexts(&seen), [538, 539, 540]);
    let epochs: Vec<_> = seen
        .leader_epochs
        .iter()
        .map(|entry| (entry.epoch.0, entry.start_offset.0))
        .collect();
    assert_eq!(epochs, [(2, 0), (5, 500)]);
}

#[test]
fn a_report_goes_back_over_segments_to_where_the_last_one_was() {
    let node = Node::new();
    let mut log = node.log();
    for _ in 0..6 {
        log.append(20, 900, 1).roll();
    }
    let seen = node
        .look(&Ask {
            since: Some(50),
            depth: 2,
            leader_epochs: false,
        })
        .unwrap();
    assert_eq!(nexts(&seen), (49..=120).collect::<Vec<i64>>());
    assert!(!seen.whole);
    let all = node
        .look(&Ask {
            since: None,
            depth: 1000,
            leader_epochs: false,
        })
        .unwrap();
    assert_eq!((all.ends.len(), all.whole), (120, true));
}

#[test]
fn the_zeros_of_a_preallocated_segment_are_not_data() {
    let node = Node::new();
    node.log().preallocated(1 << 20).append(30, 900, 1);
    assert_eq!(node.look(&LAST).unwrap().log_end, 30);
}

#[test]
fn a_batch_that_is_being_written_is_not_there_yet() {
    let node = Node::new();
    let mut log = node.log();
    log.append(30, 900, 1);
    let next = batch(30, 1, 5, 900);
    log.write_at_end(&next[..next.len() - 100]);
    assert_eq!(node.look(&LAST).unwrap().log_end, 30);
    log.write_at_end(&next[next.len() - 100..]);
    assert_eq!(node.look(&LAST).unwrap().log_end, 35);
}

#[test]
fn a_bit_flip_in_the_tail_is_reported_and_not_taken_for_the_end() {
    let node = Node::new();
    let log_end = {
        let mut log = node.log();
        log.append(30, 900, 1);
        fs::metadata(log.log_file(0)).unwrap().len()
    };
    let log = Log::create(&node.disk.path("d2").join("other-0"), topic_id("other"), 0);
    drop(log);
    use std::os::unix::fs::FileExt as _;
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(node.disk.path("d1/topic-0/00000000000000000000.log"))
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, log_end - 300).unwrap();
    file.write_all_at(&[byte[0] ^ 1], log_end - 300).unwrap();
    let error = node.look(&LAST).expect_err("must be reported");
    assert!(matches!(error, ReplicaError::Corrupt { .. }), "{error}");
    assert!(
        error.to_string().contains("topic-0") && error.to_string().contains("CRC"),
        "{error}"
    );
}

#[test]
fn stale_index_entries_behind_a_truncation_lead_nobody_astray() {
    let node = Node::new();
    let mut log = node.log();
    log.append(200, 900, 1);
    // Batches of other lengths now lie where the old entries point.
    log.truncate(50).append(100, 333, 2);
    let seen = node.look(&LAST).unwrap();
    assert_eq!(seen.log_end, 150);
    assert_eq!(seen.ends.last().unwrap().epoch, 2);
}

#[test]
fn a_later_look_reads_on_from_the_earlier_one_and_notices_a_truncation() {
    let node = Node::new();
    let mut log = node.log();
    log.append(100, 900, 1);
    assert_eq!(node.look(&LAST).unwrap().log_end, 100);
    log.append(10, 900, 1);
    assert_eq!(
        nexts(
            &node
                .look(&Ask {
                    since: Some(100),
                    depth: 2,
                    leader_epochs: false
                })
                .unwrap()
        ),
        (99..=110).collect::<Vec<_>>()
    );
    // Cut below what is remembered, and written anew to the same length.
    log.truncate(105).append(5, 900, 3);
    let seen = node
        .look(&Ask {
            since: Some(100),
            depth: 1,
            leader_epochs: true,
        })
        .unwrap();
    assert_eq!((seen.log_end, seen.ends.last().unwrap().epoch), (110, 3));
    assert_eq!(seen.ends.iter().filter(|end| end.epoch == 3).count(), 5);
    assert_eq!(seen.leader_epochs.last().unwrap().start_offset, Offset(105));
}

#[test]
fn epochs_that_kafka_has_not_written_down_yet_are_taken_from_the_batches() {
    let node = Node::new();
    let mut log = node.log();
    log.append(10, 900, 1);
    let old = fs::read(log.directory.join("leader-epoch-checkpoint")).unwrap();
    log.append(20, 900, 4).append(20, 900, 6);
    fs::write(log.directory.join("leader-epoch-checkpoint"), old).unwrap();
    let seen = node.look(&LAST).unwrap();
    let epochs: Vec<_> = seen
        .leader_epochs
        .iter()
        .map(|entry| (entry.epoch, entry.start_offset.0))
        .collect();
    assert_eq!(
        epochs,
        [(LeaderEpoch(1), 0), (LeaderEpoch(4), 10), (LeaderEpoch(6), 30)]
    );
    assert_eq!(nexts(&seen), [48, 49, 50]);
}

#[test]
fn records_below_the_log_start_are_not_reported() {
    let node = Node::new();
    let mut log = node.log();
    log.append(20, 900, 1);
    fs::write(node.disk.path("d1/log-start-offset-checkpoint"), "0\n1\ntopic 0 18\n").unwrap();
    let seen = node
        .look(&Ask {
            since: None,
            depth: 100,
            leader_epochs: false,
        })
        .unwrap();
    assert_eq!((seen.log_start, seen.log_end, seen.whole), (18, 20, true));
    assert_eq!(nexts(&seen), [19, 20]);
    // Kafka replaces the file.
    fs::write(node.disk.path("d1/new"), "0\n1\ntopic 0 20\n").unwrap();
    fs::rename(
        node.disk.path("d1/new"),
        node.disk.path("d1/log-start-offset-checkpoint"),
    )
    .unwrap();
    let seen = node.look(&LAST).unwrap();
    assert_eq!(
        (seen.log_start, seen.log_end, seen.whole, seen.ends.len()),
        (20, 20, true, 0)
    );
}

#[test]
fn the_high_watermark_that_the_broker_wrote_last_is_told_with_its_age() {
    let node = Node::new();
    node.log().append(20, 900, 1);
    let path = node.disk.path("d1/replication-offset-checkpoint");
    let told = || {
        let key = PartitionKey {
            topic_id: topic_id("topic"),
            partition: PartitionId(0),
        };
        let replica = node.catalog.open(key, Some("topic")).unwrap();
        let now = fs::metadata(&path).map_or(SystemTime::now(), |file| file.modified().unwrap());
        HighWatermarks::of(&replica, now + Duration::from_secs(7))
    };
    assert_eq!(told(), None);
    let replace = |text: &str| {
        fs::write(node.disk.path("d1/new"), text).unwrap();
        fs::rename(node.disk.path("d1/new"), &path).unwrap();
    };
    replace("0\n2\nother 0 3\ntopic 0 15\n");
    let written = told().unwrap();
    assert_eq!((written.offset, written.age), (15, Duration::from_secs(7)));
    replace("0\n2\nother 0 3\ntopic 0 18\n");
    assert_eq!(told().unwrap().offset, 18);
    replace("0\n2\nother 0 3\n");
    assert_eq!(told(), None);
}

#[test]
fn transactions_are_told_with_neighbours_merged() {
    let node = Node::new();
    let mut log = node.log();
    log.append(5, 100, 1);
    for base in [5, 7] {
        log.append_bytes(&transactional_batch(base, 1, 77, 3));
    }
    log.append_bytes(&transactional_batch(9, 1, 88, 0));
    log.append_bytes(&transactional_batch(11, 1, 77, 3));
    log.append_bytes(&marker(13, 1, 77, 3, 1, 12));
    log.append_bytes(&marker(14, 1, 88, 0, 0, 13));
    let seen = node
        .look(&Ask {
            since: Some(5),
            depth: 1,
            leader_epochs: false,
        })
        .unwrap();
    let runs: Vec<_> = seen
        .transactional
        .iter()
        .map(|run| (run.base, run.next, run.producer_id, run.kind))
        .collect();
    let commit = RunKind::Marker(Outcome::Commit, LeaderEpoch(12));
    let abort = RunKind::Marker(Outcome::Abort, LeaderEpoch(13));
    let data = RunKind::Data;
    assert_eq!(
        runs,
        [
            (5, 9, 77, data),
            (9, 11, 88, data),
            (11, 13, 77, data),
            (13, 14, 77, commit),
            (14, 15, 88, abort)
        ]
    );
}

#[test]
fn another_topic_of_the_same_name_is_no_replica() {
    let node = Node::new();
    Log::create(&node.disk.path("d1").join("topic-0"), topic_id("recreated"), 0);
    assert!(matches!(node.look(&LAST), Err(ReplicaError::Missing { .. })));
}

#[test]
fn a_replica_is_found_in_whichever_log_dir_it_moves_to() {
    let node = Node::new();
    node.log().append(5, 100, 1);
    assert_eq!(node.look(&LAST).unwrap().log_end, 5);
    fs::rename(node.disk.path("d1/topic-0"), node.disk.path("d2/topic-0")).unwrap();
    assert_eq!(node.look(&LAST).unwrap().log_end, 5);
    fs::rename(
        node.disk.path("d2/topic-0"),
        node.disk.path("d2/topic-0.0123456789abcdef0123456789abcdef-delete"),
    )
    .unwrap();
    assert!(matches!(node.look(&LAST), Err(ReplicaError::Missing { .. })));
}

#[test]
fn segments_that_roll_and_vanish_meanwhile_do_not_confuse_the_look() {
    let node = Arc::new(Node::new());
    let mut log = node.log();
    log.append(10, 500, 1);
    let writer = thread::spawn(move || {
        for _ in 0..40 {
            let first = log.active();
            log.append(3, 500, 1).roll().append(3, 500, 1);
            log.delete_segment(first);
            thread::sleep(Duration::from_millis(1));
        }
        log.end()
    });
    let mut last = 0;
    while !writer.is_finished() {
        let seen = node
            .look(&Ask {
                since: Some(last),
                depth: 1,
                leader_epochs: false,
            })
            .unwrap();
        assert!(
            seen.log_end >= last,
            "the log went back from {last} to {}",
            seen.log_end
        );
        last = seen.log_end;
    }
    let end = writer.join().unwrap();
    assert_eq!(node.look(&LAST).unwrap().log_end, end);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_log_of_any_shape_is_told_as_it_is(
        steps in prop::collection::vec((1usize..30, 20usize..3000, prop::bool::weighted(0.3)), 1..12),
        since in 0i64..200,
        depth in 0usize..6,
    ) {
        let node = Node::new();
        let mut log = node.log();
        for (number, (count, size, roll)) in steps.iter().enumerate() {
            log.append(*count, *size, number as i32);
            if *roll {
                log.roll();
            }
        }
        let seen = node.look(&Ask { since: Some(since), depth, leader_epochs: true }).unwrap();
        let first = (since.min(log.end()) + 1 - depth as i64).max(1);
        prop_assert_eq!(seen.log_end, log.end());
        prop_assert_eq!(nexts(&seen), (first..=log.end()).collect::<Vec<_>>());
        // The same again, now from memory.
        let again = node.look(&Ask { since: Some(since), depth, leader_epochs: true }).unwrap();
        prop_assert_eq!(nexts(&again), nexts(&seen));
    }

    #[test]
    fn garbage_is_never_data(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let node = Node::new();
        let mut log = node.log();
        log.append(3, 100, 1);
        log.write_at_end(&bytes);
        if let Ok(seen) = node.look(&LAST) {
            prop_assert_eq!(seen.log_end, 3);
        }
    }
}
