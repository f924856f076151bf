use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use maxbrod_kafka::{
    Attributes, BatchBuilder, Batches, Compression, LeaderEpoch, Offset, PartitionId, Record, Records,
};
use proptest::prelude::*;

use super::cursor::{After, Cursor, Halt};
use super::follower::Follower;
use super::{CoordinatorTopic, Entry, Followers, RecordsError, records_since};
use crate::disk::{Disk, Log, directory_id, topic_id};
use crate::log_dir::{Catalog, LogDir, Replica};
use crate::partition::PartitionKey;
use crate::replica::{Ask, Observed, observe};
use crate::throttle::Throttle;

const TRANSACTIONS: &str = "__transaction_state";

/// Offset, key, value.
type Told = (i64, String, Option<String>);

struct Node {
    disk: Disk,
    catalog: Catalog,
    followers: Followers,
}

impl Node {
    fn new() -> Self {
        Self::with_budget(usize::MAX)
    }

    fn with_budget(budget: usize) -> Self {
        let disk = Disk::new(&["d1", "d2"]);
        let open = |number: usize, name| LogDir::open(&disk.path(name), directory_id(number)).unwrap();
        let catalog = Catalog::new(vec![open(0, "d1"), open(1, "d2")]);
        let followers = Followers::with_budget(Arc::new(Throttle::new(None)), budget);
        Self {
            disk,
            catalog,
            followers,
        }
    }

    fn log(&self) -> Log {
        let log = self.disk.log("d1", TRANSACTIONS, 0);
        self.catalog.walk();
        log
    }

    fn look(&self, topic: &str, since: i64) -> (Replica, Observed) {
        let key = PartitionKey {
            topic_id: topic_id(topic),
            partition: PartitionId(0),
        };
        let replica = self.catalog.open(key, Some(topic)).unwrap();
        let ask = Ask {
            since: Some(since),
            depth: 2,
            leader_epochs: false,
        };
        let observed = observe(&self.catalog, &replica, &ask).unwrap();
        (replica, observed)
    }

    fn pass(&self) {
        self.followers.pass(&self.catalog, Instant::now(), &|| false);
    }

    fn try_tell(&self, since: i64) -> Result<(BTreeMap<String, Told>, Vec<Told>), RecordsError> {
        let (replica, observed) = self.look(TRANSACTIONS, since);
        let show = |moment: super::Moment<'_>| {
            let states = moment.states.iter().map(|entry| told(entry));
            let states = states.map(|told| (told.1.clone(), told)).collect();
            (states, moment.records.iter().map(|entry| told(entry)).collect())
        };
        let now = Instant::now();
        let moment = self
            .followers
            .with_moment(&self.catalog, &replica, since, &observed, now, show)?;
        Ok(moment.expect("the log that was observed is there"))
    }

    fn tell(&self, since: i64) -> (BTreeMap<String, Told>, Vec<Told>) {
        self.try_tell(since).unwrap()
    }

    /// The states below an offset, as key and value.
    fn states(&self, since: i64) -> Vec<(String, String)> {
        let states = self.tell(since).0.into_values();
        states.map(|(_, key, value)| (key, value.unwrap())).collect()
    }

    fn offsets(&self, topic: CoordinatorTopic, name: &str, since: i64) -> Result<Vec<i64>, RecordsError> {
        let (replica, observed) = self.look(name, since);
        let entries = records_since(&self.catalog, &replica, topic, since, &observed)?;
        Ok(entries.unwrap().iter().map(|entry| entry.offset).collect())
    }
}

fn told(entry: &Entry) -> Told {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (entry.offset, text(entry.key()), entry.value().map(text))
}

/// A batch of these records.
fn batch(base: i64, epoch: i32, records: &[(&[u8], Option<&[u8]>)]) -> Vec<u8> {
    let builder = BatchBuilder::new(Offset(base), LeaderEpoch(epoch));
    let add = |builder: BatchBuilder, (key, value): &(&[u8], Option<&[u8]>)| builder.record(1, Some(key), *value);
    records.iter().fold(builder, add).build()
}

