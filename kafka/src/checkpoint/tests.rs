use proptest::prelude::*;

use super::*;
use crate::ids::Uuid;

#[test]
fn checkpoints_are_written_as_kafka_writes_them() {
    let entries = [OffsetEntry {
        topic: "orders".to_owned(),
        partition: PartitionId(3),
        offset: Offset(42),
    }];
    assert_eq!(write_offset_checkpoint(&entries), "0\n1\norders 3 42\n");
    let epochs = [LeaderEpochEntry {
        epoch: LeaderEpoch(5),
        start_offset: Offset(17),
    }];
    assert_eq!(write_leader_epochs(&epochs), "0\n1\n5 17\n");
    assert_eq!(
        write_clean_shutdown(BrokerEpoch(42)),
        "{\"version\":0,\"brokerEpoch\":42}"
    );
    let metadata = write_partition_metadata(TopicId(Uuid([9; 16])));
    assert_eq!(metadata, "version: 0\ntopic_id: CQkJCQkJCQkJCQkJCQkJCQ");
    assert_eq!(
        parse_partition_metadata(metadata.as_bytes()),
        Some(TopicId(Uuid([9; 16])))
    );
}

#[test]
fn what_does_not_add_up_is_refused_by_name() {
    let code = |text: &str| parse_offset_checkpoint(text.as_bytes()).unwrap_err().code();
    assert_eq!(code(""), "checkpoint-headless");
    assert_eq!(code("1\n0\n"), "checkpoint-version");
    assert_eq!(code("0\n1\n"), "checkpoint-count");
    assert_eq!(code("0\n1\norders x 4\n"), "checkpoint-entry");
    assert_eq!(
        parse_partition_metadata(b"version: 1\ntopic_id: CQkJCQkJCQkJCQkJCQkJCQ"),
        None
    );
}

#[test]
fn leader_epochs_ascend_or_are_refused() {
    let code = |text: &str| parse_leader_epochs(text.as_bytes()).map_err(|error| error.code());
    assert_eq!(code("0\n2\n1 0\n1 5\n"), Err("checkpoint-order"));
    assert_eq!(code("0\n2\n1 5\n2 5\n"), Err("checkpoint-order"));
    assert!(code("0\n2\n1 4\n2 5\n").is_ok());
    let error = parse_leader_epochs(b"0\n3\n1 4\n2 5\n3 1\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "read checkpoint: entry 3 does not come after the one before it"
    );
}

#[test]
fn leader_epochs_shrink_with_the_log() {
    let epochs = [(0, 0), (2, 10), (5, 20)].map(|(epoch, start)| LeaderEpochEntry {
        epoch: LeaderEpoch(epoch),
        start_offset: Offset(start),
    });
    let left = |start, end| -> Vec<(i32, i64)> {
        let left = clamp_leader_epochs(&epochs, Offset(start), Offset(end));
        left.iter().map(|entry| (entry.epoch.0, entry.start_offset.0)).collect()
    };
    assert_eq!(left(0, 30), [(0, 0), (2, 10), (5, 20)]);
    assert_eq!(left(12, 20), [(2, 12)]);
    assert_eq!(left(10, 21), [(2, 10), (5, 20)]);
    assert_eq!(left(25, 30), [(5, 25)]);
    assert_eq!(left(25, 25), []);
}

#[test]
fn a_clean_stop_tells_the_brokers_epoch_or_only_that_it_was_clean() {
    let text = write_clean_shutdown(BrokerEpoch(177));
    assert_eq!(parse_clean_shutdown(text.as_bytes()), Some(BrokerEpoch(177)));
    for unknown in [
        "",
        "{",
        "{}",
        "{\"version\":1,\"brokerEpoch\":7}",
        "{\"version\":0,\"brokerEpoch\":-1}",
    ] {
        assert_eq!(parse_clean_shutdown(unknown.as_bytes()), None, "{unknown}");
    }
}

proptest! {
    #[test]
    fn leader_epochs_read_back_as_written(steps in prop::collection::vec((1i32..50, 1i64..1 << 40), 0..9)) {
        let (mut epoch, mut start_offset) = (LeaderEpoch(-1), Offset(-1));
        let mut entries = Vec::new();
        for (by, further) in steps {
            epoch.0 += by;
            start_offset.0 += further;
            entries.push(LeaderEpochEntry { epoch, start_offset });
        }
        prop_assert_eq!(parse_leader_epochs(write_leader_epochs(&entries).as_bytes()), Ok(entries));
    }

    #[test]
    fn checkpoints_read_back_as_written(rows in prop::collection::vec(("[a-zA-Z0-9._-]{1,30}", 0i32.., any::<i64>()), 0..9)) {
        let entries: Vec<OffsetEntry> = rows
            .into_iter()
            .map(|(topic, partition, offset)| OffsetEntry { topic, partition: PartitionId(partition), offset: Offset(offset) })
            .collect();
        prop_assert_eq!(parse_offset_checkpoint(write_offset_checkpoint(&entries).as_bytes()), Ok(entries));
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let _ = (parse_offset_checkpoint(&bytes), parse_leader_epochs(&bytes), parse_partition_metadata(&bytes), parse_clean_shutdown(&bytes));
    }
}
