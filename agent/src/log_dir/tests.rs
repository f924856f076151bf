use std::fs;
use std::thread::sleep;
use std::time::Duration;

use maxbrod_kafka::PartitionId;

use super::{Catalog, Change, LogDir, Watch};
use crate::disk::{Disk, directory_id, topic_id};
use crate::partition::PartitionKey;

fn key(topic: &str) -> PartitionKey {
    PartitionKey {
        topic_id: topic_id(topic),
        partition: PartitionId(0),
    }
}

fn catalog(disk: &Disk) -> Catalog {
    let open = |number: usize, name| LogDir::open(&disk.path(name), directory_id(number)).unwrap();
    Catalog::new(vec![open(0, "d1"), open(1, "d2")])
}

#[test]
fn a_walk_finds_replicas_in_all_log_dirs_and_forgets_those_that_left() {
    let disk = Disk::new(&["d1", "d2"]);
    disk.log("d1", "one", 0);
    disk.log("d2", "two", 0);
    fs::create_dir(disk.path("d1/half-made-0")).unwrap();
    fs::create_dir(disk.path("d1/remote-log-index-cache")).unwrap();
    let catalog = catalog(&disk);
    assert!(catalog.walk().is_empty());
    assert_eq!(catalog.len(), 2);
    assert_eq!(catalog.open(key("two"), None).unwrap().log_dir.path, disk.path("d2"));
    fs::remove_dir_all(disk.path("d1/one-0")).unwrap();
    disk.log("d2", "three", 0);
    catalog.walk();
    assert_eq!(catalog.len(), 2);
    assert!(catalog.open(key("one"), None).is_err());
    assert!(catalog.open(key("three"), None).is_ok());
}

#[test]
fn a_listing_is_taken_again_only_when_something_changed() {
    let disk = Disk::new(&["d1", "d2"]);
    let mut log = disk.log("d1", "one", 0);
    log.append(3, 100, 1);
    let catalog = catalog(&disk);
    let replica = catalog.open(key("one"), Some("one")).unwrap();
    // Right after a change nobody can tell whether another one follows within the same tick of the clock.
    sleep(Duration::from_millis(80));
    let first = catalog.listing(&replica).unwrap();
    log.append(3, 100, 1);
    assert!(
        std::sync::Arc::ptr_eq(&first, &catalog.listing(&replica).unwrap()),
        "an append changes no name"
    );
    log.roll();
    assert_eq!(*catalog.listing(&replica).unwrap().bases, [0, 6]);
}

#[test]
fn a_listing_says_which_segments_hold_what() {
    let disk = Disk::new(&["d1", "d2"]);
    let mut log = disk.log("d1", "one", 0);
    log.append(3, 100, 1).roll().append(3, 100, 1).roll();
    for name in [
        "00000000000000000009.log.deleted",
        "00000000000000000001.log.swap",
        "junk.log",
        "leader-epoch-checkpoint",
    ] {
        fs::write(log.directory.join(name), "").unwrap();
    }
    let catalog = catalog(&disk);
    let replica = catalog.open(key("one"), Some("one")).unwrap();
    let listing = catalog.listing(&replica).unwrap();
    assert_eq!(
        (&*listing.bases, &*listing.snapshots),
        ([0, 3, 6].as_slice(), [3, 6].as_slice())
    );
    assert_eq!(
        (listing.containing(5), listing.containing(-1), listing.active()),
        (Some(3), None, Some(6))
    );
    assert_eq!(
        (listing.covering(4), listing.covering(i64::MIN)),
        ([3, 6].as_slice(), [0, 3, 6].as_slice())
    );
    assert_eq!((listing.before(3), listing.before(0)), (Some(0), None));
}

#[test]
fn new_segments_are_noticed_and_appends_are_not() {
    let disk = Disk::new(&["d1", "d2"]);
    let mut log = disk.log("d1", "one", 0);
    let catalog = catalog(&disk);
    let watch = Watch::new().unwrap();
    watch.add(&catalog.open(key("one"), Some("one")).unwrap()).unwrap();
    log.append(10, 100, 1);
    assert_eq!(watch.changes().unwrap(), []);
    log.roll();
    assert_eq!(watch.changes().unwrap(), [Change::NewSegment(key("one"))]);
    watch.retain(|_| false);
    log.append(1, 100, 1).roll();
    assert_eq!(watch.changes().unwrap(), []);
}