fn put(log: &mut Log, key: &str, value: &str) {
    put_in(log, 1, key, Some(value));
}

fn put_in(log: &mut Log, epoch: i32, key: &str, value: Option<&str>) {
    let bytes = batch(log.end(), epoch, &[(key.as_bytes(), value.map(str::as_bytes))]);
    log.append_bytes(&bytes);
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    expected.iter().map(own).collect()
}

#[test]
fn the_last_state_of_every_id_is_told_and_every_record_after_it() {
    let node = Node::new();
    let mut log = node.log();
    for (key, value) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1")] {
        put(&mut log, key, value);
    }
    put_in(&mut log, 1, "b", None);
    for is_followed in [false, true] {
        if is_followed {
            node.pass();
        }
        assert_eq!(node.states(3), pairs(&[("a", "2"), ("b", "1")]));
        assert_eq!(node.states(5), pairs(&[("a", "2"), ("c", "1")]));
        let (states, records) = node.tell(2);
        assert_eq!(states.into_values().map(|told| told.0).collect::<Vec<_>>(), [0, 1]);
        let expected = [(2, "a", Some("2")), (3, "c", Some("1")), (4, "b", None)];
        let own = |(offset, key, value): (i64, &str, Option<&str>)| (offset, key.to_owned(), value.map(str::to_owned));
        assert_eq!(records, expected.map(own));
        assert_eq!(node.tell(0).1.len(), 5);
    }
    put(&mut log, "b", "3");
    assert_eq!(node.states(6), pairs(&[("a", "2"), ("b", "3"), ("c", "1")]));
}

#[test]
fn a_tail_that_was_rewritten_to_the_same_end_is_noticed() {
    let node = Node::new();
    let mut log = node.log();
    for number in 0..20 {
        put(&mut log, &format!("id-{}", number % 4), &number.to_string());
    }
    node.pass();
    log.truncate(15);
    for number in 0..5 {
        put_in(&mut log, 2, "other", Some(&format!("{number}")));
    }
    let states = node.states(20);
    let expected = [
        ("id-0", "12"),
        ("id-1", "13"),
        ("id-2", "14"),
        ("id-3", "11"),
        ("other", "4"),
    ];
    assert_eq!(states, pairs(&expected));
}

#[test]
fn a_log_that_was_made_anew_is_read_anew() {
    let node = Node::new();
    let mut log = node.log();
    for _ in 0..10 {
        put(&mut log, "old", "1");
    }
    log.roll();
    node.pass();
    // Fetched again as a whole, after its replica was too far behind.
    fs::remove_dir_all(&log.directory).unwrap();
    let mut log = node.log();
    for _ in 0..10 {
        put(&mut log, "new", "1");
    }
    log.roll();
    node.pass();
    assert_eq!(node.states(10), pairs(&[("new", "1")]));
}

#[test]
fn rolls_and_moves_between_log_dirs_change_nothing() {
    let node = Node::new();
    let mut log = node.log();
    put(&mut log, "a", "1");
    node.pass();
    for number in 0..5 {
        put(&mut log, "b", &number.to_string());
        log.roll();
    }
    node.pass();
    put(&mut log, "c", "1");
    let expected = pairs(&[("a", "1"), ("b", "4"), ("c", "1")]);
    assert_eq!(node.states(7), expected);
    let moved = node.disk.path("d2").join("__transaction_state-0");
    fs::create_dir(&moved).unwrap();
    for file in fs::read_dir(&log.directory).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), moved.join(file.file_name())).unwrap();
    }
    fs::remove_dir_all(&log.directory).unwrap();
    node.pass();
    assert_eq!(node.states(7), expected);
}

