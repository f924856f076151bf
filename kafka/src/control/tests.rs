use proptest::prelude::*;

use super::*;
use crate::message::sample::{Dice, Sample};

fn through_bytes(record: &ControlRecord) -> ControlRecord {
    let (key, value) = record.encode().unwrap();
    let record = Record {
        attributes: 0,
        timestamp_delta: 0,
        offset_delta: 0,
        key: Some(&key),
        value: Some(&value),
        headers: Vec::new(),
    };
    ControlRecord::decode(&record).unwrap()
}

#[test]
fn a_commit_marker_has_kafkas_bytes() {
    let marker = ControlRecord::EndTransaction {
        outcome: Outcome::Commit,
        coordinator_epoch: LeaderEpoch(7),
    };
    let (key, value) = marker.encode().unwrap();
    assert_eq!(key.as_ref(), [0, 0, 0, 1]);
    assert_eq!(value.as_ref(), [0, 0, 0, 0, 0, 7]);
    assert_eq!(through_bytes(&marker), marker);
}

#[test]
fn a_snapshot_header_has_kafkas_bytes() {
    let header = SnapshotHeader {
        last_contained_log_timestamp: 258,
        ..SnapshotHeader::default()
    };
    let (key, value) = ControlRecord::SnapshotHeader(header).encode().unwrap();
    assert_eq!(key.as_ref(), [0, 0, 0, 3]);
    assert_eq!(value.as_ref(), [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0]);
}

proptest! {
    #[test]
    fn voters_read_back_as_written(seed: u64) {
        let mut dice = Dice(seed);
        let mut voters = KRaftVoters::sample(&mut dice, Layout { version: 0, flexible: true });
        voters.inner_version = 0;
        let record = ControlRecord::KRaftVoters(voters);
        prop_assert_eq!(through_bytes(&record), record);
    }

    #[test]
    fn garbage_never_panics(key: Vec<u8>, value: Vec<u8>) {
        let record = Record {
            attributes: 0, timestamp_delta: 0, offset_delta: 0, key: Some(&key), value: Some(&value), headers: Vec::new(),
        };
        let _ = ControlRecord::decode(&record);
    }
}
