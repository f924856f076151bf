use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::thread;

use maxbrod_kafka::{PartitionId, SegmentFile};

use super::{PinDirectory, PinMethod, PinnedPartition, Pins, take};
use crate::disk::{Disk, Log, batch, directory_id, topic_id};
use crate::log_dir::{Catalog, LogDir, ReplicaError};
use crate::partition::PartitionKey;

struct Node {
    disk: Disk,
    log_dir: Arc<LogDir>,
    catalog: Catalog,
    pins: Pins,
}

impl Node {
    fn new() -> Self {
        let disk = Disk::new(&["d1"]);
        let log_dir = LogDir::open(&disk.path("d1"), directory_id(0)).unwrap();
        let catalog = Catalog::new(vec![Arc::clone(&log_dir)]);
        let pins = Pins::new(vec![PinDirectory::prepare(&log_dir)]).unwrap();
        Self {
            disk,
            log_dir,
            catalog,
            pins,
        }
    }

    fn key() -> PartitionKey {
        PartitionKey {
            topic_id: topic_id("topic"),
            partition: PartitionId(0),
        }
    }

    fn take(&self, attempt: u32, from: i64) -> Result<PinnedPartition, ReplicaError> {
        let replica = self.catalog.open(Self::key(), Some("topic"))?;
        take(
            &self.catalog,
            &replica,
            self.pins.directory(&directory_id(0)).unwrap(),
            7,
            attempt,
            from,
            0,
        )
    }

    fn hold(&self, attempt: u32, from: i64) {
        self.pins.hold(Self::key(), self.take(attempt, from).unwrap());
    }

    fn links(&self) -> Vec<String> {
        let path = self.disk.path(".maxbrod-pins").join(directory_id(0).to_string());
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn read(&self, attempt: u32, base: i64) -> Vec<u8> {
        let pinned = self.pins.get(&Self::key(), 7, attempt).unwrap();
        let file = pinned.segments().find(|file| file.offset == base).unwrap();
        let mut bytes = Vec::new();
        let directory = self.pins.directory(&pinned.log_dir).unwrap();
        directory
            .open(&pinned.name_of(&Self::key(), file), file)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }
}

/// Three segments: 0, 10, 20.
fn log(node: &Node) -> Log {
    let mut log = node.disk.log("d1", "topic", 0);
    log.append(10, 500, 1)
        .roll()
        .append(10, 500, 1)
        .roll()
        .append(5, 500, 1);
    log
}

#[test]
fn pins_are_links_named_after_run_attempt_partition_and_offset() {
    let node = Node::new();
    log(&node);
    assert_eq!(node.pins.directory(&directory_id(0)).unwrap().method(), PinMethod::Link);
    node.hold(3, 15);
    let name = |file: &str| format!("7_3_{}_0_{file}", topic_id("topic"));
    let expected = [
        name("00000000000000000010.log"),
        name("00000000000000000010.snapshot"),
        name("00000000000000000020.log"),
        name("00000000000000000020.snapshot"),
    ];
    assert_eq!(node.links(), expected);
    assert_eq!(node.pins.total().files, 4);
}

#[test]
fn no_index_is_ever_pinned() {
    let node = Node::new();
    log(&node);
    node.hold(1, 0);
    assert!(
        node.links()
            .iter()
            .all(|name| name.ends_with(".log") || name.ends_with(".snapshot"))
    );
}

#[test]
fn a_pinned_segment_survives_its_deletion() {
    let node = Node::new();
    let log = log(&node);
    let content = fs::read(log.log_file(0)).unwrap();
    node.hold(1, 0);
    assert!(!node.pins.is_only_holder(&Node::key()));
    log.delete_segment(0);
    assert!(node.pins.is_only_holder(&Node::key()));
    assert_eq!(node.read(1, 0), content);
}

#[test]
fn a_pin_keeps_the_file_that_was_opened_not_what_its_name_means_later() {
    let node = Node::new();
    let log = log(&node);
    let content = fs::read(log.log_file(10)).unwrap();
    node.hold(1, 0);
    log.replace_segment(10, &batch(10, 1, 1, 10));
    assert_eq!(node.read(1, 10), content);
}

#[test]
fn pinning_twice_in_an_attempt_keeps_the_pins() {
    let node = Node::new();
    let mut log = log(&node);
    node.hold(1, 0);
    let before = node.links();
    log.append(5, 500, 1);
    node.hold(1, 0);
    assert_eq!(node.links(), before);
    node.hold(2, 0);
    assert!(
        node.links().iter().all(|name| name.starts_with("7_2_")),
        "{:?}",
        node.links()
    );
    assert!(node.pins.get(&Node::key(), 7, 1).is_none());
}

#[test]
fn what_is_stored_is_let_go() {
    let node = Node::new();
    log(&node);
    node.hold(1, 0);
    node.pins.release_below(&Node::key(), 19);
    let logs = |node: &Node| node.links().iter().filter(|name| name.ends_with(".log")).count();
    assert_eq!(logs(&node), 2, "only the segment that ends at 10 is below 19");
    node.pins.release_below(&Node::key(), 25);
    assert_eq!(logs(&node), 1, "the active segment has no end");
    node.pins.release(&Node::key());
    assert!(node.links().is_empty());
}

#[test]
fn pins_go_with_their_attempt_and_their_run() {
    let node = Node::new();
    log(&node);
    node.hold(4, 0);
    node.pins.release_attempt(7, Some(3));
    assert!(!node.links().is_empty());
    node.pins.release_attempt(7, Some(4));
    assert!(node.links().is_empty());
    node.hold(5, 0);
    node.pins.release_attempt(7, None);
    assert!(node.links().is_empty());
    node.hold(6, 0);
    node.pins.keep_only_attempt(7, 6);
    assert!(!node.links().is_empty());
    node.pins.keep_only_attempt(7, 7);
    assert!(node.links().is_empty());
}

#[test]
fn a_full_disk_takes_the_pins_of_its_log_dir_and_the_partitions_know() {
    let node = Node::new();
    log(&node);
    node.hold(4, 0);
    assert_eq!(node.pins.give_up(&directory_id(0)), 1);
    assert!(node.links().is_empty());
    assert!(node.pins.was_given_up(&Node::key(), 7, 4));
    assert!(!node.pins.was_given_up(&Node::key(), 7, 5));
}

#[test]
fn the_pins_of_a_dead_agent_are_dropped_at_the_start() {
    let node = Node::new();
    log(&node);
    node.hold(1, 0);
    assert!(!node.links().is_empty());
    let _next = Pins::new(vec![PinDirectory::prepare(&node.log_dir)]).unwrap();
    assert!(node.links().is_empty());
}

#[test]
fn brokers_that_share_a_parent_directory_leave_each_others_pins_alone() {
    let node = Node::new();
    log(&node);
    node.hold(1, 0);
    let other = node.disk.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("meta.properties"), "").unwrap();
    let other = LogDir::open(&other, directory_id(9)).unwrap();
    let pins = Pins::new(vec![PinDirectory::prepare(&other)]).unwrap();
    pins.release_all();
    assert!(!node.links().is_empty());
}