#[test]
fn what_compaction_removed_was_read_before() {
    let node = Node::new();
    let mut log = node.log();
    put(&mut log, "a", "1");
    put(&mut log, "gone", "1");
    log.roll();
    put(&mut log, "a", "2");
    put_in(&mut log, 1, "gone", None);
    node.pass();
    log.roll();
    put(&mut log, "b", "1");
    // The cleaner keeps the last record of each key and an empty batch at the end of a segment.
    log.replace_segment(0, &empty(1));
    log.replace_segment(2, &[batch(2, 1, &[(b"a", Some(b"2"))]), empty(3)].concat());
    node.pass();
    assert_eq!(node.states(5), pairs(&[("a", "2"), ("b", "1")]));
    assert_eq!(node.states(4), pairs(&[("a", "2")]));
}

#[test]
fn a_tombstone_that_compaction_takes_before_it_is_read_leaves_no_state_behind() {
    let node = Node::new();
    let mut log = node.log();
    put(&mut log, "gone", "1");
    log.roll();
    put_in(&mut log, 1, "gone", None);
    log.roll();
    put(&mut log, "b", "1");
    let (replica, observed) = node.look(TRANSACTIONS, 3);
    let (mut follower, throttle) = (Follower::default(), Throttle::new(None));
    // One batch is read, then the cleaner comes.
    let read_one = |follower: &mut Follower| follower.read_ahead(&node.catalog, &replica, &throttle, 1).unwrap();
    assert!(read_one(&mut follower).is_some());
    log.replace_segment(0, &empty(0));
    log.replace_segment(1, &empty(1));
    while read_one(&mut follower).is_some() {}
    let moment = follower.moment(&node.catalog, &replica, 3, &observed).unwrap().unwrap();
    let states: Vec<Told> = moment.states.iter().map(|entry| told(entry)).collect();
    assert_eq!(states, [(2, "b".to_owned(), Some("1".to_owned()))]);
}

#[test]
fn a_log_that_is_compacted_while_it_is_read_is_read_again() {
    let node = Node::new();
    let mut log = node.log();
    put(&mut log, "gone", "1");
    log.roll();
    put_in(&mut log, 1, "gone", None);
    log.roll();
    put(&mut log, "b", "1");
    let (replica, _) = node.look(TRANSACTIONS, 3);
    let mut read = Vec::new();
    let reached = Cursor::at_start().read_on(&node.catalog, &replica, None, u64::MAX, |end, batch| {
        if end.next == 1 {
            log.replace_segment(0, &empty(0));
            log.replace_segment(1, &empty(1));
        }
        read.extend(Entry::all_of(batch).unwrap().iter().map(told));
        Ok(After::GoOn)
    });
    // The state was read, and its tombstone was gone by then.
    assert_eq!(read.iter().map(|told| told.0).collect::<Vec<_>>(), [0, 2]);
    assert!(matches!(reached, Err(Halt::Changed)), "{reached:?}");
}

fn empty(offset: i64) -> Vec<u8> {
    BatchBuilder::new(Offset(offset), LeaderEpoch(1))
        .raw_body(Compression::None, &[], 0, 0, 1)
        .build()
}

#[test]
fn a_topic_that_was_made_again_is_another_one() {
    let node = Node::new();
    put(&mut node.log(), "old", "1");
    node.pass();
    let deleted = "d1/__transaction_state-0.0123456789abcdef0123456789abcdef-delete";
    fs::rename(node.disk.path("d1/__transaction_state-0"), node.disk.path(deleted)).unwrap();
    let other = topic_id("recreated");
    let mut log = Log::create(&node.disk.path("d1/__transaction_state-0"), other, 0);
    put(&mut log, "new", "1");
    node.catalog.walk();
    node.pass();
    let key = PartitionKey {
        topic_id: other,
        partition: PartitionId(0),
    };
    assert_eq!(node.catalog.partitions_of(TRANSACTIONS), [key]);
    let replica = node.catalog.open(key, None).unwrap();
    let observed = observe(
        &node.catalog,
        &replica,
        &Ask {
            since: Some(1),
            ..Ask::default()
        },
    )
    .unwrap();
    let show = |moment: super::Moment<'_>| moment.states.iter().map(|entry| told(entry).1).collect::<Vec<_>>();
    let told = node
        .followers
        .with_moment(&node.catalog, &replica, 1, &observed, Instant::now(), show);
    assert_eq!(told.unwrap().unwrap(), ["new"]);
}

