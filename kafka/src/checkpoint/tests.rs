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

proptest! {
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
        let _ = (parse_offset_checkpoint(&bytes), parse_leader_epochs(&bytes), parse_partition_metadata(&bytes));
    }
}