#[test]
fn where_links_are_impossible_the_descriptor_is_the_pin() {
    let node = Node::new();
    let log = log(&node);
    // Without meta.properties the probe fails, as it does across mounts.
    fs::remove_file(node.disk.path("d1/meta.properties")).unwrap();
    let directory = PinDirectory::prepare(&node.log_dir);
    assert_eq!(directory.method(), PinMethod::Descriptor);
    let replica = node.catalog.open(Node::key(), Some("topic")).unwrap();
    let pinned = take(&node.catalog, &replica, &directory, 7, 1, 0, 0).unwrap();
    let content = fs::read(log.log_file(0)).unwrap();
    log.delete_segment(0);
    let mut bytes = Vec::new();
    let file = &pinned.files[0];
    directory
        .open("no such link", file)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(bytes, content);
}

#[test]
fn a_set_of_pins_is_of_one_moment_while_the_cleaner_swaps_and_retention_deletes() {
    let node = Node::new();
    let mut log = node.disk.log("d1", "topic", 0);
    for _ in 0..20 {
        log.append(2, 100, 1).roll();
    }
    let directory = log.directory.clone();
    let swapper = thread::spawn(move || {
        // A merge: the first of two segments gets the content of both, the second vanishes.
        for base in (0..36).step_by(4) {
            // In the order of LocalLog.replaceSegments.
            let both = [
                fs::read(log.log_file(base)).unwrap(),
                fs::read(log.log_file(base + 2)).unwrap(),
            ]
            .concat();
            let swap = directory.join(format!("{base:020}.log.swap"));
            fs::write(directory.join("cleaned"), both).unwrap();
            fs::rename(directory.join("cleaned"), &swap).unwrap();
            fs::rename(log.log_file(base), directory.join("old.deleted")).unwrap();
            fs::rename(log.log_file(base + 2), directory.join("old2.deleted")).unwrap();
            thread::sleep(std::time::Duration::from_millis(2));
            fs::rename(swap, log.log_file(base)).unwrap();
            thread::sleep(std::time::Duration::from_millis(3));
        }
        log
    });
    let mut attempts = 0;
    while !swapper.is_finished() {
        attempts += 1;
        let pinned = node.take(attempts, 0).unwrap();
        node.pins.hold(Node::key(), pinned.clone());
        let mut next = 0;
        for file in pinned.segments() {
            let bytes = node.read(attempts, file.offset);
            for batch in maxbrod_kafka::Batches::new(&bytes, 0).map(Result::unwrap) {
                assert_eq!(
                    batch.base_offset().0,
                    next,
                    "a set with a hole or an overlap was pinned"
                );
                next = batch.next_offset().0;
            }
        }
        assert_eq!(next, 40);
    }
    swapper.join().unwrap();
    node.hold(attempts + 1, 0);
    assert!(attempts > 0);
}

#[test]
fn a_file_with_an_old_name_is_not_taken_for_the_pin() {
    let node = Node::new();
    log(&node);
    let pinned = node.take(1, 0).unwrap();
    let file = &pinned.files[0];
    let name = pinned.name_of(&Node::key(), file);
    let path = node
        .disk
        .path(".maxbrod-pins")
        .join(directory_id(0).to_string())
        .join(&name);
    let inode = fs::metadata(&path).unwrap().ino();
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"something else").unwrap();
    assert_ne!(fs::metadata(&path).unwrap().ino(), inode);
    let error = node
        .pins
        .directory(&directory_id(0))
        .unwrap()
        .open(&name, file)
        .expect_err("it is another file");
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert_eq!(
        SegmentFile::parse("00000000000000000000.log").unwrap().1,
        SegmentFile::Log
    );
}