#[test]
fn an_offset_far_back_is_told_by_reading_again_unless_it_may_have_been_compacted() {
    let node = Node::new();
    let mut log = node.log();
    put(&mut log, "a", "1");
    log.roll();
    let large = "x".repeat(100 << 10);
    for number in 0..30 {
        put(&mut log, &format!("id-{number}"), &large);
    }
    node.pass();
    // Three megabytes: the beginning of the segment is folded by now.
    assert_eq!(node.states(2).len(), 2);
    assert_eq!(node.tell(3).1.len(), 28);
    node.pass();
    let error = node.try_tell(0).unwrap_err().to_string();
    assert!(
        error.contains("__transaction_state-0") && error.contains("compacted"),
        "{error}"
    );
    assert_eq!(node.states(31).len(), 31);
}

#[test]
fn damage_and_unknown_codecs_are_errors_that_name_the_place() {
    let node = Node::new();
    let mut log = node.log();
    for number in 0..100 {
        put(&mut log, "a", &number.to_string());
    }
    log.roll();
    put(&mut log, "b", "1");
    log.flip_bit(0, 1050);
    node.pass();
    let error = node.try_tell(100).unwrap_err().to_string();
    for part in ["__transaction_state-0", "00000000000000000000.log", "CRC"] {
        assert!(error.contains(part), "{error}");
    }
    log.flip_bit(0, 1050);
    assert_eq!(node.states(101).len(), 2);

    let unknown = BatchBuilder::new(Offset(101), LeaderEpoch(1))
        .attributes(Attributes(5))
        .record(1, Some(b"c"), None)
        .build();
    log.append_bytes(&unknown);
    let error = node.try_tell(101).unwrap_err().to_string();
    assert!(
        error.contains("__transaction_state-0 at offset 101") && error.contains("codec 5"),
        "{error}"
    );
}

#[test]
fn logs_that_are_too_large_to_be_followed_are_told_all_the_same() {
    let node = Node::with_budget(10_000);
    let mut log = node.log();
    for number in 0..300 {
        put(&mut log, &format!("id-{number}"), "state");
    }
    for _ in 0..2 {
        node.pass();
        assert!(node.followers.bytes() <= 10_000);
        assert_eq!(node.states(300).len(), 300);
        assert_eq!(node.states(299).len(), 299);
        assert!(node.followers.bytes() <= 10_000);
    }
}

fn compressed(base: i64, codec: Compression, keys: &[&[u8]]) -> Vec<u8> {
    use std::io::Write as _;
    let mut body = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let record = Record {
            attributes: 0,
            timestamp_delta: 0,
            offset_delta: number as i32,
            key: Some(key),
            value: Some(b"value"),
            headers: Vec::new(),
        };
        record.write(&mut body);
    }
    let body = match codec {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&body).unwrap();
            encoder.finish().unwrap()
        }
        _ => body,
    };
    let last = keys.len() as i32 - 1;
    BatchBuilder::new(Offset(base), LeaderEpoch(1))
        .raw_body(codec, &body, last + 1, last, 1)
        .build()
}

#[test]
fn of_group_offsets_commits_and_what_is_not_known_are_told() {
    let node = Node::new();
    let mut log = node.disk.log("d1", "__consumer_offsets", 0);
    let kinds: Vec<[u8; 3]> = (0u8..28).map(|kind| [0, kind, 7]).collect();
    let keys: Vec<&[u8]> = kinds.iter().map(|key| key.as_slice()).collect();
    log.append_bytes(&compressed(0, Compression::Gzip, &keys));
    log.roll();
    log.append_bytes(&compressed(28, Compression::None, &[&[0, 1, 9], &[], &[5], &[0, 2]]));
    log.append_bytes(&crate::disk::marker(32, 1, 7, 0, 1, 3));
    let topic = CoordinatorTopic::ConsumerOffsets;
    let offsets = |since| node.offsets(topic, "__consumer_offsets", since).unwrap();
    assert_eq!(offsets(0), [0, 1, 25, 26, 27, 28, 29, 30]);
    assert_eq!(offsets(1), [1, 25, 26, 27, 28, 29, 30]);
    assert_eq!(offsets(29), [29, 30]);
    assert_eq!(offsets(33), [0; 0]);
    log.append_bytes(&compressed(33, Compression::Unknown(6), &[&[0, 1]]));
    let error = node.offsets(topic, "__consumer_offsets", 29).unwrap_err().to_string();
    assert!(error.contains("__consumer_offsets-0 at offset 33"), "{error}");
}

#[test]
fn of_share_groups_everything_is_told() {
    let node = Node::new();
    let mut log = node.disk.log("d1", "__share_group_state", 0);
    log.append_bytes(&compressed(0, Compression::Gzip, &[&[0, 0], &[0, 1], &[0, 9]]));
    let told = node.offsets(CoordinatorTopic::ShareGroupState, "__share_group_state", 1);
    assert_eq!(told.unwrap(), [1, 2]);
}

#[test]
fn a_log_that_is_not_the_one_observed_is_observed_again() {
    let node = Node::new();
    let mut log = node.log();
    for _ in 0..10 {
        put(&mut log, "a", "1");
    }
    let (replica, observed) = node.look(TRANSACTIONS, 5);
    log.truncate(6);
    for _ in 0..4 {
        put_in(&mut log, 2, "a", Some("2"));
    }
    let told = node
        .followers
        .with_moment(&node.catalog, &replica, 5, &observed, Instant::now(), |_| ());
    assert!(told.unwrap().is_none());
    let told = records_since(&node.catalog, &replica, CoordinatorTopic::ShareGroupState, 5, &observed);
    assert!(told.unwrap().is_none());
}

/// A record whose key and value follow from its offset.
fn numbered(log: &mut Log, epoch: i32) -> Told {
    let (offset, key, value) = (log.end(), format!("id-{}", log.end() % 5), log.end().to_string());
    put_in(log, epoch, &key, Some(&value));
    (offset, key, Some(value))
}

#[test]
fn what_happens_while_a_log_is_read_does_not_confuse_the_reader() {
    let node = Arc::new(Node::new());
    let mut log = node.log();
    for _ in 0..20 {
        numbered(&mut log, 0);
    }
    let writer = thread::spawn(move || {
        let mut records = Vec::new();
        for epoch in 1..60 {
            for _ in 0..7 {
                records.push(numbered(&mut log, epoch));
            }
            match epoch % 3 {
                0 => drop(log.roll()),
                1 => compact(&log, &records),
                _ => {
                    log.truncate((log.end() - 4).max(log.active()));
                    records.retain(|(offset, ..)| *offset < log.end());
                }
            }
            thread::sleep(Duration::from_millis(2));
        }
    });
    let passing = Arc::clone(&node);
    let passes = thread::spawn(move || {
        while Arc::strong_count(&passing) > 1 {
            passing.pass();
        }
    });
    let (mut told, mut asked) = (0, 0);
    while !writer.is_finished() {
        asked += 1;
        let (replica, observed) = node.look(TRANSACTIONS, i64::MAX);
        let (since, end) = (observed.log_end - 3, observed.log_end);
        let show = |moment: super::Moment<'_>| {
            let mut states: Vec<i64> = moment.states.iter().map(|entry| entry.offset).collect();
            states.sort_unstable();
            assert_eq!(states, (since - 5..since).collect::<Vec<_>>());
            let records: Vec<i64> = moment.records.iter().map(|entry| entry.offset).collect();
            assert_eq!(records, (since..end).collect::<Vec<_>>());
        };
        let now = Instant::now();
        match node
            .followers
            .with_moment(&node.catalog, &replica, since, &observed, now, show)
        {
            Ok(moment) => told += usize::from(moment.is_some()),
            Err(RecordsError::Compacted { .. } | RecordsError::Changing { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    writer.join().unwrap();
    drop(node);
    passes.join().unwrap();
    assert!(told * 2 > asked, "{told} of {asked} were told");
}

/// What happens to the log.
#[derive(Clone, Debug)]
enum Step {
    Append { keys: Vec<(u8, bool)> },
    Rewrite { back: usize, count: usize },
    Roll,
    Compact,
    Pass,
    Ask { back: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let keys = prop::collection::vec((0u8..6, prop::bool::weighted(0.2)), 1..4);
    prop_oneof![
        6 => keys.prop_map(|keys| Step::Append { keys }),
        1 => (0usize..4, 0usize..4).prop_map(|(back, count)| Step::Rewrite { back, count }),
        1 => Just(Step::Roll),
        1 => Just(Step::Compact),
        2 => Just(Step::Pass),
        3 => (0i64..8).prop_map(|back| Step::Ask { back }),
    ]
}

/// As Kafka's cleaner does it with `delete.retention.ms` 0: of all closed segments the last record of each key stays, of
/// tombstones none, and of a segment's last batch the header.
fn compact(log: &Log, records: &[Told]) {
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for (offset, key, _) in records.iter().filter(|(offset, ..)| *offset < log.active()) {
        last.insert(key, *offset);
    }
    let mut bases: Vec<i64> = fs::read_dir(&log.directory)
        .unwrap()
        .filter_map(|entry| maxbrod_kafka::SegmentFile::parse(entry.unwrap().file_name().to_str()?))
        .filter(|(base, kind)| *kind == maxbrod_kafka::SegmentFile::Log && base.0 < log.active())
        .map(|(base, _)| base.0)
        .collect();
    bases.sort_unstable();
    for base in bases {
        let bytes = fs::read(log.log_file(base)).unwrap();
        let batches: Vec<_> = Batches::new(&bytes, 0).map(Result::unwrap).collect();
        let mut content = Vec::new();
        for (number, batch) in batches.iter().enumerate() {
            let header = batch.header.unwrap();
            let all: Vec<Record<'_>> = Records::new(&header, &batch.bytes[61..]).map(Result::unwrap).collect();
            let stays = |record: &&Record<'_>| {
                let key = std::str::from_utf8(record.key.unwrap()).unwrap();
                record.value.is_some() && last.get(key) == Some(&record.offset(&header).0)
            };
            let kept: Vec<&Record<'_>> = all.iter().filter(stays).collect();
            if kept.is_empty() && number + 1 < batches.len() {
                continue;
            }
            let mut body = Vec::new();
            kept.iter().for_each(|record| record.write(&mut body));
            let builder = BatchBuilder::new(header.base_offset, header.leader_epoch);
            let count = kept.len() as i32;
            content.extend(
                builder
                    .raw_body(Compression::None, &body, count, header.last_offset_delta, 1)
                    .build(),
            );
        }
        log.replace_segment(base, &content);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_to_the_log_it_is_told_as_it_is(steps in prop::collection::vec(step(), 1..40)) {
        let node = Node::new();
        let mut log = node.log();
        let mut epoch = 0;
        let mut number = 0;
        let mut all: Vec<Told> = Vec::new();
        // Whether records were lost to compaction that a fresh reader would need.
        for step in steps.into_iter().chain([Step::Ask { back: 0 }]) {
            match step {
                Step::Append { keys } => {
                    let values: Vec<_> = keys
                        .iter()
                        .map(|(key, is_tombstone)| {
                            number += 1;
                            (format!("id-{key}"), (!is_tombstone).then(|| number.to_string()))
                        })
                        .collect();
                    let records: Vec<(&[u8], Option<&[u8]>)> =
                        values.iter().map(|(key, value)| (key.as_bytes(), value.as_deref().map(str::as_bytes))).collect();
                    let base = log.end();
                    log.append_bytes(&batch(base, epoch, &records));
                    let offsets = base..;
                    all.extend(offsets.zip(values).map(|(offset, (key, value))| (offset, key, value)));
                }
                Step::Rewrite { back, count } => {
                    epoch += 1;
                    let to = (log.end() - back as i64).max(log.active());
                    log.truncate(to);
                    all.retain(|(offset, ..)| *offset < log.end());
                    for _ in 0..count {
                        number += 1;
                        all.push((log.end(), "rewritten".to_owned(), Some(number.to_string())));
                        put_in(&mut log, epoch, "rewritten", Some(&number.to_string()));
                    }
                }
                Step::Roll if log.end() > log.active() => drop(log.roll()),
                Step::Roll => {}
                Step::Compact => compact(&log, &all),
                Step::Pass => node.pass(),
                Step::Ask { back } => {
                    let since = (log.end() - back).max(0);
                    match node.try_tell(since) {
                        Ok((states, records)) => {
                            let mut expected: BTreeMap<String, Told> = BTreeMap::new();
                            for told in all.iter().filter(|told| told.0 < since) {
                                match told.2 {
                                    Some(_) => drop(expected.insert(told.1.clone(), told.clone())),
                                    None => drop(expected.remove(&told.1)),
                                }
                            }
                            prop_assert_eq!(states, expected);
                            let expected: Vec<Told> = all.iter().filter(|told| told.0 >= since).cloned().collect();
                            prop_assert_eq!(records, expected);
                        }
                        Err(RecordsError::Compacted { .. }) => prop_assert!(since < log.active()),
                        Err(error) => prop_assert!(false, "{}", error),
                    }
                }
            }
        }
    }
}

/// Takes seconds and is run by hand:
/// `cargo test --release -p maxbrod-agent --lib -- --ignored --nocapture fifty_partitions`.
#[test]
#[ignore = "figures, not behaviour"]
fn fifty_partitions_of_ten_thousand_ids_are_told_at_once() {
    let node = Node::with_budget(128 << 20);
    let value = "v".repeat(110);
    let mut logs = Vec::new();
    for partition in 0..50 {
        let mut log = node.disk.log("d1", TRANSACTIONS, partition);
        for first in (0..10_000).step_by(10) {
            let keys: Vec<String> = (first..first + 10)
                .map(|id| format!("transactional-id-{id:06}"))
                .collect();
            let records: Vec<(&[u8], Option<&[u8]>)> = keys
                .iter()
                .map(|key| (key.as_bytes(), Some(value.as_bytes())))
                .collect();
            let base = log.end();
            log.append_bytes(&batch(base, 1, &records));
        }
        logs.push(log);
    }
    node.catalog.walk();
    let start = Instant::now();
    node.pass();
    println!(
        "first reading: {:?}, {} MiB",
        start.elapsed(),
        node.followers.bytes() >> 20
    );
    for log in &mut logs {
        put(log, "transactional-id-000001", "new");
    }
    let start = Instant::now();
    node.pass();
    println!("a pass with something new everywhere: {:?}", start.elapsed());
    let start = Instant::now();
    let mut states = 0;
    for partition in 0..50 {
        let key = PartitionKey {
            topic_id: topic_id(TRANSACTIONS),
            partition: PartitionId(partition),
        };
        let replica = node.catalog.open(key, None).unwrap();
        let ask = Ask {
            since: Some(10_000),
            depth: 2,
            leader_epochs: false,
        };
        let observed = observe(&node.catalog, &replica, &ask).unwrap();
        let show = |moment: super::Moment<'_>| (moment.states.len(), moment.records.len());
        let told = node
            .followers
            .with_moment(&node.catalog, &replica, 10_000, &observed, Instant::now(), show);
        let (of_partition, records) = told.unwrap().unwrap();
        assert_eq!(records, 1);
        states += of_partition;
    }
    println!("asked for all, in one thread: {:?}", start.elapsed());
    assert_eq!(states, 500_000);
    assert!(start.elapsed() < Duration::from_secs(1));
}
